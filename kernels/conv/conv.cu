/* Depthwise causal convolution with dilations, and its gradient.
 *
 * Floors: forward 8 B T C bytes and 2 K B T C flops; backward 12 B T C bytes and 4 K B T C flops. For K up to 10 the
 * bytes rule: an element costs 2 K + 4 reads and writes of shared memory, of which a multiprocessor does 32 a clock
 * while memory gives it about one element.
 *
 * A block takes 32 neighbouring channels (one 128-byte line a row) and a tile of bars with the bars its taps reach back
 * to (or, for dx, forward to) in shared memory, so memory is read once whatever K and the dilation. The gradient has
 * both, x and what it reaches back to, dz and what it reaches forward to, and makes dx and the tile's share of dw and
 * dbias from them. A tap never reaches out of its window, so windows of up to TILE_BARS have no halo at all. The
 * gradient halves its tile before it gives up; where tile and halo do not fit into 48 KB, taps are read from memory
 * through the cache.
 *
 * dw and dbias: blocks sum runs of tiles in registers and private shared cells, one row of the workspace for each; a
 * column sum ends it. With more than 15 taps further blocks take the others' sums, and the first ones make dx. */
#include "kernels/conv/conv.h"

#include "kernels/common/activation.cuh"
#include "kernels/common/column_sum.cuh"

enum {
    TILE_BARS = 128,
    LEVELS = PU_BLOCK / PU_WARP, /* bars that a block touches at once, one for each warp */
    BARS_AT_ONCE = 4,
    TAPS_AT_ONCE = 16,     /* of dw in one block: its shared cells are 1 KB for each */
    SHARED_BARS_MAX = 384, /* 48 KB of 32 channels */
    PARTIALS_MAX = 256
};

