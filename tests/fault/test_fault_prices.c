/* Every allocation, read and write in what changes bars inside the store fails in turn: corporate actions, adjusting,
 * resampling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/actions/actions_file.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/resample.h"
#include "tests/fault/fault.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { POINTS = 40, BARS = 400 };

static test_market market;
static char *work_folder;
static char actions[600];

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    work_folder = test_folder_new();
    snprintf(actions, sizeof actions, "%s/actions.csv", market.folder);
    test_write(actions, "date,kind,value,published\n2010-03-01,split,2:1,2010-02-01\n2010-05-03,dividend,0.25,\n"
                        "2010-05-03,dividend,0.5,2010-04-20T10:00:00Z\n2010-08-02,dividend,0.25,2010-07-01\n");
    return 0;
}

static int end(void **state) {
    (void)state;
    test_market_remove(&market);
    test_folder_remove(work_folder);
    return 0;
}

static pu_status import_actions(pu_store *store, const pu_asset *asset) {
    pu__actions_result result;
    int64_t changed = 0;
    PU_TRY(pu__actions_import(store, asset->id, actions, NULL, &result));
    return pu_store_adjust(store, asset->id, &changed);
}

static pu_status make_weeks(pu_store *store, const pu_asset *asset) {
    pu_resample_result result;
    return pu_resample(store, asset, PU_WEEK_S, true, &result);
}

static pu_status make_raw_months(pu_store *store, const pu_asset *asset) {
    pu_resample_result result;
    const pu_action split = {TEST_FIRST_TS + 40 * TEST_DAY_S, PU_ACTION_SPLIT, 2, TEST_FIRST_TS, PU_BASIS_RAW};
    PU_TRY(pu_store_put_price_basis(store, asset->id, PU_BASIS_RAW));
    PU_TRY(pu_store_put_actions(store, asset->id, 1, &split, NULL));
    return pu_resample(store, asset, PU_MONTH_S, false, &result);
}

static pu_status run(const char *path, void *context) {
    pu_status (*const *work)(pu_store *, const pu_asset *) = context;
    const char *symbol = "AAA@86400";
    pu_store *store = NULL;
    pu_asset *asset = NULL;
    int count = 0;
    pu_status status = pu_store_open(path, PU_STORE_WRITE, &store);
    if (status == PU_OK) status = pu_store_assets(store, 1, &symbol, &count, &asset);
    if (status == PU_OK) status = (*work)(store, asset);
    pu_free(asset);
    pu_store_close(store);
    return status;
}

static void sweep(const char *name, pu_status (*work)(pu_store *, const pu_asset *)) {
    const fault_job job = {.name = name,
                           .folder = work_folder,
                           .initial = market.store,
                           .work = run,
                           .context = (void *)&work,
                           .names = actions};
    fault_sweep(&job, POINTS);
}

static void corporate_actions(void **state) {
    (void)state;
    sweep("actions", import_actions);
}

static void resampling(void **state) {
    (void)state;
    sweep("weeks", make_weeks);
}

static void resampling_raw_prices(void **state) {
    (void)state;
    sweep("raw months", make_raw_months);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corporate_actions),
        cmocka_unit_test(resampling),
        cmocka_unit_test(resampling_raw_prices),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
