/* Multi-head attention over windows, with optional mask, span and rotary positions (Vaswani et al. 2017, eq. 1;
 * computed tile by tile as in Dao et al. 2022, algorithm 1).
 *
 *  ATTENTION             in qkv[B,T,3*H*D]                   out y[B,T,H*D], lse[B,H,T]     attributes attention
 *  ATTENTION_GRAD        in dy[B,T,H*D], qkv, y, lse         out dqkv[B,T,3*H*D]
 *  CROSS_ATTENTION       in q[B,Tq,H*D], kv[B,Tk,2*H*D]      out y[B,Tq,H*D], lse[B,H,Tq]
 *  CROSS_ATTENTION_GRAD  in dy[B,Tq,H*D], q, kv, y, lse      out dq, dkv
 *
 * Order in the last dimension: part (q, k, v or k, v), head, D. D is even, 8 to 128. The first two are the others with
 * q and kv in one tensor, Tq = Tk = T and offset 0; one implementation serves both.
 * Positions: key u stands at u, query t at t + offset; offset Tk - Tq puts the last query on the last key.
 * Rotary: when rotary_base > 0 the pairs (2i, 2i+1) of q and k at position n turn by the angle n base^(-2i/D): (a, b)
 * -> (a cos - b sin, a sin + b cos) (Su et al. 2021, eq. 34). The angle is reduced in double, or by a float sincos
 * of full accuracy. v does not turn.
 * Scores: s(t, u) = rot(q_t) . rot(k_u) / sqrt(D) for the keys that t sees. CAUSAL: u <= t + offset and, when span > 0,
 * t + offset - u < span. FULL: every u. Shapes by which a query would see no key are refused when the graph is built.
 * p = softmax over u. y_t = sum_u p(t, u) v_u, lse(t) = log sum_u exp s(t, u).
 * Gradient: p recomputed as exp(s - lse); delta_t = dy_t . y_t; ds = p (dy_t . v_u - delta_t) / sqrt(D);
 * dq_rot = sum_u ds k_rot and dk_rot = sum_t ds q_rot, both turned back by the transposed rotation;
 * dv_u = sum_t p dy_t.
 * Precision tf32, bf16: the factors of the products are rounded (kernels/common/rounding.h): rot(q), rot(k), v, dy, and
 * p and ds, p relative to a maximum of its row in the forward pass. Scale, softmax, lse, delta and all sums are f32.
 * CUDA computes these on matrix units (16 by 16 by 8 and 16, any GPU from sm_80 on), f32 on CUDA cores; in either it
 * has kernels for D of 16, 32, 48, ... 128, and fills up a head between these with zeros: D = 24 costs what 32 does.
 * One block holds a short window's keys and values, as far as the device's shared memory allows; longer ones go by
 * tiles. Which of the two it is changes no bit.
 * Layout: dense, row-major. No aliasing. Outputs are overwritten.
 * Workspace: as the backend needs (CPU: rotary angles, and packed copies of one head per thread of the call's
 * pool). Determinism: a fixed order per (b, h), no atomics. Under the causal mask a row of y depends on the keys up to
 * its own only, and its bits do not change when later bars do or when T grows.
 * A v that is not finite reaches the queries that see it; on CUDA in tf32 and bf16 it makes NaN of all their y and lse.
 * Gradients of what is not finite may reach the rows beside.
 * Floor: with P pairs (t, u) seen, about B H T^2 / 2 under the causal mask: forward 4 D P flops and P exp, backward
 * 10 D P flops and P exp; bytes 4 B T H D 4 forward, 4 B T H D 8 backward, of f32 in any precision. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_H
#define PU_KERNELS_ATTENTION_ATTENTION_H

#include <math.h>
#include <string.h>

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__attention_cpu(const pu__call *call);
pu_status pu__attention_cuda(const pu__call *call);
pu_status pu__attention_grad_cpu(const pu__call *call);
pu_status pu__attention_grad_cuda(const pu__call *call);
pu_status pu__cross_attention_cpu(const pu__call *call);
pu_status pu__cross_attention_cuda(const pu__call *call);
pu_status pu__cross_attention_grad_cpu(const pu__call *call);
pu_status pu__cross_attention_grad_cuda(const pu__call *call);
/* The head sizes that CUDA has kernels for, ascending, and those kernels (kernels/attention/heads), forward or backward
 * as the call's op says: `rows` in f32 whatever the precision, `units` in tf32 or else in bf16. They take the calls of
 * heads above the size before, whose outputs are not empty. */
