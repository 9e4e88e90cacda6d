/* Included by force into every CPU kernel file when the build compiles it once per instruction set
 * (cmake/library.cmake, PU__ISA is the suffix): gives each build of a function its own name. kernels/common/isa.c
 * defines the plain names and picks. */
#ifndef PU_KERNELS_COMMON_ISA_H
#define PU_KERNELS_COMMON_ISA_H

#define PU__ISA_JOIN(name, isa) name##_##isa
#define PU__ISA_EXPAND(name, isa) PU__ISA_JOIN(name, isa)
#define PU__ISA_NAME(name) PU__ISA_EXPAND(name, PU__ISA)

#define pu__gemm_cpu PU__ISA_NAME(pu__gemm_cpu)
#define pu__act_cpu PU__ISA_NAME(pu__act_cpu)
#define pu__act_grad_cpu PU__ISA_NAME(pu__act_grad_cpu)
#define pu__add_cpu PU__ISA_NAME(pu__add_cpu)
#define pu__mul_cpu PU__ISA_NAME(pu__mul_cpu)
#define pu__affine_cpu PU__ISA_NAME(pu__affine_cpu)
#define pu__sum_leading_cpu PU__ISA_NAME(pu__sum_leading_cpu)
#define pu__glu_cpu PU__ISA_NAME(pu__glu_cpu)
#define pu__glu_grad_cpu PU__ISA_NAME(pu__glu_grad_cpu)
#define pu__layer_norm_cpu PU__ISA_NAME(pu__layer_norm_cpu)
#define pu__layer_norm_grad_cpu PU__ISA_NAME(pu__layer_norm_grad_cpu)
#define pu__dropout_cpu PU__ISA_NAME(pu__dropout_cpu)
#define pu__softmax_cpu PU__ISA_NAME(pu__softmax_cpu)
#define pu__softmax_grad_cpu PU__ISA_NAME(pu__softmax_grad_cpu)
#define pu__attention_cpu PU__ISA_NAME(pu__attention_cpu)
#define pu__attention_grad_cpu PU__ISA_NAME(pu__attention_grad_cpu)
#define pu__conv_cpu PU__ISA_NAME(pu__conv_cpu)
#define pu__conv_grad_cpu PU__ISA_NAME(pu__conv_grad_cpu)
#define pu__window_norm_cpu PU__ISA_NAME(pu__window_norm_cpu)
#define pu__loss_cpu PU__ISA_NAME(pu__loss_cpu)
#define pu__loss_grad_cpu PU__ISA_NAME(pu__loss_grad_cpu)
#define pu__sum_squares_cpu PU__ISA_NAME(pu__sum_squares_cpu)
#define pu__adamw_cpu PU__ISA_NAME(pu__adamw_cpu)
#define pu__gemm_workspace_cpu PU__ISA_NAME(pu__gemm_workspace_cpu)
#define pu__sum_leading_workspace_cpu PU__ISA_NAME(pu__sum_leading_workspace_cpu)
#define pu__layer_norm_grad_workspace_cpu PU__ISA_NAME(pu__layer_norm_grad_workspace_cpu)
#define pu__attention_workspace_cpu PU__ISA_NAME(pu__attention_workspace_cpu)
#define pu__attention_grad_workspace_cpu PU__ISA_NAME(pu__attention_grad_workspace_cpu)
#define pu__conv_grad_workspace_cpu PU__ISA_NAME(pu__conv_grad_workspace_cpu)
#define pu__loss_workspace_cpu PU__ISA_NAME(pu__loss_workspace_cpu)
#define pu__sum_squares_workspace_cpu PU__ISA_NAME(pu__sum_squares_workspace_cpu)

#endif
