/* The feature registry: causal features of bars, streamed one bar at a time.
 *
 * A feature is one C file with one descriptor in host/data/features, or in a shared object of the user's. `update`
 * sees bar t and its own state, never a later bar: causality is a matter of construction, and the audit proves it
 * by recomputation. */
#ifndef PLUSULTRA_FEATURES_H
#define PLUSULTRA_FEATURES_H

#include <stddef.h>

#include "plusultra/config.h"
#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PU_FEATURE_ABI = 2, PU_FEATURE_INPUTS_MAX = 8 };

/* A volatility per bar at or below this has no scale to give: labels that it should scale are unknown, sigma is
 * stored as this, and there is no position to take by it. */
#define PU_SIGMA_MIN 1e-6f

/* An input beyond the asset's own bar, as it was known at the bar's close. */
typedef struct pu_feature_value {
    double value;  /* NaN: nothing was published yet, or it is older than its series allows */
    int64_t age_s; /* since it was published; 0 where value is NaN */
} pu_feature_value;

/* One bar as a feature sees it. Prices are adjusted for splits and dividends: open, high, low and close times
 * adjusted / close. */
typedef struct pu_feature_bar {
    int64_t ts;
    double open, high, low, close, volume; /* volume NaN where the source has none */
    const pu_feature_value *input; /* [input_count] of the descriptor, in its order; null when it has none */
} pu_feature_bar;

/* A run of bars as columns, each [count]; what a feature that works on many bars at once sees. */
typedef struct pu_feature_chunk {
    int64_t first, count; /* number of the first bar; bars */
    const int64_t *ts;
    const double *open, *high, *low, *close, *volume;
    const double *log_return;      /* log(close / previous close), computed once for all features; NaN at bar 0 */
    const pu_feature_value *input; /* [count][input_count]; null when the feature has none */
} pu_feature_chunk;

/* What the engine makes of the values of `update` over the assets of the experiment that have a bar with the same
 * close: the value itself; its rank from -1 (lowest) to 1, ties sharing their mean rank; (value - mean) /
 * population deviation. An asset alone at its time, and any where all are equal, gets 0. */
typedef enum pu_feature_cross { PU_CROSS_NONE = 0, PU_CROSS_RANK, PU_CROSS_ZSCORE } pu_feature_cross;

typedef struct pu_feature {
    int abi;                 /* PU_FEATURE_ABI */
    const char *name;        /* unique, lower_case_with_numbers: "rsi_14" */
    int version;             /* raised when the values change */
    const char *description; /* one sentence */
    const char *tags;        /* "momentum,talib" */
    const char *source;      /* where the formula is from */
    bool needs_volume;
    int parameter_count;
    const double *parameters; /* such as {14} */
    const char *const *parameter_names;
    int lookback_bars;  /* bars before the first value (TA-Lib's meaning) */
    size_t state_bytes; /* zeroed before the first bar */
    /* Consumes bar t (index counted from 0) and returns the value, NaN before lookback_bars. A feature with inputs
     * may return NaN until they begin: the asset's rows then start later. NaN after a value is an error. */
    double (*update)(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index);
    /* The same over a run of bars on the same state, bit for bit what `update` gives one by one; null: `update` is
     * called for each bar. */
    void (*update_many)(void *state, const double *parameters, const pu_feature_chunk *chunk, double *out);
    /* Inputs beyond the asset's bars, at most PU_FEATURE_INPUTS_MAX:
     *   "benchmark"           adjusted close of data.benchmark, of its last bar that closed by now
     *   "universe"            mean log return, over the experiment's assets with a bar at this close
     *   "alternative:<name>"  the series' value as published by now: the asset's own, else the market's
     *   "regime:<name>"       the label in force, as published by now */
    int input_count;
    const char *const *inputs;
    pu_feature_cross cross;
} pu_feature;

/* A plug-in: a shared object with features, which exports this function under the name pu_plugin_features: it sets
 * the count and returns the descriptors, which stay valid. Declare it with PU_PLUGIN_EXPORT; this header alone is
 * needed to compile it, and no library to link it. docs/plugins.md has an example. */
typedef const pu_feature *const *(*pu_plugin_entry)(int *count);
#ifdef __cplusplus
#define PU_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define PU_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/* Registers the features of the plug-in at `path` for the rest of the process, beside the built-in ones; a file
 * that was loaded before is left as it is. What features.plugins names is loaded by everything that takes a
 * configuration. Any thread may call it. PU_ERR_CONFIG (the file and what is wrong with which field of which
 * feature): no shared object, another ABI, a descriptor that cannot be used, a name that is taken; nothing of the
 * file is registered then. The code of a plug-in runs with all rights of the process. */
pu_status pu_feature_plugin_load(const char *path);

int pu_feature_count(void);
const pu_feature *pu_feature_at(int index);          /* ordered by name */
const pu_feature *pu_feature_find(const char *name); /* null when unknown */
/* The names used when features.names is empty. */
int pu_feature_default_count(void);
const char *pu_feature_default_at(int index);

/* Markdown reference of all features by their first tag, for docs/features.md. The caller frees with pu_free. Null
 * when memory is short. */
char *pu_feature_reference(void);

/* Computes one feature over bars into out[count] (NaN before its lookback). Inputs beyond the bars are missing, and the
 * value of a cross-sectional feature is that before the comparison with other assets. */
pu_status pu_feature_compute(const pu_feature *feature, const pu_bars *bars, double *out);

/* Builds feature and label blocks of the configuration for all its assets. Blocks that are current are read and
 * checked, and made again where they are damaged. Progress is shown. pu_dataset_open builds what is missing or out
 * of date by itself, without that check. */
typedef struct pu_features_result {
    int64_t assets, rows, blocks_written, blocks_current;
    double seconds;
} pu_features_result;
pu_status pu_features_build(const pu_config *config, pu_features_result *out);

/* Causality audit. For every configured asset all features, sigma and the targets are computed over the whole
 * history, and again over the history cut off after each of `cuts` bars drawn with `seed`; every value at or
 * before the cut has to be the same, bit for bit (a target, where it was known at the cut). Blocks in the store,
 * where current, are compared with what the code computes now. PU_OK says that the audit ran, not that it passed.
 */
typedef struct pu_audit_result {
    int64_t assets, cuts, values; /* values compared */
    int64_t leaks;                /* values that changed when the future was taken away */
    int64_t stale;    /* stored values that the code no longer gives: a feature changed without a new version */
    char feature[64]; /* the first fault: a feature, "sigma" or "target"; "" if none */
    char symbol[64];
    int64_t ts;
} pu_audit_result;
pu_status pu_features_audit(const pu_config *config, int64_t cuts, uint64_t seed, pu_audit_result *out);

#ifdef __cplusplus
}
#endif
#endif
