/* Feature and label blocks in the store: content, currency, repair, atomicity, choice of features. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/data/features/build.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/blocks.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 333, LATENCY = 2, VOL_BARS = 32, BLOCK = 64 };

static pu_features_result build(const pu_config *config) {
    pu_features_result result;
    const pu_status status = pu_features_build(config, &result);
    if (status != PU_OK) fail_msg("%s", pu_error_message());
    return result;
}

static void blocks_hold_the_features(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64",
                                    "features.names=[rsi_14, log_return_20, drawdown_60]", NULL);
    const pu_features_result result = build(config);
    assert_int_equal(result.assets, 1);
    assert_int_equal(result.rows, BARS - 59);
    assert_int_equal(result.blocks_written, (BARS - 59 + BLOCK - 1) / BLOCK + (BARS + BLOCK - 1) / BLOCK);
    pu__blocks blocks;
    float *got = test_blocks_read(config, 0, PU__BLOCKS_FEATURE, &blocks);
    assert_int_equal(blocks.rows, BARS - 59);
    assert_int_equal(blocks.first_bar, 59);
    pu_bars bars;
    assert_true(test_bars_walk(3, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    double want[BARS];
    for (int c = 0; c < 3; ++c) {
        assert_int_equal(pu_feature_compute(pu_feature_find(config->features.names.value[c]), &bars, want), PU_OK);
        for (int64_t r = 0; r < blocks.rows; ++r) assert_true(got[r * 3 + c] == (float)want[59 + r]);
    }
    pu_free(got);
    pu__blocks_free(&blocks);
    pu_bars_free(&bars);
    pu_config_free(config);
    test_market_remove(&market);
}

/* pandas' definition, written out as the weighted sum it is. */
static double sigma_by_definition(const pu_bars *bars, int64_t t) {
    const double keep = 1 - 2.0 / (VOL_BARS + 1);
    double sum = 0, weights = 0, weight = 1;
    for (int64_t i = t; i > 0; --i, weight *= keep) {
        const double change = log(bars->adjusted[i] / bars->adjusted[i - 1]);
        sum += weight * change * change;
        weights += weight;
    }
    return weights > 0 ? sqrt(sum / weights) : 0;
}

