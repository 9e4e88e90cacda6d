/* State-space layers on the CPU, beyond their values (test_ops_cpu): window, convolution and step give the same
 * outputs; no later bar reaches an earlier one and no window another, not as a bit, not as a NaN; bits do not change
 * when the window grows; the initial frequencies are those of the paper. Under every instruction set of this
 * processor. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "kernels/common/isa_select.h"
#include "kernels/s4/s4.h"
#include "plusultra/graph.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

static const uint64_t seed = 20261123;

typedef struct layer {
    int64_t channels, states;
    pu_s4_discretisation discretisation;
    float *part[5]; /* log_step, rate, frequency, weight, skip */
    pu_shape shape[5];
} layer;

static float *floats(int64_t count) {
    float *out = pu_calloc((size_t)(count > 0 ? count : 1), sizeof *out);
    assert_non_null(out);
    return out;
}

static void fill_normal(float *x, int64_t count, uint64_t stream) {
    pu_random random = pu_random_at(seed, stream);
    for (int64_t i = 0; i < count; ++i) x[i] = (float)pu_random_normal(&random);
}

/* As a model starts: steps of 0.001 to 0.1, decays of 1/2, frequencies of S4D-Lin. */
static layer layer_new(int64_t channels, int64_t states, pu_s4_discretisation discretisation) {
    layer l = {.channels = channels, .states = states, .discretisation = discretisation};
    const pu_shape shape[] = {PU_SHAPE1(channels), PU_SHAPE2(states, channels), PU_SHAPE2(states, channels),
                              PU_SHAPE2(2 * states, channels), PU_SHAPE1(channels)};
    for (int i = 0; i < 5; ++i) {
        const int64_t count = shape[i].dim[0] * (shape[i].rank > 1 ? shape[i].dim[1] : 1);
        l.shape[i] = shape[i];
        l.part[i] = floats(count);
        fill_normal(l.part[i], count, 10 + (uint64_t)i);
        pu_random random = pu_random_at(seed, 20);
        for (int64_t j = 0; j < count; ++j) {
            if (i == 0) l.part[i][j] = (float)(log(1e-3) + pu_random_uniform(&random) * log(100.0));
            if (i == 1) l.part[i][j] = logf(0.5f);
            if (i == 2) l.part[i][j] = 3.14159265f * (float)(j / channels);
        }
    }
    return l;
}

static void layer_free(layer *l) {
    for (int i = 0; i < 5; ++i) pu_free(l->part[i]);
}

static void run_call(pu__call *call, pu_status (*kernel)(const pu__call *),
                     size_t (*workspace)(const pu__call *)) {
    call->workspace_bytes = workspace ? workspace(call) : 0;
    void *const memory = pu_calloc(1, call->workspace_bytes + 256);
    assert_non_null(memory);
    call->workspace = (void *)(((uintptr_t)memory + 255) / 256 * 256);
    assert_int_equal(kernel(call), PU_OK);
    pu_free(memory);
}

/* y[windows][bars][channels] of the window forms. */
static float *run_window(const layer *l, float *u, int64_t windows, int64_t bars, pu_s4_form form) {
    const pu_attributes attributes = {.s4 = {l->discretisation, form}};
    const pu_shape shape = PU_SHAPE3(windows, bars, l->channels);
    float *y = floats(windows * bars * l->channels);
    pu__call call = {.op = PU_OP_S4, .in_count = 6, .out_count = 1, .attributes = &attributes};
    call.in[0] = (pu__view){u, shape};
    for (int i = 0; i < 5; ++i) call.in[1 + i] = (pu__view){l->part[i], l->shape[i]};
    call.out[0] = (pu__view){y, shape};
    run_call(&call, pu__s4_cpu, pu__s4_workspace_cpu);
    return y;
}

