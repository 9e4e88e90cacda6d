/* Speed of every op. A workload is recorded many times over as one CUDA graph, so that what is measured is the
 * GPU and not the host's launches. Hot: the same buffers again and again. Cold: before each run a sum over a
 * buffer larger than any cache evicts them; the time of that sum, recorded alone, is taken off. Rates in bytes
 * are of the cold run, rates in flops of the hot one. */
#include <stdlib.h>
#include <string.h>

#include "host/graph/op_table.h"
#include "kernels/common/cuda_exec.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/gpu/gpu_check.h"
#include "tests/support/op_cases.h"

enum { WORKLOADS_MAX = 64, SAMPLES = 7, REPEATS_MAX = 400, COLD_REPEATS = 10, COPIES = 10 };
static const int64_t mib = 1048576;

#define S1 PU_SHAPE1
#define S2 PU_SHAPE2
#define S3 PU_SHAPE3

/* ---- the list ---- */

typedef struct workload_list {
    pu__op_case entry[WORKLOADS_MAX];
    int count;
} workload_list;

static pu__op_case *add(workload_list *list, pu_op_id op, const char *note, const pu_attributes *attributes,
                        int out_count, int in_count, const pu_shape *in) {
    if (list->count == WORKLOADS_MAX) abort();
    pu__op_case *c = &list->entry[list->count++];
    *c = (pu__op_case){.op = op, .in_count = in_count, .out_count = out_count};
    if (attributes) c->attributes = *attributes;
    for (int i = 0; i < in_count; ++i) c->in[i] = in[i];
    snprintf(c->name, sizeof c->name, "%s %s", pu_op_name(op), note);
    return c;
}

/* Ops that are one pass over `rows` rows of `c` channels. */
static void add_elementwise(workload_list *list, const char *note, int64_t rows, int64_t c) {
    const pu_attributes act = {.act = {PU_ACT_GELU}}, gate = {.act = {PU_ACT_SILU}},
                        affine = {.affine = {1.5f, 0.25f}};
    const pu_attributes norm = {.layer_norm = {1e-5f}}, drop = {.dropout = {0.1f, 1}};
    const pu_shape x = S2(rows, c), half = S2(rows, c / 2), row = S1(c), column = S1(rows);
    add(list, PU_OP_ACT, note, &act, 1, 1, &x);
    add(list, PU_OP_ACT_GRAD, note, &act, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_ADD, note, NULL, 1, 2, (pu_shape[]){x, row});
    add(list, PU_OP_MUL, note, NULL, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_AFFINE, note, &affine, 1, 1, &x);
    add(list, PU_OP_SUM_LEADING, note, NULL, 1, 1, &x)->sum_shape = row;
    add(list, PU_OP_GLU, note, &gate, 1, 1, &x);
    add(list, PU_OP_GLU_GRAD, note, &gate, 1, 2, (pu_shape[]){half, x});
    add(list, PU_OP_LAYER_NORM, note, &norm, 3, 3, (pu_shape[]){x, row, row});
    add(list, PU_OP_LAYER_NORM_GRAD, note, &norm, 3, 5, (pu_shape[]){x, x, row, column, column});
    add(list, PU_OP_DROPOUT, note, &drop, 1, 2, (pu_shape[]){x, S1(2)});
    add(list, PU_OP_SOFTMAX, note, NULL, 1, 1, &x);
    add(list, PU_OP_SOFTMAX_GRAD, note, NULL, 1, 2, (pu_shape[]){x, x});
}

static void add_sequence(workload_list *list, int64_t windows, int64_t bars, int heads, int64_t head_size) {
    const int64_t c = heads * head_size;
    const pu_attributes attention = {.attention = {heads, 0, 10000.0f}};
    const pu_attributes conv = {.conv = {.kernel_bars = 4, .groups = 4, .dilation = {1, 4, 16, 1}}};
    const pu_shape y = S3(windows, bars, c), qkv = S3(windows, bars, 3 * c), w = S2(4, c);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld H%d D%lld", (long long)windows, (long long)bars, heads,
             (long long)head_size);
    add(list, PU_OP_ATTENTION, note, &attention, 2, 1, &qkv);
    add(list, PU_OP_ATTENTION_GRAD, note, &attention, 1, 4, (pu_shape[]){y, qkv, y, S3(windows, heads, bars)});
    snprintf(note, sizeof note, "B%lld T%lld C%lld K4", (long long)windows, (long long)bars, (long long)c);
    add(list, PU_OP_CONV, note, &conv, 1, 3, (pu_shape[]){y, w, S1(c)});
    add(list, PU_OP_CONV_GRAD, note, &conv, 3, 3, (pu_shape[]){y, y, w});
}

