/* TA-Lib's statistics of the close: the least-squares line over 14 bars, variance and deviation over 5. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};

typedef struct line {
    double mean[PU__BLOCK_BARS], slope[PU__BLOCK_BARS];
} line;

/* The least-squares lines through the last n closes. */
static inline void lines(pu__tail *closes, int n, const pu_feature_chunk *block, line *out) {
    const int count = (int)block->count;
    pu__span span;
    pu__tilts(pu__span_of(closes, n - 1, block->close, count, &span), n, count, out->mean, out->slope);
    const double squares = n * ((double)n * n - 1) / 12;
    for (int t = 0; t < count; ++t) {
        out->mean[t] *= 1.0 / n;
        out->slope[t] *= 1 / squares;
    }
}

PU__BLOCK(linearreg) {
    line fit;
    lines(memory, (int)parameters[0], block, &fit);
    const double ahead = 0.5 * (parameters[0] - 1);
    for (int t = 0; t < (int)block->count; ++t) out[t] = fit.mean[t] + fit.slope[t] * ahead;
}

PU__BLOCK(tsf) {
    line fit;
    lines(memory, (int)parameters[0], block, &fit);
    const double ahead = 0.5 * (parameters[0] + 1);
    for (int t = 0; t < (int)block->count; ++t) out[t] = fit.mean[t] + fit.slope[t] * ahead;
}

PU__BLOCK(slope) {
    line fit;
    lines(memory, (int)parameters[0], block, &fit);
    memcpy(out, fit.slope, (size_t)block->count * sizeof *out);
}

PU__BLOCK(angle) {
    line fit;
    lines(memory, (int)parameters[0], block, &fit);
    for (int t = 0; t < (int)block->count; ++t) out[t] = atan(fit.slope[t]) * (180 / M_PI);
}

#define REGRESSION(formula, n, function)                                                             \
    .version = 2, .source = "TA-Lib " formula, PU__PARAMETERS(bars_name, n), .lookback_bars = (n)-1, \
    PU__BLOCKS(pu__tail, function)

const pu_feature pu__feature_linearreg_14 = {
    .name = "linearreg_14",
    .description = "The least-squares line through 14 closes, at the last of them.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG(14)", 14, linearreg),
};
const pu_feature pu__feature_linearreg_slope_14 = {
    .name = "linearreg_slope_14",
    .description = "Slope of the least-squares line through 14 closes, price per bar.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG_SLOPE(14)", 14, slope),
};
const pu_feature pu__feature_linearreg_angle_14 = {
    .name = "linearreg_angle_14",
    .description = "Angle of the least-squares line through 14 closes, degrees; it depends on the unit of price.",
    .tags = "trend,talib,level",
    REGRESSION("LINEARREG_ANGLE(14)", 14, angle),
};
const pu_feature pu__feature_tsf_14 = {
    .name = "tsf_14",
    .description = "The least-squares line through 14 closes, one bar on.",
    .tags = "trend,talib,level",
    REGRESSION("TSF(14)", 14, tsf),
};

PU__BLOCK(var) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS];
    const double *close = pu__span_of(memory, n - 1, block->close, count, &span);
    pu__variances(close, n, count, mean, out);
}

PU__BLOCK(stddev) {
    var(memory, parameters, block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = sqrt(out[t]);
}

const pu_feature pu__feature_stddev_5 = {
    .name = "stddev_5",
    .description = "Population standard deviation of the last 5 closes.",
    .tags = "volatility,talib,level",
    REGRESSION("STDDEV(5, 1)", 5, stddev),
};
const pu_feature pu__feature_var_5 = {
    .name = "var_5",
    .description = "Population variance of the last 5 closes.",
    .tags = "volatility,talib,level",
    REGRESSION("VAR(5)", 5, var),
};
