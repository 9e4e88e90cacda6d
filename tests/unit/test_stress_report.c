/* The stress report: a verdict of what stress.json says, everything in one page, user text never markup, clear errors
 * for what is missing, damaged or of another kind. PU_KEEP=1 keeps the folders, to look at the pages. */
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

#include "host/base/file.h"
#include "host/page/page.h"
#include "plusultra/memory.h"
#include "plusultra/stress.h"
#include "tests/support/market.h"
#include "tests/support/stress_document.h"

static char folder[64];
static pu_config *config;

static int open_run(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pu_stress_report_XXXXXX");
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

/* ---- documents ---- */

static const test_stress_sample full = {.scenarios = 5,
                                        .severities = 4,
                                        .costs = 4,
                                        .latencies = 2,
                                        .seeds = 2,
                                        .assets = 4,
                                        .steps = 252,
                                        .fills = 60,
                                        .compared = true,
                                        .calibrated = true,
                                        .limited = true,
                                        .with_paths = true,
                                        .prefix = ""};
static const test_stress_sample large = {.scenarios = 12,
                                         .severities = 20,
                                         .costs = 20,
                                         .latencies = 1,
                                         .seeds = 1,
                                         .assets = 11,
                                         .steps = 252,
                                         .fills = 2500,
                                         .calibrated = true,
                                         .limited = true,
                                         .with_paths = true,
                                         .prefix = "a_rather_long_name_"};
static const test_stress_sample least = {.scenarios = 0,
                                         .severities = 1,
                                         .costs = 1,
                                         .latencies = 1,
                                         .seeds = 1,
                                         .assets = 1,
                                         .steps = 5,
                                         .prefix = ""};

static void put(const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/r", folder);
    assert_int_equal(pu__folder_make(path), PU_OK);
    snprintf(path, sizeof path, "%s/r/stress.json", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void put_document(const json_t *document) {
    char *text = json_dumps(document, JSON_COMPACT);
    assert_non_null(text);
    put(text);
    free(text);
}

static char *get(const char *name) {
    char path[160], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/r/%s", folder, name);
    assert_int_equal(pu__file_read(path, 1 << 26, &text, &bytes), PU_OK);
    return text;
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("lacks '%s'", part);
}

/* Makes the report of a document; the caller frees both texts. */
static void report(const json_t *document, char **html, char **markdown) {
    put_document(document);
    char path[256];
    const pu_status status = pu_stress_report(config, path, sizeof path);
    if (status != PU_OK) fail_msg("%s", pu_error_message());
    has(path, "/r/stress.html");
    *html = get("stress.html");
    *markdown = get("stress.md");
}

/* ---- what is said ---- */

static void page_and_markdown(void **state) {
    (void)state;
    json_t *document = test_stress_document(&full);
    char *html, *markdown;
    report(document, &html, &markdown);
    json_decref(document);
    has(html, "Chart.js v3");
    assert_null(strstr(html, " src="));
    assert_null(strstr(html, "<link"));
    assert_null(strstr(html, "http-equiv=\"refresh"));
    static const char *const marks[] = {"/*STYLE*/", "/*CHART_JS*/", "/*DATA*/", "/*SCRIPT*/"};
    for (int i = 0; i < 4; ++i) assert_null(strstr(html, marks[i]));
    has(html, "\"tone\":\"bad\"");
    has(html,
        "\"text\":\"2 of 3 limits fail: drawdown (drought from severity 1) and loss (drought from severity "
        "1.2); the return is gone at 3.29 times the configured cost (9.86 bp one way, configured: 3 bp without "
        "impact); "
        "probability of ruin 0.00 % without a shock and at most 19.80 % (drought, severity 4, cost factor 0, "
        "latency 1).\"");
    has(markdown, "**2 of 3 limits fail: drawdown (drought from severity 1)");
    has(markdown,
        "| drawdown | Drawdown 95 % | **failed** | drought, severity 4, cost factor 3, latency 1 | 30.0 % | "
        "16.0 % (passed) | 100.0 % |");
    has(markdown, "| ruin | Ruin | passed |");
    has(markdown, "| gap | 1.4 (1.39 to 1.41) | 1.6 (1.59 to 1.61) | not broken |");
    has(markdown, "| Spread (took most) | -1.10 % |\n");
    has(markdown,
        "| Scenario | Severity | Mean return of model | Mean return of buy\\_hold | CVaR 5 % of model |");
    has(markdown, "| gap | 1 | 2.3 ± 0.4 % | 1.0 ± 0.4 % | 28.8 % | 33.1 % | 28.0 % | 31.6 % |");
    has(markdown, "| Net | 6.50 % |\n");
    has(markdown, " Standard error: 0.11 times the configured cost, 0.33 bp one way. Configured: 3 bp one way: "
                  "half the spread, slippage and fee, without impact, which the break-even has in it.");
    has(markdown, "| gap | 1 | 2.3 ± 0.4 % | 2.7 % | -40.8 % | 24.0 % |");
    has(markdown, "| gap | 2 | 0.0 % | -2.1 % | -4.2 % | -6.3 % |");
    has(markdown, "| SYM00 | leverage effect | -0.11 | -0.03 | 0 | 0.03 |");
    has(markdown, "\n- SYM01: Few bars.\n- SYM02: the fit did not converge. \n");
    assert_null(strstr(markdown, "autocorrelation of squares, lag 1 | 0.21"));
    has(markdown, "1 eigenvalue raised (the least was -0.013), no correlation changed by more than 0.021.");
    has(markdown, "plusultra stress --config stress.yaml --cell 17 --path 381");
    has(markdown, "- SYM01 has 312 bars: its estimates are rough.");
    pu_free(html);
    pu_free(markdown);
}

static void verdicts(void **state) {
    (void)state;
    json_t *document = test_stress_document(&full), *limit, *limits = json_object_get(document, "limits");
    char *html, *markdown;
    size_t i;
    json_array_foreach(limits, i, limit) json_object_set_new(limit, "passed", json_true());
    json_object_set_new(json_object_get(document, "break_even"), "found", json_false());
    report(document, &html, &markdown);
    has(html, "\"tone\":\"good\"");
    has(markdown, "**All 3 limits hold in every cell; no break-even cost was found;");
    pu_free(html);
    pu_free(markdown);

    /* One fails without a shock, one at other costs only; costs above the break-even. */
    json_object_set_new(json_object_get(document, "break_even"), "found", json_true());
    json_object_set_new(json_object_get(document, "break_even"), "cost_factor", json_real(0.75));
    json_t *breaking = json_array_get(json_object_get(json_array_get(limits, 1), "breaking"), 0);
    json_object_set_new(breaking, "severity", json_real(0.8125)); /* rounded up, as the page does */
    json_object_set_new(json_array_get(limits, 1), "passed", json_false());
    limit = json_array_get(limits, 0);
    json_object_set_new(limit, "passed", json_false());
    json_object_set_new(json_object_get(limit, "base"), "passed", json_false());
    limit = json_array_get(limits, 2);
    json_object_set_new(limit, "passed", json_false());
    report(document, &html, &markdown);
    has(html, "\"tone\":\"bad\"");
    has(markdown,
        "**3 of 3 limits fail: drawdown (without any shock), loss (gap from severity 0.813) and ruin (only in "
        "other cells, such as drought, "
        "severity 4, cost factor 3, latency 1); costs take more than is earned: the return is gone at 0.75 times");
    has(markdown, "16.0 % (failed)");
    pu_free(html);
    pu_free(markdown);
    json_decref(document);
}

static void many_cells_and_long_names(void **state) {
    (void)state;
    json_t *document = test_stress_document(&large);
    char *html, *markdown;
    report(document, &html, &markdown);
    has(markdown, "| a\\_rather\\_long\\_name\\_weekend | 2 | ");
    has(markdown, "| cost factor 19 |");
    json_decref(document);
    pu_free(html);
    pu_free(markdown);
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    json_t *document = test_stress_document(&least);
    char *html, *markdown;
    report(document, &html, &markdown);
    json_decref(document);
    has(html, "\"tone\":\"\"");
    has(markdown, "**No limit is configured; the return is gone");
    has(markdown, "No limit is configured (`stress.limit_drawdown`");
    has(markdown, "The process `bootstrap` has no parameters: nothing was fitted.");
    has(markdown, "No fans were stored.");
    has(markdown, "None were kept (`stress.worst`).");
    assert_null(strstr(markdown, "## Warnings"));
    pu_free(html);
    pu_free(markdown);
}

/* Numbers that are not defined, all but those that name a cell, are null: a dash, nothing drawn, no failure. */
static void make_null(json_t *value) {
    const char *key;
    size_t i;
    json_t *item;
    void *next;
    json_object_foreach_safe(value, next, key, item) {
        if (strcmp(key, "severity") == 0 || (strcmp(key, "cost_factor") == 0 && json_object_get(value, "seed")))
            continue;
        if (json_is_real(item)) json_object_set_new(value, key, json_null());
        else make_null(item);
    }
    json_array_foreach(value, i, item) {
        if (json_is_real(item)) json_array_set_new(value, i, json_null());
        else make_null(item);
    }
}

static void numbers_may_be_null(void **state) {
    (void)state;
    json_t *document = test_stress_document(&full);
    json_array_clear(json_object_get(document, "limits"));
    make_null(document);
    char *html, *markdown;
    report(document, &html, &markdown);
    json_decref(document);
    has(markdown, "**No limit is configured; no break-even cost was found.**");
    assert_null(strstr(markdown, " nan"));
    pu_free(html);
    pu_free(markdown);
}

/* ---- hostile text ---- */

static void text_is_never_markup(void **state) {
    (void)state;
    static const char bad[] =
        "</script><script>alert(1)</script>\"'|`*\n<img src=x onerror=alert(2)> \xc3\x84\xe6\x97\xa5";
    json_t *document = test_stress_document(&full), *item;
    json_t *meta = json_object_get(document, "meta"), *scenarios = json_object_get(document, "scenarios");
    size_t i;
    json_object_set_new(meta, "run", json_string(bad));
    json_object_set_new(meta, "config", json_string("run:\n  name: |\n    ```\n    </script><script>alert(3)\n"));
    json_object_set_new(json_array_get(scenarios, 1), "name", json_string(bad));
    json_object_set_new(json_array_get(scenarios, 1), "about", json_string(bad));
    json_array_foreach(json_object_get(document, "cells"), i, item) {
        if (strcmp(json_string_value(json_object_get(item, "scenario")), "gap") == 0)
            json_object_set_new(item, "scenario", json_string(bad));
    }
    json_array_append_new(json_object_get(document, "warnings"), json_string(bad));
    item = json_array_get(json_object_get(document, "worst_paths"), 0);
    json_object_set(json_object_get(item, "prices"), bad, json_object_get(item, "equity"));
    json_array_append_new(json_object_get(meta, "assets"), json_string(bad));
    char *html, *markdown;
    report(document, &html, &markdown);
    json_decref(document);
    assert_null(strstr(html, "<script>alert"));
    assert_null(strstr(html, "<img"));
    has(html, "\\u003c/script>\\u003cscript>alert(1)");
    has(html, "\xc3\x84\xe6\x97\xa5");
    int scripts = 0;
    for (const char *at = html; (at = strstr(at, "</script>")) != NULL; ++at) scripts += 1;
    assert_int_equal(scripts, 3);
    char *config_block = strstr(markdown, "````yaml\n");
    assert_non_null(config_block);
    has(config_block, "\n````\n");
    *config_block = 0; /* what lies before the block of code */
    assert_null(strstr(markdown, "<script>"));
    assert_null(strstr(markdown, " <img"));
    has(markdown, "# \\</script\\>\\<script\\>alert(1)\\</script\\>\"'\\|\\`\\* \\<img src=x");
    pu_free(html);
    pu_free(markdown);
}

/* ---- what is wrong with the input ---- */

static void fails_with(pu_status status, const char *part) {
    assert_int_equal(pu_stress_report(config, NULL, 0), status);
    if (!strstr(pu_error_message(), part)) fail_msg("'%s' lacks '%s'", pu_error_message(), part);
}

static void missing_and_damaged(void **state) {
    (void)state;
    fails_with(PU_ERR_NOT_FOUND, "/r/stress.json is missing: run `plusultra stress` first");
    put("{\"format\": \"plusultra-stress-1\",\n \"meta\": {");
    fails_with(PU_ERR_CORRUPT, "/r/stress.json:2 is damaged");
    put("{\"format\": \"plusultra-backtest-1\"}");
    fails_with(PU_ERR_CORRUPT, "its format is \"plusultra-backtest-1\" and not \"plusultra-stress-1\"");
    put("[]");
    fails_with(PU_ERR_CORRUPT, "its format is not said");
    char path[160];
    snprintf(path, sizeof path, "%s/r/stress.html", folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Every key but the brackets is needed: the message names the file and the key. */
static int keys_tried;
static void without_each_key(json_t *document, json_t *value, const char *where) {
    const char *key;
    size_t i;
    json_t *item, *same = json_copy(value); /* putting a key back moves it to the end */
    char name[256], expected[320];
    json_object_foreach(same, key, item) {
        snprintf(name, sizeof name, "%s%s%s", where, *where ? "." : "", key);
        without_each_key(document, item, name);
        if (strcmp(key, "bracket") == 0 || strcmp(name, "format") == 0 || strstr(name, ".prices.")) continue;
        json_object_del(value, key);
        put_document(document);
        snprintf(expected, sizeof expected, "stress.json: \"%s\" is missing", name);
        fails_with(PU_ERR_CORRUPT, expected);
        json_object_set(value, key, item);
        keys_tried += 1;
    }
    json_array_foreach(same, i, item) {
        snprintf(name, sizeof name, "%s[%zu]", where, i);
        without_each_key(document, item, name);
    }
    json_decref(same);
}

static const test_stress_sample small = {.scenarios = 1,
                                         .severities = 1,
                                         .costs = 2,
                                         .latencies = 1,
                                         .seeds = 1,
                                         .assets = 1,
                                         .steps = 6,
                                         .fills = 1,
                                         .calibrated = true,
                                         .limited = true,
                                         .with_paths = true,
                                         .prefix = ""};

static void every_key_is_needed(void **state) {
    (void)state;
    json_t *document = test_stress_document(&small);
    json_t *worst = json_object_get(document, "worst_paths");
    while (json_array_size(worst) > 1) json_array_remove(worst, 1);
    without_each_key(document, document, "");
    assert_true(keys_tried > 150);
    json_decref(document);
}

static void kinds_and_lengths(void **state) {
    (void)state;
    json_t *document = test_stress_document(&small), *item;
    json_object_set_new(document, "base", json_integer(1000));
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"base\" is not the number of a cell");
    json_object_set_new(document, "base", json_integer(1));

    item = json_array_get(json_object_get(document, "cells"), 1);
    json_object_set_new(item, "ruin", json_string("none"));
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"cells[1].ruin\" is not a number or null");
    json_object_set_new(item, "ruin", json_real(0));

    item = json_object_get(json_array_get(json_object_get(document, "fans"), 0), "equity");
    json_array_remove(json_array_get(item, 2), 0);
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"fans[0].equity[]\" has 6 items, not 7");
    json_array_append_new(json_array_get(item, 2), json_real(1));

    item = json_array_get(json_object_get(document, "worst_paths"), 0);
    json_array_append_new(json_object_get(json_object_get(item, "prices"), "SYM00"), json_real(1));
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"worst_paths[0].prices\" has 8 items, not 7");
    json_array_remove(json_object_get(json_object_get(item, "prices"), "SYM00"), 7);

    item = json_object_get(json_object_get(document, "calibration"), "correlation_error");
    json_array_append_new(json_array_get(item, 0), json_real(0));
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"correlation_error[0]\" has 2 items, not 1");
    json_array_clear(item);
    put_document(document);
    fails_with(PU_ERR_CORRUPT, "\"calibration.correlation_error\" has 0 rows, not 1");
    json_decref(document);
}

