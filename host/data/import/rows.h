/* From lines to checked bars. */
#ifndef PU_HOST_DATA_IMPORT_ROWS_H
#define PU_HOST_DATA_IMPORT_ROWS_H

#include "host/data/import/layout.h"
#include "host/data/store/write.h"

/* How the rows of one file are read; fixed before the first bar is stored. */
typedef struct pu__row_rules {
    pu__layout layout;
    const pu__mapping *mapping; /* null: none; borrowed */
    int64_t head_lines;         /* before the first row: skipped ones, comments, the header */
    pu_import_stamp stamp;      /* OPEN or CLOSE */
    int64_t bar_s;              /* of the file; symbols among many have their own */
    int64_t first_bar_s;        /* of `symbol`, where the first rows are all its own; else 0 */
    bool bar_given;             /* and it is every symbol's */
    bool bar_guessed;           /* one date alone was taken as a day */
    int64_t period_s;           /* Stooq's, of the first row; 0: no column says it */
    bool descending;            /* newest row first */
    bool adjusted;              /* a column says the adjusted close */
    bool many;                  /* several symbols, each an asset */
    char symbol[64];            /* the first one of a symbol column; "" when there is none */
} pu__row_rules;

/* One row as it is read; its bar's time depends on the bar length, which may not be known yet. */
typedef struct pu__raw_row {
    int64_t line;     /* from 1; of a database the rowid, or the number of the row */
    pu__text text;    /* of the whole row, for the list of the rejected; null: words for the bar will do */
    pu__text symbol;  /* empty: no column says it; valid until the next row */
    int64_t period_s; /* 0: no column says it */
    pu__moment stamp;
    int64_t close_ts; /* INT64_MIN: to be had from the stamp */
    pu__bar bar;      /* its ts is not set */
} pu__raw_row;

typedef enum pu__row_outcome { PU__ROW_READ = 0, PU__ROW_REJECTED, PU__ROW_BLANK, PU__ROW_END } pu__row_outcome;

/* Where rows come from; `next` gives one of them. With PU__ROW_REJECTED `reason` (PU_IMPORT_REASON_BYTES) says why,
 * and line, text and (if it could be read) symbol are set. */
typedef struct pu__row_source {
    pu_status (*next)(struct pu__row_source *source, pu__raw_row *row, char *reason, pu__row_outcome *outcome);
    int64_t done; /* of the source, for the progress: bytes, or rows of a database */
} pu__row_source;

typedef struct pu__text_source {
    pu__row_source base; /* first: next casts */
    pu__lines *lines;
    const pu__row_rules *rules;
} pu__text_source;

/* Rows of a text file. Both are borrowed. */
pu__text_source pu__text_rows(pu__lines *lines, const pu__row_rules *rules);

/* The range checks of a bar, whatever its time. */
bool pu__row_check(const pu__bar *bar, char *reason);

/* The time at which a row's bar closes, for a bar length. */
bool pu__row_close(const pu__row_rules *rules, int64_t bar_s, const pu__moment *stamp, int64_t close_ts,
                   int64_t *ts, char *reason);

/* What is remembered from row to row of one symbol. */
typedef struct pu__row_state {
    bool any;
    pu__bar last; /* accepted last */
    int64_t last_line;
} pu__row_state;

typedef enum pu__row_place {
    PU__ROW_FOLLOWS = 0,
    PU__ROW_REPEATED, /* the same bar as the row before */
    PU__ROW_MISPLACED /* `reason` says why */
} pu__row_place;

/* Whether a bar may follow those before it. */
pu__row_place pu__row_follow(bool descending, pu__row_state *state, const pu__bar *bar, int64_t line,
                             char *reason);

/* Time of a row's stamp as the file writes it, in UTC seconds. Null, or what is wrong with it, to be read behind the
 * field. */
const char *pu__row_stamp(const pu__row_rules *rules, const pu__text *fields, pu__moment *out);

/* To be read behind "is not a number": what to do about a decimal comma, or nothing. mapping may be null. */
const char *pu__row_number_hint(const pu__mapping *mapping, pu__text field);

/* A comment of the mapping's kind, or nothing but blanks. */
bool pu__row_is_blank(const pu__row_rules *rules, pu__text line);

/* Seconds of a Stooq period such as "D" or "5" (minutes); 0 when it is neither. */
int64_t pu__row_period(pu__text period);

/* Within the years 1800 to 2200: a time outside is a unit mistaken for another. */
bool pu__ts_plausible(int64_t ts);

/* How far apart two rows are: the days of a weekend between two dates do not count. */
int64_t pu__row_distance(const pu__moment *a, const pu__moment *b);

/* The bar length by the distances of neighbouring rows, which are put in order; 0 where there are none. `usual_only`: 0
 * also where a few rows lie apart as bars rarely do, for a holiday or a gap may be why. */
int64_t pu__bar_of_distances(int64_t *distance, int count, bool usual_only);

#endif
