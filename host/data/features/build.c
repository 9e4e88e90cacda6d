/* Building feature and label blocks.
 *
 * Invariants:
 *  1. An asset's blocks, and the record that says of which bars they were made, are written in one transaction
 *     that also read the bars: after a crash there are the old blocks or the new ones.
 *  2. A block is current while the record's source hash is that of the asset's bars now; any new or changed bar
 *     makes the whole asset anew. */
#include "host/data/features/build.h"

#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>

#include "host/data/features/rolling.h"
#include "host/data/features/stream.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

static void name_blocks(pu__block_kind kind, const char *set_hash, const pu_asset *asset, pu__blocks *out) {
    *out = (pu__blocks){.kind = kind, .asset_id = asset->id};
    snprintf(out->set_hash, sizeof out->set_hash, "%s", set_hash);
    snprintf(out->symbol, sizeof out->symbol, "%s", asset->symbol);
}

pu_status pu__asset_blocks(const pu__plan *plan, int asset, pu__blocks *features, pu__blocks *labels,
                           bool *found) {
    name_blocks(PU__BLOCKS_FEATURE, plan->features.hash, &plan->asset[asset], features);
    name_blocks(PU__BLOCKS_LABEL, plan->labels.hash, &plan->asset[asset], labels);
    char source_hash[65];
    PU_TRY(pu__source_hash(plan->store, &plan->asset[asset], source_hash));
    PU_TRY(pu__blocks_find(plan->store, source_hash, features, found));
    if (!*found) return PU_OK;
    const pu_status status = pu__blocks_find(plan->store, source_hash, labels, found);
    if (status != PU_OK || !*found) pu__blocks_free(features);
    return status;
}

/* ---- one asset ---- */

static pu_status not_finite(const pu__plan *plan, int asset, int column, int64_t ts) {
    char when[32];
    pu_time_format(ts, true, when);
    return pu_fail(
        PU_ERR_DATA,
        "%s at %s: feature %s is not a finite number; `plusultra validate` shows what is wrong with the bars",
        plan->asset[asset].symbol, when, plan->features.feature[column]->name);
}

static pu_status write_rows(const pu__plan *plan, int asset, const pu__columns *bars, const double *values,
                            pu__block_writer *writer) {
    for (int64_t i = 0; i < bars->count; ++i) {
        if (bars->first + i < plan->features.lookback_bars) continue;
        for (int c = 0; c < plan->features.count; ++c) {
            writer->row[c] = (float)values[c * PU__CHUNK_BARS + i];
            if (!isfinite(writer->row[c])) return not_finite(plan, asset, c, bars->ts[i]);
        }
        PU_TRY(pu__block_writer_next(writer));
    }
    return PU_OK;
}

static pu_status stream_features(const pu__plan *plan, int asset, const pu_bars *bars, pu__stream *stream,
                                 double *values, pu__block_writer *writer) {
    pu__columns columns;
    pu__adjust adjust = {0};
    PU_TRY(pu__columns_open(PU__CHUNK_BARS, &columns));
    pu_status status = PU_OK;
    for (int64_t first = 0; first < bars->count && status == PU_OK; first += PU__CHUNK_BARS) {
        const int64_t left = bars->count - first;
        pu__columns_take(&adjust, bars, first, left < PU__CHUNK_BARS ? left : PU__CHUNK_BARS, &columns);
        const pu_feature_chunk chunk = pu__columns_chunk(&columns);
        for (int c = 0; c < plan->features.count; ++c)
            pu__stream_run(stream, c, &chunk, NULL, values + c * PU__CHUNK_BARS);
        status = write_rows(plan, asset, &columns, values, writer);
    }
    pu__columns_close(&columns);
    return status;
}

static pu_status write_features(const pu__plan *plan, int asset, const char *source_hash, const pu_bars *bars,
                                int64_t *blocks_written) {
    pu__blocks blocks;
    name_blocks(PU__BLOCKS_FEATURE, plan->features.hash, &plan->asset[asset], &blocks);
    blocks.first_bar = plan->features.lookback_bars;
    blocks.rows = bars->count > blocks.first_bar ? bars->count - blocks.first_bar : 0;
    blocks.block_rows = plan->block_bars;
    blocks.columns = plan->features.count;
    const int64_t ts[2] = {blocks.rows ? bars->ts[blocks.first_bar] : 0,
                           blocks.rows ? bars->ts[bars->count - 1] : 0};
    pu__block_writer writer;
    PU_TRY(pu__block_writer_open(plan->store, source_hash, plan->features.columns, ts, &blocks, &writer));
    pu__stream *stream = NULL;
    double *values = pu_calloc((size_t)blocks.columns * PU__CHUNK_BARS, sizeof *values);
    pu_status status =
        values ? pu__stream_open(plan->features.count, plan->features.feature, PU__CHUNK_BARS, false, &stream)
               : PU_ERR_MEMORY;
    if (status == PU_OK) status = stream_features(plan, asset, bars, stream, values, &writer);
    pu__stream_close(stream);
    pu_free(values);
    status = pu__block_writer_close(&writer, status);
    *blocks_written += blocks.count;
    return status;
}

