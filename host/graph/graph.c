#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/graph/internal.h"
#include "host/graph/op_table.h"

/* ---- shapes ---- */

const char *pu__shape_text(const pu_shape *shape, char *text) {
    int at = snprintf(text, PU__SHAPE_TEXT_BYTES, "[");
    for (int i = 0; i < shape->rank && i < PU_MAX_RANK; ++i) {
        at += snprintf(text + at, (size_t)(PU__SHAPE_TEXT_BYTES - at), "%s%lld", i ? "," : "",
                       (long long)shape->dim[i]);
    }
    snprintf(text + at, (size_t)(PU__SHAPE_TEXT_BYTES - at), "]");
    return text;
}

bool pu__shape_is_suffix(const pu_shape *suffix, const pu_shape *shape) {
    if (suffix->rank > shape->rank) return false;
    for (int i = 1; i <= suffix->rank; ++i) {
        if (suffix->dim[suffix->rank - i] != shape->dim[shape->rank - i]) return false;
    }
    return true;
}

bool pu__shape_equal(const pu_shape *a, const pu_shape *b) {
    return a->rank == b->rank && pu__shape_is_suffix(a, b);
}

int64_t pu__shape_count_checked(const pu_shape *shape) {
    if (shape->rank < 0 || shape->rank > PU_MAX_RANK) return -1;
    /* The bound leaves room for sums of byte counts; a zero dimension must not hide an overflow of the others. */
    int64_t count = 1, nonzero = 1;
    for (int i = 0; i < shape->rank; ++i) {
        const int64_t dim = shape->dim[i];
        if (dim < 0) return -1;
        if (__builtin_mul_overflow(nonzero, dim ? dim : 1, &nonzero) || nonzero > (INT64_C(1) << 56)) return -1;
        if (dim == 0) count = 0;
    }
    return count ? nonzero : 0;
}

int64_t pu__dtype_bytes(pu_dtype dtype) { return dtype == PU_U64 ? 8 : 4; }
int64_t pu__tensor_bytes(const pu_tensor *tensor) {
    return pu__count(&tensor->shape) * pu__dtype_bytes(tensor->dtype);
}

pu_shape pu_shape_of(int rank, ...) {
    pu_shape shape = {.rank = rank};
    va_list dims;
    va_start(dims, rank);
    for (int i = 0; i < rank && i < PU_MAX_RANK; ++i) shape.dim[i] = va_arg(dims, int64_t);
    va_end(dims);
    return shape;
}

pu_shape pu_tensor_shape(const pu_tensor *tensor) { return tensor ? tensor->shape : (pu_shape){0}; }

/* ---- graphs ---- */

pu_status pu_graph_new(pu_parameters *parameters, pu_graph **out) {
    *out = NULL;
    if (!parameters) return pu_fail(PU_ERR_ARGUMENT, "a graph needs parameters (a set without any will do)");
    pu_graph *graph = pu_calloc(1, sizeof *graph);
    if (!graph) return PU_ERR_MEMORY;
    graph->parameters = parameters;
    const pu_status status = pu_arena_new(32768, &graph->arena);
    if (status != PU_OK) {
        pu_free(graph);
        return status;
    }
    *out = graph;
    return PU_OK;
}

void pu_graph_free(pu_graph *graph) {
    if (!graph) return;
    pu_arena_free(graph->arena);
    pu_free(graph->tensor);
    pu_free(graph->node);
    pu_free(graph);
}

void pu_graph_set_precision(pu_graph *graph, pu_precision precision) { graph->precision = precision; }

pu_status pu_graph_status(const pu_graph *graph) {
    return graph->status == PU_OK ? PU_OK : pu_fail(graph->status, "%s", graph->message);
}

void *pu__graph_fail(pu_graph *graph, pu_status status) {
    if (graph->status == PU_OK) {
        graph->status = status;
        snprintf(graph->message, sizeof graph->message, "%s", pu_error_message());
    }
    return NULL;
}

/* Room for one more pointer in a growing array. */
static bool reserve(void *array, int count, int *capacity) {
    if (count < *capacity) return true;
    const int larger = *capacity ? *capacity * 2 : 64;
    void *old = NULL;
    memcpy(&old, array, sizeof old);
    void *grown = pu_regrow(old, (size_t)*capacity * sizeof(void *), (size_t)larger * sizeof(void *));
    if (!grown) return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = larger;
    return true;
}

