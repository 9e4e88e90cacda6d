/* The multi-resolution hybrid backbone and the forecast head.
 *
 *     bars -> causal window normalisation -> linear -> h
 *     each block:  h += GLU(linear(conv(norm(h))))           depthwise causal convolution; channel groups differ
 *     in dilation, so that one
 *                                                            launch sees several resolutions
 *                  h += linear(attention(norm(h)))           causal, rotary positions
 *                  h += linear(GLU(linear(norm(h))))         gated MLP (Shazeer 2020, "GLU variants improve
 *                  transformer", SwiGLU)
 *     linear(norm(h)) + linear(normalised bar) -> [horizons x outputs] at every bar of the window
 *
 * The second term is the linear highway of Lai et al. 2018 (LSTNet, section 3.6): what is linear in the last bar's
 * features is learnt in the
 * first steps, before the deep part begins to fit noise, which at the signal-to-noise ratio of returns it soon
 * does.
 *
 * Every part is causal, so the prediction at bar t depends on bars up to t alone; tests/system/test_lookahead.c
 * proves it bit for bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/memory.h"
#include "plusultra/train.h"

enum { NAME_BYTES = 96 };
static const float norm_epsilon = 1e-5f;
static const float window_epsilon =
    1e-12f; /* small beside the variance of per-bar volatilities of calm markets, about 1e-9 */

static int64_t mlp_width(const pu_config *config) {
    const int64_t width = (int64_t)llround(config->model.mlp_ratio * (double)config->model.width);
    return width > 0 ? width : 1;
}

static const char *named(char *out, int64_t layer, const char *part) {
    snprintf(out, NAME_BYTES, "block%lld.%s", (long long)layer, part);
    return out;
}

static pu_status declare_norm(pu_parameters *parameters, int64_t layer, const char *gain, const char *bias,
                              int64_t width) {
    char name[NAME_BYTES];
    PU_TRY(pu_parameter_declare(parameters, named(name, layer, gain), PU_SHAPE1(width), PU_INIT_ONE, 1, 0));
    return pu_parameter_declare(parameters, named(name, layer, bias), PU_SHAPE1(width), PU_INIT_ZERO, 0, 0);
}

static pu_status declare_linear(pu_parameters *parameters, int64_t layer, const char *weight, const char *bias,
                                int64_t in, int64_t out, float gain) {
    char name[NAME_BYTES];
    PU_TRY(
        pu_parameter_declare(parameters, named(name, layer, weight), PU_SHAPE2(in, out), PU_INIT_XAVIER, gain, 1));
    return pu_parameter_declare(parameters, named(name, layer, bias), PU_SHAPE1(out), PU_INIT_ZERO, 0, 0);
}

static pu_status declare_block(const pu_config *config, int64_t layer, pu_parameters *parameters) {
    const int64_t c = config->model.width, hidden = mlp_width(config), taps = config->model.kernel_bars;
    /* Residual branches start small so that the variance of the stream does not grow with depth (Radford et al.
     * 2019, section 2.3). */
    const float branch = 1.0f / sqrtf(2.0f * (float)config->model.layers);
    char name[NAME_BYTES];
    PU_TRY(declare_norm(parameters, layer, "conv.norm.gain", "conv.norm.bias", c));
    PU_TRY(pu_parameter_declare(parameters, named(name, layer, "conv.weight"), PU_SHAPE2(taps, c), PU_INIT_NORMAL,
                                1.0f / sqrtf((float)taps), 1));
    PU_TRY(pu_parameter_declare(parameters, named(name, layer, "conv.bias"), PU_SHAPE1(c), PU_INIT_ZERO, 0, 0));
    PU_TRY(declare_linear(parameters, layer, "conv.mix.weight", "conv.mix.bias", c, 2 * c, branch));
    PU_TRY(declare_norm(parameters, layer, "attention.norm.gain", "attention.norm.bias", c));
    PU_TRY(declare_linear(parameters, layer, "attention.qkv.weight", "attention.qkv.bias", c, 3 * c, 1));
    PU_TRY(declare_linear(parameters, layer, "attention.out.weight", "attention.out.bias", c, c, branch));
    PU_TRY(declare_norm(parameters, layer, "mlp.norm.gain", "mlp.norm.bias", c));
    PU_TRY(declare_linear(parameters, layer, "mlp.in.weight", "mlp.in.bias", c, 2 * hidden, 1));
    return declare_linear(parameters, layer, "mlp.out.weight", "mlp.out.bias", hidden, c, branch);
}

