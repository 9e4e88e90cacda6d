#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "host/train/network.h"
#include "plusultra/memory.h"

enum { PATH_BYTES = 4096 };

static pu_status open_parts(pu__session *s) {
    const pu_config *config = s->config;
    if (snprintf(s->folder, sizeof s->folder, "%s/%s", config->run.out, config->run.name) >=
        (int)sizeof s->folder) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    }
    PU_TRY(pu_dataset_open(config, &s->dataset));
    PU_TRY(pu_device_open(config->run.device, (int)config->run.threads, &s->device));
    s->dims.features = pu_dataset_features(s->dataset);
    s->dims.horizons = config->windows.horizons.count;
    s->dims.outputs = strcmp(config->objective.loss, "pinball") == 0 ? config->objective.quantiles.count : 1;
    PU_TRY(pu_parameters_new(s->device, &s->parameters));
    PU_TRY(pu_model_declare(config, s->dims, s->parameters));
    PU_TRY(pu_parameters_allocate(s->parameters, (uint64_t)config->run.seed));
    return pu_model_start(config, s->dims, s->parameters);
}

pu_status pu__session_open(const pu_config *config, pu__session *out) {
    memset(out, 0, sizeof *out);
    out->config = config;
    const pu_status status = open_parts(out);
    if (status != PU_OK) pu__session_close(out);
    return status;
}

void pu__session_close(pu__session *session) {
    pu_parameters_free(session->parameters);
    pu_device_close(session->device);
    pu_dataset_close(session->dataset);
    memset(session, 0, sizeof *session);
}

int64_t pu__parameter_elements(const pu_parameters *parameters) {
    int64_t count = 0;
    for (int i = 0; i < pu_parameters_number(parameters); ++i) {
        pu_parameter_info info;
        if (pu_parameter_get(parameters, i, &info) == PU_OK) count += info.count;
    }
    return count;
}

pu_status pu__session_path(const pu__session *session, const char *name, char *out) {
    if (snprintf(out, PATH_BYTES, "%s/%s", session->folder, name) < PATH_BYTES) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
}

static const pu_saved_tensor *find_tensor(int count, const pu_saved_tensor *tensors, const char *prefix,
                                          const char *name) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (int i = 0; i < count; ++i) {
        if (strcmp(tensors[i].name, full) == 0) return &tensors[i];
    }
    return NULL;
}

static bool same_shape(pu_shape a, pu_shape b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i) {
        if (a.dim[i] != b.dim[i]) return false;
    }
    return true;
}

static pu_status restore_part(pu__session *s, int tensor_count, const pu_saved_tensor *tensors, const char *prefix,
                              pu_parameter_part part, float *block) {
    for (int i = 0; i < pu_parameters_number(s->parameters); ++i) {
        pu_parameter_info info;
        PU_TRY(pu_parameter_get(s->parameters, i, &info));
        const pu_saved_tensor *saved = find_tensor(tensor_count, tensors, prefix, info.name);
        if (!saved || saved->dtype != PU_F32 || !same_shape(saved->shape, info.shape)) {
            return pu_fail(PU_ERR_CONFIG,
                           "the checkpoint %s '%s%s': it was made with another model, feature or horizon "
                           "configuration; train again, or use "
                           "the configuration stored beside it (config.yaml)",
                           saved ? "has another shape for" : "has no", prefix, info.name);
        }
        memcpy(block + info.offset, saved->data, (size_t)info.count * sizeof *block);
    }
    return pu_parameters_write(s->parameters, part, block);
}

pu_status pu__session_restore(pu__session *session, int tensor_count, const pu_saved_tensor *tensors,
                              bool moments) {
    float *block = pu_calloc((size_t)pu_parameters_count(session->parameters), sizeof *block);
    if (!block) return PU_ERR_MEMORY;
    pu_status status = restore_part(session, tensor_count, tensors, "", PU_PART_VALUE, block);
    if (status == PU_OK && moments)
        status = restore_part(session, tensor_count, tensors, "adamw.m.", PU_PART_FIRST_MOMENT, block);
    if (status == PU_OK && moments)
        status = restore_part(session, tensor_count, tensors, "adamw.v.", PU_PART_SECOND_MOMENT, block);
    pu_free(block);
    return status;
}

