#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/eval/backtest.h"
#include "host/eval/positions.h"
#include "plusultra/features.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

void pu__backtest_warn(pu__backtest *backtest, const char *format, ...) {
    if (backtest->warning_count == PU__WARNINGS_MAX) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(backtest->warning[backtest->warning_count++], PU__WARNING_BYTES, format, arguments);
    va_end(arguments);
}

void pu__rows_between(const int64_t *ts, int64_t count, int64_t from_ts, int64_t to_ts, int64_t *first,
                      int64_t *end) {
    int64_t at[2];
    const int64_t limit[2] = {from_ts, to_ts};
    for (int side = 0; side < 2; ++side) {
        int64_t low = 0, high = count;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            if (ts[middle] < limit[side]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        at[side] = low;
    }
    *first = at[0];
    *end = at[1];
}

static pu_status find_horizon(const pu_config *config, const pu_prediction_set *set, const char *symbol,
                              int *out) {
    for (int h = 0; h < set->horizons; ++h) {
        if (set->horizon_bars[h] != config->backtest.horizon) continue;
        *out = h;
        return PU_OK;
    }
    return pu_fail(PU_ERR_CONFIG,
                   "backtest.horizon is %lld bars, but run '%s' predicted no such horizon for %s: choose one of "
                   "windows.horizons, or train and "
                   "predict again",
                   (long long)config->backtest.horizon, config->run.name, symbol);
}

/* Every asset must be predicted alike, or pooled scores would mix different things. */
static pu_status check_alike(const pu__backtest *b, const pu__asset_input *input) {
    const pu_prediction_set *a = &b->input[0].predictions, *p = &input->predictions;
    bool alike = a->horizons == p->horizons && a->quantiles == p->quantiles;
    for (int h = 0; alike && h < a->horizons; ++h) alike = a->horizon_bars[h] == p->horizon_bars[h];
    for (int q = 0; alike && q < a->quantiles; ++q) alike = a->quantile[q] == p->quantile[q];
    if (alike) return PU_OK;
    return pu_fail(
        PU_ERR_DATA,
        "run '%s' predicted %s and %s with different horizons or quantiles: run `plusultra predict` again",
        b->config->run.name, b->input[0].asset->symbol, input->asset->symbol);
}

static pu_status load_asset(pu__backtest *b, int index) {
    pu__asset_input *input = &b->input[index];
    input->asset = pu_dataset_asset(b->dataset, index);
    input->ic = (double)NAN;
    PU_TRY(pu_store_bars(b->store, input->asset->id, INT64_MIN, INT64_MAX, &input->bars));
    const pu_status status =
        pu_store_get_predictions(b->store, b->config->run.name, input->asset->id, &input->predictions);
    if (status != PU_OK) return pu_fail_within(status, "%s", input->asset->symbol);
    const pu_prediction_set *set = &input->predictions;
    PU_TRY(check_alike(b, input));
    PU_TRY(find_horizon(b->config, set, input->asset->symbol, &b->horizon));
    input->forecast = pu_calloc((size_t)set->count, sizeof *input->forecast);
    input->sigma = pu_calloc((size_t)set->count, sizeof *input->sigma);
    if (!input->forecast || !input->sigma) return PU_ERR_MEMORY;
    for (int64_t t = 0; t < set->count; ++t) {
        const float *value = set->value + (t * set->horizons + b->horizon) * set->quantiles;
        input->forecast[t] = pu__forecast_mean(set->quantiles, set->quantile, value);
        input->sigma[t] = set->sigma[t] > PU_SIGMA_MIN ? (double)set->sigma[t] : 0.0;
    }
    return PU_OK;
}

static pu_status make_panel(pu__backtest *b) {
    pu__series *price = pu_calloc((size_t)b->asset_count, sizeof *price);
    if (!price) return PU_ERR_MEMORY;
    int64_t from = b->test_from;
    for (int i = 0; i < b->asset_count; ++i) {
        const pu__asset_input *input = &b->input[i];
        price[i] = (pu__series){input->bars.count, input->bars.ts, input->bars.adjusted};
        if (input->predictions.count > 0 && input->predictions.ts[0] < from) from = input->predictions.ts[0];
    }
    const pu_status status = pu__panel_make(b->asset_count, price, from, b->test_to, &b->panel);
    pu_free(price);
    PU_TRY(status);
    b->forecast = pu__panel_table(&b->panel);
    b->sigma = pu__panel_table(&b->panel);
    if (!b->forecast || !b->sigma) return PU_ERR_MEMORY;
    for (int i = 0; i < b->asset_count; ++i) {
        const pu__asset_input *input = &b->input[i];
        const pu__series forecast = {input->predictions.count, input->predictions.ts, input->forecast};
        const pu__series sigma = {input->predictions.count, input->predictions.ts, input->sigma};
        pu__panel_put(&b->panel, i, &forecast, b->forecast);
        pu__panel_put(&b->panel, i, &sigma, b->sigma);
    }
    int64_t end = 0;
    pu__rows_between(b->panel.ts, b->panel.times, b->test_from, b->test_to, &b->first, &end);
    return PU_OK;
}

static pu_status check_coverage(pu__backtest *b) {
    int64_t bars = 0, known = 0;
    for (int64_t cell = b->first * b->panel.assets; cell < b->panel.times * b->panel.assets; ++cell) {
        bars += !isnan(b->panel.price[cell]);
        known += !isnan(b->panel.price[cell]) && !isnan(b->forecast[cell]);
    }
    if (b->panel.times - b->first < 2) {
        return pu_fail(PU_ERR_DATA, "the test segment holds %lld times of %d assets: give split.test more bars",
                       (long long)(b->panel.times - b->first), b->asset_count);
    }
    if (known == 0) {
        return pu_fail(
            PU_ERR_DATA,
            "run '%s' has no prediction in the test segment: run `plusultra predict` with this configuration",
            b->config->run.name);
    }
    if (known < bars) {
        pu__backtest_warn(b, "%.1f %% of the test bars have no prediction; there the model holds no position.",
                          100.0 * (double)(bars - known) / (double)bars);
    }
    return PU_OK;
}

/* A benchmark that stands still would leave the market's part in the model's returns. */
static pu_status check_benchmark(pu__backtest *b) {
    const pu__panel *panel = &b->benchmark_panel;
    int64_t known = 0;
    for (int64_t t = 1; t < panel->times; ++t) known += !isnan(panel->price[t]);
    if (known == 0) {
        return pu_fail(PU_ERR_DATA,
                       "data.benchmark: %s has no bars in the test segment: import them, or name another",
                       b->benchmark.symbol);
    }
    const double ratio = (double)known / (double)(panel->times - 1);
    if (ratio < 0.9) {
        pu__backtest_warn(b,
                          "%s has bars at only %.0f %% of the test's times: beta, alpha and the returns without "
                          "the market's part are biased.",
                          b->benchmark.symbol, 100.0 * ratio);
    }
    return PU_OK;
}

/* The benchmark at the panel's times: its last close since the time before, so that a benchmark on another
 * calendar still marks each bar once. */
static pu_status load_benchmark(pu__backtest *b) {
    const char *symbol = b->config->data.benchmark;
    if (!symbol[0]) return PU_OK;
    int count = 0;
    pu_asset *asset = 0;
    PU_TRY(pu_store_assets(b->store, 1, &symbol, &count, &asset));
    b->benchmark = asset[0];
    pu_free(asset);
    pu_bars bars;
    PU_TRY(pu_store_bars(b->store, b->benchmark.id, INT64_MIN, INT64_MAX, &bars));
    pu__panel *panel = &b->benchmark_panel;
    *panel = (pu__panel){.times = b->panel.times - b->first, .assets = 1};
    panel->ts = pu_calloc((size_t)panel->times, sizeof *panel->ts);
    panel->price = pu__panel_table(panel);
    int64_t k = 0;
    for (int64_t t = 0; panel->ts && panel->price && t < panel->times; ++t) {
        panel->ts[t] = b->panel.ts[b->first + t];
        const int64_t after = t > 0 ? panel->ts[t - 1] : INT64_MIN;
        while (k < bars.count && bars.ts[k] <= panel->ts[t]) ++k;
        if (k > 0 && bars.ts[k - 1] > after) panel->price[t] = bars.adjusted[k - 1];
    }
    pu_bars_free(&bars);
    return panel->ts && panel->price ? check_benchmark(b) : PU_ERR_MEMORY;
}

/* Whether the predictions are of the checkpoint that the run's folder holds now. Where it holds none, the store alone
 * answers for them. */
static pu_status check_checkpoint(const pu__backtest *b, const json_t *result) {
    const pu_config *config = b->config;
    char path[4096];
    json_error_t error;
    if (snprintf(path, sizeof path, "%s/%s/checkpoint/best/manifest.json", config->run.out, config->run.name) >=
        (int)sizeof path) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    }
    json_t *manifest = json_load_file(path, 0, &error);
    const char *now = json_string_value(json_object_get(manifest, "sha256"));
    const char *used = json_string_value(json_object_get(result, "sha256"));
    const bool same = !now || !used || strcmp(now, used) == 0;
    json_decref(manifest);
    if (same) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "the predictions of run '%s' are not those of its checkpoint/best: it was trained since; run "
                   "`plusultra predict`",
                   config->run.name);
}

