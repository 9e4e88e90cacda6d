/* Another SQLite file, damaged or made to harm: it is read or refused. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/import/database.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const pu_import_options options = {0};
    char path[64];
    pu__row_rules rules;
    pu__database *table = NULL;
    const int file = memfd_create("input.db", MFD_CLOEXEC);
    if (file < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, data, size) != (ssize_t)size) abort();
    if (pu__database_open(path, &options, NULL, "INPUT", &rules, &table) == PU_OK)
        fuzz_read_rows(pu__database_source(table), &rules);
    pu__database_close(table);
    close(file);
    return 0;
}
