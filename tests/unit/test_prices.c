/* Prices as traded, adjusted for splits and for dividends, by what was known at a time; corporate actions from files;
 * regimes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/actions/actions_file.h"
#include "host/data/store/adjust.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/import.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

enum { DAY_S = 86400 };

static char *folder;

static int make_folder(void **state) {
    (void)state;
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

static pu_store *create(const char *name) {
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store));
    return store;
}

/* Daily bars with these closes: day i closes at (i + 1) days, open is the close before. adjusted null: the close. */
static int64_t put(pu_store *store, const char *symbol, int count, const double *close, const double *adjusted) {
    int64_t id = 0;
    pu__bar_writer writer;
    MUST(pu_store_begin(store));
    MUST(pu__asset_make(store, symbol, "equity", DAY_S, "USD", 252, &id));
    MUST(pu__bar_writer_open(store, id, &writer));
    for (int i = 0; i < count; ++i) {
        const pu__bar bar = {(i + 1) * DAY_S,
                             close[i],
                             close[i] * 1.02,
                             close[i] * 0.97,
                             close[i],
                             adjusted ? adjusted[i] : close[i],
                             1000};
        MUST(pu__bars_put(&writer, &bar, 1, false, NULL));
    }
    MUST(pu__bar_writer_close(&writer, PU_OK));
    MUST(pu_store_commit(store));
    return id;
}

static void view_is(pu_store *store, int64_t id, pu_price_view view, int64_t known_ts, int count,
                    const double *close, const double *volume) {
    pu_bars bars;
    MUST(pu_store_bars_view(store, id, INT64_MIN, INT64_MAX, view, known_ts, &bars));
    assert_int_equal(bars.count, count);
    for (int i = 0; i < count; ++i) {
        if (!(fabs(bars.close[i] - close[i]) <= 1e-12 * close[i]))
            fail_msg("view %d, bar %d: %.15g, not %.15g", (int)view, i, bars.close[i], close[i]);
        assert_true(fabs(bars.high[i] - 1.02 * close[i]) <= 1e-12 * close[i]);
        if (volume) assert_true(fabs(bars.volume[i] - volume[i]) <= 1e-9);
        if (view == PU_PRICES_TOTAL_RETURN) assert_true(bars.adjusted[i] == bars.close[i]);
    }
    pu_bars_free(&bars);
}

