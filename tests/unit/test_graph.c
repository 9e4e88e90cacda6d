/* Building graphs: errors that name the op and the shapes, what is kept and what is dropped, parameters, and the
 * memory plan. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/graph/internal.h"
#include "plusultra/random.h"
#include "tests/support/small_model.h"

#define S1 PU_SHAPE1
#define S2 PU_SHAPE2
#define S3 PU_SHAPE3

typedef struct world {
    pu_device *device;
    pu_parameters *parameters;
    pu_graph *graph;
} world;

static void open_world(world *w) {
    assert_int_equal(pu_device_open("cpu", 1, &w->device), PU_OK);
    assert_int_equal(pu_parameters_new(w->device, &w->parameters), PU_OK);
    assert_int_equal(pu_parameter_declare(w->parameters, "w", S2(4, 6), PU_INIT_XAVIER, 1, 1), PU_OK);
    assert_int_equal(pu_parameter_declare(w->parameters, "b", S1(6), PU_INIT_ZERO, 0, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(w->parameters, 1), PU_OK);
    assert_int_equal(pu_graph_new(w->parameters, &w->graph), PU_OK);
}

static void close_world(world *w) {
    pu_graph_free(w->graph);
    pu_parameters_free(w->parameters);
    pu_device_close(w->device);
}

/* ---- errors ---- */

static pu_tensor *in(pu_graph *g, pu_shape shape) { return pu_graph_input(g, "in", PU_F32, shape); }

static const pu_attributes pinball = {
    .loss = {.kind = PU_LOSS_PINBALL, .horizons = 2, .quantiles = 2, .quantile = {0.1f, 0.9f}}};
static const pu_attributes no_quantile = {
    .loss = {.kind = PU_LOSS_PINBALL, .horizons = 2, .quantiles = 2, .quantile = {0.1f, 1.0f}}};
static const int one_dilation[] = {1}, zero_dilation[] = {0};

/* Every line builds one wrong thing. */
static const char *const expected[][2] = {
    {"gemm", "[3,5]"},
    {"gemm", "[7]"},
    {"gemm", "scalar"},
    {"add", "[2,3]"},
    {"mul", "[3]"},
    {"dropout", "1.5"},
    {"dropout", "i32"},
    {"glu", "[3,5]"},
    {"layer_norm", "[5]"},
    {"layer_norm", "epsilon"},
    {"attention", "[2,3,25]"},
    {"attention", "heads 0"},
    {"attention", "7"},
    {"conv", "[2,5]"},
    {"conv", "groups"},
    {"conv", "dilation"},
    {"window_norm", "0"},
    {"window_norm", "f32"},
    {"loss", "[6,5]"},
    {"loss", "quantile 1"},
    {"reshape", "[5,5]"},
    {"nowhere", "not declared"},
    {"input", "[-1]"},
    {"gradients", "no parameter"},
    {"gradients", "[3,6]"},
    {"adamw", "before it"},
    {"softmax", "null"},
};

