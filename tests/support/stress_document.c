#include "tests/support/stress_document.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/random.h"

static const char *scenario_name(const test_stress_sample *s, int i) {
    static const char *const names[] = {"gap",      "volatility_spike", "correlation_to_one", "flash_crash",
                                        "drought",  "reversal",         "october_1987",       "autumn_2008",
                                        "may_2010", "march_2020",       "rates_2022",         "weekend"};
    static char text[64];
    if (i < 0) return "baseline";
    snprintf(text, sizeof text, "%s%s", s->prefix, names[i]);
    return text;
}

static const char *symbol_of(const test_stress_sample *s, int asset) {
    static char text[64];
    snprintf(text, sizeof text, "%sSYM%02d", s->prefix, asset);
    return text;
}

static double severity_of(const test_stress_sample *s, int i) {
    return s->severities < 5 ? 0.5 * pow(2, i) : 0.1 * (i + 1);
}

static json_t *cell_of(const test_stress_sample *s, const char *policy, int scenario, double severity, double cost,
                       int latency, int seed) {
    pu_random random = pu_random_at((uint64_t)seed, (uint64_t)(scenario + 2));
    const bool tested = strcmp(policy, "model") == 0;
    const double depth = severity * (0.4 + 0.08 * scenario) * (tested ? 1 : 1.3),
                 noise = 0.004 * pu_random_normal(&random);
    const double mean = 0.09 - 0.11 * depth - 0.021 * cost - 0.006 * latency + noise, loss = 0.12 + 0.3 * depth;
    json_t *cell = json_pack("{s:s, s:s, s:f, s:f, s:i, s:i, s:i, s:f, s:f, s:f}", "policy", policy, "scenario",
                             scenario_name(s, scenario), "severity", severity, "cost_factor", cost, "latency_bars",
                             latency, "seed", seed, "paths", 1000, "mean_return", mean, "mean_return_error",
                             0.0041, "median_return", mean + 0.004);
    const double ruin = depth > 0.9 ? fmin(1, 0.1 * (depth - 0.9)) : 0;
    json_object_update_new(cell, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
                                           "loss_95", fmin(1, loss), "loss_99", fmin(1, 1.3 * loss), "cvar_95",
                                           fmin(1, 1.2 * loss), "cvar_99", fmin(1, 1.45 * loss), "drawdown_median",
                                           fmin(1, 0.6 * loss), "drawdown_95", fmin(1, loss + 0.04), "ruin", ruin,
                                           "ruin_error", sqrt(ruin * (1 - ruin) / 1000), "margin_call",
                                           fmin(1, 2 * ruin), "margin_call_error", sqrt(ruin / 1000),
                                           "worst_return", -fmin(1, 1.7 * loss), "stopped", 0.0));
    json_object_update_new(cell, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "turnover", 24.5, "spread",
                                           0.011 * cost, "slippage", 0.006 * cost, "fee", 0.004 * cost, "impact",
                                           0.002 * cost, "carry", 0.0013, "under_water", 0.71));
    return cell;
}

static json_t *cells_of(const test_stress_sample *s) {
    json_t *cells = json_array();
    for (int policy = 0; policy <= s->compared; ++policy)
        for (int scenario = -1; scenario < s->scenarios; ++scenario)
            for (int severity = 0; severity < (scenario < 0 ? 1 : s->severities); ++severity)
                for (int cost = 0; cost < s->costs; ++cost)
                    for (int latency = 1; latency <= s->latencies; ++latency)
                        for (int seed = 1; seed <= s->seeds; ++seed)
                            json_array_append_new(cells, cell_of(s, policy ? "buy_hold" : "model", scenario,
                                                                 scenario < 0 ? 0 : severity_of(s, severity),
                                                                 s->costs == 1 ? 1 : cost, latency, seed));
    return cells;
}

/* The number of the cell of a name, severity and cost, at the first latency and seed. */
static int find_cell(const json_t *cells, const char *scenario, double severity, double cost) {
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        if (strcmp(json_string_value(json_object_get(cell, "scenario")), scenario) == 0 &&
            json_number_value(json_object_get(cell, "severity")) == severity &&
            json_number_value(json_object_get(cell, "cost_factor")) == cost)
            return (int)i;
    }
    return -1;
}

