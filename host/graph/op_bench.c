/* Where the device can record (CUDA), many runs are one recording, so that the device is measured and not the
 * launches; a cold run is then the difference of recordings with and without it, since the caches are emptied by other
 * work in between. On the CPU each run is timed by itself. */
#include "host/graph/op_bench.h"

#include <stdlib.h>
#include <string.h>

#include "host/graph/op_table.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { SAMPLES = 9, ROUNDS_MAX = 400, COLD_ROUNDS = 10, PATTERN = 65536 };
static const double sample_s = 5e-3; /* of work in a hot sample: long against the wait for a device */
static const double layer_sample_s = 20e-3;

typedef struct bound {
    pu__call call;
    pu__kernel kernel;
} bound;

struct pu__op_bench {
    pu_device *device;
    bool quick;
    pu__workload flush_work;
    bound flush;
    pu__device_rates rates;
    double lower_flops_per_s[2]; /* of products in tf32 and bf16; 0: not yet measured */
};

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, int count) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    return seconds[count / 2];
}

/* ---- buffers ---- */

/* The input that AdamW's output takes the place of; -1 if it has its own memory. */
static int alias_of(pu_op_id op, int out) {
    static const int adamw[] = {0, 2, 3, -1};
    return op == PU_OP_ADAMW ? adamw[out] : -1;
}

static void release(pu_device *device, bound *b) {
    for (int i = 0; i < b->call.in_count; ++i) pu_device_free(device, b->call.in[i].data);
    for (int i = 0; i < b->call.out_count; ++i) {
        if (alias_of(b->call.op, i) < 0) pu_device_free(device, b->call.out[i].data);
    }
    pu_device_free(device, b->call.workspace);
    *b = (bound){0};
}

/* The slot of S4's log_step, rate and frequency behind it; 0: another operation. */
static int first_of_s4(pu_op_id op) {
    return op == PU_OP_S4 ? 1 : op == PU_OP_S4_GRAD || op == PU_OP_S4_STEP ? 2 : 0;
}

/* The usual initial values, S4D-Lin with steps of 0.001 to 0.1: with steps near 1 every kernel would have ended after
 * a few bars. */
static void fill_s4(float *x, int parameter, int64_t n, int64_t channels) {
    for (int64_t i = 0; i < n && parameter == 0; ++i) x[i] = -6.9077553f + 4.6051702f * x[i];
    for (int64_t i = 0; i < n && parameter == 1; ++i) x[i] = -0.6931472f;
    for (int64_t i = 0; i < n && parameter == 2; ++i) x[i] = 3.1415927f * (float)(i / channels);
}

/* Elsewhere values do not change the work as long as they are finite: uniforms in [0, 1), a pattern repeated; small
 * ones where a window multiplies them up. Window starts are a window apart. */
static pu_status fill_input(pu_device *device, const pu__workload *w, int slot, void *to) {
    static const float hyper[8] = {1e-6f, 0.9f, 0.99f, 1e-8f, 0.01f, 1.0f, 0.1f, 0.01f};
    const int64_t n = pu__count(&w->in[slot]);
    const pu_dtype dtype = pu__op_row(w->op)->in_dtype[slot];
    const size_t bytes = (size_t)(n * pu__dtype_bytes(dtype));
    pu_random random = pu_random_at(11, (uint64_t)slot);
    void *host = pu_calloc(1, bytes);
    if (!host) return PU_ERR_MEMORY;
    if (w->op == PU_OP_ADAMW && slot == 5) {
        memcpy(host, hyper, sizeof hyper);
    } else if (dtype == PU_F32) {
        float *x = host;
        for (int64_t i = 0; i < n && i < PATTERN; ++i) x[i] = (float)pu_random_uniform(&random);
        const float scale = w->op == PU_OP_PNL || w->op == PU_OP_PNL_GRAD ? 0.01f : 1.0f;
        for (int64_t i = 0; i < n && i < PATTERN; ++i) x[i] *= scale;
        for (int64_t i = PATTERN; i < n; ++i) x[i] = x[i - PATTERN];
    } else if (dtype == PU_I32) {
        for (int64_t i = 0; i < n; ++i) ((int32_t *)host)[i] = (int32_t)(i * (w->in[0].dim[0] / n));
    }
    if (first_of_s4(w->op) > 0) fill_s4(host, slot - first_of_s4(w->op), n, w->in[slot].dim[w->in[slot].rank - 1]);
    pu_status status = pu_device_upload(device, PU_STREAM_COMPUTE, to, host, bytes);
    if (status == PU_OK) status = pu_device_sync(device);
    pu_free(host);
    return status;
}

