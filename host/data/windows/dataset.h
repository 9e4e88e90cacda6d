/* Inside a dataset: assets with their blocks, segments as row ranges, and the cache that the reader threads share.
 */
#ifndef PU_HOST_DATA_WINDOWS_DATASET_H
#define PU_HOST_DATA_WINDOWS_DATASET_H

#include <stdatomic.h>

#include "host/data/features/build.h"
#include "plusultra/windows.h"

/* Rows of one asset in one segment: decisions at [first, last) lie in it; those in [first, usable) also see their
 * whole label inside it. */
typedef struct pu__span {
    int64_t first, usable, last;
} pu__span;

/* What is known of a block since the dataset was opened. */
typedef enum pu__block_state { PU__BLOCK_UNREAD = 0, PU__BLOCK_LOADING, PU__BLOCK_VERIFIED } pu__block_state;

/* Blocks of one asset, and memory for them where the budget has room. Nothing is ever evicted: the sampler's order
 * is a random permutation, under which any fixed part of the blocks is hit as often as a replaced one. */
typedef struct pu__cache {
    float *data;         /* all blocks, one behind the other, in the dataset's memory; null: not kept */
    _Atomic(int) *state; /* [blocks.count], a pu__block_state; VERIFIED: the block is in `data`, if there is any */
} pu__cache;

/* A plane of a block: rows of `columns` floats, behind planes that take `before` floats per row of the block. */
typedef struct pu__plane {
    int64_t columns, before;
} pu__plane;

typedef struct pu__dataset_asset {
    pu__blocks features, labels;
    pu__cache feature_cache, label_cache;
    int64_t rows;
    int64_t *ts; /* [rows] */
    pu__span span[PU_SEGMENT_COUNT];
} pu__dataset_asset;

/* One connection's way to the rows: its blob and room for a block that is read only to be verified. One thread. */
typedef struct pu__row_reader {
    pu__block_reader blocks;
    float *scratch; /* null until needed */
    size_t scratch_floats;
} pu__row_reader;

struct pu_dataset {
    pu_store *store;
    pu__plan plan;
    int64_t *horizon_bars; /* the plan's, owned here: the configuration may go */
    int64_t warmup_bars, window_bars, stride_bars, evaluation_stride_bars;
    int64_t label_bars; /* latency + longest horizon: how far a label reaches */
    int64_t embargo_bars;
    int64_t from_ts[PU_SEGMENT_COUNT], to_ts[PU_SEGMENT_COUNT];
    char hash[65];
    pu__dataset_asset *asset; /* [plan.asset_count] */
    int64_t cache_bytes_max;
    float *cache_memory;
    pu__row_reader reader;
};

/* Fills segment times, embargo and every asset's spans. */
pu_status pu__segments_compute(const pu_config *config, pu_dataset *dataset);

/* Memory for the blocks of all assets, in their order, as far as cache_bytes_max goes. */
pu_status pu__cache_open(pu_dataset *dataset);
void pu__cache_close(pu_dataset *dataset);

static inline pu__plane pu__feature_plane(const pu_dataset *dataset) {
    return (pu__plane){dataset->plan.features.count, 0};
}
static inline pu__plane pu__target_plane(const pu_dataset *dataset) {
    return (pu__plane){dataset->plan.labels.horizons, 0};
}
static inline pu__plane pu__sigma_plane(const pu_dataset *dataset) {
    return (pu__plane){1, dataset->plan.labels.horizons};
}

/* Rows [first, first + count) of a plane, all of which must exist, into out[count][columns]. Safe in several
 * threads with a reader each. */
pu_status pu__rows_read(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, pu__plane plane,
                        int64_t first, int64_t count, float *out);
void pu__row_reader_close(pu__row_reader *reader);

/* Makes weights of targets: 1 where a target is known, else 0, and the target too is then 0. [count], flat. */
void pu__weigh_known(int64_t count, float *restrict targets, float *restrict weights);

/* ---- sampler ---- */

/* One window: features of rows [start - warmup, start + T), labels of rows [start, start + T), weighted in
 * [weight_from, weight_to). */
typedef struct pu__window {
    int asset;
    int64_t start, weight_from, weight_to;
} pu__window;

/* Training: windows start every stride_bars, the last one ends with the last usable row, and all usable rows in
 * them weigh. Evaluation: every usable row weighs in exactly one window, among its last evaluation_stride_bars
 * rows where history allows. */
typedef struct pu__sampler {
    const pu_dataset *dataset;
    pu_segment segment;
    bool training;
    int64_t windows;
    int64_t *first_window; /* [assets + 1]: running count */
} pu__sampler;

pu_status pu__sampler_open(const pu_dataset *dataset, pu_segment segment, bool training, pu__sampler *out);
void pu__sampler_close(pu__sampler *sampler);
pu__window pu__sampler_window(const pu__sampler *sampler, int64_t index);

#endif
