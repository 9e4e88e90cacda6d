#include "host/data/features/blocks.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "plusultra/memory.h"

static const char *const kind_name[] = {"feature", "label"};

#define REBUILD "`plusultra features build` checks all blocks and makes the bad ones again"

static void checksum(const pu__blocks *blocks, int64_t index, int64_t rows, const float *data,
                     unsigned char out[PU__CHECKSUM_BYTES]) {
    const int64_t place[] = {blocks->kind, blocks->asset_id, index * blocks->block_rows, rows, blocks->columns};
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, PU__CHECKSUM_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)blocks->set_hash, sizeof blocks->set_hash);
    crypto_generichash_update(&state, (const unsigned char *)place, sizeof place);
    crypto_generichash_update(&state, (const unsigned char *)data,
                              (size_t)(rows * blocks->columns) * sizeof *data);
    crypto_generichash_final(&state, out, PU__CHECKSUM_BYTES);
}

pu_status pu__block_verify(const pu__blocks *blocks, int64_t index, const float *data) {
    unsigned char found[PU__CHECKSUM_BYTES];
    checksum(blocks, index, pu__block_rows(blocks, index), data, found);
    if (memcmp(found, blocks->block[index].checksum, sizeof found) == 0) return PU_OK;
    return pu_fail(PU_ERR_CORRUPT,
                   "%s block %" PRId64 " of %s fails its checksum: the store was damaged; " REBUILD,
                   kind_name[blocks->kind], index, blocks->symbol);
}

/* ---- finding ---- */

static pu_status bind_key(pu_store *store, sqlite3_stmt *statement, const pu__blocks *key) {
    if (sqlite3_bind_text(statement, 1, kind_name[key->kind], -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(statement, 2, key->set_hash, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_int64(statement, 3, key->asset_id) == SQLITE_OK) {
        return PU_OK;
    }
    return pu__store_failure(store, "read feature blocks from");
}

static pu_status find_set(pu_store *store, const char *source_hash, pu__blocks *out, bool *found) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store,
        "SELECT set_id, source_hash, first_bar, row_count, block_rows, column_count FROM feature_sets "
        "WHERE kind = ?1 AND set_hash = ?2 AND asset_id = ?3",
        &query));
    bool row = false;
    pu_status status = bind_key(store, query, out);
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read feature blocks from");
    *found = false;
    if (status == PU_OK && row && strcmp((const char *)sqlite3_column_text(query, 1), source_hash) == 0) {
        *found = true;
        out->set_id = sqlite3_column_int64(query, 0);
        out->first_bar = sqlite3_column_int64(query, 2);
        out->rows = sqlite3_column_int64(query, 3);
        out->block_rows = sqlite3_column_int64(query, 4);
        out->columns = sqlite3_column_int(query, 5);
        out->count = (out->rows + out->block_rows - 1) / out->block_rows;
    }
    sqlite3_finalize(query);
    return status;
}

static bool read_block(sqlite3_stmt *query, const pu__blocks *blocks, int64_t index, pu__block *block) {
    block->id = sqlite3_column_int64(query, 0);
    const char *text = (const char *)sqlite3_column_text(query, 4);
    size_t bytes = 0;
    return index < blocks->count && sqlite3_column_int64(query, 1) == index * blocks->block_rows &&
           sqlite3_column_int64(query, 2) == pu__block_rows(blocks, index) &&
           sqlite3_column_int(query, 3) == blocks->columns && text &&
           sodium_hex2bin(block->checksum, sizeof block->checksum, text, strlen(text), NULL, &bytes, NULL) == 0 &&
           bytes == sizeof block->checksum;
}

static pu_status list_blocks(pu_store *store, pu__blocks *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT block_id, first_row, row_count, column_count, checksum FROM feature_blocks "
                           "WHERE set_id = ?1 ORDER BY first_row",
                           &query));
    pu_status status = sqlite3_bind_int64(query, 1, out->set_id) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "read feature blocks from");
    int64_t count = 0;
    for (bool row = true, sound = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read feature blocks from");
        if (status == PU_OK && row)
            sound = count < out->count && read_block(query, out, count, &out->block[count]);
        if (status == PU_OK && (!sound || (!row && count != out->count))) {
            status = pu_fail(PU_ERR_CORRUPT, "%s block %" PRId64 " of %s is missing or misplaced; " REBUILD,
                             kind_name[out->kind], count, out->symbol);
        }
        if (!row) break;
        ++count;
    }
    sqlite3_finalize(query);
    return status;
}

