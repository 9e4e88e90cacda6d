#include "tests/support/series.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/alternative/asof.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "tests/support/process.h"

enum { DAY_S = 86400 };

test_series test_series_at;

int test_series_begin(void **state) {
    (void)state;
    test_series_at.folder = test_folder_new();
    if (pu_store_open(test_path(test_series_at.folder, "m.db"), PU_STORE_CREATE, &test_series_at.store) != PU_OK)
        return 1;
    int64_t id = 0;
    const bool made = pu__asset_make(test_series_at.store, "BTCUSDT", "crypto", DAY_S, "", 365, &id) == PU_OK &&
                      pu__asset_make(test_series_at.store, "ETHUSDT", "crypto", DAY_S, "", 365, &id) == PU_OK;
    return made ? 0 : 1;
}

int test_series_end(void **state) {
    (void)state;
    pu_store_close(test_series_at.store);
    test_folder_remove(test_series_at.folder);
    return 0;
}

const char *test_series_file(const char *name, const char *text) {
    const char *path = test_path(test_series_at.folder, name);
    test_write(path, text);
    return path;
}

void test_series_import(const char *path, const pu_series_options *options, int64_t added, int64_t unchanged,
                        int64_t rejected) {
    if (pu_series_import(test_series_at.store, path, options, &test_series_at.result) != PU_OK)
        fail_msg("%s", pu_error_message());
    if (test_series_at.result.rows_added != added || test_series_at.result.rows_unchanged != unchanged ||
        test_series_at.result.rows_rejected != rejected) {
        for (int i = 0; i < test_series_at.result.rejects_shown; ++i)
            print_message("  line %" PRId64 ": %s\n", test_series_at.result.rejects[i].line,
                          test_series_at.result.rejects[i].reason);
        fail_msg("%s: %" PRId64 " added, %" PRId64 " unchanged, %" PRId64 " rejected", path,
                 test_series_at.result.rows_added, test_series_at.result.rows_unchanged,
                 test_series_at.result.rows_rejected);
    }
}

void test_series_refused(const char *path, const pu_series_options *options, pu_status status,
                         const char *message) {
    assert_int_equal(pu_series_import(test_series_at.store, path, options, &test_series_at.result), status);
    if (!strstr(pu_error_message(), message)) fail_msg("'%s' is not in '%s'", message, pu_error_message());
}

int64_t test_series_number(const char *sql) {
    int64_t value = 0;
    if (pu__sql_integer(test_series_at.store, sql, -1, &value) != PU_OK) fail_msg("%s", pu_error_message());
    return value;
}

int64_t test_series_ts(const char *text) {
    int64_t ts = 0;
    if (pu_time_parse(text, &ts) != PU_OK) fail_msg("%s", pu_error_message());
    return ts;
}

static double value_at(const char *name, const char *when) {
    pu__asof *cursor = NULL;
    pu_feature_value value;
    if (pu__asof_open(test_series_at.store, name, 0, INT64_MAX, &cursor) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_int_equal(pu__asof_at(cursor, test_series_ts(when), &value), PU_OK);
    pu__asof_close(cursor);
    return value.value;
}

void test_series_known(const char *name, const char *when, double expected) {
    const double found = value_at(name, when);
    if (isnan(expected) ? !isnan(found) : found != expected)
        fail_msg("%s at %s: %.17g, expected %.17g", name, when, found, expected);
}

void test_series_table(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
