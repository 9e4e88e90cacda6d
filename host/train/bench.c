/* How fast this machine takes the training step of a configuration, and where the time goes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/train/network.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { RUNS_MIN = 5, RUNS_MAX = 1000, PROFILE_RUNS = 7, RATE_RUNS = 10 };
enum { ALIGN_FLOATS = 64 };

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One batch on the device, as the loader lays it out but for the padding, and behind it clock and hyper, in `memory` of
 * its own. */
static pu_status upload_random(pu_device *device, const pu__network *network, const pu_config *config,
                               pu_model_dims dims, void **memory, pu__staged *out, void *told[2]) {
    const uint64_t clock[2] = {1, 0};
    const float hyper[8] = {1e-5f, 0.9f, 0.99f, 1e-8f, 0.01f, 1, 0.1f, 0.01f};
    const int64_t length = config->windows.warmup_bars + config->windows.window_bars, batch = network->batch;
    const int64_t inputs = (batch * length * dims.features + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    const int64_t cells = batch * config->windows.window_bars * dims.horizons;
    const int64_t labels = (cells + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    const int64_t starts = (batch + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    const size_t floats = (size_t)(inputs + 2 * labels + starts + 2 * ALIGN_FLOATS);
    float *host = pu_calloc(floats, sizeof *host);
    if (!host) return PU_ERR_MEMORY;
    pu_random random = pu_random_at(3, 0);
    for (int64_t i = 0; i < inputs + cells; ++i) host[i] = (float)pu_random_normal(&random);
    for (int64_t i = 0; i < cells; ++i) host[inputs + labels + i] = 1;
    int32_t *start = (int32_t *)(void *)(host + inputs + 2 * labels);
    for (int64_t i = 0; i < batch; ++i) start[i] = (int32_t)(i * length);
    float *host_told = host + inputs + 2 * labels + starts;
    memcpy(host_told, clock, sizeof clock);
    memcpy(host_told + ALIGN_FLOATS, hyper, sizeof hyper);
    pu_status status = pu_device_alloc(device, floats * sizeof *host, memory);
    if (status == PU_OK)
        status = pu_device_upload(device, PU_STREAM_COMPUTE, *memory, host, floats * sizeof *host);
    if (status == PU_OK) status = pu_device_sync(device);
    pu_free(host);
    float *there = *memory;
    if (status == PU_OK) {
        *out = (pu__staged){.bars = there,
                            .targets = there + inputs,
                            .weights = there + inputs + labels,
                            .start = there + inputs + 2 * labels};
        told[0] = there + inputs + 2 * labels + starts;
        told[1] = there + inputs + 2 * labels + starts + ALIGN_FLOATS;
    }
    return status;
}

static pu_status feed_random(pu_device *device, pu__network *network, const pu_config *config, pu_model_dims dims,
                             void **memory) {
    float stats[4];
    void *told[2];
    pu__staged batch;
    PU_TRY(upload_random(device, network, config, dims, memory, &batch, told));
    PU_TRY(pu__network_bind(network, &batch));
    PU_TRY(pu_program_bind(network->program, 2, (pu_tensor *[]){network->clock, network->hyper}, told));
    PU_TRY(pu_program_run(network->program));
    PU_TRY(pu_program_read(network->program, network->stats, stats));
    return stats[2] == 0 ? PU_OK : pu_fail(PU_ERR_DATA, "the step's gradient is not finite");
}

static pu_status time_runs(pu_device *device, pu_program *program, double seconds_max, int runs_max,
                           double *median_s, double *best_s) {
    double seconds[RUNS_MAX];
    int runs = 0;
    const double started = pu_clock_s();
    while (runs < RUNS_MIN || (runs < runs_max && pu_clock_s() - started < seconds_max)) {
        const double begin = pu_clock_s();
        PU_TRY(pu_program_run(program));
        PU_TRY(pu_device_sync(device));
        seconds[runs++] = pu_clock_s() - begin;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, by_value);
    *median_s = seconds[runs / 2];
    *best_s = seconds[0];
    return PU_OK;
}

/* Best seconds of a program with one operation on x. */
static pu_status time_one(pu_device *device, pu_shape x_shape, bool product, pu_precision precision,
                          double *best_s) {
    pu_parameters *parameters = NULL;
    pu_graph *graph = NULL;
    pu_program *program = NULL;
    double median_s = 1;
    pu_status status = pu_parameters_new(device, &parameters);
    if (status == PU_OK)
        status = pu_parameter_declare(parameters, "w", product ? x_shape : PU_SHAPE1(1), PU_INIT_NORMAL, 1, 0);
    if (status == PU_OK) status = pu_parameters_allocate(parameters, 1);
    if (status == PU_OK) status = pu_graph_new(parameters, &graph);
    if (status == PU_OK) {
        pu_graph_set_precision(graph, precision);
        pu_tensor *x = pu_graph_input(graph, "x", PU_F32, x_shape);
        status =
            pu_graph_output(graph, product ? pu_linear(graph, x, pu_graph_parameter(graph, "w"), NULL, PU_ACT_NONE)
                                           : pu_affine(graph, x, 2.0f, 1.0f));
    }
    if (status == PU_OK) status = pu_compile(graph, &program);
    if (status == PU_OK) status = time_runs(device, program, 1, RATE_RUNS, &median_s, best_s);
    pu_program_free(program);
    pu_graph_free(graph);
    pu_parameters_free(parameters);
    return status;
}

/* What limits are counted in: the best rates of one large product, in f32 and in the step's precision, and of one long
 * pass. On a GPU both are larger: its caches hold what a processor's do not. */
static pu_status measure_rates(pu_device *device, pu_precision precision, pu_step_bench *out) {
    const bool host = pu_device_is_host(device);
    const int64_t n = host ? 1024 : 4096, copy_floats = (int64_t)(host ? 8 : 128) << 20;
    const double flops = 2.0 * (double)(n * n * n);
    double best_s = 1;
    PU_TRY(time_one(device, PU_SHAPE2(n, n), true, PU_PRECISION_F32, &best_s));
    out->f32_flops_per_s = out->matrix_flops_per_s = flops / best_s;
    if (precision != PU_PRECISION_F32) {
        PU_TRY(time_one(device, PU_SHAPE2(n, n), true, precision, &best_s));
        out->matrix_flops_per_s = flops / best_s;
    }
    PU_TRY(time_one(device, PU_SHAPE2(copy_floats / n, n), false, PU_PRECISION_F32, &best_s));
    out->copy_bytes_per_s = 8.0 * (double)copy_floats / best_s;
    return PU_OK;
}

double pu_step_bench_limit_s(const pu_step_bench *bench, int launch) {
    const pu_launch_info *l = &bench->launch[launch];
    const bool rounded = l->op == PU_OP_GEMM || l->op == PU_OP_ATTENTION || l->op == PU_OP_ATTENTION_GRAD ||
                         l->op == PU_OP_CROSS_ATTENTION || l->op == PU_OP_CROSS_ATTENTION_GRAD;
    return fmax(l->bytes / bench->copy_bytes_per_s,
                l->flops / (rounded ? bench->matrix_flops_per_s : bench->f32_flops_per_s));
}

static pu_status profile(pu_program *program, pu_step_bench *out) {
    PU_TRY(pu_program_profile(program, PROFILE_RUNS));
    double total = 0, flops = 0;
    out->launches = pu_program_launches(program);
    out->launch = pu_calloc((size_t)out->launches, sizeof *out->launch);
    if (!out->launch) return PU_ERR_MEMORY;
    for (int i = 0; i < out->launches; ++i) {
        const pu_launch_info launch = pu_program_launch(program, i);
        out->launch[i] = launch;
        out->op_s[launch.op] += launch.seconds;
        total += launch.seconds;
        if (launch.op == PU_OP_GEMM) flops += launch.flops;
    }
    out->floor_s = flops / out->matrix_flops_per_s;
    out->matrix_ratio = total > 0 ? out->op_s[PU_OP_GEMM] / total : 0;
    return PU_OK;
}

static pu_status measure(const pu_config *config, pu_model_dims dims, double seconds, pu_device *device,
                         pu_parameters *parameters, pu__network *network, void **memory, pu_step_bench *out) {
    double best_s = 0;
    snprintf(out->device, sizeof out->device, "%s", pu_device_description(device));
    PU_TRY(measure_rates(device, pu__network_precision(config), out));
    PU_TRY(pu_model_declare(config, dims, parameters));
    PU_TRY(pu_parameters_allocate(parameters, 1));
    out->parameters = pu__parameter_elements(parameters);
    PU_TRY(pu__network_build(config, dims, parameters, config->train.batch, PU__NETWORK_TRAIN, network));
    PU_TRY(feed_random(device, network, config, dims, memory));
    PU_TRY(time_runs(device, network->program, seconds, RUNS_MAX, &out->step_s, &best_s));
    out->windows_per_s = (double)config->train.batch / out->step_s;
    return profile(network->program, out);
}

pu_status pu_bench_step(const pu_config *config, pu_model_dims dims, double seconds, pu_step_bench *out) {
    memset(out, 0, sizeof *out);
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu__network network = {0};
    void *memory = NULL;
    pu_status status = pu_device_open(config->run.device, (int)config->run.threads, &device);
    if (status == PU_OK) status = pu_parameters_new(device, &parameters);
    if (status == PU_OK) status = measure(config, dims, seconds, device, parameters, &network, &memory, out);
    pu__network_free(&network);
    if (memory) pu_device_free(device, memory);
    pu_parameters_free(parameters);
    pu_device_close(device);
    if (status != PU_OK) pu_step_bench_free(out);
    return status;
}

void pu_step_bench_free(pu_step_bench *bench) {
    pu_free(bench->launch);
    bench->launch = NULL;
}
