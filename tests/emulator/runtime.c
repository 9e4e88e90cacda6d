/* The rest of the emulated runtime: devices, errors, injection, copies and launches; and what tests set. */
#define _GNU_SOURCE
#include "device_entry.h"
#include "internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED_BYTES_DEFAULT = 49152, SHARED_BYTES_RESERVED = 1024, LIMITS_MAX = 256, GRID_YZ_MAX = 65535 };

static pthread_mutex_t lock =
    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP; /* a crash inside that a test framework caught must not hang */
static _Thread_local cudaError_t last_error;
static cudaError_t sticky;
static int64_t calls, fail_at, launches;
static int live, devices = 1;
static size_t block_shared_bytes = PU__SHARED_BYTES_MAX;
static const char *last_kernel = "";
static struct shared_limit {
    const void *function;
    int bytes;
} limits[LIMITS_MAX];
static int limit_count;

void pu__lock(void) {
    if (pthread_mutex_lock(&lock) != 0) abort();
}
void pu__unlock(void) {
    if (pthread_mutex_unlock(&lock) != 0) abort();
}
void pu__live_add(int count) { live += count; }

void pu__set_sticky(cudaError_t error) {
    if (sticky == cudaSuccess) sticky = error;
}

cudaError_t pu__call_begin(pu__call_class call, cudaError_t injected) {
    if (++calls == fail_at) return injected;
    if (devices < 0) return cudaErrorInsufficientDriver;
    if (devices == 0) return cudaErrorNoDevice;
    if (call == PU__CALL_UNSAFE && pu__recording()) return cudaErrorStreamCaptureUnsupported;
    return sticky;
}

cudaError_t pu__call_end(cudaError_t error) {
    if (error == cudaSuccess) error = sticky;
    if (error != cudaSuccess) last_error = error;
    pu__unlock();
    return error;
}

/* ---- errors and devices ---- */

#define ERRORS(X)                                                                                   \
    X(cudaSuccess, "no error")                                                                      \
    X(cudaErrorInvalidValue, "invalid argument")                                                    \
    X(cudaErrorMemoryAllocation, "out of memory")                                                   \
    X(cudaErrorInitializationError, "initialization error")                                         \
    X(cudaErrorInvalidConfiguration, "invalid configuration argument")                              \
    X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")  \
    X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                      \
    X(cudaErrorInvalidDevice, "invalid device ordinal")                                             \
    X(cudaErrorIllegalState, "the operation cannot be performed in the present state")              \
    X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                    \
    X(cudaErrorNotReady, "device not ready")                                                        \
    X(cudaErrorLaunchFailure, "unspecified launch failure")                                         \
    X(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")        \
    X(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture") \
    X(cudaErrorUnknown, "unknown error")

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
#define ERROR_TEXT(name, text) \
    case name: return text;
        ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    }
    return "unrecognized error code";
}

const char *cudaGetErrorName(cudaError_t error) {
    switch (error) {
#define ERROR_NAME(name, text) \
    case name: return #name;
        ERRORS(ERROR_NAME)
#undef ERROR_NAME
    }
    return "unrecognized error code";
}

cudaError_t cudaGetLastError(void) {
    pu__lock();
    if (++calls == fail_at) last_error = cudaErrorLaunchFailure;
    const cudaError_t error = last_error;
    last_error = sticky;
    pu__unlock();
    return error;
}

cudaError_t cudaGetDeviceCount(int *count) {
    pu__lock();
    const cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorInitializationError);
    *count = error == cudaSuccess ? devices : 0;
    return pu__call_end(error);
}

cudaError_t cudaSetDevice(int device) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorInitializationError);
    if (error == cudaSuccess && (device < 0 || device >= devices)) error = cudaErrorInvalidDevice;
    return pu__call_end(error);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorInitializationError);
    if (error == cudaSuccess && (device < 0 || device >= devices)) error = cudaErrorInvalidDevice;
    if (error == cudaSuccess)
        *properties = (cudaDeviceProp){.name = "Emulated device",
                                       .totalGlobalMem = PU__DEVICE_MEMORY_BYTES,
                                       .sharedMemPerBlock = SHARED_BYTES_DEFAULT,
                                       .warpSize = PU__WARP,
                                       .maxThreadsPerBlock = PU__THREADS_MAX,
                                       .major = 9,
                                       .minor = 0,
                                       .multiProcessorCount = 4,
                                       .sharedMemPerMultiprocessor = block_shared_bytes + SHARED_BYTES_RESERVED,
                                       .sharedMemPerBlockOptin = block_shared_bytes};
    return pu__call_end(error);
}