static void labels_follow_their_definition(void **state) {
    (void)state;
    static const int horizon[] = {1, 7};
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_config *config =
        test_config(&market, "windows.horizons=[1, 7]", "backtest.latency_bars=2", "windows.vol_bars=32", NULL);
    build(config);
    pu__blocks blocks;
    float *got = test_blocks_read(config, 0, PU__BLOCKS_LABEL, &blocks);
    assert_int_equal(blocks.rows, BARS);
    assert_int_equal(blocks.columns, 3);
    pu_bars bars;
    assert_true(test_bars_walk(3, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    const float *sigmas = got + BARS * 2; /* one block: targets, then sigma */
    for (int64_t t = 0; t < BARS; ++t) {
        const double sigma = sigma_by_definition(&bars, t);
        if (t > 0) assert_true(fabs((double)sigmas[t] - sigma) <= 1e-6 * sigma); /* float32 */
        for (int h = 0; h < 2; ++h) {
            const double target = (double)got[t * 2 + h];
            const bool known = t >= VOL_BARS && t + LATENCY + horizon[h] < BARS;
            assert_int_equal(isnan(target), !known);
            if (!known) continue;
            const double move = log(bars.adjusted[t + LATENCY + horizon[h]] / bars.adjusted[t + LATENCY]);
            assert_true(fabs(target - move / (sigma * sqrt(horizon[h]))) < 2e-6 * fmax(1, fabs(target)));
        }
    }
    pu_free(got);
    pu__blocks_free(&blocks);
    pu_bars_free(&bars);
    pu_config_free(config);
    test_market_remove(&market);
}

static void only_what_is_stale_is_built(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    test_market_walk(&market, "BBB", 4, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64", NULL);
    const pu_features_result first = build(config);
    assert_true(first.blocks_written > 0 && first.blocks_current == 0);
    const pu_features_result second = build(config);
    assert_int_equal(second.blocks_written, 0);
    assert_int_equal(second.blocks_current, first.blocks_written);
    test_market_walk(&market, "BBB", 4, BARS + 1, true); /* half of the walk's bars change their adjustment */
    const pu_features_result third = build(config);
    assert_int_equal(third.blocks_current, first.blocks_written / 2);
    assert_int_equal(third.blocks_written, first.blocks_written / 2);
    pu_config *other = test_config(&market, "features.block_bars=64", "windows.horizons=[1, 2]", NULL);
    assert_true(build(other).blocks_written > 0);
    assert_int_equal(build(config).blocks_written, 0); /* both sets are kept */
    assert_int_equal(build(other).blocks_written, 0);
    pu_config_free(config);
    pu_config_free(other);
    test_market_remove(&market);
}

static void a_flipped_bit_is_found_and_repaired(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64", NULL);
    build(config);
    pu__blocks blocks, again;
    float *whole = test_blocks_read(config, 0, PU__BLOCKS_FEATURE, &blocks);
    test_market_flip(&market, blocks.block[1].id, 99);
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(market.store, PU_STORE_READ, &store), PU_OK);
    pu__block_reader reader = {.store = store};
    float *data = pu_calloc((size_t)(BLOCK * blocks.columns), sizeof *data);
    assert_int_equal(pu__block_read(&reader, &blocks, 1, 0, (int64_t)BLOCK * blocks.columns, data), PU_OK);
    assert_int_equal(pu__block_verify(&blocks, 1, data), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "block 1 of AAA"));
    assert_non_null(strstr(pu_error_message(), "plusultra features build"));
    pu__block_reader_rest(&reader);
    pu_store_close(store);
    assert_true(build(config).blocks_written > 0);
    float *repaired = test_blocks_read(config, 0, PU__BLOCKS_FEATURE, &again);
    assert_memory_equal(repaired, whole, (size_t)(blocks.rows * blocks.columns) * sizeof *whole);
    pu_free(whole);
    pu_free(repaired);
    pu_free(data);
    pu__blocks_free(&blocks);
    pu__blocks_free(&again);
    pu_config_free(config);
    test_market_remove(&market);
}

static void a_missing_block_is_found(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64", NULL);
    const pu_features_result first = build(config);
    test_market_sql(&market, "DELETE FROM feature_blocks WHERE first_row = 128");
    const pu_features_result second = build(config);
    assert_int_equal(second.blocks_written, first.blocks_written);
    pu_config_free(config);
    test_market_remove(&market);
}

/* Every allocation fails in turn: the store keeps the old blocks of an asset, whole, or gets the new ones. */
static void failures_leave_no_half_asset(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64", NULL);
    pu_features_result result;
    pu_status status = PU_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != PU_OK; ++n) {
        pu_memory_fail_after(n);
        status = pu_features_build(config, &result);
        pu_memory_fail_after(-1);
        if (status == PU_OK) break;
        assert_int_equal(status, PU_ERR_MEMORY);
        ++failures;
        assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM feature_sets"), 0);
        assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM feature_blocks"), 0);
    }
    assert_true(failures > 5);
    assert_true(result.blocks_written > 0);
    pu_config_free(config);
    test_market_remove(&market);
}

/* Killed at any moment, the store has each asset's blocks whole, both kinds, or not at all; the next build ends the
 * work. */
static void a_killed_build_leaves_whole_assets(void **state) {
    (void)state;
    enum { ROUNDS = 15, STEP_US = 1500, ASSETS = 4 };
    static const char torn[] =
        "SELECT count(*) FROM feature_sets AS s WHERE row_count != (SELECT coalesce(sum(row_count), 0) FROM "
        "feature_blocks AS b WHERE b.set_id = s.set_id)";
    static const char single[] =
        "SELECT count(*) FROM (SELECT asset_id FROM feature_sets GROUP BY asset_id HAVING count(*) != 2)";
    test_market market = test_market_new();
    for (int a = 0; a < ASSETS; ++a)
        test_market_walk(&market, (const char *[]){"A", "B", "C", "D"}[a], (uint64_t)a, BARS, true);
    pu_config *config = test_config(&market, "features.block_bars=64", NULL);
    for (int n = 0; n < ROUNDS; ++n) {
        pu_features_result result;
        test_market_sql(&market, "DELETE FROM feature_sets");
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(pu_features_build(config, &result) == PU_OK ? 0 : 1);
        usleep((useconds_t)(n * STEP_US));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(test_market_sql(&market, torn), 0);
        assert_int_equal(test_market_sql(&market, single), 0);
        build(config);
        assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM feature_sets"), 2 * ASSETS);
    }
    pu_config_free(config);
    test_market_remove(&market);
}

