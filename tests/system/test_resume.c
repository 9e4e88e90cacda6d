/* A run that was stopped, interrupted or killed at any step and resumed ends with the same bits as one that was
 * not; so does a run on
 * another number of threads. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "plusultra/log.h"
#include "plusultra/random.h"
#include "plusultra/train.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { STEPS = 60, STOPS = 10, KILLS = 6 };

static test_market market;

static pu_config *run_config(const char *name, int threads, const char *extra) {
    char out[600], run[64], count[32];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    snprintf(run, sizeof run, "run.name=%s", name);
    snprintf(count, sizeof count, "run.threads=%d", threads);
    return test_config(&market, out, run, count, "run.device=cpu", "windows.window_bars=16",
                       "windows.warmup_bars=16", "windows.stride_bars=4", "windows.horizons=[1, 3]",
                       "backtest.horizon=1", "model.width=16", "model.layers=1", "model.heads=2", "train.steps=60",
                       "train.warmup_steps=5", "train.eval_every=7", "train.checkpoint_every=3",
                       "train.patience=0", "train.batch=6", extra ? extra : "run.seed=5", NULL);
}

/* SHA-256 of the data file of a checkpoint: parameters, moments and the state of the run. */
static void digest(const char *run, const char *which, char out[80]) {
    char path[700];
    snprintf(path, sizeof path, "%s/%s/checkpoint/%s/manifest.json", market.folder, run, which);
    json_error_t error;
    json_t *manifest = json_load_file(path, 0, &error);
    const char *hash = json_string_value(json_object_get(manifest, "sha256"));
    if (!hash) fail_msg("%s: %s", path, error.text);
    snprintf(out, 80, "%s", hash);
    json_decref(manifest);
}

static void assert_same_bits(const char *run) {
    static const char *const which[] = {"last", "best"};
    for (int i = 0; i < 2; ++i) {
        char want[80], got[80];
        digest("unbroken", which[i], want);
        digest(run, which[i], got);
        assert_string_equal(got, want);
    }
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_WARNING, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, 420, true);
    test_market_walk(&market, "BBB", 2, 380, true);
    pu_config *config = run_config("unbroken", 2, NULL);
    pu_train_result result;
    const pu_status status = pu_train(config, PU_TRAIN_NEW, 0, &result);
    pu_config_free(config);
    if (status != PU_OK) fprintf(stderr, "%s\n", pu_error_message());
    return status == PU_OK && result.steps == STEPS ? 0 : -1;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static void stopped_at_random_steps(void **state) {
    (void)state;
    pu_random random = pu_random_at(20261123, 0);
    for (int i = 0; i < STOPS; ++i) {
        char name[32];
        snprintf(name, sizeof name, "stop%d", i);
        const int64_t stop = 1 + (int64_t)pu_random_below(&random, STEPS - 1);
        print_message("stopping after step %lld\n", (long long)stop);
        pu_config *config = run_config(name, 1 + i % 2, NULL);
        pu_train_result result;
        assert_int_equal(pu_train(config, PU_TRAIN_NEW, stop, &result), PU_ERR_INTERRUPTED);
        assert_int_equal(result.steps, stop);
        if (pu_train(config, PU_TRAIN_RESUME, 0, &result) != PU_OK) fail_msg("%s", pu_error_message());
        assert_int_equal(result.steps, STEPS);
        pu_config_free(config);
        assert_same_bits(name);
    }
}

static void threads_do_not_matter(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; ++threads) {
        char name[32];
        snprintf(name, sizeof name, "threads%d", threads);
        pu_config *config = run_config(name, threads, NULL);
        pu_train_result result;
        assert_int_equal(pu_train(config, PU_TRAIN_NEW, 0, &result), PU_OK);
        pu_config_free(config);
        assert_same_bits(name);
    }
}

/* Starts `plusultra train --resume` on the run and sends it a signal after some milliseconds; true once it has
 * ended by itself. */