static void add_step_ends(workload_list *list, int64_t windows, int64_t bars, int64_t features,
                          int64_t parameters) {
    const int64_t rows = windows * bars;
    const pu_attributes window = {.window_norm = {(int)bars, 64, 8.0f, 1e-8f}}, update = {.adamw = {parameters}};
    const pu_attributes loss = {.loss = {PU_LOSS_PINBALL, 3, 5, {0.1f, 0.25f, 0.5f, 0.75f, 0.9f}, 1.0f}};
    const pu_shape prediction = S2(rows, 15), target = S2(rows, 3), block = S1(parameters);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld F%lld", (long long)windows, (long long)bars, (long long)features);
    add(list, PU_OP_WINDOW_NORM, note, &window, 1, 2,
        (pu_shape[]){S2(windows * (bars + 64), features), S1(windows)});
    snprintf(note, sizeof note, "N%lld H3 Q5", (long long)rows);
    add(list, PU_OP_LOSS, note, &loss, 2, 3, (pu_shape[]){prediction, target, target});
    add(list, PU_OP_LOSS_GRAD, note, &loss, 1, 5, (pu_shape[]){S1(1), prediction, target, target, S1(1)});
    snprintf(note, sizeof note, "P%lld", (long long)parameters);
    add(list, PU_OP_SUM_SQUARES, note, NULL, 1, 1, &block);
    add(list, PU_OP_ADAMW, note, &update, 4, 6, (pu_shape[]){block, block, block, block, S1(1), S1(8)});
}

static void add_matrix(workload_list *list, int64_t m, int64_t k, int64_t n) {
    const pu_attributes plain = {.gemm = {0, 0, PU_ACT_NONE}};
    char note[64];
    snprintf(note, sizeof note, "M%lld K%lld N%lld", (long long)m, (long long)k, (long long)n);
    add(list, PU_OP_GEMM, note, &plain, 1, 2, (pu_shape[]){S2(m, k), S2(k, n)});
}

static void fill_list(workload_list *list, bool quick) {
    list->count = 0;
    if (quick) {
        add_matrix(list, 48, 32, 16);
        add_elementwise(list, "N16 C32", 16, 32);
        add_sequence(list, 2, 16, 4, 8);
        add_step_ends(list, 2, 16, 5, 1000);
        return;
    }
    add_matrix(list, 8192, 256, 512);
    add_matrix(list, 4096, 4096, 4096); /* the last one sets the rate that steps are held to */
    add_elementwise(list, "N8192 C256", 8192, 256);
    add_elementwise(list, "N65536 C1024", 65536, 1024);
    add_sequence(list, 64, 128, 8, 32);
    add_sequence(list, 64, 256, 4, 64);
    add_sequence(list, 64, 512, 16, 64);
    add_step_ends(list, 64, 128, 24, 3000000);
    add_step_ends(list, 4096, 128, 24, 64000000);
}

/* ---- running one ---- */

typedef struct bound_call {
    pu__call call;
    pu__kernel kernel;
} bound_call;

static bool is_alias(pu_op_id op, int out) { return op == PU_OP_ADAMW && out < 3; }

static void release(pu_device *gpu, bound_call *bound) {
    pu__call *call = &bound->call;
    for (int i = 0; i < call->in_count; ++i) pu_device_free(gpu, call->in[i].data);
    for (int i = 0; i < call->out_count; ++i) {
        if (!is_alias(call->op, i)) pu_device_free(gpu, call->out[i].data);
    }
    pu_device_free(gpu, call->workspace);
    memset(bound, 0, sizeof *bound);
}

/* Input values do not change the work, as long as they are finite: uniforms in [0, 1), in repeats of the
 * pattern. */
