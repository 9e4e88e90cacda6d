#include "tests/support/scenario.h"

#include <math.h>

#include "kernels/physics/draws.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

static float uniform(pu_random *random, double low, double high) {
    return (float)(low + (high - low) * pu_random_uniform(random));
}

static void fill_asset(pu__process_asset *p, pu_random *random) {
    for (int k = 0; k < PU_REGIMES_MAX; ++k) {
        p->drift[k] = uniform(random, -1e-3, 1e-3);
        p->volatility[k] = uniform(random, 0.005, 0.06);
    }
    p->mean = p->drift[0];
    const float cdf[PU_JUMPS_MAX] = {0.6f, 0.8f, 0.9f, 0.95f, 0.98f, 0.99f, 0.995f, 1.0f};
    for (int k = 0; k < PU_JUMPS_MAX; ++k) p->jump_cdf[k] = cdf[k];
    p->jump_mean = uniform(random, -0.05, 0.02);
    p->jump_deviation = 0.03f;
    p->theta = 0.04f;
    p->decay = 0.97f;
    p->variance_v = 2e-4f;
    p->variance_0 = 2e-7f;
    p->k1 = 1.35f;
    p->k2 = -1.45f;
    p->k3 = p->k4 = 1e-3f;
    p->tilt = -1.449f;
    p->k0_v = 1.351f;
    p->omega = 1e-6f;
    p->alpha = 0.08f;
    p->beta = 0.9f;
    p->inverse_dof = uniform(random, 0.1, 0.3);
}

static void fill_shocks(pu__test_scenario *out, pu_random *random) {
    for (int i = 0; i < out->scenario.steps * out->scenario.assets; ++i) {
        pu__path_shock *shock = &out->shock[i];
        shock->shift = pu_random_uniform(random) < 0.05 ? -0.2f : 0.0f;
        shock->volatility_scale = uniform(random, 0.5, 3.0);
        shock->drift_scale = uniform(random, -2.0, 2.0);
        shock->volume_scale = uniform(random, 0.05, 1.0);
        shock->spread_scale = uniform(random, 1.0, 10.0);
        shock->correlation = pu_random_uniform(random) < 0.5 ? 0.0f : uniform(random, 0.0, 1.0);
    }
}

static void fill_rules(pu__execution_rules *rules, int number) {
    rules->physics.half_spread_ratio = 5e-4;
    rules->physics.slippage_ratio = 2e-4;
    rules->physics.fee_ratio = 1e-4;
    rules->physics.no_trade_weight = number % 5 == 1 ? 0.05 : 0.0;
    rules->physics.latency_bars = number % 4;
    if (number % 3 == 0) return;
    rules->impact_ratio = 0.02;
    rules->participation_max = number % 3 == 1 ? 0.1 : 0.0;
    rules->funding_ratio = 2e-4;
    rules->borrow_ratio = 1e-4;
    rules->position_max = number % 2 == 0 ? 0.7 : 0.0;
    rules->leverage_max = number % 5 == 2 ? 1.5 : 0.0;
    rules->drawdown_max = number % 7 == 3 ? 0.1 : 0.0;
    rules->maintenance_ratio = number % 4 == 1 ? 0.8 : 0.0;
}

void pu__test_scenario_make(pu__test_scenario *out, int number) {
    static const int32_t assets[] = {1, 3, 2, 7, 1, 12};
    static const pu__path_policy policies[] = {
        PU_POLICY_BUY_HOLD,        PU_POLICY_WEIGHTS,  PU_POLICY_CONSTANT,       PU_POLICY_PATH_WEIGHTS,
        PU_POLICY_HISTORY_WEIGHTS, PU_POLICY_MOMENTUM, PU_POLICY_MEAN_REVERSION, PU_POLICY_VOLATILITY};
    enum { POLICIES = sizeof policies / sizeof policies[0] };
    pu_random random = pu_random_at(20261123, (uint64_t)number);
    *out = (pu__test_scenario){0};
    pu__path_scenario *s = &out->scenario;
    s->seed = 1000 + (uint64_t)number;
    s->process = number % PU_PROCESS_COUNT;
    s->policy = policies[(number / PU_PROCESS_COUNT + number) % POLICIES];
    if (s->policy == PU_POLICY_HISTORY_WEIGHTS) s->process = number % 2 ? PU_PROCESS_BOOTSTRAP : PU_PROCESS_REPLAY;
    s->assets = assets[number / PU_PROCESS_COUNT % 6];
    s->steps = 1 + number * 7 % 41;
    for (int a = 0; a < SCENARIO_ASSETS_MAX; ++a) {
        fill_asset(&out->asset[a], &random);
        out->asset[a].variance_start = s->process == PU_PROCESS_HESTON ? 0.05f : 1e-4f;
        out->volume[a] = (double)uniform(&random, 0.5, 5.0);
    }
    if (number % 9 == 4) out->volume[0] = 0.0; /* not known */
    for (int32_t a = 0; a < s->assets; ++a)
        for (int32_t j = 0; j <= a; ++j)
            out->factor[a * s->assets + j] = j == a ? 0.8f : uniform(&random, -0.2, 0.3);
    const bool gaps = s->policy == PU_POLICY_WEIGHTS || s->policy == PU_POLICY_HISTORY_WEIGHTS;
    for (int i = 0; i < (SCENARIO_STEPS_MAX + 1) * SCENARIO_ASSETS_MAX; ++i)
        out->weight[i] =
            gaps && pu_random_uniform(&random) < 0.3 ? (double)NAN : (double)uniform(&random, -1.0, 1.5);
    for (int i = 0; i < SCENARIO_ROWS * SCENARIO_ASSETS_MAX; ++i) out->history[i] = uniform(&random, -0.05, 0.05);
    for (int i = 0; i < PU_REGIMES_MAX; ++i)
        for (int j = 0; j < PU_REGIMES_MAX; ++j)
            s->cumulative[i][j] = j == PU_REGIMES_MAX - 1 ? 1.0f : 0.2f * (float)(j + 1) + 0.05f * (float)i;
    fill_rules(&s->rules, number);
    s->asset = out->asset;
    s->factor = number % 4 == 3 ? NULL : out->factor;
    s->volume = number % 3 == 0 && number % 2 == 0 ? NULL : out->volume;
    s->shock = number % 5 == 0 ? out->shock : NULL;
    fill_shocks(out, &random);
    s->history = out->history;
    s->history_rows = SCENARIO_ROWS;
    s->history_first = number % 8;
    s->restart = 0.2f;
    s->weight = out->weight;
    s->fast_decay = 0.8f;
    s->slow_decay = 0.95f;
    s->scale = 0.02f;
}

