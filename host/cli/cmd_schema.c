#include "host/cli/cli.h"
#include "host/data/store/schema_page.h"

static pu_status run(pu__cli *cli) {
    (void)cli;
    return pu__schema_page(stdout);
}

const pu__verb pu__verb_schema = {
    .name = "schema",
    .summary = "describe the store's tables",
    .details =
        "Prints docs/schema.md: a diagram of the tables, and their columns with type, reference and meaning.",
    .run = run,
};
