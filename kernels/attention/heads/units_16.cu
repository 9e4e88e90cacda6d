/* Attention in tf32 and bf16 with heads of 2 to 16. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_16_cuda(const pu__call *call) { return attend<16>(call); }
