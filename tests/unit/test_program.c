/* Running programs: the same bits on every replay, programs that share parameters, recording and replay, every
 * allocation failing once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/graph/internal.h"
#include "tests/support/small_model.h"

static const pu__small_model model = {.windows = 3,
                                      .window_bars = 9,
                                      .features = 5,
                                      .channels = 16,
                                      .horizons = 2,
                                      .quantiles = 3,
                                      .dropout = 0.2f,
                                      .normalised = true};

typedef struct world {
    pu_device *device;
    pu_parameters *parameters;
    pu__small_graph train;
} world;

static void open_on(world *w, pu_device *device) {
    w->device = device;
    assert_int_equal(pu__small_parameters(&model, device, 8, &w->parameters), PU_OK);
    if (pu__small_build(&model, w->parameters, true, &w->train) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu__small_feed(&model, &w->train, 21), PU_OK);
}

static void open_world(world *w, int threads) {
    pu_device *device = NULL;
    assert_int_equal(pu_device_open("cpu", threads, &device), PU_OK);
    open_on(w, device);
}

static void close_world(world *w) {
    pu__small_free(&w->train);
    pu_parameters_free(w->parameters);
    pu_device_close(w->device);
}

static float *part_of(world *w, pu_parameter_part part) {
    float *block = pu_calloc((size_t)pu_parameters_count(w->parameters), sizeof *block);
    assert_non_null(block);
    assert_int_equal(pu_parameters_read(w->parameters, part, block), PU_OK);
    return block;
}

static size_t block_bytes(const world *w) { return (size_t)pu_parameters_count(w->parameters) * sizeof(float); }

static void run_steps(world *w, int first, int last, float *loss) {
    for (int step = first; step <= last; ++step) {
        if (pu__small_step(&model, &w->train, (uint64_t)step, 1e-2f, loss, NULL) != PU_OK)
            fail_msg("%s", pu_error_message());
    }
}

static void replay_gives_the_same_bits(void **state) {
    (void)state;
    world w;
    float first = 0, second = 0;
    open_world(&w, 1);
    /* With a learning rate of 0 a step changes nothing but the moments. */
    assert_int_equal(pu__small_step(&model, &w.train, 5, 0.0f, &first, NULL), PU_OK);
    float *once = part_of(&w, PU_PART_GRADIENT);
    assert_int_equal(pu__small_step(&model, &w.train, 5, 0.0f, &second, NULL), PU_OK);
    float *twice = part_of(&w, PU_PART_GRADIENT);
    assert_memory_equal(&first, &second, sizeof first);
    assert_memory_equal(once, twice, block_bytes(&w));
    /* Another step of the clock drops other elements. */
    assert_int_equal(pu__small_step(&model, &w.train, 6, 0.0f, &second, NULL), PU_OK);
    assert_true(first != second);
    pu_free(once);
    pu_free(twice);
    close_world(&w);
}

static void threads_do_not_change_bits(void **state) {
    (void)state;
    world one, two;
    float loss[2];
    open_world(&one, 1);
    open_world(&two, 2);
    run_steps(&one, 1, 5, &loss[0]);
    run_steps(&two, 1, 5, &loss[1]);
    float *a = part_of(&one, PU_PART_SECOND_MOMENT), *b = part_of(&two, PU_PART_SECOND_MOMENT);
    assert_memory_equal(a, b, block_bytes(&one));
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    pu_free(a);
    pu_free(b);
    close_world(&one);
    close_world(&two);
}

/* ---- programs over the same parameters ---- */

static void evaluation_shares_parameters(void **state) {
    (void)state;
    world w;
    pu__small_graph evaluate;
    pu__small_model calm = model;
    float before = 0, after = 0, loss = 0;
    calm.dropout = 0.0f;
    open_world(&w, 1);
    assert_int_equal(pu__small_build(&calm, w.parameters, false, &evaluate), PU_OK);
    assert_int_equal(pu__small_feed(&calm, &evaluate, 21), PU_OK);
    assert_true(pu_program_memory(evaluate.program).node_count * 2 <
                pu_program_memory(w.train.program).node_count);
    assert_int_equal(pu__small_step(&calm, &evaluate, 1, 0, &before, NULL), PU_OK);
    run_steps(&w, 1, 30, &loss);
    float *trained = part_of(&w, PU_PART_VALUE), *gradient = part_of(&w, PU_PART_GRADIENT);
    assert_int_equal(pu__small_step(&calm, &evaluate, 1, 0, &after, NULL), PU_OK);
    assert_true(after < 0.9f * before);
    float *values_after = part_of(&w, PU_PART_VALUE), *gradient_after = part_of(&w, PU_PART_GRADIENT);
    assert_memory_equal(trained, values_after, block_bytes(&w));
    assert_memory_equal(gradient, gradient_after, block_bytes(&w));
    pu_free(trained);
    pu_free(gradient);
    pu_free(values_after);
    pu_free(gradient_after);
    pu__small_free(&evaluate);
    close_world(&w);
}

