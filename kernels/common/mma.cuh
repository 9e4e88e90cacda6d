/* The matrix units and asynchronous copies: the only PTX of the kernels. Instructions of sm_80 and later.
 *
 * Lane maps (PTX ISA, "Matrix fragments for mma"): lane l of a warp has the group g = l / 4 and the place t = l %
 * 4. A is 16 rows by K columns, B is K rows by 8 columns, C and D are 16 by 8 floats. A word holds two bfloat16,
 * the lower column (of A) or row (of B) in its lower half, or one tf32.
 *
 *   bf16, K = 16   a[0] A[g][2t, 2t+1]    a[1] A[g+8][2t, 2t+1]    a[2] A[g][2t+8, 2t+9]    a[3] A[g+8][2t+8, 2t+9]
 *                  b[0] B[2t, 2t+1][g]    b[1] B[2t+8, 2t+9][g]
 *   tf32, K = 8    a[0] A[g][t]           a[1] A[g+8][t]           a[2] A[g][t+4]           a[3] A[g+8][t+4]
 *                  b[0] B[t][g]           b[1] B[t+4][g]
 *   both           d[0] D[g][2t]          d[1] D[g][2t+1]          d[2] D[g+8][2t]          d[3] D[g+8][2t+1]
 *
 * pu__load_matrices: four matrices of 8 rows of 16 bytes. Lane l gives the address of row l % 8 of matrix l / 8
 * and gets, in word i, word t of row g of matrix i. pu__load_matrices_transposed: of matrices of 8 by 8 two-byte
 * numbers, the numbers [2t][g] (lower half) and [2t+1][g] of matrix i.
 *
 * A whole warp calls each of these but the copies, together. Under the emulator they are done by the same maps,
 * and a warp that is not whole is a fault. */
#ifndef PU_KERNELS_COMMON_MMA_CUH
#define PU_KERNELS_COMMON_MMA_CUH

#include "kernels/common/device.cuh"
#include "kernels/common/rounding.h"

#ifdef PU_EMULATED

/* What the warp's lanes hand in, and get back in its place; done once for the warp. */
typedef uint32_t (*pu__lanes)[PU__WARP_WORDS];

PU__EMULATOR_ONLY static inline float pu__bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* D = A B + C with words d[0..3], a[4..7], b[8..9] a lane; per: numbers in a word. */
PU__EMULATOR_ONLY static inline void pu__multiply_lanes(pu__lanes lanes, int per) {
    float a[16][16], b[16][8], c[16][8];
    const int depth = 8 * per;
    for (int l = 0; l < PU_WARP; ++l) {
        const int g = l / 4, t = l % 4;
        for (int i = 0; i < 4; ++i) {
            const int row = g + 8 * (i % 2), first = per * t + (i / 2) * 4 * per;
            for (int j = 0; j < per; ++j)
                a[row][first + j] = pu__bits_float(per == 2 ? lanes[l][4 + i] >> 16 * j << 16 : lanes[l][4 + i]);
            c[g + 8 * (i / 2)][2 * t + i % 2] = pu__bits_float(lanes[l][i]);
        }
        for (int i = 0; i < 2; ++i)
            for (int j = 0; j < per; ++j)
                b[per * t + i * 4 * per + j][g] =
                    pu__bits_float(per == 2 ? lanes[l][8 + i] >> 16 * j << 16 : lanes[l][8 + i]);
    }
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < depth; ++k)
            for (int n = 0; n < 8; ++n) c[row][n] += a[row][k] * b[k][n];
    for (int l = 0; l < PU_WARP; ++l)
        for (int i = 0; i < 4; ++i)
            memcpy(&lanes[l][i], &c[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2], sizeof(float));
}
PU__EMULATOR_ONLY static inline void pu__multiply_bf16_lanes(pu__lanes lanes) { pu__multiply_lanes(lanes, 2); }
PU__EMULATOR_ONLY static inline void pu__multiply_tf32_lanes(pu__lanes lanes) { pu__multiply_lanes(lanes, 1); }

/* Lane l hands in the four words of its row. */
PU__EMULATOR_ONLY static inline void pu__matrices_lanes(pu__lanes lanes) {
    uint32_t row[PU_WARP][4];
    for (int l = 0; l < PU_WARP; ++l) memcpy(row[l], lanes[l], sizeof row[l]);
    for (int l = 0; l < PU_WARP; ++l)
        for (int i = 0; i < 4; ++i) lanes[l][i] = row[8 * i + l / 4][l % 4];
}
PU__EMULATOR_ONLY static inline void pu__matrices_transposed_lanes(pu__lanes lanes) {
    uint16_t row[PU_WARP][8];
    for (int l = 0; l < PU_WARP; ++l) memcpy(row[l], lanes[l], sizeof row[l]);
    for (int l = 0; l < PU_WARP; ++l)
        for (int i = 0; i < 4; ++i)
            lanes[l][i] = row[8 * i + 2 * (l % 4)][l / 4] | (uint32_t)row[8 * i + 2 * (l % 4) + 1][l / 4] << 16;
}

