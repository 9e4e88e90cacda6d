/* Invariants:
 *  1. With one symbol bars go to the store as they come; with many they are gathered, so that each asset gets a run of
 *     them and not a bar now and then.
 *  2. The writer is open only while bars are put: assets are made while the schema's own checks are in force.
 *  3. Counts of series without an asset (all of its rows were rejected) and of rows whose symbol could not be read are
 *     the first asset's at the end. */
#include "host/data/import/bar_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { GATHER_ROWS = 65536 };

typedef struct sink_series {
    int64_t asset_id;                                     /* 0: none yet */
    int pending;                                          /* gathered rows */
    int next;                                             /* while they are put in order */
    bool dated;                                           /* the counts' times are set */
    int64_t saturday;                                     /* bars of a Saturday */
    int64_t stored_bars, stored_first_ts, stored_last_ts; /* before the file */
    int64_t overlaps,
        readjusted; /* rows at the time of a stored bar; those whose adjusted close alone is another */
    bool scaled;    /* an adjusted close that is not the close */
    pu_import_symbol counts;
} sink_series;

typedef struct gathered {
    pu__bar bar[GATHER_ROWS];
    int64_t line[GATHER_ROWS];
    int series[GATHER_ROWS];
    int count;
    pu__bar sorted[GATHER_ROWS];
    int64_t sorted_line[GATHER_ROWS];
    int touched[GATHER_ROWS]; /* series, each once */
    int touched_count;
} gathered;

struct pu__bar_sink {
    pu_store *store;
    const char *path;
    const pu_import_options *options;
    const pu__row_rules *rules;
    pu_import_result *result;
    sink_series *series;
    int count, capacity;
    int64_t loose_rejects; /* rows whose symbol could not be read */
    pu__bar_outcome *outcome;
    gathered *gather; /* null: one symbol */
    pu__bar_writer writer;
    bool writing;
    bool differing; /* a row met another bar in the store */
    pu__record_list rejects;
};

pu_status pu__bar_sink_open(pu_store *store, const char *path, const pu_import_options *options,
                            const pu__row_rules *rules, pu_import_result *result, pu__bar_sink **out) {
    *out = NULL;
    pu__bar_sink *sink = pu_calloc(1, sizeof *sink);
    if (!sink) return PU_ERR_MEMORY;
    *sink = (pu__bar_sink){.store = store, .path = path, .options = options, .rules = rules, .result = result};
    sink->outcome = pu_calloc(GATHER_ROWS, sizeof *sink->outcome);
    if (rules->many) sink->gather = pu_calloc(1, sizeof *sink->gather);
    if (!sink->outcome || (rules->many && !sink->gather)) {
        pu__bar_sink_close(sink);
        return PU_ERR_MEMORY;
    }
    *out = sink;
    return PU_OK;
}

static pu_status stop_writing(pu__bar_sink *sink, pu_status status) {
    if (!sink->writing) return status;
    sink->writing = false;
    return pu__bar_writer_close(&sink->writer, status);
}

void pu__bar_sink_close(pu__bar_sink *sink) {
    if (!sink) return;
    (void)stop_writing(sink, PU_ERR_INTERRUPTED);
    pu__record_list_free(&sink->rejects);
    pu_free(sink->gather);
    pu_free(sink->outcome);
    pu_free(sink->series);
    pu_free(sink);
}

static pu_status series_at(pu__bar_sink *sink, int index, sink_series **out) {
    if (index >= sink->capacity) {
        const int capacity = index < 32 ? 64 : 2 * index;
        sink_series *grown = sink->series ? pu_regrow(sink->series, (size_t)sink->capacity * sizeof *grown,
                                                      (size_t)capacity * sizeof *grown)
                                          : pu_calloc((size_t)capacity, sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        sink->series = grown;
        sink->capacity = capacity;
    }
    if (index >= sink->count) sink->count = index + 1;
    *out = &sink->series[index];
    return PU_OK;
}

static pu_status read_stored(const pu__bar_sink *sink, sink_series *own) {
    static const char *const column[] = {"bars", "first_ts", "last_ts"};
    int64_t *const out[] = {&own->stored_bars, &own->stored_first_ts, &own->stored_last_ts};
    for (int i = 0; i < 3; ++i) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT %s FROM assets WHERE asset_id = %lld", column[i],
                 (long long)own->asset_id);
        PU_TRY(pu__sql_integer(sink->store, sql, 0, out[i]));
    }
    return PU_OK;
}

