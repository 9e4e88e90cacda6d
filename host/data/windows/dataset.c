#include "host/data/windows/dataset.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { SPLIT_ROWS = 1024, MIB_BYTES = 1 << 20 };

/* The time of the asset's first row, and room for those of its blocks. */
static pu_status find_first(pu_dataset *dataset, int index) {
    pu__dataset_asset *asset = &dataset->asset[index];
    asset->rows = asset->features.rows;
    asset->block_ts = pu_calloc((size_t)asset->features.count, sizeof *asset->block_ts);
    if (!asset->block_ts) return PU_ERR_MEMORY;
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(dataset->store,
                           "SELECT ts FROM series WHERE asset_id = ?1 ORDER BY ts LIMIT 1 OFFSET ?2", &query));
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, dataset->plan.asset[index].id) == SQLITE_OK &&
                               sqlite3_bind_int64(query, 2, asset->features.first_bar) == SQLITE_OK
                           ? pu__sql_step(dataset->store, query, &row, "read times from")
                           : pu__store_failure(dataset->store, "read times from");
    if (status == PU_OK && row) asset->first_ts = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    if (status == PU_OK) status = pu__blocks_source(dataset->store, &asset->features, asset->source_hash[0]);
    return status == PU_OK ? pu__blocks_source(dataset->store, &asset->labels, asset->source_hash[1]) : status;
}

static pu_status load_asset(pu_dataset *dataset, int index, bool *found) {
    pu__dataset_asset *asset = &dataset->asset[index];
    PU_TRY(pu__asset_blocks(&dataset->plan, index, &asset->features, &asset->labels, found));
    if (!*found) return PU_OK;
    return find_first(dataset, index);
}

static int64_t needed_bars(const pu_dataset *dataset, int index) {
    return dataset->asset[index].features.first_bar + dataset->warmup_bars + dataset->window_bars;
}

static void describe_short(const pu_dataset *dataset, int index, size_t size, char *text) {
    snprintf(text, size,
             "%s has %" PRId64 " bars, one window needs %" PRId64 " (first row at bar %" PRId64
             " + windows.warmup_bars %" PRId64 " + windows.window_bars %" PRId64 ")",
             dataset->plan.asset[index].symbol, dataset->plan.asset[index].bars, needed_bars(dataset, index),
             dataset->asset[index].features.first_bar, dataset->warmup_bars, dataset->window_bars);
}

static void release_asset(pu__dataset_asset *asset) {
    pu__blocks_free(&asset->features);
    pu__blocks_free(&asset->labels);
    pu_free(asset->block_ts);
    *asset = (pu__dataset_asset){0};
}

/* An asset without one window is an error if it was named, else it is left out. It still counts among the assets
 * that cross-sectional features compare. */
static pu_status leave_short_out(const pu_config *config, pu_dataset *dataset) {
    enum { TEXT_BYTES = 512 };
    char text[TEXT_BYTES] = "";
    int kept = 0;
    for (int i = 0; i < dataset->plan.asset_count; ++i) {
        if (dataset->plan.asset[i].bars >= needed_bars(dataset, i)) {
            dataset->plan.asset[kept] = dataset->plan.asset[i];
            dataset->asset[kept] = dataset->asset[i];
            if (kept++ != i) dataset->asset[i] = (pu__dataset_asset){0};
            continue;
        }
        describe_short(dataset, i, sizeof text, text);
        if (config->data.symbols.count > 0)
            return pu_fail(PU_ERR_DATA, "%s: import more, shorten the window, or leave it out of data.symbols",
                           text);
        pu_log(PU_LOG_WARNING, "windows.short_asset", "%s: left out", text);
        release_asset(&dataset->asset[i]);
    }
    if (kept == 0) return pu_fail(PU_ERR_DATA, "no asset is long enough, the last: %s", text);
    dataset->plan.asset_count = kept;
    return PU_OK;
}

static pu_status own_horizons(pu_dataset *dataset) {
    pu__label_set *labels = &dataset->plan.labels;
    dataset->horizon_bars = pu_calloc((size_t)labels->horizons, sizeof *dataset->horizon_bars);
    if (!dataset->horizon_bars) return PU_ERR_MEMORY;
    int64_t longest = 0;
    for (int h = 0; h < labels->horizons; ++h) {
        dataset->horizon_bars[h] = labels->horizon_bars[h];
        if (labels->horizon_bars[h] > longest) longest = labels->horizon_bars[h];
    }
    labels->horizon_bars = dataset->horizon_bars;
    dataset->label_bars = labels->latency_bars + longest;
    return PU_OK;
}

