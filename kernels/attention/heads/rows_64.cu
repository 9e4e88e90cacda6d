/* Attention in f32 with heads of 50 to 64. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_64_cuda(const pu__call *call) { return attend<64>(call); }
