#include "plusultra/resample.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/resample/bucket.h"
#include "host/data/store/cursor.h"
#include "host/data/store/digest.h"
#include "host/data/store/provenance.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"

enum { BATCH_BARS = 1024, SOURCE_BYTES = 128, SUMMARY_BYTES = 512 };

typedef struct job {
    pu_store *store;
    const pu_asset *source;
    pu__bucket_rule rule;
    bool partial;
    pu_price_basis basis;
    int64_t actions_count;
    pu_action *actions; /* owned */
    int64_t next_action;
    pu__bar_writer writer;
    pu__bar *batch; /* owned */
    int64_t batched;
    pu__bar open; /* the long bar at hand; its ts is its close */
    int64_t bars; /* short bars in it */
    int64_t last_ts;
    pu_resample_result *result;
} job;

static pu_status flush(job *j) {
    pu__bar_outcome outcome[BATCH_BARS];
    PU_TRY(pu__bars_put(&j->writer, j->batch, j->batched, true, outcome));
    for (int64_t i = 0; i < j->batched; ++i) {
        j->result->rows_added += outcome[i] == PU__BAR_ADDED;
        j->result->rows_unchanged += outcome[i] == PU__BAR_UNCHANGED;
        j->result->rows_replaced += outcome[i] == PU__BAR_REPLACED;
    }
    j->batched = 0;
    return PU_OK;
}

static pu_status emit(job *j) {
    if (j->result->first_ts == 0) j->result->first_ts = j->open.ts;
    j->result->last_ts = j->open.ts;
    j->batch[j->batched++] = j->open;
    j->bars = 0;
    return j->batched == BATCH_BARS ? flush(j) : PU_OK;
}

/* Raw prices of before a split, in the shares of after it. */
static void cross_splits(job *j, int64_t ts) {
    for (; j->next_action < j->actions_count && j->actions[j->next_action].ex_ts < ts; ++j->next_action) {
        const pu_action *action = &j->actions[j->next_action];
        if (action->kind != PU_ACTION_SPLIT || j->basis != PU_BASIS_RAW || j->bars == 0) continue;
        j->open.open /= action->value;
        j->open.high /= action->value;
        j->open.low /= action->value;
        j->open.volume *= action->value;
    }
}

static pu_status take(job *j, const pu__bar *bar) {
    const int64_t end_ts = pu__bucket_end(&j->rule, bar->ts);
    if (j->bars > 0 && end_ts != j->open.ts) PU_TRY(emit(j));
    cross_splits(j, bar->ts);
    j->last_ts = bar->ts;
    if (j->bars++ == 0) {
        j->open = *bar;
        j->open.ts = end_ts;
        return PU_OK;
    }
    j->open.high = fmax(j->open.high, bar->high);
    j->open.low = fmin(j->open.low, bar->low);
    j->open.close = bar->close;
    j->open.adjusted = bar->adjusted;
    j->open.volume += bar->volume; /* NaN stays */
    return PU_OK;
}

static pu_status take_chunk(job *j, const pu_bars *chunk) {
    for (int64_t i = 0; i < chunk->count; ++i) {
        const pu__bar bar = {chunk->ts[i],    chunk->open[i],     chunk->high[i],  chunk->low[i],
                             chunk->close[i], chunk->adjusted[i], chunk->volume[i]};
        PU_TRY(take(j, &bar));
    }
    j->result->source_bars += chunk->count;
    return pu_interrupted() ? pu_fail(PU_ERR_INTERRUPTED, "interrupted: %s is as it was", j->source->symbol)
                            : PU_OK;
}

/* Whether the bar at hand was written before its end: it must not stay as it was then. */
static pu_status is_stored(const job *j, bool *out) {
    sqlite3_stmt *query = NULL;
    *out = false;
    PU_TRY(pu__sql_prepare(j->store, "SELECT 1 FROM series WHERE asset_id = ?1 AND ts = ?2", &query));
    const bool bound = sqlite3_bind_int64(query, 1, j->result->asset_id) == SQLITE_OK &&
                       sqlite3_bind_int64(query, 2, j->open.ts) == SQLITE_OK;
    const pu_status status =
        bound ? pu__sql_step(j->store, query, out, "read") : pu__store_failure(j->store, "read");
    sqlite3_finalize(query);
    return status;
}

