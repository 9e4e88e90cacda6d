#include "host/graph/op_table.h"

/* ---- floating-point operations ---- */

static double out_elements(const pu__call *call) { return (double)pu__count(&call->out[0].shape); }

static double lesser(double a, double b) { return a < b ? a : b; }

static double flops_one(const pu__call *call) { return out_elements(call); }
static double flops_two(const pu__call *call) { return 2.0 * out_elements(call); }
static double flops_layer_norm(const pu__call *call) { return 7.0 * out_elements(call); }
static double flops_layer_norm_grad(const pu__call *call) { return 12.0 * out_elements(call); }
static double flops_add_layer_norm(const pu__call *call) { return 10.0 * out_elements(call); }
static double flops_add_layer_norm_grad(const pu__call *call) { return 15.0 * out_elements(call); }
static double flops_softmax(const pu__call *call) { return 4.0 * out_elements(call); }
static double flops_act(const pu__call *call) { return 8.0 * out_elements(call); }
static double flops_sum(const pu__call *call) { return (double)pu__count(&call->in[0].shape); }
static double flops_sum_squares(const pu__call *call) { return 2.0 * (double)pu__count(&call->in[0].shape); }
static double flops_adamw(const pu__call *call) { return 14.0 * out_elements(call); }

static double flops_gemm(const pu__call *call) {
    const pu_shape *a = &call->in[0].shape;
    const double inner = (double)a->dim[call->attributes->gemm.transpose_a ? 0 : 1];
    return 2.0 * out_elements(call) * inner;
}

/* Pairs of a query and a key that it sees, times H D, over the batch. */
static double attention_pairs(const pu_shape *y, int64_t keys, const pu_attributes *attributes) {
    const int64_t offset = attributes->attention.offset, span = attributes->attention.span;
    double pairs = 0.0;
    for (int64_t t = 0; t < y->dim[1]; ++t) {
        const int64_t end =
            attributes->attention.mask == PU_ATTENTION_FULL || t + offset + 1 > keys ? keys : t + offset + 1;
        const int64_t first = span > 0 && t + offset + 1 > span ? t + offset + 1 - span : 0;
        pairs += (double)(end - first);
    }
    return (double)y->dim[0] * (double)y->dim[2] * pairs;
}
static double flops_attention(const pu__call *call) {
    return 4.0 * attention_pairs(&call->out[0].shape, call->in[call->in_count - 1].shape.dim[1], call->attributes);
}
/* Five products of the same size: scores again, dP, dV, dQ, dK. */
static double flops_attention_grad(const pu__call *call) {
    return 10.0 *
           attention_pairs(&call->in[0].shape, call->out[call->out_count - 1].shape.dim[1], call->attributes);
}

static double flops_conv(const pu__call *call) {
    return 2.0 * out_elements(call) * call->attributes->conv.kernel_bars;
}
static double flops_conv_grad(const pu__call *call) {
    return 4.0 * out_elements(call) * call->attributes->conv.kernel_bars;
}

static double flops_conv_dense(const pu__call *call) {
    return 2.0 * out_elements(call) * call->attributes->conv.kernel_bars * (double)call->in[0].shape.dim[2];
}
static double flops_conv_dense_grad(const pu__call *call) {
    return 4.0 * out_elements(call) * call->attributes->conv.kernel_bars * (double)call->in[0].shape.dim[2];
}

/* Multiply-adds count two. The count of the form that needs the fewest: scan, convolution, or blocks. */
static double s4_states(const pu__call *call, int rate) { return (double)call->in[rate].shape.dim[0]; }
static double flops_s4(const pu__call *call) {
    const double bars = (double)call->in[0].shape.dim[1];
    return out_elements(call) * lesser(12.0 * s4_states(call, 2), lesser(bars, 115 + bars / 16));
}
static double flops_s4_grad(const pu__call *call) {
    const double bars = (double)call->in[0].shape.dim[1];
    return out_elements(call) * lesser(28.0 * s4_states(call, 3), lesser(3 * bars, 140 + bars / 8));
}
static double flops_s4_step(const pu__call *call) { return 12.0 * out_elements(call) * s4_states(call, 3); }

