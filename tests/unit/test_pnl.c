/* The profit and loss as an operation of a graph: what it earns by hand, where its gradient vanishes and where it is
 * zero by right, and what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/graph.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { BARS_MAX = 256, ASSETS_MAX = 4 };

/* One window whose weights are a parameter; the loss is the weighted mean of (target - net)^2. */
typedef struct world {
    pu_device *device;
    pu_parameters *parameters;
    pu_graph *graph;
    pu_program *program;
    pu_tensor *returns, *target, *count, *net, *equity, *paid;
} world;

static pu_tensor *loss_of(world *w, int64_t bars) {
    const pu_attributes mse = {.loss = {.kind = PU_LOSS_MSE, .horizons = 1, .quantiles = 1}};
    w->target = pu_graph_input(w->graph, "target", PU_F32, PU_SHAPE2(bars, 1));
    w->count = pu_graph_input(w->graph, "count", PU_F32, PU_SHAPE2(bars, 1));
    return pu_loss_of(w->graph, pu_reshape(w->graph, w->net, PU_SHAPE2(bars, 1)), w->target, w->count, &mse);
}

/* `weights`: rows of the parameter, one for each bar or one for all. */
static void open_world(world *w, int64_t bars, int64_t assets, int64_t weights, const pu_pnl_rules *rules) {
    *w = (world){0};
    assert_int_equal(pu_device_open("cpu", 1, &w->device), PU_OK);
    assert_int_equal(pu_parameters_new(w->device, &w->parameters), PU_OK);
    assert_int_equal(
        pu_parameter_declare(w->parameters, "weight", PU_SHAPE2(weights, assets), PU_INIT_ZERO, 0.0f, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(w->parameters, 1), PU_OK);
    assert_int_equal(pu_graph_new(w->parameters, &w->graph), PU_OK);
    const pu_shape x = PU_SHAPE3(1, bars, assets);
    pu_tensor *none = pu_graph_input(w->graph, "none", PU_F32, x);
    pu_tensor *parameter = pu_graph_parameter(w->graph, "weight");
    if (weights == 1) parameter = pu_reshape(w->graph, parameter, PU_SHAPE1(assets));
    else parameter = pu_reshape(w->graph, parameter, x);
    w->returns = pu_graph_input(w->graph, "returns", PU_F32, x);
    w->net = pu_pnl(w->graph, pu_add(w->graph, none, parameter), w->returns, NULL, rules, &w->equity, &w->paid);
    pu_tensor *loss = loss_of(w, bars);
    assert_int_equal(pu_graph_output(w->graph, w->net), PU_OK);
    assert_int_equal(pu_graph_output(w->graph, w->equity), PU_OK);
    assert_int_equal(pu_graph_output(w->graph, w->paid), PU_OK);
    if (pu_gradients(w->graph, loss) != PU_OK || pu_compile(w->graph, &w->program) != PU_OK)
        fail_msg("%s", pu_error_message());
}

static void close_world(world *w) {
    pu_program_free(w->program);
    pu_graph_free(w->graph);
    pu_parameters_free(w->parameters);
    pu_device_close(w->device);
}

/* Runs with these weights (the parameter's elements) and returns; gives the gradient. */
static void run(world *w, const float *weight, int64_t weights, const float *returns, float target,
                float *gradient) {
    static float block[BARS_MAX * ASSETS_MAX + 64], targets[BARS_MAX], ones[BARS_MAX];
    for (int i = 0; i < BARS_MAX; ++i) {
        targets[i] = target;
        ones[i] = 1.0f;
    }
    memset(block, 0, sizeof block);
    memcpy(block, weight, (size_t)weights * sizeof *weight);
    assert_int_equal(pu_parameters_write(w->parameters, PU_PART_VALUE, block), PU_OK);
    assert_int_equal(pu_program_write(w->program, w->returns, returns), PU_OK);
    assert_int_equal(pu_program_write(w->program, w->target, targets), PU_OK);
    assert_int_equal(pu_program_write(w->program, w->count, ones), PU_OK);
    assert_int_equal(pu_program_run(w->program), PU_OK);
    assert_int_equal(pu_parameters_read(w->parameters, PU_PART_GRADIENT, block), PU_OK);
    memcpy(gradient, block, (size_t)weights * sizeof *gradient);
}

static void assert_close(double a, double b) {
    if (!(fabs(a - b) <= 2e-7)) fail_msg("%.9g is not %.9g", a, b);
}

/* Half of the equity bought, the price up by a tenth and down by a tenth, then sold; a tenth of a percent a trade. */
static void by_hand(void **state) {
    (void)state;
    world w;
    const pu_pnl_rules rules = {.half_spread_ratio = 0.001};
    const float weight[4] = {0.5f, NAN, 0.0f, NAN}, returns[4] = {7.0f, 0.1f, -0.1f, 0.5f};
    float net[4], equity[4], paid[PU_PNL_PAID_COUNT], gradient[4];
    open_world(&w, 4, 1, 4, &rules);
    run(&w, weight, 4, returns, 0.0f, gradient);
    assert_int_equal(pu_program_read(w.program, w.net, net), PU_OK);
    assert_int_equal(pu_program_read(w.program, w.equity, equity), PU_OK);
    assert_int_equal(pu_program_read(w.program, w.paid, paid), PU_OK);
    const double e0 = 1 - 0.0005, e1 = e0 + 0.05, e2 = e1 - 0.055 - 0.495 * 0.001;
    const double expected[4] = {e0, e1, e2, e2};
    for (int t = 0; t < 4; ++t) {
        assert_close((double)equity[t], expected[t]);
        assert_close((double)net[t], expected[t] / (t ? expected[t - 1] : 1.0) - 1.0);
    }
    assert_close((double)paid[PU_PNL_SPREAD], 0.0005 + 0.000495);
    assert_close((double)paid[PU_PNL_TRADED], 0.995);
    assert_true(gradient[0] != 0.0f && gradient[1] == 0.0f && gradient[3] == 0.0f);
    close_world(&w);
}

/* Solves the normal equations of 1 on the returns after the first: Gauss, with pivots that are positive. */
static void least_squares(const float *returns, int64_t bars, int64_t n, double *x) {
    double a[ASSETS_MAX][ASSETS_MAX + 1] = {{0}};
    for (int64_t t = 1; t < bars; ++t) {
        for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j < n; ++j) a[i][j] += (double)returns[t * n + i] * (double)returns[t * n + j];
            a[i][n] += (double)returns[t * n + i];
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = 0; k < n; ++k) {
            const double factor = k == i ? 0.0 : a[k][i] / a[i][i];
            for (int64_t j = i; j <= n; ++j) a[k][j] -= factor * a[i][j];
        }
    }
    for (int64_t i = 0; i < n; ++i) x[i] = a[i][n] / a[i][i];
}

