/* What a simulation begins with: the forecasts of the history, and what the sizing has learnt from them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/stress/policy_model.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

double pu__policy_expected(const pu__policy *p, const float *answer) {
    const bool quantiles = strcmp(p->config->objective.loss, "pinball") == 0;
    const int count = (int)p->forecaster.session.dims.outputs;
    return pu__forecast_mean(count, quantiles ? p->config->objective.quantiles.value : &p->median_quantile,
                             answer + p->horizon * count);
}

double pu__policy_sigma(float sigma) { return sigma > PU_SIGMA_MIN ? (double)sigma : 0.0; }

/* Forecasts of rows [first, rows) of an asset, as predict makes them. */
static pu_status forecast_history(pu__policy *p, int asset, int64_t first, double *out) {
    pu__forecaster *f = &p->forecaster;
    const int64_t rows = p->asset[asset].rows, length = f->warmup + f->window, stride = f->stride;
    const int64_t columns = f->session.dims.features, last_block = (rows - 1) / stride;
    for (int64_t block = first / stride; block <= last_block; block += f->batch) {
        const int64_t count = last_block - block + 1 < f->batch ? last_block - block + 1 : f->batch;
        for (int64_t b = 0; b < count; ++b) {
            const int64_t begin = (block + b + 1) * stride - length,
                          known = rows - begin < length ? rows - begin : length;
            float *window = pu__forecaster_window(f, b);
            PU_TRY(pu_dataset_read(f->session.dataset, asset, begin, known, window, NULL, NULL, NULL));
            memset(window + known * columns, 0, (size_t)((length - known) * columns) * sizeof *window);
        }
        PU_TRY(pu__forecaster_run(f));
        for (int64_t i = 0; i < count * stride; ++i) {
            const int64_t row = block * stride + i;
            if (row < first || row >= rows) continue;
            pu__forecaster_answer(f, i / stride, i % stride, p->answer);
            out[row - first] = pu__policy_expected(p, p->answer);
        }
        if (pu_interrupted()) return pu_fail(PU_ERR_INTERRUPTED, "stopped while the history was predicted");
    }
    return PU_OK;
}

typedef struct predicted {
    int64_t count, first; /* rows that are predicted: [first, first + count) */
    int64_t *ts;
    double *forecast, *sigma;
    pu_bars bars;
} predicted;

static void free_all(int assets, predicted *all) {
    for (int i = 0; all && i < assets; ++i) {
        pu_free(all[i].ts);
        pu_free(all[i].forecast);
        pu_free(all[i].sigma);
        pu_bars_free(&all[i].bars);
    }
    pu_free(all);
}

static pu_status load_asset(pu__policy *p, int asset, predicted *out) {
    pu_dataset *dataset = p->forecaster.session.dataset;
    const int64_t rows = p->asset[asset].rows, until_ts = p->market->ts[p->market->rows - 1];
    int64_t end = 0;
    PU_TRY(pu__forecaster_rows(&p->forecaster, asset, &out->first, &end));
    /* A simulation that begins before the validation segment has no predictions behind it but the first. */
    if (out->first > rows - 1) out->first = rows - 1;
    out->count = rows - out->first;
    out->ts = pu_calloc((size_t)out->count, sizeof *out->ts);
    out->forecast = pu_calloc((size_t)out->count, sizeof *out->forecast);
    out->sigma = pu_calloc((size_t)out->count, sizeof *out->sigma);
    float *sigma = pu_calloc((size_t)out->count, sizeof *sigma);
    pu_status status = out->ts && out->forecast && out->sigma && sigma ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK) status = pu_dataset_times(dataset, asset, out->first, out->count, out->ts);
    if (status == PU_OK) status = pu_dataset_read(dataset, asset, out->first, out->count, NULL, NULL, NULL, sigma);
    for (int64_t i = 0; status == PU_OK && i < out->count; ++i) out->sigma[i] = pu__policy_sigma(sigma[i]);
    pu_free(sigma);
    if (status == PU_OK) status = forecast_history(p, asset, out->first, out->forecast);
    if (status != PU_OK) return status;
    return pu_store_bars(p->store, p->market->asset[p->asset[asset].market].id, out->ts[0], until_ts + 1,
                         &out->bars);
}

/* The panel that the backtest's sizing would see, from the first prediction on. */
static pu_status learn(pu__policy *p, const predicted *all, pu__panel *panel, double **table) {
    const int64_t until_ts = p->market->ts[p->market->rows - 1];
    pu__series *price = pu_calloc((size_t)p->assets, sizeof *price);
    if (!price) return PU_ERR_MEMORY;
    int64_t from_ts = until_ts;
    for (int i = 0; i < p->assets; ++i) {
        price[i] = (pu__series){all[i].bars.count, all[i].bars.ts, all[i].bars.adjusted};
        if (all[i].ts[0] < from_ts) from_ts = all[i].ts[0];
    }
    const pu_status status = pu__panel_make(p->assets, price, from_ts, until_ts + 1, panel);
    pu_free(price);
    PU_TRY(status);
    table[0] = pu__panel_table(panel);
    table[1] = pu__panel_table(panel);
    if (!table[0] || !table[1]) return PU_ERR_MEMORY;
    for (int i = 0; i < p->assets; ++i) {
        const pu__series forecast = {all[i].count, all[i].ts, all[i].forecast};
        const pu__series sigma = {all[i].count, all[i].ts, all[i].sigma};
        pu__panel_put(panel, i, &forecast, table[0]);
        pu__panel_put(panel, i, &sigma, table[1]);
    }
    for (int64_t t = 0; t < panel->times; ++t) {
        const int64_t row = t * p->assets;
        pu__sizer_decide(p->sizer, panel->price + row, table[0] + row, table[1] + row, p->first_weight);
    }
    return PU_OK;
}

pu_status pu__policy_learn(pu__policy *p) {
    const pu__sizing sizing = {.target_vol = p->config->backtest.target_vol / sqrt(p->market->periods_per_year),
                               .leverage_max = p->config->backtest.leverage_max,
                               .position_max = p->config->backtest.position_max,
                               .market_neutral = p->config->backtest.market_neutral};
    PU_TRY(pu__sizer_new(&sizing, p->assets, &p->sizer));
    for (int i = 0; i < p->workers; ++i) PU_TRY(pu__sizer_new(&sizing, p->assets, &p->worker[i].sizer));
    predicted *all = pu_calloc((size_t)p->assets, sizeof *all);
    pu_status status = all ? PU_OK : PU_ERR_MEMORY;
    for (int i = 0; i < p->assets && status == PU_OK; ++i) status = load_asset(p, i, &all[i]);
    pu__panel panel = {0};
    double *table[2] = {NULL, NULL};
    if (status == PU_OK) status = learn(p, all, &panel, table);
    pu_free(table[0]);
    pu_free(table[1]);
    pu__panel_free(&panel);
    free_all(p->assets, all);
    return status;
}
