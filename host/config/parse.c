/* The configuration's YAML: sections that hold keys that hold scalars or flat lists. A file is at most 1 MiB and the
 * grammar has three levels, so memory and depth are bounded. */
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/config/check.h"
#include "host/config/schema.h"
#include "host/config/value.h"
#include "host/config/yaml.h"

enum { FILE_BYTES_MAX = 1 << 20, OVERRIDE_BYTES_MAX = 1 << 16, FROM_OVERRIDE = -1, SECTIONS_MAX = 64 };

typedef struct reader {
    pu__yaml yaml;
    const char *source; /* null: an override of `key` */
    const pu__key *key;
    pu_config *config;
    int64_t *lines; /* [pu__key_count], as pu__config_check takes them */
} reader;

#define fail_at(r, ...) pu__yaml_fail(&(r)->yaml, pu__yaml_line(&(r)->yaml), __VA_ARGS__)

static pu_status advance(reader *r) { return pu__yaml_next(&r->yaml); }

static yaml_event_type_t event_type(const reader *r) { return r->yaml.event.type; }

static const char *scalar_text(const reader *r) { return pu__yaml_scalar(&r->yaml); }

static bool is_null(const reader *r) { return pu__yaml_is_null(&r->yaml); }

static pu__place place_here(const reader *r, const pu__key *key) {
    return (pu__place){.source = r->source, .line = pu__yaml_line(&r->yaml), .key = key};
}

static pu_status read_scalar(const reader *r, const pu__place *place, void *target) {
    return pu__value_read(place, scalar_text(r), r->yaml.event.data.scalar.length, pu__yaml_is_plain(&r->yaml),
                          r->config->arena, target);
}

/* Reads the items of a list; the current event is the list's start, and becomes its end. */
static pu_status read_items(reader *r, const pu__key *key) {
    const size_t item_bytes = pu__value_bytes(key->kind);
    size_t capacity = 16;
    int64_t count = 0;
    char *items = pu_calloc(capacity, item_bytes);
    pu_status status = items ? PU_OK : PU_ERR_MEMORY;
    while (status == PU_OK) {
        PU_TRY_GOTO(status, advance(r), out);
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) break;
        pu__place place = place_here(r, key);
        place.item = count + 1;
        if (event_type(r) != YAML_SCALAR_EVENT) {
            status = pu__value_fail(&place, "lists hold values only, not lists or sections");
            break;
        }
        if ((size_t)count == capacity) {
            char *grown = pu_regrow(items, capacity * item_bytes, 2 * capacity * item_bytes);
            if (!grown) {
                status = PU_ERR_MEMORY;
                break;
            }
            items = grown;
            capacity *= 2;
        }
        status = read_scalar(r, &place, items + (size_t)count * item_bytes);
        count += 1;
    }
    if (status == PU_OK) status = pu__value_set_list(key, r->config, count, items);
out:
    pu_free(items);
    return status;
}

/* The current event is the value's first one. */
static pu_status read_value(reader *r, const pu__key *key) {
    const pu__place place = place_here(r, key);
    const bool list = pu__kind_is_list(key->kind);
    switch (event_type(r)) {
    case YAML_SEQUENCE_START_EVENT:
        return list ? read_items(r, key) : pu__value_fail(&place, "expects a single value, not a list");
    case YAML_MAPPING_START_EVENT:
        return pu__value_fail(&place, "expects a %s, not further keys", list ? "list" : "single value");
    default: break;
    }
    if (list) return pu__value_fail(&place, "expects a list: write [%s]", is_null(r) ? "" : scalar_text(r));
    return read_scalar(r, &place, (char *)r->config + key->offset);
}

static pu_status fail_unknown_key(const reader *r, const char *section, const char *name) {
    const pu__key *nearest = pu__nearest_key(section, name);
    if (!nearest) return fail_at(r, "%s.%.60s: unknown key; `plusultra show-config` lists all", section, name);
    return fail_at(r, "%s.%.60s: unknown key; did you mean %s.%s?", section, name, nearest->section,
                   nearest->name);
}

