/* Reading a set of checks. An entry's keys are gathered first, since its name and kind, which say what the others mean,
 * may stand anywhere among them; a set that another extends is read before it, and entries of a known name change that
 * check. */
#include "host/data/validate/suite.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/config/entry.h"

enum { SYMBOLS_MAX = 4096, NAMES_MAX = PU__CHECKS_MAX };

extern const char pu__checks_common[], pu__checks_equity[], pu__checks_index[], pu__checks_future[],
    pu__checks_forex[], pu__checks_crypto[], pu__checks_synthetic[];

static const struct {
    const char *name, *text;
} builtins[] = {{"common", pu__checks_common},      {"equity", pu__checks_equity}, {"index", pu__checks_index},
                {"future", pu__checks_future},      {"forex", pu__checks_forex},   {"crypto", pu__checks_crypto},
                {"synthetic", pu__checks_synthetic}};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

int pu__builtin_count(void) { return BUILTINS; }
const char *pu__builtin_name(int index) { return builtins[index].name; }

typedef struct entry {
    pu__entry keys;
    int symbol_count; /* -1: not given */
    const char *const *symbol;
    int64_t symbols_line;
} entry;

typedef struct reader {
    pu__yaml yaml;
    const char *source;
    pu__suite *suite;
    bool extended;           /* the base was read */
    int64_t seen[NAMES_MAX]; /* line of this file's entry for each check of the suite; 0: none */
} reader;

#define fail_here(r, ...) pu__yaml_fail(&(r)->yaml, pu__yaml_line(&(r)->yaml), __VA_ARGS__)

static yaml_event_type_t event_type(const reader *r) { return r->yaml.event.type; }

static pu_status read_value(const reader *r, const pu__pair *from, const char *check, pu__key *key, void *target) {
    return pu__entry_value(r->source, r->suite->arena, check, from, key, target);
}

/* ---- one entry ---- */

static pu__check *find_check(const pu__suite *suite, const char *name) {
    for (int i = 0; i < suite->count; ++i) {
        if (strcmp(suite->check[i].name, name) == 0) return &suite->check[i];
    }
    return NULL;
}

static pu_status fail_kind(const reader *r, const pu__pair *from, const char *check) {
    const char *names[64];
    for (int i = 0; i < pu__check_kind_count(); ++i) names[i] = pu__check_kind_at(i)->name;
    const char *nearest = pu__nearest(from->text, pu__check_kind_count(), names);
    if (nearest) {
        return pu__yaml_fail(&r->yaml, from->line, "%s.kind: unknown kind '%.40s'; did you mean %s?", check,
                             from->text, nearest);
    }
    return pu__yaml_fail(&r->yaml, from->line, "%s.kind: unknown kind '%.40s'; docs/validation.md lists all",
                         check, from->text);
}

static pu_status fail_name(const reader *r, int64_t line, const char *name) {
    const char *names[NAMES_MAX];
    for (int i = 0; i < r->suite->count; ++i) names[i] = r->suite->check[i].name;
    const char *nearest = pu__nearest(name, r->suite->count, names);
    if (nearest) {
        return pu__yaml_fail(
            &r->yaml, line,
            "%.60s: has no kind, and the set it extends has no check of that name; did you mean %s?", name,
            nearest);
    }
    return pu__yaml_fail(&r->yaml, line,
                         "%.60s: a new check needs a kind; without one, the name has to be of the set it extends",
                         name);
}

/* The name, from the file into the check's room. */
static pu_status read_name(const reader *r, const entry *e, char out[PU_CHECK_NAME_BYTES]) {
    const pu__pair *name = pu__entry_find(&e->keys, "name");
    if (!name) return pu__yaml_fail(&r->yaml, e->keys.line, "a check needs a name");
    if (name->length == 0 || name->length >= PU_CHECK_NAME_BYTES ||
        strspn(name->text, "abcdefghijklmnopqrstuvwxyz0123456789_") != name->length) {
        return pu__yaml_fail(&r->yaml, name->line,
                             "'%.60s' is no name of a check: 1 to %d lower-case letters, digits and _", name->text,
                             PU_CHECK_NAME_BYTES - 1);
    }
    memcpy(out, name->text, name->length + 1);
    return PU_OK;
}

