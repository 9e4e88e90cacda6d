#include "host/train/forecast.h"

#include <string.h>

#include "plusultra/memory.h"

enum { PATH_BYTES = 4096, BATCH_MAX = 64 };

/* Shapes alone would let another feature of the same count, or another horizon, pass. */
static pu_status check_recipe(const pu__forecaster *f, const char *path) {
    char recipe[65];
    PU_TRY(pu__session_recipe(&f->session, recipe));
    const char *saved = json_string_value(json_object_get(f->manifest, "recipe"));
    if (saved && strcmp(saved, recipe) == 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG,
                   "%s was trained with other features, windows, horizons, quantiles, model or latency, so its "
                   "forecasts would mean something "
                   "else: use the configuration stored beside it (config.yaml), or train again",
                   path);
}

static pu_status restore_best(pu__forecaster *f) {
    char path[PATH_BYTES];
    PU_TRY(pu__session_path(&f->session, "checkpoint/best", path));
    int count = 0;
    pu_saved_tensor *tensors = NULL;
    char *manifest = NULL;
    pu_status status = pu_checkpoint_read(path, &count, &tensors, &manifest);
    if (status == PU_ERR_NOT_FOUND) {
        return pu_fail(PU_ERR_NOT_FOUND, "%s holds no checkpoint: run `plusultra train` first", path);
    }
    if (status == PU_OK) {
        json_error_t error;
        f->manifest = json_loads(manifest, 0, &error);
        status = check_recipe(f, path);
    }
    if (status == PU_OK) status = pu__session_restore(&f->session, count, tensors, false);
    pu_checkpoint_free(count, tensors, manifest);
    return status;
}

static pu_status choose_sizes(const pu_config *config, pu__forecaster *f) {
    f->window = config->windows.window_bars;
    f->warmup = config->windows.warmup_bars;
    f->stride = config->predict.stride_bars > 0 ? config->predict.stride_bars : (f->window + 1) / 2;
    f->batch = config->train.batch < BATCH_MAX ? config->train.batch : BATCH_MAX;
    f->outputs = f->session.dims.horizons * f->session.dims.outputs;
    if (f->stride <= f->window) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "predict.stride_bars is %lld, more than windows.window_bars (%lld)",
                   (long long)f->stride, (long long)f->window);
}

pu_status pu__forecaster_open(const pu_config *config, pu__forecaster *out) {
    *out = (pu__forecaster){0};
    PU_TRY(pu__session_open(config, &out->session));
    PU_TRY(restore_best(out));
    PU_TRY(choose_sizes(config, out));
    PU_TRY(pu__network_build(config, out->session.dims, out->session.parameters, out->batch, PU__NETWORK_PREDICT,
                             &out->network));
    const int64_t length = out->warmup + out->window;
    out->bars = pu_calloc((size_t)(out->batch * length * out->session.dims.features), sizeof *out->bars);
    out->start = pu_calloc((size_t)out->batch, sizeof *out->start);
    out->output = pu_calloc((size_t)(out->batch * out->window * out->outputs), sizeof *out->output);
    if (!out->bars || !out->start || !out->output) return PU_ERR_MEMORY;
    for (int64_t b = 0; b < out->batch; ++b) out->start[b] = (int32_t)(b * length);
    return pu_program_write(out->network.program, out->network.start, out->start);
}

void pu__forecaster_close(pu__forecaster *forecaster) {
    json_decref(forecaster->manifest);
    pu_free(forecaster->output);
    pu_free(forecaster->start);
    pu_free(forecaster->bars);
    pu__network_free(&forecaster->network);
    pu__session_close(&forecaster->session);
    *forecaster = (pu__forecaster){0};
}

int64_t pu__forecaster_first_block(const pu__forecaster *f) {
    return (f->window + f->warmup + f->stride - 1) / f->stride - 1;
}

pu_status pu__forecaster_rows(const pu__forecaster *f, int asset, int64_t *first, int64_t *end) {
    int64_t from_ts, to_ts;
    pu_dataset *dataset = f->session.dataset;
    pu_dataset_segment(dataset, PU_SEGMENT_VALID, &from_ts, &to_ts);
    const int64_t rows = pu_dataset_rows(dataset, asset);
    int64_t row = 0;
    PU_TRY(pu_dataset_rows_before(dataset, asset, from_ts, &row));
    const int64_t answered = pu__forecaster_first_block(f) * f->stride;
    if (row < answered) row = answered;
    *first = row < rows ? row : rows;
    *end = rows;
    return PU_OK;
}

float *pu__forecaster_window(const pu__forecaster *f, int64_t index) {
    return f->bars + index * (f->warmup + f->window) * f->session.dims.features;
}

pu_status pu__forecaster_run(pu__forecaster *f) {
    PU_TRY(pu_program_write(f->network.program, f->network.bars, f->bars));
    PU_TRY(pu_program_run(f->network.program));
    return pu_program_read(f->network.program, f->network.prediction, f->output);
}

static void sort_quantiles(float *values, int64_t count) {
    for (int64_t i = 1; i < count; ++i) {
        const float value = values[i];
        int64_t j = i;
        for (; j > 0 && values[j - 1] > value; --j) values[j] = values[j - 1];
        values[j] = value;
    }
}

void pu__forecaster_answer(const pu__forecaster *f, int64_t index, int64_t at, float *out) {
    const int64_t quantiles = f->session.dims.outputs;
    const float *from = f->output + (index * f->window + f->window - f->stride + at) * f->outputs;
    memcpy(out, from, (size_t)f->outputs * sizeof *out);
    for (int64_t h = 0; h < f->session.dims.horizons; ++h) sort_quantiles(out + h * quantiles, quantiles);
}
