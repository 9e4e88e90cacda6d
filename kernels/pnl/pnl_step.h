/* What the CPU and CUDA versions of the profit and loss share: the rules, and the chain rule at one bar. */
#ifndef PU_KERNELS_PNL_PNL_STEP_H
#define PU_KERNELS_PNL_PNL_STEP_H

#include <string.h>

#include "kernels/physics/slopes.h"
#include "kernels/pnl/pnl.h"

static inline pu__execution_rules pu__pnl_execution(const pu_pnl_rules *rules) {
    pu__execution_rules out;
    memset(&out, 0, sizeof out);
    out.physics.half_spread_ratio = rules->half_spread_ratio;
    out.physics.slippage_ratio = rules->slippage_ratio;
    out.physics.fee_ratio = rules->fee_ratio;
    out.physics.latency_bars = rules->latency_bars;
    out.impact_ratio = rules->impact_ratio;
    out.funding_ratio = rules->funding_ratio;
    out.borrow_ratio = rules->borrow_ratio;
    return out;
}

/* What a position earns at a bar, which it becomes worth: the mark of physics.h, with the last bar's price as unit. */
PU_HOST_DEVICE static inline double pu__pnl_mark(double *value, double simple_return) {
    pu__physics_position position = {*value, 1.0, 0.0, 0.0, 0.0, 0};
    const double earned = pu__physics_mark(&position, 1.0 + simple_return);
    *value = position.value;
    return earned;
}

/* What a bar did to the account, kept for the way back. */
typedef struct pu__pnl_bar {
    double equity; /* before it */
    double marked;
    double cash; /* before it */
} pu__pnl_bar;

/* Slopes of the objective by one asset's part in a fill. */
typedef struct pu__pnl_fill_slope {
    double weight, marked, value; /* by the due weight, by the marked equity, by the position before the fill */
} pu__pnl_fill_slope;

/* `due` NaN: no order. `equity`, `value`: slopes by the equity after the bar and by the position after the fill. */
PU_HOST_DEVICE static inline pu__pnl_fill_slope pu__pnl_fill_backward(const pu__execution_rules *rules,
                                                                      double marked, double due, double before,
                                                                      double volume, double equity, double value) {
    pu__pnl_fill_slope slope = {0.0, 0.0, value};
    if (pu__physics_is_nan(due)) return slope;
    const double trade = pu__physics_order(&rules->physics, marked, due, before);
    const double by_trade = -equity * pu__execution_cost_slope(rules, trade, volume);
    slope.weight = (value + by_trade) * marked;
    slope.marked = (value + by_trade) * due;
    slope.value = -by_trade;
    return slope;
}

/* The slope by a position before the bar, from that by the position before the fill; `marked`: by the marked equity.
 * `simple_return` NaN: the asset has no bar. by_return: the slope by it. */
PU_HOST_DEVICE static inline double pu__pnl_mark_backward(const pu__execution_rules *rules, const pu__pnl_bar *bar,
                                                          double value, double simple_return, double slope,
                                                          double marked, double *by_return) {
    const double carry = pu__execution_short_slope(rules, value) - pu__execution_cash_slope(rules, bar->cash);
    double by_value = slope;
    *by_return = 0.0;
    if (!pu__physics_is_nan(simple_return)) {
        *by_return = (slope + marked) * value;
        by_value = slope * (1.0 + simple_return) + marked * simple_return;
    }
    return by_value - marked * carry;
}

#endif
