/* Attention in f32 with heads of 82 to 96. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_96_cuda(const pu__call *call) { return attend<96>(call); }
