/* What the columns of a file of series mean: CSV headers, JSON keys and SQLite columns alike. */
#ifndef PU_HOST_DATA_ALTERNATIVE_COLUMNS_H
#define PU_HOST_DATA_ALTERNATIVE_COLUMNS_H

#include "host/data/import/text.h"
#include "plusultra/alternative.h"

typedef enum pu__field {
    PU__FIELD_TIME = 0,
    PU__FIELD_PUBLISHED,
    PU__FIELD_VALUE, /* a regime's label, too */
    PU__FIELD_SYMBOL,
    PU__FIELD_SERIES,
    PU__FIELD_EVENT,
    PU__FIELD_ACTUAL,
    PU__FIELD_FORECAST,
    PU__FIELD_PREVIOUS,
    PU__FIELD_ANNOUNCED,
    PU__FIELD_SETTLED, /* Binance's funding time: the value is of that moment and known from it on */
    PU__FIELD_COUNT
} pu__field;

extern const char *const pu__field_name[PU__FIELD_COUNT];

typedef struct pu__columns {
    pu_series_kind kind;
    char named[PU__FIELD_COUNT][64]; /* the user's name for a field's column; "" where the usual names count */
} pu__columns;

/* `list`: null, a header, or "time=observation_date,value=GDP". */
pu_status pu__columns_make(pu_series_kind kind, const char *list, pu__columns *out);

/* The field that users call so: -1 when there is none. */
int pu__columns_find(const pu__columns *columns, const char *field);

/* Names the column of one field; PU_ERR_CONFIG when it is unknown or has a name, `where` begins the message. */
pu_status pu__columns_name(pu__columns *columns, const char *where, const char *field, const char *column);

/* Whether the list is the header of a file without one. */
bool pu__columns_is_header(const char *list);

/* The field that a column of that name holds; -1 when it is none of interest. */
int pu__columns_field(const pu__columns *columns, pu__text name);

/* What a file with these columns lacks; `has` is a bit per field, `seen` shows the user what there is. PU_ERR_DATA. */
pu_status pu__columns_check(const pu__columns *columns, const pu_series_options *options, const char *path,
                            unsigned has, pu__text seen);

#endif
