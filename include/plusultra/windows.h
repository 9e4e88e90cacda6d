/* From feature blocks to batches: dataset, chronological segments, sampler, reader threads, pinned ring.
 *
 * The way of a window: blocks in the store -> sqlite3_blob_read by a reader thread with its own read-only
 * connection -> a slot of the ring (pinned memory) -> copy stream -> device. A block is verified by its checksum
 * when it is first read; blocks already read stay in memory up to windows.cache_mib, later windows are copied from
 * there.
 *
 * Segments. Nominal ends are the configured dates, or ratios of the calendar (the union of all assets' decision
 * times). A row is a decision at the close of its bar; with L = backtest.latency_bars and h_max the longest
 * horizon:
 *  - purge: a row weighs only if its whole label window, the asset's next L + h_max bars, closes before its
 *    segment's end;
 *  - embargo: the first embargo_bars after the previous segment's end belong to no segment, counted in the
 *    calendar and in the asset's own bars. split.embargo_bars = -1 derives L + h_max + the longest lookback of
 *    the feature set: no feature of a row that weighs then looks back to a bar that a label of the segment before
 *    was measured on (exponential averages do, with weights that fade; like the window's earlier rows they are the
 *    row's past). The window's earlier rows are inputs and not judged; they may lie in the segment before (its
 *    past, never its labels). 0 has to be asked for.
 *
 * Labels (targets, sigma) are defined in host/data/features/sets.h: target = log(a[t+L+h] / a[t+L]) /
 * (sigma_t sqrt(h)), a the adjusted close. */
#ifndef PLUSULTRA_WINDOWS_H
#define PLUSULTRA_WINDOWS_H

#include "plusultra/config.h"
#include "plusultra/device.h"
#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a feature set is, and what was built: the columns of every block. */
typedef struct pu_dataset pu_dataset;

typedef enum pu_segment { PU_SEGMENT_TRAIN = 0, PU_SEGMENT_VALID, PU_SEGMENT_TEST, PU_SEGMENT_COUNT } pu_segment;

/* Opens the blocks for the configuration's assets, features and labels, building those that are missing or out of
 * date (see features.h). Computes the segments with purge and embargo. PU_ERR_DATA names the asset and says how
 * many bars are needed when history is too short or an asset has none. The caller closes. */
pu_status pu_dataset_open(const pu_config *config, pu_dataset **out);
void pu_dataset_close(pu_dataset *dataset); /* accepts null */

int pu_dataset_assets(const pu_dataset *dataset);
const pu_asset *pu_dataset_asset(const pu_dataset *dataset, int index);
int pu_dataset_features(const pu_dataset *dataset); /* F */
const char *pu_dataset_feature_name(const pu_dataset *dataset, int column);
/* Features that were asked for and left out, with what they lack; "" if none. */
const char *pu_dataset_omitted(const pu_dataset *dataset);
/* SHA-256 hex of the bars used, and of what else the features look at. */
const char *pu_dataset_hash(const pu_dataset *dataset);
const char *
pu_dataset_feature_hash(const pu_dataset *dataset); /* identity of the feature set: names, versions, parameters */

/* Rows: one per bar of an asset from its first bar with every feature present; a row's decision time is the close
 * of its bar. */
int64_t pu_dataset_rows(const pu_dataset *dataset, int asset);

/* Decision times of rows [first, first + count), all of which must exist, read from the store: the dataset keeps
 * none. PU_ERR_STORE when the asset's bars were changed since the dataset was opened. */
pu_status pu_dataset_times(pu_dataset *dataset, int asset, int64_t first, int64_t count, int64_t *ts);

/* Number of rows decided before `ts`, which is the index of the first one at or after it. */
pu_status pu_dataset_rows_before(pu_dataset *dataset, int asset, int64_t ts, int64_t *rows);

/* Segment of the decision times [from, to) after purge and embargo; and the embargo in bars. */
void pu_dataset_segment(const pu_dataset *dataset, pu_segment segment, int64_t *from_ts, int64_t *to_ts);
int64_t pu_dataset_embargo_bars(const pu_dataset *dataset);

