/* Gradient norm and AdamW. Floors: sum_squares reads P floats; adamw reads four and writes three arrays of P
 * floats, 28 P bytes, with about 15 operations an element. The norm, the clip factor and the guard against a
 * norm that is not finite are read and decided on the device, so the host never waits inside a step. */
#include "kernels/adamw/adamw.h"

#include "kernels/common/device.cuh"

enum { SQUARES_BLOCKS_MAX = 512, SQUARES_ITEMS_PER_THREAD = 16 };

/* partial[block] = the block's sum of squares. A square of a float is exact in double. */
static __global__ void __launch_bounds__(PU_BLOCK)
    sum_squares_partial_kernel(const float *x, int64_t n, bool vector, double *partial) {
    __shared__ double scratch[PU_BLOCK_WARPS];
    const int64_t step = (int64_t)gridDim.x * PU_BLOCK * 4;
    double sum = 0.0;
    for (int64_t i = pu__first4(); i < n; i += step) {
        float v[4];
        pu__load4(v, x, i, n, vector);
        for (int j = 0; j < 4; ++j) sum += (double)v[j] * v[j];
    }
    sum = pu__block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(PU_BLOCK)
    sum_squares_final_kernel(const double *partial, int blocks, float *y) {
    __shared__ double scratch[PU_BLOCK_WARPS];
    double sum = 0.0;
    for (int b = (int)threadIdx.x; b < blocks; b += PU_BLOCK) sum += partial[b];
    sum = pu__block_sum(sum, scratch);
    if (threadIdx.x == 0) y[0] = (float)sum;
}

static int squares_blocks(int64_t n) {
    return (int)pu__lesser(pu__ceil_div(n, PU_BLOCK * SQUARES_ITEMS_PER_THREAD), SQUARES_BLOCKS_MAX);
}

extern "C" size_t pu__sum_squares_workspace_cuda(const pu__call *call) {
    return (size_t)squares_blocks(pu__count(&call->in[0].shape)) * sizeof(double);
}

extern "C" pu_status pu__sum_squares_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data;
    const int64_t n = pu__count(&call->in[0].shape);
    const int blocks = squares_blocks(n);
    double *partial = (double *)call->workspace;
    if (blocks > 0) {
        PU_LAUNCH(sum_squares_partial_kernel, dim3((unsigned)blocks), dim3(PU_BLOCK), 0, call->cuda->stream, x, n,
                  pu__aligned16(x), partial);
        PU_TRY(pu__launched("sum_squares"));
    }
    PU_LAUNCH(sum_squares_final_kernel, dim3(1), dim3(PU_BLOCK), 0, call->cuda->stream, partial, blocks,
              (float *)call->out[0].data);
    return pu__launched("sum_squares sum");
}

typedef struct adamw_args {
    float *param, *m, *v;
    const float *grad, *sumsq, *hyper;
    float *stats;
    int64_t count, decay_count;
    bool vector;
} adamw_args;

enum { HYPER_LR, HYPER_BETA1, HYPER_BETA2, HYPER_EPSILON, HYPER_DECAY, HYPER_CLIP, HYPER_C1, HYPER_C2 };

static __global__ void __launch_bounds__(PU_BLOCK) adamw_kernel(adamw_args args) {
    const float *hyper = args.hyper;
    const float norm = sqrtf(args.sumsq[0]), clip = hyper[HYPER_CLIP];
    const bool skip = !isfinite(norm);
    const float factor = skip ? 0.0f : clip > 0.0f && norm > clip ? clip / norm : 1.0f;
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        args.stats[0] = norm;
        args.stats[1] = factor;
        args.stats[2] = skip ? 1.0f : 0.0f;
        args.stats[3] = 0.0f;
    }
    const int64_t i = pu__first4();
    if (skip || i >= args.count) return;
    const float lr = hyper[HYPER_LR], beta1 = hyper[HYPER_BETA1], beta2 = hyper[HYPER_BETA2];
    const float c1 = hyper[HYPER_C1], c2 = hyper[HYPER_C2], epsilon = hyper[HYPER_EPSILON];
    const float keep = 1.0f - lr * hyper[HYPER_DECAY];
    float param[4], grad[4], m[4], v[4];
    pu__load4(param, args.param, i, args.count, args.vector);
    pu__load4(grad, args.grad, i, args.count, args.vector);
    pu__load4(m, args.m, i, args.count, args.vector);
    pu__load4(v, args.v, i, args.count, args.vector);
    for (int j = 0; j < 4; ++j) {
        const float g = factor * grad[j];
        m[j] = beta1 * m[j] + (1.0f - beta1) * g;
        v[j] = beta2 * v[j] + (1.0f - beta2) * g * g;
        param[j] =
            param[j] * (i + j < args.decay_count ? keep : 1.0f) - lr * (m[j] / c1) / (sqrtf(v[j] / c2) + epsilon);
    }
    pu__store4(args.param, param, i, args.count, args.vector);
    pu__store4(args.m, m, i, args.count, args.vector);
    pu__store4(args.v, v, i, args.count, args.vector);
}

extern "C" pu_status pu__adamw_cuda(const pu__call *call) {
    adamw_args args = {(float *)call->out[0].data,          (float *)call->out[1].data,
                       (float *)call->out[2].data,          (const float *)call->in[1].data,
                       (const float *)call->in[4].data,     (const float *)call->in[5].data,
                       (float *)call->out[3].data,          pu__count(&call->in[0].shape),
                       call->attributes->adamw.decay_count, false};
    args.vector =
        pu__aligned16(args.param) && pu__aligned16(args.grad) && pu__aligned16(args.m) && pu__aligned16(args.v);
    const unsigned grid =
        args.count > 0 ? pu__grid4(args.count) : 1; /* stats are written also for no parameters */
    PU_LAUNCH(adamw_kernel, dim3(grid), dim3(PU_BLOCK), 0, call->cuda->stream, args);
    return pu__launched("adamw");
}
