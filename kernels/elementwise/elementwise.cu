/* Elementwise ops. All are bound by memory: floor = (elements read + elements written) * 4 bytes / copy
 * bandwidth; the most arithmetic, GELU's slope with one tanh, is about 40 operations for 12 bytes, under a
 * third of what a GPU does in that time. Each thread takes four neighbouring elements and reads them before it
 * writes, so in-place calls are safe. */
#include "kernels/elementwise/elementwise.h"

#include "kernels/common/activation.cuh"
#include "kernels/common/column_sum.cuh"
#include "kernels/common/dropout.cuh"

namespace { /* methods of internal linkage: two copies of this text in one program stay apart */

typedef struct act_op {
    pu_act kind;
    __device__ float operator()(float x) const { return pu__act_at(kind, x); }
} act_op;

typedef struct affine_op {
    float scale, shift;
    __device__ float operator()(float x) const { return scale * x + shift; }
} affine_op;

typedef struct act_grad_op {
    pu_act kind;
    __device__ float operator()(float dy, float x) const { return dy * pu__act_slope_at(kind, x); }
} act_grad_op;

typedef struct add_op {
    __device__ float operator()(float a, float b) const { return a + b; }
} add_op;

typedef struct mul_op {
    __device__ float operator()(float a, float b) const { return a * b; }
} mul_op;

} /* namespace */

/* y[i] = op(x[i]). */
template <typename Op>
static __global__ void __launch_bounds__(PU_BLOCK)
    unary_kernel(Op op, const float *x, float *y, int64_t n, bool vector) {
    const int64_t i = pu__first4();
    if (i >= n) return;
    float v[4];
    pu__load4(v, x, i, n, vector);
    for (int j = 0; j < 4; ++j) v[j] = op(v[j]);
    pu__store4(y, v, i, n, vector);
}

/* y[i] = op(a[i], b[i mod period]). vector_b: four neighbours of b never straddle the end of a period. */
template <typename Op>
static __global__ void __launch_bounds__(PU_BLOCK)
    binary_kernel(Op op, const float *a, const float *b, float *y, int64_t n, int64_t period, bool vector,
                  bool vector_b) {
    const int64_t i = pu__first4();
    if (i >= n) return;
    float v[4], w[4];
    pu__load4(v, a, i, n, vector);
    if (period == n || vector_b) {
        pu__load4(w, b, period == n ? i : pu__modulo(i, period), period, vector_b);
    } else {
        for (int j = 0; j < 4; ++j) w[j] = b[pu__modulo(i + j, period)];
    }
    for (int j = 0; j < 4; ++j) v[j] = op(v[j], w[j]);
    pu__store4(y, v, i, n, vector);
}

template <typename Op> static pu_status launch_unary(const pu__call *call, Op op, const char *name) {
    const float *x = (const float *)call->in[0].data;
    float *y = (float *)call->out[0].data;
    const int64_t n = pu__count(&call->out[0].shape);
    if (n == 0) return PU_OK;
    const bool vector = pu__aligned16(x) && pu__aligned16(y);
    PU_LAUNCH(unary_kernel<Op>, dim3(pu__grid4(n)), dim3(PU_BLOCK), 0, call->cuda->stream, op, x, y, n, vector);
    return pu__launched(name);
}

template <typename Op> static pu_status launch_binary(const pu__call *call, Op op, const char *name) {
    const float *a = (const float *)call->in[0].data, *b = (const float *)call->in[1].data;
    float *y = (float *)call->out[0].data;
    const int64_t n = pu__count(&call->out[0].shape), period = pu__count(&call->in[1].shape);
    if (n == 0) return PU_OK;
    const bool vector = pu__aligned16(a) && pu__aligned16(y);
    const bool vector_b = pu__aligned16(b) && (period == n || period % 4 == 0);
    PU_LAUNCH(binary_kernel<Op>, dim3(pu__grid4(n)), dim3(PU_BLOCK), 0, call->cuda->stream, op, a, b, y, n, period,
              vector, vector_b);
    return pu__launched(name);
}

extern "C" pu_status pu__act_cuda(const pu__call *call) {
    const act_op op = {call->attributes->act.kind};
    return launch_unary(call, op, "act");
}

extern "C" pu_status pu__act_grad_cuda(const pu__call *call) {
    const act_grad_op op = {call->attributes->act.kind};
    return launch_binary(call, op, "act_grad");
}

extern "C" pu_status pu__add_cuda(const pu__call *call) { return launch_binary(call, add_op(), "add"); }

extern "C" pu_status pu__mul_cuda(const pu__call *call) { return launch_binary(call, mul_op(), "mul"); }

extern "C" pu_status pu__affine_cuda(const pu__call *call) {
    const affine_op op = {call->attributes->affine.scale, call->attributes->affine.shift};
    return launch_unary(call, op, "affine");
}

/* Four columns of one row of y[N,C] in each thread; gate = x[:, C:]. */
static __global__ void __launch_bounds__(PU_BLOCK)
    glu_kernel(pu_act kind, const float *x, float *y, int64_t rows, int64_t columns, bool vector) {
    const int64_t groups = pu__ceil_div(columns, 4), item = pu__first4() / 4;
    if (item >= rows * groups) return;
    const int64_t row = pu__quotient(item, groups), column = 4 * (item - row * groups);
    const float *x_row = x + row * 2 * columns;
    float a[4], b[4];
    pu__load4(a, x_row, column, columns, vector);
    pu__load4(b, x_row + columns, column, columns, vector);
    for (int j = 0; j < 4; ++j) a[j] *= pu__act_at(kind, b[j]);
    pu__store4(y + row * columns, a, column, columns, vector);
}

