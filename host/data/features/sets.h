/* What an experiment computes of each bar: its assets, its feature set and its label set. */
#ifndef PU_HOST_DATA_FEATURES_SETS_H
#define PU_HOST_DATA_FEATURES_SETS_H

#include "plusultra/features.h"

typedef struct pu__feature_set {
    int count;
    const pu_feature **feature; /* owned by the set; the order of the columns */
    int lookback_bars;          /* the longest */
    char *columns;              /* names, separated by commas; owned by the set */
    char hash[65];              /* of names, versions, parameters, block size and ABI */
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

/* Everything a build needs to know of the configuration. */
typedef struct pu__plan {
    pu_store *store; /* borrowed */
    int64_t block_bars;
    int asset_count;
    pu_asset *asset;
    pu__feature_set features;
    pu__label_set labels;
    char *dropped; /* a line about default features left out for want of volume; null if none */
} pu__plan;

/* PU_ERR_CONFIG: an unknown feature, one asked for by name that needs volume the assets lack, one asset twice.
 * PU_ERR_DATA: no asset, an asset without bars, bars of different lengths. */
pu_status pu__plan_open(const pu_config *config, pu_store *store, pu__plan *out);
void pu__plan_close(pu__plan *plan);
/* Logs plan->dropped: once per piece of work, by whoever opens the plan for it. */
void pu__plan_announce(const pu__plan *plan);

/* Identity of an asset's bars by the summary that the store keeps with them. */
pu_status pu__source_hash(pu_store *store, const pu_asset *asset, char out[65]);

/* The label row of bar `index`; `sigma` from pu__volatility_push over bars 0 .. index. row[1 + horizons]. */
void pu__label_row(const pu__label_set *set, const pu_bars *bars, int64_t index, double sigma, float *row);

#endif
