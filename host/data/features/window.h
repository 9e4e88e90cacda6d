/* More building blocks of the features: sums and extremes of a window in constant time, chains of averages,
 * directional movement. */
#ifndef PU_HOST_DATA_FEATURES_WINDOW_H
#define PU_HOST_DATA_FEATURES_WINDOW_H

#include "host/data/features/rolling.h"

typedef enum pu__fold_by { PU__FOLD_SUM = 0, PU__FOLD_MAX, PU__FOLD_MIN } pu__fold_by;

enum { PU__FOLD_BARS_MAX = 64 };

/* Sum, maximum or minimum of the last n values, in constant time a bar. Values come in blocks of n; `value` holds
 * those of the block being filled and, from there on, for every place the fold of the block before from that place
 * to its end. A window is such a rest and the fold of what is new (van Herk 1992). Nothing is ever subtracted: the
 * rounding of a sum is that of n additions, and an outlier is gone when it has left the window. */
typedef struct pu__fold {
    int at;
    bool is_full;
    double recent, value[PU__FOLD_BARS_MAX];
} pu__fold;

static inline double pu__fold_pair(pu__fold_by by, double a, double b) {
    if (by == PU__FOLD_SUM) return a + b;
    return by == PU__FOLD_MAX ? (a > b ? a : b) : (a < b ? a : b);
}

/* NaN while there are fewer than n values. */
static inline double pu__fold_push(pu__fold *fold, pu__fold_by by, int n, double value) {
    fold->recent = fold->at == 0 ? value : pu__fold_pair(by, fold->recent, value);
    fold->value[fold->at++] = value;
    if (fold->at < n) return fold->is_full ? pu__fold_pair(by, fold->value[fold->at], fold->recent) : NAN;
    for (int i = n - 2; i >= 0; --i) fold->value[i] = pu__fold_pair(by, fold->value[i], fold->value[i + 1]);
    fold->is_full = true;
    fold->at = 0;
    return fold->value[0];
}

/* Mean of the last n values; NaN while there are fewer. */
static inline double pu__mean_push(pu__fold *fold, int n, double value) {
    return pu__fold_push(fold, PU__FOLD_SUM, n, value) / n;
}

/* Highest and lowest of the last n bars. */
typedef struct pu__extremes {
    pu__fold high, low;
} pu__extremes;

/* False while there are fewer than n. */
static inline bool pu__extremes_push(pu__extremes *extremes, int n, double high, double low, double *highest,
                                     double *lowest) {
    *highest = pu__fold_push(&extremes->high, PU__FOLD_MAX, n, high);
    *lowest = pu__fold_push(&extremes->low, PU__FOLD_MIN, n, low);
    return !isnan(*highest);
}

/* An EMA of an EMA of ..., each seeded by the simple mean of the first n values of the one before. */
enum { PU__CHAIN_STAGES_MAX = 6 };
typedef struct pu__chain {
    pu__ema stage[PU__CHAIN_STAGES_MAX];
} pu__chain;

/* The last stage's value, NaN before it has one. */
static inline double pu__chain_push(pu__chain *chain, int stages, int n, double value) {
    for (int i = 0; i < stages && !isnan(value); ++i) value = pu__ema_push(&chain->stage[i], n, value);
    return value;
}

/* The last log return of the close, NaN at the first bar. */
static inline double pu__return_push(double *last_close, int64_t index, double close) {
    const double last = *last_close;
    *last_close = close;
    return index == 0 ? NAN : log(close / last);
}

/* The last n log returns, oldest first; null while there are fewer. */
typedef struct pu__returns {
    double close;
    pu__roll change;
} pu__returns;

static inline const double *pu__returns_push(pu__returns *returns, int n, double close, int64_t index) {
    const double change = pu__return_push(&returns->close, index, close);
    return index == 0 ? NULL : pu__roll_push(&returns->change, n, change);
}

/* Sum of products in four parts, so that additions do not wait for each other. */
static inline double pu__dot(const double *x, const double *y, int n) {
    double part[4] = {0};
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; ++k) part[k] += x[i + k] * y[i + k];
    }
    for (; i < n; ++i) part[0] += x[i] * y[i];
    return (part[0] + part[1]) + (part[2] + part[3]);
}

/* Mean of n values, likewise. */
static inline double pu__mean(const double *x, int n) {
    double part[4] = {0};
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; ++k) part[k] += x[i + k];
    }
    for (; i < n; ++i) part[0] += x[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) / n;
}

/* out[n]: the values less their mean. Returns their population variance. */
static inline double pu__centre(const double *x, int n, double *out) {
    const double mean = pu__mean(x, n);
    for (int i = 0; i < n; ++i) out[i] = x[i] - mean;
    return pu__dot(out, out, n) / n;
}

/* How many bars ago the latest of the largest (sign 1) or smallest (sign -1) of the last n values was. */
typedef struct pu__age {
    pu__roll window;
    double extreme;
    int bars;
} pu__age;

