/* A trained model on simulated paths: what it forecasts there is what `predict` gives where the path is the store's
 * history, what it decides is what a backtest would; it sees nothing later, and no path depends on what runs beside it.
 * Stored predictions become the weights that the backtest trades. */
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

#include "host/eval/backtest.h"
#include "host/stress/policy_model.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

/* A multiple of neither the stride nor the window. */
enum { BARS = 500, ASSETS = 3, WIDE = 4, STEPS = 45, PATHS = 5 };

static const char *const symbol[WIDE] = {"AAA", "BBB", "CCC", "INDEX"};
static test_market market;

static void put_walks(const test_market *to) {
    for (int a = 0; a < WIDE; ++a) test_market_walk(to, symbol[a], (uint64_t)a + 1, BARS, true);
}

/* The run in the folder of `market`, over the bars of `bars_of`. */
static pu_config *run_config(const test_market *bars_of, const char *other) {
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    return test_config(bars_of, out, "run.name=r", "run.device=cpu", "run.threads=2", "data.benchmark=INDEX",
                       "split.train=[2010-01-01, 2010-09-01]", "split.valid=[2010-09-01, 2010-11-10]",
                       "split.test=[2010-11-10, 2013-01-01]", "windows.window_bars=16", "windows.warmup_bars=24",
                       "windows.stride_bars=4", "windows.horizons=[1, 3]", "backtest.horizon=3",
                       "split.embargo_bars=5", "model.width=16", "model.layers=2", "model.heads=2",
                       "features.names=[rsi_14, atr_14_ratio, close_ema_10, garman_klass_20, log_volume_z_20, "
                       "beta_60, universe_beta_60, gap, "
                       "cross_rank_return_20, cross_z_volatility_20, day_of_week_sin]",
                       "train.steps=20", "train.warmup_steps=5", "train.eval_every=10", "train.batch=8", other,
                       NULL);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    put_walks(&market);
    pu_config *config = run_config(&market, NULL);
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

/* ---- paths ---- */

typedef struct bench {
    pu_config *config;
    pu__market market;
    pu__policy *policy;
    double *price;  /* [PATHS][STEPS + 1][WIDE] */
    double *weight; /* of all paths at once */
    pu__path_shock shock[STEPS * WIDE];
    pu__simulated paths;
} bench;

static int64_t of_path(int64_t path) { return path * (STEPS + 1) * WIDE; }

static void walk_prices(double *price) {
    for (int64_t p = 0; p < PATHS; ++p) {
        pu_random random = pu_random_at(77, (uint64_t)p);
        for (int a = 0; a < WIDE; ++a) price[of_path(p) + a] = 1.0;
        for (int64_t i = WIDE; i < (STEPS + 1) * WIDE; ++i)
            price[of_path(p) + i] = price[of_path(p) + i - WIDE] * exp(0.012 * pu_random_normal(&random));
    }
}

/* The policy looks at the market where it is. */
static void open_bench(bench *b) {
    *b = (bench){.config = run_config(&market, NULL)};
    if (pu__market_load(b->config, true, INT64_MIN, INT64_MAX, &b->market) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_int_equal(b->market.assets, WIDE);
    assert_int_equal(b->market.traded, ASSETS);
    if (pu__policy_open(b->config, &b->market, STEPS, &b->policy) != PU_OK) fail_msg("%s", pu_error_message());
    b->price = pu_calloc((size_t)of_path(PATHS), sizeof *b->price);
    b->weight = pu_calloc((size_t)of_path(PATHS), sizeof *b->weight);
    walk_prices(b->price);
    for (int i = 0; i < STEPS * WIDE; ++i)
        b->shock[i] = (pu__path_shock){.volatility_scale = i < STEPS ? 1.0f : 1.7f, .volume_scale = 0.4f};
}

static void aim(bench *b) {
    b->paths = (pu__simulated){.first = 3,
                               .count = PATHS,
                               .steps = STEPS,
                               .assets = WIDE,
                               .price = b->price,
                               .shock = b->shock,
                               .seed = 9};
}

static void decide(bench *b, double *weight) {
    if (pu__policy_weights(b->policy, &b->paths, weight) != PU_OK) fail_msg("%s", pu_error_message());
}

static void close_bench(bench *b) {
    pu__policy_close(b->policy);
    pu__market_free(&b->market);
    pu_config_free(b->config);
    pu_free(b->price);
    pu_free(b->weight);
}

/* ---- tests ---- */

/* The bars of a path, written behind the history of another store. */
static test_market extended(bench *b, int64_t path) {
    test_market to = test_market_new();
    pu__bar_shapes shapes;
    pu_bars bars[WIDE];
    int64_t ts[STEPS];
    put_walks(&to);
    assert_int_equal(pu__bar_shapes_open(b->config, &b->market, &shapes), PU_OK);
    assert_int_equal(pu__bar_times(&b->market, STEPS, ts), PU_OK);
    for (int a = 0; a < WIDE; ++a) assert_true(test_bars_alloc(STEPS, &bars[a]));
    pu__bars_make(&shapes, &b->paths, path, ts, bars);
    for (int a = 0; a < WIDE; ++a) {
        test_market_put(&to, b->market.asset[a].symbol, TEST_DAY_S, &bars[a]);
        pu_bars_free(&bars[a]);
    }
    pu__bar_shapes_free(&shapes);
    return to;
}

/* Forecasts and weights of the backtest's panel, at the times of the path and at its start. */
static void compare_with(const pu__backtest *b, const double *decided, const bench *own, const double *weight) {
    const int64_t begin = b->panel.times - STEPS - 1;
    int64_t differing = 0;
    assert_int_equal(b->panel.assets, ASSETS);
    assert_int_equal(b->panel.ts[begin], own->market.ts[own->market.rows - 1]);
    for (int64_t t = 0; t <= STEPS; ++t) {
        for (int a = 0; a < ASSETS; ++a) {
            const int64_t cell = (begin + t) * ASSETS + a;
            const double got = t ? own->policy->forecast[(t - 1) * ASSETS + a] : b->forecast[cell];
            if (memcmp(&got, &b->forecast[cell], sizeof got) != 0)
                fail_msg("%s step %lld: forecast %.17g, predict's %.17g", symbol[a], (long long)t, got,
                         b->forecast[cell]);
            const double had = weight[t * WIDE + a];
            if (memcmp(&had, &decided[cell], sizeof had) != 0)
                fail_msg("%s step %lld: weight %.17g, the backtest's %.17g", symbol[a], (long long)t, had,
                         decided[cell]);
            differing += had != weight[a];
        }
        assert_true(weight[t * WIDE + ASSETS] == 0.0); /* the benchmark is not traded */
    }
    assert_true(differing > STEPS);
}

static void as_predict(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    aim(&b);
    b.paths.price += of_path(2); /* alone in its group, so that its forecasts are there to look at */
    b.paths.first += 2;
    b.paths.count = 1;
    decide(&b, b.weight);
    test_market to = extended(&b, 0);
    pu_config *config = run_config(&to, NULL);
    pu_predict_result result;
    pu__backtest backtest;
    if (pu_predict(config, &result) != PU_OK) fail_msg("%s", pu_error_message());
    if (pu__backtest_load(config, &backtest) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__backtest_settle(&backtest), PU_OK);
    double *decided = pu__panel_table(&backtest.panel);
    assert_int_equal(pu__positions(&backtest.panel, backtest.forecast, backtest.sigma, &backtest.sizing, decided,
                                   backtest.first, NULL),
                     PU_OK);
    compare_with(&backtest, decided, &b, b.weight);
    pu_free(decided);
    pu__backtest_free(&backtest);
    pu_config_free(config);
    test_market_remove(&to);
    close_bench(&b);
}

static void sees_nothing_later(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    aim(&b);
    double *other = pu_calloc((size_t)of_path(PATHS), sizeof *other);
    decide(&b, b.weight);
    for (int64_t cut = 0; cut < STEPS; cut += 11) {
        int64_t changed = 0;
        walk_prices(b.price);
        for (int64_t i = (cut + 1) * WIDE; i < (STEPS + 1) * WIDE; ++i)
            b.price[of_path(1) + i] *= 1.0 + 0.3 * (i % 3);
        decide(&b, other);
        for (int64_t i = 0; i < of_path(PATHS); ++i) {
            const bool same = memcmp(&other[i], &b.weight[i], sizeof *other) == 0;
            const bool after = i >= of_path(1) + (cut + 1) * WIDE && i < of_path(2);
            if (!after && !same) fail_msg("cut %lld: weight %lld changed", (long long)cut, (long long)i);
            changed += !same;
        }
        assert_true(changed > 0);
    }
    pu_free(other);
    close_bench(&b);
}

/* One path at a time, two and three, one thread: the same bits. */
static void same_in_any_batch(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    double *other = pu_calloc((size_t)of_path(PATHS), sizeof *other);
    aim(&b);
    decide(&b, b.weight);
    for (int64_t size = 1; size < PATHS; size += 2) {
        for (int64_t from = 0; from < PATHS; from += size) {
            aim(&b);
            b.paths.first += from;
            b.paths.price += of_path(from);
            b.paths.count = from + size < PATHS ? size : PATHS - from;
            decide(&b, other + of_path(from));
        }
        assert_memory_equal(other, b.weight, (size_t)of_path(PATHS) * sizeof *other);
    }
    pu__policy_close(b.policy);
    pu_config *one = run_config(&market, "run.threads=1");
    assert_int_equal(pu__policy_open(one, &b.market, STEPS, &b.policy), PU_OK);
    aim(&b);
    memset(other, 0, (size_t)of_path(PATHS) * sizeof *other);
    decide(&b, other);
    assert_memory_equal(other, b.weight, (size_t)of_path(PATHS) * sizeof *other);
    close_bench(&b);
    pu_config_free(one);
    pu_free(other);
}

/* Rows of predictions carry the backtest's weights, other rows are flat. */
static void stored_predictions(void **state) {
    (void)state;
    pu_config *config = run_config(&market, NULL);
    pu__market history;
    pu_predict_result result;
    pu__backtest backtest;
    assert_int_equal(pu__market_load(config, true, INT64_MIN, INT64_MAX, &history), PU_OK);
    double *weight = pu_calloc((size_t)(history.rows - 1) * WIDE, sizeof *weight);
    if (pu_predict(config, &result) != PU_OK) fail_msg("%s", pu_error_message());
    if (pu__policy_history(config, &history, weight) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__backtest_load(config, &backtest), PU_OK);
    assert_int_equal(pu__backtest_settle(&backtest), PU_OK);
    double *decided = pu__panel_table(&backtest.panel);
    assert_int_equal(pu__positions(&backtest.panel, backtest.forecast, backtest.sigma, &backtest.sizing, decided,
                                   backtest.first, NULL),
                     PU_OK);
    int64_t held = 0, t = 0;
    for (int64_t r = 0; r + 1 < history.rows; ++r) {
        const bool predicted = history.ts[r + 1] >= backtest.panel.ts[0];
        for (int a = 0; a < WIDE; ++a) {
            const double expected = predicted && a < ASSETS ? decided[t * ASSETS + a] : 0.0;
            assert_memory_equal(&weight[r * WIDE + a], &expected, sizeof expected);
            held += expected != 0.0;
        }
        t += predicted;
    }
    assert_int_equal(t, backtest.panel.times);
    assert_true(held > 100);
    pu__backtest_free(&backtest);
    pu__market_free(&history);
    int64_t until_ts = TEST_FIRST_TS + 100 * (int64_t)TEST_DAY_S;
    assert_int_equal(pu__market_load(config, true, INT64_MIN, until_ts, &history), PU_OK);
    assert_int_equal(pu__policy_history(config, &history, weight), PU_ERR_DATA);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "no prediction"));
    pu_free(decided);
    pu_free(weight);
    pu__market_free(&history);
    pu_config_free(config);
}

