/* RSI and the stochastic oscillator, as TA-Lib defines them. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const stoch_names[] = {"fastk_bars", "slowk_bars", "slowd_bars"};

static double rsi_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__gains *gains = memory;
    pu__gains_push(gains, parameters[0], bar->close, index);
    return pu__gains_share(gains, gains->gain);
}

const pu_feature pu__feature_rsi_14 = {
    .name = "rsi_14",
    .version = 1,
    .description = "Relative strength index over 14 bars, 0 to 100, 0 in a flat market.",
    .tags = "momentum,talib",
    .source = "TA-Lib RSI(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(pu__gains, rsi_update),
};

typedef struct stoch_state {
    pu__roll high, low, fast_k, slow_k;
} stoch_state;

static double stoch_fast_k(stoch_state *state, int bars, const pu_feature_bar *bar) {
    const double *high = pu__roll_push(&state->high, bars, bar->high);
    const double *low = pu__roll_push(&state->low, bars, bar->low);
    if (!high || !low) return NAN;
    double highest = high[0], lowest = low[0];
    for (int i = 1; i < bars; ++i) {
        highest = high[i] > highest ? high[i] : highest;
        lowest = low[i] < lowest ? low[i] : lowest;
    }
    return highest - lowest > PU__ZERO_RATIO * highest ? 100 * (bar->close - lowest) / (highest - lowest) : 0;
}

static double stoch_slow_k(stoch_state *state, const double *parameters, const pu_feature_bar *bar) {
    const double fast_k = stoch_fast_k(state, (int)parameters[0], bar);
    if (isnan(fast_k)) return NAN;
    const int bars = (int)parameters[1];
    const double *window = pu__roll_push(&state->fast_k, bars, fast_k);
    return window ? pu__sum(window, bars) / bars : NAN;
}

static double stoch_k_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return stoch_slow_k(memory, parameters, bar);
}

static double stoch_d_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    stoch_state *state = memory;
    const double slow_k = stoch_slow_k(state, parameters, bar);
    if (isnan(slow_k)) return NAN;
    const int bars = (int)parameters[2];
    const double *window = pu__roll_push(&state->slow_k, bars, slow_k);
    return window ? pu__sum(window, bars) / bars : NAN;
}

/* TA-Lib gives %K only where %D exists too, hence one lookback for both. */
const pu_feature pu__feature_stoch_k = {
    .name = "stoch_k",
    .version = 1,
    .description = "Slow %K of the stochastic oscillator, 0 to 100, 0 where the range is nil.",
    .tags = "momentum,talib",
    .source = "TA-Lib STOCH(5, 3, 3), slow %K",
    PU__PARAMETERS(stoch_names, 5, 3, 3),
    .lookback_bars = 8,
    PU__UPDATE(stoch_state, stoch_k_update),
};

const pu_feature pu__feature_stoch_d = {
    .name = "stoch_d",
    .version = 1,
    .description = "Slow %D of the stochastic oscillator: the mean of the last 3 values of %K.",
    .tags = "momentum,talib",
    .source = "TA-Lib STOCH(5, 3, 3), slow %D",
    PU__PARAMETERS(stoch_names, 5, 3, 3),
    .lookback_bars = 8,
    PU__UPDATE(stoch_state, stoch_d_update),
};
