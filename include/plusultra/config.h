/* Configuration of one experiment: strict YAML, overrides, defaults, and the effective configuration as text.
 *
 * Errors name file, line and key, and the nearest valid key: PU_ERR_CONFIG. Aliases and anchors are refused; files
 * above 1 MiB, nesting above 8, and duplicate keys are errors. */
#ifndef PLUSULTRA_CONFIG_H
#define PLUSULTRA_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_int_list {
    int count;
    const int64_t *value;
} pu_int_list;
typedef struct pu_real_list {
    int count;
    const double *value;
} pu_real_list;
typedef struct pu_text_list {
    int count;
    const char *const *value;
} pu_text_list;

/* One member struct per section, one field per key: config->train.lr. Strings and lists are owned by the
 * configuration. */
typedef struct pu_config {
#define PU_SECTION(section, help) struct {
#define PU_SECTION_END(section) \
    }                           \
    section;
#define PU_INT(section, name, fallback, low, high, help) int64_t name;
#define PU_REAL(section, name, fallback, low, high, help) double name;
#define PU_BOOL(section, name, fallback, help) bool name;
#define PU_TEXT(section, name, fallback, help) const char *name;
#define PU_WORD(section, name, fallback, choices, help) const char *name;
#define PU_INTS(section, name, fallback, low, high, help) pu_int_list name;
#define PU_REALS(section, name, fallback, low, high, help) pu_real_list name;
#define PU_TEXTS(section, name, fallback, help) pu_text_list name;
#include "plusultra/config_keys.def"
    struct pu_arena *arena; /* internal */
} pu_config;

/* `path` may be null: defaults only. `overrides`: strings "section.key=value" (value in YAML flow syntax), applied
 * after the file. Relations between keys are checked here too. The caller frees. */
pu_status pu_config_load(const char *path, int override_count, const char *const *overrides, pu_config **out);
/* The same from text; `source` names it in messages. */
pu_status pu_config_parse(const char *text, int64_t length, const char *source, int override_count,
                          const char *const *overrides, pu_config **out);
void pu_config_free(pu_config *config); /* accepts null */

/* The effective configuration as YAML, every key, in the order of config_keys.def; parsing it gives the same
 * configuration back. The caller frees with pu_free. Null when memory is short. */
char *pu_config_text(const pu_config *config);

/* Markdown reference of all keys, for docs/configuration.md. The caller frees with pu_free. */
char *pu_config_reference(void);

#ifdef __cplusplus
}
#endif
#endif
