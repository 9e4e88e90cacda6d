/* Stationary bootstrap of return series: Politis and Romano, "The stationary bootstrap", JASA 1994.
 *
 * A resample is made of runs of consecutive returns (wrapping round the end) whose lengths are geometric with mean
 * `block`, so serial dependence survives. The mean length is chosen by Politis and White, "Automatic block-length
 * selection for the dependent bootstrap" (2004), with the correction of Patton, Politis and White (2009).
 *
 * Resample s draws from stream s of the seed, and results are kept by s: the intervals are the same at any number
 * of threads. */
#ifndef PU_HOST_EVAL_BOOTSTRAP_H
#define PU_HOST_EVAL_BOOTSTRAP_H

#include <stdint.h>

#include "plusultra/pool.h"
#include "plusultra/status.h"

/* Mean block length, at least 1 and at most ceil(min(3 sqrt(n), n / 3)). 1 for a constant series or n < 8. */
double pu__block_length(int64_t n, const double *x);

typedef struct pu__interval {
    double low, high; /* NaN when the figure is defined in fewer than half of the resamples */
} pu__interval;

typedef struct pu__intervals {
    double level; /* 0.95: 2.5th to 97.5th percentile of the resamples */
    double block;
    int64_t samples;
    pu__interval sharpe, cagr, max_drawdown;
} pu__intervals;

typedef struct pu__bootstrap_options {
    double periods_per_year;
    double risk_free; /* per period */
    int64_t samples;
    uint64_t seed;
    double level;
    pu_pool *pool; /* may be null */
} pu__bootstrap_options;

/* Percentile intervals. One that would leave out the figure of the sample itself (possible for the biased ones,
 * such as the drawdown) is widened to reach it. */
pu_status pu__bootstrap(int64_t n, const double *r, const pu__bootstrap_options *options, pu__intervals *out);

#endif
