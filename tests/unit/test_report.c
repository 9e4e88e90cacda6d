/* The report: everything in one page, user text never markup, clear errors for missing and damaged inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>
#include <math.h>

#include "host/base/file.h"
#include "plusultra/eval.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { BARS = 900 };
static char folder[64];
static pu_config *config;

static int open_run(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pu_report_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    char out[128];
    snprintf(out, sizeof out, "run.out=%s", folder);
    const char *overrides[] = {out, "run.name=r"};
    return pu_config_load(NULL, 2, overrides, &config) == PU_OK ? 0 : -1;
}

static int close_run(void **state) {
    (void)state;
    pu_config_free(config);
    char command[128];
    snprintf(command, sizeof command, getenv("PU_KEEP") ? "echo kept '%s'" : "rm -rf '%s'", folder);
    return system(command);
}

static json_t *strategy(const char *name, const char *label, uint64_t stream, double drift) {
    json_t *returns = json_array(), *equity = json_array(), *drawdown = json_array(), *rolling = json_array(),
           *counts = json_array(), *edges = json_array();
    pu_random random = pu_random_at(1, stream);
    double value = 1, peak = 1;
    for (int i = 0; i < BARS; ++i) {
        const double r = drift + 0.008 * pu_random_normal(&random);
        value *= 1 + r;
        peak = fmax(peak, value);
        json_array_append_new(returns, json_real(r));
        json_array_append_new(equity, json_real(value));
        json_array_append_new(drawdown, json_real(value / peak - 1));
        json_array_append_new(rolling, i < 126 ? json_null() : json_real(sin(i / 90.0) + (double)stream));
    }
    for (int i = 0; i <= 20; ++i) json_array_append_new(edges, json_real(-0.025 + 0.0025 * i));
    for (int i = 0; i < 20; ++i)
        json_array_append_new(counts, json_integer((int)(120 * exp(-0.5 * pow((i - 9.5) / 3.3, 2)))));
    return json_pack("{s:s, s:s, s:{s:f, s:f, s:f, s:f, s:n}, s:{s:[f,f], s:[f,f]}, s:o, s:o, s:o, s:o, s:{s:f, "
                     "s:f, s:f}, s:{s:o, s:o}}",
                     "name", name, "label", label, "metrics", "total_return", value - 1, "cagr", 0.08, "sharpe",
                     1.234, "max_drawdown", -0.12, "calmar", "intervals", "sharpe", 0.2, 2.1, "cagr", 0.01, 0.2,
                     "returns", returns, "equity", equity, "drawdown", drawdown, "rolling_sharpe", rolling,
                     "costs", "spread", 0.01, "slippage", 0.005, "fee", 0.002, "histogram", "edges", edges,
                     "counts", counts);
}

static json_t *backtest(void) {
    json_t *times = json_array();
    for (int i = 0; i < BARS; ++i) json_array_append_new(times, json_integer(1420070400 + 86400 * (json_int_t)i));
    json_t *meta = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s], s:{s:[s,s], s:[s,s], s:[s,s]}, s:i, s:i, s:s, s:i, "
                             "s:i, s:[s,s], s:i, s:i}",
                             "run", "a <b>run</b>", "version", "0.1.0", "created", "2026-11-23T06:00:00Z",
                             "data_hash", "abc", "feature_hash", "def", "features", "rsi_14", "segments", "train",
                             "2000-01-01", "2012-01-01", "valid", "2012-01-01", "2015-01-01", "test", "2015-01-01",
                             "2018-01-01", "embargo_bars", 80, "periods_per_year", 252, "periods_reason",
                             "equity, daily bars", "degrees_of_freedom", 1, "bars", BARS, "assets",
                             "</script><script>alert(1)</script>", "SPY", "horizon_bars", 5, "latency_bars", 1);
    json_object_update_new(meta, json_pack("{s:{s:f, s:f, s:f}, s:f, s:i, s:{s:s, s:i, s:f}, s:s}", "costs_bps",
                                           "spread", 2.0, "slippage", 1.0, "fee", 0.5, "target_vol", 0.1,
                                           "rolling_bars", 126, "bootstrap", "method", "stationary", "samples",
                                           2000, "mean_block_bars", 7.25, "config", "run:\n  name: r\n"));
    json_t *asset =
        json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:n}", "symbol", "</script><script>alert(1)</script>",
                  "bars", BARS, "contribution", 0.02, "mean_weight", 0.1, "mean_abs_weight", 0.2, "turnover", 12.5,
                  "hit_rate", 0.52, "ic");
    json_t *forecast = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:[{s:f, s:f}]}", "horizon_bars", 5, "count",
                                 BARS, "pinball", 0.31, "pinball_unconditional", 0.315, "skill", 0.016, "ic", 0.05,
                                 "hit_rate", 0.53, "coverage", "quantile", 0.1, "below", 0.104);
    return json_pack("{s:s, s:o, s:o, s:[o,o,o], s:[o], s:[o], s:f, s:b, s:s, s:[s]}", "format",
                     "plusultra-backtest-1", "meta", meta, "times", times, "strategies",
                     strategy("model", "Model", 0, 5e-4), strategy("buy_and_hold", "Buy and hold", 1, 3e-4),
                     strategy("ridge", "Ridge regression", 2, 1e-4), "assets", asset, "forecast", forecast,
                     "break_even_cost_bps", 6.5, "claims_edge", 0, "verdict",
                     "No edge is claimed: the 95 % interval of the Sharpe ratio contains zero.", "warnings",
                     "The test segment is short.");
}

static void put(const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/r", folder);
    assert_int_equal(pu__folder_make(path), PU_OK);
    snprintf(path, sizeof path, "%s/r/%s", folder, name);
    assert_int_equal(pu__file_replace(path, text, strlen(text)), PU_OK);
}

static void put_backtest(void) {
    json_t *object = backtest();
    assert_non_null(object);
    char *text = json_dumps(object, JSON_COMPACT);
    put("backtest.json", text);
    free(text);
    json_decref(object);
}

static char *get(const char *name) {
    char path[160], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/r/%s", folder, name);
    assert_int_equal(pu__file_read(path, 1 << 24, &text, &bytes), PU_OK);
    return text;
}

static const char training[] = "{\"step\":100,\"train_loss\":0.34,\"valid_loss\":0.33,\"best_valid_loss\":0.33}\n"
                               "{\"step\":200,\"train_loss\":0.32,\"valid_loss\":0.325,\"best_valid_loss\":0.325,"
                               "\"stream\":{\"waited_ratio\":0.0123,\"in_memory_ratio\":0.987}}\n";

static void page_and_markdown(void **state) {
    (void)state;
    put_backtest();
    put("train.jsonl", training);
    char path[256];
    assert_int_equal(pu_report(config, path, sizeof path), PU_OK);
    char *html = get("report.html"), *markdown = get("report.md");
    assert_null(strstr(html, "</script><script>alert"));
    assert_null(strstr(html, " src="));
    assert_null(strstr(html, "<link"));
    assert_non_null(strstr(html, "\"sharpe\":1.234"));
    assert_non_null(strstr(html, "Chart.js v3"));
    assert_null(strstr(markdown, "<script>"));
    assert_non_null(strstr(markdown, "| Sharpe ratio | 1.23 | 1.23 | 1.23 |"));
    assert_non_null(strstr(markdown, "(95 %: 0.20 to 2.10)"));
    assert_non_null(strstr(markdown, "| Calmar ratio | – |"));
    assert_non_null(strstr(markdown, "Steps waited 1.2 % of the time for windows; 98.7 % of the rows"));
    assert_non_null(strstr(html, "\"waited_ratio\":0.0123"));
    pu_free(html);
    pu_free(markdown);
}

static void fails_with(pu_status status, const char *part) {
    assert_int_equal(pu_report(config, NULL, 0), status);
    if (!strstr(pu_error_message(), part)) fail_msg("'%s' lacks '%s'", pu_error_message(), part);
}

static void missing_and_damaged(void **state) {
    (void)state;
    fails_with(PU_ERR_NOT_FOUND, "plusultra backtest");
    put("backtest.json", "{\"format\": \"plusultra-back");
    fails_with(PU_ERR_CORRUPT, "backtest.json:1");
    put("backtest.json", "{\"format\": \"plusultra-backtest-9\"}");
    fails_with(PU_ERR_CORRUPT, "\"plusultra-backtest-9\" and not \"plusultra-backtest-1\"");
    put("backtest.json", "{}");
    fails_with(PU_ERR_CORRUPT, "its format is not said");
    put_backtest();
    fails_with(PU_ERR_NOT_FOUND, "plusultra train");
    put("train.jsonl", "{\"step\":100}\n{\"st");
    fails_with(PU_ERR_CORRUPT, "train.jsonl:2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(page_and_markdown, open_run, close_run),
        cmocka_unit_test_setup_teardown(missing_and_damaged, open_run, close_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