static pu_tensor *tensor_add(pu_graph *graph, pu__home home, pu_dtype dtype, const pu_shape *shape) {
    if (!reserve(&graph->tensor, graph->tensor_count, &graph->tensor_capacity))
        return pu__graph_fail(graph, PU_ERR_MEMORY);
    pu_tensor *tensor = pu_arena_alloc(graph->arena, sizeof *tensor);
    if (!tensor) return pu__graph_fail(graph, PU_ERR_MEMORY);
    *tensor = (pu_tensor){.graph = graph,
                          .shape = *shape,
                          .dtype = dtype,
                          .home = home,
                          .index = graph->tensor_count,
                          .producer = -1};
    graph->tensor[graph->tensor_count++] = tensor;
    return tensor;
}

pu_tensor *pu__constant(pu_graph *graph, const pu_shape *shape, float value) {
    pu_tensor *tensor = tensor_add(graph, PU__HOME_CONSTANT, PU_F32, shape);
    if (tensor) tensor->constant = value;
    return tensor;
}

pu_tensor *pu__parameter_block(pu_graph *graph, pu_parameter_part part) {
    pu_tensor *tensor = tensor_add(graph, PU__HOME_BLOCK, PU_F32, &PU_SHAPE1(graph->parameters->count));
    if (tensor) tensor->part = part;
    return tensor;
}

static pu_tensor *input_add(pu_graph *graph, pu__home home, const char *name, pu_dtype dtype, pu_shape shape) {
    char text[PU__SHAPE_TEXT_BYTES];
    if (graph->status != PU_OK) return NULL;
    if (!name || (unsigned)dtype > PU_U64) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "an input needs a name and one of the three types"));
    }
    if (pu__shape_count_checked(&shape) < 0) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "input \"%s\" has the impossible shape %s", name,
                                             pu__shape_text(&shape, text)));
    }
    pu_tensor *tensor = tensor_add(graph, home, dtype, &shape);
    if (!tensor) return NULL;
    tensor->name = pu_arena_strdup(graph->arena, name);
    return tensor->name ? tensor : pu__graph_fail(graph, PU_ERR_MEMORY);
}

pu_tensor *pu_graph_input(pu_graph *graph, const char *name, pu_dtype dtype, pu_shape shape) {
    return input_add(graph, PU__HOME_INPUT, name, dtype, shape);
}

pu_tensor *pu_graph_input_bound(pu_graph *graph, const char *name, pu_dtype dtype, pu_shape shape) {
    return input_add(graph, PU__HOME_BOUND, name, dtype, shape);
}

pu_tensor *pu_graph_parameter(pu_graph *graph, const char *name) {
    if (graph->status != PU_OK) return NULL;
    const int index = name ? pu__parameter_find(graph->parameters, name) : -1;
    if (index < 0) {
        return pu__graph_fail(
            graph, pu_fail(PU_ERR_NOT_FOUND, "parameter \"%s\" is not declared", name ? name : "(null)"));
    }
    for (int i = 0; i < graph->tensor_count; ++i) {
        pu_tensor *known = graph->tensor[i];
        if (known->home == PU__HOME_PARAMETER && known->part == PU_PART_VALUE && known->parameter == index &&
            !known->base) {
            return known;
        }
    }
    const pu_parameter_info *info = &graph->parameters->item[index].info;
    pu_tensor *tensor = tensor_add(graph, PU__HOME_PARAMETER, PU_F32, &info->shape);
    if (!tensor) return NULL;
    tensor->name = info->name;
    tensor->parameter = index;
    tensor->part = PU_PART_VALUE;
    tensor->needs_gradient = true;
    return tensor;
}

pu_status pu_graph_output(pu_graph *graph, pu_tensor *value) {
    PU_TRY(pu_graph_status(graph));
    if (!value || value->graph != graph) {
        pu_fail(PU_ERR_ARGUMENT, "an output must be a value of the same graph");
        pu__graph_fail(graph, PU_ERR_ARGUMENT);
        return PU_ERR_ARGUMENT;
    }
    pu__base(value)->is_output = true;
    return PU_OK;
}

pu_tensor *pu_reshape(pu_graph *graph, pu_tensor *x, pu_shape shape) {
    char from[PU__SHAPE_TEXT_BYTES], to[PU__SHAPE_TEXT_BYTES];
    if (graph->status != PU_OK) return NULL;
    if (!x || x->graph != graph) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "reshape: the value is null or of another graph"));
    }
    if (pu__shape_count_checked(&shape) != pu__count(&x->shape)) {
        return pu__graph_fail(graph, pu_fail(PU_ERR_ARGUMENT, "reshape: %s does not hold as many elements as %s",
                                             pu__shape_text(&shape, to), pu__shape_text(&x->shape, from)));
    }
    if (pu__shape_equal(&shape, &x->shape)) return x;
    pu_tensor *base = pu__base(x);
    if (pu__shape_equal(&shape, &base->shape)) return base;
    pu_tensor *view = tensor_add(graph, base->home, base->dtype, &shape);
    if (!view) return NULL;
    view->base = base;
    view->needs_gradient = base->needs_gradient;
    return view;
}

