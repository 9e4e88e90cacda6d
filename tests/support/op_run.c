/* Inputs of a case, its run between guard zones, and the verdict. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/graph/op_table.h"
#include "plusultra/random.h"
#include "tests/support/op_cases.h"
#ifdef PU__ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif
#include "tests/support/op_reference.h"

/* ---- inputs ---- */

static size_t bytes_of(pu_op_id op, int slot, const pu_shape *shape) {
    return (size_t)(pu__count(shape) * pu__dtype_bytes(pu__op_row(op)->in_dtype[slot]));
}

static void fill_normal(pu_random *random, float *x, int64_t n, double mean) {
    for (int64_t i = 0; i < n; ++i) x[i] = (float)(mean + pu_random_normal(random));
}

/* NaN, zeros of both signs and large arguments among ordinary values. */
static void sprinkle(float *x, int64_t n) {
    static const float special[] = {NAN, 1e4f, -1e4f, 0.0f, -0.0f, 30.0f, -30.0f, 88.0f, -88.0f, 1e-30f};
    for (int64_t i = 0; i < n && i < 10; ++i) x[(i * 3) % n] = special[i];
}

static void softmax_extremes(float *x, int64_t rows, int64_t columns) {
    for (int64_t c = 0; c < columns; c += 2) x[c] = -INFINITY;          /* row 0: some probability is zero */
    for (int64_t c = 0; c < columns; ++c) x[columns + c] = -INFINITY;   /* row 1: no probability is left */
    for (int64_t c = 0; c < columns; ++c) x[2 * columns + c] += 500.0f; /* row 2: overflows without the maximum */
    if (rows > 3) x[3 * columns + columns - 1] = NAN;                   /* row 3 */
}

static void fill_window_norm(const pu__op_case *c, pu__op_data *data, pu_random *random) {
    const int64_t rows = c->in[0].dim[0], features = c->in[0].dim[1];
    float *bars = data->in[0];
    int32_t *start = data->in[1];
    const int64_t room = rows - c->attributes.window_norm.window_bars - c->attributes.window_norm.warmup_bars;
    for (int64_t b = 0; b < c->in[1].dim[0]; ++b)
        start[b] = room > 0 ? (int32_t)pu_random_below(random, (uint64_t)room + 1) : 0;
    if (c->flavour != PU__OP_EXTREME) return;
    start[0] = -1;
    start[1] = (int32_t)room + 1;
    start[2] = INT32_MAX;
    start[3] = 2;
    bars[(2 + 4) * features] = NAN;
    for (int64_t r = 0; r < rows; ++r) bars[r * features + 1] = 3.25f; /* a constant feature */
    bars[10 * features + 2] = 1e6f;
}

/* Weights with zeros; masked rows hold NaN; under EXTREME with an odd seed nothing counts. */
static void fill_loss(const pu__op_case *c, pu__op_data *data, pu_random *random) {
    const int first = c->op == PU_OP_LOSS_GRAD ? 1 : 0;
    float *prediction = data->in[first], *target = data->in[first + 1], *weight = data->in[first + 2];
    const int64_t n = pu__count(&c->in[first + 1]);
    const int quantiles = c->attributes.loss.quantiles;
    const bool none = c->flavour == PU__OP_EXTREME && strstr(c->name, "all masked");
    double count = 0;
    for (int64_t i = 0; i < n; ++i) {
        weight[i] = none || (n > 1 && pu_random_below(random, 4) == 0) ? 0.0f : (float)pu_random_uniform(random);
        count += (double)weight[i];
        if (c->flavour == PU__OP_EXTREME && weight[i] == 0) target[i] = prediction[i * quantiles] = NAN;
        if (c->flavour != PU__OP_EXTREME && i % 7 == 3) target[i] = prediction[i * quantiles]; /* at the kink */
    }
    if (first) {
        *(float *)data->in[0] = 1.75f;
        *(float *)data->in[4] = (float)count;
    }
}

/* Weights of which some are no order, returns of which some are gaps, volumes of which some are unknown. Under EXTREME
 * the leverage ruins many windows, and a price may fall to nothing. */
