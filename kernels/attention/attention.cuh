/* What the attention kernels share: arguments, rotations, tiles of rows in shared memory, and where a block works. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_CUH

#include <float.h>

#include "kernels/attention/attention.h"
#include "kernels/common/device.cuh"

enum { HEAD_MAX = 128, GROUP = 4, LOW_POSITIONS = 16 };
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

typedef struct attention_args {
    const float *q, *k, *v, *dy, *y, *lse;
    float *y_out, *lse_out, *dq, *dk, *dv, *delta;
    int64_t q_stride, kv_stride;
    int queries, keys, heads, head_size;
    int shift, span; /* query t sees key u when 0 <= t + shift - u < span */
    int offset;
    unsigned blocks;            /* for windows and heads */
    int query_tiles, key_tiles; /* for each of them, tiled */
    int tile_rows;              /* rows of the tiles in shared memory */
    bool rotary, vector;
    float scale;                   /* 1 / sqrt(D) */
    float frequency[HEAD_MAX / 2]; /* half turns a bar, of each pair; and what rounding it to a float left over */
    float frequency_rest[HEAD_MAX / 2];
} attention_args;

/* position * (frequency + rest) less whole turns. The product's rounding error is added back after the turns
 * are gone, so the angle of a late bar is as exact as that of an early one; half turns make the reduction exact
 * (and spare the local array of sincosf). */
static __device__ inline float half_turns(float position, float frequency, float rest) {
    const float product = position * frequency;
    const float error = fmaf(position, frequency, -product);
    return (product - 2.0f * rintf(0.5f * product)) + fmaf(position, rest, error);
}

/* (cos, sin) of the angle of a pair of dimensions at a position. */
static __device__ inline float2 turn_of(const attention_args *args, int position, int pair) {
    float angle = 0.0f, sine, cosine;
    if (pair < args->head_size / 2)
        angle = half_turns((float)position, args->frequency[pair], args->frequency_rest[pair]);
    sincospif(angle, &sine, &cosine);
    return make_float2(cosine, sine);
}

/* The turn by the sum of two angles. */
static __device__ inline float2 combined(float2 low, float2 high) {
    return make_float2(low.x * high.x - low.y * high.y, low.y * high.x + low.x * high.y);
}

/* A pair turned; sign -1 turns back. */
static __device__ inline float2 turned(float2 v, float2 turn, float sign) {
    const float sine = sign * turn.y;
    return make_float2(v.x * turn.x - v.y * sine, v.x * sine + v.y * turn.x);
}

/* Rotations for `count` positions from `first` on: those of the low and the high part of a position, to be
 * combined. A sincosf for each (position, pair) would cost as much as a third of the scores. */
template <int HEAD>
static __device__ void fill_table(float2 *table, const attention_args *args, int first, int count) {
    const int pairs = HEAD / 2, rows = LOW_POSITIONS + (count + LOW_POSITIONS - 1) / LOW_POSITIONS;
    for (int i = (int)threadIdx.x; i < rows * pairs; i += (int)blockDim.x) {
        const int row = i / pairs;
        const int position = row < LOW_POSITIONS ? row : first + (row - LOW_POSITIONS) * LOW_POSITIONS;
        table[i] = turn_of(args, position, i % pairs);
    }
}

/* Turns the two pairs of dimensions c .. c+3 by `low` and `high` of c's pair and the next; sign -1 turns back. */
static __device__ inline void rotate4(float v[4], const float2 *low, const float2 *high, float sign) {
    for (int half = 0; half < 2; ++half) {
        const float2 to = turned(make_float2(v[2 * half], v[2 * half + 1]), combined(low[half], high[half]), sign);
        v[2 * half] = to.x;
        v[2 * half + 1] = to.y;
    }
}

/* The same by the angle of position first + r of a table. */
template <int HEAD>
static __device__ inline void rotate4_at(float v[4], const float2 *table, int r, int c, float sign) {
    rotate4(v, table + (r % LOW_POSITIONS) * (HEAD / 2) + c / 2,
            table + (LOW_POSITIONS + r / LOW_POSITIONS) * (HEAD / 2) + c / 2, sign);
}

/* tile[r][.] = rows[(first + r) * stride ..] for tile_rows rows, turned if there is a table; zero from row `bars` of
 * the window on and past the head's size. */
template <int HEAD>
static __device__ void load_tile(float *tile, const float *rows, int64_t stride, int first, int bars,
                                 const attention_args *args, const float2 *table) {
    const int chunks = HEAD / 4;
    PU_UNROLL_BY(1) /* unrolled, these loads take so many registers that the loops over pairs spill */
    for (int i = (int)threadIdx.x; i < args->tile_rows * chunks; i += (int)blockDim.x) {
        const int r = i / chunks, c = 4 * (i % chunks);
        float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (first + r < bars) pu__load4(v, rows + (first + r) * stride, c, args->head_size, args->vector);
        if (table) rotate4_at<HEAD>(v, table, r, c, 1.0f);
        *(float4 *)(tile + r * HEAD + c) = make_float4(v[0], v[1], v[2], v[3]);
    }
}

