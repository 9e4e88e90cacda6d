/* Symbolic gradients: nodes of the same graph. The rules are the chain rule over each op's definition in
 * plusultra/ops.h. */
#include "host/graph/op_table.h"

/* A node with one output, which is returned; null on failure. */
static pu_tensor *one(pu_graph *graph, pu_op_id op, pu_tensor *const *in, int in_count,
                      const pu_attributes *attributes) {
    const pu__node *node = pu__node_add(graph, op, in, in_count, attributes, 1, NULL);
    return node ? node->out[0] : NULL;
}

/* dz = dy act'(z) of an op with a fused activation, whose second output is z. */
static pu_tensor *before_activation(pu_graph *graph, const pu__node *node, pu_act act, pu_tensor *dy) {
    if (act == PU_ACT_NONE) return dy;
    const pu_attributes attributes = {.act = {act}};
    return one(graph, PU_OP_ACT_GRAD, (pu_tensor *[]){dy, node->out[1]}, 2, &attributes);
}

/* y = act(z), z = a b + bias. With dz = dy act'(z): da = dz b^T, db = a^T dz, dbias = column sums of dz. */
void pu__gradient_gemm(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *dz = before_activation(graph, node, node->attributes.gemm.act, dy);
    pu_tensor *a = node->in[0], *b = node->in[1];
    if (a->needs_gradient) din[0] = pu__gemm(graph, dz, 0, b, 1);
    if (b->needs_gradient) din[1] = pu__gemm(graph, a, 1, dz, 0);
    if (node->in_count > 2 && node->in[2]->needs_gradient)
        din[2] = pu__sum_leading(graph, dz, &node->in[2]->shape);
}

void pu__gradient_act(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    din[0] = one(graph, PU_OP_ACT_GRAD, (pu_tensor *[]){dy, node->in[0]}, 2, &node->attributes);
}

void pu__gradient_add(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    if (node->in[0]->needs_gradient) din[0] = dy;
    if (node->in[1]->needs_gradient) din[1] = pu__sum_leading(graph, dy, &node->in[1]->shape);
}

void pu__gradient_mul(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *a = node->in[0], *b = node->in[1];
    if (a->needs_gradient) din[0] = pu_mul(graph, dy, b);
    if (b->needs_gradient) din[1] = pu__sum_leading(graph, pu_mul(graph, dy, a), &b->shape);
}

void pu__gradient_affine(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    din[0] = pu_affine(graph, dy, node->attributes.affine.scale, 0.0f);
}

void pu__gradient_glu(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    din[0] = one(graph, PU_OP_GLU_GRAD, (pu_tensor *[]){dy, node->in[0]}, 2, &node->attributes);
}

void pu__gradient_layer_norm(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {dy, node->in[0], node->in[1], node->out[1], node->out[2]};
    const pu__node *gradient = pu__node_add(graph, PU_OP_LAYER_NORM_GRAD, in, 5, &node->attributes, 3, NULL);
    for (int i = 0; gradient && i < 3; ++i) din[i] = gradient->out[i];
}

/* Where only one of the two outputs was used, the chain rule has no sum to fuse with. */
void pu__gradient_add_layer_norm(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *dsum = node->out[1]->gradient, *clock = node->in_count > 4 ? node->in[4] : NULL;
    const pu_attributes *a = &node->attributes;
    if (dy && dsum) {
        pu_tensor *const in[] = {dy, dsum, node->out[1], node->in[2], node->out[2], node->out[3], clock};
        const pu__node *gradient =
            pu__node_add(graph, PU_OP_ADD_LAYER_NORM_GRAD, in, clock ? 7 : 6, a, clock ? 4 : 3, NULL);
        if (!gradient) return;
        din[0] = gradient->out[0];
        din[1] = gradient->out[clock ? 3 : 0];
        din[2] = gradient->out[1];
        din[3] = gradient->out[2];
        return;
    }
    din[0] = dsum;
    if (dy) {
        const pu_attributes norm = {.layer_norm = {a->add_layer_norm.epsilon}};
        pu_tensor *const in[] = {dy, node->out[1], node->in[2], node->out[2], node->out[3]};
        const pu__node *gradient = pu__node_add(graph, PU_OP_LAYER_NORM_GRAD, in, 5, &norm, 3, NULL);
        if (!gradient) return;
        din[0] = gradient->out[0];
        din[2] = gradient->out[1];
        din[3] = gradient->out[2];
    }
    const pu_attributes dropout = {.dropout = {a->add_layer_norm.rate, a->add_layer_norm.tag}};
    din[1] = clock ? one(graph, PU_OP_DROPOUT, (pu_tensor *[]){din[0], clock}, 2, &dropout) : din[0];
}

