/* Forecasts over history.
 *
 * The rows of an asset are cut into blocks of `stride` bars counted from its first row. A block is answered by the
 * window that ends with it, whose
 * last `stride` outputs are kept:
 *
 *     rows      |....warm-up....|.........window.........|
 *     kept                                     [ stride ]
 *
 * The grid depends on the asset's first row only, rows behind the end are zeros that a causal model cannot see,
 * and every row of a matrix product is independent of the others: truncating history after t changes no forecast
 * at or before t, bit for bit. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/train/network.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

/* Rows of an asset that are answered and stored at a time, about: memory does not grow with history. */
enum { PATH_BYTES = 4096, BATCH_MAX = 64, PART_ROWS = 16384 };

typedef struct predictor {
    const pu_config *config;
    pu__session session;
    pu__network network;
    pu_store *store;
    pu__new_file csv;
    int64_t stride, window, warmup, batch;
    int64_t part_blocks;                   /* a multiple of batch */
    float *bars, *output, *values, *sigma; /* one batch; one part's results */
    int64_t *ts;                           /* of these */
    int32_t *start;
    double median_quantile; /* the only "quantile" of a point forecast */
    json_t *manifest;       /* of the checkpoint */
    char *accepted;         /* faults of the data that data.accept lets pass, one a line */
} predictor;

/* Shapes alone would let another feature of the same count, or another horizon, pass. */
static pu_status check_recipe(const predictor *p, const char *path) {
    char recipe[65];
    PU_TRY(pu__session_recipe(&p->session, recipe));
    const char *saved = json_string_value(json_object_get(p->manifest, "recipe"));
    if (saved && strcmp(saved, recipe) == 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG,
                   "%s was trained with other features, windows, horizons, quantiles, model or latency, so its "
                   "forecasts would mean something "
                   "else: use the configuration stored beside it (config.yaml), or train again",
                   path);
}

static pu_status restore_best(predictor *p) {
    char path[PATH_BYTES];
    PU_TRY(pu__session_path(&p->session, "checkpoint/best", path));
    int count = 0;
    pu_saved_tensor *tensors = NULL;
    char *manifest = NULL;
    pu_status status = pu_checkpoint_read(path, &count, &tensors, &manifest);
    if (status == PU_ERR_NOT_FOUND) {
        return pu_fail(PU_ERR_NOT_FOUND, "%s holds no checkpoint: run `plusultra train` first", path);
    }
    if (status == PU_OK) {
        json_error_t error;
        p->manifest = json_loads(manifest, 0, &error);
        status = check_recipe(p, path);
    }
    if (status == PU_OK) status = pu__session_restore(&p->session, count, tensors, false);
    pu_checkpoint_free(count, tensors, manifest);
    return status;
}

static pu_status open_predictor(predictor *p, const pu_config *config) {
    p->config = config;
    p->median_quantile = 0.5;
    PU_TRY(pu_validate_gate(config, &p->accepted));
    PU_TRY(pu__session_open(config, &p->session));
    PU_TRY(restore_best(p));
    p->window = config->windows.window_bars;
    p->warmup = config->windows.warmup_bars;
    p->stride = config->predict.stride_bars > 0 ? config->predict.stride_bars : (p->window + 1) / 2;
    if (p->stride > p->window) {
        return pu_fail(PU_ERR_CONFIG, "predict.stride_bars is %lld, more than windows.window_bars (%lld)",
                       (long long)p->stride, (long long)p->window);
    }
    p->batch = config->train.batch < BATCH_MAX ? config->train.batch : BATCH_MAX;
    PU_TRY(pu__network_build(config, p->session.dims, p->session.parameters, p->batch, PU__NETWORK_PREDICT,
                             &p->network));
    const size_t outputs = (size_t)(p->session.dims.horizons * p->session.dims.outputs);
    p->bars = pu_calloc((size_t)(p->batch * (p->warmup + p->window) * p->session.dims.features), sizeof *p->bars);
    p->start = pu_calloc((size_t)p->batch, sizeof *p->start);
    p->output = pu_calloc((size_t)(p->batch * p->window) * outputs, sizeof *p->output);
    p->part_blocks = p->batch * (1 + PART_ROWS / (p->batch * p->stride));
    const size_t rows = (size_t)(p->part_blocks * p->stride);
    p->values = pu_calloc(rows * outputs, sizeof *p->values);
    p->sigma = pu_calloc(rows, sizeof *p->sigma);
    p->ts = pu_calloc(rows, sizeof *p->ts);
    if (!p->bars || !p->start || !p->output || !p->values || !p->sigma || !p->ts) return PU_ERR_MEMORY;
    for (int64_t b = 0; b < p->batch; ++b) p->start[b] = (int32_t)(b * (p->warmup + p->window));
    PU_TRY(pu_program_write(p->network.program, p->network.start, p->start));
    char path[PATH_BYTES];
    PU_TRY(pu_store_open(config->data.store, PU_STORE_WRITE, &p->store));
    PU_TRY(pu__session_path(&p->session, "predictions.csv", path));
    return pu__file_begin(path, &p->csv);
}

static void close_predictor(predictor *p) {
    pu__file_drop(&p->csv);
    pu_store_close(p->store);
    json_decref(p->manifest);
    pu_free(p->accepted);
    pu_free(p->values);
    pu_free(p->sigma);
    pu_free(p->ts);
    pu_free(p->output);
    pu_free(p->start);
    pu_free(p->bars);
    pu__network_free(&p->network);
    pu__session_close(&p->session);
}

