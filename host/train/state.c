#include "host/train/state.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "plusultra/memory.h"

enum { PATH_BYTES = 4096, STATE_WORDS = 11, LOG_BYTES_MAX = 256 << 20 };

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double real_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void pack(const pu__train_state *s, uint64_t words[STATE_WORDS]) {
    const uint64_t values[STATE_WORDS] = {
        (uint64_t)s->step,      (uint64_t)s->position,  (uint64_t)s->best_step,     (uint64_t)s->stale,
        (uint64_t)s->skipped,   (uint64_t)s->finished,  (uint64_t)s->loss_count,    bits_of(s->loss_sum),
        bits_of(s->train_loss), bits_of(s->valid_loss), bits_of(s->best_valid_loss)};
    memcpy(words, values, sizeof values);
}

static void unpack(const uint64_t words[STATE_WORDS], pu__train_state *s) {
    *s = (pu__train_state){.step = (int64_t)words[0],
                           .position = (int64_t)words[1],
                           .best_step = (int64_t)words[2],
                           .stale = (int64_t)words[3],
                           .skipped = (int64_t)words[4],
                           .finished = (int64_t)words[5],
                           .loss_count = (int64_t)words[6],
                           .loss_sum = real_of(words[7]),
                           .train_loss = real_of(words[8]),
                           .valid_loss = real_of(words[9]),
                           .best_valid_loss = real_of(words[10])};
}

static pu_status add_part(pu__session *session, const char *prefix, float *block, pu_saved_tensor *tensors,
                          int *count) {
    for (int i = 0; i < pu_parameters_number(session->parameters); ++i) {
        pu_parameter_info info;
        PU_TRY(pu_parameter_get(session->parameters, i, &info));
        pu_saved_tensor *tensor = &tensors[(*count)++];
        snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, info.name);
        tensor->dtype = PU_F32;
        tensor->shape = info.shape;
        tensor->data = block + info.offset;
    }
    return PU_OK;
}

static json_t *number_or_null(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* seen_until: the end of the validation segment. Every label that the parameters were fitted or chosen by closes
 * before it. */
static char *manifest_extra(pu__session *session, const pu__train_state *state, const char *identity) {
    char recipe[65];
    if (pu__session_recipe(session, recipe) != PU_OK) return NULL;
    int64_t from_ts = 0, seen_until_ts = 0;
    pu_dataset_segment(session->dataset, PU_SEGMENT_VALID, &from_ts, &seen_until_ts);
    json_t *extra =
        json_pack("{s:I, s:o, s:s, s:s, s:I, s:s, s:s, s:s}", "step", (json_int_t)state->step, "valid_loss",
                  number_or_null(state->valid_loss), "identity", identity, "recipe", recipe, "seen_until_ts",
                  (json_int_t)seen_until_ts, "data", pu_dataset_hash(session->dataset), "features",
                  pu_dataset_feature_hash(session->dataset), "backbone", session->config->model.backbone);
    char *text = extra ? json_dumps(extra, JSON_COMPACT) : NULL;
    json_decref(extra);
    return text;
}

static pu_status write_parts(pu__session *session, const pu__train_state *state, const char *identity,
                             const char *name, int parts) {
    static const char *const prefix[] = {"", "adamw.m.", "adamw.v."};
    static const pu_parameter_part part[] = {PU_PART_VALUE, PU_PART_FIRST_MOMENT, PU_PART_SECOND_MOMENT};
    const size_t block = (size_t)pu_parameters_count(session->parameters);
    const int number = pu_parameters_number(session->parameters);
    float *values = pu_calloc(block * (size_t)parts, sizeof *values);
    pu_saved_tensor *tensors = pu_calloc((size_t)(number * parts) + 1, sizeof *tensors);
    char *extra = manifest_extra(session, state, identity);
    pu_status status = values && tensors ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK && !extra) status = pu_fail(PU_ERR_MEMORY, "out of memory for a checkpoint's manifest");
    int count = 0;
    for (int i = 0; i < parts && status == PU_OK; ++i) {
        status = pu_parameters_read(session->parameters, part[i], values + (size_t)i * block);
        if (status == PU_OK) status = add_part(session, prefix[i], values + (size_t)i * block, tensors, &count);
    }
    uint64_t words[STATE_WORDS];
    if (status == PU_OK && parts > 1) {
        pack(state, words);
        pu_saved_tensor *tensor = &tensors[count++];
        snprintf(tensor->name, sizeof tensor->name, "train.state");
        tensor->dtype = PU_U64;
        tensor->shape = PU_SHAPE1(STATE_WORDS);
        tensor->data = words;
    }
    char path[PATH_BYTES];
    if (status == PU_OK) status = pu__session_path(session, name, path);
    if (status == PU_OK) status = pu_checkpoint_write(path, count, tensors, extra);
    free(extra);
    pu_free(tensors);
    pu_free(values);
    return status;
}

pu_status pu__train_state_save(pu__session *session, const pu__train_state *state, const char *identity) {
    return write_parts(session, state, identity, "checkpoint/last", 3);
}

pu_status pu__train_best_save(pu__session *session, const pu__train_state *state, const char *identity) {
    return write_parts(session, state, identity, "checkpoint/best", 1);
}

