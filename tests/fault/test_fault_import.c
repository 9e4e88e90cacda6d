/* Every allocation, read and write in importing bars fails in turn. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/import.h"
#include "plusultra/log.h"
#include "tests/fault/fault.h"
#include "tests/support/process.h"

enum { DAYS = 90, POINTS = 40 };

static char *inputs, *work_folder;
static char sound_store[600]; /* with bars of another asset */

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    inputs = test_folder_new();
    work_folder = test_folder_new();
    pu_store *store = NULL;
    pu_import_result result;
    const char *old = test_path(inputs, "OLD.csv");
    snprintf(sound_store, sizeof sound_store, "%s/sound.db", inputs);
    test_write(old, "Date,Open,High,Low,Close\n2020-01-02,10,12,9,11\n2020-01-03,11,13,10,12\n");
    pu_status status = pu_store_open(sound_store, PU_STORE_CREATE, &store);
    if (status == PU_OK) status = pu_import_file(store, old, NULL, &result);
    pu_store_close(store);
    return status == PU_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    test_folder_remove(inputs);
    test_folder_remove(work_folder);
    return 0;
}

/* Rows of two symbols in turn, one of them bad; free with free. */
static char *table_text(const char *head) {
    enum { ROOM = 32768 };
    char *text = malloc(ROOM);
    assert_non_null(text);
    int used = snprintf(text, ROOM, "%s\n", head);
    for (int i = 0; i < DAYS; ++i) {
        char day[32];
        pu_time_format(1577836800 + 86400LL * (i / 2), false, day);
        used += snprintf(text + used, (size_t)(ROOM - used), "%s,%s,%d,%d.5,%d.25,%d.125,%d\n", day,
                         i % 2 ? "AAA" : "BBB", 100 + i, 101 + i, i == 77 ? 900 : 99 + i, 100 + i, i);
    }
    return text;
}

typedef struct import {
    char path[600];
    pu_import_options options;
} import;

static pu_status run(const char *path, void *context) {
    const import *work = context;
    pu_store *store = NULL;
    pu_status status = pu_store_open(path, PU_STORE_CREATE, &store);
    if (status == PU_OK) status = pu_import_path(store, work->path, &work->options, NULL, NULL);
    pu_store_close(store);
    return status;
}

#define HEAD "timestamp,symbol,open,high,low,close,volume"

static void sweep(const char *name, const char *initial, import *work, const char *names) {
    const fault_job job = {
        .name = name, .folder = work_folder, .initial = initial, .work = run, .context = work, .names = names};
    fault_sweep(&job, POINTS);
}

static void csv_files(void **state) {
    (void)state;
import work = {0 };
    work.options.columns = "timestamp=when,symbol=name,open=open,high=high,low=low,close=close,volume=volume";
    char *text = table_text("when,name,open,high,low,close,volume");
    snprintf(work.path, sizeof work.path, "%s/bars.csv", inputs);
    test_write(work.path, text);
    free(text);
    sweep("CSV, new store", NULL, &work, work.path);
}

static void compressed_files(void **state) {
    (void)state;
import work = {0 };
    char *text = table_text(HEAD);
    snprintf(work.path, sizeof work.path, "%s/bars.csv.gz", inputs);
    gzFile file = gzopen(work.path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
    free(text);
    sweep("gzip", sound_store, &work, work.path);
}

static void mapped_files(void **state) {
    (void)state;
import work = {0 };
    char mapping[600], names[1300];
    char *text = table_text("when,name,first,top,bottom,last,size");
    snprintf(work.path, sizeof work.path, "%s/mapped.csv", inputs);
    snprintf(mapping, sizeof mapping, "%s/mapping.yaml", inputs);
    snprintf(names, sizeof names, "%s|%s|/usr/share/zoneinfo/America/New_York", work.path, mapping);
    test_write(work.path, text);
    free(text);
    test_write(mapping, "columns:\n  timestamp: when\n  symbol: name\n  open: first\n  high: top\n  low: bottom\n"
                        "  close: last\n  volume: size\ntime:\n  zone: America/New_York\n");
    work.options.mapping = mapping;
    sweep("mapping", sound_store, &work, names);
}

static void databases(void **state) {
    (void)state;
import work = {0 };
    sqlite3 *db = NULL;
    snprintf(work.path, sizeof work.path, "%s/bars.db", inputs);
    assert_int_equal(sqlite3_open(work.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE bars (timestamp TEXT, symbol TEXT, open REAL, high REAL, low REAL, "
                     "close REAL, volume REAL); WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 "
                     "FROM n WHERE i < 90) INSERT INTO bars SELECT date('2020-01-01', (i / 2) || ' days'),"
                     " CASE WHEN i % 2 THEN 'AAA' ELSE 'BBB' END, 100 + i, 101.5 + i, 99.25 + i, "
                     "iif(i = 77, 1, 100.125 + i), i FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    sweep("SQLite", sound_store, &work, work.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_files),
        cmocka_unit_test(compressed_files),
        cmocka_unit_test(mapped_files),
        cmocka_unit_test(databases),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
