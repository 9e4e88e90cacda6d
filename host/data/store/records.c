/* Small tables: indicators, benchmarks, runs, trades. */
#include <math.h>
#include <string.h>

#include "host/data/store/checksum.h"
#include "host/data/store/records.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

static pu_status bind_failure(pu_store *store) { return pu__store_failure(store, "write to"); }

static pu_status write_indicator(pu_store *store, int64_t asset_id, const char *name, int64_t count,
                                 const int64_t *ts, const double *value) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO indicators (asset_id, name, ts, value) VALUES (?1, ?2, ?3, ?4) "
                           "ON CONFLICT DO UPDATE SET value = excluded.value",
                           &insert));
    pu_status status = PU_OK;
    if (sqlite3_bind_int64(insert, 1, asset_id) != SQLITE_OK ||
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_STATIC) != SQLITE_OK) {
        status = bind_failure(store);
    }
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        if (!isfinite(value[i])) {
            status = pu_fail(PU_ERR_DATA, "indicator %s of asset %lld: value %lld is not finite", name,
                             (long long)asset_id, (long long)i);
        } else if (sqlite3_bind_int64(insert, 3, ts[i]) != SQLITE_OK ||
                   sqlite3_bind_double(insert, 4, value[i]) != SQLITE_OK) {
            status = bind_failure(store);
        } else {
            status = pu__sql_run(store, insert, "write an indicator to");
        }
    }
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_INDICATORS, asset_id);
}

pu_status pu_store_put_indicator(pu_store *store, int64_t asset_id, const char *name, int64_t count,
                                 const int64_t *ts, const double *value) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_indicator(store, asset_id, name, count, ts, value));
}

/* ?1 is the name; ?2, where the statement has one, the asset. */
static pu_status prepare_named(pu_store *store, const char *sql, const char *name, int64_t asset_id,
                               sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(store, sql, out));
    int code = sqlite3_bind_text(*out, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(*out) > 1) code |= sqlite3_bind_int64(*out, 2, asset_id);
    if (code == SQLITE_OK) return PU_OK;
    sqlite3_finalize(*out);
    *out = NULL;
    return bind_failure(store);
}

static pu_status read_values(pu_store *store, sqlite3_stmt *query, int64_t count, int64_t *ts, double *value) {
    for (int64_t i = 0; i < count; ++i) {
        bool row = false;
        PU_TRY(pu__sql_step(store, query, &row, "read an indicator of"));
        if (!row)
            return pu_fail(PU_ERR_CORRUPT, "%s: the indicators are out of order; restore a copy",
                           pu_store_path(store));
        ts[i] = sqlite3_column_int64(query, 0);
        value[i] = sqlite3_column_double(query, 1);
    }
    return PU_OK;
}

static pu_status count_values(pu_store *store, int64_t asset_id, const char *name, int64_t *count) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_named(store, "SELECT count(*) FROM indicators WHERE name = ?1 AND asset_id = ?2", name,
                         asset_id, &query));
    bool row = false;
    const pu_status status = pu__sql_step(store, query, &row, "read an indicator of");
    *count = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    PU_TRY(status);
    return *count > 0 ? PU_OK
                      : pu_fail(PU_ERR_NOT_FOUND, "asset %lld has no indicator '%s'", (long long)asset_id, name);
}

pu_status pu_store_get_indicator(pu_store *store, int64_t asset_id, const char *name, int64_t *count, int64_t **ts,
                                 double **value) {
    *ts = NULL;
    *value = NULL;
    PU_TRY(count_values(store, asset_id, name, count));
    const size_t n = (size_t)*count;
    int64_t *block = pu_calloc(n, 2 * sizeof(int64_t));
    if (!block) return PU_ERR_MEMORY;
    sqlite3_stmt *query = NULL;
    pu_status status =
        prepare_named(store, "SELECT ts, value FROM indicators WHERE name = ?1 AND asset_id = ?2 ORDER BY ts",
                      name, asset_id, &query);
    if (status == PU_OK) status = read_values(store, query, *count, block, (double *)(void *)(block + n));
    sqlite3_finalize(query);
    if (status != PU_OK) {
        pu_free(block);
        return status;
    }
    *ts = block;
    *value = (double *)(void *)(block + n);
    return PU_OK;
}

static pu_status write_benchmark(pu_store *store, const char *universe, int64_t asset_id) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(prepare_named(store,
                         "INSERT INTO benchmarks (universe, asset_id) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET "
                         "asset_id = excluded.asset_id",
                         universe, asset_id, &insert));
    const pu_status status = pu__sql_run(store, insert, "set a benchmark in");
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_BENCHMARKS, 0);
}

pu_status pu_store_put_benchmark(pu_store *store, const char *universe, int64_t asset_id) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_benchmark(store, universe, asset_id));
}

pu_status pu_store_get_benchmark(pu_store *store, const char *universe, int64_t *asset_id) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_named(store, "SELECT asset_id FROM benchmarks WHERE universe = ?1", universe, 0, &query));
    bool row = false;
    const pu_status status = pu__sql_step(store, query, &row, "read the benchmarks of");
    *asset_id = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    PU_TRY(status);
    return row ? PU_OK : pu_fail(PU_ERR_NOT_FOUND, "%s has no benchmark for '%s'", pu_store_path(store), universe);
}

