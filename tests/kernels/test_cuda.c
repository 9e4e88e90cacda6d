/* Every CUDA kernel and a training step on this machine's GPU, against the double reference and the CPU backend.
 * Skipped where no GPU answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/op_cases.h"
#include "tests/support/small_model.h"

static pu_device *gpu;

static int open_gpu(void **state) {
    (void)state;
    const pu_status status = pu_device_open("cuda", 0, &gpu);
    if (status != PU_OK) print_message("skipped: %s\n", pu_error_message());
    return status != PU_OK && status != PU_ERR_DEVICE && status != PU_ERR_UNSUPPORTED;
}

static int close_gpu(void **state) {
    (void)state;
    pu_device_close(gpu);
    return 0;
}

static void kernels_match_the_reference(void **state) {
    (void)state;
    if (!gpu) skip();
    int count = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    print_message("%s\n", pu_device_description(gpu));
    for (int i = 0; i < count; ++i) {
        if (pu__op_case_test(&cases[i], gpu, NULL) == PU_OK) continue;
        ++failures;
        print_error("seed %#llx: %s\n", (unsigned long long)cases[i].seed, pu_error_message());
    }
    assert_int_equal(failures, 0);
}

static void kernels_repeat_their_bits(void **state) {
    (void)state;
    if (!gpu) skip();
    int count = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) {
        pu__op_result first, second;
        assert_int_equal(pu__op_case_run(&cases[i], gpu, NULL, &first), PU_OK);
        assert_int_equal(pu__op_case_run(&cases[i], gpu, NULL, &second), PU_OK);
        for (int k = 0; k < first.out_count; ++k) {
            assert_memory_equal(first.out[k], second.out[k], (size_t)first.count[k] * sizeof(float));
        }
        pu__op_result_free(&first);
        pu__op_result_free(&second);
    }
}

static void a_training_run_matches_the_cpu(void **state) {
    (void)state;
    if (!gpu) skip();
    static const pu__small_model model = {.windows = 5,
                                          .window_bars = 17,
                                          .features = 7,
                                          .channels = 32,
                                          .horizons = 2,
                                          .quantiles = 3,
                                          .dropout = 0.1f,
                                          .normalised = true};
    pu_device *cpu = NULL;
    assert_int_equal(pu_device_open("cpu", 0, &cpu), PU_OK);
    if (pu__small_compare(&model, gpu, cpu, 10) != PU_OK) fail_msg("%s", pu_error_message());
    pu_device_close(cpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_match_the_reference),
        cmocka_unit_test(kernels_repeat_their_bits),
        cmocka_unit_test(a_training_run_matches_the_cpu),
    };
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
