/* Performance metrics and bootstrap intervals: against empyrical, scipy and float64 formulas, and where nothing is
 * defined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/eval/bootstrap.h"
#include "host/eval/metrics.h"
#include "host/eval/stats.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/golden.h"

enum { N_MAX = 512 };

static pu__metrics measure(int64_t n, const double *r, const double *benchmark) {
    const pu__metric_options options = {.periods_per_year = 252, .benchmark = benchmark, .trials = 1};
    pu__metrics m;
    assert_int_equal(pu__metrics_compute(n, r, &options, &m), PU_OK);
    return m;
}

static void figures_equal_the_libraries(void **state) {
    (void)state;
    json_t *golden = golden_load("metrics.json");
    const json_t *cases = json_object_get(golden, "cases");
    assert_int_equal(json_array_size(cases), 5);
    for (size_t c = 0; c < json_array_size(cases); ++c) {
        const json_t *one = json_array_get(cases, c), *want = json_object_get(one, "metrics");
        double r[N_MAX], b[N_MAX];
        const int64_t n = golden_list(json_object_get(one, "returns"), r, N_MAX);
        golden_list(json_object_get(one, "benchmark"), b, N_MAX);
        const double a = golden_real(one, "periods_per_year");
        const pu__metric_options options = {a, pow(1 + golden_real(one, "risk_free"), 1 / a) - 1, b,
                                            (int64_t)golden_real(one, "trials")};
        pu__metrics m;
        assert_int_equal(pu__metrics_compute(n, r, &options, &m), PU_OK);
#define CHECK(name)                                                                                            \
    if (!golden_near(m.name, golden_real(want, #name), 1e-10))                                                 \
        fail_msg("%s: %s is %.17g, not %.17g", json_string_value(json_object_get(one, "name")), #name, m.name, \
                 golden_real(want, #name));
        PU__METRICS(CHECK)
#undef CHECK
        assert_true(golden_near(pu__block_length(n, r), golden_real(one, "block"), 1e-10));
    }
    json_decref(golden);
}

static void ranks_correlations_and_normal_quantiles(void **state) {
    (void)state;
    json_t *golden = golden_load("metrics.json");
    double x[N_MAX], y[N_MAX], rank_x[N_MAX], rank_y[N_MAX], want[N_MAX];
    int64_t order[N_MAX];
    const int64_t n = golden_list(json_object_get(golden, "x"), x, N_MAX);
    golden_list(json_object_get(golden, "y"), y, N_MAX);
    golden_list(json_object_get(golden, "rank_x"), want, N_MAX);
    pu__ranks(n, x, order, rank_x);
    pu__ranks(n, y, order, rank_y);
    for (int64_t i = 0; i < n; ++i) assert_true(rank_x[i] == want[i]);
    assert_true(golden_near(pu__correlation(n, x, y), golden_real(golden, "pearson"), 1e-12));
    assert_true(golden_near(pu__correlation(n, rank_x, rank_y), golden_real(golden, "spearman"), 1e-12));
    double p[32], z[32];
    const int64_t count = golden_list(json_object_get(golden, "probability"), p, 32);
    golden_list(json_object_get(golden, "normal_quantile"), z, 32);
    for (int64_t i = 0; i < count; ++i) assert_true(golden_near(pu__normal_quantile(p[i]), z[i], 1e-12));
    assert_true(isinf(pu__normal_quantile(0)) && isinf(pu__normal_quantile(1)) && isnan(pu__normal_quantile(1.5)));
    json_decref(golden);
}

/* A shipped system reported 10,000 for [0, -1%]. */
static void drawdown_of_one_loss_is_that_loss(void **state) {
    (void)state;
    const double r[] = {0, -0.01};
    const pu__metrics m = measure(2, r, 0);
    assert_true(golden_near(m.max_drawdown, -0.01, 1e-15));
    assert_int_equal(m.drawdown_peak, 1);
    assert_int_equal(m.drawdown_trough, 2);
    assert_int_equal(m.drawdown_recovery, -1);
    double d[2];
    pu__drawdowns(2, r, d);
    assert_true(d[0] == 0 && golden_near(d[1], -0.01, 1e-15));
}

static void a_first_loss_counts_from_the_starting_equity(void **state) {
    (void)state;
    const double r[] = {-0.1, 0.2, -0.05, 0.01, 0.3};
    const pu__metrics m = measure(5, r, 0);
    assert_true(golden_near(m.max_drawdown, -0.1, 1e-15));
    assert_int_equal(m.drawdown_peak, 0);
    assert_int_equal(m.drawdown_trough, 1);
    assert_int_equal(m.drawdown_recovery, 2);
    assert_true(m.under_water_periods == 2 && m.under_water_ratio == 0.6);
}

