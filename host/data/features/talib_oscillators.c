/* TA-Lib's oscillators of place in a range: fast stochastics, Williams' %R, Aroon, the ultimate oscillator. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const stochf_names[] = {"fastk_bars", "fastd_bars"};
static const char *const stochrsi_names[] = {"rsi_bars", "fastk_bars", "fastd_bars"};
static const char *const ultosc_names[] = {"short_bars", "middle_bars", "long_bars"};

typedef struct stoch_state {
    pu__extremes extremes;
    pu__fold fast_k;
    pu__gains gains; /* of the RSI, where that is what is placed */
} stoch_state;

/* Place of `value` between lowest and highest, in percent; 0 where they do not differ. */
static double place(double value, double lowest, double highest) {
    const double range = highest - lowest;
    return range > PU__ZERO_RATIO * highest ? 100 * (value - lowest) / range : 0;
}

static double fast_k(stoch_state *state, int bars, double high, double low, double value) {
    double highest, lowest;
    return pu__extremes_push(&state->extremes, bars, high, low, &highest, &lowest) ? place(value, lowest, highest)
                                                                                   : NAN;
}

static double fast_d(stoch_state *state, int bars, double k) {
    return isnan(k) ? NAN : pu__mean_push(&state->fast_k, bars, k);
}

static double stochf_k_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return fast_k(memory, (int)parameters[0], bar->high, bar->low, bar->close);
}

static double stochf_d_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return fast_d(memory, (int)parameters[1], stochf_k_update(memory, parameters, bar, index));
}

/* TA-Lib gives %K only where %D exists too, hence one lookback for both. */
#define STOCHF(output, function)                                                           \
    .version = 1, .tags = "momentum,talib", .source = "TA-Lib STOCHF(5, 3, SMA), " output, \
    PU__PARAMETERS(stochf_names, 5, 3), .lookback_bars = 6, PU__UPDATE(stoch_state, function)

const pu_feature pu__feature_stochf_k = {
    .name = "stochf_k",
    .description = "Fast %K: place of the close in the range of 5 bars, 0 to 100, 0 where the range is nil.",
    STOCHF("fast %K", stochf_k_update),
};
const pu_feature pu__feature_stochf_d = {
    .name = "stochf_d",
    .description = "Fast %D: the mean of the last 3 values of fast %K.",
    STOCHF("fast %D", stochf_d_update),
};

static double stochrsi_k_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    stoch_state *state = memory;
    pu__gains_push(&state->gains, parameters[0], bar->close, index);
    if ((double)index < parameters[0]) return NAN;
    const double rsi = pu__gains_share(&state->gains, state->gains.gain);
    return fast_k(state, (int)parameters[1], rsi, rsi, rsi);
}

static double stochrsi_d_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return fast_d(memory, (int)parameters[2], stochrsi_k_update(memory, parameters, bar, index));
}

#define STOCHRSI(output, function)                                                               \
    .version = 1, .tags = "momentum,talib", .source = "TA-Lib STOCHRSI(14, 5, 3, SMA), " output, \
    PU__PARAMETERS(stochrsi_names, 14, 5, 3), .lookback_bars = 20, PU__UPDATE(stoch_state, function)

const pu_feature pu__feature_stochrsi_k = {
    .name = "stochrsi_k",
    .description = "Fast %K of RSI(14) over 5 bars, 0 to 100, 0 where RSI stands still.",
    STOCHRSI("fast %K", stochrsi_k_update),
};
const pu_feature pu__feature_stochrsi_d = {
    .name = "stochrsi_d",
    .description = "Fast %D of RSI(14): the mean of the last 3 values of its fast %K.",
    STOCHRSI("fast %D", stochrsi_d_update),
};

static double willr_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    double highest, lowest;
    if (!pu__extremes_push(memory, (int)parameters[0], bar->high, bar->low, &highest, &lowest)) return NAN;
    const double range = highest - lowest;
    return range > PU__ZERO_RATIO * highest ? -100 * ((highest - bar->close) / range) : 0;
}

