/* From a graph to a program: which nodes run, where values live, and the prepared call of every launch. */
#include <stdio.h>
#include <string.h>

#include "host/graph/op_table.h"

/* What compiling knows besides the program it fills. */
typedef struct compiler {
    pu_graph *graph;
    pu_program *program;
    bool *value_needed; /* by tensor index, bases only */
    bool *node_needed;  /* by node index */
} compiler;

/* ---- which nodes run ---- */

static bool writes_parameters(const pu__node *node) {
    for (int i = 0; i < node->out_count; ++i) {
        if (node->out[i]->home == PU__HOME_PARAMETER || node->out[i]->home == PU__HOME_BLOCK) return true;
    }
    return false;
}

static void mark_needed(compiler *c) {
    const pu_graph *graph = c->graph;
    for (int i = 0; i < graph->tensor_count; ++i) c->value_needed[i] = graph->tensor[i]->is_output;
    for (int n = graph->node_count - 1; n >= 0; --n) {
        const pu__node *node = graph->node[n];
        bool needed = writes_parameters(node);
        for (int i = 0; i < node->out_count; ++i) needed = needed || c->value_needed[node->out[i]->index];
        c->node_needed[n] = needed;
        if (!needed) continue;
        ++c->program->launch_count;
        for (int i = 0; i < node->in_count; ++i) c->value_needed[pu__base(node->in[i])->index] = true;
    }
}

/* A product or convolution writes its pre-activation only for a gradient that runs. */
static int outputs_written(const compiler *c, const pu__node *node) {
    const bool fused = node->op == PU_OP_GEMM || node->op == PU_OP_CONV || node->op == PU_OP_CONV_DENSE;
    if (fused && node->out_count == 2 && !c->value_needed[node->out[1]->index]) return 1;
    return node->out_count;
}

/* ---- where values live ---- */

static bool is_planned(const pu_tensor *tensor) {
    return !tensor->base && tensor->home != PU__HOME_PARAMETER && tensor->home != PU__HOME_BLOCK &&
           tensor->home != PU__HOME_BOUND;
}

static void touch(pu_program *program, pu_tensor *tensor, int position) {
    pu_tensor *base = pu__base(tensor);
    if (!is_planned(base)) return;
    const int last = program->launch_count > 0 ? program->launch_count - 1 : 0;
    const bool whole = base->home != PU__HOME_VALUE || base->is_output;
    if (program->slot[base->index] < 0) {
        program->slot[base->index] = program->interval_count;
        program->interval[program->interval_count++] = (pu__interval){
            .first = whole ? 0 : position, .last = whole ? last : position, .bytes = pu__tensor_bytes(base)};
    }
    pu__interval *interval = &program->interval[program->slot[base->index]];
    if (interval->last < position) interval->last = position;
}

static pu_status plan_values(compiler *c) {
    pu_program *program = c->program;
    const pu_graph *graph = c->graph;
    for (int i = 0; i < graph->tensor_count; ++i) {
        program->slot[i] = -1;
        if (graph->tensor[i]->home == PU__HOME_INPUT && !graph->tensor[i]->base)
            touch(program, graph->tensor[i], 0);
    }
    for (int n = 0, position = 0; n < graph->node_count; ++n) {
        if (!c->node_needed[n]) continue;
        const pu__node *node = graph->node[n];
        for (int i = 0; i < node->in_count; ++i) touch(program, node->in[i], position);
        const int written = outputs_written(c, node);
        for (int i = 0; i < written; ++i) touch(program, node->out[i], position);
        ++position;
    }
    int64_t total = 0;
    PU_TRY(pu__plan(program->interval, program->interval_count, &total));
    program->memory.activation_bytes = total;
    for (int i = 0; i < graph->tensor_count; ++i) {
        if (program->slot[i] < 0) continue;
        const int64_t bytes = program->interval[program->slot[i]].bytes;
        program->memory.unshared_bytes +=
            (bytes + PU__PLAN_ALIGNMENT - 1) / PU__PLAN_ALIGNMENT * PU__PLAN_ALIGNMENT;
        if (graph->tensor[i]->home == PU__HOME_INPUT) program->memory.input_bytes += bytes;
    }
    return PU_OK;
}

/* ---- prepared calls ---- */

