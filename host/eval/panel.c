#include "host/eval/panel.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "plusultra/memory.h"

static int64_t first_not_before(const pu__series *series, int64_t ts) {
    int64_t low = 0, high = series->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (series->ts[middle] < ts) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int ascending(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

double *pu__panel_table(const pu__panel *panel) {
    const int64_t cells = panel->times * panel->assets;
    double *table = pu_calloc((size_t)cells, sizeof *table);
    if (!table) return 0;
    for (int64_t i = 0; i < cells; ++i) table[i] = (double)NAN;
    return table;
}

void pu__panel_put(const pu__panel *panel, int64_t asset, const pu__series *series, double *table) {
    if (panel->times == 0) return;
    int64_t k = first_not_before(series, panel->ts[0]);
    for (int64_t t = 0; t < panel->times && k < series->count; ++t) {
        while (k < series->count && series->ts[k] < panel->ts[t]) ++k;
        if (k < series->count && series->ts[k] == panel->ts[t])
            table[t * panel->assets + asset] = series->value[k];
    }
}

static pu_status union_of_times(int64_t assets, const pu__series *series, int64_t from_ts, int64_t to_ts,
                                pu__panel *out) {
    int64_t total = 0;
    for (int64_t i = 0; i < assets; ++i)
        total += first_not_before(&series[i], to_ts) - first_not_before(&series[i], from_ts);
    out->ts = pu_calloc((size_t)total, sizeof *out->ts);
    if (!out->ts) return PU_ERR_MEMORY;
    int64_t n = 0;
    for (int64_t i = 0; i < assets; ++i) {
        const int64_t end = first_not_before(&series[i], to_ts);
        for (int64_t k = first_not_before(&series[i], from_ts); k < end; ++k) out->ts[n++] = series[i].ts[k];
    }
    if (n > 1) qsort(out->ts, (size_t)n, sizeof *out->ts, ascending);
    for (int64_t k = 0; k < n; ++k) {
        if (out->times == 0 || out->ts[k] != out->ts[out->times - 1]) out->ts[out->times++] = out->ts[k];
    }
    return PU_OK;
}

pu_status pu__panel_make(int64_t assets, const pu__series *series, int64_t from_ts, int64_t to_ts,
                         pu__panel *out) {
    *out = (pu__panel){.assets = assets};
    PU_TRY(union_of_times(assets, series, from_ts, to_ts, out));
    out->price = pu__panel_table(out);
    if (!out->price) {
        pu__panel_free(out);
        return PU_ERR_MEMORY;
    }
    for (int64_t i = 0; i < assets; ++i) pu__panel_put(out, i, &series[i], out->price);
    return PU_OK;
}

void pu__panel_free(pu__panel *panel) {
    pu_free(panel->ts);
    pu_free(panel->price);
    *panel = (pu__panel){0};
}
