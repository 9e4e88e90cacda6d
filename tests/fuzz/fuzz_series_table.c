/* Series in another SQLite file, damaged or made to harm. */
#define _GNU_SOURCE
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_scratch(data, size);
    for (int kind = 0; kind < PU_SERIES_KINDS; ++kind) {
        const pu_series_options options = {
            .name = "fuzz", .kind = (pu_series_kind)kind, .has_published_lag = true};
        pu__columns columns;
        if (pu__columns_make(options.kind, NULL, &columns) != PU_OK) abort();
        fuzz_series_file(path, &options, &columns);
    }
    return 0;
}
