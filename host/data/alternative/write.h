/* Writing series and regimes inside a transaction, with the summary of each series kept in step.
 *
 * Invariants:
 *  1. A row's values are stored all or none.
 *  2. What is stored for a pair of times is changed by `replace` only. */
#ifndef PU_HOST_DATA_ALTERNATIVE_WRITE_H
#define PU_HOST_DATA_ALTERNATIVE_WRITE_H

#include <sqlite3.h>

#include "host/data/alternative/points.h"

typedef struct pu__open_series {
    char name[64];
    int64_t asset_id, series_id; /* 0: the market's; 0: not made yet */
    int64_t rows, first_published_ts, last_published_ts;
    uint64_t checksum;
    bool used, changed; /* a row was accepted, something was written */
} pu__open_series;

typedef struct pu__series_writer {
    pu_store *store;
    const pu_series_options *options; /* borrowed */
    pu__open_series *series;          /* ordered by name, then asset */
    int count, capacity;
    char symbol[64]; /* looked up last, with the asset it names; "" before */
    int64_t symbol_asset_id;
    sqlite3_stmt *select, *insert, *update, *asset;
    bool any; /* first_ and last_published_ts hold something */
    int64_t first_published_ts, last_published_ts;
} pu__series_writer;

typedef enum pu__points_outcome {
    PU__POINTS_ADDED = 0,
    PU__POINTS_UNCHANGED,
    PU__POINTS_REPLACED,
    PU__POINTS_REJECTED /* `reason` says why, nothing was stored */
} pu__points_outcome;

pu_status pu__series_writer_open(pu_store *store, const pu_series_options *options, pu__series_writer *writer);
pu_status pu__points_put(pu__series_writer *writer, const pu__points *points, pu__points_outcome *outcome,
                         char *reason);
/* Stores the summaries unless `status` is a failure, releases everything, and returns the first failure. */
pu_status pu__series_writer_close(pu__series_writer *writer, pu_status status);

#endif
