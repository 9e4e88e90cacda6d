/* Faults of the operating system in a stress sweep, and SIGKILL at its writes: what had been stored stays, nothing else
 * does, and the sweep run again ends with the same content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "plusultra/stress.h"
#include "tests/fault/fault.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { POINTS = 40, KILL_POINTS_ALL = 200, KILL_POINTS = 30 };

static test_market market;
static char *work_folder;
static pu_config *config;

static int begin(void **state) {
    (void)state;
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    pu_progress_silence(true);
    market = test_market_new();
    work_folder = test_folder_new();
    test_market_walk(&market, "AAA", 1, 120, true);
    test_market_walk(&market, "BBB", 2, 120, true);
    /* The run is there: when it was first seen is part of its checksum. */
    pu_store *store = NULL;
    const pu_run_record record = {.seed = 1};
    assert_int_equal(pu_store_open(market.store, PU_STORE_WRITE, &store), PU_OK);
    assert_int_equal(pu_store_put_run(store, "tested", &record), PU_OK);
    pu_store_close(store);
    test_market other = market;
    char out[600];
    snprintf(other.store, sizeof other.store, "%s", test_path(work_folder, "fault.db"));
    snprintf(out, sizeof out, "run.out=%s", work_folder);
    config =
        test_config(&other, out, "run.name=tested", "run.device=cpu", "run.threads=1", "stress.policy=momentum",
                    "stress.fast_bars=3", "stress.slow_bars=9", "stress.scenarios=[gap_down, flash_crash]",
                    "stress.severities=[1]", "stress.cost_factors=[0, 1]", "stress.paths=70",
                    "stress.steps_bars=20", "stress.limit_loss=0.3", NULL);
    return 0;
}

static int end(void **state) {
    (void)state;
    pu_config_free(config);
    test_market_remove(&market);
    test_folder_remove(work_folder);
    return 0;
}

static pu_status stress(const char *path, void *context) {
    pu_stress_result result;
    (void)path;
    return pu_stress(context, &result);
}

static void killing(void **state) {
    (void)state;
    const char *all = getenv("PU_FAULT_ALL");
    const int points = all && strcmp(all, "1") == 0 ? KILL_POINTS_ALL : KILL_POINTS;
    const fault_job job = {
        .name = "kill stress", .folder = work_folder, .initial = market.store, .work = stress, .context = config};
    fault_kill(&job, points - points / 3, points / 3);
}

static void failing(void **state) {
    (void)state;
    const fault_job job = {.name = "stress",
                           .folder = work_folder,
                           .initial = market.store,
                           .work = stress,
                           .context = config,
                           .names = "|tested|stress.json|stress.lock|"};
    fault_sweep(&job, POINTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killing),
        cmocka_unit_test(failing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
