/* Sweeps of policies that are no rule: a trained model, stored predictions, a shared object. Their cells are those of
 * the path kernel with the weights that the policy decides, beside buy and hold on the same paths; what makes them is
 * part of the recipe, and what cannot be tested is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "host/stress/policy.h"
#include "host/stress/simulate.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/stress.h"
#include "plusultra/train.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 420, ASSETS = 3, WIDE = 4, STEPS = 30, PATHS = 70 };

static const char *const symbol[WIDE] = {"AAA", "BBB", "CCC", "INDEX"};
static test_market market;
static char plugin_path[700];

/* `other`: more overrides, between '|'. */
static pu_config *config_of(const char *name, const char *other) {
    enum { OVERRIDES_MAX = 48 };
    char text[1024], store[600], folder[600], run[80];
    snprintf(store, sizeof store, "data.store=%s", market.store);
    snprintf(folder, sizeof folder, "run.out=%s", market.folder);
    snprintf(run, sizeof run, "run.name=%s", name);
    snprintf(text, sizeof text, "%s", other);
    const char *overrides[OVERRIDES_MAX] = {store,
                                            folder,
                                            run,
                                            "run.device=cpu",
                                            "run.threads=2",
                                            "data.benchmark=INDEX",
                                            "split.train=[2010-01-01, 2010-09-01]",
                                            "split.valid=[2010-09-01, 2010-11-10]",
                                            "split.test=[2010-11-10, 2013-01-01]",
                                            "windows.window_bars=16",
                                            "windows.warmup_bars=24",
                                            "windows.stride_bars=4",
                                            "windows.horizons=[1, 3]",
                                            "backtest.horizon=3",
                                            "split.embargo_bars=5",
                                            "model.width=16",
                                            "model.layers=1",
                                            "model.heads=2",
                                            "features.names=[rsi_14, close_ema_10, beta_60, gap]",
                                            "train.steps=12",
                                            "train.warmup_steps=5",
                                            "train.eval_every=6",
                                            "train.batch=8",
                                            "stress.paths=70",
                                            "stress.steps_bars=30",
                                            "stress.scenarios=[gap_down]",
                                            "stress.severities=[1]",
                                            "stress.cost_factors=[0, 1]",
                                            "stress.latencies=[0, 1]"};
    int count = 29;
    char *rest = NULL;
    for (char *item = strtok_r(text, "|", &rest); item && count < OVERRIDES_MAX; item = strtok_r(NULL, "|", &rest))
        overrides[count++] = item;
    pu_config *config = NULL;
    if (pu_config_load(NULL, count, overrides, &config) != PU_OK) fail_msg("%s", pu_error_message());
    return config;
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    for (int a = 0; a < WIDE; ++a) test_market_walk(&market, symbol[a], (uint64_t)a + 1, BARS, true);
    pu_config *config = config_of("r", "");
    pu_train_result trained;
    pu_predict_result predicted;
    pu_status status = pu_train(config, PU_TRAIN_NEW, 0, &trained);
    if (status == PU_OK) status = pu_predict(config, &predicted);
    if (status != PU_OK) fprintf(stderr, "%s\n", pu_error_message());
    pu_config_free(config);
    return status == PU_OK ? 0 : -1;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static json_t *run(pu_config *config, pu_stress_result *result) {
    if (pu_stress(config, result) != PU_OK) fail_msg("%s", pu_error_message());
    char path[700];
    snprintf(path, sizeof path, "%s/%s/stress.json", market.folder, config->run.name);
    json_t *document = json_load_file(path, 0, NULL);
    assert_non_null(document);
    pu_config_free(config);
    return document;
}

static double real_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return json_number_value(value);
}

static const json_t *cell_of(const json_t *document, const char *policy, const char *scenario, double cost_factor,
                             double latency_bars) {
    size_t i;
    const json_t *cell;
    json_array_foreach(json_object_get(document, "cells"), i, cell) {
        if (strcmp(json_string_value(json_object_get(cell, "policy")), policy) == 0 &&
            strcmp(json_string_value(json_object_get(cell, "scenario")), scenario) == 0 &&
            real_at(cell, "cost_factor") == cost_factor && real_at(cell, "latency_bars") == latency_bars)
            return cell;
    }
    fail_msg("no cell of %s under %s", policy, scenario);
    return NULL;
}

