/* The command as a user meets it: help, exit codes, suggestions, JSON results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/process.h"

enum { VERBS_MAX = 32 };

static char *folder;

/* Runs, checks the exit code, frees; `err` is a part of what must stand on standard error (null: nothing may),
 * `out` likewise. */
static void expect(int code, const char *out, const char *err, test_outcome outcome) {
    const bool err_fits = err ? strstr(outcome.err, err) != NULL : outcome.err[0] == '\0';
    const bool out_fits = !out || strstr(outcome.out, out);
    if (outcome.code != code || !err_fits || !out_fits) {
        print_error("exit %d, expected %d\nout: %s\nerr: %s\nexpected out: %s\nexpected err: %s\n", outcome.code,
                    code, outcome.out, outcome.err, out ? out : "(any)", err ? err : "(none)");
    }
    assert_int_equal(outcome.code, code);
    assert_true(err_fits);
    assert_true(out_fits);
    test_outcome_free(&outcome);
}

/* The names in the list of commands that --help prints. */
static int list_verbs(char names[VERBS_MAX][32]) {
    test_outcome outcome = test_plusultra(NULL, "--help", NULL);
    assert_int_equal(outcome.code, 0);
    char *line = strstr(outcome.out, "commands:\n");
    assert_non_null(line);
    int count = 0;
    for (line += strlen("commands:\n"); strncmp(line, "  ", 2) == 0 && count < VERBS_MAX;
         line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "%31s", names[count++]), 1);
    }
    test_outcome_free(&outcome);
    return count;
}

static void every_verb_has_help(void **state) {
    (void)state;
    char names[VERBS_MAX][32];
    const int count = list_verbs(names);
    assert_true(count >= 2);
    for (int i = 0; i < count; ++i) {
        char usage[64 + 32];
        snprintf(usage, sizeof usage, "usage: plusultra %.31s", names[i]);
        expect(0, usage, NULL, test_plusultra(NULL, names[i], "--help", NULL));
        expect(0, "--json FILE", NULL, test_plusultra(NULL, names[i], "-h", NULL));
        expect(0, usage, NULL, test_plusultra(NULL, "help", names[i], NULL));
        expect(0, usage, NULL, test_plusultra(NULL, "--help", names[i], NULL));
        expect(2, NULL, "unknown option --no-such-thing", test_plusultra(NULL, names[i], "--no-such-thing", NULL));
    }
    expect(0, "commands:", NULL, test_plusultra(NULL, "help", NULL));
    expect(0, "plusultra 0.", NULL, test_plusultra(NULL, "--version", NULL));
}

static void wrong_requests_exit_with_2(void **state) {
    (void)state;
    expect(2, NULL, "usage: plusultra COMMAND", test_plusultra(NULL, NULL));
    expect(2, "", "unknown command 'shwo-config'; did you mean show-config?",
           test_plusultra(NULL, "shwo-config", NULL));
    expect(2, "", "unknown command 'xyzxyz'; `plusultra --help` lists all", test_plusultra(NULL, "xyzxyz", NULL));
    expect(2, "", "unknown command 'nosuch'", test_plusultra(NULL, "help", "nosuch", NULL));
    expect(2, "", "a command comes first", test_plusultra(NULL, "--config", "x", NULL));
    expect(2, "", "plusultra show-config: unknown option --confg; did you mean --config?\n",
           test_plusultra(NULL, "show-config", "--confg", "x", NULL));
    expect(2, "", "unknown option -z", test_plusultra(NULL, "show-config", "-z", NULL));
    expect(2, "", "--config needs a value: --config FILE", test_plusultra(NULL, "show-config", "--config", NULL));
    expect(2, "", "--quiet takes no value", test_plusultra(NULL, "show-config", "--quiet=1", NULL));
    expect(2, "", "unexpected argument 'extra'", test_plusultra(NULL, "show-config", "extra", NULL));
    expect(2, "", "unexpected argument 'my.yaml'; a configuration is given by --config",
           test_plusultra(NULL, "features", "build", "my.yaml", NULL));
    expect(2, "", "unexpected argument '--x'", test_plusultra(NULL, "show-config", "--", "--x", NULL));
    expect(2, "", "--log-format: expects human or json, not 'xml'",
           test_plusultra(NULL, "show-config", "--log-format=xml", NULL));
    expect(2, "", "--set train.lrr: unknown key; did you mean train.lr?",
           test_plusultra(NULL, "show-config", "--set", "train.lrr=1", NULL));
    expect(2, "", "--config: cannot open none.yaml", test_plusultra(folder, "show-config", "-cnone.yaml", NULL));
    test_write(test_path(folder, "bad.yaml"), "train:\n  lr: 1\n  bacth: 2\n");
    expect(2, "", "plusultra show-config: bad.yaml:3: train.bacth: unknown key; did you mean train.batch?\n",
           test_plusultra(folder, "show-config", "--config=bad.yaml", NULL));
}

