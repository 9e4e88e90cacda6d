#include "host/data/import/record.h"

#include <stdlib.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "plusultra/memory.h"

static const double rejected_ratio_default = 0.1;

static pu_status bind_failure(pu_store *store) { return pu__store_failure(store, "record an import in"); }

pu_status pu__record_usable(const char *path, int64_t read, int64_t rejected, const pu_import_reject *first,
                            const double *ratio_max) {
    const double ratio = ratio_max ? *ratio_max : rejected_ratio_default;
    if (rejected == read) {
        return pu_fail(PU_ERR_DATA, "%s: none of its %lld rows can be used; line %lld: %s", path, (long long)read,
                       (long long)first->line, first->reason);
    }
    if ((!ratio_max && rejected <= PU_IMPORT_REJECTS_SHOWN) || (double)rejected <= ratio * (double)read)
        return PU_OK;
    return pu_fail(
        PU_ERR_DATA,
        "%s: %lld of its %lld rows are rejected, more than %.3g %%: nothing of it was stored; line %lld: "
        "%s; --max-rejected raises the limit",
        path, (long long)rejected, (long long)read, 100 * ratio, (long long)first->line, first->reason);
}

pu_status pu__record_reject(pu__record_list *list, int series, const pu_import_reject *row) {
    if (list->count == PU__RECORD_ROWS_MAX) return PU_OK;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 64;
        pu__record_row *grown =
            list->row ? pu_regrow(list->row, list->capacity * sizeof *grown, capacity * sizeof *grown)
                      : pu_calloc(capacity, sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        list->row = grown;
        list->capacity = capacity;
    }
    list->row[list->count++] = (pu__record_row){series, *row};
    return PU_OK;
}

static int compare_rows(const void *a, const void *b) {
    const pu__record_row *left = a, *right = b;
    if (left->series != right->series) return left->series < right->series ? -1 : 1;
    return (left->row.line > right->row.line) - (left->row.line < right->row.line);
}

void pu__record_sort(pu__record_list *list) {
    if (list->count > 1) qsort(list->row, list->count, sizeof *list->row, compare_rows);
}

void pu__record_list_free(pu__record_list *list) {
    pu_free(list->row);
    *list = (pu__record_list){0};
}

static pu_status read_ids(pu_store *store, sqlite3_stmt *query, int64_t **ids, size_t *count) {
    size_t capacity = 0;
    for (bool row = true; row;) {
        PU_TRY(pu__sql_step(store, query, &row, "read the imports of"));
        if (!row) return PU_OK;
        if (*count == capacity) {
            const size_t wanted = capacity ? 2 * capacity : 16;
            int64_t *grown = *ids ? pu_regrow(*ids, capacity * sizeof *grown, wanted * sizeof *grown)
                                  : pu_calloc(wanted, sizeof *grown);
            if (!grown) return PU_ERR_MEMORY;
            *ids = grown;
            capacity = wanted;
        }
        (*ids)[(*count)++] = sqlite3_column_int64(query, 0);
    }
    return PU_OK;
}

pu_status pu__record_known(pu_store *store, const char *sha256, int64_t **ids, size_t *count) {
    sqlite3_stmt *query = NULL;
    *ids = NULL;
    *count = 0;
    PU_TRY(pu__sql_prepare(store, "SELECT DISTINCT asset_id FROM imports WHERE sha256 = ?1 ORDER BY asset_id",
                           &query));
    pu_status status =
        sqlite3_bind_text(query, 1, sha256, -1, SQLITE_STATIC) == SQLITE_OK ? PU_OK : bind_failure(store);
    if (status == PU_OK) status = read_ids(store, query, ids, count);
    sqlite3_finalize(query);
    if (status == PU_OK) return PU_OK;
    pu_free(*ids);
    *ids = NULL;
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

static pu_status refuse_resampled(pu_store *store, int64_t asset_id, const char *symbol) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT file, bar_s FROM imports JOIN assets USING (asset_id) WHERE asset_id = ?1 AND "
                           "layout = 'resample' LIMIT 1",
                           &query));
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK ? PU_OK : bind_failure(store);
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read the imports of");
    if (status == PU_OK && row) {
        const char *file = (const char *)sqlite3_column_text(query, 0);
        status = pu_fail(PU_ERR_DATA,
                         "%s@%lld was made by `plusultra resample`, %s: name another --symbol, or remove it first",
                         symbol, (long long)sqlite3_column_int64(query, 1), file ? file : "");
    }
    sqlite3_finalize(query);
    return status;
}

