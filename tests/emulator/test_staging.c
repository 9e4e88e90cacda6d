/* Batches on their way to a device, on the emulated runtime: under every schedule of the streams each step finds its
 * own batch; each of the staging's waits is needed, since without it some schedule gives a step another one's bytes;
 * every call of the runtime may fail; a model trains to the same bits with any number of slots and of steps in a
 * launch, unbroken or resumed; and while it trains, the host waits only for work that has a whole launch queued behind
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "emulator.h"
#include "host/device/backend.h"
#include "host/train/steps.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/train.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 601, BATCHES = 12, SCHEDULES = 24, SEED = 20261123 };

#define SHAPE                                                                                                  \
    "features.names=[log_return_1, log_return_20, log_volume_10]", "windows.horizons=[1, 5]",                  \
        "windows.window_bars=16", "windows.warmup_bars=13", "windows.stride_bars=3", "features.block_bars=64", \
        "train.batch=3"

static test_market market;

static int make_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS - 100, true);
    return 0;
}

static int remove_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static int reset(void **state) {
    (void)state;
    pu__emulator_reset();
    return 0;
}

static void schedule(int n) {
    pu__emulator_set_schedule(n == 0   ? PU__SCHEDULE_LATE
                              : n == 1 ? PU__SCHEDULE_EAGER
                                       : PU__SCHEDULE_RANDOM,
                              (uint64_t)n);
}

/* ---- backends that forget a wait ---- */

typedef enum forgotten { NOTHING = 0, UPLOADED, USED, HOST } forgotten;
static forgotten forget;

static pu_status stream_wait(void *state, void *fence, pu_stream stream) {
    if (forget == (stream == PU_STREAM_COMPUTE ? UPLOADED : USED)) return PU_OK;
    return pu__cuda_backend()->fence_stream_wait(state, fence, stream);
}

static pu_status host_wait(void *state, void *fence) {
    return forget == HOST ? PU_OK : pu__cuda_backend()->fence_host_wait(state, fence);
}

/* ---- a step that copies its batch out ---- */

typedef struct stage {
    pu_config *config;
    pu_dataset *dataset;
    pu_device *device;
    pu__staging *staging;
    pu_loader *loader;
    size_t bytes;
    void *seen; /* pinned: [BATCHES][bytes] */
} stage;

static pu_status step(stage *s, int k) {
    pu__staged batch;
    PU_TRY(pu__staging_next(s->staging, &batch));
    char *to = (char *)s->seen + (size_t)k * s->bytes;
    PU_TRY(pu_device_download(s->device, PU_STREAM_COMPUTE, to, batch.bars, s->bytes));
    return pu__staging_done(s->staging);
}

static pu_status open_stage(stage *s, const pu__backend *backend) {
    PU_TRY(pu__device_open_backend(backend, 0, 1, &s->device));
    PU_TRY(pu_device_alloc_host(s->device, BATCHES * s->bytes, &s->seen));
    PU_TRY(pu__staging_open(s->device, s->dataset, s->config, &s->staging));
    return pu_loader_open(s->dataset, s->config, PU_SEGMENT_TRAIN, s->device, true, SEED, 0, &s->loader);
}

/* BATCHES steps; what they saw into out[BATCHES][bytes]. */
static pu_status run(stage *s, const pu__backend *backend, char *out) {
    pu_status status = open_stage(s, backend);
    if (status == PU_OK) pu__staging_start(s->staging, s->loader);
    for (int k = 0; k < BATCHES && status == PU_OK; ++k) status = step(s, k);
    if (status == PU_OK) status = pu_device_sync(s->device);
    if (status == PU_OK) memcpy(out, s->seen, BATCHES * s->bytes);
    pu__staging_stop(s->staging);
    pu_loader_close(s->loader);
    pu__staging_close(s->staging);
    if (s->device && s->seen) pu_device_free_host(s->device, s->seen);
    pu_device_close(s->device);
    s->loader = NULL;
    s->staging = NULL;
    s->seen = NULL;
    s->device = NULL;
    return status;
}

