/* Mappings: what a YAML file may say, its mistakes by file, line and nearest key, forms of times, time zones against
 * Python's zoneinfo, and the example of docs/data.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/import/mapping.h"
#include "host/data/import/time_format.h"
#include "plusultra/import.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

enum { JAN_2_2020 = 1577923200 };

static char *folder;
static pu_store *store;
static pu_import_result result;

static int begin(void **state) {
    (void)state;
    folder = test_folder_new();
    return pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store) == PU_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    pu_store_close(store);
    test_folder_remove(folder);
    return 0;
}

static pu__text text_of(const char *text) { return (pu__text){text, strlen(text)}; }

static char *source_path(const char *name) {
    static char path[4096];
    const char *source = getenv("PU_SOURCE");
    snprintf(path, sizeof path, "%s/%s", source ? source : ".", name);
    return path;
}

static pu_status import_mapped(const char *yaml, const char *name, const char *text) {
    char mapping[512], file[512];
    snprintf(mapping, sizeof mapping, "%s", test_path(folder, "mapping.yaml"));
    snprintf(file, sizeof file, "%s", test_path(folder, name));
    test_write(mapping, yaml);
    test_write(file, text);
    return pu_import_file(store, file, &(pu_import_options){.mapping = mapping}, &result);
}

static pu_bars read_back(const char *symbol) {
    int count = 0;
    pu_asset *assets = NULL;
    pu_bars bars = {0};
    if (pu_store_assets(store, 1, &symbol, &count, &assets) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_bars(store, assets[0].id, INT64_MIN, INT64_MAX, &bars), PU_OK);
    pu_free(assets);
    return bars;
}

static void forms_of_times(void **state) {
    (void)state;
    static const struct {
        const char *format, *text;
        int64_t local_s;
        bool date_only;
        int64_t offset_s;
    } good[] = {
        {"%Y-%m-%d", "2020-01-02", JAN_2_2020, true, 0},
        {"%d.%m.%Y %H:%M", "02.01.2020 15:30", JAN_2_2020 + 55800, false, 0},
        {"%d.%m.%Y %H:%M", "2.1.2020   9:30", JAN_2_2020 + 34200, false, 0},
        {"%b %d, %Y %I:%M %p", "Jan 02, 2020 03:30 PM", JAN_2_2020 + 55800, false, 0},
        {"%B %d %y %I:%M%p", "january 2 20 12:00am", JAN_2_2020, false, 0},
        {"%m/%d/%y", "01/02/69", -31449600, true, 0},
        {"%FT%T%z", "2020-01-02T15:30:01+02:00", JAN_2_2020 + 55801, false, 7200},
        {"%F %T.%f%z", "2020-01-02 15:30:01.123456Z", JAN_2_2020 + 55801, false, 0},
        {"%Y%m%d %H%M%S", "20200102 153001", JAN_2_2020 + 55801, false, 0},
    };
    static const char *const bad[][2] = {{"%Y-%m-%d", "2020-02-30"},
                                         {"%Y-%m-%d", "2020-01-02x"},
                                         {"%Y-%m-%d", "2020-01"},
                                         {"%d.%m.%Y", "32.01.2020"},
                                         {"%F %H:%M", "2020-01-02 24:00"},
                                         {"%F %I:%M %p", "2020-01-02 13:00 PM"},
                                         {"%F %I:%M %p", "2020-01-02 11:00 XM"},
                                         {"%F", ""},
                                         {"%F%z", "2020-01-02+9"},
                                         {"%b %d %Y", "Foo 02 2020"}};
    static const char *const unfit[] = {"%Q", "%", "%H:%M", "%Y-%m", "%F %I:%M", "%F %H %p"};
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        pu__format_time found = {0};
        if (!pu__time_format_read(good[i].format, text_of(good[i].text), &found) ||
            found.local_s != good[i].local_s || found.date_only != good[i].date_only ||
            found.offset_s != good[i].offset_s)
            fail_msg("'%s' -> %lld", good[i].text, (long long)found.local_s);
        assert_null(pu__time_format_check(good[i].format));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        pu__format_time found = {0};
        if (pu__time_format_read(bad[i][0], text_of(bad[i][1]), &found)) fail_msg("'%s' was accepted", bad[i][1]);
    }
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; ++i) assert_non_null(pu__time_format_check(unfit[i]));
}

/* tests/golden/zones.csv is Python's: years with tables, years behind them by rule, and the hours around changes. */
static void zones_are_python_s(void **state) {
    (void)state;
    char *text = test_read(source_path("tests/golden/zones.csv"));
    assert_non_null(text);
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) skip();
    char name[64] = "";
    int rows = 0;
    pu_arena *arena = NULL;
    pu__zone *zone = NULL;
    assert_int_equal(pu_arena_new(0, &arena), PU_OK);
    for (char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        char now[64], local[32], expected[32];
        pu__moment moment = {0};
        int64_t ts = 0;
        assert_int_equal(sscanf(line, "%63[^,],%31[^,],%31[^\n]", now, local, expected), 3);
        if (strcmp(now, name) != 0 && pu__zone_open(arena, now, &zone) != PU_OK)
            fail_msg("%s", pu_error_message());
        snprintf(name, sizeof name, "%s", now);
        assert_true(pu__parse_moment(text_of(local), &moment));
        const pu__zone_found found = pu__zone_to_utc(zone, moment.ts, &ts);
        const bool right = strcmp(expected, "never") == 0   ? found == PU__ZONE_NEVER
                           : strcmp(expected, "twice") == 0 ? found == PU__ZONE_TWICE
                                                            : found == PU__ZONE_ONE && ts == atoll(expected);
        if (!right) fail_msg("%s %s: %d, %lld, not %s", now, local, (int)found, (long long)ts, expected);
        ++rows;
    }
    assert_true(rows > 500);
    static const char *const wrong[] = {"", "../passwd", "/etc/passwd", "Europe/Atlantis", "+25:00", "a b", "+2x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        assert_int_equal(pu__zone_open(arena, wrong[i], &zone), PU_ERR_CONFIG);
    pu_arena_free(arena);
    free(text);
}

