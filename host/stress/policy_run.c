#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/stress/policy_model.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { ERROR_BYTES = 1024 };

/* Paths that are taken together. */
typedef struct group {
    pu__policy *policy;
    const pu__simulated *paths;
    int64_t begin, count;       /* paths [begin, begin + count) of `paths` */
    double *weight;             /* of path `begin` */
    pu_status *status;          /* [count] */
    char (*error)[ERROR_BYTES]; /* [count] */
} group;

static int64_t stride_of(const pu__policy *p) { return p->forecaster.stride; }

static pu_status check_prices(const pu__policy *p, const pu__simulated *paths, int64_t index) {
    const int assets = p->market->assets;
    const double *price = paths->price + index * (p->steps + 1) * assets;
    for (int64_t i = 0; i < (p->steps + 1) * assets; ++i) {
        if (price[i] > 0.0 && isfinite(price[i])) continue;
        return pu_fail(PU_ERR_DATA,
                       "bar %" PRId64 ": the price of %s is %g times its start: no bar can be made of it",
                       i / assets, p->market->asset[i % assets].symbol, price[i]);
    }
    return PU_OK;
}

pu_status pu__policy_features(pu__policy *p, pu__policy_worker *w, const pu__simulated *paths, int64_t index,
                              float *features, float *sigma) {
    const int64_t steps = p->steps, columns = p->plan.features.count;
    PU_TRY(check_prices(p, paths, index));
    pu__bars_make(&p->shapes, paths, index, p->ts, w->market_bars);
    PU_TRY(pu__continuation_run(w->room, w->member_bars,
                                p->benchmark >= 0 ? w->market_bars[p->benchmark].close : NULL, w->features,
                                w->sigma));
    for (int i = 0; i < p->assets; ++i) {
        const int64_t from = p->asset[i].member * steps, to = i * steps;
        memcpy(features + to * columns, w->features + from * columns,
               (size_t)(steps * columns) * sizeof *features);
        memcpy(sigma + to, w->sigma + from, (size_t)steps * sizeof *sigma);
    }
    return PU_OK;
}

static void run_features(void *context, int64_t begin, int64_t end, int thread) {
    group *g = context;
    pu__policy *p = g->policy;
    const int64_t cells = p->assets * p->steps;
    for (int64_t i = begin; i < end; ++i) {
        g->status[i] = pu__policy_features(p, &p->worker[thread], g->paths, g->begin + i,
                                           p->features + i * cells * p->plan.features.count, p->sigma + i * cells);
        if (g->status[i] != PU_OK) snprintf(g->error[i], ERROR_BYTES, "%s", pu_error_message());
    }
}

/* The window that ends with a block of rows: of the past, of the path, and zeros behind its end. */
static void fill_window(const pu__policy *p, const pu__placed_window *at, float *window) {
    const pu__model_asset *asset = &p->asset[at->asset];
    const int64_t columns = p->plan.features.count, length = p->forecaster.warmup + p->forecaster.window;
    const int64_t begin = (at->block + 1) * stride_of(p) - length, end = asset->rows + p->steps;
    const float *path = p->features + (at->path * p->assets + at->asset) * p->steps * columns;
    const int64_t past = begin < asset->rows ? asset->rows - begin : 0;
    const int64_t from = begin + past, known = begin + length < end ? begin + length - from : end - from;
    if (past > 0)
        memcpy(window, asset->past + (begin - asset->origin) * columns, (size_t)(past * columns) * sizeof *window);
    memcpy(window + past * columns, path + (from - asset->rows) * columns,
           (size_t)(known * columns) * sizeof *window);
    memset(window + (past + known) * columns, 0, (size_t)((length - past - known) * columns) * sizeof *window);
}

static pu_status run_windows(pu__policy *p, int64_t count) {
    PU_TRY(pu__forecaster_run(&p->forecaster));
    for (int64_t i = 0; i < count; ++i) {
        const pu__placed_window *at = &p->placed[i];
        for (int64_t k = 0; k < stride_of(p); ++k) {
            const int64_t step = at->block * stride_of(p) + k - p->asset[at->asset].rows;
            if (step < 0 || step >= p->steps) continue;
            pu__forecaster_answer(&p->forecaster, i, k, p->answer);
            p->forecast[(at->path * p->steps + step) * p->assets + at->asset] = pu__policy_expected(p, p->answer);
        }
    }
    return pu_interrupted() ? pu_fail(PU_ERR_INTERRUPTED, "stopped between forward passes") : PU_OK;
}

