#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/sim/shocks.h"
#include "plusultra/log.h"
#include "plusultra/stress.h"

enum { NAME_COLUMN = 26, COLUMN = 12, PATH_BYTES = 4096 };

static double real_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_t *load(const char *path) {
    json_error_t error;
    json_t *document = json_load_file(path, 0, &error);
    if (!document) pu_fail(PU_ERR_CORRUPT, "%s:%d: %s", path, error.line, error.text);
    return document;
}

/* ---- the sweep ---- */

static void print_percent(double value) {
    char text[32] = "-";
    if (isfinite(value)) snprintf(text, sizeof text, "%.2f %%", 100.0 * value);
    printf("%*s", COLUMN, text);
}

/* The cells of the tested policy at the base cost, latency and seed. */
static void print_cells(const json_t *document) {
    static const struct {
        const char *title, *key;
    } columns[] = {{"mean", "mean_return"},        {"std error", "mean_return_error"},
                   {"loss 5 %", "loss_95"},        {"CVaR 5 %", "cvar_95"},
                   {"drawdown 95", "drawdown_95"}, {"ruin", "ruin"},
                   {"margin", "margin_call"},      {"turnover", "turnover"}};
    const json_t *cells = json_object_get(document, "cells"), *cell;
    const json_t *base = json_array_get(cells, (size_t)json_integer_value(json_object_get(document, "base")));
    printf("%-*s%9s", NAME_COLUMN, "scenario", "severity");
    for (size_t c = 0; c < sizeof columns / sizeof *columns; ++c) printf("%*s", COLUMN, columns[c].title);
    putchar('\n');
    size_t i;
    json_array_foreach(cells, i, cell) {
        static const char *const same[] = {"policy", "cost_factor", "latency_bars", "seed"};
        bool shown = true;
        for (size_t k = 0; k < sizeof same / sizeof *same; ++k)
            shown = shown && json_equal(json_object_get(cell, same[k]), json_object_get(base, same[k]));
        if (!shown) continue;
        printf("%-*s%9.3g", NAME_COLUMN, text_of(cell, "scenario"), real_of(cell, "severity"));
        for (size_t c = 0; c + 1 < sizeof columns / sizeof *columns; ++c)
            print_percent(real_of(cell, columns[c].key));
        printf("%*.2f\n", COLUMN, real_of(cell, "turnover"));
    }
}

static void print_limits(const json_t *document) {
    const json_t *limits = json_object_get(document, "limits"), *limit;
    size_t i, k;
    json_array_foreach(limits, i, limit) {
        const json_t *breaking = json_object_get(limit, "breaking"), *one;
        printf("\nlimit %s %.4g: %s, %.4g at worst; without a shock %.4g\n", text_of(limit, "name"),
               real_of(limit, "limit"), json_is_true(json_object_get(limit, "passed")) ? "kept" : "BROKEN",
               real_of(json_object_get(limit, "worst"), "value"),
               real_of(json_object_get(limit, "base"), "value"));
        json_array_foreach(breaking, k, one) {
            const double severity = real_of(one, "severity");
            if (isfinite(severity))
                printf("  %-*s broken from severity %.3g\n", NAME_COLUMN, text_of(one, "scenario"), severity);
        }
    }
}

static void print_attribution(const json_t *document) {
    static const char *const parts[] = {"spread", "slippage", "fee", "impact", "carry", "latency"};
    const json_t *a = json_object_get(document, "attribution");
    printf("\nreturn before costs %.2f %%", 100.0 * real_of(a, "gross_return"));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        const double value = real_of(a, parts[i]);
        if (value != 0.0) printf(", %s %+.2f %%", parts[i], -100.0 * value);
    }
    printf(", net %.2f %%\n%s\n", 100.0 * real_of(a, "net_return"),
           text_of(json_object_get(document, "break_even"), "text"));
}

