/* Speed of the hybrid's training step, by the way in which steps reach a GPU: one in a recording; as many in a
 * recording as a program takes, which is how training launches them; and each kernel by the host. What training copies
 * beside its steps (batches, schedule, losses) is left out. The floor is what the launches of the step cost at the
 * measured rates: matrix products at the rate of the largest one timed, everything else its fewest bytes at the copy's
 * rate; each at least its bytes. */
#include <string.h>

#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/train.h"
#include "tests/gpu/gpu_check.h"

enum { FEATURES = 24, HORIZONS = 3, QUANTILES = 5, SAMPLES = 9, LAUNCHES_PER_SAMPLE = 6, WARM_LAUNCHES = 4 };

enum { SINGLE, SEVERAL, BY_KERNEL, WAYS };
static const int steps_per_launch[WAYS] = {1, PU_PROGRAM_STEPS_MAX, 1};

typedef struct step_case {
    const char *name;
    int64_t width, layers, batch, window;
    double mlp_ratio;
} step_case;

typedef struct step {
    pu_parameters *parameters;
    pu_graph *graph;
    pu_program *program;
    pu_tensor *bars, *start, *clock, *target, *weight, *hyper, *stats;
} step;

static void configure(const step_case *c, pu_config *config) {
    static const int64_t dilations[] = {1, 4, 16, 1};
    memset(config, 0, sizeof *config);
    config->windows.window_bars = c->window;
    config->windows.warmup_bars = c->window / 2;
    config->windows.clip = 8;
    config->model.width = c->width;
    config->model.layers = c->layers;
    config->model.heads = 4;
    config->model.kernel_bars = 4;
    config->model.dilations = (pu_int_list){4, dilations};
    config->model.mlp_ratio = c->mlp_ratio;
    config->model.dropout = 0.1;
    config->model.rotary_base = 10000;
}

static void step_free(step *s) {
    pu_program_free(s->program);
    pu_graph_free(s->graph);
    pu_parameters_free(s->parameters);
    memset(s, 0, sizeof *s);
}

static pu_status step_build(const step_case *c, pu_device *device, step *s) {
    const pu_model_dims dims = {FEATURES, HORIZONS, QUANTILES};
    const pu_attributes loss = {
        .loss = {PU_LOSS_PINBALL, HORIZONS, QUANTILES, {0.1f, 0.25f, 0.5f, 0.75f, 0.9f}, 1.0f}};
    const int64_t length = c->window + c->window / 2, rows = c->batch * c->window;
    pu_config config;
    configure(c, &config);
    PU_TRY(pu_parameters_new(device, &s->parameters));
    PU_TRY(pu_model_declare(&config, dims, s->parameters));
    PU_TRY(pu_parameters_allocate(s->parameters, 1));
    PU_TRY(pu_graph_new(s->parameters, &s->graph));
    s->bars = pu_graph_input(s->graph, "bars", PU_F32, PU_SHAPE2(c->batch * length, FEATURES));
    s->start = pu_graph_input(s->graph, "start", PU_I32, PU_SHAPE1(c->batch));
    s->clock = pu_graph_input(s->graph, "clock", PU_U64, PU_SHAPE1(2));
    s->target = pu_graph_input(s->graph, "target", PU_F32, PU_SHAPE2(rows, HORIZONS));
    s->weight = pu_graph_input(s->graph, "weight", PU_F32, PU_SHAPE2(rows, HORIZONS));
    s->hyper = pu_graph_input(s->graph, "hyper", PU_F32, PU_SHAPE1(8));
    pu_tensor *prediction = pu_model_forward(&config, dims, s->graph, s->bars, s->start, s->clock);
    pu_tensor *value = pu_loss_of(s->graph, prediction, s->target, s->weight, &loss);
    PU_TRY(pu_gradients(s->graph, value));
    s->stats = pu_adamw(s->graph, s->hyper);
    PU_TRY(pu_graph_status(s->graph));
    PU_TRY(pu_graph_output(s->graph, s->stats));
    return pu_compile(s->graph, &s->program);
}

