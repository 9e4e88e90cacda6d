#include "host/config/entry.h"

#include <stdio.h>
#include <string.h>

const pu__pair *pu__entry_find(const pu__entry *entry, const char *key) {
    for (int i = 0; i < entry->count; ++i) {
        if (strcmp(entry->pair[i].key, key) == 0) return &entry->pair[i];
    }
    return NULL;
}

pu_status pu__entry_add(pu__yaml *yaml, pu_arena *arena, const char *where, const char *what, pu__entry *entry,
                        const char *key) {
    const int64_t line = pu__yaml_line(yaml);
    if (pu__entry_find(entry, key)) return pu__yaml_fail(yaml, line, "%s%.60s: duplicate key", where, key);
    if (yaml->event.type != YAML_SCALAR_EVENT)
        return pu__yaml_fail(yaml, line, "%s%.60s: expects a single value", where, key);
    if (entry->count == PU__ENTRY_KEYS_MAX)
        return pu__yaml_fail(yaml, line, "%s%.60s: too many keys in one %s", where, key, what);
    pu__pair *to = &entry->pair[entry->count++];
    snprintf(to->key, sizeof to->key, "%s", key);
    to->length = yaml->event.data.scalar.length;
    to->plain = pu__yaml_is_plain(yaml);
    to->line = line;
    if (strlen(pu__yaml_scalar(yaml)) != to->length)
        return pu__yaml_fail(yaml, line, "%s%.60s: control characters are not accepted", where, key);
    to->text = pu_arena_strdup(arena, pu__yaml_scalar(yaml));
    return to->text ? PU_OK : PU_ERR_MEMORY;
}

pu_status pu__entry_value(const char *source, pu_arena *arena, const char *section, const pu__pair *pair,
                          pu__key *key, void *target) {
    key->section = section;
    key->name = pair->key;
    const pu__place place = {.source = source, .line = pair->line, .key = key};
    return pu__value_read(&place, pair->text, pair->length, pair->plain, arena, target);
}