/* ---- a sweep itself ---- */

/* What pu_stress writes is what the report reads, whatever the process and with more than one policy. */
static void a_sweep_becomes_a_report(void **state) {
    (void)state;
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 1, 700, true);
    test_market_walk(&market, "BBB", 2, 700, true);
    static const char *const processes[] = {"stress.process=bootstrap", "stress.process=garch"};
    for (int i = 0; i < 2; ++i) {
        char out[160];
        snprintf(out, sizeof out, "run.out=%s", folder);
        pu_config *sweep =
            test_config(&market, out, "run.name=r", "run.device=cpu", processes[i], "stress.policy=momentum",
                        "stress.scenarios=[gap_down, flash_crash]", "stress.severities=[0.5, 1, 2]",
                        "stress.cost_factors=[0, 1]", "stress.paths=64", "stress.steps_bars=30",
                        "stress.limit_drawdown=0.05", "stress.worst=2", NULL);
        pu_stress_result result;
        if (pu_stress(sweep, &result) != PU_OK) fail_msg("%s", pu_error_message());
        if (pu_stress_report(sweep, NULL, 0) != PU_OK) fail_msg("%s", pu_error_message());
        char *html = get("stress.html"), *markdown = get("stress.md");
        has(html, "\"policy\":\"momentum\"");
        has(markdown, "Stress test of the policy momentum on simulated markets");
        has(markdown, "| gap\\_down | 2 | ");
        has(markdown, "plusultra stress --config");
        pu_free(html);
        pu_free(markdown);
        pu_config_free(sweep);
    }
    test_market_remove(&market);
}

