#include "host/device/cuda/kernels.h"
#include "kernels/adamw/adamw.h"
#include "kernels/attention/attention.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_dense.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/loss/loss.h"
#include "kernels/pnl/pnl.h"
#include "kernels/s4/s4.h"
#include "kernels/scan/scan.h"
#include "kernels/softmax/softmax.h"
#include "kernels/window_norm/window_norm.h"

const pu__kernel_entry pu__cuda_kernels[PU_OP_COUNT] = {
    [PU_OP_GEMM] = {pu__gemm_cuda, pu__gemm_workspace_cuda},
    [PU_OP_ACT] = {pu__act_cuda, NULL},
    [PU_OP_ACT_GRAD] = {pu__act_grad_cuda, NULL},
    [PU_OP_ADD] = {pu__add_cuda, NULL},
    [PU_OP_MUL] = {pu__mul_cuda, NULL},
    [PU_OP_AFFINE] = {pu__affine_cuda, NULL},
    [PU_OP_SUM_LEADING] = {pu__sum_leading_cuda, pu__sum_leading_workspace_cuda},
    [PU_OP_GLU] = {pu__glu_cuda, NULL},
    [PU_OP_GLU_GRAD] = {pu__glu_grad_cuda, NULL},
    [PU_OP_LAYER_NORM] = {pu__layer_norm_cuda, NULL},
    [PU_OP_LAYER_NORM_GRAD] = {pu__layer_norm_grad_cuda, pu__layer_norm_grad_workspace_cuda},
    [PU_OP_ADD_LAYER_NORM] = {pu__add_layer_norm_cuda, NULL},
    [PU_OP_ADD_LAYER_NORM_GRAD] = {pu__add_layer_norm_grad_cuda, pu__add_layer_norm_grad_workspace_cuda},
    [PU_OP_DROPOUT] = {pu__dropout_cuda, NULL},
    [PU_OP_SOFTMAX] = {pu__softmax_cuda, NULL},
    [PU_OP_SOFTMAX_GRAD] = {pu__softmax_grad_cuda, NULL},
    [PU_OP_ATTENTION] = {pu__attention_cuda, NULL},
    [PU_OP_ATTENTION_GRAD] = {pu__attention_grad_cuda, pu__attention_grad_workspace_cuda},
    [PU_OP_CROSS_ATTENTION] = {pu__cross_attention_cuda, NULL},
    [PU_OP_CROSS_ATTENTION_GRAD] = {pu__cross_attention_grad_cuda, pu__cross_attention_grad_workspace_cuda},
    [PU_OP_CONV] = {pu__conv_cuda, NULL},
    [PU_OP_CONV_GRAD] = {pu__conv_grad_cuda, pu__conv_grad_workspace_cuda},
    [PU_OP_CONV_DENSE] = {pu__conv_dense_cuda, NULL},
    [PU_OP_CONV_DENSE_GRAD] = {pu__conv_dense_grad_cuda, pu__conv_dense_grad_workspace_cuda},
    [PU_OP_S4] = {pu__s4_cuda, pu__s4_workspace_cuda},
    [PU_OP_S4_GRAD] = {pu__s4_grad_cuda, pu__s4_grad_workspace_cuda},
    [PU_OP_S4_STEP] = {pu__s4_step_cuda, NULL},
    [PU_OP_SCAN] = {pu__scan_cuda, NULL},
    [PU_OP_SCAN_GRAD] = {pu__scan_grad_cuda, NULL},
    [PU_OP_WINDOW_NORM] = {pu__window_norm_cuda, NULL},
    [PU_OP_LOSS] = {pu__loss_cuda, pu__loss_workspace_cuda},
    [PU_OP_LOSS_GRAD] = {pu__loss_grad_cuda, NULL},
    [PU_OP_PNL] = {pu__pnl_cuda, pu__pnl_workspace_cuda},
    [PU_OP_PNL_GRAD] = {pu__pnl_grad_cuda, pu__pnl_grad_workspace_cuda},
    [PU_OP_SUM_SQUARES] = {pu__sum_squares_cuda, pu__sum_squares_workspace_cuda},
    [PU_OP_ADAMW] = {pu__adamw_cuda, NULL},
};
