/* Importing alternative series: three kinds of file, one set of rules; revisions; what is refused and why. */
#include <inttypes.h>
#include <math.h>
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

#include "host/data/alternative/asof.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/alternative.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

enum { DAY_S = 86400 };

static char *folder;
static pu_store *store;
static pu_series_result result;

static int make_store(void **state) {
    (void)state;
    folder = test_folder_new();
    if (pu_store_open(test_path(folder, "m.db"), PU_STORE_CREATE, &store) != PU_OK) return 1;
    int64_t id = 0;
    const bool made = pu__asset_make(store, "BTCUSDT", "crypto", DAY_S, "", 365, &id) == PU_OK &&
                      pu__asset_make(store, "ETHUSDT", "crypto", DAY_S, "", 365, &id) == PU_OK;
    return made ? 0 : 1;
}

static int drop_store(void **state) {
    (void)state;
    pu_store_close(store);
    test_folder_remove(folder);
    return 0;
}

static const char *file_of(const char *name, const char *text) {
    const char *path = test_path(folder, name);
    test_write(path, text);
    return path;
}

static void import(const char *path, const pu_series_options *options, int64_t added, int64_t unchanged,
                   int64_t rejected) {
    if (pu_series_import(store, path, options, &result) != PU_OK) fail_msg("%s", pu_error_message());
    if (result.rows_added != added || result.rows_unchanged != unchanged || result.rows_rejected != rejected) {
        for (int i = 0; i < result.rejects_shown; ++i)
            print_message("  line %" PRId64 ": %s\n", result.rejects[i].line, result.rejects[i].reason);
        fail_msg("%s: %" PRId64 " added, %" PRId64 " unchanged, %" PRId64 " rejected", path, result.rows_added,
                 result.rows_unchanged, result.rows_rejected);
    }
}

static void refused(const char *path, const pu_series_options *options, pu_status status, const char *message) {
    assert_int_equal(pu_series_import(store, path, options, &result), status);
    if (!strstr(pu_error_message(), message)) fail_msg("'%s' is not in '%s'", message, pu_error_message());
}

static int64_t number(const char *sql) {
    int64_t value = 0;
    if (pu__sql_integer(store, sql, -1, &value) != PU_OK) fail_msg("%s", pu_error_message());
    return value;
}

static int64_t ts_of(const char *text) {
    int64_t ts = 0;
    if (pu_time_parse(text, &ts) != PU_OK) fail_msg("%s", pu_error_message());
    return ts;
}

static double value_at(const char *name, const char *when) {
    pu__asof *cursor = NULL;
    pu_feature_value value;
    if (pu__asof_open(store, name, 0, INT64_MAX, &cursor) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__asof_at(cursor, ts_of(when), &value), PU_OK);
    pu__asof_close(cursor);
    return value.value;
}

static void known(const char *name, const char *when, double expected) {
    const double found = value_at(name, when);
    if (isnan(expected) ? !isnan(found) : found != expected)
        fail_msg("%s at %s: %.17g, expected %.17g", name, when, found, expected);
}

/* ---- one content, three kinds of file ---- */