/* The example of Yahoo's help page: a dividend of 0.08 after a close of 24.96 is a factor of 0.9968. */
static void a_dividend_by_hand(void **state) {
    (void)state;
    static const double close[] = {24.50, 24.96, 24.90};
    pu_store *store = create("dividend.db");
    const int64_t id = put(store, "D", 3, close, NULL);
    const pu_action action = {2 * DAY_S, PU_ACTION_DIVIDEND, 0.08, 2 * DAY_S, PU_BASIS_RAW};
    int64_t changed = 0;
    MUST(pu_store_put_actions(store, id, 1, &action, &changed));
    assert_int_equal(changed, 1);
    MUST(pu_store_put_actions(store, id, 1, &action, &changed));
    assert_int_equal(changed, 0);
    const double f = 1 - 0.08 / 24.96;
    assert_true(fabs(f - 0.9968) < 5e-5);
    const double total[] = {24.50 * f, 24.96 * f, 24.90};
    view_is(store, id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, 3, total, NULL);
    view_is(store, id, PU_PRICES_SPLIT_ADJUSTED, PU_KNOWN_ALL, 3, close, NULL);
    view_is(store, id, PU_PRICES_STORED, PU_KNOWN_ALL, 3, close, NULL);
    view_is(store, id, PU_PRICES_TOTAL_RETURN, 2 * DAY_S, 2, close, NULL); /* due after the last bar known */
    view_is(store, id, PU_PRICES_TOTAL_RETURN, 3 * DAY_S, 3, total, NULL);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

/* Raw: 100, 102, then 2 for 1 and a dividend of 1 a new share on the same day, 50, 51, then 3 for 1, 17. */
static const double raw[] = {100, 102, 50, 51, 17};
static const double raw_volume[] = {1000, 1000, 1000, 1000, 1000};
static const pu_action both[] = {
    {2 * DAY_S, PU_ACTION_SPLIT, 2, 0, PU_BASIS_RAW},
    {2 * DAY_S, PU_ACTION_DIVIDEND, 1, 0, PU_BASIS_RAW},
    {4 * DAY_S, PU_ACTION_SPLIT, 3, 3 * DAY_S, PU_BASIS_RAW},
};

static void splits_and_dividends_by_hand(void **state) {
    (void)state;
    static const double split[] = {100 / 6.0, 17, 50 / 3.0, 17, 17},
                        split_volume[] = {6000, 6000, 3000, 3000, 1000};
    const double f = 1 - 1 / 51.0; /* 102 before is 51 a new share */
    const double total[] = {100 / 6.0 * f, 17 * f, 50 / 3.0, 17, 17};
    pu_store *store = create("raw.db");
    const int64_t id = put(store, "R", 5, raw, NULL);
    MUST(pu_store_put_price_basis(store, id, PU_BASIS_RAW));
    MUST(pu_store_put_actions(store, id, 3, both, NULL));
    view_is(store, id, PU_PRICES_RAW, PU_KNOWN_ALL, 5, raw, raw_volume);
    view_is(store, id, PU_PRICES_SPLIT_ADJUSTED, PU_KNOWN_ALL, 5, split, split_volume);
    view_is(store, id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, 5, total, split_volume);
    /* Before the second split is due, announced or not, prices are in the shares of then. */
    const double then[] = {50 * f, 51 * f, 50, 51};
    view_is(store, id, PU_PRICES_TOTAL_RETURN, 4 * DAY_S, 4, then, NULL);
    /* The same history delivered in later shares, the dividend in the shares of its day or in later ones. */
    const int64_t adjusted_id = put(store, "S", 5, split, NULL);
    pu_action later[3];
    memcpy(later, both, sizeof later);
    for (int k = 0; k < 2; ++k) {
        if (k == 1) later[1].basis = PU_BASIS_SPLIT_ADJUSTED, later[1].value = 1 / 3.0;
        MUST(pu_store_put_actions(store, adjusted_id, 3, later, NULL));
        view_is(store, adjusted_id, PU_PRICES_RAW, PU_KNOWN_ALL, 5, raw, NULL);
        view_is(store, adjusted_id, PU_PRICES_SPLIT_ADJUSTED, PU_KNOWN_ALL, 5, split, NULL);
        view_is(store, adjusted_id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, 5, total, NULL);
        view_is(store, adjusted_id, PU_PRICES_TOTAL_RETURN, 4 * DAY_S, 4, then, NULL);
        MUST(pu_store_put_actions(store, id, 3, later, NULL));
        view_is(store, id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, 5, total, split_volume);
    }
    pu_store_close(store);
}

/* A dividend that was announced after its ex time is not in what was known before. */
static void late_announcements_are_not_seen_early(void **state) {
    (void)state;
    static const double close[] = {10, 10, 9, 9, 9};
    static const double total[] = {9, 9, 9, 9, 9};
    pu_store *store = create("late.db");
    const int64_t id = put(store, "L", 5, close, NULL);
    const pu_action action = {2 * DAY_S, PU_ACTION_DIVIDEND, 1, 4 * DAY_S, PU_BASIS_RAW};
    MUST(pu_store_put_actions(store, id, 1, &action, NULL));
    view_is(store, id, PU_PRICES_TOTAL_RETURN, 4 * DAY_S - 1, 3, close, NULL);
    view_is(store, id, PU_PRICES_TOTAL_RETURN, 4 * DAY_S, 4, total, NULL);
    /* A delivered adjusted close is scaled to the last bar known: what was paid later does not show. */
    static const double prices[] = {10, 10, 9, 9, 8}, delivered[] = {8.1, 8.1, 8.1, 8.1, 8};
    static const double then[] = {9, 9, 9, 9};
    const int64_t other = put(store, "M", 5, prices, delivered);
    view_is(store, other, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, 5, delivered, NULL);
    view_is(store, other, PU_PRICES_TOTAL_RETURN, 4 * DAY_S, 4, then, NULL);
    const pu_action absurd = {2 * DAY_S, PU_ACTION_DIVIDEND, 10, 0, PU_BASIS_RAW};
    pu_bars bars;
    MUST(pu_store_put_actions(store, other, 1, &absurd, NULL));
    assert_int_equal(pu_store_bars_view(store, other, 0, INT64_MAX, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, &bars),
                     PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "1970-01-03"));
    assert_non_null(strstr(pu_error_message(), "M: the dividend of 10 on"));
    const pu_action negative = {2 * DAY_S, PU_ACTION_SPLIT, -2, 0, PU_BASIS_RAW};
    assert_int_equal(pu_store_put_actions(store, other, 1, &negative, NULL), PU_ERR_DATA);
    pu_store_close(store);
}

