/* `plusultra bench kernels`: single operations, beside the device's limits and other systems. */
#ifndef PU_HOST_CLI_BENCH_KERNELS_H
#define PU_HOST_CLI_BENCH_KERNELS_H

#include "host/cli/cli.h"

pu_status pu__cli_bench_kernels(pu__cli *cli);

#endif
