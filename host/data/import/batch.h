/* Reads a source on a thread of its own, so that reading, hashing and parsing go on while SQLite inserts.
 *
 * Invariants:
 *  1. Two batches pass to and fro: one side owns each at any time, and they change hands in the order of the source.
 *  2. What comes out depends on the source and the rules alone, not on which side is faster.
 *  3. The bars of one series come in the order of its rows; those of different series may change places. */
#ifndef PU_HOST_DATA_IMPORT_BATCH_H
#define PU_HOST_DATA_IMPORT_BATCH_H

#include "host/data/import/series.h"

enum { PU__BATCH_ROWS = 4096, PU__BATCH_REJECTS = 256, PU__BATCH_LINES = 1 << 18 };

typedef struct pu__batch {
    int64_t bars;
    int64_t rows; /* bars, repeated and rejected ones */
    int rejects;
    bool mixed;       /* the bars are of more than one series */
    bool last;        /* nothing follows */
    pu_status status; /* of the reading, with `message`; the batch's rows before it are good */
    int64_t done;     /* of the source so far: bytes, or rows */
    char message[512];
    pu__bar bar[PU__BATCH_ROWS];
    int64_t line[PU__BATCH_ROWS];
    int series[PU__BATCH_ROWS];
    int repeats;
    int repeated[PU__BATCH_ROWS]; /* the series of each row that is equal to the row before it */
    pu_import_reject reject[PU__BATCH_REJECTS];
    int reject_series[PU__BATCH_REJECTS]; /* -1: its symbol could not be read */
} pu__batch;

typedef struct pu__batch_reader pu__batch_reader;

/* Takes over reading of `source`, which stays the caller's to close after pu__batch_reader_close. `before`: the state
 * of a file of one series whose first rows were read before; null: none were. */
pu_status pu__batch_reader_open(pu__row_source *source, const pu__row_rules *rules, const pu__row_state *before,
                                pu__batch_reader **out);

/* Waits for the next batch and gives the one before back. Not to be called after a batch that is the last. */
const pu__batch *pu__batch_next(pu__batch_reader *reader);

/* Symbol and bar length of a series of which a bar came; nothing else of it may be looked at. */
const pu__series *pu__batch_series(const pu__batch_reader *reader, int index);

/* What was read last of a file's only series; to be asked for after the last batch. */
pu__row_state pu__batch_state(const pu__batch_reader *reader);

/* Stops and joins the thread; accepts null. */
void pu__batch_reader_close(pu__batch_reader *reader);

/* Fills one rejection. */
void pu__reject_set(pu_import_reject *reject, int64_t line, const char *reason, pu__text text);

#endif
