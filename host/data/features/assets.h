/* The assets that a configuration names. */
#ifndef PU_HOST_DATA_FEATURES_ASSETS_H
#define PU_HOST_DATA_FEATURES_ASSETS_H

#include "plusultra/config.h"
#include "plusultra/store.h"

/* data.symbols in their order, or every asset of the store but data.benchmark; the benchmark has id 0 where none is
 * configured. PU_ERR_CONFIG: the benchmark is not in the store, an asset is named twice. PU_ERR_DATA: no asset, one
 * without bars, bars of different lengths. Assets in different currencies are logged. Free *asset with pu_free; it is
 * set on failure too. */
pu_status pu__assets_choose(const pu_config *config, pu_store *store, int *count, pu_asset **asset,
                            pu_asset *benchmark);

#endif