static void annual_figures_follow_the_periods_per_year(void **state) {
    (void)state;
    const double r[] = {0.01, -0.02, 0.03, 0.004, -0.005, 0.01};
    const double years[] = {12, 52, 252, 365, 105120};
    for (int i = 0; i < 5; ++i) {
        const pu__metric_options options = {.periods_per_year = years[i], .trials = 1};
        pu__metrics m;
        assert_int_equal(pu__metrics_compute(6, r, &options, &m), PU_OK);
        const double growth = 1.01 * 0.98 * 1.03 * 1.004 * 0.995 * 1.01;
        assert_true(golden_near(m.cagr, pow(growth, years[i] / 6) - 1, 1e-10));
        assert_true(golden_near(m.calmar, m.cagr / -m.max_drawdown, 1e-12));
        assert_true(golden_near(m.sharpe / sqrt(years[i]), pu__sharpe(6, r, 0), 1e-12));
        assert_true(golden_near(m.volatility / m.downside_deviation, m.sortino / m.sharpe, 1e-12));
    }
}

static void degenerate_series_are_nan_or_zero_and_never_infinite(void **state) {
    (void)state;
    const double zeros[5] = {0}, constant[4] = {0.1, 0.1, 0.1, 0.1}, one[1] = {0.02}, ruin[4] = {0.5, -1, 0, 0};
    const double worse[3] = {0.1, -1.5, 0.3};
    const struct {
        int64_t n;
        const double *r;
        double total, max_drawdown;
    } cases[] = {{0, one, 0, (double)NAN}, {1, one, 0.02, 0}, {5, zeros, 0, 0},
                 {4, constant, 0.4641, 0}, {4, ruin, -1, -1}, {3, worse, -1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const pu__metrics m = measure(cases[i].n, cases[i].r, cases[i].r);
        assert_true(golden_near(m.total_return, cases[i].total, 1e-14));
        assert_true(golden_near(m.max_drawdown, cases[i].max_drawdown, 1e-14));
#define FINITE_OR_NAN(name) assert_false(isinf(m.name));
        PU__METRICS(FINITE_OR_NAN)
#undef FINITE_OR_NAN
        if (i < 4) assert_true(isnan(m.sharpe) && isnan(m.beta) && isnan(m.deflated_sharpe) && isnan(m.calmar));
    }
    assert_true(measure(5, zeros, 0).zero_periods == 5 && isnan(measure(5, zeros, 0).hit_rate));
    assert_true(measure(4, ruin, 0).cagr == -1);
}

static void rolling_sharpe_is_the_sharpe_of_its_window(void **state) {
    (void)state;
    const double r[] = {0.01, -0.02, 0.03, 0.004, -0.005, 0.01, 0.01};
    double out[7];
    pu__rolling_sharpe(7, r, 3, 252, 0, out);
    for (int i = 0; i < 7; ++i) {
        const double want = i < 2 ? (double)NAN : pu__sharpe(3, r + i - 2, 0) * sqrt(252);
        assert_true(golden_near(out[i], want, 1e-14));
    }
}

/* More trials deflate more; a try that was the only one is not deflated. */
static void trials_deflate(void **state) {
    (void)state;
    double r[250];
    pu_random random = pu_random_at(5, 0);
    for (int i = 0; i < 250; ++i) r[i] = 0.001 + 0.01 * pu_random_normal(&random);
    double last = 2;
    for (int64_t trials = 1; trials <= 1000; trials *= 10) {
        const pu__metric_options options = {.periods_per_year = 252, .trials = trials};
        pu__metrics m;
        assert_int_equal(pu__metrics_compute(250, r, &options, &m), PU_OK);
        assert_true(m.deflated_sharpe < last);
        assert_true(trials > 1 || m.deflated_sharpe == m.probabilistic_sharpe);
        last = m.deflated_sharpe;
    }
}

static pu__intervals intervals(int64_t n, const double *r, uint64_t seed, pu_pool *pool) {
    const pu__bootstrap_options options = {
        .periods_per_year = 252, .samples = 500, .seed = seed, .level = 0.95, .pool = pool};
    pu__intervals out;
    assert_int_equal(pu__bootstrap(n, r, &options, &out), PU_OK);
    return out;
}

static void intervals_hold_the_point_estimate(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        double r[83];
        pu_random random = pu_random_at(seed, 1);
        for (int i = 0; i < 83; ++i) r[i] = 0.01 * pu_random_normal(&random) + (i == 40 ? -0.2 : 0);
        const pu__metrics m = measure(83, r, 0);
        const pu__intervals in = intervals(83, r, seed, 0);
        assert_true(in.sharpe.low <= m.sharpe + 1e-12 && m.sharpe <= in.sharpe.high + 1e-12);
        assert_true(in.cagr.low <= m.cagr + 1e-12 && m.cagr <= in.cagr.high + 1e-12);
        assert_true(in.max_drawdown.low <= m.max_drawdown + 1e-12 &&
                    m.max_drawdown <= in.max_drawdown.high + 1e-12);
        assert_true(in.sharpe.low < in.sharpe.high);
    }
}

