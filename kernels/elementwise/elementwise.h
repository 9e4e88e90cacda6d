/* Element by element: activations, sums, products, gates, dropout; and the sum over leading dimensions.
 *
 *  ACT          in x                        out y     y = act(x), the functions of pu_act
 *  ACT_GRAD     in dy, x                    out dx    dx = dy act'(x); x is the pre-activation; RELU' (0) = 0
 *  ADD          in a, b                     out y     y = a + b
 *  MUL          in a, b                     out y     y = a * b
 *  AFFINE       in x                        out y     y = scale x + shift
 *  GLU          in x[N,2C]                  out y[N,C]    y = x[:, :C] act(x[:, C:]) (Dauphin et al. 2017, eq. 1; Shazeer 2020 for other gates)
 *  GLU_GRAD     in dy[N,C], x[N,2C]         out dx[N,2C]  dx[:, :C] = dy act(g), dx[:, C:] = dy a act'(g)
 *  DROPOUT      in x, clock u64[2]          out y     clock = {seed, step}; element i is kept iff uniform24(word i % 4 of Philox(seed, i / 4,
 *                                                     tag << 40 | step)) >= rate, and then times 1 / (1 - rate). step < 2^40. rate in [0, 1).
 *  SUM_LEADING  in x[..., S]                out y[S]  y[s] = sum of x over everything but the trailing dimensions that y has; count(x) = L S
 *
 * ADD and MUL: b has a's shape or is a suffix of it, a[i] meets b[i % count(b)]. Leading dimensions of GLU's tensors are rows.
 * GELU is the tanh form of ops.h, SILU is x sigmoid(x). NaN stays NaN in every op (RELU of NaN is NaN); a dropped element is 0 even if x is NaN.
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. An empty sum is 0.
 * Workspace: SUM_LEADING only (partial sums). The mask of DROPOUT is recomputed in the backward pass, never stored.
 * Determinism: SUM_LEADING adds in an order that depends on the shape only; the rest has nothing to order.
 * Floor: bytes of the tensors named: 4 (in + out). Activations cost one exp each, DROPOUT a quarter Philox (20 multiplies) per element. */
#ifndef PU_KERNELS_ELEMENTWISE_ELEMENTWISE_H
#define PU_KERNELS_ELEMENTWISE_ELEMENTWISE_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__act_cpu(const pu__call *call);
pu_status pu__act_cuda(const pu__call *call);
pu_status pu__act_grad_cpu(const pu__call *call);
pu_status pu__act_grad_cuda(const pu__call *call);
pu_status pu__add_cpu(const pu__call *call);
pu_status pu__add_cuda(const pu__call *call);
pu_status pu__mul_cpu(const pu__call *call);
pu_status pu__mul_cuda(const pu__call *call);
pu_status pu__affine_cpu(const pu__call *call);
pu_status pu__affine_cuda(const pu__call *call);
pu_status pu__glu_cpu(const pu__call *call);
pu_status pu__glu_cuda(const pu__call *call);
pu_status pu__glu_grad_cpu(const pu__call *call);
pu_status pu__glu_grad_cuda(const pu__call *call);
pu_status pu__dropout_cpu(const pu__call *call);
pu_status pu__dropout_cuda(const pu__call *call);
pu_status pu__sum_leading_cpu(const pu__call *call);
pu_status pu__sum_leading_cuda(const pu__call *call);
size_t pu__sum_leading_workspace_cpu(const pu__call *call);
size_t pu__sum_leading_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
