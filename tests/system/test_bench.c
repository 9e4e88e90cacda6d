/* `plusultra bench`: a summary, every launch, single kernels, and another system beside them. What it measures is the
 * machine's; that it is complete and told apart is what is tested. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <jansson.h>

#include "tests/support/process.h"

/* A stand-in for a Python with PyTorch: half a second for each name that it reads. */
static const char peer[] = "#!/bin/sh\nwhile read -r name; do printf '%s\\tSlow\\t0.5\\n' \"$name\"; done\n";

/* One for layers: two systems, which always take 2 s and 3 s. */
static const char talker[] = "#!/bin/sh\nwhile read -r word name; do case $word in\n"
                             "prepare) printf 'ready\\tSlow=sum of taps\\tSlower=loop\\n' ;;\n"
                             "run) case $name in Slow) echo 2 ;; *) echo 3 ;; esac ;;\nesac; done\n";

static json_t *result_of(const char *folder) {
    json_error_t error;
    json_t *root = json_load_file(test_path(folder, "out.json"), 0, &error);
    if (!root) fail_msg("%s", error.text);
    return root;
}

/* Every launch has all four figures, its line is in the table, and the update of all parameters is one launch. */
static void check_launches(const char *precision) {
    char *folder = test_folder_new(), set[64];
    snprintf(set, sizeof set, "train.precision=%s", precision);
    test_outcome run =
        test_plusultra(folder, "bench", "step", "--seconds", "0", "--set", "model.width=32", "--set",
                       "model.layers=1", "--set", "train.batch=2", "--set", set, "--json", "out.json", NULL);
    if (run.code != 0) fail_msg("%s%s", run.out, run.err);
    json_t *root = result_of(folder), *launches = json_object_get(root, "launches"), *launch;
    assert_true(json_array_size(launches) > 20);
    int updates = 0, products = 0;
    size_t i;
    json_array_foreach(launches, i, launch) {
        const char *op = json_string_value(json_object_get(launch, "op"));
        const double bytes = json_real_value(json_object_get(launch, "bytes")),
                     flops = json_real_value(json_object_get(launch, "flops")),
                     limit_s = json_real_value(json_object_get(launch, "limit_s"));
        assert_true(bytes > 0 && flops >= 0 && limit_s > 0);
        assert_true(json_real_value(json_object_get(launch, "seconds")) > 0);
        char line[64];
        snprintf(line, sizeof line, "\n%4zu %-16s ", i, op);
        const char *const found = strstr(run.out, line);
        if (!found) fail_msg("launch %zu, %s, is not in the table", i, op);
        assert_int_equal(found[1 + strcspn(found + 1, "\n")], '\n');
        assert_int_equal(found[strcspn(found + 1, "\n")], '%');
        updates += strcmp(op, "adamw") == 0;
        products += strcmp(op, "gemm") == 0 && flops > 0;
    }
    assert_int_equal(updates, 1);
    assert_true(products > 5);
    json_decref(root);
    test_outcome_free(&run);
    test_folder_remove(folder);
}

static void every_launch_of_the_step(void **state) {
    (void)state;
    check_launches("f32");
    check_launches("bf16");
}

static void kernels_beside_another_system(void **state) {
    (void)state;
    char *folder = test_folder_new();
    test_write(test_path(folder, "peer"), peer);
    assert_int_equal(chmod(test_path(folder, "peer"), 0700), 0);
    test_outcome run = test_plusultra(folder, "bench", "kernels", "--op", "s4_step", "--bars", "64", "--seconds",
                                      "0", "--peer", "./peer", "--json", "out.json", NULL);
    if (run.code != 0) fail_msg("%s%s", run.out, run.err);
    json_t *root = result_of(folder), *row = json_array_get(json_object_get(root, "peers"), 0);
    assert_int_equal(json_array_size(json_object_get(root, "operations")), 1);
    assert_true(json_real_value(json_object_get(row, "Slow")) == 0.5);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "s4_step B64 T64 C128 N32");
    json_decref(root);
    test_outcome_free(&run);
    test_folder_remove(folder);
}

static void layers_beside_other_systems(void **state) {
    (void)state;
    char *folder = test_folder_new();
    test_write(test_path(folder, "peer"), talker);
    assert_int_equal(chmod(test_path(folder, "peer"), 0700), 0);
    test_outcome run = test_plusultra(folder, "bench", "layers", "--op", "conv", "--bars", "16", "--seconds", "0",
                                      "--rounds", "3", "--peer", "./peer", "--json", "out.json", NULL);
    if (run.code != 0) fail_msg("%s%s", run.out, run.err);
    json_t *root = result_of(folder), *rows = json_object_get(root, "layers"), *row = json_array_get(rows, 0);
    json_t *peers = json_object_get(row, "peers"), *slow = json_array_get(peers, 0);
    assert_int_equal(json_array_size(rows), 3);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "conv B64 T16 C128 K3 dilation 4");
    assert_int_equal(json_array_size(peers), 2);
    assert_string_equal(json_string_value(json_object_get(slow, "form")), "sum of taps");
    const double ours = json_real_value(json_object_get(row, "ours_s"));
    assert_true(ours > 0 && json_real_value(json_object_get(row, "floor_s")) > 0);
    assert_true(json_real_value(json_object_get(slow, "seconds")) == 2);
    /* Of the better peer; a median of quotients by the same times as the median of those. */
    assert_true(fabs(json_real_value(json_object_get(row, "ratio")) * ours - 2) < 1e-9);
    json_decref(root);
    test_outcome_free(&run);
    test_write(test_path(folder, "peer"), "#!/bin/sh\nread -r line\necho nonsense\n");
    run = test_plusultra(folder, "bench", "layers", "--op", "conv", "--bars", "16", "--seconds", "0", "--peer",
                         "./peer", NULL);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "nonsense"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "bench", "layers", "--op", "gemm", NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "attention, conv and s4"));
    test_outcome_free(&run);
    test_folder_remove(folder);
}

static void mistakes_are_named(void **state) {
    (void)state;
    char *folder = test_folder_new();
    test_outcome run = test_plusultra(folder, "bench", "kernels", "--op", "atention", NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "did you mean 'attention'"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "bench", "stepp", NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "stepp"));
    test_outcome_free(&run);
    run = test_plusultra(folder, "bench", "kernels", "--op", "s4_step", "--bars", "64", "--seconds", "0", "--peer",
                         "./nothing", NULL);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "PyTorch"));
    test_outcome_free(&run);
    test_folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_launch_of_the_step),
        cmocka_unit_test(kernels_beside_another_system),
        cmocka_unit_test(layers_beside_other_systems),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
