/* The op calls that model code uses. Ops over rows take matrices; values of a higher rank go in and out as views.
 */
#include <stdio.h>

#include "host/graph/op_table.h"

static pu_tensor *first_of(const pu__node *node) { return node ? node->out[0] : NULL; }

/* Guards what a builder reads before pu__node_add checks it. */
static bool usable(pu_graph *graph, pu_op_id op, const pu_tensor *value) {
    if (graph->status != PU_OK) return false;
    if (value && value->graph == graph) return true;
    pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "%s: an input is null or of another graph", pu_op_name(op)));
    return false;
}

/* [..., C] as [N, C]. */
static pu_tensor *rows_view(pu_graph *graph, pu_tensor *x) {
    if (!x) return NULL;
    const pu_shape *shape = &x->shape;
    if (shape->rank == 2 || shape->rank == 0) return x;
    int64_t rows = 1;
    for (int i = 0; i + 1 < shape->rank; ++i) rows *= shape->dim[i];
    return pu_reshape(graph, x, PU_SHAPE2(rows, pu__last(shape)));
}

/* `rows` [N, C'] as [..., C'] with the leading dimensions of `x`. */
static pu_tensor *unfold(pu_graph *graph, pu_tensor *rows, const pu_tensor *x) {
    if (!rows) return NULL;
    pu_shape shape = x->shape;
    shape.dim[shape.rank - 1] = rows->shape.dim[1];
    return pu_reshape(graph, rows, shape);
}

static bool has_columns(pu_graph *graph, pu_op_id op, const pu_tensor *x) {
    if (!usable(graph, op, x)) return false;
    if (x->shape.rank > 0) return true;
    pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "%s: a scalar has no columns; give it at least one dimension",
                                  pu_op_name(op)));
    return false;
}

pu_tensor *pu__gemm(pu_graph *graph, pu_tensor *a, int transpose_a, pu_tensor *b, int transpose_b) {
    const pu_attributes attributes = {
        .gemm = {.transpose_a = transpose_a != 0, .transpose_b = transpose_b != 0, .precision = graph->precision}};
    return first_of(pu__node_add(graph, PU_OP_GEMM, (pu_tensor *[]){a, b}, 2, &attributes, 1, NULL));
}

pu_tensor *pu__sum_leading(pu_graph *graph, pu_tensor *x, const pu_shape *shape) {
    if (!x || pu__shape_equal(&x->shape, shape)) return x;
    return first_of(pu__node_add(graph, PU_OP_SUM_LEADING, &x, 1, NULL, 1, shape));
}

pu_tensor *pu_linear(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, pu_act act) {
    if (!has_columns(graph, PU_OP_GEMM, x)) return NULL;
    pu_tensor *rows = rows_view(graph, x);
    const pu_attributes attributes = {.gemm = {.act = act, .precision = graph->precision}};
    /* The pre-activation is kept where a gradient may need it; pu_compile drops it where none does. */
    const int outputs = act == PU_ACT_NONE ? 1 : 2;
    const pu__node *node = pu__node_add(graph, PU_OP_GEMM, (pu_tensor *[]){rows, weight, bias}, bias ? 3 : 2,
                                        &attributes, outputs, NULL);
    return unfold(graph, first_of(node), x);
}

pu_tensor *pu_act_of(pu_graph *graph, pu_tensor *x, pu_act act) {
    if (!usable(graph, PU_OP_ACT, x)) return NULL;
    if ((unsigned)act > PU_ACT_TANH) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "act: activation %d is not known", (int)act));
    }
    if (act == PU_ACT_NONE) return x;
    const pu_attributes attributes = {.act = {act}};
    return first_of(pu__node_add(graph, PU_OP_ACT, &x, 1, &attributes, 1, NULL));
}

pu_tensor *pu_add(pu_graph *graph, pu_tensor *a, pu_tensor *b) {
    return first_of(pu__node_add(graph, PU_OP_ADD, (pu_tensor *[]){a, b}, 2, NULL, 1, NULL));
}

pu_tensor *pu_mul(pu_graph *graph, pu_tensor *a, pu_tensor *b) {
    return first_of(pu__node_add(graph, PU_OP_MUL, (pu_tensor *[]){a, b}, 2, NULL, 1, NULL));
}

pu_tensor *pu_affine(pu_graph *graph, pu_tensor *x, float scale, float shift) {
    if (!usable(graph, PU_OP_AFFINE, x)) return NULL;
    if (scale == 1.0f && shift == 0.0f) return x;
    if (x->home == PU__HOME_CONSTANT) return pu__constant(graph, &x->shape, scale * pu__base(x)->constant + shift);
    const pu_attributes attributes = {.affine = {scale, shift}};
    return first_of(pu__node_add(graph, PU_OP_AFFINE, &x, 1, &attributes, 1, NULL));
}

pu_tensor *pu_glu(pu_graph *graph, pu_tensor *x, pu_act act) {
    if (!has_columns(graph, PU_OP_GLU, x)) return NULL;
    if ((unsigned)act > PU_ACT_TANH) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "glu: activation %d is not known", (int)act));
    }
    pu_tensor *rows = rows_view(graph, x);
    const pu_attributes attributes = {.act = {act}};
    return unfold(graph, first_of(pu__node_add(graph, PU_OP_GLU, &rows, 1, &attributes, 1, NULL)), x);
}

