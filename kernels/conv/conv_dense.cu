/* Dense causal convolution and its gradient: products whose inner dimension runs over taps and channels (y, dx), or
 * over bars (dw).
 *
 * A block of 128 threads owns 64 x 64 results, a thread 8 x 4 of them in registers. Each stage multiplies 16 steps of
 * the inner dimension out of shared memory, while the next 16 are on their way into registers and from there into the
 * other half of the buffer: one barrier a stage. A stage costs a thread 512 multiply-adds, 48 16-byte reads of shared
 * memory (of which a warp's coincide or lie side by side) and 16 reads of memory; windows and weights come from memory
 * once for each 64 columns or rows of results, and from L2 beyond that.
 *
 * A tap that reaches out of the window gives zeros; a tile of bars does not start taps that none of its bars can use.
 *
 * dw and dbias: runs of bars are parts, one row of the workspace for each; a column sum ends it. */
#include "kernels/conv/conv_dense.h"

#include "kernels/common/activation.cuh"
#include "kernels/common/column_sum.cuh"

enum {
    TILE = 64,  /* results of a block in both directions */
    DEPTH = 16, /* steps of the inner dimension of a stage */
    THREADS = 128,
    ROWS = 8, /* results of a thread */
    COLUMNS = 4,
    LOADS = TILE * DEPTH / THREADS, /* of a thread, for each factor and stage */
    STRIDE = TILE + 4,              /* keeps rows 16-byte aligned and spreads a column over the banks */
    SEGMENT_BARS = 256,             /* of dw's parts: the least run of bars */
    BLOCKS_WANTED = 512,
    PARTIAL_FLOATS_MAX = 1 << 22
};

typedef struct dense_args {
    const float *from, *w, *bias; /* from: x, or dz for dx; bias null: none */
    float *y, *z;                 /* z null: not wanted */
    pu_act act;
    int64_t tiles; /* of a window's bars */
    int bars, inner, width, taps;
    int64_t dilation;
    bool vector; /* rows of y are 16-byte aligned */
} dense_args;

/* A stage's factor: element (r, j) is at offset + r r_stride + j j_stride for r < r_end and j in [j_first, j_end), and
 * zero elsewhere. */
typedef struct factor {
    const float *base;
    int64_t offset, r_stride, j_stride, r_end, j_first, j_end;
} factor;

/* Neighbouring threads take neighbouring r (BY_R) or j, whichever lies side by side in memory. */
template <bool BY_R> static __device__ inline int step_of(int i) {
    return BY_R ? (int)threadIdx.x % DEPTH : (int)threadIdx.x / TILE + i * (THREADS / TILE);
}
template <bool BY_R> static __device__ inline int lane_of(int i) {
    return BY_R ? (int)threadIdx.x / DEPTH + i * (THREADS / DEPTH) : (int)threadIdx.x % TILE;
}

template <bool BY_R> static __device__ inline void fetch(const factor *f, float v[LOADS]) {
    PU_UNROLL
    for (int i = 0; i < LOADS; ++i) {
        const int r = step_of<BY_R>(i), j = lane_of<BY_R>(i);
        const bool live = r < f->r_end && j >= f->j_first && j < f->j_end;
        v[i] = live ? f->base[f->offset + r * f->r_stride + j * f->j_stride] : 0.0f;
    }
}

template <bool BY_R> static __device__ inline void stash(float (*to)[STRIDE], const float v[LOADS]) {
    PU_UNROLL
    for (int i = 0; i < LOADS; ++i) to[step_of<BY_R>(i)][lane_of<BY_R>(i)] = v[i];
}

/* sum += a b over one stage, r in order. */
static __device__ inline void multiply(float (*a)[STRIDE], float (*b)[STRIDE], float sum[ROWS][COLUMNS]) {
    const int row = (int)threadIdx.x / (TILE / COLUMNS) * ROWS,
              column = (int)threadIdx.x % (TILE / COLUMNS) * COLUMNS;
    PU_UNROLL
    for (int r = 0; r < DEPTH; ++r) {
        const float4 low = *(const float4 *)&a[r][row], high = *(const float4 *)&a[r][row + 4];
        const float4 right = *(const float4 *)&b[r][column];
        const float left[ROWS] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        const float across[COLUMNS] = {right.x, right.y, right.z, right.w};
        PU_UNROLL
        for (int i = 0; i < ROWS; ++i) {
            PU_UNROLL
            for (int j = 0; j < COLUMNS; ++j) sum[i][j] = fmaf(left[i], across[j], sum[i][j]);
        }
    }
}

