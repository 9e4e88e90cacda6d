/* What happens to a store: cut short, bits flipped, locked, out of space, read-only, left by a killed writer. Each
 * is a clear error, and what was committed is never changed. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/base/file.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum { BARS = 3000, NOBODY = 65534 };

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

static pu_status add_bars(pu_store *store, const char *symbol, int64_t count) {
    int64_t id = 0;
    pu__bar_writer writer;
    PU_TRY(pu_store_begin(store));
    pu_status status = pu__asset_make(store, symbol, "crypto", 60, "", 1, &id);
    if (status == PU_OK) status = pu__bar_writer_open(store, id, &writer);
    if (status == PU_OK) {
        for (int64_t i = 0; i < count && status == PU_OK; ++i) {
            const double close = 100 + sin((double)i);
            const pu__bar bar = {60 * i, close, close * 1.01, close * 0.99, close, close, (double)i};
            status = pu__bars_put(&writer, &bar, 1, false, NULL);
        }
        status = pu__bar_writer_close(&writer, status);
    }
    if (status == PU_OK) status = pu_store_commit(store);
    if (status != PU_OK) pu_store_rollback(store);
    return status;
}

static pu_status add_predictions(pu_store *store) {
    enum { ROWS = 50 };
    int64_t ts[ROWS], horizon = 1;
    float value[ROWS], sigma[ROWS];
    double quantile = 0.5;
    for (int i = 0; i < ROWS; ++i) ts[i] = 60 * i, value[i] = (float)i, sigma[i] = 0.01f;
    const pu_prediction_set set = {1, ROWS, ts, 1, &horizon, 1, &quantile, value, sigma};
    return pu_store_put_predictions(store, "run", &set);
}

static void make_store(const char *name) {
    pu_store *store = NULL;
    if (pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store) != PU_OK)
        fail_msg("%s", pu_error_message());
    if (add_bars(store, "A", BARS) != PU_OK || add_predictions(store) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store_close(store);
}

/* Reads all that the store promises to protect; PU_OK only when it is what make_store put in. */
static pu_status read_all(const char *path, bool *same) {
    pu_store *store = NULL;
    pu_bars bars = {0};
    pu_prediction_set set = {0};
    int count = 0;
    pu_asset *assets = NULL;
    *same = false;
    pu_status status = pu_store_open(path, PU_STORE_READ, &store);
    if (status == PU_OK) status = pu_store_check(store);
    if (status == PU_OK) status = pu_store_assets(store, 0, NULL, &count, &assets);
    if (status == PU_OK && count > 0) status = pu_store_bars(store, assets[0].id, INT64_MIN, INT64_MAX, &bars);
    if (status == PU_OK) status = pu_store_get_predictions(store, "run", 1, &set);
    if (status == PU_OK) {
        *same = count == 1 && bars.count == BARS && set.count == 50;
        for (int64_t i = 0; i < bars.count && *same; ++i) {
            const double close = 100 + sin((double)i);
            *same = bars.ts[i] == 60 * i && bars.open[i] == close && bars.high[i] == close * 1.01 &&
                    bars.low[i] == close * 0.99 && bars.close[i] == close && bars.adjusted[i] == close &&
                    bars.volume[i] == (double)i;
        }
        for (int64_t i = 0; i < set.count && *same; ++i)
            *same = set.ts[i] == 60 * i && set.value[i] == (float)i && set.sigma[i] == 0.01f;
    }
    if (status == PU_OK || bars.ts) pu_bars_free(&bars);
    if (set.ts) pu_prediction_set_free(&set);
    pu_free(assets);
    pu_store_close(store);
    return status;
}

/* Any single flipped bit is named, or lies where nothing is kept: what is read without an error is what was
 * written. */