/* Writes deviation * normal + mean. The copy ends before its source is freed. */
static pu_status write_normal(pu_device *device, step *s, const pu_tensor *tensor, float mean, float deviation) {
    const pu_shape shape = pu_tensor_shape(tensor);
    const int64_t n = shape.dim[0] * shape.dim[1];
    float *x = pu_calloc((size_t)n, sizeof *x);
    if (!x) return PU_ERR_MEMORY;
    pu_random random = pu_random_at(5, (uint64_t)n);
    for (int64_t i = 0; i < n; ++i) x[i] = mean + deviation * (float)pu_random_normal(&random);
    pu_status status = pu_program_write(s->program, tensor, x);
    if (status == PU_OK) status = pu_device_sync(device);
    pu_free(x);
    return status;
}

static pu_status step_feed(const step_case *c, pu_device *device, step *s) {
    static const uint64_t clock[2] = {1, 0};
    static const float hyper[8] = {1e-5f, 0.9f, 0.99f, 1e-8f, 0.01f, 1.0f, 0.1f, 0.01f};
    const int64_t length = c->window + c->window / 2;
    int32_t *start = pu_calloc((size_t)c->batch, sizeof *start);
    if (!start) return PU_ERR_MEMORY;
    for (int64_t i = 0; i < c->batch; ++i) start[i] = (int32_t)(i * length);
    pu_status status = pu_program_write(s->program, s->start, start);
    if (status == PU_OK) status = pu_device_sync(device);
    pu_free(start);
    PU_TRY(status);
    PU_TRY(write_normal(device, s, s->bars, 0.0f, 1.0f));
    PU_TRY(write_normal(device, s, s->target, 0.0f, 1.0f));
    PU_TRY(write_normal(device, s, s->weight, 1.0f, 0.0f));
    PU_TRY(pu_program_write(s->program, s->clock, clock));
    return pu_program_write(s->program, s->hyper, hyper);
}

static pu_status launch(step *s, int steps) {
    for (int k = 0; k < steps; ++k) PU_TRY(pu_program_add_step(s->program));
    return pu_program_run(s->program);
}

/* A sample is as many steps whichever way they go. */
static pu_status time_steps(pu_device *device, step *s, int way, bool quick, double *seconds) {
    const int per_launch = steps_per_launch[way], samples = quick ? 1 : SAMPLES;
    const int steps = (quick ? 1 : LAUNCHES_PER_SAMPLE) * PU_PROGRAM_STEPS_MAX;
    double sample[SAMPLES];
    float stats[4];
    for (int i = 0; i < (quick ? 2 : WARM_LAUNCHES); ++i) PU_TRY(launch(s, per_launch));
    PU_TRY(pu_device_sync(device));
    for (int i = 0; i < samples; ++i) {
        const double begin = pu_clock_s();
        for (int k = 0; k < steps; k += per_launch) PU_TRY(launch(s, per_launch));
        PU_TRY(pu_device_sync(device));
        sample[i] = (pu_clock_s() - begin) / steps;
    }
    PU_TRY(pu_program_read(s->program, s->stats, stats));
    if (stats[2] != 0) return pu_fail(PU_ERR_DATA, "the gradient of the timed step is not finite");
    *seconds = pu__gpu_median(sample, samples);
    return PU_OK;
}

static double floor_s_of(const step *s, const pu__gpu_rates *rates) {
    double seconds = 0;
    for (int i = 0; i < pu_program_launches(s->program); ++i) {
        const pu_launch_info info = pu_program_launch(s->program, i);
        const double move = info.bytes / rates->copy_bytes_per_s;
        const double multiply = info.op == PU_OP_GEMM ? info.flops / rates->matrix_flops_per_s : 0;
        seconds += multiply > move ? multiply : move;
    }
    return seconds;
}

