/* Import: layouts, times, row checks; what is rejected is listed, what is stored is what the file says. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/import/text.h"
#include "host/data/store/sql.h"
#include "plusultra/import.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, JAN_2_2020 = 1577923200 };

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

static pu_status import_text(const char *name, const char *text, const pu_import_options *options) {
    test_write(test_path(folder, name), text);
    return pu_import_file(store, test_path(folder, name), options, &result);
}

static void must_import(const char *name, const char *text, const pu_import_options *options) {
    if (import_text(name, text, options) != PU_OK) fail_msg("%s: %s", name, pu_error_message());
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

static pu__text text_of(const char *text) { return (pu__text){text, strlen(text)}; }

static void numbers_are_strict(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"12", 12},
                {"-1.5", -1.5},
                {"+2", 2},
                {".5", .5},
                {"5.", 5},
                {"1e3", 1000},
                {"1E-3", .001},
                {"1e+2", 100},
                {"0.1", 0.1},
                {"123456789012345", 123456789012345.0},
                {"1234567890123456789", 1234567890123456789.0},
                {"0.000000000000000000000000123", 1.23e-25},
                {"1e308", 1e308},
                {"4.9e-324", 4.9e-324},
                {"000000000000000000000000000000000000001", 1},
                {"9007199254740993", 9007199254740993.0},
                {"0.30000000000000004", 0.30000000000000004},
                {"1e-400", 0}};
    static const char *const bad[] = {"",    " ",     "nan",   "NaN",   "inf",      "-Infinity", "0x10", "1,5",
                                      "1 2", "1.2.3", "e5",    "1e",    "1e+",      "--1",       "+-1",  ".",
                                      "1f",  "null",  "1e999", "1_000", "\xd9\xa1", "1.0\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        double value = NAN;
        if (!pu__parse_real(text_of(good[i].text), &value) || value != good[i].value)
            fail_msg("'%s' -> %.17g", good[i].text, value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        double value = 0;
        if (pu__parse_real(text_of(bad[i]), &value)) fail_msg("'%s' was accepted as %g", bad[i], value);
    }
}

/* Every double printed with 1 to 17 digits reads back as strtod reads it, under a locale with a decimal comma
 * where there is one. */
static void numbers_round_as_strtod(void **state) {
    (void)state;
    pu_random random = pu_random_at(20261123, 1);
    const bool comma = setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL;
    for (int i = 0; i < 200000; ++i) {
        char text[64];
        double value = 0;
        const double size = ldexp(pu_random_uniform(&random) - 0.5, (int)pu_random_below(&random, 200) - 100);
        setlocale(LC_NUMERIC, "C");
        snprintf(text, sizeof text, i % 2 ? "%.*g" : "%.*f", (int)pu_random_below(&random, 17) + 1,
                 i % 2 ? size : fmod(size, 1e9));
        const double want = strtod(text, NULL);
        if (comma) setlocale(LC_NUMERIC, "de_DE.UTF-8");
        if (!pu__parse_real(text_of(text), &value) || memcmp(&value, &want, sizeof want) != 0)
            fail_msg("'%s': %a, not %a", text, value, want);
    }
    setlocale(LC_NUMERIC, "C");
}

static void times_are_strict(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ts;
        bool date_only;
    } good[] = {{"2020-01-02", JAN_2_2020, true},
                {"2020/01/02", JAN_2_2020, true},
                {"20200102", JAN_2_2020, true},
                {"2020-01-02 15:30", JAN_2_2020 + 55800, false},
                {"2020-01-02T15:30:01Z", JAN_2_2020 + 55801, false},
                {"2020-01-02 15:30:01.250", JAN_2_2020 + 55801, false},
                {"2020-01-02 00:00:00+02:00", JAN_2_2020 - 7200, false},
                {"2020-01-02T00:00:00-0530", JAN_2_2020 + 19800, false},
                {"1577923200", JAN_2_2020, false},
                {"1577923200000", JAN_2_2020, false},
                {"1577923200000000", JAN_2_2020, false},
                {"1577923200000000000", JAN_2_2020, false}};
    static const char *const bad[] = {"",
                                      "2020-1-2",
                                      "01/02/2020",
                                      "2020-02-30",
                                      "2020-01-02T",
                                      "2020-01-02x",
                                      "2020-01-02 25:00",
                                      "2020-01-02 15:30Q",
                                      "2020-01-02 15",
                                      "12345678",
                                      "-1577923200",
                                      "2020-01/02",
                                      "Jan 2 2020",
                                      "2020-01-02 15:30:00+99:00",
                                      "15:30"};
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        pu__moment moment = {0};
        if (!pu__parse_moment(text_of(good[i].text), &moment) || moment.ts != good[i].ts ||
            moment.date_only != good[i].date_only) {
            fail_msg("'%s' -> %lld", good[i].text, (long long)moment.ts);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        pu__moment moment = {0};
        if (pu__parse_moment(text_of(bad[i]), &moment)) fail_msg("'%s' was accepted", bad[i]);
    }
}