static void fill_pnl(const pu__op_case *c, pu__op_data *data, pu_random *random) {
    const int first = c->op == PU_OP_PNL_GRAD ? 2 : 0;
    const bool extreme = c->flavour == PU__OP_EXTREME;
    float *weight = data->in[first], *simple_return = data->in[first + 1];
    float *volume = c->in_count > first + 2 ? data->in[first + 2] : NULL;
    for (int64_t i = 0; i < pu__count(&c->in[first]); ++i) {
        weight[i] *= extreme ? 6.0f / sqrtf((float)c->in[first].dim[2]) : 0.6f;
        simple_return[i] = fmaxf(simple_return[i] * (extreme ? 0.15f : 0.02f), -1.0f);
        if (pu_random_below(random, 6) == 0) weight[i] = NAN;
        if (pu_random_below(random, 6) == 0) weight[i] = 0.0f;
        if (pu_random_below(random, 8) == 0) simple_return[i] = NAN;
        if (extreme && pu_random_below(random, 20) == 0) simple_return[i] = -1.0f;
        if (!volume) continue;
        volume[i] = (float)(0.1 + 4.0 * pu_random_uniform(random));
        if (pu_random_below(random, 8) == 0) volume[i] = pu_random_below(random, 2) ? 0.0f : NAN;
    }
}

static void fill_adamw(const pu__op_case *c, pu__op_data *data) {
    const float hyper[2][8] = {{1e-2f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.19f, 0.0199f},
                               {1e-3f, 0.9f, 0.999f, 1e-6f, 0.0f, 0.0f, 0.1f, 0.001f}};
    memcpy(data->in[5], hyper[c->seed % 2], sizeof hyper[0]);
    const int64_t n = c->in[0].dim[0];
    const float *grad = data->in[1];
    float *v = data->in[3];
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        v[i] = fabsf(v[i]);
        sum += (double)grad[i] * (double)grad[i];
    }
    *(float *)data->in[4] = c->flavour == PU__OP_EXTREME ? INFINITY : (float)sum;
}

/* Parameters as a layer has them: steps of 0.001 to 0.1, decays near 1/2, frequencies up to pi N; extreme ones have
 * states that hardly decay and do not turn. */
static void fill_s4(const pu__op_case *c, pu__op_data *data, pu_random *random, int first) {
    float *log_step = data->in[first], *rate = data->in[first + 1], *frequency = data->in[first + 2];
    for (int64_t i = 0; i < pu__count(&c->in[first]); ++i)
        log_step[i] = (float)(log(1e-3) + pu_random_uniform(random) * log(100.0));
    for (int64_t i = 0; i < pu__count(&c->in[first + 1]); ++i) {
        rate[i] = (float)log(0.5) + 0.3f * rate[i];
        frequency[i] = 3.14159265f * (float)(i / c->in[first + 1].dim[1]) + 0.1f * frequency[i];
        if (c->flavour == PU__OP_EXTREME && i % 2 == 0) {
            rate[i] *= 16;
            frequency[i] = 0;
        }
    }
}

/* Factors of a scan that neither vanish nor explode over the window. */
static void fill_scan(float *a, int64_t n, pu_random *random) {
    for (int64_t i = 0; i < n; ++i) a[i] = (float)(0.5 + 0.5 * pu_random_uniform(random));
}

/* Runs the reference of a forward op over inputs [from, from + count) and rounds one of its outputs into an input
 * of the case. */
static void derive(const pu__op_case *c, pu__op_data *data, pu_op_id op, int from, int in_count, int out, int to) {
    pu__call call = {.op = op, .in_count = in_count, .attributes = &c->attributes};
    double *result[PU_MAX_OUT] = {0};
    pu_shape in[PU_MAX_IN], shape[PU_MAX_OUT];
    for (int i = 0; i < in_count; ++i) {
        in[i] = c->in[from + i];
        call.in[i] = (pu__view){data->in[from + i], in[i]};
    }
    call.out_count = pu__op_row(op)->out_max;
    const pu__shapes shapes = {op, in_count, call.out_count, in, shape, &c->attributes};
    if (pu__op_row(op)->infer(&shapes) != PU_OK) return;
    bool complete = true;
    for (int i = 0; i < call.out_count; ++i) {
        call.out[i].shape = shape[i];
        result[i] = pu_calloc((size_t)pu__count(&shape[i]), sizeof(double));
        complete = complete && result[i];
    }
    if (complete) {
        pu__op_reference(&call, result);
        for (int64_t i = 0; i < pu__count(&shape[out]); ++i) ((float *)data->in[to])[i] = (float)result[out][i];
    }
    for (int i = 0; i < call.out_count; ++i) pu_free(result[i]);
}

