/* What costs do to the edge, on the market without a shock. */
#ifndef PU_HOST_STRESS_BREAK_EVEN_H
#define PU_HOST_STRESS_BREAK_EVEN_H

#include "host/stress/answers.h"

/* Figures of the tested policy. */
pu_status pu__stress_evaluate(pu__stress *stress, const pu__stress_prices *prices, const pu__stress_terms *terms,
                              pu__stress_figures *out);

/* The cost factor c at which the mean wealth f(c) is 1, by bisection under common random numbers and, within the last
 * bracket, by the chord. Its standard error is that of the mean wealth at c over the slope of f there (delta
 * method). */
pu_status pu__break_even_find(pu__stress *stress, pu__break_even *out);

/* Gross: without any cost and at latency 0. Latency: what the wait of the base cell takes from that. */
pu_status pu__attribution_find(pu__stress *stress, const pu__grid *grid, const pu__stress_figures *figures,
                               pu__attribution *out);

#endif
