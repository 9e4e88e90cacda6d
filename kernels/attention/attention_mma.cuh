/* Attention on matrix units, forward and backward: what the kernels of attention_mma_launch.cuh are made of.
 *
 * A warp owns 16 rows (queries; for dk and dv keys) and walks over groups of rows of the other side, whose two
 * tensors lie in shared memory as tiles of factors: turned, rounded, once for all warps. Everything else of a row
 * (its own factors, scores, sums) stays in the warp's registers, and no warp waits for another but for tiles.
 *
 * RESIDENT: the tiles are the whole window, and a block's warps take the 16s of the other side in turn, every
 * second round backwards, so that under the causal mask each gets as much as the next. Tiled: a block owns 16 rows
 * per warp; the next tile's floats travel to shared memory by asynchronous copies while the warps work on this
 * one's factors. A thread turns and rounds what it has copied itself, so that a tile takes two barriers.
 *
 * Determinism and causality: groups are aligned to the window and taken in order, sums of a row run over them in
 * that order, and a pair that is not seen weighs exactly 0: a row's bits depend neither on T, nor on how the work
 * is laid out, nor on later bars. 0 times NaN is not 0, so a v that is not finite is a 0 in its tile and a NaN in
 * its key, which reaches the rows that see it and no other. No atomics: dq is summed by query rows, dk and dv by
 * key rows. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_MMA_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_MMA_CUH

#include <limits.h>

#include "kernels/attention/attention_units.cuh"

enum { ROWS = 16, FORWARD_GROUP = 32, GRAD_GROUP = 16, WARPS_MAX = 8, UNIT_RESIDENT_BARS = 512 };

/* How a kernel lays out its work: its shared memory and, tiled, its block. */
template <class UNITS, int HEAD, bool BACKWARD> struct layout {
    enum {
        TF32 = UNITS::PER_WORD == 1,
        KEPT =
            BACKWARD && HEAD > (TF32 ? 64 : 96), /* registers hold the sums of the keys, and no own rows beside */
        SPLIT = BACKWARD && HEAD == 128,         /* nor both sums */
        OWN_TENSORS = KEPT ? 2 : 1,
        TILE = KEPT && TF32 && HEAD > 80           ? 16
               : HEAD > 64 || (TF32 && HEAD == 64) ? 32
                                                   : 64,
        BLOCKS = HEAD == 16 || (!TF32 && HEAD <= (BACKWARD ? 32 : 64)) ? 2 : 1, /* of 8 warps on an SM */
        WARPS = BLOCKS == 2     ? 8
                : SPLIT && TF32 ? 2
                                : 4,
        RESIDENT = !(KEPT && TF32 && HEAD > 96) /* else no window worth it fits beside the rows kept */
    };
};

/* Where the parts of a block's shared memory begin, in words. */
typedef struct shared_words {
    int one, two;             /* tiles */
    int stage;                /* floats under way to them */
    int kept;                 /* own rows of each warp; tiled and not KEPT, where floats will be under way */
    int lse, delta;           /* a tile of queries */
    int low, high, high_next; /* turns: of 16 positions; of each 16th position of a tile; of the next tile's */
    int own_high;             /* of each warp's own rows */
    int end;
} shared_words;

template <class UNITS, int HEAD, bool BACKWARD, bool TILED>
static constexpr __host__ __device__ inline shared_words words_of(int tile_rows, int warps, bool rotary) {
    typedef shape<UNITS, HEAD> S;
    typedef layout<UNITS, HEAD, BACKWARD> L;
    const int turns = rotary ? 2 * S::PAIRS : 0, numbers = BACKWARD ? tile_rows : 0;
    const int own = warps * L::OWN_TENSORS * S::OWN_WORDS * PU_WARP, staged = TILED ? 2 * tile_rows * HEAD : 0;
    const bool passes = TILED && !L::KEPT;
    shared_words w = {};
    w.two = w.one + tile_rows * S::STRIDE;
    w.stage = w.two + tile_rows * S::STRIDE;
    w.kept = w.stage + (passes ? 0 : staged);
    w.lse = w.kept + (passes && staged > own ? staged : own);
    w.delta = w.lse + numbers;
    w.low = w.delta + numbers;
    w.high = w.low + ROWS * turns;
    w.high_next = w.high + tile_rows / ROWS * turns;
    w.own_high = w.high_next + (TILED ? tile_rows / ROWS * turns : 0);
    w.end = w.own_high + warps * turns;
    return w;
}

