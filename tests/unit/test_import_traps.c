/* Import: what makes a file look like another: how long a bar is, told by few rows, by a period column, or not at all;
 * whose bars they are, in which currency. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <sqlite3.h>

#include "host/data/store/sql.h"
#include "plusultra/import.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, WEEK_S = 7 * DAY_S, MAR_8_2024 = 1709856000 };

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

static void must_refuse(const char *name, const char *text, const char *wanted) {
    assert_int_equal(import_text(name, text, NULL), PU_ERR_DATA);
    if (!strstr(pu_error_message(), wanted)) fail_msg("%s: %s", name, pu_error_message());
}

static int64_t ask(const char *sql) {
    int64_t value = -1;
    if (pu__sql_integer(store, sql, -1, &value) != PU_OK) fail_msg("%s", pu_error_message());
    return value;
}

#define HEADER "Date,Open,High,Low,Close,Volume\n"
#define BAR ",10,12,9,11,100\n"

/* Friday and Monday, and no more: daily bars, not one of three days that closes two days late. */
static void weekends_are_no_distance(void **state) {
    (void)state;
    must_import("AA.csv", HEADER "2024-03-05" BAR "2024-03-06" BAR "2024-03-07" BAR, NULL);
    must_import("AA.csv", HEADER "2024-03-08" BAR "2024-03-11" BAR, NULL);
    assert_true(result.bar_s == DAY_S && result.rows_added == 2 && result.first_ts == MAR_8_2024 + DAY_S);
    must_import("AB.csv", HEADER "2024-03-11" BAR "2024-03-08" BAR, NULL); /* newest first */
    assert_int_equal(result.bar_s, DAY_S);
    must_import("AC.csv", HEADER "2024-03-08" BAR "2024-03-10" BAR, NULL); /* forex trades on Sunday */
    assert_int_equal(result.bar_s, DAY_S);
    /* With a clock time and a zone, where the clocks change between them. */
    must_import("AD.csv",
                HEADER "2024-03-07 00:00:00-05:00" BAR "2024-03-08 00:00:00-05:00" BAR
                       "2024-03-11 00:00:00-04:00" BAR,
                NULL);
    assert_int_equal(result.bar_s, DAY_S);
    assert_int_equal(ask("SELECT count(*) FROM assets WHERE bar_s <> 86400"), 0);
}

static void few_rows_do_not_make_odd_bars(void **state) {
    (void)state;
    static const char easter[] = HEADER "2024-03-28" BAR "2024-04-01" BAR;
    must_refuse("BA.csv", easter, "4 days apart do not tell the bar length: give it with --bar");
    must_import("BA.csv", easter, &(pu_import_options){.bar_s = DAY_S});
    must_refuse("BB.csv", HEADER "2024-03-01" BAR "2024-03-15" BAR, "--bar");
    must_import("BC.csv", HEADER "2024-03-01" BAR "2024-03-08" BAR, NULL);
    assert_int_equal(result.bar_s, WEEK_S);
    must_import("BD.csv", HEADER "2024-02-29" BAR "2024-03-31" BAR, NULL);
    assert_int_equal(result.bar_s, 30 * DAY_S);
}

/* A weekly bar taken for a daily one would be seen six days before it ends. */
static void one_date_does_not_change_the_length(void **state) {
    (void)state;
    must_import("CA.csv", HEADER "2024-03-01" BAR "2024-03-08" BAR "2024-03-15" BAR, NULL);
    must_refuse("CA.csv", HEADER "2024-03-22" BAR, "CA is stored with bars of 604800 s");
    must_import("CA.csv", HEADER "2024-03-22" BAR, &(pu_import_options){.bar_s = WEEK_S});
    must_refuse("panel.csv",
                "Date,Symbol,Open,High,Low,Close\n2024-03-29,CA,10,12,9,11\n2024-03-29,CB,10,12,9,11\n",
                "CA is stored with bars of 604800 s");
    assert_int_equal(ask("SELECT sum(bars) FROM assets WHERE symbol IN ('CA', 'CB')"), 4);
    must_import("CC.csv", HEADER "2024-03-22" BAR, NULL);
    must_import("CC.csv", HEADER "2024-03-25" BAR, NULL);
    assert_true(result.bar_s == DAY_S && ask("SELECT bars FROM assets WHERE symbol = 'CC'") == 2);
}