static void *address_in(const pu_program *program, pu_tensor *tensor, unsigned char *block) {
    const pu_tensor *base = pu__base(tensor);
    const pu_parameters *parameters = program->graph->parameters;
    if (base->home == PU__HOME_BLOCK) return pu__parameter_address(parameters, base->part, 0);
    if (base->home == PU__HOME_PARAMETER) {
        return pu__parameter_address(parameters, base->part, parameters->item[base->parameter].info.offset);
    }
    const int slot = program->slot[base->index];
    return slot < 0 ? NULL : block + program->interval[slot].offset;
}

static void point_views(const pu_program *program, pu__launch *launch, unsigned char *block) {
    pu__call *call = &launch->call;
    for (int i = 0; i < call->in_count; ++i) call->in[i].data = address_in(program, launch->node->in[i], block);
    for (int i = 0; i < call->out_count; ++i) call->out[i].data = address_in(program, launch->node->out[i], block);
}

static pu_status prepare_launch(const compiler *c, const pu__node *node, pu__launch *launch) {
    const pu_device *device = c->program->device;
    if (!pu_device_supports(device, node->op)) {
        return pu_fail(PU_ERR_UNSUPPORTED, "%s is not available on %s", pu_op_name(node->op),
                       pu_device_name(device));
    }
    launch->node = node;
    launch->kernel = device->backend->kernels[node->op].kernel;
    pu__call *call = &launch->call;
    call->op = node->op;
    call->attributes = &node->attributes;
    call->in_count = node->in_count;
    call->out_count = outputs_written(c, node);
    for (int i = 0; i < call->in_count; ++i) call->in[i].shape = node->in[i]->shape;
    for (int i = 0; i < call->out_count; ++i) call->out[i].shape = node->out[i]->shape;
    device->backend->bind(device->state, call);
    return PU_OK;
}

/* Shapes first, since they decide the workspace; addresses when the block is there. A kernel tells an absent
 * optional view by its null pointer, so the workspace is asked for with views that point anywhere but null. */
static pu_status prepare_launches(compiler *c) {
    pu_program *program = c->program;
    static unsigned char anywhere[1];
    size_t workspace_bytes = 0;
    for (int n = 0, position = 0; n < c->graph->node_count; ++n) {
        if (!c->node_needed[n]) continue;
        pu__launch *launch = &program->launch[position++];
        PU_TRY(prepare_launch(c, c->graph->node[n], launch));
        pu__call *call = &launch->call;
        for (int i = 0; i < call->in_count; ++i) call->in[i].data = anywhere;
        for (int i = 0; i < call->out_count; ++i) call->out[i].data = anywhere;
        const pu__workspace workspace = program->device->backend->kernels[call->op].workspace;
        call->workspace_bytes = workspace ? workspace(call) : 0;
        if (call->workspace_bytes > workspace_bytes) workspace_bytes = call->workspace_bytes;
    }
    program->memory.workspace_bytes = (int64_t)workspace_bytes;
    return PU_OK;
}

static pu_status allocate_block(pu_program *program) {
    const pu_memory_plan *memory = &program->memory;
    const size_t bytes = (size_t)(memory->activation_bytes + memory->workspace_bytes);
    void *block = NULL;
    const pu_status status = pu_device_alloc(program->device, bytes, &block);
    if (status != PU_OK) {
        return pu_fail_within(
            status,
            "a program of %d nodes needs %.1f MiB (values %.1f, workspace %.1f), %.1f are free on %s; use "
            "a smaller batch or window",
            program->launch_count, (double)bytes / 1048576.0, (double)memory->activation_bytes / 1048576.0,
            (double)memory->workspace_bytes / 1048576.0,
            (double)pu_device_memory_free_bytes(program->device) / 1048576.0, pu_device_name(program->device));
    }
    program->block = block;
    for (int i = 0; i < program->launch_count; ++i) {
        point_views(program, &program->launch[i], program->block);
        program->launch[i].call.workspace =
            program->launch[i].call.workspace_bytes ? program->block + memory->activation_bytes : NULL;
    }
    return PU_OK;
}

/* ---- what is filled without a node ---- */