static void build_wrong(pu_graph *g, int which) {
    pu_tensor *w = pu_graph_parameter(g, "w"), *b = pu_graph_parameter(g, "b");
    switch (which) {
    case 0: pu_linear(g, in(g, S2(3, 5)), w, b, PU_ACT_NONE); break;
    case 1: pu_linear(g, in(g, S2(3, 4)), w, in(g, S1(7)), PU_ACT_NONE); break;
    case 2: pu_linear(g, in(g, (pu_shape){0}), w, b, PU_ACT_NONE); break;
    case 3: pu_add(g, in(g, S2(3, 2)), in(g, S2(2, 3))); break;
    case 4: pu_mul(g, in(g, S1(3)), in(g, S2(2, 3))); break;
    case 5: pu_dropout(g, w, pu_graph_input(g, "clock", PU_U64, S1(2)), 1.5f); break;
    case 6: pu_dropout(g, w, pu_graph_input(g, "clock", PU_I32, S1(2)), 0.5f); break;
    case 7: pu_glu(g, in(g, S2(3, 5)), PU_ACT_SILU); break;
    case 8: pu_layer_norm(g, in(g, S2(3, 6)), in(g, S1(5)), b, 1e-5f); break;
    case 9: pu_layer_norm(g, in(g, S2(3, 6)), b, b, 0.0f); break;
    case 10: pu_attention(g, in(g, S3(2, 3, 25)), 1, 0, 0); break;
    case 11: pu_attention(g, in(g, S3(2, 3, 24)), 0, 0, 0); break;
    case 12: pu_attention(g, in(g, S3(2, 3, 21)), 1, 0, 0); break;
    case 13: pu_conv(g, in(g, S2(3, 5)), in(g, S2(2, 5)), in(g, S1(5)), one_dilation, 1, PU_ACT_NONE); break;
    case 14: pu_conv(g, in(g, S3(1, 3, 5)), in(g, S2(2, 5)), in(g, S1(5)), one_dilation, 9, PU_ACT_NONE); break;
    case 15: pu_conv(g, in(g, S3(1, 3, 5)), in(g, S2(2, 5)), in(g, S1(5)), zero_dilation, 1, PU_ACT_NONE); break;
    case 16: pu_window_norm(g, in(g, S2(9, 5)), pu_graph_input(g, "start", PU_I32, S1(2)), 0, 0, 5, 1e-6f); break;
    case 17: pu_window_norm(g, in(g, S2(9, 5)), in(g, S1(2)), 3, 0, 5, 1e-6f); break;
    case 18: pu_loss_of(g, in(g, S2(6, 5)), in(g, S2(6, 2)), in(g, S2(6, 2)), &pinball); break;
    case 19: pu_loss_of(g, in(g, S2(6, 4)), in(g, S2(6, 2)), in(g, S2(6, 2)), &no_quantile); break;
    case 20: pu_reshape(g, w, S2(5, 5)); break;
    case 21: pu_graph_parameter(g, "nowhere"); break;
    case 22: in(g, S1(-1)); break;
    case 23: pu_gradients(g, in(g, S1(1))); break;
    case 24: pu_gradients(g, pu_linear(g, in(g, S2(3, 4)), w, b, PU_ACT_NONE)); break;
    case 25: pu_adamw(g, in(g, S1(8))); break;
    case 26: pu_softmax(g, NULL); break;
    }
}

static void wrong_graphs_name_the_fault(void **state) {
    (void)state;
    for (int i = 0; i < (int)(sizeof expected / sizeof expected[0]); ++i) {
        world w;
        pu_program *program = NULL;
        open_world(&w);
        build_wrong(w.graph, i);
        assert_int_not_equal(pu_graph_status(w.graph), PU_OK);
        char message[512];
        snprintf(message, sizeof message, "%s", pu_error_message());
        if (!strstr(message, expected[i][0]) || !strstr(message, expected[i][1])) {
            fail_msg("%d: \"%s\" names neither or only one of %s and %s", i, message, expected[i][0],
                     expected[i][1]);
        }
        /* The first error stays, whatever follows. */
        assert_null(pu_graph_parameter(w.graph, "w"));
        assert_null(pu_add(w.graph, NULL, NULL));
        assert_int_not_equal(pu_compile(w.graph, &program), PU_OK);
        assert_null(program);
        assert_string_equal(pu_error_message(), message);
        close_world(&w);
    }
}

static void order_of_calls(void **state) {
    (void)state;
    world w, other;
    open_world(&w);
    open_world(&other);
    pu_tensor *x = in(w.graph, S2(3, 4));
    pu_tensor *y =
        pu_linear(w.graph, x, pu_graph_parameter(w.graph, "w"), pu_graph_parameter(w.graph, "b"), PU_ACT_GELU);
    const pu_attributes mse = {.loss = {.kind = PU_LOSS_MSE, .horizons = 6, .quantiles = 1}};
    pu_tensor *loss = pu_loss_of(w.graph, y, in(w.graph, S2(3, 6)), in(w.graph, S2(3, 6)), &mse);
    assert_int_equal(pu_gradients(w.graph, loss), PU_OK);
    assert_non_null(pu_adamw(w.graph, in(w.graph, S1(8))));
    assert_null(pu_affine(w.graph, y, 2, 0));
    assert_int_equal(pu_graph_status(w.graph), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "after pu_adamw"));
    assert_null(pu_add(other.graph, x, x));
    assert_non_null(strstr(pu_error_message(), "another graph"));
    close_world(&w);
    close_world(&other);
}

