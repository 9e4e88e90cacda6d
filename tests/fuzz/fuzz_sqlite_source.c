/* Another SQLite file, damaged or made to harm: it is read or refused. */
#include <stdlib.h>

#include "host/data/import/database.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rows.h"
#include "tests/fuzz/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const pu_import_options options = {0};
    pu__row_rules rules;
    pu__database *table = NULL;
    const char *path = fuzz_scratch(data, size);
    if (pu__database_open(path, &options, NULL, "INPUT", &rules, &table) == PU_OK)
        fuzz_read_rows(pu__database_source(table), &rules);
    pu__database_close(table);
    return 0;
}
