/* Attention in tf32 and bf16 with heads of 114 to 128. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_128_cuda(const pu__call *call) { return attend<128>(call); }
