#include "host/data/import/gunzip.h"

#include <string.h>
#include <zlib.h>

#include "plusultra/memory.h"

enum { RAW_BYTES = 256 * 1024, GZIP_ONLY = 16 };

struct pu__gunzip {
    z_stream stream;
    const char *path;
    bool started;   /* `stream` is to be ended */
    bool in_member; /* else between two of them, or behind the last */
    bool at_end;    /* of the compressed bytes */
    unsigned char raw[RAW_BYTES];
};

bool pu__gunzip_magic(const void *head, size_t bytes) { return bytes >= 2 && memcmp(head, "\x1f\x8b", 2) == 0; }

pu_status pu__gunzip_open(const char *path, pu__gunzip **out) {
    *out = NULL;
    pu__gunzip *gunzip = pu_calloc(1, sizeof *gunzip);
    if (!gunzip) return PU_ERR_MEMORY;
    gunzip->path = path;
    if (inflateInit2(&gunzip->stream, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        pu_free(gunzip);
        return pu_fail(PU_ERR_MEMORY, "out of memory while starting to decompress %s", path);
    }
    gunzip->started = gunzip->in_member = true;
    gunzip->stream.next_in = gunzip->raw;
    *out = gunzip;
    return PU_OK;
}

void pu__gunzip_close(pu__gunzip *gunzip) {
    if (!gunzip) return;
    if (gunzip->started) inflateEnd(&gunzip->stream);
    pu_free(gunzip);
}

/* Between members the two bytes that begin one are looked at together. */
bool pu__gunzip_hungry(const pu__gunzip *gunzip) {
    return !gunzip->at_end && gunzip->stream.avail_in < (gunzip->in_member ? 1u : 2u);
}

void *pu__gunzip_space(pu__gunzip *gunzip, size_t *bytes) {
    const size_t left = gunzip->stream.avail_in;
    memmove(gunzip->raw, gunzip->stream.next_in, left);
    gunzip->stream.next_in = gunzip->raw;
    *bytes = RAW_BYTES - left;
    return gunzip->raw + left;
}

void pu__gunzip_fed(pu__gunzip *gunzip, size_t bytes) {
    gunzip->stream.avail_in += (uInt)bytes;
    gunzip->at_end = bytes == 0;
}

static pu_status fail(const pu__gunzip *gunzip, const char *problem) {
    return pu_fail(PU_ERR_DATA, "%s: %s: fetch or compress it again; nothing of it was stored", gunzip->path,
                   problem);
}

/* Behind a member: another one, the end, or what does not belong there. */
static pu_status next_member(pu__gunzip *gunzip, bool *ended) {
    if (pu__gunzip_hungry(gunzip)) return PU_OK;
    if (gunzip->stream.avail_in == 0) {
        *ended = true;
        return PU_OK;
    }
    if (!pu__gunzip_magic(gunzip->stream.next_in, gunzip->stream.avail_in))
        return fail(gunzip, "something follows the compressed data");
    if (inflateReset(&gunzip->stream) != Z_OK) return fail(gunzip, "the compressed data cannot be read on");
    gunzip->in_member = true;
    return PU_OK;
}

static pu_status inflate_some(pu__gunzip *gunzip) {
    z_stream *stream = &gunzip->stream;
    const int code = inflate(stream, Z_NO_FLUSH);
    switch (code) {
    case Z_OK: return PU_OK;
    case Z_STREAM_END: gunzip->in_member = false; return PU_OK;
    case Z_BUF_ERROR: /* no progress: more is needed, and perhaps there is none */
        return gunzip->at_end ? fail(gunzip, "the compressed data are cut short") : PU_OK;
    case Z_MEM_ERROR: return pu_fail(PU_ERR_MEMORY, "out of memory while decompressing %s", gunzip->path);
    default: {
        char problem[160] = "the compressed data are damaged";
        if (stream->msg) {
            strncat(problem, ", ", sizeof problem - strlen(problem) - 1);
            strncat(problem, stream->msg, sizeof problem - strlen(problem) - 1);
        }
        return fail(gunzip, problem);
    }
    }
}

pu_status pu__gunzip_take(pu__gunzip *gunzip, void *out, size_t capacity, size_t *got, bool *ended) {
    *got = 0;
    *ended = false;
    gunzip->stream.next_out = out;
    gunzip->stream.avail_out = (uInt)capacity;
    while (gunzip->stream.avail_out > 0 && !*ended && !pu__gunzip_hungry(gunzip)) {
        PU_TRY(gunzip->in_member ? inflate_some(gunzip) : next_member(gunzip, ended));
    }
    *got = capacity - gunzip->stream.avail_out;
    return PU_OK;
}
