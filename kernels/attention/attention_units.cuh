/* The factors of attention's products on matrix units: how 16 rows of a warp lie in its lanes, and tiles in shared
 * memory.
 *
 * Products go in steps of 16 (columns of a head, or keys): one mma in bf16, two in tf32. A's two columns that one
 * lane holds are neighbours in either precision, because tf32's columns t and t + 4 of eight stand for the columns
 * 2t and 2t + 1: a sum may take its terms in any order, if both factors agree. So a lane holds whole rotary pairs,
 * and what a product leaves in D is the next product's A without a shuffle. Tiles of tf32 keep that order: of
 * eight columns the even ones come first.
 *
 * A row of a tile has 16 bytes more than its head: eight rows begin on eight groups of banks, whatever the head's
 * size. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_UNITS_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_UNITS_CUH

#include "kernels/attention/attention.cuh"
#include "kernels/common/mma.cuh"

static __device__ inline int lane_of(void) { return (int)threadIdx.x % PU_WARP; }

namespace { /* methods of internal linkage: two copies of this text in one program stay apart */

struct bf16_units {
    enum { PER_WORD = 2, A_WORDS = 4, B_WORDS = 2 };

    /* d += A[16][16] B[16][8] */
    static __device__ inline void multiply(float d[4], const uint32_t a[A_WORDS], const uint32_t b[B_WORDS]) {
        pu__mma_bf16(d, a, b);
    }
    /* Columns 8 right + 2t and the next of row g + 8 lower. */
    static __device__ inline void set_pair(uint32_t a[A_WORDS], int right, int lower, float x, float y) {
        a[2 * right + lower] = pu__bf16_pair_of(x, y);
    }
    /* B[k][n] = tile[row + n][16 step + k], for n below 16. */
    static __device__ inline void load_rows(uint32_t b[2][B_WORDS], const uint32_t *tile, int stride, int row,
                                            int step) {
        const int lane = lane_of(), matrix = lane / 8;
        const uint32_t *const from = tile + (row + matrix / 2 * 8 + lane % 8) * stride + 8 * step + matrix % 2 * 4;
        pu__load_matrices(&b[0][0], from);
    }
    /* B[k][n] = tile[row + k][16 step + n], for n below 16. */
    static __device__ inline void load_columns(uint32_t b[2][B_WORDS], const uint32_t *tile, int stride, int row,
                                               int step) {
        const int lane = lane_of(), matrix = lane / 8;
        const uint32_t *const from = tile + (row + matrix % 2 * 8 + lane % 8) * stride + 8 * step + matrix / 2 * 4;
        pu__load_matrices_transposed(&b[0][0], from);
    }
    /* Columns c .. c+3 of a row of a tile. */
    static __device__ inline void put4(uint32_t *row, int c, const float v[4]) {
        *(int2 *)(row + c / 2) = make_int2((int)pu__bf16_pair_of(v[0], v[1]), (int)pu__bf16_pair_of(v[2], v[3]));
    }
};

struct tf32_units {
    enum { PER_WORD = 1, A_WORDS = 8, B_WORDS = 4 };