static stage prepare(const char *slots, const char *ring) {
    stage s = {.config = test_config(&market, SHAPE, slots, ring, NULL)};
    if (pu_dataset_open(s.config, &s.dataset) != PU_OK) fail_msg("%s", pu_error_message());
    s.bytes = (size_t)(pu_loader_ring_bytes(s.dataset, s.config) / s.config->windows.ring_slots);
    return s;
}

static void put_away(stage *s) {
    pu_dataset_close(s->dataset);
    pu_config_free(s->config);
}

/* What the loader itself delivers. The padding between the arrays is zero in both. */
static char *expected(stage *s) {
    char *out = pu_calloc(BATCHES, s->bytes);
    pu_loader *loader = NULL;
    assert_int_equal(pu_loader_open(s->dataset, s->config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &loader), PU_OK);
    for (int k = 0; k < BATCHES; ++k) {
        pu_batch batch;
        assert_int_equal(pu_loader_next(loader, &batch), PU_OK);
        memcpy(out + (size_t)k * s->bytes, batch.bars, s->bytes);
        pu_loader_release(loader, &batch);
    }
    pu_loader_close(loader);
    return out;
}

static void every_step_finds_its_batch(void **state) {
    (void)state;
    static const char *const slots[] = {"windows.device_slots=1", "windows.device_slots=2",
                                        "windows.device_slots=3"};
    for (int i = 0; i < 3; ++i) {
        stage s = prepare(slots[i], i == 2 ? "windows.ring_slots=5" : "windows.ring_slots=2");
        char *want = expected(&s), *got = pu_calloc(BATCHES, s.bytes);
        for (int n = 0; n < SCHEDULES; ++n) {
            schedule(n);
            if (run(&s, pu__cuda_backend(), got) != PU_OK) fail_msg("%s", pu_error_message());
            if (memcmp(got, want, BATCHES * s.bytes) != 0) fail_msg("%s, schedule %d", slots[i], n);
            assert_int_equal(pu__emulator_faults(), 0);
        }
        assert_int_equal(pu__emulator_live(), 0);
        pu_free(got);
        pu_free(want);
        put_away(&s);
    }
}

/* On the host's own memory nothing is copied: the batch is the ring's. */
static void the_cpu_reads_the_ring(void **state) {
    (void)state;
    stage s = prepare("windows.device_slots=2", "windows.ring_slots=2");
    char *want = expected(&s);
    assert_int_equal(pu_device_open("cpu", 1, &s.device), PU_OK);
    assert_int_equal(pu__staging_bytes(s.device, s.dataset, s.config), 0);
    assert_int_equal(pu__staging_open(s.device, s.dataset, s.config, &s.staging), PU_OK);
    assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, s.device, true, SEED, 0, &s.loader),
                     PU_OK);
    pu__staging_start(s.staging, s.loader);
    for (int k = 0; k < BATCHES; ++k) {
        pu__staged batch;
        assert_int_equal(pu__staging_next(s.staging, &batch), PU_OK);
        assert_ptr_equal(batch.bars, batch.host.bars);
        assert_ptr_equal(batch.weights, batch.host.weights);
        assert_ptr_equal(batch.start, batch.host.start);
        assert_memory_equal(batch.bars, want + (size_t)k * s.bytes, s.bytes);
        assert_int_equal(pu__staging_done(s.staging), PU_OK);
    }
    pu__staging_stop(s.staging);
    pu_loader_close(s.loader);
    pu__staging_close(s.staging);
    pu_device_close(s.device);
    pu_free(want);
    put_away(&s);
}

