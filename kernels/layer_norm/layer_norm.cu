/* Layer normalisation over the last dimension and its gradient.
 *
 * Floors: forward reads x and writes y, 8 N C bytes; backward reads dy and x and writes dx, 12 N C bytes; about
 * 10 operations an element, far below what the bytes cost. The forward's variance is a second pass over the row
 * (from the cache): the one-pass difference of squares loses all digits where a feature's mean is large.
 *
 * Backward: a warp takes a row, and adds the row's part of dgain and dbias to its own accumulators in shared
 * memory (plain adds, each lane its own columns); a block sums its warps in order into one row of the
 * workspace, and a column sum over those rows ends it. So dy and x are read from memory once. Rows too long for
 * that shared memory take a block each and a separate pass for the sums. */
#include "kernels/layer_norm/layer_norm.h"

#include "kernels/common/column_sum.cuh"

enum {
    FUSED_FLOATS_MAX = 12288, /* 48 KB of accumulators, the most a launch gets without asking */
    FUSED_COLUMNS_MAX = FUSED_FLOATS_MAX / 2,
    FUSED_ROWS_PER_WARP = 4,
    PARTIALS_MAX = 512,
    SPLIT_CHUNK_ROWS = 64
};

template <int THREADS>
static __global__ void __launch_bounds__(PU_BLOCK)
    layer_norm_kernel(const float *x, const float *gain, const float *bias, float *y, float *mean_out,
                      float *rstd_out, int64_t rows, int64_t columns, float epsilon, bool vector) {
    __shared__ float scratch[PU_BLOCK_WARPS];
    const int64_t row = pu__row_index<THREADS>();
    if (row >= rows) return;
    const int64_t first = 4 * (threadIdx.x % THREADS);
    const float *x_row = x + row * columns;
    float v[4], sum = 0.0f, squares = 0.0f;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        sum += (v[0] + v[1]) + (v[2] + v[3]);
    }
    const float mean = pu__row_sum<THREADS>(sum, scratch) / (float)columns;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        for (int j = 0; j < 4; ++j) squares += c + j < columns ? (v[j] - mean) * (v[j] - mean) : 0.0f;
    }
    const float variance = pu__row_sum<THREADS>(squares, scratch) / (float)columns;
    const float rstd = 1.0f / sqrtf(variance + epsilon);
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        float g[4], b[4];
        pu__load4(v, x_row, c, columns, vector);
        pu__load4(g, gain, c, columns, vector);
        pu__load4(b, bias, c, columns, vector);
        for (int j = 0; j < 4; ++j) v[j] = (v[j] - mean) * rstd * g[j] + b[j];
        pu__store4(y + row * columns, v, c, columns, vector);
    }
    if (threadIdx.x % THREADS == 0) {
        mean_out[row] = mean;
        rstd_out[row] = rstd;
    }
}

extern "C" pu_status pu__layer_norm_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data, *gain = (const float *)call->in[1].data;
    const float *bias = (const float *)call->in[2].data;
    float *y = (float *)call->out[0].data, *mean = (float *)call->out[1].data, *rstd = (float *)call->out[2].data;
    const int64_t columns = pu__last(&call->in[0].shape), rows = pu__rows(&call->in[0].shape);
    const float epsilon = call->attributes->layer_norm.epsilon;
    if (rows * columns == 0) return PU_OK;
    const bool vector =
        columns % 4 == 0 && pu__aligned16(x) && pu__aligned16(gain) && pu__aligned16(bias) && pu__aligned16(y);
    if (columns <= PU_WARP_ROW_COLUMNS_MAX) {
        const dim3 grid((unsigned)pu__ceil_div(rows, PU_BLOCK_WARPS));
        PU_LAUNCH(layer_norm_kernel<PU_WARP>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, x, gain, bias, y, mean,
                  rstd, rows, columns, epsilon, vector);
    } else {
        PU_LAUNCH(layer_norm_kernel<PU_BLOCK>, dim3((unsigned)rows), dim3(PU_BLOCK), 0, call->cuda->stream, x,
                  gain, bias, y, mean, rstd, rows, columns, epsilon, vector);
    }
    return pu__launched("layer_norm");
}

typedef struct grad_args {
    const float *dy, *x, *gain, *mean, *rstd;
    float *dx;
    int64_t rows, columns;
    bool vector;
} grad_args;

/* One row of dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gain. With sums: sums[c] += dy xhat,
 * sums[columns + c] += dy. */
template <int THREADS>
static __device__ void grad_row(const grad_args *args, int64_t row, float *scratch, float *sums) {
    const int64_t columns = args->columns, first = 4 * (threadIdx.x % THREADS);
    const float *dy = args->dy + row * columns, *x = args->x + row * columns;
    const float mean = args->mean[row], rstd = args->rstd[row];
    float d[4], v[4], g[4], sum_g = 0.0f, sum_gx = 0.0f;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(d, dy, c, columns, args->vector);
        pu__load4(v, x, c, columns, args->vector);
        pu__load4(g, args->gain, c, columns, args->vector);
        for (int j = 0; j < 4; ++j) {
            if (c + j >= columns) break;
            const float xhat = (v[j] - mean) * rstd;
            sum_g += d[j] * g[j];
            sum_gx += d[j] * g[j] * xhat;
            if (sums) {
                sums[c + j] += d[j] * xhat;
                sums[columns + c + j] += d[j];
            }
        }
    }
    const float mean_g = pu__row_sum<THREADS>(sum_g, scratch) / (float)columns;
    const float mean_gx = pu__row_sum<THREADS>(sum_gx, scratch) / (float)columns;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(d, dy, c, columns, args->vector);
        pu__load4(v, x, c, columns, args->vector);
        pu__load4(g, args->gain, c, columns, args->vector);
        for (int j = 0; j < 4; ++j) d[j] = rstd * (d[j] * g[j] - mean_g - (v[j] - mean) * rstd * mean_gx);
        pu__store4(args->dx + row * columns, d, c, columns, args->vector);
    }
}

