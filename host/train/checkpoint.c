/* Checkpoint folders.
 *
 * Invariants:
 *  1. manifest.json names one data file, its size and its SHA-256. Renaming the manifest over the old one is the
 *  only step that
 *     changes which checkpoint a reader sees.
 *  2. A data file has the hash of its content in its name, so a new one never overwrites the one in use.
 *  3. Data files that no manifest names are removed after the switch; a crash in between leaves a stray file,
 *  never a mixed checkpoint. */
#include <dirent.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/train/safetensors.h"
#include "plusultra/memory.h"

enum { PATH_BYTES = 4096, MANIFEST_BYTES_MAX = 16 << 20, HASH_HEX = 2 * crypto_hash_sha256_BYTES + 1 };
static const size_t data_bytes_max = (size_t)1 << 40;

static pu_status join(char out[PATH_BYTES], const char *folder, const char *name) {
    if (snprintf(out, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "path too long: %.200s...", folder);
}

static void hash_hex(const void *bytes, size_t size, char out[HASH_HEX]) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes, size);
    sodium_bin2hex(out, HASH_HEX, digest, sizeof digest);
}

static bool is_data_file(const char *name) {
    const size_t length = strlen(name);
    return strncmp(name, "model-", 6) == 0 && length > 12 && strcmp(name + length - 12, ".safetensors") == 0;
}

static void remove_other_data(const char *folder, const char *keep) {
    DIR *listing = opendir(folder);
    if (!listing) return; /* stray files cost space, not correctness */
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        char path[PATH_BYTES];
        if (is_data_file(entry->d_name) && strcmp(entry->d_name, keep) != 0 &&
            join(path, folder, entry->d_name) == PU_OK)
            unlink(path);
    }
    closedir(listing);
}