/* -1 while there are fewer than n values. The window is searched only when the extreme has left it. */
static inline int pu__age_push(pu__age *age, int n, double sign, double value) {
    const double *window = pu__roll_push(&age->window, n, value);
    age->bars += 1;
    if (age->window.count == 1 || sign * value >= sign * age->extreme) {
        age->extreme = value;
        age->bars = 0;
    } else if (window && age->bars >= n) {
        int at = n - 1;
        for (int i = n - 2; i >= 0; --i) at = sign * window[i] > sign * window[at] ? i : at;
        age->extreme = window[at];
        age->bars = n - 1 - at;
    }
    return window ? age->bars : -1;
}

/* Slope of the least-squares line through n values one bar apart. */
static inline double pu__slope(const double *y, int n) {
    double centred[PU__ROLL_BARS_MAX];
    for (int i = 0; i < n; ++i) centred[i] = i - 0.5 * (n - 1);
    return pu__dot(centred, y, n) / (n * ((double)n * n - 1) / 12);
}

/* Wilder's directional movement: decaying sums of upward and downward movement and of the true range. */
typedef struct pu__direction {
    double high, low, close;
    double plus, minus, range;
} pu__direction;

/* The sums first lose 1/n of themselves once n - 1 bars have seeded them. The first bar only starts it. */
static inline void pu__direction_push(pu__direction *sums, double n, const pu_feature_bar *bar, int64_t index) {
    if (index > 0) {
        const double up = bar->high - sums->high, down = sums->low - bar->low;
        const double range = pu__true_range(bar, sums->close);
        if ((double)index >= n) {
            sums->plus -= sums->plus / n;
            sums->minus -= sums->minus / n;
            sums->range -= sums->range / n;
        }
        if (down > 0 && up < down) sums->minus += down;
        if (up > 0 && up > down) sums->plus += up;
        sums->range += range;
    }
    sums->high = bar->high;
    sums->low = bar->low;
    sums->close = bar->close;
}

/* The directional indicator +DI or -DI, 0 without a range. */
static inline double pu__direction_share(const pu__direction *sums, double movement) {
    return sums->range > PU__ZERO_RATIO * sums->close ? 100 * (movement / sums->range) : 0;
}

/* DX, the share of one direction over the other; NaN where there was no movement. */
static inline double pu__direction_index(const pu__direction *sums) {
    if (sums->range <= PU__ZERO_RATIO * sums->close) return NAN;
    const double plus = sums->plus / sums->range, minus = sums->minus / sums->range;
    return plus + minus > PU__ZERO_RATIO ? 100 * fabs(minus - plus) / (plus + minus) : NAN;
}

/* Wilder's smoothing of DX, seeded by the mean of its first n values. */
typedef struct pu__adx {
    pu__direction sums;
    double dx_sum, value;
} pu__adx;

static inline double pu__adx_push(pu__adx *adx, int n, const pu_feature_bar *bar, int64_t index) {
    pu__direction_push(&adx->sums, n, bar, index);
    const double dx = index > 0 ? pu__direction_index(&adx->sums) : NAN;
    if (index >= n && index < 2 * n) {
        adx->dx_sum += isnan(dx) ? 0 : dx;
        adx->value = adx->dx_sum / n;
    } else if (index >= 2 * n && !isnan(dx)) {
        adx->value = (adx->value * (n - 1) + dx) / n;
    }
    return adx->value;
}

/* RSI's parts: Wilder's smoothing of gains and losses, seeded by the simple mean of the first n changes. */
typedef struct pu__gains {
    double close, gain, loss;
} pu__gains;

static inline void pu__gains_push(pu__gains *gains, double n, double close, int64_t index) {
    const double change = close - gains->close;
    gains->close = close;
    if (index == 0) return;
    const double gain = change > 0 ? change : 0, loss = change < 0 ? -change : 0;
    if ((double)index <= n) {
        gains->gain += gain / n;
        gains->loss += loss / n;
    } else {
        gains->gain = (gains->gain * (n - 1) + gain) / n;
        gains->loss = (gains->loss * (n - 1) + loss) / n;
    }
}

/* `part` in percent of all movement, 0 in a flat market. */
static inline double pu__gains_share(const pu__gains *gains, double part) {
    const double total = gains->gain + gains->loss;
    return total > PU__ZERO_RATIO * gains->close ? 100 * (part / total) : 0;
}

/* TA-Lib's MACD line: both averages are seeded so that their first values fall on the same bar, the fast one
 * slow - fast bars late. NaN before. */
typedef struct pu__macd {
    pu__ema fast, slow;
} pu__macd;

static inline double pu__macd_push(pu__macd *macd, int fast_bars, int slow_bars, double close, int64_t index) {
    const double slow = pu__ema_push(&macd->slow, slow_bars, close);
    const double fast = index >= slow_bars - fast_bars ? pu__ema_push(&macd->fast, fast_bars, close) : NAN;
    return fast - slow;
}

#endif
