/* What physics.h leaves out of a fill, on top of its order and cost ratios: impact, volume, carry, limits and margin.
 * With every term here at 0 a step is that of physics.h.
 *
 * At a close, after physics.h's mark and before its fill, the account pays carry for the bar that ended, and is
 * tested for ruin, margin call and loss limit. A margin call or a reached loss limit closes every position at that
 * close, as far as the volume allows, and the account trades no more. Due weights are then cut to the position limit,
 * and scaled together where their sum passes the leverage limit.
 *
 * Impact: ratio of the notional = impact_ratio * sqrt(notional / volume): the square-root law (Almgren et al. 2005,
 * "Direct estimation of equity market impact"; Toth et al. 2011), impact_ratio being the coefficient times the
 * volatility of a bar. Partial fills: an order trades at most participation_max of the bar's volume; what is left
 * stays an order to the same weight until it is filled or a new weight falls due. */
#ifndef PU_KERNELS_PHYSICS_EXECUTION_H
#define PU_KERNELS_PHYSICS_EXECUTION_H

#include "kernels/physics/physics.h"

/* 0 switches a term off. Ratios are per bar where they say so. */
typedef struct pu__execution_rules {
    pu__physics_rules physics;
    double impact_ratio;      /* cost ratio of an order of a whole bar's volume */
    double participation_max; /* of a bar's volume */
    double funding_ratio;     /* per bar, of borrowed cash */
    double borrow_ratio;      /* per bar, of the value sold short */
    double position_max;      /* of |weight| */
    double leverage_max;      /* of the sum of |weight| that orders may ask for */
    double drawdown_max;      /* loss limit: drawdown from the highest close at which all is closed */
    double maintenance_ratio; /* margin call where equity falls below this share of the gross value */
} pu__execution_rules;

/* What an order trades. `value` is the position after it; `left` is true where the volume cut the order. */
typedef struct pu__execution_order {
    double value, trade;
    bool left;
} pu__execution_order;

/* One asset's fill with its costs. */
typedef struct pu__execution_fill {
    double value, trade, spread, slippage, fee, impact;
    bool left;
} pu__execution_fill;

PU_HOST_DEVICE static inline double pu__execution_clip(const pu__execution_rules *rules, double weight) {
    const double most = rules->position_max > 0.0 ? rules->position_max : (double)INFINITY;
    weight = weight > most ? most : weight;
    return weight < -most ? -most : weight;
}

/* Factor on the due weights, whose absolute sum is `gross`. */
PU_HOST_DEVICE static inline double pu__execution_scale(const pu__execution_rules *rules, double gross) {
    return rules->leverage_max > 0.0 && gross > rules->leverage_max ? rules->leverage_max / gross : 1.0;
}

/* The order that takes a position of `value` to `weight` of `equity`, of which `most` can be traded. */
PU_HOST_DEVICE static inline pu__execution_order pu__execution_cut(const pu__execution_rules *rules, double equity,
                                                                   double weight, double value, double most) {
    const double target = weight * equity, wanted = target - value;
    const bool ordered = pu__physics_ordered(&rules->physics, equity, wanted);
    const double trade = ordered ? wanted : 0.0;
    pu__execution_order order;
    order.left = fabs(trade) > most;
    order.trade = trade > most ? most : trade;
    order.trade = order.trade < -most ? -most : order.trade;
    order.value = order.left ? value + order.trade : ordered ? target : value;
    return order;
}

/* The most that an order can trade. `volume`: traded value of the bar in units of the starting equity; 0: not known,
 * orders fill whole, without impact. */
PU_HOST_DEVICE static inline double pu__execution_most(const pu__execution_rules *rules, double volume) {
    return rules->participation_max > 0.0 && volume > 0.0 ? rules->participation_max * volume : (double)INFINITY;
}

PU_HOST_DEVICE static inline double pu__execution_impact(const pu__execution_rules *rules, double notional,
                                                         double volume) {
    return notional * (rules->impact_ratio * sqrt(volume > 0.0 ? notional / volume : 0.0));
}

/* Spread, slippage and fee of a notional of 1. */
PU_HOST_DEVICE static inline double pu__execution_cost_ratio(const pu__execution_rules *rules,
                                                             double spread_scale) {
    return rules->physics.half_spread_ratio * spread_scale +
           (rules->physics.slippage_ratio + rules->physics.fee_ratio);
}

#define PU_EQUITY_LEAST 7.888609052210118e-31 /* 2^-100, the least that a turnover is measured by */

/* `sum` and `traded`, notionals, as a share of the equity that they were traded with; 0 of a ruined account, which
 * trades nothing. The equity's reciprocal is a float's, made good by a step of Newton's: a relative error of 2^-46 at
 * most, and of 2^-43 from 2^126 on, where the float is subnormal. A division of doubles would be the dearest operation
 * of a simulated bar. An equity below PU_EQUITY_LEAST counts as that, and one of more than a float holds has a turnover
 * of 0: no branch. */
PU_HOST_DEVICE static inline double pu__execution_turnover(double sum, double traded, double equity) {
    const double base = equity > PU_EQUITY_LEAST ? equity : PU_EQUITY_LEAST;
    const double near = (double)(1.0f / (float)base);
    return fma(traded, fma(near, fma(-base, near, 1.0), near), sum);
}

PU_HOST_DEVICE static inline pu__execution_fill pu__execution_trade(const pu__execution_rules *rules,
                                                                    double equity, double weight, double value,
                                                                    double volume, double spread_scale) {
    const pu__execution_order order =
        pu__execution_cut(rules, equity, weight, value, pu__execution_most(rules, volume));
    const double notional = fabs(order.trade);
    pu__execution_fill fill;
    fill.value = order.value;
    fill.trade = order.trade;
    fill.left = order.left;
    fill.spread = notional * rules->physics.half_spread_ratio * spread_scale;
    fill.slippage = notional * rules->physics.slippage_ratio;
    fill.fee = notional * rules->physics.fee_ratio;
    fill.impact = pu__execution_impact(rules, notional, volume);
    return fill;
}

/* Carry of a bar: funding of cash below 0 and the fee on what is sold short, by the values at the bar's start. */
PU_HOST_DEVICE static inline double pu__execution_carry(const pu__execution_rules *rules, double cash,
                                                        double short_value) {
    return (cash < 0.0 ? -cash : 0.0) * rules->funding_ratio + short_value * rules->borrow_ratio;
}

PU_HOST_DEVICE static inline bool pu__execution_margin_call(const pu__execution_rules *rules, double equity,
                                                            double gross) {
    return equity < rules->maintenance_ratio * gross;
}

PU_HOST_DEVICE static inline bool pu__execution_loss_limit(const pu__execution_rules *rules, double equity,
                                                           double peak) {
    return rules->drawdown_max > 0.0 && equity <= peak * (1.0 - rules->drawdown_max);
}

#endif