/* The check that an entry is about: one of the base, or a new one at its kind's defaults. */
static pu_status locate(reader *r, const entry *e, pu__check **out) {
    char name[PU_CHECK_NAME_BYTES];
    PU_TRY(read_name(r, e, name));
    pu__suite *suite = r->suite;
    pu__check *check = find_check(suite, name);
    const pu__pair *kind_pair = pu__entry_find(&e->keys, "kind");
    const pu__check_kind *kind = kind_pair ? pu__check_kind_find(kind_pair->text) : NULL;
    if (kind_pair && !kind) return fail_kind(r, kind_pair, name);
    if (check && r->seen[check - suite->check] > 0) {
        return pu__yaml_fail(&r->yaml, e->keys.line, "%s: duplicate check, first given in line %lld", name,
                             (long long)r->seen[check - suite->check]);
    }
    if (check && kind && kind != check->kind) {
        return pu__yaml_fail(&r->yaml, kind_pair->line,
                             "%s.kind: is %s in the set it extends, not %s: choose another name for a new check",
                             name, check->kind->name, kind->name);
    }
    if (!check && !kind) return fail_name(r, e->keys.line, name);
    if (!check) {
        if (suite->count == PU__CHECKS_MAX)
            return pu__yaml_fail(&r->yaml, e->keys.line, "more than %d checks", PU__CHECKS_MAX);
        check = &suite->check[suite->count++];
        *check = (pu__check){.kind = kind, .severity = PU_SEVERITY_WARNING, .enabled = true};
        memcpy(check->name, name, sizeof name);
        for (int i = 0; i < kind->parameter_count; ++i) check->value[i] = kind->parameter[i].fallback;
    }
    r->seen[check - suite->check] = e->keys.line;
    *out = check;
    return PU_OK;
}

static pu_status fail_key(const reader *r, const pu__pair *from, const pu__check *check) {
    const char *names[PU__PARAMETERS_MAX + 5] = {"name", "kind", "severity", "enabled", "symbols"};
    int count = 5;
    char all[256] = "none";
    size_t used = 0;
    for (int i = 0; i < check->kind->parameter_count; ++i) {
        names[count++] = check->kind->parameter[i].name;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[count - 1]);
    }
    const char *nearest = pu__nearest(from->key, count, names);
    if (nearest) {
        return pu__yaml_fail(&r->yaml, from->line, "%s.%s: unknown key; did you mean %s?", check->name, from->key,
                             nearest);
    }
    return pu__yaml_fail(&r->yaml, from->line, "%s.%s: unknown key; parameters of kind %s: %s", check->name,
                         from->key, check->kind->name, all);
}

static pu_status apply_parameter(const reader *r, const pu__pair *from, pu__check *check) {
    for (int i = 0; i < check->kind->parameter_count; ++i) {
        const pu__parameter *parameter = &check->kind->parameter[i];
        if (strcmp(parameter->name, from->key) != 0) continue;
        char low[32], high[32];
        snprintf(low, sizeof low, "%g", parameter->low);
        snprintf(high, sizeof high, "%g", parameter->high);
        pu__key key = {.kind = PU__REAL,
                       .low_text = low,
                       .high_text = high,
                       .real_low = parameter->low,
                       .real_high = parameter->high};
        return read_value(r, from, check->name, &key, &check->value[i]);
    }
    return fail_key(r, from, check);
}

static pu_status apply_entry(reader *r, const entry *e) {
    pu__check *check = NULL;
    PU_TRY(locate(r, e, &check));
    for (int i = 0; i < e->keys.count; ++i) {
        const pu__pair *from = &e->keys.pair[i];
        if (strcmp(from->key, "name") == 0 || strcmp(from->key, "kind") == 0) continue;
        if (strcmp(from->key, "severity") == 0) {
            const char *word = NULL;
            pu__key key = {.kind = PU__WORD, .choices = "note|warning|error"};
            PU_TRY(read_value(r, from, check->name, &key, &word));
            check->severity = word[0] == 'n'   ? PU_SEVERITY_NOTE
                              : word[0] == 'w' ? PU_SEVERITY_WARNING
                                               : PU_SEVERITY_ERROR;
        } else if (strcmp(from->key, "enabled") == 0) {
            pu__key key = {.kind = PU__BOOL};
            PU_TRY(read_value(r, from, check->name, &key, &check->enabled));
        } else {
            PU_TRY(apply_parameter(r, from, check));
        }
    }
    if (e->symbol_count < 0) return PU_OK;
    if (check->kind->store)
        return pu__yaml_fail(&r->yaml, e->symbols_line, "%s.symbols: %s looks at the store as a whole",
                             check->name, check->kind->name);
    check->symbol_count = e->symbol_count;
    check->symbol = e->symbol;
    check->symbols_line = e->symbols_line;
    return PU_OK;
}

