/* An installation can be used by another program: headers, libraries and the pkg-config file fit together,
 * wherever it is put. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/support/process.h"

static const char program[] =
    "#include <plusultra/features.h>\n"
    "#include <plusultra/policy.h>\n"
    "#include <plusultra/train.h>\n"
    "#include <stdio.h>\n"
    "int main(void) {\n"
    "    pu_config *config = NULL;\n"
    "    if (pu_config_load(NULL, 0, NULL, &config) != PU_OK) return 1;\n"
    "    printf(\"%d features, width %lld\\n\", pu_feature_count(), (long long)config->model.width);\n"
    "    pu_config_free(config);\n"
    "    return 0;\n"
    "}\n";

static void must(test_outcome outcome) {
    if (outcome.code != 0) fail_msg("%s%s", outcome.out, outcome.err);
    test_outcome_free(&outcome);
}

static void another_program_builds_and_runs(void **state) {
    (void)state;
    char *folder = test_folder_new();
    const char *build = getenv("PU_BINARY") ? getenv("PU_BINARY") : "build";
    char prefix[512];
    snprintf(prefix, sizeof prefix, "%s/anywhere", folder);
    const char *install[] = {"cmake", "--install", build, "--prefix", prefix, NULL};
    must(test_run(NULL, install));
    test_write(test_path(folder, "user.c"), program);
    const char *compile[] = {"sh", "-c",
                             "export PKG_CONFIG_PATH=$(dirname \"$(find anywhere -name plusultra.pc)\"); "
                             "cc user.c -o user $(pkg-config --cflags --libs plusultra)",
                             NULL};
    must(test_run(folder, compile));
    const char *run[] = {"./user", NULL};
    test_outcome outcome = test_run(folder, run);
    assert_int_equal(outcome.code, 0);
    assert_non_null(strstr(outcome.out, "features, width 64"));
    test_outcome_free(&outcome);
    const char *version[] = {"anywhere/bin/plusultra", "--version", NULL};
    must(test_run(folder, version));
    test_folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_program_builds_and_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
