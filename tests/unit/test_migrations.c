/* Stores of every earlier version are brought forward: every row is still there, checksums hold, training can use
 * them. Whatever fails or dies in the middle leaves the old version whole. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
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

#include "host/base/file.h"
#include "host/data/store/digest.h"
#include "host/data/store/migrate.h"
#include "host/data/store/sql.h"
#include "plusultra/config.h"
#include "plusultra/features.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/windows.h"
#include "tests/support/process.h"

enum { FILE_BYTES_MAX = 1 << 24, TABLES_MAX = 64 };

static char *folder;

static int make_folder(void **state) {
    (void)state;
    pu_log_setup(PU_LOG_WARNING, PU_LOG_HUMAN);
    pu_progress_silence(true);
    folder = test_folder_new();
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

#define MUST(expression)                                                                \
    do {                                                                                \
        if ((expression) != PU_OK) fail_msg("%s: %s", #expression, pu_error_message()); \
    } while (0)

static int known_versions(void) {
    int count = 0;
    pu__store_steps(&count);
    return count;
}

static sqlite3 *open_plain(const char *path) {
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK) fail_msg("%s: %s", path, sqlite3_errmsg(db));
    return db;
}

/* The store of that version in a file of that name. */
static const char *load_fixture(int version, const char *name) {
    const char *source = getenv("PU_SOURCE"), *path = test_path(folder, name);
    char fixture[4096], *message = NULL;
    snprintf(fixture, sizeof fixture, "%s/tests/golden/store_%d.sql", source ? source : ".", version);
    char *sql = test_read(fixture);
    if (!sql) fail_msg("%s is missing: every version that was released needs a store of its time", fixture);
    unlink(path);
    sqlite3 *db = open_plain(path);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", fixture, message);
    sqlite3_close(db);
    free(sql);
    return path;
}

/* ---- what a store holds ---- */

/* The rows of the tables and columns that a version had, as one hash per table. */
typedef struct content {
    int tables;
    char name[TABLES_MAX][64];
    char columns[TABLES_MAX][1024];
    int64_t rows[TABLES_MAX];
    char hash[TABLES_MAX][65];
} content;

static void hash_table(sqlite3 *db, content *c, int t) {
    char sql[1400];
    sqlite3_stmt *query = NULL;
    crypto_hash_sha256_state state;
    snprintf(sql, sizeof sql, "SELECT %s FROM \"%s\" ORDER BY %s", c->columns[t], c->name[t], c->columns[t]);
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    crypto_hash_sha256_init(&state);
    c->rows[t] = 0;
    int code;
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
        ++c->rows[t];
        for (int i = 0; i < sqlite3_column_count(query); ++i) {
            const int type = sqlite3_column_type(query, i);
            const unsigned char *bytes = sqlite3_column_blob(query, i);
            const double real = type == SQLITE_FLOAT ? sqlite3_column_double(query, i) : 0;
            crypto_hash_sha256_update(&state, (const unsigned char *)&type, sizeof type);
            if (type == SQLITE_FLOAT) crypto_hash_sha256_update(&state, (const unsigned char *)&real, sizeof real);
            else if (bytes)
                crypto_hash_sha256_update(&state, bytes, (unsigned long long)sqlite3_column_bytes(query, i));
        }
    }
    if (code != SQLITE_DONE) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(query);
    pu__digest_end(&state, c->hash[t]);
}

static void read_content(const char *path, content *out) {
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *tables = NULL;
    *out = (content){0};
    assert_int_equal(
        sqlite3_prepare_v2(
            db,
            "SELECT t.name, (SELECT group_concat('\"' || name || '\"') FROM pragma_table_info(t.name)) "
            "FROM sqlite_schema AS t WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
            -1, &tables, NULL),
        SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        const int t = out->tables++;
        assert_true(t < TABLES_MAX);
        snprintf(out->name[t], sizeof out->name[t], "%s", (const char *)sqlite3_column_text(tables, 0));
        snprintf(out->columns[t], sizeof out->columns[t], "%s", (const char *)sqlite3_column_text(tables, 1));
        hash_table(db, out, t);
    }
    sqlite3_finalize(tables);
    sqlite3_close(db);
}

