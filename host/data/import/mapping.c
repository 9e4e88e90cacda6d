#include "host/data/import/mapping.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/config/yaml.h"
#include "host/data/import/time_format.h"

enum { FILE_BYTES_MAX = 1 << 16, MISSING_MAX = 32, SKIP_MAX = 1000000, BAR_S_MAX = 31622400 };

typedef struct map_reader {
    pu__yaml yaml;
    pu_arena *arena;
    pu__mapping *out;
    const char *section, *key;
} map_reader;

typedef pu_status (*value_reader)(map_reader *reader, const char *text);

typedef struct map_key {
    const char *section, *name;
    value_reader read;
    bool list; /* or a single value */
    int role;  /* of a column; else -1 */
} map_key;

static pu_status fail(const map_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static pu_status fail(const map_reader *r, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return pu__yaml_fail(&r->yaml, pu__yaml_line(&r->yaml), "%s.%s: %s", r->section, r->key, text);
}

static pu_status copy_text(map_reader *r, const char *text, const char **out) {
    if (!*text) return fail(r, "is empty: leave the key out");
    *out = pu_arena_strdup(r->arena, text);
    return *out ? PU_OK : PU_ERR_MEMORY;
}

static pu_status one_of(map_reader *r, const char *text, int count, const char *const *words, int *out) {
    for (int i = 0; i < count; ++i) {
        if (strcmp(text, words[i]) != 0) continue;
        *out = i;
        return PU_OK;
    }
    const char *nearest = pu__nearest(text, count, words);
    char known[160] = "";
    for (int i = 0; i < count; ++i) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", words[i]);
    }
    return nearest ? fail(r, "expects one of %s, not '%.60s'; did you mean %s?", known, text, nearest)
                   : fail(r, "expects one of %s, not '%.60s'", known, text);
}

static pu_status read_bool(map_reader *r, const char *text, bool *out) {
    static const char *const words[] = {"false", "true"};
    int which = 0;
    PU_TRY(one_of(r, text, 2, words, &which));
    *out = which == 1;
    return PU_OK;
}

static pu_status read_number(map_reader *r, const char *text, double *out) {
    if (pu__parse_real((pu__text){text, strlen(text)}, out) && *out > 0 && *out <= 1e12) return PU_OK;
    return fail(r, "expects a positive number, not '%.60s'", text);
}

static pu_status read_delimiter(map_reader *r, const char *text) {
    const bool tab = strcmp(text, "tab") == 0 || strcmp(text, "\t") == 0;
    if (!tab && (strlen(text) != 1 || *text <= ' ' || *text > '~' || *text == '"'))
        return fail(r, "expects one printable character, or tab, not '%.20s'", text);
    return copy_text(r, tab ? "\t" : text, &r->out->delimiter);
}

static pu_status read_decimal(map_reader *r, const char *text) {
    return read_bool(r, text, &r->out->decimal_comma);
}
static pu_status read_header(map_reader *r, const char *text) { return read_bool(r, text, &r->out->has_header); }
static pu_status read_comment(map_reader *r, const char *text) { return copy_text(r, text, &r->out->comment); }
static pu_status read_table(map_reader *r, const char *text) { return copy_text(r, text, &r->out->table); }
static pu_status read_symbol(map_reader *r, const char *text) { return copy_text(r, text, &r->out->symbol); }
static pu_status read_periods(map_reader *r, const char *text) {
    PU_TRY(read_number(r, text, &r->out->periods_per_year));
    return r->out->periods_per_year <= BAR_S_MAX ? PU_OK : fail(r, "is more than a bar a second");
}
static pu_status read_scale(map_reader *r, const char *text) { return read_number(r, text, &r->out->price_scale); }

static pu_status read_currency(map_reader *r, const char *text) {
    if (strlen(text) > 8) return fail(r, "has at most 8 characters");
    return copy_text(r, text, &r->out->currency);
}

static pu_status read_skip(map_reader *r, const char *text) {
    int64_t *out = &r->out->skip_lines;
    if (pu__parse_integer((pu__text){text, strlen(text)}, out) && *out >= 0 && *out <= SKIP_MAX) return PU_OK;
    return fail(r, "expects a number of lines from 0 to %d, not '%.60s'", SKIP_MAX, text);
}

