#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/store/digest.h"
#include "host/stress/plugin.h"
#include "host/stress/policy.h"
#include "host/stress/process.h"
#include "host/stress/simulate.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

void pu__stress_warn(pu__stress *s, const char *format, ...) {
    if (s->warnings == PU__STRESS_WARNINGS) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->warning[s->warnings++], PU__STRESS_WARNING_BYTES, format, arguments);
    va_end(arguments);
}

int64_t pu__stress_seed(const pu__stress *s, int64_t k) {
    return (int64_t)(((uint64_t)s->config->run.seed + (uint64_t)k) & INT64_MAX);
}

/* ---- market ---- */

static pu_status accept_faults(pu__stress *s) {
    char *accepted = NULL;
    PU_TRY(pu_validate_gate(s->config, &accepted));
    for (const char *line = accepted; *line;) {
        const size_t length = strcspn(line, "\n");
        pu__stress_warn(s, "The data are faulty, and accepted by data.accept: %.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    pu_free(accepted);
    return PU_OK;
}

static pu_status open_market(pu__stress *s) {
    int64_t from = INT64_MIN, to = INT64_MAX;
    PU_TRY(pu__market_interval(s->config, &from, &to));
    PU_TRY(accept_faults(s));
    PU_TRY(pu__market_load(s->config, true, from, to, &s->market));
    if (s->market.rows > INT32_MAX)
        return pu_fail(PU_ERR_CONFIG, "a history of %lld bars is too long: shorten stress.fit",
                       (long long)s->market.rows);
    if (s->market.left_out > 0)
        pu__stress_warn(s, "%lld times of the history are left out: some asset has no bar there; %lld are used.",
                        (long long)s->market.left_out, (long long)s->market.rows);
    pu_store *store = NULL;
    pu_status status = pu_store_open(s->config->data.store, PU_STORE_READ, &store);
    if (status == PU_OK) status = pu_store_data_hash(store, s->market.assets, s->market.asset, s->data_hash);
    pu_store_close(store);
    return status;
}

/* Standard deviation of a bar's log-return, the mean over what is traded. */
static double bar_volatility(const pu__market *m) {
    const int64_t rows = m->rows - 1;
    double total = 0.0;
    for (int64_t a = 0; a < m->traded; ++a) {
        double sum = 0.0, square = 0.0;
        for (int64_t r = 0; r < rows; ++r) sum += (double)m->log_return[r * m->assets + a];
        const double mean = sum / (double)rows;
        for (int64_t r = 0; r < rows; ++r) {
            const double x = (double)m->log_return[r * m->assets + a] - mean;
            square += x * x;
        }
        total += sqrt(square / (double)rows);
    }
    return total / (double)m->traded;
}

double pu__stress_cost_factor_max(const pu__stress *s) {
    const pu_config *c = s->config;
    double most = 1e6;
    if (c->backtest.spread_bps > 0.0) most = fmin(most, 1.0 / (0.5e-4 * c->backtest.spread_bps));
    if (c->backtest.slippage_bps > 0.0) most = fmin(most, 1.0 / (1e-4 * c->backtest.slippage_bps));
    if (c->backtest.fee_bps > 0.0) most = fmin(most, 1.0 / (1e-4 * c->backtest.fee_bps));
    if (s->impact_ratio > 0.0) most = fmin(most, 100.0 / s->impact_ratio);
    return most;
}

static pu_status open_volume(pu__stress *s) {
    const pu_config *c = s->config;
    if (c->stress.capital == 0.0) return PU_OK;
    s->impact_ratio = c->stress.impact * bar_volatility(&s->market);
    s->volume = pu_calloc((size_t)s->market.assets, sizeof *s->volume);
    if (!s->volume) return PU_ERR_MEMORY;
    for (int a = 0; a < s->market.assets; ++a) {
        s->volume[a] = s->market.volume[a] / c->stress.capital;
        if (a < s->market.traded && !(s->volume[a] > 0.0))
            pu__stress_warn(s, "%s has no volume: its orders fill whole, without impact.",
                            s->market.asset[a].symbol);
    }
    return PU_OK;
}

static pu_status open_execution(pu__stress *s) {
    const pu_real_list *factors = &s->config->stress.cost_factors;
    const pu_int_list *latencies = &s->config->stress.latencies;
    PU_TRY(open_volume(s));
    for (int i = 0; i < latencies->count; ++i) {
        if (latencies->value[i] >= s->steps)
            pu__stress_warn(s,
                            "A latency of %lld bars is not below stress.steps_bars, %lld: hardly an order fills.",
                            (long long)latencies->value[i], (long long)s->steps);
    }
    const double asked = factors->value[factors->count - 1], most = pu__stress_cost_factor_max(s);
    if (asked <= most) return PU_OK;
    return pu_fail(
        PU_ERR_CONFIG,
        "stress.cost_factors: %g times the costs of the backtest are more than what is traded: at most %.6g",
        asked, most);
}

/* ---- scenarios ---- */

static pu_status choose_scenarios(pu__stress *s) {
    const pu_text_list *names = &s->config->stress.scenarios;
    s->scenario = pu_calloc((size_t)s->library.count, sizeof *s->scenario);
    if (!s->scenario) return PU_ERR_MEMORY;
    s->scenario[s->scenarios++] = &s->library.scenario[0];
    for (int i = 1; names->count == 0 && i < s->library.count; ++i)
        s->scenario[s->scenarios++] = &s->library.scenario[i];
    for (int i = 0; i < names->count; ++i) {
        int index = 0;
        const pu_status status = pu__scenarios_find(&s->library, names->value[i], &index);
        if (status != PU_OK) return pu_fail_within(status, "stress.scenarios");
        if (index > 0) s->scenario[s->scenarios++] = &s->library.scenario[index];
    }
    return PU_OK;
}

static bool has_correlation(const pu__scenario *scenario) {
    for (int i = 0; i < scenario->shock_count; ++i) {
        if (scenario->shock[i].kind == PU__SHOCK_CORRELATION) return true;
    }
    return false;
}

static pu_status open_scenarios(pu__stress *s) {
    PU_TRY(pu__scenarios_of(s->config, &s->library));
    PU_TRY(choose_scenarios(s));
    s->shock = pu_calloc((size_t)(s->steps * s->market.assets), sizeof *s->shock);
    if (!s->shock) return PU_ERR_MEMORY;
    int correlated = 0;
    for (int i = 1; i < s->scenarios; ++i) {
        PU_TRY(pu__scenario_check(s->scenario[i], s->steps, s->market.assets, s->market.asset));
        if (pu__scenario_cut(s->scenario[i], s->steps) > 0)
            pu__stress_warn(s, "Scenario %s does not end within %lld bars: what lies behind them is cut off.",
                            s->scenario[i]->name, (long long)s->steps);
        correlated += has_correlation(s->scenario[i]);
    }
    const bool drawn = s->process.process != PU_PROCESS_BOOTSTRAP && s->process.process != PU_PROCESS_REPLAY;
    if (correlated > 0 && !drawn)
        pu__stress_warn(
            s,
            "Shocks to the correlation of %d scenarios do nothing: a row of the history keeps its own. A "
            "process that is drawn (stress.process) takes them.",
            correlated);
    return PU_OK;
}

/* Every price scenario of the grid, so that none is refused hours later. */
static pu_status check_prices(pu__stress *s) {
    const pu_real_list *severities = &s->config->stress.severities;
    for (int i = 0; i < s->scenarios; ++i) {
        for (int v = 0; v < (i == 0 ? 1 : severities->count); ++v) {
            const pu__stress_prices prices = {s->scenario[i], i == 0 ? 0.0 : severities->value[v],
                                              pu__stress_seed(s, 0)};
            PU_TRY(pu__stress_prices_check(s, &prices));
        }
    }
    return PU_OK;
}

/* ---- policies ---- */

/* The rules by the words of stress.policy. */
static int32_t rule_named(const char *name) {
    static const struct {
        const char *name;
        int32_t rule;
    } rules[] = {{"buy_hold", PU_POLICY_BUY_HOLD},
                 {"constant", PU_POLICY_CONSTANT},
                 {"momentum", PU_POLICY_MOMENTUM},
                 {"mean_reversion", PU_POLICY_MEAN_REVERSION},
                 {"volatility", PU_POLICY_VOLATILITY}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; ++i) {
        if (strcmp(rules[i].name, name) == 0) return rules[i].rule;
    }
    return -1;
}

/* `weights`: of what is traded; none: equal parts. */
static pu_status add_rule(pu__stress *s, const char *name, int32_t rule, const pu_real_list *weights) {
    pu__stress_policy *policy = &s->policy[s->policies++];
    *policy = (pu__stress_policy){.name = name, .source = PU__SOURCE_RULE, .rule = rule};
    policy->weight = pu_calloc((size_t)s->market.assets, sizeof *policy->weight);
    if (!policy->weight) return PU_ERR_MEMORY;
    if (weights->count > 0 && weights->count != s->market.traded)
        return pu_fail(PU_ERR_CONFIG,
                       "stress.weights has %d values for %d assets: one each, in the order of data.symbols",
                       weights->count, s->market.traded);
    for (int a = 0; a < s->market.traded; ++a)
        policy->weight[a] = weights->count > 0 ? weights->value[a] : 1.0 / (double)s->market.traded;
    return PU_OK;
}

static pu_status add_predictions(pu__stress *s) {
    pu__stress_policy *policy = &s->policy[s->policies++];
    *policy = (pu__stress_policy){.name = "predictions", .source = PU__SOURCE_HISTORY, .sized = true};
    policy->weight = pu_calloc((size_t)((s->market.rows - 1) * s->market.assets), sizeof *policy->weight);
    return policy->weight ? pu__policy_history(s->config, &s->market, policy->weight) : PU_ERR_MEMORY;
}

static pu_status add_model(pu__stress *s) {
    pu__stress_policy *policy = &s->policy[s->policies++];
    *policy = (pu__stress_policy){
        .name = "model", .source = PU__SOURCE_MODEL, .rule = PU_POLICY_BUY_HOLD, .sized = true};
    policy->weight = pu_calloc((size_t)s->market.assets, sizeof *policy->weight);
    return policy->weight ? pu__policy_open(s->config, &s->market, s->steps, &s->model) : PU_ERR_MEMORY;
}

static pu_status add_plugin(pu__stress *s) {
    pu__stress_policy *policy = &s->policy[s->policies++];
    *policy = (pu__stress_policy){.name = "plugin", .source = PU__SOURCE_PLUGIN, .rule = PU_POLICY_BUY_HOLD};
    policy->weight = pu_calloc((size_t)s->market.assets, sizeof *policy->weight);
    if (!policy->weight) return PU_ERR_MEMORY;
    const pu_status status = pu__policy_plugin_open(s->config->stress.plugin, &s->market, s->steps, &s->plugin);
    return status == PU_ERR_CONFIG ? pu_fail_within(status, "stress.plugin") : status;
}

/* What is no rule itself stands beside what the market does by itself, on the same paths. */
static pu_status open_policies(pu__stress *s) {
    const char *name = s->config->stress.policy;
    const int32_t rule = rule_named(name);
    if (rule >= 0) return add_rule(s, name, rule, &s->config->stress.weights);
    PU_TRY(strcmp(name, "model") == 0    ? add_model(s)
           : strcmp(name, "plugin") == 0 ? add_plugin(s)
                                         : add_predictions(s));
    const pu_real_list equal = {0};
    return add_rule(s, "buy_hold", PU_POLICY_BUY_HOLD, &equal);
}

/* ---- the whole ---- */

static void choose_base(pu__stress *s) {
    const pu_int_list *latencies = &s->config->stress.latencies;
    const pu_real_list *factors = &s->config->stress.cost_factors;
    s->base_latency = latencies->value[0];
    for (int i = 0; i < latencies->count; ++i) {
        if (latencies->value[i] == s->config->backtest.latency_bars) s->base_latency = latencies->value[i];
    }
    s->base_cost_factor = factors->value[0];
    for (int i = 1; i < factors->count; ++i) {
        if (fabs(factors->value[i] - 1.0) < fabs(s->base_cost_factor - 1.0))
            s->base_cost_factor = factors->value[i];
    }
}

static void warn_of_settings(pu__stress *s) {
    const pu_config *c = s->config;
    if (c->backtest.spread_bps + c->backtest.slippage_bps + c->backtest.fee_bps == 0.0)
        pu__stress_warn(s, "Trading is free: spread, slippage and fee of the backtest are all 0.");
    if (s->base_cost_factor != 1.0)
        pu__stress_warn(s, "1 is not among stress.cost_factors: limits are judged at %g.", s->base_cost_factor);
    if (s->base_latency != c->backtest.latency_bars)
        pu__stress_warn(s,
                        "backtest.latency_bars (%lld) is not among stress.latencies: limits are judged at %lld.",
                        (long long)c->backtest.latency_bars, (long long)s->base_latency);
    if (strcmp(c->stress.process, "replay") == 0)
        pu__stress_warn(s, "A replay is one path: there is no distribution, and no error of a mean.");
}

pu_status pu__stress_open(const pu_config *config, pu__stress *out) {
    *out = (pu__stress){.config = config,
                        .paths = config->stress.paths,
                        .steps = config->stress.steps_bars,
                        .seeds = config->stress.seeds};
    choose_base(out);
    PU_TRY(pu_pool_new((int)config->run.threads, &out->pool));
    PU_TRY(open_market(out));
    PU_TRY(pu__stress_process_open(out));
    PU_TRY(open_scenarios(out));
    PU_TRY(open_execution(out));
    PU_TRY(open_policies(out));
    PU_TRY(check_prices(out));
    warn_of_settings(out);
    return pu_device_open(config->run.device, (int)config->run.threads, &out->device);
}

void pu__stress_close(pu__stress *s) {
    for (int i = 0; i < s->policies; ++i) pu_free(s->policy[i].weight);
    pu_device_close(s->device);
    pu__policy_close(s->model);
    pu__policy_plugin_close(s->plugin);
    pu_pool_free(s->pool);
    pu_free(s->decisions.weight);
    pu_free(s->coefficient);
    pu__calibration_free(&s->calibration);
    pu_free(s->volume);
    pu_free(s->shock);
    pu_free(s->scenario);
    pu__scenarios_free(&s->library);
    pu__market_free(&s->market);
    *s = (pu__stress){0};
}

/* ---- recipe ---- */

/* What changes no cell: where it runs, where it goes, and what is asked of the cells afterwards. */
static pu_config without_trifles(const pu_config *config) {
    pu_config c = *config;
    c.run.name = c.run.out = c.run.device = "";
    c.run.threads = 0;
    c.stress.limit_drawdown = c.stress.limit_loss = c.stress.limit_ruin = c.stress.limit_margin = 0.0;
    c.stress.tolerance = 0.0;
    c.stress.worst = 0;
    c.stress.library = "";
    return c;
}

/* A model is its checkpoint, a policy by rows its weights, a plug-in its file. */
static pu_status add_policy(const pu__stress *s, crypto_hash_sha256_state *state) {
    enum { MANIFEST_BYTES_MAX = 1 << 24, PATH_BYTES = 4096 };
    const pu__stress_policy *policy = &s->policy[0];
    if (policy->source == PU__SOURCE_HISTORY)
        pu__digest_add(state, policy->weight,
                       (size_t)((s->market.rows - 1) * s->market.assets) * sizeof *policy->weight);
    if (s->plugin) pu__digest_add(state, pu__policy_plugin_hash(s->plugin), 64);
    if (policy->source != PU__SOURCE_MODEL) return PU_OK;
    char path[PATH_BYTES], *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s/checkpoint/best/manifest.json", s->config->run.out, s->config->run.name);
    PU_TRY(pu__file_read(path, MANIFEST_BYTES_MAX, &text, &bytes));
    pu__digest_add(state, text, bytes);
    pu_free(text);
    return PU_OK;
}

pu_status pu__stress_recipe(const pu__stress *s, char out[65]) {
    const pu_config config = without_trifles(s->config);
    char *text = pu_config_text(&config);
    if (!text) return PU_ERR_MEMORY;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    pu__digest_add(&state, "plusultra-stress-1 " PU_VERSION, sizeof "plusultra-stress-1 " PU_VERSION);
    pu__digest_add(&state, text, strlen(text));
    pu__digest_add(&state, s->data_hash, sizeof s->data_hash);
    pu__digest_add(&state, s->library.digest, sizeof s->library.digest);
    pu_free(text);
    PU_TRY(add_policy(s, &state));
    pu__digest_end(&state, out);
    return PU_OK;
}
