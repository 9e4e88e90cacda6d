/* stress.md: the tables of the stress report as Markdown. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "host/stress/report.h"

static void put_rule(FILE *out, int texts, size_t numbers) {
    for (int i = 0; i < texts; ++i) fputs("|---", out);
    for (size_t i = 0; i < numbers; ++i) fputs("|---:", out);
    fputs("|\n", out);
}

static void put_cell_text(FILE *out, const char *text) {
    fputs("| ", out);
    pu__markdown_text(out, text);
    fputc(' ', out);
}

static void put_short(FILE *out, const json_t *value) {
    if (json_is_number(value)) fprintf(out, "%.4g", json_number_value(value));
    else fputs("–", out);
}

static const json_t *cells_of(const json_t *document) { return json_object_get(document, "cells"); }

static void put_measure(FILE *out, const json_t *cell, const pu__measure *m) {
    const json_t *value = json_object_get(cell, m->key),
                 *error = m->error ? json_object_get(cell, m->error) : NULL;
    if (json_is_number(value) && json_is_number(error)) {
        pu__markdown_fixed(out, (m->style == PU__PERCENT ? 100 : 1) * json_number_value(value), m->digits);
        fputs(" ± ", out);
    }
    pu__markdown_number(out, json_is_number(error) ? error : value, m->style, m->digits);
}

/* ---- limits ---- */

static void put_value(FILE *out, const json_t *limit, const json_t *value) {
    const pu__measure *m = pu__measure_of(pu__text_of(limit, "measure"));
    pu__markdown_number(out, value, m ? m->style : PU__PLAIN, m ? m->digits : 3);
}

static void put_breaking(FILE *out, const json_t *limits) {
    size_t i, k;
    json_t *limit, *breaking;
    fputs(
        "\nMildest severity that breaks a limit, at the configured cost and latency (in brackets: where it lies)\n"
        "\n| Scenario ",
        out);
    json_array_foreach(limits, i, limit) put_cell_text(out, pu__text_of(limit, "name"));
    fputs("|\n", out);
    put_rule(out, 1, json_array_size(limits));
    json_array_foreach(json_object_get(json_array_get(limits, 0), "breaking"), k, breaking) {
        put_cell_text(out, pu__text_of(breaking, "scenario"));
        json_array_foreach(limits, i, limit) {
            const json_t *found = json_array_get(json_object_get(limit, "breaking"), k);
            const json_t *severity = json_object_get(found, "severity"),
                         *bracket = json_object_get(found, "bracket");
            fputs("| ", out);
            if (!json_is_number(severity)) fputs("not broken", out);
            else if (json_number_value(severity) == 0) fputs("0: broken without it", out);
            else fprintf(out, "%.4g", pu__tie_up(json_number_value(severity)));
            if (json_number_value(severity) > 0 && json_array_size(bracket) == 2)
                fprintf(out, " (%.4g to %.4g)", pu__tie_up(json_number_value(json_array_get(bracket, 0))),
                        pu__tie_up(json_number_value(json_array_get(bracket, 1))));
            fputc(' ', out);
        }
        fputs("|\n", out);
    }
}

static void put_limits(FILE *out, const json_t *document) {
    const json_t *limits = json_object_get(document, "limits");
    fputs("\n## Limits\n\n", out);
    if (json_array_size(limits) == 0) {
        fputs("No limit is configured (`stress.limit_drawdown`, `limit_loss`, `limit_ruin`, `limit_margin`).\n",
              out);
        return;
    }
    fputs("| Limit | Measure | Result | In | At most | Without a shock | Worst cell |\n", out);
    put_rule(out, 4, 3);
    size_t i;
    json_t *limit;
    json_array_foreach(limits, i, limit) {
        const json_t *base = json_object_get(limit, "base"), *worst = json_object_get(limit, "worst");
        const pu__measure *m = pu__measure_of(pu__text_of(limit, "measure"));
        char name[512];
        pu__stress_cell_name(
            json_array_get(cells_of(document), (size_t)json_integer_value(json_object_get(worst, "cell"))), name,
            sizeof name);
        put_cell_text(out, pu__text_of(limit, "name"));
        put_cell_text(out, m ? m->label : pu__text_of(limit, "measure"));
        fputs(json_is_true(json_object_get(limit, "passed")) ? "| passed " : "| **failed** ", out);
        put_cell_text(out, name);
        fputs("| ", out);
        put_value(out, limit, json_object_get(limit, "limit"));
        fputs(" | ", out);
        put_value(out, limit, json_object_get(base, "value"));
        fputs(json_is_true(json_object_get(base, "passed")) ? " (passed) | " : " (failed) | ", out);
        put_value(out, limit, json_object_get(worst, "value"));
        fputs(" |\n", out);
    }
    put_breaking(out, limits);
}

