/* Longer bars from shorter ones, against pandas on real bars (tests/golden/resample.py), and by hand: calendars, gaps,
 * missing volume, splits, the unfinished last bar, running again. */
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

#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"
#include "plusultra/resample.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, CASE_BARS = 1024 };

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

static pu_asset asset_of(pu_store *store, const char *symbol, int64_t bar_s) {
    char name[96];
    const char *const one[] = {name};
    int count = 0;
    pu_asset *assets = NULL;
    snprintf(name, sizeof name, "%s@%lld", symbol, (long long)bar_s);
    MUST(pu_store_assets(store, 1, one, &count, &assets));
    const pu_asset found = assets[0];
    pu_free(assets);
    return found;
}

/* Adds bars to the asset, which is made if it is missing. */
static pu_asset put(pu_store *store, const char *symbol, const char *asset_class, int64_t bar_s, int count,
                    const pu__bar *bars) {
    int64_t id = 0;
    pu__bar_writer writer;
    MUST(pu_store_begin(store));
    MUST(pu__asset_find(store, symbol, bar_s, &id));
    if (id == 0)
        MUST(pu__asset_make(store, symbol, asset_class, bar_s, "USD", pu_periods_per_year(asset_class, bar_s),
                            &id));
    MUST(pu__bar_writer_open(store, id, &writer));
    MUST(pu__bars_put(&writer, bars, count, true, NULL));
    MUST(pu__bar_writer_close(&writer, PU_OK));
    MUST(pu_store_commit(store));
    return asset_of(store, symbol, bar_s);
}

/* The rows of one case of the fixture. */
static int read_case(const char *name, pu__bar *out) {
    const char *source = getenv("PU_SOURCE");
    char path[4096];
    int count = 0;
    snprintf(path, sizeof path, "%s/tests/golden/resample.csv", source ? source : ".");
    char *text = test_read(path), *rest = text;
    assert_non_null(text);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        const size_t length = strlen(name);
        if (strncmp(line, name, length) != 0 || line[length] != ',') continue;
        double value[6] = {0};
        char *field = line + length + 1;
        assert_true(count < CASE_BARS);
        const int64_t ts = strtoll(field, &field, 10);
        for (int i = 0; i < 6; ++i) value[i] = field[1] && field[1] != ',' ? strtod(field + 1, &field) : NAN;
        out[count++] = (pu__bar){ts, value[0], value[1], value[2], value[3], value[4], value[5]};
    }
    free(text);
    assert_true(count > 0);
    return count;
}

static void bars_are(pu_store *store, const char *symbol, int64_t bar_s, int count, const pu__bar *want) {
    const pu_asset asset = asset_of(store, symbol, bar_s);
    pu_bars bars;
    MUST(pu_store_bars(store, asset.id, INT64_MIN, INT64_MAX, &bars));
    if (bars.count != count)
        fail_msg("%s@%lld: %lld bars, not %d", symbol, (long long)bar_s, (long long)bars.count, count);
    for (int i = 0; i < count; ++i) {
        const bool same = bars.ts[i] == want[i].ts && bars.open[i] == want[i].open &&
                          bars.high[i] == want[i].high && bars.low[i] == want[i].low &&
                          bars.close[i] == want[i].close && bars.adjusted[i] == want[i].adjusted;
        /* Volumes are summed in time order here and in pairs there: n additions, each half a unit in the last place. */
        const bool volume = isnan(want[i].volume)
                                ? isnan(bars.volume[i])
                                : fabs(bars.volume[i] - want[i].volume) <= 288 * 1.2e-16 * want[i].volume;
        if (!same || !volume)
            fail_msg("%s@%lld, bar %d at %lld: %.9g %.9g %.9g %.9g %.9g %.9g", symbol, (long long)bar_s, i,
                     (long long)bars.ts[i], bars.open[i], bars.high[i], bars.low[i], bars.close[i],
                     bars.adjusted[i], bars.volume[i]);
    }
    pu_bars_free(&bars);
}

