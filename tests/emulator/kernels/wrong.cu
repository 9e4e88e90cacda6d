/* Kernels that are wrong in one way each, so that the test can see the emulator say so. */
#include "kernels/common/mma.cuh"
#include "kernels/model.h"

static __global__ void barrier_branches(float *x, int) {
    if (threadIdx.x % 2) {
        x[threadIdx.x] = 1.0f;
        __syncthreads();
    } else {
        __syncthreads();
    }
}

static __global__ void barrier_early_return(float *x, int n) {
    if (static_cast<int>(threadIdx.x) >= n - 1) return;
    __syncthreads();
    x[threadIdx.x] = 1.0f;
}

static __global__ void mask_without_caller(float *x, int) {
    x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1);
}

static __global__ void mask_exited_lane(float *x, int) {
    if (threadIdx.x == 31) return;
    x[threadIdx.x] = __shfl_down_sync(0xffffffffu, x[threadIdx.x], 1);
}

static __global__ void masks_differ(float *x, int) {
    x[threadIdx.x] = __shfl_sync(threadIdx.x < 16 ? 0xffffffffu : 0xffff0000u, x[threadIdx.x], 0);
}

static __global__ void source_not_in_mask(float *x, int) {
    if (threadIdx.x < 16) x[threadIdx.x] = __shfl_down_sync(0x0000ffffu, x[threadIdx.x], 8);
}

static __global__ void shuffle_and_barrier(float *x, int) {
    if (threadIdx.x == 0) __syncthreads();
    else x[threadIdx.x] = __shfl_sync(0xffffffffu, x[threadIdx.x], 0);
}

static __global__ void width(float *x, int) {
    x[threadIdx.x] = __shfl_down_sync(0xffffffffu, x[threadIdx.x], 1, 12);
}

