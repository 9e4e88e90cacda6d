/* Layer normalisation over the last dimension (Ba, Kiros, Hinton 2016, eq. 4), alone and of a residual stream to which
 * a branch is added on the way.
 *
 *  LAYER_NORM       in x[N,C], gain[C], bias[C]        out y[N,C], mean[N], rstd[N]
 *  LAYER_NORM_GRAD  in dy, x, gain, mean, rstd         out dx[N,C], dgain[C], dbias[C]
 *  ADD_LAYER_NORM   in x[N,C], branch[N,C], gain[C], bias[C], clock u64[2]?
 *                   out y[N,C], sum[N,C], mean[N], rstd[N]
 *  ADD_LAYER_NORM_GRAD  in dy, dsum, sum, gain, mean, rstd, clock?
 *                   out dx[N,C], dgain[C], dbias[C], dbranch[N,C] with a clock
 *
 * Formula: mean and population variance of a row, the variance from deviations (two passes: features may have a
 * large mean); rstd = 1 / sqrt(variance + epsilon); h = (x - mean) rstd; y = gain h + bias.
 * Gradient: with e = dy gain: dx = rstd (e - mean_c(e) - h mean_c(e h)); dgain = sum_n dy h; dbias = sum_n dy.
 * ADD_LAYER_NORM: sum = x + dropout(branch), dropout as kernels/elementwise/elementwise.h defines it over the
 * elements of branch, the identity without a clock; y, mean and rstd are LAYER_NORM's of sum. With dsum, the gradient
 * that the other readers of sum send back: dx = dsum + LAYER_NORM_GRAD's dx, dbranch = dropout(dx), which without a
 * clock is dx and not written. On the CPU the bits are those of DROPOUT, ADD and LAYER_NORM one after the other.
 * Layout: dense, row-major; leading dimensions are rows. No aliasing. Outputs are overwritten (dgain and dbias
 * too). N = 0 gives dgain = dbias = 0.
 * Workspace: the gradients only, partial dgain and dbias.
 * Determinism: rows are independent; dgain and dbias are added in an order that depends on N and C only.
 * Floor: forward 4 (2 N C) bytes and about 8 N C flops; backward 4 (3 N C) bytes and about 14 N C flops.
 * Fused: forward 4 (4 N C) bytes, against 7 N C of the chain with dropout; backward 4 (5 N C), against 8 N C. */
#ifndef PU_KERNELS_LAYER_NORM_LAYER_NORM_H
#define PU_KERNELS_LAYER_NORM_LAYER_NORM_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__layer_norm_cpu(const pu__call *call);
pu_status pu__layer_norm_cuda(const pu__call *call);
pu_status pu__add_layer_norm_cpu(const pu__call *call);
pu_status pu__add_layer_norm_cuda(const pu__call *call);
pu_status pu__layer_norm_grad_cpu(const pu__call *call);
pu_status pu__layer_norm_grad_cuda(const pu__call *call);
pu_status pu__add_layer_norm_grad_cpu(const pu__call *call);
pu_status pu__add_layer_norm_grad_cuda(const pu__call *call);
size_t pu__layer_norm_grad_workspace_cpu(const pu__call *call);
size_t pu__layer_norm_grad_workspace_cuda(const pu__call *call);
size_t pu__add_layer_norm_grad_workspace_cpu(const pu__call *call);
size_t pu__add_layer_norm_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
