/* Memory does not grow with history: `plusultra features build`, as a process of its own, over three times as many bars
 * peaks at the same memory. */
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

/* Even the shorter history fills SQLite's page cache of 32 MiB with what is written. */
enum {
    ASSETS = 2,
    SHORT_BARS = 100000,
    LONG_BARS = 3 * SHORT_BARS,
    CHUNK = 4096,
    BAR_S = 300,
    FIRST_TS = 1262649600
};

/* Noise of allocators and threads. The bars alone would add 11 MiB if an asset were held whole. */
enum { LIMIT_KIB = 4 * 1024 };

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

/* Peak memory of the build in KiB. */
static long peak_kib(const char *store_name) {
    char program[4096], store[4096], names[4096];
    const char *binary = getenv("PU_BINARY");
    snprintf(program, sizeof program, "%s/plusultra", binary ? binary : "build");
    snprintf(store, sizeof store, "data.store=%s", test_path(folder, store_name));
    name_features(names, sizeof names);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, "features", "build", "--quiet", "--set", store, "--set", names, "--set",
              "data.symbols=[AAA, BBB]", "--set", "data.benchmark=AAA", (char *)NULL);
        _exit(127);
    }
    struct rusage usage;
    int code = 0;
    assert_int_equal(wait4(child, &code, 0, &usage), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    return usage.ru_maxrss;
}

static void building_features_does_not_grow_with_history(void **state) {
    (void)state;
    make_store("short.db", SHORT_BARS);
    const long shorter = peak_kib("short.db");
    make_store("long.db", LONG_BARS);
    const long longer = peak_kib("long.db");
    print_message("%d bars: %ld KiB, %d bars: %ld KiB\n", ASSETS * SHORT_BARS, shorter, ASSETS * LONG_BARS,
                  longer);
    if (longer - shorter > LIMIT_KIB) fail_msg("%ld KiB more", longer - shorter);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(building_features_does_not_grow_with_history)};
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