static void adjusting_rewrites_the_adjusted_close(void **state) {
    (void)state;
    pu_store *store = create("adjust.db");
    const int64_t id = put(store, "R", 5, raw, NULL);
    int64_t changed = 0;
    MUST(pu_store_put_price_basis(store, id, PU_BASIS_RAW));
    MUST(pu_store_put_actions(store, id, 3, both, NULL));
    MUST(pu_store_adjust(store, id, &changed));
    assert_int_equal(changed, 4);
    MUST(pu_store_adjust(store, id, &changed));
    assert_int_equal(changed, 0);
    pu_bars bars;
    MUST(pu_store_bars(store, id, INT64_MIN, INT64_MAX, &bars));
    assert_true(fabs(bars.adjusted[0] - 100 / 6.0 * (1 - 1 / 51.0)) < 1e-12 && bars.close[0] == 100);
    assert_true(bars.adjusted[4] == 17);
    pu_bars_free(&bars);
    MUST(pu_store_check(store));
    assert_int_equal(pu__sql_exec(store, "UPDATE corporate_actions SET value = 2.5 WHERE kind = 'split'", "x"),
                     PU_OK);
    assert_int_equal(pu_store_check(store), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "corporate actions"));
    pu_store_close(store);
}

/* Prices that no number holds are refused by symbol and day. */
static void splits_beyond_numbers_are_refused(void **state) {
    (void)state;
    static const double close[] = {100, 100, 100, 100};
    pu_action huge[40];
    pu_store *store = create("huge.db");
    const int64_t id = put(store, "HUGE", 4, close, NULL);
    for (int i = 0; i < 40; ++i) huge[i] = (pu_action){DAY_S + i, PU_ACTION_SPLIT, 1e9, 0, PU_BASIS_RAW};
    MUST(pu_store_put_price_basis(store, id, PU_BASIS_RAW));
    MUST(pu_store_put_actions(store, id, 40, huge, NULL));
    assert_int_equal(pu_store_adjust(store, id, NULL), PU_ERR_DATA);
    if (!strstr(pu_error_message(), "HUGE: its corporate actions take the bar at 1970-01-02"))
        fail_msg("%s", pu_error_message());
    MUST(pu_store_check(store));
    pu_store_close(store);
}

static const char *shared(char *path, size_t bytes, const char *name) {
    const char *given = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    FILE *file = NULL;
    if (given) snprintf(path, bytes, "%s/data/real/equities/%s", given, name);
    else snprintf(path, bytes, "%s/../shared/data/real/equities/%s", source ? source : ".", name);
    if (!(file = fopen(path, "re"))) snprintf(path, bytes, "/work/shared/data/real/equities/%s", name);
    if (!file && !(file = fopen(path, "re"))) return NULL;
    fclose(file);
    return path;
}

