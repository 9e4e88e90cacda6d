/* The store's schema version, and the forward steps that lead to it. */
#ifndef PU_HOST_DATA_STORE_MIGRATE_H
#define PU_HOST_DATA_STORE_MIGRATE_H

#include "plusultra/store.h"

/* schema_<n>.sql, embedded by the build: what leads from version n - 1 to n. */
extern const char pu__store_schema_1[], pu__store_schema_2[], pu__store_schema_3[];

enum { PU__STORE_APPLICATION = 0x504c5573 /* "PLUs" in the file header */ };

typedef struct pu__store_step {
    const char *sql;
} pu__store_step;

/* The product's steps: step i leads from version i to i + 1; version 0 is an empty database. */
const pu__store_step *pu__store_steps(int *count);

/* Brings an open store to version `count` by the steps it lacks, in one transaction; does nothing at that version.
 * A store that cannot be written and is older, or is newer than `count`, or is another program's database, is
 * PU_ERR_STORE with what to do. */
pu_status pu__store_migrate(pu_store *store, const pu__store_step *steps, int count);

#endif
