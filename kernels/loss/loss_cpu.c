#include "kernels/loss/loss.h"

#include <math.h>

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

/* Sum over the quantiles of one row and horizon. */
static double element_loss(const pu_attributes *attributes, const float *prediction, float target) {
    if (attributes->loss.kind == PU_LOSS_PINBALL) {
        double sum = 0.0;
        for (int q = 0; q < attributes->loss.quantiles; ++q) {
            const double tau = attributes->loss.quantile[q], e = (double)target - (double)prediction[q];
            sum += e >= 0.0 ? tau * e : (tau - 1.0) * e;
        }
        return sum / attributes->loss.quantiles;
    }
    const double e = (double)target - (double)prediction[0], delta = attributes->loss.huber_delta;
    if (attributes->loss.kind == PU_LOSS_MSE) return e * e;
    return fabs(e) <= delta ? 0.5 * e * e : delta * (fabs(e) - 0.5 * delta);
}

static float element_slope(const pu_attributes *attributes, int q, float e) {
    if (attributes->loss.kind == PU_LOSS_PINBALL) {
        const float tau = attributes->loss.quantile[q];
        const float slope = e >= 0.0f ? -tau : e < 0.0f ? 1.0f - tau : e;
        return slope / (float)attributes->loss.quantiles;
    }
    if (attributes->loss.kind == PU_LOSS_MSE) return -2.0f * e;
    return -pu__clamp(e, -attributes->loss.huber_delta, attributes->loss.huber_delta);
}

static int64_t element_bytes(const pu__call *call) { return 4 * (call->attributes->loss.quantiles + 2); }

/* An element is one row and horizon. */
static int64_t loss_grain(const pu__call *call) {
    return pu__reduction_grain(pu__count(&call->in[1].shape), element_bytes(call));
}

static void loss_elements(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *prediction = call->in[0].data, *target = call->in[1].data, *weight = call->in[2].data;
    double sum = 0.0, count = 0.0;
    for (int64_t i = begin; i < end; ++i) {
        if (weight[i] == 0.0f) continue;
        sum += (double)weight[i] *
               element_loss(call->attributes, prediction + i * call->attributes->loss.quantiles, target[i]);
        count += (double)weight[i];
    }
    double *part = (double *)call->workspace + 2 * (begin / loss_grain(call));
    part[0] = sum;
    part[1] = count;
}

pu_status pu__loss_cpu(const pu__call *call) {
    const int64_t elements = pu__count(&call->in[1].shape), grain = loss_grain(call);
    pu_parallel_for(call->pool, elements, grain, loss_elements, (void *)call);
    double sum = 0.0, count = 0.0;
    for (int64_t chunk = 0; chunk < pu__chunks(elements, grain); ++chunk) {
        sum += ((const double *)call->workspace)[2 * chunk];
        count += ((const double *)call->workspace)[2 * chunk + 1];
    }
    *(float *)call->out[0].data = count == 0.0 ? 0.0f : (float)(sum / count);
    *(float *)call->out[1].data = (float)count;
    return PU_OK;
}

size_t pu__loss_workspace_cpu(const pu__call *call) {
    return (size_t)pu__chunks(pu__count(&call->in[1].shape), loss_grain(call)) * 2 * sizeof(double);
}

static void loss_grad_elements(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const float *prediction = call->in[1].data, *target = call->in[2].data, *weight = call->in[3].data;
    const float dloss = *(const float *)call->in[0].data, count = *(const float *)call->in[4].data;
    const float scale = count == 0.0f ? 0.0f : dloss / count;
    const int quantiles = call->attributes->loss.quantiles;
    float *dprediction = call->out[0].data;
    for (int64_t i = begin; i < end; ++i) {
        for (int q = 0; q < quantiles; ++q) {
            const int64_t j = i * quantiles + q;
            const float slope = element_slope(call->attributes, q, target[i] - prediction[j]);
            dprediction[j] = weight[i] == 0.0f || count == 0.0f ? 0.0f : scale * weight[i] * slope;
        }
    }
}

pu_status pu__loss_grad_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__count(&call->in[2].shape), pu__grain(element_bytes(call)), loss_grad_elements,
                    (void *)call);
    return PU_OK;
}
