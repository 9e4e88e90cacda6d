#include <math.h>
#include <time.h>

#include "host/eval/backtest.h"

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void put(json_t *object, const char *key, json_t *value) { json_object_set_new(object, key, value); }

static json_t *numbers(int64_t count, const double *value) {
    json_t *list = json_array();
    for (int64_t i = 0; i < count; ++i) json_array_append_new(list, number(value[i]));
    return list;
}

static json_t *interval(pu__interval i) { return json_pack("[o, o]", number(i.low), number(i.high)); }

static json_t *time_text(int64_t ts, bool with_clock) {
    char text[32];
    pu_time_format(ts, with_clock, text);
    return json_string(text);
}

/* ---- strategies ---- */

static json_t *metrics_json(const pu__strategy *s) {
    const pu__metrics *m = &s->metrics;
    json_t *out = json_object();
    put(out, "periods", json_integer(m->periods));
    put(out, "zero_periods", json_integer(m->zero_periods));
#define PU__METRIC_PUT(name) put(out, #name, number(m->name));
    PU__METRICS(PU__METRIC_PUT)
#undef PU__METRIC_PUT
    put(out, "exposure", number(s->exposure));
    put(out, "net_exposure", number(s->net_exposure));
    put(out, "time_in_market", number(s->run.time_in_market));
    put(out, "turnover", number(s->turnover));
    put(out, "cost", number(s->cost));
    put(out, "average_holding_bars", number(s->run.average_holding_bars));
    put(out, "fills", json_integer(s->run.fill_count));
    put(out, "hedged_sharpe", number(s->hedged_sharpe));
    return out;
}

/* Times of the deepest drawdown; null where there is none. */
static json_t *drawdown_json(const pu__backtest *b, const pu__metrics *m) {
    const int64_t at[3] = {m->drawdown_peak, m->drawdown_trough, m->drawdown_recovery};
    const char *const key[3] = {"peak", "trough", "recovery"};
    json_t *out = json_object();
    for (int i = 0; i < 3; ++i)
        put(out, key[i], at[i] >= 0 ? json_integer(b->panel.ts[b->first + at[i]]) : json_null());
    return out;
}

static json_t *histogram_json(const pu__histogram *h) {
    json_t *edges = json_array(), *counts = json_array();
    for (int i = 0; i <= h->bins; ++i)
        json_array_append_new(edges, json_real(h->low + (h->high - h->low) * i / h->bins));
    for (int i = 0; i < h->bins; ++i) json_array_append_new(counts, json_integer(h->count[i]));
    return json_pack("{s:o, s:o}", "edges", edges, "counts", counts);
}

static json_t *strategy_json(const pu__backtest *b, const pu__strategy *s) {
    const pu__run *run = &s->run;
    json_t *out = json_object();
    put(out, "name", json_string(s->name));
    put(out, "label", json_string(s->label));
    put(out, "metrics", metrics_json(s));
    put(out, "intervals",
        json_pack("{s:o, s:o, s:o, s:o}", "sharpe", interval(s->intervals.sharpe), "cagr",
                  interval(s->intervals.cagr), "max_drawdown", interval(s->intervals.max_drawdown),
                  "hedged_sharpe", interval(s->hedged_interval)));
    put(out, "deepest_drawdown", drawdown_json(b, &s->metrics));
    put(out, "returns", numbers(run->times, run->returns));
    put(out, "equity", numbers(run->times, run->equity));
    put(out, "drawdown", numbers(run->times, s->drawdown));
    put(out, "rolling_sharpe", numbers(run->times, s->rolling_sharpe));
    put(out, "exposure", numbers(run->times, run->gross));
    put(out, "turnover", numbers(run->times, run->turnover));
    put(out, "costs",
        json_pack("{s:o, s:o, s:o}", "spread", number(run->spread_paid), "slippage", number(run->slippage_paid),
                  "fee", number(run->fee_paid)));
    put(out, "histogram", histogram_json(&s->histogram));
    return out;
}

/* ---- assets and forecasts ---- */

static json_t *asset_json(const pu__backtest *b, int index) {
    const pu__asset_run *a = &b->strategy[0].run.asset[index];
    const double years = (double)b->strategy[0].metrics.periods / b->settings.periods_per_year;
    json_t *out = json_object();
    put(out, "symbol", json_string(b->input[index].asset->symbol));
    put(out, "bars", json_integer(a->bars));
    put(out, "contribution", number(a->contribution));
    put(out, "mean_weight", number(a->mean_weight));
    put(out, "mean_abs_weight", number(a->mean_abs_weight));
    put(out, "turnover", number(a->turnover / years));
    put(out, "hit_rate", number(a->hit_rate));
    put(out, "ic", number(b->input[index].ic));
    return out;
}

static json_t *scores_json(const pu__backtest *b, int horizon) {
    const pu__scores *s = &b->scores[horizon];
    const pu_prediction_set *set = &b->input[0].predictions;
    json_t *out = json_object(), *coverage = json_array();
    for (int q = 0; q < set->quantiles; ++q) {
        json_array_append_new(coverage,
                              json_pack("{s:f, s:o}", "quantile", set->quantile[q], "below", number(s->below[q])));
    }
    put(out, "horizon_bars", json_integer(s->horizon_bars));
    put(out, "count", json_integer(s->count));
    put(out, "pinball", number(s->pinball));
    put(out, "pinball_unconditional", number(s->pinball_unconditional));
    put(out, "pinball_zero", number(s->pinball_zero));
    put(out, "skill", number(s->skill));
    put(out, "ic", number(s->ic));
    put(out, "rank_ic", number(s->rank_ic));
    put(out, "ic_error", number(s->ic_error));
    put(out, "hit_rate", number(s->hit_rate));
    put(out, "zeros", json_integer(s->zeros));
    put(out, "coverage", coverage);
    return out;
}

