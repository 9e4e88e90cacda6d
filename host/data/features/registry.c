/* Built-in features, and those of plug-ins. Readers and loaders may be in different threads. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/data/features/features_internal.h"
#include "host/data/features/plugin.h"
#include "plusultra/memory.h"

typedef struct entry {
    const pu_feature *feature;
    bool in_default_set;
    const char *path, *hash; /* of the plug-in; null for a built-in feature */
} entry;

static const entry builtin[] = {
#define PU_FEATURE(name, in_default_set) {&pu__feature_##name, in_default_set, NULL, NULL},
#include "host/data/features/features.def"
#undef PU_FEATURE
};

enum { BUILTINS = sizeof builtin / sizeof builtin[0] };

/* All features by name. Replaced as a whole when a plug-in comes; read under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const entry *table = builtin;
static int entries = BUILTINS;

static entry entry_at(int index) {
    pthread_mutex_lock(&lock);
    const entry found = index >= 0 && index < entries ? table[index] : (entry){0};
    pthread_mutex_unlock(&lock);
    return found;
}

int pu_feature_count(void) {
    pthread_mutex_lock(&lock);
    const int count = entries;
    pthread_mutex_unlock(&lock);
    return count;
}

const pu_feature *pu_feature_at(int index) { return entry_at(index).feature; }

/* The place of `name`, or where it would be put. */
static int place_of(const entry *sorted, int count, const char *name, bool *found) {
    int low = 0, high = count;
    *found = false;
    while (low < high && !*found) {
        const int middle = low + (high - low) / 2, order = strcmp(sorted[middle].feature->name, name);
        *found = order == 0;
        if (*found) low = middle;
        else if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static entry entry_named(const char *name) {
    bool found = false;
    pthread_mutex_lock(&lock);
    const int place = place_of(table, entries, name, &found);
    const entry at = found ? table[place] : (entry){0};
    pthread_mutex_unlock(&lock);
    return at;
}

const pu_feature *pu_feature_find(const char *name) { return entry_named(name).feature; }

/* A descriptor that was never registered, such as a test's own, has no origin. */
static entry entry_of(const pu_feature *feature) {
    const entry found = entry_named(feature->name);
    return found.feature == feature ? found : (entry){0};
}

const char *pu__feature_origin_path(const pu_feature *feature) { return entry_of(feature).path; }

const char *pu__feature_origin_hash(const pu_feature *feature) { return entry_of(feature).hash; }

const char *pu__feature_nearest(const char *name) {
    const int count = pu_feature_count();
    const char **names = pu_calloc((size_t)count, sizeof *names);
    if (!names) return NULL;
    for (int i = 0; i < count; ++i) names[i] = pu_feature_at(i)->name;
    const char *nearest = pu__nearest(name, count, names);
    pu_free(names);
    return nearest;
}

int pu_feature_default_count(void) {
    int count = 0;
    for (int i = 0; i < BUILTINS; ++i) count += builtin[i].in_default_set;
    return count;
}

const char *pu_feature_default_at(int index) {
    for (int i = 0; i < BUILTINS; ++i) {
        if (builtin[i].in_default_set && index-- == 0) return builtin[i].feature->name;
    }
    return NULL;
}

/* Puts one more in its place; `sorted` has room for it. */
static void insert(entry *sorted, int *count, const entry *one) {
    bool found = false;
    const int place = place_of(sorted, *count, one->feature->name, &found);
    memmove(sorted + place + 1, sorted + place, (size_t)(*count - place) * sizeof *sorted);
    sorted[place] = *one;
    *count += 1;
}

/* The table that a new one replaces is kept by nobody, the plug-in's path and hash by its entries for good. */
pu_status pu__registry_add(int count, const pu_feature *const *features, const char *path, const char *hash) {
    pthread_mutex_lock(&lock);
    int grown_count = entries;
    entry *grown = pu_calloc((size_t)(entries + count), sizeof *grown);
    char *own_path = pu_strdup(path), *own_hash = pu_strdup(hash);
    const bool room = grown && own_path && own_hash;
    if (room) {
        memcpy(grown, table, (size_t)entries * sizeof *grown);
        for (int i = 0; i < count; ++i) {
            const entry one = {.feature = features[i], .path = own_path, .hash = own_hash};
            insert(grown, &grown_count, &one);
        }
        if (table != builtin) pu_free((void *)table);
        table = grown;
        entries = grown_count;
    }
    pthread_mutex_unlock(&lock);
    if (room) return PU_OK;
    pu_free(grown);
    pu_free(own_path);
    pu_free(own_hash);
    return PU_ERR_MEMORY;
}
