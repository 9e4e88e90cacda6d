/* Attention in tf32 and bf16 with heads of 82 to 96. */
#include "kernels/attention/attention_mma_launch.cuh"

extern "C" pu_status pu__attention_units_96_cuda(const pu__call *call) { return attend<96>(call); }
