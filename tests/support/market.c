#include "tests/support/market.h"

#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/process.h"

static void must(bool held, const char *what) {
    if (held) return;
    fprintf(stderr, "test market: %s: %s\n", what, pu_error_message());
    abort();
}

test_market test_market_new(void) {
    test_market market = {.folder = test_folder_new()};
    snprintf(market.store, sizeof market.store, "%s/market.db", market.folder);
    pu_store *store = NULL;
    must(pu_store_open(market.store, PU_STORE_CREATE, &store) == PU_OK, "create");
    pu_store_close(store);
    return market;
}

void test_market_remove(test_market *market) {
    test_folder_remove(market->folder);
    *market = (test_market){0};
}

void test_market_put(const test_market *market, const char *symbol, int64_t bar_s, const pu_bars *bars) {
    pu_store *store = NULL;
    int64_t asset = 0;
    must(pu_store_open(market->store, PU_STORE_WRITE, &store) == PU_OK, "open");
    must(pu_store_begin(store) == PU_OK, "begin");
    must(pu__asset_find(store, symbol, bar_s, &asset) == PU_OK, "find");
    if (asset == 0) must(pu__asset_make(store, symbol, "synthetic", bar_s, "", 252, &asset) == PU_OK, "make");
    pu__bar_writer writer;
    must(pu__bar_writer_open(store, asset, &writer) == PU_OK, "write");
    for (int64_t i = 0; i < bars->count; ++i) {
        const pu__bar bar = {bars->ts[i],    bars->open[i],     bars->high[i],  bars->low[i],
                             bars->close[i], bars->adjusted[i], bars->volume[i]};
        must(pu__bars_put(&writer, &bar, 1, true, NULL) == PU_OK, "put");
    }
    must(pu__bar_writer_close(&writer, PU_OK) == PU_OK, "write");
    must(pu_store_commit(store) == PU_OK, "commit");
    pu_store_close(store);
}

void test_market_walk(const test_market *market, const char *symbol, uint64_t seed, int64_t count, bool volume) {
    pu_bars bars;
    must(test_bars_walk(seed, count, TEST_FIRST_TS, TEST_DAY_S, &bars), "walk");
    for (int64_t i = 0; !volume && i < count; ++i) bars.volume[i] = NAN;
    test_market_put(market, symbol, TEST_DAY_S, &bars);
    pu_bars_free(&bars);
}

pu_config *test_config(const test_market *market, ...) {
    enum { OVERRIDES_MAX = 32 };
    char store[600];
    const char *overrides[OVERRIDES_MAX] = {store};
    int count = 1;
    snprintf(store, sizeof store, "data.store=%s", market->store);
    va_list arguments;
    va_start(arguments, market);
    for (const char *text; count < OVERRIDES_MAX && (text = va_arg(arguments, const char *)); ++count)
        overrides[count] = text;
    va_end(arguments);
    pu_config *config = NULL;
    must(pu_config_load(NULL, count, overrides, &config) == PU_OK, "configuration");
    return config;
}

int64_t test_market_sql(const test_market *market, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t first = 0;
    must(sqlite3_open(market->store, &db) == SQLITE_OK, "open");
    must(sqlite3_busy_timeout(db, 10000) == SQLITE_OK, "set up"); /* a reader may be at work this moment */
    must(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL) == SQLITE_OK, "set up");
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        abort();
    }
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) first = sqlite3_column_int64(statement, 0);
    while (code == SQLITE_ROW) code = sqlite3_step(statement);
    must(code == SQLITE_DONE, "step");
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return first;
}

void test_market_flip(const test_market *market, int64_t block_id, int offset_bytes) {
    sqlite3 *db = NULL;
    sqlite3_blob *blob = NULL;
    unsigned char byte = 0;
    must(sqlite3_open(market->store, &db) == SQLITE_OK, "open");
    must(sqlite3_blob_open(db, "main", "feature_blocks", "data", block_id, 1, &blob) == SQLITE_OK, "open a block");
    must(sqlite3_blob_read(blob, &byte, 1, offset_bytes) == SQLITE_OK, "read a block");
    byte ^= 0x10;
    must(sqlite3_blob_write(blob, &byte, 1, offset_bytes) == SQLITE_OK, "write a block");
    must(sqlite3_blob_close(blob) == SQLITE_OK, "close a block");
    sqlite3_close(db);
}

int64_t *test_times(pu_dataset *dataset, int asset) {
    const int64_t rows = pu_dataset_rows(dataset, asset);
    int64_t *ts = pu_calloc((size_t)rows, sizeof *ts);
    must(ts && pu_dataset_times(dataset, asset, 0, rows, ts) == PU_OK, "times");
    return ts;
}