static void builders_leave_out_what_does_nothing(void **state) {
    (void)state;
    world w;
    open_world(&w);
    pu_tensor *x = in(w.graph, S2(3, 4));
    assert_ptr_equal(pu_affine(w.graph, x, 1, 0), x);
    assert_ptr_equal(pu_dropout(w.graph, x, NULL, 0), x);
    assert_ptr_equal(pu_act_of(w.graph, x, PU_ACT_NONE), x);
    assert_ptr_equal(pu_reshape(w.graph, pu_reshape(w.graph, x, S1(12)), S2(3, 4)), x);
    assert_ptr_equal(pu_graph_parameter(w.graph, "w"), pu_graph_parameter(w.graph, "w"));
    assert_int_equal(w.graph->node_count, 0);
    const pu_shape shape = pu_tensor_shape(
        pu_linear(w.graph, in(w.graph, S3(2, 3, 4)), pu_graph_parameter(w.graph, "w"), NULL, PU_ACT_NONE));
    const pu_shape wanted = pu_shape_of(3, (int64_t)2, (int64_t)3, (int64_t)6);
    assert_true(pu__shape_equal(&shape, &wanted));
    close_world(&w);
}

static void every_dropout_has_its_own_tag(void **state) {
    (void)state;
    world w;
    open_world(&w);
    pu_tensor *clock = pu_graph_input(w.graph, "clock", PU_U64, S1(2));
    pu_tensor *x = in(w.graph, S2(3, 4));
    for (int i = 0; i < 3; ++i) x = pu_dropout(w.graph, x, clock, 0.5f);
    for (int i = 0; i < 3; ++i) assert_int_equal(w.graph->node[i]->attributes.dropout.tag, i);
    close_world(&w);
}

/* ---- what runs ---- */

static void dead_nodes_do_not_run(void **state) {
    (void)state;
    world w;
    open_world(&w);
    pu_graph *g = w.graph;
    pu_tensor *x = in(g, S2(3, 4));
    pu_tensor *y = pu_linear(g, x, pu_graph_parameter(g, "w"), pu_graph_parameter(g, "b"), PU_ACT_GELU);
    pu_tensor *dead = pu_softmax(g, pu_affine(g, y, 3, 0));
    assert_int_equal(pu_graph_output(g, y), PU_OK);
    pu_program *program = NULL;
    assert_int_equal(pu_compile(g, &program), PU_OK);
    assert_int_equal(pu_program_launches(program), 1);
    assert_int_equal(pu_program_memory(program).node_count, 1);
    assert_int_equal(program->launch[0].call.out_count, 1); /* no pre-activation: nothing differentiates */
    assert_null(pu_program_buffer(program, dead));
    assert_non_null(pu_program_buffer(program, x));
    assert_non_null(pu_program_buffer(program, y));
    pu_program_free(program);

    const pu_attributes mse = {.loss = {.kind = PU_LOSS_MSE, .horizons = 6, .quantiles = 1}};
    assert_int_equal(pu_gradients(g, pu_loss_of(g, y, in(g, S2(3, 6)), in(g, S2(3, 6)), &mse)), PU_OK);
    assert_int_equal(pu_compile(g, &program), PU_OK);
    /* gemm, loss (for its count), loss_grad, act_grad, gemm for the weight, sum for the bias; nothing for x. */
    assert_int_equal(pu_program_launches(program), 6);
    assert_int_equal(program->launch[0].call.out_count, 2);
    pu_program_free(program);
    close_world(&w);
}

/* ---- the memory plan ---- */

static bool lives_overlap(const pu__interval *a, const pu__interval *b) {
    return a->first <= b->last && b->first <= a->last;
}