/* Quantile crossing is repaired by sorting, which never raises the pinball loss (Chernozhukov, Fernandez-Val &
 * Galichon 2010). */
static void sort_quantiles(float *values, int64_t count) {
    for (int64_t i = 1; i < count; ++i) {
        const float value = values[i];
        int64_t j = i;
        for (; j > 0 && values[j - 1] > value; --j) values[j] = values[j - 1];
        values[j] = value;
    }
}

/* Rows to answer for one asset: [first, end); blocks whose window would begin before row 0 are left out. */
static pu_status answered_rows(const predictor *p, int asset, int64_t *first, int64_t *end) {
    int64_t from_ts, to_ts;
    pu_dataset_segment(p->session.dataset, PU_SEGMENT_VALID, &from_ts, &to_ts);
    const int64_t rows = pu_dataset_rows(p->session.dataset, asset);
    int64_t row = 0;
    PU_TRY(pu_dataset_rows_before(p->session.dataset, asset, from_ts, &row));
    const int64_t blocks_before =
        (p->window + p->warmup + p->stride - 1) / p->stride - 1; /* first whole window ends with this block */
    if (row < blocks_before * p->stride) row = blocks_before * p->stride;
    *first = row < rows ? row : rows;
    *end = rows;
    return PU_OK;
}

static pu_status forward_blocks(predictor *p, int asset, int64_t block, int64_t count, int64_t first,
                                int64_t end) {
    const int64_t features = p->session.dims.features, length = p->warmup + p->window;
    const int64_t outputs = p->session.dims.horizons * p->session.dims.outputs;
    memset(p->bars, 0, (size_t)(p->batch * length * features) * sizeof *p->bars);
    for (int64_t b = 0; b < count; ++b) {
        const int64_t begin = (block + b + 1) * p->stride - length;
        PU_TRY(pu_dataset_read(p->session.dataset, asset, begin, length, p->bars + b * length * features, NULL,
                               NULL, NULL));
    }
    PU_TRY(pu_program_write(p->network.program, p->network.bars, p->bars));
    PU_TRY(pu_program_run(p->network.program));
    PU_TRY(pu_program_read(p->network.program, p->network.prediction, p->output));
    for (int64_t b = 0; b < count; ++b) {
        for (int64_t k = 0; k < p->stride; ++k) {
            const int64_t row = (block + b) * p->stride + k;
            if (row < first || row >= end) continue;
            const float *from = p->output + (b * p->window + p->window - p->stride + k) * outputs;
            float *to = p->values + (row - first) * outputs;
            memcpy(to, from, (size_t)outputs * sizeof *to);
            for (int64_t h = 0; h < p->session.dims.horizons; ++h) {
                sort_quantiles(to + h * p->session.dims.outputs, p->session.dims.outputs);
            }
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
    pu_dataset *dataset = p->session.dataset;
    const pu_asset *info = pu_dataset_asset(dataset, asset);
    const int64_t last_block = (end - 1) / p->stride;
    PU_TRY(pu_dataset_times(dataset, asset, first, end - first, p->ts));
    PU_TRY(pu_dataset_read(dataset, asset, first, end - first, NULL, NULL, NULL, p->sigma));
    for (; block <= last_block; block += p->batch) {
        const int64_t blocks = last_block - block + 1 < p->batch ? last_block - block + 1 : p->batch;
        PU_TRY(forward_blocks(p, asset, block, blocks, first, end));
        if (pu_interrupted())
            return pu_fail(PU_ERR_INTERRUPTED, "stopped while predicting %s; run the same command again",
                           info->symbol);
    }
    const bool quantiles = strcmp(p->config->objective.loss, "pinball") == 0;
    const pu_prediction_set set = {.asset_id = info->id,
                                   .count = end - first,
                                   .ts = p->ts,
                                   .horizons = (int)p->session.dims.horizons,
                                   .horizon_bars = p->config->windows.horizons.value,
                                   .quantiles = (int)p->session.dims.outputs,
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
    PU_TRY(answered_rows(p, asset, &first, &end));
    if (first == end) {
        pu_log(PU_LOG_WARNING, "predict.asset",
               "%s has no bar to predict: its history ends before the validation segment or is shorter than one "
               "window",
               pu_dataset_asset(p->session.dataset, asset)->symbol);
        return PU_OK;
    }
    for (int64_t block = first / p->stride, from = first; from < end; block += p->part_blocks) {
        const int64_t reach = (block + p->part_blocks) * p->stride, to = reach < end ? reach : end;
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
                                  .data_hash = pu_dataset_hash(p->session.dataset),
                                  .feature_hash = pu_dataset_feature_hash(p->session.dataset),
                                  .result = result,
                                  .seed = p->config->run.seed};
    const pu_status status = pu_store_put_run(p->store, p->config->run.name, &record);
    pu_free(config);
    return status;
}

static pu_status record_end(predictor *p) {
    static const char *const kept[] = {"step", "valid_loss", "seen_until_ts", "sha256"};
    json_t *result = json_object();
    for (int i = 0; i < 4; ++i) json_object_set(result, kept[i], json_object_get(p->manifest, kept[i]));
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
    for (int64_t q = 0; q < p->session.dims.outputs; ++q) {
        fprintf(p->csv.stream, ",q%g",
                p->session.dims.outputs > 1 ? p->config->objective.quantiles.value[q] : p->median_quantile);
    }
    fputc('\n', p->csv.stream);
    pu_progress progress;
    const int assets = pu_dataset_assets(p->session.dataset);
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
