/* From the fields of a row to checked values, by kind of series. */
#ifndef PU_HOST_DATA_ALTERNATIVE_POINTS_H
#define PU_HOST_DATA_ALTERNATIVE_POINTS_H

#include "host/data/alternative/reader.h"
#include "host/data/import/zone.h"

enum { PU__POINTS_MAX = 4 };

typedef struct pu__point {
    char name[64]; /* of the series */
    int64_t ts, published_ts;
    double value;
} pu__point;

/* What one row says: a value, or of a macro calendar up to four. */
typedef struct pu__points {
    int count;
    pu__point point[PU__POINTS_MAX];
    char symbol[64]; /* what the row's symbol column says; "" without one */
} pu__points;

/* Whether the row is one of those that options->only asks for. */
bool pu__points_wanted(const pu_series_options *options, const pu__reader_row *row);

/* False when a field fails a check; `reason` (PU_IMPORT_REASON_BYTES) says which. `zone`: options->zone; null: UTC. */
bool pu__points_read(const pu_series_options *options, const pu__zone *zone, const pu__reader_row *row,
                     pu__points *out, char *reason);

/* 1 to 63 letters, digits, '_', '-', '.'. */
pu_status pu__series_name_check(const char *name);

#endif