static void features_are_described(void **state) {
    (void)state;
    expect(0, "| `rsi_14` | ", NULL, test_plusultra(NULL, "features", "docs", NULL));
    expect(0, "formula:    TA-Lib SMA(30)", NULL, test_plusultra(NULL, "features", "describe", "sma_30", NULL));
    expect(2, "", "there is no feature 'sma'", test_plusultra(NULL, "features", "describe", "sma", NULL));
    expect(2, "", "use list, describe, docs, build or audit", test_plusultra(NULL, "features", "shwo", NULL));
}

static void configuration_is_shown_and_reads_back(void **state) {
    (void)state;
    test_write(test_path(folder, "a.yaml"), "train:\n  lr: 0.25\n");
    test_outcome first =
        test_plusultra(folder, "show-config", "-c", "a.yaml", "--set", "train.batch=7", "--set=run.seed=3", NULL);
    assert_int_equal(first.code, 0);
    assert_non_null(strstr(first.out, "\n  lr: 0.25\n"));
    assert_non_null(strstr(first.out, "\n  batch: 7\n"));
    assert_non_null(strstr(first.out, "\n  seed: 3\n"));
    test_write(test_path(folder, "b.yaml"), first.out);
    test_outcome second = test_plusultra(folder, "show-config", "-cb.yaml", NULL);
    assert_string_equal(first.out, second.out);
    test_outcome_free(&first);
    test_outcome_free(&second);
}

static void init_writes_once(void **state) {
    (void)state;
    expect(0, "plusultra train -c experiment.yaml", NULL, test_plusultra(folder, "init", NULL));
    expect(0, "run:", NULL, test_plusultra(folder, "show-config", "-c", "experiment.yaml", NULL));
    test_write(test_path(folder, "mine.yaml"), "run:\n");
    expect(1, NULL, "mine.yaml exists and is left as it is", test_plusultra(folder, "init", "mine.yaml", NULL));
    char *kept = test_read(test_path(folder, "mine.yaml"));
    assert_string_equal(kept, "run:\n");
    free(kept);
    expect(0, NULL, NULL, test_plusultra(folder, "init", "--all", "all.yaml", NULL));
    char *all = test_read(test_path(folder, "all.yaml"));
    assert_non_null(strstr(all, "  bootstrap_samples: "));
    free(all);
    expect(1, NULL, "plusultra init: cannot", test_plusultra(folder, "init", "no/such/folder.yaml", NULL));
}

static json_t *read_json(const char *name) {
    json_error_t error;
    json_t *root = json_load_file(test_path(folder, name), 0, &error);
    if (!root) print_error("%s: %s\n", name, error.text);
    assert_non_null(root);
    return root;
}

static void json_is_written_after_success_and_failure(void **state) {
    (void)state;
    expect(0, NULL, NULL, test_plusultra(folder, "init", "--json", "ok.json", "j.yaml", NULL));
    json_t *root = read_json("ok.json");
    assert_string_equal(json_string_value(json_object_get(root, "verb")), "init");
    assert_string_equal(json_string_value(json_object_get(root, "status")), "ok");
    assert_string_equal(json_string_value(json_object_get(root, "file")), "j.yaml");
    assert_null(json_object_get(root, "error"));
    json_decref(root);

    expect(1, NULL, "exists", test_plusultra(folder, "init", "--json", "failed.json", "j.yaml", NULL));
    root = read_json("failed.json");
    assert_string_equal(json_string_value(json_object_get(root, "status")), "io");
    assert_non_null(strstr(json_string_value(json_object_get(root, "error")), "j.yaml exists"));
    json_decref(root);

    expect(2, NULL, "unknown option", test_plusultra(folder, "init", "--json", "usage.json", "--nope", NULL));
    root = read_json("usage.json");
    assert_string_equal(json_string_value(json_object_get(root, "status")), "config");
    json_decref(root);

    /* A message that is not UTF-8 still gives valid JSON. */
    expect(1, NULL, "cannot", test_plusultra(folder, "init", "--json", "bytes.json", "no\xff/such", NULL));
    root = read_json("bytes.json");
    assert_non_null(strstr(json_string_value(json_object_get(root, "error")), "no?/such"));
    json_decref(root);

    test_write(test_path(folder, "kept.txt"), "not a result");
    expect(2, "", "kept.txt exists and is no result",
           test_plusultra(folder, "init", "--json", "kept.txt", "unborn.yaml", NULL));
    expect(2, "", "exists and is no result", test_plusultra(folder, "init", "--json", "kept.txt", "--nope", NULL));
    char *kept = test_read(test_path(folder, "kept.txt"));
    assert_string_equal(kept, "not a result");
    free(kept);
    assert_null(test_read(test_path(folder, "unborn.yaml"))); /* refused before the work */
    expect(2, "", "is a folder", test_plusultra(folder, "show-config", "--json", ".", NULL));
    expect(1, NULL, "cannot create", test_plusultra(folder, "show-config", "--json", "no/such/r.json", NULL));
    expect(0, "\"status\": \"ok\"", NULL, test_plusultra(folder, "show-config", "--json", "/dev/stdout", NULL));
}

