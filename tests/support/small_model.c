#include "tests/support/small_model.h"

#include <math.h>

#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { TAPS = 3, GROUPS = 2, HEADS = 2 };

pu_status pu__small_parameters(const pu__small_model *model, pu_device *device, uint64_t seed,
                               pu_parameters **out) {
    const int64_t f = model->features, c = model->channels, outputs = model->horizons * model->quantiles;
    const struct {
        const char *name;
        pu_shape shape;
        pu_init init;
        int decay;
    } wanted[] = {
        {"input.weight", PU_SHAPE2(f, c), PU_INIT_XAVIER, 1},
        {"input.bias", PU_SHAPE1(c), PU_INIT_ZERO, 0},
        {"norm.gain", PU_SHAPE1(c), PU_INIT_ONE, 0},
        {"norm.bias", PU_SHAPE1(c), PU_INIT_ZERO, 0},
        {"qkv.weight", PU_SHAPE2(c, 3 * c), PU_INIT_XAVIER, 1},
        {"conv.weight", PU_SHAPE2(TAPS, c), PU_INIT_NORMAL, 1},
        {"conv.bias", PU_SHAPE1(c), PU_INIT_ZERO, 0},
        {"glu.weight", PU_SHAPE2(c, 2 * c), PU_INIT_XAVIER, 1},
        {"scale", PU_SHAPE1(c), PU_INIT_ONE, 0},
        {"mix.weight", PU_SHAPE2(c, c), PU_INIT_XAVIER, 1},
        {"head.weight", PU_SHAPE2(c, outputs), PU_INIT_XAVIER, 1},
        {"head.bias", PU_SHAPE1(outputs), PU_INIT_ZERO, 0},
        {"unused", PU_SHAPE2(3, 5), PU_INIT_NORMAL, 1},
    };
    PU_TRY(pu_parameters_new(device, out));
    pu_status status = PU_OK;
    for (size_t i = 0; status == PU_OK && i < sizeof wanted / sizeof wanted[0]; ++i) {
        const float scale = wanted[i].init == PU_INIT_NORMAL ? 0.3f : 1.0f;
        status =
            pu_parameter_declare(*out, wanted[i].name, wanted[i].shape, wanted[i].init, scale, wanted[i].decay);
    }
    if (status == PU_OK) status = pu_parameters_allocate(*out, seed);
    if (status != PU_OK) {
        pu_parameters_free(*out);
        *out = NULL;
    }
    return status;
}

static pu_tensor *parameter(pu__small_graph *small, const char *name) {
    return pu_graph_parameter(small->graph, name);
}

static pu_tensor *input_of(const pu__small_model *model, pu__small_graph *small) {
    if (!model->normalised) {
        small->x = pu_graph_input(small->graph, "x", PU_F32,
                                  PU_SHAPE3(model->windows, model->window_bars, model->features));
        return small->x;
    }
    const int64_t rows = model->windows * 3 + 2 * model->window_bars;
    small->x = pu_graph_input(small->graph, "bars", PU_F32, PU_SHAPE2(rows, model->features));
    small->start = pu_graph_input(small->graph, "start", PU_I32, PU_SHAPE1(model->windows));
    return pu_window_norm(small->graph, small->x, small->start, (int)model->window_bars,
                          (int)model->window_bars / 2, 5.0f, 1e-6f);
}

