/* The workloads that kernels are measured by: every operation has one, and each runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/graph/op_bench.h"
#include "plusultra/memory.h"

static void every_operation_is_measured(void **state) {
    (void)state;
    static pu__workloads list;
    const pu__workload_sizes tiny = {
        .windows = 2, .bars = 16, .channels = 32, .features = 5, .parameters = 1000, .heads = 4, .states = 3};
    bool seen[PU_OP_COUNT] = {false};
    pu_device *device = NULL;
    pu__op_bench *bench = NULL;
    assert_int_equal(pu__workloads_add(&list, &tiny), PU_OK);
    assert_int_equal(pu_device_open("cpu", 1, &device), PU_OK);
    assert_int_equal(pu__op_bench_open(device, true, &bench), PU_OK);
    assert_true(pu__op_bench_rates(bench)->copy_bytes_per_s > 0);
    assert_true(pu__op_bench_rates(bench)->matrix_flops_per_s > 0);
    for (int i = 0; i < list.count; ++i) {
        pu__workload_time time;
        if (pu__op_bench_run(bench, &list.entry[i], &time) != PU_OK) fail_msg("%s", pu_error_message());
        if (!(time.hot_s > 0 && time.cold_s > 0 && time.bytes > 0 && time.flops > 0 && time.limit_s > 0))
            fail_msg("%s is not measured", list.entry[i].name);
        seen[list.entry[i].op] = true;
        for (int j = 0; j < i; ++j) {
            if (strcmp(list.entry[i].name, list.entry[j].name) == 0 && list.entry[i].op != list.entry[j].op)
                fail_msg("two workloads are called %s", list.entry[i].name);
        }
    }
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (!seen[op]) fail_msg("%s has no workload in host/graph/op_workloads.c", pu_op_name((pu_op_id)op));
    }
    pu__op_bench_close(bench);
    pu_device_close(device);
    while (list.count + 64 <= PU__WORKLOADS_MAX) assert_int_equal(pu__workloads_add(&list, &tiny), PU_OK);
    assert_int_equal(pu__workloads_add(&list, &tiny), PU_ERR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
