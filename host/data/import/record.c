#include "host/data/import/record.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "host/data/store/sql.h"
#include "plusultra/memory.h"

static pu_status bind_failure(pu_store *store) { return pu__store_failure(store, "record an import in"); }

pu_status pu__record_file_bytes(const char *path, int64_t *bytes) {
    struct stat info;
    if (stat(path, &info) != 0)
        return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot open %s: %s", path,
                       strerror(errno));
    *bytes = info.st_size;
    return PU_OK;
}

pu_status pu__record_reject(pu__record_list *list, const pu_import_reject *row) {
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 64;
        pu_import_reject *grown =
            list->row ? pu_regrow(list->row, list->capacity * sizeof *grown, capacity * sizeof *grown)
                      : pu_calloc(capacity, sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        list->row = grown;
        list->capacity = capacity;
    }
    list->row[list->count++] = *row;
    return PU_OK;
}

void pu__record_list_free(pu__record_list *list) {
    pu_free(list->row);
    *list = (pu__record_list){0};
}

pu_status pu__record_known(pu_store *store, int64_t asset_id, const char *sha256, bool *known) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT 1 FROM imports WHERE asset_id = ?1 AND sha256 = ?2 LIMIT 1", &query));
    const int code =
        sqlite3_bind_int64(query, 1, asset_id) | sqlite3_bind_text(query, 2, sha256, -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_step(store, query, known, "read the imports of") : bind_failure(store);
    sqlite3_finalize(query);
    return status;
}

static pu_status compare_asset(sqlite3_stmt *query, const char *symbol, const pu_import_options *options) {
    const char *asset_class = (const char *)sqlite3_column_text(query, 0);
    const char *currency = (const char *)sqlite3_column_text(query, 1);
    const double periods = sqlite3_column_double(query, 2);
    if (options->asset_class && asset_class && strcmp(asset_class, options->asset_class) != 0) {
        return pu_fail(PU_ERR_DATA,
                       "%s is stored as %s, not %s: leave --asset-class out, or name another --symbol", symbol,
                       asset_class, options->asset_class);
    }
    if (options->currency && currency && strcmp(currency, options->currency) != 0) {
        return pu_fail(
            PU_ERR_DATA,
            "%s is stored with the currency '%s', not '%s': leave --currency out, or name another --symbol",
            symbol, currency, options->currency);
    }
    if (options->periods_per_year > 0 && options->periods_per_year != periods) {
        return pu_fail(PU_ERR_DATA,
                       "%s is stored with %g bars a year, not %g: leave --periods-per-year out, or name another "
                       "--symbol",
                       symbol, periods, options->periods_per_year);
    }
    return PU_OK;
}

pu_status pu__record_same_asset(pu_store *store, int64_t asset_id, const char *symbol,
                                const pu_import_options *options) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT asset_class, currency, periods_per_year FROM assets WHERE asset_id = ?1",
                           &query));
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK ? PU_OK : bind_failure(store);
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read the assets of");
    if (status == PU_OK && row) status = compare_asset(query, symbol, options);
    sqlite3_finalize(query);
    return status;
}

static pu_status write_rejects(pu_store *store, int64_t import_id, const pu__record_list *list) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(
        store, "INSERT INTO rejected_rows (import_id, line, reason, text) VALUES (?1, ?2, ?3, ?4)", &insert));
    pu_status status = sqlite3_bind_int64(insert, 1, import_id) == SQLITE_OK ? PU_OK : bind_failure(store);
    for (size_t i = 0; i < list->count && status == PU_OK; ++i) {
        const pu_import_reject *row = &list->row[i];
        const int code = sqlite3_bind_int64(insert, 2, row->line) |
                         sqlite3_bind_text(insert, 3, row->reason, -1, SQLITE_STATIC) |
                         sqlite3_bind_text(insert, 4, row->text, -1, SQLITE_STATIC);
        status = code == SQLITE_OK ? pu__sql_run(store, insert, "record rejected rows in") : bind_failure(store);
    }
    sqlite3_finalize(insert);
    return status;
}

pu_status pu__record_import(pu_store *store, int64_t asset_id, const char *path, const pu_import_result *result,
                            const pu__record_list *list) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO imports (asset_id, bytes, rows_read, rows_added, rows_unchanged, "
                           "rows_replaced, rows_rejected, file, "
                           "sha256, layout, stamp) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                           &insert));
    const int64_t whole[] = {asset_id,
                             result->bytes,
                             result->rows_read,
                             result->rows_added,
                             result->rows_unchanged,
                             result->rows_replaced,
                             result->rows_rejected};
    const char *const text[] = {path, result->sha256, pu_import_layout_name(result->layout),
                                result->stamp == PU_IMPORT_STAMP_OPEN ? "open" : "close"};
    int code = SQLITE_OK;
    for (int i = 0; i < 7; ++i) code |= sqlite3_bind_int64(insert, 1 + i, whole[i]);
    for (int i = 0; i < 4; ++i) code |= sqlite3_bind_text(insert, 8 + i, text[i], -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, insert, "record an import in") : bind_failure(store);
    sqlite3_finalize(insert);
    PU_TRY(status);
    return write_rejects(store, sqlite3_last_insert_rowid(pu_store_sqlite(store)), list);
}