static json_t *limits_of(const test_stress_sample *s, const json_t *cells) {
    json_t *limits = json_array();
    if (!s->limited) return limits;
    static const struct {
        const char *name, *measure;
        double limit;
    } rows[] = {{"drawdown", "drawdown_95", 0.3}, {"loss", "cvar_95", 0.4}, {"ruin", "ruin", 0.2}};
    const int base = find_cell(cells, "baseline", 0, 1),
              worst = find_cell(cells, scenario_name(s, s->scenarios - 1), severity_of(s, s->severities - 1),
                                s->costs - 1);
    for (int r = 0; r < 3; ++r) {
        json_t *breaking = json_array();
        for (int i = 0; i < s->scenarios; ++i) {
            const double at = 1.4 - 0.1 * i + 0.2 * r;
            json_array_append_new(breaking, i == 1 || r == 2
                                                ? json_pack("{s:s, s:n, s:n}", "scenario", scenario_name(s, i),
                                                            "severity", "bracket")
                                                : json_pack("{s:s, s:f, s:[f,f]}", "scenario", scenario_name(s, i),
                                                            "severity", at, "bracket", at - 0.01, at + 0.01));
        }
        const json_t *in_base = json_object_get(json_array_get(cells, (size_t)base), rows[r].measure),
                     *in_worst = json_object_get(json_array_get(cells, (size_t)worst), rows[r].measure);
        const bool passed = json_number_value(in_worst) <= rows[r].limit;
        json_array_append_new(limits, json_pack("{s:s, s:f, s:s, s:{s:f, s:b}, s:{s:i, s:f}, s:b, s:o}", "name",
                                                rows[r].name, "limit", rows[r].limit, "measure", rows[r].measure,
                                                "base", "value", json_number_value(in_base), "passed", 1, "worst",
                                                "cell", worst, "value", json_number_value(in_worst), "passed",
                                                (int)passed, "breaking", breaking));
    }
    return limits;
}

static json_t *fan_of(const test_stress_sample *s, int scenario, double severity) {
    static const double z[] = {-1.645, -0.674, 0, 0.674, 1.645};
    json_t *bars = json_array(), *equity = json_array();
    for (int bar = 0; bar <= s->steps; ++bar) json_array_append_new(bars, json_integer(bar));
    for (int q = 0; q < 5; ++q) {
        json_t *row = json_array();
        for (int bar = 0; bar <= s->steps; ++bar) {
            const double fall = bar < s->steps / 3 ? 0 : severity * (0.1 + 0.02 * scenario);
            const double width = (0.012 + 0.004 * fall) * sqrt((double)bar);
            json_array_append_new(row, json_real((1 - fall) * exp(0.0003 * bar + z[q] * width)));
        }
        json_array_append_new(equity, row);
    }
    return json_pack("{s:s, s:f, s:o, s:[f,f,f,f,f], s:o}", "scenario", scenario_name(s, scenario), "severity",
                     severity, "bars", bars, "quantiles", 0.05, 0.25, 0.5, 0.75, 0.95, "equity", equity);
}

static json_t *path_of(const test_stress_sample *s, int number) {
    pu_random random = pu_random_at(7, (uint64_t)number);
    json_t *equity = json_array(), *prices = json_object(), *fills = json_array();
    double value = 1;
    for (int bar = 0; bar <= s->steps; ++bar) {
        json_array_append_new(equity, json_real(value));
        value *= 1 + 0.011 * pu_random_normal(&random) - (bar == s->steps / 2 ? 0.2 : 0.0005);
    }
    for (int asset = 0; asset < s->assets; ++asset) {
        json_t *price = json_array();
        double level = 1;
        for (int bar = 0; bar <= s->steps; ++bar) {
            json_array_append_new(price, json_real(level));
            level *= 1 + 0.015 * pu_random_normal(&random) - (bar == s->steps / 2 ? 0.25 : 0);
        }
        json_object_set_new(prices, symbol_of(s, asset), price);
    }
    for (int i = 0; i < s->fills; ++i) {
        const int bar = 1 + i * (s->steps - 1) / s->fills;
        const char *symbol = symbol_of(s, i % s->assets);
        json_array_append_new(fills, json_pack("{s:i, s:s, s:f, s:O}", "bar", bar, "symbol", symbol, "trade",
                                               0.1 * pu_random_normal(&random), "price",
                                               json_array_get(json_object_get(prices, symbol), (size_t)bar)));
    }
    return json_pack("{s:s, s:s, s:f, s:f, s:i, s:i, s:i, s:o, s:o, s:o, s:s}", "policy", "model", "scenario",
                     scenario_name(s, s->scenarios - 1), "severity", severity_of(s, s->severities - 1),
                     "cost_factor", 1.0, "latency_bars", 1, "seed", 1, "path", 381 + number, "equity", equity,
                     "prices", prices, "fills", fills, "replay",
                     "plusultra stress --config stress.yaml --cell 17 --path 381");
}

