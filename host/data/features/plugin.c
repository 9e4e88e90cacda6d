#include "host/data/features/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "host/data/features/shared_object.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

#define ENTRY_POINT "pu_plugin_features"

/* What was loaded so far; held during a load, so that two threads do not check the same names at once. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
typedef struct plugin {
    char hash[65];
    char *path;
} plugin;
static plugin *loaded;
static int loaded_count;

static pu_status find_loaded(const char *path, const char *hash, bool *found) {
    *found = false;
    for (int i = 0; i < loaded_count; ++i) {
        if (strcmp(loaded[i].hash, hash) == 0) *found = true;
        else if (strcmp(loaded[i].path, path) == 0)
            return pu_fail(PU_ERR_CONFIG, "plug-in %s has changed since this process loaded it: start again",
                           path);
    }
    return PU_OK;
}

/* The features that the shared object offers; on failure it is closed again. */
static pu_status open_object(const char *path, void **object, int *count, const pu_feature *const **features) {
    pu_plugin_entry entry = NULL;
    void *symbol = NULL;
    PU_TRY(pu__object_open(path, ENTRY_POINT, object, &symbol));
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object to a function pointer */
    *count = 0;
    *features = entry(count);
    if (*features && *count >= 1 && *count <= PU__PLUGIN_FEATURES_MAX) return PU_OK;
    const pu_status status = pu_fail(PU_ERR_CONFIG,
                                     "plug-in %s: " ENTRY_POINT
                                     " gives %d features at %p: it has to set the count, from 1 to %d, and return "
                                     "the array",
                                     path, *count, (const void *)*features, PU__PLUGIN_FEATURES_MAX);
    dlclose(*object);
    return status;
}

static pu_status remember(const char *path, const char *hash) {
    plugin *grown =
        pu_regrow(loaded, (size_t)loaded_count * sizeof *loaded, ((size_t)loaded_count + 1) * sizeof *loaded);
    if (!grown) return PU_ERR_MEMORY;
    loaded = grown;
    plugin *last = &loaded[loaded_count];
    last->path = pu_strdup(path);
    if (!last->path) return PU_ERR_MEMORY;
    memcpy(last->hash, hash, sizeof last->hash);
    ++loaded_count;
    return PU_OK;
}

static pu_status load(const char *path) {
    char hash[65], now[65];
    bool found = false;
    PU_TRY(pu__object_hash(path, hash));
    PU_TRY(find_loaded(path, hash, &found));
    if (found) return PU_OK;
    void *object = NULL;
    int count = 0;
    const pu_feature *const *features = NULL;
    PU_TRY(open_object(path, &object, &count, &features));
    pu_status status = pu__plugin_check(count, features);
    if (status != PU_OK) pu_fail_within(status, "plug-in %s", path);
    if (status == PU_OK) status = pu__object_hash(path, now);
    if (status == PU_OK && strcmp(hash, now) != 0)
        status = pu_fail(PU_ERR_CONFIG, "plug-in %s was replaced while it was loaded: run again", path);
    if (status == PU_OK) status = remember(path, hash);
    if (status == PU_OK) {
        status = pu__registry_add(count, features, path, hash);
        if (status != PU_OK) pu_free(loaded[--loaded_count].path);
    }
    if (status != PU_OK) {
        dlclose(object);
        return status;
    }
    pu_log(PU_LOG_DEBUG, "features.plugin", "%s: %d features, SHA-256 %s", path, count, hash);
    return PU_OK;
}

pu_status pu_feature_plugin_load(const char *path) {
    char whole[PATH_MAX];
    PU_TRY(pu__object_path(path, whole));
    pthread_mutex_lock(&loading);
    const pu_status status = load(whole);
    pthread_mutex_unlock(&loading);
    return status;
}

pu_status pu__plugins_load(const pu_config *config) {
    for (int i = 0; i < config->features.plugins.count; ++i) {
        const pu_status status = pu_feature_plugin_load(config->features.plugins.value[i]);
        if (status != PU_OK) return pu_fail_within(status, "features.plugins");
    }
    return PU_OK;
}
