/* From lines to checked bars. */
#ifndef PU_HOST_DATA_IMPORT_ROWS_H
#define PU_HOST_DATA_IMPORT_ROWS_H

#include "host/data/import/layout.h"
#include "host/data/store/write.h"

/* How the rows of one file are read; fixed before the first bar is stored. */
typedef struct pu__row_rules {
    pu__layout layout;
    pu_import_stamp stamp; /* OPEN or CLOSE */
    int64_t bar_s;
    bool descending; /* newest row first */
    char symbol[64]; /* what a ticker column must say; "" when there is none */
} pu__row_rules;

/* What is remembered from row to row. */
typedef struct pu__row_state {
    bool any;
    pu__bar last; /* accepted last */
    int64_t last_line;
} pu__row_state;

typedef enum pu__row_outcome {
    PU__ROW_BAR = 0,
    PU__ROW_REPEATED, /* the same bar as the row before */
    PU__ROW_REJECTED,
    PU__ROW_BLANK /* an empty line: no row at all */
} pu__row_outcome;

/* Reads one line; with PU__ROW_REJECTED `reason` (PU_IMPORT_REASON_BYTES) says why. */
pu__row_outcome pu__row_read(const pu__row_rules *rules, pu__row_state *state, pu__text line, int64_t line_number,
                             pu__bar *bar, char *reason);

/* Time of a row's stamp as the file writes it, in UTC seconds; for measuring the distance between rows. */
bool pu__row_stamp(const pu__layout *layout, const pu__text *fields, pu__moment *out);

/* Seconds of a Stooq period such as "D" or "5" (minutes); 0 when it is neither. */
int64_t pu__row_period(pu__text period);

/* Within the years 1800 to 2200: a time outside is a unit mistaken for another. */
bool pu__ts_plausible(int64_t ts);

/* Bars of a month are as long as their month. */
bool pu__bar_is_month(int64_t bar_s);

#endif