typedef struct shared_parts {
    uint32_t *one, *two, *kept;
    float *stage, *lse, *delta;
    float2 *low, *high, *high_next, *own_high; /* null without positions */
} shared_parts;

template <class UNITS, int HEAD, bool BACKWARD, bool TILED>
static __device__ inline shared_parts parts_of(uint32_t *shared, const attention_args *args) {
    typedef shape<UNITS, HEAD> S;
    const int warp = (int)threadIdx.x / PU_WARP;
    const shared_words w =
        words_of<UNITS, HEAD, BACKWARD, TILED>(args->tile_rows, (int)blockDim.x / PU_WARP, args->rotary);
    shared_parts p;
    p.one = shared + w.one, p.two = shared + w.two;
    p.kept = shared + w.kept + warp * layout<UNITS, HEAD, BACKWARD>::OWN_TENSORS * S::OWN_WORDS * PU_WARP +
             lane_of() * 4;
    p.stage = (float *)(shared + w.stage);
    p.lse = (float *)(shared + w.lse), p.delta = (float *)(shared + w.delta);
    p.low = args->rotary ? (float2 *)(shared + w.low) : nullptr;
    p.high = (float2 *)(shared + w.high), p.high_next = (float2 *)(shared + w.high_next);
    p.own_high = (float2 *)(shared + w.own_high) + warp * S::PAIRS;
    return p;
}

/* Where the second of two tensors of own rows passes through; where the first stays, behind it. */
template <class UNITS, int HEAD, bool KEPT> static __device__ inline uint32_t *second_of(const shared_parts *p) {
    return p->kept + (KEPT ? shape<UNITS, HEAD>::OWN_WORDS * PU_WARP : 0);
}

/* Turns of `rows` positions from `first` on, `step` apart, by `threads` threads. */
template <int HEAD>
static __device__ inline void fill_turns(float2 *turns, const attention_args *args, int first, int step, int rows,
                                         int thread, int threads) {
    for (int i = thread; i < rows * (HEAD / 2); i += threads)
        turns[i] = turn_of(args, first + i / (HEAD / 2) * step, i % (HEAD / 2));
}

template <int HEAD> static __device__ inline void fill_low(const shared_parts *p, const attention_args *args) {
    if (p->low) fill_turns<HEAD>(p->low, args, 0, 1, ROWS, (int)threadIdx.x, (int)blockDim.x);
}
template <int HEAD>
static __device__ inline void fill_high(float2 *high, const shared_parts *p, const attention_args *args,
                                        int position) {
    if (p->low)
        fill_turns<HEAD>(high, args, position, ROWS, args->tile_rows / ROWS, (int)threadIdx.x, (int)blockDim.x);
}
/* For the rows that this warp owns, of which the first stands at `position`. */
template <int HEAD>
static __device__ inline void fill_own(const shared_parts *p, const attention_args *args, int position) {
    __syncwarp();
    if (p->low) fill_turns<HEAD>(p->own_high, args, position, 1, 1, lane_of(), PU_WARP);
    __syncwarp();
}

/* The two tensors that tiles are made of: `one` is turned. */
typedef struct tensors {
    const float *one, *two;
    int one_stride, two_stride;
    int bars, position; /* of row 0 */
} tensors;

/* Four numbers of each tensor to their tiles. GUARD: what is not finite in `two` becomes NaN in `one`. */
template <class UNITS, int HEAD, bool GUARD>
static __device__ inline void put_both(const shared_parts *p, int row, int c, float one[4], float two[4]) {
    typedef shape<UNITS, HEAD> S;
    if (p->low)
        rotate4(one, p->low + row % ROWS * S::PAIRS + c / 2, p->high + row / ROWS * S::PAIRS + c / 2, 1.0f);
    const float limit = 3.3e38f; /* bfloat16 rounds what is a little larger to infinity */
    for (int i = 0; GUARD && i < 4; ++i) {
        if (fabsf(two[i]) <= limit) continue;
        two[i] = 0.0f;
        one[0] = NAN;
    }
    UNITS::put4(p->one + row * S::STRIDE, c, one);
    UNITS::put4(p->two + row * S::STRIDE, c, two);
}

