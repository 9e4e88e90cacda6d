/* The CUDA kernels by op. */
#ifndef PU_HOST_DEVICE_CUDA_KERNELS_H
#define PU_HOST_DEVICE_CUDA_KERNELS_H

#include "host/device/backend.h"

extern const pu__kernel_entry pu__cuda_kernels[PU_OP_COUNT];

#endif