/* Whether the test segment lies after everything that the model was fitted or chosen by, and the bars are still
 * those that were predicted from. The split of the configuration may have changed since, and a ratio moves with
 * the calendar. */
static pu_status check_unseen(pu__backtest *b, const pu_run_record *run) {
    json_error_t error;
    json_t *result = json_loads(run->result, 0, &error);
    const pu_status status = check_checkpoint(b, result);
    const json_t *seen_until = json_object_get(result, "seen_until_ts");
    const bool known = json_is_integer(seen_until);
    const int64_t seen_until_ts = json_integer_value(seen_until);
    json_decref(result);
    PU_TRY(status);
    if (!known) {
        pu__backtest_warn(b, "The store does not say until when the model saw data: whether the test is out of "
                             "sample is not known.");
        return PU_OK;
    }
    if (b->test_from < seen_until_ts) {
        char seen[32], from[32];
        pu_time_format(seen_until_ts, true, seen);
        pu_time_format(b->test_from, true, from);
        return pu_fail(PU_ERR_CONFIG,
                       "split.test begins at %s, but run '%s' was trained and chosen on data until %s: the test "
                       "would be in sample; move "
                       "split.test, or train and predict with this split",
                       from, b->config->run.name, seen);
    }
    if (strcmp(run->data_hash, pu_dataset_hash(b->dataset)) != 0) {
        pu__backtest_warn(
            b, "The bars or the assets are not those that were predicted from: run `plusultra predict` again.");
    }
    return PU_OK;
}

