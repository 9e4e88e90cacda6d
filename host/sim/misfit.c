/* Where a fitted process does not match the history it was fitted to: histories of the same length, simulated by the
 * path kernel, and what they say of the same facts. */
#include <math.h>

#include "host/sim/facts.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { SAMPLES_LEAST = 20, BATCH_MOST = 64, BATCH_BYTES_MOST = 1 << 26 };

const char *pu__misfit_name(pu__misfit_kind kind) {
    static const char *const names[] = {
#define PU__MISFIT_NAME(upper, text) text,
        PU__MISFITS(PU__MISFIT_NAME)
#undef PU__MISFIT_NAME
    };
    return names[kind];
}

/* Facts of one history of prices [rows + 1][assets] into out [assets][PU__MISFIT_COUNT]. work [(assets + 1)][rows]. */
static void take_facts(const double *price, int assets, int64_t rows, double *work, double *mean, double *out) {
    for (int a = 0; a < assets; ++a) {
        double *x = work + a * rows;
        for (int64_t t = 0; t < rows; ++t) x[t] = log(price[(t + 1) * assets + a] / price[t * assets + a]);
        pu__facts(x, rows, work + assets * rows, out + (int64_t)a * PU__MISFIT_COUNT);
    }
    pu__fact_correlations(work, assets, rows, mean);
    for (int a = 0; a < assets; ++a) out[(int64_t)a * PU__MISFIT_COUNT + PU__MISFIT_CORRELATION] = mean[a];
}

typedef struct measure {
    int assets;
    int64_t rows;
    const double *price; /* [batch][rows + 1][assets] */
    double *facts;       /* [batch][assets][PU__MISFIT_COUNT] */
    double *work;        /* [workers][assets + 1][rows] */
    double *mean;        /* [workers][assets] */
} measure;

static void measure_paths(void *context, int64_t begin, int64_t end, int worker) {
    const measure *m = context;
    const int64_t assets = m->assets;
    for (int64_t p = begin; p < end; ++p)
        take_facts(m->price + p * (m->rows + 1) * assets, m->assets, m->rows,
                   m->work + worker * (assets + 1) * m->rows, m->mean + worker * assets,
                   m->facts + p * assets * PU__MISFIT_COUNT);
}

typedef struct simulation {
    pu__path_scenario scenario;
    int64_t batch;
    double *price, *weight, *facts, *sorted; /* facts [samples][assets][PU__MISFIT_COUNT] */
    measure measure;
} simulation;

static pu_status simulation_open(const pu__calibration *c, const pu__market *market, int samples, uint64_t seed,
                                 int workers, simulation *out) {
    const size_t assets = (size_t)c->assets, rows = (size_t)c->rows, bytes = (rows + 1) * assets * sizeof(double);
    const size_t fit = BATCH_BYTES_MOST / bytes;
    *out = (simulation){.batch = fit < 1 ? 1 : fit < BATCH_MOST ? (int64_t)fit : BATCH_MOST};
    out->price = pu_calloc((size_t)out->batch * (rows + 1) * assets, sizeof(double));
    out->weight = pu_calloc(assets, sizeof(double));
    out->facts = pu_calloc((size_t)samples * assets * PU__MISFIT_COUNT + (size_t)samples, sizeof(double));
    out->measure = (measure){.assets = c->assets, .rows = c->rows, .price = out->price};
    out->measure.work = pu_calloc((size_t)workers * ((assets + 1) * rows + assets), sizeof(double));
    if (!out->price || !out->weight || !out->facts || !out->measure.work) return PU_ERR_MEMORY;
    out->sorted = out->facts + (size_t)samples * assets * PU__MISFIT_COUNT;
    out->measure.mean = out->measure.work + (size_t)workers * (assets + 1) * rows;
    out->scenario = (pu__path_scenario){.seed = seed, .steps = (int32_t)c->rows, .weight = out->weight};
    pu__calibration_scenario(c, market, true, &out->scenario);
    return PU_OK;
}

static void simulation_close(simulation *s) {
    pu_free(s->price);
    pu_free(s->weight);
    pu_free(s->facts);
    pu_free(s->measure.work);
    *s = (simulation){0};
}

static pu_status simulate(simulation *s, int samples, pu_pool *pool) {
    pu_progress progress;
    pu_status status = PU_OK;
    pu_progress_begin(&progress, "simulate histories", "samples", samples);
    for (int64_t first = 0; first < samples && status == PU_OK; first += s->batch) {
        const int64_t left = samples - first, count = left < s->batch ? left : s->batch;
        const pu__path_batch batch = {.first = (uint64_t)first, .count = count, .price = s->price};
        status = pu__paths_cpu(&s->scenario, &batch, pool);
        if (status == PU_OK && pu_interrupted()) status = pu_fail(PU_ERR_INTERRUPTED, "interrupted");
        if (status != PU_OK) break;
        s->measure.facts = s->facts + first * s->measure.assets * PU__MISFIT_COUNT;
        pu_parallel_for(pool, count, 1, measure_paths, &s->measure);
        pu_progress_update(&progress, first + count, NULL);
    }
    pu_progress_end(&progress, NULL);
    return status;
}

/* Of one figure of one asset; `at`: its place in the facts of a sample. */
static void compare(simulation *s, int samples, int64_t at, pu__misfit *out) {
    const int64_t stride = (int64_t)s->measure.assets * PU__MISFIT_COUNT;
    for (int64_t p = 0; p < samples; ++p) s->sorted[p] = s->facts[p * stride + at];
    pu__facts_sort(s->sorted, samples);
    out->low = pu__facts_quantile(s->sorted, samples, 0.025);
    out->middle = pu__facts_quantile(s->sorted, samples, 0.5);
    out->high = pu__facts_quantile(s->sorted, samples, 0.975);
    out->matches = !(out->history < out->low || out->history > out->high);
}

pu_status pu__calibration_misfit(const pu__calibration *calibration, const pu__market *market, int samples,
                                 uint64_t seed, pu_pool *pool, pu__misfit *misfit) {
    const int64_t figures = (int64_t)calibration->assets * PU__MISFIT_COUNT;
    if (samples < SAMPLES_LEAST)
        return pu_fail(PU_ERR_ARGUMENT, "%d samples: an interval takes %d or more", samples, (int)SAMPLES_LEAST);
    if (calibration->rows > 1 << 24)
        return pu_fail(PU_ERR_DATA, "a history of %lld bars is too long to simulate: %d at most",
                       (long long)calibration->rows, 1 << 24);
    simulation s;
    pu_status status = simulation_open(calibration, market, samples, seed, pool ? pu_pool_threads(pool) : 1, &s);
    if (status == PU_OK) {
        take_facts(market->price, calibration->assets, calibration->rows, s.measure.work, s.measure.mean, s.facts);
        for (int64_t i = 0; i < figures; ++i) misfit[i].history = s.facts[i];
        status = simulate(&s, samples, pool);
    }
    for (int64_t i = 0; i < figures && status == PU_OK; ++i) compare(&s, samples, i, &misfit[i]);
    simulation_close(&s);
    return status;
}