static void pandas_says_the_same(void **state) {
    (void)state;
    static const struct {
        const char *source, *asset_class, *want;
        int64_t from_s, to_s;
    } cases[] = {{"coin", "crypto", "coin_3600", 300, 3600},
                 {"coin", "crypto", "coin_14400", 300, 14400},
                 {"coin", "crypto", "coin_86400", 300, DAY_S},
                 {"stock", "equity", "stock_604800", DAY_S, PU_WEEK_S},
                 {"stock", "equity", "stock_2592000", DAY_S, PU_MONTH_S}};
    static pu__bar bars[CASE_BARS], want[CASE_BARS];
    pu_store *store = create("golden.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const int count = read_case(cases[i].source, bars), wanted = read_case(cases[i].want, want);
        const pu_asset source = put(store, cases[i].source, cases[i].asset_class, cases[i].from_s, count, bars);
        pu_resample_result result;
        MUST(pu_resample(store, &source, cases[i].to_s, false, &result));
        assert_int_equal(result.source_bars, count);
        assert_int_equal(result.rows_added, wanted);
        bars_are(store, cases[i].source, cases[i].to_s, wanted, want);
        const pu_asset made = asset_of(store, cases[i].source, cases[i].to_s);
        assert_string_equal(made.asset_class, cases[i].asset_class);
        assert_true(made.periods_per_year == pu_periods_per_year(cases[i].asset_class, cases[i].to_s));
    }
    MUST(pu_store_check(store));
    pu_store_close(store);
}

/* Over hours or at once: the same days. */
static void steps_compose(void **state) {
    (void)state;
    static pu__bar bars[CASE_BARS], want[CASE_BARS];
    pu_store *store = create("steps.db");
    const int count = read_case("coin", bars), wanted = read_case("coin_86400", want);
    const pu_asset source = put(store, "C", "crypto", 300, count, bars);
    pu_resample_result result;
    MUST(pu_resample(store, &source, 900, false, &result));
    const pu_asset quarter = asset_of(store, "C", 900);
    MUST(pu_resample(store, &quarter, 14400, false, &result));
    const pu_asset four_hours = asset_of(store, "C", 14400);
    MUST(pu_resample(store, &four_hours, DAY_S, false, &result));
    bars_are(store, "C", DAY_S, wanted, want);
    pu_store_close(store);
}

/* 2020-01-02 was a Thursday. */
static const int64_t thursday = 1577923200;

static pu__bar flat(int64_t ts, double price, double volume) {
    return (pu__bar){ts, price, price * 1.5, price * 0.5, price, price, volume};
}

static void calendars_end_the_bars(void **state) {
    (void)state;
    static const struct {
        const char *asset_class;
        int64_t from_s, to_s, ts, end_ts; /* from the start of the Thursday */
    } cases[] = {
        {"equity", 300, 3600, 13 * 3600 + 1, 14 * 3600},
        {"equity", 300, 3600, 14 * 3600, 14 * 3600},
        {"equity", 300, DAY_S, 21 * 3600, DAY_S},
        {"equity", DAY_S, PU_WEEK_S, DAY_S, 2 * DAY_S},          /* Friday's end */
        {"crypto", DAY_S, PU_WEEK_S, DAY_S, 4 * DAY_S},          /* Sunday's end */
        {"forex", 300, DAY_S, 3 * DAY_S + 22 * 3600, 5 * DAY_S}, /* Sunday evening is Monday's */
        {"crypto", 300, DAY_S, 3 * DAY_S + 22 * 3600, 4 * DAY_S},
        {"forex", 300, PU_WEEK_S, 3 * DAY_S + 22 * 3600, 9 * DAY_S}, /* and next week's */
        {"equity", DAY_S, PU_MONTH_S, DAY_S, 30 * DAY_S},            /* Friday 31 January */
        {"equity", DAY_S, PU_MONTH_S, 31 * DAY_S + DAY_S,
         58 * DAY_S}, /* Friday 28 February: the 29th is a Saturday */
        {"crypto", DAY_S, PU_MONTH_S, 31 * DAY_S + DAY_S, 59 * DAY_S},
        {"synthetic", 300, DAY_S, 2 * DAY_S + 300, 3 * DAY_S}, /* around the clock when intraday */
        {"synthetic", DAY_S, PU_WEEK_S, DAY_S, 2 * DAY_S},
    };
    pu_store *store = create("ends.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char symbol[32];
        snprintf(symbol, sizeof symbol, "S%zu", i);
        const pu__bar bar = flat(thursday + cases[i].ts, 10, 5);
        const pu_asset source = put(store, symbol, cases[i].asset_class, cases[i].from_s, 1, &bar);
        pu_resample_result result;
        MUST(pu_resample(store, &source, cases[i].to_s, true, &result));
        if (result.last_ts != thursday + cases[i].end_ts)
            fail_msg("case %zu ends %lld s after, not %lld", i, (long long)(result.last_ts - thursday),
                     (long long)cases[i].end_ts);
    }
    pu_store_close(store);
}

