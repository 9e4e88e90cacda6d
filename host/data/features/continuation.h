/* The features of bars that follow the history and are in no store: what the blocks would hold if they were, bit for
 * bit.
 *
 * The history of all members is run through once. The states in which it leaves the features are where any number of
 * continuations begin, and each of these costs its own bars only. All members that go on have their bars at the same
 * times; the others have ended, and are no part of the universe or of a cross-section. Alternative series and regimes
 * stay as they were last known, and age. */
#ifndef PU_HOST_DATA_FEATURES_CONTINUATION_H
#define PU_HOST_DATA_FEATURES_CONTINUATION_H

#include "host/data/features/sets.h"
#include "plusultra/pool.h"

typedef struct pu__continuation pu__continuation;

typedef struct pu__continuation_options {
    int64_t until_ts;    /* the history's last moment: nothing that closed or was published later is seen */
    int64_t bars;        /* of a continuation */
    const int64_t *ts;   /* [bars] their closes, increasing, after until_ts */
    const bool *goes_on; /* [member_count of the plan] */
    pu_pool *pool;       /* null: one thread */
} pu__continuation_options;

/* Reads over `store`, which is the plan's or another connection to it; the plan is borrowed. PU_ERR_DATA: a member that
 * goes on has no bar at until_ts. */
pu_status pu__continuation_open(const pu__plan *plan, pu_store *store, const pu__continuation_options *options,
                                pu__continuation **out);
void pu__continuation_close(pu__continuation *continuation); /* accepts null */

/* The adjusted close of a member's last bar. */
double pu__continuation_last(const pu__continuation *continuation, int member);

/* What one thread needs to run continuations. */
typedef struct pu__continuation_room pu__continuation_room;
pu_status pu__continuation_room_open(const pu__continuation *continuation, pu__continuation_room **out);
void pu__continuation_room_close(pu__continuation_room *room); /* accepts null */

/* One continuation. bars: [member_count], each of so many bars as the options said, in adjusted prices (`adjusted` is
 * `close`); those of members that have ended are not looked at. benchmark [bars]: adjusted closes of the benchmark at
 * the same times; null where the plan has none. Writes, for each of the plan's asset_count assets that goes on, rows of
 * features[asset][bars][features] and sigma[asset][bars]. PU_ERR_DATA names feature, input, asset and time of a value
 * that is missing or not finite. */
pu_status pu__continuation_run(pu__continuation_room *room, const pu_bars *bars, const double *benchmark,
                               float *features, float *sigma);

#endif
