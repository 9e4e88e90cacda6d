/* TA-Lib's momentum of the close: differences of averages, rates of change, CCI and CMO. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const pair_names[] = {"fast_bars", "slow_bars"};
static const char *const macd_names[] = {"fast_bars", "slow_bars", "signal_bars"};

/* Exponential means by TA-Lib 0.8's default; each is seeded by its own first bars, unlike those of MACD. */
typedef struct pair_state {
    pu__seeded fast, slow;
} pair_state;

/* Fast less slow, and the slow one. */
static inline void pair_push(pair_state *state, const double *parameters, const pu_feature_chunk *block,
                             double *restrict difference, double *restrict slow) {
    const int count = (int)block->count;
    pu__means_push(&state->fast, (int)parameters[0], block->first, block->close, count, difference);
    pu__means_push(&state->slow, (int)parameters[1], block->first, block->close, count, slow);
    for (int t = 0; t < count; ++t) difference[t] -= slow[t];
}

PU__BLOCK(apo) {
    double slow[PU__BLOCK_BARS];
    pair_push(memory, parameters, block, out, slow);
}

const pu_feature pu__feature_apo = {
    .name = "apo",
    .version = 2,
    .description = "Absolute price oscillator: the exponential mean of 12 closes less that of 26.",
    .tags = "momentum,talib,level",
    .source = "TA-Lib 0.8 APO(12, 26, EMA)",
    PU__PARAMETERS(pair_names, 12, 26),
    .lookback_bars = 25,
    PU__BLOCKS(pair_state, apo),
};

PU__BLOCK(ppo) {
    double slow[PU__BLOCK_BARS];
    pair_push(memory, parameters, block, out, slow);
    for (int t = 0; t < (int)block->count; ++t) {
        const double ratio = 100 * (out[t] / slow[t]);
        out[t] = fabs(out[t]) > PU__ZERO_RATIO * slow[t] ? ratio : 0;
    }
}

const pu_feature pu__feature_ppo = {
    .name = "ppo",
    .version = 2,
    .description =
        "Percentage price oscillator: the exponential mean of 12 closes over that of 26, less 1, in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib 0.8 PPO(12, 26, EMA)",
    PU__PARAMETERS(pair_names, 12, 26),
    .lookback_bars = 25,
    PU__BLOCKS(pair_state, ppo),
};

typedef struct macd_state {
    pu__macd line;
    pu__seeded signal;
} macd_state;

/* The line, and the signal that smooths it. */
static inline void macd_push(macd_state *state, const double *parameters, const pu_feature_chunk *block,
                             double *line, double *signal) {
    const int64_t begun = block->first - ((int)parameters[1] - 1);
    pu__macd_push(&state->line, (int)parameters[0], (int)parameters[1], block, line);
    pu__means_push(&state->signal, (int)parameters[2], begun, line, (int)block->count, signal);
}

PU__BLOCK(macd) { pu__macd_push(memory, (int)parameters[0], (int)parameters[1], block, out); }

PU__BLOCK(signal) {
    double line[PU__BLOCK_BARS];
    macd_push(memory, parameters, block, line, out);
}

PU__BLOCK(hist) {
    double line[PU__BLOCK_BARS];
    macd_push(memory, parameters, block, line, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = line[t] - out[t];
}

/* TA-Lib gives all three only where the signal exists, hence one lookback. */
#define MACD(output, function)                                                                                \
    .version = 2, .tags = "momentum,talib,level", .source = "TA-Lib MACD(12, 26, 9), " output "; Appel 1979", \
    PU__PARAMETERS(macd_names, 12, 26, 9), .lookback_bars = 33, PU__BLOCKS(macd_state, function)

const pu_feature pu__feature_macd = {
    .name = "macd",
    .description = "MACD line: the exponential mean of 12 closes less that of 26.",
    MACD("line", macd),
};
const pu_feature pu__feature_macd_signal = {
    .name = "macd_signal",
    .description = "MACD signal: the exponential mean of the MACD line over 9 bars.",
    MACD("signal", signal),
};
const pu_feature pu__feature_macd_hist = {
    .name = "macd_hist",
    .description = "MACD histogram: the line less its signal.",
    MACD("histogram", hist),
};

PU__BLOCK(mom) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    const double *close = pu__span_of(memory, n, block->close, count, &span);
    for (int t = 0; t < count; ++t) out[t] = close[t] - close[t - n];
}

