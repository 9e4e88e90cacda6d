/* Reading stress.json: what a report shows has to be there, of the right kind, and of lengths that fit. */
#include <stdbool.h>
#include <string.h>

#include "host/stress/report.h"

typedef enum field_kind { TEXT, TEXTS, NUMBER, NUMBERS, FLAG } field_kind;

static const char *const kind_names[] = {"a text", "a list of texts", "a number or null", "a list of numbers",
                                         "true or false"};

/* Paths: "[]" are all items of a list, "{}" all values of an object; what lies behind "?" may be null. */
static const struct {
    const char *path;
    field_kind kind;
} fields[] = {
    {"meta.run", TEXT},
    {"meta.version", TEXT},
    {"meta.created", TEXT},
    {"meta.policy", TEXT},
    {"meta.process", TEXT},
    {"meta.paths", NUMBER},
    {"meta.steps_bars", NUMBER},
    {"meta.periods_per_year", NUMBER},
    {"meta.seed", NUMBER},
    {"meta.seeds", NUMBER},
    {"meta.latency_bars", NUMBER},
    {"meta.costs_bps.spread", NUMBER},
    {"meta.costs_bps.slippage", NUMBER},
    {"meta.costs_bps.fee", NUMBER},
    {"meta.impact", NUMBER},
    {"meta.data_hash", TEXT},
    {"meta.start", TEXT},
    {"meta.assets", TEXTS},
    {"meta.traded", NUMBER},
    {"meta.device", TEXT},
    {"meta.seconds", NUMBER},
    {"meta.simulated_steps", NUMBER},
    {"meta.config", TEXT},
    {"warnings", TEXTS},
    {"calibration?.process", TEXT},
    {"calibration?.fits[].symbol", TEXT},
    {"calibration?.fits[].converged", FLAG},
    {"calibration?.fits[].note", TEXT},
    {"calibration?.fits[].estimates[].name", TEXT},
    {"calibration?.fits[].estimates[].value", NUMBER},
    {"calibration?.fits[].estimates[].error", NUMBER},
    {"calibration?.fits[].misfit[].name", TEXT},
    {"calibration?.fits[].misfit[].history", NUMBER},
    {"calibration?.fits[].misfit[].model_low", NUMBER},
    {"calibration?.fits[].misfit[].model", NUMBER},
    {"calibration?.fits[].misfit[].model_high", NUMBER},
    {"calibration?.fits[].misfit[].matches", FLAG},
    {"calibration?.correlation[]", NUMBERS},
    {"calibration?.correlation_error[]", NUMBERS},
    {"calibration?.repair?.clipped", NUMBER},
    {"calibration?.repair?.least_eigenvalue", NUMBER},
    {"calibration?.repair?.largest_change", NUMBER},
    {"scenarios[].name", TEXT},
    {"scenarios[].about", TEXT},
    {"scenarios[].shocks[].kind", TEXT},
    {"scenarios[].shocks[].text", TEXT},
    {"base", NUMBER},
    {"cells[].policy", TEXT},
    {"cells[].scenario", TEXT},
    {"cells[].severity", NUMBER},
    {"cells[].cost_factor", NUMBER},
    {"cells[].latency_bars", NUMBER},
    {"cells[].seed", NUMBER},
    {"cells[].paths", NUMBER},
    {"limits[].name", TEXT},
    {"limits[].limit", NUMBER},
    {"limits[].measure", TEXT},
    {"limits[].base.value", NUMBER},
    {"limits[].base.passed", FLAG},
    {"limits[].worst.cell", NUMBER},
    {"limits[].worst.value", NUMBER},
    {"limits[].passed", FLAG},
    {"limits[].breaking[].scenario", TEXT},
    {"limits[].breaking[].severity", NUMBER},
    {"attribution.largest", TEXT},
    {"break_even.cost_factor", NUMBER},
    {"break_even.error", NUMBER},
    {"break_even.bps_one_way", NUMBER},
    {"break_even.error_bps", NUMBER},
    {"break_even.configured_bps_one_way", NUMBER},
    {"break_even.found", FLAG},
    {"break_even.text", TEXT},
    {"fans[].scenario", TEXT},
    {"fans[].severity", NUMBER},
    {"fans[].bars", NUMBERS},
    {"fans[].quantiles", NUMBERS},
    {"fans[].equity[]", NUMBERS},
    {"worst_paths[].policy", TEXT},
    {"worst_paths[].scenario", TEXT},
    {"worst_paths[].severity", NUMBER},
    {"worst_paths[].cost_factor", NUMBER},
    {"worst_paths[].latency_bars", NUMBER},
    {"worst_paths[].seed", NUMBER},
    {"worst_paths[].path", NUMBER},
    {"worst_paths[].equity", NUMBERS},
    {"worst_paths[].prices{}", NUMBERS},
    {"worst_paths[].fills[].bar", NUMBER},
    {"worst_paths[].fills[].symbol", TEXT},
    {"worst_paths[].fills[].trade", NUMBER},
    {"worst_paths[].fills[].price", NUMBER},
    {"worst_paths[].replay", TEXT},
};

