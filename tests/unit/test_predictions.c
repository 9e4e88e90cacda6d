/* Predictions that are stored in parts are what they are at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/memory.h"
#include "tests/support/market.h"

enum { ROWS = 5, HORIZONS = 2, QUANTILES = 3, VALUES = HORIZONS * QUANTILES };

static const int64_t ts[ROWS] = {10, 20, 30, 40, 50}, later[ROWS] = {60, 70, 80, 90, 100},
                     horizons[HORIZONS] = {1, 5};
static const double quantiles[QUANTILES] = {0.1, 0.5, 0.9};
static const float sigma[ROWS] = {0.01f, 0.02f, 0.03f, 0.04f, 0.05f};
static float value[ROWS * VALUES];

static pu_prediction_set rows(int64_t first, int64_t count) {
    return (pu_prediction_set){.asset_id = 1,
                               .count = count,
                               .ts = ts + first,
                               .horizons = HORIZONS,
                               .horizon_bars = horizons,
                               .quantiles = QUANTILES,
                               .quantile = quantiles,
                               .value = value + first * VALUES,
                               .sigma = sigma + first};
}

static void parts_are_what_the_whole_is(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 1, 20, true);
    for (int i = 0; i < ROWS * VALUES; ++i) value[i] = (float)i * 0.1f;
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(market.store, PU_STORE_WRITE, &store), PU_OK);
    const pu_prediction_set whole = rows(0, ROWS);
    assert_int_equal(pu_store_put_predictions(store, "whole", &whole), PU_OK);
    for (int64_t first = 0; first < ROWS; first += 2) {
        const pu_prediction_set part = rows(first, first + 2 < ROWS ? 2 : ROWS - first);
        assert_int_equal(pu_store_add_predictions(store, "parts", &part), PU_OK);
        assert_int_equal(pu_store_add_predictions(store, "parts", &part), PU_ERR_ARGUMENT);
    }
    pu_prediction_set other = whole, back;
    other.ts = later;
    other.horizons = 1;
    assert_int_equal(pu_store_add_predictions(store, "parts", &other), PU_ERR_ARGUMENT);
    assert_int_equal(pu_store_get_predictions(store, "parts", 1, &back), PU_OK);
    assert_int_equal(back.count, ROWS);
    assert_memory_equal(back.ts, ts, sizeof ts);
    assert_memory_equal(back.value, value, sizeof value);
    assert_memory_equal(back.sigma, sigma, sizeof sigma);
    pu_prediction_set_free(&back);
    assert_int_equal(test_market_sql(&market, "SELECT count(DISTINCT checksum) FROM prediction_sets"), 1);
    assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM prediction_sets WHERE row_count = 5"), 2);
    assert_int_equal(pu_store_put_predictions(store, "parts", &whole), PU_OK);
    assert_int_equal(pu_store_check(store), PU_OK);
    pu_store_close(store);
    test_market_remove(&market);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_what_the_whole_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
