/* Features, labels, segments and windows of real markets, where the shared data is there: equities, currencies
 * without volume, 5-minute bars, a coin, and the files with gaps and jumps. Everything is finite, causal and
 * usable. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/file.h"
#include "host/data/store/digest.h"
#include "plusultra/features.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/windows.h"
#include "tests/support/golden.h"
#include "tests/support/market.h"

enum { CUTS = 2, SEED = 20261123 };

static const char *data_folder(const char *name) {
    static char path[4096];
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    const char *roots[] = {shared, NULL, "/work/shared"};
    static char beside[4096];
    snprintf(beside, sizeof beside, "%s/../shared", source ? source : ".");
    roots[1] = beside;
    for (int i = 0; i < 3; ++i) {
        if (!roots[i]) continue;
        snprintf(path, sizeof path, "%s/data/%s", roots[i], name);
        if (access(path, R_OK) == 0) return path;
    }
    return NULL;
}

/* Every row of every asset: finite features, sigma above 0, known targets finite; some weight in each segment. */
static void check_rows(pu_dataset *dataset) {
    double weight = 0;
    for (int a = 0; a < pu_dataset_assets(dataset); ++a) {
        const int64_t rows = pu_dataset_rows(dataset, a), columns = pu_dataset_features(dataset);
        float *features = pu_calloc((size_t)(rows * columns), sizeof *features),
              *targets = pu_calloc((size_t)rows * 3, sizeof *targets);
        float *weights = pu_calloc((size_t)rows * 3, sizeof *weights),
              *sigma = pu_calloc((size_t)rows, sizeof *sigma);
        assert_int_equal(pu_dataset_read(dataset, a, 0, rows, features, targets, weights, sigma), PU_OK);
        for (int64_t i = 0; i < rows * columns; ++i) {
            if (!isfinite(features[i]))
                fail_msg("%s: %s", pu_dataset_asset(dataset, a)->symbol,
                         pu_dataset_feature_name(dataset, (int)(i % columns)));
        }
        for (int64_t i = 0; i < rows; ++i) assert_true(sigma[i] > 0 && isfinite(sigma[i]));
        for (int64_t i = 0; i < rows * 3; ++i) {
            assert_true(isfinite(targets[i]) && (weights[i] == 0.0f || weights[i] == 1.0f));
            weight += (double)weights[i];
        }
        pu_free(features);
        pu_free(targets);
        pu_free(weights);
        pu_free(sigma);
    }
    assert_true(weight > 1000);
}

