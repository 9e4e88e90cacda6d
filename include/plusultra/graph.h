/* Static model graphs: built once, differentiated symbolically, planned into one allocation, compiled and
 * replayed.
 *
 * Life of a graph:
 *
 *   pu_graph_new -> inputs, parameters, op calls -> pu_gradients -> pu_graph_output -> pu_compile ->
 * pu_program_run, many times
 *
 * The graph and its parameters outlive the programs compiled from them.
 *
 * Invariants:
 *  1. A builder call that fails returns null and records the first error in the graph; null inputs give null. The
 * error surfaces in pu_graph_status, pu_gradients and pu_compile, so that model code needs no check per line.
 *  2. After pu_compile nothing allocates: every value has an offset in one block whose size pu_program_memory
 * reports.
 *  3. Two values share bytes only when their lives do not overlap. Inputs and outputs (pu_graph_output) live for
 * the whole program.
 *  4. Running a program twice on equal inputs, parameters and clock gives equal bits, at any thread count. */
#ifndef PLUSULTRA_GRAPH_H
#define PLUSULTRA_GRAPH_H

#include "plusultra/device.h"
#include "plusultra/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_graph pu_graph;
typedef struct pu_tensor pu_tensor; /* a value in a graph; owned by it */
typedef struct pu_parameters pu_parameters;
typedef struct pu_program pu_program;

typedef enum pu_dtype { PU_F32 = 0, PU_I32, PU_U64 } pu_dtype;

/* ---- parameters: one flat block of values, gradients and optimiser state, shared by all programs over them ----
 */

/* Parameters are declared before the block is allocated; those that decay are laid out first. */
pu_status pu_parameters_new(pu_device *device, pu_parameters **out);
void pu_parameters_free(pu_parameters *parameters); /* accepts null */

typedef enum pu_init {
    PU_INIT_ZERO = 0,
    PU_INIT_ONE,
    PU_INIT_NORMAL,
    PU_INIT_XAVIER,   /* uniform, Glorot & Bengio 2010 eq. 16, fan from the first and last dimension */
    PU_INIT_CONSTANT, /* `scale` itself; a state-space layer's rate starts at log(1/2) */
    PU_INIT_S4D_LIN,  /* frequencies [N,C] of a state-space layer: scale pi n (Gu et al. 2022) */
    PU_INIT_S4D_INV,  /* scale (2N / pi) (2N / (2n + 1) - 1) */
    PU_INIT_S4D_STEP  /* log_step: log-uniform in [0.001, 0.1] */
} pu_init;

/* Declares a parameter; `name` is unique ("block0.conv.weight") and copied; `scale` is the standard deviation for
 * NORMAL, the gain for XAVIER. `decay`: AdamW's weight decay applies. */
pu_status pu_parameter_declare(pu_parameters *parameters, const char *name, pu_shape shape, pu_init init,
                               float scale, int decay);

/* Allocates values, gradients and both moments (4 * 4 bytes each) and fills the values: counter-based from (seed,
 * name), so that adding a parameter does not change the others. */
pu_status pu_parameters_allocate(pu_parameters *parameters, uint64_t seed);
/* Elements of the block, with the padding (always zero) that puts every parameter on a 64-byte boundary. */
int64_t pu_parameters_count(const pu_parameters *parameters);
int pu_parameters_number(const pu_parameters *parameters); /* named parameters */

typedef struct pu_parameter_info {
    const char *name;
    pu_shape shape;
    int64_t offset; /* elements from the start of the block */
    int64_t count;
    int decay;
} pu_parameter_info;
pu_status pu_parameter_get(const pu_parameters *parameters, int index, pu_parameter_info *out);

typedef enum pu_parameter_part {
    PU_PART_VALUE = 0,
    PU_PART_GRADIENT,
    PU_PART_FIRST_MOMENT,
    PU_PART_SECOND_MOMENT
} pu_parameter_part;
/* Copies the whole block of `part` between host and device; `host` holds pu_parameters_count floats. Synchronous.
 */
pu_status pu_parameters_read(pu_parameters *parameters, pu_parameter_part part, float *host);
pu_status pu_parameters_write(pu_parameters *parameters, pu_parameter_part part, const float *host);

/* ---- building ---- */

pu_status pu_graph_new(pu_parameters *parameters, pu_graph **out);
void pu_graph_free(pu_graph *graph); /* accepts null */
pu_status pu_graph_status(const pu_graph *graph);

pu_tensor *pu_graph_input(pu_graph *graph, const char *name, pu_dtype dtype, pu_shape shape);
/* An input that has no memory in the program: pu_program_bind says where it lies. */
pu_tensor *pu_graph_input_bound(pu_graph *graph, const char *name, pu_dtype dtype, pu_shape shape);
pu_tensor *pu_graph_parameter(pu_graph *graph, const char *name);
/* Keeps a value alive to the end of the program so that the host can read it. */
pu_status pu_graph_output(pu_graph *graph, pu_tensor *value);