static void gaps_and_missing_volume(void **state) {
    (void)state;
    const pu__bar bars[] = {flat(300, 10, 1), flat(600, 11, NAN), flat(3900, 12, 3), flat(4200, 13, 4),
                            flat(14400, 14, NAN)};
    const pu__bar want[] = {{3600, 10, 16.5, 5, 11, 11, NAN},
                            {7200, 12, 19.5, 6, 13, 13, 7},
                            {14400, 14, 21, 7, 14, 14, NAN}}; /* nothing for the hour without bars */
    pu_store *store = create("gaps.db");
    const pu_asset source = put(store, "G", "crypto", 300, 5, bars);
    pu_resample_result result;
    MUST(pu_resample(store, &source, 3600, false, &result));
    bars_are(store, "G", 3600, 3, want);
    pu_store_close(store);
}

static void running_again_adds_what_is_new(void **state) {
    (void)state;
    enum { COUNT = 31 };
    pu__bar bars[COUNT];
    for (int i = 0; i < COUNT; ++i) bars[i] = flat((i + 1) * 300, 10 + i, 1);
    pu_store *store = create("again.db");
    pu_asset source = put(store, "A", "crypto", 300, 26, bars);
    pu_resample_result result;
    MUST(pu_resample(store, &source, 3600, false, &result));
    assert_true(result.rows_added == 2 && !result.unchanged); /* the third hour has 2 of 12 */
    MUST(pu_resample(store, &source, 3600, false, &result));
    assert_true(result.unchanged && result.rows_added == 0);
    MUST(pu_resample(store, &source, 3600, true, &result));
    assert_true(result.rows_added == 1 && result.rows_unchanged == 2);
    source = put(store, "A", "crypto", 300, 4, bars + 26);
    MUST(pu_resample(store, &source, 3600, true, &result));
    assert_true(result.rows_added == 0 && result.rows_unchanged == 2 && result.rows_replaced == 1);
    /* What was written before its end goes on with its source, also when that is not asked for again. */
    source = put(store, "A", "crypto", 300, 1, bars + 30);
    MUST(pu_resample(store, &source, 3600, false, &result));
    assert_true(result.rows_added == 0 && result.rows_unchanged == 2 && result.rows_replaced == 1);
    bars[3].high = 1000;
    source = put(store, "A", "crypto", 300, 1, bars + 3);
    MUST(pu_resample(store, &source, 3600, false, &result));
    assert_true(result.rows_replaced == 1 && result.rows_unchanged == 2);
    pu_bars made;
    MUST(pu_store_bars(store, result.asset_id, INT64_MIN, INT64_MAX, &made));
    assert_true(made.count == 3 && made.high[0] == 1000 && made.volume[0] == 12 && made.volume[2] == 7);
    pu_bars_free(&made);
    int64_t rows = 0;
    MUST(pu__sql_integer(
        store, "SELECT count(*) FROM imports WHERE layout = 'resample' AND file = 'resample:A@300'", 0, &rows));
    assert_int_equal(rows, 5);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

/* Raw prices of 100 before 2 for 1 are 50 after it. */
static void splits_within_a_bar(void **state) {
    (void)state;
    const pu__bar bars[] = {{thursday + DAY_S, 100, 104, 96, 100, 50, 10},
                            {thursday + 2 * DAY_S, 50, 51, 49, 50, 50, 20}};
    const pu__bar want = {thursday + 2 * DAY_S, 50, 52, 48, 50, 50, 40};
    const pu_action split = {thursday + DAY_S, PU_ACTION_SPLIT, 2, 0, PU_BASIS_RAW};
    pu_store *store = create("split.db");
    const pu_asset source = put(store, "X", "equity", DAY_S, 2, bars);
    MUST(pu_store_put_price_basis(store, source.id, PU_BASIS_RAW));
    MUST(pu_store_put_actions(store, source.id, 1, &split, NULL));
    pu_resample_result result;
    MUST(pu_resample(store, &source, PU_WEEK_S, false, &result));
    bars_are(store, "X", PU_WEEK_S, 1, &want);
    int64_t count = 0;
    pu_action *actions = NULL;
    pu_price_basis basis = PU_BASIS_SPLIT_ADJUSTED;
    MUST(pu_store_get_actions(store, result.asset_id, &count, &actions));
    MUST(pu_store_get_price_basis(store, result.asset_id, &basis));
    assert_true(count == 1 && actions[0].value == 2 && basis == PU_BASIS_RAW);
    pu_free(actions);
    pu_store_close(store);
}

static void lengths_that_do_not_add_up(void **state) {
    (void)state;
    static const int64_t bad[][2] = {{300, 300},
                                     {3600, 300},
                                     {300, 1000},
                                     {300, 25200},
                                     {7, 3600},
                                     {50000, DAY_S},
                                     {PU_WEEK_S, PU_MONTH_S},
                                     {DAY_S, 2 * DAY_S},
                                     {300, 0},
                                     {300, -3600}};
    pu_store *store = create("bad.db");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        const pu_asset source = {.id = 1, .symbol = "B", .asset_class = "equity", .bar_s = bad[i][0]};
        pu_resample_result result;
        assert_int_equal(pu_resample(store, &source, bad[i][1], false, &result), PU_ERR_ARGUMENT);
    }
    /* Bars of another origin stay. */
    const pu__bar day = flat(DAY_S, 1, 1), hour = flat(3600, 2, 2);
    const pu_asset daily = put(store, "B", "crypto", DAY_S, 1, &day),
                   source = put(store, "B", "crypto", 3600, 1, &hour);
    pu_resample_result result;
    assert_int_equal(pu_resample(store, &source, DAY_S, true, &result), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "plusultra assets remove B@86400"));
    assert_int_equal(daily.bars, 1);
    bars_are(store, "B", DAY_S, 1, &day);
    pu_store_close(store);
}