/* The same, bar by bar. */
static float *run_steps(const layer *l, const float *u, int64_t windows, int64_t bars) {
    const pu_attributes attributes = {.s4 = {l->discretisation, PU_S4_AUTO}};
    const int64_t row = windows * l->channels, states = 2 * l->states * row;
    float *y = floats(row * bars), *in = floats(row), *out = floats(row), *state = floats(states),
          *next = floats(states);
    for (int64_t t = 0; t < bars; ++t) {
        for (int64_t i = 0; i < row; ++i) in[i] = u[(i / l->channels * bars + t) * l->channels + i % l->channels];
        pu__call call = {.op = PU_OP_S4_STEP, .in_count = 7, .out_count = 2, .attributes = &attributes};
        const pu_shape bar = PU_SHAPE2(windows, l->channels),
                       of_state = PU_SHAPE3(windows, 2 * l->states, l->channels);
        call.in[0] = (pu__view){in, bar};
        call.in[1] = (pu__view){state, of_state};
        for (int i = 0; i < 5; ++i) call.in[2 + i] = (pu__view){l->part[i], l->shape[i]};
        call.out[0] = (pu__view){out, bar};
        call.out[1] = (pu__view){next, of_state};
        run_call(&call, pu__s4_step_cpu, NULL);
        memcpy(state, next, (size_t)states * sizeof *state);
        for (int64_t i = 0; i < row; ++i) y[(i / l->channels * bars + t) * l->channels + i % l->channels] = out[i];
    }
    pu_free(in);
    pu_free(out);
    pu_free(state);
    pu_free(next);
    return y;
}

/* du, where dy is u too. */
static float *run_gradient(const layer *l, float *u, int64_t windows, int64_t bars, pu_s4_form form) {
    const pu_attributes attributes = {.s4 = {l->discretisation, form}};
    const pu_shape shape = PU_SHAPE3(windows, bars, l->channels);
    float *out[6];
    pu__call call = {.op = PU_OP_S4_GRAD, .in_count = 7, .out_count = 6, .attributes = &attributes};
    call.in[0] = call.in[1] = (pu__view){u, shape};
    for (int i = 0; i < 5; ++i) call.in[2 + i] = (pu__view){l->part[i], l->shape[i]};
    for (int i = 0; i < 6; ++i) {
        call.out[i].shape = i == 0 ? shape : l->shape[i - 1];
        out[i] = floats(pu__count(&call.out[i].shape));
        call.out[i].data = out[i];
    }
    run_call(&call, pu__s4_grad_cpu, pu__s4_grad_workspace_cpu);
    for (int i = 1; i < 6; ++i) pu_free(out[i]);
    return out[0];
}

static double largest(const float *x, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; ++i) most = fmax(most, fabs((double)x[i]));
    return most;
}

static void for_each_isa(void (*check)(void)) {
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() == (pu__isa)isa) check();
    }
    pu__isa_limit(PU_ISA_AVX512);
}

/* Rounding: a state is a sum of up to T terms of order 1, each rounded; the forms round differently, so they may
 * differ by T u of the largest output, u = 2^-24. */
static void forms_agree_once(void) {
    static const int64_t size[][4] = {{1, 1, 1, 1}, {3, 37, 5, 3}, {2, 200, 33, 16}, {5, 513, 4, 32}};
    for (int d = 0; d < 2; ++d) {
        for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
            const int64_t windows = size[s][0], bars = size[s][1], count = windows * bars * size[s][2];
            layer l = layer_new(size[s][2], size[s][3], (pu_s4_discretisation)d);
            float *u = floats(count);
            fill_normal(u, count, 1);
            float *scan = run_window(&l, u, windows, bars, PU_S4_SCAN);
            float *convolution = run_window(&l, u, windows, bars, PU_S4_CONVOLUTION);
            float *blocks = run_window(&l, u, windows, bars, PU_S4_BLOCKS);
            float *steps = run_steps(&l, u, windows, bars);
            const double allowed = (double)bars * 0x1p-24 * fmax(largest(scan, count), 1);
            for (int64_t i = 0; i < count; ++i) {
                const double by_convolution = fabs((double)scan[i] - (double)convolution[i]);
                const double by_blocks = fabs((double)scan[i] - (double)blocks[i]);
                const double by_step = fabs((double)scan[i] - (double)steps[i]);
                if (by_convolution > allowed || by_blocks > allowed || by_step > allowed) {
                    fail_msg("[%lld,%lld,%lld] %lld states, element %lld: scan %.9g, convolution %.9g, blocks "
                             "%.9g, steps %.9g",
                             (long long)windows, (long long)bars, (long long)size[s][2], (long long)size[s][3],
                             (long long)i, (double)scan[i], (double)convolution[i], (double)blocks[i],
                             (double)steps[i]);
                }
            }
            pu_free(u);
            pu_free(scan);
            pu_free(convolution);
            pu_free(blocks);
            pu_free(steps);
            layer_free(&l);
        }
    }
}