/* The writer is opened before the cursor: its switches would recompile the cursor's statements. */
static pu_status read_source(job *j) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(j->store, j->source->id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0) {
        status = take_chunk(j, chunk);
        if (status == PU_OK) status = pu__bar_cursor_next(&cursor, &chunk);
    }
    pu__bar_cursor_close(&cursor);
    PU_TRY(status);
    if (j->bars == 0) return flush(j);
    bool is_due = j->partial || j->last_ts >= j->open.ts;
    if (!is_due) PU_TRY(is_stored(j, &is_due));
    if (is_due) PU_TRY(emit(j));
    return flush(j);
}

/* What an asset holds, as text: number, ends and checksum of its bars, its actions. */
static pu_status describe(const job *j, int64_t asset_id, char out[SUMMARY_BYTES]) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    PU_TRY(
        pu__sql_prepare(j->store,
                        "SELECT symbol, bar_s, bars, first_ts, last_ts, checksum, price_basis, coalesce((SELECT "
                        "checksum FROM checksums WHERE part = 'corporate_actions' AND owner_id = asset_id), 0) "
                        "FROM assets WHERE asset_id = ?1",
                        &query));
    pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK
                           ? pu__sql_step(j->store, query, &row, "read")
                           : pu__store_failure(j->store, "read");
    int used = 0;
    out[0] = '\0';
    for (int i = 0; row && status == PU_OK && i < sqlite3_column_count(query); ++i) {
        const char *text = (const char *)sqlite3_column_text(query, i); /* null: no memory for the digits */
        if (text) used += snprintf(out + used, SUMMARY_BYTES - (size_t)used, "%s|", text);
        else status = pu__store_failure(j->store, "read");
    }
    sqlite3_finalize(query);
    return status;
}

/* Source, rule and target in one hash: equal to that of the last time, nothing has to be done. */
static pu_status identity(const job *j, char out[65]) {
    char source[SUMMARY_BYTES], target[SUMMARY_BYTES], text[2 * SUMMARY_BYTES + 64];
    PU_TRY(describe(j, j->source->id, source));
    PU_TRY(describe(j, j->result->asset_id, target));
    const int used = snprintf(text, sizeof text, "%s>%" PRId64 "|%d|%u>%s", source, j->rule.to_s, j->partial,
                              j->rule.weekend, target);
    pu__digest(text, (size_t)used, out);
    return PU_OK;
}

static void name_source(const job *j, char out[SOURCE_BYTES]) {
    snprintf(out, SOURCE_BYTES, "resample:%s@%" PRId64, j->source->symbol, j->source->bar_s);
}

/* Bars of another origin are not overwritten. */
static pu_status check_origin(const job *j) {
    char source[SOURCE_BYTES];
    sqlite3_stmt *query = NULL;
    bool row = false;
    name_source(j, source);
    PU_TRY(pu__sql_prepare(j->store,
                           "SELECT coalesce((SELECT file FROM imports AS i WHERE i.asset_id = a.asset_id AND "
                           "layout != 'actions' AND file != ?2 LIMIT 1), 'another source') FROM assets AS a WHERE "
                           "asset_id = ?1 AND bars > 0 AND (SELECT count(*) FROM imports AS i WHERE i.asset_id = "
                           "a.asset_id AND layout != 'actions' AND file = ?2) = 0",
                           &query));
    pu_status status = sqlite3_bind_int64(query, 1, j->result->asset_id) == SQLITE_OK &&
                               sqlite3_bind_text(query, 2, source, -1, SQLITE_STATIC) == SQLITE_OK
                           ? pu__sql_step(j->store, query, &row, "read the imports of")
                           : pu__store_failure(j->store, "read the imports of");
    if (status == PU_OK && row) {
        const char *origin = (const char *)sqlite3_column_text(query, 0);
        status = pu_fail(PU_ERR_DATA,
                         "%s@%" PRId64 " is stored already, from %.300s: `plusultra assets remove %s@%" PRId64
                         "` makes room for the resampled bars",
                         j->source->symbol, j->rule.to_s, origin, j->source->symbol, j->rule.to_s);
    }
    sqlite3_finalize(query);
    return status;
}