    static __device__ inline void multiply(float d[4], const uint32_t a[A_WORDS], const uint32_t b[B_WORDS]) {
        pu__mma_tf32(d, a, b);
        pu__mma_tf32(d, a + 4, b + 2);
    }
    static __device__ inline void set_pair(uint32_t a[A_WORDS], int right, int lower, float x, float y) {
        a[4 * right + lower] = pu__tf32_of(x);
        a[4 * right + 2 + lower] = pu__tf32_of(y);
    }
    static __device__ inline void load_rows(uint32_t b[2][B_WORDS], const uint32_t *tile, int stride, int row,
                                            int step) {
        const int lane = lane_of();
        const uint32_t *const from = tile + (row + lane % 8) * stride + 16 * step + lane / 8 * 4;
        pu__load_matrices(b[0], from);
        pu__load_matrices(b[1], from + 8 * stride);
    }
    static __device__ inline void load_columns(uint32_t b[2][B_WORDS], const uint32_t *tile, int stride, int row,
                                               int step) {
        const int lane = lane_of(), g = lane / 4, t = lane % 4;
        const uint32_t *const from = tile + (row + 2 * t) * stride + 16 * step + g / 2 + g % 2 * 4;
        PU_UNROLL
        for (int i = 0; i < 2 * B_WORDS; ++i) {
            const int word = i % B_WORDS;
            b[i / B_WORDS][word] = from[(word / 2 * 8 + word % 2) * stride + i / B_WORDS * 8];
        }
    }
    static __device__ inline void put4(uint32_t *row, int c, const float v[4]) {
        uint32_t *const even = row + c / 8 * 8 + c % 8 / 2;
        *(int2 *)even = make_int2((int)pu__tf32_of(v[0]), (int)pu__tf32_of(v[2]));
        *(int2 *)(even + 4) = make_int2((int)pu__tf32_of(v[1]), (int)pu__tf32_of(v[3]));
    }
};

template <class UNITS, int HEAD> struct shape {
    enum {
        STEPS = HEAD / 16,
        PAIRS = HEAD / 2,
        STRIDE = HEAD / UNITS::PER_WORD + 4, /* words from a row of a tile to the next */
        OWN_WORDS = STEPS * UNITS::A_WORDS   /* of 16 rows, in one lane */
    };
};

/* A[16][16] of what two products left: columns below 8 and the others. */
template <class UNITS>
static __device__ inline void factors_of(uint32_t a[UNITS::A_WORDS], const float low[4], const float high[4]) {
    UNITS::set_pair(a, 0, 0, low[0], low[1]);
    UNITS::set_pair(a, 0, 1, low[2], low[3]);
    UNITS::set_pair(a, 1, 0, high[0], high[1]);
    UNITS::set_pair(a, 1, 1, high[2], high[3]);
}

/* The 16 rows of one tensor that a warp owns, as A: in registers, or (KEPT) in shared memory. They pass through
 * shared memory in either case, so that the loop that loads them needs few registers; each word there is its
 * lane's alone. */
template <class UNITS, int HEAD, bool KEPT> struct own_rows {
    uint32_t held[KEPT ? 1 : (int)shape<UNITS, HEAD>::OWN_WORDS];
    uint32_t *kept; /* this lane's first four words; its next four lie 4 * PU_WARP words on */

    __device__ inline void take_kept(uint32_t a[UNITS::A_WORDS], int step) const {
        PU_UNROLL
        for (int i = 0; i < UNITS::A_WORDS; i += 4) {
            const int4 four = *(const int4 *)(kept + (step * UNITS::A_WORDS + i) * PU_WARP);
            a[i] = (uint32_t)four.x, a[i + 1] = (uint32_t)four.y;
            a[i + 2] = (uint32_t)four.z, a[i + 3] = (uint32_t)four.w;
        }
    }

    __device__ inline void take(uint32_t a[UNITS::A_WORDS], int step) const {
        if (KEPT) take_kept(a, step);
        else
            for (int i = 0; i < UNITS::A_WORDS; ++i) a[i] = held[step * UNITS::A_WORDS + i];
    }

    /* Rows t0 .. t0+15, zero from row `bars` and past the head's size, turned by low[row] and high if `low` is
     * given. */
    __device__ inline void load(const float *rows, int64_t stride, int t0, int bars, const attention_args *args,
                                const float2 *low, const float2 *high) {
        typedef shape<UNITS, HEAD> S;
        const int lane = lane_of(), g = lane / 4, t = lane % 4;
        PU_UNROLL_BY(KEPT ? 1 : 2)
        for (int step = 0; step < S::STEPS; ++step) {
            uint32_t a[UNITS::A_WORDS];
            PU_UNROLL
            for (int i = 0; i < 4; ++i) {
                const int right = i / 2, row = g + i % 2 * 8, pair = 8 * step + 4 * right + t;
                float2 v = make_float2(0.0f, 0.0f);
                if (t0 + row < bars && 2 * pair < args->head_size)
                    v = *(const float2 *)(rows + (t0 + row) * stride + 2 * pair);
                if (low) v = turned(v, combined(low[row * S::PAIRS + pair], high[pair]), 1.0f);
                UNITS::set_pair(a, right, i % 2, v.x, v.y);
            }
            for (int i = 0; i < UNITS::A_WORDS; i += 4)
                *(int4 *)(kept + (step * UNITS::A_WORDS + i) * PU_WARP) =
                    make_int4((int)a[i], (int)a[i + 1], (int)a[i + 2], (int)a[i + 3]);
        }
        PU_UNROLL
        for (int step = 0; !KEPT && step < S::STEPS; ++step) take_kept(held + step * UNITS::A_WORDS, step);
    }
};

} /* namespace */

