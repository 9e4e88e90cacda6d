/* Rows of a file of series, one interface over three kinds of file: CSV, JSON lines, a table of a SQLite file. CSV and
 * JSON lines may be compressed as the importer of bars reads them. A row is its fields as text, whatever the file
 * holds them as, so that numbers and times are read by one set of rules. */
#ifndef PU_HOST_DATA_ALTERNATIVE_READER_H
#define PU_HOST_DATA_ALTERNATIVE_READER_H

#include "host/data/alternative/columns.h"
#include "host/data/import/csv.h"
#include "plusultra/import.h"

typedef struct pu__reader_row {
    int64_t line;                       /* of the file, or row of the table, from 1 */
    pu__text field[PU__FIELD_COUNT];    /* data is null where the row has no such field */
    pu__text text;                      /* the row as it stands, for the list of rejected rows */
    char error[PU_IMPORT_REASON_BYTES]; /* why the row cannot be read; "" if it can */
} pu__reader_row;

typedef struct pu__reader pu__reader;
struct pu__reader {
    const char *format; /* csv, sqlite, jsonl */
    /* The next row, valid until the next call; *found is false behind the last. A failure ends the file. */
    pu_status (*next)(pu__reader *reader, pu__reader_row *row, bool *found);
    /* Size of the file and SHA-256 of its bytes, when the last row has been read. */
    pu_status (*finish)(pu__reader *reader, int64_t *bytes, char sha256[65]);
    void (*close)(pu__reader *reader);
};

/* Opens a file by its content and checks that it has the columns it needs. Close with (*out)->close. PU_ERR_DATA names
 * what is missing and what to do. */
pu_status pu__reader_open(const char *path, const pu__columns *columns, const pu_series_options *options,
                          pu__reader **out);

/* The three behind it; the first two take `lines` over when they succeed. */
pu_status pu__csv_open(pu__lines *lines, const pu__columns *columns, const pu_series_options *options,
                       pu__reader **out);
pu_status pu__jsonl_open(pu__lines *lines, const pu__columns *columns, const pu_series_options *options,
                         pu__reader **out);
pu_status pu__table_open(const char *path, const pu__columns *columns, const pu_series_options *options,
                         pu__reader **out);

/* Fills a row's reason. */
void pu__reader_refuse(pu__reader_row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
