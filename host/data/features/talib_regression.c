/* TA-Lib's statistics of the close: the least-squares line over 14 bars, variance and deviation over 5. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};

typedef struct line {
    double mean, slope;
} line;

/* The least-squares line through the last n closes; false while there are fewer. */
static bool line_push(pu__roll *closes, int bars, const pu_feature_bar *bar, line *out) {
    const double *window = pu__roll_push(closes, bars, bar->close);
    if (!window) return false;
    *out = (line){.mean = pu__mean(window, bars), .slope = pu__slope(window, bars)};
    return true;
}

/* The line's value `ahead` bars after the last. */
static double line_at(void *memory, int bars, const pu_feature_bar *bar, double ahead) {
    line fit;
    return line_push(memory, bars, bar, &fit) ? fit.mean + fit.slope * (0.5 * (bars - 1) + ahead) : NAN;
}

static double linearreg_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return line_at(memory, (int)parameters[0], bar, 0);
}

static double tsf_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return line_at(memory, (int)parameters[0], bar, 1);
}

static double slope_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    line fit;
    return line_push(memory, (int)parameters[0], bar, &fit) ? fit.slope : NAN;
}

static double angle_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return atan(slope_update(memory, parameters, bar, index)) * (180 / M_PI);
}

#define REGRESSION(formula, n, function)                                                             \
    .version = 1, .source = "TA-Lib " formula, PU__PARAMETERS(bars_name, n), .lookback_bars = (n)-1, \
    PU__UPDATE(pu__roll, function)

const pu_feature pu__feature_linearreg_14 = {
    .name = "linearreg_14",
    .description = "The least-squares line through 14 closes, at the last of them.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG(14)", 14, linearreg_update),
};
const pu_feature pu__feature_linearreg_slope_14 = {
    .name = "linearreg_slope_14",
    .description = "Slope of the least-squares line through 14 closes, price per bar.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG_SLOPE(14)", 14, slope_update),
};
const pu_feature pu__feature_linearreg_angle_14 = {
    .name = "linearreg_angle_14",
    .description = "Angle of the least-squares line through 14 closes, degrees; it depends on the unit of price.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG_ANGLE(14)", 14, angle_update),
};
const pu_feature pu__feature_tsf_14 = {
    .name = "tsf_14",
    .description = "The least-squares line through 14 closes, one bar on.",
    .tags = "trend,talib,level",
    REGRESSION("TSF(14)", 14, tsf_update),
};

static double var_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->close);
    double centred[PU__ROLL_BARS_MAX];
    return window ? pu__centre(window, bars, centred) : NAN;
}

static double stddev_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return sqrt(var_update(memory, parameters, bar, index));
}

const pu_feature pu__feature_stddev_5 = {
    .name = "stddev_5",
    .description = "Population standard deviation of the last 5 closes.",
    .tags = "volatility,talib,level",
    REGRESSION("STDDEV(5, 1)", 5, stddev_update),
};
const pu_feature pu__feature_var_5 = {
    .name = "var_5",
    .description = "Population variance of the last 5 closes.",
    .tags = "volatility,talib,level",
    REGRESSION("VAR(5)", 5, var_update),
};
