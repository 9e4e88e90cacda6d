/* Inside a dataset: assets with their blocks, segments as row ranges, and the cache that the reader threads share.
 *
 * Memory. Nothing is kept per row. Of every block of an asset (features.block_bars rows of features, as many of
 * labels) there are its id and checksum (24 bytes), a byte of state, and for features the time of its first row (8
 * bytes). Besides there is the cache, within windows.cache_mib; of each reader thread, the few blocks it holds and
 * SQLite's pages (READER_CACHE_KIB); and the ring. */
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

/* What is known of a block since the dataset was opened. LABELLED: it is verified and kept, and every target in it
 * is known. */
typedef enum pu__block_state {
    PU__BLOCK_UNREAD = 0,
    PU__BLOCK_LOADING,
    PU__BLOCK_VERIFIED,
    PU__BLOCK_LABELLED
} pu__block_state;

/* Memory for the first blocks of one asset, as far as the budget goes. Nothing is ever evicted: the sampler's order
 * is a random permutation, under which any fixed part of the blocks is hit as often as a replaced one. */
typedef struct pu__cache {
    float *data;  /* one block behind the other, in the dataset's memory */
    int64_t kept; /* blocks that have memory */
    _Atomic(unsigned char)
        *state; /* [blocks.count], a pu__block_state; VERIFIED: of those kept, it is in `data` */
} pu__cache;

/* A plane of a block: rows of `columns` floats, behind planes that take `before` floats per row of the block. */
typedef struct pu__plane {
    int64_t columns, before;
} pu__plane;

typedef struct pu__dataset_asset {
    pu__blocks features, labels;
    pu__cache feature_cache, label_cache;
    char source_hash[2][65]; /* what the stored sets say they were made of, by pu__block_kind */
    int64_t rows;
    int64_t first_ts;  /* of row 0 */
    int64_t *block_ts; /* [features.count]: time of each block's first row */
    pu__span span[PU_SEGMENT_COUNT];
} pu__dataset_asset;

enum { PU__READER_CACHE_KIB = 512, PU__HELD_BLOCKS = 2 };

/* A block that a reader read whole. */
typedef struct pu__held_block {
    const pu__blocks *blocks; /* null: none */
    int64_t index;
    float *data;
    size_t floats; /* room in data */
} pu__held_block;

typedef struct pu__read_counts {
    int64_t rows, rows_in_memory; /* delivered; of these without asking the store */
    int64_t bytes_read;           /* from the store, what was read to be verified included */
} pu__read_counts;

/* One connection's way to the rows. One thread.
 *
 * Between its first read and pu__row_reader_rest it is inside a read transaction, in which it has made sure that the
 * stored blocks are those that the dataset was opened with. */
typedef struct pu__row_reader {
    const pu_dataset *dataset; /* borrowed */
    pu__block_reader blocks;
    sqlite3_stmt *version; /* of the store, as this connection sees it */
    bool inside, looked;
    int64_t seen_version;
    bool in_order;                           /* rows are read in order of time: blocks are read whole */
    pu__held_block held[2][PU__HELD_BLOCKS]; /* by pu__block_kind, then by block index */
    pu__read_counts counts;
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
    size_t cache_bytes; /* of cache_memory */
    pu__row_reader reader;
};

/* Fills segment times, embargo and every asset's spans. */
pu_status pu__segments_compute(const pu_config *config, pu_dataset *dataset);

/* Memory for the blocks as far as cache_bytes_max goes: the labels of all assets, which every window needs and which
 * are small, then features, each in the assets' order. */
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

/* The same, where all of them lie in one block that is kept and verified: where they are. Null otherwise.
 * *labelled: every target among them is known. */
const float *pu__rows_kept(pu__row_reader *reader, const pu__blocks *blocks, const pu__cache *cache,
                           pu__plane plane, int64_t first, int64_t count, bool *labelled);

/* A reader over `store`, whose page cache becomes small: a block is read once and not from there again. */
pu_status pu__row_reader_open(const pu_dataset *dataset, pu_store *store, pu__row_reader *out);
/* Ends the transaction: a writer must not wait for an idle reader. */
void pu__row_reader_rest(pu__row_reader *reader);
void pu__row_reader_close(pu__row_reader *reader); /* accepts a zeroed one; the store stays open */

/* What the stored set of these blocks says it was made of. PU_ERR_STORE when it is gone. */
pu_status pu__blocks_source(pu_store *store, const pu__blocks *blocks, char source_hash[65]);

/* Targets and weights of labels as stored: weight 1 where a target is known, else both are 0. [count], flat;
 * `stored` may be `targets`. */
void pu__weigh_known(int64_t count, const float *stored, float *targets, float *restrict weights);

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