pu_status pu__run_ensure(pu_store *store, const char *run, int64_t *run_id) {
    if (!run || !*run) return pu_fail(PU_ERR_ARGUMENT, "a run needs a name");
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(
        store, "INSERT INTO runs (name) VALUES (?1) ON CONFLICT DO UPDATE SET name = name RETURNING run_id",
        &insert));
    bool row = false;
    pu_status status =
        sqlite3_bind_text(insert, 1, run, -1, SQLITE_STATIC) == SQLITE_OK ? PU_OK : bind_failure(store);
    if (status == PU_OK) status = pu__sql_step(store, insert, &row, "add a run to");
    *run_id = row ? sqlite3_column_int64(insert, 0) : 0;
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_RUN, *run_id);
}

static pu_status write_run(pu_store *store, const char *run, const pu_run_record *record) {
    int64_t run_id = 0;
    PU_TRY(pu__run_ensure(store, run, &run_id));
    sqlite3_stmt *update = NULL;
    PU_TRY(pu__sql_prepare(
        store,
        "UPDATE runs SET seed = ?2, config = coalesce(?3, config), data_hash = coalesce(?4, data_hash), "
        "feature_hash = coalesce(?5, feature_hash), result = coalesce(?6, result) WHERE run_id = ?1",
        &update));
    const char *const text[] = {record->config, record->data_hash, record->feature_hash, record->result};
    int code = sqlite3_bind_int64(update, 1, run_id) | sqlite3_bind_int64(update, 2, record->seed);
    for (int i = 0; i < 4; ++i)
        code |= text[i] ? sqlite3_bind_text(update, 3 + i, text[i], -1, SQLITE_STATIC) : SQLITE_OK;
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, update, "write a run to") : bind_failure(store);
    sqlite3_finalize(update);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_RUN, run_id);
}

pu_status pu_store_put_run(pu_store *store, const char *run, const pu_run_record *record) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_run(store, run, record));
}

static pu_status copy_column(sqlite3_stmt *query, int column, const char **out) {
    const char *text = (const char *)sqlite3_column_text(query, column);
    *out = pu_strdup(text ? text : "");
    return *out ? PU_OK : PU_ERR_MEMORY;
}

static pu_status copy_run(sqlite3_stmt *query, pu_run_record *out) {
    const char **const text[] = {&out->config, &out->data_hash, &out->feature_hash, &out->result};
    out->seed = sqlite3_column_int64(query, 4);
    for (int i = 0; i < 4; ++i) PU_TRY(copy_column(query, i, text[i]));
    return PU_OK;
}

pu_status pu_store_get_run(pu_store *store, const char *run, pu_run_record *out) {
    *out = (pu_run_record){0};
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_named(store, "SELECT config, data_hash, feature_hash, result, seed FROM runs WHERE name = ?1",
                         run, 0, &query));
    bool row = false;
    pu_status status = pu__sql_step(store, query, &row, "read a run of");
    if (status == PU_OK && row) status = copy_run(query, out);
    sqlite3_finalize(query);
    if (status == PU_OK && !row)
        status = pu_fail(PU_ERR_NOT_FOUND, "%s has no run '%s'", pu_store_path(store), run);
    if (status != PU_OK) pu_run_record_free(out);
    return status;
}

void pu_run_record_free(pu_run_record *record) {
    const char *const text[] = {record->config, record->data_hash, record->feature_hash, record->result};
    for (int i = 0; i < 4; ++i) pu_free((void *)(uintptr_t)text[i]);
    *record = (pu_run_record){0};
}

static pu_status clear_trades(pu_store *store, int64_t run_id) {
    sqlite3_stmt *clear = NULL;
    PU_TRY(pu__sql_prepare(store, "DELETE FROM trades WHERE run_id = ?1", &clear));
    const pu_status status = sqlite3_bind_int64(clear, 1, run_id) == SQLITE_OK
                                 ? pu__sql_run(store, clear, "replace trades in")
                                 : bind_failure(store);
    sqlite3_finalize(clear);
    return status;
}

static pu_status write_trades(pu_store *store, const char *run, int64_t count, const pu_trade *trades) {
    int64_t run_id = 0;
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__run_ensure(store, run, &run_id));
    PU_TRY(clear_trades(store, run_id));
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO trades (run_id, asset_id, decided_ts, filled_ts, price, weight_before, "
                           "weight_after, cost_ratio) "
                           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                           &insert));
    pu_status status = PU_OK;
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        const int64_t whole[] = {run_id, trades[i].asset_id, trades[i].decided_ts, trades[i].filled_ts};
        const double real[] = {trades[i].price, trades[i].weight_before, trades[i].weight_after,
                               trades[i].cost_ratio};
        int code = SQLITE_OK;
        for (int k = 0; k < 4; ++k)
            code |= sqlite3_bind_int64(insert, 1 + k, whole[k]) | sqlite3_bind_double(insert, 5 + k, real[k]);
        status = code == SQLITE_OK ? pu__sql_run(store, insert, "write trades to") : bind_failure(store);
    }
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_TRADES, run_id);
}

pu_status pu_store_put_trades(pu_store *store, const char *run, int64_t count, const pu_trade *trades) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_trades(store, run, count, trades));
}
