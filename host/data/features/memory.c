/* Long memory: fractional differences, the Hurst exponent, the variance ratio. */
#include "host/data/features/columns.h"

static const char *const fraction_names[] = {"order", "bars"};
static const char *const bars_name[] = {"bars"};
static const char *const ratio_names[] = {"bars", "horizon_bars"};

typedef struct fraction_state {
    pu__tail price;
    double weight[PU__TAIL_BARS_MAX]; /* in the order of the window: the oldest first */
} fraction_state;

/* w_0 = 1, w_k = -w_(k-1) (d - k + 1) / k, cut off after a fixed number of bars. */
PU__BLOCK(fraction) {
    fraction_state *state = memory;
    const int n = (int)parameters[1], count = (int)block->count;
    if (block->first == 0) {
        state->weight[n - 1] = 1;
        for (int k = 1; k < n; ++k) state->weight[n - 1 - k] = -state->weight[n - k] * (parameters[0] - k + 1) / k;
    }
    pu__span span;
    double *price = pu__span_open(&state->price, n - 1, &span);
    pu__logs(block->close, count, price);
    pu__span_close(&state->price, n - 1, price, count);
    pu__dots(state->weight, price, n, count, out);
}

#define FRACTION(order)                                                                        \
    .version = 2, .tags = "memory,level", PU__PARAMETERS(fraction_names, order, 64),           \
    .source = "Lopez de Prado 2018, ch. 5.5: fixed-width window of 64 weights, order " #order, \
    .lookback_bars = 63, PU__BLOCKS(fraction_state, fraction)

const pu_feature pu__feature_fracdiff_02 = {
    .name = "fracdiff_02",
    .description = "Log close, fractionally differenced by 0.2 over 64 bars; it keeps part of the price level.",
    FRACTION(0.2),
};
const pu_feature pu__feature_fracdiff_04 = {
    .name = "fracdiff_04",
    .description = "Log close, fractionally differenced by 0.4 over 64 bars; it keeps part of the price level.",
    FRACTION(0.4),
};
const pu_feature pu__feature_fracdiff_06 = {
    .name = "fracdiff_06",
    .description = "Log close, fractionally differenced by 0.6 over 64 bars; it keeps part of the price level.",
    FRACTION(0.6),
};

/* Range of the summed deviations from the mean over their standard deviation, 0 where there is none, of each window of
 * n values. */
PU__WIDTHS static void rescaled_ranges(const double *x, int n, int count, double *restrict out) {
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS];
    double sum[PU__BLOCK_BARS], highest[PU__BLOCK_BARS], lowest[PU__BLOCK_BARS];
    pu__variances(x, n, count, mean, variance);
    for (int t = 0; t < count; ++t) sum[t] = highest[t] = lowest[t] = 0;
    for (int k = 0; k + 2 <= n; k += 2) {
        const double *w = x - (n - 1) + k;
        for (int t = 0; t < count; ++t) {
            const double a = sum[t] + (w[t] - mean[t]), b = a + (w[t + 1] - mean[t]);
            const double more = a > b ? a : b, less = a < b ? a : b;
            highest[t] = more > highest[t] ? more : highest[t];
            lowest[t] = less < lowest[t] ? less : lowest[t];
            sum[t] = b;
        }
    }
    for (int t = 0; t < count; ++t) out[t] = pu__over(highest[t] - lowest[t], sqrt(variance[t]));
}

#define RANDOM_WALK 0.5
enum { HURST_SPAN_MIN_BARS = 8, HURST_SPANS_MAX = 4 };

typedef struct hurst_state {
    pu__tail returns, ratio[HURST_SPANS_MAX];
} hurst_state;

/* For windows of `bars` in segments of n: ln of the mean R/S of the segments that vary, and whether there is one. A
 * segment's ratio belongs to the bar it ends at, whichever windows it is part of. */
static inline void mean_ratios(pu__tail *tail, const double *x, int n, int bars, int count, double *restrict value,
                               double *restrict known) {
    pu__span span;
    double segments[PU__BLOCK_BARS];
    double *ratio = pu__span_open(tail, bars - n, &span);
    rescaled_ranges(x, n, count, ratio);
    pu__span_close(tail, bars - n, ratio, count);
    for (int t = 0; t < count; ++t) value[t] = segments[t] = 0;
    for (int back = bars - n; back >= 0; back -= n) {
        for (int t = 0; t < count; ++t) {
            value[t] += ratio[t - back];
            segments[t] += ratio[t - back] > 0 ? 1 : 0;
        }
    }
    for (int t = 0; t < count; ++t) {
        known[t] = segments[t] > 0 ? 1 : 0;
        value[t] = segments[t] > 0 ? value[t] / segments[t] : 1;
    }
    pu__logs(value, count, value);
}

/* Slope of ln(R/S) over ln(n) for n = 8, 16, ..., bars; R/S is the mean of the segments that vary. One half, as of
 * a random walk, where fewer than two lengths have one. */
