/* Attention in tf32 and bf16 with heads of 66 to 80. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_80_cuda(const pu__call *call) { return attend<80>(call); }
