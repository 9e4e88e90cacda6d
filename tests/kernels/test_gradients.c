/* Symbolic gradients against central differences.
 *
 * A check builds prediction = f(parameters), takes a loss of it, and compares the gradient block that the program
 * writes with differences of the loss, recomputed in double from the predictions. With steps h and 2h and
 * Richardson's extrapolation (4 D(h) - D(2h)) / 3 the truncation is of order h^4; what is left is the float
 * rounding of the predictions, about u / h of the slope's scale. At h = 2^-7 that is 128 u = 8e-6 per rounding;
 * the limit of 5e-4 of the largest gradient leaves room for the roundings of a deep model and the kinks of the
 * Huber loss, and stays far below what a wrong term does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/op_reference.h"
#include "tests/support/small_model.h"

enum { PARAMETERS_MAX = 6, BLOCK_MAX = 20000, PREDICTIONS_MAX = 4096 };
static const double limit_of_largest = 5e-4;
static const float step = 0x1p-7f;

/* ---- the difference of any program ---- */

typedef struct probe {
    pu_parameters *parameters;
    pu_program *program;
    pu_tensor *prediction;
    pu_attributes loss;
    int64_t rows;
    const float *target, *weight;
    float base[BLOCK_MAX], gradient[BLOCK_MAX], direction[BLOCK_MAX];
} probe;

static double loss_at(probe *p, float along) {
    static float block[BLOCK_MAX], prediction[PREDICTIONS_MAX];
    const int64_t n = pu_parameters_count(p->parameters);
    for (int64_t i = 0; i < n; ++i) block[i] = p->base[i] + along * p->direction[i];
    assert_int_equal(pu_parameters_write(p->parameters, PU_PART_VALUE, block), PU_OK);
    assert_int_equal(pu_program_run(p->program), PU_OK);
    assert_int_equal(pu_program_read(p->program, p->prediction, prediction), PU_OK);
    double loss = 0, count = 0;
    const int64_t h = p->loss.loss.horizons, q = p->loss.loss.quantiles;
    const pu__call call = {.op = PU_OP_LOSS,
                           .in_count = 3,
                           .out_count = 2,
                           .attributes = &p->loss,
                           .in = {{prediction, PU_SHAPE2(p->rows, h * q)},
                                  {(void *)p->target, PU_SHAPE2(p->rows, h)},
                                  {(void *)p->weight, PU_SHAPE2(p->rows, h)}},
                           .out = {{NULL, PU_SHAPE1(1)}, {NULL, PU_SHAPE1(1)}}};
    pu__op_reference(&call, (double *[]){&loss, &count});
    return loss;
}

/* The slope along p->direction. base + h direction rounds to float as well: for parameters of order 1 that is u /
 * h again. */
static double slope(probe *p) {
    const double near = (loss_at(p, step) - loss_at(p, -step)) / (2.0 * (double)step);
    const double far = (loss_at(p, 2 * step) - loss_at(p, -2 * step)) / (4.0 * (double)step);
    return (4.0 * near - far) / 3.0;
}

static void compare(const char *name, probe *p, uint64_t seed) {
    const int64_t n = pu_parameters_count(p->parameters);
    assert_true(n <= BLOCK_MAX);
    memset(p->direction, 0, sizeof p->direction);
    assert_int_equal(pu_parameters_read(p->parameters, PU_PART_VALUE, p->base), PU_OK);
    loss_at(p, 0);
    assert_int_equal(pu_parameters_read(p->parameters, PU_PART_GRADIENT, p->gradient), PU_OK);
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; ++i) largest = fmax(largest, fabs((double)p->gradient[i]));
    assert_true(largest > 1e-4);
    pu_random random = pu_random_at(seed, 3);
    for (int trial = 0; trial < 40; ++trial) {
        /* Single elements, then directions over all parameters. */
        double expected = 0, norm = 1;
        memset(p->direction, 0, sizeof p->direction);
        if (trial < 32) {
            const int64_t at = n <= 32 ? trial % n : (int64_t)pu_random_below(&random, (uint64_t)n);
            p->direction[at] = 1;
            expected = (double)p->gradient[at];
        } else {
            norm = 0;
            for (int64_t i = 0; i < n; ++i) {
                p->direction[i] = (float)pu_random_normal(&random) / sqrtf((float)n);
                norm += (double)p->direction[i] * (double)p->direction[i];
                expected += (double)p->gradient[i] * (double)p->direction[i];
            }
            norm = sqrt(norm);
        }
        const double error = fabs(slope(p) - expected) / (largest * fmax(norm, 1));
        worst = fmax(worst, error);
        if (error > limit_of_largest) {
            fail_msg("%s, trial %d: slope %.8g, gradient %.8g, largest %.3g, error %.2e of it", name, trial,
                     slope(p), expected, largest, error);
        }
    }
    print_message("  %-28s worst error %.1e of the largest gradient\n", name, worst);
}

