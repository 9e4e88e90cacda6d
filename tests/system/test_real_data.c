/* The configurations in configs/ on real files, where those are there: import, training (few steps), prediction,
 * backtest and report by the command line, as a user runs them. No row is lost, SPY is the benchmark, and nothing
 * is claimed that the evidence does not hold. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "tests/support/process.h"

typedef struct file_rows {
    const char *symbol;
    int64_t rows;
} file_rows;

typedef struct market {
    const char *name, *folder, *asset_class, *benchmark;
    int64_t rows;
    int files;
    file_rows file[11];
} market;

/* Lines of the files less headings, counted with wc -l. */
static const market markets[] = {
    {"equities",
     "real/equities",
     "equity",
     "SPY",
     50961,
     11,
     {{"AAPL", 5849},
      {"AIG", 5849},
      {"BAC", 5849},
      {"BNO", 2726},
      {"EEM", 4522},
      {"IBM", 5849},
      {"IWM", 5244},
      {"QQQ", 2522},
      {"SPY", 5849},
      {"USO", 3769},
      {"WM", 2933}}},
    {"forex",
     "real/forex",
     "forex",
     NULL,
     14952,
     4,
     {{"EURGBP", 3738}, {"EURUSD", 3738}, {"GBPUSD", 3738}, {"NZDUSD", 3738}}},
    {"crypto_5m",
     "real/crypto_5m",
     "crypto",
     NULL,
     51786,
     9,
     {{"ADABTC", 5720},
      {"DASHBTC", 5758},
      {"ETCBTC", 5759},
      {"ETHBTC", 5760},
      {"LTCBTC", 5760},
      {"TRXBTC", 5754},
      {"XLMBTC", 5760},
      {"XMRBTC", 5758},
      {"ZECBTC", 5757}}},
};

static const char *data_folder(const char *name) {
    static char path[4096], beside[4096];
    const char *source = getenv("PU_SOURCE");
    snprintf(beside, sizeof beside, "%s/../shared", source ? source : ".");
    const char *const roots[] = {getenv("PU_SHARED"), beside, "/work/shared"};
    for (int i = 0; i < 3; ++i) {
        if (!roots[i]) continue;
        snprintf(path, sizeof path, "%s/data/%s", roots[i], name);
        if (access(path, R_OK) == 0) return path;
    }
    return NULL;
}

static json_t *load(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    return root;
}

static void must(test_outcome outcome) {
    if (outcome.code != 0) fail_msg("exit status %d: %s", outcome.code, outcome.err);
    test_outcome_free(&outcome);
}

static int64_t whole(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) fail_msg("%s is not a whole number", key);
    return json_integer_value(value);
}

static void check_import(const market *m, const char *folder) {
    json_t *root = load(test_path(folder, "import.json"));
    size_t i;
    const json_t *file;
    const json_t *files = json_object_get(root, "files");
    int64_t total = 0;
    assert_int_equal(json_array_size(files), m->files);
    json_array_foreach(files, i, file) {
        total += whole(file, "rows_added");
        assert_int_equal(whole(file, "rows_added"), whole(file, "rows_read"));
        const char *symbol = json_string_value(json_object_get(file, "symbol"));
        bool known = false;
        for (int k = 0; k < m->files; ++k) {
            if (strcmp(m->file[k].symbol, symbol) != 0) continue;
            assert_int_equal(whole(file, "rows_added"), m->file[k].rows);
            known = true;
        }
        assert_true(known);
    }
    assert_int_equal(total, m->rows);
    json_decref(root);
}

/* Every return of every strategy is finite, the figures follow from them, and contributions add up to the total
 * return. */
static void check_backtest(const market *m, const char *folder) {
    json_t *root = load(test_path(folder, "backtest.json"));
    const json_t *meta = json_object_get(root, "meta"), *strategies = json_object_get(root, "strategies"),
                 *strategy, *value;
    const json_t *benchmark = json_object_get(meta, "benchmark");
    if (m->benchmark) assert_string_equal(json_string_value(benchmark), m->benchmark);
    else assert_true(json_is_null(benchmark));
    assert_int_equal(json_array_size(strategies), m->benchmark ? 5 : 4);
    assert_int_equal(json_array_size(json_object_get(meta, "assets")), m->files);
    size_t i, k;
    json_array_foreach(strategies, i, strategy) {
        double equity = 1;
        json_array_foreach(json_object_get(strategy, "returns"), k, value) {
            assert_true(json_is_real(value) && isfinite(json_real_value(value)));
            equity *= 1 + json_real_value(value);
        }
        const json_t *total = json_object_get(json_object_get(strategy, "metrics"), "total_return");
        assert_true(fabs(json_real_value(total) - (equity - 1)) < 1e-8); /* the file has 12 digits */
    }
    double contribution = 0;
    json_array_foreach(json_object_get(root, "assets"), i, value) contribution +=
        json_number_value(json_object_get(value, "contribution"));
    const json_t *total =
        json_object_get(json_object_get(json_array_get(strategies, 0), "metrics"), "total_return");
    assert_true(fabs(contribution - json_real_value(total)) < 1e-8);
    assert_true(whole(json_object_get(json_array_get(strategies, 0), "metrics"), "fills") > 0);
    json_array_foreach(json_object_get(root, "warnings"), i, value)
        assert_null(strstr(json_string_value(value), "periods a year"));
    json_decref(root);
}

static void run_market(const market *m) {
    const char *source = getenv("PU_SOURCE"), *data = data_folder(m->folder);
    if (!data || !source) {
        print_message("%s is not here: skipped\n", m->folder);
        skip();
    }
    char config[4096], out[4096], store[4096], name[] = "run.name=r", samples[] = "backtest.bootstrap_samples=100";
    char *folder = test_folder_new();
    snprintf(config, sizeof config, "%s/configs/%s.yaml", source, m->name);
    snprintf(out, sizeof out, "run.out=%s", folder);
    snprintf(store, sizeof store, "data.store=%s/market.db", folder);
    must(test_plusultra(folder, "import", "--store", "market.db", "--asset-class", m->asset_class, "--json",
                        "import.json", data, NULL));
    check_import(m, folder);
    must(test_plusultra(folder, "train", "-q", "-c", config, "--set", out, "--set", store, "--set", name, "--set",
                        "train.steps=6", "--set", "train.eval_every=3", "--set", "train.warmup_steps=2", NULL));
    static const char *const verbs[] = {"predict", "backtest", "report"};
    for (int i = 0; i < 3; ++i)
        must(test_plusultra(folder, verbs[i], "-q", "-c", config, "--set", out, "--set", store, "--set", name,
                            "--set", samples, NULL));
    char run[4096];
    snprintf(run, sizeof run, "%s/r", folder);
    check_backtest(m, run);
    char *page = test_read(test_path(run, "report.html"));
    assert_true(page && strstr(page, m->file[0].symbol));
    free(page);
    test_folder_remove(folder);
}

static void equities(void **state) {
    (void)state;
    run_market(&markets[0]);
}

static void forex(void **state) {
    (void)state;
    run_market(&markets[1]);
}

static void crypto_5m(void **state) {
    (void)state;
    run_market(&markets[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equities), cmocka_unit_test(forex),
                                       cmocka_unit_test(crypto_5m)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
