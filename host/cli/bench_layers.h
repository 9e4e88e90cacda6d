/* `plusultra bench layers`: forward and backward passes of the heavy layers, in rounds that alternate with other
 * systems. */
#ifndef PU_HOST_CLI_BENCH_LAYERS_H
#define PU_HOST_CLI_BENCH_LAYERS_H

#include "host/cli/cli.h"

pu_status pu__cli_bench_layers(pu__cli *cli);

#endif
