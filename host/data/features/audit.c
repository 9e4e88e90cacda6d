/* Causality is proven by recomputation: what was computed with the future at hand is computed again without it. A
 * cut gets bars of its own, of exactly its length. State that a feature keeps anywhere but in its own memory shows
 * too, because the whole history is computed first. */
#include "host/data/features/audit.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/build.h"
#include "host/data/features/rolling.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

/* Columns of one series: features, then one target per horizon, then sigma. */
typedef struct table {
    int64_t rows;
    int columns;
    double *value; /* [rows][columns] */
} table;

static pu_status fill_features(int count, const pu_feature *const *features, const pu_bars *bars, table *out) {
    double *column = pu_calloc((size_t)bars->count, sizeof *column);
    pu_status status = column ? PU_OK : PU_ERR_MEMORY;
    for (int f = 0; f < count && status == PU_OK; ++f) {
        status = pu_feature_compute(features[f], bars, column);
        for (int64_t i = 0; i < bars->count && status == PU_OK; ++i) out->value[i * out->columns + f] = column[i];
    }
    pu_free(column);
    return status;
}

static pu_status fill_table(int feature_count, const pu_feature *const *features, const pu__label_set *labels,
                            const pu_bars *bars, table *out) {
    *out = (table){.rows = bars->count, .columns = feature_count + 1 + labels->horizons};
    out->value = pu_calloc((size_t)out->rows, (size_t)out->columns * sizeof *out->value);
    float *label = pu_calloc(1 + (size_t)labels->horizons, sizeof *label);
    pu_status status = out->value && label ? fill_features(feature_count, features, bars, out) : PU_ERR_MEMORY;
    pu__volatility volatility = {0};
    for (int64_t i = 0; i < bars->count && status == PU_OK; ++i) {
        double *row = out->value + i * out->columns;
        const double sigma = pu__volatility_push(&volatility, (double)labels->vol_bars, bars->adjusted[i]);
        pu__label_row(labels, bars, i, sigma, label);
        for (int c = 0; c <= labels->horizons; ++c) row[feature_count + c] = (double)label[c];
    }
    pu_free(label);
    return status;
}

static bool same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static void note(pu_audit_result *result, const char *feature, const char *symbol, int64_t ts) {
    if (*result->feature) return;
    snprintf(result->feature, sizeof result->feature, "%s", feature);
    snprintf(result->symbol, sizeof result->symbol, "%s", symbol);
    result->ts = ts;
}

static const char *column_name(int feature_count, const pu_feature *const *features, int columns, int column) {
    if (column < feature_count) return features[column]->name;
    return column + 1 == columns ? "sigma" : "target";
}

/* A target that a cut does not know is no leak; one that it knows has to agree. */
static void compare(int feature_count, const pu_feature *const *features, const table *whole, const table *cut,
                    const pu_bars *bars, const char *symbol, pu_audit_result *result) {
    for (int64_t i = 0; i < cut->rows; ++i) {
        for (int c = 0; c < cut->columns; ++c) {
            const double value = cut->value[i * cut->columns + c];
            if (c >= feature_count && isnan(value)) continue;
            ++result->values;
            if (same(value, whole->value[i * whole->columns + c])) continue;
            ++result->leaks;
            note(result, column_name(feature_count, features, cut->columns, c), symbol, bars->ts[i]);
        }
    }
}

static void release_cut(pu_bars *cut) {
    double *columns[] = {cut->open, cut->high, cut->low, cut->close, cut->adjusted, cut->volume};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; ++i) pu_free(columns[i]);
    pu_free(cut->ts);
}

static double *copy_column(const double *column, int64_t count, bool *complete) {
    double *copy = pu_calloc((size_t)count, sizeof *copy);
    *complete = *complete && copy;
    if (copy) memcpy(copy, column, (size_t)count * sizeof *copy);
    return copy;
}

/* A copy of the first `count` bars, each column in memory of its own; freed with release_cut. */
static pu_status cut_after(const pu_bars *bars, int64_t count, pu_bars *out) {
    bool complete = true;
    *out = (pu_bars){.count = count,
                     .ts = pu_calloc((size_t)count, sizeof *bars->ts),
                     .open = copy_column(bars->open, count, &complete),
                     .high = copy_column(bars->high, count, &complete),
                     .low = copy_column(bars->low, count, &complete),
                     .close = copy_column(bars->close, count, &complete),
                     .adjusted = copy_column(bars->adjusted, count, &complete),
                     .volume = copy_column(bars->volume, count, &complete)};
    if (!complete || !out->ts) {
        release_cut(out);
        return PU_ERR_MEMORY;
    }
    memcpy(out->ts, bars->ts, (size_t)count * sizeof *bars->ts);
    return PU_OK;
}

pu_status pu__audit_bars(int feature_count, const pu_feature *const *features, const pu__label_set *labels,
                         const pu_bars *bars, int64_t cuts, pu_random *random, const char *symbol,
                         pu_audit_result *result) {
    table whole = {0};
    pu_status status = fill_table(feature_count, features, labels, bars, &whole);
    for (int64_t n = 0; n < cuts && status == PU_OK && bars->count > 0; ++n) {
        table part = {0};
        pu_bars cut;
        status = cut_after(bars, 1 + (int64_t)pu_random_below(random, (uint64_t)bars->count), &cut);
        if (status != PU_OK) break;
        status = fill_table(feature_count, features, labels, &cut, &part);
        if (status == PU_OK) compare(feature_count, features, &whole, &part, bars, symbol, result);
        pu_free(part.value);
        release_cut(&cut);
        ++result->cuts;
    }
    pu_free(whole.value);
    return status;
}

