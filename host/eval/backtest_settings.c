#include <math.h>
#include <sqlite3.h>

#include "host/data/store/periods.h"
#include "host/eval/backtest.h"
#include "plusultra/memory.h"

/* ---- periods per year ---- */

/* An asset's bars among the test's times, from its first to its last. */
static void use_of_calendar(const pu__backtest *b, int index, pu__calendar_use *out) {
    int64_t from = -1, last = -2;
    *out = (pu__calendar_use){.asset = b->input[index].asset};
    for (int64_t t = b->first; t < b->panel.times; ++t) {
        if (isnan(b->panel.price[t * b->panel.assets + index])) continue;
        if (from < 0) from = t;
        last = t;
        out->bars += 1;
    }
    out->times = from < 0 ? 0 : last - from + 1;
}

enum { CALENDAR_CHECK_DAYS = 90 };

static double steps_of(const pu__backtest *b) { return (double)(b->panel.times - b->first - 1); }

static double length_of(const pu__backtest *b) {
    return (double)(b->panel.ts[b->panel.times - 1] - b->panel.ts[b->first]);
}

/* A calendar that is not the asset class's, such as currencies with Sunday sessions, shifts every annual figure. */
static void check_periods(pu__backtest *b, double periods) {
    const double length_s = length_of(b), observed = pu__periods_observed(steps_of(b), length_s);
    if (length_s < CALENDAR_CHECK_DAYS * 86400.0 || fabs(observed / periods - 1.0) <= 0.05) return;
    pu__backtest_warn(b,
                      "Annual figures assume %.6g periods a year (%s), the test has %.0f: set "
                      "backtest.periods_per_year.",
                      periods, b->periods_reason, observed);
}

static pu_status choose_periods(pu__backtest *b, double *out) {
    pu__calendar_use *use = pu_calloc((size_t)b->asset_count, sizeof *use);
    if (!use) return PU_ERR_MEMORY;
    for (int i = 0; i < b->asset_count; ++i) use_of_calendar(b, i, &use[i]);
    *out = pu__periods_choose(b->config->backtest.periods_per_year, b->asset_count, use, "steps of their union",
                              steps_of(b), length_of(b), b->periods_reason, sizeof b->periods_reason);
    pu_free(use);
    return PU_OK;
}

/* ---- settings ---- */

/* Runs that stored predictions: every one of them was a try on this data. */
static pu_status count_trials(const pu__backtest *b, int64_t *out) {
    *out = b->config->backtest.trials;
    if (*out > 0) return PU_OK;
    sqlite3 *sqlite = pu_store_sqlite(b->store);
    sqlite3_stmt *query = 0;
    int code = sqlite3_prepare_v2(sqlite, "SELECT count(DISTINCT run_id) FROM prediction_sets", -1, &query, 0);
    if (code == SQLITE_OK) code = sqlite3_step(query);
    const int64_t runs = code == SQLITE_ROW ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    if (code != SQLITE_ROW) {
        return pu_fail(PU_ERR_STORE, "%s: counting the runs: %s", pu_store_path(b->store), sqlite3_errmsg(sqlite));
    }
    *out = runs > 1 ? runs : 1;
    return PU_OK;
}

static int64_t rolling_window(double periods_per_year, int64_t periods) {
    const double half_year = floor(0.5 * periods_per_year), quarter = floor(0.25 * (double)periods);
    return (int64_t)fmax(20.0, fmin(half_year, quarter));
}

pu_status pu__backtest_settle(pu__backtest *b) {
    const pu_config *config = b->config;
    pu__settings *s = &b->settings;
    PU_TRY(choose_periods(b, &s->periods_per_year));
    check_periods(b, s->periods_per_year);
    s->risk_free = pow(1.0 + config->backtest.risk_free, 1.0 / s->periods_per_year) - 1.0;
    s->rules.half_spread_ratio = 0.5e-4 * config->backtest.spread_bps;
    s->rules.slippage_ratio = 1e-4 * config->backtest.slippage_bps;
    s->rules.fee_ratio = 1e-4 * config->backtest.fee_bps;
    s->rules.no_trade_weight = config->backtest.no_trade_ratio * config->backtest.position_max;
    s->rules.latency_bars = config->backtest.latency_bars;
    s->rolling_bars = rolling_window(s->periods_per_year, b->panel.times - b->first - 1);
    s->samples = config->backtest.bootstrap_samples;
    s->seed = (uint64_t)config->run.seed;
    b->sizing.target_vol = config->backtest.target_vol / sqrt(s->periods_per_year);
    b->sizing.leverage_max = config->backtest.leverage_max;
    b->sizing.position_max = config->backtest.position_max;
    b->sizing.market_neutral = config->backtest.market_neutral;
    PU_TRY(count_trials(b, &s->trials));
    return pu_pool_new((int)config->run.threads, &s->pool);
}
