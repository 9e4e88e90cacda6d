/* SIGKILL in importing bars and series, building features and resampling: at a random write, half of it done every
 * other time, and after a random time. All that had been committed stays, nothing else does, and running again ends the
 * work with the same bits. Two hundred points each for import and building with PU_FAULT_ALL=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/alternative.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/resample.h"
#include "tests/fault/fault.h"
#include "tests/support/process.h"
#include "tests/support/world.h"

enum { POINTS_ALL = 200, POINTS = 50, TABLES = 3, DAYS = 400 };

static world w;
static char *inputs, *work_folder;

static int begin(void **state) {
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    inputs = test_folder_new();
    work_folder = test_folder_new();
    w = world_new();
    for (int t = 0; t < TABLES; ++t) {
        char name[32];
        snprintf(name, sizeof name, "T%d.csv", t);
        FILE *file = fopen(test_path(inputs, name), "w");
        if (!file) return -1;
        fputs("Date,Open,High,Low,Close\n", file);
        for (int i = 0; i < DAYS; ++i) {
            char day[32];
            pu_time_format(1262649600 + 86400LL * i, false, day);
            fprintf(file, "%s,%d,%d,%d,%d\n", day, 100 + (i * 7 + t) % 31, 140, 90, 100 + (i * 11 + t) % 29);
        }
        if (fclose(file) != 0) return -1;
    }
    return world_features(state);
}

static int end(void **state) {
    (void)state;
    world_remove(&w);
    test_folder_remove(inputs);
    test_folder_remove(work_folder);
    return 0;
}

/* Two of three at a write. */
static void kill_job(fault_job job, int points) {
    const char *all = getenv("PU_FAULT_ALL");
    if (all && strcmp(all, "1") == 0) points = POINTS_ALL;
    job.folder = work_folder;
    fault_kill(&job, points - points / 3, points / 3);
}

static pu_status import_folder(const char *path, void *context) {
    pu_store *store = NULL;
    (void)context;
    pu_status status = pu_store_open(path, PU_STORE_CREATE, &store);
    if (status == PU_OK) status = pu_import_path(store, inputs, NULL, NULL, NULL);
    pu_store_close(store);
    return status;
}

static void importing(void **state) {
    (void)state;
    kill_job((fault_job){.name = "kill import", .work = import_folder}, POINTS);
}

static pu_status build(const char *path, void *context) {
    pu_features_result result;
    (void)path;
    return pu_features_build(context, &result);
}

static void building(void **state) {
    (void)state;
    test_market other = w.market;
    snprintf(other.store, sizeof other.store, "%s", test_path(work_folder, "fault.db"));
    pu_config *config =
        test_config(&other, "data.benchmark=SPX", "features.block_bars=64", WORLD_NAMES, "run.threads=1", NULL);
    kill_job((fault_job){.name = "kill build", .initial = w.market.store, .work = build, .context = config},
             POINTS);
    pu_config_free(config);
}

static pu_status import_series(const char *path, void *context) {
    static pu_series_result result;
    const pu_series_options options = {.name = "macro", .kind = PU_SERIES_MACRO};
    pu_store *store = NULL;
    pu_status status = pu_store_open(path, PU_STORE_WRITE, &store);
    if (status == PU_OK) status = pu_series_import(store, context, &options, &result);
    pu_store_close(store);
    return status;
}

static void importing_series(void **state) {
    (void)state;
    char path[600];
    const char *source = getenv("PU_SOURCE");
    snprintf(path, sizeof path, "%s/configs/samples/macro_calendar.csv", source ? source : ".");
    kill_job((fault_job){.name = "kill series", .initial = w.market.store, .work = import_series, .context = path},
             POINTS / 2);
}

static pu_status resample(const char *path, void *context) {
    static const char *const symbol[] = {"AAA@86400"};
    pu_resample_result result;
    pu_store *store = NULL;
    pu_asset *asset = NULL;
    int count = 0;
    (void)context;
    pu_status status = pu_store_open(path, PU_STORE_WRITE, &store);
    if (status == PU_OK) status = pu_store_assets(store, 1, symbol, &count, &asset);
    if (status == PU_OK) status = pu_resample(store, asset, PU_WEEK_S, true, &result);
    pu_free(asset);
    pu_store_close(store);
    return status;
}

static void resampling(void **state) {
    (void)state;
    kill_job((fault_job){.name = "kill resample", .initial = w.market.store, .work = resample}, POINTS / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(importing),
        cmocka_unit_test(building),
        cmocka_unit_test(importing_series),
        cmocka_unit_test(resampling),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