/* The whole window to the tiles, once all warps have come here. */
template <class UNITS, int HEAD, bool GUARD>
static __device__ void load_window(const shared_parts *p, const tensors *from, const attention_args *args) {
    const int chunks = HEAD / 4;
    fill_high<HEAD>(p->high, p, args, from->position);
    __syncthreads();
    PU_UNROLL_BY(2)
    for (int i = (int)threadIdx.x; i < args->tile_rows * chunks; i += (int)blockDim.x) {
        const int row = i / chunks, c = 4 * (i % chunks);
        float one[4] = {0.0f, 0.0f, 0.0f, 0.0f}, two[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < from->bars) {
            pu__load4(one, from->one + (int64_t)row * from->one_stride, c, args->head_size, args->vector);
            pu__load4(two, from->two + (int64_t)row * from->two_stride, c, args->head_size, args->vector);
        }
        put_both<UNITS, HEAD, GUARD>(p, row, c, one, two);
    }
}

/* Begins to copy the tile from row `first` on. */
template <int HEAD>
static __device__ void begin_tile(const shared_parts *p, const tensors *from, int first,
                                  const attention_args *args) {
    const int chunks = HEAD / 4;
    for (int i = (int)threadIdx.x; i < args->tile_rows * chunks; i += (int)blockDim.x) {
        const int row = first + i / chunks, c = 4 * (i % chunks);
        float *const one = p->stage + 4 * i, *const two = one + args->tile_rows * HEAD;
        for (int skip = 0; skip < 4; skip += args->vector ? 4 : 2) {
            const bool live = row < from->bars && c + skip < args->head_size;
            const float *const a = live ? from->one + (int64_t)row * from->one_stride + c + skip : from->one;
            const float *const b = live ? from->two + (int64_t)row * from->two_stride + c + skip : from->two;
            if (args->vector) {
                pu__copy_async<4>(one, a, live);
                pu__copy_async<4>(two, b, live);
            } else {
                pu__copy_async<2>(one + skip, a, live);
                pu__copy_async<2>(two + skip, b, live);
            }
        }
    }
}

/* What this thread has copied, to the tiles. */
template <class UNITS, int HEAD, bool GUARD>
static __device__ void end_tile(const shared_parts *p, const attention_args *args) {
    const int chunks = HEAD / 4;
    for (int i = (int)threadIdx.x; i < args->tile_rows * chunks; i += (int)blockDim.x) {
        float one[4], two[4];
        pu__load4(one, p->stage, 4 * i, INT_MAX, true);
        pu__load4(two, p->stage + args->tile_rows * HEAD, 4 * i, INT_MAX, true);
        put_both<UNITS, HEAD, GUARD>(p, i / chunks, 4 * (i % chunks), one, two);
    }
}

/* lse (in units of log 2) and delta of a tile of queries. */
static __device__ inline void load_numbers(const shared_parts *p, const attention_args *args, const place *at,
                                           int first) {
    for (int i = (int)threadIdx.x; i < args->tile_rows; i += (int)blockDim.x) {
        const bool live = first + i < args->queries;
        p->lse[i] = live ? args->lse[at->lse_row + first + i] * LOG2_E : 0.0f;
        p->delta[i] = live ? args->delta[at->lse_row + first + i] : 0.0f;
    }
}

/* Calls visit(first) for each tile from row `start` on that begins before `end`; numbers(first) before it, between
 * the tile's barriers. */
