/* Depthwise causal convolution with dilations, and its gradient.
 *
 * Floors: forward 8 B T C bytes and 2 K B T C flops; backward 12 B T C bytes and 4 K B T C flops (16 B T C
 * bytes as done here: dx and dw are two kernels, and both read dy). For K up to 16 the bytes rule.
 *
 * A block takes 32 neighbouring channels (one 128-byte line a row) and a tile of bars with the bars its taps
 * reach back to (or, for dx, forward to) in shared memory, so memory is read once whatever K and the dilation.
 * A tap never reaches out of its window, so windows of up to TILE_BARS have no halo at all. Where tile and halo
 * do not fit into 48 KB, taps are read from memory through the cache.
 *
 * dw and dbias: blocks sum runs of tiles in registers and private shared cells, one row of the workspace for
 * each; a column sum ends it. */
#include "kernels/conv/conv.h"

#include "kernels/common/activation.cuh"
#include "kernels/common/column_sum.cuh"

enum {
    TILE_BARS = 128,
    LEVELS = PU_BLOCK / PU_WARP, /* bars that a block touches at once, one for each warp */
    BARS_PER_THREAD = TILE_BARS / LEVELS,
    BARS_AT_ONCE = 4,
    TAPS_AT_ONCE = 16,     /* of dw in one block: its shared cells are TAPS_AT_ONCE * 1 KB */
    SHARED_BARS_MAX = 384, /* 48 KB of 32 channels */
    GRAD_SHARED_BARS_MAX = SHARED_BARS_MAX - TAPS_AT_ONCE * LEVELS,
    PARTIALS_MAX = 256
};

typedef struct conv_args {
    const float *x, *w, *bias, *dy;
    float *y, *z; /* z null: not wanted */
    pu_act act;
    int64_t batches, channels, tiles; /* tiles of a window */
    int bars, taps;
    int64_t group_channels;
    int dilation[PU_MAX_DILATIONS];
} conv_args;

static __device__ inline int dilation_of(const conv_args *args, int64_t channel) {
    return args->dilation[pu__quotient(channel, args->group_channels)];
}

/* tile[i][lane] = the channel's value at bar first + i, for `count` bars within the window. */
static __device__ inline void load_bars(float *tile, const float *x, int64_t channels, int first, int count,
                                        bool live) {
    const int lane = (int)threadIdx.x % PU_WARP;
    PU_UNROLL_BY(4)
    for (int i = (int)threadIdx.x / PU_WARP; i < count; i += LEVELS) {
        tile[i * PU_WARP + lane] = live ? x[(first + i) * channels] : 0.0f;
    }
}

/* Where a block works: its tile of bars in its window, and this thread's channel. */
typedef struct place {
    int64_t channel, offset; /* offset: of the channel at bar 0 of the window */
    int first, end;          /* bars of the tile */
    bool live;
} place;

static __device__ inline place place_of(const conv_args *args, int64_t channel_group, int64_t unit) {
    const int64_t batch = pu__quotient(unit, args->tiles), tile = unit - batch * args->tiles;
    place at;
    at.channel = channel_group * PU_WARP + threadIdx.x % PU_WARP;
    at.live = at.channel < args->channels;
    if (!at.live) at.channel = args->channels - 1;
    at.offset = batch * args->bars * args->channels + at.channel;
    at.first = (int)(tile * TILE_BARS);
    at.end = min(at.first + TILE_BARS, args->bars);
    return at;
}

/* The largest distance a tap reaches among the block's channels. */
static __device__ inline int reach_of(const conv_args *args, int64_t channel_group) {
    const int64_t last = min((channel_group + 1) * PU_WARP, args->channels) - 1;
    int reach = 0;
    for (int64_t g = channel_group * PU_WARP / args->group_channels; g <= last / args->group_channels; ++g) {
        reach = max(reach, args->dilation[g]);
    }
    return reach * (args->taps - 1);
}

/* SIGN -1: y[t] = bias + sum_k w[k] x[t - k d], the forward pass. SIGN +1: y[t] = sum_k w[k] x[t + k d], which
 * is dx of dy. */
