/* Faulty data from the check to the report: training, forecasts and backtests refuse them, accept them by name only,
 * and then say so everywhere; `plusultra validate` tells the same to people and to programs. */
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

#include "host/data/features/blocks.h"
#include "host/data/store/sql.h"
#include "plusultra/eval.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 900, JUMP_AT = 300 };

static test_market market;

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "SOUND", 1, BARS, true);
    pu_bars bars;
    assert_true(test_bars_walk(2, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    for (int64_t i = 0; i < BARS; ++i) bars.adjusted[i] = bars.close[i];
    double *const price[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted};
    for (int p = 0; p < 5; ++p) {
        for (int64_t i = JUMP_AT; i < BARS; ++i) price[p][i] *= 9;
    }
    test_market_put(&market, "FAULTY", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static pu_config *configure(const char *accept) {
    char out[600], list[128];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    snprintf(list, sizeof list, "data.accept=[%s]", accept);
    return test_config(&market, out, list, "run.name=r", "run.device=cpu", "run.threads=1",
                       "split.train_ratio=0.4", "split.valid_ratio=0.2", "windows.window_bars=16",
                       "windows.warmup_bars=16", "windows.stride_bars=4", "windows.horizons=[1]",
                       "backtest.bootstrap_samples=100", "model.width=16", "model.layers=1", "model.heads=2",
                       "train.steps=6", "train.warmup_steps=1", "train.batch=8", NULL);
}

static void is_refused(pu_status status) {
    assert_int_equal(status, PU_ERR_DATA);
    const char *const says[] = {"extreme_jump (1 finding: FAULTY 2010-10-31: the close is",
                                "data.accept: [extreme_jump]"};
    for (int i = 0; i < 2; ++i) {
        if (!strstr(pu_error_message(), says[i])) fail_msg("not said, '%s': %s", says[i], pu_error_message());
    }
}

static void expect_in_file(const char *name, const char *text) {
    char *content = test_read(test_path(market.folder, name));
    if (!content || !strstr(content, text)) fail_msg("%s does not say '%s'", name, text);
    free(content);
}

static void faults_are_refused_or_told_everywhere(void **state) {
    (void)state;
    pu_config *strict = configure(""), *accepting = configure("extreme_jump");
    pu_train_result trained;
    pu_predict_result predicted;
    is_refused(pu_train(strict, PU_TRAIN_NEW, 0, &trained));
    assert_null(test_read(test_path(market.folder, "r/config.yaml"))); /* before anything was written */
    if (pu_train(accepting, PU_TRAIN_NEW, 0, &trained) != PU_OK) fail_msg("%s", pu_error_message());
    is_refused(pu_predict(strict, &predicted));
    if (pu_predict(accepting, &predicted) != PU_OK) fail_msg("%s", pu_error_message());
    is_refused(pu_backtest(strict));
    if (pu_backtest(accepting) != PU_OK) fail_msg("%s", pu_error_message());
    if (pu_report(accepting, NULL, 0) != PU_OK) fail_msg("%s", pu_error_message());
    expect_in_file("r/accepted_faults.txt", "extreme_jump (1 finding: FAULTY 2010-10-31");
    expect_in_file("r/config.yaml", "accept: [extreme_jump]");
    expect_in_file("r/backtest.json", "accepted by data.accept: extreme_jump (1 finding: FAULTY 2010-10-31");
    expect_in_file("r/report.html", "accepted by data.accept: extreme_jump");
    expect_in_file("r/report.md", "accepted by data.accept: extreme");
    assert_int_equal(test_market_sql(&market,
                                     "SELECT count(*) FROM runs WHERE name = 'r' AND "
                                     "json_extract(result, '$.accepted') LIKE 'extreme_jump (1 finding: FAULTY%'"),
                     1);
    pu_config_free(strict);
    pu_config_free(accepting);
}

static json_t *validate(int code, const char *option, const char *value) {
    test_outcome outcome = test_plusultra(market.folder, "validate", "--store", "market.db", "--json", "v.json",
                                          "--html", "v.html", option, value, NULL);
    if (outcome.code != code) fail_msg("ended with %d, not %d: %s", outcome.code, code, outcome.err);
    test_outcome_free(&outcome);
    json_error_t error;
    json_t *document = json_load_file(test_path(market.folder, "v.json"), 0, &error);
    if (!document) fail_msg("v.json: %s", error.text);
    return document;
}

static const json_t *check_of(const json_t *document, const char *name) {
    size_t i;
    const json_t *check;
    json_array_foreach(json_object_get(document, "checks"), i, check) {
        if (strcmp(json_string_value(json_object_get(check, "name")), name) == 0) return check;
    }
    fail_msg("no check %s", name);
    return NULL;
}

static int64_t whole(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) fail_msg("%s is no whole number", key);
    return json_integer_value(value);
}

static void results_are_for_programs_too(void **state) {
    (void)state;
    json_t *document = validate(1, "--samples", "5");
    assert_string_equal(json_string_value(json_object_get(document, "format")), "plusultra-validation-1");
    assert_true(json_is_false(json_object_get(document, "passed")));
    assert_int_equal(whole(document, "assets"), 2);
    assert_int_equal(whole(document, "bars"), 2 * BARS);
    assert_int_equal(whole(document, "errors"), 1);
    const json_t *jump = check_of(document, "extreme_jump");
    assert_string_equal(json_string_value(json_object_get(jump, "set")), "synthetic");
    assert_string_equal(json_string_value(json_object_get(jump, "severity")), "error");
    assert_true(json_is_false(json_object_get(jump, "passed")));
    assert_int_equal(whole(jump, "assets"), 2);
    assert_int_equal(whole(jump, "assets_failed"), 1);
    assert_int_equal(whole(jump, "checked"), 2 * BARS);
    assert_int_equal(whole(jump, "unexpected"), 1);
    assert_true(json_real_value(json_object_get(jump, "unexpected_share")) == 1.0 / (2 * BARS));
    const json_t *finding = json_array_get(json_object_get(jump, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(finding, "symbol")), "FAULTY");
    assert_string_equal(json_string_value(json_object_get(finding, "time")), "2010-10-31");
    assert_int_equal(whole(finding, "ts"), TEST_FIRST_TS + JUMP_AT * (int64_t)TEST_DAY_S);
    assert_true(json_is_real(json_object_get(json_object_get(finding, "bar"), "close")));
    /* The blocks of the run before, all of them. */
    const json_t *blocks = check_of(document, "feature_blocks");
    assert_true(json_is_true(json_object_get(blocks, "passed")));
    assert_int_equal(whole(blocks, "checked"), test_market_sql(&market, "SELECT count(*) FROM feature_blocks"));
    assert_true(whole(blocks, "checked") > 0);
    json_decref(document);
    expect_in_file("v.html", "extreme_jump");
    test_write(test_path(market.folder, "own.yaml"), "extends: asset_class\nchecks:\n  - {name: extreme_jump, "
                                                     "enabled: false}\n  - {name: jump, severity: note}\n");
    document = validate(0, "--checks", "own.yaml");
    assert_true(json_is_true(json_object_get(document, "passed")));
    assert_int_equal(whole(check_of(document, "jump"), "found"), 1);
    json_decref(document);
    test_write(test_path(market.folder, "bad.yaml"), "checks:\n  - {name: a, kind: jumb}\n");
    json_decref(validate(2, "--checks", "bad.yaml"));
}

/* One block with a bad value under a checksum that holds: nothing but the values can say so. */
static void write_block(pu_store *store, pu__block_kind kind, char digit, int bad_column, float bad) {
    pu__blocks blocks = {.kind = kind, .asset_id = 1, .symbol = "SOUND", .block_rows = 16, .columns = 3};
    pu__block_writer writer;
    char hash[65];
    memset(blocks.set_hash, digit, 64);
    memset(hash, '0', 64);
    hash[64] = '\0';
    assert_int_equal(pu__block_writer_open(store, hash, "a,b,c", &blocks, &writer), PU_OK);
    for (int row = 0; row < 20; ++row) {
        for (int c = 0; c < 3; ++c) writer.row[c] = row == 17 && c == bad_column ? bad : (float)row;
        assert_int_equal(pu__block_writer_next(&writer), PU_OK);
    }
    writer.last_ts = 1;
    assert_int_equal(pu__block_writer_close(&writer, PU_OK), PU_OK);
}

static void damaged_blocks_are_found(void **state) {
    (void)state;
    static const struct {
        pu__block_kind kind;
        int column;
        float value;
        bool found;
    } cases[] = {{PU__BLOCKS_FEATURE, 1, 2, false},       {PU__BLOCKS_FEATURE, 1, NAN, true},
                 {PU__BLOCKS_FEATURE, 2, INFINITY, true}, {PU__BLOCKS_LABEL, 0, NAN, false},
                 {PU__BLOCKS_LABEL, 0, INFINITY, true},   {PU__BLOCKS_LABEL, 2, NAN, true}};
    for (int i = 0; i < 6; ++i) {
        pu_store *store = NULL;
        assert_int_equal(pu_store_open(market.store, PU_STORE_WRITE, &store), PU_OK);
        assert_int_equal(pu_store_begin(store), PU_OK);
        write_block(store, cases[i].kind, (char)('0' + i), cases[i].column, cases[i].value);
        assert_int_equal(pu_store_commit(store), PU_OK);
        pu_store_close(store);
        json_t *document = validate(1, "--samples", "100");
        const json_t *blocks = check_of(document, "feature_blocks");
        if (whole(blocks, "unexpected") != cases[i].found)
            fail_msg("case %d: %lld", i, (long long)whole(blocks, "unexpected"));
        json_decref(document);
        test_market_sql(&market,
                        "DELETE FROM feature_blocks WHERE set_id = (SELECT max(set_id) FROM feature_sets)");
        test_market_sql(&market, "DELETE FROM feature_sets WHERE set_id = (SELECT max(set_id) FROM feature_sets)");
    }
    const int64_t block = test_market_sql(&market, "SELECT min(block_id) FROM feature_blocks");
    test_market_flip(&market, block, 100);
    json_t *document = validate(1, "--samples", "100");
    const json_t *blocks = check_of(document, "feature_blocks");
    assert_int_equal(whole(blocks, "unexpected"), 1);
    const char *message =
        json_string_value(json_object_get(json_array_get(json_object_get(blocks, "findings"), 0), "message"));
    assert_non_null(strstr(message, "fails its checksum"));
    json_decref(document);
    /* One that is gone. */
    char sql[128];
    snprintf(sql, sizeof sql, "DELETE FROM feature_blocks WHERE block_id = %lld", (long long)block);
    test_market_sql(&market, sql);
    document = validate(1, "--samples", "100");
    assert_int_equal(whole(check_of(document, "feature_blocks"), "unexpected"), 1);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_refused_or_told_everywhere),
        cmocka_unit_test(results_are_for_programs_too),
        cmocka_unit_test(damaged_blocks_are_found),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
