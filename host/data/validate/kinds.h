/* The kinds of checks: what each looks for, its parameters, and the function that sees an asset bar by bar. */
#ifndef PU_HOST_DATA_VALIDATE_KINDS_H
#define PU_HOST_DATA_VALIDATE_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "host/data/store/write.h"
#include "plusultra/validate.h"

enum { PU__PARAMETERS_MAX = 4 };

/* What is counted as checked and unexpected. */
typedef enum pu__unit { PU__UNIT_BARS = 0, PU__UNIT_ASSETS, PU__UNIT_REFERENCES, PU__UNIT_BLOCKS } pu__unit;

typedef struct pu__parameter {
    const char *name;
    double fallback, low, high;
    const char *help;
} pu__parameter;

typedef struct pu__check {
    char name[PU_CHECK_NAME_BYTES];
    const struct pu__check_kind *kind;
    pu_severity severity;
    bool enabled;
    double value[PU__PARAMETERS_MAX];
    int symbol_count; /* 0: all */
    const char *const *symbol;
    int64_t symbols_line;
} pu__check;

/* One bar in its place. */
typedef struct pu__sight {
    const pu_asset *asset;
    int64_t index;
    const pu__bar *bar;
    const pu__bar *previous; /* null at index 0 */
    double log_return;       /* of adjusted closes; NaN where there is none */
    double habit;    /* 1.4826 times the median of the last 60 absolute log returns before this bar, a normal's
                              * deviation; 0 with fewer than 20 of them */
    bool has_action; /* a corporate action takes effect between the previous bar and this one */
    const pu_asset *benchmark; /* null: none of this bar length, or the asset itself */
    bool benchmark_has_bar;    /* at the same time */
} pu__sight;

struct pu__watch;

typedef struct pu__check_kind {
    const char *name;
    const char *finds; /* a sentence or two for the reference */
    pu__unit unit;
    int parameter_count;
    pu__parameter parameter[PU__PARAMETERS_MAX];
    size_t state_bytes; /* zeroed before an asset's first bar */
    void (*bar)(struct pu__watch *watch, const pu__sight *sight);
    void (*end)(struct pu__watch *watch, const pu__sight *last);  /* last->bar is null when there are no bars */
    pu_status (*store)(struct pu__watch *watch, pu_store *store); /* once, for the store as a whole */
} pu__check_kind;

int pu__check_kind_count(void);
const pu__check_kind *pu__check_kind_at(int index); /* in the order of the reference */
const pu__check_kind *pu__check_kind_find(const char *name);
const char *pu__unit_name(pu__unit unit); /* "bars" */

#endif
