/* Volume against its own past.
 *
 * The log volume of a bar is log(max(v, 0.001 m)), m the exponentially weighted mean volume (span 50 bars): a bar
 * without trades is a low value and not minus infinity, in any unit of volume. A bar whose volume is missing, or
 * before the first trade, gives 0 and is left out of the statistics. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const span_name[] = {"span_bars"};

#define FLOOR_RATIO 1e-3
enum { MEAN_SPAN_BARS = 50 };

/* NaN where nothing is known. */
static double log_volume(pu__ewma *mean, double volume) {
    if (isnan(volume)) return NAN;
    const double level = pu__ewma_push(mean, MEAN_SPAN_BARS, volume);
    return level > 0 ? log(fmax(volume, FLOOR_RATIO * level)) : NAN;
}

typedef struct deviation_state {
    pu__ewma volume, log_mean;
} deviation_state;

static double deviation_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    deviation_state *state = memory;
    const double value = log_volume(&state->volume, bar->volume);
    return isnan(value) ? 0 : value - pu__ewma_push(&state->log_mean, parameters[0], value);
}

#define DEVIATION_FEATURE(n)                                                                                \
    .version = 1, .tags = "volume", .needs_volume = true, PU__PARAMETERS(span_name, n), .lookback_bars = n, \
    PU__UPDATE(deviation_state, deviation_update)

const pu_feature pu__feature_log_volume_10 = {
    .name = "log_volume_10",
    .description = "Log volume less its exponentially weighted mean, span 10 bars.",
    .source = "pandas: x - x.ewm(span=10, adjust=True).mean(), x the log volume",
    DEVIATION_FEATURE(10),
};
const pu_feature pu__feature_log_volume_50 = {
    .name = "log_volume_50",
    .description = "Log volume less its exponentially weighted mean, span 50 bars.",
    .source = "pandas: x - x.ewm(span=50, adjust=True).mean(), x the log volume",
    DEVIATION_FEATURE(50),
};

typedef struct score_state {
    pu__ewma volume;
    pu__roll log_volume;
} score_state;

static double score_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    score_state *state = memory;
    const int bars = (int)parameters[0];
    const double value = log_volume(&state->volume, bar->volume);
    if (isnan(value)) return 0;
    const double *window = pu__roll_push(&state->log_volume, bars, value);
    if (!window) return 0;
    const double mean = pu__sum(window, bars) / bars;
    return pu__over(value - mean, sqrt(pu__variance(window, bars, mean)));
}

const pu_feature pu__feature_log_volume_z_20 = {
    .name = "log_volume_z_20",
    .version = 1,
    .description = "Log volume in standard deviations from its mean of the last 20 bars.",
    .tags = "volume",
    .source = "(x - mean) / population standard deviation over 20 bars, this one included",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(score_state, score_update),
};

static double ratio_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    if (isnan(bar->volume)) return 0;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->volume);
    const double sum = window ? pu__sum(window, bars) : 0;
    return sum > 0 ? bar->volume / (sum / bars) : 0;
}

const pu_feature pu__feature_volume_ratio_20 = {
    .name = "volume_ratio_20",
    .version = 1,
    .description = "Volume over its mean of the last 20 bars.",
    .tags = "volume",
    .source = "volume / TA-Lib SMA(volume, 20)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(pu__roll, ratio_update),
};

static double trend_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    score_state *state = memory;
    const int bars = (int)parameters[0];
    const double value = log_volume(&state->volume, bar->volume);
    if (isnan(value)) return 0;
    const double *window = pu__roll_push(&state->log_volume, bars, value);
    return window ? pu__slope(window, bars) : 0;
}

const pu_feature pu__feature_volume_trend_20 = {
    .name = "volume_trend_20",
    .version = 1,
    .description = "Slope of the least-squares line through the log volume of 20 bars, per bar.",
    .tags = "volume",
    .source = "ordinary least squares (scipy.stats.linregress) of log volume on time",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(score_state, trend_update),
};

typedef struct relation_state {
    double close;
    pu__ewma volume;
    pu__roll log_volume, change;
} relation_state;

static double relation_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    relation_state *state = memory;
    const int bars = (int)parameters[0];
    const double change = pu__return_push(&state->close, index, bar->close);
    const double volume = log_volume(&state->volume, bar->volume);
    if (index == 0 || isnan(volume)) return 0;
    const double *x = pu__roll_push(&state->log_volume, bars, volume);
    const double *y = pu__roll_push(&state->change, bars, change);
    if (!x || !y) return 0;
    const double x_mean = pu__sum(x, bars) / bars, y_mean = pu__sum(y, bars) / bars;
    const double x_deviation = sqrt(pu__variance(x, bars, x_mean));
    const double y_deviation = sqrt(pu__variance(y, bars, y_mean));
    if (x_deviation <= PU__FLAT || y_deviation <= PU__FLAT) return 0;
    double sum = 0;
    for (int i = 0; i < bars; ++i) sum += (x[i] - x_mean) * (y[i] - y_mean);
    return sum / (bars * x_deviation * y_deviation);
}

const pu_feature pu__feature_volume_return_20 = {
    .name = "volume_return_20",
    .version = 1,
    .description = "Correlation of log volume and log return over 20 bars, 0 where either does not vary.",
    .tags = "volume",
    .source = "Pearson's correlation (numpy.corrcoef)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(relation_state, relation_update),
};
