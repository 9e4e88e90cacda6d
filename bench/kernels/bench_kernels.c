/* Times the CPU kernels at the shapes of a training step: 64 windows of 64, 128 and 256 bars, 128 channels, 4
 * heads.
 *
 * Usage: bench_kernels [THREADS [RUNS [BARS]]]; default: all processors, 21 runs, all three lengths
 *
 * Per op: median and best time, bytes and operations per second by the op table's count of the least traffic and
 * work, and the larger of their shares of two peaks measured in the same run: a copy of the same size as the
 * largest tensor, by all threads, and a product of square matrices. A share above 100% means that the tensors were
 * in cache. bench/peers/kernels_torch.py times the same shapes in PyTorch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/device/backend.h"
#include "host/graph/op_table.h"
#include "kernels/common/isa_select.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

enum {
    WINDOWS = 64,
    CHANNELS = 128,
    HEADS = 4,
    TAPS = 3,
    STATES = 32,
    QUANTILES = 5,
    FEATURES = 32,
    RUNS_MAX = 1001,
    PARAMETERS = 1000000
};

typedef struct bench {
    pu_pool *pool;
    int runs;
    double copy_gbs, product_gfs;
} bench;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct timing {
    double median_s, best_s;
} timing;

static timing time_call(const bench *b, pu__kernel kernel, const pu__call *call) {
    static double seconds[RUNS_MAX];
    if (kernel(call) != PU_OK) {
        fprintf(stderr, "%s: %s\n", pu_op_name(call->op), pu_error_message());
        exit(1);
    }
    for (int i = 0; i < b->runs; ++i) {
        const double start = now_s();
        (void)kernel(call);
        seconds[i] = now_s() - start;
    }
    qsort(seconds, (size_t)b->runs, sizeof *seconds, ascending);
    return (timing){seconds[b->runs / 2], seconds[0]};
}

static void *must_alloc(int64_t bytes) {
    void *out = pu_calloc((size_t)bytes + 256, 1);
    if (!out) {
        fprintf(stderr, "%s\n", pu_error_message());
        exit(1);
    }
    return out;
}

/* Values of ordinary size; integers (window starts, the clock) stay 0. */
static void fill(float *values, int64_t count) {
    pu_random random = pu_random_at(20261123, 0);
    for (int64_t i = 0; i < count; ++i) values[i] = (float)(pu_random_uniform(&random) - 0.5);
}

static int64_t element_bytes(pu_dtype type) { return type == PU_U64 ? 8 : 4; }

/* In place, and with a norm and rates that let the update happen. */
static void set_adamw(pu__call *call) {
    const float hyper[8] = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 1.0f, 0.1f, 0.001f};
    memcpy(call->in[5].data, hyper, sizeof hyper);
    *(float *)call->in[4].data = 4.0f;
    memset(call->in[3].data, 0, 4 * (size_t)pu__count(&call->in[3].shape));
    const int alias[] = {0, 2, 3};
    for (int i = 0; i < 3; ++i) {
        pu_free(call->out[i].data);
        call->out[i].data = call->in[alias[i]].data;
    }
}

/* Runs one op on shapes whose outputs follow from the op table. */
static void bench_op(const bench *b, const char *label, pu_op_id op, int in_count, const pu_shape *in,
                     int out_count, const pu_attributes *attributes) {
    const pu__op *row = pu__op_row(op);
    const pu__kernel_entry *entry = &pu__cpu_backend()->kernels[op];
    pu_shape out[PU_MAX_OUT] = {{1, {CHANNELS}}};
    const pu__shapes shapes = {op, in_count, out_count, in, out, attributes};
    if (row->infer(&shapes) != PU_OK) {
        fprintf(stderr, "%s: %s\n", label, pu_error_message());
        exit(1);
    }
    pu__call call = {
        .op = op, .in_count = in_count, .out_count = out_count, .attributes = attributes, .pool = b->pool};
    for (int i = 0; i < in_count; ++i) {
        const int64_t count = pu__count(&in[i]);
        call.in[i] = (pu__view){must_alloc(count * element_bytes(row->in_dtype[i])), in[i]};
        if (row->in_dtype[i] == PU_F32) fill(call.in[i].data, count);
    }
    for (int i = 0; i < out_count; ++i) call.out[i] = (pu__view){must_alloc(4 * pu__count(&out[i])), out[i]};
    if (op == PU_OP_ADAMW) set_adamw(&call);
    call.workspace_bytes = entry->workspace ? entry->workspace(&call) : 0;
    void *const workspace = must_alloc((int64_t)call.workspace_bytes);
    call.workspace = (void *)(((uintptr_t)workspace + 255) / 256 * 256);
    const timing t = time_call(b, entry->kernel, &call);
    const double gbs = pu__op_bytes(&call) / t.median_s * 1e-9, gfs = row->flops(&call) / t.median_s * 1e-9;
    const double of_copy = 100.0 * gbs / b->copy_gbs, of_product = 100.0 * gfs / b->product_gfs;
    printf("%-34s %9.3f %9.3f %8.1f %8.1f   %5.0f%% of %s\n", label, 1e3 * t.median_s, 1e3 * t.best_s, gbs, gfs,
           fmax(of_copy, of_product), of_copy > of_product ? "copy" : "product");
    for (int i = 0; i < in_count; ++i) pu_free(call.in[i].data);
    for (int i = op == PU_OP_ADAMW ? 3 : 0; i < out_count; ++i) pu_free(call.out[i].data);
    pu_free(workspace);
}

