/* The verb as a whole: predictions in a store become trades, backtest.json, and a claim that fits the evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/base/file.h"
#include "plusultra/eval.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/synth.h"
#include "plusultra/windows.h"
#include "tests/support/golden.h"
#include "tests/support/market.h"

enum { BARS = 1100, HORIZONS = 2, QUANTILES = 3 };

static test_market market;
static char out_override[600];

static int open_market(void **state) {
    (void)state;
    market = test_market_new();
    snprintf(out_override, sizeof out_override, "run.out=%s", market.folder);
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS, true);
    test_market_walk(&market, "CCC", 3, BARS - 90, true);
    test_market_walk(&market, "INDEX", 4, BARS, false);
    return 0;
}

static int drop_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static pu_config *configure(const char *name, const char *extra) {
    char run[80];
    snprintf(run, sizeof run, "run.name=%s", name);
    return test_config(&market, out_override, run, "data.symbols=[AAA, BBB, CCC]", "data.benchmark=INDEX",
                       "windows.horizons=[1, 5]", "objective.quantiles=[0.1, 0.5, 0.9]", "features.names=[rsi_14]",
                       "backtest.bootstrap_samples=300", "split.train_ratio=0.3", "split.valid_ratio=0.1",
                       "backtest.leverage_max=20", "backtest.position_max=5", extra, NULL);
}

/* Stores predictions whose quantiles lie about ic * target + noise: an oracle of that strength, from validation
 * on. */
static void predict(const pu_config *config, double ic, uint64_t seed) {
    static const double quantile[QUANTILES] = {0.1, 0.5, 0.9};
    static const int64_t horizon[HORIZONS] = {1, 5};
    pu_dataset *dataset = NULL;
    pu_store *store = NULL;
    assert_int_equal(pu_dataset_open(config, &dataset), PU_OK);
    assert_int_equal(pu_store_open(config->data.store, PU_STORE_WRITE, &store), PU_OK);
    int64_t from = 0, to = 0;
    pu_dataset_segment(dataset, PU_SEGMENT_VALID, &from, &to);
    for (int a = 0; a < pu_dataset_assets(dataset); ++a) {
        int64_t *ts = test_times(dataset, a), first = 0;
        assert_int_equal(pu_dataset_rows_before(dataset, a, from, &first), PU_OK);
        const int64_t n = pu_dataset_rows(dataset, a) - first;
        float *target = pu_calloc((size_t)n, HORIZONS * sizeof *target),
              *sigma = pu_calloc((size_t)n, sizeof *sigma);
        float *value = pu_calloc((size_t)n, HORIZONS * QUANTILES * sizeof *value);
        assert_true(target && sigma && value);
        assert_int_equal(pu_dataset_read(dataset, a, first, n, NULL, target, NULL, sigma), PU_OK);
        pu_random random = pu_random_at(seed, (uint64_t)a);
        for (int64_t i = 0; i < n * HORIZONS; ++i) {
            const double m = ic * (ic * (double)target[i] + sqrt(1 - ic * ic) * pu_random_normal(&random));
            const double noise = ic == 0 ? 0.1 * pu_random_normal(&random) : 0;
            for (int q = 0; q < QUANTILES; ++q) value[i * QUANTILES + q] = (float)(m + noise + 1.28 * (q - 1));
        }
        const pu_prediction_set set = {
            pu_dataset_asset(dataset, a)->id, n, ts + first, HORIZONS, horizon, QUANTILES, quantile, value, sigma};
        assert_int_equal(pu_store_put_predictions(store, config->run.name, &set), PU_OK);
        pu_free(ts);
        pu_free(target);
        pu_free(sigma);
        pu_free(value);
    }
    pu_store_close(store);
    pu_dataset_close(dataset);
}

static json_t *load(const pu_config *config) {
    char path[800];
    snprintf(path, sizeof path, "%s/%s/backtest.json", config->run.out, config->run.name);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    return root;
}

static json_t *backtest(const pu_config *config) {
    if (pu_backtest(config) != PU_OK) fail_msg("%s", pu_error_message());
    return load(config);
}

static const json_t *strategy(const json_t *root, const char *name) {
    size_t i;
    const json_t *s;
    json_array_foreach(json_object_get(root, "strategies"), i, s) {
        if (strcmp(json_string_value(json_object_get(s, "name")), name) == 0) return s;
    }
    fail_msg("no strategy '%s'", name);
    return NULL;
}

static bool warned(const json_t *root, const char *text) {
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(root, "warnings"), i, warning) {
        if (strstr(json_string_value(warning), text)) return true;
    }
    return false;
}

static double metric(const json_t *root, const char *name, const char *key) {
    return golden_real(json_object_get(strategy(root, name), "metrics"), key);
}

