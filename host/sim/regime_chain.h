/* A Markov chain of regimes that all assets share, the likelihood of their returns under it, and which regime each
 * bar was in: the filter of Hamilton (1989), "A new approach to the economic analysis of nonstationary time series and
 * the business cycle", and the smoother of Kim (1994), "Dynamic linear models with Markov-switching". Internal to
 * fit_regimes.c. */
#ifndef PU_HOST_SIM_REGIME_CHAIN_H
#define PU_HOST_SIM_REGIME_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/sim.h"
#include "plusultra/status.h"

enum { PU__REGIMES_MAX = PU_SIM_REGIMES_MAX };

/* Returns of a bar in regime k: normal, of mean[k] and deviation[k] of each asset, correlated alike in every regime.
 * Rows are [assets]; tables of regimes [PU__REGIMES_MAX][assets]. */
typedef struct pu__chain {
    int regimes, assets;
    double start[PU__REGIMES_MAX]; /* of the first bar */
    double transition[PU__REGIMES_MAX][PU__REGIMES_MAX];
    double *mean, *deviation;
    double *correlation; /* [assets][assets] */
    double *lower;       /* its Cholesky factor, by pu__chain_prepare */
    double *whiten;      /* [assets][assets] inverse of the factor */
    double constant[PU__REGIMES_MAX];
} pu__chain;

pu_status pu__chain_new(int regimes, int assets, pu__chain *out);
void pu__chain_free(pu__chain *chain);
void pu__chain_copy(const pu__chain *from, pu__chain *to); /* of the same size */

/* After a change of deviations or correlations; false where the correlations are not positive definite. */
bool pu__chain_prepare(pu__chain *chain);

/* Log-likelihood of y [rows][assets]. filtered [rows][PU__REGIMES_MAX]: the regime of a bar given the bars up to it;
 * gain [rows]: what each bar adds. Either may be null. work [2 * assets]. */
double pu__chain_filter(const pu__chain *chain, const double *y, int64_t rows, double *filtered, double *gain,
                        double *work);

/* filtered becomes smoothed: given all bars; pairs[i][j]: expected number of steps from i to j. */
void pu__chain_smooth(const pu__chain *chain, int64_t rows, double *filtered,
                      double pairs[PU__REGIMES_MAX][PU__REGIMES_MAX]);

/* Shares of time in the long run. */
void pu__chain_stationary(const pu__chain *chain, double share[PU__REGIMES_MAX]);

#endif
