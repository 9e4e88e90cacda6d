/* The symbols of one file. Each has its own bar length and order of rows, which its first rows tell: until then they
 * are held back.
 *
 * Invariants:
 *  1. A series never moves, and `symbol`, `bar_s` and `guessed` never change once it is settled: another thread may
 *     read these of a series of which it was handed a bar.
 *  2. Memory is bounded: at most PU__SERIES_MAX series, PU__HELD_ROWS rows held for each. */
#ifndef PU_HOST_DATA_IMPORT_SERIES_H
#define PU_HOST_DATA_IMPORT_SERIES_H

#include "host/data/import/rows.h"

enum { PU__SERIES_MAX = 65536, PU__SERIES_BLOCK = 256, PU__HELD_ROWS = 32 };

typedef struct pu__held_row {
    int64_t line;
    pu__moment stamp;
    int64_t close_ts;
    pu__bar bar;
} pu__held_row;

typedef struct pu__series {
    char symbol[64];
    int64_t period_s; /* what its rows say; 0: nothing */
    int64_t bar_s;
    bool guessed; /* one date alone was taken as a day */
    bool settled, descending;
    pu__row_state state;
    int held_count;
    pu__held_row *held; /* [PU__HELD_ROWS] until it is settled */
} pu__series;

typedef struct pu__series_table {
    pu__series *block[PU__SERIES_MAX / PU__SERIES_BLOCK];
    int count;
    int last;       /* found last: neighbours are often the same */
    int *slot;      /* index + 1 by the hash of the name, 0: free */
    size_t slots;   /* a power of two */
} pu__series_table; /* zeroed to begin with */

void pu__series_free(pu__series_table *table);
pu__series *pu__series_at(const pu__series_table *table, int index);

/* The series of a symbol and period, made if it is new; *index is -1 and `reason` set when the name cannot be an
 * asset's, or there are too many. */
pu_status pu__series_find(pu__series_table *table, pu__text symbol, int64_t period_s, int *index, char *reason);

/* Makes the only series of a file, settled. */
pu_status pu__series_single(pu__series_table *table, const pu__row_rules *rules);

/* Finds bar length and order from the held rows. */
void pu__series_settle(pu__series *series, const pu__row_rules *rules);
/* The held rows were placed. */
void pu__series_release(pu__series *series);
pu_status pu__series_hold(pu__series *series, const pu__raw_row *row);

/* "open 1 high 2 ...": what is listed of a row whose text is gone. Returns its length. */
int pu__bar_text(const pu__bar *bar, size_t capacity, char *out);

#endif
