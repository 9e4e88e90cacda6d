/* The stress sweep against what can be worked out: a gap, break-even costs, breaking severities, figures of a cell; the
 * grid; and what is refused before anything runs. */
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

#include <jansson.h>

#include "host/stress/grid.h"
#include "host/stress/simulate.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/stress.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 121, TRADES = 10 };

static test_market market;

/* An asset whose simple returns alternate between two values; the prices of the last market are replaced. */
static void alternate(const char *symbol, double up, double down) {
    pu_bars bars;
    assert_true(test_bars_alloc(BARS, &bars));
    double close = 100.0;
    for (int64_t i = 0; i < BARS; ++i) {
        if (i > 0) close *= 1.0 + (i % 2 ? up : down);
        bars.ts[i] = TEST_FIRST_TS + i / 5 * 7 * TEST_DAY_S + i % 5 * TEST_DAY_S;
        bars.open[i] = bars.high[i] = bars.low[i] = bars.close[i] = bars.adjusted[i] = close;
        bars.volume[i] = 1000.0;
    }
    test_market_put(&market, symbol, TEST_DAY_S, &bars);
    pu_bars_free(&bars);
}

/* The defaults of these tests and, between '|', what differs. */
static pu_status load_config(const char *name, const char *extra, pu_config **out) {
    enum { OVERRIDES_MAX = 48 };
    char text[2048], store[600], folder[600], run[80];
    snprintf(store, sizeof store, "data.store=%s", market.store);
    snprintf(folder, sizeof folder, "run.out=%s", market.folder);
    snprintf(run, sizeof run, "run.name=%s", name);
    snprintf(text, sizeof text, "%s", extra);
    const char *overrides[OVERRIDES_MAX] = {store,
                                            folder,
                                            run,
                                            "run.device=cpu",
                                            "run.threads=1",
                                            "run.seed=7",
                                            "data.symbols=[FLAT]",
                                            "stress.policy=buy_hold",
                                            "backtest.latency_bars=0",
                                            "stress.latencies=[0]",
                                            "stress.severities=[1]",
                                            "stress.cost_factors=[1]",
                                            "stress.scenarios=[gap_down]",
                                            "stress.paths=100",
                                            "stress.steps_bars=20",
                                            "backtest.spread_bps=100",
                                            "backtest.slippage_bps=50",
                                            "backtest.fee_bps=50"};
    int count = 18;
    char *rest = NULL;
    for (char *item = strtok_r(text, "|", &rest); item && count < OVERRIDES_MAX; item = strtok_r(NULL, "|", &rest))
        overrides[count++] = item;
    return pu_config_load(NULL, count, overrides, out);
}

static pu_config *config_of(const char *name, const char *extra) {
    pu_config *config = NULL;
    if (load_config(name, extra, &config) != PU_OK) fail_msg("%s", pu_error_message());
    return config;
}

static json_t *run(pu_config *config, pu_stress_result *result) {
    pu_stress_result own;
    if (pu_stress(config, result ? result : &own) != PU_OK) fail_msg("%s", pu_error_message());
    char path[700];
    snprintf(path, sizeof path, "%s/%s/stress.json", market.folder, config->run.name);
    json_t *document = json_load_file(path, 0, NULL);
    assert_non_null(document);
    pu_config_free(config);
    return document;
}

static double real_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return json_number_value(value);
}

/* The cell of the tested policy with this scenario and severity, the first one. */
static const json_t *cell_of(const json_t *document, const char *scenario, double severity) {
    size_t i;
    const json_t *cell, *found = NULL;
    json_array_foreach(json_object_get(document, "cells"), i, cell) {
        const char *name = json_string_value(json_object_get(cell, "scenario"));
        if (!found && strcmp(name, scenario) == 0 && real_at(cell, "severity") == severity) found = cell;
    }
    assert_non_null(found);
    return found;
}

