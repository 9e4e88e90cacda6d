/* Compressed files: every damage is an error or a text, in bounded memory. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/import/csv.h"
#include "plusultra/status.h"
#include "tests/fuzz/fuzz.h"

static void read_lines(const char *path) {
    pu__lines lines;
    pu__text line;
    bool found = true;
    if (pu__lines_open(path, &lines) != PU_OK) return;
    while (pu__lines_next(&lines, &line, &found) == PU_OK && found) {
        if (line.bytes > PU__LINE_BYTES_MAX) abort();
    }
    if (lines.bytes > lines.file_bytes) abort();
    pu__lines_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int file = memfd_create("input.gz", MFD_CLOEXEC);
    if (file < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, data, size) != (ssize_t)size) abort();
    read_lines(path);
    close(file);
    return 0;
}
