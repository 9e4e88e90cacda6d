/* TA-Lib's bands and ranges: middles, Bollinger bands, parabolic SAR, true range. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const band_names[] = {"bars", "deviations"};
static const char *const sar_names[] = {"acceleration", "acceleration_max"};

typedef struct no_state {
    char none;
} no_state;

typedef struct range_state {
    pu__tail high, low;
} range_state;

static inline void middles(range_state *state, int n, const double *high, const double *low, int count,
                           double *restrict out) {
    pu__span highs, lows;
    double lowest[PU__BLOCK_BARS];
    pu__highest(pu__span_of(&state->high, n - 1, high, count, &highs), n, count, out);
    pu__lowest(pu__span_of(&state->low, n - 1, low, count, &lows), n, count, lowest);
    for (int t = 0; t < count; ++t) out[t] = 0.5 * (out[t] + lowest[t]);
}

PU__BLOCK(midpoint) { middles(memory, (int)parameters[0], block->close, block->close, (int)block->count, out); }

const pu_feature pu__feature_midpoint_14 = {
    .name = "midpoint_14",
    .version = 1,
    .description = "Middle between the highest and the lowest close of 14 bars.",
    .tags = "trend,talib,level",
    .source = "TA-Lib MIDPOINT(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__BLOCKS(range_state, midpoint),
};

PU__BLOCK(midprice) { middles(memory, (int)parameters[0], block->high, block->low, (int)block->count, out); }

const pu_feature pu__feature_midprice_14 = {
    .name = "midprice_14",
    .version = 1,
    .description = "Middle between the highest high and the lowest low of 14 bars.",
    .tags = "trend,talib,level",
    .source = "TA-Lib MIDPRICE(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__BLOCKS(range_state, midprice),
};

/* The mean plus `deviations` (negative for the lower band) population standard deviations. */
PU__BLOCK(band) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS];
    const double *close = pu__span_of(memory, n - 1, block->close, count, &span);
    pu__window_means(close, n, count, mean);
    if (parameters[1] == 0) {
        memcpy(out, mean, (size_t)count * sizeof *out);
        return;
    }
    pu__deviations(PU__SQUARES, close, n, count, mean, out);
    for (int t = 0; t < count; ++t) out[t] = mean[t] + parameters[1] * sqrt(out[t] * (1.0 / n));
}

#define BAND(deviations)                                                                              \
    .version = 2, .tags = "trend,talib,level", PU__PARAMETERS(band_names, 20, deviations),            \
    .source = "TA-Lib BBANDS(20, 2, 2): mean and population standard deviation", .lookback_bars = 19, \
    PU__BLOCKS(pu__tail, band)

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

/* Prices are taken times `sign`, so that a falling trend is a rising one: 1 while the trend rises, -1 while it falls.
 */
typedef struct sar_state {
    double sign;
    double high, low;             /* of the last bar, as they are */
    double extreme, stop, factor; /* the trend's extreme and the next stop, times sign; the acceleration */
} sar_state;

static inline double lower(double a, double b) { return a < b ? a : b; }

/* The second bar decides on the first direction, by its directional movement. */
static void sar_start(sar_state *state, double acceleration, double high, double low) {
    const double up = high - state->high, down = state->low - low;
    state->sign = down > 0 && up < down ? -1 : 1;
    state->extreme = state->sign > 0 ? high : -low;
    state->stop = state->sign > 0 ? state->low : -state->high;
    state->factor = acceleration;
    state->high = high;
    state->low = low;
}

/* A stop lies no higher than the last two lows. */
static inline double sar_next(sar_state *state, const double *parameters, double high, double low) {
    double sign = state->sign, value = state->stop;
    if ((sign > 0 ? low : -high) <= value) {
        sign = state->sign = -sign;
        const double lows = sign > 0 ? lower(low, state->low) : lower(-high, -state->high);
        value = lower(-state->extreme, lows);
        state->extreme = sign > 0 ? high : -low;
        state->factor = parameters[0];
    } else if ((sign > 0 ? high : -low) > state->extreme) {
        state->extreme = sign > 0 ? high : -low;
        state->factor = lower(state->factor + parameters[0], parameters[1]);
    }
    const double lows = sign > 0 ? lower(low, state->low) : lower(-high, -state->high);
    state->stop = lower(value + state->factor * (state->extreme - value), lows);
    state->high = high;
    state->low = low;
    return sign * value;
}

PU__BLOCK(sar) {
    sar_state state = *(sar_state *)memory;
    for (int t = 0; t < (int)block->count; ++t) {
        const double high = block->high[t], low = block->low[t];
        if (block->first + t == 1) sar_start(&state, parameters[0], high, low);
        if (block->first + t == 0) state.high = high, state.low = low, out[t] = NAN;
        else out[t] = sar_next(&state, parameters, high, low);
    }
    *(sar_state *)memory = state;
}

const pu_feature pu__feature_sar = {
    .name = "sar",
    .version = 1,
    .description = "Parabolic stop and reverse: the trailing stop of the present trend.",
    .tags = "trend,talib,level",
    .source = "TA-Lib SAR(0.02, 0.2); Wilder 1978",
    PU__PARAMETERS(sar_names, 0.02, 0.2),
    .lookback_bars = 1,
    PU__BLOCKS(sar_state, sar),
};

PU__BLOCK(atr) { pu__atr_push(memory, (int)parameters[0], block, out); }

const pu_feature pu__feature_atr_14 = {
    .name = "atr_14",
    .version = 2,
    .description = "Average true range over 14 bars, in units of price.",
    .tags = "volatility,talib,level",
    .source = "TA-Lib ATR(14); Wilder 1978",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(pu__atr, atr),
};

PU__BLOCK(natr) {
    pu__atr_push(memory, (int)parameters[0], block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = 100 * (out[t] / block->close[t]);
}

const pu_feature pu__feature_natr_14 = {
    .name = "natr_14",
    .version = 2,
    .description = "Average true range over 14 bars in percent of the close.",
    .tags = "volatility,talib",
    .source = "TA-Lib NATR(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(pu__atr, natr),
};

PU__BLOCK(trange) { pu__true_ranges(memory, block, out); }

const pu_feature pu__feature_trange = {
    .name = "trange",
    .version = 1,
    .description = "True range of the bar: its range, stretched to the last close.",
    .tags = "volatility,talib,level",
    .source = "TA-Lib TRANGE; Wilder 1978",
    .lookback_bars = 1,
    PU__BLOCKS(pu__tail, trange),
};

PU__BLOCK(bop) {
    (void)memory;
    for (int t = 0; t < (int)block->count; ++t) {
        const double range = block->high[t] - block->low[t], body = block->close[t] - block->open[t];
        const double ratio = body / range;
        out[t] = range > PU__ZERO_RATIO * block->high[t] ? ratio : 0;
    }
}

const pu_feature pu__feature_bop = {
    .name = "bop",
    .version = 1,
    .description = "Balance of power: the bar's body as a share of its range, 0 without a range.",
    .tags = "momentum,talib",
    .source = "TA-Lib BOP: (close - open) / (high - low)",
    .lookback_bars = 0,
    PU__BLOCKS(no_state, bop),
};
