/* The emulator itself: right kernels give right values under every order of threads and without a fault; each
 * wrong kernel is found out; streams, events, recording, copies and memory behave as CUDA documents, or more
 * strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cublasLt.h"
#include "emulator.h"
#include "kernels/model.h"

#define OK(call) assert_int_equal(call, cudaSuccess)

enum { ORDERS = 4 };
static const char *const order_name[ORDERS] = {"forward", "reverse", "random 1", "random 2"};

static void use_order(int i) {
    pu__emulator_reset();
    pu__emulator_set_order(i == 0   ? PU__ORDER_FORWARD
                           : i == 1 ? PU__ORDER_REVERSE
                                    : PU__ORDER_RANDOM,
                           (uint64_t)i);
}

static void no_faults(void) {
    for (int i = 0; i < pu__emulator_faults(); ++i)
        if (pu__emulator_fault(i)) print_error("%s\n", pu__emulator_fault(i)->text);
    assert_int_equal(pu__emulator_faults(), 0);
}

static cudaStream_t new_stream(void) {
    cudaStream_t stream = NULL;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

static void *on_device(cudaStream_t stream, const void *host, size_t bytes) {
    void *memory = NULL;
    OK(cudaMalloc(&memory, bytes));
    if (host) OK(cudaMemcpyAsync(memory, host, bytes, cudaMemcpyHostToDevice, stream));
    return memory;
}

/* Copies back, waits and frees. */
static void take(cudaStream_t stream, void *memory, void *host, size_t bytes) {
    OK(cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamSynchronize(stream));
    OK(cudaFree(memory));
}

static int setup(void **state) {
    (void)state;
    pu__emulator_reset();
    return 0;
}
static int teardown(void **state) {
    (void)state;
    pu__emulator_reset();
    return pu__emulator_live() == 0 ? 0 : -1;
}

/* ---- values ---- */

static void test_indices(void **state) {
    (void)state;
    const uint3 shape[][2] = {
        {{1, 1, 1}, {1, 1, 1}}, {{2, 3, 4}, {5, 3, 2}}, {{3, 1, 1}, {1024, 1, 1}}, {{1, 2, 1}, {32, 8, 4}}};
    for (int order = 0; order < ORDERS; ++order) {
        use_order(order);
        cudaStream_t stream = new_stream();
        for (size_t i = 0; i < sizeof shape / sizeof shape[0]; ++i) {
            const uint3 g = shape[i][0], b = shape[i][1];
            const size_t n = (size_t)g.x * g.y * g.z * b.x * b.y * b.z;
            int *host = calloc(n, sizeof *host);
            void *out = on_device(stream, NULL, n * sizeof *host);
            model_indices(stream, out, g, b);
            OK(cudaGetLastError());
            take(stream, out, host, n * sizeof *host);
            for (size_t k = 0; k < n; ++k) assert_int_equal(host[k], k);
            free(host);
        }
        OK(cudaStreamDestroy(stream));
        no_faults();
    }
}

static void check_sizes(cudaStream_t stream, int n) {
    float *x = calloc((size_t)n, sizeof *x), *y = calloc((size_t)n, sizeof *y);
    int *counts = calloc((size_t)n, sizeof *counts), *scanned = calloc((size_t)n, sizeof *scanned), bins[7] = {0};
    assert_true(x && y && counts && scanned);
    int total = 0, expected_bins[7] = {0};
    for (int i = 0; i < n; ++i) {
        counts[i] = i * 7 % 13;
        x[i] = (float)counts[i];
        total += counts[i];
        ++expected_bins[counts[i] % 7];
    }
    const size_t bytes = (size_t)n * sizeof *x;
    float partial[3];
    void *device_x = on_device(stream, x, bytes), *out = on_device(stream, NULL, sizeof partial);
    model_sum(stream, device_x, n, out, 3);
    take(stream, out, partial, sizeof partial);
    assert_true(partial[0] + partial[1] + partial[2] == (float)total); /* small integers: exact in any order */

    out = on_device(stream, NULL, bytes);
    model_previous(stream, device_x, n, out);
    take(stream, out, y, bytes);
    for (int i = 0; i < n; ++i) assert_true(y[i] == (i ? x[i - 1] : 0.0f));

    model_scale4(stream, device_x, n, 0.5f);
    take(stream, device_x, y, bytes);
    for (int i = 0; i < n; ++i) assert_true(y[i] == 0.5f * x[i]);

    void *device_counts = on_device(stream, counts, bytes);
    out = on_device(stream, NULL, bytes);
    model_scan(stream, device_counts, n, out);
    take(stream, out, scanned, bytes);
    for (int i = 0, sum = 0; i < n; ++i) {
        sum = (i % 32 ? sum : 0) + counts[i];
        assert_int_equal(scanned[i], sum);
    }
    out = on_device(stream, NULL, bytes);
    model_warp_exchange(stream, device_counts, n, out);
    take(stream, out, scanned, bytes);
    for (int i = 0; i < n; ++i) assert_int_equal(scanned[i], (i ^ 1) < n ? counts[i ^ 1] : 0);

    out = on_device(stream, NULL, sizeof bins);
    OK(cudaMemsetAsync(out, 0, sizeof bins, stream));
    model_histogram(stream, device_counts, n, out, 7);
    take(stream, out, bins, sizeof bins);
    assert_memory_equal(bins, expected_bins, sizeof bins);
    OK(cudaFree(device_counts));
    free(x);
    free(y);
    free(counts);
    free(scanned);
}

