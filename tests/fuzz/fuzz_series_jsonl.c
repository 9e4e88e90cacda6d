/* JSON lines of series. */
#define _GNU_SOURCE
#include "tests/fuzz/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_series(NULL, data, size);
    fuzz_series("time=t,value=v", data, size);
    return 0;
}
