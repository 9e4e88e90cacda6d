/* Importing alternative series: three kinds of file, one set of rules; revisions; publication times. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/alternative/asof.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"
#include "tests/support/series.h"

/* ---- one content, three kinds of file ---- */

static void three_kinds_of_file_say_the_same(void **state) {
    (void)state;
    const char *csv =
        test_series_file("a.csv", "date,published,value\n2024-01-01,2024-01-02T06:00:00Z,0.1\n"
                                  "2024-01-02,2024-01-03T06:00:00.5Z,1e-7\n2024-01-03,1704348000,-3\n");
    const char *jsonl = test_series_file(
        "a.jsonl", "{\"date\": \"2024-01-01\", \"published\": \"2024-01-02T06:00:00Z\", \"value\": 0.1}\n\n"
                   "{\"value\": \"1e-7\", \"date\": \"2024-01-02\", \"published\": \"2024-01-03 06:00:00.5\"}\n"
                   "{\"date\": \"2024-01-03\", \"published\": 1704348000, \"value\": -3, \"note\": {\"a\": []}}");
    const char *table = test_path(test_series_at.folder, "a.sqlite");
    test_series_table(table, "CREATE TABLE s (date TEXT, published, value);"
                             "INSERT INTO s VALUES ('2024-01-01', '2024-01-02T06:00:00Z', 0.1),"
                             "('2024-01-02', '2024-01-03T06:00:00.500Z', '1e-7'), ('2024-01-03', 1704348000, -3)");
    const char *const paths[] = {csv, jsonl, table}, *const names[] = {"csv", "jsonl", "sqlite"};
    char identity[3][PU__ASOF_IDENTITY_BYTES];
    for (int i = 0; i < 3; ++i) {
        const pu_series_options options = {.name = "same", .kind = PU_SERIES_SENTIMENT};
        test_series_import(paths[i], &options, 3, 0, 0);
        assert_string_equal(test_series_at.result.format, names[i]);
        assert_int_equal(strlen(test_series_at.result.sha256), 64);
        assert_int_equal(pu__asof_identity(test_series_at.store, "same", 0, identity[i]), PU_OK);
        test_series_known("same", "2024-01-03T06:00:00Z", 0.1);
        test_series_known("same", "2024-01-03T06:00:01Z", 1e-7);
        test_series_import(paths[i], &options, 0, 3, 0);
        assert_int_equal(pu_store_check(test_series_at.store), PU_OK);
        assert_int_equal(pu__sql_exec(test_series_at.store, "DELETE FROM alternative_series", "clear"), PU_OK);
    }
    assert_string_equal(identity[0], identity[1]);
    assert_string_equal(identity[0], identity[2]);
    assert_int_equal(test_series_number("SELECT count(*) FROM alternative_imports"), 3);
}

static void compressed_files_are_read(void **state) {
    (void)state;
    static const char text[] = "date,published,value\n2024-01-01,2024-01-02T06:00:00Z,0.5\n";
    const char *path = test_path(test_series_at.folder, "z.csv.gz");
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(gzclose(file), Z_OK);
    test_series_import(path, &(pu_series_options){.name = "zipped", .kind = PU_SERIES_SENTIMENT}, 1, 0, 0);
    test_series_known("zipped", "2024-01-03", 0.5);
}

static void columns_can_be_named(void **state) {
    (void)state;
    const pu_series_options named = {
        .name = "gdp", .kind = PU_SERIES_MACRO, .columns = "time=quarter,published=realtime_start,value=GDP NOW"};
    const char *path =
        test_series_file("n.csv", "quarter;realtime_start;GDP NOW;value\n2024-01-01;2024-04-25;1.6%;9\n"
                                  "2024-01-01;2024-05-30;1.3%;9\n");
    test_series_import(path, &named, 2, 0, 0);
    test_series_known("gdp", "2024-04-25", NAN); /* a date is over at its end */
    test_series_known("gdp", "2024-04-26", 1.6);
    test_series_known("gdp", "2024-05-31", 1.3);
    const pu_series_options header = {.name = "bare", .kind = PU_SERIES_FUNDING, .columns = "time,rate,published"};
    test_series_import(test_series_file("b.csv", "2024-01-01T00:00:00Z,0.01,2024-01-01T00:00:00Z\n"), &header, 1,
                       0, 0);
    test_series_known("bare", "2024-01-01", 0.01);
    test_series_refused(path, &(pu_series_options){.name = "x", .columns = "time=quartr,value=GDP NOW"},
                        PU_ERR_DATA, "quartr");
    test_series_refused(path, &(pu_series_options){.name = "x", .columns = "tme=quarter"}, PU_ERR_CONFIG,
                        "did you mean time");
    test_series_refused(path, &(pu_series_options){.name = "x", .columns = "time=a,time=b"}, PU_ERR_CONFIG,
                        "twice");
    test_series_refused(path, &(pu_series_options){.name = "x", .columns = "time=,value=b"}, PU_ERR_CONFIG,
                        "1 to 63");
    test_series_refused(path, &(pu_series_options){.name = "x", .columns = "time=a,,"}, PU_ERR_CONFIG,
                        "FIELD=COLUMN");
    test_series_refused(path, &(pu_series_options){.name = "a b", .kind = PU_SERIES_MACRO}, PU_ERR_CONFIG, "a b");
}

