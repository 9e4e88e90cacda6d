/* The path kernel on the CPU: plain twin and vectors bit for bit, whatever the instruction set, threads and split;
 * the accounts against physics.h and by hand; summaries against the metrics they summarise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "kernels/common/isa_select.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/sim.h"
#include "tests/support/scenario.h"

enum { PATHS = 75 }; /* a group of lanes and a part of one */

typedef struct result {
    int64_t count, bars, assets;
    double *metric, *price, *trade, *equity, *weight;
    pu__path_summary *summary;
} result;

static result new_result(const pu__path_scenario *s, uint64_t first, int64_t count) {
    result r = {.count = count, .bars = s->steps + 1, .assets = s->assets};
    r.weight = pu__test_path_weights(s, first, count);
    r.metric = pu_calloc((size_t)(PU_PATH_METRIC_COUNT * count), sizeof(double));
    r.price = pu_calloc((size_t)(count * r.bars * r.assets), sizeof(double));
    r.trade = pu_calloc((size_t)(count * r.bars * r.assets), sizeof(double));
    r.equity = pu_calloc((size_t)(count * r.bars), sizeof(double));
    r.summary = pu_calloc(1, sizeof *r.summary);
    assert_true(r.metric && r.price && r.trade && r.equity && r.summary);
    pu__path_summary_reset(r.summary);
    return r;
}

static void free_result(result *r) {
    pu_free(r->metric);
    pu_free(r->price);
    pu_free(r->trade);
    pu_free(r->equity);
    pu_free(r->weight);
    pu_free(r->summary);
}

static pu__path_batch batch_of(const result *r, uint64_t first) {
    return (pu__path_batch){first, r->count, r->metric, r->summary, r->price, r->trade, r->equity, r->weight};
}

static void assert_same_bits(const double *a, const double *b, int64_t n, const char *what, int number) {
    for (int64_t i = 0; i < n; ++i)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0)
            fail_msg("scenario %d, %s %lld: %.17g and %.17g", number, what, (long long)i, a[i], b[i]);
}

static void assert_same(const result *a, const result *b, int number) {
    assert_same_bits(a->price, b->price, a->count * a->bars * a->assets, "price", number);
    assert_same_bits(a->trade, b->trade, a->count * a->bars * a->assets, "trade", number);
    assert_same_bits(a->equity, b->equity, a->count * a->bars, "equity", number);
    assert_same_bits(a->metric, b->metric, PU_PATH_METRIC_COUNT * a->count, "metric", number);
    assert_memory_equal(a->summary, b->summary, sizeof *a->summary);
}

static void vectors_equal_the_plain_twin(void **state) {
    (void)state;
    static pu__test_scenario t;
    const uint64_t first = (UINT64_C(1) << 32) - 40;
    double ruins = 0, calls = 0, stops = 0;
    for (int number = 0; number < PU_TEST_SCENARIOS; ++number) {
        pu__test_scenario_make(&t, number);
        assert_int_equal(pu__path_scenario_check(&t.scenario), PU_OK);
        result plain = new_result(&t.scenario, first, PATHS);
        const pu__path_batch judge = batch_of(&plain, first);
        assert_int_equal(pu__paths_plain(&t.scenario, &judge), PU_OK);
        for (int isa = 0; isa < PU_ISA_COUNT; ++isa) {
            pu__isa_limit((pu__isa)isa);
            result vectors = new_result(&t.scenario, first, PATHS);
            const pu__path_batch batch = batch_of(&vectors, first);
            assert_int_equal(pu__paths_cpu(&t.scenario, &batch, NULL), PU_OK);
            assert_same(&plain, &vectors, number);
            pu__path_summary_reset(vectors.summary);
            memset(vectors.metric, 0, sizeof(double) * PU_PATH_METRIC_COUNT * PATHS);
            const pu__path_batch metrics = {first, PATHS, vectors.metric, vectors.summary,
                                            .weight = vectors.weight};
            assert_int_equal(pu__paths_cpu(&t.scenario, &metrics, NULL), PU_OK); /* nothing is kept: other code */
            assert_same(&plain, &vectors, number);
            free_result(&vectors);
        }
        ruins += (double)plain.summary->ruined;
        calls += (double)plain.summary->margin_called;
        stops += (double)plain.summary->stopped;
        free_result(&plain);
    }
    print_message("ruined %g, margin calls %g, loss limits %g\n", ruins, calls, stops);
    assert_true(ruins > 0 && calls > 0 && stops > 0);
}

