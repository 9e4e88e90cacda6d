/* Causal attention over windows in f32, forward and backward, scores never stored.
 *
 * Floors for P visible pairs of query and key: forward 4 D flops and one exponential a pair, 16 B T H D bytes;
 * backward 10 D flops and one exponential a pair (14 D as done here: both backward kernels recompute the
 * scores), 32 B T H D bytes. At T = 128, D = 32 bytes and flops cost about the same on an H100 in f32.
 *
 * A block owns TILE consecutive queries of one head (keys, in the kernel for dk and dv) and walks over tiles of
 * TILE keys (queries) in shared memory; windows of up to TILE bars (128 at D <= 32, 64 at D <= 64) are one
 * block that reads each of q, k, v once. TILE * HEAD is 4,096 floats, so both tiles and the rotation table stay
 * below 48 KB on every architecture and five blocks fit an SM. LANES threads share a row: each holds SLICE of
 * its head dimensions in registers, in chunks of four floats dealt out in turn (lanes of a row read
 * neighbouring 16 bytes, lanes of different rows the same ones: no bank conflicts).
 *
 * Determinism and causality: pairs are taken in the order of the keys, in groups of GROUP aligned to the tile,
 * and a key that a query may not see is never multiplied, so a row's bits do not depend on later bars, on T, or
 * on what other rows see. No atomics: dq is summed by query rows, dk and dv by key rows. */
#include "kernels/attention/attention.h"

#include <float.h>

#include "kernels/common/device.cuh"

enum { HEAD_MAX = 128, GROUP = 4, LOW_POSITIONS = 16 };
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

typedef struct attention_args {
    const float *qkv, *dy, *y;
    float *y_out, *lse_out, *dqkv, *delta;
    const float *lse;
    int bars, heads, head_size, span;
    int tiles;
    bool rotary, vector;
    float scale;                   /* 1 / sqrt(D) */
    float frequency[HEAD_MAX / 2]; /* half turns a bar, of each pair; and what rounding it to a float left over */
    float frequency_rest[HEAD_MAX / 2];
} attention_args;

/* What the compiler knows about a kernel: the padded head size and how many dimensions one thread holds. */
template <int HEAD, int SLICE> struct layout {
    enum {
        LANES = HEAD / SLICE,
        CHUNKS = SLICE / 4,
        TILE = HEAD <= 32 ? 128 : 4096 / HEAD,
        THREADS = TILE * LANES,
        BLOCKS = (SLICE <= 16 ? 512 : 384) / THREADS, /* on an SM at least, which sets the registers: no spills */
        ROWS_PER_WARP = PU_WARP / LANES,
        TABLE = (LOW_POSITIONS + TILE / LOW_POSITIONS) * (HEAD / 2),
        SHARED_FLOATS = 2 * TILE * HEAD + 2 * TABLE + 2 * TILE
    };
};

/* position * (frequency + rest) less whole turns. The product's rounding error is added back after the turns
 * are gone, so the angle of a late bar is as exact as that of an early one; half turns make the reduction exact
 * (and spare the local array of sincosf). */
static __device__ inline float half_turns(float position, float frequency, float rest) {
    const float product = position * frequency;
    const float error = fmaf(position, frequency, -product);
    return (product - 2.0f * rintf(0.5f * product)) + fmaf(position, rest, error);
}

/* Rotations for the TILE positions from `first` on (a multiple of LOW_POSITIONS): (cos, sin) of the low and the
 * high part of a position, to be combined by the sum formulas. A sincosf for each (position, pair) would cost
 * as much as a third of the scores. */
template <int HEAD, int TILE>
static __device__ void fill_table(float2 *table, const attention_args *args, int first) {
    const int pairs = HEAD / 2, rows = LOW_POSITIONS + TILE / LOW_POSITIONS;
    for (int i = (int)threadIdx.x; i < rows * pairs; i += (int)blockDim.x) {
        const int row = i / pairs, pair = i % pairs;
        const int position = row < LOW_POSITIONS ? row : first + (row - LOW_POSITIONS) * LOW_POSITIONS;
        float angle = 0.0f, sine, cosine;
        if (pair < args->head_size / 2)
            angle = half_turns((float)position, args->frequency[pair], args->frequency_rest[pair]);
        sincospif(angle, &sine, &cosine);
        table[i] = make_float2(cosine, sine);
    }
}