static int64_t import_real(pu_store *store, const char *name) {
    char path[1024], symbol[64];
    int64_t id = 0;
    snprintf(symbol, sizeof symbol, "%.*s", (int)strcspn(name, "."), name);
    if (!shared(path, sizeof path, name)) return 0;
    pu_import_result result;
    MUST(pu_import_file(store, path, &(pu_import_options){0}, &result));
    MUST(pu__asset_find(store, symbol, DAY_S, &id));
    return id;
}

/* The dividends that a delivered adjusted close implies, D = C (1 - r before / r after) with r = adjusted / close, give
 * that adjusted close back. Six printed decimals leave half a millionth in each of the two prices of both ratios of
 * every dividend. */
static void real_adjusted_closes_come_back(void **state) {
    (void)state;
    static const char *const names[] = {"IBM.csv", "SPY.csv", "WM.csv"};
    pu_store *store = create("real.db");
    for (int n = 0; n < 3; ++n) {
        const int64_t id = import_real(store, names[n]);
        if (id == 0) continue;
        pu_bars stored, view;
        MUST(pu_store_bars(store, id, INT64_MIN, INT64_MAX, &stored));
        pu_action *actions = pu_calloc((size_t)stored.count, sizeof *actions);
        assert_non_null(actions);
        int64_t count = 0;
        double least = INFINITY;
        for (int64_t i = 1; i < stored.count; ++i) {
            const double before = stored.adjusted[i - 1] / stored.close[i - 1];
            const double factor = before / (stored.adjusted[i] / stored.close[i]);
            least = fmin(least, stored.adjusted[i]);
            if (factor < 1 - 2e-4)
                actions[count++] =
                    (pu_action){stored.ts[i - 1], PU_ACTION_DIVIDEND, stored.close[i - 1] * (1 - factor),
                                stored.ts[i - 1], PU_BASIS_SPLIT_ADJUSTED};
        }
        MUST(pu_store_put_actions(store, id, count, actions, NULL));
        MUST(pu_store_bars_view(store, id, INT64_MIN, INT64_MAX, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, &view));
        const int64_t last = stored.count - 1;
        const double end = stored.adjusted[last] / stored.close[last];
        const double tolerance = ((double)count + 1) * 4 * 0.5e-6 / least;
        double worst = 0;
        for (int64_t i = 0; i < stored.count; ++i)
            worst = fmax(worst, fabs(view.close[i] / (stored.adjusted[i] / end) - 1));
        print_message("%s: %lld dividends, largest difference %.2g of %.2g allowed\n", names[n], (long long)count,
                      worst, tolerance);
        assert_true(count > 20 && tolerance < 1e-4 && worst <= tolerance);
        pu__adjust_difference difference;
        MUST(pu__adjust_compare(store, id, &difference));
        assert_true(difference.delivered && difference.ratio <= tolerance);
        pu_free(actions);
        pu_bars_free(&stored);
        pu_bars_free(&view);
    }
    pu_store_close(store);
}

/* What AAPL traded at before its splits, as the exchange printed it. */
static void real_prices_as_traded(void **state) {
    (void)state;
    static const char *const splits = "Date,Stock Splits\n2000-06-21,2:1\n2005-02-28,2/1\n2014-06-09,7.0\n"
                                      "2020-08-31,4:1\n";
    static const struct {
        const char *day;
        double close;
    } traded[] = {{"2014-06-07", 645.57}, {"2020-08-29", 499.23}, {"2020-09-01", 129.04}};
    pu_store *store = create("aapl.db");
    const int64_t id = import_real(store, "AAPL.csv");
    pu__actions_result result;
    test_write(test_path(folder, "splits.csv"), splits);
    if (id > 0) {
        MUST(pu__actions_import(store, id, test_path(folder, "splits.csv"), NULL, &result));
        assert_true(result.splits == 4 && result.dividends == 0 && result.changed == 4);
        for (size_t i = 0; i < sizeof traded / sizeof *traded; ++i) {
            int64_t ts = 0;
            pu_bars bars;
            MUST(pu_time_parse(traded[i].day, &ts));
            MUST(pu_store_bars_view(store, id, ts, ts + 1, PU_PRICES_RAW, PU_KNOWN_ALL, &bars));
            assert_int_equal(bars.count, 1);
            assert_true(fabs(bars.close[0] - traded[i].close) < 0.005);
            pu_bars_free(&bars);
        }
    }
    pu_store_close(store);
}