/* ---- nodes ---- */

static pu_status check_inputs(const pu_graph *graph, pu_op_id op, pu_tensor *const *in, int in_count,
                              int out_count) {
    const pu__op *row = pu__op_row(op);
    if (in_count < row->in_min || in_count > row->in_max || out_count < row->out_min || out_count > row->out_max) {
        return pu_fail(PU_ERR_ARGUMENT, "%s: takes %d inputs and gives %d outputs here, which it does not",
                       pu_op_name(op), in_count, out_count);
    }
    for (int i = 0; i < in_count; ++i) {
        if (!in[i]) return pu_fail(PU_ERR_ARGUMENT, "%s: input %d is null", pu_op_name(op), i);
        if (in[i]->graph != graph)
            return pu_fail(PU_ERR_ARGUMENT, "%s: input %d belongs to another graph", pu_op_name(op), i);
        if (in[i]->dtype != row->in_dtype[i]) {
            static const char *const dtype_name[] = {"f32", "i32", "u64"};
            return pu_fail(PU_ERR_ARGUMENT, "%s: input %d is %s, it must be %s", pu_op_name(op), i,
                           dtype_name[in[i]->dtype], dtype_name[row->in_dtype[i]]);
        }
    }
    if (graph->has_update) {
        return pu_fail(PU_ERR_ARGUMENT, "%s comes after pu_adamw: the update must be the last thing in a graph",
                       pu_op_name(op));
    }
    return PU_OK;
}

static pu_status infer_outputs(pu_op_id op, pu_tensor *const *in, int in_count, const pu_attributes *attributes,
                               pu_shape *out, int out_count) {
    char text[PU__SHAPE_TEXT_BYTES];
    pu_shape shape[PU_MAX_IN];
    for (int i = 0; i < in_count; ++i) shape[i] = in[i]->shape;
    const pu__shapes shapes = {
        .op = op, .in_count = in_count, .out_count = out_count, .in = shape, .out = out, .attributes = attributes};
    PU_TRY(pu__op_row(op)->infer(&shapes));
    for (int i = 0; i < out_count; ++i) {
        if (pu__shape_count_checked(&out[i]) < 0) {
            return pu_fail(PU_ERR_ARGUMENT, "%s: the result %s is too large", pu_op_name(op),
                           pu__shape_text(&out[i], text));
        }
    }
    return PU_OK;
}

pu__node *pu__node_add(pu_graph *graph, pu_op_id op, pu_tensor *const *in, int in_count,
                       const pu_attributes *attributes, int out_count, const pu_shape *out_shape) {
    static const pu_attributes none;
    if (graph->status != PU_OK) return NULL;
    pu_shape shape[PU_MAX_OUT] = {{0}};
    if (out_shape) shape[0] = *out_shape;
    if (!attributes) attributes = &none;
    pu_status status = check_inputs(graph, op, in, in_count, out_count);
    if (status == PU_OK) status = infer_outputs(op, in, in_count, attributes, shape, out_count);
    if (status != PU_OK) return pu__graph_fail(graph, status);

    if (!reserve(&graph->node, graph->node_count, &graph->node_capacity))
        return pu__graph_fail(graph, PU_ERR_MEMORY);
    pu__node *node = pu_arena_alloc(graph->arena, sizeof *node);
    if (!node) return pu__graph_fail(graph, PU_ERR_MEMORY);
    node->op = op;
    node->attributes = *attributes;
    node->in_count = in_count;
    node->out_count = out_count;
    bool needs_gradient = false;
    for (int i = 0; i < in_count; ++i) {
        node->in[i] = in[i];
        needs_gradient = needs_gradient || in[i]->needs_gradient;
    }
    for (int i = 0; i < out_count; ++i) {
        node->out[i] = tensor_add(graph, PU__HOME_VALUE, PU_F32, &shape[i]);
        if (!node->out[i]) return NULL;
        node->out[i]->producer = graph->node_count;
        node->out[i]->needs_gradient = needs_gradient && pu__op_row(op)->gradient;
    }
    graph->node[graph->node_count++] = node;
    return node;
}
