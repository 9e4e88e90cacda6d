/* What the stress report says in words, and which cells its tables show. */
#include "host/stress/report.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "host/base/buffer.h"
#include "plusultra/memory.h"

const pu__measure pu__measures[] = {
    {"mean_return", "Mean return", PU__PERCENT, 1, "mean_return_error", 1},
    {"median_return", "Median return", PU__PERCENT, 1, NULL, 1},
    {"worst_return", "Worst path", PU__PERCENT, 1, NULL, 1},
    {"loss_95", "VaR 5 %", PU__PERCENT, 1, NULL, -1},
    {"loss_99", "VaR 1 %", PU__PERCENT, 1, NULL, -1},
    {"cvar_95", "CVaR 5 %", PU__PERCENT, 1, NULL, -1},
    {"cvar_99", "CVaR 1 %", PU__PERCENT, 1, NULL, -1},
    {"drawdown_median", "Median drawdown", PU__PERCENT, 1, NULL, -1},
    {"drawdown_95", "Drawdown 95 %", PU__PERCENT, 1, NULL, -1},
    {"ruin", "Ruin", PU__PERCENT, 2, "ruin_error", -1},
    {"margin_call", "Margin call", PU__PERCENT, 2, "margin_call_error", -1},
    {"stopped", "Loss limit hit", PU__PERCENT, 1, NULL, -1},
    {"under_water", "Under water", PU__PERCENT, 1, NULL, -1},
    {"turnover", "Turnover", PU__PLAIN, 2, NULL, 0},
    {"spread", "Spread paid", PU__PERCENT, 2, NULL, -1},
    {"slippage", "Slippage paid", PU__PERCENT, 2, NULL, -1},
    {"fee", "Fees paid", PU__PERCENT, 2, NULL, -1},
    {"impact", "Impact paid", PU__PERCENT, 2, NULL, -1},
    {"carry", "Carry paid", PU__PERCENT, 2, NULL, -1},
};
const int pu__measure_count = sizeof pu__measures / sizeof pu__measures[0];

const pu__attribution_part pu__attribution_parts[] = {
    {"gross_return", "Before costs", 1},
    {"spread", "Spread", -1},
    {"slippage", "Slippage", -1},
    {"fee", "Fees", -1},
    {"impact", "Impact", -1},
    {"carry", "Carry", -1},
    {"latency", "Latency", -1},
    {"net_return", "Net", 1},
};
const int pu__attribution_count = sizeof pu__attribution_parts / sizeof pu__attribution_parts[0];

const pu__measure *pu__measure_of(const char *key) {
    for (int i = 0; i < pu__measure_count; ++i) {
        if (strcmp(pu__measures[i].key, key) == 0) return &pu__measures[i];
    }
    return NULL;
}

/* ---- cells ---- */

enum { CELL_KEY_BYTES = 512 };

static const json_t *base_cell(const json_t *document) {
    return json_array_get(json_object_get(document, "cells"),
                          (size_t)json_integer_value(json_object_get(document, "base")));
}

static double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool same(const json_t *a, const json_t *b, const char *key) {
    return number_of(a, key) == number_of(b, key);
}

static bool same_text(const json_t *a, const json_t *b, const char *key) {
    return strcmp(pu__text_of(a, key), pu__text_of(b, key)) == 0;
}

static void cell_key(const char *scenario, double severity, double cost_factor, char text[CELL_KEY_BYTES]) {
    snprintf(text, CELL_KEY_BYTES, "%.17g %.17g %.400s", severity, cost_factor, scenario);
}

json_t *pu__stress_index(const json_t *document, const char *policy) {
    const json_t *base = base_cell(document);
    json_t *index = json_object(), *cell;
    size_t i;
    json_array_foreach(json_object_get(document, "cells"), i, cell) {
        char key[CELL_KEY_BYTES];
        cell_key(pu__text_of(cell, "scenario"), number_of(cell, "severity"), number_of(cell, "cost_factor"), key);
        if (strcmp(pu__text_of(cell, "policy"), policy) == 0 && same(cell, base, "latency_bars") &&
            same(cell, base, "seed"))
            json_object_set(index, key, cell);
    }
    return index;
}

const json_t *pu__stress_cell(const json_t *document, const json_t *index, const char *scenario, double severity,
                              const json_t *cost_factor) {
    const double cost = json_is_number(cost_factor) ? json_number_value(cost_factor)
                                                    : number_of(base_cell(document), "cost_factor");
    char key[CELL_KEY_BYTES];
    cell_key(scenario, severity, cost, key);
    return json_object_get(index, key);
}