static int open_market(void **state) {
    (void)state;
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    pu_progress_silence(true);
    market = test_market_new();
    alternate("FLAT", 0.0, 0.0);
    alternate("COIN", 0.05, -0.04);
    alternate("TREND", 0.02, -0.012);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

/* ---- figures ---- */

/* Wealth 0.00, 0.01 .. 1.00 in another order: 5 % quantile 0.05, worst 5 % the mean of 6 values, and so on. */
static void figures_follow_their_definitions(void **state) {
    (void)state;
    enum { N = 101 };
    const pu__stress s = {.paths = N, .steps = 9};
    pu__outcome o;
    pu__stress_figures f;
    assert_int_equal(pu__outcome_make(&s, false, &o), PU_OK);
    for (int i = 0; i < N; ++i) {
        double metric[PU_PATH_METRIC_COUNT] = {0};
        o.wealth[i] = (double)(i * 37 % N) / 100.0;
        o.drawdown[i] = 1.0 - o.wealth[i];
        metric[PU_PATH_WEALTH] = o.wealth[i];
        metric[PU_PATH_TURNOVER] = 2.0;
        metric[PU_PATH_SPREAD] = (double)i / 1024.0;
        metric[PU_PATH_UNDER_WATER] = 4.0;
        metric[PU_PATH_RUIN_BAR] = o.wealth[i] == 0.0 ? 3.0 : -1.0;
        metric[PU_PATH_MARGIN_BAR] = i < 20 ? 1.0 : -1.0;
        metric[PU_PATH_STOP_BAR] = -1.0;
        pu__path_summary_take(o.summary, metric);
    }
    pu__stress_measure(&o, s.steps, &f);
    assert_true(fabs(f.mean_return + 0.5) < 1e-12);
    /* variance of 0 .. 100 with n - 1: (101^2 - 1) / 12 * 101 / 100 */
    assert_true(fabs(f.mean_return_error - sqrt(858.5) / 100.0 / sqrt(101.0)) < 1e-12);
    assert_true(fabs(f.median_return + 0.5) < 1e-12);
    assert_true(fabs(f.loss_95 - 0.95) < 1e-12 && fabs(f.loss_99 - 0.99) < 1e-12);
    assert_true(fabs(f.cvar_95 - 0.975) < 1e-12 && fabs(f.cvar_99 - 0.995) < 1e-12);
    assert_true(fabs(f.drawdown_median - 0.5) < 1e-12 && fabs(f.drawdown_95 - 0.95) < 1e-12);
    assert_true(f.worst_path == 0 && f.worst_return == -1.0);
    assert_true(fabs(f.ruin - 1.0 / N) < 1e-15 && fabs(f.ruin_error - sqrt(100.0) / N / sqrt(N)) < 1e-15);
    assert_true(fabs(f.margin_call - 20.0 / N) < 1e-15 && f.stopped == 0.0);
    assert_true(fabs(f.spread - 50.0 / 1024.0) < 1e-9 && fabs(f.turnover - 2.0) < 1e-9 &&
                fabs(f.under_water - 0.4) < 1e-9);
    pu__outcome_free(&o);
}

static void the_grid_has_every_cell_once(void **state) {
    (void)state;
    pu_config *config = config_of("grid", "stress.severities=[0.5, 1, 2]|stress.cost_factors=[0, 0.9, 3]|"
                                          "stress.latencies=[0, 1]|stress.seeds=2");
    pu__stress *s = pu_calloc(1, sizeof *s);
    pu__grid grid;
    assert_non_null(s);
    if (pu__stress_open(config, s) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__grid_make(s, &grid), PU_OK);
    assert_int_equal(grid.count, (1 + 1 * 3) * 2 * 2 * 3);
    int fans = 0;
    for (int64_t i = 0; i < grid.count; ++i) {
        const pu__stress_cell *a = &grid.cell[i].cell;
        assert_int_equal(a->number, i);
        fans += grid.cell[i].fan;
        for (int64_t k = 0; k < i; ++k) {
            const pu__stress_cell *b = &grid.cell[k].cell;
            assert_false(strcmp(a->scenario, b->scenario) == 0 && a->severity == b->severity &&
                         a->seed == b->seed && a->cost_factor == b->cost_factor &&
                         a->latency_bars == b->latency_bars);
        }
    }
    const pu__stress_cell *base = &grid.cell[grid.base].cell;
    assert_true(fans == 2 && strcmp(base->scenario, PU__BASELINE) == 0 && base->severity == 0.0);
    assert_true(base->cost_factor == 0.9 && base->latency_bars == 0 && base->seed == 7);
    assert_true(pu__grid_is_base(&grid, grid.base) && !pu__grid_is_base(&grid, grid.base + 1));
    pu__grid_free(&grid);
    pu__stress_close(s);
    pu_free(s);
    pu_config_free(config);
}

/* ---- worked out ---- */

/* One-way costs of 150 bp: half of 100, 50 and 50. The price is a float's exponential. */
static void buy_and_hold_loses_the_gap_and_the_costs(void **state) {
    (void)state;
    json_t *document = run(config_of("gap", ""), NULL);
    const json_t *still = cell_of(document, PU__BASELINE, 0), *gap = cell_of(document, "gap_down", 1);
    assert_true(fabs(real_at(still, "mean_return") + 0.015) < 1e-9);
    assert_true(fabs(real_at(gap, "mean_return") + 0.3 + 0.015) < 1e-6);
    assert_true(fabs(real_at(gap, "loss_95") - 0.315) < 1e-6 && fabs(real_at(gap, "cvar_99") - 0.315) < 1e-6);
    assert_true(fabs(real_at(gap, "drawdown_95") - 0.315) < 1e-6);
    assert_true(fabs(real_at(gap, "spread") - 0.005) < 1e-9 && fabs(real_at(gap, "fee") - 0.005) < 1e-9);
    assert_true(fabs(real_at(gap, "turnover") - 1.0) < 1e-9);
    const json_t *a = json_object_get(document, "attribution");
    assert_true(fabs(real_at(a, "gross_return")) < 1e-9 && fabs(real_at(a, "net_return") + 0.015) < 1e-9);
    assert_true(fabs(real_at(a, "slippage") - 0.005) < 1e-9 && real_at(a, "latency") == 0.0);
    const json_t *fan = json_array_get(json_object_get(document, "fans"), 1);
    const json_t *median = json_array_get(json_object_get(fan, "equity"), 2);
    assert_int_equal(json_array_size(median), 21);
    assert_true(fabs(json_number_value(json_array_get(median, 10)) - 0.985) < 1e-9);
    assert_true(fabs(json_number_value(json_array_get(median, 11)) - 0.685) < 1e-6);
    json_decref(document);
}

/* The loss is 0.3 s + 0.015, so a limit of 0.25 is broken from s = 0.235 / 0.3 on, and one of 0.01 at once. */
static void the_breaking_severity_is_found(void **state) {
    (void)state;
    json_t *document = run(config_of("breaking", "stress.limit_loss=0.25|stress.limit_drawdown=0.7|"
                                                 "stress.severities=[0.5, 2]|stress.tolerance=0.0001"),
                           NULL);
    const json_t *limits = json_object_get(document, "limits"), *drawdown = json_array_get(limits, 0),
                 *loss = json_array_get(limits, 1);
    assert_int_equal(json_array_size(limits), 2);
    const json_t *one = json_array_get(json_object_get(loss, "breaking"), 0);
    const double root = 0.235 / 0.3, low = json_number_value(json_array_get(json_object_get(one, "bracket"), 0));
    /* the price is off by a few 1e-7, the tolerance is 1e-4 */
    assert_true(real_at(one, "severity") > root - 1e-5 && low < root + 1e-5);
    assert_true(real_at(one, "severity") - low <= 1e-4);
    assert_true(json_is_false(json_object_get(loss, "passed")));
    assert_true(json_is_true(json_object_get(json_object_get(loss, "base"), "passed")));
    assert_true(fabs(real_at(json_object_get(loss, "worst"), "value") - 0.615) < 1e-6);
    assert_true(json_is_true(json_object_get(drawdown, "passed")));
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(drawdown, "breaking"), 0), "severity")));
    json_decref(document);
    document = run(config_of("broken", "stress.limit_loss=0.01"), NULL);
    one = json_array_get(json_object_get(json_array_get(json_object_get(document, "limits"), 0), "breaking"), 0);
    assert_true(real_at(one, "severity") == 0.0);
    json_decref(document);
}

