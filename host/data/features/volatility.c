/* Volatility per bar, by returns and by ranges. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const span_name[] = {"span_bars"};

PU__BLOCK(ewma) { pu__volatilities(memory, parameters[0], block, out); }

const pu_feature pu__feature_ewma_volatility_32 = {
    .name = "ewma_volatility_32",
    .version = 2,
    .description = "Root of the exponentially weighted mean square log return, span 32 bars.",
    .tags = "volatility",
    .source = "pandas: (r ** 2).ewm(span=32, adjust=True).mean() ** 0.5",
    PU__PARAMETERS(span_name, 32),
    .lookback_bars = 32,
    PU__BLOCKS(pu__weighted, ewma),
};

/* Root of the mean of the last n values of x[count] times `scale`; rounding below 0 counts as 0. */
static inline void root_means(pu__tail *tail, int n, double scale, const double *x, int count,
                              double *restrict out) {
    pu__span span;
    pu__sums(pu__span_of(tail, n - 1, x, count, &span), n, count, out);
    for (int t = 0; t < count; ++t) {
        const double mean = out[t] * (scale / n);
        out[t] = sqrt(mean < 0 ? 0 : mean);
    }
}

PU__BLOCK(realized) {
    double square[PU__BLOCK_BARS];
    for (int t = 0; t < (int)block->count; ++t) square[t] = block->log_return[t] * block->log_return[t];
    root_means(memory, (int)parameters[0], 1, square, (int)block->count, out);
}

const pu_feature pu__feature_realized_volatility_20 = {
    .name = "realized_volatility_20",
    .version = 2,
    .description = "Root mean square log return of the last 20 bars.",
    .tags = "volatility",
    .source = "realised variance, Andersen & Bollerslev 1998, per bar",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__BLOCKS(pu__tail, realized),
};

PU__BLOCK(parkinson) {
    const int count = (int)block->count;
    double range[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) range[t] = block->high[t] / block->low[t];
    pu__logs(range, count, range);
    for (int t = 0; t < count; ++t) range[t] *= range[t];
    root_means(memory, (int)parameters[0], 1 / (4 * M_LN2), range, count, out);
}

const pu_feature pu__feature_parkinson_20 = {
    .name = "parkinson_20",
    .version = 2,
    .description = "Volatility per bar from the high-low ranges of the last 20 bars.",
    .tags = "volatility,range",
    .source = "Parkinson 1980: sqrt(mean(ln(high / low)^2) / (4 ln 2))",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(pu__tail, parkinson),
};

/* The estimator can fall below 0 where a bar's open or close lies outside its range by the source's rounding: 0
 * then. */
PU__BLOCK(garman_klass) {
    const int count = (int)block->count;
    double range[PU__BLOCK_BARS], body[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        range[t] = block->high[t] / block->low[t];
        body[t] = block->close[t] / block->open[t];
    }
    pu__logs(range, count, range);
    pu__logs(body, count, body);
    for (int t = 0; t < count; ++t) range[t] = 0.5 * range[t] * range[t] - (2 * M_LN2 - 1) * body[t] * body[t];
    root_means(memory, (int)parameters[0], 1, range, count, out);
}

const pu_feature pu__feature_garman_klass_20 = {
    .name = "garman_klass_20",
    .version = 2,
    .description = "Volatility per bar from open, high, low and close of the last 20 bars.",
    .tags = "volatility,range",
    .source = "Garman & Klass 1980: sqrt(mean(ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2))",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(pu__tail, garman_klass),
};
