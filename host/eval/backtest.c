#include "host/eval/backtest.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/eval/baselines.h"
#include "plusultra/eval.h"
#include "plusultra/features.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

/* ---- strategies ---- */

static pu_status add_strategy(pu__backtest *b, const char *name, const char *label, const pu__panel *panel,
                              int64_t first, const double *weight, const pu__physics_rules *rules) {
    return pu__strategy_run(name, label, panel, first, weight, rules, &b->strategy[b->strategy_count++]);
}

/* Bought once and held. The band against small changes is not for it: an equal part may be smaller than the band.
 */
static pu_status add_held(pu__backtest *b, const char *name, const char *label, const pu__panel *panel,
                          int64_t first, double *weight) {
    pu__physics_rules rules = b->settings.rules;
    rules.no_trade_weight = 0.0;
    pu__buy_and_hold(panel, first, weight);
    return add_strategy(b, name, label, panel, first, weight, &rules);
}

/* A strategy that is sized like the model, from forecasts in a table. */
static pu_status add_forecast(pu__backtest *b, const char *name, const char *label, const double *forecast,
                              double *weight, double *limited_ratio) {
    PU_TRY(pu__positions(&b->panel, forecast, b->sigma, &b->sizing, weight, b->first, limited_ratio));
    return add_strategy(b, name, label, &b->panel, b->first, weight, &b->settings.rules);
}

static pu_status add_model(pu__backtest *b, double *weight) {
    double limited = 0.0;
    PU_TRY(add_forecast(b, "model", "Model", b->forecast, weight, &limited));
    if (limited > 0.5) {
        pu__backtest_warn(b,
                          "backtest.position_max or leverage_max held back %.0f %% of the decisions: the "
                          "volatility stays below its target.",
                          100.0 * limited);
    }
    return pu__break_even_cost_bps(&b->panel, b->first, weight, &b->settings, &b->break_even_bps);
}

static void clear_table(const pu__panel *panel, double *table) {
    for (int64_t i = 0; i < panel->times * panel->assets; ++i) table[i] = (double)NAN;
}

static pu_status add_momentum(pu__backtest *b, double *forecast, double *weight) {
    clear_table(&b->panel, forecast);
    for (int i = 0; i < b->asset_count; ++i) {
        const pu_bars *bars = &b->input[i].bars;
        double *own = pu_calloc((size_t)bars->count, sizeof *own);
        if (!own) return PU_ERR_MEMORY;
        pu__momentum(bars->count, bars->adjusted, own);
        const pu__series series = {bars->count, bars->ts, own};
        pu__panel_put(&b->panel, i, &series, forecast);
        pu_free(own);
    }
    return add_forecast(b, "momentum", "Momentum", forecast, weight, 0);
}

static pu_status add_ridge(pu__backtest *b, double *forecast, double *weight) {
    clear_table(&b->panel, forecast);
    PU_TRY(pu__backtest_ridge(b, forecast));
    return add_forecast(b, "ridge", "Ridge regression", forecast, weight, 0);
}

static pu_status add_benchmark(pu__backtest *b) {
    if (!b->benchmark.symbol[0]) return PU_OK;
    double *weight = pu__panel_table(&b->benchmark_panel);
    if (!weight) return PU_ERR_MEMORY;
    const pu_status status = add_held(b, "benchmark", b->benchmark.symbol, &b->benchmark_panel, 0, weight);
    pu_free(weight);
    return status;
}

static pu_status run_with_tables(pu__backtest *b, double *forecast, double *weight) {
    PU_TRY(add_model(b, weight));
    clear_table(&b->panel, weight);
    PU_TRY(add_held(b, "buy_and_hold", "Buy and hold", &b->panel, b->first, weight));
    PU_TRY(add_momentum(b, forecast, weight));
    PU_TRY(add_ridge(b, forecast, weight));
    return add_benchmark(b);
}

static pu_status run_strategies(pu__backtest *b) {
    double *forecast = pu__panel_table(&b->panel), *weight = pu__panel_table(&b->panel);
    pu_status status = forecast && weight ? run_with_tables(b, forecast, weight) : PU_ERR_MEMORY;
    pu_free(forecast);
    pu_free(weight);
    PU_TRY(status);
    /* Buy and hold comes second, the benchmark, if there is one, last. */
    const pu__strategy *market = &b->strategy[b->benchmark.symbol[0] ? b->strategy_count - 1 : 1];
    for (int i = 0; i < b->strategy_count; ++i)
        PU_TRY(pu__strategy_measure(&b->strategy[i], market, &b->settings));
    pu__judge(&b->strategy[0], b->settings.trials, &b->verdict);
    return PU_OK;
}

/* ---- warnings ---- */

static void warn_of_evidence(pu__backtest *b) {
    const pu__strategy *model = &b->strategy[0];
    const double years = (double)model->metrics.periods / b->settings.periods_per_year;
    if (years < 1.0) {
        pu__backtest_warn(b, "The test covers %.2f years (%lld periods): annual figures are extrapolated.", years,
                          (long long)model->metrics.periods);
    }
    if (model->metrics.track_record_min > (double)model->metrics.periods) {
        pu__backtest_warn(b, "A Sharpe ratio of %.2f takes %.0f periods to tell from zero; the test has %lld.",
                          model->metrics.sharpe, model->metrics.track_record_min,
                          (long long)model->metrics.periods);
    }
    if (model->run.fill_count < PU__FILLS_MIN) {
        pu__backtest_warn(b, "Only %lld fills: too few to judge.", (long long)model->run.fill_count);
    }
    for (int i = 1; i < b->strategy_count; ++i) {
        if (b->strategy[i].metrics.sharpe > model->metrics.sharpe) {
            pu__backtest_warn(b, "%s has the higher Sharpe ratio: %.2f against the model's %.2f.",
                              b->strategy[i].label, b->strategy[i].metrics.sharpe, model->metrics.sharpe);
        }
    }
}

