#include "host/data/import/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/data/store/digest.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { BUFFER_BYTES = 1 << 20 };

static pu_status read_failure(const char *what, const char *path) {
    return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot %s %s: %s", what, path,
                   strerror(errno));
}

/* Bytes as they are in the file, which the hash is of; 0 at its end. */
static pu_status read_raw(pu__lines *lines, void *out, size_t capacity, size_t *got) {
    for (;;) {
        const ssize_t count = read(lines->file, out, capacity);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return read_failure("read", lines->path);
        pu__digest_add(&lines->hash, out, (size_t)count);
        lines->bytes += count;
        *got = (size_t)count;
        return PU_OK;
    }
}

static pu_status read_plain(pu__lines *lines, char *out, size_t capacity, size_t *got) {
    PU_TRY(read_raw(lines, out, capacity, got));
    lines->at_end = *got == 0;
    return PU_OK;
}

static pu_status read_compressed(pu__lines *lines, char *out, size_t capacity, size_t *got) {
    if (pu__gunzip_hungry(lines->gunzip)) {
        size_t space = 0, fed = 0;
        void *raw = pu__gunzip_space(lines->gunzip, &space);
        PU_TRY(read_raw(lines, raw, space, &fed));
        pu__gunzip_fed(lines->gunzip, fed);
    }
    return pu__gunzip_take(lines->gunzip, out, capacity, got, &lines->at_end);
}

/* Moves the unread part to the front and reads until the buffer is full or the text ends. */
static pu_status refill(pu__lines *lines) {
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    while (lines->end < BUFFER_BYTES && !lines->at_end) {
        size_t got = 0;
        char *out = lines->buffer + lines->end;
        const size_t capacity = BUFFER_BYTES - lines->end;
        PU_TRY(lines->gunzip ? read_compressed(lines, out, capacity, &got)
                             : read_plain(lines, out, capacity, &got));
        lines->end += got;
    }
    return PU_OK;
}

/* Whether the file is compressed, by its first two bytes. */
static pu_status look_for_gzip(pu__lines *lines) {
    char head[2];
    const int64_t got = pu__read_at(lines->file, 0, head, sizeof head);
    if (got < 0) return read_failure("read", lines->path);
    return pu__gunzip_magic(head, (size_t)got) ? pu__gunzip_open(lines->path, &lines->gunzip) : PU_OK;
}

static pu_status start_text(pu__lines *lines) {
    PU_TRY(refill(lines));
    if (lines->end >= 3 && memcmp(lines->buffer, "\xef\xbb\xbf", 3) == 0) lines->begin = 3;
    return PU_OK;
}

static pu_status open_file(const char *path, pu__lines *lines) {
    struct stat info;
    lines->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang */
    if (lines->file < 0) return read_failure("open", path);
    if (fstat(lines->file, &info) != 0) return read_failure("inspect", path);
    if (!S_ISREG(info.st_mode)) return pu_fail(PU_ERR_IO, "%s is not a regular file", path);
    lines->file_bytes = info.st_size;
    lines->buffer = pu_calloc(1, BUFFER_BYTES);
    if (!lines->buffer) return PU_ERR_MEMORY;
    PU_TRY(look_for_gzip(lines));
    return start_text(lines);
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
    pu__gunzip_close(lines->gunzip);
    lines->gunzip = NULL;
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

static pu_status start_again(pu__lines *lines) {
    if (lseek(lines->file, 0, SEEK_SET) != 0) return read_failure("go back in", lines->path);
    crypto_hash_sha256_init(&lines->hash);
    lines->bytes = lines->line = 0;
    lines->begin = lines->end = 0;
    lines->at_end = false;
    return start_text(lines);
}

/* Reads up to `bytes` of the file, whose first part is in the buffer; what is in the buffer then ends there, or
 * holds it. */
static pu_status read_to(pu__lines *lines, int64_t bytes) {
    while (lines->bytes < bytes && !lines->at_end) {
        const int64_t left = bytes - lines->bytes;
        if (pu_interrupted())
            return pu_fail(PU_ERR_INTERRUPTED, "interrupted: nothing of %s was stored; run again", lines->path);
        PU_TRY(read_plain(lines, lines->buffer, left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES, &lines->end));
        lines->begin = lines->end;
    }
    return PU_OK;
}

/* A line that had no end has one now, and nothing else. */
static pu_status end_line(pu__lines *lines, char last, bool *ended) {
    pu__text next;
    *ended = true;
    if (last == '\n') return PU_OK;
    PU_TRY(pu__lines_peek(lines, 2, &next));
    const bool two = next.bytes == 2 && next.data[0] == '\r' && next.data[1] == '\n';
    *ended = last != '\r' && (next.bytes == 0 || next.data[0] == '\n' || two);
    if (*ended && next.bytes > 0) lines->begin += two ? 2 : 1;
    return PU_OK;
}

/* Whether the file begins with these bytes; the unread part begins behind them then, if `last`, the last one of them,
 * is set. */
static pu_status begins_with(pu__lines *lines, int64_t bytes, const char *sha256, char *last, bool *same) {
    char hash[65] = "";
    if (lines->bytes >= bytes) {
        pu__digest(lines->buffer, (size_t)bytes, hash);
        lines->begin = (size_t)bytes;
    } else {
        PU_TRY(read_to(lines, bytes));
        crypto_hash_sha256_state state = lines->hash;
        pu__digest_end(&state, hash);
    }
    *same = lines->begin > 0 && strcmp(hash, sha256) == 0;
    *last = *same ? lines->buffer[lines->begin - 1] : '\0';
    return PU_OK;
}

pu_status pu__lines_skip(pu__lines *lines, int64_t bytes, const char *sha256, int64_t line, bool *skipped) {
    char last = '\0';
    *skipped = false;
    if (lines->bytes >= bytes && lines->bytes != (int64_t)lines->end)
        return PU_OK; /* a byte order mark was moved out */
    PU_TRY(begins_with(lines, bytes, sha256, &last, skipped));
    if (*skipped) PU_TRY(end_line(lines, last, skipped));
    if (!*skipped) return start_again(lines);
    lines->line = line;
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
