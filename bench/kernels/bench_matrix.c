/* Matrix products at the shapes of a training step on one CPU thread, beside oneDNN's where it was installed when
 * this was built. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef PU_BENCH_ONEDNN
#include <dnnl.h>
#endif

#include "plusultra/graph.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { RUNS = 12 };

typedef struct product {
    int64_t m, k, n;
} product;

static double least(double best, double seconds) { return seconds < best ? seconds : best; }

static double peer_s(const product *p, const float *x, const float *w, float *y) {
    double best = INFINITY;
#ifdef PU_BENCH_ONEDNN
    for (int i = 0; i < RUNS; ++i) {
        const double begin = pu_clock_s();
        if (dnnl_sgemm('N', 'N', p->m, p->n, p->k, 1, x, p->k, w, p->n, 0, y, p->n) != dnnl_success) return NAN;
        best = least(best, pu_clock_s() - begin);
    }
#else
    (void)p, (void)x, (void)w, (void)y;
    (void)least;
    best = NAN;
#endif
    return best;
}

static pu_status run(pu_device *device, const product *p) {
    pu_parameters *parameters = NULL;
    pu_graph *graph = NULL;
    pu_program *program = NULL;
    float *x = pu_calloc((size_t)(p->m * p->k), sizeof *x), *w = pu_calloc((size_t)(p->k * p->n), sizeof *w);
    float *y = pu_calloc((size_t)(p->m * p->n), sizeof *y);
    pu_tensor *input = NULL;
    pu_status status = x && w && y ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK) status = pu_parameters_new(device, &parameters);
    if (status == PU_OK)
        status = pu_parameter_declare(parameters, "w", PU_SHAPE2(p->k, p->n), PU_INIT_NORMAL, 1, 0);
    if (status == PU_OK) status = pu_parameters_allocate(parameters, 1);
    if (status == PU_OK) status = pu_graph_new(parameters, &graph);
    if (status == PU_OK) {
        input = pu_graph_input(graph, "x", PU_F32, PU_SHAPE2(p->m, p->k));
        status =
            pu_graph_output(graph, pu_linear(graph, input, pu_graph_parameter(graph, "w"), NULL, PU_ACT_NONE));
    }
    if (status == PU_OK) status = pu_compile(graph, &program);
    for (int64_t i = 0; status == PU_OK && i < p->m * p->k; ++i) x[i] = 0.1f * (float)(i % 7);
    for (int64_t i = 0; status == PU_OK && i < p->k * p->n; ++i) w[i] = 0.1f * (float)(i % 5);
    if (status == PU_OK) status = pu_program_write(program, input, x);
    double ours_s = INFINITY;
    for (int i = 0; i < RUNS && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        status = pu_program_run(program);
        ours_s = least(ours_s, pu_clock_s() - begin);
    }
    if (status == PU_OK) {
        const double flops = 2.0 * (double)(p->m * p->n * p->k), theirs_s = peer_s(p, x, w, y);
        printf("%5lld x %4lld x %4lld: %6.1f GF/s", (long long)p->m, (long long)p->k, (long long)p->n,
               1e-9 * flops / ours_s);
        if (isnan(theirs_s)) printf(", oneDNN not available here\n");
        else printf(", oneDNN %6.1f GF/s, ours / theirs %.2f\n", 1e-9 * flops / theirs_s, theirs_s / ours_s);
    }
    pu_program_free(program);
    pu_graph_free(graph);
    pu_parameters_free(parameters);
    pu_free(y);
    pu_free(w);
    pu_free(x);
    return status;
}

/* oneDNN's OpenMP reads its number of threads when the program is loaded: the program starts itself again with
 * one. */
static int start_again(char **argv) {
    if (setenv("OMP_NUM_THREADS", "1", 1) != 0) return 1;
    execv("/proc/self/exe", argv);
    perror("bench_matrix");
    return 1;
}

int main(int argc, char **argv) {
    (void)argc;
    const char *threads = getenv("OMP_NUM_THREADS");
    if (!threads || strcmp(threads, "1") != 0) return start_again(argv);
    const product products[] = {
        {8192, 128, 384}, {8192, 128, 128}, {8192, 256, 512}, {8192, 64, 128}, {1024, 1024, 1024}};
    pu_device *device = NULL;
    pu_status status = pu_device_open("cpu", 1, &device);
    printf("matrix products, rows x inner x columns, one thread, best of %d\n", RUNS);
    for (size_t i = 0; i < sizeof products / sizeof products[0] && status == PU_OK; ++i)
        status = run(device, &products[i]);
    pu_device_close(device);
    if (status != PU_OK) fprintf(stderr, "bench_matrix: %s\n", pu_error_message());
    return status == PU_OK ? 0 : 1;
}
