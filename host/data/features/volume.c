/* Volume against its own past.
 *
 * The log volume of a bar is log(max(v, 0.001 m)), m the exponentially weighted mean volume (span 50 bars): a bar
 * without trades is a low value and not minus infinity, in any unit of volume. A bar whose volume is missing, or
 * before the first trade, gives 0 and is left out of the statistics. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const span_name[] = {"span_bars"};

#define FLOOR_RATIO 1e-3
enum { MEAN_SPAN_BARS = 50 };

/* The bars of a block that count: values in order, and which bar each belongs to. */
typedef struct known {
    int count;
    int bar[PU__BLOCK_BARS];
    double value[PU__BLOCK_BARS];
} known;

/* The log volumes that are known. */
static inline void log_volumes(pu__weighted *mean, const pu_feature_chunk *block, known *out) {
    double level[PU__BLOCK_BARS], volume[PU__BLOCK_BARS];
    int bar[PU__BLOCK_BARS], count = 0;
    for (int t = 0; t < (int)block->count; ++t) {
        bar[count] = t;
        volume[count] = block->volume[t];
        count += !isnan(block->volume[t]);
    }
    pu__weighted_push(mean, MEAN_SPAN_BARS, 0, volume, count, level);
    out->count = 0;
    for (int i = 0; i < count; ++i) {
        const double least = FLOOR_RATIO * level[i];
        out->bar[out->count] = bar[i];
        out->value[out->count] = volume[i] > least ? volume[i] : least;
        out->count += level[i] > 0;
    }
    pu__logs(out->value, out->count, out->value);
}

/* out of every bar: that of a known value, 0 where nothing is known. */
static inline void spread(const known *from, const double *value, int64_t count, double *restrict out) {
    for (int t = 0; t < (int)count; ++t) out[t] = 0;
    for (int i = 0; i < from->count; ++i) out[from->bar[i]] = value[i];
}

typedef struct deviation_state {
    pu__weighted volume, log_mean;
} deviation_state;

PU__BLOCK(deviation) {
    deviation_state *state = memory;
    known all;
    double mean[PU__BLOCK_BARS];
    log_volumes(&state->volume, block, &all);
    pu__weighted_push(&state->log_mean, parameters[0], 0, all.value, all.count, mean);
    for (int i = 0; i < all.count; ++i) mean[i] = all.value[i] - mean[i];
    spread(&all, mean, block->count, out);
}

#define DEVIATION_FEATURE(n)                                                                                \
    .version = 2, .tags = "volume", .needs_volume = true, PU__PARAMETERS(span_name, n), .lookback_bars = n, \
    PU__BLOCKS(deviation_state, deviation)

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
    pu__weighted volume;
    pu__tail value;
    int64_t seen; /* values so far */
} score_state;

/* The first n - 1 values have no window: they get 0. */
static inline void forget_first(int64_t *seen, int n, int count, double *restrict value) {
    for (int i = 0; i < count && *seen + i < n - 1; ++i) value[i] = 0;
    *seen += count;
}

PU__BLOCK(score) {
    score_state *state = memory;
    const int n = (int)parameters[0];
    known all;
    pu__span span;
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS];
    log_volumes(&state->volume, block, &all);
    const double *x = pu__span_of(&state->value, n - 1, all.value, all.count, &span);
    pu__variances(x, n, all.count, mean, variance);
    for (int i = 0; i < all.count; ++i) mean[i] = pu__over(x[i] - mean[i], sqrt(variance[i]));
    forget_first(&state->seen, n, all.count, mean);
    spread(&all, mean, block->count, out);
}

const pu_feature pu__feature_log_volume_z_20 = {
    .name = "log_volume_z_20",
    .version = 2,
    .description = "Log volume in standard deviations from its mean of the last 20 bars.",
    .tags = "volume",
    .source = "(x - mean) / population standard deviation over 20 bars, this one included",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(score_state, score),
};