/* ---- costs ---- */

static bool has_impact(const json_t *document) {
    return json_number_value(json_object_get(json_object_get(document, "meta"), "impact")) > 0;
}

static void put_costs(FILE *out, const json_t *document) {
    const json_t *even = json_object_get(document, "break_even"),
                 *attribution = json_object_get(document, "attribution");
    fputs("\n## Costs\n\n", out);
    pu__markdown_text(out, pu__text_of(even, "text"));
    if (json_is_true(json_object_get(even, "found"))) {
        fputs(" Standard error: ", out);
        put_short(out, json_object_get(even, "error"));
        fputs(" times the configured cost, ", out);
        put_short(out, json_object_get(even, "error_bps"));
        fputs(" bp one way. Configured: ", out);
        put_short(out, json_object_get(even, "configured_bps_one_way"));
        fputs(" bp one way: half the spread, slippage and fee", out);
        fputs(has_impact(document) ? ", without impact, which the break-even has in it." : ".", out);
    }
    fputs("\n\n| Part of the mean return, without a shock | |\n", out);
    put_rule(out, 1, 1);
    for (int i = 0; i < pu__attribution_count; ++i) {
        const pu__attribution_part *part = &pu__attribution_parts[i];
        const json_t *value = json_object_get(attribution, part->key);
        put_cell_text(out, part->label);
        if (strcmp(pu__text_of(attribution, "largest"), part->key) == 0) fputs("(took most) ", out);
        fputs("| ", out);
        if (json_is_number(value)) pu__markdown_fixed(out, 100 * part->sign * json_number_value(value), 2);
        fputs(json_is_number(value) ? " % |\n" : "– |\n", out);
    }
}

/* ---- scenarios and the grid ---- */

static void put_scenarios(FILE *out, const json_t *document, const json_t *index) {
    size_t i, k;
    json_t *scenario, *shock;
    fputs("\n## Scenarios\n\nAt the configured cost and latency.\n\n| Scenario | Severity ", out);
    for (int m = 0; m < pu__measure_count; ++m) put_cell_text(out, pu__measures[m].label);
    fputs("|\n", out);
    put_rule(out, 1, (size_t)pu__measure_count + 1);
    json_array_foreach(json_object_get(document, "scenarios"), i, scenario) {
        const char *name = pu__text_of(scenario, "name");
        const double severity = pu__stress_severity(document, name);
        const json_t *cell = pu__stress_cell(document, index, name, severity, NULL);
        put_cell_text(out, name);
        if (isnan(severity)) fputs("| – ", out);
        else fprintf(out, "| %g ", severity);
        for (int m = 0; m < pu__measure_count; ++m) {
            fputs("| ", out);
            put_measure(out, cell, &pu__measures[m]);
            fputc(' ', out);
        }
        fputs("|\n", out);
    }
    fputc('\n', out);
    json_array_foreach(json_object_get(document, "scenarios"), i, scenario) {
        fputs("- **", out);
        pu__markdown_text(out, pu__text_of(scenario, "name"));
        fputs("**: ", out);
        pu__markdown_text(out, pu__text_of(scenario, "about"));
        json_array_foreach(json_object_get(scenario, "shocks"), k, shock) {
            fputc(' ', out);
            pu__markdown_text(out, pu__text_of(shock, "kind"));
            fputs(": ", out);
            pu__markdown_text(out, pu__text_of(shock, "text"));
        }
        fputc('\n', out);
    }
}

/* A new array: texts of a key, each once, in their order in the cells. */
static json_t *texts_of(const json_t *cells, const char *key) {
    json_t *seen = json_object(), *out = json_array(), *cell;
    size_t i;
    json_array_foreach(cells, i, cell) {
        json_t *text = json_object_get(cell, key);
        if (json_object_get(seen, json_string_value(text))) continue;
        json_object_set(seen, json_string_value(text), text);
        json_array_append(out, text);
    }
    json_decref(seen);
    return out;
}

