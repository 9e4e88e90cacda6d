/* The checks of one suite at work on one asset after another.
 *
 * Invariants:
 *  1. Watches stand by kind and, within a kind, from the most severe check down: what a stronger one reported at a time
 *     a weaker one keeps to itself.
 *  2. Memory: one state per check, findings bounded per check and asset; nothing grows with the bars. */
#ifndef PU_HOST_DATA_VALIDATE_INSPECT_H
#define PU_HOST_DATA_VALIDATE_INSPECT_H

#include "host/data/validate/kinds.h"
#include "host/data/validate/suite.h"

enum { PU__HABIT_BARS = 60, PU__HABIT_BARS_MIN = 20 };

/* What all suites of one validation add to. */
typedef struct pu__findings {
    pu_validation *out;
    int64_t capacity, samples;
    bool blocks;      /* feature blocks are looked at */
    int64_t first;    /* the current asset's first finding */
    pu_status status; /* once it is a failure, adding does nothing */
} pu__findings;

typedef struct pu__watch {
    const pu__check *check;
    struct pu__watch *stronger; /* the next more severe check of this kind at work on the asset; null: none */
    struct pu__inspector *inspector;
    void *state;
    int result;
    bool active;
    bool has_reported; /* of the current asset */
    int64_t reported_ts, reports;
} pu__watch;

/* Absolute returns of the last bars, sorted beside their order of arrival. */
typedef struct pu__habit {
    double sorted[PU__HABIT_BARS], arrived[PU__HABIT_BARS];
    int count, oldest;
} pu__habit;

typedef struct pu__inspector {
    const pu__suite *suite;
    pu__findings *findings;
    pu__watch *watch;     /* [suite->count] */
    pu__watch **each_bar; /* those that see every bar of the current asset */
    int each_bar_count;
    char *states;
    size_t states_bytes;
    pu__habit habit;
    pu__sight sight;
    pu__bar bar, previous;
} pu__inspector;

/* Adds the suite's checks to the results. */
pu_status pu__inspector_open(const pu__suite *suite, pu__findings *findings, pu__inspector *out);
void pu__inspector_close(pu__inspector *inspector); /* accepts a zeroed one */

void pu__inspector_begin(pu__inspector *inspector, const pu_asset *asset, const pu_asset *benchmark);
/* Bars in the order in which they are stored. */
void pu__inspector_bar(pu__inspector *inspector, const pu__bar *bar, bool has_action, bool benchmark_has_bar);
void pu__inspector_end(pu__inspector *inspector);

/* The checks of the store as a whole; findings of no asset. */
pu_status pu__inspector_store(pu__inspector *inspector, pu_store *store);

/* `rows` failed rows, told by one finding at `ts`; bar may be null. */
void pu__report(pu__watch *watch, int64_t ts, const pu__bar *bar, int64_t rows, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Failed rows that are within what the check allows. */
void pu__tolerate(pu__watch *watch, int64_t rows);
/* Rows looked at by a check of the whole store. */
void pu__looked_at(pu__watch *watch, int64_t rows);

static inline double pu__value(const pu__watch *watch, int parameter) { return watch->check->value[parameter]; }

#endif