static void no_wait_can_be_left_out(void **state) {
    (void)state;
    static const char *const name[] = {"", "the step's for its upload", "the upload's for the slot's last step",
                                       "the ring's for the upload"};
    pu__backend backend = *pu__cuda_backend();
    backend.fence_stream_wait = stream_wait;
    backend.fence_host_wait = host_wait;
    stage s = prepare("windows.device_slots=2", "windows.ring_slots=2");
    char *want = expected(&s), *got = pu_calloc(BATCHES, s.bytes);
    for (forget = UPLOADED; forget <= HOST; ++forget) {
        int caught = 0;
        for (int n = 0; n < SCHEDULES; ++n) {
            pu__emulator_reset();
            schedule(n);
            assert_int_equal(run(&s, &backend, got), PU_OK);
            caught += memcmp(got, want, BATCHES * s.bytes) != 0;
        }
        print_message("without %s wait: wrong under %d of %d schedules\n", name[forget], caught, (int)SCHEDULES);
        assert_true(caught > 0);
    }
    forget = NOTHING;
    pu_free(got);
    pu_free(want);
    put_away(&s);
}

static void every_call_may_fail(void **state) {
    (void)state;
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN); /* releases that fail warn */
    stage s = prepare("windows.device_slots=2", "windows.ring_slots=3");
    char *want = expected(&s), *got = pu_calloc(BATCHES, s.bytes);
    const int64_t before = pu__emulator_calls();
    assert_int_equal(run(&s, pu__cuda_backend(), got), PU_OK);
    const int64_t calls = pu__emulator_calls() - before + 8; /* more or fewer uploads are ready in time */
    int refused = 0;
    for (int64_t n = 1; n <= calls; ++n) {
        pu__emulator_reset();
        pu__emulator_fail_call(n);
        const pu_status status = run(&s, pu__cuda_backend(), got);
        refused += status != PU_OK;
        assert_true(status == PU_OK || status == PU_ERR_DEVICE || status == PU_ERR_MEMORY);
        if (status == PU_OK) assert_memory_equal(got, want, BATCHES * s.bytes);
        if (pu__emulator_live() != 0) fail_msg("call %lld: %d objects left", (long long)n, pu__emulator_live());
    }
    print_message("%lld calls, %d of them needed for success\n", (long long)calls, refused);
    assert_true(refused > calls / 2);
    pu__emulator_reset();
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
    pu_free(got);
    pu_free(want);
    put_away(&s);
}

static void too_few_ring_slots_are_explained(void **state) {
    (void)state;
    stage s = prepare("windows.device_slots=3", "windows.ring_slots=2");
    assert_int_equal(pu_device_open("cuda", 1, &s.device), PU_OK);
    assert_int_equal(pu__staging_open(s.device, s.dataset, s.config, &s.staging), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "windows.ring_slots (2)"));
    pu_device_close(s.device);
    put_away(&s);
}

/* ---- training ---- */

static pu_config *training(const char *name, const char *slots, const char *per_launch) {
    static char out[600], run_name[64];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    snprintf(run_name, sizeof run_name, "run.name=%s", name);
    return test_config(&market, SHAPE, out, run_name, slots, per_launch, "windows.ring_slots=8", "run.device=cuda",
                       "backtest.horizon=1", "model.width=16", "model.layers=1", "model.heads=2", "train.steps=11",
                       "train.warmup_steps=1", "train.eval_every=7", "train.checkpoint_every=5",
                       "windows.stride_bars=8", "predict.stride_bars=16", "split.train_ratio=0.3",
                       "split.valid_ratio=0.1", NULL);
}

static char *read_of(const char *name, const char *file) {
    char path[700];
    snprintf(path, sizeof path, "%s/%s/%s", market.folder, name, file);
    char *text = test_read(path);
    assert_non_null(text);
    return text;
}

