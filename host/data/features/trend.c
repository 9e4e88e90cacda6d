/* ADX, ATR and MACD, as TA-Lib defines them. */
#include "host/data/features/rolling.h"

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

typedef struct adx_state {
    double high, low, close;
    double plus, minus, range; /* Wilder's smoothed sums */
    double dx_sum, adx;
} adx_state;

/* One bar of directional movement, added to sums that first lose 1/n of themselves once n - 1 bars have seeded
 * them. */
static double adx_direction(adx_state *state, double n, const pu_feature_bar *bar, bool decay) {
    const double up = bar->high - state->high, down = state->low - bar->low;
    const double range = pu__true_range(bar, state->close);
    if (decay) {
        state->plus -= state->plus / n;
        state->minus -= state->minus / n;
        state->range -= state->range / n;
    }
    if (down > 0 && up < down) state->minus += down;
    if (up > 0 && up > down) state->plus += up;
    state->range += range;
    if (state->range <= PU__ZERO_RATIO * bar->close) return NAN;
    const double plus = state->plus / state->range, minus = state->minus / state->range;
    return plus + minus > PU__ZERO_RATIO ? 100 * fabs(minus - plus) / (plus + minus) : NAN;
}

static double adx_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    adx_state *state = memory;
    const int n = (int)parameters[0];
    if (index > 0) {
        const double dx = adx_direction(state, n, bar, index >= n);
        if (index >= n && index < 2 * n) {
            state->dx_sum += isnan(dx) ? 0 : dx;
            state->adx = state->dx_sum / n;
        } else if (index >= 2 * n && !isnan(dx)) {
            state->adx = (state->adx * (n - 1) + dx) / n;
        }
    }
    state->high = bar->high;
    state->low = bar->low;
    state->close = bar->close;
    return state->adx;
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
    PU__UPDATE(adx_state, adx_update),
};

typedef struct macd_state {
    pu__ema fast, slow, signal;
    pu__atr atr;
} macd_state;

/* TA-Lib seeds both averages so that their first values fall on the same bar: the fast one starts slow - fast bars
 * late. */
static double macd_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    macd_state *state = memory;
    const int fast_bars = (int)parameters[0], slow_bars = (int)parameters[1];
    const double atr = pu__atr_push(&state->atr, (int)parameters[3], bar, index);
    const double slow = pu__ema_push(&state->slow, slow_bars, bar->close);
    const double fast = index >= slow_bars - fast_bars ? pu__ema_push(&state->fast, fast_bars, bar->close) : NAN;
    if (isnan(slow) || isnan(fast)) return NAN;
    const double macd = fast - slow;
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