template <int SIGN, bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK) conv_kernel(const __grid_constant__ conv_args args) {
    PU_DYNAMIC_SHARED(float, tile);
    const int64_t groups = pu__ceil_div(args.channels, PU_WARP), unit = blockIdx.x / groups;
    const int64_t channel_group = blockIdx.x - unit * groups;
    const place at = place_of(&args, channel_group, unit);
    const int lane = (int)threadIdx.x % PU_WARP, level = (int)threadIdx.x / PU_WARP;
    const int dilation = dilation_of(&args, at.channel);
    const float *x = args.x + at.offset;
    int tile_first = 0;
    if (TILED) {
        const int reach = reach_of(&args, channel_group);
        tile_first = SIGN < 0 ? max(at.first - reach, 0) : at.first;
        const int tile_end = SIGN < 0 ? at.end : (int)min((int64_t)at.end + reach, (int64_t)args.bars);
        load_bars(tile, x, args.channels, tile_first, tile_end - tile_first, at.live);
        __syncthreads();
    }
    const float bias = args.bias ? args.bias[at.channel] : 0.0f;
    for (int t = at.first + level; t < at.end; t += BARS_AT_ONCE * LEVELS) {
        float sum[BARS_AT_ONCE];
        for (int i = 0; i < BARS_AT_ONCE; ++i) sum[i] = bias;
        for (int k = 0; k < args.taps; ++k) {
            const float w = args.w[k * args.channels + at.channel];
            PU_UNROLL
            for (int i = 0; i < BARS_AT_ONCE; ++i) {
                const int row = t + i * LEVELS;
                const int64_t from = row + (int64_t)SIGN * k * dilation;
                if (row >= at.end || from < 0 || from >= args.bars) continue;
                sum[i] =
                    fmaf(w, TILED ? tile[(from - tile_first) * PU_WARP + lane] : x[from * args.channels], sum[i]);
            }
        }
        for (int i = 0; i < BARS_AT_ONCE && at.live && t + i * LEVELS < at.end; ++i) {
            const int64_t to = at.offset + (t + i * LEVELS) * args.channels;
            if (args.z) args.z[to] = sum[i];
            args.y[to] = pu__act_at(args.act, sum[i]);
        }
    }
}

/* partial[blockIdx.y][tap][channel] for a run of tiles; tap K is dbias. blockIdx.x counts groups of channels,
 * blockIdx.z groups of taps. */
template <bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK)
    conv_grad_taps_kernel(const __grid_constant__ conv_args args, int64_t units_per_block, float *partial) {
    PU_DYNAMIC_SHARED(float, shared);
    float *const cells = shared, *const tile = cells + TAPS_AT_ONCE * PU_BLOCK;
    const int thread = (int)threadIdx.x, lane = thread % PU_WARP, level = thread / PU_WARP;
    const int tap_first = (int)blockIdx.z * TAPS_AT_ONCE, taps = min(TAPS_AT_ONCE, args.taps + 1 - tap_first);
    const int64_t units = args.batches * args.tiles;
    const int64_t unit_end = min(((int64_t)blockIdx.y + 1) * units_per_block, units);
    const int reach = TILED ? reach_of(&args, blockIdx.x) : 0;
    for (int k = 0; k < taps; ++k) cells[k * PU_BLOCK + thread] = 0.0f; /* of this thread alone until the end */
    for (int64_t unit = (int64_t)blockIdx.y * units_per_block; unit < unit_end; ++unit) {
        const place at = place_of(&args, blockIdx.x, unit);
        const int dilation = dilation_of(&args, at.channel);
        const int tile_first = max(at.first - reach, 0);
        const float *x = args.x + at.offset;
        float dy[BARS_PER_THREAD];
        if (TILED) {
            __syncthreads();
            load_bars(tile, x, args.channels, tile_first, at.end - tile_first, at.live);
            __syncthreads();
        }
        PU_UNROLL
        for (int i = 0; i < BARS_PER_THREAD; ++i) {
            const int t = at.first + level + i * LEVELS;
            dy[i] = t < at.end ? args.dy[at.offset + t * args.channels] : 0.0f;
        }
        for (int k = 0; k < taps; ++k) {
            const int tap = tap_first + k;
            float sum = 0.0f;
            PU_UNROLL
            for (int i = 0; i < BARS_PER_THREAD; ++i) {
                const int t = at.first + level + i * LEVELS;
                const int64_t from = t - (int64_t)tap * dilation;
                if (tap == args.taps) sum += dy[i];
                else if (t < at.end && from >= 0) {
                    sum = fmaf(dy[i], TILED ? tile[(from - tile_first) * PU_WARP + lane] : x[from * args.channels],
                               sum);
                }
            }
            cells[k * PU_BLOCK + thread] += sum;
        }
    }
    __syncthreads();
    const int64_t channel = (int64_t)blockIdx.x * PU_WARP + lane;
    for (int k = level; k < taps && channel < args.channels; k += LEVELS) {
        float sum = 0.0f;
        for (int i = 0; i < LEVELS; ++i) sum += cells[k * PU_BLOCK + i * PU_WARP + lane];
        partial[((int64_t)blockIdx.y * (args.taps + 1) + tap_first + k) * args.channels + channel] = sum;
    }
}