/* One asset, every policy, orders within a band and late ones, ruin: what path_single.h makes of whole and broken
 * blocks of bars. */
static void single_assets_equal_the_plain_twin(void **state) {
    (void)state;
    static pu__test_scenario t;
    double ruins = 0;
    for (int number = 0; number < 4 * PU_POLICY_COUNT; ++number) {
        pu__test_scenario_make(&t, 0);
        pu__path_scenario *s = &t.scenario;
        s->policy = number % PU_POLICY_COUNT;
        if (s->policy == PU_POLICY_CALLBACK) continue;
        const bool historical = s->policy == PU_POLICY_HISTORY_WEIGHTS;
        s->process = historical ? PU_PROCESS_BOOTSTRAP : number % 3 ? PU_PROCESS_GBM : PU_PROCESS_GARCH;
        s->shock = NULL;
        s->volume = NULL;
        s->steps = 30 + number;
        t.asset[0].volatility[0] = 0.1f;
        t.weight[0] = number % 2 ? 6.0 : 0.7;
        s->rules = (pu__execution_rules){.physics = {5e-4, 1e-4, 2e-4, 0.0, 0}};
        s->rules.physics.latency_bars = number / PU_POLICY_COUNT == 1 ? 3 : 0;
        s->rules.physics.no_trade_weight = number / PU_POLICY_COUNT == 2 ? 0.02 : 0.0;
        s->rules.position_max = number / PU_POLICY_COUNT == 3 ? 0.9 : 0.0;
        result plain = new_result(s, 3, PATHS);
        pu__path_batch judge = {3, PATHS, plain.metric, plain.summary, .weight = plain.weight};
        assert_int_equal(pu__paths_plain(s, &judge), PU_OK);
        for (int isa = 0; isa < PU_ISA_COUNT; ++isa) {
            pu__isa_limit((pu__isa)isa);
            result vectors = new_result(s, 3, PATHS);
            pu__path_batch batch = {3, PATHS, vectors.metric, vectors.summary, .weight = vectors.weight};
            assert_int_equal(pu__paths_cpu(s, &batch, NULL), PU_OK);
            assert_same(&plain, &vectors, number);
            free_result(&vectors);
        }
        ruins += (double)plain.summary->ruined;
        free_result(&plain);
    }
    assert_true(ruins > 100);
}

static void splits_and_threads_change_no_bit(void **state) {
    (void)state;
    static pu__test_scenario t;
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(3, &pool), PU_OK);
    for (int number = 0; number < PU_TEST_SCENARIOS; number += 5) {
        enum { COUNT = 2000, FIRST = 11 };
        pu__test_scenario_make(&t, number);
        result whole = new_result(&t.scenario, FIRST, COUNT);
        pu__path_batch batch = batch_of(&whole, FIRST);
        assert_int_equal(pu__paths_cpu(&t.scenario, &batch, pool), PU_OK);
        pu__path_summary *summary = pu_calloc(1, sizeof *summary);
        double *metric = pu_calloc((size_t)PU_PATH_METRIC_COUNT * COUNT, sizeof *metric);
        assert_true(summary && metric);
        pu__path_summary_reset(summary);
        for (int64_t first = 0, size = 1; first < COUNT; first += size, size = size * 3 + 1) {
            const int64_t count = COUNT - first < size ? COUNT - first : size;
            double *weight = pu__test_path_weights(&t.scenario, FIRST + (uint64_t)first, count);
            const pu__path_batch part = {.first = FIRST + (uint64_t)first,
                                         .count = count,
                                         .metric = metric,
                                         .summary = summary,
                                         .weight = weight};
            assert_int_equal(pu__paths_cpu(&t.scenario, &part, first % 2 ? pool : NULL), PU_OK);
            for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m)
                assert_same_bits(metric + m * count, whole.metric + m * COUNT + first, count, "metric", number);
            pu_free(weight);
        }
        assert_memory_equal(summary, whole.summary, sizeof *summary);
        pu_free(metric);
        pu_free(summary);
        free_result(&whole);
    }
    pu_pool_free(pool);
}

/* The backtest's physics on the kernel's own prices. Every sum is over the same terms in the same order; a step
 * rounds a few times at 1e-16. */