template <class UNITS, int HEAD, bool GUARD, class Numbers, class Visit>
static __device__ inline void walk_tiles(shared_parts *p, const tensors *from, int start, int end,
                                         const attention_args *args, Numbers numbers, Visit visit) {
    if (start >= end) return;
    if (!layout<UNITS, HEAD, !GUARD>::KEPT)
        __syncthreads(); /* own rows have passed through where these copies go */
    begin_tile<HEAD>(p, from, start, args);
    fill_high<HEAD>(p->high, p, args, from->position + start);
    for (int first = start; first < end; first += args->tile_rows) {
        pu__copy_wait();
        __syncthreads();
        end_tile<UNITS, HEAD, GUARD>(p, args);
        numbers(first);
        __syncthreads();
        const int next = first + args->tile_rows;
        if (next < end) {
            begin_tile<HEAD>(p, from, next, args);
            fill_high<HEAD>(p->high_next, p, args, from->position + next);
            float2 *const free = p->high;
            p->high = p->high_next, p->high_next = free;
        }
        visit(first);
    }
}

/* Of the other side's rows, those that some of a warp's own 16 see, and those that all of them see: [oldest, end). */
typedef struct seen_by_all {
    int oldest, end, all_oldest, all_end;
} seen_by_all;

static __device__ inline seen_by_all join(seen low, seen high) {
    return {low.oldest, high.last + 1, high.oldest, low.last + 1};
}
/* Queries t0 .. t0+15, as far as there are. */
static __device__ inline seen_by_all seen_by_queries(const attention_args *args, int t0) {
    return join(seen_by_query(args, t0), seen_by_query(args, min(t0 + ROWS, args->queries) - 1));
}
static __device__ inline seen_by_all seen_by_keys(const attention_args *args, int u0) {
    return join(seen_by_key(args, u0), seen_by_key(args, u0 + ROWS - 1));
}

/* Which 16 rows a warp takes in a round. */
static __device__ inline int turn_in(int round) {
    const int warps = (int)blockDim.x / PU_WARP, warp = (int)threadIdx.x / PU_WARP;
    return round * warps + (round % 2 ? warps - 1 - warp : warp);
}

static __device__ inline float quad_sum(float x) {
    x += __shfl_xor_sync(PU_ALL_LANES, x, 1);
    return x + __shfl_xor_sync(PU_ALL_LANES, x, 2);
}
static __device__ inline float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(PU_ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(PU_ALL_LANES, x, 2));
}

template <int COUNT> static __device__ inline void clear(float (*sum)[4]) {
    PU_UNROLL
    for (int n = 0; n < COUNT; ++n)
        for (int e = 0; e < 4; ++e) sum[n][e] = 0.0f;
}

/* Raises the maxima of a lane's two rows to those of new scores; sums so far shrink with them. */
template <int HEAD>
static __device__ inline void raise(softmax_state state[2], float (*out)[4], const float top[2], float scale) {
    for (int r = 0; r < 2; ++r) {
        const float high = fmaxf(state[r].high, quad_max(top[r]) * scale);
        if (!(high > state[r].high)) continue;
        const float shrink = pu__exp2_approx(state[r].high - high);
        state[r].high = high;
        state[r].sum *= shrink;
        PU_UNROLL
        for (int n = 0; n < HEAD / 8; ++n) out[n][2 * r] *= shrink, out[n][2 * r + 1] *= shrink;
    }
}

/* Keys `first` .. first+31, which are rows s .. s+31 of the tiles (online softmax: Milakov & Gimelshein 2018,
 * algorithm 3). */