/* A store with all files of a folder of the shared data; skips the test where it is not there. */
static test_market market_of(const char *name) {
    const char *folder = data_folder(name);
    if (!folder) {
        print_message("%s is not here: skipped\n", name);
        skip();
    }
    test_market market = test_market_new();
    pu_store *store = NULL;
    const pu_import_options options = {0};
    assert_int_equal(pu_store_open(market.store, PU_STORE_WRITE, &store), PU_OK);
    if (pu_import_path(store, folder, &options, NULL, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store_close(store);
    return market;
}

static void check_folder(const char *name, int64_t rows_min) {
    test_market market = market_of(name);
    pu_config *config = test_config(&market, NULL);
    pu_dataset *dataset = NULL;
    pu_loader *loader = NULL;
    pu_audit_result audit;
    if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
    int64_t rows = 0;
    for (int a = 0; a < pu_dataset_assets(dataset); ++a) rows += pu_dataset_rows(dataset, a);
    assert_true(rows >= rows_min);
    check_rows(dataset);
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        pu_batch batch;
        assert_int_equal(pu_loader_open(dataset, config, (pu_segment)s, NULL, s == 0, SEED, 0, &loader), PU_OK);
        assert_int_equal(pu_loader_next(loader, &batch), PU_OK);
        assert_true(batch.windows > 0);
        pu_loader_close(loader);
    }
    assert_int_equal(pu_features_audit(config, CUTS, SEED, &audit), PU_OK);
    assert_int_equal(audit.leaks + audit.stale, 0);
    assert_true(audit.values > rows * 20);
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

static void equities(void **state) {
    (void)state;
    check_folder("real/equities", 50000);
}

static void forex(void **state) {
    (void)state;
    check_folder("real/forex", 14000);
}

static void crypto(void **state) {
    (void)state;
    check_folder("real/crypto", 1000);
}

static void crypto_5m(void **state) {
    (void)state;
    check_folder("real/crypto_5m", 50000);
}

static void dirty_equities(void **state) {
    (void)state;
    check_folder("dirty/equities", 20000);
}

/* Every feature there is, against SPY and each other; those of alternative series are left out. */
static void all_features_of_equities(void **state) {
    (void)state;
    enum { LIST_BYTES = 16384 };
    test_market market = market_of("real/equities");
    char *list = pu_calloc(1, LIST_BYTES);
    assert_non_null(list);
    int used = snprintf(list, LIST_BYTES, "features.names=[");
    for (int i = 0; i < pu_feature_count() && used < LIST_BYTES; ++i)
        used += snprintf(list + used, (size_t)(LIST_BYTES - used), "%s%s", i ? ", " : "", pu_feature_at(i)->name);
    assert_true(used + 2 < LIST_BYTES);
    list[used] = ']';
    pu_config *config = test_config(&market, "data.benchmark=SPY", "features.missing=skip", list, NULL);
    pu_dataset *dataset = NULL;
    pu_audit_result audit;
    if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_dataset_assets(dataset), 10); /* eleven files, SPY among them */
    assert_true(pu_dataset_features(dataset) >= 180 && pu_dataset_features(dataset) < pu_feature_count());
    check_rows(dataset);
    assert_int_equal(pu_features_audit(config, CUTS, SEED, &audit), PU_OK);
    if (audit.leaks + audit.stale > 0) fail_msg("%s of %s", audit.feature, audit.symbol);
    pu_dataset_close(dataset);
    pu_config_free(config);
    pu_free(list);
    test_market_remove(&market);
}

/* The bars of one Yahoo file, as import stores them. */
static void import_bars(test_market *market, const char *path, pu_bars *out) {
    pu_store *store = NULL;
    const pu_import_options options = {0};
    pu_asset *assets = NULL;
    int count = 0;
    assert_int_equal(pu_store_open(market->store, PU_STORE_WRITE, &store), PU_OK);
    if (pu_import_path(store, path, &options, NULL, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(count, 1);
    assert_int_equal(pu_store_bars(store, assets[0].id, INT64_MIN, INT64_MAX, out), PU_OK);
    pu_free(assets);
    pu_store_close(store);
}

/* The lookback is TA-Lib's; values agree to 1e-9, and to 1e-12 of the feature's largest, since TA-Lib's running sums
 * keep the rounding of all prices so far. */
static void check_talib(const char *name, json_t *golden, const json_t *rows, const pu_bars *bars, double *got) {
    const pu_feature *feature = pu_feature_find(name);
    if (!feature) fail_msg("no feature named %s", name);
    assert_int_equal(feature->lookback_bars, (int)golden_real(golden, "lookback"));
    assert_int_equal(pu_feature_compute(feature, bars, got), PU_OK);
    const json_t *values = json_object_get(golden, "values");
    const double largest = golden_real(golden, "largest");
    assert_true(json_array_size(values) > 0 && json_array_size(values) == json_array_size(rows));
    for (size_t i = 0; i < json_array_size(values); ++i) {
        const int64_t bar = json_integer_value(json_array_get(rows, i));
        const double want = json_number_value(json_array_get(values, i));
        if (!(fabs(got[bar] - want) <= 1e-9 * fabs(want) + 1e-12 * largest))
            fail_msg("%s at bar %d: %.17g, TA-Lib has %.17g", name, (int)bar, got[bar], want);
    }
}

static void features_equal_talib(void **state) {
    (void)state;
    enum { FILE_BYTES_MAX = 1 << 22, FEATURES_MIN = 50 };
    const char *folder = data_folder("real/equities");
    if (!folder) skip();
    json_t *root = golden_load("real_features.json"), *features = json_object_get(root, "features"), *golden;
    char path[4096], digest[65], *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(root, "file")));
    assert_int_equal(pu__file_read(path, FILE_BYTES_MAX, &text, &bytes), PU_OK);
    pu__digest(text, bytes, digest);
    pu_free(text);
    assert_string_equal(digest, json_string_value(json_object_get(root, "sha256")));
    test_market market = test_market_new();
    pu_bars bars;
    import_bars(&market, path, &bars);
    assert_int_equal(bars.count, (int64_t)golden_real(root, "bars"));
    double *got = pu_calloc((size_t)bars.count, sizeof *got);
    assert_non_null(got);
    const char *name;
    assert_true(json_object_size(features) >= FEATURES_MIN);
    json_object_foreach(features, name, golden)
        check_talib(name, golden, json_object_get(root, "rows"), &bars, got);
    pu_free(got);
    pu_bars_free(&bars);
    test_market_remove(&market);
    json_decref(root);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equities),
        cmocka_unit_test(all_features_of_equities),
        cmocka_unit_test(forex),
        cmocka_unit_test(crypto),
        cmocka_unit_test(crypto_5m),
        cmocka_unit_test(dirty_equities),
        cmocka_unit_test(features_equal_talib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
