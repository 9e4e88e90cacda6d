/* Streaming building blocks of the features.
 *
 * Rounding: a rolling window is summed afresh at every bar, oldest value first, so the error of a sum is that of n
 * additions (at most n ulp of the sum of magnitudes) and nothing is carried along. Exponential filters contract:
 * an error of one ulp per bar settles at 1/k ulp. Neither depends on how long the history is. */
#ifndef PU_HOST_DATA_FEATURES_ROLLING_H
#define PU_HOST_DATA_FEATURES_ROLLING_H

#include <math.h>
#include <stddef.h>

#include "host/data/features/features_internal.h"

enum { PU__ROLL_BARS_MAX = 128 };

/* The last n values. Every value is stored twice, n apart, so that the window is contiguous at any time. */
typedef struct pu__roll {
    int count, next;
    double value[2 * PU__ROLL_BARS_MAX];
} pu__roll;

/* Adds a value; returns the last n values, oldest first, or null while there are fewer. */
static inline const double *pu__roll_push(pu__roll *roll, int n, double value) {
    roll->value[roll->next] = roll->value[roll->next + n] = value;
    roll->next = roll->next + 1 == n ? 0 : roll->next + 1;
    if (roll->count < n) ++roll->count;
    return roll->count == n ? roll->value + roll->next : NULL;
}

static inline double pu__sum(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += x[i];
    return sum;
}

/* Population variance, two passes. */
static inline double pu__variance(const double *x, int n, double mean) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += (x[i] - mean) * (x[i] - mean);
    return sum / n;
}

/* Exponentially weighted mean with the weights' sum divided out: pandas' ewm(span=n, adjust=True).mean(). */
typedef struct pu__ewma {
    double sum, weight;
} pu__ewma;

static inline double pu__ewma_push(pu__ewma *ewma, double span, double value) {
    const double keep = 1 - 2 / (span + 1);
    ewma->sum = keep * ewma->sum + value;
    ewma->weight = keep * ewma->weight + 1;
    return ewma->sum / ewma->weight;
}

/* Per-bar volatility: root of the exponentially weighted mean square log return. 0 before the first return. */
typedef struct pu__volatility {
    double last;
    pu__ewma square;
} pu__volatility;

static inline double pu__volatility_push(pu__volatility *volatility, double span, double price) {
    const double previous = volatility->last;
    volatility->last = price;
    if (previous == 0) return 0;
    const double change = log(price / previous);
    return sqrt(pu__ewma_push(&volatility->square, span, change * change));
}

#endif
