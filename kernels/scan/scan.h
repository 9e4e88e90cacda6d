/* First-order linear recurrence over time, element by element.
 *
 *  SCAN       in a[B,T,C], x[B,T,C]             out h[B,T,C]
 *  SCAN_GRAD  in dh[B,T,C], a, h                out da, dx
 *
 * Formula: h(t) = a(t) h(t-1) + x(t), h(-1) = 0. Gradient: g(t) = dh(t) + a(t+1) g(t+1); dx = g, da(t) = g(t)
 * h(t-1). Layout: dense, row-major. No aliasing. Outputs are overwritten.
 * Determinism: a fixed order (that of time on the CPU, runs of 16 bars joined in order on CUDA); h(t) depends on
 * what is up to t only, and its bits do not change when T grows.
 * Floor: forward 4 (3 B T C) bytes, backward 4 (5 B T C); 2 and 3 flops an element. */
#ifndef PU_KERNELS_SCAN_SCAN_H
#define PU_KERNELS_SCAN_SCAN_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__scan_cpu(const pu__call *call);
pu_status pu__scan_cuda(const pu__call *call);
pu_status pu__scan_grad_cpu(const pu__call *call);
pu_status pu__scan_grad_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
