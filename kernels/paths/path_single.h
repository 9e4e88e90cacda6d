/* Several bars of one asset's paths at a time: a path's account stays in registers from bar to bar. For scenarios in
 * which a bar is no more than a mark and a whole fill: no carry, volume, shocks, limits, and nothing kept. The same
 * operations in the same order as pu__lane_mark and pu__lane_fill make of such a scenario, so the same bits. */
#ifndef PU_KERNELS_PATHS_PATH_SINGLE_H
#define PU_KERNELS_PATHS_PATH_SINGLE_H

#include "kernels/paths/path_lanes.h"
#include "kernels/paths/path_quads.h"

PU_HOST_DEVICE static inline bool pu__lane_is_single(const pu__path_scenario *s) {
    return s->assets == 1 && !pu__lane_based(s) && !pu__lane_staged(s) && !(s->rules.funding_ratio > 0.0) &&
           !(s->rules.borrow_ratio > 0.0);
}

/* Whether every bar has an order: no weight is NaN and there is no band. An order of 0 needs no test. */
PU_HOST_DEVICE static inline bool pu__lane_always_orders(const pu__path_scenario *s) {
    const bool numbers = s->policy == PU_POLICY_CONSTANT || s->policy == PU_POLICY_MOMENTUM ||
                         s->policy == PU_POLICY_MEAN_REVERSION;
    return numbers && s->weight[0] == s->weight[0] && s->rules.physics.latency_bars == 0 &&
           !(s->rules.physics.no_trade_weight > 0.0);
}

/* Lanes first .. first + PU__WALK_LANES - 1. gain[bars]: simple returns of the lanes; weight[bars][lanes]: due. `bars`
 * and `always` are constants at every call. */
PU_HOST_DEVICE static PU__INLINE void pu__lane_walk(pu__path_lanes *lanes, int first, const float *const *gain,
                                                    const double (*weight)[PU__N], const int bars,
                                                    const bool always) {
    const pu__execution_rules rules = lanes->scenario->rules;
    const double ratio = pu__execution_cost_ratio(&rules, 1.0);
    double *position = lanes->value;
    PU__LANES_APART for (int l = first; l < first + PU__WALK_LANES; ++l) {
        pu__path_account account = pu__account_take(lanes, l);
        double value = position[l];
        PU__UNROLL_BARS
        for (int i = 0; i < bars; ++i) {
            const double x = (double)gain[i][l];
            pu__account_mark(&account, fma(value, x, account.equity), 0.0);
            const double equity = account.equity, held = equity > 0.0 ? fma(value, x, value) : 0.0;
            const double target = weight[i][l] * equity, trade = target - held;
            const bool ordered = always || pu__physics_ordered(&rules.physics, equity, trade);
            const double notional = ordered ? fabs(trade) : 0.0;
            value = ordered ? target : held;
            pu__account_close(&account, fma(-ratio, notional, equity), notional);
        }
        position[l] = value;
        pu__account_put(lanes, l, &account);
    }
}

PU_HOST_DEVICE static PU__INLINE void pu__lane_walk_four(pu__path_lanes *lanes, int first,
                                                         const float *const *gain, const double (*weight)[PU__N],
                                                         const bool always) {
#ifdef PU__QUADS
    if (pu__quad_walk(lanes, first, gain, weight, always)) return;
#endif
    pu__lane_walk(lanes, first, gain, weight, PU_DRAW_STEPS, always);
}

/* The orders of a path that walks, bar by bar of a block. */
typedef struct pu__lane_orders {
    PU__LANES_ALIGN double weight[PU_DRAW_STEPS][PU__N];
    bool always; /* every bar has one */
    bool fixed;  /* they are the same at every bar */
    float unseen;
} pu__lane_orders;

/* The bars of a block, at most PU_DRAW_STEPS, by the orders that fall due. */
PU_HOST_DEVICE static inline void pu__lane_walk_block(pu__path_lanes *lanes, const float *const *gain,
                                                      const pu__lane_orders *orders, int bars) {
    for (int first = 0; first < PU__N; first += PU__WALK_LANES) {
        if (bars < PU_DRAW_STEPS) {
            for (int i = 0; i < bars; ++i) pu__lane_walk(lanes, first, gain + i, orders->weight + i, 1, false);
        } else if (orders->always) {
            pu__lane_walk_four(lanes, first, gain, orders->weight, true);
        } else {
            pu__lane_walk_four(lanes, first, gain, orders->weight, false);
        }
    }
}

/* The bars bar .. bar + bars - 1, whose log-returns are in lanes->x (bar 0: none). */
PU_HOST_DEVICE static inline void pu__lane_walk_bars(pu__path_lanes *lanes, int32_t bar, int bars,
                                                     pu__lane_orders *orders) {
    float *gain[PU_DRAW_STEPS];
    for (int i = 0; i < bars; ++i) {
        gain[i] = PU__ITEM(lanes->x, i);
        if (bar > 0) {
            orders->unseen *= lanes->scenario->slow_decay;
            pu__lane_observe(lanes, i);
        } else {
            PU__EACH_LANE(l) gain[i][l] = 0.0f;
        }
        if (!orders->fixed || bar <= 1)
            pu__lane_due(lanes, bar + i, 0, bar > 0 ? 1.0f - orders->unseen : 0.0f, orders->weight[i]);
    }
    pu__lane_walk_block(lanes, (const float *const *)gain, orders, bars);
}

/* A path from its start to its end. */
PU_HOST_DEVICE static inline void pu__lane_walk_path(pu__path_lanes *lanes) {
    const pu__path_scenario *s = lanes->scenario;
    pu__lane_orders orders;
    orders.always = pu__lane_always_orders(s);
    orders.fixed = orders.always && s->policy == PU_POLICY_CONSTANT;
    orders.unseen = 1.0f;
    pu__lane_walk_bars(lanes, 0, 1, &orders);
    for (int32_t bar = 1; bar <= s->steps; bar += PU_DRAW_STEPS) {
        const int32_t left = s->steps + 1 - bar;
        pu__lane_returns(lanes, (bar - 1) / PU_DRAW_STEPS);
        pu__lane_walk_bars(lanes, bar, left < PU_DRAW_STEPS ? left : PU_DRAW_STEPS, &orders);
    }
}

#endif
