/* One configuration value: from text, to text. */
#ifndef PU_HOST_CONFIG_VALUE_H
#define PU_HOST_CONFIG_VALUE_H

#include "host/base/buffer.h"
#include "host/config/schema.h"
#include "plusultra/memory.h"

/* Where a value stands, for messages: "exp.yaml:12: train.lr: ..." or "--set train.lr: ...". */
typedef struct pu__place {
    const char *source; /* file; null: an override */
    int64_t line;       /* from 1 */
    const pu__key *key;
    int64_t item; /* of a list, from 1; 0: not an item */
} pu__place;

pu_status pu__value_fail(const pu__place *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads one scalar, or one item of a list, into *target (int64_t, double, bool or const char *). `plain`: written
 * without quotes. Text is copied to the arena. */
pu_status pu__value_read(const pu__place *place, const char *text, size_t length, bool plain, pu_arena *arena,
                         void *target);

/* The bytes of one scalar or list item of this kind. */
size_t pu__value_bytes(pu__kind kind);
bool pu__kind_is_list(pu__kind kind);

/* Points the list field of a key at `count` items, which are copied to the arena. */
pu_status pu__value_set_list(const pu__key *key, pu_config *config, int64_t count, const void *items);

/* Appends the key's value in YAML flow syntax. */
void pu__value_write(const pu__key *key, const pu_config *config, pu__buffer *out);

/* What the key expects, such as "a whole number from 1 to 64"; of an item for lists. */
void pu__value_describe(const pu__key *key, pu__buffer *out);

#endif
