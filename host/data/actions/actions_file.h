/* Corporate actions from CSV files. A row that cannot be read is an error with file and line, and nothing of the file
 * is stored: a split that is left out would falsify every price before it.
 *
 * Layouts, by the header's names:
 *   Date,Dividends   Date,Stock Splits   Date,Dividends,Stock Splits     Yahoo: dividends in later shares, splits
 *                    as 2:1, 2/1 or 2.0; a zero is no action
 *   date,kind,value[,published]          generic: dividends in the shares of their day
 * A date is the ex date: the price is without the action from 00:00 UTC of it. A publication date without a clock
 * time counts from the end of its day; without one an action is known at its ex time. */
#ifndef PU_HOST_DATA_ACTIONS_ACTIONS_FILE_H
#define PU_HOST_DATA_ACTIONS_ACTIONS_FILE_H

#include "plusultra/prices.h"

typedef struct pu__actions_result {
    int64_t splits, dividends; /* in the file; dividends of one day are one, their sum */
    int64_t changed;           /* new in the store, or other than what was stored */
    char sha256[65];
} pu__actions_result;

/* Reads a file into the asset, in one transaction, with a row in `imports`. `basis` counts for the file's dividends
 * in place of its layout's; null: the layout's. */
pu_status pu__actions_import(pu_store *store, int64_t asset_id, const char *path, const pu_price_basis *basis,
                             pu__actions_result *result);

#endif