/* The mean wealth of the policy's paths, by the plain twin of the path kernel and the public parts of a stress test. */
static double plain_mean(pu__stress *s, const pu__scenario *scenario, const pu__execution_rules *rules) {
    const size_t bars = STEPS + 1;
    pu__path_scenario path = s->process;
    pu__path_shock *shock = pu_calloc(STEPS * WIDE, sizeof *shock);
    double *price = pu_calloc(PATHS * bars * WIDE, sizeof *price),
           *weight = pu_calloc(PATHS * bars * WIDE, sizeof *weight);
    double *metric = pu_calloc(PU_PATH_METRIC_COUNT * PATHS, sizeof *metric), still[WIDE] = {0}, sum = 0.0;
    int32_t *row = pu_calloc(PATHS * STEPS, sizeof *row);
    assert_true(shock && price && weight && metric && row);
    assert_int_equal(pu__scenario_overlay(scenario, 1.0, STEPS, WIDE, s->market.asset, shock), PU_OK);
    path.seed = (uint64_t)pu__stress_seed(s, 0);
    path.shock = scenario->shock_count > 0 ? shock : NULL;
    path.policy = PU_POLICY_BUY_HOLD;
    path.weight = still;
    pu__path_batch batch = {.count = PATHS, .price = price};
    assert_int_equal(pu__paths_plain(&path, &batch), PU_OK);
    pu__path_rows(&path, 0, PATHS, row);
    const pu__simulated simulated = {.count = PATHS,
                                     .steps = STEPS,
                                     .assets = WIDE,
                                     .price = price,
                                     .row = row,
                                     .shock = path.shock,
                                     .seed = path.seed};
    if (pu__policy_weights(s->model, &simulated, weight) != PU_OK) fail_msg("%s", pu_error_message());
    path.rules = *rules;
    path.policy = PU_POLICY_PATH_WEIGHTS;
    path.weight = NULL;
    batch = (pu__path_batch){.count = PATHS, .metric = metric, .weight = weight};
    assert_int_equal(pu__paths_plain(&path, &batch), PU_OK);
    for (int p = 0; p < PATHS; ++p) sum += metric[PU_PATH_WEALTH * PATHS + p];
    pu_free(shock);
    pu_free(price);
    pu_free(weight);
    pu_free(metric);
    pu_free(row);
    return sum / PATHS;
}

static void a_model_trades_what_it_decides(void **state) {
    (void)state;
    pu_stress_result result;
    json_t *document = run(config_of("r", ""), &result);
    assert_int_equal(result.cells, 2 * 2 * 2 * 2);
    pu_config *config = config_of("r", "");
    pu__stress *s = pu_calloc(1, sizeof *s);
    assert_non_null(s);
    if (pu__stress_open(config, s) != PU_OK) fail_msg("%s", pu_error_message());
    const pu__execution_rules free_rules = {.physics = {.no_trade_weight = 0.0, .latency_bars = 1}};
    const pu__execution_rules paid = {
        .physics = {.half_spread_ratio = 1e-4, .slippage_ratio = 1e-4, .fee_ratio = 1e-4, .latency_bars = 0}};
    for (int i = 0; i < s->scenarios; ++i) {
        const char *name = s->scenario[i]->name;
        assert_true(real_at(cell_of(document, "model", name, 0, 1), "mean_return") ==
                    plain_mean(s, s->scenario[i], &free_rules) - 1.0);
        assert_true(real_at(cell_of(document, "model", name, 1, 0), "mean_return") ==
                    plain_mean(s, s->scenario[i], &paid) - 1.0);
        assert_true(real_at(cell_of(document, "buy_hold", name, 0, 0), "turnover") < 1.0 + 1e-6);
    }
    assert_true(real_at(cell_of(document, "model", PU__BASELINE, 0, 1), "turnover") > 1.0);
    /* The benchmark is simulated and not traded. */
    const json_t *meta = json_object_get(document, "meta");
    assert_true(json_array_size(json_object_get(meta, "assets")) == WIDE && real_at(meta, "traded") == ASSETS);
    pu__stress_close(s);
    pu_free(s);
    pu_config_free(config);
    json_decref(document);
}

/* Cells of a model are made together; one that is missing is made alone, and is the same. So is a path by number. */
static void a_model_resumes_and_replays(void **state) {
    (void)state;
    pu_stress_result result;
    json_t *want = run(config_of("r", ""), &result);
    assert_int_equal(result.resumed, result.cells);
    test_market_sql(&market, "DELETE FROM stress_cells WHERE cell = 2");
    json_t *got = run(config_of("r", "run.threads=1"), &result);
    assert_int_equal(result.resumed, result.cells - 1);
    assert_true(json_equal(json_object_get(want, "cells"), json_object_get(got, "cells")));
    const json_t *cell = cell_of(want, "model", "gap_down", 1, 1);
    pu_config *config = config_of("r", "");
    const pu_stress_path_request request = {.path = (int64_t)real_at(cell, "worst_path"),
                                            .scenario = "gap_down",
                                            .severity = (double)NAN,
                                            .cost_factor = (double)NAN,
                                            .latency_bars = 1,
                                            .seed = -1};
    char path[700];
    if (pu_stress_path(config, &request, path, sizeof path) != PU_OK) fail_msg("%s", pu_error_message());
    json_t *one = json_load_file(path, 0, NULL);
    assert_true(json_number_value(json_array_get(json_object_get(one, "equity"), STEPS)) - 1.0 ==
                real_at(cell, "worst_return"));
    json_decref(one);
    json_decref(want);
    json_decref(got);
    pu_config_free(config);
}

