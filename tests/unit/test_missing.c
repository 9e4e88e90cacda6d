/* Inputs that are missing, begin late or end, and assets that are too short: named, skipped where that is asked for,
 * never silent. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/plugin.h"
#include "host/data/features/sets.h"
#include "plusultra/log.h"
#include "tests/support/process.h"
#include "tests/support/world.h"

typedef struct attempt {
    const pu_config *config;
    pu_status status;
    int features;
    char omitted[256], message[512];
} attempt;

static void plan_once(void *context) {
    attempt *a = context;
    pu_store *store = NULL;
    pu__plan plan;
    assert_int_equal(pu_store_open(a->config->data.store, PU_STORE_READ, &store), PU_OK);
    a->status = pu__plan_open(a->config, store, &plan);
    if (a->status == PU_OK) {
        pu__plan_announce(&plan);
        a->features = plan.features.count;
        snprintf(a->omitted, sizeof a->omitted, "%s", plan.omitted ? plan.omitted : "");
        pu__plan_close(&plan);
    } else {
        snprintf(a->message, sizeof a->message, "%s", pu_error_message());
    }
    pu_store_close(store);
}

static void build_once(void *context) {
    attempt *a = context;
    pu_features_result result;
    a->status = pu_features_build(a->config, &result);
    if (a->status != PU_OK) snprintf(a->message, sizeof a->message, "%s", pu_error_message());
}

/* The fields of the line with that event; fails the test when there is none. */
static json_t *event_of(const char *said, const char *event) {
    for (const char *line = said; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        json_t *root = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        const char *name = json_string_value(json_object_get(root, "event"));
        if (name && strcmp(name, event) == 0) return root;
        json_decref(root);
    }
    fail_msg("no event %s in: %s", event, said);
    return NULL;
}

static void expect_field(const json_t *event, const char *field, const char *value) {
    assert_string_equal(json_string_value(json_object_get(event, field)), value);
}

static char *said_as_json(void (*what)(void *), attempt *a) {
    pu_log_setup(PU_LOG_INFO, PU_LOG_JSON);
    char *said = test_capture_stderr(what, a);
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
    return said;
}

