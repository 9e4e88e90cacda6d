#include "host/data/features/sets.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/plugin.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { DAY_S = 86400, LABEL_VERSION = 2, TEXT_BYTES = 16384 };

/* Text that grows into a fixed room; `full` once something did not fit. */
typedef struct text {
    char at[TEXT_BYTES];
    size_t used;
    bool full;
} text;

static void append(text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(text *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(out->at + out->used, TEXT_BYTES - out->used, format, arguments);
    va_end(arguments);
    out->full = out->full || length < 0 || (size_t)length >= TEXT_BYTES - out->used;
    if (!out->full) out->used += (size_t)length;
}

static pu_status digest_text(const text *from, char out[65]) {
    if (from->full) return pu_fail(PU_ERR_CONFIG, "the feature or label set is too long to describe: name fewer");
    pu__digest(from->at, from->used, out);
    return PU_OK;
}

/* A benchmark that does not exist would otherwise be noticed only by the backtest, after the training. */
static pu_status leave_benchmark_out(const pu_config *config, pu__plan *plan) {
    int found = 0, kept = 0;
    pu_asset *benchmark = NULL;
    const pu_status status = pu_store_assets(plan->store, 1, &config->data.benchmark, &found, &benchmark);
    if (status == PU_ERR_NOT_FOUND) return pu_fail_within(PU_ERR_CONFIG, "data.benchmark");
    PU_TRY(status);
    for (int i = 0; config->data.symbols.count == 0 && i < plan->asset_count; ++i) {
        if (plan->asset[i].id != benchmark[0].id) plan->asset[kept++] = plan->asset[i];
    }
    if (config->data.symbols.count == 0) plan->asset_count = kept;
    pu_free(benchmark);
    return PU_OK;
}

static pu_status choose_assets(const pu_config *config, pu__plan *plan) {
    PU_TRY(pu_store_assets(plan->store, config->data.symbols.count, config->data.symbols.value, &plan->asset_count,
                           &plan->asset));
    if (*config->data.benchmark) PU_TRY(leave_benchmark_out(config, plan));
    if (plan->asset_count == 0) {
        return pu_fail(PU_ERR_DATA,
                       "%s has no asset to train on: `plusultra import` or `plusultra synth` brings some",
                       pu_store_path(plan->store));
    }
    for (int i = 0; i < plan->asset_count; ++i) {
        const pu_asset *asset = &plan->asset[i];
        if (asset->bars == 0)
            return pu_fail(PU_ERR_DATA, "%s has no bars: import some, or leave it out of data.symbols",
                           asset->symbol);
        if (asset->bar_s != plan->asset[0].bar_s) {
            return pu_fail(PU_ERR_DATA,
                           "%s has bars of %" PRId64 " s and %s of %" PRId64
                           " s: choose one bar length with data.symbols",
                           plan->asset[0].symbol, plan->asset[0].bar_s, asset->symbol, asset->bar_s);
        }
        for (int j = 0; j < i; ++j) {
            if (plan->asset[j].id == asset->id)
                return pu_fail(PU_ERR_CONFIG, "data.symbols names %s twice", asset->symbol);
        }
    }
    return PU_OK;
}

/* Volume counts as missing where fewer than half of the bars have it. */
static pu_status lacks_volume(pu_store *store, const pu_asset *asset, bool *out) {
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(volume) FROM series WHERE asset_id = %" PRId64, asset->id);
    int64_t count = 0;
    PU_TRY(pu__sql_integer(store, sql, 0, &count));
    *out = 2 * count < asset->bars;
    return PU_OK;
}

/* The symbols without volume, "" if none. */
static pu_status find_volumeless(const pu__plan *plan, text *out) {
    for (int i = 0; i < plan->asset_count; ++i) {
        bool lacks = false;
        PU_TRY(lacks_volume(plan->store, &plan->asset[i], &lacks));
        if (lacks) append(out, "%s%s", out->used ? ", " : "", plan->asset[i].symbol);
    }
    return PU_OK;
}

static pu_status unknown_feature(const char *name) {
    const char *nearest = pu__feature_nearest(name);
    return pu_fail(PU_ERR_CONFIG,
                   "features.names: there is no feature '%s'%s%s%s; `plusultra features list` shows all", name,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static pu_status choose_named(const pu_config *config, const char *volumeless, pu__feature_set *set) {
    for (int i = 0; i < config->features.names.count; ++i) {
        const char *name = config->features.names.value[i];
        const pu_feature *feature = pu_feature_find(name);
        if (!feature) return unknown_feature(name);
        if (feature->needs_volume && *volumeless) {
            return pu_fail(
                PU_ERR_CONFIG,
                "features.names: %s needs volume, which is missing for %s; leave it out, or choose other assets",
                name, volumeless);
        }
        for (int j = 0; j < set->count; ++j) {
            if (set->feature[j] == feature)
                return pu_fail(PU_ERR_CONFIG, "features.names: %s is there twice", name);
        }
        set->feature[set->count++] = feature;
    }
    return PU_OK;
}

static pu_status choose_default(pu__plan *plan, const char *volumeless) {
    pu__feature_set *set = &plan->features;
    text dropped = {.used = 0};
    int count = 0;
    for (int i = 0; i < pu_feature_default_count(); ++i) {
        const pu_feature *feature = pu_feature_find(pu_feature_default_at(i));
        if (strstr(feature->tags, "intraday") && plan->asset[0].bar_s >= DAY_S) continue;
        if (feature->needs_volume && *volumeless) {
            if (count == 0) append(&dropped, "no volume for %s: left out ", volumeless);
            append(&dropped, "%s%s", count++ ? ", " : "", feature->name);
        } else {
            set->feature[set->count++] = feature;
        }
    }
    if (dropped.used) plan->dropped = pu_strdup(dropped.at);
    return dropped.used && !plan->dropped ? PU_ERR_MEMORY : PU_OK;
}

void pu__plan_announce(const pu__plan *plan) {
    if (plan->dropped) pu_log(PU_LOG_INFO, "features.dropped", "%s", plan->dropped);
}

static bool any_needs_volume(const pu_config *config) {
    if (config->features.names.count == 0) return true;
    for (int i = 0; i < config->features.names.count; ++i) {
        const pu_feature *feature = pu_feature_find(config->features.names.value[i]);
        if (feature && feature->needs_volume) return true;
    }
    return false;
}

static pu_status describe_features(pu__plan *plan) {
    pu__feature_set *set = &plan->features;
    text identity = {.used = 0}, columns = {.used = 0};
    append(&identity, "features abi %d block %" PRId64 "\n", PU_FEATURE_ABI, plan->block_bars);
    for (int i = 0; i < set->count; ++i) {
        const pu_feature *feature = set->feature[i];
        const char *origin = pu__feature_origin_hash(feature);
        append(&identity, "%s %d%s%s", feature->name, feature->version, origin ? " " : "", origin ? origin : "");
        for (int p = 0; p < feature->parameter_count; ++p) append(&identity, " %.17g", feature->parameters[p]);
        append(&identity, "\n");
        append(&columns, "%s%s", i ? "," : "", feature->name);
        if (feature->lookback_bars > set->lookback_bars) set->lookback_bars = feature->lookback_bars;
    }
    PU_TRY(digest_text(&identity, set->hash));
    set->columns = pu_strdup(columns.at);
    return set->columns ? PU_OK : PU_ERR_MEMORY;
}

static pu_status choose_features(const pu_config *config, pu__plan *plan) {
    const int named = config->features.names.count;
    text volumeless = {.used = 0};
    if (any_needs_volume(config)) PU_TRY(find_volumeless(plan, &volumeless));
    plan->features.feature =
        pu_calloc((size_t)(named ? named : pu_feature_default_count()), sizeof *plan->features.feature);
    if (!plan->features.feature) return PU_ERR_MEMORY;
    if (named) {
        PU_TRY(choose_named(config, volumeless.at, &plan->features));
    } else {
        PU_TRY(choose_default(plan, volumeless.at));
    }
    return describe_features(plan);
}

static pu_status describe_labels(const pu_config *config, pu__plan *plan) {
    pu__label_set *set = &plan->labels;
    set->horizons = config->windows.horizons.count;
    set->horizon_bars = config->windows.horizons.value;
    set->latency_bars = config->backtest.latency_bars;
    set->vol_bars = config->windows.vol_bars;
    if (set->horizons < 1) return pu_fail(PU_ERR_CONFIG, "windows.horizons is empty: name at least one");
    text identity = {.used = 0}, columns = {.used = 0};
    append(&identity, "labels %d block %" PRId64 " latency %" PRId64 " volatility %" PRId64, LABEL_VERSION,
           plan->block_bars, set->latency_bars, set->vol_bars);
    for (int i = 0; i < set->horizons; ++i) {
        append(&identity, " %" PRId64, set->horizon_bars[i]);
        append(&columns, "target_%" PRId64 ",", set->horizon_bars[i]);
    }
    append(&columns, "sigma");
    PU_TRY(digest_text(&identity, set->hash));
    set->columns = pu_strdup(columns.at);
    return set->columns ? PU_OK : PU_ERR_MEMORY;
}

pu_status pu__plan_open(const pu_config *config, pu_store *store, pu__plan *out) {
    *out = (pu__plan){.store = store, .block_bars = config->features.block_bars};
    PU_TRY(pu__plugins_load(config));
    pu_status status = PU_OK;
    PU_TRY_GOTO(status, choose_assets(config, out), failed);
    PU_TRY_GOTO(status, choose_features(config, out), failed);
    PU_TRY_GOTO(status, describe_labels(config, out), failed);
    return PU_OK;
failed:
    pu__plan_close(out);
    return status;
}

void pu__plan_close(pu__plan *plan) {
    pu_free(plan->asset);
    pu_free(plan->features.feature);
    pu_free(plan->features.columns);
    pu_free(plan->labels.columns);
    pu_free(plan->dropped);
    *plan = (pu__plan){0};
}

pu_status pu__source_hash(pu_store *store, const pu_asset *asset, char out[65]) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT checksum FROM assets WHERE asset_id = %" PRId64, asset->id);
    int64_t checksum = 0;
    PU_TRY(pu__sql_integer(store, sql, 0, &checksum));
    text identity = {.used = 0};
    append(&identity, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, asset->symbol, asset->bar_s,
           asset->bars, asset->first_ts, asset->last_ts, checksum);
    return digest_text(&identity, out);
}

void pu__label_row(const pu__label_set *set, const pu_bars *bars, int64_t index, double sigma, float *row) {
    const bool scaled = index >= set->vol_bars && sigma > (double)PU_SIGMA_MIN;
    const float stored = sigma > (double)PU_SIGMA_MIN ? (float)sigma : PU_SIGMA_MIN;
    const int64_t fill = index + set->latency_bars;
    for (int i = 0; i < set->horizons; ++i) {
        const int64_t h = set->horizon_bars[i];
        row[i] = NAN;
        if (!scaled || fill + h >= bars->count) continue;
        row[i] =
            (float)(log(bars->adjusted[fill + h] / bars->adjusted[fill]) / ((double)stored * sqrt((double)h)));
    }
    row[set->horizons] = stored;
}
