#include "host/train/network.h"

#include <string.h>

static pu_attributes loss_attributes(const pu_config *config, pu_model_dims dims) {
    pu_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.loss.kind = strcmp(config->objective.loss, "mse") == 0     ? PU_LOSS_MSE
                           : strcmp(config->objective.loss, "huber") == 0 ? PU_LOSS_HUBER
                                                                          : PU_LOSS_PINBALL;
    attributes.loss.horizons = (int)dims.horizons;
    attributes.loss.quantiles = (int)dims.outputs;
    attributes.loss.huber_delta = (float)config->objective.huber_delta;
    if (attributes.loss.kind == PU_LOSS_PINBALL) {
        for (int i = 0; i < config->objective.quantiles.count; ++i) {
            attributes.loss.quantile[i] = (float)config->objective.quantiles.value[i];
        }
    }
    return attributes;
}

pu_precision pu__network_precision(const pu_config *config) {
    if (strcmp(config->train.precision, "bf16") == 0) return PU_PRECISION_BF16;
    return strcmp(config->train.precision, "tf32") == 0 ? PU_PRECISION_TF32 : PU_PRECISION_F32;
}

static pu_status add_nodes(const pu_config *config, pu_model_dims dims, pu__network_use use, pu__network *n) {
    pu_graph *graph = n->graph;
    pu_graph_set_precision(graph, pu__network_precision(config));
    const int64_t window = config->windows.window_bars, rows = n->batch * (config->windows.warmup_bars + window);
    pu_tensor *(*input)(pu_graph *, const char *, pu_dtype, pu_shape) =
        use == PU__NETWORK_PREDICT ? pu_graph_input : pu_graph_input_bound;
    n->bars = input(graph, "bars", PU_F32, PU_SHAPE2(rows, dims.features));
    n->start = input(graph, "start", PU_I32, PU_SHAPE1(n->batch));
    if (use == PU__NETWORK_TRAIN) {
        n->clock = pu_graph_input_bound(graph, "clock", PU_U64, PU_SHAPE1(2));
        n->hyper = pu_graph_input_bound(graph, "hyper", PU_F32, PU_SHAPE1(8));
    }
    n->prediction = pu_model_forward(config, dims, graph, n->bars, n->start, n->clock);
    if (use == PU__NETWORK_PREDICT) {
        PU_TRY(pu_graph_status(graph));
        return pu_graph_output(graph, n->prediction);
    }
    n->target = input(graph, "target", PU_F32, PU_SHAPE2(n->batch * window, dims.horizons));
    n->weight = input(graph, "weight", PU_F32, PU_SHAPE2(n->batch * window, dims.horizons));
    const pu_attributes attributes = loss_attributes(config, dims);
    n->loss = pu_loss_of(graph, n->prediction, n->target, n->weight, &attributes);
    PU_TRY(pu_graph_status(graph));
    PU_TRY(pu_graph_output(graph, n->loss));
    if (use == PU__NETWORK_EVALUATE) return PU_OK;
    PU_TRY(pu_gradients(graph, n->loss));
    n->stats = pu_adamw(graph, n->hyper);
    PU_TRY(pu_graph_status(graph));
    return pu_graph_output(graph, n->stats);
}

pu_status pu__network_build(const pu_config *config, pu_model_dims dims, pu_parameters *parameters, int64_t batch,
                            pu__network_use use, pu__network *out) {
    memset(out, 0, sizeof *out);
    out->batch = batch;
    pu_status status = pu_graph_new(parameters, &out->graph);
    if (status == PU_OK) status = add_nodes(config, dims, use, out);
    if (status == PU_OK) status = pu_compile(out->graph, &out->program);
    if (status == PU_OK) return PU_OK;
    pu__network_free(out);
    return pu_fail_within(status,
                          status == PU_ERR_MEMORY
                              ? "the model does not fit (lower train.batch, windows.window_bars or model.width)"
                              : "building the model");
}

void pu__network_free(pu__network *network) {
    pu_program_free(network->program);
    pu_graph_free(network->graph);
    memset(network, 0, sizeof *network);
}

pu_status pu__network_bind(pu__network *network, const pu__staged *batch) {
    pu_tensor *const inputs[] = {network->bars, network->start, network->target, network->weight};
    void *const buffers[] = {batch->bars, batch->start, batch->targets, batch->weights};
    return pu_program_bind(network->program, 4, inputs, buffers);
}
