/* Writing assets and bars, for the importer and the synthetic market. */
#ifndef PU_HOST_DATA_STORE_WRITE_H
#define PU_HOST_DATA_STORE_WRITE_H

#include <sqlite3.h>

#include "plusultra/store.h"

typedef struct pu__bar {
    int64_t ts; /* UTC seconds of the close */
    double open, high, low, close, adjusted;
    double volume; /* NaN where the source has none */
} pu__bar;

/* Spreads every bit of a 64-bit word over all of them. */
uint64_t pu__hash_mix(uint64_t value);

/* A 64-bit hash of one bar. The sum over an asset's bars is its checksum: independent of the order, and kept up as
 * bars are added. It finds damage, not malice. */
uint64_t pu__bar_hash(const pu__bar *bar);

/* Rounded prices may leave [low, high] by this share; schema_1.sql holds the same number. */
#define PU__BAR_TOLERANCE 1e-6

/* The range checks of schema_1.sql: positive finite prices, low <= open and close <= high within the tolerance, no
 * negative volume. */
bool pu__bar_valid(const pu__bar *bar);

/* What the user calls the asset must be storable: 1 to 63 printable ASCII characters without '@', ',' and '"'. */
pu_status pu__asset_name_check(const char *symbol);

/* Finds an asset by symbol and bar length; *asset_id is 0 when there is none. */
pu_status pu__asset_find(pu_store *store, const char *symbol, int64_t bar_s, int64_t *asset_id);

/* Makes an asset. */
pu_status pu__asset_make(pu_store *store, const char *symbol, const char *asset_class, int64_t bar_s,
                         const char *currency, double periods_per_year, int64_t *asset_id);

typedef enum pu__bar_outcome {
    PU__BAR_ADDED,
    PU__BAR_UNCHANGED, /* the same bar is stored */
    PU__BAR_DIFFERS,   /* another bar is stored at that time, and was left */
    PU__BAR_REPLACED
} pu__bar_outcome;

/* Rows for the virtual table of bulk.h. */
typedef struct pu__bulk_rows {
    const pu__bar *bars; /* borrowed */
    int64_t count;
} pu__bulk_rows;

/* Writes bars of one asset inside a transaction, and keeps the asset's summary (number, ends, checksum) in step.
 * Stays where it was opened: its statements point into it. One per connection at a time. */
typedef struct pu__bar_writer {
    pu_store *store;
    int64_t asset_id;
    sqlite3_stmt *insert, *select, *update;
    pu__bulk_rows rows;
    int64_t bars, first_ts, last_ts;
    uint64_t checksum;
    int64_t readjusted; /* bars so far that came again with the stored close and another adjusted one */
    bool changed;
} pu__bar_writer;

pu_status pu__bar_writer_open(pu_store *store, int64_t asset_id, pu__bar_writer *writer);
/* Writes `count` bars. Those that follow what is stored, in order of time, are the fast case. With `replace` a
 * differing bar takes the stored one's place. outcome: [count], what became of each; null when the caller does not
 * ask. */
pu_status pu__bars_put(pu__bar_writer *writer, const pu__bar *bars, int64_t count, bool replace,
                       pu__bar_outcome *outcome);
/* Goes on with another asset; the summary of the one before is stored. */
pu_status pu__bar_writer_turn(pu__bar_writer *writer, int64_t asset_id);
/* Stores the summary unless `status` is a failure, releases the statements, and returns the first failure. */
pu_status pu__bar_writer_close(pu__bar_writer *writer, pu_status status);

#endif
