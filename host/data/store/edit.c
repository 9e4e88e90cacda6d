#include "host/data/store/edit.h"

#include <stdio.h>
#include <string.h>

#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

/* Prepares a statement whose ?1 is the asset. */
static pu_status prepare_of(pu_store *store, const char *sql, int64_t asset_id, sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(store, sql, out));
    if (sqlite3_bind_int64(*out, 1, asset_id) == SQLITE_OK) return PU_OK;
    sqlite3_finalize(*out);
    *out = NULL;
    return pu__store_failure(store, "read");
}

static pu_status run_of(pu_store *store, const char *sql, int64_t asset_id) {
    sqlite3_stmt *statement = NULL;
    PU_TRY(prepare_of(store, sql, asset_id, &statement));
    const pu_status status = pu__sql_run(store, statement, "write to");
    sqlite3_finalize(statement);
    return status;
}

/* ---- dependants ---- */

/* Table and column of every reference to assets: what a later schema adds is in it. */
static const char *const references =
    "SELECT t.name, f.\"from\" FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f "
    "WHERE t.type = 'table' AND f.\"table\" = 'assets' ORDER BY t.rowid";

static pu_status count_rows(pu_store *store, const char *table, const char *column, int64_t asset_id,
                            int64_t *rows) {
    char sql[256];
    sqlite3_stmt *query = NULL;
    bool row = false;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\" WHERE \"%s\" = ?1", table, column);
    PU_TRY(prepare_of(store, sql, asset_id, &query));
    const pu_status status = pu__sql_step(store, query, &row, "read");
    *rows = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}

pu_status pu__asset_dependants(pu_store *store, int64_t asset_id, int *count,
                               pu__dependants out[PU__DEPENDANTS_MAX]) {
    sqlite3_stmt *tables = NULL;
    *count = 0;
    PU_TRY(pu__sql_prepare(store, references, &tables));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK && *count < PU__DEPENDANTS_MAX;) {
        int64_t rows = 0;
        status = pu__sql_step(store, tables, &row, "read");
        if (status != PU_OK || !row) break;
        const char *table = (const char *)sqlite3_column_text(tables, 0);
        status = count_rows(store, table, (const char *)sqlite3_column_text(tables, 1), asset_id, &rows);
        if (status != PU_OK || rows == 0) continue;
        snprintf(out[*count].table, sizeof out[*count].table, "%s", table);
        out[(*count)++].rows = rows;
    }
    sqlite3_finalize(tables);
    return status;
}

/* ---- removal ---- */

/* Runs whose trades lose rows; *runs is owned by the caller. */
static pu_status runs_with_trades(pu_store *store, int64_t asset_id, int64_t *count, int64_t **runs) {
    sqlite3_stmt *query = NULL;
    int64_t total = 0;
    PU_TRY(pu__sql_integer(store, "SELECT count(*) FROM runs", 0, &total));
    *runs = pu_calloc((size_t)total, sizeof **runs);
    if (!*runs) return PU_ERR_MEMORY;
    *count = 0;
    PU_TRY(prepare_of(store, "SELECT DISTINCT run_id FROM trades WHERE asset_id = ?1", asset_id, &query));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK && *count < total;) {
        status = pu__sql_step(store, query, &row, "read");
        if (status != PU_OK || !row) break;
        (*runs)[(*count)++] = sqlite3_column_int64(query, 0);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status delete_dependants(pu_store *store, int64_t asset_id) {
    pu__dependants list[PU__DEPENDANTS_MAX];
    int count = 0;
    PU_TRY(run_of(
        store,
        "UPDATE OR IGNORE alternative_series SET asset_id = (SELECT b.asset_id FROM assets AS a, assets AS b "
        "WHERE a.asset_id = ?1 AND b.symbol = a.symbol AND b.asset_id != ?1 ORDER BY b.asset_id LIMIT 1) "
        "WHERE asset_id = ?1 AND EXISTS (SELECT 1 FROM assets AS a, assets AS b WHERE a.asset_id = ?1 AND "
        "b.symbol = a.symbol AND b.asset_id != ?1)",
        asset_id));
    PU_TRY(pu__asset_dependants(store, asset_id, &count, list));
    for (int i = 0; i < count; ++i) {
        char sql[160];
        snprintf(sql, sizeof sql, "DELETE FROM \"%.63s\" WHERE asset_id = ?1", list[i].table);
        PU_TRY(run_of(store, sql, asset_id));
    }
    return run_of(store, "DELETE FROM assets WHERE asset_id = ?1", asset_id);
}

static pu_status remove_asset(pu_store *store, int64_t asset_id) {
    int64_t count = 0, *runs = NULL;
    pu_status status = runs_with_trades(store, asset_id, &count, &runs);
    if (status == PU_OK) status = delete_dependants(store, asset_id);
    for (int64_t i = 0; i < count && status == PU_OK; ++i)
        status = pu__checksum_seal(store, PU__PART_TRADES, runs[i]);
    pu_free(runs);
    PU_TRY(status);
    PU_TRY(pu__checksum_seal(store, PU__PART_ASSET, asset_id));
    PU_TRY(pu__checksum_seal(store, PU__PART_INDICATORS, asset_id));
    PU_TRY(pu__checksum_seal(store, PU__PART_ACTIONS, asset_id));
    PU_TRY(pu__checksum_seal(store, PU__PART_ALTERNATIVE, 0));
    return pu__checksum_seal(store, PU__PART_BENCHMARKS, 0);
}

pu_status pu__asset_remove(pu_store *store, int64_t asset_id) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, remove_asset(store, asset_id));
}

