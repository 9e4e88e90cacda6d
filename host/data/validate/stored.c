/* Kinds that look at the store as a whole: references to nothing, and feature blocks. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/blocks.h"
#include "host/data/store/adjust.h"
#include "host/data/store/sql.h"
#include "host/data/validate/inspect.h"
#include "plusultra/memory.h"

/* ---- orphans ---- */

/* Every distinct asset_id of a table by its index, without reading its rows. */
#define DISTINCT_ASSETS(table)                                                                           \
    "WITH RECURSIVE a(id) AS (SELECT min(asset_id) FROM " table " UNION ALL "                            \
    "SELECT (SELECT min(asset_id) FROM " table " WHERE asset_id > a.id) FROM a WHERE a.id IS NOT NULL) " \
    "SELECT 'asset ' || id, id NOT IN (SELECT asset_id FROM assets) FROM a WHERE id IS NOT NULL"

/* A query of (what refers, whether it refers to nothing), and what to say of those that do. */
typedef struct reference {
    const char *sql, *complaint;
} reference;

static const reference references[] = {
    {DISTINCT_ASSETS("series"), "has bars, but is no asset of the store"},
    {DISTINCT_ASSETS("indicators"), "has indicators, but is no asset of the store"},
    {DISTINCT_ASSETS("corporate_actions"), "has corporate actions, but is no asset of the store"},
    {"SELECT 'benchmark of ' || universe, asset_id NOT IN (SELECT asset_id FROM assets) FROM benchmarks",
     "is no asset of the store"},
    {"SELECT 'benchmark of ' || b.universe || ', ' || a.symbol, NOT EXISTS (SELECT 1 FROM series s WHERE "
     "s.asset_id = "
     "a.asset_id) FROM benchmarks b JOIN assets a USING (asset_id)",
     "has no bars"},
    {"SELECT 'alternative series ' || name, asset_id IS NOT NULL AND asset_id NOT IN (SELECT asset_id FROM "
     "assets) FROM "
     "alternative_series",
     "belongs to no asset of the store"},
    {"SELECT 'alternative series ' || name, NOT EXISTS (SELECT 1 FROM alternative_values v WHERE v.series_id = "
     "s.series_id) FROM alternative_series s",
     "has no values"},
    {"WITH RECURSIVE a(id) AS (SELECT min(series_id) FROM alternative_values UNION ALL SELECT (SELECT "
     "min(series_id) FROM "
     "alternative_values WHERE series_id > a.id) FROM a WHERE a.id IS NOT NULL) SELECT 'alternative series number "
     "' || id, "
     "id NOT IN (SELECT series_id FROM alternative_series) FROM a WHERE id IS NOT NULL",
     "has values, but is no series of the store"},
    {"SELECT 'run ' || ifnull(r.name, p.run_id) || ', asset ' || p.asset_id, p.asset_id NOT IN (SELECT asset_id "
     "FROM "
     "assets) OR r.run_id IS NULL FROM prediction_sets p LEFT JOIN runs r USING (run_id)",
     "has predictions of a missing asset or run"},
    {"SELECT 'set ' || set_id || ', asset ' || asset_id, asset_id NOT IN (SELECT asset_id FROM assets) FROM "
     "feature_sets",
     "has feature blocks, but is no asset of the store"},
    {"SELECT 'run ' || run_id || ', asset ' || asset_id, asset_id NOT IN (SELECT asset_id FROM assets) OR run_id "
     "NOT IN "
     "(SELECT run_id FROM runs) FROM (SELECT DISTINCT run_id, asset_id FROM trades)",
     "has trades of a missing asset or run"},
};

static pu_status check_reference(pu__watch *watch, pu_store *store, const reference *from) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, from->sql, &query));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read");
        if (status != PU_OK || !row) break;
        pu__looked_at(watch, 1);
        if (!sqlite3_column_int(query, 1)) continue;
        const char *name = (const char *)sqlite3_column_text(query, 0);
        pu__report(watch, 0, NULL, 1, "%s: %s", name ? name : "?", from->complaint);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status orphans_store(pu__watch *watch, pu_store *store) {
    for (size_t i = 0; i < sizeof references / sizeof *references; ++i)
        PU_TRY(check_reference(watch, store, &references[i]));
    return PU_OK;
}

const pu__check_kind pu__check_kind_orphans = {
    .name = "orphans",
    .finds = "What points nowhere: bars, indicators, corporate actions, trades, predictions and feature blocks of "
             "assets "
             "that are not there, benchmarks without an asset or without bars, alternative series of no asset or "
             "without values, values of no series.",
    .unit = PU__UNIT_REFERENCES,
    .store = orphans_store,
};

/* ---- the adjusted close by the stored dividends ---- */

static void compare(pu__watch *watch, const pu_asset *asset, const pu__adjust_difference *found) {
    char when[32];
    watch->inspector->sight.asset = asset;
    pu_bar_time_format(found->ts, asset->bar_s, when);
    pu__report(
        watch, found->ts, NULL, 1,
        "the delivered adjusted close is up to %.3g %% from the one that the stored splits and dividends make, "
        "most at %s",
        100 * found->ratio, when);
    watch->inspector->sight.asset = NULL;
}

static pu_status has_dividends(pu_store *store, const pu_asset *asset, bool *out) {
    char sql[128];
    int64_t found = 0;
    snprintf(sql, sizeof sql,
             "SELECT EXISTS (SELECT 1 FROM corporate_actions WHERE asset_id = %" PRId64 " AND kind = 'dividend')",
             asset->id);
    PU_TRY(pu__sql_integer(store, sql, 0, &found));
    *out = found != 0;
    return PU_OK;
}