static pu_status check_identity(const char *path, const char *manifest, const char *identity) {
    json_error_t error;
    json_t *parsed = json_loads(manifest, 0, &error);
    const char *saved = json_string_value(json_object_get(parsed, "identity"));
    const bool same = saved && strcmp(saved, identity) == 0;
    json_decref(parsed);
    if (same) return PU_OK;
    return pu_fail(PU_ERR_CONFIG,
                   "%s was made with another configuration or other data, so going on from it would not equal an "
                   "unbroken run; use the "
                   "configuration stored in the run's folder, another run.name, or --overwrite",
                   path);
}

pu_status pu__train_state_load(pu__session *session, const char *identity, pu__train_state *state) {
    char path[PATH_BYTES];
    PU_TRY(pu__session_path(session, "checkpoint/last", path));
    int count = 0;
    pu_saved_tensor *tensors = NULL;
    char *manifest = NULL;
    PU_TRY(pu_checkpoint_read(path, &count, &tensors, &manifest));
    pu_status status = check_identity(path, manifest, identity);
    if (status == PU_OK) status = pu__session_restore(session, count, tensors, true);
    if (status == PU_OK) {
        status = pu_fail(PU_ERR_CORRUPT, "%s has no valid train.state; train again with --overwrite", path);
        for (int i = 0; i < count; ++i) {
            const pu_saved_tensor *t = &tensors[i];
            if (strcmp(t->name, "train.state") != 0 || t->dtype != PU_U64 || t->shape.rank != 1 ||
                t->shape.dim[0] != STATE_WORDS)
                continue;
            unpack(t->data, state);
            status = PU_OK;
        }
    }
    pu_checkpoint_free(count, tensors, manifest);
    return status;
}

static pu_status append(pu__train_log *log, const char *line, size_t length) {
    if (log->used + length + 1 > log->capacity) {
        const size_t capacity = 2 * (log->used + length) + 4096;
        char *grown = pu_regrow(log->text, log->capacity, capacity);
        if (!grown) return PU_ERR_MEMORY;
        log->text = grown;
        log->capacity = capacity;
    }
    memcpy(log->text + log->used, line, length);
    log->used += length;
    log->text[log->used] = '\0';
    return PU_OK;
}

static json_t *line_of(const pu__train_state *state, const pu__train_pace *pace) {
    const pu_loader_metrics *loader = &pace->loader;
    const double share = pace->seconds > 0 ? loader->waited_s / pace->seconds : 0;
    json_t *line = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "step", (json_int_t)state->step, "train_loss",
        number_or_null(state->train_loss), "valid_loss", number_or_null(state->valid_loss), "best_valid_loss",
        number_or_null(state->best_valid_loss), "lr", number_or_null(pace->lr), "gradient_norm",
        number_or_null(pace->gradient_norm), "skipped_updates", (json_int_t)state->skipped, "seconds",
        number_or_null(pace->seconds), "windows_per_s", number_or_null(pace->windows_per_s));
    json_t *stream =
        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:f}", "waited_s", loader->waited_s,
                  "waited_ratio", share, "waited_p50_s", loader->waited_p50_s, "waited_p99_s",
                  loader->waited_p99_s, "waited_max_s", loader->waited_max_s, "reading_s", loader->reading_s,
                  "blocked_s", loader->blocked_s, "bytes_read", (json_int_t)loader->bytes_read, "in_memory_ratio",
                  loader->in_memory_ratio, "ready_mean", loader->ready_mean);
    if (line && stream && json_object_set_new(line, "stream", stream) == 0) return line;
    if (!line) json_decref(stream); /* otherwise the failed call took it */
    json_decref(line);
    return NULL;
}

pu_status pu__train_log_line(pu__session *session, pu__train_log *log, const pu__train_state *state,
                             const pu__train_pace *pace) {
    json_t *line = line_of(state, pace);
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(line);
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory for the training log");
    pu_status status = append(log, text, strlen(text));
    free(text);
    if (status == PU_OK) status = append(log, "\n", 1);
    char path[PATH_BYTES];
    if (status == PU_OK) status = pu__session_path(session, "train.jsonl", path);
    return status == PU_OK ? pu__file_replace(path, log->text, log->used) : status;
}

pu_status pu__train_log_load(pu__session *session, pu__train_log *log, const pu__train_state *state) {
    char path[PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;
    PU_TRY(pu__session_path(session, "train.jsonl", path));
    pu_status status = pu__file_read(path, LOG_BYTES_MAX, &text, &bytes);
    if (status == PU_ERR_NOT_FOUND) return PU_OK; /* stopped before the first validation */
    for (char *line = text; status == PU_OK && line && *line;) {
        char *end = strchr(line, '\n');
        const size_t length = end ? (size_t)(end - line) + 1 : strlen(line);
        json_error_t error;
        json_t *parsed = json_loadb(line, length, 0, &error);
        const json_t *step = json_object_get(parsed, "step");
        if (json_is_integer(step) && json_integer_value(step) <= state->step) status = append(log, line, length);
        json_decref(parsed);
        line += length;
    }
    pu_free(text);
    return status;
}