#define BULK "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
#define TAIL ",10,12,9,11,100,0\n"

static void periods_of_one_symbol_are_assets(void **state) {
    (void)state;
    static const char mixed[] =
        BULK "D,60,20240308,160000" TAIL "D,60,20240308,170000" TAIL "D,5,20240308,160500" TAIL
             "D,W,20240308,000000" TAIL "D,M,20240301,000000" TAIL "D,x,20240308,000000" TAIL;
    must_import("mixed.txt", mixed, NULL);
    assert_true(result.rows_added == 5 && result.rows_rejected == 1 && result.symbol_count == 4);
    assert_non_null(strstr(result.rejects[0].reason, "period: 'x' is not D, W, M or minutes"));
    assert_int_equal(ask("SELECT first_ts FROM assets WHERE symbol = 'D' AND bar_s = 604800"),
                     MAR_8_2024 + WEEK_S);
    must_import("mixed.txt", mixed, &(pu_import_options){.symbol = "DD"});
    assert_true(result.rows_added == 2 && result.rows_rejected == 4 && result.bar_s == 3600);
    assert_non_null(strstr(result.rejects[0].reason, "period: '5' among rows of 3600 s"));
}

static void a_price_earnings_ratio_is_no_period(void **state) {
    (void)state;
    must_import("EA.csv", "Date,Open,High,Low,Close,PER\n2024-03-07,10,12,9,11,15\n2024-03-08,10,12,9,11,15\n",
                NULL);
    assert_true(result.bar_s == DAY_S && result.first_ts == MAR_8_2024);
}

