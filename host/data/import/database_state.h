/* What database.c opens and database_rows.c reads. */
#ifndef PU_HOST_DATA_IMPORT_DATABASE_STATE_H
#define PU_HOST_DATA_IMPORT_DATABASE_STATE_H

#include <sqlite3.h>

#include "host/data/import/database.h"

enum { PU__DATABASE_NAME_BYTES = 256 };

struct pu__database {
    pu__row_source source; /* first: next casts */
    const char *path;
    const pu_import_options *options;
    const pu__mapping *mapping;
    sqlite3 *db;
    sqlite3_stmt *query;
    char name[PU__DATABASE_NAME_BYTES];
    char column[PU__ROLE_COUNT][PU__DATABASE_NAME_BYTES]; /* "": none */
    char symbol[64];                                      /* of all rows, where no column says it */
    bool has_rowid;
    bool in_order;      /* the rows lie by symbol and time: they are read as they lie */
    sqlite3_stmt *hold; /* open from beginning to end, so that all queries see the same state of the file */
    bool stamp_assumed;
    int64_t rows, bytes;
    crypto_hash_sha256_state hash;
    size_t unhashed_bytes; /* gathered, for hashing goes by whole blocks */
    unsigned char unhashed[4096];
    char text[PU_IMPORT_TEXT_BYTES + 1]; /* of the row read last */
};

/* Columns of the query. */
enum {
    PU__DATABASE_SYMBOL = 0,
    PU__DATABASE_TIME, /* by the SQL function; where the rows are in order, the clock column or NULL */
    PU__DATABASE_ROWID,
    PU__DATABASE_DATE, /* as it is stored, for messages */
    PU__DATABASE_OPEN, /* then high, low, close, adjusted, volume */
    PU__DATABASE_COLUMNS = PU__DATABASE_OPEN + 6
};

/* Makes pu_import_time(date, clock) known: twice the UTC seconds of a stamp, plus one for a date alone; NULL when it is
 * not understood. */
pu_status pu__database_register_time(pu__database *table);

/* Whether the rows of a query for symbol (or a constant), date and perhaps clock come in the order of symbol and
 * time. */
pu_status pu__database_in_order(const pu__database *table, sqlite3_stmt *query, bool *in_order);

/* The next row of the query. */
pu_status pu__database_next(pu__row_source *source, pu__raw_row *row, char *reason, pu__row_outcome *outcome);

#endif
