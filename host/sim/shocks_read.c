/* Reading scenarios. A shock's keys are gathered first, since its kind, which says what the others mean, may stand
 * anywhere among them. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/config/entry.h"
#include "host/data/store/digest.h"
#include "host/sim/shocks.h"
#include "plusultra/memory.h"

extern const char pu__scenarios_library[];

enum { FILE_BYTES_MAX = 1 << 20, SYMBOLS_MAX = 256, ABOUT_BYTES_MAX = 400 };

/* ---- what a kind takes ---- */

#define ALL_KINDS ((1u << PU__SHOCK_KINDS) - 1u)
#define BIT(kind) (1u << PU__SHOCK_##kind)
#define SHAPED (ALL_KINDS & ~BIT(FLASH_CRASH))

typedef struct field {
    const char *name;
    unsigned kinds;    /* that take it */
    unsigned required; /* that need it */
    pu__kind type;     /* PU__REAL, PU__INT, PU__WORD */
    const char *low, *high;
    double real_low, real_high;
    size_t offset;
} field;

#define REAL(name, kinds, required, low, high) \
    { #name, kinds, required, PU__REAL, #low, #high, low, high, offsetof(pu__shock, name) }
#define INT(name, kinds, low, high) \
    { #name, kinds, 0, PU__INT, #low, #high, low, high, offsetof(pu__shock, name) }

/* `size` has other limits for other kinds: the first row that fits counts. */
static const field fields[] = {
    REAL(size, BIT(GAP) | BIT(FLASH_CRASH), BIT(GAP) | BIT(FLASH_CRASH), -0.999, 10),
    REAL(size, BIT(VOLATILITY), BIT(VOLATILITY), 0, 100),
    REAL(size, BIT(REVERSAL), 0, -100, 100),
    REAL(size, BIT(CORRELATION), BIT(CORRELATION), 0, 1),
    REAL(volume, BIT(LIQUIDITY), 0, 0.000001, 1),
    REAL(spread, BIT(LIQUIDITY), 0, 1, 1000),
    REAL(recovery, BIT(FLASH_CRASH), 0, 0, 1),
    INT(recovery_bars, BIT(FLASH_CRASH), 1, 1000000),
    REAL(at, ALL_KINDS, 0, 0, 1),
    INT(at_bar, ALL_KINDS, 1, 16777216),
    INT(bars, ALL_KINDS, 1, 1000000),
};
enum { FIELDS = sizeof fields / sizeof *fields };

static const char *const own_names[] = {"kind", "shape", "assets"};
enum { OWN_NAMES = sizeof own_names / sizeof *own_names };

static const pu__shock defaults[PU__SHOCK_KINDS] = {
    [PU__SHOCK_GAP] = {.bars = 1},
    [PU__SHOCK_FLASH_CRASH] = {.bars = 1, .recovery = 1.0, .recovery_bars = 1},
    [PU__SHOCK_VOLATILITY] = {.bars = 20},
    [PU__SHOCK_REVERSAL] = {.size = -1.0, .bars = 60},
    [PU__SHOCK_CORRELATION] = {.bars = 20},
    [PU__SHOCK_LIQUIDITY] = {.volume = 0.1, .spread = 5.0, .bars = 20},
};

/* ---- reader ---- */

typedef struct entry {
    pu__entry keys;
    int symbol_count;
    const char *const *symbol;
} entry;

typedef struct reader {
    pu__yaml yaml;
    const char *source; /* arena */
    pu_arena *arena;
    pu__scenario *scenario; /* [PU__SCENARIOS_MAX] */
    int count;
    const char *where; /* name of the scenario being read, for messages */
} reader;

#define fail_here(r, ...) pu__yaml_fail(&(r)->yaml, pu__yaml_line(&(r)->yaml), __VA_ARGS__)

static yaml_event_type_t event_type(const reader *r) { return r->yaml.event.type; }

static pu_status fail_nearest(const reader *r, int64_t line, const char *what, const char *word, int count,
                              const char *const *names) {
    const char *nearest = pu__nearest(word, count, names);
    char all[256] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof all; ++i)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    if (nearest) return pu__yaml_fail(&r->yaml, line, "%s '%.60s'; did you mean %s?", what, word, nearest);
    return pu__yaml_fail(&r->yaml, line, "%s '%.60s'; there are %s", what, word, all);
}

static pu_status read_value(const reader *r, const pu__pair *from, const char *kind, pu__key *key, void *target) {
    return pu__entry_value(r->source, r->arena, kind, from, key, target);
}

static const field *find_field(const char *name, pu__shock_kind kind) {
    for (int i = 0; i < FIELDS; ++i) {
        if ((fields[i].kinds >> kind & 1u) && strcmp(fields[i].name, name) == 0) return &fields[i];
    }
    return NULL;
}

static pu_status fail_key(const reader *r, const pu__pair *from, pu__shock_kind kind) {
    const char *names[FIELDS + OWN_NAMES];
    char what[96];
    int count = 0;
    for (int i = 0; i < OWN_NAMES; ++i) {
        const bool applies = strcmp(own_names[i], "shape") == 0    ? (SHAPED >> kind & 1u) != 0
                             : strcmp(own_names[i], "assets") == 0 ? kind != PU__SHOCK_CORRELATION
                                                                   : true;
        if (applies) names[count++] = own_names[i];
    }
    for (int i = 0; i < FIELDS; ++i) {
        if (fields[i].kinds >> kind & 1u) names[count++] = fields[i].name;
    }
    snprintf(what, sizeof what, "unknown key of a shock of kind %s", pu__shock_kind_name(kind));
    return fail_nearest(r, from->line, what, from->key, count, names);
}

static pu_status read_shape(const reader *r, const pu__pair *from, pu__shock *shock) {
    static const char *const shapes[PU__SHAPE_COUNT] = {"step", "decay", "ramp", "triangle"};
    const char *word = NULL;
    pu__key key = {.kind = PU__WORD, .choices = "step|decay|ramp|triangle"};
    PU_TRY(read_value(r, from, pu__shock_kind_name(shock->kind), &key, &word));
    for (int i = 0; i < PU__SHAPE_COUNT; ++i) {
        if (strcmp(shapes[i], word) == 0) shock->shape = (pu__shock_shape)i;
    }
    return PU_OK;
}

static pu_status read_field(const reader *r, const pu__pair *from, pu__shock *shock) {
    const bool shape = strcmp(from->key, "shape") == 0;
    if (strcmp(from->key, "kind") == 0) return PU_OK;
    if (shape && (SHAPED >> shock->kind & 1u)) return read_shape(r, from, shock);
    const field *f = shape ? NULL : find_field(from->key, shock->kind);
    if (!f) return fail_key(r, from, shock->kind);
    pu__key key = {.kind = f->type,
                   .low_text = f->low,
                   .high_text = f->high,
                   .real_low = f->real_low,
                   .real_high = f->real_high,
                   .int_low = (int64_t)f->real_low,
                   .int_high = (int64_t)f->real_high};
    return read_value(r, from, pu__shock_kind_name(shock->kind), &key, (char *)shock + f->offset);
}

static pu_status find_kind(const reader *r, const entry *e, pu__shock_kind *out) {
    const char *names[PU__SHOCK_KINDS];
    const pu__pair *kind = pu__entry_find(&e->keys, "kind");
    if (!kind) return pu__yaml_fail(&r->yaml, e->keys.line, "%s: a shock needs a kind", r->where);
    for (int i = 0; i < PU__SHOCK_KINDS; ++i) {
        names[i] = pu__shock_kind_name((pu__shock_kind)i);
        if (strcmp(names[i], kind->text) == 0) {
            *out = (pu__shock_kind)i;
            return PU_OK;
        }
    }
    return fail_nearest(r, kind->line, "unknown kind of shock", kind->text, PU__SHOCK_KINDS, names);
}

static pu_status make_shock(const reader *r, const entry *e, pu__shock *shock) {
    pu__shock_kind kind = PU__SHOCK_GAP;
    PU_TRY(find_kind(r, e, &kind));
    *shock = defaults[kind];
    shock->kind = kind;
    shock->line = e->keys.line;
    shock->at = 0.5;
    shock->asset_count = e->symbol_count;
    shock->asset = e->symbol;
    for (int i = 0; i < e->keys.count; ++i) PU_TRY(read_field(r, &e->keys.pair[i], shock));
    for (int i = 0; i < FIELDS; ++i) {
        if ((fields[i].required >> kind & 1u) && !pu__entry_find(&e->keys, fields[i].name))
            return pu__yaml_fail(&r->yaml, e->keys.line, "%s: a shock of kind %s needs %s", r->where,
                                 pu__shock_kind_name(kind), fields[i].name);
    }
    if (pu__entry_find(&e->keys, "at") && pu__entry_find(&e->keys, "at_bar"))
        return pu__yaml_fail(&r->yaml, e->keys.line, "%s: at and at_bar exclude each other", r->where);
    if (kind == PU__SHOCK_CORRELATION && e->symbol_count > 0)
        return pu__yaml_fail(&r->yaml, e->keys.line, "%s: a correlation is of all assets: leave assets out",
                             r->where);
    return PU_OK;
}

/* ---- YAML ---- */

/* The current event is the list's start, and becomes its end. */
static pu_status read_symbols(reader *r, entry *e) {
    const char *list[SYMBOLS_MAX];
    int count = 0;
    if (event_type(r) != YAML_SEQUENCE_START_EVENT)
        return fail_here(r, "%s: assets expects a list: write [SPY, QQQ]", r->where);
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) break;
        if (event_type(r) != YAML_SCALAR_EVENT || *pu__yaml_scalar(&r->yaml) == '\0')
            return fail_here(r, "%s: assets expects symbols", r->where);
        for (int i = 0; i < count; ++i) {
            if (strcmp(list[i], pu__yaml_scalar(&r->yaml)) == 0)
                return fail_here(r, "%s: assets: '%.60s' is listed twice", r->where, list[i]);
        }
        if (count == SYMBOLS_MAX) return fail_here(r, "%s: more than %d assets", r->where, SYMBOLS_MAX);
        list[count] = pu_arena_strdup(r->arena, pu__yaml_scalar(&r->yaml));
        if (!list[count++]) return PU_ERR_MEMORY;
    }
    if (count == 0) return fail_here(r, "%s: assets is empty: leave it out to hit all", r->where);
    const char **copy = pu_arena_alloc(r->arena, (size_t)count * sizeof *copy);
    if (!copy) return PU_ERR_MEMORY;
    memcpy(copy, list, (size_t)count * sizeof *copy);
    e->symbol = copy;
    e->symbol_count = count;
    return PU_OK;
}

