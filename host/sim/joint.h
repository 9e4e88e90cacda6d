/* The joint part of a calibration: correlations of the draws that move prices. */
#ifndef PU_HOST_SIM_JOINT_H
#define PU_HOST_SIM_JOINT_H

#include "host/sim/calibrate.h"
#include "host/sim/fit.h"

/* Of assets that are fitted, with their settled coefficients: correlations, their errors, factor and repair of
 * `calibration`; returns [assets].
 *
 * GBM and BOOTSTRAP: the sample's correlations. MERTON: by likelihood, see pu__merton_correlation. REGIMES has its own
 * (pu__fit_regimes), of which factor and repair are made.
 *
 * GARCH and HESTON draw the variances s^2 of assets apart from each other, so that simulated returns are correlated
 * less than the draws are. With correlation rho of the draws it is
 *
 *     rho E[s_i s_j] / sqrt(v_i v_j)
 *
 * s the deviation that a draw is multiplied with and v the variance of the whole return. GARCH: s^2 = h and v = E[h]:
 * the mean of the conditional covariance rho s_i s_j of Bollerslev (1990), "Modelling the coherence in short-run
 * nominal exchange rates". HESTON: s^2 = (1 - correlation^2) times the variance of the step, v with what the
 * variance's draw moves. What stands behind rho has no closed form for GARCH, and histories of finite length have it
 * only nearly where squares have fat tails. So the rho are those at which the mean correlation of simulated histories
 * of the sample's length is the sample's: a simulated method of moments, Duffie and Singleton (1993), "Simulated
 * moments estimation of Markov models of asset prices". They are found by Newton's method with the expression above
 * for the slope; errors are the spread of the simulated correlations over it (parametric bootstrap). One seed, so that
 * the same bits come out every time. */
pu_status pu__joint_fit(const pu__returns *returns, pu_pool *pool, pu__calibration *calibration);

#endif
