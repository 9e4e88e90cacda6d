/* One connection to a store.
 *
 * Invariants:
 *  1. A store is only ever changed between pu_store_begin and pu_store_commit, which hold SQLite's write lock.
 *  2. After a crash at any instruction the next open finds the last committed state: rollback journal,
 * synchronous=FULL.
 *  3. A connection belongs to one thread. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "host/data/store/migrate.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

enum { BUSY_MS = 10000, SQLITE_OLDEST = 3037000 /* STRICT tables */ };

struct pu_store {
    sqlite3 *db;
    char *path;
};

const char *pu_store_path(const pu_store *store) { return store->path; }
struct sqlite3 *pu_store_sqlite(pu_store *store) {
    return store->db;
}

static pu_status set_options(pu_store *store, pu_store_mode mode) {
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0},   {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
        int now = -1;
        if (sqlite3_db_config(store->db, options[i].option, options[i].value, &now) != SQLITE_OK ||
            now != options[i].value) {
            return pu_fail(PU_ERR_UNSUPPORTED,
                           "this build of SQLite refuses option %d, which the store's safety rests on",
                           options[i].option);
        }
    }
    if (sqlite3_busy_timeout(store->db, BUSY_MS) != SQLITE_OK) return pu__store_failure(store, "set up");
    PU_TRY(pu__sql_exec(store, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY", "set up"));
    /* Readers go through tables from one end to the other: what they read is not asked for again. */
    if (mode == PU_STORE_READ) return pu__sql_exec(store, "PRAGMA cache_size = -4096", "set up");
    PU_TRY(pu__sql_exec(store, "PRAGMA cache_size = -32768", "set up"));
    /* The page size takes effect on an empty database only. */
    return pu__sql_exec(store, "PRAGMA page_size = 8192; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL",
                        "set up");
}

static pu_status connect(pu_store *store, int flags) {
    const int code =
        sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code == SQLITE_OK && sqlite3_busy_timeout(store->db, BUSY_MS) == SQLITE_OK) return PU_OK;
    return pu__sql_failure(store->db, store->path, "open");
}

/* A read-only connection may not roll back what a killed writer left; a writing one does so by its first read. */
static pu_status roll_back_leftover(const char *path) {
    pu_store helper = {.path = (char *)(uintptr_t)path};
    int64_t version = 0;
    pu_status status = connect(&helper, SQLITE_OPEN_READWRITE);
    if (status == PU_OK) status = pu__sql_integer(&helper, "PRAGMA user_version", 0, &version);
    sqlite3_close(helper.db);
    return status;
}

static pu_status first_read(pu_store *store) {
    int64_t version = 0;
    const pu_status status = pu__sql_integer(store, "PRAGMA user_version", 0, &version);
    if (status == PU_OK || sqlite3_extended_errcode(store->db) != SQLITE_READONLY_ROLLBACK) return status;
    PU_TRY(roll_back_leftover(store->path));
    return pu__sql_integer(store, "PRAGMA user_version", 0, &version);
}

/* A file that a copy or a full disk cut short within a page, which SQLite would fill up with zeros. The read
 * transaction keeps writers out of the file meanwhile. */
static pu_status check_length(pu_store *store) {
    int64_t page_bytes = 0, version = 0;
    struct stat info = {0};
    PU_TRY(pu__sql_exec(store, "BEGIN", "read"));
    pu_status status = pu__sql_integer(store, "PRAGMA user_version", 0, &version);
    if (status == PU_OK) status = pu__sql_integer(store, "PRAGMA page_size", 1, &page_bytes);
    if (status == PU_OK && stat(store->path, &info) != 0) {
        status = pu_fail(PU_ERR_IO, "cannot inspect %s: %s", store->path, strerror(errno));
    }
    if (status == PU_OK && info.st_size % page_bytes != 0) {
        status =
            pu_fail(PU_ERR_CORRUPT, "%s was cut short: its %lld bytes are not whole pages of %lld; restore a copy",
                    store->path, (long long)info.st_size, (long long)page_bytes);
    }
    if (status == PU_OK) status = pu__sql_exec(store, "COMMIT", "read");
    if (status != PU_OK) pu_store_rollback(store);
    return status;
}

static pu_status open_on(pu_store *store, pu_store_mode mode) {
    static const int flags[] = {SQLITE_OPEN_READONLY, SQLITE_OPEN_READWRITE,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
    struct stat info = {0};
    if (stat(store->path, &info) != 0 && (mode != PU_STORE_CREATE || errno != ENOENT)) {
        return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot open the store %s: %s%s",
                       store->path, strerror(errno),
                       errno == ENOENT ? "; `plusultra import` and `plusultra synth` make one" : "");
    }
    if (S_ISDIR(info.st_mode))
        return pu_fail(PU_ERR_IO, "cannot open the store %s: it is a folder; name a file in it", store->path);
    PU_TRY(connect(store, flags[mode]));
    if (mode != PU_STORE_READ && sqlite3_db_readonly(store->db, "main") != 0) {
        return pu_fail(PU_ERR_IO, "the store %s is read-only: change its permissions or copy it elsewhere",
                       store->path);
    }
    PU_TRY(first_read(store));
    PU_TRY(set_options(store, mode));
    PU_TRY(check_length(store));
    int count = 0;
    const pu__store_step *steps = pu__store_steps(&count);
    return pu__store_migrate(store, steps, count);
}

pu_status pu_store_open(const char *path, pu_store_mode mode, pu_store **out) {
    *out = NULL;
    if (!path || !*path) return pu_fail(PU_ERR_ARGUMENT, "the store's path is empty");
    if (sqlite3_libversion_number() < SQLITE_OLDEST) {
        return pu_fail(PU_ERR_UNSUPPORTED, "SQLite %s is too old: 3.37 or newer is needed", sqlite3_libversion());
    }
    pu_store *store = pu_calloc(1, sizeof *store);
    if (!store) return PU_ERR_MEMORY;
    store->path = pu_strdup(path);
    const pu_status status = store->path ? open_on(store, mode) : PU_ERR_MEMORY;
    if (status != PU_OK) {
        pu_store_close(store);
        return status;
    }
    *out = store;
    return PU_OK;
}

void pu_store_close(pu_store *store) {
    if (!store) return;
    pu_store_rollback(store);
    sqlite3_close_v2(store->db);
    pu_free(store->path);
    pu_free(store);
}

pu_status pu_store_begin(pu_store *store) {
    if (sqlite3_get_autocommit(store->db) == 0) {
        return pu_fail(PU_ERR_ARGUMENT, "a transaction is open on %s already: transactions do not nest",
                       store->path);
    }
    if (sqlite3_db_readonly(store->db, "main") != 0) {
        return pu_fail(PU_ERR_ARGUMENT, "the store %s was opened for reading", store->path);
    }
    return pu__sql_exec(store, "BEGIN IMMEDIATE", "begin to write to");
}

pu_status pu_store_commit(pu_store *store) { return pu__sql_exec(store, "COMMIT", "commit to"); }

void pu_store_rollback(pu_store *store) {
    /* After a full disk or an I/O error SQLite may have rolled back by itself: nothing is left to do then. Where the
     * statement finds no memory, it does the second time: that of the first failure has been freed. */
    for (int i = 0; i < 2 && store->db && sqlite3_get_autocommit(store->db) == 0; ++i)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}
