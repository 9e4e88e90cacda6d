#include "host/data/features/sink.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "host/data/features/plugin.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

void pu__blocks_name(const pu__plan *plan, int asset, pu__block_kind kind, pu__blocks *out) {
    const bool is_feature = kind == PU__BLOCKS_FEATURE;
    *out = (pu__blocks){.kind = kind,
                        .asset_id = plan->asset[asset].id,
                        .block_rows = plan->block_bars,
                        .columns = is_feature ? plan->features.count : 1 + plan->labels.horizons};
    snprintf(out->set_hash, sizeof out->set_hash, "%s", is_feature ? plan->features.hash : plan->labels.hash);
    snprintf(out->symbol, sizeof out->symbol, "%s", plan->asset[asset].symbol);
}

/* ---- values that are not finite ---- */

/* The first input of a feature that is missing at bar `at` of a chunk; null when all are there. */
static const char *missing_input(const pu__sink *sink, const pu__slice *slice, int feature, int64_t at) {
    const int *place = sink->plan->features.inputs.place + (size_t)feature * PU_FEATURE_INPUTS_MAX;
    const pu_feature *descriptor = sink->plan->features.feature[feature];
    for (int k = 0; k < descriptor->input_count; ++k) {
        if (isnan(pu__slice_input(slice, place[k])[at].value)) return descriptor->inputs[k];
    }
    return NULL;
}

static pu_status not_finite(const pu__sink *sink, const pu__slice *slice, int feature, int64_t at, double value) {
    const pu_feature *descriptor = sink->plan->features.feature[feature];
    const char *symbol = sink->plan->asset[sink->asset].symbol;
    const char *input = missing_input(sink, slice, feature, at);
    char when[32];
    pu_time_format(slice->columns.ts[at], true, when);
    if (input) {
        return pu_fail(
            PU_ERR_DATA,
            "%s at %s: the feature %s has no value any more, its input %s is missing or out of date there: "
            "import newer values, raise the limit of the series, or leave the feature out",
            symbol, when, descriptor->name, input);
    }
    if (isfinite(value)) {
        return pu_fail(
            PU_ERR_DATA,
            "%s at %s: the value of the feature %s, %.3g, is beyond single precision: leave the feature out, "
            "or store the prices or volumes in a larger unit",
            symbol, when, descriptor->name, value);
    }
    const char *plugin = pu__feature_origin_path(descriptor);
    if (plugin) {
        return pu_fail(
            PU_ERR_DATA,
            "%s at %s: the feature %s of plug-in %s is not a finite number: it has to have a value at every bar "
            "from its lookback_bars, %d, on, where its inputs have one",
            symbol, when, descriptor->name, plugin, descriptor->lookback_bars);
    }
    return pu_fail(
        PU_ERR_DATA,
        "%s at %s: feature %s is not a finite number; `plusultra validate` shows what is wrong with the "
        "bars%s",
        symbol, when, descriptor->name, descriptor->input_count ? " and its inputs" : "");
}

/* A value may be missing before the first row, for want of an input. */
static bool may_wait(const pu__sink *sink, int feature, float value) {
    const pu_feature *descriptor = sink->plan->features.feature[feature];
    return isnan(value) && !sink->started && (descriptor->input_count > 0 || descriptor->cross != PU_CROSS_NONE);
}

static const char *input_names(const pu_feature *feature) {
    return feature->input_count > 0 ? feature->inputs[0] : "the cross-section";
}

static pu_status never_began(const pu__sink *sink) {
    const pu_feature *feature = sink->plan->features.feature[sink->late];
    if (sink->begun[sink->late]) {
        return pu_fail(
            PU_ERR_DATA,
            "%s: at none of its bars do all features have a value: where the others have theirs, the input "
            "(%s%s) of %s is not known yet or out of date: import what is missing, raise the limit of the "
            "series, or leave the feature or the asset out",
            sink->plan->asset[sink->asset].symbol, input_names(feature), feature->input_count > 1 ? ", ..." : "",
            feature->name);
    }
    return pu_fail(PU_ERR_DATA,
                   "%s: the feature %s has no value at any of its bars, its input (%s%s) is never known: import "
                   "earlier values, or leave the feature or the asset out",
                   sink->plan->asset[sink->asset].symbol, feature->name, input_names(feature),
                   feature->input_count > 1 ? ", ..." : "");
}

