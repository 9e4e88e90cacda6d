/* What was known of a series at a time: forward cursors over alternative series and regimes, in constant memory.
 *
 * The value at time T: among the rows with published_ts <= T and ts <= T the one with the largest ts and, of these,
 * the latest published_ts. It is missing once T - published_ts exceeds the series' stale_after_s, even where an
 * older ts was revised since. An asset's own series counts from its first value on, before that the market's of
 * the same name; the two are never mixed later, so a value of the asset's own that is stale is missing. A series
 * belongs to its symbol at every bar length.
 *
 * Nothing that is published after T can be seen; `known_until` hides it from the cursor altogether, so that an audit
 * can take the future away. */
#ifndef PU_HOST_DATA_ALTERNATIVE_ASOF_H
#define PU_HOST_DATA_ALTERNATIVE_ASOF_H

#include "plusultra/features.h"
#include "plusultra/store.h"

typedef struct pu__asof pu__asof;

/* One row of alternative_values or regimes. */
typedef struct pu__vintage {
    int64_t ts, published_ts;
    double value; /* a regime's label */
    bool own;     /* of the asset's own series */
} pu__vintage;

/* A cursor over the series `name` as `asset_id` sees it (0: the market's only). known_until: INT64_MAX, or the last
 * publication time that is visible. PU_ERR_NOT_FOUND when the store has neither the asset's own series nor the
 * market's. The cursor holds read statements on `store`; close it before the store. */
pu_status pu__asof_open(pu_store *store, const char *name, int64_t asset_id, int64_t known_until, pu__asof **out);

/* The same over the regime `name`: its label never goes stale. */
pu_status pu__asof_open_regime(pu_store *store, const char *name, int64_t known_until, pu__asof **out);

void pu__asof_close(pu__asof *cursor); /* accepts null */

/* Value and age at T. T must not be below that of the call before: PU_ERR_ARGUMENT. */
pu_status pu__asof_at(pu__asof *cursor, int64_t T, pu_feature_value *out);

/* The row behind pu__asof_at, found also where it is stale; *found is false before the first. */
pu_status pu__asof_row(pu__asof *cursor, int64_t T, pu__vintage *row, bool *found);

/* What is announced ahead: the row with the smallest ts > T among those with published_ts <= T and, of these, the
 * latest published_ts; the asset's own series if it announces anything, else the market's. */
pu_status pu__asof_ahead(pu__asof *cursor, int64_t T, pu__vintage *row, bool *found);

/* What the values a cursor gives depend on, for source hashes: rows, checksum and staleness limit of the asset's own
 * series and of the market's, or of the regime. Equal contents give equal text in any store. NOT_FOUND as above. */
enum { PU__ASOF_IDENTITY_BYTES = 256 };
pu_status pu__asof_identity(pu_store *store, const char *name, int64_t asset_id,
                            char out[PU__ASOF_IDENTITY_BYTES]);
pu_status pu__asof_identity_regime(pu_store *store, const char *name, char out[PU__ASOF_IDENTITY_BYTES]);

/* The series `name` of the asset's symbol (asset_id 0: the market's); *series_id is 0 when there is none. */
pu_status pu__alternative_find(pu_store *store, const char *name, int64_t asset_id, int64_t *series_id);

#endif
