/* A mapping, and behind a line "---\n" the file that it reads. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/import/probe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rows.h"

static void import(const char *path, const pu__mapping *mapping) {
    const pu_import_options options = {
        .stamp = mapping->stamp, .bar_s = mapping->bar_s, .symbol = mapping->symbol};
    pu__lines lines;
    pu__row_rules rules;
    bool assumed = false;
    if (pu__lines_open(path, &lines) != PU_OK) return;
    if (pu__probe(&lines, &options, mapping, &rules, &assumed) == PU_OK) {
        pu__text_source source = pu__text_rows(&lines, &rules);
        pu__text line;
        bool found = true;
        for (int64_t i = 0; i < rules.head_lines && found; ++i) {
            if (pu__lines_next(&lines, &line, &found) != PU_OK) break;
        }
        fuzz_read_rows(&source.base, &rules);
    }
    pu__lines_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char between[] = "\n---\n";
    const uint8_t *split = memmem(data, size, between, sizeof between - 1);
    const size_t head = split ? (size_t)(split - data) + 1 : size, tail = split ? head + 4 : size;
    pu_arena *arena = NULL;
    pu__mapping *mapping = NULL;
    if (pu_arena_new(0, &arena) != PU_OK) abort();
    if (pu__mapping_parse(arena, "input.yaml", (const char *)data, head, &mapping) == PU_OK) {
        char path[64];
        const int file = memfd_create("input.csv", MFD_CLOEXEC);
        if (file < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        if (write(file, data + tail, size - tail) != (ssize_t)(size - tail)) abort();
        import(path, mapping);
        close(file);
    }
    pu_arena_free(arena);
    return 0;
}
