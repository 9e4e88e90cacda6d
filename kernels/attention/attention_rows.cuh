/* Attention in f32 by threads that own rows: what the kernels of attention_rows_launch.cuh are.
 *
 * Two ways to lay the work out, one algorithm and the same bits. RESIDENT: a block owns a window's head; all keys and
 * values (all queries and their gradients, in the second half of the backward pass) are loaded once and stay in
 * shared memory while the block takes as many rows at a time as its threads allow. Tiled: a block owns TILE
 * consecutive rows and walks over tiles of TILE rows of the other side.
 *
 * LANES threads share a row: each holds SLICE of its head dimensions in registers, in chunks of four floats dealt out
 * in turn (lanes of a row read neighbouring 16 bytes, lanes of different rows the same ones: no bank conflicts).
 *
 * Determinism and causality: pairs are taken in the order of the keys, in groups of GROUP aligned to the window, and a
 * key that a query may not see is never multiplied, so a row's bits do not depend on later bars, on T, or on what other
 * rows see. No atomics: dq is summed by query rows, dk and dv by key rows. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_ROWS_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_ROWS_CUH

#include "kernels/attention/attention.cuh"

/* What the compiler knows about a kernel: the head size that it has columns for, and how many one thread holds. */
template <int HEAD, int SLICE> struct layout {
    enum {
        LANES = HEAD / SLICE,
        CHUNKS = SLICE / 4,
        TILE = HEAD <= 32   ? 128
               : HEAD <= 64 ? 64
                            : 32,
        THREADS = TILE * LANES,
        BLOCKS = (SLICE <= 16 ? 512 : 384) / THREADS, /* on an SM at least, which sets the registers: no spills */
        ROWS_PER_WARP = PU_WARP / LANES
    };
    static_assert(SLICE % 4 == 0 && LANES * SLICE == HEAD && (LANES & (LANES - 1)) == 0,
                  "lanes share a row in fours");
};

/* The parts of a block's shared memory: two tiles of tile_rows rows, two numbers a row, and the rotations. */
typedef struct shared_parts {
    float *one, *two, *lse, *delta;
    float2 *table; /* null without positions */
} shared_parts;

template <int HEAD> static __device__ inline shared_parts parts_of(float *shared, const attention_args *args) {
    shared_parts p;
    p.one = shared;
    p.two = p.one + args->tile_rows * HEAD;
    p.lse = p.two + args->tile_rows * HEAD;
    p.delta = p.lse + args->tile_rows;
    p.table = args->rotary ? (float2 *)(p.delta + args->tile_rows) : nullptr;
    return p;
}

/* The table serves a tile or a pass of `pass_rows` rows. */
template <int HEAD> static constexpr size_t shared_bytes_of(int tile_rows, int pass_rows, bool rotary) {
    const int positions = tile_rows > pass_rows ? tile_rows : pass_rows;
    const int table = rotary ? (LOW_POSITIONS + (positions + LOW_POSITIONS - 1) / LOW_POSITIONS) * HEAD : 0;
    return (size_t)(2 * tile_rows * HEAD + 2 * tile_rows + table) * sizeof(float);
}

/* Both tiles from row `first` on, `one` turned by its position. */
template <int HEAD>
static __device__ void load_tiles(const shared_parts *p, const float *one, int64_t one_stride, const float *two,
                                  int64_t two_stride, int first, int position, int bars,
                                  const attention_args *args) {
    __syncthreads();
    if (p->table) fill_table<HEAD>(p->table, args, position, args->tile_rows);
    __syncthreads();
    load_tile<HEAD>(p->one, one, one_stride, first, bars, args, p->table);
    load_tile<HEAD>(p->two, two, two_stride, first, bars, args, nullptr);
}

/* The rotations for a pass of rows from `first` on. */
template <int HEAD>
static __device__ inline void turn_pass(const shared_parts *p, int position, int rows,
                                        const attention_args *args) {
    __syncthreads();
    if (p->table) fill_table<HEAD>(p->table, args, position, rows);
    __syncthreads();
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
        if (table) rotate4_at<HEAD>(v, table, r, c, 1.0f);
        for (int k = 0; k < 4; ++k) slice[4 * j + k] = v[k] * scale;
    }
}

