/* Every allocation, read and write in building feature blocks fails in turn. */
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
#include "tests/fault/fault.h"
#include "tests/support/process.h"
#include "tests/support/world.h"

enum { POINTS = 40 };

static world w;
static char *work_folder;

static int begin(void **state) {
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN); /* that blocks are damaged is logged */
    w = world_new();
    work_folder = test_folder_new();
    return world_features(state);
}

static int end(void **state) {
    (void)state;
    world_remove(&w);
    test_folder_remove(work_folder);
    return 0;
}

static pu_status run(const char *path, void *context) {
    pu_features_result result;
    (void)path;
    return pu_features_build(context, &result);
}

static void sweep(const char *name, const char *initial, pu_config *config, bool reads_only) {
    const fault_job job = {.name = name,
                           .folder = work_folder,
                           .initial = initial,
                           .work = run,
                           .context = config,
                           .names = "a temporary file",
                           .reads_only = reads_only};
    fault_sweep(&job, POINTS);
}

static pu_config *config_on(const char *store) {
    test_market market = w.market;
    snprintf(market.store, sizeof market.store, "%s", store);
    return test_config(&market, "data.benchmark=SPX", "features.block_bars=64", WORLD_NAMES, "run.threads=1",
                       NULL);
}

static void building(void **state) {
    (void)state;
    pu_config *config = config_on(test_path(work_folder, "fault.db"));
    sweep("build", w.market.store, config, false);
    pu_config_free(config);
}

/* One asset has a new bar: its blocks take the place of others. */
static void building_again(void **state) {
    (void)state;
    pu_features_result result;
    pu_config *before = world_config(&w, WORLD_NAMES, "run.threads=1");
    if (pu_features_build(before, &result) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(before);
    test_market_walk(&w.market, "BBB", 7, WORLD_DAYS + 1, true);
    pu_config *config = config_on(test_path(work_folder, "fault.db"));
    sweep("build again", w.market.store, config, false);
    pu_config_free(config);
}

/* Blocks that are current are read and checked. */
static void checking(void **state) {
    (void)state;
    pu_features_result result;
    pu_config *before = world_config(&w, WORLD_NAMES, "run.threads=1");
    if (pu_features_build(before, &result) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(before);
    pu_config *config = config_on(test_path(work_folder, "fault.db"));
    sweep("check", w.market.store, config, true);
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building),
        cmocka_unit_test(building_again),
        cmocka_unit_test(checking),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