pu_status pu_model_declare(const pu_config *config, pu_model_dims dims, pu_parameters *parameters) {
    const int64_t c = config->model.width;
    PU_TRY(pu_parameter_declare(parameters, "input.weight", PU_SHAPE2(dims.features, c), PU_INIT_XAVIER, 1, 1));
    PU_TRY(pu_parameter_declare(parameters, "input.bias", PU_SHAPE1(c), PU_INIT_ZERO, 0, 0));
    for (int64_t layer = 0; layer < config->model.layers; ++layer)
        PU_TRY(declare_block(config, layer, parameters));
    PU_TRY(pu_parameter_declare(parameters, "head.norm.gain", PU_SHAPE1(c), PU_INIT_ONE, 1, 0));
    PU_TRY(pu_parameter_declare(parameters, "head.norm.bias", PU_SHAPE1(c), PU_INIT_ZERO, 0, 0));
    /* Small: the first forecasts are near the bias, which pu_model_start sets to the quantiles of a standard
     * normal. */
    PU_TRY(pu_parameter_declare(parameters, "head.weight", PU_SHAPE2(c, dims.horizons * dims.outputs),
                                PU_INIT_XAVIER, 0.1f, 1));
    PU_TRY(pu_parameter_declare(parameters, "highway.weight",
                                PU_SHAPE2(dims.features, dims.horizons * dims.outputs), PU_INIT_ZERO, 0, 1));
    return pu_parameter_declare(parameters, "head.bias", PU_SHAPE1(dims.horizons * dims.outputs), PU_INIT_ZERO, 0,
                                0);
}

/* Inverse of the normal distribution by bisection: sixteen values per run do not need a faster one. */
static double normal_quantile(double p) {
    double low = -10, high = 10;
    for (int i = 0; i < 80; ++i) {
        const double middle = 0.5 * (low + high);
        if (0.5 * erfc(-middle * 0.70710678118654752440) < p) low = middle;
        else high = middle;
    }
    return 0.5 * (low + high);
}

pu_status pu_model_start(const pu_config *config, pu_model_dims dims, pu_parameters *parameters) {
    if (strcmp(config->objective.loss, "pinball") != 0) return PU_OK;
    const int64_t count = pu_parameters_count(parameters);
    float *values = pu_calloc((size_t)count, sizeof *values);
    if (!values) return PU_ERR_MEMORY;
    pu_status status = pu_parameters_read(parameters, PU_PART_VALUE, values);
    for (int i = 0; i < pu_parameters_number(parameters) && status == PU_OK; ++i) {
        pu_parameter_info info;
        status = pu_parameter_get(parameters, i, &info);
        if (status != PU_OK || strcmp(info.name, "head.bias") != 0) continue;
        for (int64_t k = 0; k < info.count; ++k) {
            values[info.offset + k] = (float)normal_quantile(config->objective.quantiles.value[k % dims.outputs]);
        }
    }
    if (status == PU_OK) status = pu_parameters_write(parameters, PU_PART_VALUE, values);
    pu_free(values);
    return status;
}

static pu_tensor *weight_of(pu_graph *graph, int64_t layer, const char *part) {
    char name[NAME_BYTES];
    return pu_graph_parameter(graph, named(name, layer, part));
}

static pu_tensor *linear_of(pu_graph *graph, pu_tensor *x, int64_t layer, const char *weight, const char *bias) {
    return pu_linear(graph, x, weight_of(graph, layer, weight), weight_of(graph, layer, bias), PU_ACT_NONE);
}

