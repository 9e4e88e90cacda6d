/* A policy on the paths of one price scenario, at several costs and latencies. */
#ifndef PU_HOST_STRESS_SIMULATE_H
#define PU_HOST_STRESS_SIMULATE_H

#include "host/stress/stress.h"

/* Which prices. Common random numbers: the same seed gives the same draws to every scenario and severity. */
typedef struct pu__stress_prices {
    const pu__scenario *scenario;
    double severity;
    int64_t seed;
} pu__stress_prices;

typedef struct pu__stress_terms {
    double cost_factor;
    int64_t latency_bars;
    bool free; /* nothing is paid at all, carry included */
} pu__stress_terms;

typedef struct pu__outcome {
    int64_t paths;
    double *wealth, *drawdown; /* [paths] */
    pu__path_summary *summary;
    pu__stress_fan fan; /* of the first paths; bars 0: none is wanted */
} pu__outcome;

/* Room for the outcome; a fan where it is wanted. Free with pu__outcome_free, also after a failure. */
pu_status pu__outcome_make(const pu__stress *stress, bool fan, pu__outcome *out);
void pu__outcome_free(pu__outcome *outcome); /* accepts a zeroed one */

/* outcome[count] for terms[count]. The bits depend on neither the threads nor what else is asked for. Memory of a
 * batch of paths is bounded. PU_ERR_INTERRUPTED between batches. */
pu_status pu__stress_simulate(pu__stress *stress, int policy, const pu__stress_prices *prices, int count,
                              const pu__stress_terms *terms, pu__outcome *outcome);

/* One path in full: price [steps + 1][assets], trade the same, equity [steps + 1]; metric [PU_PATH_METRIC_COUNT]. */
pu_status pu__stress_path(pu__stress *stress, int policy, const pu__stress_prices *prices,
                          const pu__stress_terms *terms, int64_t path, double *price, double *trade,
                          double *equity, double *metric);

/* The figures of a cell. Quantiles as NumPy's (linear), the mean of the worst 5 % as empyrical's: of the lowest
 * floor((n - 1) * 0.05) + 1 returns. Sorts the outcome's paths. */
void pu__stress_measure(pu__outcome *outcome, int64_t steps, pu__stress_figures *out);

/* Whether a scenario at a severity can be simulated: what its kernel and its market say. */
pu_status pu__stress_prices_check(pu__stress *stress, const pu__stress_prices *prices);

#endif
