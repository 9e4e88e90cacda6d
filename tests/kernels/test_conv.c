/* Convolutions on the CPU, beyond their values (test_ops_cpu): a row has the same bits in a longer window, beside
 * other windows and whatever comes after it, even a NaN; the gradient of an input has the same bits whatever comes
 * before it; a depthwise convolution is the dense one whose weights are diagonal. Under every instruction set of this
 * processor. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/isa_select.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_dense.h"
#include "plusultra/graph.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

static const uint64_t seed = 20261123;

static float *floats(int64_t count) {
    float *out = pu_calloc((size_t)(count > 0 ? count : 1), sizeof *out);
    assert_non_null(out);
    return out;
}

static float *normal(int64_t count, uint64_t stream) {
    float *x = floats(count);
    pu_random random = pu_random_at(seed, stream);
    for (int64_t i = 0; i < count; ++i) x[i] = (float)pu_random_normal(&random);
    return x;
}

typedef struct layer {
    bool dense;
    int64_t channels, taps; /* as many outputs as inputs */
    pu_attributes attributes;
    float *weight, *bias;
} layer;

static layer layer_new(bool dense, int64_t channels, int taps, int groups, int dilation, pu_act act) {
    layer l = {.dense = dense, .channels = channels, .taps = taps};
    l.attributes.conv.kernel_bars = taps;
    l.attributes.conv.groups = groups;
    l.attributes.conv.act = act;
    for (int g = 0; g < groups; ++g) l.attributes.conv.dilation[g] = dilation << g;
    l.weight = normal(taps * channels * (dense ? channels : 1), 10);
    l.bias = normal(channels, 11);
    return l;
}

static void layer_free(layer *l) {
    pu_free(l->weight);
    pu_free(l->bias);
}

static void run(const layer *l, pu__call *call, const float *first, const float *x, int64_t windows, int64_t bars,
                pu__kernel kernel, pu__workspace workspace) {
    const pu_shape shape = PU_SHAPE3(windows, bars, l->channels);
    const pu_shape w = l->dense ? PU_SHAPE3(l->taps, l->channels, l->channels) : PU_SHAPE2(l->taps, l->channels);
    call->attributes = &l->attributes;
    int in = 0;
    if (first) call->in[in++] = (pu__view){(void *)first, shape};
    call->in[in++] = (pu__view){(void *)x, shape};
    call->in[in++] = (pu__view){l->weight, w};
    if (!first) call->in[in++] = (pu__view){l->bias, PU_SHAPE1(l->channels)};
    call->in_count = in;
    call->out[0].shape = shape;
    call->out[1].shape = first ? w : shape;
    call->out[2].shape = PU_SHAPE1(l->channels);
    call->workspace_bytes = workspace ? workspace(call) : 0;
    call->workspace = floats((int64_t)call->workspace_bytes / 4 + 1);
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(2, &pool), PU_OK);
    call->pool = pool;
    assert_int_equal(kernel(call), PU_OK);
    pu_pool_free(pool);
    pu_free(call->workspace);
}

static float *forward(const layer *l, const float *x, int64_t windows, int64_t bars) {
    float *y = floats(windows * bars * l->channels);
    pu__call call = {.op = l->dense ? PU_OP_CONV_DENSE : PU_OP_CONV, .out_count = 1, .out = {{y, {0}}}};
    run(l, &call, NULL, x, windows, bars, l->dense ? pu__conv_dense_cpu : pu__conv_cpu,
        l->dense ? pu__conv_dense_workspace_cpu : NULL);
    return y;
}

/* dx; dw and dbias go to `slopes`, behind one another. */
static float *backward(const layer *l, const float *dz, const float *x, int64_t windows, int64_t bars,
                       float *slopes) {
    float *dx = floats(windows * bars * l->channels);
    const int64_t weights = l->taps * l->channels * (l->dense ? l->channels : 1);
    pu__call call = {.op = l->dense ? PU_OP_CONV_DENSE_GRAD : PU_OP_CONV_GRAD,
                     .out_count = 3,
                     .out = {{dx, {0}}, {slopes, {0}}, {slopes + weights, {0}}}};
    run(l, &call, dz, x, windows, bars, l->dense ? pu__conv_dense_grad_cpu : pu__conv_grad_cpu,
        l->dense ? pu__conv_dense_grad_workspace_cpu : pu__conv_grad_workspace_cpu);
    return dx;
}

static void for_each_isa(void (*check)(void)) {
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() == (pu__isa)isa) check();
    }
    pu__isa_limit(PU_ISA_AVX512);
}

static const struct sizes {
    bool dense;
    int channels, taps, groups, dilation;
    pu_act act;
} sizes[] = {{false, 40, 3, 2, 1, PU_ACT_NONE},  {false, 19, 7, 1, 5, PU_ACT_GELU},
             {false, 64, 2, 4, 16, PU_ACT_SILU}, {true, 35, 3, 1, 4, PU_ACT_NONE},
             {true, 16, 5, 1, 1, PU_ACT_TANH},   {true, 7, 2, 1, 50, PU_ACT_GELU}};

