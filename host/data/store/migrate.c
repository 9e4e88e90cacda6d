#include "host/data/store/migrate.h"

#include <stdio.h>

#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"

enum { SEALED_SINCE = 2 /* the version that brought the table `checksums` */ };

static const pu__store_step product_steps[] = {{pu__store_schema_1}, {pu__store_schema_2}, {pu__store_schema_3}};

const pu__store_step *pu__store_steps(int *count) {
    *count = (int)(sizeof product_steps / sizeof *product_steps);
    return product_steps;
}

/* Reading the version is also the first read of the file: a file that is no database, or is cut short, is found
 * here. */
static pu_status read_version(pu_store *store, int count, int64_t *version) {
    int64_t application = 0, tables = 0;
    PU_TRY(pu__sql_integer(store, "PRAGMA application_id", 0, &application));
    PU_TRY(pu__sql_integer(store, "PRAGMA user_version", 0, version));
    PU_TRY(pu__sql_integer(store, "SELECT count(*) FROM sqlite_schema", 0, &tables));
    if (application != PU__STORE_APPLICATION && (application != 0 || *version != 0 || tables > 0)) {
        return pu_fail(PU_ERR_STORE, "%s is a SQLite database of another program: choose another path",
                       pu_store_path(store));
    }
    if (*version > count) {
        return pu_fail(PU_ERR_STORE,
                       "%s has schema version %lld, this program knows up to %d: use a newer plusultra",
                       pu_store_path(store), (long long)*version, count);
    }
    return PU_OK;
}

static pu_status apply_steps(pu_store *store, const pu__store_step *steps, int64_t version, int count) {
    for (int64_t i = version; i < count; ++i) {
        char what[64];
        snprintf(what, sizeof what, "bring to schema version %lld", (long long)i + 1);
        PU_TRY(pu__sql_exec(store, steps[i].sql, what));
    }
    if (version < SEALED_SINCE && count >= SEALED_SINCE) PU_TRY(pu__checksum_seal_all(store));
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d", PU__STORE_APPLICATION,
             count);
    return pu__sql_exec(store, stamp, "mark the schema version of");
}

pu_status pu__store_migrate(pu_store *store, const pu__store_step *steps, int count) {
    int64_t version = 0;
    PU_TRY(read_version(store, count, &version));
    if (version == count) return PU_OK;
    if (sqlite3_db_readonly(pu_store_sqlite(store), "main") != 0) {
        int64_t pages = 0;
        PU_TRY(pu__sql_integer(store, "PRAGMA page_count", 0, &pages));
        if (pages == 0)
            return pu_fail(PU_ERR_STORE,
                           "%s is an empty file, not a store: `plusultra import` or `plusultra synth` fill it",
                           pu_store_path(store));
        return pu_fail(PU_ERR_STORE,
                       "%s has schema version %lld, version %d is needed: `plusultra assets migrate` brings it "
                       "forward, as does "
                       "any command that writes to it",
                       pu_store_path(store), (long long)version, count);
    }
    PU_TRY(pu_store_begin(store));
    /* Another process may have migrated while this one waited for the lock. */
    pu_status status = read_version(store, count, &version);
    if (status == PU_OK && version < count) status = apply_steps(store, steps, version, count);
    return pu__sql_leave(store, true, status);
}
