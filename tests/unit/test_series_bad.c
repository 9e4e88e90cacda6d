/* Files of alternative series that are wrong: refused by line and reason, and nothing else is lost. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/memory.h"
#include "tests/support/process.h"
#include "tests/support/series.h"

/* ---- bad input ---- */

typedef struct bad_row {
    const char *row, *reason;
} bad_row;

/* Each bad row stands between two good ones, and is refused alone, with its line. */
static void refuse_rows(const char *name, const char *header, const char *const good[2], int count,
                        const bad_row *bad) {
    for (int i = 0; i < count; ++i) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s\n%s\n%s\n", header, good[0], bad[i].row, good[1]);
        const pu_series_options options = {.name = "bad", .kind = PU_SERIES_FUNDING};
        test_series_import(test_series_file(name, text), &options, i == 0 ? 2 : 0, i == 0 ? 0 : 2, 1);
        assert_int_equal(test_series_at.result.rejects[0].line, *header ? 3 : 2);
        if (!strstr(test_series_at.result.rejects[0].reason, bad[i].reason))
            fail_msg("'%s': '%s' is not in '%s'", bad[i].row, bad[i].reason,
                     test_series_at.result.rejects[0].reason);
    }
}

static void bad_csv_rows_are_refused_one_by_one(void **state) {
    (void)state;
    static const char *const good[] = {"2024-01-01,2024-01-02,1",
                                       "2024-01-03T02:00:00+02:00,2024-01-03T00:00:00Z,2"};
    static const bad_row bad[] = {
        {"2024-01-02,2024-01-03,NaN", "'NaN' is not a number"},
        {"2024-01-02,2024-01-03,inf", "'inf' is not a number"},
        {"2024-01-02,2024-01-03,1e999", "not a number"},
        {"2024-01-02,2024-01-03,1e301", "too large"},
        {"2024-01-02,2024-01-03,", "value: empty"},
        {"2024-01-02,2024-01-03,3%", "'3%' is not a number"},
        {"2024-01-02,2024-01-03,0x10", "not a number"},
        {"2024-13-02,2024-01-03,1", "time: '2024-13-02'"},
        {"02.01.2024,2024-01-03,1", "not a time"},
        {"2024-01-02T10:00:00 EST,2024-01-03,1", "not a time"},
        {"2024-01-02,soon,1", "published: 'soon'"},
        {",2024-01-03,1", "time: empty"},
        {"2024-01-02,1601-01-01,1", "1800 to 2200"},
        {"2024-01-02,2024-01-03", "2 columns, 3 are expected"},
        {"2024-01-02,2024-01-03,1,2", "4 columns"},
        {"2024-01-02,\"2024-01-03,1", "quote"},
    };
    refuse_rows("bad.csv", "date,published,value\n", good, sizeof bad / sizeof *bad, bad);
}

static void bad_json_rows_are_refused_one_by_one(void **state) {
    (void)state;
    static const char *const good[] = {"{\"time\":\"2024-05-01\",\"published\":\"2024-05-02\",\"value\":1}",
                                       "{\"time\":1714694400,\"published\":1714694400,\"value\":\"2\"}"};
    static const bad_row bad[] = {
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":NaN}", "JSON, column"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":\"NaN\"}", "not a number"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":1e999}", "JSON, column"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":null}", "value: empty"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":true}", "true or false"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":[1]}", "'value' is an array"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":{\"x\":1}}", "'value' is an object"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":1,\"value\":2}", "duplicate"},
        {"{\"time\":\"2024-05-02\",\"date\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":1}",
         "both are the time"},
        {"{\"time\":1714694400.5,\"published\":\"2024-05-03\",\"value\":1}", "not a time"},
        {"{\"time\":99999999999999999999,\"published\":\"2024-05-03\",\"value\":1}", "JSON, column"},
        {"{\"time\":\"2024-05-02\",\"value\":1}", "published: empty"},
        {"{\"published\":\"2024-05-02\",\"value\":1}", "time: empty"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":1", "JSON, column"},
        {"{\"time\":\"2024-05-02\",\"published\":\"2024-05-03\",\"value\":1} x", "JSON, column"},
        {"[1]", "an array"},
        {"\"text\"", "JSON, column"},
    };
    refuse_rows("bad.jsonl", "", good, sizeof bad / sizeof *bad, bad);
}

static void bad_tables_are_refused(void **state) {
    (void)state;
    const pu_series_options options = {.name = "tab", .kind = PU_SERIES_ONCHAIN};
    const char *path = test_path(test_series_at.folder, "bad.sqlite");
    test_series_table(path,
                      "CREATE TABLE s (date, published, value); INSERT INTO s VALUES ('2024-01-01', '2024-01-02', "
                      "9007199254740993),"
                      "('2024-01-02', '2024-01-03', x'00'), ('2024-01-02', '2024-01-03', NULL), ('2024-01-02', "
                      "'2024-01-03', 9e999),"
                      "('2024-01-02', '2024-01-03', 0.1234567890123456789)");
    test_series_import(path, &options, 2, 0, 3);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "BLOB"));
    assert_int_equal(test_series_at.result.rejects[0].line, 2);
    assert_non_null(strstr(test_series_at.result.rejects[2].reason, "not a number"));
    test_series_known("tab", "2024-01-04", 0.1234567890123456789);
    test_series_table(
        path,
        "CREATE TABLE \"odd \"\"name\" (date, published, value); CREATE VIEW v AS SELECT date, value FROM s");
    test_series_refused(path, &options, PU_ERR_CONFIG, "3 tables: choose one with --table: odd \"name, s, v");
    test_series_refused(path, &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "v"},
                        PU_ERR_DATA, "no publication time");
    test_series_refused(path,
                        &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "odd \"name"},
                        PU_ERR_DATA, "no row");
    test_series_refused(path, &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "none"},
                        PU_ERR_STORE, "no such table");
    char *text = test_read(path);
    assert_non_null(text);
    free(text);
    test_write(test_path(test_series_at.folder, "cut.sqlite"), "SQLite format 3");
    FILE *file = fopen(test_path(test_series_at.folder, "cut.sqlite"), "ab");
    assert_non_null(file);
    for (int i = 0; i < 100; ++i) assert_int_not_equal(fputc(i == 0 ? 0 : 17, file), EOF);
    assert_int_equal(fclose(file), 0);
    test_series_refused(test_path(test_series_at.folder, "cut.sqlite"), &options, PU_ERR_CORRUPT, "cut.sqlite");
    assert_int_equal(test_series_number("SELECT rows FROM alternative_series WHERE name = 'tab'"), 2);
}

