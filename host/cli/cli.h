/* The command line: one verb per file (cmd_<verb>.c), which declares its options and a function; the frame parses,
 * prints help, loads the configuration, reports errors and writes the JSON result.
 *
 * A file host/cli/cmd_<name>.c that defines `const pu__verb pu__verb_<name>` is a verb: CMake lists the files,
 * dashes in the verb's name are underscores in the file's. Only main returns to the shell; verbs return a status:
 *
 *   PU_OK -> 0; PU_ERR_CONFIG -> 2 (the request is wrong: options, configuration); anything else -> 1 (the work
 * failed). */
#ifndef PU_HOST_CLI_CLI_H
#define PU_HOST_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "plusultra/config.h"
#include "plusultra/status.h"

typedef struct pu__cli pu__cli;

typedef struct pu__option {
    const char *name;       /* "store": --store */
    char letter;            /* 's': -s as well; 0: none */
    const char *value_name; /* "FILE"; null: a flag */
    const char *help;       /* one line, lower case, no full stop */
} pu__option;

typedef struct pu__verb {
    const char *name;    /* "show-config" */
    const char *summary; /* one line in `plusultra --help` */
    const char *details; /* paragraphs in `plusultra VERB --help` */
    /* Null: none accepted. Otherwise the usage text decides how many: "FILE..." one or more, "[FILE...]" any
     * number, "A [B]" one or two. */
    const char *operands;
    const pu__option *options;
    int option_count;
    bool takes_config; /* accepts --config and --set, and cli->config is loaded before run */
    pu_status (*run)(pu__cli *cli);
} pu__verb;

/* Owned by main for one run. `result` is an object that the verb fills; with --json FILE (- for standard output) it is
 * written at the end, whatever the outcome, with "verb", "status" and, after a failure, "error" added. */
struct pu__cli {
    const pu__verb *verb;
    int operand_count;
    const char *const *operands; /* borrowed from argv */
    pu_config *config;           /* null unless the verb takes one */
    json_t *result;
    /* internal */
    int result_file;     /* standard output, where --json - writes to it */
    bool result_refused; /* the place of the result was refused before the work: it is not written */
    int value_count;
    struct pu__cli_value *values;
    const char **operand_store;
};

/* The value of an option of the verb or of the frame ("config", "json", ...), the last one if given more than
 * once; null if absent. Asking for a name that neither declares is a programming error. */
const char *pu__cli_value(const pu__cli *cli, const char *name);
/* The value given at the index-th place where the option was given, from 0; null beyond the last. */
const char *pu__cli_value_at(const pu__cli *cli, const char *name, int index);
bool pu__cli_flag(const pu__cli *cli, const char *name);

/* The value as a number in [low, high], `fallback` if absent. PU_ERR_CONFIG names the option. */
pu_status pu__cli_int(const pu__cli *cli, const char *name, int64_t fallback, int64_t low, int64_t high,
                      int64_t *out);
pu_status pu__cli_real(const pu__cli *cli, const char *name, double fallback, double low, double high,
                       double *out);

/* Runs the verb that argv asks for and returns the exit code. */
int pu__cli_main(int verb_count, const pu__verb *const *verbs, int argc, char **argv);

#endif
