/* Log returns of the adjusted close, the gap at the open, and momentum in units of volatility. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const momentum_names[] = {"bars", "volatility_span_bars"};

typedef struct no_state {
    char none;
} no_state;

/* Log of the close over that of n bars before. */
static inline void returns(pu__tail *closes, int n, const pu_feature_chunk *block, double *out) {
    const int count = (int)block->count;
    pu__span span;
    double ratio[PU__BLOCK_BARS];
    const double *close = pu__span_of(closes, n, block->close, count, &span);
    for (int t = 0; t < count; ++t) ratio[t] = close[t] / close[t - n];
    pu__logs(ratio, count, out);
}

PU__BLOCK(one_bar) {
    (void)memory;
    memcpy(out, block->log_return, (size_t)block->count * sizeof *out);
}

PU__BLOCK(many_bars) { returns(memory, (int)parameters[0], block, out); }

#define RETURN_FEATURE(n, version_number, state_type, function)                                   \
    .version = version_number, .tags = "return", .source = "log of the ratio of adjusted closes", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = n, PU__BLOCKS(state_type, function)

const pu_feature pu__feature_log_return_1 = {
    .name = "log_return_1", .description = "Log return over 1 bar.", RETURN_FEATURE(1, 1, no_state, one_bar)};
const pu_feature pu__feature_log_return_5 = {
    .name = "log_return_5", .description = "Log return over 5 bars.", RETURN_FEATURE(5, 2, pu__tail, many_bars)};
const pu_feature pu__feature_log_return_20 = {.name = "log_return_20",
                                              .description = "Log return over 20 bars.",
                                              RETURN_FEATURE(20, 2, pu__tail, many_bars)};

PU__BLOCK(gap) {
    const int count = (int)block->count;
    pu__span span;
    double ratio[PU__BLOCK_BARS];
    const double *close = pu__span_of(memory, 1, block->close, count, &span);
    for (int t = 0; t < count; ++t) ratio[t] = block->open[t] / close[t - 1];
    pu__logs(ratio, count, out);
}

const pu_feature pu__feature_gap = {
    .name = "gap",
    .version = 2,
    .description = "Log of the open over the previous close: the overnight gap of daily bars.",
    .tags = "return",
    .source = "log(open[t] / close[t-1]), adjusted prices",
    .lookback_bars = 1,
    PU__BLOCKS(pu__tail, gap),
};

typedef struct momentum_state {
    pu__tail close;
    pu__weighted square;
} momentum_state;

PU__BLOCK(momentum) {
    momentum_state *state = memory;
    double volatility[PU__BLOCK_BARS];
    returns(&state->close, (int)parameters[0], block, out);
    pu__volatilities(&state->square, parameters[1], block, volatility);
    const double scale = 1 / sqrt(parameters[0]);
    for (int t = 0; t < (int)block->count; ++t) out[t] = pu__over(out[t], volatility[t]) * scale;
}

const pu_feature pu__feature_momentum_20 = {
    .name = "momentum_20",
    .version = 2,
    .description = "Log return over 20 bars divided by the volatility expected over 20 bars.",
    .tags = "return,momentum",
    .source = "log(close[t] / close[t-20]) / (ewma_volatility_32 * sqrt(20)); Moskowitz, Ooi & Pedersen 2012 "
              "scale past returns so",
    PU__PARAMETERS(momentum_names, 20, 32),
    .lookback_bars = 32,
    PU__BLOCKS(momentum_state, momentum),
};