/* The mask is recomputed from the clock: dropout is its own gradient. */
void pu__gradient_dropout(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    din[0] = one(graph, PU_OP_DROPOUT, (pu_tensor *[]){dy, node->in[1]}, 2, &node->attributes);
}

void pu__gradient_softmax(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    din[0] = one(graph, PU_OP_SOFTMAX_GRAD, (pu_tensor *[]){dy, node->out[0]}, 2, &node->attributes);
}

void pu__gradient_attention(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {dy, node->in[0], node->out[0], node->out[1]};
    din[0] = one(graph, PU_OP_ATTENTION_GRAD, in, 4, &node->attributes);
}

void pu__gradient_cross_attention(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {dy, node->in[0], node->in[1], node->out[0], node->out[1]};
    const pu__node *gradient = pu__node_add(graph, PU_OP_CROSS_ATTENTION_GRAD, in, 5, &node->attributes, 2, NULL);
    for (int i = 0; gradient && i < 2; ++i) din[i] = gradient->out[i];
}

static void convolution(pu_graph *graph, const pu__node *node, pu_op_id op, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {before_activation(graph, node, node->attributes.conv.act, dy), node->in[0],
                             node->in[1]};
    const pu__node *gradient = pu__node_add(graph, op, in, 3, &node->attributes, 3, NULL);
    for (int i = 0; gradient && i < 3; ++i) din[i] = gradient->out[i];
}

void pu__gradient_conv(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    convolution(graph, node, PU_OP_CONV_GRAD, dy, din);
}

void pu__gradient_conv_dense(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    convolution(graph, node, PU_OP_CONV_DENSE_GRAD, dy, din);
}

void pu__gradient_s4(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *in[7] = {dy};
    for (int i = 0; i < 6; ++i) in[1 + i] = node->in[i];
    const pu__node *gradient = pu__node_add(graph, PU_OP_S4_GRAD, in, 7, &node->attributes, 6, NULL);
    for (int i = 0; gradient && i < 6; ++i) din[i] = gradient->out[i];
}

void pu__gradient_scan(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {dy, node->in[0], node->out[0]};
    const pu__node *gradient = pu__node_add(graph, PU_OP_SCAN_GRAD, in, 3, NULL, 2, NULL);
    for (int i = 0; gradient && i < 2; ++i) din[i] = gradient->out[i];
}

void pu__gradient_loss(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    pu_tensor *const in[] = {dy, node->in[0], node->in[1], node->in[2], node->out[1]};
    din[0] = one(graph, PU_OP_LOSS_GRAD, in, 5, &node->attributes);
}

/* Equity is an output of its own right: what it gets comes beside what the net returns get. */
void pu__gradient_pnl(pu_graph *graph, const pu__node *node, pu_tensor *dy, pu_tensor **din) {
    if (node->out[2]->gradient) {
        pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT,
                                      "pnl: what was paid has no gradient; costs are in the net returns already"));
        return;
    }
    if (node->in_count > 2 && node->in[2]->needs_gradient) {
        pu__graph_fail(graph,
                       pu_fail(PU_ERR_ARGUMENT, "pnl: volumes have no gradient, but depend on a parameter"));
        return;
    }
    pu_tensor *dequity = node->out[1]->gradient;
    if (!dy) dy = pu__constant(graph, &node->out[0]->shape, 0.0f);
    if (!dequity) dequity = pu__constant(graph, &node->out[1]->shape, 0.0f);
    pu_tensor *in[5] = {dy, dequity};
    for (int i = 0; i < node->in_count; ++i) in[2 + i] = node->in[i];
    const int outputs = node->in[1]->needs_gradient ? 2 : 1;
    const pu__node *gradient =
        pu__node_add(graph, PU_OP_PNL_GRAD, in, 2 + node->in_count, &node->attributes, outputs, NULL);
    for (int i = 0; gradient && i < outputs; ++i) din[i] = gradient->out[i];
}