static pu_shape shape1(int64_t a) { return (pu_shape){1, {a}}; }
static pu_shape shape2(int64_t a, int64_t b) { return (pu_shape){2, {a, b}}; }
static pu_shape shape3(int64_t a, int64_t b, int64_t c) { return (pu_shape){3, {a, b, c}}; }

static void bench_products(const bench *b, int64_t bars) {
    const int64_t rows = WINDOWS * bars, wide[] = {CHANNELS, 3 * CHANNELS, 4 * CHANNELS};
    pu_attributes a = {.gemm = {0, 0, PU_ACT_NONE}};
    for (int i = 0; i < 3; ++i) {
        char label[64];
        a.gemm = (__typeof__(a.gemm)){0, 0, i == 2 ? PU_ACT_GELU : PU_ACT_NONE};
        snprintf(label, sizeof label, "gemm y=xW %lldx%dx%lld%s", (long long)rows, CHANNELS, (long long)wide[i],
                 i == 2 ? " gelu" : "");
        bench_op(b, label, PU_OP_GEMM, 3,
                 (const pu_shape[]){shape2(rows, CHANNELS), shape2(CHANNELS, wide[i]), shape1(wide[i])},
                 i == 2 ? 2 : 1, &a);
        a.gemm = (__typeof__(a.gemm)){0, 1, PU_ACT_NONE};
        snprintf(label, sizeof label, "gemm dx=dyW' %lldx%lldx%d", (long long)rows, (long long)wide[i], CHANNELS);
        bench_op(b, label, PU_OP_GEMM, 2, (const pu_shape[]){shape2(rows, wide[i]), shape2(CHANNELS, wide[i])}, 1,
                 &a);
        a.gemm = (__typeof__(a.gemm)){1, 0, PU_ACT_NONE};
        snprintf(label, sizeof label, "gemm dW=x'dy %dx%lldx%lld", CHANNELS, (long long)rows, (long long)wide[i]);
        bench_op(b, label, PU_OP_GEMM, 2, (const pu_shape[]){shape2(rows, CHANNELS), shape2(rows, wide[i])}, 1,
                 &a);
    }
}

static void bench_sequence(const bench *b, int64_t bars) {
    const pu_shape x = shape3(WINDOWS, bars, CHANNELS), qkv = shape3(WINDOWS, bars, 3 * CHANNELS),
                   lse = shape3(WINDOWS, HEADS, bars);
    const pu_shape weight = shape2(TAPS, CHANNELS), channel = shape1(CHANNELS);
    const pu_attributes attention = {.attention = {HEADS, 0, 10000.0f}};
    const pu_attributes conv = {.conv = {TAPS, 4, {1, 4, 16, 32}}};
    bench_op(b, "attention", PU_OP_ATTENTION, 1, &qkv, 2, &attention);
    bench_op(b, "attention_grad", PU_OP_ATTENTION_GRAD, 4, (const pu_shape[]){x, qkv, x, lse}, 1, &attention);
    bench_op(b, "conv 3 taps, dilation 1 4 16 32", PU_OP_CONV, 3, (const pu_shape[]){x, weight, channel}, 1,
             &conv);
    bench_op(b, "conv_grad", PU_OP_CONV_GRAD, 3, (const pu_shape[]){x, x, weight}, 3, &conv);
}

