/* Simulated histories for tests of calibrations. */
#ifndef PU_TESTS_SUPPORT_HISTORIES_H
#define PU_TESTS_SUPPORT_HISTORIES_H

#include "host/sim/fit.h"

/* Log-returns [count][rows] of `count` independent histories of one asset. Free with pu_free. Ends the program on
 * failure. */
double *test_histories(const pu_process *process, double step_years, int64_t rows, int64_t count, uint64_t seed);

/* The same as one row of returns for a fit. */
pu__returns test_returns(const double *x, int64_t rows, double step_years);

/* A market in memory whose assets follow `process`, correlated; `correlation` [assets][assets] or null. symbols are
 * A0, A1, ... Free with pu__market_free. */
pu__market test_simulated_market(const pu_process *process, int assets, const double *correlation, int64_t rows,
                                 double periods_per_year, uint64_t seed);

#endif