static pu_status settle_asset(pu__bar_sink *sink, const pu__series *series, sink_series *own) {
    const pu_import_options *options = sink->options;
    pu_import_symbol *counts = &own->counts;
    snprintf(counts->symbol, sizeof counts->symbol, "%s",
             sink->rules->many ? series->symbol : sink->result->symbol);
    const char *asset_class =
        options->asset_class ? options->asset_class : pu__layout_class(&sink->rules->layout, counts->symbol);
    snprintf(counts->asset_class, sizeof counts->asset_class, "%s", asset_class);
    counts->bar_s = series->bar_s;
    counts->periods_per_year = options->periods_per_year > 0 ? options->periods_per_year
                                                             : pu_periods_per_year(asset_class, series->bar_s);
    PU_TRY(pu__asset_find(sink->store, counts->symbol, counts->bar_s, &own->asset_id));
    if (own->asset_id != 0) {
        PU_TRY(pu__record_same_asset(sink->store, own->asset_id, counts->symbol, options));
        return read_stored(sink, own);
    }
    if (series->guessed) PU_TRY(pu__record_no_other_length(sink->store, counts->symbol));
    return pu__asset_make(sink->store, counts->symbol, asset_class, counts->bar_s,
                          options->currency ? options->currency : "", counts->periods_per_year, &own->asset_id);
}

static pu_status reject(pu__bar_sink *sink, int index, const pu_import_reject *row) {
    pu_import_result *result = sink->result;
    sink_series *own = NULL;
    ++result->rows_rejected;
    if (result->rejects_shown < PU_IMPORT_REJECTS_SHOWN) result->rejects[result->rejects_shown++] = *row;
    if (index >= 0) {
        PU_TRY(series_at(sink, index, &own));
        ++own->counts.rows_rejected;
        ++own->counts.rows_read;
    } else {
        ++sink->loose_rejects;
    }
    return pu__record_reject(&sink->rejects, index, row);
}

/* Not by the counts: repeated rows are counted before the bar that they repeat is put. */
static void accept_time(sink_series *own, int64_t ts) {
    if (!own->dated || ts < own->counts.first_ts) own->counts.first_ts = ts;
    if (!own->dated || ts > own->counts.last_ts) own->counts.last_ts = ts;
    own->dated = true;
    const int64_t middle = ts - own->counts.bar_s / 2, day_s = 86400, week_s = 7 * day_s;
    const int64_t of_week = ((middle % week_s) + week_s) % week_s / day_s; /* 1970-01-01 was a Thursday */
    own->saturday += own->counts.bar_s <= day_s && of_week == 2;
}

/* A class that was only guessed, and whose markets are closed when this one trades: its bars a year would be wrong. */
static void doubt_class(const pu__bar_sink *sink, const sink_series *own) {
    const pu_import_symbol *counts = &own->counts;
    const int64_t bars = counts->rows_added + counts->rows_unchanged + counts->rows_replaced;
    if (sink->options->asset_class || strcmp(counts->asset_class, "crypto") == 0 || 20 * own->saturday <= bars)
        return;
    pu_log(PU_LOG_WARNING, "import.class",
           "%s: taken as %s, %g bars a year, but it trades on Saturdays: `plusultra assets set %s --asset-class "
           "crypto` if it never closes, or --asset-class at the import",
           counts->symbol, counts->asset_class, counts->periods_per_year, counts->symbol);
}

/* Markets without splits and dividends have the close as the adjusted one. */
static bool may_adjust(const sink_series *own) {
    const char *asset_class = own->counts.asset_class;
    return own->scaled || (strcmp(asset_class, "crypto") != 0 && strcmp(asset_class, "forex") != 0);
}

static pu_import_seam seam_of(const pu__bar_sink *sink, const sink_series *own) {
    const pu_import_symbol *counts = &own->counts;
    if (!sink->rules->adjusted || own->stored_bars == 0) return PU_IMPORT_SEAM_NONE;
    if (own->overlaps == 0)
        return counts->rows_added > 0 && may_adjust(own) ? PU_IMPORT_SEAM_UNSEEN : PU_IMPORT_SEAM_NONE;
    const bool whole = sink->options->replace && counts->first_ts <= own->stored_first_ts &&
                       counts->last_ts >= own->stored_last_ts;
    return own->readjusted > 0 && !whole ? PU_IMPORT_SEAM_DIFFERS : PU_IMPORT_SEAM_NONE;
}

