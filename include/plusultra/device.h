/* Devices: a table of functions per backend, and the capability query. The CPU and CUDA backends are in
 * host/device; a caller never
 * needs to know which one it holds. */
#ifndef PLUSULTRA_DEVICE_H
#define PLUSULTRA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plusultra/ops.h"
#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_device pu_device;

typedef enum pu_stream { PU_STREAM_COMPUTE = 0, PU_STREAM_COPY = 1, PU_STREAM_COUNT } pu_stream;

/* `name`: "cpu", "cuda", "cuda:1", or "auto" (CUDA where a GPU answers, else the CPU). threads <= 0: all
 * processors; ignored by CUDA.
 * PU_ERR_DEVICE when a GPU was asked for by name and none answers; PU_ERR_UNSUPPORTED when this build has no CUDA.
 * The caller closes. */
pu_status pu_device_open(const char *name, int threads, pu_device **out);
void pu_device_close(pu_device *device); /* accepts null */

/* "cpu" or "cuda:0"; and a line for people: model, memory, threads. Owned by the device. */
const char *pu_device_name(const pu_device *device);
const char *pu_device_description(const pu_device *device);
bool pu_device_is_host(const pu_device *device); /* device pointers can be read by the host */
bool pu_device_supports(const pu_device *device, pu_op_id op);
size_t pu_device_memory_free_bytes(const pu_device *device);

/* Device memory, zeroed, aligned to 256 bytes. */
pu_status pu_device_alloc(pu_device *device, size_t bytes, void **out);
void pu_device_free(pu_device *device, void *memory);

/* Host memory that copies can read while the host goes on (pinned; plain memory on the CPU backend). */
pu_status pu_device_alloc_host(pu_device *device, size_t bytes, void **out);
void pu_device_free_host(pu_device *device, void *memory);

/* Copies are asynchronous on `stream`; both pointers stay valid until pu_device_sync or a fence that follows them.
 * */
pu_status pu_device_upload(pu_device *device, pu_stream stream, void *to_device, const void *from_host, size_t bytes);
pu_status pu_device_download(pu_device *device, pu_stream stream, void *to_host, const void *from_device, size_t bytes);
pu_status pu_device_zero(pu_device *device, pu_stream stream, void *memory, size_t bytes);

/* Waits until all work on both streams is done; reports errors of that work. */
pu_status pu_device_sync(pu_device *device);

/* A fence marks a point on a stream. Another stream or the host can wait for it. On the CPU backend work is done
 * when the call
 * returns, and fences cost nothing. */
typedef struct pu_fence pu_fence;
pu_status pu_fence_new(pu_device *device, pu_fence **out);
void pu_fence_free(pu_fence *fence); /* accepts null */
pu_status pu_fence_record(pu_fence *fence, pu_stream stream);
pu_status pu_fence_stream_wait(pu_fence *fence, pu_stream stream); /* later work on `stream` waits */
pu_status pu_fence_host_wait(pu_fence *fence);

#ifdef __cplusplus
}
#endif
#endif
