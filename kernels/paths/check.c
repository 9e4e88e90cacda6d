/* What a scenario must be before a kernel runs it. */
#include <stdio.h>

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

/* One value of a table, named by its asset and, unless -1, its row. */
static pu_status entry(const char *name, int64_t row, int32_t asset, double value, double low, double high) {
    if (value >= low && value <= high) return PU_OK;
    char place[64] = " of";
    if (row >= 0) snprintf(place, sizeof place, " in row %lld,", (long long)row);
    return pu_fail(PU_ERR_ARGUMENT, "%s%s asset %d is %g: it must lie in the range of %g and %g", name, place,
                   (int)asset, value, low, high);
}

static pu_status check_shocks(const pu__path_scenario *s) {
    for (int64_t i = 0; i < (int64_t)s->steps * s->assets; ++i) {
        const pu__path_shock *shock = &s->shock[i];
        const int64_t row = i / s->assets;
        const int32_t a = (int32_t)(i % s->assets);
        PU_TRY(entry("the shift of a shock", row, a, (double)shock->shift, -50.0, 50.0));
        PU_TRY(entry("the volatility_scale of a shock", row, a, (double)shock->volatility_scale, 0.0, 1e3));
        PU_TRY(entry("the drift_scale of a shock", row, a, (double)shock->drift_scale, -1e3, 1e3));
        PU_TRY(entry("the volume_scale of a shock", row, a, (double)shock->volume_scale, 1e-9, 1e3));
        PU_TRY(entry("the spread_scale of a shock", row, a, (double)shock->spread_scale, 0.0, 1e3));
        PU_TRY(entry("the correlation of a shock", row, a, (double)shock->correlation, 0.0, 1.0));
    }
    return PU_OK;
}

/* What the process reads of an asset's coefficients, in the ranges in which a step is a finite number. */
static pu_status check_asset(const pu__path_scenario *s, int32_t a) {
    const pu__process_asset *p = &s->asset[a];
    const int states = s->process == PU_PROCESS_REGIME ? PU_REGIMES_MAX : 1;
    PU_TRY(entry("mean", -1, a, (double)p->mean, -1e3, 1e3));
    for (int i = 0; i < states; ++i) {
        PU_TRY(entry("drift", -1, a, (double)p->drift[i], -1e4, 1e4));
        PU_TRY(entry("volatility", -1, a, (double)p->volatility[i], 0.0, 1e3));
    }
    if (s->process == PU_PROCESS_MERTON) {
        for (int k = 0; k < PU_JUMPS_MAX; ++k)
            PU_TRY(
                entry("jump_cdf", -1, a, (double)p->jump_cdf[k], k ? (double)p->jump_cdf[k - 1] : 0.0, 1.000001));
        PU_TRY(entry("jump_mean", -1, a, (double)p->jump_mean, -10.0, 10.0));
        PU_TRY(entry("jump_deviation", -1, a, (double)p->jump_deviation, 0.0, 10.0));
    }
    if (s->process == PU_PROCESS_HESTON || s->process == PU_PROCESS_GARCH)
        PU_TRY(entry("variance_start", -1, a, (double)p->variance_start, 0.0, 1e4));
    if (s->process == PU_PROCESS_HESTON) {
        const float coefficient[] = {p->k1, p->k2, p->k3, p->k4, p->tilt, p->k0_v};
        PU_TRY(entry("theta", -1, a, (double)p->theta, 1e-30, 1e4));
        PU_TRY(entry("decay", -1, a, (double)p->decay, 0.0, 1.0));
        PU_TRY(entry("variance_v", -1, a, (double)p->variance_v, 0.0, 1e8));
        PU_TRY(entry("variance_0", -1, a, (double)p->variance_0, 0.0, 1e12));
        for (size_t i = 0; i < sizeof coefficient / sizeof coefficient[0]; ++i)
            PU_TRY(entry("a coefficient of the variance", -1, a, (double)coefficient[i], -1e12, 1e12));
    }
    if (s->process == PU_PROCESS_GARCH) {
        PU_TRY(entry("omega", -1, a, (double)p->omega, 0.0, 100.0));
        PU_TRY(entry("alpha", -1, a, (double)p->alpha, 0.0, 1.0));
        PU_TRY(entry("beta", -1, a, (double)p->beta, 0.0, 1.0));
        PU_TRY(entry("alpha + beta", -1, a, (double)p->alpha + (double)p->beta, 0.0,
                     1.000001)); /* else it explodes */
        PU_TRY(entry("inverse_dof", -1, a, (double)p->inverse_dof, 1e-7, 0.5));
    }
    return PU_OK;
}

static pu_status check_regimes(const pu__path_scenario *s) {
    for (int i = 0; i < PU_REGIMES_MAX; ++i)
        for (int j = 0; j < PU_REGIMES_MAX; ++j)
            PU_TRY(within("a cumulative chance of a regime", (double)s->cumulative[i][j],
                          j ? (double)s->cumulative[i][j - 1] : 0.0, 1.000001));
    return PU_OK;
}

static bool historical(const pu__path_scenario *s) {
    return s->process == PU_PROCESS_BOOTSTRAP || s->process == PU_PROCESS_REPLAY;
}

/* Rows of weights; NaN: no order. */
static pu_status check_weights(const double *weight, int64_t rows, int32_t assets) {
    for (int64_t i = 0; i < rows * assets; ++i)
        if (weight[i] == weight[i])
            PU_TRY(entry("weight", i / assets, (int32_t)(i % assets), weight[i], -1e6, 1e6));
    return PU_OK;
}