#define COLUMNS "columns: {date: d, open: o, high: h, low: l, close: c}\n"
#define TABLE "d,o,h,l,c\n2020-01-02,10,12,9,11\n2020-01-03,11,13,10,12\n"

static void mistakes_name_line_and_key(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        {"file:\n  delimeter: \";\"\n",
         "mapping.yaml:2: file.delimeter: unknown key; did you mean file.delimiter?"},
        {"fiel:\n  header: true\n", "mapping.yaml:1: fiel: unknown section; did you mean file?"},
        {"columns:\n  clsoe: x\n", "columns.clsoe: unknown key; did you mean columns.close?"},
        {"file:\n  header: maybe\n", "mapping.yaml:2: file.header: expects one of false, true"},
        {"file:\n  delimiter: abc\n", "expects one printable character"},
        {"file:\n  missing: NA\n", "expects a list"},
        {"file:\n  skip_lines: -1\n", "expects a number of lines"},
        {"file:\n  comment: \"#\"\n  comment: \"!\"\n",
         "mapping.yaml:3: file.comment: duplicate key, first given in line 2"},
        {"time:\n  format: \"%Q\"\n", "none of %Y"},
        {"time:\n  format: \"%H:%M\"\n", "must hold year, month and day"},
        {"time:\n  format: unix\n", "expects unix_s"},
        {"time:\n  zone: Mars/Olympus\n", "time.zone: the time zone 'Mars/Olympus' is not known"},
        {"time:\n  stamp: opne\n", "did you mean open?"},
        {"time:\n  bar: 5x\n", "expects seconds, or 5m"},
        {"asset:\n  class: stock\n", "expects one of equity, index"},
        {"asset:\n  price_scale: 0\n", "expects a positive number"},
        {"asset:\n  currency: DOLLARS_US\n", "at most 8"},
        {"columns:\n  date: 1\n  timestamp: 2\n", "named already"},
        {"columns: [1, 2]\n", "expects keys below it"},
        {"- a\n", "expects sections"},
        {"file: {header: &x true}\n", "anchors"},
        {"columns: {date: d}\n", "the mapping names no column for the open"},
        {COLUMNS "---\nfile: {}\n", "a second document"},
        {"columns: {date: d, open: o, high: h, low: l, close: x}\n", "no column is called 'x'"},
        {"columns: {date: 1, open: 2, high: 3, low: 4, close: 9}\nfile: {header: false}\n",
         "column 9 is asked for, there are 5"},
        {COLUMNS "file: {header: false}\n", "columns are numbers from 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const pu_status status = import_mapped(cases[i].yaml, "ERRORS.csv", TABLE);
        if (status == PU_OK || !strstr(pu_error_message(), cases[i].message))
            fail_msg("'%s': '%s' does not say '%s'", cases[i].yaml, pu_error_message(), cases[i].message);
    }
    assert_int_equal(pu_import_file(store, test_path(folder, "ERRORS.csv"),
                                    &(pu_import_options){.mapping = "/nowhere.yaml"}, &result),
                     PU_ERR_NOT_FOUND);
}