/* Bars of the assets; and where features look at more than those, what that was. */
static pu_status hash_data(pu_dataset *dataset) {
    const pu__plan *plan = &dataset->plan;
    PU_TRY(pu_store_data_hash(dataset->store, plan->asset_count, plan->asset, dataset->hash));
    if (plan->features.inputs.count == 0 && !plan->features.is_panel) return PU_OK;
    pu__buffer text = {0};
    pu__buffer_printf(&text, "%s", dataset->hash);
    for (int i = 0; i < plan->asset_count; ++i)
        pu__buffer_printf(&text, " %s", dataset->asset[i].source_hash[PU__BLOCKS_FEATURE]);
    char *whole = pu__buffer_take(&text);
    if (!whole) return PU_ERR_MEMORY;
    pu__digest(whole, strlen(whole), dataset->hash);
    pu_free(whole);
    return PU_OK;
}

/* Everything is read in one transaction, so that blocks, bars and hash are of one moment. */
static pu_status load(const pu_config *config, pu_dataset *dataset, bool *found) {
    PU_TRY(pu__plan_open(config, dataset->store, &dataset->plan));
    PU_TRY(own_horizons(dataset));
    dataset->asset = pu_calloc((size_t)dataset->plan.asset_count, sizeof *dataset->asset);
    if (!dataset->asset) return PU_ERR_MEMORY;
    *found = true;
    for (int i = 0; i < dataset->plan.asset_count && *found; ++i) PU_TRY(load_asset(dataset, i, found));
    if (!*found) return PU_OK;
    PU_TRY(leave_short_out(config, dataset));
    PU_TRY(pu__cache_open(dataset));
    PU_TRY(hash_data(dataset));
    return pu__segments_compute(config, dataset);
}

static pu_status open_once(const pu_config *config, pu_dataset **out, bool *found) {
    pu_dataset *dataset = pu_calloc(1, sizeof *dataset);
    if (!dataset) return PU_ERR_MEMORY;
    dataset->warmup_bars = config->windows.warmup_bars;
    dataset->window_bars = config->windows.window_bars;
    dataset->stride_bars = config->windows.stride_bars;
    const int64_t asked = config->predict.stride_bars ? config->predict.stride_bars : dataset->window_bars / 2;
    dataset->evaluation_stride_bars = asked < dataset->window_bars ? asked : dataset->window_bars;
    dataset->cache_bytes_max = config->windows.cache_mib * MIB_BYTES;
    pu_status status = pu_store_open(config->data.store, PU_STORE_READ, &dataset->store);
    if (status == PU_OK) status = pu__sql_exec(dataset->store, "BEGIN", "read");
    if (status == PU_OK) status = load(config, dataset, found);
    if (dataset->store) pu_store_rollback(dataset->store);
    if (status == PU_OK && *found) status = pu__row_reader_open(dataset, dataset->store, &dataset->reader);
    dataset->reader.in_order = true;
    if (status != PU_OK || !*found) {
        pu_dataset_close(dataset);
        return status;
    }
    pu__plan_announce(&dataset->plan);
    *out = dataset;
    return PU_OK;
}

pu_status pu_dataset_open(const pu_config *config, pu_dataset **out) {
    *out = NULL;
    if (sodium_init() < 0) return pu_fail(PU_ERR_UNSUPPORTED, "libsodium cannot be started");
    bool found = false;
    PU_TRY(open_once(config, out, &found));
    if (found) return PU_OK;
    pu_features_result built;
    PU_TRY(pu__build(config, false, &built));
    PU_TRY(open_once(config, out, &found));
    return found ? PU_OK
                 : pu_fail(PU_ERR_STORE, "%s was changed while it was opened; run again", config->data.store);
}

void pu_dataset_close(pu_dataset *dataset) {
    if (!dataset) return;
    pu__cache_close(dataset);
    for (int i = 0; dataset->asset && i < dataset->plan.asset_count; ++i) release_asset(&dataset->asset[i]);
    pu__row_reader_close(&dataset->reader);
    pu_free(dataset->asset);
    pu_free(dataset->horizon_bars);
    pu__plan_close(&dataset->plan);
    pu_store_close(dataset->store);
    pu_free(dataset);
}

int pu_dataset_assets(const pu_dataset *dataset) { return dataset->plan.asset_count; }
const pu_asset *pu_dataset_asset(const pu_dataset *dataset, int index) { return &dataset->plan.asset[index]; }
int pu_dataset_features(const pu_dataset *dataset) { return dataset->plan.features.count; }
const char *pu_dataset_feature_name(const pu_dataset *dataset, int column) {
    return dataset->plan.features.feature[column]->name;
}
const char *pu_dataset_omitted(const pu_dataset *dataset) {
    return dataset->plan.omitted ? dataset->plan.omitted : "";
}
const char *pu_dataset_hash(const pu_dataset *dataset) { return dataset->hash; }
const char *pu_dataset_feature_hash(const pu_dataset *dataset) { return dataset->plan.features.hash; }
int64_t pu_dataset_rows(const pu_dataset *dataset, int asset) { return dataset->asset[asset].rows; }
int64_t pu_dataset_embargo_bars(const pu_dataset *dataset) { return dataset->embargo_bars; }
int64_t pu_dataset_cache_bytes(const pu_dataset *dataset) { return (int64_t)dataset->cache_bytes; }