/* A new array: values of a key, each once, in their order in the cells. */
static json_t *values_of(const json_t *cells, const char *scenario, const char *key) {
    json_t *out = json_array(), *cell, *known;
    size_t i, k;
    json_array_foreach(cells, i, cell) {
        json_t *value = json_object_get(cell, key);
        bool found = scenario && strcmp(pu__text_of(cell, "scenario"), scenario) != 0;
        json_array_foreach(out, k, known) found = found || json_number_value(known) == json_number_value(value);
        if (!found) json_array_append(out, value);
    }
    return out;
}

static const char *const main_measures[] = {"mean_return", "cvar_95", "drawdown_95"};
enum { MAIN_MEASURES = sizeof main_measures / sizeof main_measures[0] };

/* The policies side by side, where there are several. */
static void put_policies(FILE *out, const json_t *document) {
    json_t *policies = texts_of(cells_of(document), "policy"), *indices = json_array(), *policy, *index, *scenario;
    size_t i, k;
    json_array_foreach(policies, i, policy)
        json_array_append_new(indices, pu__stress_index(document, json_string_value(policy)));
    if (json_array_size(policies) > 1) {
        fputs("\n### Policies\n\nOn the same paths.\n\n| Scenario | Severity ", out);
        for (int m = 0; m < MAIN_MEASURES; ++m) {
            json_array_foreach(policies, i, policy) {
                put_cell_text(out, pu__measure_of(main_measures[m])->label);
                fputs("of ", out);
                pu__markdown_text(out, json_string_value(policy));
                fputc(' ', out);
            }
        }
        fputs("|\n", out);
        put_rule(out, 1, MAIN_MEASURES * json_array_size(policies) + 1);
        json_array_foreach(json_object_get(document, "scenarios"), k, scenario) {
            const char *name = pu__text_of(scenario, "name");
            const double severity = pu__stress_severity(document, name);
            put_cell_text(out, name);
            fprintf(out, "| %g ", severity);
            for (int m = 0; m < MAIN_MEASURES; ++m) {
                json_array_foreach(indices, i, index) {
                    fputs("| ", out);
                    put_measure(out, pu__stress_cell(document, index, name, severity, NULL),
                                pu__measure_of(main_measures[m]));
                    fputc(' ', out);
                }
            }
            fputs("|\n", out);
        }
    }
    json_decref(indices);
    json_decref(policies);
}

static void put_grid_rows(FILE *out, const json_t *document, const json_t *index, const pu__measure *m,
                          const char *scenario, const json_t *costs) {
    json_t *severities = values_of(cells_of(document), scenario, "severity"), *severity, *cost;
    size_t i, k;
    json_array_foreach(severities, i, severity) {
        put_cell_text(out, scenario);
        fputs("| ", out);
        put_short(out, severity);
        json_array_foreach(costs, k, cost) {
            const json_t *cell = pu__stress_cell(document, index, scenario, json_number_value(severity), cost);
            fputs(" | ", out);
            pu__markdown_number(out, json_object_get(cell, m->key), m->style, m->digits);
        }
        fputs(" |\n", out);
    }
    json_decref(severities);
}

static void put_grid(FILE *out, const json_t *document, const json_t *index) {
    json_t *costs = values_of(cells_of(document), NULL, "cost_factor"), *cost, *scenario;
    size_t i;
    fputs(
        "\n## Severity and cost\n\nAt the configured latency; stress.html has the other measures and latencies.\n",
        out);
    for (int k = 0; k < MAIN_MEASURES; ++k) {
        const pu__measure *m = pu__measure_of(main_measures[k]);
        fprintf(out, "\n%s\n\n| Scenario | Severity ", m->label);
        json_array_foreach(costs, i, cost) {
            fputs("| cost factor ", out);
            put_short(out, cost);
            fputc(' ', out);
        }
        fputs("|\n", out);
        put_rule(out, 1, json_array_size(costs) + 1);
        json_array_foreach(json_object_get(document, "scenarios"), i, scenario)
            put_grid_rows(out, document, index, m, pu__text_of(scenario, "name"), costs);
    }
    json_decref(costs);
}

/* ---- paths ---- */

static void put_fans(FILE *out, const json_t *document) {
    const json_t *fans = json_object_get(document, "fans"), *first = json_array_get(fans, 0);
    size_t i, k;
    json_t *fan, *item;
    fputs("\n## Equity at the last bar\n\n", out);
    if (!first) {
        fputs("No fans were stored.\n", out);
        return;
    }
    fputs("| Scenario | Severity ", out);
    json_array_foreach(json_object_get(first, "quantiles"), k, item)
        fprintf(out, "| %g %% ", 100 * json_number_value(item));
    fputs("|\n", out);
    put_rule(out, 1, json_array_size(json_object_get(first, "quantiles")) + 1);
    json_array_foreach(fans, i, fan) {
        put_cell_text(out, pu__text_of(fan, "scenario"));
        fputs("| ", out);
        put_short(out, json_object_get(fan, "severity"));
        json_array_foreach(json_object_get(fan, "equity"), k, item) {
            fputs(" | ", out);
            pu__markdown_number(out, json_array_get(item, json_array_size(item) - 1), PU__PLAIN, 3);
        }
        fputs(" |\n", out);
    }
}