static bool chance(pu_random *random, double p) { return pu_random_uniform(random) < p; }

static int below(pu_random *random, int n) { return (int)pu_random_below(random, (uint64_t)n); }

/* Even in the logarithm. */
static float order_of(pu_random *random, double low, double high) {
    return (float)(low * pow(high / low, pu_random_uniform(random)));
}

/* Every term alone and with any other. */
static void fill_any_rules(pu__execution_rules *rules, pu_random *random) {
    const double cost = chance(random, 0.2) ? 1.0 : (double)order_of(random, 1e-6, 1e-2);
    const double carry = chance(random, 0.3) ? 0.5 : 1e-4;
    *rules = (pu__execution_rules){0};
    if (chance(random, 0.7)) rules->physics.half_spread_ratio = cost * pu_random_uniform(random);
    if (chance(random, 0.7)) rules->physics.slippage_ratio = cost * pu_random_uniform(random);
    if (chance(random, 0.7)) rules->physics.fee_ratio = cost;
    if (chance(random, 0.3)) rules->physics.no_trade_weight = (double)order_of(random, 1e-3, 1e3);
    if (chance(random, 0.3)) rules->physics.latency_bars = below(random, 9);
    if (chance(random, 0.2)) rules->position_max = (double)order_of(random, 0.01, 10.0);
    if (chance(random, 0.2)) rules->impact_ratio = (double)order_of(random, 1e-3, 10.0);
    if (chance(random, 0.2)) rules->participation_max = (double)uniform(random, 1e-3, 1.0);
    if (chance(random, 0.2)) rules->funding_ratio = carry;
    if (chance(random, 0.2)) rules->borrow_ratio = carry;
    if (chance(random, 0.1)) rules->leverage_max = (double)order_of(random, 0.1, 10.0);
    if (chance(random, 0.1)) rules->drawdown_max = (double)uniform(random, 0.3, 1.0);
    if (chance(random, 0.1)) rules->maintenance_ratio = pu_random_uniform(random);
}

void pu__test_scenario_wild(pu__test_scenario *out, int number) {
    pu_random random = pu_random_at(20270114, (uint64_t)number);
    pu__test_scenario_make(out, number % PU_TEST_SCENARIOS);
    pu__path_scenario *s = &out->scenario;
    s->seed = pu_random_u64(&random);
    s->steps = chance(&random, 0.2) ? 1 + below(&random, 5) : 1 + below(&random, 44);
    if (chance(&random, 0.5)) s->assets = 1;
    const double size = chance(&random, 0.5) ? (double)order_of(&random, 1.0, 30.0) : 1.0;
    for (int a = 0; a < SCENARIO_ASSETS_MAX; ++a) {
        const float volatility = chance(&random, 0.2) ? 0.0f : order_of(&random, 1e-4, 1.0);
        for (int k = 0; k < PU_REGIMES_MAX; ++k) out->asset[a].volatility[k] = volatility * (float)(1 + k) / 2.0f;
    }
    for (int i = 0; i < (SCENARIO_STEPS_MAX + 1) * SCENARIO_ASSETS_MAX; ++i)
        out->weight[i] = chance(&random, 0.1) ? (double)NAN : chance(&random, 0.1) ? 0.0 : size * out->weight[i];
    fill_any_rules(&s->rules, &random);
    if (chance(&random, 0.6)) s->volume = NULL;
    if (chance(&random, 0.6)) s->shock = NULL;
    fill_shocks(out, &random);
}

double *pu__test_path_weights(const pu__path_scenario *scenario, uint64_t first, int64_t count) {
    if (scenario->policy != PU_POLICY_PATH_WEIGHTS) return NULL;
    const int64_t each = ((int64_t)scenario->steps + 1) * scenario->assets;
    double *weight = pu_calloc((size_t)(count * each), sizeof *weight);
    for (int64_t i = 0; i < count && weight; ++i) {
        pu_random random = pu_random_at(scenario->seed, first + (uint64_t)i);
        for (int64_t k = 0; k < each; ++k) {
            const bool order = pu_random_uniform(&random) < 0.6;
            weight[i * each + k] = order ? (double)uniform(&random, -1.0, 1.5) : (double)NAN;
        }
    }
    return weight;
}
