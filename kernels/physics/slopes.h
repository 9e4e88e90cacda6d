/* Derivatives of what execution.h charges, where the charge has one; they stand beside it for the gradient of a profit
 * and loss. A trade of 0 has the subgradient 0, and so has cash of 0. */
#ifndef PU_KERNELS_PHYSICS_SLOPES_H
#define PU_KERNELS_PHYSICS_SLOPES_H

#include "kernels/physics/execution.h"

/* d(spread + slippage + fee + impact) / d(trade) of pu__execution_trade with a spread scale of 1. */
PU_HOST_DEVICE static inline double pu__execution_cost_slope(const pu__execution_rules *rules, double trade,
                                                             double volume) {
    const double participation = volume > 0.0 ? fabs(trade) / volume : 0.0;
    const double ratio = rules->physics.half_spread_ratio + rules->physics.slippage_ratio +
                         rules->physics.fee_ratio + 1.5 * (rules->impact_ratio * sqrt(participation));
    return ratio * (double)((trade > 0.0) - (trade < 0.0)); /* no branch: signs cannot be predicted */
}

/* d(carry) / d(cash) and d(carry) / d(value) of one position, of pu__execution_carry. */
PU_HOST_DEVICE static inline double pu__execution_cash_slope(const pu__execution_rules *rules, double cash) {
    return cash < 0.0 ? -rules->funding_ratio : 0.0;
}
PU_HOST_DEVICE static inline double pu__execution_short_slope(const pu__execution_rules *rules, double value) {
    return -rules->borrow_ratio * (double)(value < 0.0);
}

#endif
