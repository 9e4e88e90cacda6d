#include "kernels/elementwise/elementwise.h"

#include "kernels/common/dropout.h"
#include "kernels/common/vector.h"
#include "plusultra/pool.h"

enum { ELEMENTS_PER_CHUNK = 8192 };

static void act_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict x = call->in[0].data;
    float *restrict y = call->out[0].data;
    PU__FOR_ACT(call->attributes->act.kind, KIND, for (int64_t i = begin; i < end; ++i) y[i] = pu__act(KIND, x[i]))
}

pu_status pu__act_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, act_chunk, (void *)call);
    return PU_OK;
}

static void act_grad_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict dy = call->in[0].data, *restrict x = call->in[1].data;
    float *restrict dx = call->out[0].data;
    PU__FOR_ACT(call->attributes->act.kind, KIND,
                for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * pu__act_grad(KIND, x[i]))
}

pu_status pu__act_grad_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, act_grad_chunk, (void *)call);
    return PU_OK;
}

/* The part of [begin, end) that starts at `begin` and stays within one repetition of b. */
static int64_t run_end(int64_t begin, int64_t end, int64_t period) {
    const int64_t next = (begin / period + 1) * period;
    return next < end ? next : end;
}

static void add_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict a = call->in[0].data, *restrict b = call->in[1].data;
    float *restrict y = call->out[0].data;
    const int64_t period = pu__count(&call->in[1].shape);
    for (int64_t stop; begin < end; begin = stop) {
        stop = run_end(begin, end, period);
        const int64_t shift = begin / period * period;
        for (int64_t i = begin; i < stop; ++i) y[i] = a[i] + b[i - shift];
    }
}

static void mul_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict a = call->in[0].data, *restrict b = call->in[1].data;
    float *restrict y = call->out[0].data;
    const int64_t period = pu__count(&call->in[1].shape);
    for (int64_t stop; begin < end; begin = stop) {
        stop = run_end(begin, end, period);
        const int64_t shift = begin / period * period;
        for (int64_t i = begin; i < stop; ++i) y[i] = a[i] * b[i - shift];
    }
}

pu_status pu__add_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, add_chunk, (void *)call);
    return PU_OK;
}

pu_status pu__mul_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, mul_chunk, (void *)call);
    return PU_OK;
}

static void affine_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict x = call->in[0].data;
    float *restrict y = call->out[0].data;
    const float scale = call->attributes->affine.scale, shift = call->attributes->affine.shift;
    for (int64_t i = begin; i < end; ++i) y[i] = scale * x[i] + shift;
}

pu_status pu__affine_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, affine_chunk, (void *)call);
    return PU_OK;
}

static void glu_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->out[0].shape);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict a = (const float *)call->in[0].data + 2 * width * n, *restrict gate = a + width;
        float *restrict y = (float *)call->out[0].data + width * n;
        PU__FOR_ACT(call->attributes->act.kind, KIND,
                    for (int64_t c = 0; c < width; ++c) y[c] = a[c] * pu__act(KIND, gate[c]))
    }
}

pu_status pu__glu_cpu(const pu__call *call) {
    const pu_shape *shape = &call->out[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(12 * pu__last(shape)), glu_rows, (void *)call);
    return PU_OK;
}

static void glu_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict dy = (const float *)call->in[0].data + width * n;
        const float *restrict a = (const float *)call->in[1].data + 2 * width * n, *restrict gate = a + width;
        float *restrict da = (float *)call->out[0].data + 2 * width * n, *restrict dgate = da + width;
        PU__FOR_ACT(
            call->attributes->act.kind, KIND, for (int64_t c = 0; c < width; ++c) {
                float value;
                const float slope = pu__act_and_grad(KIND, gate[c], &value);
                da[c] = dy[c] * value;
                dgate[c] = dy[c] * a[c] * slope;
            })
    }
}

pu_status pu__glu_grad_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(20 * pu__last(shape)), glu_grad_rows, (void *)call);
    return PU_OK;
}

static void dropout_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const pu__dropout d =
        pu__dropout_of(call->in[1].data, call->attributes->dropout.rate, call->attributes->dropout.tag);
    pu__dropout_run(&d, (const float *)call->in[0].data + begin, (float *)call->out[0].data + begin, begin,
                    end - begin);
}

pu_status pu__dropout_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), ELEMENTS_PER_CHUNK, dropout_chunk, (void *)call);
    return PU_OK;
}

static int64_t leading_rows(const pu__call *call) {
    const int64_t width = pu__count(&call->out[0].shape);
    return width > 0 ? pu__count(&call->in[0].shape) / width : 0;
}

static void sum_leading_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__count(&call->out[0].shape),
                  grain = pu__reduction_grain(leading_rows(call), 4 * width);
    float *restrict sum = (float *)call->workspace + begin / grain * width;
    memset(sum, 0, (size_t)width * sizeof *sum);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict x = (const float *)call->in[0].data + n * width;
        for (int64_t s = 0; s < width; ++s) sum[s] += x[s];
    }
}

pu_status pu__sum_leading_cpu(const pu__call *call) {
    const int64_t width = pu__count(&call->out[0].shape), rows = leading_rows(call),
                  grain = pu__reduction_grain(rows, 4 * width);
    pu_parallel_for(call->pool, rows, grain, sum_leading_rows, (void *)call);
    float *restrict y = call->out[0].data;
    for (int64_t s = 0; s < width; ++s) y[s] = 0.0f;
    for (int64_t chunk = 0; chunk < pu__chunks(rows, grain); ++chunk) {
        const float *restrict sum = (const float *)call->workspace + chunk * width;
        for (int64_t s = 0; s < width; ++s) y[s] += sum[s];
    }
    return PU_OK;
}

size_t pu__sum_leading_workspace_cpu(const pu__call *call) {
    const int64_t width = pu__count(&call->out[0].shape), rows = leading_rows(call);
    return (size_t)(pu__chunks(rows, pu__reduction_grain(rows, 4 * width)) * width) * sizeof(float);
}
