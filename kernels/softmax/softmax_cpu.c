#include "kernels/softmax/softmax.h"

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

static void softmax_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict x = (const float *)call->in[0].data + n * width;
        float *restrict y = (float *)call->out[0].data + n * width;
        const float top = pu__max(x, width);
        for (int64_t c = 0; c < width; ++c) y[c] = pu__exp(x[c] - top);
        const float scale = 1.0f / pu__sum(y, width);
        for (int64_t c = 0; c < width; ++c) y[c] *= scale;
    }
}

pu_status pu__softmax_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(8 * pu__last(shape)), softmax_rows, (void *)call);
    return PU_OK;
}

static void softmax_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict dy = (const float *)call->in[0].data + n * width;
        const float *restrict y = (const float *)call->in[1].data + n * width;
        float *restrict dx = (float *)call->out[0].data + n * width;
        const float mean = pu__dot(dy, y, width);
        for (int64_t c = 0; c < width; ++c) dx[c] = y[c] * (dy[c] - mean);
    }
}

pu_status pu__softmax_grad_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(12 * pu__last(shape)), softmax_grad_rows, (void *)call);
    return PU_OK;
}