static pu_status fill_input(pu_device *gpu, const pu__op_case *c, int slot, void *device) {
    static const float hyper[8] = {1e-6f, 0.9f, 0.99f, 1e-8f, 0.01f, 1.0f, 0.1f, 0.01f};
    const int64_t n = pu__count(&c->in[slot]);
    const pu_dtype dtype = pu__op_row(c->op)->in_dtype[slot];
    const size_t bytes = (size_t)(n * pu__dtype_bytes(dtype));
    pu_random random = pu_random_at(11, (uint64_t)slot);
    void *host = pu_calloc(1, bytes);
    if (!host) return PU_ERR_MEMORY;
    if (c->op == PU_OP_ADAMW && slot == 5) memcpy(host, hyper, sizeof hyper);
    else if (dtype == PU_F32) {
        for (int64_t i = 0; i < n && i < 65536; ++i) ((float *)host)[i] = (float)pu_random_uniform(&random);
        for (int64_t i = 65536; i < n; ++i) ((float *)host)[i] = ((float *)host)[i - 65536];
    } else if (dtype == PU_I32) {
        const int64_t length = c->in[0].dim[0] / n;
        for (int64_t i = 0; i < n; ++i) ((int32_t *)host)[i] = (int32_t)(i * length);
    }
    pu_status status = pu_device_upload(gpu, PU_STREAM_COMPUTE, device, host, bytes);
    if (status == PU_OK) status = pu_device_sync(gpu);
    pu_free(host);
    return status;
}

static pu_status prepare_buffers(pu_device *gpu, const pu__op_case *c, bound_call *bound) {
    pu__call *call = &bound->call;
    const pu__kernel_entry *entry = &gpu->backend->kernels[c->op];
    const pu__op *row = pu__op_row(c->op);
    pu_shape out[PU_MAX_OUT] = {c->sum_shape};
    const pu__shapes shapes = {c->op, c->in_count, c->out_count, c->in, out, &c->attributes};
    PU_TRY(row->infer(&shapes));
    for (int i = 0; i < c->in_count; ++i) {
        call->in[i].shape = c->in[i];
        PU_TRY(pu_device_alloc(gpu, (size_t)(pu__count(&c->in[i]) * pu__dtype_bytes(row->in_dtype[i])),
                               &call->in[i].data));
        PU_TRY(fill_input(gpu, c, i, call->in[i].data));
    }
    for (int i = 0; i < c->out_count; ++i) {
        static const int source[] = {0, 2, 3};
        call->out[i].shape = out[i];
        if (is_alias(c->op, i)) call->out[i].data = call->in[source[i]].data;
        else PU_TRY(pu_device_alloc(gpu, (size_t)pu__count(&out[i]) * sizeof(float), &call->out[i].data));
    }
    gpu->backend->bind(gpu->state, call);
    bound->kernel = entry->kernel;
    call->workspace_bytes = entry->workspace ? entry->workspace(call) : 0;
    if (call->workspace_bytes) PU_TRY(pu_device_alloc(gpu, call->workspace_bytes, &call->workspace));
    PU_TRY(bound->kernel(call)); /* modules load, algorithms are chosen */
    return pu_device_sync(gpu);
}

static pu_status prepare(pu_device *gpu, const pu__op_case *c, bound_call *bound) {
    memset(bound, 0, sizeof *bound);
    bound->call =
        (pu__call){.op = c->op, .in_count = c->in_count, .out_count = c->out_count, .attributes = &c->attributes};
    const pu_status status = prepare_buffers(gpu, c, bound);
    if (status != PU_OK) release(gpu, bound);
    return status == PU_OK ? PU_OK : pu_fail_within(status, "%s", c->name);
}

/* Seconds of one round of `calls`, from a recording of `rounds` of them. */
static pu_status time_rounds(pu_device *gpu, bound_call *const *calls, int call_count, int rounds,
                             double *seconds) {
    const pu__backend *backend = gpu->backend;
    void *recording = NULL;
    double sample[SAMPLES];
    PU_TRY(backend->capture_begin(gpu->state));
    pu_status status = PU_OK;
    for (int i = 0; i < rounds * call_count && status == PU_OK; ++i)
        status = calls[i % call_count]->kernel(&calls[i % call_count]->call);
    if (status != PU_OK) {
        backend->capture_end(gpu->state, NULL);
        return status;
    }
    PU_TRY(backend->capture_end(gpu->state, &recording));
    for (int i = -2; i < SAMPLES && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        status = backend->replay(gpu->state, recording);
        if (status == PU_OK) status = pu_device_sync(gpu);
        if (i >= 0) sample[i] = (pu_clock_s() - begin) / rounds;
    }
    backend->capture_free(gpu->state, recording);
    if (status == PU_OK) *seconds = pu__gpu_median(sample, SAMPLES);
    return status;
}

