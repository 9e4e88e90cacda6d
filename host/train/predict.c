/* Forecasts over history, block by block (host/train/forecast.h), into the store and a CSV file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/train/forecast.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

/* Rows of an asset that are answered and stored at a time, about: memory does not grow with history. */
enum { PATH_BYTES = 4096, PART_ROWS = 16384 };

typedef struct predictor {
    const pu_config *config;
    pu__forecaster forecaster;
    pu_store *store;
    pu__new_file csv;
    int64_t part_blocks;    /* a multiple of the forecaster's batch */
    float *values, *sigma;  /* one part's results */
    int64_t *ts;            /* of these */
    double median_quantile; /* the only "quantile" of a point forecast */
    char *accepted;         /* faults of the data that data.accept lets pass, one a line */
} predictor;

static pu_status open_predictor(predictor *p, const pu_config *config) {
    p->config = config;
    p->median_quantile = 0.5;
    PU_TRY(pu_validate_gate(config, &p->accepted));
    PU_TRY(pu__forecaster_open(config, &p->forecaster));
    const int64_t batch = p->forecaster.batch, stride = p->forecaster.stride;
    p->part_blocks = batch * (1 + PART_ROWS / (batch * stride));
    const size_t rows = (size_t)(p->part_blocks * stride);
    p->values = pu_calloc(rows * (size_t)p->forecaster.outputs, sizeof *p->values);
    p->sigma = pu_calloc(rows, sizeof *p->sigma);
    p->ts = pu_calloc(rows, sizeof *p->ts);
    if (!p->values || !p->sigma || !p->ts) return PU_ERR_MEMORY;
    char path[PATH_BYTES];
    PU_TRY(pu_store_open(config->data.store, PU_STORE_WRITE, &p->store));
    PU_TRY(pu__session_path(&p->forecaster.session, "predictions.csv", path));
    return pu__file_begin(path, &p->csv);
}

static void close_predictor(predictor *p) {
    pu__file_drop(&p->csv);
    pu_store_close(p->store);
    pu_free(p->accepted);
    pu_free(p->values);
    pu_free(p->sigma);
    pu_free(p->ts);
    pu__forecaster_close(&p->forecaster);
}

static pu_status forward_blocks(predictor *p, int asset, int64_t block, int64_t count, int64_t first,
                                int64_t end) {
    pu__forecaster *f = &p->forecaster;
    const int64_t length = f->warmup + f->window;
    memset(f->bars, 0, (size_t)(f->batch * length * f->session.dims.features) * sizeof *f->bars);
    for (int64_t b = 0; b < count; ++b) {
        const int64_t begin = (block + b + 1) * f->stride - length;
        PU_TRY(pu_dataset_read(f->session.dataset, asset, begin, length, pu__forecaster_window(f, b), NULL, NULL,
                               NULL));
    }
    PU_TRY(pu__forecaster_run(f));
    for (int64_t b = 0; b < count; ++b) {
        for (int64_t k = 0; k < f->stride; ++k) {
            const int64_t row = (block + b) * f->stride + k;
            if (row >= first && row < end) pu__forecaster_answer(f, b, k, p->values + (row - first) * f->outputs);
        }
    }
    return PU_OK;
}

static void write_csv(predictor *p, const pu_asset *asset, const pu_prediction_set *set) {
    for (int64_t i = 0; i < set->count; ++i) {
        char when[32];
        pu_time_format(set->ts[i], true, when);
        for (int h = 0; h < set->horizons; ++h) {
            fprintf(p->csv.stream, "%s,%s,%lld,%.9g", asset->symbol, when, (long long)set->horizon_bars[h],
                    (double)set->sigma[i]);
            for (int q = 0; q < set->quantiles; ++q) {
                fprintf(p->csv.stream, ",%.9g", (double)set->value[(i * set->horizons + h) * set->quantiles + q]);
            }
            fputc('\n', p->csv.stream);
        }
    }
}

