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

#include "plusultra/import.h"
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

#define PU_SERIES_LIMIT_S_MAX (36500LL * 86400) /* of stale_after_s */
#define PU_SERIES_LAG_S_MAX (3650LL * 86400)    /* of published_lag_s */

/* "300", "5m", "1h", "1d", "1w" in seconds; false for anything else, below 0 or above `most_s`. */
bool pu_series_length(const char *text, int64_t most_s, int64_t *seconds);

/* Zeros mean: the kind's usual. */
typedef struct pu_series_options {
    /* Of the series or the regime: letters, digits, '_', '-' and '.'. A file with a column of series or events fills
     * several, "<name>_<what the column says>"; a macro calendar also "..._forecast", "..._previous" and
     * "..._surprise", actual - forecast. */
    const char *name;
    pu_series_kind kind;
    /* Only the rows of which the column of series or events says this, as the series `name` itself; null: all. */
    const char *only;
    const char *symbol; /* the asset; null: the file's symbol column, else the whole market's */
    const char *unit;   /* null: none */
    int64_t
        stale_after_s; /* 0: macro 100 days, on-chain 3 days, funding 1 day, sentiment 3 days; other has none */
    /* A file without publication times is refused, unless this says how long after its time a value is known. A date
     * without a clock time is known at the end of its day at the earliest. */
    bool has_published_lag;
    int64_t published_lag_s;
    const char *zone; /* of times that do not say theirs: "America/New_York", "+02:00"; null: UTC */
    /* Columns that are called something else, "time=observation_date,value=GDP"; or the header of a CSV file that has
     * none, "time,published,value". */
    const char *columns;
    const char *mapping; /* a YAML file that says what is not said here; see docs/data.md */
    const char *table;   /* of a SQLite file; null: its only one */
    bool replace;        /* a value that differs from the stored one of the same two times takes its place */
    bool dry_run;        /* everything is done and taken back: the result says what would be stored */
    /* A file of which a larger share of rows is rejected is refused as a whole. Null: as for bars, more than 20 rows
     * and more than a tenth. */
    const double *rejected_ratio_max;
} pu_series_options;

/* rows_read = rows_added + rows_unchanged + rows_replaced + rows_rejected. */
typedef struct pu_series_result {
    char format[8]; /* csv, sqlite, jsonl */
    int64_t bytes;
    char sha256[65];
    int64_t rows_read, rows_added, rows_unchanged, rows_replaced, rows_rejected;
    int series;                                    /* that the rows went to */
    int64_t first_published_ts, last_published_ts; /* of the accepted rows */
    double seconds;
    int rejects_shown;
    pu_import_reject rejects[PU_IMPORT_REJECTS_SHOWN]; /* the first ones; all are in alternative_rejected_rows */
} pu_series_result;

/* Imports a CSV file, JSON lines or a table of a SQLite file, by content. One transaction: all or nothing, and the
 * same file again changes nothing. A row with the same time and a later publication is a revision and adds to what is
 * stored; another value for the same two times is rejected unless options->replace. PU_ERR_DATA: a column is missing,
 * no publication times, no usable row, or a series that is stored with another kind, unit or limit; the message names
 * file, line and remedy. */
pu_status pu_series_import(pu_store *store, const char *path, const pu_series_options *options,
                           pu_series_result *result);

#ifdef __cplusplus
}
#endif
#endif
