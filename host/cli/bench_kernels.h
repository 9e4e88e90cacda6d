/* `plusultra bench kernels`: single operations, beside the device's limits and other systems. */
#ifndef PU_HOST_CLI_BENCH_KERNELS_H
#define PU_HOST_CLI_BENCH_KERNELS_H

#include "host/cli/cli.h"
#include "host/graph/op_bench.h"

pu_status pu__cli_bench_kernels(pu__cli *cli);
/* What measures operations; with `--seconds 0` on small buffers, to see that all of it runs. */
pu_status pu__cli_bench_open(pu__cli *cli, pu_device *device, pu__op_bench **out);

#endif
