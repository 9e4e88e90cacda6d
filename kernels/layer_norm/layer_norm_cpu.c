#include "kernels/layer_norm/layer_norm.h"

#include "kernels/common/dropout.h"
#include "kernels/layer_norm/layer_norm_cpu.h"
#include "plusultra/pool.h"

static void layer_norm_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const pu__norm_row row = {call->in[1].data, call->in[2].data, width, call->attributes->layer_norm.epsilon};
    const float *x = call->in[0].data;
    float *y = call->out[0].data, *mean = call->out[1].data, *rstd = call->out[2].data;
    for (int64_t n = begin; n < end; ++n)
        pu__layer_norm_row(&row, x + n * width, y + n * width, mean + n, rstd + n);
}

pu_status pu__layer_norm_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(8 * pu__last(shape)), layer_norm_rows, (void *)call);
    return PU_OK;
}

/* The sum stays in the cache until it is normalised. */
static void add_layer_norm_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const pu__norm_row row = {call->in[2].data, call->in[3].data, width, call->attributes->add_layer_norm.epsilon};
    float *y = call->out[0].data, *mean = call->out[2].data, *rstd = call->out[3].data;
    pu__dropout dropout = {0};
    if (call->in_count > 4) {
        dropout = pu__dropout_of(call->in[4].data, call->attributes->add_layer_norm.rate,
                                 call->attributes->add_layer_norm.tag);
    }
    for (int64_t n = begin; n < end; ++n) {
        const float *restrict x = (const float *)call->in[0].data + n * width;
        const float *restrict branch = (const float *)call->in[1].data + n * width;
        float *restrict sum = (float *)call->out[1].data + n * width;
        if (call->in_count > 4) {
            pu__dropout_run(&dropout, branch, sum, n * width, width);
            for (int64_t c = 0; c < width; ++c) sum[c] += x[c];
        } else {
            for (int64_t c = 0; c < width; ++c) sum[c] = x[c] + branch[c];
        }
        pu__layer_norm_row(&row, sum, y + n * width, mean + n, rstd + n);
    }
}

pu_status pu__add_layer_norm_cpu(const pu__call *call) {
    const pu_shape *shape = &call->in[0].shape;
    pu_parallel_for(call->pool, pu__rows(shape), pu__grain(16 * pu__last(shape)), add_layer_norm_rows,
                    (void *)call);
    return PU_OK;
}

/* ---- gradients ---- */

static int64_t grad_grain(const pu__call *call) {
    return pu__reduction_grain(pu__rows(&call->in[0].shape), 12 * pu__last(&call->in[0].shape));
}

static void layer_norm_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const float *dy = call->in[0].data, *x = call->in[1].data, *mean = call->in[3].data, *rstd = call->in[4].data;
    float *dx = call->out[0].data, *sums = (float *)call->workspace + begin / grad_grain(call) * 2 * width;
    memset(sums, 0, (size_t)(2 * width) * sizeof *sums);
    for (int64_t n = begin; n < end; ++n) {
        pu__layer_norm_grad_row(call->in[2].data, width, dy + n * width, x + n * width, mean[n], rstd[n],
                                dx + n * width, sums);
    }
}

static void add_layer_norm_grad_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const int64_t width = pu__last(&call->in[0].shape);
    const float *dy = call->in[0].data, *sum = call->in[2].data, *mean = call->in[4].data,
                *rstd = call->in[5].data;
    float *dbranch = call->out_count > 3 ? call->out[3].data : NULL;
    float *sums = (float *)call->workspace + begin / grad_grain(call) * 2 * width;
    pu__dropout dropout = {0};
    if (dbranch) {
        dropout = pu__dropout_of(call->in[6].data, call->attributes->add_layer_norm.rate,
                                 call->attributes->add_layer_norm.tag);
    }
    memset(sums, 0, (size_t)(2 * width) * sizeof *sums);
    for (int64_t n = begin; n < end; ++n) {
        float *restrict dx = (float *)call->out[0].data + n * width;
        const float *restrict dsum = (const float *)call->in[1].data + n * width;
        pu__layer_norm_grad_row(call->in[3].data, width, dy + n * width, sum + n * width, mean[n], rstd[n], dx,
                                sums);
        for (int64_t c = 0; c < width; ++c) dx[c] += dsum[c];
        if (dbranch) pu__dropout_run(&dropout, dx, dbranch + n * width, n * width, width);
    }
}

/* The chunks' sums in order. */
static pu_status finish_grad(const pu__call *call) {
    const int64_t rows = pu__rows(&call->in[0].shape), width = pu__last(&call->in[0].shape);
    float *restrict dgain = call->out[1].data, *restrict dbias = call->out[2].data;
    for (int64_t c = 0; c < width; ++c) dgain[c] = dbias[c] = 0.0f;
    for (int64_t chunk = 0; chunk < pu__chunks(rows, grad_grain(call)); ++chunk) {
        const float *restrict part = (const float *)call->workspace + chunk * 2 * width;
        for (int64_t c = 0; c < width; ++c) {
            dgain[c] += part[c];
            dbias[c] += part[width + c];
        }
    }
    return PU_OK;
}

pu_status pu__layer_norm_grad_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__rows(&call->in[0].shape), grad_grain(call), layer_norm_grad_rows,
                    (void *)call);
    return finish_grad(call);
}

pu_status pu__add_layer_norm_grad_cpu(const pu__call *call) {
    pu_parallel_for(call->pool, pu__rows(&call->in[0].shape), grad_grain(call), add_layer_norm_grad_rows,
                    (void *)call);
    return finish_grad(call);
}

size_t pu__layer_norm_grad_workspace_cpu(const pu__call *call) {
    const int64_t width = pu__last(&call->in[0].shape);
    return (size_t)(pu__chunks(pu__rows(&call->in[0].shape), grad_grain(call)) * 2 * width) * sizeof(float);
}

size_t pu__add_layer_norm_grad_workspace_cpu(const pu__call *call) {
    return pu__layer_norm_grad_workspace_cpu(call);
}
