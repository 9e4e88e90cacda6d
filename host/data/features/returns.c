/* Log returns of the adjusted close, the gap at the open, and momentum in units of volatility. */
#include "host/data/features/rolling.h"

static const char *const bars_name[] = {"bars"};
static const char *const momentum_names[] = {"bars", "volatility_span_bars"};

typedef struct return_state {
    pu__roll close;
} return_state;

static double return_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return_state *state = memory;
    const double *window = pu__roll_push(&state->close, (int)parameters[0] + 1, bar->close);
    return window ? log(bar->close / window[0]) : NAN;
}

#define RETURN_FEATURE(n)                                                            \
    .version = 1, .tags = "return", .source = "log of the ratio of adjusted closes", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = n, PU__UPDATE(return_state, return_update)

const pu_feature pu__feature_log_return_1 = {
    .name = "log_return_1", .description = "Log return over 1 bar.", RETURN_FEATURE(1)};
const pu_feature pu__feature_log_return_5 = {
    .name = "log_return_5", .description = "Log return over 5 bars.", RETURN_FEATURE(5)};
const pu_feature pu__feature_log_return_20 = {
    .name = "log_return_20", .description = "Log return over 20 bars.", RETURN_FEATURE(20)};

typedef struct gap_state {
    double close;
} gap_state;

static double gap_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    gap_state *state = memory;
    const double value = index > 0 ? log(bar->open / state->close) : NAN;
    state->close = bar->close;
    return value;
}

const pu_feature pu__feature_gap = {
    .name = "gap",
    .version = 1,
    .description = "Log of the open over the previous close: the overnight gap of daily bars.",
    .tags = "return",
    .source = "log(open[t] / close[t-1]), adjusted prices",
    .lookback_bars = 1,
    PU__UPDATE(gap_state, gap_update),
};

typedef struct momentum_state {
    pu__roll close;
    pu__volatility volatility;
} momentum_state;

static double momentum_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    momentum_state *state = memory;
    const int bars = (int)parameters[0];
    const double volatility = pu__volatility_push(&state->volatility, parameters[1], bar->close);
    const double *window = pu__roll_push(&state->close, bars + 1, bar->close);
    return window ? pu__over(log(bar->close / window[0]), volatility) / sqrt(bars) : NAN;
}

const pu_feature pu__feature_momentum_20 = {
    .name = "momentum_20",
    .version = 1,
    .description = "Log return over 20 bars divided by the volatility expected over 20 bars.",
    .tags = "return,momentum",
    .source = "log(close[t] / close[t-20]) / (ewma_volatility_32 * sqrt(20)); Moskowitz, Ooi & Pedersen 2012 "
              "scale past returns so",
    PU__PARAMETERS(momentum_names, 20, 32),
    .lookback_bars = 32,
    PU__UPDATE(momentum_state, momentum_update),
};