static void a_mapping_names_columns_and_what_a_series_is(void **state) {
    (void)state;
    const char *mapping =
        test_series_file("map.yaml", "columns:\n  time: day\n  value: tx count\nseries:\n  unit: 1/d\n"
                                     "  stale_after: 2d\n  published_lag: 6h # after the day\n");
    const char *path = test_series_file("mapped.csv", "day,tx count\n2024-01-01,7\n");
    pu_series_options options = {.name = "mapped", .kind = PU_SERIES_ONCHAIN, .mapping = mapping};
    test_series_import(path, &options, 1, 0, 0);
    test_series_known("mapped", "2024-01-02T05:59:59Z", NAN);
    test_series_known("mapped", "2024-01-04T06:00:00Z", 7);
    test_series_known("mapped", "2024-01-04T06:00:01Z", NAN);
    options.name = "given"; /* what is said directly goes before the mapping */
    options.stale_after_s = 5;
    test_series_import(path, &options, 1, 0, 0);
    test_series_known("given", "2024-01-02T06:00:06Z", NAN);
    static const struct {
        const char *text, *message;
    } wrong[] = {{"columns: [a]", "map.yaml:1: columns: is a section"},
                 {"column:\n  time: a", "did you mean columns?"},
                 {"columns:\n  tme: a", "map.yaml:2: columns.tme: unknown; did you mean time?"},
                 {"columns:\n  time: a\n  date: b", "map.yaml:3: date: duplicate key"},
                 {"series:\n  unit: a\nseries:\n  unit: b", "duplicate section"},
                 {"series:\n  stale_after: 2y", "series.stale_after: expects seconds"},
                 {"series:\n  published_lag: -1d", "published_lag"},
                 {"series:\n  unit:", "expects a single value"},
                 {"- a", "expects the sections"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        options.mapping = test_series_file("map.yaml", wrong[i].text);
        test_series_refused(path, &options, PU_ERR_CONFIG, wrong[i].message);
    }
    options.mapping = test_path(test_series_at.folder, "none.yaml");
    test_series_refused(path, &options, PU_ERR_NOT_FOUND, "none.yaml");
}

/* ---- publication ---- */

static void a_file_without_publication_times_is_refused(void **state) {
    (void)state;
    pu_series_options options = {.name = "lagged", .kind = PU_SERIES_ONCHAIN};
    const char *day = test_series_file("d.csv", "date,value\n2024-01-01,5\n");
    const char *clock = test_series_file("c.jsonl", "{\"time\": \"2024-02-01T10:00:00Z\", \"value\": 6}\n");
    test_series_refused(day, &options, PU_ERR_DATA, "--published-lag 1d");
    test_series_refused(clock, &options, PU_ERR_DATA, "no publication time");
    assert_int_equal(test_series_number("SELECT count(*) FROM alternative_series WHERE name = 'lagged'"), 0);
    options.has_published_lag = true;
    options.published_lag_s = 3600;
    test_series_import(day, &options, 1, 0, 0);
    test_series_known("lagged", "2024-01-02T00:59:59Z", NAN);
    test_series_known("lagged", "2024-01-02T01:00:00Z", 5);
    test_series_import(clock, &options, 1, 0, 0);
    test_series_known("lagged", "2024-02-01T10:59:59Z", NAN); /* the other is stale by then */
    test_series_known("lagged", "2024-02-01T11:00:00Z", 6);
    test_series_refused(test_series_file("p.csv", "date,published,value\n2024-01-01,2024-01-01,5\n"), &options,
                        PU_ERR_CONFIG, "leave it out");
    /* A row without its publication time in a file that has them. */
    options.has_published_lag = false;
    test_series_import(test_series_file("q.csv", "date,published,value\n2024-01-05,,5\n2024-01-06,2024-01-07,5\n"),
                       &options, 1, 0, 1);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "published"));
}

