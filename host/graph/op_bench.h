/* How fast single operations are on a device: workloads of the shapes that training steps have, timed hot (the same
 * buffers again and again) and cold (after everything else went through the caches). For `plusultra bench kernels` and
 * the check of a GPU. */
#ifndef PU_HOST_GRAPH_OP_BENCH_H
#define PU_HOST_GRAPH_OP_BENCH_H

#include "host/device/backend.h"
#include "plusultra/graph.h"

enum { PU__WORKLOAD_NAME_BYTES = 96, PU__WORKLOADS_MAX = 320 };

typedef struct pu__workload {
    pu_op_id op;
    char name[PU__WORKLOAD_NAME_BYTES]; /* "attention_grad B64 T128 H4 D32": what peers know it by */
    int in_count, out_count;
    pu_shape in[PU_MAX_IN];
    pu_shape wanted; /* SUM_LEADING: the shape of the sum */
    pu_attributes attributes;
} pu__workload;

typedef struct pu__workloads {
    int count;
    pu__workload entry[PU__WORKLOADS_MAX];
} pu__workloads;

/* Sizes of the model whose step the workloads are taken from. */
typedef struct pu__workload_sizes {
    int64_t windows, bars, channels, features, parameters;
    int heads, states;
} pu__workload_sizes;

/* Adds every op at these sizes. PU_ERR_ARGUMENT when the list has no room for them. */
pu_status pu__workloads_add(pu__workloads *list, const pu__workload_sizes *sizes);

/* Rates that the device reaches at work that has no other limit. */
typedef struct pu__device_rates {
    double copy_bytes_per_s;   /* read and written, over more than any cache holds */
    double matrix_flops_per_s; /* a product of 2048 x 2048 matrices in f32; smaller when quick */
} pu__device_rates;

typedef struct pu__workload_time {
    double bytes, flops;  /* least traffic and work, by the op table */
    double hot_s, cold_s; /* medians */
    double limit_s;       /* the larger of bytes and flops at the device's rates, in the workload's precision */
} pu__workload_time;

/* Opened once for a device: the buffer that empties the caches, and the rates. `quick`: small buffers, to see that all
 * of it runs. */
typedef struct pu__op_bench pu__op_bench;
pu_status pu__op_bench_open(pu_device *device, bool quick, pu__op_bench **out);
void pu__op_bench_close(pu__op_bench *bench); /* accepts null */
const pu__device_rates *pu__op_bench_rates(const pu__op_bench *bench);
pu_status pu__op_bench_run(pu__op_bench *bench, const pu__workload *workload, pu__workload_time *out);

/* An operation and its gradient, timed as one pass: what a layer costs in training. */
typedef struct pu__layer {
    char name[PU__WORKLOAD_NAME_BYTES]; /* "conv B64 T128 C128 K3 dilation 4": what peers know it by */
    pu__workload forward, gradient;
} pu__layer;

/* Attention with and without rotary positions, depthwise convolutions and S4 at these sizes; returns how many. */
enum { PU__LAYERS_PER_SIZE = 6 };
int pu__layers_of(const pu__workload_sizes *sizes, pu__layer out[PU__LAYERS_PER_SIZE]);

/* A layer's buffers, ready to be timed again and again. The bench outlives it. */
typedef struct pu__layer_run pu__layer_run;
pu_status pu__layer_open(pu__op_bench *bench, const pu__layer *layer, pu__layer_run **out);
void pu__layer_close(pu__layer_run *run); /* accepts null */
/* The limits of both passes, added; the copy rate is that of as many bytes as the pass moves, from the same caches. */
double pu__layer_floor_s(const pu__layer_run *run);
/* Seconds of a forward and backward pass, hot: the mean of as many as fill 20 ms. */
pu_status pu__layer_sample(pu__layer_run *run, double *seconds);

#endif