const pu_feature pu__feature_mom_10 = {
    .name = "mom_10",
    .version = 1,
    .description = "Momentum: the close less that of 10 bars ago.",
    .tags = "momentum,talib,level",
    .source = "TA-Lib MOM(10)",
    PU__PARAMETERS(bars_name, 10),
    .lookback_bars = 10,
    PU__BLOCKS(pu__tail, mom),
};

PU__BLOCK(roc) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    const double *close = pu__span_of(memory, n, block->close, count, &span);
    for (int t = 0; t < count; ++t) out[t] = 100 * (close[t] / close[t - n] - 1);
}

const pu_feature pu__feature_roc_10 = {
    .name = "roc_10",
    .version = 1,
    .description = "Rate of change over 10 bars in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib ROC(10)",
    PU__PARAMETERS(bars_name, 10),
    .lookback_bars = 10,
    PU__BLOCKS(pu__tail, roc),
};

typedef struct trix_state {
    pu__seeded chain[3];
    pu__tail last;
} trix_state;

PU__BLOCK(trix) {
    trix_state *state = memory;
    const int count = (int)block->count;
    double stage[3][PU__BLOCK_BARS];
    pu__span span;
    pu__chain(state->chain, 3, (int)parameters[0], block->first, block->close, count, stage);
    const double *mean = pu__span_of(&state->last, 1, stage[2], count, &span);
    for (int t = 0; t < count; ++t) {
        const double last = mean[t - 1], ratio = 100 * (mean[t] / last - 1);
        out[t] = fabs(mean[t] - last) > PU__ZERO_RATIO * last ? ratio : 0;
    }
}

const pu_feature pu__feature_trix_30 = {
    .name = "trix_30",
    .version = 2,
    .description = "Change of the close smoothed three times by an exponential mean of 30 bars, in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib TRIX(30): ROC(1) of EMA(EMA(EMA(close)))",
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 88,
    PU__BLOCKS(trix_state, trix),
};

PU__BLOCK(cci) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double mean[PU__BLOCK_BARS];
    double *typical = pu__span_open(memory, n - 1, &span);
    for (int t = 0; t < count; ++t) typical[t] = (block->high[t] + block->low[t] + block->close[t]) * (1.0 / 3);
    pu__span_close(memory, n - 1, typical, count);
    pu__window_means(typical, n, count, mean);
    pu__deviations(PU__SIZES, typical, n, count, mean, out);
    for (int t = 0; t < count; ++t) {
        const double deviation = out[t] * (1.0 / n), ratio = (typical[t] - mean[t]) / (parameters[1] * deviation);
        out[t] = deviation > PU__ZERO_RATIO * mean[t] ? ratio : 0;
    }
}

static const char *const cci_names[] = {"bars", "scale"};

const pu_feature pu__feature_cci_14 = {
    .name = "cci_14",
    .version = 2,
    .description = "Commodity channel index: the typical price in mean deviations from its mean of 14 bars.",
    .tags = "momentum,talib",
    .source = "TA-Lib CCI(14); Lambert 1980",
    PU__PARAMETERS(cci_names, 14, 0.015),
    .lookback_bars = 13,
    PU__BLOCKS(pu__tail, cci),
};

PU__BLOCK(cmo) {
    double loss[PU__BLOCK_BARS];
    pu__gains_push(memory, (int)parameters[0], block, out, loss);
    for (int t = 0; t < (int)block->count; ++t)
        out[t] = pu__share(out[t] - loss[t], out[t], loss[t], block->close[t]);
}

const pu_feature pu__feature_cmo_14 = {
    .name = "cmo_14",
    .version = 2,
    .description = "Chande's momentum oscillator: gains less losses in percent of both, smoothed as RSI is.",
    .tags = "momentum,talib",
    .source = "TA-Lib CMO(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(pu__gains, cmo),
};