static void assert_break_even(const json_t *document, double want, double configured_bps) {
    const json_t *b = json_object_get(document, "break_even");
    const double got = real_at(b, "cost_factor"), error = real_at(b, "error");
    print_message("break-even %.4f, error %.4f, worked out %.4f\n", got, error, want);
    assert_true(json_is_true(json_object_get(b, "found")));
    assert_true(error > 0.0 && error < 0.1 * want);
    assert_true(fabs(got - want) < 3.0 * error);
    assert_true(fabs(real_at(b, "bps_one_way") - got * configured_bps) < 1e-9 * got * configured_bps);
}

/* Bought once: wealth is S(T) - c k, so c = (E S(T) - 1) / k, with E S(T) of the fitted process. */
static void break_even_of_buy_and_hold(void **state) {
    (void)state;
    enum { STEPS = 20 };
    json_t *document = run(config_of("held", "data.symbols=[TREND]|stress.process=gbm|stress.paths=20000"), NULL);
    const double up = log(1.02), down = log(1.0 - 0.012), mean = 0.5 * (up + down);
    const double variance = 0.25 * (up - down) * (up - down) * (BARS - 1) / (BARS - 2);
    assert_break_even(document, (exp(STEPS * (mean + 0.5 * variance)) - 1.0) / 0.015, 150.0);
    json_decref(document);
}