#define PU__ATTENTION_HEADS(X) X(16) X(32) X(48) X(64) X(80) X(96) X(112) X(128)
#define PU__ATTENTION_HEAD(size)                                      \
    pu_status pu__attention_rows_##size##_cuda(const pu__call *call); \
    pu_status pu__attention_units_##size##_cuda(const pu__call *call);
PU__ATTENTION_HEADS(PU__ATTENTION_HEAD)
#undef PU__ATTENTION_HEAD
/* The CPU's for both ops. */
size_t pu__attention_workspace_cpu(const pu__call *call);
size_t pu__attention_grad_workspace_cpu(const pu__call *call);
size_t pu__attention_grad_workspace_cuda(const pu__call *call);
size_t pu__cross_attention_grad_workspace_cuda(const pu__call *call);

/* Either op, forward or backward, as rows of q, k and v: what both backends work on. Row t of head h of window b of q
 * begins at q + (b queries + t) q_stride + h size, of k at k + (b keys + u) kv_stride + h size; v and the gradients
 * likewise; y at y + ((b queries + t) heads + h) size. */
typedef struct pu__attention {
    int64_t batch, heads, size, queries, keys;
    int64_t q_stride, kv_stride;
    int64_t shift, span; /* query t sees key u when 0 <= t + shift - u < span, whatever the mask */
    int64_t offset;
    float scale, rotary_base; /* 1 / sqrt(D); 0: no positions */
    pu_precision precision;
    const float *q, *k, *v, *dy, *y, *lse;
    float *y_out, *lse_out, *dq, *dk, *dv;
} pu__attention;

static inline int pu__is_attention_grad(pu_op_id op) {
    return op == PU_OP_ATTENTION_GRAD || op == PU_OP_CROSS_ATTENTION_GRAD;
}

/* A part of a row; of nothing, where a dimension is 0, nothing. */
static inline const float *pu__part(const void *data, int64_t first) {
    return data ? (const float *)data + first : NULL;
}

/* Of a call of ATTENTION or CROSS_ATTENTION, or (backward) of the gradient of one. */
static inline pu__attention pu__attention_of(const pu__call *call, int backward) {
    const int cross = call->op == PU_OP_CROSS_ATTENTION || call->op == PU_OP_CROSS_ATTENTION_GRAD;
    const pu__view *q = &call->in[backward], *kv = &call->in[backward + cross];
    const pu_attributes *attributes = call->attributes;
    const int64_t heads = attributes->attention.heads, width = q->shape.dim[2] / (cross ? 1 : 3);
    pu__attention a;
    memset(&a, 0, sizeof a);
    a.batch = q->shape.dim[0];
    a.heads = heads;
    a.size = width / heads;
    a.queries = q->shape.dim[1];
    a.keys = kv->shape.dim[1];
    a.q_stride = q->shape.dim[2];
    a.kv_stride = kv->shape.dim[2];
    a.offset = attributes->attention.offset;
    a.shift = attributes->attention.mask == PU_ATTENTION_FULL ? a.keys - 1 : a.offset;
    a.span = attributes->attention.span;
    if (a.span == 0 || a.span > a.queries + a.shift) a.span = a.queries + a.shift;
    a.scale = 1.0f / sqrtf((float)a.size);
    a.rotary_base = attributes->attention.rotary_base;
    a.precision = attributes->attention.precision;
    a.q = (const float *)q->data;
    a.k = pu__part(kv->data, cross ? 0 : width);
    a.v = pu__part(kv->data, cross ? width : 2 * width);
    if (backward) {
        void *const dkv = call->out[cross].data;
        a.dy = (const float *)call->in[0].data;
        a.y = (const float *)call->in[2 + cross].data;
        a.lse = (const float *)call->in[3 + cross].data;
        a.dq = (float *)call->out[0].data;
        a.dk = (float *)pu__part(dkv, cross ? 0 : width);
        a.dv = (float *)pu__part(dkv, cross ? width : 2 * width);
    } else {
        a.y_out = (float *)call->out[0].data;
        a.lse_out = (float *)call->out[1].data;
    }
    return a;
}

#ifdef __cplusplus
}
#endif
#endif