/* ---- one op at a time ---- */

typedef pu_tensor *(*build)(pu_graph *graph, pu_tensor *const *p);

typedef struct check {
    const char *name;
    build build;
    pu_shape parameter[PARAMETERS_MAX];
    int parameters;
    pu_loss loss;
    int quantiles;
} check;

static void finish(const check *c, pu_graph *graph, pu_tensor *prediction, probe *p) {
    if (!prediction)
        fail_msg("%s: %s", c->name, pu_graph_status(graph) == PU_OK ? "no prediction" : pu_error_message());
    const pu_shape shape = pu_tensor_shape(prediction);
    int64_t count = 1;
    for (int i = 0; i < shape.rank; ++i) count *= shape.dim[i];
    const int quantiles = c->quantiles ? c->quantiles : 1;
    p->rows = count / quantiles;
    p->loss =
        (pu_attributes){.loss = {.kind = c->loss, .horizons = 1, .quantiles = quantiles, .huber_delta = 0.6f}};
    for (int q = 0; q < quantiles; ++q) p->loss.loss.quantile[q] = (float)(q + 1) / (float)(quantiles + 1);
    p->prediction = pu_reshape(graph, prediction, PU_SHAPE2(p->rows, quantiles));
    pu_tensor *target = pu_graph_input(graph, "target", PU_F32, PU_SHAPE2(p->rows, 1));
    pu_tensor *weight = pu_graph_input(graph, "weight", PU_F32, PU_SHAPE2(p->rows, 1));
    pu_tensor *loss = pu_loss_of(graph, p->prediction, target, weight, &p->loss);
    assert_int_equal(pu_graph_output(graph, p->prediction), PU_OK);
    if (pu_gradients(graph, loss) != PU_OK || pu_compile(graph, &p->program) != PU_OK)
        fail_msg("%s: %s", c->name, pu_error_message());
    assert_int_equal(pu_program_write(p->program, target, p->target), PU_OK);
    assert_int_equal(pu_program_write(p->program, weight, p->weight), PU_OK);
}

static probe shared_probe;

static void run_check(const check *c) {
    static float target[PREDICTIONS_MAX], weight[PREDICTIONS_MAX];
    pu_random random = pu_random_at(11, 5);
    for (int i = 0; i < PREDICTIONS_MAX; ++i) {
        target[i] = (float)pu_random_normal(&random);
        weight[i] = i % 5 == 2 ? 0.0f : (float)pu_random_uniform(&random);
    }
    probe *p = &shared_probe;
    *p = (probe){.target = target, .weight = weight};
    pu_device *device = NULL;
    pu_graph *graph = NULL;
    pu_tensor *parameter[PARAMETERS_MAX];
    char name[16];
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &p->parameters), PU_OK);
    for (int i = 0; i < c->parameters; ++i) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(pu_parameter_declare(p->parameters, name, c->parameter[i], PU_INIT_NORMAL, 0.8f, i == 1),
                         PU_OK);
    }
    assert_int_equal(pu_parameters_allocate(p->parameters, 42), PU_OK);
    assert_int_equal(pu_graph_new(p->parameters, &graph), PU_OK);
    for (int i = 0; i < c->parameters; ++i) {
        snprintf(name, sizeof name, "p%d", i);
        parameter[i] = pu_graph_parameter(graph, name);
    }
    finish(c, graph, c->build(graph, parameter), p);
    compare(c->name, p, 99);
    pu_program_free(p->program);
    pu_graph_free(graph);
    pu_parameters_free(p->parameters);
    pu_device_close(device);
}

