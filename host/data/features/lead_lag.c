/* Does the market lead the asset? The correlation of the asset's return with what the benchmark, or the mean of the
 * universe, did one or five bars earlier. */
#include "host/data/features/pair.h"

static const char *const lag_names[] = {"bars", "lag_bars"};
static const char *const benchmark_input[] = {"benchmark"};
static const char *const universe_input[] = {"universe"};

typedef struct lag_state {
    pu__pair pair;
    pu__roll own, market;
} lag_state;

/* The market's window is longer by the lag: its first n returns are those before the asset's n. */
static double correlation(lag_state *state, const double *parameters, double own, double market) {
    const int bars = (int)parameters[0], lag_bars = (int)parameters[1];
    const double *x = pu__roll_push(&state->own, bars, own);
    const double *y = pu__roll_push(&state->market, bars + lag_bars, market);
    if (!y) return NAN;
    pu__moments moments;
    pu__moments_of(x, y, bars, &moments);
    return pu__moments_correlation(&moments);
}

static double benchmark_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    lag_state *state = memory;
    double own = 0, market = 0;
    if (!pu__pair_benchmark(&state->pair, bar, index, &own, &market)) return NAN;
    return correlation(state, parameters, own, market);
}

static double universe_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    lag_state *state = memory;
    double own = 0, market = 0;
    if (!pu__pair_universe(&state->pair, bar, index, &own, &market)) return NAN;
    return correlation(state, parameters, own, market);
}

#define LEAD(whose, label, n, lag)                                                                           \
    const pu_feature pu__feature_##whose##_lead_##n##_lag_##lag = {                                          \
        .name = #whose "_lead_" #n "_lag_" #lag,                                                             \
        .version = 1,                                                                                        \
        .description = "Correlation of " #n " log returns with those of the " label ", lagged by " #lag ".", \
        .tags = "lead_lag," #whose,                                                                          \
        .source = "Pearson: corr(r[t], m[t-lag]) over n bars; Lo & MacKinlay 1990; 0 where one rests",       \
        .input_count = 1,                                                                                    \
        .inputs = whose##_input,                                                                             \
        PU__PARAMETERS(lag_names, n, lag),                                                                   \
        .lookback_bars = (n) + (lag),                                                                        \
        PU__UPDATE(lag_state, whose##_update)};

LEAD(benchmark, "benchmark", 20, 1)
LEAD(benchmark, "benchmark", 20, 5)
LEAD(benchmark, "benchmark", 60, 1)
LEAD(benchmark, "benchmark", 60, 5)
LEAD(universe, "universe's mean", 20, 1)
LEAD(universe, "universe's mean", 20, 5)
LEAD(universe, "universe's mean", 60, 1)
LEAD(universe, "universe's mean", 60, 5)

typedef struct previous_state {
    pu__pair pair;
    double last;
    bool has_last;
} previous_state;

static double previous_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    previous_state *state = memory;
    double own = 0, market = 0;
    if (!pu__pair_benchmark(&state->pair, bar, index, &own, &market)) return NAN;
    const double previous = state->has_last ? state->last : NAN;
    state->last = market;
    state->has_last = true;
    return previous;
}

const pu_feature pu__feature_benchmark_return_lag_1 = {
    .name = "benchmark_return_lag_1",
    .version = 1,
    .description = "The benchmark's log return over the bar before.",
    .tags = "lead_lag,benchmark,return",
    .source = "log(benchmark[t-1] / benchmark[t-2]), as of the asset's bars",
    .input_count = 1,
    .inputs = benchmark_input,
    .lookback_bars = 2,
    PU__UPDATE(previous_state, previous_update),
};
