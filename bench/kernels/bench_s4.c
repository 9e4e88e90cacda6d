/* The forms of S4 against each other, forward and backward, and which one PU_S4_AUTO takes: the crossovers of
 * kernels/s4/s4_cpu.c. bench_s4 [THREADS [ISA]], ISA 0 base, 1 AVX2, 2 AVX-512. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/common/isa_select.h"
#include "kernels/s4/s4.h"
#include "plusultra/graph.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { WINDOWS = 64, CHANNELS = 128, RUNS = 7, PARTS = 5, SLOTS = PARTS + 2, FORMS = PU_S4_BLOCKS + 1 };

typedef struct layer {
    pu_shape shape[SLOTS]; /* y (dy), u, log_step, rate, frequency, weight, skip */
    float *value[SLOTS], *slope[SLOTS];
} layer;

static void layer_free(layer *l) {
    for (int i = 0; i < SLOTS; ++i) {
        pu_free(l->value[i]);
        pu_free(l->slope[i]);
    }
}

/* As a model starts: steps of 0.02, decays of 1/2, frequencies of S4D-Lin. */
static pu_status layer_new(int64_t bars, int64_t states, layer *l) {
    const pu_shape window = PU_SHAPE3(WINDOWS, bars, CHANNELS), channel = PU_SHAPE1(CHANNELS),
                   state = PU_SHAPE2(states, CHANNELS), weight = PU_SHAPE2(2 * states, CHANNELS);
    *l = (layer){.shape = {window, window, channel, state, state, weight, channel}};
    static const float constant[SLOTS] = {0, 0, -4, -0.7f, 0, 0.5f, 1};
    for (int i = 0; i < SLOTS; ++i) {
        const int64_t count = pu__count(&l->shape[i]);
        l->value[i] = pu_calloc((size_t)count, sizeof(float));
        l->slope[i] = pu_calloc((size_t)count, sizeof(float));
        if (!l->value[i] || !l->slope[i]) return PU_ERR_MEMORY;
        for (int64_t j = 0; j < count; ++j) {
            l->value[i][j] = i < 2    ? 0.1f * (float)(j % 19 - 9)
                             : i == 4 ? 3.14159265f * (float)(j / CHANNELS)
                                      : constant[i];
        }
    }
    return PU_OK;
}

/* The least seconds of RUNS calls; `from` is the first slot that goes in: 1 forward, 0 backward. */
static pu_status measure(layer *l, pu_s4_form form, pu_pool *pool, int from, double *seconds) {
    const pu_attributes attributes = {.s4 = {PU_S4_ZERO_ORDER_HOLD, form}};
    pu__call call = {.attributes = &attributes, .pool = pool, .in_count = SLOTS - from};
    call.op = from ? PU_OP_S4 : PU_OP_S4_GRAD;
    call.out_count = from ? 1 : SLOTS - 1;
    for (int i = from; i < SLOTS; ++i) call.in[i - from] = (pu__view){l->value[i], l->shape[i]};
    for (int i = 0; i < call.out_count; ++i) call.out[i] = (pu__view){l->slope[i + 1], l->shape[i + 1]};
    call.workspace_bytes = from ? pu__s4_workspace_cpu(&call) : pu__s4_grad_workspace_cpu(&call);
    void *memory = pu_calloc(1, call.workspace_bytes + 256);
    if (!memory) return PU_ERR_MEMORY;
    call.workspace = (char *)memory + (256 - (uintptr_t)memory % 256) % 256;
    pu_status status = PU_OK;
    *seconds = INFINITY;
    for (int i = 0; i < RUNS && status == PU_OK; ++i) {
        const double begin = pu_clock_s();
        status = from ? pu__s4_cpu(&call) : pu__s4_grad_cpu(&call);
        *seconds = fmin(*seconds, pu_clock_s() - begin);
    }
    pu_free(memory);
    return status;
}

static pu_status compare(int64_t bars, int64_t states, pu_pool *pool) {
    static const char *const name[FORMS] = {"auto", "scan", "convolution", "blocks"};
    layer l;
    pu_status status = layer_new(bars, states, &l);
    printf("%5lld bars, %3lld states, ms:", (long long)bars, (long long)states);
    for (int form = 0; form < FORMS && status == PU_OK; ++form) {
        double forward = 0, backward = 0;
        status = measure(&l, (pu_s4_form)form, pool, 1, &forward);
        if (status == PU_OK) status = measure(&l, (pu_s4_form)form, pool, 0, &backward);
        printf("  %s %6.2f + %6.2f", name[form], 1e3 * forward, 1e3 * backward);
        fflush(stdout);
    }
    printf("\n");
    layer_free(&l);
    return status;
}

int main(int argc, char **argv) {
    static const int64_t bars[] = {64, 128, 256, 512, 1024}, states[] = {8, 16, 32, 64};
    const int threads = argc > 1 ? atoi(argv[1]) : 2;
    pu_pool *pool = NULL;
    if (argc > 2) pu__isa_limit((pu__isa)atoi(argv[2]));
    pu_status status = pu_pool_new(threads, &pool);
    printf("S4, %d windows, %d channels, forward + backward, %d threads, %s\n", WINDOWS, CHANNELS, threads,
           pu__isa_name(pu__isa_used()));
    for (size_t t = 0; t < sizeof bars / sizeof bars[0] && status == PU_OK; ++t) {
        for (size_t n = 0; n < sizeof states / sizeof states[0] && status == PU_OK; ++n)
            status = compare(bars[t], states[n], pool);
    }
    if (status != PU_OK) fprintf(stderr, "bench_s4: %s\n", pu_error_message());
    pu_pool_free(pool);
    return status == PU_OK ? 0 : 1;
}
