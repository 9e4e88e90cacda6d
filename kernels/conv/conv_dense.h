/* Dense causal convolution over time: every output channel sees every input channel (van den Oord et al. 2016, section
 * 2.1).
 *
 *  CONV_DENSE       in x[B,T,I], w[K,I,O], bias[O]   out y[B,T,O], z[B,T,O]?        attributes conv, one group
 *  CONV_DENSE_GRAD  in dz[B,T,O], x, w               out dx, dw[K,I,O], dbias[O]
 *
 * Formula: y = act(z), z[b,t,o] = bias[o] + sum_{k < K, i < I} x[b, t - k d, i] w[k,i,o], terms with t - k d < 0 are
 * zero; K = kernel_bars, d = dilation[0] >= 1. z is written only when a second output exists. I = 0 gives act(bias).
 * Gradient, of the pre-activation (ACT_GRAD comes before): dx[b,t,i] = sum_{k,o} dz[b, t + k d, o] w[k,i,o] within the
 * window; dw[k,i,o] = sum_{b,t} dz[b,t,o] x[b, t - k d, i]; dbias[o] = sum_{b,t} dz[b,t,o].
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. B = 0 or T = 0 gives dw = dbias = 0.
 * Workspace: CPU, packed weights; backward also partial sums of dw and dbias (CPU and CUDA).
 * Determinism: an element of y or dx is one chain over k, then channels; of dw and dbias one over bars, cut into parts
 * that depend on the shape only. A row of y does not depend on T or on other rows.
 * Floor: forward 2 K B T I O flops, 4 (B T (I + O) + K I O) bytes; backward twice the flops, 4 (B T (2 I + O)) bytes.
 *
 * CUDA, why one product by hand and not K products by cuBLASLt that add up: those read and write y K times and x K
 * times, 4 B T (K I + (2 K - 1) O) bytes; at I = O = 128 and K = 3 that is four times the floor, and 43 flops a byte
 * against 2 K I O / (4 (I + O)) = 96. Both stay above the 14 to 20 flops a byte where float32 on an H100 or H200 turns
 * from memory to arithmetic, so the library would be no worse by bytes of HBM alone; but its K products are K launches
 * of an inner length of only I, whose first and last stages are not overlapped, and windows must not run into each
 * other, which makes each a batch of B small products. One kernel over k and i keeps its sums in registers for K I
 * steps and starts once. */
#ifndef PU_KERNELS_CONV_CONV_DENSE_H
#define PU_KERNELS_CONV_CONV_DENSE_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__conv_dense_cpu(const pu__call *call);
pu_status pu__conv_dense_cuda(const pu__call *call);
pu_status pu__conv_dense_grad_cpu(const pu__call *call);
pu_status pu__conv_dense_grad_cuda(const pu__call *call);
size_t pu__conv_dense_workspace_cpu(const pu__call *call);
size_t pu__conv_dense_grad_workspace_cpu(const pu__call *call);
size_t pu__conv_dense_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