static void make_table(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void three_kinds_of_file_say_the_same(void **state) {
    (void)state;
    const char *csv = file_of("a.csv", "date,published,value\n2024-01-01,2024-01-02T06:00:00Z,0.1\n"
                                       "2024-01-02,2024-01-03T06:00:00.5Z,1e-7\n2024-01-03,1704348000,-3\n");
    const char *jsonl = file_of(
        "a.jsonl", "{\"date\": \"2024-01-01\", \"published\": \"2024-01-02T06:00:00Z\", \"value\": 0.1}\n\n"
                   "{\"value\": \"1e-7\", \"date\": \"2024-01-02\", \"published\": \"2024-01-03 06:00:00.5\"}\n"
                   "{\"date\": \"2024-01-03\", \"published\": 1704348000, \"value\": -3, \"note\": {\"a\": []}}");
    const char *table = test_path(folder, "a.sqlite");
    make_table(table, "CREATE TABLE s (date TEXT, published, value);"
                      "INSERT INTO s VALUES ('2024-01-01', '2024-01-02T06:00:00Z', 0.1),"
                      "('2024-01-02', '2024-01-03T06:00:00.500Z', '1e-7'), ('2024-01-03', 1704348000, -3)");
    const char *const paths[] = {csv, jsonl, table}, *const names[] = {"csv", "jsonl", "sqlite"};
    char identity[3][PU__ASOF_IDENTITY_BYTES];
    for (int i = 0; i < 3; ++i) {
        const pu_series_options options = {.name = "same", .kind = PU_SERIES_SENTIMENT};
        import(paths[i], &options, 3, 0, 0);
        assert_string_equal(result.format, names[i]);
        assert_int_equal(strlen(result.sha256), 64);
        assert_int_equal(pu__asof_identity(store, "same", 0, identity[i]), PU_OK);
        known("same", "2024-01-03T06:00:00Z", 0.1);
        known("same", "2024-01-03T06:00:01Z", 1e-7);
        import(paths[i], &options, 0, 3, 0);
        assert_int_equal(pu_store_check(store), PU_OK);
        assert_int_equal(pu__sql_exec(store, "DELETE FROM alternative_series", "clear"), PU_OK);
    }
    assert_string_equal(identity[0], identity[1]);
    assert_string_equal(identity[0], identity[2]);
    assert_int_equal(number("SELECT count(*) FROM alternative_imports"), 3);
}

static void columns_can_be_named(void **state) {
    (void)state;
    const pu_series_options named = {
        .name = "gdp", .kind = PU_SERIES_MACRO, .columns = "time=quarter,published=realtime_start,value=GDP NOW"};
    const char *path = file_of("n.csv", "quarter;realtime_start;GDP NOW;value\n2024-01-01;2024-04-25;1.6%;9\n"
                                        "2024-01-01;2024-05-30;1.3%;9\n");
    import(path, &named, 2, 0, 0);
    known("gdp", "2024-04-25", NAN); /* a date is over at its end */
    known("gdp", "2024-04-26", 1.6);
    known("gdp", "2024-05-31", 1.3);
    const pu_series_options header = {.name = "bare", .kind = PU_SERIES_FUNDING, .columns = "time,rate,published"};
    import(file_of("b.csv", "2024-01-01T00:00:00Z,0.01,2024-01-01T00:00:00Z\n"), &header, 1, 0, 0);
    known("bare", "2024-01-01", 0.01);
    refused(path, &(pu_series_options){.name = "x", .columns = "time=quartr,value=GDP NOW"}, PU_ERR_DATA,
            "quartr");
    refused(path, &(pu_series_options){.name = "x", .columns = "tme=quarter"}, PU_ERR_CONFIG, "did you mean time");
    refused(path, &(pu_series_options){.name = "x", .columns = "time=a,time=b"}, PU_ERR_CONFIG, "twice");
    refused(path, &(pu_series_options){.name = "x", .columns = "time=,value=b"}, PU_ERR_CONFIG, "1 to 63");
    refused(path, &(pu_series_options){.name = "x", .columns = "time=a,,"}, PU_ERR_CONFIG, "FIELD=COLUMN");
    refused(path, &(pu_series_options){.name = "a b", .kind = PU_SERIES_MACRO}, PU_ERR_CONFIG, "a b");
}

/* ---- publication ---- */

static void a_file_without_publication_times_is_refused(void **state) {
    (void)state;
    pu_series_options options = {.name = "lagged", .kind = PU_SERIES_ONCHAIN};
    const char *day = file_of("d.csv", "date,value\n2024-01-01,5\n");
    const char *clock = file_of("c.jsonl", "{\"time\": \"2024-02-01T10:00:00Z\", \"value\": 6}\n");
    refused(day, &options, PU_ERR_DATA, "--published-lag 1d");
    refused(clock, &options, PU_ERR_DATA, "no publication time");
    assert_int_equal(number("SELECT count(*) FROM alternative_series WHERE name = 'lagged'"), 0);
    options.has_published_lag = true;
    options.published_lag_s = 3600;
    import(day, &options, 1, 0, 0);
    known("lagged", "2024-01-02T00:59:59Z", NAN);
    known("lagged", "2024-01-02T01:00:00Z", 5);
    import(clock, &options, 1, 0, 0);
    known("lagged", "2024-02-01T10:59:59Z", NAN); /* the other is stale by then */
    known("lagged", "2024-02-01T11:00:00Z", 6);
    refused(file_of("p.csv", "date,published,value\n2024-01-01,2024-01-01,5\n"), &options, PU_ERR_CONFIG,
            "leave it out");
    /* A row without its publication time in a file that has them. */
    options.has_published_lag = false;
    import(file_of("q.csv", "date,published,value\n2024-01-05,,5\n2024-01-06,2024-01-07,5\n"), &options, 1, 0, 1);
    assert_non_null(strstr(result.rejects[0].reason, "published"));
}

static void binance_funding_is_known_when_it_settles(void **state) {
    (void)state;
    const pu_series_options options = {.name = "funding_rate", .kind = PU_SERIES_FUNDING};
    const char *api =
        file_of("f.jsonl", "{\"symbol\":\"BTCUSDT\",\"fundingTime\":1704067200000,\"fundingRate\":\"0.0001\","
                           "\"markPrice\":\"\"}\n{\"symbol\":\"ETHUSDT\",\"fundingTime\":1704067200007,"
                           "\"fundingRate\":\"-0.0002\"}\n{\"symbol\":\"XYZ\",\"fundingTime\":1704067200000,"
                           "\"fundingRate\":\"1\"}\n");
    import(api, &options, 2, 0, 1);
    assert_non_null(strstr(result.rejects[0].reason, "XYZ"));
    assert_int_equal(result.series, 2);
    pu_series *series = NULL;
    int count = 0;
    pu_series_view view;
    assert_int_equal(pu_series_list(store, "funding_rate", &count, &series), PU_OK);
    assert_int_equal(count, 2);
    assert_string_equal(series[0].symbol, "BTCUSDT");
    assert_int_equal(pu_series_at(store, &series[0], 1704067200, &view), PU_OK);
    assert_true(view.known.found && view.known.value == 0.0001 && view.known.ts == 1704067200);
    assert_int_equal(pu_series_at(store, &series[1], 1704067200, &view), PU_OK);
    assert_false(view.known.found); /* seven milliseconds later: not yet */
    assert_int_equal(pu_series_at(store, &series[1], 1704067201, &view), PU_OK);
    assert_true(view.known.found && view.known.ts == 1704067200);
    pu_free(series);
    /* --symbol renames, but does not merge. */
    const pu_series_options renamed = {.name = "renamed", .kind = PU_SERIES_FUNDING, .symbol = "ETHUSDT"};
    import(api, &renamed, 1, 0, 2);
    assert_non_null(strstr(result.rejects[0].reason, "among rows of 'BTCUSDT'"));
    refused(api, &(pu_series_options){.name = "r", .kind = PU_SERIES_FUNDING, .symbol = "ETHUSD"},
            PU_ERR_NOT_FOUND, "did you mean 'ETHUSDT'");
}

/* ---- revisions ---- */

static void a_revision_adds_and_another_value_needs_replace(void **state) {
    (void)state;
    pu_series_options options = {.name = "rev", .kind = PU_SERIES_SENTIMENT};
    import(file_of("r1.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,1\n"), &options, 1, 0, 0);
    import(file_of("r2.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,1\n"
                             "2024-01-01,2024-01-03T00:00:00Z,1.5\n"),
           &options, 1, 1, 0);
    known("rev", "2024-01-02T23:59:59Z", 1);
    known("rev", "2024-01-03", 1.5);
    const char *other =
        file_of("r3.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,7\n"
                          "2024-01-02,2024-01-03T00:00:00Z,2\n2024-01-02,2024-01-03T00:00:00Z,3\n");
    import(other, &options, 1, 0, 2);
    assert_int_equal(result.rejects[0].line, 2);
    assert_non_null(strstr(result.rejects[0].reason, "--replace"));
    known("rev", "2024-01-02", 1);
    options.replace = true;
    import(other, &options, 0, 1, 0);
    assert_int_equal(result.rows_replaced, 2);
    known("rev", "2024-01-02", 7);
    known("rev", "2024-01-03", 3);
    assert_int_equal(pu_store_check(store), PU_OK);
    assert_int_equal(number("SELECT rows FROM alternative_series WHERE name = 'rev'"), 3);
    assert_int_equal(number("SELECT count(*) FROM alternative_rejected_rows AS r JOIN alternative_imports USING "
                            "(import_id) WHERE name = 'rev' AND r.text LIKE '2024-01-01%7'"),
                     1);
}

static void a_calendar_gives_surprises(void **state) {
    (void)state;
    const pu_series_options options = {.name = "us", .kind = PU_SERIES_MACRO, .unit = "%"};
    import(file_of("m.csv",
                   "Event,Scheduled,Announced At,Released At,Actual,Forecast,Previous\n"
                   "CPI (y/y),2024-02-13T13:30:00Z,2024-02-01T08:00:00Z,,,2.9%,3.4%\n"
                   "CPI (y/y),2024-02-13T13:30:00Z,2024-02-01T08:00:00Z,2024-02-13T13:30:00Z,3.1%,2.9%,3.4%\n"
                   "CPI (y/y),2024-02-13T13:30:00Z,,2024-03-12T13:30:00Z,3.2%,2.9%,\n"
                   "Jobs,2024-02-02T13:30:00Z,,2024-02-02T13:30:00Z,353K,1.2M,\n"
                   "Jobs,2024-03-02T13:30:00Z,,,,1.2M,\n???,2024-03-02T13:30:00Z,,2024-03-02,1,,\n"
                   "Jobs,2024-04-02T13:30:00Z,,2024-04-02,1e300,-1e300,\n"),
           &options, 4, 0, 3);
    assert_non_null(strstr(result.rejects[0].reason, "announced"));
    assert_non_null(strstr(result.rejects[1].reason, "event"));
    assert_non_null(strstr(result.rejects[2].reason, "too large"));
    known("us_cpi_y_y_forecast", "2024-02-13T13:29:59Z", NAN); /* known, of a time to come */
    known("us_cpi_y_y_forecast", "2024-02-13T13:30:00Z", 2.9);
    known("us_cpi_y_y", "2024-02-13T13:29:59Z", NAN);
    known("us_cpi_y_y", "2024-03-12T13:29:59Z", 3.1);
    known("us_cpi_y_y", "2024-03-12T13:30:00Z", 3.2);
    known("us_cpi_y_y_surprise", "2024-02-13T13:30:00Z", 3.1 - 2.9);
    known("us_cpi_y_y_surprise", "2024-03-12T13:30:00Z", 3.2 - 2.9);
    known("us_cpi_y_y_previous", "2024-02-13T13:30:00Z", 3.4);
    known("us_jobs", "2024-02-03", 353e3);
    known("us_jobs_forecast", "2024-02-03", 1.2e6); /* nothing says when it was made: with the release */
    pu_series *series = NULL;
    pu_series_view view;
    int count = 0;
    assert_int_equal(pu_series_list(store, "us_cpi_y_y_forecast", &count, &series), PU_OK);
    assert_int_equal(pu_series_at(store, series, ts_of("2024-02-02"), &view), PU_OK);
    assert_true(!view.known.found && view.ahead.found && view.ahead.value == 2.9);
    pu_free(series);
}

static void regimes_have_labels(void **state) {
    (void)state;
    const pu_series_options options = {.name = "cycle", .kind = PU_SERIES_REGIME};
    const char *path =
        file_of("reg.csv", "from,label,published\n2024-01-01,0,2024-01-10\n2024-02-01,1,2024-02-10\n"
                           "2024-03-01,1.5,2024-03-10\n2024-03-01,1001,2024-03-10\n");
    import(path, &options, 2, 0, 2);
    import(path, &options, 0, 2, 2);
    assert_int_equal(pu_store_check(store), PU_OK);
    pu__asof *cursor = NULL;
    pu_feature_value value;
    assert_int_equal(pu__asof_open_regime(store, "cycle", INT64_MAX, &cursor), PU_OK);
    assert_int_equal(pu__asof_at(cursor, ts_of("2024-02-10"), &value), PU_OK);
    assert_true(value.value == 0);
    assert_int_equal(pu__asof_at(cursor, ts_of("2024-02-11"), &value), PU_OK);
    assert_true(value.value == 1);
    pu__asof_close(cursor);
    refused(path, &(pu_series_options){.name = "c", .kind = PU_SERIES_REGIME, .symbol = "BTCUSDT"}, PU_ERR_CONFIG,
            "--symbol");
}

static void a_series_keeps_what_it_is(void **state) {
    (void)state;
    const char *path = file_of("k.csv", "date,published,value\n2024-01-01,2024-01-02,1\n");
    import(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .unit = "m", .stale_after_s = 99},
           1, 0, 0);
    import(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 99}, 0, 1, 0);
    refused(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 98}, PU_ERR_DATA,
            "--stale-after");
    refused(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_MACRO}, PU_ERR_DATA, "stored as other");
    refused(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 99, .unit = "km"},
            PU_ERR_DATA, "unit 'm'");
    refused(path, &(pu_series_options){.name = "new", .kind = PU_SERIES_OTHER}, PU_ERR_CONFIG, "--stale-after 7d");
}

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
        import(file_of(name, text), &options, i == 0 ? 2 : 0, i == 0 ? 0 : 2, 1);
        assert_int_equal(result.rejects[0].line, *header ? 3 : 2);
        if (!strstr(result.rejects[0].reason, bad[i].reason))
            fail_msg("'%s': '%s' is not in '%s'", bad[i].row, bad[i].reason, result.rejects[0].reason);
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
    const char *path = test_path(folder, "bad.sqlite");
    make_table(path, "CREATE TABLE s (date, published, value); INSERT INTO s VALUES ('2024-01-01', '2024-01-02', "
                     "9007199254740993),"
                     "('2024-01-02', '2024-01-03', x'00'), ('2024-01-02', '2024-01-03', NULL), ('2024-01-02', "
                     "'2024-01-03', 9e999),"
                     "('2024-01-02', '2024-01-03', 0.1234567890123456789)");
    import(path, &options, 2, 0, 3);
    assert_non_null(strstr(result.rejects[0].reason, "BLOB"));
    assert_int_equal(result.rejects[0].line, 2);
    assert_non_null(strstr(result.rejects[2].reason, "not a number"));
    known("tab", "2024-01-04", 0.1234567890123456789);
    make_table(
        path,
        "CREATE TABLE \"odd \"\"name\" (date, published, value); CREATE VIEW v AS SELECT date, value FROM s");
    refused(path, &options, PU_ERR_CONFIG, "3 tables: choose one with --table: odd \"name, s, v");
    refused(path, &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "v"}, PU_ERR_DATA,
            "no publication time");
    refused(path, &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "odd \"name"},
            PU_ERR_DATA, "no row");
    refused(path, &(pu_series_options){.name = "tab", .kind = PU_SERIES_ONCHAIN, .table = "none"}, PU_ERR_STORE,
            "no such table");
    char *text = test_read(path);
    assert_non_null(text);
    free(text);
    test_write(test_path(folder, "cut.sqlite"), "SQLite format 3");
    FILE *file = fopen(test_path(folder, "cut.sqlite"), "ab");
    assert_non_null(file);
    for (int i = 0; i < 100; ++i) assert_int_not_equal(fputc(i == 0 ? 0 : 17, file), EOF);
    assert_int_equal(fclose(file), 0);
    refused(test_path(folder, "cut.sqlite"), &options, PU_ERR_CORRUPT, "cut.sqlite");
    assert_int_equal(number("SELECT rows FROM alternative_series WHERE name = 'tab'"), 2);
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
        refused(file_of("whole.csv", files[i].text), &options, files[i].status, files[i].message);
    refused(test_path(folder, "none.csv"), &options, PU_ERR_NOT_FOUND, "none.csv");
    refused(folder, &options, PU_ERR_IO, "not a regular file");
    /* A line above the limit, behind a good row: nothing of the file stays. */
    char *text = pu_calloc(1, 200000);
    assert_non_null(text);
    for (int kind = 0; kind < 2; ++kind) {
        const int used = snprintf(text, 200000, "%s",
                                  kind ? "{\"date\":\"2024-01-01\",\"published\":\"2024-01-02\",\"value\":1}\n"
                                       : "date,published,value\n2024-01-01,2024-01-02,1\n");
        memset(text + used, ' ', 100000);
        snprintf(text + used + 100000, 100, "1\n");
        refused(file_of("long.txt", text), &options, PU_ERR_DATA, kind ? "long.txt:2" : "long.txt:3");
    }
    pu_free(text);
    assert_int_equal(number("SELECT count(*) FROM alternative_series WHERE name = 'whole'"), 0);
    assert_int_equal(number("SELECT count(*) FROM alternative_imports WHERE name = 'whole'"), 0);
    /* Byte order mark, CRLF and a last line without its end are fine. */
    import(file_of("fine.csv", "\xef\xbb\xbf"
                               "date,published,value\r\n2024-01-01,2024-01-02,1\r\n\r\n2024-01-02,2024-01-03,2"),
           &options, 2, 0, 0);
    import(file_of("fine.jsonl",
                   "\xef\xbb\xbf{\"date\":\"2024-01-01\",\"published\":\"2024-01-02\",\"value\":1}\r\n\r\n"
                   "{\"date\":\"2024-01-02\",\"published\":\"2024-01-03\",\"value\":2.0}"),
           &options, 0, 2, 0);
}

