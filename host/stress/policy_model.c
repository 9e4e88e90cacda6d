#include "host/stress/policy_model.h"

#include <inttypes.h>
#include <string.h>

#include "plusultra/memory.h"
#include "plusultra/validate.h"

enum { GROUP_BATCHES = 16, GROUP_BYTES = 64 << 20, GROUP_PATHS_MAX = 256 };

static int place_of(int count, const pu_asset *asset, int64_t id) {
    for (int i = 0; i < count; ++i) {
        if (asset[i].id == id) return i;
    }
    return -1;
}

/* Rows of an asset up to the market's end, and those of them that windows of a path begin with. */
static pu_status take_asset(pu__policy *p, int index) {
    pu_dataset *dataset = p->forecaster.session.dataset;
    const pu__forecaster *f = &p->forecaster;
    const pu_asset *info = pu_dataset_asset(dataset, index);
    pu__model_asset *asset = &p->asset[index];
    const int64_t until_ts = p->market->ts[p->market->rows - 1], length = f->warmup + f->window;
    asset->market = place_of(p->market->assets, p->market->asset, info->id);
    asset->member = place_of(p->plan.asset_count, p->plan.asset, info->id);
    if (asset->market < 0 || asset->member < 0)
        return pu_fail(PU_ERR_STORE, "%s: the store changed while it was opened; run again", info->symbol);
    PU_TRY(pu_dataset_rows_before(dataset, index, until_ts + 1, &asset->rows));
    const int64_t needed = pu__forecaster_first_block(f) * f->stride + 1;
    if (asset->rows < needed) {
        char when[32];
        pu_bar_time_format(until_ts, info->bar_s, when);
        return pu_fail(PU_ERR_DATA,
                       "%s has %" PRId64
                       " rows of features until %s, where the simulation begins, and the model needs %" PRId64
                       " for its first window: import more history, or leave the asset out of data.symbols",
                       info->symbol, asset->rows, when, needed);
    }
    asset->origin = (asset->rows / f->stride + 1) * f->stride - length;
    const int64_t count = asset->rows - asset->origin;
    asset->past = pu_calloc((size_t)(count * f->session.dims.features), sizeof *asset->past);
    if (!asset->past) return PU_ERR_MEMORY;
    return pu_dataset_read(dataset, index, asset->origin, count, asset->past, NULL, NULL, NULL);
}

static pu_status take_assets(pu__policy *p) {
    p->assets = pu_dataset_assets(p->forecaster.session.dataset);
    p->asset = pu_calloc((size_t)p->assets, sizeof *p->asset);
    p->first_weight = pu_calloc((size_t)p->assets, sizeof *p->first_weight);
    if (!p->asset || !p->first_weight) return PU_ERR_MEMORY;
    for (int i = 0; i < p->assets; ++i) PU_TRY(take_asset(p, i));
    for (int a = 0; a < p->market->traded; ++a) {
        bool found = false;
        for (int i = 0; i < p->assets; ++i) found = found || p->asset[i].market == a;
        if (!found)
            return pu_fail(
                PU_ERR_DATA,
                "%s is too short for the model's windows, which make no forecast for it: name the other "
                "assets in data.symbols, or import more of its history",
                p->market->asset[a].symbol);
    }
    return PU_OK;
}

/* The configuration has made sure that it is one of windows.horizons. */
static int horizon_of(const pu_config *config) {
    int h = 0;
    while (h + 1 < config->windows.horizons.count && config->windows.horizons.value[h] != config->backtest.horizon)
        ++h;
    return h;
}

static pu_status find_benchmark(pu__policy *p) {
    p->benchmark =
        p->plan.benchmark.id == 0 ? -1 : place_of(p->market->assets, p->market->asset, p->plan.benchmark.id);
    if (p->benchmark >= 0 || !pu__input_list_has(&p->plan.features.inputs, PU__INPUT_BENCHMARK)) return PU_OK;
    return pu_fail(PU_ERR_CONFIG,
                   "the model looks at the benchmark, which is not simulated: name it in data.benchmark");
}