static pu_status read_section(reader *r, const pu__section *section) {
    for (;;) {
        PU_TRY(advance(r));
        if (event_type(r) == YAML_MAPPING_END_EVENT) return PU_OK;
        if (event_type(r) != YAML_SCALAR_EVENT) return fail_at(r, "%s: a key must be a word", section->name);
        const pu__key *key = pu__find_key(section->name, scalar_text(r));
        if (!key) return fail_unknown_key(r, section->name, scalar_text(r));
        int64_t *line = &r->lines[key - pu__keys];
        if (*line > 0) {
            return fail_at(r, "%s.%s: duplicate key, first given in line %lld", section->name, key->name,
                           (long long)*line);
        }
        *line = pu__yaml_line(&r->yaml);
        PU_TRY(advance(r));
        PU_TRY(read_value(r, key));
    }
}

static pu_status fail_unknown_section(const reader *r) {
    const char *name = scalar_text(r);
    const char *nearest = pu__nearest_section(name);
    if (nearest) return fail_at(r, "%.60s: unknown section; did you mean %s?", name, nearest);
    const pu__key *key = pu__nearest_key("", name);
    if (!key) return fail_at(r, "%.60s: unknown section; `plusultra show-config` lists all", name);
    return fail_at(r, "%.60s: unknown section; did you mean the key %s, which stands under %s:?", name, key->name,
                   key->section);
}

/* The current event is the start of the outermost mapping. */
static pu_status read_sections(reader *r) {
    int64_t seen[SECTIONS_MAX] = {0}; /* line of each section */
    for (;;) {
        PU_TRY(advance(r));
        if (event_type(r) == YAML_MAPPING_END_EVENT) return PU_OK;
        if (event_type(r) != YAML_SCALAR_EVENT) return fail_at(r, "a section's name must be a word");
        const pu__section *section = pu__find_section(scalar_text(r));
        if (!section) return fail_unknown_section(r);
        int64_t *line = &seen[section - pu__sections];
        if (*line > 0)
            return fail_at(r, "%s: duplicate section, first given in line %lld", section->name, (long long)*line);
        *line = pu__yaml_line(&r->yaml);
        PU_TRY(advance(r));
        if (event_type(r) == YAML_MAPPING_START_EVENT) {
            PU_TRY(read_section(r, section));
        } else if (event_type(r) != YAML_SCALAR_EVENT ||
                   !is_null(r)) { /* a section whose keys are all commented out is null */
            return fail_at(r, "%s: is a section: expects keys below it", section->name);
        }
    }
}

static pu_status read_root(reader *r) {
    if (!r->source) return read_value(r, r->key);
    if (event_type(r) == YAML_MAPPING_START_EVENT) return read_sections(r);
    if (event_type(r) == YAML_SCALAR_EVENT && is_null(r)) return PU_OK;
    return fail_at(r, "expects sections such as `train:` with keys below them");
}

static pu_status read_text(reader *r, const char *text, size_t length) {
    char override[160];
    if (!r->source) snprintf(override, sizeof override, "--set %s.%s", r->key->section, r->key->name);
    bool empty = false;
    pu_status status =
        pu__yaml_open(&r->yaml, r->source ? r->source : override, r->source != NULL, text, length, &empty);
    if (status == PU_OK && empty && !r->source) status = fail_at(r, "has no value");
    if (status == PU_OK && !empty) {
        status = read_root(r);
        if (status == PU_OK) status = pu__yaml_end(&r->yaml, "experiment");
    }
    pu__yaml_close(&r->yaml);
    return status;
}

static pu_status set_defaults(pu_config *config) {
    for (int i = 0; i < pu__key_count; ++i) {
        const pu__key *key = &pu__keys[i];
        pu_status status = PU_OK;
        if (pu__kind_is_list(key->kind)) {
            char *flow = pu_arena_printf(config->arena, "[%s]", key->fallback);
            if (!flow) return PU_ERR_MEMORY;
            reader r = {.key = key, .config = config};
            status = read_text(&r, flow, strlen(flow));
        } else {
            const pu__place place = {.source = "config_keys.def", .key = key};
            const bool quoted = key->kind == PU__TEXT;
            status = pu__value_read(&place, key->fallback, strlen(key->fallback), !quoted, config->arena,
                                    (char *)config + key->offset);
        }
        if (status != PU_OK) return pu_fail_within(status, "default");
    }
    return PU_OK;
}

static pu_status fail_override(const char *override, const char *problem) {
    return pu_fail(PU_ERR_CONFIG, "--set %.80s: %s", override, problem);
}

