/* Matrix product with bias and activation.
 *
 *  GEMM  in a, b, bias[N]?    out y[M,N], z[M,N]?    attributes gemm
 *
 * Formula: z = op(a) op(b) + bias, y = act(z), op(a) [M,K], op(b) [K,N]. Without a bias it counts as zero; z is
 * written only when a second output exists (backward passes of GELU and SiLU need it).
 * Shapes: leading dimensions of a, b and y are rows: a [..., K] is [M,K]. With transpose_a a is [K,M], with
 * transpose_b b is [N,K]. N is the last dimension of y. K = 0 gives act(bias).
 * Layout: dense, row-major. No aliasing. Outputs are overwritten.
 * Precision tf32, bf16: the elements of a and b are rounded (kernels/common/rounding.h), each by itself; products,
 * sums, bias and activation are f32. A GPU's tf32 unit may cut the digits off instead.
 * On CUDA the bias, and GELU, are part of the product: one launch, with z stored by it where N is a multiple of 8 and
 * cuBLASLt has an algorithm. Other activations are a second launch, which reads z: cuBLASLt has no SiLU, sigmoid and
 * tanh, and its ReLU, max(z, 0), does not promise that a NaN stays one. Gradients use no epilogue: act'(z) meets the
 * sum of a value's gradients, which is not always one product, and in what order cuBLASLt would sum a bias gradient is
 * not documented.
 * Workspace: chosen by the backend (packed operands, partial sums of a split K).
 * Determinism: the way K is summed depends on the shape and the transposes only, so bits do not depend on the
 * number of threads; unless a is transposed, a row of y does not depend on the other rows of a.
 * Floor: 2 M N K flops; 4 (M K + K N + M N (1 or 2)) bytes; bf16 on a GPU reads and writes 2 (M K + K N)
 * bytes more for the copies, where the product itself is bound by its tensor cores. */
#ifndef PU_KERNELS_GEMM_GEMM_H
#define PU_KERNELS_GEMM_GEMM_H

#include "kernels/common/call.h"

#ifdef __cplusplus
extern "C" {
#endif

pu_status pu__gemm_cpu(const pu__call *call);
pu_status pu__gemm_cuda(const pu__call *call);
size_t pu__gemm_workspace_cpu(const pu__call *call);
size_t pu__gemm_workspace_cuda(const pu__call *call);

#ifdef __cplusplus
}
#endif
#endif