static void bench_scans(const bench *b, int64_t bars) {
    const pu_shape u = shape3(WINDOWS, bars, CHANNELS), channel = shape1(CHANNELS),
                   rate = shape2(STATES, CHANNELS), weight = shape2(2 * STATES, CHANNELS);
    static const char *const name[] = {"", " as a scan", " as a convolution"};
    for (int form = PU_S4_SCAN; form <= PU_S4_CONVOLUTION; ++form) {
        const pu_attributes s4 = {.s4 = {PU_S4_ZERO_ORDER_HOLD, (pu_s4_form)form}};
        char label[64];
        snprintf(label, sizeof label, "s4 %d states%s", STATES, name[form]);
        bench_op(b, label, PU_OP_S4, 6, (const pu_shape[]){u, channel, rate, rate, weight, channel}, 1, &s4);
        snprintf(label, sizeof label, "s4_grad %d states%s", STATES, name[form]);
        bench_op(b, label, PU_OP_S4_GRAD, 7, (const pu_shape[]){u, u, channel, rate, rate, weight, channel}, 6,
                 &s4);
    }
    const pu_attributes none = {.act = {PU_ACT_NONE}};
    bench_op(b, "scan", PU_OP_SCAN, 2, (const pu_shape[]){u, u}, 1, &none);
    bench_op(b, "scan_grad", PU_OP_SCAN_GRAD, 3, (const pu_shape[]){u, u, u}, 2, &none);
}

static void bench_rows(const bench *b, int64_t bars) {
    const int64_t rows = WINDOWS * bars;
    const pu_shape x = shape2(rows, CHANNELS), pair = shape2(rows, 2 * CHANNELS), channel = shape1(CHANNELS),
                   row = shape1(rows);
    const pu_attributes norm = {.layer_norm = {1e-5f}}, gelu = {.act = {PU_ACT_GELU}},
                        gate = {.act = {PU_ACT_SIGMOID}};
    const pu_attributes drop = {.dropout = {0.1f, 1}}, none = {.act = {PU_ACT_NONE}};
    bench_op(b, "layer_norm", PU_OP_LAYER_NORM, 3, (const pu_shape[]){x, channel, channel}, 3, &norm);
    bench_op(b, "layer_norm_grad", PU_OP_LAYER_NORM_GRAD, 5, (const pu_shape[]){x, x, channel, row, row}, 3,
             &norm);
    bench_op(b, "act gelu", PU_OP_ACT, 1, &x, 1, &gelu);
    bench_op(b, "act_grad gelu", PU_OP_ACT_GRAD, 2, (const pu_shape[]){x, x}, 1, &gelu);
    bench_op(b, "glu sigmoid", PU_OP_GLU, 1, &pair, 1, &gate);
    bench_op(b, "glu_grad sigmoid", PU_OP_GLU_GRAD, 2, (const pu_shape[]){x, pair}, 1, &gate);
    bench_op(b, "dropout", PU_OP_DROPOUT, 2, (const pu_shape[]){x, shape1(2)}, 1, &drop);
    bench_op(b, "softmax", PU_OP_SOFTMAX, 1, &x, 1, &none);
    bench_op(b, "add", PU_OP_ADD, 2, (const pu_shape[]){x, x}, 1, &none);
    bench_op(b, "sum_leading", PU_OP_SUM_LEADING, 1, &x, 1, &none);
}

static void bench_rest(const bench *b, int64_t bars) {
    pu_attributes loss = {.loss = {.kind = PU_LOSS_PINBALL, .horizons = 1, .quantiles = QUANTILES}};
    for (int q = 0; q < QUANTILES; ++q) loss.loss.quantile[q] = (float)(q + 1) / (QUANTILES + 1);
    const pu_attributes norm = {.window_norm = {(int)bars, 64, 5.0f, 1e-6f}}, adamw = {.adamw = {PARAMETERS}};
    const int64_t rows = WINDOWS * bars;
    const pu_shape prediction = shape2(rows, QUANTILES), target = shape2(rows, 1), one = shape1(1),
                   all = shape1(PARAMETERS);
    bench_op(b, "window_norm 32 features", PU_OP_WINDOW_NORM, 2,
             (const pu_shape[]){shape2(100000, FEATURES), shape1(WINDOWS)}, 1, &norm);
    bench_op(b, "loss pinball", PU_OP_LOSS, 3, (const pu_shape[]){prediction, target, target}, 2, &loss);
    bench_op(b, "loss_grad pinball", PU_OP_LOSS_GRAD, 5, (const pu_shape[]){one, prediction, target, target, one},
             1, &loss);
    bench_op(b, "sum_squares 1M", PU_OP_SUM_SQUARES, 1, &all, 1, &norm);
    bench_op(b, "adamw 1M", PU_OP_ADAMW, 6, (const pu_shape[]){all, all, all, all, one, shape1(8)}, 4, &adamw);
}

