#include "host/config/schema.h"

#include <string.h>

#include "host/base/nearest.h"

enum { NAMES_MAX = 512 };

const pu__section pu__sections[] = {
#define PU_SECTION(section, help) {#section, help},
#define PU_SECTION_END(section)
#define PU_INT(section, name, fallback, low, high, help)
#define PU_REAL(section, name, fallback, low, high, help)
#define PU_BOOL(section, name, fallback, help)
#define PU_TEXT(section, name, fallback, help)
#define PU_WORD(section, name, fallback, choices, help)
#define PU_INTS(section, name, fallback, low, high, help)
#define PU_REALS(section, name, fallback, low, high, help)
#define PU_TEXTS(section, name, fallback, help)
#include "plusultra/config_keys.def"
};
const int pu__section_count = sizeof pu__sections / sizeof pu__sections[0];

#define KEY_START(key_section, key_name, key_kind, text, about)   \
    .section = #key_section, .name = #key_name, .kind = key_kind, \
    .offset = offsetof(pu_config, key_section.key_name), .fallback = text, .help = about
#define INT_LIMITS(low, high) .int_low = low, .int_high = high, .low_text = #low, .high_text = #high
#define REAL_LIMITS(low, high) .real_low = low, .real_high = high, .low_text = #low, .high_text = #high

const pu__key pu__keys[] = {
#define PU_SECTION(section, help)
#define PU_SECTION_END(section)
#define PU_INT(section, name, value, low, high, help) \
    {KEY_START(section, name, PU__INT, #value, help), INT_LIMITS(low, high)},
#define PU_REAL(section, name, value, low, high, help) \
    {KEY_START(section, name, PU__REAL, #value, help), REAL_LIMITS(low, high)},
#define PU_BOOL(section, name, value, help) {KEY_START(section, name, PU__BOOL, #value, help)},
#define PU_TEXT(section, name, value, help) {KEY_START(section, name, PU__TEXT, value, help)},
#define PU_WORD(section, name, value, words, help) \
    {KEY_START(section, name, PU__WORD, value, help), .choices = words},
#define PU_INTS(section, name, value, low, high, help) \
    {KEY_START(section, name, PU__INTS, value, help), INT_LIMITS(low, high)},
#define PU_REALS(section, name, value, low, high, help) \
    {KEY_START(section, name, PU__REALS, value, help), REAL_LIMITS(low, high)},
#define PU_TEXTS(section, name, value, help) {KEY_START(section, name, PU__TEXTS, value, help)},
#include "plusultra/config_keys.def"
};
const int pu__key_count = sizeof pu__keys / sizeof pu__keys[0];
_Static_assert(sizeof pu__keys / sizeof pu__keys[0] <= NAMES_MAX, "raise NAMES_MAX");

const pu__section *pu__find_section(const char *name) {
    for (int i = 0; i < pu__section_count; ++i) {
        if (strcmp(pu__sections[i].name, name) == 0) return &pu__sections[i];
    }
    return NULL;
}

const pu__key *pu__find_key(const char *section, const char *name) {
    for (int i = 0; i < pu__key_count; ++i) {
        if (strcmp(pu__keys[i].section, section) == 0 && strcmp(pu__keys[i].name, name) == 0) return &pu__keys[i];
    }
    return NULL;
}

const char *pu__nearest_section(const char *name) {
    const char *names[NAMES_MAX];
    for (int i = 0; i < pu__section_count; ++i) names[i] = pu__sections[i].name;
    return pu__nearest(name, pu__section_count, names);
}

/* Searches the keys of one section, or those of all others. */
static const pu__key *nearest_among(const char *section, const char *name, bool within) {
    const char *names[NAMES_MAX];
    const pu__key *keys[NAMES_MAX];
    int count = 0;
    for (int i = 0; i < pu__key_count; ++i) {
        if ((strcmp(pu__keys[i].section, section) == 0) != within) continue;
        keys[count] = &pu__keys[i];
        names[count++] = pu__keys[i].name;
    }
    const char *found = pu__nearest(name, count, names);
    for (int i = 0; found && i < count; ++i) {
        if (names[i] == found) return keys[i];
    }
    return NULL;
}

const pu__key *pu__nearest_key(const char *section, const char *name) {
    for (int i = 0; i < pu__key_count; ++i) {
        if (strcmp(pu__keys[i].name, name) == 0) return &pu__keys[i];
    }
    const pu__key *own = nearest_among(section, name, true);
    return own ? own : nearest_among(section, name, false);
}