static void times_of_a_place_are_converted(void **state) {
    (void)state;
    pu_series_options options = {.name = "zoned", .kind = PU_SERIES_SENTIMENT, .zone = "America/New_York"};
    const char *path =
        test_series_file("zone.csv", "time,published,value\n2024-01-05 08:00,2024-01-05 08:30,1\n"
                                     "2024-07-05,2024-07-05,2\n2024-07-08T00:00:00Z,1720400000,3\n"
                                     "2024-03-10 02:30,2024-03-11,4\n2024-11-03 01:30,2024-11-04,5\n");
    if (access("/usr/share/zoneinfo/America/New_York", R_OK) != 0) return;
    test_series_import(path, &options, 3, 0, 2);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "never in its time zone"));
    assert_non_null(strstr(test_series_at.result.rejects[1].reason, "twice in its time zone"));
    test_series_known("zoned", "2024-01-05T13:29:59Z", NAN);
    test_series_known("zoned", "2024-01-05T13:30:00Z", 1);
    test_series_known("zoned", "2024-07-06T03:59:59Z", NAN); /* the day is over there at 4:00 UTC */
    test_series_known("zoned", "2024-07-06T04:00:00Z", 2);
    test_series_known("zoned", "2024-07-08T00:53:20Z", 3);
    options.zone = "America/New_Yrk";
    test_series_refused(path, &options, PU_ERR_CONFIG, "New_Yrk");
}

static void binance_funding_is_known_when_it_settles(void **state) {
    (void)state;
    const pu_series_options options = {.name = "funding_rate", .kind = PU_SERIES_FUNDING};
    const char *api = test_series_file(
        "f.jsonl", "{\"symbol\":\"BTCUSDT\",\"fundingTime\":1704067200000,\"fundingRate\":\"0.0001\","
                   "\"markPrice\":\"\"}\n{\"symbol\":\"ETHUSDT\",\"fundingTime\":1704067200007,"
                   "\"fundingRate\":\"-0.0002\"}\n{\"symbol\":\"XYZ\",\"fundingTime\":1704067200000,"
                   "\"fundingRate\":\"1\"}\n");
    test_series_import(api, &options, 2, 0, 1);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "XYZ"));
    assert_int_equal(test_series_at.result.series, 2);
    pu_series *series = NULL;
    int count = 0;
    pu_series_view view;
    assert_int_equal(pu_series_list(test_series_at.store, "funding_rate", &count, &series), PU_OK);
    assert_int_equal(count, 2);
    assert_string_equal(series[0].symbol, "BTCUSDT");
    assert_int_equal(pu_series_at(test_series_at.store, &series[0], 1704067200, &view), PU_OK);
    assert_true(view.known.found && view.known.value == 0.0001 && view.known.ts == 1704067200);
    assert_int_equal(pu_series_at(test_series_at.store, &series[1], 1704067200, &view), PU_OK);
    assert_false(view.known.found); /* seven milliseconds later: not yet */
    assert_int_equal(pu_series_at(test_series_at.store, &series[1], 1704067201, &view), PU_OK);
    assert_true(view.known.found && view.known.ts == 1704067200);
    pu_free(series);
    /* --symbol renames, but does not merge. */
    const pu_series_options renamed = {.name = "renamed", .kind = PU_SERIES_FUNDING, .symbol = "ETHUSDT"};
    test_series_import(api, &renamed, 1, 0, 2);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "among rows of 'BTCUSDT'"));
    test_series_refused(api, &(pu_series_options){.name = "r", .kind = PU_SERIES_FUNDING, .symbol = "ETHUSD"},
                        PU_ERR_NOT_FOUND, "did you mean 'ETHUSDT'");
}

/* ---- revisions ---- */

