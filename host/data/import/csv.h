/* Lines of a text file in bounded memory, and the fields of a line. */
#ifndef PU_HOST_DATA_IMPORT_CSV_H
#define PU_HOST_DATA_IMPORT_CSV_H

#include <sodium.h>

#include "host/data/import/gunzip.h"
#include "host/data/import/text.h"
#include "plusultra/status.h"

enum { PU__LINE_BYTES_MAX = 64 * 1024, PU__FIELDS_MAX = 64 };

/* Reads a file once, front to back; the hash of all its bytes grows along. What gzip compressed is decompressed on
 * the way, whatever the file is called. A byte order mark is skipped, LF and CRLF end a line, the last line needs no
 * end. */
typedef struct pu__lines {
    int file;
    const char *path; /* borrowed */
    char *buffer;
    size_t begin, end;  /* unread part of the buffer */
    pu__gunzip *gunzip; /* null: a plain file */
    bool at_end;
    int64_t line;  /* number of the line returned last, from 1 */
    int64_t bytes; /* of the file read so far, as they lie on the disk */
    int64_t file_bytes;
    crypto_hash_sha256_state hash;
} pu__lines;

pu_status pu__lines_open(const char *path, pu__lines *lines);
void pu__lines_close(pu__lines *lines);

/* The next line without its end; valid until the next call. *found is false at the end of the file. PU_ERR_DATA
 * names a line above the limit. */
pu_status pu__lines_next(pu__lines *lines, pu__text *line, bool *found);

/* Looks at up to `bytes` of what is unread, without taking it: for guessing a layout. */
pu_status pu__lines_peek(pu__lines *lines, size_t bytes, pu__text *ahead);

/* Goes on behind the first `bytes` of the file, of which `lines` lines were read before, if they have this hash; else
 * the file is read from its beginning. Only while no line of it was taken, and for plain files. A last line without
 * an end must be ended by what follows. */
pu_status pu__lines_skip(pu__lines *lines, int64_t bytes, const char *sha256, int64_t line, bool *skipped);

/* Takes one line off `rest`; false when it is empty. */
bool pu__split_line(pu__text *rest, pu__text *line);

/* Splits a line at `delimiter`, trims blanks, takes a pair of quotes off. Returns the number of fields,
 * PU__FIELDS_MAX + 1 when there are more, and -1 when a quote is not closed. */
int pu__split_fields(pu__text line, char delimiter, pu__text *fields);

#endif
