/* One price process fitted to the log-returns of one asset, or one chain of regimes to those of all. Internal to
 * calibrate.c; what a fit needs of its series is checked there. */
#ifndef PU_HOST_SIM_FIT_H
#define PU_HOST_SIM_FIT_H

#include "host/sim/calibrate.h"
#include "host/sim/optimise.h"

/* The log-returns of an asset, [rows]. */
typedef struct pu__returns {
    const char *symbol;
    const double *x;
    int64_t rows;
    double mean, deviation; /* deviation by rows, not rows - 1 */
    double step_years;
} pu__returns;

/* GBM: maximum likelihood in closed form. MERTON: the density is a mixture of normals over the number of jumps,
 * searched from several starts, the diffusion's variance held above 1/1000 of the sample's, without which the
 * likelihood has no maximum (Honore 1998, "Pitfalls in estimating jump-diffusion models"). */
void pu__fit_gbm(const pu__returns *returns, pu__fit *out);
pu_status pu__fit_merton(const pu__returns *returns, pu__fit *out);

/* Two-step estimate of the correlation of two assets' diffusions, each with its own fit: the likelihood of the pair
 * over the correlation alone (Joe 1997, "Multivariate models and dependence concepts", inference functions for
 * margins). */
void pu__merton_correlation(const pu__returns *a, const pu__fit *fit_a, const pu__returns *b, const pu__fit *fit_b,
                            double *correlation, double *error);

/* GARCH(1,1) with Student-t innovations: Bollerslev (1987), "A conditionally heteroskedastic time series model for
 * speculative prices and rates of return". The variance before the first bar, and its square's, is the sample's.
 * variance_start: of the bar behind the last. PU_ERR_DATA: no stationary variance. */
pu_status pu__fit_garch(const pu__returns *returns, pu__fit *out);

/* Heston by the likelihood of the simulator's own steps, integrated over the variance on a grid: Kitagawa (1987),
 * "Non-Gaussian state-space modeling of nonstationary time series"; Bartolucci and De Luca (2003), "Likelihood-based
 * inference for asymmetric stochastic volatility models". variance_start: expected at the end. */
pu_status pu__fit_heston(const pu__returns *returns, bool feller, pu__fit *out);

/* The length of a block of the stationary bootstrap by Politis and White (2004), "Automatic block-length selection for
 * the dependent bootstrap", as corrected by Patton, Politis and White (2009). 1 or more. PU_ERR_MEMORY. */
pu_status pu__block_bars(const double *x, int64_t rows, double *out);

/* One chain of `count` regimes over x [rows][assets]: fits [assets], correlations and their errors [assets][assets],
 * transitions into each fit's process. `current` and `settled`: the most likely regime at the end, and of the
 * stationary state. */
typedef struct pu__regime_fit {
    pu__fit *fit;
    double *correlation, *correlation_error;
    int current, settled;
} pu__regime_fit;
pu_status pu__fit_regimes(int assets, const pu__returns *returns, int count, pu_pool *pool, pu__regime_fit *out);

void pu__fit_add(pu__fit *fit, const char *name, double value, double error);
/* log-likelihood, and criteria by the number of parameters. */
void pu__fit_likelihood(pu__fit *fit, double log_likelihood, int parameters, int64_t rows);
/* Says in the note why a search is not to be trusted, if so. */
void pu__fit_minimum(pu__fit *fit, const pu__minimum *minimum);

#endif
