/* The close against its moving averages and its Bollinger band. */
#include "host/data/features/columns.h"

static const char *const average_names[] = {"bars", "volatility_span_bars"};
static const char *const band_names[] = {"bars", "deviations"};

typedef struct average_state {
    pu__tail close;
    pu__seeded mean;
    pu__weighted square;
} average_state;

/* Distance from the averages in `out` as a share of them, in units of the volatility of n bars. */
static inline void in_volatility(average_state *state, const double *parameters, const pu_feature_chunk *block,
                                 double *restrict out) {
    double volatility[PU__BLOCK_BARS];
    pu__volatilities(&state->square, parameters[1], block, volatility);
    const double scale = 1 / sqrt(parameters[0]);
    for (int t = 0; t < (int)block->count; ++t)
        out[t] = pu__over(block->close[t] / out[t] - 1, volatility[t]) * scale;
}

PU__BLOCK(sma) {
    average_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    pu__window_means(pu__span_of(&state->close, n - 1, block->close, count, &span), n, count, out);
    in_volatility(state, parameters, block, out);
}

PU__BLOCK(ema) {
    average_state *state = memory;
    pu__means_push(&state->mean, (int)parameters[0], block->first, block->close, (int)block->count, out);
    in_volatility(state, parameters, block, out);
}

#define AVERAGE_FEATURE(lookback, function, n)                                                      \
    .version = 2, .tags = "trend", PU__PARAMETERS(average_names, n, 32), .lookback_bars = lookback, \
    PU__BLOCKS(average_state, function)

const pu_feature pu__feature_close_sma_10 = {
    .name = "close_sma_10",
    .description = "Close over its 10-bar simple mean, less 1, in units of 10-bar volatility.",
    .source = "(close / TA-Lib SMA(10) - 1) / (ewma_volatility_32 * sqrt(10))",
    AVERAGE_FEATURE(32, sma, 10),
};
const pu_feature pu__feature_close_sma_50 = {
    .name = "close_sma_50",
    .description = "Close over its 50-bar simple mean, less 1, in units of 50-bar volatility.",
    .source = "(close / TA-Lib SMA(50) - 1) / (ewma_volatility_32 * sqrt(50))",
    AVERAGE_FEATURE(49, sma, 50),
};
const pu_feature pu__feature_close_ema_10 = {
    .name = "close_ema_10",
    .description = "Close over its 10-bar exponential mean, less 1, in units of 10-bar volatility.",
    .source = "(close / TA-Lib EMA(10) - 1) / (ewma_volatility_32 * sqrt(10))",
    AVERAGE_FEATURE(32, ema, 10),
};
const pu_feature pu__feature_close_ema_50 = {
    .name = "close_ema_50",
    .description = "Close over its 50-bar exponential mean, less 1, in units of 50-bar volatility.",
    .source = "(close / TA-Lib EMA(50) - 1) / (ewma_volatility_32 * sqrt(50))",
    AVERAGE_FEATURE(49, ema, 50),
};

PU__BLOCK(bollinger) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS], variance[PU__BLOCK_BARS];
    pu__variances(pu__span_of(memory, n - 1, block->close, count, &span), n, count, mean, variance);
    for (int t = 0; t < count; ++t) {
        const double deviation = sqrt(variance[t]),
                     place = (block->close[t] - mean[t]) / (parameters[1] * deviation);
        out[t] = deviation > PU__FLAT * mean[t] ? place : 0;
    }
}

const pu_feature pu__feature_bollinger_20 = {
    .name = "bollinger_20",
    .version = 2,
    .description = "Place of the close in its Bollinger band: -1 at the lower edge, 1 at the upper.",
    .tags = "trend,talib",
    .source = "TA-Lib BBANDS(20, 2, 2): (close - middle) / (upper - middle)",
    PU__PARAMETERS(band_names, 20, 2),
    .lookback_bars = 19,
    PU__BLOCKS(pu__tail, bollinger),
};
