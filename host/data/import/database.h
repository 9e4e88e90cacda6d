/* Rows of a table or view of another SQLite file, by symbol and time whatever order they lie in.
 *
 * The file is not trusted: it is opened by foreign.h, and names go into statements only as quoted identifiers. SQLite
 * sorts, on disk where it is much, so that memory does not grow with the file. */
#ifndef PU_HOST_DATA_IMPORT_DATABASE_H
#define PU_HOST_DATA_IMPORT_DATABASE_H

#include "host/data/import/rows.h"

typedef struct pu__database pu__database;

/* Whether the file is a database, by its first bytes. PU_ERR_NOT_FOUND, PU_ERR_IO. */
pu_status pu__database_magic(const char *path, bool *database);

/* Opens the file, finds table and columns, and fills the rules; all of what is given is borrowed, the mapping may be
 * null. `symbol` names the rows where no column does. PU_ERR_DATA: no table fits, or several do. */
pu_status pu__database_open(const char *path, const pu_import_options *options, const pu__mapping *mapping,
                            const char *symbol, pu__row_rules *rules, pu__database **out);
void pu__database_close(pu__database *table); /* accepts null */

pu__row_source *pu__database_source(pu__database *table);
crypto_hash_sha256_state *pu__database_hash(pu__database *table); /* of the rows read so far */
const int64_t *pu__database_bytes(const pu__database *table);     /* of the file */
int64_t pu__database_rows(const pu__database *table);             /* 0: unknown */
bool pu__database_stamp_assumed(const pu__database *table);

#endif