static void files_of_many_kinds(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *name, *text;
        int64_t first_ts, bar_s;
    } cases[] = {
        {COLUMNS, "PLAIN.csv", TABLE, JAN_2_2020 + 86400, 86400},
        {"columns: {timestamp: 1, open: 2, high: 3, low: 4, close: 5}\nfile: {header: false, delimiter: tab}\n"
         "time: {format: unix_ms, bar: 5m}\n",
         "MS.txt", "1577923200000\t10\t12\t9\t11\n1577923500000\t11\t13\t10\t12\n", JAN_2_2020 + 300, 300},
        {"columns: {timestamp: 1, open: 2, high: 3, low: 4, close: 5}\nfile: {header: false}\n"
         "time: {format: unix_ns, stamp: close}\n",
         "NS.txt", "1577923200000000000,10,12,9,11\n1577923500000000000,11,13,10,12\n", JAN_2_2020, 300},
        {"columns: {date: when, open: o, high: h, low: l, close: c}\nfile: {delimiter: \"|\", comment: \"//\"}\n"
         "time: {format: \"%b %d, %Y %I:%M %p\", zone: -05:00}\n",
         "US.csv",
         "// from here\nwhen|o|h|l|c\nJan 02, 2020 09:30 AM|10|12|9|11\n// there\nJan 02, 2020 10:30 "
         "AM|11|13|10|12\n",
         JAN_2_2020 + 14 * 3600 + 1800 + 3600, 3600},
        {"time: {zone: America/New_York, stamp: close}\n", "NY.csv",
         "time,open,high,low,close\n2020-07-01 09:30,10,12,9,11\n2020-07-01T14:30Z,11,13,10,12\n", 1593610200,
         3600},
        {COLUMNS "asset: {price_scale: 2}\nfile: {decimal_comma: true, delimiter: \";\"}\n", "COMMA.csv",
         "d;o;h;l;c\n2020-01-02;5,0;6,0;4,5;5,5\n2020-01-03;5,5;6,5;5;6\n", JAN_2_2020 + 86400, 86400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        if (import_mapped(cases[i].yaml, cases[i].name, cases[i].text) != PU_OK)
            fail_msg("%s: %s", cases[i].name, pu_error_message());
        if (result.rows_added != 2 || result.first_ts != cases[i].first_ts || result.bar_s != cases[i].bar_s)
            fail_msg("%s: %lld added, first %lld, bar %lld; %s", cases[i].name, (long long)result.rows_added,
                     (long long)result.first_ts, (long long)result.bar_s, result.rejects[0].reason);
        pu_bars bars = read_back(result.symbol);
        assert_true(bars.open[0] == 10 && bars.high[0] == 12 && bars.low[0] == 9 && bars.close[1] == 12);
        pu_bars_free(&bars);
    }
    /* What is given on its own goes before the mapping; roles on the command line are a mapping of their own. */
    test_write(test_path(folder, "ROLES.csv"), TABLE);
    assert_int_equal(pu_import_file(store, test_path(folder, "ROLES.csv"),
                                    &(pu_import_options){.columns = "date=d,open=o,high=h,low=l,close=c"},
                                    &result),
                     PU_OK);
    assert_int_equal(pu_import_file(store, test_path(folder, "ROLES.csv"),
                                    &(pu_import_options){.columns = "date=d,opne=o,high=h,low=l,close=c"},
                                    &result),
                     PU_ERR_CONFIG);
}