typedef struct copy_job {
    char *to;
    const char *from;
} copy_job;

static void copy_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const copy_job *job = context;
    memcpy(job->to + begin, job->from + begin, (size_t)(end - begin));
}

/* Bytes read and written per second. */
static double measure_copy_gbs(const bench *b, int64_t bytes) {
    copy_job job = {must_alloc(bytes), must_alloc(bytes)};
    memset(job.to, 1, (size_t)bytes);
    double best = INFINITY;
    for (int i = 0; i < 20; ++i) {
        const double start = now_s();
        pu_parallel_for(b->pool, bytes, 1 << 18, copy_chunk, &job);
        best = fmin(best, now_s() - start);
    }
    pu_free(job.to);
    pu_free((void *)job.from);
    return 2.0 * (double)bytes / best * 1e-9;
}

static double measure_product_gfs(const bench *b) {
    enum { SIDE = 768 };
    const pu_attributes attributes = {.gemm = {0, 0, PU_ACT_NONE}};
    pu__call call = {.op = PU_OP_GEMM, .in_count = 2, .out_count = 1, .attributes = &attributes, .pool = b->pool};
    pu__view *const views[] = {&call.in[0], &call.in[1], &call.out[0]};
    for (int i = 0; i < 3; ++i) {
        *views[i] = (pu__view){must_alloc(4 * SIDE * SIDE), shape2(SIDE, SIDE)};
        fill(views[i]->data, SIDE * SIDE);
    }
    const pu__kernel_entry *entry = &pu__cpu_backend()->kernels[PU_OP_GEMM];
    call.workspace_bytes = entry->workspace(&call);
    call.workspace = must_alloc((int64_t)call.workspace_bytes);
    const timing t = time_call(b, entry->kernel, &call);
    for (int i = 0; i < 3; ++i) pu_free(views[i]->data);
    pu_free(call.workspace);
    return 2.0 * SIDE * SIDE * SIDE / t.best_s * 1e-9;
}

int main(int argc, char **argv) {
    bench b = {.runs = argc > 2 ? atoi(argv[2]) : 21};
    if (b.runs < 1 || b.runs > RUNS_MAX) b.runs = 21;
    if (pu_pool_new(argc > 1 ? atoi(argv[1]) : 0, &b.pool) != PU_OK) {
        fprintf(stderr, "%s\n", pu_error_message());
        return 1;
    }
    const int64_t lengths[] = {64, 128, 256, 512};
    for (int i = 0; i < 4; ++i) {
        if (argc > 3 && atoi(argv[3]) != lengths[i]) continue;
        b.copy_gbs = measure_copy_gbs(&b, 4 * WINDOWS * lengths[i] * CHANNELS);
        b.product_gfs = measure_product_gfs(&b);
        printf(
            "%d windows of %lld bars, %d channels, %d heads; %d threads, %s; copy %.1f GB/s, product %.0f GF/s\n",
            WINDOWS, (long long)lengths[i], CHANNELS, HEADS, pu_pool_threads(b.pool), pu__isa_name(pu__isa_used()),
            b.copy_gbs, b.product_gfs);
        printf("%-34s %9s %9s %8s %8s   %s\n", "op", "median ms", "best ms", "GB/s", "GF/s", "share of peak");
        bench_products(&b, lengths[i]);
        bench_scans(&b, lengths[i]);
        bench_sequence(&b, lengths[i]);
        bench_rows(&b, lengths[i]);
        bench_rest(&b, lengths[i]);
        printf("\n");
    }
    pu_pool_free(b.pool);
    return 0;
}
