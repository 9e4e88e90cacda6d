/* What an audit compares with: all features and labels of all assets, computed with the whole history at hand. Kept in
 * temporary files. */
#ifndef PU_HOST_DATA_FEATURES_TRUTH_H
#define PU_HOST_DATA_FEATURES_TRUTH_H

#include "host/data/features/pass.h"
#include "host/data/features/spool.h"

typedef struct pu__truth {
    const pu__plan *plan;     /* borrowed */
    int features, labels;     /* columns of each */
    int64_t *first_row;       /* [assets] */
    pu__spool feature, label; /* rows of doubles; rows of floats */
} pu__truth;

pu_status pu__truth_open(const pu__plan *plan, pu_pool *pool, pu__truth *out);
void pu__truth_close(pu__truth *truth); /* accepts one whose opening failed */

/* Rows [first, first + count) of an asset; row r is bar r. */
pu_status pu__truth_features(const pu__truth *truth, int asset, int64_t first, int64_t count, double *out);
pu_status pu__truth_labels(const pu__truth *truth, int asset, int64_t first, int64_t count, float *out);

#endif
