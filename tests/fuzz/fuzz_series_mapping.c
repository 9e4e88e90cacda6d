/* A mapping of series, and behind a line "---\n" the file that it reads. */
#define _GNU_SOURCE
#include "host/data/alternative/mapping.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char between[] = "\n---\n";
    const uint8_t *split = memmem(data, size, between, sizeof between - 1);
    const size_t head = split ? (size_t)(split - data) + 1 : size, tail = split ? head + 4 : size;
    pu_series_options options = fuzz_series_options(size);
    pu__columns columns;
    pu_arena *arena = NULL;
    char path[64];
    options.mapping = fuzz_scratch(data, head);
    if (pu_arena_new(0, &arena) != PU_OK || pu__columns_make(options.kind, NULL, &columns) != PU_OK) abort();
    if (pu__series_mapping_load(arena, &columns, &options) == PU_OK && options.stale_after_s >= 0) {
        const int file = memfd_create("input", MFD_CLOEXEC);
        if (file < 0 || write(file, data + tail, size - tail) != (ssize_t)(size - tail)) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        fuzz_series_file(path, &options, &columns);
        close(file);
    }
    pu_arena_free(arena);
    return 0;
}
