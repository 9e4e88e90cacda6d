/* The account of kernels/physics as an operation with a gradient: what weights earn over the bars of a window, costs
 * included. The same step functions as in the backtest and the path simulator, in double, so that the same prices and
 * weights give the same equity.
 *
 *  PNL       in weight[B,T,A], return[B,T,A], volume[B,T,A]?              out net[B,T], equity[B,T], paid[B,6]
 *  PNL_GRAD  in dnet[B,T], dequity[B,T], weight, return, volume?          out dweight[B,T,A], dreturn[B,T,A]?
 *
 * weight(t): share of equity decided at the close of the asset's bar t; NaN: no order, the position drifts. return(t):
 * simple return from the asset's last bar to bar t; NaN: no bar now, so the asset neither earns, decides nor trades,
 * and its next return covers the gap. The return of an asset's first bar moves nothing: it may be any number but NaN.
 * volume(t): traded value of the bar in units of the starting equity; 0 or NaN: unknown, no impact.
 *
 * Equity starts at 1. With E = equity(t-1), v = an asset's value after the fills of t-1, u = the weight that falls due
 * (decided latency_bars of the asset's own bars ago), at each t:
 *     marked    M = E + sum v r - funding_ratio max(0, sum v - E) - borrow_ratio sum max(0, -v)
 *     order     n = u M - v (1 + r), where u is one
 *     cost      C = sum |n| (half_spread_ratio + slippage_ratio + fee_ratio + impact_ratio sqrt(|n| / volume))
 *     equity(t) = M - C, net(t) = equity(t) / E - 1
 * Where M or M - C is not above 0, the account is ruined: net is -1 then and 0 afterwards, equity stays 0. paid: sums
 * over the window in the order of pu_pnl_paid, in units of the starting equity.
 *
 * Objectives are built on net: means, deviations and tails of it are what Sharpe, Sortino and CVaR take, it is bounded
 * below by -1 and adds no scale of its own, and log utility is the sum of log(1 + net). A log-return would be -infinity
 * at a ruin.
 *
 * Gradient: of sum(dnet net + dequity equity) by weight and return. |n| has the slope sign(n), 0 at 0; max(0, x) the
 * slope 0 at 0. An entry without effect has the gradient 0: a weight that is NaN, that stands where there is no bar,
 * or that would fall due after the window; all from the bar of a ruin on. physics.h's no-trade band, limits and partial
 * fills have no useful slope and are not offered. volume and paid have no gradient.
 * PNL_GRAD walks forward again, keeping positions in the workspace, and then backward: O(T) each.
 *
 * Layout: dense, row-major. No aliasing. Outputs are overwritten. Accounts are double, rounded to float at the end.
 * Determinism: a window is one sequential walk; sums over assets in their order on the CPU, in a tree that depends on A
 * on CUDA.
 * Floor: bytes of the tensors, 4 B T (2 A + 2) forward and 4 B T (3 A + 2) backward; the time of a walk on a GPU is
 * the chain of T bars. */
#ifndef PU_KERNELS_PNL_PNL_H
#define PU_KERNELS_PNL_PNL_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__pnl_cpu(const pu__call *call);
pu_status pu__pnl_cuda(const pu__call *call);
pu_status pu__pnl_grad_cpu(const pu__call *call);
pu_status pu__pnl_grad_cuda(const pu__call *call);
size_t pu__pnl_workspace_cpu(const pu__call *call);
size_t pu__pnl_workspace_cuda(const pu__call *call);
size_t pu__pnl_grad_workspace_cpu(const pu__call *call);
size_t pu__pnl_grad_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
