/* Bars of simulated closes: what an import takes, however hard the shock; the history's own bars where its rows are
 * replayed; closing times of the calendars. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/import/rows.h"
#include "host/stress/bars.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum { BARS = 300, ASSETS = 3, STEPS = 64, PATHS = 4 };

static const char *const symbol[ASSETS] = {"AAA", "BBB", "CCC"};

typedef struct bench {
    test_market store;
    pu_config *config;
    pu__market market;
    pu__bar_shapes shapes;
    double price[PATHS * (STEPS + 1) * ASSETS];
    pu__path_shock shock[STEPS * ASSETS];
    int32_t row[PATHS * STEPS];
    int64_t ts[STEPS];
    pu_bars bars[ASSETS];
} bench;

static bench at;

/* AAA and BBB with volume, CCC without. */
static int open_bench(void **state) {
    (void)state;
    pu_progress_silence(true);
    at.store = test_market_new();
    for (int a = 0; a < ASSETS; ++a) test_market_walk(&at.store, symbol[a], (uint64_t)a + 5, BARS, a < 2);
    at.config = test_config(&at.store, NULL);
    if (pu__market_load(at.config, false, INT64_MIN, INT64_MAX, &at.market) != PU_OK) return -1;
    if (pu__bar_shapes_open(at.config, &at.market, &at.shapes) != PU_OK) return -1;
    for (int a = 0; a < ASSETS; ++a) {
        if (!test_bars_alloc(STEPS, &at.bars[a])) return -1;
    }
    return pu__bar_times(&at.market, STEPS, at.ts) == PU_OK ? 0 : -1;
}

static int close_bench(void **state) {
    (void)state;
    for (int a = 0; a < ASSETS; ++a) pu_bars_free(&at.bars[a]);
    pu__bar_shapes_free(&at.shapes);
    pu__market_free(&at.market);
    pu_config_free(at.config);
    test_market_remove(&at.store);
    return 0;
}

static void walk(double volatility) {
    for (int p = 0; p < PATHS; ++p) {
        pu_random random = pu_random_at(4, (uint64_t)p);
        double *price = at.price + p * (STEPS + 1) * ASSETS;
        for (int a = 0; a < ASSETS; ++a) price[a] = 1.0;
        for (int i = ASSETS; i < (STEPS + 1) * ASSETS; ++i)
            price[i] = price[i - ASSETS] * exp(volatility * pu_random_normal(&random));
    }
}

static void check_bars(int64_t path) {
    char reason[PU_IMPORT_REASON_BYTES];
    for (int a = 0; a < ASSETS; ++a) {
        const pu_bars *bars = &at.bars[a];
        assert_int_equal(bars->count, STEPS);
        for (int64_t t = 0; t < STEPS; ++t) {
            const pu__bar bar = {bars->ts[t],    bars->open[t],     bars->high[t],  bars->low[t],
                                 bars->close[t], bars->adjusted[t], bars->volume[t]};
            if (!pu__row_check(&bar, reason)) fail_msg("%s bar %lld: %s", symbol[a], (long long)t, reason);
            assert_true(bar.low <= fmin(bar.open, bar.close) && bar.high >= fmax(bar.open, bar.close));
            assert_true(isnan(bar.volume) == (a == 2));
            const double close = at.shapes.close[a] * at.price[(path * (STEPS + 1) + t + 1) * ASSETS + a];
            assert_memory_equal(&bar.close, &close, sizeof close);
            assert_memory_equal(&bar.adjusted, &close, sizeof close);
        }
    }
}

static void pass_the_import(void **state) {
    (void)state;
    static const double volatility[] = {0.0, 0.01, 0.5, 8.0};
    static const float scale[] = {0.0f, 1.0f, 30.0f, 1e6f};
    for (int hard = 0; hard < 4; ++hard) {
        walk(volatility[hard]);
        for (int i = 0; i < STEPS * ASSETS; ++i)
            at.shock[i] =
                (pu__path_shock){.volatility_scale = scale[hard], .volume_scale = hard == 3 ? 0.0f : 2.0f};
        const pu__simulated paths = {
            .count = PATHS, .steps = STEPS, .assets = ASSETS, .price = at.price, .shock = at.shock, .seed = 1};
        for (int64_t p = 0; p < PATHS; ++p) {
            pu__bars_make(&at.shapes, &paths, p, at.ts, at.bars);
            check_bars(p);
        }
    }
}

