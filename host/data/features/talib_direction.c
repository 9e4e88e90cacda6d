/* TA-Lib's directional movement: +DI, -DI, DX, ADX and ADXR. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};

/* Wilder's directional movement: decaying sums of upward and downward movement and of the true range. They first lose
 * 1 / n of themselves once n - 1 bars have seeded them. */
typedef struct sums_state {
    pu__tail high, low, close;
    pu__seeded plus, minus, range;
} sums_state;

typedef struct sums {
    double plus[PU__BLOCK_BARS], minus[PU__BLOCK_BARS], range[PU__BLOCK_BARS];
} sums;

static inline void sums_push(sums_state *state, int n, const pu_feature_chunk *block, sums *out) {
    const int count = (int)block->count;
    pu__span highs, lows;
    const double *high = pu__span_of(&state->high, 1, block->high, count, &highs);
    const double *low = pu__span_of(&state->low, 1, block->low, count, &lows);
    double plus[PU__BLOCK_BARS], minus[PU__BLOCK_BARS], range[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        const double up = high[t] - high[t - 1], down = low[t - 1] - low[t];
        plus[t] = up > 0 && up > down ? up : 0;
        minus[t] = down > 0 && down > up ? down : 0;
    }
    pu__true_ranges(&state->close, block, range);
    const double keep = 1 - 1.0 / n;
    pu__seeded_push(&state->plus, n - 1, 1, keep, 1, block->first - 1, plus, count, out->plus);
    pu__seeded_push(&state->minus, n - 1, 1, keep, 1, block->first - 1, minus, count, out->minus);
    pu__seeded_push(&state->range, n - 1, 1, keep, 1, block->first - 1, range, count, out->range);
}

/* The directional indicator, 0 without a range. */
static inline double indicator(double movement, double range, double close) {
    const double value = 100 * (movement / range);
    return range > PU__ZERO_RATIO * close ? value : 0;
}

PU__BLOCK(plus_di) {
    sums all;
    sums_push(memory, (int)parameters[0], block, &all);
    for (int t = 0; t < (int)block->count; ++t) out[t] = indicator(all.plus[t], all.range[t], block->close[t]);
}

PU__BLOCK(minus_di) {
    sums all;
    sums_push(memory, (int)parameters[0], block, &all);
    for (int t = 0; t < (int)block->count; ++t) out[t] = indicator(all.minus[t], all.range[t], block->close[t]);
}

/* The share of one direction over the other, 100 |+DI - -DI| / (+DI + -DI); NaN where there was no movement. */
static inline void indices(sums_state *state, int n, const pu_feature_chunk *block, double *restrict out) {
    sums all;
    sums_push(state, n, block, &all);
    for (int t = 0; t < (int)block->count; ++t) {
        const double movement = all.plus[t] + all.minus[t], range = all.range[t];
        const double value = 100 * (fabs(all.minus[t] - all.plus[t]) / movement);
        const bool is_moving = range > PU__ZERO_RATIO * block->close[t] && movement > PU__ZERO_RATIO * range;
        out[t] = is_moving ? value : NAN;
    }
}

#define DIRECTION(formula, lookback, state_type, function)                            \
    .version = 2, .tags = "trend,talib", .source = "TA-Lib " formula "; Wilder 1978", \
    PU__PARAMETERS(bars_name, 14), .lookback_bars = lookback, PU__BLOCKS(state_type, function)

const pu_feature pu__feature_plus_di_14 = {
    .name = "plus_di_14",
    .description = "Upward directional movement in percent of the true range, 14 bars.",
    DIRECTION("PLUS_DI(14)", 14, sums_state, plus_di),
};
const pu_feature pu__feature_minus_di_14 = {
    .name = "minus_di_14",
    .description = "Downward directional movement in percent of the true range, 14 bars.",
    DIRECTION("MINUS_DI(14)", 14, sums_state, minus_di),
};

typedef struct dx_state {
    sums_state sums;
    double value;
} dx_state;

/* Without movement the last value stands. */
PU__BLOCK(dx) {
    dx_state *state = memory;
    const int n = (int)parameters[0];
    indices(&state->sums, n, block, out);
    double value = state->value;
    for (int t = 0; t < (int)block->count; ++t) {
        value = isnan(out[t]) || block->first + t < n ? value : out[t];
        out[t] = value;
    }
    state->value = value;
}

const pu_feature pu__feature_dx_14 = {
    .name = "dx_14",
    .description = "Directional movement index: the difference of +DI and -DI in percent of their sum.",
    DIRECTION("DX(14)", 14, dx_state, dx),
};

typedef struct adx_state {
    sums_state sums;
    double seed, value;
    pu__decay mean;
    pu__tail values;
} adx_state;

/* Wilder's smoothing of DX, seeded by the mean of its first n values. Bars without movement leave it as it is. */
static inline void adx_push(adx_state *state, int n, const pu_feature_chunk *block, double *restrict out) {
    const int count = (int)block->count;
    double dx[PU__BLOCK_BARS], input[PU__BLOCK_BARS], mean[PU__BLOCK_BARS];
    indices(&state->sums, n, block, dx);
    int inputs = 0;
    for (int t = 0; t < count; ++t) {
        const int64_t index = block->first + t;
        const bool is_known = !isnan(dx[t]);
        if (index >= n && index < 2 * n) state->seed += is_known ? dx[t] : 0;
        if (index < 2 * n - 1) continue;
        input[inputs] = (index < 2 * n ? state->seed : dx[t]) * (1.0 / n);
        inputs += is_known || index < 2 * n;
    }
    pu__decays(&state->mean, 1 - 1.0 / n, input, inputs, mean);
    if (inputs == count) {
        memcpy(out, mean, (size_t)count * sizeof *out);
        if (count > 0) state->value = mean[count - 1];
        return;
    }
    for (int t = 0, used = 0; t < count; ++t) {
        const int64_t index = block->first + t;
        if (index == 2 * n - 1 || (index >= 2 * n && !isnan(dx[t]))) state->value = mean[used++];
        out[t] = state->value;
    }
}

PU__BLOCK(adx) { adx_push(memory, (int)parameters[0], block, out); }

const pu_feature pu__feature_adx_14 = {
    .name = "adx_14",
    .description =
        "Average directional movement index over 14 bars, 0 to 100: the strength of a trend, whatever its sign.",
    DIRECTION("ADX(14)", 27, adx_state, adx),
};

PU__BLOCK(adxr) {
    adx_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *value = pu__span_open(&state->values, n - 1, &span);
    adx_push(state, n, block, value);
    pu__span_close(&state->values, n - 1, value, count);
    for (int t = 0; t < count; ++t) out[t] = 0.5 * (value[t] + value[t - (n - 1)]);
}

const pu_feature pu__feature_adxr_14 = {
    .name = "adxr_14",
    .description = "Mean of ADX(14) now and 13 bars ago.",
    DIRECTION("ADXR(14)", 40, adx_state, adxr),
};
