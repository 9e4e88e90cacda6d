/* The CUDA backend: one stream for compute, one for copies, events as fences, CUDA graphs as recordings.
 *
 * Invariants:
 *  1. Every function selects its device first: CUDA keeps the choice per host thread, and loaders call from
 *     theirs.
 *  2. An error that CUDA does not make permanent is cleared when it is reported, so that no later launch is
 *     blamed for it.
 *  3. The compute stream and cuBLASLt are used by one thread at a time; the copy stream may have another. */
#include <stdio.h>

#include "host/device/backend.h"
#include "host/device/cuda/kernels.h"
#include "kernels/common/cuda_exec.h"
#include "kernels/gemm/gemm_plans.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

typedef struct cuda_state {
    int index;
    char device[256]; /* what the driver calls it */
    cudaStream_t stream[PU_STREAM_COUNT];
    pu__cuda_exec exec;
    bool warned; /* after a lost device every release fails: one warning is enough */
} cuda_state;

static const double mib = 1048576.0;
enum { MAJOR_LEAST = 8 }; /* compute capability that the kernels are built for */

static pu_status failed(cudaError_t error, const char *what) {
    (void)cudaGetLastError();
    return pu_fail(error == cudaErrorMemoryAllocation ? PU_ERR_MEMORY : PU_ERR_DEVICE, "CUDA: %s failed: %s", what,
                   cudaGetErrorString(error));
}
#define CUDA_TRY(expression, what)                                        \
    do {                                                                  \
        const cudaError_t cuda_error_ = (expression);                     \
        if (cuda_error_ != cudaSuccess) return failed(cuda_error_, what); \
    } while (0)

/* For releases, whose callers can do nothing about it. */
static void warn(cuda_state *s, cudaError_t error, const char *what) {
    if (error == cudaSuccess) return;
    (void)cudaGetLastError();
    if (s->warned) return;
    s->warned = true;
    pu_log(PU_LOG_WARNING, "device.release", "CUDA: %s failed: %s", what, cudaGetErrorString(error));
}

static pu_status select_device(const cuda_state *s) {
    CUDA_TRY(cudaSetDevice(s->index), "selecting the device");
    return PU_OK;
}

/* ---- opening ---- */

static pu_status find_device(int index) {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorInsufficientDriver) {
        (void)cudaGetLastError();
        return pu_fail(
            PU_ERR_DEVICE,
            "no NVIDIA driver answers, or it is too old for CUDA %d.%d, which this build uses: install or "
            "update the driver (nvidia-smi tells its version), or use --device cpu",
            CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    }
    if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
        (void)cudaGetLastError();
        return pu_fail(PU_ERR_DEVICE,
                       "no NVIDIA GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES, or use "
                       "--device cpu");
    }
    CUDA_TRY(error, "counting the devices");
    if (index >= count)
        return pu_fail(PU_ERR_DEVICE, "there is no cuda:%d: this machine has %d GPU%s, the first is cuda:0", index,
                       count, count == 1 ? "" : "s");
    return PU_OK;
}

static pu_status describe(cuda_state *s, pu__device_text *text) {
    struct cudaDeviceProp properties;
    int driver = 0;
    CUDA_TRY(cudaGetDeviceProperties(&properties, s->index), "asking for the device's properties");
    CUDA_TRY(cudaDriverGetVersion(&driver), "asking for the driver's version");
    if (properties.major < MAJOR_LEAST)
        return pu_fail(
            PU_ERR_DEVICE,
            "cuda:%d (%s) has compute capability %d.%d, the kernels need %d.0 or newer: use another GPU, or "
            "--device cpu",
            s->index, properties.name, properties.major, properties.minor, (int)MAJOR_LEAST);
    s->exec.multiprocessors = properties.multiProcessorCount;
    s->exec.block_shared_bytes = properties.sharedMemPerBlockOptin;
    s->exec.shared_bytes = properties.sharedMemPerMultiprocessor;
    snprintf(s->device, sizeof s->device, "%s", properties.name);
    snprintf(text->name, sizeof text->name, "cuda:%d", s->index);
    snprintf(text->description, sizeof text->description,
             "%.128s, compute capability %d.%d, %d multiprocessors, %.1f GiB memory, driver for CUDA %d.%d",
             properties.name, properties.major, properties.minor, properties.multiProcessorCount,
             (double)properties.totalGlobalMem / mib / 1024.0, driver / 1000, driver % 1000 / 10);
    return PU_OK;
}