pu_shape pu_tensor_shape(const pu_tensor *tensor);
pu_shape pu_shape_of(int rank, ...); /* dimensions as int64_t or int literals cast to int64_t */
#define PU_SHAPE1(a) ((pu_shape){1, {(a)}})
#define PU_SHAPE2(a, b) ((pu_shape){2, {(a), (b)}})
#define PU_SHAPE3(a, b, c) ((pu_shape){3, {(a), (b), (c)}})

/* What the factors of matrix products and of pu_attention are rounded to from here on, their gradients included; all
 * else, parameters, sums and statistics stay f32. */
void pu_graph_set_precision(pu_graph *graph, pu_precision precision);

/* x[..., K] W[K,N] + bias[N] (bias may be null), activation fused; gives [..., N]. */
pu_tensor *pu_linear(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, pu_act act);
pu_tensor *pu_act_of(pu_graph *graph, pu_tensor *x, pu_act act);
pu_tensor *pu_add(pu_graph *graph, pu_tensor *a, pu_tensor *b);
pu_tensor *pu_mul(pu_graph *graph, pu_tensor *a, pu_tensor *b);
pu_tensor *pu_affine(pu_graph *graph, pu_tensor *x, float scale, float shift);
pu_tensor *pu_glu(pu_graph *graph, pu_tensor *x, pu_act act);
pu_tensor *pu_layer_norm(pu_graph *graph, pu_tensor *x, pu_tensor *gain, pu_tensor *bias, float epsilon);
/* The layer norm of *sum = x + dropout(branch): one launch for the residual stream's addition and the normalisation
 * behind it, as pu_dropout, pu_add and pu_layer_norm would compute them. clock may be null: no dropout. */
pu_tensor *pu_add_layer_norm(pu_graph *graph, pu_tensor *x, pu_tensor *branch, pu_tensor *gain, pu_tensor *bias,
                             float epsilon, pu_tensor *clock, float rate, pu_tensor **sum);
/* Active only while training: rate 0 returns x itself. */
pu_tensor *pu_dropout(pu_graph *graph, pu_tensor *x, pu_tensor *clock, float rate);
pu_tensor *pu_softmax(pu_graph *graph, pu_tensor *x);
pu_tensor *pu_attention(pu_graph *graph, pu_tensor *qkv, int heads, int span, float rotary_base);
/* The forms of attention; a zero field is the plain one: causal over all of the past, no positions, f32. */
typedef struct pu_attention_options {
    int heads;
    int span; /* keys a query sees at most; causal only */
    float rotary_base;
    pu_attention_mask mask;
    int offset; /* cross-attention: the key bar at which query 0 stands */
    pu_precision precision;
} pu_attention_options;
pu_tensor *pu_attention_with(pu_graph *graph, pu_tensor *qkv, const pu_attention_options *options);
/* y[B,Tq,H*D]: queries q[B,Tq,H*D] over keys and values kv[B,Tk,2*H*D] (order in the last dimension: 2, H, D). Under
 * the causal mask query t sees the keys up to t + offset; offset Tk - Tq makes the last query see all. */
pu_tensor *pu_cross_attention(pu_graph *graph, pu_tensor *q, pu_tensor *kv, const pu_attention_options *options);
/* Depthwise causal convolution over time of x[B,T,C] with weight[K,C], one dilation for each of `groups` equal runs of
 * channels; activation fused. */
pu_tensor *pu_conv(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, const int *dilation,
                   int groups, pu_act act);
/* Dense causal convolution over time of x[B,T,I] with weight[K,I,O], activation fused; gives [B,T,O]. */
pu_tensor *pu_conv_dense(pu_graph *graph, pu_tensor *x, pu_tensor *weight, pu_tensor *bias, int dilation,
                         pu_act act);
/* The tensors of a diagonal state-space layer of C channels and N complex states (kernels/s4/s4.h): log_step[C],
 * rate[N,C], frequency[N,C], weight[2N,C], skip[C]. */
typedef struct pu_s4_parameters {
    pu_tensor *log_step, *rate, *frequency, *weight, *skip;
} pu_s4_parameters;
/* u[B,T,C] through the layer, states zero before the window. */
pu_tensor *pu_s4(pu_graph *graph, pu_tensor *u, const pu_s4_parameters *parameters,
                 pu_s4_discretisation discretisation, pu_s4_form form);
/* One bar u[B,C] with the states [B,2N,C] that the bar before left; gives y[B,C] and the next states. */
pu_tensor *pu_s4_step(pu_graph *graph, pu_tensor *u, pu_tensor *state, const pu_s4_parameters *parameters,
                      pu_s4_discretisation discretisation, pu_tensor **next_state);
/* h(t) = a(t) h(t-1) + x(t) over [B,T,C], element by element. */
pu_tensor *pu_scan(pu_graph *graph, pu_tensor *a, pu_tensor *x);
pu_tensor *pu_window_norm(pu_graph *graph, pu_tensor *bars, pu_tensor *start, int window_bars, int warmup_bars,
                          float clip, float epsilon);
