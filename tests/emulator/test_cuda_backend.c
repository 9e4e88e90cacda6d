/* The CUDA backend's host code on the emulated runtime: a model trains as on the CPU under every schedule of the
 * streams; a step is recorded once and replayed; every call of the runtime may fail, and then nothing crashes and
 * nothing is left behind; what people see when there is no driver, no GPU or no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "emulator.h"
#include "host/device/backend.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/small_model.h"

static const uint64_t seed = 7;
static const pu__small_model model = {.windows = 3,
                                      .window_bars = 9,
                                      .features = 5,
                                      .channels = 16,
                                      .horizons = 2,
                                      .quantiles = 3,
                                      .dropout = 0.1f,
                                      .normalised = true};

static int setup(void **state) {
    (void)state;
    pu__emulator_reset();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int i = 0; i < pu__emulator_faults() && i < 3; ++i) print_error("%s\n", pu__emulator_fault(i)->text);
    const int faults = pu__emulator_faults();
    pu__emulator_reset();
    return faults == 0 && pu__emulator_live() == 0 ? 0 : -1;
}

static pu_device *open_device(const char *name) {
    pu_device *device = NULL;
    if (pu_device_open(name, 1, &device) != PU_OK) fail_msg("%s", pu_error_message());
    return device;
}

/* ---- training ---- */

static void test_trains_as_on_the_cpu(void **state) {
    (void)state;
    const struct {
        pu__schedule schedule;
        pu__order order;
        uint64_t seed;
    } runs[] = {{PU__SCHEDULE_LATE, PU__ORDER_FORWARD, 0},
                {PU__SCHEDULE_EAGER, PU__ORDER_REVERSE, 0},
                {PU__SCHEDULE_RANDOM, PU__ORDER_RANDOM, 1},
                {PU__SCHEDULE_RANDOM, PU__ORDER_RANDOM, 2}};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; ++i) {
        pu__emulator_reset();
        pu__emulator_set_schedule(runs[i].schedule, runs[i].seed);
        pu__emulator_set_order(runs[i].order, runs[i].seed);
        pu_device *cuda = open_device("cuda"), *cpu = open_device("cpu");
        pu__emulator_protect(true);
        if (pu__small_compare(&model, cuda, cpu, 6) != PU_OK) fail_msg("run %zu: %s", i, pu_error_message());
        pu__emulator_protect(false);
        assert_int_equal(pu__emulator_faults(), 0);
        pu__emulator_check_guards();
        pu_device_close(cuda);
        pu_device_close(cpu);
    }
}

enum { STEPS = 5 };

/* Trains and gives the parameters' values; frees everything. `value` may be null. */
static pu_status train(const pu__small_model *m, int steps, float **value, int64_t *count) {
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu__small_graph small = {0};
    float *read = NULL;
    pu_status status = pu_device_open("cuda", 1, &device);
    if (status == PU_OK) status = pu__small_parameters(m, device, seed, &parameters);
    if (status == PU_OK) status = pu__small_build(m, parameters, true, &small);
    if (status == PU_OK) status = pu__small_feed(m, &small, seed);
    for (int step = 1; status == PU_OK && step <= steps; ++step) {
        float loss = 0, stats[4];
        status = pu__small_step(m, &small, (uint64_t)step, 1e-3f, &loss, stats);
    }
    if (status == PU_OK) {
        *count = pu_parameters_count(parameters);
        read = pu_calloc((size_t)*count, sizeof *read);
        status = read ? pu_parameters_read(parameters, PU_PART_VALUE, read) : PU_ERR_MEMORY;
    }
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
    if (status == PU_OK && value) *value = read;
    else pu_free(read);
    return status;
}

static void test_same_bits_under_every_order(void **state) {
    (void)state;
    float *first = NULL, *other = NULL;
    int64_t count = 0;
    assert_int_equal(train(&model, STEPS, &first, &count), PU_OK);
    for (uint64_t i = 1; i <= 3; ++i) {
        pu__emulator_set_order(i == 1 ? PU__ORDER_REVERSE : PU__ORDER_RANDOM, i);
        pu__emulator_set_schedule(PU__SCHEDULE_RANDOM, i);
        assert_int_equal(train(&model, STEPS, &other, &count), PU_OK);
        assert_memory_equal(first, other, (size_t)count * sizeof *first);
        pu_free(other);
    }
    pu_free(first);
}

