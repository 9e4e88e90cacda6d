/* Attention in tf32 and bf16 with heads of 98 to 112. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_112_cuda(const pu__call *call) { return attend<112>(call); }
