/* Training steps per second of the hybrid at two sizes, beside the floor and, where PyTorch and JAX are installed,
 * the same model there in the same run.
 *
 * Usage: bench_train [SECONDS_PER_CASE [small|large]]      PU_PEER_PYTHON names the Python that has them (default python3;
 * "none" skips it) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plusultra/train.h"

enum { BATCH = 64, WINDOW = 128, WARMUP = 64, FEATURES = 24 };

typedef struct bench_case {
    const char *label;
    int width, layers;
    double mlp_ratio;
} bench_case;

static double peer_step_s(const bench_case *c, const char *script, const char *mode) {
    const char *python = getenv("PU_PEER_PYTHON"), *source = getenv("PU_SOURCE");
    if (!python) python = "python3";
    if (strcmp(python, "none") == 0) return NAN;
    char command[1024];
    snprintf(command, sizeof command, "'%s' '%s/bench/peers/%s.py' %d %d %g %d %d %d %d %ld %s 2>/dev/null",
             python, source ? source : ".", script, c->width, c->layers, c->mlp_ratio, BATCH, WINDOW, WARMUP,
             FEATURES, sysconf(_SC_NPROCESSORS_ONLN), mode);
    FILE *pipe = popen(command, "r");
    if (!pipe) return NAN;
    long parameters;
    double seconds;
    const int got = fscanf(pipe, "%ld %lf", &parameters, &seconds);
    return pclose(pipe) == 0 && got == 2 ? seconds : NAN;
}

/* Beside other systems. The machine's speed drifts in the minutes that they take, so each is compared with the mean of
 * our steps before and after it. */
static pu_status print_peers(const bench_case *c, const pu_config *config, pu_model_dims dims, double seconds,
                             double before_s) {
    static const char *const peer[][3] = {{"PyTorch eager", "hybrid_torch", ""},
                                          {"PyTorch compiled", "hybrid_torch", "compile"},
                                          {"JAX", "hybrid_jax", ""}};
    for (int i = 0; i < 3; ++i) {
        const double peer_s = peer_step_s(c, peer[i][1], peer[i][2]);
        if (isnan(peer_s)) {
            printf("  %s: not available here\n", peer[i][0]);
            continue;
        }
        pu_step_bench after;
        PU_TRY(pu_bench_step(config, dims, seconds, &after));
        const double ours_s = (before_s + after.step_s) / 2;
        printf("  %s: %.2f ms a step, %.2f times ours (%.2f before, %.2f after)\n", peer[i][0], 1e3 * peer_s,
               peer_s / ours_s, 1e3 * before_s, 1e3 * after.step_s);
        fflush(stdout);
        before_s = after.step_s;
        pu_step_bench_free(&after);
    }
    return PU_OK;
}

static void print_case(const bench_case *c, const pu_step_bench *b) {
    double total = 0;
    for (int op = 0; op < PU_OP_COUNT; ++op) total += b->op_s[op];
    printf("%s: %lld parameters, width %d, %d layers, batch %d, window %d, %d launches\n", c->label,
           (long long)b->parameters, c->width, c->layers, BATCH, WINDOW, b->launches);
    printf("  %.1f steps/s, %.0f windows/s (median step %.2f ms)\n", 1 / b->step_s, b->windows_per_s,
           1e3 * b->step_s);
    printf("  floor %.2f ms: the step's matrix products at the measured %.0f GF/s; measured / floor %.2f\n",
           1e3 * b->floor_s, 1e-9 * b->matrix_flops_per_s, b->step_s / b->floor_s);
    printf("  matrix products take %.0f%% of the step; by op:", 100 * b->matrix_ratio);
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (b->op_s[op] > 0.01 * total) printf(" %s %.1f%%", pu_op_name((pu_op_id)op), 100 * b->op_s[op] / total);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? atof(argv[1]) : 5;
    const char *const only = argc > 2 ? argv[2] : "";
    const bench_case cases[] = {{"small hybrid", 128, 2, 1}, {"large hybrid", 256, 4, 2}};
    for (int i = 0; i < 2; ++i) {
        if (strncmp(cases[i].label, only, strlen(only)) != 0) continue;
        char text[6][64];
        snprintf(text[0], 64, "model.width=%d", cases[i].width);
        snprintf(text[1], 64, "model.layers=%d", cases[i].layers);
        snprintf(text[2], 64, "model.mlp_ratio=%g", cases[i].mlp_ratio);
        snprintf(text[3], 64, "windows.window_bars=%d", WINDOW);
        snprintf(text[4], 64, "windows.warmup_bars=%d", WARMUP);
        snprintf(text[5], 64, "train.batch=%d", BATCH);
        const char *const overrides[] = {text[0], text[1], text[2], text[3], text[4], text[5]};
        const pu_model_dims dims = {FEATURES, 3, 5};
        pu_config *config = NULL;
        pu_step_bench bench = {0};
        pu_status status = pu_config_load(NULL, 6, overrides, &config);
        if (status == PU_OK) status = pu_bench_step(config, dims, seconds, &bench);
        if (status == PU_OK) {
            printf("training step, %s\n", bench.device);
            print_case(&cases[i], &bench);
            status = print_peers(&cases[i], config, dims, seconds, bench.step_s);
        }
        pu_step_bench_free(&bench);
        pu_config_free(config);
        if (status != PU_OK) {
            fprintf(stderr, "bench_train: %s\n", pu_error_message());
            return 1;
        }
    }
    return 0;
}
