/* The asset against data.benchmark: beta, correlation, what the benchmark does not explain, relative strength. Returns
 * are log returns from one bar of the asset to the next. Values begin when the benchmark has been known for the
 * lookback. */
#include "host/data/features/pair.h"

static const char *const bars_name[] = {"bars"};
static const char *const residual_names[] = {"fit_bars", "bars"};
static const char *const input_names[] = {"benchmark"};

#define AGAINST_BENCHMARK .version = 1, .input_count = 1, .inputs = input_names

PU__BLOCK(beta) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__pair pair;
    pu__moments moments;
    pu__pair_of(memory, PU__OF_BENCHMARK, n - 1, 0, block, &pair);
    pu__moments_of(pair.own, pair.market, n, count, &moments);
    pu__betas(&moments, count, out);
}

#define BETA(n)                                                                                               \
    AGAINST_BENCHMARK, .tags = "benchmark", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),               \
                       .source = "least squares with intercept: cov(r, b) / var(b); 0 where b does not move", \
                       PU__BLOCKS(pu__pair_tails, beta)

const pu_feature pu__feature_beta_60 = {
    .name = "beta_60", .description = "Beta to the benchmark over 60 log returns.", BETA(60)};
const pu_feature pu__feature_beta_120 = {
    .name = "beta_120", .description = "Beta to the benchmark over 120 log returns.", BETA(120)};

PU__BLOCK(correlation) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__pair pair;
    pu__moments moments;
    pu__pair_of(memory, PU__OF_BENCHMARK, n - 1, 0, block, &pair);
    pu__moments_of(pair.own, pair.market, n, count, &moments);
    pu__correlations(&moments, count, out);
}

#define CORRELATION(n)                                                                                        \
    .version = 2, .input_count = 1, .inputs = input_names, .tags = "benchmark", PU__PARAMETERS(bars_name, n), \
    .lookback_bars = (n), .source = "Pearson: cov(r, b) / (sd(r) sd(b)); 0 where one does not move",          \
    PU__BLOCKS(pu__pair_tails, correlation)

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

/* Over n pairs: the population deviation of the residuals of the regression on the benchmark, and the sum of the last
 * `bars` residuals. Residual by residual: the difference of the variances would leave nothing of an asset that is
 * nearly its benchmark. */
static inline void residuals(const pu__pair *pair, int n, int bars, int count, double *restrict deviation,
                             double *restrict sum) {
    pu__moments moments;
    double beta[PU__BLOCK_BARS];
    pu__moments_of(pair->own, pair->market, n, count, &moments);
    pu__betas(&moments, count, beta);
    for (int t = 0; t < count; ++t) deviation[t] = sum[t] = 0;
    for (int back = n - 1; back >= 0; --back) {
        const double *x = pair->own - back, *y = pair->market - back, counts = back < bars ? 1 : 0;
        for (int t = 0; t < count; ++t) {
            const double residual = x[t] - moments.own_mean[t] - beta[t] * (y[t] - moments.market_mean[t]);
            deviation[t] += residual * residual;
            sum[t] += counts * residual;
        }
    }
    for (int t = 0; t < count; ++t) deviation[t] = sqrt(deviation[t] / n);
}

PU__BLOCK(residual_volatility) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__pair pair;
    double sum[PU__BLOCK_BARS];
    pu__pair_of(memory, PU__OF_BENCHMARK, n - 1, 0, block, &pair);
    residuals(&pair, n, 0, count, out, sum);
}

const pu_feature pu__feature_residual_volatility_60 = {
    .name = "residual_volatility_60",
    .description = "Volatility per bar that the benchmark does not explain, over 60 log returns.",
    .tags = "benchmark,volatility",
    .source = "population deviation of r - a - beta b, a and beta by least squares over the same 60",
    AGAINST_BENCHMARK,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__BLOCKS(pu__pair_tails, residual_volatility),
};

PU__BLOCK(residual_momentum) {
    const int n = (int)parameters[0], bars = (int)parameters[1], count = (int)block->count;
    pu__pair pair;
    double deviation[PU__BLOCK_BARS];
    pu__pair_of(memory, PU__OF_BENCHMARK, n - 1, 0, block, &pair);
    residuals(&pair, n, bars, count, deviation, out);
    for (int t = 0; t < count; ++t) {
        const double value = out[t] / deviation[t] / sqrt(bars);
        out[t] = deviation[t] <= PU__FLAT ? 0 : value;
    }
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
    PU__BLOCKS(pu__pair_tails, residual_momentum),
};

/* ---- relative strength ---- */

PU__BLOCK(strength) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *ratio = pu__span_open(memory, n, &span), change[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) ratio[t] = block->close[t] / block->input[t].value;
    pu__span_close(memory, n, ratio, count);
    for (int t = 0; t < count; ++t) change[t] = ratio[t] / ratio[t - n];
    pu__logs(change, count, out);
}

#define STRENGTH(n)                                                                                   \
    AGAINST_BENCHMARK,                                                                                \
        .tags = "benchmark,return", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),               \
        .source = "log(close[t] / close[t-n]) - log(benchmark[t] / benchmark[t-n]), adjusted prices", \
        PU__BLOCKS(pu__tail, strength)

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