static void accounts_are_those_of_the_backtest(void **state) {
    (void)state;
    static pu__test_scenario t;
    for (int number = 0; number < PU_TEST_SCENARIOS; number += 3) {
        pu__test_scenario_make(&t, number);
        pu__path_scenario *s = &t.scenario;
        s->policy = PU_POLICY_WEIGHTS;
        s->shock = NULL; /* scales the spread */
        result r = new_result(s, 0, 5);
        const pu__path_batch batch = batch_of(&r, 0);
        assert_int_equal(pu__paths_cpu(s, &batch, NULL), PU_OK);
        for (int64_t p = 0; p < r.count; ++p) {
            pu__physics_account account;
            pu__physics_position position[SCENARIO_ASSETS_MAX];
            double pending[4 * SCENARIO_ASSETS_MAX];
            pu__physics_reset(&s->rules.physics, &account, position, pending, s->assets);
            for (int64_t bar = 0; bar < r.bars; ++bar) {
                const int64_t at = p * r.bars + bar;
                pu__physics_step(&s->rules.physics, &account, position, pending, s->assets,
                                 r.price + at * r.assets, s->weight + bar * r.assets);
                assert_true(fabs(account.equity - r.equity[at]) <= 1e-12);
                for (int64_t a = 0; a < r.assets; ++a)
                    assert_true(fabs(position[a].trade - r.trade[at * r.assets + a]) <= 1e-12);
            }
            assert_true(fabs(account.spread_paid - r.metric[PU_PATH_SPREAD * r.count + p]) <= 1e-12);
            assert_true(fabs(account.fee_paid - r.metric[PU_PATH_FEE * r.count + p]) <= 1e-12);
        }
        free_result(&r);
    }
}

/* One asset without risk, all of it bought at the start. */
static pu__path_scenario still_market(pu__process_asset *asset, const double *weight, int32_t steps) {
    *asset = (pu__process_asset){0};
    return (pu__path_scenario){.seed = 1, .assets = 1, .steps = steps, .asset = asset, .weight = weight};
}

static void run_one(const pu__path_scenario *s, double metric[PU_PATH_METRIC_COUNT]) {
    const pu__path_batch batch = {.count = 1, .metric = metric};
    assert_int_equal(pu__path_scenario_check(s), PU_OK);
    assert_int_equal(pu__paths_cpu(s, &batch, NULL), PU_OK);
}

static void a_gap_of_30_percent_costs_30_percent(void **state) {
    (void)state;
    pu__process_asset asset;
    pu__path_shock shock[10];
    const double weight = 1.0;
    double metric[PU_PATH_METRIC_COUNT];
    pu__path_scenario s = still_market(&asset, &weight, 10);
    for (int i = 0; i < 10; ++i) shock[i] = (pu__path_shock){i == 4 ? logf(0.7f) : 0.0f, 1, 1, 1, 1, 0};
    s.shock = shock;
    s.rules.physics.half_spread_ratio = 1e-3;
    run_one(&s, metric);
    assert_true(fabs(metric[PU_PATH_WEALTH] - (0.7 - 0.001)) < 1e-7);
    assert_true(fabs(metric[PU_PATH_DRAWDOWN] - (1.0 - (0.7 - 0.001))) < 1e-7);
    assert_true(fabs(metric[PU_PATH_SPREAD] - 0.001) < 1e-15);
    assert_true(metric[PU_PATH_UNDER_WATER] == 11.0); /* the first bar's costs are never made good */
}

static void impact_grows_with_the_root_of_participation(void **state) {
    (void)state;
    pu__process_asset asset;
    const double weight = 1.0, volume[2] = {4.0, 16.0};
    double few[PU_PATH_METRIC_COUNT], many[PU_PATH_METRIC_COUNT];
    pu__path_scenario s = still_market(&asset, &weight, 2);
    s.rules.impact_ratio = 0.01;
    s.volume = &volume[0];
    run_one(&s, few);
    s.volume = &volume[1];
    run_one(&s, many);
    assert_true(fabs(few[PU_PATH_IMPACT] - 0.01 * 0.5) < 1e-15);
    assert_true(fabs(many[PU_PATH_IMPACT] - 0.01 * 0.25) < 1e-15);
}

