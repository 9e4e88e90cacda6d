#include "host/data/import/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/memory.h"

enum { SLOTS = 2 };

struct pu__batch_reader {
    pu__row_source *source;
    pu__row_rules rules;
    pu__series_table series;
    bool ended;        /* the source; held rows may be left */
    int settled_count; /* those before it hold no rows any more, after the end */
    pu__batch *batch[SLOTS];
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t changed;
    int64_t filled, released; /* batches, counted from the start */
    int64_t taken;            /* by the consumer; its own */
    bool stop;
};

void pu__reject_set(pu_import_reject *reject, int64_t line, const char *reason, pu__text text) {
    const size_t bytes = text.bytes < PU_IMPORT_TEXT_BYTES ? text.bytes : PU_IMPORT_TEXT_BYTES;
    reject->line = line;
    snprintf(reject->reason, sizeof reject->reason, "%s", reason);
    for (char *at = reject->reason; *at; ++at) {
        if (*at < ' ' || *at > '~') *at = '?';
    }
    for (size_t i = 0; i < bytes; ++i) {
        const char c = text.data[i];
        reject->text[i] = c >= ' ' && c <= '~' ? c : '?';
    }
    reject->text[bytes] = '\0';
}

static void reject(pu__batch *batch, int series, int64_t line, const char *reason, pu__text text) {
    pu__reject_set(&batch->reject[batch->rejects], line, reason, text);
    batch->reject_series[batch->rejects++] = series;
    ++batch->rows;
}

/* The reason, with the symbol before it where there is more than one. */
static void reject_of(pu__batch_reader *reader, pu__batch *batch, int series, int64_t line, const char *reason,
                      pu__text text) {
    char named[PU_IMPORT_REASON_BYTES + 66];
    snprintf(named, sizeof named, "%s: %s", pu__series_at(&reader->series, series)->symbol, reason);
    reject(batch, series, line, reader->rules.many ? named : reason, text);
}

/* One bar of a settled series, to its place behind those before it. A held row's text is gone. */
static void place(pu__batch_reader *reader, pu__batch *batch, int index, const pu__held_row *row,
                  const pu__text *text) {
    char reason[PU_IMPORT_REASON_BYTES], shown[PU_IMPORT_TEXT_BYTES];
    pu__series *series = pu__series_at(&reader->series, index);
    pu__bar *bar = &batch->bar[batch->bars];
    *bar = row->bar;
    pu__row_place found = PU__ROW_MISPLACED;
    if (series->bar_s == 0)
        snprintf(reason, sizeof reason, "its times do not tell the bar length: give it with --bar");
    else if (pu__row_close(&reader->rules, series->bar_s, &row->stamp, row->close_ts, &bar->ts, reason))
        found = pu__row_follow(series->descending, &series->state, bar, row->line, reason);
    switch (found) {
    case PU__ROW_FOLLOWS:
        batch->mixed |= batch->bars > 0 && batch->series[0] != index;
        batch->line[batch->bars] = row->line;
        batch->series[batch->bars++] = index;
        ++batch->rows;
        break;
    case PU__ROW_REPEATED:
        batch->repeated[batch->repeats++] = index;
        ++batch->rows;
        break;
    case PU__ROW_MISPLACED: {
        const pu__text words = {shown, text ? 0 : (size_t)pu__bar_text(bar, sizeof shown, shown)};
        reject_of(reader, batch, index, row->line, reason, text ? *text : words);
        break;
    }
    }
}

static void place_held(pu__batch_reader *reader, pu__batch *batch, int index) {
    pu__series *series = pu__series_at(&reader->series, index);
    if (series->settled) return;
    pu__series_settle(series, &reader->rules);
    for (int i = 0; i < series->held_count; ++i) place(reader, batch, index, &series->held[i], NULL);
    pu__series_release(series);
}

static pu_status place_row(pu__batch_reader *reader, pu__batch *batch, const pu__raw_row *row, char *reason) {
    int index = 0;
    if (reader->rules.many) PU_TRY(pu__series_find(&reader->series, row->symbol, row->period_s, &index, reason));
    if (index < 0) {
        reject(batch, index, row->line, reason, row->text);
        return PU_OK;
    }
    pu__series *series = pu__series_at(&reader->series, index);
    if (series->settled) {
        const pu__held_row now = {row->line, row->stamp, row->close_ts, row->bar};
        place(reader, batch, index, &now, row->text.data ? &row->text : NULL);
        return PU_OK;
    }
    PU_TRY(pu__series_hold(series, row));
    if (series->held_count == PU__HELD_ROWS) place_held(reader, batch, index);
    return PU_OK;
}

static pu_status reject_row(pu__batch_reader *reader, pu__batch *batch, const pu__raw_row *row,
                            const char *reason) {
    char ignored[PU_IMPORT_REASON_BYTES];
    int index = reader->rules.many ? -1 : 0;
    if (reader->rules.many && row->symbol.bytes > 0)
        PU_TRY(pu__series_find(&reader->series, row->symbol, row->period_s, &index, ignored));
    if (index >= 0) reject_of(reader, batch, index, row->line, reason, row->text);
    else reject(batch, index, row->line, reason, row->text);
    return PU_OK;
}

