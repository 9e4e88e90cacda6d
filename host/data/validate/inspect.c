#include "host/data/validate/inspect.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/memory.h"

enum { STATE_ALIGN = 64 };

/* ---- findings ---- */

static pu_finding *new_finding(pu__findings *findings) {
    pu_validation *out = findings->out;
    if (findings->status != PU_OK) return NULL;
    if (out->count == findings->capacity) {
        const int64_t capacity = findings->capacity ? 2 * findings->capacity : 64;
        pu_finding *grown = out->finding ? pu_regrow(out->finding, (size_t)findings->capacity * sizeof *grown,
                                                     (size_t)capacity * sizeof *grown)
                                         : pu_calloc((size_t)capacity, sizeof *grown);
        if (!grown) {
            findings->status = PU_ERR_MEMORY;
            return NULL;
        }
        out->finding = grown;
        findings->capacity = capacity;
    }
    return &out->finding[out->count++];
}

static void describe(pu_finding *finding, const pu__watch *watch, int64_t ts, const pu__bar *bar) {
    const pu_asset *asset = watch->inspector->sight.asset;
    *finding = (pu_finding){.check = watch->result, .ts = ts};
    if (asset) {
        finding->asset_id = asset->id;
        finding->bar_s = asset->bar_s;
        snprintf(finding->symbol, sizeof finding->symbol, "%s", asset->symbol);
    }
    if (bar) {
        const double values[] = {bar->open, bar->high, bar->low, bar->close, bar->adjusted, bar->volume};
        finding->has_bar = true;
        memcpy(finding->bar, values, sizeof values);
    }
}

void pu__report(pu__watch *watch, int64_t ts, const pu__bar *bar, int64_t rows, const char *format, ...) {
    const pu__watch *stronger = watch->stronger;
    const bool told = stronger && stronger->has_reported && stronger->reported_ts == ts;
    watch->has_reported = true;
    watch->reported_ts = ts;
    if (told) return;
    pu__findings *findings = watch->inspector->findings;
    pu_validation *out = findings->out;
    pu_check_result *result = &out->check[watch->result];
    result->unexpected += rows;
    ++result->findings;
    result->assets_failed += watch->inspector->sight.asset && watch->reports == 0;
    out->errors += result->severity == PU_SEVERITY_ERROR;
    out->warnings += result->severity == PU_SEVERITY_WARNING;
    out->notes += result->severity == PU_SEVERITY_NOTE;
    if (watch->reports++ >= findings->samples) return;
    pu_finding *finding = new_finding(findings);
    if (!finding) return;
    describe(finding, watch, ts, bar);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->message, sizeof finding->message, format, arguments);
    va_end(arguments);
}

void pu__tolerate(pu__watch *watch, int64_t rows) {
    watch->inspector->findings->out->check[watch->result].unexpected += rows;
}

void pu__looked_at(pu__watch *watch, int64_t rows) {
    watch->inspector->findings->out->check[watch->result].checked += rows;
}

static int compare_findings(const void *a, const void *b) {
    const pu_finding *left = a, *right = b;
    if (left->ts != right->ts) return left->ts < right->ts ? -1 : 1;
    return (left->check > right->check) - (left->check < right->check);
}

static void sort_findings(pu__findings *findings) {
    pu_validation *out = findings->out;
    if (out->count > findings->first + 1)
        qsort(out->finding + findings->first, (size_t)(out->count - findings->first), sizeof *out->finding,
              compare_findings);
    findings->first = out->count;
}

/* ---- habit ---- */

static void habit_push(pu__habit *habit, double value) {
    int count = habit->count;
    if (count == PU__HABIT_BARS) {
        const double old = habit->arrived[habit->oldest];
        int at = 0;
        while (habit->sorted[at] != old) ++at;
        memmove(habit->sorted + at, habit->sorted + at + 1, (size_t)(count - 1 - at) * sizeof(double));
        --count;
    }
    habit->arrived[habit->oldest] = value;
    habit->oldest = (habit->oldest + 1) % PU__HABIT_BARS;
    int at = count;
    for (; at > 0 && habit->sorted[at - 1] > value; --at) habit->sorted[at] = habit->sorted[at - 1];
    habit->sorted[at] = value;
    habit->count = count + 1;
}

static double habit_of(const pu__habit *habit) {
    return habit->count >= PU__HABIT_BARS_MIN ? 1.4826 * habit->sorted[habit->count / 2] : 0;
}

/* ---- the inspector ---- */

static int compare_watches(const void *a, const void *b) {
    const pu__check *left = ((const pu__watch *)a)->check, *right = ((const pu__watch *)b)->check;
    if (left->kind != right->kind) return strcmp(left->kind->name, right->kind->name);
    if (left->severity != right->severity) return left->severity > right->severity ? -1 : 1;
    return left < right ? -1 : 1;
}