/* "section.key=value" */
static pu_status apply_override(pu_config *config, const char *override, int64_t *lines) {
    char name[128];
    const size_t length = strcspn(override, "=");
    if (override[length] != '=') return fail_override(override, "write --set section.key=value");
    if (length >= sizeof name) return fail_override(override, "unknown key");
    memcpy(name, override, length);
    name[length] = '\0';
    char *dot = strchr(name, '.');
    if (!dot) {
        const pu__key *meant = pu__nearest_key("", name);
        if (!meant) return fail_override(name, "write --set section.key=value");
        return pu_fail(PU_ERR_CONFIG, "--set %s: write section.key; did you mean %s.%s?", name, meant->section,
                       meant->name);
    }
    *dot = '\0';
    const pu__key *key = pu__find_key(name, dot + 1);
    if (!key) {
        const char *section = pu__find_section(name) ? NULL : pu__nearest_section(name);
        const pu__key *nearest = pu__nearest_key(section ? section : name, dot + 1);
        if (!nearest)
            return pu_fail(PU_ERR_CONFIG, "--set %s.%s: unknown key; `plusultra show-config` lists all", name,
                           dot + 1);
        return pu_fail(PU_ERR_CONFIG, "--set %s.%s: unknown key; did you mean %s.%s?", name, dot + 1,
                       nearest->section, nearest->name);
    }
    const char *value = override + length + 1;
    const size_t bytes = strlen(value);
    const pu__place place = {.key = key};
    if (bytes > OVERRIDE_BYTES_MAX)
        return pu__value_fail(&place, "has %zu bytes, at most %d are accepted", bytes, OVERRIDE_BYTES_MAX);
    lines[key - pu__keys] = FROM_OVERRIDE;
    if (bytes == 0 && pu__kind_is_list(key->kind)) return pu__value_set_list(key, config, 0, NULL);
    if (bytes == 0)
        return pu__value_read(&place, "", 0, key->kind != PU__TEXT, config->arena, (char *)config + key->offset);
    reader r = {.key = key, .config = config};
    return read_text(&r, value, bytes);
}

static pu_status fill(pu_config *config, const char *text, size_t length, const char *source, int override_count,
                      const char *const *overrides) {
    int64_t *lines = pu_arena_alloc(config->arena, (size_t)pu__key_count * sizeof *lines);
    if (!lines) return PU_ERR_MEMORY;
    PU_TRY(set_defaults(config));
    reader r = {.source = source, .config = config, .lines = lines};
    PU_TRY(read_text(&r, text, length));
    for (int i = 0; i < override_count; ++i) PU_TRY(apply_override(config, overrides[i], lines));
    return pu__config_check(config, source, lines);
}

pu_status pu_config_parse(const char *text, int64_t length, const char *source, int override_count,
                          const char *const *overrides, pu_config **out) {
    *out = NULL;
    if (length > FILE_BYTES_MAX) {
        return pu_fail(PU_ERR_CONFIG, "%s: has %lld bytes, a configuration has at most %d", source,
                       (long long)length, FILE_BYTES_MAX);
    }
    pu_config *config = pu_calloc(1, sizeof *config);
    if (!config) return PU_ERR_MEMORY;
    pu_status status = pu_arena_new(0, &config->arena);
    if (status == PU_OK) status = fill(config, text, (size_t)length, source, override_count, overrides);
    if (status != PU_OK) {
        pu_config_free(config);
        return status;
    }
    *out = config;
    return PU_OK;
}

pu_status pu_config_load(const char *path, int override_count, const char *const *overrides, pu_config **out) {
    *out = NULL;
    if (!path) return pu_config_parse("", 0, "defaults", override_count, overrides, out);
    char *text = NULL;
    size_t length = 0;
    const pu_status read = pu__file_read(path, FILE_BYTES_MAX, &text, &length);
    if (read != PU_OK) return read == PU_ERR_DATA ? pu_fail_within(PU_ERR_CONFIG, "configuration") : read;
    const pu_status status = pu_config_parse(text, (int64_t)length, path, override_count, overrides, out);
    pu_free(text);
    return status;
}

void pu_config_free(pu_config *config) {
    if (!config) return;
    pu_arena_free(config->arena);
    pu_free(config);
}
