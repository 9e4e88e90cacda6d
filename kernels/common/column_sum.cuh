/* Column sums of a row-major matrix in two stages and a fixed order: blocks sum chunks of rows, then one pass
 * sums the chunks. The chunks follow from the shape alone, so the bits do not depend on the GPU's size. Bytes:
 * the matrix once, plus under 1/32 of it for the partial sums. */
#ifndef PU_KERNELS_COMMON_COLUMN_SUM_CUH
#define PU_KERNELS_COMMON_COLUMN_SUM_CUH

#include "kernels/common/device.cuh"

enum { PU_COLUMN_CHUNKS_MAX = 1024, PU_COLUMN_ROWS_PER_THREAD = 32 };

/* Threads of a block that stand side by side on columns: a power of two, so that narrow matrices still fill the
 * block. */
static inline int pu__column_lanes(int64_t columns) {
    int lanes = 1;
    while (lanes < PU_WARP && lanes < columns) lanes *= 2;
    return lanes;
}

static inline int64_t pu__column_chunk_rows(int64_t rows, int64_t columns) {
    const int64_t least = (int64_t)PU_COLUMN_ROWS_PER_THREAD * (PU_BLOCK / pu__column_lanes(columns));
    return pu__greater(pu__ceil_div(rows, PU_COLUMN_CHUNKS_MAX), least);
}

static inline int64_t pu__column_chunks(int64_t rows, int64_t columns) {
    return pu__ceil_div(rows, pu__column_chunk_rows(rows, columns));
}

/* One block: `lanes` columns (blockIdx.x) of one chunk of rows (blockIdx.y). Column c of the result goes to
 * y[c] below `split` and to y_rest[c - split] from there on; chunk k's results start at k * columns. */
static __global__ void __launch_bounds__(PU_BLOCK)
    pu__column_sum_kernel(const float *x, int64_t rows, int64_t columns, int lanes, int64_t chunk_rows, float *y,
                          float *y_rest, int64_t split) {
    __shared__ float partial[PU_BLOCK];
    const int thread = (int)threadIdx.x, height = PU_BLOCK / lanes;
    const int lane = thread % lanes, level = thread / lanes;
    const int64_t column = (int64_t)blockIdx.x * lanes + lane;
    const int64_t first = (int64_t)blockIdx.y * chunk_rows + level;
    const int64_t chunk_end = ((int64_t)blockIdx.y + 1) * chunk_rows;
    const int64_t end = chunk_end < rows ? chunk_end : rows;
    float sum = 0.0f;
    if (column < columns) {
        PU_UNROLL_BY(4)
        for (int64_t row = first; row < end; row += height) sum += x[row * columns + column];
    }
    partial[thread] = sum;
    __syncthreads();
    for (int half = height / 2; half > 0; half /= 2) {
        if (level < half) partial[thread] += partial[thread + half * lanes];
        __syncthreads();
    }
    if (level == 0 && column < columns) {
        if (column < split) y[(int64_t)blockIdx.y * columns + column] = partial[lane];
        else y_rest[column - split] = partial[lane];
    }
}

/* partial[k * columns + c] = the sum of column c over chunk k. */
static inline pu_status pu__column_sum_chunks(const float *x, int64_t rows, int64_t columns, float *partial,
                                              cudaStream_t stream) {
    const int lanes = pu__column_lanes(columns);
    const dim3 grid((unsigned)pu__ceil_div(columns, lanes), (unsigned)pu__column_chunks(rows, columns), 1);
    PU_LAUNCH(pu__column_sum_kernel, grid, dim3(PU_BLOCK), 0, stream, x, rows, columns, lanes,
              pu__column_chunk_rows(rows, columns), partial, (float *)nullptr, columns);
    return pu__launched("column sum of chunks");
}

/* y[c] (and y_rest from column `split` on) = the sum over all rows, by one block per group of columns. */
static inline pu_status pu__column_sum_final(const float *x, int64_t rows, int64_t columns, float *y,
                                             float *y_rest, int64_t split, cudaStream_t stream) {
    if (columns == 0) return PU_OK;
    const int lanes = pu__column_lanes(columns);
    const int64_t chunk_rows = rows > 0 ? rows : 1;
    const dim3 grid((unsigned)pu__ceil_div(columns, lanes), 1, 1);
    PU_LAUNCH(pu__column_sum_kernel, grid, dim3(PU_BLOCK), 0, stream, x, rows, columns, lanes, chunk_rows, y,
              y_rest, split);
    return pu__launched("column sum");
}

#endif