static void rows_stand_alone_once(void) {
    enum { WINDOWS = 3, BARS = 67, LONGER = 150, CUT = 41 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
        layer l = layer_new(sizes[s].dense, sizes[s].channels, sizes[s].taps, sizes[s].groups, sizes[s].dilation,
                            sizes[s].act);
        const int64_t row = l.channels, short_window = BARS * row, long_window = LONGER * row;
        float *x = normal(WINDOWS * long_window, 1), *alone = floats(short_window);
        float *whole = forward(&l, x, WINDOWS, LONGER);
        for (int b = 0; b < WINDOWS; ++b) {
            for (int changed = 0; changed < 2; ++changed) {
                memcpy(alone, x + b * long_window, (size_t)short_window * sizeof *x);
                for (int64_t i = CUT * row; changed && i < short_window; ++i) alone[i] = NAN;
                float *y = forward(&l, alone, 1, BARS);
                assert_memory_equal(y, whole + b * long_window,
                                    (size_t)((changed ? CUT : BARS) * row) * sizeof *y);
                for (int64_t i = CUT * row; changed && i < short_window; ++i) assert_true(isnan(y[i]));
                pu_free(y);
            }
        }
        pu_free(x);
        pu_free(alone);
        pu_free(whole);
        layer_free(&l);
    }
}

static void rows_stand_alone(void **state) {
    (void)state;
    for_each_isa(rows_stand_alone_once);
}

/* dx[t] needs dz from t on: what comes before changes no bit of it; and a window beside it neither. */
static void slopes_look_ahead_only_once(void) {
    enum { WINDOWS = 2, BARS = 90, CUT = 33 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
        layer l = layer_new(sizes[s].dense, sizes[s].channels, sizes[s].taps, sizes[s].groups, sizes[s].dilation,
                            PU_ACT_NONE);
        const int64_t window = BARS * l.channels;
        float *x = normal(WINDOWS * window, 1), *dz = normal(WINDOWS * window, 2);
        float *slopes = floats((l.taps * l.channels + 1) * l.channels);
        float *dx = backward(&l, dz, x, WINDOWS, BARS, slopes);
        for (int64_t i = 0; i < window + CUT * l.channels; ++i) dz[i] = NAN;
        float *changed = backward(&l, dz, x, WINDOWS, BARS, slopes);
        const int64_t from = window + CUT * l.channels;
        assert_memory_equal(dx + from, changed + from, (size_t)(WINDOWS * window - from) * sizeof *dx);
        assert_true(isnan(changed[from - 1]));
        pu_free(x);
        pu_free(dz);
        pu_free(slopes);
        pu_free(dx);
        pu_free(changed);
        layer_free(&l);
    }
}

static void slopes_look_ahead_only(void **state) {
    (void)state;
    for_each_isa(slopes_look_ahead_only_once);
}

/* The dense sums have further terms of 0, and bias is added last: they round differently, K + 1 roundings of sums of
 * order K. dw sums B T products of order 1. */
static void diagonal_weights_are_depthwise_once(void) {
    enum { WINDOWS = 3, BARS = 50, CHANNELS = 21, TAPS = 4 };
    layer deep = layer_new(false, CHANNELS, TAPS, 1, 3, PU_ACT_NONE);
    layer dense = layer_new(true, CHANNELS, TAPS, 1, 3, PU_ACT_NONE);
    memset(dense.weight, 0, TAPS * CHANNELS * CHANNELS * sizeof *dense.weight);
    for (int i = 0; i < TAPS * CHANNELS; ++i) dense.weight[i * CHANNELS + i % CHANNELS] = deep.weight[i];
    const int64_t count = WINDOWS * BARS * CHANNELS;
    float *x = normal(count, 1), *dz = normal(count, 2);
    float *of_deep = floats((TAPS + 1) * CHANNELS), *of_dense = floats((TAPS * CHANNELS + 1) * CHANNELS);
    float *result[2][2] = {{forward(&deep, x, WINDOWS, BARS), backward(&deep, dz, x, WINDOWS, BARS, of_deep)},
                           {forward(&dense, x, WINDOWS, BARS), backward(&dense, dz, x, WINDOWS, BARS, of_dense)}};
    for (int64_t i = 0; i < count; ++i) {
        for (int r = 0; r < 2; ++r) assert_true(fabsf(result[0][r][i] - result[1][r][i]) < 1e-5f);
    }
    for (int i = 0; i < TAPS * CHANNELS; ++i)
        assert_true(fabsf(of_deep[i] - of_dense[i * CHANNELS + i % CHANNELS]) < 1e-4f);
    for (int c = 0; c < CHANNELS; ++c)
        assert_true(fabsf(of_deep[TAPS * CHANNELS + c] - of_dense[TAPS * CHANNELS * CHANNELS + c]) < 1e-4f);
    for (int r = 0; r < 2; ++r) {
        pu_free(result[0][r]);
        pu_free(result[1][r]);
    }
    pu_free(x);
    pu_free(dz);
    pu_free(of_deep);
    pu_free(of_dense);
    layer_free(&deep);
    layer_free(&dense);
}

static void diagonal_weights_are_depthwise(void **state) {
    (void)state;
    for_each_isa(diagonal_weights_are_depthwise_once);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_alone),
        cmocka_unit_test(slopes_look_ahead_only),
        cmocka_unit_test(diagonal_weights_are_depthwise),
    };
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
