/* Attention in tf32 and bf16 with heads of 50 to 64. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_64_cuda(const pu__call *call) { return attend<64>(call); }
