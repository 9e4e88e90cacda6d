/* The benchmark of `make gpu-check`, its own code on the emulated GPU, with its small workloads: every table and every
 * line that scripts/gpu_check.sh and bench/peers/gpu_torch.py read is there, and the training step is timed with as
 * many steps in a launch as its columns say. Its figures mean nothing here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator.h"
#include "plusultra/graph.h"
#include "tests/gpu/gpu_check.h"
#include "tests/support/process.h"

enum { REPLAYS_MAX = 256, STEP_FIELDS = 11, WAYS = 3 };

static int reset(void **state) {
    (void)state;
    pu__emulator_reset();
    return 0;
}

static int nothing_left(void **state) {
    (void)state;
    const int faults = pu__emulator_faults();
    if (faults > 0) print_error("%s\n", pu__emulator_fault(0)->text);
    pu__emulator_reset();
    return faults == 0 && pu__emulator_live() == 0 ? 0 : -1;
}

typedef struct command {
    int argc, code;
    char *argv[5];
} command;

static void run_command(void *context) {
    command *c = context;
    c->code = pu__gpu_check(c->argc, c->argv);
}

static void test_device(void **state) {
    (void)state;
    command c = {.argc = 2, .argv = {"gpu_check", "device"}};
    char *out = test_capture_stdout(run_command, &c);
    assert_int_equal(c.code, 0);
    assert_non_null(strstr(out, "Emulated device"));
    free(out);
}

/* The row is "| name | parameters | launches | floor us |", then for each way "us | share% |". */
static void check_step_row(const char *out, const double *seconds) {
    const char *row = strstr(out, "| tiny hybrid B1 T8 |");
    double floor_us = 0, us[WAYS], share[WAYS];
    long long parameters = 0;
    int launches = 0;
    assert_non_null(row);
    assert_non_null(strstr(out, "| 1 step a launch us |"));
    assert_non_null(strstr(out, "| 8 steps a launch us |"));
    assert_int_equal(
        sscanf(row, "| tiny hybrid B1 T8 | %lld | %d | %lf | %lf | %lf%% | %lf | %lf%% | %lf | %lf%% |",
               &parameters, &launches, &floor_us, &us[0], &share[0], &us[1], &share[1], &us[2], &share[2]),
        3 + 2 * WAYS);
    assert_true(parameters > 1000 && launches > 20);
    assert_true(floor_us > 0);
    for (int way = 0; way < WAYS; ++way) {
        assert_true(seconds[way] > 0);
        assert_true(us[way] > 1e6 * seconds[way] - 0.06 && us[way] < 1e6 * seconds[way] + 0.06);
        const double expected = 100 * floor_us / us[way], digits = 0.51 + 100 * 0.06 / us[way];
        assert_true(share[way] > expected - digits && share[way] < expected + digits);
    }
}

/* Fields of a line: as many as gpu_torch.py takes apart. */
static int split(char *line, char *field[STEP_FIELDS]) {
    char *rest = NULL;
    int count = 0;
    for (char *at = strtok_r(line, "\t", &rest); at && count < STEP_FIELDS; at = strtok_r(NULL, "\t", &rest))
        field[count++] = at;
    return count;
}

static void test_benchmark(void **state) {
    (void)state;
    char *folder = test_folder_new();
    char path[4096];
    snprintf(path, sizeof path, "%s/lines", folder);
    command c = {.argc = 4, .argv = {"gpu_check", "bench", path, "quick"}};
    char *out = test_capture_stdout(run_command, &c);
    char *lines = test_read(path), *rest = NULL;
    assert_int_equal(c.code, 0);
    assert_non_null(lines);
    int ops = 0, steps = 0, paths = 0;
    double seconds[WAYS] = {0};
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *field[STEP_FIELDS];
        const int count = split(line, field);
        const bool step = strncmp(field[0], "step ", 5) == 0, simulated = strncmp(field[0], "paths ", 6) == 0;
        assert_int_equal(count, step ? STEP_FIELDS : 3);
        for (int way = 0; step && way < WAYS; ++way) seconds[way] = strtod(field[1 + way], NULL);
        if (step) assert_string_equal(field[STEP_FIELDS - 1], "24");
        else if (!simulated) assert_non_null(strstr(out, field[0]));
        steps += step;
        paths += simulated;
        ops += !step && !simulated;
    }
    assert_int_equal(steps, 1);
    assert_int_equal(paths, 3);
    assert_true(ops > 40);
    check_step_row(out, seconds);
    free(lines);
    free(out);
    test_folder_remove(folder);
}

/* ---- steps in a launch ---- */

static struct {
    const pu__backend *backend;
    int64_t launches[REPLAYS_MAX]; /* kernels and products of each replay */
    int replays;
} seen;

static pu_status counted_replay(void *device, void *executable) {
    PU_TRY(seen.backend->sync(device)); /* work runs when something waits for it */
    const int64_t before = pu__emulator_launches();
    PU_TRY(seen.backend->replay(device, executable));
    PU_TRY(seen.backend->sync(device));
    assert_true(seen.replays < REPLAYS_MAX);
    seen.launches[seen.replays++] = pu__emulator_launches() - before;
    return PU_OK;
}

static void bench_step(void *context) {
    FILE *lines = tmpfile();
    assert_non_null(lines);
    const pu__gpu_rates rates = {.copy_bytes_per_s = 1e9, .matrix_flops_per_s = 1e9};
    assert_int_equal(pu__gpu_bench_step(context, true, lines, &rates), PU_OK);
    fclose(lines);
}

static void test_steps_in_a_launch(void **state) {
    (void)state;
    pu_device *device = NULL;
    assert_int_equal(pu_device_open("cuda", 0, &device), PU_OK);
    pu__backend counted = *device->backend;
    seen.backend = device->backend;
    seen.replays = 0;
    counted.replay = counted_replay;
    device->backend = &counted;
    free(test_capture_stdout(bench_step, device));
    int several = 0;
    const int64_t step = seen.launches[0];
    assert_true(step > 20);
    while (several < seen.replays && seen.launches[several] == step) ++several;
    for (int i = several; i < seen.replays; ++i) assert_int_equal(seen.launches[i], PU_PROGRAM_STEPS_MAX * step);
    /* A launch of eight is a sample. Two of each kind warm up; the very first, of one step, is no replay. */
    assert_int_equal(several, 1 + PU_PROGRAM_STEPS_MAX);
    assert_int_equal(seen.replays - several, 2 + 1);
    device->backend = seen.backend;
    pu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_device, reset, nothing_left),
        cmocka_unit_test_setup_teardown(test_benchmark, reset, nothing_left),
        cmocka_unit_test_setup_teardown(test_steps_in_a_launch, reset, nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
