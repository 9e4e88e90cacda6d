/* Where a long bar ends. */
#ifndef PU_HOST_DATA_RESAMPLE_BUCKET_H
#define PU_HOST_DATA_RESAMPLE_BUCKET_H

#include "plusultra/store.h"

typedef struct pu__bucket_rule {
    int64_t to_s;
    unsigned weekend; /* bits by weekday, 0 for Monday */
} pu__bucket_rule;

/* PU_ERR_ARGUMENT says which lengths go together. */
pu_status pu__bucket_rule_make(const pu_asset *source, int64_t to_s, pu__bucket_rule *out);

/* Close of the long bar that a bar closing at ts belongs to. */
int64_t pu__bucket_end(const pu__bucket_rule *rule, int64_t ts);

#endif
