/* Cutting history after a bar changes no forecast at or before it, bit for bit: features, targets' volatility,
 * window normalisation and the
 * whole model are causal. And the test can fail: a forecast after the cut does change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 500, CUTS = 6 };

static test_market market;

/* The run in the folder of `market`, over the bars of `bars_of`. */
static pu_config *run_config(const test_market *bars_of) {
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    return test_config(bars_of, out, "run.name=r", "run.device=cpu", "split.train=[2010-01-01, 2010-09-01]",
                       "split.valid=[2010-09-01, 2010-11-10]", "split.test=[2010-11-10, 2013-01-01]",
                       "windows.window_bars=16", "windows.warmup_bars=24", "windows.stride_bars=4",
                       "windows.horizons=[1, 3]", "split.embargo_bars=5", "model.width=16", "model.layers=2",
                       "model.heads=2", "train.steps=20", "train.warmup_steps=5", "train.eval_every=10",
                       "train.batch=8", NULL);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS - 37, true);
    pu_config *config = run_config(&market);
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

/* Forecasts of both assets. */
static void predict(const test_market *bars_of, pu_prediction_set sets[2]) {
    pu_config *config = run_config(bars_of);
    pu_predict_result result;
    if (pu_predict(config, &result) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(bars_of->store, PU_STORE_READ, &store), PU_OK);
    for (int i = 0; i < 2; ++i) assert_int_equal(pu_store_get_predictions(store, "r", i + 1, &sets[i]), PU_OK);
    pu_store_close(store);
    pu_config_free(config);
}

/* Compares the forecasts at or before `cut_ts`; returns how many differ after it. */
static int compare(const pu_prediction_set *whole, const pu_prediction_set *part, int64_t cut_ts) {
    const size_t bytes = (size_t)(whole->horizons * whole->quantiles) * sizeof *whole->value;
    int differ_after = 0;
    int64_t seen = 0;
    for (int64_t i = 0; i < part->count && i < whole->count; ++i) {
        assert_int_equal(whole->ts[i], part->ts[i]);
        const int64_t at = i * whole->horizons * whole->quantiles;
        const bool same = memcmp(whole->value + at, part->value + at, bytes) == 0 &&
                          memcmp(&whole->sigma[i], &part->sigma[i], 4) == 0;
        if (whole->ts[i] <= cut_ts && !same) fail_msg("forecast at row %lld saw past the cut", (long long)i);
        if (whole->ts[i] <= cut_ts) ++seen;
        else if (!same) ++differ_after;
    }
    assert_true(seen > 10);
    return differ_after;
}

/* A market with the same bars up to the cut; after it none, or, where `replace`, others. */
static test_market cut_market(int64_t cut_ts, bool replace) {
    static const char *const symbol[] = {"AAA", "BBB"};
    test_market cut = test_market_new();
    for (int asset = 0; asset < 2; ++asset) {
        pu_bars bars;
        assert_true(
            test_bars_walk((uint64_t)asset + 1, asset ? BARS - 37 : BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
        int64_t kept = 0;
        while (kept < bars.count && bars.ts[kept] <= cut_ts) ++kept;
        for (int64_t i = kept; i < bars.count; ++i) {
            double *const price[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted};
            for (int p = 0; p < 5; ++p) price[p][i] *= 3;
            bars.volume[i] = 7;
        }
        if (!replace) bars.count = kept;
        test_market_put(&cut, symbol[asset], TEST_DAY_S, &bars);
        pu_bars_free(&bars);
    }
    return cut;
}

static void truncation(void **state) {
    (void)state;
    pu_prediction_set whole[2], part[2];
    predict(&market, whole);
    pu_random random = pu_random_at(3, 0);
    int differ_after = 0;
    for (int c = 0; c < CUTS; ++c) {
        const int64_t bar = 330 + (int64_t)pu_random_below(&random, 100),
                      cut_ts = TEST_FIRST_TS + bar * TEST_DAY_S;
        print_message("cutting after bar %lld\n", (long long)bar);
        test_market cut = cut_market(cut_ts, c % 2 == 0);
        predict(&cut, part);
        for (int i = 0; i < 2; ++i) {
            differ_after += compare(&whole[i], &part[i], cut_ts);
            pu_prediction_set_free(&part[i]);
        }
        test_market_remove(&cut);
    }
    assert_true(differ_after > 0);
    for (int i = 0; i < 2; ++i) pu_prediction_set_free(&whole[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(truncation)};
    return cmocka_run_group_tests(tests, open_market, close_market);
}