#define BUILD(name, expression)                                \
    static pu_tensor *name(pu_graph *g, pu_tensor *const *p) { \
        (void)p;                                               \
        return expression;                                     \
    }

static const int dilation[] = {1, 3};
BUILD(linear, pu_linear(g, p[0], p[1], NULL, PU_ACT_NONE))
BUILD(linear_bias, pu_linear(g, p[0], p[1], p[2], PU_ACT_NONE))
BUILD(linear_relu, pu_linear(g, p[0], p[1], p[2], PU_ACT_RELU))
BUILD(linear_gelu, pu_linear(g, p[0], p[1], p[2], PU_ACT_GELU))
BUILD(linear_silu, pu_linear(g, p[0], p[1], p[2], PU_ACT_SILU))
BUILD(linear_sigmoid, pu_linear(g, p[0], p[1], p[2], PU_ACT_SIGMOID))
BUILD(linear_tanh, pu_linear(g, p[0], p[1], p[2], PU_ACT_TANH))
BUILD(linear_twice, pu_linear(g, pu_linear(g, p[0], p[1], p[2], PU_ACT_TANH), p[1], p[2], PU_ACT_SILU))
BUILD(act_gelu, pu_act_of(g, p[0], PU_ACT_GELU))
BUILD(act_silu, pu_act_of(g, p[0], PU_ACT_SILU))
BUILD(act_sigmoid, pu_act_of(g, p[0], PU_ACT_SIGMOID))
BUILD(act_tanh, pu_act_of(g, p[0], PU_ACT_TANH))
BUILD(act_relu, pu_act_of(g, p[0], PU_ACT_RELU))
BUILD(add_two, pu_add(g, p[0], p[1]))
BUILD(mul_two, pu_mul(g, p[0], p[1]))
BUILD(mul_self, pu_mul(g, p[0], p[0]))
BUILD(affine, pu_affine(g, p[0], -1.7f, 0.3f))
BUILD(glu_sigmoid, pu_glu(g, p[0], PU_ACT_SIGMOID))
BUILD(glu_silu, pu_glu(g, p[0], PU_ACT_SILU))
BUILD(layer_norm, pu_layer_norm(g, p[0], p[1], p[2], 1e-5f))
BUILD(softmax, pu_softmax(g, p[0]))
BUILD(attention_plain, pu_attention(g, p[0], 2, 0, 0.0f))
BUILD(attention_rotary, pu_attention(g, p[0], 2, 0, 10000.0f))
BUILD(attention_span, pu_attention(g, p[0], 1, 3, 100.0f))
BUILD(attention_full, pu_attention_with(g, p[0], &(pu_attention_options){.heads = 1, .mask = PU_ATTENTION_FULL}))
BUILD(cross_causal,
      pu_cross_attention(g, p[0], p[1],
                         &(pu_attention_options){.heads = 2, .span = 4, .rotary_base = 100.0f, .offset = 2}))
BUILD(cross_full,
      pu_cross_attention(g, p[0], p[1],
                         &(pu_attention_options){.heads = 1, .rotary_base = 100.0f, .mask = PU_ATTENTION_FULL}))
BUILD(conv, pu_conv(g, p[0], p[1], p[2], dilation, 2, PU_ACT_NONE))
BUILD(conv_silu, pu_conv(g, p[0], p[1], p[2], dilation, 2, PU_ACT_SILU))
BUILD(conv_gelu, pu_conv(g, p[0], p[1], p[2], dilation, 2, PU_ACT_GELU))
BUILD(conv_dense, pu_conv_dense(g, p[0], p[1], p[2], 2, PU_ACT_NONE))
BUILD(conv_dense_gelu, pu_conv_dense(g, p[0], p[1], p[2], 3, PU_ACT_GELU))
BUILD(scan, pu_scan(g, p[0], p[1]))
BUILD(reshaped, pu_mul(g, pu_reshape(g, p[0], PU_SHAPE2(6, 5)), pu_reshape(g, p[1], PU_SHAPE2(6, 5))))
BUILD(shared_sum, pu_add(g, pu_add(g, p[0], p[1]), pu_add(g, p[0], pu_reshape(g, p[0], PU_SHAPE2(5, 6)))))

