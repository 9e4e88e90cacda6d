/* One file into the store. The steps: guess the layout from the first line, bar length and order from the first
 * rows, then read on one thread and write on this one, all inside one transaction. */
#include "plusultra/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/import/batch.h"
#include "host/data/import/probe.h"
#include "host/data/import/record.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

typedef struct import_job {
    pu_store *store;
    const char *path;
    const pu_import_options *options;
    pu_import_result *result;
    pu__lines lines;
    pu__row_rules rules;
    int64_t asset_id;
    pu__bar_writer writer;
    pu__record_list rejects; /* all of them, for the table */
    int64_t file_bytes;
} import_job;

/* "folder/EURUSD.csv" -> "EURUSD"; the ending is what follows the last dot, if anything stands before it. */
static void name_of(const char *path, const char **name, size_t *length) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    const char *dot = strrchr(*name, '.');
    *length = dot && dot > *name ? (size_t)(dot - *name) : strlen(*name);
}

static void name_from_path(const char *path, char *out, size_t capacity) {
    const char *name;
    size_t length;
    name_of(path, &name, &length);
    snprintf(out, capacity, "%.*s", (int)(length < capacity ? length : capacity), name);
}

/* A name that is cut would put the bars of two files into one asset. */
static pu_status check_path_name(const import_job *job) {
    const char *name;
    size_t length;
    name_of(job->path, &name, &length);
    if (length < sizeof job->result->symbol) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT,
                   "%s: its name is too long for a symbol, %zu bytes, 1 to 63 are accepted: name it with --symbol",
                   job->path, length);
}

static pu_status settle_asset(import_job *job) {
    pu_import_result *result = job->result;
    const pu_import_options *options = job->options;
    if (!options->symbol && !job->rules.symbol[0]) PU_TRY(check_path_name(job));
    const char *symbol = options->symbol        ? options->symbol
                         : job->rules.symbol[0] ? job->rules.symbol
                                                : result->symbol;
    if (!options->symbol && symbol != result->symbol)
        snprintf(result->symbol, sizeof result->symbol, "%s", symbol);
    const char *asset_class =
        options->asset_class ? options->asset_class : pu__layout_class(&job->rules.layout, result->symbol);
    snprintf(result->asset_class, sizeof result->asset_class, "%s", asset_class);
    result->periods_per_year = options->periods_per_year > 0 ? options->periods_per_year
                                                             : pu_periods_per_year(asset_class, job->rules.bar_s);
    result->bar_s = job->rules.bar_s;
    PU_TRY(pu__asset_find(job->store, result->symbol, result->bar_s, &job->asset_id));
    if (job->asset_id != 0) {
        return pu__record_same_asset(job->store, job->asset_id, result->symbol, options);
    }
    return pu__asset_make(job->store, result->symbol, asset_class, result->bar_s,
                          options->currency ? options->currency : "", result->periods_per_year, &job->asset_id);
}

static pu_status reject(import_job *job, const pu_import_reject *row) {
    pu_import_result *result = job->result;
    ++result->rows_rejected;
    if (result->rejects_shown < PU_IMPORT_REJECTS_SHOWN) result->rejects[result->rejects_shown++] = *row;
    return pu__record_reject(&job->rejects, row);
}

static void accept_time(pu_import_result *result, int64_t ts) {
    const bool first = result->rows_added + result->rows_unchanged + result->rows_replaced == 0;
    if (first || ts < result->first_ts) result->first_ts = ts;
    if (first || ts > result->last_ts) result->last_ts = ts;
}

static pu_status count_outcome(import_job *job, const pu__bar *bar, int64_t line, pu__bar_outcome outcome) {
    pu_import_result *result = job->result;
    if (outcome == PU__BAR_DIFFERS) {
        char when[32], reason[PU_IMPORT_REASON_BYTES], text[PU_IMPORT_TEXT_BYTES];
        pu_import_reject row;
        pu_time_format(bar->ts, true, when);
        snprintf(reason, sizeof reason, "another bar that closes %s is stored; --replace takes this one", when);
        const int used =
            snprintf(text, sizeof text, "open %.10g high %.10g low %.10g close %.10g adjusted %.10g volume %.10g",
                     bar->open, bar->high, bar->low, bar->close, bar->adjusted, bar->volume);
        pu__reject_set(&row, line, reason, (pu__text){text, (size_t)used});
        return reject(job, &row);
    }
    accept_time(result, bar->ts);
    result->rows_added += outcome == PU__BAR_ADDED;
    result->rows_unchanged += outcome == PU__BAR_UNCHANGED;
    result->rows_replaced += outcome == PU__BAR_REPLACED;
    return PU_OK;
}