/* A later dividend or split rescales all adjusted prices before it: a level is not known at its time. */
static void warn_of_levels(pu__backtest *b) {
    int levels = 0;
    const char *first = "";
    for (int f = 0; f < pu_dataset_features(b->dataset); ++f) {
        const pu_feature *feature = pu_feature_find(pu_dataset_feature_name(b->dataset, f));
        if (!feature || !strstr(feature->tags, "level")) continue;
        if (levels++ == 0) first = feature->name;
    }
    if (levels == 0) return;
    pu__backtest_warn(
        b,
        "%d features carry the level of adjusted prices or volumes, %s the first: later dividends and "
        "splits are in it, so it looks ahead.",
        levels, first);
}

static void warn_of_setting(pu__backtest *b) {
    const pu_config *config = b->config;
    warn_of_levels(b);
    if (*pu_dataset_omitted(b->dataset))
        pu__backtest_warn(b, "Features left out for want of an input: %s.", pu_dataset_omitted(b->dataset));
    if (config->backtest.latency_bars == 0) {
        pu__backtest_warn(b, "backtest.latency_bars is 0: orders fill at the very close they were decided on.");
    }
    if (config->backtest.spread_bps + config->backtest.slippage_bps + config->backtest.fee_bps == 0.0) {
        pu__backtest_warn(b, "Trading is free in this backtest: spread, slippage and fee are all 0.");
    }
    if (pu_dataset_embargo_bars(b->dataset) == 0) {
        pu__backtest_warn(b, "split.embargo_bars is 0: labels of the training segment may overlap the test.");
    }
    if (config->backtest.market_neutral && b->asset_count < 2) {
        pu__backtest_warn(b, "backtest.market_neutral leaves nothing to hold with a single asset.");
    }
    for (int i = 0; i < b->strategy_count; ++i) {
        if (b->strategy[i].run.ruined)
            pu__backtest_warn(b, "%s was ruined: its equity fell to zero.", b->strategy[i].label);
    }
    const int64_t end = b->panel.ts[b->panel.times - 1], begin = b->panel.ts[b->first];
    for (int i = 0; i < b->asset_count; ++i) {
        const pu_bars *bars = &b->input[i].bars;
        if (bars->count > 0 && bars->ts[bars->count - 1] < end - (end - begin) / 20) {
            pu__backtest_warn(
                b, "%s has no bars in the last 5 %% of the test; what was held of it is marked at its last close.",
                b->input[i].asset->symbol);
        }
    }
}

/* ---- results ---- */

static pu_status write_trades(const pu__backtest *b) {
    const pu__run *run = &b->strategy[0].run;
    pu_trade *trade = pu_calloc((size_t)run->fill_count, sizeof *trade);
    if (!trade) return PU_ERR_MEMORY;
    for (int64_t i = 0; i < run->fill_count; ++i) {
        const pu__fill *f = &run->fill[i];
        trade[i] = (pu_trade){b->input[f->asset].asset->id,
                              b->panel.ts[f->decided],
                              b->panel.ts[f->filled],
                              f->price,
                              f->weight_before,
                              f->weight_after,
                              f->cost_ratio};
    }
    pu_store *store = 0;
    pu_status status = pu_store_open(b->config->data.store, PU_STORE_WRITE, &store);
    if (status == PU_OK) status = pu_store_put_trades(store, b->config->run.name, run->fill_count, trade);
    pu_store_close(store);
    pu_free(trade);
    return status;
}

static pu_status write_json(const pu__backtest *b) {
    char path[4096];
    const pu_config *config = b->config;
    int used = snprintf(path, sizeof path, "%s/%s", config->run.out, config->run.name);
    if (used < 0 || (size_t)used + sizeof "/backtest.json" > sizeof path) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path of %d characters: shorten them", used);
    }
    PU_TRY(pu__folder_make(path));
    snprintf(path + used, sizeof path - (size_t)used, "/backtest.json");
    json_t *document = pu__backtest_json(b);
    char *text = document ? json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(12)) : 0;
    json_decref(document);
    if (!text) return pu_fail(PU_ERR_MEMORY, "no memory for backtest.json");
    const pu_status status = pu__file_replace(path, text, strlen(text));
    free(text);
    return status;
}

static pu_status run_backtest(const pu_config *config, pu__backtest *b) {
    PU_TRY(pu__backtest_load(config, b));
    PU_TRY(pu__backtest_settle(b));
    PU_TRY(run_strategies(b));
    PU_TRY(pu__backtest_score(b));
    warn_of_evidence(b);
    warn_of_setting(b);
    PU_TRY(write_trades(b));
    return write_json(b);
}

pu_status pu_backtest(const pu_config *config) {
    pu__backtest b;
    const pu_status status = run_backtest(config, &b);
    if (status == PU_OK) {
        pu_log(PU_LOG_INFO, "backtest.done", "%lld times of %d assets, %lld fills",
               (long long)b.strategy[0].run.times, b.asset_count, (long long)b.strategy[0].run.fill_count);
    }
    pu__backtest_free(&b);
    return status;
}