pu_tensor *pu_layer_norm(pu_graph *graph, pu_tensor *x, pu_tensor *gain, pu_tensor *bias, float epsilon) {
    if (!has_columns(graph, PU_OP_LAYER_NORM, x)) return NULL;
    pu_tensor *const in[] = {rows_view(graph, x), gain, bias};
    const pu_attributes attributes = {.layer_norm = {epsilon}};
    return unfold(graph, first_of(pu__node_add(graph, PU_OP_LAYER_NORM, in, 3, &attributes, 3, NULL)), x);
}

pu_tensor *pu_add_layer_norm(pu_graph *graph, pu_tensor *x, pu_tensor *branch, pu_tensor *gain, pu_tensor *bias,
                             float epsilon, pu_tensor *clock, float rate, pu_tensor **sum) {
    *sum = NULL;
    if (!has_columns(graph, PU_OP_ADD_LAYER_NORM, x)) return NULL;
    const bool drops = clock && rate != 0.0f;
    pu_tensor *const in[] = {rows_view(graph, x), rows_view(graph, branch), gain, bias, clock};
    const pu_attributes attributes = {
        .add_layer_norm = {.epsilon = epsilon, .rate = rate, .tag = graph->dropout_count}};
    pu__node *node = pu__node_add(graph, PU_OP_ADD_LAYER_NORM, in, drops ? 5 : 4, &attributes, 4, NULL);
    if (!node) return NULL;
    if (drops) ++graph->dropout_count;
    *sum = unfold(graph, node->out[1], x);
    return unfold(graph, node->out[0], x);
}

pu_tensor *pu_dropout(pu_graph *graph, pu_tensor *x, pu_tensor *clock, float rate) {
    if (!usable(graph, PU_OP_DROPOUT, x)) return NULL;
    if (rate == 0.0f) return x;
    const pu_attributes attributes = {.dropout = {.rate = rate, .tag = graph->dropout_count}};
    pu_tensor *y =
        first_of(pu__node_add(graph, PU_OP_DROPOUT, (pu_tensor *[]){x, clock}, 2, &attributes, 1, NULL));
    if (y) ++graph->dropout_count;
    return y;
}

pu_tensor *pu_softmax(pu_graph *graph, pu_tensor *x) {
    if (!has_columns(graph, PU_OP_SOFTMAX, x)) return NULL;
    pu_tensor *rows = rows_view(graph, x);
    return unfold(graph, first_of(pu__node_add(graph, PU_OP_SOFTMAX, &rows, 1, NULL, 1, NULL)), x);
}

pu_tensor *pu_attention(pu_graph *graph, pu_tensor *qkv, int heads, int span, float rotary_base) {
    return pu_attention_with(
        graph, qkv,
        &(pu_attention_options){
            .heads = heads, .span = span, .rotary_base = rotary_base, .precision = graph->precision});
}

static pu_attributes attention_attributes(const pu_attention_options *options) {
    return (pu_attributes){.attention = {.heads = options->heads,
                                         .span = options->span,
                                         .rotary_base = options->rotary_base,
                                         .mask = options->mask,
                                         .offset = options->offset,
                                         .precision = options->precision}};
}

pu_tensor *pu_attention_with(pu_graph *graph, pu_tensor *qkv, const pu_attention_options *options) {
    const pu_attributes attributes = attention_attributes(options);
    return first_of(pu__node_add(graph, PU_OP_ATTENTION, &qkv, 1, &attributes, 2, NULL));
}

pu_tensor *pu_cross_attention(pu_graph *graph, pu_tensor *q, pu_tensor *kv, const pu_attention_options *options) {
    const pu_attributes attributes = attention_attributes(options);
    return first_of(pu__node_add(graph, PU_OP_CROSS_ATTENTION, (pu_tensor *[]){q, kv}, 2, &attributes, 2, NULL));
}

pu_tensor *pu_conv(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, const int *dilation,
                   int groups, pu_act act) {
    if (!usable(graph, PU_OP_CONV, weight)) return NULL;
    pu_attributes attributes = {.conv = {.kernel_bars = (int)weight->shape.dim[0], .groups = groups, .act = act}};
    for (int g = 0; groups <= PU_MAX_DILATIONS && g < groups; ++g) attributes.conv.dilation[g] = dilation[g];
    const int outputs = act == PU_ACT_NONE ? 1 : 2;
    return first_of(
        pu__node_add(graph, PU_OP_CONV, (pu_tensor *[]){x, weight, bias}, 3, &attributes, outputs, NULL));
}

pu_tensor *pu_conv_dense(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, int dilation,
                         pu_act act) {
    if (!usable(graph, PU_OP_CONV_DENSE, weight)) return NULL;
    const pu_attributes attributes = {
        .conv = {.kernel_bars = (int)weight->shape.dim[0], .groups = 1, .dilation = {dilation}, .act = act}};
    const int outputs = act == PU_ACT_NONE ? 1 : 2;
    return first_of(
        pu__node_add(graph, PU_OP_CONV_DENSE, (pu_tensor *[]){x, weight, bias}, 3, &attributes, outputs, NULL));
}