/* Mean wealth of a position that is brought back to `weight` at every bar, over every path of a coin with returns 0.05
 * and -0.04, at a one-way cost of `ratio`. */
static double mean_wealth(double weight, double ratio) {
    double sum = 0.0;
    for (int path = 0; path < 1 << TRADES; ++path) {
        double value = weight, equity = 1.0 - ratio * fabs(weight);
        for (int bar = 0; bar < TRADES; ++bar) {
            const double r = path >> bar & 1 ? 0.05 : -0.04;
            equity += value * r;
            const double target = weight * equity, held = value * (1.0 + r);
            equity -= ratio * fabs(target - held);
            value = target;
        }
        sum += equity / (1 << TRADES);
    }
    return sum;
}

static void break_even_of_a_rule_that_trades_every_bar(void **state) {
    (void)state;
    double low = 0.0, high = 1.0;
    while (high - low > 1e-12) {
        const double middle = 0.5 * (low + high);
        if (mean_wealth(2.0, middle) > 1.0) low = middle;
        else high = middle;
    }
    json_t *document = run(config_of("rebalanced", "data.symbols=[COIN]|stress.policy=constant|stress.weights=[2]|"
                                                   "stress.block_bars=1|stress.paths=20000|stress.steps_bars=10"),
                           NULL);
    assert_break_even(document, low / 0.015, 150.0);
    json_decref(document);
}

static void break_even_says_why_there_is_none(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"backtest.spread_bps=0|backtest.slippage_bps=0|backtest.fee_bps=0", "there is no cost to scale"},
        {"data.symbols=[FLAT]", "there is no edge that costs could end"},
        {"data.symbols=[TREND]|stress.steps_bars=400|stress.weights=[0.01]", "it trades too little"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        json_t *document = run(config_of("none", cases[i][0]), NULL);
        const json_t *b = json_object_get(document, "break_even");
        assert_true(json_is_false(json_object_get(b, "found")));
        assert_true(json_is_null(json_object_get(b, "cost_factor")));
        if (!strstr(json_string_value(json_object_get(b, "text")), cases[i][1]))
            fail_msg("%s", json_string_value(json_object_get(b, "text")));
        json_decref(document);
    }
}

/* Fitted processes run, and the document has their fit. */
static void every_process_can_be_tested(void **state) {
    (void)state;
    static const char *const processes[] = {"gbm", "merton", "heston", "garch", "regimes", "bootstrap", "replay"};
    test_market_walk(&market, "WALK", 5, 1200, true);
    for (size_t i = 0; i < sizeof processes / sizeof *processes; ++i) {
        char other[200];
        snprintf(other, sizeof other,
                 "data.symbols=[WALK]|stress.scenarios=[correlation_to_one]|stress.process=%s", processes[i]);
        json_t *document = run(config_of("process", other), NULL);
        const json_t *calibration = json_object_get(document, "calibration");
        assert_true(i < 5 ? json_is_object(calibration) : json_is_null(calibration));
        assert_true(isfinite(real_at(cell_of(document, "correlation_to_one", 1), "mean_return")));
        json_decref(document);
    }
}

