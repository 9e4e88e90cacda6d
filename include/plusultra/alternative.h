/* Alternative data: series that are not bars - macro figures, on-chain metrics, funding rates, sentiment - and named
 * regimes of the market. Every value carries the time it is about and the time it was published; a revision is a
 * further value with the same time and a later publication, and what was known before stays.
 *
 * What is known at time T: among the values with published <= T and time <= T the one with the largest time and, of
 * these, the latest publication. It is missing once T - published exceeds the series' limit. */
#ifndef PLUSULTRA_ALTERNATIVE_H
#define PLUSULTRA_ALTERNATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_series_kind {
    PU_SERIES_MACRO = 0,
    PU_SERIES_ONCHAIN,
    PU_SERIES_FUNDING,
    PU_SERIES_SENTIMENT,
    PU_SERIES_OTHER,
    PU_SERIES_REGIME, /* labels in the table regimes */
    PU_SERIES_KINDS
} pu_series_kind;
const char *pu_series_kind_name(pu_series_kind kind); /* "macro", ..., "regime" */

typedef struct pu_series {
    int64_t asset_id; /* 0: the whole market's */
    char name[64];
    char symbol[64]; /* "" where asset_id is 0 */
    pu_series_kind kind;
    char unit[32];
    int64_t stale_after_s; /* 0: never, as a regime */
    int64_t rows;
    int64_t first_published_ts, last_published_ts;
} pu_series;

/* All series, ordered by name and then symbol, the market's first; or those called `name`. NOT_FOUND names the nearest
 * when none is called so. Free *out with pu_free. */
pu_status pu_series_list(pu_store *store, const char *name, int *count, pu_series **out);

/* One value of a series. */
typedef struct pu_series_point {
    bool found;
    int64_t ts, published_ts;
    double value;
    int64_t vintage, vintages; /* this is the vintage-th publication for ts, of so many in the store */
} pu_series_point;

typedef struct pu_series_view {
    pu_series_point known; /* what is known at T */
    int64_t age_s;         /* T - known.published_ts */
    bool stale;            /* older than the series allows: a feature gets a missing value */
    pu_series_point ahead; /* the next that is announced: the smallest ts > T with published_ts <= T */
    char identity
        [256]; /* equal contents have equal text; features over the series are built anew when it changes */
} pu_series_view;

/* What is known of one series at time T, in UTC seconds. */
pu_status pu_series_at(pu_store *store, const pu_series *series, int64_t T, pu_series_view *out);

#ifdef __cplusplus
}
#endif
#endif
