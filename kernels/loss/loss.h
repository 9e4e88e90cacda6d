/* Weighted mean loss over rows, horizons and quantiles.
 *
 *  LOSS       in prediction[N,H*Q], target[N,H], weight[N,H]        out loss[1], count[1]     attributes loss
 *  LOSS_GRAD  in dloss[1], prediction, target, weight, count[1]     out dprediction[N,H*Q]
 *
 * Column h*Q + q is quantile q of horizon h. e = target - prediction.
 * Pinball (Koenker & Bassett 1978): l = (1/Q) sum_q max(tau_q e, (tau_q - 1) e). MSE: e^2.
 * Huber (1964): e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2). MSE and Huber have Q = 1.
 * loss = sum w l / sum w, count = sum w; both sums in double or a fixed-order tree; loss = 0 when count = 0.
 * A weight of 0 masks: its target and prediction are not looked at (they may be NaN), its gradient is 0. Any other
 * NaN gives a NaN loss.
 * Gradient: dloss w / count dl/dprediction, 0 when count is 0. Pinball: dl = -tau_q / Q where e >= 0, else
 * (1 - tau_q) / Q. MSE: -2 e. Huber: -clamp(e, -delta, delta).
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. Workspace: LOSS only, partial sums.
 * Determinism: an order of addition that depends on the shape only.
 * Floor: bytes of the tensors, 4 N H (Q + 2) forward, 4 N H (2 Q + 2) backward. */
#ifndef PU_KERNELS_LOSS_LOSS_H
#define PU_KERNELS_LOSS_LOSS_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__loss_cpu(const pu__call *call);
pu_status pu__loss_cuda(const pu__call *call);
pu_status pu__loss_grad_cpu(const pu__call *call);
pu_status pu__loss_grad_cuda(const pu__call *call);
size_t pu__loss_workspace_cpu(const pu__call *call);
size_t pu__loss_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