/* Reads rows [first, first + count) of one asset from the store: features [count][F], targets [count][H], weights
 * [count][H] (0 where the label is not known or crosses the end of the row's segment, and in rows of no segment;
 * targets that are not known are 0), sigma [count]. Any output may be null. Rows before 0 or past the end are zero
 * with weight 0. Not thread-safe per dataset. */
pu_status pu_dataset_read(pu_dataset *dataset, int asset, int64_t first, int64_t count, float *features,
                          float *targets, float *weights, float *sigma);

/* ---- batches ---- */

/* One batch of B windows, laid out for WINDOW_NORM: bars[(B * (warmup + T)) * F], start[b] = b * (warmup + T);
 * targets and weights [B * T * H]: weight 0 for bars outside the segment. Windows of a short last batch are
 * repeated with weight 0. The arrays lie in one block that begins with bars, is as long in every batch (the ring's
 * bytes over its slots), and has each array at the same 256-byte aligned place: one copy takes all to a device. */
typedef struct pu_batch {
    const float *bars;
    const int32_t *start;
    const float *targets;
    const float *weights;
    int64_t windows;  /* distinct ones */
    int64_t position; /* of the first window in the sampler's order, counted from the start of the run */
    int slot;         /* internal */
} pu_batch;

typedef struct pu_loader pu_loader;

/* Windows of `segment`, train.batch at a time. shuffle: training windows, one start every windows.stride_bars, all
 * usable rows of a window weigh; epoch e visits them in the order of a permutation seeded by (seed, e), for ever.
 * Otherwise evaluation, once, in order of asset and time: every usable row weighs in exactly one window, among its
 * last predict.stride_bars rows (0: half the window), with the context that prediction gives it. `first_position`:
 * where to resume. Ring memory comes from pu_device_alloc_host; `device` may be null: plain memory. The dataset
 * outlives the loader. PU_ERR_DATA when no window has a label inside the segment. */
pu_status pu_loader_open(pu_dataset *dataset, const pu_config *config, pu_segment segment, pu_device *device,
                         bool shuffle, uint64_t seed, int64_t first_position, pu_loader **out);
void pu_loader_close(pu_loader *loader);            /* accepts null; stops and joins the readers */
int64_t pu_loader_windows(const pu_loader *loader); /* in one epoch */

/* Next batch, in the sampler's order whatever the number of readers; waits for the readers if need be. `windows`
 * is 0 at the end of an unshuffled pass. The batch stays valid until pu_loader_release; at most windows.ring_slots
 * can be held (PU_ERR_ARGUMENT beyond). Errors of a reader thread surface here, after the batches before them. One
 * consumer thread. */
pu_status pu_loader_next(pu_loader *loader, pu_batch *batch);
/* The same without waiting: *ready is false where the next batch is not there yet, and where all slots are held. */
pu_status pu_loader_try(pu_loader *loader, pu_batch *batch, bool *ready);
void pu_loader_release(pu_loader *loader, const pu_batch *batch);

/* Since the loader was opened. A wait is the time that one pu_loader_next stood still; the quantiles are at most 9 %
 * too high. */
typedef struct pu_loader_metrics {
    int64_t windows, batches; /* taken */
    double waited_s;          /* by the consumer, in all */
    double waited_p50_s, waited_p99_s, waited_max_s;
    double reading_s;       /* the readers' time in filling batches, summed */
    double blocked_s;       /* the readers' time in waiting for a free slot, summed: back-pressure */
    int64_t bytes_read;     /* from the store */
    double in_memory_ratio; /* share of the rows that came from blocks in memory */
    double ready_mean;      /* batches that stood ready when one was asked for, of ring_slots */
} pu_loader_metrics;
pu_loader_metrics pu_loader_measure(const pu_loader *loader);

/* Bytes that a loader of this configuration takes for its ring, and for its readers: stacks, SQLite's pages, the
 * blocks they hold; and those of the blocks that its dataset may keep. */
int64_t pu_loader_ring_bytes(const pu_dataset *dataset, const pu_config *config);
int64_t pu_loader_reader_bytes(const pu_dataset *dataset, const pu_config *config);
int64_t pu_dataset_cache_bytes(const pu_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
