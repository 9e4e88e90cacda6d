/* One row per op: what it takes and gives, how shapes follow, its gradient, and what it costs. The rows drive
 * building, execution, profiling, and the tests of every backend. */
#ifndef PU_HOST_GRAPH_OP_TABLE_H
#define PU_HOST_GRAPH_OP_TABLE_H

#include "host/graph/internal.h"

typedef struct pu__shapes {
    pu_op_id op;
    int in_count, out_count;
    const pu_shape *in;
    pu_shape *out;
    const pu_attributes *attributes;
} pu__shapes;

/* Fills out[0 .. out_count) from the inputs, or fails with a message that names the op and the shapes. SUM_LEADING
 * reads out[0] as the shape that the caller wants. */
typedef pu_status (*pu__infer)(const pu__shapes *shapes);

/* Adds nodes that compute the gradients of the node's inputs from the gradient of its first output; where a caller can
 * reach another one too (the sum of ADD_LAYER_NORM), its gradient is in the tensor, and dy may be null. The other
 * outputs (pre-activations, means, log-sum-exps, counts) serve the backward pass. din[i] stays null for an input that
 * has no gradient. Errors are the graph's. */
typedef void (*pu__gradient)(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din);

typedef struct pu__op {
    int in_min, in_max, out_min, out_max;
    pu_dtype in_dtype[PU_MAX_IN];
    pu__infer infer;
    pu__gradient gradient;                      /* null: not differentiable */
    double (*flops)(const pu__call *call);      /* floating-point operations; a transcendental counts as one */
    double (*bytes_read)(const pu__call *call); /* null: every input once */
} pu__op;

const pu__op *pu__op_row(pu_op_id op);

/* Fewest bytes a launch moves: inputs read once, outputs written once. */
double pu__op_bytes(const pu__call *call);

/* op_infer.c */
pu_status pu__infer_gemm(const pu__shapes *);
pu_status pu__infer_same(const pu__shapes *);
pu_status pu__infer_broadcast(const pu__shapes *);
pu_status pu__infer_sum_leading(const pu__shapes *);
pu_status pu__infer_dropout(const pu__shapes *);
pu_status pu__infer_glu(const pu__shapes *);
pu_status pu__infer_glu_grad(const pu__shapes *);
pu_status pu__infer_layer_norm(const pu__shapes *);
pu_status pu__infer_layer_norm_grad(const pu__shapes *);
pu_status pu__infer_add_layer_norm(const pu__shapes *);
pu_status pu__infer_add_layer_norm_grad(const pu__shapes *);
pu_status pu__infer_softmax(const pu__shapes *);
pu_status pu__infer_attention(const pu__shapes *);
pu_status pu__infer_attention_grad(const pu__shapes *);
pu_status pu__infer_cross_attention(const pu__shapes *);
pu_status pu__infer_cross_attention_grad(const pu__shapes *);
pu_status pu__infer_conv(const pu__shapes *);
pu_status pu__infer_conv_grad(const pu__shapes *);
pu_status pu__infer_conv_dense(const pu__shapes *);
pu_status pu__infer_conv_dense_grad(const pu__shapes *);
pu_status pu__infer_s4(const pu__shapes *);
pu_status pu__infer_s4_grad(const pu__shapes *);
pu_status pu__infer_s4_step(const pu__shapes *);
pu_status pu__infer_scan(const pu__shapes *);
pu_status pu__infer_window_norm(const pu__shapes *);
pu_status pu__infer_loss(const pu__shapes *);
pu_status pu__infer_loss_grad(const pu__shapes *);
pu_status pu__infer_pnl(const pu__shapes *);
pu_status pu__infer_pnl_grad(const pu__shapes *);
pu_status pu__infer_sum_squares(const pu__shapes *);
pu_status pu__infer_adamw(const pu__shapes *);

/* op_gradient.c */
void pu__gradient_gemm(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_act(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_add(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_mul(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_affine(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_glu(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_layer_norm(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_add_layer_norm(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_dropout(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_softmax(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_attention(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_cross_attention(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_s4(pu_graph *, const pu__node *, pu_tensor *dy, pu_tensor **din);
void pu__gradient_scan(pu_graph *, const pu__node *, pu_tensor *dy, pu_tensor **din);
void pu__gradient_conv(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_conv_dense(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_loss(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);
void pu__gradient_pnl(pu_graph *, const pu__node *, pu_tensor *, pu_tensor **);

#endif
