#include "host/data/store/checksum.h"

#include <stdio.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "host/data/store/write.h"

static const uint64_t golden = 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio, SplitMix64's increment */

typedef struct part {
    const char *name;    /* in the table `checksums` */
    const char *rows;    /* the columns that count, of one owner */
    const char *owners;  /* every owner that has rows */
    const char *total;   /* rows of all owners */
    const char *meaning; /* for the message */
    bool whole;          /* one owner, 0; unsealed while nothing of this library wrote to it */
    const char *one;     /* the row of an owner that has the key ?2, for pu__checksum_extend */
} part;

static const part parts[PU__PART_COUNT] = {
    [PU__PART_ASSET] = {"assets",
                        "SELECT symbol, asset_class, bar_s, currency, periods_per_year, price_basis FROM assets "
                        "WHERE asset_id = ?1",
                        "SELECT asset_id FROM assets", "SELECT count(*) FROM assets", "the description of asset",
                        false, NULL},
    [PU__PART_INDICATORS] = {"indicators", "SELECT name, ts, value FROM indicators WHERE asset_id = ?1",
                             "SELECT DISTINCT asset_id FROM indicators", "SELECT count(*) FROM indicators",
                             "the indicators of asset", false, NULL},
    [PU__PART_ACTIONS] =
        {"corporate_actions",
         "SELECT ex_ts, kind, value, published_ts, basis FROM corporate_actions WHERE asset_id = ?1",
         "SELECT DISTINCT asset_id FROM corporate_actions", "SELECT count(*) FROM corporate_actions",
         "the corporate actions of asset", false, NULL},
    [PU__PART_RUN] = {"runs",
                      "SELECT name, started_ts, seed, config, data_hash, feature_hash, result FROM runs "
                      "WHERE run_id = ?1",
                      "SELECT run_id FROM runs", "SELECT count(*) FROM runs", "the record of run", false, NULL},
    [PU__PART_TRADES] = {"trades",
                         "SELECT asset_id, decided_ts, filled_ts, price, weight_before, weight_after, cost_ratio "
                         "FROM trades WHERE run_id = ?1",
                         "SELECT DISTINCT run_id FROM trades", "SELECT count(*) FROM trades", "the trades of run",
                         false, NULL},
    [PU__PART_SWEEP] = {"stress_sweeps",
                        "SELECT run_id, recipe, config, data_hash, cells FROM stress_sweeps "
                        "WHERE sweep_id = ?1",
                        "SELECT sweep_id FROM stress_sweeps", "SELECT count(*) FROM stress_sweeps",
                        "the record of stress sweep", false, NULL},
    [PU__PART_CELLS] = {"stress_cells", "SELECT * FROM stress_cells WHERE sweep_id = ?1",
                        "SELECT DISTINCT sweep_id FROM stress_cells", "SELECT count(*) FROM stress_cells",
                        "the cells of stress sweep", false,
                        "SELECT * FROM stress_cells WHERE sweep_id = ?1 AND cell = ?2"},
    [PU__PART_FANS] = {"stress_fans", "SELECT * FROM stress_fans WHERE sweep_id = ?1",
                       "SELECT DISTINCT sweep_id FROM stress_fans", "SELECT count(*) FROM stress_fans",
                       "the fans of stress sweep", false,
                       "SELECT * FROM stress_fans WHERE sweep_id = ?1 AND cell = ?2"},
    [PU__PART_BENCHMARKS] = {"benchmarks", "SELECT universe, asset_id FROM benchmarks WHERE ?1 = 0", "SELECT 0",
                             "SELECT count(*) FROM benchmarks", "the benchmarks, owner", false, NULL},
    [PU__PART_REGIMES] = {"regimes", "SELECT name, published_ts, ts, label FROM regimes WHERE ?1 = 0", "SELECT 0",
                          "SELECT count(*) FROM regimes", "the regimes, owner", true, NULL},
    [PU__PART_ALTERNATIVE] = {"alternative_series",
                              "SELECT name, asset_id, kind, unit, stale_after_s FROM alternative_series "
                              "WHERE ?1 = 0",
                              "SELECT 0", "SELECT count(*) FROM alternative_series",
                              "the descriptions of the alternative series, owner", true, NULL},
};

static uint64_t bits_of(double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* FNV-1a. */
static uint64_t text_hash(const unsigned char *text, int bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < bytes; ++i) hash = (hash ^ text[i]) * 0x100000001b3u;
    return hash ^ (uint64_t)bytes;
}

static uint64_t row_hash(sqlite3_stmt *query) {
    uint64_t hash = golden;
    for (int i = 0; i < sqlite3_column_count(query); ++i) {
        const int type = sqlite3_column_type(query, i);
        uint64_t word = 0;
        if (type == SQLITE_INTEGER) word = (uint64_t)sqlite3_column_int64(query, i);
        else if (type == SQLITE_FLOAT) word = bits_of(sqlite3_column_double(query, i));
        else if (type == SQLITE_TEXT) {
            const unsigned char *text = sqlite3_column_text(query, i);
            word = text_hash(text, sqlite3_column_bytes(query, i));
        } else if (type == SQLITE_BLOB) {
            const unsigned char *bytes = sqlite3_column_blob(query, i);
            word = text_hash(bytes, sqlite3_column_bytes(query, i));
        }
        hash = pu__hash_mix(hash ^ word) + (uint64_t)type;
    }
    return pu__hash_mix(hash);
}

typedef struct sum {
    int64_t rows;
    uint64_t checksum;
} sum;

