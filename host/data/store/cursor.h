/* Reading the bars of one asset in time order, a chunk at a time, in memory that does not depend on how many there
 * are.
 *
 * Invariants:
 *  1. A cursor keeps one read statement of its connection open from its opening to its close: everything that the
 *     connection reads meanwhile is of one moment, and no other connection can commit. Close it before waiting.
 *  2. When all bars of the asset were read, the last call has compared their number and checksum with the stored
 *     ones. Who closes a cursor earlier has no such word. */
#ifndef PU_HOST_DATA_STORE_CURSOR_H
#define PU_HOST_DATA_STORE_CURSOR_H

#include <sqlite3.h>

#include "plusultra/store.h"

enum { PU__CURSOR_BARS = 4096 };

typedef struct pu__bar_cursor {
    pu_store *store; /* borrowed */
    int64_t asset_id, from_ts, to_ts;
    sqlite3_stmt *summary, *query;
    int64_t chunk_bars;
    int64_t read; /* bars handed out so far */
    uint64_t checksum;
    bool ended;
    pu_bars bars; /* the chunk; owned */
} pu__bar_cursor;

/* from_ts inclusive, to_ts exclusive, as pu_store_bars; at most chunk_bars (PU__CURSOR_BARS where there is no reason
 * for another) at a time. PU_ERR_NOT_FOUND: no such asset. On a failure there is nothing to close. */
pu_status pu__bar_cursor_open(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts,
                              int64_t chunk_bars, pu__bar_cursor *out);

/* The next bars, valid until the next call: full chunks, then one that is shorter, then none (count 0, however often
 * it is asked). PU_ERR_CORRUPT as pu_store_bars, no later than with the empty chunk. */
pu_status pu__bar_cursor_next(pu__bar_cursor *cursor, const pu_bars **chunk);

/* Accepts a zeroed cursor, and one that was closed. */
void pu__bar_cursor_close(pu__bar_cursor *cursor);

#endif