/* Standard output is the JSON alone, after a failure too; what people read is on standard error; no file is made. */
static void the_result_on_standard_output(void **state) {
    (void)state;
    test_outcome outcome =
        test_plusultra(folder, "synth", "--store", "o.db", "--assets", "1", "--bars", "50", "--json", "-", NULL);
    json_t *root = json_loads(outcome.out, 0, NULL);
    assert_int_equal(outcome.code, 0);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "ok");
    assert_true(outcome.err[0] != '\0');
    json_decref(root);
    test_outcome_free(&outcome);
    outcome = test_plusultra(folder, "assets", "list", "--store", "none.db", "--json", "-", NULL);
    root = json_loads(outcome.out, 0, NULL);
    assert_int_equal(outcome.code, 1);
    assert_non_null(root);
    assert_non_null(json_object_get(root, "error"));
    json_decref(root);
    test_outcome_free(&outcome);
    assert_null(test_read(test_path(folder, "-")));
}

static void errors_are_one_line(void **state) {
    (void)state;
    test_outcome outcome = test_plusultra(folder, "init", "no\n\033[31m/such", NULL);
    assert_int_equal(outcome.code, 1);
    assert_ptr_equal(strchr(outcome.err, '\n'), outcome.err + strlen(outcome.err) - 1);
    assert_null(strchr(outcome.err, '\033'));
    test_outcome_free(&outcome);

    outcome = test_plusultra(folder, "show-config", "--log-format", "json", "--set", "train.lr=\"x\"", NULL);
    assert_int_equal(outcome.code, 2);
    json_t *root = json_loads(outcome.err, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(root, "event")), "show-config");
    json_decref(root);
    test_outcome_free(&outcome);
}

static void a_full_output_is_a_failure(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "\"$PU_BINARY/plusultra\" show-config >/dev/full", NULL};
    expect(1, NULL, "cannot write to standard output", test_run(folder, argv));
}

/* Both streams into one file: "report: ..." is a message, "written: ..." the last line of the result before it. */
static void messages_stand_between_lines(void **state) {
    (void)state;
    const char *const argv[] = {
        "sh", "-c",
        "exec 2>&1; p=\"$PU_BINARY/plusultra\"; \"$p\" synth -s order.db --assets 2 --bars 300 >/dev/null && "
        "\"$p\" stress --set data.store=order.db --set data.symbols=[SYN01] --set run.name=order --set run.out=. "
        "--set stress.policy=buy_hold --set stress.paths=4 --set stress.steps_bars=20 "
        "--set stress.scenarios=[gap_down] --set stress.severities=[1]",
        NULL};
    test_outcome outcome = test_run(folder, argv);
    if (outcome.code != 0) fail_msg("%s", outcome.out);
    const char *written = strstr(outcome.out, "\nwritten: "), *report = strstr(outcome.out, "\nreport: ");
    if (!written || !report || report < written) fail_msg("%s", outcome.out);
    test_outcome_free(&outcome);
}

static int make_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_has_help),
        cmocka_unit_test(wrong_requests_exit_with_2),
        cmocka_unit_test(features_are_described),
        cmocka_unit_test(configuration_is_shown_and_reads_back),
        cmocka_unit_test(init_writes_once),
        cmocka_unit_test(json_is_written_after_success_and_failure),
        cmocka_unit_test(the_result_on_standard_output),
        cmocka_unit_test(errors_are_one_line),
        cmocka_unit_test(a_full_output_is_a_failure),
        cmocka_unit_test(messages_stand_between_lines),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
