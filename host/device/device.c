#include <stdlib.h>
#include <string.h>

#include "host/device/backend.h"
#include "plusultra/memory.h"

struct pu_fence {
    pu_device *device;
    void *handle; /* null where the backend has no fences */
};

pu_status pu__device_open_backend(const pu__backend *backend, int index, int threads, pu_device **out) {
    *out = NULL;
    pu_device *device = pu_calloc(1, sizeof *device);
    if (!device) return PU_ERR_MEMORY;
    device->backend = backend;
    const pu_status status = backend->open(index, threads, &device->state, &device->text);
    if (status != PU_OK) {
        pu_free(device);
        return status;
    }
    *out = device;
    return PU_OK;
}

/* The number behind "cuda:"; 0 for "cuda"; -1 when `name` is neither. */
static int cuda_index(const char *name) {
    if (strcmp(name, "cuda") == 0) return 0;
    if (strncmp(name, "cuda:", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    char *end = NULL;
    const long index = strtol(name + 5, &end, 10);
    return *end == '\0' && index <= 1023 ? (int)index : -1;
}

pu_status pu_device_open(const char *name, int threads, pu_device **out) {
    *out = NULL;
    if (!name) return pu_fail(PU_ERR_ARGUMENT, "a device needs a name: \"cpu\", \"cuda\", \"cuda:N\" or \"auto\"");
    if (strcmp(name, "cpu") == 0) return pu__device_open_backend(pu__cpu_backend(), 0, threads, out);
    if (strcmp(name, "auto") == 0) {
#ifdef PU_WITH_CUDA
        const pu_status status = pu__device_open_backend(pu__cuda_backend(), 0, threads, out);
        if (status != PU_ERR_DEVICE) return status;
#endif
        return pu__device_open_backend(pu__cpu_backend(), 0, threads, out);
    }
    const int index = cuda_index(name);
    if (index < 0) return pu_fail(PU_ERR_ARGUMENT, "unknown device \"%s\": use cpu, cuda, cuda:N or auto", name);
#ifdef PU_WITH_CUDA
    return pu__device_open_backend(pu__cuda_backend(), index, threads, out);
#else
    return pu_fail(PU_ERR_UNSUPPORTED,
                   "device \"%s\": this build has no CUDA; configure with -DPU_CUDA=ON, or use cpu", name);
#endif
}

void pu_device_close(pu_device *device) {
    if (!device) return;
    device->backend->close(device->state);
    pu_free(device);
}

const char *pu_device_name(const pu_device *device) { return device->text.name; }
const char *pu_device_description(const pu_device *device) { return device->text.description; }
bool pu_device_is_host(const pu_device *device) { return device->backend->is_host; }
bool pu_device_supports(const pu_device *device, pu_op_id op) {
    return (unsigned)op < PU_OP_COUNT && device->backend->kernels[op].kernel != NULL;
}
size_t pu_device_memory_free_bytes(const pu_device *device) {
    return device->backend->memory_free_bytes(device->state);
}

pu_status pu_device_alloc(pu_device *device, size_t bytes, void **out) {
    *out = NULL;
    return device->backend->alloc(device->state, bytes ? bytes : 1, out);
}

void pu_device_free(pu_device *device, void *memory) {
    if (memory) device->backend->free(device->state, memory);
}

pu_status pu_device_alloc_host(pu_device *device, size_t bytes, void **out) {
    *out = NULL;
    return device->backend->alloc_host(device->state, bytes ? bytes : 1, out);
}

void pu_device_free_host(pu_device *device, void *memory) {
    if (memory) device->backend->free_host(device->state, memory);
}

pu_status pu_device_upload(pu_device *device, pu_stream stream, void *to_device, const void *from_host,
                           size_t bytes) {
    return bytes ? device->backend->upload(device->state, stream, to_device, from_host, bytes) : PU_OK;
}

pu_status pu_device_download(pu_device *device, pu_stream stream, void *to_host, const void *from_device,
                             size_t bytes) {
    return bytes ? device->backend->download(device->state, stream, to_host, from_device, bytes) : PU_OK;
}

pu_status pu_device_zero(pu_device *device, pu_stream stream, void *memory, size_t bytes) {
    return bytes ? device->backend->zero(device->state, stream, memory, bytes) : PU_OK;
}

pu_status pu_device_sync(pu_device *device) { return device->backend->sync(device->state); }

pu_status pu_fence_new(pu_device *device, pu_fence **out) {
    *out = NULL;
    pu_fence *fence = pu_calloc(1, sizeof *fence);
    if (!fence) return PU_ERR_MEMORY;
    fence->device = device;
    if (device->backend->fence_new) {
        const pu_status status = device->backend->fence_new(device->state, &fence->handle);
        if (status != PU_OK) {
            pu_free(fence);
            return status;
        }
    }
    *out = fence;
    return PU_OK;
}

void pu_fence_free(pu_fence *fence) {
    if (!fence) return;
    if (fence->handle) fence->device->backend->fence_free(fence->device->state, fence->handle);
    pu_free(fence);
}

pu_status pu_fence_record(pu_fence *fence, pu_stream stream) {
    return fence->handle ? fence->device->backend->fence_record(fence->device->state, fence->handle, stream)
                         : PU_OK;
}

pu_status pu_fence_stream_wait(pu_fence *fence, pu_stream stream) {
    return fence->handle ? fence->device->backend->fence_stream_wait(fence->device->state, fence->handle, stream)
                         : PU_OK;
}

pu_status pu_fence_host_wait(pu_fence *fence) {
    return fence->handle ? fence->device->backend->fence_host_wait(fence->device->state, fence->handle) : PU_OK;
}