void pu_dataset_segment(const pu_dataset *dataset, pu_segment segment, int64_t *from_ts, int64_t *to_ts) {
    *from_ts = dataset->from_ts[segment];
    *to_ts = dataset->to_ts[segment];
}

/* ---- rows ---- */

typedef struct row_output {
    float *targets, *weights, *sigma;
} row_output;

/* Takes the weight from rows that no segment can use. */
static void weigh_segments(const pu__dataset_asset *asset, int64_t first, int64_t count, int horizons,
                           float *weights) {
    for (int64_t i = 0; i < count; ++i) {
        bool usable = false;
        for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
            usable = usable || (first + i >= asset->span[s].first && first + i < asset->span[s].usable);
        }
        if (!usable) memset(weights + i * horizons, 0, (size_t)horizons * sizeof *weights);
    }
}

static pu_status read_targets(pu_dataset *dataset, int index, int64_t first, int64_t count, row_output out) {
    pu__dataset_asset *asset = &dataset->asset[index];
    const int horizons = dataset->plan.labels.horizons;
    float *targets = pu_calloc(2 * SPLIT_ROWS * (size_t)horizons, sizeof *targets);
    float *weights = targets ? targets + SPLIT_ROWS * horizons : NULL;
    pu_status status = targets ? PU_OK : PU_ERR_MEMORY;
    for (int64_t done = 0; done < count && status == PU_OK; done += SPLIT_ROWS) {
        const int64_t rows = count - done < SPLIT_ROWS ? count - done : SPLIT_ROWS, row = first + done;
        const size_t bytes = (size_t)(rows * horizons) * sizeof *targets;
        status = pu__rows_read(&dataset->reader, &asset->labels, &asset->label_cache, pu__target_plane(dataset),
                               asset->features.first_bar + row, rows, targets);
        if (status != PU_OK) break;
        pu__weigh_known(rows * horizons, targets, targets, weights);
        weigh_segments(asset, row, rows, horizons, weights);
        if (out.targets) memcpy(out.targets + done * horizons, targets, bytes);
        if (out.weights) memcpy(out.weights + done * horizons, weights, bytes);
    }
    pu_free(targets);
    return status;
}

static pu_status read_inside(pu_dataset *dataset, int index, int64_t first, int64_t count, float *features,
                             row_output out) {
    pu__dataset_asset *asset = &dataset->asset[index];
    pu__row_reader *reader = &dataset->reader;
    if (features) {
        PU_TRY(pu__rows_read(reader, &asset->features, &asset->feature_cache, pu__feature_plane(dataset), first,
                             count, features));
    }
    if (out.sigma) {
        PU_TRY(pu__rows_read(reader, &asset->labels, &asset->label_cache, pu__sigma_plane(dataset),
                             asset->features.first_bar + first, count, out.sigma));
    }
    return out.targets || out.weights ? read_targets(dataset, index, first, count, out) : PU_OK;
}

static void zero_rows(float *at, int64_t first, int64_t count, int64_t columns) {
    if (at && count > 0) memset(at + first * columns, 0, (size_t)(count * columns) * sizeof *at);
}

static float *advance(float *at, int64_t floats) { return at ? at + floats : NULL; }

pu_status pu_dataset_read(pu_dataset *dataset, int asset, int64_t first, int64_t count, float *features,
                          float *targets, float *weights, float *sigma) {
    if (asset < 0 || asset >= dataset->plan.asset_count || count < 0) {
        return pu_fail(PU_ERR_ARGUMENT, "there is no asset %d, or %" PRId64 " rows cannot be read", asset, count);
    }
    pu__dataset_asset *source = &dataset->asset[asset];
    const int64_t columns = dataset->plan.features.count, horizons = dataset->plan.labels.horizons;
    const int64_t from = first > 0 ? first : 0, end = first + count < source->rows ? first + count : source->rows;
    const int64_t before = end > from ? from - first : count, inside = end > from ? end - from : 0,
                  after = count - before - inside;
    const struct {
        float *at;
        int64_t columns;
    } outputs[] = {{features, columns}, {targets, horizons}, {weights, horizons}, {sigma, 1}};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) {
        zero_rows(outputs[i].at, 0, before, outputs[i].columns);
        zero_rows(outputs[i].at, before + inside, after, outputs[i].columns);
    }
    if (inside == 0) return PU_OK;
    const row_output out = {advance(targets, before * horizons), advance(weights, before * horizons),
                            advance(sigma, before)};
    const pu_status status = read_inside(dataset, asset, from, inside, advance(features, before * columns), out);
    pu__row_reader_rest(&dataset->reader);
    return status;
}
