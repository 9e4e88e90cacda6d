/* Baselines, forecast scores, and what may be claimed of a strategy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/eval/baselines.h"
#include "host/eval/positions.h"
#include "host/eval/scores.h"
#include "host/eval/strategy.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/golden.h"

enum { ROWS_MAX = 512 };

static void ridge_equals_least_squares(void **state) {
    (void)state;
    json_t *golden = golden_load("forecasts.json");
    double wide[ROWS_MAX], y[ROWS_MAX], w[ROWS_MAX], want[ROWS_MAX];
    float x[ROWS_MAX];
    const int64_t cells = golden_list(json_object_get(golden, "x"), wide, ROWS_MAX);
    const int64_t n = golden_list(json_object_get(golden, "y"), y, ROWS_MAX), features = cells / n;
    golden_list(json_object_get(golden, "w"), w, ROWS_MAX);
    for (int64_t i = 0; i < cells; ++i) x[i] = (float)wide[i];
    pu__ridge ridge;
    assert_int_equal(pu__ridge_make(features, golden_real(golden, "clip"), &ridge), PU_OK);
    /* In two parts, as chunks of a store come. */
    const int64_t part = 31;
    pu__ridge_add_moments(&ridge, part, x, w);
    pu__ridge_add_moments(&ridge, n - part, x + part * features, w + part);
    pu__ridge_end_moments(&ridge);
    pu__ridge_add_products(&ridge, part, x, y, w);
    pu__ridge_add_products(&ridge, n - part, x + part * features, y + part, w + part);
    assert_int_equal(pu__ridge_solve(&ridge, golden_real(golden, "ridge_lambda")), PU_OK);
    const int64_t count = golden_list(json_object_get(golden, "beta"), want, ROWS_MAX);
    assert_int_equal(count, features + 1);
    for (int64_t i = 0; i < count; ++i) assert_true(golden_near(ridge.beta[i], want[i], 1e-10));
    golden_list(json_object_get(golden, "prediction"), want, ROWS_MAX);
    for (int64_t r = 0; r < n; ++r)
        assert_true(golden_near(pu__ridge_predict(&ridge, x + r * features), want[r], 1e-10));
    pu__ridge_free(&ridge);
    json_decref(golden);
}

static void ridge_refuses_what_it_cannot_solve(void **state) {
    (void)state;
    const float x[8] = {1, 1, 2, 2, 3, 3, 5, 5}; /* the same column twice */
    const double y[4] = {1, 2, 3, 4}, w[4] = {1, 1, 1, 1}, nothing[4] = {0};
    for (int empty = 0; empty < 2; ++empty) {
        pu__ridge ridge;
        assert_int_equal(pu__ridge_make(2, 8, &ridge), PU_OK);
        pu__ridge_add_moments(&ridge, 4, x, empty ? nothing : w);
        pu__ridge_end_moments(&ridge);
        pu__ridge_add_products(&ridge, 4, x, y, empty ? nothing : w);
        assert_int_equal(pu__ridge_solve(&ridge, 0), PU_ERR_DATA);
        assert_non_null(strstr(pu_error_message(), empty ? "train segment" : "backtest.ridge_lambda"));
        pu__ridge_free(&ridge);
    }
}

static void scores_equal_numpy(void **state) {
    (void)state;
    json_t *golden = golden_load("forecasts.json");
    double y[ROWS_MAX], wide[ROWS_MAX], quantile[3], unconditional[3], below[3];
    float value[ROWS_MAX];
    const int64_t n = golden_list(json_object_get(golden, "y"), y, ROWS_MAX);
    const int64_t cells = golden_list(json_object_get(golden, "value"), wide, ROWS_MAX);
    for (int64_t i = 0; i < cells; ++i) value[i] = (float)wide[i];
    golden_list(json_object_get(golden, "quantile"), quantile, 3);
    golden_list(json_object_get(golden, "unconditional"), unconditional, 3);
    golden_list(json_object_get(golden, "below"), below, 3);
    pu__scores s;
    assert_int_equal(pu__score_forecasts(n, y, 3, quantile, value, unconditional, 4, &s), PU_OK);
#define CHECK(name) assert_true(golden_near(s.name, golden_real(golden, #name), 1e-12))
    CHECK(pinball);
    CHECK(pinball_unconditional);
    CHECK(pinball_zero);
    CHECK(ic);
    CHECK(rank_ic);
    CHECK(hit_rate);
#undef CHECK
    for (int q = 0; q < 3; ++q) assert_true(golden_near(s.below[q], below[q], 1e-12));
    assert_true(golden_near(s.skill, 1 - s.pinball / s.pinball_unconditional, 1e-14));
    assert_true(golden_near(s.ic_error, 2 / sqrt((double)n), 1e-14));
    json_decref(golden);
}

