/* What an experiment computes of each bar: its assets, its feature set and its label set. */
#ifndef PU_HOST_DATA_FEATURES_SETS_H
#define PU_HOST_DATA_FEATURES_SETS_H

#include "host/data/features/blocks.h"
#include "host/data/features/inputs.h"
#include "plusultra/features.h"

typedef struct pu__feature_set {
    int count;
    const pu_feature **feature; /* owned by the set; the order of the columns */
    pu__input_list inputs;
    bool is_panel;     /* some feature depends on the bars of all assets: "universe", or a cross-section */
    int lookback_bars; /* the longest */
    char *columns;     /* names, separated by commas; owned by the set */
    char hash[65];     /* of names, versions, parameters, inputs, benchmark if used, block size and ABI */
} pu__feature_set;

/* The label row of bar t, float32: for each horizon h the target log(a[t+L+h] / a[t+L]) / (sigma_t
 * sqrt(h)), a the adjusted close, L the latency: what a decision at the close of t earns from its fill on, in
 * units of the volatility expected. sigma_t: root of the exponentially weighted mean square log return, span
 * vol_bars, of returns up to t. A target is NaN where it is not known: the series ends before t+L+h, sigma has
 * seen fewer than vol_bars returns, or there is no volatility to scale by (PU_SIGMA_MIN). Targets are not
 * clipped. sigma_t comes last. Row r is bar r. */
typedef struct pu__label_set {
    int horizons;
    const int64_t *horizon_bars; /* owned by the configuration */
    int64_t latency_bars, vol_bars;
    char *columns;
    char hash[65];
} pu__label_set;

/* An input that some assets lack, and the features that were left out for it. */
typedef struct pu__omission {
    char *input, *assets, *features; /* owned; names separated by ", " */
} pu__omission;

/* Everything a build needs to know of the configuration. */
typedef struct pu__plan {
    pu_store *store; /* borrowed */
    int64_t block_bars;
    int threads;        /* as run.threads */
    int asset_count;    /* those that get blocks */
    int member_count;   /* and behind them those with too few bars for it, which others are still compared with */
    pu_asset *asset;    /* [member_count] */
    pu_asset benchmark; /* id 0: none */
    pu__feature_set features;
    pu__label_set labels;
    int omission_count;
    pu__omission *omission;
    char *omitted;   /* the same as a text; null if none */
    char *too_short; /* a line about assets left out because they have too few bars; null if none */
} pu__plan;

/* PU_ERR_CONFIG: an unknown feature, one asked for by name whose input is missing unless features.missing says
 * skip, one asset twice. PU_ERR_DATA: no asset, an asset without bars or, if named, with too few, bars of different
 * lengths. */
pu_status pu__plan_open(const pu_config *config, pu_store *store, pu__plan *out);
void pu__plan_close(pu__plan *plan);
/* Logs what was left out: once per piece of work, by whoever opens the plan for it. */
void pu__plan_announce(const pu__plan *plan);

/* Identity of what an asset's blocks are made from, by the summaries that the store keeps: PU__OWN_HASH_DIGITS of its
 * bars, then of what else the features depend on (zeros: nothing, as always for labels). */
pu_status pu__source_hash(const pu__plan *plan, int asset, bool is_features, char out[65]);

/* Leaves features out of the plan whose inputs are missing, or fails, as the configuration says. */
pu_status pu__missing_resolve(const pu_config *config, pu__plan *plan);

#endif
