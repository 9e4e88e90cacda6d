#include "host/sim/market.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/features/assets.h"
#include "host/data/store/periods.h"
#include "plusultra/memory.h"

/* Bars of all assets, and where in each the walk over their times stands. */
typedef struct history {
    pu_bars *bars; /* [assets] */
    int64_t *at;   /* [assets] */
    int64_t *row;  /* [rows][assets]: which bar of the asset a row of the market is */
} history;

static pu_status choose_assets(const pu_config *config, pu_store *store, bool with_benchmark, pu__market *out) {
    pu_asset benchmark, *chosen = NULL;
    int count = 0;
    const pu_status status = pu__assets_choose(config, store, &count, &chosen, &benchmark);
    if (status == PU_OK) out->asset = pu_calloc((size_t)count + 1, sizeof *out->asset);
    if (out->asset) {
        memcpy(out->asset, chosen, (size_t)count * sizeof *chosen);
        out->traded = out->assets = count;
        bool add = with_benchmark && benchmark.id != 0;
        for (int i = 0; i < count; ++i) add = add && chosen[i].id != benchmark.id;
        if (add) out->asset[out->assets++] = benchmark;
    }
    pu_free(chosen);
    if (status != PU_OK) return status;
    return out->asset ? PU_OK : PU_ERR_MEMORY;
}

static pu_status read_bars(pu_store *store, int64_t from_ts, int64_t to_ts, const pu__market *market, history *h) {
    h->bars = pu_calloc((size_t)market->assets, sizeof *h->bars);
    h->at = pu_calloc((size_t)market->assets, sizeof *h->at);
    if (!h->bars || !h->at) return PU_ERR_MEMORY;
    for (int i = 0; i < market->assets; ++i) {
        const pu_asset *asset = &market->asset[i];
        if (asset->bar_s != market->asset[0].bar_s)
            return pu_fail(PU_ERR_DATA, "the benchmark %s has bars of %" PRId64 " s, the assets of %" PRId64 " s",
                           asset->symbol, asset->bar_s, market->asset[0].bar_s);
        PU_TRY(pu_store_bars(store, asset->id, from_ts, to_ts, &h->bars[i]));
        if (h->bars[i].count < 2)
            return pu_fail(PU_ERR_DATA,
                           "%s has %" PRId64 " bars in the interval of the history, 2 is the least: import more, "
                           "widen the interval, or leave it out of data.symbols",
                           asset->symbol, h->bars[i].count);
    }
    return PU_OK;
}

/* The next time of any asset; *all: of every one, whose bars are then in `row`. False at the end. */
static bool next_time(const pu__market *market, history *h, int64_t *ts, bool *all, int64_t *row) {
    *ts = INT64_MAX;
    bool any = false;
    for (int i = 0; i < market->assets; ++i) {
        if (h->at[i] == h->bars[i].count) continue;
        any = true;
        if (h->bars[i].ts[h->at[i]] < *ts) *ts = h->bars[i].ts[h->at[i]];
    }
    *all = true;
    for (int i = 0; i < market->assets && any; ++i) {
        const bool here = h->at[i] < h->bars[i].count && h->bars[i].ts[h->at[i]] == *ts;
        row[i] = h->at[i];
        *all = *all && here;
        h->at[i] += here;
    }
    return any;
}

/* Rows at which all assets have a bar. `*span`: the times of any asset from the latest first bar to the earliest last
 * one. */
static pu_status join_times(pu__market *out, history *h, int64_t *span) {
    int64_t most = INT64_MAX, from = INT64_MIN, to = INT64_MAX, ts = 0;
    for (int i = 0; i < out->assets; ++i) {
        const pu_bars *bars = &h->bars[i];
        if (bars->count < most) most = bars->count;
        if (bars->ts[0] > from) from = bars->ts[0];
        if (bars->ts[bars->count - 1] < to) to = bars->ts[bars->count - 1];
    }
    out->ts = pu_calloc((size_t)most, sizeof *out->ts);
    h->row = pu_calloc((size_t)(most + 1) * (size_t)out->assets, sizeof *h->row);
    if (!out->ts || !h->row) return PU_ERR_MEMORY;
    *span = 0;
    for (bool all; next_time(out, h, &ts, &all, h->row + out->rows * out->assets);) {
        *span += ts >= from && ts <= to;
        if (all) out->ts[out->rows++] = ts;
        else out->left_out += 1;
    }
    if (out->rows >= 2) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "the %d assets have a bar at the same time %" PRId64 " times of %" PRId64
                   ", 2 is the least: choose assets of one calendar (data.symbols), or another interval",
                   out->assets, out->rows, out->rows + out->left_out);
}