const pu_feature pu__feature_willr_14 = {
    .name = "willr_14",
    .version = 1,
    .description = "Williams' %R: how far the close lies below the high of 14 bars, -100 to 0.",
    .tags = "momentum,talib",
    .source = "TA-Lib WILLR(14)",
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 13,
    PU__UPDATE(pu__extremes, willr_update),
};

typedef struct aroon_state {
    pu__age high, low;
} aroon_state;

/* Up less down, each with its share. */
static double aroon(aroon_state *state, int bars, const pu_feature_bar *bar, int up_share, int down_share) {
    int since_high = 0, since_low = 0;
    if (up_share) since_high = pu__age_push(&state->high, bars + 1, 1, bar->high);
    if (down_share) since_low = pu__age_push(&state->low, bars + 1, -1, bar->low);
    if (since_high < 0 || since_low < 0) return NAN;
    const int value = up_share * (bars - since_high) + down_share * (bars - since_low);
    return 100.0 * value / bars;
}

static double aroon_up_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return aroon(memory, (int)parameters[0], bar, 1, 0);
}

static double aroon_down_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return aroon(memory, (int)parameters[0], bar, 0, 1);
}

static double aroonosc_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return aroon(memory, (int)parameters[0], bar, 1, -1);
}

#define AROON(formula, function)                                                      \
    .version = 1, .tags = "trend,talib", .source = "TA-Lib " formula "; Chande 1995", \
    PU__PARAMETERS(bars_name, 14), .lookback_bars = 14, PU__UPDATE(aroon_state, function)

const pu_feature pu__feature_aroon_up_14 = {
    .name = "aroon_up_14",
    .description = "Aroon up: 100 at the highest high of 15 bars, less for every bar since.",
    AROON("AROON(14), up", aroon_up_update),
};
const pu_feature pu__feature_aroon_down_14 = {
    .name = "aroon_down_14",
    .description = "Aroon down: 100 at the lowest low of 15 bars, less for every bar since.",
    AROON("AROON(14), down", aroon_down_update),
};
const pu_feature pu__feature_aroonosc_14 = {
    .name = "aroonosc_14",
    .description = "Aroon up less Aroon down, -100 to 100.",
    AROON("AROONOSC(14)", aroonosc_update),
};

enum { ULTOSC_SPANS = 3 };
typedef struct ultosc_state {
    double close;
    pu__fold pressure[ULTOSC_SPANS], range[ULTOSC_SPANS];
} ultosc_state;

static double ultosc_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    ultosc_state *state = memory;
    const double last = state->close;
    state->close = bar->close;
    if (index == 0) return NAN;
    const double pressure = bar->close - (bar->low < last ? bar->low : last);
    const double range = pu__true_range(bar, last);
    double sum = 0, weights = 0;
    for (int i = 0; i < ULTOSC_SPANS; ++i) {
        const int bars = (int)parameters[i], weight = 1 << (ULTOSC_SPANS - 1 - i);
        const double pressures = pu__fold_push(&state->pressure[i], PU__FOLD_SUM, bars, pressure);
        const double ranges = pu__fold_push(&state->range[i], PU__FOLD_SUM, bars, range);
        sum += ranges > PU__ZERO_RATIO * bar->close ? weight * (pressures / ranges) : 0;
        weights += weight;
    }
    return 100 * (sum / weights);
}

const pu_feature pu__feature_ultosc = {
    .name = "ultosc",
    .version = 1,
    .description = "Ultimate oscillator: buying pressure over true range of 7, 14 and 28 bars, weighted 4, 2, 1.",
    .tags = "momentum,talib",
    .source = "TA-Lib ULTOSC(7, 14, 28); Williams 1985",
    PU__PARAMETERS(ultosc_names, 7, 14, 28),
    .lookback_bars = 28,
    PU__UPDATE(ultosc_state, ultosc_update),
};
