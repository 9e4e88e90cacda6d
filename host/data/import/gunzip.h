/* gzip (RFC 1952) as a stream: members one after the other are one text, and nothing may stand behind the last. */
#ifndef PU_HOST_DATA_IMPORT_GUNZIP_H
#define PU_HOST_DATA_IMPORT_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "plusultra/status.h"

typedef struct pu__gunzip pu__gunzip;

/* Whether a file that begins with these bytes is compressed; its name does not matter. */
bool pu__gunzip_magic(const void *head, size_t bytes);

/* `path` is for messages, borrowed. */
pu_status pu__gunzip_open(const char *path, pu__gunzip **out);
void pu__gunzip_close(pu__gunzip *gunzip); /* accepts null */

/* Where the next compressed bytes go, and how many of them there came; 0 is the file's end. To be asked for only
 * when pu__gunzip_hungry. */
bool pu__gunzip_hungry(const pu__gunzip *gunzip);
void *pu__gunzip_space(pu__gunzip *gunzip, size_t *bytes);
void pu__gunzip_fed(pu__gunzip *gunzip, size_t bytes);

/* Fills up to `capacity` bytes of `out`; *got may be 0 while it is hungry. *ended: the text is complete and its
 * checksum right. PU_ERR_DATA: damaged, cut short, or followed by something else. */
pu_status pu__gunzip_take(pu__gunzip *gunzip, void *out, size_t capacity, size_t *got, bool *ended);

#endif
