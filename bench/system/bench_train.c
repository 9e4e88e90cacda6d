/* Training steps per second of the hybrid at two sizes, beside the floor (the step's matrix products at this machine's measured rate) and, where
 * PyTorch is installed, the same model there in the same run.
 *
 * Usage: bench_train [SECONDS_PER_CASE]      PU_PEER_PYTHON names the Python that has PyTorch (default python3; "none" skips it) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/train/network.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { BATCH = 64, WINDOW = 128, WARMUP = 64, FEATURES = 24, RUNS_MAX = 1000 };

typedef struct bench_case {
    const char *label;
    int width, layers;
    double mlp_ratio;
} bench_case;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return count ? values[count / 2] : NAN;
}

static pu_status fill(pu__network *network) {
    const int64_t rows = BATCH * (WINDOW + WARMUP), labels = BATCH * WINDOW * 3;
    float *bars = pu_calloc((size_t)(rows * FEATURES), sizeof *bars), *target = pu_calloc((size_t)labels, sizeof *target);
    float *weight = pu_calloc((size_t)labels, sizeof *weight);
    int32_t start[BATCH];
    pu_status status = bars && target && weight ? PU_OK : PU_ERR_MEMORY;
    pu_random random = pu_random_at(3, 0);
    for (int64_t i = 0; status == PU_OK && i < rows * FEATURES; ++i) bars[i] = (float)pu_random_normal(&random);
    for (int64_t i = 0; status == PU_OK && i < labels; ++i) {
        target[i] = (float)pu_random_normal(&random);
        weight[i] = 1;
    }
    for (int i = 0; i < BATCH; ++i) start[i] = i * (WINDOW + WARMUP);
    const pu_batch batch = {.bars = bars, .start = start, .targets = target, .weights = weight, .windows = BATCH};
    if (status == PU_OK) status = pu__network_feed(network, &batch);
    const uint64_t clock[2] = {1, 0};
    const float hyper[8] = {1e-4f, 0.9f, 0.99f, 1e-8f, 0.01f, 1, 0.1f, 0.01f};
    if (status == PU_OK) status = pu_program_write(network->program, network->clock, clock);
    if (status == PU_OK) status = pu_program_write(network->program, network->hyper, hyper);
    pu_free(weight);
    pu_free(target);
    pu_free(bars);
    return status;
}

/* The best rate of one large matrix product: what the floor is counted in. Flops per second. */
static pu_status matrix_rate(pu_device *device, double *rate) {
    pu_parameters *parameters = NULL;
    pu_graph *graph = NULL;
    pu_program *program = NULL;
    const int64_t n = 1024;
    pu_status status = pu_parameters_new(device, &parameters);
    if (status == PU_OK) status = pu_parameter_declare(parameters, "w", PU_SHAPE2(n, n), PU_INIT_NORMAL, 1, 0);
    if (status == PU_OK) status = pu_parameters_allocate(parameters, 1);
    if (status == PU_OK) status = pu_graph_new(parameters, &graph);
    if (status == PU_OK) {
        pu_tensor *x = pu_graph_input(graph, "x", PU_F32, PU_SHAPE2(n, n));
        status = pu_graph_output(graph, pu_linear(graph, x, pu_graph_parameter(graph, "w"), NULL, PU_ACT_NONE));
    }
    if (status == PU_OK) status = pu_compile(graph, &program);
    double best = INFINITY;
    for (int i = 0; i < 20 && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        status = pu_program_run(program);
        if (status == PU_OK) status = pu_device_sync(device);
        const double seconds = pu_clock_s() - begin;
        if (seconds < best) best = seconds;
    }
    *rate = 2.0 * (double)(n * n * n) / best;
    pu_program_free(program);
    pu_graph_free(graph);
    pu_parameters_free(parameters);
    return status;
}

static pu_status time_steps(pu_device *device, pu__network *network, double seconds_max, double *step_s) {
    static double seconds[RUNS_MAX];
    int runs = 0;
    PU_TRY(pu_program_run(network->program));
    PU_TRY(pu_device_sync(device));
    const double started = pu_clock_s();
    while (runs < 5 || (runs < RUNS_MAX && pu_clock_s() - started < seconds_max)) {
        const double begin = pu_clock_s();
        PU_TRY(pu_program_run(network->program));
        PU_TRY(pu_device_sync(device));
        seconds[runs++] = pu_clock_s() - begin;
    }
    *step_s = median(seconds, runs);
    return PU_OK;
}