/* A dropout whose clock is never written keeps seed 0 and step 0: one fixed mask. */
static pu_tensor *dropout(pu_graph *g, pu_tensor *const *p) {
    pu_tensor *clock = pu_graph_input(g, "clock", PU_U64, PU_SHAPE1(2));
    return pu_mul(g, pu_dropout(g, p[0], clock, 0.4f), pu_dropout(g, p[1], clock, 0.3f));
}

/* Both outputs are used, then only the norm, then only the sum. */
static pu_tensor *residual(pu_graph *g, pu_tensor *const *p) {
    pu_tensor *clock = pu_graph_input(g, "clock", PU_U64, PU_SHAPE1(2)), *h = p[0], *unused = NULL;
    pu_tensor *u = pu_add_layer_norm(g, h, p[1], p[2], p[3], 1e-5f, clock, 0.3f, &h);
    u = pu_add_layer_norm(g, h, pu_mul(g, u, p[1]), p[2], p[3], 1e-5f, NULL, 0.0f, &h);
    (void)pu_add_layer_norm(g, h, u, p[2], p[3], 1e-5f, clock, 0.4f, &h);
    return pu_add_layer_norm(g, h, pu_mul(g, u, p[0]), p[3], p[2], 1e-5f, clock, 0.2f, &unused);
}

/* Rare kinks, where a step changes a trade's sign: costs are small against returns, and h against weights. Both outputs
 * are used. */
static pu_tensor *pnl_of(pu_graph *g, pu_tensor *const *p, const pu_pnl_rules *rules, bool volumes) {
    pu_tensor *returns = pu_affine(g, p[1], 0.1f, 0.0f), *equity = NULL, *volume = NULL;
    if (volumes) volume = pu_affine(g, pu_graph_input(g, "volume", PU_F32, pu_tensor_shape(p[0])), 0.0f, 2.0f);
    pu_tensor *net = pu_pnl(g, p[0], returns, volume, rules, &equity, NULL);
    return pu_add(g, pu_affine(g, net, 3.0f, 0.0f), equity);
}
BUILD(pnl_plain, pnl_of(g, p, &(pu_pnl_rules){.half_spread_ratio = 2e-3, .fee_ratio = 1e-3}, false))
BUILD(pnl_rich, pnl_of(g, p, &(pu_pnl_rules){1e-3, 1e-3, 1e-3, 4e-3, 2e-3, 1e-3, 2}, true))
BUILD(pnl_net, pu_pnl(g, p[0], pu_affine(g, p[1], 0.1f, 0.0f), NULL,
                      &(pu_pnl_rules){.slippage_ratio = 2e-3, .latency_bars = 1}, NULL, NULL))

static pu_tensor *s4_of(pu_graph *g, pu_tensor *const *p, pu_s4_discretisation discretisation, pu_s4_form form) {
    const pu_s4_parameters parameters = {pu_affine(g, p[1], 0.3f, -2.0f), pu_affine(g, p[2], 0.3f, -0.7f), p[3],
                                         p[4], p[5]};
    return pu_s4(g, p[0], &parameters, discretisation, form);
}
BUILD(s4_hold_scan, s4_of(g, p, PU_S4_ZERO_ORDER_HOLD, PU_S4_SCAN))
BUILD(s4_hold_convolution, s4_of(g, p, PU_S4_ZERO_ORDER_HOLD, PU_S4_CONVOLUTION))
BUILD(s4_bilinear_scan, s4_of(g, p, PU_S4_BILINEAR, PU_S4_SCAN))
BUILD(s4_bilinear_convolution, s4_of(g, p, PU_S4_BILINEAR, PU_S4_CONVOLUTION))

