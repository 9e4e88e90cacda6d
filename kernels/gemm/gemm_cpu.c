#include "kernels/gemm/gemm.h"

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

typedef struct product {
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col; /* strides */
} product;

static product product_of(const pu__call *call) {
    const pu_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    product p = {.m = pu__rows(y), .n = pu__last(y)};
    if (call->attributes->gemm.transpose_a) {
        p.k = pu__last(a) > 0 ? pu__rows(a) : 0;
        p.a_row = 1;
        p.a_col = pu__last(a);
    } else {
        p.k = pu__last(a);
        p.a_row = p.k;
        p.a_col = 1;
    }
    p.b_row = call->attributes->gemm.transpose_b ? 1 : pu__last(b);
    p.b_col = call->attributes->gemm.transpose_b ? pu__last(b) : 1;
    return p;
}

static void gemm_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const product p = product_of(call);
    const float *a = call->in[0].data, *b = call->in[1].data, *bias = call->in[2].data;
    const int wants_z = call->out_count > 1 && call->out[1].data;
    for (int64_t m = begin; m < end; ++m) {
        float *restrict y = (float *)call->out[0].data + m * p.n;
        for (int64_t n = 0; n < p.n; ++n) y[n] = 0.0f;
        for (int64_t k = 0; k < p.k; ++k) {
            const float factor = a[m * p.a_row + k * p.a_col];
            const float *restrict row = b + k * p.b_row;
            for (int64_t n = 0; n < p.n; ++n) y[n] += factor * row[n * p.b_col];
        }
        if (bias) {
            for (int64_t n = 0; n < p.n; ++n) y[n] += bias[n];
        }
        if (wants_z) memcpy((float *)call->out[1].data + m * p.n, y, (size_t)p.n * sizeof *y);
        PU__FOR_ACT(call->attributes->gemm.act, KIND, for (int64_t n = 0; n < p.n; ++n) y[n] = pu__act(KIND, y[n]))
    }
}

pu_status pu__gemm_cpu(const pu__call *call) {
    const product p = product_of(call);
    pu_parallel_for(call->pool, p.m, 8, gemm_rows, (void *)call);
    return PU_OK;
}

size_t pu__gemm_workspace_cpu(const pu__call *call) {
    (void)call;
    return 0;
}
