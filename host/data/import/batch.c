#include "host/data/import/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/memory.h"

enum { SLOTS = 2 };

struct pu__batch_reader {
    pu__lines *lines;
    pu__row_rules rules;
    pu__row_state state;
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

static void fill(pu__batch_reader *reader, pu__batch *batch) {
    char reason[PU_IMPORT_REASON_BYTES];
    batch->bars = batch->repeated = batch->rejects = 0;
    batch->last = false;
    batch->status = PU_OK;
    while (batch->bars < PU__BATCH_ROWS && batch->rejects < PU__BATCH_REJECTS) {
        pu__text line;
        bool found = false;
        batch->status = pu__lines_next(reader->lines, &line, &found);
        if (batch->status != PU_OK || !found) {
            batch->last = true;
            snprintf(batch->message, sizeof batch->message, "%s",
                     batch->status != PU_OK ? pu_error_message() : "");
            break;
        }
        const int64_t number = reader->lines->line;
        switch (pu__row_read(&reader->rules, &reader->state, line, number, &batch->bar[batch->bars], reason)) {
        case PU__ROW_BAR: batch->line[batch->bars++] = number; break;
        case PU__ROW_REPEATED: ++batch->repeated; break;
        case PU__ROW_REJECTED: pu__reject_set(&batch->reject[batch->rejects++], number, reason, line); break;
        case PU__ROW_BLANK: break;
        }
    }
    batch->bytes = reader->lines->bytes;
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
    pu_free(reader);
}

static pu_status start(pu__batch_reader *reader) {
    for (int i = 0; i < SLOTS; ++i) {
        reader->batch[i] = pu_calloc(1, sizeof(pu__batch));
        if (!reader->batch[i]) return PU_ERR_MEMORY;
    }
    if (pthread_mutex_init(&reader->mutex, NULL) != 0) return pu_fail(PU_ERR_IO, "cannot make a mutex");
    if (pthread_cond_init(&reader->changed, NULL) != 0) {
        pthread_mutex_destroy(&reader->mutex);
        return pu_fail(PU_ERR_IO, "cannot make a condition variable");
    }
    if (pthread_create(&reader->thread, NULL, read_file, reader) != 0) {
        pthread_cond_destroy(&reader->changed);
        pthread_mutex_destroy(&reader->mutex);
        return pu_fail(PU_ERR_IO, "cannot start a thread to read %s", reader->lines->path);
    }
    return PU_OK;
}

pu_status pu__batch_reader_open(pu__lines *lines, const pu__row_rules *rules, pu__batch_reader **out) {
    *out = NULL;
    pu__batch_reader *reader = pu_calloc(1, sizeof *reader);
    if (!reader) return PU_ERR_MEMORY;
    reader->lines = lines;
    reader->rules = *rules;
    const pu_status status = start(reader);
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
