/* Checksums of the small tables, in the table `checksums`: one row per part and owner with the number of its rows
 * and the sum of their 64-bit hashes. Bars, predictions, alternative values and feature blocks carry theirs beside
 * them. They find damage and changes by other programs, not malice. */
#ifndef PU_HOST_DATA_STORE_CHECKSUM_H
#define PU_HOST_DATA_STORE_CHECKSUM_H

#include "plusultra/store.h"

typedef enum pu__part {
    PU__PART_ASSET = 0,  /* what an asset is; owner: asset */
    PU__PART_INDICATORS, /* owner: asset */
    PU__PART_ACTIONS,    /* corporate actions; owner: asset */
    PU__PART_RUN,        /* owner: run */
    PU__PART_TRADES,     /* owner: run */
    PU__PART_SWEEP,      /* owner: stress sweep, as for its cells and fans */
    PU__PART_CELLS,
    PU__PART_FANS,
    PU__PART_BENCHMARKS, /* owner 0: the whole table, as for the rest */
    PU__PART_REGIMES,
    PU__PART_ALTERNATIVE, /* what alternative series are; their values have checksums of their own */
    PU__PART_COUNT
} pu__part;

/* Reads what the owner has of a part and stores its number and sum. Every function that changes such rows ends
 * with it, inside the same transaction. */
pu_status pu__checksum_seal(pu_store *store, pu__part part, int64_t owner_id);

/* The same after one row was added to what was sealed, named by its key below the owner; reads that row alone. For the
 * parts of a stress sweep. */
pu_status pu__checksum_extend(pu_store *store, pu__part part, int64_t owner_id, int64_t key);

/* Seals everything there is: the last act of the step to version 2. */
pu_status pu__checksum_seal_all(pu_store *store);

/* PU_ERR_CORRUPT names the part that is not as it was sealed. */
pu_status pu__checksum_check(pu_store *store);

#endif
