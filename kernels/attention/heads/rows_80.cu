/* Attention in f32 with heads of 66 to 80. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_80_cuda(const pu__call *call) { return attend<80>(call); }
