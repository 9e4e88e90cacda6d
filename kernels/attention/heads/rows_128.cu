/* Attention in f32 with heads of 114 to 128. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_128_cuda(const pu__call *call) { return attend<128>(call); }
