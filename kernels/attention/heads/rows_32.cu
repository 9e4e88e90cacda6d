/* Attention in f32 with heads of 18 to 32. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_32_cuda(const pu__call *call) { return attend<32>(call); }
