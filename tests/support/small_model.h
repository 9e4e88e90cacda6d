/* A small model that uses every differentiable op once, and its training step: for tests of the engine on any
 * device. */
#ifndef PU_TESTS_SMALL_MODEL_H
#define PU_TESTS_SMALL_MODEL_H

#include "plusultra/graph.h"

typedef struct pu__small_model {
    int64_t windows, window_bars, features, channels, horizons, quantiles; /* channels: a multiple of 16 */
    float dropout;
    bool normalised; /* the input is bars and starts, through window_norm; else windows directly */
} pu__small_model;

typedef struct pu__small_graph {
    pu_graph *graph;
    pu_program *program;
    pu_tensor *x, *start, *clock, *target, *weight, *hyper; /* inputs; start, clock and hyper may be null */
    pu_tensor *prediction, *loss, *stats;                   /* outputs; stats null without training */
} pu__small_graph;

/* Declares and allocates the parameters. */
pu_status pu__small_parameters(const pu__small_model *model, pu_device *device, uint64_t seed,
                               pu_parameters **out);
/* Builds and compiles forward, loss, and with `train` the gradients and the update. Free with pu__small_free. */
pu_status pu__small_build(const pu__small_model *model, pu_parameters *parameters, bool train,
                          pu__small_graph *out);
void pu__small_free(pu__small_graph *small);

/* Seeded inputs in the sizes of the graph: noise, and targets that depend on it. */
pu_status pu__small_feed(const pu__small_model *model, pu__small_graph *small, uint64_t seed);
/* One run with clock {seed, step} and AdamW at `lr`; step counts from 1. Reads the loss, and with training the
 * stats[4] (may be null). */
pu_status pu__small_step(const pu__small_model *model, pu__small_graph *small, uint64_t step, float lr,
                         float *loss, float *stats);

/* Trains the same model on two devices. Gradients of the first step agree within 5e-6 of the largest, some forty
 * times what two CPU implementations differ by (1.3e-7, the rounding of a float); those of later steps, where
 * AdamW turns small differences of small gradients into larger ones, within 1e-4; losses within a tenth of that.
 * PU_ERR_DATA where they do not. */
pu_status pu__small_compare(const pu__small_model *model, pu_device *judged, pu_device *judge, int steps);

#endif