typedef struct step_figures {
    double seconds[WAYS], floor_s; /* of one step */
    int64_t parameters;
    int launches;
} step_figures;

/* The ways from `first` to before `end`. */
static pu_status time_ways(const step_case *c, pu_device *device, int first, int end, bool quick, step *s,
                           step_figures *out) {
    PU_TRY(step_build(c, device, s));
    PU_TRY(step_feed(c, device, s));
    for (int way = first; way < end; ++way) PU_TRY(time_steps(device, s, way, quick, &out->seconds[way]));
    out->parameters = pu_parameters_count(s->parameters);
    out->launches = pu_program_launches(s->program);
    return PU_OK;
}

static pu_status time_case(const step_case *c, pu_device *gpu, pu_device *unrecorded, bool quick,
                           const pu__gpu_rates *rates, step_figures *out) {
    step s = {0};
    pu_status status = time_ways(c, gpu, SINGLE, BY_KERNEL, quick, &s, out);
    if (status == PU_OK) out->floor_s = floor_s_of(&s, rates);
    step_free(&s);
    if (status != PU_OK) return status;
    status = time_ways(c, unrecorded, BY_KERNEL, WAYS, quick, &s, out);
    step_free(&s);
    return status;
}

static pu_status bench_case(const step_case *c, pu_device *gpu, pu_device *unrecorded, bool quick, FILE *lines,
                            const pu__gpu_rates *rates) {
    step_figures f = {0};
    const pu_status status = time_case(c, gpu, unrecorded, quick, rates, &f);
    if (status != PU_OK) return pu_fail_within(status, "%s", c->name);
    printf("| %s | %lld | %d | %.1f |", c->name, (long long)f.parameters, f.launches, 1e6 * f.floor_s);
    for (int way = 0; way < WAYS; ++way)
        printf(" %.1f | %.0f%% |", 1e6 * f.seconds[way], 100 * f.floor_s / f.seconds[way]);
    printf("\n");
    fflush(stdout);
    fprintf(lines, "step %s", c->name);
    for (int way = 0; way < WAYS; ++way) fprintf(lines, "\t%.9g", f.seconds[way]);
    fprintf(lines, "\t%lld\t%lld\t%g\t%lld\t%lld\t%lld\t%d\n", (long long)c->width, (long long)c->layers,
            c->mlp_ratio, (long long)c->batch, (long long)c->window, (long long)c->window / 2, FEATURES);
    return PU_OK;
}

pu_status pu__gpu_bench_step(pu_device *gpu, bool quick, FILE *lines, const pu__gpu_rates *rates) {
    static const step_case full[] = {{"small hybrid B64 T128", 128, 2, 64, 128, 1},
                                     {"large hybrid B64 T128", 256, 4, 64, 128, 2}};
    static const step_case tiny[] = {{"tiny hybrid B1 T8", 32, 1, 1, 8, 1}};
    pu__backend plain = *gpu->backend; /* without recording, every step launches its kernels one by one */
    plain.capture_begin = NULL;
    plain.capture_end = NULL;
    plain.replay = NULL;
    plain.capture_free = NULL;
    pu_device *unrecorded = NULL;
    PU_TRY(pu__device_open_backend(&plain, 0, 0, &unrecorded));
    printf("\n| training step | parameters | launches | floor us | 1 step a launch us | share of the floor | %d "
           "steps a "
           "launch us | share of the floor | kernel by kernel us | share of the floor |\n"
           "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
           steps_per_launch[SEVERAL]);
    pu_status status = PU_OK;
    const int count = quick ? 1 : (int)(sizeof full / sizeof full[0]);
    for (int i = 0; i < count && status == PU_OK; ++i)
        status = bench_case(quick ? &tiny[i] : &full[i], gpu, unrecorded, quick, lines, rates);
    pu_device_close(unrecorded);
    return status;
}
