/* A damaged store. The input is a list of edits, four bytes each - where, in three bytes, and what is changed there -
 * to a small sound store; one odd byte behind them cuts the file short. It is opened, checked, read and refused; what
 * passes the check holds the bars that were written. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

enum { DAY_S = 86400, BARS = 40, ASSETS = 2 };

static uint8_t *base, *edited;
static size_t base_bytes;
static char base_hash[65];

#define must(held) require(held, __LINE__)
static void require(bool held, int line) {
    if (held) return;
    fprintf(stderr, "line %d: %s\n", line, pu_error_message());
    abort();
}

static void put_asset(pu_store *store, const char *symbol, double price) {
    pu__bar_writer writer;
    int64_t asset_id = 0;
    must(pu_store_begin(store) == PU_OK);
    must(pu__asset_make(store, symbol, "equity", DAY_S, "", 252, &asset_id) == PU_OK);
    must(pu__bar_writer_open(store, asset_id, &writer) == PU_OK);
    for (int i = 1; i <= BARS; ++i) {
        const pu__bar bar = {i * DAY_S, price, price + 1, price - 1, price, price, 5};
        must(pu__bars_put(&writer, &bar, 1, false, NULL) == PU_OK);
    }
    must(pu__bar_writer_close(&writer, PU_OK) == PU_OK && pu_store_commit(store) == PU_OK);
    const pu_action split = {5 * DAY_S, PU_ACTION_SPLIT, 2, 5 * DAY_S, PU_BASIS_RAW};
    must(pu_store_put_actions(store, asset_id, 1, &split, NULL) == PU_OK);
    must(pu_store_put_benchmark(store, symbol, asset_id) == PU_OK);
}

static void put_predictions(pu_store *store) {
    static const int64_t ts[] = {DAY_S, 2 * DAY_S}, horizon = 1;
    static const double quantile = 0.5;
    static const float value[] = {0.5f, -0.5f}, sigma[] = {0.01f, 0.02f};
    const pu_run_record record = {.config = "seed: 1\n", .data_hash = "", .feature_hash = "", .result = "{}"};
    const pu_prediction_set set = {1, 2, ts, 1, &horizon, 1, &quantile, value, sigma};
    must(pu_store_put_run(store, "run", &record) == PU_OK &&
         pu_store_put_predictions(store, "run", &set) == PU_OK);
}

static void make_base(void) {
    pu_store *store = NULL;
    pu_asset *assets = NULL;
    struct stat info;
    int count = 0;
    const char *path = fuzz_scratch(NULL, 0);
    must(pu_store_open(path, PU_STORE_CREATE, &store) == PU_OK);
    put_asset(store, "A", 100);
    put_asset(store, "B", 10);
    put_predictions(store);
    must(pu_store_assets(store, 0, NULL, &count, &assets) == PU_OK && count == ASSETS);
    must(pu_store_data_hash(store, count, assets, base_hash) == PU_OK);
    pu_free(assets);
    pu_store_close(store);
    must(stat(path, &info) == 0);
    base_bytes = (size_t)info.st_size;
    base = malloc(base_bytes);
    edited = malloc(base_bytes);
    FILE *file = fopen(path, "rb");
    must(base && edited && file && fread(base, 1, base_bytes, file) == base_bytes && fclose(file) == 0);
}

static void read_bars(pu_store *store, const pu_asset *asset) {
    for (int view = PU_PRICES_STORED; view <= PU_PRICES_TOTAL_RETURN; ++view) {
        pu_bars bars;
        if (pu_store_bars_view(store, asset->id, INT64_MIN, INT64_MAX, (pu_price_view)view, 9 * DAY_S, &bars) ==
            PU_OK)
            pu_bars_free(&bars);
    }
}

static void read_all(pu_store *store) {
    char hash[65] = "";
    int count = 0;
    int64_t benchmark = 0;
    pu_asset *assets = NULL;
    pu_prediction_set set;
    pu_run_record record = {0};
    const bool passes = pu_store_check(store) == PU_OK;
    if (pu_store_assets(store, 0, NULL, &count, &assets) == PU_OK) {
        for (int i = 0; i < count; ++i) read_bars(store, &assets[i]);
        const bool hashed = pu_store_data_hash(store, count, assets, hash) == PU_OK;
        if (passes) must(count == ASSETS && hashed && strcmp(hash, base_hash) == 0);
    } else {
        must(!passes);
    }
    pu_free(assets);
    if (pu_store_get_benchmark(store, "A", &benchmark) != PU_OK) must(!passes);
    if (pu_store_get_predictions(store, "run", 1, &set) == PU_OK) pu_prediction_set_free(&set);
    else must(!passes);
    if (pu_store_get_run(store, "run", &record) != PU_OK) must(!passes);
    pu_run_record_free(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!base) make_base();
    memcpy(edited, base, base_bytes);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        const size_t where = (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2];
        edited[where % base_bytes] ^= data[i + 3];
    }
    const size_t left =
        size % 4 == 1 ? base_bytes * (data[size - 1] + 1u) / 257 : base_bytes; /* an empty file is a new store */
    const char *path = fuzz_scratch(edited, left);
    for (int mode = PU_STORE_READ; mode <= PU_STORE_WRITE; ++mode) {
        pu_store *store = NULL;
        if (pu_store_open(path, (pu_store_mode)mode, &store) == PU_OK) read_all(store);
        else must(pu_error_message()[0] != '\0');
        pu_store_close(store);
    }
    return 0;
}