static pu_status read_missing(map_reader *r, const char *text) {
    pu__mapping *out = r->out;
    if (!out->missing) out->missing = pu_arena_alloc(r->arena, MISSING_MAX * sizeof *out->missing);
    if (!out->missing) return PU_ERR_MEMORY;
    if (out->missing_count == MISSING_MAX) return fail(r, "lists more than %d words", MISSING_MAX);
    const char **item = &out->missing[out->missing_count++];
    *item = pu_arena_strdup(r->arena, text);
    return *item ? PU_OK : PU_ERR_MEMORY;
}

static pu_status read_format(map_reader *r, const char *text) {
    static const struct {
        const char *name;
        int64_t units_per_s;
    } epochs[] = {{"unix_s", 1}, {"unix_ms", 1000}, {"unix_us", 1000000}, {"unix_ns", 1000000000}};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; ++i) {
        if (strcmp(text, epochs[i].name) != 0) continue;
        r->out->units_per_s = epochs[i].units_per_s;
        return PU_OK;
    }
    const char *problem = strchr(text, '%')
                              ? pu__time_format_check(text)
                              : "expects unix_s, unix_ms, unix_us, unix_ns, or a form such as %d.%m.%Y";
    return problem ? fail(r, "'%.60s' %s", text, problem) : copy_text(r, text, &r->out->time_format);
}

static pu_status read_zone(map_reader *r, const char *text) {
    pu__zone *zone = NULL;
    const int64_t line = pu__yaml_line(&r->yaml);
    const pu_status status = pu__zone_open(r->arena, text, &zone);
    r->out->zone = zone;
    if (status == PU_OK) return PU_OK;
    return pu_fail_within(status, "%s:%lld: time.zone", r->yaml.source, (long long)line);
}

static pu_status read_stamp(map_reader *r, const char *text) {
    static const char *const words[] = {"open", "close"};
    int which = 0;
    PU_TRY(one_of(r, text, 2, words, &which));
    r->out->stamp = which == 0 ? PU_IMPORT_STAMP_OPEN : PU_IMPORT_STAMP_CLOSE;
    return PU_OK;
}

static pu_status read_bar(map_reader *r, const char *text) {
    r->out->bar_s = pu_import_bar_length(text);
    return r->out->bar_s > 0 ? PU_OK : fail(r, "expects seconds, or 5m, 1h, 1d, 1w, 1mo, not '%.60s'", text);
}

static pu_status read_class(map_reader *r, const char *text) {
    static const char *const words[] = {"equity", "index", "future", "forex", "crypto", "synthetic"};
    int which = 0;
    PU_TRY(one_of(r, text, 6, words, &which));
    r->out->asset_class = words[which];
    return PU_OK;
}

static const map_key keys[] = {
    {"file", "delimiter", read_delimiter, false, -1},
    {"file", "decimal_comma", read_decimal, false, -1},
    {"file", "header", read_header, false, -1},
    {"file", "skip_lines", read_skip, false, -1},
    {"file", "comment", read_comment, false, -1},
    {"file", "missing", read_missing, true, -1},
    {"file", "table", read_table, false, -1},
    {"columns", "date", NULL, false, PU__ROLE_DATE},
    {"columns", "timestamp", NULL, false, PU__ROLE_DATE},
    {"columns", "time", NULL, false, PU__ROLE_CLOCK},
    {"columns", "open", NULL, false, PU__ROLE_OPEN},
    {"columns", "high", NULL, false, PU__ROLE_HIGH},
    {"columns", "low", NULL, false, PU__ROLE_LOW},
    {"columns", "close", NULL, false, PU__ROLE_CLOSE},
    {"columns", "adjusted", NULL, false, PU__ROLE_ADJUSTED},
    {"columns", "volume", NULL, false, PU__ROLE_VOLUME},
    {"columns", "symbol", NULL, false, PU__ROLE_SYMBOL},
    {"time", "format", read_format, false, -1},
    {"time", "zone", read_zone, false, -1},
    {"time", "stamp", read_stamp, false, -1},
    {"time", "bar", read_bar, false, -1},
    {"asset", "symbol", read_symbol, false, -1},
    {"asset", "class", read_class, false, -1},
    {"asset", "currency", read_currency, false, -1},
    {"asset", "periods_per_year", read_periods, false, -1},
    {"asset", "price_scale", read_scale, false, -1},
};
enum { KEYS = sizeof keys / sizeof *keys };

