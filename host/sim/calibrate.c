#include "host/sim/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/sim/fit.h"
#include "host/sim/joint.h"
#include "plusultra/memory.h"

enum { MESSAGE_BYTES = 512 };

/* Log-returns that a fit needs. GARCH: Hwang and Valls Pereira (2006), "Small sample properties of GARCH estimates and
 * persistence"; the others: enough for the rarest thing that a parameter is read from (a jump, a slow variance, a
 * regime) to have happened a few times. */
static const struct {
    const char *name;
    int64_t rows_least;
} kinds[] = {
    [PU_SIM_GBM] = {"gbm", 60},      [PU_SIM_MERTON] = {"merton", 500},   [PU_SIM_HESTON] = {"heston", 1000},
    [PU_SIM_GARCH] = {"garch", 500}, [PU_SIM_REGIMES] = {"regimes", 500}, [PU_SIM_BOOTSTRAP] = {"bootstrap", 100},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *pu__process_name(pu_process_kind kind) { return kinds[kind].name; }

pu_status pu__process_named(const char *name, pu_process_kind *out) {
    const char *names[KINDS];
    for (int i = 0; i < KINDS; ++i) {
        names[i] = kinds[i].name;
        *out = (pu_process_kind)i;
        if (strcmp(name, names[i]) == 0) return PU_OK;
    }
    const char *nearest = pu__nearest(name, KINDS, names);
    return pu_fail(PU_ERR_CONFIG, "there is no process '%.40s'%s%s%s", name, nearest ? ", did you mean '" : "",
                   nearest ? nearest : "", nearest ? "'?" : ": gbm, merton, heston, garch, regimes or bootstrap");
}

/* ---- the series ---- */

typedef struct series {
    double *x; /* [assets][rows] */
    pu__returns *returns;
} series;

static void series_free(series *s) {
    pu_free(s->x);
    pu_free(s->returns);
    *s = (series){0};
}

static pu_status check_returns(const pu__market *market, int asset, pu__returns *r) {
    const char *symbol = market->asset[asset].symbol;
    double sum = 0.0, square = 0.0;
    for (int64_t t = 0; t < r->rows; ++t) {
        if (!isfinite(r->x[t])) {
            char when[32];
            pu_bar_time_format(market->ts[t + 1], market->asset[asset].bar_s, when);
            return pu_fail(PU_ERR_DATA, "%s: the return of the bar of %s is not a number", symbol, when);
        }
        sum += r->x[t];
    }
    r->mean = sum / (double)r->rows;
    for (int64_t t = 0; t < r->rows; ++t) square += (r->x[t] - r->mean) * (r->x[t] - r->mean);
    r->deviation = sqrt(square / (double)r->rows);
    if (r->deviation > 1e-9) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "%s: its price does not move in the history that is fitted: leave it out of data.symbols",
                   symbol);
}

static pu_status series_make(const pu__market *market, series *out) {
    const int64_t rows = market->rows - 1;
    const size_t cells = (size_t)rows * (size_t)market->assets;
    *out = (series){.x = pu_calloc(cells, sizeof *out->x),
                    .returns = pu_calloc((size_t)market->assets, sizeof *out->returns)};
    if (!out->x || !out->returns) return PU_ERR_MEMORY;
    for (int a = 0; a < market->assets; ++a) {
        double *x = out->x + a * rows;
        for (int64_t t = 0; t < rows; ++t)
            x[t] = log(market->price[(t + 1) * market->assets + a] / market->price[t * market->assets + a]);
        out->returns[a] = (pu__returns){
            .symbol = market->asset[a].symbol, .x = x, .rows = rows, .step_years = 1.0 / market->periods_per_year};
        PU_TRY(check_returns(market, a, &out->returns[a]));
    }
    return PU_OK;
}

/* ---- each asset by itself ---- */

typedef struct job {
    const series *series;
    pu_process_kind kind;
    bool feller;
    pu__fit *fit;
    pu_status *status;              /* [assets] */
    char (*message)[MESSAGE_BYTES]; /* [assets]: a message belongs to the thread that failed */
} job;

