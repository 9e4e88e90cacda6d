/* What the files of host/graph share: the structures behind the handles of plusultra/graph.h.
 *
 * Invariants:
 *  1. Nodes are stored in an order in which every value is produced before it is read: builders only append.
 *  2. A view (`base` set) has no bytes of its own; its base is never a view. Node outputs are never views.
 *  3. Every tensor is the output of exactly one node, except inputs, constants and parameters, and the blocks that
 * ADAMW updates in place. */
#ifndef PU_HOST_GRAPH_INTERNAL_H
#define PU_HOST_GRAPH_INTERNAL_H

#include <stdbool.h>

#include "host/device/backend.h"
#include "host/graph/plan.h"
#include "plusultra/graph.h"
#include "plusultra/memory.h"

/* ---- parameters ---- */

typedef struct pu__parameter {
    pu_parameter_info info;
    pu_init init;
    float scale;
} pu__parameter;

struct pu_parameters {
    pu_device *device;
    pu_arena *arena; /* owns the names */
    pu__parameter *item;
    int number, capacity;
    int64_t count;       /* elements, padding included; 0 before allocation */
    int64_t decay_count; /* those of them that decay, at the start */
    int64_t part_stride; /* elements from one part to the next */
    float *block;        /* device memory: PU_PART_* one behind the other; null before allocation */
};

int pu__parameter_find(const pu_parameters *parameters, const char *name); /* -1 when there is none */
float *pu__parameter_address(const pu_parameters *parameters, pu_parameter_part part, int64_t offset);

/* ---- graphs ---- */

typedef enum pu__home {
    PU__HOME_VALUE = 0, /* in the planned block, lives from its node to its last reader */
    PU__HOME_INPUT,     /* in the planned block, for the whole program */
    PU__HOME_BOUND,     /* an input where the caller says */
    PU__HOME_CONSTANT,  /* likewise; every element is `constant`, uploaded once */
    PU__HOME_PARAMETER, /* in the parameters' block */
    PU__HOME_BLOCK      /* a whole part of the parameters' block */
} pu__home;

struct pu_tensor {
    pu_graph *graph;
    const char *name; /* inputs and parameters; null otherwise */
    pu_tensor *base;  /* a view of these bytes; null for a value of its own */
    pu_shape shape;
    pu_dtype dtype;
    pu__home home;
    int index;              /* in graph->tensor */
    int parameter;          /* PARAMETER: index in the parameters */
    pu_parameter_part part; /* PARAMETER and BLOCK */
    float constant;
    pu_tensor *gradient; /* of the loss by this, as far as the backward pass has come; bases only, else null */
    bool needs_gradient; /* depends on a parameter through differentiable ops */
    bool is_output;
    int producer; /* node index; -1 for inputs, constants, parameters and views */
};

typedef struct pu__node {
    pu_op_id op;
    int in_count, out_count;
    pu_tensor *in[PU_MAX_IN];
    pu_tensor *out[PU_MAX_OUT];
    pu_attributes attributes;
} pu__node;

struct pu_graph {
    pu_parameters *parameters;
    pu_arena *arena; /* owns tensors, nodes and names */
    pu_tensor **tensor;
    pu__node **node;
    int tensor_count, tensor_capacity;
    int node_count, node_capacity;
    uint32_t dropout_count;
    pu_precision precision;
    bool has_gradients, has_update;
    pu_status status; /* the first error */
    char message[512];
};

enum { PU__SHAPE_TEXT_BYTES = 112 };
/* "[64,128,32]" into `text` (PU__SHAPE_TEXT_BYTES); returns it. */
const char *pu__shape_text(const pu_shape *shape, char *text);
bool pu__shape_equal(const pu_shape *a, const pu_shape *b);
bool pu__shape_is_suffix(const pu_shape *suffix, const pu_shape *shape);
int64_t pu__dtype_bytes(pu_dtype dtype);
int64_t pu__tensor_bytes(const pu_tensor *tensor);
/* The product of the dimensions; -1 when a dimension is negative, the rank is out of range, or it overflows. */
int64_t pu__shape_count_checked(const pu_shape *shape);

/* Records the calling thread's error message as the graph's first error, and returns null for the builder to
 * return. */
void *pu__graph_fail(pu_graph *graph, pu_status status);

/* Checks the inputs, infers the outputs and appends a node. `out_shape` may be null; where it is not, it presets
 * the output shapes of ops that let the caller choose. Null, with the graph's error set, on failure. */
pu__node *pu__node_add(pu_graph *graph, pu_op_id op, pu_tensor *const *in, int in_count,
                       const pu_attributes *attributes, int out_count, const pu_shape *out_shape);
pu_tensor *pu__constant(pu_graph *graph, const pu_shape *shape, float value);
/* The whole block of one part, as a vector. */
pu_tensor *pu__parameter_block(pu_graph *graph, pu_parameter_part part);
static inline pu_tensor *pu__base(pu_tensor *tensor) { return tensor->base ? tensor->base : tensor; }

/* Builders for single nodes that gradients share with the public ones. */
pu_tensor *pu__gemm(pu_graph *graph, pu_tensor *a, int transpose_a, pu_tensor *b, int transpose_b);
pu_tensor *pu__sum_leading(pu_graph *graph, pu_tensor *x, const pu_shape *shape);

/* ---- programs ---- */

typedef struct pu__launch {
    pu__kernel kernel;
    pu__call call;
    const pu__node *node;
    double seconds;
} pu__launch;

typedef struct pu__range {
    void *start;
    size_t bytes;
} pu__range;

enum { PU__BOUND_MAX = 8, PU__FETCHED_MAX = 4, PU__RECORDINGS_MAX = 32 };

/* Where one step finds its bound inputs and leaves its fetched outputs. */
typedef struct pu__places {
    void *in[PU__BOUND_MAX];    /* on the device; null before they are bound */
    void *out[PU__FETCHED_MAX]; /* on the host; null: not fetched */
} pu__places;

/* A recorded run, and the places of its steps. */
typedef struct pu__recording {
    pu__places step[PU_PROGRAM_STEPS_MAX];
    int steps;
    void *executable; /* of the backend; null: none */
} pu__recording;

struct pu_program {
    pu_graph *graph;
    pu_device *device;
    unsigned char *block; /* the one allocation: planned values, then the shared workspace */
    pu__launch *launch;
    int launch_count;
    pu__range *zero; /* gradients of parameters that no node writes; zeroed at the start of every run */
    int zero_count;
    pu__interval *interval; /* one per planned value */
    int interval_count;
    int *slot; /* by tensor index: its interval, -1 without one */
    int tensor_count;
    pu_memory_plan memory;
    int bound[PU__BOUND_MAX]; /* tensor indices of the inputs that are bound */
    int bound_count;
    const pu_tensor *fetched[PU__FETCHED_MAX]; /* outputs that were fetched at least once */
    int fetched_count;
    pu__places present;                    /* as last bound and fetched */
    pu__places step[PU_PROGRAM_STEPS_MAX]; /* added for the next run */
    int steps;
    bool warm; /* has run once */
    pu__recording recording[PU__RECORDINGS_MAX];
    int recording_next; /* the one to be replaced when all are taken */
};

#endif