static void volume_fills_an_order_over_several_bars(void **state) {
    (void)state;
    pu__process_asset asset;
    const double weight = 1.0, volume = 1.0;
    pu__path_scenario s = still_market(&asset, &weight, 5);
    s.volume = &volume;
    s.rules.participation_max = 0.3;
    double trade[6];
    const pu__path_batch batch = {.count = 1, .trade = trade};
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    const double expected[6] = {0.3, 0.3, 0.3, 0.1, 0, 0};
    for (int i = 0; i < 6; ++i) assert_true(fabs(trade[i] - expected[i]) < 1e-12);
}

static void borrowed_money_and_short_sales_cost(void **state) {
    (void)state;
    pu__process_asset asset;
    double weight = 3.0, metric[PU_PATH_METRIC_COUNT];
    pu__path_scenario s = still_market(&asset, &weight, 1);
    s.rules.funding_ratio = 0.01;
    s.rules.borrow_ratio = 0.02;
    run_one(&s, metric);
    assert_true(fabs(metric[PU_PATH_CARRY] - 0.02) < 1e-15 && fabs(metric[PU_PATH_WEALTH] - 0.98) < 1e-15);
    weight = -2.0;
    run_one(&s, metric);
    assert_true(fabs(metric[PU_PATH_CARRY] - 0.04) < 1e-15);
}

/* Twice the equity, the price falls by a quarter: equity 0.5 against 1.5 held. */
static void margin_and_loss_limits_close_the_account(void **state) {
    (void)state;
    pu__process_asset asset;
    const double weight = 2.0;
    double metric[PU_PATH_METRIC_COUNT], trade[5];
    pu__path_shock shock[4];
    for (int i = 0; i < 4; ++i) shock[i] = (pu__path_shock){i >= 1 ? logf(0.75f) : 0.0f, 1, 1, 1, 1, 0};
    pu__path_scenario s = still_market(&asset, &weight, 4);
    s.shock = shock;
    const pu__path_batch batch = {.count = 1, .metric = metric, .trade = trade};
    s.rules.maintenance_ratio = 0.34;
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    assert_true(metric[PU_PATH_MARGIN_BAR] == 2.0 && metric[PU_PATH_STOP_BAR] == -1.0);
    assert_true(fabs(trade[2] + 1.5) < 1e-6 && trade[3] == 0.0 && fabs(metric[PU_PATH_WEALTH] - 0.5) < 1e-6);
    s.rules.maintenance_ratio = 0.33;
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    assert_true(metric[PU_PATH_MARGIN_BAR] == 3.0);
    s.rules.maintenance_ratio = 0.0;
    s.rules.drawdown_max = 0.5;
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    assert_true(metric[PU_PATH_STOP_BAR] >= 2.0 && metric[PU_PATH_RUIN_BAR] == -1.0);
    s.rules.drawdown_max = 0.0;
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    assert_true(metric[PU_PATH_RUIN_BAR] == 4.0 && metric[PU_PATH_WEALTH] == 0.0 &&
                metric[PU_PATH_DRAWDOWN] == 1.0);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summaries_summarise(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    pu__process_asset asset;
    const double weight = 1.0;
    pu__path_scenario s = still_market(&asset, &weight, 20);
    asset.volatility[0] = 0.03f;
    double *metric = pu_calloc((size_t)PU_PATH_METRIC_COUNT * COUNT, sizeof *metric);
    pu__path_summary *summary = pu_calloc(1, sizeof *summary);
    assert_true(metric && summary);
    pu__path_summary_reset(summary);
    const pu__path_batch batch = {.count = COUNT, .metric = metric, .summary = summary};
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_OK);
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) {
        double mean = 0, square = 0;
        for (int i = 0; i < COUNT; ++i) mean += metric[m * COUNT + i] / COUNT;
        for (int i = 0; i < COUNT; ++i) square += pow(metric[m * COUNT + i] - mean, 2) / (COUNT - 1);
        assert_true(fabs(pu__path_mean(summary, (pu__path_metric)m) - mean) < 1e-9);
        assert_true(fabs(pu__path_deviation(summary, (pu__path_metric)m) - sqrt(square)) < 1e-5);
    }
    double *wealth = metric + PU_PATH_WEALTH * COUNT, *drawdown = metric + PU_PATH_DRAWDOWN * COUNT;
    qsort(wealth, COUNT, sizeof *wealth, by_value);
    qsort(drawdown, COUNT, sizeof *drawdown, by_value);
    assert_true(summary->sum[PU_PATH_WEALTH].least == wealth[0]);
    assert_true(summary->sum[PU_PATH_WEALTH].most == wealth[COUNT - 1]);
    for (int q = 1; q < 100; ++q) {
        const int at = q * COUNT / 100 - 1;
        assert_true(fabs(pu__path_wealth_quantile(summary, 0.01 * q) / wealth[at] - 1) < 1.0 / 512);
        assert_true(fabs(pu__path_drawdown_quantile(summary, 0.01 * q) - drawdown[at]) < 1.0 / 4096);
    }
    double worst = 0; /* the bins bound the error: 2^-9 of each value */
    for (int i = 0; i < COUNT; ++i) {
        worst += wealth[i];
        if ((i + 1) % 250 == 0)
            assert_true(fabs(pu__path_wealth_tail_mean(summary, (i + 1.0) / COUNT) / (worst / (i + 1)) - 1) <
                        1.0 / 512);
    }
    assert_true(isnan(pu__path_wealth_quantile(&(pu__path_summary){0}, 0.5)));
    assert_true(isnan(pu__path_wealth_tail_mean(&(pu__path_summary){0}, 0.5)));
    pu_free(summary);
    pu_free(metric);
}