static void files_are_read_or_refused(void **state) {
    (void)state;
    static const double close[] = {100, 100, 100, 100, 100, 100};
    static const struct {
        const char *text, *wanted;
    } bad[] = {
        {"", "empty"},
        {"Open,Close\n1,2\n", ":1: no header"},
        {"Date,Dividends,kind,value\n", ":1: no header"},
        {"Date,Dividends\n1970-01-03,x\n", ":2: no amount: 'x'"},
        {"Date,Dividends\n1970-01-03,1\n1970-13-03,1\n", ":3: no date"},
        {"Date,Dividends\n1970-01-03,-1\n", ":2: a dividend is above 0"},
        {"Date,Dividends\n1970-01-03\n", ":2: not as many fields"},
        {"Date,Stock Splits\n1970-01-03,2:0\n", ":2: no split"},
        {"Date,Stock Splits\n1970-01-03,1e308\n", ":2: a split is above 0 and up to 1e9: '1e308'"},
        {"Date,Stock Splits\n1970-01-03,2:1\n1970-01-03,3:1\n", "two splits on 1970-01-03"},
        {"date,kind,value\n1970-01-03,merger,2\n", ":2: the kind is split or dividend"},
        {"date,kind,value\n1970-01-03,dividend,0\n", ":2: a dividend is above 0"},
        {"date,kind,value,published\n1970-01-03,dividend,1,soon\n", ":2: no publication time"},
        {"Date,Dividends\n1970-01-04,100\n", "F: the dividend of 100 on 1970-01-04 is not below the close"},
    };
    static const char *const good = "Date;Kind;Value;Published\n1970-01-04;dividend;0.5;1970-01-02\n"
                                    "1970-01-03;Split;2;1970-01-02T12:00:00Z\n1970-01-04;dividend;0.25;\n\n";
    pu_store *store = create("files.db");
    const int64_t id = put(store, "F", 6, close, NULL);
    pu__actions_result result;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        test_write(test_path(folder, "bad.csv"), bad[i].text);
        assert_int_equal(pu__actions_import(store, id, test_path(folder, "bad.csv"), NULL, &result), PU_ERR_DATA);
        if (!strstr(pu_error_message(), bad[i].wanted) || !strstr(pu_error_message(), "bad.csv"))
            fail_msg("case %zu: %s", i, pu_error_message());
    }
    int64_t stored = -1;
    pu_action *none = NULL;
    MUST(pu_store_get_actions(store, id, &stored, &none));
    assert_int_equal(stored, 0); /* of a file that is refused nothing stays */
    pu_free(none);
    test_write(test_path(folder, "good.csv"), good);
    MUST(pu__actions_import(store, id, test_path(folder, "good.csv"), NULL, &result));
    assert_true(result.splits == 1 && result.dividends == 1 && result.changed == 2);
    MUST(pu__actions_import(store, id, test_path(folder, "good.csv"), NULL, &result));
    assert_int_equal(result.changed, 0);
    int64_t count = 0, imports = 0;
    pu_action *actions = NULL;
    MUST(pu_store_get_actions(store, id, &count, &actions));
    assert_int_equal(count, 2);
    assert_true(actions[0].kind == PU_ACTION_SPLIT && actions[0].value == 2 &&
                actions[0].published_ts == DAY_S * 3 / 2);
    assert_true(actions[1].value == 0.75 && actions[1].ex_ts == 3 * DAY_S && actions[1].basis == PU_BASIS_RAW);
    assert_int_equal(actions[1].published_ts, 3 * DAY_S); /* the later of the end of the 2nd and the ex time */
    pu_free(actions);
    MUST(pu__sql_integer(store, "SELECT count(*) FROM imports WHERE layout = 'actions'", 0, &imports));
    assert_int_equal(imports, 1);
    test_write(test_path(folder, "yfinance.csv"),
               "Date,Dividends,Stock Splits\n1970-01-05 00:00:00-05:00,0.1,0.0\n");
    MUST(pu__actions_import(store, id, test_path(folder, "yfinance.csv"), NULL, &result));
    assert_true(result.dividends == 1 && result.splits == 0);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

