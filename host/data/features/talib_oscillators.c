/* TA-Lib's oscillators of place in a range: fast stochastics, Williams' %R, Aroon, the ultimate oscillator. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const stochf_names[] = {"fastk_bars", "fastd_bars"};
static const char *const stochrsi_names[] = {"rsi_bars", "fastk_bars", "fastd_bars"};
static const char *const ultosc_names[] = {"short_bars", "middle_bars", "long_bars"};

typedef struct stoch_state {
    pu__tail high, low, fast_k;
    pu__gains gains; /* of the RSI, where that is what is placed */
} stoch_state;

static inline void fast_k(stoch_state *state, int n, const double *high, const double *low, const double *value,
                          int count, double *restrict out) {
    pu__span highs, lows;
    double highest[PU__BLOCK_BARS], lowest[PU__BLOCK_BARS];
    pu__highest(pu__span_of(&state->high, n - 1, high, count, &highs), n, count, highest);
    pu__lowest(pu__span_of(&state->low, n - 1, low, count, &lows), n, count, lowest);
    for (int t = 0; t < count; ++t) out[t] = pu__place(value[t], lowest[t], highest[t]);
}

/* The mean of the last n values of k[count]. */
static inline void fast_d(stoch_state *state, int n, const double *k, int count, double *restrict out) {
    pu__span span;
    pu__window_means(pu__span_of(&state->fast_k, n - 1, k, count, &span), n, count, out);
}

PU__BLOCK(stochf_k) {
    fast_k(memory, (int)parameters[0], block->high, block->low, block->close, (int)block->count, out);
}

PU__BLOCK(stochf_d) {
    double k[PU__BLOCK_BARS];
    fast_k(memory, (int)parameters[0], block->high, block->low, block->close, (int)block->count, k);
    fast_d(memory, (int)parameters[1], k, (int)block->count, out);
}

/* TA-Lib gives %K only where %D exists too, hence one lookback for both. */
#define STOCHF(output, function)                                                           \
    .version = 2, .tags = "momentum,talib", .source = "TA-Lib STOCHF(5, 3, SMA), " output, \
    PU__PARAMETERS(stochf_names, 5, 3), .lookback_bars = 6, PU__BLOCKS(stoch_state, function)

const pu_feature pu__feature_stochf_k = {
    .name = "stochf_k",
    .description = "Fast %K: place of the close in the range of 5 bars, 0 to 100, 0 where the range is nil.",
    STOCHF("fast %K", stochf_k),
};
const pu_feature pu__feature_stochf_d = {
    .name = "stochf_d",
    .description = "Fast %D: the mean of the last 3 values of fast %K.",
    STOCHF("fast %D", stochf_d),
};

static inline void rsi_k(stoch_state *state, const double *parameters, const pu_feature_chunk *block,
                         double *restrict out) {
    const int count = (int)block->count;
    double rsi[PU__BLOCK_BARS], loss[PU__BLOCK_BARS];
    pu__gains_push(&state->gains, (int)parameters[0], block, rsi, loss);
    for (int t = 0; t < count; ++t) rsi[t] = pu__share(rsi[t], rsi[t], loss[t], block->close[t]);
    fast_k(state, (int)parameters[1], rsi, rsi, rsi, count, out);
}

PU__BLOCK(stochrsi_k) { rsi_k(memory, parameters, block, out); }

PU__BLOCK(stochrsi_d) {
    double k[PU__BLOCK_BARS];
    rsi_k(memory, parameters, block, k);
    fast_d(memory, (int)parameters[2], k, (int)block->count, out);
}

#define STOCHRSI(output, function)                                                               \
    .version = 2, .tags = "momentum,talib", .source = "TA-Lib STOCHRSI(14, 5, 3, SMA), " output, \
    PU__PARAMETERS(stochrsi_names, 14, 5, 3), .lookback_bars = 20, PU__BLOCKS(stoch_state, function)

const pu_feature pu__feature_stochrsi_k = {
    .name = "stochrsi_k",
    .description = "Fast %K of RSI(14) over 5 bars, 0 to 100, 0 where RSI stands still.",
    STOCHRSI("fast %K", stochrsi_k),
};
const pu_feature pu__feature_stochrsi_d = {
    .name = "stochrsi_d",
    .description = "Fast %D of RSI(14): the mean of the last 3 values of its fast %K.",
    STOCHRSI("fast %D", stochrsi_d),
};

typedef struct range_state {
    pu__tail high, low;
} range_state;

PU__BLOCK(willr) {
    range_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span highs, lows;
    double highest[PU__BLOCK_BARS], lowest[PU__BLOCK_BARS];
    pu__highest(pu__span_of(&state->high, n - 1, block->high, count, &highs), n, count, highest);
    pu__lowest(pu__span_of(&state->low, n - 1, block->low, count, &lows), n, count, lowest);
    for (int t = 0; t < count; ++t) {
        const double range = highest[t] - lowest[t], value = -100 * ((highest[t] - block->close[t]) / range);
        out[t] = range > PU__ZERO_RATIO * highest[t] ? value : 0;
    }
}

const pu_feature pu__feature_willr_14 = {
    .name = "willr_14",
    .version = 1,
    .description = "Williams' %R: how far the close lies below the high of 14 bars, -100 to 0.",
    .tags = "momentum,talib",
    .source = "TA-Lib WILLR(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__BLOCKS(range_state, willr),
};

