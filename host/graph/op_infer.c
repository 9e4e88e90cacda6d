/* Shape rules of the ops. Every message names the op and the shapes it was given. */
#include <math.h>
#include <stdio.h>

#include "host/graph/op_table.h"

static pu_shape vector(int64_t n) { return PU_SHAPE1(n); }
static bool is_vector(const pu_shape *shape, int64_t n) { return shape->rank == 1 && shape->dim[0] == n; }

/* "<op>: <what>, got [..], [..]" */
static pu_status bad_shapes(const pu__shapes *s, const char *what) {
    char list[PU_MAX_IN * (PU__SHAPE_TEXT_BYTES + 2)] = "", text[PU__SHAPE_TEXT_BYTES];
    int at = 0;
    for (int i = 0; i < s->in_count; ++i) {
        at +=
            snprintf(list + at, sizeof list - (size_t)at, "%s%s", i ? ", " : "", pu__shape_text(&s->in[i], text));
    }
    return pu_fail(PU_ERR_ARGUMENT, "%s: %s; got %s", pu_op_name(s->op), what, list);
}

pu_status pu__infer_gemm(const pu__shapes *s) {
    if (s->in[0].rank != 2 || s->in[1].rank != 2) return bad_shapes(s, "both factors are matrices");
    const int ta = s->attributes->gemm.transpose_a != 0, tb = s->attributes->gemm.transpose_b != 0;
    const int64_t m = s->in[0].dim[ta], k = s->in[0].dim[1 - ta], n = s->in[1].dim[1 - tb];
    if (s->in[1].dim[tb] != k) return bad_shapes(s, "the inner dimensions of x and weight must agree");
    if (s->in_count > 2 && !is_vector(&s->in[2], n)) {
        return bad_shapes(s, "bias needs one element per column of the product");
    }
    if ((unsigned)s->attributes->gemm.act > PU_ACT_TANH) {
        return pu_fail(PU_ERR_ARGUMENT, "gemm: activation %d is not known", (int)s->attributes->gemm.act);
    }
    if ((unsigned)s->attributes->gemm.precision > PU_PRECISION_BF16) {
        return pu_fail(PU_ERR_ARGUMENT, "gemm: precision %d is not known", (int)s->attributes->gemm.precision);
    }
    for (int i = 0; i < s->out_count; ++i) s->out[i] = PU_SHAPE2(m, n);
    return PU_OK;
}

/* ACT, ACT_GRAD, AFFINE: one shape for all. */
pu_status pu__infer_same(const pu__shapes *s) {
    for (int i = 1; i < s->in_count; ++i) {
        if (!pu__shape_equal(&s->in[0], &s->in[i])) return bad_shapes(s, "a gradient has its value's shape");
    }
    s->out[0] = s->in[0];
    return PU_OK;
}

pu_status pu__infer_broadcast(const pu__shapes *s) {
    if (!pu__shape_is_suffix(&s->in[1], &s->in[0])) {
        return bad_shapes(s, "the second shape must equal the first or its last dimensions");
    }
    s->out[0] = s->in[0];
    return PU_OK;
}

pu_status pu__infer_sum_leading(const pu__shapes *s) {
    if (!pu__shape_is_suffix(&s->out[0], &s->in[0])) {
        return bad_shapes(s, "the wanted shape must be the last dimensions of the input");
    }
    return PU_OK;
}

static pu_status check_dropout(const pu__shapes *s, const pu_shape *clock, float rate, uint32_t tag) {
    if (!is_vector(clock, 2)) return bad_shapes(s, "the clock is [2]: seed and step");
    if (!(rate >= 0.0f && rate < 1.0f))
        return pu_fail(PU_ERR_ARGUMENT, "%s: rate %g is not in [0, 1)", pu_op_name(s->op), (double)rate);
    if (tag >= 1u << 24) return pu_fail(PU_ERR_ARGUMENT, "%s: more than 2^24 in one graph", pu_op_name(s->op));
    return PU_OK;
}

pu_status pu__infer_dropout(const pu__shapes *s) {
    PU_TRY(check_dropout(s, &s->in[1], s->attributes->dropout.rate, s->attributes->dropout.tag));
    s->out[0] = s->in[0];
    return PU_OK;
}