static __global__ void __launch_bounds__(PU_BLOCK)
    glu_grad_kernel(pu_act kind, const float *dy, const float *x, float *dx, int64_t rows, int64_t columns,
                    bool vector) {
    const int64_t groups = pu__ceil_div(columns, 4), item = pu__first4() / 4;
    if (item >= rows * groups) return;
    const int64_t row = pu__quotient(item, groups), column = 4 * (item - row * groups);
    const float *x_row = x + row * 2 * columns;
    float d[4], a[4], b[4];
    pu__load4(d, dy + row * columns, column, columns, vector);
    pu__load4(a, x_row, column, columns, vector);
    pu__load4(b, x_row + columns, column, columns, vector);
    for (int j = 0; j < 4; ++j) {
        const float da = d[j] * pu__act_at(kind, b[j]);
        b[j] = d[j] * a[j] * pu__act_slope_at(kind, b[j]);
        a[j] = da;
    }
    pu__store4(dx + row * 2 * columns, a, column, columns, vector);
    pu__store4(dx + row * 2 * columns + columns, b, column, columns, vector);
}

extern "C" pu_status pu__glu_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data;
    float *y = (float *)call->out[0].data;
    const int64_t columns = pu__last(&call->out[0].shape), rows = pu__rows(&call->out[0].shape);
    if (rows * columns == 0) return PU_OK;
    const bool vector = columns % 4 == 0 && pu__aligned16(x) && pu__aligned16(y);
    const unsigned grid = pu__grid4(rows * 4 * pu__ceil_div(columns, 4));
    PU_LAUNCH(glu_kernel, dim3(grid), dim3(PU_BLOCK), 0, call->cuda->stream, call->attributes->act.kind, x, y,
              rows, columns, vector);
    return pu__launched("glu");
}

extern "C" pu_status pu__glu_grad_cuda(const pu__call *call) {
    const float *dy = (const float *)call->in[0].data, *x = (const float *)call->in[1].data;
    float *dx = (float *)call->out[0].data;
    const int64_t columns = pu__last(&call->in[0].shape), rows = pu__rows(&call->in[0].shape);
    if (rows * columns == 0) return PU_OK;
    const bool vector = columns % 4 == 0 && pu__aligned16(dy) && pu__aligned16(x) && pu__aligned16(dx);
    const unsigned grid = pu__grid4(rows * 4 * pu__ceil_div(columns, 4));
    PU_LAUNCH(glu_grad_kernel, dim3(grid), dim3(PU_BLOCK), 0, call->cuda->stream, call->attributes->act.kind, dy,
              x, dx, rows, columns, vector);
    return pu__launched("glu_grad");
}

/* One Philox call gives the four uniforms of a thread's four elements. */
static __global__ void __launch_bounds__(PU_BLOCK)
    dropout_kernel(const __grid_constant__ pu__dropout dropout, const float *x, float *y, int64_t n, bool vector) {
    const int64_t i = pu__first4();
    if (i >= n) return;
    float v[4];
    pu__load4(v, x, i, n, vector);
    pu__dropout4(&dropout, v, i);
    pu__store4(y, v, i, n, vector);
}

extern "C" pu_status pu__dropout_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data;
    float *y = (float *)call->out[0].data;
    const int64_t n = pu__count(&call->out[0].shape);
    if (n == 0) return PU_OK;
    const pu__dropout dropout = pu__dropout_of((const uint64_t *)call->in[1].data, call->attributes->dropout.rate,
                                               call->attributes->dropout.tag);
    const bool vector = pu__aligned16(x) && pu__aligned16(y);
    PU_LAUNCH(dropout_kernel, dim3(pu__grid4(n)), dim3(PU_BLOCK), 0, call->cuda->stream, dropout, x, y, n, vector);
    return pu__launched("dropout");
}

extern "C" size_t pu__sum_leading_workspace_cuda(const pu__call *call) {
    const int64_t columns = pu__count(&call->out[0].shape);
    const int64_t rows = columns > 0 ? pu__count(&call->in[0].shape) / columns : 0;
    if (rows == 0) return 0;
    const int64_t chunks = pu__column_chunks(rows, columns);
    return chunks > 1 ? (size_t)(chunks * columns) * sizeof(float) : 0;
}

extern "C" pu_status pu__sum_leading_cuda(const pu__call *call) {
    const float *x = (const float *)call->in[0].data;
    float *y = (float *)call->out[0].data;
    const int64_t columns = pu__count(&call->out[0].shape);
    const int64_t rows = columns > 0 ? pu__count(&call->in[0].shape) / columns : 0;
    if (columns == 0) return PU_OK;
    const int64_t chunks = rows > 0 ? pu__column_chunks(rows, columns) : 1;
    if (chunks == 1)
        return pu__column_sum_final(x, rows, columns, y, (float *)nullptr, columns, call->cuda->stream);
    float *partial = (float *)call->workspace;
    PU_TRY(pu__column_sum_chunks(x, rows, columns, partial, call->cuda->stream));
    return pu__column_sum_final(partial, chunks, columns, y, (float *)nullptr, columns, call->cuda->stream);
}
