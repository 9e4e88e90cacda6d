/* TA-Lib's moving averages ("overlap studies") of the close, at their default periods. They are price levels. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const t3_names[] = {"bars", "volume_factor"};
static const char *const kama_names[] = {"bars", "fast_bars", "slow_bars"};

#define AVERAGE(formula, text) \
    .version = 2, .tags = "trend,talib,level", .description = text, .source = "TA-Lib " formula

PU__BLOCK(sma) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    pu__window_means(pu__span_of(memory, n - 1, block->close, count, &span), n, count, out);
}

const pu_feature pu__feature_sma_30 = {
    .name = "sma_30",
    AVERAGE("SMA(30)", "Simple mean of the last 30 closes."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__BLOCKS(pu__tail, sma),
};

PU__BLOCK(ema) { pu__means_push(memory, (int)parameters[0], block->first, block->close, (int)block->count, out); }

const pu_feature pu__feature_ema_30 = {
    .name = "ema_30",
    AVERAGE("EMA(30): factor 2 / 31, seeded by the simple mean of the first 30",
            "Exponential mean of the close, 30 bars."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__BLOCKS(pu__seeded, ema),
};

/* The weights 1 to n are (n + 1) / 2 plus the place about the middle. */
PU__BLOCK(wma) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double sum[PU__BLOCK_BARS];
    pu__tilts(pu__span_of(memory, n - 1, block->close, count, &span), n, count, sum, out);
    const double middle = 0.5 * (n + 1), weights = 0.5 * n * (n + 1);
    for (int t = 0; t < count; ++t) out[t] = (out[t] + middle * sum[t]) * (1 / weights);
}

const pu_feature pu__feature_wma_30 = {
    .name = "wma_30",
    AVERAGE("WMA(30): weights 1 (oldest) to 30", "Mean of the last 30 closes with linear weights."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__BLOCKS(pu__tail, wma),
};

PU__BLOCK(dema) {
    const int n = (int)parameters[0], count = (int)block->count;
    double stage[2][PU__BLOCK_BARS];
    pu__chain(memory, 2, n, block->first, block->close, count, stage);
    for (int t = 0; t < count; ++t) out[t] = 2 * stage[0][t] - stage[1][t];
}

const pu_feature pu__feature_dema_30 = {
    .name = "dema_30",
    AVERAGE("DEMA(30): 2 e1 - e2, e2 the EMA of e1; Mulloy 1994", "Double exponential mean of the close."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 58,
    PU__BLOCKS(pu__seeded[2], dema),
};

PU__BLOCK(tema) {
    const int n = (int)parameters[0], count = (int)block->count;
    double stage[3][PU__BLOCK_BARS];
    pu__chain(memory, 3, n, block->first, block->close, count, stage);
    for (int t = 0; t < count; ++t) out[t] = 3 * stage[0][t] - 3 * stage[1][t] + stage[2][t];
}

const pu_feature pu__feature_tema_30 = {
    .name = "tema_30",
    AVERAGE("TEMA(30): 3 e1 - 3 e2 + e3, each the EMA of the one before; Mulloy 1994",
            "Triple exponential mean of the close."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 87,
    PU__BLOCKS(pu__seeded[3], tema),
};

typedef struct trima_state {
    pu__tail close, inner;
} trima_state;

/* The mean of a mean has triangular weights. */
PU__BLOCK(trima) {
    trima_state *state = memory;
    const int bars = (int)parameters[0], count = (int)block->count;
    const int inner_bars = (bars + 1) / 2, outer_bars = bars / 2 + 1;
    pu__span span, inner;
    double *sums = pu__span_open(&state->inner, outer_bars - 1, &inner);
    pu__sums(pu__span_of(&state->close, inner_bars - 1, block->close, count, &span), inner_bars, count, sums);
    pu__span_close(&state->inner, outer_bars - 1, sums, count);
    pu__sums(sums, outer_bars, count, out);
    for (int t = 0; t < count; ++t) out[t] *= 1.0 / (inner_bars * outer_bars);
}

const pu_feature pu__feature_trima_30 = {
    .name = "trima_30",
    AVERAGE("TRIMA(30): weights 1 to 15 and back to 1", "Mean of the last 30 closes with triangular weights."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__BLOCKS(trima_state, trima),
};

typedef struct kama_state {
    pu__tail close, step;
    double value;
} kama_state;

/* The close of the bar before the first value stands in for the average before it. */
PU__BLOCK(kama) {
    kama_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    const double fast = 2 / (parameters[1] + 1), slow = 2 / (parameters[2] + 1);
    pu__span closes, steps;
    double path[PU__BLOCK_BARS], factor[PU__BLOCK_BARS];
    const double *close = pu__span_of(&state->close, n, block->close, count, &closes);
    double *step = pu__span_open(&state->step, n - 1, &steps);
    for (int t = 0; t < count; ++t) step[t] = fabs(close[t] - close[t - 1]);
    pu__span_close(&state->step, n - 1, step, count);
    pu__sums(step, n, count, path);
    for (int t = 0; t < count; ++t) {
        const double way = fabs(close[t] - close[t - n]);
        const bool is_whole = path[t] <= way || path[t] <= PU__ZERO_RATIO * close[t];
        const double root = (is_whole ? 1 : way / path[t]) * (fast - slow) + slow;
        factor[t] = root * root;
    }
    double value = state->value;
    for (int t = 0; t < count; ++t) {
        if (block->first + t <= n) value = close[t - 1];
        value = (1 - factor[t]) * value + factor[t] * close[t];
        out[t] = value;
    }
    state->value = value;
}

const pu_feature pu__feature_kama_30 = {
    .name = "kama_30",
    AVERAGE("KAMA(30); Kaufman 1995", "Kaufman's mean of the close, which adapts to the efficiency ratio."),
    PU__PARAMETERS(kama_names, 30, 2, 30),
    .lookback_bars = 30,
    PU__BLOCKS(kama_state, kama),
};

PU__BLOCK(t3) {
    const int n = (int)parameters[0], count = (int)block->count;
    const double v = parameters[1], v2 = v * v, v3 = v2 * v;
    double stage[6][PU__BLOCK_BARS];
    pu__chain(memory, 6, n, block->first, block->close, count, stage);
    for (int t = 0; t < count; ++t) {
        out[t] = -v3 * stage[5][t] + 3 * (v2 + v3) * stage[4][t] - (6 * v2 + 3 * (v + v3)) * stage[3][t] +
                 (1 + 3 * v + 3 * v2 + v3) * stage[2][t];
    }
}

const pu_feature pu__feature_t3_5 = {
    .name = "t3_5",
    AVERAGE("T3(5, 0.7); Tillson 1998", "Tillson's mean of the close: a weighted chain of six exponential means."),
    PU__PARAMETERS(t3_names, 5, 0.7),
    .lookback_bars = 24,
    PU__BLOCKS(pu__seeded[6], t3),
};
