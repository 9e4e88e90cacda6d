/* Depthwise causal convolution over time, one dilation per group of channels (van den Oord et al. 2016, section
 * 2.1).
 *
 *  CONV       in x[B,T,C], w[K,C], bias[C]     out y[B,T,C], z[B,T,C]?   attributes conv
 *  CONV_GRAD  in dz[B,T,C], x, w               out dx, dw[K,C], dbias[C]
 *
 * Formula: y = act(z), z[b,t,c] = bias[c] + sum_{k < K} w[k,c] x[b, t - k d(c), c], terms with t - k d(c) < 0 are
 * left out; K = kernel_bars, d(c) = dilation[c / (C / groups)] >= 1. Tap 0 is the present bar, so nothing after t is
 * read. z is written only when a second output exists.
 * Gradient, of the pre-activation (ACT_GRAD comes before): dx[b,t,c] = sum_k w[k,c] dz[b, t + k d(c), c] within the
 * window; dw[k,c] = sum_{b,t} dz[b,t,c] x[b, t - k d(c), c]; dbias[c] = sum_{b,t} dz[b,t,c].
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. B = 0 or T = 0 gives dw = dbias = 0.
 * Workspace: CONV_GRAD only, partial dw and dbias.
 * Determinism: taps are added in order of k; dw and dbias in an order that depends on the shape only.
 * Floor: forward 4 (2 B T C) bytes, 2 K B T C flops; backward 4 (3 B T C) bytes, 4 K B T C flops. */
#ifndef PU_KERNELS_CONV_CONV_H
#define PU_KERNELS_CONV_CONV_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__conv_cpu(const pu__call *call);
pu_status pu__conv_cuda(const pu__call *call);
pu_status pu__conv_grad_cpu(const pu__call *call);
pu_status pu__conv_grad_cuda(const pu__call *call);
size_t pu__conv_grad_workspace_cpu(const pu__call *call);
size_t pu__conv_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