/* Replayed rows give the history's bars: the closes within the rounding of float log-returns added up, everything else
 * within that of the float shapes: each has an error of half an ulp of a number below 2^-2, so 2^-27, a few of them. */
static void rows_are_the_history(void **state) {
    (void)state;
    const int64_t first = at.market.rows - 1 - STEPS;
    for (int a = 0; a < ASSETS; ++a) at.price[a] = 1.0;
    for (int t = 0; t < STEPS; ++t) {
        at.row[t] = (int32_t)(first + t);
        for (int a = 0; a < ASSETS; ++a)
            at.price[(t + 1) * ASSETS + a] =
                at.market.price[(first + t + 1) * ASSETS + a] / at.market.price[first * ASSETS + a];
    }
    const pu__simulated paths = {.count = 1, .steps = STEPS, .assets = ASSETS, .price = at.price, .row = at.row};
    pu__bars_make(&at.shapes, &paths, 0, at.ts, at.bars);
    for (int a = 0; a < ASSETS; ++a) {
        pu_bars was;
        assert_true(test_bars_walk((uint64_t)a + 5, BARS, TEST_FIRST_TS, TEST_DAY_S, &was));
        const double scale = at.shapes.close[a] / was.adjusted[first];
        for (int t = 0; t < STEPS; ++t) {
            const int64_t i = first + 1 + t;
            const double factor = scale * was.adjusted[i] / was.close[i];
            const double expected[] = {was.open[i], was.high[i], was.low[i], was.close[i]};
            const double got[] = {at.bars[a].open[t], at.bars[a].high[t], at.bars[a].low[t], at.bars[a].close[t]};
            for (int k = 0; k < 4; ++k) {
                if (!(fabs(got[k] / (expected[k] * factor) - 1.0) <= 0x1p-25))
                    fail_msg("%s bar %d value %d: %.9g, was %.9g", symbol[a], t, k, got[k], expected[k] * factor);
            }
        }
        pu_bars_free(&was);
    }
}

/* Drawn bars: by seed, path and bar, whatever the batch; another path has other ones. */
static void drawn_by_number(void **state) {
    (void)state;
    walk(0.0);
    pu__simulated paths = {
        .first = 10, .count = PATHS, .steps = STEPS, .assets = ASSETS, .price = at.price, .seed = 3};
    double high[STEPS];
    pu__bars_make(&at.shapes, &paths, 2, at.ts, at.bars);
    memcpy(high, at.bars[1].high, sizeof high);
    paths.first = 12;
    pu__bars_make(&at.shapes, &paths, 0, at.ts, at.bars);
    assert_memory_equal(high, at.bars[1].high, sizeof high);
    pu__bars_make(&at.shapes, &paths, 1, at.ts, at.bars);
    assert_memory_not_equal(high, at.bars[1].high, sizeof high);
    paths.seed = 4;
    pu__bars_make(&at.shapes, &paths, 0, at.ts, at.bars);
    assert_memory_not_equal(high, at.bars[1].high, sizeof high);
}

