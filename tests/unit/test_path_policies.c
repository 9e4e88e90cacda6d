/* Policies that bring their own weights: tables by bar, by path, by the history's row, and a function of the caller's.
 * Each is judged by another that must give the same bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/device/paths.h"
#include "kernels/paths/paths.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { ASSETS = 3, ROWS = 30, STEPS = 21, BARS = STEPS + 1, PATHS = 150, TABLE = BARS * ASSETS };

/* A history whose rows can be told apart by asset 0's return, and a table of weights for each row. */
typedef struct market {
    pu__path_scenario scenario;
    pu__process_asset asset[ASSETS];
    float history[ROWS * ASSETS];
    double weight[ROWS * ASSETS];
} market;

static void fill_market(market *m, int process) {
    *m = (market){0};
    for (int i = 0; i < ROWS * ASSETS; ++i) {
        m->history[i] = i % ASSETS == 0 ? 0.001f * (float)(i / ASSETS) : 0.01f * sinf((float)i);
        m->weight[i] = i % 7 == 3 ? (double)NAN : 0.4 * cos(2.0 * i);
    }
    m->scenario = (pu__path_scenario){.seed = 12,
                                      .process = process,
                                      .assets = ASSETS,
                                      .steps = STEPS,
                                      .asset = m->asset,
                                      .history = m->history,
                                      .history_rows = ROWS,
                                      .history_first = 4,
                                      .restart = 0.2f,
                                      .weight = m->weight,
                                      .policy = PU_POLICY_HISTORY_WEIGHTS};
    m->scenario.rules.physics.half_spread_ratio = 1e-3;
    m->scenario.rules.physics.latency_bars = 1;
}

typedef struct outcome {
    double metric[PU_PATH_METRIC_COUNT * PATHS], price[PATHS * TABLE], trade[PATHS * TABLE], equity[PATHS * BARS];
    pu__path_summary summary;
} outcome;

static pu__path_batch batch_of(outcome *o, const double *weight) {
    pu__path_summary_reset(&o->summary);
    return (pu__path_batch){.count = PATHS,
                            .metric = o->metric,
                            .summary = &o->summary,
                            .price = o->price,
                            .trade = o->trade,
                            .equity = o->equity,
                            .weight = weight};
}