/* ---- what the store holds ---- */

/* Where value `i` of a block lies in the table: row within the block, and column. */
static void locate(const pu__plan *plan, const pu__blocks *blocks, int64_t rows, int64_t i, int64_t *row,
                   int *column) {
    const int features = plan->features.count, horizons = plan->labels.horizons;
    if (blocks->kind == PU__BLOCKS_FEATURE) {
        *row = i / features;
        *column = (int)(i % features);
    } else {
        const bool target = i < rows * horizons;
        *row = target ? i / horizons : i - rows * horizons;
        *column = features + (target ? (int)(i % horizons) : horizons);
    }
}

static pu_status compare_blocks(const pu__plan *plan, const pu__blocks *blocks, const table *whole,
                                const pu_bars *bars, pu_audit_result *result) {
    pu__block_reader reader = {.store = plan->store};
    float *data = pu_calloc((size_t)(blocks->block_rows * blocks->columns), sizeof *data);
    pu_status status = data ? PU_OK : PU_ERR_MEMORY;
    for (int64_t b = 0; b < blocks->count && status == PU_OK; ++b) {
        const int64_t rows = pu__block_rows(blocks, b), count = rows * blocks->columns;
        status = pu__block_read(&reader, blocks, b, 0, count, data);
        if (status == PU_OK) status = pu__block_verify(blocks, b, data);
        for (int64_t i = 0; status == PU_OK && i < count; ++i) {
            int64_t row = 0;
            int column = 0;
            locate(plan, blocks, rows, i, &row, &column);
            const int64_t bar = blocks->first_bar + b * blocks->block_rows + row;
            const float now = (float)whole->value[bar * whole->columns + column];
            ++result->values;
            if (same((double)now, (double)data[i])) continue;
            ++result->stale;
            note(result, column_name(plan->features.count, plan->features.feature, whole->columns, column),
                 blocks->symbol, bars->ts[bar]);
        }
    }
    pu_free(data);
    pu__block_reader_rest(&reader);
    return status;
}

static pu_status audit_stored(const pu__plan *plan, int asset, const pu_bars *bars, pu_audit_result *result) {
    pu__blocks features, labels;
    bool found = false;
    PU_TRY(pu__asset_blocks(plan, asset, &features, &labels, &found));
    if (!found) return PU_OK;
    table whole = {0};
    pu_status status = fill_table(plan->features.count, plan->features.feature, &plan->labels, bars, &whole);
    if (status == PU_OK && (features.first_bar + features.rows > bars->count || labels.rows > bars->count)) {
        status = pu_fail(PU_ERR_STORE, "%s: its bars changed during the audit; run again", features.symbol);
    }
    if (status == PU_OK) status = compare_blocks(plan, &features, &whole, bars, result);
    if (status == PU_OK) status = compare_blocks(plan, &labels, &whole, bars, result);
    pu_free(whole.value);
    pu__blocks_free(&features);
    pu__blocks_free(&labels);
    return status;
}

static pu_status audit_plan(const pu__plan *plan, int64_t cuts, uint64_t seed, pu_audit_result *out) {
    pu_progress progress;
    pu_progress_begin(&progress, "audit", "assets", plan->asset_count);
    pu_status status = PU_OK;
    for (int a = 0; a < plan->asset_count && status == PU_OK; ++a) {
        pu_bars bars = {0};
        pu_random random = pu_random_at(seed, (uint64_t)a);
        if (pu_interrupted())
            status =
                pu_fail(PU_ERR_INTERRUPTED, "the audit was stopped after %d of %d assets", a, plan->asset_count);
        if (status == PU_OK) status = pu_store_bars(plan->store, plan->asset[a].id, INT64_MIN, INT64_MAX, &bars);
        if (status == PU_OK) {
            status = pu__audit_bars(plan->features.count, plan->features.feature, &plan->labels, &bars, cuts,
                                    &random, plan->asset[a].symbol, out);
        }
        if (status == PU_OK) status = audit_stored(plan, a, &bars, out);
        pu_bars_free(&bars);
        out->assets += status == PU_OK;
        pu_progress_update(&progress, a + 1, NULL);
    }
    pu_progress_end(&progress, NULL);
    return status;
}

pu_status pu_features_audit(const pu_config *config, int64_t cuts, uint64_t seed, pu_audit_result *out) {
    *out = (pu_audit_result){0};
    if (cuts < 1) return pu_fail(PU_ERR_ARGUMENT, "an audit needs at least one cut");
    if (sodium_init() < 0) return pu_fail(PU_ERR_UNSUPPORTED, "libsodium cannot be started");
    pu_store *store = NULL;
    pu__plan plan;
    PU_TRY(pu_store_open(config->data.store, PU_STORE_READ, &store));
    pu_status status = pu__plan_open(config, store, &plan);
    if (status == PU_OK) {
        pu__plan_announce(&plan);
        status = audit_plan(&plan, cuts, seed, out);
        pu__plan_close(&plan);
    }
    pu_store_close(store);
    return status;
}
