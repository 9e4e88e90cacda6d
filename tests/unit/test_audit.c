/* The causality audit passes honest features and names dishonest ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/audit.h"
#include "plusultra/log.h"
#include "tests/support/market.h"

enum { BARS = 400, CUTS = 12, SEED = 20261123 };

/* Tomorrow's close, remembered from an earlier pass over the same market: a table of the future made beforehand.
 */
static double remembered[BARS + 1];
static double peek_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    remembered[index] = bar->close;
    return remembered[index + 1] / bar->close;
}

/* The same under a cross-section, which is computed before and apart from the assets' own passes. */
static double remembered_of_all[BARS + 1];
static double peek_all_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    remembered_of_all[index] = bar->close;
    return remembered_of_all[index + 1] / bar->close;
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
    {.abi = PU_FEATURE_ABI,
     .name = "ranks_tomorrow",
     .version = 1,
     .state_bytes = 1,
     .update = peek_all_update,
     .cross = PU_CROSS_RANK},
};

/* The audit of these features, registered or not, the second of three in the place of a cross-sectional one, over a
 * store with two assets; one thread, for those that share state. */
static pu_audit_result audit(const pu_feature *const features[3]) {
    pu_audit_result result = {0};
    pu_store *store = NULL;
    pu__plan plan;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 5, BARS, true);
    test_market_walk(&market, "BBB", 6, BARS, true);
    pu_config *config =
        test_config(&market, "run.threads=1", "features.names=[rsi_14, cross_rank_return_5, log_return_1]", NULL);
    assert_int_equal(pu_store_open(market.store, PU_STORE_READ, &store), PU_OK);
    assert_int_equal(pu__plan_open(config, store, &plan), PU_OK);
    assert_int_equal(plan.features.count, 3);
    memcpy(plan.features.feature, features, 3 * sizeof *features);
    assert_int_equal(pu__audit_plan(&plan, CUTS, SEED, &result), PU_OK);
    pu__plan_close(&plan);
    pu_store_close(store);
    pu_config_free(config);
    test_market_remove(&market);
    return result;
}

static void a_leak_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof leaky / sizeof *leaky; ++i) {
        const pu_feature *features[] = {pu_feature_find("rsi_14"), &leaky[i], pu_feature_find("log_return_1")};
        const pu_audit_result result = audit(features);
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
        cmocka_unit_test(a_leak_is_named),
        cmocka_unit_test(the_store_is_audited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
