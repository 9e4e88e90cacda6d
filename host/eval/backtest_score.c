#include <math.h>

#include "host/eval/backtest.h"
#include "host/eval/baselines.h"
#include "host/eval/stats.h"
#include "plusultra/memory.h"

enum { CHUNK_ROWS = 4096 };

/* Growing columns of the rows that are scored together. */
typedef struct sample {
    int64_t count, capacity;
    double *y;
    float *value; /* [count][width] */
    int width;
} sample;

static void sample_free(sample *s) {
    pu_free(s->y);
    pu_free(s->value);
}

static pu_status sample_add(sample *s, double y, const float *value) {
    if (s->count == s->capacity) {
        const int64_t capacity = s->capacity ? 2 * s->capacity : 1024;
        const size_t width = (size_t)s->width * sizeof(float), old = (size_t)s->capacity, grown = (size_t)capacity;
        double *y_grown = pu_regrow(s->y, old * sizeof *s->y, grown * sizeof *s->y);
        if (!y_grown) return PU_ERR_MEMORY;
        s->y = y_grown;
        float *value_grown = pu_regrow(s->value, old * width, grown * width);
        if (!value_grown) return PU_ERR_MEMORY;
        s->value = value_grown;
        s->capacity = capacity;
    }
    for (int q = 0; q < s->width; ++q) s->value[s->count * s->width + q] = value[q];
    s->y[s->count++] = y;
    return PU_OK;
}

/* Targets and weights of rows [first, first + count) of an asset, each [count][H]; free targets. */
static pu_status read_targets(pu__backtest *b, int asset, int64_t first, int64_t count, float **targets,
                              float **weights) {
    const int64_t cells = count * b->config->windows.horizons.count;
    *targets = pu_calloc((size_t)cells, 2 * sizeof **targets);
    if (!*targets) return PU_ERR_MEMORY;
    *weights = *targets + cells;
    const pu_status status = pu_dataset_read(b->dataset, asset, first, count, 0, *targets, *weights, 0);
    if (status != PU_OK) pu_free(*targets);
    return status;
}

/* Column of the dataset's targets with this horizon; -1 when there is none. */
static int target_column(const pu_config *config, int64_t horizon_bars) {
    for (int h = 0; h < config->windows.horizons.count; ++h) {
        if (config->windows.horizons.value[h] == horizon_bars) return h;
    }
    return -1;
}

/* Rows [*first, *end) of an asset decided in [from_ts, to_ts). */
static pu_status find_rows(pu__backtest *b, int asset, int64_t from_ts, int64_t to_ts, int64_t *first,
                           int64_t *end) {
    PU_TRY(pu_dataset_rows_before(b->dataset, asset, from_ts, first));
    PU_TRY(pu_dataset_rows_before(b->dataset, asset, to_ts, end));
    if (*end < *first) *end = *first;
    return PU_OK;
}

/* Adds the asset's test rows that have both a prediction and a known target. */
static pu_status gather_test(pu__backtest *b, int asset, int horizon, int column, sample *out) {
    const pu_prediction_set *set = &b->input[asset].predictions;
    const int columns = b->config->windows.horizons.count;
    int64_t first = 0, end = 0, p = 0, p_end = 0;
    PU_TRY(find_rows(b, asset, b->test_from, b->test_to, &first, &end));
    pu__rows_between(set->ts, set->count, b->test_from, b->test_to, &p, &p_end);
    float *targets = 0, *weights = 0;
    PU_TRY(read_targets(b, asset, first, end - first, &targets, &weights));
    int64_t *ts = pu_calloc((size_t)(end - first), sizeof *ts);
    pu_status status = ts ? pu_dataset_times(b->dataset, asset, first, end - first, ts) : PU_ERR_MEMORY;
    for (int64_t r = 0; r < end - first && status == PU_OK; ++r) {
        while (p < p_end && set->ts[p] < ts[r]) ++p;
        if (p == p_end) break;
        const int64_t cell = r * columns + column;
        if (set->ts[p] != ts[r] || !(weights[cell] > 0.0f)) continue;
        status =
            sample_add(out, (double)targets[cell], set->value + (p * set->horizons + horizon) * set->quantiles);
    }
    pu_free(ts);
    pu_free(targets);
    return status;
}