static void forms_agree(void **state) {
    (void)state;
    for_each_isa(forms_agree_once);
}

static void the_future_changes_nothing_once(void) {
    enum { WINDOWS = 5, BARS = 167, LONGER = 283, CHANNELS = 19, STATES = 6, CUT = 101 };
    layer l = layer_new(CHANNELS, STATES, PU_S4_ZERO_ORDER_HOLD);
    float *u = floats(WINDOWS * LONGER * CHANNELS), *whole = floats(WINDOWS * LONGER * CHANNELS);
    fill_normal(whole, WINDOWS * LONGER * CHANNELS, 2);
    for (int form = PU_S4_SCAN; form <= PU_S4_BLOCKS; ++form) {
        float *longer = run_window(&l, whole, WINDOWS, LONGER, (pu_s4_form)form);
        for (int changed = 0; changed < 2; ++changed) {
            for (int64_t i = 0; i < (int64_t)WINDOWS * BARS * CHANNELS; ++i) {
                const int64_t b = i / (BARS * CHANNELS), t = i / CHANNELS % BARS, c = i % CHANNELS;
                u[i] = changed && t > CUT ? NAN : whole[(b * LONGER + t) * CHANNELS + c];
            }
            float *y = run_window(&l, u, WINDOWS, BARS, (pu_s4_form)form);
            for (int64_t i = 0; i < (int64_t)WINDOWS * BARS * CHANNELS; ++i) {
                const int64_t b = i / (BARS * CHANNELS), t = i / CHANNELS % BARS, c = i % CHANNELS;
                if (changed && t > CUT) {
                    assert_true(isnan(y[i]));
                    continue;
                }
                assert_memory_equal(&y[i], &longer[(b * LONGER + t) * CHANNELS + c], sizeof *y);
            }
            pu_free(y);
        }
        pu_free(longer);
    }
    pu_free(u);
    pu_free(whole);
    layer_free(&l);
}

static void the_future_changes_nothing(void **state) {
    (void)state;
    for_each_isa(the_future_changes_nothing_once);
}

/* The bits of a window's y and du do not depend on the batch it stands in: not on how many windows are worked on at
 * once, and not on what they hold, numbers or not. */
static void other_windows_change_nothing_once(void) {
    enum { WINDOWS = 37, BARS = 131, CHANNELS = 19, STATES = 3, ROW = BARS * CHANNELS };
    static const int kept[] = {0, 3, 4, 36};
    layer l = layer_new(CHANNELS, STATES, PU_S4_BILINEAR);
    float *whole = floats(WINDOWS * ROW), *u = floats(WINDOWS * ROW);
    fill_normal(whole, WINDOWS * ROW, 3);
    for (int form = PU_S4_SCAN; form <= PU_S4_BLOCKS; ++form) {
        for (int gradient = 0; gradient < 2; ++gradient) {
            float *(*const run)(const layer *, float *, int64_t, int64_t, pu_s4_form) =
                gradient ? run_gradient : run_window;
            float *together = run(&l, whole, WINDOWS, BARS, (pu_s4_form)form);
            for (size_t k = 0; k < sizeof kept / sizeof kept[0]; ++k) {
                const int64_t first = (int64_t)kept[k] * ROW;
                for (int64_t i = 0; i < (int64_t)WINDOWS * ROW; ++i) u[i] = i / ROW == kept[k] ? whole[i] : NAN;
                float *spoilt = run(&l, u, WINDOWS, BARS, (pu_s4_form)form);
                float *alone = run(&l, u + first, 1, BARS, (pu_s4_form)form);
                assert_memory_equal(spoilt + first, together + first, ROW * sizeof *u);
                assert_memory_equal(alone, together + first, ROW * sizeof *u);
                pu_free(spoilt);
                pu_free(alone);
            }
            pu_free(together);
        }
    }
    pu_free(whole);
    pu_free(u);
    layer_free(&l);
}

