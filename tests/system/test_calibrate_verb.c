/* `plusultra calibrate` as people run it: the tables, calibration.json, requests that are refused; and on real stocks
 * what everybody knows of them, where the files are there. */
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

static char *folder;

static int open_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void expect(int code, const char *out, const char *err, test_outcome outcome) {
    if (outcome.code != code || (out && !strstr(outcome.out, out)) || (err && !strstr(outcome.err, err)))
        fail_msg("exit %d\nout: %s\nerr: %s\nexpected: %d, %s, %s", outcome.code, outcome.out, outcome.err, code,
                 out ? out : "(any)", err ? err : "(any)");
    test_outcome_free(&outcome);
}

static json_t *document(const char *run) {
    char path[64];
    json_error_t error;
    snprintf(path, sizeof path, "runs/%s/calibration.json", run);
    json_t *root = json_load_file(test_path(folder, path), 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    return root;
}

static void the_verb_prints_and_writes(void **state) {
    (void)state;
    test_write(test_path(folder, "s.yaml"), "run: {name: s, threads: 2}\n"
                                            "data: {store: s.db, symbols: [SYN01, SYN02], benchmark: INDEX}\n"
                                            "stress: {process: garch, fit: [2005-01-01, 2007-06-01]}\n");
    expect(0, NULL, NULL, test_plusultra(folder, "synth", "-s", "s.db", "--assets", "3", "--bars", "900", NULL));
    expect(0, "does NOT match", "simulate histories",
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "--process", "gbm", "--samples", "60", NULL));
    json_t *root = document("s");
    const json_t *fits = json_object_get(root, "fits");
    assert_string_equal(json_string_value(json_object_get(root, "process")), "gbm");
    assert_int_equal(json_array_size(fits), 3); /* two, and the benchmark */
    assert_string_equal(json_string_value(json_object_get(json_array_get(fits, 2), "symbol")), "INDEX");
    assert_true(json_integer_value(json_object_get(root, "bars")) > 600);
    assert_true(json_integer_value(json_object_get(root, "bars")) < 640); /* stress.fit bounds it */
    json_decref(root);
    expect(0, "garch fitted to", NULL,
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "--samples", "0", "--json", "r.json", NULL));
    root = document("s");
    json_error_t error;
    json_t *result = json_load_file(test_path(folder, "r.json"), 0, &error);
    assert_true(json_equal(json_object_get(result, "calibration"), root));
    json_decref(result);
    json_decref(root);
}

static void wrong_requests_are_refused(void **state) {
    (void)state;
    expect(2, NULL, "did you mean 'garch'",
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "--process", "gach", NULL));
    expect(2, NULL, "--regimes: expects a whole number from 2 to 4",
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "-p", "regimes", "--regimes", "7", NULL));
    expect(2, NULL, "replay has nothing to fit",
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "--set", "stress.process=replay", NULL));
    expect(1, NULL, "heston needs 1001 bars",
           test_plusultra(folder, "calibrate", "--config", "s.yaml", "-p", "heston", NULL));
    expect(0, "standard errors", NULL, test_plusultra(folder, "calibrate", "--help", NULL));
}

static double history_of(const json_t *fit, int figure) {
    const json_t *m = json_array_get(json_object_get(fit, "misfit"), (size_t)figure);
    return json_real_value(json_object_get(m, "history"));
}

static bool matches(const json_t *fit, int figure) {
    return json_is_true(
        json_object_get(json_array_get(json_object_get(fit, "misfit"), (size_t)figure), "matches"));
}

/* Eleven stocks and funds: squares are correlated and tails are fat, which Brownian motion does not have and GARCH
 * does; correlations are positive, and those of GARCH's returns are the history's. */
static void stocks_have_their_stylised_facts(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE"), *shared = getenv("PU_SHARED");
    char data[4096];
    snprintf(data, sizeof data, "%s/data/real/equities", shared ? shared : "");
    if (!shared || access(data, R_OK) != 0)
        snprintf(data, sizeof data, "%s/../shared/data/real/equities", source ? source : ".");
    if (access(data, R_OK) != 0) {
        print_message("%s is not there: set PU_SHARED to the folder above data\n", data);
        skip();
    }
    test_write(test_path(folder, "e.yaml"),
               "run: {name: e, threads: 2}\n"
               "data: {store: e.db, symbols: [AAPL, AIG, BAC, BNO, EEM, IBM, IWM, QQQ, SPY, "
               "USO, WM], benchmark: SPY}\n");
    expect(0, NULL, NULL,
           test_plusultra(folder, "import", "--store", "e.db", "--asset-class", "equity", data, NULL));
    expect(0, "2522 bars of 11 assets, 252 a year", "3327 times at which some asset has no bar",
           test_plusultra(folder, "calibrate", "--config", "e.yaml", "-p", "gbm", "--samples", "40", NULL));
    json_t *root = document("e");
    for (size_t a = 0; a < 11; ++a) {
        const json_t *fit = json_array_get(json_object_get(root, "fits"), a);
        assert_false(matches(fit, 0)); /* autocorrelation of squares */
        assert_false(matches(fit, 3)); /* kurtosis */
        assert_true(history_of(fit, 3) > 5.0);
        for (size_t b = 0; b < 11; ++b) {
            const json_t *row = json_array_get(json_object_get(root, "correlation"), a);
            assert_true(json_real_value(json_array_get(row, b)) > 0.15);
        }
    }
    json_decref(root);
    expect(0, "garch fitted", NULL,
           test_plusultra(folder, "calibrate", "--config", "e.yaml", "-p", "garch", "--samples", "200", NULL));
    root = document("e");
    int matched = 0;
    for (size_t a = 0; a < 11; ++a) {
        const json_t *fit = json_array_get(json_object_get(root, "fits"), a);
        assert_true(json_is_true(json_object_get(fit, "converged")));
        matched += matches(fit, 0);
        assert_true(matches(fit, 11)); /* mean correlation with the other assets */
    }
    assert_true(matched >= 8);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verb_prints_and_writes),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(stocks_have_their_stylised_facts),
    };
    return cmocka_run_group_tests(tests, open_folder, drop_folder);
}
