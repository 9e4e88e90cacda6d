/* TA-Lib's moving averages ("overlap studies") of the close, at their default periods. They are price levels. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const t3_names[] = {"bars", "volume_factor"};
static const char *const kama_names[] = {"bars", "fast_bars", "slow_bars"};

#define AVERAGE(formula, text) \
    .version = 1, .tags = "trend,talib,level", .description = text, .source = "TA-Lib " formula

static double sma_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return pu__mean_push(memory, (int)parameters[0], bar->close);
}

const pu_feature pu__feature_sma_30 = {
    .name = "sma_30",
    AVERAGE("SMA(30)", "Simple mean of the last 30 closes."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__UPDATE(pu__fold, sma_update),
};

static double ema_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return pu__ema_push(memory, (int)parameters[0], bar->close);
}

const pu_feature pu__feature_ema_30 = {
    .name = "ema_30",
    AVERAGE("EMA(30): factor 2 / 31, seeded by the simple mean of the first 30",
            "Exponential mean of the close, 30 bars."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__UPDATE(pu__ema, ema_update),
};

static double wma_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, bar->close);
    if (!window) return NAN;
    double sum = 0;
    for (int i = 0; i < bars; ++i) sum += (i + 1) * window[i];
    return sum / (0.5 * bars * (bars + 1));
}

const pu_feature pu__feature_wma_30 = {
    .name = "wma_30",
    AVERAGE("WMA(30): weights 1 (oldest) to 30", "Mean of the last 30 closes with linear weights."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__UPDATE(pu__roll, wma_update),
};

static double dema_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    pu__chain *chain = memory;
    const double twice = pu__chain_push(chain, 2, (int)parameters[0], bar->close);
    return 2 * chain->stage[0].value - twice;
}

const pu_feature pu__feature_dema_30 = {
    .name = "dema_30",
    AVERAGE("DEMA(30): 2 e1 - e2, e2 the EMA of e1; Mulloy 1994", "Double exponential mean of the close."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 58,
    PU__UPDATE(pu__chain, dema_update),
};

static double tema_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    pu__chain *chain = memory;
    const double thrice = pu__chain_push(chain, 3, (int)parameters[0], bar->close);
    return 3 * chain->stage[0].value - 3 * chain->stage[1].value + thrice;
}

const pu_feature pu__feature_tema_30 = {
    .name = "tema_30",
    AVERAGE("TEMA(30): 3 e1 - 3 e2 + e3, each the EMA of the one before; Mulloy 1994",
            "Triple exponential mean of the close."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 87,
    PU__UPDATE(pu__chain, tema_update),
};

typedef struct trima_state {
    pu__fold inner, outer;
} trima_state;

/* The mean of a mean has triangular weights. */
static double trima_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    trima_state *state = memory;
    const int bars = (int)parameters[0];
    const double inner = pu__mean_push(&state->inner, (bars + 1) / 2, bar->close);
    return isnan(inner) ? NAN : pu__mean_push(&state->outer, bars / 2 + 1, inner);
}

const pu_feature pu__feature_trima_30 = {
    .name = "trima_30",
    AVERAGE("TRIMA(30): weights 1 to 15 and back to 1", "Mean of the last 30 closes with triangular weights."),
    PU__PARAMETERS(bars_name, 30),
    .lookback_bars = 29,
    PU__UPDATE(trima_state, trima_update),
};

typedef struct kama_state {
    pu__roll close;
    pu__fold path;
    double last, value;
} kama_state;

/* The close of the bar before the first value stands in for the average before it. */
static double kama_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    kama_state *state = memory;
    const int bars = (int)parameters[0];
    const double step = fabs(bar->close - state->last), last = state->last;
    state->last = bar->close;
    const double *window = pu__roll_push(&state->close, bars + 1, bar->close);
    const double path = index > 0 ? pu__fold_push(&state->path, PU__FOLD_SUM, bars, step) : NAN;
    if (!window) return NAN;
    const double way = fabs(bar->close - window[0]);
    const double efficiency = path > way && path > PU__ZERO_RATIO * bar->close ? way / path : 1;
    const double fast = 2 / (parameters[1] + 1), slow = 2 / (parameters[2] + 1);
    const double factor = efficiency * (fast - slow) + slow;
    if (index == bars) state->value = last;
    state->value = (bar->close - state->value) * (factor * factor) + state->value;
    return state->value;
}

const pu_feature pu__feature_kama_30 = {
    .name = "kama_30",
    AVERAGE("KAMA(30); Kaufman 1995", "Kaufman's mean of the close, which adapts to the efficiency ratio."),
    PU__PARAMETERS(kama_names, 30, 2, 30),
    .lookback_bars = 30,
    PU__UPDATE(kama_state, kama_update),
};

static double t3_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    pu__chain *chain = memory;
    const double sixth = pu__chain_push(chain, 6, (int)parameters[0], bar->close);
    const double v = parameters[1], v2 = v * v, v3 = v2 * v;
    return -v3 * sixth + 3 * (v2 + v3) * chain->stage[4].value - (6 * v2 + 3 * (v + v3)) * chain->stage[3].value +
           (1 + 3 * v + 3 * v2 + v3) * chain->stage[2].value;
}

const pu_feature pu__feature_t3_5 = {
    .name = "t3_5",
    AVERAGE("T3(5, 0.7); Tillson 1998", "Tillson's mean of the close: a weighted chain of six exponential means."),
    PU__PARAMETERS(t3_names, 5, 0.7),
    .lookback_bars = 24,
    PU__UPDATE(pu__chain, t3_update),
};
