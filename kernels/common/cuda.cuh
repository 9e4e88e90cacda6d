/* What every CUDA kernel file includes. Launches and dynamic shared memory go through macros, so that the same
 * file also compiles for the CUDA emulator of the tests, whose own cuda_runtime.h defines both. */
#ifndef PU_KERNELS_COMMON_CUDA_CUH
#define PU_KERNELS_COMMON_CUDA_CUH

#include <cuda_runtime.h>

#include "kernels/common/call.h"
#include "kernels/common/cuda_exec.h"

#ifndef PU_LAUNCH
#define PU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
    kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
#define PU_DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif

/* The status of the launch just made. */
static inline pu_status pu__launched(const char *kernel) {
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return PU_OK;
    return pu_fail(PU_ERR_DEVICE, "launch of %s failed: %s", kernel, cudaGetErrorString(error));
}

#endif