static pu_status fit_bootstrap(const pu__returns *r, pu__fit *out) {
    double bars = 0.0, squares = 0.0, *square = pu_calloc((size_t)r->rows, sizeof *square);
    if (!square) return PU_ERR_MEMORY;
    for (int64_t t = 0; t < r->rows; ++t) square[t] = (r->x[t] - r->mean) * (r->x[t] - r->mean);
    pu_status status = pu__block_bars(r->x, r->rows, &bars);
    if (status == PU_OK) status = pu__block_bars(square, r->rows, &squares);
    pu_free(square);
    PU_TRY(status);
    *out = (pu__fit){.process = {.kind = PU_SIM_BOOTSTRAP}, .converged = true, .log_likelihood = (double)NAN};
    out->aic = out->bic = (double)NAN;
    pu__fit_add(out, "block_bars_returns", bars, (double)NAN);
    pu__fit_add(out, "block_bars_squares", squares, (double)NAN);
    return PU_OK;
}

static pu_status fit_asset(const job *j, const pu__returns *r, pu__fit *fit) {
    switch (j->kind) {
    case PU_SIM_GBM: pu__fit_gbm(r, fit); return PU_OK;
    case PU_SIM_MERTON: return pu__fit_merton(r, fit);
    case PU_SIM_HESTON: return pu__fit_heston(r, j->feller, fit);
    case PU_SIM_GARCH: return pu__fit_garch(r, fit);
    default: return fit_bootstrap(r, fit);
    }
}

static void fit_assets(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    (void)worker;
    for (int64_t a = begin; a < end; ++a) {
        const pu__returns *r = &j->series->returns[a];
        j->status[a] = fit_asset(j, r, &j->fit[a]);
        if (j->status[a] != PU_OK) snprintf(j->message[a], MESSAGE_BYTES, "%s", pu_error_message());
    }
}

static pu_status fit_each(const series *s, const pu__calibrate_options *options, pu_pool *pool,
                          pu__calibration *out) {
    job j = {.series = s, .kind = out->kind, .feller = options->feller, .fit = out->fit};
    j.status = pu_calloc((size_t)out->assets, sizeof *j.status);
    j.message = pu_calloc((size_t)out->assets, sizeof *j.message);
    pu_status status = j.status && j.message ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK) pu_parallel_for(pool, out->assets, 1, fit_assets, &j);
    for (int a = 0; status == PU_OK && a < out->assets; ++a)
        if (j.status[a] != PU_OK) status = pu_fail(j.status[a], "%s", j.message[a]);
    pu_free(j.status);
    pu_free(j.message);
    return status;
}

/* ---- the kernel's coefficients ---- */

/* The stationary state in place of the one at the history's end. */
static pu_process settled(const pu_process *process) {
    pu_process out = *process;
    if (out.kind == PU_SIM_HESTON) out.of.heston.variance_start = out.of.heston.variance_mean;
    if (out.kind == PU_SIM_GARCH) out.of.garch.variance_start = 0.0;
    return out;
}

static pu_status make_assets(const series *s, pu__calibration *out) {
    double bars = 0.0;
    for (int a = 0; a < out->assets; ++a) {
        const pu__returns *r = &s->returns[a];
        const pu_process start = settled(&out->fit[a].process);
        pu_status status = pu__process_make(&out->fit[a].process, r->step_years, &out->asset[a]);
        if (status == PU_OK) status = pu__process_make(&start, r->step_years, &out->settled[a]);
        if (status != PU_OK) {
            char message[MESSAGE_BYTES];
            snprintf(message, sizeof message, "%s", pu_error_message());
            return pu_fail(PU_ERR_DATA, "%s, as fitted: %s", r->symbol, message);
        }
        if (out->kind != PU_SIM_BOOTSTRAP) continue;
        out->asset[a].mean = out->settled[a].mean = (float)r->mean;
        const double own = out->fit[a].estimate[0].value, squares = out->fit[a].estimate[1].value;
        bars += fmax(own, squares) / out->assets;
    }
    out->block_bars = bars;
    return out->kind == PU_SIM_REGIMES ? pu__regime_cumulative(&out->fit[0].process.of.regimes, out->cumulative)
                                       : PU_OK;
}

