/* What a column means. */
#ifndef PU_HOST_DATA_IMPORT_ROLE_H
#define PU_HOST_DATA_IMPORT_ROLE_H

#include "host/data/import/text.h"

typedef enum pu__role {
    PU__ROLE_DATE = 0, /* a date, a date with a clock time, or an epoch */
    PU__ROLE_CLOCK,    /* the clock time beside a date */
    PU__ROLE_OPEN,
    PU__ROLE_HIGH,
    PU__ROLE_LOW,
    PU__ROLE_CLOSE,
    PU__ROLE_ADJUSTED,
    PU__ROLE_VOLUME,
    PU__ROLE_SYMBOL,
    PU__ROLE_PERIOD,
    PU__ROLE_CLOSE_TIME,
    PU__ROLE_COUNT
} pu__role;

extern const char *const pu__role_name[PU__ROLE_COUNT];

/* The role a column of this name has by itself; -1: none. */
int pu__role_of(pu__text name);

#endif
