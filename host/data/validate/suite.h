/* A suite: the checks that one asset class has to pass, from the built-in YAML sets and the user's. */
#ifndef PU_HOST_DATA_VALIDATE_SUITE_H
#define PU_HOST_DATA_VALIDATE_SUITE_H

#include "host/data/validate/kinds.h"
#include "plusultra/memory.h"

enum { PU__CHECKS_MAX = 256, PU__CHECKS_FILE_BYTES_MAX = 1 << 20 };

typedef struct pu__suite {
    char asset_class[16];
    int count;
    pu__check *check; /* in the order in which they were first listed, those switched off too */
    pu_arena *arena;
} pu__suite;

/* `text` null: the built-in set of the class. `source` names the text in messages. */
pu_status pu__suite_load(const char *source, const char *text, size_t length, const char *asset_class,
                         pu__suite *out);
void pu__suite_free(pu__suite *suite); /* accepts a zeroed one */

/* Whether a check looks at a symbol: its patterns are shell globs (fnmatch). */
bool pu__check_covers(const pu__check *check, const char *symbol);

/* Names of the built-in sets, in the order of the reference. */
int pu__builtin_count(void);
const char *pu__builtin_name(int index);

#endif
