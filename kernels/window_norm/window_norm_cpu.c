#include "kernels/window_norm/window_norm.h"

#include <math.h>

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

enum { FEATURES = 16 }; /* scanned together: their sums stay in registers */

/* Sums of deviations from the window's first bar, in double: the shift keeps a large mean out of the squares. */
static void scan(const float *restrict bars, float *restrict y, int64_t stride, int width, int64_t warmup,
                 int64_t count, float clip, double epsilon) {
    double sum[FEATURES] = {0}, squares[FEATURES] = {0}, first[FEATURES];
    for (int f = 0; f < width; ++f) first[f] = bars[f];
    for (int64_t r = 0; r < warmup + count; ++r) {
        const float *restrict x = bars + r * stride;
        const double scale = 1.0 / (double)(r + 1);
        for (int f = 0; f < width; ++f) {
            const double deviation = x[f] - first[f];
            sum[f] += deviation;
            squares[f] += deviation * deviation;
        }
        if (r < warmup) continue;
        float *restrict out = y + (r - warmup) * stride;
        for (int f = 0; f < width; ++f) {
            const double mean = sum[f] * scale, variance = squares[f] * scale - mean * mean;
            const double z = ((x[f] - first[f]) - mean) / sqrt((variance < 0.0 ? 0.0 : variance) + epsilon);
            out[f] = pu__clamp((float)z, -clip, clip);
        }
    }
}

static void window_norm_windows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t warmup = call->attributes->window_norm.warmup_bars,
                  count = call->attributes->window_norm.window_bars;
    const int64_t stride = pu__last(&call->in[0].shape), bars = pu__rows(&call->in[0].shape);
    for (int64_t b = begin; b < end; ++b) {
        const int64_t start = ((const int32_t *)call->in[1].data)[b];
        float *y = (float *)call->out[0].data + b * count * stride;
        if (start < 0 || start + warmup + count > bars) {
            for (int64_t i = 0; i < count * stride; ++i) y[i] = NAN;
            continue;
        }
        for (int64_t f = 0; f < stride; f += FEATURES) {
            const int width = stride - f < FEATURES ? (int)(stride - f) : FEATURES;
            scan((const float *)call->in[0].data + start * stride + f, y + f, stride, width, warmup, count,
                 call->attributes->window_norm.clip, call->attributes->window_norm.epsilon);
        }
    }
}

pu_status pu__window_norm_cpu(const pu__call *call) {
    if (pu__count(&call->out[0].shape) == 0) return PU_OK;
    pu_parallel_for(call->pool, call->out[0].shape.dim[0], 1, window_norm_windows, (void *)call);
    return PU_OK;
}