static const char *const sections[] = {"file", "columns", "time", "asset"};
enum { SECTIONS = sizeof sections / sizeof *sections };

static const map_key *find_key(const char *section, const char *name) {
    for (int i = 0; i < KEYS; ++i) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) return &keys[i];
    }
    return NULL;
}

static pu_status fail_unknown_key(const map_reader *r, const char *name) {
    const char *names[KEYS];
    int count = 0;
    for (int i = 0; i < KEYS; ++i) {
        if (strcmp(keys[i].section, r->section) == 0) names[count++] = keys[i].name;
    }
    const char *nearest = pu__nearest(name, count, names);
    const int64_t line = pu__yaml_line(&r->yaml);
    if (!nearest) {
        char known[160] = "";
        for (int i = 0; i < count; ++i) {
            const size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", names[i]);
        }
        return pu__yaml_fail(&r->yaml, line, "%s.%.60s: unknown key; known are %s", r->section, name, known);
    }
    return pu__yaml_fail(&r->yaml, line, "%s.%.60s: unknown key; did you mean %s.%s?", r->section, name,
                         r->section, nearest);
}

static pu_status set_column(map_reader *r, const map_key *key, const char *text) {
    const char **column = &r->out->column[key->role];
    if (*column) return fail(r, "the time's column is named already: date and timestamp are the same");
    return copy_text(r, text, column);
}

/* The current event is the value's first one. */
static pu_status read_value(map_reader *r, const map_key *key) {
    if (r->yaml.event.type == YAML_SEQUENCE_START_EVENT && key->list) {
        for (;;) {
            PU_TRY(pu__yaml_next(&r->yaml));
            if (r->yaml.event.type == YAML_SEQUENCE_END_EVENT) return PU_OK;
            if (r->yaml.event.type != YAML_SCALAR_EVENT) return fail(r, "lists hold words only");
            PU_TRY(key->read(r, pu__yaml_scalar(&r->yaml)));
        }
    }
    if (key->list) return fail(r, "expects a list: write [\"null\", \"NA\"]");
    if (r->yaml.event.type != YAML_SCALAR_EVENT) return fail(r, "expects a single value");
    if (pu__yaml_is_null(&r->yaml)) return fail(r, "has no value: leave the key out");
    const char *text = pu__yaml_scalar(&r->yaml);
    return key->role >= 0 ? set_column(r, key, text) : key->read(r, text);
}

static pu_status read_section(map_reader *r) {
    int64_t seen[KEYS] = {0};
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type == YAML_MAPPING_END_EVENT) return PU_OK;
        const int64_t line = pu__yaml_line(&r->yaml);
        if (r->yaml.event.type != YAML_SCALAR_EVENT)
            return pu__yaml_fail(&r->yaml, line, "%s: a key must be a word", r->section);
        const map_key *key = find_key(r->section, pu__yaml_scalar(&r->yaml));
        if (!key) return fail_unknown_key(r, pu__yaml_scalar(&r->yaml));
        r->key = key->name;
        if (seen[key - keys] > 0)
            return fail(r, "duplicate key, first given in line %lld", (long long)seen[key - keys]);
        seen[key - keys] = line;
        PU_TRY(pu__yaml_next(&r->yaml));
        PU_TRY(read_value(r, key));
    }
}