static void memory_runs_short_at_every_place(void **state) {
    (void)state;
    const char *path =
        file_of("mem.csv", "date,published,value,series\n2024-01-01,2024-01-02,1,a\n2024-01-01,2024-01-02,1,b\n");
    const pu_series_options options = {.name = "mem", .kind = PU_SERIES_SENTIMENT};
    pu_status status = PU_ERR_MEMORY;
    int failures = 0;
    for (; status != PU_OK && failures < 100; ++failures) {
        pu_memory_fail_after(failures);
        status = pu_series_import(store, path, &options, &result);
        pu_memory_fail_after(-1);
        if (status != PU_OK) {
            assert_int_equal(status, PU_ERR_MEMORY);
            assert_int_equal(number("SELECT count(*) FROM alternative_series WHERE name LIKE 'mem%'"), 0);
        }
    }
    assert_in_range(failures, 3, 99);
    assert_int_equal(result.series, 2);
}

/* ---- the samples ---- */

static const char *source_path(const char *relative) {
    static char path[4096];
    const char *source = getenv("PU_SOURCE");
    snprintf(path, sizeof path, "%s/%s", source ? source : ".", relative);
    return path;
}

static void the_samples_are_read(void **state) {
    (void)state;
    const pu_series_options funding = {.name = "s_funding", .kind = PU_SERIES_FUNDING},
                            sentiment = {.name = "s_sentiment", .kind = PU_SERIES_SENTIMENT},
                            onchain = {.name = "s_addresses",
                                       .kind = PU_SERIES_ONCHAIN,
                                       .columns = "value=active_addresses"},
                            macro = {.name = "s_us", .kind = PU_SERIES_MACRO},
                            regimes = {.name = "s_market", .kind = PU_SERIES_REGIME};
    import(source_path("configs/samples/funding_BTCUSDT.csv"), &funding, 180, 0, 0);
    import(source_path("configs/samples/sentiment.jsonl"), &sentiment, 53, 0, 0);
    import(source_path("configs/samples/onchain.csv"), &onchain, 90, 0, 0);
    import(source_path("configs/samples/macro_calendar.csv"), &macro, 30, 0, 0);
    assert_int_equal(result.series, 8);
    import(source_path("configs/samples/regimes.csv"), &regimes, 4, 0, 0);
    assert_int_equal(pu_store_check(store), PU_OK);
}

