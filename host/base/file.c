#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plusultra/memory.h"

static pu_status io_failure(const char *what, const char *path) {
    const int error = errno;
    const char *advice = error == ENOSPC                     ? "; free some space and run again"
                         : error == EROFS || error == EACCES ? "; choose a folder that can be written"
                                                             : "";
    return pu_fail(error == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot %s %s: %s%s", what, path,
                   strerror(error), advice);
}

static pu_status read_all(int file, const char *path, size_t bytes_max, char **data, size_t *bytes) {
    struct stat info;
    if (fstat(file, &info) != 0) return io_failure("inspect", path);
    if (!S_ISREG(info.st_mode)) return pu_fail(PU_ERR_IO, "%s is not a regular file", path);
    if ((uint64_t)info.st_size > bytes_max) {
        return pu_fail(PU_ERR_DATA, "%s has %lld bytes, at most %zu are accepted", path, (long long)info.st_size,
                       bytes_max);
    }
    const size_t size = (size_t)info.st_size;
    char *block = pu_calloc(1, size + 1);
    if (!block) return PU_ERR_MEMORY;
    size_t used = 0;
    while (used < size) {
        const ssize_t got = read(file, block + used, size - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            pu_free(block);
            return io_failure("read", path);
        }
        if (got == 0) break;
        used += (size_t)got;
    }
    *data = block;
    *bytes = used;
    return PU_OK;
}

int64_t pu__read_at(int file, int64_t offset, void *data, size_t bytes) {
    size_t used = 0;
    while (used < bytes) {
        const ssize_t got = pread(file, (char *)data + used, bytes - used, (off_t)(offset + (int64_t)used));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        used += (size_t)got;
    }
    return (int64_t)used;
}

pu_status pu__file_read(const char *path, size_t bytes_max, char **data, size_t *bytes) {
    *data = NULL;
    *bytes = 0;
    /* else a pipe that nobody writes to would be waited for */
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return io_failure("open", path);
    const pu_status status = read_all(file, path, bytes_max, data, bytes);
    close(file);
    return status;
}

static pu_status write_all(int file, const char *path, const char *data, size_t bytes) {
    while (bytes > 0) {
        const ssize_t put = write(file, data, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return io_failure("write", path);
        data += put;
        bytes -= (size_t)put;
    }
    return fsync(file) == 0 ? PU_OK : io_failure("sync", path);
}

static pu_status write_temporary(const char *temporary, const void *data, size_t bytes) {
    const int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return io_failure("create", temporary);
    pu_status status = write_all(file, temporary, data, bytes);
    if (close(file) != 0 && status == PU_OK) status = io_failure("close", temporary);
    return status;
}

/* A rename lasts once the folder's entries are on the disk. */
static pu_status sync_folder(const char *path) {
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return io_failure("open", path);
    const int result = fsync(folder);
    const int error = errno;
    close(folder);
    errno = error;
    return result == 0 ? PU_OK : io_failure("sync", path);
}

static pu_status name_temporary(const char *path, char out[PU__FILE_PATH_BYTES]) {
    if (snprintf(out, PU__FILE_PATH_BYTES, "%s.%ld.tmp", path, (long)getpid()) < PU__FILE_PATH_BYTES) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "path too long: %.200s...", path);
}

/* A temporary file that was written and synced takes the place of `path`, or goes. */
static pu_status put_in_place(pu_status status, const char *temporary, const char *path) {
    char folder[PU__FILE_PATH_BYTES];
    if (status == PU_OK && rename(temporary, path) != 0) status = io_failure("rename to", path);
    if (status != PU_OK) {
        unlink(temporary);
        return status;
    }
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    return sync_folder(!slash ? "." : *folder ? folder : "/");
}

pu_status pu__file_replace(const char *path, const void *data, size_t bytes) {
    char temporary[PU__FILE_PATH_BYTES];
    PU_TRY(name_temporary(path, temporary));
    return put_in_place(write_temporary(temporary, data, bytes), temporary, path);
}

pu_status pu__file_begin(const char *path, pu__new_file *out) {
    *out = (pu__new_file){0};
    PU_TRY(name_temporary(path, out->temporary));
    snprintf(out->path, sizeof out->path, "%s", path);
    out->stream = fopen(out->temporary, "we");
    return out->stream ? PU_OK : io_failure("create", out->temporary);
}

pu_status pu__file_end(pu__new_file *file) {
    FILE *stream = file->stream;
    file->stream = NULL;
    pu_status status = PU_OK;
    if (ferror(stream)) /* of an earlier write, whose reason is not known any more */
        status = pu_fail(PU_ERR_IO, "cannot write %s: free some space, or check the disk, and run again",
                         file->temporary);
    if (status == PU_OK && fflush(stream) != 0) status = io_failure("write", file->temporary);
    if (status == PU_OK && fsync(fileno(stream)) != 0) status = io_failure("sync", file->temporary);
    if (fclose(stream) != 0 && status == PU_OK) status = io_failure("close", file->temporary);
    return put_in_place(status, file->temporary, file->path);
}

void pu__file_drop(pu__new_file *file) {
    if (!file->stream) return;
    (void)fclose(file->stream); /* what was not written is not wanted */
    file->stream = NULL;
    unlink(file->temporary);
}

pu_status pu__file_lock(const char *path, int *file) {
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*file < 0) return io_failure("open", path);
    if (flock(*file, LOCK_EX | LOCK_NB) == 0) return PU_OK;
    const int error = errno;
    close(*file);
    *file = -1;
    errno = error;
    if (error != EWOULDBLOCK) return io_failure("lock", path);
    return pu_fail(PU_ERR_IO, "another process works in this folder and holds %s: wait for it or stop it", path);
}

pu_status pu__folder_make(const char *path) {
    char part[PU__FILE_PATH_BYTES];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) return pu_fail(PU_ERR_ARGUMENT, "bad folder name: '%.200s'", path);
    for (size_t i = 1; i <= length; ++i) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) return io_failure("make folder", part);
    }
    struct stat info;
    if (stat(path, &info) != 0) return io_failure("inspect", path);
    return S_ISDIR(info.st_mode) ? PU_OK : pu_fail(PU_ERR_IO, "%s exists and is not a folder", path);
}