/* Gains and losses in turn never fall further than one loss; resamples that put two losses together do. The
 * interval of the drawdown must be widened to hold what happened. */
static void an_interval_is_widened_to_what_happened(void **state) {
    (void)state;
    double r[2000];
    for (int i = 0; i < 2000; ++i) r[i] = i % 2 ? -0.01 : 0.011;
    const double happened = measure(2000, r, 0).max_drawdown;
    const pu__intervals in = intervals(2000, r, 1, 0);
    assert_true(golden_near(happened, -0.01, 1e-12));
    assert_true(golden_near(in.max_drawdown.high, happened, 1e-12));
    assert_true(in.max_drawdown.low < 2 * happened);
}

/* Independent normal returns: the interval's half width is near 1.96 standard errors, sqrt(A / n) each. */
static void the_interval_has_the_width_of_theory(void **state) {
    (void)state;
    double width = 0;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        double r[500];
        pu_random random = pu_random_at(seed, 5);
        for (int i = 0; i < 500; ++i) r[i] = 0.0004 + 0.01 * pu_random_normal(&random);
        const pu__intervals in = intervals(500, r, seed, 0);
        width += 0.1 * 0.5 * (in.sharpe.high - in.sharpe.low);
        assert_true(in.cagr.high > 0 && in.cagr.low < in.cagr.high);
    }
    assert_true(fabs(width / (1.96 * sqrt(252.0 / 500)) - 1) < 0.1);
}

static void intervals_are_the_same_at_any_thread_count(void **state) {
    (void)state;
    double r[200];
    pu_random random = pu_random_at(2, 2);
    for (int i = 0; i < 200; ++i) r[i] = 0.01 * pu_random_normal(&random);
    const pu__intervals serial = intervals(200, r, 9, 0);
    for (int threads = 2; threads <= 3; ++threads) {
        pu_pool *pool = 0;
        assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
        const pu__intervals parallel = intervals(200, r, 9, pool);
        assert_memory_equal(&serial, &parallel, sizeof serial);
        pu_pool_free(pool);
    }
}

/* The 95 % interval of a Sharpe ratio of zero should miss zero in about 5 % of independent samples: of 200, more
 * than 20 has a probability of 0.1 % if the coverage is exact; percentile intervals of serially dependent samples
 * are a little too narrow, which the limit of 24 allows for. */
static void the_interval_covers_a_sharpe_of_zero(void **state) {
    (void)state;
    int missed = 0;
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        double r[250], x = 0;
        pu_random random = pu_random_at(seed, 3);
        for (int i = 0; i < 250; ++i) {
            x = 0.2 * x + pu_random_normal(&random);
            r[i] = 0.01 * x;
        }
        const pu__intervals in = intervals(250, r, seed, 0);
        missed += in.sharpe.low > 0 || in.sharpe.high < 0;
    }
    print_message("missed %d of 200\n", missed);
    assert_in_range(missed, 1, 24);
}

static void short_or_constant_series_have_no_sharpe_interval(void **state) {
    (void)state;
    const double constant[30] = {0}, one[1] = {0.1};
    assert_true(isnan(intervals(30, constant, 1, 0).sharpe.low));
    assert_true(intervals(30, constant, 1, 0).max_drawdown.low == 0);
    assert_true(isnan(intervals(1, one, 1, 0).cagr.high));
    assert_true(isnan(intervals(0, one, 1, 0).sharpe.high));
}

static void memory_running_out_is_an_error(void **state) {
    (void)state;
    const double r[2] = {0.1, -0.1};
    const pu__metric_options options = {.periods_per_year = 252, .trials = 1};
    pu__metrics m;
    pu_memory_fail_after(0);
    const pu_status status = pu__metrics_compute(2, r, &options, &m);
    pu_memory_fail_after(-1);
    assert_int_equal(status, PU_ERR_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_equal_the_libraries),
        cmocka_unit_test(ranks_correlations_and_normal_quantiles),
        cmocka_unit_test(drawdown_of_one_loss_is_that_loss),
        cmocka_unit_test(a_first_loss_counts_from_the_starting_equity),
        cmocka_unit_test(annual_figures_follow_the_periods_per_year),
        cmocka_unit_test(degenerate_series_are_nan_or_zero_and_never_infinite),
        cmocka_unit_test(rolling_sharpe_is_the_sharpe_of_its_window),
        cmocka_unit_test(trials_deflate),
        cmocka_unit_test(intervals_hold_the_point_estimate),
        cmocka_unit_test(an_interval_is_widened_to_what_happened),
        cmocka_unit_test(the_interval_has_the_width_of_theory),
        cmocka_unit_test(intervals_are_the_same_at_any_thread_count),
        cmocka_unit_test(the_interval_covers_a_sharpe_of_zero),
        cmocka_unit_test(short_or_constant_series_have_no_sharpe_interval),
        cmocka_unit_test(memory_running_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
