/* What hangs on an asset; removing one; changing what it is. */
#ifndef PU_HOST_DATA_STORE_EDIT_H
#define PU_HOST_DATA_STORE_EDIT_H

#include "plusultra/prices.h"

/* Rows of one table that belong to an asset. */
typedef struct pu__dependants {
    char table[64];
    int64_t rows;
} pu__dependants;

enum { PU__DEPENDANTS_MAX = 32 };

/* Every table that refers to assets and has rows of this one; what hangs on those rows goes with them. */
pu_status pu__asset_dependants(pu_store *store, int64_t asset_id, int *count,
                               pu__dependants out[PU__DEPENDANTS_MAX]);

/* Removes an asset with its dependants, in one transaction. An alternative series of its symbol passes to the symbol
 * at another bar length, if it is stored at one. */
pu_status pu__asset_remove(pu_store *store, int64_t asset_id);

/* What assets holds beside pu_asset. */
typedef struct pu__asset_more {
    char currency[16];
    pu_price_basis basis;
    int64_t splits, dividends;
} pu__asset_more;
pu_status pu__asset_read(pu_store *store, int64_t asset_id, pu__asset_more *out);

/* Null and zero leave what is stored. A change of class takes the bars per year along unless they were set by hand,
 * that is, are not the old class's. */
typedef struct pu__asset_change {
    const char *asset_class, *currency;
    double periods_per_year;
    const pu_price_basis *basis;
} pu__asset_change;
pu_status pu__asset_change_put(pu_store *store, const pu_asset *asset, const pu__asset_change *change);

#endif
