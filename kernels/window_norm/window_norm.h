/* Windows cut from a block of bars, each normalised causally.
 *
 *  WINDOW_NORM  in bars[R,F], start i32[B]     out y[B,T,F]     attributes window_norm
 *
 * W = warmup_bars, T = window_bars. For window b and feature f let x_r = bars[start[b] + r, f], r = 0 .. W+T-1.
 * y[b,t,f] uses rows r <= W + t only: over n = W + t + 1 rows, mean and population variance (Welford 1962, or sums
 * of deviations from x_0 in double: features may have a large mean),
 * y = clip((x_{W+t} - mean) / sqrt(variance + epsilon), -clip, clip).
 * A NaN at row r gives NaN from that bar on (the clip never hides it). A window that does not lie within the R
 * rows, start[b] < 0 or start[b] + W + T > R, is all NaN and reads nothing.
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. No workspace. No gradient: bars are data.
 * Determinism: every (b, f) is one sequential scan; a bar's output does not change when later bars do.
 * Floor: 4 B F (W + 2 T) bytes; about 8 flops in double and a square root per output. */
#ifndef PU_KERNELS_WINDOW_NORM_WINDOW_NORM_H
#define PU_KERNELS_WINDOW_NORM_WINDOW_NORM_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__window_norm_cpu(const pu__call *call);
pu_status pu__window_norm_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
