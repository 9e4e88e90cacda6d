/* The vectorised paths where they leave their usual way: a wide sweep of terms alone and together, ruin inside a block
 * of bars and of one lane, equity near nothing, returns about the bounds of the exponential, numbers of paths that pass
 * 2^32, orders of exactly the band. The plain twin judges, bit for bit, on every instruction set. */
#include <float.h>
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
#include "tests/support/scenario.h"

enum {
    PATHS_MOST = 129,
    BARS_MOST = 128,
    ITEMS_MOST = PATHS_MOST * (SCENARIO_STEPS_MAX + 1) * SCENARIO_ASSETS_MAX
};

/* Zeroed before each run; small enough for whole paths of every scenario but long ones, of which nothing is kept. */
typedef struct outcome {
    double metric[PU_PATH_METRIC_COUNT * PATHS_MOST], equity[PATHS_MOST * BARS_MOST];
    double price[ITEMS_MOST], trade[ITEMS_MOST];
    pu__path_summary summary;
} outcome;

static outcome *judge, *vectors;
static pu_pool *pool;

static int set_up(void **state) {
    (void)state;
    judge = pu_calloc(1, sizeof *judge);
    vectors = pu_calloc(1, sizeof *vectors);
    return judge && vectors && pu_pool_new(2, &pool) == PU_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    pu_pool_free(pool);
    pu_free(vectors);
    pu_free(judge);
    return 0;
}

static pu__path_batch fresh(outcome *o, uint64_t first, int64_t count, const double *weight, bool keep) {
    memset(o, 0, sizeof *o);
    pu__path_summary_reset(&o->summary);
    return (pu__path_batch){.first = first,
                            .count = count,
                            .metric = o->metric,
                            .summary = &o->summary,
                            .price = keep ? o->price : NULL,
                            .trade = keep ? o->trade : NULL,
                            .equity = keep ? o->equity : NULL,
                            .weight = weight};
}

/* `weight`: of the batch's paths, or null. Leaves the judge's outcome in `judge`. */
static void assert_judged_with(const pu__path_scenario *s, uint64_t first, int64_t count, const double *weight,
                               int number) {
    assert_true(count <= PATHS_MOST && s->steps < BARS_MOST);
    for (int keep = 0; keep < 2; ++keep) {
        const bool whole = keep && s->steps <= SCENARIO_STEPS_MAX;
        const pu__path_batch plain = fresh(judge, first, count, weight, whole);
        if (pu__paths_plain(s, &plain) != PU_OK) fail_msg("case %d: %s", number, pu_error_message());
        for (int isa = 0; isa < PU_ISA_COUNT; ++isa) {
            pu__isa_limit((pu__isa)isa);
            const pu__path_batch batch = fresh(vectors, first, count, weight, whole);
            assert_int_equal(pu__paths_cpu(s, &batch, isa == 2 ? pool : NULL), PU_OK);
            for (int64_t i = 0; i < PU_PATH_METRIC_COUNT * count; ++i)
                if (memcmp(&judge->metric[i], &vectors->metric[i], sizeof(double)) != 0)
                    fail_msg("case %d, %s, metric %lld of path %lld: %.17g and %.17g", number,
                             pu__isa_name((pu__isa)isa), (long long)(i / count), (long long)(i % count),
                             judge->metric[i], vectors->metric[i]);
            if (memcmp(judge, vectors, sizeof *judge) != 0)
                fail_msg("case %d, %s: metrics are equal, the rest is not", number, pu__isa_name((pu__isa)isa));
        }
    }
    pu__isa_limit(PU_ISA_AVX512);
}

static void assert_judged(const pu__path_scenario *s, uint64_t first, int64_t count, int number) {
    double *weight = pu__test_path_weights(s, first, count);
    assert_judged_with(s, first, count, weight, number);
    pu_free(weight);
}