pu_tensor *pu_s4(pu_graph *graph, pu_tensor *u, const pu_s4_parameters *p, pu_s4_discretisation discretisation,
                 pu_s4_form form) {
    const pu_attributes attributes = {.s4 = {discretisation, form}};
    pu_tensor *const in[] = {u, p->log_step, p->rate, p->frequency, p->weight, p->skip};
    return first_of(pu__node_add(graph, PU_OP_S4, in, 6, &attributes, 1, NULL));
}

pu_tensor *pu_s4_step(pu_graph *graph, pu_tensor *u, pu_tensor *state, const pu_s4_parameters *p,
                      pu_s4_discretisation discretisation, pu_tensor **next_state) {
    const pu_attributes attributes = {.s4 = {discretisation, PU_S4_AUTO}};
    pu_tensor *const in[] = {u, state, p->log_step, p->rate, p->frequency, p->weight, p->skip};
    pu__node *node = pu__node_add(graph, PU_OP_S4_STEP, in, 7, &attributes, 2, NULL);
    *next_state = node ? node->out[1] : NULL;
    return first_of(node);
}

pu_tensor *pu_scan(pu_graph *graph, pu_tensor *a, pu_tensor *x) {
    return first_of(pu__node_add(graph, PU_OP_SCAN, (pu_tensor *[]){a, x}, 2, NULL, 1, NULL));
}

pu_tensor *pu_window_norm(pu_graph *graph, pu_tensor *bars, pu_tensor *start, int window_bars, int warmup_bars,
                          float clip, float epsilon) {
    const pu_attributes attributes = {
        .window_norm = {.window_bars = window_bars, .warmup_bars = warmup_bars, .clip = clip, .epsilon = epsilon}};
    return first_of(pu__node_add(graph, PU_OP_WINDOW_NORM, (pu_tensor *[]){bars, start}, 2, &attributes, 1, NULL));
}

pu_tensor *pu_loss_of(pu_graph *graph, pu_tensor *prediction, pu_tensor *target, pu_tensor *weight,
                      const pu_attributes *attributes) {
    if (!attributes) {
        return pu__graph_fail(graph,
                              pu_fail(PU_ERR_ARGUMENT, "loss: the attributes that say which loss are null"));
    }
    if (!usable(graph, PU_OP_LOSS, prediction) || !usable(graph, PU_OP_LOSS, target) ||
        !usable(graph, PU_OP_LOSS, weight)) {
        return NULL;
    }
    pu_tensor *const in[] = {rows_view(graph, prediction), rows_view(graph, target), rows_view(graph, weight)};
    return first_of(pu__node_add(graph, PU_OP_LOSS, in, 3, attributes, 2, NULL));
}

pu_tensor *pu_pnl(pu_graph *graph, pu_tensor *weight, pu_tensor *returns, pu_tensor *volume,
                  const pu_pnl_rules *rules, pu_tensor **equity, pu_tensor **paid) {
    if (equity) *equity = NULL;
    if (paid) *paid = NULL;
    if (!rules) return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "pnl: the rules are null"));
    const pu_attributes attributes = {.pnl = *rules};
    pu_tensor *const in[] = {weight, returns, volume};
    const pu__node *node = pu__node_add(graph, PU_OP_PNL, in, volume ? 3 : 2, &attributes, 3, NULL);
    if (!node) return NULL;
    if (equity) *equity = node->out[1];
    if (paid) *paid = node->out[2];
    return node->out[0];
}

pu_tensor *pu_adamw(pu_graph *graph, pu_tensor *hyper) {
    if (!usable(graph, PU_OP_ADAMW, hyper)) return NULL;
    if (!graph->has_gradients || !graph->parameters->block) {
        return pu__graph_fail(
            graph, pu_fail(PU_ERR_ARGUMENT, "adamw: call pu_parameters_allocate and pu_gradients before it"));
    }
    pu_tensor *value = pu__parameter_block(graph, PU_PART_VALUE),
              *gradient = pu__parameter_block(graph, PU_PART_GRADIENT);
    pu_tensor *m = pu__parameter_block(graph, PU_PART_FIRST_MOMENT),
              *v = pu__parameter_block(graph, PU_PART_SECOND_MOMENT);
    pu_tensor *sumsq = first_of(pu__node_add(graph, PU_OP_SUM_SQUARES, &gradient, 1, NULL, 1, NULL));
    const pu_attributes attributes = {.adamw = {graph->parameters->decay_count}};
    pu__node *node = pu__node_add(graph, PU_OP_ADAMW, (pu_tensor *[]){value, gradient, m, v, sumsq, hyper}, 6,
                                  &attributes, 4, NULL);
    if (!node) return NULL;
    /* In place: the first three outputs are the blocks themselves. */
    pu_tensor *const block[] = {value, m, v};
    for (int i = 0; i < 3; ++i) node->out[i] = block[i];
    graph->has_update = true;
    return node->out[3];
}