static pu_status take_prices(pu__market *out, const history *h) {
    const size_t cells = (size_t)out->rows * (size_t)out->assets;
    out->price = pu_calloc(cells, sizeof *out->price);
    out->log_return = pu_calloc(cells - (size_t)out->assets, sizeof *out->log_return);
    if (!out->price || !out->log_return) return PU_ERR_MEMORY;
    for (int64_t r = 0; r < out->rows; ++r) {
        for (int i = 0; i < out->assets; ++i) {
            const int64_t cell = r * out->assets + i;
            out->price[cell] = h->bars[i].adjusted[h->row[cell]];
            if (r == 0) continue;
            const int64_t before = cell - out->assets;
            out->log_return[before] = (float)log(out->price[cell] / out->price[before]);
        }
    }
    return PU_OK;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the bars that say their volume. */
static double median_value(const pu__market *market, const history *h, int asset) {
    double value[PU__MARKET_VOLUME_ROWS];
    int known = 0;
    const int64_t begin = market->rows > PU__MARKET_VOLUME_ROWS ? market->rows - PU__MARKET_VOLUME_ROWS : 0;
    for (int64_t r = begin; r < market->rows; ++r) {
        const int64_t bar = h->row[r * market->assets + asset];
        const double traded = h->bars[asset].close[bar] * h->bars[asset].volume[bar];
        if (isfinite(traded)) value[known++] = traded;
    }
    if (known == 0) return 0.0;
    qsort(value, (size_t)known, sizeof *value, ascending);
    return 0.5 * (value[(known - 1) / 2] + value[known / 2]);
}

static pu_status describe(const pu_config *config, const history *h, int64_t span, pu__market *out) {
    out->volume = pu_calloc((size_t)out->assets, sizeof *out->volume);
    pu__calendar_use *use = pu_calloc((size_t)out->assets, sizeof *use);
    for (int i = 0; out->volume && use && i < out->assets; ++i) {
        out->volume[i] = median_value(out, h, i);
        use[i] = (pu__calendar_use){&out->asset[i], out->rows, span};
    }
    if (out->volume && use)
        out->periods_per_year = pu__periods_choose(
            config->backtest.periods_per_year, out->assets, use, "times that all have", (double)(out->rows - 1),
            (double)(out->ts[out->rows - 1] - out->ts[0]), out->periods_reason, sizeof out->periods_reason);
    pu_free(use);
    return out->volume && use ? PU_OK : PU_ERR_MEMORY;
}

static pu_status load(const pu_config *config, pu_store *store, bool with_benchmark, int64_t from_ts,
                      int64_t to_ts, history *h, pu__market *out) {
    int64_t span = 0;
    PU_TRY(choose_assets(config, store, with_benchmark, out));
    PU_TRY(read_bars(store, from_ts, to_ts, out, h));
    PU_TRY(join_times(out, h, &span));
    PU_TRY(take_prices(out, h));
    return describe(config, h, span, out);
}

pu_status pu__market_load(const pu_config *config, bool with_benchmark, int64_t from_ts, int64_t to_ts,
                          pu__market *out) {
    *out = (pu__market){0};
    pu_store *store = NULL;
    PU_TRY(pu_store_open(config->data.store, PU_STORE_READ, &store));
    history h = {0};
    const pu_status status = load(config, store, with_benchmark, from_ts, to_ts, &h, out);
    for (int i = 0; h.bars && i < out->assets; ++i) pu_bars_free(&h.bars[i]);
    pu_free(h.bars);
    pu_free(h.at);
    pu_free(h.row);
    pu_store_close(store);
    if (status != PU_OK) pu__market_free(out);
    return status;
}

pu_status pu__market_interval(const pu_config *config, int64_t *from_ts, int64_t *to_ts) {
    const pu_text_list *fit = &config->stress.fit;
    *from_ts = INT64_MIN;
    *to_ts = INT64_MAX;
    if (fit->count > 0 && fit->value[0][0]) PU_TRY(pu_time_parse(fit->value[0], from_ts));
    if (fit->count > 1 && fit->value[1][0]) PU_TRY(pu_time_parse(fit->value[1], to_ts));
    return PU_OK;
}

void pu__market_free(pu__market *market) {
    pu_free(market->asset);
    pu_free(market->ts);
    pu_free(market->price);
    pu_free(market->log_return);
    pu_free(market->volume);
    *market = (pu__market){0};
}