static void fields_that_a_mapping_refuses(void **state) {
    (void)state;
    const char *yaml = "columns: {date: d, open: o, high: h, low: l, close: c, volume: v}\n"
                       "file: {delimiter: \";\", decimal_comma: true, missing: [\"-\", \"n/a\"]}\n"
                       "time: {format: \"%d.%m.%Y %H:%M\", zone: Europe/Berlin, bar: 1h}\n";
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) skip();
    const char *text =
        "d;o;h;l;c;v\n28.03.2020 10:00;1;1;1;1;-\n29.03.2020 02:30;1;1;1;1;1\n29.03.2020 03:00;1;1;1;1;1\n"
        "25.10.2020 02:30;1;1;1;1;1\n26.10.2020 02:30;-;1;1;1;1\n27.10.2020 02:30;1.5;2;1;1;1\n"
        "28.10.2020 02:30;1.234,5;2;1;1;1\n2020-10-29 02:30;1;1;1;1;1\n";
    if (import_mapped(yaml, "BERLIN.csv", text) != PU_OK) fail_msg("%s", pu_error_message());
    static const char *const reasons[] = {
        "leave out",  "is twice", "open: missing ('-')", "'1.5' is not a number", "'1.234,5' is not a number",
        "time.format"};
    assert_int_equal(result.rows_added, 2);
    assert_int_equal(result.rows_rejected, 6);
    for (int i = 0; i < 6; ++i) {
        if (!strstr(result.rejects[i].reason, reasons[i]))
            fail_msg("%s: %s", reasons[i], result.rejects[i].reason);
    }
}

/* The block of a page that begins with these words, its fence among them. */
static char *block(const char *page, const char *mark) {
    const char *at = strstr(page, mark);
    if (!at) fail_msg("no '%s' in docs/data.md", mark);
    at = strchr(at, '\n') + 1;
    const char *stop = strstr(at, "```");
    assert_non_null(stop);
    char *copy = calloc((size_t)(stop - at) + 1, 1);
    assert_non_null(copy);
    memcpy(copy, at, (size_t)(stop - at));
    return copy;
}

static void the_page_s_example_works(void **state) {
    (void)state;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) skip();
    char *page = test_read(source_path("docs/data.md"));
    assert_non_null(page);
    char *yaml = block(page, "```yaml\n# dax.yaml"), *text = block(page, "```text\nDAX, hourly");
    if (import_mapped(yaml, "dax.csv", text) != PU_OK) fail_msg("%s", pu_error_message());
    assert_string_equal(result.symbol, "DAX");
    assert_string_equal(result.asset_class, "index");
    assert_true(result.rows_added == 2 && result.rows_rejected == 0 && result.bar_s == 3600);
    pu_bars bars = read_back("DAX");
    char when[32];
    pu_time_format(bars.ts[0], true, when);
    assert_string_equal(when, "2026-03-02T09:00:00Z");
    assert_true(bars.open[0] == 22871.5 && bars.volume[1] == 1200);
    pu_bars_free(&bars);
    free(yaml);
    free(text);
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_times),
        cmocka_unit_test(zones_are_python_s),
        cmocka_unit_test(mistakes_name_line_and_key),
        cmocka_unit_test(files_of_many_kinds),
        cmocka_unit_test(fields_that_a_mapping_refuses),
        cmocka_unit_test(the_page_s_example_works),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