static void bad_files_are_refused_whole(void **state) {
    (void)state;
    const pu_series_options options = {.name = "whole", .kind = PU_SERIES_SENTIMENT};
    static const struct {
        const char *text, *message;
        pu_status status;
    } files[] = {
        {"", "is empty", PU_ERR_DATA},
        {"date,published\n2024-01-01,2024-01-02\n", "no column for the value", PU_ERR_DATA},
        {"published,value\n2024-01-01,1\n", "no column for the time", PU_ERR_DATA},
        {"date,time,published,value\n", "both are the time", PU_ERR_DATA},
        {"date,published,value\n", "holds no row", PU_ERR_DATA},
        {"date,published,value\nx,y,z\n", "none of its 1 rows", PU_ERR_DATA},
        {"date,\"published,value\n", "open quote", PU_ERR_DATA},
        {"[{\"date\": 1}]", "JSON array", PU_ERR_DATA},
        {"{\"date\": ", "JSON, column", PU_ERR_DATA},
        {"{}\n", "no column for the time", PU_ERR_DATA},
        {"\xff\xfe"
         "d\n",
         "no column for the time", PU_ERR_DATA},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
        test_series_refused(test_series_file("whole.csv", files[i].text), &options, files[i].status,
                            files[i].message);
    test_series_refused(test_path(test_series_at.folder, "none.csv"), &options, PU_ERR_NOT_FOUND, "none.csv");
    test_series_refused(test_series_at.folder, &options, PU_ERR_IO, "not a regular file");
    /* A line above the limit, behind a good row: nothing of the file stays. */
    char *text = pu_calloc(1, 200000);
    assert_non_null(text);
    for (int kind = 0; kind < 2; ++kind) {
        const int used = snprintf(text, 200000, "%s",
                                  kind ? "{\"date\":\"2024-01-01\",\"published\":\"2024-01-02\",\"value\":1}\n"
                                       : "date,published,value\n2024-01-01,2024-01-02,1\n");
        memset(text + used, ' ', 100000);
        snprintf(text + used + 100000, 100, "1\n");
        test_series_refused(test_series_file("long.txt", text), &options, PU_ERR_DATA,
                            kind ? "long.txt:2" : "long.txt:3");
    }
    pu_free(text);
    assert_int_equal(test_series_number("SELECT count(*) FROM alternative_series WHERE name = 'whole'"), 0);
    assert_int_equal(test_series_number("SELECT count(*) FROM alternative_imports WHERE name = 'whole'"), 0);
    /* Byte order mark, CRLF and a last line without its end are fine. */
    test_series_import(
        test_series_file("fine.csv",
                         "\xef\xbb\xbf"
                         "date,published,value\r\n2024-01-01,2024-01-02,1\r\n\r\n2024-01-02,2024-01-03,2"),
        &options, 2, 0, 0);
    test_series_import(
        test_series_file("fine.jsonl",
                         "\xef\xbb\xbf{\"date\":\"2024-01-01\",\"published\":\"2024-01-02\",\"value\":1}\r\n\r\n"
                         "{\"date\":\"2024-01-02\",\"published\":\"2024-01-03\",\"value\":2.0}"),
        &options, 0, 2, 0);
}

static void memory_runs_short_at_every_place(void **state) {
    (void)state;
    const char *path = test_series_file(
        "mem.csv", "date,published,value,series\n2024-01-01,2024-01-02,1,a\n2024-01-01,2024-01-02,1,b\n");
    const pu_series_options options = {.name = "mem", .kind = PU_SERIES_SENTIMENT};
    pu_status status = PU_ERR_MEMORY;
    int failures = 0;
    for (; status != PU_OK && failures < 100; ++failures) {
        pu_memory_fail_after(failures);
        status = pu_series_import(test_series_at.store, path, &options, &test_series_at.result);
        pu_memory_fail_after(-1);
        if (status != PU_OK) {
            assert_int_equal(status, PU_ERR_MEMORY);
            assert_int_equal(test_series_number("SELECT count(*) FROM alternative_series WHERE name LIKE 'mem%'"),
                             0);
        }
    }
    assert_in_range(failures, 3, 99);
    assert_int_equal(test_series_at.result.series, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_csv_rows_are_refused_one_by_one),
        cmocka_unit_test(bad_json_rows_are_refused_one_by_one),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(bad_files_are_refused_whole),
        cmocka_unit_test(memory_runs_short_at_every_place),
    };
    return cmocka_run_group_tests(tests, test_series_begin, test_series_end);
}
