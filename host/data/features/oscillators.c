/* RSI and the stochastic oscillator, as TA-Lib defines them. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const stoch_names[] = {"fastk_bars", "slowk_bars", "slowd_bars"};

PU__BLOCK(rsi) {
    double loss[PU__BLOCK_BARS];
    pu__gains_push(memory, (int)parameters[0], block, out, loss);
    for (int t = 0; t < (int)block->count; ++t) out[t] = pu__share(out[t], out[t], loss[t], block->close[t]);
}

const pu_feature pu__feature_rsi_14 = {
    .name = "rsi_14",
    .version = 2,
    .description = "Relative strength index over 14 bars, 0 to 100, 0 in a flat market.",
    .tags = "momentum,talib",
    .source = "TA-Lib RSI(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(pu__gains, rsi),
};

typedef struct stoch_state {
    pu__tail high, low, fast_k, slow_k;
} stoch_state;

/* Slow %K: the mean of fast %K, the place of the close between the lowest low and the highest high. */
static inline void slow_k(stoch_state *state, const double *parameters, const pu_feature_chunk *block,
                          double *restrict out) {
    const int n = (int)parameters[0], smooth = (int)parameters[1], count = (int)block->count;
    pu__span highs, lows, places;
    double highest[PU__BLOCK_BARS], lowest[PU__BLOCK_BARS];
    pu__highest(pu__span_of(&state->high, n - 1, block->high, count, &highs), n, count, highest);
    pu__lowest(pu__span_of(&state->low, n - 1, block->low, count, &lows), n, count, lowest);
    double *fast_k = pu__span_open(&state->fast_k, smooth - 1, &places);
    for (int t = 0; t < count; ++t) fast_k[t] = pu__place(block->close[t], lowest[t], highest[t]);
    pu__span_close(&state->fast_k, smooth - 1, fast_k, count);
    pu__window_means(fast_k, smooth, count, out);
}

PU__BLOCK(stoch_k) { slow_k(memory, parameters, block, out); }

PU__BLOCK(stoch_d) {
    stoch_state *state = memory;
    const int n = (int)parameters[2], count = (int)block->count;
    pu__span span;
    double *k = pu__span_open(&state->slow_k, n - 1, &span);
    slow_k(state, parameters, block, k);
    pu__span_close(&state->slow_k, n - 1, k, count);
    pu__window_means(k, n, count, out);
}

/* TA-Lib gives %K only where %D exists too, hence one lookback for both. */
const pu_feature pu__feature_stoch_k = {
    .name = "stoch_k",
    .version = 2,
    .description = "Slow %K of the stochastic oscillator, 0 to 100, 0 where the range is nil.",
    .tags = "momentum,talib",
    .source = "TA-Lib STOCH(5, 3, 3), slow %K",
    PU__PARAMETERS(stoch_names, 5, 3, 3),
    .lookback_bars = 8,
    PU__BLOCKS(stoch_state, stoch_k),
};

const pu_feature pu__feature_stoch_d = {
    .name = "stoch_d",
    .version = 2,
    .description = "Slow %D of the stochastic oscillator: the mean of the last 3 values of %K.",
    .tags = "momentum,talib",
    .source = "TA-Lib STOCH(5, 3, 3), slow %D",
    PU__PARAMETERS(stoch_names, 5, 3, 3),
    .lookback_bars = 8,
    PU__BLOCKS(stoch_state, stoch_d),
};
