/* Attention in f32 with heads of 98 to 112. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_112_cuda(const pu__call *call) { return attend<112>(call); }