static void same_content(const char *path, const content *before) {
    content *now = pu_calloc(1, sizeof *now);
    sqlite3 *db = open_plain(path);
    assert_non_null(now);
    memcpy(now, before, sizeof *now);
    for (int t = 0; t < now->tables; ++t) {
        hash_table(db, now, t);
        if (now->rows[t] != before->rows[t] || strcmp(now->hash[t], before->hash[t]) != 0)
            fail_msg("table %s: %" PRId64 " rows, or other ones than the %" PRId64 " of before", now->name[t],
                     now->rows[t], before->rows[t]);
    }
    sqlite3_close(db);
    pu_free(now);
}

static int64_t version_of(const char *path) {
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    const int64_t version = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return version;
}

/* The store is whole: at the old version or at the new one, with all that it held. Then a migration succeeds. */
static void whole_and_usable(const char *path, int version, const content *before) {
    pu_store *store = NULL;
    const int64_t now = version_of(path);
    assert_true(now == version || now == known_versions());
    same_content(path, before);
    MUST(pu_store_open(path, PU_STORE_WRITE, &store));
    MUST(pu_store_check(store));
    pu_store_close(store);
    assert_int_equal(version_of(path), known_versions());
    same_content(path, before);
}

/* ---- tests ---- */

/* What was released is what stores out there hold. */
static void released_steps_never_change(void **state) {
    (void)state;
    static const char *const released[] = {"3375c8bd8dfbb76715baea3f8edca53cdd9c5a5da9a6814600a7f15366c50aa5",
                                           "29b8debf91346fe2ed399cc071281f98980544834d03b63a27850eb8cf972610"};
    int count = 0;
    const pu__store_step *steps = pu__store_steps(&count);
    for (size_t i = 0; i < sizeof released / sizeof *released; ++i) {
        char hash[65];
        pu__digest(steps[i].sql, strlen(steps[i].sql), hash);
        if (strcmp(hash, released[i]) != 0)
            fail_msg("schema_%zu.sql was released and is now %s: a change is a new step", i + 1, hash);
    }
    assert_true(count > (int)(sizeof released / sizeof *released) - 1);
}

static void a_reader_says_what_to_do(void **state) {
    (void)state;
    for (int version = 1; version < known_versions(); ++version) {
        const char *path = load_fixture(version, "reader.db");
        char *before = NULL, *after = NULL;
        size_t bytes = 0, bytes_after = 0;
        pu_store *store = NULL;
        MUST(pu__file_read(path, FILE_BYTES_MAX, &before, &bytes));
        assert_int_equal(pu_store_open(path, PU_STORE_READ, &store), PU_ERR_STORE);
        assert_null(store);
        assert_non_null(strstr(pu_error_message(), "plusultra assets migrate"));
        MUST(pu__file_read(path, FILE_BYTES_MAX, &after, &bytes_after));
        assert_int_equal(bytes, bytes_after);
        assert_memory_equal(before, after, bytes);
        pu_free(before);
        pu_free(after);
    }
}

static void every_row_comes_along(void **state) {
    (void)state;
    content *before = pu_calloc(1, sizeof *before);
    assert_non_null(before);
    for (int version = 1; version < known_versions(); ++version) {
        const char *path = load_fixture(version, "rows.db");
        read_content(path, before);
        assert_true(before->tables >= 12);
        for (int t = 0; t < before->tables; ++t) {
            if (before->rows[t] == 0) fail_msg("store_%d.sql: table %s is empty", version, before->name[t]);
        }
        whole_and_usable(path, version, before);
    }
    pu_free(before);
}