enum { WHERE_BYTES = 256 };
typedef struct place {
    const char *file;
    char where[WHERE_BYTES]; /* of the document, for messages */
} place;

static bool is_number(const json_t *value) { return json_is_number(value) || json_is_null(value); }

static bool is_of_kind(const json_t *value, field_kind kind) {
    size_t i;
    json_t *item;
    if (kind == TEXTS || kind == NUMBERS) {
        if (!json_is_array(value)) return false;
        json_array_foreach(value, i, item) {
            if (kind == TEXTS ? !json_is_string(item) : !is_number(item)) return false;
        }
        return true;
    }
    return kind == TEXT ? json_is_string(value) : kind == FLAG ? json_is_boolean(value) : is_number(value);
}

static pu_status wrong(const place *at, const json_t *found, const char *expected) {
    if (!found)
        return pu_fail(PU_ERR_CORRUPT, "%s: \"%s\" is missing: run `plusultra stress` again", at->file, at->where);
    return pu_fail(PU_ERR_CORRUPT, "%s: \"%s\" is not %s: run `plusultra stress` again", at->file, at->where,
                   expected);
}

/* Checks `path` below `value`, of which at->where's first `used` characters tell. */
static pu_status check(place *at, size_t used, json_t *value, const char *path, field_kind kind) {
    at->where[used] = 0;
    if (*path == 0) return is_of_kind(value, kind) ? PU_OK : wrong(at, value, kind_names[kind]);
    if (*path == '?' && json_is_null(value)) return PU_OK;
    path += *path == '?';
    if (strncmp(path, "[]", 2) == 0) {
        if (!json_is_array(value)) return wrong(at, value, "a list");
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item) {
            const int added = snprintf(at->where + used, WHERE_BYTES - used, "[%zu]", i);
            PU_TRY(check(at, used + (size_t)added, item, path + 2, kind));
        }
        return PU_OK;
    }
    if (strncmp(path, "{}", 2) == 0) {
        if (!json_is_object(value)) return wrong(at, value, "an object");
        const char *key;
        json_t *item;
        json_object_foreach(value, key, item) {
            const int added = snprintf(at->where + used, WHERE_BYTES - used, ".%.100s", key);
            PU_TRY(check(at, used + (size_t)added, item, path + 2, kind));
        }
        return PU_OK;
    }
    if (used > 0 && !json_is_object(value)) return wrong(at, value, "an object");
    path += *path == '.';
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(path, ".?[{"), path);
    const int added = snprintf(at->where + used, WHERE_BYTES - used, "%s%s", used > 0 ? "." : "", key);
    return check(at, used + (size_t)added, json_object_get(value, key), path + strlen(key), kind);
}

