/* S4D as a convolution with its kernel K, and the slope of K.
 *
 * Floor: B C T^2 flops forward, twice that in the gradient; 8 and 12 bytes per element. A block takes 32
 * neighbouring channels of a window; K and the window lie in shared memory where both fit into 48 KB. A warp takes
 * 8 neighbouring outputs (or lags) and walks over the other sequence 8 bars at a time: 64 multiply-adds for 23
 * reads. */
#ifndef PU_KERNELS_S4_S4_CONVOLUTION_CUH
#define PU_KERNELS_S4_S4_CONVOLUTION_CUH

#include "kernels/s4/s4.cuh"

enum { SIDE = 8, SHARED_BARS_MAX = 192, LAGS_PER_BLOCK = SIDE * PU_BLOCK_WARPS };

/* rows[i] = the channel's value at bar i: in shared memory, or in memory `stride` apart. */
typedef struct column {
    const float *at;
    int64_t stride;
} column;

static __device__ inline float row_of(column c, int i, int bars) {
    return i >= 0 && i < bars ? c.at[i * c.stride] : 0.0f;
}

static __device__ inline column shared_column(float *tile, const float *from, int64_t channels, int bars,
                                              bool live) {
    const int lane = (int)threadIdx.x % PU_WARP;
    for (int i = (int)threadIdx.x / PU_WARP; i < bars; i += PU_BLOCK_WARPS)
        tile[i * PU_WARP + lane] = live ? from[i * channels] : 0.0f;
    return {tile + lane, PU_WARP};
}

/* Tile r of a warp, so that the warps' shares of the triangle are even: every second round runs the other way. */
static __device__ inline int tile_of(int round, int warp) {
    return round * PU_BLOCK_WARPS + (round % 2 == 0 ? warp : PU_BLOCK_WARPS - 1 - warp);
}

/* sum[i] += sum_j kernel[|distance| + i - j] in[first + j], for the lags of a causal kernel: out row - in row when
 * SIGN is -1, in row - out row when it is +1. DIAGONAL: in_first is out_first, and half of the rows have no such lag;
 * those are left out, since 0 times a NaN would not be 0. */
template <int SIGN, bool DIAGONAL>
static __device__ inline void add_square(column kernel, column in, int out_first, int in_first, int bars,
                                         float sum[SIDE]) {
    float k[2 * SIDE - 1];
    PU_UNROLL
    for (int d = 0; d < 2 * SIDE - 1; ++d) {
        k[d] =
            row_of(kernel,
                   SIGN < 0 ? out_first - in_first + d - (SIDE - 1) : in_first - out_first + (SIDE - 1) - d, bars);
    }
    PU_UNROLL
    for (int j = 0; j < SIDE; ++j) {
        const float value = row_of(in, in_first + j, bars);
        PU_UNROLL
        for (int i = 0; i < SIDE; ++i) {
            if (DIAGONAL && SIGN * (i - j) > 0) continue;
            sum[i] = fmaf(k[i - j + SIDE - 1], value, sum[i]);
        }
    }
}

template <int SIGN, bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK)
    convolve_kernel(const __grid_constant__ pu__s4_args args, const float *kernel) {
    PU_DYNAMIC_SHARED(float, tile);
    const int64_t channel_groups = pu__ceil_div(args.channels, PU_WARP);
    const int64_t window = pu__quotient(blockIdx.x, channel_groups);
    const int64_t channel = (blockIdx.x - window * channel_groups) * PU_WARP + threadIdx.x % PU_WARP;
    const bool live = channel < args.channels;
    const int64_t own = live ? channel : args.channels - 1, first = window * args.bars * args.channels + own;
    const float *from = (SIGN < 0 ? args.u : args.dy) + first;
    column taps = {kernel + own, args.channels}, in = {from, args.channels};
    if (TILED) {
        taps = shared_column(tile, kernel + own, args.channels, args.bars, live);
        in = shared_column(tile + args.bars * PU_WARP, from, args.channels, args.bars, live);
        __syncthreads();
    }
    const int warp = (int)threadIdx.x / PU_WARP, tiles = (args.bars + SIDE - 1) / SIDE;
    for (int round = 0; round * PU_BLOCK_WARPS < tiles; ++round) {
        const int at = tile_of(round, warp) * SIDE;
        if (at >= args.bars) continue;
        float sum[SIDE] = {0, 0, 0, 0, 0, 0, 0, 0};
        const int begin = SIGN < 0 ? 0 : at + SIDE, end = SIGN < 0 ? at : args.bars;
        for (int other = begin; other < end; other += SIDE)
            add_square<SIGN, false>(taps, in, at, other, args.bars, sum);
        add_square<SIGN, true>(taps, in, at, at, args.bars, sum);
        PU_UNROLL
        for (int i = 0; i < SIDE; ++i) {
            if (live && at + i < args.bars) args.out[first + (at + i) * args.channels] = sum[i];
        }
    }
}

