/* The asset against data.benchmark: beta, correlation, what the benchmark does not explain, relative strength. Returns
 * are log returns from one bar of the asset to the next. Values begin when the benchmark has been known for the
 * lookback. */
#include "host/data/features/pair.h"

static const char *const bars_name[] = {"bars"};
static const char *const residual_names[] = {"fit_bars", "bars"};
static const char *const input_names[] = {"benchmark"};

#define AGAINST_BENCHMARK .version = 1, .input_count = 1, .inputs = input_names

typedef struct market_state {
    pu__pair pair;
    pu__roll own, market;
} market_state;

/* The moments of the last n pairs of returns; false while there are fewer. */
static bool push(market_state *state, int n, const pu_feature_bar *bar, int64_t index, pu__moments *out) {
    double own = 0, market = 0;
    if (!pu__pair_benchmark(&state->pair, bar, index, &own, &market)) return false;
    const double *x = pu__roll_push(&state->own, n, own), *y = pu__roll_push(&state->market, n, market);
    if (!x) return false;
    pu__moments_of(x, y, n, out);
    return true;
}

static double beta_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__moments moments;
    return push(memory, (int)parameters[0], bar, index, &moments) ? pu__moments_beta(&moments) : NAN;
}

#define BETA(n)                                                                                               \
    AGAINST_BENCHMARK, .tags = "benchmark", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),               \
                       .source = "least squares with intercept: cov(r, b) / var(b); 0 where b does not move", \
                       PU__UPDATE(market_state, beta_update)

const pu_feature pu__feature_beta_60 = {
    .name = "beta_60", .description = "Beta to the benchmark over 60 log returns.", BETA(60)};
const pu_feature pu__feature_beta_120 = {
    .name = "beta_120", .description = "Beta to the benchmark over 120 log returns.", BETA(120)};

static double correlation_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                 int64_t index) {
    pu__moments moments;
    return push(memory, (int)parameters[0], bar, index, &moments) ? pu__moments_correlation(&moments) : NAN;
}

#define CORRELATION(n)                                                                            \
    AGAINST_BENCHMARK, .tags = "benchmark", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),   \
                       .source = "Pearson: cov(r, b) / (sd(r) sd(b)); 0 where one does not move", \
                       PU__UPDATE(market_state, correlation_update)

const pu_feature pu__feature_benchmark_correlation_20 = {
    .name = "benchmark_correlation_20",
    .description = "Correlation with the benchmark of 20 log returns.",
    CORRELATION(20),
};
const pu_feature pu__feature_benchmark_correlation_60 = {
    .name = "benchmark_correlation_60",
    .description = "Correlation with the benchmark of 60 log returns.",
    CORRELATION(60),
};

/* ---- what the benchmark does not explain ---- */

/* Residuals of the regression on the benchmark, in place of the own returns; their population deviation. */
static double residuals(pu__moments *moments, int n) {
    const double beta = pu__moments_beta(moments);
    for (int i = 0; i < n; ++i) moments->own[i] -= beta * moments->market[i];
    return sqrt(pu__dot(moments->own, moments->own, n) / n);
}

static double residual_volatility_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                         int64_t index) {
    pu__moments moments;
    const int bars = (int)parameters[0];
    return push(memory, bars, bar, index, &moments) ? residuals(&moments, bars) : NAN;
}

const pu_feature pu__feature_residual_volatility_60 = {
    .name = "residual_volatility_60",
    .description = "Volatility per bar that the benchmark does not explain, over 60 log returns.",
    .tags = "benchmark,volatility",
    .source = "population deviation of r - a - beta b, a and beta by least squares over the same 60",
    AGAINST_BENCHMARK,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__UPDATE(market_state, residual_volatility_update),
};

static double residual_momentum_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                       int64_t index) {
    pu__moments moments;
    const int fit_bars = (int)parameters[0], bars = (int)parameters[1];
    if (!push(memory, fit_bars, bar, index, &moments)) return NAN;
    const double deviation = residuals(&moments, fit_bars);
    return pu__over(pu__sum(moments.own + fit_bars - bars, bars), deviation) / sqrt(bars);
}

const pu_feature pu__feature_residual_momentum_20 = {
    .name = "residual_momentum_20",
    .description = "Sum of the last 20 returns that the benchmark does not explain, in units of their deviation.",
    .tags = "benchmark,momentum",
    .source = "after Blitz, Huij & Martens 2011: sum(e[t-19..t]) / (sd(e) sqrt(20)), e = r - a - beta b by least "
              "squares over 120 returns, population deviation",
    AGAINST_BENCHMARK,
    PU__PARAMETERS(residual_names, 120, 20),
    .lookback_bars = 120,
    PU__UPDATE(market_state, residual_momentum_update),
};

/* ---- relative strength ---- */

typedef struct strength_state {
    pu__roll ratio;
} strength_state;

static double strength_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    strength_state *state = memory;
    const double level = bar->input[0].value;
    if (isnan(level)) return NAN;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(&state->ratio, bars + 1, bar->close / level);
    return window ? log(window[bars] / window[0]) : NAN;
}

#define STRENGTH(n)                                                                                   \
    AGAINST_BENCHMARK,                                                                                \
        .tags = "benchmark,return", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),               \
        .source = "log(close[t] / close[t-n]) - log(benchmark[t] / benchmark[t-n]), adjusted prices", \
        PU__UPDATE(strength_state, strength_update)

const pu_feature pu__feature_relative_strength_20 = {
    .name = "relative_strength_20",
    .description = "Log return over 20 bars less the benchmark's.",
    STRENGTH(20),
};
const pu_feature pu__feature_relative_strength_60 = {
    .name = "relative_strength_60",
    .description = "Log return over 60 bars less the benchmark's.",
    STRENGTH(60),
};
