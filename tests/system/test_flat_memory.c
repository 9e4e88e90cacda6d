/* Memory does not grow with history: `plusultra features build`, and `predict`, as processes of their own, over three
 * times as many bars peak at the same memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/write.h"
#include "plusultra/features.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum {
    ASSETS = 2,
    SHORT_BARS = 100000,
    LONG_BARS = 3 * SHORT_BARS,
    CHUNK = 4096,
    BAR_S = 300,
    FIRST_TS = 1262649600
};

/* Noise of allocators and threads, where even the shorter history fills SQLite's page cache of 32 MiB with what is
 * written; the bars alone would add 11 MiB if an asset were held whole. Forecasts of the shorter history do not fill
 * that cache; held whole they would add 120 MiB. */
enum { BUILD_LIMIT_KIB = 4 * 1024, PREDICT_LIMIT_KIB = 24 * 1024, LIBRARIES_KIB = 128 * 1024 };

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static pu_status add_walk(pu_store *store, const char *symbol, uint64_t seed, int64_t count) {
    static pu__bar bars[CHUNK];
    pu__bar_writer writer;
    pu_random random = pu_random_at(seed, 0);
    int64_t id = 0;
    double close = 100;
    PU_TRY(pu__asset_make(store, symbol, "crypto", BAR_S, "", 105120, &id));
    PU_TRY(pu__bar_writer_open(store, id, &writer));
    pu_status status = PU_OK;
    for (int64_t first = 0; first < count && status == PU_OK; first += CHUNK) {
        const int64_t n = count - first < CHUNK ? count - first : CHUNK;
        for (int64_t i = 0; i < n; ++i) {
            close *= exp(0.001 * pu_random_normal(&random));
            bars[i] = (pu__bar){FIRST_TS + (first + i) * BAR_S, close, close * 1.001, close * 0.999, close, close,
                                1 + (double)(i % 100)};
        }
        status = pu__bars_put(&writer, bars, n, false, NULL);
    }
    return pu__bar_writer_close(&writer, status);
}

static void make_store(const char *name, int64_t bars) {
    pu_store *store = NULL;
    if (pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_begin(store), PU_OK);
    for (int a = 0; a < ASSETS; ++a)
        if (add_walk(store, a ? "BBB" : "AAA", (uint64_t)a + 1, bars) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_commit(store), PU_OK);
    pu_store_close(store);
}

/* The default set, a benchmark, the universe and a cross-section. */
static void name_features(char *out, size_t size) {
    size_t used =
        (size_t)snprintf(out, size, "features.names=[beta_60, universe_correlation_60, cross_rank_return_20");
    for (int i = 0; i < pu_feature_default_count(); ++i)
        used += (size_t)snprintf(out + used, size - used, ", %s", pu_feature_default_at(i));
    snprintf(out + used, size - used, "]");
}

enum { ARGUMENTS_MAX = 40 };

/* Runs plusultra with these arguments; its peak memory in KiB. */
static long run(const char *const *arguments) {
    char program[4096];
    const char *binary = getenv("PU_BINARY"), *all[ARGUMENTS_MAX] = {program};
    snprintf(program, sizeof program, "%s/plusultra", binary ? binary : "build");
    for (int i = 0; i + 2 < ARGUMENTS_MAX && arguments[i]; ++i) all[i + 1] = arguments[i];
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execv(program, (char *const *)(uintptr_t)all);
        _exit(127);
    }
    struct rusage usage;
    int code = 0;
    assert_int_equal(wait4(child, &code, 0, &usage), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    return usage.ru_maxrss;
}

static long build_kib(const char *store_name) {
    char store[4096], names[4096];
    snprintf(store, sizeof store, "data.store=%s", test_path(folder, store_name));
    name_features(names, sizeof names);
    const char *const arguments[] = {"features",
                                     "build",
                                     "--quiet",
                                     "--set",
                                     store,
                                     "--set",
                                     names,
                                     "--set",
                                     "data.symbols=[AAA, BBB]",
                                     "--set",
                                     "data.benchmark=AAA",
                                     NULL};
    return run(arguments);
}

static void expect_flat(long shorter, long longer, long limit_kib) {
    print_message("%d bars: %ld KiB, %d bars: %ld KiB\n", ASSETS * SHORT_BARS, shorter, ASSETS * LONG_BARS,
                  longer);
    if (shorter > LIBRARIES_KIB) {
        print_message("CUDA's libraries, whose pages come and go, hide what is measured here\n");
        skip();
    }
    if (longer - shorter > limit_kib) fail_msg("%ld KiB more", longer - shorter);
}

static void building_features_does_not_grow_with_history(void **state) {
    (void)state;
    make_store("short.db", SHORT_BARS);
    make_store("long.db", LONG_BARS);
    const long shorter = build_kib("short.db");
    expect_flat(shorter, build_kib("long.db"), BUILD_LIMIT_KIB);
}

/* A step of training leaves a checkpoint to predict with. */
static long predict_kib(const char *store_name, const char *name) {
    char store[4096], out[4096], run_name[64];
    snprintf(store, sizeof store, "data.store=%s", test_path(folder, store_name));
    snprintf(out, sizeof out, "run.out=%s", test_path(folder, "runs"));
    snprintf(run_name, sizeof run_name, "run.name=%s", name);
    const char *arguments[] = {"train", "--quiet",
                               "--set", store,
                               "--set", out,
                               "--set", run_name,
                               "--set", "features.names=[log_return_1, close_location]",
                               "--set", "model.width=8",
                               "--set", "model.layers=1",
                               "--set", "model.heads=1",
                               "--set", "windows.window_bars=64",
                               "--set", "windows.warmup_bars=16",
                               "--set", "predict.stride_bars=64",
                               "--set", "windows.cache_mib=0",
                               "--set", "split.valid_ratio=0.01",
                               "--set", "train.steps=1",
                               "--set", "train.warmup_steps=0",
                               "--set", "train.batch=16",
                               "--set", "train.eval_every=1",
                               NULL};
    run(arguments);
    arguments[0] = "predict";
    return run(arguments);
}

static void predicting_does_not_grow_with_history(void **state) {
    (void)state;
    const long shorter = predict_kib("short.db", "short");
    expect_flat(shorter, predict_kib("long.db", "long"), PREDICT_LIMIT_KIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(building_features_does_not_grow_with_history),
                                       cmocka_unit_test(predicting_does_not_grow_with_history)};
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
