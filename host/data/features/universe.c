/* The asset against the mean log return of all assets of the experiment with a bar at the same close. */
#include "host/data/features/pair.h"

static const char *const bars_name[] = {"bars"};
static const char *const input_names[] = {"universe"};

#define AGAINST_UNIVERSE .version = 1, .input_count = 1, .inputs = input_names

typedef struct excess_state {
    pu__pair pair;
    pu__roll excess;
} excess_state;

/* The last n excess returns; null while there are fewer. */
static const double *push(excess_state *state, int n, const pu_feature_bar *bar, int64_t index) {
    double own = 0, market = 0;
    if (!pu__pair_universe(&state->pair, bar, index, &own, &market)) return NULL;
    return pu__roll_push(&state->excess, n, own - market);
}

static double excess_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = push(memory, bars, bar, index);
    return window ? pu__sum(window, bars) : NAN;
}

#define EXCESS(n)                                                                                           \
    AGAINST_UNIVERSE,                                                                                       \
        .tags = "universe,return", PU__PARAMETERS(bars_name, n), .lookback_bars = (n),                      \
        .source = "sum over n bars of r - m, m the mean log return of the assets with a bar at that close", \
        PU__UPDATE(excess_state, excess_update)

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

static double dispersion_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = push(memory, bars, bar, index);
    return window ? sqrt(pu__variance(window, bars, pu__mean(window, bars))) : NAN;
}

#define DISPERSION(n)                                                                                    \
    AGAINST_UNIVERSE, .tags = "universe,volatility", PU__PARAMETERS(bars_name, n), .lookback_bars = (n), \
                      .source = "population deviation of r - m over n bars: the tracking error per bar", \
                      PU__UPDATE(excess_state, dispersion_update)

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

typedef struct market_state {
    pu__pair pair;
    pu__roll own, market;
} market_state;

static bool push_pair(market_state *state, int n, const pu_feature_bar *bar, int64_t index, pu__moments *out) {
    double own = 0, market = 0;
    if (!pu__pair_universe(&state->pair, bar, index, &own, &market)) return false;
    const double *x = pu__roll_push(&state->own, n, own), *y = pu__roll_push(&state->market, n, market);
    if (!x) return false;
    pu__moments_of(x, y, n, out);
    return true;
}

static double beta_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__moments moments;
    return push_pair(memory, (int)parameters[0], bar, index, &moments) ? pu__moments_beta(&moments) : NAN;
}

const pu_feature pu__feature_universe_beta_60 = {
    .name = "universe_beta_60",
    .description = "Beta to the universe's mean return, of which the asset is a part, over 60 log returns.",
    .tags = "universe",
    .source = "least squares with intercept: cov(r, m) / var(m); 0 where m does not move",
    AGAINST_UNIVERSE,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__UPDATE(market_state, beta_update),
};

static double correlation_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                 int64_t index) {
    pu__moments moments;
    return push_pair(memory, (int)parameters[0], bar, index, &moments) ? pu__moments_correlation(&moments) : NAN;
}

const pu_feature pu__feature_universe_correlation_60 = {
    .name = "universe_correlation_60",
    .description = "Correlation with the universe's mean return, of which the asset is a part, of 60 log returns.",
    .tags = "universe",
    .source = "Pearson: cov(r, m) / (sd(r) sd(m)); 0 where one does not move",
    AGAINST_UNIVERSE,
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 60,
    PU__UPDATE(market_state, correlation_update),
};
