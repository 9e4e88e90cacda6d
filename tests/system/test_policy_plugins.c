/* Policies from shared objects: compiled here against the public header, in C and C++, run by the same physics as the
 * kernel's own rules, and refused with file, path and bar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/stress/plugin.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 300, WIDE = 3, TRADED = 2, STEPS = 70, PATHS = 37 };

static test_market store;
static pu__market market;
static pu_config *config;

/* Compiles `source` (relative to the repository) to <scratch>/<object>.so; `flag` may be null. Its path. */
static const char *compile(const char *compiler, const char *source, const char *object, const char *flag) {
    const char *root = getenv("PU_SOURCE") ? getenv("PU_SOURCE") : ".";
    static char to[1024];
    char include[1024], from[1024];
    snprintf(include, sizeof include, "-I%s/include", root);
    snprintf(from, sizeof from, "%s/%s", root, source);
    snprintf(to, sizeof to, "%s/%s.so", store.folder, object);
    const char *words[] = {compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror",
                           include,  from,      "-o",    to,    "-lm",   flag,      NULL};
    test_outcome outcome = test_run(store.folder, words);
    if (outcome.code != 0) fail_msg("%s: %s%s", source, outcome.out, outcome.err);
    test_outcome_free(&outcome);
    return to;
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    store = test_market_new();
    test_market_walk(&store, "AAA", 1, BARS, true);
    test_market_walk(&store, "BBB", 2, BARS, true);
    test_market_walk(&store, "INDEX", 3, BARS, true);
    config = test_config(&store, "data.benchmark=INDEX", NULL);
    return pu__market_load(config, true, INT64_MIN, INT64_MAX, &market) == PU_OK && market.traded == TRADED ? 0
                                                                                                            : -1;
}

static int close_market(void **state) {
    (void)state;
    pu__market_free(&market);
    pu_config_free(config);
    test_market_remove(&store);
    return 0;
}

static const pu__process_asset asset[WIDE];

/* Costs, latency, limits and partial fills: all that stands between a decision and a position. */
static pu__path_scenario scenario_of(const double *volume) {
    return (pu__path_scenario){
        .seed = 21,
        .process = PU_PROCESS_BOOTSTRAP,
        .assets = WIDE,
        .steps = STEPS,
        .asset = asset,
        .volume = volume,
        .history = market.log_return,
        .history_rows = (int32_t)market.rows - 1,
        .restart = 0.1f,
        .rules = {
            .physics = {.half_spread_ratio = 1e-4, .slippage_ratio = 2e-4, .fee_ratio = 5e-5, .latency_bars = 2},
            .impact_ratio = 0.01,
            .participation_max = 0.1,
            .drawdown_max = 0.2}};
}

typedef struct outcome {
    double metric[PU_PATH_METRIC_COUNT * PATHS];
    double price[PATHS * (STEPS + 1) * WIDE], trade[PATHS * (STEPS + 1) * WIDE], equity[PATHS * (STEPS + 1)];
} outcome;

static pu__path_batch batch_of(outcome *out) {
    return (pu__path_batch){.first = 5,
                            .count = PATHS,
                            .metric = out->metric,
                            .price = out->price,
                            .trade = out->trade,
                            .equity = out->equity};
}

static pu__policy_plugin *open_plugin(const char *path) {
    pu__policy_plugin *plugin = NULL;
    if (pu__policy_plugin_open(path, &market, STEPS, &plugin) != PU_OK) fail_msg("%s", pu_error_message());
    return plugin;
}

static void run_plugin(pu__policy_plugin *plugin, const pu__path_scenario *scenario, const pu__path_batch *batch,
                       int threads) {
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
    if (pu__policy_plugin_run(plugin, scenario, batch, pool) != PU_OK) fail_msg("%s", pu_error_message());
    pu_pool_free(pool);
}

static void holding_is_the_kernels(void **state) {
    (void)state;
    static outcome of_kernel, of_plugin;
    static const double weight[WIDE] = {1.0 / TRADED, 1.0 / TRADED, 0.0}, volume[WIDE] = {2.0, 0.5, 1.0};
    pu__path_scenario scenario = scenario_of(volume);
    scenario.policy = PU_POLICY_BUY_HOLD;
    scenario.weight = weight;
    pu__path_batch batch = batch_of(&of_kernel);
    assert_int_equal(pu__paths_cpu(&scenario, &batch, NULL), PU_OK);
    pu__policy_plugin *plugin = open_plugin(compile("c++", "tests/support/plugins/policy_hold.cpp", "hold", NULL));
    assert_string_equal(pu__policy_plugin_name(plugin), "hold");
    assert_int_equal(strlen(pu__policy_plugin_hash(plugin)), 64);
    for (int threads = 1; threads <= 3; ++threads) {
        memset(&of_plugin, 0, sizeof of_plugin);
        batch = batch_of(&of_plugin);
        run_plugin(plugin, &scenario, &batch, threads);
        assert_memory_equal(&of_plugin, &of_kernel, sizeof of_kernel);
    }
    double metric[PU_PATH_METRIC_COUNT * 4]; /* a part of the batch */
    batch = (pu__path_batch){.first = 5 + 20, .count = 4, .metric = metric};
    run_plugin(plugin, &scenario, &batch, 2);
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m)
        assert_memory_equal(metric + m * 4, of_kernel.metric + m * PATHS + 20, 4 * sizeof *metric);
    pu__policy_plugin_close(plugin);
}

