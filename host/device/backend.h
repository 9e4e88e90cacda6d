/* What a backend is: a table of functions over its own state, and a table of kernels indexed by op.
 *
 * Used by host/device, which dispatches pu_device_* through it, by host/graph, which runs programs, and by tests
 * that run a backend which this build does not offer by name (pu__device_open_backend).
 *
 * Invariants:
 *  1. A backend never frees what it did not allocate, and every allocation is freed before close.
 *  2. `kernels` is constant; an op whose kernel is null is not supported.
 *  3. Between capture_begin and capture_end only kernels, and `zero` and `download` (to memory of alloc_host) on the
 *     compute stream, are called. */
#ifndef PU_HOST_DEVICE_BACKEND_H
#define PU_HOST_DEVICE_BACKEND_H

#include "kernels/common/call.h"
#include "kernels/paths/paths.h"
#include "plusultra/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu__kernel_entry {
    pu__kernel kernel;       /* null: not supported */
    pu__workspace workspace; /* null: needs none */
} pu__kernel_entry;

enum { PU_DEVICE_NAME_BYTES = 32, PU_DEVICE_DESCRIPTION_BYTES = 256 };

/* What `open` tells about the device. */
typedef struct pu__device_text {
    char name[PU_DEVICE_NAME_BYTES];               /* "cpu", "cuda:0" */
    char description[PU_DEVICE_DESCRIPTION_BYTES]; /* model, memory, threads */
} pu__device_text;

typedef struct pu__backend {
    const char *name;                /* "cpu", "cuda" */
    bool is_host;                    /* device pointers can be read by the host */
    const pu__kernel_entry *kernels; /* PU_OP_COUNT entries, indexed by pu_op_id */

    /* `index` is the number behind the colon of the name, 0 without one; `threads` as in pu_device_open.
     * PU_ERR_DEVICE when no such device answers. On failure nothing is left open. */
    pu_status (*open)(int index, int threads, void **state, pu__device_text *text);
    void (*close)(void *state);
    size_t (*memory_free_bytes)(void *state);

    /* bytes >= 1; the memory is zeroed and aligned to 256 bytes. free accepts null. */
    pu_status (*alloc)(void *state, size_t bytes, void **out);
    void (*free)(void *state, void *memory);
    pu_status (*alloc_host)(void *state, size_t bytes, void **out);
    void (*free_host)(void *state, void *memory);

    /* bytes >= 1; asynchronous on `stream` where the backend has streams. */
    pu_status (*upload)(void *state, pu_stream stream, void *to_device, const void *from_host, size_t bytes);
    pu_status (*download)(void *state, pu_stream stream, void *to_host, const void *from_device, size_t bytes);
    pu_status (*zero)(void *state, pu_stream stream, void *memory, size_t bytes);
    pu_status (*sync)(void *state);

    /* All five null: work is done when a call returns, and a fence has nothing to do. */
    pu_status (*fence_new)(void *state, void **fence);
    void (*fence_free)(void *state, void *fence);
    pu_status (*fence_record)(void *state, void *fence, pu_stream stream);
    pu_status (*fence_stream_wait)(void *state, void *fence, pu_stream stream);
    pu_status (*fence_host_wait)(void *state, void *fence);

    /* Fills the executor of a call (`pool` or `cuda`): once per prepared call, and before its workspace is asked
     * for. */
    void (*bind)(void *state, pu__call *call);

    /* Simulated paths (kernels/paths/paths.h): everything the scenario and the batch point to is the device's
     * memory; `executor` as bind fills it. */
    pu_status (*paths)(const pu__path_scenario *scenario, const pu__path_batch *batch, const pu__call *executor);

    /* Recording of the compute stream. All four null: not offered. capture_begin .. capture_end records launches
     * without running them; capture_end ends the recording even when it fails; with a null `executable` it
     * discards it and leaves the error message alone. replay enqueues the recording on the compute stream.
     * capture_free accepts null. */
    pu_status (*capture_begin)(void *state);
    pu_status (*capture_end)(void *state, void **executable);
    pu_status (*replay)(void *state, void *executable);
    void (*capture_free)(void *state, void *executable);
} pu__backend;

const pu__backend *pu__cpu_backend(void);
#ifdef PU_WITH_CUDA
const pu__backend *pu__cuda_backend(void); /* host/device/cuda/cuda_backend.c */
#endif

struct pu_device {
    const pu__backend *backend;
    void *state;
    pu__device_text text;
};

/* Opens a device of a given backend. pu_device_close closes it. */
pu_status pu__device_open_backend(const pu__backend *backend, int index, int threads, pu_device **out);

#ifdef __cplusplus
}
#endif
#endif