template <class UNITS, int HEAD>
static __device__ inline void forward_group(softmax_state state[2], float (*out)[4],
                                            const own_rows<UNITS, HEAD, false> *q, const shared_parts *p, int s,
                                            int first, const attention_args *args, int t0, bool whole,
                                            float scale) {
    const int t = lane_of() % 4;
    float score[FORWARD_GROUP / 8][4], top[2] = {-INFINITY, -INFINITY};
    clear<FORWARD_GROUP / 8>(score);
    multiply_rows<UNITS, HEAD, false, FORWARD_GROUP / 16>(score, q, p->one, s);
    PU_UNROLL
    for (int r = 0; r < 2 && !whole; ++r) {
        const seen range = seen_by_query(args, t0 + lane_of() / 4 + 8 * r);
        PU_UNROLL
        for (int i = 0; i < FORWARD_GROUP / 4; ++i) {
            float *const pair = score[i / 2] + 2 * r;
            if (!visible(range, first + 8 * (i / 2) + 2 * t + i % 2)) pair[i % 2] = -INFINITY;
        }
    }
    PU_UNROLL
    for (int n = 0; n < FORWARD_GROUP / 8; ++n)
        for (int e = 0; e < 4; ++e) top[e / 2] = fmaxf(top[e / 2], score[n][e]);
    raise<HEAD>(state, out, top, scale);
    PU_UNROLL
    for (int n = 0; n < FORWARD_GROUP / 8; ++n)
        for (int e = 0; e < 4; ++e) {
            score[n][e] = pu__exp2_approx(fmaf(score[n][e], scale, -state[e / 2].high));
            state[e / 2].sum += score[n][e];
        }
    PU_UNROLL
    for (int n = 0; n < FORWARD_GROUP / 16; ++n) {
        uint32_t weights[UNITS::A_WORDS];
        factors_of<UNITS>(weights, score[2 * n], score[2 * n + 1]);
        add_weighted<UNITS, HEAD>(out, weights, p->two, s + 16 * n);
    }
}

/* y and lse of queries t0 .. t0+15. Tiled: the block walks over keys from `start` to `end`. */
template <class UNITS, int HEAD, bool TILED>
static __device__ inline void forward_rows(const attention_args *args, shared_parts *p, const tensors *keys,
                                           const place *at, int t0, int start, int end) {
    const seen_by_all sight = seen_by_queries(args, t0);
    const float scale = args->scale * LOG2_E;
    own_rows<UNITS, HEAD, false> q;
    q.kept = p->kept;
    softmax_state state[2] = {{-FLT_MAX, 0.0f}, {-FLT_MAX, 0.0f}};
    float out[HEAD / 8][4];
    fill_own<HEAD>(p, args, args->offset + t0);
    q.load(args->q + at->q, args->q_stride, t0, args->queries, args, p->low, p->own_high);
    clear<HEAD / 8>(out);
    const auto groups = [&](int first) {
        const int last = min(args->tile_rows, sight.end - first);
        PU_UNROLL_BY(1)
        for (int s = max(sight.oldest - first, 0) / FORWARD_GROUP * FORWARD_GROUP; s < last; s += FORWARD_GROUP) {
            const bool whole = first + s >= sight.all_oldest && first + s + FORWARD_GROUP <= sight.all_end;
            forward_group<UNITS, HEAD>(state, out, &q, p, s, first + s, args, t0, whole, scale);
        }
    };
    if (TILED)
        walk_tiles<UNITS, HEAD, true>(
            p, keys, start, end, args, [](int) {}, groups);
    else groups(0);
    const float sum[2] = {quad_sum(state[0].sum), quad_sum(state[1].sum)};
    const float share[2] = {1.0f / sum[0], 1.0f / sum[1]};
    store_sum<UNITS, HEAD>(args->y_out + at->y, at->y_stride, t0, args->queries, out, share, args, nullptr,
                           nullptr);
    for (int r = 0; r < 2; ++r) {
        const int lane = pu__lane_anew(), t = t0 + lane / 4 + 8 * r;
        if (lane % 4 == 0 && t < args->queries)
            args->lse_out[at->lse_row + t] = (state[r].high + log2f(sum[r])) * LN_2;
    }
}

/* delta of this lane's two rows, to device memory too. */
template <int HEAD>
static __device__ inline void deltas_of(float delta[2], const attention_args *args, const place *at, int t0) {
    const int lane = lane_of();
    for (int r = 0; r < 2; ++r) {
        const int t = t0 + lane / 4 + 8 * r;
        const int64_t row = at->y + t * at->y_stride;
        float sum = 0.0f;
        PU_UNROLL
        for (int n = 0; n < HEAD / 8; ++n) {
            const int c = 8 * n + lane % 4 * 2;
            if (t >= args->queries || c >= args->head_size) continue;
            const float2 y = *(const float2 *)(args->y + row + c), dy = *(const float2 *)(args->dy + row + c);
            sum = fmaf(dy.x, y.x, fmaf(dy.y, y.y, sum));
        }
        delta[r] = quad_sum(sum);
        if (lane % 4 == 0 && t < args->queries) args->delta[at->lse_row + t] = delta[r];
    }
}

