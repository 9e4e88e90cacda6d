#include "host/data/features/stream.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "host/data/features/plugin.h"
#include "plusultra/memory.h"

enum { COLUMNS = 7 };

/* ---- columns ---- */

pu_status pu__columns_open(int64_t capacity, pu__columns *out) {
    *out = (pu__columns){.capacity = capacity};
    out->ts = pu_calloc((size_t)capacity, COLUMNS * sizeof(double));
    if (!out->ts) return PU_ERR_MEMORY;
    double *column = (double *)(void *)(out->ts + capacity);
    double **const columns[] = {&out->open, &out->high, &out->low, &out->close, &out->volume, &out->log_return};
    for (int c = 0; c < COLUMNS - 1; ++c) *columns[c] = column + c * capacity;
    return PU_OK;
}

void pu__columns_close(pu__columns *columns) {
    pu_free(columns->ts);
    *columns = (pu__columns){0};
}

static void blank(pu__columns *out, int64_t from) {
    for (int64_t i = from; i < out->capacity; ++i) {
        out->ts[i] = INT64_MIN;
        out->open[i] = out->high[i] = out->low[i] = out->close[i] = out->volume[i] = out->log_return[i] = NAN;
    }
}

void pu__columns_take(pu__adjust *state, const pu_bars *bars, int64_t from, int64_t count, pu__columns *out) {
    out->first = state->bars;
    out->count = count;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t b = from + i;
        const double close = bars->close[b], adjusted = bars->adjusted[b];
        const double factor = adjusted == close ? 1 : adjusted / close;
        out->ts[i] = bars->ts[b];
        out->open[i] = bars->open[b] * factor;
        out->high[i] = bars->high[b] * factor;
        out->low[i] = bars->low[b] * factor;
        out->close[i] = adjusted;
        out->volume[i] = bars->volume ? bars->volume[b] : NAN;
        out->log_return[i] = state->bars == 0 ? NAN : log(adjusted / state->last_close);
        state->last_close = adjusted;
        state->bars += 1;
    }
    blank(out, count);
}

pu_feature_chunk pu__columns_chunk(const pu__columns *columns) {
    return (pu_feature_chunk){.first = columns->first,
                              .count = columns->count,
                              .ts = columns->ts,
                              .open = columns->open,
                              .high = columns->high,
                              .low = columns->low,
                              .close = columns->close,
                              .volume = columns->volume,
                              .log_return = columns->log_return};
}

/* ---- features ---- */

struct pu__stream {
    int count;
    const pu_feature *const *feature; /* borrowed */
    bool one_by_one;
    size_t *state_offset;
    unsigned char *state;
    size_t state_bytes; /* of all */
    bool *is_guarded;
    atomic_int overrun; /* 1 + the feature that wrote behind its state; 0: none */
    size_t *gathered_offset;
    pu_feature_value *gathered; /* of each feature with inputs: [chunk_bars][input_count] */
};

/* States are kept a cache line apart, which also aligns them for any type. */
enum { STATE_ALIGNMENT_BYTES = 64 };

static size_t padded(size_t bytes) {
    return (bytes + STATE_ALIGNMENT_BYTES - 1) / STATE_ALIGNMENT_BYTES * STATE_ALIGNMENT_BYTES;
}

/* Behind the state of a feature of a plug-in, whose state_bytes nobody checked: the state of another feature would be
 * there, and change without a word. */
enum { GUARD_BYTES = 4096, GUARD_BYTE = 0xa5 };

static unsigned char *guard_of(const pu__stream *stream, int feature) {
    return stream->state + stream->state_offset[feature] + stream->feature[feature]->state_bytes;
}

static void look_behind(pu__stream *stream, int feature) {
    if (!stream->is_guarded[feature]) return;
    const unsigned char *guard = guard_of(stream, feature);
    for (int i = 0; i < GUARD_BYTES; ++i) {
        if (guard[i] != GUARD_BYTE) atomic_store(&stream->overrun, 1 + feature);
    }
}

pu_status pu__stream_check(const pu__stream *stream) {
    const int overrun = atomic_load(&stream->overrun);
    if (overrun == 0) return PU_OK;
    const pu_feature *feature = stream->feature[overrun - 1];
    return pu_fail(PU_ERR_CONFIG,
                   "the feature %s of plug-in %s writes behind its state_bytes, %zu: nothing is stored",
                   feature->name, pu__feature_origin_path(feature), feature->state_bytes);
}

static pu_status allocate(pu__stream *stream, int64_t chunk_bars) {
    const size_t count = (size_t)stream->count;
    stream->state_offset = pu_calloc(count, sizeof *stream->state_offset);
    stream->gathered_offset = pu_calloc(count, sizeof *stream->gathered_offset);
    stream->is_guarded = pu_calloc(count, sizeof *stream->is_guarded);
    if (!stream->state_offset || !stream->gathered_offset || !stream->is_guarded) return PU_ERR_MEMORY;
    size_t bytes = 0, values = 0;
    for (size_t i = 0; i < count; ++i) {
        stream->state_offset[i] = bytes;
        stream->gathered_offset[i] = values;
        stream->is_guarded[i] = pu__feature_origin_hash(stream->feature[i]) != NULL;
        bytes += padded(stream->feature[i]->state_bytes + (stream->is_guarded[i] ? GUARD_BYTES : 0));
        values += (size_t)chunk_bars * (size_t)stream->feature[i]->input_count;
    }
    stream->state_bytes = bytes;
    stream->state = pu_calloc(1, bytes);
    stream->gathered = pu_calloc(values, sizeof *stream->gathered);
    if (!stream->state || !stream->gathered) return PU_ERR_MEMORY;
    for (int i = 0; i < stream->count; ++i) {
        if (stream->is_guarded[i]) memset(guard_of(stream, i), GUARD_BYTE, GUARD_BYTES);
    }
    return PU_OK;
}

