/* Volatility from open, high, low and close that allows for drift and for gaps. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};

/* Zero but for rounding, at any drift: Rogers & Satchell 1991. Also ln(close / open). */
static inline void rogers_satchell_of(const pu_feature_chunk *block, double *restrict out, double *restrict body) {
    const int count = (int)block->count;
    double high[PU__BLOCK_BARS], low[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        const double unit = 1 / block->open[t];
        high[t] = block->high[t] * unit, low[t] = block->low[t] * unit, body[t] = block->close[t] * unit;
    }
    pu__logs(high, count, high);
    pu__logs(low, count, low);
    pu__logs(body, count, body);
    for (int t = 0; t < count; ++t) out[t] = high[t] * (high[t] - body[t]) + low[t] * (low[t] - body[t]);
}

PU__BLOCK(rogers_satchell) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double body[PU__BLOCK_BARS];
    double *inside = pu__span_open(memory, n - 1, &span);
    rogers_satchell_of(block, inside, body);
    pu__span_close(memory, n - 1, inside, count);
    pu__window_means(inside, n, count, out);
    for (int t = 0; t < count; ++t) out[t] = sqrt(out[t] < 0 ? 0 : out[t]);
}

const pu_feature pu__feature_rogers_satchell_20 = {
    .name = "rogers_satchell_20",
    .version = 2,
    .description = "Volatility per bar from open, high, low and close of the last 20 bars, free of drift.",
    .tags = "volatility,range",
    .source = "Rogers & Satchell 1991: sqrt(mean(h (h - c) + l (l - c))), h, l, c = ln(high, low, close / open)",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__BLOCKS(pu__tail, rogers_satchell),
};

typedef struct yang_zhang_state {
    pu__tail close, gap, body, inside;
} yang_zhang_state;

PU__BLOCK(yang_zhang) {
    yang_zhang_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span closes, gaps, bodies, insides;
    double mean[PU__BLOCK_BARS], night[PU__BLOCK_BARS], day[PU__BLOCK_BARS], drift_free[PU__BLOCK_BARS];
    const double *close = pu__span_of(&state->close, 1, block->close, count, &closes);
    double *gap = pu__span_open(&state->gap, n - 1, &gaps), *body = pu__span_open(&state->body, n - 1, &bodies);
    double *inside = pu__span_open(&state->inside, n - 1, &insides);
    for (int t = 0; t < count; ++t) gap[t] = block->open[t] / close[t - 1];
    pu__logs(gap, count, gap);
    rogers_satchell_of(block, inside, body);
    pu__span_close(&state->gap, n - 1, gap, count);
    pu__span_close(&state->body, n - 1, body, count);
    pu__span_close(&state->inside, n - 1, inside, count);
    pu__variances(gap, n, count, mean, night);
    pu__variances(body, n, count, mean, day);
    pu__window_means(inside, n, count, drift_free);
    const double k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0)), sample = (double)n / (n - 1);
    for (int t = 0; t < count; ++t) {
        const double variance = sample * night[t] + k * (sample * day[t]) + (1 - k) * drift_free[t];
        out[t] = sqrt(variance < 0 ? 0 : variance);
    }
}

const pu_feature pu__feature_yang_zhang_20 = {
    .name = "yang_zhang_20",
    .version = 2,
    .description = "Volatility per bar from gaps, bodies and ranges of the last 20 bars, free of drift.",
    .tags = "volatility,range",
    .source = "Yang & Zhang 2000, eq. 10: sqrt(Vo + k Vc + (1 - k) Vrs), k = 0.34 / (1.34 + (n + 1) / (n - 1)), "
              "variances with ddof 1",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__BLOCKS(yang_zhang_state, yang_zhang),
};
