/* Attention in f32 with heads of 2 to 16. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_16_cuda(const pu__call *call) { return attend<16>(call); }