static inline void pu__mma(float d[4], const uint32_t a[4], const uint32_t b[2], pu__warp_operation operation) {
    uint32_t words[10];
    memcpy(words, d, 4 * sizeof *d);
    for (int i = 0; i < 4; ++i) words[4 + i] = a[i];
    for (int i = 0; i < 2; ++i) words[8 + i] = b[i];
    pu__emulated_warp(operation, words, 10, "mma", __FILE__, __LINE__);
    memcpy(d, words, 4 * sizeof *d);
}
static inline void pu__mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    pu__mma(d, a, b, pu__multiply_bf16_lanes);
}
static inline void pu__mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    pu__mma(d, a, b, pu__multiply_tf32_lanes);
}

static inline void pu__load_matrices(uint32_t words[4], const uint32_t *row) {
    pu__emulated_vector_at(row, 16);
    for (int i = 0; i < 4; ++i) words[i] = row[i];
    pu__emulated_warp(pu__matrices_lanes, words, 4, "ldmatrix", __FILE__, __LINE__);
}
static inline void pu__load_matrices_transposed(uint32_t words[4], const uint32_t *row) {
    pu__emulated_vector_at(row, 16);
    for (int i = 0; i < 4; ++i) words[i] = row[i];
    pu__emulated_warp(pu__matrices_transposed_lanes, words, 4, "ldmatrix", __FILE__, __LINE__);
}

static inline uint32_t pu__tf32_of(float x) { return static_cast<uint32_t>(__float_as_int(pu__round_tf32(x))); }
static inline uint32_t pu__bf16_pair_of(float low, float high) {
    return static_cast<uint32_t>(__float_as_int(pu__round_bf16(low))) >> 16 |
           (static_cast<uint32_t>(__float_as_int(pu__round_bf16(high))) & 0xffff0000u);
}
static inline float pu__exp2_approx(float x) { return exp2f(x); }
static inline int pu__lane_anew(void) { return (int)threadIdx.x % PU_WARP; }

/* Nobody may read what a copy is under way to, so it is spoilt until the wait. */
template <int FLOATS> static inline void pu__copy_async(float *to, const float *from, bool live) {
    pu__emulated_vector_at(to, FLOATS * sizeof(float));
    pu__emulated_vector_at(from, FLOATS * sizeof(float));
    for (int i = 0; i < FLOATS; ++i) to[i] = __int_as_float(-1);
    pu__emulated_copy_begin(to, from, live ? FLOATS : 0, FLOATS);
}
static inline void pu__copy_wait(void) {
    pu__emulated_copy copy;
    while (pu__emulated_copy_end(&copy))
        for (int i = 0; i < copy.count; ++i) copy.to[i] = i < copy.live ? copy.from[i] : 0.0f;
}

#else

/* D += A B. */
static __device__ inline void pu__mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
static __device__ inline void pu__mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* `row`: in shared memory, on 16 bytes. */
static __device__ inline void pu__load_matrices(uint32_t words[4], const uint32_t *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row)));
}
static __device__ inline void pu__load_matrices_transposed(uint32_t words[4], const uint32_t *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row)));
}

/* The roundings of kernels/common/rounding.h. */
static __device__ inline uint32_t pu__tf32_of(float x) {
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}
static __device__ inline uint32_t pu__bf16_pair_of(float low, float high) {
    uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

/* 2^x with a relative error of 2^-22; what would be subnormal is 0. */
static __device__ inline float pu__exp2_approx(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* The lane, in a block of one dimension. What follows from it is computed where it is used, not held in registers
 * across a loop around it. */
static __device__ inline int pu__lane_anew(void) {
    int lane;
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    return lane;
}

/* Begins to copy two or four floats to shared memory, zeros where not `live`; both addresses are on the copy's
 * size. What a thread has begun is there after its own pu__copy_wait: for itself; for others, after a barrier
 * behind that. */
template <int FLOATS> static __device__ inline void pu__copy_async(float *to, const float *from, bool live) {
    static_assert(FLOATS == 2 || FLOATS == 4, "copies of 8 and 16 bytes");
    const uint32_t shared = (uint32_t)__cvta_generic_to_shared(to), bytes = live ? 4 * FLOATS : 0;
    if (FLOATS == 4)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared), "l"(from), "r"(bytes)
                     : "memory");
}
static __device__ inline void pu__copy_wait(void) { asm volatile("cp.async.wait_all;" ::: "memory"); }

#endif
#endif