static void unreached_parameters_get_a_zero_gradient(void **state) {
    (void)state;
    world w;
    float loss = 0, stats[4];
    open_world(&w, 1);
    float *garbage = part_of(&w, PU_PART_GRADIENT);
    for (int64_t i = 0; i < pu_parameters_count(w.parameters); ++i) garbage[i] = 1e9f;
    /* The padding between parameters stays zero: nothing but the caller writes there. */
    for (int i = 0; i < pu_parameters_number(w.parameters); ++i) {
        pu_parameter_info info;
        assert_int_equal(pu_parameter_get(w.parameters, i, &info), PU_OK);
        for (int64_t k = info.offset + info.count; k % 16; ++k) garbage[k] = 0.0f;
    }
    assert_int_equal(pu_parameters_write(w.parameters, PU_PART_GRADIENT, garbage), PU_OK);
    assert_int_equal(pu__small_step(&model, &w.train, 1, 1e-3f, &loss, stats), PU_OK);
    float *gradient = part_of(&w, PU_PART_GRADIENT);
    double sum = 0;
    for (int64_t i = 0; i < pu_parameters_count(w.parameters); ++i)
        sum += (double)gradient[i] * (double)gradient[i];
    assert_true(fabs(sqrt(sum) - (double)stats[0]) < 1e-5 * sqrt(sum));
    assert_true(sum < 1e6);
    for (int i = 0; i < pu_parameters_number(w.parameters); ++i) {
        pu_parameter_info info;
        assert_int_equal(pu_parameter_get(w.parameters, i, &info), PU_OK);
        double own = 0;
        for (int64_t k = 0; k < info.count; ++k) own += fabs((double)gradient[info.offset + k]);
        assert_true(strcmp(info.name, "unused") == 0 ? own == 0 : own > 0);
    }
    pu_free(garbage);
    pu_free(gradient);
    close_world(&w);
}

/* ---- recording and replay, on a backend that counts ---- */

enum { RECORDED_MAX = 200 };
static struct recorder {
    bool recording;
    int begun, replays, freed, launches;
    const pu__call *call[RECORDED_MAX];
    struct {
        void *memory;
        size_t bytes;
    } zero[RECORDED_MAX];
    int zeros;
    bool fail_end;
} recorder;
static pu__kernel_entry recorded_kernels[PU_OP_COUNT];
static pu__backend recorded;

static pu_status record_or_run(const pu__call *call) {
    if (!recorder.recording) return pu__cpu_backend()->kernels[call->op].kernel(call);
    assert_true(recorder.launches < RECORDED_MAX);
    recorder.call[recorder.launches++] = call;
    return PU_OK;
}

static pu_status record_zero(void *state, pu_stream stream, void *memory, size_t bytes) {
    if (!recorder.recording) return pu__cpu_backend()->zero(state, stream, memory, bytes);
    recorder.zero[recorder.zeros].memory = memory;
    recorder.zero[recorder.zeros++].bytes = bytes;
    return PU_OK;
}

static pu_status capture_begin(void *state) {
    (void)state;
    ++recorder.begun;
    recorder.recording = true;
    recorder.launches = recorder.zeros = 0;
    return PU_OK;
}

static pu_status capture_end(void *state, void **executable) {
    (void)state;
    recorder.recording = false;
    if (recorder.fail_end) return pu_fail(PU_ERR_DEVICE, "the recording failed");
    if (executable) *executable = &recorder;
    return PU_OK;
}