/* Runs over the stages that `stages.next` gives. `columns`, where it is wanted, is the sum over r of the second
 * factor's column threadIdx.x. */
template <bool A_BY_R, bool B_BY_R, class Stages>
static __device__ inline void accumulate(Stages *stages, float sum[ROWS][COLUMNS], bool want_columns,
                                         float *columns) {
    __align__(16) __shared__ float a[2][DEPTH][STRIDE], b[2][DEPTH][STRIDE];
    factor left, right;
    float next_a[LOADS], next_b[LOADS];
    int half = 0;
    bool more = stages->next(&left, &right);
    if (!more) return;
    fetch<A_BY_R>(&left, next_a);
    fetch<B_BY_R>(&right, next_b);
    while (more) {
        stash<A_BY_R>(a[half], next_a);
        stash<B_BY_R>(b[half], next_b);
        __syncthreads();
        more = stages->next(&left, &right);
        if (more) {
            fetch<A_BY_R>(&left, next_a);
            fetch<B_BY_R>(&right, next_b);
        }
        multiply(a[half], b[half], sum);
        for (int r = 0; want_columns && r < DEPTH; ++r) *columns += b[half][r][threadIdx.x];
        half ^= 1;
    }
}

/* ---- y and dx ---- */

namespace { /* methods of internal linkage: two copies of this text in one program stay apart */
/* Taps, and channels within a tap. LAG_SIGN 1: y, from earlier bars; -1: dx, from later ones. */
template <int LAG_SIGN> struct tap_stages {
    const dense_args *args;
    int64_t window_offset, taps; /* taps that some bar of the tile can use */
    int first_bar, first_column, tap, channel;

    __device__ bool next(factor *left, factor *right) {
        if (tap >= taps || args->inner == 0) return false;
        const int64_t lag = LAG_SIGN * tap * args->dilation, first = first_bar - lag, inner = args->inner;
        *left = {args->from,
                 window_offset + first * inner + channel,
                 1,
                 inner,
                 inner - channel,
                 first < 0 ? -first : 0,
                 args->bars - first};
        *right = {args->w, 0, 0, 0, inner - channel, 0, args->width - first_column};
        if (LAG_SIGN > 0) {
            right->offset = (tap * inner + channel) * args->width + first_column;
            right->r_stride = args->width;
            right->j_stride = 1;
        } else {
            right->offset = ((int64_t)tap * args->width + first_column) * inner + channel;
            right->r_stride = 1;
            right->j_stride = inner;
        }
        channel += DEPTH;
        if (channel >= args->inner) {
            channel = 0;
            ++tap;
        }
        return true;
    }
};
} /* namespace */

template <int LAG_SIGN>
static __global__ void __launch_bounds__(THREADS) conv_dense_kernel(const __grid_constant__ dense_args args) {
    const int64_t window = pu__quotient(blockIdx.x, args.tiles), tile = blockIdx.x - window * args.tiles;
    const int first_bar = (int)tile * TILE, first_column = (int)blockIdx.y * TILE;
    const int64_t reach = LAG_SIGN > 0 ? first_bar + TILE - 1 : args.bars - 1 - first_bar;
    const int64_t within = reach / args.dilation + 1;
    tap_stages<LAG_SIGN> stages = {&args,
                                   window * args.bars * args.inner,
                                   within < args.taps ? within : args.taps,
                                   first_bar,
                                   first_column,
                                   0,
                                   0};
    float sum[ROWS][COLUMNS] = {};
    accumulate<true, (LAG_SIGN < 0)>(&stages, sum, false, nullptr);
    const int row = (int)threadIdx.x / (TILE / COLUMNS) * ROWS,
              column = (int)threadIdx.x % (TILE / COLUMNS) * COLUMNS;
    const int64_t n = first_column + column;
    PU_UNROLL
    for (int i = 0; i < ROWS; ++i) {
        const int64_t bar = first_bar + row + i, at = (window * args.bars + bar) * args.width;
        if (bar >= args.bars || n >= args.width) continue;
        float out[COLUMNS];
        for (int j = 0; j < COLUMNS; ++j)
            out[j] = sum[i][j] + (args.bias && n + j < args.width ? args.bias[n + j] : 0.0f);
        if (args.z) pu__store4(args.z + at, out, n, args.width, args.vector);
        if (args.act != PU_ACT_NONE)
            for (int j = 0; j < COLUMNS; ++j) out[j] = pu__act_at(args.act, out[j]);
        pu__store4(args.y + at, out, n, args.width, args.vector);
    }
}