static double flops_window_norm(const pu__call *call) {
    const double rows =
        (double)call->attributes->window_norm.window_bars + call->attributes->window_norm.warmup_bars;
    return 8.0 * (double)call->in[1].shape.dim[0] * rows * (double)call->in[0].shape.dim[1];
}
/* Only the rows of the windows are read, not all bars. */
static double read_window_norm(const pu__call *call) {
    const double rows =
        (double)call->attributes->window_norm.window_bars + call->attributes->window_norm.warmup_bars;
    const double windows = (double)call->in[1].shape.dim[0];
    return 4.0 * windows * (1.0 + rows * (double)call->in[0].shape.dim[1]);
}

static double flops_loss(const pu__call *call) { return 5.0 * (double)pu__count(&call->in[0].shape); }
static double flops_loss_grad(const pu__call *call) { return 5.0 * out_elements(call); }

/* Per asset and bar; without carry and impact, which are off as a rule. */
static double flops_pnl(const pu__call *call) { return 16.0 * (double)pu__count(&call->in[0].shape); }
static double flops_pnl_grad(const pu__call *call) { return 40.0 * (double)pu__count(&call->in[2].shape); }

/* ---- the table ---- */

static const pu__op table[PU_OP_COUNT] = {
    /* in_min, in_max, out_min, out_max, dtypes, infer, gradient, flops, bytes_read */
    [PU_OP_GEMM] = {2, 3, 1, 2, {0}, pu__infer_gemm, pu__gradient_gemm, flops_gemm, NULL},
    [PU_OP_ACT] = {1, 1, 1, 1, {0}, pu__infer_same, pu__gradient_act, flops_act, NULL},
    [PU_OP_ACT_GRAD] = {2, 2, 1, 1, {0}, pu__infer_same, NULL, flops_act, NULL},
    [PU_OP_ADD] = {2, 2, 1, 1, {0}, pu__infer_broadcast, pu__gradient_add, flops_one, NULL},
    [PU_OP_MUL] = {2, 2, 1, 1, {0}, pu__infer_broadcast, pu__gradient_mul, flops_one, NULL},
    [PU_OP_AFFINE] = {1, 1, 1, 1, {0}, pu__infer_same, pu__gradient_affine, flops_two, NULL},
    [PU_OP_SUM_LEADING] = {1, 1, 1, 1, {0}, pu__infer_sum_leading, NULL, flops_sum, NULL},
    [PU_OP_GLU] = {1, 1, 1, 1, {0}, pu__infer_glu, pu__gradient_glu, flops_act, NULL},
    [PU_OP_GLU_GRAD] = {2, 2, 1, 1, {0}, pu__infer_glu_grad, NULL, flops_act, NULL},
    [PU_OP_LAYER_NORM] = {3, 3, 3, 3, {0}, pu__infer_layer_norm, pu__gradient_layer_norm, flops_layer_norm, NULL},
    [PU_OP_LAYER_NORM_GRAD] = {5, 5, 3, 3, {0}, pu__infer_layer_norm_grad, NULL, flops_layer_norm_grad, NULL},
    [PU_OP_ADD_LAYER_NORM] = {4,
                              5,
                              4,
                              4,
                              {PU_F32, PU_F32, PU_F32, PU_F32, PU_U64},
                              pu__infer_add_layer_norm,
                              pu__gradient_add_layer_norm,
                              flops_add_layer_norm,
                              NULL},
    [PU_OP_ADD_LAYER_NORM_GRAD] = {6,
                                   7,
                                   3,
                                   4,
                                   {PU_F32, PU_F32, PU_F32, PU_F32, PU_F32, PU_F32, PU_U64},
                                   pu__infer_add_layer_norm_grad,
                                   NULL,
                                   flops_add_layer_norm_grad,
                                   NULL},
    [PU_OP_DROPOUT] = {2, 2, 1, 1, {PU_F32, PU_U64}, pu__infer_dropout, pu__gradient_dropout, flops_two, NULL},
    [PU_OP_SOFTMAX] = {1, 1, 1, 1, {0}, pu__infer_softmax, pu__gradient_softmax, flops_softmax, NULL},
    [PU_OP_SOFTMAX_GRAD] = {2, 2, 1, 1, {0}, pu__infer_softmax, NULL, flops_softmax, NULL},
    [PU_OP_ATTENTION] = {1, 1, 2, 2, {0}, pu__infer_attention, pu__gradient_attention, flops_attention, NULL},
    [PU_OP_ATTENTION_GRAD] = {4, 4, 1, 1, {0}, pu__infer_attention_grad, NULL, flops_attention_grad, NULL},
    [PU_OP_CROSS_ATTENTION] =
        {2, 2, 2, 2, {0}, pu__infer_cross_attention, pu__gradient_cross_attention, flops_attention, NULL},
    [PU_OP_CROSS_ATTENTION_GRAD] =
        {5, 5, 2, 2, {0}, pu__infer_cross_attention_grad, NULL, flops_attention_grad, NULL},
    [PU_OP_CONV] = {3, 3, 1, 2, {0}, pu__infer_conv, pu__gradient_conv, flops_conv, NULL},
    [PU_OP_CONV_GRAD] = {3, 3, 3, 3, {0}, pu__infer_conv_grad, NULL, flops_conv_grad, NULL},
    [PU_OP_CONV_DENSE] = {3, 3, 1, 2, {0}, pu__infer_conv_dense, pu__gradient_conv_dense, flops_conv_dense, NULL},
    [PU_OP_CONV_DENSE_GRAD] = {3, 3, 3, 3, {0}, pu__infer_conv_dense_grad, NULL, flops_conv_dense_grad, NULL},
    [PU_OP_S4] = {6, 6, 1, 1, {0}, pu__infer_s4, pu__gradient_s4, flops_s4, NULL},
    [PU_OP_S4_GRAD] = {7, 7, 6, 6, {0}, pu__infer_s4_grad, NULL, flops_s4_grad, NULL},
    [PU_OP_S4_STEP] = {7, 7, 2, 2, {0}, pu__infer_s4_step, NULL, flops_s4_step, NULL},
    [PU_OP_SCAN] = {2, 2, 1, 1, {0}, pu__infer_scan, pu__gradient_scan, flops_two, NULL},
    [PU_OP_SCAN_GRAD] = {3, 3, 2, 2, {0}, pu__infer_scan, NULL, flops_two, NULL},
    [PU_OP_WINDOW_NORM] =
        {2, 2, 1, 1, {PU_F32, PU_I32}, pu__infer_window_norm, NULL, flops_window_norm, read_window_norm},
    [PU_OP_LOSS] = {3, 3, 2, 2, {0}, pu__infer_loss, pu__gradient_loss, flops_loss, NULL},
    [PU_OP_LOSS_GRAD] = {5, 5, 1, 1, {0}, pu__infer_loss_grad, NULL, flops_loss_grad, NULL},
    [PU_OP_PNL] = {2, 3, 3, 3, {0}, pu__infer_pnl, pu__gradient_pnl, flops_pnl, NULL},
    [PU_OP_PNL_GRAD] = {4, 5, 1, 2, {0}, pu__infer_pnl_grad, NULL, flops_pnl_grad, NULL},
    [PU_OP_SUM_SQUARES] = {1, 1, 1, 1, {0}, pu__infer_sum_squares, NULL, flops_sum_squares, NULL},
    [PU_OP_ADAMW] = {6, 6, 4, 4, {0}, pu__infer_adamw, NULL, flops_adamw, NULL},
};

const pu__op *pu__op_row(pu_op_id op) { return &table[op]; }

double pu__op_bytes(const pu__call *call) {
    const pu__op *row = pu__op_row(call->op);
    double bytes = 0.0;
    if (row->bytes_read) {
        bytes = row->bytes_read(call);
    } else {
        for (int i = 0; i < call->in_count; ++i) {
            bytes += (double)(pu__count(&call->in[i].shape) * pu__dtype_bytes(row->in_dtype[i]));
        }
    }
    for (int i = 0; i < call->out_count; ++i) bytes += 4.0 * (double)pu__count(&call->out[i].shape);
    return bytes;
}