static void flipped_bits_never_pass(void **state) {
    (void)state;
    enum { FLIPS = 400 };
    char *good = NULL;
    size_t bytes = 0;
    bool same = false;
    int named = 0;
    make_store("flip.db");
    const char *path = test_path(folder, "flip.db");
    assert_int_equal(read_all(path, &same), PU_OK);
    assert_true(same);
    assert_int_equal(pu__file_read(path, 1 << 24, &good, &bytes), PU_OK);
    pu_random random = pu_random_at(99, 0);
    for (int i = 0; i < FLIPS; ++i) {
        const int file = open(path, O_WRONLY);
        const uint64_t bit =
            pu_random_below(&random, 8 * (i % 4 == 0 ? 4096 : bytes)); /* every fourth in the head of the file */
        const char flipped = (char)(good[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(pwrite(file, &flipped, 1, (off_t)(bit / 8)), 1);
        const pu_status status = read_all(path, &same);
        if (status == PU_OK && !same) fail_msg("bit %llu: wrong values without an error", (unsigned long long)bit);
        if (status != PU_OK) ++named;
        if (status == PU_ERR_MEMORY) fail_msg("bit %llu: %s", (unsigned long long)bit, pu_error_message());
        assert_int_equal(pwrite(file, good + bit / 8, 1, (off_t)(bit / 8)), 1);
        close(file);
    }
    print_message("%d of %d flips named, the others lie in unused bytes or in texts\n", named, FLIPS);
    assert_true(named > FLIPS / 4);
    assert_int_equal(read_all(path, &same), PU_OK);
    assert_true(same);
    pu_free(good);
}

static void cut_files_are_named(void **state) {
    (void)state;
    make_store("cut.db");
    const char *path = test_path(folder, "cut.db");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    bool same = false;
    static const double share[] = {0.999, 0.9, 0.5, 0.1, 0.01};
    for (size_t i = 0; i < sizeof share / sizeof *share; ++i) {
        assert_int_equal(truncate(path, (off_t)(share[i] * (double)info.st_size)), 0);
        assert_int_equal(read_all(path, &same), PU_ERR_CORRUPT);
    }
    make_store("cut2.db");
    assert_int_equal(truncate(test_path(folder, "cut2.db"), info.st_size - 8192), 0); /* a whole page */
    assert_int_equal(read_all(test_path(folder, "cut2.db"), &same), PU_ERR_CORRUPT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(read_all(path, &same), PU_ERR_STORE); /* empty: to be made, but not by a reader */
}

static void a_locked_store_says_so(void **state) {
    (void)state;
    pu_store *first = NULL, *second = NULL;
    make_store("lock.db");
    assert_int_equal(pu_store_open(test_path(folder, "lock.db"), PU_STORE_WRITE, &first), PU_OK);
    assert_int_equal(pu_store_open(test_path(folder, "lock.db"), PU_STORE_WRITE, &second), PU_OK);
    assert_int_equal(sqlite3_busy_timeout(pu_store_sqlite(second), 20), SQLITE_OK);
    assert_int_equal(pu_store_begin(first), PU_OK);
    assert_int_equal(pu_store_begin(second), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "another process is writing"));
    pu_store_rollback(first);
    assert_int_equal(pu_store_begin(second), PU_OK);
    pu_store_close(second);
    pu_store_close(first);
}

static void a_full_store_keeps_what_it_had(void **state) {
    (void)state;
    pu_store *store = NULL;
    make_store("full.db");
    assert_int_equal(pu_store_open(test_path(folder, "full.db"), PU_STORE_WRITE, &store), PU_OK);
    int64_t pages = 0;
    char limit[64];
    assert_int_equal(pu__sql_integer(store, "PRAGMA page_count", 0, &pages), PU_OK);
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld", (long long)pages + 2);
    assert_int_equal(pu__sql_exec(store, limit, "limit"), PU_OK);
    assert_int_equal(add_bars(store, "B", 20000), PU_ERR_IO);
    assert_non_null(strstr(pu_error_message(), "free some space"));
    pu_store_close(store);
    bool same = false;
    assert_int_equal(read_all(test_path(folder, "full.db"), &same), PU_OK);
    assert_true(same);
}

/* Runs `body` in a child process and returns its exit code. */
static int in_child(int (*body)(const char *path), const char *path) {
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(body(path));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The operating system refuses to let files grow, as a full disk does. */
static int write_beyond_limit(const char *path) {
    pu_store *store = NULL;
    const struct rlimit limit = {300 * 1024, 300 * 1024};
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 100;
    if (pu_store_open(path, PU_STORE_WRITE, &store) != PU_OK) return 101;
    if (sqlite3_exec(pu_store_sqlite(store), "PRAGMA cache_size = 10", NULL, NULL, NULL) != SQLITE_OK) return 102;
    const pu_status status = add_bars(store, "B", 20000);
    pu_store_close(store);
    return (int)status;
}

static void a_full_disk_keeps_what_there_was(void **state) {
    (void)state;
    bool same = false;
    make_store("disk.db");
    assert_int_equal(in_child(write_beyond_limit, test_path(folder, "disk.db")), PU_ERR_IO);
    assert_int_equal(read_all(test_path(folder, "disk.db"), &same), PU_OK);
    assert_true(same);
}

static int write_in_vain(const char *path) {
    pu_store *store = NULL;
    if (geteuid() == 0 && seteuid(NOBODY) != 0) return 100;
    pu_status status = pu_store_open(path, PU_STORE_CREATE, &store);
    if (status == PU_OK) status = add_bars(store, "B", 10);
    const bool advised = strstr(pu_error_message(), "written") || strstr(pu_error_message(), "read-only");
    pu_store_close(store);
    return advised ? (int)status : 101;
}

static void read_only_places_are_named(void **state) {
    (void)state;
    char inner[600];
    snprintf(inner, sizeof inner, "%s/inner", folder);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    make_store("inner/kept.db");
    assert_int_equal(chmod(test_path(inner, "kept.db"), 0666), 0);
    assert_int_equal(chmod(inner, 0555), 0);
    assert_int_equal(in_child(write_in_vain, test_path(inner, "new.db")), PU_ERR_IO);  /* no file can be made */
    assert_int_equal(in_child(write_in_vain, test_path(inner, "kept.db")), PU_ERR_IO); /* no journal can be made */
    assert_int_equal(chmod(inner, 0755), 0);
    assert_int_equal(chmod(test_path(inner, "kept.db"), 0444), 0);
    assert_int_equal(in_child(write_in_vain, test_path(inner, "kept.db")), PU_ERR_IO);
    bool same = false;
    assert_int_equal(read_all(test_path(inner, "kept.db"), &same), PU_OK);
    assert_true(same);
}

/* Dies in the middle of a transaction whose pages are in the file already. */
static int die_writing(const char *path) {
    pu_store *store = NULL;
    int64_t id = 0;
    pu__bar_writer writer;
    if (pu_store_open(path, PU_STORE_WRITE, &store) != PU_OK || pu_store_begin(store) != PU_OK) return 101;
    if (sqlite3_exec(pu_store_sqlite(store), "PRAGMA cache_size = 10; DELETE FROM predictions", NULL, NULL,
                     NULL) != SQLITE_OK)
        return 102;
    if (pu__asset_make(store, "B", "crypto", 60, "", 1, &id) != PU_OK ||
        pu__bar_writer_open(store, id, &writer) != PU_OK)
        return 103;
    for (int64_t i = 0; i < 30000; ++i) {
        const pu__bar bar = {60 * i, 1, 1, 1, 1, 1, 1};
        if (pu__bars_put(&writer, &bar, 1, false, NULL) != PU_OK) return 104;
    }
    kill(getpid(), SIGKILL);
    return 105;
}

/* A reader that comes first after a kill finds the state before the transaction, although a read-only connection
 * may not roll back. */
static void a_reader_recovers_after_a_kill(void **state) {
    (void)state;
    bool same = false;
    struct stat info;
    make_store("kill.db");
    assert_int_equal(in_child(die_writing, test_path(folder, "kill.db")), 128 + SIGKILL);
    assert_int_equal(stat(test_path(folder, "kill.db-journal"), &info), 0);
    if (read_all(test_path(folder, "kill.db"), &same) != PU_OK) fail_msg("%s", pu_error_message());
    assert_true(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bits_never_pass),          cmocka_unit_test(cut_files_are_named),
        cmocka_unit_test(a_locked_store_says_so),           cmocka_unit_test(a_full_store_keeps_what_it_had),
        cmocka_unit_test(a_full_disk_keeps_what_there_was), cmocka_unit_test(read_only_places_are_named),
        cmocka_unit_test(a_reader_recovers_after_a_kill),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
