#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* The first row that can weigh: it needs warmup_bars rows before it. */
static int64_t first_row(const pu__sampler *sampler, int asset) {
    return larger(sampler->dataset->asset[asset].span[sampler->segment].first, sampler->dataset->warmup_bars);
}

static int64_t count_windows(const pu__sampler *sampler, int asset) {
    const pu_dataset *dataset = sampler->dataset;
    const int64_t first = first_row(sampler, asset), usable = dataset->asset[asset].span[sampler->segment].usable;
    if (usable <= first) return 0;
    if (!sampler->training)
        return (usable - first + dataset->evaluation_stride_bars - 1) / dataset->evaluation_stride_bars;
    const int64_t reach = usable - dataset->window_bars - first; /* from the first start to the last */
    return reach <= 0 ? 1 : (reach + dataset->stride_bars - 1) / dataset->stride_bars + 1;
}

pu_status pu__sampler_open(const pu_dataset *dataset, pu_segment segment, bool training, pu__sampler *out) {
    *out = (pu__sampler){.dataset = dataset, .segment = segment, .training = training};
    const int assets = dataset->plan.asset_count;
    out->first_window = pu_calloc((size_t)assets + 1, sizeof *out->first_window);
    if (!out->first_window) return PU_ERR_MEMORY;
    for (int a = 0; a < assets; ++a) {
        out->first_window[a] = out->windows;
        out->windows += count_windows(out, a);
    }
    out->first_window[assets] = out->windows;
    return PU_OK;
}

void pu__sampler_close(pu__sampler *sampler) {
    pu_free(sampler->first_window);
    *sampler = (pu__sampler){0};
}

static int find_asset(const pu__sampler *sampler, int64_t index) {
    int low = 0, high = sampler->dataset->plan.asset_count;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        if (sampler->first_window[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

pu__window pu__sampler_window(const pu__sampler *sampler, int64_t index) {
    const pu_dataset *dataset = sampler->dataset;
    const int asset = find_asset(sampler, index);
    const int64_t k = index - sampler->first_window[asset], first = first_row(sampler, asset);
    const int64_t usable = dataset->asset[asset].span[sampler->segment].usable, rows = dataset->asset[asset].rows;
    const int64_t length = dataset->window_bars, earliest = dataset->warmup_bars;
    if (sampler->training) {
        const int64_t start = smaller(first + k * dataset->stride_bars, usable - length);
        return (pu__window){
            .asset = asset, .start = larger(start, earliest), .weight_from = first, .weight_to = usable};
    }
    const int64_t stride = dataset->evaluation_stride_bars, from = first + k * stride;
    const int64_t start = smaller(larger(from + stride - length, earliest), rows - length);
    return (pu__window){
        .asset = asset, .start = start, .weight_from = from, .weight_to = smaller(from + stride, usable)};
}