static pu_status gather_train(pu__backtest *b, int asset, int column, sample *out) {
    int64_t from_ts = 0, to_ts = 0, first = 0, end = 0;
    pu_dataset_segment(b->dataset, PU_SEGMENT_TRAIN, &from_ts, &to_ts);
    PU_TRY(find_rows(b, asset, from_ts, to_ts, &first, &end));
    float *targets = 0, *weights = 0;
    PU_TRY(read_targets(b, asset, first, end - first, &targets, &weights));
    pu_status status = PU_OK;
    for (int64_t r = 0; r < end - first && status == PU_OK; ++r) {
        const int64_t cell = r * b->config->windows.horizons.count + column;
        if (weights[cell] > 0.0f) status = sample_add(out, (double)targets[cell], 0);
    }
    pu_free(targets);
    return status;
}

static pu_status asset_ic(pu__backtest *b, int asset, int horizon, int column) {
    const pu_prediction_set *set = &b->input[asset].predictions;
    const double zero[PU__QUANTILES_MAX] = {0};
    sample own = {.width = set->quantiles};
    pu__scores scores;
    pu_status status = gather_test(b, asset, horizon, column, &own);
    if (status == PU_OK) {
        status = pu__score_forecasts(own.count, own.y, set->quantiles, set->quantile, own.value, zero,
                                     set->horizon_bars[horizon], &scores);
    }
    if (status == PU_OK) b->input[asset].ic = scores.ic;
    sample_free(&own);
    return status;
}

static pu_status score_horizon(pu__backtest *b, int horizon, int column, sample *test, sample *train) {
    const pu_prediction_set *set = &b->input[0].predictions;
    for (int a = 0; a < b->asset_count; ++a) {
        PU_TRY(gather_test(b, a, horizon, column, test));
        PU_TRY(gather_train(b, a, column, train));
        if (horizon == b->horizon) PU_TRY(asset_ic(b, a, horizon, column));
    }
    double unconditional[PU__QUANTILES_MAX];
    pu__sort(train->count, train->y);
    for (int q = 0; q < set->quantiles; ++q) {
        unconditional[q] = pu__sorted_quantile(train->count, train->y, set->quantile[q]);
    }
    return pu__score_forecasts(test->count, test->y, set->quantiles, set->quantile, test->value, unconditional,
                               set->horizon_bars[horizon], &b->scores[horizon]);
}

pu_status pu__backtest_score(pu__backtest *backtest) {
    const pu_prediction_set *set = &backtest->input[0].predictions;
    if (set->quantiles < 1 || set->quantiles > PU__QUANTILES_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "%d forecast quantiles, at most %d can be scored", set->quantiles,
                       (int)PU__QUANTILES_MAX);
    }
    backtest->scores = pu_calloc((size_t)set->horizons, sizeof *backtest->scores);
    if (!backtest->scores) return PU_ERR_MEMORY;
    for (int h = 0; h < set->horizons; ++h) {
        const int column = target_column(backtest->config, set->horizon_bars[h]);
        if (column < 0) {
            return pu_fail(PU_ERR_CONFIG,
                           "run '%s' predicted a horizon of %lld bars that windows.horizons lacks: use the "
                           "configuration it was trained with",
                           backtest->config->run.name, (long long)set->horizon_bars[h]);
        }
        sample test = {.width = set->quantiles}, train = {0};
        const pu_status status = score_horizon(backtest, h, column, &test, &train);
        sample_free(&test);
        sample_free(&train);
        PU_TRY(status);
    }
    return PU_OK;
}

/* One chunk of rows as the ridge regression takes them. */
typedef struct chunk {
    float *x, *targets, *weights; /* [CHUNK_ROWS][F], [CHUNK_ROWS][H] twice */
    double *y, *w;                /* [CHUNK_ROWS] at backtest.horizon */
    int64_t *ts;                  /* [CHUNK_ROWS] */
} chunk;

static void chunk_free(chunk *c) {
    pu_free(c->x);
    pu_free(c->targets);
    pu_free(c->y);
    pu_free(c->ts);
}