static void scores_of_nothing_are_nan(void **state) {
    (void)state;
    const double quantile[1] = {0.5}, zero[1] = {0}, y[2] = {0, 0};
    const float value[2] = {0, 0};
    pu__scores s;
    assert_int_equal(pu__score_forecasts(0, y, 1, quantile, value, zero, 1, &s), PU_OK);
    assert_true(isnan(s.pinball) && isnan(s.ic) && isnan(s.below[0]) && s.count == 0);
    assert_int_equal(pu__score_forecasts(2, y, 1, quantile, value, zero, 1, &s), PU_OK);
    assert_true(s.pinball == 0 && isnan(s.skill) && isnan(s.ic) && isnan(s.hit_rate) && s.zeros == 2);
    assert_int_equal(pu__score_forecasts(2, y, PU__QUANTILES_MAX + 1, quantile, value, zero, 1, &s),
                     PU_ERR_ARGUMENT);
}

static void momentum_looks_back_over_its_window_only(void **state) {
    (void)state;
    enum { N = 300 };
    double price[N], forecast[N];
    for (int t = 0; t < N; ++t) price[t] = t < 150 ? 100 + t : 400 - t;
    pu__momentum(N, price, forecast);
    for (int t = 0; t < N; ++t) {
        if (t < 252) {
            assert_true(isnan(forecast[t]));
        } else {
            const double gain = price[t - 21] - price[t - 252];
            assert_true(forecast[t] == (gain > 0 ? 1 : gain < 0 ? -1 : 0));
        }
    }
    price[299] = 1e6; /* the last month is skipped */
    double again[N];
    pu__momentum(N, price, again);
    assert_true(again[299] == forecast[299]);
}

static void buy_and_hold_orders_once_per_asset(void **state) {
    (void)state;
    int64_t ts[4] = {1, 2, 3, 4};
    double price[8] = {10, (double)NAN, 11, (double)NAN, 12, 5, 13, 6};
    const pu__panel panel = {4, 2, ts, price};
    double *weight = pu__panel_table(&panel);
    assert_non_null(weight);
    pu__buy_and_hold(&panel, 1, weight);
    for (int i = 0; i < 8; ++i) assert_true(i == 2 || i == 5 ? weight[i] == 0.5 : isnan(weight[i]));
    const pu__physics_rules rules = {0};
    pu__run run;
    assert_int_equal(pu__simulate(&panel, 1, weight, &rules, &run), PU_OK);
    assert_int_equal(run.fill_count, 2);
    assert_true(
        golden_near(run.equity[2], 1 + 0.5 * (13.0 / 11 - 1) + 0.5 * (1 + 0.5 * (12.0 / 11 - 1)) * 0.2, 1e-14));
    pu__run_free(&run);
    pu_free(weight);
}

/* ---- strategies on a market of independent walks with a common drift ---- */

enum { TIMES = 756, ASSETS = 4 };

typedef struct walk {
    int64_t ts[TIMES];
    double price[TIMES * ASSETS], forecast[TIMES * ASSETS], sigma[TIMES * ASSETS], weight[TIMES * ASSETS];
    pu__panel panel;
} walk;

/* forecast = ic e + noise, unit variance, e the next return in sigmas. */
static walk *make_walk(uint64_t seed, double ic, double drift) {
    walk *w = pu_calloc(1, sizeof *w);
    assert_non_null(w);
    pu_random random = pu_random_at(seed, 8);
    double level[ASSETS] = {10, 20, 30, 40};
    for (int64_t t = 0; t < TIMES; ++t) {
        w->ts[t] = 86400 * t;
        for (int i = 0; i < ASSETS; ++i) {
            const int64_t cell = t * ASSETS + i;
            const double e = pu_random_normal(&random), noise = pu_random_normal(&random);
            w->price[cell] = level[i];
            w->forecast[cell] = ic * e + sqrt(1 - ic * ic) * noise;
            w->sigma[cell] = 0.01;
            level[i] *= 1 + drift + 0.01 * e;
        }
    }
    w->panel = (pu__panel){TIMES, ASSETS, w->ts, w->price};
    return w;
}