/* What the backward ops take from their forward op. */
static void fill_derived(const pu__op_case *c, pu__op_data *data) {
    if (c->op == PU_OP_SOFTMAX_GRAD) {
        derive(c, data, PU_OP_SOFTMAX, 1, 1, 0, 1);
    } else if (c->op == PU_OP_ATTENTION_GRAD) {
        derive(c, data, PU_OP_ATTENTION, 1, 1, 0, 2);
        derive(c, data, PU_OP_ATTENTION, 1, 1, 1, 3);
    } else if (c->op == PU_OP_CROSS_ATTENTION_GRAD) {
        derive(c, data, PU_OP_CROSS_ATTENTION, 1, 2, 0, 3);
        derive(c, data, PU_OP_CROSS_ATTENTION, 1, 2, 1, 4);
    } else if (c->op == PU_OP_LAYER_NORM_GRAD || c->op == PU_OP_ADD_LAYER_NORM_GRAD) {
        const bool fused = c->op == PU_OP_ADD_LAYER_NORM_GRAD;
        const int from = fused ? 2 : 1, mean_slot = fused ? 4 : 3;
        const float epsilon = fused ? c->attributes.add_layer_norm.epsilon : c->attributes.layer_norm.epsilon;
        const int64_t rows = c->in[from].dim[0], columns = c->in[from].dim[1];
        for (int64_t r = 0; r < rows; ++r) {
            const float *x = (const float *)data->in[from] + r * columns;
            double mean = 0, variance = 0;
            for (int64_t i = 0; i < columns; ++i) mean += (double)x[i] / (double)columns;
            for (int64_t i = 0; i < columns; ++i)
                variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)columns;
            ((float *)data->in[mean_slot])[r] = (float)mean;
            ((float *)data->in[mean_slot + 1])[r] = (float)(1 / sqrt(variance + (double)epsilon));
        }
    }
}

/* The clock is the last input where there is one. */
static void fill_clock(const pu__op_case *c, pu__op_data *data) {
    const int last = c->in_count - 1;
    if (pu__op_row(c->op)->in_dtype[last] == PU_U64) {
        ((uint64_t *)data->in[last])[0] = 0x123456789abcdefu;
        ((uint64_t *)data->in[last])[1] = (UINT64_C(1) << 33) + c->seed;
    }
    fill_derived(c, data);
}

static void fill(const pu__op_case *c, pu__op_data *data) {
    pu_random random = pu_random_at(c->seed, 7);
    for (int i = 0; i < c->in_count; ++i) {
        if (pu__op_row(c->op)->in_dtype[i] != PU_F32) continue;
        const bool shifted = c->flavour == PU__OP_LARGE_MEAN && i == 0;
        fill_normal(&random, data->in[i], pu__count(&c->in[i]), shifted ? 1000.0 : 0.0);
    }
    switch (c->op) {
    case PU_OP_ACT:
    case PU_OP_ACT_GRAD:
        if (c->flavour == PU__OP_EXTREME) sprinkle(data->in[c->in_count - 1], pu__count(&c->in[0]));
        break;
    case PU_OP_SOFTMAX:
        if (c->flavour == PU__OP_EXTREME) softmax_extremes(data->in[0], c->in[0].dim[0], c->in[0].dim[1]);
        break;
    case PU_OP_DROPOUT:
    case PU_OP_ADD_LAYER_NORM:
    case PU_OP_ADD_LAYER_NORM_GRAD: fill_clock(c, data); break;
    case PU_OP_S4: fill_s4(c, data, &random, 1); break;
    case PU_OP_S4_GRAD:
    case PU_OP_S4_STEP: fill_s4(c, data, &random, 2); break;
    case PU_OP_SCAN: fill_scan(data->in[0], pu__count(&c->in[0]), &random); break;
    case PU_OP_SCAN_GRAD:
        fill_scan(data->in[1], pu__count(&c->in[1]), &random);
        fill_derived(c, data);
        break;
    case PU_OP_WINDOW_NORM: fill_window_norm(c, data, &random); break;
    case PU_OP_LOSS:
    case PU_OP_LOSS_GRAD: fill_loss(c, data, &random); break;
    case PU_OP_PNL:
    case PU_OP_PNL_GRAD: fill_pnl(c, data, &random); break;
    case PU_OP_ADAMW: fill_adamw(c, data); break;
    default: fill_derived(c, data); break;
    }
}

