/* Standard errors of a chain of regimes: from the sum of the outer products of each bar's score (Berndt, Hall, Hall and
 * Hausman 1974, "Estimation and inference in nonlinear structural models"), which estimates the information as the
 * Hessian does, and takes two passes a parameter instead of two a pair. Scores by central differences. */
#ifndef PU_HOST_SIM_REGIME_ERRORS_H
#define PU_HOST_SIM_REGIME_ERRORS_H

#include "host/sim/fit.h"
#include "host/sim/regime_chain.h"

typedef struct pu__regime_errors {
    bool known;
    const char *reason;          /* why not */
    double *growth, *volatility; /* [PU__REGIMES_MAX][assets] per year; NaN where not known, as all */
    double *correlation;         /* [assets][assets] */
    double transition[PU__REGIMES_MAX][PU__REGIMES_MAX];
} pu__regime_errors;

/* The chain is of y [rows][assets], in units of the returns' deviations. A transition of less than 1e-6 is at its
 * border: it has no error, and the others are given it. Free with pu__regime_errors_free. */
pu_status pu__regime_errors_make(const pu__chain *chain, const double *y, int64_t rows, const pu__returns *returns,
                                 pu_pool *pool, pu__regime_errors *out);
void pu__regime_errors_free(pu__regime_errors *errors);

#endif