static void put_worst(FILE *out, const json_t *document) {
    const json_t *paths = json_object_get(document, "worst_paths");
    size_t i;
    json_t *path;
    fputs("\n## Worst paths\n\n", out);
    if (json_array_size(paths) == 0) {
        fputs("None were kept (`stress.worst`).\n", out);
        return;
    }
    fputs("| Cell | Path | Fills | Equity at the end |\n", out);
    put_rule(out, 1, 3);
    json_array_foreach(paths, i, path) {
        const json_t *equity = json_object_get(path, "equity");
        char name[512];
        pu__stress_cell_name(path, name, sizeof name);
        put_cell_text(out, name);
        fputs("| ", out);
        pu__markdown_number(out, json_object_get(path, "path"), PU__WHOLE, 0);
        fprintf(out, " | %zu | ", json_array_size(json_object_get(path, "fills")));
        pu__markdown_number(out, json_array_get(equity, json_array_size(equity) - 1), PU__PLAIN, 4);
        fputs(" |\n", out);
    }
    fputs("\nTo see them again:\n\n", out);
    json_array_foreach(paths, i, path) {
        pu__markdown_code(out, "", pu__text_of(path, "replay"));
        fputc('\n', out);
    }
}

/* ---- calibration ---- */

static void put_fit(FILE *out, const json_t *fit) {
    size_t k;
    json_t *item;
    json_array_foreach(json_object_get(fit, "estimates"), k, item) {
        put_cell_text(out, pu__text_of(fit, "symbol"));
        put_cell_text(out, pu__text_of(item, "name"));
        fputs("| ", out);
        put_short(out, json_object_get(item, "value"));
        fputs(" | ", out);
        put_short(out, json_object_get(item, "error"));
        fputs(" |\n", out);
    }
}

static void put_notes(FILE *out, const json_t *fits) {
    size_t i;
    json_t *fit;
    json_array_foreach(fits, i, fit) {
        const bool converged = json_is_true(json_object_get(fit, "converged"));
        if (converged && !*pu__text_of(fit, "note")) continue;
        fputs("\n- ", out);
        pu__markdown_text(out, pu__text_of(fit, "symbol"));
        fputs(converged ? ": " : ": the fit did not converge. ", out);
        pu__markdown_text(out, pu__text_of(fit, "note"));
    }
    fputc('\n', out);
}

static void put_misfit(FILE *out, const json_t *fits) {
    static const char *const keys[] = {"history", "model_low", "model", "model_high"};
    size_t i, k;
    json_t *fit, *item;
    fputs(
        "\nWhere the model of the market does not match history (low and high: 95 % of simulated histories of the "
        "same length):\n\n| Asset | Statistic | History | Model, low | Model, median | Model, high |\n",
        out);
    put_rule(out, 2, 4);
    json_array_foreach(fits, i, fit) {
        json_array_foreach(json_object_get(fit, "misfit"), k, item) {
            if (json_is_true(json_object_get(item, "matches"))) continue;
            put_cell_text(out, pu__text_of(fit, "symbol"));
            put_cell_text(out, pu__text_of(item, "name"));
            for (int c = 0; c < 4; ++c) {
                fputs("| ", out);
                put_short(out, json_object_get(item, keys[c]));
                fputc(' ', out);
            }
            fputs("|\n", out);
        }
    }
}

