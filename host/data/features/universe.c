/* The asset against the mean log return of all assets of the experiment with a bar at the same close. */
#include "host/data/features/pair.h"

static const char *const bars_name[] = {"bars"};
static const char *const input_names[] = {"universe"};

#define AGAINST_UNIVERSE .version = 1, .input_count = 1, .inputs = input_names

/* Returns over the universe's, with the n - 1 before in front. */
static inline const double *excess_of(pu__tail *tail, int n, const pu_feature_chunk *block, pu__span *span) {
    const int count = (int)block->count;
    double *x = pu__span_open(tail, n - 1, span);
    for (int t = 0; t < count; ++t) x[t] = block->log_return[t] - block->input[t].value;
    pu__span_close(tail, n - 1, x, count);
    return x;
}

PU__BLOCK(excess) {
    const int n = (int)parameters[0];
    pu__span span;
    pu__sums(excess_of(memory, n, block, &span), n, (int)block->count, out);
}

#define EXCESS(n)                                                                                           \
    AGAINST_UNIVERSE,                                                                                       \
        .tags = "universe,return", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),                      \
        .source = "sum over n bars of r - m, m the mean log return of the assets with a bar at that close", \
        PU__BLOCKS(pu__tail, excess)

const pu_feature pu__feature_universe_excess_1 = {
    .name = "universe_excess_1",
    .description = "Log return of the bar less the universe's mean.",
    EXCESS(1),
};
const pu_feature pu__feature_universe_excess_5 = {
    .name = "universe_excess_5",
    .description = "Log return over 5 bars less the universe's mean.",
    EXCESS(5),
};
const pu_feature pu__feature_universe_excess_20 = {
    .name = "universe_excess_20",
    .description = "Log return over 20 bars less the universe's mean.",
    EXCESS(20),
};

PU__BLOCK(dispersion) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS];
    pu__variances(excess_of(memory, n, block, &span), n, count, mean, out);
    for (int t = 0; t < count; ++t) out[t] = sqrt(out[t]);
}

#define DISPERSION(n)                                                                                    \
    AGAINST_UNIVERSE, .tags = "universe,volatility", PU__PARAMETERS(bars_name, n), .lookback_bars = (n), \
                      .source = "population deviation of r - m over n bars: the tracking error per bar", \
                      PU__BLOCKS(pu__tail, dispersion)

const pu_feature pu__feature_universe_dispersion_20 = {
    .name = "universe_dispersion_20",
    .description = "Dispersion of the asset's returns about the universe's mean, 20 bars.",
    DISPERSION(20),
};
const pu_feature pu__feature_universe_dispersion_60 = {
    .name = "universe_dispersion_60",
    .description = "Dispersion of the asset's returns about the universe's mean, 60 bars.",
    DISPERSION(60),
};

PU__BLOCK(beta) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__pair pair;
    pu__moments moments;
    pu__pair_of(memory, PU__OF_UNIVERSE, n - 1, 0, block, &pair);
    pu__moments_of(pair.own, pair.market, n, count, &moments);
    pu__betas(&moments, count, out);
}

const pu_feature pu__feature_universe_beta_60 = {
    .name = "universe_beta_60",
    .description = "Beta to the universe's mean return, of which the asset is a part, over 60 log returns.",
    .tags = "universe",
    .source = "least squares with intercept: cov(r, m) / var(m); 0 where m does not move",
    AGAINST_UNIVERSE,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__BLOCKS(pu__pair_tails, beta),
};

PU__BLOCK(correlation) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__pair pair;
    pu__moments moments;
    pu__pair_of(memory, PU__OF_UNIVERSE, n - 1, 0, block, &pair);
    pu__moments_of(pair.own, pair.market, n, count, &moments);
    pu__correlations(&moments, count, out);
}

const pu_feature pu__feature_universe_correlation_60 = {
    .name = "universe_correlation_60",
    .description = "Correlation with the universe's mean return, of which the asset is a part, of 60 log returns.",
    .tags = "universe",
    .source = "Pearson: cov(r, m) / (sd(r) sd(m)); 0 where one does not move",
    AGAINST_UNIVERSE,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__BLOCKS(pu__pair_tails, correlation),
};
