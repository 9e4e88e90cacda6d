#include "host/data/validate/results.h"

#include <math.h>
#include <string.h>

#include "host/data/validate/chart.h"
#include "host/data/validate/inspect.h"

enum { CHARTS_MAX = 200 };

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *finding_json(const pu_finding *finding) {
    static const char *const names[] = {"open", "high", "low", "close", "adjusted", "volume"};
    char when[32] = "";
    if (finding->ts != 0) pu_bar_time_format(finding->ts, finding->bar_s, when);
    json_t *bar = finding->has_bar ? json_object() : json_null();
    for (int i = 0; i < 6 && finding->has_bar; ++i) json_object_set_new(bar, names[i], number(finding->bar[i]));
    return json_pack("{s:s, s:I, s:s, s:o, s:o, s:s}", "symbol", finding->symbol, "bar_s",
                     (json_int_t)finding->bar_s, "time", when, "ts",
                     finding->ts ? json_integer(finding->ts) : json_null(), "bar", bar, "message",
                     finding->message);
}

static json_t *check_json(const pu_validation *found, int index) {
    const pu_check_result *c = &found->check[index];
    const pu__check_kind *kind = pu__check_kind_find(c->kind);
    json_t *findings = json_array();
    for (int64_t i = 0; i < found->count; ++i) {
        if (found->finding[i].check == index) json_array_append_new(findings, finding_json(&found->finding[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:o}", "set", c->set, "name",
                     c->name, "kind", c->kind, "severity", pu_severity_name(c->severity), "passed",
                     c->findings == 0, "unit", pu__unit_name(kind->unit), "assets", (json_int_t)c->assets,
                     "assets_failed", (json_int_t)c->assets_failed, "checked", (json_int_t)c->checked,
                     "unexpected", (json_int_t)c->unexpected, "unexpected_share",
                     c->checked > 0 ? json_real((double)c->unexpected / (double)c->checked) : json_null(), "found",
                     (json_int_t)c->findings, "findings", findings);
}

static void add_point(json_t *points, const pu__chart_point *point) {
    if (point->close > 0) json_array_append_new(points, json_pack("[I, f]", (json_int_t)point->ts, point->close));
}

static json_t *chart_json(const pu__chart *chart) {
    json_t *points = json_array();
    for (int i = 0; i < PU__CHART_STRETCHES; ++i) {
        const pu__chart_point *low = &chart->low[i], *high = &chart->high[i];
        add_point(points, low->ts <= high->ts ? low : high);
        if (low->ts != high->ts) add_point(points, low->ts <= high->ts ? high : low);
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "symbol", chart->symbol, "class", chart->asset_class,
                     "bar_s", (json_int_t)chart->bar_s, "bars", (json_int_t)chart->bars, "first_ts",
                     (json_int_t)chart->first_ts, "last_ts", (json_int_t)chart->last_ts, "points", points);
}

static bool has_finding(const pu_validation *found, const pu__chart *chart) {
    for (int64_t i = 0; i < found->count; ++i) {
        if (found->finding[i].asset_id == chart->asset_id) return true;
    }
    return false;
}

json_t *pu__validation_json(const pu_validation *validation, bool charts) {
    const pu_validation *v = validation;
    json_t *checks = json_array(), *prices = json_array();
    for (int i = 0; i < v->check_count; ++i) json_array_append_new(checks, check_json(v, i));
    for (int64_t i = 0; charts && v->chart && i < v->assets && json_array_size(prices) < CHARTS_MAX; ++i) {
        if (has_finding(v, &v->chart[i])) json_array_append_new(prices, chart_json(&v->chart[i]));
    }
    json_t *out = json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "format", "plusultra-validation-1",
                            "passed", v->errors == 0, "assets", (json_int_t)v->assets, "bars", (json_int_t)v->bars,
                            "errors", (json_int_t)v->errors, "warnings", (json_int_t)v->warnings, "notes",
                            (json_int_t)v->notes, "checks", checks);
    if (out && charts) json_object_set(out, "charts", prices);
    json_decref(prices);
    return out;
}
