/* The commands of gpu_check (gpu_main.c), but for what times. */
#include "tests/gpu/gpu_check.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/op_cases.h"
#include "tests/support/small_model.h"

enum { TRAINING_STEPS = 10 };

static pu_status same_bits(const pu__op_case *op_case, const pu__op_result *a, const pu__op_result *b) {
    for (int i = 0; i < a->out_count; ++i) {
        if (a->count[i] != b->count[i] || memcmp(a->out[i], b->out[i], (size_t)a->count[i] * sizeof(float)) != 0) {
            return pu_fail(PU_ERR_DATA, "%s: output %d differs between two runs", op_case->name, i);
        }
    }
    return PU_OK;
}

/* The judge is the double reference; kernel and twin each lie within its tolerance, and so within twice that of
 * each other. */
static pu_status test_case(const pu__op_case *op_case, pu_device *gpu, pu_device *cpu) {
    pu__op_result first, second;
    PU_TRY(pu__op_case_test(op_case, cpu, NULL));
    PU_TRY(pu__op_case_run(op_case, gpu, NULL, &first));
    pu_status status = pu__op_case_judge_gpu(op_case, &first);
    if (status == PU_OK) status = pu__op_case_run(op_case, gpu, NULL, &second);
    if (status == PU_OK) {
        status = same_bits(op_case, &first, &second);
        pu__op_result_free(&second);
    }
    pu__op_result_free(&first);
    return status;
}

static int test(pu_device *gpu) {
    static const pu__small_model model = {.windows = 5,
                                          .window_bars = 17,
                                          .features = 7,
                                          .channels = 32,
                                          .horizons = 2,
                                          .quantiles = 3,
                                          .dropout = 0.1f,
                                          .normalised = true};
    int count = 0, failures = 0;
    const pu__op_case *cases = pu__op_cases(&count);
    pu_device *cpu = NULL;
    if (pu_device_open("cpu", 0, &cpu) != PU_OK) {
        fprintf(stderr, "gpu_check: %s\n", pu_error_message());
        return 1;
    }
    for (int i = 0; i < count; ++i) {
        if (test_case(&cases[i], gpu, cpu) == PU_OK) continue;
        ++failures;
        printf("FAILED (seed %#llx) %s\n", (unsigned long long)cases[i].seed, pu_error_message());
    }
    printf("%d of %d op cases match the reference and repeat their bits\n", count - failures, count);
    failures += pu__gpu_test_paths(gpu, cpu);
    if (pu__small_compare(&model, gpu, cpu, TRAINING_STEPS) == PU_OK) {
        printf("%d training steps match the CPU's\n", TRAINING_STEPS);
    } else {
        ++failures;
        printf("FAILED training: %s\n", pu_error_message());
    }
    pu_device_close(cpu);
    return failures != 0;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double pu__gpu_median(double *seconds, int count) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    return seconds[count / 2];
}

static int bench(pu_device *gpu, const char *path, bool quick) {
    pu__gpu_rates rates;
    FILE *lines = fopen(path, "w");
    if (!lines) {
        fprintf(stderr, "gpu_check: cannot write %s\n", path);
        return 1;
    }
    pu_status status = pu__gpu_bench_ops(gpu, quick, lines, &rates);
    if (status == PU_OK) status = pu__gpu_bench_step(gpu, quick, lines, &rates);
    if (status == PU_OK) status = pu__gpu_bench_paths(gpu, quick, lines);
    if (fclose(lines) != 0 && status == PU_OK) status = pu_fail(PU_ERR_IO, "cannot write %s", path);
    if (status != PU_OK) fprintf(stderr, "gpu_check: %s\n", pu_error_message());
    return status != PU_OK;
}

int pu__gpu_check(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    const bool benches = strcmp(verb, "bench") == 0 && argc > 2;
    if (!benches && strcmp(verb, "test") != 0 && strcmp(verb, "device") != 0) {
        fprintf(stderr, "usage: gpu_check device | test | bench LINES [quick]\n");
        return 2;
    }
    pu_device *gpu = NULL;
    if (pu_device_open("cuda", 0, &gpu) != PU_OK) {
        fprintf(stderr, "gpu_check: no GPU to check: %s\n", pu_error_message());
        return 1;
    }
    int failed = 0;
    if (benches) failed = bench(gpu, argv[2], argc > 3 && strcmp(argv[3], "quick") == 0);
    else if (strcmp(verb, "test") == 0) failed = test(gpu);
    else printf("%s\n", pu_device_description(gpu));
    pu_device_close(gpu);
    return failed;
}
