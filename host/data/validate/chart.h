/* The price of an asset in few points: of each of a fixed number of stretches of time, its lowest and highest close.
 * Memory does not depend on the bars. */
#ifndef PU_HOST_DATA_VALIDATE_CHART_H
#define PU_HOST_DATA_VALIDATE_CHART_H

#include "host/data/store/write.h"

enum { PU__CHART_STRETCHES = 240 };

typedef struct pu__chart_point {
    int64_t ts;
    double close; /* adjusted; 0: no bar */
} pu__chart_point;

typedef struct pu__chart {
    int64_t asset_id, bar_s;
    int64_t first_ts, last_ts;
    int64_t bars;
    char symbol[64];
    char asset_class[16];
    pu__chart_point low[PU__CHART_STRETCHES], high[PU__CHART_STRETCHES];
} pu__chart;

void pu__chart_begin(const pu_asset *asset, pu__chart *out);
void pu__chart_bar(pu__chart *chart, const pu__bar *bar);

#endif
