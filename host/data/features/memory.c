/* Long memory: fractional differences, the Hurst exponent, the variance ratio. */
#include "host/data/features/window.h"

static const char *const fraction_names[] = {"order", "bars"};
static const char *const bars_name[] = {"bars"};
static const char *const ratio_names[] = {"bars", "horizon_bars"};

typedef struct fraction_state {
    pu__roll price;
    double weight[PU__ROLL_BARS_MAX]; /* in the order of the window: the oldest first */
} fraction_state;

/* w_0 = 1, w_k = -w_(k-1) (d - k + 1) / k, cut off after a fixed number of bars. */
static double fraction_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    fraction_state *state = memory;
    const int bars = (int)parameters[1];
    if (index == 0) {
        state->weight[bars - 1] = 1;
        for (int k = 1; k < bars; ++k)
            state->weight[bars - 1 - k] = -state->weight[bars - k] * (parameters[0] - k + 1) / k;
    }
    const double *window = pu__roll_push(&state->price, bars, log(bar->close));
    if (!window) return NAN;
    return pu__dot(state->weight, window, bars);
}

#define FRACTION(order)                                                                        \
    .version = 1, .tags = "memory,level", PU__PARAMETERS(fraction_names, order, 64),           \
    .source = "Lopez de Prado 2018, ch. 5.5: fixed-width window of 64 weights, order " #order, \
    .lookback_bars = 63, PU__UPDATE(fraction_state, fraction_update)

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

/* Range of the summed deviations from the mean over their standard deviation, 0 where there is none. */
static double rescaled_range(const double *x, int n) {
    double centred[PU__ROLL_BARS_MAX];
    const double deviation = sqrt(pu__centre(x, n, centred));
    double sum = 0, highest = 0, lowest = 0;
    for (int i = 0; i < n; ++i) {
        sum += centred[i];
        highest = sum > highest ? sum : highest;
        lowest = sum < lowest ? sum : lowest;
    }
    return pu__over(highest - lowest, deviation);
}

#define RANDOM_WALK 0.5
enum { HURST_SPAN_MIN_BARS = 8 };

/* Slope of ln(R/S) over ln(n) for n = 8, 16, ..., bars; R/S is the mean of the segments that vary. One half, as of
 * a random walk, where fewer than two lengths have one. */
static double hurst_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    if (!window) return NAN;
    double x_sum = 0, y_sum = 0, xx_sum = 0, xy_sum = 0;
    int points = 0;
    for (int n = HURST_SPAN_MIN_BARS; n <= bars; n *= 2) {
        double sum = 0;
        int segments = 0;
        for (int start = 0; start < bars; start += n) {
            const double ratio = rescaled_range(window + start, n);
            sum += ratio;
            segments += ratio > 0;
        }
        if (segments == 0) continue;
        const double x = log(n), y = log(sum / segments);
        x_sum += x, y_sum += y, xx_sum += x * x, xy_sum += x * y;
        points += 1;
    }
    if (points < 2) return RANDOM_WALK;
    return (points * xy_sum - x_sum * y_sum) / (points * xx_sum - x_sum * x_sum);
}

const pu_feature pu__feature_hurst_rs_64 = {
    .name = "hurst_rs_64",
    .version = 1,
    .description = "Hurst exponent of the last 64 log returns by the rescaled range, 0.5 where they do not vary.",
    .tags = "memory",
    .source =
        "Mandelbrot & Wallis 1969: slope of ln(R/S) over ln(n), n = 8, 16, 32, 64; not corrected for small n",
    PU__PARAMETERS(bars_name, 64),
    .lookback_bars = 64,
    PU__UPDATE(pu__returns, hurst_update),
};

static double ratio_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int n = (int)parameters[0], q = (int)parameters[1];
    const double *window = pu__returns_push(memory, n, bar->close, index);
    if (!window) return NAN;
    double centred[PU__ROLL_BARS_MAX];
    const double one = pu__centre(window, n, centred) * n / (n - 1);
    if (sqrt(one) <= PU__FLAT) return 0;
    double squares = 0;
    for (int i = 0; i + q <= n; ++i) {
        const double way = pu__sum(centred + i, q);
        squares += way * way;
    }
    const double count = (double)q * (n - q + 1) * (1 - (double)q / n);
    return squares / count / one - 1;
}

const pu_feature pu__feature_variance_ratio_60_5 = {
    .name = "variance_ratio_60_5",
    .version = 1,
    .description = "Variance of 5-bar returns over 5 times that of 1-bar returns, less 1, over 60 bars.",
    .tags = "memory",
    .source = "Lo & MacKinlay 1988, eq. 12: overlapping, unbiased; above 0 trending, below 0 reverting",
    PU__PARAMETERS(ratio_names, 60, 5),
    .lookback_bars = 60,
    PU__UPDATE(pu__returns, ratio_update),
};

typedef struct efficiency_state {
    pu__roll close;
} efficiency_state;

static double efficiency_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    efficiency_state *state = memory;
    const double *window = pu__roll_push(&state->close, bars + 1, bar->close);
    if (!window) return NAN;
    double path = 0;
    for (int i = 1; i <= bars; ++i) path += fabs(window[i] - window[i - 1]);
    return path > PU__FLAT * bar->close ? fabs(window[bars] - window[0]) / path : 0;
}

#define EFFICIENCY(n)                                                                   \
    .version = 1, .tags = "trend", PU__PARAMETERS(bars_name, n), .lookback_bars = n,    \
    .source = "Kaufman 1995: |close[t] - close[t-n]| / sum of |close[i] - close[i-1]|", \
    PU__UPDATE(efficiency_state, efficiency_update)

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
