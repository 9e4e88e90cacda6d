/* First-order recurrences over time.
 *
 * Floor: forward 12 B T C bytes, backward 20 B T C. A block takes 32 neighbouring channels (one 128-byte line a row)
 * of one window, and tiles of 8 x 16 bars: a warp runs through 16 of them in registers as if its first state were
 * zero, keeping the product of the factors beside the state; the warps' ends meet in shared memory, and what
 * came before is added by that product. Everything is read once and written once. */
#include "kernels/scan/scan.h"

#include "kernels/common/device.cuh"

enum { RUN_BARS = 16, TILE_BARS = RUN_BARS * PU_BLOCK_WARPS };

typedef struct scan_args {
    const float *a, *x, *h; /* x is dh in the gradient, h null in the forward pass */
    float *out, *da;
    int64_t channels, channel_groups;
    int bars;
} scan_args;

/* Step i of the recurrence is bar i forward; backward it is bar T-1-i, whose factor is a of the bar after it. */
template <bool BACKWARD>
static __global__ void __launch_bounds__(PU_BLOCK) scan_kernel(const __grid_constant__ scan_args args) {
    __shared__ float ends[2][PU_BLOCK_WARPS][PU_WARP]; /* product of the factors, state */
    const int lane = (int)threadIdx.x % PU_WARP, warp = (int)threadIdx.x / PU_WARP;
    const int64_t window = pu__quotient(blockIdx.x, args.channel_groups);
    const int64_t channel = (blockIdx.x - window * args.channel_groups) * PU_WARP + lane;
    const bool live = channel < args.channels;
    const int64_t first = window * args.bars * args.channels + channel;
    float state = 0.0f; /* before the tile; the same in every warp */
    for (int tile = 0; tile < args.bars; tile += TILE_BARS) {
        float factor[RUN_BARS], value[RUN_BARS];
        PU_UNROLL
        for (int i = 0; i < RUN_BARS; ++i) {
            const int step = tile + warp * RUN_BARS + i, bar = BACKWARD ? args.bars - 1 - step : step;
            const bool inside = live && step < args.bars;
            factor[i] =
                inside && (!BACKWARD || step > 0) ? args.a[first + (bar + BACKWARD) * args.channels] : 1.0f;
            value[i] = inside ? args.x[first + bar * args.channels] : 0.0f;
        }
        PU_UNROLL
        for (int i = 1; i < RUN_BARS; ++i) {
            value[i] = fmaf(factor[i], value[i - 1], value[i]);
            factor[i] *= factor[i - 1];
        }
        ends[0][warp][lane] = factor[RUN_BARS - 1];
        ends[1][warp][lane] = value[RUN_BARS - 1];
        __syncthreads();
        float before = state;
        for (int w = 0; w < PU_BLOCK_WARPS; ++w) {
            if (w == warp) before = state;
            state = fmaf(ends[0][w][lane], state, ends[1][w][lane]);
        }
        __syncthreads();
        PU_UNROLL
        for (int i = 0; i < RUN_BARS; ++i) {
            const int step = tile + warp * RUN_BARS + i, bar = BACKWARD ? args.bars - 1 - step : step;
            if (!live || step >= args.bars) continue;
            const float result = fmaf(factor[i], before, value[i]);
            args.out[first + bar * args.channels] = result;
            if (BACKWARD)
                args.da[first + bar * args.channels] =
                    bar > 0 ? result * args.h[first + (bar - 1) * args.channels] : 0.0f;
        }
    }
}

template <bool BACKWARD> static pu_status launch(const pu__call *call, scan_args *args, const char *name) {
    const pu_shape *shape = &call->in[0].shape;
    if (pu__count(shape) == 0) return PU_OK;
    args->bars = (int)shape->dim[1];
    args->channels = shape->dim[2];
    args->channel_groups = pu__ceil_div(args->channels, PU_WARP);
    PU_LAUNCH(scan_kernel<BACKWARD>, dim3((unsigned)(shape->dim[0] * args->channel_groups)), dim3(PU_BLOCK), 0,
              call->cuda->stream, *args);
    return pu__launched(name);
}

extern "C" pu_status pu__scan_cuda(const pu__call *call) {
    scan_args args = {};
    args.a = (const float *)call->in[0].data;
    args.x = (const float *)call->in[1].data;
    args.out = (float *)call->out[0].data;
    return launch<false>(call, &args, "scan");
}

extern "C" pu_status pu__scan_grad_cuda(const pu__call *call) {
    scan_args args = {};
    args.x = (const float *)call->in[0].data;
    args.a = (const float *)call->in[1].data;
    args.h = (const float *)call->in[2].data;
    args.da = (float *)call->out[0].data;
    args.out = (float *)call->out[1].data;
    return launch<true>(call, &args, "scan_grad");
}