/* On a replay of the test segment: what the weights by row earn there. */
static void predictions_trade_by_the_rows(void **state) {
    (void)state;
    pu_stress_result result;
    json_t *document = run(config_of("r", "stress.policy=predictions|stress.process=replay"), &result);
    assert_true(result.replaced);
    const json_t *cell = cell_of(document, "predictions", PU__BASELINE, 1, 1);
    assert_true(real_at(cell, "paths") == 1 && real_at(cell, "mean_return_error") == 0);
    json_decref(document);
    document = run(config_of("r", "stress.policy=predictions|stress.process=bootstrap"), &result);
    cell = cell_of(document, "predictions", PU__BASELINE, 1, 1);
    assert_true(real_at(cell, "turnover") > 0.1 && real_at(cell, "paths") == PATHS);
    assert_true(real_at(cell, "spread") > 0.0);
    json_decref(document);
}

static void compile(const char *source, const char *name) {
    char from[700], include[600];
    const char *root = getenv("PU_SOURCE") ? getenv("PU_SOURCE") : ".";
    snprintf(from, sizeof from, "%s/%s", root, source);
    snprintf(include, sizeof include, "-I%s/include", root);
    snprintf(plugin_path, sizeof plugin_path, "%s", test_path(market.folder, name));
    const char *const argv[] = {"cc", "-shared", "-fPIC", include, from, "-o", plugin_path, NULL};
    test_outcome outcome = test_run(NULL, argv);
    if (outcome.code != 0) fail_msg("%s", outcome.err);
    test_outcome_free(&outcome);
}

static void a_plug_in_is_called(void **state) {
    (void)state;
    char other[900];
    compile("docs/examples/plugin_policy.c", "policy.so");
    snprintf(other, sizeof other, "stress.policy=plugin|stress.plugin=%s", plugin_path);
    pu_stress_result result;
    json_t *document = run(config_of("plug", other), &result);
    assert_true(result.cells == 16 && !result.replaced);
    assert_true(real_at(cell_of(document, "plugin", PU__BASELINE, 1, 1), "turnover") > 0.0);
    assert_true(json_is_string(json_object_get(json_object_get(document, "meta"), "plugin")));
    json_t *again = run(config_of("plug", other), &result);
    assert_int_equal(result.resumed, result.cells);
    assert_true(json_equal(json_object_get(document, "worst_paths"), json_object_get(again, "worst_paths")));
    json_decref(document);
    json_decref(again);
    /* Another file under the same name is another policy. */
    FILE *file = fopen(plugin_path, "ab");
    assert_true(file && fputc(0, file) == 0 && fclose(file) == 0);
    document = run(config_of("plug", other), &result);
    assert_true(result.replaced && result.resumed == 0);
    json_decref(document);
}

static void what_cannot_be_tested_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *run, *other, *message;
        pu_status status;
    } cases[] = {
        {"r", "features.names=[rsi_14, close_ema_10, beta_60, garman_klass_20]", "was trained with other features",
         PU_ERR_CONFIG},
        {"r", "model.width=32", "was trained with other", PU_ERR_CONFIG},
        {"nobody", "", "checkpoint", PU_ERR_NOT_FOUND},
        {"nobody", "stress.policy=predictions", "nobody", PU_ERR_NOT_FOUND},
        {"nobody", "stress.policy=plugin|stress.plugin=/no/such.so", "/no/such.so", PU_ERR_CONFIG},
        {"r", "stress.fit=[2010-01-01, 2010-03-01]", "", PU_ERR_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        pu_config *config = config_of(cases[i].run, cases[i].other);
        pu_stress_result result;
        const int64_t cells = test_market_sql(&market, "SELECT count(*) FROM stress_cells");
        const pu_status status = pu_stress(config, &result);
        if (status != cases[i].status || !strstr(pu_error_message(), cases[i].message))
            fail_msg("%s: %s: %s", cases[i].other, pu_status_name(status), status ? pu_error_message() : "");
        assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM stress_cells"), cells);
        pu_config_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_trades_what_it_decides),   cmocka_unit_test(a_model_resumes_and_replays),
        cmocka_unit_test(predictions_trade_by_the_rows),    cmocka_unit_test(a_plug_in_is_called),
        cmocka_unit_test(what_cannot_be_tested_is_refused),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