static void test_values(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 31, 32, 33, 95, 97, 127, 128, 129, 509, 1000};
    for (int order = 0; order < ORDERS; ++order) {
        use_order(order);
        cudaStream_t stream = new_stream();
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) check_sizes(stream, sizes[i]);
        OK(cudaStreamDestroy(stream));
        if (pu__emulator_faults()) print_error("order %s\n", order_name[order]);
        no_faults();
    }
}

static void test_transpose(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {32, 32}, {33, 31}, {7, 70}, {65, 2}};
    for (int order = 0; order < ORDERS; ++order) {
        use_order(order);
        cudaStream_t stream = new_stream();
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
            const int rows = sizes[i][0], columns = sizes[i][1], n = rows * columns;
            float x[7 * 70 + 65 * 33], y[7 * 70 + 65 * 33];
            for (int k = 0; k < n; ++k) x[k] = (float)k;
            void *device_x = on_device(stream, x, (size_t)n * sizeof *x),
                 *out = on_device(stream, NULL, (size_t)n * sizeof *x);
            model_transpose(stream, device_x, rows, columns, out);
            take(stream, out, y, (size_t)n * sizeof *x);
            OK(cudaFree(device_x));
            for (int r = 0; r < rows; ++r)
                for (int c = 0; c < columns; ++c) assert_true(y[c * rows + r] == x[r * columns + c]);
        }
        OK(cudaStreamDestroy(stream));
        no_faults();
    }
}

static void test_votes(void **state) {
    (void)state;
    int x[96];
    unsigned y[9];
    for (int i = 0; i < 96; ++i) x[i] = i < 32 ? 1 : i < 64 ? i % 3 == 0 : 0;
    cudaStream_t stream = new_stream();
    void *device_x = on_device(stream, x, sizeof x), *out = on_device(stream, NULL, sizeof y);
    model_votes(stream, device_x, 96, out);
    take(stream, out, y, sizeof y);
    unsigned mixed = 0;
    for (int lane = 0; lane < 32; ++lane) mixed |= (unsigned)x[32 + lane] << lane;
    const unsigned expected[9] = {0xffffffffu, 1, 1, mixed, 0, 1, 0, 0, 0};
    assert_memory_equal(y, expected, sizeof y);
    OK(cudaFree(device_x));
    OK(cudaStreamDestroy(stream));
    no_faults();
}

/* Products of small integers, which any order of sums leaves exact, and of the maps that the PTX ISA documents. */
static void test_matrix_units(void **state) {
    (void)state;
    for (int run = 0; run < 2 * ORDERS; ++run) {
        const int bf16 = run % 2, depth = bf16 ? 16 : 8;
        float a[256], b[128], d[128];
        for (int i = 0; i < 256; ++i) a[i] = (float)((i * 7 + i / 16) % 17 - 8);
        for (int i = 0; i < 128; ++i) b[i] = (float)((i * 5 + i / 8) % 13 - 6);
        use_order(run / 2);
        cudaStream_t stream = new_stream();
        void *device_a = on_device(stream, a, sizeof a), *device_b = on_device(stream, b, sizeof b),
             *out = on_device(stream, NULL, sizeof d);
        model_product(stream, device_a, device_b, out, bf16);
        take(stream, out, d, sizeof d);
        OK(cudaFree(device_a));
        OK(cudaFree(device_b));
        OK(cudaStreamDestroy(stream));
        no_faults();
        for (int row = 0; row < 16; ++row)
            for (int n = 0; n < 8; ++n) {
                float sum = 1.0f;
                for (int k = 0; k < depth; ++k) sum += a[row * depth + k] * b[k * 8 + n];
                assert_true(d[row * 8 + n] == sum);
            }
    }
}

