/* Label rows as bars arrive: the row of bar t is complete L + h_max bars later, so that much is held back. */
#ifndef PU_HOST_DATA_FEATURES_LABELS_H
#define PU_HOST_DATA_FEATURES_LABELS_H

#include "host/data/features/rolling.h"
#include "host/data/features/sets.h"

typedef struct pu__label_stream {
    const pu__label_set *set; /* borrowed */
    int64_t reach_bars;       /* latency + longest horizon */
    int64_t bars, rows;       /* pushed, given out */
    pu__volatility volatility;
    double *price, *sigma; /* rings of reach_bars + 1; one block, owned */
} pu__label_stream;

pu_status pu__label_stream_open(const pu__label_set *set, pu__label_stream *out);
void pu__label_stream_close(pu__label_stream *stream); /* accepts a zeroed one */

/* The next bar's adjusted close. True when that completes the oldest row that was not given out:
 * row[horizons + 1]. */
bool pu__label_stream_push(pu__label_stream *stream, double adjusted, float *row);
/* After the last bar: the rows whose targets are not all known, until it is false. */
bool pu__label_stream_rest(pu__label_stream *stream, float *row);

#endif