/* Every layout gives the same two bars: the first closes at the end of 2 January 2020 unless the case says another
 * time. */
static void layouts_are_found(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *asset_class;
        pu_import_layout layout;
        int64_t bar_s, first_ts;
    } cases[] = {
        {"YAHOO.csv",
         "Date,Open,High,Low,Close,Adj "
         "Close,Volume\n2020-01-02,10,12,9,11,5.5,100\n2020-01-03,11,13,10,12,6,200\n",
         "equity", PU_IMPORT_YAHOO, DAY_S, JAN_2_2020 + DAY_S},
        {"NOADJ.csv", "Date,Open,High,Low,Close,Volume\n2020-01-02,10,12,9,11,100\n2020-01-03,11,13,10,12,200\n",
         "equity", PU_IMPORT_STOOQ, DAY_S, JAN_2_2020 + DAY_S},
        {"EURUSD.csv", "Date,Open,High,Low,Close\r\n2020-01-02,10,12,9,11\r\n2020-01-03,11,13,10,12\r\n", "forex",
         PU_IMPORT_STOOQ, DAY_S, JAN_2_2020 + DAY_S},
        {"bulk.txt",
         "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nKO.US,D,20200102,000000,10,12,"
         "9,11,100,0\n"
         "KO.US,D,20200103,000000,11,13,10,12,200,0\n",
         "equity", PU_IMPORT_STOOQ, DAY_S, JAN_2_2020 + DAY_S},
        {"bulk5.txt",
         "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nPEP.US,5,20200102,153000,10,"
         "12,9,11,100,0\n"
         "PEP.US,5,20200102,153500,11,13,10,12,200,0\n",
         "equity", PU_IMPORT_STOOQ, 300, JAN_2_2020 + 55800 + 300},
        {"BTCUSDT.csv",
         "1577923200000,10,12,9,11,100,1578009599999,0,0,0,0,0\n1578009600000,11,13,10,12,200,1578095999999,0,0,0,"
         "0,0\n",
         "crypto", PU_IMPORT_BINANCE, DAY_S, JAN_2_2020 + DAY_S},
        {"ETHUSDT.csv",
         "1577923200000000,10,12,9,11,100,1577923499999999,0,0,0,0,0\n1577923500000000,11,13,10,12,200,"
         "1577923799999999,0,0,0,0,0\n",
         "crypto", PU_IMPORT_BINANCE, 300, JAN_2_2020 + 300},
        {"XRPUSDT.csv",
         "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_"
         "volume,ignore\n"
         "1577923200000,10,12,9,11,100,1577923259999,0,0,0,0,0\n1577923260000,11,13,10,12,200,1577923319999,0,0,0,"
         "0,0\n",
         "crypto", PU_IMPORT_BINANCE, 60, JAN_2_2020 + 60},
        {"mine.csv",
         "\xef\xbb\xbf\"timestamp\";\"close\";\"open\";\"low\";\"high\"\n\"2020-01-02 "
         "10:00:00\";11;10;9;12\n2020-01-02 11:00:00;12;11;10;13",
         "equity", PU_IMPORT_GENERIC, 3600, JAN_2_2020 + 39600},
        {"weekly.csv", "Date,Open,High,Low,Close\n2019-12-30,10,12,9,11\n2020-01-06,11,13,10,12\n", "equity",
         PU_IMPORT_STOOQ, 7 * DAY_S, JAN_2_2020 + 4 * DAY_S},
        {"monthly.csv", "Date,Open,High,Low,Close\n2019-12-01,10,12,9,11\n2020-01-01,11,13,10,12\n", "equity",
         PU_IMPORT_STOOQ, 30 * DAY_S, JAN_2_2020 - DAY_S},
        {"BTC-USD.csv",
         "Date, Time, Open, High, Low, Close\n2020-01-02, 10:00, 10, 12, 9, 11\n2020-01-02, 10:15, 11, 13, 10, "
         "12\n\n",
         "crypto", PU_IMPORT_GENERIC, 900, JAN_2_2020 + 36900},
        {"^SPX.csv", "Date,Open,High,Low,Close\n2020-01-03,11,13,10,12\n2020-01-02,10,12,9,11\n", "index",
         PU_IMPORT_STOOQ, DAY_S, JAN_2_2020 + DAY_S}, /* newest first */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        must_import(cases[i].name, cases[i].text, NULL);
        if (result.rows_added != 2 || result.rows_read != 2 || result.layout != cases[i].layout ||
            result.bar_s != cases[i].bar_s || strcmp(result.asset_class, cases[i].asset_class) != 0 ||
            result.first_ts != cases[i].first_ts) {
            fail_msg("%s: %s %s, bar %lld s, first %lld, %lld added; %s", cases[i].name, result.asset_class,
                     pu_import_layout_name(result.layout), (long long)result.bar_s, (long long)result.first_ts,
                     (long long)result.rows_added, result.rejects[0].reason);
        }
        pu_bars bars = read_back(result.symbol);
        assert_int_equal(bars.count, 2);
        assert_true(bars.open[0] == 10 && bars.high[0] == 12 && bars.low[0] == 9 && bars.close[0] == 11 &&
                    bars.close[1] == 12);
        pu_bars_free(&bars);
    }
    pu_bars bars = read_back("YAHOO");
    assert_true(bars.adjusted[0] == 5.5 && bars.volume[1] == 200);
    pu_bars_free(&bars);
    bars = read_back("EURUSD");
    assert_true(bars.adjusted[0] == 11 && isnan(bars.volume[0]));
    pu_bars_free(&bars);
    bars = read_back("KO.US");
    pu_bars_free(&bars);
}