typedef struct plan_request {
    const pu_config *config;
    pu_status status;
    int count;
    bool has_volume_feature;
    char message[512];
} plan_request;

static void open_plan(void *context) {
    plan_request *request = context;
    pu_store *store = NULL;
    pu__plan plan;
    assert_int_equal(pu_store_open(request->config->data.store, PU_STORE_READ, &store), PU_OK);
    request->status = pu__plan_open(request->config, store, &plan);
    snprintf(request->message, sizeof request->message, "%s", request->status == PU_OK ? "" : pu_error_message());
    if (request->status == PU_OK) {
        pu__plan_announce(&plan);
        request->count = plan.features.count;
        for (int i = 0; i < plan.features.count; ++i)
            request->has_volume_feature |= plan.features.feature[i]->needs_volume;
        pu__plan_close(&plan);
    }
    pu_store_close(store);
}

static void features_without_volume_are_dropped_or_refused(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "EURX", 3, BARS, false);
    test_market_walk(&market, "SHARE", 4, BARS, true);
    pu_config *config = test_config(&market, NULL);
    plan_request request = {.config = config};
    char *said = test_capture_stderr(open_plan, &request);
    assert_int_equal(request.status, PU_OK);
    assert_false(request.has_volume_feature);
    assert_true(request.count > 15);
    assert_non_null(strstr(said, "EURX"));
    assert_non_null(strstr(said, "log_volume_z_20"));
    assert_null(strstr(said, "SHARE"));
    free(said);
    pu_config_free(config);
    config = test_config(&market, "features.names=[rsi_14, log_volume_10]", NULL);
    request = (plan_request){.config = config};
    open_plan(&request);
    assert_int_equal(request.status, PU_ERR_CONFIG);
    assert_non_null(strstr(request.message, "log_volume_10"));
    assert_non_null(strstr(request.message, "EURX"));
    pu_config_free(config);
    config = test_config(&market, "data.symbols=[SHARE]", "features.names=[rsi_14, log_volume_10]", NULL);
    request = (plan_request){.config = config};
    open_plan(&request);
    assert_int_equal(request.status, PU_OK);
    pu_config_free(config);
    test_market_remove(&market);
}

static void wrong_plans_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *override;
        pu_status status;
        const char *message;
    } cases[] = {
        {"features.names=[rsi_41]", PU_ERR_CONFIG, "rsi_14"},
        {"data.symbols=[AAA, FIVE]", PU_ERR_DATA, "300 s"},
        {"data.symbols=[NONE]", PU_ERR_DATA, "NONE has no bars"},
        {"data.symbols=[ABA]", PU_ERR_NOT_FOUND, "AAA"},
    };
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    pu_bars bars;
    assert_true(test_bars_walk(5, 50, TEST_FIRST_TS, 300, &bars));
    test_market_put(&market, "FIVE", 300, &bars);
    bars.count = 0;
    test_market_put(&market, "NONE", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        pu_config *config = test_config(&market, "data.symbols=[AAA]", cases[i].override, NULL);
        plan_request request = {.config = config};
        open_plan(&request);
        if (request.status != cases[i].status || !strstr(request.message, cases[i].message))
            fail_msg("%s gave: %s", cases[i].override, request.message);
        pu_config_free(config);
    }
    test_market_remove(&market);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_the_features),
        cmocka_unit_test(labels_follow_their_definition),
        cmocka_unit_test(only_what_is_stale_is_built),
        cmocka_unit_test(a_flipped_bit_is_found_and_repaired),
        cmocka_unit_test(a_missing_block_is_found),
        cmocka_unit_test(failures_leave_no_half_asset),
        cmocka_unit_test(a_killed_build_leaves_whole_assets),
        cmocka_unit_test(features_without_volume_are_dropped_or_refused),
        cmocka_unit_test(wrong_plans_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