/* The first run is issued, the second recorded; from the third on a step costs the host two calls. */
static void test_steps_are_replayed(void **state) {
    (void)state;
    pu_device *device = open_device("cuda");
    pu_parameters *parameters = NULL;
    pu__small_graph small;
    assert_int_equal(pu__small_parameters(&model, device, seed, &parameters), PU_OK);
    assert_int_equal(pu__small_build(&model, parameters, true, &small), PU_OK);
    assert_int_equal(pu__small_feed(&model, &small, seed), PU_OK);
    int64_t calls[4] = {0};
    for (int i = 0; i < 4; ++i) {
        const int64_t before = pu__emulator_calls();
        assert_int_equal(pu_program_run(small.program), PU_OK);
        calls[i] = pu__emulator_calls() - before;
    }
    print_message("runtime calls per step: %lld issued, %lld recorded, %lld replayed\n", (long long)calls[0],
                  (long long)calls[1], (long long)calls[2]);
    assert_true(calls[0] > 50);
    assert_int_equal(calls[2], 2);
    assert_int_equal(calls[3], 2);
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
}

/* Kernels and products of a step that is replayed. */
static int64_t launches_of(const pu__small_model *m, bool training) {
    pu_device *device = open_device("cuda");
    pu_parameters *parameters = NULL;
    pu__small_graph small;
    assert_int_equal(pu__small_parameters(m, device, seed, &parameters), PU_OK);
    assert_int_equal(pu__small_build(m, parameters, training, &small), PU_OK);
    assert_int_equal(pu__small_feed(m, &small, seed), PU_OK);
    int64_t before = 0;
    for (int i = 0; i < 4; ++i) {
        before = pu__emulator_launches();
        assert_int_equal(pu_program_run(small.program), PU_OK);
        assert_int_equal(pu_device_sync(device), PU_OK);
    }
    const int64_t launches = pu__emulator_launches() - before;
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
    return launches;
}

/* The model has one layer with GELU, of as many columns as it has channels. */
static void test_gelu_is_no_launch(void **state) {
    (void)state;
    pu__small_model ragged = model;
    ragged.channels = 20; /* of which cuBLASLt stores no pre-activation */
    const int64_t trained = launches_of(&model, true), asked = launches_of(&model, false);
    assert_int_equal(launches_of(&ragged, true), trained + 1);
    assert_int_equal(launches_of(&ragged, false), asked);
    pu__emulator_set_activations(false);
    assert_int_equal(launches_of(&model, true), trained + 1);
    assert_int_equal(launches_of(&model, false), asked + 1);
    print_message("launches of a step: %lld in training, %lld in prediction\n", (long long)trained,
                  (long long)asked);
}

/* ---- failing calls ---- */

static void test_every_call_may_fail(void **state) {
    (void)state;
    pu__small_model tiny = model;
    tiny.windows = 1;
    tiny.window_bars = 3;
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN); /* releases that fail warn */
    int64_t count = 0, before = pu__emulator_calls();
    assert_int_equal(train(&tiny, 3, NULL, &count), PU_OK);
    const int64_t calls = pu__emulator_calls() - before;
    int64_t refused = 0;
    for (int64_t n = 1; n <= calls; ++n) {
        pu__emulator_reset();
        pu__emulator_fail_call(n);
        const pu_status status = train(&tiny, 3, NULL, &count);
        if (status != PU_OK) {
            ++refused;
            assert_true(status == PU_ERR_DEVICE || status == PU_ERR_MEMORY);
            assert_true(strlen(pu_error_message()) > 10);
        }
        if (pu__emulator_live() != 0) fail_msg("call %lld: %d objects left", (long long)n, pu__emulator_live());
        if (pu__emulator_faults() != 0) fail_msg("call %lld: %s", (long long)n, pu__emulator_fault(0)->text);
    }
    print_message("%lld calls, %lld of them needed for success\n", (long long)calls, (long long)refused);
    assert_true(refused > calls / 2);
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
}

/* ---- what people see ---- */

static void expect_refusal(const char *name, pu_status expected, const char *text) {
    pu_device *device = NULL;
    assert_int_equal(pu_device_open(name, 0, &device), expected);
    assert_null(device);
    if (!strstr(pu_error_message(), text)) fail_msg("\"%s\" does not say \"%s\"", pu_error_message(), text);
}

static void test_no_gpu(void **state) {
    (void)state;
    expect_refusal("cuda:1", PU_ERR_DEVICE, "this machine has 1 GPU");
    for (int devices = -1; devices <= 0; ++devices) {
        pu__emulator_set_devices(devices);
        expect_refusal("cuda", PU_ERR_DEVICE, devices < 0 ? "driver" : "no NVIDIA GPU is visible");
        expect_refusal("cuda", PU_ERR_DEVICE, "--device cpu");
        pu_device *device = open_device("auto");
        assert_string_equal(pu_device_name(device), "cpu");
        pu_device_close(device);
    }
    pu__emulator_set_devices(2);
    pu_device *device = open_device("cuda:1");
    assert_string_equal(pu_device_name(device), "cuda:1");
    assert_false(pu_device_is_host(device));
    print_message("%s: %s\n", pu_device_name(device), pu_device_description(device));
    pu_device_close(device);
    device = open_device("auto");
    assert_string_equal(pu_device_name(device), "cuda:0");
    pu_device_close(device);
}