/* The rows that pu__path_rows tells are those of the kernel: its prices are their sums. */
static void rows_of_the_kernel(void **state) {
    (void)state;
    pu__process_asset asset[ASSETS] = {0};
    double weight[ASSETS] = {0};
    for (int replay = 0; replay < 2; ++replay) {
        const pu__path_scenario scenario = {.seed = 12,
                                            .process = replay ? PU_PROCESS_REPLAY : PU_PROCESS_BOOTSTRAP,
                                            .assets = ASSETS,
                                            .steps = STEPS,
                                            .asset = asset,
                                            .history = at.market.log_return,
                                            .history_rows = (int32_t)at.market.rows - 1,
                                            .history_first = 20,
                                            .restart = 0.2f,
                                            .policy = PU_POLICY_BUY_HOLD,
                                            .weight = weight};
        const pu__path_batch batch = {.first = 6, .count = PATHS, .price = at.price};
        if (pu__paths_plain(&scenario, &batch) != PU_OK) fail_msg("%s", pu_error_message());
        pu__path_rows(&scenario, 6, PATHS, at.row);
        for (int64_t i = 0; i < PATHS * STEPS; ++i) {
            const int64_t bar = i / STEPS * (STEPS + 1) + i % STEPS;
            for (int a = 0; a < ASSETS; ++a) {
                const float x = at.market.log_return[(int64_t)at.row[i] * ASSETS + a];
                const double next = at.price[bar * ASSETS + a] * (1.0 + (double)pu__sim_expm1(x));
                assert_memory_equal(&at.price[(bar + 1) * ASSETS + a], &next, sizeof next);
            }
        }
    }
}

static void expect_times(pu_asset *assets, int count, int64_t *history, int64_t rows, const char *const *expected,
                         int steps) {
    const pu__market market = {.assets = count, .asset = assets, .rows = rows, .ts = history};
    int64_t ts[STEPS];
    assert_int_equal(pu__bar_times(&market, steps, ts), PU_OK);
    for (int t = 0; t < steps; ++t) {
        char when[32];
        pu_time_format(ts[t], true, when);
        assert_string_equal(when, expected[t]);
    }
}

static int64_t at_time(const char *text) {
    int64_t ts = 0;
    assert_int_equal(pu_time_parse(text, &ts), PU_OK);
    return ts;
}

static void calendars(void **state) {
    (void)state;
    pu_asset stock = {.symbol = "S", .asset_class = "equity", .bar_s = 86400};
    pu_asset coin = {.symbol = "C", .asset_class = "crypto", .bar_s = 86400};
    pu_asset both[] = {coin, stock};
    int64_t friday[] = {at_time("2024-03-08T00:00:00Z")}; /* closes Thursday's session */
    static const char *const weekdays[] = {"2024-03-09T00:00:00Z", "2024-03-12T00:00:00Z", "2024-03-13T00:00:00Z"};
    static const char *const days_in_row[] = {"2024-03-09T00:00:00Z", "2024-03-10T00:00:00Z"};
    expect_times(&stock, 1, friday, 1, weekdays, 3);
    expect_times(both, 2, friday, 1, weekdays, 3);
    expect_times(&coin, 1, friday, 1, days_in_row, 2);
    stock.bar_s = 7 * 86400;
    static const char *const weeks[] = {"2024-03-15T00:00:00Z", "2024-03-22T00:00:00Z"};
    expect_times(&stock, 1, friday, 1, weeks, 2);
    stock.bar_s = 30 * 86400;
    int64_t january[] = {at_time("2023-12-31T00:00:00Z")};
    static const char *const months[] = {"2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z"};
    expect_times(&stock, 1, january, 1, months, 2);
    stock.bar_s = 3600; /* sessions close at the hours that the history closed at */
    int64_t hours[] = {at_time("2024-03-07T16:00:00Z"), at_time("2024-03-07T17:00:00Z"),
                       at_time("2024-03-08T15:00:00Z"), at_time("2024-03-08T16:00:00Z")};
    static const char *const session[] = {"2024-03-08T17:00:00Z", "2024-03-11T15:00:00Z", "2024-03-11T16:00:00Z"};
    expect_times(&stock, 1, hours, 4, session, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pass_the_import), cmocka_unit_test(rows_are_the_history),
        cmocka_unit_test(drawn_by_number), cmocka_unit_test(rows_of_the_kernel),
        cmocka_unit_test(calendars),
    };
    return cmocka_run_group_tests(tests, open_bench, close_bench);
}
