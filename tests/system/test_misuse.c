/* What people do by mistake, through the command: results must not come out wrong, and nothing may be lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/support/process.h"

static char *folder;

static const char *const experiment = "run: {name: r, threads: 1, device: cpu}\n"
                                      "data: {store: m.db, benchmark: INDEX}\n"
                                      "split: {train: [2005-01-01, 2006-06-01], valid: [2006-06-01, 2007-02-01]}\n"
                                      "features: {names: [rsi_14]}\n"
                                      "windows: {window_bars: 8, warmup_bars: 16, horizons: [1, 5]}\n"
                                      "model: {width: 8, layers: 1, heads: 1, dilations: [1]}\n"
                                      "train: {steps: 12, batch: 4, warmup_steps: 2, eval_every: 4}\n"
                                      "backtest: {bootstrap_samples: 100}\n";

/* Checks exit code and standard error; frees. */
static void expect(int code, const char *err, test_outcome outcome) {
    const bool fits = outcome.code == code && (!err || strstr(outcome.err, err));
    if (!fits) {
        print_error("exit %d, expected %d\nerr: %s\nexpected: %s\n", outcome.code, code, outcome.err,
                    err ? err : "(any)");
    }
    assert_true(fits);
    test_outcome_free(&outcome);
}

#define RUN(verb, ...) test_plusultra(folder, verb, "-q", "-c", "c.yaml", __VA_ARGS__, NULL)
#define PLAIN(verb) test_plusultra(folder, verb, "-q", "-c", "c.yaml", NULL)

static int open_market(void **state) {
    (void)state;
    folder = test_folder_new();
    test_write(test_path(folder, "c.yaml"), experiment);
    expect(0, NULL, test_plusultra(folder, "synth", "-s", "m.db", "--assets", "2", "--bars", "800", NULL));
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void predictions_belong_to_one_checkpoint(void **state) {
    (void)state;
    expect(0, NULL, RUN("train", "--overwrite"));
    expect(0, NULL, PLAIN("predict"));
    expect(0, NULL, RUN("train", "--overwrite", "--set", "train.lr=0.01"));
    expect(1, "are not those of its checkpoint/best", PLAIN("backtest"));
    expect(0, NULL, RUN("predict", "--set", "data.symbols=[SYN01]"));
    expect(1, "SYN02: run 'r' has no predictions", PLAIN("backtest"));
    expect(0, NULL, PLAIN("predict"));
    expect(0, NULL, PLAIN("backtest"));
}

static void a_misspelt_benchmark_is_refused_before_training(void **state) {
    (void)state;
    expect(2, "data.benchmark: there is no asset 'INDX' in m.db; did you mean 'INDEX'?",
           RUN("train", "--overwrite", "--set", "data.benchmark=INDX"));
    expect(0, NULL, RUN("features", "build", "--set", "data.benchmark=INDEX@86400"));
}

/* The lock is the kernel's: what a killed training leaves does not stand in the way. */
static void two_trainings_do_not_share_a_folder(void **state) {
    (void)state;
    expect(0, NULL, RUN("train", "--overwrite"));
    const int lock = open(test_path(folder, "runs/r/lock"), O_RDWR);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    expect(1, "another process works in this folder and holds runs/r/lock", RUN("train", "--overwrite"));
    expect(1, "another process works in this folder and holds runs/r/lock", RUN("train", "--resume"));
    assert_int_equal(close(lock), 0);
    expect(0, NULL, RUN("train", "--resume"));
}

/* The first file that stays open, the lock, would become standard error. */
static void closed_streams_are_not_taken_by_files(void **state) {
    (void)state;
    char command[1024];
    const char *binary = getenv("PU_BINARY");
    snprintf(command, sizeof command, "exec %s/plusultra train -c c.yaml --overwrite 2>&-", binary ? binary : ".");
    expect(0, "", test_run(folder, (const char *const[]){"sh", "-c", command, NULL}));
    char *lock = test_read(test_path(folder, "runs/r/lock"));
    assert_non_null(lock);
    assert_string_equal(lock, "");
    free(lock);
}

static void a_stop_that_was_asked_for_is_no_failure(void **state) {
    (void)state;
    test_outcome outcome = test_plusultra(folder, "train", "-c", "c.yaml", "--overwrite", "--stop-after", "3",
                                          "--json", "s.json", NULL);
    assert_null(strstr(outcome.err, "nan"));
    expect(0, "stopped after step 3; --resume goes on", outcome);
    char *json = test_read(test_path(folder, "s.json"));
    assert_non_null(strstr(json, "\"interrupted\": true"));
    free(json);
    expect(0, NULL, RUN("train", "--resume"));
}

static void synth_names_the_option(void **state) {
    (void)state;
    expect(2, "--start: '2020-99-99'",
           test_plusultra(folder, "synth", "-s", "n.db", "--start", "2020-99-99", NULL));
    expect(2, "--tail-df: expects", test_plusultra(folder, "synth", "-s", "n.db", "--tail-df", "1", NULL));
    expect(2, "--prefix: expects", test_plusultra(folder, "synth", "-s", "n.db", "--prefix", "a b", NULL));
    assert_null(test_read(test_path(folder, "n.db")));
}

static void an_empty_store_is_called_empty(void **state) {
    (void)state;
    test_write(test_path(folder, "empty.db"), "");
    expect(1, "empty.db is an empty file, not a store",
           test_plusultra(folder, "validate", "-s", "empty.db", NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_belong_to_one_checkpoint),
        cmocka_unit_test(a_misspelt_benchmark_is_refused_before_training),
        cmocka_unit_test(two_trainings_do_not_share_a_folder),
        cmocka_unit_test(closed_streams_are_not_taken_by_files),
        cmocka_unit_test(a_stop_that_was_asked_for_is_no_failure),
        cmocka_unit_test(synth_names_the_option),
        cmocka_unit_test(an_empty_store_is_called_empty),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
