/* The emulator on faulty kernels: copies of the real ones, each with one fault (mutants/mutants.txt). The cases
 * and orders that the real kernels pass must catch every one of them: by a fault, by a wrong value, or by bits
 * that depend on the order of threads. A mutant that survives is a hole in the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "emulator.h"
#include "kernels/attention/attention.h"
#include "plusultra/log.h"
#include "tests/support/op_cases.h"

#define PU_STALE(name)
#define PU_PATH_MUTANT(name) /* test_path_mutants.c */
#define PU_MUTANT(name, upper, op) pu_status name##_##op(const pu__call *call);
#define PU_MUTANT_WITH_WORKSPACE(name, upper, op) \
    PU_MUTANT(name, upper, op)                    \
    size_t name##_##op##_workspace(const pu__call *call);
#define PU_MUTANT_OF_HEAD(name, upper, op, part, size) PU_MUTANT(name, upper, op)
#include "mutants/mutants.inc"
#undef PU_STALE
#undef PU_MUTANT
#undef PU_MUTANT_WITH_WORKSPACE
#undef PU_MUTANT_OF_HEAD

static size_t attention_workspace(const pu__call *call) {
    return pu__is_attention_grad(call->op) ? pu__attention_grad_workspace_cuda(call) : 0;
}

static const struct mutant {
    const char *name;
    pu_op_id op;
    pu__kernel_entry entry;        /* no kernel: its text is no longer in the source */
    enum { rows = 1, units } part; /* of attention, in f32 or not: kernels of one head size */
    int head_size;
} mutants[] = {
#define PU_STALE(name) {#name, PU_OP_COUNT, {NULL, NULL}, 0, 0},
#define PU_MUTANT(name, upper, op) {#name, PU_OP_##upper, {name##_##op, NULL}, 0, 0},
#define PU_MUTANT_WITH_WORKSPACE(name, upper, op) \
    {#name, PU_OP_##upper, {name##_##op, name##_##op##_workspace}, 0, 0},
#define PU_MUTANT_OF_HEAD(name, upper, op, part, size) \
    {#name, PU_OP_##upper, {name##_##op, attention_workspace}, part, size},
#include "mutants/mutants.inc"
#undef PU_PATH_MUTANT
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0], ORDERS = 4 };

static pu_device *device;

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN); /* a lost device cannot be released without a warning */
    pu__op_poison = pu__emulator_poison;
    return pu_device_open("cuda", 0, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return 0;
}

static pu_status run(const pu__op_case *op_case, const pu__kernel_entry *entry, int order, pu__op_result *result) {
    pu__emulator_set_order(order == 0   ? PU__ORDER_FORWARD
                           : order == 1 ? PU__ORDER_REVERSE
                                        : PU__ORDER_RANDOM,
                           (uint64_t)order + op_case->seed);
    return pu__op_case_run(op_case, device, entry, result);
}

/* Runs a mutant on one case under one order. How it was caught, or null. */
static const char *caught(const struct mutant *mutant, const pu__op_case *op_case, int order) {
    static char text[PU__FAULT_TEXT_BYTES + 64];
    pu__op_result result;
    const pu_status status = run(op_case, &mutant->entry, order, &result);
    if (pu__emulator_faults() > 0) {
        snprintf(text, sizeof text, "%s", pu__emulator_fault(0)->text);
        if (status == PU_OK) pu__op_result_free(&result);
        pu__emulator_reset();
        pu_device_close(device);
        if (pu_device_open("cuda", 0, &device) != PU_OK) fail_msg("%s", pu_error_message());
        return text;
    }
    if (status != PU_OK) {
        snprintf(text, sizeof text, "%s", pu_error_message());
        return text;
    }
    const pu_status verdict = pu__op_case_judge(op_case, &result);
    pu__op_result_free(&result);
    if (verdict == PU_OK) return NULL;
    snprintf(text, sizeof text, "wrong value: %s", pu_error_message());
    return text;
}

/* Whether the mutant has kernels for the case. */
static bool serves(const struct mutant *mutant, const pu__op_case *op_case) {
    if (op_case->op != mutant->op || mutant->head_size == 0) return op_case->op == mutant->op;
    const bool cross = mutant->op == PU_OP_CROSS_ATTENTION || mutant->op == PU_OP_CROSS_ATTENTION_GRAD;
    const pu_shape *q = &op_case->in[pu__is_attention_grad(mutant->op)];
    const int64_t size = q->dim[2] / (cross ? 1 : 3) / op_case->attributes.attention.heads;
    const bool f32 = op_case->attributes.attention.precision == PU_PRECISION_F32;
    return pu__count(q) > 0 && f32 == (mutant->part == rows) && size <= mutant->head_size &&
           size > mutant->head_size - 16;
}

static int catch_one(const struct mutant *mutant) {
    if (!mutant->entry.kernel) {
        print_error("%s: its text is no longer in the source: write the mutant anew\n", mutant->name);
        return 0;
    }
    int count = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    for (int i = 0; i < count; ++i)
        for (int order = 0; order < ORDERS && serves(mutant, &cases[i]); ++order) {
            const char *how = caught(mutant, &cases[i], order);
            if (!how) continue;
            print_message("%-24s %.160s\n", mutant->name, how);
            return 1;
        }
    print_error("%s survives every case of %s\n", mutant->name, pu_op_name(mutant->op));
    return 0;
}

static void test_every_mutant_is_caught(void **state) {
    (void)state;
    int found = 0;
    for (int i = 0; i < MUTANTS; ++i) found += catch_one(&mutants[i]);
    print_message("%d of %d mutants caught\n", found, (int)MUTANTS);
    assert_int_equal(found, (int)MUTANTS);
}

static void test_every_op_has_a_mutant(void **state) {
    (void)state;
    bool seen[PU_OP_COUNT] = {false};
    for (int i = 0; i < MUTANTS; ++i)
        if (mutants[i].entry.kernel) seen[mutants[i].op] = true;
    for (int op = 0; op < PU_OP_COUNT; ++op)
        if (!seen[op]) fail_msg("%s has no row in mutants.txt", pu_op_name((pu_op_id)op));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_op_has_a_mutant),
                                       cmocka_unit_test(test_every_mutant_is_caught)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