static pu_status check_history(const pu__path_scenario *s) {
    const bool replay = s->process == PU_PROCESS_REPLAY;
    if (!s->history || s->history_rows < 2)
        return pu_fail(PU_ERR_ARGUMENT, "a %s needs a history of two rows or more",
                       replay ? "replay" : "bootstrap");
    if (!replay) return within("restart", (double)s->restart, 0.0, 1.0);
    if (s->history_first < 0 || s->steps > (int64_t)s->history_rows - s->history_first)
        return pu_fail(
            PU_ERR_ARGUMENT,
            "a replay of %d steps from row %d needs %lld rows of history: it has %d; take fewer steps or "
            "an earlier row",
            (int)s->steps, (int)s->history_first, (long long)s->history_first + s->steps, (int)s->history_rows);
    return PU_OK;
}

static pu_status check_policy(const pu__path_scenario *s) {
    if (s->policy < 0 || s->policy >= PU_POLICY_COUNT)
        return pu_fail(PU_ERR_ARGUMENT, "unknown policy %d", (int)s->policy);
    if (s->policy == PU_POLICY_CALLBACK && !s->decide)
        return pu_fail(PU_ERR_ARGUMENT, "a policy that is a function needs the function");
    if (s->policy == PU_POLICY_HISTORY_WEIGHTS && !historical(s))
        return pu_fail(PU_ERR_ARGUMENT,
                       "weights of the history's rows need a process of that history: bootstrap or replay");
    if (!s->weight && s->policy != PU_POLICY_PATH_WEIGHTS && s->policy != PU_POLICY_CALLBACK)
        return pu_fail(PU_ERR_ARGUMENT, "this policy needs weights");
    if (s->policy >= PU_POLICY_MOMENTUM) {
        PU_TRY(within("slow_decay", (double)s->slow_decay, 1e-6, 0.999999));
        PU_TRY(within("fast_decay", (double)s->fast_decay, 0.0, 1.0));
    }
    return s->policy > PU_POLICY_MOMENTUM ? within("scale", (double)s->scale, 1e-12, 1e6) : PU_OK;
}

pu_status pu__path_scenario_check(const pu__path_scenario *s) {
    if (s->process < 0 || s->process >= PU_PROCESS_COUNT)
        return pu_fail(PU_ERR_ARGUMENT, "unknown price process %d", (int)s->process);
    if (s->assets < 1 || s->assets > 4096) return pu_fail(PU_ERR_ARGUMENT, "%d assets: 1 to 4096", (int)s->assets);
    if (s->steps < 1 || s->steps > 1 << 24) return pu_fail(PU_ERR_ARGUMENT, "%d steps: 1 or more", (int)s->steps);
    if (!s->asset) return pu_fail(PU_ERR_ARGUMENT, "a scenario needs assets");
    if (s->process == PU_PROCESS_REGIME && (s->regime_start < 0 || s->regime_start >= PU_REGIMES_MAX))
        return pu_fail(PU_ERR_ARGUMENT, "regime_start is %d", (int)s->regime_start);
    if (historical(s)) PU_TRY(check_history(s));
    PU_TRY(check_policy(s));
    return check_rules(&s->rules);
}

pu_status pu__path_batch_check(const pu__path_scenario *s, const pu__path_batch *batch) {
    if (batch->count < 0) return pu_fail(PU_ERR_ARGUMENT, "%lld paths: 0 or more", (long long)batch->count);
    if (!batch->weight != (s->policy != PU_POLICY_PATH_WEIGHTS))
        return pu_fail(PU_ERR_ARGUMENT, batch->weight ? "the batch has weights that the policy does not read"
                                                      : "the policy needs the weights of the batch's paths");
    return PU_OK;
}

pu_status pu__path_batched_check(const pu__path_scenario *s) {
    if (s->policy != PU_POLICY_CALLBACK) return PU_OK;
    return pu_fail(PU_ERR_UNSUPPORTED, "a policy that is a function runs by pu__paths_callback alone");
}

pu_status pu__path_tables_check(const pu__path_scenario *s) {
    const int64_t assets = s->assets;
    for (int32_t a = 0; a < s->assets; ++a) PU_TRY(check_asset(s, a));
    if (s->process == PU_PROCESS_REGIME) PU_TRY(check_regimes(s));
    for (int64_t i = 0; s->factor && i < assets * assets; ++i)
        if (i % assets <= i / assets)
            PU_TRY(entry("the factor", i / assets, (int32_t)(i % assets), (double)s->factor[i], -1e3, 1e3));
    for (int32_t a = 0; s->volume && a < s->assets; ++a) PU_TRY(entry("volume", -1, a, s->volume[a], 0.0, 1e300));
    for (int64_t i = 0; historical(s) && i < s->history_rows * assets; ++i)
        PU_TRY(entry("the history", i / assets, (int32_t)(i % assets), (double)s->history[i], -50.0, 50.0));
    if (s->shock) PU_TRY(check_shocks(s));
    if (s->policy == PU_POLICY_PATH_WEIGHTS || s->policy == PU_POLICY_CALLBACK) return PU_OK;
    return check_weights(s->weight,
                         s->policy == PU_POLICY_WEIGHTS           ? (int64_t)s->steps + 1
                         : s->policy == PU_POLICY_HISTORY_WEIGHTS ? s->history_rows
                                                                  : 1,
                         s->assets);
}

pu_status pu__path_weights_check(const pu__path_scenario *s, const pu__path_batch *batch) {
    return batch->weight ? check_weights(batch->weight, batch->count * ((int64_t)s->steps + 1), s->assets) : PU_OK;
}