static void check_plan(const pu__interval *interval, int count, int64_t total) {
    int64_t peak = 0, sum = 0;
    int last = 0;
    for (int i = 0; i < count; ++i) {
        assert_int_equal(interval[i].offset % PU__PLAN_ALIGNMENT, 0);
        assert_true(interval[i].offset >= 0 && interval[i].offset + interval[i].bytes <= total);
        sum += (interval[i].bytes + PU__PLAN_ALIGNMENT - 1) / PU__PLAN_ALIGNMENT * PU__PLAN_ALIGNMENT;
        last = interval[i].last > last ? interval[i].last : last;
        for (int k = 0; k < i; ++k) {
            if (!lives_overlap(&interval[i], &interval[k]) || interval[i].bytes == 0 || interval[k].bytes == 0)
                continue;
            const bool apart = interval[i].offset + interval[i].bytes <= interval[k].offset ||
                               interval[k].offset + interval[k].bytes <= interval[i].offset;
            if (!apart) fail_msg("values %d and %d live at the same time and share bytes", i, k);
        }
    }
    for (int t = 0; t <= last; ++t) {
        int64_t live = 0;
        for (int i = 0; i < count; ++i) {
            if (interval[i].first <= t && t <= interval[i].last) live += interval[i].bytes;
        }
        peak = live > peak ? live : peak;
    }
    assert_true(total >= peak);
    assert_true(total <= sum);
}

static void random_plans_are_sound(void **state) {
    (void)state;
    enum { MOST = 120 };
    pu__interval interval[MOST];
    for (uint64_t seed = 0; seed < 300; ++seed) {
        pu_random random = pu_random_at(seed, 0);
        const int count = (int)pu_random_below(&random, MOST + 1);
        const int positions = 1 + (int)pu_random_below(&random, 60);
        for (int i = 0; i < count; ++i) {
            const int first = (int)pu_random_below(&random, (uint64_t)positions);
            const int length = (int)pu_random_below(&random, 1 + (uint64_t)(positions - first));
            interval[i] = (pu__interval){
                .first = first,
                .last = first + length < positions ? first + length : positions - 1,
                .bytes = (int64_t)pu_random_below(&random, 1 + (UINT64_C(1) << pu_random_below(&random, 17)))};
        }
        int64_t total = -1;
        assert_int_equal(pu__plan(interval, count, &total), PU_OK);
        check_plan(interval, count, total);
    }
}

static void a_training_step_shares_memory(void **state) {
    (void)state;
    static const pu__small_model model = {.windows = 4,
                                          .window_bars = 16,
                                          .features = 5,
                                          .channels = 32,
                                          .horizons = 2,
                                          .quantiles = 3,
                                          .dropout = 0.1f,
                                          .normalised = true};
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu__small_graph small;
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu__small_parameters(&model, device, 3, &parameters), PU_OK);
    assert_int_equal(pu__small_build(&model, parameters, true, &small), PU_OK);
    const pu_memory_plan plan = pu_program_memory(small.program);
    check_plan(small.program->interval, small.program->interval_count, plan.activation_bytes);
    print_message("%d nodes: %lld bytes shared, %lld unshared\n", plan.node_count,
                  (long long)plan.activation_bytes, (long long)plan.unshared_bytes);
    assert_true(plan.activation_bytes < plan.unshared_bytes * 3 / 4);
    assert_true(plan.input_bytes > 0 && plan.workspace_bytes >= 0);
    assert_int_equal(plan.parameter_bytes, 16 * pu_parameters_count(parameters));
    /* Inputs and outputs keep their bytes for the whole program. */
    const pu_tensor *const whole[] = {small.x,     small.start,      small.target, small.weight, small.clock,
                                      small.hyper, small.prediction, small.loss,   small.stats};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; ++i) {
        const pu_tensor *base = whole[i]->base ? whole[i]->base : whole[i];
        const pu__interval *interval = &small.program->interval[small.program->slot[base->index]];
        assert_int_equal(interval->first, 0);
        assert_int_equal(interval->last, plan.node_count - 1);
    }
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
}

/* ---- parameters ---- */

static float *values_of(pu_parameters *parameters) {
    float *values = pu_calloc((size_t)pu_parameters_count(parameters), sizeof *values);
    assert_non_null(values);
    assert_int_equal(pu_parameters_read(parameters, PU_PART_VALUE, values), PU_OK);
    return values;
}

