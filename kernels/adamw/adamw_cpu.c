#include "kernels/adamw/adamw.h"

#include <math.h>

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

static int64_t squares_grain(const pu__call *call) {
    return pu__reduction_grain(pu__count(&call->in[0].shape), 4);
}

static void sum_squares_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict x = call->in[0].data;
    double lane[8] = {0};
    int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
        for (int j = 0; j < 8; ++j) lane[j] += (double)x[i + j] * (double)x[i + j];
    }
    for (int j = 0; i < end; ++i, ++j) lane[j] += (double)x[i] * (double)x[i];
    ((double *)call->workspace)[begin / squares_grain(call)] =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

pu_status pu__sum_squares_cpu(const pu__call *call) {
    const int64_t count = pu__count(&call->in[0].shape), grain = squares_grain(call);
    pu_parallel_for(call->pool, count, grain, sum_squares_chunk, (void *)call);
    double sum = 0.0;
    for (int64_t chunk = 0; chunk < pu__chunks(count, grain); ++chunk)
        sum += ((const double *)call->workspace)[chunk];
    *(float *)call->out[0].data = (float)sum;
    return PU_OK;
}

size_t pu__sum_squares_workspace_cpu(const pu__call *call) {
    return (size_t)pu__chunks(pu__count(&call->in[0].shape), squares_grain(call)) * sizeof(double);
}

/* In place: no pointer below overlaps another. */
static void adamw_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *restrict hyper = call->in[5].data, *restrict grad = call->in[1].data;
    float *restrict param = call->out[0].data, *restrict m = call->out[1].data, *restrict v = call->out[2].data;
    const float lr = hyper[0], beta1 = hyper[1], beta2 = hyper[2], epsilon = hyper[3];
    const float scale1 = 1.0f / hyper[6], scale2 = 1.0f / hyper[7], factor = ((const float *)call->out[3].data)[1];
    const int64_t decay_end = call->attributes->adamw.decay_count;
    for (int64_t stop; begin < end; begin = stop) {
        const float keep = begin < decay_end ? 1.0f - lr * hyper[4] : 1.0f;
        stop = begin < decay_end && decay_end < end ? decay_end : end;
        for (int64_t i = begin; i < stop; ++i) {
            const float g = factor * grad[i];
            m[i] = beta1 * m[i] + (1.0f - beta1) * g;
            v[i] = beta2 * v[i] + (1.0f - beta2) * (g * g);
            param[i] = param[i] * keep - lr * (m[i] * scale1) / (sqrtf(v[i] * scale2) + epsilon);
        }
    }
}

pu_status pu__adamw_cpu(const pu__call *call) {
    const float clip_norm = ((const float *)call->in[5].data)[5], norm = sqrtf(*(const float *)call->in[4].data);
    float *stats = call->out[3].data;
    stats[0] = norm;
    stats[1] = clip_norm > 0.0f && norm > clip_norm ? clip_norm / norm : 1.0f;
    stats[2] = stats[3] = 0.0f;
    if (!isfinite(norm)) {
        stats[1] = 0.0f;
        stats[2] = 1.0f;
        return PU_OK;
    }
    pu_parallel_for(call->pool, pu__count(&call->in[0].shape), 4096, adamw_chunk, (void *)call);
    return PU_OK;
}