/* dq of queries t0 .. t0+15, and their delta for the rows of the keys. */
template <class UNITS, int HEAD, bool TILED>
static __device__ inline void grad_query_rows(const attention_args *args, shared_parts *p, const tensors *keys,
                                              const place *at, int t0, int start, int end) {
    typedef layout<UNITS, HEAD, true> L;
    const int lane = lane_of(), t[2] = {t0 + lane / 4, t0 + lane / 4 + 8};
    const seen range[2] = {seen_by_query(args, t[0]), seen_by_query(args, t[1])};
    const seen_by_all sight = seen_by_queries(args, t0);
    const float scale = args->scale * LOG2_E;
    own_rows<UNITS, HEAD, L::KEPT> q, dy;
    float dq[HEAD / 8][4], delta[2], lse[2];
    q.kept = p->kept, dy.kept = second_of<UNITS, HEAD, L::KEPT>(p);
    fill_own<HEAD>(p, args, args->offset + t0);
    q.load(args->q + at->q, args->q_stride, t0, args->queries, args, p->low, p->own_high);
    dy.load(args->dy + at->y, at->y_stride, t0, args->queries, args, nullptr, nullptr);
    deltas_of<HEAD>(delta, args, at, t0);
    for (int r = 0; r < 2; ++r) lse[r] = t[r] < args->queries ? args->lse[at->lse_row + t[r]] * LOG2_E : 0.0f;
    clear<HEAD / 8>(dq);
    const auto groups = [&](int first) {
        const int last = min(args->tile_rows, sight.end - first);
        PU_UNROLL_BY(1)
        for (int s = max(sight.oldest - first, 0) / GRAD_GROUP * GRAD_GROUP; s < last; s += GRAD_GROUP) {
            float score[2][4], slope[2][4];
            uint32_t weights[UNITS::A_WORDS];
            clear<2>(score);
            clear<2>(slope);
            multiply_rows<UNITS, HEAD, L::KEPT, 1>(score, &q, p->one, s);
            multiply_rows<UNITS, HEAD, L::KEPT, 1>(slope, &dy, p->two, s);
            PU_UNROLL
            for (int n = 0; n < 2; ++n)
                for (int e = 0; e < 4; ++e) {
                    const float weight = pu__exp2_approx(fmaf(score[n][e], scale, -lse[e / 2]));
                    const bool sees = visible(range[e / 2], first + s + 8 * n + lane % 4 * 2 + e % 2);
                    slope[n][e] = sees ? weight * (slope[n][e] - delta[e / 2]) : 0.0f;
                }
            factors_of<UNITS>(weights, slope[0], slope[1]);
            add_weighted<UNITS, HEAD>(dq, weights, p->one, s);
        }
    };
    if (TILED)
        walk_tiles<UNITS, HEAD, false>(
            p, keys, start, end, args, [](int) {}, groups);
    else groups(0);
    const float share[2] = {args->scale, args->scale};
    store_sum<UNITS, HEAD>(args->dq + at->q, args->q_stride, t0, args->queries, dq, share, args, p->low,
                           p->own_high);
}

/* Which sums of the keys a walk makes. */
enum { SUM_DV = 1, SUM_DK = 2 };