#define S1 PU_SHAPE1
#define S2 PU_SHAPE2
#define S3 PU_SHAPE3
static const check checks[] = {
    {"linear", linear, {S2(5, 7), S2(7, 3)}, 2, PU_LOSS_MSE, 0},
    {"linear, rows in windows", linear_bias, {S3(2, 5, 7), S2(7, 3), S1(3)}, 3, PU_LOSS_MSE, 0},
    {"linear relu", linear_relu, {S2(5, 7), S2(7, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"linear gelu", linear_gelu, {S2(5, 7), S2(7, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"linear silu", linear_silu, {S2(5, 7), S2(7, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"linear sigmoid", linear_sigmoid, {S2(5, 7), S2(7, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"linear tanh", linear_tanh, {S2(5, 7), S2(7, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"one weight twice", linear_twice, {S2(5, 6), S2(6, 6), S1(6)}, 3, PU_LOSS_MSE, 0},
    {"act gelu", act_gelu, {S2(3, 7)}, 1, PU_LOSS_MSE, 0},
    {"act silu", act_silu, {S2(3, 7)}, 1, PU_LOSS_MSE, 0},
    {"act sigmoid", act_sigmoid, {S2(3, 7)}, 1, PU_LOSS_MSE, 0},
    {"act tanh", act_tanh, {S2(3, 7)}, 1, PU_LOSS_MSE, 0},
    {"act relu", act_relu, {S2(3, 5)}, 1, PU_LOSS_MSE, 0},
    {"add", add_two, {S3(2, 3, 5), S3(2, 3, 5)}, 2, PU_LOSS_MSE, 0},
    {"add, broadcast", add_two, {S3(2, 3, 5), S2(3, 5)}, 2, PU_LOSS_MSE, 0},
    {"mul", mul_two, {S2(3, 5), S2(3, 5)}, 2, PU_LOSS_MSE, 0},
    {"mul, broadcast", mul_two, {S3(2, 3, 5), S1(5)}, 2, PU_LOSS_MSE, 0},
    {"mul with itself", mul_self, {S2(3, 5)}, 1, PU_LOSS_MSE, 0},
    {"affine", affine, {S2(3, 5)}, 1, PU_LOSS_MSE, 0},
    {"glu sigmoid", glu_sigmoid, {S3(2, 3, 10)}, 1, PU_LOSS_MSE, 0},
    {"glu silu", glu_silu, {S2(3, 14)}, 1, PU_LOSS_MSE, 0},
    {"layer_norm", layer_norm, {S3(2, 3, 9), S1(9), S1(9)}, 3, PU_LOSS_MSE, 0},
    {"residual and norm", residual, {S3(2, 3, 9), S3(2, 3, 9), S1(9), S1(9)}, 4, PU_LOSS_MSE, 0},
    {"softmax", softmax, {S2(5, 7)}, 1, PU_LOSS_MSE, 0},
    {"attention", attention_plain, {S3(2, 5, 48)}, 1, PU_LOSS_MSE, 0},
    {"attention, rotary", attention_rotary, {S3(1, 7, 60)}, 1, PU_LOSS_MSE, 0},
    {"attention, span", attention_span, {S3(1, 9, 24)}, 1, PU_LOSS_MSE, 0},
    {"attention, full", attention_full, {S3(2, 6, 24)}, 1, PU_LOSS_MSE, 0},
    {"cross attention, causal", cross_causal, {S3(2, 5, 16), S3(2, 7, 32)}, 2, PU_LOSS_MSE, 0},
    {"cross attention, full", cross_full, {S3(1, 6, 10), S3(1, 4, 20)}, 2, PU_LOSS_MSE, 0},
    {"conv", conv, {S3(2, 9, 6), S2(3, 6), S1(6)}, 3, PU_LOSS_MSE, 0},
    {"conv silu", conv_silu, {S3(2, 9, 6), S2(3, 6), S1(6)}, 3, PU_LOSS_MSE, 0},
    {"conv gelu", conv_gelu, {S3(1, 17, 4), S2(5, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"conv_dense", conv_dense, {S3(2, 9, 5), S3(3, 5, 4), S1(4)}, 3, PU_LOSS_MSE, 0},
    {"conv_dense gelu", conv_dense_gelu, {S3(1, 8, 4), S3(4, 4, 3), S1(3)}, 3, PU_LOSS_MSE, 0},
    {"s4 hold, scan", s4_hold_scan, {S3(2, 9, 3), S1(3), S2(2, 3), S2(2, 3), S2(4, 3), S1(3)}, 6, PU_LOSS_MSE, 0},
    {"s4 hold, convolution",
     s4_hold_convolution,
     {S3(2, 9, 3), S1(3), S2(2, 3), S2(2, 3), S2(4, 3), S1(3)},
     6,
     PU_LOSS_MSE,
     0},
    {"s4 bilinear, scan",
     s4_bilinear_scan,
     {S3(2, 9, 3), S1(3), S2(2, 3), S2(2, 3), S2(4, 3), S1(3)},
     6,
     PU_LOSS_MSE,
     0},
    {"s4 bilinear, convolution",
     s4_bilinear_convolution,
     {S3(2, 9, 3), S1(3), S2(2, 3), S2(2, 3), S2(4, 3), S1(3)},
     6,
     PU_LOSS_MSE,
     0},
    {"pnl", pnl_plain, {S3(2, 6, 3), S3(2, 6, 3)}, 2, PU_LOSS_MSE, 0},
    {"pnl, impact, carry, latency", pnl_rich, {S3(2, 9, 2), S3(2, 9, 2)}, 2, PU_LOSS_MSE, 0},
    {"pnl, net returns alone", pnl_net, {S3(3, 7, 2), S3(3, 7, 2)}, 2, PU_LOSS_MSE, 0},
    {"scan", scan, {S3(2, 7, 5), S3(2, 7, 5)}, 2, PU_LOSS_MSE, 0},
    {"dropout", dropout, {S2(5, 7), S2(5, 7)}, 2, PU_LOSS_MSE, 0},
    {"reshape of parameters", reshaped, {S2(5, 6), S3(2, 3, 5)}, 2, PU_LOSS_MSE, 0},
    {"one gradient for two", shared_sum, {S2(5, 6), S2(5, 6)}, 2, PU_LOSS_MSE, 0},
    {"pinball", affine, {S2(7, 3)}, 1, PU_LOSS_PINBALL, 3},
    {"huber", affine, {S2(7, 3)}, 1, PU_LOSS_HUBER, 0},
};

static void ops(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; ++i) run_check(&checks[i]);
}

/* ---- a composed model ---- */

static void small_model(void **state) {
    (void)state;
    static const pu__small_model model = {.windows = 3,
                                          .window_bars = 7,
                                          .features = 5,
                                          .channels = 16,
                                          .horizons = 2,
                                          .quantiles = 1,
                                          .dropout = 0.25f,
                                          .normalised = true};
    static float target[64], weight[64];
    pu_device *device = NULL;
    pu__small_graph small;
    probe *p = &shared_probe;
    *p = (probe){.target = target, .weight = weight, .rows = model.windows * model.window_bars};
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu__small_parameters(&model, device, 5, &p->parameters), PU_OK);
    /* With a learning rate of zero the update leaves the parameters as they are, and the gradient block can be
     * read after the run. */
    if (pu__small_build(&model, p->parameters, true, &small) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__small_feed(&model, &small, 17), PU_OK);
    float loss = 0;
    assert_int_equal(pu__small_step(&model, &small, 1, 0.0f, &loss, NULL), PU_OK);
    assert_int_equal(pu_program_read(small.program, small.target, target), PU_OK);
    assert_int_equal(pu_program_read(small.program, small.weight, weight), PU_OK);
    p->program = small.program;
    p->loss =
        (pu_attributes){.loss = {.kind = PU_LOSS_PINBALL, .horizons = 2, .quantiles = 1, .quantile = {0.5f}}};
    p->prediction = small.prediction;
    compare("small model", p, 7);
    assert_true(fabs(loss_at(p, 0) - (double)loss) < 1e-5);
    pu__small_free(&small);
    pu_parameters_free(p->parameters);
    pu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops),
        cmocka_unit_test(small_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
