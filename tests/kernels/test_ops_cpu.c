/* Every CPU kernel on every case, under every instruction set of this processor: against the double reference, between
 * guard zones, the same bits at 1 and 2 threads, and no bar that depends on a later one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/isa_select.h"
#include "tests/support/op_cases.h"

static pu_device *device[2];

static int open_devices(void **state) {
    (void)state;
    return pu_device_open("cpu", 1, &device[0]) != PU_OK || pu_device_open("cpu", 2, &device[1]) != PU_OK;
}

static int close_devices(void **state) {
    (void)state;
    pu_device_close(device[0]);
    pu_device_close(device[1]);
    return 0;
}

static void every_op_has_cases(void **state) {
    (void)state;
    int count = 0, seen[PU_OP_COUNT] = {0};
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) ++seen[cases[i].op];
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (seen[op] < 5) fail_msg("%s has %d cases, at least 5 are wanted", pu_op_name((pu_op_id)op), seen[op]);
        assert_true(pu_device_supports(device[0], (pu_op_id)op));
    }
}

/* Of one instruction set after the other; the processor may have fewer. */
static void for_each_isa(void (*check)(void)) {
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() == (pu__isa)isa) check();
    }
    pu__isa_limit(PU_ISA_AVX512);
}

static void match_the_reference(void) {
    int count = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) {
        if (pu__op_case_test(&cases[i], device[1], NULL) == PU_OK) continue;
        ++failures;
        print_error("%s, seed %#llx: %s\n", pu__isa_name(pu__isa_used()), (unsigned long long)cases[i].seed,
                    pu_error_message());
    }
    print_message("%s: %d cases\n", pu__isa_name(pu__isa_used()), count);
    assert_int_equal(failures, 0);
}

static void kernels_match_the_reference(void **state) {
    (void)state;
    for_each_isa(match_the_reference);
}

static void repeat_their_bits(void) {
    int count = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) {
        pu__op_result one, two;
        assert_int_equal(pu__op_case_run(&cases[i], device[0], NULL, &one), PU_OK);
        assert_int_equal(pu__op_case_run(&cases[i], device[1], NULL, &two), PU_OK);
        for (int k = 0; k < one.out_count; ++k) {
            if (memcmp(one.out[k], two.out[k], (size_t)one.count[k] * sizeof(float)) != 0) {
                fail_msg("%s, %s: output %d differs between 1 and 2 threads", cases[i].name,
                         pu__isa_name(pu__isa_used()), k);
            }
        }
        pu__op_result_free(&one);
        pu__op_result_free(&two);
    }
}

static void same_bits_at_any_thread_count(void **state) {
    (void)state;
    for_each_isa(repeat_their_bits);
}

/* test_attention, test_conv and test_s4 look at this under the other instruction sets. */
static void the_future_changes_nothing(void **state) {
    (void)state;
    int count = 0, promised = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) {
        if (!pu__op_case_promises_causality(&cases[i])) continue;
        ++promised;
        if (pu__op_case_causal(&cases[i], device[1]) != PU_OK) fail_msg("%s", pu_error_message());
    }
    assert_true(promised > 100);
}

/* The judge must be able to fail: a kernel that is wrong in its last element, one that writes past its output, one
 * that leaves an element unwritten, one that writes to an input. */
static pu__kernel honest;
static int fault;

static pu_status faulty(const pu__call *call) {
    PU_TRY(honest(call));
    float *y = call->out[0].data;
    const int64_t n = pu__count(&call->out[0].shape);
    if (fault == 0) y[n - 1] += 1e-4f;
    if (fault == 1) y[n + 70] = 1.0f;
    if (fault == 2) memset(&y[n / 2], 0xff, sizeof *y);
    if (fault == 3) ((float *)call->in[0].data)[0] += 1.0f;
    return PU_OK;
}

static void faults_are_found(void **state) {
    (void)state;
    int count = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    static const pu_status expected[] = {PU_ERR_DATA, PU_ERR_CORRUPT, PU_ERR_DATA, PU_ERR_CORRUPT};
    for (int i = 0; i < count; ++i) {
        if (cases[i].op != PU_OP_GEMM || strcmp(cases[i].name, "gemm [65,33] [33,31]") != 0) continue;
        const pu__kernel_entry *entry = &device[0]->backend->kernels[PU_OP_GEMM];
        const pu__kernel_entry wrong = {faulty, entry->workspace};
        honest = entry->kernel;
        for (fault = 0; fault < 4; ++fault) {
#ifdef PU__ADDRESS_SANITIZER
            if (fault == 1) continue; /* the poisoned guard zone stops the process, as it should */
#endif
            assert_int_equal(pu__op_case_test(&cases[i], device[0], &wrong), expected[fault]);
        }
        return;
    }
    fail_msg("the gemm case is gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_cases),
        cmocka_unit_test(kernels_match_the_reference),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(the_future_changes_nothing),
        cmocka_unit_test(faults_are_found),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