/* Enough rounds that waiting for the GPU, some ten microseconds, is lost in them. */
static pu_status time_hot(pu_device *gpu, bound_call *bound, double *seconds) {
    double rough;
    PU_TRY(time_rounds(gpu, &bound, 1, 20, &rough));
    const double wanted = 5e-3 / (rough > 1e-7 ? rough : 1e-7);
    const int rounds = wanted < 5 ? 5 : wanted > REPEATS_MAX ? REPEATS_MAX : (int)wanted;
    return time_rounds(gpu, &bound, 1, rounds, seconds);
}

/* Where the difference drowns in noise, a cold run is taken to be as fast as a hot one. */
static pu_status time_cold(pu_device *gpu, bound_call *bound, bound_call *flush, double hot, double *seconds) {
    bound_call *const both[] = {flush, bound};
    double with, without;
    PU_TRY(time_rounds(gpu, both, 2, COLD_REPEATS, &with));
    PU_TRY(time_rounds(gpu, &flush, 1, COLD_REPEATS, &without));
    *seconds = with - without > hot ? with - without : hot;
    return PU_OK;
}

/* ---- yardstick and table ---- */

static pu_status measure_copy(pu_device *gpu, int64_t bytes, double *bytes_per_s) {
    void *from = NULL, *to = NULL;
    pu__call call = {0};
    double sample[SAMPLES];
    gpu->backend->bind(gpu->state, &call);
    pu_status status = pu_device_alloc(gpu, (size_t)bytes, &from);
    if (status == PU_OK) status = pu_device_alloc(gpu, (size_t)bytes, &to);
    for (int i = -2; i < SAMPLES && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        for (int k = 0; k < COPIES && status == PU_OK; ++k) {
            const cudaError_t error =
                cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDeviceToDevice, call.cuda->stream);
            if (error != cudaSuccess)
                status = pu_fail(PU_ERR_DEVICE, "a copy on the device failed: %s", cudaGetErrorString(error));
        }
        if (status == PU_OK) status = pu_device_sync(gpu);
        if (i >= 0) sample[i] = (pu_clock_s() - begin) / COPIES;
    }
    pu_device_free(gpu, from);
    pu_device_free(gpu, to);
    if (status == PU_OK) *bytes_per_s = 2.0 * (double)bytes / pu__gpu_median(sample, SAMPLES);
    return status;
}

static pu_status bench_one(pu_device *gpu, const pu__op_case *c, bound_call *flush, FILE *lines,
                           pu__gpu_rates *rates) {
    bound_call bound;
    double hot = 0, cold = 0;
    PU_TRY(prepare(gpu, c, &bound));
    const double flops = pu__op_row(c->op)->flops(&bound.call), bytes = pu__op_bytes(&bound.call);
    pu_status status = time_hot(gpu, &bound, &hot);
    if (status == PU_OK) status = time_cold(gpu, &bound, flush, hot, &cold);
    release(gpu, &bound);
    PU_TRY(status);
    if (c->op == PU_OP_GEMM) rates->matrix_flops_per_s = flops / hot;
    printf("| %s | %.2f | %.2f | %.0f | %.0f%% | %.0f |\n", c->name, 1e6 * hot, 1e6 * cold, 1e-9 * bytes / cold,
           100.0 * bytes / cold / rates->copy_bytes_per_s, 1e-9 * flops / hot);
    fflush(stdout);
    fprintf(lines, "%s\t%.9g\t%.9g\n", c->name, hot, cold);
    return PU_OK;
}

pu_status pu__gpu_bench_ops(pu_device *gpu, bool quick, FILE *lines, pu__gpu_rates *rates) {
    const int64_t flush_bytes = quick ? 64 * 1024 : 256 * mib;
    const pu__op_case flush_case = {
        .op = PU_OP_SUM_SQUARES, .name = "flush", .in_count = 1, .out_count = 1, .in = {S1(flush_bytes / 4)}};
    static workload_list list;
    bound_call flush;
    *rates = (pu__gpu_rates){0};
    fill_list(&list, quick);
    PU_TRY(measure_copy(gpu, 2 * flush_bytes, &rates->copy_bytes_per_s));
    PU_TRY(prepare(gpu, &flush_case, &flush));
    printf("Copy on the device, read and written: %.0f GB/s.\n\n", 1e-9 * rates->copy_bytes_per_s);
    printf("| op | hot us | cold us | cold GB/s | share of copy | hot GF/s |\n|---|---:|---:|---:|---:|---:|\n");
    pu_status status = PU_OK;
    for (int i = 0; i < list.count && status == PU_OK; ++i)
        status = bench_one(gpu, &list.entry[i], &flush, lines, rates);
    release(gpu, &flush);
    return status;
}