/* The one that the documents show: it trades both ways, and not at all where it has too little history. */
static void the_example_trades(void **state) {
    (void)state;
    static outcome out;
    const char *path = compile("cc", "docs/examples/plugin_policy.c", "example", "-pedantic");
    pu__policy_plugin *plugin = open_plugin(path);
    const pu__path_scenario scenario = scenario_of(NULL);
    const pu__path_batch batch = batch_of(&out);
    int bought = 0, sold = 0;
    run_plugin(plugin, &scenario, &batch, 2);
    for (int i = 0; i < PATHS * (STEPS + 1) * WIDE; ++i) {
        bought += out.trade[i] > 0;
        sold += out.trade[i] < 0;
        if (i % WIDE == TRADED) assert_true(out.trade[i] == 0);
        if (i / WIDE % (STEPS + 1) % 5 != 2 && out.metric[PU_PATH_STOP_BAR * PATHS + i / WIDE / (STEPS + 1)] < 0)
            assert_true(out.trade[i] == 0); /* every five bars, two bars later */
    }
    assert_true(bought > PATHS && sold > PATHS);
    pu__policy_plugin_close(plugin);
    pu__market few = market;
    few.rows = 40;
    assert_int_equal(pu__policy_plugin_open(path, &few, STEPS, &plugin), PU_ERR_CONFIG);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "example_trend refuses this setup: a trend of 60 bars needs more"));
}

static const char *broken(int fault) {
    char flag[32], name[32];
    snprintf(flag, sizeof flag, "-DFAULT=%d", fault);
    snprintf(name, sizeof name, "broken_%d", fault);
    return compile("cc", "tests/support/plugins/policy_broken.c", name, flag);
}

static void loading_refuses(const char *path, const char *words) {
    pu__policy_plugin *plugin = NULL;
    assert_int_equal(pu__policy_plugin_open(path, &market, STEPS, &plugin), PU_ERR_CONFIG);
    print_message("%s\n", pu_error_message());
    assert_null(plugin);
    if (!strstr(pu_error_message(), words)) fail_msg("expected '%s'", words);
}

static void broken_files_are_refused(void **state) {
    (void)state;
    loading_refuses(broken(1), "policy ABI 2, this program has 1");
    loading_refuses(broken(2), "gives null");
    loading_refuses(broken(3), "broken_3.so: name is no name");
    loading_refuses(broken(4), "decide is null");
    loading_refuses(broken(5), "refuses this setup: 3 assets are too many");
    loading_refuses(broken(10), "exports no pu_plugin_policy");
    loading_refuses("nowhere.so", "nowhere.so");
    loading_refuses("", "empty");
    loading_refuses(store.store, "cannot be loaded");
}

/* The fault is that of the lowest path that has one, at any number of threads. */
static void broken_weights_are_errors(void **state) {
    (void)state;
    static outcome out;
    static const char *const words[] = {"bar 3 its weight of BBB is nan", "bar 3 its weight of BBB is -inf",
                                        "bar 3 its weight of BBB is 1e+06",
                                        "bar 3 it decides for INDEX, which is not traded: 0.1"};
    pu__path_scenario scenario = scenario_of(NULL);
    scenario.seed = 24; /* the first paths are sound */
    const pu__path_batch batch = batch_of(&out);
    for (int fault = 6; fault <= 9; ++fault) {
        pu__policy_plugin *plugin = open_plugin(broken(fault));
        for (int threads = 1; threads <= 3; threads += 2) {
            char where[64];
            pu_pool *pool = NULL;
            assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
            assert_int_equal(pu__policy_plugin_run(plugin, &scenario, &batch, pool), PU_ERR_DATA);
            pu_pool_free(pool);
            print_message("%s\n", pu_error_message());
            int lowest = 0;
            while (out.price[(lowest * (STEPS + 1) + 3) * WIDE] <= 1) ++lowest;
            assert_true(lowest > 0);
            snprintf(where, sizeof where, "policy broken, path %d: at ", lowest + 5);
            assert_non_null(strstr(pu_error_message(), where));
            assert_non_null(strstr(pu_error_message(), words[fault - 6]));
        }
        pu__policy_plugin_close(plugin);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holding_is_the_kernels),
        cmocka_unit_test(the_example_trades),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(broken_weights_are_errors),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