/* ---- the backward pass ---- */

/* Adds `gradient` to what `value` has so far. Gradients are kept per base: views share bytes, so they share a
 * gradient. */
static void accumulate(pu_graph *graph, pu_tensor *value, pu_tensor *gradient) {
    if (!gradient || !value->needs_gradient) return;
    pu_tensor *base = pu__base(value);
    gradient = pu_reshape(graph, gradient, base->shape);
    base->gradient = base->gradient ? pu_add(graph, base->gradient, gradient) : gradient;
}

static bool has_gradient(const pu__node *node) {
    for (int i = 0; i < node->out_count; ++i) {
        if (node->out[i]->gradient) return true;
    }
    return false;
}

static void backward(pu_graph *graph, pu_tensor *loss) {
    pu_tensor *base = pu__base(loss);
    base->gradient = pu__constant(graph, &base->shape, 1.0f);
    for (int n = base->producer; n >= 0 && graph->status == PU_OK; --n) {
        const pu__node *node = graph->node[n];
        const pu__op *row = pu__op_row(node->op);
        if (!row->gradient || !has_gradient(node)) continue;
        pu_tensor *din[PU_MAX_IN] = {0};
        row->gradient(graph, node, node->out[0]->gradient, din);
        for (int i = 0; i < node->in_count; ++i) accumulate(graph, node->in[i], din[i]);
    }
}

/* Makes the last node that produces a parameter's gradient write into the gradient block. A value that cannot move
 * there (a constant, or the gradient of two parameters at once) is copied. */
static void settle(pu_graph *graph, const pu_tensor *parameter) {
    if (!parameter->gradient) return;
    pu_tensor *gradient = pu__base(parameter->gradient);
    if (gradient->home != PU__HOME_VALUE) {
        const pu_attributes copy = {.affine = {.scale = 1.0f}};
        gradient = one(graph, PU_OP_AFFINE, (pu_tensor *[]){gradient}, 1, &copy);
        if (!gradient) return;
    }
    gradient->home = PU__HOME_PARAMETER;
    gradient->part = PU_PART_GRADIENT;
    gradient->parameter = parameter->parameter;
}

pu_status pu_gradients(pu_graph *graph, pu_tensor *loss) {
    PU_TRY(pu_graph_status(graph));
    pu_status status = PU_OK;
    char text[PU__SHAPE_TEXT_BYTES];
    if (!loss || loss->graph != graph) {
        status = pu_fail(PU_ERR_ARGUMENT, "gradients: the loss must be a value of the same graph");
    } else if (graph->has_gradients) {
        status = pu_fail(PU_ERR_ARGUMENT, "gradients: a graph has one loss; add the parts before pu_gradients");
    } else if (loss->dtype != PU_F32 || pu__count(&loss->shape) != 1) {
        status = pu_fail(PU_ERR_ARGUMENT, "gradients: the loss must have one element, got %s",
                         pu__shape_text(&loss->shape, text));
    } else if (!loss->needs_gradient) {
        status =
            pu_fail(PU_ERR_ARGUMENT, "gradients: the loss depends on no parameter through differentiable ops");
    }
    if (status != PU_OK) {
        pu__graph_fail(graph, status);
        return status;
    }
    graph->has_gradients = true;
    const int forward_tensors = graph->tensor_count;
    backward(graph, loss);
    for (int i = 0; i < forward_tensors && graph->status == PU_OK; ++i) {
        if (graph->tensor[i]->home == PU__HOME_PARAMETER && !graph->tensor[i]->base)
            settle(graph, graph->tensor[i]);
    }
    return pu_graph_status(graph);
}
