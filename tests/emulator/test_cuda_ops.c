/* Every CUDA kernel, emulated, on every case of the op table: within tolerance of the float64 reference, no
 * fault, the same bits under every order of threads and blocks, and in agreement with the CPU twin, which the
 * same judge passes. And no bar that depends on a later one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator.h"
#include "tests/support/op_cases.h"

enum { ORDERS = 4 };
static const struct {
    const char *name;
    pu__order order;
    uint64_t seed;
} orders[ORDERS] = {{"forward", PU__ORDER_FORWARD, 0},
                    {"reverse", PU__ORDER_REVERSE, 0},
                    {"random, seed 1", PU__ORDER_RANDOM, 1},
                    {"random, seed 2", PU__ORDER_RANDOM, 2}};

static pu_device *device;

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    pu__op_poison = pu__emulator_poison;
    return pu_device_open("cuda", 0, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return pu__emulator_live() == 0 ? 0 : -1;
}

/* After a fault the device is lost, as a real one is: the next case gets a new one. */
static void renew_device(void) {
    for (int i = 0; i < pu__emulator_faults() && i < 2; ++i)
        if (pu__emulator_fault(i)) print_error("    %s\n", pu__emulator_fault(i)->text);
    pu__emulator_reset();
    pu_device_close(device);
    if (pu_device_open("cuda", 0, &device) != PU_OK) fail_msg("%s", pu_error_message());
}

static bool run(const pu__op_case *op_case, int order, pu__op_result *result) {
    pu__emulator_set_order(orders[order].order, orders[order].seed + op_case->seed);
    const pu_status status = pu__op_case_run(op_case, device, NULL, result);
    if (status == PU_OK && pu__emulator_faults() == 0) return true;
    print_error("%s, seed %#llx, order %s: %s\n", op_case->name, (unsigned long long)op_case->seed,
                orders[order].name, status == PU_OK ? "faults" : pu_error_message());
    renew_device();
    if (status == PU_OK) pu__op_result_free(result);
    return false;
}

static bool same_bits(const pu__op_result *a, const pu__op_result *b) {
    for (int i = 0; i < a->out_count; ++i)
        if (memcmp(a->out[i], b->out[i], (size_t)a->count[i] * sizeof(float)) != 0) return false;
    return true;
}

static int check(const pu__op_case *op_case) {
    pu__op_result first, other;
    if (!run(op_case, 0, &first)) return 1;
    int failures = 0;
    if (pu__op_case_judge(op_case, &first) != PU_OK) {
        print_error("seed %#llx: %s\n", (unsigned long long)op_case->seed, pu_error_message());
        failures = 1;
    }
    /* The sanitizers are slow and judge memory, whose order ThreadSanitizer knows without running it. */
    const pu__sight sight = pu__emulator_sight();
    const int step = sight == PU__SEES_ACCESSES ? 1 : sight == PU__SEES_RACES ? ORDERS : ORDERS - 1;
    for (int order = step; order < ORDERS && failures == 0; order += step) {
        if (!run(op_case, order, &other)) {
            failures = 1;
            continue;
        }
        if (!same_bits(&first, &other)) {
            print_error("%s: the bits depend on the order of threads (%s)\n", op_case->name, orders[order].name);
            failures = 1;
        }
        pu__op_result_free(&other);
    }
    pu__op_result_free(&first);
    return failures;
}

/* PU_OPS=name[,name...] in the environment narrows the run. */
static bool wanted(const char *name) {
    const char *list = getenv("PU_OPS");
    if (!list) return true;
    const size_t length = strlen(name);
    for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ',')) return true;
    return false;
}

static void test_kernels(void **state) {
    (void)state;
    int count = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i)
        if (wanted(pu_op_name(cases[i].op))) failures += check(&cases[i]);
    print_message("%d cases\n", count);
    assert_int_equal(failures, 0);
}

/* cuBLASLt need not have an algorithm for every epilogue; then the activation is a launch of its own. */
static void test_products_without_activations(void **state) {
    (void)state;
    if (!wanted("gemm")) skip();
    int count = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    renew_device(); /* what it chose before is kept */
    pu__emulator_set_activations(false);
    for (int i = 0; i < count; ++i)
        if (cases[i].op == PU_OP_GEMM && cases[i].attributes.gemm.act == PU_ACT_GELU) failures += check(&cases[i]);
    renew_device();
    assert_int_equal(failures, 0);
}

/* Under one order, and judged by the bits alone: memory was looked at above. */
static void test_the_future_changes_nothing(void **state) {
    (void)state;
    if (pu__emulator_sight() != PU__SEES_ACCESSES) skip();
    int count = 0, promised = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i) {
        if (!wanted(pu_op_name(cases[i].op)) || !pu__op_case_promises_causality(&cases[i])) continue;
        ++promised;
        pu__emulator_set_order(PU__ORDER_REVERSE, cases[i].seed);
        if (pu__op_case_causal(&cases[i], device) == PU_OK && pu__emulator_faults() == 0) continue;
        print_error("seed %#llx: %s\n", (unsigned long long)cases[i].seed, pu_error_message());
        renew_device();
        ++failures;
    }
    print_message("%d cases\n", promised);
    assert_int_equal(failures, 0);
}

static void test_every_op_is_supported(void **state) {
    (void)state;
    for (int op = 0; op < PU_OP_COUNT; ++op) assert_true(pu_device_supports(device, (pu_op_id)op));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_is_supported), cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_products_without_activations), cmocka_unit_test(test_the_future_changes_nothing)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
