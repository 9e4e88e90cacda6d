#include "host/stress/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/file.h"
#include "host/stress/plugin.h"
#include "host/stress/process.h"
#include "plusultra/memory.h"

static const double fan_quantile[PU__FAN_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void put(json_t *object, const char *key, json_t *value) { json_object_set_new(object, key, value); }

static json_t *numbers(int64_t count, const double *value, int64_t stride) {
    json_t *list = json_array();
    for (int64_t i = 0; i < count; ++i) json_array_append_new(list, number(value[i * stride]));
    return list;
}

static json_t *now_text(void) {
    char text[32];
    pu_time_format((int64_t)time(NULL), true, text);
    return json_string(text);
}

/* Of a row of the history. */
static json_t *bar_text(const pu__market *m, int64_t row) {
    char text[32];
    pu_bar_time_format(m->ts[row], m->asset[0].bar_s, text);
    return json_string(text);
}

static const char *symbol(const pu__stress *s, int asset) { return s->market.asset[asset].symbol; }

/* ---- what was asked ---- */

static json_t *meta_json(const pu__stress *s, const pu__stress_record *record, const char *config) {
    const pu_config *c = s->config;
    const pu__market *m = &s->market;
    json_t *out = json_object(), *assets = json_array();
    for (int a = 0; a < m->assets; ++a) json_array_append_new(assets, json_string(symbol(s, a)));
    put(out, "run", json_string(c->run.name));
    put(out, "version", json_string(PU_VERSION));
    put(out, "policy", json_string(s->policy[0].name));
    put(out, "plugin", s->plugin ? json_string(pu__policy_plugin_name(s->plugin)) : json_null());
    put(out, "process", json_string(c->stress.process));
    put(out, "paths", json_integer(s->paths));
    put(out, "steps_bars", json_integer(s->steps));
    put(out, "periods_per_year", number(m->periods_per_year));
    put(out, "periods_reason", json_string(m->periods_reason));
    put(out, "seed", json_integer(pu__stress_seed(s, 0)));
    put(out, "seeds", json_integer(s->seeds));
    put(out, "created", now_text());
    put(out, "data_hash", json_string(s->data_hash));
    put(out, "history", json_pack("[o, o]", bar_text(m, 0), bar_text(m, m->rows - 1)));
    put(out, "start", bar_text(m, m->rows - 1));
    put(out, "assets", assets);
    put(out, "traded", json_integer(m->traded));
    put(out, "device", json_string(pu_device_description(s->device)));
    put(out, "seconds", number(record->seconds));
    put(out, "simulated_steps", number(record->simulated));
    put(out, "latency_bars", json_integer(s->base_latency));
    put(out, "cost_factor", number(s->base_cost_factor));
    put(out, "costs_bps",
        json_pack("{s:f, s:f, s:f}", "spread", c->backtest.spread_bps, "slippage", c->backtest.slippage_bps, "fee",
                  c->backtest.fee_bps));
    put(out, "impact", number(c->stress.impact));
    put(out, "capital", number(c->stress.capital));
    put(out, "config", json_string(config));
    return out;
}

static json_t *scenarios_json(const pu__stress *s) {
    json_t *list = json_array();
    for (int i = 0; i < s->scenarios; ++i) {
        json_t *shocks = json_array(), *one = json_object();
        for (int k = 0; k < s->scenario[i]->shock_count; ++k) {
            char text[300];
            const pu__shock *shock = &s->scenario[i]->shock[k];
            pu__shock_text(shock, text, sizeof text);
            json_array_append_new(shocks,
                                  json_pack("{s:s, s:s}", "kind", pu__shock_kind_name(shock->kind), "text", text));
        }
        put(one, "name", json_string(s->scenario[i]->name));
        put(one, "about", json_string(s->scenario[i]->about));
        put(one, "shocks", shocks);
        json_array_append_new(list, one);
    }
    return list;
}

/* ---- what came out ---- */

static json_t *place_json(const pu__stress_cell *cell) {
    json_t *out = json_object();
    put(out, "policy", json_string(cell->policy));
    put(out, "scenario", json_string(cell->scenario));
    put(out, "severity", number(cell->severity));
    put(out, "cost_factor", number(cell->cost_factor));
    put(out, "latency_bars", json_integer(cell->latency_bars));
    put(out, "seed", json_integer(cell->seed));
    return out;
}

static json_t *cells_json(const pu__grid *grid, const pu__stress_figures *figures) {
    json_t *list = json_array();
    for (int64_t i = 0; i < grid->count; ++i) {
        json_t *one = place_json(&grid->cell[i].cell);
        put(one, "paths", json_integer(grid->cell[i].cell.paths));
#define PU__STRESS_PUT(name) put(one, #name, number(figures[i].name));
        PU__STRESS_FIGURES(PU__STRESS_PUT)
#undef PU__STRESS_PUT
        put(one, "worst_path", json_integer(figures[i].worst_path));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *breaking_json(const pu__stress *s, const pu__breaking *b) {
    json_t *out = json_object();
    put(out, "scenario", json_string(s->scenario[b->scenario]->name));
    put(out, "severity", number(b->severity));
    put(out, "bracket", isfinite(b->high) ? json_pack("[f, f]", b->low, b->high) : json_null());
    return out;
}

static json_t *limits_json(const pu__stress *s, const pu__answers *answers) {
    json_t *list = json_array();
    for (int l = 0; l < answers->limits; ++l) {
        const pu__limit *limit = &answers->limit[l];
        json_t *one = json_object(), *breaking = json_array();
        for (int i = 0; i + 1 < s->scenarios; ++i)
            json_array_append_new(breaking, breaking_json(s, &limit->breaking[i]));
        put(one, "name", json_string(pu__limit_name(limit->kind)));
        put(one, "limit", number(limit->limit));
        put(one, "measure", json_string(pu__limit_measure_name(limit->kind)));
        put(one, "base", json_pack("{s:f, s:b}", "value", limit->base, "passed", limit->base <= limit->limit));
        put(one, "worst", json_pack("{s:I, s:f}", "cell", (json_int_t)limit->worst_cell, "value", limit->worst));
        put(one, "passed", json_boolean(limit->worst <= limit->limit));
        put(one, "breaking", breaking);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *break_even_json(const pu__break_even *b) {
    json_t *out = json_object();
    put(out, "found", json_boolean(b->found));
    put(out, "cost_factor", number(b->cost_factor));
    put(out, "error", number(b->error));
    put(out, "bps_one_way", number(b->bps_one_way));
    put(out, "error_bps", number(b->error_bps));
    put(out, "configured_bps_one_way", number(b->configured_bps_one_way));
    put(out, "text", json_string(b->text));
    return out;
}

static json_t *attribution_json(const pu__attribution *a) {
    json_t *out = json_object();
    put(out, "gross_return", number(a->gross));
    put(out, "spread", number(a->spread));
    put(out, "slippage", number(a->slippage));
    put(out, "fee", number(a->fee));
    put(out, "impact", number(a->impact));
    put(out, "carry", number(a->carry));
    put(out, "latency", number(a->latency));
    put(out, "net_return", number(a->net));
    put(out, "largest", json_string(a->largest));
    return out;
}

/* ---- fans ---- */

static json_t *fan_json(const pu__stress_cell *cell, const pu__stress_fan *fan) {
    json_t *out = json_object(), *bars = json_array(), *equity = json_array();
    for (int64_t bar = 0; bar < fan->bars; ++bar) json_array_append_new(bars, json_integer(bar));
    for (int q = 0; q < PU__FAN_QUANTILES; ++q)
        json_array_append_new(equity, numbers(fan->bars, fan->value + q * fan->bars, 1));
    put(out, "scenario", json_string(cell->scenario));
    put(out, "severity", number(cell->severity));
    put(out, "paths", json_integer(fan->paths));
    put(out, "bars", bars);
    put(out, "quantiles", numbers(PU__FAN_QUANTILES, fan_quantile, 1));
    put(out, "equity", equity);
    return out;
}

static pu_status fans_json(const pu__stress *s, const pu__grid *grid, const pu__stress_record *record,
                           json_t *list) {
    pu__stress_fan fan = {.bars = s->steps + 1};
    fan.value = pu_calloc((size_t)(PU__FAN_QUANTILES * fan.bars), sizeof *fan.value);
    if (!fan.value) return PU_ERR_MEMORY;
    pu_status status = PU_OK;
    for (int64_t i = 0; i < grid->count && status == PU_OK; ++i) {
        if (!grid->cell[i].fan) continue;
        status = pu__stress_get_fan(record->store, record->sweep_id, i, &fan);
        if (status == PU_OK) json_array_append_new(list, fan_json(&grid->cell[i].cell, &fan));
    }
    pu_free(fan.value);
    return status;
}

/* ---- whole paths ---- */

typedef struct whole_path {
    double *price, *trade, *equity, *metric;
} whole_path;

static json_t *fills_json(const pu__stress *s, const whole_path *p) {
    json_t *list = json_array();
    const int64_t assets = s->market.assets;
    for (int64_t i = 0; i < (s->steps + 1) * assets; ++i) {
        if (p->trade[i] == 0.0) continue;
        json_t *one = json_object();
        put(one, "bar", json_integer(i / assets));
        put(one, "symbol", json_string(symbol(s, (int)(i % assets))));
        put(one, "trade", number(p->trade[i]));
        put(one, "price", number(p->price[i]));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *path_metrics_json(const whole_path *p) {
    json_t *out = json_object();
#define PU__METRIC_PUT(upper, lower) put(out, #lower, number(p->metric[PU_PATH_##upper]));
    PU_PATH_METRICS(PU__METRIC_PUT)
#undef PU__METRIC_PUT
    return out;
}

static json_t *replay_json(const pu__stress_cell *cell, int64_t path) {
    char text[512];
    snprintf(text, sizeof text,
             "plusultra stress --config FILE --policy %s --scenario %s --severity %.17g --cost-factor %.17g "
             "--latency %lld "
             "--seed %lld --path %lld",
             cell->policy, cell->scenario, cell->severity, cell->cost_factor, (long long)cell->latency_bars,
             (long long)cell->seed, (long long)path);
    return json_string(text);
}

static void put_path(const pu__stress *s, const pu__stress_cell *cell, int64_t path, const whole_path *p,
                     json_t *out) {
    json_t *prices = json_object();
    for (int a = 0; a < s->market.assets; ++a)
        put(prices, symbol(s, a), numbers(s->steps + 1, p->price + a, s->market.assets));
    put(out, "path", json_integer(path));
    put(out, "equity", numbers(s->steps + 1, p->equity, 1));
    put(out, "prices", prices);
    put(out, "fills", fills_json(s, p));
    put(out, "metrics", path_metrics_json(p));
    put(out, "replay", replay_json(cell, path));
}

pu_status pu__path_document(pu__stress *s, int policy, const pu__stress_cell *cell, const pu__scenario *scenario,
                            int64_t path, json_t **out) {
    const size_t bars = (size_t)s->steps + 1, cells = bars * (size_t)s->market.assets;
    const pu__stress_prices prices = {scenario, cell->severity, cell->seed};
    const pu__stress_terms terms = {.cost_factor = cell->cost_factor, .latency_bars = cell->latency_bars};
    double *block = pu_calloc(2 * cells + bars + PU_PATH_METRIC_COUNT, sizeof *block);
    *out = NULL;
    if (!block) return PU_ERR_MEMORY;
    const whole_path p = {block, block + cells, block + 2 * cells, block + 2 * cells + bars};
    const pu_status status =
        pu__stress_path(s, policy, &prices, &terms, path, p.price, p.trade, p.equity, p.metric);
    if (status == PU_OK) {
        *out = place_json(cell);
        put_path(s, cell, path, &p, *out);
    }
    pu_free(block);
    return status;
}

static pu_status worst_json(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                            const pu__answers *answers, json_t *list) {
    for (int i = 0; i < answers->worst_count; ++i) {
        const pu__grid_cell *cell = &grid->cell[answers->worst[i]];
        json_t *one = NULL;
        PU_TRY(pu__path_document(s, cell->policy, &cell->cell, s->scenario[cell->scenario],
                                 figures[answers->worst[i]].worst_path, &one));
        json_array_append_new(list, one);
    }
    return PU_OK;
}

/* ---- the whole ---- */

static pu_status fill(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                      const pu__answers *answers, const pu__stress_record *record, json_t *out) {
    json_t *calibration = NULL;
    PU_TRY(pu__stress_calibration_json(s, &calibration));
    json_t *warnings = json_array(), *fans = json_array(), *worst = json_array();
    char *config = pu_config_text(s->config);
    for (int i = 0; i < s->warnings; ++i) json_array_append_new(warnings, json_string(s->warning[i]));
    put(out, "format", json_string("plusultra-stress-1"));
    if (config) put(out, "meta", meta_json(s, record, config));
    put(out, "warnings", warnings);
    put(out, "calibration", calibration);
    put(out, "scenarios", scenarios_json(s));
    put(out, "base", json_integer(grid->base));
    put(out, "cells", cells_json(grid, figures));
    put(out, "limits", limits_json(s, answers));
    put(out, "break_even", break_even_json(&answers->break_even));
    put(out, "attribution", attribution_json(&answers->attribution));
    put(out, "fans", fans);
    put(out, "worst_paths", worst);
    const bool short_of_memory = !config;
    pu_free(config);
    if (short_of_memory) return PU_ERR_MEMORY;
    PU_TRY(fans_json(s, grid, record, fans));
    return worst_json(s, grid, figures, answers, worst);
}

pu_status pu__stress_document(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                              const pu__answers *answers, const pu__stress_record *record, json_t **out) {
    json_t *document = json_object();
    *out = NULL;
    if (!document) return pu_fail(PU_ERR_MEMORY, "out of memory while writing stress.json");
    const pu_status status = fill(s, grid, figures, answers, record, document);
    if (status == PU_OK) *out = document;
    else json_decref(document);
    return status;
}

pu_status pu__stress_write(const pu_config *config, const char *name, const json_t *document, char *path,
                           size_t capacity) {
    const int used = snprintf(path, capacity, "%s/%s", config->run.out, config->run.name);
    if (used < 0 || (size_t)used + strlen(name) + 2 > capacity)
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path of %d characters: shorten them", used);
    PU_TRY(pu__folder_make(path));
    snprintf(path + used, capacity - (size_t)used, "/%s", name);
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory while writing %s", path);
    const pu_status status = pu__file_replace(path, text, strlen(text));
    free(text);
    return status;
}
