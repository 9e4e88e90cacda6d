/* Stylised facts of log-returns: Cont (2001), "Empirical properties of asset returns". */
#ifndef PU_HOST_SIM_FACTS_H
#define PU_HOST_SIM_FACTS_H

#include "host/sim/calibrate.h"

/* Of one asset's x [rows], all but PU__MISFIT_CORRELATION, which is NaN. work [rows]. Definitions, with y the returns
 * less their mean: autocorrelations of y^2; kurtosis (3 for a normal) and skewness by rows; quantiles of x between
 * order statistics (type 7); Hill (1975) of |y| over its largest twentieth; the correlation of y and the mean of the
 * five next y^2; the largest fall of the sum of x from its peak, as a share of the price; the
 * mean of x. */
void pu__facts(const double *x, int64_t rows, double *work, double out[PU__MISFIT_COUNT]);

/* Each asset's mean correlation with the others; x [assets][rows]. */
void pu__fact_correlations(const double *x, int assets, int64_t rows, double *out);

/* Between order statistics of n sorted values: type 7. */
double pu__facts_quantile(const double *sorted, int64_t n, double share);

void pu__facts_sort(double *x, int64_t n);

#endif
