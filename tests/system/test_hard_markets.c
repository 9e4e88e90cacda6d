/* The whole path over assets that real universes have: one whose price stands still, one never traded, one that
 * ends before the test, one that ends within it, one that begins within it. Every number stays finite, and nothing
 * is held of what cannot be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "plusultra/eval.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum { BARS = 1000, ASSETS = 7 };

static test_market market;

/* Bars [from, to) of a seeded walk. */
static void put(const char *symbol, uint64_t seed, int64_t from, int64_t to, bool still, bool untraded) {
    pu_bars bars;
    assert_true(test_bars_walk(seed, to, TEST_FIRST_TS, TEST_DAY_S, &bars));
    for (int64_t i = 0; i < to; ++i) {
        if (untraded) bars.volume[i] = 0;
        double *const price[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted};
        for (int p = 0; still && p < 5; ++p) price[p][i] = 50;
    }
    const int64_t count = to - from;
    int64_t *const ts = bars.ts;
    double *const column[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted, bars.volume};
    memmove(ts, ts + from, (size_t)count * sizeof *ts);
    for (int c = 0; c < 6; ++c) memmove(column[c], column[c] + from, (size_t)count * sizeof *column[c]);
    bars.count = count;
    test_market_put(&market, symbol, TEST_DAY_S, &bars);
    pu_bars_free(&bars);
}

static pu_config *run_config(void) {
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    return test_config(&market, out, "run.name=r", "run.device=cpu", "run.threads=1", "data.accept=[long_stale]",
                       "split.train_ratio=0.4", "split.valid_ratio=0.2", "windows.window_bars=16",
                       "windows.warmup_bars=16", "windows.stride_bars=4", "windows.horizons=[1, 3]",
                       "backtest.horizon=1", "backtest.bootstrap_samples=100", "backtest.leverage_max=1",
                       "model.width=16", "model.layers=1", "model.heads=2", "train.steps=20",
                       "train.warmup_steps=2", "train.eval_every=5", "train.batch=8", NULL);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    put("A_WHOLE", 1, 0, BARS, false, false);
    put("B_WHOLE", 2, 0, BARS, false, false);
    put("C_STILL", 3, 0, BARS, true, false);
    put("D_UNTRADED", 4, 0, BARS, false, true);
    put("E_ENDED", 5, 0, 600, false, false); /* in the validation segment */
    put("F_ENDING", 6, 0, 850, false, false);
    put("G_BEGINNING", 7, 780, BARS, false, false);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static double real_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is not a number", key);
    return json_number_value(value);
}

static void check_forecasts(const pu_config *config) {
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(config->data.store, PU_STORE_READ, &store), PU_OK);
    for (int64_t id = 1; id <= ASSETS; ++id) {
        pu_prediction_set set;
        assert_int_equal(pu_store_get_predictions(store, "r", id, &set), PU_OK);
        assert_true(set.count > 0);
        for (int64_t i = 0; i < set.count * set.horizons * set.quantiles; ++i) assert_true(isfinite(set.value[i]));
        pu_prediction_set_free(&set);
    }
    pu_store_close(store);
}

static void check_document(const pu_config *config) {
    char path[700];
    snprintf(path, sizeof path, "%s/r/backtest.json", config->run.out);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    size_t i, k;
    const json_t *strategy, *value, *asset, *warning;
    json_array_foreach(json_object_get(root, "strategies"), i, strategy) {
        json_array_foreach(json_object_get(strategy, "equity"), k, value)
            assert_true(json_is_real(value) && json_real_value(value) > 0);
    }
    const char *const held[] = {"A_WHOLE", "B_WHOLE", "D_UNTRADED", "F_ENDING", "G_BEGINNING"};
    json_array_foreach(json_object_get(root, "assets"), i, asset) {
        const char *symbol = json_string_value(json_object_get(asset, "symbol"));
        bool expected = false;
        for (int h = 0; h < 5; ++h) expected = expected || strcmp(symbol, held[h]) == 0;
        if (expected != (real_of(asset, "mean_abs_weight") > 0)) fail_msg("%s: held against expectation", symbol);
    }
    bool ended = false;
    json_array_foreach(json_object_get(root, "warnings"), i, warning) ended =
        ended || strstr(json_string_value(warning), "F_ENDING has no bars");
    assert_true(ended);
    json_decref(root);
}

static void numbers_stay_finite(void **state) {
    (void)state;
    pu_config *config = run_config();
    pu_train_result trained;
    pu_predict_result predicted;
    if (pu_train(config, PU_TRAIN_NEW, 0, &trained) != PU_OK) fail_msg("%s", pu_error_message());
    assert_true(isfinite(trained.train_loss) && isfinite(trained.valid_loss) && trained.skipped_updates == 0);
    if (pu_predict(config, &predicted) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(predicted.assets, ASSETS);
    check_forecasts(config);
    if (pu_backtest(config) != PU_OK) fail_msg("%s", pu_error_message());
    check_document(config);
    if (pu_report(config, NULL, 0) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_stay_finite)};
    return cmocka_run_group_tests(tests, open_market, close_market);
}