pu_status pu__blocks_find(pu_store *store, const char *source_hash, pu__blocks *out, bool *found) {
    PU_TRY(find_set(store, source_hash, out, found));
    if (!*found) return PU_OK;
    out->block = pu_calloc((size_t)out->count, sizeof *out->block);
    if (!out->block) return PU_ERR_MEMORY;
    const pu_status status = list_blocks(store, out);
    if (status != PU_OK) pu__blocks_free(out);
    return status;
}

void pu__blocks_free(pu__blocks *blocks) {
    pu_free(blocks->block);
    blocks->block = NULL;
}

/* ---- reading ---- */

static pu_status read_failure(pu__block_reader *reader, const pu__blocks *blocks, int64_t index) {
    const int code = sqlite3_extended_errcode(pu_store_sqlite(reader->store)) & 0xff;
    const pu_status status = code == SQLITE_ERROR || code == SQLITE_ABORT
                                 ? pu_fail(PU_ERR_STORE, "the block was replaced by another process; run again")
                                 : pu__store_failure(reader->store, "read from");
    pu__block_reader_rest(reader);
    return pu_fail_within(status, "%s block %" PRId64 " of %s", kind_name[blocks->kind], index, blocks->symbol);
}

pu_status pu__block_read(pu__block_reader *reader, const pu__blocks *blocks, int64_t index, int64_t first,
                         int64_t count, float *out) {
    const int64_t bytes = count * (int64_t)sizeof *out, offset = first * (int64_t)sizeof *out;
    if (bytes > INT32_MAX || offset > INT32_MAX - bytes) {
        return pu_fail(PU_ERR_CONFIG,
                       "blocks of %" PRId64 " rows and %d columns pass 2 GiB: lower features.block_bars",
                       blocks->block_rows, blocks->columns);
    }
    const int64_t id = blocks->block[index].id;
    const int code = reader->blob ? sqlite3_blob_reopen(reader->blob, id)
                                  : sqlite3_blob_open(pu_store_sqlite(reader->store), "main", "feature_blocks",
                                                      "data", id, 0, &reader->blob);
    if (code != SQLITE_OK || sqlite3_blob_read(reader->blob, out, (int)bytes, (int)offset) != SQLITE_OK)
        return read_failure(reader, blocks, index);
    return PU_OK;
}

void pu__block_reader_rest(pu__block_reader *reader) {
    sqlite3_blob_close(reader->blob); /* repeats the error of a failed read, which was reported */
    reader->blob = NULL;
}

/* ---- writing ---- */

/* Runs a statement whose first three parameters are the key, then two texts (null: not bound), then numbers. */
static pu_status run_bound(pu_store *store, const char *sql, const pu__blocks *key, const char *const text[2],
                           int count, const int64_t *number) {
    sqlite3_stmt *statement = NULL;
    PU_TRY(pu__sql_prepare(store, sql, &statement));
    pu_status status = bind_key(store, statement, key);
    bool bound = true;
    int place = 4;
    for (int i = 0; i < 2; ++i) {
        if (text[i])
            bound = bound && sqlite3_bind_text(statement, place++, text[i], -1, SQLITE_STATIC) == SQLITE_OK;
    }
    for (int i = 0; i < count; ++i)
        bound = bound && sqlite3_bind_int64(statement, place++, number[i]) == SQLITE_OK;
    if (status == PU_OK && !bound) status = pu__store_failure(store, "write feature blocks to");
    if (status == PU_OK) status = pu__sql_run(store, statement, "write feature blocks to");
    sqlite3_finalize(statement);
    return status;
}

/* The row of the set; what is only known after the last row is put in when the writer is closed. */
static pu_status begin_set(pu_store *store, const char *source_hash, const char *column_names,
                           pu__blocks *blocks) {
    const char *const source[2] = {source_hash, NULL}, *const both[2] = {source_hash, column_names};
    const int64_t numbers[] = {blocks->columns, blocks->block_rows}, own_digits = PU__OWN_HASH_DIGITS;
    PU_TRY(run_bound(store,
                     "DELETE FROM feature_sets WHERE asset_id = ?3 AND ((kind = ?1 AND set_hash = ?2) OR "
                     "substr(source_hash, 1, ?5) != substr(?4, 1, ?5))",
                     blocks, source, 1, &own_digits));
    PU_TRY(run_bound(store,
                     "INSERT INTO feature_sets (kind, set_hash, asset_id, source_hash, columns, column_count, "
                     "block_rows, first_bar, row_count, first_ts, last_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, "
                     "0, 0, 0)",
                     blocks, both, 2, numbers));
    blocks->set_id = sqlite3_last_insert_rowid(pu_store_sqlite(store));
    blocks->count = blocks->rows = 0;
    return PU_OK;
}