/* parts[group][lag][channel] = sum over the group's windows and the bars of dy(t) u(t - lag). blockIdx.x counts
 * groups of channels, y groups of windows, z blocks of lags. */
template <bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK)
    correlate_kernel(const __grid_constant__ pu__s4_args args, float *parts) {
    PU_DYNAMIC_SHARED(float, tile);
    const int64_t channel = (int64_t)blockIdx.x * PU_WARP + threadIdx.x % PU_WARP;
    const bool live = channel < args.channels;
    const int64_t own = live ? channel : args.channels - 1;
    const int lag = (int)blockIdx.z * LAGS_PER_BLOCK + (int)threadIdx.x / PU_WARP * SIDE;
    const int64_t window_end = min(((int64_t)blockIdx.y + 1) * args.group_windows, args.windows);
    float sum[SIDE] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int64_t window = blockIdx.y * args.group_windows; window < window_end; ++window) {
        const int64_t first = window * args.bars * args.channels + own;
        column u = {args.u + first, args.channels}, dy = {args.dy + first, args.channels};
        if (TILED) {
            __syncthreads();
            u = shared_column(tile, args.u + first, args.channels, args.bars, live);
            dy = shared_column(tile + args.bars * PU_WARP, args.dy + first, args.channels, args.bars, live);
            __syncthreads();
        }
        for (int t = lag; t < args.bars; t += SIDE) {
            float in[2 * SIDE - 1];
            PU_UNROLL
            for (int d = 0; d < 2 * SIDE - 1; ++d) in[d] = row_of(u, t - lag + d - (SIDE - 1), args.bars);
            PU_UNROLL
            for (int j = 0; j < SIDE; ++j) {
                const float slope = row_of(dy, t + j, args.bars);
                PU_UNROLL
                for (int i = 0; i < SIDE; ++i) sum[i] = fmaf(slope, in[j - i + SIDE - 1], sum[i]);
            }
        }
    }
    PU_UNROLL
    for (int i = 0; i < SIDE; ++i) {
        if (live && lag + i < args.bars)
            parts[((int64_t)blockIdx.y * args.bars + lag + i) * args.channels + channel] = sum[i];
    }
}

static size_t shared_bytes(const pu__s4_args *args) { return (size_t)(2 * args->bars * PU_WARP) * sizeof(float); }

template <int SIGN>
static pu_status launch_convolve(const pu__call *call, const pu__s4_args *args, const float *kernel) {
    const dim3 grid((unsigned)(args->windows * pu__ceil_div(args->channels, PU_WARP)));
    if (args->bars <= SHARED_BARS_MAX) {
        PU_LAUNCH((convolve_kernel<SIGN, true>), grid, dim3(PU_BLOCK), shared_bytes(args), call->cuda->stream,
                  *args, kernel);
    } else {
        PU_LAUNCH((convolve_kernel<SIGN, false>), grid, dim3(PU_BLOCK), 0, call->cuda->stream, *args, kernel);
    }
    return pu__launched("s4 convolution");
}

/* y[t] = sum_{s <= t} kernel[t - s] u[s] (kernel [T][C], with skip in it), or with `backward` du of dy. */
static pu_status pu__s4_convolve(const pu__call *call, const pu__s4_args *args, const float *kernel,
                                 bool backward) {
    return backward ? launch_convolve<1>(call, args, kernel) : launch_convolve<-1>(call, args, kernel);
}

/* parts[groups][T][C]: slopes of the kernel. */
static pu_status pu__s4_correlate(const pu__call *call, const pu__s4_args *args, float *parts) {
    const dim3 grid((unsigned)pu__ceil_div(args->channels, PU_WARP), (unsigned)args->groups,
                    (unsigned)pu__ceil_div(args->bars, LAGS_PER_BLOCK));
    if (args->bars <= SHARED_BARS_MAX) {
        PU_LAUNCH(correlate_kernel<true>, grid, dim3(PU_BLOCK), shared_bytes(args), call->cuda->stream, *args,
                  parts);
    } else {
        PU_LAUNCH(correlate_kernel<false>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, *args, parts);
    }
    return pu__launched("s4 correlation");
}

#endif