static void options_override(void **state) {
    (void)state;
    const char *hourly = "2020-01-02 10:00,10,12,9,11\n2020-01-02 11:00,11,13,10,12\n";
    must_import("raw.csv", hourly,
                &(pu_import_options){.columns = "date,open,high,low,close",
                                     .symbol = "RAW",
                                     .asset_class = "future",
                                     .currency = "USD",
                                     .stamp = PU_IMPORT_STAMP_CLOSE,
                                     .periods_per_year = 1234});
    assert_int_equal(result.first_ts, JAN_2_2020 + 36000);
    assert_false(result.stamp_assumed);
    int count = 0;
    pu_asset *assets = NULL;
    const char *raw[] = {"RAW"};
    assert_int_equal(pu_store_assets(store, 1, raw, &count, &assets), PU_OK);
    assert_string_equal(assets[0].asset_class, "future");
    assert_true(assets[0].periods_per_year == 1234);
    pu_free(assets);
    assert_int_equal(
        import_text(
            "raw.csv", hourly,
            &(pu_import_options){.columns = "date,open,high,low,close", .symbol = "RAW", .asset_class = "equity"}),
        PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "stored as future"));
    must_import("one.csv", "Time,Open,High,Low,Close\n2020-01-02 10:00,10,12,9,11\n",
                &(pu_import_options){.bar_s = 60});
    assert_int_equal(result.first_ts, JAN_2_2020 + 36060);
    assert_true(result.stamp_assumed);
    assert_int_equal(import_text("two.csv", "Time,Open,High,Low,Close\n2020-01-02 10:00,10,12,9,11\n", NULL),
                     PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "--bar"));
    assert_int_equal(import_text("three.csv", "Date,Open,High,Low,Close\n2020-01-02,10,12,9,11\n",
                                 &(pu_import_options){.layout = PU_IMPORT_BINANCE}),
                     PU_ERR_DATA);
    assert_int_equal(import_text("four.csv", "Date,Open,High,Low,Close\n2020-01-02,10,12,9,11\n",
                                 &(pu_import_options){.symbol = "A B"}),
                     PU_ERR_ARGUMENT);
}

#define YAHOO "Date,Open,High,Low,Close,Adj Close,Volume\n"
#define GOOD_1 "2020-01-02,10,12,9,11,11,100\n"
#define GOOD_2 "2020-01-06,11,13,10,12,12,200\n"