static bool train_and_signal(const char *name, int signal_number, int after_ms, int *exit_code) {
    pu_config *config = run_config(name, 2, NULL);
    char *text = pu_config_text(config), path[700], binary[600];
    pu_config_free(config);
    snprintf(path, sizeof path, "%s/%s.yaml", market.folder, name);
    test_write(path, text);
    free(text);
    snprintf(binary, sizeof binary, "%s/plusultra", getenv("PU_BINARY") ? getenv("PU_BINARY") : "build");
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(binary, binary, "train", "--config", path, "--resume", "--quiet", (char *)NULL);
        _exit(127);
    }
    if (after_ms > 0) usleep((useconds_t)after_ms * 1000);
    if (after_ms > 0) kill(child, signal_number);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void killed_at_random_times(void **state) {
    (void)state;
    pu_random random = pu_random_at(7, 1);
    int code = 0, killed = 0;
    for (int i = 0; i < KILLS; ++i) {
        const int after_ms = 5 + (int)pu_random_below(&random, 120);
        if (!train_and_signal("killed", SIGKILL, after_ms, &code)) ++killed;
    }
    assert_true(train_and_signal("killed", 0, 0, &code));
    assert_same_bits("killed");
    print_message("%d of %d kills struck\n", killed, KILLS);
}

static void interrupted(void **state) {
    (void)state;
    int code = 0;
    for (int i = 0; i < 3; ++i) {
        train_and_signal("interrupted", SIGINT, 40 + 30 * i, &code);
        assert_true(code == 0 || code == 1 ||
                    code == 128 + SIGINT); /* before the handler is set the signal ends the process */
    }
    assert_true(train_and_signal("interrupted", 0, 0, &code));
    assert_same_bits("interrupted");
}

static void another_configuration_is_refused(void **state) {
    (void)state;
    pu_config *config = run_config("refused", 1, NULL);
    pu_train_result result;
    assert_int_equal(pu_train(config, PU_TRAIN_NEW, 9, &result), PU_ERR_INTERRUPTED);
    assert_int_equal(pu_train(config, PU_TRAIN_NEW, 9, &result), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "--resume"));
    pu_config_free(config);
    config = run_config("refused", 1, "train.lr=0.005");
    assert_int_equal(pu_train(config, PU_TRAIN_RESUME, 0, &result), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "another configuration"));
    pu_config_free(config);
    config = run_config("refused", 2, "run.seed=6");
    assert_int_equal(pu_train(config, PU_TRAIN_RESUME, 0, &result), PU_ERR_CONFIG);
    pu_config_free(config);
}

/* A ticker used again by another company: error level. */
static void faulty_data_are_refused(void **state) {
    (void)state;
    test_market faulty = test_market_new();
    pu_bars bars;
    assert_true(test_bars_walk(3, 600, TEST_FIRST_TS, TEST_DAY_S, &bars));
    for (int64_t i = 300; i < bars.count; ++i) bars.ts[i] += 900 * (int64_t)TEST_DAY_S;
    test_market_put(&faulty, "CCC", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", faulty.folder);
    for (int allowed = 0; allowed < 2; ++allowed) {
        pu_config *config =
            test_config(&faulty, out, "run.device=cpu", "windows.window_bars=16", "windows.warmup_bars=16",
                        "windows.horizons=[1]", "model.width=16", "model.layers=1", "model.heads=2",
                        "train.steps=3", "train.warmup_steps=1", "train.batch=4",
                        allowed ? "data.accept=[ticker_reused, long_gap]" : "run.seed=1", NULL);
        pu_train_result result;
        assert_int_equal(pu_train(config, PU_TRAIN_NEW, 0, &result), allowed ? PU_OK : PU_ERR_DATA);
        if (!allowed) assert_non_null(strstr(pu_error_message(), "CCC"));
        if (!allowed) assert_non_null(strstr(pu_error_message(), "data.accept: [long_gap, ticker_reused]"));
        pu_config_free(config);
    }
    test_market_remove(&faulty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_at_random_steps),          cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(killed_at_random_times),           cmocka_unit_test(interrupted),
        cmocka_unit_test(another_configuration_is_refused), cmocka_unit_test(faulty_data_are_refused),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