static void announce_cost(const pu__sink *sink) {
    const pu_feature *feature = sink->plan->features.feature[sink->late];
    const char *symbol = sink->plan->asset[sink->asset].symbol;
    const int64_t cost = sink->feature_blocks.first_bar - sink->plan->features.lookback_bars;
    char bars[32];
    snprintf(bars, sizeof bars, "%" PRId64, cost);
    const pu_log_field fields[] = {
        {"asset", symbol}, {"feature", feature->name}, {"input", input_names(feature)}, {"bars", bars}};
    pu_log_fields(PU_LOG_INFO, "features.input_cost", 4, fields, "%s: %s bars lost until %s of %s is known",
                  symbol, bars, input_names(feature), feature->name);
}

/* ---- rows ---- */

/* Whether the row at writer->row is complete; it is not while an input has not begun. */
static pu_status check_row(pu__sink *sink, const pu__pass_chunk *chunk, int64_t at, bool *complete) {
    const float *row = sink->features.row;
    *complete = true;
    for (int c = 0; c < sink->plan->features.count; ++c) {
        if (isfinite(row[c])) {
            sink->begun[c] = true;
        } else if (may_wait(sink, c, row[c])) {
            *complete = false;
            sink->late = c;
        } else {
            return not_finite(sink, chunk->slice, c, at, chunk->value[c][at]);
        }
    }
    return PU_OK;
}

static pu_status take_features(pu__sink *sink, const pu__pass_chunk *chunk) {
    const pu__columns *bars = &chunk->slice->columns;
    const int columns = sink->plan->features.count;
    for (int64_t i = 0; i < bars->count; ++i) {
        if (bars->first + i < sink->plan->features.lookback_bars) continue;
        bool complete = false;
        for (int c = 0; c < columns; ++c) sink->features.row[c] = (float)chunk->value[c][i];
        PU_TRY(check_row(sink, chunk, i, &complete));
        if (!complete) continue;
        if (!sink->started) {
            sink->started = true;
            sink->feature_blocks.first_bar = bars->first + i;
            sink->features.first_ts = bars->ts[i];
        }
        sink->features.last_ts = bars->ts[i];
        PU_TRY(pu__block_writer_next(&sink->features));
    }
    return PU_OK;
}

static pu_status take_labels(pu__sink *sink, const pu__pass_chunk *chunk) {
    const pu__columns *bars = &chunk->slice->columns;
    if (bars->first == 0) sink->labels.first_ts = bars->ts[0];
    sink->labels.last_ts = bars->ts[bars->count - 1];
    for (int64_t i = 0; i < bars->count; ++i) {
        if (pu__label_stream_push(&sink->label_stream, bars->close[i], sink->labels.row))
            PU_TRY(pu__block_writer_next(&sink->labels));
    }
    return PU_OK;
}

pu_status pu__sink_take(void *context, const pu__pass_chunk *chunk) {
    pu__sink *sink = context;
    if (sink->due->features) PU_TRY(take_features(sink, chunk));
    return sink->due->labels ? take_labels(sink, chunk) : PU_OK;
}

/* ---- opening and closing ---- */

static pu_status open_labels(pu__sink *sink) {
    PU_TRY(pu__label_stream_open(&sink->plan->labels, &sink->label_stream));
    return pu__block_writer_open(sink->plan->store, sink->due->label_source, sink->plan->labels.columns,
                                 &sink->label_blocks, &sink->labels);
}

pu_status pu__sink_open(const pu__plan *plan, int asset, const pu__due *due, pu__sink *out) {
    *out = (pu__sink){.plan = plan, .asset = asset, .due = due, .late = -1};
    pu__blocks_name(plan, asset, PU__BLOCKS_FEATURE, &out->feature_blocks);
    pu__blocks_name(plan, asset, PU__BLOCKS_LABEL, &out->label_blocks);
    out->begun = pu_calloc((size_t)plan->features.count, sizeof *out->begun);
    pu_status status = out->begun ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK && due->features)
        status = pu__block_writer_open(plan->store, due->feature_source, plan->features.columns,
                                       &out->feature_blocks, &out->features);
    if (status == PU_OK && due->labels) status = open_labels(out);
    return status == PU_OK ? PU_OK : pu__sink_close(out, status);
}

static pu_status write_rest(pu__sink *sink) {
    if (sink->due->features && !sink->started) return never_began(sink);
    if (sink->due->features && sink->late >= 0) announce_cost(sink);
    while (sink->due->labels && pu__label_stream_rest(&sink->label_stream, sink->labels.row))
        PU_TRY(pu__block_writer_next(&sink->labels));
    return PU_OK;
}

pu_status pu__sink_close(pu__sink *sink, pu_status status) {
    if (status == PU_OK) status = write_rest(sink);
    if (sink->features.blocks) status = pu__block_writer_close(&sink->features, status);
    if (sink->labels.blocks) status = pu__block_writer_close(&sink->labels, status);
    pu__label_stream_close(&sink->label_stream);
    pu_free(sink->begun);
    sink->begun = NULL;
    return status;
}
