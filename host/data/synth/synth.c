#include "plusultra/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "host/data/synth/market.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { DAY_S = 86400, ASSETS_MAX = 9999, BARS_MAX = 100000000, SYMBOL_BYTES = 64 };

pu_synth_options pu_synth_defaults(void) {
    return (pu_synth_options){.seed = 1,
                              .assets = 12,
                              .bars = 4000,
                              .bar_s = DAY_S,
                              .first_ts = 1104796800, /* end of 2005-01-03, a Monday */
                              .edge = 0.1,
                              .persistence = 0.9,
                              .correlation = 0.3,
                              .annual_vol = 0.2,
                              .tail_df = 5,
                              .garch_shock = 0.06,
                              .garch_memory = 0.92,
                              .regimes = true,
                              .index = true,
                              .prefix = "SYN"};
}

static double periods_of(const pu_synth_options *options) {
    return options->periods_per_year > 0 ? options->periods_per_year
                                         : pu_periods_per_year("synthetic", options->bar_s);
}

double pu_synth_best_sharpe(const pu_synth_options *options, int64_t latency_bars, bool market_neutral) {
    const double k = pow(options->persistence, (double)latency_bars), e = options->edge;
    const double n = (double)options->assets - (market_neutral ? 1 : 0),
                 noise = market_neutral ? 1 - options->correlation : 1;
    return sqrt(n) * e * k / sqrt(noise + e * e * (1 + k * k)) * sqrt(periods_of(options));
}

static pu_status check_real(const char *name, double value, double low, double high) {
    if (value >= low && value <= high) return PU_OK; /* false for NaN */
    return pu_fail(PU_ERR_ARGUMENT, "synthetic market: %s is %g, from %g to %g is accepted", name, value, low,
                   high);
}

static pu_status check_options(const pu_synth_options *o) {
    PU_TRY(check_real("assets", (double)o->assets, 1, ASSETS_MAX));
    PU_TRY(check_real("bars", (double)o->bars, 2, BARS_MAX));
    PU_TRY(check_real("bar length in seconds", (double)o->bar_s, 1, 366 * DAY_S));
    PU_TRY(check_real("edge", o->edge, 0, 1));
    PU_TRY(check_real("persistence", o->persistence, 0, 0.999));
    PU_TRY(check_real("correlation", o->correlation, 0, 0.95));
    PU_TRY(check_real("annual volatility", o->annual_vol, 0.001, 2));
    PU_TRY(check_real("tail degrees of freedom", o->tail_df == 0 ? 3 : o->tail_df, 2.1, 1e6));
    PU_TRY(check_real("GARCH shock", o->garch_shock, 0, 0.5));
    PU_TRY(check_real("GARCH shock + memory", o->garch_shock + o->garch_memory, o->garch_shock, 0.999));
    PU_TRY(check_real("volume noise", o->volume_noise, 0, 10));
    if (!o->prefix || strlen(o->prefix) > 32)
        return pu_fail(PU_ERR_ARGUMENT, "synthetic market: a prefix of at most 32 letters is needed");
    return PU_OK;
}

typedef struct synth_job {
    pu_store *store;
    const pu_synth_options *options;
    pu_synth_result *result;
    double periods_per_year;
    pu__synth_common common;
    pu__bar *bars;            /* [bars] */
    pu__bar_outcome *outcome; /* [bars] */
    double *signal, *sigma;   /* [bars] */
} synth_job;

static pu_status store_asset(synth_job *job, const char *symbol, int64_t *asset_id) {
    const int64_t count = job->options->bars;
    pu__bar_writer writer;
    PU_TRY(pu__asset_find(job->store, symbol, job->options->bar_s, asset_id));
    if (*asset_id == 0) {
        PU_TRY(pu__asset_make(job->store, symbol, "synthetic", job->options->bar_s, "", job->periods_per_year,
                              asset_id));
    }
    PU_TRY(pu__bar_writer_open(job->store, *asset_id, &writer));
    pu_status status = pu__bars_put(&writer, job->bars, count, false, job->outcome);
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        job->result->rows_added += job->outcome[i] == PU__BAR_ADDED;
        job->result->rows_unchanged += job->outcome[i] == PU__BAR_UNCHANGED;
        if (job->outcome[i] == PU__BAR_DIFFERS) {
            status = pu_fail(
                PU_ERR_DATA,
                "%s holds another market under the name %s: make this one in a new store, or use another prefix",
                pu_store_path(job->store), symbol);
        }
    }
    return pu__bar_writer_close(&writer, status);
}

static pu_status store_truth(synth_job *job, int64_t asset_id) {
    const int64_t count = job->options->bars;
    PU_TRY(pu_store_put_indicator(job->store, asset_id, "truth_signal", count, job->common.ts, job->signal));
    return pu_store_put_indicator(job->store, asset_id, "truth_sigma", count, job->common.ts, job->sigma);
}

static pu_status make_assets(synth_job *job) {
    const pu_synth_options *options = job->options;
    char symbol[SYMBOL_BYTES];
    int64_t asset_id = 0;
    pu_progress progress;
    pu_progress_begin(&progress, "synthetic market", "assets", options->assets);
    const int digits = snprintf(symbol, sizeof symbol, "%lld", (long long)options->assets);
    for (int64_t i = 0; i < options->assets; ++i) {
        snprintf(symbol, sizeof symbol, "%s%0*lld", options->prefix, digits > 2 ? digits : 2, (long long)i + 1);
        pu__synth_asset(options, job->periods_per_year, i, &job->common, job->bars, job->signal, job->sigma);
        PU_TRY(store_asset(job, symbol, &asset_id));
        PU_TRY(store_truth(job, asset_id));
        if (pu_interrupted()) return pu_fail(PU_ERR_INTERRUPTED, "interrupted: nothing of the market was stored");
        pu_progress_update(&progress, i + 1, NULL);
    }
    if (!options->index) return PU_OK;
    pu__synth_index(options, &job->common, job->bars);
    PU_TRY(store_asset(job, "INDEX", &asset_id));
    return pu_store_put_benchmark(job->store, "synthetic", asset_id);
}

static pu_status run_job(synth_job *job) {
    const size_t n = (size_t)job->options->bars;
    PU_TRY(pu__synth_common_make(job->options, &job->common));
    job->bars = pu_calloc(n, sizeof *job->bars);
    job->outcome = pu_calloc(n, sizeof *job->outcome);
    job->signal = pu_calloc(n, 2 * sizeof *job->signal);
    if (!job->bars || !job->outcome || !job->signal) return PU_ERR_MEMORY;
    job->sigma = job->signal + n;
    bool began = false;
    PU_TRY(pu__sql_enter(job->store, &began));
    return pu__sql_leave(job->store, began, make_assets(job));
}

pu_status pu_synth(pu_store *store, const pu_synth_options *options, pu_synth_result *result) {
    const double started_s = pu_clock_s();
    *result = (pu_synth_result){0};
    PU_TRY(check_options(options));
    synth_job job = {
        .store = store, .options = options, .result = result, .periods_per_year = periods_of(options)};
    const pu_status status = run_job(&job);
    if (status == PU_OK) {
        result->assets = options->assets;
        result->first_ts = job.common.ts[0];
        result->last_ts = job.common.ts[options->bars - 1];
        result->periods_per_year = job.periods_per_year;
    }
    pu_free(job.common.ts);
    pu_free(job.bars);
    pu_free(job.outcome);
    pu_free(job.signal);
    result->seconds = pu_clock_s() - started_s;
    return status;
}
