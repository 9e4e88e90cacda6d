/* Small scenarios of the path kernel for tests. */
#ifndef PU_TESTS_SUPPORT_SCENARIO_H
#define PU_TESTS_SUPPORT_SCENARIO_H

#include "kernels/paths/paths.h"

enum { SCENARIO_ASSETS_MAX = 12, SCENARIO_STEPS_MAX = 64, SCENARIO_ROWS = 50 };

/* Everything that a scenario points to. */
typedef struct pu__test_scenario {
    pu__path_scenario scenario;
    pu__process_asset asset[SCENARIO_ASSETS_MAX];
    float factor[SCENARIO_ASSETS_MAX * SCENARIO_ASSETS_MAX];
    double volume[SCENARIO_ASSETS_MAX];
    double weight[(SCENARIO_STEPS_MAX + 1) * SCENARIO_ASSETS_MAX];
    pu__path_shock shock[SCENARIO_STEPS_MAX * SCENARIO_ASSETS_MAX];
    float history[SCENARIO_ROWS * SCENARIO_ASSETS_MAX];
} pu__test_scenario;

/* Case `number` of a sweep over processes, policies and rules; every term of the physics is on in some of them. `out`
 * points into itself: it must not be copied. */
enum { PU_TEST_SCENARIOS = 56 };
void pu__test_scenario_make(pu__test_scenario *out, int number);

/* Case `number` of an endless sweep: every rule alone and with any other, costs and carry that ruin, weights of 0, NaN
 * and far above 1, no volatility and a lot of it, few bars, half of the cases with one asset, seeds of 64 bits. */
void pu__test_scenario_wild(pu__test_scenario *out, int number);

/* The weights of the paths first .. first + count - 1, for the caller to pu_free; a path has its own in any batch.
 * Null where the scenario's policy does not read them. */
double *pu__test_path_weights(const pu__path_scenario *scenario, uint64_t first, int64_t count);

#endif