static pu_status upload_constants(pu_program *program) {
    const pu_graph *graph = program->graph;
    for (int i = 0; i < graph->tensor_count; ++i) {
        pu_tensor *tensor = graph->tensor[i];
        if (tensor->home != PU__HOME_CONSTANT || tensor->base || program->slot[i] < 0) continue;
        const int64_t count = pu__count(&tensor->shape);
        float *host = pu_calloc((size_t)count, sizeof *host);
        if (!host) return PU_ERR_MEMORY;
        for (int64_t k = 0; k < count; ++k) host[k] = tensor->constant;
        pu_status status =
            pu_device_upload(program->device, PU_STREAM_COMPUTE, address_in(program, tensor, program->block), host,
                             (size_t)count * sizeof *host);
        if (status == PU_OK) status = pu_device_sync(program->device);
        pu_free(host);
        PU_TRY(status);
    }
    return PU_OK;
}

/* Gradients that no launch writes would keep what another program over the same parameters left there. */
static pu_status find_unwritten_gradients(compiler *c) {
    pu_program *program = c->program;
    const pu_parameters *parameters = c->graph->parameters;
    if (!c->graph->has_gradients) return PU_OK;
    bool *written = pu_calloc((size_t)parameters->number, sizeof *written);
    program->zero = pu_calloc((size_t)parameters->number, sizeof *program->zero);
    if (!written || !program->zero) {
        pu_free(written);
        return PU_ERR_MEMORY;
    }
    for (int i = 0; i < c->graph->tensor_count; ++i) {
        const pu_tensor *tensor = c->graph->tensor[i];
        if (tensor->home == PU__HOME_PARAMETER && tensor->part == PU_PART_GRADIENT)
            written[tensor->parameter] = true;
    }
    for (int i = 0; i < parameters->number; ++i) {
        if (written[i]) continue;
        const pu_parameter_info *info = &parameters->item[i].info;
        program->zero[program->zero_count++] =
            (pu__range){pu__parameter_address(parameters, PU_PART_GRADIENT, info->offset),
                        (size_t)info->count * sizeof(float)};
    }
    pu_free(written);
    return PU_OK;
}

static pu_status find_bound(pu_program *program) {
    const pu_graph *graph = program->graph;
    for (int i = 0; i < graph->tensor_count; ++i) {
        if (graph->tensor[i]->home != PU__HOME_BOUND || graph->tensor[i]->base) continue;
        if (program->bound_count == PU__BOUND_MAX)
            return pu_fail(PU_ERR_UNSUPPORTED, "a program binds at most %d inputs", (int)PU__BOUND_MAX);
        program->bound[program->bound_count++] = i;
    }
    return PU_OK;
}

/* ---- all together ---- */

static pu_status fill_program(compiler *c) {
    pu_program *program = c->program;
    const size_t tensors = (size_t)c->graph->tensor_count;
    program->slot = pu_calloc(tensors, sizeof *program->slot);
    program->interval = pu_calloc(tensors, sizeof *program->interval);
    c->value_needed = pu_calloc(tensors, sizeof *c->value_needed);
    c->node_needed = pu_calloc((size_t)c->graph->node_count, sizeof *c->node_needed);
    if (!program->slot || !program->interval || !c->value_needed || !c->node_needed) return PU_ERR_MEMORY;
    program->tensor_count = c->graph->tensor_count;
    PU_TRY(find_bound(program));
    mark_needed(c);
    program->memory.node_count = program->launch_count;
    program->memory.parameter_bytes = 4 * (int64_t)sizeof(float) * c->graph->parameters->count;
    program->launch = pu_calloc((size_t)program->launch_count, sizeof *program->launch);
    if (!program->launch) return PU_ERR_MEMORY;
    PU_TRY(plan_values(c));
    PU_TRY(prepare_launches(c));
    PU_TRY(allocate_block(program));
    PU_TRY(find_unwritten_gradients(c));
    return upload_constants(program);
}

pu_status pu_compile(pu_graph *graph, pu_program **out) {
    *out = NULL;
    PU_TRY(pu_graph_status(graph));
    if (!graph->parameters->block) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "compile: the parameters are not allocated; call pu_parameters_allocate first");
    }
    pu_program *program = pu_calloc(1, sizeof *program);
    if (!program) return PU_ERR_MEMORY;
    program->graph = graph;
    program->device = graph->parameters->device;
    compiler c = {.graph = graph, .program = program};
    const pu_status status = fill_program(&c);
    pu_free(c.value_needed);
    pu_free(c.node_needed);
    if (status != PU_OK) {
        pu_program_free(program);
        return status;
    }
    *out = program;
    return PU_OK;
}
