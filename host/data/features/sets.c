#include "host/data/features/sets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/data/features/assets.h"
#include "host/data/features/plugin.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { DAY_S = 86400, LABEL_VERSION = 2 };

/* Hash of the text, which is freed. */
static pu_status digest_text(pu__buffer *text, char out[65]) {
    char *whole = pu__buffer_take(text);
    if (!whole) return PU_ERR_MEMORY;
    pu__digest(whole, strlen(whole), out);
    pu_free(whole);
    return PU_OK;
}

static pu_status take_text(pu__buffer *text, char **out) {
    *out = pu__buffer_take(text);
    return *out ? PU_OK : PU_ERR_MEMORY;
}

static pu_status unknown_feature(const char *name) {
    const char *nearest = pu__feature_nearest(name);
    return pu_fail(PU_ERR_CONFIG,
                   "features.names: there is no feature '%s'%s%s%s; `plusultra features list` shows all", name,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static pu_status choose_named(const pu_config *config, pu__feature_set *set) {
    for (int i = 0; i < config->features.names.count; ++i) {
        const char *name = config->features.names.value[i];
        const pu_feature *feature = pu_feature_find(name);
        if (!feature) return unknown_feature(name);
        for (int j = 0; j < set->count; ++j) {
            if (set->feature[j] == feature)
                return pu_fail(PU_ERR_CONFIG, "features.names: %s is there twice", name);
        }
        set->feature[set->count++] = feature;
    }
    return PU_OK;
}

static void choose_default(pu__plan *plan) {
    pu__feature_set *set = &plan->features;
    for (int i = 0; i < pu_feature_default_count(); ++i) {
        const pu_feature *feature = pu_feature_find(pu_feature_default_at(i));
        if (strstr(feature->tags, "intraday") && plan->asset[0].bar_s >= DAY_S) continue;
        set->feature[set->count++] = feature;
    }
}

static pu_status choose_features(const pu_config *config, pu__plan *plan) {
    const int named = config->features.names.count;
    plan->features.feature =
        pu_calloc((size_t)(named ? named : pu_feature_default_count()), sizeof *plan->features.feature);
    if (!plan->features.feature) return PU_ERR_MEMORY;
    if (named) return choose_named(config, &plan->features);
    choose_default(plan);
    return PU_OK;
}

static const pu_feature *longest_feature(const pu__feature_set *set) {
    const pu_feature *longest = set->feature[0];
    for (int i = 1; i < set->count; ++i) {
        if (set->feature[i]->lookback_bars > longest->lookback_bars) longest = set->feature[i];
    }
    return longest;
}

/* Assets without one row: an error for those that were named, else left out. They stay members of the universe:
 * whether an asset will have enough bars one day is not known at its first ones. */
static pu_status leave_short_out(const pu_config *config, pu__plan *plan) {
    const pu_feature *longest = longest_feature(&plan->features);
    const int64_t needed = (int64_t)longest->lookback_bars + 1;
    pu__buffer line = {0};
    int kept = 0;
    plan->member_count = plan->asset_count;
    for (int i = 0; i < plan->asset_count; ++i) {
        const pu_asset asset = plan->asset[i];
        if (asset.bars >= needed) {
            memmove(&plan->asset[kept + 1], &plan->asset[kept], (size_t)(i - kept) * sizeof asset);
            plan->asset[kept++] = asset;
        } else if (config->data.symbols.count > 0) {
            return pu_fail(PU_ERR_DATA,
                           "%s has %" PRId64 " bars, the feature %s needs %" PRId64
                           ": import more, or leave the asset out of data.symbols, or the feature out of "
                           "features.names",
                           asset.symbol, asset.bars, longest->name, needed);
        } else {
            pu__buffer_printf(&line, "%s%s (%" PRId64 " bars)", line.used ? ", " : "", asset.symbol, asset.bars);
        }
    }
    if (kept == plan->asset_count) return PU_OK;
    plan->asset_count = kept;
    pu__buffer_printf(&line, ": left out, the feature %s needs %" PRId64 " bars", longest->name, needed);
    PU_TRY(take_text(&line, &plan->too_short));
    return kept > 0 ? PU_OK : pu_fail(PU_ERR_DATA, "no asset is long enough: %s", plan->too_short);
}

void pu__plan_announce(const pu__plan *plan) {
    if (plan->too_short) pu_log(PU_LOG_WARNING, "features.short_asset", "%s", plan->too_short);
    for (int i = 0; i < plan->omission_count; ++i) {
        const pu__omission *o = &plan->omission[i];
        const pu_log_field fields[] = {{"feature", o->features}, {"input", o->input}, {"assets", o->assets}};
        pu_log_fields(PU_LOG_INFO, "features.input_missing", 3, fields, "no %s for %s: left out %s", o->input,
                      o->assets, o->features);
    }
}

static void describe_feature(const pu_feature *feature, pu__buffer *identity) {
    const char *origin = pu__feature_origin_hash(feature);
    pu__buffer_printf(identity, "%s %d%s%s", feature->name, feature->version, origin ? " " : "",
                      origin ? origin : "");
    for (int p = 0; p < feature->parameter_count; ++p)
        pu__buffer_printf(identity, " %.17g", feature->parameters[p]);
    for (int k = 0; k < feature->input_count; ++k) pu__buffer_printf(identity, " %s", feature->inputs[k]);
    if (feature->cross != PU_CROSS_NONE) pu__buffer_printf(identity, " cross %d", feature->cross);
    pu__buffer_printf(identity, "\n");
}

static pu_status describe_features(pu__plan *plan) {
    pu__feature_set *set = &plan->features;
    pu__buffer identity = {0}, columns = {0};
    PU_TRY(pu__input_list_open(set->count, set->feature, &set->inputs));
    pu__buffer_printf(&identity, "features abi %d block %" PRId64 "\n", PU_FEATURE_ABI, plan->block_bars);
    set->is_panel = pu__input_list_has(&set->inputs, PU__INPUT_UNIVERSE);
    set->lookback_bars = longest_feature(set)->lookback_bars;
    for (int i = 0; i < set->count; ++i) {
        const pu_feature *feature = set->feature[i];
        describe_feature(feature, &identity);
        pu__buffer_printf(&columns, "%s%s", i ? "," : "", feature->name);
        set->is_panel = set->is_panel || feature->cross != PU_CROSS_NONE;
    }
    if (pu__input_list_has(&set->inputs, PU__INPUT_BENCHMARK))
        pu__buffer_printf(&identity, "benchmark %s %" PRId64 "\n", plan->benchmark.symbol, plan->benchmark.bar_s);
    pu_status status = digest_text(&identity, set->hash);
    if (status == PU_OK) status = take_text(&columns, &set->columns);
    else pu_free(columns.data);
    return status;
}

static pu_status describe_labels(const pu_config *config, pu__plan *plan) {
    pu__label_set *set = &plan->labels;
    set->horizons = config->windows.horizons.count;
    set->horizon_bars = config->windows.horizons.value;
    set->latency_bars = config->backtest.latency_bars;
    set->vol_bars = config->windows.vol_bars;
    if (set->horizons < 1) return pu_fail(PU_ERR_CONFIG, "windows.horizons is empty: name at least one");
    pu__buffer identity = {0}, columns = {0};
    pu__buffer_printf(&identity, "labels %d block %" PRId64 " latency %" PRId64 " volatility %" PRId64,
                      LABEL_VERSION, plan->block_bars, set->latency_bars, set->vol_bars);
    for (int i = 0; i < set->horizons; ++i) {
        pu__buffer_printf(&identity, " %" PRId64, set->horizon_bars[i]);
        pu__buffer_printf(&columns, "target_%" PRId64 ",", set->horizon_bars[i]);
    }
    pu__buffer_printf(&columns, "sigma");
    pu_status status = digest_text(&identity, set->hash);
    if (status == PU_OK) status = take_text(&columns, &set->columns);
    else pu_free(columns.data);
    return status;
}

pu_status pu__plan_open(const pu_config *config, pu_store *store, pu__plan *out) {
    *out =
        (pu__plan){.store = store, .block_bars = config->features.block_bars, .threads = (int)config->run.threads};
    PU_TRY(pu__plugins_load(config));
    pu_status status = PU_OK;
    PU_TRY_GOTO(status, pu__assets_choose(config, store, &out->asset_count, &out->asset, &out->benchmark), failed);
    PU_TRY_GOTO(status, choose_features(config, out), failed);
    PU_TRY_GOTO(status, leave_short_out(config, out), failed);
    PU_TRY_GOTO(status, pu__missing_resolve(config, out), failed);
    PU_TRY_GOTO(status, describe_features(out), failed);
    PU_TRY_GOTO(status, describe_labels(config, out), failed);
    return PU_OK;
failed:
    pu__plan_close(out);
    return status;
}

void pu__plan_close(pu__plan *plan) {
    pu_free(plan->asset);
    pu_free(plan->features.feature);
    pu__input_list_close(&plan->features.inputs);
    pu_free(plan->features.columns);
    pu_free(plan->labels.columns);
    for (int i = 0; i < plan->omission_count; ++i) {
        pu_free(plan->omission[i].input);
        pu_free(plan->omission[i].assets);
        pu_free(plan->omission[i].features);
    }
    pu_free(plan->omission);
    pu_free(plan->omitted);
    pu_free(plan->too_short);
    *plan = (pu__plan){0};
}