static pu_status open_continuation(pu__policy *p) {
    const size_t members = (size_t)p->plan.member_count;
    bool *goes_on = pu_calloc(members, sizeof *goes_on);
    p->ts = pu_calloc((size_t)p->steps, sizeof *p->ts);
    if (!goes_on || !p->ts) {
        pu_free(goes_on);
        return PU_ERR_MEMORY;
    }
    for (int m = 0; m < p->plan.member_count; ++m)
        goes_on[m] = place_of(p->market->assets, p->market->asset, p->plan.asset[m].id) >= 0;
    const pu__continuation_options options = {.until_ts = p->market->ts[p->market->rows - 1],
                                              .bars = p->steps,
                                              .ts = p->ts,
                                              .goes_on = goes_on,
                                              .pool = p->pool};
    pu_status status = pu__bar_times(p->market, p->steps, p->ts);
    if (status == PU_OK) status = pu__continuation_open(&p->plan, p->store, &options, &p->continuation);
    pu_free(goes_on);
    for (int i = 0; status == PU_OK && i < p->assets; ++i) {
        if (pu__continuation_last(p->continuation, p->asset[i].member) != p->shapes.close[p->asset[i].market])
            status = pu_fail(PU_ERR_STORE, "%s: its bars changed while they were read; run again",
                             p->market->asset[p->asset[i].market].symbol);
    }
    return status;
}

static pu_status open_bars(int64_t steps, pu_bars *out) {
    enum { COLUMNS = 6 };
    out->ts = pu_calloc((size_t)steps, sizeof(int64_t) + COLUMNS * sizeof(double));
    if (!out->ts) return PU_ERR_MEMORY;
    double *column = (double *)(void *)(out->ts + steps);
    double **const place[COLUMNS] = {&out->open, &out->high, &out->low, &out->close, &out->adjusted, &out->volume};
    for (int c = 0; c < COLUMNS; ++c) *place[c] = column + c * steps;
    return PU_OK;
}

static pu_status open_worker(pu__policy *p, pu__policy_worker *w) {
    const size_t steps = (size_t)p->steps, assets = (size_t)p->plan.asset_count;
    PU_TRY(pu__continuation_room_open(p->continuation, &w->room));
    w->market_bars = pu_calloc((size_t)p->market->assets, sizeof *w->market_bars);
    w->member_bars = pu_calloc((size_t)p->plan.member_count, sizeof *w->member_bars);
    w->features = pu_calloc(assets * steps * (size_t)p->plan.features.count, sizeof *w->features);
    w->sigma = pu_calloc(assets * steps, sizeof *w->sigma);
    w->row = pu_calloc((size_t)p->assets, 2 * sizeof *w->row);
    w->weight = pu_calloc((size_t)p->assets, sizeof *w->weight);
    if (!w->market_bars || !w->member_bars || !w->features || !w->sigma || !w->row || !w->weight)
        return PU_ERR_MEMORY;
    for (int a = 0; a < p->market->assets; ++a) {
        PU_TRY(open_bars(p->steps, &w->market_bars[a]));
        const int member = place_of(p->plan.member_count, p->plan.asset, p->market->asset[a].id);
        if (member >= 0) w->member_bars[member] = w->market_bars[a];
    }
    return PU_OK;
}

static void close_worker(pu__policy *p, pu__policy_worker *w) {
    pu__continuation_room_close(w->room);
    pu__sizer_free(w->sizer);
    for (int a = 0; w->market_bars && a < p->market->assets; ++a) pu_bars_free(&w->market_bars[a]);
    pu_free(w->market_bars);
    pu_free(w->member_bars);
    pu_free(w->features);
    pu_free(w->sigma);
    pu_free(w->row);
    pu_free(w->weight);
}