/* A symbol of a database whose rows are all rejected has no bar to tell its length by. */
static void a_symbol_without_a_good_row(void **state) {
    (void)state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(test_path(folder, "bad.db"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE series(timestamp, symbol, open, high, low, close);INSERT INTO series "
                     "VALUES('2024-03-07', 'FA', 10, 12, 9, 11), ('2024-03-08', 'FA', 10, 12, 9, 11),"
                     "('2024-03-07', 'FB', -1, 12, 9, 11), ('2024-03-08', 'FB', NULL, 12, 9, 11)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    if (pu_import_file(store, test_path(folder, "bad.db"), NULL, &result) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_true(result.rows_added == 2 && result.rows_rejected == 2 && result.symbol_count == 1);
}

/* A row that comes twice is counted before its bar is put; the first time is the bar's all the same. */
static void repeated_rows_move_no_time(void **state) {
    (void)state;
    must_import("repeats.csv",
                "Date,Symbol,Open,High,Low,Close\n2024-03-07,GA,10,12,9,11\n2024-03-07,GA,10,12,9,11\n"
                "2024-03-08,GA,10,12,9,11\n2024-03-08,GB,10,12,9,11\n",
                NULL);
    assert_true(result.rows_added == 3 && result.rows_unchanged == 1);
    assert_int_equal(result.first_ts, MAR_8_2024);
    assert_int_equal(result.last_ts, MAR_8_2024 + DAY_S);
}

/* Read as a table of bars, the bars of all its assets would be one. */
static void a_store_is_no_source(void **state) {
    (void)state;
    assert_int_equal(pu_import_file(store, test_path(folder, "market.db"), NULL, &result), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "is a store of Plus Ultra"));
}

static void a_pipe_does_not_hang(void **state) {
    (void)state;
    assert_int_equal(mkfifo(test_path(folder, "pipe.csv"), 0600), 0);
    assert_int_equal(pu_import_file(store, test_path(folder, "pipe.csv"), NULL, &result), PU_ERR_IO);
    assert_non_null(strstr(pu_error_message(), "not a regular file"));
}

static void import_in(const char *name, const char *currency) {
    char text[8192] = HEADER;
    for (int i = 0; i < 60; ++i)
        snprintf(text + strlen(text), sizeof text - strlen(text), "2024-%02d-%02d" BAR, 1 + i / 28, 1 + i % 28);
    must_import(name, text, &(pu_import_options){.currency = currency, .bar_s = DAY_S});
}

/* Nothing is converted, so it is said. */
static void currencies_are_not_mixed_in_silence(void **state) {
    (void)state;
    import_in("HA.csv", "USD");
    import_in("HB.csv", "EUR");
    import_in("HC.csv", "USD");
    import_in("HD.csv", NULL);
    static const char *const symbols[] = {"data.symbols=[HA, HB]", "data.symbols=[HA, HC, HD]"};
    for (int i = 0; i < 2; ++i) {
        test_outcome run = test_plusultra(folder, "features", "build", "--set", symbols[i], "--set",
                                          "features.names=[log_return_1]", NULL);
        if (run.code != 0) fail_msg("%s", run.err);
        assert_int_equal(strstr(run.err, "HA is in USD, HB in EUR") != NULL, i == 0);
        assert_int_equal(strstr(run.err, "hedged") != NULL, i == 0);
        test_outcome_free(&run);
    }
}

/* Bars on every day of the week are no share's. The class, and with it the bars a year, is a guess that is doubted. */
static void saturdays_doubt_the_class(void **state) {
    (void)state;
    char text[4096] = HEADER, days[4096] = HEADER;
    for (int i = 1; i <= 28; ++i) {
        const size_t used = strlen(text), kept = strlen(days);
        snprintf(text + used, sizeof text - used, "2024-03-%02d" BAR, i);
        if (i % 7 != 2 && i % 7 != 3) snprintf(days + kept, sizeof days - kept, "2024-03-%02d" BAR, i);
    }
    test_write(test_path(folder, "COIN.csv"), text);
    test_write(test_path(folder, "SHARE.csv"), days);
    test_write(test_path(folder, "COINUSDT.csv"), text);
    test_outcome run =
        test_plusultra(folder, "import", "-s", "doubt.db", "COIN.csv", "SHARE.csv", "COINUSDT.csv", NULL);
    if (run.code != 0) fail_msg("%s", run.err);
    assert_non_null(strstr(run.err, "COIN: taken as equity, 252 bars a year, but it trades on Saturdays"));
    assert_null(strstr(run.err, "SHARE"));
    assert_null(strstr(run.err, "COINUSDT"));
    assert_non_null(strstr(run.out, "COINUSDT     crypto"));
    test_outcome_free(&run);
}

/* A weekly file ends its bars at other times than the weeks that were made here from daily bars. */
static void resampled_bars_take_no_imports(void **state) {
    (void)state;
    char text[8192] = HEADER;
    for (int i = 0; i < 60; ++i)
        snprintf(text + strlen(text), sizeof text - strlen(text), "2024-%02d-%02d" BAR, 1 + i / 28, 1 + i % 28);
    must_import("IA.csv", text, &(pu_import_options){.bar_s = DAY_S});
    test_outcome run = test_plusultra(folder, "resample", "--from", "1d", "--to", "1w", "IA", NULL);
    if (run.code != 0) fail_msg("%s", run.err);
    test_outcome_free(&run);
    must_refuse("IA.csv", HEADER "2024-03-04" BAR "2024-03-11" BAR,
                "IA@604800 was made by `plusultra resample`, resample:IA@86400");
    must_import("IA.csv", HEADER "2024-03-04" BAR "2024-03-11" BAR, &(pu_import_options){.symbol = "IB"});
}

/* Programs read the JSON alone. */
static void a_file_that_is_not_there_is_in_the_json(void **state) {
    (void)state;
    test_outcome run = test_plusultra(folder, "import", "-s", "none.db", "none.csv", "--json", "none.json", NULL);
    assert_int_equal(run.code, 1);
    test_outcome_free(&run);
    char *json = test_read(test_path(folder, "none.json"));
    assert_non_null(strstr(json, "cannot open none.csv"));
    free(json);
}

/* The field that is wrong is the one that is named. */
static void a_clock_time_is_blamed_itself(void **state) {
    (void)state;
    static const char *const reasons[] = {"time: '24:00' is no clock time", "date: '2024-13-12' is not a time",
                                          "time: '9:00' is no clock time"};
    must_import("CLOCK.csv",
                "Date,Time,Open,High,Low,Close\n2024-03-11,09:00,10,12,9,11\n2024-03-11,10:00,10,12,9,11\n"
                "2024-03-11,24:00,10,12,9,11\n2024-13-12,09:00,10,12,9,11\n2024-03-12,9:00,10,12,9,11\n",
                NULL);
    assert_int_equal(result.rows_rejected, 3);
    for (int i = 0; i < 3; ++i) {
        if (strncmp(result.rejects[i].reason, reasons[i], strlen(reasons[i])) != 0)
            fail_msg("%s: %s", reasons[i], result.rejects[i].reason);
    }
}

/* `count` days from the first of March 2024 on, with the close at 10 and the adjusted close at `adjusted`. */
static const char *adjusted_days(char *text, size_t bytes, int first, int count, double adjusted) {
    snprintf(text, bytes, "Date,Open,High,Low,Close,Adj Close,Volume\n");
    for (int day = first; day < first + count; ++day)
        snprintf(text + strlen(text), bytes - strlen(text), "2024-03-%02d,10,12,9,10,%g,100\n", day, adjusted);
    return text;
}

static pu_import_seam last_seam;
static void keep_seam(void *context, const pu_import_symbol *symbol) {
    (void)context;
    last_seam = symbol->seam;
}

/* Every download scales its adjusted closes to its own end: what is stored from an older one has stale factors once a
 * dividend came, and an increment alone cannot tell. */
static void seams_of_adjusted_closes_are_told(void **state) {
    (void)state;
    static const struct {
        const char *name, *asset_class;
        int first, count;
        double adjusted;
        bool replace;
        pu_import_seam seam;
    } steps[] = {
        {"SEAM.csv", "equity", 1, 10, 9.5, false, PU_IMPORT_SEAM_NONE},
        {"SEAM.csv", "equity", 9, 4, 9.5, false, PU_IMPORT_SEAM_NONE}, /* two stored days agree */
        {"SEAM.csv", "equity", 13, 2, 9.5, false, PU_IMPORT_SEAM_UNSEEN},
        {"SEAM.csv", "equity", 14, 3, 9.4999, false, PU_IMPORT_SEAM_NONE}, /* printed with fewer digits: noise */
        {"SEAM.csv", "equity", 15, 4, 9.4, false, PU_IMPORT_SEAM_DIFFERS},
        {"SEAM.csv", "equity", 15, 4, 9.4, true, PU_IMPORT_SEAM_DIFFERS}, /* those before stay as they were */
        {"SEAM.csv", "equity", 1, 20, 9.3, true, PU_IMPORT_SEAM_NONE},
        {"GROWN.csv", "equity", 1, 10, 9.5, false, PU_IMPORT_SEAM_NONE},
        {"GROWN.csv", "equity", 1, 15, 9.5, false,
         PU_IMPORT_SEAM_NONE}, /* read on from the end of the same bytes */
        {"PAIR.csv", "forex", 1, 3, 10, false, PU_IMPORT_SEAM_NONE},
        {"PAIR.csv", "forex", 4, 3, 10, false, PU_IMPORT_SEAM_NONE}, /* nothing is ever adjusted there */
        {"LAST.csv", "equity", 1, 3, 10, false, PU_IMPORT_SEAM_NONE},
        {"LAST.csv", "equity", 4, 3, 10, false, PU_IMPORT_SEAM_UNSEEN}, /* a dividend on the 4th would not show */
    };
    char text[4096];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; ++i) {
        must_import(steps[i].name,
                    adjusted_days(text, sizeof text, steps[i].first, steps[i].count, steps[i].adjusted),
                    &(pu_import_options){.bar_s = DAY_S,
                                         .asset_class = steps[i].asset_class,
                                         .replace = steps[i].replace,
                                         .on_symbol = keep_seam});
        if (last_seam != steps[i].seam) fail_msg("step %zu: seam %d", i, (int)last_seam);
    }
    /* Without a column of adjusted closes there is nothing to be stale. */
    must_import("PLAIN.csv", HEADER "2024-03-01" BAR "2024-03-04" BAR, &(pu_import_options){.bar_s = DAY_S});
    must_import("PLAIN.csv", HEADER "2024-03-05" BAR,
                &(pu_import_options){.bar_s = DAY_S, .on_symbol = keep_seam, .symbol = "PLAIN"});
    assert_int_equal(last_seam, PU_IMPORT_SEAM_NONE);
}

