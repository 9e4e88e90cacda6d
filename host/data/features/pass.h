/* All features of one asset over its bars in the store, a chunk at a time, on up to all cores: each feature is computed
 * by one thread at a time, while one thread reads the next chunk and hands the last one on. The bits do not depend on
 * the number of threads. */
#ifndef PU_HOST_DATA_FEATURES_PASS_H
#define PU_HOST_DATA_FEATURES_PASS_H

#include "host/data/features/feed.h"
#include "host/data/features/panel.h"

typedef struct pu__pass_chunk {
    const pu__slice *slice;     /* bars and inputs */
    const double *const *value; /* [features][count]: NaN before a feature's lookback */
} pu__pass_chunk;

/* Called in order of time, from any thread of the pool, never twice at once. */
typedef pu_status (*pu__pass_consume)(void *context, const pu__pass_chunk *chunk);

typedef struct pu__pass_options {
    int64_t until_ts;       /* INT64_MAX: everything */
    int64_t chunk_bars;     /* PU__CHUNK_BARS where nothing asks for another number */
    bool one_by_one;        /* without update_many */
    const pu__panel *panel; /* where the plan's features are one; made with the same until_ts */
    pu_pool *pool;          /* null: one thread */
} pu__pass_options;

/* *bars: how many there were. */
pu_status pu__pass_run(const pu__plan *plan, pu_store *store, int asset, const pu__pass_options *options,
                       pu__pass_consume consume, void *context, int64_t *bars);

#endif
