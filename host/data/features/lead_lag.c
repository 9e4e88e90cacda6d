/* Does the market lead the asset? The correlation of the asset's return with what the benchmark, or the mean of the
 * universe, did one or five bars earlier. */
#include "host/data/features/pair.h"

static const char *const lag_names[] = {"bars", "lag_bars"};
static const char *const benchmark_input[] = {"benchmark"};
static const char *const universe_input[] = {"universe"};

/* The market's window ends lag bars before the asset's. */
static inline void leads(pu__market market, void *memory, const double *parameters, const pu_feature_chunk *block,
                         double *restrict out) {
    const int n = (int)parameters[0], lag_bars = (int)parameters[1], count = (int)block->count;
    pu__pair pair;
    pu__moments moments;
    pu__pair_of(memory, market, n - 1, lag_bars, block, &pair);
    pu__moments_of(pair.own, pair.market - lag_bars, n, count, &moments);
    pu__correlations(&moments, count, out);
}

PU__BLOCK(benchmark) { leads(PU__OF_BENCHMARK, memory, parameters, block, out); }

PU__BLOCK(universe) { leads(PU__OF_UNIVERSE, memory, parameters, block, out); }

#define LEAD(whose, label, n, lag)                                                                           \
    const pu_feature pu__feature_##whose##_lead_##n##_lag_##lag = {                                          \
        .name = #whose "_lead_" #n "_lag_" #lag,                                                             \
        .version = 2,                                                                                        \
        .description = "Correlation of " #n " log returns with those of the " label ", lagged by " #lag ".", \
        .tags = "lead_lag," #whose,                                                                          \
        .source = "Pearson: corr(r[t], m[t-lag]) over n bars; Lo & MacKinlay 1990; 0 where one rests",       \
        .input_count = 1,                                                                                    \
        .inputs = whose##_input,                                                                             \
        PU__PARAMETERS(lag_names, n, lag),                                                                   \
        .lookback_bars = (n) + (lag),                                                                        \
        PU__BLOCKS(pu__pair_tails, whose)};

LEAD(benchmark, "benchmark", 20, 1)
LEAD(benchmark, "benchmark", 20, 5)
LEAD(benchmark, "benchmark", 60, 1)
LEAD(benchmark, "benchmark", 60, 5)
LEAD(universe, "universe's mean", 20, 1)
LEAD(universe, "universe's mean", 20, 5)
LEAD(universe, "universe's mean", 60, 1)
LEAD(universe, "universe's mean", 60, 5)

typedef struct previous_state {
    pu__tail level, market;
} previous_state;

PU__BLOCK(previous) {
    previous_state *state = memory;
    const int count = (int)block->count;
    pu__span span;
    double *y = pu__span_open(&state->market, 1, &span);
    pu__market_returns(PU__OF_BENCHMARK, &state->level, block, y);
    pu__span_close(&state->market, 1, y, count);
    memcpy(out, y - 1, (size_t)count * sizeof *out);
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
    PU__BLOCKS(previous_state, previous),
};