static pu_status fill_buffers(pu_device *device, const pu__workload *w, bound *b) {
    pu__call *call = &b->call;
    const pu__op *row = pu__op_row(w->op);
    pu_shape out[PU_MAX_OUT] = {w->wanted};
    const pu__shapes shapes = {w->op, w->in_count, w->out_count, w->in, out, &w->attributes};
    PU_TRY(row->infer(&shapes));
    for (int i = 0; i < w->in_count; ++i) {
        call->in[i].shape = w->in[i];
        PU_TRY(pu_device_alloc(device, (size_t)(pu__count(&w->in[i]) * pu__dtype_bytes(row->in_dtype[i])),
                               &call->in[i].data));
        PU_TRY(fill_input(device, w, i, call->in[i].data));
    }
    for (int i = 0; i < w->out_count; ++i) {
        const int alias = alias_of(w->op, i);
        call->out[i].shape = out[i];
        if (alias >= 0) {
            call->out[i].data = call->in[alias].data;
        } else {
            PU_TRY(pu_device_alloc(device, (size_t)pu__count(&out[i]) * sizeof(float), &call->out[i].data));
        }
    }
    device->backend->bind(device->state, call);
    const pu__kernel_entry *entry = &device->backend->kernels[w->op];
    if (!entry->kernel) return pu_fail(PU_ERR_UNSUPPORTED, "no kernel on %s", pu_device_name(device));
    b->kernel = entry->kernel;
    call->workspace_bytes = entry->workspace ? entry->workspace(call) : 0;
    if (call->workspace_bytes) PU_TRY(pu_device_alloc(device, call->workspace_bytes, &call->workspace));
    PU_TRY(b->kernel(call)); /* modules load, algorithms are chosen */
    return pu_device_sync(device);
}

static pu_status prepare(pu_device *device, const pu__workload *w, bound *b) {
    *b = (bound){
        .call = {.op = w->op, .in_count = w->in_count, .out_count = w->out_count, .attributes = &w->attributes}};
    const pu_status status = fill_buffers(device, w, b);
    if (status == PU_OK) return PU_OK;
    release(device, b);
    return pu_fail_within(status, "%s", w->name);
}

/* ---- time ---- */

static pu_status run_rounds(bound *const *calls, int call_count, int rounds) {
    for (int i = 0; i < rounds * call_count; ++i)
        PU_TRY(calls[i % call_count]->kernel(&calls[i % call_count]->call));
    return PU_OK;
}

/* Seconds of one round of `calls`, of `rounds` done or recorded at once. */
static pu_status time_rounds(const pu__op_bench *bench, bound *const *calls, int call_count, int rounds,
                             double *seconds) {
    pu_device *device = bench->device;
    const pu__backend *backend = device->backend;
    const int warm = bench->quick ? 0 : 2, samples = bench->quick ? 1 : SAMPLES;
    double sample[SAMPLES];
    void *recording = NULL;
    pu_status status = PU_OK;
    if (backend->capture_begin) {
        PU_TRY(backend->capture_begin(device->state));
        status = run_rounds(calls, call_count, rounds);
        if (status != PU_OK) {
            backend->capture_end(device->state, NULL);
            return status;
        }
        PU_TRY(backend->capture_end(device->state, &recording));
    }
    for (int i = -warm; i < samples && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        status = recording ? backend->replay(device->state, recording) : run_rounds(calls, call_count, rounds);
        if (status == PU_OK) status = pu_device_sync(device);
        if (i >= 0) sample[i] = (pu_clock_s() - begin) / rounds;
    }
    if (recording) backend->capture_free(device->state, recording);
    if (status == PU_OK) *seconds = median(sample, samples);
    return status;
}

static pu_status time_hot(const pu__op_bench *bench, bound *b, double *seconds) {
    double rough = 0;
    PU_TRY(time_rounds(bench, &b, 1, 1, &rough));
    const double wanted = sample_s / (rough > 1e-7 ? rough : 1e-7);
    if (bench->quick || wanted < 2) {
        *seconds = rough;
        return PU_OK;
    }
    return time_rounds(bench, &b, 1, wanted > ROUNDS_MAX ? ROUNDS_MAX : (int)wanted, seconds);
}

/* Where the difference drowns in noise, a cold run is taken to be as fast as a hot one. */
static pu_status time_cold_recorded(pu__op_bench *bench, bound *b, double hot, double *seconds) {
    bound *const both[] = {&bench->flush, b}, *const alone[] = {&bench->flush};
    const int rounds = bench->quick ? 1 : COLD_ROUNDS;
    double with = 0, without = 0;
    PU_TRY(time_rounds(bench, both, 2, rounds, &with));
    PU_TRY(time_rounds(bench, alone, 1, rounds, &without));
    *seconds = with - without > hot ? with - without : hot;
    return PU_OK;
}

