#include <math.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "host/data/store/cursor.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"

enum { COLUMNS = 7 };

typedef struct range {
    int64_t asset_id, from_ts, to_ts;
} range;

static pu_status prepare_range(pu_store *store, const char *sql, const range *wanted, sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(store, sql, out));
    if (sqlite3_bind_int64(*out, 1, wanted->asset_id) == SQLITE_OK &&
        sqlite3_bind_int64(*out, 2, wanted->from_ts) == SQLITE_OK &&
        sqlite3_bind_int64(*out, 3, wanted->to_ts) == SQLITE_OK) {
        return PU_OK;
    }
    sqlite3_finalize(*out);
    *out = NULL;
    return pu__store_failure(store, "read bars from");
}

static pu_status count_bars(pu_store *store, const range *wanted, int64_t *count) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_range(store, "SELECT count(*) FROM series WHERE asset_id = ?1 AND ts >= ?2 AND ts < ?3", wanted,
                         &query));
    bool row = false;
    const pu_status status = pu__sql_step(store, query, &row, "count the bars of");
    *count = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}

/* One block holds all columns; it starts at ts. */
static pu_status allocate(pu_bars *bars, int64_t count) {
    const size_t n = (size_t)count;
    char *block = pu_calloc(n, COLUMNS * sizeof(double));
    if (!block) return PU_ERR_MEMORY;
    double *column = (double *)(void *)(block + n * sizeof(int64_t));
    *bars = (pu_bars){.ts = (int64_t *)(void *)block,
                      .open = column,
                      .high = column + n,
                      .low = column + 2 * n,
                      .close = column + 3 * n,
                      .adjusted = column + 4 * n,
                      .volume = column + 5 * n};
    return PU_OK;
}

static pu_status fill(pu_store *store, const range *wanted, int64_t capacity, pu_bars *bars, uint64_t *checksum) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_range(store,
                         "SELECT ts, open, high, low, close, adjusted, volume FROM series WHERE asset_id = ?1 AND "
                         "ts >= ?2 AND ts < ?3 "
                         "ORDER BY ts",
                         wanted, &query));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read bars from");
        if (status != PU_OK || !row) break;
        if (bars->count == capacity) {
            status = pu_fail(PU_ERR_CORRUPT, "%s: the series of asset %lld is out of order; restore a copy",
                             pu_store_path(store), (long long)wanted->asset_id);
            break;
        }
        const bool no_volume = sqlite3_column_type(query, 6) == SQLITE_NULL;
        const pu__bar bar = {.ts = sqlite3_column_int64(query, 0),
                             .open = sqlite3_column_double(query, 1),
                             .high = sqlite3_column_double(query, 2),
                             .low = sqlite3_column_double(query, 3),
                             .close = sqlite3_column_double(query, 4),
                             .adjusted = sqlite3_column_double(query, 5),
                             .volume = no_volume ? NAN : sqlite3_column_double(query, 6)};
        const int64_t i = bars->count++;
        bars->ts[i] = bar.ts;
        bars->open[i] = bar.open;
        bars->high[i] = bar.high;
        bars->low[i] = bar.low;
        bars->close[i] = bar.close;
        bars->adjusted[i] = bar.adjusted;
        bars->volume[i] = bar.volume;
        *checksum += pu__bar_hash(&bar);
    }
    sqlite3_finalize(query);
    return status;
}

/* The summary stored with the bars says how many there are and what they add up to. */
static pu_status verify(pu_store *store, const range *wanted, const pu_bars *bars, uint64_t checksum) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store, "SELECT symbol, bars, first_ts, last_ts, checksum FROM assets WHERE asset_id = ?1", &query));
    bool row = false;
    pu_status status =
        sqlite3_bind_int64(query, 1, wanted->asset_id) == SQLITE_OK ? PU_OK : pu__store_failure(store, "read");
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read");
    if (status == PU_OK && !row)
        status =
            pu_fail(PU_ERR_NOT_FOUND, "%s has no asset %lld", pu_store_path(store), (long long)wanted->asset_id);
    if (status == PU_OK) {
        const int64_t stored = sqlite3_column_int64(query, 1);
        const bool whole = stored == 0 || (wanted->from_ts <= sqlite3_column_int64(query, 2) &&
                                           wanted->to_ts > sqlite3_column_int64(query, 3));
        if (whole && (bars->count != stored || checksum != (uint64_t)sqlite3_column_int64(query, 4))) {
            status = pu_fail(PU_ERR_CORRUPT,
                             "%s: the bars of %s do not match their checksum: the file was damaged, or changed by "
                             "another program; restore a "
                             "copy, or import into a new store",
                             pu_store_path(store), (const char *)sqlite3_column_text(query, 0));
        }
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status read_bars(pu_store *store, const range *wanted, pu_bars *out) {
    int64_t count = 0;
    uint64_t checksum = 0;
    PU_TRY(count_bars(store, wanted, &count));
    PU_TRY(allocate(out, count));
    PU_TRY(fill(store, wanted, count, out, &checksum));
    return verify(store, wanted, out, checksum);
}

pu_status pu_store_bars(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts, pu_bars *out) {
    *out = (pu_bars){0};
    const range wanted = {asset_id, from_ts, to_ts};
    /* Count, bars and summary are of one moment. */
    const bool alone = sqlite3_get_autocommit(pu_store_sqlite(store)) != 0;
    if (alone) PU_TRY(pu__sql_exec(store, "BEGIN", "read"));
    const pu_status status = read_bars(store, &wanted, out);
    if (alone) pu_store_rollback(store);
    if (status != PU_OK) pu_bars_free(out);
    return status;
}

void pu_bars_free(pu_bars *bars) {
    pu_free(bars->ts);
    *bars = (pu_bars){0};
}

/* Bar by bar, so that it does not depend on the chunks; one form for every NaN. */
static void hash_bars(crypto_hash_sha256_state *state, const pu_bars *bars) {
    const double *const column[] = {bars->open, bars->high, bars->low, bars->close, bars->adjusted, bars->volume};
    for (int64_t i = 0; i < bars->count; ++i) {
        uint64_t word[COLUMNS] = {(uint64_t)bars->ts[i]};
        for (int c = 1; c < COLUMNS; ++c) {
            word[c] = UINT64_MAX;
            if (!isnan(column[c - 1][i])) memcpy(&word[c], &column[c - 1][i], sizeof word[c]);
        }
        crypto_hash_sha256_update(state, (const unsigned char *)word, sizeof word);
    }
}

static pu_status hash_asset(crypto_hash_sha256_state *state, pu_store *store, const pu_asset *asset) {
    crypto_hash_sha256_update(state, (const unsigned char *)asset->symbol, strlen(asset->symbol) + 1);
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(store, asset->id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0) {
        hash_bars(state, chunk);
        status = pu__bar_cursor_next(&cursor, &chunk);
    }
    const int64_t tail[] = {asset->bar_s, cursor.read};
    crypto_hash_sha256_update(state, (const unsigned char *)tail, sizeof tail);
    pu__bar_cursor_close(&cursor);
    return status;
}

pu_status pu_store_data_hash(pu_store *store, int asset_count, const pu_asset *assets, char out[65]) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (int i = 0; i < asset_count; ++i) PU_TRY(hash_asset(&state, store, &assets[i]));
    pu__digest_end(&state, out);
    return PU_OK;
}
