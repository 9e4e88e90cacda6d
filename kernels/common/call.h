/* What every kernel takes, on every backend: a list of input and output views, attributes, a workspace and the
 * executor.
 *
 * One signature for all ops lets one table (host/graph/op_table.c) drive execution, the correctness test, the
 * gradient check, the benchmark and the support listing. Views are dense and row-major: the last dimension is
 * contiguous. Inputs and outputs never alias unless the op's contract says so. Views start on 64-byte boundaries.
 * All sizes are in elements unless the name says bytes. */
#ifndef PU_KERNELS_COMMON_CALL_H
#define PU_KERNELS_COMMON_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "plusultra/ops.h"
#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PU_MAX_IN = 8, PU_MAX_OUT = 6 };

typedef struct pu__view {
    void *data;
    pu_shape shape;
} pu__view;

struct pu_pool;
typedef struct pu__cuda_exec pu__cuda_exec; /* stream and cuBLASLt handle; host/device/cuda */

typedef struct pu__call {
    pu_op_id op;
    int in_count;
    int out_count;
    pu__view in[PU_MAX_IN]; /* in[i].data is null for an optional input that is absent */
    pu__view out[PU_MAX_OUT];
    void *workspace; /* workspace_bytes of scratch, contents undefined, aligned to 256 bytes */
    size_t workspace_bytes;
    const pu_attributes *attributes;
    struct pu_pool *pool; /* CPU backend */
    pu__cuda_exec *cuda;  /* CUDA backend */
} pu__call;

/* Enqueues (CUDA) or does (CPU) the work. Shapes were checked when the graph was built. */
typedef pu_status (*pu__kernel)(const pu__call *call);

/* Scratch a kernel needs for these shapes and attributes; the same on every run. Null means none. */
typedef size_t (*pu__workspace)(const pu__call *call);

static inline int64_t pu__count(const pu_shape *shape) {
    int64_t n = 1;
    for (int i = 0; i < shape->rank; ++i) n *= shape->dim[i];
    return n;
}
static inline int64_t pu__last(const pu_shape *shape) { return shape->rank > 0 ? shape->dim[shape->rank - 1] : 1; }
static inline int64_t pu__rows(const pu_shape *shape) {
    const int64_t last = pu__last(shape);
    return last > 0 ? pu__count(shape) / last : 0;
}

#ifdef __cplusplus
}
#endif
#endif
