/* Plain statistics in double precision, shared by metrics, bootstrap and forecast scores. */
#ifndef PU_HOST_EVAL_STATS_H
#define PU_HOST_EVAL_STATS_H

#include <stdint.h>

/* Moments about the mean. A sample whose values are all equal has variance exactly 0 (a rounded mean would leave a
 * residue of about 1e-34 and turn a Sharpe ratio of infinity into 1e15). */
typedef struct pu__moments {
    double mean;
    double variance; /* ddof 1; NaN below two values */
    double skewness; /* population: m3 / m2^1.5; NaN when m2 is 0 */
    double kurtosis; /* population and raw: m4 / m2^2, 3 for a normal */
} pu__moments;
pu__moments pu__moments_of(int64_t n, const double *x);

double pu__normal_cdf(double x);
/* Inverse of the normal distribution function; -inf at 0, +inf at 1, NaN outside. */
double pu__normal_quantile(double p);

/* Ascending; NaN is not allowed. */
void pu__sort(int64_t n, double *x);
/* numpy.percentile's default (linear interpolation, Hyndman and Fan's type 7) of sorted values; p in [0, 1]. NaN
 * when n is 0. */
double pu__sorted_quantile(int64_t n, const double *sorted, double p);

/* Ranks from 1, ties averaged (scipy.stats.rankdata). `order` is scratch for n indices. */
void pu__ranks(int64_t n, const double *x, int64_t *order, double *rank);
/* Pearson's correlation; NaN below two values or when one side is constant. */
double pu__correlation(int64_t n, const double *x, const double *y);

#endif
