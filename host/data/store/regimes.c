/* Named states of the market, with the time each label was published. */
#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"

static pu_status write_regimes(pu_store *store, const char *name, int64_t count, const pu_regime *regimes) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO regimes (name, published_ts, ts, label) VALUES (?1, ?2, ?3, ?4) "
                           "ON CONFLICT DO UPDATE SET label = excluded.label",
                           &insert));
    pu_status status = sqlite3_bind_text(insert, 1, name, -1, SQLITE_STATIC) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "write regimes to");
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        const int code = sqlite3_bind_int64(insert, 2, regimes[i].published_ts) |
                         sqlite3_bind_int64(insert, 3, regimes[i].ts) |
                         sqlite3_bind_int(insert, 4, regimes[i].label);
        status = code == SQLITE_OK ? pu__sql_run(store, insert, "write regimes to")
                                   : pu__store_failure(store, "write regimes to");
    }
    sqlite3_finalize(insert);
    PU_TRY(status);
    return pu__checksum_seal(store, PU__PART_REGIMES, 0);
}

pu_status pu_store_put_regimes(pu_store *store, const char *name, int64_t count, const pu_regime *regimes) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_regimes(store, name, count, regimes));
}

static pu_status read_regimes(pu_store *store, sqlite3_stmt *query, int64_t *count, pu_regime **out) {
    size_t used = 0, capacity = 64;
    pu_regime *list = pu_calloc(capacity, sizeof *list);
    pu_status status = list ? PU_OK : PU_ERR_MEMORY;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read the regimes of");
        if (status != PU_OK || !row) break;
        if (used == capacity) {
            pu_regime *grown = pu_regrow(list, capacity * sizeof *list, 2 * capacity * sizeof *list);
            if (!grown) {
                status = PU_ERR_MEMORY;
                break;
            }
            list = grown;
            capacity *= 2;
        }
        list[used++] = (pu_regime){.published_ts = sqlite3_column_int64(query, 0),
                                   .ts = sqlite3_column_int64(query, 1),
                                   .label = sqlite3_column_int(query, 2)};
    }
    if (status != PU_OK) {
        pu_free(list);
        return status;
    }
    *count = (int64_t)used;
    *out = list;
    return PU_OK;
}

pu_status pu_store_get_regimes(pu_store *store, const char *name, int64_t known_ts, int64_t *count,
                               pu_regime **out) {
    sqlite3_stmt *query = NULL;
    *count = 0;
    *out = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT published_ts, ts, label FROM regimes WHERE name = ?1 AND published_ts <= ?2 "
                           "ORDER BY ts, published_ts",
                           &query));
    pu_status status = PU_OK;
    if (sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(query, 2, known_ts) != SQLITE_OK)
        status = pu__store_failure(store, "read the regimes of");
    if (status == PU_OK) status = read_regimes(store, query, count, out);
    sqlite3_finalize(query);
    if (status != PU_OK || *count > 0) return status;
    pu_free(*out);
    *out = NULL;
    return pu_fail(PU_ERR_NOT_FOUND, "%s knows no regime '%s' at that time: write one with pu_store_put_regimes",
                   pu_store_path(store), name);
}