static double estimate_of(const json_t *document, const char *name) {
    const json_t *fit = json_array_get(json_object_get(json_object_get(document, "calibration"), "fits"), 0);
    size_t i;
    const json_t *estimate;
    json_array_foreach(json_object_get(fit, "estimates"), i, estimate) {
        if (strcmp(json_string_value(json_object_get(estimate, "name")), name) == 0)
            return real_at(estimate, "value");
    }
    fail_msg("no estimate %s", name);
    return 0.0;
}

/* Wealth of who holds is the price: another drift multiplies every path's by the same factor. */
static void a_fitted_process_drifts_as_the_history(void **state) {
    (void)state;
    static const char *const drifts[] = {"history", "fit"};
    double wealth[2], fitted = 0.0, sum = 0.0;
    test_market_walk(&market, "WALK", 5, 1200, true);
    for (int i = 0; i < 2; ++i) {
        char other[300];
        snprintf(other, sizeof other,
                 "data.symbols=[WALK]|stress.process=garch|backtest.spread_bps=0|backtest.slippage_bps=0|"
                 "backtest.fee_bps=0|stress.drift=%s",
                 drifts[i]);
        json_t *document = run(config_of("drift", other), NULL);
        wealth[i] = 1.0 + real_at(cell_of(document, PU__BASELINE, 0), "mean_return");
        fitted = estimate_of(document, "mean");
        json_decref(document);
    }
    pu_config *config = config_of("drift", "data.symbols=[WALK]");
    pu__market history;
    assert_int_equal(pu__market_load(config, false, INT64_MIN, INT64_MAX, &history), PU_OK);
    for (int64_t r = 0; r < history.rows - 1; ++r) sum += (double)history.log_return[r];
    const double expected = 20.0 * (sum / (double)(history.rows - 1) - fitted);
    assert_true(fabs(expected) > 1e-4);
    /* 20 float returns a path, each wrong by less than 1e-8 */
    assert_true(fabs(log(wealth[0] / wealth[1]) - expected) < 2e-7);
    pu__market_free(&history);
    pu_config_free(config);
}

/* What is said of the base cell adds up, and every kind of cost has its part. */
static void attribution_adds_up(void **state) {
    (void)state;
    json_t *document =
        run(config_of("parts", "data.symbols=[COIN, TREND]|stress.policy=constant|stress.weights=[2, -0.5]|"
                               "stress.latencies=[1]|stress.capital=100|stress.impact=0.5|"
                               "stress.funding_annual_ratio=0.05|stress.borrow_annual_ratio=0.1"),
            NULL);
    static const char *const parts[] = {"spread", "slippage", "fee", "impact", "carry", "latency"};
    const json_t *a = json_object_get(document, "attribution"), *base = cell_of(document, PU__BASELINE, 0);
    double left = real_at(a, "gross_return");
    for (size_t i = 0; i < 6; ++i) {
        left -= real_at(a, parts[i]);
        assert_true(real_at(a, parts[i]) != 0.0);
    }
    assert_true(fabs(left - real_at(a, "net_return")) < 1e-12);
    assert_true(real_at(a, "net_return") == real_at(base, "mean_return"));
    assert_true(fabs(real_at(a, "spread") / real_at(a, "carry") -
                     real_at(base, "spread") / real_at(base, "carry")) < 1e-9);
    json_decref(document);
}