static const pu__settings settings = {.periods_per_year = 252,
                                      .rolling_bars = 60,
                                      .trials = 1,
                                      .samples = 400,
                                      .seed = 5,
                                      .rules = {.half_spread_ratio = 1e-5}};

static void judge(walk *w, const double *forecast, pu__strategy *model, pu__verdict *verdict) {
    const pu__sizing sizing = {0.1 / sqrt(252), 4, 2, false};
    for (int i = 0; i < TIMES * ASSETS; ++i) w->weight[i] = (double)NAN;
    pu__strategy market = {0};
    pu__buy_and_hold(&w->panel, 0, w->weight);
    assert_int_equal(
        pu__strategy_run("buy_and_hold", "Buy and hold", &w->panel, 0, w->weight, &settings.rules, &market),
        PU_OK);
    assert_int_equal(pu__positions(&w->panel, forecast, w->sigma, &sizing, w->weight, 0, 0), PU_OK);
    assert_int_equal(pu__strategy_run("model", "Model", &w->panel, 0, w->weight, &settings.rules, model), PU_OK);
    assert_int_equal(pu__strategy_measure(model, &market, &settings), PU_OK);
    pu__judge(model, settings.trials, verdict);
    pu__strategy_free(&market);
}

/* Exact intervals would leave zero out in 5 % of the seeds and claim an edge in at most half of those. The limits
 * of 12 and 6 of 100 are exceeded with a probability of 0.1 % and 1 % then; blocks of estimated length make it a
 * bit more. */
static void no_edge_is_claimed_where_there_is_none(void **state) {
    (void)state;
    int claims = 0, contains_zero = 0;
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        walk *w = make_walk(seed, 0, 0);
        pu__strategy model;
        pu__verdict verdict;
        judge(w, w->forecast, &model, &verdict);
        claims += verdict.claims_edge;
        contains_zero += model.intervals.sharpe.low <= 0 && model.intervals.sharpe.high >= 0;
        pu__strategy_free(&model);
        pu_free(w);
    }
    print_message("%d claims, %d intervals with zero, of 100\n", claims, contains_zero);
    assert_true(claims <= 6 && contains_zero >= 88);
}

static void an_edge_is_claimed_where_there_is_one(void **state) {
    (void)state;
    int claims = 0;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        walk *w = make_walk(seed, 0.12, 0);
        pu__strategy model;
        pu__verdict verdict;
        judge(w, w->forecast, &model, &verdict);
        claims += verdict.claims_edge;
        assert_true(strlen(verdict.sentence) > 40);
        pu__strategy_free(&model);
        pu_free(w);
    }
    assert_int_equal(claims, 5);
}

/* A model that is long all the time in a rising market has its return, but no edge over it. */
static void the_market_is_not_an_edge(void **state) {
    (void)state;
    walk *w = make_walk(9, 0, 0.0015);
    for (int i = 0; i < TIMES * ASSETS; ++i) w->forecast[i] = 1;
    pu__strategy model;
    pu__verdict verdict;
    judge(w, w->forecast, &model, &verdict);
    assert_true(verdict.interval_above_zero && model.metrics.sharpe > 2);
    assert_false(verdict.hedged_above_zero);
    assert_false(verdict.claims_edge);
    assert_non_null(strstr(verdict.sentence, "market"));
    pu__strategy_free(&model);
    pu_free(w);
}

static void break_even_is_where_the_return_is_zero(void **state) {
    (void)state;
    walk *w = make_walk(3, 0.15, 0);
    pu__strategy model;
    pu__verdict verdict;
    judge(w, w->forecast, &model, &verdict);
    double bps = 0;
    assert_int_equal(pu__break_even_cost_bps(&w->panel, 0, w->weight, &settings, &bps), PU_OK);
    assert_true(bps > 5 && bps < 100);
    pu__run run;
    const pu__physics_rules rules = {.slippage_ratio = 1e-4 * bps};
    assert_int_equal(pu__simulate(&w->panel, 0, w->weight, &rules, &run), PU_OK);
    assert_true(fabs(run.equity[TIMES - 1] - 1) < 1e-4);
    pu__run_free(&run);
    for (int i = 0; i < TIMES * ASSETS; ++i) w->weight[i] = -w->weight[i];
    assert_int_equal(pu__break_even_cost_bps(&w->panel, 0, w->weight, &settings, &bps), PU_OK);
    assert_true(bps == 0);
    for (int i = 0; i < TIMES * ASSETS; ++i) w->weight[i] = (double)NAN;
    assert_int_equal(pu__break_even_cost_bps(&w->panel, 0, w->weight, &settings, &bps), PU_OK);
    assert_true(isnan(bps));
    pu__strategy_free(&model);
    pu_free(w);
}