static pu_status fit_all(const series *s, const pu__calibrate_options *options, pu_pool *pool,
                         pu__calibration *out) {
    if (out->kind == PU_SIM_REGIMES) {
        pu__regime_fit fit = {out->fit, out->correlation, out->correlation_error, 0, 0};
        PU_TRY(pu__fit_regimes(out->assets, s->returns, options->regimes, pool, &fit));
        out->regime_start = fit.current;
        out->regime_settled = fit.settled;
    } else {
        PU_TRY(fit_each(s, options, pool, out));
    }
    PU_TRY(make_assets(s, out));
    return pu__joint_fit(s->returns, pool, out);
}

static pu_status check_request(const pu__market *market, pu_process_kind kind,
                               const pu__calibrate_options *options) {
    const int64_t least = kinds[kind].rows_least;
    if (options->regimes != 0 && (options->regimes < 2 || options->regimes > PU_SIM_REGIMES_MAX))
        return pu_fail(PU_ERR_CONFIG, "%d regimes: 2 to %d, or 0 for the number that BIC prefers",
                       options->regimes, (int)PU_SIM_REGIMES_MAX);
    if (market->rows - 1 >= least) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "%s needs %lld bars that all assets have, the history of %s%s has %lld: widen the interval, "
                   "import more, or choose a simpler process",
                   kinds[kind].name, (long long)least + 1, market->asset[0].symbol,
                   market->assets > 1 ? " and the others" : "", (long long)market->rows);
}

pu_status pu__calibrate(const pu__market *market, pu_process_kind kind, const pu__calibrate_options *options,
                        pu_pool *pool, pu__calibration *out) {
    const pu__calibrate_options none = {0}, *o = options ? options : &none;
    const size_t n = (size_t)market->assets;
    *out = (pu__calibration){.kind = kind, .assets = market->assets, .rows = market->rows - 1};
    PU_TRY(check_request(market, kind, o));
    out->fit = pu_calloc(n, sizeof *out->fit);
    out->correlation = pu_calloc(5 * n * n, sizeof *out->correlation);
    out->factor = pu_calloc(n * n, sizeof *out->factor);
    out->asset = pu_calloc(2 * n, sizeof *out->asset);
    series s = {0};
    pu_status status = PU_ERR_MEMORY;
    if (out->fit && out->correlation && out->factor && out->asset) {
        out->correlation_error = out->correlation + n * n;
        out->return_correlation = out->correlation + 2 * n * n;
        out->return_correlation_model = out->correlation + 3 * n * n;
        out->correlation_wanted = out->correlation + 4 * n * n;
        out->settled = out->asset + n;
        status = series_make(market, &s);
    }
    if (status == PU_OK) status = fit_all(&s, o, pool, out);
    series_free(&s);
    if (status != PU_OK) pu__calibration_free(out);
    return status;
}

void pu__calibration_free(pu__calibration *calibration) {
    pu_free(calibration->fit);
    pu_free(calibration->correlation);
    pu_free(calibration->factor);
    pu_free(calibration->asset);
    *calibration = (pu__calibration){0};
}

void pu__calibration_scenario(const pu__calibration *calibration, const pu__market *market, bool from_settled,
                              pu__path_scenario *scenario) {
    scenario->process = (int32_t)calibration->kind; /* the kinds have the kernel's numbers */
    scenario->assets = calibration->assets;
    scenario->asset = from_settled ? calibration->settled : calibration->asset;
    scenario->factor = calibration->factor;
    memcpy(scenario->cumulative, calibration->cumulative, sizeof scenario->cumulative);
    scenario->regime_start = from_settled ? calibration->regime_settled : calibration->regime_start;
    if (calibration->kind != PU_SIM_BOOTSTRAP) return;
    scenario->history = market->log_return;
    scenario->history_rows = (int32_t)calibration->rows;
    scenario->restart = (float)(1.0 / calibration->block_bars);
}