static pu_status chunk_make(const pu__backtest *b, chunk *c) {
    const size_t horizons = (size_t)b->config->windows.horizons.count, rows = CHUNK_ROWS;
    *c = (chunk){0};
    c->x = pu_calloc(rows * (size_t)pu_dataset_features(b->dataset), sizeof *c->x);
    c->targets = pu_calloc(2 * rows * horizons, sizeof *c->targets);
    c->y = pu_calloc(2 * rows, sizeof *c->y);
    c->ts = pu_calloc(rows, sizeof *c->ts);
    if (!c->x || !c->targets || !c->y || !c->ts) {
        chunk_free(c);
        return PU_ERR_MEMORY;
    }
    c->weights = c->targets + rows * horizons;
    c->w = c->y + rows;
    return PU_OK;
}

static pu_status chunk_read(pu__backtest *b, int asset, int64_t first, int64_t count, int column, chunk *c) {
    const int columns = b->config->windows.horizons.count;
    PU_TRY(pu_dataset_read(b->dataset, asset, first, count, c->x, c->targets, c->weights, 0));
    for (int64_t r = 0; r < count; ++r) {
        c->y[r] = (double)c->targets[r * columns + column];
        c->w[r] = (double)c->weights[r * columns + column];
    }
    return PU_OK;
}

/* One pass over the train segment of all assets. */
static pu_status train_pass(pu__backtest *b, int column, bool moments, chunk *c, pu__ridge *ridge) {
    int64_t from_ts = 0, to_ts = 0;
    pu_dataset_segment(b->dataset, PU_SEGMENT_TRAIN, &from_ts, &to_ts);
    for (int a = 0; a < b->asset_count; ++a) {
        int64_t first = 0, end = 0;
        PU_TRY(find_rows(b, a, from_ts, to_ts, &first, &end));
        for (int64_t r = first; r < end; r += CHUNK_ROWS) {
            const int64_t count = end - r < CHUNK_ROWS ? end - r : CHUNK_ROWS;
            PU_TRY(chunk_read(b, a, r, count, column, c));
            if (moments) {
                pu__ridge_add_moments(ridge, count, c->x, c->w);
            } else {
                pu__ridge_add_products(ridge, count, c->x, c->y, c->w);
            }
        }
    }
    return PU_OK;
}

static pu_status predict_asset(pu__backtest *b, int asset, int column, chunk *c, const pu__ridge *ridge,
                               double *forecast) {
    int64_t first = 0, end = 0;
    PU_TRY(find_rows(b, asset, b->panel.ts[0], b->test_to, &first, &end));
    for (int64_t r = first; r < end; r += CHUNK_ROWS) {
        const int64_t count = end - r < CHUNK_ROWS ? end - r : CHUNK_ROWS;
        PU_TRY(chunk_read(b, asset, r, count, column, c));
        PU_TRY(pu_dataset_times(b->dataset, asset, r, count, c->ts));
        for (int64_t k = 0; k < count; ++k) c->y[k] = pu__ridge_predict(ridge, c->x + k * ridge->features);
        const pu__series series = {count, c->ts, c->y};
        pu__panel_put(&b->panel, asset, &series, forecast);
    }
    return PU_OK;
}

pu_status pu__backtest_ridge(pu__backtest *backtest, double *forecast) {
    const int column = target_column(backtest->config, backtest->config->backtest.horizon);
    if (column < 0) {
        return pu_fail(PU_ERR_CONFIG, "backtest.horizon (%lld) is not one of windows.horizons",
                       (long long)backtest->config->backtest.horizon);
    }
    chunk c;
    pu__ridge ridge = {0};
    PU_TRY(chunk_make(backtest, &c));
    pu_status status =
        pu__ridge_make(pu_dataset_features(backtest->dataset), backtest->config->windows.clip, &ridge);
    if (status == PU_OK) status = train_pass(backtest, column, true, &c, &ridge);
    if (status == PU_OK) pu__ridge_end_moments(&ridge);
    if (status == PU_OK) status = train_pass(backtest, column, false, &c, &ridge);
    if (status == PU_OK) status = pu__ridge_solve(&ridge, backtest->config->backtest.ridge_lambda);
    for (int a = 0; a < backtest->asset_count && status == PU_OK; ++a) {
        status = predict_asset(backtest, a, column, &c, &ridge, forecast);
    }
    pu__ridge_free(&ridge);
    chunk_free(&c);
    return status;
}
