/* Softmax over the last dimension.
 *
 *  SOFTMAX       in x[N,C]              out y[N,C]    y = exp(x - max) / sum exp(x - max)
 *  SOFTMAX_GRAD  in dy[N,C], y[N,C]     out dx[N,C]   dx = y (dy - sum_c dy y)
 *
 * x may hold -inf (its y is 0) unless the whole row is -inf, which gives NaN, as does a row with NaN or +inf.
 * Layout: dense, row-major; leading dimensions are rows. No aliasing. Outputs are overwritten. No workspace.
 * Determinism: rows are independent, the order within a row is fixed.
 * Floor: forward 4 (2 N C) bytes and N C exp; backward 4 (3 N C) bytes. */
#ifndef PU_KERNELS_SOFTMAX_SOFTMAX_H
#define PU_KERNELS_SOFTMAX_SOFTMAX_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__softmax_cpu(const pu__call *call);
pu_status pu__softmax_cuda(const pu__call *call);
pu_status pu__softmax_grad_cpu(const pu__call *call);
pu_status pu__softmax_grad_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