static pu_status check_run(pu__backtest *b) {
    pu_run_record run;
    PU_TRY(pu_store_get_run(b->store, b->config->run.name, &run));
    const pu_status status = check_unseen(b, &run);
    pu_run_record_free(&run);
    return status;
}

/* Faults that data.accept lets pass are part of what a reader of the report has to know. */
static pu_status accept_faults(pu__backtest *b) {
    char *accepted = NULL;
    PU_TRY(pu_validate_gate(b->config, &accepted));
    for (const char *line = accepted; *line;) {
        const size_t length = strcspn(line, "\n");
        pu__backtest_warn(b, "The data are faulty, and accepted by data.accept: %.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    pu_free(accepted);
    return PU_OK;
}

pu_status pu__backtest_load(const pu_config *config, pu__backtest *out) {
    *out = (pu__backtest){.config = config};
    out->config_text = pu_config_text(config);
    if (!out->config_text) return PU_ERR_MEMORY;
    PU_TRY(accept_faults(out));
    PU_TRY(pu_dataset_open(config, &out->dataset));
    PU_TRY(pu_store_open(config->data.store, PU_STORE_READ, &out->store));
    pu_dataset_segment(out->dataset, PU_SEGMENT_TEST, &out->test_from, &out->test_to);
    out->asset_count = pu_dataset_assets(out->dataset);
    out->input = pu_calloc((size_t)out->asset_count, sizeof *out->input);
    if (!out->input) return PU_ERR_MEMORY;
    for (int i = 0; i < out->asset_count; ++i) PU_TRY(load_asset(out, i));
    PU_TRY(check_run(out));
    PU_TRY(make_panel(out));
    PU_TRY(check_coverage(out));
    return load_benchmark(out);
}

void pu__backtest_free(pu__backtest *backtest) {
    for (int i = 0; backtest->input && i < backtest->asset_count; ++i) {
        pu_bars_free(&backtest->input[i].bars);
        pu_prediction_set_free(&backtest->input[i].predictions);
        pu_free(backtest->input[i].forecast);
        pu_free(backtest->input[i].sigma);
    }
    for (int i = 0; i < backtest->strategy_count; ++i) pu__strategy_free(&backtest->strategy[i]);
    pu_free(backtest->config_text);
    pu_free(backtest->input);
    pu_free(backtest->forecast);
    pu_free(backtest->sigma);
    pu_free(backtest->scores);
    pu__panel_free(&backtest->panel);
    pu__panel_free(&backtest->benchmark_panel);
    pu_pool_free(backtest->settings.pool);
    pu_store_close(backtest->store);
    pu_dataset_close(backtest->dataset);
    *backtest = (pu__backtest){0};
}
