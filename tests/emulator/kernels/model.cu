#include "kernels/common/mma.cuh"
#include "kernels/model.h"

static int ceil_div(int a, int b) { return (a + b - 1) / b; }

static __global__ void indices(int *out) {
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned linear = block * blockDim.x * blockDim.y * blockDim.z + thread;
    out[linear] = static_cast<int>(linear);
}

static __global__ void __launch_bounds__(128) sum(const float *x, int n, float *partial) {
    __shared__ float part[128];
    float mine = 0.0f;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += x[i];
    part[threadIdx.x] = mine;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = part[0];
}

enum { TILE = 32, TILE_ROWS = 8 };
static __global__ void transpose(const float *x, int rows, int columns, float *y) {
    PU_DYNAMIC_SHARED(float, tile);
    const int column = blockIdx.x * TILE + threadIdx.x, row0 = blockIdx.y * TILE;
    for (int r = threadIdx.y; r < TILE; r += TILE_ROWS)
        if (column < columns && row0 + r < rows)
            tile[r * (TILE + 1) + threadIdx.x] = x[(row0 + r) * columns + column];
    __syncthreads();
    const int row = row0 + threadIdx.x;
    for (int c = threadIdx.y; c < TILE; c += TILE_ROWS)
        if (row < rows && static_cast<int>(blockIdx.x) * TILE + c < columns)
            y[(blockIdx.x * TILE + c) * rows + row] = tile[threadIdx.x * (TILE + 1) + c];
}

static __global__ void scan(const int *x, int n, int *y) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    int value = i < n ? x[i] : 0;
    for (int step = 1; step < 32; step *= 2) {
        const int below = __shfl_up_sync(0xffffffffu, value, step);
        if (lane >= step) value += below;
    }
    if (i < n) y[i] = value;
}

static __global__ void votes(const int *x, int n, unsigned *y) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int positive = i < n && x[i] > 0;
    const unsigned ballot = __ballot_sync(0xffffffffu, positive);
    const int all = __all_sync(0xffffffffu, positive), any = __any_sync(0xffffffffu, positive);
    if (threadIdx.x % 32 == 0) {
        y[3 * (i / 32)] = ballot;
        y[3 * (i / 32) + 1] = all;
        y[3 * (i / 32) + 2] = any;
    }
}

static __global__ void histogram(const int *x, int n, int *bins, int bin_count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&bins[x[i] % bin_count], 1);
}

static __global__ void scale4(float *x, int n, float scale) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n / 4) {
        float4 v = reinterpret_cast<float4 *>(x)[i];
        v = make_float4(v.x * scale, v.y * scale, v.z * scale, v.w * scale);
        reinterpret_cast<float4 *>(x)[i] = v;
    }
    if (i < n % 4) x[n - 1 - i] *= scale;
}

static __global__ void warp_exchange(const int *x, int n, int *y) {
    __shared__ int held[64];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    held[threadIdx.x] = i < n ? x[i] : 0;
    __syncwarp();
    if (i < n) y[i] = held[threadIdx.x ^ 1];
}

template <int THREADS> static __global__ void previous(const float *x, int n, float *y) {
    __shared__ float held[THREADS + 1];
    const int i = blockIdx.x * THREADS + threadIdx.x;
    held[threadIdx.x + 1] = i < n ? x[i] : 0.0f;
    if (threadIdx.x == 0) held[0] = i > 0 ? __ldg(&x[i - 1]) : 0.0f;
    __syncthreads();
    if (i < n) y[i] = held[threadIdx.x];
}

static __global__ void add(float *x, int n, float a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += a;
}