/* How many rows a block takes at a time. */
template <int HEAD, int SLICE, bool RESIDENT> static __device__ inline int pass_rows_of(void) {
    typedef layout<HEAD, SLICE> L;
    return RESIDENT ? (int)blockDim.x / L::LANES : (int)L::TILE;
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
        if (table) rotate4_at<HEAD>(v, table, r, c, -1.0f);
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

/* One group of keys for the query of this row (online softmax: Milakov & Gimelshein 2018, algorithm 3). */
template <int HEAD, int SLICE>
static __device__ inline void forward_group(softmax_state *state, float out[SLICE], const float q[SLICE],
                                            const float *keys, const float *values, seen range, int s, int lane) {
    float score[GROUP], high = state->high;
    PU_UNROLL
    for (int u = 0; u < GROUP; ++u) {
        score[u] = dot<HEAD, SLICE>(q, keys + u * HEAD, lane);
        if (visible(range, s + u)) high = fmaxf(high, score[u]);
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
        if (visible(range, s + u)) {
            const float p = exp2f(score[u] - high);
            state->sum += p;
            accumulate<HEAD, SLICE>(out, p, values + u * HEAD, lane);
        }
    }
}

/* y and lse of the TILE queries from `first_row` on; RESIDENT: of all queries, all keys and values at hand. */
template <int HEAD, int SLICE, bool RESIDENT>
static __device__ void forward_rows(const attention_args *args, float *shared, const place at, int first_row) {
    typedef layout<HEAD, SLICE> L;
    const shared_parts p = parts_of<HEAD>(shared, args);
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const int rows = pass_rows_of<HEAD, SLICE, RESIDENT>();
    const float *const k = args->k + at.kv, *const v = args->v + at.kv;
    if (RESIDENT) load_tiles<HEAD>(&p, k, args->kv_stride, v, args->kv_stride, 0, 0, args->keys, args);
    for (int pass = first_row; pass < args->queries && (RESIDENT || pass == first_row); pass += rows) {
        const int t = pass + row, t_low = pass + warp_row,
                  t_high = min(t_low + L::ROWS_PER_WARP, args->queries) - 1;
        const bool live = t < args->queries;
        const seen range = seen_by_query(args, t);
        const int warp_oldest = seen_by_query(args, t_low).oldest, warp_end = seen_by_query(args, t_high).last + 1;
        const int pass_last = min(pass + rows, args->queries) - 1;
        const int pass_oldest = seen_by_query(args, pass).oldest,
                  pass_end = seen_by_query(args, pass_last).last + 1;
        float q[SLICE], out[SLICE];
        turn_pass<HEAD>(&p, args->offset + pass, rows, args);
        load_slice<HEAD, SLICE>(q, args->q + at.q + t * args->q_stride, live, lane, args, p.table, row,
                                args->scale * LOG2_E);
        for (int i = 0; i < SLICE; ++i) out[i] = 0.0f;
        softmax_state state = {-FLT_MAX, 0.0f};
        const int start = RESIDENT || pass_oldest < 0 ? 0 : pass_oldest / L::TILE * L::TILE;
        for (int first = start; first < pass_end; first += args->tile_rows) {
            if (!RESIDENT) {
                load_tiles<HEAD>(&p, k, args->kv_stride, v, args->kv_stride, first, first, args->keys, args);
                __syncthreads();
            }
            const int begin = max(warp_oldest - first, 0) / GROUP * GROUP;
            const int end = min(args->tile_rows, warp_end - first);
            for (int s = begin; s < end; s += GROUP) {
                forward_group<HEAD, SLICE>(&state, out, q, p.one + s * HEAD, p.two + s * HEAD, range, first + s,
                                           lane);
            }
        }
        if (!live) continue;
        store_slice<HEAD, SLICE>(args->y_out + at.y + t * at.y_stride, out, lane, args, nullptr, row,
                                 1.0f / state.sum);
        if (lane == 0) args->lse_out[at.lse_row + t] = (state.high + log2f(state.sum)) * LN_2;
    }
}

/* dq by query rows, and delta = dy . y for the rows of the keys. */
template <int HEAD, int SLICE, bool RESIDENT>
static __device__ void grad_query_rows(const attention_args *args, float *shared, const place at, int first_row) {
    typedef layout<HEAD, SLICE> L;
    const shared_parts p = parts_of<HEAD>(shared, args);
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const int rows = pass_rows_of<HEAD, SLICE, RESIDENT>();
    const float *const k = args->k + at.kv, *const v = args->v + at.kv;
    if (RESIDENT) load_tiles<HEAD>(&p, k, args->kv_stride, v, args->kv_stride, 0, 0, args->keys, args);
    for (int pass = first_row; pass < args->queries && (RESIDENT || pass == first_row); pass += rows) {
        const int t = pass + row, t_low = pass + warp_row,
                  t_high = min(t_low + L::ROWS_PER_WARP, args->queries) - 1;
        const bool live = t < args->queries;
        const seen range = seen_by_query(args, t);
        const int warp_oldest = seen_by_query(args, t_low).oldest, warp_end = seen_by_query(args, t_high).last + 1;
        const int pass_last = min(pass + rows, args->queries) - 1;
        const int pass_oldest = seen_by_query(args, pass).oldest,
                  pass_end = seen_by_query(args, pass_last).last + 1;
        float q[SLICE], dy[SLICE], dq[SLICE], delta = 0.0f;
        turn_pass<HEAD>(&p, args->offset + pass, rows, args);
        load_slice<HEAD, SLICE>(q, args->q + at.q + t * args->q_stride, live, lane, args, p.table, row,
                                args->scale * LOG2_E);
        load_slice<HEAD, SLICE>(dq, args->y + at.y + t * at.y_stride, live, lane, args, nullptr, row, 1.0f);
        load_slice<HEAD, SLICE>(dy, args->dy + at.y + t * at.y_stride, live, lane, args, nullptr, row, 1.0f);
        for (int i = 0; i < SLICE; ++i) delta = fmaf(dy[i], dq[i], delta);
        for (int step = L::LANES / 2; step > 0; step /= 2) delta += __shfl_xor_sync(PU_ALL_LANES, delta, step);
        if (live && lane == 0) args->delta[at.lse_row + t] = delta;
        const float lse = live ? args->lse[at.lse_row + t] * LOG2_E : 0.0f;
        for (int i = 0; i < SLICE; ++i) dq[i] = 0.0f;
        const int start = RESIDENT || pass_oldest < 0 ? 0 : pass_oldest / L::TILE * L::TILE;
        for (int first = start; first < pass_end; first += args->tile_rows) {
            if (!RESIDENT) {
                load_tiles<HEAD>(&p, k, args->kv_stride, v, args->kv_stride, first, first, args->keys, args);
                __syncthreads();
            }
            const int begin = max(warp_oldest - first, 0), end = min(args->tile_rows, warp_end - first);
            for (int s = begin; s < end; ++s) {
                const float score = dot<HEAD, SLICE>(q, p.one + s * HEAD, lane);
                const float dp = dot<HEAD, SLICE>(dy, p.two + s * HEAD, lane);
                if (visible(range, first + s)) {
                    accumulate<HEAD, SLICE>(dq, exp2f(score - lse) * (dp - delta), p.one + s * HEAD, lane);
                }
            }
        }
        if (!RESIDENT) turn_pass<HEAD>(&p, args->offset + pass, rows, args);
        if (live) {
            store_slice<HEAD, SLICE>(args->dq + at.q + t * args->q_stride, dq, lane, args, p.table, row,
                                     args->scale);
        }
    }
}

/* lse (in units of log 2) and delta of the queries from `first` on, for a tile of them. */
static __device__ inline void load_row_numbers(const shared_parts *p, const attention_args *args, const place *at,
                                               int first) {
    for (int i = (int)threadIdx.x; i < args->tile_rows && first + i < args->queries; i += (int)blockDim.x) {
        p->lse[i] = args->lse[at->lse_row + first + i] * LOG2_E;
        p->delta[i] = args->delta[at->lse_row + first + i];
    }
}

/* dk and dv by key rows; RESIDENT: all queries and their gradients lie in shared memory. */
template <int HEAD, int SLICE, bool RESIDENT>
static __device__ void grad_key_rows(const attention_args *args, float *shared, const place at, int first_row) {
    typedef layout<HEAD, SLICE> L;
    const shared_parts p = parts_of<HEAD>(shared, args);
    const int lane = (int)threadIdx.x % L::LANES, row = (int)threadIdx.x / L::LANES;
    const int warp_row = (int)threadIdx.x / PU_WARP * L::ROWS_PER_WARP;
    const int rows = pass_rows_of<HEAD, SLICE, RESIDENT>();
    const float *const queries = args->q + at.q, *const grads = args->dy + at.y;
    if (RESIDENT) {
        load_tiles<HEAD>(&p, queries, args->q_stride, grads, at.y_stride, 0, args->offset, args->queries, args);
        load_row_numbers(&p, args, &at, 0);
    }
    for (int pass = first_row; pass < args->keys && (RESIDENT || pass == first_row); pass += rows) {
        const int s = pass + row, s_low = pass + warp_row, s_high = s_low + L::ROWS_PER_WARP - 1;
        const bool live = s < args->keys;
        const seen range = seen_by_key(args, s);
        const int warp_oldest = seen_by_key(args, s_low).oldest, warp_end = seen_by_key(args, s_high).last + 1;
        const int pass_oldest = seen_by_key(args, pass).oldest;
        const int pass_end = seen_by_key(args, pass + rows - 1).last + 1;
        float k[SLICE], v[SLICE], dk[SLICE], dv[SLICE];
        turn_pass<HEAD>(&p, pass, rows, args);
        load_slice<HEAD, SLICE>(k, args->k + at.kv + s * args->kv_stride, live, lane, args, p.table, row,
                                args->scale * LOG2_E);
        load_slice<HEAD, SLICE>(v, args->v + at.kv + s * args->kv_stride, live, lane, args, nullptr, row, 1.0f);
        for (int i = 0; i < SLICE; ++i) dk[i] = dv[i] = 0.0f;
        const int start = RESIDENT || pass_oldest < 0 ? 0 : pass_oldest / L::TILE * L::TILE;
        for (int first = start; first < pass_end; first += args->tile_rows) {
            if (!RESIDENT) {
                load_tiles<HEAD>(&p, queries, args->q_stride, grads, at.y_stride, first, args->offset + first,
                                 args->queries, args);
                load_row_numbers(&p, args, &at, first);
                __syncthreads();
            }
            const int begin = max(warp_oldest - first, 0), end = min(args->tile_rows, warp_end - first);
            for (int i = begin; i < end; ++i) {
                const float score = dot<HEAD, SLICE>(k, p.one + i * HEAD, lane);
                const float dp = dot<HEAD, SLICE>(v, p.two + i * HEAD, lane);
                if (visible(range, first + i)) {
                    const float weight = exp2f(score - p.lse[i]);
                    accumulate<HEAD, SLICE>(dv, weight, p.two + i * HEAD, lane);
                    accumulate<HEAD, SLICE>(dk, weight * (dp - p.delta[i]), p.one + i * HEAD, lane);
                }
            }
        }
        if (!RESIDENT) turn_pass<HEAD>(&p, pass, rows, args);
        if (!live) continue;
        const int64_t to = at.kv + s * args->kv_stride;
        store_slice<HEAD, SLICE>(args->dk + to, dk, lane, args, p.table, row, args->scale);
        store_slice<HEAD, SLICE>(args->dv + to, dv, lane, args, nullptr, row, 1.0f);
    }
}

#define ATTENTION_BOUNDS __launch_bounds__(layout<HEAD, SLICE>::THREADS, layout<HEAD, SLICE>::BLOCKS)
/* Sums for keys and values take more registers: one block fewer, or sm_120 spills. */
#define ATTENTION_GRAD_BOUNDS __launch_bounds__(layout<HEAD, SLICE>::THREADS, layout<HEAD, SLICE>::BLOCKS - 1)
/* Of sums for queries only those of long slices do. */
#define ATTENTION_GRAD_QUERY_BOUNDS \
    __launch_bounds__(layout<HEAD, SLICE>::THREADS, (layout<HEAD, SLICE>::BLOCKS - (SLICE > 24 ? 1 : 0)))
/* The same registers, for one block of as many threads. */
#define RESIDENT_BOUNDS __launch_bounds__((layout<HEAD, SLICE>::THREADS * layout<HEAD, SLICE>::BLOCKS), 1)
#define RESIDENT_GRAD_BOUNDS \
    __launch_bounds__((layout<HEAD, SLICE>::THREADS * (layout<HEAD, SLICE>::BLOCKS - 1)), 1)

template <int HEAD, int SLICE>
static __global__ void RESIDENT_BOUNDS attention_resident_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(float, shared);
    forward_rows<HEAD, SLICE, true>(&args, shared, place_of(&args, blockIdx.x), 0);
}

