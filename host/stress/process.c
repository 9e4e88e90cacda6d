/* The price process of a stress test: fitted to the market, or rows of its history. */
#include "host/stress/process.h"

#include <math.h>
#include <string.h>

#include "plusultra/memory.h"

/* A history that is drawn from is this many blocks long, or it is said how few it has. */
enum { MISFIT_SAMPLES = 200, BLOCKS_LEAST = 10 };
static const double DRIFT_TOLD = 0.01; /* a year: smaller corrections of the drift go without saying */

static const char *repaired_words(const pu_correlation_repair *repair) {
    return repair->clipped == 1 ? "eigenvalue" : "eigenvalues";
}

static double history_mean(const pu__stress *s, int64_t asset) {
    const int64_t rows = s->market.rows - 1, assets = s->market.assets;
    double sum = 0.0;
    for (int64_t r = 0; r < rows; ++r) sum += (double)s->market.log_return[r * assets + asset];
    return sum / (double)rows;
}

/* Likelihoods with heavy tails or a leverage effect weigh returns unevenly and need not keep their mean: a policy would
 * be judged by a trend that the history does not have. A mixture of regimes keeps it. */
static pu_status take_drift_of_history(pu__stress *s, pu_process_kind kind) {
    const int64_t assets = s->market.assets;
    if (kind == PU_SIM_REGIMES || strcmp(s->config->stress.drift, "history") != 0) return PU_OK;
    s->coefficient = pu_calloc((size_t)assets, sizeof *s->coefficient);
    if (!s->coefficient) return PU_ERR_MEMORY;
    for (int64_t a = 0; a < assets; ++a) {
        pu__process_asset *p = &s->coefficient[a];
        *p = s->calibration.asset[a];
        const double mean = history_mean(s, a), before = (double)p->mean;
        p->drift[0] = (float)((double)p->drift[0] + mean - before);
        p->mean = (float)mean;
        if (fabs(mean - before) * s->market.periods_per_year > DRIFT_TOLD)
            pu__stress_warn(
                s,
                "%s drifts as in its history, by %.1f %% a year in logarithms; the fit alone has %.1f %% "
                "(stress.drift).",
                s->market.asset[a].symbol, 100.0 * mean * s->market.periods_per_year,
                100.0 * before * s->market.periods_per_year);
    }
    s->process.asset = s->coefficient;
    return PU_OK;
}

static pu_status fit(pu__stress *s, pu_process_kind kind) {
    PU_TRY(pu__calibrate(&s->market, kind, NULL, s->pool, &s->calibration));
    s->fitted = true;
    pu__calibration_scenario(&s->calibration, &s->market, false, &s->process);
    const pu_correlation_repair *repair = &s->calibration.repair;
    if (repair->clipped > 0)
        pu__stress_warn(
            s,
            "The correlations of the assets were no matrix of correlations: %d %s raised, the largest change "
            "of a correlation is %.2g.",
            repair->clipped, repaired_words(repair), repair->largest_change);
    char missed[PU__MISSED_BYTES];
    pu__calibration_missed_text(&s->calibration, &s->market, missed, sizeof missed);
    if (missed[0]) pu__stress_warn(s, "%s", missed);
    for (int a = 0; a < s->calibration.assets; ++a) {
        if (!s->calibration.fit[a].converged)
            pu__stress_warn(s, "The fit of %s to %s did not converge: its parameters are uncertain.",
                            pu__process_name(kind), s->market.asset[a].symbol);
    }
    return take_drift_of_history(s, kind);
}

/* Means of the log-returns, which shocks scale about. */
static pu_status open_means(pu__stress *s) {
    s->coefficient = pu_calloc((size_t)s->market.assets, sizeof *s->coefficient);
    if (!s->coefficient) return PU_ERR_MEMORY;
    for (int64_t a = 0; a < s->market.assets; ++a) s->coefficient[a].mean = (float)history_mean(s, a);
    return PU_OK;
}

static pu_status open_history(pu__stress *s, bool replay) {
    const int64_t rows = s->market.rows - 1;
    if (replay && rows < s->steps)
        return pu_fail(
            PU_ERR_CONFIG,
            "stress.steps_bars is %lld, but the history that is replayed has %lld steps: take fewer, or "
            "widen stress.fit",
            (long long)s->steps, (long long)rows);
    if (!replay && rows < BLOCKS_LEAST * s->config->stress.block_bars)
        pu__stress_warn(
            s,
            "The history has %lld steps, fewer than %d blocks of %lld: all paths repeat these few. Widen "
            "stress.fit, or lower stress.block_bars.",
            (long long)rows, (int)BLOCKS_LEAST, (long long)s->config->stress.block_bars);
    PU_TRY(open_means(s));
    s->process.process = replay ? PU_PROCESS_REPLAY : PU_PROCESS_BOOTSTRAP;
    s->process.assets = s->market.assets;
    s->process.asset = s->coefficient;
    s->process.history = s->market.log_return;
    s->process.history_rows = (int32_t)rows;
    s->process.restart = (float)(1.0 / (double)s->config->stress.block_bars);
    if (replay) s->paths = s->seeds = 1;
    return PU_OK;
}

pu_status pu__stress_process_open(pu__stress *s) {
    const char *name = s->config->stress.process;
    const bool replay = strcmp(name, "replay") == 0;
    pu_process_kind kind = PU_SIM_BOOTSTRAP;
    if (!replay) PU_TRY(pu__process_named(name, &kind));
    PU_TRY(kind == PU_SIM_BOOTSTRAP ? open_history(s, replay) : fit(s, kind));
    s->process.steps = (int32_t)s->steps;
    return PU_OK;
}

pu_status pu__stress_calibration_json(pu__stress *s, json_t **out) {
    *out = NULL;
    if (!s->fitted) {
        *out = json_null();
        return PU_OK;
    }
    pu__misfit *misfit = pu_calloc((size_t)s->market.assets * PU__MISFIT_COUNT, sizeof *misfit);
    if (!misfit) return PU_ERR_MEMORY;
    const pu_status status = pu__calibration_misfit(&s->calibration, &s->market, MISFIT_SAMPLES,
                                                    (uint64_t)pu__stress_seed(s, 0), s->pool, misfit);
    if (status == PU_OK) *out = pu__calibration_json(&s->calibration, &s->market, misfit);
    pu_free(misfit);
    PU_TRY(status);
    return *out ? PU_OK : pu_fail(PU_ERR_MEMORY, "out of memory while writing the calibration");
}
