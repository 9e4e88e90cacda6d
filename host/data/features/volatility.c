/* Volatility per bar, by returns and by ranges. */
#include "host/data/features/rolling.h"

static const char *const bars_name[] = {"bars"};
static const char *const span_name[] = {"span_bars"};

static double ewma_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return pu__volatility_push(memory, parameters[0], bar->close);
}

const pu_feature pu__feature_ewma_volatility_32 = {
    .name = "ewma_volatility_32",
    .version = 1,
    .description = "Root of the exponentially weighted mean square log return, span 32 bars.",
    .tags = "volatility",
    .source = "pandas: (r ** 2).ewm(span=32, adjust=True).mean() ** 0.5",
    PU__PARAMETERS(span_name, 32),
    .lookback_bars = 32,
    PU__UPDATE(pu__volatility, ewma_update),
};

typedef struct realized_state {
    double close;
    pu__roll square;
} realized_state;

static double realized_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    realized_state *state = memory;
    const double last = state->close;
    state->close = bar->close;
    if (index == 0) return NAN;
    const int bars = (int)parameters[0];
    const double change = log(bar->close / last);
    const double *window = pu__roll_push(&state->square, bars, change * change);
    return window ? sqrt(pu__sum(window, bars) / bars) : NAN;
}

const pu_feature pu__feature_realized_volatility_20 = {
    .name = "realized_volatility_20",
    .version = 1,
    .description = "Root mean square log return of the last 20 bars.",
    .tags = "volatility",
    .source = "realised variance, Andersen & Bollerslev 1998, per bar",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(realized_state, realized_update),
};

static double parkinson_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double range = log(bar->high / bar->low);
    const double *window = pu__roll_push(memory, bars, range * range);
    return window ? sqrt(pu__sum(window, bars) / (bars * 4 * M_LN2)) : NAN;
}

const pu_feature pu__feature_parkinson_20 = {
    .name = "parkinson_20",
    .version = 1,
    .description = "Volatility per bar from the high-low ranges of the last 20 bars.",
    .tags = "volatility,range",
    .source = "Parkinson 1980: sqrt(mean(ln(high / low)^2) / (4 ln 2))",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(pu__roll, parkinson_update),
};

/* The estimator can fall below 0 where a bar's open or close lies outside its range by the source's rounding: 0
 * then. */
static double garman_klass_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                  int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double range = log(bar->high / bar->low), body = log(bar->close / bar->open);
    const double *window = pu__roll_push(memory, bars, 0.5 * range * range - (2 * M_LN2 - 1) * body * body);
    return window ? sqrt(fmax(pu__sum(window, bars) / bars, 0)) : NAN;
}

const pu_feature pu__feature_garman_klass_20 = {
    .name = "garman_klass_20",
    .version = 1,
    .description = "Volatility per bar from open, high, low and close of the last 20 bars.",
    .tags = "volatility,range",
    .source = "Garman & Klass 1980: sqrt(mean(ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2))",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(pu__roll, garman_klass_update),
};