static cudaError_t version(int *out) {
    pu__lock();
    const cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorInvalidValue);
    *out = error == cudaSuccess ? CUDART_VERSION : 0;
    return pu__call_end(error);
}
cudaError_t cudaDriverGetVersion(int *out) { return version(out); }
cudaError_t cudaRuntimeGetVersion(int *out) { return version(out); }

/* ---- copies ---- */

typedef struct copy {
    void *to;
    const void *from;
    size_t bytes;
    int value;
    unsigned char staged[]; /* pageable memory is copied when the call is made, as CUDA does */
} copy;

static bool copy_run(void *state) {
    const copy *c = state;
    pu__copy(c->to, c->from, c->bytes);
    return true;
}
static bool set_run(void *state) {
    const copy *c = state;
    memset(c->to, c->value, c->bytes);
    return true;
}

/* Whether a pointer of a copy lies where its direction says, in full. */
static bool side_valid(const void *memory, size_t bytes, bool on_device, const char *what) {
    if (on_device ? pu__device_holds(memory, bytes) : !pu__device_address(memory)) return true;
    pu__fault_record(PU__FAULT_BOUNDS, "a copy of %zu bytes has a %s that does not lie in one %s", bytes, what,
                     on_device ? "allocation of the device" : "piece of host memory");
    return false;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorLaunchFailure);
    if (error != cudaSuccess || bytes == 0) return pu__call_end(error);
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!side_valid(to, bytes, to_device, "target") || !side_valid(from, bytes, from_device, "source"))
        return pu__call_end(cudaErrorInvalidValue);
    const bool to_pageable = !to_device && !pu__pinned_holds(to, bytes),
               from_pageable = !from_device && !pu__pinned_holds(from, bytes);
    if ((to_pageable || from_pageable) && pu__recording()) return pu__call_end(cudaErrorStreamCaptureUnsupported);
    copy *c = malloc(sizeof *c + (from_pageable ? bytes : 0));
    if (!c) return pu__call_end(cudaErrorMemoryAllocation);
    *c = (copy){.to = to, .from = from, .bytes = bytes};
    if (from_pageable) {
        pu__copy(c->staged, from, bytes);
        c->from = c->staged;
    }
    error = pu__enqueue(stream, (pu__work){copy_run, free, c});
    if (error == cudaSuccess && to_pageable) pu__drain(stream);
    return pu__call_end(error);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorLaunchFailure);
    if (error != cudaSuccess || bytes == 0) return pu__call_end(error);
    if (!side_valid(memory, bytes, true, "target")) return pu__call_end(cudaErrorInvalidValue);
    copy *c = malloc(sizeof *c);
    if (!c) return pu__call_end(cudaErrorMemoryAllocation);
    *c = (copy){.to = memory, .bytes = bytes, .value = value};
    return pu__call_end(pu__enqueue(stream, (pu__work){set_run, free, c}));
}

/* ---- launches ---- */

typedef struct launch_work {
    pu__launch launch;
    void (*drop)(void *state);
} launch_work;

static bool launch_work_run(void *state) {
    pu__count_launch();
    return pu__launch_run(&((const launch_work *)state)->launch);
}
static void launch_work_drop(void *state) {
    launch_work *work = state;
    work->drop(work->launch.state);
    free(work);
}

static size_t shared_limit(const void *function) {
    for (int i = 0; i < limit_count; ++i)
        if (limits[i].function == function) return (size_t)limits[i].bytes;
    return SHARED_BYTES_DEFAULT;
}