static pu_status check_halves(const pu__shapes *s, const pu_shape *x) {
    if (x->rank == 2 && x->dim[1] % 2 == 0) return PU_OK;
    return bad_shapes(s, "x is [N,2C], an even number of columns");
}

pu_status pu__infer_glu(const pu__shapes *s) {
    PU_TRY(check_halves(s, &s->in[0]));
    s->out[0] = PU_SHAPE2(s->in[0].dim[0], s->in[0].dim[1] / 2);
    return PU_OK;
}

pu_status pu__infer_glu_grad(const pu__shapes *s) {
    PU_TRY(check_halves(s, &s->in[1]));
    if (s->in[0].rank != 2 || s->in[0].dim[0] != s->in[1].dim[0] || s->in[0].dim[1] * 2 != s->in[1].dim[1]) {
        return bad_shapes(s, "dy is [N,C] and x [N,2C]");
    }
    s->out[0] = s->in[1];
    return PU_OK;
}

pu_status pu__infer_layer_norm(const pu__shapes *s) {
    if (s->in[0].rank != 2 || !is_vector(&s->in[1], s->in[0].dim[1]) || !is_vector(&s->in[2], s->in[0].dim[1])) {
        return bad_shapes(s, "x is [N,C], gain and bias are [C]");
    }
    if (!(s->attributes->layer_norm.epsilon > 0.0f)) {
        return pu_fail(PU_ERR_ARGUMENT, "layer_norm: epsilon %g must be positive",
                       (double)s->attributes->layer_norm.epsilon);
    }
    s->out[0] = s->in[0];
    s->out[1] = s->out[2] = vector(s->in[0].dim[0]);
    return PU_OK;
}

pu_status pu__infer_layer_norm_grad(const pu__shapes *s) {
    const pu_shape *x = &s->in[1];
    if (x->rank != 2 || !pu__shape_equal(&s->in[0], x) || !is_vector(&s->in[2], x->dim[1]) ||
        !is_vector(&s->in[3], x->dim[0]) || !is_vector(&s->in[4], x->dim[0])) {
        return bad_shapes(s, "dy and x are [N,C], gain [C], mean and rstd [N]");
    }
    s->out[0] = *x;
    s->out[1] = s->out[2] = s->in[2];
    return PU_OK;
}

/* Both fused ops: the epsilon, and the dropout where there is a clock. */
static pu_status check_add_layer_norm(const pu__shapes *s, int clock) {
    if (!(s->attributes->add_layer_norm.epsilon > 0.0f)) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: epsilon %g must be positive", pu_op_name(s->op),
                       (double)s->attributes->add_layer_norm.epsilon);
    }
    if (s->in_count <= clock) return PU_OK;
    return check_dropout(s, &s->in[clock], s->attributes->add_layer_norm.rate, s->attributes->add_layer_norm.tag);
}

pu_status pu__infer_add_layer_norm(const pu__shapes *s) {
    const pu_shape *x = &s->in[0];
    if (x->rank != 2 || !pu__shape_equal(x, &s->in[1]) || !is_vector(&s->in[2], x->dim[1]) ||
        !is_vector(&s->in[3], x->dim[1])) {
        return bad_shapes(s, "x and branch are [N,C], gain and bias [C]");
    }
    PU_TRY(check_add_layer_norm(s, 4));
    s->out[0] = s->out[1] = *x;
    s->out[2] = s->out[3] = vector(x->dim[0]);
    return PU_OK;
}

pu_status pu__infer_add_layer_norm_grad(const pu__shapes *s) {
    const pu_shape *x = &s->in[2];
    if (x->rank != 2 || !pu__shape_equal(&s->in[0], x) || !pu__shape_equal(&s->in[1], x) ||
        !is_vector(&s->in[3], x->dim[1]) || !is_vector(&s->in[4], x->dim[0]) || !is_vector(&s->in[5], x->dim[0])) {
        return bad_shapes(s, "dy, dsum and sum are [N,C], gain [C], mean and rstd [N]");
    }
    if (s->out_count - 3 != s->in_count - 6)
        return bad_shapes(s, "a branch has a gradient of its own where it has a clock");
    PU_TRY(check_add_layer_norm(s, 6));
    s->out[0] = *x;
    s->out[1] = s->out[2] = s->in[3];
    if (s->out_count > 3) s->out[3] = *x;
    return PU_OK;
}