static void print_summary(const json_t *document, const pu_stress_result *result, const char *path) {
    const json_t *meta = json_object_get(document, "meta"), *warning;
    size_t i;
    printf(
        "%s: policy %s, process %s, %lld paths of %lld bars, %zu assets; %lld cells, %lld of them stored before, "
        "%.1f s\n\n",
        text_of(meta, "run"), text_of(meta, "policy"), text_of(meta, "process"), (long long)real_of(meta, "paths"),
        (long long)real_of(meta, "steps_bars"), json_array_size(json_object_get(meta, "assets")),
        (long long)result->cells, (long long)result->resumed, result->seconds);
    print_cells(document);
    print_limits(document);
    print_attribution(document);
    json_array_foreach(json_object_get(document, "warnings"), i, warning)
        printf("note: %s\n", json_string_value(warning));
    printf("written: %s\n", path);
}

static void fill_result(json_t *to, json_t *document, const pu_stress_result *result, const char *path) {
    static const char *const kept[] = {"warnings", "base", "cells", "limits", "break_even", "attribution"};
    json_object_set_new(to, "file", json_string(path));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; ++i)
        json_object_set(to, kept[i], json_object_get(document, kept[i]));
    json_object_set_new(to, "resumed", json_integer(result->resumed));
    json_object_set_new(to, "replaced", json_boolean(result->replaced));
    json_object_set_new(to, "simulated_steps", json_real(result->simulated));
    json_object_set_new(to, "seconds", json_real(result->seconds));
}

static pu_status make_report(pu__cli *cli) {
    char path[PATH_BYTES];
    PU_TRY(pu_stress_report(cli->config, path, (int64_t)sizeof path));
    json_object_set_new(cli->result, "html", json_string(path));
    pu_log(PU_LOG_INFO, "report.done", "report: %s", path);
    return PU_OK;
}

static pu_status run_sweep(pu__cli *cli) {
    pu_stress_result result;
    char path[PATH_BYTES];
    PU_TRY(pu_stress(cli->config, &result));
    snprintf(path, sizeof path, "%s/%s/stress.json", cli->config->run.out, cli->config->run.name);
    json_t *document = load(path);
    if (!document) return PU_ERR_CORRUPT;
    print_summary(document, &result, path);
    fflush(stdout); /* before messages, which are not buffered */
    fill_result(cli->result, document, &result, path);
    json_decref(document);
    return make_report(cli);
}

/* ---- one path ---- */

static void print_path(const json_t *document, const char *path) {
    const json_t *equity = json_object_get(document, "equity"), *fills = json_object_get(document, "fills"), *fill;
    const json_t *metrics = json_object_get(document, "metrics");
    const size_t bars = json_array_size(equity);
    size_t i;
    printf("path %lld: %s under %s at severity %g, cost factor %g, latency %lld, seed %lld\n",
           (long long)json_integer_value(json_object_get(document, "path")), text_of(document, "policy"),
           text_of(document, "scenario"), real_of(document, "severity"), real_of(document, "cost_factor"),
           (long long)real_of(document, "latency_bars"), (long long)real_of(document, "seed"));
    printf("%6s %-12s %14s %14s\n", "bar", "symbol", "traded", "price");
    json_array_foreach(fills, i, fill) {
        printf("%6lld %-12s %+14.6f %14.6f\n", (long long)real_of(fill, "bar"), text_of(fill, "symbol"),
               real_of(fill, "trade"), real_of(fill, "price"));
    }
    printf("equity after %zu bars %.6f, largest drawdown %.2f %%\nwritten: %s\n", bars - 1,
           real_of(metrics, "wealth"), 100.0 * real_of(metrics, "drawdown"), path);
}