/* The residual stream: h, and the branch that the next normalisation adds to it. */
typedef struct stream {
    pu_tensor *h, *branch; /* branch is null before the first */
    pu_tensor *clock;
    float rate;
} stream;

/* Adds the pending branch to h, with dropout, and normalises the sum: one launch. */
static pu_tensor *next_norm(pu_graph *graph, stream *s, pu_tensor *gain, pu_tensor *bias) {
    if (!s->branch) return pu_layer_norm(graph, s->h, gain, bias, norm_epsilon);
    return pu_add_layer_norm(graph, s->h, s->branch, gain, bias, norm_epsilon, s->clock, s->rate, &s->h);
}

static pu_tensor *norm_of(pu_graph *graph, stream *s, int64_t layer, const char *gain, const char *bias) {
    return next_norm(graph, s, weight_of(graph, layer, gain), weight_of(graph, layer, bias));
}

static void block(const pu_config *config, pu_graph *graph, stream *s, int64_t layer) {
    const int groups = config->model.dilations.count;
    int dilation[PU_MAX_DILATIONS] = {0};
    for (int i = 0; i < groups; ++i) dilation[i] = (int)config->model.dilations.value[i];

    pu_tensor *u = norm_of(graph, s, layer, "conv.norm.gain", "conv.norm.bias");
    u = pu_conv(graph, u, weight_of(graph, layer, "conv.weight"), weight_of(graph, layer, "conv.bias"), dilation,
                groups, PU_ACT_NONE);
    s->branch = pu_glu(graph, linear_of(graph, u, layer, "conv.mix.weight", "conv.mix.bias"), PU_ACT_SILU);

    u = norm_of(graph, s, layer, "attention.norm.gain", "attention.norm.bias");
    u = linear_of(graph, u, layer, "attention.qkv.weight", "attention.qkv.bias");
    u = pu_attention(graph, u, (int)config->model.heads, (int)config->model.attention_bars,
                     (float)config->model.rotary_base);
    s->branch = linear_of(graph, u, layer, "attention.out.weight", "attention.out.bias");

    u = norm_of(graph, s, layer, "mlp.norm.gain", "mlp.norm.bias");
    u = pu_glu(graph, linear_of(graph, u, layer, "mlp.in.weight", "mlp.in.bias"), PU_ACT_SILU);
    s->branch = linear_of(graph, u, layer, "mlp.out.weight", "mlp.out.bias");
}

pu_tensor *pu_model_forward(const pu_config *config, pu_model_dims dims, pu_graph *graph, pu_tensor *bars,
                            pu_tensor *start, pu_tensor *clock) {
    const int window = (int)config->windows.window_bars, warmup = (int)config->windows.warmup_bars;
    pu_tensor *x = pu_window_norm(graph, bars, start, window, warmup, (float)config->windows.clip, window_epsilon);
    stream s = {.clock = clock, .rate = (float)config->model.dropout};
    s.h = pu_linear(graph, x, pu_graph_parameter(graph, "input.weight"), pu_graph_parameter(graph, "input.bias"),
                    PU_ACT_NONE);
    for (int64_t layer = 0; layer < config->model.layers; ++layer) block(config, graph, &s, layer);
    pu_tensor *h = next_norm(graph, &s, pu_graph_parameter(graph, "head.norm.gain"),
                             pu_graph_parameter(graph, "head.norm.bias"));
    h = pu_linear(graph, h, pu_graph_parameter(graph, "head.weight"), pu_graph_parameter(graph, "head.bias"),
                  PU_ACT_NONE);
    h = pu_add(graph, h, pu_linear(graph, x, pu_graph_parameter(graph, "highway.weight"), NULL, PU_ACT_NONE));
    if (!h) return NULL;
    const pu_shape shape = pu_tensor_shape(h);
    return pu_reshape(graph, h, PU_SHAPE2(shape.dim[0] * shape.dim[1], dims.horizons * dims.outputs));
}
