#ifndef PU_HOST_DATA_FEATURES_AUDIT_H
#define PU_HOST_DATA_FEATURES_AUDIT_H

#include "host/data/features/sets.h"

/* The audit of an open plan, whose features need not be registered; adds to *result. */
pu_status pu__audit_plan(const pu__plan *plan, int64_t cuts, uint64_t seed, pu_audit_result *result);

#endif