static void the_document_is_complete_and_consistent(void **state) {
    (void)state;
    pu_config *config = configure("whole", "backtest.latency_bars=1");
    predict(config, 0.2, 5);
    json_t *root = backtest(config);
    assert_string_equal(json_string_value(json_object_get(root, "format")), "plusultra-backtest-1");
    const size_t times = json_array_size(json_object_get(root, "times"));
    assert_true(times > 150);
    static const char *const names[] = {"model", "buy_and_hold", "momentum", "ridge", "benchmark"};
    static const char *const series[] = {"returns",        "equity",   "drawdown",
                                         "rolling_sharpe", "exposure", "turnover"};
    for (int i = 0; i < 5; ++i) {
        const json_t *s = strategy(root, names[i]);
        for (int k = 0; k < 6; ++k) assert_int_equal(json_array_size(json_object_get(s, series[k])), times);
        double r[BARS], equity[BARS], product = 1;
        golden_list(json_object_get(s, "returns"), r, BARS);
        golden_list(json_object_get(s, "equity"), equity, BARS);
        for (size_t t = 0; t < times; ++t) {
            product *= 1 + r[t];
            assert_true(golden_near(product, equity[t], 1e-9));
        }
        assert_true(golden_near(product - 1, metric(root, names[i], "total_return"), 1e-9));
        assert_true(json_is_array(json_object_get(json_object_get(s, "intervals"), "sharpe")));
    }
    const json_t *meta = json_object_get(root, "meta");
    assert_true(golden_real(meta, "periods_per_year") == 252 && golden_real(meta, "bars") == (double)times);
    assert_string_equal(json_string_value(json_object_get(meta, "periods_reason")), "synthetic, daily bars");
    assert_int_equal(strlen(json_string_value(json_object_get(meta, "data_hash"))), 64);
    double contribution = 0;
    for (size_t a = 0; a < 3; ++a)
        contribution += golden_real(json_array_get(json_object_get(root, "assets"), a), "contribution");
    assert_true(golden_near(contribution, metric(root, "model", "total_return"), 1e-9));
    assert_int_equal(json_array_size(json_object_get(root, "forecast")), HORIZONS);
    json_decref(root);
    pu_config_free(config);
}

static void an_oracle_has_an_edge_and_a_coin_has_none(void **state) {
    (void)state;
    pu_config *config = configure("oracle", "backtest.latency_bars=1");
    predict(config, 0.35, 6);
    json_t *root = backtest(config);
    assert_true(json_is_true(json_object_get(root, "claims_edge")));
    assert_true(metric(root, "model", "sharpe") > metric(root, "ridge", "sharpe"));
    assert_true(golden_real(root, "break_even_cost_bps") > 5);
    const json_t *score = json_array_get(json_object_get(root, "forecast"), 0);
    assert_true(golden_real(score, "skill") > 0 && golden_real(score, "ic") > 0.2);
    json_decref(root);
    pu_config_free(config);

    config = configure("coin", "backtest.latency_bars=1");
    predict(config, 0, 7);
    root = backtest(config);
    assert_true(json_is_false(json_object_get(root, "claims_edge")));
    assert_non_null(strstr(json_string_value(json_object_get(root, "verdict")), "No edge is claimed"));
    json_decref(root);
    pu_config_free(config);
}

/* The label is the return after the fill: an oracle keeps its edge whatever the latency. One that knows the return
 * before the fill has nothing left at the fill. */
static void labels_and_fills_share_one_clock(void **state) {
    (void)state;
    for (int latency = 0; latency <= 3; ++latency) {
        char override[64], name[32];
        snprintf(override, sizeof override, "backtest.latency_bars=%d", latency);
        snprintf(name, sizeof name, "clock%d", latency);
        pu_config *config = configure(name, override);
        predict(config, 0.5, 8);
        json_t *root = backtest(config);
        assert_true(metric(root, "model", "sharpe") > 5);
        json_decref(root);
        pu_config_free(config);
    }
    pu_config *late = configure("clock0", "backtest.latency_bars=1");
    json_t *root = backtest(late);
    assert_true(metric(root, "model", "sharpe") < 2);
    json_decref(root);
    pu_config_free(late);
}