static void parameters_start_from_seed_and_name(void **state) {
    (void)state;
    pu_device *device = NULL;
    pu_parameters *few = NULL, *more = NULL;
    pu_parameter_info a, b, c;
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &few), PU_OK);
    assert_int_equal(pu_parameters_new(device, &more), PU_OK);
    assert_int_equal(pu_parameter_declare(more, "gain", S1(5), PU_INIT_ONE, 1, 0), PU_OK);
    assert_int_equal(pu_parameter_declare(more, "other", S2(9, 9), PU_INIT_NORMAL, 2, 1), PU_OK);
    assert_int_equal(pu_parameter_declare(few, "w", S2(100, 60), PU_INIT_XAVIER, 1, 1), PU_OK);
    assert_int_equal(pu_parameter_declare(more, "w", S2(100, 60), PU_INIT_XAVIER, 1, 1), PU_OK);
    assert_int_equal(pu_parameters_allocate(few, 9), PU_OK);
    assert_int_equal(pu_parameters_allocate(more, 9), PU_OK);
    assert_int_equal(pu_parameter_get(few, 0, &a), PU_OK);
    assert_int_equal(pu_parameter_get(more, 2, &b), PU_OK);
    assert_int_equal(pu_parameter_get(more, 0, &c), PU_OK);
    assert_int_equal(pu_parameter_get(more, 3, &c), PU_ERR_ARGUMENT);
    assert_true(c.offset >= b.offset + b.count); /* what decays comes first */
    assert_int_equal(c.offset, more->decay_count);
    float *small = values_of(few), *large = values_of(more);
    assert_memory_equal(small + a.offset, large + b.offset, 6000 * sizeof(float));
    const double bound = sqrt(6.0 / 160.0);
    double sum = 0, square = 0;
    for (int i = 0; i < 6000; ++i) {
        assert_true(fabs((double)small[i]) <= bound * (1 + 1e-6));
        sum += (double)small[i];
        square += (double)small[i] * (double)small[i];
    }
    /* Mean 0 and variance bound^2 / 3, each within five standard errors. */
    assert_true(fabs(sum / 6000) < 5 * bound / sqrt(3.0 * 6000));
    assert_true(fabs(square / 6000 - bound * bound / 3) < 5 * bound * bound * sqrt(4.0 / 45.0 / 6000));
    for (int i = 0; i < 5; ++i) assert_true(large[c.offset + i] == 1.0f);
    assert_int_equal(pu_parameter_declare(few, "late", S1(1), PU_INIT_ONE, 1, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameters_allocate(few, 9), PU_ERR_ARGUMENT);
    pu_free(small);
    pu_free(large);
    pu_parameters_free(few);
    pu_parameters_free(more);
    pu_device_close(device);
}

static void wrong_parameters_are_refused(void **state) {
    (void)state;
    pu_device *device = NULL;
    pu_parameters *p = NULL;
    float value = 0;
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &p), PU_OK);
    assert_int_equal(pu_parameter_declare(p, "w", S1(3), PU_INIT_ONE, 1, 0), PU_OK);
    assert_int_equal(pu_parameter_declare(p, "w", S1(3), PU_INIT_ONE, 1, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameter_declare(p, "", S1(3), PU_INIT_ONE, 1, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameter_declare(p, "zero", S2(3, 0), PU_INIT_ONE, 1, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameter_declare(p, "huge", S2(INT64_MAX, 4), PU_INIT_ONE, 1, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameter_declare(p, "nan", S1(3), PU_INIT_NORMAL, NAN, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_parameters_read(p, PU_PART_VALUE, &value), PU_ERR_ARGUMENT);
    pu_graph *graph = NULL;
    pu_program *program = NULL;
    assert_int_equal(pu_graph_new(p, &graph), PU_OK);
    assert_int_equal(pu_compile(graph, &program), PU_ERR_ARGUMENT);
    pu_graph_free(graph);
    pu_parameters_free(p);
    pu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_graphs_name_the_fault),
        cmocka_unit_test(order_of_calls),
        cmocka_unit_test(builders_leave_out_what_does_nothing),
        cmocka_unit_test(every_dropout_has_its_own_tag),
        cmocka_unit_test(dead_nodes_do_not_run),
        cmocka_unit_test(random_plans_are_sound),
        cmocka_unit_test(a_training_step_shares_memory),
        cmocka_unit_test(parameters_start_from_seed_and_name),
        cmocka_unit_test(wrong_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