static pu_status read_pair(reader *r, entry *e, const char *key) {
    char where[PU__SCENARIO_NAME_BYTES + 2];
    snprintf(where, sizeof where, "%s: ", r->where);
    return pu__entry_add(&r->yaml, r->arena, where, "shock", &e->keys, key);
}

/* The key of a mapping's pair; the current event becomes its value. */
static pu_status read_key(reader *r, char key[64]) {
    if (event_type(r) != YAML_SCALAR_EVENT) return fail_here(r, "a key must be a word");
    if (snprintf(key, 64, "%s", pu__yaml_scalar(&r->yaml)) >= 64)
        return fail_here(r, "%.60s...: unknown key", key);
    return pu__yaml_next(&r->yaml);
}

/* The current event is the mapping's start, and becomes its end. */
static pu_status read_shock(reader *r, pu__shock *out) {
    entry e = {.keys.line = pu__yaml_line(&r->yaml)};
    if (event_type(r) != YAML_MAPPING_START_EVENT)
        return fail_here(r, "%s: shocks expects entries such as {kind: gap, size: -0.1}", r->where);
    for (;;) {
        char key[64];
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_MAPPING_END_EVENT) return make_shock(r, &e, out);
        PU_TRY(read_key(r, key));
        if (strcmp(key, "assets") != 0) PU_TRY(read_pair(r, &e, key));
        else if (e.symbol_count > 0) return fail_here(r, "%s: assets: duplicate key", r->where);
        else PU_TRY(read_symbols(r, &e));
    }
}