/* The worst path of a cell, by its number alone. */
static void a_path_is_replayed_by_its_number(void **state) {
    (void)state;
    const char *extra = "data.symbols=[COIN, TREND]|stress.policy=momentum|stress.fast_bars=2|stress.slow_bars=5";
    json_t *document = run(config_of("replay", extra), NULL);
    const json_t *gap = cell_of(document, "gap_down", 1), *worst = json_object_get(document, "worst_paths");
    assert_int_equal(json_array_size(worst), 2);
    pu_config *config = config_of("replay", extra);
    pu_stress_path_request request = {.path = (int64_t)real_at(gap, "worst_path"),
                                      .scenario = "gap_down",
                                      .severity = (double)NAN,
                                      .cost_factor = (double)NAN,
                                      .latency_bars = -1,
                                      .seed = -1};
    char path[700];
    if (pu_stress_path(config, &request, path, sizeof path) != PU_OK) fail_msg("%s", pu_error_message());
    json_t *one = json_load_file(path, 0, NULL);
    const json_t *equity = json_object_get(one, "equity"), *prices = json_object_get(one, "prices");
    assert_int_equal(json_array_size(equity), 21);
    assert_true(json_number_value(json_array_get(equity, 20)) - 1.0 == real_at(gap, "worst_return"));
    assert_int_equal(json_array_size(json_object_get(prices, "TREND")), 21);
    assert_true(json_array_size(json_object_get(one, "fills")) > 2);
    size_t i;
    const json_t *listed, *found = NULL;
    json_array_foreach(worst, i, listed) {
        if (strcmp(json_string_value(json_object_get(listed, "scenario")), "gap_down") == 0) found = listed;
    }
    assert_true(json_equal(json_object_get(found, "equity"), equity));
    assert_true(json_equal(json_object_get(found, "fills"), json_object_get(one, "fills")));
    json_decref(one);
    json_decref(document);
    request.path = 100;
    assert_int_equal(pu_stress_path(config, &request, path, sizeof path), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "there are paths 0 to 99"));
    request.path = 0;
    request.scenario = "gap_dwon";
    assert_int_equal(pu_stress_path(config, &request, path, sizeof path), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "did you mean gap_down?"));
    pu_config_free(config);
}

/* ---- resuming within a process; tests/system/test_stress_resume.c kills ---- */

static void a_finished_sweep_runs_nothing(void **state) {
    (void)state;
    pu_stress_result first, again, other;
    json_t *a = run(config_of("again", "stress.seeds=3"), &first);
    json_t *b =
        run(config_of("again", "stress.seeds=3|stress.limit_loss=0.2|run.threads=2|stress.worst=1"), &again);
    assert_true(first.cells == 6 && first.resumed == 0 && !first.replaced && first.simulated > 0.0);
    assert_true(again.cells == 6 && again.resumed == 6 && !again.replaced && again.simulated == 0.0);
    assert_true(json_equal(json_object_get(a, "cells"), json_object_get(b, "cells")));
    assert_true(json_equal(json_object_get(a, "fans"), json_object_get(b, "fans")));
    assert_int_equal(json_array_size(json_object_get(b, "worst_paths")), 1);
    json_decref(b);
    b = run(config_of("again", "stress.seeds=3|stress.paths=101"), &other);
    assert_true(other.resumed == 0 && other.replaced);
    assert_int_equal(test_market_sql(&market,
                                     "SELECT count(*) FROM stress_cells JOIN stress_sweeps USING (sweep_id) "
                                     "JOIN runs USING (run_id) WHERE name = 'again'"),
                     6);
    json_decref(b);
    json_decref(a);
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(market.store, PU_STORE_READ, &store), PU_OK);
    if (pu_store_check(store) != PU_OK) fail_msg("%s", pu_error_message());
    pu_store_close(store);
}

/* ---- refused ---- */

