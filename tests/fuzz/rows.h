/* What every source of bars is held to. */
#ifndef TESTS_FUZZ_ROWS_H
#define TESTS_FUZZ_ROWS_H

#include <stdlib.h>

#include "host/data/import/batch.h"

/* Reads a source to its end or its failure: bars must be ones that the store accepts, in order within their series. */
static inline void fuzz_read_rows(pu__row_source *source, const pu__row_rules *rules) {
    enum { SERIES = 4096 };
    static int64_t last_ts[SERIES];
    static int direction[SERIES]; /* 0: one bar or none so far */
    pu__batch_reader *reader = NULL;
    if (pu__batch_reader_open(source, rules, NULL, &reader) != PU_OK) return;
    for (int i = 0; i < SERIES; ++i) last_ts[i] = INT64_MIN, direction[i] = 0;
    for (bool last = false; !last;) {
        const pu__batch *batch = pu__batch_next(reader);
        for (int64_t i = 0; i < batch->bars; ++i) {
            const int series = batch->series[i];
            const int64_t ts = batch->bar[i].ts;
            if (!pu__bar_valid(&batch->bar[i]) || pu__batch_series(reader, series)->bar_s < 1) abort();
            if (series >= SERIES) continue;
            const int way = ts > last_ts[series] ? 1 : -1;
            if (ts == last_ts[series]) abort();
            if (last_ts[series] != INT64_MIN && direction[series] != 0 && way != direction[series]) abort();
            if (last_ts[series] != INT64_MIN) direction[series] = way;
            last_ts[series] = ts;
        }
        for (int i = 0; i < batch->rejects; ++i) {
            if (batch->reject[i].line < 1 || batch->reject[i].reason[0] == '\0') abort();
        }
        last = batch->last;
    }
    pu__batch_reader_close(reader);
}

#endif