typedef struct conv_args {
    const float *x, *w, *bias, *dz;
    float *y, *z; /* y: dx in the backward pass; z null: not wanted */
    pu_act act;
    int64_t batches, channels, tiles; /* tiles of a window */
    int bars, taps, tile_bars;
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
    at.first = (int)tile * args->tile_bars;
    at.end = min(at.first + args->tile_bars, args->bars);
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

/* y = act(z), z[t] = bias + sum_k w[k] x[t - k d]. */
template <bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK) conv_kernel(const __grid_constant__ conv_args args) {
    PU_DYNAMIC_SHARED(float, tile);
    const int64_t groups = pu__ceil_div(args.channels, PU_WARP), unit = blockIdx.x / groups;
    const int64_t channel_group = blockIdx.x - unit * groups;
    const place at = place_of(&args, channel_group, unit);
    const int lane = (int)threadIdx.x % PU_WARP, level = (int)threadIdx.x / PU_WARP;
    const int dilation = dilation_of(&args, at.channel);
    const float *x = args.x + at.offset;
    const int tile_first = TILED ? max(at.first - reach_of(&args, channel_group), 0) : 0;
    if (TILED) {
        load_bars(tile, x, args.channels, tile_first, at.end - tile_first, at.live);
        __syncthreads();
    }
    const float bias = args.bias[at.channel];
    for (int t = at.first + level; t < at.end; t += BARS_AT_ONCE * LEVELS) {
        float sum[BARS_AT_ONCE];
        for (int i = 0; i < BARS_AT_ONCE; ++i) sum[i] = bias;
        for (int k = 0; k < args.taps; ++k) {
            const float w = args.w[k * args.channels + at.channel];
            PU_UNROLL
            for (int i = 0; i < BARS_AT_ONCE; ++i) {
                const int row = t + i * LEVELS;
                const int64_t from = row - (int64_t)k * dilation;
                if (row >= at.end || from < 0) continue;
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

/* A tile of x or of dz with what its taps reach, in shared memory or (stride: channels) in memory; `first` is the bar
 * that the pointer stands at. */
typedef struct bars_view {
    const float *base;
    int64_t stride;
    int first;
} bars_view;

static __device__ inline float bar_of(const bars_view *view, int64_t bar) {
    return view->base[(bar - view->first) * view->stride];
}

/* dx[t] = sum_k w[k] dz[t + k d] of the tile. */
template <int BARS>
static __device__ inline void slopes_of_inputs(const conv_args *args, const place *at, const bars_view *dz,
                                               int dilation) {
    const int level = (int)threadIdx.x / PU_WARP;
    float sum[BARS] = {};
    for (int k = 0; k < args->taps; ++k) {
        const float w = args->w[k * args->channels + at->channel];
        PU_UNROLL
        for (int i = 0; i < BARS; ++i) {
            const int t = at->first + level + i * LEVELS;
            const int64_t to = t + (int64_t)k * dilation;
            if (t < at->end && to < args->bars) sum[i] = fmaf(w, bar_of(dz, to), sum[i]);
        }
    }
    PU_UNROLL
    for (int i = 0; i < BARS; ++i) {
        const int t = at->first + level + i * LEVELS;
        if (at->live && t < at->end) args->y[at->offset + t * args->channels] = sum[i];
    }
}

/* cells[tap] += dz[t] x[t - tap d] over this thread's bars of the tile; tap K is dbias. */
template <int BARS>
static __device__ inline void slopes_of_taps(const conv_args *args, const place *at, const bars_view *x,
                                             const bars_view *dz, int dilation, int tap_first, int taps,
                                             float *cells) {
    const int thread = (int)threadIdx.x, level = thread / PU_WARP;
    float slope[BARS];
    PU_UNROLL
    for (int i = 0; i < BARS; ++i) {
        const int t = at->first + level + i * LEVELS;
        slope[i] = t < at->end ? bar_of(dz, t) : 0.0f;
    }
    for (int k = 0; k < taps; ++k) {
        const int tap = tap_first + k;
        float sum = 0.0f;
        PU_UNROLL
        for (int i = 0; i < BARS; ++i) {
            const int t = at->first + level + i * LEVELS;
            const int64_t from = t - (int64_t)tap * dilation;
            if (tap == args->taps) sum += slope[i];
            else if (t < at->end && from >= 0) sum = fmaf(slope[i], bar_of(x, from), sum);
        }
        cells[k * PU_BLOCK + thread] += sum;
    }
}

/* dx, and partial[blockIdx.y][tap][channel] for a run of tiles of BARS bars a thread. blockIdx.x counts groups of
 * channels, blockIdx.z groups of taps. */
template <int BARS, bool TILED>
static __global__ void __launch_bounds__(PU_BLOCK)
    conv_grad_kernel(const __grid_constant__ conv_args args, int64_t units_per_block, int cell_taps,
                     float *partial) {
    PU_DYNAMIC_SHARED(float, shared);
    const int thread = (int)threadIdx.x, lane = thread % PU_WARP, level = thread / PU_WARP;
    const int tap_first = (int)blockIdx.z * TAPS_AT_ONCE, taps = min(TAPS_AT_ONCE, args.taps + 1 - tap_first);
    const int64_t units = args.batches * args.tiles;
    const int64_t unit_end = min(((int64_t)blockIdx.y + 1) * units_per_block, units);
    const int reach = TILED ? reach_of(&args, blockIdx.x) : 0;
    float *const cells = shared, *const x_tile = cells + cell_taps * PU_BLOCK;
    float *const dz_tile = x_tile + min((int64_t)args.tile_bars + reach, (int64_t)args.bars) * PU_WARP;
    for (int k = 0; k < taps; ++k) cells[k * PU_BLOCK + thread] = 0.0f; /* of this thread alone until the end */
    for (int64_t unit = (int64_t)blockIdx.y * units_per_block; unit < unit_end; ++unit) {
        const place at = place_of(&args, blockIdx.x, unit);
        bars_view x = {args.x + at.offset, args.channels, 0}, dz = {args.dz + at.offset, args.channels, 0};
        if (TILED) {
            const int x_first = max(at.first - reach, 0);
            const int dz_end = (int)min((int64_t)at.end + reach, (int64_t)args.bars);
            __syncthreads();
            load_bars(x_tile, x.base, args.channels, x_first, at.end - x_first, at.live);
            load_bars(dz_tile, dz.base, args.channels, at.first, dz_end - at.first, at.live);
            __syncthreads();
            x = {x_tile + lane, PU_WARP, x_first};
            dz = {dz_tile + lane, PU_WARP, at.first};
        }
        const int dilation = dilation_of(&args, at.channel);
        if (blockIdx.z == 0) slopes_of_inputs<BARS>(&args, &at, &dz, dilation);
        slopes_of_taps<BARS>(&args, &at, &x, &dz, dilation, tap_first, taps, cells);
    }
    __syncthreads();
    const int64_t channel = (int64_t)blockIdx.x * PU_WARP + lane;
    for (int k = level; k < taps && channel < args.channels; k += LEVELS) {
        float sum = 0.0f;
        for (int i = 0; i < LEVELS; ++i) sum += cells[k * PU_BLOCK + i * PU_WARP + lane];
        partial[((int64_t)blockIdx.y * (args.taps + 1) + tap_first + k) * args.channels + channel] = sum;
    }
}

static conv_args args_of(const pu__call *call, const pu_shape *x, int tile_bars) {
    conv_args args = {};
    args.batches = x->dim[0];
    args.channels = x->dim[2];
    args.bars = (int)x->dim[1];
    args.tile_bars = tile_bars;
    args.tiles = pu__ceil_div(args.bars, tile_bars);
    args.taps = call->attributes->conv.kernel_bars;
    args.group_channels = args.channels > 0 ? args.channels / call->attributes->conv.groups : 0;
    for (int g = 0; g < PU_MAX_DILATIONS; ++g) args.dilation[g] = call->attributes->conv.dilation[g];
    return args;
}

/* Bars in shared memory: a tile and its halo, at most the window. */
static int64_t shared_bars(const pu__call *call, int64_t bars, int64_t tile_bars) {
    int64_t dilation = 0;
    for (int g = 0; g < call->attributes->conv.groups; ++g)
        dilation = pu__greater(dilation, call->attributes->conv.dilation[g]);
    return pu__lesser(bars, tile_bars + dilation * (call->attributes->conv.kernel_bars - 1));
}

extern "C" pu_status pu__conv_cuda(const pu__call *call) {
    conv_args args = args_of(call, &call->in[0].shape, TILE_BARS);
    if (pu__count(&call->in[0].shape) == 0) return PU_OK;
    args.x = (const float *)call->in[0].data;
    args.w = (const float *)call->in[1].data;
    args.bias = (const float *)call->in[2].data;
    args.y = (float *)call->out[0].data;
    args.z = call->out_count > 1 ? (float *)call->out[1].data : nullptr;
    args.act = call->attributes->conv.act;
    const dim3 grid((unsigned)(args.batches * args.tiles * pu__ceil_div(args.channels, PU_WARP)));
    const int64_t bars = shared_bars(call, args.bars, TILE_BARS);
    if (bars <= SHARED_BARS_MAX) {
        const size_t shared_bytes = (size_t)bars * PU_WARP * sizeof(float);
        PU_LAUNCH(conv_kernel<true>, grid, dim3(PU_BLOCK), shared_bytes, call->cuda->stream, args);
    } else {
        PU_LAUNCH(conv_kernel<false>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, args);
    }
    return pu__launched("conv");
}

/* How the gradient is cut; a matter of the shape alone. */
typedef struct grad_plan {
    bool tiled;
    int tile_bars, cell_taps;
    size_t shared_bytes;
} grad_plan;

static grad_plan plan_of(const pu__call *call) {
    const int64_t window = call->in[1].shape.dim[1];
    grad_plan plan = {true, TILE_BARS, (int)pu__lesser(TAPS_AT_ONCE, call->attributes->conv.kernel_bars + 1), 0};
    const int64_t room = SHARED_BARS_MAX - (int64_t)plan.cell_taps * LEVELS;
    if (2 * shared_bars(call, window, plan.tile_bars) > room) plan.tile_bars /= 2;
    int64_t bars = 2 * shared_bars(call, window, plan.tile_bars);
    if (bars > room) {
        plan.tiled = false;
        bars = 0;
    }
    plan.shared_bytes = (size_t)(bars + (int64_t)plan.cell_taps * LEVELS) * PU_WARP * sizeof(float);
    return plan;
}

static int64_t partial_rows(const conv_args *args) {
    return pu__lesser(args->batches * args->tiles, PARTIALS_MAX);
}

extern "C" size_t pu__conv_grad_workspace_cuda(const pu__call *call) {
    const conv_args args = args_of(call, &call->in[1].shape, plan_of(call).tile_bars);
    return (size_t)(partial_rows(&args) * (args.taps + 1) * args.channels) * sizeof(float);
}

static pu_status launch_grad(const pu__call *call, const grad_plan *plan, const conv_args *args, float *partial) {
    const int64_t rows = partial_rows(args), units_per_block = pu__ceil_div(args->batches * args->tiles, rows);
    const dim3 grid((unsigned)pu__ceil_div(args->channels, PU_WARP), (unsigned)rows,
                    (unsigned)pu__ceil_div(args->taps + 1, TAPS_AT_ONCE));
    const cudaStream_t stream = call->cuda->stream;
    if (!plan->tiled) {
        PU_LAUNCH((conv_grad_kernel<TILE_BARS / LEVELS / 2, false>), grid, dim3(PU_BLOCK), plan->shared_bytes,
                  stream, *args, units_per_block, plan->cell_taps, partial);
    } else if (plan->tile_bars == TILE_BARS) {
        PU_LAUNCH((conv_grad_kernel<TILE_BARS / LEVELS, true>), grid, dim3(PU_BLOCK), plan->shared_bytes, stream,
                  *args, units_per_block, plan->cell_taps, partial);
    } else {
        PU_LAUNCH((conv_grad_kernel<TILE_BARS / LEVELS / 2, true>), grid, dim3(PU_BLOCK), plan->shared_bytes,
                  stream, *args, units_per_block, plan->cell_taps, partial);
    }
    return pu__launched("conv_grad");
}

extern "C" pu_status pu__conv_grad_cuda(const pu__call *call) {
    const grad_plan plan = plan_of(call);
    conv_args args = args_of(call, &call->in[1].shape, plan.tile_bars);
    float *partial = (float *)call->workspace;
    const int64_t rows = partial_rows(&args);
    if (args.channels == 0) return PU_OK;
    args.dz = (const float *)call->in[0].data;
    args.x = (const float *)call->in[1].data;
    args.w = (const float *)call->in[2].data;
    args.y = (float *)call->out[0].data;
    if (rows > 0) PU_TRY(launch_grad(call, &plan, &args, partial));
    return pu__column_sum_final(partial, rows, (args.taps + 1) * args.channels, (float *)call->out[1].data,
                                (float *)call->out[2].data, args.taps * args.channels, call->cuda->stream);
}