static pu_status set_up(cuda_state *s, pu__device_text *text) {
    PU_TRY(find_device(s->index));
    PU_TRY(select_device(s));
    PU_TRY(describe(s, text));
    for (int i = 0; i < PU_STREAM_COUNT; ++i)
        CUDA_TRY(cudaStreamCreateWithFlags(&s->stream[i], cudaStreamNonBlocking), "making a stream");
    s->exec.stream = s->stream[PU_STREAM_COMPUTE];
    const cublasStatus_t error = cublasLtCreate(&s->exec.blas);
    if (error != CUBLAS_STATUS_SUCCESS) {
        s->exec.blas = NULL;
        return pu_fail(PU_ERR_DEVICE, "cuBLASLt did not start on %s: %s", text->name,
                       cublasLtGetStatusString(error));
    }
    return pu__gemm_plans_new(&s->exec.gemm_plans);
}

static void cuda_close(void *state) {
    cuda_state *s = state;
    if (s->stream[0]) warn(s, cudaSetDevice(s->index), "selecting the device");
    pu__gemm_plans_free(s->exec.gemm_plans);
    if (s->exec.blas && cublasLtDestroy(s->exec.blas) != CUBLAS_STATUS_SUCCESS)
        pu_log(PU_LOG_WARNING, "device.release", "cuBLASLt did not close");
    for (int i = 0; i < PU_STREAM_COUNT; ++i)
        if (s->stream[i]) warn(s, cudaStreamDestroy(s->stream[i]), "closing a stream");
    pu_free(s);
}

static pu_status cuda_open(int index, int threads, void **state, pu__device_text *text) {
    (void)threads;
    cuda_state *s = pu_calloc(1, sizeof *s);
    if (!s) return PU_ERR_MEMORY;
    s->index = index;
    const pu_status status = set_up(s, text);
    if (status != PU_OK) {
        cuda_close(s);
        return status;
    }
    *state = s;
    return PU_OK;
}

/* ---- memory ---- */

static size_t cuda_memory_free_bytes(void *state) {
    size_t free_bytes = 0, total_bytes = 0;
    if (select_device(state) != PU_OK || cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return free_bytes;
}

static pu_status out_of_memory(cuda_state *s, size_t bytes) {
    (void)cudaGetLastError();
    return pu_fail(PU_ERR_MEMORY,
                   "cuda:%d (%s) is out of memory: %.1f MiB were asked for, %.1f MiB are free; use a smaller "
                   "batch, window or "
                   "model, or end other programs on this GPU",
                   s->index, s->device, (double)bytes / mib, (double)cuda_memory_free_bytes(s) / mib);
}

/* Waits for the zeros: the memory may next be used on the other stream. */
static pu_status clear(cuda_state *s, void *memory, size_t bytes) {
    CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, s->exec.stream), "zeroing memory");
    CUDA_TRY(cudaStreamSynchronize(s->exec.stream), "zeroing memory");
    return PU_OK;
}

static void cuda_free(void *state, void *memory) {
    cuda_state *s = state;
    if (!memory) return;
    warn(s, cudaSetDevice(s->index), "selecting the device");
    warn(s, cudaFree(memory), "freeing device memory");
}

static pu_status cuda_alloc(void *state, size_t bytes, void **out) {
    cuda_state *s = state;
    void *memory = NULL;
    PU_TRY(select_device(s));
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) return out_of_memory(s, bytes);
    CUDA_TRY(error, "allocating device memory");
    const pu_status status = clear(s, memory, bytes);
    if (status != PU_OK) {
        cuda_free(s, memory);
        return status;
    }
    *out = memory;
    return PU_OK;
}

static pu_status cuda_alloc_host(void *state, size_t bytes, void **out) {
    PU_TRY(select_device(state));
    const cudaError_t error = cudaMallocHost(out, bytes);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return pu_fail(
            PU_ERR_MEMORY,
            "%.1f MiB of pinned host memory cannot be had: use a smaller ring or batch, or raise the limit "
            "on locked memory (ulimit -l)",
            (double)bytes / mib);
    }
    CUDA_TRY(error, "allocating pinned host memory");
    return PU_OK;
}

static void cuda_free_host(void *state, void *memory) {
    cuda_state *s = state;
    if (!memory) return;
    warn(s, cudaSetDevice(s->index), "selecting the device");
    warn(s, cudaFreeHost(memory), "freeing pinned host memory");
}

static pu_status cuda_upload(void *state, pu_stream stream, void *to_device, const void *from_host, size_t bytes) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaMemcpyAsync(to_device, from_host, bytes, cudaMemcpyHostToDevice, s->stream[stream]),
             "a copy to the device");
    return PU_OK;
}