static void failed_allocations_change_nothing(void **state) {
    (void)state;
    pu_store *store = create("memory.db");
    const int64_t id = put(store, "M", 5, raw, NULL);
    test_write(test_path(folder, "some.csv"), "date,kind,value\n1970-01-03,split,2\n1970-01-04,dividend,1\n");
    pu_status status = PU_ERR_MEMORY;
    int64_t fail = 0;
    for (; status != PU_OK; ++fail) {
        pu__actions_result result;
        pu_bars bars = {0};
        int64_t actions = 0;
        pu_memory_fail_after(fail);
        status = pu__actions_import(store, id, test_path(folder, "some.csv"), NULL, &result);
        const pu_status read = status;
        if (status == PU_OK)
            status = pu_store_bars_view(store, id, INT64_MIN, INT64_MAX, PU_PRICES_RAW, PU_KNOWN_ALL, &bars);
        if (status == PU_OK) status = pu_store_adjust(store, id, NULL);
        pu_memory_fail_after(-1);
        pu_bars_free(&bars);
        if (status != PU_OK) assert_int_equal(status, PU_ERR_MEMORY);
        MUST(pu__sql_integer(store, "SELECT count(*) FROM corporate_actions", 0, &actions));
        assert_true(actions == 2 || (read != PU_OK && actions == 0));
        assert_true(fail < 100);
    }
    assert_true(fail > 5);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

static void the_command_imports_actions(void **state) {
    (void)state;
    static const double close[] = {10, 10, 9, 9};
    pu_store *store = create("market.db");
    const int64_t id = put(store, "CLI", 4, close, NULL);
    pu_store_close(store);
    test_write(test_path(folder, "paid.csv"), "Date,Dividends\n1970-01-03,1\n");
    test_outcome run =
        test_plusultra(folder, "import", "--actions", "paid.csv", "--symbol", "CLI", "--adjust", NULL);
    if (run.code != 0) fail_msg("%s", run.err);
    assert_non_null(strstr(run.out, "2 adjusted closes made anew"));
    test_outcome_free(&run);
    static const char more[] = "Date,Dividends\n1970-01-03,1\n1970-01-04,0.5\n";
    gzFile packed = gzopen(test_path(folder, "paid.csv.gz"), "wb");
    assert_non_null(packed);
    assert_int_equal(gzwrite(packed, more, sizeof more - 1), sizeof more - 1);
    assert_int_equal(gzclose(packed), Z_OK);
    run = test_plusultra(folder, "import", "--actions", "paid.csv.gz", "--symbol", "CLI", NULL);
    if (run.code != 0) fail_msg("%s", run.err);
    assert_non_null(strstr(run.out, "2 dividends, 1 of them new or changed"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "import", "--actions", "paid.csv", NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "--symbol"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "import", "--actions", "paid.csv", "--symbol", "CLO", NULL);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "did you mean 'CLI'"));
    test_outcome_free(&run);
    test_write(test_path(folder, "late.csv"), "Date,Dividends\n1970-01-03,99\n");
    run = test_plusultra(folder, "import", "--actions", "late.csv", "--symbol", "CLI", NULL);
    assert_int_equal(run.code, 1);
    assert_string_equal(run.out, "");
    assert_non_null(strstr(run.err, "CLI: the dividend of 99"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "import", NULL);
    assert_int_equal(run.code, 2);
    test_outcome_free(&run);
    pu_bars bars;
    MUST(pu_store_open(test_path(folder, "market.db"), PU_STORE_READ, &store));
    MUST(pu_store_bars(store, id, INT64_MIN, INT64_MAX, &bars));
    assert_true(bars.adjusted[1] == 9 && bars.adjusted[2] == 9);
    pu_bars_free(&bars);
    pu_store_close(store);
}

/* Raw prices come with raw volume, which nothing takes over a split; split-adjusted ones do not. */
static void raw_volume_at_splits_is_told(void **state) {
    (void)state;
    static const double close[] = {100, 100, 50, 50};
    test_write(test_path(folder, "split.csv"), "date,kind,value\n1970-01-03,split,2\n");
    test_write(test_path(folder, "before.csv"), "date,kind,value\n1969-01-03,split,2\n");
    for (int k = 0; k < 3; ++k) {
        char symbol[16];
        snprintf(symbol, sizeof symbol, "VOL%d", k);
        pu_store *store = NULL;
        MUST(pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store));
        const int64_t id = put(store, symbol, 4, close, NULL);
        if (k != 1) MUST(pu_store_put_price_basis(store, id, PU_BASIS_RAW));
        pu_store_close(store);
        test_outcome run = test_plusultra(folder, "import", "--actions", k == 2 ? "before.csv" : "split.csv",
                                          "--symbol", symbol, "--adjust", NULL);
        if (run.code != 0) fail_msg("%s", run.err);
        const bool told = strstr(run.err, "features of the volume jump at its splits (1)") != NULL;
        assert_int_equal(told, k == 0);
        test_outcome_free(&run);
    }
}