/* Everything that carries a checksum after the migration is protected from then on. */
static void what_came_along_is_sealed(void **state) {
    (void)state;
    static const char *const damage[] = {
        "UPDATE assets SET periods_per_year = periods_per_year + 1",
        "UPDATE indicators SET value = value + 1",
        "DELETE FROM indicators WHERE ts = (SELECT min(ts) FROM indicators)",
        "UPDATE trades SET price = price + 1",
        "UPDATE benchmarks SET universe = 'other'",
        "UPDATE runs SET result = '{}'",
        "UPDATE runs SET seed = 8",
        "UPDATE predictions SET sigma = sigma + 1",
        "UPDATE series SET close = close * 1.0000001",
    };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; ++i) {
        pu_store *store = NULL;
        MUST(pu_store_open(load_fixture(1, "sealed.db"), PU_STORE_WRITE, &store));
        MUST(pu_store_check(store));
        MUST(pu__sql_exec(store, damage[i], "damage"));
        if (pu_store_check(store) != PU_ERR_CORRUPT) fail_msg("unnoticed: %s", damage[i]);
        pu_store_close(store);
    }
}

/* Bars, truth, benchmark, run and predictions by the library; features and windows as training asks for them. */
static void training_can_use_it(void **state) {
    (void)state;
    const char *path = load_fixture(1, "train.db");
    pu_store *store = NULL;
    int count = 0;
    pu_asset *assets = NULL;
    MUST(pu_store_open(path, PU_STORE_WRITE, &store));
    const char *const names[] = {"SYN01", "REAL"};
    MUST(pu_store_assets(store, 2, names, &count, &assets));
    assert_true(assets[0].bars == 60 && assets[1].bars == 40 && strcmp(assets[1].asset_class, "equity") == 0);
    pu_bars bars;
    int64_t values = 0, *ts = NULL, benchmark = 0;
    double *value = NULL;
    MUST(pu_store_bars(store, assets[1].id, INT64_MIN, INT64_MAX, &bars));
    assert_int_equal(bars.count, 40);
    pu_bars_free(&bars);
    MUST(pu_store_get_indicator(store, assets[0].id, "truth_signal", &values, &ts, &value));
    assert_int_equal(values, 60);
    pu_free(ts);
    MUST(pu_store_get_benchmark(store, "synthetic", &benchmark));
    pu_run_record run;
    MUST(pu_store_get_run(store, "first", &run));
    assert_string_equal(run.result, "{\"step\": 3}");
    pu_run_record_free(&run);
    pu_prediction_set set;
    MUST(pu_store_get_predictions(store, "first", assets[0].id, &set));
    assert_true(set.count == 5 && set.horizons == 2 && set.quantiles == 3 &&
                set.value[7] == 0.25f - 0.5f + 0.125f);
    pu_prediction_set_free(&set);
    pu_free(assets);
    pu_store_close(store);
    char store_is[600];
    snprintf(store_is, sizeof store_is, "data.store=%s", path);
    const char *overrides[] = {store_is,
                               "data.symbols=[SYN01, SYN02]",
                               "features.names=[log_return_1]",
                               "windows.window_bars=3",
                               "windows.warmup_bars=1",
                               "windows.stride_bars=1",
                               "windows.horizons=[1]"};
    pu_config *config = NULL;
    MUST(pu_config_load(NULL, 7, overrides, &config));
    pu_features_result built;
    MUST(pu_features_build(config, &built));
    pu_dataset *dataset = NULL;
    MUST(pu_dataset_open(config, &dataset));
    assert_int_equal(pu_dataset_assets(dataset), 2);
    assert_int_equal(pu_dataset_features(dataset), 1);
    assert_true(pu_dataset_rows(dataset, 0) > 30);
    pu_dataset_close(dataset);
    pu_config_free(config);
}

/* ---- faults ---- */

/* Counts down the statements' authorisations; at zero the step is refused, or the process dies there. */
static int64_t countdown;
static bool deadly;

static int authorise(void *context, int action, const char *a, const char *b, const char *c, const char *d) {
    (void)context, (void)action, (void)a, (void)b, (void)c, (void)d;
    if (countdown < 0 || countdown-- > 0) return SQLITE_OK;
    if (deadly) kill(getpid(), SIGKILL);
    return SQLITE_DENY;
}

static int watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api) {
    (void)message, (void)api;
    return sqlite3_set_authorizer(db, authorise, NULL);
}