static pu_status store_batch(import_job *job, const pu__batch *batch, pu__bar_outcome *outcome) {
    pu_import_result *result = job->result;
    PU_TRY(pu__bars_put(&job->writer, batch->bar, batch->bars, job->options->replace, outcome));
    for (int64_t i = 0; i < batch->bars; ++i)
        PU_TRY(count_outcome(job, &batch->bar[i], batch->line[i], outcome[i]));
    for (int i = 0; i < batch->rejects; ++i) PU_TRY(reject(job, &batch->reject[i]));
    result->rows_unchanged += batch->repeated;
    result->rows_read += batch->bars + batch->repeated + batch->rejects;
    result->bytes = batch->bytes;
    if (batch->status != PU_OK) return pu_fail(batch->status, "%s", batch->message);
    if (pu_interrupted())
        return pu_fail(PU_ERR_INTERRUPTED, "interrupted: nothing of %s was stored; run again", job->path);
    return PU_OK;
}

static pu_status store_all(import_job *job, pu__batch_reader *reader) {
    enum { MEGABYTE = 1000000 };
    pu__bar_outcome *outcome = pu_calloc(PU__BATCH_ROWS, sizeof *outcome);
    if (!outcome) return PU_ERR_MEMORY;
    pu_progress progress;
    pu_progress_begin(&progress, job->result->symbol, "MB", job->file_bytes / MEGABYTE);
    pu_status status = PU_OK;
    for (bool last = false; !last && status == PU_OK;) {
        const pu__batch *batch = pu__batch_next(reader);
        status = store_batch(job, batch, outcome);
        last = batch->last;
        if (job->file_bytes >= 16 * MEGABYTE) pu_progress_update(&progress, batch->bytes / MEGABYTE, NULL);
    }
    pu_free(outcome);
    return status;
}

static pu_status check_usable(const import_job *job) {
    const pu_import_result *result = job->result;
    if (result->rows_read == 0) return pu_fail(PU_ERR_DATA, "%s holds no row of bars", job->path);
    if (result->rows_rejected < result->rows_read) return PU_OK;
    return pu_fail(PU_ERR_DATA, "%s: none of its %lld rows can be used; line %lld: %s", job->path,
                   (long long)result->rows_read, (long long)result->rejects[0].line, result->rejects[0].reason);
}

static pu_status write_file(import_job *job) {
    pu__batch_reader *reader = NULL;
    PU_TRY(pu__bar_writer_open(job->store, job->asset_id, &job->writer));
    pu_status status = pu__batch_reader_open(&job->lines, &job->rules, &reader);
    if (status == PU_OK) status = store_all(job, reader);
    pu__batch_reader_close(reader);
    if (status == PU_OK) pu__digest_end(&job->lines.hash, job->result->sha256);
    if (status == PU_OK) status = check_usable(job);
    return pu__bar_writer_close(&job->writer, status);
}

/* A file that was imported before and adds nothing leaves the store as it is. */
static pu_status record_import(import_job *job) {
    bool known = false;
    const pu_import_result *result = job->result;
    if (result->rows_added == 0 && result->rows_replaced == 0)
        PU_TRY(pu__record_known(job->store, job->asset_id, result->sha256, &known));
    return known ? PU_OK : pu__record_import(job->store, job->asset_id, job->path, result, &job->rejects);
}

static pu_status run_transaction(import_job *job) {
    pu_status status = settle_asset(job);
    if (status == PU_OK) status = write_file(job);
    if (status == PU_OK) status = record_import(job);
    return status;
}

static pu_status run_job(import_job *job) {
    pu_import_result *result = job->result;
    PU_TRY(pu__probe(&job->lines, job->options, &job->rules, &result->stamp_assumed));
    result->layout = job->rules.layout.kind;
    result->stamp = job->rules.stamp;
    if (job->rules.layout.has_header) {
        pu__text header;
        bool found = false;
        PU_TRY(pu__lines_next(&job->lines, &header, &found));
    }
    PU_TRY(pu_store_begin(job->store));
    return pu__sql_leave(job->store, true, run_transaction(job));
}

pu_status pu_import_file(pu_store *store, const char *path, const pu_import_options *options,
                         pu_import_result *result) {
    static const pu_import_options defaults = {0};
    const double started_s = pu_clock_s();
    *result = (pu_import_result){0};
    import_job *job = pu_calloc(1, sizeof *job);
    if (!job) return PU_ERR_MEMORY;
    *job = (import_job){.store = store, .path = path, .options = options ? options : &defaults, .result = result};
    if (job->options->symbol) snprintf(result->symbol, sizeof result->symbol, "%s", job->options->symbol);
    else name_from_path(path, result->symbol, sizeof result->symbol);
    pu_status status = job->options->symbol ? pu__asset_name_check(job->options->symbol) : PU_OK;
    if (status == PU_OK) status = pu__record_file_bytes(path, &job->file_bytes);
    if (status == PU_OK) status = pu__lines_open(path, &job->lines);
    if (status == PU_OK) {
        status = run_job(job);
        pu__lines_close(&job->lines);
    }
    pu__record_list_free(&job->rejects);
    pu_free(job);
    result->seconds = pu_clock_s() - started_s;
    return status;
}
