/* Softmax over the last dimension and its gradient. Floors at 4 bytes an element: softmax reads x once and
 * writes y (8 N C bytes, one exponential each), its gradient reads dy and y and writes dx (12 N C bytes). The
 * rereads of a row hit the cache. */
#include "kernels/softmax/softmax.h"

#include "kernels/common/device.cuh"

template <int THREADS>
static __global__ void __launch_bounds__(PU_BLOCK)
    softmax_kernel(const float *x, float *y, int64_t rows, int64_t columns, bool vector) {
    __shared__ float scratch[PU_BLOCK_WARPS];
    const int64_t row = pu__row_index<THREADS>();
    if (row >= rows) return;
    const int64_t first = 4 * (threadIdx.x % THREADS);
    const float *x_row = x + row * columns;
    float *y_row = y + row * columns;
    float v[4], high = -INFINITY, sum = 0.0f;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        for (int j = 0; j < 4; ++j) {
            if (c + j < columns) high = fmaxf(high, v[j]);
        }
    }
    high = pu__row_max<THREADS>(high, scratch);
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        for (int j = 0; j < 4; ++j) sum += c + j < columns ? expf(v[j] - high) : 0.0f;
    }
    sum = pu__row_sum<THREADS>(sum, scratch);
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(v, x_row, c, columns, vector);
        for (int j = 0; j < 4; ++j) v[j] = expf(v[j] - high) / sum;
        pu__store4(y_row, v, c, columns, vector);
    }
}

/* dx = y (dy - sum(dy y)). */
template <int THREADS>
static __global__ void __launch_bounds__(PU_BLOCK)
    softmax_grad_kernel(const float *dy, const float *y, float *dx, int64_t rows, int64_t columns, bool vector) {
    __shared__ float scratch[PU_BLOCK_WARPS];
    const int64_t row = pu__row_index<THREADS>();
    if (row >= rows) return;
    const int64_t first = 4 * (threadIdx.x % THREADS), start = row * columns;
    float d[4], p[4], sum = 0.0f;
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(d, dy + start, c, columns, vector);
        pu__load4(p, y + start, c, columns, vector);
        for (int j = 0; j < 4; ++j) sum += d[j] * p[j];
    }
    sum = pu__row_sum<THREADS>(sum, scratch);
    for (int64_t c = first; c < columns; c += 4 * THREADS) {
        pu__load4(d, dy + start, c, columns, vector);
        pu__load4(p, y + start, c, columns, vector);
        for (int j = 0; j < 4; ++j) d[j] = p[j] * (d[j] - sum);
        pu__store4(dx + start, d, c, columns, vector);
    }
}

extern "C" pu_status pu__softmax_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data;
    float *y = (float *)call->out[0].data;
    const int64_t columns = pu__last(&call->out[0].shape), rows = pu__rows(&call->out[0].shape);
    if (rows * columns == 0) return PU_OK;
    const bool vector = columns % 4 == 0 && pu__aligned16(x) && pu__aligned16(y);
    if (columns <= PU_WARP_ROW_COLUMNS_MAX) {
        const dim3 grid((unsigned)pu__ceil_div(rows, PU_BLOCK_WARPS));
        PU_LAUNCH(softmax_kernel<PU_WARP>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, x, y, rows, columns,
                  vector);
    } else {
        PU_LAUNCH(softmax_kernel<PU_BLOCK>, dim3((unsigned)rows), dim3(PU_BLOCK), 0, call->cuda->stream, x, y,
                  rows, columns, vector);
    }
    return pu__launched("softmax");
}

extern "C" pu_status pu__softmax_grad_cuda(const pu__call *call) {
    const float *dy = (const float *)call->in[0].data, *y = (const float *)call->in[1].data;
    float *dx = (float *)call->out[0].data;
    const int64_t columns = pu__last(&call->out[0].shape), rows = pu__rows(&call->out[0].shape);
    if (rows * columns == 0) return PU_OK;
    const bool vector = columns % 4 == 0 && pu__aligned16(dy) && pu__aligned16(y) && pu__aligned16(dx);
    if (columns <= PU_WARP_ROW_COLUMNS_MAX) {
        const dim3 grid((unsigned)pu__ceil_div(rows, PU_BLOCK_WARPS));
        PU_LAUNCH(softmax_grad_kernel<PU_WARP>, grid, dim3(PU_BLOCK), 0, call->cuda->stream, dy, y, dx, rows,
                  columns, vector);
    } else {
        PU_LAUNCH(softmax_grad_kernel<PU_BLOCK>, dim3((unsigned)rows), dim3(PU_BLOCK), 0, call->cuda->stream, dy,
                  y, dx, rows, columns, vector);
    }
    return pu__launched("softmax_grad");
}
