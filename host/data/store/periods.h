/* Steps a year of assets that are looked at together. */
#ifndef PU_HOST_DATA_STORE_PERIODS_H
#define PU_HOST_DATA_STORE_PERIODS_H

#include <stddef.h>

#include "plusultra/store.h"

/* How an asset's calendar fits the steps: its bars at the steps' times from its first to its last, and all times from
 * its first to its last. */
typedef struct pu__calendar_use {
    const pu_asset *asset;
    int64_t bars, times;
} pu__calendar_use;

/* `set` where it is positive. Otherwise the assets' common periods per year where each has a bar at 90 % or more of
 * the times, and where they differ, the steps as they were: `steps`, described by `what` ("steps of their union"),
 * over `length_s` seconds. `reason` says which. */
double pu__periods_choose(double set, int count, const pu__calendar_use *use, const char *what, double steps,
                          double length_s, char *reason, size_t room);

/* Steps a year as they were. */
double pu__periods_observed(double steps, double length_s);

#endif