static void test_matrix_loads(void **state) {
    (void)state;
    unsigned x[128], y[256];
    uint16_t number[256];
    for (unsigned i = 0; i < 256; ++i) number[i] = (uint16_t)(i * 257 + 3);
    memcpy(x, number, sizeof x);
    cudaStream_t stream = new_stream();
    void *device_x = on_device(stream, x, sizeof x), *out = on_device(stream, NULL, sizeof y);
    model_matrices(stream, device_x, out);
    take(stream, out, y, sizeof y);
    OK(cudaFree(device_x));
    OK(cudaStreamDestroy(stream));
    no_faults();
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i) {
            const int g = lane / 4, t = lane % 4;
            assert_int_equal(y[8 * lane + i], x[(8 * i + g) * 4 + t]);
            assert_int_equal(y[8 * lane + 4 + i], number[(8 * i + 2 * t) * 8 + g] |
                                                      (unsigned)number[(8 * i + 2 * t + 1) * 8 + g] << 16);
        }
}

static void test_asynchronous_copies(void **state) {
    (void)state;
    static float x[512], y[512];
    for (int i = 0; i < 512; ++i) x[i] = (float)(i + 1);
    for (int run = 0; run < 2 * ORDERS; ++run) {
        const int n = run % 2 ? 498 : 500;
        use_order(run / 2);
        cudaStream_t stream = new_stream();
        void *device_x = on_device(stream, x, (size_t)n * sizeof *x), *out = on_device(stream, NULL, sizeof y);
        model_copies(stream, device_x, n, out, run % 2);
        take(stream, out, y, sizeof y);
        OK(cudaFree(device_x));
        OK(cudaStreamDestroy(stream));
        no_faults();
        for (int i = 0; i < 512; ++i) assert_true(y[i] == ((i ^ 4) < n ? x[i ^ 4] : 0.0f));
    }
}

/* ---- faults ---- */