static __global__ void shared_race(float *x, int) {
    __shared__ float held[64];
    held[threadIdx.x] = 0.0f;
    __syncthreads();
    held[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = held[(threadIdx.x + 32) % 64];
}

static __global__ void warp_race(float *x, int) {
    __shared__ float held[32];
    held[threadIdx.x] = 0.0f;
    __syncthreads();
    held[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = held[(threadIdx.x + 1) % 32];
}

/* Reverses an array in place with one thread too many: two swap the same pair. */
static __global__ void tail_race(float *x, int n) {
    const int i = threadIdx.x;
    if (i <= n / 2) {
        const float swap = x[i];
        x[i] = x[n - 1 - i];
        x[n - 1 - i] = swap;
    }
}

static __global__ void block_race(float *x, int) {
    if (threadIdx.x == 0) x[0] = static_cast<float>(blockIdx.x);
}

static __global__ void atomic_and_plain(float *x, int) {
    int *count = reinterpret_cast<int *>(x);
    if (threadIdx.x == 0) count[0] = 0;
    atomicAdd(&count[0], 1);
}

static __global__ void uninitialised(float *x, int) {
    __shared__ float held[64];
    if (threadIdx.x < 63) held[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = held[threadIdx.x];
}

static __global__ void read_past_end(float *x, int n) {
    const int i = threadIdx.x;
    if (i >= n - 1) x[i] = x[i + 1];
}

static __global__ void write_before_start(float *x, int) { x[static_cast<int>(threadIdx.x) - 1] = 0.0f; }

static __global__ void read_of_host(float *x, int, const float *host) { x[threadIdx.x] = host[threadIdx.x]; }

static __global__ void vector_past_end(float *x, int n) {
    if (threadIdx.x * 4 < static_cast<unsigned>(n)) {
        const float4 v = reinterpret_cast<const float4 *>(x)[threadIdx.x];
        x[threadIdx.x * 4] = v.x + v.y + v.z + v.w;
    }
}

static __global__ void vector_misaligned(float *x, int) {
    const float4 v = *reinterpret_cast<const float4 *>(x + 1);
    if (threadIdx.x == 0) x[0] = v.x + v.y + v.z + v.w;
}

static __global__ void shared_index(float *x, int) {
    __shared__ float held[64];
    held[threadIdx.x + 1] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = held[threadIdx.x];
}

static __global__ void dynamic_shared_size(float *x, int) {
    PU_DYNAMIC_SHARED(float, held);
    held[threadIdx.x] = x[threadIdx.x];
}

static __global__ void float_atomic(float *x, int) { atomicAdd(x, 1.0f); }

static __global__ void half_a_warp(float *x, int) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const uint32_t left[4] = {0, 0, 0, 0}, right[2] = {0, 0};
    if (threadIdx.x % 32 < 16) pu__mma_bf16(sum, left, right);
    x[threadIdx.x] = sum[0];
}

static __global__ void matrix_misaligned(float *x, int) {
    PU_DYNAMIC_SHARED(uint32_t, tile);
    uint32_t words[4];
    for (int i = threadIdx.x; i < 33 * 4; i += 32) tile[i] = 0;
    __syncwarp();
    pu__load_matrices(words, tile + 4 * threadIdx.x + 1);
    x[threadIdx.x] = static_cast<float>(words[0]);
}

static __global__ void copy_read_early(float *x, int) {
    PU_DYNAMIC_SHARED(float, held);
    pu__copy_async<2>(held + 2 * (threadIdx.x % 32), x + 2 * (threadIdx.x % 32), true);
    __syncthreads();
    const float other = held[2 * (threadIdx.x % 32) ^ 2];
    pu__copy_wait();
    __syncthreads();
    x[threadIdx.x] = other;
}

static __global__ void copy_forgotten(float *x, int) {
    PU_DYNAMIC_SHARED(float, held);
    pu__copy_async<4>(held + 4 * threadIdx.x, x, true);
}

/* The next copy begins while a neighbour may still read what the last one brought. */
static __global__ void copy_over_reader(float *x, int) {
    PU_DYNAMIC_SHARED(float, held);
    const int i = 2 * threadIdx.x;
    pu__copy_async<2>(held + i, x + i % 64, true);
    pu__copy_wait();
    __syncthreads();
    const float other = held[i ^ 2];
    pu__copy_async<2>(held + i, x + i % 64, true);
    pu__copy_wait();
    __syncthreads();
    x[threadIdx.x] = other;
}

void model_launch_wrong(cudaStream_t stream, model_wrong wrong, float *x, int n) {
    float *host = nullptr;
    switch (wrong) {
    case WRONG_BARRIER_BRANCHES: PU_LAUNCH(barrier_branches, 1, 64, 0, stream, x, n); break;
    case WRONG_BARRIER_EARLY_RETURN: PU_LAUNCH(barrier_early_return, 1, 64, 0, stream, x, n); break;
    case WRONG_MASK_WITHOUT_CALLER: PU_LAUNCH(mask_without_caller, 1, 32, 0, stream, x, n); break;
    case WRONG_MASK_EXITED_LANE: PU_LAUNCH(mask_exited_lane, 1, 32, 0, stream, x, n); break;
    case WRONG_MASK_PARTIAL_WARP: PU_LAUNCH(mask_exited_lane, 1, 16, 0, stream, x, n); break;
    case WRONG_MASKS_DIFFER: PU_LAUNCH(masks_differ, 1, 32, 0, stream, x, n); break;
    case WRONG_SOURCE_NOT_IN_MASK: PU_LAUNCH(source_not_in_mask, 1, 32, 0, stream, x, n); break;
    case WRONG_SHUFFLE_AND_BARRIER: PU_LAUNCH(shuffle_and_barrier, 1, 32, 0, stream, x, n); break;
    case WRONG_WIDTH: PU_LAUNCH(width, 1, 32, 0, stream, x, n); break;
    case WRONG_SHARED_RACE: PU_LAUNCH(shared_race, 1, 64, 0, stream, x, n); break;
    case WRONG_WARP_RACE: PU_LAUNCH(warp_race, 1, 32, 0, stream, x, n); break;
    case WRONG_TAIL_RACE: PU_LAUNCH(tail_race, 1, 64, 0, stream, x, n); break;
    case WRONG_BLOCK_RACE: PU_LAUNCH(block_race, 2, 32, 0, stream, x, n); break;
    case WRONG_ATOMIC_AND_PLAIN: PU_LAUNCH(atomic_and_plain, 1, 32, 0, stream, x, n); break;
    case WRONG_UNINITIALISED: PU_LAUNCH(uninitialised, 1, 64, 0, stream, x, n); break;
    case WRONG_READ_PAST_END: PU_LAUNCH(read_past_end, 1, 64, 0, stream, x, n); break;
    case WRONG_WRITE_BEFORE_START: PU_LAUNCH(write_before_start, 1, 64, 0, stream, x, n); break;
    case WRONG_READ_OF_HOST:
        if (cudaMallocHost(reinterpret_cast<void **>(&host), 64 * sizeof *host) != cudaSuccess) return;
        PU_LAUNCH(read_of_host, 1, 64, 0, stream, x, n, host);
        cudaFreeHost(host);
        break;
    case WRONG_VECTOR_PAST_END: PU_LAUNCH(vector_past_end, 1, 64, 0, stream, x, n); break;
    case WRONG_VECTOR_MISALIGNED: PU_LAUNCH(vector_misaligned, 1, 64, 0, stream, x, n); break;
    case WRONG_SHARED_INDEX: PU_LAUNCH(shared_index, 1, 64, 0, stream, x, n); break;
    case WRONG_DYNAMIC_SHARED_SIZE: PU_LAUNCH(dynamic_shared_size, 1, 64, 63 * sizeof(float), stream, x, n); break;
    case WRONG_FLOAT_ATOMIC: PU_LAUNCH(float_atomic, 1, 64, 0, stream, x, n); break;
    case WRONG_HALF_A_WARP: PU_LAUNCH(half_a_warp, 1, 64, 0, stream, x, n); break;
    case WRONG_MATRIX_MISALIGNED: PU_LAUNCH(matrix_misaligned, 1, 32, 33 * 16, stream, x, n); break;
    case WRONG_COPY_READ_EARLY: PU_LAUNCH(copy_read_early, 1, 32, 64 * sizeof(float), stream, x, n); break;
    case WRONG_COPY_FORGOTTEN: PU_LAUNCH(copy_forgotten, 1, 64, 256 * sizeof(float), stream, x, n); break;
    case WRONG_COPY_OVER_READER: PU_LAUNCH(copy_over_reader, 1, 64, 128 * sizeof(float), stream, x, n); break;
    case WRONG_COUNT: break;
    }
}