/* Rows w, w + all warps, ... for each warp w; then the block's sums into partial[blockIdx.x][2 columns]. */
static __global__ void __launch_bounds__(PU_BLOCK)
    layer_norm_grad_kernel(const __grid_constant__ grad_args args, float *partial) {
    PU_DYNAMIC_SHARED(float, sums);
    const int64_t width = 2 * args.columns;
    const int warps = (int)blockDim.x / PU_WARP, warp = (int)threadIdx.x / PU_WARP;
    for (int64_t i = threadIdx.x; i < width * warps; i += blockDim.x) sums[i] = 0.0f;
    __syncthreads();
    for (int64_t row = (int64_t)blockIdx.x * warps + warp; row < args.rows; row += (int64_t)gridDim.x * warps) {
        grad_row<PU_WARP>(&args, row, nullptr, sums + width * warp);
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) {
        float sum = sums[i];
        for (int w = 1; w < warps; ++w) sum += sums[width * w + i];
        partial[blockIdx.x * width + i] = sum;
    }
}

static __global__ void __launch_bounds__(PU_BLOCK)
    layer_norm_grad_long_kernel(const __grid_constant__ grad_args args) {
    __shared__ float scratch[PU_BLOCK_WARPS];
    grad_row<PU_BLOCK>(&args, (int64_t)blockIdx.x, scratch, nullptr);
}

/* partial[chunk][2 columns] for one chunk of rows, one column in each thread. */
static __global__ void __launch_bounds__(PU_BLOCK)
    layer_norm_grad_sums_kernel(grad_args args, int64_t chunk_rows, float *partial) {
    const int64_t c = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x, columns = args.columns;
    const int64_t first = (int64_t)blockIdx.y * chunk_rows;
    const int64_t end = first + chunk_rows < args.rows ? first + chunk_rows : args.rows;
    if (c >= columns) return;
    float dgain = 0.0f, dbias = 0.0f;
    for (int64_t row = first; row < end; ++row) {
        const float d = args.dy[row * columns + c];
        dgain += d * (args.x[row * columns + c] - args.mean[row]) * args.rstd[row];
        dbias += d;
    }
    partial[(int64_t)blockIdx.y * 2 * columns + c] = dgain;
    partial[((int64_t)blockIdx.y * 2 + 1) * columns + c] = dbias;
}

static int64_t fused_warps(int64_t columns) {
    return pu__lesser(FUSED_FLOATS_MAX / (2 * columns), PU_BLOCK_WARPS);
}

static int64_t split_chunk_rows(int64_t rows) {
    return pu__greater(pu__ceil_div(rows, PARTIALS_MAX), SPLIT_CHUNK_ROWS);
}

/* Rows of the workspace: blocks of the fused kernel, or chunks of the separate pass. From the shape alone. */
static int64_t partial_rows(int64_t rows, int64_t columns) {
    if (rows * columns == 0) return 0;
    if (columns > FUSED_COLUMNS_MAX) return pu__ceil_div(rows, split_chunk_rows(rows));
    return pu__lesser(pu__ceil_div(rows, FUSED_ROWS_PER_WARP * fused_warps(columns)), PARTIALS_MAX);
}

extern "C" size_t pu__layer_norm_grad_workspace_cuda(const pu__call *call) {
    const int64_t columns = pu__last(&call->in[1].shape), rows = pu__rows(&call->in[1].shape);
    return (size_t)(partial_rows(rows, columns) * 2 * columns) * sizeof(float);
}

extern "C" pu_status pu__layer_norm_grad_cuda(const pu__call *call) {
    grad_args args = {
        (const float *)call->in[0].data, (const float *)call->in[1].data, (const float *)call->in[2].data,
        (const float *)call->in[3].data, (const float *)call->in[4].data, (float *)call->out[0].data,
        pu__rows(&call->in[1].shape),    pu__last(&call->in[1].shape),    false};
    args.vector = args.columns % 4 == 0 && pu__aligned16(args.dy) && pu__aligned16(args.x) &&
                  pu__aligned16(args.gain) && pu__aligned16(args.dx);
    float *partial = (float *)call->workspace;
    const cudaStream_t stream = call->cuda->stream;
    const int64_t partials = partial_rows(args.rows, args.columns);
    if (partials > 0 && args.columns <= FUSED_COLUMNS_MAX) {
        const int64_t warps = fused_warps(args.columns);
        const size_t shared_bytes = (size_t)(warps * 2 * args.columns) * sizeof(float);
        PU_LAUNCH(layer_norm_grad_kernel, dim3((unsigned)partials), dim3((unsigned)(warps * PU_WARP)),
                  shared_bytes, stream, args, partial);
        PU_TRY(pu__launched("layer_norm_grad"));
    } else if (partials > 0) {
        PU_LAUNCH(layer_norm_grad_long_kernel, dim3((unsigned)args.rows), dim3(PU_BLOCK), 0, stream, args);
        PU_TRY(pu__launched("layer_norm_grad of long rows"));
        const dim3 grid((unsigned)pu__ceil_div(args.columns, PU_BLOCK), (unsigned)partials, 1);
        PU_LAUNCH(layer_norm_grad_sums_kernel, grid, dim3(PU_BLOCK), 0, stream, args, split_chunk_rows(args.rows),
                  partial);
        PU_TRY(pu__launched("layer_norm_grad sums"));
    }
    return pu__column_sum_final(partial, partials, 2 * args.columns, (float *)call->out[1].data,
                                (float *)call->out[2].data, args.columns, stream);
}
