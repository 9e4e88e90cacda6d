/* One file of series into the store: reader -> points -> writer, inside one transaction. Rejected rows go to their
 * table as they come, so that memory does not grow with the file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/data/alternative/mapping.h"
#include "host/data/alternative/write.h"
#include "host/data/import/batch.h"
#include "host/data/import/record.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { ROWS_PER_LOOK = 4096 };

typedef struct series_job {
    pu_store *store;
    const char *path;
    const pu_series_options *options;
    const pu__zone *zone;
    pu_series_result *result;
    pu__reader *reader;
    pu__series_writer writer;
    sqlite3_stmt *rejected;
    int64_t import_id;
    char symbol[64]; /* of the first row; with --symbol the others must bear it, too */
    bool any_symbol;
} series_job;

static pu_status record_failure(pu_store *store) { return pu__store_failure(store, "record an import in"); }

static pu_status reject(series_job *job, const pu__reader_row *row, const char *reason) {
    pu_series_result *result = job->result;
    pu_import_reject entry;
    pu__reject_set(&entry, row->line, reason, row->text);
    ++result->rows_rejected;
    if (result->rejects_shown < PU_IMPORT_REJECTS_SHOWN) result->rejects[result->rejects_shown++] = entry;
    const int code = sqlite3_bind_int64(job->rejected, 1, job->import_id) |
                     sqlite3_bind_int64(job->rejected, 2, entry.line) |
                     sqlite3_bind_text(job->rejected, 3, entry.reason, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(job->rejected, 4, entry.text, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? pu__sql_run(job->store, job->rejected, "record rejected rows in")
                             : record_failure(job->store);
}

/* --symbol renames what a file is about; it must not merge two assets. */
static bool same_symbol(series_job *job, const pu__points *points, char *reason) {
    if (!job->options->symbol || !points->symbol[0]) return true;
    if (!job->any_symbol) snprintf(job->symbol, sizeof job->symbol, "%s", points->symbol);
    job->any_symbol = true;
    if (strcmp(job->symbol, points->symbol) == 0) return true;
    snprintf(reason, PU_IMPORT_REASON_BYTES, "symbol: '%.40s' among rows of '%.40s', which --symbol renames",
             points->symbol, job->symbol);
    return false;
}

static pu_status store_row(series_job *job, const pu__reader_row *row) {
    char reason[PU_IMPORT_REASON_BYTES] = "";
    pu__points points;
    pu__points_outcome outcome = PU__POINTS_REJECTED;
    pu_series_result *result = job->result;
    ++result->rows_read;
    if (pu__points_read(job->options, job->zone, row, &points, reason) && same_symbol(job, &points, reason))
        PU_TRY(pu__points_put(&job->writer, &points, &outcome, reason));
    result->rows_added += outcome == PU__POINTS_ADDED;
    result->rows_unchanged += outcome == PU__POINTS_UNCHANGED;
    result->rows_replaced += outcome == PU__POINTS_REPLACED;
    return outcome == PU__POINTS_REJECTED ? reject(job, row, reason) : PU_OK;
}

static pu_status store_rows(series_job *job) {
    pu__reader_row row;
    bool found = true;
    int64_t looked = 0;
    for (;;) {
        PU_TRY(job->reader->next(job->reader, &row, &found));
        if (!found) return PU_OK;
        if (pu__points_wanted(job->options, &row)) PU_TRY(store_row(job, &row));
        if (++looked % ROWS_PER_LOOK == 0 && pu_interrupted())
            return pu_fail(PU_ERR_INTERRUPTED, "interrupted: nothing of %s was stored; run again", job->path);
    }
}

static pu_status check_usable(const series_job *job) {
    const pu_series_result *result = job->result;
    if (result->rows_read == 0 && job->options->only)
        return pu_fail(PU_ERR_DATA, "%s holds no row of '%.60s', which --only asks for", job->path,
                       job->options->only);
    if (result->rows_read == 0) return pu_fail(PU_ERR_DATA, "%s holds no row", job->path);
    return pu__record_usable(job->path, result->rows_read, result->rows_rejected, result->rejects,
                             job->options->rejected_ratio_max);
}

static pu_status write_rows(series_job *job) {
    PU_TRY(pu__series_writer_open(job->store, job->options, &job->writer));
    pu_status status = store_rows(job);
    if (status == PU_OK) status = check_usable(job);
    for (int i = 0; i < job->writer.count; ++i) job->result->series += job->writer.series[i].used;
    job->result->first_published_ts = job->writer.first_published_ts;
    job->result->last_published_ts = job->writer.last_published_ts;
    return pu__series_writer_close(&job->writer, status);
}

/* ---- the record of the import ---- */

static pu_status begin_record(series_job *job) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(job->store,
                           "INSERT INTO alternative_imports (name, kind, file, sha256, bytes, format, rows_read, "
                           "rows_added, rows_unchanged, rows_replaced, rows_rejected) "
                           "VALUES (?1, ?2, ?3, hex(zeroblob(32)), 0, ?4, 0, 0, 0, 0, 0)",
                           &insert));
    const char *const text[] = {job->options->name, pu_series_kind_name(job->options->kind), job->path,
                                job->reader->format};
    int code = SQLITE_OK;
    for (int i = 0; i < 4; ++i) code |= sqlite3_bind_text(insert, 1 + i, text[i], -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(job->store, insert, "record an import in") : record_failure(job->store);
    sqlite3_finalize(insert);
    job->import_id = sqlite3_last_insert_rowid(pu_store_sqlite(job->store));
    return status;
}

/* A file that was imported before and adds nothing leaves no second record. */
static pu_status end_record(series_job *job) {
    static const char update[] = "UPDATE alternative_imports SET sha256 = ?2, bytes = ?3, rows_read = ?4, "
                                 "rows_added = ?5, rows_unchanged = ?6, "
                                 "rows_replaced = ?7, rows_rejected = ?8 WHERE import_id = ?1";
    static const char forget[] = "DELETE FROM alternative_imports WHERE import_id = ?1 AND rows_added + "
                                 "rows_replaced = 0 AND EXISTS (SELECT 1 "
                                 "FROM alternative_imports AS o WHERE o.import_id <> ?1 AND o.sha256 = "
                                 "alternative_imports.sha256 AND o.name = "
                                 "alternative_imports.name)";
    static const char *const sql[] = {update, forget};
    const pu_series_result *r = job->result;
    const int64_t whole[] = {r->bytes,          r->rows_read,     r->rows_added,
                             r->rows_unchanged, r->rows_replaced, r->rows_rejected};
    for (int s = 0; s < 2; ++s) {
        sqlite3_stmt *statement = NULL;
        PU_TRY(pu__sql_prepare(job->store, sql[s], &statement));
        int code = sqlite3_bind_int64(statement, 1, job->import_id);
        if (s == 0) code |= sqlite3_bind_text(statement, 2, r->sha256, -1, SQLITE_STATIC);
        for (int i = 0; i < 6 && s == 0; ++i) code |= sqlite3_bind_int64(statement, 3 + i, whole[i]);
        const pu_status status = code == SQLITE_OK ? pu__sql_run(job->store, statement, "record an import in")
                                                   : record_failure(job->store);
        sqlite3_finalize(statement);
        PU_TRY(status);
    }
    return PU_OK;
}

static pu_status run_transaction(series_job *job) {
    PU_TRY(begin_record(job));
    PU_TRY(pu__sql_prepare(
        job->store,
        "INSERT INTO alternative_rejected_rows (import_id, line, reason, text) VALUES (?1, ?2, ?3, ?4)",
        &job->rejected));
    pu_status status = write_rows(job);
    sqlite3_finalize(job->rejected);
    job->rejected = NULL;
    PU_TRY(status);
    PU_TRY(job->reader->finish(job->reader, &job->result->bytes, job->result->sha256));
    return end_record(job);
}

/* ---- entry ---- */

static pu_status check_symbol(pu_store *store, const char *symbol) {
    int count = 0;
    sqlite3_stmt *query = NULL;
    bool row = false;
    if (!symbol) return PU_OK;
    PU_TRY(pu__sql_prepare(store, "SELECT 1 FROM assets WHERE symbol = ?1", &query));
    pu_status status = sqlite3_bind_text(query, 1, symbol, -1, SQLITE_STATIC) == SQLITE_OK
                           ? pu__sql_step(store, query, &row, "look up an asset in")
                           : pu__store_failure(store, "look up an asset in");
    sqlite3_finalize(query);
    if (status != PU_OK || row) return status;
    pu_asset *assets = NULL;
    status = pu_store_assets(store, 1, &symbol, &count, &assets); /* its message names the nearest there is */
    pu_free(assets);
    return status != PU_OK
               ? pu_fail_within(status, "--symbol")
               : pu_fail(PU_ERR_NOT_FOUND, "--symbol %s: name the symbol without its bar length", symbol);
}

static pu_status check_options(pu_store *store, const pu_series_options *options) {
    PU_TRY(pu__series_name_check(options->name));
    if (options->kind == PU_SERIES_OTHER && options->stale_after_s <= 0)
        return pu_fail(PU_ERR_CONFIG,
                       "a series of the kind other has no usual limit: say with --stale-after 7d how long "
                       "after its publication a value counts");
    if (options->stale_after_s < 0 || options->published_lag_s < 0)
        return pu_fail(PU_ERR_ARGUMENT, "--stale-after and --published-lag are not negative");
    if (options->kind == PU_SERIES_REGIME && (options->symbol || options->unit || options->stale_after_s > 0))
        return pu_fail(PU_ERR_CONFIG,
                       "a regime is the whole market's, has no unit and holds until the next: leave "
                       "--symbol, --unit and --stale-after out");
    if (options->unit && strlen(options->unit) > 31)
        return pu_fail(PU_ERR_CONFIG, "--unit: at most 31 bytes are accepted");
    return check_symbol(store, options->symbol);
}

static pu_status run_with(series_job *job, const pu__columns *columns) {
    PU_TRY(check_options(job->store, job->options));
    PU_TRY(pu__reader_open(job->path, columns, job->options, &job->reader));
    snprintf(job->result->format, sizeof job->result->format, "%s", job->reader->format);
    pu_status status = pu_store_begin(job->store);
    if (status == PU_OK) status = run_transaction(job);
    if (status == PU_OK && job->options->dry_run) pu_store_rollback(job->store);
    else status = pu__sql_leave(job->store, true, status);
    job->reader->close(job->reader);
    return status;
}

static pu_status run_job(series_job *job) {
    enum { CHUNK_BYTES = 4096 };
    pu_series_options options = *job->options;
    pu__columns columns;
    pu_arena *arena = NULL;
    PU_TRY(pu__columns_make(options.kind, options.columns, &columns));
    PU_TRY(pu_arena_new(CHUNK_BYTES, &arena));
    job->options = &options;
    pu_status status = pu__series_mapping_load(arena, &columns, &options);
    pu__zone *zone = NULL;
    if (status == PU_OK && options.zone) status = pu__zone_open(arena, options.zone, &zone);
    job->zone = zone;
    if (status == PU_OK) status = run_with(job, &columns);
    pu_arena_free(arena);
    return status;
}

pu_status pu_series_import(pu_store *store, const char *path, const pu_series_options *options,
                           pu_series_result *result) {
    const double started_s = pu_clock_s();
    *result = (pu_series_result){0};
    series_job job = {.store = store, .path = path, .options = options, .result = result};
    const pu_status status = run_job(&job);
    result->seconds = pu_clock_s() - started_s;
    return status;
}
