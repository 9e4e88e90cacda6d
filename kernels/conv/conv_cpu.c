#include "kernels/conv/conv.h"

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

typedef struct conv_shape {
    int64_t windows, bars, channels, group_channels;
    int taps, groups;
} conv_shape;

static conv_shape shape_of(const pu__call *call, const pu_shape *x) {
    const int groups = call->attributes->conv.groups;
    return (conv_shape){x->dim[0], x->dim[1], x->dim[2], x->dim[2] / groups, call->attributes->conv.kernel_bars, groups};
}

static void add_product(float *restrict y, const float *restrict w, const float *restrict x, int64_t n) {
    for (int64_t c = 0; c < n; ++c) y[c] += w[c] * x[c];
}

static void conv_windows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const conv_shape s = shape_of(call, &call->in[0].shape);
    const float *w = call->in[1].data, *bias = call->in[2].data;
    for (int64_t row = begin; row < end; ++row) {
        const int64_t t = row % s.bars;
        const float *x = (const float *)call->in[0].data + row * s.channels;
        float *y = (float *)call->out[0].data + row * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) y[c] = bias[c];
        for (int g = 0; g < s.groups; ++g) {
            const int64_t d = call->attributes->conv.dilation[g], first = g * s.group_channels;
            for (int64_t k = 0; k < s.taps && k * d <= t; ++k) {
                add_product(y + first, w + k * s.channels + first, x - k * d * s.channels + first, s.group_channels);
            }
        }
    }
}

pu_status pu__conv_cpu(const pu__call *call) {
    const pu_shape *x = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(x), pu__grain(8 * pu__last(x)), conv_windows, (void *)call);
    return PU_OK;
}

static int64_t grad_grain(const pu__call *call) {
    const pu_shape *x = &call->in[1].shape;
    return pu__reduction_grain(pu__rows(x), 12 * pu__last(x));
}

static void conv_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const conv_shape s = shape_of(call, &call->in[1].shape);
    const float *w = call->in[2].data;
    float *dw = (float *)call->workspace + begin / grad_grain(call) * (s.taps + 1) * s.channels, *dbias = dw + s.taps * s.channels;
    memset(dw, 0, (size_t)((s.taps + 1) * s.channels) * sizeof *dw);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t t = row % s.bars;
        const float *dy = (const float *)call->in[0].data + row * s.channels, *x = (const float *)call->in[1].data + row * s.channels;
        float *dx = (float *)call->out[0].data + row * s.channels;
        memset(dx, 0, (size_t)s.channels * sizeof *dx);
        for (int64_t c = 0; c < s.channels; ++c) dbias[c] += dy[c];
        for (int g = 0; g < s.groups; ++g) {
            const int64_t d = call->attributes->conv.dilation[g], first = g * s.group_channels;
            for (int64_t k = 0; k < s.taps; ++k) {
                const int64_t back = k * d * s.channels, tap = k * s.channels + first;
                if (t + k * d < s.bars) add_product(dx + first, w + tap, dy + back + first, s.group_channels);
                if (k * d <= t) add_product(dw + tap, dy + first, x - back + first, s.group_channels);
            }
        }
    }
}

pu_status pu__conv_grad_cpu(const pu__call *call) {
    const conv_shape s = shape_of(call, &call->in[1].shape);
    const int64_t rows = pu__rows(&call->in[1].shape), grain = grad_grain(call), count = s.taps * s.channels;
    pu_parallel_for(call->pool, rows, grain, conv_grad_rows, (void *)call);
    float *restrict dw = call->out[1].data, *restrict dbias = call->out[2].data;
    memset(dw, 0, (size_t)count * sizeof *dw);
    memset(dbias, 0, (size_t)s.channels * sizeof *dbias);
    for (int64_t chunk = 0; chunk < pu__chunks(rows, grain); ++chunk) {
        const float *restrict part = (const float *)call->workspace + chunk * (count + s.channels);
        for (int64_t i = 0; i < count; ++i) dw[i] += part[i];
        for (int64_t c = 0; c < s.channels; ++c) dbias[c] += part[count + c];
    }
    return PU_OK;
}

size_t pu__conv_grad_workspace_cpu(const pu__call *call) {
    const conv_shape s = shape_of(call, &call->in[1].shape);
    return (size_t)(pu__chunks(pu__rows(&call->in[1].shape), grad_grain(call)) * (s.taps + 1) * s.channels) * sizeof(float);
}