template <int HEAD, int SLICE>
static __global__ void ATTENTION_BOUNDS attention_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(float, shared);
    const int tiles = args.query_tiles,
              tile = tiles - 1 - (int)(blockIdx.x % (unsigned)tiles); /* the longest first */
    forward_rows<HEAD, SLICE, false>(&args, shared, place_of(&args, blockIdx.x / tiles),
                                     tile * layout<HEAD, SLICE>::TILE);
}

/* Both halves of the backward pass; delta passes from the first to the second through device memory, past the barrier
 * that opens the second. */
template <int HEAD, int SLICE>
static __global__ void RESIDENT_GRAD_BOUNDS
attention_grad_resident_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(float, shared);
    const place at = place_of(&args, blockIdx.x);
    grad_query_rows<HEAD, SLICE, true>(&args, shared, at, 0);
    grad_key_rows<HEAD, SLICE, true>(&args, shared, at, 0);
}

template <int HEAD, int SLICE>
static __global__ void ATTENTION_GRAD_QUERY_BOUNDS
attention_grad_query_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(float, shared);
    const int tiles = args.query_tiles, tile = tiles - 1 - (int)(blockIdx.x % (unsigned)tiles);
    grad_query_rows<HEAD, SLICE, false>(&args, shared, place_of(&args, blockIdx.x / tiles),
                                        tile * layout<HEAD, SLICE>::TILE);
}

template <int HEAD, int SLICE>
static __global__ void ATTENTION_GRAD_BOUNDS
attention_grad_key_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(float, shared);
    const int tiles = args.key_tiles, tile = (int)(blockIdx.x % (unsigned)tiles);
    grad_key_rows<HEAD, SLICE, false>(&args, shared, place_of(&args, blockIdx.x / tiles),
                                      tile * layout<HEAD, SLICE>::TILE);
}

#endif