static pu_status check_measures(place *at, json_t *document) {
    char path[64];
    for (int i = 0; i < pu__measure_count; ++i) {
        snprintf(path, sizeof path, "cells[].%s", pu__measures[i].key);
        PU_TRY(check(at, 0, document, path, NUMBER));
        if (!pu__measures[i].error) continue;
        snprintf(path, sizeof path, "cells[].%s", pu__measures[i].error);
        PU_TRY(check(at, 0, document, path, NUMBER));
    }
    for (int i = 0; i < pu__attribution_count; ++i) {
        snprintf(path, sizeof path, "attribution.%s", pu__attribution_parts[i].key);
        PU_TRY(check(at, 0, document, path, NUMBER));
    }
    return PU_OK;
}

static pu_status check_length(place *at, const char *list, size_t index, const char *what, const json_t *values,
                              size_t expected) {
    if (json_array_size(values) == expected) return PU_OK;
    return pu_fail(PU_ERR_CORRUPT, "%s: \"%s[%zu]%s\" has %zu items, not %zu: run `plusultra stress` again",
                   at->file, list, index, what, json_array_size(values), expected);
}

static pu_status check_index(place *at, const char *what, const json_t *index, size_t cells) {
    if (json_is_integer(index) && json_integer_value(index) >= 0 && (size_t)json_integer_value(index) < cells)
        return PU_OK;
    return pu_fail(PU_ERR_CORRUPT, "%s: \"%s\" is not the number of a cell: run `plusultra stress` again",
                   at->file, what);
}

static pu_status check_correlations(place *at, const json_t *calibration) {
    static const char *const keys[] = {"correlation", "correlation_error"};
    const size_t assets = json_array_size(json_object_get(calibration, "fits"));
    size_t i;
    json_t *row;
    for (int k = 0; k < 2; ++k) {
        const json_t *table = json_object_get(calibration, keys[k]);
        json_array_foreach(table, i, row) PU_TRY(check_length(at, keys[k], i, "", row, assets));
        if (json_array_size(table) != assets)
            return pu_fail(PU_ERR_CORRUPT,
                           "%s: \"calibration.%s\" has %zu rows, not %zu: run `plusultra stress` again", at->file,
                           keys[k], json_array_size(table), assets);
    }
    return PU_OK;
}

static pu_status check_lengths(place *at, const json_t *document) {
    const size_t cells = json_array_size(json_object_get(document, "cells"));
    size_t i, k;
    json_t *item, *row;
    PU_TRY(check_index(at, "base", json_object_get(document, "base"), cells));
    json_array_foreach(json_object_get(document, "limits"), i, item) {
        const json_t *worst = json_object_get(item, "worst");
        PU_TRY(check_index(at, "limits[].worst.cell", json_object_get(worst, "cell"), cells));
    }
    PU_TRY(check_correlations(at, json_object_get(document, "calibration")));
    json_array_foreach(json_object_get(document, "fans"), i, item) {
        const json_t *bars = json_object_get(item, "bars"), *equity = json_object_get(item, "equity");
        PU_TRY(
            check_length(at, "fans", i, ".equity", equity, json_array_size(json_object_get(item, "quantiles"))));
        json_array_foreach(equity, k, row)
            PU_TRY(check_length(at, "fans", i, ".equity[]", row, json_array_size(bars)));
    }
    json_array_foreach(json_object_get(document, "worst_paths"), i, item) {
        const size_t bars = json_array_size(json_object_get(item, "equity"));
        const char *symbol;
        json_object_foreach(json_object_get(item, "prices"), symbol, row)
            PU_TRY(check_length(at, "worst_paths", i, ".prices", row, bars));
    }
    return PU_OK;
}

pu_status pu__stress_document_read(const char *path, json_t **out) {
    json_t *document = NULL;
    PU_TRY(pu__document_read(path, "plusultra-stress-1", "stress", &document));
    place at = {.file = path};
    pu_status status = PU_OK;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0] && status == PU_OK; ++i)
        status = check(&at, 0, document, fields[i].path, fields[i].kind);
    if (status == PU_OK) status = check_measures(&at, document);
    if (status == PU_OK) status = check_lengths(&at, document);
    if (status == PU_OK) *out = document;
    else json_decref(document);
    return status;
}