static pu_status read_sections(map_reader *r) {
    bool seen[SECTIONS] = {false};
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type == YAML_MAPPING_END_EVENT) return PU_OK;
        const int64_t line = pu__yaml_line(&r->yaml);
        if (r->yaml.event.type != YAML_SCALAR_EVENT)
            return pu__yaml_fail(&r->yaml, line, "a section's name must be a word");
        const char *name = pu__yaml_scalar(&r->yaml);
        int which = 0;
        while (which < SECTIONS && strcmp(sections[which], name) != 0) ++which;
        if (which == SECTIONS) {
            const char *nearest = pu__nearest(name, SECTIONS, sections);
            return pu__yaml_fail(&r->yaml, line, "%.60s: unknown section; %s%s?", name,
                                 nearest ? "did you mean " : "known are file, columns, time, asset; which is it",
                                 nearest ? nearest : "");
        }
        if (seen[which]) return pu__yaml_fail(&r->yaml, line, "%s: duplicate section", name);
        seen[which] = true;
        r->section = sections[which];
        PU_TRY(pu__yaml_next(&r->yaml));
        if (r->yaml.event.type == YAML_MAPPING_START_EVENT) PU_TRY(read_section(r));
        else if (r->yaml.event.type != YAML_SCALAR_EVENT || !pu__yaml_is_null(&r->yaml))
            return pu__yaml_fail(&r->yaml, line, "%s: is a section: expects keys below it", r->section);
    }
}

static pu_status read_document(map_reader *r) {
    if (r->yaml.event.type != YAML_MAPPING_START_EVENT) {
        return pu__yaml_fail(&r->yaml, pu__yaml_line(&r->yaml),
                             "expects sections such as `columns:` with keys below them");
    }
    PU_TRY(read_sections(r));
    return pu__yaml_end(&r->yaml, "mapping");
}

pu_status pu__mapping_new(pu_arena *arena, pu__mapping **out) {
    *out = pu_arena_alloc(arena, sizeof **out);
    if (!*out) return PU_ERR_MEMORY;
    (*out)->has_header = true;
    (*out)->price_scale = 1;
    return PU_OK;
}

pu_status pu__mapping_parse(pu_arena *arena, const char *source, const char *text, size_t length,
                            pu__mapping **out) {
    bool empty = false;
    PU_TRY(pu__mapping_new(arena, out));
    map_reader reader = {.arena = arena, .out = *out};
    pu_status status = pu__yaml_open(&reader.yaml, source, true, text, length, &empty);
    if (status == PU_OK && !empty) status = read_document(&reader);
    pu__yaml_close(&reader.yaml);
    return status;
}

pu_status pu__mapping_load(pu_arena *arena, const char *path, pu__mapping **out) {
    char *text = NULL;
    size_t length = 0;
    const pu_status read = pu__file_read(path, FILE_BYTES_MAX, &text, &length);
    if (read != PU_OK) return pu_fail_within(read == PU_ERR_DATA ? PU_ERR_CONFIG : read, "mapping");
    const char *source = pu_arena_strdup(arena, path);
    const pu_status status = source ? pu__mapping_parse(arena, source, text, length, out) : PU_ERR_MEMORY;
    pu_free(text);
    return status;
}

bool pu__mapping_has_columns(const pu__mapping *mapping) {
    for (int i = 0; i < PU__ROLE_COUNT; ++i) {
        if (mapping->column[i]) return true;
    }
    return false;
}

pu_status pu__mapping_columns(pu_arena *arena, const char *list, pu__mapping *mapping) {
    char *copy = pu_arena_strdup(arena, list);
    if (!copy) return PU_ERR_MEMORY;
    memset(mapping->column, 0, sizeof mapping->column);
    for (char *part = copy, *next = NULL; part; part = next) {
        next = strchr(part, ',');
        if (next) *next++ = '\0';
        char *column = strchr(part, '=');
        if (!column || !column[1])
            return pu_fail(PU_ERR_CONFIG, "--columns: write role=column, not '%.60s'", part);
        *column++ = '\0';
        const int role = pu__role_of((pu__text){part, strlen(part)});
        if (role < 0) {
            return pu_fail(
                PU_ERR_CONFIG,
                "--columns: '%.60s' is none of date, time, open, high, low, close, adjusted, volume, symbol",
                part);
        }
        if (mapping->column[role]) return pu_fail(PU_ERR_CONFIG, "--columns: %s is given twice", part);
        mapping->column[role] = column;
    }
    /* A lone "time" holds the whole time. */
    if (!mapping->column[PU__ROLE_DATE]) {
        mapping->column[PU__ROLE_DATE] = mapping->column[PU__ROLE_CLOCK];
        mapping->column[PU__ROLE_CLOCK] = NULL;
    }
    return PU_OK;
}