PU__BLOCK(ratio) {
    score_state *state = memory;
    const int n = (int)parameters[0];
    known all = {.count = 0};
    pu__span span;
    double sum[PU__BLOCK_BARS];
    for (int t = 0; t < (int)block->count; ++t) {
        all.bar[all.count] = t;
        all.value[all.count] = block->volume[t];
        all.count += !isnan(block->volume[t]);
    }
    const double *x = pu__span_of(&state->value, n - 1, all.value, all.count, &span);
    pu__sums(x, n, all.count, sum);
    for (int i = 0; i < all.count; ++i) {
        const double value = x[i] / (sum[i] * (1.0 / n));
        sum[i] = sum[i] > 0 ? value : 0;
    }
    forget_first(&state->seen, n, all.count, sum);
    spread(&all, sum, block->count, out);
}

const pu_feature pu__feature_volume_ratio_20 = {
    .name = "volume_ratio_20",
    .version = 2,
    .description = "Volume over its mean of the last 20 bars.",
    .tags = "volume",
    .source = "volume / TA-Lib SMA(volume, 20)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(score_state, ratio),
};

PU__BLOCK(trend) {
    score_state *state = memory;
    const int n = (int)parameters[0];
    known all;
    pu__span span;
    double sum[PU__BLOCK_BARS], slope[PU__BLOCK_BARS];
    log_volumes(&state->volume, block, &all);
    const double *x = pu__span_of(&state->value, n - 1, all.value, all.count, &span);
    pu__tilts(x, n, all.count, sum, slope);
    for (int i = 0; i < all.count; ++i) slope[i] /= n * ((double)n * n - 1) / 12;
    forget_first(&state->seen, n, all.count, slope);
    spread(&all, slope, block->count, out);
}

const pu_feature pu__feature_volume_trend_20 = {
    .name = "volume_trend_20",
    .version = 2,
    .description = "Slope of the least-squares line through the log volume of 20 bars, per bar.",
    .tags = "volume",
    .source = "ordinary least squares (scipy.stats.linregress) of log volume on time",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(score_state, trend),
};

typedef struct relation_state {
    pu__weighted volume;
    pu__tail log_volume, change;
    int64_t seen;
} relation_state;

/* The first bar has a volume but no return: it is left out. */
PU__BLOCK(relation) {
    relation_state *state = memory;
    const int n = (int)parameters[0];
    known all;
    pu__span volumes, changes;
    double x_mean[PU__BLOCK_BARS], y_mean[PU__BLOCK_BARS], xx[PU__BLOCK_BARS], yy[PU__BLOCK_BARS],
        xy[PU__BLOCK_BARS];
    log_volumes(&state->volume, block, &all);
    if (block->first == 0 && all.count > 0 && all.bar[0] == 0) {
        all.count -= 1;
        memmove(all.bar, all.bar + 1, (size_t)all.count * sizeof *all.bar);
        memmove(all.value, all.value + 1, (size_t)all.count * sizeof *all.value);
    }
    const double *x = pu__span_of(&state->log_volume, n - 1, all.value, all.count, &volumes);
    double *y = pu__span_open(&state->change, n - 1, &changes);
    for (int i = 0; i < all.count; ++i) y[i] = block->log_return[all.bar[i]];
    pu__span_close(&state->change, n - 1, y, all.count);
    pu__variances(x, n, all.count, x_mean, xx);
    pu__variances(y, n, all.count, y_mean, yy);
    pu__products(x, y, n, all.count, x_mean, y_mean, xy);
    for (int i = 0; i < all.count; ++i) {
        const double x_deviation = sqrt(xx[i]), y_deviation = sqrt(yy[i]);
        const double value = xy[i] / (n * x_deviation * y_deviation);
        xy[i] = x_deviation > PU__FLAT && y_deviation > PU__FLAT ? value : 0;
    }
    forget_first(&state->seen, n, all.count, xy);
    spread(&all, xy, block->count, out);
}

const pu_feature pu__feature_volume_return_20 = {
    .name = "volume_return_20",
    .version = 2,
    .description = "Correlation of log volume and log return over 20 bars, 0 where either does not vary.",
    .tags = "volume",
    .source = "Pearson's correlation (numpy.corrcoef)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__BLOCKS(relation_state, relation),
};
