/* Corporate actions and the basis of an asset's prices. */
#include <math.h>

#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"

static const char *const kind_name[] = {"split", "dividend"};
static const char *const basis_name[] = {"raw", "split_adjusted"};
static const double value_max = 1e9; /* as in schema_2.sql */

static pu_status check_action(const pu_action *action) {
    char when[32];
    pu_time_format(action->ex_ts, true, when);
    const char *name = action->kind == PU_ACTION_SPLIT ? "split" : "dividend";
    if (!(action->value > 0 && action->value <= value_max))
        return pu_fail(PU_ERR_DATA, "%s at %s: %.9g is not a number above 0 and up to 1e9", name, when,
                       action->value);
    if (action->kind == PU_ACTION_SPLIT && action->basis != PU_BASIS_RAW)
        return pu_fail(PU_ERR_ARGUMENT, "split at %s: only a dividend can be counted in later shares", when);
    return PU_OK;
}

static pu_status write_action(pu_store *store, sqlite3_stmt *insert, const pu_action *action, int64_t *changed) {
    PU_TRY(check_action(action));
    const int code = sqlite3_bind_int64(insert, 2, action->ex_ts) |
                     sqlite3_bind_text(insert, 3, kind_name[action->kind], -1, SQLITE_STATIC) |
                     sqlite3_bind_double(insert, 4, action->value) |
                     sqlite3_bind_int64(insert, 5, action->published_ts) |
                     sqlite3_bind_text(insert, 6, basis_name[action->basis], -1, SQLITE_STATIC);
    if (code != SQLITE_OK) return pu__store_failure(store, "write corporate actions to");
    PU_TRY(pu__sql_run(store, insert, "write corporate actions to"));
    if (changed) *changed += sqlite3_changes64(pu_store_sqlite(store));
    return PU_OK;
}

static pu_status write_actions(pu_store *store, int64_t asset_id, int64_t count, const pu_action *actions,
                               int64_t *changed) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(
        store,
        "INSERT INTO corporate_actions (asset_id, ex_ts, kind, value, published_ts, basis) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET value = excluded.value, "
        "published_ts = excluded.published_ts, basis = excluded.basis WHERE value != excluded.value "
        "OR published_ts != excluded.published_ts OR basis != excluded.basis",
        &insert));
    pu_status status = sqlite3_bind_int64(insert, 1, asset_id) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "write corporate actions to");
    for (int64_t i = 0; i < count && status == PU_OK; ++i)
        status = write_action(store, insert, &actions[i], changed);
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_ACTIONS, asset_id);
}

pu_status pu_store_put_actions(pu_store *store, int64_t asset_id, int64_t count, const pu_action *actions,
                               int64_t *changed) {
    bool began = false;
    if (changed) *changed = 0;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_actions(store, asset_id, count, actions, changed));
}

static pu_status delete_action(pu_store *store, int64_t asset_id, int64_t ex_ts, pu_action_kind kind) {
    sqlite3_stmt *delete = NULL;
    PU_TRY(pu__sql_prepare(store, "DELETE FROM corporate_actions WHERE asset_id = ?1 AND ex_ts = ?2 AND kind = ?3",
                           &delete));
    const int code = sqlite3_bind_int64(delete, 1, asset_id) | sqlite3_bind_int64(delete, 2, ex_ts) |
                     sqlite3_bind_text(delete, 3, kind_name[kind], -1, SQLITE_STATIC);
    const pu_status status = code == SQLITE_OK ? pu__sql_run(store, delete, "remove a corporate action from")
                                               : pu__store_failure(store, "remove a corporate action from");
    sqlite3_finalize(delete);
    PU_TRY(status);
    if (sqlite3_changes64(pu_store_sqlite(store)) != 1) {
        char when[32];
        pu_time_format(ex_ts, ex_ts % 86400 != 0, when);
        return pu_fail(PU_ERR_NOT_FOUND, "%s has no %s at %s for this asset", pu_store_path(store),
                       kind_name[kind], when);
    }
    return pu__checksum_seal(store, PU__PART_ACTIONS, asset_id);
}

