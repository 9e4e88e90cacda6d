/* The path kernel, emulated: the plain twin's paths, metrics and summaries bit for bit, for every block size and order
 * of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "emulator.h"
#include "host/device/backend.h"
#include "host/device/paths.h"
#include "plusultra/memory.h"
#include "tests/support/scenario.h"

enum { PATHS = 77, WILD = 48 };

static pu_device *device;

typedef struct result {
    int64_t bars, assets;
    double *metric, *price, *trade, *equity, *weight;
    pu__path_summary *summary;
} result;

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    return pu_device_open("cuda", 0, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return pu__emulator_live() == 0 ? 0 : -1;
}

static result new_result(const pu__path_scenario *s) {
    result r = {.bars = s->steps + 1, .assets = s->assets};
    r.weight = pu__test_path_weights(s, 5, PATHS);
    r.metric = pu_calloc(PU_PATH_METRIC_COUNT * PATHS, sizeof(double));
    r.price = pu_calloc((size_t)(PATHS * r.bars * r.assets), sizeof(double));
    r.trade = pu_calloc((size_t)(PATHS * r.bars * r.assets), sizeof(double));
    r.equity = pu_calloc((size_t)(PATHS * r.bars), sizeof(double));
    r.summary = pu_calloc(1, sizeof *r.summary);
    assert_true(r.metric && r.price && r.trade && r.equity && r.summary);
    pu__path_summary_reset(r.summary);
    return r;
}

static void free_result(result *r) {
    pu_free(r->metric);
    pu_free(r->price);
    pu_free(r->trade);
    pu_free(r->equity);
    pu_free(r->weight);
    pu_free(r->summary);
}

static pu__path_batch batch_of(const result *r, uint64_t first) {
    return (pu__path_batch){first, PATHS, r->metric, r->summary, r->price, r->trade, r->equity, r->weight};
}

static bool same(const result *a, const result *b) {
    const size_t prices = (size_t)(PATHS * a->bars * a->assets) * sizeof(double);
    return memcmp(a->metric, b->metric, PU_PATH_METRIC_COUNT * PATHS * sizeof(double)) == 0 &&
           memcmp(a->price, b->price, prices) == 0 && memcmp(a->trade, b->trade, prices) == 0 &&
           memcmp(a->equity, b->equity, (size_t)(PATHS * a->bars) * sizeof(double)) == 0 &&
           memcmp(a->summary, b->summary, sizeof *a->summary) == 0;
}

static void run_cuda(const pu__path_scenario *s, const result *r, uint64_t first) {
    const pu__path_batch batch = batch_of(r, first);
    if (pu__device_paths(device, s, &batch) != PU_OK) fail_msg("%s", pu_error_message());
    for (int i = 0; i < pu__emulator_faults(); ++i)
        if (pu__emulator_fault(i)) print_error("%s\n", pu__emulator_fault(i)->text);
    assert_int_equal(pu__emulator_faults(), 0);
}

static void paths_are_those_of_the_cpu(void **state) {
    (void)state;
    static pu__test_scenario t;
    static const pu__order orders[] = {PU__ORDER_FORWARD, PU__ORDER_REVERSE, PU__ORDER_RANDOM};
    for (int number = 0; number < PU_TEST_SCENARIOS + WILD; ++number) {
        if (number < PU_TEST_SCENARIOS) pu__test_scenario_make(&t, number);
        else pu__test_scenario_wild(&t, number);
        t.scenario.steps = t.scenario.steps < 14 ? t.scenario.steps : 14;
        pu__emulator_set_order(orders[number % 3], (uint64_t)number);
        result judge = new_result(&t.scenario), cuda = new_result(&t.scenario);
        const pu__path_batch plain = batch_of(&judge, 5);
        assert_int_equal(pu__paths_plain(&t.scenario, &plain), PU_OK);
        run_cuda(&t.scenario, &cuda, 5);
        if (!same(&judge, &cuda)) fail_msg("scenario %d differs from the CPU", number);
        if (number % 6 == 0 && number < PU_TEST_SCENARIOS) {
            run_cuda(&t.scenario, &cuda, 6); /* the comparison sees one path further */
            assert_false(same(&judge, &cuda));
        }
        free_result(&cuda);
        free_result(&judge);
    }
}

/* Blocks of 32 and 96 threads, straight through the launcher. */
static void block_sizes_change_no_bit(void **state) {
    (void)state;
    pu__process_asset asset = {.drift = {0.001f}, .volatility = {0.02f}};
    const double weight = 0.7;
    const pu__path_scenario s = {
        .seed = 3, .assets = 1, .steps = 9, .asset = &asset, .policy = PU_POLICY_CONSTANT, .weight = &weight};
    double expected[PU_PATH_METRIC_COUNT * PATHS], metric[PU_PATH_METRIC_COUNT * PATHS];
    const pu__path_batch plain = {.count = PATHS, .metric = expected};
    assert_int_equal(pu__paths_plain(&s, &plain), PU_OK);
    pu__path_scenario there = s;
    pu__path_batch batch = {.count = PATHS};
    pu__call call = {0};
    device->backend->bind(device->state, &call);
    assert_int_equal(pu_device_alloc(device, sizeof asset, (void **)&there.asset), PU_OK);
    assert_int_equal(pu_device_alloc(device, sizeof weight, (void **)&there.weight), PU_OK);
    assert_int_equal(pu_device_alloc(device, sizeof metric, (void **)&batch.metric), PU_OK);
    pu_device_upload(device, PU_STREAM_COMPUTE, (void *)there.asset, &asset, sizeof asset);
    pu_device_upload(device, PU_STREAM_COMPUTE, (void *)there.weight, &weight, sizeof weight);
    for (int threads = 32; threads <= 96; threads += 64) {
        assert_int_equal(pu__paths_cuda(&there, &batch, threads, call.cuda), PU_OK);
        pu_device_download(device, PU_STREAM_COMPUTE, metric, batch.metric, sizeof metric);
        assert_int_equal(pu_device_sync(device), PU_OK);
        assert_memory_equal(metric, expected, sizeof metric);
    }
    pu_device_free(device, (void *)there.asset);
    pu_device_free(device, (void *)there.weight);
    pu_device_free(device, batch.metric);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_are_those_of_the_cpu),
                                       cmocka_unit_test(block_sizes_change_no_bit)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
