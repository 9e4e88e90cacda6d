/* The close against its moving averages and its Bollinger band. */
#include "host/data/features/rolling.h"

static const char *const average_names[] = {"bars", "volatility_span_bars"};
static const char *const band_names[] = {"bars", "deviations"};

/* Distance from the average as a share of it, in units of the volatility of n bars. */
static double in_volatility(double close, double average, double volatility, double bars) {
    return pu__over(close / average - 1, volatility) / sqrt(bars);
}

typedef struct sma_state {
    pu__roll close;
    pu__volatility volatility;
} sma_state;

static double sma_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    sma_state *state = memory;
    const int bars = (int)parameters[0];
    const double volatility = pu__volatility_push(&state->volatility, parameters[1], bar->close);
    const double *window = pu__roll_push(&state->close, bars, bar->close);
    return window ? in_volatility(bar->close, pu__sum(window, bars) / bars, volatility, bars) : NAN;
}

typedef struct ema_state {
    pu__ema average;
    pu__volatility volatility;
} ema_state;

static double ema_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    ema_state *state = memory;
    const double volatility = pu__volatility_push(&state->volatility, parameters[1], bar->close);
    const double average = pu__ema_push(&state->average, (int)parameters[0], bar->close);
    return isnan(average) ? NAN : in_volatility(bar->close, average, volatility, parameters[0]);
}

#define AVERAGE_FEATURE(lookback, state_type, function, n)                                          \
    .version = 1, .tags = "trend", PU__PARAMETERS(average_names, n, 32), .lookback_bars = lookback, \
    PU__UPDATE(state_type, function)

const pu_feature pu__feature_close_sma_10 = {
    .name = "close_sma_10",
    .description = "Close over its 10-bar simple mean, less 1, in units of 10-bar volatility.",
    .source = "(close / TA-Lib SMA(10) - 1) / (ewma_volatility_32 * sqrt(10))",
    AVERAGE_FEATURE(32, sma_state, sma_update, 10),
};
const pu_feature pu__feature_close_sma_50 = {
    .name = "close_sma_50",
    .description = "Close over its 50-bar simple mean, less 1, in units of 50-bar volatility.",
    .source = "(close / TA-Lib SMA(50) - 1) / (ewma_volatility_32 * sqrt(50))",
    AVERAGE_FEATURE(49, sma_state, sma_update, 50),
};
const pu_feature pu__feature_close_ema_10 = {
    .name = "close_ema_10",
    .description = "Close over its 10-bar exponential mean, less 1, in units of 10-bar volatility.",
    .source = "(close / TA-Lib EMA(10) - 1) / (ewma_volatility_32 * sqrt(10))",
    AVERAGE_FEATURE(32, ema_state, ema_update, 10),
};
const pu_feature pu__feature_close_ema_50 = {
    .name = "close_ema_50",
    .description = "Close over its 50-bar exponential mean, less 1, in units of 50-bar volatility.",
    .source = "(close / TA-Lib EMA(50) - 1) / (ewma_volatility_32 * sqrt(50))",
    AVERAGE_FEATURE(49, ema_state, ema_update, 50),
};

static double bollinger_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->close);
    if (!window) return NAN;
    const double mean = pu__sum(window, bars) / bars;
    const double deviation = sqrt(pu__variance(window, bars, mean));
    return deviation > PU__FLAT * mean ? (bar->close - mean) / (parameters[1] * deviation) : 0;
}

const pu_feature pu__feature_bollinger_20 = {
    .name = "bollinger_20",
    .version = 1,
    .description = "Place of the close in its Bollinger band: -1 at the lower edge, 1 at the upper.",
    .tags = "trend,talib",
    .source = "TA-Lib BBANDS(20, 2, 2): (close - middle) / (upper - middle)",
    PU__PARAMETERS(band_names, 20, 2),
    .lookback_bars = 19,
    PU__UPDATE(pu__roll, bollinger_update),
};
