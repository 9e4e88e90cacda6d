/* ATR and MACD, as TA-Lib defines them, in proportion to the price. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const macd_names[] = {"fast_bars", "slow_bars", "signal_bars", "atr_bars"};

PU__BLOCK(atr_ratio) {
    pu__atr_push(memory, (int)parameters[0], block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] /= block->close[t];
}

const pu_feature pu__feature_atr_14_ratio = {
    .name = "atr_14_ratio",
    .version = 2,
    .description = "Average true range over 14 bars as a share of the close.",
    .tags = "volatility,talib",
    .source = "TA-Lib NATR(14) / 100",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(pu__atr, atr_ratio),
};

typedef struct macd_state {
    pu__macd line;
    pu__seeded signal;
    pu__atr atr;
} macd_state;

PU__BLOCK(macd) {
    macd_state *state = memory;
    const int fast = (int)parameters[0], slow = (int)parameters[1], count = (int)block->count;
    double line[PU__BLOCK_BARS], atr[PU__BLOCK_BARS];
    pu__atr_push(&state->atr, (int)parameters[3], block, atr);
    pu__macd_push(&state->line, fast, slow, block, line);
    pu__means_push(&state->signal, (int)parameters[2], block->first - (slow - 1), line, count, out);
    for (int t = 0; t < count; ++t) {
        const double ratio = (line[t] - out[t]) / atr[t];
        out[t] = atr[t] > PU__FLAT * block->close[t] ? ratio : 0;
    }
}

const pu_feature pu__feature_macd_atr = {
    .name = "macd_atr",
    .version = 2,
    .description = "MACD histogram in units of the average true range.",
    .tags = "trend,talib",
    .source = "TA-Lib MACD(12, 26, 9) histogram / ATR(14)",
    PU__PARAMETERS(macd_names, 12, 26, 9, 14),
    .lookback_bars = 33,
    PU__BLOCKS(macd_state, macd),
};