/* Numbers of paths in and about a group of 64 and its halves. */
static void wild_scenarios_equal_the_plain_twin(void **state) {
    (void)state;
    static pu__test_scenario t;
    static const int64_t counts[] = {1, 31, 33, 64, 65, 129};
    int64_t paths = 0, ruined = 0, called = 0, stopped = 0;
    for (int number = 0; number < 150; ++number) {
        pu__test_scenario_wild(&t, number);
        assert_judged(&t.scenario, (uint64_t)number * 17, counts[number % 6], number);
        paths += judge->summary.paths;
        ruined += judge->summary.ruined;
        called += judge->summary.margin_called;
        stopped += judge->summary.stopped;
    }
    print_message("of %lld paths %lld ruined, %lld with a margin call, %lld stopped\n", (long long)paths,
                  (long long)ruined, (long long)called, (long long)stopped);
    assert_true(ruined > paths / 10 && ruined < paths / 2 && called > 0 && stopped > 0);
}

/* Words of paths are drawn by 8 and by 32, whose numbers may differ in their upper halves. */
static void numbers_of_paths_pass_2_to_32(void **state) {
    (void)state;
    static pu__test_scenario t;
    static const int back[] = {1, 31, 32, 33, 63, 64, 65};
    for (int i = 0; i < 14; ++i) {
        pu__test_scenario_wild(&t, 0);
        pu__path_scenario *s = &t.scenario;
        s->process = i % 2 ? PU_PROCESS_GBM : PU_PROCESS_MERTON;
        s->policy = PU_POLICY_CONSTANT;
        s->steps = 5;
        for (int a = 0; a < SCENARIO_ASSETS_MAX; ++a) t.asset[a].volatility[0] = 0.02f;
        t.weight[0] = 0.5;
        s->assets = 1;
        s->rules = (pu__execution_rules){0};
        assert_judged(s, (i < 7 ? UINT64_C(1) << 32 : UINT64_C(0)) - (uint64_t)back[i % 7], 75, i);
        assert_true(judge->metric[0] != judge->metric[1] && judge->metric[0] > 0.0);
        s->seed ^= UINT64_C(1) << 63;
        const double other = judge->metric[0];
        assert_judged(s, (i < 7 ? UINT64_C(1) << 32 : UINT64_C(0)) - (uint64_t)back[i % 7], 75, i);
        assert_true(judge->metric[0] != other);
    }
}

/* One asset whose bars' log-returns are given. */
typedef struct told {
    pu__path_scenario scenario;
    pu__process_asset asset;
    float history[BARS_MOST];
    double weight[BARS_MOST];
} told;

static void tell(told *t, pu__path_policy policy, int32_t steps) {
    *t = (told){0};
    t->scenario = (pu__path_scenario){.seed = 5,
                                      .process = PU_PROCESS_REPLAY,
                                      .assets = 1,
                                      .steps = steps,
                                      .asset = &t->asset,
                                      .history = t->history,
                                      .history_rows = steps > 2 ? steps : 2,
                                      .policy = policy,
                                      .weight = t->weight,
                                      .fast_decay = 0.5f,
                                      .slow_decay = 0.9f,
                                      .scale = 0.01f};
}

/* Where a vector takes the polynomial alone, where n of 2^n changes, and beyond the bounds that are cut. */
static void returns_about_the_bounds_of_the_exponential(void **state) {
    (void)state;
    static told t;
    static const float bounds[] = {0.0f,  1e-45f, 1.1754944e-38f, 1e-8f, 0.3465f, 0.34657359f, 1.0397208f,
                                   49.9f, 86.99f, 87.0f,          87.1f, 88.8f,   200.0f};
    for (int i = 0; i < (int)(sizeof bounds / sizeof bounds[0]); ++i) {
        tell(&t, PU_POLICY_BUY_HOLD, 120);
        float up = bounds[i], down = bounds[i];
        for (int k = 0; k < 120; k += 4) {
            t.history[k] = up;
            t.history[k + 1] = -up;
            t.history[k + 2] = -down;
            t.history[k + 3] = down;
            up = nextafterf(up, FLT_MAX);
            down = nextafterf(down, 0.0f);
        }
        t.weight[0] = 1.0;
        if (bounds[i] < 50.0f) assert_judged(&t.scenario, 0, 33, i);
        t.scenario.steps = 4; /* history is bounded, a drift is not; four bars of e^87 are a double yet */
        t.scenario.process = PU_PROCESS_GBM;
        for (int sign = -1; sign <= 1; sign += 2) {
            t.asset.drift[0] = (float)sign * bounds[i];
            assert_judged(&t.scenario, 0, 33, 100 + i);
        }
    }
}