static pu_status add_up(pu_store *store, pu__part which, int64_t owner_id, sum *out) {
    sqlite3_stmt *query = NULL;
    *out = (sum){0};
    PU_TRY(pu__sql_prepare(store, parts[which].rows, &query));
    pu_status status =
        sqlite3_bind_int64(query, 1, owner_id) == SQLITE_OK ? PU_OK : pu__store_failure(store, "check");
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "check");
        if (status != PU_OK || !row) break;
        out->rows += 1;
        out->checksum += row_hash(query);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status write_sum(pu_store *store, pu__part which, int64_t owner_id, const sum *now) {
    sqlite3_stmt *write = NULL;
    PU_TRY(pu__sql_prepare(store,
                           now->rows > 0 ? "INSERT INTO checksums (part, owner_id, rows, checksum) "
                                           "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET rows = "
                                           "excluded.rows, checksum = excluded.checksum"
                                         : "DELETE FROM checksums WHERE part = ?1 AND owner_id = ?2",
                           &write));
    int code =
        sqlite3_bind_text(write, 1, parts[which].name, -1, SQLITE_STATIC) | sqlite3_bind_int64(write, 2, owner_id);
    if (now->rows > 0)
        code |= sqlite3_bind_int64(write, 3, now->rows) | sqlite3_bind_int64(write, 4, (int64_t)now->checksum);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, write, "seal") : pu__store_failure(store, "seal");
    sqlite3_finalize(write);
    return status;
}

pu_status pu__checksum_seal(pu_store *store, pu__part which, int64_t owner_id) {
    sum now;
    PU_TRY(add_up(store, which, owner_id, &now));
    return write_sum(store, which, owner_id, &now);
}

static pu_status read_sum(pu_store *store, pu__part which, int64_t owner_id, sum *out) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *out = (sum){0};
    PU_TRY(
        pu__sql_prepare(store, "SELECT rows, checksum FROM checksums WHERE part = ?1 AND owner_id = ?2", &query));
    const int code =
        sqlite3_bind_text(query, 1, parts[which].name, -1, SQLITE_STATIC) | sqlite3_bind_int64(query, 2, owner_id);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_step(store, query, &row, "seal") : pu__store_failure(store, "seal");
    if (status == PU_OK && row)
        *out = (sum){sqlite3_column_int64(query, 0), (uint64_t)sqlite3_column_int64(query, 1)};
    sqlite3_finalize(query);
    return status;
}

pu_status pu__checksum_extend(pu_store *store, pu__part which, int64_t owner_id, int64_t key) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    sum now;
    PU_TRY(read_sum(store, which, owner_id, &now));
    PU_TRY(pu__sql_prepare(store, parts[which].one, &query));
    const int code = sqlite3_bind_int64(query, 1, owner_id) | sqlite3_bind_int64(query, 2, key);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_step(store, query, &row, "seal") : pu__store_failure(store, "seal");
    now.rows += row;
    now.checksum += status == PU_OK && row ? row_hash(query) : 0;
    sqlite3_finalize(query);
    PU_TRY(status);
    return write_sum(store, which, owner_id, &now);
}

/* The owners' rows are not changed while their list is open: `checksums` is another table. */
static pu_status seal_part(pu_store *store, pu__part which) {
    sqlite3_stmt *owners = NULL;
    PU_TRY(pu__sql_prepare(store, parts[which].owners, &owners));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, owners, &row, "seal");
        if (status != PU_OK || !row) break;
        status = pu__checksum_seal(store, which, sqlite3_column_int64(owners, 0));
    }
    sqlite3_finalize(owners);
    return status;
}

pu_status pu__checksum_seal_all(pu_store *store) {
    for (int i = 0; i < PU__PART_COUNT; ++i) PU_TRY(seal_part(store, (pu__part)i));
    return PU_OK;
}

static pu_status changed(pu_store *store, pu__part which, int64_t owner_id) {
    return pu_fail(PU_ERR_CORRUPT,
                   "%s: %s %lld do not match their checksum: the file was damaged, or changed by another program; "
                   "restore a copy",
                   pu_store_path(store), parts[which].meaning, (long long)owner_id);
}

/* Every sealed owner has what was sealed, and nobody else has anything. */
static pu_status check_part(pu_store *store, pu__part which) {
    sqlite3_stmt *sealed = NULL;
    int64_t rows = 0, total = 0;
    PU_TRY(pu__sql_prepare(store, "SELECT owner_id, rows, checksum FROM checksums WHERE part = ?1", &sealed));
    pu_status status = sqlite3_bind_text(sealed, 1, parts[which].name, -1, SQLITE_STATIC) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "check");
    for (bool row = true; status == PU_OK;) {
        sum now;
        status = pu__sql_step(store, sealed, &row, "check");
        if (status != PU_OK || !row) break;
        const int64_t owner_id = sqlite3_column_int64(sealed, 0);
        status = add_up(store, which, owner_id, &now);
        if (status == PU_OK && (now.rows != sqlite3_column_int64(sealed, 1) ||
                                now.checksum != (uint64_t)sqlite3_column_int64(sealed, 2)))
            status = changed(store, which, owner_id);
        rows += now.rows;
    }
    sqlite3_finalize(sealed);
    PU_TRY(status);
    PU_TRY(pu__sql_integer(store, parts[which].total, 0, &total));
    if (total == rows || (rows == 0 && parts[which].whole)) return PU_OK;
    return pu_fail(
        PU_ERR_CORRUPT,
        "%s: the table %s has %lld rows, %lld were written: the file was damaged, or changed by another "
        "program; restore a copy",
        pu_store_path(store), parts[which].name, (long long)total, (long long)rows);
}

pu_status pu__checksum_check(pu_store *store) {
    for (int i = 0; i < PU__PART_COUNT; ++i) PU_TRY(check_part(store, (pu__part)i));
    return PU_OK;
}