static pu_tensor *forward(const pu__small_model *model, pu__small_graph *s) {
    static const int dilation[GROUPS] = {1, 2};
    pu_graph *g = s->graph;
    pu_tensor *h =
        pu_linear(g, input_of(model, s), parameter(s, "input.weight"), parameter(s, "input.bias"), PU_ACT_GELU);
    h = pu_layer_norm(g, h, parameter(s, "norm.gain"), parameter(s, "norm.bias"), 1e-5f);
    pu_tensor *a =
        pu_attention(g, pu_linear(g, h, parameter(s, "qkv.weight"), NULL, PU_ACT_NONE), HEADS, 0, 10000.0f);
    if (model->dropout > 0.0f) s->clock = pu_graph_input(g, "clock", PU_U64, PU_SHAPE1(2));
    h = pu_add(g, h, pu_dropout(g, a, s->clock, model->dropout));
    pu_tensor *c =
        pu_conv(g, h, parameter(s, "conv.weight"), parameter(s, "conv.bias"), dilation, GROUPS, PU_ACT_NONE);
    pu_tensor *gate =
        pu_glu(g, pu_linear(g, pu_act_of(g, c, PU_ACT_SILU), parameter(s, "glu.weight"), NULL, PU_ACT_NONE),
               PU_ACT_SIGMOID);
    h = pu_add(g, h, pu_mul(g, gate, parameter(s, "scale")));
    pu_tensor *mix = pu_softmax(g, pu_linear(g, h, parameter(s, "mix.weight"), NULL, PU_ACT_NONE));
    h = pu_mul(g, h, pu_affine(g, mix, 2.0f, 0.5f));
    return pu_linear(g, h, parameter(s, "head.weight"), parameter(s, "head.bias"), PU_ACT_NONE);
}

static pu_status build(const pu__small_model *model, bool train, pu__small_graph *s) {
    pu_graph *g = s->graph;
    const int64_t rows = model->windows * model->window_bars;
    s->prediction = forward(model, s);
    s->target = pu_graph_input(g, "target", PU_F32, PU_SHAPE2(rows, model->horizons));
    s->weight = pu_graph_input(g, "weight", PU_F32, PU_SHAPE2(rows, model->horizons));
    pu_attributes loss = {
        .loss = {.kind = PU_LOSS_PINBALL, .horizons = (int)model->horizons, .quantiles = (int)model->quantiles}};
    for (int q = 0; q < (int)model->quantiles; ++q)
        loss.loss.quantile[q] = (float)(q + 1) / (float)(model->quantiles + 1);
    s->loss = pu_loss_of(g, s->prediction, s->target, s->weight, &loss);
    PU_TRY(pu_graph_status(g));
    PU_TRY(pu_graph_output(g, s->prediction));
    PU_TRY(pu_graph_output(g, s->loss));
    if (train) {
        s->hyper = pu_graph_input(g, "hyper", PU_F32, PU_SHAPE1(8));
        PU_TRY(pu_gradients(g, s->loss));
        s->stats = pu_adamw(g, s->hyper);
        PU_TRY(pu_graph_status(g));
        PU_TRY(pu_graph_output(g, s->stats));
    }
    return pu_compile(g, &s->program);
}

pu_status pu__small_build(const pu__small_model *model, pu_parameters *parameters, bool train,
                          pu__small_graph *out) {
    *out = (pu__small_graph){0};
    PU_TRY(pu_graph_new(parameters, &out->graph));
    const pu_status status = build(model, train, out);
    if (status != PU_OK) pu__small_free(out);
    return status;
}

void pu__small_free(pu__small_graph *small) {
    pu_program_free(small->program);
    pu_graph_free(small->graph);
    *small = (pu__small_graph){0};
}

pu_status pu__small_feed(const pu__small_model *model, pu__small_graph *small, uint64_t seed) {
    const pu_shape shape = pu_tensor_shape(small->x);
    int64_t n = 1;
    for (int i = 0; i < shape.rank; ++i) n *= shape.dim[i];
    const int64_t rows = model->windows * model->window_bars, m = rows * model->horizons;
    float *x = pu_calloc((size_t)(n + 2 * m), sizeof *x);
    int32_t *start = pu_calloc((size_t)model->windows, sizeof *start);
    pu_status status = x && start ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK) {
        float *target = x + n, *weight = target + m;
        pu_random random = pu_random_at(seed, 1);
        for (int64_t i = 0; i < n; ++i) x[i] = (float)pu_random_normal(&random);
        for (int64_t i = 0; i < m; ++i) {
            const int64_t row = i / model->horizons;
            target[i] = sinf(3.0f * x[row * model->features % n]) + 0.1f * (float)pu_random_normal(&random);
            weight[i] = i % 11 == 5 ? 0.0f : 1.0f;
        }
        for (int64_t b = 0; b < model->windows; ++b) start[b] = (int32_t)(3 * b);
        status = pu_program_write(small->program, small->x, x);
        if (status == PU_OK && small->start) status = pu_program_write(small->program, small->start, start);
        if (status == PU_OK) status = pu_program_write(small->program, small->target, target);
        if (status == PU_OK) status = pu_program_write(small->program, small->weight, weight);
        /* A read waits for the uploads, whose memory is freed below. */
        float loss = 0.0f;
        if (status == PU_OK) status = pu_program_read(small->program, small->loss, &loss);
    }
    pu_free(x);
    pu_free(start);
    return status;
}