/* One bad row between two good ones: the good are stored, the bad is listed with its line and reason. */
static void bad_rows_are_listed(void **state) {
    (void)state;
    static const struct {
        const char *row, *reason;
    } cases[] = {
        {"2020-01-03,10,12,9,11,11\n", "6 columns, 7 are expected"},
        {"2020-01-03,10,12,9,11,11,100,1\n", "8 columns, 7 are expected"},
        {"2020-01-03,ten,12,9,11,11,100\n", "open: 'ten' is not a number"},
        {"2020-01-03,null,null,null,null,null,null\n", "open: 'null' is not a number"},
        {"2020-01-03,10,12,9,NaN,11,100\n", "close: 'NaN' is not a number"},
        {"2020-01-03,10,inf,9,11,11,100\n", "high: 'inf' is not a number"},
        {"2020-01-03,10,1e999,9,11,11,100\n", "high: '1e999' is not a number"},
        {"2020-01-03,10,12,9,,11,100\n", "close: empty"},
        {"2020-01-03,10,12,-9,11,11,100\n", "low: -9 is not positive"},
        {"2020-01-03,10,12,0,11,11,100\n", "low: 0 is not positive"},
        {"2020-01-03,10,12,9,11,-0.5,100\n", "adjusted close: -0.5 is not positive"},
        {"2020-01-03,10,9,12,11,11,100\n", "high 9 is below low 12"},
        {"2020-01-03,13,12,9,11,11,100\n", "open 13 is outside low 9 to high 12"},
        {"2020-01-03,10,12,9,8.99,11,100\n", "close 8.99 is outside low 9 to high 12"},
        {"2020-01-03,10,12,9,11,11,-1\n", "volume: -1 is negative"},
        {"2020-01-03,10,12,9,11,11,lots\n", "volume: 'lots' is not a number"},
        {"2020-13-03,10,12,9,11,11,100\n", "date: '2020-13-03' is not a time"},
        {"2020-01-03,10,12,9,\"11,5\",11,100\n", "close: '11,5' is not a number: a decimal comma needs"},
        {"2020-01-03,10,12,9,11,11,\"1,234.5\"\n", "volume: '1,234.5' is not a number"},
        {"03/01/2020,10,12,9,11,11,100\n", "date: '03/01/2020' is not a time"},
        {"1600-01-03,10,12,9,11,11,100\n", "outside the years"},
        {"2020-01-02,10,12,9,11.5,11,100\n", "again, with other values than on line 2"},
        {"2020-01-01,10,12,9,11,11,100\n",
         "out of order: closes 2020-01-02T00:00:00Z, line 2 closes 2020-01-03T00:00:00Z"},
        {"\"2020-01-03,10,12,9,11,11,100\n", "a quote is not closed"},
        {"2020-01-03,10,12,9,11,11,100,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n",
         "columns, 7 are expected"},
        {"\x01\x02\xff garbage\n", "1 columns, 7 are expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char name[32], text[1024];
        snprintf(name, sizeof name, "BAD%zu.csv", i);
        snprintf(text, sizeof text, YAHOO GOOD_1 "%s" GOOD_2, cases[i].row);
        must_import(name, text, &(pu_import_options){.bar_s = DAY_S});
        if (result.rows_read != 3 || result.rows_added != 2 || result.rows_rejected != 1 ||
            result.rejects[0].line != 3 || !strstr(result.rejects[0].reason, cases[i].reason)) {
            fail_msg("%s: %lld added, %lld rejected, line %lld: %s", cases[i].row, (long long)result.rows_added,
                     (long long)result.rows_rejected, (long long)result.rejects[0].line, result.rejects[0].reason);
        }
    }
    int64_t listed = 0;
    assert_int_equal(
        pu__sql_integer(store, "SELECT count(*) FROM rejected_rows WHERE line = 3 AND reason <> ''", 0, &listed),
        PU_OK);
    assert_int_equal(listed, sizeof cases / sizeof *cases);
    must_import("ZERO.csv", YAHOO GOOD_1 "2020-01-03,11,13,10,12,12,\n", NULL);
    assert_int_equal(result.rows_added, 2); /* a volume that is not there */
}

static void repeated_rows_are_counted(void **state) {
    (void)state;
    must_import("TWICE.csv", YAHOO GOOD_1 GOOD_1 "\n" GOOD_2 "   \n", &(pu_import_options){.bar_s = DAY_S});
    assert_int_equal(result.rows_read, 3);
    assert_int_equal(result.rows_added, 2);
    assert_int_equal(result.rows_unchanged, 1);
    assert_int_equal(result.rows_rejected, 0);
}

static void useless_files_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "is empty"},
        {YAHOO, "holds no row"},
        {"\n\n", "no column 'date'"},
        {"Date,Open,Low,Close\n2020-01-02,1,1,1\n", "no column 'high'"},
        {"Open,High,Low,Close\n1,1,1,1\n", "no column 'date'"},
        {"Date,Open,High,Low,Close,Close\n2020-01-02,1,1,1,1,1\n", "columns 5 and 6 both are the close"},
        {"2020-01-02,1,1,1,1\n", "no column 'date'"},
        {YAHOO "2020-01-02,a,b,c,d,e,f\n", "none of its 1 rows can be used; line 2: open: 'a'"},
        {"Date,Open,High,Low,Close\n2010-01-02,1,1,1,1\n2020-01-02,1,1,1,1\n", "--bar"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        assert_int_equal(import_text("USELESS.csv", cases[i].text, NULL), PU_ERR_DATA);
        if (!strstr(pu_error_message(), cases[i].message))
            fail_msg("'%s' does not say '%s'", pu_error_message(), cases[i].message);
        int count = 0;
        pu_asset *assets = NULL;
        const char *symbol[] = {"USELESS"};
        assert_int_equal(pu_store_assets(store, 1, symbol, &count, &assets), PU_ERR_NOT_FOUND);
    }
    assert_int_equal(pu_import_file(store, test_path(folder, "none.csv"), NULL, &result), PU_ERR_NOT_FOUND);
    assert_int_equal(pu_import_file(store, folder, NULL, &result), PU_ERR_IO);
}

