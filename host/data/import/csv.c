#include "host/data/import/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plusultra/memory.h"

enum { BUFFER_BYTES = 1 << 20 };

static pu_status read_failure(const char *what, const char *path) {
    return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot %s %s: %s", what, path,
                   strerror(errno));
}

/* Moves the unread part to the front and reads until the buffer is full or the file ends. */
static pu_status refill(pu__lines *lines) {
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    while (lines->end < BUFFER_BYTES && !lines->at_end) {
        const ssize_t got = read(lines->file, lines->buffer + lines->end, BUFFER_BYTES - lines->end);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return read_failure("read", lines->path);
        if (got == 0) {
            lines->at_end = true;
            break;
        }
        crypto_hash_sha256_update(&lines->hash, (const unsigned char *)lines->buffer + lines->end, (size_t)got);
        lines->end += (size_t)got;
        lines->bytes += got;
    }
    return PU_OK;
}

static pu_status open_file(const char *path, pu__lines *lines) {
    struct stat info;
    lines->file = open(path, O_RDONLY | O_CLOEXEC);
    if (lines->file < 0) return read_failure("open", path);
    if (fstat(lines->file, &info) != 0) return read_failure("inspect", path);
    if (!S_ISREG(info.st_mode)) return pu_fail(PU_ERR_IO, "%s is not a regular file", path);
    lines->buffer = pu_calloc(1, BUFFER_BYTES);
    if (!lines->buffer) return PU_ERR_MEMORY;
    PU_TRY(refill(lines));
    if (lines->end >= 3 && memcmp(lines->buffer, "\xef\xbb\xbf", 3) == 0) lines->begin = 3;
    return PU_OK;
}

pu_status pu__lines_open(const char *path, pu__lines *lines) {
    *lines = (pu__lines){.file = -1, .path = path};
    crypto_hash_sha256_init(&lines->hash);
    const pu_status status = open_file(path, lines);
    if (status != PU_OK) pu__lines_close(lines);
    return status;
}

void pu__lines_close(pu__lines *lines) {
    if (lines->file >= 0) close(lines->file);
    pu_free(lines->buffer);
    lines->file = -1;
    lines->buffer = NULL;
}

pu_status pu__lines_next(pu__lines *lines, pu__text *line, bool *found) {
    const char *at = lines->buffer + lines->begin;
    const char *newline = memchr(at, '\n', lines->end - lines->begin);
    if (!newline && !lines->at_end) {
        PU_TRY(refill(lines));
        at = lines->buffer;
        newline = memchr(at, '\n', lines->end);
    }
    const size_t left = lines->end - lines->begin;
    *found = left > 0;
    if (!*found) return PU_OK;
    ++lines->line;
    size_t bytes = newline ? (size_t)(newline - at) : left;
    if (bytes > PU__LINE_BYTES_MAX) {
        return pu_fail(PU_ERR_DATA, "%s:%lld: a line of more than %d bytes: this is no file of bars", lines->path,
                       (long long)lines->line, PU__LINE_BYTES_MAX);
    }
    lines->begin += newline ? bytes + 1 : bytes;
    if (bytes > 0 && at[bytes - 1] == '\r') --bytes;
    *line = (pu__text){at, bytes};
    return PU_OK;
}

pu_status pu__lines_peek(pu__lines *lines, size_t bytes, pu__text *ahead) {
    if (lines->end - lines->begin < bytes && !lines->at_end) PU_TRY(refill(lines));
    const size_t left = lines->end - lines->begin;
    *ahead = (pu__text){lines->buffer + lines->begin, left < bytes ? left : bytes};
    return PU_OK;
}

bool pu__split_line(pu__text *rest, pu__text *line) {
    if (rest->bytes == 0) return false;
    const char *newline = memchr(rest->data, '\n', rest->bytes);
    size_t bytes = newline ? (size_t)(newline - rest->data) : rest->bytes;
    const size_t taken = newline ? bytes + 1 : bytes;
    if (bytes > 0 && rest->data[bytes - 1] == '\r') --bytes;
    *line = (pu__text){rest->data, bytes};
    rest->data += taken;
    rest->bytes -= taken;
    return true;
}

/* End of a quoted field that starts at `at`: behind the closing quote; null when there is none. Two quotes inside
 * stand for one. */
static const char *skip_quoted(const char *at, const char *end) {
    for (++at; at < end; ++at) {
        if (*at != '"') continue;
        if (at + 1 < end && at[1] == '"') ++at;
        else return at + 1;
    }
    return NULL;
}

int pu__split_fields(pu__text line, char delimiter, pu__text *fields) {
    const char *at = line.data, *end = line.data + line.bytes;
    for (int count = 1;; ++count) {
        if (count > PU__FIELDS_MAX) return PU__FIELDS_MAX + 1;
        const char *begin = at;
        while (at < end && *at == ' ') ++at;
        if (at < end && *at == '"') {
            at = skip_quoted(at, end);
            if (!at) return -1;
        }
        while (at < end && *at != delimiter) ++at;
        pu__text field = pu__trim((pu__text){begin, (size_t)(at - begin)});
        if (field.bytes >= 2 && field.data[0] == '"' && field.data[field.bytes - 1] == '"') {
            field = pu__trim((pu__text){field.data + 1, field.bytes - 2});
        }
        fields[count - 1] = field;
        if (at == end) return count;
        ++at;
    }
}
