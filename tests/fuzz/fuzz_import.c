/* The CSV importers: guessing the layout, then every row. What is accepted must be a bar that the store accepts,
 * one after the other in time. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/import/probe.h"
#include "plusultra/import.h"
#include "tests/fuzz/fuzz.h"

static void read_rows(pu__lines *lines, const pu__row_rules *rules) {
    pu__row_state state = {0};
    pu__text line;
    int64_t last_ts = 0;
    bool found = true, any = false;
    while (pu__lines_next(lines, &line, &found) == PU_OK && found) {
        char reason[PU_IMPORT_REASON_BYTES];
        pu__bar bar;
        if (pu__row_read(rules, &state, line, lines->line, &bar, reason) != PU__ROW_BAR) continue;
        if (!pu__bar_valid(&bar)) abort();
        if (any && (rules->descending ? bar.ts >= last_ts : bar.ts <= last_ts)) abort();
        last_ts = bar.ts;
        any = true;
    }
}

static void import(const char *path) {
    const pu_import_options options = {0};
    pu__lines lines;
    pu__row_rules rules;
    bool assumed = false;
    if (pu__lines_open(path, &lines) != PU_OK) return;
    if (pu__probe(&lines, &options, &rules, &assumed) == PU_OK) read_rows(&lines, &rules);
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
