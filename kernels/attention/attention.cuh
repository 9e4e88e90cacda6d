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
    int query_tiles, key_tiles; /* blocks for a head */
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

/* Rotations for `count` positions from `first` on: (cos, sin) of the low and the high part of a position, to be
 * combined by the sum formulas. A sincosf for each (position, pair) would cost as much as a third of the scores. */
template <int HEAD>
static __device__ void fill_table(float2 *table, const attention_args *args, int first, int count) {
    const int pairs = HEAD / 2, rows = LOW_POSITIONS + (count + LOW_POSITIONS - 1) / LOW_POSITIONS;
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
        if (table) rotate4<HEAD>(v, table, r, c, 1.0f);
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

#endif
