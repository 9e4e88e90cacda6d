#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

enum { SYMBOL_BYTES = 64 };

static const char *const every_asset =
    "SELECT asset_id, symbol, asset_class, bar_s, periods_per_year, bars, first_ts, last_ts FROM assets ";

static void copy_text(char *out, size_t capacity, const unsigned char *text) {
    snprintf(out, capacity, "%s", text ? (const char *)text : "");
}

static void read_asset(sqlite3_stmt *query, pu_asset *asset) {
    asset->id = sqlite3_column_int64(query, 0);
    copy_text(asset->symbol, sizeof asset->symbol, sqlite3_column_text(query, 1));
    copy_text(asset->asset_class, sizeof asset->asset_class, sqlite3_column_text(query, 2));
    asset->bar_s = sqlite3_column_int64(query, 3);
    asset->periods_per_year = sqlite3_column_double(query, 4);
    asset->bars = sqlite3_column_int64(query, 5);
    asset->first_ts = sqlite3_column_int64(query, 6);
    asset->last_ts = sqlite3_column_int64(query, 7);
}

static pu_status all_assets(pu_store *store, int *count, pu_asset **out) {
    sqlite3_stmt *query = NULL;
    char sql[256];
    snprintf(sql, sizeof sql, "%sORDER BY symbol, bar_s", every_asset);
    PU_TRY(pu__sql_prepare(store, sql, &query));
    pu_asset *assets = pu_calloc(1, sizeof *assets);
    pu_status status = assets ? PU_OK : PU_ERR_MEMORY;
    size_t used = 0, capacity = 1;
    while (status == PU_OK) {
        bool row = false;
        status = pu__sql_step(store, query, &row, "list the assets of");
        if (status != PU_OK || !row) break;
        if (used == capacity) {
            pu_asset *grown = pu_regrow(assets, capacity * sizeof *assets, 2 * capacity * sizeof *assets);
            if (!grown) {
                status = PU_ERR_MEMORY;
                break;
            }
            assets = grown;
            capacity *= 2;
        }
        read_asset(query, &assets[used++]);
    }
    sqlite3_finalize(query);
    if (status != PU_OK) {
        pu_free(assets);
        return status;
    }
    *count = (int)used;
    *out = assets;
    return PU_OK;
}

/* Symbols are few beside bars: one list serves every look-up and the suggestion. */
static pu_status missing_asset(pu_store *store, const char *wanted, int count, const pu_asset *assets) {
    if (count == 0) {
        return pu_fail(
            PU_ERR_NOT_FOUND,
            "there is no asset '%.80s': the store %s is empty; use `plusultra import` or `plusultra synth`",
            wanted, pu_store_path(store));
    }
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%.*s", (int)strcspn(wanted, "@"), wanted);
    const char **names = pu_calloc((size_t)count, sizeof *names);
    if (!names) return PU_ERR_MEMORY;
    const pu_asset *other = NULL; /* the symbol at another bar length */
    for (int i = 0; i < count; ++i) {
        names[i] = assets[i].symbol;
        if (strcmp(symbol, assets[i].symbol) == 0) other = &assets[i];
    }
    const char *nearest = other ? NULL : pu__nearest(symbol, count, names);
    pu_status status = PU_ERR_NOT_FOUND;
    if (other)
        status = pu_fail(status, "there is no asset '%.80s' in %s: %s has bars of %lld s", wanted,
                         pu_store_path(store), symbol, (long long)other->bar_s);
    else
        status = pu_fail(status, "there is no asset '%.80s' in %s%s%s%s", wanted, pu_store_path(store),
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    pu_free(names);
    return status;
}

/* "SYMBOL" or "SYMBOL@seconds". */
static pu_status find_asset(pu_store *store, const char *wanted, int count, const pu_asset *assets,
                            const pu_asset **found) {
    const char *at = strchr(wanted, '@');
    const size_t length = at ? (size_t)(at - wanted) : strlen(wanted);
    const int64_t bar_s = at ? strtoll(at + 1, NULL, 10) : 0;
    *found = NULL;
    for (int i = 0; i < count; ++i) {
        if (strlen(assets[i].symbol) != length || memcmp(assets[i].symbol, wanted, length) != 0) continue;
        if (at && assets[i].bar_s != bar_s) continue;
        if (*found) {
            return pu_fail(PU_ERR_NOT_FOUND, "'%s' is stored at several bar lengths: write %s@%lld or %s@%lld",
                           wanted, wanted, (long long)(*found)->bar_s, wanted, (long long)assets[i].bar_s);
        }
        *found = &assets[i];
    }
    return *found ? PU_OK : missing_asset(store, wanted, count, assets);
}

pu_status pu_store_assets(pu_store *store, int symbol_count, const char *const *symbols, int *count,
                          pu_asset **out) {
    *count = 0;
    *out = NULL;
    int total = 0;
    pu_asset *assets = NULL;
    PU_TRY(all_assets(store, &total, &assets));
    if (symbol_count == 0) {
        *count = total;
        *out = assets;
        return PU_OK;
    }
    pu_asset *chosen = pu_calloc((size_t)symbol_count, sizeof *chosen);
    pu_status status = chosen ? PU_OK : PU_ERR_MEMORY;
    for (int i = 0; i < symbol_count && status == PU_OK; ++i) {
        const pu_asset *found = NULL;
        status = find_asset(store, symbols[i], total, assets, &found);
        if (status == PU_OK) chosen[i] = *found;
    }
    pu_free(assets);
    if (status != PU_OK) {
        pu_free(chosen);
        return status;
    }
    *count = symbol_count;
    *out = chosen;
    return PU_OK;
}
