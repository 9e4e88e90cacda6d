/* Times of rows, read from the store when they are asked for. What stays in memory of them is the time of every
 * block's first row, and a fixed number of marks on the calendar.
 *
 * A row's decision time is the close of its bar; the calendar is the union of all assets' decision times, without
 * repeats. */
#ifndef PU_HOST_DATA_WINDOWS_CALENDAR_H
#define PU_HOST_DATA_WINDOWS_CALENDAR_H

#include "host/data/windows/dataset.h"

typedef struct pu__calendar {
    pu_dataset *dataset; /* borrowed */
    int64_t count, first_ts, last_ts;
    int64_t stride, marks;
    int64_t *mark; /* times of the ranks 0, stride, 2 stride, ... */
} pu__calendar;

/* Passes once over the times of all assets, filling every asset's block_ts too. PU_ERR_CORRUPT when an asset has
 * another number of bars than its blocks were made of. */
pu_status pu__calendar_open(pu_dataset *dataset, pu__calendar *out);
void pu__calendar_close(pu__calendar *calendar);
/* Number of times before `ts`. */
pu_status pu__calendar_rank(const pu__calendar *calendar, int64_t ts, int64_t *rank);
/* The time of a rank; behind the last one, the second after it. */
pu_status pu__calendar_time(const pu__calendar *calendar, double rank, int64_t *ts);

#endif
