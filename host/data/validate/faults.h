/* The list that checks add to. */
#ifndef PU_HOST_DATA_VALIDATE_FAULTS_H
#define PU_HOST_DATA_VALIDATE_FAULTS_H

#include "plusultra/validate.h"

enum { PU__FAULTS_PER_CODE = 20 };

/* Checks of one asset at work. Once `status` is a failure (memory), adding does nothing. */
typedef struct pu__inspection {
    const pu_asset *asset;
    const pu_bars *bars;
    pu_validation *out;
    int64_t capacity;
    int64_t first; /* this asset's first fault in the list */
    pu_status status;
} pu__inspection;

void pu__fault_add(pu__inspection *at, pu_fault_level level, const char *code, int64_t ts, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Time of a bar for people: the day of a daily bar, which closes at the next day's 00:00; else the closing time.
 */
void pu__fault_time(const pu_asset *asset, int64_t ts, char out[32]);

/* gaps.c */
void pu__check_gaps(pu__inspection *at);
/* prices.c */
void pu__check_prices(pu__inspection *at);
void pu__check_jumps(pu__inspection *at);
void pu__check_stale(pu__inspection *at);
void pu__check_volume(pu__inspection *at);

#endif