/* Trains, with a stop on the way where `stop_after` is not 0; the manifest of the last checkpoint. */
static char *train(const char *name, const char *slots, const char *per_launch, int64_t stop_after) {
    pu_config *config = training(name, slots, per_launch);
    pu_train_result result;
    if (stop_after > 0) {
        assert_int_equal(pu_train(config, PU_TRAIN_OVERWRITE, stop_after, &result), PU_ERR_INTERRUPTED);
        assert_int_equal(result.steps, stop_after);
    }
    if (pu_train(config, stop_after > 0 ? PU_TRAIN_RESUME : PU_TRAIN_OVERWRITE, 0, &result) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_int_equal(result.steps, 11);
    pu_config_free(config);
    return read_of(name, "checkpoint/last/manifest.json");
}

static void slots_and_schedules_change_no_bit(void **state) {
    (void)state;
    static const struct {
        const char *slots, *per_launch;
        int64_t stop_after;
    } run[] = {{"windows.device_slots=1", "train.steps_per_launch=1", 0},
               {"windows.device_slots=2", "train.steps_per_launch=1", 0},
               {"windows.device_slots=3", "train.steps_per_launch=3", 0},
               {"windows.device_slots=8", "train.steps_per_launch=0", 0},
               {"windows.device_slots=8", "train.steps_per_launch=4", 6},
               {"windows.device_slots=5", "train.steps_per_launch=2", 3},
               {"windows.device_slots=8", "train.steps_per_launch=8", 0}};
    char *want = NULL;
    pu_log_setup(PU_LOG_WARNING, PU_LOG_HUMAN);
    for (int n = 0; n < 7; ++n) {
        pu__emulator_reset();
        schedule(n);
        char *got = train("run", run[n].slots, run[n].per_launch, run[n].stop_after);
        if (want) assert_string_equal(got, want);
        if (want) free(got);
        else want = got;
        assert_int_equal(pu__emulator_faults(), 0);
        assert_int_equal(pu__emulator_live(), 0);
    }
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
    free(want);
}

/* ---- who waits for whom ---- */

/* Every fence with the number of the launch that was last enqueued when it was recorded. */
enum { FENCES_MAX = 64 };
static struct watch {
    void *fence[FENCES_MAX];
    int64_t recorded[FENCES_MAX];
    bool on_compute[FENCES_MAX];
    int fences;
    int64_t launches, waits, starving, syncs;
} watch;

static int watched(void *fence) {
    for (int i = 0; i < watch.fences; ++i) {
        if (watch.fence[i] == fence) return i;
    }
    assert_true(watch.fences < FENCES_MAX);
    watch.fence[watch.fences] = fence;
    return watch.fences++;
}

static pu_status watch_record(void *state, void *fence, pu_stream stream) {
    const int i = watched(fence);
    watch.recorded[i] = watch.launches;
    watch.on_compute[i] = stream == PU_STREAM_COMPUTE;
    return pu__cuda_backend()->fence_record(state, fence, stream);
}

/* A wait starves the device when nothing was launched behind the point that is waited for. */
static pu_status watch_wait(void *state, void *fence) {
    const int i = watched(fence);
    ++watch.waits;
    watch.starving += watch.recorded[i] >= watch.launches;
    return pu__cuda_backend()->fence_host_wait(state, fence);
}

static pu_status watch_replay(void *state, void *executable) {
    ++watch.launches;
    return pu__cuda_backend()->replay(state, executable);
}

static pu_status watch_sync(void *state) {
    ++watch.syncs;
    return pu__cuda_backend()->sync(state);
}

enum { PER_LAUNCH = 3, LAUNCHES = 9, RECORDED = 3 };

static pu_status launch(stage *s, pu__steps *steps, int64_t first, double *loss) {
    pu__step_gave gave;
    PU_TRY(pu__steps_wait(steps, 1));
    while (pu__steps_result(steps, &gave)) loss[gave.step] = (double)gave.loss;
    for (int64_t k = 0; k < PER_LAUNCH; ++k) {
        const pu__step_told told = {.clock = {SEED, (uint64_t)(first + k)},
                                    .hyper = {1e-3f, 0.9f, 0.99f, 1e-8f, 0.01f, 1, 0.1f, 0.01f}};
        pu__staged batch;
        PU_TRY(pu__staging_next(s->staging, &batch));
        PU_TRY(pu__steps_add(steps, &batch, &told));
    }
    PU_TRY(pu__steps_launch(steps));
    for (int k = 0; k < PER_LAUNCH; ++k) PU_TRY(pu__staging_done(s->staging));
    return PU_OK;
}

static void no_step_waits_for_the_device(void **state) {
    (void)state;
    pu__backend backend = *pu__cuda_backend();
    backend.fence_record = watch_record;
    backend.fence_host_wait = watch_wait;
    backend.replay = watch_replay;
    backend.sync = watch_sync;
    stage s = prepare("windows.device_slots=6", "windows.ring_slots=8");
    pu_parameters *parameters = NULL;
    pu__network network;
    pu__steps *steps = NULL;
    pu__step_gave gave;
    double loss[LAUNCHES * PER_LAUNCH] = {0};
    const pu_model_dims dims = {3, 2, s.config->objective.quantiles.count};
    assert_int_equal(open_stage(&s, &backend), PU_OK);
    assert_int_equal(pu_parameters_new(s.device, &parameters), PU_OK);
    assert_int_equal(pu_model_declare(s.config, dims, parameters), PU_OK);
    assert_int_equal(pu_parameters_allocate(parameters, 1), PU_OK);
    assert_int_equal(
        pu__network_build(s.config, dims, parameters, s.config->train.batch, PU__NETWORK_TRAIN, &network), PU_OK);
    assert_int_equal(pu__steps_open(s.device, &network, PER_LAUNCH, &steps), PU_OK);
    pu__staging_start(s.staging, s.loader);
    watch = (struct watch){0};
    for (int n = 0; n < LAUNCHES; ++n) {
        if (n == RECORDED) watch.waits = watch.starving = watch.syncs = 0;
        if (launch(&s, steps, n * PER_LAUNCH, loss) != PU_OK) fail_msg("%s", pu_error_message());
    }
    print_message("%lld launches of %d steps: %lld waits, %lld of them with nothing queued behind, %lld for all\n",
                  (long long)watch.launches, (int)PER_LAUNCH, (long long)watch.waits, (long long)watch.starving,
                  (long long)watch.syncs);
    assert_true(watch.launches >= LAUNCHES - RECORDED && watch.waits > 0);
    assert_int_equal(watch.starving, 0);
    assert_int_equal(watch.syncs, 0);
    assert_int_equal(pu__steps_wait(steps, 0), PU_OK);
    while (pu__steps_result(steps, &gave)) loss[gave.step] = (double)gave.loss;
    for (int i = 0; i < LAUNCHES * PER_LAUNCH; ++i) assert_true(loss[i] > 0);
    pu__staging_stop(s.staging);
    pu_loader_close(s.loader);
    pu__staging_close(s.staging);
    pu__steps_close(steps);
    pu__network_free(&network);
    pu_parameters_free(parameters);
    pu_device_free_host(s.device, s.seen);
    pu_device_close(s.device);
    assert_int_equal(pu__emulator_faults(), 0);
    assert_int_equal(pu__emulator_live(), 0);
    put_away(&s);
}

static void too_few_slots_for_a_launch_are_explained(void **state) {
    (void)state;
    stage s = prepare("windows.device_slots=3", "train.steps_per_launch=4");
    int per_launch = 0;
    assert_int_equal(pu_device_open("cuda", 1, &s.device), PU_OK);
    assert_int_equal(pu__steps_per_launch(s.device, s.config, &per_launch), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "windows.device_slots (3)"));
    pu_device_close(s.device);
    put_away(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_step_finds_its_batch, reset),
        cmocka_unit_test_setup(the_cpu_reads_the_ring, reset),
        cmocka_unit_test_setup(no_wait_can_be_left_out, reset),
        cmocka_unit_test_setup(every_call_may_fail, reset),
        cmocka_unit_test_setup(too_few_ring_slots_are_explained, reset),
        cmocka_unit_test_setup(no_step_waits_for_the_device, reset),
        cmocka_unit_test_setup(too_few_slots_for_a_launch_are_explained, reset),
        cmocka_unit_test_setup(slots_and_schedules_change_no_bit, reset),
    };
    return cmocka_run_group_tests(tests, make_market, remove_market);
}
