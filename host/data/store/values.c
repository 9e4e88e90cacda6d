#include "host/data/store/values.h"

#include <inttypes.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "host/data/store/write.h"

uint64_t pu__value_hash(int64_t published_ts, int64_t ts, double value) {
    uint64_t bits = 0;
    value += 0.0; /* SQLite keeps no sign of a zero */
    memcpy(&bits, &value, sizeof bits);
    return pu__hash_mix(pu__hash_mix(pu__hash_mix((uint64_t)published_ts + 0x9e3779b97f4a7c15u) ^ (uint64_t)ts) ^
                        bits);
}

typedef struct tally {
    int64_t rows;
    uint64_t checksum;
} tally;

static pu_status compare(pu_store *store, sqlite3_stmt *series, const tally *found) {
    const int64_t rows = sqlite3_column_int64(series, 2);
    if (rows == found->rows && (uint64_t)sqlite3_column_int64(series, 3) == found->checksum) return PU_OK;
    return pu_fail(
        PU_ERR_CORRUPT,
        "%s: the series %s is damaged: %" PRId64 " of %" PRId64
        " values, or their checksum, are not what was stored; restore a copy, or import it again into a "
        "new store",
        pu_store_path(store), (const char *)sqlite3_column_text(series, 1), found->rows, rows);
}

static pu_status sum_values(pu_store *store, sqlite3_stmt *values, int64_t series_id, tally *out) {
    *out = (tally){0};
    if (sqlite3_bind_int64(values, 1, series_id) != SQLITE_OK) return pu__store_failure(store, "read");
    bool row = true;
    pu_status status = PU_OK;
    while (status == PU_OK) {
        status = pu__sql_step(store, values, &row, "read");
        if (status != PU_OK || !row) break;
        ++out->rows;
        out->checksum += pu__value_hash(sqlite3_column_int64(values, 0), sqlite3_column_int64(values, 1),
                                        sqlite3_column_double(values, 2));
    }
    sqlite3_reset(values);
    return status;
}

static pu_status check_series(pu_store *store, sqlite3_stmt *series, sqlite3_stmt *values) {
    for (;;) {
        bool row = false;
        tally found;
        PU_TRY(pu__sql_step(store, series, &row, "read"));
        if (!row) return PU_OK;
        PU_TRY(sum_values(store, values, sqlite3_column_int64(series, 0), &found));
        PU_TRY(compare(store, series, &found));
    }
}

pu_status pu__values_check(pu_store *store) {
    sqlite3_stmt *series = NULL, *values = NULL;
    pu_status status = pu__sql_prepare(
        store, "SELECT series_id, name, rows, checksum FROM alternative_series ORDER BY series_id", &series);
    if (status == PU_OK)
        status = pu__sql_prepare(
            store, "SELECT published_ts, ts, value FROM alternative_values WHERE series_id = ?1", &values);
    if (status == PU_OK) status = check_series(store, series, values);
    sqlite3_finalize(values);
    sqlite3_finalize(series);
    return status;
}