pu_status pu__stream_open(int count, const pu_feature *const *features, int64_t chunk_bars, bool one_by_one,
                          pu__stream **out) {
    *out = NULL;
    pu__stream *stream = pu_calloc(1, sizeof *stream);
    if (!stream) return PU_ERR_MEMORY;
    *stream = (pu__stream){.count = count, .feature = features, .one_by_one = one_by_one};
    if (allocate(stream, chunk_bars) != PU_OK) {
        pu__stream_close(stream);
        return PU_ERR_MEMORY;
    }
    *out = stream;
    return PU_OK;
}

void pu__stream_close(pu__stream *stream) {
    if (!stream) return;
    pu_free(stream->state_offset);
    pu_free(stream->is_guarded);
    pu_free(stream->state);
    pu_free(stream->gathered_offset);
    pu_free(stream->gathered);
    pu_free(stream);
}

void pu__stream_copy(pu__stream *to, const pu__stream *from) { memcpy(to->state, from->state, from->state_bytes); }

/* Input columns, row by row beside each other; null for a feature without inputs. */
static const pu_feature_value *gather(pu__stream *stream, int feature, int64_t count,
                                      const pu_feature_value *const *inputs) {
    const int width = stream->feature[feature]->input_count;
    if (width == 0) return NULL;
    pu_feature_value *out = stream->gathered + stream->gathered_offset[feature];
    for (int64_t i = 0; i < count; ++i) {
        for (int k = 0; k < width; ++k) out[i * width + k] = inputs[k][i];
    }
    return out;
}

/* Each bar is a copy with inputs of its own: nothing `update` holds a pointer to leads to another bar. */
static void run_one_by_one(const pu_feature *feature, void *state, const pu_feature_chunk *chunk, double *out) {
    pu_feature_value input[PU_FEATURE_INPUTS_MAX];
    for (int64_t i = 0; i < chunk->count; ++i) {
        for (int k = 0; k < feature->input_count; ++k) input[k] = chunk->input[i * feature->input_count + k];
        const pu_feature_bar bar = {.ts = chunk->ts[i],
                                    .open = chunk->open[i],
                                    .high = chunk->high[i],
                                    .low = chunk->low[i],
                                    .close = chunk->close[i],
                                    .volume = chunk->volume[i],
                                    .input = feature->input_count ? input : NULL};
        out[i] = feature->update(state, feature->parameters, &bar, chunk->first + i);
    }
}

void pu__stream_run(pu__stream *stream, int feature, const pu_feature_chunk *bars,
                    const pu_feature_value *const *inputs, double *out) {
    const pu_feature *descriptor = stream->feature[feature];
    void *state = stream->state + stream->state_offset[feature];
    pu_feature_chunk chunk = *bars;
    chunk.input = gather(stream, feature, bars->count, inputs);
    if (descriptor->update_many && !stream->one_by_one)
        descriptor->update_many(state, descriptor->parameters, &chunk, out);
    else run_one_by_one(descriptor, state, &chunk, out);
    look_behind(stream, feature);
    for (int64_t i = 0; i < chunk.count && chunk.first + i < descriptor->lookback_bars; ++i) out[i] = NAN;
}

/* ---- one feature over bars in memory ---- */

static void blank_inputs(pu_feature_value *values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) values[i] = (pu_feature_value){.value = NAN};
}

pu_status pu_feature_compute(const pu_feature *feature, const pu_bars *bars, double *out) {
    pu__columns columns = {0};
    pu__adjust adjust = {0};
    pu__stream *stream = NULL;
    pu_feature_value *none = pu_calloc(PU__CHUNK_BARS, sizeof *none);
    const pu_feature_value *inputs[PU_FEATURE_INPUTS_MAX];
    for (int k = 0; k < PU_FEATURE_INPUTS_MAX; ++k) inputs[k] = none;
    pu_status status = none ? pu__columns_open(PU__CHUNK_BARS, &columns) : PU_ERR_MEMORY;
    if (status == PU_OK) status = pu__stream_open(1, &feature, PU__CHUNK_BARS, false, &stream);
    if (status == PU_OK) blank_inputs(none, PU__CHUNK_BARS);
    for (int64_t first = 0; status == PU_OK && first < bars->count; first += PU__CHUNK_BARS) {
        const int64_t left = bars->count - first;
        pu__columns_take(&adjust, bars, first, left < PU__CHUNK_BARS ? left : PU__CHUNK_BARS, &columns);
        const pu_feature_chunk chunk = pu__columns_chunk(&columns);
        pu__stream_run(stream, 0, &chunk, inputs, out + first);
        status = pu__stream_check(stream);
    }
    pu__stream_close(stream);
    pu__columns_close(&columns);
    pu_free(none);
    return status;
}