pu_status pu__op_data_empty(const pu__op_case *op_case, pu__op_data *out) {
    *out = (pu__op_data){.op = op_case->op, .in_count = op_case->in_count, .out_count = op_case->out_count};
    out->out_shape[0] = op_case->sum_shape;
    const pu__shapes shapes = {op_case->op, op_case->in_count, op_case->out_count,
                               op_case->in, out->out_shape,    &op_case->attributes};
    PU_TRY(pu__op_row(op_case->op)->infer(&shapes));
    for (int i = 0; i < op_case->in_count; ++i) {
        out->in_bytes[i] = bytes_of(op_case->op, i, &op_case->in[i]);
        out->in[i] = pu_calloc(1, out->in_bytes[i]);
        if (!out->in[i]) {
            pu__op_data_free(out);
            return PU_ERR_MEMORY;
        }
    }
    return PU_OK;
}

pu_status pu__op_data_new(const pu__op_case *op_case, pu__op_data *out) {
    PU_TRY(pu__op_data_empty(op_case, out));
    fill(op_case, out);
    return PU_OK;
}

void pu__op_data_free(pu__op_data *data) {
    for (int i = 0; i < data->in_count; ++i) pu_free(data->in[i]);
    *data = (pu__op_data){0};
}

void pu__op_result_free(pu__op_result *result) {
    for (int i = 0; i < result->out_count; ++i) pu_free(result->out[i]);
    *result = (pu__op_result){0};
}

/* ---- a buffer between guard zones ---- */

enum { GUARD_BYTES = 512, BUFFERS_MAX = PU_MAX_IN + PU_MAX_OUT + 1 };
static const uint32_t guard_word = 0xffc0dead; /* a NaN */

typedef struct buffer {
    unsigned char *device; /* GUARD_BYTES, payload, rounding, GUARD_BYTES */
    unsigned char *host;   /* what was uploaded, then what came back */
    size_t bytes, total;
} buffer;

void (*pu__op_poison)(void *memory, size_t bytes, bool on);

static void poison(const pu_device *device, const buffer *b, bool on) {
    if (pu__op_poison && b->device) {
        pu__op_poison(b->device, GUARD_BYTES, on);
        pu__op_poison(b->device + GUARD_BYTES + b->bytes, b->total - GUARD_BYTES - b->bytes, on);
    }
#ifdef PU__ADDRESS_SANITIZER
    if (!pu_device_is_host(device) || !b->device) return;
    const size_t tail = GUARD_BYTES + (b->bytes + 7) / 8 * 8;
    if (on) {
        __asan_poison_memory_region(b->device, GUARD_BYTES);
        __asan_poison_memory_region(b->device + tail, b->total - tail);
    } else {
        __asan_unpoison_memory_region(b->device, b->total);
    }
#else
    (void)device, (void)b, (void)on;
#endif
}

/* `payload` null: filled with the guard's NaN. */
static pu_status buffer_open(pu_device *device, const void *payload, size_t bytes, buffer *b) {
    *b = (buffer){.bytes = bytes, .total = 2 * GUARD_BYTES + (bytes + 255) / 256 * 256};
    void *memory = NULL;
    PU_TRY(pu_device_alloc(device, b->total, &memory));
    b->device = memory;
    b->host = pu_calloc(1, b->total);
    if (!b->host) return PU_ERR_MEMORY;
    for (size_t i = 0; i < b->total; i += sizeof guard_word) memcpy(b->host + i, &guard_word, sizeof guard_word);
    if (payload) memcpy(b->host + GUARD_BYTES, payload, bytes);
    PU_TRY(pu_device_upload(device, PU_STREAM_COMPUTE, b->device, b->host, b->total));
    PU_TRY(pu_device_sync(device));
    poison(device, b, true);
    return PU_OK;
}

static void buffer_close(pu_device *device, buffer *b) {
    poison(device, b, false);
    pu_device_free(device, b->device);
    pu_free(b->host);
}

