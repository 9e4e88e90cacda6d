/* Element by element: activations, sums, products, gates, dropout; and the sum over leading dimensions.
 *
 *  ACT          in x                    out y         y = act(x), the functions of pu_act
 *  ACT_GRAD     in dy, x                out dx        dx = dy act'(x); x is the pre-activation; RELU'(0) = 0
 *  ADD          in a, b                 out y         y = a + b
 *  MUL          in a, b                 out y         y = a * b
 *  AFFINE       in x                    out y         y = scale x + shift
 *  GLU          in x[N,2C]              out y[N,C]    y = x[:, :C] act(x[:, C:])
 *  GLU_GRAD     in dy[N,C], x[N,2C]     out dx[N,2C]  dx[:, :C] = dy act(g), dx[:, C:] = dy a act'(g)
 *  DROPOUT      in x, clock u64[2]      out y         y = x / (1 - rate) where kept, else 0
 *  SUM_LEADING  in x[..., S]            out y[S]      y[s] = sum of x over all but the dimensions that y has
 *
 * ADD and MUL: b has a's shape or is a suffix of it, a[i] meets b[i % count(b)].
 * GLU: a = x[:, :C], g = x[:, C:]; leading dimensions are rows (Dauphin et al. 2017, eq. 1; Shazeer 2020 for other
 * gates). GELU is the tanh form of ops.h, SILU is x sigmoid(x).
 * DROPOUT: clock = {seed, step}; element i is kept iff uniform24(word i % 4 of Philox(key seed, counter i / 4,
 * tag << 40 | step)) >= rate, and then multiplied by 1 / (1 - rate). step < 2^40, rate in [0, 1).
 * NaN stays NaN in every op (RELU of NaN is NaN); a dropped element is 0 even if x is NaN. An empty sum is 0.
 * Layout: dense, row-major. No aliasing. Outputs are overwritten.
 * Workspace: SUM_LEADING only (partial sums). The mask of DROPOUT is recomputed in the backward pass, never
 * stored. Determinism: SUM_LEADING adds in an order that depends on the shape only; the rest has nothing to order.
 * Floor: bytes of the tensors named: 4 (in + out). Activations cost one exp each, DROPOUT a quarter Philox (20
 * multiplies) per element. */
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
