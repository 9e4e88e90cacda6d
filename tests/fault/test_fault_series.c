/* Every allocation, read and write in importing alternative series fails in turn. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/alternative.h"
#include "plusultra/log.h"
#include "tests/fault/fault.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { POINTS = 40 };

static test_market market;
static char *work_folder;

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    market = test_market_new();
    test_market_walk(&market, "BTCUSDT", 1, 20, true);
    work_folder = test_folder_new();
    return 0;
}

static int end(void **state) {
    (void)state;
    test_market_remove(&market);
    test_folder_remove(work_folder);
    return 0;
}

typedef struct import {
    char path[600];
    pu_series_options options;
} import;

static pu_status run(const char *path, void *context) {
    const import *work = context;
    static pu_series_result result;
    pu_store *store = NULL;
    pu_status status = pu_store_open(path, PU_STORE_WRITE, &store);
    if (status == PU_OK) status = pu_series_import(store, work->path, &work->options, &result);
    pu_store_close(store);
    return status;
}

static void sweep(const char *name, import *work, const char *others) {
    char names[2000];
    snprintf(names, sizeof names, "%s|%s", work->path, others);
    const fault_job job = {.name = name,
                           .folder = work_folder,
                           .initial = market.store,
                           .work = run,
                           .context = work,
                           .names = names};
    fault_sweep(&job, POINTS);
}

static void csv_files(void **state) {
    (void)state;
import work = {.options = {.name = "flow", .kind = PU_SERIES_ONCHAIN, .zone = "Europe/Berlin" } };
    char mapping[600], names[700];
    snprintf(mapping, sizeof mapping, "%s/mapping.yaml", market.folder);
    snprintf(work.path, sizeof work.path, "%s/flow.csv", market.folder);
    test_write(mapping, "columns:\n  time: when\n  value: worth\nseries:\n  published_lag: 1d\n  unit: coins\n");
    test_write(work.path, "when,worth,symbol,series\n2024-01-01,1.5,BTCUSDT,in\n2024-01-02,2.5,BTCUSDT,in\n"
                          "2024-01-01,3,BTCUSDT,out\n2024-01-02,none,BTCUSDT,out\n2024-01-03,4,BTCUSDT,out\n");
    work.options.mapping = mapping;
    snprintf(names, sizeof names, "%s|/usr/share/zoneinfo/Europe/Berlin", mapping);
    sweep("series CSV", &work, names);
}

static void json_lines(void **state) {
    (void)state;
import work = {.options = {.name = "mood", .kind = PU_SERIES_SENTIMENT } };
    snprintf(work.path, sizeof work.path, "%s/mood.jsonl", market.folder);
    test_write(work.path,
               "{\"time\":\"2024-01-01T10:00:00Z\",\"published\":\"2024-01-01T10:05:00Z\",\"value\":0.25}\n"
               "{\"time\":\"2024-01-02T10:00:00Z\",\"published\":\"2024-01-02T10:05:00Z\",\"value\":\"-1\"}\n"
               "{\"time\":\"2024-01-03T10:00:00Z\",\"published\":\"x\",\"value\":[1,{\"a\":null}]}\n");
    sweep("series JSON", &work, work.path);
}

static void tables(void **state) {
    (void)state;
import work = {.options = {.name = "phase", .kind = PU_SERIES_REGIME } };
    sqlite3 *db = NULL;
    snprintf(work.path, sizeof work.path, "%s/phase.sqlite", market.folder);
    assert_int_equal(sqlite3_open(work.path, &db), SQLITE_OK);
    /* UTF-16: SQLite allocates for every text that is asked for. */
    assert_int_equal(
        sqlite3_exec(
            db,
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE phase (time TEXT, published TEXT, label); INSERT INTO "
            "phase VALUES ('2024-01-01', '2024-01-02', 1), ('2024-02-01', '2024-02-02', '2'), ('2024-03-01',"
            " '2024-03-02', x'00'), ('2024-03-01', '2024-03-02', 3.0)",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    sweep("series SQLite", &work, work.path);
}

static void a_macro_calendar(void **state) {
    (void)state;
import work = {.options = {.name = "macro", .kind = PU_SERIES_MACRO } };
    const char *source = getenv("PU_SOURCE");
    snprintf(work.path, sizeof work.path, "%s/configs/samples/macro_calendar.csv", source ? source : ".");
    sweep("macro calendar", &work, work.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_files),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(tables),
        cmocka_unit_test(a_macro_calendar),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