double pu__stress_severity(const json_t *document, const char *scenario) {
    double best = NAN;
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(document, "cells"), i, cell) {
        const double severity = number_of(cell, "severity");
        if (strcmp(pu__text_of(cell, "scenario"), scenario) != 0) continue;
        if (isnan(best) || fabs(severity - 1) < fabs(best - 1)) best = severity;
    }
    return best;
}

void pu__stress_cell_name(const json_t *cell, char *text, size_t capacity) {
    snprintf(text, capacity, "%s, severity %g, cost factor %g, latency %g", pu__text_of(cell, "scenario"),
             number_of(cell, "severity"), number_of(cell, "cost_factor"), number_of(cell, "latency_bars"));
}

/* ---- the verdict ---- */

double pu__tie_up(double value) { return value * (1 + 1e-12); }

static const json_t *mildest(const json_t *limit) {
    const json_t *best = NULL;
    size_t i;
    json_t *breaking;
    json_array_foreach(json_object_get(limit, "breaking"), i, breaking) {
        const double severity = number_of(breaking, "severity");
        if (!isnan(severity) && (!best || severity < number_of(best, "severity"))) best = breaking;
    }
    return best;
}

static void add_failure(pu__buffer *out, const json_t *document, const json_t *limit) {
    const json_t *base = json_object_get(limit, "base"), *breaking = mildest(limit);
    pu__buffer_printf(out, "%s (", pu__text_of(limit, "name"));
    if (json_is_false(json_object_get(base, "passed"))) {
        pu__buffer_printf(out, "without any shock");
    } else if (breaking) {
        pu__buffer_printf(out, "%s from severity %.3g", pu__text_of(breaking, "scenario"),
                          pu__tie_up(number_of(breaking, "severity")));
    } else {
        const json_t *worst = json_object_get(limit, "worst");
        char name[512];
        pu__stress_cell_name(json_array_get(json_object_get(document, "cells"),
                                            (size_t)json_integer_value(json_object_get(worst, "cell"))),
                             name, sizeof name);
        pu__buffer_printf(out, "only in other cells, such as %s", name);
    }
    pu__buffer_printf(out, ")");
}

static const char *add_limits(pu__buffer *out, const json_t *document) {
    const json_t *limits = json_object_get(document, "limits");
    const size_t count = json_array_size(limits);
    size_t i, failed = 0, listed = 0;
    json_t *limit;
    json_array_foreach(limits, i, limit) failed += json_is_false(json_object_get(limit, "passed"));
    if (count == 0) {
        pu__buffer_printf(out, "No limit is configured");
        return "";
    }
    if (failed == 0) {
        pu__buffer_printf(
            out, count == 1 ? "The one limit holds in every cell" : "All %zu limits hold in every cell", count);
        return "good";
    }
    pu__buffer_printf(out, "%zu of %zu limit%s fail%s: ", failed, count, count == 1 ? "" : "s",
                      failed == 1 ? "s" : "");
    json_array_foreach(limits, i, limit) {
        if (!json_is_false(json_object_get(limit, "passed"))) continue;
        if (listed > 0) pu__buffer_printf(out, listed + 1 == failed ? " and " : ", ");
        add_failure(out, document, limit);
        listed += 1;
    }
    return "bad";
}

static void add_break_even(pu__buffer *out, const json_t *document) {
    const json_t *even = json_object_get(document, "break_even");
    if (!json_is_true(json_object_get(even, "found")) || isnan(number_of(even, "cost_factor"))) {
        pu__buffer_printf(out, "; no break-even cost was found");
        return;
    }
    const double factor = number_of(even, "cost_factor");
    pu__buffer_printf(out, "; %sthe return is gone at %.3g times the configured cost",
                      factor < 1 ? "costs take more than is earned: " : "", factor);
    if (json_is_number(json_object_get(even, "bps_one_way"))) {
        pu__buffer_printf(out, " (%.3g bp one way", number_of(even, "bps_one_way"));
        if (json_is_number(json_object_get(even, "configured_bps_one_way")))
            pu__buffer_printf(out, ", configured: %.3g bp%s", number_of(even, "configured_bps_one_way"),
                              number_of(json_object_get(document, "meta"), "impact") > 0 ? " without impact" : "");
        pu__buffer_printf(out, ")");
    }
}

