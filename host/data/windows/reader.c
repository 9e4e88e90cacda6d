/* Rows from memory, or from the store straight to where they are wanted.
 *
 * Invariants:
 *  1. A block's bytes reach a caller only after its checksum was found right once since the dataset was opened.
 *  2. One thread takes a block that is kept from UNREAD to LOADING and alone writes there; VERIFIED is published when
 *     the content is complete (release, acquire). Meanwhile others read the store.
 *  3. What is read from the store is of the sets and blocks that the dataset was opened with: each transaction looks
 *     whether the store changed since this connection looked last, and if so at all of them. A block that is
 *     replaced under the same id is therefore an error, never another asset's rows. */
#include <stdio.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

/* ---- the store is still the one that was opened ---- */

static pu_status replaced(const pu__blocks *blocks) {
    return pu_fail(PU_ERR_STORE, "the %s blocks of %s were replaced by another process; run again",
                   blocks->kind == PU__BLOCKS_FEATURE ? "feature" : "label", blocks->symbol);
}

pu_status pu__blocks_source(pu_store *store, const pu__blocks *blocks, char source_hash[65]) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT source_hash FROM feature_sets "
                           "WHERE set_id = ?1 AND kind = ?2 AND set_hash = ?3 AND asset_id = ?4",
                           &query));
    bool row = false;
    pu_status status =
        sqlite3_bind_int64(query, 1, blocks->set_id) == SQLITE_OK &&
                sqlite3_bind_text(query, 2, blocks->kind == PU__BLOCKS_FEATURE ? "feature" : "label", -1,
                                  SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_bind_text(query, 3, blocks->set_hash, -1, SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_bind_int64(query, 4, blocks->asset_id) == SQLITE_OK
            ? pu__sql_step(store, query, &row, "read feature blocks from")
            : pu__store_failure(store, "read feature blocks from");
    if (status == PU_OK && !row) status = replaced(blocks);
    const char *text = status == PU_OK ? (const char *)sqlite3_column_text(query, 0) : NULL;
    if (status == PU_OK && (!text || strlen(text) != 64)) status = replaced(blocks);
    if (status == PU_OK) memcpy(source_hash, text, 65);
    sqlite3_finalize(query);
    return status;
}

/* The index on (set_id, first_row) holds the ids: no block is touched. */
static pu_status check_ids(pu_store *store, const pu__blocks *blocks) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT block_id FROM feature_blocks WHERE set_id = ?1 ORDER BY first_row",
                           &query));
    pu_status status = sqlite3_bind_int64(query, 1, blocks->set_id) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "read feature blocks from");
    for (int64_t i = 0; i <= blocks->count && status == PU_OK; ++i) {
        bool row = false;
        status = pu__sql_step(store, query, &row, "read feature blocks from");
        if (status != PU_OK) break;
        if (row != (i < blocks->count) || (row && sqlite3_column_int64(query, 0) != blocks->block[i].id))
            status = replaced(blocks);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status check_blocks(pu_store *store, const pu__blocks *blocks, const char *source_hash) {
    char found[65];
    PU_TRY(pu__blocks_source(store, blocks, found));
    if (strcmp(found, source_hash) != 0) return replaced(blocks);
    return check_ids(store, blocks);
}

static pu_status look(pu__row_reader *reader) {
    pu_store *store = reader->blocks.store;
    bool row = false;
    pu_status status = pu__sql_step(store, reader->version, &row, "read");
    const int64_t version = row ? sqlite3_column_int64(reader->version, 0) : 0;
    if (sqlite3_reset(reader->version) != SQLITE_OK && status == PU_OK) status = pu__store_failure(store, "read");
    PU_TRY(status);
    if (reader->looked && version == reader->seen_version) return PU_OK;
    const pu_dataset *dataset = reader->dataset;
    for (int a = 0; a < dataset->plan.asset_count; ++a) {
        const pu__dataset_asset *asset = &dataset->asset[a];
        PU_TRY(check_blocks(store, &asset->features, asset->source_hash[PU__BLOCKS_FEATURE]));
        PU_TRY(check_blocks(store, &asset->labels, asset->source_hash[PU__BLOCKS_LABEL]));
    }
    reader->looked = true;
    reader->seen_version = version;
    return PU_OK;
}

static pu_status enter(pu__row_reader *reader) {
    if (reader->inside) return PU_OK;
    PU_TRY(pu__sql_exec(reader->blocks.store, "BEGIN", "read"));
    reader->inside = true;
    return look(reader);
}

pu_status pu__row_reader_open(const pu_dataset *dataset, pu_store *store, pu__row_reader *out) {
    char text[64];
    *out = (pu__row_reader){.dataset = dataset, .blocks = {.store = store}};
    snprintf(text, sizeof text, "PRAGMA cache_size = -%d", PU__READER_CACHE_KIB);
    PU_TRY(pu__sql_exec(store, text, "set up"));
    return pu__sql_prepare(store, "PRAGMA data_version", &out->version);
}

void pu__row_reader_rest(pu__row_reader *reader) {
    pu__block_reader_rest(&reader->blocks);
    if (reader->inside) pu_store_rollback(reader->blocks.store);
    reader->inside = false;
}

void pu__row_reader_close(pu__row_reader *reader) {
    pu__row_reader_rest(reader);
    sqlite3_finalize(reader->version);
    for (int kind = 0; kind < 2; ++kind) {
        for (int i = 0; i < PU__HELD_BLOCKS; ++i) pu_free(reader->held[kind][i].data);
    }
    *reader = (pu__row_reader){0};
}

/* ---- blocks ---- */

static pu_status read_whole(pu__row_reader *reader, const pu__blocks *blocks, int64_t index, float *out) {
    const int64_t floats = pu__block_rows(blocks, index) * blocks->columns;
    PU_TRY(enter(reader));
    PU_TRY(pu__block_read(&reader->blocks, blocks, index, 0, floats, out));
    reader->counts.bytes_read += floats * (int64_t)sizeof *out;
    return pu__block_verify(blocks, index, out);
}

static pu__held_block *held_place(pu__row_reader *reader, const pu__blocks *blocks, int64_t index) {
    return &reader->held[blocks->kind][index % PU__HELD_BLOCKS];
}

static pu_status hold(pu__row_reader *reader, const pu__blocks *blocks, int64_t index, const float **data) {
    pu__held_block *held = held_place(reader, blocks, index);
    const size_t floats = (size_t)(blocks->block_rows * blocks->columns);
    held->blocks = NULL;
    if (held->floats < floats) {
        pu_free(held->data);
        held->data = pu_calloc(floats, sizeof *held->data);
        held->floats = held->data ? floats : 0;
        if (!held->data) return PU_ERR_MEMORY;
    }
    PU_TRY(read_whole(reader, blocks, index, held->data));
    held->blocks = blocks;
    held->index = index;
    *data = held->data;
    return PU_OK;
}

static float *kept_block(const pu__blocks *blocks, const pu__cache *cache, int64_t index) {
    return cache->data + index * blocks->block_rows * blocks->columns;
}

static int block_state(const pu__cache *cache, int64_t index) {
    return atomic_load_explicit(&cache->state[index], memory_order_acquire);
}

/* Of a block that was verified and is kept. */
static int judge(const pu__blocks *blocks, int64_t index, const float *data) {
    const int64_t targets = pu__block_rows(blocks, index) * (blocks->columns - 1);
    if (blocks->kind != PU__BLOCKS_LABEL) return PU__BLOCK_VERIFIED;
    for (int64_t i = 0; i < targets; ++i) {
        if (data[i] != data[i]) return PU__BLOCK_VERIFIED;
    }
    return PU__BLOCK_LABELLED;
}

/* A block that is not kept and verified: reads all of it into the memory it has, or into the reader's. */
static pu_status load(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, int64_t index,
                      const float **data) {
    unsigned char expected = PU__BLOCK_UNREAD;
    const bool mine = atomic_compare_exchange_strong(&cache->state[index], &expected, PU__BLOCK_LOADING);
    pu_status status;
    if (mine && index < cache->kept) {
        float *kept = kept_block(blocks, cache, index);
        status = read_whole(reader, blocks, index, kept);
        *data = kept;
    } else {
        status = hold(reader, blocks, index, data);
    }
    const int state = status != PU_OK       ? PU__BLOCK_UNREAD
                      : index < cache->kept ? judge(blocks, index, *data)
                                            : PU__BLOCK_VERIFIED;
    if (mine) atomic_store_explicit(&cache->state[index], (unsigned char)state, memory_order_release);
    return status;
}

/* Where a block's floats are in memory; null when it is to be read in part. */
static pu_status find_block(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, int64_t index,
                            int64_t rows, const float **data) {
    const bool verified = block_state(cache, index) >= PU__BLOCK_VERIFIED;
    const pu__held_block *held = held_place(reader, blocks, index);
    *data = NULL;
    reader->counts.rows += rows;
    if (verified && index < cache->kept) {
        *data = kept_block(blocks, cache, index);
    } else if (held->blocks == blocks && held->index == index) {
        *data = held->data;
    } else {
        return verified && !reader->in_order ? PU_OK : load(reader, blocks, cache, index, data);
    }
    reader->counts.rows_in_memory += rows;
    return PU_OK;
}

static pu_status read_part(pu__row_reader *reader, const pu__blocks *blocks, int64_t index, int64_t first,
                           int64_t floats, float *out) {
    PU_TRY(enter(reader));
    reader->counts.bytes_read += floats * (int64_t)sizeof *out;
    return pu__block_read(&reader->blocks, blocks, index, first, floats, out);
}

pu_status pu__rows_read(pu__row_reader *reader, const pu__blocks *blocks, pu__cache *cache, pu__plane plane,
                        int64_t first, int64_t count, float *out) {
    while (count > 0) {
        const int64_t index = first / blocks->block_rows, row = first - index * blocks->block_rows;
        const int64_t room = pu__block_rows(blocks, index) - row, rows = count < room ? count : room;
        const int64_t from = pu__block_rows(blocks, index) * plane.before + row * plane.columns;
        const float *data = NULL;
        PU_TRY(find_block(reader, blocks, cache, index, rows, &data));
        if (data) {
            memcpy(out, data + from, (size_t)(rows * plane.columns) * sizeof *out);
        } else {
            PU_TRY(read_part(reader, blocks, index, from, rows * plane.columns, out));
        }
        first += rows;
        count -= rows;
        out += rows * plane.columns;
    }
    return PU_OK;
}

const float *pu__rows_kept(pu__row_reader *reader, const pu__blocks *blocks, const pu__cache *cache,
                           pu__plane plane, int64_t first, int64_t count, bool *labelled) {
    const int64_t index = first / blocks->block_rows, row = first - index * blocks->block_rows;
    const int64_t rows = pu__block_rows(blocks, index);
    if (index >= cache->kept || row + count > rows) return NULL;
    const int state = block_state(cache, index);
    if (state < PU__BLOCK_VERIFIED) return NULL;
    *labelled = state == PU__BLOCK_LABELLED;
    reader->counts.rows += count;
    reader->counts.rows_in_memory += count;
    return kept_block(blocks, cache, index) + rows * plane.before + row * plane.columns;
}

/* ---- labels ---- */

enum { LANES = 8 };

/* In runs of a fixed length, which compilers turn into vector code; measured 6 times as fast as one by one. */
void pu__weigh_known(int64_t count, const float *stored, float *targets, float *restrict weights) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        float target[LANES];
        memcpy(target, stored + i, sizeof target);
        for (int j = 0; j < LANES; ++j) {
            weights[i + j] = target[j] == target[j] ? 1.0f : 0.0f;
            target[j] = target[j] == target[j] ? target[j] : 0.0f;
        }
        memcpy(targets + i, target, sizeof target);
    }
    for (; i < count; ++i) {
        const float target = stored[i];
        weights[i] = target == target ? 1.0f : 0.0f;
        targets[i] = target == target ? target : 0.0f;
    }
}
