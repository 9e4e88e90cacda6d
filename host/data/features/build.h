/* Building blocks, and finding those of a plan. */
#ifndef PU_HOST_DATA_FEATURES_BUILD_H
#define PU_HOST_DATA_FEATURES_BUILD_H

#include "host/data/features/blocks.h"
#include "host/data/features/sets.h"

/* The blocks of one asset of the plan that are current; *found is false when the asset has to be built. Free both
 * with pu__blocks_free. */
pu_status pu__asset_blocks(const pu__plan *plan, int asset, pu__blocks *features, pu__blocks *labels, bool *found);

/* Builds what is not current. With `verify`, for a person who asked, blocks that are current are read, those of an
 * asset with a bad checksum are made again, and features left out are announced. */
pu_status pu__build(const pu_config *config, bool verify, pu_features_result *out);

#endif
