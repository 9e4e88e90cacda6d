/* SIGKILL and SIGINT at random points of an import: every file is in the store whole or not at all, and running
 * again ends where an unbroken run ends. The seed of the points is fixed and printed. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/store.h"
#include "tests/support/process.h"

enum { FILES = 3, ROWS = 40000, SYMBOLS = 8, KILLS = 6, SEED = 20261123 };

static char *folder;

/* What is imported, and what an unbroken import of it gives. */
typedef struct source {
    const char *name;
    int assets, bars; /* bars of each */
    double whole_run_s;
    char whole_hash[65];
} source;

static source sources[] = {{.name = "tables", .assets = FILES, .bars = ROWS},
                           {.name = "panel.csv", .assets = SYMBOLS, .bars = ROWS / SYMBOLS},
                           {.name = "panel.db", .assets = SYMBOLS, .bars = ROWS / SYMBOLS}};

static void write_table(const char *path, uint64_t stream) {
    pu_random random = pu_random_at(SEED, stream);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    double close = 100;
    fputs("Date,Open,High,Low,Close\n", file);
    for (int64_t i = 0; i < ROWS; ++i) {
        char when[32];
        pu_time_format(1000000000 + 300 * i, true, when);
        const double open = close;
        close *= exp(0.001 * pu_random_normal(&random));
        fprintf(file, "%s,%.6f,%.6f,%.6f,%.6f\n", when, open, fmax(open, close) + 0.01, fmin(open, close) - 0.01,
                close);
    }
    assert_int_equal(fclose(file), 0);
}

/* The same rows as symbols that take turns, as text and in another database, where they lie in no order. */
static void write_panel(void) {
    FILE *file = fopen(test_path(folder, "panel.csv"), "w");
    sqlite3 *db = NULL;
    assert_non_null(file);
    fputs("symbol,timestamp,open,high,low,close\n", file);
    for (int i = 0; i < ROWS; ++i)
        fprintf(file, "S%d,%d,%d.5,%d.75,%d.25,%d.5\n", i % SYMBOLS, 1000000000 + 300 * (i / SYMBOLS),
                100 + i % 97, 100 + i % 97, 100 + i % 97, 100 + i % 97);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sqlite3_open(test_path(folder, "panel.db"), &db), SQLITE_OK);
    char sql[512];
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE bars (symbol TEXT, timestamp INTEGER, open REAL, high REAL, low REAL, close REAL); "
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO bars SELECT "
        "'S' || (i %% %d), 1000000000 + 300 * (i / %d), 100.5 + i %% 97, 100.75 + i %% 97, 100.25 + i %% 97, "
        "100.5 + i %% 97 FROM n",
        ROWS - 1, SYMBOLS, SYMBOLS);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static pid_t start_import(const source *from, const char *store) {
    char program[4096], tables[600];
    const char *binary = getenv("PU_BINARY");
    snprintf(program, sizeof program, "%s/plusultra", binary ? binary : "build");
    snprintf(tables, sizeof tables, "%s/%s", folder, from->name);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
        execl(program, program, "import", "--quiet", "--store", store, tables, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int wait_for(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Opens as a reader, checks everything; every asset that is there is complete. Returns how many there are. */
static int inspect(const source *from, const char *path, char hash[65]) {
    pu_store *store = NULL;
    int count = 0;
    pu_asset *assets = NULL;
    const pu_status status = pu_store_open(path, PU_STORE_READ, &store);
    if (status == PU_ERR_NOT_FOUND || (status == PU_ERR_STORE && (strstr(pu_error_message(), "version 0") ||
                                                                  strstr(pu_error_message(), "empty file"))))
        return 0; /* killed before the schema */
    if (status != PU_OK) fail_msg("%s", pu_error_message());
    if (pu_store_check(store) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    for (int i = 0; i < count; ++i) assert_int_equal(assets[i].bars, from->bars);
    assert_int_equal(pu_store_data_hash(store, count, assets, hash), PU_OK);
    pu_free(assets);
    pu_store_close(store);
    return count;
}

static int begin(void **state) {
    (void)state;
    char command[1024];
    folder = test_folder_new();
    snprintf(command, sizeof command, "mkdir '%s/tables'", folder);
    if (system(command) != 0) return -1;
    for (int i = 0; i < FILES; ++i) {
        char name[64];
        snprintf(name, sizeof name, "tables/T%d.csv", i);
        write_table(test_path(folder, name), (uint64_t)i);
    }
    write_panel();
    for (size_t i = 0; i < sizeof sources / sizeof *sources; ++i) {
        source *from = &sources[i];
        char name[64];
        snprintf(name, sizeof name, "whole-%d.db", (int)i);
        const char *path = test_path(folder, name);
        const double started_s = pu_clock_s();
        if (wait_for(start_import(from, path)) != 0) return -1;
        from->whole_run_s = pu_clock_s() - started_s;
        if (inspect(from, path, from->whole_hash) != from->assets) return -1;
    }
    return 0;
}

static int end(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void pause_s(double seconds) {
    const struct timespec wait = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};
    nanosleep(&wait, NULL);
}

static void break_at_random_points(const source *from, int signal_number, int stopped_code) {
    pu_random random = pu_random_at(SEED, 100 * (uint64_t)(from - sources + 1) + (uint64_t)signal_number);
    int stopped = 0;
    for (int i = 0; i < KILLS; ++i) {
        char name[64], hash[65];
        snprintf(name, sizeof name, "broken-%d-%d-%d.db", (int)(from - sources), signal_number, i);
        const char *path = test_path(folder, name);
        const pid_t child = start_import(from, path);
        pause_s(from->whole_run_s * pu_random_uniform(&random));
        kill(child, signal_number);
        const int code = wait_for(child);
        /* Before the program listens, an interrupt ends it as the system does. */
        const bool by_system = code == 128 + signal_number;
        if (code != 0 && code != stopped_code && !by_system) fail_msg("exit code %d", code);
        stopped += code != 0;
        const int whole = inspect(from, path, hash);
        if (code == 0) assert_int_equal(whole, from->assets);
        else if (from->assets == SYMBOLS) assert_true(whole == 0 || whole == SYMBOLS); /* one file */
        assert_int_equal(wait_for(start_import(from, path)), 0);
        assert_int_equal(inspect(from, path, hash), from->assets);
        assert_string_equal(hash, from->whole_hash);
    }
    print_message("%s, seed %d: %d of %d imports stopped by signal %d\n", from->name, SEED, stopped, KILLS,
                  signal_number);
    assert_true(stopped > 0);
}

static void a_killed_import_leaves_whole_files(void **state) {
    (void)state;
    break_at_random_points(&sources[0], SIGKILL, 128 + SIGKILL);
}

static void many_symbols_are_stored_together(void **state) {
    (void)state;
    break_at_random_points(&sources[1], SIGKILL, 128 + SIGKILL);
}

static void a_database_is_imported_whole(void **state) {
    (void)state;
    break_at_random_points(&sources[2], SIGKILL, 128 + SIGKILL);
}

static void an_interrupted_import_leaves_whole_files(void **state) {
    (void)state;
    break_at_random_points(&sources[0], SIGINT, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_import_leaves_whole_files),
        cmocka_unit_test(many_symbols_are_stored_together),
        cmocka_unit_test(a_database_is_imported_whole),
        cmocka_unit_test(an_interrupted_import_leaves_whole_files),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
