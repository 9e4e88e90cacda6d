/* `plusultra stress` and `calibrate` asked for what cannot be: exit code 2 and a message that names the key or the
 * option, before anything is simulated; and bars are shown by the day they traded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "tests/support/process.h"

static char *folder;

static void expect(int code, const char *err, test_outcome outcome) {
    if (outcome.code != code || (err && !strstr(outcome.err, err)))
        fail_msg("exit %d\nout: %s\nerr: %s\nexpected: %d, %s", outcome.code, outcome.out, outcome.err, code,
                 err ? err : "(any)");
    test_outcome_free(&outcome);
}

#define STRESS(...) test_plusultra(folder, "stress", "--config", "s.yaml", "--quiet", __VA_ARGS__, NULL)
#define CALIBRATE(...) test_plusultra(folder, "calibrate", "--config", "s.yaml", "--quiet", __VA_ARGS__, NULL)

/* 300 days from Monday, 2024-01-01 on, weekends left out: the last one is a Friday, 2025-02-21. */
static int open_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    test_write(test_path(folder, "s.yaml"), "run: {name: s, threads: 2}\n"
                                            "data: {store: s.db, symbols: [SYN01, SYN02]}\n"
                                            "stress: {policy: momentum, paths: 20, steps_bars: 20, fast_bars: 2, "
                                            "slow_bars: 5, scenarios: [gap_down]}\n");
    expect(0, NULL,
           test_plusultra(folder, "synth", "-s", "s.db", "--assets", "2", "--bars", "300", "--start", "2024-01-01",
                          "--no-index", NULL));
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

/* What is no file that can be read. */
static void paths_of_the_configuration_are_checked(void **state) {
    (void)state;
    test_write(test_path(folder, "empty.yaml"), "");
    assert_int_equal(mkfifo(test_path(folder, "pipe"), 0600), 0); /* nobody writes to it: it is not waited for */
    expect(2, "stress.library: . is not a regular file", STRESS("--set", "stress.library=."));
    expect(2, "stress.library: . is not a regular file", STRESS("--list", "--set", "stress.library=."));
    expect(2, "stress.library: cannot open none.yaml", STRESS("--set", "stress.library=none.yaml"));
    expect(2, "stress.library: cannot open none.yaml", STRESS("--list", "--set", "stress.library=none.yaml"));
    expect(2, "stress.library: empty.yaml: holds no scenario", STRESS("--set", "stress.library=empty.yaml"));
    expect(2, "stress.library: pipe is not a regular file", STRESS("--set", "stress.library=pipe"));
    static const char *const plugins[][2] = {{".", "is not a regular file"},
                                             {"none.so", "No such file"},
                                             {"empty.yaml", "cannot be loaded"},
                                             {"pipe", "is not a regular file"}};
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; ++i) {
        char set[64];
        snprintf(set, sizeof set, "stress.plugin=%s", plugins[i][0]);
        test_outcome outcome = STRESS("--set", "stress.policy=plugin", "--set", set);
        assert_non_null(strstr(outcome.err, "stress.plugin: plug-in"));
        expect(2, plugins[i][1], outcome);
    }
    assert_null(test_read(test_path(folder, "runs/s/stress.json")));
}

static void scenarios_are_checked(void **state) {
    (void)state;
    test_write(test_path(folder, "twice.yaml"),
               "scenarios:\n  - name: a\n    shocks:\n"
               "      - {kind: gap, size: -0.1, assets: [SYN01, SYN02, SYN01]}\n");
    expect(2, "twice.yaml:4: a: assets: 'SYN01' is listed twice",
           STRESS("--set", "stress.library=twice.yaml", "--set", "stress.scenarios=[a]"));
}

static void options_are_checked(void **state) {
    (void)state;
    expect(2, "cost factor 1e+06: such costs are more than what is traded: at most",
           STRESS("--path", "0", "--cost-factor", "1e6"));
    expect(2, "exclude each other", STRESS("--path", "0", "--report"));
    expect(2, "exclude each other", STRESS("--list", "--report"));
    expect(2, "--samples: 5 do not make an interval: 0, or 20 and more", CALIBRATE("-p", "gbm", "--samples", "5"));
}

/* Nothing is fitted for a folder that cannot be written. */
static void folders_are_checked_first(void **state) {
    (void)state;
    test_outcome outcome = CALIBRATE("-p", "gbm", "--samples", "20", "--set", "run.out=s.yaml");
    assert_string_equal(outcome.out, "");
    expect(1, "cannot make folder s.yaml/s", outcome);
    expect(1, "cannot make folder s.yaml/s", STRESS("--set", "run.out=s.yaml"));
}

static const char *text_at(const json_t *document, const char *object, const char *key) {
    return json_string_value(json_object_get(json_object_get(document, object), key));
}

static json_t *load(const char *name) {
    json_error_t error;
    json_t *document = json_load_file(test_path(folder, name), 0, &error);
    if (!document) fail_msg("%s: %s", name, error.text);
    return document;
}

static void daily_bars_are_named_by_the_day_they_traded(void **state) {
    (void)state;
    expect(0, NULL, STRESS("--set", "stress.process=gbm"));
    json_t *document = load("runs/s/stress.json");
    const json_t *history = json_object_get(json_object_get(document, "meta"), "history");
    assert_string_equal(text_at(document, "meta", "start"), "2025-02-21");
    assert_string_equal(json_string_value(json_array_get(history, 0)), "2024-01-01");
    assert_string_equal(json_string_value(json_array_get(history, 1)), "2025-02-21");
    assert_string_equal(text_at(document, "calibration", "from"), "2024-01-01");
    assert_string_equal(text_at(document, "calibration", "to"), "2025-02-21");
    json_decref(document);
    char *markdown = test_read(test_path(folder, "runs/s/stress.md"));
    assert_non_null(strstr(markdown, "from 2025-02-21 on."));
    assert_null(strstr(markdown, "2025-02-22"));
    free(markdown);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_of_the_configuration_are_checked),
        cmocka_unit_test(scenarios_are_checked),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(folders_are_checked_first),
        cmocka_unit_test(daily_bars_are_named_by_the_day_they_traded),
    };
    return cmocka_run_group_tests(tests, open_folder, drop_folder);
}