static pu_status cuda_download(void *state, pu_stream stream, void *to_host, const void *from_device,
                               size_t bytes) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaMemcpyAsync(to_host, from_device, bytes, cudaMemcpyDeviceToHost, s->stream[stream]),
             "a copy from the device");
    return PU_OK;
}

static pu_status cuda_zero(void *state, pu_stream stream, void *memory, size_t bytes) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, s->stream[stream]), "zeroing memory");
    return PU_OK;
}

static pu_status cuda_sync(void *state) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    for (int i = 0; i < PU_STREAM_COUNT; ++i) CUDA_TRY(cudaStreamSynchronize(s->stream[i]), "work on the device");
    return PU_OK;
}

/* ---- fences: a fence is a cudaEvent_t ---- */

static pu_status cuda_fence_new(void *state, void **fence) {
    cudaEvent_t event = NULL;
    PU_TRY(select_device(state));
    CUDA_TRY(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    *fence = event;
    return PU_OK;
}

static void cuda_fence_free(void *state, void *fence) {
    cuda_state *s = state;
    warn(s, cudaSetDevice(s->index), "selecting the device");
    warn(s, cudaEventDestroy(fence), "releasing an event");
}

static pu_status cuda_fence_record(void *state, void *fence, pu_stream stream) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaEventRecord(fence, s->stream[stream]), "recording an event");
    return PU_OK;
}

static pu_status cuda_fence_stream_wait(void *state, void *fence, pu_stream stream) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaStreamWaitEvent(s->stream[stream], fence, 0), "letting a stream wait");
    return PU_OK;
}

static pu_status cuda_fence_host_wait(void *state, void *fence) {
    PU_TRY(select_device(state));
    CUDA_TRY(cudaEventSynchronize(fence), "work on the device");
    return PU_OK;
}

/* ---- recording: an executable is a cudaGraphExec_t ---- */

static void cuda_bind(void *state, pu__call *call) { call->cuda = &((cuda_state *)state)->exec; }

static pu_status cuda_paths(const pu__path_scenario *scenario, const pu__path_batch *batch,
                            const pu__call *executor) {
    return pu__paths_cuda(scenario, batch, 0, executor->cuda);
}

/* Thread-local: loaders go on allocating and copying from their threads meanwhile. */
static pu_status cuda_capture_begin(void *state) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaStreamBeginCapture(s->exec.stream, cudaStreamCaptureModeThreadLocal), "starting to record");
    return PU_OK;
}

static pu_status cuda_capture_end(void *state, void **executable) {
    cuda_state *s = state;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t made = NULL;
    const cudaError_t ended = cudaStreamEndCapture(s->exec.stream, &graph);
    if (!executable) {
        (void)cudaGetLastError(); /* a recording that is thrown away may have failed */
        if (graph) warn(s, cudaGraphDestroy(graph), "releasing a recording");
        return PU_OK;
    }
    CUDA_TRY(ended, "recording");
    const cudaError_t instantiated = cudaGraphInstantiate(&made, graph, 0);
    warn(s, cudaGraphDestroy(graph), "releasing a recording");
    CUDA_TRY(instantiated, "preparing a recording");
    *executable = made;
    return PU_OK;
}

static pu_status cuda_replay(void *state, void *executable) {
    const cuda_state *s = state;
    PU_TRY(select_device(s));
    CUDA_TRY(cudaGraphLaunch(executable, s->exec.stream), "replaying");
    return PU_OK;
}

static void cuda_capture_free(void *state, void *executable) {
    cuda_state *s = state;
    if (!executable) return;
    warn(s, cudaSetDevice(s->index), "selecting the device");
    warn(s, cudaGraphExecDestroy(executable), "releasing a recording");
}

const pu__backend *pu__cuda_backend(void) {
    static const pu__backend backend = {
        .name = "cuda",
        .is_host = false,
        .kernels = pu__cuda_kernels,
        .open = cuda_open,
        .close = cuda_close,
        .memory_free_bytes = cuda_memory_free_bytes,
        .alloc = cuda_alloc,
        .free = cuda_free,
        .alloc_host = cuda_alloc_host,
        .free_host = cuda_free_host,
        .upload = cuda_upload,
        .download = cuda_download,
        .zero = cuda_zero,
        .sync = cuda_sync,
        .fence_new = cuda_fence_new,
        .fence_free = cuda_fence_free,
        .fence_record = cuda_fence_record,
        .fence_stream_wait = cuda_fence_stream_wait,
        .fence_host_wait = cuda_fence_host_wait,
        .bind = cuda_bind,
        .paths = cuda_paths,
        .capture_begin = cuda_capture_begin,
        .capture_end = cuda_capture_end,
        .replay = cuda_replay,
        .capture_free = cuda_capture_free,
    };
    return &backend;
}
