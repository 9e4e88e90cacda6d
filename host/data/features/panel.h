/* What depends on all assets at once: the universe's mean log return, and the values of cross-sectional features. One
 * merge of the assets' bars in time computes them for every asset, in memory that does not grow with history, into
 * a temporary file; the pass of each asset then reads its part.
 *
 * Definition: at each close, over the members of the plan that have a bar with exactly that close. */
#ifndef PU_HOST_DATA_FEATURES_PANEL_H
#define PU_HOST_DATA_FEATURES_PANEL_H

#include "host/data/features/sets.h"
#include "plusultra/pool.h"

typedef struct pu__panel pu__panel;

/* Reads over `store`, which is the plan's or another connection to it; nothing after until_ts is seen. chunk_bars and
 * one_by_one as of pu__stream_open; pool null: one thread. */
typedef struct pu__panel_options {
    int64_t until_ts, chunk_bars;
    bool one_by_one;
    pu_pool *pool;
} pu__panel_options;
pu_status pu__panel_build(const pu__plan *plan, pu_store *store, const pu__panel_options *options,
                          pu__panel **out);
void pu__panel_close(pu__panel *panel); /* accepts null */

/* Bars [first, first + count) of an asset: the universe's return into `universe` (null: not wanted), the final value of
 * feature f into value[f] (for the cross-sectional ones; others are left alone). From several threads at once with a
 * scratch of pu__panel_scratch_bytes each. */
size_t pu__panel_scratch_bytes(const pu__panel *panel, int64_t count_max);
pu_status pu__panel_read(const pu__panel *panel, int asset, int64_t first, int64_t count, double *scratch,
                         pu_feature_value *universe, double *const *value);

#endif
