/* S4D: a linear state-space layer with a complex diagonal state matrix, one per channel (Gu et al. 2022,
 * arXiv 2206.11893, section 3; N complex states stand for 2N real ones, conjugate pairs).
 *
 *  S4       in u[B,T,C], log_step[C], rate[N,C], frequency[N,C], weight[2N,C], skip[C]     out y[B,T,C]
 *  S4_GRAD  in dy[B,T,C], u, log_step, rate, frequency, weight, skip
 *           out du, dlog_step, drate, dfrequency, dweight, dskip
 *  S4_STEP  in u[B,C], state[B,2N,C], log_step, rate, frequency, weight, skip   out y[B,C], state
 *
 * Formula, per channel: step h = exp(log_step); A_n = -exp(rate_n) + i frequency_n; C_n = weight[n] + i
 * weight[N+n].
 *  zero-order hold:  a_n = exp(h A_n),                    b_n = (a_n - 1) / A_n; by its series where h A_n is small
 *  bilinear:         a_n = (1 + h A_n/2) / (1 - h A_n/2), b_n = h / (1 - h A_n/2)
 *  x_n(t) = a_n x_n(t-1) + u(t), x_n(-1) = 0;  y(t) = 2 Re sum_n C_n b_n x_n(t) + skip u(t).
 * The same as a convolution: y(t) = sum_{k <= t} K(k) u(t-k), K(k) = 2 Re sum_n C_n b_n a_n^k, K(0) += skip.
 * Gradient: with m_n(t) = a_n m_n(t+1) + 2 dy(t): du(t) = Re sum_n C_n b_n m_n(t) + skip dy(t), and the slopes of
 * C_n b_n and a_n are sum_t u(t) m_n(t) and C_n b_n sum_t m_n(t) x_n(t-1); the parameters follow by the chain
 * rule.
 *
 * attributes.s4: discretisation; form: PU_S4_SCAN carries the states; PU_S4_CONVOLUTION multiplies by K, T^2;
 * PU_S4_BLOCKS does so within blocks of 64 bars and goes from block to block by Fourier transforms, for long windows
 * (on CUDA, where it is not written, it is PU_S4_CONVOLUTION); PU_S4_AUTO takes, on the CPU as measured
 * (s4_cpu.c), the convolution up to about 256 bars and 10 N, blocks where N is large, and the scan otherwise; on CUDA,
 * where nothing was timed yet, by the operations counted below, the convolution up to 6 N and 192 bars. a_n and b_n are
 * computed in double. Layout: dense, row-major; the last dimension is the channel, so that neighbouring channels are
 * neighbouring lanes. No aliasing. Outputs are overwritten. B = 0 or T = 0 gives zero parameter gradients.
 * On CUDA the scan of windows of more than 64 bars (backward: from 192 on) is also cut in time where B C lanes, N/8
 * lanes forward and N/4 backward (rounded up to a power of two, 32 at most), are 32768 threads or fewer: half of what
 * fills a GPU, a rule by counts that no GPU has judged yet. Chunks are scanned from zero, their states carried from one
 * to the next, and the bars run through again from the true ones. Chunks have 64 bars forward; backward they are as
 * many as fill a GPU, of 64 bars or more each.
 * Workspace on CUDA, where time is cut: about N/32 floats for each of u forward, up to (N + 1/8)/8 backward.
 * Determinism: a fixed order, no atomics; y(t) depends on u up to t only and its bits do not change when T grows
 * (within one form). On CUDA they do depend on B, C and N, which decide whether time is cut, but not on the GPU.
 * Floor: bytes 4 (2 B T C) forward and 4 (3 B T C) backward; the scan 12 B T C N flops forward and 28 backward, cut
 * in time 20 and 44, for 128 + T/64 bars in sequence instead of T forward; the convolution B C T^2 forward and
 * 3 B C T^2 backward; blocks about B C T (115 + T/16) forward and B C T (140 + T/8) backward. */
#ifndef PU_KERNELS_S4_S4_H
#define PU_KERNELS_S4_S4_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__s4_cpu(const pu__call *call);
pu_status pu__s4_cuda(const pu__call *call);
pu_status pu__s4_grad_cpu(const pu__call *call);
pu_status pu__s4_grad_cuda(const pu__call *call);
pu_status pu__s4_step_cpu(const pu__call *call);
pu_status pu__s4_step_cuda(const pu__call *call);
size_t pu__s4_workspace_cpu(const pu__call *call);
size_t pu__s4_workspace_cuda(const pu__call *call);
size_t pu__s4_grad_workspace_cpu(const pu__call *call);
size_t pu__s4_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