pu_status pu__infer_softmax(const pu__shapes *s) {
    if (s->in[0].rank != 2 || (s->in_count > 1 && !pu__shape_equal(&s->in[0], &s->in[1]))) {
        return bad_shapes(s, "the values, and their gradient, are [N,C]");
    }
    s->out[0] = s->in[0];
    return PU_OK;
}

static pu_status check_attention_attributes(const pu__shapes *s) {
    const pu_attributes *a = s->attributes;
    const char *name = pu_op_name(s->op);
    if (a->attention.heads < 1 || a->attention.span < 0 || !(a->attention.rotary_base >= 0.0f)) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: heads %d must be at least 1, span %d and rotary base %g not negative",
                       name, a->attention.heads, a->attention.span, (double)a->attention.rotary_base);
    }
    if ((unsigned)a->attention.mask > PU_ATTENTION_FULL || (unsigned)a->attention.precision > PU_PRECISION_BF16) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: mask %d or precision %d is not known", name, (int)a->attention.mask,
                       (int)a->attention.precision);
    }
    if (a->attention.mask == PU_ATTENTION_FULL && a->attention.span > 0) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: a span of %d bars needs the causal mask; without a mask leave it 0",
                       name, a->attention.span);
    }
    return PU_OK;
}

/* `columns` hold `parts` times heads * D. */
static pu_status check_heads(const pu__shapes *s, int64_t columns, int parts) {
    const int heads = s->attributes->attention.heads;
    const int64_t size = columns / ((int64_t)parts * heads);
    if (size * parts * heads != columns) return bad_shapes(s, "the last dimension is not a multiple of the heads");
    if (size % 2 == 0 && size >= 8 && size <= 128) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "%s: head size %lld (of %lld columns and %d heads) must be even, 8 to 128",
                   pu_op_name(s->op), (long long)size, (long long)columns, heads);
}

static pu_status check_attention(const pu__shapes *s, const pu_shape *qkv) {
    PU_TRY(check_attention_attributes(s));
    if (qkv->rank != 3) return bad_shapes(s, "qkv is [B,T,3*heads*D]");
    if (s->attributes->attention.offset != 0) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "attention: offset %d: query and key are one bar here; use cross_attention",
                       s->attributes->attention.offset);
    }
    return check_heads(s, qkv->dim[2], 3);
}

pu_status pu__infer_attention(const pu__shapes *s) {
    PU_TRY(check_attention(s, &s->in[0]));
    s->out[0] = PU_SHAPE3(s->in[0].dim[0], s->in[0].dim[1], s->in[0].dim[2] / 3);
    s->out[1] = PU_SHAPE3(s->in[0].dim[0], s->attributes->attention.heads, s->in[0].dim[1]);
    return PU_OK;
}

pu_status pu__infer_attention_grad(const pu__shapes *s) {
    PU_TRY(check_attention(s, &s->in[1]));
    const pu_shape y = PU_SHAPE3(s->in[1].dim[0], s->in[1].dim[1], s->in[1].dim[2] / 3);
    const pu_shape lse = PU_SHAPE3(s->in[1].dim[0], s->attributes->attention.heads, s->in[1].dim[1]);
    if (!pu__shape_equal(&s->in[0], &y) || !pu__shape_equal(&s->in[2], &y) || !pu__shape_equal(&s->in[3], &lse)) {
        return bad_shapes(s, "dy and y are [B,T,H*D], qkv [B,T,3*H*D], lse [B,H,T]");
    }
    s->out[0] = s->in[1];
    return PU_OK;
}

