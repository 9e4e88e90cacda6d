/* What a model has to beat: buy and hold, momentum, and ridge regression on the same features. */
#ifndef PU_HOST_EVAL_BASELINES_H
#define PU_HOST_EVAL_BASELINES_H

#include <stdint.h>

#include "host/eval/panel.h"

/* Orders of buy and hold: each asset to 1 / assets at its first bar from time `first` on, nothing after. weight:
 * table of the panel's shape. */
void pu__buy_and_hold(const pu__panel *panel, int64_t first, double *weight);

enum { PU__MOMENTUM_LOOKBACK_BARS = 252, PU__MOMENTUM_SKIP_BARS = 21 };

/* Time-series momentum (Moskowitz, Ooi, Pedersen, "Time series momentum", Journal of Financial Economics 2012)
 * with the window of the 12-1 month strategies counted in bars, whatever the bar length: the sign of price[t - 21]
 * / price[t - 252] - 1, of one asset's own bars. NaN before there are so many. It is sized like a model's
 * forecast. */
void pu__momentum(int64_t count, const double *price, double *forecast);

/* Ridge regression: minimises sum w (y - a - b'z)^2 + lambda b'b, z the features standardised by the weighted
 * moments of the training rows and cut at +-clip; the intercept is not penalised. Hoerl and Kennard, Technometrics
 * 1970. Two passes over the rows: moments, then products. */
typedef struct pu__ridge {
    int64_t features;
    double clip;
    double weight;     /* sum of the weights */
    double *mean, *sd; /* [features]; sd 0: the feature is constant and left out */
    double *gram; /* [(features + 1)^2], lower triangle, the intercept first; its Cholesky factor once solved */
    double *beta; /* [features + 1] right-hand side; the coefficients once solved */
    double *z;    /* [features + 1] scratch */
} pu__ridge;

pu_status pu__ridge_make(int64_t features, double clip, pu__ridge *out);
void pu__ridge_free(pu__ridge *ridge);
/* First pass. x: [count][features]; rows of weight 0 are ignored. */
void pu__ridge_add_moments(pu__ridge *ridge, int64_t count, const float *x, const double *w);
void pu__ridge_end_moments(pu__ridge *ridge);
/* Second pass. */
void pu__ridge_add_products(pu__ridge *ridge, int64_t count, const float *x, const double *y, const double *w);
/* By Cholesky. PU_ERR_DATA without training rows, or when lambda is too small for features that depend on each
 * other. */
pu_status pu__ridge_solve(pu__ridge *ridge, double lambda);
double pu__ridge_predict(const pu__ridge *ridge, const float *x);

#endif