static void test_wrong_kernels(void **state) {
    (void)state;
    static const struct {
        model_wrong wrong;
        pu__fault_kind kind;
        pu__sight needs;
    } expected[] = {
        {WRONG_BARRIER_BRANCHES, PU__FAULT_BARRIER, PU__SEES_VALUES},
        {WRONG_BARRIER_EARLY_RETURN, PU__FAULT_BARRIER, PU__SEES_VALUES},
        {WRONG_MASK_WITHOUT_CALLER, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_MASK_EXITED_LANE, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_MASK_PARTIAL_WARP, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_MASKS_DIFFER, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_SOURCE_NOT_IN_MASK, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_SHUFFLE_AND_BARRIER, PU__FAULT_DEADLOCK, PU__SEES_VALUES},
        {WRONG_WIDTH, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_FLOAT_ATOMIC, PU__FAULT_ATOMIC, PU__SEES_VALUES},
        {WRONG_HALF_A_WARP, PU__FAULT_WARP, PU__SEES_VALUES},
        {WRONG_MATRIX_MISALIGNED, PU__FAULT_ALIGNMENT, PU__SEES_VALUES},
        {WRONG_COPY_READ_EARLY, PU__FAULT_RACE, PU__SEES_ACCESSES},
        {WRONG_COPY_FORGOTTEN, PU__FAULT_COPY, PU__SEES_VALUES},
        {WRONG_COPY_OVER_READER, PU__FAULT_RACE, PU__SEES_ACCESSES},
        {WRONG_SHARED_RACE, PU__FAULT_RACE, PU__SEES_RACES},
        {WRONG_WARP_RACE, PU__FAULT_RACE, PU__SEES_RACES},
        {WRONG_TAIL_RACE, PU__FAULT_RACE, PU__SEES_RACES},
        {WRONG_BLOCK_RACE, PU__FAULT_RACE, PU__SEES_ACCESSES},
        {WRONG_ATOMIC_AND_PLAIN, PU__FAULT_RACE, PU__SEES_ACCESSES},
        {WRONG_UNINITIALISED, PU__FAULT_UNINITIALISED, PU__SEES_ACCESSES},
        {WRONG_READ_PAST_END, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
        {WRONG_WRITE_BEFORE_START, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
        {WRONG_READ_OF_HOST, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
        {WRONG_VECTOR_PAST_END, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
        {WRONG_VECTOR_MISALIGNED, PU__FAULT_ALIGNMENT, PU__SEES_RACES},
        {WRONG_SHARED_INDEX, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
        {WRONG_DYNAMIC_SHARED_SIZE, PU__FAULT_BOUNDS, PU__SEES_ACCESSES},
    };
    assert_int_equal(sizeof expected / sizeof expected[0], WRONG_COUNT);
    const pu__sight sight = pu__emulator_sight();
    for (int order = 0; order < ORDERS; ++order)
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; ++i) {
            if (expected[i].needs > sight) continue;
            /* Later versions of ThreadSanitizer know 255 threads at a time, and so forget. */
            if (expected[i].needs == PU__SEES_RACES && sight == PU__SEES_RACES && order > 0) continue;
            use_order(order);
            cudaStream_t stream = new_stream();
            const float x[64] = {0};
            const int n = expected[i].wrong == WRONG_VECTOR_PAST_END ? 62 : 64;
            void *device_x = on_device(stream, x, (size_t)n * sizeof *x);
            model_launch_wrong(stream, expected[i].wrong, device_x, n);
            assert_int_equal(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
            assert_int_equal(cudaGetLastError(), cudaErrorLaunchFailure);
            assert_true(pu__emulator_faults() >= 1);
            if (order == 0) print_message("%s\n", pu__emulator_fault(0)->text);
            assert_int_equal(pu__emulator_fault(0)->kind, expected[i].kind);
            pu__emulator_reset();
            OK(cudaFree(device_x));
            OK(cudaStreamDestroy(stream));
        }
}

static void test_launch_limits(void **state) {
    (void)state;
    static const uint3 wrong[][2] = {
        {{0, 1, 1}, {32, 1, 1}}, {{1, 1, 1}, {1025, 1, 1}}, {{1, 1, 1}, {0, 1, 1}}, {{1, 65536, 1}, {1, 1, 1}}};
    cudaStream_t stream = new_stream();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        model_indices(stream, NULL, wrong[i][0], wrong[i][1]);
        assert_int_equal(cudaGetLastError(), cudaErrorInvalidConfiguration);
        OK(cudaGetLastError()); /* reading clears it */
    }
    OK(cudaStreamDestroy(stream));
    no_faults();
}

/* ---- streams, events, recording ---- */

static void test_work_waits_for_a_reason(void **state) {
    (void)state;
    cudaStream_t compute = new_stream(), copy = new_stream();
    float *host = NULL;
    OK(cudaMallocHost((void **)&host, 2 * sizeof *host));
    host[0] = 1.0f;
    host[1] = 0.0f;
    void *x = on_device(compute, NULL, sizeof *host);
    cudaEvent_t uploaded = NULL, done = NULL;
    OK(cudaEventCreateWithFlags(&uploaded, cudaEventDisableTiming));
    OK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    OK(cudaMemcpyAsync(x, host, sizeof *host, cudaMemcpyHostToDevice, copy));
    OK(cudaEventRecord(uploaded, copy));
    OK(cudaStreamWaitEvent(compute, uploaded, 0));
    model_add(compute, x, 1, 2.0f);
    OK(cudaMemcpyAsync(host + 1, x, sizeof *host, cudaMemcpyDeviceToHost, compute));
    OK(cudaEventRecord(done, compute));
    assert_true(host[1] == 0.0f); /* nothing has run */
    host[0] = 5.0f;               /* what an early reuse of the buffer does */
    int questions = 0;
    while (cudaEventQuery(done) == cudaErrorNotReady) ++questions;
    assert_in_range(questions, 1, 10);
    assert_true(host[1] == 7.0f);
    OK(cudaEventSynchronize(done));
    OK(cudaFree(x));
    OK(cudaFreeHost(host));
    OK(cudaEventDestroy(uploaded));
    OK(cudaEventDestroy(done));
    OK(cudaStreamDestroy(compute));
    OK(cudaStreamDestroy(copy));
    no_faults();
}

/* Without the wait, one schedule or the other shows it. */
static void test_missing_wait_shows(void **state) {
    (void)state;
    int wrong = 0;
    for (int seed = 0; seed < 64; ++seed) {
        pu__emulator_set_schedule(PU__SCHEDULE_RANDOM, (uint64_t)seed);
        cudaStream_t compute = new_stream(), copy = new_stream();
        float *host = NULL;
        OK(cudaMallocHost((void **)&host, sizeof *host));
        host[0] = 1.0f;
        void *x = on_device(compute, NULL, sizeof *host);
        OK(cudaMemcpyAsync(x, host, sizeof *host, cudaMemcpyHostToDevice, copy));
        model_add(compute, x, 1, 2.0f);
        OK(cudaMemcpyAsync(host, x, sizeof *host, cudaMemcpyDeviceToHost, compute));
        OK(cudaDeviceSynchronize());
        wrong += host[0] != 3.0f;
        OK(cudaFree(x));
        OK(cudaFreeHost(host));
        OK(cudaStreamDestroy(compute));
        OK(cudaStreamDestroy(copy));
    }
    assert_in_range(wrong, 1, 63);
}

static void test_replay(void **state) {
    (void)state;
    cudaStream_t stream = new_stream();
    float x[3] = {1.0f, 2.0f, 3.0f};
    void *device_x = on_device(stream, x, sizeof x), *other = NULL;
    float step = 10.0f;
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    model_add(stream, device_x, 3, step);
    model_add(stream, device_x, 2, step);
    step = 1000.0f; /* arguments were copied */
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiate(&executable, graph, 0));
    OK(cudaGraphDestroy(graph));
    for (int i = 0; i < 3; ++i) OK(cudaGraphLaunch(executable, stream));
    OK(cudaGraphExecDestroy(executable));
    take(stream, device_x, x, sizeof x);
    assert_true(x[0] == 61.0f && x[1] == 62.0f && x[2] == 33.0f);

    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_int_equal(cudaMalloc(&other, 4), cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
    OK(cudaStreamDestroy(stream));
    no_faults();
}

static void test_misuse(void **state) {
    (void)state;
    cudaStream_t stream = new_stream();
    float x[4] = {0};
    void *device_x = on_device(stream, x, sizeof x);
    assert_int_equal(cudaMemcpyAsync(device_x, x, sizeof x + 1, cudaMemcpyHostToDevice, stream),
                     cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpyAsync(x, device_x, sizeof x, cudaMemcpyHostToDevice, stream),
                     cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpyAsync(device_x, x, sizeof x, cudaMemcpyHostToDevice, NULL),
                     cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaFree((char *)device_x + 4), cudaErrorInvalidValue);
    assert_int_equal(pu__emulator_faults(), 4);
    OK(cudaFree(device_x));
    OK(cudaFree(NULL));
    OK(cudaStreamDestroy(stream));
}

/* ---- cuBLASLt ---- */

/* What the heuristic says of a 16 x 3 product whose epilogue has these attributes. */
static cublasStatus_t choose(cublasLtEpilogue_t epilogue, const void *bias, const void *aux, int64_t leading,
                             cublasLtMatmulAlgo_t *algorithm) {
    cublasLtHandle_t handle = NULL;
    cublasLtMatmulDesc_t product = NULL;
    cublasLtMatrixLayout_t a = NULL, b = NULL, d = NULL;
    cublasLtMatmulPreference_t preference = NULL;
    OK(cublasLtCreate(&handle));
    OK(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    OK(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    OK(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    OK(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &aux, sizeof aux));
    OK(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &leading, sizeof leading));
    OK(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, 16, 5, 16));
    OK(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 5, 3, 5));
    OK(cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, 16, 3, 16));
    OK(cublasLtMatmulPreferenceCreate(&preference));
    cublasLtMatmulHeuristicResult_t result = {.state = CUBLAS_STATUS_NOT_SUPPORTED};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, product, a, b, d, d, preference, 1, &result, &found);
    assert_int_equal(found, status == CUBLAS_STATUS_SUCCESS);
    *algorithm = result.algo;
    OK(cublasLtMatmulPreferenceDestroy(preference));
    OK(cublasLtMatrixLayoutDestroy(d));
    OK(cublasLtMatrixLayoutDestroy(b));
    OK(cublasLtMatrixLayoutDestroy(a));
    OK(cublasLtMatmulDescDestroy(product));
    OK(cublasLtDestroy(handle));
    return status;
}

static void test_epilogues(void **state) {
    (void)state;
    static float memory[64];
    const char *odd = (const char *)memory + 2;
    const struct {
        cublasLtEpilogue_t epilogue;
        const void *bias, *aux;
        int64_t leading;
        cublasStatus_t expected;
        const char *fault;
    } rows[] = {
        {CUBLASLT_EPILOGUE_BIAS, memory, NULL, 0, CUBLAS_STATUS_SUCCESS, NULL},
        {CUBLASLT_EPILOGUE_BIAS, NULL, NULL, 0, CUBLAS_STATUS_INVALID_VALUE, "the bias is not set"},
        {CUBLASLT_EPILOGUE_GELU_BIAS, odd, NULL, 0, CUBLAS_STATUS_INVALID_VALUE, "no address of a float"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, memory, 16, CUBLAS_STATUS_SUCCESS, NULL},
        {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, memory, memory, 24, CUBLAS_STATUS_SUCCESS, NULL},
        {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, NULL, memory, 16, CUBLAS_STATUS_INVALID_VALUE, "the bias is not set"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, NULL, 16, CUBLAS_STATUS_INVALID_VALUE, "auxiliary matrix is not set"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, odd, 16, CUBLAS_STATUS_INVALID_VALUE, "no address of a float"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, memory, 0, CUBLAS_STATUS_INVALID_VALUE, "leading dimension of 0"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, memory, 20, CUBLAS_STATUS_INVALID_VALUE, "leading dimension of 20"},
        {CUBLASLT_EPILOGUE_GELU_AUX, NULL, memory, 8, CUBLAS_STATUS_INVALID_VALUE, "leading dimension of 8"},
        {(cublasLtEpilogue_t)2, NULL, NULL, 0, CUBLAS_STATUS_INVALID_VALUE, "epilogue 2 is not known"},
    };
    cublasLtMatmulAlgo_t algorithm;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        const cublasStatus_t status =
            choose(rows[i].epilogue, rows[i].bias, rows[i].aux, rows[i].leading, &algorithm);
        assert_int_equal(status, rows[i].expected);
        assert_int_equal(pu__emulator_faults(), rows[i].fault ? 1 : 0);
        if (rows[i].fault) assert_non_null(strstr(pu__emulator_fault(0)->text, rows[i].fault));
        pu__emulator_reset();
    }
    pu__emulator_set_activations(false);
    assert_int_equal(choose(CUBLASLT_EPILOGUE_GELU_AUX, NULL, memory, 16, &algorithm),
                     CUBLAS_STATUS_NOT_SUPPORTED);
    assert_int_equal(choose(CUBLASLT_EPILOGUE_BIAS, memory, NULL, 0, &algorithm), CUBLAS_STATUS_SUCCESS);
    no_faults();
}

