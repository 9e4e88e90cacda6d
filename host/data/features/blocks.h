/* Feature and label blocks in the store: float32, little-endian, `block_rows` rows in every block but the last. A
 * feature block is row-major [rows][columns]. A label block is two planes: targets [rows][horizons], then sigma
 * [rows]; so the targets of a run of rows are one run of bytes.
 *
 * The checksum of a block is BLAKE2b-128 over the set's hash, the asset, the block's place and its bytes, so that
 * a block that was altered, or is another one's, is found out. */
#ifndef PU_HOST_DATA_FEATURES_BLOCKS_H
#define PU_HOST_DATA_FEATURES_BLOCKS_H

#include <sqlite3.h>

#include "plusultra/store.h"

/* A source hash begins with that many digits for the asset's own bars. */
enum { PU__CHECKSUM_BYTES = 16, PU__OWN_HASH_DIGITS = 32 };

typedef enum pu__block_kind { PU__BLOCKS_FEATURE = 0, PU__BLOCKS_LABEL } pu__block_kind;

typedef struct pu__block {
    int64_t id; /* rowid of the blob */
    unsigned char checksum[PU__CHECKSUM_BYTES];
} pu__block;

/* The blocks of one asset under one set. */
typedef struct pu__blocks {
    pu__block_kind kind;
    char set_hash[65];
    int64_t asset_id;
    char symbol[64];
    int64_t set_id;
    int64_t first_bar; /* bar of row 0 */
    int64_t rows, block_rows, count;
    int columns;
    pu__block *block; /* [count]; owned */
} pu__blocks;

/* What `out` must hold before pu__blocks_find: kind, set_hash, asset_id, symbol. *found is false when there are
 * none, or they were made of other bars than `source_hash` names. PU_ERR_CORRUPT when blocks are missing or
 * misplaced. */
pu_status pu__blocks_find(pu_store *store, const char *source_hash, pu__blocks *out, bool *found);
void pu__blocks_free(pu__blocks *blocks);

static inline int64_t pu__block_rows(const pu__blocks *blocks, int64_t index) {
    const int64_t left = blocks->rows - index * blocks->block_rows;
    return left < blocks->block_rows ? left : blocks->block_rows;
}

/* Reads blocks over one connection. It keeps one blob open, and with it SQLite's read lock, until it is rested. */
typedef struct pu__block_reader {
    pu_store *store; /* borrowed */
    sqlite3_blob *blob;
} pu__block_reader;

/* `count` floats of block `index` from float `first` on, straight into `out`. */
pu_status pu__block_read(pu__block_reader *reader, const pu__blocks *blocks, int64_t index, int64_t first,
                         int64_t count, float *out);
/* PU_ERR_CORRUPT, naming asset and block, unless `data`, all of block `index`, has the checksum it was written
 * with. */
pu_status pu__block_verify(const pu__blocks *blocks, int64_t index, const float *data);
void pu__block_reader_rest(pu__block_reader *reader);

/* Writes the blocks of one asset inside a transaction. `blocks` names kind, set, asset, block_rows and columns;
 * older blocks of that asset made of other bars of its own, and of the same set, are deleted. */
typedef struct pu__block_writer {
    pu_store *store;
    pu__blocks *blocks; /* `rows` and `count` grow with what is written */
    sqlite3_stmt *insert;
    float *row;    /* where the next row goes: [columns] */
    float *buffer; /* rows as they come, then the same again as planes */
    int64_t buffered;
    int64_t first_ts, last_ts; /* of the rows; the caller's to set before the writer is closed */
} pu__block_writer;

pu_status pu__block_writer_open(pu_store *store, const char *source_hash, const char *column_names,
                                pu__blocks *blocks, pu__block_writer *writer);
pu_status pu__block_writer_next(pu__block_writer *writer); /* the row at writer->row is complete */
/* Writes the rest unless `status` is a failure; returns the first failure. blocks->first_bar has to be right by now. */
pu_status pu__block_writer_close(pu__block_writer *writer, pu_status status);

#endif
