#ifndef PU_HOST_DATA_FEATURES_AUDIT_H
#define PU_HOST_DATA_FEATURES_AUDIT_H

#include "host/data/features/sets.h"
#include "plusultra/random.h"

/* The audit of one series under any features, registered or not; adds to *result. Each cut is drawn from `random`.
 */
pu_status pu__audit_bars(int feature_count, const pu_feature *const *features, const pu__label_set *labels,
                         const pu_bars *bars, int64_t cuts, pu_random *random, const char *symbol,
                         pu_audit_result *result);

#endif