static void every_step_fails_once(void **state) {
    (void)state;
    content *before = pu_calloc(1, sizeof *before);
    assert_non_null(before);
    const char *path = load_fixture(1, "deny.db");
    read_content(path, before);
    deadly = false;
    int64_t failed = 0;
    for (bool done = false; !done; ++failed) {
        pu_store *store = NULL;
        assert_int_equal(sqlite3_auto_extension((void (*)(void))watch), SQLITE_OK);
        countdown = failed;
        done = pu_store_open(path, PU_STORE_WRITE, &store) == PU_OK;
        const bool unspent = countdown >= 0;
        countdown = -1;
        sqlite3_reset_auto_extension();
        if (done) assert_true(unspent);
        pu_store_close(store);
        if (!done) assert_int_equal(version_of(path), 1);
        assert_true(failed < 5000);
    }
    assert_true(failed > 50);
    same_content(path, before);
    whole_and_usable(path, 1, before);
    pu_free(before);
}

static int open_for_writing(const char *path) {
    pu_store *store = NULL;
    const pu_status status = pu_store_open(path, PU_STORE_WRITE, &store);
    pu_store_close(store);
    return (int)status;
}

static int die_at_a_step(const char *path) {
    deadly = true;
    if (sqlite3_auto_extension((void (*)(void))watch) != SQLITE_OK) return 100;
    return open_for_writing(path);
}

static int limit_kib;
static int fill_the_disk(const char *path) {
    const struct rlimit limit = {(rlim_t)limit_kib * 1024, (rlim_t)limit_kib * 1024};
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 100;
    return open_for_writing(path);
}

/* Exit code of `body` in a child process, which is killed after `kill_after_us` unless that is negative. */
static int in_child(int (*body)(const char *path), const char *path, int64_t kill_after_us) {
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(body(path));
    if (kill_after_us >= 0) {
        usleep((useconds_t)kill_after_us);
        kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void kills_leave_the_old_version_whole(void **state) {
    (void)state;
    enum { TIMED = 30, KILL_US_MAX = 30000 };
    content *before = pu_calloc(1, sizeof *before);
    assert_non_null(before);
    read_content(load_fixture(1, "kill.db"), before);
    int died = 0, killed = 0, old = 0;
    for (int64_t at = 0; at < 400; at += 23) {
        const char *path = load_fixture(1, "kill.db");
        countdown = at;
        const bool dead = in_child(die_at_a_step, path, -1) == 128 + SIGKILL;
        countdown = -1;
        died += dead;
        assert_int_equal(version_of(path), dead ? 1 : known_versions());
        whole_and_usable(path, 1, before);
    }
    assert_true(died > 5);
    pu_random random = pu_random_at(20261123, 0);
    for (int i = 0; i < TIMED; ++i) {
        const char *path = load_fixture(1, "kill.db");
        const int64_t after_us = (int64_t)(pu_random_uniform(&random) * KILL_US_MAX);
        killed += in_child(open_for_writing, path, after_us) == 128 + SIGKILL;
        old += version_of(path) == 1;
        whole_and_usable(path, 1, before);
    }
    print_message("%d died at a step; of %d timed kills %d came before the end, %d found version 1\n", died, TIMED,
                  killed, old);
    assert_true(killed > 0 && old > 0);
    pu_free(before);
}

static void a_full_disk_leaves_the_old_version_whole(void **state) {
    (void)state;
    content *before = pu_calloc(1, sizeof *before);
    assert_non_null(before);
    read_content(load_fixture(1, "full.db"), before);
    int refused = 0;
    for (limit_kib = 4; limit_kib <= 512; limit_kib *= 2) {
        const char *path = load_fixture(1, "full.db");
        const int status = in_child(fill_the_disk, path, -1);
        refused += status == PU_ERR_IO;
        if (status != PU_OK) assert_int_equal(status, PU_ERR_IO);
        whole_and_usable(path, 1, before);
    }
    assert_true(refused > 2);
    pu_free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(released_steps_never_change),
        cmocka_unit_test(a_reader_says_what_to_do),
        cmocka_unit_test(every_row_comes_along),
        cmocka_unit_test(what_came_along_is_sealed),
        cmocka_unit_test(training_can_use_it),
        cmocka_unit_test(every_step_fails_once),
        cmocka_unit_test(kills_leave_the_old_version_whole),
        cmocka_unit_test(a_full_disk_leaves_the_old_version_whole),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