/* Rows [first, end), which lie in part_blocks blocks from `block` on. */
static pu_status predict_part(predictor *p, int asset, int64_t block, int64_t first, int64_t end) {
    pu_dataset *dataset = p->forecaster.session.dataset;
    const pu_asset *info = pu_dataset_asset(dataset, asset);
    const int64_t last_block = (end - 1) / p->forecaster.stride;
    PU_TRY(pu_dataset_times(dataset, asset, first, end - first, p->ts));
    PU_TRY(pu_dataset_read(dataset, asset, first, end - first, NULL, NULL, NULL, p->sigma));
    for (; block <= last_block; block += p->forecaster.batch) {
        const int64_t blocks =
            last_block - block + 1 < p->forecaster.batch ? last_block - block + 1 : p->forecaster.batch;
        PU_TRY(forward_blocks(p, asset, block, blocks, first, end));
        if (pu_interrupted())
            return pu_fail(PU_ERR_INTERRUPTED, "stopped while predicting %s; run the same command again",
                           info->symbol);
    }
    const bool quantiles = strcmp(p->config->objective.loss, "pinball") == 0;
    const pu_prediction_set set = {.asset_id = info->id,
                                   .count = end - first,
                                   .ts = p->ts,
                                   .horizons = (int)p->forecaster.session.dims.horizons,
                                   .horizon_bars = p->config->windows.horizons.value,
                                   .quantiles = (int)p->forecaster.session.dims.outputs,
                                   .quantile =
                                       quantiles ? p->config->objective.quantiles.value : &p->median_quantile,
                                   .value = p->values,
                                   .sigma = p->sigma};
    PU_TRY(pu_store_add_predictions(p->store, p->config->run.name, &set));
    write_csv(p, info, &set);
    return PU_OK;
}

static pu_status predict_asset(predictor *p, int asset, pu_predict_result *result) {
    int64_t first, end;
    PU_TRY(pu__forecaster_rows(&p->forecaster, asset, &first, &end));
    if (first == end) {
        pu_log(PU_LOG_WARNING, "predict.asset",
               "%s has no bar to predict: its history ends before the validation segment or is shorter than one "
               "window",
               pu_dataset_asset(p->forecaster.session.dataset, asset)->symbol);
        return PU_OK;
    }
    for (int64_t block = first / p->forecaster.stride, from = first; from < end; block += p->part_blocks) {
        const int64_t reach = (block + p->part_blocks) * p->forecaster.stride, to = reach < end ? reach : end;
        PU_TRY(predict_part(p, asset, block, from, to));
        from = to;
    }
    ++result->assets;
    result->rows += end - first;
    return PU_OK;
}

/* What the forecasts were made from, for whoever judges them. `result` "{}": nothing is known while they are being
 * replaced. */
static pu_status record_run(predictor *p, const char *result) {
    char *config = pu_config_text(p->config);
    if (!config) return PU_ERR_MEMORY;
    const pu_run_record record = {.config = config,
                                  .data_hash = pu_dataset_hash(p->forecaster.session.dataset),
                                  .feature_hash = pu_dataset_feature_hash(p->forecaster.session.dataset),
                                  .result = result,
                                  .seed = p->config->run.seed};
    const pu_status status = pu_store_put_run(p->store, p->config->run.name, &record);
    pu_free(config);
    return status;
}

static pu_status record_end(predictor *p) {
    static const char *const kept[] = {"step", "valid_loss", "seen_until_ts", "sha256"};
    json_t *result = json_object();
    for (int i = 0; i < 4; ++i) json_object_set(result, kept[i], json_object_get(p->forecaster.manifest, kept[i]));
    json_object_set_new(result, "accepted", json_string(p->accepted));
    char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    const pu_status status =
        text ? record_run(p, text) : pu_fail(PU_ERR_MEMORY, "out of memory for the run's record");
    free(text);
    return status;
}

static pu_status predict_all(predictor *p, pu_predict_result *result) {
    PU_TRY(record_run(p, "{}"));
    /* Those of an older checkpoint, of assets that are not asked for this time, must not stay behind. */
    PU_TRY(pu_store_clear_predictions(p->store, p->config->run.name));
    fputs("symbol,ts,horizon_bars,sigma", p->csv.stream);
    for (int64_t q = 0; q < p->forecaster.session.dims.outputs; ++q) {
        fprintf(p->csv.stream, ",q%g",
                p->forecaster.session.dims.outputs > 1 ? p->config->objective.quantiles.value[q]
                                                       : p->median_quantile);
    }
    fputc('\n', p->csv.stream);
    pu_progress progress;
    const int assets = pu_dataset_assets(p->forecaster.session.dataset);
    pu_progress_begin(&progress, "predict", "assets", assets);
    for (int asset = 0; asset < assets; ++asset) {
        PU_TRY(predict_asset(p, asset, result));
        pu_progress_update(&progress, asset + 1, NULL);
    }
    pu_progress_end(&progress, NULL);
    if (result->rows == 0)
        return pu_fail(PU_ERR_DATA, "no asset has bars to predict; widen split.valid and split.test");
    PU_TRY(record_end(p));
    return pu__file_end(&p->csv);
}

pu_status pu_predict(const pu_config *config, pu_predict_result *out) {
    memset(out, 0, sizeof *out);
    predictor *p = pu_calloc(1, sizeof *p);
    if (!p) return PU_ERR_MEMORY;
    const double started_s = pu_clock_s();
    pu_status status = open_predictor(p, config);
    if (status == PU_OK) status = predict_all(p, out);
    close_predictor(p);
    pu_free(p);
    out->seconds = pu_clock_s() - started_s;
    return status;
}
