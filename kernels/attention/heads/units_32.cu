/* Attention in tf32 and bf16 with heads of 18 to 32. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_32_cuda(const pu__call *call) { return attend<32>(call); }