/* Turns the two pairs of dimensions c .. c+3 by the angle of position first + r; sign -1 turns back. */
template <int HEAD>
static __device__ inline void rotate4(float v[4], const float2 *table, int r, int c, float sign) {
    for (int half = 0; half < 2; ++half) {
        const int pair = c / 2 + half;
        const float2 low = table[(r % LOW_POSITIONS) * (HEAD / 2) + pair];
        const float2 high = table[(LOW_POSITIONS + r / LOW_POSITIONS) * (HEAD / 2) + pair];
        const float cosine = low.x * high.x - low.y * high.y;
        const float sine = sign * (low.y * high.x + low.x * high.y);
        const float a = v[2 * half], b = v[2 * half + 1];
        v[2 * half] = a * cosine - b * sine;
        v[2 * half + 1] = a * sine + b * cosine;
    }
}

/* tile[r][.] = rows[(first + r) * stride ..], turned if there is a table, times scale; zero past the window and
 * past the head's size. */
template <int HEAD, int TILE>
static __device__ void load_tile(float *tile, const float *rows, int64_t stride, int first,
                                 const attention_args *args, const float2 *table, float scale) {
    const int chunks = HEAD / 4;
    PU_UNROLL_BY(1) /* unrolled, these loads take so many registers that the loops over pairs spill */
    for (int i = (int)threadIdx.x; i < TILE * chunks; i += (int)blockDim.x) {
        const int r = i / chunks, c = 4 * (i % chunks);
        float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (first + r < args->bars) pu__load4(v, rows + (first + r) * stride, c, args->head_size, args->vector);
        if (table) rotate4<HEAD>(v, table, r, c, 1.0f);
        for (int j = 0; j < 4; ++j) v[j] *= scale;
        *(float4 *)(tile + r * HEAD + c) = make_float4(v[0], v[1], v[2], v[3]);
    }
}

/* This thread's slice of one row; zeros where the row is past the window. */
template <int HEAD, int SLICE>
static __device__ inline void load_slice(float slice[SLICE], const float *row, bool live, int lane,
                                         const attention_args *args, const float2 *table, int r, float scale) {
    typedef layout<HEAD, SLICE> L;
    PU_UNROLL
    for (int j = 0; j < L::CHUNKS; ++j) {
        float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        const int c = 4 * (j * L::LANES + lane);
        if (live) pu__load4(v, row, c, args->head_size, args->vector);
        if (table) rotate4<HEAD>(v, table, r, c, 1.0f);
        for (int k = 0; k < 4; ++k) slice[4 * j + k] = v[k] * scale;
    }
}

template <int HEAD, int SLICE>
static __device__ inline void store_slice(float *row, const float slice[SLICE], int lane,
                                          const attention_args *args, const float2 *table, int r, float scale) {
    typedef layout<HEAD, SLICE> L;
    PU_UNROLL
    for (int j = 0; j < L::CHUNKS; ++j) {
        const int c = 4 * (j * L::LANES + lane);
        float v[4];
        for (int k = 0; k < 4; ++k) v[k] = slice[4 * j + k] * scale;
        if (table) rotate4<HEAD>(v, table, r, c, -1.0f);
        if (c < args->head_size) pu__store4(row, v, c, args->head_size, args->vector);
    }
}