typedef struct aroon_state {
    pu__tail high, low;
} aroon_state;

/* Bars since the highest high, and since the lowest low. */
static inline void since_high(aroon_state *state, int n, const pu_feature_chunk *block, double *out) {
    pu__span span;
    pu__ages(pu__span_of(&state->high, n, block->high, (int)block->count, &span), n + 1, (int)block->count, out);
}

static inline void since_low(aroon_state *state, int n, const pu_feature_chunk *block, double *out) {
    const int count = (int)block->count;
    pu__span span;
    double *low = pu__span_open(&state->low, n, &span);
    for (int t = 0; t < count; ++t) low[t] = -block->low[t];
    pu__span_close(&state->low, n, low, count);
    pu__ages(low, n + 1, count, out);
}

PU__BLOCK(aroon_up) {
    const int n = (int)parameters[0];
    since_high(memory, n, block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = 100 * (n - out[t]) / n;
}

PU__BLOCK(aroon_down) {
    const int n = (int)parameters[0];
    since_low(memory, n, block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = 100 * (n - out[t]) / n;
}

PU__BLOCK(aroonosc) {
    const int n = (int)parameters[0];
    double low[PU__BLOCK_BARS];
    since_high(memory, n, block, out);
    since_low(memory, n, block, low);
    for (int t = 0; t < (int)block->count; ++t) out[t] = 100 * (low[t] - out[t]) / n;
}

#define AROON(formula, function)                                                      \
    .version = 1, .tags = "trend,talib", .source = "TA-Lib " formula "; Chande 1995", \
    PU__PARAMETERS(bars_name, 14), .lookback_bars = 14, PU__BLOCKS(aroon_state, function)

const pu_feature pu__feature_aroon_up_14 = {
    .name = "aroon_up_14",
    .description = "Aroon up: 100 at the highest high of 15 bars, less for every bar since.",
    AROON("AROON(14), up", aroon_up),
};
const pu_feature pu__feature_aroon_down_14 = {
    .name = "aroon_down_14",
    .description = "Aroon down: 100 at the lowest low of 15 bars, less for every bar since.",
    AROON("AROON(14), down", aroon_down),
};
const pu_feature pu__feature_aroonosc_14 = {
    .name = "aroonosc_14",
    .description = "Aroon up less Aroon down, -100 to 100.",
    AROON("AROONOSC(14)", aroonosc),
};

typedef struct ultosc_state {
    pu__tail close, last, pressure, range;
} ultosc_state;

enum { ULTOSC_SPANS = 3 };

/* Sums of x over n, 2 n and 4 n bars, each made of two of the one before. */
static inline void sums_by_two(const double *x, int n, int count, double sum[ULTOSC_SPANS][PU__BLOCK_BARS]) {
    double few[PU__SPAN_BARS_MAX], more[PU__SPAN_BARS_MAX];
    pu__sums(x - 3 * n, n, count + 3 * n, few);
    for (int i = n; i < count + 3 * n; ++i) more[i] = few[i - n] + few[i];
    for (int t = 0; t < count; ++t) {
        sum[0][t] = few[t + 3 * n];
        sum[1][t] = more[t + 3 * n];
        sum[2][t] = more[t + n] + more[t + 3 * n];
    }
}

/* The spans are n, 2 n and 4 n bars; their weights 4, 2 and 1. */
PU__BLOCK(ultosc) {
    ultosc_state *state = memory;
    const int n = (int)parameters[0], before = 4 * n - 1, count = (int)block->count;
    pu__span closes, pressures, ranges;
    double up[ULTOSC_SPANS][PU__BLOCK_BARS], all[ULTOSC_SPANS][PU__BLOCK_BARS];
    const double *close = pu__span_of(&state->close, 1, block->close, count, &closes);
    double *pressure = pu__span_open(&state->pressure, before, &pressures);
    double *range = pu__span_open(&state->range, before, &ranges);
    for (int t = 0; t < count; ++t)
        pressure[t] = close[t] - (block->low[t] < close[t - 1] ? block->low[t] : close[t - 1]);
    pu__true_ranges(&state->last, block, range);
    pu__span_close(&state->pressure, before, pressure, count);
    pu__span_close(&state->range, before, range, count);
    sums_by_two(pressure, n, count, up);
    sums_by_two(range, n, count, all);
    for (int t = 0; t < count; ++t) {
        const double least = PU__ZERO_RATIO * close[t];
        const double few = up[0][t] / all[0][t], middle = up[1][t] / all[1][t], many = up[2][t] / all[2][t];
        const double sum = (all[0][t] > least ? 4 * few : 0) + (all[1][t] > least ? 2 * middle : 0);
        out[t] = (sum + (all[2][t] > least ? many : 0)) * (100.0 / 7);
    }
}

const pu_feature pu__feature_ultosc = {
    .name = "ultosc",
    .version = 2,
    .description = "Ultimate oscillator: buying pressure over true range of 7, 14 and 28 bars, weighted 4, 2, 1.",
    .tags = "momentum,talib",
    .source = "TA-Lib ULTOSC(7, 14, 28); Williams 1985",
    PU__PARAMETERS(ultosc_names, 7, 14, 28),
    .lookback_bars = 28,
    PU__BLOCKS(ultosc_state, ultosc),
};