static pu_status mismatch_store(pu__watch *watch, pu_store *store) {
    int count = 0;
    pu_asset *assets = NULL;
    PU_TRY(pu_store_assets(store, 0, NULL, &count, &assets));
    pu_status status = PU_OK;
    for (int i = 0; i < count && status == PU_OK; ++i) {
        pu__adjust_difference found = {.ratio = 0};
        bool compared = false;
        watch->reports = 0;
        status = has_dividends(store, &assets[i], &compared);
        if (status != PU_OK || !compared) continue;
        pu__looked_at(watch, 1);
        status = pu__adjust_compare(store, assets[i].id, &found);
        if (status ==
            PU_ERR_DATA) { /* a dividend that is not below the close: no adjusted close to compare with */
            pu__report(watch, 0, NULL, 1, "%s", pu_error_message());
            status = PU_OK;
        } else if (status == PU_OK && found.delivered && !(found.ratio <= pu__value(watch, 0))) {
            compare(watch, &assets[i], &found);
        }
    }
    pu_free(assets);
    return status;
}

const pu__check_kind pu__check_kind_adjustment_mismatch = {
    .name = "adjustment_mismatch",
    .finds =
        "Assets with stored dividends whose delivered adjusted close, scaled to be the close at the last bar, is "
        "further than ratio_max from the one that the stored splits and dividends make.",
    .unit = PU__UNIT_ASSETS,
    .parameter_count = 1,
    .parameter = {{"ratio_max", 0.02, 0, 1e6, "largest relative difference accepted"}},
    .store = mismatch_store,
};

/* ---- feature blocks ---- */

/* Columns whose values have to be numbers: every feature, and sigma. A target is NaN where the future is not known
 * yet. */
static int64_t first_bad(const pu__blocks *blocks, int64_t rows, const float *data) {
    const int64_t count = rows * blocks->columns;
    const int64_t targets = blocks->kind == PU__BLOCKS_LABEL ? rows * (blocks->columns - 1) : 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!isfinite(data[i]) && (i >= targets || isinf(data[i]))) return i;
    }
    return -1;
}

static pu_status check_block(pu__watch *watch, pu__block_reader *reader, const pu__blocks *blocks, int64_t index,
                             float *data) {
    const char *kind = blocks->kind == PU__BLOCKS_LABEL ? "label" : "feature";
    const int64_t rows = pu__block_rows(blocks, index);
    pu__looked_at(watch, 1);
    PU_TRY(pu__block_read(reader, blocks, index, 0, rows * blocks->columns, data));
    if (pu__block_verify(blocks, index, data) != PU_OK) {
        pu__report(watch, 0, NULL, 1, "%s block %" PRId64 " of %s fails its checksum", kind, index,
                   blocks->symbol);
        return PU_OK;
    }
    const int64_t bad = first_bad(blocks, rows, data);
    if (bad < 0) return PU_OK;
    pu__report(watch, 0, NULL, 1, "%s block %" PRId64 " of %s holds %g at value %" PRId64, kind, index,
               blocks->symbol, (double)data[bad], bad);
    return PU_OK;
}

static pu_status check_set(pu__watch *watch, pu_store *store, pu__blocks *blocks, const char *source_hash) {
    bool found = false;
    const pu_status listed = pu__blocks_find(store, source_hash, blocks, &found);
    if (listed == PU_ERR_CORRUPT) {
        pu__report(watch, 0, NULL, 1, "%s", pu_error_message());
        return PU_OK;
    }
    PU_TRY(listed);
    if (!found || blocks->count == 0) {
        pu__blocks_free(blocks);
        return PU_OK;
    }
    const int64_t rows = pu__block_rows(blocks, 0);
    float *data = pu_calloc((size_t)(rows * blocks->columns), sizeof *data);
    pu__block_reader reader = {.store = store};
    pu_status status = data ? PU_OK : PU_ERR_MEMORY;
    for (int64_t i = 0; i < blocks->count && status == PU_OK; ++i)
        status = check_block(watch, &reader, blocks, i, data);
    pu__block_reader_rest(&reader);
    pu_free(data);
    pu__blocks_free(blocks);
    return status;
}

static pu_status blocks_store(pu__watch *watch, pu_store *store) {
    if (!watch->inspector->findings->blocks) return PU_OK;
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store,
        "SELECT f.kind = 'label', f.set_hash, f.asset_id, ifnull(a.symbol, '?'), f.source_hash FROM "
        "feature_sets f LEFT JOIN assets a USING (asset_id) ORDER BY f.set_id",
        &query));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read feature blocks from");
        if (status != PU_OK || !row) break;
        char source_hash[65];
        pu__blocks blocks = {.kind = sqlite3_column_int(query, 0) ? PU__BLOCKS_LABEL : PU__BLOCKS_FEATURE,
                             .asset_id = sqlite3_column_int64(query, 2)};
        snprintf(blocks.set_hash, sizeof blocks.set_hash, "%s", (const char *)sqlite3_column_text(query, 1));
        snprintf(blocks.symbol, sizeof blocks.symbol, "%s", (const char *)sqlite3_column_text(query, 3));
        snprintf(source_hash, sizeof source_hash, "%s", (const char *)sqlite3_column_text(query, 4));
        status = check_set(watch, store, &blocks, source_hash);
    }
    sqlite3_finalize(query);
    return status;
}

const pu__check_kind pu__check_kind_feature_blocks = {
    .name = "feature_blocks",
    .finds =
        "Stored feature and label blocks that are missing, fail their checksum, or hold a value that is not a "
        "number "
        "(a target may be unknown). Looked at by `plusultra validate`; training, which verifies every block as it "
        "reads it, does not do so twice.",
    .unit = PU__UNIT_BLOCKS,
    .store = blocks_store,
};