static void seams_are_logged_for_people_and_programs(void **state) {
    (void)state;
    char text[4096];
    test_write(test_path(folder, "OLD.csv"), adjusted_days(text, sizeof text, 1, 25, 9.5));
    test_outcome run = test_plusultra(folder, "import", "-s", "seam.db", "OLD.csv", "--bar", "1d", NULL);
    assert_int_equal(run.code, 0);
    assert_null(strstr(run.err, "seam"));
    test_outcome_free(&run);
    test_write(test_path(folder, "OLD.csv"), adjusted_days(text, sizeof text, 26, 3, 9.5));
    run = test_plusultra(folder, "import", "-s", "seam.db", "OLD.csv", "--bar", "1d", "--json", "seam.json",
                         "--log-format", "json", NULL);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.err, "\"import.seam\""));
    assert_non_null(strstr(run.err, "\"seam\":\"unseen\""));
    assert_non_null(strstr(run.err, "--replace, or corporate actions"));
    test_outcome_free(&run);
    char *json = test_read(test_path(folder, "seam.json"));
    assert_non_null(strstr(json, "\"adjustment_seam\": \"unseen\""));
    free(json);
    /* A file that is refused for its many rows says what they have in common. */
    test_write(test_path(folder, "OLD.csv"), adjusted_days(text, sizeof text, 1, 28, 9.4));
    run = test_plusultra(folder, "import", "-s", "seam.db", "OLD.csv", "--bar", "1d", NULL);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "OLD: 28 bars have the stored close and another adjusted one"));
    test_outcome_free(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weekends_are_no_distance),
        cmocka_unit_test(few_rows_do_not_make_odd_bars),
        cmocka_unit_test(one_date_does_not_change_the_length),
        cmocka_unit_test(periods_of_one_symbol_are_assets),
        cmocka_unit_test(a_price_earnings_ratio_is_no_period),
        cmocka_unit_test(a_symbol_without_a_good_row),
        cmocka_unit_test(repeated_rows_move_no_time),
        cmocka_unit_test(a_store_is_no_source),
        cmocka_unit_test(a_pipe_does_not_hang),
        cmocka_unit_test(a_clock_time_is_blamed_itself),
        cmocka_unit_test(seams_of_adjusted_closes_are_told),
        cmocka_unit_test(seams_are_logged_for_people_and_programs),
        cmocka_unit_test(currencies_are_not_mixed_in_silence),
        cmocka_unit_test(saturdays_doubt_the_class),
        cmocka_unit_test(resampled_bars_take_no_imports),
        cmocka_unit_test(a_file_that_is_not_there_is_in_the_json),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
