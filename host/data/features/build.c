/* Building feature and label blocks.
 *
 * Invariants:
 *  1. An asset's blocks, and the record that says of what they were made, are written in one transaction that also
 *     read the bars: after a crash there are the old blocks or the new ones.
 *  2. A block is current while the record's source hash is that of the asset's bars, and of all else its features
 *     look at, now; any new or changed bar makes the whole asset anew.
 *  3. One connection reads and writes, from one thread at a time; the other threads compute. */
#include "host/data/features/build.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/sink.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

pu_status pu__asset_blocks(const pu__plan *plan, int asset, pu__blocks *features, pu__blocks *labels,
                           bool *found) {
    char source_hash[65];
    pu__blocks_name(plan, asset, PU__BLOCKS_FEATURE, features);
    pu__blocks_name(plan, asset, PU__BLOCKS_LABEL, labels);
    PU_TRY(pu__source_hash(plan, asset, true, source_hash));
    PU_TRY(pu__blocks_find(plan->store, source_hash, features, found));
    if (!*found) return PU_OK;
    pu_status status = pu__source_hash(plan, asset, false, source_hash);
    if (status == PU_OK) status = pu__blocks_find(plan->store, source_hash, labels, found);
    if (status != PU_OK || !*found) pu__blocks_free(features);
    return status;
}

/* ---- what has to be built ---- */

static pu_status verify_blocks(const pu__plan *plan, const pu__blocks *blocks) {
    pu__block_reader reader = {.store = plan->store};
    float *data = pu_calloc((size_t)(blocks->block_rows * blocks->columns), sizeof *data);
    pu_status status = data ? PU_OK : PU_ERR_MEMORY;
    for (int64_t i = 0; i < blocks->count && status == PU_OK; ++i) {
        status = pu__block_read(&reader, blocks, i, 0, pu__block_rows(blocks, i) * blocks->columns, data);
        if (status == PU_OK) status = pu__block_verify(blocks, i, data);
    }
    pu__block_reader_rest(&reader);
    pu_free(data);
    return status;
}

/* Whether the blocks of one kind have to be built. Damage to blocks is a reason to, not a failure; damage that SQLite
 * finds is a failure. */
static pu_status kind_is_due(const pu__plan *plan, pu__blocks *blocks, const char *source_hash, bool verify,
                             bool *due, pu_features_result *result) {
    bool found = false;
    pu_status status = pu__blocks_find(plan->store, source_hash, blocks, &found);
    if (status == PU_OK && found && verify) status = verify_blocks(plan, blocks);
    *due = status != PU_OK || !found;
    if (!*due) result->blocks_current += blocks->count;
    if (found) pu__blocks_free(blocks);
    if (status != PU_ERR_CORRUPT) return status;
    pu_log(PU_LOG_WARNING, "features.damaged", "%s", pu_error_message());
    return PU_OK;
}

static pu_status find_due(const pu__plan *plan, int asset, bool verify, pu__due *due, pu_features_result *result) {
    pu__blocks blocks;
    PU_TRY(pu__source_hash(plan, asset, true, due->feature_source));
    PU_TRY(pu__source_hash(plan, asset, false, due->label_source));
    pu__blocks_name(plan, asset, PU__BLOCKS_FEATURE, &blocks);
    PU_TRY(kind_is_due(plan, &blocks, due->feature_source, verify, &due->features, result));
    if (!due->features) result->rows += blocks.rows;
    pu__blocks_name(plan, asset, PU__BLOCKS_LABEL, &blocks);
    return kind_is_due(plan, &blocks, due->label_source, verify, &due->labels, result);
}

/* ---- building ---- */

typedef struct build {
    const pu__plan *plan;
    pu__due *due;     /* [assets] */
    pu_pool *pool;    /* null until something is due */
    pu__panel *panel; /* null where there is none */
    pu_progress *progress;
    int64_t done_bars; /* of the assets before */
    pu__sink sink;
} build;

static pu_status changed(const pu__plan *plan, int asset) {
    return pu_fail(PU_ERR_STORE, "%s: its bars changed while blocks were built; run again",
                   plan->asset[asset].symbol);
}

/* What was read before the transaction, to say what is due and for the panel, has to be what is there now. */
static pu_status check_source(const pu__plan *plan, int asset, const pu__due *due) {
    char now[65];
    PU_TRY(pu__source_hash(plan, asset, true, now));
    return strcmp(now, due->feature_source) == 0 ? PU_OK : changed(plan, asset);
}

