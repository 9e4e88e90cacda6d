/* Rows from memory, or from the store straight to where they are wanted.
 *
 * Invariants:
 *  1. A block's bytes reach a caller only after its checksum was found right once since the dataset was opened.
 *  2. cache.data[i] goes from null to a block once and stays; its content is complete before it is published
 *     (release, acquire). */
#include <string.h>

#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

pu_status pu__cache_open(const pu__blocks *blocks, pu__cache *out) {
    out->data = pu_calloc((size_t)blocks->count, sizeof *out->data);
    out->verified = pu_calloc((size_t)blocks->count, sizeof *out->verified);
    return out->data && out->verified ? PU_OK : PU_ERR_MEMORY;
}

void pu__cache_close(const pu__blocks *blocks, pu__cache *cache) {
    for (int64_t i = 0; cache->data && i < blocks->count; ++i) pu_free(atomic_load(&cache->data[i]));
    pu_free(cache->data);
    pu_free(cache->verified);
    *cache = (pu__cache){0};
}

static bool reserve(pu_dataset *dataset, int64_t bytes) {
    if (atomic_fetch_sub(&dataset->cache_left_bytes, bytes) >= bytes) return true;
    atomic_fetch_add(&dataset->cache_left_bytes, bytes);
    return false;
}

static pu_status read_whole(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, int64_t index,
                            float *out) {
    PU_TRY(pu__block_read(&reader->blocks, blocks, index, 0, pu__block_rows(blocks, index), out));
    PU_TRY(pu__block_verify(blocks, index, out));
    atomic_store_explicit(&cache->verified[index], true, memory_order_release);
    return PU_OK;
}

/* Reads a block into memory that stays, if the budget allows; *held is null if not. */
static pu_status hold(pu_dataset *dataset, pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache,
                      int64_t index, float **held) {
    const int64_t floats = pu__block_rows(blocks, index) * blocks->columns,
                  bytes = floats * (int64_t)sizeof(float);
    *held = NULL;
    if (!reserve(dataset, bytes)) return PU_OK;
    float *data = pu_calloc((size_t)floats, sizeof *data);
    const pu_status status = data ? read_whole(reader, blocks, cache, index, data) : PU_ERR_MEMORY;
    float *other = NULL;
    if (status == PU_OK && atomic_compare_exchange_strong_explicit(&cache->data[index], &other, data,
                                                                   memory_order_acq_rel, memory_order_acquire)) {
        *held = data;
        return PU_OK;
    }
    pu_free(data); /* another thread was first */
    atomic_fetch_add(&dataset->cache_left_bytes, bytes);
    *held = other;
    return status;
}

static pu_status verify_in_scratch(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache,
                                   int64_t index) {
    const size_t floats = (size_t)(pu__block_rows(blocks, index) * blocks->columns);
    if (reader->scratch_floats < floats) {
        pu_free(reader->scratch);
        reader->scratch = pu_calloc(floats, sizeof *reader->scratch);
        reader->scratch_floats = reader->scratch ? floats : 0;
        if (!reader->scratch) return PU_ERR_MEMORY;
    }
    return read_whole(reader, blocks, cache, index, reader->scratch);
}

pu_status pu__rows_read(pu_dataset *dataset, pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache,
                        int64_t first, int64_t count, float *out) {
    while (count > 0) {
        const int64_t index = first / blocks->block_rows, row = first - index * blocks->block_rows;
        const int64_t room = blocks->block_rows - row, rows = count < room ? count : room;
        float *data = atomic_load_explicit(&cache->data[index], memory_order_acquire);
        if (!data) PU_TRY(hold(dataset, reader, blocks, cache, index, &data));
        if (data) {
            memcpy(out, data + row * blocks->columns, (size_t)(rows * blocks->columns) * sizeof *out);
        } else {
            if (!atomic_load_explicit(&cache->verified[index], memory_order_acquire))
                PU_TRY(verify_in_scratch(reader, blocks, cache, index));
            PU_TRY(pu__block_read(&reader->blocks, blocks, index, row, rows, out));
        }
        first += rows;
        count -= rows;
        out += rows * blocks->columns;
    }
    return PU_OK;
}

void pu__row_reader_close(pu__row_reader *reader) {
    pu__block_reader_rest(&reader->blocks);
    pu_free(reader->scratch);
    *reader = (pu__row_reader){0};
}

void pu__labels_split(const float *labels, int horizons, int64_t first, int64_t count, int64_t from, int64_t to,
                      float *targets, float *weights, float *sigma) {
    const int columns = 1 + horizons;
    for (int64_t i = 0; i < count; ++i, labels += columns) {
        const float inside = first + i >= from && first + i < to ? 1.0f : 0.0f;
        if (sigma) sigma[i] = labels[0];
        for (int h = 0; h < horizons; ++h) {
            const float target = labels[1 + h];
            const bool known = target == target;
            if (targets) targets[i * horizons + h] = known ? target : 0.0f;
            if (weights) weights[i * horizons + h] = known ? inside : 0.0f;
        }
    }
}