/* Below PU_EQUITY_LEAST a turnover is another; with it, back above it. */
static void equity_near_nothing(void **state) {
    (void)state;
    static told t;
    for (int policy = 0; policy < 2; ++policy) {
        tell(&t, policy ? PU_POLICY_CONSTANT : PU_POLICY_MOMENTUM, 120);
        for (int i = 0; i < 120; ++i) t.history[i] = i < 70 ? -1.2f : 1.3f;
        t.weight[0] = policy ? 0.9999 : -0.9;
        t.scenario.rules.physics.fee_ratio = 1e-3;
        assert_judged(&t.scenario, 0, 64, policy);
    }
    assert_true(judge->metric[PU_PATH_DRAWDOWN * 64] == 1.0 && judge->metric[PU_PATH_RUIN_BAR * 64] == -1.0);
    assert_true(judge->metric[PU_PATH_WEALTH * 64] > PU_EQUITY_LEAST);
}

/* Three times the equity falls by half, and again: the sign that a debt leaves would be lifted by the next bar. */
static void ruin_within_a_block_is_final(void **state) {
    (void)state;
    static told t;
    for (int at = 0; at < 8; ++at) {
        tell(&t, PU_POLICY_CONSTANT, 14);
        t.weight[0] = 3.0;
        t.history[at] = t.history[at + 1] = logf(0.5f);
        for (int term = 0; term < 4; ++term) {
            t.scenario.rules = (pu__execution_rules){.drawdown_max = term == 1 ? 0.9 : 0.0,
                                                     .maintenance_ratio = term == 2 ? 0.1 : 0.0,
                                                     .physics.no_trade_weight = term == 3 ? 0.01 : 0.0};
            assert_judged(&t.scenario, 0, 64, at);
            assert_true(judge->metric[PU_PATH_RUIN_BAR * 64] == at + 1.0);
            assert_true(judge->metric[PU_PATH_MARGIN_BAR * 64] == -1.0);
            assert_true(judge->metric[PU_PATH_STOP_BAR * 64] == -1.0);
        }
    }
}

/* Costs ruin at bar 0 and leave a position of which no carry is due, nor a turnover when it goes. */
static void ruin_by_costs_ends_carry(void **state) {
    (void)state;
    static told t;
    double volume = 10.0;
    for (int i = 0; i < 8; ++i) {
        tell(&t, i % 2 ? PU_POLICY_CONSTANT : PU_POLICY_BUY_HOLD, 6);
        t.weight[0] = i & 2 ? -1.0 : 3.0;
        t.scenario.rules = (pu__execution_rules){.physics.fee_ratio = 1.0};
        t.scenario.rules.funding_ratio = t.weight[0] > 0.0 ? 0.01 : 0.0;
        t.scenario.rules.borrow_ratio = t.weight[0] < 0.0 ? 0.01 : 0.0;
        t.scenario.volume = i & 4 ? &volume : NULL;
        assert_judged(&t.scenario, 0, 2, i);
        assert_true(judge->metric[PU_PATH_CARRY * 2] == 0.0 && judge->metric[PU_PATH_RUIN_BAR * 2] == 0.0);
        assert_true(judge->metric[PU_PATH_TURNOVER * 2] == fabs(t.weight[0]));
    }
}

