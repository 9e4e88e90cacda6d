/* Bar lengths on the command line. */
#ifndef PU_HOST_CLI_BAR_LENGTH_H
#define PU_HOST_CLI_BAR_LENGTH_H

#include "host/cli/cli.h"

/* The option's value as seconds: "300", "5m", "1h", "1d", "1w", "1mo" (30 days); 0 when it is absent. */
pu_status pu__cli_bar_length(const pu__cli *cli, const char *name, int64_t *bar_s);

#endif