static void warn_seam(const sink_series *own) {
    const char *symbol = own->counts.symbol;
    const bool differs = own->counts.seam == PU_IMPORT_SEAM_DIFFERS;
    char rows[24];
    snprintf(rows, sizeof rows, "%lld", (long long)own->readjusted);
    const pu_log_field fields[] = {
        {"symbol", symbol}, {"seam", differs ? "differs" : "unseen"}, {"readjusted", rows}};
    static const char *const remedy =
        "import a file of the whole history with --replace, or corporate actions with "
        "--actions FILE --adjust";
    if (own->counts.seam == PU_IMPORT_SEAM_NONE) return;
    if (differs)
        pu_log_fields(
            PU_LOG_WARNING, "import.seam", 3, fields,
            "%s: %s bars have the stored close and another adjusted one: a split or dividend came since, "
            "and the stored bars that stay have the old factors: %s",
            symbol, rows, remedy);
    else
        pu_log_fields(
            PU_LOG_WARNING, "import.seam", 3, fields,
            "%s: no bar of the file was stored before, so that nothing shows whether a split or dividend "
            "has changed the adjusted closes since: those before the seam may be stale: %s",
            symbol, remedy);
}

static pu_status reject_differing(pu__bar_sink *sink, int index, const pu__bar *bar, int64_t line) {
    char when[32], reason[PU_IMPORT_REASON_BYTES], text[PU_IMPORT_TEXT_BYTES];
    pu_import_reject row;
    sink->differing = true;
    const char *symbol = sink->rules->many ? sink->series[index].counts.symbol : "";
    pu_time_format(bar->ts, true, when);
    snprintf(reason, sizeof reason, "%s%sanother bar that closes %s is stored; --replace takes this one", symbol,
             *symbol ? ": " : "", when);
    const int used = pu__bar_text(bar, sizeof text, text);
    pu__reject_set(&row, line, reason, (pu__text){text, (size_t)used});
    return reject(sink, index, &row);
}

/* The batch's rejected rows up to a line; `next` counts them. */
static pu_status reject_before(pu__bar_sink *sink, const pu__batch *batch, int64_t line, int *next) {
    while (*next < batch->rejects && batch->reject[*next].line < line) {
        PU_TRY(reject(sink, batch->reject_series[*next], &batch->reject[*next]));
        ++*next;
    }
    return PU_OK;
}

/* A run of bars of one series. `batch`: its rejected rows are listed on the way; null: they are not. */
static pu_status put_run(pu__bar_sink *sink, int index, const pu__bar *bars, const int64_t *lines, int64_t count,
                         const pu__batch *batch, int *next_reject) {
    const int64_t before = sink->writer.readjusted;
    PU_TRY(pu__bars_put(&sink->writer, bars, count, sink->options->replace, sink->outcome));
    sink->series[index].readjusted += sink->writer.readjusted - before;
    for (int64_t i = 0; i < count; ++i) {
        sink->series[index].overlaps += sink->outcome[i] != PU__BAR_ADDED;
        sink->series[index].scaled |= bars[i].adjusted != bars[i].close;
        if (sink->outcome[i] == PU__BAR_DIFFERS) {
            if (batch) PU_TRY(reject_before(sink, batch, lines[i], next_reject));
            PU_TRY(reject_differing(sink, index, &bars[i], lines[i]));
            continue;
        }
        pu_import_symbol *counts = &sink->series[index].counts;
        accept_time(&sink->series[index], bars[i].ts);
        ++counts->rows_read;
        counts->rows_added += sink->outcome[i] == PU__BAR_ADDED;
        counts->rows_unchanged += sink->outcome[i] == PU__BAR_UNCHANGED;
        counts->rows_replaced += sink->outcome[i] == PU__BAR_REPLACED;
    }
    return PU_OK;
}

static pu_status write_to(pu__bar_sink *sink, int64_t asset_id) {
    if (sink->writing) return pu__bar_writer_turn(&sink->writer, asset_id);
    PU_TRY(pu__bar_writer_open(sink->store, asset_id, &sink->writer));
    sink->writing = true;
    return PU_OK;
}

/* Puts the gathered rows in the order of their series, of which `touched` lists each once. */
static void sort_gathered(pu__bar_sink *sink) {
    gathered *gather = sink->gather;
    int next = 0;
    for (int i = 0; i < gather->touched_count; ++i) {
        sink_series *own = &sink->series[gather->touched[i]];
        own->next = next;
        next += own->pending;
    }
    for (int i = 0; i < gather->count; ++i) {
        const int to = sink->series[gather->series[i]].next++;
        gather->sorted[to] = gather->bar[i];
        gather->sorted_line[to] = gather->line[i];
    }
}