/* Without costs, weights held constant earn their sum of returns. Those for which the mean of (1 - net)^2 is least are
 * the tangency portfolio up to a factor (Britten-Jones 1999), and solve the normal equations. */
static void the_gradient_vanishes_at_the_tangency_portfolio(void **state) {
    (void)state;
    enum { BARS = 200, ASSETS = 3 };
    static float returns[BARS * ASSETS];
    world w;
    double best[ASSETS], at_best = 0.0, beside = 0.0;
    float weight[ASSETS], gradient[ASSETS];
    pu_random random = pu_random_at(3, 1);
    for (int i = 0; i < BARS * ASSETS; ++i) returns[i] = (float)(0.002 + 0.05 * pu_random_normal(&random));
    least_squares(returns, BARS, ASSETS, best);
    open_world(&w, BARS, ASSETS, 1, &(pu_pnl_rules){0});
    for (int i = 0; i < ASSETS; ++i) weight[i] = (float)best[i];
    run(&w, weight, ASSETS, returns, 1.0f, gradient);
    for (int i = 0; i < ASSETS; ++i) at_best = fmax(at_best, fabs((double)gradient[i]));
    weight[1] += 0.1f;
    run(&w, weight, ASSETS, returns, 1.0f, gradient);
    for (int i = 0; i < ASSETS; ++i) beside = fmax(beside, fabs((double)gradient[i]));
    print_message("largest slope %.2g there, %.2g beside it\n", at_best, beside);
    /* 200 slopes of 0.05 / 200, each rounded at 6e-8, and nets of order 1 likewise. */
    assert_true(at_best < 1e-7 && beside > 1e-4);
    close_world(&w);
}