/* The first `count` bars of the walks, in a store of their own. */
static test_market cut_store(int64_t count) {
    test_market to = test_market_new();
    for (int a = 0; a < WIDE; ++a) {
        pu_bars bars;
        assert_true(test_bars_walk((uint64_t)a + 1, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
        const pu_bars cut = test_bars_cut(&bars, count);
        test_market_put(&to, symbol[a], TEST_DAY_S, &cut);
        pu_bars_free(&bars);
    }
    return to;
}

/* What the store holds behind the market's last row changes nothing. */
static void begins_where_the_market_ends(void **state) {
    (void)state;
    enum { KEPT = BARS - 43 };
    double *weight[2];
    static double price[(STEPS + 1) * WIDE];
    test_market cut = cut_store(KEPT);
    for (int i = 0; i < (STEPS + 1) * WIDE; ++i) price[i] = 1.0 + 0.01 * (i % 7) * (i >= WIDE);
    for (int k = 0; k < 2; ++k) {
        pu_config *config = run_config(k ? &cut : &market, NULL);
        pu__market history;
        pu__policy *policy = NULL;
        const int64_t until_ts = TEST_FIRST_TS + KEPT * (int64_t)TEST_DAY_S;
        assert_int_equal(pu__market_load(config, true, INT64_MIN, until_ts, &history), PU_OK);
        assert_int_equal(history.rows, KEPT);
        if (pu__policy_open(config, &history, STEPS, &policy) != PU_OK) fail_msg("%s", pu_error_message());
        const pu__simulated paths = {.count = 1, .steps = STEPS, .assets = WIDE, .price = price, .seed = 2};
        weight[k] = pu_calloc((STEPS + 1) * WIDE, sizeof *weight[k]);
        if (pu__policy_weights(policy, &paths, weight[k]) != PU_OK) fail_msg("%s", pu_error_message());
        pu__policy_close(policy);
        pu__market_free(&history);
        pu_config_free(config);
    }
    assert_memory_equal(weight[0], weight[1], (STEPS + 1) * WIDE * sizeof *weight[0]);
    pu_free(weight[0]);
    pu_free(weight[1]);
    test_market_remove(&cut);
}

/* An asset that the windows leave out would be traded by nobody. */
static void short_assets_are_named(void **state) {
    (void)state;
    test_market to = cut_store(BARS);
    pu_bars bars;
    assert_true(test_bars_walk(9, 70, TEST_FIRST_TS + (BARS - 70) * (int64_t)TEST_DAY_S, TEST_DAY_S, &bars));
    test_market_put(&to, "YOUNG", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    pu_config *config = run_config(&to, NULL);
    pu__market history;
    pu__policy *policy = NULL;
    assert_int_equal(pu__market_load(config, true, INT64_MIN, INT64_MAX, &history), PU_OK);
    assert_int_equal(history.rows, 70);
    assert_int_equal(pu__policy_open(config, &history, STEPS, &policy), PU_ERR_DATA);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "YOUNG is too short for the model's windows"));
    pu__market_free(&history);
    pu_config_free(config);
    test_market_remove(&to);
}

/* Wherever memory runs out, it is said, and nothing is left. */
static void memory_may_be_short(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    aim(&b);
    pu__policy_close(b.policy);
    b.policy = NULL;
    int refused = 0;
    for (int64_t n = 0;; n += 1 + n / 4) {
        pu_memory_fail_after(n);
        pu_status status = pu__policy_open(b.config, &b.market, STEPS, &b.policy);
        if (status == PU_OK) status = pu__policy_weights(b.policy, &b.paths, b.weight);
        pu_memory_fail_after(-1);
        pu__policy_close(b.policy);
        b.policy = NULL;
        if (status == PU_OK) break;
        assert_int_equal(status, PU_ERR_MEMORY);
        ++refused;
    }
    assert_true(refused > 10);
    close_bench(&b);
}

static void refused(const char *other, int64_t until_ts, pu_status expected, const char *words) {
    pu_config *config = run_config(&market, other);
    pu__market history;
    pu__policy *policy = NULL;
    assert_int_equal(pu__market_load(config, true, INT64_MIN, until_ts, &history), PU_OK);
    const pu_status status = pu__policy_open(config, &history, STEPS, &policy);
    print_message("%s\n", pu_error_message());
    assert_int_equal(status, expected);
    assert_null(policy);
    if (!strstr(pu_error_message(), words)) fail_msg("expected '%s'", words);
    pu__market_free(&history);
    pu_config_free(config);
}

/* Everything is found when the policy is opened, and says what to do. */
static void bad_requests(void **state) {
    (void)state;
    refused("features.names=[rsi_14, atr_14_ratio]", INT64_MAX, PU_ERR_CONFIG, "train again");
    refused("windows.window_bars=20", INT64_MAX, PU_ERR_CONFIG, "train again");
    refused("model.width=32", INT64_MAX, PU_ERR_CONFIG, "train again");
    refused("run.name=never", INT64_MAX, PU_ERR_NOT_FOUND, "plusultra train");
    refused(NULL, TEST_FIRST_TS + 90 * (int64_t)TEST_DAY_S, PU_ERR_DATA, "import more history");
    bench b;
    open_bench(&b);
    aim(&b);
    b.price[of_path(4) + 7 * WIDE + 1] = 0.0;
    assert_int_equal(pu__policy_weights(b.policy, &b.paths, b.weight), PU_ERR_DATA);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "path 7: bar 7: the price of BBB is 0"));
    b.paths.steps -= 1;
    assert_int_equal(pu__policy_weights(b.policy, &b.paths, b.weight), PU_ERR_ARGUMENT);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_predict),
        cmocka_unit_test(sees_nothing_later),
        cmocka_unit_test(same_in_any_batch),
        cmocka_unit_test(stored_predictions),
        cmocka_unit_test(begins_where_the_market_ends),
        cmocka_unit_test(short_assets_are_named),
        cmocka_unit_test(memory_may_be_short),
        cmocka_unit_test(bad_requests),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