static void test_memory_and_injection(void **state) {
    (void)state;
    size_t free_bytes = 0, total_bytes = 0;
    void *memory = NULL, *more = NULL;
    pu__emulator_set_memory(1024);
    OK(cudaMalloc(&memory, 1000));
    OK(cudaMemGetInfo(&free_bytes, &total_bytes));
    assert_int_equal(free_bytes, 0);
    assert_int_equal(total_bytes, 1024);
    assert_int_equal(cudaMalloc(&more, 1), cudaErrorMemoryAllocation);
    pu__emulator_fail_call(1);
    assert_int_equal(cudaFree(memory), cudaErrorUnknown); /* released all the same */
    assert_int_equal(pu__emulator_live(), 0);
    pu__emulator_fail_call(2);
    OK(cudaMalloc(&memory, 1));
    assert_int_equal(cudaMalloc(&more, 1), cudaErrorMemoryAllocation);
    OK(cudaFree(memory));

    int count = -1;
    pu__emulator_set_devices(0);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    pu__emulator_set_devices(-1);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    assert_int_equal(count, 0);
    no_faults();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_indices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transpose, setup, teardown),
        cmocka_unit_test_setup_teardown(test_votes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_matrix_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_matrix_loads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asynchronous_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_kernels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_launch_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_waits_for_a_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_wait_shows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misuse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epilogues, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_and_injection, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
