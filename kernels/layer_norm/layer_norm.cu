/* Layer normalisation over the last dimension and its gradient.
 *
 * Floors: forward reads x and writes y, 8 N C bytes; backward reads dy and x and writes dx, 12 N C bytes; about
 * 10 operations an element, far below what the bytes cost. The forward's variance is a second pass over the row
 * (from the cache): the one-pass difference of squares loses all digits where a feature's mean is large.
 *
 * Backward: a warp takes a row, and adds the row's part of dgain and dbias to its own accumulators in shared
 * memory (plain adds, each lane its own columns); a block sums its warps in order into one row of the
 * workspace, and a column sum over those rows ends it. So dy and x are read from memory once. Rows too long for
 * that shared memory take a block each and a separate pass for the sums.
 *
 * The residual forms run the same kernels: the first pass also makes the sum, the last pass of the backward also adds
 * what comes from the sum's other readers and masks the branch. Their additions are written so that nvcc does not fuse
 * them with the product before: a dropped-out branch is rounded before it is added, as in the chain of single ops. */
#include "kernels/layer_norm/layer_norm.h"

#include "kernels/common/column_sum.cuh"
#include "kernels/common/dropout.cuh"

enum {
    FUSED_FLOATS_MAX = 12288, /* 48 KB of accumulators, the most a launch gets without asking */
    FUSED_COLUMNS_MAX = FUSED_FLOATS_MAX / 2,
    FUSED_ROWS_PER_WARP = 4,
    PARTIALS_MAX = 512,
    SPLIT_CHUNK_ROWS = 64
};

typedef struct norm_args {
    const float *x, *branch, *gain, *bias; /* branch null: x alone is normalised */
    float *y, *sum, *mean, *rstd;
    int64_t rows, columns;
    float epsilon;
    bool vector;
    pu__dropout dropout;
} norm_args;

template <int THREADS>
static __global__ void __launch_bounds__(PU_BLOCK) layer_norm_kernel(const __grid_constant__ norm_args args) {
    __shared__ float scratch[PU_BLOCK_WARPS];
    const int64_t row = pu__row_index<THREADS>(), columns = args.columns;
    if (row >= args.rows) return;
    const int64_t first = 4 * (threadIdx.x % THREADS);
    const bool vector = args.vector;
    const float *x_row = args.x + row * columns;
    float v[4], sum = 0.0f, squares = 0.0f;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        if (args.branch) {
            float w[4];
            pu__load4(w, args.branch + row * columns, c, columns, vector);
            if (args.dropout.clock) pu__dropout4(&args.dropout, w, row * columns + c);
            for (int j = 0; j < 4; ++j) v[j] = __fadd_rn(v[j], w[j]);
            pu__store4(args.sum + row * columns, v, c, columns, vector);
        }
        for (int j = 0; j < 4; ++j) sum += c + j < columns ? v[j] : 0.0f;
    }
    if (args.branch) x_row = args.sum + row * columns; /* each thread reads what it wrote */
    const float mean = pu__row_sum<THREADS>(sum, scratch) / (float)columns;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        for (int j = 0; j < 4; ++j) squares += c + j < columns ? (v[j] - mean) * (v[j] - mean) : 0.0f;
    }
    const float variance = pu__row_sum<THREADS>(squares, scratch) / (float)columns;
    const float rstd = 1.0f / sqrtf(variance + args.epsilon);
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        float g[4], b[4];
        pu__load4(v, x_row, c, columns, vector);
        pu__load4(g, args.gain, c, columns, vector);
        pu__load4(b, args.bias, c, columns, vector);
        for (int j = 0; j < 4; ++j) v[j] = (v[j] - mean) * rstd * g[j] + b[j];
        pu__store4(args.y + row * columns, v, c, columns, vector);
    }
    if (threadIdx.x % THREADS == 0) {
        args.mean[row] = mean;
        args.rstd[row] = rstd;
    }
}

static bool fits_vectors(const norm_args *a) {
    return a->columns % 4 == 0 && pu__aligned16(a->x) && pu__aligned16(a->gain) && pu__aligned16(a->bias) &&
           pu__aligned16(a->y) && pu__aligned16(a->branch) && pu__aligned16(a->sum);
}

static pu_status launch_norm(const pu__call *call, norm_args *args, const char *name) {
    args->rows = pu__rows(&call->in[0].shape);
    args->columns = pu__last(&call->in[0].shape);
    if (args->rows * args->columns == 0) return PU_OK;
    args->vector = fits_vectors(args);
    if (args->columns <= PU_WARP_ROW_COLUMNS_MAX) {
        const dim3 grid((unsigned)pu__ceil_div(args->rows, PU_BLOCK_WARPS));
        PU_LAUNCH(layer_norm_kernel<PU_WARP>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, *args);
    } else {
        PU_LAUNCH(layer_norm_kernel<PU_BLOCK>, dim3((unsigned)args->rows), dim3(PU_BLOCK), 0, call->cuda->stream,
                  *args);
    }
    return pu__launched(name);
}

extern "C" pu_status pu__layer_norm_cuda(const pu__call *call) {
    norm_args args = {};
    args.x = (const float *)call->in[0].data;
    args.gain = (const float *)call->in[1].data;
    args.bias = (const float *)call->in[2].data;
    args.y = (float *)call->out[0].data;
    args.mean = (float *)call->out[1].data;
    args.rstd = (float *)call->out[2].data;
    args.epsilon = call->attributes->layer_norm.epsilon;
    return launch_norm(call, &args, "layer_norm");
}

