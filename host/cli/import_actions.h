/* The part of `plusultra import` that reads corporate actions. */
#ifndef PU_HOST_CLI_IMPORT_ACTIONS_H
#define PU_HOST_CLI_IMPORT_ACTIONS_H

#include "host/cli/cli.h"
#include "plusultra/store.h"

/* Does what --actions, --dividend-basis and --adjust of the verb ask for; nothing when they are absent. */
pu_status pu__cli_import_actions(pu__cli *cli, pu_store *store);

#endif
