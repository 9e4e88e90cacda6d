/* Causal multi-head attention over windows, with optional rotary positions and span (Vaswani et al. 2017, eq. 1;
 * computed tile by tile as in Dao et al. 2022, algorithm 1).
 *
 *  ATTENTION       in qkv[B,T,3*H*D]                     out y[B,T,H*D], lse[B,H,T]     attributes attention
 *  ATTENTION_GRAD  in dy[B,T,H*D], qkv, y, lse           out dqkv[B,T,3*H*D]
 *
 * Order in the last dimension of qkv: part (q, k, v), head, D. D is even, 8 to 128.
 * Rotary: when rotary_base > 0 the pairs (2i, 2i+1) of q and k at bar t turn by the angle t base^(-2i/D): (a, b)
 * -> (a cos - b sin, a sin + b cos) (Su et al. 2021, eq. 34). The angle is reduced in double, or by a float sincos
 * of full accuracy. v does not turn.
 * Scores: s(t, u) = rot(q_t) . rot(k_u) / sqrt(D) for u <= t and, when span > 0, t - u < span. p = softmax over u.
 * y_t = sum_u p(t, u) v_u, lse(t) = log sum_u exp s(t, u).
 * Gradient: p recomputed as exp(s - lse); delta_t = dy_t . y_t; ds = p (dy_t . v_u - delta_t) / sqrt(D);
 * dq_rot = sum_u ds k_rot and dk_rot = sum_t ds q_rot, both turned back by the transposed rotation;
 * dv_u = sum_t p dy_t.
 * Layout: dense, row-major. No aliasing. Outputs are overwritten.
 * Workspace: as the backend needs (CPU: rotary angles, and packed copies of one head per thread of the call's
 * pool). Determinism: a fixed order per (b, h), no atomics; a row of y depends on rows u <= t only, and its bits
 * do not change when later bars do or when T grows.
 * Floor: with P pairs (t, u) seen, about B H T^2 / 2: forward 4 D P flops and P exp, backward 10 D P flops and P
 * exp; bytes 4 B T H D 4 forward, 4 B T H D 8 backward. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_H
#define PU_KERNELS_ATTENTION_ATTENTION_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__attention_cpu(const pu__call *call);
pu_status pu__attention_cuda(const pu__call *call);
pu_status pu__attention_grad_cpu(const pu__call *call);
pu_status pu__attention_grad_cuda(const pu__call *call);
size_t pu__attention_workspace_cpu(const pu__call *call);
size_t pu__attention_grad_workspace_cpu(const pu__call *call);
size_t pu__attention_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