static pu_status replay(void *state, void *executable) {
    (void)state;
    assert_ptr_equal(executable, &recorder);
    ++recorder.replays;
    for (int i = 0; i < recorder.zeros; ++i) memset(recorder.zero[i].memory, 0, recorder.zero[i].bytes);
    for (int i = 0; i < recorder.launches; ++i)
        PU_TRY(pu__cpu_backend()->kernels[recorder.call[i]->op].kernel(recorder.call[i]));
    return PU_OK;
}

static void capture_free(void *state, void *executable) {
    (void)state;
    if (executable) ++recorder.freed;
}

static void open_recorded(world *w) {
    recorder = (struct recorder){0};
    recorded = *pu__cpu_backend();
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        recorded_kernels[op] = (pu__kernel_entry){record_or_run, recorded.kernels[op].workspace};
    }
    recorded.kernels = recorded_kernels;
    recorded.zero = record_zero;
    recorded.capture_begin = capture_begin;
    recorded.capture_end = capture_end;
    recorded.replay = replay;
    recorded.capture_free = capture_free;
    pu_device *device = NULL;
    assert_int_equal(pu__device_open_backend(&recorded, 0, 1, &device), PU_OK);
    open_on(w, device);
}

static void a_recorded_program_replays(void **state) {
    (void)state;
    world direct, replayed;
    float loss[2];
    open_world(&direct, 1);
    open_recorded(&replayed);
    run_steps(&direct, 1, 6, &loss[0]);
    run_steps(&replayed, 1, 6, &loss[1]);
    assert_int_equal(recorder.begun, 1);
    assert_int_equal(recorder.replays, 5); /* all but the first run */
    assert_int_equal(recorder.launches, pu_program_launches(replayed.train.program));
    float *a = part_of(&direct, PU_PART_VALUE), *b = part_of(&replayed, PU_PART_VALUE);
    assert_memory_equal(a, b, block_bytes(&direct));
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    pu_free(a);
    pu_free(b);
    close_world(&direct);
    close_world(&replayed);
    assert_int_equal(recorder.freed, 1);
}

/* ---- inputs that lie where the caller says ---- */

enum { BOUND_ROWS = 7, BOUND_COLUMNS = 5, BOUND = BOUND_ROWS * BOUND_COLUMNS, BINDINGS = PU__RECORDINGS_MAX + 2 };

typedef struct bound_world {
    pu_device *device;
    pu_parameters *parameters;
    pu_graph *graph;
    pu_program *program;
    pu_tensor *x, *plain, *y;
} bound_world;

/* y = 2 (x + plain) + 1, x bound, read through another shape. */
static void open_bound(bound_world *w, const pu__backend *backend) {
    const pu_shape shape = PU_SHAPE2(BOUND_ROWS, BOUND_COLUMNS);
    assert_int_equal(pu__device_open_backend(backend, 0, 1, &w->device), PU_OK);
    assert_int_equal(pu_parameters_new(w->device, &w->parameters), PU_OK);
    assert_int_equal(pu_parameter_declare(w->parameters, "w", PU_SHAPE1(1), PU_INIT_ZERO, 0, 0), PU_OK);
    assert_int_equal(pu_parameters_allocate(w->parameters, 1), PU_OK);
    assert_int_equal(pu_graph_new(w->parameters, &w->graph), PU_OK);
    w->x = pu_graph_input_bound(w->graph, "x", PU_F32, PU_SHAPE1(BOUND));
    w->plain = pu_graph_input(w->graph, "plain", PU_F32, shape);
    w->y = pu_affine(w->graph, pu_add(w->graph, pu_reshape(w->graph, w->x, shape), w->plain), 2, 1);
    assert_int_equal(pu_graph_output(w->graph, w->y), PU_OK);
    if (pu_compile(w->graph, &w->program) != PU_OK) fail_msg("%s", pu_error_message());
}

static void close_bound(bound_world *w) {
    pu_program_free(w->program);
    pu_graph_free(w->graph);
    pu_parameters_free(w->parameters);
    pu_device_close(w->device);
}