/* tests/golden/asof.py: the same join by pandas.merge_asof with a tolerance. */
static void joins_are_those_of_pandas(void **state) {
    (void)state;
    char name[64], value[64];
    long long T = 0, age_s = 0;
    int compared = 0;
    pu__asof *cursor = NULL;
    char current[64] = "";
    FILE *file = fopen(source_path("tests/golden/asof.csv"), "r");
    assert_non_null(file);
    char line[256];
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        value[0] = '\0';
        if (sscanf(line, "%63[^,],%lld,%63[^,],%lld", name, &T, value, &age_s) != 4)
            assert_int_equal(sscanf(line, "%63[^,],%lld,,%lld", name, &T, &age_s), 3);
        if (strcmp(name, current) != 0) {
            pu__asof_close(cursor);
            assert_int_equal(pu__asof_open(store, strcmp(name, "sentiment") == 0 ? "s_sentiment" : "s_funding", 0,
                                           INT64_MAX, &cursor),
                             PU_OK);
            snprintf(current, sizeof current, "%s", name);
        }
        pu_feature_value found;
        assert_int_equal(pu__asof_at(cursor, T, &found), PU_OK);
        assert_true(value[0] ? found.value == strtod(value, NULL) : isnan(found.value));
        assert_int_equal(found.age_s, value[0] ? age_s : 0);
        ++compared;
    }
    pu__asof_close(cursor);
    assert_int_equal(fclose(file), 0);
    assert_in_range(compared, 1000, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_kinds_of_file_say_the_same),
        cmocka_unit_test(columns_can_be_named),
        cmocka_unit_test(a_file_without_publication_times_is_refused),
        cmocka_unit_test(binance_funding_is_known_when_it_settles),
        cmocka_unit_test(a_revision_adds_and_another_value_needs_replace),
        cmocka_unit_test(a_calendar_gives_surprises),
        cmocka_unit_test(regimes_have_labels),
        cmocka_unit_test(a_series_keeps_what_it_is),
        cmocka_unit_test(bad_csv_rows_are_refused_one_by_one),
        cmocka_unit_test(bad_json_rows_are_refused_one_by_one),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(bad_files_are_refused_whole),
        cmocka_unit_test(memory_runs_short_at_every_place),
        cmocka_unit_test(the_samples_are_read),
        cmocka_unit_test(joins_are_those_of_pandas),
    };
    return cmocka_run_group_tests(tests, make_store, drop_store);
}
