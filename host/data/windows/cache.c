/* Rows from memory, or from the store straight to where they are wanted.
 *
 * Invariants:
 *  1. A block's bytes reach a caller only after its checksum was found right once since the dataset was opened.
 *  2. One thread takes a block that has memory from UNREAD to LOADING and alone writes there; VERIFIED is
 *     published when the content is complete (release, acquire). Meanwhile others read the store. */
#include <string.h>

#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

static int64_t block_floats(const pu__blocks *blocks, int64_t index) {
    return pu__block_rows(blocks, index) * blocks->columns;
}

/* Where an asset's cache lies, in floats from the start of the memory; *used grows if there is room. */
static bool place(const pu_dataset *dataset, const pu__blocks *blocks, int64_t *used, int64_t *at) {
    const int64_t floats = blocks->rows * blocks->columns;
    if ((*used + floats) * (int64_t)sizeof(float) > dataset->cache_bytes_max) return false;
    *at = *used;
    *used += floats;
    return true;
}

pu_status pu__cache_open(pu_dataset *dataset) {
    int64_t used = 0, at = 0;
    for (int round = 0; round < 2; ++round) { /* how much; then where */
        used = 0;
        for (int a = 0; a < dataset->plan.asset_count; ++a) {
            pu__dataset_asset *asset = &dataset->asset[a];
            const bool labels = place(dataset, &asset->labels, &used, &at);
            if (round && labels) asset->label_cache.data = dataset->cache_memory + at;
            const bool features = place(dataset, &asset->features, &used, &at);
            if (round && features) asset->feature_cache.data = dataset->cache_memory + at;
        }
        if (round == 0) dataset->cache_memory = pu_calloc((size_t)used, sizeof(float));
        if (!dataset->cache_memory) return PU_ERR_MEMORY;
    }
    for (int a = 0; a < dataset->plan.asset_count; ++a) {
        pu__dataset_asset *asset = &dataset->asset[a];
        asset->feature_cache.state = pu_calloc((size_t)asset->features.count, sizeof *asset->feature_cache.state);
        asset->label_cache.state = pu_calloc((size_t)asset->labels.count, sizeof *asset->label_cache.state);
        if (!asset->feature_cache.state || !asset->label_cache.state) return PU_ERR_MEMORY;
    }
    return PU_OK;
}

void pu__cache_close(pu_dataset *dataset) {
    for (int a = 0; dataset->asset && a < dataset->plan.asset_count; ++a) {
        pu_free(dataset->asset[a].feature_cache.state);
        pu_free(dataset->asset[a].label_cache.state);
    }
    pu_free(dataset->cache_memory);
}

static pu_status read_whole(pu__row_reader *reader, const pu__blocks *blocks, int64_t index, float *out) {
    PU_TRY(pu__block_read(&reader->blocks, blocks, index, 0, block_floats(blocks, index), out));
    return pu__block_verify(blocks, index, out);
}

static pu_status verify_in_scratch(pu__row_reader *reader, const pu__blocks *blocks, int64_t index) {
    const size_t floats = (size_t)block_floats(blocks, index);
    if (reader->scratch_floats < floats) {
        pu_free(reader->scratch);
        reader->scratch = pu_calloc(floats, sizeof *reader->scratch);
        reader->scratch_floats = reader->scratch ? floats : 0;
        if (!reader->scratch) return PU_ERR_MEMORY;
    }
    return read_whole(reader, blocks, index, reader->scratch);
}

/* Verifies a block and keeps it if it has memory; *kept says whether it may be read from there. */
static pu_status meet_block(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, int64_t index,
                            bool *kept) {
    _Atomic(int) *state = &cache->state[index];
    int expected = PU__BLOCK_UNREAD;
    const bool mine = atomic_compare_exchange_strong(state, &expected, PU__BLOCK_LOADING);
    *kept = cache->data && (mine || expected == PU__BLOCK_VERIFIED);
    if (expected == PU__BLOCK_VERIFIED) return PU_OK;
    if (!mine || !cache->data) {
        const pu_status status = verify_in_scratch(reader, blocks, index);
        if (mine)
            atomic_store_explicit(state, status == PU_OK ? PU__BLOCK_VERIFIED : PU__BLOCK_UNREAD,
                                  memory_order_release);
        return status;
    }
    const pu_status status =
        read_whole(reader, blocks, index, cache->data + index * blocks->block_rows * blocks->columns);
    atomic_store_explicit(state, status == PU_OK ? PU__BLOCK_VERIFIED : PU__BLOCK_UNREAD, memory_order_release);
    return status;
}

pu_status pu__rows_read(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, pu__plane plane,
                        int64_t first, int64_t count, float *out) {
    while (count > 0) {
        const int64_t index = first / blocks->block_rows, row = first - index * blocks->block_rows;
        const int64_t room = pu__block_rows(blocks, index) - row, rows = count < room ? count : room;
        const int64_t from = pu__block_rows(blocks, index) * plane.before + row * plane.columns;
        bool kept =
            cache->data && atomic_load_explicit(&cache->state[index], memory_order_acquire) == PU__BLOCK_VERIFIED;
        if (!kept) PU_TRY(meet_block(reader, blocks, cache, index, &kept));
        if (kept) {
            const float *block = cache->data + index * blocks->block_rows * blocks->columns;
            memcpy(out, block + from, (size_t)(rows * plane.columns) * sizeof *out);
        } else {
            PU_TRY(pu__block_read(&reader->blocks, blocks, index, from, rows * plane.columns, out));
        }
        first += rows;
        count -= rows;
        out += rows * plane.columns;
    }
    return PU_OK;
}

void pu__row_reader_close(pu__row_reader *reader) {
    pu__block_reader_rest(&reader->blocks);
    pu_free(reader->scratch);
    *reader = (pu__row_reader){0};
}

enum { LANES = 8 };

/* In runs of a fixed length, which compilers turn into vector code; measured 6 times as fast as one by one. */
void pu__weigh_known(int64_t count, float *restrict targets, float *restrict weights) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int j = 0; j < LANES; ++j) {
            const float target = targets[i + j];
            weights[i + j] = target == target ? 1.0f : 0.0f;
            targets[i + j] = target == target ? target : 0.0f;
        }
    }
    for (; i < count; ++i) {
        const float target = targets[i];
        weights[i] = target == target ? 1.0f : 0.0f;
        targets[i] = target == target ? target : 0.0f;
    }
}