static void bound_inputs_are_read_where_they_lie(void **state) {
    (void)state;
    bound_world w;
    open_bound(&w, pu__cpu_backend());
    static float at[BINDINGS][BOUND], plain[BOUND], y[BOUND];
    for (int i = 0; i < BOUND; ++i) plain[i] = (float)i;
    assert_int_equal(pu_program_write(w.program, w.plain, plain), PU_OK);
    assert_int_equal(pu_program_run(w.program), PU_ERR_ARGUMENT);
    assert_non_null(strstr(pu_error_message(), "input \"x\" is not bound"));
    assert_int_equal(pu_program_profile(w.program, 1), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_write(w.program, w.x, plain), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_memory(w.program).input_bytes, (int64_t)sizeof plain);
    for (int b = 0; b < BINDINGS; ++b) {
        void *const buffer = at[b];
        assert_int_equal(pu_program_bind(w.program, 1, &w.x, &buffer), PU_OK);
        assert_ptr_equal(pu_program_buffer(w.program, w.x), at[b]);
        for (int i = 0; i < BOUND; ++i) at[b][i] = (float)(10 * b + i);
        assert_int_equal(pu_program_run(w.program), PU_OK);
        assert_int_equal(pu_program_read(w.program, w.y, y), PU_OK);
        for (int i = 0; i < BOUND; ++i) assert_true(y[i] == 2 * (at[b][i] + plain[i]) + 1);
    }
    void *const buffer = at[0], *const nowhere = NULL;
    assert_int_equal(pu_program_bind(w.program, 1, &w.plain, &buffer), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_bind(w.program, 1, &w.y, &buffer), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_bind(w.program, 1, &w.x, &nowhere), PU_ERR_ARGUMENT);
    close_bound(&w);
}

/* Three steps in one run, each with its own input and its own place on the host. */
static void steps_of_one_run_have_their_own_places(void **state) {
    (void)state;
    bound_world w;
    open_bound(&w, pu__cpu_backend());
    static float at[3][BOUND], plain[BOUND], y[3][BOUND];
    assert_int_equal(pu_program_write(w.program, w.plain, plain), PU_OK);
    for (int step = 0; step < 3; ++step) {
        void *const buffer = at[step];
        for (int i = 0; i < BOUND; ++i) at[step][i] = (float)(10 * step + i);
        assert_int_equal(pu_program_bind(w.program, 1, &w.x, &buffer), PU_OK);
        assert_int_equal(pu_program_fetch(w.program, w.y, y[step]), PU_OK);
        assert_int_equal(pu_program_add_step(w.program), PU_OK);
    }
    assert_int_equal(pu_program_run(w.program), PU_OK);
    for (int step = 0; step < 3; ++step) {
        for (int i = 0; i < BOUND; ++i) assert_true(y[step][i] == 2 * at[step][i] + 1);
    }
    memset(y, 0, sizeof y);
    assert_int_equal(pu_program_fetch(w.program, w.y, NULL), PU_OK);
    assert_int_equal(pu_program_run(w.program), PU_OK); /* one step again, not fetched */
    assert_true(y[2][1] == 0);
    assert_int_equal(pu_program_fetch(w.program, NULL, y), PU_ERR_ARGUMENT);
    for (int step = 0; step < PU_PROGRAM_STEPS_MAX; ++step)
        assert_int_equal(pu_program_add_step(w.program), PU_OK);
    assert_int_equal(pu_program_add_step(w.program), PU_ERR_ARGUMENT);
    close_bound(&w);
}

/* One recording for each binding; beyond what is kept, the oldest goes. */
static void each_binding_has_a_recording(void **state) {
    (void)state;
    static float at[BINDINGS][BOUND], y[BOUND];
    world unused;
    bound_world w;
    open_recorded(&unused); /* sets the counting backend up */
    close_world(&unused);
    recorder = (struct recorder){0};
    open_bound(&w, &recorded);
    for (int round = 0; round < 3; ++round) {
        for (int b = 0; b < 2; ++b) { /* two, as a trainer has */
            void *const buffer = at[b];
            assert_int_equal(pu_program_bind(w.program, 1, &w.x, &buffer), PU_OK);
            assert_int_equal(pu_program_run(w.program), PU_OK);
        }
    }
    assert_int_equal(recorder.begun, 2);
    assert_int_equal(recorder.replays, 5);
    for (int b = 2; b < BINDINGS; ++b) {
        void *const buffer = at[b];
        assert_int_equal(pu_program_bind(w.program, 1, &w.x, &buffer), PU_OK);
        assert_int_equal(pu_program_run(w.program), PU_OK);
    }
    assert_int_equal(recorder.begun, BINDINGS);
    assert_int_equal(recorder.freed, BINDINGS - PU__RECORDINGS_MAX);
    assert_int_equal(pu_program_read(w.program, w.y, y), PU_OK);
    close_bound(&w);
    assert_int_equal(recorder.freed, BINDINGS);
}