/* Of the manifest's other members; false when memory is short. */
static bool hash_members(const json_t *manifest, char out[HASH_HEX]) {
    json_t *others = json_copy((json_t *)(uintptr_t)manifest);
    if (others) (void)json_object_del(others, "manifest_sha256"); /* absent in a new one */
    char *text = others ? json_dumps(others, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(others);
    if (text) hash_hex(text, strlen(text), out);
    free(text);
    return text != NULL;
}

static pu_status check_members(const json_t *manifest, const char *path) {
    char actual[HASH_HEX];
    const char *claimed = json_string_value(json_object_get(manifest, "manifest_sha256"));
    if (!claimed) return PU_OK;
    if (!hash_members(manifest, actual)) return pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    if (strcmp(claimed, actual) == 0) return PU_OK;
    return pu_fail(PU_ERR_CORRUPT,
                   "%s does not match its own SHA-256: it was changed or damaged; use another checkpoint", path);
}

static char *manifest_text(const char *file, size_t size, const char *hash, const char *extra, pu_status *status) {
    json_error_t error;
    json_t *manifest = extra ? json_loads(extra, JSON_REJECT_DUPLICATES, &error) : json_object();
    if (!json_is_object(manifest)) {
        json_decref(manifest);
        *status = pu_fail(PU_ERR_ARGUMENT, "the manifest's extra text is not a JSON object");
        return NULL;
    }
    json_object_set_new(manifest, "format", json_string("plusultra-checkpoint-1"));
    json_object_set_new(manifest, "file", json_string(file));
    json_object_set_new(manifest, "bytes", json_integer((json_int_t)size));
    json_object_set_new(manifest, "sha256", json_string(hash));
    char members[HASH_HEX];
    const bool hashed = hash_members(manifest, members);
    if (hashed) json_object_set_new(manifest, "manifest_sha256", json_string(members));
    char *text = hashed ? json_dumps(manifest, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(manifest);
    *status = text ? PU_OK : pu_fail(PU_ERR_MEMORY, "out of memory for a checkpoint's manifest");
    return text;
}

pu_status pu_checkpoint_write(const char *path, int tensor_count, const pu_saved_tensor *tensors,
                              const char *manifest_extra) {
    char *bytes = NULL;
    size_t size = 0;
    PU_TRY(pu__safetensors_encode(tensor_count, tensors, &bytes, &size));
    char hash[HASH_HEX], file[64], data_path[PATH_BYTES], manifest_path[PATH_BYTES];
    hash_hex(bytes, size, hash);
    snprintf(file, sizeof file, "model-%.16s.safetensors", hash);
    pu_status status;
    char *manifest = manifest_text(file, size, hash, manifest_extra, &status);
    if (status == PU_OK) status = pu__folder_make(path);
    if (status == PU_OK) status = join(data_path, path, file);
    if (status == PU_OK) status = join(manifest_path, path, "manifest.json");
    if (status == PU_OK) status = pu__file_replace(data_path, bytes, size);
    if (status == PU_OK) status = pu__file_replace(manifest_path, manifest, strlen(manifest));
    if (status == PU_OK) remove_other_data(path, file);
    free(manifest);
    pu_free(bytes);
    return status == PU_OK ? PU_OK : pu_fail_within(status, "writing checkpoint %s", path);
}

static pu_status read_data(const char *folder, const json_t *manifest, const char *manifest_path,
                           int *tensor_count, pu_saved_tensor **tensors) {
    const char *file = json_string_value(json_object_get(manifest, "file"));
    const char *hash = json_string_value(json_object_get(manifest, "sha256"));
    const json_t *size_claimed = json_object_get(manifest, "bytes");
    if (!file || !hash || !json_is_integer(size_claimed) || !is_data_file(file) || strchr(file, '/')) {
        return pu_fail(PU_ERR_CORRUPT, "%s: needs file, bytes and sha256; use another checkpoint", manifest_path);
    }
    char path[PATH_BYTES], actual[HASH_HEX];
    PU_TRY(join(path, folder, file));
    char *bytes = NULL;
    size_t size = 0;
    PU_TRY(pu__file_read(path, data_bytes_max, &bytes, &size));
    pu_status status = PU_OK;
    hash_hex(bytes, size, actual);
    if ((json_int_t)size != json_integer_value(size_claimed)) {
        status = pu_fail(PU_ERR_CORRUPT,
                         "%s has %zu bytes, its manifest says %lld: it was cut off; use another checkpoint", path,
                         size, (long long)json_integer_value(size_claimed));
    } else if (strcmp(actual, hash) != 0) {
        status = pu_fail(PU_ERR_CORRUPT,
                         "%s does not match its SHA-256: it was changed or damaged; use another checkpoint", path);
    } else {
        status = pu__safetensors_decode(bytes, size, path, tensor_count, tensors);
    }
    pu_free(bytes);
    return status;
}

pu_status pu_checkpoint_read(const char *path, int *tensor_count, pu_saved_tensor **tensors, char **manifest) {
    *tensor_count = 0;
    *tensors = NULL;
    *manifest = NULL;
    char manifest_path[PATH_BYTES];
    char *text = NULL;
    size_t size = 0;
    PU_TRY(join(manifest_path, path, "manifest.json"));
    PU_TRY(pu__file_read(manifest_path, MANIFEST_BYTES_MAX, &text, &size));
    json_error_t error;
    json_t *parsed = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    pu_status status = PU_OK;
    if (!json_is_object(parsed)) {
        status =
            pu_fail(PU_ERR_CORRUPT, "%s is not a JSON object: it was cut off or damaged; use another checkpoint",
                    manifest_path);
    }
    if (status == PU_OK) status = check_members(parsed, manifest_path);
    if (status == PU_OK) status = read_data(path, parsed, manifest_path, tensor_count, tensors);
    json_decref(parsed);
    if (status == PU_OK) *manifest = text;
    else pu_free(text);
    return status;
}

void pu_checkpoint_free(int tensor_count, pu_saved_tensor *tensors, char *manifest) {
    for (int i = 0; i < tensor_count; ++i) pu_free(tensors[i].data);
    pu_free(tensors);
    pu_free(manifest);
}