static pu_status read_shocks(reader *r, pu__scenario *scenario) {
    pu__shock shock[PU__SHOCKS_MAX];
    if (event_type(r) != YAML_SEQUENCE_START_EVENT)
        return fail_here(r, "%s: shocks expects a list such as - {kind: gap, size: -0.1}", r->where);
    for (int count = 0;; ++count) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) {
            pu__shock *copy = pu_arena_alloc(r->arena, (size_t)count * sizeof *copy);
            if (!copy) return PU_ERR_MEMORY;
            memcpy(copy, shock, (size_t)count * sizeof *copy);
            scenario->shock_count = count;
            scenario->shock = copy;
            return PU_OK;
        }
        if (count == PU__SHOCKS_MAX) return fail_here(r, "%s: more than %d shocks", r->where, PU__SHOCKS_MAX);
        PU_TRY(read_shock(r, &shock[count]));
    }
}

static pu_status read_name(reader *r, pu__scenario *scenario) {
    const char *name = event_type(r) == YAML_SCALAR_EVENT ? pu__yaml_scalar(&r->yaml) : "";
    const size_t length = strlen(name);
    if (length == 0 || length >= PU__SCENARIO_NAME_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
        return fail_here(r, "'%.60s' is no name of a scenario: 1 to %d lower-case letters, digits and _", name,
                         PU__SCENARIO_NAME_BYTES - 1);
    for (int i = 0; i < r->count; ++i) {
        if (strcmp(r->scenario[i].name, name) != 0) continue;
        if (i == 0) return fail_here(r, "%s is the market without a shock: choose another name", name);
        return fail_here(r, "%s: duplicate scenario, first given in line %lld", name,
                         (long long)r->scenario[i].line);
    }
    scenario->name = pu_arena_strdup(r->arena, name);
    r->where = scenario->name;
    return scenario->name ? PU_OK : PU_ERR_MEMORY;
}

static pu_status read_about(reader *r, pu__scenario *scenario) {
    static const pu__key key = {.section = "scenario", .name = "about", .kind = PU__TEXT};
    if (event_type(r) != YAML_SCALAR_EVENT) return fail_here(r, "%s: about expects a text", r->where);
    const size_t length = r->yaml.event.data.scalar.length;
    if (length > ABOUT_BYTES_MAX)
        return fail_here(r, "%s: about has %zu bytes: at most %d", r->where, length, ABOUT_BYTES_MAX);
    const pu__place place = {.source = r->source, .line = pu__yaml_line(&r->yaml), .key = &key};
    return pu__value_read(&place, pu__yaml_scalar(&r->yaml), length, pu__yaml_is_plain(&r->yaml), r->arena,
                          &scenario->about);
}

/* The current event is the mapping's start, and becomes its end. */
static pu_status read_scenario(reader *r) {
    static const char *const names[] = {"name", "about", "shocks"};
    if (r->count == PU__SCENARIOS_MAX) return fail_here(r, "more than %d scenarios", PU__SCENARIOS_MAX - 1);
    pu__scenario *scenario = &r->scenario[r->count];
    *scenario = (pu__scenario){.source = r->source, .line = pu__yaml_line(&r->yaml)};
    r->where = "a scenario";
    if (event_type(r) != YAML_MAPPING_START_EVENT)
        return fail_here(r, "scenarios: expects entries with name, about and shocks");
    for (;;) {
        char key[64];
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_MAPPING_END_EVENT) break;
        PU_TRY(read_key(r, key));
        const bool twice = (strcmp(key, names[0]) == 0 && scenario->name) ||
                           (strcmp(key, names[1]) == 0 && scenario->about) ||
                           (strcmp(key, names[2]) == 0 && scenario->shock);
        if (twice) return fail_here(r, "%s: %s: duplicate key", r->where, key);
        if (strcmp(key, names[0]) == 0) PU_TRY(read_name(r, scenario));
        else if (strcmp(key, names[1]) == 0) PU_TRY(read_about(r, scenario));
        else if (strcmp(key, names[2]) == 0) PU_TRY(read_shocks(r, scenario));
        else return fail_nearest(r, pu__yaml_line(&r->yaml), "unknown key of a scenario", key, 3, names);
    }
    if (!scenario->name) return pu__yaml_fail(&r->yaml, scenario->line, "a scenario needs a name");
    if (scenario->shock_count == 0)
        return pu__yaml_fail(&r->yaml, scenario->line, "%s: a scenario needs shocks", scenario->name);
    if (!scenario->about) scenario->about = "";
    ++r->count;
    return PU_OK;
}

