/* SQLite with status values: every return code becomes a pu_status whose message names the store, the statement's
 * purpose and the remedy. */
#ifndef PU_HOST_DATA_STORE_SQL_H
#define PU_HOST_DATA_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>

#include "plusultra/store.h"

/* The failure SQLite holds for this connection: PU_ERR_CORRUPT (damaged, not a database), PU_ERR_IO (full disk,
 * read-only), PU_ERR_MEMORY, PU_ERR_INTERRUPTED, else PU_ERR_STORE. `what` completes "cannot ...". */
pu_status pu__sql_failure(struct sqlite3 *db, const char *path, const char *what);
pu_status pu__store_failure(pu_store *store, const char *what);

/* One or more statements without results. */
pu_status pu__sql_exec(pu_store *store, const char *sql, const char *what);

/* The caller finalizes *out, which is null on failure. */
pu_status pu__sql_prepare(pu_store *store, const char *sql, sqlite3_stmt **out);

/* Takes one step: *row is true on a row, false at the end. */
pu_status pu__sql_step(pu_store *store, sqlite3_stmt *statement, bool *row, const char *what);

/* Steps a statement without results to its end and resets it. */
pu_status pu__sql_run(pu_store *store, sqlite3_stmt *statement, const char *what);

/* The first column of the first row of a query; `fallback` when there is none. */
pu_status pu__sql_integer(pu_store *store, const char *sql, int64_t fallback, int64_t *out);

/* Begins a transaction unless one is open; `began` says whether, and pu__sql_leave then commits, or rolls back
 * when `status` is a failure. */
pu_status pu__sql_enter(pu_store *store, bool *began);
pu_status pu__sql_leave(pu_store *store, bool began, pu_status status);

#endif
