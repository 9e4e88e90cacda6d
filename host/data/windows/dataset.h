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

/* Blocks in memory, kept once read until the budget is spent. Nothing is ever evicted: the sampler's order is a
 * random permutation, under which any fixed part of the blocks is hit as often as a replaced one. */
typedef struct pu__cache {
    _Atomic(float *) *data;  /* [blocks.count]; null: not held */
    _Atomic(bool) *verified; /* [blocks.count]: the checksum was found right */
} pu__cache;

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
    _Atomic(int64_t) cache_left_bytes;
    pu__row_reader reader;
};

/* Fills segment times, embargo and every asset's spans. */
pu_status pu__segments_compute(const pu_config *config, pu_dataset *dataset);

pu_status pu__cache_open(const pu__blocks *blocks, pu__cache *out);
void pu__cache_close(const pu__blocks *blocks, pu__cache *cache);

/* Rows [first, first + count) of an asset, all of which must exist, into out[count][columns]. Safe in several
 * threads with a reader each. */
pu_status pu__rows_read(pu_dataset *dataset, pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache,
                        int64_t first, int64_t count, float *out);
void pu__row_reader_close(pu__row_reader *reader);

/* Splits label rows [count][1 + H] of rows first ...: a target that is not known becomes 0 with weight 0; weight 1
 * only for rows in [from, to). Any of targets, weights, sigma may be null. */
void pu__labels_split(const float *labels, int horizons, int64_t first, int64_t count, int64_t from, int64_t to,
                      float *targets, float *weights, float *sigma);

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