static pu_status add_results(const pu__suite *suite, pu_validation *out) {
    const size_t old = (size_t)out->check_count, all = old + (size_t)suite->count;
    if (suite->count == 0) return PU_OK;
    pu_check_result *grown = out->check ? pu_regrow(out->check, old * sizeof *grown, all * sizeof *grown)
                                        : pu_calloc(all, sizeof *grown);
    if (!grown) return PU_ERR_MEMORY;
    out->check = grown;
    for (int i = 0; i < suite->count; ++i) {
        const pu__check *check = &suite->check[i];
        pu_check_result *result = &grown[out->check_count++];
        *result = (pu_check_result){.kind = check->kind->name, .severity = check->severity};
        snprintf(result->set, sizeof result->set, "%s", check->kind->store ? "store" : suite->asset_class);
        memcpy(result->name, check->name, sizeof result->name);
    }
    return PU_OK;
}

pu_status pu__inspector_open(const pu__suite *suite, pu__findings *findings, pu__inspector *out) {
    *out = (pu__inspector){.suite = suite, .findings = findings};
    const int first = findings->out->check_count;
    out->watch = pu_calloc((size_t)suite->count, sizeof *out->watch);
    out->each_bar = pu_calloc((size_t)suite->count, sizeof *out->each_bar);
    for (int i = 0; i < suite->count; ++i) {
        out->states_bytes += (suite->check[i].kind->state_bytes + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
    }
    out->states = pu_calloc(out->states_bytes, 1);
    pu_status status =
        out->watch && out->each_bar && out->states ? add_results(suite, findings->out) : PU_ERR_MEMORY;
    if (status != PU_OK) {
        pu__inspector_close(out);
        return status;
    }
    size_t used = 0;
    for (int i = 0; i < suite->count; ++i) {
        const pu__check *check = &suite->check[i];
        out->watch[i] =
            (pu__watch){.check = check, .inspector = out, .state = out->states + used, .result = first + i};
        used += (check->kind->state_bytes + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
    }
    if (suite->count > 1) qsort(out->watch, (size_t)suite->count, sizeof *out->watch, compare_watches);
    return PU_OK;
}

void pu__inspector_close(pu__inspector *inspector) {
    pu_free(inspector->watch);
    pu_free(inspector->each_bar);
    pu_free(inspector->states);
    *inspector = (pu__inspector){0};
}

void pu__inspector_begin(pu__inspector *inspector, const pu_asset *asset, const pu_asset *benchmark) {
    memset(inspector->states, 0, inspector->states_bytes);
    inspector->habit = (pu__habit){.count = 0};
    inspector->sight = (pu__sight){.asset = asset, .benchmark = benchmark, .log_return = NAN};
    inspector->each_bar_count = 0;
    pu__watch *before = NULL;
    for (int i = 0; i < inspector->suite->count; ++i) {
        pu__watch *watch = &inspector->watch[i];
        watch->active = !watch->check->kind->store && pu__check_covers(watch->check, asset->symbol);
        watch->stronger = NULL;
        watch->has_reported = false;
        watch->reports = 0;
        if (!watch->active) continue;
        if (before && before->check->kind == watch->check->kind) watch->stronger = before;
        before = watch;
        if (watch->check->kind->bar) inspector->each_bar[inspector->each_bar_count++] = watch;
        pu_check_result *result = &inspector->findings->out->check[watch->result];
        ++result->assets;
        result->checked += watch->check->kind->unit == PU__UNIT_ASSETS;
    }
}

void pu__inspector_bar(pu__inspector *inspector, const pu__bar *bar, bool has_action, bool benchmark_has_bar) {
    pu__sight *sight = &inspector->sight;
    const bool first = !sight->bar;
    inspector->previous = inspector->bar;
    inspector->bar = *bar;
    sight->index = first ? 0 : sight->index + 1;
    sight->previous = first ? NULL : &inspector->previous;
    sight->bar = &inspector->bar;
    sight->has_action = has_action;
    sight->benchmark_has_bar = benchmark_has_bar;
    sight->habit = habit_of(&inspector->habit);
    sight->log_return = first ? NAN : log(bar->adjusted / inspector->previous.adjusted);
    for (int i = 0; i < inspector->each_bar_count; ++i) {
        pu__watch *watch = inspector->each_bar[i];
        watch->check->kind->bar(watch, sight);
    }
    if (isfinite(sight->log_return)) habit_push(&inspector->habit, fabs(sight->log_return));
}

void pu__inspector_end(pu__inspector *inspector) {
    const pu__sight *last = &inspector->sight;
    const int64_t bars = last->bar ? last->index + 1 : 0;
    for (int i = 0; i < inspector->suite->count; ++i) {
        pu__watch *watch = &inspector->watch[i];
        if (!watch->active) continue;
        if (watch->check->kind->unit == PU__UNIT_BARS) pu__looked_at(watch, bars);
        if (watch->check->kind->end) watch->check->kind->end(watch, last);
    }
    sort_findings(inspector->findings);
}

pu_status pu__inspector_store(pu__inspector *inspector, pu_store *store) {
    inspector->sight = (pu__sight){.asset = NULL};
    pu_status status = PU_OK;
    for (int i = 0; i < inspector->suite->count && status == PU_OK; ++i) {
        pu__watch *watch = &inspector->watch[i];
        if (!watch->check->kind->store) continue;
        watch->stronger = NULL;
        watch->reports = 0;
        status = watch->check->kind->store(watch, store);
    }
    sort_findings(inspector->findings);
    return status;
}