static void trades_are_stored_as_they_were_filled(void **state) {
    (void)state;
    pu_config *config = configure("trades", "backtest.latency_bars=2");
    predict(config, 0.2, 9);
    json_t *root = backtest(config);
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM trades JOIN runs USING (run_id) WHERE name = 'trades'");
    assert_true(test_market_sql(&market, sql) == (int64_t)metric(root, "model", "fills"));
    assert_true(test_market_sql(&market, sql) > 300);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM trades t JOIN runs USING (run_id) WHERE name = 'trades' AND (SELECT count(*) "
             "FROM series s WHERE "
             "s.asset_id = t.asset_id AND s.ts > t.decided_ts AND s.ts <= t.filled_ts) <> 2");
    assert_int_equal(test_market_sql(&market, sql), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM trades t JOIN runs USING (run_id) JOIN series s ON s.asset_id = t.asset_id AND "
             "s.ts = t.filled_ts WHERE "
             "name = 'trades' AND s.adjusted <> t.price");
    assert_int_equal(test_market_sql(&market, sql), 0);
    json_decref(root);
    pu_config_free(config);
}

static void the_same_run_gives_the_same_document(void **state) {
    (void)state;
    char *text[2] = {0};
    for (int threads = 1; threads <= 2; ++threads) {
        pu_config *config = configure("same", threads == 1 ? "run.threads=1" : "run.threads=2");
        if (threads == 1) predict(config, 0.1, 10);
        json_t *root = backtest(config);
        json_t *meta = json_object_get(root, "meta");
        json_object_del(meta, "created");
        json_object_del(meta, "config"); /* it names the threads */
        text[threads - 1] = json_dumps(root, JSON_SORT_KEYS);
        json_decref(root);
        pu_config_free(config);
    }
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

static void costs_only_cost(void **state) {
    (void)state;
    double last = INFINITY;
    static const char *const spread[] = {"backtest.spread_bps=0", "backtest.spread_bps=10",
                                         "backtest.spread_bps=60"};
    for (int i = 0; i < 3; ++i) {
        pu_config *config = configure("costs", spread[i]);
        if (i == 0) predict(config, 0.2, 11);
        json_t *root = backtest(config);
        const double total = metric(root, "model", "total_return");
        assert_true(total < last);
        last = total;
        json_decref(root);
        pu_config_free(config);
    }
}

/* A band wider than an equal part would keep buy and hold out of the market. */
static void the_band_is_not_for_buy_and_hold(void **state) {
    (void)state;
    pu_config *config = configure("band", "backtest.no_trade_ratio=0.3");
    predict(config, 0.2, 13);
    json_t *root = backtest(config);
    assert_true(metric(root, "buy_and_hold", "fills") == 3 && metric(root, "benchmark", "fills") == 1);
    assert_true(metric(root, "model", "fills") < 100);
    json_decref(root);
    pu_config_free(config);
}

/* The assets say 252 bars a year and have one every day. */
static void a_calendar_unlike_its_class_is_said(void **state) {
    (void)state;
    static const char *const given[] = {"backtest.periods_per_year=0", "backtest.periods_per_year=365"};
    for (int i = 0; i < 2; ++i) {
        pu_config *config = configure("calendar", given[i]);
        predict(config, 0.2, 15);
        json_t *root = backtest(config);
        assert_true(warned(root, "assume 252 periods a year (synthetic, daily bars), the test has 365") ==
                    (i == 0));
        json_decref(root);
        pu_config_free(config);
    }
}

static void levels_of_adjusted_prices_are_said(void **state) {
    (void)state;
    static const char *const names[] = {"features.names=[rsi_14]", "features.names=[rsi_14, atr_14, midprice_14]"};
    for (int i = 0; i < 2; ++i) {
        pu_config *config = configure("levels", names[i]);
        predict(config, 0.2, 16);
        json_t *root = backtest(config);
        assert_true(warned(root, "2 features carry the level of adjusted prices or volumes, atr_14 the first") ==
                    (i == 1));
        json_decref(root);
        pu_config_free(config);
    }
}

/* Predictions equal to the truth a synthetic market was made from must keep nearly all of the Sharpe ratio that
 * the truth is worth, under the default limits. The sampling error of one ratio over 1,500 bars is 1 / sqrt(1500 /
 * 252) / 3.4 = 12 %. */
static void the_truth_keeps_its_sharpe(void **state) {
    (void)state;
    test_market truth = test_market_new();
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", truth.folder);
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(truth.store, PU_STORE_WRITE, &store), PU_OK);
    pu_synth_options options = pu_synth_defaults();
    pu_synth_result made;
    options.assets = 8;
    options.bars = 2200;
    options.seed = 21;
    assert_int_equal(pu_synth(store, &options, &made), PU_OK);
    pu_config *config = test_config(
        &truth, out, "run.name=truth", "data.benchmark=INDEX", "features.names=[rsi_14]", "windows.horizons=[1]",
        "split.train_ratio=0.2", "split.valid_ratio=0.1", "backtest.market_neutral=true", "backtest.spread_bps=0",
        "backtest.slippage_bps=0", "backtest.fee_bps=0", "backtest.bootstrap_samples=300", NULL);
    pu_dataset *dataset = NULL;
    assert_int_equal(pu_dataset_open(config, &dataset), PU_OK);
    for (int a = 0; a < pu_dataset_assets(dataset); ++a) {
        const int64_t id = pu_dataset_asset(dataset, a)->id;
        int64_t count = 0, sigma_count = 0, *ts = NULL, *sigma_ts = NULL;
        double *signal = NULL, *sigma = NULL;
        assert_int_equal(pu_store_get_indicator(store, id, "truth_signal", &count, &ts, &signal), PU_OK);
        assert_int_equal(pu_store_get_indicator(store, id, "truth_sigma", &sigma_count, &sigma_ts, &sigma), PU_OK);
        assert_int_equal(count, sigma_count);
        float *value = pu_calloc((size_t)count, 2 * sizeof *value);
        assert_non_null(value);
        for (int64_t i = 0; i < count; ++i) {
            value[i] = (float)signal[i];
            value[count + i] = (float)sigma[i];
        }
        const double middle = 0.5;
        const int64_t horizon = 1;
        const pu_prediction_set set = {id, count, ts, 1, &horizon, 1, &middle, value, value + count};
        assert_int_equal(pu_store_put_predictions(store, "truth", &set), PU_OK);
        pu_free(value);
        pu_free(ts);
        pu_free(sigma_ts);
    }
    pu_dataset_close(dataset);
    pu_store_close(store);
    json_t *root = backtest(config);
    const double best = pu_synth_best_sharpe(&options, config->backtest.latency_bars, true),
                 sharpe = metric(root, "model", "sharpe");
    print_message("Sharpe ratio %.2f, the truth is worth %.2f\n", sharpe, best);
    assert_true(sharpe > 0.8 * best);
    assert_true(json_is_true(json_object_get(root, "claims_edge")));
    json_decref(root);
    pu_config_free(config);
    test_market_remove(&truth);
}

