/* The optimiser step over the whole parameter block: global norm, clipping, AdamW (Loshchilov & Hutter 2019,
 * algorithm 2).
 *
 *  SUM_SQUARES  in x                                                     out y[1] = sum x^2
 *  ADAMW        in param[P], grad[P], m[P], v[P], sumsq[1], hyper[8]     out param, m, v, stats[4]
 *
 * hyper = {lr, beta1, beta2, epsilon, weight_decay, clip_norm (0: off), c1 = 1 - beta1^t, c2 = 1 - beta2^t}.
 * norm = sqrt(sumsq); factor = clip_norm / norm where clip_norm > 0 and norm > clip_norm, else 1.
 * g = factor grad; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 * param = param (1 - lr weight_decay, where index < decay_count) - lr (m / c1) / (sqrt(v / c2) + epsilon).
 * stats = {norm, factor, skipped, 0}. A norm that is not finite updates nothing: skipped = 1, factor = 0.
 * Layout: dense. Aliasing: out 0, 1, 2 are in 0, 2, 3 (the same addresses); stats alias nothing. P = 0 writes
 * stats only.
 * Workspace: SUM_SQUARES only, partial sums.
 * Determinism: SUM_SQUARES adds in double, in an order that depends on the count only; the update has nothing to
 * order.
 * Floor: SUM_SQUARES 4 P bytes; ADAMW 28 P bytes (4 read, 3 written), one square root and one division each. */
#ifndef PU_KERNELS_ADAMW_ADAMW_H
#define PU_KERNELS_ADAMW_ADAMW_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__sum_squares_cpu(const pu__call *call);
pu_status pu__sum_squares_cuda(const pu__call *call);
pu_status pu__adamw_cpu(const pu__call *call);
pu_status pu__adamw_cuda(const pu__call *call);
size_t pu__sum_squares_workspace_cpu(const pu__call *call);
size_t pu__sum_squares_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