/* As many paths as fill GROUP_BATCHES runs, within GROUP_BYTES. */
static pu_status open_group(pu__policy *p) {
    const size_t columns = (size_t)p->plan.features.count, cells = (size_t)p->assets * (size_t)p->steps;
    const int64_t windows = p->assets * ((p->steps + p->forecaster.stride - 1) / p->forecaster.stride);
    const int64_t wanted = (GROUP_BATCHES * p->forecaster.batch + windows - 1) / windows;
    const int64_t room = (int64_t)(GROUP_BYTES / (cells * columns * sizeof *p->features + 1)) + 1;
    p->group_max = wanted < room ? wanted : room;
    if (p->group_max < p->workers) p->group_max = p->workers;
    if (p->group_max > GROUP_PATHS_MAX) p->group_max = GROUP_PATHS_MAX;
    const size_t group = (size_t)p->group_max;
    p->features = pu_calloc(group * cells * columns, sizeof *p->features);
    p->sigma = pu_calloc(group * cells, sizeof *p->sigma);
    p->forecast = pu_calloc(group * cells, sizeof *p->forecast);
    p->placed = pu_calloc((size_t)p->forecaster.batch, sizeof *p->placed);
    return p->features && p->sigma && p->forecast && p->placed ? PU_OK : PU_ERR_MEMORY;
}

/* A market that stands still: what is missing there is missing in every path. */
static pu_status try_flat(pu__policy *p) {
    const int64_t prices = (p->steps + 1) * p->market->assets;
    double *price = pu_calloc((size_t)prices, sizeof *price);
    if (!price) return PU_ERR_MEMORY;
    for (int64_t i = 0; i < prices; ++i) price[i] = 1.0;
    const pu__simulated flat = {.count = 1, .steps = p->steps, .assets = p->market->assets, .price = price};
    const pu_status status = pu__policy_features(p, &p->worker[0], &flat, 0, p->features, p->sigma);
    pu_free(price);
    return status;
}

static pu_status open_parts(pu__policy *p) {
    char *accepted = NULL;
    PU_TRY(pu_validate_gate(p->config, &accepted));
    pu_free(accepted);
    p->horizon = horizon_of(p->config);
    PU_TRY(pu__forecaster_open(p->config, &p->forecaster));
    PU_TRY(pu_pool_new((int)p->config->run.threads, &p->pool));
    p->workers = pu_pool_threads(p->pool);
    PU_TRY(pu_store_open(p->config->data.store, PU_STORE_READ, &p->store));
    PU_TRY(pu__plan_open(p->config, p->store, &p->plan));
    PU_TRY(find_benchmark(p));
    PU_TRY(take_assets(p));
    PU_TRY(pu__bar_shapes_open(p->config, p->market, &p->shapes));
    PU_TRY(open_continuation(p));
    p->worker = pu_calloc((size_t)p->workers, sizeof *p->worker);
    p->answer = pu_calloc((size_t)p->forecaster.outputs, sizeof *p->answer);
    if (!p->worker || !p->answer) return PU_ERR_MEMORY;
    for (int i = 0; i < p->workers; ++i) PU_TRY(open_worker(p, &p->worker[i]));
    PU_TRY(open_group(p));
    PU_TRY(try_flat(p));
    return pu__policy_learn(p);
}

pu_status pu__policy_open(const pu_config *config, const pu__market *market, int64_t steps, pu__policy **out) {
    *out = NULL;
    if (steps < 1) return pu_fail(PU_ERR_ARGUMENT, "%" PRId64 " steps: 1 is the least", steps);
    pu__policy *p = pu_calloc(1, sizeof *p);
    if (!p) return PU_ERR_MEMORY;
    *p = (pu__policy){.config = config, .market = market, .steps = steps, .benchmark = -1, .median_quantile = 0.5};
    const pu_status status = open_parts(p);
    if (status == PU_OK) *out = p;
    else pu__policy_close(p);
    return status;
}

void pu__policy_close(pu__policy *p) {
    if (!p) return;
    for (int i = 0; p->worker && i < p->workers; ++i) close_worker(p, &p->worker[i]);
    pu_free(p->worker);
    for (int i = 0; p->asset && i < p->assets; ++i) pu_free(p->asset[i].past);
    pu_free(p->asset);
    pu_free(p->first_weight);
    pu_free(p->features);
    pu_free(p->sigma);
    pu_free(p->forecast);
    pu_free(p->placed);
    pu_free(p->answer);
    pu_free(p->ts);
    pu__sizer_free(p->sizer);
    pu__continuation_close(p->continuation);
    pu__bar_shapes_free(&p->shapes);
    pu__plan_close(&p->plan);
    pu_store_close(p->store);
    pu__forecaster_close(&p->forecaster);
    pu_pool_free(p->pool);
    pu_free(p);
}