PU__BLOCK(hurst) {
    hurst_state *state = memory;
    const int bars = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double x_sum[PU__BLOCK_BARS], y_sum[PU__BLOCK_BARS], xx_sum[PU__BLOCK_BARS], xy_sum[PU__BLOCK_BARS];
    double points[PU__BLOCK_BARS], y[PU__BLOCK_BARS], known[PU__BLOCK_BARS];
    const double *returns = pu__span_of(&state->returns, bars - 1, block->log_return, count, &span);
    for (int t = 0; t < count; ++t) x_sum[t] = y_sum[t] = xx_sum[t] = xy_sum[t] = points[t] = 0;
    for (int n = HURST_SPAN_MIN_BARS, i = 0; n <= bars; n *= 2, ++i) {
        const double x = log(n);
        mean_ratios(&state->ratio[i], returns, n, bars, count, y, known);
        for (int t = 0; t < count; ++t) {
            x_sum[t] += known[t] * x, xx_sum[t] += known[t] * x * x;
            y_sum[t] += known[t] * y[t], xy_sum[t] += known[t] * x * y[t];
            points[t] += known[t];
        }
    }
    for (int t = 0; t < count; ++t) {
        const double slope =
            (points[t] * xy_sum[t] - x_sum[t] * y_sum[t]) / (points[t] * xx_sum[t] - x_sum[t] * x_sum[t]);
        out[t] = points[t] >= 2 ? slope : RANDOM_WALK;
    }
}

const pu_feature pu__feature_hurst_rs_64 = {
    .name = "hurst_rs_64",
    .version = 2,
    .description = "Hurst exponent of the last 64 log returns by the rescaled range, 0.5 where they do not vary.",
    .tags = "memory",
    .source =
        "Mandelbrot & Wallis 1969: slope of ln(R/S) over ln(n), n = 8, 16, 32, 64; not corrected for small n",
    PU__PARAMETERS(bars_name, 64),
    .lookback_bars = 64,
    PU__BLOCKS(hurst_state, hurst),
};

PU__BLOCK(variance_ratio) {
    const int n = (int)parameters[0], q = (int)parameters[1], ways = n - q + 1, count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS], way[PU__SPAN_BARS_MAX];
    const double *x = pu__span_of(memory, n - 1, block->log_return, count, &span);
    pu__variances(x, n, count, mean, variance);
    pu__sums(x - (ways - 1), q, count + ways - 1, way);
    for (int t = 0; t < count; ++t) mean[t] *= q;
    pu__deviations(PU__SQUARES, way + ways - 1, ways, count, mean, out);
    const double scale = (double)q * ways * (1 - (double)q / n), unbiased = (double)n / (n - 1);
    for (int t = 0; t < count; ++t) {
        const double one = variance[t] * unbiased, value = out[t] / scale / one - 1;
        out[t] = sqrt(one) > PU__FLAT ? value : 0;
    }
}

const pu_feature pu__feature_variance_ratio_60_5 = {
    .name = "variance_ratio_60_5",
    .version = 2,
    .description = "Variance of 5-bar returns over 5 times that of 1-bar returns, less 1, over 60 bars.",
    .tags = "memory",
    .source = "Lo & MacKinlay 1988, eq. 12: overlapping, unbiased; above 0 trending, below 0 reverting",
    PU__PARAMETERS(ratio_names, 60, 5),
    .lookback_bars = 60,
    PU__BLOCKS(pu__tail, variance_ratio),
};

typedef struct efficiency_state {
    pu__tail close, step;
} efficiency_state;

PU__BLOCK(efficiency) {
    efficiency_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span closes, steps;
    const double *close = pu__span_of(&state->close, n, block->close, count, &closes);
    double *step = pu__span_open(&state->step, n - 1, &steps);
    for (int t = 0; t < count; ++t) step[t] = fabs(close[t] - close[t - 1]);
    pu__span_close(&state->step, n - 1, step, count);
    pu__sums(step, n, count, out);
    for (int t = 0; t < count; ++t) {
        const double ratio = fabs(close[t] - close[t - n]) / out[t];
        out[t] = out[t] > PU__FLAT * close[t] ? ratio : 0;
    }
}

#define EFFICIENCY(n)                                                                   \
    .version = 2, .tags = "trend", PU__PARAMETERS(bars_name, n), .lookback_bars = n,    \
    .source = "Kaufman 1995: |close[t] - close[t-n]| / sum of |close[i] - close[i-1]|", \
    PU__BLOCKS(efficiency_state, efficiency)

const pu_feature pu__feature_efficiency_ratio_10 = {
    .name = "efficiency_ratio_10",
    .description = "Way over path of the close in 10 bars: 1 for a straight line, near 0 for noise.",
    EFFICIENCY(10),
};
const pu_feature pu__feature_efficiency_ratio_30 = {
    .name = "efficiency_ratio_30",
    .description = "Way over path of the close in 30 bars: 1 for a straight line, near 0 for noise.",
    EFFICIENCY(30),
};