/* ---- what an asset is ---- */

pu_status pu__asset_read(pu_store *store, int64_t asset_id, pu__asset_more *out) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *out = (pu__asset_more){0};
    PU_TRY(prepare_of(
        store,
        "SELECT currency, price_basis = 'split_adjusted', (SELECT count(*) FROM corporate_actions AS c "
        "WHERE c.asset_id = a.asset_id AND kind = 'split'), (SELECT count(*) FROM corporate_actions AS c "
        "WHERE c.asset_id = a.asset_id AND kind = 'dividend') FROM assets AS a WHERE asset_id = ?1",
        asset_id, &query));
    pu_status status = pu__sql_step(store, query, &row, "read");
    if (status == PU_OK && !row)
        status = pu_fail(PU_ERR_NOT_FOUND, "%s has no asset %lld", pu_store_path(store), (long long)asset_id);
    if (status == PU_OK) {
        snprintf(out->currency, sizeof out->currency, "%s", (const char *)sqlite3_column_text(query, 0));
        out->basis = (pu_price_basis)sqlite3_column_int(query, 1);
        out->splits = sqlite3_column_int64(query, 2);
        out->dividends = sqlite3_column_int64(query, 3);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status change_asset(pu_store *store, const pu_asset *asset, const pu__asset_change *change) {
    const char *asset_class = change->asset_class ? change->asset_class : asset->asset_class;
    double periods = change->periods_per_year > 0 ? change->periods_per_year : asset->periods_per_year;
    if (change->periods_per_year <= 0 &&
        asset->periods_per_year == pu_periods_per_year(asset->asset_class, asset->bar_s))
        periods = pu_periods_per_year(asset_class, asset->bar_s);
    sqlite3_stmt *update = NULL;
    PU_TRY(
        prepare_of(store,
                   "UPDATE assets SET asset_class = ?2, currency = coalesce(?3, currency), periods_per_year = ?4 "
                   "WHERE asset_id = ?1",
                   asset->id, &update));
    int code =
        sqlite3_bind_text(update, 2, asset_class, -1, SQLITE_STATIC) | sqlite3_bind_double(update, 4, periods);
    if (change->currency) code |= sqlite3_bind_text(update, 3, change->currency, -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, update, "write to") : pu__store_failure(store, "write to");
    sqlite3_finalize(update);
    PU_TRY(status);
    if (change->basis) PU_TRY(pu_store_put_price_basis(store, asset->id, *change->basis));
    return pu__checksum_seal(store, PU__PART_ASSET, asset->id);
}

pu_status pu__asset_change_put(pu_store *store, const pu_asset *asset, const pu__asset_change *change) {
    bool began = false;
    if (change->asset_class && !pu_calendar_of(change->asset_class))
        return pu_fail(PU_ERR_ARGUMENT, "'%.60s' is no asset class", change->asset_class);
    if (change->currency && strlen(change->currency) > 8)
        return pu_fail(PU_ERR_ARGUMENT, "the currency '%.60s' has more than 8 characters", change->currency);
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, change_asset(store, asset, change));
}