/* A query that sees no key would have no softmax: refused here, so that no kernel has to define one. */
static pu_status check_every_query_sees(const pu__shapes *s, int64_t queries, int64_t keys) {
    const int64_t offset = s->attributes->attention.offset, span = s->attributes->attention.span;
    if (offset < 0) {
        return pu_fail(PU_ERR_ARGUMENT, "cross_attention: offset %lld is negative: query 0 would see no key",
                       (long long)offset);
    }
    if (queries == 0 || (keys > 0 && (span == 0 || queries + offset - span < keys))) return PU_OK;
    return pu_fail(
        PU_ERR_ARGUMENT,
        "cross_attention: query %lld (offset %lld) sees none of the %lld keys within a span of %lld bars",
        (long long)queries - 1, (long long)offset, (long long)keys, (long long)span);
}

static pu_status check_cross_attention(const pu__shapes *s, const pu_shape *q, const pu_shape *kv) {
    PU_TRY(check_attention_attributes(s));
    if (q->rank != 3 || kv->rank != 3 || q->dim[0] != kv->dim[0] || 2 * q->dim[2] != kv->dim[2]) {
        return bad_shapes(s, "q is [B,Tq,heads*D] and kv [B,Tk,2*heads*D]");
    }
    PU_TRY(check_heads(s, q->dim[2], 1));
    return check_every_query_sees(s, q->dim[1], kv->dim[1]);
}

pu_status pu__infer_cross_attention(const pu__shapes *s) {
    PU_TRY(check_cross_attention(s, &s->in[0], &s->in[1]));
    s->out[0] = s->in[0];
    s->out[1] = PU_SHAPE3(s->in[0].dim[0], s->attributes->attention.heads, s->in[0].dim[1]);
    return PU_OK;
}

pu_status pu__infer_cross_attention_grad(const pu__shapes *s) {
    PU_TRY(check_cross_attention(s, &s->in[1], &s->in[2]));
    const pu_shape lse = PU_SHAPE3(s->in[1].dim[0], s->attributes->attention.heads, s->in[1].dim[1]);
    if (!pu__shape_equal(&s->in[0], &s->in[1]) || !pu__shape_equal(&s->in[3], &s->in[1]) ||
        !pu__shape_equal(&s->in[4], &lse)) {
        return bad_shapes(s, "dy, q and y are [B,Tq,H*D], kv [B,Tk,2*H*D], lse [B,H,Tq]");
    }
    s->out[0] = s->in[1];
    s->out[1] = s->in[2];
    return PU_OK;
}

static pu_status check_conv_attributes(const pu__shapes *s) {
    if ((unsigned)s->attributes->conv.act > PU_ACT_TANH) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: activation %d is not known", pu_op_name(s->op),
                       (int)s->attributes->conv.act);
    }
    for (int g = 0; g < s->attributes->conv.groups; ++g) {
        if (s->attributes->conv.dilation[g] < 1) {
            return pu_fail(PU_ERR_ARGUMENT, "%s: dilation %d of group %d must be at least 1", pu_op_name(s->op),
                           s->attributes->conv.dilation[g], g);
        }
    }
    return PU_OK;
}

static pu_status check_conv(const pu__shapes *s, const pu_shape *x, const pu_shape *w) {
    const int groups = s->attributes->conv.groups;
    if (x->rank != 3 || w->rank != 2 || w->dim[0] < 1 || w->dim[0] != s->attributes->conv.kernel_bars ||
        w->dim[1] != x->dim[2]) {
        return bad_shapes(s, "x is [B,T,C], weight [K,C] with K at least 1");
    }
    if (groups < 1 || groups > PU_MAX_DILATIONS || x->dim[2] % groups != 0) {
        return pu_fail(PU_ERR_ARGUMENT, "conv: %d groups must be 1 to %d and divide the %lld channels", groups,
                       (int)PU_MAX_DILATIONS, (long long)x->dim[2]);
    }
    return check_conv_attributes(s);
}

pu_status pu__infer_conv(const pu__shapes *s) {
    PU_TRY(check_conv(s, &s->in[0], &s->in[1]));
    if (!is_vector(&s->in[2], s->in[0].dim[2])) return bad_shapes(s, "bias is [C]");
    for (int i = 0; i < s->out_count; ++i) s->out[i] = s->in[0];
    return PU_OK;
}