/* Reads the buffer back and checks what the kernel had no business writing to; `input`: nor the payload. */
static pu_status buffer_check(pu_device *device, buffer *b, const void *input, const char *what, int slot,
                              const char *name) {
    poison(device, b, false);
    PU_TRY(pu_device_download(device, PU_STREAM_COMPUTE, b->host, b->device, b->total));
    PU_TRY(pu_device_sync(device));
    for (size_t i = 0; i < b->total; ++i) {
        if (i >= GUARD_BYTES && i < GUARD_BYTES + b->bytes) continue;
        if (b->host[i] == ((const unsigned char *)&guard_word)[i % 4]) continue;
        return pu_fail(PU_ERR_CORRUPT, "%s: wrote %lld bytes from the start of %s %d, which holds %zu", name,
                       (long long)i - GUARD_BYTES, what, slot, b->bytes);
    }
    if (input && b->bytes && memcmp(b->host + GUARD_BYTES, input, b->bytes) != 0) {
        return pu_fail(PU_ERR_CORRUPT, "%s: wrote to its %s %d", name, what, slot);
    }
    return PU_OK;
}

/* ---- running ---- */

/* The input whose memory an output overwrites, -1 without one. */
static int alias_of(pu_op_id op, int out) {
    static const int adamw[] = {0, 2, 3, -1};
    return op == PU_OP_ADAMW ? adamw[out] : -1;
}

typedef struct run_state {
    buffer in[PU_MAX_IN], out[PU_MAX_OUT], workspace;
    pu__call call;
} run_state;

static pu_status prepare(const pu__op_case *c, const pu__op_data *data, pu_device *device,
                         const pu__kernel_entry *entry, run_state *r) {
    r->call =
        (pu__call){.op = c->op, .in_count = c->in_count, .out_count = c->out_count, .attributes = &c->attributes};
    device->backend->bind(device->state, &r->call);
    for (int i = 0; i < c->in_count; ++i) {
        PU_TRY(buffer_open(device, data->in[i], data->in_bytes[i], &r->in[i]));
        r->call.in[i] = (pu__view){r->in[i].device + GUARD_BYTES, c->in[i]};
    }
    for (int i = 0; i < c->out_count; ++i) {
        const int alias = alias_of(c->op, i);
        r->call.out[i] = (pu__view){alias < 0 ? NULL : r->call.in[alias].data, data->out_shape[i]};
        if (alias >= 0) continue;
        PU_TRY(buffer_open(device, NULL, (size_t)pu__count(&data->out_shape[i]) * sizeof(float), &r->out[i]));
        r->call.out[i].data = r->out[i].device + GUARD_BYTES;
    }
    r->call.workspace_bytes = entry->workspace ? entry->workspace(&r->call) : 0;
    PU_TRY(buffer_open(device, NULL, r->call.workspace_bytes, &r->workspace));
    r->call.workspace = r->call.workspace_bytes ? r->workspace.device + GUARD_BYTES : NULL;
    return PU_OK;
}

static pu_status collect(const pu__op_case *c, const pu__op_data *data, pu_device *device, run_state *r,
                         pu__op_result *result) {
    bool overwritten[PU_MAX_IN] = {false};
    for (int i = 0; i < c->out_count; ++i) {
        if (alias_of(c->op, i) >= 0) overwritten[alias_of(c->op, i)] = true;
    }
    for (int i = 0; i < c->in_count; ++i) {
        PU_TRY(buffer_check(device, &r->in[i], overwritten[i] ? NULL : data->in[i], "input", i, c->name));
    }
    PU_TRY(buffer_check(device, &r->workspace, NULL, "workspace", 0, c->name));
    result->out_count = c->out_count;
    for (int i = 0; i < c->out_count; ++i) {
        const int alias = alias_of(c->op, i);
        if (alias < 0) PU_TRY(buffer_check(device, &r->out[i], NULL, "output", i, c->name));
        const buffer *from = alias < 0 ? &r->out[i] : &r->in[alias];
        result->count[i] = pu__count(&data->out_shape[i]);
        result->out[i] = pu_calloc((size_t)result->count[i], sizeof(float));
        if (!result->out[i]) return PU_ERR_MEMORY;
        memcpy(result->out[i], from->host + GUARD_BYTES, from->bytes);
    }
    return PU_OK;
}

pu_status pu__op_data_run(const pu__op_case *op_case, const pu__op_data *data, pu_device *device,
                          const pu__kernel_entry *entry, pu__op_result *result) {
    *result = (pu__op_result){0};
    if (!entry) entry = &device->backend->kernels[op_case->op];
    if (!entry->kernel)
        return pu_fail(PU_ERR_UNSUPPORTED, "%s: no kernel on %s", op_case->name, pu_device_name(device));
    run_state r = {0};
    pu_status status = prepare(op_case, data, device, entry, &r);
    if (status == PU_OK) status = entry->kernel(&r.call);
    if (status == PU_OK) status = pu_device_sync(device);
    if (status == PU_OK) status = collect(op_case, data, device, &r, result);
    for (int i = 0; i < PU_MAX_IN; ++i) buffer_close(device, &r.in[i]);
    for (int i = 0; i < PU_MAX_OUT; ++i) buffer_close(device, &r.out[i]);
    buffer_close(device, &r.workspace);
    if (status != PU_OK) pu__op_result_free(result);
    return status;
}

