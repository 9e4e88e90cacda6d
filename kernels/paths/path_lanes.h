/* One bar of PU__N paths: marks, carry, limits, the policy, fills. See path_returns.h for PU__N. */
#ifndef PU_KERNELS_PATHS_PATH_LANES_H
#define PU_KERNELS_PATHS_PATH_LANES_H

#include "kernels/paths/path_account.h"

/* Places the state arrays in memory of PU__N * pu__path_state_bytes (and a stride of its own on CUDA). */
PU_HOST_DEVICE static inline void pu__lane_place(pu__path_lanes *lanes, double *memory, int64_t lane) {
    const int64_t assets = lanes->scenario->assets, latency = lanes->scenario->rules.physics.latency_bars;
    lanes->value = memory + lane;
    lanes->target = PU__ITEM(lanes->value, assets);
    lanes->price = PU__ITEM(lanes->target, assets);
    lanes->pending = PU__ITEM(lanes->price, assets);
    float *floats = (float *)(memory + (3 + latency) * assets * lanes->stride) + lane;
    lanes->x = floats;
    lanes->fast = PU__ITEM(lanes->x, PU_DRAW_STEPS * assets);
    lanes->slow = PU__ITEM(lanes->fast, assets);
    lanes->variance = PU__ITEM(lanes->slow, assets);
    lanes->row = (int32_t *)(void *)PU__ITEM(lanes->variance, assets);
}

PU_HOST_DEVICE static inline void pu__lane_reset(pu__path_lanes *lanes) {
    const pu__path_scenario *s = lanes->scenario;
    for (int32_t a = 0; a < s->assets; ++a) {
        const float variance = s->asset[a].variance_start;
        PU__EACH_LANE(l) {
            PU__ITEM(lanes->value, a)[l] = 0.0;
            PU__ITEM(lanes->target, a)[l] = (double)NAN;
            PU__ITEM(lanes->price, a)[l] = 1.0;
            PU__ITEM(lanes->fast, a)[l] = PU__ITEM(lanes->slow, a)[l] = 0.0f;
            PU__ITEM(lanes->variance, a)[l] = variance;
        }
    }
    for (int64_t i = 0; i < s->rules.physics.latency_bars * s->assets; ++i)
        PU__EACH_LANE(l) PU__ITEM(lanes->pending, i)[l] = (double)NAN;
    PU__EACH_LANE(l) {
        lanes->state[l] = s->process == PU_PROCESS_REGIME ? s->regime_start : 0;
        lanes->equity[l] = lanes->peak[l] = lanes->worst[l] = lanes->worst_peak[l] = 1.0;
        lanes->traded[l] = lanes->spread_base[l] = lanes->turnover[l] = 0.0;
        lanes->impact[l] = lanes->carry[l] = 0.0;
        lanes->under_water[l] = lanes->alive[l] = 0.0;
        lanes->margin_bar[l] = lanes->stop_bar[l] = -1.0;
    }
}

/* What margin, funding and borrowing need of the positions: before this bar, and at its close. */
PU_HOST_DEVICE static inline void pu__lane_exposure(const pu__path_lanes *lanes, int place, double gross[PU__N],
                                                    double held[PU__N], double sold[PU__N]) {
    const int32_t assets = lanes->scenario->assets;
    for (int32_t a = 0; a < assets; ++a) {
        const float *x = PU__ITEM(lanes->x, place * assets + a);
        const double *value = PU__ITEM(lanes->value, a);
        PU__EACH_LANE(l) {
            held[l] += value[l];
            sold[l] += value[l] < 0.0 ? -value[l] : 0.0;
            gross[l] += fabs(fma(value[l], (double)x[l], value[l]));
        }
    }
}

