/* Training with rounded factors beside training in f32: the validation losses stay together all the way.
 *
 * The limit. A factor rounded to p significant bits is off by at most u = 2^-p of itself (bf16: 2^-8, tf32: 2^-11). The
 * forecasts of this model go through ten products one after the other, each fed by two rounded factors; errors of
 * either sign add up like their root, sqrt(20) u or 4.5 u of values of order 1 (targets are scaled to a standard
 * deviation of 1), at u uniform within its bound a factor 1 / sqrt(3) of that, 2.6 u. The pinball loss changes by at
 * most 0.9 of what a forecast does. 4 u leaves room for the paths that training takes from there, which the f32 sums of
 * every update keep from drifting. And whoever trusts a result to one seed may trust it to bf16: the distance is a
 * fraction of that between two seeds. */
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
#include "plusultra/train.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { STEPS = 120, EVERY = 20, POINTS = STEPS / EVERY };

static test_market market;

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, 900, true);
    test_market_walk(&market, "BBB", 2, 850, true);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

/* Losses on the training and the validation windows at each validation. */
typedef struct curve {
    double train[POINTS], valid[POINTS];
} curve;

static curve train(const char *precision, const char *seed) {
    char out[600], chosen[64], name[64], path[128];
    snprintf(out, sizeof out, "run.out=%s", market.folder);
    snprintf(chosen, sizeof chosen, "train.precision=%s", precision);
    snprintf(name, sizeof name, "run.name=%s_%s", precision, seed + 9);
    pu_config *config =
        test_config(&market, out, name, chosen, seed, "run.device=cpu", "run.threads=2", "windows.window_bars=16",
                    "windows.warmup_bars=16", "windows.stride_bars=4", "windows.horizons=[1, 3]", "model.width=32",
                    "model.layers=2", "model.heads=2", "train.steps=120", "train.eval_every=20",
                    "train.warmup_steps=10", "train.lr=0.002", "train.patience=0", "train.batch=8", NULL);
    pu_train_result result;
    if (pu_train(config, PU_TRAIN_NEW, 0, &result) != PU_OK) fail_msg("%s", pu_error_message());
    pu_config_free(config);
    snprintf(path, sizeof path, "%s/train.jsonl", name + 9);
    char *text = test_read(test_path(market.folder, path)), *rest = NULL;
    assert_non_null(text);
    curve c;
    int count = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_t *entry = json_loads(line, 0, &error);
        assert_true(count < POINTS);
        c.train[count] = json_real_value(json_object_get(entry, "train_loss"));
        c.valid[count++] = json_real_value(json_object_get(entry, "valid_loss"));
        json_decref(entry);
    }
    free(text);
    assert_int_equal(count, POINTS);
    return c;
}

static double farthest(const curve *a, const curve *b) {
    double most = 0;
    for (int i = 0; i < POINTS; ++i)
        most = fmax(most, fmax(fabs(a->valid[i] - b->valid[i]), fabs(a->train[i] - b->train[i])));
    return most;
}

static void curves_stay_together(void **state) {
    (void)state;
    const curve exact = train("f32", "run.seed=7"), other = train("f32", "run.seed=8");
    const curve tf32 = train("tf32", "run.seed=7"), bf16 = train("bf16", "run.seed=7");
    const double tf32_off = farthest(&exact, &tf32), bf16_off = farthest(&exact, &bf16);
    print_message("step, validation loss in f32, tf32, bf16 (seed 7), f32 (seed 8)\n");
    for (int i = 0; i < POINTS; ++i) {
        print_message("%4d  %.6f  %.6f  %.6f  %.6f\n", (i + 1) * EVERY, exact.valid[i], tf32.valid[i],
                      bf16.valid[i], other.valid[i]);
    }
    const double seed_off = farthest(&exact, &other);
    print_message("farthest from f32: tf32 %.2e, bf16 %.2e; another seed %.2e\n", tf32_off, bf16_off, seed_off);
    assert_true(tf32_off > 0 && tf32_off <= 4 * 0x1p-11);
    assert_true(bf16_off > 0 && bf16_off <= 4 * 0x1p-8);
    assert_true(bf16_off < seed_off / 4);
    assert_true(exact.train[POINTS - 1] < exact.train[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_stay_together),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
