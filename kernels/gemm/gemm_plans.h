/* What cuBLASLt chose for each matrix product of a device: descriptors and algorithm, made when a shape is first
 * seen and kept, so that later calls allocate nothing. Owned by the device; like its compute stream, used by one
 * thread at a time. */
#ifndef PU_KERNELS_GEMM_GEMM_PLANS_H
#define PU_KERNELS_GEMM_GEMM_PLANS_H

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu__gemm_plans pu__gemm_plans;

pu_status pu__gemm_plans_new(pu__gemm_plans **out);
void pu__gemm_plans_free(pu__gemm_plans *plans); /* accepts null */

#ifdef __cplusplus
}
#endif
#endif