static void a_revision_adds_and_another_value_needs_replace(void **state) {
    (void)state;
    pu_series_options options = {.name = "rev", .kind = PU_SERIES_SENTIMENT};
    test_series_import(test_series_file("r1.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,1\n"),
                       &options, 1, 0, 0);
    test_series_import(test_series_file("r2.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,1\n"
                                                  "2024-01-01,2024-01-03T00:00:00Z,1.5\n"),
                       &options, 1, 1, 0);
    test_series_known("rev", "2024-01-02T23:59:59Z", 1);
    test_series_known("rev", "2024-01-03", 1.5);
    const char *other =
        test_series_file("r3.csv", "date,published,value\n2024-01-01,2024-01-02T00:00:00Z,7\n"
                                   "2024-01-02,2024-01-03T00:00:00Z,2\n2024-01-02,2024-01-03T00:00:00Z,3\n");
    test_series_import(other, &options, 1, 0, 2);
    assert_int_equal(test_series_at.result.rejects[0].line, 2);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "--replace"));
    test_series_known("rev", "2024-01-02", 1);
    options.replace = true;
    test_series_import(other, &options, 0, 1, 0);
    assert_int_equal(test_series_at.result.rows_replaced, 2);
    test_series_known("rev", "2024-01-02", 7);
    test_series_known("rev", "2024-01-03", 3);
    assert_int_equal(pu_store_check(test_series_at.store), PU_OK);
    assert_int_equal(test_series_number("SELECT rows FROM alternative_series WHERE name = 'rev'"), 3);
    assert_int_equal(
        test_series_number("SELECT count(*) FROM alternative_rejected_rows AS r JOIN alternative_imports USING "
                           "(import_id) WHERE name = 'rev' AND r.text LIKE '2024-01-01%7'"),
        1);
}

static void a_calendar_gives_surprises(void **state) {
    (void)state;
    const pu_series_options options = {.name = "us", .kind = PU_SERIES_MACRO, .unit = "%"};
    test_series_import(
        test_series_file(
            "m.csv", "Event,Scheduled,Announced At,Released At,Actual,Forecast,Previous\n"
                     "CPI (y/y),2024-02-13T13:30:00Z,2024-02-01T08:00:00Z,,,2.9%,3.4%\n"
                     "CPI (y/y),2024-02-13T13:30:00Z,2024-02-01T08:00:00Z,2024-02-13T13:30:00Z,3.1%,2.9%,3.4%\n"
                     "CPI (y/y),2024-02-13T13:30:00Z,,2024-03-12T13:30:00Z,3.2%,2.9%,\n"
                     "Jobs,2024-02-02T13:30:00Z,,2024-02-02T13:30:00Z,353K,1.2M,\n"
                     "Jobs,2024-03-02T13:30:00Z,,,,1.2M,\n???,2024-03-02T13:30:00Z,,2024-03-02,1,,\n"
                     "Jobs,2024-04-02T13:30:00Z,,2024-04-02,1e300,-1e300,\n"),
        &options, 4, 0, 3);
    assert_non_null(strstr(test_series_at.result.rejects[0].reason, "announced"));
    assert_non_null(strstr(test_series_at.result.rejects[1].reason, "event"));
    assert_non_null(strstr(test_series_at.result.rejects[2].reason, "too large"));
    test_series_known("us_cpi_y_y_forecast", "2024-02-13T13:29:59Z", NAN); /* known, of a time to come */
    test_series_known("us_cpi_y_y_forecast", "2024-02-13T13:30:00Z", 2.9);
    test_series_known("us_cpi_y_y", "2024-02-13T13:29:59Z", NAN);
    test_series_known("us_cpi_y_y", "2024-03-12T13:29:59Z", 3.1);
    test_series_known("us_cpi_y_y", "2024-03-12T13:30:00Z", 3.2);
    test_series_known("us_cpi_y_y_surprise", "2024-02-13T13:30:00Z", 3.1 - 2.9);
    test_series_known("us_cpi_y_y_surprise", "2024-03-12T13:30:00Z", 3.2 - 2.9);
    test_series_known("us_cpi_y_y_previous", "2024-02-13T13:30:00Z", 3.4);
    test_series_known("us_jobs", "2024-02-03", 353e3);
    test_series_known("us_jobs_forecast", "2024-02-03",
                      1.2e6); /* nothing says when it was made: with the release */
    pu_series *series = NULL;
    pu_series_view view;
    int count = 0;
    assert_int_equal(pu_series_list(test_series_at.store, "us_cpi_y_y_forecast", &count, &series), PU_OK);
    assert_int_equal(pu_series_at(test_series_at.store, series, test_series_ts("2024-02-02"), &view), PU_OK);
    assert_true(!view.known.found && view.ahead.found && view.ahead.value == 2.9);
    pu_free(series);
}

static void one_event_can_be_taken_out_of_a_calendar(void **state) {
    (void)state;
    pu_series_options options = {.name = "macro", .kind = PU_SERIES_MACRO, .only = "CPI \"core\""};
    const char *path =
        test_series_file("o.jsonl", "{\"event\":\"CPI\",\"time\":1704067200,\"published\":1704067200,"
                                    "\"actual\":1,\"forecast\":2}\n{\"event\":\"CPI \\\"core\\\"\","
                                    "\"time\":1704067200,\"published\":1704067200,\"actual\":3,"
                                    "\"forecast\":2.5}\n{\"time\":1704067200}\n");
    test_series_import(path, &options, 1, 0, 0);
    assert_int_equal(test_series_at.result.rows_read, 1);
    test_series_known("macro", "2024-01-02", 3);
    test_series_known("macro_surprise", "2024-01-02", 0.5);
    options.only = "GDP";
    test_series_refused(path, &options, PU_ERR_DATA, "no row of 'GDP'");
    path = test_series_file("o.csv", "date,published,value\n2024-01-01,2024-01-02,1\n");
    test_series_refused(path, &options, PU_ERR_CONFIG, "--only");
}

