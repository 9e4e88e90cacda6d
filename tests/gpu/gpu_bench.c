/* Speed of every op, on the workloads of host/graph/op_workloads.c: those of a training step, and larger ones. Rates in
 * bytes are of the cold run, rates in flops of the hot one. */
#include "host/graph/op_bench.h"
#include "plusultra/memory.h"
#include "tests/gpu/gpu_check.h"

static const pu__workload_sizes quick_sizes[] = {
    {.windows = 2, .bars = 16, .channels = 32, .features = 5, .parameters = 1000, .heads = 4, .states = 3}};
static const pu__workload_sizes full_sizes[] = {
    {.windows = 64, .bars = 128, .channels = 256, .features = 24, .parameters = 3000000, .heads = 8, .states = 32},
    {.windows = 64, .bars = 256, .channels = 256, .features = 24, .parameters = 3000000, .heads = 4, .states = 32},
    {.windows = 64,
     .bars = 512,
     .channels = 1024,
     .features = 24,
     .parameters = 64000000,
     .heads = 16,
     .states = 32}};

static pu_status fill_list(pu__workloads *list, bool quick) {
    const int count = quick ? 1 : (int)(sizeof full_sizes / sizeof full_sizes[0]);
    list->count = 0;
    for (int i = 0; i < count; ++i) PU_TRY(pu__workloads_add(list, quick ? &quick_sizes[i] : &full_sizes[i]));
    return PU_OK;
}

static pu_status bench_list(pu__op_bench *bench, const pu__workloads *list, FILE *lines) {
    const pu__device_rates *rates = pu__op_bench_rates(bench);
    printf("Copy on the device, read and written: %.0f GB/s; matrix products: %.0f GF/s.\n\n",
           1e-9 * rates->copy_bytes_per_s, 1e-9 * rates->matrix_flops_per_s);
    printf(
        "| op | hot us | cold us | cold GB/s | hot GF/s | share of the limit |\n|---|---:|---:|---:|---:|---:|\n");
    for (int i = 0; i < list->count; ++i) {
        pu__workload_time t;
        PU_TRY(pu__op_bench_run(bench, &list->entry[i], &t));
        printf("| %s | %.2f | %.2f | %.0f | %.0f | %.0f%% |\n", list->entry[i].name, 1e6 * t.hot_s, 1e6 * t.cold_s,
               1e-9 * t.bytes / t.cold_s, 1e-9 * t.flops / t.hot_s, 100 * t.limit_s / t.cold_s);
        fflush(stdout);
        fprintf(lines, "%s\t%.9g\t%.9g\n", list->entry[i].name, t.hot_s, t.cold_s);
    }
    return PU_OK;
}

pu_status pu__gpu_bench_ops(pu_device *gpu, bool quick, FILE *lines, pu__gpu_rates *rates) {
    static pu__workloads list;
    pu__op_bench *bench = NULL;
    *rates = (pu__gpu_rates){0};
    PU_TRY(fill_list(&list, quick));
    PU_TRY(pu__op_bench_open(gpu, quick, &bench));
    rates->copy_bytes_per_s = pu__op_bench_rates(bench)->copy_bytes_per_s;
    rates->matrix_flops_per_s = pu__op_bench_rates(bench)->matrix_flops_per_s;
    const pu_status status = bench_list(bench, &list, lines);
    pu__op_bench_close(bench);
    return status;
}