/* One row of the source. */
static pu_status take_row(pu__batch_reader *reader, pu__batch *batch) {
    char reason[PU_IMPORT_REASON_BYTES];
    pu__raw_row row;
    pu__row_outcome outcome = PU__ROW_END;
    PU_TRY(reader->source->next(reader->source, &row, reason, &outcome));
    switch (outcome) {
    case PU__ROW_READ: return place_row(reader, batch, &row, reason);
    case PU__ROW_REJECTED: return reject_row(reader, batch, &row, reason);
    case PU__ROW_END: reader->ended = true; return PU_OK;
    default: return PU_OK;
    }
}

/* All rows that one row of the source, or one held series, may bring have room. */
static bool has_room(const pu__batch *batch) {
    return batch->bars + PU__HELD_ROWS <= PU__BATCH_ROWS && batch->repeats + PU__HELD_ROWS <= PU__BATCH_ROWS &&
           batch->rejects + PU__HELD_ROWS <= PU__BATCH_REJECTS;
}

static void fill(pu__batch_reader *reader, pu__batch *batch) {
    batch->bars = batch->rows = 0;
    batch->rejects = batch->repeats = 0;
    batch->last = batch->mixed = false;
    batch->status = PU_OK;
    batch->message[0] = '\0';
    /* Blank lines without end must not keep an interrupt waiting. */
    for (int lines = 0; lines < PU__BATCH_LINES && has_room(batch) && !reader->ended; ++lines) {
        batch->status = take_row(reader, batch);
        if (batch->status == PU_OK) continue;
        batch->last = true;
        snprintf(batch->message, sizeof batch->message, "%s", pu_error_message());
        break;
    }
    while (reader->ended && reader->settled_count < reader->series.count && has_room(batch))
        place_held(reader, batch, reader->settled_count++);
    batch->last |= reader->ended && reader->settled_count == reader->series.count;
    batch->done = reader->source->done;
}

static void *read_file(void *context) {
    pu__batch_reader *reader = context;
    for (bool last = false; !last;) {
        pthread_mutex_lock(&reader->mutex);
        while (!reader->stop && reader->filled - reader->released >= SLOTS)
            pthread_cond_wait(&reader->changed, &reader->mutex);
        const bool stop = reader->stop;
        pu__batch *batch = reader->batch[reader->filled % SLOTS];
        pthread_mutex_unlock(&reader->mutex);
        if (stop) break;
        fill(reader, batch);
        last = batch->last;
        pthread_mutex_lock(&reader->mutex);
        ++reader->filled;
        pthread_cond_signal(&reader->changed);
        pthread_mutex_unlock(&reader->mutex);
    }
    return NULL;
}

static void release(pu__batch_reader *reader) {
    for (int i = 0; i < SLOTS; ++i) pu_free(reader->batch[i]);
    pu__series_free(&reader->series);
    pu_free(reader);
}

static pu_status start(pu__batch_reader *reader, const pu__row_state *before) {
    for (int i = 0; i < SLOTS; ++i) {
        reader->batch[i] = pu_calloc(1, sizeof(pu__batch));
        if (!reader->batch[i]) return PU_ERR_MEMORY;
    }
    if (!reader->rules.many) PU_TRY(pu__series_single(&reader->series, &reader->rules));
    if (before) pu__series_at(&reader->series, 0)->state = *before;
    if (pthread_mutex_init(&reader->mutex, NULL) != 0) return pu_fail(PU_ERR_IO, "cannot make a mutex");
    if (pthread_cond_init(&reader->changed, NULL) != 0) {
        pthread_mutex_destroy(&reader->mutex);
        return pu_fail(PU_ERR_IO, "cannot make a condition variable");
    }
    if (pthread_create(&reader->thread, NULL, read_file, reader) != 0) {
        pthread_cond_destroy(&reader->changed);
        pthread_mutex_destroy(&reader->mutex);
        return pu_fail(PU_ERR_IO, "cannot start a thread that reads");
    }
    return PU_OK;
}

pu_status pu__batch_reader_open(pu__row_source *source, const pu__row_rules *rules, const pu__row_state *before,
                                pu__batch_reader **out) {
    *out = NULL;
    pu__batch_reader *reader = pu_calloc(1, sizeof *reader);
    if (!reader) return PU_ERR_MEMORY;
    reader->source = source;
    reader->rules = *rules;
    const pu_status status = start(reader, before);
    if (status != PU_OK) {
        release(reader);
        return status;
    }
    *out = reader;
    return PU_OK;
}

const pu__batch *pu__batch_next(pu__batch_reader *reader) {
    pthread_mutex_lock(&reader->mutex);
    reader->released = reader->taken;
    pthread_cond_signal(&reader->changed);
    while (reader->filled <= reader->taken) pthread_cond_wait(&reader->changed, &reader->mutex);
    const pu__batch *batch = reader->batch[reader->taken % SLOTS];
    ++reader->taken;
    pthread_mutex_unlock(&reader->mutex);
    return batch;
}

const pu__series *pu__batch_series(const pu__batch_reader *reader, int index) {
    return pu__series_at(&reader->series, index);
}

pu__row_state pu__batch_state(const pu__batch_reader *reader) { return pu__series_at(&reader->series, 0)->state; }

void pu__batch_reader_close(pu__batch_reader *reader) {
    if (!reader) return;
    pthread_mutex_lock(&reader->mutex);
    reader->stop = true;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
    pthread_join(reader->thread, NULL);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->mutex);
    release(reader);
}