/* Margin call and loss limit, once, of the living. */
PU_HOST_DEVICE static inline void pu__lane_limits(pu__path_lanes *lanes, double now, const double gross[PU__N]) {
    const pu__execution_rules rules = lanes->scenario->rules;
    PU__EACH_LANE(l) {
        const double equity = lanes->equity[l];
        const bool open = (equity > 0.0) & (lanes->margin_bar[l] < 0.0) & (lanes->stop_bar[l] < 0.0);
        const bool called = open & pu__execution_margin_call(&rules, equity, gross[l]);
        const bool stopped = open & pu__execution_loss_limit(&rules, equity, lanes->peak[l]);
        lanes->margin_bar[l] = called ? now : lanes->margin_bar[l];
        lanes->stop_bar[l] = stopped ? now : lanes->stop_bar[l];
    }
}

/* Marks every position with the returns of step `place` of the block; then carry, ruin, margin, loss limit. The
 * positions of a ruined account are void: pu__lane_fill_asset takes them for 0. */
PU_HOST_DEVICE static inline void pu__lane_mark(pu__path_lanes *lanes, int32_t bar, int place) {
    const int32_t assets = lanes->scenario->assets;
    const pu__execution_rules rules = lanes->scenario->rules;
    const bool carries = rules.funding_ratio > 0.0 || rules.borrow_ratio > 0.0;
    double worth[PU__N], carry[PU__N], gross[PU__N], held[PU__N], sold[PU__N];
    PU__EACH_LANE(l) {
        worth[l] = lanes->equity[l];
        carry[l] = gross[l] = held[l] = sold[l] = 0.0;
    }
    if (carries || rules.maintenance_ratio > 0.0) pu__lane_exposure(lanes, place, gross, held, sold);
    for (int32_t a = 0; a < assets; ++a) {
        const float *x = PU__ITEM(lanes->x, place * assets + a);
        double *value = PU__ITEM(lanes->value, a), *price = PU__ITEM(lanes->price, a);
        PU__EACH_LANE(l) {
            const double before = value[l], gain = (double)x[l];
            worth[l] = fma(before, gain, worth[l]);
            value[l] = fma(before, gain, before);
        }
        if (lanes->keep) {
            PU__EACH_LANE(l) price[l] *= 1.0 + (double)x[l];
        }
    }
    if (carries) {
        PU__EACH_LANE(l) {
            const double before = lanes->equity[l];
            const double due = pu__execution_carry(&rules, before - held[l], sold[l]);
            carry[l] = before > 0.0 ? due : 0.0;
            lanes->carry[l] += carry[l];
        }
    }
    PU__EACH_LANE(l) {
        pu__path_account account = pu__account_take(lanes, l);
        pu__account_mark(&account, worth[l], carry[l]);
        lanes->equity[l] = account.equity;
    }
    if (rules.maintenance_ratio > 0.0 || rules.drawdown_max > 0.0) pu__lane_limits(lanes, (double)bar, gross);
}

/* The averages that a policy looks at, brought to this bar: log-price less its average, or the average of squared
 * log-returns. Then the step's log-returns become simple ones, as pu__lane_mark takes them. */
PU_HOST_DEVICE static inline void pu__lane_observe(pu__path_lanes *lanes, int place) {
    const pu__path_scenario *s = lanes->scenario;
    const float fast_decay = s->fast_decay, slow_decay = s->slow_decay;
    for (int32_t a = 0; a < s->assets; ++a) {
        float *x = PU__ITEM(lanes->x, place * s->assets + a);
        float *fast = PU__ITEM(lanes->fast, a), *slow = PU__ITEM(lanes->slow, a);
        if (s->policy == PU_POLICY_VOLATILITY) {
            PU__EACH_LANE(l) slow[l] = fmaf(slow_decay, slow[l], (1.0f - slow_decay) * x[l] * x[l]);
        } else if (s->policy >= PU_POLICY_MOMENTUM) {
            PU__EACH_LANE(l) {
                fast[l] = fast_decay * (fast[l] + x[l]);
                slow[l] = slow_decay * (slow[l] + x[l]);
            }
        }
#ifdef PU__LANE_EXPM1
        PU__LANE_EXPM1(PU__N, x);
#else
        *x = pu__sim_expm1(*x);
#endif
    }
}