/* A source that has its own number of bars a year keeps it. */
static double periods(const job *j) {
    const pu_asset *source = j->source;
    const double usual = pu_periods_per_year(source->asset_class, source->bar_s);
    if (source->periods_per_year == usual) return pu_periods_per_year(source->asset_class, j->rule.to_s);
    return source->periods_per_year * (double)source->bar_s / (double)j->rule.to_s;
}

static pu_status read_currency(const job *j, char out[16]) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    PU_TRY(pu__sql_prepare(j->store, "SELECT currency FROM assets WHERE asset_id = ?1", &query));
    const pu_status status = sqlite3_bind_int64(query, 1, j->source->id) == SQLITE_OK
                                 ? pu__sql_step(j->store, query, &row, "read")
                                 : pu__store_failure(j->store, "read");
    snprintf(out, 16, "%s", row ? (const char *)sqlite3_column_text(query, 0) : "");
    sqlite3_finalize(query);
    return status;
}

static pu_status open_target(job *j) {
    PU_TRY(pu__asset_find(j->store, j->source->symbol, j->rule.to_s, &j->result->asset_id));
    if (j->result->asset_id != 0) return check_origin(j);
    char currency[16];
    PU_TRY(read_currency(j, currency));
    PU_TRY(pu__asset_make(j->store, j->source->symbol, j->source->asset_class, j->rule.to_s, currency, periods(j),
                          &j->result->asset_id));
    return pu_store_put_price_basis(j->store, j->result->asset_id, j->basis);
}

/* The adjusted close carries the dividends; splits are what price views need beside it. */
static pu_status copy_splits(const job *j) {
    int64_t splits = 0;
    pu_action *list = pu_calloc((size_t)j->actions_count, sizeof *list);
    if (!list) return PU_ERR_MEMORY;
    for (int64_t i = 0; i < j->actions_count; ++i) {
        if (j->actions[i].kind == PU_ACTION_SPLIT) list[splits++] = j->actions[i];
    }
    const pu_status status =
        splits > 0 ? pu_store_put_actions(j->store, j->result->asset_id, splits, list, NULL) : PU_OK;
    pu_free(list);
    return status;
}

static pu_status record(const job *j) {
    char source[SOURCE_BYTES], sha256[65];
    name_source(j, source);
    PU_TRY(identity(j, sha256));
    const pu__provenance row = {.source = source,
                                .sha256 = sha256,
                                .layout = "resample",
                                .rows_added = j->result->rows_added,
                                .rows_unchanged = j->result->rows_unchanged,
                                .rows_replaced = j->result->rows_replaced};
    return pu__provenance_put(j->store, j->result->asset_id, &row);
}

static pu_status resample(job *j) {
    char sha256[65];
    PU_TRY(pu_store_get_price_basis(j->store, j->source->id, &j->basis));
    PU_TRY(pu_store_get_actions(j->store, j->source->id, &j->actions_count, &j->actions));
    PU_TRY(open_target(j));
    PU_TRY(identity(j, sha256));
    PU_TRY(pu__provenance_latest(j->store, j->result->asset_id, "resample", sha256, &j->result->unchanged));
    if (j->result->unchanged) return PU_OK;
    PU_TRY(pu__bar_writer_open(j->store, j->result->asset_id, &j->writer));
    PU_TRY(pu__bar_writer_close(&j->writer, read_source(j)));
    PU_TRY(copy_splits(j));
    return record(j);
}

pu_status pu_resample(pu_store *store, const pu_asset *source, int64_t to_s, bool partial,
                      pu_resample_result *result) {
    *result = (pu_resample_result){0};
    job j = {.store = store, .source = source, .partial = partial, .result = result};
    PU_TRY(pu__bucket_rule_make(source, to_s, &j.rule));
    j.batch = pu_calloc(BATCH_BARS, sizeof *j.batch);
    if (!j.batch) return PU_ERR_MEMORY;
    bool began = false;
    pu_status status = pu__sql_enter(store, &began);
    if (status == PU_OK) status = pu__sql_leave(store, began, resample(&j));
    pu_free(j.actions);
    pu_free(j.batch);
    return status;
}