static pu_status end_set(const pu__block_writer *writer) {
    const pu__blocks *blocks = writer->blocks;
    const char *const none[2] = {NULL, NULL};
    const int64_t numbers[] = {blocks->first_bar, blocks->rows, writer->first_ts, writer->last_ts};
    return run_bound(writer->store,
                     "UPDATE feature_sets SET first_bar = ?4, row_count = ?5, first_ts = ?6, last_ts = ?7 "
                     "WHERE kind = ?1 AND set_hash = ?2 AND asset_id = ?3",
                     blocks, none, 4, numbers);
}

pu_status pu__block_writer_open(pu_store *store, const char *source_hash, const char *column_names,
                                pu__blocks *blocks, pu__block_writer *writer) {
    *writer = (pu__block_writer){.store = store, .blocks = blocks};
    PU_TRY(begin_set(store, source_hash, column_names, blocks));
    writer->buffer = writer->row =
        pu_calloc(2 * (size_t)(blocks->block_rows * blocks->columns), sizeof *writer->buffer);
    if (!writer->buffer) return PU_ERR_MEMORY;
    const pu_status status = pu__sql_prepare(store,
                                             "INSERT INTO feature_blocks (set_id, first_row, row_count, "
                                             "column_count, checksum, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                                             &writer->insert);
    if (status == PU_OK) return PU_OK;
    pu_free(writer->buffer);
    writer->buffer = writer->row = NULL;
    return status;
}

/* The buffered rows in the block's layout. */
static const float *lay_out(const pu__block_writer *writer) {
    const pu__blocks *blocks = writer->blocks;
    const int64_t rows = writer->buffered, horizons = blocks->columns - 1;
    if (blocks->kind == PU__BLOCKS_FEATURE) return writer->buffer;
    float *targets = writer->buffer + blocks->block_rows * blocks->columns, *sigma = targets + rows * horizons;
    for (int64_t r = 0; r < rows; ++r) {
        const float *row = writer->buffer + r * blocks->columns;
        memcpy(targets + r * horizons, row, (size_t)horizons * sizeof *row);
        sigma[r] = row[horizons];
    }
    return targets;
}

static pu_status write_block(pu__block_writer *writer) {
    const pu__blocks *blocks = writer->blocks;
    const int64_t index = blocks->count, rows = writer->buffered;
    const float *data = lay_out(writer);
    unsigned char sum[PU__CHECKSUM_BYTES];
    char text[2 * PU__CHECKSUM_BYTES + 1];
    checksum(blocks, index, rows, data, sum);
    sodium_bin2hex(text, sizeof text, sum, sizeof sum);
    const int64_t numbers[] = {blocks->set_id, index * blocks->block_rows, rows, blocks->columns};
    bool bound = true;
    for (int i = 0; i < 4; ++i)
        bound = bound && sqlite3_bind_int64(writer->insert, 1 + i, numbers[i]) == SQLITE_OK;
    bound = bound && sqlite3_bind_text(writer->insert, 5, text, -1, SQLITE_STATIC) == SQLITE_OK &&
            sqlite3_bind_blob64(writer->insert, 6, data, (sqlite3_uint64)(rows * blocks->columns) * sizeof(float),
                                SQLITE_STATIC) == SQLITE_OK;
    if (!bound) return pu__store_failure(writer->store, "write feature blocks to");
    PU_TRY(pu__sql_run(writer->store, writer->insert, "write feature blocks to"));
    ++writer->blocks->count;
    writer->buffered = 0;
    writer->row = writer->buffer;
    return PU_OK;
}

pu_status pu__block_writer_next(pu__block_writer *writer) {
    writer->blocks->rows += 1;
    writer->row += writer->blocks->columns;
    return ++writer->buffered == writer->blocks->block_rows ? write_block(writer) : PU_OK;
}

pu_status pu__block_writer_close(pu__block_writer *writer, pu_status status) {
    if (status == PU_OK && writer->buffered > 0) status = write_block(writer);
    if (status == PU_OK) status = end_set(writer);
    sqlite3_finalize(writer->insert);
    pu_free(writer->buffer);
    writer->insert = NULL;
    writer->buffer = writer->row = NULL;
    return status;
}
