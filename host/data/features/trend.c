/* ADX, ATR and MACD, as TA-Lib defines them. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const macd_names[] = {"fast_bars", "slow_bars", "signal_bars", "atr_bars"};

static double atr_ratio_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return pu__atr_push(memory, (int)parameters[0], bar, index) / bar->close;
}

const pu_feature pu__feature_atr_14_ratio = {
    .name = "atr_14_ratio",
    .version = 1,
    .description = "Average true range over 14 bars as a share of the close.",
    .tags = "volatility,talib",
    .source = "TA-Lib NATR(14) / 100",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(pu__atr, atr_ratio_update),
};

static double adx_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return pu__adx_push(memory, (int)parameters[0], bar, index);
}

const pu_feature pu__feature_adx_14 = {
    .name = "adx_14",
    .version = 1,
    .description =
        "Average directional movement index over 14 bars, 0 to 100: the strength of a trend, whatever its sign.",
    .tags = "trend,talib",
    .source = "TA-Lib ADX(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 27,
    PU__UPDATE(pu__adx, adx_update),
};

typedef struct macd_state {
    pu__macd line;
    pu__ema signal;
    pu__atr atr;
} macd_state;

static double macd_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    macd_state *state = memory;
    const double atr = pu__atr_push(&state->atr, (int)parameters[3], bar, index);
    const double macd = pu__macd_push(&state->line, (int)parameters[0], (int)parameters[1], bar->close, index);
    if (isnan(macd)) return NAN;
    const double signal = pu__ema_push(&state->signal, (int)parameters[2], macd);
    if (isnan(signal)) return NAN;
    return atr > PU__FLAT * bar->close ? (macd - signal) / atr : 0;
}

const pu_feature pu__feature_macd_atr = {
    .name = "macd_atr",
    .version = 1,
    .description = "MACD histogram in units of the average true range.",
    .tags = "trend,talib",
    .source = "TA-Lib MACD(12, 26, 9) histogram / ATR(14)",
    PU__PARAMETERS(macd_names, 12, 26, 9, 14),
    .lookback_bars = 33,
    PU__UPDATE(macd_state, macd_update),
};
