/* A checkpoint is used only as what it was trained as, and judged only on what it has not seen: other features,
 * horizons or latency are refused at prediction, a test segment that reaches back into training or validation at
 * the backtest. */
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
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum { BARS = 700 };

static test_market market;

typedef struct change {
    const char *split, *features, *horizons, *latency;
} change;
static const change none = {"split.train_ratio=0.4", "features.names=[rsi_14, log_return_1]",
                            "windows.horizons=[1, 3]", "backtest.latency_bars=1"};

static pu_config *run_config(const change *with) {
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    return test_config(&market, out, "run.name=r", "run.device=cpu", "run.threads=1", "windows.window_bars=16",
                       "windows.warmup_bars=16", "windows.stride_bars=4", "backtest.horizon=1",
                       "backtest.bootstrap_samples=100", "model.width=16", "model.layers=1", "model.heads=2",
                       "train.steps=10", "train.warmup_steps=2", "train.eval_every=5", "train.batch=8",
                       with->split, with->features, with->horizons, with->latency, NULL);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS, true);
    pu_config *config = run_config(&none);
    pu_train_result result;
    const pu_status status = pu_train(config, PU_TRAIN_NEW, 0, &result);
    if (status != PU_OK) fprintf(stderr, "%s\n", pu_error_message());
    pu_config_free(config);
    return status == PU_OK ? 0 : -1;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static pu_status predict(const change *with) {
    pu_config *config = run_config(with);
    pu_predict_result result;
    const pu_status status = pu_predict(config, &result);
    pu_config_free(config);
    return status;
}

static pu_status backtest(const change *with) {
    pu_config *config = run_config(with);
    const pu_status status = pu_backtest(config);
    pu_config_free(config);
    return status;
}

/* Whether backtest.json carries a warning with this text. */
static bool warned(const char *text) {
    char path[700];
    snprintf(path, sizeof path, "%s/r/backtest.json", market.folder);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    bool found = false;
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(root, "warnings"), i, warning) found =
        found || strstr(json_string_value(warning), text);
    json_decref(root);
    return found;
}

/* Each has the shapes of the checkpoint. */
static void another_meaning_is_refused(void **state) {
    (void)state;
    change with[3] = {none, none, none};
    with[0].features = "features.names=[log_return_1, rsi_14]";
    with[1].horizons = "windows.horizons=[1, 5]";
    with[2].latency = "backtest.latency_bars=2";
    for (int i = 0; i < 3; ++i) {
        assert_int_equal(predict(&with[i]), PU_ERR_CONFIG);
        assert_non_null(strstr(pu_error_message(), "train again"));
    }
    assert_int_equal(predict(&none), PU_OK);
}

static void a_test_in_sample_is_refused(void **state) {
    (void)state;
    assert_int_equal(predict(&none), PU_OK);
    assert_int_equal(backtest(&none), PU_OK);
    assert_false(warned("not known") || warned("predict` again"));
    change earlier = none;
    earlier.split = "split.train_ratio=0.2";
    assert_int_equal(backtest(&earlier), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "in sample"));
    assert_int_equal(predict(&earlier), PU_OK); /* predicting again does not make it unseen */
    assert_int_equal(backtest(&earlier), PU_ERR_CONFIG);
    change later = none;
    later.split = "split.train_ratio=0.5";
    assert_int_equal(predict(&none), PU_OK);
    assert_int_equal(backtest(&later), PU_OK);
}

static void unknown_and_outdated_forecasts_are_marked(void **state) {
    (void)state;
    assert_int_equal(predict(&none), PU_OK);
    (void)test_market_sql(&market, "UPDATE runs SET result = '{}'");
    assert_int_equal(backtest(&none), PU_OK);
    assert_true(warned("not known"));
    assert_int_equal(predict(&none), PU_OK);
    pu_bars bars;
    assert_true(test_bars_walk(1, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    bars.count = 1;
    bars.volume[0] += 1;
    test_market_put(&market, "AAA", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    assert_int_equal(backtest(&none), PU_OK);
    assert_true(warned("predict` again"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_meaning_is_refused),
        cmocka_unit_test(a_test_in_sample_is_refused),
        cmocka_unit_test(unknown_and_outdated_forecasts_are_marked),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
