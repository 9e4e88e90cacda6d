/* Weighted losses and their gradients. Floors: the loss reads predictions, targets and weights, (Q + 2) N H
 * floats; the gradient also writes Q N H. The sum has two stages in a fixed order and in double: per-block
 * partial sums, then one block. */
#include "kernels/loss/loss.h"

#include "kernels/common/device.cuh"

enum { LOSS_BLOCKS_MAX = 512, LOSS_ITEMS_PER_THREAD = 4 };

typedef struct loss_args {
    const float *prediction, *target, *weight;
    int64_t items; /* rows x horizons; item i owns the quantiles at prediction[i * quantiles] */
    pu_loss kind;
    int quantiles;
    float quantile[PU_MAX_QUANTILES];
    float huber_delta;
} loss_args;

static __device__ inline float item_loss(const loss_args *args, int64_t i) {
    const float target = args->target[i];
    if (args->kind == PU_LOSS_PINBALL) {
        float sum = 0.0f;
        for (int q = 0; q < args->quantiles; ++q) {
            const float e = target - args->prediction[i * args->quantiles + q], tau = args->quantile[q];
            sum += e >= 0.0f ? tau * e : (tau - 1.0f) * e;
        }
        return sum / (float)args->quantiles;
    }
    const float e = target - args->prediction[i];
    if (args->kind == PU_LOSS_MSE) return e * e;
    const float size = fabsf(e), delta = args->huber_delta;
    return size <= delta ? 0.5f * e * e : delta * (size - 0.5f * delta);
}

/* The derivative of item i's loss by its prediction q. */
static __device__ inline float item_slope(const loss_args *args, int64_t i, int q) {
    const float e = args->target[i] - args->prediction[i * args->quantiles + q];
    if (args->kind == PU_LOSS_PINBALL) {
        const float tau = args->quantile[q];
        return (e >= 0.0f ? -tau : e < 0.0f ? 1.0f - tau : e) / (float)args->quantiles;
    }
    if (args->kind == PU_LOSS_MSE) return -2.0f * e;
    return fabsf(e) <= args->huber_delta ? -e : e > 0.0f ? -args->huber_delta : e < 0.0f ? args->huber_delta : e;
}

static __global__ void __launch_bounds__(PU_BLOCK)
    loss_partial_kernel(const __grid_constant__ loss_args args, double *partial) {
    __shared__ double scratch[PU_BLOCK_WARPS];
    const int64_t step = (int64_t)gridDim.x * PU_BLOCK;
    double loss = 0.0, count = 0.0;
    for (int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x; i < args.items; i += step) {
        const double weight = args.weight[i];
        if (weight == 0.0) continue;
        loss += weight * item_loss(&args, i);
        count += weight;
    }
    loss = pu__block_sum(loss, scratch);
    count = pu__block_sum(count, scratch);
    if (threadIdx.x == 0) {
        partial[2 * blockIdx.x] = loss;
        partial[2 * blockIdx.x + 1] = count;
    }
}

static __global__ void __launch_bounds__(PU_BLOCK)
    loss_final_kernel(const double *partial, int blocks, float *loss_out, float *count_out) {
    __shared__ double scratch[PU_BLOCK_WARPS];
    double loss = 0.0, count = 0.0;
    for (int b = (int)threadIdx.x; b < blocks; b += PU_BLOCK) {
        loss += partial[2 * b];
        count += partial[2 * b + 1];
    }
    loss = pu__block_sum(loss, scratch);
    count = pu__block_sum(count, scratch);
    if (threadIdx.x == 0) {
        loss_out[0] = count == 0.0 ? 0.0f : (float)(loss / count);
        count_out[0] = (float)count;
    }
}

static __global__ void __launch_bounds__(PU_BLOCK)
    loss_grad_kernel(const __grid_constant__ loss_args args, const float *dloss, const float *count,
                     float *dprediction) {
    const int64_t p = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (p >= args.items * args.quantiles) return;
    const int64_t i = pu__quotient(p, args.quantiles);
    const float weight = args.weight[i];
    const bool used = weight != 0.0f && count[0] != 0.0f;
    const float scale = used ? dloss[0] * weight / count[0] : 0.0f;
    dprediction[p] = used ? scale * item_slope(&args, i, (int)(p - i * args.quantiles)) : 0.0f;
}

/* Slots of the inputs: the loss has prediction, target, weight at 0..2, its gradient at 1..3. */
static loss_args args_of(const pu__call *call, int slot) {
    loss_args args = {(const float *)call->in[slot].data,
                      (const float *)call->in[slot + 1].data,
                      (const float *)call->in[slot + 2].data,
                      pu__count(&call->in[slot + 1].shape),
                      call->attributes->loss.kind,
                      call->attributes->loss.quantiles,
                      {0.0f},
                      call->attributes->loss.huber_delta};
    for (int q = 0; q < PU_MAX_QUANTILES; ++q) args.quantile[q] = call->attributes->loss.quantile[q];
    return args;
}

static int loss_blocks(int64_t items) {
    return (int)pu__lesser(pu__ceil_div(items, PU_BLOCK * LOSS_ITEMS_PER_THREAD), LOSS_BLOCKS_MAX);
}

extern "C" size_t pu__loss_workspace_cuda(const pu__call *call) {
    return (size_t)loss_blocks(pu__count(&call->in[1].shape)) * 2 * sizeof(double);
}

extern "C" pu_status pu__loss_cuda(const pu__call *call) {
    const loss_args args = args_of(call, 0);
    const int blocks = loss_blocks(args.items);
    double *partial = (double *)call->workspace;
    if (blocks > 0) {
        PU_LAUNCH(loss_partial_kernel, dim3((unsigned)blocks), dim3(PU_BLOCK), 0, call->cuda->stream, args,
                  partial);
        PU_TRY(pu__launched("loss"));
    }
    PU_LAUNCH(loss_final_kernel, dim3(1), dim3(PU_BLOCK), 0, call->cuda->stream, partial, blocks,
              (float *)call->out[0].data, (float *)call->out[1].data);
    return pu__launched("loss sum");
}

extern "C" pu_status pu__loss_grad_cuda(const pu__call *call) {
    const loss_args args = args_of(call, 1);
    const int64_t n = args.items * args.quantiles;
    if (n == 0) return PU_OK;
    PU_LAUNCH(loss_grad_kernel, dim3((unsigned)pu__ceil_div(n, PU_BLOCK)), dim3(PU_BLOCK), 0, call->cuda->stream,
              args, (const float *)call->in[0].data, (const float *)call->in[4].data, (float *)call->out[0].data);
    return pu__launched("loss_grad");
}
