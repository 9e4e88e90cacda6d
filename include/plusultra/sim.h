/* Price processes of simulated markets, as people give their parameters. */
#ifndef PLUSULTRA_SIM_H
#define PLUSULTRA_SIM_H

#include <stdbool.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rates and volatilities are per year. `growth`: the expected price grows by e^(growth t). */
typedef struct pu_gbm {
    double growth, volatility;
} pu_gbm;

/* Merton (1976): jumps of the log-price, normal. */
typedef struct pu_merton {
    double growth, volatility;
    double jumps_per_year, jump_mean, jump_deviation;
} pu_merton;

/* Heston (1993): dv = reversion (variance_mean - v) dt + volatility_of_variance sqrt(v) dW. */
typedef struct pu_heston {
    double growth;
    double variance_start, variance_mean;
    double reversion, volatility_of_variance, correlation;
    bool feller; /* refuse parameters for which the variance can reach 0 */
} pu_heston;

/* GARCH(1,1), Bollerslev (1987), per step: as fitted to returns of a step. */
typedef struct pu_garch {
    double mean, omega, alpha, beta;
    double dof;            /* of the Student-t; above 2 */
    double variance_start; /* 0: the stationary one */
} pu_garch;

/* Markov regimes, each a GBM; transition[i * count + j] is the probability of i to j in a step. */
enum { PU_SIM_REGIMES_MAX = 4 };
typedef struct pu_regimes {
    int count;
    pu_gbm regime[PU_SIM_REGIMES_MAX];
    double transition[PU_SIM_REGIMES_MAX * PU_SIM_REGIMES_MAX];
} pu_regimes;

typedef enum pu_process_kind {
    PU_SIM_GBM = 0,
    PU_SIM_MERTON,
    PU_SIM_HESTON,
    PU_SIM_GARCH,
    PU_SIM_REGIMES,
    PU_SIM_BOOTSTRAP /* of a history; no parameters */
} pu_process_kind;

typedef struct pu_process {
    pu_process_kind kind;
    union {
        pu_gbm gbm;
        pu_merton merton;
        pu_heston heston;
        pu_garch garch;
        pu_regimes regimes;
    } of;
} pu_process;

/* PU_ERR_ARGUMENT, naming the parameter, where these cannot be simulated in steps of this length: in floats, a Heston
 * variance that moves next to nothing can not. */
pu_status pu_process_check(const pu_process *process, double step_years);

/* What was done to correlations that no market can have (an eigenvalue below 1e-8). */
typedef struct pu_correlation_repair {
    int clipped;             /* eigenvalues raised; 0: the matrix was left as it is */
    double least_eigenvalue; /* before */
    double largest_change;   /* of a correlation */
} pu_correlation_repair;

/* The lower Cholesky factor [assets][assets] of a correlation matrix, repaired by clipping its eigenvalues where it is
 * not positive definite: valid, close to the given one, not the nearest. PU_ERR_ARGUMENT where it is not symmetric, not
 * within [-1, 1] or not 1 on the diagonal. */
pu_status pu_correlation_factor(const double *correlation, int assets, float *factor, pu_correlation_repair *out);

#ifdef __cplusplus
}
#endif
#endif