static conv_args args_of(const pu__call *call, const pu_shape *x) {
    conv_args args = {};
    args.batches = x->dim[0];
    args.channels = x->dim[2];
    args.bars = (int)x->dim[1];
    args.tiles = pu__ceil_div(args.bars, TILE_BARS);
    args.taps = call->attributes->conv.kernel_bars;
    args.group_channels = args.channels > 0 ? args.channels / call->attributes->conv.groups : 0;
    for (int g = 0; g < PU_MAX_DILATIONS; ++g) args.dilation[g] = call->attributes->conv.dilation[g];
    return args;
}

/* Bars in shared memory: a tile and its halo, at most the window. */
static int64_t shared_bars(const pu__call *call, const conv_args *args) {
    int64_t dilation = 0;
    for (int g = 0; g < call->attributes->conv.groups; ++g) dilation = pu__greater(dilation, args->dilation[g]);
    return pu__lesser(args->bars, TILE_BARS + dilation * (args->taps - 1));
}

template <int SIGN> static pu_status launch_conv(const pu__call *call, const conv_args *args, const char *name) {
    const int64_t blocks = args->batches * args->tiles * pu__ceil_div(args->channels, PU_WARP);
    const int64_t bars = shared_bars(call, args);
    if (bars <= SHARED_BARS_MAX) {
        const size_t shared_bytes = (size_t)bars * PU_WARP * sizeof(float);
        PU_LAUNCH((conv_kernel<SIGN, true>), dim3((unsigned)blocks), dim3(PU_BLOCK), shared_bytes,
                  call->cuda->stream, *args);
    } else {
        PU_LAUNCH((conv_kernel<SIGN, false>), dim3((unsigned)blocks), dim3(PU_BLOCK), 0, call->cuda->stream,
                  *args);
    }
    return pu__launched(name);
}

extern "C" pu_status pu__conv_cuda(const pu__call *call) {
    conv_args args = args_of(call, &call->in[0].shape);
    if (pu__count(&call->in[0].shape) == 0) return PU_OK;
    args.x = (const float *)call->in[0].data;
    args.w = (const float *)call->in[1].data;
    args.bias = (const float *)call->in[2].data;
    args.y = (float *)call->out[0].data;
    args.z = call->out_count > 1 ? (float *)call->out[1].data : nullptr;
    args.act = call->attributes->conv.act;
    return launch_conv<-1>(call, &args, "conv");
}

static int64_t partial_rows(const conv_args *args) {
    return pu__lesser(args->batches * args->tiles, PARTIALS_MAX);
}

extern "C" size_t pu__conv_grad_workspace_cuda(const pu__call *call) {
    const conv_args args = args_of(call, &call->in[1].shape);
    return (size_t)(partial_rows(&args) * (args.taps + 1) * args.channels) * sizeof(float);
}

static pu_status launch_taps(const pu__call *call, const conv_args *args, float *partial) {
    const int64_t rows = partial_rows(args), units_per_block = pu__ceil_div(args->batches * args->tiles, rows);
    const dim3 grid((unsigned)pu__ceil_div(args->channels, PU_WARP), (unsigned)rows,
                    (unsigned)pu__ceil_div(args->taps + 1, TAPS_AT_ONCE));
    const int64_t bars = shared_bars(call, args);
    const size_t cell_bytes = TAPS_AT_ONCE * PU_BLOCK * sizeof(float);
    if (bars <= GRAD_SHARED_BARS_MAX) {
        const size_t shared_bytes = cell_bytes + (size_t)bars * PU_WARP * sizeof(float);
        PU_LAUNCH(conv_grad_taps_kernel<true>, grid, dim3(PU_BLOCK), shared_bytes, call->cuda->stream, *args,
                  units_per_block, partial);
    } else {
        PU_LAUNCH(conv_grad_taps_kernel<false>, grid, dim3(PU_BLOCK), cell_bytes, call->cuda->stream, *args,
                  units_per_block, partial);
    }
    return pu__launched("conv_grad of taps");
}

extern "C" pu_status pu__conv_grad_cuda(const pu__call *call) {
    conv_args args = args_of(call, &call->in[1].shape);
    float *partial = (float *)call->workspace;
    const int64_t rows = partial_rows(&args);
    if (args.channels == 0) return PU_OK;
    if (rows > 0) {
        conv_args back = args;
        back.x = (const float *)call->in[0].data;
        back.w = (const float *)call->in[2].data;
        back.y = (float *)call->out[0].data;
        PU_TRY(launch_conv<1>(call, &back, "conv_grad of x"));
        args.dy = (const float *)call->in[0].data;
        args.x = (const float *)call->in[1].data;
        PU_TRY(launch_taps(call, &args, partial));
    }
    return pu__column_sum_final(partial, rows, (args.taps + 1) * args.channels, (float *)call->out[1].data,
                                (float *)call->out[2].data, args.taps * args.channels, call->cuda->stream);
}