static void a_failed_recording_is_an_error(void **state) {
    (void)state;
    world w;
    float loss = 0;
    open_recorded(&w);
    run_steps(&w, 1, 1, &loss);
    recorder.fail_end = true;
    assert_int_equal(pu_program_run(w.train.program), PU_ERR_DEVICE);
    assert_string_equal(pu_error_message(), "the recording failed");
    recorder.fail_end = false;
    run_steps(&w, 2, 3, &loss);
    assert_int_equal(recorder.replays, 2);
    close_world(&w);
    assert_int_equal(recorder.freed, 1);
}

static pu_status refuse(const pu__call *call) {
    (void)call;
    return pu_fail(PU_ERR_DEVICE, "no room");
}

static void a_failing_launch_is_named(void **state) {
    (void)state;
    world w;
    open_world(&w, 1);
    w.train.program->launch[2].kernel = refuse;
    assert_int_equal(pu_program_run(w.train.program), PU_ERR_DEVICE);
    assert_non_null(strstr(pu_error_message(), "launch 2, "));
    assert_non_null(strstr(pu_error_message(), "no room"));
    close_world(&w);
}

static void unsupported_ops_are_named(void **state) {
    (void)state;
    world w;
    pu_program *program = NULL;
    open_recorded(&w);
    recorded_kernels[PU_OP_CONV].kernel = NULL;
    assert_int_equal(pu_compile(w.train.graph, &program), PU_ERR_UNSUPPORTED);
    assert_non_null(strstr(pu_error_message(), "conv is not available on cpu"));
    close_world(&w);
}

/* ---- reading, writing, profiling ---- */

static void only_inputs_and_outputs_can_be_reached(void **state) {
    (void)state;
    world w;
    float value[8] = {0};
    open_world(&w, 1);
    pu_program *program = w.train.program;
    assert_int_equal(pu_program_write(program, w.train.loss, value), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_read(program, pu_graph_parameter(w.train.graph, "norm.gain"), value),
                     PU_ERR_ARGUMENT);
    assert_null(pu_program_buffer(program, NULL));
    for (int i = 0; i < 8; ++i) value[i] = (float)i;
    float back[8] = {0};
    assert_int_equal(pu_program_write(program, w.train.hyper, value), PU_OK);
    assert_int_equal(pu_program_read(program, w.train.hyper, back), PU_OK);
    assert_memory_equal(value, back, sizeof value);
    close_world(&w);
}

static void launches_are_profiled(void **state) {
    (void)state;
    world w;
    float loss = 0;
    open_world(&w, 1);
    run_steps(&w, 1, 1, &loss);
    assert_int_equal(pu_program_profile(w.train.program, 0), PU_ERR_ARGUMENT);
    assert_int_equal(pu_program_profile(w.train.program, 3), PU_OK);
    double flops = 0;
    for (int i = 0; i < pu_program_launches(w.train.program); ++i) {
        const pu_launch_info info = pu_program_launch(w.train.program, i);
        assert_true(info.flops > 0 && info.bytes > 0 && info.seconds > 0);
        if (info.op == PU_OP_GEMM) flops += info.flops;
    }
    /* Rows 27; products 5x16, 16x48, 16x32, 16x16, 16x6: forward, and for the weight and the input in the backward
     * pass, but the first has no gradient of its input. */
    const double forward = 2.0 * 27 * (5 * 16 + 16 * 48 + 16 * 32 + 16 * 16 + 16 * 6);
    assert_true(flops == 3 * forward - 2.0 * 27 * 5 * 16);
    assert_int_equal(pu_program_launch(w.train.program, -1).op, PU_OP_COUNT);
    close_world(&w);
}

/* ---- every allocation fails once ---- */