/* ---- YAML ---- */

/* The current event is the list's start, and becomes its end. */
static pu_status read_symbols(reader *r, entry *e) {
    const char *list[SYMBOLS_MAX];
    int count = 0;
    e->symbols_line = pu__yaml_line(&r->yaml);
    if (event_type(r) != YAML_SEQUENCE_START_EVENT)
        return fail_here(r, "symbols: expects a list: write [AAPL, \"BRK*\"]");
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) break;
        if (event_type(r) != YAML_SCALAR_EVENT || pu__yaml_is_null(&r->yaml) || *pu__yaml_scalar(&r->yaml) == '\0')
            return fail_here(r, "symbols: expects symbols or patterns such as \"BRK*\"");
        if (count == SYMBOLS_MAX) return fail_here(r, "symbols: more than %d", SYMBOLS_MAX);
        list[count] = pu_arena_strdup(r->suite->arena, pu__yaml_scalar(&r->yaml));
        if (!list[count++]) return PU_ERR_MEMORY;
    }
    if (count == 0) return fail_here(r, "symbols: is empty: leave it out to look at all, or set enabled: false");
    const char **copy = pu_arena_alloc(r->suite->arena, (size_t)count * sizeof *copy);
    if (!copy) return PU_ERR_MEMORY;
    memcpy(copy, list, (size_t)count * sizeof *copy);
    e->symbol = copy;
    e->symbol_count = count;
    return PU_OK;
}

/* The current event is the mapping's start, and becomes its end. */
static pu_status read_entry(reader *r) {
    entry e = {.keys.line = pu__yaml_line(&r->yaml), .symbol_count = -1};
    if (event_type(r) != YAML_MAPPING_START_EVENT)
        return fail_here(r, "checks: expects entries such as {name: jump, kind: jump}");
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_MAPPING_END_EVENT) return apply_entry(r, &e);
        if (event_type(r) != YAML_SCALAR_EVENT) return fail_here(r, "a key must be a word");
        char key[64];
        if (snprintf(key, sizeof key, "%s", pu__yaml_scalar(&r->yaml)) >= (int)sizeof key)
            return fail_here(r, "%.60s...: unknown key", key);
        PU_TRY(pu__yaml_next(&r->yaml));
        if (strcmp(key, "symbols") != 0)
            PU_TRY(pu__entry_add(&r->yaml, r->suite->arena, "", "check", &e.keys, key));
        else if (e.symbol_count >= 0) return fail_here(r, "symbols: duplicate key");
        else PU_TRY(read_symbols(r, &e));
    }
}

static pu_status load(const char *source, const char *text, size_t length, pu__suite *suite);

static pu_status load_builtin(const char *name, pu__suite *suite) {
    char source[64];
    for (int i = 0; i < BUILTINS; ++i) {
        if (strcmp(builtins[i].name, name) != 0) continue;
        snprintf(source, sizeof source, "configs/checks/%s.yaml", name);
        return load(source, builtins[i].text, strlen(builtins[i].text), suite);
    }
    return pu_fail(PU_ERR_ARGUMENT, "there is no set of checks for the class '%s'", name);
}