static pu_status take(void *context, const pu__pass_chunk *chunk) {
    build *b = context;
    PU_TRY(pu__sink_take(&b->sink, chunk));
    const int64_t bars = chunk->slice->columns.first + chunk->slice->columns.count;
    pu_progress_update(b->progress, b->done_bars + bars, b->plan->asset[b->sink.asset].symbol);
    return PU_OK;
}

static pu_status write_asset(build *b, int asset, pu_features_result *result) {
    const pu__pass_options options = {
        .until_ts = INT64_MAX, .chunk_bars = PU__CHUNK_BARS, .panel = b->panel, .pool = b->pool};
    int64_t bars = 0;
    PU_TRY(check_source(b->plan, asset, &b->due[asset]));
    PU_TRY(pu__sink_open(b->plan, asset, &b->due[asset], &b->sink));
    pu_status status = pu__pass_run(b->plan, b->plan->store, asset, &options, take, b, &bars);
    if (status == PU_OK && bars != b->plan->asset[asset].bars) status = changed(b->plan, asset);
    status = pu__sink_close(&b->sink, status);
    result->blocks_written += b->sink.feature_blocks.count + b->sink.label_blocks.count;
    result->rows += b->sink.feature_blocks.rows;
    return status;
}

static pu_status build_asset(build *b, int asset, pu_features_result *result) {
    pu_store *store = b->plan->store;
    PU_TRY(pu_store_begin(store));
    pu_status status = write_asset(b, asset, result);
    if (status == PU_OK) status = pu_store_commit(store);
    if (status != PU_OK) pu_store_rollback(store);
    return status;
}

/* The threads, and what all assets have to be read for, once there is something to build. */
static pu_status prepare(build *b) {
    if (!b->pool) PU_TRY(pu_pool_new(b->plan->threads, &b->pool));
    const pu__panel_options options = {.until_ts = INT64_MAX, .chunk_bars = PU__CHUNK_BARS, .pool = b->pool};
    return !b->plan->features.is_panel || b->panel ? PU_OK
                                                   : pu__panel_build(b->plan, b->plan->store, &options, &b->panel);
}

static pu_status build_all(build *b, pu_features_result *result) {
    pu_status status = PU_OK;
    for (int i = 0; i < b->plan->asset_count && status == PU_OK; ++i) {
        const bool due = b->due[i].features || b->due[i].labels;
        if (due) status = prepare(b);
        if (status == PU_OK && due) status = build_asset(b, i, result);
        b->done_bars += b->plan->asset[i].bars;
        if (status == PU_OK) pu_progress_update(b->progress, b->done_bars, b->plan->asset[i].symbol);
        if (status == PU_ERR_INTERRUPTED)
            status = pu_fail(PU_ERR_INTERRUPTED, "stopped; %d of %d assets have their feature blocks", i,
                             b->plan->asset_count);
    }
    return status;
}

static pu_status build_plan(const pu__plan *plan, bool verify, pu_features_result *result) {
    pu_progress progress;
    int64_t total = 0;
    for (int i = 0; i < plan->asset_count; ++i) total += plan->asset[i].bars;
    pu_progress_begin(&progress, "features", "bars", total);
    build b = {.plan = plan, .progress = &progress};
    b.due = pu_calloc((size_t)plan->asset_count, sizeof *b.due);
    pu_status status = b.due ? PU_OK : PU_ERR_MEMORY;
    for (int i = 0; i < plan->asset_count && status == PU_OK; ++i)
        status = find_due(plan, i, verify, &b.due[i], result);
    if (status == PU_OK) status = build_all(&b, result);
    pu__panel_close(b.panel);
    pu_pool_free(b.pool);
    pu_free(b.due);
    pu_progress_end(&progress, NULL);
    result->assets = plan->asset_count;
    return status;
}

pu_status pu__build(const pu_config *config, bool verify, pu_features_result *out) {
    *out = (pu_features_result){0};
    const double started_s = pu_clock_s();
    if (sodium_init() < 0) return pu_fail(PU_ERR_UNSUPPORTED, "libsodium cannot be started");
    pu_store *store = NULL;
    pu__plan plan;
    PU_TRY(pu_store_open(config->data.store, PU_STORE_WRITE, &store));
    pu_status status = pu__plan_open(config, store, &plan);
    if (status == PU_OK) {
        if (verify) pu__plan_announce(&plan);
        status = build_plan(&plan, verify, out);
        pu__plan_close(&plan);
    }
    pu_store_close(store);
    out->seconds = pu_clock_s() - started_s;
    return status;
}

pu_status pu_features_build(const pu_config *config, pu_features_result *out) {
    return pu__build(config, true, out);
}