/* A line of two gigabytes (a sparse file of zeros) is one error, found after a megabyte. */
static void endless_lines_are_errors(void **state) {
    (void)state;
    test_write(test_path(folder, "LONG.csv"), YAHOO GOOD_1 "2020-01-03,");
    assert_int_equal(truncate(test_path(folder, "LONG.csv"), (off_t)2 << 30), 0);
    assert_int_equal(pu_import_file(store, test_path(folder, "LONG.csv"), NULL, &result), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "LONG.csv:3: a line of more than 65536 bytes"));
    assert_true(result.seconds < 5);
    test_write(test_path(folder, "HEAD.csv"), "Date");
    assert_int_equal(truncate(test_path(folder, "HEAD.csv"), (off_t)2 << 30), 0);
    assert_int_equal(pu_import_file(store, test_path(folder, "HEAD.csv"), NULL, &result), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "HEAD.csv:1"));
}

static void importing_again_changes_nothing(void **state) {
    (void)state;
    int64_t before = 0, after = 0;
    must_import("AGAIN.csv", YAHOO GOOD_1 GOOD_2, &(pu_import_options){.bar_s = DAY_S});
    assert_int_equal(pu__sql_integer(store, "SELECT total_changes() + (SELECT count(*) FROM imports)", 0, &before),
                     PU_OK);
    must_import("AGAIN.csv", YAHOO GOOD_1 GOOD_2, &(pu_import_options){.bar_s = DAY_S});
    assert_int_equal(result.rows_unchanged, 2);
    assert_int_equal(pu__sql_integer(store, "SELECT total_changes() + (SELECT count(*) FROM imports)", 0, &after),
                     PU_OK);
    assert_int_equal(before, after);
    /* More history is added to what is there; a changed bar is refused unless it is asked for. */
    const char *longer = YAHOO GOOD_1 "2020-01-06,11,13,10,12.5,12,200\n2020-01-07,11,13,10,12,12,200\n";
    must_import("AGAIN.csv", longer, &(pu_import_options){.bar_s = DAY_S});
    assert_true(result.rows_added == 1 && result.rows_unchanged == 1 && result.rows_rejected == 1);
    assert_int_equal(result.rejects[0].line, 3);
    assert_non_null(strstr(result.rejects[0].reason, "--replace"));
    must_import("AGAIN.csv", longer, &(pu_import_options){.bar_s = DAY_S, .replace = true});
    assert_true(result.rows_replaced == 1 && result.rows_unchanged == 2 && result.rows_rejected == 0);
    pu_bars bars = read_back("AGAIN");
    assert_true(bars.count == 3 && bars.close[1] == 12.5);
    pu_bars_free(&bars);
    assert_int_equal(pu_store_check(store), PU_OK);
}