/* out[2n], out[2n+1] += own rows times tile rows row + 16n .. row + 16n + 15, for n below SIXTEENS. */
template <class UNITS, int HEAD, bool KEPT, int SIXTEENS>
static __device__ inline void multiply_rows(float (*out)[4], const own_rows<UNITS, HEAD, KEPT> *own,
                                            const uint32_t *tile, int row) {
    typedef shape<UNITS, HEAD> S;
    PU_UNROLL
    for (int step = 0; step < S::STEPS; ++step) {
        uint32_t a[UNITS::A_WORDS], b[2][UNITS::B_WORDS];
        own->take(a, step);
        PU_UNROLL
        for (int n = 0; n < SIXTEENS; ++n) {
            UNITS::load_rows(b, tile, S::STRIDE, row + 16 * n, step);
            UNITS::multiply(out[2 * n], a, b[0]);
            UNITS::multiply(out[2 * n + 1], a, b[1]);
        }
    }
}

/* sum[16][HEAD] += weights[16][16] times tile rows row .. row + 15. */
template <class UNITS, int HEAD>
static __device__ inline void add_weighted(float (*sum)[4], const uint32_t weights[UNITS::A_WORDS],
                                           const uint32_t *tile, int row) {
    typedef shape<UNITS, HEAD> S;
    PU_UNROLL
    for (int step = 0; step < S::STEPS; ++step) {
        uint32_t b[2][UNITS::B_WORDS];
        UNITS::load_columns(b, tile, S::STRIDE, row, step);
        UNITS::multiply(sum[2 * step], weights, b[0]);
        UNITS::multiply(sum[2 * step + 1], weights, b[1]);
    }
}

/* Rows t0 .. t0+15 of a result, as far as there are bars: scale * sum, turned back if `low` is given. */
template <class UNITS, int HEAD>
static __device__ inline void store_sum(float *rows, int64_t stride, int t0, int bars, const float (*sum)[4],
                                        const float scale[2], const attention_args *args, const float2 *low,
                                        const float2 *high) {
    typedef shape<UNITS, HEAD> S;
    const int lane = pu__lane_anew(), g = lane / 4, t = lane % 4;
    PU_UNROLL
    for (int n = 0; n < HEAD / 8; ++n) {
        const int pair = 4 * n + t;
        PU_UNROLL
        for (int i = 0; i < 2; ++i) {
            const int row = g + 8 * i;
            float2 v = make_float2(sum[n][2 * i] * scale[i], sum[n][2 * i + 1] * scale[i]);
            if (low) v = turned(v, combined(low[row * S::PAIRS + pair], high[pair]), -1.0f);
            if (t0 + row < bars && 2 * pair < args->head_size)
                *(float2 *)(rows + (t0 + row) * stride + 2 * pair) = v;
        }
    }
}

#endif
