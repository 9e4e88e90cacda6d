/* Device helpers that the CUDA kernels share: grid sizes, groups of four floats, sums in a fixed order.
 *
 * A group of four is moved by one 16-byte access where `vector` says that the base and every row start are
 * 16-byte aligned, and by guarded single accesses otherwise and in the tail, so one kernel serves every shape.
 * Sums go through a butterfly inside a warp (addition commutes, so all lanes end with the same bits) and then
 * over the warps in order: the same bits on every run. */
#ifndef PU_KERNELS_COMMON_DEVICE_CUH
#define PU_KERNELS_COMMON_DEVICE_CUH

#include "kernels/common/cuda.cuh"

enum { PU_WARP = 32, PU_BLOCK = 256, PU_BLOCK_WARPS = PU_BLOCK / PU_WARP };
#define PU_ALL_LANES 0xffffffffu

/* A promise to nvcc that a kernel only reads a parameter, which so stays in constant memory. */
#ifndef __grid_constant__
#define __grid_constant__
#endif

static __host__ __device__ inline int64_t pu__ceil_div(int64_t n, int64_t d) { return (n + d - 1) / d; }

#ifdef __CUDACC__
#define PU_PRAGMA(text) _Pragma(#text)
#define PU_UNROLL PU_PRAGMA(unroll)
#define PU_UNROLL_BY(times) PU_PRAGMA(unroll times)
#else
#define PU_UNROLL
#define PU_UNROLL_BY(times)
#endif

static inline int64_t pu__lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t pu__greater(int64_t a, int64_t b) { return a > b ? a : b; }

static inline bool pu__aligned16(const void *pointer) { return ((uintptr_t)pointer & 15) == 0; }

/* Blocks of PU_BLOCK threads when each thread takes four elements. */
static inline unsigned pu__grid4(int64_t n) { return (unsigned)pu__ceil_div(n, 4 * PU_BLOCK); }

/* The first of this thread's four elements under pu__grid4. */
static __device__ inline int64_t pu__first4(void) { return 4 * ((int64_t)blockIdx.x * PU_BLOCK + threadIdx.x); }

/* v = p[i .. i+3]; elements at n and beyond read as 0. */
static __device__ inline void pu__load4(float v[4], const float *p, int64_t i, int64_t n, bool vector) {
    if (vector && i + 4 <= n) {
        const float4 q = *(const float4 *)(p + i);
        v[0] = q.x;
        v[1] = q.y;
        v[2] = q.z;
        v[3] = q.w;
    } else {
        for (int j = 0; j < 4; ++j) v[j] = i + j < n ? p[i + j] : 0.0f;
    }
}

static __device__ inline void pu__store4(float *p, const float v[4], int64_t i, int64_t n, bool vector) {
    if (vector && i + 4 <= n) {
        *(float4 *)(p + i) = make_float4(v[0], v[1], v[2], v[3]);
    } else {
        for (int j = 0; j < 4 && i + j < n; ++j) p[i + j] = v[j];
    }
}

/* i / n and i mod n; 64-bit division only where it is needed, since it costs several times as much. */
static __device__ inline int64_t pu__quotient(int64_t i, int64_t n) {
    return ((i | n) >> 32) == 0 ? (int64_t)((uint32_t)i / (uint32_t)n) : i / n;
}
static __device__ inline int64_t pu__modulo(int64_t i, int64_t n) { return i - pu__quotient(i, n) * n; }

template <typename T> static __device__ inline T pu__warp_sum(T v) {
    for (int step = PU_WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(PU_ALL_LANES, v, step);
    return v;
}

static __device__ inline float pu__warp_max(float v) {
    for (int step = PU_WARP / 2; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(PU_ALL_LANES, v, step));
    return v;
}

/* The sum over a block of PU_BLOCK threads, in every thread. scratch: PU_BLOCK_WARPS values of shared memory. */
template <typename T> static __device__ inline T pu__block_sum(T v, T *scratch) {
    const int lane = threadIdx.x % PU_WARP, warp = threadIdx.x / PU_WARP;
    v = pu__warp_sum(v);
    if (lane == 0) scratch[warp] = v;
    __syncthreads();
    T sum = scratch[0];
    for (int w = 1; w < PU_BLOCK_WARPS; ++w) sum += scratch[w];
    __syncthreads();
    return sum;
}

static __device__ inline float pu__block_max(float v, float *scratch) {
    const int lane = threadIdx.x % PU_WARP, warp = threadIdx.x / PU_WARP;
    v = pu__warp_max(v);
    if (lane == 0) scratch[warp] = v;
    __syncthreads();
    float high = scratch[0];
    for (int w = 1; w < PU_BLOCK_WARPS; ++w) high = fmaxf(high, scratch[w]);
    __syncthreads();
    return high;
}

/* Rows of a matrix are owned by a warp (THREADS = 32, eight rows in a block) or by a block (THREADS = 256). */
template <int THREADS> static __device__ inline float pu__row_sum(float v, float *scratch) {
    return THREADS == PU_WARP ? pu__warp_sum(v) : pu__block_sum(v, scratch);
}
template <int THREADS> static __device__ inline float pu__row_max(float v, float *scratch) {
    return THREADS == PU_WARP ? pu__warp_max(v) : pu__block_max(v, scratch);
}
template <int THREADS> static __device__ inline int64_t pu__row_index(void) {
    return THREADS == PU_WARP ? (int64_t)blockIdx.x * PU_BLOCK_WARPS + threadIdx.x / PU_WARP : (int64_t)blockIdx.x;
}

/* Columns up to which a warp owns a row: beyond, one row alone keeps a block busy. */
enum { PU_WARP_ROW_COLUMNS_MAX = 1024 };

#endif
