#include <stdio.h>

#include "host/cli/cli.h"
#include "plusultra/memory.h"

static pu_status run(pu__cli *cli) {
    char *text = pu__cli_flag(cli, "reference") ? pu_config_reference() : pu_config_text(cli->config);
    if (!text) return PU_ERR_MEMORY;
    fputs(text, stdout);
    pu_free(text);
    return PU_OK;
}

static const pu__option options[] = {
    {"reference", 0, NULL, "print the reference of all keys instead, in Markdown"},
};

const pu__verb pu__verb_show_config = {
    .name = "show-config",
    .summary = "print the effective configuration",
    .details = "Prints the configuration that a run would use: the file, then --set, then defaults for the rest, "
               "as YAML with every key.\n"
               "The output is itself a valid configuration file.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