static void count_file(void *context, const char *path, pu_status status, const pu_import_result *one) {
    int *counts = context;
    (void)path;
    ++counts[status == PU_OK ? 0 : 1];
    counts[2] += (int)one->rows_added;
}

static void folders_go_on_after_a_failure(void **state) {
    (void)state;
    int counts[3] = {0};
    char inner[512];
    snprintf(inner, sizeof inner, "%s/inner", folder);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(pu_import_path(store, inner, NULL, NULL, NULL), PU_ERR_NOT_FOUND);
    test_write(test_path(inner, "FA.csv"), YAHOO GOOD_1);
    test_write(test_path(inner, "FB.csv"), "nonsense\n");
    test_write(test_path(inner, "FC.TXT"), YAHOO GOOD_1 GOOD_2);
    test_write(test_path(inner, "README.md"), "no table\n");
    const pu_import_options daily = {.bar_s = DAY_S};
    assert_int_equal(pu_import_path(store, inner, &daily, count_file, counts), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "1 of 3 files failed"));
    assert_true(counts[0] == 2 && counts[1] == 1 && counts[2] == 3);
    assert_int_equal(pu_import_path(store, inner, &(pu_import_options){.symbol = "X"}, NULL, NULL),
                     PU_ERR_ARGUMENT);
}

static void names_are_not_cut_and_metadata_not_ignored(void **state) {
    (void)state;
    static const char *const text = "date,open,high,low,close\n2021-03-01,1,2,1,1\n2021-03-02,1,2,1,1\n";
    char name[80];
    snprintf(name, sizeof name, "%070d.csv", 1);
    assert_int_equal(import_text(name, text, NULL), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "70 bytes, 1 to 63 are accepted"));
    snprintf(name, sizeof name, "%063d.csv", 1);
    must_import(name, text, NULL);
    assert_int_equal(import_text("Q.csv", text, &(pu_import_options){.symbol = "a\"b"}), PU_ERR_ARGUMENT);
    must_import("META.csv", text, &(pu_import_options){.currency = "EUR", .periods_per_year = 250});
    must_import("META.csv", text, &(pu_import_options){.currency = "EUR", .periods_per_year = 250});
    assert_int_equal(import_text("META.csv", text, &(pu_import_options){.currency = "USD"}), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "stored with the currency 'EUR'"));
    assert_int_equal(import_text("META.csv", text, &(pu_import_options){.periods_per_year = 252}), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "stored with 250 bars a year"));
}

static void real_files_import_whole(void **state) {
    (void)state;
    static const struct {
        const char *folder;
        int rows;
    } cases[] = {{"real/equities", 50961},
                 {"real/forex", 4 * 3738},
                 {"real/crypto", 1318},
                 {"real/crypto_5m", 51786},
                 {"dirty/equities", 22345}};
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    char base[4096], path[4200];
    snprintf(base, sizeof base, "%s%s", shared ? shared : source ? source : ".", shared ? "" : "/../shared");
    if (access(base, R_OK) != 0) snprintf(base, sizeof base, "/work/shared");
    if (access(base, R_OK) != 0) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        int counts[3] = {0};
        pu_store *real = NULL;
        snprintf(path, sizeof path, "%s/data/%s", base, cases[i].folder);
        assert_int_equal(pu_store_open(test_path(folder, i == 4 ? "dirty.db" : "real.db"), PU_STORE_CREATE, &real),
                         PU_OK);
        if (pu_import_path(real, path, NULL, count_file, counts) != PU_OK) fail_msg("%s", pu_error_message());
        assert_int_equal(counts[2], cases[i].rows);
        assert_int_equal(pu_store_check(real), PU_OK);
        pu_store_close(real);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(numbers_round_as_strtod),
        cmocka_unit_test(times_are_strict),
        cmocka_unit_test(layouts_are_found),
        cmocka_unit_test(options_override),
        cmocka_unit_test(bad_rows_are_listed),
        cmocka_unit_test(repeated_rows_are_counted),
        cmocka_unit_test(useless_files_are_errors),
        cmocka_unit_test(endless_lines_are_errors),
        cmocka_unit_test(importing_again_changes_nothing),
        cmocka_unit_test(folders_go_on_after_a_failure),
        cmocka_unit_test(names_are_not_cut_and_metadata_not_ignored),
        cmocka_unit_test(real_files_import_whole),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