static pu_status flush(pu__bar_sink *sink, const pu__batch_reader *reader) {
    gathered *gather = sink->gather;
    for (int i = 0; i < gather->touched_count; ++i) {
        sink_series *own = &sink->series[gather->touched[i]];
        if (own->asset_id == 0) PU_TRY(settle_asset(sink, pu__batch_series(reader, gather->touched[i]), own));
    }
    sort_gathered(sink);
    pu_status status = PU_OK;
    for (int i = 0; i < gather->touched_count && status == PU_OK; ++i) {
        const int index = gather->touched[i];
        sink_series *own = &sink->series[index];
        const int begin = own->next - own->pending;
        status = write_to(sink, own->asset_id);
        if (status == PU_OK)
            status = put_run(sink, index, gather->sorted + begin, gather->sorted_line + begin, own->pending, NULL,
                             NULL);
        own->pending = 0;
    }
    gather->count = gather->touched_count = 0;
    return stop_writing(sink, status);
}

static pu_status gather_bars(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__batch *batch) {
    gathered *gather = sink->gather;
    for (int64_t i = 0; i < batch->bars; ++i) {
        sink_series *own = NULL;
        if (gather->count == GATHER_ROWS) PU_TRY(flush(sink, reader));
        PU_TRY(series_at(sink, batch->series[i], &own));
        if (own->pending++ == 0) gather->touched[gather->touched_count++] = batch->series[i];
        gather->bar[gather->count] = batch->bar[i];
        gather->line[gather->count] = batch->line[i];
        gather->series[gather->count++] = batch->series[i];
    }
    return PU_OK;
}

static pu_status put_single(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__batch *batch,
                            int *next_reject) {
    sink_series *own = NULL;
    if (batch->bars == 0) return PU_OK;
    PU_TRY(series_at(sink, 0, &own));
    if (own->asset_id == 0) PU_TRY(settle_asset(sink, pu__batch_series(reader, 0), own));
    PU_TRY(write_to(sink, own->asset_id));
    return put_run(sink, 0, batch->bar, batch->line, batch->bars, batch, next_reject);
}

pu_status pu__bar_sink_resume(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__resume *resume) {
    sink_series *own = NULL;
    PU_TRY(series_at(sink, 0, &own));
    PU_TRY(settle_asset(sink, pu__batch_series(reader, 0), own));
    own->counts.rows_read = own->counts.rows_unchanged = resume->rows_read - resume->rows_rejected;
    own->overlaps = own->counts.rows_read; /* the same bytes as before: their factors are those stored */
    own->dated = true;
    own->saturday = resume->saturday_bars;
    own->counts.first_ts = resume->first_ts;
    own->counts.last_ts = resume->last_ts;
    for (size_t i = 0; i < resume->rejects.count; ++i) PU_TRY(reject(sink, 0, &resume->rejects.row[i].row));
    sink->result->rows_read = resume->rows_read;
    sink->result->bytes_known = resume->bytes;
    return PU_OK;
}

pu_status pu__bar_sink_put(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__batch *batch) {
    int rejects = 0; /* those that are listed */
    PU_TRY(sink->gather ? gather_bars(sink, reader, batch) : put_single(sink, reader, batch, &rejects));
    for (int i = 0; i < batch->repeats; ++i) {
        sink_series *own = NULL;
        PU_TRY(series_at(sink, batch->repeated[i], &own));
        ++own->counts.rows_unchanged;
        ++own->counts.rows_read;
    }
    PU_TRY(reject_before(sink, batch, INT64_MAX, &rejects));
    sink->result->rows_read += batch->rows;
    return PU_OK;
}

static pu_status check_usable(const pu__bar_sink *sink) {
    const pu_import_result *result = sink->result;
    if (result->rows_read == 0) return pu_fail(PU_ERR_DATA, "%s holds no row of bars", sink->path);
    return pu__record_usable(sink->path, result->rows_read, result->rows_rejected, result->rejects,
                             sink->options->rejected_ratio_max);
}

