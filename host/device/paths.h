/* Simulated paths on a device. */
#ifndef PU_HOST_DEVICE_PATHS_H
#define PU_HOST_DEVICE_PATHS_H

#include "kernels/paths/paths.h"
#include "plusultra/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs a batch and waits for it. The scenario's tables and the batch's weights and outputs are host memory on
 * every device. PU_ERR_UNSUPPORTED for a policy that is a function: pu__paths_callback runs it. */
pu_status pu__device_paths(pu_device *device, const pu__path_scenario *scenario, const pu__path_batch *batch);

#ifdef __cplusplus
}
#endif
#endif
