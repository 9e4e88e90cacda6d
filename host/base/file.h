/* Files: whole reads with a bound, and replacement that a crash cannot tear. */
#ifndef PU_HOST_BASE_FILE_H
#define PU_HOST_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "plusultra/status.h"

/* Reads a whole file into pu_calloc memory with a zero byte behind it. PU_ERR_NOT_FOUND, PU_ERR_IO, PU_ERR_DATA
 * when it is longer than `bytes_max`. */
pu_status pu__file_read(const char *path, size_t bytes_max, char **data, size_t *bytes);

/* Writes a temporary file beside `path`, syncs it, renames it over `path`, syncs the folder: after a crash the old
 * content or the new one is there. On failure the temporary file is removed and `path` is as before. */
pu_status pu__file_replace(const char *path, const void *data, size_t bytes);

/* The same for what is written piece by piece to `stream`: begun, then either ended or dropped. Ending reports what
 * failed on the way; dropping one that was ended, or never begun, does nothing. */
enum { PU__FILE_PATH_BYTES = 4096 };
typedef struct pu__new_file {
    FILE *stream;
    char path[PU__FILE_PATH_BYTES], temporary[PU__FILE_PATH_BYTES];
} pu__new_file;
pu_status pu__file_begin(const char *path, pu__new_file *out);
pu_status pu__file_end(pu__new_file *file);
void pu__file_drop(pu__new_file *file);

/* Takes a lock that the process holds until it closes *file or ends, however it ends; the empty file stays. PU_ERR_IO
 * when another process holds it. */
pu_status pu__file_lock(const char *path, int *file);

/* mkdir -p. */
pu_status pu__folder_make(const char *path);

/* Bytes from `offset` on, fewer only at the file's end: a read may be interrupted or give a part. -1 with errno set. */
int64_t pu__read_at(int file, int64_t offset, void *data, size_t bytes);

#endif