/* The file's figures from those of its symbols. */
static void sum_up(pu__bar_sink *sink) {
    pu_import_result *result = sink->result;
    bool dated = false;
    for (int i = 0; i < sink->count; ++i) {
        pu_import_symbol *counts = &sink->series[i].counts;
        if (sink->series[i].asset_id == 0) continue;
        counts->seam = seam_of(sink, &sink->series[i]);
        const bool first = result->symbol_count++ == 0;
        if (first) {
            snprintf(result->symbol, sizeof result->symbol, "%s", counts->symbol);
            snprintf(result->asset_class, sizeof result->asset_class, "%s", counts->asset_class);
            result->bar_s = counts->bar_s;
            result->periods_per_year = counts->periods_per_year;
        }
        const bool own = sink->series[i].dated;
        if (own && (!dated || counts->first_ts < result->first_ts)) result->first_ts = counts->first_ts;
        if (own && (!dated || counts->last_ts > result->last_ts)) result->last_ts = counts->last_ts;
        dated |= own;
        result->rows_added += counts->rows_added;
        result->rows_unchanged += counts->rows_unchanged;
        result->rows_replaced += counts->rows_replaced;
    }
}

pu_status pu__bar_sink_end(pu__bar_sink *sink, const pu__batch_reader *reader) {
    PU_TRY(sink->gather ? flush(sink, reader) : stop_writing(sink, PU_OK));
    sum_up(sink);
    const pu_status status = check_usable(sink);
    for (int i = 0; i < sink->count && status != PU_OK; ++i) { /* why so many rows are refused */
        if (sink->series[i].counts.seam == PU_IMPORT_SEAM_DIFFERS) warn_seam(&sink->series[i]);
    }
    return status;
}

/* Invariant 3. Rejected rows of series without an asset become the first asset's. */
static int hand_over_loose(pu__bar_sink *sink) {
    int first = 0;
    while (first < sink->count && sink->series[first].asset_id == 0) ++first;
    int64_t loose = sink->loose_rejects;
    for (int i = 0; i < sink->count; ++i) {
        if (sink->series[i].asset_id == 0) loose += sink->series[i].counts.rows_rejected;
    }
    for (size_t i = 0; i < sink->rejects.count; ++i) {
        int *series = &sink->rejects.row[i].series;
        if (*series < 0 || sink->series[*series].asset_id == 0) *series = first;
    }
    sink->series[first].counts.rows_rejected += loose;
    sink->series[first].counts.rows_read += loose;
    return first;
}

static int compare_ids(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static pu_status record_series(pu__bar_sink *sink, const sink_series *own, const pu__record_row *rows,
                               size_t count, const pu__file_end *end) {
    int64_t import_id = 0;
    PU_TRY(pu__record_import(sink->store, own->asset_id, sink->path, sink->result, &own->counts, rows, count,
                             &import_id));
    const bool listed = own->counts.rows_rejected == (int64_t)count;
    if (!end || sink->differing || !listed) return PU_OK;
    return pu__resume_record(sink->store, import_id, sink->rules, &own->counts, own->saturday, end);
}

pu_status pu__bar_sink_record(pu__bar_sink *sink, const pu__file_end *end) {
    int64_t *known = NULL;
    size_t known_count = 0;
    PU_TRY(pu__record_known(sink->store, sink->result->sha256, &known, &known_count));
    const int first = hand_over_loose(sink);
    pu__record_sort(&sink->rejects);
    const pu__record_row *row = sink->rejects.row, *stop = row ? row + sink->rejects.count : row;
    pu_status status = PU_OK;
    for (int i = first; i < sink->count && status == PU_OK; ++i) {
        const sink_series *own = &sink->series[i];
        const pu__record_row *begin = row;
        while (row < stop && row->series == i) ++row;
        if (own->asset_id == 0) continue;
        const bool changed = own->counts.rows_added > 0 || own->counts.rows_replaced > 0;
        if (!changed && known_count > 0 && bsearch(&own->asset_id, known, known_count, sizeof *known, compare_ids))
            continue;
        status = record_series(sink, own, begin, (size_t)(row - begin), end);
    }
    pu_free(known);
    return status;
}

void pu__bar_sink_report(const pu__bar_sink *sink) {
    for (int i = 0; i < sink->count; ++i) {
        if (sink->series[i].asset_id == 0) continue;
        doubt_class(sink, &sink->series[i]);
        warn_seam(&sink->series[i]);
    }
    for (int i = 0; i < sink->count && sink->options->on_symbol; ++i) {
        if (sink->series[i].asset_id != 0)
            sink->options->on_symbol(sink->options->on_symbol_context, &sink->series[i].counts);
    }
}