static void what_cannot_be_is_refused_before_anything_runs(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"stress.policy=momentun", "stress.policy: expects one of model, predictions"},
        {"stress.scenarios=[gap_dwon]",
         "stress.scenarios: there is no scenario 'gap_dwon'; did you mean gap_down?"},
        {"stress.scenarios=[gap_down, gap_down]", "'gap_down' is listed twice"},
        {"stress.library=/no/such.yaml", "stress.library"},
        {"stress.severities=[1, 4]", "-0.3 times severity 4 leaves no price"},
        {"stress.severities=[2, 1]", "stress.severities: must increase"},
        {"stress.severities=[-1]", "stress.severities, item 1: expects a number from 0 to 10"},
        {"stress.severities=[]", "stress.severities: is empty"},
        {"stress.cost_factors=[1, 1]", "stress.cost_factors: must increase"},
        {"stress.latencies=[3, 1]", "stress.latencies: must increase"},
        {"stress.latencies=[]", "stress.latencies: is empty"},
        {"stress.cost_factors=[1000]",
         "1000 times the costs of the backtest are more than what is traded: at most 200"},
        {"stress.policy=momentum|stress.fast_bars=9|stress.slow_bars=9", "must be below stress.slow_bars"},
        {"stress.policy=plugin", "needs stress.plugin"},
        {"stress.policy=predictions|stress.process=gbm", "stored predictions belong to bars of the history"},
        {"stress.impact=1", "stress.impact needs stress.capital"},
        {"stress.participation_max=0.1", "stress.participation_max needs stress.capital"},
        {"stress.limit_margin=0.1", "there is no margin call to limit"},
        {"stress.weights=[1, 2]", "stress.weights has 2 values for 1 assets"},
        {"stress.fit=[2000-01-01, 2000-02-01]", "FLAT has 0 bars"},
        {"stress.fit=[2000-01-01]", "expects two dates"},
        {"stress.process=replay|stress.steps_bars=121", "the history that is replayed has 120 steps"},
        {"data.symbols=[NONE]", "NONE"},
        {"stress.seeds=1000|stress.latencies=[0, 1, 2, 3]|stress.cost_factors=[0, 1, 2, 3, 4, 5, 6]|"
         "stress.severities=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, "
         "1.8, 1.9, 2, "
         "2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3, 3.01, 3.02, 3.03, 3.04, 3.05, 3.06, 3.07, 3.08]",
         "the grid has 1092000 cells, 1000000 at most"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        pu_config *config = NULL;
        pu_stress_result result;
        pu_status status = load_config("refused", cases[i][0], &config);
        if (status == PU_OK) status = pu_stress(config, &result);
        pu_config_free(config);
        if (status == PU_OK || !strstr(pu_error_message(), cases[i][1]))
            fail_msg("%s gave %s: %s", cases[i][0], pu_status_name(status), status ? pu_error_message() : "");
        assert_true(status == PU_ERR_CONFIG || status == PU_ERR_DATA || status == PU_ERR_NOT_FOUND ||
                    status == PU_ERR_ARGUMENT);
    }
    assert_int_equal(test_market_sql(&market, "SELECT count(*) FROM runs WHERE name = 'refused'"), 0);
}

static void what_a_reader_has_to_know_is_said(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"stress.cost_factors=[0, 2]", "1 is not among stress.cost_factors"},
        {"stress.latencies=[2]", "backtest.latency_bars (0) is not among stress.latencies"},
        {"stress.scenarios=[correlation_to_one]", "Shocks to the correlation of 1 scenarios do nothing"},
        {"stress.scenarios=[rates_2022]", "Scenario rates_2022 does not end within 20 bars"},
        {"stress.process=replay", "A replay is one path"},
        {"stress.block_bars=1000", "fewer than 10 blocks of 1000"},
        {"backtest.spread_bps=0|backtest.slippage_bps=0|backtest.fee_bps=0", "Trading is free"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        json_t *document = run(config_of("warned", cases[i][0]), NULL);
        char *text = json_dumps(json_object_get(document, "warnings"), 0);
        if (!strstr(text, cases[i][1])) fail_msg("%s: %s", cases[i][0], text);
        free(text);
        json_decref(document);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_follow_their_definitions),
        cmocka_unit_test(the_grid_has_every_cell_once),
        cmocka_unit_test(buy_and_hold_loses_the_gap_and_the_costs),
        cmocka_unit_test(the_breaking_severity_is_found),
        cmocka_unit_test(break_even_of_buy_and_hold),
        cmocka_unit_test(break_even_of_a_rule_that_trades_every_bar),
        cmocka_unit_test(break_even_says_why_there_is_none),
        cmocka_unit_test(every_process_can_be_tested),
        cmocka_unit_test(a_fitted_process_drifts_as_the_history),
        cmocka_unit_test(attribution_adds_up),
        cmocka_unit_test(a_path_is_replayed_by_its_number),
        cmocka_unit_test(a_finished_sweep_runs_nothing),
        cmocka_unit_test(what_cannot_be_is_refused_before_anything_runs),
        cmocka_unit_test(what_a_reader_has_to_know_is_said),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
