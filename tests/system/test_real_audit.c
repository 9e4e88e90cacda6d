/* The causality audit of every feature there is over every real file, with a benchmark, the universe, cross-sections,
 * and alternative series and regimes that are late, revised and stale.
 *
 * PU_AUDIT_CUTS=200 ctest -R test_real_audit is the whole audit; by itself the test draws a sample. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "host/base/buffer.h"
#include "plusultra/features.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/market.h"

enum { SAMPLE_CUTS = 1, SEED = 20261123, RELEASES = 200 };

static const char *data_folder(const char *name) {
    static char path[4096];
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    struct stat status;
    snprintf(path, sizeof path, "%s/data/%s", shared ? shared : "/work/shared", name);
    if (!shared && stat(path, &status) != 0)
        snprintf(path, sizeof path, "%s/../shared/data/%s", source ? source : ".", name);
    return stat(path, &status) == 0 ? path : NULL;
}

static void import_all(const test_market *market, const char *folder) {
    const pu_import_options options = {0};
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(market->store, PU_STORE_WRITE, &store), PU_OK);
    if (pu_import_path(store, folder, &options, NULL, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store_close(store);
}

/* What some feature takes: "alternative:..." and "regime:...", each once. */
static int series_names(const char *prefix, const char **out, int most) {
    int count = 0;
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        for (int k = 0; k < feature->input_count; ++k) {
            if (strncmp(feature->inputs[k], prefix, strlen(prefix)) != 0) continue;
            const char *name = feature->inputs[k] + strlen(prefix);
            int i = 0;
            while (i < count && strcmp(out[i], name) != 0) ++i;
            if (i == count && count < most) out[count++] = name;
        }
    }
    return count;
}

/* Releases spread over the span of the bars, each published a third of the way to the next, every fifth revised three
 * releases later, none in the fifth tenth of the span, so that values go stale. */
static void add_series(const test_market *market) {
    enum { NAMES_MAX = 16 };
    static const char times[] =
        "WITH RECURSIVE span(low, step) AS (SELECT min(first_ts), max((max(last_ts) - min(first_ts)) / %d, 60) "
        "FROM "
        "assets), release(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM release WHERE n < %d), out(n, ts, "
        "published) AS "
        "(SELECT n, low + n * step, low + n * step + step / 3 FROM release, span WHERE n NOT BETWEEN 80 AND 100 "
        "UNION "
        "ALL SELECT n + 1000, low + n * step, low + (n + 3) * step FROM release, span WHERE n %% 5 = 0) ";
    const char *name[NAMES_MAX];
    char sql[2048];
    const int series = series_names("alternative:", name, NAMES_MAX);
    for (int i = 0; i < series; ++i) {
        snprintf(
            sql, sizeof sql,
            "INSERT INTO alternative_series (series_id, name, asset_id, kind, stale_after_s) SELECT %d, '%s', "
            "NULL, 'other', (max(last_ts) - min(first_ts)) / 40 FROM assets",
            i + 1, name[i]);
        test_market_sql(market, sql);
        int used = snprintf(sql, sizeof sql, times, RELEASES, RELEASES);
        snprintf(sql + used, sizeof sql - (size_t)used,
                 "INSERT INTO alternative_values SELECT %d, published, ts, (n * 7919 + %d) %% 101 - 50 FROM out",
                 i + 1, i);
        test_market_sql(market, sql);
    }
    const int regimes = series_names("regime:", name, NAMES_MAX);
    for (int i = 0; i < regimes; ++i) {
        const int used = snprintf(sql, sizeof sql, times, RELEASES, RELEASES);
        snprintf(sql + used, sizeof sql - (size_t)used,
                 "INSERT INTO regimes SELECT '%s', published, ts, (n * 7919) %% 4 FROM out", name[i]);
        test_market_sql(market, sql);
    }
    assert_true(series > 0 && regimes > 0);
}

/* features.names=[all of them]; free with pu_free. */
static char *name_all(void) {
    pu__buffer text = {0};
    for (int f = 0; f < pu_feature_count(); ++f)
        pu__buffer_printf(&text, "%s%s", f ? ", " : "features.names=[", pu_feature_at(f)->name);
    pu__buffer_printf(&text, "]");
    char *out = pu__buffer_take(&text);
    assert_non_null(out);
    return out;
}

static int64_t cuts_wanted(int assets) {
    const char *asked = getenv("PU_AUDIT_CUTS");
    return asked ? atoll(asked) : SAMPLE_CUTS * (assets > 4 ? 4 : 2);
}

static void audit_folder(const char *name, const char *benchmark, int64_t assets, bool has_volume) {
    const char *folder = data_folder(name);
    if (!folder) {
        print_message("%s is not here\n", name);
        return;
    }
    char reference[64];
    pu_audit_result audit;
    test_market market = test_market_new();
    char *names = name_all();
    import_all(&market, folder);
    add_series(&market);
    snprintf(reference, sizeof reference, "data.benchmark=%s", benchmark);
    pu_config *config =
        test_config(&market, reference, has_volume ? "features.missing=error" : "features.missing=skip",
                    assets == 1 ? "data.symbols=[BTCUSD]" : "data.symbols=[]", names, NULL);
    const int64_t cuts = cuts_wanted((int)assets);
    const double started_s = pu_clock_s();
    if (pu_features_audit(config, cuts, SEED, &audit) != PU_OK) fail_msg("%s", pu_error_message());
    print_message("%s: %" PRId64 " assets, %" PRId64 " cuts in time, %" PRId64 " of an asset, %" PRId64
                  " values, %" PRId64 " differ; %.1f s\n",
                  name, audit.assets, cuts, audit.cuts, audit.values, audit.leaks, pu_clock_s() - started_s);
    if (audit.leaks > 0) fail_msg("%s of %s changed when the future was taken away", audit.feature, audit.symbol);
    assert_int_equal(audit.assets, assets);
    assert_true(audit.values > audit.cuts * pu_feature_count());
    pu_free(names);
    pu_config_free(config);
    test_market_remove(&market);
}

static void equities(void **state) {
    (void)state;
    audit_folder("real/equities", "SPY", 10, true);
}

static void forex(void **state) {
    (void)state;
    audit_folder("real/forex", "EURUSD", 3, false);
}

static void crypto(void **state) {
    (void)state;
    audit_folder("real/crypto", "BTCUSD", 1, true);
}

static void crypto_5m(void **state) {
    (void)state;
    audit_folder("real/crypto_5m", "ETHBTC", 8, true);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equities),
        cmocka_unit_test(forex),
        cmocka_unit_test(crypto),
        cmocka_unit_test(crypto_5m),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
