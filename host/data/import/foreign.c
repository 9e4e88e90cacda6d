#include "host/data/import/foreign.h"

#include <string.h>

#include "host/data/store/sql.h"
#include "plusultra/log.h"

enum { BUSY_MS = 10000, STEPS_BETWEEN_LOOKS = 10000, VALUE_BYTES_MAX = 1 << 20 };

static pu_status failure(sqlite3 *db, const char *path) { return pu__sql_failure(db, path, "read"); }

static int stop_on_interrupt(void *context) {
    (void)context;
    return pu_interrupted();
}

/* Reading, the functions that reading needs, and the one pragma that lists columns. */
static int authorize(void *context, int action, const char *first, const char *second, const char *database,
                     const char *view) {
    (void)context, (void)second, (void)database, (void)view;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_PRAGMA: return first && strcmp(first, "table_xinfo") == 0 ? SQLITE_OK : SQLITE_DENY;
    default: return SQLITE_DENY;
    }
}

static pu_status secure(sqlite3 *db, const char *path) {
    static const struct {
        int option, value;
    } options[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                   {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
                   {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_DQS_DDL, 0}};
    static const struct {
        int limit, value;
    } limits[] = {{SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX},
                  {SQLITE_LIMIT_SQL_LENGTH, VALUE_BYTES_MAX},
                  {SQLITE_LIMIT_EXPR_DEPTH, 100},
                  {SQLITE_LIMIT_COMPOUND_SELECT, 100},
                  {SQLITE_LIMIT_VDBE_OP, 100000},
                  {SQLITE_LIMIT_FUNCTION_ARG, 32},
                  {SQLITE_LIMIT_ATTACHED, 0},
                  {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 16},
                  {SQLITE_LIMIT_WORKER_THREADS, 0}};
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
        int now = -1;
        if (sqlite3_db_config(db, options[i].option, options[i].value, &now) != SQLITE_OK ||
            now != options[i].value) {
            return pu_fail(PU_ERR_UNSUPPORTED,
                           "this build of SQLite refuses option %d, which safe reading rests on",
                           options[i].option);
        }
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i)
        sqlite3_limit(db, limits[i].limit, limits[i].value);
    sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, stop_on_interrupt, NULL);
    if (sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK) return failure(db, path);
    const int code = sqlite3_exec(db,
                                  "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = FILE; "
                                  "PRAGMA cache_size = -16384; PRAGMA query_only = ON",
                                  NULL, NULL, NULL);
    if (code != SQLITE_OK) return failure(db, path);
    return sqlite3_set_authorizer(db, authorize, NULL) == SQLITE_OK ? PU_OK : failure(db, path);
}

pu_status pu__foreign_open(const char *path, sqlite3 **out) {
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    *out = NULL;
    if (sqlite3_open_v2(path, out, flags, NULL) != SQLITE_OK) return failure(*out, path);
    return secure(*out, path);
}
