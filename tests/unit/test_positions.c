/* Positions from forecasts: causal, linear, at the target volatility, within the limits, and a planted edge
 * survives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/eval/metrics.h"
#include "host/eval/positions.h"
#include "host/eval/simulate.h"
#include "host/eval/stats.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/golden.h"

/* A market with a planted edge: in units of its volatility the next bar's return of asset i is ic m_i + sqrt(1 -
 * ic^2) e_i, e with the average correlation rho between assets, volatility moving slowly by a factor of three.
 * Assets may miss bars. */
typedef struct market {
    pu__panel panel;
    double *forecast, *sigma;
} market;

typedef struct recipe {
    uint64_t seed;
    int64_t times, assets;
    double ic, rho, missing;
} recipe;

static market make_market(const recipe *r) {
    market m = {{.times = r->times, .assets = r->assets}, 0, 0};
    m.panel.ts = pu_calloc((size_t)r->times, sizeof *m.panel.ts);
    m.panel.price = pu__panel_table(&m.panel);
    m.forecast = pu__panel_table(&m.panel);
    m.sigma = pu__panel_table(&m.panel);
    assert_true(m.panel.ts && m.panel.price && m.forecast && m.sigma);
    pu_random random = pu_random_at(r->seed, 4);
    double level[16], view[16] = {0};
    for (int i = 0; i < 16; ++i) level[i] = 100;
    for (int64_t t = 0; t < r->times; ++t) {
        m.panel.ts[t] = 86400 * t;
        const double sigma = 0.01 * exp(0.55 * sin((double)t / 97));
        const double market_shock = pu_random_normal(&random);
        for (int64_t i = 0; i < r->assets; ++i) {
            const double e = sqrt(r->rho) * market_shock + sqrt(1 - r->rho) * pu_random_normal(&random);
            const double last_sigma = 0.01 * exp(0.55 * sin((double)(t - 1) / 97));
            if (t > 0) level[i] *= 1 + last_sigma * (r->ic * view[i] + sqrt(1 - r->ic * r->ic) * e);
            view[i] = pu_random_normal(&random);
            if (pu_random_uniform(&random) < r->missing) continue;
            const int64_t cell = t * r->assets + i;
            m.panel.price[cell] = level[i];
            m.forecast[cell] = r->ic * view[i];
            m.sigma[cell] = sigma;
        }
    }
    return m;
}

static void drop_market(market *m) {
    pu__panel_free(&m->panel);
    pu_free(m->forecast);
    pu_free(m->sigma);
}

static const pu__sizing loose = {.target_vol = 0.1 / 15.874507866387544, .leverage_max = 100, .position_max = 100};

static double *weights_of(const market *m, const pu__sizing *sizing, double *limited) {
    double *weight = pu__panel_table(&m->panel);
    assert_non_null(weight);
    assert_int_equal(pu__positions(&m->panel, m->forecast, m->sigma, sizing, weight, 0, limited), PU_OK);
    return weight;
}

static pu__run run_of(const market *m, const pu__sizing *sizing) {
    double *weight = weights_of(m, sizing, 0);
    const pu__physics_rules free_of_cost = {0};
    pu__run run;
    assert_int_equal(pu__simulate(&m->panel, 0, weight, &free_of_cost, &run), PU_OK);
    pu_free(weight);
    return run;
}

/* The best Sharpe ratio per bar of n assets with independent forecasts: E[mu' C^-1 mu] = ic^2 tr(C^-1), for equal
 * correlations in closed form. */
static double best_sharpe(const recipe *r) {
    const double n = (double)r->assets;
    const double trace = (n - 1) / (1 - r->rho) + 1 / (1 + (n - 1) * r->rho);
    return r->ic * sqrt(trace);
}