template <int LAG_SIGN> static pu_status launch_sums(const pu__call *call, dense_args *args, const char *name) {
    const int64_t windows = call->in[0].shape.dim[0];
    args->tiles = pu__ceil_div(args->bars, TILE);
    args->vector = args->width % 4 == 0 && pu__aligned16(args->y) && (!args->z || pu__aligned16(args->z));
    if (windows * args->bars == 0 || args->width == 0) return PU_OK;
    const dim3 grid((unsigned)(windows * args->tiles), (unsigned)pu__ceil_div(args->width, TILE), 1);
    PU_LAUNCH(conv_dense_kernel<LAG_SIGN>, grid, dim3(THREADS), 0, call->cuda->stream, *args);
    return pu__launched(name);
}

extern "C" pu_status pu__conv_dense_cuda(const pu__call *call) {
    const pu_shape *x = &call->in[0].shape, *w = &call->in[1].shape;
    dense_args args = {};
    args.from = (const float *)call->in[0].data;
    args.w = (const float *)call->in[1].data;
    args.bias = (const float *)call->in[2].data;
    args.y = (float *)call->out[0].data;
    args.z = call->out_count > 1 ? (float *)call->out[1].data : nullptr;
    args.act = call->attributes->conv.act;
    args.bars = (int)x->dim[1];
    args.taps = (int)w->dim[0];
    args.inner = (int)w->dim[1];
    args.width = (int)w->dim[2];
    args.dilation = call->attributes->conv.dilation[0];
    return launch_sums<1>(call, &args, "conv_dense");
}

/* ---- dw and dbias ---- */

typedef struct weight_args {
    const float *x, *dz;
    float *partial;
    int64_t segments, units, part_units, part_count, part_size; /* units: segments of all windows */
    int64_t dilation;
    int bars, inputs, outputs, taps;
} weight_args;

namespace {
/* Bars of a run of units that the tap's lag leaves in the window. */
struct bar_stages {
    const weight_args *args;
    int64_t lag, unit, unit_end, bar;
    int first_input, first_output;

    /* The first bar of a unit that has an earlier one `lag` bars before it. */
    __device__ int64_t start(int64_t of_unit) const {
        const int64_t first = (of_unit - pu__quotient(of_unit, args->segments) * args->segments) * SEGMENT_BARS;
        return first > lag ? first : lag;
    }
    __device__ bool next(factor *left, factor *right) {
        int64_t window = 0, end = 0;
        for (;; bar = ++unit < unit_end ? start(unit) : 0) {
            if (unit >= unit_end) return false;
            window = pu__quotient(unit, args->segments);
            end = min((unit - window * args->segments + 1) * SEGMENT_BARS, (int64_t)args->bars);
            if (bar < end) break;
        }
        const int64_t at = window * args->bars + bar;
        *left = {args->x,
                 (at - lag) * args->inputs + first_input,
                 args->inputs,
                 1,
                 end - bar,
                 0,
                 args->inputs - first_input};
        *right = {args->dz, at * args->outputs + first_output, args->outputs, 1, end - bar,
                  0,        args->outputs - first_output};
        bar += DEPTH;
        return true;
    }
};
} /* namespace */