/* Weights of a table of the caller's, for each lane its own row. */
PU_HOST_DEVICE static inline void pu__lane_look_up(const pu__path_lanes *lanes, int32_t bar, int32_t a,
                                                   double weight[PU__N]) {
    const pu__path_scenario *s = lanes->scenario;
    if (s->policy == PU_POLICY_HISTORY_WEIGHTS && bar == 0) {
        PU__EACH_LANE(l) weight[l] = (double)NAN;
    } else if (s->policy == PU_POLICY_HISTORY_WEIGHTS) {
        const int32_t *row = PU__ITEM(lanes->row, (bar - 1) % PU_DRAW_STEPS);
        PU__EACH_LANE(l) weight[l] = s->weight[(int64_t)row[l] * s->assets + a];
    } else {
        const int64_t bars = (int64_t)s->steps + 1;
        PU__EACH_LANE(l) {
            const int64_t path = l < lanes->live ? l : lanes->live - 1;
            weight[l] = lanes->weight[(path * bars + bar) * s->assets + a];
        }
    }
}

/* What the policy wants of asset a at this bar; NaN is no order. `seen`: 1 - slow_decay^bar. */
PU_HOST_DEVICE static inline void pu__lane_decide(const pu__path_lanes *lanes, int32_t bar, int32_t a, float seen,
                                                  double weight[PU__N]) {
    const pu__path_scenario *s = lanes->scenario;
    const float *fast = PU__ITEM(lanes->fast, a), *slow = PU__ITEM(lanes->slow, a);
    if (s->policy == PU_POLICY_PATH_WEIGHTS || s->policy == PU_POLICY_HISTORY_WEIGHTS) {
        pu__lane_look_up(lanes, bar, a, weight);
        return;
    }
    const double base = s->weight[s->policy == PU_POLICY_WEIGHTS ? (int64_t)bar * s->assets + a : a];
    switch (s->policy) {
    case PU_POLICY_MOMENTUM:
        PU__EACH_LANE(l) weight[l] = base * (double)pu__policy_momentum(fast[l], slow[l]);
        break;
    case PU_POLICY_MEAN_REVERSION:
        PU__EACH_LANE(l) weight[l] = base * (double)pu__policy_reversion(slow[l], s->scale);
        break;
    case PU_POLICY_VOLATILITY:
        PU__EACH_LANE(l) weight[l] = base * (double)pu__policy_volatility(slow[l], seen, s->scale);
        break;
    default: {
        const double order = s->policy == PU_POLICY_BUY_HOLD && bar > 0 ? (double)NAN : base;
        PU__EACH_LANE(l) weight[l] = order;
    }
    }
}

/* The weight that falls due at this bar, cut to the limit of a position; NaN: none. */
PU_HOST_DEVICE static inline void pu__lane_due(const pu__path_lanes *lanes, int32_t bar, int32_t a, float seen,
                                               double due[PU__N]) {
    const pu__path_scenario *s = lanes->scenario;
    const pu__execution_rules rules = s->rules;
    const int64_t latency = rules.physics.latency_bars;
    pu__lane_decide(lanes, bar, a, seen, due);
    if (latency > 0) {
        double *place = PU__ITEM(lanes->pending, bar % latency * s->assets + a);
        PU__EACH_LANE(l) {
            const double decided = due[l];
            due[l] = place[l];
            place[l] = decided;
        }
    }
    if (rules.position_max > 0.0) {
        PU__EACH_LANE(l) due[l] = pu__execution_clip(&rules, due[l]);
    }
}

/* Whether orders depend on more than what falls due: on what is left of earlier ones, on limits, on each other. */
PU_HOST_DEVICE static inline bool pu__lane_staged(const pu__path_scenario *s) {
    const pu__execution_rules *rules = &s->rules;
    return rules->leverage_max > 0.0 || rules->maintenance_ratio > 0.0 || rules->drawdown_max > 0.0 ||
           (rules->participation_max > 0.0 && s->volume);
}

