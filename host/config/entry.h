/* Entries of strict YAML files that hold lists of mappings, such as checks and shocks: the pairs of one mapping as they
 * stand in the file, to be read when it is known what the entry is about. */
#ifndef PU_HOST_CONFIG_ENTRY_H
#define PU_HOST_CONFIG_ENTRY_H

#include "host/config/value.h"
#include "host/config/yaml.h"

enum { PU__ENTRY_KEYS_MAX = 16 };

/* A scalar of an entry. */
typedef struct pu__pair {
    char key[64];
    const char *text; /* arena */
    size_t length;
    bool plain;
    int64_t line;
} pu__pair;

/* Begun with its line, and count 0. */
typedef struct pu__entry {
    int64_t line;
    int count;
    pu__pair pair[PU__ENTRY_KEYS_MAX];
} pu__entry;

/* Null where the entry has no such key. */
const pu__pair *pu__entry_find(const pu__entry *entry, const char *key);

/* Takes the key's value, which is the current event; its text is copied to the arena. PU_ERR_CONFIG with file and line:
 * a key given twice, a value that is no scalar, control characters, too many keys. `where` begins the message, such as
 * "flash_crash: " or ""; `what` is what the file lists, such as "check". */
pu_status pu__entry_add(pu__yaml *yaml, pu_arena *arena, const char *where, const char *what, pu__entry *entry,
                        const char *key);

/* One scalar by the rules of the configuration: numbers are decimal and finite, words are among their choices. `source`
 * is the file, `section` stands before the key in messages. Fills in section and name of `key`, whose kind and limits
 * the caller gives. */
pu_status pu__entry_value(const char *source, pu_arena *arena, const char *section, const pu__pair *pair,
                          pu__key *key, void *target);

#endif
