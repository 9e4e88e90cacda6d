#include "host/data/alternative/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/config/yaml.h"

enum { FILE_BYTES_MAX = 1 << 16 };

typedef struct map_reader {
    pu__yaml yaml;
    pu_arena *arena;
    pu__columns *columns;
    pu_series_options *options;
    const pu_series_options *given; /* on the command line: goes before what the file says */
    bool symbol, unit, stale_after, lag, table, zone;
    unsigned fields;
} map_reader;

bool pu_series_length(const char *text, int64_t most_s, int64_t *seconds) {
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    char *end = NULL;
    const long long count = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; ++i) {
        if (end == text || strcmp(end, units[i].unit) != 0) continue;
        *seconds = count * (count <= most_s / units[i].seconds ? units[i].seconds : 0);
        return count >= 0 && count <= most_s / units[i].seconds;
    }
    return false;
}

static pu_status copy_text(map_reader *r, const char *text, const char **out) {
    *out = pu_arena_strdup(r->arena, text);
    return *out ? PU_OK : PU_ERR_MEMORY;
}

static pu_status read_length(map_reader *r, const char *key, const char *text, int64_t most_s, int64_t *out) {
    if (pu_series_length(text, most_s, out)) return PU_OK;
    return pu__yaml_fail(&r->yaml, pu__yaml_line(&r->yaml),
                         "series.%s: expects seconds, or 5m, 1h, 1d, 1w, not '%.60s'", key, text);
}

static pu_status unknown(map_reader *r, const char *section, const char *name, int count,
                         const char *const *known) {
    const char *nearest = pu__nearest(name, count, known);
    return pu__yaml_fail(&r->yaml, pu__yaml_line(&r->yaml), "%s%s%.60s: unknown%s%s%s", section,
                         section[0] ? "." : "", name, nearest ? "; did you mean " : "", nearest ? nearest : "",
                         nearest ? "?" : "");
}

static pu_status read_series_key(map_reader *r, const char *key, const char *text, bool *fresh) {
    static const char *const known[] = {"symbol", "unit", "table", "zone", "stale_after", "published_lag"};
    bool *const seen[] = {&r->symbol, &r->unit, &r->table, &r->zone, &r->stale_after, &r->lag};
    pu_series_options *o = r->options;
    int which = 0;
    while (which < 6 && strcmp(key, known[which]) != 0) ++which;
    if (which == 6) return unknown(r, "series", key, 6, known);
    *fresh = !*seen[which];
    *seen[which] = true;
    if (which == 0) return r->given->symbol ? PU_OK : copy_text(r, text, &o->symbol);
    if (which == 1) return r->given->unit ? PU_OK : copy_text(r, text, &o->unit);
    if (which == 2) return r->given->table ? PU_OK : copy_text(r, text, &o->table);
    if (which == 3) return r->given->zone ? PU_OK : copy_text(r, text, &o->zone);
    int64_t seconds = 0;
    PU_TRY(read_length(r, key, text, which == 4 ? PU_SERIES_LIMIT_S_MAX : PU_SERIES_LAG_S_MAX, &seconds));
    if (which == 4 && r->given->stale_after_s == 0) o->stale_after_s = seconds;
    if (which == 5 && !r->given->has_published_lag) {
        o->has_published_lag = true;
        o->published_lag_s = seconds;
    }
    return PU_OK;
}

static pu_status read_column_key(map_reader *r, const char *key, const char *text, bool *fresh) {
    const int field = pu__columns_find(r->columns, key);
    if (field < 0) return unknown(r, "columns", key, PU__FIELD_SETTLED, pu__field_name);
    *fresh = (r->fields & 1u << field) == 0;
    r->fields |= 1u << field;
    if (r->columns->named[field][0]) return PU_OK; /* by --columns */
    return pu__columns_name(r->columns, r->yaml.source, key, text);
}

static pu_status read_keys(map_reader *r, bool columns) {
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type == YAML_MAPPING_END_EVENT) return PU_OK;
        const int64_t line = pu__yaml_line(&r->yaml);
        if (r->yaml.event.type != YAML_SCALAR_EVENT) return pu__yaml_fail(&r->yaml, line, "a key must be a word");
        const char *key = pu_arena_strdup(r->arena, pu__yaml_scalar(&r->yaml));
        bool fresh = true;
        if (!key) return PU_ERR_MEMORY;
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type != YAML_SCALAR_EVENT || pu__yaml_is_null(&r->yaml) || !*pu__yaml_scalar(&r->yaml))
            return pu__yaml_fail(&r->yaml, line, "%.60s: expects a single value", key);
        const char *text = pu__yaml_scalar(&r->yaml);
        PU_TRY(columns ? read_column_key(r, key, text, &fresh) : read_series_key(r, key, text, &fresh));
        if (!fresh) return pu__yaml_fail(&r->yaml, line, "%.60s: duplicate key", key);
    }
}

static pu_status read_document(map_reader *r) {
    static const char *const sections[] = {"columns", "series"};
    if (r->yaml.event.type != YAML_MAPPING_START_EVENT)
        return pu__yaml_fail(&r->yaml, pu__yaml_line(&r->yaml), "expects the sections `columns:` and `series:`");
    for (bool seen[2] = {false};;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type == YAML_MAPPING_END_EVENT) break;
        const int64_t line = pu__yaml_line(&r->yaml);
        if (r->yaml.event.type != YAML_SCALAR_EVENT)
            return pu__yaml_fail(&r->yaml, line, "a section must be a word");
        const char *name = pu__yaml_scalar(&r->yaml);
        const int which = strcmp(name, sections[0]) == 0 ? 0 : strcmp(name, sections[1]) == 0 ? 1 : -1;
        if (which < 0) return unknown(r, "", name, 2, sections);
        if (seen[which]) return pu__yaml_fail(&r->yaml, line, "%s: duplicate section", sections[which]);
        seen[which] = true;
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type != YAML_MAPPING_START_EVENT)
            return pu__yaml_fail(&r->yaml, line, "%s: is a section: expects keys below it", sections[which]);
        PU_TRY(read_keys(r, which == 0));
    }
    return pu__yaml_end(&r->yaml, "mapping");
}

pu_status pu__series_mapping_load(pu_arena *arena, pu__columns *columns, pu_series_options *options) {
    const pu_series_options given = *options;
    map_reader reader = {.arena = arena, .columns = columns, .options = options, .given = &given};
    char *text = NULL;
    size_t length = 0;
    bool empty = false;
    if (!options->mapping) return PU_OK;
    pu_status status = pu__file_read(options->mapping, FILE_BYTES_MAX, &text, &length);
    if (status != PU_OK) return pu_fail_within(status == PU_ERR_DATA ? PU_ERR_CONFIG : status, "--mapping");
    status = pu__yaml_open(&reader.yaml, options->mapping, true, text, length, &empty);
    if (status == PU_OK && !empty) status = read_document(&reader);
    pu__yaml_close(&reader.yaml);
    pu_free(text);
    return status;
}