static json_t *calibration_of(const test_stress_sample *s) {
    if (!s->calibrated) return json_null();
    static const struct {
        const char *name;
        double value, error;
    } estimates[] = {{"mean", 0.0004, 0.0002},
                     {"omega", 2.1e-6, 4e-7},
                     {"alpha", 0.093, 0.012},
                     {"beta", 0.89, 0.014},
                     {"dof", 5.2, 0.41}};
    json_t *fits = json_array();
    for (int asset = 0; asset < s->assets; ++asset) {
        json_t *list = json_array();
        for (int i = 0; i < 5; ++i)
            json_array_append_new(list,
                                  json_pack("{s:s, s:f, s:f}", "name", estimates[i].name, "value",
                                            estimates[i].value * (1 + 0.02 * asset), "error", estimates[i].error));
        json_array_append_new(
            fits,
            json_pack("{s:s, s:b, s:s, s:o, s:[{s:s, s:f, s:f, s:f, s:f, s:b}, {s:s, s:f, s:f, s:f, s:f, s:b}]}",
                      "symbol", symbol_of(s, asset), "converged", asset != 2, "note",
                      asset == 1 ? "Few bars." : "", "estimates", list, "misfit", "name",
                      "autocorrelation of squares, lag 1", "history", 0.21, "model_low", 0.12, "model", 0.2,
                      "model_high", 0.31, "matches", 1, "name", "leverage effect", "history", -0.11, "model_low",
                      -0.03, "model", 0.0, "model_high", 0.03, "matches", 0));
    }
    json_t *correlation = json_array(), *error = json_array();
    for (int a = 0; a < s->assets; ++a) {
        json_t *row = json_array(), *errors = json_array();
        for (int b = 0; b < s->assets; ++b) {
            json_array_append_new(row, json_real(a == b ? 1 : 0.6 / (1 + 0.1 * abs(a - b))));
            json_array_append_new(errors, json_real(a == b ? 0 : 0.018));
        }
        json_array_append_new(correlation, row);
        json_array_append_new(error, errors);
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:{s:i, s:f, s:f}}", "process", "garch", "fits", fits, "correlation",
                     correlation, "correlation_error", error, "repair", "clipped", 1, "least_eigenvalue", -0.013,
                     "largest_change", 0.021);
}

static json_t *meta_of(const test_stress_sample *s) {
    json_t *assets = json_array();
    for (int asset = 0; asset < s->assets; ++asset)
        json_array_append_new(assets, json_string(symbol_of(s, asset)));
    json_t *meta = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "run", "stress", "version",
                             "0.1.0", "created", "2026-11-28T22:00:00Z", "policy", "model", "process",
                             s->calibrated ? "garch" : "bootstrap", "data_hash", "3f8a", "start", "2024-06-28",
                             "device", "cpu", "config", "run:\n  name: stress\n", "assets", assets);
    json_object_update_new(meta, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:f, s:f, s:I}",
                                           "paths", 1000, "steps_bars", s->steps, "periods_per_year", 252, "seed",
                                           1, "seeds", s->seeds, "traded", s->assets, "latency_bars", 1,
                                           "costs_bps", "spread", 2.0, "slippage", 1.0, "fee", 1.0, "impact", 0.5,
                                           "seconds", 41.3, "simulated_steps", (json_int_t)252000000));
    return meta;
}

json_t *test_stress_document(const test_stress_sample *s) {
    json_t *scenarios = json_array(), *fans = json_array(), *worst = json_array(), *cells = cells_of(s);
    for (int i = -1; i < s->scenarios; ++i) {
        json_array_append_new(scenarios,
                              json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "name", scenario_name(s, i), "about",
                                        "Prices fall at once, and recover within a month.", "shocks", "kind",
                                        "gap", "text", "-30 % at bar 84, all assets."));
        for (int k = 0; s->steps > 5 && k < (i < 0 ? 1 : s->severities); ++k)
            json_array_append_new(fans, fan_of(s, i, i < 0 ? 0 : severity_of(s, k)));
    }
    for (int i = 0; s->with_paths && i < 3; ++i) json_array_append_new(worst, path_of(s, i));
    json_t *warnings = json_array();
    if (s->calibrated)
        json_array_append_new(warnings, json_string("SYM01 has 312 bars: its estimates are rough."));
    json_t *document = json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "format", "plusultra-stress-1",
                                 "meta", meta_of(s), "warnings", warnings, "calibration", calibration_of(s),
                                 "scenarios", scenarios, "base", find_cell(cells, "baseline", 0, 1), "limits",
                                 limits_of(s, cells), "fans", fans, "worst_paths", worst);
    json_object_set_new(document, "cells", cells);
    json_object_set_new(document, "break_even",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:b, s:s}", "cost_factor", 3.2857, "error", 0.11,
                                  "bps_one_way", 9.857, "error_bps", 0.33, "configured_bps_one_way", 3.0, "found",
                                  1, "text",
                                  "The mean return falls to zero within the cost factors of the sweep."));
    json_object_set_new(document, "attribution",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "gross_return", 0.0953,
                                  "spread", 0.011, "slippage", 0.006, "fee", 0.004, "impact", 0.002, "carry",
                                  0.0013, "latency", 0.006, "net_return", 0.065, "largest", "spread"));
    return document;
}