/* ---- meta ---- */

static json_t *segments_json(const pu__backtest *b, bool with_clock) {
    static const char *const name[PU_SEGMENT_COUNT] = {"train", "valid", "test"};
    const int64_t last = b->panel.ts[b->panel.times - 1] + b->input[0].asset->bar_s;
    int64_t begin = b->panel.ts[0];
    for (int i = 0; i < b->asset_count; ++i) {
        if (b->input[i].bars.count > 0 && b->input[i].bars.ts[0] < begin) begin = b->input[i].bars.ts[0];
    }
    json_t *out = json_object();
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        int64_t from = 0, to = 0;
        pu_dataset_segment(b->dataset, (pu_segment)s, &from, &to);
        if (from < begin) from = begin;
        if (to > last) to = last;
        put(out, name[s], json_pack("[o, o]", time_text(from, with_clock), time_text(to, with_clock)));
    }
    return out;
}

static void meta_names(const pu__backtest *b, json_t *out) {
    json_t *assets = json_array(), *features = json_array();
    for (int i = 0; i < b->asset_count; ++i) json_array_append_new(assets, json_string(b->input[i].asset->symbol));
    for (int f = 0; f < pu_dataset_features(b->dataset); ++f) {
        json_array_append_new(features, json_string(pu_dataset_feature_name(b->dataset, f)));
    }
    put(out, "run", json_string(b->config->run.name));
    put(out, "version", json_string(PU_VERSION));
    put(out, "created", time_text((int64_t)time(0), true));
    put(out, "data_hash", json_string(pu_dataset_hash(b->dataset)));
    put(out, "feature_hash", json_string(pu_dataset_feature_hash(b->dataset)));
    put(out, "features", features);
    put(out, "assets", assets);
    put(out, "benchmark", b->benchmark.symbol[0] ? json_string(b->benchmark.symbol) : json_null());
    put(out, "config", json_string(b->config_text));
}

static json_t *meta_json(const pu__backtest *b) {
    const pu_config *c = b->config;
    json_t *out = json_object();
    meta_names(b, out);
    put(out, "segments", segments_json(b, b->input[0].asset->bar_s < 86400));
    put(out, "embargo_bars", json_integer(pu_dataset_embargo_bars(b->dataset)));
    put(out, "periods_per_year", json_real(b->settings.periods_per_year));
    put(out, "periods_reason", json_string(b->periods_reason));
    put(out, "degrees_of_freedom", json_integer(1));
    put(out, "bars", json_integer(b->strategy[0].run.times));
    put(out, "horizon_bars", json_integer(c->backtest.horizon));
    put(out, "latency_bars", json_integer(c->backtest.latency_bars));
    put(out, "costs_bps",
        json_pack("{s:f, s:f, s:f}", "spread", c->backtest.spread_bps, "slippage", c->backtest.slippage_bps, "fee",
                  c->backtest.fee_bps));
    put(out, "target_vol", json_real(c->backtest.target_vol));
    put(out, "leverage_max", json_real(c->backtest.leverage_max));
    put(out, "position_max", json_real(c->backtest.position_max));
    put(out, "market_neutral", json_boolean(c->backtest.market_neutral));
    put(out, "risk_free", json_real(c->backtest.risk_free));
    put(out, "trials", json_integer(b->settings.trials));
    put(out, "bootstrap",
        json_pack("{s:s, s:I, s:o, s:f}", "method", "stationary", "samples", (json_int_t)b->settings.samples,
                  "mean_block_bars", number(b->strategy[0].intervals.block), "level",
                  b->strategy[0].intervals.level));
    put(out, "rolling_bars", json_integer(b->settings.rolling_bars));
    return out;
}

json_t *pu__backtest_json(const pu__backtest *backtest) {
    const pu__backtest *b = backtest;
    json_t *times = json_array(), *strategies = json_array(), *assets = json_array(), *forecast = json_array(),
           *warnings = json_array();
    for (int64_t t = b->first; t < b->panel.times; ++t) json_array_append_new(times, json_integer(b->panel.ts[t]));
    for (int i = 0; i < b->strategy_count; ++i)
        json_array_append_new(strategies, strategy_json(b, &b->strategy[i]));
    for (int i = 0; i < b->asset_count; ++i) json_array_append_new(assets, asset_json(b, i));
    for (int h = 0; h < b->input[0].predictions.horizons; ++h) json_array_append_new(forecast, scores_json(b, h));
    for (int i = 0; i < b->warning_count; ++i) json_array_append_new(warnings, json_string(b->warning[i]));
    json_t *out = json_object();
    put(out, "format", json_string("plusultra-backtest-1"));
    put(out, "meta", meta_json(b));
    put(out, "times", times);
    put(out, "strategies", strategies);
    put(out, "assets", assets);
    put(out, "forecast", forecast);
    put(out, "break_even_cost_bps", number(b->break_even_bps));
    put(out, "claims_edge", json_boolean(b->verdict.claims_edge));
    put(out, "verdict", json_string(b->verdict.sentence));
    put(out, "criteria",
        json_pack("{s:b, s:b, s:b, s:b}", "interval_above_zero", b->verdict.interval_above_zero,
                  "hedged_interval_above_zero", b->verdict.hedged_above_zero, "survives_deflation",
                  b->verdict.survives_deflation, "enough_evidence", b->verdict.enough_evidence));
    put(out, "warnings", warnings);
    return out;
}
