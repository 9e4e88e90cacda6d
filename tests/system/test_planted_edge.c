/* Is the engine's answer true? On markets with a planted edge of known size the trained model earns most of the
 * best achievable Sharpe ratio
 * out of sample; on markets without one the report claims none.
 *
 * All through the command line, as a user would: synth, train, predict, backtest. Costs are zero, since the best
 * ratio is stated before costs.
 * PU_SEEDS sets the number of seeds without an edge (20). */
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

#include "tests/support/process.h"

enum { EDGE_SEEDS = 3 };

/* One thread: the other processor has other tests to run. */
static const char settings[] =
    "data:\n  benchmark: INDEX\n"
    "windows:\n  window_bars: 32\n  warmup_bars: 512\n  stride_bars: 8\n"
    "split:\n  train_ratio: 0.6\n  valid_ratio: 0.15\n"
    "model:\n  width: 16\n  layers: 1\n  heads: 2\n  dropout: 0.5\n"
    "backtest:\n  market_neutral: true\n  spread_bps: 0\n  slippage_bps: 0\n  fee_bps: 0\n"
    "  leverage_max: 50\n  position_max: 10\n  bootstrap_samples: 500\n"
    "train:\n  lr: 0.002\n  weight_decay: 1\n  warmup_steps: 30\n  eval_every: 30\n  patience: 4\n";

static json_t *load(const char *folder, const char *name) {
    json_error_t error;
    json_t *object = json_load_file(test_path(folder, name), 0, &error);
    if (!object) fail_msg("%s: %s", name, error.text);
    return object;
}

static void must(test_outcome outcome) {
    if (outcome.code != 0) fail_msg("%s", outcome.err);
    test_outcome_free(&outcome);
}

/* Makes a market, trains, predicts, backtests; returns the results of synth and backtest and the report's data. */
static void run(const char *edge, int assets, int bars, int steps, int batch, int seed, json_t **synth,
                json_t **backtest) {
    char *folder = test_folder_new();
    char assets_text[16], bars_text[16], seed_text[16], yaml[2048];
    snprintf(assets_text, sizeof assets_text, "%d", assets);
    snprintf(bars_text, sizeof bars_text, "%d", bars);
    snprintf(seed_text, sizeof seed_text, "%d", seed);
    snprintf(yaml, sizeof yaml, "run:\n  name: r\n  threads: 1\n  seed: %d\n%s  steps: %d\n  batch: %d\n", seed,
             settings, steps, batch);
    test_write(test_path(folder, "e.yaml"), yaml);
    must(test_plusultra(folder, "synth", "--store", "market.db", "--assets", assets_text, "--bars", bars_text,
                        "--edge", edge, "--persistence", "0.8", "--seed", seed_text, "--json", "synth.json",
                        "--quiet", NULL));
    must(test_plusultra(folder, "train", "-c", "e.yaml", "--quiet", NULL));
    must(test_plusultra(folder, "predict", "-c", "e.yaml", "--quiet", NULL));
    must(test_plusultra(folder, "backtest", "-c", "e.yaml", "--quiet", NULL));
    *synth = load(folder, "synth.json");
    *backtest = load(folder, "runs/r/backtest.json");
    test_folder_remove(folder);
}

static double best_sharpe(const json_t *synth, int latency_bars) {
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(synth, "best"), i, row) {
        if (json_integer_value(json_object_get(row, "latency_bars")) == latency_bars) {
            return json_number_value(json_object_get(row, "sharpe_market_neutral"));
        }
    }
    fail_msg("synth.json has no best Sharpe ratio for latency %d", latency_bars);
    return 0;
}

static double sharpe_of(const json_t *backtest, const char *name) {
    size_t i;
    json_t *strategy;
    json_array_foreach(json_object_get(backtest, "strategies"), i, strategy) {
        if (strcmp(json_string_value(json_object_get(strategy, "name")), name) == 0) {
            return json_number_value(json_object_get(json_object_get(strategy, "metrics"), "sharpe"));
        }
    }
    fail_msg("backtest.json has no strategy %s", name);
    return 0;
}

static void finds_the_edge(void **state) {
    (void)state;
    double sum = 0, best = 0;
    for (int seed = 1; seed <= EDGE_SEEDS; ++seed) {
        json_t *synth, *backtest;
        run("0.12", 16, 6000, 200, 256, seed, &synth, &backtest);
        const double model = sharpe_of(backtest, "model");
        best = best_sharpe(synth, 1);
        sum += model;
        print_message("seed %d: model %.2f, ridge %.2f, best achievable %.2f: %.0f %%\n", seed, model,
                      sharpe_of(backtest, "ridge"), best, 100 * model / best);
        assert_true(json_is_true(json_object_get(backtest, "claims_edge")));
        json_decref(synth);
        json_decref(backtest);
    }
    print_message("mean over %d seeds: %.0f %% of the best achievable\n", EDGE_SEEDS,
                  100 * sum / EDGE_SEEDS / best);
    assert_true(sum / EDGE_SEEDS >= 0.8 * best);
}

static void claims_none_where_none_is(void **state) {
    (void)state;
    const char *text = getenv("PU_SEEDS");
    const int seeds = text ? atoi(text) : 20;
    int claims = 0;
    for (int seed = 1; seed <= seeds; ++seed) {
        json_t *synth, *backtest;
        run("0", 8, 3000, 60, 128, 1000 + seed, &synth, &backtest);
        const bool claimed = json_is_true(json_object_get(backtest, "claims_edge"));
        claims += claimed;
        print_message("seed %d: Sharpe ratio %.2f%s\n", 1000 + seed, sharpe_of(backtest, "model"),
                      claimed ? ", edge claimed" : "");
        json_decref(synth);
        json_decref(backtest);
    }
    print_message("%d of %d markets without an edge were claimed to have one\n", claims, seeds);
    assert_true(claims * 10 <= seeds);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_edge),
                                       cmocka_unit_test(claims_none_where_none_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
