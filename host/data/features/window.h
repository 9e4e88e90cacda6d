/* More building blocks of the features: sums and extremes of a window in constant time, log returns. */
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

#endif
