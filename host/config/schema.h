/* The keys of config_keys.def as a table. */
#ifndef PU_HOST_CONFIG_SCHEMA_H
#define PU_HOST_CONFIG_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "plusultra/config.h"

typedef enum pu__kind {
    PU__INT = 0,
    PU__REAL,
    PU__BOOL,
    PU__TEXT,
    PU__WORD,
    PU__INTS,
    PU__REALS,
    PU__TEXTS
} pu__kind;

typedef struct pu__section {
    const char *name, *help;
} pu__section;

typedef struct pu__key {
    const char *section, *name, *help;
    pu__kind kind;
    size_t offset;        /* of the field in pu_config */
    const char *fallback; /* as text; items of a list separated by commas */
    const char *low_text, *high_text;
    int64_t int_low, int_high;  /* PU__INT, PU__INTS */
    double real_low, real_high; /* PU__REAL, PU__REALS */
    const char *choices;        /* PU__WORD */
} pu__key;

extern const pu__section pu__sections[];
extern const int pu__section_count;
extern const pu__key pu__keys[]; /* in the order of the sections */
extern const int pu__key_count;

/* Null when there is none. */
const pu__section *pu__find_section(const char *name);
const pu__key *pu__find_key(const char *section, const char *name);

/* The nearest name, or null: a section's, or a full "section.key" with the section's own keys preferred. */
const char *pu__nearest_section(const char *name);
const pu__key *pu__nearest_key(const char *section, const char *name);

#endif