static pu_status time_cold(pu__op_bench *bench, bound *b, double hot, double *seconds) {
    if (bench->device->backend->capture_begin) return time_cold_recorded(bench, b, hot, seconds);
    double sample[SAMPLES];
    for (int i = 0; i < SAMPLES; ++i) {
        PU_TRY(bench->flush.kernel(&bench->flush.call));
        const double begin = pu_clock_s();
        PU_TRY(b->kernel(&b->call));
        sample[i] = pu_clock_s() - begin;
    }
    *seconds = median(sample, SAMPLES);
    return PU_OK;
}

/* ---- the device's rates ---- */

static pu_status time_workload(const pu__op_bench *bench, const pu__workload *w, double *bytes, double *flops,
                               double *seconds) {
    bound b;
    PU_TRY(prepare(bench->device, w, &b));
    *bytes = pu__op_bytes(&b.call);
    *flops = pu__op_row(w->op)->flops(&b.call);
    const pu_status status = time_hot(bench, &b, seconds);
    release(bench->device, &b);
    return status;
}

/* The rate of a large product. Lower precisions round copies of their factors first, which a larger product hides. */
static pu_status measure_product(pu__op_bench *bench, pu_precision precision, double *flops_per_s) {
    const bool large = precision != PU_PRECISION_F32 && !pu_device_is_host(bench->device);
    const int64_t side = bench->quick ? 64 : large ? 8192 : 2048;
    const pu__workload product = {.op = PU_OP_GEMM,
                                  .name = "product",
                                  .in_count = 2,
                                  .out_count = 1,
                                  .in = {PU_SHAPE2(side, side), PU_SHAPE2(side, side)},
                                  .attributes = {.gemm = {.precision = precision}}};
    double bytes = 0, flops = 0, seconds = 1;
    PU_TRY(time_workload(bench, &product, &bytes, &flops, &seconds));
    *flops_per_s = flops / seconds;
    return PU_OK;
}

static pu_status measure_rates(pu__op_bench *bench, int64_t flush_floats) {
    const pu__workload copy = {.op = PU_OP_AFFINE,
                               .name = "copy",
                               .in_count = 1,
                               .out_count = 1,
                               .in = {PU_SHAPE1(flush_floats)},
                               .attributes = {.affine = {1.0f, 0.0f}}};
    double bytes = 0, flops = 0, seconds = 1;
    PU_TRY(time_workload(bench, &copy, &bytes, &flops, &seconds));
    bench->rates.copy_bytes_per_s = bytes / seconds;
    return measure_product(bench, PU_PRECISION_F32, &bench->rates.matrix_flops_per_s);
}

static pu_precision precision_of(const pu__workload *w) {
    switch (w->op) {
    case PU_OP_GEMM: return w->attributes.gemm.precision;
    case PU_OP_ATTENTION:
    case PU_OP_ATTENTION_GRAD:
    case PU_OP_CROSS_ATTENTION:
    case PU_OP_CROSS_ATTENTION_GRAD: return w->attributes.attention.precision;
    default: return PU_PRECISION_F32;
    }
}

/* Of products in the workload's precision; a lower one is measured when it is first asked for. */
static pu_status product_rate(pu__op_bench *bench, const pu__workload *w, double *flops_per_s) {
    const pu_precision precision = precision_of(w);
    *flops_per_s = bench->rates.matrix_flops_per_s;
    if (precision == PU_PRECISION_F32) return PU_OK;
    double *const known = &bench->lower_flops_per_s[precision == PU_PRECISION_BF16];
    if (*known == 0) PU_TRY(measure_product(bench, precision, known));
    *flops_per_s = *known;
    return PU_OK;
}

pu_status pu__op_bench_open(pu_device *device, bool quick, pu__op_bench **out) {
    *out = NULL;
    pu__op_bench *bench = pu_calloc(1, sizeof *bench);
    if (!bench) return PU_ERR_MEMORY;
    const int64_t flush_floats = (quick ? 64 * 1024 : 256 * 1048576) / 4;
    bench->device = device;
    bench->quick = quick;
    bench->flush_work = (pu__workload){
        .op = PU_OP_SUM_SQUARES, .name = "flush", .in_count = 1, .out_count = 1, .in = {PU_SHAPE1(flush_floats)}};
    pu_status status = prepare(device, &bench->flush_work, &bench->flush);
    if (status == PU_OK) status = measure_rates(bench, flush_floats);
    if (status != PU_OK) {
        pu__op_bench_close(bench);
        return status;
    }
    *out = bench;
    return PU_OK;
}