/* Fills, assets and series of one run agree with each other. */
static void the_parts_of_a_run_add_up(void **state) {
    (void)state;
    walk *w = make_walk(4, 0.1, 0);
    pu__strategy s;
    pu__verdict verdict;
    judge(w, w->forecast, &s, &verdict);
    const pu__run *run = &s.run;
    double product = 1, contribution = 0, turnover = 0, asset_turnover = 0, fill_turnover = 0, cost = 0,
           fill_cost = 0;
    assert_true(run->equity[0] == 1 && run->returns[0] == 0 && s.drawdown[0] == 0 && isnan(s.rolling_sharpe[0]));
    for (int64_t t = 0; t < run->times; ++t) {
        product *= 1 + run->returns[t];
        turnover += run->turnover[t];
        cost += run->cost[t];
        assert_true(golden_near(product, run->equity[t], 1e-12));
        assert_true(fabs(run->net[t]) <= run->gross[t] + 1e-15);
    }
    for (int i = 0; i < ASSETS; ++i) {
        contribution += run->asset[i].contribution;
        asset_turnover += run->asset[i].turnover;
    }
    for (int64_t i = 0; i < run->fill_count; ++i) {
        const pu__fill *f = &run->fill[i];
        fill_turnover += fabs(f->weight_after - f->weight_before);
        fill_cost += f->cost_ratio;
        assert_true(f->decided == f->filled && f->price == w->price[f->filled * ASSETS + f->asset]);
        assert_true(golden_near(f->weight_after, w->weight[f->decided * ASSETS + f->asset], 1e-12));
    }
    assert_true(golden_near(contribution, s.metrics.total_return, 1e-12));
    assert_true(golden_near(asset_turnover, turnover, 1e-12) && golden_near(fill_turnover, turnover, 1e-10));
    assert_true(golden_near(fill_cost, cost, 1e-12) &&
                golden_near(s.turnover, turnover / (TIMES - 1) * 252, 1e-12));
    assert_true(run->average_holding_bars > 1 &&
                run->average_holding_bars < 3); /* signs of coin flips last two bars */
    pu__strategy_free(&s);
    pu_free(w);
}

static void fills_name_the_bar_they_were_decided_at(void **state) {
    (void)state;
    walk *w = make_walk(6, 0.1, 0);
    for (int t = 3; t < TIMES; t += 7) w->price[t * ASSETS + 2] = (double)NAN;
    for (int i = 0; i < TIMES * ASSETS; ++i) w->weight[i] = 0.1 * w->forecast[i];
    const pu__physics_rules rules = {.latency_bars = 3};
    pu__run run;
    assert_int_equal(pu__simulate(&w->panel, 5, w->weight, &rules, &run), PU_OK);
    assert_true(run.fill_count > 2000);
    for (int64_t i = 0; i < run.fill_count; ++i) {
        const pu__fill *f = &run.fill[i];
        int64_t own_bars = 0;
        for (int64_t t = f->decided + 1; t <= f->filled; ++t) own_bars += !isnan(w->price[t * ASSETS + f->asset]);
        assert_int_equal(own_bars, 3);
        assert_true(f->decided >= 5);
        assert_true(golden_near(f->weight_after, w->weight[f->decided * ASSETS + f->asset], 1e-12));
    }
    pu__run_free(&run);
    pu_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ridge_equals_least_squares),
        cmocka_unit_test(ridge_refuses_what_it_cannot_solve),
        cmocka_unit_test(scores_equal_numpy),
        cmocka_unit_test(scores_of_nothing_are_nan),
        cmocka_unit_test(momentum_looks_back_over_its_window_only),
        cmocka_unit_test(buy_and_hold_orders_once_per_asset),
        cmocka_unit_test(no_edge_is_claimed_where_there_is_none),
        cmocka_unit_test(an_edge_is_claimed_where_there_is_one),
        cmocka_unit_test(the_market_is_not_an_edge),
        cmocka_unit_test(break_even_is_where_the_return_is_zero),
        cmocka_unit_test(the_parts_of_a_run_add_up),
        cmocka_unit_test(fills_name_the_bar_they_were_decided_at),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
