/* Attention in f32 with heads of 34 to 48. */
#include "kernels/attention/attention_rows_launch.cuh"

extern "C" pu_status pu__attention_rows_48_cuda(const pu__call *call) { return attend<48>(call); }