static double peer_step_s(const bench_case *c, int threads, const char *mode) {
    const char *python = getenv("PU_PEER_PYTHON");
    if (!python) python = "python3";
    if (strcmp(python, "none") == 0) return NAN;
    char command[512];
    snprintf(command, sizeof command, "'%s' bench/peers/hybrid_torch.py %d %d %g %d %d %d %d %d %s 2>/dev/null", python, c->width,
             c->layers, c->mlp_ratio, BATCH, WINDOW, WARMUP, FEATURES, threads, mode);
    FILE *pipe = popen(command, "r");
    if (!pipe) return NAN;
    long parameters;
    double seconds;
    const int got = fscanf(pipe, "%ld %lf", &parameters, &seconds);
    return pclose(pipe) == 0 && got == 2 ? seconds : NAN;
}

static pu_status print_profile(pu_program *program, double matrix_rate_flops, double step_s) {
    PU_TRY(pu_program_profile(program, 7));
    double by_op[PU_OP_COUNT] = {0}, total = 0, flops = 0;
    for (int i = 0; i < pu_program_launches(program); ++i) {
        const pu_launch_info launch = pu_program_launch(program, i);
        by_op[launch.op] += launch.seconds;
        total += launch.seconds;
        if (launch.op == PU_OP_GEMM) flops += launch.flops;
    }
    const double floor_s = flops / matrix_rate_flops;
    printf("  floor: matrix products of the step at the measured %.0f GF/s: %.2f ms; measured / floor %.2f\n", 1e-9 * matrix_rate_flops,
           1e3 * floor_s, step_s / floor_s);
    printf("  share of the step in matrix products: %.0f%%\n  by op:", 100 * by_op[PU_OP_GEMM] / total);
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (by_op[op] > 0.01 * total) printf(" %s %.1f%%", pu_op_name((pu_op_id)op), 100 * by_op[op] / total);
    }
    printf("\n");
    return PU_OK;
}

static pu_status run_case(pu_device *device, const bench_case *c, double rate, double seconds_max) {
    char overrides_text[8][64];
    const char *overrides[8];
    snprintf(overrides_text[0], 64, "model.width=%d", c->width);
    snprintf(overrides_text[1], 64, "model.layers=%d", c->layers);
    snprintf(overrides_text[2], 64, "model.mlp_ratio=%g", c->mlp_ratio);
    snprintf(overrides_text[3], 64, "windows.window_bars=%d", WINDOW);
    snprintf(overrides_text[4], 64, "windows.warmup_bars=%d", WARMUP);
    for (int i = 0; i < 5; ++i) overrides[i] = overrides_text[i];
    pu_config *config = NULL;
    pu_parameters *parameters = NULL;
    pu__network network = {0};
    const pu_model_dims dims = {FEATURES, 3, 5};
    double step_s = NAN;
    pu_status status = pu_config_load(NULL, 5, overrides, &config);
    if (status == PU_OK) status = pu_parameters_new(device, &parameters);
    if (status == PU_OK) status = pu_model_declare(config, dims, parameters);
    if (status == PU_OK) status = pu_parameters_allocate(parameters, 1);
    if (status == PU_OK) status = pu__network_build(config, dims, parameters, BATCH, PU__NETWORK_TRAIN, &network);
    if (status == PU_OK) status = fill(&network);
    if (status == PU_OK) status = time_steps(device, &network, seconds_max, &step_s);
    if (status == PU_OK) {
        printf("%s: %lld parameters, width %d, %d layers, batch %d, window %d\n", c->label, (long long)pu_parameters_count(parameters),
               c->width, c->layers, BATCH, WINDOW);
        printf("  %.1f steps/s, %.0f windows/s (median step %.2f ms)\n", 1 / step_s, BATCH / step_s, 1e3 * step_s);
        status = print_profile(network.program, rate, step_s);
        const char *threads_text = getenv("PU_THREADS");
        const int threads = threads_text ? atoi(threads_text) : 2;
        for (int i = 0; i < 2; ++i) {
            const char *mode = i ? "compile" : "";
            const double peer = peer_step_s(c, threads, mode);
            if (isnan(peer)) printf("  PyTorch%s: not available here\n", i ? " compiled" : "");
            else printf("  PyTorch%s: %.2f ms a step, %.2f x ours\n", i ? " compiled" : " eager", 1e3 * peer, peer / step_s);
        }
    }
    pu__network_free(&network);
    pu_parameters_free(parameters);
    pu_config_free(config);
    return status;
}

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? atof(argv[1]) : 5;
    const bench_case cases[] = {{"small hybrid", 128, 2, 1}, {"large hybrid", 256, 4, 2}};
    pu_device *device = NULL;
    double rate = 0;
    const char *name = getenv("PU_DEVICE");
    pu_status status = pu_device_open(name ? name : "auto", 0, &device);
    if (status == PU_OK) {
        printf("device: %s\n", pu_device_description(device));
        status = matrix_rate(device, &rate);
    }
    for (int i = 0; i < 2 && status == PU_OK; ++i) status = run_case(device, &cases[i], rate, seconds);
    pu_device_close(device);
    if (status != PU_OK) fprintf(stderr, "bench_train: %s\n", pu_error_message());
    return status == PU_OK ? 0 : 1;
}
