#include "host/data/validate/chart.h"

#include <stdio.h>

void pu__chart_begin(const pu_asset *asset, pu__chart *out) {
    *out = (pu__chart){.asset_id = asset->id,
                       .bar_s = asset->bar_s,
                       .first_ts = asset->first_ts,
                       .last_ts = asset->last_ts,
                       .bars = asset->bars};
    snprintf(out->symbol, sizeof out->symbol, "%s", asset->symbol);
    snprintf(out->asset_class, sizeof out->asset_class, "%s", asset->asset_class);
}

void pu__chart_bar(pu__chart *chart, const pu__bar *bar) {
    if (!(bar->adjusted > 0 && bar->adjusted <= 1e300) || bar->ts < chart->first_ts || bar->ts > chart->last_ts)
        return;
    const double share = (double)(bar->ts - chart->first_ts) / (double)(chart->last_ts - chart->first_ts + 1);
    const int at = (int)(share * PU__CHART_STRETCHES);
    pu__chart_point *low = &chart->low[at], *high = &chart->high[at];
    if (low->close == 0 || bar->adjusted < low->close) *low = (pu__chart_point){bar->ts, bar->adjusted};
    if (high->close == 0 || bar->adjusted > high->close) *high = (pu__chart_point){bar->ts, bar->adjusted};
}