static void put_calibration(FILE *out, const json_t *document) {
    const json_t *calibration = json_object_get(document, "calibration"),
                 *fits = json_object_get(calibration, "fits"), *repair = json_object_get(calibration, "repair");
    fputs("\n## Calibration\n\n", out);
    if (!json_is_object(calibration)) {
        fputs("The process `", out);
        pu__markdown_text(out, pu__text_of(json_object_get(document, "meta"), "process"));
        fputs("` has no parameters: nothing was fitted.\n", out);
        return;
    }
    size_t i;
    json_t *fit;
    fprintf(out, "Process: %s.\n\n| Asset | Parameter | Value | Standard error |\n",
            pu__text_of(calibration, "process"));
    put_rule(out, 2, 2);
    json_array_foreach(fits, i, fit) put_fit(out, fit);
    put_notes(out, fits);
    put_misfit(out, fits);
    if (!json_is_number(json_object_get(repair, "clipped")) ||
        json_number_value(json_object_get(repair, "clipped")) == 0)
        return;
    fputs("\nThe correlations were not those of any market and were repaired: ", out);
    pu__markdown_number(out, json_object_get(repair, "clipped"), PU__WHOLE, 0);
    fputs(json_number_value(json_object_get(repair, "clipped")) == 1 ? " eigenvalue" : " eigenvalues", out);
    fputs(" raised (the least was ", out);
    put_short(out, json_object_get(repair, "least_eigenvalue"));
    fputs("), no correlation changed by more than ", out);
    put_short(out, json_object_get(repair, "largest_change"));
    fputs(".\n", out);
}

/* ---- the rest ---- */

static void put_list(FILE *out, const char *title, const json_t *texts) {
    size_t i;
    json_t *text;
    if (json_array_size(texts) == 0) return;
    fprintf(out, "\n## %s\n\n", title);
    json_array_foreach(texts, i, text) {
        fputs("- ", out);
        pu__markdown_text(out, json_string_value(text));
        fputc('\n', out);
    }
}

static void put_provenance(FILE *out, const json_t *meta) {
    const json_t *costs = json_object_get(meta, "costs_bps");
    fputs("\n## Provenance\n\n- costs, bp: spread ", out);
    put_short(out, json_object_get(costs, "spread"));
    fputs(", slippage ", out);
    put_short(out, json_object_get(costs, "slippage"));
    fputs(", fee ", out);
    put_short(out, json_object_get(costs, "fee"));
    fputs("; impact coefficient ", out);
    put_short(out, json_object_get(meta, "impact"));
    fputs("; latency ", out);
    put_short(out, json_object_get(meta, "latency_bars"));
    fputs(" bars\n- seed ", out);
    pu__markdown_number(out, json_object_get(meta, "seed"), PU__WHOLE, 0);
    fputs(", seeds ", out);
    pu__markdown_number(out, json_object_get(meta, "seeds"), PU__WHOLE, 0);
    fputs("; ", out);
    pu__markdown_number(out, json_object_get(meta, "simulated_steps"), PU__WHOLE, 0);
    fputs(" steps simulated in ", out);
    pu__markdown_number(out, json_object_get(meta, "seconds"), PU__PLAIN, 1);
    fputs(" s on ", out);
    pu__markdown_text(out, pu__text_of(meta, "device"));
    fprintf(out, "\n- data: `%s`\n- Plus Ultra %s, %s\n\n## Configuration\n\n", pu__text_of(meta, "data_hash"),
            pu__text_of(meta, "version"), pu__text_of(meta, "created"));
    pu__markdown_code(out, "yaml", pu__text_of(meta, "config"));
}

void pu__stress_markdown(FILE *out, const json_t *document, const char *verdict) {
    const json_t *meta = json_object_get(document, "meta");
    fputs("# ", out);
    pu__markdown_text(out, pu__text_of(meta, "run"));
    fputs("\n\nStress test of the policy ", out);
    pu__markdown_text(out, pu__text_of(meta, "policy"));
    fputs(" on simulated markets (", out);
    pu__markdown_text(out, pu__text_of(meta, "process"));
    fputs("): ", out);
    pu__markdown_number(out, json_object_get(meta, "paths"), PU__WHOLE, 0);
    fputs(" paths of ", out);
    pu__markdown_number(out, json_object_get(meta, "steps_bars"), PU__WHOLE, 0);
    fprintf(out, " bars and %zu assets a cell, from %s on.\n\n**",
            json_array_size(json_object_get(meta, "assets")), pu__text_of(meta, "start"));
    pu__markdown_text(out, verdict);
    fputs("**\n", out);
    put_limits(out, document);
    put_costs(out, document);
    json_t *index = pu__stress_index(document, pu__text_of(meta, "policy"));
    put_scenarios(out, document, index);
    put_policies(out, document);
    put_grid(out, document, index);
    json_decref(index);
    put_fans(out, document);
    put_worst(out, document);
    put_calibration(out, document);
    put_list(out, "Warnings", json_object_get(document, "warnings"));
    json_t *reading = pu__stress_reading(document);
    put_list(out, "How to read it", reading);
    json_decref(reading);
    put_provenance(out, meta);
}