pu_status pu__infer_conv_grad(const pu__shapes *s) {
    PU_TRY(check_conv(s, &s->in[1], &s->in[2]));
    if (!pu__shape_equal(&s->in[0], &s->in[1])) return bad_shapes(s, "dy has the shape of x");
    s->out[0] = s->in[1];
    s->out[1] = s->in[2];
    s->out[2] = vector(s->in[1].dim[2]);
    return PU_OK;
}

static pu_status check_conv_dense(const pu__shapes *s, const pu_shape *x, const pu_shape *w) {
    if (x->rank != 3 || w->rank != 3 || w->dim[0] < 1 || w->dim[0] != s->attributes->conv.kernel_bars ||
        w->dim[1] != x->dim[2]) {
        return bad_shapes(s, "x is [B,T,I], weight [K,I,O] with K at least 1");
    }
    if (s->attributes->conv.groups != 1) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: %d groups; it has one, give the others convolutions of their own",
                       pu_op_name(s->op), s->attributes->conv.groups);
    }
    return check_conv_attributes(s);
}

pu_status pu__infer_conv_dense(const pu__shapes *s) {
    PU_TRY(check_conv_dense(s, &s->in[0], &s->in[1]));
    const int64_t outputs = s->in[1].dim[2];
    if (!is_vector(&s->in[2], outputs)) return bad_shapes(s, "bias is [O]");
    for (int i = 0; i < s->out_count; ++i) s->out[i] = PU_SHAPE3(s->in[0].dim[0], s->in[0].dim[1], outputs);
    return PU_OK;
}

pu_status pu__infer_conv_dense_grad(const pu__shapes *s) {
    PU_TRY(check_conv_dense(s, &s->in[1], &s->in[2]));
    const pu_shape y = PU_SHAPE3(s->in[1].dim[0], s->in[1].dim[1], s->in[2].dim[2]);
    if (!pu__shape_equal(&s->in[0], &y)) return bad_shapes(s, "dz is [B,T,O]");
    s->out[0] = s->in[1];
    s->out[1] = s->in[2];
    s->out[2] = vector(s->in[2].dim[2]);
    return PU_OK;
}

/* The layer's parameters, from log_step on; C channels. */
static pu_status check_s4(const pu__shapes *s, const pu_shape *parameter, int64_t channels) {
    const pu_shape *rate = parameter + 1, *weight = parameter + 3;
    if (!is_vector(&parameter[0], channels) || rate->rank != 2 || rate->dim[1] != channels || rate->dim[0] < 1 ||
        !pu__shape_equal(rate, &parameter[2]) || weight->rank != 2 || weight->dim[0] != 2 * rate->dim[0] ||
        weight->dim[1] != channels || !is_vector(&parameter[4], channels)) {
        return bad_shapes(s,
                          "log_step and skip are [C], rate and frequency [N,C] with N at least 1, weight [2N,C]");
    }
    if ((unsigned)s->attributes->s4.discretisation > PU_S4_BILINEAR ||
        (unsigned)s->attributes->s4.form > PU_S4_BLOCKS) {
        return pu_fail(PU_ERR_ARGUMENT, "s4: discretisation %d or form %d is not known",
                       (int)s->attributes->s4.discretisation, (int)s->attributes->s4.form);
    }
    return PU_OK;
}

pu_status pu__infer_s4(const pu__shapes *s) {
    if (s->in[0].rank != 3) return bad_shapes(s, "u is [B,T,C]");
    PU_TRY(check_s4(s, s->in + 1, s->in[0].dim[2]));
    s->out[0] = s->in[0];
    return PU_OK;
}

pu_status pu__infer_s4_grad(const pu__shapes *s) {
    if (s->in[1].rank != 3 || !pu__shape_equal(&s->in[0], &s->in[1])) return bad_shapes(s, "dy and u are [B,T,C]");
    PU_TRY(check_s4(s, s->in + 2, s->in[1].dim[2]));
    for (int i = 0; i < 6; ++i) s->out[i] = s->in[1 + i];
    return PU_OK;
}

