/* A temporary file without a name, for what is computed before it is used and need not fit into memory. It is gone
 * when it is closed, or the process ends. */
#ifndef PU_HOST_DATA_FEATURES_SPOOL_H
#define PU_HOST_DATA_FEATURES_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "plusultra/status.h"

typedef struct pu__spool {
    int descriptor; /* -1: closed */
} pu__spool;

/* In $TMPDIR, else /var/tmp, else /tmp. */
pu_status pu__spool_open(pu__spool *out);
void pu__spool_close(pu__spool *spool);

/* Any place, in any order; from several threads at once. PU_ERR_IO says what to do. */
pu_status pu__spool_write(const pu__spool *spool, int64_t offset, const void *data, size_t bytes);
/* What was written there. */
pu_status pu__spool_read(const pu__spool *spool, int64_t offset, void *data, size_t bytes);

#endif
