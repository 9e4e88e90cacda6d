/* The assets of one close beside each other: the universe's mean return, and what a cross-sectional feature makes of
 * the values of its assets. Sums run in the order in which the assets are given, which is that of their numbers in the
 * store. */
#ifndef PU_HOST_DATA_FEATURES_COMPARE_H
#define PU_HOST_DATA_FEATURES_COMPARE_H

#include <math.h>

#include "plusultra/features.h"

/* The mean of the log-returns that are known; NaN where none is. */
typedef struct pu__mean_return {
    double sum;
    int count;
} pu__mean_return;

static inline void pu__mean_return_add(pu__mean_return *mean, double log_return) {
    if (isnan(log_return)) return;
    mean->sum += log_return;
    mean->count += 1;
}

static inline double pu__mean_return_get(const pu__mean_return *mean) {
    return mean->count ? mean->sum / mean->count : NAN;
}

/* An asset's value: where it stands, and scratch of pu__compare. */
typedef struct pu__entrant {
    double *place, value;
} pu__entrant;

/* Puts the rank or the z-score among all in the place of each value. Values that are not finite stay what they are, and
 * are no part of the cross-section. The entrants change order. */
void pu__compare(pu_feature_cross how, int count, pu__entrant *among);

#endif
