#include <limits.h>

#include "host/data/store/checksum.h"
#include "host/data/store/cursor.h"
#include "host/data/store/records.h"
#include "host/data/store/sql.h"
#include "host/data/store/values.h"
#include "plusultra/memory.h"

/* A pragma whose rows, but for "ok", are findings. */
static pu_status run_pragma(pu_store *store, const char *pragma, const char *kind) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, pragma, &query));
    bool row = false;
    pu_status status = pu__sql_step(store, query, &row, "check");
    if (status == PU_OK && row) {
        const char *finding = (const char *)sqlite3_column_text(query, 0);
        if (!finding || sqlite3_stricmp(finding, "ok") != 0) {
            status =
                pu_fail(PU_ERR_CORRUPT, "%s is damaged (%s: %.300s): restore a copy, or import into a new store",
                        pu_store_path(store), kind, finding ? finding : "?");
        }
    }
    sqlite3_finalize(query);
    return status;
}

/* Reading to the end is the check. */
static pu_status read_through(pu_store *store, int64_t asset_id) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(store, asset_id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0) status = pu__bar_cursor_next(&cursor, &chunk);
    pu__bar_cursor_close(&cursor);
    return status;
}

static pu_status check_bars(pu_store *store) {
    int count = 0;
    pu_asset *assets = NULL;
    PU_TRY(pu_store_assets(store, 0, NULL, &count, &assets));
    pu_status status = PU_OK;
    for (int i = 0; i < count && status == PU_OK; ++i) status = read_through(store, assets[i].id);
    pu_free(assets);
    return status;
}

static pu_status check_all(pu_store *store) {
    /* quick_check leaves out whether an index has its table's rows: with another one a run is found by no name, or by
     * that of another. */
    PU_TRY(run_pragma(store, "PRAGMA integrity_check(1)", "structure"));
    PU_TRY(run_pragma(store, "PRAGMA foreign_key_check", "a reference to nothing in table"));
    PU_TRY(check_bars(store));
    PU_TRY(pu__checksum_check(store));
    PU_TRY(pu__values_check(store));
    return pu__predictions_check(store);
}

pu_status pu_store_check(pu_store *store) {
    const bool alone = sqlite3_get_autocommit(pu_store_sqlite(store)) != 0;
    if (alone) PU_TRY(pu__sql_exec(store, "BEGIN", "read"));
    const pu_status status = check_all(store);
    if (alone) pu_store_rollback(store);
    return status;
}