/* dk and dv of keys u0 .. u0+15, as far as SUMS names them. */
template <class UNITS, int HEAD, bool TILED, int SUMS>
static __device__ inline void grad_key_rows(const attention_args *args, shared_parts *p, const tensors *queries,
                                            const place *at, int u0, int start, int end) {
    typedef layout<UNITS, HEAD, true> L;
    const int lane = lane_of();
    const seen range[2] = {seen_by_key(args, u0 + lane / 4), seen_by_key(args, u0 + lane / 4 + 8)};
    const seen_by_all sight = seen_by_keys(args, u0);
    const float scale = args->scale * LOG2_E;
    own_rows<UNITS, HEAD, L::KEPT> k, v;
    float dk[HEAD / 8][4], dv[HEAD / 8][4];
    k.kept = p->kept, v.kept = second_of<UNITS, HEAD, L::KEPT>(p);
    fill_own<HEAD>(p, args, u0);
    k.load(args->k + at->kv, args->kv_stride, u0, args->keys, args, p->low, p->own_high);
    v.load(args->v + at->kv, args->kv_stride, u0, args->keys, args, nullptr, nullptr);
    clear<HEAD / 8>(dk);
    clear<HEAD / 8>(dv);
    const auto groups = [&](int first) {
        const int last = min(args->tile_rows, sight.end - first);
        PU_UNROLL_BY(1)
        for (int s = max(sight.oldest - first, 0) / GRAD_GROUP * GRAD_GROUP; s < last; s += GRAD_GROUP) {
            float score[2][4], slope[2][4];
            uint32_t weights[UNITS::A_WORDS];
            clear<2>(score);
            clear<2>(slope);
            multiply_rows<UNITS, HEAD, L::KEPT, 1>(score, &k, p->one, s);
            if (SUMS & SUM_DK) multiply_rows<UNITS, HEAD, L::KEPT, 1>(slope, &v, p->two, s);
            PU_UNROLL
            for (int n = 0; n < 2; ++n)
                for (int e = 0; e < 4; ++e) {
                    const int i = s + 8 * n + lane % 4 * 2 + e % 2;
                    const float weight = pu__exp2_approx(fmaf(score[n][e], scale, -p->lse[i]));
                    score[n][e] = visible(range[e / 2], first + i) ? weight : 0.0f;
                    slope[n][e] = visible(range[e / 2], first + i) ? weight * (slope[n][e] - p->delta[i]) : 0.0f;
                }
            if (SUMS & SUM_DV) {
                factors_of<UNITS>(weights, score[0], score[1]);
                add_weighted<UNITS, HEAD>(dv, weights, p->two, s);
            }
            if (SUMS & SUM_DK) {
                factors_of<UNITS>(weights, slope[0], slope[1]);
                add_weighted<UNITS, HEAD>(dk, weights, p->one, s);
            }
        }
    };
    const auto numbers = [&](int first) { load_numbers(p, args, at, first); };
    if (TILED) walk_tiles<UNITS, HEAD, false>(p, queries, start, end, args, numbers, groups);
    else groups(0);
    const float share[2] = {args->scale, args->scale}, one[2] = {1.0f, 1.0f};
    if (SUMS & SUM_DK)
        store_sum<UNITS, HEAD>(args->dk + at->kv, args->kv_stride, u0, args->keys, dk, share, args, p->low,
                               p->own_high);
    if (SUMS & SUM_DV)
        store_sum<UNITS, HEAD>(args->dv + at->kv, args->kv_stride, u0, args->keys, dv, one, args, nullptr,
                               nullptr);
}

/* dk and dv, in two walks where registers hold one sum alone. */
template <class UNITS, int HEAD, bool TILED>
static __device__ inline void grad_both_key_rows(const attention_args *args, shared_parts *p,
                                                 const tensors *queries, const place *at, int u0, int start,
                                                 int end) {
    if constexpr (layout<UNITS, HEAD, true>::SPLIT) {
        grad_key_rows<UNITS, HEAD, TILED, SUM_DV>(args, p, queries, at, u0, start, end);
        grad_key_rows<UNITS, HEAD, TILED, SUM_DK>(args, p, queries, at, u0, start, end);
    } else {
        grad_key_rows<UNITS, HEAD, TILED, SUM_DK | SUM_DV>(args, p, queries, at, u0, start, end);
    }
}

static __device__ inline tensors keys_of(const attention_args *args, const place *at) {
    return {args->k + at->kv, args->v + at->kv, (int)args->kv_stride, (int)args->kv_stride, args->keys, 0};
}
static __device__ inline tensors queries_of(const attention_args *args, const place *at) {
    return {args->q + at->q,   args->dy + at->y, (int)args->q_stride,
            (int)at->y_stride, args->queries,    args->offset};
}

/* The tile that a row of the other side lies in. */
static __device__ inline int tile_before(const attention_args *args, int row) {
    return row > 0 ? row / args->tile_rows * args->tile_rows : 0;
}

#endif