static outcome *run_cpu(const pu__path_scenario *s, const double *weight) {
    outcome *o = pu_calloc(1, sizeof *o);
    assert_non_null(o);
    const pu__path_batch batch = batch_of(o, weight);
    if (pu__paths_cpu(s, &batch, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    return o;
}

static void a_replay_is_the_history(void **state) {
    (void)state;
    static market m;
    fill_market(&m, PU_PROCESS_REPLAY);
    outcome *o = run_cpu(&m.scenario, NULL);
    for (int p = 0; p < PATHS; ++p)
        for (int bar = 1; bar < BARS; ++bar)
            for (int a = 0; a < ASSETS; ++a) {
                const double *price = o->price + p * TABLE + bar * ASSETS + a;
                const double row = (double)m.history[(4 + bar - 1) * ASSETS + a];
                assert_true(fabs(price[0] / price[-ASSETS] - exp(row)) < 1e-8); /* float: 1.1e-7 of 0.03 */
            }
    pu_free(o);
    m.scenario.history_first = ROWS - STEPS;
    assert_int_equal(pu__path_scenario_check(&m.scenario), PU_OK);
    m.scenario.history_first = ROWS - STEPS + 1;
    assert_int_equal(pu__path_scenario_check(&m.scenario), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "21 steps from row 10"));
}

/* Which rows a path stood on is read off its prices; the weights of those rows are then given path by path. */
static void weights_of_the_history_travel_with_its_rows(void **state) {
    (void)state;
    static market m;
    static double weight[PATHS * TABLE];
    for (int replay = 0; replay < 2; ++replay) {
        fill_market(&m, replay ? PU_PROCESS_REPLAY : PU_PROCESS_BOOTSTRAP);
        outcome *o = run_cpu(&m.scenario, NULL);
        for (int i = 0; i < PATHS * BARS; ++i) {
            const double *price = o->price + (int64_t)i * ASSETS;
            const int row = i % BARS ? (int)lrint(log(price[0] / price[-ASSETS]) / 0.001) : -1;
            if (replay && row >= 0) assert_int_equal(row, 4 + i % BARS - 1);
            for (int a = 0; a < ASSETS; ++a)
                weight[i * ASSETS + a] = row < 0 ? (double)NAN : m.weight[row * ASSETS + a];
        }
        m.scenario.policy = PU_POLICY_PATH_WEIGHTS;
        outcome *given = run_cpu(&m.scenario, weight);
        assert_memory_equal(o, given, sizeof *o);
        assert_true(o->metric[PU_PATH_TURNOVER * PATHS] > 1.0);
        pu_free(given);
        pu_free(o);
    }
}

/* The same table for every path is a table by bar. */
static void equal_weights_of_paths_are_weights_of_bars(void **state) {
    (void)state;
    static market m;
    static double weight[PATHS * TABLE];
    fill_market(&m, PU_PROCESS_BOOTSTRAP);
    for (int i = 0; i < PATHS * TABLE; ++i) weight[i] = m.weight[i % TABLE];
    m.scenario.policy = PU_POLICY_WEIGHTS;
    outcome *bars = run_cpu(&m.scenario, NULL);
    m.scenario.policy = PU_POLICY_PATH_WEIGHTS;
    outcome *paths = run_cpu(&m.scenario, weight);
    assert_memory_equal(bars, paths, sizeof *bars);
    pu_free(paths);
    pu_free(bars);
}

/* What a callback was shown, besides what it answers. */
typedef struct witness {
    const double *weight; /* [PATHS][BARS][ASSETS] */
    outcome shown;
} witness;

static void decide(void *context, int64_t path, int32_t bar, int32_t assets, const double *price, double equity,
                   const double *position, double *weight) {
    witness *w = context;
    const int64_t at = path * BARS + bar;
    w->shown.equity[at] = equity;
    for (int32_t a = 0; a < assets; ++a) {
        if (weight[a] == weight[a]) abort();
        for (int32_t b = 0; b <= bar; ++b) w->shown.price[(path * BARS + b) * assets + a] = price[b * assets + a];
        w->shown.trade[at * assets + a] = position[a];
        if (w->weight[at * assets + a] == w->weight[at * assets + a]) weight[a] = w->weight[at * assets + a];
    }
}

/* Positions drift with the prices and change by the trades; equity before costs is that after them of the last bar
 * and the pnl. Roundings of a few terms of order 1. */
static void assert_shown(const witness *w, const outcome *o) {
    assert_memory_equal(w->shown.price, o->price, sizeof o->price);
    for (int64_t p = 0; p < PATHS; ++p) {
        double position[ASSETS] = {0};
        for (int64_t bar = 0; bar < BARS; ++bar) {
            const int64_t at = p * BARS + bar;
            double equity = bar ? o->equity[at - 1] : 1.0;
            for (int64_t a = 0; a < ASSETS; ++a) {
                const double *price = o->price + at * ASSETS + a;
                const double marked = bar ? position[a] * price[0] / price[-ASSETS] : 0.0;
                equity += marked - position[a];
                assert_true(fabs(w->shown.trade[at * ASSETS + a] - marked) < 1e-12);
                position[a] = marked + o->trade[at * ASSETS + a];
            }
            assert_true(fabs(w->shown.equity[at] - equity) < 1e-12);
        }
    }
}

static void a_function_decides_as_a_table_does(void **state) {
    (void)state;
    static market m;
    static double weight[PATHS * TABLE];
    static witness w = {.weight = weight};
    fill_market(&m, PU_PROCESS_BOOTSTRAP);
    for (int i = 0; i < PATHS * TABLE; ++i) weight[i] = i % 5 == 2 ? (double)NAN : 0.5 * sin(3.0 * i);
    m.scenario.policy = PU_POLICY_PATH_WEIGHTS;
    outcome *table = run_cpu(&m.scenario, weight);
    m.scenario.policy = PU_POLICY_CALLBACK;
    m.scenario.weight = NULL;
    m.scenario.decide = decide;
    m.scenario.decide_context = &w;
    outcome *asked = pu_calloc(1, sizeof *asked);
    assert_non_null(asked);
    for (int threads = 0; threads <= 3; ++threads) {
        pu_pool *pool = NULL;
        if (threads > 0) assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
        memset(&w.shown, 0, sizeof w.shown);
        memset(asked, 0, sizeof *asked);
        const pu__path_batch batch = batch_of(asked, NULL);
        assert_int_equal(pu__paths_callback(&m.scenario, &batch, pool), PU_OK);
        assert_memory_equal(asked, table, sizeof *table);
        assert_shown(&w, asked);
        pu_pool_free(pool);
    }
    pu_free(asked);
    pu_free(table);
}

static void refused(const pu__path_scenario *s, const double *weight, pu_status status, const char *text) {
    const pu__path_batch batch = {.count = 1, .weight = weight};
    assert_int_equal(pu__paths_cpu(s, &batch, NULL), status);
    if (!strstr(pu_error_message(), text)) fail_msg("\"%s\" does not say \"%s\"", pu_error_message(), text);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    static market m;
    static double weight[TABLE];
    fill_market(&m, PU_PROCESS_GBM);
    refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "bootstrap or replay");
    m.scenario.policy = PU_POLICY_PATH_WEIGHTS;
    refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "weights of the batch");
    weight[7] = (double)INFINITY;
    refused(&m.scenario, weight, PU_ERR_ARGUMENT, "in row 2, asset 1 is inf");
    m.scenario.policy = PU_POLICY_CONSTANT;
    refused(&m.scenario, weight, PU_ERR_ARGUMENT, "does not read");
    m.scenario.weight = NULL;
    refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "needs weights");
    m.scenario.policy = PU_POLICY_CALLBACK;
    refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "function");
    m.scenario.decide = decide;
    refused(&m.scenario, NULL, PU_ERR_UNSUPPORTED, "pu__paths_callback");
    pu_device *device = NULL;
    const pu__path_batch batch = {.count = 1};
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu__device_paths(device, &m.scenario, &batch), PU_ERR_UNSUPPORTED);
    pu_device_close(device);
}

