/* The emulated path kernel with one fault at a time (mutants/mutants.txt, op `paths`): the scenarios that the real one
 * passes must catch each, by a fault or by bits that are not the plain twin's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "emulator.h"
#include "host/device/backend.h"
#include "host/device/paths.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/scenario.h"

#define PU_STALE(name)
#define PU_MUTANT(name, upper, op)
#define PU_MUTANT_WITH_WORKSPACE(name, upper, op)
#define PU_MUTANT_OF_HEAD(name, upper, op, part, size)
#define PU_PATH_MUTANT(name)                                                                                 \
    pu_status name##_paths(const pu__path_scenario *scenario, const pu__path_batch *batch, int threads_most, \
                           pu__cuda_exec *cuda);
#include "mutants/mutants.inc"
#undef PU_PATH_MUTANT

typedef pu_status launcher(const pu__path_scenario *, const pu__path_batch *, int, pu__cuda_exec *);

static const struct mutant {
    const char *name;
    launcher *run;
} mutants[] = {
#define PU_PATH_MUTANT(name) {#name, name##_paths},
#include "mutants/mutants.inc"
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0], PATHS = 41, STEPS = 9, FIRST = 5, WILD = 24 };
enum { ITEMS = PATHS * (STEPS + 1) * SCENARIO_ASSETS_MAX };

/* Two batches, so that summaries go on from what is there. */
typedef struct outcome {
    double metric[2][PU_PATH_METRIC_COUNT * PATHS], price[2][ITEMS], trade[2][ITEMS];
    double equity[2][PATHS * (STEPS + 1)];
    pu__path_summary summary;
} outcome;

static pu_device *device;
static pu__backend backend;
static launcher *current;

static pu_status run_current(const pu__path_scenario *scenario, const pu__path_batch *batch,
                             const pu__call *executor) {
    return current(scenario, batch, 0, executor->cuda);
}

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN); /* a lost device cannot be released without a warning */
    if (pu_device_open("cuda", 0, &device) != PU_OK) return -1;
    backend = *device->backend;
    backend.paths = run_current;
    device->backend = &backend;
    return 0;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return 0;
}

/* `on`: null for the plain twin. */
static pu_status run(const pu__path_scenario *s, pu_device *on, outcome *o) {
    memset(o, 0, sizeof *o);
    pu__path_summary_reset(&o->summary);
    for (int k = 0; k < 2; ++k) {
        const uint64_t first = FIRST + (uint64_t)(k * PATHS);
        double *weight = pu__test_path_weights(s, first, PATHS);
        const pu__path_batch batch = {first,       PATHS,       o->metric[k], &o->summary,
                                      o->price[k], o->trade[k], o->equity[k], weight};
        const pu_status status = on ? pu__device_paths(on, s, &batch) : pu__paths_plain(s, &batch);
        pu_free(weight);
        if (status != PU_OK) return status;
    }
    return PU_OK;
}

/* Whether one scenario in one order of threads shows the fault. */
static bool caught(const pu__path_scenario *s, int number, const outcome *judge, outcome *mutated) {
    static const pu__order orders[] = {PU__ORDER_FORWARD, PU__ORDER_REVERSE, PU__ORDER_RANDOM};
    pu__emulator_set_order(orders[number % 3], (uint64_t)number);
    const pu_status status = run(s, device, mutated);
    if (pu__emulator_faults() == 0) return status != PU_OK || memcmp(judge, mutated, sizeof *judge) != 0;
    pu__emulator_reset();
    pu_device_close(device);
    if (open_device(NULL) != 0) fail_msg("%s", pu_error_message());
    return true;
}

/* The wild ones first: ruin, which few others know, finds faults that would run through all of those. */
static void every_fault_is_caught(void **state) {
    (void)state;
    static pu__test_scenario t;
    static bool found[MUTANTS];
    outcome *judge = pu_calloc(1, sizeof *judge), *mutated = pu_calloc(1, sizeof *mutated);
    assert_true(judge && mutated);
    for (int number = 0; number < PU_TEST_SCENARIOS + WILD; ++number) {
        if (number < WILD) pu__test_scenario_wild(&t, PU_TEST_SCENARIOS + number);
        else pu__test_scenario_make(&t, number - WILD);
        t.scenario.steps = t.scenario.steps < STEPS ? t.scenario.steps : STEPS;
        assert_int_equal(run(&t.scenario, NULL, judge), PU_OK);
        current = pu__paths_cuda;
        if (caught(&t.scenario, number, judge, mutated)) fail_msg("scenario %d fails without a fault", number);
        for (int i = 0; i < MUTANTS; ++i) {
            if (found[i]) continue;
            current = mutants[i].run;
            found[i] = caught(&t.scenario, number, judge, mutated);
            if (found[i]) print_message("%-28s scenario %d\n", mutants[i].name, number);
        }
    }
    pu_free(mutated);
    pu_free(judge);
    for (int i = 0; i < MUTANTS; ++i)
        if (!found[i]) fail_msg("%s survives every scenario", mutants[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fault_is_caught)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
