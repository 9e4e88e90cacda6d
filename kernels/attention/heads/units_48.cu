/* Attention in tf32 and bf16 with heads of 34 to 48. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_48_cuda(const pu__call *call) { return attend<48>(call); }
