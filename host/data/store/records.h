/* Shared by the tables that belong to a run. */
#ifndef PU_HOST_DATA_STORE_RECORDS_H
#define PU_HOST_DATA_STORE_RECORDS_H

#include "plusultra/store.h"

/* The run of that name, made if it is new; inside a transaction. */
pu_status pu__run_ensure(pu_store *store, const char *run, int64_t *run_id);

/* Reads every prediction set of the store and checks it against its checksum. */
pu_status pu__predictions_check(pu_store *store);

#endif
