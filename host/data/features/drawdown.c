/* The state of the drawdown: how deep below a past high, and for how long. drawdown_60 is in shape.c. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};

typedef struct peak_state {
    double peak;
    int64_t peak_index;
} peak_state;

PU__BLOCK(depth) {
    peak_state *state = memory;
    double peak = state->peak;
    for (int t = 0; t < (int)block->count; ++t) {
        peak = block->close[t] > peak ? block->close[t] : peak;
        out[t] = block->close[t] / peak - 1;
    }
    state->peak = peak;
}

const pu_feature pu__feature_drawdown_peak = {
    .name = "drawdown_peak",
    .version = 1,
    .description = "Close against the highest close so far, 0 or below; the history's start is part of it.",
    .tags = "drawdown",
    .source = "close / expanding maximum of close - 1",
    .lookback_bars = 0,
    PU__BLOCKS(peak_state, depth),
};

PU__BLOCK(since) {
    peak_state state = *(peak_state *)memory;
    const int count = (int)block->count;
    double bars[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        const bool is_peak = block->close[t] >= state.peak;
        state.peak = is_peak ? block->close[t] : state.peak;
        state.peak_index = is_peak ? block->first + t : state.peak_index;
        bars[t] = (double)(1 + block->first + t - state.peak_index);
    }
    pu__logs(bars, count, out);
    *(peak_state *)memory = state;
}

const pu_feature pu__feature_bars_since_peak = {
    .name = "bars_since_peak",
    .version = 2,
    .description = "Time under water: ln(1 + bars since the highest close so far).",
    .tags = "drawdown",
    .source = "ln(1 + t - t of the latest expanding maximum of close)",
    .lookback_bars = 0,
    PU__BLOCKS(peak_state, since),
};

/* Bars since the highest close of the window, as a share of its length; for the lowest, of the close's negative. */
PU__BLOCK(since_high) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    pu__ages(pu__span_of(memory, n - 1, block->close, count, &span), n, count, out);
    for (int t = 0; t < count; ++t) out[t] /= n - 1;
}

PU__BLOCK(since_low) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *close = pu__span_open(memory, n - 1, &span);
    for (int t = 0; t < count; ++t) close[t] = -block->close[t];
    pu__span_close(memory, n - 1, close, count);
    pu__ages(close, n, count, out);
    for (int t = 0; t < count; ++t) out[t] /= n - 1;
}

#define SINCE(extreme, function)                                                                       \
    .version = 1, .tags = "drawdown", .source = "bars since the latest " extreme " of 60 closes / 59", \
    PU__PARAMETERS(bars_name, 60), .lookback_bars = 59, PU__BLOCKS(pu__tail, function)

const pu_feature pu__feature_bars_since_high_60 = {
    .name = "bars_since_high_60",
    .description = "Bars since the highest of 60 closes, as a share: 0 at the high, 1 when about to leave.",
    SINCE("maximum", since_high),
};
const pu_feature pu__feature_bars_since_low_60 = {
    .name = "bars_since_low_60",
    .description = "Bars since the lowest of 60 closes, as a share: 0 at the low, 1 when about to leave.",
    SINCE("minimum", since_low),
};

PU__BLOCK(runup) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    pu__lowest(pu__span_of(memory, n - 1, block->close, count, &span), n, count, out);
    for (int t = 0; t < count; ++t) out[t] = block->close[t] / out[t] - 1;
}

const pu_feature pu__feature_runup_60 = {
    .name = "runup_60",
    .version = 1,
    .description = "Close against the lowest close of the last 60 bars, 0 or above.",
    .tags = "drawdown",
    .source = "close / min(close, 60 bars) - 1",
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 59,
    PU__BLOCKS(pu__tail, runup),
};
