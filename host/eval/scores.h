/* How good forecasts are, before any position is taken: quantile losses, calibration, information coefficients. */
#ifndef PU_HOST_EVAL_SCORES_H
#define PU_HOST_EVAL_SCORES_H

#include <stdint.h>

#include "plusultra/status.h"

enum { PU__QUANTILES_MAX = 64 };

/* Of n forecasts of one horizon, pooled over assets. Targets are returns in units of sigma sqrt(horizon). */
typedef struct pu__scores {
    int64_t horizon_bars, count;
    double pinball; /* mean over rows and quantiles of max(q (y - v), (q - 1)(y - v)): Koenker and Bassett 1978 */
    double pinball_unconditional; /* the same for the training targets' own quantiles */
    double pinball_zero;          /* the same for a forecast of zero at every quantile */
    double skill;                 /* 1 - pinball / pinball_unconditional */
    double ic;                    /* Pearson's correlation of forecast mean and target */
    double rank_ic;               /* Spearman's */
    double ic_error; /* standard error of either without skill, 1 / sqrt(count / horizon_bars): targets overlap.
                        Too small where assets move together */
    double hit_rate; /* equal signs over rows where neither is zero */
    int64_t zeros;   /* rows left out of hit_rate */
    double below[PU__QUANTILES_MAX]; /* share of targets at or below each quantile */
} pu__scores;

/* y: [n]; value: [n][quantiles]; unconditional: [quantiles]. NaN where a figure is not defined. */
pu_status pu__score_forecasts(int64_t n, const double *y, int quantiles, const double *quantile,
                              const float *value, const double *unconditional, int64_t horizon_bars,
                              pu__scores *out);

#endif
