/* What training did, read from what it left: the schedule only falls after its warm-up, every parameter is in the
 * optimiser's hands, gains start at one, and an asset's rows are its own whatever other assets there are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/train.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { STEPS = 30, WARMUP = 6 };

static test_market market;

static pu_config *run_config(const char *symbols) {
    char out[600];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    return test_config(&market, out, "run.name=r", "run.device=cpu", "run.threads=1", "windows.window_bars=16",
                       "windows.warmup_bars=16", "windows.stride_bars=4", "windows.horizons=[1, 3]",
                       "model.width=16", "model.layers=2", "model.heads=2", "train.steps=30",
                       "train.warmup_steps=6", "train.lr=0.002", "train.lr_final_ratio=0.1", "train.eval_every=1",
                       "train.patience=0", "train.batch=4", symbols, NULL);
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, 400, true);
    test_market_walk(&market, "BBB", 2, 390, true);
    pu_config *config = run_config("data.symbols=[AAA, BBB]");
    pu_train_result result;
    const pu_status status = pu_train(config, PU_TRAIN_NEW, 0, &result);
    if (status != PU_OK) fprintf(stderr, "%s\n", pu_error_message());
    pu_config_free(config);
    return status == PU_OK ? 0 : -1;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

/* Linear to the peak, then the half cosine down to its floor at the last step, without a rise. */
static void the_schedule_falls_to_its_floor(void **state) {
    (void)state;
    char *text = test_read(test_path(market.folder, "r/train.jsonl"));
    assert_non_null(text);
    double lr[STEPS];
    int count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_t *entry = json_loads(line, 0, &error);
        assert_true(count < STEPS);
        lr[count++] = json_real_value(json_object_get(entry, "lr"));
        json_decref(entry);
    }
    free(text);
    assert_int_equal(count, STEPS);
    for (int i = 0; i < WARMUP; ++i) assert_true(fabs(lr[i] - 0.002 * (i + 1) / WARMUP) < 1e-9);
    for (int i = WARMUP; i < STEPS; ++i) assert_true(lr[i] <= lr[i - 1]);
    assert_true(fabs(lr[STEPS - 1] - 0.0002) < 1e-9);
}

/* A parameter that stood in no loss, or was never given to the optimiser, has no moments. */
static void every_parameter_learns(void **state) {
    (void)state;
    int count = 0, moments = 0, gains = 0;
    pu_saved_tensor *tensors = NULL;
    char *manifest = NULL;
    assert_int_equal(
        pu_checkpoint_read(test_path(market.folder, "r/checkpoint/last"), &count, &tensors, &manifest), PU_OK);
    for (int i = 0; i < count; ++i) {
        if (tensors[i].dtype != PU_F32) continue;
        const float *value = tensors[i].data;
        int64_t elements = 1;
        for (int d = 0; d < tensors[i].shape.rank; ++d) elements *= tensors[i].shape.dim[d];
        const bool moment = strncmp(tensors[i].name, "adamw.v.", 8) == 0,
                   parameter = strncmp(tensors[i].name, "adamw.", 6) != 0;
        bool moved = false;
        for (int64_t k = 0; k < elements; ++k) {
            assert_true(isfinite(value[k]));
            moved = moved || value[k] != 0;
            /* 30 steps of at most 0.002 move a gain that began at 1 by at most 0.06. */
            if (parameter && strstr(tensors[i].name, "gain")) assert_true(fabs((double)value[k] - 1) < 0.1);
        }
        if (!moved) fail_msg("%s is zero", tensors[i].name);
        moments += moment;
        gains += parameter && strstr(tensors[i].name, "gain") != NULL;
    }
    assert_true(moments > 20);
    assert_int_equal(gains, 3 * 2 + 1);
    pu_checkpoint_free(count, tensors, manifest);
}

/* No shift, mean or rank runs over the assets of a panel. */
static void rows_of_an_asset_are_its_own(void **state) {
    (void)state;
    static const char *const symbols[] = {"data.symbols=[BBB]", "data.symbols=[AAA, BBB]"};
    enum { ROWS = 300, FEATURES_MAX = 64 };
    float *block = pu_calloc(2 * ROWS, (FEATURES_MAX + 3) * sizeof *block);
    assert_non_null(block);
    int64_t columns = 0;
    for (int i = 0; i < 2; ++i) {
        pu_config *config = run_config(symbols[i]);
        pu_dataset *dataset = NULL;
        assert_int_equal(pu_dataset_open(config, &dataset), PU_OK);
        columns = pu_dataset_features(dataset);
        float *features = block + (int64_t)i * ROWS * (FEATURES_MAX + 3),
              *targets = features + ROWS * FEATURES_MAX;
        assert_int_equal(pu_dataset_read(dataset, i, 0, ROWS, features, targets, NULL, targets + 2 * ROWS), PU_OK);
        pu_dataset_close(dataset);
        pu_config_free(config);
    }
    const float *other = block + ROWS * (FEATURES_MAX + 3);
    assert_true(columns > 20 && columns <= FEATURES_MAX);
    assert_memory_equal(block, other, (size_t)(ROWS * columns) * sizeof *block);
    assert_memory_equal(block + ROWS * FEATURES_MAX, other + ROWS * FEATURES_MAX, 3 * ROWS * sizeof *block);
    pu_free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schedule_falls_to_its_floor),
        cmocka_unit_test(every_parameter_learns),
        cmocka_unit_test(rows_of_an_asset_are_its_own),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
