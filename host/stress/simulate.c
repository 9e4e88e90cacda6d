#include "host/stress/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/paths.h"
#include "host/stress/plugin.h"
#include "host/stress/policy.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { BATCH_PATHS = 16384, MODEL_PATHS_MIN = 64, DECISIONS_BYTES_MAX = 128 << 20 };

static const double fan_share[PU__FAN_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

/* ---- outcomes ---- */

pu_status pu__outcome_make(const pu__stress *s, bool fan, pu__outcome *out) {
    *out = (pu__outcome){.paths = s->paths};
    out->wealth = pu_calloc((size_t)s->paths, sizeof *out->wealth);
    out->drawdown = pu_calloc((size_t)s->paths, sizeof *out->drawdown);
    out->summary = pu_calloc(1, sizeof *out->summary);
    if (fan) {
        out->fan.bars = s->steps + 1;
        out->fan.value = pu_calloc((size_t)(PU__FAN_QUANTILES * out->fan.bars), sizeof *out->fan.value);
        if (!out->fan.value) return PU_ERR_MEMORY;
    }
    if (!out->wealth || !out->drawdown || !out->summary) return PU_ERR_MEMORY;
    pu__path_summary_reset(out->summary);
    return PU_OK;
}

void pu__outcome_free(pu__outcome *outcome) {
    pu_free(outcome->wealth);
    pu_free(outcome->drawdown);
    pu_free(outcome->summary);
    pu_free(outcome->fan.value);
    *outcome = (pu__outcome){0};
}

/* ---- the path kernel's scenario ---- */

static pu__execution_rules rules_of(const pu__stress *s, const pu__stress_policy *policy,
                                    const pu__stress_terms *terms) {
    const pu_config *c = s->config;
    const double factor = terms->free ? 0.0 : terms->cost_factor, year = s->market.periods_per_year;
    pu__execution_rules rules = {
        .physics = {.half_spread_ratio = 0.5e-4 * c->backtest.spread_bps * factor,
                    .slippage_ratio = 1e-4 * c->backtest.slippage_bps * factor,
                    .fee_ratio = 1e-4 * c->backtest.fee_bps * factor,
                    .latency_bars = terms->latency_bars},
        .impact_ratio = s->impact_ratio * factor,
        .participation_max = c->stress.participation_max,
        .drawdown_max = c->stress.drawdown_stop_ratio,
        .maintenance_ratio = c->stress.maintenance_ratio,
    };
    if (policy->sized) rules.physics.no_trade_weight = c->backtest.no_trade_ratio * c->backtest.position_max;
    if (policy->source == PU__SOURCE_PLUGIN) { /* nobody else keeps it within the limits */
        rules.position_max = c->backtest.position_max;
        rules.leverage_max = c->backtest.leverage_max;
    }
    if (!terms->free) {
        rules.funding_ratio = c->stress.funding_annual_ratio / year;
        rules.borrow_ratio = c->stress.borrow_annual_ratio / year;
    }
    return rules;
}

static float decay_of(int64_t span_bars) { return (float)(1.0 - 2.0 / ((double)span_bars + 1.0)); }

static pu__path_scenario scenario_of(const pu__stress *s, const pu__stress_policy *policy,
                                     const pu__stress_prices *prices, const pu__stress_terms *terms) {
    pu__path_scenario out = s->process;
    const pu_config *c = s->config;
    out.seed = (uint64_t)prices->seed;
    out.volume = s->volume;
    out.shock = prices->scenario->shock_count > 0 ? s->shock : NULL;
    out.rules = rules_of(s, policy, terms);
    out.policy = policy->source == PU__SOURCE_HISTORY ? PU_POLICY_HISTORY_WEIGHTS : policy->rule;
    out.weight = policy->weight;
    out.fast_decay = decay_of(c->stress.fast_bars);
    out.slow_decay = decay_of(c->stress.slow_bars);
    out.scale = (float)c->stress.scale;
    if (policy->rule == PU_POLICY_VOLATILITY)
        out.scale = (float)(c->stress.scale / sqrt(s->market.periods_per_year));
    return out;
}

static pu_status lay(pu__stress *s, const pu__stress_prices *prices) {
    if (prices->scenario->shock_count == 0) return PU_OK;
    return pu__scenario_overlay(prices->scenario, prices->severity, s->steps, s->market.assets, s->market.asset,
                                s->shock);
}

pu_status pu__stress_prices_check(pu__stress *s, const pu__stress_prices *prices) {
    const pu__stress_terms terms = {.cost_factor = 0.0, .latency_bars = s->base_latency};
    PU_TRY(lay(s, prices));
    for (int p = 0; p < s->policies; ++p) {
        const pu__path_scenario scenario = scenario_of(s, &s->policy[p], prices, &terms);
        PU_TRY(pu__path_scenario_check(&scenario));
        PU_TRY(pu__path_tables_check(&scenario));
    }
    return PU_OK;
}

/* ---- quantiles ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NumPy's default: linear between the order statistics. */
static double quantile(const double *sorted, int64_t n, double share) {
    const double rank = share * (double)(n - 1);
    const int64_t low = (int64_t)floor(rank), high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (sorted[high] - sorted[low]) * (rank - (double)low);
}

/* equity [paths][bars] */
static pu_status fill_fan(const double *equity, pu__stress_fan *fan) {
    double *column = pu_calloc((size_t)fan->paths, sizeof *column);
    if (!column) return PU_ERR_MEMORY;
    for (int64_t bar = 0; bar < fan->bars; ++bar) {
        for (int64_t p = 0; p < fan->paths; ++p) column[p] = equity[p * fan->bars + bar];
        qsort(column, (size_t)fan->paths, sizeof *column, ascending);
        for (int q = 0; q < PU__FAN_QUANTILES; ++q)
            fan->value[q * fan->bars + bar] = quantile(column, fan->paths, fan_share[q]);
    }
    pu_free(column);
    return PU_OK;
}

/* ---- decisions of a model ---- */

/* Paths of a batch; a model's are few enough for the memory of their prices and weights. */
static int64_t batch_paths(const pu__stress *s, int policy) {
    if (s->policy[policy].source != PU__SOURCE_MODEL) return BATCH_PATHS;
    const int64_t bytes = (s->steps + 1) * s->market.assets * 2 * (int64_t)sizeof(double);
    const int64_t most = DECISIONS_BYTES_MAX / bytes;
    return most < MODEL_PATHS_MIN ? MODEL_PATHS_MIN : most < BATCH_PATHS ? most : BATCH_PATHS;
}

/* Room for the weights of `count` paths, or as many as will ever be asked for. */
static pu_status make_room(pu__stress *s, int policy, int64_t count) {
    pu__decisions *d = &s->decisions;
    if (d->room >= count) return PU_OK;
    const int64_t batch = batch_paths(s, policy), room = count > 1 ? (s->paths < batch ? s->paths : batch) : 1;
    pu_free(d->weight);
    *d = (pu__decisions){0};
    d->weight = pu_calloc((size_t)(room * (s->steps + 1) * s->market.assets), sizeof *d->weight);
    if (!d->weight) return PU_ERR_MEMORY;
    d->room = room;
    return PU_OK;
}

static pu_status decide_at(pu__stress *s, const pu__path_scenario *scenario, const pu__path_batch *batch,
                           int32_t *row) {
    const bool rows = scenario->process == PU_PROCESS_BOOTSTRAP || scenario->process == PU_PROCESS_REPLAY;
    PU_TRY(pu__device_paths(s->device, scenario, batch));
    if (rows) pu__path_rows(scenario, (int64_t)batch->first, batch->count, row);
    const pu__simulated paths = {.first = (int64_t)batch->first,
                                 .count = batch->count,
                                 .steps = s->steps,
                                 .assets = s->market.assets,
                                 .price = batch->price,
                                 .row = rows ? row : NULL,
                                 .shock = scenario->shock,
                                 .seed = scenario->seed};
    return pu__policy_weights(s->model, &paths, s->decisions.weight);
}

/* What the model decides on these paths: s->decisions, kept while the same are asked for. Decisions depend on neither
 * costs nor latency. */
static pu_status decide(pu__stress *s, int policy, const pu__stress_prices *prices, int64_t first, int64_t count) {
    pu__decisions *d = &s->decisions;
    const bool same = d->scenario == prices->scenario && d->severity == prices->severity &&
                      d->seed == prices->seed && d->first == first && d->count == count;
    if (same) return PU_OK;
    PU_TRY(make_room(s, policy, count));
    d->scenario = NULL;
    const pu__stress_terms terms = {.free = true};
    const pu__path_scenario scenario = scenario_of(s, &s->policy[policy], prices, &terms);
    const size_t bars = (size_t)s->steps + 1, assets = (size_t)s->market.assets;
    double *price = pu_calloc((size_t)count * bars * assets, sizeof *price);
    int32_t *row = pu_calloc((size_t)count * bars, sizeof *row);
    const pu__path_batch batch = {.first = (uint64_t)first, .count = count, .price = price};
    const pu_status status = price && row ? decide_at(s, &scenario, &batch, row) : PU_ERR_MEMORY;
    pu_free(price);
    pu_free(row);
    PU_TRY(status);
    d->scenario = prices->scenario;
    d->severity = prices->severity;
    d->seed = prices->seed;
    d->first = first;
    d->count = count;
    return PU_OK;
}

/* ---- running ---- */

/* A batch of a policy, whose weights by path, where it has them, are decided. */
static pu_status run_paths(pu__stress *s, int policy, const pu__stress_prices *prices,
                           const pu__stress_terms *terms, pu__path_batch *batch) {
    pu__path_scenario scenario = scenario_of(s, &s->policy[policy], prices, terms);
    if (s->policy[policy].source == PU__SOURCE_MODEL) {
        scenario.policy = PU_POLICY_PATH_WEIGHTS;
        scenario.weight = NULL;
        batch->weight = s->decisions.weight;
    }
    if (s->policy[policy].source == PU__SOURCE_PLUGIN)
        return pu__policy_plugin_run(s->plugin, &scenario, batch, s->pool);
    return pu__device_paths(s->device, &scenario, batch);
}

static pu_status run_fan(pu__stress *s, int policy, const pu__stress_prices *prices, const pu__stress_terms *terms,
                         int64_t count, pu__stress_fan *fan) {
    fan->paths = count < PU__FAN_PATHS ? count : PU__FAN_PATHS;
    double *equity = pu_calloc((size_t)(fan->paths * fan->bars), sizeof *equity);
    if (!equity) return PU_ERR_MEMORY;
    pu__path_batch batch = {.count = fan->paths, .equity = equity};
    pu_status status = run_paths(s, policy, prices, terms, &batch);
    if (status == PU_OK) status = fill_fan(equity, fan);
    pu_free(equity);
    return status;
}

static pu_status run_batch(pu__stress *s, int policy, const pu__stress_prices *prices,
                           const pu__stress_terms *terms, int64_t first, int64_t count, double *metric,
                           pu__outcome *out) {
    pu__path_batch batch = {.first = (uint64_t)first, .count = count, .metric = metric, .summary = out->summary};
    PU_TRY(run_paths(s, policy, prices, terms, &batch));
    memcpy(out->wealth + first, metric + PU_PATH_WEALTH * count, (size_t)count * sizeof *metric);
    memcpy(out->drawdown + first, metric + PU_PATH_DRAWDOWN * count, (size_t)count * sizeof *metric);
    if (first > 0 || out->fan.bars == 0) return PU_OK;
    return run_fan(s, policy, prices, terms, count, &out->fan);
}

pu_status pu__stress_simulate(pu__stress *s, int policy, const pu__stress_prices *prices, int count,
                              const pu__stress_terms *terms, pu__outcome *outcome) {
    PU_TRY(lay(s, prices));
    const int64_t most = batch_paths(s, policy);
    const bool model = s->policy[policy].source == PU__SOURCE_MODEL;
    double *metric = pu_calloc((size_t)(PU_PATH_METRIC_COUNT * most), sizeof *metric);
    if (!metric) return PU_ERR_MEMORY;
    pu_status status = PU_OK;
    for (int64_t first = 0; first < s->paths && status == PU_OK; first += most) {
        const int64_t left = s->paths - first, paths = left < most ? left : most;
        if (model) status = decide(s, policy, prices, first, paths);
        for (int t = 0; t < count && status == PU_OK; ++t)
            status = run_batch(s, policy, prices, &terms[t], first, paths, metric, &outcome[t]);
        if (status == PU_OK && pu_interrupted()) status = pu_fail(PU_ERR_INTERRUPTED, "interrupted");
    }
    pu_free(metric);
    return status;
}

pu_status pu__stress_path(pu__stress *s, int policy, const pu__stress_prices *prices,
                          const pu__stress_terms *terms, int64_t path, double *price, double *trade,
                          double *equity, double *metric) {
    PU_TRY(lay(s, prices));
    if (s->policy[policy].source == PU__SOURCE_MODEL) PU_TRY(decide(s, policy, prices, path, 1));
    pu__path_batch batch = {
        .first = (uint64_t)path, .count = 1, .metric = metric, .price = price, .trade = trade, .equity = equity};
    return run_paths(s, policy, prices, terms, &batch);
}

/* ---- figures ---- */

static double tail_loss(const double *sorted, int64_t n, double share) {
    const int64_t count = (int64_t)floor((double)(n - 1) * share) + 1;
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += sorted[i];
    return 1.0 - sum / (double)count;
}

static double share_error(double share, double n) { return sqrt(share * (1.0 - share) / n); }

void pu__stress_measure(pu__outcome *o, int64_t steps, pu__stress_figures *out) {
    const int64_t n = o->paths;
    const double paths = (double)n;
    double sum = 0.0, square = 0.0;
    *out = (pu__stress_figures){0};
    for (int64_t i = 0; i < n; ++i) {
        sum += o->wealth[i];
        if (o->wealth[i] < o->wealth[out->worst_path]) out->worst_path = i;
    }
    const double mean = sum / paths;
    for (int64_t i = 0; i < n; ++i) square += (o->wealth[i] - mean) * (o->wealth[i] - mean);
    out->worst_return = o->wealth[out->worst_path] - 1.0;
    out->mean_return = mean - 1.0;
    out->mean_return_error = n > 1 ? sqrt(square / (paths - 1.0) / paths) : 0.0;
    qsort(o->wealth, (size_t)n, sizeof *o->wealth, ascending);
    qsort(o->drawdown, (size_t)n, sizeof *o->drawdown, ascending);
    out->median_return = quantile(o->wealth, n, 0.5) - 1.0;
    out->loss_95 = 1.0 - quantile(o->wealth, n, 0.05);
    out->loss_99 = 1.0 - quantile(o->wealth, n, 0.01);
    out->cvar_95 = tail_loss(o->wealth, n, 0.05);
    out->cvar_99 = tail_loss(o->wealth, n, 0.01);
    out->drawdown_median = quantile(o->drawdown, n, 0.5);
    out->drawdown_95 = quantile(o->drawdown, n, 0.95);
    out->ruin = (double)o->summary->ruined / paths;
    out->ruin_error = share_error(out->ruin, paths);
    out->margin_call = (double)o->summary->margin_called / paths;
    out->margin_call_error = share_error(out->margin_call, paths);
    out->stopped = (double)o->summary->stopped / paths;
    out->turnover = pu__path_mean(o->summary, PU_PATH_TURNOVER);
    out->spread = pu__path_mean(o->summary, PU_PATH_SPREAD);
    out->slippage = pu__path_mean(o->summary, PU_PATH_SLIPPAGE);
    out->fee = pu__path_mean(o->summary, PU_PATH_FEE);
    out->impact = pu__path_mean(o->summary, PU_PATH_IMPACT);
    out->carry = pu__path_mean(o->summary, PU_PATH_CARRY);
    out->under_water = pu__path_mean(o->summary, PU_PATH_UNDER_WATER) / (double)(steps + 1);
}
