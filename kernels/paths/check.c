/* What a scenario must be before a kernel runs it. */
#include "kernels/paths/paths.h"

static pu_status within(const char *name, double value, double low, double high) {
    if (value >= low && value <= high) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "%s is %g: it must lie in the range of %g and %g", name, value, low, high);
}

static pu_status check_rules(const pu__execution_rules *rules) {
    const struct {
        const char *name;
        double value, most;
    } ratio[] = {{"half_spread_ratio", rules->physics.half_spread_ratio, 1.0},
                 {"slippage_ratio", rules->physics.slippage_ratio, 1.0},
                 {"fee_ratio", rules->physics.fee_ratio, 1.0},
                 {"no_trade_weight", rules->physics.no_trade_weight, 1e6},
                 {"impact_ratio", rules->impact_ratio, 100.0},
                 {"participation_max", rules->participation_max, 1.0},
                 {"funding_ratio", rules->funding_ratio, 1.0},
                 {"borrow_ratio", rules->borrow_ratio, 1.0},
                 {"position_max", rules->position_max, 1e6},
                 {"leverage_max", rules->leverage_max, 1e6},
                 {"drawdown_max", rules->drawdown_max, 1.0},
                 {"maintenance_ratio", rules->maintenance_ratio, 1.0}};
    for (size_t i = 0; i < sizeof ratio / sizeof ratio[0]; ++i)
        PU_TRY(within(ratio[i].name, ratio[i].value, 0.0, ratio[i].most));
    if (rules->physics.latency_bars < 0 || rules->physics.latency_bars > 1000)
        return pu_fail(PU_ERR_ARGUMENT, "latency_bars is %lld: 0 to 1000", (long long)rules->physics.latency_bars);
    return PU_OK;
}

static pu_status check_shocks(const pu__path_scenario *s) {
    for (int64_t i = 0; i < (int64_t)s->steps * s->assets; ++i) {
        const pu__path_shock *shock = &s->shock[i];
        PU_TRY(within("a shock's shift", (double)shock->shift, -50.0, 50.0));
        PU_TRY(within("a shock's volatility_scale", (double)shock->volatility_scale, 0.0, 1e3));
        PU_TRY(within("a shock's drift_scale", (double)shock->drift_scale, -1e3, 1e3));
        PU_TRY(within("a shock's volume_scale", (double)shock->volume_scale, 1e-9, 1e3));
        PU_TRY(within("a shock's spread_scale", (double)shock->spread_scale, 0.0, 1e3));
        PU_TRY(within("a shock's correlation", (double)shock->correlation, 0.0, 1.0));
    }
    return PU_OK;
}

pu_status pu__path_scenario_check(const pu__path_scenario *s) {
    if (s->process < 0 || s->process >= PU_PROCESS_COUNT)
        return pu_fail(PU_ERR_ARGUMENT, "unknown price process %d", (int)s->process);
    if (s->policy < 0 || s->policy >= PU_POLICY_COUNT)
        return pu_fail(PU_ERR_ARGUMENT, "unknown policy %d", (int)s->policy);
    if (s->assets < 1 || s->assets > 4096) return pu_fail(PU_ERR_ARGUMENT, "%d assets: 1 to 4096", (int)s->assets);
    if (s->steps < 1 || s->steps > 1 << 24) return pu_fail(PU_ERR_ARGUMENT, "%d steps: 1 or more", (int)s->steps);
    if (!s->asset || !s->weight) return pu_fail(PU_ERR_ARGUMENT, "a scenario needs assets and weights");
    if (s->process == PU_PROCESS_REGIME && (s->regime_start < 0 || s->regime_start >= PU_REGIMES_MAX))
        return pu_fail(PU_ERR_ARGUMENT, "regime_start is %d", (int)s->regime_start);
    if (s->process == PU_PROCESS_BOOTSTRAP) {
        if (!s->history || s->history_rows < 2)
            return pu_fail(PU_ERR_ARGUMENT, "a bootstrap needs a history of two rows or more");
        PU_TRY(within("restart", (double)s->restart, 0.0, 1.0));
    }
    if (s->policy >= PU_POLICY_MOMENTUM) {
        PU_TRY(within("slow_decay", (double)s->slow_decay, 1e-6, 0.999999));
        PU_TRY(within("fast_decay", (double)s->fast_decay, 0.0, 1.0));
    }
    if (s->policy > PU_POLICY_MOMENTUM) PU_TRY(within("scale", (double)s->scale, 1e-12, 1e6));
    return check_rules(&s->rules);
}

pu_status pu__path_tables_check(const pu__path_scenario *s) {
    for (int32_t a = 0; s->volume && a < s->assets; ++a) PU_TRY(within("volume", s->volume[a], 0.0, 1e300));
    return s->shock ? check_shocks(s) : PU_OK;
}