/* Weights that were never filled, and all from the bar of the ruin on. */
static void what_has_no_effect_has_no_slope(void **state) {
    (void)state;
    enum { BARS = 8 };
    world w;
    const pu_pnl_rules rules = {.half_spread_ratio = 0.001, .latency_bars = 2};
    const float weight[BARS] = {1.0f, 2.0f, 3.0f, NAN, 1.0f, 1.0f, 1.0f, 1.0f};
    float returns[BARS] = {0.0f, 0.1f, NAN, 0.1f, 0.2f, 0.1f, 0.1f, 0.1f}, gradient[BARS], equity[BARS];
    open_world(&w, BARS, 1, BARS, &rules);
    run(&w, weight, BARS, returns, 0.3f, gradient);
    /* Own bars 0, 1, 3, 4, 5, 6, 7: fills of 0, 1, NaN, 4, 5 at 3, 4, 5, 6, 7; the bar 2 is none. */
    const bool filled[BARS] = {true, true, false, false, true, true, false, false};
    for (int t = 0; t < BARS; ++t) assert_true((gradient[t] != 0.0f) == filled[t]);
    returns[6] = -0.9f; /* 2 of equity at the bar 4 and on: nothing is left */
    run(&w, weight, BARS, returns, 0.3f, gradient);
    assert_int_equal(pu_program_read(w.program, w.equity, equity), PU_OK);
    assert_true(equity[5] > 0.0f && equity[6] == 0.0f && equity[7] == 0.0f);
    for (int t = 0; t < BARS; ++t) assert_true((gradient[t] != 0.0f) == (t < 2));
    close_world(&w);
}

typedef enum mistake { NO_RULES, RATIO, NOT_A_NUMBER, LATENCY, SHAPES, PAID_LOSS, VOLUME_LOSS, MISTAKES } mistake;

static pu_status make(mistake which) {
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu_graph *graph = NULL;
    pu_pnl_rules rules = {.fee_ratio = which == RATIO ? 1.5 : which == NOT_A_NUMBER ? (double)NAN : 0.001};
    if (which == LATENCY) rules.latency_bars = -1;
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &parameters), PU_OK);
    assert_int_equal(pu_parameter_declare(parameters, "p", PU_SHAPE3(1, 5, 2), PU_INIT_ONE, 0.0f, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(parameters, 1), PU_OK);
    assert_int_equal(pu_graph_new(parameters, &graph), PU_OK);
    pu_tensor *p = pu_graph_parameter(graph, "p"), *paid = NULL;
    pu_tensor *returns = pu_graph_input(graph, "returns", PU_F32, PU_SHAPE3(1, which == SHAPES ? 4 : 5, 2));
    pu_tensor *net =
        pu_pnl(graph, p, returns, which == VOLUME_LOSS ? p : NULL, which == NO_RULES ? NULL : &rules, NULL, &paid);
    pu_tensor *value = which == PAID_LOSS ? paid : net;
    const int64_t rows = which == PAID_LOSS ? PU_PNL_PAID_COUNT : 5;
    pu_tensor *rest = pu_graph_input(graph, "rest", PU_F32, PU_SHAPE2(rows, 1));
    const pu_attributes mse = {.loss = {.kind = PU_LOSS_MSE, .horizons = 1, .quantiles = 1}};
    value = value ? pu_reshape(graph, value, PU_SHAPE2(rows, 1)) : NULL;
    const pu_status status = pu_gradients(graph, pu_loss_of(graph, value, rest, rest, &mse));
    pu_graph_free(graph);
    pu_parameters_free(parameters);
    pu_device_close(device);
    return status;
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    static const char *const said[MISTAKES] = {
        "the rules are null", "fee_ratio 1.5", "fee_ratio", "latency of -1", "[B,T,A]", "no gradient", "volumes"};
    for (int which = 0; which < MISTAKES; ++which) {
        assert_int_equal(make((mistake)which), PU_ERR_ARGUMENT);
        if (!strstr(pu_error_message(), said[which])) fail_msg("%d: %s", which, pu_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(the_gradient_vanishes_at_the_tangency_portfolio),
        cmocka_unit_test(what_has_no_effect_has_no_slope),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