void pu__op_bench_close(pu__op_bench *bench) {
    if (!bench) return;
    release(bench->device, &bench->flush);
    pu_free(bench);
}

const pu__device_rates *pu__op_bench_rates(const pu__op_bench *bench) { return &bench->rates; }

pu_status pu__op_bench_run(pu__op_bench *bench, const pu__workload *workload, pu__workload_time *out) {
    bound b;
    double flops_per_s = 0;
    *out = (pu__workload_time){0};
    PU_TRY(product_rate(bench, workload, &flops_per_s));
    PU_TRY(prepare(bench->device, workload, &b));
    out->bytes = pu__op_bytes(&b.call);
    out->flops = pu__op_row(workload->op)->flops(&b.call);
    const double moving = out->bytes / bench->rates.copy_bytes_per_s, working = out->flops / flops_per_s;
    out->limit_s = moving > working ? moving : working;
    pu_status status = time_hot(bench, &b, &out->hot_s);
    if (status == PU_OK) status = time_cold(bench, &b, out->hot_s, &out->cold_s);
    release(bench->device, &b);
    return status == PU_OK ? PU_OK : pu_fail_within(status, "%s", workload->name);
}

/* ---- layers ---- */

struct pu__layer_run {
    const pu__op_bench *bench;
    bound pass[2];
    int rounds; /* of a sample */
    double floor_s;
};

/* Where the passes' bytes lie in a cache, so do those of a copy of as many. */
static pu_status find_floor(pu__op_bench *bench, const pu__layer *layer, pu__layer_run *run) {
    for (int i = 0; i < 2; ++i) {
        const pu__workload *w = i == 0 ? &layer->forward : &layer->gradient;
        const double bytes = pu__op_bytes(&run->pass[i].call),
                     flops = pu__op_row(w->op)->flops(&run->pass[i].call);
        const pu__workload copy = {.op = PU_OP_AFFINE,
                                   .name = "copy",
                                   .in_count = 1,
                                   .out_count = 1,
                                   .in = {PU_SHAPE1((int64_t)(bytes / 8) + 1)},
                                   .attributes = {.affine = {1.0f, 0.0f}}};
        double copied, none, moving;
        PU_TRY(time_workload(bench, &copy, &copied, &none, &moving));
        const double working = flops / bench->rates.matrix_flops_per_s;
        run->floor_s += moving > working ? moving : working;
    }
    return PU_OK;
}

pu_status pu__layer_open(pu__op_bench *bench, const pu__layer *layer, pu__layer_run **out) {
    *out = NULL;
    pu__layer_run *run = pu_calloc(1, sizeof *run);
    if (!run) return PU_ERR_MEMORY;
    run->bench = bench;
    run->rounds = 1;
    pu_status status = prepare(bench->device, &layer->forward, &run->pass[0]);
    if (status == PU_OK) status = prepare(bench->device, &layer->gradient, &run->pass[1]);
    if (status == PU_OK) status = find_floor(bench, layer, run);
    double rough = 0;
    if (status == PU_OK) status = pu__layer_sample(run, &rough);
    if (status != PU_OK) {
        pu__layer_close(run);
        return pu_fail_within(status, "%s", layer->name);
    }
    const double wanted = layer_sample_s / (rough > 1e-7 ? rough : 1e-7);
    if (!bench->quick) run->rounds = wanted < 1 ? 1 : wanted > ROUNDS_MAX ? ROUNDS_MAX : (int)wanted;
    *out = run;
    return PU_OK;
}

void pu__layer_close(pu__layer_run *run) {
    if (!run) return;
    for (int i = 0; i < 2; ++i) release(run->bench->device, &run->pass[i]);
    pu_free(run);
}

double pu__layer_floor_s(const pu__layer_run *run) { return run->floor_s; }

pu_status pu__layer_sample(pu__layer_run *run, double *seconds) {
    bound *const both[] = {&run->pass[0], &run->pass[1]};
    PU_TRY(run_rounds(both, 2, 1));
    PU_TRY(pu_device_sync(run->bench->device));
    const double begin = pu_clock_s();
    PU_TRY(run_rounds(both, 2, run->rounds));
    PU_TRY(pu_device_sync(run->bench->device));
    *seconds = (pu_clock_s() - begin) / run->rounds;
    return PU_OK;
}
