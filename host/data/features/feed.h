/* One asset's bars from the store, as features see them: adjusted columns and the inputs beside them. */
#ifndef PU_HOST_DATA_FEATURES_FEED_H
#define PU_HOST_DATA_FEATURES_FEED_H

#include "host/data/features/sets.h"
#include "host/data/features/stream.h"

/* A chunk of bars with the inputs of the plan; columns of inputs that nobody reads here are the owner's to fill. */
typedef struct pu__slice {
    pu__columns columns;
    pu_feature_value *input; /* [inputs][capacity]; owned */
} pu__slice;

pu_status pu__slice_open(const pu__plan *plan, int64_t capacity, pu__slice *out);
void pu__slice_close(pu__slice *slice); /* accepts a zeroed one */
static inline pu_feature_value *pu__slice_input(const pu__slice *slice, int input) {
    return slice->input + input * slice->columns.capacity;
}

/* Feature number `feature` of the plan over a slice, by number `place` of `stream`. */
void pu__slice_run(const pu__plan *plan, int feature, pu__stream *stream, int place, const pu__slice *slice,
                   double *out);

typedef struct pu__feed {
    const pu__plan *plan; /* borrowed */
    pu__bar_cursor cursor;
    pu__adjust adjust;
    pu__input_reader *reader; /* [inputs] */
    const pu_bars *bars;      /* read and not all taken; null before the first */
    int64_t next;
} pu__feed;

/* Over `store`, which is the plan's or another connection to it; nothing after until_ts is seen. crossed_only: no
 * other inputs than those of cross-sectional features. */
pu_status pu__feed_open(const pu__plan *plan, pu_store *store, int asset, int64_t until_ts, int64_t chunk_bars,
                        bool crossed_only, pu__feed *out);
void pu__feed_close(pu__feed *feed); /* accepts a zeroed one */

/* Reads ahead where everything was taken: *last_ts is that of the last bar at hand, *ended says that there is none. */
pu_status pu__feed_peek(pu__feed *feed, int64_t *last_ts, bool *ended);
/* The bars at hand up to to_ts, which pu__feed_peek made sure of. */
pu_status pu__feed_take(pu__feed *feed, int64_t to_ts, pu__slice *out);

#endif
