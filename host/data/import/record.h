/* What the store keeps about imports: one row per file and asset, and the rejected rows. */
#ifndef PU_HOST_DATA_IMPORT_RECORD_H
#define PU_HOST_DATA_IMPORT_RECORD_H

#include <stddef.h>

#include "plusultra/import.h"

/* Rows listed of one file; the others are only counted, so that a file of nothing but faults does not fill the
 * memory. */
enum { PU__RECORD_ROWS_MAX = 10000 };

typedef struct pu__record_row {
    int series; /* -1: its symbol could not be read */
    pu_import_reject row;
} pu__record_row;

/* Rejected rows of the file at hand; zeroed to begin with. */
typedef struct pu__record_list {
    pu__record_row *row;
    size_t count, capacity;
} pu__record_list;

/* PU_ERR_DATA when too many rows of a file were rejected: all of them, or a larger share than *ratio_max. Null: more
 * than a tenth, and more than are shown. `first` is the first rejected row. */
pu_status pu__record_usable(const char *path, int64_t read, int64_t rejected, const pu_import_reject *first,
                            const double *ratio_max);

pu_status pu__record_reject(pu__record_list *list, int series, const pu_import_reject *row);
/* By series, and by line within one. */
void pu__record_sort(pu__record_list *list);
void pu__record_list_free(pu__record_list *list);

/* The assets for which an import of this content is recorded, in increasing order; free *ids with pu_free. */
pu_status pu__record_known(pu_store *store, const char *sha256, int64_t **ids, size_t *count);

/* PU_ERR_DATA when the asset was resampled from another, or is stored with another class, currency or number of bars a
 * year than the options ask for. */
pu_status pu__record_same_asset(pu_store *store, int64_t asset_id, const char *symbol,
                                const pu_import_options *options);

/* PU_ERR_DATA when the symbol is stored: asked where its bar length is a guess that is none of the stored. */
pu_status pu__record_no_other_length(pu_store *store, const char *symbol);

/* One asset's share of a file, and `row_count` rejected rows of it; *import_id: the record's number. */
pu_status pu__record_import(pu_store *store, int64_t asset_id, const char *path, const pu_import_result *file,
                            const pu_import_symbol *counts, const pu__record_row *rows, size_t row_count,
                            int64_t *import_id);

#endif
