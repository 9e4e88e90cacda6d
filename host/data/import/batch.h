/* Reads a file on a thread of its own, so that reading, hashing and parsing go on while SQLite inserts.
 *
 * Invariants:
 *  1. Two batches pass to and fro: one side owns each at any time, and they change hands in file order.
 *  2. What comes out depends on the file and the rules alone, not on which side is faster. */
#ifndef PU_HOST_DATA_IMPORT_BATCH_H
#define PU_HOST_DATA_IMPORT_BATCH_H

#include "host/data/import/rows.h"

enum { PU__BATCH_ROWS = 4096, PU__BATCH_REJECTS = 256 };

typedef struct pu__batch {
    int64_t bars;
    int64_t repeated; /* rows equal to the row before them */
    int rejects;
    bool last;        /* nothing follows */
    pu_status status; /* of the reading, with `message`; the batch's rows before it are good */
    int64_t bytes;    /* of the file read so far */
    char message[512];
    pu__bar bar[PU__BATCH_ROWS];
    int64_t line[PU__BATCH_ROWS];
    pu_import_reject reject[PU__BATCH_REJECTS];
} pu__batch;

typedef struct pu__batch_reader pu__batch_reader;

/* Takes over reading of `lines`, which stays the caller's to close after pu__batch_reader_close. */
pu_status pu__batch_reader_open(pu__lines *lines, const pu__row_rules *rules, pu__batch_reader **out);

/* Waits for the next batch and gives the one before back. Not to be called after a batch that is the last. */
const pu__batch *pu__batch_next(pu__batch_reader *reader);

/* Stops and joins the thread; accepts null. */
void pu__batch_reader_close(pu__batch_reader *reader);

/* Fills one rejection. */
void pu__reject_set(pu_import_reject *reject, int64_t line, const char *reason, pu__text text);

#endif
