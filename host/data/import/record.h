/* What the store keeps about imports: one row per file, and its rejected rows. */
#ifndef PU_HOST_DATA_IMPORT_RECORD_H
#define PU_HOST_DATA_IMPORT_RECORD_H

#include <stddef.h>

#include "plusultra/import.h"

/* Rejected rows of the file at hand; zeroed to begin with. */
typedef struct pu__record_list {
    pu_import_reject *row;
    size_t count, capacity;
} pu__record_list;

pu_status pu__record_reject(pu__record_list *list, const pu_import_reject *row);
void pu__record_list_free(pu__record_list *list);

pu_status pu__record_file_bytes(const char *path, int64_t *bytes);

/* Whether an import of this content into this asset is recorded. */
pu_status pu__record_known(pu_store *store, int64_t asset_id, const char *sha256, bool *known);

/* PU_ERR_DATA when the asset is stored with another class, currency or number of bars a year than the options ask
 * for. */
pu_status pu__record_same_asset(pu_store *store, int64_t asset_id, const char *symbol,
                                const pu_import_options *options);

pu_status pu__record_import(pu_store *store, int64_t asset_id, const char *path, const pu_import_result *result,
                            const pu__record_list *list);

#endif