static pu_status read_root(reader *r) {
    static const char *const names[] = {"scenarios"};
    char key[64];
    if (event_type(r) != YAML_MAPPING_START_EVENT) return fail_here(r, "expects `scenarios:`");
    PU_TRY(pu__yaml_next(&r->yaml));
    if (event_type(r) == YAML_MAPPING_END_EVENT) return fail_here(r, "expects `scenarios:`");
    PU_TRY(read_key(r, key));
    if (strcmp(key, names[0]) != 0) return fail_nearest(r, pu__yaml_line(&r->yaml), "unknown key", key, 1, names);
    if (event_type(r) != YAML_SEQUENCE_START_EVENT) return fail_here(r, "scenarios: expects a list");
    for (;;) {
        PU_TRY(pu__yaml_next(&r->yaml));
        if (event_type(r) == YAML_SEQUENCE_END_EVENT) break;
        PU_TRY(read_scenario(r));
    }
    PU_TRY(pu__yaml_next(&r->yaml));
    if (event_type(r) == YAML_MAPPING_END_EVENT) return PU_OK;
    return fail_here(r, "a file of scenarios holds `scenarios:` and nothing else");
}

static pu_status read_text(reader *r, const char *text, size_t length) {
    bool empty = false;
    r->scenario[r->count++] = (pu__scenario){
        .source = r->source, .name = PU__BASELINE, .about = "The market as it is, without a shock."};
    PU_TRY(pu__yaml_open(&r->yaml, r->source, true, text, length, &empty));
    if (!empty) {
        PU_TRY(read_root(r));
        PU_TRY(pu__yaml_end(&r->yaml, "library of scenarios"));
    }
    if (r->count > 1) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "%s: holds no scenario: list some under scenarios:", r->source);
}

