/* Plug-ins from the compiler to the audit: one that the documents show, others that look ahead or are broken. They
 * are compiled here, against the public headers alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/features.h"
#include "plusultra/log.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 300, THREADS = 4 };

static test_market market;
static char set_store[600];

#define RUN(...) test_plusultra(market.folder, "features", __VA_ARGS__, "--set", set_store, NULL)

static const char *source_root(void) { return getenv("PU_SOURCE") ? getenv("PU_SOURCE") : "."; }

/* Compiles `source` (relative to the repository) to <scratch>/<object>.so; `flag` may be null. */
static void compile(const char *compiler, const char *source, const char *object, const char *flag) {
    char include[1024], from[1024], to[1024];
    snprintf(include, sizeof include, "-I%s/include", source_root());
    snprintf(from, sizeof from, "%s/%s", source_root(), source);
    snprintf(to, sizeof to, "%s.so", object);
    const char *words[] = {compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror",
                           include,  from,      "-o",    to,    "-lm",   flag,      NULL};
    test_outcome outcome = test_run(market.folder, words);
    if (outcome.code != 0) fail_msg("%s: %s%s", source, outcome.out, outcome.err);
    test_outcome_free(&outcome);
}

/* Checks exit code and a part of each output (null: anything), frees. */
static void expect(int code, const char *out, const char *err, test_outcome outcome) {
    if (outcome.code != code || (out && !strstr(outcome.out, out)) || (err && !strstr(outcome.err, err))) {
        fail_msg("exit %d, expected %d\nout: %s\nerr: %s\nexpected out: %s\nexpected err: %s", outcome.code, code,
                 outcome.out, outcome.err, out ? out : "(any)", err ? err : "(any)");
    }
    test_outcome_free(&outcome);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS - 37, true);
    snprintf(set_store, sizeof set_store, "data.store=%s", market.store);
    compile("cc", "docs/examples/plugin_momentum.c", "momentum", NULL);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static void the_example_is_listed_and_described(void **state) {
    (void)state;
    expect(0, "example_momentum_30 ", "", RUN("list", "--plugin", "momentum.so"));
    expect(0, "plug-in:    ", "", RUN("describe", "example_momentum_30", "--plugin", "momentum.so"));
    expect(0, "cross:      rank", "", RUN("describe", "example_momentum_rank_30", "--plugin=./momentum.so"));
    expect(0, "## From plug-ins", "", RUN("docs", "--plugin", "momentum.so"));
    expect(2, "", "no feature 'example_momentun_30', did you mean 'example_momentum_30'?",
           RUN("describe", "example_momentun_30", "--set", "features.plugins=[momentum.so]"));
    expect(2, "", "there is no feature 'example_momentum_30'", RUN("describe", "example_momentum_30"));
    expect(0, "example_momentum_30 ", "", RUN("list", "--tag", "example", "--plugin", "momentum.so"));
    expect(2, "", "no feature has the tag 'example'; there are", RUN("list", "--tag", "example"));
}