/* Where a block works: the rows of its head and window. */
typedef struct place {
    int64_t lse_row;  /* (b * H + h) * Tq: also the base for delta */
    int64_t q, kv, y; /* offsets of row 0 */
    int64_t y_stride;
} place;

static __device__ inline place place_of(const attention_args *args, int64_t pair) {
    const int64_t batch = pair / args->heads, first = pair % args->heads * args->head_size;
    place at;
    at.lse_row = pair * args->queries;
    at.y_stride = (int64_t)args->heads * args->head_size;
    at.q = batch * args->queries * args->q_stride + first;
    at.kv = batch * args->keys * args->kv_stride + first;
    at.y = batch * args->queries * at.y_stride + first;
    return at;
}

/* The keys that query t sees, or the queries that see key u: [oldest, last]. */
typedef struct seen {
    int oldest, last;
} seen;

static __device__ inline seen seen_by_query(const attention_args *args, int t) {
    return {t + args->shift - args->span + 1, min(t + args->shift, args->keys - 1)};
}
static __device__ inline seen seen_by_key(const attention_args *args, int u) {
    return {u - args->shift, min(u - args->shift + args->span, args->queries) - 1};
}
static __device__ inline bool visible(seen range, int i) { return i >= range.oldest && i <= range.last; }

typedef struct softmax_state {
    float high, sum; /* of exp2 of the scores so far; scores are in units of log 2 */
} softmax_state;

/* ---- the launchers' part ---- */

/* Windows of up to RESIDENT_BARS bars may take all that a block may have of shared memory. LEAST_BYTES is the least
 * that any GPU allows a block (sm_86, sm_89, sm_120), STATIC_BYTES what a kernel has without asking, RESERVED_BYTES
 * what CUDA takes beside each block. */
enum { RESIDENT_BARS = 256, LEAST_BYTES = 99 * 1024, STATIC_BYTES = 48 * 1024, RESERVED_BYTES = 1024 };

/* How many blocks of `bytes` shared memory a multiprocessor has room for. */
static inline int blocks_together(const pu__cuda_exec *cuda, size_t bytes) {
    return (int)(cuda->shared_bytes / (bytes + RESERVED_BYTES));
}

/* What the kernels take, of a call whose outputs are not empty. */
static inline attention_args args_of(const pu__call *call) {
    const int backward = pu__is_attention_grad(call->op);
    const pu__attention a = pu__attention_of(call, backward);
    attention_args args = {};
    args.q = a.q, args.k = a.k, args.v = a.v, args.dy = a.dy, args.y = a.y, args.lse = a.lse;
    if (a.queries == 0) args.q = args.dy = a.k; /* nothing is read, but rows are counted from somewhere */
    args.y_out = a.y_out, args.lse_out = a.lse_out, args.dq = a.dq, args.dk = a.dk, args.dv = a.dv;
    args.delta = backward ? (float *)call->workspace : nullptr;
    args.q_stride = a.q_stride;
    args.kv_stride = a.kv_stride;
    args.queries = (int)a.queries;
    args.keys = (int)a.keys;
    args.heads = (int)a.heads;
    args.blocks = (unsigned)(a.batch * a.heads);
    args.head_size = (int)a.size;
    args.shift = (int)a.shift;
    args.span = (int)a.span;
    args.offset = (int)a.offset;
    args.rotary = a.rotary_base > 0.0f;
    args.scale = a.scale;
    args.vector = a.size % 4 == 0;
    const void *const moved[] = {a.q, a.k, a.v, a.dy, a.y, a.y_out, a.dq, a.dk, a.dv};
    for (const void *pointer : moved) args.vector = args.vector && pu__aligned16(pointer);
    for (int i = 0; args.rotary && i < HEAD_MAX / 2; ++i) {
        const double frequency = pow((double)a.rotary_base, -2.0 * i / (double)a.size) / M_PI;
        args.frequency[i] = (float)frequency;
        args.frequency_rest[i] = (float)(frequency - args.frequency[i]);
    }
    return args;
}

/* Asks for more dynamic shared memory than a kernel has without asking. */
template <class Kernel> static pu_status allow_shared(Kernel *kernel, size_t bytes) {
    if (bytes <= STATIC_BYTES) return PU_OK;
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    if (error == cudaSuccess) return PU_OK;
    return pu_fail(PU_ERR_DEVICE, "attention: %zu bytes of shared memory were refused: %s", bytes,
                   cudaGetErrorString(error));
}

#endif
