#include "kernels/attention/attention.h"

#include <math.h>

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

enum { HEAD_MAX = 128, BARS_MAX = 4096 };

typedef struct heads {
    int64_t batch, bars, count, size, span, width; /* width: H*D */
    float scale;
} heads;

static heads heads_of(const pu__call *call, const pu_shape *qkv) {
    heads h = {.batch = qkv->dim[0], .bars = qkv->dim[1], .count = call->attributes->attention.heads};
    h.width = qkv->dim[2] / 3;
    h.size = h.width / h.count;
    h.span = call->attributes->attention.span > 0 ? call->attributes->attention.span : h.bars;
    h.scale = 1.0f / sqrtf((float)h.size);
    return h;
}

/* direction 1 turns, -1 turns back. */
static void rotate(float *out, const float *in, int64_t t, int64_t size, float base, float direction) {
    for (int64_t i = 0; i < size; i += 2) {
        const double angle = base > 0.0f ? (double)t * pow(base, -(double)i / (double)size) : 0.0;
        const float c = (float)cos(angle), s = direction * (float)sin(angle), x = in[i], y = in[i + 1];
        out[i] = x * c - y * s;
        out[i + 1] = x * s + y * c;
    }
}

static void attention_heads(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const heads h = heads_of(call, &call->in[0].shape);
    const float base = call->attributes->attention.rotary_base;
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / h.count, head = task % h.count;
        const float *qkv = (const float *)call->in[0].data + b * h.bars * 3 * h.width + head * h.size;
        for (int64_t t = 0; t < h.bars; ++t) {
            float q[HEAD_MAX], k[HEAD_MAX], p[BARS_MAX], top = -INFINITY, sum = 0.0f;
            const int64_t first = t + 1 > h.span ? t + 1 - h.span : 0;
            rotate(q, qkv + t * 3 * h.width, t, h.size, base, 1.0f);
            for (int64_t u = first; u <= t; ++u) {
                rotate(k, qkv + u * 3 * h.width + h.width, u, h.size, base, 1.0f);
                p[u] = pu__dot(q, k, h.size) * h.scale;
                top = p[u] > top ? p[u] : top;
            }
            float *y = (float *)call->out[0].data + (b * h.bars + t) * h.width + head * h.size;
            memset(y, 0, (size_t)h.size * sizeof *y);
            for (int64_t u = first; u <= t; ++u) {
                const float weight = pu__exp(p[u] - top), *v = qkv + u * 3 * h.width + 2 * h.width;
                sum += weight;
                for (int64_t d = 0; d < h.size; ++d) y[d] += weight * v[d];
            }
            for (int64_t d = 0; d < h.size; ++d) y[d] /= sum;
            ((float *)call->out[1].data)[task * h.bars + t] = top + logf(sum);
        }
    }
}

static pu_status supported(const heads *h) {
    if (h->size > HEAD_MAX || h->bars > BARS_MAX) {
        return pu_fail(PU_ERR_UNSUPPORTED, "attention over %lld bars with heads of %lld: at most %d bars and heads of %d", (long long)h->bars,
                       (long long)h->size, BARS_MAX, HEAD_MAX);
    }
    return PU_OK;
}

pu_status pu__attention_cpu(const pu__call *call) {
    const heads h = heads_of(call, &call->in[0].shape);
    PU_TRY(supported(&h));
    pu_parallel_for(call->pool, h.batch * h.count, 1, attention_heads, (void *)call);
    return PU_OK;
}

static void attention_grad_heads(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__call *call = context;
    const heads h = heads_of(call, &call->in[1].shape);
    const float base = call->attributes->attention.rotary_base;
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / h.count, head = task % h.count, stride = 3 * h.width;
        const float *qkv = (const float *)call->in[1].data + b * h.bars * stride + head * h.size;
        const int64_t at = b * h.bars * h.width + head * h.size;
        const float *dy = (const float *)call->in[0].data + at, *y = (const float *)call->in[2].data + at;
        float *dqkv = (float *)call->out[0].data + b * h.bars * stride + head * h.size;
        for (int64_t t = 0; t < h.bars; ++t) {
            for (int part = 0; part < 3; ++part) memset(dqkv + t * stride + part * h.width, 0, (size_t)h.size * sizeof *dqkv);
        }
        for (int64_t t = 0; t < h.bars; ++t) {
            float q[HEAD_MAX], k[HEAD_MAX];
            const float lse = ((const float *)call->in[3].data)[task * h.bars + t];
            const float delta = pu__dot(dy + t * h.width, y + t * h.width, h.size);
            rotate(q, qkv + t * stride, t, h.size, base, 1.0f);
            for (int64_t u = t + 1 > h.span ? t + 1 - h.span : 0; u <= t; ++u) {
                const float *v = qkv + u * stride + 2 * h.width;
                rotate(k, qkv + u * stride + h.width, u, h.size, base, 1.0f);
                const float p = pu__exp(pu__dot(q, k, h.size) * h.scale - lse);
                const float ds = p * (pu__dot(dy + t * h.width, v, h.size) - delta) * h.scale;
                float *dq = dqkv + t * stride, *dk = dqkv + u * stride + h.width, *dv = dk + h.width;
                for (int64_t d = 0; d < h.size; ++d) {
                    dq[d] += ds * k[d];
                    dk[d] += ds * q[d];
                    dv[d] += p * dy[t * h.width + d];
                }
            }
        }
        for (int64_t t = 0; t < h.bars; ++t) {
            rotate(dqkv + t * stride, dqkv + t * stride, t, h.size, base, -1.0f);
            rotate(dqkv + t * stride + h.width, dqkv + t * stride + h.width, t, h.size, base, -1.0f);
        }
    }
}

pu_status pu__attention_grad_cpu(const pu__call *call) {
    const heads h = heads_of(call, &call->in[1].shape);
    PU_TRY(supported(&h));
    pu_parallel_for(call->pool, h.batch * h.count, 1, attention_grad_heads, (void *)call);
    return PU_OK;
}

size_t pu__attention_grad_workspace_cpu(const pu__call *call) {
    (void)call;
    return 0;
}