static pu_status write_labels(const pu__plan *plan, int asset, const char *source_hash, const pu_bars *bars,
                              int64_t *blocks_written) {
    pu__blocks blocks;
    name_blocks(PU__BLOCKS_LABEL, plan->labels.hash, &plan->asset[asset], &blocks);
    blocks.rows = bars->count;
    blocks.block_rows = plan->block_bars;
    blocks.columns = 1 + plan->labels.horizons;
    const int64_t ts[2] = {bars->ts[0], bars->ts[bars->count - 1]};
    pu__block_writer writer;
    PU_TRY(pu__block_writer_open(plan->store, source_hash, plan->labels.columns, ts, &blocks, &writer));
    pu__volatility volatility = {0};
    pu_status status = PU_OK;
    for (int64_t i = 0; i < bars->count && status == PU_OK; ++i) {
        const double sigma = pu__volatility_push(&volatility, (double)plan->labels.vol_bars, bars->adjusted[i]);
        pu__label_row(&plan->labels, bars, i, sigma, writer.row);
        status = pu__block_writer_next(&writer);
    }
    status = pu__block_writer_close(&writer, status);
    *blocks_written += blocks.count;
    return status;
}

static pu_status write_asset(const pu__plan *plan, int asset, pu_features_result *result) {
    char source_hash[65];
    pu_bars bars = {0};
    PU_TRY(pu__source_hash(plan->store, &plan->asset[asset], source_hash));
    PU_TRY(pu_store_bars(plan->store, plan->asset[asset].id, INT64_MIN, INT64_MAX, &bars));
    pu_status status = bars.count == plan->asset[asset].bars && bars.count > 0
                           ? PU_OK
                           : pu_fail(PU_ERR_STORE, "%s: its bars changed while blocks were built; run again",
                                     plan->asset[asset].symbol);
    if (status == PU_OK) status = write_features(plan, asset, source_hash, &bars, &result->blocks_written);
    if (status == PU_OK) status = write_labels(plan, asset, source_hash, &bars, &result->blocks_written);
    pu_bars_free(&bars);
    return status;
}

/* ---- all of them ---- */

static pu_status verify_blocks(pu__block_reader *reader, const pu__blocks *blocks) {
    float *data = pu_calloc((size_t)(blocks->block_rows * blocks->columns), sizeof *data);
    pu_status status = data ? PU_OK : PU_ERR_MEMORY;
    for (int64_t i = 0; i < blocks->count && status == PU_OK; ++i) {
        status = pu__block_read(reader, blocks, i, 0, pu__block_rows(blocks, i) * blocks->columns, data);
        if (status == PU_OK) status = pu__block_verify(blocks, i, data);
    }
    pu_free(data);
    return status;
}

/* Whether the asset has to be built. Damage to blocks is a reason to, not a failure; damage that SQLite finds is a
 * failure. */
static pu_status asset_is_due(const pu__plan *plan, int asset, bool verify, bool *due,
                              pu_features_result *result) {
    pu__blocks features, labels;
    bool found = false;
    pu_status status = pu__asset_blocks(plan, asset, &features, &labels, &found);
    if (status == PU_OK && found && verify) {
        pu__block_reader reader = {.store = plan->store};
        status = verify_blocks(&reader, &features);
        if (status == PU_OK) status = verify_blocks(&reader, &labels);
        pu__block_reader_rest(&reader);
    }
    if (status == PU_OK && found) result->blocks_current += features.count + labels.count;
    if (found) {
        pu__blocks_free(&features);
        pu__blocks_free(&labels);
    }
    if (status == PU_ERR_CORRUPT) {
        pu_log(PU_LOG_WARNING, "features.damaged", "%s", pu_error_message());
        *due = true;
        return PU_OK;
    }
    *due = !found;
    return status;
}

static pu_status build_asset(const pu__plan *plan, int asset, pu_features_result *result) {
    PU_TRY(pu_store_begin(plan->store));
    pu_status status = write_asset(plan, asset, result);
    if (status == PU_OK) status = pu_store_commit(plan->store);
    if (status != PU_OK) pu_store_rollback(plan->store);
    return status;
}

static pu_status build_plan(const pu__plan *plan, bool verify, pu_features_result *result) {
    int64_t total = 0, done = 0;
    for (int i = 0; i < plan->asset_count; ++i) total += plan->asset[i].bars;
    pu_progress progress;
    pu_progress_begin(&progress, "features", "bars", total);
    pu_status status = PU_OK;
    for (int i = 0; i < plan->asset_count && status == PU_OK; ++i) {
        bool due = false;
        status = pu_interrupted()
                     ? pu_fail(PU_ERR_INTERRUPTED, "stopped; %d of %d assets have their feature blocks", i,
                               plan->asset_count)
                     : asset_is_due(plan, i, verify, &due, result);
        if (status == PU_OK && due) status = build_asset(plan, i, result);
        done += plan->asset[i].bars;
        if (status == PU_OK) pu_progress_update(&progress, done, plan->asset[i].symbol);
        const int64_t rows = plan->asset[i].bars - plan->features.lookback_bars;
        result->rows += rows > 0 ? rows : 0;
    }
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
