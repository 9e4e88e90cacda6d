/* The delivered adjusted close beside the one that the stored dividends make. */
#ifndef PU_HOST_DATA_STORE_ADJUST_H
#define PU_HOST_DATA_STORE_ADJUST_H

#include "plusultra/prices.h"

/* How far the adjusted close by the stored dividends leaves the delivered one. */
typedef struct pu__adjust_difference {
    bool delivered; /* the bars have an adjusted close that is not the close, and dividends are stored */
    double ratio;   /* the largest difference, relative, both scaled to be the close at the last bar */
    int64_t ts;     /* where */
} pu__adjust_difference;

/* PU_ERR_DATA when the stored actions cannot be applied to the stored bars. */
pu_status pu__adjust_check(pu_store *store, int64_t asset_id);

pu_status pu__adjust_compare(pu_store *store, int64_t asset_id, pu__adjust_difference *out);

#endif