/* Memory that runs out at any point is an error, and leaves the old document alone. */
static void memory_running_out_is_an_error(void **state) {
    (void)state;
    pu_config *config = configure("memory", "backtest.latency_bars=1");
    predict(config, 0.2, 14);
    json_decref(backtest(config));
    int64_t failures = 0;
    for (int64_t countdown = 0;; countdown += 1 + countdown / 8) {
        pu_memory_fail_after(countdown);
        const pu_status status = pu_backtest(config);
        pu_memory_fail_after(-1);
        json_decref(load(config));
        if (status == PU_OK) break;
        assert_int_equal(status, PU_ERR_MEMORY);
        ++failures;
    }
    print_message("%d failures\n", (int)failures);
    assert_true(failures > 30);
    pu_config_free(config);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    pu_config *config = configure("unpredicted", "backtest.latency_bars=1");
    assert_int_equal(pu_backtest(config), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "plusultra predict"));
    char path[800];
    snprintf(path, sizeof path, "%s/unpredicted/backtest.json", config->run.out);
    assert_int_equal(access(path, F_OK), -1);
    pu_config_free(config);

    config = configure("horizons", "backtest.latency_bars=1");
    predict(config, 0, 12);
    config->backtest.horizon = 3;
    assert_int_equal(pu_backtest(config), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "backtest.horizon is 3 bars"));
    pu_config_free(config);

    config = configure("horizons", "data.benchmark=NOSUCH");
    assert_int_equal(pu_backtest(config), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "data.benchmark: there is no asset 'NOSUCH'"));
    pu_config_free(config);

    /* A benchmark that ended before the test would leave the market's part in the model's returns. */
    test_market_walk(&market, "ENDED", 5, 300, false);
    config = configure("horizons", "data.benchmark=ENDED");
    assert_int_equal(pu_backtest(config), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "ENDED has no bars in the test segment"));
    pu_config_free(config);
    test_market_walk(&market, "ENDING", 6, BARS - 200, false);
    config = configure("horizons", "data.benchmark=ENDING");
    json_t *root = backtest(config);
    assert_true(warned(root, "ENDING has bars at only"));
    json_decref(root);
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_is_complete_and_consistent),
        cmocka_unit_test(an_oracle_has_an_edge_and_a_coin_has_none),
        cmocka_unit_test(labels_and_fills_share_one_clock),
        cmocka_unit_test(trades_are_stored_as_they_were_filled),
        cmocka_unit_test(the_same_run_gives_the_same_document),
        cmocka_unit_test(costs_only_cost),
        cmocka_unit_test(the_band_is_not_for_buy_and_hold),
        cmocka_unit_test(a_calendar_unlike_its_class_is_said),
        cmocka_unit_test(levels_of_adjusted_prices_are_said),
        cmocka_unit_test(the_truth_keeps_its_sharpe),
        cmocka_unit_test(memory_running_out_is_an_error),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, open_market, drop_market);
}
