#include "host/data/store/cursor.h"

#include <math.h>

#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"

enum { COLUMNS = 7 };

/* All columns in one block that starts at ts, so that pu_bars_free frees it. */
static pu_status allocate(int64_t bars, pu_bars *out) {
    int64_t *ts = pu_calloc((size_t)bars, COLUMNS * sizeof(double));
    if (!ts) return PU_ERR_MEMORY;
    double *column = (double *)(void *)(ts + bars);
    *out = (pu_bars){.ts = ts,
                     .open = column,
                     .high = column + bars,
                     .low = column + 2 * bars,
                     .close = column + 3 * bars,
                     .adjusted = column + 4 * bars,
                     .volume = column + 5 * bars};
    return PU_OK;
}

/* The summary's row stays under its statement: that holds the moment for the bars. */
static pu_status open_summary(pu__bar_cursor *cursor) {
    PU_TRY(pu__sql_prepare(cursor->store,
                           "SELECT symbol, bars, first_ts, last_ts, checksum FROM assets WHERE asset_id = ?1",
                           &cursor->summary));
    if (sqlite3_bind_int64(cursor->summary, 1, cursor->asset_id) != SQLITE_OK)
        return pu__store_failure(cursor->store, "read");
    bool row = false;
    PU_TRY(pu__sql_step(cursor->store, cursor->summary, &row, "read"));
    if (row) return PU_OK;
    return pu_fail(PU_ERR_NOT_FOUND, "%s has no asset %lld", pu_store_path(cursor->store),
                   (long long)cursor->asset_id);
}

static pu_status open_bars(pu__bar_cursor *cursor) {
    PU_TRY(pu__sql_prepare(cursor->store,
                           "SELECT ts, open, high, low, close, adjusted, volume FROM series "
                           "WHERE asset_id = ?1 AND ts >= ?2 AND ts < ?3 ORDER BY ts",
                           &cursor->query));
    if (sqlite3_bind_int64(cursor->query, 1, cursor->asset_id) == SQLITE_OK &&
        sqlite3_bind_int64(cursor->query, 2, cursor->from_ts) == SQLITE_OK &&
        sqlite3_bind_int64(cursor->query, 3, cursor->to_ts) == SQLITE_OK) {
        return PU_OK;
    }
    return pu__store_failure(cursor->store, "read bars from");
}

pu_status pu__bar_cursor_open(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts,
                              int64_t chunk_bars, pu__bar_cursor *out) {
    *out = (pu__bar_cursor){
        .store = store, .asset_id = asset_id, .from_ts = from_ts, .to_ts = to_ts, .chunk_bars = chunk_bars};
    pu_status status = chunk_bars > 0 ? PU_OK : pu_fail(PU_ERR_ARGUMENT, "a cursor reads at least one bar");
    if (status == PU_OK) status = allocate(chunk_bars, &out->bars);
    if (status == PU_OK) status = open_summary(out);
    if (status == PU_OK) status = open_bars(out);
    if (status != PU_OK) pu__bar_cursor_close(out);
    return status;
}

static pu_status damaged(const pu__bar_cursor *cursor) {
    return pu_fail(PU_ERR_CORRUPT,
                   "%s: the bars of %s do not match their checksum: the file was damaged, or changed by another "
                   "program; restore a copy, or import into a new store",
                   pu_store_path(cursor->store), (const char *)sqlite3_column_text(cursor->summary, 0));
}

static pu_status verify(const pu__bar_cursor *cursor) {
    const int64_t stored = sqlite3_column_int64(cursor->summary, 1);
    const bool whole = stored == 0 || (cursor->from_ts <= sqlite3_column_int64(cursor->summary, 2) &&
                                       cursor->to_ts > sqlite3_column_int64(cursor->summary, 3));
    if (!whole) return PU_OK;
    const uint64_t checksum = (uint64_t)sqlite3_column_int64(cursor->summary, 4);
    return cursor->read == stored && cursor->checksum == checksum ? PU_OK : damaged(cursor);
}

static void take(pu__bar_cursor *cursor) {
    sqlite3_stmt *query = cursor->query;
    const bool no_volume = sqlite3_column_type(query, 6) == SQLITE_NULL;
    const pu__bar bar = {.ts = sqlite3_column_int64(query, 0),
                         .open = sqlite3_column_double(query, 1),
                         .high = sqlite3_column_double(query, 2),
                         .low = sqlite3_column_double(query, 3),
                         .close = sqlite3_column_double(query, 4),
                         .adjusted = sqlite3_column_double(query, 5),
                         .volume = no_volume ? NAN : sqlite3_column_double(query, 6)};
    pu_bars *bars = &cursor->bars;
    const int64_t i = bars->count++;
    bars->ts[i] = bar.ts;
    bars->open[i] = bar.open;
    bars->high[i] = bar.high;
    bars->low[i] = bar.low;
    bars->close[i] = bar.close;
    bars->adjusted[i] = bar.adjusted;
    bars->volume[i] = bar.volume;
    cursor->checksum += pu__bar_hash(&bar);
}

pu_status pu__bar_cursor_next(pu__bar_cursor *cursor, const pu_bars **chunk) {
    *chunk = &cursor->bars;
    cursor->bars.count = 0;
    while (!cursor->ended && cursor->bars.count < cursor->chunk_bars) {
        bool row = false;
        PU_TRY(pu__sql_step(cursor->store, cursor->query, &row, "read bars from"));
        cursor->ended = !row;
        if (row) take(cursor);
    }
    cursor->read += cursor->bars.count;
    return cursor->ended ? verify(cursor) : PU_OK;
}

void pu__bar_cursor_close(pu__bar_cursor *cursor) {
    sqlite3_finalize(cursor->query);
    sqlite3_finalize(cursor->summary);
    pu_bars_free(&cursor->bars);
    cursor->query = cursor->summary = NULL;
    cursor->ended = true;
}