static void other_windows_change_nothing(void **state) {
    (void)state;
    for_each_isa(other_windows_change_nothing_once);
}

/* Where the states decay within the window, the powers of a must end at zero and not among the denormal numbers, with
 * which a window takes a hundred times as long. The processor notes whether an operation met one. */
static void fast_decays_meet_no_denormal_number_once(void) {
#if defined(__SSE2__)
    enum { DENORMAL = 2, ALL = 63 };
    const int64_t windows = 5, bars = 300;
    layer l = layer_new(17, 3, PU_S4_ZERO_ORDER_HOLD);
    float *u = floats(windows * bars * l.channels);
    fill_normal(u, windows * bars * l.channels, 2);
    for (int64_t c = 0; c < l.channels; ++c) l.part[0][c] = (float)(c % 5); /* steps of 1 to 55 */
    _mm_setcsr(_mm_getcsr() & ~(unsigned)ALL);
    for (int form = PU_S4_CONVOLUTION; form <= PU_S4_BLOCKS; ++form) {
        pu_free(run_window(&l, u, windows, bars, (pu_s4_form)form));
        pu_free(run_gradient(&l, u, windows, bars, (pu_s4_form)form));
        assert_int_equal(_mm_getcsr() & DENORMAL, 0);
    }
    pu_free(u);
    layer_free(&l);
#endif
}

static void fast_decays_meet_no_denormal_number(void **state) {
    (void)state;
    for_each_isa(fast_decays_meet_no_denormal_number_once);
}

/* S4D-Lin: pi n. S4D-Inv: (M / pi) (M / (2n + 1) - 1), M = 2N: with M = 64 the first is 64 * 63 / pi and the last
 * 64 / (63 pi). */
static void initial_values(void **state) {
    (void)state;
    enum { STATES = 32, CHANNELS = 3 };
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &parameters), PU_OK);
    const pu_shape shape = PU_SHAPE2(STATES, CHANNELS);
    assert_int_equal(pu_parameter_declare(parameters, "lin", shape, PU_INIT_S4D_LIN, 1, 0), PU_OK);
    assert_int_equal(pu_parameter_declare(parameters, "inv", shape, PU_INIT_S4D_INV, 1, 0), PU_OK);
    assert_int_equal(pu_parameter_declare(parameters, "rate", shape, PU_INIT_CONSTANT, logf(0.5f), 0), PU_OK);
    assert_int_equal(pu_parameter_declare(parameters, "step", PU_SHAPE1(1024), PU_INIT_S4D_STEP, 1, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(parameters, 7), PU_OK);
    float *value = floats(pu_parameters_count(parameters));
    assert_int_equal(pu_parameters_read(parameters, PU_PART_VALUE, value), PU_OK);
    const double pi = acos(-1.0);
    for (int c = 0; c < CHANNELS; ++c) {
        const float *lin = value, *inv = value + STATES * CHANNELS, *rate = inv + STATES * CHANNELS;
        assert_true(lin[c] == 0);
        assert_true(fabs((double)lin[31 * CHANNELS + c] - 31 * pi) < 1e-4);
        assert_true(fabs((double)inv[c] - 64 * 63 / pi) < 1e-3);
        assert_true(fabs((double)inv[31 * CHANNELS + c] - 64 / (63 * pi)) < 1e-6);
        assert_true(rate[17 * CHANNELS + c] == logf(0.5f));
    }
    const float *step = value + 3 * STATES * CHANNELS;
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 1024; ++i) {
        low = fmin(low, exp((double)step[i]));
        high = fmax(high, exp((double)step[i]));
    }
    assert_true(low >= 0.000999 && low < 0.0011 && high <= 0.1001 && high > 0.09);
    pu_free(value);
    pu_parameters_free(parameters);
    pu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_agree),
        cmocka_unit_test(the_future_changes_nothing),
        cmocka_unit_test(other_windows_change_nothing),
        cmocka_unit_test(fast_decays_meet_no_denormal_number),
        cmocka_unit_test(initial_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