static pu_status checked(pu_process process) { return pu_process_check(&process, 1.0 / 252); }

static void impossible_parameters_are_refused(void **state) {
    (void)state;
    pu__process_asset asset;
    const double weight = 1.0, nan = (double)NAN;
    const pu_heston feller = {0, 0.04, 0.04, 1, 0.5, -0.5, true}, beyond = {0, 0.04, 0.04, 1, 0.5, -1.5, false};
    const pu_heston still = {0, 0.04, 0.04, 1, 1e-23, 0, false}, rounded = {0, 0.04, 0.04, 1, 1e-5, -0.5, false};
    const pu_heston calm = {0, 0.04, 0.04, 1, 1e-4, -0.5, false};
    const pu_merton crowded = {0, 0.2, 5000, 0, 0.1};
    const pu_garch explosive = {0, 1e-6, 0.2, 0.8, 5, 0};
    const pu_regimes uneven = {2, {{0, 0.1}, {0, 0.2}}, {0.5, 0.6, 0.5, 0.5}};
    assert_int_equal(checked((pu_process){PU_SIM_HESTON, {.heston = feller}}), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "Feller"));
    assert_int_equal(checked((pu_process){PU_SIM_HESTON, {.heston = beyond}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_HESTON, {.heston = still}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_HESTON, {.heston = rounded}}), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "roundings"));
    assert_int_equal(checked((pu_process){PU_SIM_HESTON, {.heston = calm}}), PU_OK);
    assert_int_equal(checked((pu_process){PU_SIM_GARCH, {.garch = explosive}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_GBM, {.gbm = {0.1, -0.2}}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_GBM, {.gbm = {nan, 0.2}}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_MERTON, {.merton = crowded}}), PU_ERR_ARGUMENT);
    assert_int_equal(checked((pu_process){PU_SIM_REGIMES, {.regimes = uneven}}), PU_ERR_ARGUMENT);
    pu__path_scenario s = still_market(&asset, &weight, 4);
    const pu__path_batch batch = {.count = 1};
    s.policy = PU_POLICY_COUNT;
    assert_int_equal(pu__paths_cpu(&s, &batch, NULL), PU_ERR_ARGUMENT);
    s.policy = PU_POLICY_BUY_HOLD;
    s.rules.drawdown_max = 1.5;
    assert_int_equal(pu__paths_plain(&s, &batch), PU_ERR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_equal_the_plain_twin),
        cmocka_unit_test(single_assets_equal_the_plain_twin),
        cmocka_unit_test(splits_and_threads_change_no_bit),
        cmocka_unit_test(accounts_are_those_of_the_backtest),
        cmocka_unit_test(a_gap_of_30_percent_costs_30_percent),
        cmocka_unit_test(impact_grows_with_the_root_of_participation),
        cmocka_unit_test(volume_fills_an_order_over_several_bars),
        cmocka_unit_test(borrowed_money_and_short_sales_cost),
        cmocka_unit_test(margin_and_loss_limits_close_the_account),
        cmocka_unit_test(summaries_summarise),
        cmocka_unit_test(impossible_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
