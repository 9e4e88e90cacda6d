/* Longer bars from shorter ones: open of the first, highest high, lowest low, close and adjusted close of the last,
 * sum of the volumes (missing where one of them is). A long bar is stored under the time of its close:
 *
 *   within a day   multiples of the bar length from 00:00 UTC; the length divides a day
 *   a day          the UTC day; what trades on a weekend belongs to the next trading day of a market with weekends
 *   a week         Monday to the calendar's last trading day: Friday's end, or Sunday's where trading never stops
 *   a month        to the last trading day of the calendar month
 *
 * A holiday does not move a close, so that all assets of a market share their times. Gaps make no bars. The last bar
 * waits until the source has reached its close or has gone past it. */
#ifndef PLUSULTRA_RESAMPLE_H
#define PLUSULTRA_RESAMPLE_H

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PU_WEEK_S = 604800, PU_MONTH_S = 2592000 };

typedef struct pu_resample_result {
    int64_t asset_id; /* the asset that was written: the source's symbol at the new length */
    bool unchanged;   /* neither side has changed since the last time: nothing was read */
    int64_t source_bars;
    int64_t rows_added, rows_unchanged, rows_replaced;
    int64_t first_ts, last_ts; /* of the long bars */
} pu_resample_result;

/* Writes `source` at the length to_s in one transaction, in memory that does not grow with the history. Run again it
 * adds what is new and replaces what differs. `partial`: write the unfinished last bar too, under the close it will
 * have. Prices that are raw are brought into the shares of a long bar's close where a stored split falls into it;
 * splits are copied. PU_ERR_ARGUMENT: lengths that do not add up. PU_ERR_DATA: the asset at that length is there and
 * was not made so. */
pu_status pu_resample(pu_store *store, const pu_asset *source, int64_t to_s, bool partial,
                      pu_resample_result *result);

#ifdef __cplusplus
}
#endif
#endif
