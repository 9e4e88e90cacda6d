/* More building blocks of the features that stream bar by bar: log returns, sums of products. */
#ifndef PU_HOST_DATA_FEATURES_WINDOW_H
#define PU_HOST_DATA_FEATURES_WINDOW_H

#include "host/data/features/rolling.h"

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

#endif