static void regimes_are_known_when_published(void **state) {
    (void)state;
    const pu_regime labels[] = {{10, 10, 1}, {25, 20, 2}, {40, 20, 3}};
    pu_store *store = create("regimes.db");
    int64_t count = 0;
    pu_regime *found = NULL;
    assert_int_equal(pu_store_get_regimes(store, "phase", PU_KNOWN_ALL, &count, &found), PU_ERR_NOT_FOUND);
    MUST(pu_store_put_regimes(store, "phase", 3, labels));
    MUST(pu_store_put_regimes(store, "phase", 3, labels));
    MUST(pu_store_get_regimes(store, "phase", PU_KNOWN_ALL, &count, &found));
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; ++i)
        assert_true(found[i].ts == labels[i].ts && found[i].published_ts == labels[i].published_ts &&
                    found[i].label == labels[i].label);
    pu_free(found);
    MUST(pu_store_get_regimes(store, "phase", 39, &count, &found));
    assert_true(count == 2 && found[1].label == 2);
    pu_free(found);
    const pu_regime absurd = {1, 1, 1001};
    assert_int_not_equal(pu_store_put_regimes(store, "phase", 1, &absurd), PU_OK);
    MUST(pu_store_check(store));
    assert_int_equal(pu__sql_exec(store, "UPDATE regimes SET label = 7 WHERE ts = 10", "x"), PU_OK);
    assert_int_equal(pu_store_check(store), PU_ERR_CORRUPT);
    pu_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dividend_by_hand),
        cmocka_unit_test(splits_and_dividends_by_hand),
        cmocka_unit_test(late_announcements_are_not_seen_early),
        cmocka_unit_test(adjusting_rewrites_the_adjusted_close),
        cmocka_unit_test(splits_beyond_numbers_are_refused),
        cmocka_unit_test(real_adjusted_closes_come_back),
        cmocka_unit_test(real_prices_as_traded),
        cmocka_unit_test(files_are_read_or_refused),
        cmocka_unit_test(failed_allocations_change_nothing),
        cmocka_unit_test(the_command_imports_actions),
        cmocka_unit_test(raw_volume_at_splits_is_told),
        cmocka_unit_test(regimes_are_known_when_published),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