/* A rule that bites, alone: one asset's bars are no more than marks and whole fills without it. */
static void a_rule_alone_is_kept(void **state) {
    (void)state;
    static told t;
    static const pu__execution_rules rules[] = {{.leverage_max = 1.5},       {.drawdown_max = 0.1},
                                                {.maintenance_ratio = 0.49}, {.funding_ratio = 0.01},
                                                {.borrow_ratio = 0.01},      {.position_max = 1.5}};
    for (int i = 0; i < 6; ++i) {
        tell(&t, PU_POLICY_CONSTANT, 22);
        for (int k = 0; k < 22; ++k) t.history[k] = k % 3 ? -0.05f : 0.06f;
        t.weight[0] = i == 4 ? -2.0 : 2.0;
        assert_judged(&t.scenario, 0, 64, i);
        const double free_of_it = judge->metric[PU_PATH_WEALTH * 64];
        t.scenario.rules = rules[i];
        assert_judged(&t.scenario, 0, 64, i);
        assert_true(judge->metric[PU_PATH_WEALTH * 64] != free_of_it);
    }
}

/* One path of 64 is ruined, each in turn. */
static void a_lane_is_ruined_alone(void **state) {
    (void)state;
    static told t;
    enum { COUNT = 64, STEPS = 9 };
    static double weight[COUNT * (STEPS + 1)];
    for (int lane = 0; lane < COUNT; ++lane) {
        tell(&t, PU_POLICY_PATH_WEIGHTS, STEPS);
        t.history[5] = logf(0.5f);
        for (int i = 0; i < COUNT * (STEPS + 1); ++i) weight[i] = i / (STEPS + 1) == lane ? 3.0 : 0.5;
        assert_judged_with(&t.scenario, 0, COUNT, weight, lane);
        assert_int_equal(judge->summary.ruined, 1);
        assert_true(judge->metric[PU_PATH_RUIN_BAR * COUNT + lane] == 6.0);
    }
}

/* In a market that stands still. */
static void orders_of_the_band_and_of_no_number_are_none(void **state) {
    (void)state;
    static told t;
    tell(&t, PU_POLICY_WEIGHTS, 12);
    t.scenario.rules.physics.no_trade_weight = 0.25;
    for (int i = 0; i < 13; ++i) t.weight[i] = i < 6 ? 0.25 : i == 6 ? (double)NAN : i < 11 ? -0.25 : 0.5;
    assert_judged(&t.scenario, 0, 64, 0);
    assert_true(judge->metric[PU_PATH_TURNOVER * 64] == 0.5);
    static const pu__path_policy policies[] = {PU_POLICY_CONSTANT, PU_POLICY_MOMENTUM, PU_POLICY_MEAN_REVERSION,
                                               PU_POLICY_VOLATILITY};
    for (int i = 0; i < 4; ++i) {
        tell(&t, policies[i], 12);
        for (int k = 0; k < 12; ++k) t.history[k] = 0.01f * (float)(k % 5 - 2);
        t.weight[0] = (double)NAN;
        assert_judged(&t.scenario, 0, 64, 1 + i);
        assert_true(judge->metric[PU_PATH_WEALTH * 64] == 1.0 && judge->metric[PU_PATH_TURNOVER * 64] == 0.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wild_scenarios_equal_the_plain_twin),
        cmocka_unit_test(numbers_of_paths_pass_2_to_32),
        cmocka_unit_test(returns_about_the_bounds_of_the_exponential),
        cmocka_unit_test(equity_near_nothing),
        cmocka_unit_test(ruin_within_a_block_is_final),
        cmocka_unit_test(ruin_by_costs_ends_carry),
        cmocka_unit_test(a_rule_alone_is_kept),
        cmocka_unit_test(a_lane_is_ruined_alone),
        cmocka_unit_test(orders_of_the_band_and_of_no_number_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
