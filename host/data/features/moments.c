/* The distribution of the last log returns: moments, downside, autocorrelations. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const lag_names[] = {"bars", "lag_bars"};

/* The mean of z^3 or z^4 over the window, z in population standard deviations from the mean; less `normal`, what a
 * normal distribution has. 0 where the window does not vary. */
static inline __attribute__((always_inline)) void moments(pu__power power, double normal, pu__tail *returns, int n,
                                                          const pu_feature_chunk *block, double *restrict out) {
    const int count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS];
    const double *x = pu__span_of(returns, n - 1, block->log_return, count, &span);
    pu__variances(x, n, count, mean, variance);
    pu__deviations(power, x, n, count, mean, out);
    for (int t = 0; t < count; ++t) {
        const double deviation = sqrt(variance[t]), unit = power == PU__CUBES ? deviation : variance[t];
        const double value = out[t] / (n * variance[t] * unit) - normal;
        out[t] = deviation > PU__FLAT ? value : 0;
    }
}

PU__BLOCK(skewness) { moments(PU__CUBES, 0, memory, (int)parameters[0], block, out); }

PU__BLOCK(kurtosis) { moments(PU__FOURTHS, 3, memory, (int)parameters[0], block, out); }

#define MOMENT(n, formula, state_type, function)                                                        \
    .version = 2, .tags = "shape", .source = formula, PU__PARAMETERS(bars_name, n), .lookback_bars = n, \
    PU__BLOCKS(state_type, function)

const pu_feature pu__feature_skewness_20 = {
    .name = "skewness_20",
    .description = "Skewness of the last 20 log returns, 0 where they do not vary.",
    MOMENT(20, "scipy.stats.skew(r, bias=True)", pu__tail, skewness),
};
const pu_feature pu__feature_skewness_60 = {
    .name = "skewness_60",
    .description = "Skewness of the last 60 log returns, 0 where they do not vary.",
    MOMENT(60, "scipy.stats.skew(r, bias=True)", pu__tail, skewness),
};
const pu_feature pu__feature_skewness_120 = {
    .name = "skewness_120",
    .description = "Skewness of the last 120 log returns, 0 where they do not vary.",
    MOMENT(120, "scipy.stats.skew(r, bias=True)", pu__tail, skewness),
};
const pu_feature pu__feature_kurtosis_20 = {
    .name = "kurtosis_20",
    .description = "Excess kurtosis of the last 20 log returns, 0 where they do not vary.",
    MOMENT(20, "scipy.stats.kurtosis(r, fisher=True, bias=True)", pu__tail, kurtosis),
};
const pu_feature pu__feature_kurtosis_60 = {
    .name = "kurtosis_60",
    .description = "Excess kurtosis of the last 60 log returns, 0 where they do not vary.",
    MOMENT(60, "scipy.stats.kurtosis(r, fisher=True, bias=True)", pu__tail, kurtosis),
};
const pu_feature pu__feature_kurtosis_120 = {
    .name = "kurtosis_120",
    .description = "Excess kurtosis of the last 120 log returns, 0 where they do not vary.",
    MOMENT(120, "scipy.stats.kurtosis(r, fisher=True, bias=True)", pu__tail, kurtosis),
};

typedef struct downside_state {
    pu__tail below, all;
} downside_state;

PU__BLOCK(downside) {
    downside_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span belows, alls;
    double sum[PU__BLOCK_BARS];
    double *below = pu__span_open(&state->below, n - 1, &belows), *all = pu__span_open(&state->all, n - 1, &alls);
    for (int t = 0; t < count; ++t) {
        all[t] = block->log_return[t] * block->log_return[t];
        below[t] = block->log_return[t] < 0 ? all[t] : 0;
    }
    pu__span_close(&state->below, n - 1, below, count);
    pu__span_close(&state->all, n - 1, all, count);
    pu__sums(below, n, count, out);
    pu__sums(all, n, count, sum);
    for (int t = 0; t < count; ++t) {
        const double value = out[t] / sum[t] - 0.5;
        out[t] = sqrt(sum[t] / n) > PU__FLAT ? value : 0;
    }
}

const pu_feature pu__feature_downside_share_20 = {
    .name = "downside_share_20",
    .description = "Share of falling bars in the realised variance of 20 bars, less one half.",
    MOMENT(20, "Barndorff-Nielsen, Kinnebrock & Shephard 2010: realised semivariance RS- / RV, less 1/2",
           downside_state, downside),
};

/* r_lag = sum((x[t] - m)(x[t-lag] - m)) / sum((x[t] - m)^2), 0 where the window does not vary. */
static inline void correlations(const double *x, int n, int lag, int count, double *restrict out) {
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS];
    pu__variances(x, n, count, mean, variance);
    pu__products(x, x - lag, n - lag, count, mean, mean, out);
    for (int t = 0; t < count; ++t) {
        const double value = out[t] / (n * variance[t]);
        out[t] = sqrt(variance[t]) > PU__FLAT ? value : 0;
    }
}

PU__BLOCK(autocorrelation) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    const double *x = pu__span_of(memory, n - 1, block->log_return, count, &span);
    correlations(x, n, (int)parameters[1], count, out);
}

PU__BLOCK(autocorrelation_abs) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *size = pu__span_open(memory, n - 1, &span);
    for (int t = 0; t < count; ++t) size[t] = fabs(block->log_return[t]);
    pu__span_close(memory, n - 1, size, count);
    correlations(size, n, (int)parameters[1], count, out);
}

#define AUTOCORRELATION(n, lag, function)                                                  \
    .version = 2, .tags = "shape",                                                         \
    .source = "Box & Jenkins 1970: r_k = sum((x[t] - m)(x[t-k] - m)) / sum((x[t] - m)^2)", \
    PU__PARAMETERS(lag_names, n, lag), .lookback_bars = n, PU__BLOCKS(pu__tail, function)

const pu_feature pu__feature_autocorrelation_20 = {
    .name = "autocorrelation_20",
    .description = "Autocorrelation at lag 1 of the last 20 log returns, 0 where they do not vary.",
    AUTOCORRELATION(20, 1, autocorrelation),
};
const pu_feature pu__feature_autocorrelation_60_lag_1 = {
    .name = "autocorrelation_60_lag_1",
    .description = "Autocorrelation at lag 1 of the last 60 log returns.",
    AUTOCORRELATION(60, 1, autocorrelation),
};
const pu_feature pu__feature_autocorrelation_60_lag_2 = {
    .name = "autocorrelation_60_lag_2",
    .description = "Autocorrelation at lag 2 of the last 60 log returns.",
    AUTOCORRELATION(60, 2, autocorrelation),
};
const pu_feature pu__feature_autocorrelation_60_lag_5 = {
    .name = "autocorrelation_60_lag_5",
    .description = "Autocorrelation at lag 5 of the last 60 log returns.",
    AUTOCORRELATION(60, 5, autocorrelation),
};
const pu_feature pu__feature_autocorrelation_abs_60 = {
    .name = "autocorrelation_abs_60",
    .description = "Autocorrelation at lag 1 of the sizes of the last 60 log returns: volatility in clusters.",
    AUTOCORRELATION(60, 1, autocorrelation_abs),
};