static bool shape_valid(uint3 grid, uint3 block) {
    const uint64_t threads = (uint64_t)block.x * block.y * block.z, blocks = (uint64_t)grid.x * grid.y * grid.z;
    return threads >= 1 && threads <= PU__THREADS_MAX && block.z <= 64 && blocks >= 1 && grid.x <= INT32_MAX &&
           grid.y <= GRID_YZ_MAX && grid.z <= GRID_YZ_MAX && blocks <= UINT32_MAX;
}

cudaError_t pu__emulated_enqueue(const char *kernel, uint3 grid, uint3 block, size_t shared_bytes,
                                 cudaStream_t stream, const void *function, void (*body)(void *),
                                 void (*drop)(void *), void *state, size_t state_bytes) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess && (!shape_valid(grid, block) || shared_bytes > shared_limit(function)))
        error = cudaErrorInvalidConfiguration;
    launch_work *work = error == cudaSuccess && state ? malloc(sizeof *work) : NULL;
    if (error == cudaSuccess && !work) error = cudaErrorMemoryAllocation;
    if (!work) {
        if (state) drop(state);
        return pu__call_end(error);
    }
    last_kernel = kernel;
    *work = (launch_work){{kernel, grid, block, shared_bytes, body, state, state_bytes}, drop};
    return pu__call_end(pu__enqueue(stream, (pu__work){launch_work_run, launch_work_drop, work}));
}

cudaError_t pu__emulated_shared_limit(const void *function, int bytes) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorInvalidValue);
    if (error != cudaSuccess) return pu__call_end(error);
    if (bytes < 0 || (size_t)bytes > block_shared_bytes) return pu__call_end(cudaErrorInvalidValue);
    int at = 0;
    while (at < limit_count && limits[at].function != function) ++at;
    if (at == LIMITS_MAX) return pu__call_end(cudaErrorMemoryAllocation);
    if (at == limit_count) ++limit_count;
    limits[at] = (struct shared_limit){function, bytes};
    return pu__call_end(cudaSuccess);
}

/* ---- what tests set ---- */

void pu__emulator_set_order(pu__order order, uint64_t seed) {
    pu__lock();
    pu__set_order(order, seed);
    pu__unlock();
}

void pu__emulator_set_schedule(pu__schedule schedule, uint64_t seed) {
    pu__lock();
    pu__set_schedule(schedule, seed);
    pu__unlock();
}

void pu__emulator_set_devices(int count) {
    pu__lock();
    devices = count;
    pu__unlock();
}

void pu__emulator_set_memory(size_t bytes) {
    pu__lock();
    pu__set_capacity(bytes);
    pu__unlock();
}

void pu__emulator_set_shared(size_t block_bytes) {
    pu__lock();
    block_shared_bytes = block_bytes < PU__SHARED_BYTES_MAX ? block_bytes : PU__SHARED_BYTES_MAX;
    limit_count = 0;
    pu__unlock();
}

const char *pu__emulator_last_kernel(void) {
    pu__lock();
    const char *const kernel = last_kernel;
    pu__unlock();
    return kernel;
}

void pu__emulator_reset(void) {
    pu__lock();
    pu__faults_clear();
    sticky = last_error = cudaSuccess;
    fail_at = 0;
    devices = 1;
    block_shared_bytes = PU__SHARED_BYTES_MAX;
    pu__set_capacity(PU__DEVICE_MEMORY_BYTES);
    pu__set_order(PU__ORDER_FORWARD, 0);
    pu__set_schedule(PU__SCHEDULE_LATE, 0);
    pu__set_activations(true);
    pu__unlock();
}

int64_t pu__emulator_calls(void) {
    pu__lock();
    const int64_t count = calls;
    pu__unlock();
    return count;
}

void pu__count_launch(void) { ++launches; }

int64_t pu__emulator_launches(void) {
    pu__lock();
    const int64_t count = launches;
    pu__unlock();
    return count;
}

void pu__emulator_fail_call(int64_t nth) {
    pu__lock();
    fail_at = nth > 0 ? calls + nth : 0;
    pu__unlock();
}

int pu__emulator_live(void) {
    pu__lock();
    const int count = live;
    pu__unlock();
    return count;
}