static pu_status read_extends(reader *r) {
    const char *names[BUILTINS + 1] = {"asset_class"};
    for (int i = 0; i < BUILTINS; ++i) names[i + 1] = builtins[i].name;
    if (event_type(r) != YAML_SCALAR_EVENT) return fail_here(r, "extends: expects the name of a set");
    if (r->extended) return fail_here(r, "extends: duplicate key");
    if (r->suite->count > 0) return fail_here(r, "extends: has to stand before checks");
    r->extended = true;
    const char *name = pu__yaml_scalar(&r->yaml);
    for (int i = 0; i < BUILTINS + 1; ++i) {
        if (strcmp(names[i], name) == 0) return load_builtin(i == 0 ? r->suite->asset_class : names[i], r->suite);
    }
    const char *nearest = pu__nearest(name, BUILTINS + 1, names);
    return fail_here(r, "extends: unknown set '%.40s'; %s%s%s", name, nearest ? "did you mean " : "",
                     nearest ? nearest
                             : "there are asset_class, common, equity, index, future, forex, crypto and synthetic",
                     nearest ? "?" : "");
}

static pu_status read_checks(reader *r) {
    if (event_type(r) == YAML_SCALAR_EVENT && pu__yaml_is_null(&r->yaml)) return PU_OK;
    if (event_type(r) != YAML_SEQUENCE_START_EVENT)
        return fail_here(r, "checks: expects a list of entries such as - {name: jump, kind: jump}");
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) return PU_OK;
        PU_TRY(read_entry(r));
    }
}

static pu_status read_root(reader *r) {
    bool has_checks = false;
    if (event_type(r) == YAML_SCALAR_EVENT && pu__yaml_is_null(&r->yaml)) return PU_OK;
    if (event_type(r) != YAML_MAPPING_START_EVENT) return fail_here(r, "expects `extends:` and `checks:`");
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_MAPPING_END_EVENT) return PU_OK;
        if (event_type(r) != YAML_SCALAR_EVENT) return fail_here(r, "a key must be a word");
        static const char *const names[] = {"extends", "checks"};
        const char *name = pu__yaml_scalar(&r->yaml);
        const bool extends = strcmp(name, names[0]) == 0, checks = strcmp(name, names[1]) == 0;
        if (!extends && !checks) {
            const char *nearest = pu__nearest(name, 2, names);
            return fail_here(r, "%.60s: unknown key; %s%s", name, nearest ? "did you mean " : "there are ",
                             nearest ? nearest : "extends and checks");
        }
        if (checks && has_checks) return fail_here(r, "checks: duplicate key");
        has_checks |= checks;
        PU_TRY(pu__yaml_next(&r->yaml));
        PU_TRY(extends ? read_extends(r) : read_checks(r));
    }
}

static pu_status load(const char *source, const char *text, size_t length, pu__suite *suite) {
    reader *r = pu_calloc(1, sizeof *r);
    if (!r) return PU_ERR_MEMORY;
    r->source = source;
    r->suite = suite;
    bool empty = false;
    pu_status status = pu__yaml_open(&r->yaml, source, true, text, length, &empty);
    if (status == PU_OK && !empty) {
        status = read_root(r);
        if (status == PU_OK) status = pu__yaml_end(&r->yaml, "set of checks");
    }
    pu__yaml_close(&r->yaml);
    pu_free(r);
    return status;
}

pu_status pu__suite_load(const char *source, const char *text, size_t length, const char *asset_class,
                         pu__suite *out) {
    *out = (pu__suite){.count = 0};
    snprintf(out->asset_class, sizeof out->asset_class, "%s", asset_class);
    pu_status status = pu_arena_new(0, &out->arena);
    if (status == PU_OK) {
        out->check = pu_arena_alloc(out->arena, PU__CHECKS_MAX * sizeof *out->check);
        if (!out->check) status = PU_ERR_MEMORY;
    }
    if (status == PU_OK) status = text ? load(source, text, length, out) : load_builtin(asset_class, out);
    if (status == PU_OK && out->count == 0)
        status = pu_fail(PU_ERR_CONFIG,
                         "%s: holds no check: list some under checks:, or write extends: asset_class", source);
    if (status != PU_OK) pu__suite_free(out);
    return status;
}

void pu__suite_free(pu__suite *suite) {
    pu_arena_free(suite->arena);
    *suite = (pu__suite){0};
}

bool pu__check_covers(const pu__check *check, const char *symbol) {
    for (int i = 0; i < check->symbol_count; ++i) {
        if (fnmatch(check->symbol[i], symbol, 0) == 0) return true;
    }
    return check->symbol_count == 0;
}