/* partial[part][tap][input][output], and behind it dbias[output]. */
static __global__ void __launch_bounds__(THREADS)
    conv_dense_weights_kernel(const __grid_constant__ weight_args args) {
    const int across = (int)pu__ceil_div(args.outputs, TILE), tap = (int)blockIdx.y;
    const int first_input = (int)blockIdx.x / across * TILE, first_output = (int)blockIdx.x % across * TILE;
    const int64_t unit = (int64_t)blockIdx.z * args.part_units;
    bar_stages stages = {&args, tap * args.dilation, unit,        min(unit + args.part_units, args.units),
                         0,     first_input,         first_output};
    stages.bar = stages.start(unit);
    float sum[ROWS][COLUMNS] = {}, bias = 0.0f;
    const bool want_bias = tap == 0 && first_input == 0 && threadIdx.x < TILE;
    accumulate<false, false>(&stages, sum, want_bias, &bias);
    float *const out = args.partial + (int64_t)blockIdx.z * args.part_size;
    const int row = (int)threadIdx.x / (TILE / COLUMNS) * ROWS,
              column = (int)threadIdx.x % (TILE / COLUMNS) * COLUMNS;
    PU_UNROLL
    for (int i = 0; i < ROWS; ++i) {
        const int64_t input = first_input + row + i;
        PU_UNROLL
        for (int j = 0; j < COLUMNS; ++j) {
            const int64_t output = first_output + column + j;
            if (input < args.inputs && output < args.outputs)
                out[(tap * (int64_t)args.inputs + input) * args.outputs + output] = sum[i][j];
        }
    }
    const int64_t output = first_output + threadIdx.x;
    if (want_bias && output < args.outputs) out[args.part_size - args.outputs + output] = bias;
}

/* Everything but the pointers. One input tile at least, for dbias. */
static weight_args weights_of(const pu__call *call) {
    const pu_shape *x = &call->in[1].shape, *w = &call->in[2].shape;
    weight_args args = {};
    args.bars = (int)x->dim[1];
    args.taps = (int)w->dim[0];
    args.inputs = (int)w->dim[1];
    args.outputs = (int)w->dim[2];
    args.dilation = call->attributes->conv.dilation[0];
    args.segments = pu__ceil_div(args.bars, SEGMENT_BARS);
    args.units = x->dim[0] * args.segments;
    args.part_size = (int64_t)args.taps * args.inputs * args.outputs + args.outputs;
    const int64_t tiles = args.taps * pu__greater(pu__ceil_div(args.inputs, TILE), 1) *
                          pu__greater(pu__ceil_div(args.outputs, TILE), 1);
    const int64_t by_size = PARTIAL_FLOATS_MAX / pu__greater(args.part_size, 1);
    const int64_t parts =
        pu__greater(pu__lesser(pu__lesser(pu__ceil_div(BLOCKS_WANTED, tiles), by_size), args.units), 1);
    args.part_units = pu__greater(pu__ceil_div(args.units, parts), 1);
    args.part_count = pu__ceil_div(args.units, args.part_units);
    return args;
}

extern "C" size_t pu__conv_dense_grad_workspace_cuda(const pu__call *call) {
    const weight_args args = weights_of(call);
    return (size_t)(args.part_count * args.part_size) * sizeof(float);
}

extern "C" pu_status pu__conv_dense_grad_cuda(const pu__call *call) {
    weight_args args = weights_of(call);
    args.dz = (const float *)call->in[0].data;
    args.x = (const float *)call->in[1].data;
    args.partial = (float *)call->workspace;
    dense_args back = {};
    back.from = args.dz;
    back.w = (const float *)call->in[2].data;
    back.y = (float *)call->out[0].data;
    back.act = PU_ACT_NONE;
    back.bars = args.bars;
    back.taps = args.taps;
    back.inner = args.outputs;
    back.width = args.inputs;
    back.dilation = args.dilation;
    PU_TRY(launch_sums<-1>(call, &back, "conv_dense_grad of x"));
    if (args.outputs == 0) return PU_OK;
    if (args.part_count > 0) {
        const int64_t tiles = pu__greater(pu__ceil_div(args.inputs, TILE), 1) * pu__ceil_div(args.outputs, TILE);
        const dim3 grid((unsigned)tiles, (unsigned)args.taps, (unsigned)args.part_count);
        PU_LAUNCH(conv_dense_weights_kernel, grid, dim3(THREADS), 0, call->cuda->stream, args);
        PU_TRY(pu__launched("conv_dense_grad of w"));
    }
    return pu__column_sum_final(args.partial, args.part_count, args.part_size, (float *)call->out[1].data,
                                (float *)call->out[2].data, args.part_size - args.outputs, call->cuda->stream);
}
