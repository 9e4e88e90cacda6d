#include "kernels/layer_norm/layer_norm.h"

#include <math.h>

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

/* Sum of squared deviations: the second pass, so that a large mean does not cancel the variance away. */
static float sum_squared_deviations(const float *x, float mean, int64_t n) {
    pu__vec sum = {0};
    int64_t i = 0;
    for (; i + PU__LANES <= n; i += PU__LANES) {
        const pu__vec deviation = pu__load(x + i) - mean;
        sum += deviation * deviation;
    }
    float total = pu__sum_lanes(sum);
    for (; i < n; ++i) total += (x[i] - mean) * (x[i] - mean);
    return total;
}

/* sum of e (x - mean) */
static float dot_deviations(const float *e, const float *x, float mean, int64_t n) {
    pu__vec sum = {0};
    int64_t i = 0;
    for (; i + PU__LANES <= n; i += PU__LANES) sum += pu__load(e + i) * (pu__load(x + i) - mean);
    float total = pu__sum_lanes(sum);
    for (; i < n; ++i) total += e[i] * (x[i] - mean);
    return total;
}

static void layer_norm_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const float *restrict gain = call->in[1].data, *restrict bias = call->in[2].data;
    float *mean_out = call->out[1].data, *rstd_out = call->out[2].data;
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict x = (const float *)call->in[0].data + n * width;
        float *restrict y = (float *)call->out[0].data + n * width;
        const float mean = pu__sum(x, width) / (float)width;
        const float variance = sum_squared_deviations(x, mean, width) / (float)width;
        const float rstd = 1.0f / sqrtf(variance + call->attributes->layer_norm.epsilon);
        for (int64_t c = 0; c < width; ++c) y[c] = gain[c] * ((x[c] - mean) * rstd) + bias[c];
        mean_out[n] = mean;
        rstd_out[n] = rstd;
    }
}

pu_status pu__layer_norm_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(8 * pu__last(shape)), layer_norm_rows, (void *)call);
    return PU_OK;
}

static int64_t grad_grain(const pu__call *call) {
    return pu__reduction_grain(pu__rows(&call->in[0].shape), 12 * pu__last(&call->in[0].shape));
}

static void layer_norm_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const float *restrict gain = call->in[2].data, *mean_in = call->in[3].data, *rstd_in = call->in[4].data;
    float *restrict dgain = (float *)call->workspace + begin / grad_grain(call) * 2 * width, *restrict dbias =
                                                                                                 dgain + width;
    memset(dgain, 0, (size_t)(2 * width) * sizeof *dgain);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict dy = (const float *)call->in[0].data + n * width;
        const float *restrict x = (const float *)call->in[1].data + n * width;
        float *restrict dx = (float *)call->out[0].data + n * width;
        const float mean = mean_in[n], rstd = rstd_in[n];
        for (int64_t c = 0; c < width; ++c) dx[c] = dy[c] * gain[c];
        const float mean_e = pu__sum(dx, width) / (float)width;
        const float mean_eh = (dot_deviations(dx, x, mean, width) * rstd) / (float)width;
        for (int64_t c = 0; c < width; ++c) {
            const float h = (x[c] - mean) * rstd;
            dx[c] = rstd * (dx[c] - mean_e - h * mean_eh);
            dgain[c] += dy[c] * h;
            dbias[c] += dy[c];
        }
    }
}

pu_status pu__layer_norm_grad_cpu(const pu__call *call) {
    const int64_t rows = pu__rows(&call->in[0].shape), width = pu__last(&call->in[0].shape),
                  grain = grad_grain(call);
    pu_parallel_for(call->pool, rows, grain, layer_norm_grad_rows, (void *)call);
    float *restrict dgain = call->out[1].data, *restrict dbias = call->out[2].data;
    for (int64_t c = 0; c < width; ++c) dgain[c] = dbias[c] = 0.0f;
    for (int64_t chunk = 0; chunk < pu__chunks(rows, grain); ++chunk) {
        const float *restrict part = (const float *)call->workspace + chunk * 2 * width;
        for (int64_t c = 0; c < width; ++c) {
            dgain[c] += part[c];
            dbias[c] += part[width + c];
        }
    }
    return PU_OK;
}

size_t pu__layer_norm_grad_workspace_cpu(const pu__call *call) {
    const int64_t width = pu__last(&call->in[0].shape);
    return (size_t)(pu__chunks(pu__rows(&call->in[0].shape), grad_grain(call)) * 2 * width) * sizeof(float);
}
