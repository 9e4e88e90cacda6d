/* The path kernel on a GPU: every case of tests/support/scenario.c equals the CPU's paths bit for bit, whole batches
 * and summaries included; then its speed. */
#include <string.h>

#include "host/device/paths.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/gpu/gpu_check.h"
#include "tests/support/scenario.h"

enum { TEST_PATHS = 300, BENCH_STEPS = 252, BENCH_ASSETS_MAX = 11, BENCH_RUNS = 5 };

/* A batch with all its outputs in one block of memory, zero before the run. */
typedef struct run {
    pu__path_batch batch;
    unsigned char *memory;
    size_t bytes;
} run;

static pu_status new_run(const pu__path_scenario *s, double *weight, run *out) {
    const size_t bars = (size_t)s->steps + 1, assets = (size_t)s->assets;
    const size_t metric = PU_PATH_METRIC_COUNT * TEST_PATHS, table = TEST_PATHS * bars * assets;
    const size_t doubles = metric + 2 * table + TEST_PATHS * bars;
    out->bytes = sizeof(pu__path_summary) + doubles * sizeof(double);
    out->memory = pu_calloc(1, out->bytes);
    if (!out->memory) return PU_ERR_MEMORY;
    double *at = (double *)(out->memory + sizeof(pu__path_summary));
    out->batch = (pu__path_batch){.first = 41, .count = TEST_PATHS, .weight = weight};
    out->batch.summary = (pu__path_summary *)out->memory;
    out->batch.metric = at;
    out->batch.price = at + metric;
    out->batch.trade = at + metric + table;
    out->batch.equity = at + metric + 2 * table;
    pu__path_summary_reset(out->batch.summary);
    return PU_OK;
}

static pu_status compare(const pu__path_scenario *s, int number, pu_device *gpu, pu_device *cpu, run three[3]) {
    pu_device *const device[3] = {cpu, gpu, gpu};
    for (int i = 0; i < 3; ++i) {
        PU_TRY(pu__device_paths(device[i], s, &three[i].batch));
        if (i > 0 && memcmp(three[0].memory, three[i].memory, three[0].bytes) != 0)
            return pu_fail(PU_ERR_DATA, "paths, case %d: run %d on the GPU differs from the CPU's", number, i);
    }
    return PU_OK;
}

static pu_status test_case(int number, pu_device *gpu, pu_device *cpu) {
    static pu__test_scenario test;
    run three[3] = {0};
    pu__test_scenario_make(&test, number);
    double *weight = pu__test_path_weights(&test.scenario, 41, TEST_PATHS);
    pu_status status = PU_OK;
    for (int i = 0; i < 3 && status == PU_OK; ++i) status = new_run(&test.scenario, weight, &three[i]);
    if (status == PU_OK) status = compare(&test.scenario, number, gpu, cpu, three);
    for (int i = 0; i < 3; ++i) pu_free(three[i].memory);
    pu_free(weight);
    return status;
}

int pu__gpu_test_paths(pu_device *gpu, pu_device *cpu) {
    int failures = 0;
    for (int number = 0; number < PU_TEST_SCENARIOS; ++number) {
        if (test_case(number, gpu, cpu) == PU_OK) continue;
        ++failures;
        printf("FAILED %s\n", pu_error_message());
    }
    printf("%d of %d cases of simulated paths are the CPU's, bit for bit\n", PU_TEST_SCENARIOS - failures,
           (int)PU_TEST_SCENARIOS);
    return failures;
}

/* Rebalanced every bar, with spread and fee, all metrics, and the summary: the median of BENCH_RUNS. */
static pu_status bench_case(pu_device *gpu, int32_t assets, int64_t paths, pu__path_summary *summary,
                            double *seconds) {
    pu__process_asset asset[BENCH_ASSETS_MAX] = {0};
    double weight[BENCH_ASSETS_MAX], sample[BENCH_RUNS];
    for (int a = 0; a < assets; ++a) {
        asset[a].drift[0] = -8e-5f;
        asset[a].volatility[0] = 0.0126f;
        weight[a] = 0.6 / assets;
    }
    pu__path_scenario s = {.seed = 7, .assets = assets, .steps = BENCH_STEPS, .policy = PU_POLICY_CONSTANT};
    s.asset = asset;
    s.weight = weight;
    s.rules.physics.half_spread_ratio = 5e-4;
    s.rules.physics.fee_ratio = 1e-4;
    const pu__path_batch batch = {.count = paths, .summary = summary};
    for (int i = -1; i < BENCH_RUNS; ++i) { /* the first warms up */
        pu__path_summary_reset(summary);
        const double begin = pu_clock_s();
        PU_TRY(pu__device_paths(gpu, &s, &batch));
        if (i >= 0) sample[i] = pu_clock_s() - begin;
    }
    *seconds = pu__gpu_median(sample, BENCH_RUNS);
    return PU_OK;
}

pu_status pu__gpu_bench_paths(pu_device *gpu, bool quick, FILE *lines) {
    static const int32_t assets[] = {1, 4, 11};
    static pu__path_summary summary;
    printf("\n| paths x assets, %d steps | ms | G steps/s | mean wealth |\n|---|---:|---:|---:|\n",
           (int)BENCH_STEPS);
    for (size_t c = 0; c < sizeof assets / sizeof assets[0]; ++c) {
        const int64_t paths = quick ? 16 : 1000000;
        double seconds = 0.0;
        PU_TRY(bench_case(gpu, assets[c], paths, &summary, &seconds));
        printf("| %lld x %d | %.3f | %.2f | %.6f |\n", (long long)paths, (int)assets[c], 1e3 * seconds,
               1e-9 * (double)paths * BENCH_STEPS * assets[c] / seconds, pu__path_mean(&summary, PU_PATH_WEALTH));
        fprintf(lines, "paths P%lld S%d A%d\t%.9g\t%.9g\n", (long long)paths, (int)BENCH_STEPS, (int)assets[c],
                seconds, seconds);
    }
    return PU_OK;
}