static void test_out_of_memory(void **state) {
    (void)state;
    pu__emulator_set_memory(8 << 20);
    pu_device *device = open_device("cuda");
    void *memory = NULL, *more = NULL;
    assert_int_equal(pu_device_memory_free_bytes(device), 8 << 20);
    assert_int_equal(pu_device_alloc(device, 3 << 20, &memory), PU_OK);
    assert_int_equal(pu_device_alloc(device, 6 << 20, &more), PU_ERR_MEMORY);
    assert_non_null(strstr(pu_error_message(), "6.0 MiB were asked for, 5.0 MiB are free"));
    pu_device_free(device, memory);
    assert_int_equal(pu_device_alloc(device, 6 << 20, &memory), PU_OK); /* the failure left no error behind */
    pu_device_free(device, memory);
    pu_device_close(device);
}

static void test_memory_is_zeroed_and_aligned(void **state) {
    (void)state;
    pu_device *device = open_device("cuda");
    for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
        unsigned char host[3000], zero[3000] = {0};
        void *memory = NULL;
        assert_int_equal(pu_device_alloc(device, bytes, &memory), PU_OK);
        assert_int_equal((uintptr_t)memory % 256, 0);
        assert_int_equal(pu_device_download(device, PU_STREAM_COPY, host, memory, bytes), PU_OK);
        assert_int_equal(pu_device_sync(device), PU_OK);
        assert_memory_equal(host, zero, bytes);
        pu_device_free(device, memory);
    }
    pu_device_close(device);
}

/* ---- streams and fences ---- */

static void test_fences_order_the_streams(void **state) {
    (void)state;
    enum { N = 1000 };
    for (uint64_t i = 0; i < 16; ++i) {
        pu__emulator_set_schedule(i ? PU__SCHEDULE_RANDOM : PU__SCHEDULE_LATE, i);
        pu_device *device = open_device("cuda");
        void *memory = NULL, *in = NULL, *out = NULL;
        pu_fence *uploaded = NULL, *done = NULL;
        assert_int_equal(pu_device_alloc(device, N, &memory), PU_OK);
        assert_int_equal(pu_device_alloc_host(device, N, &in), PU_OK);
        assert_int_equal(pu_device_alloc_host(device, N, &out), PU_OK);
        assert_int_equal(pu_fence_new(device, &uploaded), PU_OK);
        assert_int_equal(pu_fence_new(device, &done), PU_OK);
        memset(in, 3, N);
        assert_int_equal(pu_device_upload(device, PU_STREAM_COPY, memory, in, N), PU_OK);
        assert_int_equal(pu_fence_record(uploaded, PU_STREAM_COPY), PU_OK);
        assert_int_equal(pu_fence_stream_wait(uploaded, PU_STREAM_COMPUTE), PU_OK);
        assert_int_equal(pu_device_download(device, PU_STREAM_COMPUTE, out, memory, N), PU_OK);
        assert_int_equal(pu_fence_record(done, PU_STREAM_COMPUTE), PU_OK);
        assert_int_equal(pu_fence_host_wait(done), PU_OK);
        assert_memory_equal(in, out, N);
        pu_fence_free(uploaded);
        pu_fence_free(done);
        pu_device_free_host(device, in);
        pu_device_free_host(device, out);
        pu_device_free(device, memory);
        pu_device_close(device);
    }
}

/* An error of work that was enqueued comes out of the wait for it, and the device stays lost. */
static void test_faults_of_kernels_surface(void **state) {
    (void)state;
    if (pu__emulator_sight() != PU__SEES_ACCESSES) skip(); /* AddressSanitizer ends the program */
    pu_device *device = open_device("cuda");
    float host[8] = {0};
    const pu_attributes attributes = {.affine = {2.0f, 0.0f}};
    pu__call call = {.op = PU_OP_AFFINE, .in_count = 1, .out_count = 1, .attributes = &attributes};
    void *memory = NULL;
    assert_int_equal(pu_device_alloc(device, sizeof host, &memory), PU_OK);
    call.in[0] = (pu__view){memory, {1, {8}}};
    call.out[0] = (pu__view){(char *)memory + sizeof host, {1, {8}}}; /* behind the allocation */
    device->backend->bind(device->state, &call);
    assert_int_equal(device->backend->kernels[PU_OP_AFFINE].kernel(&call), PU_OK);
    assert_int_equal(pu_device_sync(device), PU_ERR_DEVICE);
    assert_int_equal(pu__emulator_fault(0)->kind, PU__FAULT_BOUNDS);
    assert_int_equal(pu_device_download(device, PU_STREAM_COMPUTE, host, memory, sizeof host), PU_ERR_DEVICE);
    pu__emulator_reset();
    pu_device_free(device, memory);
    pu_device_close(device);
    pu__emulator_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trains_as_on_the_cpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_bits_under_every_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_are_replayed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gelu_is_no_launch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_call_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_gpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_zeroed_and_aligned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fences_order_the_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults_of_kernels_surface, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
