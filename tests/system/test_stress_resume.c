/* A sweep that was killed or interrupted at any moment and started again ends with the cells, and the bits, of one that
 * was not: none missing, none twice. So does one on another number of threads. */
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

#include "host/base/file.h"
#include "plusultra/log.h"
#include "plusultra/random.h"
#include "plusultra/stress.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { KILLS = 12, INTERRUPTS = 4, CELLS = 2 * (1 + 4 * 2) * 2 * 3 };

static test_market market;

static void write_config(const char *name) {
    char text[2000];
    snprintf(text, sizeof text,
             "run: {name: %s, out: %s, seed: 3, device: cpu, threads: 2}\n"
             "data: {store: %s, symbols: [AAA, BBB, CCC]}\n"
             "stress:\n"
             "  policy: momentum\n"
             "  fast_bars: 5\n"
             "  slow_bars: 20\n"
             "  scenarios: [gap_down, volatility_spike, flash_crash, liquidity_drought]\n"
             "  severities: [0.5, 1.5]\n"
             "  cost_factors: [0, 1, 3]\n"
             "  latencies: [1, 2]\n"
             "  seeds: 2\n"
             "  paths: 500\n"
             "  steps_bars: 100\n"
             "  capital: 100000\n"
             "  impact: 0.3\n"
             "  limit_loss: 0.5\n",
             name, market.folder, market.store);
    test_write(test_path(market.folder, "stress.yaml"), text);
}

/* Starts `plusultra stress` and sends it a signal after some microseconds; its exit code, or 128 and the signal's
 * number. */
static int stress_and_signal(const char *name, int signal_number, int64_t after_us) {
    char binary[600];
    write_config(name);
    const char *path = test_path(market.folder, "stress.yaml");
    snprintf(binary, sizeof binary, "%s/plusultra", getenv("PU_BINARY") ? getenv("PU_BINARY") : "build");
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(126);
        if (!freopen("/dev/null", "w", stderr)) _exit(126);
        execl(binary, binary, "stress", "--config", path, "--quiet", (char *)NULL);
        _exit(127);
    }
    if (signal_number) {
        usleep((useconds_t)after_us);
        kill(child, signal_number);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static json_t *document_of(const char *name) {
    char path[700];
    snprintf(path, sizeof path, "%s/%s/stress.json", market.folder, name);
    json_t *document = json_load_file(path, 0, NULL);
    if (!document) fail_msg("%s is missing", path);
    return document;
}

static int64_t cells_of(const char *name) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM stress_cells JOIN stress_sweeps USING (sweep_id) JOIN runs USING (run_id) "
             "WHERE name = '%s'",
             name);
    return test_market_sql(&market, sql);
}

static void assert_same_as_unbroken(const char *name) {
    static const char *const parts[] = {"cells", "limits",      "break_even", "attribution",
                                        "fans",  "worst_paths", "warnings"};
    json_t *want = document_of("unbroken"), *got = document_of(name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        if (!json_equal(json_object_get(want, parts[i]), json_object_get(got, parts[i])))
            fail_msg("%s: %s differ", name, parts[i]);
    }
    json_decref(want);
    json_decref(got);
    assert_int_equal(cells_of(name), CELLS);
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(market.store, PU_STORE_READ, &store), PU_OK);
    if (pu_store_check(store) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store_close(store);
}

static double unbroken_s;

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, 240, true);
    test_market_walk(&market, "BBB", 2, 240, true);
    test_market_walk(&market, "CCC", 3, 230, true);
    const double begun_s = pu_clock_s();
    const int code = stress_and_signal("unbroken", 0, 0);
    unbroken_s = pu_clock_s() - begun_s;
    return code == 0 && cells_of("unbroken") == CELLS ? 0 : -1;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

/* Signals at moments drawn over the time that the whole sweep takes, until it has ended by itself. */
static void strike(const char *name, int signal_number, int times, uint64_t seed) {
    pu_random random = pu_random_at(seed, 0);
    int struck = 0, within = 0;
    for (int i = 0; i < times; ++i) {
        const int64_t before = cells_of(name);
        const int64_t after_us = (int64_t)(pu_random_uniform(&random) * unbroken_s * 0.4e6);
        const int code = stress_and_signal(name, signal_number, after_us);
        const int64_t after = cells_of(name);
        /* before the handler is set SIGINT ends the process */
        assert_true(code == 0 || code == 1 || code == 128 + signal_number);
        assert_true(after >= before);
        struck += code != 0;
        within += code != 0 && after > 0 && after < CELLS;
    }
    print_message("%s: %d of %d signals struck, %d between cells; %lld of %d cells then\n", name, struck, times,
                  within, (long long)cells_of(name), CELLS);
    assert_true(struck > 0);
    assert_int_equal(stress_and_signal(name, 0, 0), 0);
    assert_same_as_unbroken(name);
}

static void killed(void **state) {
    (void)state;
    strike("killed", SIGKILL, KILLS, 20261128);
}

static void interrupted(void **state) {
    (void)state;
    strike("interrupted", SIGINT, INTERRUPTS, 7);
}

/* A cell that is gone is made again, alone, and is the same. */
static void a_missing_cell_comes_back(void **state) {
    (void)state;
    assert_int_equal(stress_and_signal("gap", 0, 0), 0);
    pu_config *config = NULL;
    pu_stress_result result;
    const char *path = test_path(market.folder, "stress.yaml");
    test_market_sql(&market, "DELETE FROM checksums WHERE part IN ('stress_cells', 'stress_fans')");
    test_market_sql(&market, "DELETE FROM stress_fans WHERE cell = 1");
    test_market_sql(&market, "DELETE FROM stress_cells WHERE cell IN (1, 17) AND sweep_id = (SELECT sweep_id FROM "
                             "stress_sweeps JOIN runs USING (run_id) WHERE name = 'gap')");
    assert_int_equal(cells_of("gap"), CELLS - 2);
    assert_int_equal(pu_config_load(path, 0, NULL, &config), PU_OK);
    if (pu_stress(config, &result) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(config);
    assert_int_equal(result.resumed, CELLS - 2);
    json_t *want = document_of("unbroken"), *got = document_of("gap");
    assert_true(json_equal(json_object_get(want, "cells"), json_object_get(got, "cells")));
    json_decref(want);
    json_decref(got);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        char name[32], name_is[64], threads_are[32];
        snprintf(name, sizeof name, "threads%d", threads);
        snprintf(name_is, sizeof name_is, "run.name=%s", name);
        snprintf(threads_are, sizeof threads_are, "run.threads=%d", threads);
        write_config(name);
        const char *overrides[] = {name_is, threads_are};
        pu_config *config = NULL;
        pu_stress_result result;
        assert_int_equal(pu_config_load(test_path(market.folder, "stress.yaml"), 2, overrides, &config), PU_OK);
        if (pu_stress(config, &result) != PU_OK) fail_msg("%s", pu_error_message());
        pu_config_free(config);
        assert_same_as_unbroken(name);
    }
}

/* Another sweep of the same run, at the same time. */
static void two_at_once_are_refused(void **state) {
    (void)state;
    char path[700];
    int lock = -1;
    snprintf(path, sizeof path, "%s/unbroken/stress.lock", market.folder);
    assert_int_equal(pu__file_lock(path, &lock), PU_OK);
    assert_int_equal(stress_and_signal("unbroken", 0, 0), 1);
    close(lock);
    assert_int_equal(stress_and_signal("unbroken", 0, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(two_at_once_are_refused),
        cmocka_unit_test(a_missing_cell_comes_back),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