/* The attributes' loss member says which; returns loss[1]. */
pu_tensor *pu_loss_of(pu_graph *graph, pu_tensor *prediction, pu_tensor *target, pu_tensor *weight,
                      const pu_attributes *attributes);
/* What a strategy earns that holds `weight`[B,T,A] over windows of simple returns [B,T,A], costs included: net[B,T],
 * the simple return of each bar. kernels/pnl/pnl.h has the formulas; timing and account are those of the backtest.
 *
 *   returns   from the asset's last bar to this one; NaN: no bar
 *   volume    traded value of the bar in units of the starting equity; may be null: no impact
 *   equity    receives [B,T], 1 before the first bar; has a gradient too. May be null
 *   paid      receives [B,PU_PNL_PAID_COUNT], sums of what was paid; serves reports, has no gradient. May be null
 *
 * Gradients go to weights and returns. */
pu_tensor *pu_pnl(pu_graph *graph, pu_tensor *weight, pu_tensor *returns, pu_tensor *volume,
                  const pu_pnl_rules *rules, pu_tensor **equity, pu_tensor **paid);
/* The same bytes under another shape. */
pu_tensor *pu_reshape(pu_graph *graph, pu_tensor *x, pu_shape shape);

/* Adds the nodes that write d loss / d parameter into the parameters' gradient block, for every parameter of the
 * graph; parameters the loss does not reach get zero. */
pu_status pu_gradients(pu_graph *graph, pu_tensor *loss);

/* Adds the optimiser step over the whole parameter block: global norm, clipping, AdamW (Loshchilov & Hutter 2019,
 * algorithm 2). `hyper` is an input f32[8]: {lr, beta1, beta2, epsilon, weight_decay, clip_norm (0: off), 1 -
 * beta1^t, 1 - beta2^t}. Returns stats f32[4]: {gradient norm before clipping, clip factor applied, 1 if the
 * update was skipped because the norm was not finite, 0}. */
pu_tensor *pu_adamw(pu_graph *graph, pu_tensor *hyper);

/* ---- compiling and running ---- */

typedef struct pu_memory_plan {
    int64_t parameter_bytes; /* values + gradients + moments */
    int64_t input_bytes;
    int64_t activation_bytes; /* planned block, after sharing */
    int64_t unshared_bytes;   /* the same without sharing, for comparison */
    int64_t workspace_bytes;
    int node_count;
} pu_memory_plan;

/* Orders the nodes, drops those that no output, gradient or update needs, plans memory, allocates once. The graph
 * is only read. */
pu_status pu_compile(pu_graph *graph, pu_program **out);
void pu_program_free(pu_program *program); /* accepts null */
pu_memory_plan pu_program_memory(const pu_program *program);

/* Where a value lives on the device: inputs (to write) and outputs (to read). Null for a value that is neither. */
void *pu_program_buffer(pu_program *program, const pu_tensor *tensor);
/* Upload and download on the compute stream through pu_program_buffer; sizes follow from shape and dtype. Download
 * waits. */
pu_status pu_program_write(pu_program *program, const pu_tensor *tensor, const void *host);
pu_status pu_program_read(pu_program *program, const pu_tensor *tensor, void *host);

/* From the next run on, these inputs of pu_graph_input_bound lie at these device addresses (256-byte aligned), where
 * the caller keeps them until the run is over. Costs no copy: where the host's memory is the device's, it may be the
 * caller's own. Each combination of addresses has a recording of its own, of which the program keeps a few: bind few
 * different ones. */
pu_status pu_program_bind(pu_program *program, int count, pu_tensor *const *inputs, void *const *buffers);

/* From the next run on, each run also copies this output to `host`, pinned memory of the caller's, and does not wait: a
 * fence behind the run says when it is there. Null: no more. The addresses belong to the binding. */
pu_status pu_program_fetch(pu_program *program, const pu_tensor *output, void *host);

/* The present binding becomes a step of the next run, behind those added before. A run of several steps is one
 * recording: one launch by the host for all of them. */
enum { PU_PROGRAM_STEPS_MAX = 8 };
pu_status pu_program_add_step(pu_program *program);

/* Enqueues the steps that were added, or one with the present binding, on the compute stream. On CUDA the first run
 * launches one by one, while modules load; the next of each binding is captured as a CUDA graph, which it and all later
 * runs replay. PU_ERR_ARGUMENT while an input is not bound. */
pu_status pu_program_run(pu_program *program);

/* One line per launch: op, output shape, bytes, flops, and (after pu_program_profile) seconds. */
typedef struct pu_launch_info {
    pu_op_id op;
    pu_shape shape;
    double flops;
    double bytes;
    double seconds; /* median over the profiled runs; 0 before */
} pu_launch_info;
/* Runs the step `runs` times, waiting after every launch. A program with an update trains while it is profiled. */
pu_status pu_program_profile(pu_program *program, int runs);
int pu_program_launches(const pu_program *program);
pu_launch_info pu_program_launch(const pu_program *program, int index);

#ifdef __cplusplus
}
#endif
#endif
