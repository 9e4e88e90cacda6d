#include "host/data/store/bulk.h"

#include <math.h>
#include <stddef.h>

#include "host/data/store/sql.h"
#include "plusultra/memory.h"

typedef struct bulk_table {
    sqlite3_vtab base; /* first: SQLite casts */
    const pu__bulk_rows *rows;
} bulk_table;

typedef struct bulk_cursor {
    sqlite3_vtab_cursor base; /* first: SQLite casts */
    int64_t row;
} bulk_cursor;

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                      char **error) {
    (void)argc, (void)argv, (void)error;
    const int code = sqlite3_declare_vtab(db, "CREATE TABLE bars (ts, open, high, low, close, adjusted, volume)");
    if (code != SQLITE_OK) return code;
    bulk_table *table = pu_calloc(1, sizeof *table);
    if (!table) return SQLITE_NOMEM;
    table->rows = context;
    *out = &table->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table) {
    pu_free(table);
    return SQLITE_OK;
}

static int on_plan(sqlite3_vtab *table, sqlite3_index_info *plan) {
    (void)table;
    plan->estimatedCost = 1;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
    (void)table;
    bulk_cursor *cursor = pu_calloc(1, sizeof *cursor);
    if (!cursor) return SQLITE_NOMEM;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor) {
    pu_free(cursor);
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc, sqlite3_value **argv) {
    (void)plan, (void)name, (void)argc, (void)argv;
    ((bulk_cursor *)cursor)->row = 0;
    return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *cursor) {
    ++((bulk_cursor *)cursor)->row;
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *cursor) {
    const bulk_table *table = (const bulk_table *)(const void *)cursor->pVtab;
    return ((const bulk_cursor *)cursor)->row >= table->rows->count;
}

static int on_column(sqlite3_vtab_cursor *cursor, sqlite3_context *result, int column) {
    const bulk_table *table = (const bulk_table *)(const void *)cursor->pVtab;
    const pu__bar *bar = &table->rows->bars[((const bulk_cursor *)cursor)->row];
    switch (column) {
    case 0: sqlite3_result_int64(result, bar->ts); break;
    case 1: sqlite3_result_double(result, bar->open); break;
    case 2: sqlite3_result_double(result, bar->high); break;
    case 3: sqlite3_result_double(result, bar->low); break;
    case 4: sqlite3_result_double(result, bar->close); break;
    case 5: sqlite3_result_double(result, bar->adjusted); break;
    default: sqlite3_result_double(result, bar->volume); break; /* NaN becomes NULL */
    }
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid) {
    *rowid = ((const bulk_cursor *)cursor)->row;
    return SQLITE_OK;
}

/* Without xCreate the table exists by its name alone, and no schema can hold one. */
static const sqlite3_module module = {.xConnect = on_connect,
                                      .xBestIndex = on_plan,
                                      .xDisconnect = on_disconnect,
                                      .xOpen = on_open,
                                      .xClose = on_close,
                                      .xFilter = on_filter,
                                      .xNext = on_next,
                                      .xEof = at_end,
                                      .xColumn = on_column,
                                      .xRowid = on_rowid};

pu_status pu__bulk_register(pu_store *store, pu__bulk_rows *rows) {
    const int code = sqlite3_create_module_v2(pu_store_sqlite(store), "pu_bars_in", &module, rows, NULL);
    return code == SQLITE_OK ? PU_OK : pu__store_failure(store, "prepare to write bars to");
}