pu_status pu__scenarios_parse(const char *source, const char *text, size_t length, pu__scenarios *out) {
    *out = (pu__scenarios){0};
    reader *r = pu_calloc(1, sizeof *r);
    if (!r) return PU_ERR_MEMORY;
    pu_status status = pu_arena_new(0, &out->arena);
    if (status == PU_OK) {
        r->arena = out->arena;
        r->source = pu_arena_strdup(out->arena, source);
        r->scenario = pu_arena_alloc(out->arena, PU__SCENARIOS_MAX * sizeof *r->scenario);
        if (!r->source || !r->scenario) status = PU_ERR_MEMORY;
    }
    if (status == PU_OK) {
        status = read_text(r, text, length);
        pu__yaml_close(&r->yaml);
    }
    out->scenario = r->scenario;
    out->count = r->count;
    if (status == PU_OK) pu__digest(text, length, out->digest);
    pu_free(r);
    return status;
}

pu_status pu__scenarios_read(const char *path, pu__scenarios *out) {
    char *text = NULL;
    size_t length = 0;
    *out = (pu__scenarios){0};
    if (!path)
        return pu__scenarios_parse("configs/scenarios.yaml", pu__scenarios_library, strlen(pu__scenarios_library),
                                   out);
    PU_TRY(pu__file_read(path, FILE_BYTES_MAX, &text, &length));
    const pu_status status = pu__scenarios_parse(path, text, length, out);
    pu_free(text);
    return status;
}

pu_status pu__scenarios_of(const pu_config *config, pu__scenarios *out) {
    const char *path = config->stress.library;
    const pu_status status = pu__scenarios_read(*path ? path : NULL, out);
    if (status == PU_OK || status == PU_ERR_MEMORY) return status;
    return pu_fail_within(PU_ERR_CONFIG, "stress.library");
}

void pu__scenarios_free(pu__scenarios *scenarios) {
    pu_arena_free(scenarios->arena);
    *scenarios = (pu__scenarios){0};
}

pu_status pu__scenarios_find(const pu__scenarios *scenarios, const char *name, int *out) {
    const char *names[PU__SCENARIOS_MAX];
    for (int i = 0; i < scenarios->count; ++i) {
        names[i] = scenarios->scenario[i].name;
        if (strcmp(names[i], name) != 0) continue;
        *out = i;
        return PU_OK;
    }
    const char *nearest = pu__nearest(name, scenarios->count, names);
    if (nearest) return pu_fail(PU_ERR_CONFIG, "there is no scenario '%.60s'; did you mean %s?", name, nearest);
    return pu_fail(PU_ERR_CONFIG, "there is no scenario '%.60s'; `plusultra stress --list` lists them", name);
}
