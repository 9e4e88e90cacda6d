/* A strategy's weights through the physics, and the series that come out. */
#ifndef PU_HOST_EVAL_SIMULATE_H
#define PU_HOST_EVAL_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/eval/panel.h"
#include "kernels/physics/physics.h"

/* A fill. Times are rows of the panel. Weights are shares of the equity at the fill, before its costs. */
typedef struct pu__fill {
    int64_t asset, decided, filled;
    double price;
    double weight_before, weight_after;
    double cost_ratio;
} pu__fill;

/* Per asset, over the simulated times. Weights are those held after the fills of each time. */
typedef struct pu__asset_run {
    int64_t bars;
    double
        contribution; /* pnl less costs, in units of the starting equity; sums to the total return over assets */
    double mean_weight, mean_abs_weight;
    double turnover; /* sum of |traded| / equity */
    double hit_rate; /* bars with a gain over bars with a gain or a loss, before costs */
} pu__asset_run;

/* Point 0 is the start: equity 1, return 0. What is traded at the first time is paid in the first return, that of
 * point 1. So the returns of points 1 to times - 1 are all there is to measure, and their product is the final
 * equity. */
typedef struct pu__run {
    int64_t times, assets;
    double *equity, *returns; /* [times], costs included */
    double *gross, *net;      /* [times] sum of |weight| and of weight, after the fills */
    double *turnover;         /* [times] sum of |traded| / equity */
    double *cost;             /* [times] costs / equity */
    pu__asset_run *asset;     /* [assets] */
    pu__fill *fill;
    int64_t fill_count;
    double spread_paid, slippage_paid, fee_paid; /* in units of the starting equity */
    double traded;
    bool ruined;
    /* Mean length in bars of the runs of one sign of an asset's position; NaN when nothing was held. Runs open at
     * the end count as long as they lasted. */
    double average_holding_bars;
    double time_in_market; /* share of the times with a position */
} pu__run;

/* Simulates times [first, panel->times) with `weight` (panel's shape, see physics.h: NaN is no order). Free with
 * pu__run_free. */
pu_status pu__simulate(const pu__panel *panel, int64_t first, const double *weight, const pu__physics_rules *rules,
                       pu__run *out);
void pu__run_free(pu__run *run);

#endif
