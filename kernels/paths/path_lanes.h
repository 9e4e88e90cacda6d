/* One bar of PU__N paths: marks, carry, limits, the policy, fills. See path_returns.h for PU__N. */
#ifndef PU_KERNELS_PATHS_PATH_LANES_H
#define PU_KERNELS_PATHS_PATH_LANES_H

#include "kernels/paths/path_returns.h"

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
        lanes->turnover[l] = lanes->carry[l] = 0.0;
        lanes->spread[l] = lanes->slippage[l] = lanes->fee[l] = lanes->impact[l] = 0.0;
        lanes->under_water[l] = 0.0;
        lanes->ruin_bar[l] = lanes->margin_bar[l] = lanes->stop_bar[l] = -1.0;
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
            gross[l] += fabs(value[l] * (1.0 + (double)x[l]));
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

/* Marks every position with the returns of step `place` of the block; then carry, ruin, margin, loss limit. */
PU_HOST_DEVICE static inline void pu__lane_mark(pu__path_lanes *lanes, int32_t bar, int place) {
    const int32_t assets = lanes->scenario->assets;
    const pu__execution_rules rules = lanes->scenario->rules;
    const bool carries = rules.funding_ratio > 0.0 || rules.borrow_ratio > 0.0;
    const double now = (double)bar;
    double pnl[PU__N], carry[PU__N], gross[PU__N], held[PU__N], sold[PU__N];
    PU__EACH_LANE(l) pnl[l] = carry[l] = gross[l] = held[l] = sold[l] = 0.0;
    if (carries || rules.maintenance_ratio > 0.0) pu__lane_exposure(lanes, place, gross, held, sold);
    for (int32_t a = 0; a < assets; ++a) {
        const float *x = PU__ITEM(lanes->x, place * assets + a);
        double *value = PU__ITEM(lanes->value, a), *price = PU__ITEM(lanes->price, a);
        PU__EACH_LANE(l) {
            const double before = value[l], after = before * (1.0 + (double)x[l]);
            pnl[l] += after - before;
            value[l] = after;
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
        const double before = lanes->equity[l], marked = before + pnl[l] - carry[l];
        const double equity = marked > 0.0 ? marked : 0.0;
        lanes->equity[l] = before > 0.0 ? equity : 0.0;
        const bool ruined = (before > 0.0) & !(marked > 0.0);
        lanes->ruin_bar[l] = ruined ? now : lanes->ruin_bar[l];
    }
    if (rules.maintenance_ratio > 0.0 || rules.drawdown_max > 0.0) pu__lane_limits(lanes, now, gross);
    for (int32_t a = 0; a < assets; ++a) {
        double *value = PU__ITEM(lanes->value, a);
        PU__EACH_LANE(l) value[l] = lanes->equity[l] > 0.0 ? value[l] : 0.0;
    }
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
        PU__EACH_LANE(l) x[l] = pu__sim_expm1(x[l]);
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

/* target[a]: the weight that is due now, or still open; NaN: none. gross: the sum of what they ask for. */
PU_HOST_DEVICE static inline void pu__lane_due(pu__path_lanes *lanes, int32_t bar, float seen,
                                               double gross[PU__N]) {
    const pu__path_scenario *s = lanes->scenario;
    const pu__execution_rules rules = s->rules;
    const int64_t latency = rules.physics.latency_bars;
    for (int32_t a = 0; a < s->assets; ++a) {
        double *target = PU__ITEM(lanes->target, a);
        double due[PU__N];
        pu__lane_decide(lanes, bar, a, seen, due);
        if (latency > 0) {
            double *place = PU__ITEM(lanes->pending, bar % latency * s->assets + a);
            PU__EACH_LANE(l) {
                const double decided = due[l];
                due[l] = place[l];
                place[l] = decided;
            }
        }
        PU__EACH_LANE(l) {
            const double clipped = pu__execution_clip(&rules, due[l]);
            double weight = clipped == clipped ? clipped : target[l];
            const bool closed = (lanes->margin_bar[l] >= 0.0) | (lanes->stop_bar[l] >= 0.0);
            weight = closed ? 0.0 : weight;
            target[l] = weight;
            gross[l] += weight == weight ? fabs(weight) : 0.0;
        }
    }
}

/* Fills what is due. `volume` and `spread_scale` are the same for every path. */
PU_HOST_DEVICE static inline void pu__lane_fill_asset(pu__path_lanes *lanes, int32_t a, double volume,
                                                      double spread_scale, const double scale[PU__N],
                                                      double cost[PU__N], double traded[PU__N], double *trade) {
    const pu__execution_rules rules = lanes->scenario->rules;
    double *target = PU__ITEM(lanes->target, a), *value = PU__ITEM(lanes->value, a), done[PU__N];
    PU__EACH_LANE(l) {
        const pu__execution_fill fill =
            pu__execution_trade(&rules, lanes->equity[l], target[l] * scale[l], value[l], volume, spread_scale);
        target[l] = fill.left ? target[l] : (double)NAN;
        value[l] = fill.value;
        lanes->spread[l] += fill.spread;
        lanes->slippage[l] += fill.slippage;
        lanes->fee[l] += fill.fee;
        lanes->impact[l] += fill.impact;
        cost[l] += fill.spread + fill.slippage + fill.fee + fill.impact;
        traded[l] += fabs(fill.trade);
        done[l] = fill.trade;
    }
    if (trade) {
        PU__EACH_LANE(l) trade[l] = done[l];
    }
}

/* `trade` [assets], stride apart, or null. */
PU_HOST_DEVICE static inline void pu__lane_fill(pu__path_lanes *lanes, int32_t bar, float seen, double *trade) {
    const pu__path_scenario *s = lanes->scenario;
    const double now = (double)bar;
    double gross[PU__N], scale[PU__N], cost[PU__N], traded[PU__N];
    PU__EACH_LANE(l) gross[l] = cost[l] = traded[l] = 0.0;
    pu__lane_due(lanes, bar, seen, gross);
    const pu__execution_rules rules = s->rules;
    PU__EACH_LANE(l) scale[l] = 1.0;
    if (rules.leverage_max > 0.0) {
        PU__EACH_LANE(l) scale[l] = pu__execution_scale(&rules, gross[l]);
    }
    for (int32_t a = 0; a < s->assets; ++a) {
        double volume = s->volume ? s->volume[a] : 0.0, spread_scale = 1.0;
        if (s->shock && bar > 0) {
            const pu__path_shock *shock = &s->shock[(int64_t)(bar - 1) * s->assets + a];
            volume *= (double)shock->volume_scale;
            spread_scale = (double)shock->spread_scale;
        }
        double *out = trade ? PU__ITEM(trade, a) : (double *)0;
        if (volume > 0.0) pu__lane_fill_asset(lanes, a, volume, spread_scale, scale, cost, traded, out);
        else pu__lane_fill_asset(lanes, a, 0.0, spread_scale, scale, cost, traded, out);
    }
    PU__EACH_LANE(l) {
        const double marked = lanes->equity[l], equity = marked - cost[l];
        const bool alive = marked > 0.0, ruined = alive & !(equity > 0.0);
        lanes->turnover[l] += alive ? traded[l] / marked : 0.0;
        lanes->equity[l] = ruined ? 0.0 : equity;
        lanes->ruin_bar[l] = ruined ? now : lanes->ruin_bar[l];
        lanes->peak[l] = lanes->equity[l] > lanes->peak[l] ? lanes->equity[l] : lanes->peak[l];
        /* equity / peak < worst / worst_peak, without the divisions */
        const double left = lanes->equity[l], peak = lanes->peak[l];
        const bool deeper = left * lanes->worst_peak[l] < lanes->worst[l] * peak;
        lanes->worst[l] = deeper ? left : lanes->worst[l];
        lanes->worst_peak[l] = deeper ? peak : lanes->worst_peak[l];
        lanes->under_water[l] += left < peak ? 1.0 : 0.0;
    }
}

PU_HOST_DEVICE static inline void pu__lane_metrics(const pu__path_lanes *lanes, int l,
                                                   double metric[PU_PATH_METRIC_COUNT]) {
    metric[PU_PATH_WEALTH] = lanes->equity[l];
    metric[PU_PATH_DRAWDOWN] = 1.0 - lanes->worst[l] / lanes->worst_peak[l];
    metric[PU_PATH_UNDER_WATER] = lanes->under_water[l];
    metric[PU_PATH_TURNOVER] = lanes->turnover[l];
    metric[PU_PATH_SPREAD] = lanes->spread[l];
    metric[PU_PATH_SLIPPAGE] = lanes->slippage[l];
    metric[PU_PATH_FEE] = lanes->fee[l];
    metric[PU_PATH_IMPACT] = lanes->impact[l];
    metric[PU_PATH_CARRY] = lanes->carry[l];
    metric[PU_PATH_RUIN_BAR] = lanes->ruin_bar[l];
    metric[PU_PATH_MARGIN_BAR] = lanes->margin_bar[l];
    metric[PU_PATH_STOP_BAR] = lanes->stop_bar[l];
}

#endif