/* target[a]: the weight that is due now, or still open; NaN: none. Then what the leverage limit makes of it. */
PU_HOST_DEVICE static inline void pu__lane_stage(pu__path_lanes *lanes, int32_t bar, float seen) {
    const pu__path_scenario *s = lanes->scenario;
    const pu__execution_rules rules = s->rules;
    double gross[PU__N];
    PU__EACH_LANE(l) gross[l] = 0.0;
    for (int32_t a = 0; a < s->assets; ++a) {
        double *target = PU__ITEM(lanes->target, a);
        double due[PU__N];
        pu__lane_due(lanes, bar, a, seen, due);
        PU__EACH_LANE(l) {
            double weight = due[l] == due[l] ? due[l] : target[l];
            const bool closed = (lanes->margin_bar[l] >= 0.0) | (lanes->stop_bar[l] >= 0.0);
            weight = closed ? 0.0 : weight;
            target[l] = weight;
            gross[l] += weight == weight ? fabs(weight) : 0.0;
        }
    }
    PU__EACH_LANE(l) lanes->scale[l] = pu__execution_scale(&rules, gross[l]);
}

/* Whether notionals times the spread's scale are added up beside notionals; else they are the same. */
PU_HOST_DEVICE static inline bool pu__lane_based(const pu__path_scenario *s) { return s->shock || s->volume; }

/* What a bar's fills add up to. */
typedef struct pu__lane_sums {
    double traded[PU__N], spread_base[PU__N];
    double left[PU__N]; /* equity less costs */
} pu__lane_sums;

/* Fills one asset without a known volume: whole, without impact. */
PU_HOST_DEVICE static inline void pu__lane_fill_asset(pu__path_lanes *lanes, int32_t a, double spread_scale,
                                                      const double weight[PU__N], pu__lane_sums *sums,
                                                      double *trade) {
    const pu__execution_rules rules = lanes->scenario->rules;
    const double ratio = pu__execution_cost_ratio(&rules, spread_scale);
    double *value = PU__ITEM(lanes->value, a), done[PU__N];
    PU__EACH_LANE(l) {
        const double equity = lanes->equity[l], held = equity > 0.0 ? value[l] : 0.0;
        const pu__execution_order order = pu__execution_cut(&rules, equity, weight[l], held, (double)INFINITY);
        const double notional = fabs(order.trade);
        value[l] = order.value;
        sums->traded[l] += notional;
        sums->left[l] = fma(-ratio, notional, sums->left[l]);
        done[l] = order.trade;
    }
    if (pu__lane_staged(lanes->scenario)) {
        double *target = PU__ITEM(lanes->target, a);
        PU__EACH_LANE(l) target[l] = (double)NAN;
    }
    if (pu__lane_based(lanes->scenario)) {
        PU__EACH_LANE(l) sums->spread_base[l] = fma(fabs(done[l]), spread_scale, sums->spread_base[l]);
    }
    if (trade) {
        PU__EACH_LANE(l) trade[l] = done[l];
    }
}

/* The same with a volume, which is that of every path. */
PU_HOST_DEVICE static inline void pu__lane_fill_volume(pu__path_lanes *lanes, int32_t a, double volume,
                                                       double spread_scale, const double weight[PU__N],
                                                       pu__lane_sums *sums, double *trade) {
    const pu__execution_rules rules = lanes->scenario->rules;
    const double ratio = pu__execution_cost_ratio(&rules, spread_scale);
    const double most = pu__execution_most(&rules, volume);
    double *target = PU__ITEM(lanes->target, a), *value = PU__ITEM(lanes->value, a), done[PU__N];
    PU__EACH_LANE(l) {
        const double equity = lanes->equity[l], held = equity > 0.0 ? value[l] : 0.0;
        const pu__execution_order order = pu__execution_cut(&rules, equity, weight[l], held, most);
        const double notional = fabs(order.trade), impact = pu__execution_impact(&rules, notional, volume);
        target[l] = order.left ? target[l] : (double)NAN;
        value[l] = order.value;
        sums->traded[l] += notional;
        sums->spread_base[l] = fma(notional, spread_scale, sums->spread_base[l]);
        sums->left[l] = fma(-ratio, notional, sums->left[l]) - impact;
        lanes->impact[l] += impact;
        done[l] = order.trade;
    }
    if (trade) {
        PU__EACH_LANE(l) trade[l] = done[l];
    }
}

