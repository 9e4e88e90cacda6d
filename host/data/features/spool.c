#define _GNU_SOURCE
#include "host/data/features/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* File systems without O_TMPFILE get a file whose name is taken away at once. */
static int open_in(const char *folder) {
    const int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return descriptor;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/plusultra-XXXXXX", folder) >= (int)sizeof path) return -1;
    const int named = mkostemp(path, O_CLOEXEC);
    if (named >= 0) unlink(path);
    return named;
}

pu_status pu__spool_open(pu__spool *out) {
    const char *wanted = getenv("TMPDIR");
    const char *const folders[] = {wanted && *wanted ? wanted : "/var/tmp", "/var/tmp", "/tmp"};
    out->descriptor = -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && out->descriptor < 0; ++i)
        out->descriptor = open_in(folders[i]);
    if (out->descriptor >= 0) return PU_OK;
    return pu_fail(PU_ERR_IO, "cannot make a temporary file in %s, /var/tmp or /tmp: %s; set TMPDIR", folders[0],
                   strerror(errno));
}

void pu__spool_close(pu__spool *spool) {
    if (spool->descriptor >= 0) close(spool->descriptor);
    spool->descriptor = -1;
}

pu_status pu__spool_write(const pu__spool *spool, int64_t offset, const void *data, size_t bytes) {
    const char *at = data;
    while (bytes > 0) {
        const ssize_t written = pwrite(spool->descriptor, at, bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0)
            return pu_fail(PU_ERR_IO, "cannot write to a temporary file: %s; free some space, or set TMPDIR",
                           strerror(written < 0 ? errno : ENOSPC));
        at += written, offset += written, bytes -= (size_t)written;
    }
    return PU_OK;
}

pu_status pu__spool_read(const pu__spool *spool, int64_t offset, void *data, size_t bytes) {
    char *at = data;
    while (bytes > 0) {
        const ssize_t got = pread(spool->descriptor, at, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return pu_fail(PU_ERR_IO, "cannot read from a temporary file: %s; check the disk, or set TMPDIR",
                           got < 0 ? strerror(errno) : "it is too short");
        at += got, offset += got, bytes -= (size_t)got;
    }
    return PU_OK;
}
