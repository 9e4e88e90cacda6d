/* A file that grew: what was imported of it is not parsed again.
 *
 * Where an import ended is kept (table import_ends). A later file of the same asset that begins with exactly the
 * bytes that were imported, by their SHA-256, is read on from there, when its rows are read by the same rules and the
 * asset's bars are what they were. Then every row before that place is known to be stored, or to be rejected for the
 * reason that is recorded: what comes out is what parsing it all would give.
 *
 * Invariants:
 *  1. An end is kept only of an import that reading the file again would find unchanged: none of its rows met another
 *     bar in the store, and all of its rejected rows are listed.
 *  2. An end counts only while its seal fits: a hash of the import, its rejected rows and the end itself. */
#ifndef PU_HOST_DATA_IMPORT_RESUME_H
#define PU_HOST_DATA_IMPORT_RESUME_H

#include "host/data/import/record.h"
#include "host/data/import/rows.h"

/* Where the reading of a file stands. */
typedef struct pu__file_end {
    int64_t lines;
    pu__row_state state;
} pu__file_end;

typedef struct pu__resume {
    bool found;
    int64_t bytes; /* that were imported before */
    char sha256[65];
    int64_t rows_read, rows_rejected;
    int64_t first_ts, last_ts; /* of the accepted rows */
    int64_t saturday_bars;     /* among them: a class that was guessed is doubted by these */
    pu__file_end end;
    pu__record_list rejects;
} pu__resume;

/* Whether ends are kept of such files: one asset, oldest row first, without a mapping, not compressed. */
bool pu__resume_possible(const pu__row_rules *rules, bool compressed);

/* The longest import of this asset that a file of `file_bytes` may go on from; its bytes are for the caller to
 * compare. */
pu_status pu__resume_find(pu_store *store, const char *symbol, const pu__row_rules *rules, int64_t file_bytes,
                          pu__resume *out);
void pu__resume_free(pu__resume *resume);

/* Keeps where an import ended, of which row and rejected rows are recorded. */
pu_status pu__resume_record(pu_store *store, int64_t import_id, const pu__row_rules *rules,
                            const pu_import_symbol *counts, int64_t saturday_bars, const pu__file_end *end);

#endif