static pu_status run_path(pu__cli *cli) {
    char path[PATH_BYTES];
    pu_stress_path_request request = {.policy = pu__cli_value(cli, "policy"),
                                      .scenario = pu__cli_value(cli, "scenario")};
    PU_TRY(pu__cli_int(cli, "path", 0, 0, INT64_MAX, &request.path));
    PU_TRY(pu__cli_int(cli, "latency", -1, 0, 1000, &request.latency_bars));
    PU_TRY(pu__cli_int(cli, "seed", -1, 0, INT64_MAX, &request.seed));
    PU_TRY(pu__cli_real(cli, "severity", (double)NAN, 0, 1000, &request.severity));
    PU_TRY(pu__cli_real(cli, "cost-factor", (double)NAN, 0, 1e6, &request.cost_factor));
    PU_TRY(pu_stress_path(cli->config, &request, path, sizeof path));
    json_t *document = load(path);
    if (!document) return PU_ERR_CORRUPT;
    print_path(document, path);
    json_object_set_new(cli->result, "file", json_string(path));
    json_object_set_new(cli->result, "path", document);
    return PU_OK;
}

/* ---- the library ---- */

static void print_scenario(const pu__scenario *scenario) {
    char text[300];
    printf("%s\n  %s\n", scenario->name, scenario->about);
    for (int i = 0; i < scenario->shock_count; ++i) {
        pu__shock_text(&scenario->shock[i], text, sizeof text);
        printf("    %-12s %s\n", pu__shock_kind_name(scenario->shock[i].kind), text);
    }
}

static pu_status run_list(pu__cli *cli) {
    pu__scenarios library;
    const pu_status status = pu__scenarios_of(cli->config, &library);
    json_t *names = json_array();
    for (int i = 0; i < library.count && status == PU_OK; ++i) {
        print_scenario(&library.scenario[i]);
        json_array_append_new(names, json_string(library.scenario[i].name));
    }
    json_object_set_new(cli->result, "scenarios", names);
    pu__scenarios_free(&library);
    return status;
}

static pu_status run(pu__cli *cli) {
    static const char *const of_path[] = {"policy", "scenario", "severity", "cost-factor", "latency", "seed"};
    const int verbs =
        pu__cli_flag(cli, "list") + pu__cli_flag(cli, "report") + (pu__cli_value(cli, "path") != NULL);
    if (verbs > 1) return pu_fail(PU_ERR_CONFIG, "--list, --report and --path exclude each other");
    if (pu__cli_flag(cli, "list")) return run_list(cli);
    if (pu__cli_flag(cli, "report")) return make_report(cli);
    if (pu__cli_value(cli, "path")) return run_path(cli);
    for (size_t i = 0; i < sizeof of_path / sizeof *of_path; ++i) {
        if (pu__cli_value(cli, of_path[i]))
            return pu_fail(PU_ERR_CONFIG,
                           "--%s says which path --path N is of; a sweep takes it from the section stress",
                           of_path[i]);
    }
    return run_sweep(cli);
}

static const pu__option options[] = {
    {"list", 'l', NULL, "list the scenarios of the library and stop"},
    {"report", 'r', NULL, "make stress.html and stress.md of the stress.json that is there, and stop"},
    {"path", 'p', "NUMBER", "simulate this path alone, and print and write prices, fills and equity"},
    {"policy", 0, "NAME", "of the path (the tested one)"},
    {"scenario", 0, "NAME", "of the path (baseline)"},
    {"severity", 0, "NUMBER", "of the path (1)"},
    {"cost-factor", 0, "NUMBER", "of the path (1)"},
    {"latency", 0, "BARS", "of the path (the configured one)"},
    {"seed", 0, "NUMBER", "of the path (the first one)"},
};

const pu__verb pu__verb_stress = {
    .name = "stress",
    .summary = "test a policy on simulated markets under shocks, costs and latencies",
    .details =
        "Simulates markets by the process and the history of the section stress, lays the scenarios' shocks "
        "over them, and\n"
        "runs the policy through the market's frictions on every cell of the grid: scenario, severity, seed, "
        "latency,\n"
        "cost factor. Writes stress.json into <run.out>/<run.name>, and the tables stress_sweeps, stress_cells "
        "and\n"
        "stress_fans: loss quantiles, CVaR, probability of ruin and margin call, break-even cost, the mildest "
        "severity\n"
        "that breaks a limit, and what took the edge; and of these the report, stress.html and stress.md. Each "
        "cell is\n"
        "stored when it is done; interrupted, the same command goes on. See docs/scenarios.md and "
        "docs/stress-json.md.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