/* `trade` [assets], stride apart, or null. */
PU_HOST_DEVICE static inline void pu__lane_fill(pu__path_lanes *lanes, int32_t bar, float seen, double *trade) {
    const pu__path_scenario *s = lanes->scenario;
    const bool staged = pu__lane_staged(s);
    pu__lane_sums sums;
    PU__EACH_LANE(l) {
        sums.traded[l] = sums.spread_base[l] = 0.0;
        sums.left[l] = lanes->equity[l];
    }
    if (staged) pu__lane_stage(lanes, bar, seen);
    for (int32_t a = 0; a < s->assets; ++a) {
        double volume = s->volume ? s->volume[a] : 0.0, spread_scale = 1.0, weight[PU__N];
        double *target = PU__ITEM(lanes->target, a), *out = trade ? PU__ITEM(trade, a) : (double *)0;
        if (s->shock && bar > 0) {
            const pu__path_shock *shock = &s->shock[(int64_t)(bar - 1) * s->assets + a];
            volume *= (double)shock->volume_scale;
            spread_scale = (double)shock->spread_scale;
        }
        if (!staged) pu__lane_due(lanes, bar, a, seen, weight);
        else PU__EACH_LANE(l) weight[l] = target[l] * lanes->scale[l];
        if (volume > 0.0) {
            pu__lane_fill_volume(lanes, a, volume, spread_scale, weight, &sums, out);
        } else {
            pu__lane_fill_asset(lanes, a, spread_scale, weight, &sums, out);
        }
    }
    PU__EACH_LANE(l) {
        pu__path_account account = pu__account_take(lanes, l);
        pu__account_close(&account, sums.left[l], sums.traded[l]);
        pu__account_put(lanes, l, &account);
        lanes->spread_base[l] += sums.spread_base[l];
    }
}

/* One lane's metrics at the end. */
PU_HOST_DEVICE static inline void pu__lane_metrics(const pu__path_lanes *lanes, int l,
                                                   double metric[PU_PATH_METRIC_COUNT]) {
    const pu__path_scenario *s = lanes->scenario;
    const pu__physics_rules *rules = &s->rules.physics;
    const double traded = lanes->traded[l], based = pu__lane_based(s) ? lanes->spread_base[l] : traded;
    const bool survived = lanes->alive[l] > (double)s->steps;
    metric[PU_PATH_WEALTH] = lanes->equity[l];
    metric[PU_PATH_DRAWDOWN] = 1.0 - lanes->worst[l] / lanes->worst_peak[l];
    metric[PU_PATH_UNDER_WATER] = lanes->under_water[l];
    metric[PU_PATH_TURNOVER] = lanes->turnover[l];
    metric[PU_PATH_SPREAD] = rules->half_spread_ratio * based;
    metric[PU_PATH_SLIPPAGE] = rules->slippage_ratio * traded;
    metric[PU_PATH_FEE] = rules->fee_ratio * traded;
    metric[PU_PATH_IMPACT] = lanes->impact[l];
    metric[PU_PATH_CARRY] = lanes->carry[l];
    metric[PU_PATH_RUIN_BAR] = survived ? -1.0 : lanes->alive[l];
    metric[PU_PATH_MARGIN_BAR] = lanes->margin_bar[l];
    metric[PU_PATH_STOP_BAR] = lanes->stop_bar[l];
}

#endif