/* One value at a time of every table is made impossible. */
static void impossible_entries_of_tables_are_named(void **state) {
    (void)state;
    static market m;
    const double bad[2] = {(double)NAN, 1e30};
    double volume[ASSETS] = {1, 1, 1};
    pu__path_shock shock[STEPS * ASSETS];
    float factor[ASSETS * ASSETS] = {0};
    for (int i = 0; i < STEPS * ASSETS; ++i) shock[i] = (pu__path_shock){0, 1, 1, 1, 1, 0};
    for (int k = 0; k < 2; ++k) {
        fill_market(&m, PU_PROCESS_BOOTSTRAP);
        m.history[5] = (float)bad[k];
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "the history in row 1, asset 2 is");
        fill_market(&m, PU_PROCESS_GARCH);
        m.scenario.policy = PU_POLICY_CONSTANT;
        for (int a = 0; a < ASSETS; ++a) m.asset[a].inverse_dof = 0.2f;
        m.scenario.factor = factor;
        m.scenario.shock = shock;
        m.scenario.volume = volume;
        assert_int_equal(pu__path_tables_check(&m.scenario), PU_OK);
        m.asset[1].omega = (float)bad[k];
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "omega of asset 1 is");
        m.asset[1].omega = 0.0f;
        m.asset[2].alpha = m.asset[2].beta = 0.6f;
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "alpha + beta of asset 2 is 1.2");
        m.asset[2].alpha = m.asset[2].beta = 0.0f;
        factor[3] = (float)bad[k];
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "the factor in row 1, asset 0 is");
        factor[3] = 0.0f;
        shock[4].drift_scale = (float)bad[k];
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "the drift_scale of a shock in row 1, asset 1 is");
        shock[4].drift_scale = 1.0f;
        volume[2] = k ? -1.0 : bad[0];
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "volume of asset 2 is");
        volume[2] = 1.0;
        m.weight[1] = k ? 1e30 : (double)INFINITY;
        refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "weight in row 0, asset 1 is");
    }
    m.weight[1] = 0.0;
    m.scenario.process = PU_PROCESS_REGIME;
    for (int i = 0; i < PU_REGIMES_MAX * PU_REGIMES_MAX; ++i) m.scenario.cumulative[i / 4][i % 4] = 1.0f;
    assert_int_equal(pu__path_tables_check(&m.scenario), PU_OK);
    m.scenario.cumulative[2][1] = 0.5f;
    refused(&m.scenario, NULL, PU_ERR_ARGUMENT, "cumulative");
}

/* Half of the paths are ruined: the worst half has nothing, exactly. */
static void ruin_is_exact_in_the_tail(void **state) {
    (void)state;
    static pu__path_summary summary;
    pu__path_summary_reset(&summary);
    for (int i = 0; i < 8; ++i) {
        double metric[PU_PATH_METRIC_COUNT] = {0};
        metric[PU_PATH_WEALTH] = i < 4 ? 0.0 : 0.001;
        metric[PU_PATH_RUIN_BAR] = i < 4 ? 3.0 : -1.0;
        pu__path_summary_take(&summary, metric);
    }
    assert_true(pu__path_wealth_quantile(&summary, 0.5) == 0.0);
    assert_true(pu__path_wealth_tail_mean(&summary, 0.25) == 0.0);
    assert_true(pu__path_wealth_tail_mean(&summary, 0.5) == 0.0);
    assert_true(fabs(pu__path_wealth_tail_mean(&summary, 1.0) - 0.0005) < 1.0 / 256);
    assert_true(pu__path_wealth_quantile(&summary, 1.0) == 0.001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_is_the_history),
        cmocka_unit_test(weights_of_the_history_travel_with_its_rows),
        cmocka_unit_test(equal_weights_of_paths_are_weights_of_bars),
        cmocka_unit_test(a_function_decides_as_a_table_does),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(impossible_entries_of_tables_are_named),
        cmocka_unit_test(ruin_is_exact_in_the_tail),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
