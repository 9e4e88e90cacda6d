/* The state of the drawdown: how deep below a past high, and for how long. drawdown_60 is in shape.c. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};

typedef struct peak_state {
    double peak;
    int64_t peak_index;
} peak_state;

static void peak_push(peak_state *state, double close, int64_t index) {
    if (index > 0 && close < state->peak) return;
    state->peak = close;
    state->peak_index = index;
}

static double depth_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    peak_state *state = memory;
    peak_push(state, bar->close, index);
    return bar->close / state->peak - 1;
}

const pu_feature pu__feature_drawdown_peak = {
    .name = "drawdown_peak",
    .version = 1,
    .description = "Close against the highest close so far, 0 or below; the history's start is part of it.",
    .tags = "drawdown",
    .source = "close / expanding maximum of close - 1",
    .lookback_bars = 0,
    PU__UPDATE(peak_state, depth_update),
};

static double since_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    peak_state *state = memory;
    peak_push(state, bar->close, index);
    return log1p((double)(index - state->peak_index));
}

const pu_feature pu__feature_bars_since_peak = {
    .name = "bars_since_peak",
    .version = 1,
    .description = "Time under water: ln(1 + bars since the highest close so far).",
    .tags = "drawdown",
    .source = "ln(1 + t - t of the latest expanding maximum of close)",
    .lookback_bars = 0,
    PU__UPDATE(peak_state, since_update),
};

/* Bars since the highest (sign 1) or lowest (sign -1) close of the window, as a share of its length. */
static double share_since(pu__age *closes, int bars, double close, double sign) {
    const int since = pu__age_push(closes, bars, sign, close);
    return since < 0 ? NAN : (double)since / (bars - 1);
}

static double high_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return share_since(memory, (int)parameters[0], bar->close, 1);
}

static double low_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return share_since(memory, (int)parameters[0], bar->close, -1);
}

#define SINCE(extreme, function)                                                                       \
    .version = 1, .tags = "drawdown", .source = "bars since the latest " extreme " of 60 closes / 59", \
    PU__PARAMETERS(bars_name, 60), .lookback_bars = 59, PU__UPDATE(pu__age, function)

const pu_feature pu__feature_bars_since_high_60 = {
    .name = "bars_since_high_60",
    .description = "Bars since the highest of 60 closes, as a share: 0 at the high, 1 when about to leave.",
    SINCE("maximum", high_update),
};
const pu_feature pu__feature_bars_since_low_60 = {
    .name = "bars_since_low_60",
    .description = "Bars since the lowest of 60 closes, as a share: 0 at the low, 1 when about to leave.",
    SINCE("minimum", low_update),
};

static double runup_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const double lowest = pu__fold_push(memory, PU__FOLD_MIN, (int)parameters[0], bar->close);
    return bar->close / lowest - 1;
}

const pu_feature pu__feature_runup_60 = {
    .name = "runup_60",
    .version = 1,
    .description = "Close against the lowest close of the last 60 bars, 0 or above.",
    .tags = "drawdown",
    .source = "close / min(close, 60 bars) - 1",
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 59,
    PU__UPDATE(pu__fold, runup_update),
};