pu_status pu__op_case_run(const pu__op_case *op_case, pu_device *device, const pu__kernel_entry *entry,
                          pu__op_result *result) {
    pu__op_data data;
    *result = (pu__op_result){0};
    PU_TRY(pu__op_data_new(op_case, &data));
    const pu_status status = pu__op_data_run(op_case, &data, device, entry, result);
    pu__op_data_free(&data);
    return status;
}

/* ---- the verdict ---- */

typedef struct verdict {
    double *reference[PU_MAX_OUT];
    float *naive[PU_MAX_OUT];
} verdict;

static pu_status evaluate(const pu__op_case *c, const pu__op_data *data, verdict *v) {
    pu__call call = {
        .op = c->op, .in_count = c->in_count, .out_count = c->out_count, .attributes = &c->attributes};
    for (int i = 0; i < c->in_count; ++i) call.in[i] = (pu__view){data->in[i], c->in[i]};
    for (int i = 0; i < c->out_count; ++i) {
        const size_t count = (size_t)pu__count(&data->out_shape[i]);
        call.out[i].shape = data->out_shape[i];
        v->reference[i] = pu_calloc(count, sizeof(double));
        v->naive[i] = pu_calloc(count, sizeof(float));
        if (!v->reference[i] || !v->naive[i]) return PU_ERR_MEMORY;
    }
    pu__op_reference(&call, v->reference);
    pu__op_naive(&call, v->naive);
    return PU_OK;
}

static pu_status judge_output(const pu__op_case *c, int slot, int64_t count, const float *out,
                              const double *reference, const float *naive, double times) {
    double naive_error = 0, largest = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!isfinite(reference[i]) || !isfinite(naive[i])) continue;
        naive_error = fmax(naive_error, fabs((double)naive[i] - reference[i]));
        largest = fmax(largest, fabs(reference[i]));
    }
    const double allowed = times * naive_error + 4.0 * 0x1p-24 * fmax(largest, 1);
    for (int64_t i = 0; i < count; ++i) {
        const double error = fabs((double)out[i] - reference[i]);
        const bool same = isnan(reference[i])   ? isnan(out[i])
                          : isinf(reference[i]) ? (double)out[i] == reference[i]
                                                : error <= allowed;
        if (same) continue;
        return pu_fail(
            PU_ERR_DATA,
            "%s: output %d, element %lld of %lld is %.9g, reference %.17g: error %.3g, allowed %.3g (naive float "
            "%.3g)",
            c->name, slot, (long long)i, (long long)count, (double)out[i], reference[i], error, allowed,
            naive_error);
    }
    return PU_OK;
}

static pu_status judge(const pu__op_case *op_case, const pu__op_result *result, double times) {
    pu__op_data data;
    PU_TRY(pu__op_data_new(op_case, &data));
    verdict v = {0};
    pu_status status = evaluate(op_case, &data, &v);
    for (int i = 0; i < op_case->out_count; ++i) {
        if (status == PU_OK)
            status = judge_output(op_case, i, result->count[i], result->out[i], v.reference[i], v.naive[i], times);
        pu_free(v.reference[i]);
        pu_free(v.naive[i]);
    }
    pu__op_data_free(&data);
    return status;
}

pu_status pu__op_case_judge(const pu__op_case *op_case, const pu__op_result *result) {
    return judge(op_case, result, 2.0);
}

pu_status pu__op_case_judge_gpu(const pu__op_case *op_case, const pu__op_result *result) {
    const bool cuts = op_case->op == PU_OP_GEMM && op_case->attributes.gemm.precision == PU_PRECISION_TF32;
    return judge(op_case, result, cuts ? 4.0 : 2.0);
}

pu_status pu__op_case_test(const pu__op_case *op_case, pu_device *device, const pu__kernel_entry *entry) {
    pu__op_result result;
    PU_TRY(pu__op_case_run(op_case, device, entry, &result));
    const pu_status status = pu__op_case_judge(op_case, &result);
    pu__op_result_free(&result);
    return status;
}