static void regimes_have_labels(void **state) {
    (void)state;
    const pu_series_options options = {.name = "cycle", .kind = PU_SERIES_REGIME};
    const char *path =
        test_series_file("reg.csv", "from,label,published\n2024-01-01,0,2024-01-10\n2024-02-01,1,2024-02-10\n"
                                    "2024-03-01,1.5,2024-03-10\n2024-03-01,1001,2024-03-10\n");
    test_series_import(path, &options, 2, 0, 2);
    test_series_import(path, &options, 0, 2, 2);
    assert_int_equal(pu_store_check(test_series_at.store), PU_OK);
    pu__asof *cursor = NULL;
    pu_feature_value value;
    assert_int_equal(pu__asof_open_regime(test_series_at.store, "cycle", INT64_MAX, &cursor), PU_OK);
    assert_int_equal(pu__asof_at(cursor, test_series_ts("2024-02-10"), &value), PU_OK);
    assert_true(value.value == 0);
    assert_int_equal(pu__asof_at(cursor, test_series_ts("2024-02-11"), &value), PU_OK);
    assert_true(value.value == 1);
    pu__asof_close(cursor);
    test_series_refused(path, &(pu_series_options){.name = "c", .kind = PU_SERIES_REGIME, .symbol = "BTCUSDT"},
                        PU_ERR_CONFIG, "--symbol");
}

static void a_series_keeps_what_it_is(void **state) {
    (void)state;
    const char *path = test_series_file("k.csv", "date,published,value\n2024-01-01,2024-01-02,1\n");
    test_series_import(
        path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .unit = "m", .stale_after_s = 99}, 1,
        0, 0);
    test_series_import(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 99}, 0,
                       1, 0);
    test_series_refused(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 98},
                        PU_ERR_DATA, "--stale-after");
    test_series_refused(path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_MACRO}, PU_ERR_DATA,
                        "stored as other");
    test_series_refused(
        path, &(pu_series_options){.name = "kept", .kind = PU_SERIES_OTHER, .stale_after_s = 99, .unit = "km"},
        PU_ERR_DATA, "unit 'm'");
    test_series_refused(path, &(pu_series_options){.name = "new", .kind = PU_SERIES_OTHER}, PU_ERR_CONFIG,
                        "--stale-after 7d");
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
    test_series_import(source_path("configs/samples/funding_BTCUSDT.csv"), &funding, 180, 0, 0);
    test_series_import(source_path("configs/samples/sentiment.jsonl"), &sentiment, 53, 0, 0);
    test_series_import(source_path("configs/samples/onchain.csv"), &onchain, 90, 0, 0);
    test_series_import(source_path("configs/samples/macro_calendar.csv"), &macro, 30, 0, 0);
    assert_int_equal(test_series_at.result.series, 8);
    test_series_import(source_path("configs/samples/regimes.csv"), &regimes, 4, 0, 0);
    assert_int_equal(pu_store_check(test_series_at.store), PU_OK);
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
            assert_int_equal(pu__asof_open(test_series_at.store,
                                           strcmp(name, "sentiment") == 0 ? "s_sentiment" : "s_funding", 0,
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
        cmocka_unit_test(compressed_files_are_read),
        cmocka_unit_test(columns_can_be_named),
        cmocka_unit_test(a_mapping_names_columns_and_what_a_series_is),
        cmocka_unit_test(a_file_without_publication_times_is_refused),
        cmocka_unit_test(times_of_a_place_are_converted),
        cmocka_unit_test(binance_funding_is_known_when_it_settles),
        cmocka_unit_test(a_revision_adds_and_another_value_needs_replace),
        cmocka_unit_test(a_calendar_gives_surprises),
        cmocka_unit_test(one_event_can_be_taken_out_of_a_calendar),
        cmocka_unit_test(regimes_have_labels),
        cmocka_unit_test(a_series_keeps_what_it_is),
        cmocka_unit_test(the_samples_are_read),
        cmocka_unit_test(joins_are_those_of_pandas),
    };
    return cmocka_run_group_tests(tests, test_series_begin, test_series_end);
}