static void add_ruin(pu__buffer *out, const json_t *document) {
    const json_t *base = base_cell(document), *most = base;
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(document, "cells"), i, cell) {
        if (same_text(cell, base, "policy") && number_of(cell, "ruin") > number_of(most, "ruin")) most = cell;
    }
    if (isnan(number_of(base, "ruin"))) return;
    pu__buffer_printf(out, "; probability of ruin %.2f %% without a shock", 100 * number_of(base, "ruin"));
    if (most == base) {
        pu__buffer_printf(out, " and no more in any cell");
        return;
    }
    char name[512];
    pu__stress_cell_name(most, name, sizeof name);
    pu__buffer_printf(out, " and at most %.2f %% (%s)", 100 * number_of(most, "ruin"), name);
}

pu_status pu__stress_judge(const json_t *document, pu__stress_verdict *out) {
    pu__buffer text = {0};
    out->tone = add_limits(&text, document);
    add_break_even(&text, document);
    add_ruin(&text, document);
    pu__buffer_printf(&text, ".");
    out->text = pu__buffer_take(&text);
    return out->text ? PU_OK : PU_ERR_MEMORY;
}

/* ---- how to read it ---- */

json_t *pu__stress_reading(const json_t *document) {
    const json_t *meta = json_object_get(document, "meta");
    const double paths = number_of(meta, "paths"), bars = number_of(meta, "steps_bars");
    json_t *out = json_array();
    json_array_append_new(
        out, json_sprintf("A cell is one policy in one scenario at one severity, cost factor, latency and seed, "
                          "simulated over %.0f paths of %.0f bars.",
                          paths, bars));
    json_array_append_new(out,
                          json_sprintf("Severity 1 is a scenario as it is written, 0 the market without it. The "
                                       "cost factor multiplies spread, slippage, fee and impact; latency is the "
                                       "bars between a decision at a close and its fill (configured: %.0f).",
                                       number_of(meta, "latency_bars")));
    static const char *const sentences[] = {
        "Returns, losses and costs are shares of the starting equity over all bars of a path, and a loss is "
        "positive.",
        "VaR 5 % is the loss that 5 % of the paths exceed, CVaR 5 % the mean loss of those paths. A drawdown is a "
        "path's largest fall below its own highest equity; drawdown 95 % is exceeded by 5 % of the paths; under "
        "water is the share of bars below an earlier equity.",
        "Ruin, margin call and loss limit are shares of the paths. Ruin leaves no equity; a margin call comes "
        "where "
        "equity falls below stress.maintenance_ratio of what is held, the loss limit is "
        "stress.drawdown_stop_ratio, and both close every position and end all trading. Turnover is all that was "
        "traded, as a multiple of the equity; slippage the distance of a fill from the price, impact what an "
        "order moves the price by its size, carry funding and borrowing.",
        "Policies are shown the same paths where scenario, severity and seed are the same: a difference between "
        "them does not come from the draws.",
        "A limit passes where its measure is at most the limit. The mildest severity that breaks it was found by "
        "bisection at the configured cost and latency, and lies within the bracket beside it.",
        "Break-even is the cost factor at which the mean return without a shock is zero. One way, in basis points "
        "of what is traded, the configured cost is half the spread, slippage and fee; impact is not in it, as it "
        "depends on the size of a trade, but it is in the break-even's basis points.",
    };
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; ++i)
        json_array_append_new(out, json_string(sentences[i]));
    if (json_is_object(json_object_get(document, "calibration")))
        json_array_append_new(
            out,
            json_string(
                "The model of the market is compared with history by what traders meet in it. Autocorrelation of "
                "squares: wild days follow wild days. Kurtosis (3 for a normal), the 1 % quantiles and the Hill "
                "index (lower: fatter): tails. Correlation of a return and the next 5 squares: below 0 where "
                "falls raise volatility (the leverage effect). What does not match is what this test leaves "
                "out."));
    json_array_append_new(out,
                          json_sprintf("Behind ± stands one standard error: about two of three repetitions with "
                                       "other seeds would lie that near. Quantiles deep in a tail rest on few "
                                       "paths: 1 %% of %.0f are %.0f. What no path shows can still happen: its "
                                       "probability may be up to about three divided by the number of paths.",
                                       paths, paths / 100));
    json_array_append_new(out,
                          json_string("The paths are those of a model of the market. They say what such a market "
                                      "would do to the policy, not how likely such a market is."));
    return out;
}
