/* Validation: what in the stored bars would make a model learn something that never happened. Nothing is changed.
 */
#ifndef PLUSULTRA_VALIDATE_H
#define PLUSULTRA_VALIDATE_H

#include <stdint.h>

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_fault_level { PU_FAULT_INFO = 0, PU_FAULT_WARNING, PU_FAULT_ERROR } pu_fault_level;

/* Codes, and when they are errors:
 *   no_bars         an asset without bars: error
 *   range           a price that is not positive, or high below low: error
 *   gap             no bar for longer than the calendar of the asset class explains: a warning above 10 days, an
 * error above 60 missing         bars missing inside a market's hours, in total: a warning above 0.1 % (1 % where
 * holidays are not known) jump            a return beyond 8 times the median absolute one before it: a warning
 * above 35 %, an error above a factor of 5 ticker_reused   a gap above a year, or above 60 days with a price that
 * is another by a factor of 3: error stale           the same price without any range for 20 bars: a warning; for
 * 250: an error spike           a high or low beyond twice, or below half, of open and close, back within the bar:
 * a warning zero_volume     bars with zero volume: a note above 0.5 %, a warning above 20 % partial_volume  some
 * bars have a volume and some have none: a warning short           fewer than 250 bars: a warning unaligned bars
 * that do not close at multiples of the bar length like the rest: a warning */
typedef struct pu_fault {
    pu_fault_level level;
    char code[24];
    char symbol[64];
    int64_t asset_id;
    int64_t ts; /* close of the bar; 0 when the fault is the whole series' */
    char message[256];
} pu_fault;

/* The caller frees with pu_validation_free. Faults are ordered by asset, then time. */
typedef struct pu_validation {
    int64_t assets, bars;
    int64_t errors, warnings, notes; /* all that were found */
    int64_t count;                   /* listed: of one code at most 20 per asset */
    pu_fault *faults;
} pu_validation;

pu_status pu_validate(pu_store *store, int asset_count, const pu_asset *assets, pu_validation *out);
void pu_validation_free(pu_validation *validation);

const char *pu_fault_level_name(pu_fault_level level); /* "info", "warning", "error" */

#ifdef __cplusplus
}
#endif
#endif