pu_status pu__record_same_asset(pu_store *store, int64_t asset_id, const char *symbol,
                                const pu_import_options *options) {
    PU_TRY(refuse_resampled(store, asset_id, symbol));
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

pu_status pu__record_no_other_length(pu_store *store, const char *symbol) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT bar_s FROM assets WHERE symbol = ?1 ORDER BY bar_s LIMIT 1", &query));
    bool row = false;
    pu_status status =
        sqlite3_bind_text(query, 1, symbol, -1, SQLITE_STATIC) == SQLITE_OK ? PU_OK : bind_failure(store);
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read the assets of");
    if (status == PU_OK && row)
        status =
            pu_fail(PU_ERR_DATA,
                    "%s is stored with bars of %lld s, and a single date does not tell how long its bar is: give "
                    "it with --bar",
                    symbol, (long long)sqlite3_column_int64(query, 0));
    sqlite3_finalize(query);
    return status;
}

static pu_status write_rejects(pu_store *store, int64_t import_id, const pu__record_row *rows, size_t count) {
    if (count == 0) return PU_OK;
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(
        store, "INSERT INTO rejected_rows (import_id, line, reason, text) VALUES (?1, ?2, ?3, ?4)", &insert));
    pu_status status = sqlite3_bind_int64(insert, 1, import_id) == SQLITE_OK ? PU_OK : bind_failure(store);
    for (size_t i = 0; i < count && status == PU_OK; ++i) {
        const pu_import_reject *row = &rows[i].row;
        const int code = sqlite3_bind_int64(insert, 2, row->line) |
                         sqlite3_bind_text(insert, 3, row->reason, -1, SQLITE_STATIC) |
                         sqlite3_bind_text(insert, 4, row->text, -1, SQLITE_STATIC);
        status = code == SQLITE_OK ? pu__sql_run(store, insert, "record rejected rows in") : bind_failure(store);
    }
    sqlite3_finalize(insert);
    return status;
}

pu_status pu__record_import(pu_store *store, int64_t asset_id, const char *path, const pu_import_result *file,
                            const pu_import_symbol *counts, const pu__record_row *rows, size_t row_count,
                            int64_t *import_id) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO imports (asset_id, bytes, rows_read, rows_added, rows_unchanged, "
                           "rows_replaced, rows_rejected, file, "
                           "sha256, layout, stamp) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                           &insert));
    const int64_t whole[] = {asset_id,
                             file->bytes,
                             counts->rows_read,
                             counts->rows_added,
                             counts->rows_unchanged,
                             counts->rows_replaced,
                             counts->rows_rejected};
    const char *const text[] = {path, file->sha256, pu_import_layout_name(file->layout),
                                file->stamp == PU_IMPORT_STAMP_OPEN ? "open" : "close"};
    int code = SQLITE_OK;
    for (int i = 0; i < 7; ++i) code |= sqlite3_bind_int64(insert, 1 + i, whole[i]);
    for (int i = 0; i < 4; ++i) code |= sqlite3_bind_text(insert, 8 + i, text[i], -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, insert, "record an import in") : bind_failure(store);
    sqlite3_finalize(insert);
    PU_TRY(status);
    *import_id = sqlite3_last_insert_rowid(pu_store_sqlite(store));
    return write_rejects(store, *import_id, rows, row_count);
}
