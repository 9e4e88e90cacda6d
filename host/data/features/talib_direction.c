/* TA-Lib's directional movement: +DI, -DI, DX and ADXR. ADX is in trend.c. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};

static double plus_di_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__direction *sums = memory;
    pu__direction_push(sums, parameters[0], bar, index);
    return pu__direction_share(sums, sums->plus);
}

static double minus_di_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__direction *sums = memory;
    pu__direction_push(sums, parameters[0], bar, index);
    return pu__direction_share(sums, sums->minus);
}

#define DIRECTION(formula, lookback, state_type, function)                            \
    .version = 1, .tags = "trend,talib", .source = "TA-Lib " formula "; Wilder 1978", \
    PU__PARAMETERS(bars_name, 14), .lookback_bars = lookback, PU__UPDATE(state_type, function)

const pu_feature pu__feature_plus_di_14 = {
    .name = "plus_di_14",
    .description = "Upward directional movement in percent of the true range, 14 bars.",
    DIRECTION("PLUS_DI(14)", 14, pu__direction, plus_di_update),
};
const pu_feature pu__feature_minus_di_14 = {
    .name = "minus_di_14",
    .description = "Downward directional movement in percent of the true range, 14 bars.",
    DIRECTION("MINUS_DI(14)", 14, pu__direction, minus_di_update),
};

typedef struct dx_state {
    pu__direction sums;
    double value;
} dx_state;

/* Without movement the last value stands. */
static double dx_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    dx_state *state = memory;
    pu__direction_push(&state->sums, parameters[0], bar, index);
    const double dx = (double)index >= parameters[0] ? pu__direction_index(&state->sums) : NAN;
    if (!isnan(dx)) state->value = dx;
    return state->value;
}

const pu_feature pu__feature_dx_14 = {
    .name = "dx_14",
    .description = "Directional movement index: the difference of +DI and -DI in percent of their sum.",
    DIRECTION("DX(14)", 14, dx_state, dx_update),
};

typedef struct adxr_state {
    pu__adx adx;
    pu__roll value;
} adxr_state;

static double adxr_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    adxr_state *state = memory;
    const int bars = (int)parameters[0];
    const double adx = pu__adx_push(&state->adx, bars, bar, index);
    if (index < 2 * bars - 1) return NAN;
    const double *window = pu__roll_push(&state->value, bars, adx);
    return window ? (adx + window[0]) / 2 : NAN;
}

const pu_feature pu__feature_adxr_14 = {
    .name = "adxr_14",
    .description = "Mean of ADX(14) now and 13 bars ago.",
    DIRECTION("ADXR(14)", 40, adxr_state, adxr_update),
};
