/* The history that simulations start from: common times of assets with holes and calendars of their own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/sim/market.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum { BARS = 400 };

static test_market market;
static pu_bars walk[3];

/* Bars of `walk` whose index fulfils index % `every` != `left_out`, from `first` on. */
static void put_some(const char *symbol, const pu_bars *bars, int64_t first, int64_t every, int64_t left_out) {
    pu_bars some;
    assert_true(test_bars_alloc(bars->count, &some));
    int64_t n = 0;
    for (int64_t i = first; i < bars->count; ++i) {
        if (i % every == left_out) continue;
        some.ts[n] = bars->ts[i];
        some.open[n] = bars->open[i];
        some.high[n] = bars->high[i];
        some.low[n] = bars->low[i];
        some.close[n] = bars->close[i];
        some.adjusted[n] = bars->adjusted[i];
        some.volume[n++] = bars->volume[i];
    }
    some.count = n;
    test_market_put(&market, symbol, TEST_DAY_S, &some);
    pu_bars_free(&some);
}

/* AAA whole, BBB from bar 50 on with every 20th missing, INDEX without volume and every 50th missing, HALF with every
 * second bar, ODD with the others. */
static int open_market(void **state) {
    (void)state;
    market = test_market_new();
    for (int i = 0; i < 3; ++i)
        assert_true(test_bars_walk(10 + (uint64_t)i, BARS, TEST_FIRST_TS, TEST_DAY_S, &walk[i]));
    put_some("AAA", &walk[0], 0, BARS, BARS);
    put_some("BBB", &walk[1], 50, 20, 3);
    put_some("HALF", &walk[1], 0, 2, 1);
    put_some("ODD", &walk[2], 0, 2, 0);
    for (int64_t i = 0; i < BARS; ++i) walk[2].volume[i] = (double)NAN;
    put_some("INDEX", &walk[2], 0, 50, 7);
    const pu_bars one = test_bars_cut(&walk[0], 1);
    test_market_put(&market, "SINGLE", TEST_DAY_S, &one);
    test_market_put(&market, "HOURS", 3600, &one);
    return 0;
}

static int drop_market(void **state) {
    (void)state;
    for (int i = 0; i < 3; ++i) pu_bars_free(&walk[i]);
    test_market_remove(&market);
    return 0;
}