/* The dot product of a slice with a row of a tile, summed over the row's lanes; every lane gets it. */
template <int HEAD, int SLICE>
static __device__ inline float dot(const float slice[SLICE], const float *tile_row, int lane) {
    typedef layout<HEAD, SLICE> L;
    float part[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    PU_UNROLL
    for (int j = 0; j < L::CHUNKS; ++j) {
        const float4 q = *(const float4 *)(tile_row + 4 * (j * L::LANES + lane));
        part[0] = fmaf(slice[4 * j], q.x, part[0]);
        part[1] = fmaf(slice[4 * j + 1], q.y, part[1]);
        part[2] = fmaf(slice[4 * j + 2], q.z, part[2]);
        part[3] = fmaf(slice[4 * j + 3], q.w, part[3]);
    }
    float sum = (part[0] + part[1]) + (part[2] + part[3]);
    for (int step = L::LANES / 2; step > 0; step /= 2) sum += __shfl_xor_sync(PU_ALL_LANES, sum, step);
    return sum;
}

/* slice += weight * (a row of a tile). */
template <int HEAD, int SLICE>
static __device__ inline void accumulate(float slice[SLICE], float weight, const float *tile_row, int lane) {
    typedef layout<HEAD, SLICE> L;
    PU_UNROLL
    for (int j = 0; j < L::CHUNKS; ++j) {
        const float4 q = *(const float4 *)(tile_row + 4 * (j * L::LANES + lane));
        slice[4 * j] = fmaf(weight, q.x, slice[4 * j]);
        slice[4 * j + 1] = fmaf(weight, q.y, slice[4 * j + 1]);
        slice[4 * j + 2] = fmaf(weight, q.z, slice[4 * j + 2]);
        slice[4 * j + 3] = fmaf(weight, q.w, slice[4 * j + 3]);
    }
}

static __device__ inline bool visible(int t, int s, int span) { return s <= t && t - s < span; }

/* Where a block works: its tile, its head, and where that head's rows begin. */
typedef struct place {
    int first;       /* first row of the tile */
    int64_t lse_row; /* (b * H + h) * T: also the base for delta */
    int64_t q, k, v; /* offsets of row 0 in qkv */
    int64_t y;       /* offset of row 0 in y */
    int64_t stride, y_stride;
} place;

static __device__ inline place place_of(const attention_args *args, int tile, int tile_rows) {
    const int64_t pair = blockIdx.x / args->tiles, batch = pair / args->heads, head = pair % args->heads;
    const int64_t width = (int64_t)args->heads * args->head_size;
    place at;
    at.first = tile * tile_rows;
    at.lse_row = pair * args->bars;
    at.stride = 3 * width;
    at.y_stride = width;
    at.q = batch * args->bars * at.stride + head * args->head_size;
    at.k = at.q + width;
    at.v = at.k + width;
    at.y = batch * args->bars * width + head * args->head_size;
    return at;
}

typedef struct softmax_state {
    float high, sum; /* of exp2 of the scores so far; scores are in units of log 2 */
} softmax_state;

/* One group of keys for the query of this row (online softmax: Milakov & Gimelshein 2018, algorithm 3). */
template <int HEAD, int SLICE>
static __device__ inline void forward_group(softmax_state *state, float out[SLICE], const float q[SLICE],
                                            const float *keys, const float *values, int t, int s, int span,
                                            int lane) {
    float score[GROUP], high = state->high;
    PU_UNROLL
    for (int u = 0; u < GROUP; ++u) {
        score[u] = dot<HEAD, SLICE>(q, keys + u * HEAD, lane);
        if (visible(t, s + u, span)) high = fmaxf(high, score[u]);
    }
    if (high > state->high) {
        const float shrink = exp2f(state->high - high);
        state->high = high;
        state->sum *= shrink;
        PU_UNROLL
        for (int i = 0; i < SLICE; ++i) out[i] *= shrink;
    }
    PU_UNROLL
    for (int u = 0; u < GROUP; ++u) {
        if (visible(t, s + u, span)) {
            const float p = exp2f(score[u] - high);
            state->sum += p;
            accumulate<HEAD, SLICE>(out, p, values + u * HEAD, lane);
        }
    }
}

template <int HEAD, int SLICE>
static __global__ void __launch_bounds__(layout<HEAD, SLICE>::THREADS, layout<HEAD, SLICE>::BLOCKS)
    attention_kernel(const __grid_constant__ attention_args args) {
    typedef layout<HEAD, SLICE> L;
    PU_DYNAMIC_SHARED(float, shared);
    float *const keys = shared, *const values = keys + L::TILE * HEAD;
    float2 *const table = args.rotary ? (float2 *)(values + L::TILE * HEAD) : nullptr;
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const int tile = args.tiles - 1 - (int)(blockIdx.x % (unsigned)args.tiles); /* the longest first */
    const place at = place_of(&args, tile, L::TILE);
    const int t = at.first + row, t_low = at.first + warp_row, t_high = t_low + L::ROWS_PER_WARP - 1;
    const bool live = t < args.bars;
    float q[SLICE], out[SLICE];
    if (table) fill_table<HEAD, L::TILE>(table, &args, at.first);
    __syncthreads();
    load_slice<HEAD, SLICE>(q, args.qkv + at.q + t * at.stride, live, lane, &args, table, row,
                            args.scale * LOG2_E);
    for (int i = 0; i < SLICE; ++i) out[i] = 0.0f;
    softmax_state state = {-FLT_MAX, 0.0f};
    const int oldest = at.first - args.span + 1; /* the first key that the tile's first query sees */
    for (int first = oldest > 0 ? oldest / L::TILE * L::TILE : 0; first <= at.first; first += L::TILE) {
        __syncthreads();
        if (table) fill_table<HEAD, L::TILE>(table, &args, first);
        __syncthreads();
        load_tile<HEAD, L::TILE>(keys, args.qkv + at.k, at.stride, first, &args, table, 1.0f);
        load_tile<HEAD, L::TILE>(values, args.qkv + at.v, at.stride, first, &args, nullptr, 1.0f);
        __syncthreads();
        const int begin = max(t_low - args.span + 1 - first, 0) / GROUP * GROUP;
        const int end = min(L::TILE, min(t_high, args.bars - 1) + 1 - first);
        for (int s = begin; s < end; s += GROUP) {
            forward_group<HEAD, SLICE>(&state, out, q, keys + s * HEAD, values + s * HEAD, t, first + s, args.span,
                                       lane);
        }
    }
    if (!live) return;
    store_slice<HEAD, SLICE>(args.y_out + at.y + t * at.y_stride, out, lane, &args, nullptr, row,
                             1.0f / state.sum);
    if (lane == 0) args.lse_out[at.lse_row + t] = (state.high + log2f(state.sum)) * LN_2;
}

/* dq by query rows, and delta = dy . y for the kernel of the keys. */
template <int HEAD, int SLICE>
static __global__ void __launch_bounds__(layout<HEAD, SLICE>::THREADS, layout<HEAD, SLICE>::BLOCKS)
    attention_grad_query_kernel(const __grid_constant__ attention_args args) {
    typedef layout<HEAD, SLICE> L;
    PU_DYNAMIC_SHARED(float, shared);
    float *const keys = shared, *const values = keys + L::TILE * HEAD;
    float2 *const table = args.rotary ? (float2 *)(values + L::TILE * HEAD) : nullptr;
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const int tile = args.tiles - 1 - (int)(blockIdx.x % (unsigned)args.tiles);
    const place at = place_of(&args, tile, L::TILE);
    const int t = at.first + row, t_low = at.first + warp_row, t_high = t_low + L::ROWS_PER_WARP - 1;
    const bool live = t < args.bars;
    float q[SLICE], dy[SLICE], dq[SLICE], delta = 0.0f;
    if (table) fill_table<HEAD, L::TILE>(table, &args, at.first);
    __syncthreads();
    load_slice<HEAD, SLICE>(q, args.qkv + at.q + t * at.stride, live, lane, &args, table, row,
                            args.scale * LOG2_E);
    load_slice<HEAD, SLICE>(dq, args.y + at.y + t * at.y_stride, live, lane, &args, nullptr, row, 1.0f);
    load_slice<HEAD, SLICE>(dy, args.dy + at.y + t * at.y_stride, live, lane, &args, nullptr, row, 1.0f);
    for (int i = 0; i < SLICE; ++i) delta = fmaf(dy[i], dq[i], delta);
    for (int step = L::LANES / 2; step > 0; step /= 2) delta += __shfl_xor_sync(PU_ALL_LANES, delta, step);
    if (live && lane == 0) args.delta[at.lse_row + t] = delta;
    const float lse = live ? args.lse[at.lse_row + t] * LOG2_E : 0.0f;
    for (int i = 0; i < SLICE; ++i) dq[i] = 0.0f;
    const int oldest = at.first - args.span + 1;
    for (int first = oldest > 0 ? oldest / L::TILE * L::TILE : 0; first <= at.first; first += L::TILE) {
        __syncthreads();
        if (table) fill_table<HEAD, L::TILE>(table, &args, first);
        __syncthreads();
        load_tile<HEAD, L::TILE>(keys, args.qkv + at.k, at.stride, first, &args, table, 1.0f);
        load_tile<HEAD, L::TILE>(values, args.qkv + at.v, at.stride, first, &args, nullptr, 1.0f);
        __syncthreads();
        const int begin = max(t_low - args.span + 1 - first, 0);
        const int end = min(L::TILE, min(t_high, args.bars - 1) + 1 - first);
        for (int s = begin; s < end; ++s) {
            const float score = dot<HEAD, SLICE>(q, keys + s * HEAD, lane);
            const float dp = dot<HEAD, SLICE>(dy, values + s * HEAD, lane);
            if (visible(t, first + s, args.span)) {
                accumulate<HEAD, SLICE>(dq, exp2f(score - lse) * (dp - delta), keys + s * HEAD, lane);
            }
        }
    }
    /* The last tile walked is the block's own, so the table holds its rotations: they turn dq back. */
    if (live) store_slice<HEAD, SLICE>(args.dqkv + at.q + t * at.stride, dq, lane, &args, table, row, args.scale);
}

/* dk and dv by key rows. */
template <int HEAD, int SLICE>
static __global__ void __launch_bounds__(layout<HEAD, SLICE>::THREADS, layout<HEAD, SLICE>::BLOCKS)
    attention_grad_key_kernel(const __grid_constant__ attention_args args) {
    typedef layout<HEAD, SLICE> L;
    PU_DYNAMIC_SHARED(float, shared);
    float *const queries = shared, *const grads = queries + L::TILE * HEAD;
    float *const lse = grads + L::TILE * HEAD, *const delta = lse + L::TILE;
    float2 *const table = args.rotary ? (float2 *)(delta + L::TILE) : nullptr;
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const place at = place_of(&args, (int)(blockIdx.x % (unsigned)args.tiles), L::TILE);
    const int s = at.first + row, s_low = at.first + warp_row, s_high = s_low + L::ROWS_PER_WARP - 1;
    const bool live = s < args.bars;
    float k[SLICE], v[SLICE], dk[SLICE], dv[SLICE];
    if (table) fill_table<HEAD, L::TILE>(table, &args, at.first);
    __syncthreads();
    load_slice<HEAD, SLICE>(k, args.qkv + at.k + s * at.stride, live, lane, &args, table, row,
                            args.scale * LOG2_E);
    load_slice<HEAD, SLICE>(v, args.qkv + at.v + s * at.stride, live, lane, &args, nullptr, row, 1.0f);
    for (int i = 0; i < SLICE; ++i) dk[i] = dv[i] = 0.0f;
    const int64_t seen_until = min((int64_t)args.bars, (int64_t)at.first + L::TILE - 1 + args.span);
    for (int first = at.first; first < seen_until; first += L::TILE) {
        __syncthreads();
        if (table) fill_table<HEAD, L::TILE>(table, &args, first);
        __syncthreads();
        load_tile<HEAD, L::TILE>(queries, args.qkv + at.q, at.stride, first, &args, table, 1.0f);
        load_tile<HEAD, L::TILE>(grads, args.dy + at.y, at.y_stride, first, &args, nullptr, 1.0f);
        for (int i = (int)threadIdx.x; i < L::TILE && first + i < args.bars; i += (int)blockDim.x) {
            lse[i] = args.lse[at.lse_row + first + i] * LOG2_E;
            delta[i] = args.delta[at.lse_row + first + i];
        }
        __syncthreads();
        const int begin = max(s_low - first, 0);
        const int end = (int)min((int64_t)min(L::TILE, args.bars - first), (int64_t)s_high + args.span - first);
        for (int i = begin; i < end; ++i) {
            const float score = dot<HEAD, SLICE>(k, queries + i * HEAD, lane);
            const float dp = dot<HEAD, SLICE>(v, grads + i * HEAD, lane);
            if (visible(first + i, s, args.span)) {
                const float p = exp2f(score - lse[i]);
                accumulate<HEAD, SLICE>(dv, p, grads + i * HEAD, lane);
                accumulate<HEAD, SLICE>(dk, p * (dp - delta[i]), queries + i * HEAD, lane);
            }
        }
    }
    __syncthreads();
    if (table) fill_table<HEAD, L::TILE>(table, &args, at.first);
    __syncthreads();
    if (!live) return;
    store_slice<HEAD, SLICE>(args.dqkv + at.k + s * at.stride, dk, lane, &args, table, row, args.scale);
    store_slice<HEAD, SLICE>(args.dqkv + at.v + s * at.stride, dv, lane, &args, nullptr, row, 1.0f);
}

static pu_status args_of(const pu__call *call, const pu_shape *qkv, attention_args *args) {
    const int heads = call->attributes->attention.heads, span = call->attributes->attention.span;
    const double base = call->attributes->attention.rotary_base;
    args->bars = (int)qkv->dim[1];
    args->heads = heads;
    args->head_size = (int)(qkv->dim[2] / (3 * heads));
    args->span = span > 0 && span < args->bars ? span : args->bars;
    args->rotary = base > 0.0;
    args->vector = args->head_size % 4 == 0;
    args->scale = 1.0f / sqrtf((float)args->head_size);
    if (args->head_size > HEAD_MAX || args->head_size % 2 != 0) {
        return pu_fail(PU_ERR_UNSUPPORTED, "attention with a head size of %d: it must be even and at most %d",
                       args->head_size, (int)HEAD_MAX);
    }
    for (int i = 0; args->rotary && i < HEAD_MAX / 2; ++i) {
        const double frequency = pow(base, -2.0 * i / args->head_size) / M_PI;
        args->frequency[i] = (float)frequency;
        args->frequency_rest[i] = (float)(frequency - args->frequency[i]);
    }
    return PU_OK;
}

template <int HEAD, int SLICE> static unsigned grid_of(const pu_shape *qkv, attention_args *args) {
    args->tiles = (int)pu__ceil_div(args->bars, layout<HEAD, SLICE>::TILE);
    return (unsigned)(qkv->dim[0] * args->heads * args->tiles);
}

template <int HEAD, int SLICE> static pu_status launch_forward(const pu__call *call, attention_args *args) {
    typedef layout<HEAD, SLICE> L;
    const dim3 grid(grid_of<HEAD, SLICE>(&call->in[0].shape, args));
    const size_t shared_bytes = L::SHARED_FLOATS * sizeof(float);
    PU_LAUNCH((attention_kernel<HEAD, SLICE>), grid, dim3(L::THREADS), shared_bytes, call->cuda->stream, *args);
    return pu__launched("attention");
}

template <int HEAD, int SLICE> static pu_status launch_backward(const pu__call *call, attention_args *args) {
    typedef layout<HEAD, SLICE> L;
    const dim3 grid(grid_of<HEAD, SLICE>(&call->in[1].shape, args));
    const size_t shared_bytes = L::SHARED_FLOATS * sizeof(float);
    PU_LAUNCH((attention_grad_query_kernel<HEAD, SLICE>), grid, dim3(L::THREADS), shared_bytes, call->cuda->stream,
              *args);
    PU_TRY(pu__launched("attention_grad of queries"));
    PU_LAUNCH((attention_grad_key_kernel<HEAD, SLICE>), grid, dim3(L::THREADS), shared_bytes, call->cuda->stream,
              *args);
    return pu__launched("attention_grad of keys");
}

extern "C" pu_status pu__attention_cuda(const pu__call *call) {
    attention_args args = {};
    if (pu__count(&call->in[0].shape) == 0) return PU_OK;
    PU_TRY(args_of(call, &call->in[0].shape, &args));
    args.qkv = (const float *)call->in[0].data;
    args.y_out = (float *)call->out[0].data;
    args.lse_out = (float *)call->out[1].data;
    args.vector = args.vector && pu__aligned16(args.qkv) && pu__aligned16(args.y_out);
    if (args.head_size <= 16) return launch_forward<16, 16>(call, &args);
    if (args.head_size <= 32) return launch_forward<32, 32>(call, &args);
    if (args.head_size <= 64) return launch_forward<64, 32>(call, &args);
    return launch_forward<128, 32>(call, &args);
}

extern "C" size_t pu__attention_grad_workspace_cuda(const pu__call *call) {
    return (size_t)pu__count(&call->in[3].shape) * sizeof(float); /* delta[B,H,T] */
}

extern "C" pu_status pu__attention_grad_cuda(const pu__call *call) {
    attention_args args = {};
    if (pu__count(&call->in[1].shape) == 0) return PU_OK;
    PU_TRY(args_of(call, &call->in[1].shape, &args));
    args.dy = (const float *)call->in[0].data;
    args.qkv = (const float *)call->in[1].data;
    args.y = (const float *)call->in[2].data;
    args.lse = (const float *)call->in[3].data;
    args.dqkv = (float *)call->out[0].data;
    args.delta = (float *)call->workspace;
    args.vector = args.vector && pu__aligned16(args.dy) && pu__aligned16(args.qkv) && pu__aligned16(args.y) &&
                  pu__aligned16(args.dqkv);
    if (args.head_size <= 16) return launch_backward<16, 8>(call, &args);
    if (args.head_size <= 32) return launch_backward<32, 16>(call, &args);
    if (args.head_size <= 64) return launch_backward<64, 16>(call, &args);
    return launch_backward<128, 16>(call, &args);
}
