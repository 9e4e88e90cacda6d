/* The shape of the recent path: place in the bar, drawdown, skewness, autocorrelation. */
#include "host/data/features/rolling.h"

static const char *const bars_name[] = {"bars"};

typedef struct no_state {
    char none;
} no_state;

static double location_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    const double range = bar->high - bar->low;
    if (range <= PU__FLAT * bar->close) return 0;
    return fmax(-1, fmin(1, (2 * bar->close - bar->high - bar->low) / range));
}

const pu_feature pu__feature_close_location = {
    .name = "close_location",
    .version = 1,
    .description = "Place of the close in the bar's range: -1 at the low, 1 at the high, 0 without a range.",
    .tags = "range",
    .source = "((close - low) - (high - close)) / (high - low): the multiplier of Chaikin's money flow",
    .lookback_bars = 0,
    PU__UPDATE(no_state, location_update),
};

static double drawdown_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->close);
    if (!window) return NAN;
    double highest = window[0];
    for (int i = 1; i < bars; ++i) highest = window[i] > highest ? window[i] : highest;
    return bar->close / highest - 1;
}

const pu_feature pu__feature_drawdown_60 = {
    .name = "drawdown_60",
    .version = 1,
    .description = "Close against the highest close of the last 60 bars, 0 or below.",
    .tags = "trend",
    .source = "close / max(close, 60 bars) - 1",
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 59,
    PU__UPDATE(pu__roll, drawdown_update),
};

typedef struct path_state {
    double close;
    pu__roll change;
} path_state;

/* The last n log returns, or null while there are fewer. */
static const double *path_push(path_state *state, int bars, const pu_feature_bar *bar, int64_t index) {
    const double last = state->close;
    state->close = bar->close;
    return index == 0 ? NULL : pu__roll_push(&state->change, bars, log(bar->close / last));
}

static double skewness_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = path_push(memory, bars, bar, index);
    if (!window) return NAN;
    const double mean = pu__sum(window, bars) / bars;
    const double deviation = sqrt(pu__variance(window, bars, mean));
    if (deviation <= PU__FLAT) return 0;
    double sum = 0;
    for (int i = 0; i < bars; ++i) {
        const double z = (window[i] - mean) / deviation;
        sum += z * z * z;
    }
    return sum / bars;
}

const pu_feature pu__feature_skewness_20 = {
    .name = "skewness_20",
    .version = 1,
    .description = "Skewness of the last 20 log returns, 0 where they do not vary.",
    .tags = "shape",
    .source = "scipy.stats.skew(r, bias=True)",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(path_state, skewness_update),
};

static double autocorrelation_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                     int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = path_push(memory, bars, bar, index);
    if (!window) return NAN;
    const double mean = pu__sum(window, bars) / bars;
    const double variance = pu__variance(window, bars, mean);
    if (sqrt(variance) <= PU__FLAT) return 0;
    double sum = 0;
    for (int i = 1; i < bars; ++i) sum += (window[i] - mean) * (window[i - 1] - mean);
    return sum / (bars * variance);
}

const pu_feature pu__feature_autocorrelation_20 = {
    .name = "autocorrelation_20",
    .version = 1,
    .description = "Autocorrelation at lag 1 of the last 20 log returns, 0 where they do not vary.",
    .tags = "shape",
    .source = "Box & Jenkins 1970: r_1 = sum((x[t] - m)(x[t-1] - m)) / sum((x[t] - m)^2)",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(path_state, autocorrelation_update),
};
