/* The shape of the recent path: place in the bar, drawdown. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};

typedef struct no_state {
    char none;
} no_state;

PU__BLOCK(location) {
    (void)memory;
    for (int t = 0; t < (int)block->count; ++t) {
        const double high = block->high[t], low = block->low[t], close = block->close[t], range = high - low;
        double place = (2 * close - high - low) / range;
        place = place > 1 ? 1 : place;
        place = place < -1 ? -1 : place;
        out[t] = range > PU__FLAT * close ? place : 0;
    }
}

const pu_feature pu__feature_close_location = {
    .name = "close_location",
    .version = 1,
    .description = "Place of the close in the bar's range: -1 at the low, 1 at the high, 0 without a range.",
    .tags = "range",
    .source = "((close - low) - (high - close)) / (high - low): the multiplier of Chaikin's money flow",
    .lookback_bars = 0,
    PU__BLOCKS(no_state, location),
};

PU__BLOCK(drawdown) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    pu__highest(pu__span_of(memory, n - 1, block->close, count, &span), n, count, out);
    for (int t = 0; t < count; ++t) out[t] = block->close[t] / out[t] - 1;
}

const pu_feature pu__feature_drawdown_60 = {
    .name = "drawdown_60",
    .version = 1,
    .description = "Close against the highest close of the last 60 bars, 0 or below.",
    .tags = "trend",
    .source = "close / max(close, 60 bars) - 1",
    PU__PARAMETERS(bars_name, 60),
    .lookback_bars = 59,
    PU__BLOCKS(pu__tail, drawdown),
};
