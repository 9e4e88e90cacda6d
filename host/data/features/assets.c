#include "host/data/features/assets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

/* A benchmark that does not exist would otherwise be noticed only by the backtest, after the training. */
static pu_status leave_benchmark_out(const pu_config *config, pu_store *store, int *count, pu_asset *asset,
                                     pu_asset *benchmark) {
    int found = 0, kept = 0;
    pu_asset *stored = NULL;
    const pu_status status = pu_store_assets(store, 1, &config->data.benchmark, &found, &stored);
    if (status == PU_ERR_NOT_FOUND) return pu_fail_within(PU_ERR_CONFIG, "data.benchmark");
    PU_TRY(status);
    for (int i = 0; config->data.symbols.count == 0 && i < *count; ++i) {
        if (asset[i].id != stored[0].id) asset[kept++] = asset[i];
    }
    if (config->data.symbols.count == 0) *count = kept;
    *benchmark = stored[0];
    pu_free(stored);
    return PU_OK;
}

static pu_status currency_of(pu_store *store, int64_t asset_id, char out[16]) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *out = '\0';
    PU_TRY(pu__sql_prepare(store, "SELECT currency FROM assets WHERE asset_id = ?1", &query));
    const pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK
                                 ? pu__sql_step(store, query, &row, "read the currencies of")
                                 : pu__store_failure(store, "read the currencies of");
    if (status == PU_OK && row) snprintf(out, 16, "%s", (const char *)sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    return status;
}

/* Assets whose currency the store does not say are taken as they are. */
static pu_status compare_currencies(pu_store *store, int count, const pu_asset *assets,
                                    const pu_asset *benchmark) {
    char first[16] = "", now[16];
    const pu_asset *of = NULL;
    for (int i = 0; i <= count; ++i) {
        const pu_asset *asset = i < count ? &assets[i] : benchmark;
        if (asset->id == 0) continue;
        PU_TRY(currency_of(store, asset->id, now));
        if (!*now || strcmp(first, now) == 0) continue;
        if (of) {
            pu_log(
                PU_LOG_WARNING, "data.currencies",
                "%s is in %s, %s in %s: returns stay each in their own currency, and are compared and added up as "
                "if they were hedged",
                of->symbol, first, asset->symbol, now);
            return PU_OK;
        }
        of = asset;
        snprintf(first, sizeof first, "%s", now);
    }
    return PU_OK;
}

static pu_status check_asset(const pu_asset *asset, int index) {
    const pu_asset *a = &asset[index];
    if (a->bars == 0)
        return pu_fail(PU_ERR_DATA, "%s has no bars: import some, or leave it out of data.symbols", a->symbol);
    if (a->bar_s != asset[0].bar_s) {
        return pu_fail(PU_ERR_DATA,
                       "%s has bars of %" PRId64 " s and %s of %" PRId64
                       " s: choose one bar length with data.symbols",
                       asset[0].symbol, asset[0].bar_s, a->symbol, a->bar_s);
    }
    for (int j = 0; j < index; ++j) {
        if (asset[j].id == a->id) return pu_fail(PU_ERR_CONFIG, "data.symbols names %s twice", a->symbol);
    }
    return PU_OK;
}

pu_status pu__assets_choose(const pu_config *config, pu_store *store, int *count, pu_asset **asset,
                            pu_asset *benchmark) {
    *benchmark = (pu_asset){0};
    PU_TRY(pu_store_assets(store, config->data.symbols.count, config->data.symbols.value, count, asset));
    if (*config->data.benchmark) PU_TRY(leave_benchmark_out(config, store, count, *asset, benchmark));
    if (*count == 0) {
        return pu_fail(PU_ERR_DATA, "%s has no asset: `plusultra import` or `plusultra synth` brings some",
                       pu_store_path(store));
    }
    for (int i = 0; i < *count; ++i) PU_TRY(check_asset(*asset, i));
    return compare_currencies(store, *count, *asset, benchmark);
}
