/* CSV files of series, with a header of their own and with one that is given. */
#define _GNU_SOURCE
#include "tests/fuzz/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_series(NULL, data, size);
    fuzz_series("time,published,value,symbol,series", data, size);
    return 0;
}
