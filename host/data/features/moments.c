/* The distribution of the last log returns: moments, downside, autocorrelations. skewness_20 and autocorrelation_20
 * are in shape.c. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const lag_names[] = {"bars", "lag_bars"};

/* The mean of z^power over the window, z in population standard deviations from the mean; less `normal`, what a
 * normal distribution has. 0 where the window does not vary. */
static double moment(const double *x, int n, int power, double normal) {
    double centred[PU__ROLL_BARS_MAX], square[PU__ROLL_BARS_MAX];
    const double variance = pu__centre(x, n, centred);
    if (sqrt(variance) <= PU__FLAT) return 0;
    for (int i = 0; i < n; ++i) square[i] = centred[i] * centred[i];
    const double sum = pu__dot(square, power == 3 ? centred : square, n);
    return sum / (n * variance * (power == 3 ? sqrt(variance) : variance)) - normal;
}

static double skewness_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    return window ? moment(window, bars, 3, 0) : NAN;
}

static double kurtosis_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    return window ? moment(window, bars, 4, 3) : NAN;
}

#define MOMENT(n, formula, function)                                                                    \
    .version = 1, .tags = "shape", .source = formula, PU__PARAMETERS(bars_name, n), .lookback_bars = n, \
    PU__UPDATE(pu__returns, function)

const pu_feature pu__feature_skewness_60 = {
    .name = "skewness_60",
    .description = "Skewness of the last 60 log returns, 0 where they do not vary.",
    MOMENT(60, "scipy.stats.skew(r, bias=True)", skewness_update),
};
const pu_feature pu__feature_skewness_120 = {
    .name = "skewness_120",
    .description = "Skewness of the last 120 log returns, 0 where they do not vary.",
    MOMENT(120, "scipy.stats.skew(r, bias=True)", skewness_update),
};
const pu_feature pu__feature_kurtosis_20 = {
    .name = "kurtosis_20",
    .description = "Excess kurtosis of the last 20 log returns, 0 where they do not vary.",
    MOMENT(20, "scipy.stats.kurtosis(r, fisher=True, bias=True)", kurtosis_update),
};
const pu_feature pu__feature_kurtosis_60 = {
    .name = "kurtosis_60",
    .description = "Excess kurtosis of the last 60 log returns, 0 where they do not vary.",
    MOMENT(60, "scipy.stats.kurtosis(r, fisher=True, bias=True)", kurtosis_update),
};
const pu_feature pu__feature_kurtosis_120 = {
    .name = "kurtosis_120",
    .description = "Excess kurtosis of the last 120 log returns, 0 where they do not vary.",
    MOMENT(120, "scipy.stats.kurtosis(r, fisher=True, bias=True)", kurtosis_update),
};

static double downside_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    if (!window) return NAN;
    double below = 0, all = 0;
    for (int i = 0; i < bars; ++i) {
        const double square = window[i] * window[i];
        all += square;
        below += window[i] < 0 ? square : 0;
    }
    return sqrt(all / bars) > PU__FLAT ? below / all - 0.5 : 0;
}

const pu_feature pu__feature_downside_share_20 = {
    .name = "downside_share_20",
    .description = "Share of falling bars in the realised variance of 20 bars, less one half.",
    MOMENT(20, "Barndorff-Nielsen, Kinnebrock & Shephard 2010: realised semivariance RS- / RV, less 1/2",
           downside_update),
};

/* r_lag = sum((x[t] - m)(x[t-lag] - m)) / sum((x[t] - m)^2), 0 where the window does not vary. */
static double correlation_at(const double *x, int n, int lag) {
    double centred[PU__ROLL_BARS_MAX];
    const double variance = pu__centre(x, n, centred);
    return sqrt(variance) > PU__FLAT ? pu__dot(centred + lag, centred, n - lag) / (n * variance) : 0;
}

static double autocorrelation_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                     int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    return window ? correlation_at(window, bars, (int)parameters[1]) : NAN;
}

static double autocorrelation_abs_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                         int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    if (!window) return NAN;
    double size[PU__ROLL_BARS_MAX];
    for (int i = 0; i < bars; ++i) size[i] = fabs(window[i]);
    return correlation_at(size, bars, (int)parameters[1]);
}

#define AUTOCORRELATION(lag, function)                                                     \
    .version = 1, .tags = "shape",                                                         \
    .source = "Box & Jenkins 1970: r_k = sum((x[t] - m)(x[t-k] - m)) / sum((x[t] - m)^2)", \
    PU__PARAMETERS(lag_names, 60, lag), .lookback_bars = 60, PU__UPDATE(pu__returns, function)

const pu_feature pu__feature_autocorrelation_60_lag_1 = {
    .name = "autocorrelation_60_lag_1",
    .description = "Autocorrelation at lag 1 of the last 60 log returns.",
    AUTOCORRELATION(1, autocorrelation_update),
};
const pu_feature pu__feature_autocorrelation_60_lag_2 = {
    .name = "autocorrelation_60_lag_2",
    .description = "Autocorrelation at lag 2 of the last 60 log returns.",
    AUTOCORRELATION(2, autocorrelation_update),
};
const pu_feature pu__feature_autocorrelation_60_lag_5 = {
    .name = "autocorrelation_60_lag_5",
    .description = "Autocorrelation at lag 5 of the last 60 log returns.",
    AUTOCORRELATION(5, autocorrelation_update),
};
const pu_feature pu__feature_autocorrelation_abs_60 = {
    .name = "autocorrelation_abs_60",
    .description = "Autocorrelation at lag 1 of the sizes of the last 60 log returns: volatility in clusters.",
    AUTOCORRELATION(1, autocorrelation_abs_update),
};
