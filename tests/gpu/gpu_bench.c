/* Speed of every op, on the workloads of host/graph/op_workloads.c: those of a training step, and larger ones.
 * Rates in bytes are of the cold run, rates in flops of the hot one. */
#include <stdio.h>

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

/* Attention at the windows and head sizes that market models have, in every precision: 64 windows, 256 channels. */
static void add_attention(pu__workloads *list, int64_t windows, int64_t bars, int64_t size, int64_t channels) {
    static const char *const name[] = {"f32", "tf32", "bf16"};
    for (int precision = PU_PRECISION_F32; precision <= (int)PU_PRECISION_BF16; ++precision) {
        const int heads = (int)(channels / size);
        const pu_shape y = PU_SHAPE3(windows, bars, channels), qkv = PU_SHAPE3(windows, bars, 3 * channels);
        pu__workload w = {.op = PU_OP_ATTENTION, .in_count = 1, .out_count = 2, .in = {qkv}};
        w.attributes.attention.heads = heads;
        w.attributes.attention.rotary_base = 10000.0f;
        w.attributes.attention.precision = (pu_precision)precision;
        for (int backward = 0; backward < 2; ++backward) {
            snprintf(w.name, sizeof w.name, "attention%s B%lld T%lld H%d D%lld %s", backward ? "_grad" : "",
                     (long long)windows, (long long)bars, heads, (long long)size, name[precision]);
            list->entry[list->count++] = w;
            w.op = PU_OP_ATTENTION_GRAD;
            w.in_count = 4;
            w.out_count = 1;
            w.in[0] = w.in[2] = y;
            w.in[1] = qkv;
            w.in[3] = PU_SHAPE3(windows, heads, bars);
        }
    }
}

static pu_status add_attentions(pu__workloads *list, bool quick) {
    static const int bars[] = {64, 128, 256, 512}, sizes[] = {32, 64};
    const int lengths = quick ? 1 : (int)(sizeof bars / sizeof bars[0]);
    if (list->count + 6 * 2 * lengths > PU__WORKLOADS_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "a list of workloads has room for %d", (int)PU__WORKLOADS_MAX);
    }
    for (int i = 0; i < 2 * lengths; ++i) {
        add_attention(list, quick ? 2 : 64, quick ? 17 : bars[i / 2], sizes[i % 2], quick ? 64 : 256);
    }
    return PU_OK;
}

static pu_status fill_list(pu__workloads *list, bool quick) {
    const int count = quick ? 1 : (int)(sizeof full_sizes / sizeof full_sizes[0]);
    list->count = 0;
    for (int i = 0; i < count; ++i) PU_TRY(pu__workloads_add(list, quick ? &quick_sizes[i] : &full_sizes[i]));
    return add_attentions(list, quick);
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
