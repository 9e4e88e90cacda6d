#include <string.h>

#include "host/data/features/features_internal.h"

typedef struct entry {
    const pu_feature *feature;
    bool in_default_set;
} entry;

static const entry table[] = {
#define PU_FEATURE(name, in_default_set) {&pu__feature_##name, in_default_set},
#include "host/data/features/features.def"
#undef PU_FEATURE
};

enum { ENTRIES = sizeof table / sizeof table[0] };

int pu_feature_count(void) { return ENTRIES; }

const pu_feature *pu_feature_at(int index) { return index >= 0 && index < ENTRIES ? table[index].feature : NULL; }

const pu_feature *pu_feature_find(const char *name) {
    for (int i = 0; i < ENTRIES; ++i) {
        if (strcmp(table[i].feature->name, name) == 0) return table[i].feature;
    }
    return NULL;
}

int pu_feature_default_count(void) {
    int count = 0;
    for (int i = 0; i < ENTRIES; ++i) count += table[i].in_default_set;
    return count;
}

const char *pu_feature_default_at(int index) {
    for (int i = 0; i < ENTRIES; ++i) {
        if (table[i].in_default_set && index-- == 0) return table[i].feature->name;
    }
    return NULL;
}