static void a_missing_input_is_named_or_skipped(void **state) {
    (void)state;
    static const struct {
        const char *harm, *names, *feature, *input, *assets;
    } cases[] = {
        {"DELETE FROM alternative_series", "features.names=[rsi_14, t_cpi]", "t_cpi", "alternative:cpi",
         "AAA, BBB, CCC"},
        {"DELETE FROM alternative_series WHERE series_id = 1", "features.names=[rsi_14, t_cpi]", "t_cpi",
         "alternative:cpi", "AAA, CCC"},
        {"DELETE FROM regimes", "features.names=[t_phase, rsi_14]", "t_phase", "regime:phase", "AAA, BBB, CCC"},
        {"UPDATE series SET volume = NULL WHERE asset_id = 2", "features.names=[rsi_14, log_volume_10]",
         "log_volume_10", "volume", "BBB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        world w = world_new();
        test_market_sql(&w.market, cases[i].harm);
        for (int skip = 0; skip < 2; ++skip) {
            pu_config *config =
                world_config(&w, cases[i].names, skip ? "features.missing=skip" : "features.missing=error");
            attempt a = {.config = config};
            char *said = said_as_json(plan_once, &a);
            json_t *event = event_of(said, "features.input_missing");
            expect_field(event, "feature", cases[i].feature);
            expect_field(event, "input", cases[i].input);
            expect_field(event, "assets", cases[i].assets);
            assert_int_equal(a.status, skip ? PU_OK : PU_ERR_CONFIG);
            const char *text = skip ? a.omitted : a.message;
            assert_non_null(strstr(text, cases[i].feature));
            assert_non_null(strstr(text, cases[i].input));
            assert_non_null(strstr(text, cases[i].assets));
            if (skip) assert_int_equal(a.features, 1);
            json_decref(event);
            free(said);
            pu_config_free(config);
        }
        world_remove(&w);
    }
}

static void without_a_benchmark_nothing_is_compared_with_it(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = test_config(&w.market, "features.names=[t_benchmark]", NULL);
    attempt a = {.config = config};
    free(said_as_json(plan_once, &a));
    assert_int_equal(a.status, PU_ERR_CONFIG);
    assert_non_null(strstr(a.message, "data.benchmark"));
    pu_config_free(config);
    config = test_config(&w.market, "features.names=[t_benchmark]", "features.missing=skip", NULL);
    a = (attempt){.config = config};
    free(said_as_json(plan_once, &a));
    assert_int_equal(a.status, PU_ERR_CONFIG);
    assert_non_null(strstr(a.message, "no feature is left"));
    pu_config_free(config);
    world_remove(&w);
}

/* An input that begins late costs bars, and says so; one that ends is an error with the place. */
static void rows_begin_with_the_inputs_and_do_not_outlive_them(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = world_config(&w, "features.names=[t_benchmark]", "data.symbols=[AAA]");
    attempt a = {.config = config};
    char *said = said_as_json(build_once, &a);
    assert_int_equal(a.status, PU_OK);
    json_t *event = event_of(said, "features.input_cost");
    expect_field(event, "asset", "AAA");
    expect_field(event, "feature", "t_benchmark");
    expect_field(event, "input", "benchmark");
    expect_field(event, "bars", "20");
    json_decref(event);
    free(said);
    pu_config_free(config);
    test_market_sql(&w.market, "UPDATE alternative_series SET stale_after_s = 86400 * 30, checksum = 9");
    config = world_config(&w, "features.names=[rsi_14, t_cpi]", "data.symbols=[BBB]");
    a = (attempt){.config = config};
    free(said_as_json(build_once, &a));
    assert_int_equal(a.status, PU_ERR_DATA);
    char when[32];
    pu_time_format(TEST_FIRST_TS + (WORLD_OWN_FROM_DAY + 31) * TEST_DAY_S, true, when);
    const char *const parts[] = {"BBB", "t_cpi", "alternative:cpi", when};
    for (int i = 0; i < 4; ++i) {
        if (!strstr(a.message, parts[i])) fail_msg("no %s in: %s", parts[i], a.message);
    }
    pu_config_free(config);
    world_remove(&w);
}

/* What an input lacks before the first row of all features is no fault: rows begin where all are known. */
static void a_gap_before_the_first_row_is_waited_for(void **state) {
    (void)state;
    world w = world_new();
    char sql[256];
    const int64_t from = TEST_FIRST_TS + 50 * (int64_t)TEST_DAY_S,
                  known = TEST_FIRST_TS + 200 * (int64_t)TEST_DAY_S;
    test_market_sql(&w.market, "UPDATE alternative_series SET stale_after_s = 86400 * 30, checksum = 8");
    snprintf(sql, sizeof sql,
             "DELETE FROM alternative_values WHERE series_id = 1 AND published_ts BETWEEN %lld AND %lld",
             (long long)from, (long long)known - 1);
    test_market_sql(&w.market, sql);
    snprintf(sql, sizeof sql, "DELETE FROM regimes WHERE published_ts < %lld", (long long)from + TEST_DAY_S);
    test_market_sql(&w.market, sql);
    snprintf(sql, sizeof sql, "UPDATE regimes SET published_ts = %lld", (long long)known + 10 * TEST_DAY_S);
    test_market_sql(&w.market, sql);
    pu_config *config = world_config(&w, "features.names=[t_cpi, t_phase]", "data.symbols=[AAA]");
    attempt a = {.config = config};
    free(said_as_json(build_once, &a));
    if (a.status != PU_OK) fail_msg("%s", a.message);
    assert_int_equal(test_market_sql(&w.market, "SELECT first_bar FROM feature_sets WHERE kind = 'feature'"), 210);
    pu_config_free(config);
    world_remove(&w);
}

/* From the benchmark's end on it would stand still, and beta be nil. */
static void a_benchmark_that_ended_is_missing(void **state) {
    (void)state;
    world w = world_new();
    static const struct {
        int kept_days;
        pu_status status;
    } cases[] = {{WORLD_DAYS - 25, PU_OK}, {WORLD_DAYS - 40, PU_ERR_CONFIG}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char sql[256];
        const int64_t last = TEST_FIRST_TS + cases[i].kept_days * (int64_t)TEST_DAY_S;
        snprintf(sql, sizeof sql, "UPDATE assets SET last_ts = %lld WHERE symbol = 'SPX'", (long long)last);
        test_market_sql(&w.market, sql);
        pu_config *config = world_config(&w, "features.names=[rsi_14, t_benchmark]", NULL);
        attempt a = {.config = config};
        free(said_as_json(plan_once, &a));
        assert_int_equal(a.status, cases[i].status);
        if (a.status != PU_OK) assert_non_null(strstr(a.message, "AAA, BBB, CCC"));
        pu_config_free(config);
    }
    world_remove(&w);
}

/* ---- features that do not keep to what they say ---- */

static double overrun_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters, (void)index;
    double *state = memory;
    state[1] = bar->close;
    return state[1];
}

