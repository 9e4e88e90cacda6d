/* A panel: assets with calendars of their own on the union of their times. Tables are row-major, [times][assets];
 * NaN is "nothing at this time". */
#ifndef PU_HOST_EVAL_PANEL_H
#define PU_HOST_EVAL_PANEL_H

#include <stdint.h>

#include "plusultra/status.h"

typedef struct pu__panel {
    int64_t times, assets;
    int64_t *ts;   /* [times], increasing */
    double *price; /* [times][assets]; NaN: the asset has no bar at this time */
} pu__panel;

/* One asset's own series, times strictly increasing. */
typedef struct pu__series {
    int64_t count;
    const int64_t *ts;
    const double *value;
} pu__series;

/* The union of the times in [from_ts, to_ts) of all series, with their values as prices. Free with pu__panel_free.
 */
pu_status pu__panel_make(int64_t assets, const pu__series *series, int64_t from_ts, int64_t to_ts, pu__panel *out);
void pu__panel_free(pu__panel *panel);

/* A table of the panel's shape, all NaN; null when memory is short. */
double *pu__panel_table(const pu__panel *panel);

/* Writes a series into one asset's column where their times are equal; other times of the series are left out. */
void pu__panel_put(const pu__panel *panel, int64_t asset, const pu__series *series, double *table);

#endif
