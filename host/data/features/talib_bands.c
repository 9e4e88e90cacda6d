/* TA-Lib's bands and ranges: middles, Bollinger bands, parabolic SAR, true range. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const band_names[] = {"bars", "deviations"};
static const char *const sar_names[] = {"acceleration", "acceleration_max"};

typedef struct no_state {
    char none;
} no_state;

static double middle(pu__extremes *extremes, int bars, double high, double low) {
    double highest, lowest;
    return pu__extremes_push(extremes, bars, high, low, &highest, &lowest) ? (highest + lowest) / 2 : NAN;
}

static double midpoint_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return middle(memory, (int)parameters[0], bar->close, bar->close);
}

const pu_feature pu__feature_midpoint_14 = {
    .name = "midpoint_14",
    .version = 1,
    .description = "Middle between the highest and the lowest close of 14 bars.",
    .tags = "trend,talib,level",
    .source = "TA-Lib MIDPOINT(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__UPDATE(pu__extremes, midpoint_update),
};

static double midprice_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return middle(memory, (int)parameters[0], bar->high, bar->low);
}

const pu_feature pu__feature_midprice_14 = {
    .name = "midprice_14",
    .version = 1,
    .description = "Middle between the highest high and the lowest low of 14 bars.",
    .tags = "trend,talib,level",
    .source = "TA-Lib MIDPRICE(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__UPDATE(pu__extremes, midprice_update),
};

/* The mean plus `deviations` (negative for the lower band) population standard deviations. */
static double band_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->close);
    if (!window) return NAN;
    double centred[PU__ROLL_BARS_MAX];
    const double variance = pu__centre(window, bars, centred);
    return pu__mean(window, bars) + parameters[1] * sqrt(variance);
}

#define BAND(deviations)                                                                              \
    .version = 1, .tags = "trend,talib,level", PU__PARAMETERS(band_names, 20, deviations),            \
    .source = "TA-Lib BBANDS(20, 2, 2): mean and population standard deviation", .lookback_bars = 19, \
    PU__UPDATE(pu__roll, band_update)

const pu_feature pu__feature_bbands_upper_20 = {
    .name = "bbands_upper_20",
    .description = "Upper Bollinger band: the mean of 20 closes plus 2 standard deviations.",
    BAND(2),
};
const pu_feature pu__feature_bbands_middle_20 = {
    .name = "bbands_middle_20",
    .description = "Middle of the Bollinger bands: the mean of 20 closes.",
    BAND(0),
};
const pu_feature pu__feature_bbands_lower_20 = {
    .name = "bbands_lower_20",
    .description = "Lower Bollinger band: the mean of 20 closes less 2 standard deviations.",
    BAND(-2),
};

typedef struct sar_state {
    bool is_long;
    double high, low;             /* of the last bar */
    double extreme, stop, factor; /* the trend's extreme, the next stop, the acceleration */
} sar_state;

/* A stop above the market lies no lower than the last two highs, one below it no higher than the last two lows. */
static double sar_bound(const sar_state *state, const pu_feature_bar *bar, double stop) {
    if (state->is_long) return fmin(stop, fmin(state->low, bar->low));
    return fmax(stop, fmax(state->high, bar->high));
}

/* The second bar decides on the first direction, by its directional movement. */
static void sar_start(sar_state *state, double acceleration, const pu_feature_bar *bar) {
    const double up = bar->high - state->high, down = state->low - bar->low;
    state->is_long = !(down > 0 && up < down);
    state->extreme = state->is_long ? bar->high : bar->low;
    state->stop = state->is_long ? state->low : state->high;
    state->factor = acceleration;
    state->high = bar->high;
    state->low = bar->low;
}

static double sar_next(sar_state *state, const double *parameters, const pu_feature_bar *bar) {
    const bool is_hit = state->is_long ? bar->low <= state->stop : bar->high >= state->stop;
    const double reach = state->is_long ? bar->high : bar->low;
    double value = state->stop;
    if (is_hit) {
        state->is_long = !state->is_long;
        value = sar_bound(state, bar, state->extreme);
        state->extreme = state->is_long ? bar->high : bar->low;
        state->factor = parameters[0];
    } else if (state->is_long ? reach > state->extreme : reach < state->extreme) {
        state->extreme = reach;
        state->factor = fmin(state->factor + parameters[0], parameters[1]);
    }
    state->stop = sar_bound(state, bar, value + state->factor * (state->extreme - value));
    return value;
}

static double sar_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    sar_state *state = memory;
    if (index == 1) sar_start(state, parameters[0], bar);
    const double value = index > 0 ? sar_next(state, parameters, bar) : NAN;
    state->high = bar->high;
    state->low = bar->low;
    return value;
}

const pu_feature pu__feature_sar = {
    .name = "sar",
    .version = 1,
    .description = "Parabolic stop and reverse: the trailing stop of the present trend.",
    .tags = "trend,talib,level",
    .source = "TA-Lib SAR(0.02, 0.2); Wilder 1978",
    PU__PARAMETERS(sar_names, 0.02, 0.2),
    .lookback_bars = 1,
    PU__UPDATE(sar_state, sar_update),
};

static double atr_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return pu__atr_push(memory, (int)parameters[0], bar, index);
}

const pu_feature pu__feature_atr_14 = {
    .name = "atr_14",
    .version = 1,
    .description = "Average true range over 14 bars, in units of price.",
    .tags = "volatility,talib,level",
    .source = "TA-Lib ATR(14); Wilder 1978",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(pu__atr, atr_update),
};

static double natr_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return 100 * (pu__atr_push(memory, (int)parameters[0], bar, index) / bar->close);
}

const pu_feature pu__feature_natr_14 = {
    .name = "natr_14",
    .version = 1,
    .description = "Average true range over 14 bars in percent of the close.",
    .tags = "volatility,talib",
    .source = "TA-Lib NATR(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(pu__atr, natr_update),
};

static double trange_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    double *last_close = memory;
    const double value = index > 0 ? pu__true_range(bar, *last_close) : NAN;
    *last_close = bar->close;
    return value;
}

const pu_feature pu__feature_trange = {
    .name = "trange",
    .version = 1,
    .description = "True range of the bar: its range, stretched to the last close.",
    .tags = "volatility,talib,level",
    .source = "TA-Lib TRANGE; Wilder 1978",
    .lookback_bars = 1,
    PU__UPDATE(double, trange_update),
};

static double bop_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    const double range = bar->high - bar->low;
    return range > PU__ZERO_RATIO * bar->high ? (bar->close - bar->open) / range : 0;
}

const pu_feature pu__feature_bop = {
    .name = "bop",
    .version = 1,
    .description = "Balance of power: the bar's body as a share of its range, 0 without a range.",
    .tags = "momentum,talib",
    .source = "TA-Lib BOP: (close - open) / (high - low)",
    .lookback_bars = 0,
    PU__UPDATE(no_state, bop_update),
};
