/* Plug-ins: features from shared objects of the user's, in the registry beside the built-in ones. docs/plugins.md
 * tells how to write one.
 *
 * Invariants:
 *  1. A plug-in is registered as a whole or not at all: every descriptor is checked first.
 *  2. What was registered stays, at the same address, until the process ends: nothing is ever unloaded.
 *  3. A plug-in is the bytes of its file. The same bytes again, under any path, are no second plug-in; other bytes
 *     under the path of a loaded one are an error. */
#ifndef PU_HOST_DATA_FEATURES_PLUGIN_H
#define PU_HOST_DATA_FEATURES_PLUGIN_H

#include "plusultra/features.h"

enum {
    PU__PLUGIN_FEATURES_MAX = 4096,
    PU__PLUGIN_STATE_BYTES_MAX = 64 << 20,
    PU__PLUGIN_LOOKBACK_BARS_MAX = 100000
};

/* Loads what features.plugins names. PU_ERR_CONFIG names the key, the file and what is wrong. */
pu_status pu__plugins_load(const pu_config *config);

/* PU_ERR_CONFIG, with the number or name of the feature and the field, unless all `count` descriptors can be
 * registered. */
pu_status pu__plugin_check(int count, const pu_feature *const *features);

/* One file's features for the registry; `path` and `hash` are copied. */
pu_status pu__registry_add(int count, const pu_feature *const *features, const char *path, const char *hash);

/* Where a feature comes from: path and SHA-256 (hexadecimal) of its plug-in; null for a built-in one. */
const char *pu__feature_origin_path(const pu_feature *feature);
const char *pu__feature_origin_hash(const pu_feature *feature);

/* The name nearest to `name` among all features; null when none is near. */
const char *pu__feature_nearest(const char *name);

#endif