static pu_status whole_life(void) {
    pu_device *device = NULL;
    pu_parameters *parameters = NULL;
    pu__small_graph small = {0};
    float loss = 0;
    pu_status status = pu_device_open("cpu", 1, &device);
    if (status == PU_OK) status = pu__small_parameters(&model, device, 1, &parameters);
    if (status == PU_OK) status = pu__small_build(&model, parameters, true, &small);
    if (status == PU_OK) status = pu__small_feed(&model, &small, 2);
    if (status == PU_OK) status = pu__small_step(&model, &small, 1, 1e-3f, &loss, NULL);
    if (status == PU_OK) status = pu_program_profile(small.program, 1);
    pu__small_free(&small);
    pu_parameters_free(parameters);
    pu_device_close(device);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    int allowed = 0;
    pu_status status = PU_ERR_MEMORY;
    for (; status != PU_OK && allowed < 10000; ++allowed) {
        pu_memory_fail_after(allowed);
        status = whole_life();
        pu_memory_fail_after(-1);
        if (status != PU_OK) {
            if (status != PU_ERR_MEMORY) fail_msg("after %d allocations: %s", allowed, pu_error_message());
            assert_non_null(strstr(pu_error_message(), "memory"));
        }
    }
    print_message("%d allocations, each failed once\n", allowed - 1);
    assert_true(allowed > 20 && allowed < 10000);
}

/* ---- devices ---- */

static void devices(void **state) {
    (void)state;
    pu_device *device = NULL;
    static const char *const wrong[] = {"gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:99999", "", NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        assert_int_equal(pu_device_open(wrong[i], 1, &device), PU_ERR_ARGUMENT);
        assert_null(device);
    }
    assert_int_equal(pu_device_open("auto", 2, &device), PU_OK);
    assert_non_null(pu_device_name(device));
    assert_non_null(strstr(pu_device_description(device), "GiB"));
    assert_true(pu_device_memory_free_bytes(device) > 1u << 20);
    assert_true(pu_device_supports(device, PU_OP_GEMM) && !pu_device_supports(device, PU_OP_COUNT));
    void *memory[3], *host = NULL;
    for (size_t i = 0; i < 3; ++i) {
        assert_int_equal(pu_device_alloc(device, i * 1000, &memory[i]), PU_OK);
        assert_int_equal((uintptr_t)memory[i] % 256, 0);
    }
    assert_int_equal(pu_device_alloc_host(device, 64, &host), PU_OK);
    memset(host, 7, 64);
    pu_fence *fence = NULL;
    assert_int_equal(pu_fence_new(device, &fence), PU_OK);
    assert_int_equal(pu_device_upload(device, PU_STREAM_COPY, memory[1], host, 64), PU_OK);
    assert_int_equal(pu_fence_record(fence, PU_STREAM_COPY), PU_OK);
    assert_int_equal(pu_fence_stream_wait(fence, PU_STREAM_COMPUTE), PU_OK);
    assert_int_equal(pu_device_zero(device, PU_STREAM_COMPUTE, memory[1], 8), PU_OK);
    assert_int_equal(pu_device_download(device, PU_STREAM_COMPUTE, host, memory[1], 64), PU_OK);
    assert_int_equal(pu_device_sync(device), PU_OK);
    assert_int_equal(pu_fence_host_wait(fence), PU_OK);
    assert_int_equal(((unsigned char *)host)[7], 0);
    assert_int_equal(((unsigned char *)host)[8], 7);
    pu_fence_free(fence);
    pu_device_free_host(device, host);
    for (size_t i = 0; i < 3; ++i) pu_device_free(device, memory[i]);
    pu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_gives_the_same_bits),
        cmocka_unit_test(threads_do_not_change_bits),
        cmocka_unit_test(evaluation_shares_parameters),
        cmocka_unit_test(unreached_parameters_get_a_zero_gradient),
        cmocka_unit_test(a_recorded_program_replays),
        cmocka_unit_test(bound_inputs_are_read_where_they_lie),
        cmocka_unit_test(steps_of_one_run_have_their_own_places),
        cmocka_unit_test(each_binding_has_a_recording),
        cmocka_unit_test(a_failed_recording_is_an_error),
        cmocka_unit_test(a_failing_launch_is_named),
        cmocka_unit_test(unsupported_ops_are_named),
        cmocka_unit_test(only_inputs_and_outputs_can_be_reached),
        cmocka_unit_test(launches_are_profiled),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
