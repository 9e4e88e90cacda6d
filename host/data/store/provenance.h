/* Where the rows of an asset came from when it was not a file of bars: one row of `imports`. */
#ifndef PU_HOST_DATA_STORE_PROVENANCE_H
#define PU_HOST_DATA_STORE_PROVENANCE_H

#include "plusultra/store.h"

typedef struct pu__provenance {
    const char *source; /* path, or "resample:SYMBOL@SECONDS" */
    const char *sha256; /* of what was read */
    const char *layout; /* "actions", "resample" */
    int64_t bytes;
    int64_t rows_added, rows_unchanged, rows_replaced;
} pu__provenance;

pu_status pu__provenance_put(pu_store *store, int64_t asset_id, const pu__provenance *record);

/* Whether the asset's latest row of that layout has this hash. */
pu_status pu__provenance_latest(pu_store *store, int64_t asset_id, const char *layout, const char *sha256,
                                bool *same);

#endif
