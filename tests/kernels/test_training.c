/* Training end to end on the CPU backend: a model with every differentiable op overfits a fixed batch, with the
 * same bits at 1 and 2 threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/backend.h"
#include "tests/support/op_reference.h"
#include "tests/support/small_model.h"

enum { STEPS = 400, VALUES_MAX = 20000 };
static const uint64_t seed = 20261123;
static const pu__small_model model = {.windows = 5,
                                      .window_bars = 13,
                                      .features = 7,
                                      .channels = 32,
                                      .horizons = 2,
                                      .quantiles = 3,
                                      .dropout = 0.0f};

typedef struct outcome {
    float first, last, best;
    float value[VALUES_MAX];
} outcome;

static void train(const pu__small_model *m, int threads, int steps, outcome *out) {
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu__small_graph small;
    assert_int_equal(pu_device_open("cpu", threads, &device), PU_OK);
    assert_int_equal(pu__small_parameters(m, device, seed, &parameters), PU_OK);
    if (pu__small_build(m, parameters, true, &small) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__small_feed(m, &small, seed), PU_OK);
    out->best = INFINITY;
    for (int step = 1; step <= steps; ++step) {
        float stats[4];
        const float lr = 1e-2f * fminf(1.0f, (float)step / 20.0f) * (step > steps / 2 ? 0.2f : 1.0f);
        if (pu__small_step(m, &small, (uint64_t)step, lr, &out->last, stats) != PU_OK)
            fail_msg("%s", pu_error_message());
        if (step == 1) out->first = out->last;
        out->best = fminf(out->best, out->last);
        assert_true(isfinite(stats[0]) && stats[0] > 0.0f && stats[1] > 0.0f && stats[1] <= 1.0f &&
                    stats[2] == 0.0f);
    }
    assert_true(pu_parameters_count(parameters) <= VALUES_MAX);
    memset(out->value, 0, sizeof out->value);
    assert_int_equal(pu_parameters_read(parameters, PU_PART_VALUE, out->value), PU_OK);
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
}

static outcome one, two;

/* Pinball loss of targets with a deviation of about 0.7 starts near 0.3 for three quantiles; a model that only
 * learns the quantiles of the targets stays above half of that. */
static void a_fixed_batch_is_learnt(void **state) {
    (void)state;
    train(&model, 1, STEPS, &one);
    print_message("seed %llu: pinball loss %.5f -> %.5f in %d steps\n", (unsigned long long)seed,
                  (double)one.first, (double)one.last, STEPS);
    assert_true(one.last < 0.1f * one.first);
}

static void same_bits_at_two_threads(void **state) {
    (void)state;
    pu__small_model noisy = model;
    noisy.dropout = 0.2f;
    noisy.normalised = true;
    train(&noisy, 1, 40, &one);
    train(&noisy, 2, 40, &two);
    assert_memory_equal(one.value, two.value, sizeof one.value);
    assert_memory_equal(&one.last, &two.last, sizeof one.last);
    assert_true(one.last != one.first);
}

/* The same model on kernels that are the naive float evaluation of the formulas. */
static pu_status naive_kernel(const pu__call *call) {
    float *out[PU_MAX_OUT];
    for (int i = 0; i < call->out_count; ++i) out[i] = call->out[i].data;
    pu__op_naive(call, out);
    return PU_OK;
}

static void training_matches_plain_kernels(void **state) {
    (void)state;
    static pu__kernel_entry kernels[PU_OP_COUNT];
    for (int op = 0; op < PU_OP_COUNT; ++op) kernels[op].kernel = naive_kernel;
    pu__backend naive = *pu__cpu_backend();
    naive.kernels = kernels;
    pu_device *judged = NULL, *judge = NULL;
    pu__small_model noisy = model;
    noisy.dropout = 0.1f;
    noisy.normalised = true;
    assert_int_equal(pu_device_open("cpu", 2, &judged), PU_OK);
    assert_int_equal(pu__device_open_backend(&naive, 0, 1, &judge), PU_OK);
    if (pu__small_compare(&noisy, judged, judge, 10) != PU_OK) fail_msg("%s", pu_error_message());
    pu_device_close(judged);
    pu_device_close(judge);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_batch_is_learnt),
        cmocka_unit_test(same_bits_at_two_threads),
        cmocka_unit_test(training_matches_plain_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
