/* What is tested. The path kernel runs rule policies itself; for the others it executes weights that were decided here
 * from simulated bars, or calls back, so that costs, latency and limits are the same physics for all. Decisions of a
 * model do not depend on costs or latency: one pass over the bars serves all cells of a price scenario. */
#ifndef PU_HOST_STRESS_POLICY_H
#define PU_HOST_STRESS_POLICY_H

#include "host/stress/bars.h"
#include "plusultra/pool.h"

/* ---- a trained model ----
 *
 * The run's checkpoint/best. Prices do not depend on what it does, and it is causal: its forecasts over a path are
 * those of `predict` for a history that goes on with the path's bars, bit for bit, by the same features, windows and
 * forward passes; its weights those of a backtest there, by host/eval/positions. What a path shares with the others
 * (the features' states, the windows' past, what the sizing has learnt) is computed once. */
typedef struct pu__policy pu__policy;

/* Simulations begin at the market's last row and take `steps`; what the store holds behind that row is not seen.
 * configuration and market outlive the policy. All that can be wrong is found here: PU_ERR_NOT_FOUND without a
 * checkpoint; PU_ERR_CONFIG for one of another feature set, other windows or another model, and for a market without
 * the benchmark that a feature looks at; PU_ERR_DATA names the asset whose history is too short for a window, and the
 * feature whose input is out of date before the last step. */
pu_status pu__policy_open(const pu_config *config, const pu__market *market, int64_t steps, pu__policy **out);
void pu__policy_close(pu__policy *policy); /* accepts null */

/* weight [count][steps + 1][assets]: decided at each close; 0 for assets that are not traded. The same bits whatever
 * the batch and the threads; batches of 64 paths and more fill the forward passes. PU_ERR_DATA names path and bar of
 * a price that is none, or from which no feature can be had. PU_ERR_INTERRUPTED. One thread at a time. */
pu_status pu__policy_weights(pu__policy *policy, const pu__simulated *paths, double *weight);

/* ---- stored predictions ---- */

/* weight [rows - 1][assets] of the market: what the backtest decides at the close that log_return r leads to, from the
 * run's predictions over all of their times. For PU_POLICY_HISTORY_WEIGHTS. Rows without a prediction, and assets that
 * are not traded: 0. PU_ERR_DATA where no row has a prediction. */
pu_status pu__policy_history(const pu_config *config, const pu__market *market, double *weight);

#endif
