/* Causal normalisation of bar windows. Floor: (W + T) F floats read and T F written for each window, 4 bytes
 * each.
 *
 * A block owns 32 features of one window. Rows are taken in chunks of 16, eight chunks at a time: each warp
 * sums its chunk, prefix sums over the chunks give what lies before it, and a second walk over the chunk (from
 * the cache) writes the outputs. Chunks are counted from the window's first row, so an output's bits depend on
 * nothing after its own row, not even on T. Sums are in double and of x - x_0, so a large mean costs no digits. */
#include "kernels/window_norm/window_norm.h"

#include "kernels/common/device.cuh"

enum { CHUNK_ROWS = 16, ROUND_ROWS = PU_BLOCK_WARPS * CHUNK_ROWS };

typedef struct norm_args {
    const float *bars;
    const int32_t *start;
    float *y;
    int64_t bar_rows, features, feature_groups;
    int window_bars, warmup_bars;
    float clip, epsilon;
} norm_args;

/* Comparisons are false for NaN, which so passes through. */
static __device__ inline float clipped(float v, float limit) {
    return v > limit ? limit : v < -limit ? -limit : v;
}

static __device__ inline float normalised(double d, double sum, double squares, int rows, const norm_args *args) {
    const double mean = sum / rows, variance = squares / rows - mean * mean;
    const float scale = sqrtf((variance < 0.0 ? 0.0f : (float)variance) + args->epsilon);
    return clipped((float)(d - mean) / scale, args->clip);
}

static __global__ void __launch_bounds__(PU_BLOCK, 2) window_norm_kernel(const __grid_constant__ norm_args args) {
    __shared__ double chunk_sum[PU_BLOCK_WARPS][PU_WARP], chunk_squares[PU_BLOCK_WARPS][PU_WARP];
    const int lane = (int)threadIdx.x % PU_WARP, warp = (int)threadIdx.x / PU_WARP;
    const int64_t window = blockIdx.x / args.feature_groups;
    const int64_t feature = (blockIdx.x - window * args.feature_groups) * PU_WARP + lane;
    const bool live = feature < args.features;
    const int64_t stride = args.features, start = args.start[window];
    const int rows = args.warmup_bars + args.window_bars;
    float *y = args.y + window * args.window_bars * stride + feature;
    if (start < 0 || start + rows > args.bar_rows) { /* the same for the whole block */
        for (int t = warp; live && t < args.window_bars; t += PU_BLOCK_WARPS) y[t * stride] = NAN;
        return;
    }
    const float *bars = args.bars + start * stride + (live ? feature : 0);
    const double origin = bars[0];
    double before_sum = 0.0, before_squares = 0.0;
    for (int round = 0; round < rows; round += ROUND_ROWS) {
        const int first = round + warp * CHUNK_ROWS;
        const int end = first + CHUNK_ROWS < rows ? first + CHUNK_ROWS : rows;
        double sum = 0.0, squares = 0.0;
        for (int r = first; r < end; ++r) {
            const double d = bars[r * stride] - origin;
            sum += d;
            squares += d * d;
        }
        __syncthreads();
        chunk_sum[warp][lane] = sum;
        chunk_squares[warp][lane] = squares;
        __syncthreads();
        sum = before_sum;
        squares = before_squares;
        for (int w = 0; w < PU_BLOCK_WARPS; ++w) {
            if (w == warp) {
                sum = before_sum;
                squares = before_squares;
            }
            before_sum += chunk_sum[w][lane];
            before_squares += chunk_squares[w][lane];
        }
        for (int r = first; r < end; ++r) {
            const double d = bars[r * stride] - origin;
            sum += d;
            squares += d * d;
            if (live && r >= args.warmup_bars) {
                y[(r - args.warmup_bars) * stride] = normalised(d, sum, squares, r + 1, &args);
            }
        }
    }
}

extern "C" pu_status pu__window_norm_cuda(const pu__call *call) {
    const pu_shape *shape = &call->out[0].shape;
    norm_args args = {(const float *)call->in[0].data,
                      (const int32_t *)call->in[1].data,
                      (float *)call->out[0].data,
                      call->in[0].shape.dim[0],
                      shape->dim[2],
                      pu__ceil_div(shape->dim[2], PU_WARP),
                      call->attributes->window_norm.window_bars,
                      call->attributes->window_norm.warmup_bars,
                      call->attributes->window_norm.clip,
                      call->attributes->window_norm.epsilon};
    if (pu__count(shape) == 0) return PU_OK;
    PU_LAUNCH(window_norm_kernel, dim3((unsigned)(shape->dim[0] * args.feature_groups)), dim3(PU_BLOCK), 0,
              call->cuda->stream, args);
    return pu__launched("window_norm");
}
