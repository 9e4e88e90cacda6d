/* The CSV importers: guessing the layout, then every row of every symbol. What is accepted must be a bar that the store
 * accepts, one after the other in time. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/import/probe.h"
#include "plusultra/import.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rows.h"

static void import(const char *path) {
    const pu_import_options options = {0};
    pu__lines lines;
    pu__row_rules rules;
    bool assumed = false;
    if (pu__lines_open(path, &lines) != PU_OK) return;
    if (pu__probe(&lines, &options, NULL, &rules, &assumed) == PU_OK) {
        pu__text_source source = pu__text_rows(&lines, &rules);
        fuzz_read_rows(&source.base, &rules);
    }
    pu__lines_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int file = memfd_create("input.csv", MFD_CLOEXEC);
    if (file < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, data, size) != (ssize_t)size) abort();
    import(path);
    close(file);
    return 0;
}