static pu_status forecast_group(pu__policy *p, int64_t paths) {
    int64_t filled = 0;
    for (int64_t path = 0; path < paths; ++path) {
        for (int i = 0; i < p->assets; ++i) {
            const int64_t rows = p->asset[i].rows, last = (rows + p->steps - 1) / stride_of(p);
            for (int64_t block = rows / stride_of(p); block <= last; ++block) {
                p->placed[filled] = (pu__placed_window){path, block, i};
                fill_window(p, &p->placed[filled], pu__forecaster_window(&p->forecaster, filled));
                if (++filled < p->forecaster.batch) continue;
                PU_TRY(run_windows(p, filled));
                filled = 0;
            }
        }
    }
    return filled > 0 ? run_windows(p, filled) : PU_OK;
}

static void put_weights(const pu__policy *p, const double *decided, double *weight) {
    for (int a = 0; a < p->market->assets; ++a) weight[a] = 0.0;
    for (int i = 0; i < p->assets; ++i) {
        if (p->asset[i].market < p->market->traded) weight[p->asset[i].market] = decided[i];
    }
}

static void run_weights(void *context, int64_t begin, int64_t end, int thread) {
    group *g = context;
    pu__policy *p = g->policy;
    pu__policy_worker *w = &p->worker[thread];
    const int64_t bars = p->steps + 1, n = p->assets, wide = p->market->assets;
    double *price = w->row, *sigma = w->row + n;
    for (int64_t i = begin; i < end; ++i) {
        const double *simulated = g->paths->price + (g->begin + i) * bars * wide;
        double *weight = g->weight + i * bars * wide;
        pu__sizer_copy(w->sizer, p->sizer);
        put_weights(p, p->first_weight, weight);
        for (int64_t t = 0; t < p->steps; ++t) {
            for (int k = 0; k < n; ++k) {
                const int market = p->asset[k].market;
                price[k] = p->shapes.close[market] * simulated[(t + 1) * wide + market];
                sigma[k] = pu__policy_sigma(p->sigma[(i * n + k) * p->steps + t]);
            }
            pu__sizer_decide(w->sizer, price, p->forecast + (i * p->steps + t) * n, sigma, w->weight);
            put_weights(p, w->weight, weight + (t + 1) * wide);
        }
    }
}

static pu_status run_group(group *g) {
    pu__policy *p = g->policy;
    pu_parallel_for(p->pool, g->count, 1, run_features, g);
    for (int64_t i = 0; i < g->count; ++i) {
        if (g->status[i] != PU_OK)
            return pu_fail(g->status[i], "path %" PRId64 ": %s", g->paths->first + g->begin + i, g->error[i]);
    }
    PU_TRY(forecast_group(p, g->count));
    pu_parallel_for(p->pool, g->count, 1, run_weights, g);
    return PU_OK;
}

static pu_status run_groups(pu__policy *p, const pu__simulated *paths, group *g, double *weight) {
    for (g->begin = 0; g->begin < paths->count; g->begin += g->count) {
        g->count = paths->count - g->begin < p->group_max ? paths->count - g->begin : p->group_max;
        g->weight = weight + g->begin * (p->steps + 1) * p->market->assets;
        PU_TRY(run_group(g));
    }
    return PU_OK;
}

pu_status pu__policy_weights(pu__policy *policy, const pu__simulated *paths, double *weight) {
    if (paths->steps != policy->steps || paths->assets != policy->market->assets)
        return pu_fail(PU_ERR_ARGUMENT,
                       "paths of %" PRId64 " steps and %d assets for a policy that was opened for %" PRId64
                       " and %d",
                       paths->steps, paths->assets, policy->steps, policy->market->assets);
    group g = {.policy = policy, .paths = paths};
    g.status = pu_calloc((size_t)policy->group_max, sizeof *g.status);
    g.error = pu_calloc((size_t)policy->group_max, sizeof *g.error);
    const pu_status status = g.status && g.error ? run_groups(policy, paths, &g, weight) : PU_ERR_MEMORY;
    pu_free(g.status);
    pu_free(g.error);
    return status;
}