pu_status pu__infer_s4_step(const pu__shapes *s) {
    if (s->in[0].rank != 2) return bad_shapes(s, "u is [B,C]");
    PU_TRY(check_s4(s, s->in + 2, s->in[0].dim[1]));
    const pu_shape state = PU_SHAPE3(s->in[0].dim[0], s->in[5].dim[0], s->in[0].dim[1]);
    if (!pu__shape_equal(&s->in[1], &state)) return bad_shapes(s, "state is [B,2N,C]");
    s->out[0] = s->in[0];
    s->out[1] = s->in[1];
    return PU_OK;
}

pu_status pu__infer_scan(const pu__shapes *s) {
    if (s->in[0].rank != 3) return bad_shapes(s, "all are [B,T,C]");
    for (int i = 1; i < s->in_count; ++i) {
        if (!pu__shape_equal(&s->in[0], &s->in[i])) return bad_shapes(s, "all are [B,T,C]");
    }
    for (int i = 0; i < s->out_count; ++i) s->out[i] = s->in[0];
    return PU_OK;
}

pu_status pu__infer_window_norm(const pu__shapes *s) {
    if (s->in[0].rank != 2 || s->in[1].rank != 1) {
        return bad_shapes(s, "bars is [R,F] and start [B]");
    }
    const int window = s->attributes->window_norm.window_bars, warmup = s->attributes->window_norm.warmup_bars;
    const float clip = s->attributes->window_norm.clip, epsilon = s->attributes->window_norm.epsilon;
    if (window < 1 || warmup < 0 || !(clip > 0.0f) || !(epsilon > 0.0f)) {
        return pu_fail(
            PU_ERR_ARGUMENT,
            "window_norm: window %d must be at least 1, warm-up %d not negative, clip %g and epsilon %g "
            "positive",
            window, warmup, (double)clip, (double)epsilon);
    }
    s->out[0] = PU_SHAPE3(s->in[1].dim[0], window, s->in[0].dim[1]);
    return PU_OK;
}

static pu_status check_loss_attributes(const pu_attributes *attributes) {
    const int quantiles = attributes->loss.quantiles;
    if ((unsigned)attributes->loss.kind > PU_LOSS_HUBER || attributes->loss.horizons < 1) {
        return pu_fail(PU_ERR_ARGUMENT, "loss: kind %d with %d horizons is not known", (int)attributes->loss.kind,
                       attributes->loss.horizons);
    }
    if (attributes->loss.kind != PU_LOSS_PINBALL) {
        if (quantiles != 1)
            return pu_fail(PU_ERR_ARGUMENT, "loss: only pinball has quantiles, set them to 1 (got %d)", quantiles);
        if (attributes->loss.kind == PU_LOSS_HUBER && !(attributes->loss.huber_delta > 0.0f)) {
            return pu_fail(PU_ERR_ARGUMENT, "loss: Huber delta %g must be positive",
                           (double)attributes->loss.huber_delta);
        }
        return PU_OK;
    }
    if (quantiles < 1 || quantiles > PU_MAX_QUANTILES) {
        return pu_fail(PU_ERR_ARGUMENT, "loss: %d quantiles must be 1 to %d", quantiles, (int)PU_MAX_QUANTILES);
    }
    for (int q = 0; q < quantiles; ++q) {
        const float tau = attributes->loss.quantile[q];
        if (!(tau > 0.0f && tau < 1.0f))
            return pu_fail(PU_ERR_ARGUMENT, "loss: quantile %g must be in (0, 1)", (double)tau);
    }
    return PU_OK;
}

static pu_status check_loss(const pu__shapes *s, const pu_shape *value) {
    PU_TRY(check_loss_attributes(s->attributes));
    const pu_shape *prediction = value, *target = value + 1, *weight = value + 2;
    const int64_t h = s->attributes->loss.horizons, q = s->attributes->loss.quantiles;
    if (prediction->rank != 2 || prediction->dim[1] != h * q || target->rank != 2 || target->dim[1] != h ||
        target->dim[0] != prediction->dim[0] || !pu__shape_equal(target, weight)) {
        return bad_shapes(s, "prediction is [N,H*Q], target and weight [N,H]");
    }
    return PU_OK;
}