static pu__dropout dropout_of(const pu__call *call, int clock) {
    const auto &a = call->attributes->add_layer_norm;
    return pu__dropout_of(call->in_count > clock ? (const uint64_t *)call->in[clock].data : nullptr, a.rate,
                          a.tag);
}

extern "C" pu_status pu__add_layer_norm_cuda(const pu__call *call) {
    norm_args args = {};
    args.x = (const float *)call->in[0].data;
    args.branch = (const float *)call->in[1].data;
    args.gain = (const float *)call->in[2].data;
    args.bias = (const float *)call->in[3].data;
    args.y = (float *)call->out[0].data;
    args.sum = (float *)call->out[1].data;
    args.mean = (float *)call->out[2].data;
    args.rstd = (float *)call->out[3].data;
    args.epsilon = call->attributes->add_layer_norm.epsilon;
    args.dropout = dropout_of(call, 4);
    return launch_norm(call, &args, "add_layer_norm");
}

typedef struct grad_args {
    const float *dy, *x, *gain, *mean, *rstd;
    const float *dsum; /* null: x has no other reader */
    float *dx, *dbranch;
    int64_t rows, columns;
    bool vector;
    pu__dropout dropout;
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
        if (args->dsum) {
            pu__load4(v, args->dsum + row * columns, c, columns, args->vector);
            for (int j = 0; j < 4; ++j) d[j] = __fadd_rn(v[j], d[j]);
        }
        pu__store4(args->dx + row * columns, d, c, columns, args->vector);
        if (args->dropout.clock) {
            pu__dropout4(&args->dropout, d, row * columns + c);
            pu__store4(args->dbranch + row * columns, d, c, columns, args->vector);
        }
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

static size_t grad_workspace(const pu_shape *x) {
    return (size_t)(partial_rows(pu__rows(x), pu__last(x)) * 2 * pu__last(x)) * sizeof(float);
}

extern "C" size_t pu__layer_norm_grad_workspace_cuda(const pu__call *call) {
    return grad_workspace(&call->in[1].shape);
}

extern "C" size_t pu__add_layer_norm_grad_workspace_cuda(const pu__call *call) {
    return grad_workspace(&call->in[2].shape);
}

static pu_status launch_grad(const pu__call *call, grad_args *args) {
    args->rows = pu__rows(&call->in[0].shape);
    args->columns = pu__last(&call->in[0].shape);
    args->dx = (float *)call->out[0].data;
    args->vector = args->columns % 4 == 0 && pu__aligned16(args->dy) && pu__aligned16(args->x) &&
                   pu__aligned16(args->gain) && pu__aligned16(args->dx) && pu__aligned16(args->dsum) &&
                   pu__aligned16(args->dbranch);
    float *partial = (float *)call->workspace;
    const cudaStream_t stream = call->cuda->stream;
    const int64_t partials = partial_rows(args->rows, args->columns);
    if (partials > 0 && args->columns <= FUSED_COLUMNS_MAX) {
        const int64_t warps = fused_warps(args->columns);
        const size_t shared_bytes = (size_t)(warps * 2 * args->columns) * sizeof(float);
        PU_LAUNCH(layer_norm_grad_kernel, dim3((unsigned)partials), dim3((unsigned)(warps * PU_WARP)),
                  shared_bytes, stream, *args, partial);
        PU_TRY(pu__launched("layer_norm_grad"));
    } else if (partials > 0) {
        PU_LAUNCH(layer_norm_grad_long_kernel, dim3((unsigned)args->rows), dim3(PU_BLOCK), 0, stream, *args);
        PU_TRY(pu__launched("layer_norm_grad of long rows"));
        const dim3 grid((unsigned)pu__ceil_div(args->columns, PU_BLOCK), (unsigned)partials, 1);
        PU_LAUNCH(layer_norm_grad_sums_kernel, grid, dim3(PU_BLOCK), 0, stream, *args,
                  split_chunk_rows(args->rows), partial);
        PU_TRY(pu__launched("layer_norm_grad sums"));
    }
    return pu__column_sum_final(partial, partials, 2 * args->columns, (float *)call->out[1].data,
                                (float *)call->out[2].data, args->columns, stream);
}

extern "C" pu_status pu__layer_norm_grad_cuda(const pu__call *call) {
    grad_args args = {};
    args.dy = (const float *)call->in[0].data;
    args.x = (const float *)call->in[1].data;
    args.gain = (const float *)call->in[2].data;
    args.mean = (const float *)call->in[3].data;
    args.rstd = (const float *)call->in[4].data;
    return launch_grad(call, &args);
}

extern "C" pu_status pu__add_layer_norm_grad_cuda(const pu__call *call) {
    grad_args args = {};
    args.dy = (const float *)call->in[0].data;
    args.dsum = (const float *)call->in[1].data;
    args.x = (const float *)call->in[2].data;
    args.gain = (const float *)call->in[3].data;
    args.mean = (const float *)call->in[4].data;
    args.rstd = (const float *)call->in[5].data;
    args.dbranch = call->out_count > 3 ? (float *)call->out[3].data : nullptr;
    args.dropout = dropout_of(call, 6);
    return launch_grad(call, &args);
}
