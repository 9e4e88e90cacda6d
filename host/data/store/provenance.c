#include "host/data/store/provenance.h"

#include <string.h>

#include "host/data/store/sql.h"

pu_status pu__provenance_put(pu_store *store, int64_t asset_id, const pu__provenance *record) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO imports (asset_id, bytes, rows_read, rows_added, rows_unchanged, "
                           "rows_replaced, rows_rejected, file, sha256, layout, stamp) "
                           "VALUES (?1, ?2, ?3 + ?4 + ?5, ?3, ?4, ?5, 0, ?6, ?7, ?8, 'close')",
                           &insert));
    const int64_t whole[] = {asset_id, record->bytes, record->rows_added, record->rows_unchanged,
                             record->rows_replaced};
    const char *const text[] = {record->source, record->sha256, record->layout};
    int code = SQLITE_OK;
    for (int i = 0; i < 5; ++i) code |= sqlite3_bind_int64(insert, 1 + i, whole[i]);
    for (int i = 0; i < 3; ++i) code |= sqlite3_bind_text(insert, 6 + i, text[i], -1, SQLITE_STATIC);
    const pu_status status = code == SQLITE_OK ? pu__sql_run(store, insert, "record an import in")
                                               : pu__store_failure(store, "record an import in");
    sqlite3_finalize(insert);
    return status;
}

pu_status pu__provenance_latest(pu_store *store, int64_t asset_id, const char *layout, const char *sha256,
                                bool *same) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *same = false;
    PU_TRY(pu__sql_prepare(
        store, "SELECT sha256 FROM imports WHERE asset_id = ?1 AND layout = ?2 ORDER BY import_id DESC LIMIT 1",
        &query));
    pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK &&
                               sqlite3_bind_text(query, 2, layout, -1, SQLITE_STATIC) == SQLITE_OK
                           ? pu__sql_step(store, query, &row, "read the imports of")
                           : pu__store_failure(store, "read the imports of");
    if (status == PU_OK && row) {
        const char *stored = (const char *)sqlite3_column_text(query, 0);
        *same = stored && strcmp(stored, sha256) == 0;
    }
    sqlite3_finalize(query);
    return status;
}
