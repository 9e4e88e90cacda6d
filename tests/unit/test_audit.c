/* The causality audit passes honest features and names dishonest ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/audit.h"
#include "plusultra/log.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum { BARS = 400, CUTS = 12, SEED = 20261123 };

static const int64_t horizons[] = {1, 5};
static const pu__label_set labels = {.horizons = 2, .horizon_bars = horizons, .latency_bars = 1, .vol_bars = 32};

/* Tomorrow's close, remembered from an earlier pass over the same market: a table of the future made beforehand.
 */
static double remembered[BARS + 1];
static double peek_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    remembered[index] = bar->close;
    return remembered[index + 1] / bar->close;
}

/* A score by the mean of everything seen in any pass: a scaler fitted on all data. */
static double fitted_sum, fitted_count;
static double fitted_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    fitted_sum += bar->close;
    fitted_count += 1;
    return bar->close - fitted_sum / fitted_count;
}

static const pu_feature leaky[] = {
    {.abi = PU_FEATURE_ABI, .name = "peeks_at_tomorrow", .version = 1, .state_bytes = 1, .update = peek_update},
    {.abi = PU_FEATURE_ABI,
     .name = "fitted_on_everything",
     .version = 1,
     .state_bytes = 1,
     .update = fitted_update},
};

static pu_audit_result audit(int count, const pu_feature *const *features) {
    pu_bars bars;
    pu_audit_result result = {0};
    pu_random random = pu_random_at(SEED, 0);
    assert_true(test_bars_walk(5, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    assert_int_equal(pu__audit_bars(count, features, &labels, &bars, CUTS, &random, "AAA", &result), PU_OK);
    pu_bars_free(&bars);
    return result;
}

static void every_registered_feature_passes(void **state) {
    (void)state;
    const pu_feature *features[256];
    const int count = pu_feature_count();
    assert_true(count <= 256);
    for (int i = 0; i < count; ++i) features[i] = pu_feature_at(i);
    const pu_audit_result result = audit(count, features);
    assert_int_equal(result.leaks, 0);
    assert_int_equal(result.cuts, CUTS);
    assert_true(result.values > CUTS * count * 10);
    assert_string_equal(result.feature, "");
}

static void a_leak_is_named(void **state) {
    (void)state;
    for (int i = 0; i < 2; ++i) {
        const pu_feature *features[] = {pu_feature_find("rsi_14"), &leaky[i], pu_feature_find("log_return_1")};
        const pu_audit_result result = audit(3, features);
        assert_true(result.leaks > 0);
        assert_string_equal(result.feature, leaky[i].name);
        assert_string_equal(result.symbol, "AAA");
    }
}

static void the_store_is_audited(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 3, BARS, true);
    test_market_walk(&market, "BBB", 4, BARS, true);
    pu_config *config = test_config(&market, NULL);
    pu_audit_result before, after;
    assert_int_equal(pu_features_audit(config, 2, SEED, &before), PU_OK);
    pu_features_result built;
    assert_int_equal(pu_features_build(config, &built), PU_OK);
    assert_int_equal(pu_features_audit(config, 2, SEED, &after), PU_OK);
    assert_int_equal(after.assets, 2);
    assert_int_equal(after.leaks + after.stale, 0);
    assert_true(after.values > before.values); /* the stored values as well */
    pu_config_free(config);
    test_market_remove(&market);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_registered_feature_passes),
        cmocka_unit_test(a_leak_is_named),
        cmocka_unit_test(the_store_is_audited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
