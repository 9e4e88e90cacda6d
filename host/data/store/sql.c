#include "host/data/store/sql.h"

#include <stddef.h>
#include <stdint.h>

typedef struct failure_kind {
    int code; /* primary result code */
    pu_status status;
    const char *advice;
} failure_kind;

static const failure_kind kinds[] = {
    {SQLITE_NOTADB, PU_ERR_CORRUPT, "; the file is not a database: check the path"},
    {SQLITE_CORRUPT, PU_ERR_CORRUPT,
     "; the file is damaged, or its disk: see the system's log, restore a copy, or import into a new store"},
    {SQLITE_FULL, PU_ERR_IO, "; nothing was changed: free some space and run again"},
    {SQLITE_IOERR, PU_ERR_IO, "; check the disk and its free space, then run again"},
    {SQLITE_CANTOPEN, PU_ERR_IO, "; check that the folder exists and can be written"},
    {SQLITE_READONLY, PU_ERR_IO, "; choose a folder and a file that can be written"},
    {SQLITE_PERM, PU_ERR_IO, "; check the file's permissions"},
    {SQLITE_AUTH, PU_ERR_IO, "; check the file's permissions"},
    {SQLITE_NOMEM, PU_ERR_MEMORY, ""},
    {SQLITE_INTERRUPT, PU_ERR_INTERRUPTED, ""},
    {SQLITE_BUSY, PU_ERR_STORE, "; another process is writing: wait for it or stop it, then run again"},
    {SQLITE_LOCKED, PU_ERR_STORE, "; another statement holds the table"},
};

pu_status pu__sql_failure(struct sqlite3 *db, const char *path, const char *what) {
    const int code = db ? sqlite3_extended_errcode(db) & 0xff : SQLITE_NOMEM;
    const char *message = db ? sqlite3_errmsg(db) : sqlite3_errstr(SQLITE_NOMEM);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        if (kinds[i].code == code)
            return pu_fail(kinds[i].status, "cannot %s %s: %s%s", what, path, message, kinds[i].advice);
    }
    return pu_fail(PU_ERR_STORE, "cannot %s %s: %s", what, path, message);
}

pu_status pu__store_failure(pu_store *store, const char *what) {
    return pu__sql_failure(pu_store_sqlite(store), pu_store_path(store), what);
}

pu_status pu__sql_exec(pu_store *store, const char *sql, const char *what) {
    const int code = sqlite3_exec(pu_store_sqlite(store), sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? PU_OK : pu__store_failure(store, what);
}

pu_status pu__sql_prepare(pu_store *store, const char *sql, sqlite3_stmt **out) {
    const int code = sqlite3_prepare_v2(pu_store_sqlite(store), sql, -1, out, NULL);
    return code == SQLITE_OK ? PU_OK : pu__store_failure(store, "query");
}

pu_status pu__sql_step(pu_store *store, sqlite3_stmt *statement, bool *row, const char *what) {
    const int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? PU_OK : pu__store_failure(store, what);
}

pu_status pu__sql_run(pu_store *store, sqlite3_stmt *statement, const char *what) {
    bool row = true;
    pu_status status = PU_OK;
    while (row && status == PU_OK) status = pu__sql_step(store, statement, &row, what);
    sqlite3_reset(statement);
    return status;
}

pu_status pu__sql_integer(pu_store *store, const char *sql, int64_t fallback, int64_t *out) {
    sqlite3_stmt *query = NULL;
    *out = fallback;
    PU_TRY(pu__sql_prepare(store, sql, &query));
    bool row = false;
    const pu_status status = pu__sql_step(store, query, &row, "read");
    if (status == PU_OK && row) *out = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return status;
}

pu_status pu__sql_enter(pu_store *store, bool *began) {
    *began = sqlite3_get_autocommit(pu_store_sqlite(store)) != 0;
    return *began ? pu_store_begin(store) : PU_OK;
}

pu_status pu__sql_leave(pu_store *store, bool began, pu_status status) {
    if (!began) return status;
    if (status == PU_OK) status = pu_store_commit(store);
    if (status != PU_OK) pu_store_rollback(store);
    return status;
}
