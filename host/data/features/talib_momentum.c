/* TA-Lib's momentum of the close: differences of averages, rates of change, CCI and CMO. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const pair_names[] = {"fast_bars", "slow_bars"};
static const char *const macd_names[] = {"fast_bars", "slow_bars", "signal_bars"};

/* Exponential means by TA-Lib 0.8's default; each is seeded by its own first bars, unlike those of MACD. */
typedef struct pair_state {
    pu__ema fast, slow;
} pair_state;

static double apo_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    pair_state *state = memory;
    const double fast = pu__ema_push(&state->fast, (int)parameters[0], bar->close);
    return fast - pu__ema_push(&state->slow, (int)parameters[1], bar->close);
}

const pu_feature pu__feature_apo = {
    .name = "apo",
    .version = 1,
    .description = "Absolute price oscillator: the exponential mean of 12 closes less that of 26.",
    .tags = "momentum,talib,level",
    .source = "TA-Lib 0.8 APO(12, 26, EMA)",
    PU__PARAMETERS(pair_names, 12, 26),
    .lookback_bars = 25,
    PU__UPDATE(pair_state, apo_update),
};

static double ppo_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const double change = apo_update(memory, parameters, bar, index), slow = ((pair_state *)memory)->slow.value;
    return fabs(change) > PU__ZERO_RATIO * slow ? 100 * (change / slow) : 0;
}

const pu_feature pu__feature_ppo = {
    .name = "ppo",
    .version = 1,
    .description =
        "Percentage price oscillator: the exponential mean of 12 closes over that of 26, less 1, in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib 0.8 PPO(12, 26, EMA)",
    PU__PARAMETERS(pair_names, 12, 26),
    .lookback_bars = 25,
    PU__UPDATE(pair_state, ppo_update),
};

typedef struct macd_state {
    pu__macd line;
    pu__ema signal;
} macd_state;

/* The signal, and the line it smooths; NaN before both exist. */
static double macd_signal(macd_state *state, const double *parameters, const pu_feature_bar *bar, int64_t index,
                          double *line) {
    *line = pu__macd_push(&state->line, (int)parameters[0], (int)parameters[1], bar->close, index);
    return isnan(*line) ? NAN : pu__ema_push(&state->signal, (int)parameters[2], *line);
}

static double macd_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    double line;
    macd_signal(memory, parameters, bar, index, &line);
    return line;
}

static double signal_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    double line;
    return macd_signal(memory, parameters, bar, index, &line);
}

static double hist_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    double line;
    const double signal = macd_signal(memory, parameters, bar, index, &line);
    return line - signal;
}

/* TA-Lib gives all three only where the signal exists, hence one lookback. */
#define MACD(output, function)                                                                                \
    .version = 1, .tags = "momentum,talib,level", .source = "TA-Lib MACD(12, 26, 9), " output "; Appel 1979", \
    PU__PARAMETERS(macd_names, 12, 26, 9), .lookback_bars = 33, PU__UPDATE(macd_state, function)

const pu_feature pu__feature_macd = {
    .name = "macd",
    .description = "MACD line: the exponential mean of 12 closes less that of 26.",
    MACD("line", macd_update),
};
const pu_feature pu__feature_macd_signal = {
    .name = "macd_signal",
    .description = "MACD signal: the exponential mean of the MACD line over 9 bars.",
    MACD("signal", signal_update),
};
const pu_feature pu__feature_macd_hist = {
    .name = "macd_hist",
    .description = "MACD histogram: the line less its signal.",
    MACD("histogram", hist_update),
};

static double mom_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const double *window = pu__roll_push(memory, (int)parameters[0] + 1, bar->close);
    return window ? bar->close - window[0] : NAN;
}

const pu_feature pu__feature_mom_10 = {
    .name = "mom_10",
    .version = 1,
    .description = "Momentum: the close less that of 10 bars ago.",
    .tags = "momentum,talib,level",
    .source = "TA-Lib MOM(10)",
    PU__PARAMETERS(bars_name, 10),
    .lookback_bars = 10,
    PU__UPDATE(pu__roll, mom_update),
};

static double roc_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const double *window = pu__roll_push(memory, (int)parameters[0] + 1, bar->close);
    return window ? 100 * (bar->close / window[0] - 1) : NAN;
}

const pu_feature pu__feature_roc_10 = {
    .name = "roc_10",
    .version = 1,
    .description = "Rate of change over 10 bars in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib ROC(10)",
    PU__PARAMETERS(bars_name, 10),
    .lookback_bars = 10,
    PU__UPDATE(pu__roll, roc_update),
};

typedef struct trix_state {
    pu__chain chain;
    double last;
} trix_state;

static double trix_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    trix_state *state = memory;
    const double last = state->last;
    state->last = pu__chain_push(&state->chain, 3, (int)parameters[0], bar->close);
    if (index == 0 || fabs(state->last - last) <= PU__ZERO_RATIO * last) return 0;
    return 100 * (state->last / last - 1);
}

const pu_feature pu__feature_trix_30 = {
    .name = "trix_30",
    .version = 1,
    .description = "Change of the close smoothed three times by an exponential mean of 30 bars, in percent.",
    .tags = "momentum,talib",
    .source = "TA-Lib TRIX(30): ROC(1) of EMA(EMA(EMA(close)))",
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 88,
    PU__UPDATE(trix_state, trix_update),
};

static double cci_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double typical = (bar->high + bar->low + bar->close) / 3;
    const double *window = pu__roll_push(memory, bars, typical);
    if (!window) return NAN;
    const double mean = pu__sum(window, bars) / bars;
    double deviation = 0;
    for (int i = 0; i < bars; ++i) deviation += fabs(window[i] - mean);
    deviation /= bars;
    return deviation > PU__ZERO_RATIO * mean ? (typical - mean) / (parameters[1] * deviation) : 0;
}

static const char *const cci_names[] = {"bars", "scale"};

const pu_feature pu__feature_cci_14 = {
    .name = "cci_14",
    .version = 1,
    .description = "Commodity channel index: the typical price in mean deviations from its mean of 14 bars.",
    .tags = "momentum,talib",
    .source = "TA-Lib CCI(14); Lambert 1980",
    PU__PARAMETERS(cci_names, 14, 0.015),
    .lookback_bars = 13,
    PU__UPDATE(pu__roll, cci_update),
};

static double cmo_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    pu__gains *gains = memory;
    pu__gains_push(gains, parameters[0], bar->close, index);
    return pu__gains_share(gains, gains->gain - gains->loss);
}

const pu_feature pu__feature_cmo_14 = {
    .name = "cmo_14",
    .version = 1,
    .description = "Chande's momentum oscillator: gains less losses in percent of both, smoothed as RSI is.",
    .tags = "momentum,talib",
    .source = "TA-Lib CMO(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(pu__gains, cmo_update),
};
