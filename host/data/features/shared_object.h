/* Shared objects of the user's: opened with all symbols resolved, and identified by the bytes of their file. */
#ifndef PU_HOST_DATA_FEATURES_SHARED_OBJECT_H
#define PU_HOST_DATA_FEATURES_SHARED_OBJECT_H

#include "plusultra/status.h"

/* The whole path, out[PATH_MAX]: a name without a slash would be looked for among the system's libraries.
 * PU_ERR_CONFIG. */
pu_status pu__object_path(const char *path, char *out);

/* SHA-256 of the file, hexadecimal. */
pu_status pu__object_hash(const char *path, char out[65]);

/* Loads `path` and finds `entry`; the caller copies *symbol into a function pointer, and closes the object with
 * dlclose. PU_ERR_CONFIG: no shared object, a symbol that is missing, no such entry. */
pu_status pu__object_open(const char *path, const char *entry, void **object, void **symbol);

#endif