static void its_file_is_its_identity(void **state) {
    (void)state;
    test_outcome outcome = RUN("list", "--plugin", "momentum.so", "--tag", "example", "--json", "list.json");
    assert_int_equal(outcome.code, 0);
    test_outcome_free(&outcome);
    json_t *root = json_load_file(test_path(market.folder, "list.json"), 0, NULL);
    const json_t *first = json_array_get(json_object_get(root, "features"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "example_momentum_30");
    const char *hash = json_string_value(json_object_get(first, "plugin_sha256"));
    const char *words[] = {"sha256sum", "momentum.so", NULL};
    outcome = test_run(market.folder, words);
    assert_non_null(hash);
    assert_memory_equal(outcome.out, hash, 64);
    test_outcome_free(&outcome);
    json_decref(root);
}

/* The same source compiled otherwise is another plug-in: its blocks are made again. */
static void it_is_built_and_another_build_of_it_is_another(void **state) {
    (void)state;
    const char *names = "features.names=[example_momentum_30, rsi_14]";
    expect(0, "4 blocks written", "", RUN("build", "--set", "features.plugins=[momentum.so]", "--set", names));
    expect(0, "0 blocks written", "", RUN("build", "--plugin", "momentum.so", "--set", names));
    compile("cc", "docs/examples/plugin_momentum.c", "other", "-O0");
    expect(0, "2 blocks written, 2 were current", "", RUN("build", "--plugin", "other.so", "--set", names));
    expect(2, "", "there is no feature 'example_momentum_30'", RUN("build", "--set", names));
}

/* A model is of the very file it was trained with. */
static void a_model_knows_the_plugin_it_learnt_from(void **state) {
    (void)state;
    test_write(test_path(market.folder, "e.yaml"),
               "run: {name: r, device: cpu}\n"
               "data: {store: market.db}\n"
               "features: {plugins: [trained.so], names: [example_momentum_30, rsi_14]}\n"
               "windows: {window_bars: 8, warmup_bars: 8, stride_bars: 2, horizons: [1]}\n"
               "split: {embargo_bars: 2}\n"
               "model: {width: 8, layers: 1, heads: 1, dilations: [1]}\n"
               "train: {steps: 4, batch: 4, warmup_steps: 1, eval_every: 2}\n");
    compile("cc", "docs/examples/plugin_momentum.c", "trained", NULL);
    expect(0, NULL, NULL, test_plusultra(market.folder, "train", "--config", "e.yaml", NULL));
    expect(0, NULL, NULL, test_plusultra(market.folder, "predict", "--config", "e.yaml", NULL));
    compile("cc", "docs/examples/plugin_momentum.c", "trained", "-O0");
    expect(2, NULL, "was trained with other features",
           test_plusultra(market.folder, "predict", "--config", "e.yaml", NULL));
}

static void the_audit_passes_it(void **state) {
    (void)state;
    expect(0, "values are the same without the future", "",
           RUN("audit", "--plugin", "momentum.so", "--cuts", "20", "--seed", "7", "--set",
               "features.names=[example_momentum_30]"));
    expect(0, "values are the same", "left out active_addresses_z_30, active_addresses_z_30_known",
           RUN("audit", "--all", "--plugin", "momentum.so", "--cuts", "3"));
}

/* Each is found by name, beside honest features, without being named by anybody. */
static void the_audit_names_what_looks_ahead(void **state) {
    (void)state;
    static const struct {
        const char *flag, *name;
    } leaks[] = {{"-DLEAK=1", "leaky_remembers"}, {"-DLEAK=2", "leaky_fits"}, {"-DLEAK=3", "leaky_reads_on"}};
    for (int i = 0; i < 3; ++i) {
        compile("cc", "tests/support/plugins/leaky.c", leaks[i].name, leaks[i].flag);
        char object[64], message[128];
        snprintf(object, sizeof object, "%s.so", leaks[i].name);
        snprintf(message, sizeof message, "first %s of ", leaks[i].name);
        expect(1, "", message, RUN("audit", "--plugin", object, "--cuts", "12", "--json", "audit.json"));
        json_t *root = json_load_file(test_path(market.folder, "audit.json"), 0, NULL);
        assert_string_equal(json_string_value(json_object_get(root, "first")), leaks[i].name);
        assert_true(json_integer_value(json_object_get(root, "leaks")) > 0);
        json_decref(root);
    }
}

static void broken_ones_are_refused(void **state) {
    (void)state;
    static const char *const messages[] = {
        "feature 1 of the array: made for feature ABI",
        "pu_plugin_features gives 2 features at (nil)",
        "pu_plugin_features gives 0 features at",
        "feature 1 of the array: null",
        "feature broken: update is null",
        "feature rsi_14: name is taken by a built-in feature",
        "feature broken: inputs[0], 'weather', is unknown",
        "undefined symbol: not_defined_anywhere",
    };
    for (int i = 0; i < 8; ++i) {
        char flag[16];
        snprintf(flag, sizeof flag, "-DFAULT=%d", i + 1);
        compile("cc", "tests/support/plugins/broken.c", "broken", flag);
        expect(2, "", messages[i], RUN("list", "--plugin", "broken.so"));
    }
    expect(2, "", "none.so: No such file or directory", RUN("list", "--plugin", "none.so"));
    test_write(test_path(market.folder, "text.so"), "not an object\n");
    expect(2, "", "features.plugins: plug-in ", RUN("list", "--set", "features.plugins=[text.so]"));
    expect(2, "", "features.plugins: item 1 is empty", RUN("list", "--set", "features.plugins=['']"));
    compile("cc", "docs/examples/plugin_momentum.c", "other", "-O0");
    expect(2, "", "feature example_momentum_30: name is taken by plug-in ",
           RUN("list", "--plugin", "momentum.so", "--plugin", "other.so"));
}

static void *load_momentum(void *path) {
    const pu_status status = pu_feature_plugin_load(path);
    return status == PU_OK ? NULL : path;
}

/* In this process: from several threads, again, from a copy, and after a refusal nothing is left. */
static void loading_twice_is_loading_once(void **state) {
    (void)state;
    char path[1024], copy[1024];
    const int before = pu_feature_count();
    const pu_feature *rsi = pu_feature_find("rsi_14");
    compile("cc", "tests/support/plugins/broken.c", "broken", "-DFAULT=5");
    assert_int_equal(pu_feature_plugin_load(test_path(market.folder, "broken.so")), PU_ERR_CONFIG);
    assert_int_equal(pu_feature_count(), before);
    assert_null(pu_feature_find("sound"));
    snprintf(path, sizeof path, "%s/momentum.so", market.folder);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i) assert_int_equal(pthread_create(&threads[i], NULL, load_momentum, path), 0);
    for (int i = 0; i < THREADS; ++i) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    snprintf(copy, sizeof copy, "%s/copy.so", market.folder);
    const char *words[] = {"cp", path, copy, NULL};
    test_outcome outcome = test_run(NULL, words);
    test_outcome_free(&outcome);
    assert_int_equal(pu_feature_plugin_load(copy), PU_OK);
    assert_int_equal(pu_feature_count(), before + 2);
    assert_ptr_equal(pu_feature_find("rsi_14"), rsi);
    for (int i = 1; i < pu_feature_count(); ++i)
        assert_true(strcmp(pu_feature_at(i - 1)->name, pu_feature_at(i)->name) < 0);
    for (int i = 0; i < pu_feature_default_count(); ++i) assert_null(strstr(pu_feature_default_at(i), "example"));
    compile("cc", "docs/examples/plugin_momentum.c", "momentum", "-O0");
    assert_int_equal(pu_feature_plugin_load(path), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "has changed since this process loaded it"));
    compile("cc", "docs/examples/plugin_momentum.c", "momentum", NULL);
}

static void one_in_cpp_works(void **state) {
    (void)state;
    compile("c++", "tests/support/plugins/cpp_range.cpp", "range", NULL);
    expect(0, "values are the same", "",
           RUN("audit", "--plugin", "range.so", "--set", "features.names=[rsi_14]", "--cuts", "3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_listed_and_described),
        cmocka_unit_test(its_file_is_its_identity),
        cmocka_unit_test(it_is_built_and_another_build_of_it_is_another),
        cmocka_unit_test(a_model_knows_the_plugin_it_learnt_from),
        cmocka_unit_test(the_audit_passes_it),
        cmocka_unit_test(the_audit_names_what_looks_ahead),
        cmocka_unit_test(broken_ones_are_refused),
        cmocka_unit_test(loading_twice_is_loading_once),
        cmocka_unit_test(one_in_cpp_works),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
