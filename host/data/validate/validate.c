#include "plusultra/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/validate/faults.h"
#include "plusultra/memory.h"

enum { BARS_MIN = 250 };

const char *pu_fault_level_name(pu_fault_level level) {
    static const char *const names[] = {"info", "warning", "error"};
    return names[level];
}

void pu__fault_time(const pu_asset *asset, int64_t ts, char out[32]) {
    const bool daily = asset->bar_s >= 86400;
    pu_time_format(daily ? ts - 1 : ts, !daily, out);
}

static bool make_room(pu__inspection *at) {
    if (at->out->count < at->capacity) return true;
    const int64_t capacity = at->capacity ? 2 * at->capacity : 32;
    pu_fault *grown = at->out->faults ? pu_regrow(at->out->faults, (size_t)at->capacity * sizeof *grown,
                                                  (size_t)capacity * sizeof *grown)
                                      : pu_calloc((size_t)capacity, sizeof *grown);
    if (!grown) {
        at->status = PU_ERR_MEMORY;
        return false;
    }
    at->out->faults = grown;
    at->capacity = capacity;
    return true;
}

void pu__fault_add(pu__inspection *at, pu_fault_level level, const char *code, int64_t ts, const char *format,
                   ...) {
    int64_t same = 0;
    at->out->errors += level == PU_FAULT_ERROR;
    at->out->warnings += level == PU_FAULT_WARNING;
    at->out->notes += level == PU_FAULT_INFO;
    for (int64_t i = at->first; i < at->out->count; ++i) same += strcmp(at->out->faults[i].code, code) == 0;
    if (same >= PU__FAULTS_PER_CODE || at->status != PU_OK || !make_room(at)) return;
    pu_fault *fault = &at->out->faults[at->out->count++];
    *fault = (pu_fault){.level = level, .asset_id = at->asset->id, .ts = ts};
    snprintf(fault->code, sizeof fault->code, "%s", code);
    snprintf(fault->symbol, sizeof fault->symbol, "%s", at->asset->symbol);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
}

static int compare_faults(const void *a, const void *b) {
    const pu_fault *left = a, *right = b;
    if (left->ts != right->ts) return left->ts < right->ts ? -1 : 1;
    return strcmp(left->code, right->code);
}

static void inspect(pu__inspection *at) {
    const int64_t count = at->bars->count;
    if (count == 0) {
        pu__fault_add(at, PU_FAULT_ERROR, "no_bars", 0, "the asset has no bars");
        return;
    }
    if (count < BARS_MIN)
        pu__fault_add(at, PU_FAULT_WARNING, "short", 0, "%" PRId64 " bars are little to learn from", count);
    pu__check_prices(at);
    pu__check_gaps(at);
    pu__check_jumps(at);
    pu__check_stale(at);
    pu__check_volume(at);
    if (at->out->count > at->first) {
        qsort(at->out->faults + at->first, (size_t)(at->out->count - at->first), sizeof *at->out->faults,
              compare_faults);
    }
}

pu_status pu_validate(pu_store *store, int asset_count, const pu_asset *assets, pu_validation *out) {
    *out = (pu_validation){.assets = asset_count};
    pu__inspection at = {.out = out};
    for (int i = 0; i < asset_count && at.status == PU_OK; ++i) {
        pu_bars bars;
        at.status = pu_store_bars(store, assets[i].id, INT64_MIN, INT64_MAX, &bars);
        if (at.status != PU_OK) break;
        at.asset = &assets[i];
        at.bars = &bars;
        at.first = out->count;
        out->bars += bars.count;
        inspect(&at);
        pu_bars_free(&bars);
    }
    if (at.status != PU_OK) pu_validation_free(out);
    return at.status;
}

void pu_validation_free(pu_validation *validation) {
    pu_free(validation->faults);
    *validation = (pu_validation){0};
}
