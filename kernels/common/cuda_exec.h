/* What a CUDA kernel launcher gets besides its call: the stream, and cuBLASLt for matrix products. Owned by the
 * CUDA device. */
#ifndef PU_KERNELS_COMMON_CUDA_EXEC_H
#define PU_KERNELS_COMMON_CUDA_EXEC_H

#include <cublasLt.h>
#include <cuda_runtime.h>

#include "kernels/common/call.h"

struct pu__cuda_exec {
    cudaStream_t stream;
    cublasLtHandle_t blas;
    int multiprocessors;               /* of the device; for sizing grids */
    size_t block_shared_bytes;         /* shared memory that a block may have when its kernel asks for it */
    size_t shared_bytes;               /* shared memory of a multiprocessor */
    struct pu__gemm_plans *gemm_plans; /* kernels/gemm/gemm_plans.h */
};

#endif