static __global__ void product(const float *a, const float *b, float *d, int bf16) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    float sum[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    uint32_t left[4], right[2];
    for (int i = 0; i < 4; ++i) {
        const float *row = a + (g + i % 2 * 8) * (bf16 ? 16 : 8);
        left[i] = bf16 ? pu__bf16_pair_of(row[2 * t + i / 2 * 8], row[2 * t + i / 2 * 8 + 1])
                       : pu__tf32_of(row[t + i / 2 * 4]);
    }
    for (int i = 0; i < 2; ++i)
        right[i] = bf16 ? pu__bf16_pair_of(b[(2 * t + 8 * i) * 8 + g], b[(2 * t + 8 * i + 1) * 8 + g])
                        : pu__tf32_of(b[(t + 4 * i) * 8 + g]);
    if (bf16) pu__mma_bf16(sum, left, right);
    else pu__mma_tf32(sum, left, right);
    for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

static __global__ void matrices(const unsigned *x, unsigned *out) {
    PU_DYNAMIC_SHARED(uint32_t, tile);
    const int lane = threadIdx.x;
    for (int i = 0; i < 4; ++i) tile[4 * lane + i] = x[4 * lane + i];
    __syncwarp();
    pu__load_matrices(out + 8 * lane, tile + 4 * lane);
    pu__load_matrices_transposed(out + 8 * lane + 4, tile + 4 * lane);
}

static __global__ void copies(const float *x, int n, float *y, int pairs) {
    PU_DYNAMIC_SHARED(float, held);
    const int first = 4 * threadIdx.x;
    for (int i = first; i < first + 4; i += pairs ? 2 : 4) {
        if (pairs) pu__copy_async<2>(held + i, i < n ? x + i : x, i < n);
        else pu__copy_async<4>(held + i, i < n ? x + i : x, i < n);
    }
    pu__copy_wait();
    __syncthreads();
    for (int i = first; i < first + 4; ++i) y[i] = held[i ^ 4];
}

void model_indices(cudaStream_t stream, int *out, uint3 grid, uint3 block) {
    PU_LAUNCH(indices, grid, block, 0, stream, out);
}
void model_sum(cudaStream_t stream, const float *x, int n, float *partial, int blocks) {
    PU_LAUNCH(sum, blocks, 128, 0, stream, x, n, partial);
}
void model_transpose(cudaStream_t stream, const float *x, int rows, int columns, float *y) {
    const dim3 grid(ceil_div(columns, TILE), ceil_div(rows, TILE)), block(TILE, TILE_ROWS);
    PU_LAUNCH(transpose, grid, block, TILE * (TILE + 1) * sizeof(float), stream, x, rows, columns, y);
}
void model_scan(cudaStream_t stream, const int *x, int n, int *y) {
    PU_LAUNCH(scan, ceil_div(n, 64), 64, 0, stream, x, n, y);
}
void model_votes(cudaStream_t stream, const int *x, int n, unsigned *y) {
    PU_LAUNCH(votes, ceil_div(n, 32), 32, 0, stream, x, n, y);
}
void model_histogram(cudaStream_t stream, const int *x, int n, int *bins, int bin_count) {
    PU_LAUNCH(histogram, ceil_div(n, 96), 96, 0, stream, x, n, bins, bin_count);
}
void model_scale4(cudaStream_t stream, float *x, int n, float scale) {
    PU_LAUNCH(scale4, ceil_div(n, 256), 64, 0, stream, x, n, scale);
}
void model_warp_exchange(cudaStream_t stream, const int *x, int n, int *y) {
    PU_LAUNCH(warp_exchange, ceil_div(n, 64), 64, 0, stream, x, n, y);
}
void model_previous(cudaStream_t stream, const float *x, int n, float *y) {
    PU_LAUNCH(previous<96>, ceil_div(n, 96), 96, 0, stream, x, n, y);
}
void model_add(cudaStream_t stream, float *x, int n, float a) {
    PU_LAUNCH(add, ceil_div(n, 128), 128, 0, stream, x, n, a);
}
void model_product(cudaStream_t stream, const float *a, const float *b, float *d, int bf16) {
    PU_LAUNCH(product, 1, 32, 0, stream, a, b, d, bf16);
}
void model_matrices(cudaStream_t stream, const unsigned *x, unsigned *out) {
    PU_LAUNCH(matrices, 1, 32, 512, stream, x, out);
}
void model_copies(cudaStream_t stream, const float *x, int n, float *y, int pairs) {
    PU_LAUNCH(copies, 1, 128, 512 * sizeof(float), stream, x, n, y, pairs);
}