pu_status pu_store_remove_action(pu_store *store, int64_t asset_id, int64_t ex_ts, pu_action_kind kind) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, delete_action(store, asset_id, ex_ts, kind));
}

static pu_status count_actions(pu_store *store, int64_t asset_id, int64_t *count) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    PU_TRY(pu__sql_prepare(store, "SELECT count(*) FROM corporate_actions WHERE asset_id = ?1", &query));
    pu_status status =
        sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK ? PU_OK : pu__store_failure(store, "read");
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read the corporate actions of");
    *count = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}

static pu_status read_actions(pu_store *store, int64_t asset_id, int64_t count, pu_action *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT ex_ts, kind = 'dividend', value, published_ts, basis = 'split_adjusted' "
                           "FROM corporate_actions WHERE asset_id = ?1 ORDER BY ex_ts, 2",
                           &query));
    pu_status status =
        sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK ? PU_OK : pu__store_failure(store, "read");
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        bool row = false;
        status = pu__sql_step(store, query, &row, "read the corporate actions of");
        if (status == PU_OK && !row)
            status =
                pu_fail(PU_ERR_CORRUPT, "%s: the corporate actions of asset %lld are out of order; restore a copy",
                        pu_store_path(store), (long long)asset_id);
        if (status == PU_OK)
            out[i] = (pu_action){.ex_ts = sqlite3_column_int64(query, 0),
                                 .kind = (pu_action_kind)sqlite3_column_int(query, 1),
                                 .value = sqlite3_column_double(query, 2),
                                 .published_ts = sqlite3_column_int64(query, 3),
                                 .basis = (pu_price_basis)sqlite3_column_int(query, 4)};
    }
    sqlite3_finalize(query);
    return status;
}

pu_status pu_store_get_actions(pu_store *store, int64_t asset_id, int64_t *count, pu_action **out) {
    *out = NULL;
    PU_TRY(count_actions(store, asset_id, count));
    pu_action *actions = pu_calloc((size_t)*count, sizeof *actions);
    if (!actions) return PU_ERR_MEMORY;
    const pu_status status = read_actions(store, asset_id, *count, actions);
    if (status == PU_OK) *out = actions;
    else pu_free(actions);
    return status;
}

static pu_status write_basis(pu_store *store, int64_t asset_id, pu_price_basis basis) {
    sqlite3_stmt *update = NULL;
    PU_TRY(pu__sql_prepare(store, "UPDATE assets SET price_basis = ?2 WHERE asset_id = ?1", &update));
    const int code = sqlite3_bind_int64(update, 1, asset_id) |
                     sqlite3_bind_text(update, 2, basis_name[basis], -1, SQLITE_STATIC);
    pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, update, "write to") : pu__store_failure(store, "write to");
    sqlite3_finalize(update);
    if (status == PU_OK && sqlite3_changes64(pu_store_sqlite(store)) != 1)
        status = pu_fail(PU_ERR_NOT_FOUND, "%s has no asset %lld", pu_store_path(store), (long long)asset_id);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_ASSET, asset_id);
}

pu_status pu_store_put_price_basis(pu_store *store, int64_t asset_id, pu_price_basis basis) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_basis(store, asset_id, basis));
}

pu_status pu_store_get_price_basis(pu_store *store, int64_t asset_id, pu_price_basis *out) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    PU_TRY(
        pu__sql_prepare(store, "SELECT price_basis = 'split_adjusted' FROM assets WHERE asset_id = ?1", &query));
    pu_status status =
        sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK ? PU_OK : pu__store_failure(store, "read");
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read");
    *out = row ? (pu_price_basis)sqlite3_column_int(query, 0) : PU_BASIS_SPLIT_ADJUSTED;
    sqlite3_finalize(query);
    if (status == PU_OK && !row)
        status = pu_fail(PU_ERR_NOT_FOUND, "%s has no asset %lld", pu_store_path(store), (long long)asset_id);
    return status;
}