pu_status pu__infer_loss(const pu__shapes *s) {
    PU_TRY(check_loss(s, s->in));
    s->out[0] = s->out[1] = vector(1);
    return PU_OK;
}

pu_status pu__infer_loss_grad(const pu__shapes *s) {
    PU_TRY(check_loss(s, s->in + 1));
    if (!is_vector(&s->in[0], 1) || !is_vector(&s->in[4], 1)) {
        return bad_shapes(s, "dloss and count are [1]");
    }
    s->out[0] = s->in[1];
    return PU_OK;
}

/* Weights, returns and, where there is a third, volumes. */
static pu_status check_pnl(const pu__shapes *s, const pu_shape *weight, int count) {
    const pu_pnl_rules *rules = &s->attributes->pnl;
    const struct {
        const char *name;
        double value, most;
    } ratio[] = {{"half_spread_ratio", rules->half_spread_ratio, 1.0},
                 {"slippage_ratio", rules->slippage_ratio, 1.0},
                 {"fee_ratio", rules->fee_ratio, 1.0},
                 {"impact_ratio", rules->impact_ratio, 100.0},
                 {"funding_ratio", rules->funding_ratio, 1.0},
                 {"borrow_ratio", rules->borrow_ratio, 1.0}};
    for (size_t i = 0; i < sizeof ratio / sizeof ratio[0]; ++i) {
        if (ratio[i].value >= 0.0 && ratio[i].value <= ratio[i].most) continue;
        return pu_fail(PU_ERR_ARGUMENT, "%s: %s %g is not in [0, %g]", pu_op_name(s->op), ratio[i].name,
                       ratio[i].value, ratio[i].most);
    }
    if (rules->latency_bars < 0 || rules->latency_bars > PU_PNL_LATENCY_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: a latency of %d bars is not in [0, %d]", pu_op_name(s->op),
                       rules->latency_bars, (int)PU_PNL_LATENCY_MAX);
    }
    for (int i = 0; i < count; ++i) {
        if (weight->rank != 3 || !pu__shape_equal(weight, &weight[i]))
            return bad_shapes(s, "weights, returns and volumes are [B,T,A]");
    }
    return PU_OK;
}

pu_status pu__infer_pnl(const pu__shapes *s) {
    PU_TRY(check_pnl(s, s->in, s->in_count));
    s->out[0] = s->out[1] = PU_SHAPE2(s->in[0].dim[0], s->in[0].dim[1]);
    s->out[2] = PU_SHAPE2(s->in[0].dim[0], PU_PNL_PAID_COUNT);
    return PU_OK;
}

pu_status pu__infer_pnl_grad(const pu__shapes *s) {
    PU_TRY(check_pnl(s, s->in + 2, s->in_count - 2));
    const pu_shape bars = PU_SHAPE2(s->in[2].dim[0], s->in[2].dim[1]);
    if (!pu__shape_equal(&s->in[0], &bars) || !pu__shape_equal(&s->in[1], &bars))
        return bad_shapes(s, "dnet and dequity are [B,T]");
    for (int i = 0; i < s->out_count; ++i) s->out[i] = s->in[2];
    return PU_OK;
}

pu_status pu__infer_sum_squares(const pu__shapes *s) {
    s->out[0] = vector(1);
    return PU_OK;
}

pu_status pu__infer_adamw(const pu__shapes *s) {
    const int64_t count = pu__count(&s->in[0]);
    for (int i = 0; i < 4; ++i) {
        if (!is_vector(&s->in[i], count)) return bad_shapes(s, "four vectors of one length come first");
    }
    if (!is_vector(&s->in[4], 1) || !is_vector(&s->in[5], 8)) {
        return bad_shapes(s, "the sum of squares is [1] and hyper [8]");
    }
    if (s->attributes->adamw.decay_count < 0 || s->attributes->adamw.decay_count > count) {
        return pu_fail(PU_ERR_ARGUMENT, "adamw: decay count %lld is not in [0, %lld]",
                       (long long)s->attributes->adamw.decay_count, (long long)count);
    }
    s->out[0] = s->out[1] = s->out[2] = s->in[0];
    s->out[3] = vector(4);
    return PU_OK;
}
