/* The fused addition of a branch and layer norm beside the chain it stands for (dropout, add, layer norm), on the CPU:
 * the same bits in the forecasts and in every gradient, at every instruction set of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/isa_select.h"
#include "plusultra/graph.h"
#include "plusultra/memory.h"

enum { BLOCK_MAX = 40000, ROWS = 33 };

typedef struct outcome {
    float gradient[BLOCK_MAX], loss;
    int launches;
} outcome;

static outcome fused_outcome, chain_outcome;

static pu_tensor *normalise(pu_graph *graph, bool fused, pu_tensor **h, pu_tensor *branch, pu_tensor *clock,
                            float rate) {
    pu_tensor *gain = pu_graph_parameter(graph, "gain"), *bias = pu_graph_parameter(graph, "bias");
    if (fused) return pu_add_layer_norm(graph, *h, branch, gain, bias, 1e-5f, clock, rate, h);
    *h = pu_add(graph, *h, clock ? pu_dropout(graph, branch, clock, rate) : branch);
    return pu_layer_norm(graph, *h, gain, bias, 1e-5f);
}

/* Two blocks, so that the first sum has a reader besides its norm. */
static void run(int64_t width, float rate, bool fused, int threads, outcome *out) {
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu_graph *graph = NULL;
    pu_program *program = NULL;
    const uint64_t seed_and_step[2] = {12, 345};
    assert_int_equal(pu_device_open("cpu", threads, &device), PU_OK);
    assert_int_equal(pu_parameters_new(device, &parameters), PU_OK);
    static const char *const name[] = {"stream", "branch"};
    for (int i = 0; i < 2; ++i) {
        assert_int_equal(pu_parameter_declare(parameters, name[i], PU_SHAPE2(ROWS, width), PU_INIT_NORMAL, 1, 0),
                         PU_OK);
    }
    assert_int_equal(pu_parameter_declare(parameters, "gain", PU_SHAPE1(width), PU_INIT_NORMAL, 1, 0), PU_OK);
    assert_int_equal(pu_parameter_declare(parameters, "bias", PU_SHAPE1(width), PU_INIT_NORMAL, 1, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(parameters, 9), PU_OK);
    assert_int_equal(pu_graph_new(parameters, &graph), PU_OK);
    pu_tensor *clock = rate > 0 ? pu_graph_input(graph, "clock", PU_U64, PU_SHAPE1(2)) : NULL;
    pu_tensor *h = pu_graph_parameter(graph, "stream"), *branch = pu_graph_parameter(graph, "branch");
    pu_tensor *u = normalise(graph, fused, &h, branch, clock, rate);
    u = normalise(graph, fused, &h, pu_mul(graph, u, branch), clock, rate);
    u = normalise(graph, fused, &h, pu_act_of(graph, u, PU_ACT_TANH), clock, rate);
    pu_tensor *target = pu_graph_input(graph, "target", PU_F32, PU_SHAPE2(ROWS, width));
    const pu_attributes loss = {.loss = {.kind = PU_LOSS_MSE, .horizons = (int)width, .quantiles = 1}};
    pu_tensor *value = pu_loss_of(graph, u, target, pu_affine(graph, target, 0, 1), &loss);
    assert_int_equal(pu_graph_output(graph, value), PU_OK);
    assert_int_equal(pu_gradients(graph, value), PU_OK);
    if (pu_compile(graph, &program) != PU_OK) fail_msg("%s", pu_error_message());
    if (clock) assert_int_equal(pu_program_write(program, clock, seed_and_step), PU_OK);
    assert_int_equal(pu_program_run(program), PU_OK);
    assert_int_equal(pu_program_read(program, value, &out->loss), PU_OK);
    assert_true(pu_parameters_count(parameters) <= BLOCK_MAX);
    assert_int_equal(pu_parameters_read(parameters, PU_PART_GRADIENT, out->gradient), PU_OK);
    out->launches = pu_program_launches(program);
    pu_program_free(program);
    pu_graph_free(graph);
    pu_parameters_free(parameters);
    pu_device_close(device);
}

static void fused_is_the_chain_bit_for_bit(void **state) {
    (void)state;
    static const int64_t width[] = {1, 7, 16, 31, 64, 66, 128, 259};
    static const float rate[] = {0.0f, 0.1f, 0.5f};
    for (int isa = PU_ISA_BASE; isa <= (int)PU_ISA_AVX512; ++isa) {
        pu__isa_limit((pu__isa)isa);
        for (int w = 0; w < 8; ++w) {
            for (int r = 0; r < 3; ++r) {
                memset(&fused_outcome, 0, sizeof fused_outcome);
                memset(&chain_outcome, 0, sizeof chain_outcome);
                run(width[w], rate[r], true, 2, &fused_outcome);
                run(width[w], rate[r], false, 1, &chain_outcome);
                if (memcmp(fused_outcome.gradient, chain_outcome.gradient, sizeof fused_outcome.gradient) != 0 ||
                    memcmp(&fused_outcome.loss, &chain_outcome.loss, sizeof(float)) != 0) {
                    fail_msg("%s, width %lld, rate %g: other bits", pu__isa_name((pu__isa)isa),
                             (long long)width[w], (double)rate[r]);
                }
                assert_true(fused_outcome.launches < chain_outcome.launches);
            }
        }
    }
    pu__isa_limit(PU_ISA_AVX512);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_is_the_chain_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