/* Each allocation fails once: nothing is stored, nothing leaks (the sanitizers look), and the next try succeeds. */
static void failed_allocations_store_nothing(void **state) {
    (void)state;
    pu__bar bars[40];
    for (int i = 0; i < 40; ++i) bars[i] = flat((i + 1) * 300, 10 + i, 1);
    const pu_action split = {3000, PU_ACTION_SPLIT, 2, 0, PU_BASIS_RAW};
    pu_store *store = create("memory.db");
    const pu_asset source = put(store, "M", "crypto", 300, 40, bars);
    MUST(pu_store_put_actions(store, source.id, 1, &split, NULL));
    pu_status status = PU_ERR_MEMORY;
    int64_t fail = 0, assets = 0;
    for (; status != PU_OK; ++fail) {
        pu_resample_result result;
        MUST(pu__sql_integer(store, "SELECT count(*) FROM assets", 0, &assets));
        assert_int_equal(assets, 1);
        pu_memory_fail_after(fail);
        status = pu_resample(store, &source, 3600, false, &result);
        pu_memory_fail_after(-1);
        if (status != PU_OK) assert_int_equal(status, PU_ERR_MEMORY);
        assert_true(fail < 100);
    }
    assert_true(fail > 3);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

static void the_command_resamples(void **state) {
    (void)state;
    static pu__bar bars[CASE_BARS];
    pu_store *store = create("market.db");
    put(store, "COIN", "crypto", 300, read_case("coin", bars), bars);
    pu_store_close(store);
    test_outcome run =
        test_plusultra(folder, "resample", "--from", "5m", "--to", "1h", "--json", "out.json", NULL);
    if (run.code != 0) fail_msg("%s", run.err);
    test_outcome_free(&run);
    char *json = test_read(test_path(folder, "out.json"));
    assert_non_null(json);
    assert_non_null(strstr(json, "\"to_s\": 3600"));
    free(json);
    run = test_plusultra(folder, "resample", "--to", "1d", "COIN@300", NULL);
    assert_int_equal(run.code, 0);
    test_outcome_free(&run);
    static const struct {
        const char *option, *value, *operand, *wanted;
        int code;
    } bad[] = {{"--to", "1d", NULL, "--from", 2},
               {"--to", "yesterday", "COIN@300", "write seconds", 2},
               {"--from", "5m", "COIN", "--to", 2},
               {"--to", "1d", "COIM@300", "did you mean 'COIN'", 1},
               {"--to", "1d", "COIN", "several bar lengths", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        run = test_plusultra(folder, "resample", bad[i].option, bad[i].value, bad[i].operand, NULL);
        if (run.code != bad[i].code || !strstr(run.err, bad[i].wanted)) fail_msg("case %zu: %s", i, run.err);
        test_outcome_free(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pandas_says_the_same),           cmocka_unit_test(steps_compose),
        cmocka_unit_test(calendars_end_the_bars),         cmocka_unit_test(gaps_and_missing_volume),
        cmocka_unit_test(running_again_adds_what_is_new), cmocka_unit_test(splits_within_a_bar),
        cmocka_unit_test(lengths_that_do_not_add_up),     cmocka_unit_test(failed_allocations_store_nothing),
        cmocka_unit_test(the_command_resamples),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