/* Keys that change where or how fast a run goes, or what is done after it, but not one trained bit. */
static bool changes_bits(const char *section, const char *key) {
    static const char *const free_keys[] = {"run.name",
                                            "run.out",
                                            "run.threads",
                                            "run.device",
                                            "data.store",
                                            "data.benchmark",
                                            "data.checks",
                                            "data.accept",
                                            "features.block_bars",
                                            "features.plugins",
                                            "features.missing",
                                            "windows.readers",
                                            "windows.ring_slots",
                                            "windows.device_slots",
                                            "windows.cache_mib",
                                            "train.checkpoint_every",
                                            "train.steps_per_launch",
                                            NULL};
    if (strcmp(section, "stress") == 0) return false;
    if (strcmp(section, "backtest") == 0) return strcmp(key, "latency_bars") == 0;
    char full[160];
    snprintf(full, sizeof full, "%s.%s", section, key);
    for (int i = 0; free_keys[i]; ++i) {
        if (strcmp(full, free_keys[i]) == 0) return false;
    }
    return true;
}

/* Keys that a checkpoint's forecasts would not mean the same without. */
static bool changes_forecasts(const char *section, const char *key) {
    static const char *const windows_keys[] = {"window_bars", "warmup_bars", "horizons", "clip", "vol_bars", NULL};
    if (strcmp(section, "model") == 0) return strcmp(key, "dropout") != 0;
    if (strcmp(section, "objective") == 0) return true;
    if (strcmp(section, "backtest") == 0) return strcmp(key, "latency_bars") == 0;
    for (int i = 0; strcmp(section, "windows") == 0 && windows_keys[i]; ++i) {
        if (strcmp(key, windows_keys[i]) == 0) return true;
    }
    return false;
}

/* Reads the effective configuration line by line: "section:" at the margin, "  key: value" below it. */
static void hash_config(crypto_hash_sha256_state *state, char *text,
                        bool (*wants)(const char *section, const char *key)) {
    char section[64] = "", key[64] = "";
    bool wanted = false;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') continue;
        if (line[0] != ' ') snprintf(section, sizeof section, "%.*s", (int)strcspn(line, ":"), line);
        if (line[0] == ' ' && line[1] == ' ' && line[2] != ' ' && line[2] != '-') {
            snprintf(key, sizeof key, "%.*s", (int)strcspn(line + 2, ":"), line + 2);
            wanted = wants(section, key);
        }
        if (wanted) crypto_hash_sha256_update(state, (const unsigned char *)line, strlen(line) + 1);
    }
}

/* SHA-256 (hex) of the wanted keys and of the texts behind them. */
static pu_status digest(const pu__session *session, bool (*wants)(const char *section, const char *key), int count,
                        const char *const *texts, char out[65]) {
    char *text = pu_config_text(session->config);
    if (!text) return PU_ERR_MEMORY;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    hash_config(&state, text, wants);
    pu_free(text);
    for (int i = 0; i < count; ++i)
        crypto_hash_sha256_update(&state, (const unsigned char *)texts[i], strlen(texts[i]) + 1);
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state, bytes);
    sodium_bin2hex(out, 65, bytes, sizeof bytes);
    return PU_OK;
}

pu_status pu__session_identity(const pu__session *session, char out[65]) {
    const char *const texts[] = {pu_dataset_hash(session->dataset), pu_dataset_feature_hash(session->dataset)};
    return digest(session, changes_bits, 2, texts, out);
}

pu_status pu__session_recipe(const pu__session *session, char out[65]) {
    const char *const texts[] = {pu_dataset_feature_hash(session->dataset)};
    return digest(session, changes_forecasts, 1, texts, out);
}