pu_status pu__small_step(const pu__small_model *model, pu__small_graph *small, uint64_t step, float lr,
                         float *loss, float *stats) {
    const uint64_t clock[2] = {77, step};
    const float hyper[8] = {
        lr, 0.9f, 0.99f, 1e-8f, 0.01f, 1.0f, 1.0f - powf(0.9f, (float)step), 1.0f - powf(0.99f, (float)step)};
    if (model->dropout > 0.0f) PU_TRY(pu_program_write(small->program, small->clock, clock));
    if (small->hyper) PU_TRY(pu_program_write(small->program, small->hyper, hyper));
    PU_TRY(pu_program_run(small->program));
    if (stats && small->stats) PU_TRY(pu_program_read(small->program, small->stats, stats));
    return pu_program_read(small->program, small->loss, loss);
}

typedef struct side {
    pu_parameters *parameters;
    pu__small_graph small;
    float *block;
    float loss, stats[4];
} side;

static pu_status side_open(const pu__small_model *model, pu_device *device, side *s) {
    PU_TRY(pu__small_parameters(model, device, 20261123, &s->parameters));
    s->block = pu_calloc((size_t)pu_parameters_count(s->parameters), sizeof *s->block);
    if (!s->block) return PU_ERR_MEMORY;
    PU_TRY(pu__small_build(model, s->parameters, true, &s->small));
    return pu__small_feed(model, &s->small, 4);
}

static void side_close(side *s) {
    pu__small_free(&s->small);
    pu_parameters_free(s->parameters);
    pu_free(s->block);
}

/* Largest difference of one part, relative to the largest value of the judge. */
static pu_status part_difference(side *judged, side *judge, pu_parameter_part part, double *difference) {
    PU_TRY(pu_parameters_read(judged->parameters, part, judged->block));
    PU_TRY(pu_parameters_read(judge->parameters, part, judge->block));
    double most = 0, largest = 0;
    for (int64_t i = 0; i < pu_parameters_count(judge->parameters); ++i) {
        const double error = fabs((double)judged->block[i] - (double)judge->block[i]);
        if (!(error <= most)) most = error;
        largest = fmax(largest, fabs((double)judge->block[i]));
    }
    *difference = most / largest;
    return PU_OK;
}

static pu_status compare_steps(const pu__small_model *model, side *judged, side *judge, int steps) {
    for (int step = 1; step <= steps; ++step) {
        PU_TRY(pu__small_step(model, &judged->small, (uint64_t)step, 1e-3f, &judged->loss, judged->stats));
        PU_TRY(pu__small_step(model, &judge->small, (uint64_t)step, 1e-3f, &judge->loss, judge->stats));
        double gradient = 0;
        PU_TRY(part_difference(judged, judge, PU_PART_GRADIENT, &gradient));
        const double loss = fabs((double)judged->loss - (double)judge->loss) / fabs((double)judge->loss);
        const double allowed = step == 1 ? 5e-6 : 1e-4;
        if (!(gradient <= allowed) || !(loss <= 0.1 * allowed)) {
            return pu_fail(PU_ERR_DATA, "step %d: loss %.9g against %.9g, gradients differ by %.3g of the largest",
                           step, (double)judged->loss, (double)judge->loss, gradient);
        }
    }
    return PU_OK;
}

pu_status pu__small_compare(const pu__small_model *model, pu_device *judged, pu_device *judge, int steps) {
    side a = {0}, b = {0};
    pu_status status = side_open(model, judged, &a);
    if (status == PU_OK) status = side_open(model, judge, &b);
    if (status == PU_OK) status = compare_steps(model, &a, &b, steps);
    side_close(&a);
    side_close(&b);
    return status;
}