static double absent_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory, (void)parameters;
    return index < 5 ? NAN : bar->close;
}

#define LIAR(text, function)                                                                               \
    {                                                                                                      \
        .abi = PU_FEATURE_ABI, .name = text, .version = 1, .description = "For tests.", .tags = "returns", \
        .source = "none", .state_bytes = sizeof(double), .update = function                                \
    }
static const pu_feature liar[] = {LIAR("t_overrun", overrun_update), LIAR("t_late", absent_update)};

static void plug_ins_that_lie_are_named(void **state) {
    (void)state;
    static const pu_feature ranked = {.abi = PU_FEATURE_ABI,
                                      .name = "t_overrun_rank",
                                      .version = 1,
                                      .description = "For tests.",
                                      .tags = "returns",
                                      .source = "none",
                                      .state_bytes = sizeof(double),
                                      .update = overrun_update,
                                      .cross = PU_CROSS_RANK};
    const pu_feature *const list[] = {&liar[0], &liar[1], &ranked};
    static const struct {
        const char *names, *says;
    } cases[] = {
        {"features.names=[rsi_14, t_overrun]", "t_overrun of plug-in liar.so writes behind its state_bytes, 8"},
        {"features.names=[t_overrun_rank, rsi_14]",
         "t_overrun_rank of plug-in liar.so writes behind its state_bytes"},
        {"features.names=[t_late]",
         "t_late of plug-in liar.so is not a finite number: it has to have a value at every "
         "bar from its lookback_bars, 0, on"},
    };
    assert_int_equal(pu__registry_add(3, list, "liar.so", "liar"), PU_OK);
    world w = world_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        pu_config *config = world_config(&w, cases[i].names, "data.symbols=[AAA]");
        attempt a = {.config = config};
        free(said_as_json(build_once, &a));
        assert_int_not_equal(a.status, PU_OK);
        if (!strstr(a.message, cases[i].says)) fail_msg("%s", a.message);
        assert_int_equal(test_market_sql(&w.market, "SELECT count(*) FROM feature_sets"), 0);
        pu_config_free(config);
    }
    world_remove(&w);
}

static void a_short_asset_is_left_out_or_refused(void **state) {
    (void)state;
    world w = world_new();
    test_market_walk(&w.market, "TINY", 9, 14, true);
    pu_config *config = world_config(&w, "features.names=[rsi_14]", NULL);
    attempt a = {.config = config};
    char *said = said_as_json(build_once, &a);
    assert_int_equal(a.status, PU_OK);
    json_t *event = event_of(said, "features.short_asset");
    const char *message = json_string_value(json_object_get(event, "message"));
    assert_non_null(strstr(message, "TINY (14 bars)"));
    assert_non_null(strstr(message, "needs 15 bars"));
    assert_int_equal(test_market_sql(&w.market, "SELECT count(DISTINCT asset_id) FROM feature_sets"),
                     WORLD_ASSETS);
    json_decref(event);
    free(said);
    pu_config_free(config);
    config = world_config(&w, "features.names=[rsi_14]", "data.symbols=[AAA, TINY]");
    a = (attempt){.config = config};
    free(said_as_json(build_once, &a));
    assert_int_equal(a.status, PU_ERR_DATA);
    assert_non_null(strstr(a.message, "TINY has 14 bars, the feature rsi_14 needs 15"));
    pu_config_free(config);
    world_remove(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_input_is_named_or_skipped),
        cmocka_unit_test(without_a_benchmark_nothing_is_compared_with_it),
        cmocka_unit_test(rows_begin_with_the_inputs_and_do_not_outlive_them),
        cmocka_unit_test(a_gap_before_the_first_row_is_waited_for),
        cmocka_unit_test(a_benchmark_that_ended_is_missing),
        cmocka_unit_test(a_short_asset_is_left_out_or_refused),
        cmocka_unit_test(plug_ins_that_lie_are_named),
    };
    return cmocka_run_group_tests(tests, world_features, NULL);
}