static void a_planted_edge_becomes_sharpe(void **state) {
    (void)state;
    const recipe cases[] = {{1, 6000, 8, 0.08, 0, 0},    {2, 6000, 8, 0.08, 0.5, 0},    {3, 6000, 1, 0.15, 0, 0},
                            {4, 6000, 12, 0.05, 0.3, 0}, {5, 6000, 8, 0.08, 0.3, 0.05}, {6, 6000, 2, 0.1, 0.8, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        market m = make_market(&cases[c]);
        pu__run run = run_of(&m, &loose);
        const double sharpe = pu__sharpe(run.times - 1, run.returns + 1, 0), best = best_sharpe(&cases[c]);
        print_message("case %zu: %.2f of the best Sharpe ratio %.2f\n", c, sharpe / best, best * sqrt(252));
        /* Sampling error of the ratio: 1 / (sqrt(6000) best), at most 0.1 here; missing bars make forecasts stale.
         */
        assert_true(sharpe > 0.85 * best);
        pu__run_free(&run);
        drop_market(&m);
    }
}

/* The realised return must come from the prediction: the opposite forecast earns the opposite. */
static void the_opposite_forecast_earns_the_opposite(void **state) {
    (void)state;
    const recipe r = {7, 3000, 6, 0.1, 0.2, 0};
    market m = make_market(&r);
    pu__run right = run_of(&m, &loose);
    for (int64_t i = 0; i < r.times * r.assets; ++i) m.forecast[i] = -m.forecast[i];
    pu__run wrong = run_of(&m, &loose);
    for (int64_t k = 0; k < right.times; ++k) assert_true(golden_near(right.returns[k], -wrong.returns[k], 1e-12));
    assert_true(right.equity[right.times - 1] > 1.5 && wrong.equity[wrong.times - 1] < 0.7);
    pu__run_free(&right);
    pu__run_free(&wrong);
    drop_market(&m);
}

static void volatility_meets_its_target(void **state) {
    (void)state;
    for (uint64_t seed = 10; seed < 14; ++seed) {
        const recipe r = {seed, 4000, 6, 0.05, 0.15 * (double)(seed - 10), 0};
        market m = make_market(&r);
        pu__run run = run_of(&m, &loose);
        const double volatility = sqrt(pu__moments_of(run.times - 1, run.returns + 1).variance * 252);
        assert_true(volatility > 0.09 && volatility < 0.11);
        pu__run_free(&run);
        drop_market(&m);
    }
}

static void truncating_the_future_changes_no_weight(void **state) {
    (void)state;
    const recipe r = {20, 700, 5, 0.1, 0.3, 0.1};
    const pu__sizing sizings[] = {loose, {0.006, 2, 0.5, false}, {0.006, 1.5, 0.4, true}};
    market m = make_market(&r);
    for (int s = 0; s < 3; ++s) {
        double *whole = weights_of(&m, &sizings[s], 0);
        for (int64_t cut = 1; cut <= r.times; cut += 97) {
            market past = m;
            past.panel.times = cut;
            double *part = weights_of(&past, &sizings[s], 0);
            assert_memory_equal(part, whole, (size_t)(cut * r.assets) * sizeof *part);
            pu_free(part);
        }
        pu_free(whole);
    }
    drop_market(&m);
}

static void limits_hold_and_a_neutral_book_is_neutral(void **state) {
    (void)state;
    const recipe r = {30, 900, 7, 0.1, 0.4, 0};
    const pu__sizing tight = {0.02, 1.2, 0.3, false}, neutral = {0.01, 1.2, 0.3, true};
    market m = make_market(&r);
    double limited = 0;
    double *a = weights_of(&m, &tight, &limited), *b = weights_of(&m, &neutral, 0);
    assert_true(limited > 0.5 && limited <= 1);
    bool reached = false;
    for (int64_t t = 0; t < r.times; ++t) {
        double gross[2] = {0}, risk = 0;
        for (int64_t i = 0; i < r.assets; ++i) {
            const int64_t cell = t * r.assets + i;
            assert_true(fabs(a[cell]) <= 0.3 && fabs(b[cell]) <= 0.3 + 1e-15);
            gross[0] += fabs(a[cell]);
            gross[1] += fabs(b[cell]);
            risk += b[cell] * m.sigma[cell];
        }
        assert_true(gross[0] <= 1.2 + 1e-12 && gross[1] <= 1.2 + 1e-12);
        assert_true(fabs(risk) < 1e-15);
        reached = reached || gross[0] > 1.2 - 1e-12;
    }
    assert_true(reached);
    double *c = weights_of(&m, &loose, &limited);
    assert_true(limited == 0);
    pu_free(a);
    pu_free(b);
    pu_free(c);
    drop_market(&m);
}

/* An asset without a bar keeps its weight, and the others share what it leaves of the leverage. */
static void absent_assets_count_in_the_leverage(void **state) {
    (void)state;
    const recipe r = {31, 600, 5, 0.1, 0.2, 0.3};
    const pu__sizing tight = {0.03, 1.0, 0.6, false};
    market m = make_market(&r);
    double *weight = weights_of(&m, &tight, 0), held[5] = {0};
    bool shared = false;
    for (int64_t t = 0; t < r.times; ++t) {
        double kept = 0, gross = 0;
        for (int64_t i = 0; i < r.assets; ++i) {
            const double w = weight[t * r.assets + i];
            if (isnan(w)) kept += fabs(held[i]);
            if (!isnan(w)) held[i] = w;
            gross += fabs(held[i]);
        }
        shared = shared || (kept > 0.3 && gross > 1 - 1e-12 && gross < 1 + 1e-12);
        assert_true(gross <= fmax(1, kept) + 1e-12);
    }
    assert_true(shared);
    pu_free(weight);
    drop_market(&m);
}

/* An asset whose bars end before the book is opened takes neither room under the limits nor a side of a neutral
 * book. */
static void the_book_begins_empty(void **state) {
    (void)state;
    enum { FROM = 300 };
    const recipe r = {32, 600, 4, 0.1, 0.2, 0};
    const pu__sizing tight = {0.03, 1.0, 0.6, false}, neutral = {0.005, 5, 5, true};
    market m = make_market(&r);
    for (int64_t t = FROM - 20; t < r.times; ++t) m.panel.price[t * r.assets] = (double)NAN;
    double *weight = pu__panel_table(&m.panel), *balanced = pu__panel_table(&m.panel);
    assert_int_equal(pu__positions(&m.panel, m.forecast, m.sigma, &tight, weight, FROM, 0), PU_OK);
    assert_int_equal(pu__positions(&m.panel, m.forecast, m.sigma, &neutral, balanced, FROM, 0), PU_OK);
    double gross_most = 0;
    for (int64_t t = FROM; t < r.times; ++t) {
        double gross = 0, risk = 0;
        assert_true(isnan(weight[t * r.assets]));
        for (int64_t i = 1; i < r.assets; ++i) {
            gross += fabs(weight[t * r.assets + i]);
            risk += balanced[t * r.assets + i] * m.sigma[t * r.assets + i];
        }
        gross_most = fmax(gross_most, gross);
        assert_true(fabs(risk) < 1e-15);
    }
    assert_true(fabs(gross_most - 1) < 1e-12);
    pu_free(weight);
    pu_free(balanced);
    drop_market(&m);
}

/* Within one decision the weights in risk units are proportional to the forecasts when returns are uncorrelated.
 */
static void sizing_is_linear_in_the_forecast(void **state) {
    (void)state;
    const recipe r = {40, 800, 4, 0.1, 0, 0};
    market m = make_market(&r);
    double *weight = weights_of(&m, &loose, 0);
    for (int64_t i = 0; i < r.times * r.assets; ++i) m.forecast[i] *= 3;
    double *scaled = weights_of(&m, &loose, 0);
    for (int64_t i = 0; i < r.times * r.assets; ++i)
        assert_true(golden_near(weight[i], scaled[i], 1e-12)); /* only relative size counts */
    /* One forecast three times as large gives, at once, about three times the position: the scale is slow. */
    market doubled = m;
    const int64_t cell = 790 * r.assets;
    const double before = scaled[cell];
    doubled.forecast[cell] *= 3;
    double *after = weights_of(&doubled, &loose, 0);
    assert_true(after[cell] / before > 2.7 && after[cell] / before < 3.2);
    pu_free(weight);
    pu_free(scaled);
    pu_free(after);
    drop_market(&m);
}

static void no_forecast_no_position_no_bar_no_decision(void **state) {
    (void)state;
    const recipe r = {50, 60, 3, 0.1, 0, 0};
    market m = make_market(&r);
    m.panel.price[30 * 3 + 1] = (double)NAN;
    m.forecast[31 * 3] = (double)NAN;
    m.sigma[32 * 3 + 2] = 0;
    m.sigma[33 * 3 + 2] = (double)NAN;
    double *weight = weights_of(&m, &loose, 0);
    for (int64_t i = 0; i < 180; ++i) assert_true(isfinite(weight[i]) || i == 30 * 3 + 1);
    assert_true(weight[31 * 3] == 0 && weight[32 * 3 + 2] == 0 && weight[33 * 3 + 2] == 0);
    for (int64_t i = 0; i < 180; ++i) m.forecast[i] = 0;
    double *flat = weights_of(&m, &loose, 0);
    for (int64_t i = 0; i < 180; ++i) assert_true(flat[i] == 0 || i == 30 * 3 + 1);
    pu_free(weight);
    pu_free(flat);
    drop_market(&m);
}

static void the_mean_of_quantiles(void **state) {
    (void)state;
    const double quantile[] = {0.1, 0.25, 0.5, 0.75, 0.9};
    const float symmetric[] = {-0.8f, -0.3f, 0.2f, 0.7f, 1.2f}, point[] = {0.25f};
    assert_true(golden_near(pu__forecast_mean(5, quantile, symmetric), 0.2, 1e-7));
    assert_true(golden_near(pu__forecast_mean(1, quantile, point), 0.25, 0));
    const float skewed[] = {0, 0, 0, 0, 1};
    assert_true(golden_near(pu__forecast_mean(5, quantile, skewed), 0.175, 1e-12));
}

static void calendars_are_united(void **state) {
    (void)state;
    const int64_t ta[] = {10, 20, 30, 50}, tb[] = {5, 20, 40, 50, 60};
    const double va[] = {1, 2, 3, 5}, vb[] = {0.5, 2.5, 4.5, 5.5, 6.5};
    const pu__series series[2] = {{4, ta, va}, {5, tb, vb}};
    pu__panel panel;
    assert_int_equal(pu__panel_make(2, series, 10, 60, &panel), PU_OK);
    assert_int_equal(panel.times, 5);
    const int64_t want_ts[] = {10, 20, 30, 40, 50};
    const double want[] = {1, (double)NAN, 2, 2.5, 3, (double)NAN, (double)NAN, 4.5, 5, 5.5};
    for (int i = 0; i < 5; ++i) assert_int_equal(panel.ts[i], want_ts[i]);
    for (int i = 0; i < 10; ++i) assert_true(golden_near(panel.price[i], want[i], 0));
    pu__panel_free(&panel);
    assert_int_equal(pu__panel_make(2, series, 100, 200, &panel), PU_OK);
    assert_int_equal(panel.times, 0);
    pu__panel_free(&panel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_edge_becomes_sharpe),
        cmocka_unit_test(the_opposite_forecast_earns_the_opposite),
        cmocka_unit_test(volatility_meets_its_target),
        cmocka_unit_test(truncating_the_future_changes_no_weight),
        cmocka_unit_test(limits_hold_and_a_neutral_book_is_neutral),
        cmocka_unit_test(absent_assets_count_in_the_leverage),
        cmocka_unit_test(the_book_begins_empty),
        cmocka_unit_test(sizing_is_linear_in_the_forecast),
        cmocka_unit_test(no_forecast_no_position_no_bar_no_decision),
        cmocka_unit_test(the_mean_of_quantiles),
        cmocka_unit_test(calendars_are_united),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