static void what_rounds_to_zero_has_no_sign(void **state) {
    (void)state;
    static const struct {
        double value;
        int digits;
        const char *text;
    } cases[] = {{-0.04, 1, "0.0"},   {-0.06, 1, "-0.1"}, {-0.0, 2, "0.00"},    {-0.4, 0, "0"},
                 {-10.0, 1, "-10.0"}, {0.0, 1, "0.0"},    {-0.00499, 2, "0.00"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        pu__markdown_fixed(out, cases[i].value, cases[i].digits);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rounds_to_zero_has_no_sign),
        cmocka_unit_test_setup_teardown(page_and_markdown, open_run, close_run),
        cmocka_unit_test_setup_teardown(many_cells_and_long_names, open_run, close_run),
        cmocka_unit_test_setup_teardown(what_is_missing_is_said, open_run, close_run),
        cmocka_unit_test_setup_teardown(text_is_never_markup, open_run, close_run),
        cmocka_unit_test_setup_teardown(numbers_may_be_null, open_run, close_run),
        cmocka_unit_test_setup_teardown(verdicts, open_run, close_run),
        cmocka_unit_test_setup_teardown(a_sweep_becomes_a_report, open_run, close_run),
        cmocka_unit_test_setup_teardown(missing_and_damaged, open_run, close_run),
        cmocka_unit_test_setup_teardown(every_key_is_needed, open_run, close_run),
        cmocka_unit_test_setup_teardown(kinds_and_lengths, open_run, close_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
