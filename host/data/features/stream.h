/* The streaming pass: several features over the bars of one asset, a chunk of columns at a time. The bits do not
 * depend on how the bars are cut into chunks. */
#ifndef PU_HOST_DATA_FEATURES_STREAM_H
#define PU_HOST_DATA_FEATURES_STREAM_H

#include "plusultra/features.h"

/* Bars in a chunk where nothing asks for another number: columns and values of a hundred features fit into a
 * second-level cache. */
enum { PU__CHUNK_BARS = 1024 };

/* Bars as features see them: prices adjusted for splits and dividends, log returns. One chunk at a time; what leads
 * from one chunk to the next is in pu__adjust. */
typedef struct pu__columns {
    int64_t capacity, first, count;
    int64_t *ts; /* start of the one block that holds all columns; owned */
    double *open, *high, *low, *close, *volume, *log_return;
} pu__columns;

typedef struct pu__adjust {
    int64_t bars; /* adjusted so far */
    double last_close;
} pu__adjust;

pu_status pu__columns_open(int64_t capacity, pu__columns *out);
void pu__columns_close(pu__columns *columns); /* accepts a zeroed one */

/* Takes bars [from, from + count) of `bars`, which follow those taken before. Room that a short chunk leaves is NaN, so
 * that who reads past the end of a chunk finds nothing there. */
void pu__columns_take(pu__adjust *state, const pu_bars *bars, int64_t from, int64_t count, pu__columns *out);

/* The columns without inputs. */
pu_feature_chunk pu__columns_chunk(const pu__columns *columns);

typedef struct pu__stream pu__stream;

/* `features` is borrowed. one_by_one: by `update` alone, also where a feature has update_many. */
pu_status pu__stream_open(int count, const pu_feature *const *features, int64_t chunk_bars, bool one_by_one,
                          pu__stream **out);
void pu__stream_close(pu__stream *stream); /* accepts null */

/* Takes over the states of `from`, a stream of the same features that may have chunks of another length: what follows
 * is what would follow there. */
void pu__stream_copy(pu__stream *to, const pu__stream *from);

/* Feature number `feature` over the next bars, at most chunk_bars; out[bars->count], NaN before its lookback. `inputs`:
 * a column for each of its inputs, null where it has none. Features may run in different threads at once. */
void pu__stream_run(pu__stream *stream, int feature, const pu_feature_chunk *bars,
                    const pu_feature_value *const *inputs, double *out);
/* After runs, in one thread: PU_ERR_CONFIG when a feature of a plug-in wrote behind its state. */
pu_status pu__stream_check(const pu__stream *stream);

#endif
