/* Rows of alternative_values and regimes: their hash, and the check of the stored sums. */
#ifndef PU_HOST_DATA_STORE_VALUES_H
#define PU_HOST_DATA_STORE_VALUES_H

#include "plusultra/store.h"

/* A 64-bit hash of one row. The sum over a series' rows is its checksum: independent of the order, and kept up as rows
 * are added. It finds damage, not malice. */
uint64_t pu__value_hash(int64_t published_ts, int64_t ts, double value);

/* Reads every alternative series of the store and checks it against its number of rows and its checksum. */
pu_status pu__values_check(pu_store *store);

#endif