static pu__market load(bool with_benchmark, int64_t from, int64_t to, const char *symbols, const char *other) {
    pu_config *config = test_config(&market, symbols, "data.benchmark=INDEX", other, NULL);
    pu__market out;
    if (pu__market_load(config, with_benchmark, from, to, &out) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(config);
    return out;
}

static void refuse(pu_status expected, const char *message, const char *symbols, int64_t from, int64_t to) {
    pu_config *config = test_config(&market, symbols, NULL);
    pu__market out;
    assert_int_equal(pu__market_load(config, true, from, to, &out), expected);
    if (!strstr(pu_error_message(), message)) fail_msg("'%s' has no '%s'", pu_error_message(), message);
    assert_null(out.asset);
    pu_config_free(config);
}

static bool has_bar(int asset, int64_t i) {
    return asset == 0 || (asset == 1 && i >= 50 && i % 20 != 3) || (asset == 2 && i % 50 != 7);
}

static void rows_are_the_times_that_all_assets_have(void **state) {
    (void)state;
    pu__market m = load(true, INT64_MIN, INT64_MAX, "data.symbols=[BBB, AAA]", NULL);
    static const int source[] = {1, 0, 2};
    assert_int_equal(m.assets, 3);
    assert_int_equal(m.traded, 2);
    assert_string_equal(m.asset[0].symbol, "BBB");
    assert_string_equal(m.asset[1].symbol, "AAA");
    assert_string_equal(m.asset[2].symbol, "INDEX");
    int64_t r = 0, left_out = 0;
    for (int64_t i = 0; i < BARS; ++i) {
        if (!has_bar(1, i) || !has_bar(2, i)) {
            left_out += 1;
            continue;
        }
        assert_int_equal(m.ts[r], walk[0].ts[i]);
        for (int a = 0; a < 3; ++a) assert_true(m.price[3 * r + a] == walk[source[a]].adjusted[i]);
        ++r;
    }
    assert_int_equal(m.rows, r);
    assert_int_equal(m.left_out, left_out);
    for (int64_t i = 0; i < 3 * (r - 1); ++i)
        assert_true(m.log_return[i] == (float)log(m.price[i + 3] / m.price[i]));
    pu__market_free(&m);
    pu__market_free(&m);
}

static void a_benchmark_is_behind_the_traded_assets_or_one_of_them(void **state) {
    (void)state;
    pu__market m = load(true, INT64_MIN, INT64_MAX, "data.symbols=[INDEX, AAA]", NULL);
    assert_int_equal(m.assets, 2);
    assert_int_equal(m.traded, 2);
    assert_string_equal(m.asset[0].symbol, "INDEX");
    pu__market_free(&m);
    m = load(false, INT64_MIN, INT64_MAX, "data.symbols=[AAA]", NULL);
    assert_int_equal(m.assets, 1);
    assert_int_equal(m.rows, BARS);
    assert_int_equal(m.left_out, 0);
    pu__market_free(&m);
}

static void the_end_of_an_interval_is_left_out(void **state) {
    (void)state;
    pu__market m = load(false, walk[0].ts[100], walk[0].ts[200], "data.symbols=[AAA]", NULL);
    assert_int_equal(m.rows, 100);
    assert_int_equal(m.ts[0], walk[0].ts[100]);
    assert_int_equal(m.ts[99], walk[0].ts[199]);
    pu__market_free(&m);
}

/* AAA and BBB share 95 % of their times: the calendar's own periods. Every second bar of a calendar of days is 182.6 a
 * year, as counted. The test market's assets are given 252 periods a year. */
static void periods_are_those_of_the_backtest(void **state) {
    (void)state;
    pu__market m = load(false, INT64_MIN, INT64_MAX, "data.symbols=[AAA, BBB]", NULL);
    assert_true(m.periods_per_year == 252.0);
    assert_string_equal(m.periods_reason, "synthetic, daily bars");
    pu__market_free(&m);
    m = load(false, INT64_MIN, INT64_MAX, "data.symbols=[AAA, HALF]", NULL);
    assert_true(fabs(m.periods_per_year - 0.5 * 365.25) < 1e-9);
    assert_non_null(strstr(m.periods_reason, "calendars differ"));
    pu__market_free(&m);
    m = load(false, INT64_MIN, INT64_MAX, "data.symbols=[AAA, HALF]", "backtest.periods_per_year=180");
    assert_true(m.periods_per_year == 180.0);
    pu__market_free(&m);
}

static void volume_is_the_median_of_the_last_rows(void **state) {
    (void)state;
    pu__market m = load(true, INT64_MIN, INT64_MAX, "data.symbols=[AAA]", NULL);
    int64_t below = 0, above = 0;
    for (int64_t i = BARS - 1, rows = 0; rows < PU__MARKET_VOLUME_ROWS; --i) {
        if (!has_bar(2, i)) continue;
        const double value = walk[0].close[i] * walk[0].volume[i];
        below += value < m.volume[0];
        above += value > m.volume[0];
        ++rows;
    }
    assert_int_equal(below, PU__MARKET_VOLUME_ROWS / 2); /* an even number: the median lies between two */
    assert_int_equal(above, PU__MARKET_VOLUME_ROWS / 2);
    assert_true(m.volume[1] == 0.0);
    pu__market_free(&m);
}

static void histories_that_cannot_be_joined_are_named(void **state) {
    (void)state;
    refuse(PU_ERR_DATA, "SINGLE has 1 bars", "data.symbols=[AAA, SINGLE]", INT64_MIN, INT64_MAX);
    refuse(PU_ERR_DATA, "AAA has 0 bars", "data.symbols=[AAA]", INT64_MAX - 1, INT64_MAX);
    refuse(PU_ERR_DATA, "same time 0 times of 400", "data.symbols=[HALF, ODD]", INT64_MIN, INT64_MAX);
    refuse(PU_ERR_DATA, "one bar length", "data.symbols=[AAA, HOURS]", INT64_MIN, INT64_MAX);
    refuse(PU_ERR_NOT_FOUND, "NONE", "data.symbols=[NONE]", INT64_MIN, INT64_MAX);
    pu_config *config = test_config(&market, "data.symbols=[AAA]", "data.benchmark=HOURS", NULL);
    pu__market out;
    assert_int_equal(pu__market_load(config, true, INT64_MIN, INT64_MAX, &out), PU_ERR_DATA);
    assert_non_null(strstr(pu_error_message(), "the benchmark HOURS has bars of 3600 s"));
    pu_config_free(config);
}

static void no_memory_is_an_error_and_leaks_nothing(void **state) {
    (void)state;
    pu_config *config = test_config(&market, "data.symbols=[AAA, BBB]", "data.benchmark=INDEX", NULL);
    int64_t faults = 0;
    for (pu_status status = PU_ERR_MEMORY; status != PU_OK; ++faults) {
        pu__market out;
        pu_memory_fail_after(faults);
        status = pu__market_load(config, true, INT64_MIN, INT64_MAX, &out);
        pu_memory_fail_after(-1);
        assert_true(status == PU_OK || status == PU_ERR_MEMORY);
        pu__market_free(&out);
    }
    assert_true(faults > 8);
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_times_that_all_assets_have),
        cmocka_unit_test(a_benchmark_is_behind_the_traded_assets_or_one_of_them),
        cmocka_unit_test(the_end_of_an_interval_is_left_out),
        cmocka_unit_test(periods_are_those_of_the_backtest),
        cmocka_unit_test(volume_is_the_median_of_the_last_rows),
        cmocka_unit_test(histories_that_cannot_be_joined_are_named),
        cmocka_unit_test(no_memory_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, open_market, drop_market);
}
