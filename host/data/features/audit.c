/* Causality is proven by recomputation: what was computed with the future at hand is computed again without it, from
 * the store, in which nothing after the cut is looked at: not the asset's bars, nor those of the other assets, nor
 * the benchmark's, nor what was published later. State that a feature keeps anywhere but in its own memory shows too,
 * because the whole history is computed first; a cut is computed in chunks of another length, and some bar by bar,
 * so that a run of bars that looks ahead in itself, or differs from its `update`, shows as well. */
#include "host/data/features/audit.h"

#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/build.h"
#include "host/data/features/labels.h"
#include "host/data/features/truth.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { ERROR_BYTES = 512, ONE_BY_ONE_PERIOD = 8 };

/* The lengths of the chunks of successive cuts; that of the whole history is none of them. */
static const int64_t chunk_bars[] = {769, 61, 1021, 256};

typedef struct fault {
    int asset, column;
    int64_t bar;
} fault;

/* What one cut found. */
typedef struct finding {
    pu_status status;
    char error[ERROR_BYTES];
    int64_t cut_ts, assets, values, leaks;
    fault first; /* where leaks > 0 */
} finding;

typedef struct audit {
    const pu__plan *plan;
    const pu__truth *truth;
    pu_store **store; /* [threads]: a connection each */
    finding *finding; /* [cuts] */
    pthread_mutex_t lock;
    pu_progress *progress;
    int64_t done;
} audit;

/* One asset of one cut. */
typedef struct comparison {
    const pu__truth *truth;
    finding *finding;
    int asset;
    pu__label_stream label_stream;
    int64_t label_rows;
    double *want;         /* [chunk][features] */
    float *label, *known; /* [labels] */
} comparison;

static bool same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static void compare(comparison *c, double got, double want, int column, int64_t bar) {
    finding *found = c->finding;
    found->values += 1;
    if (same(got, want)) return;
    if (found->leaks++ == 0) found->first = (fault){c->asset, column, bar};
}

/* A target that a cut does not know is no leak; one that it knows has to agree. */
static pu_status compare_label(comparison *c) {
    const int64_t bar = c->label_rows++;
    PU_TRY(pu__truth_labels(c->truth, c->asset, bar, 1, c->known));
    for (int k = 0; k < c->truth->labels; ++k) {
        if (!isnan(c->label[k])) compare(c, (double)c->label[k], (double)c->known[k], c->truth->features + k, bar);
    }
    return PU_OK;
}

static pu_status compare_chunk(void *context, const pu__pass_chunk *chunk) {
    comparison *c = context;
    const pu__columns *bars = &chunk->slice->columns;
    const int columns = c->truth->features;
    PU_TRY(pu__truth_features(c->truth, c->asset, bars->first, bars->count, c->want));
    for (int64_t i = 0; i < bars->count; ++i) {
        for (int f = 0; f < columns; ++f)
            compare(c, chunk->value[f][i], c->want[i * columns + f], f, bars->first + i);
        if (pu__label_stream_push(&c->label_stream, bars->close[i], c->label)) PU_TRY(compare_label(c));
    }
    return PU_OK;
}

static pu_status cut_asset(comparison *c, pu_store *store, const pu__pass_options *options) {
    const pu__plan *plan = c->truth->plan;
    int64_t bars = 0;
    c->label_rows = 0;
    PU_TRY(pu__label_stream_open(&plan->labels, &c->label_stream));
    pu_status status = pu__pass_run(plan, store, c->asset, options, compare_chunk, c, &bars);
    while (status == PU_OK && pu__label_stream_rest(&c->label_stream, c->label)) status = compare_label(c);
    pu__label_stream_close(&c->label_stream);
    c->finding->assets += bars > 0;
    return status;
}

static pu_status cut_assets(const audit *a, pu_store *store, const pu__pass_options *options, finding *out) {
    comparison c = {.truth = a->truth, .finding = out};
    const size_t labels = (size_t)a->truth->labels;
    c.want = pu_calloc((size_t)options->chunk_bars * (size_t)a->truth->features, sizeof *c.want);
    c.label = pu_calloc(2 * labels, sizeof *c.label);
    pu_status status = c.want && c.label ? PU_OK : PU_ERR_MEMORY;
    c.known = c.label ? c.label + labels : NULL;
    for (c.asset = 0; c.asset < a->plan->asset_count && status == PU_OK; ++c.asset)
        status = cut_asset(&c, store, options);
    pu_free(c.want);
    pu_free(c.label);
    return status;
}

static pu_status run_cut(const audit *a, int64_t n, pu_store *store, finding *out) {
    const int64_t length = chunk_bars[(size_t)n % (sizeof chunk_bars / sizeof *chunk_bars)];
    const bool one_by_one = n % ONE_BY_ONE_PERIOD == 1;
    const pu__panel_options seen = {.until_ts = out->cut_ts, .chunk_bars = length, .one_by_one = one_by_one};
    pu__panel *panel = NULL;
    if (a->plan->features.is_panel) PU_TRY(pu__panel_build(a->plan, store, &seen, &panel));
    const pu__pass_options options = {
        .until_ts = out->cut_ts, .chunk_bars = length, .one_by_one = one_by_one, .panel = panel};
    const pu_status status = cut_assets(a, store, &options, out);
    pu__panel_close(panel);
    return status;
}

static void run_cuts(void *context, int64_t begin, int64_t end, int worker) {
    audit *a = context;
    for (int64_t n = begin; n < end; ++n) {
        finding *out = &a->finding[n];
        out->status = run_cut(a, n, a->store[worker], out);
        if (out->status != PU_OK) snprintf(out->error, sizeof out->error, "%s", pu_error_message());
        pthread_mutex_lock(&a->lock);
        pu_progress_update(a->progress, ++a->done, NULL);
        pthread_mutex_unlock(&a->lock);
    }
}

/* ---- faults by name ---- */

static pu_status bar_time(pu_store *store, int64_t asset_id, int64_t bar, int64_t *ts) {
    sqlite3_stmt *query = NULL;
    PU_TRY(
        pu__sql_prepare(store, "SELECT ts FROM series WHERE asset_id = ?1 ORDER BY ts LIMIT 1 OFFSET ?2", &query));
    bool row = false;
    const pu_status status =
        sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK && sqlite3_bind_int64(query, 2, bar) == SQLITE_OK
            ? pu__sql_step(store, query, &row, "read the times of")
            : pu__store_failure(store, "read the times of");
    *ts = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}

static pu_status name_fault(const pu__plan *plan, const fault *at, pu_audit_result *result) {
    if (*result->feature) return PU_OK;
    const int label = at->column - plan->features.count;
    const char *name = label < 0                       ? plan->features.feature[at->column]->name
                       : label < plan->labels.horizons ? "target"
                                                       : "sigma";
    snprintf(result->feature, sizeof result->feature, "%s", name);
    snprintf(result->symbol, sizeof result->symbol, "%s", plan->asset[at->asset].symbol);
    return bar_time(plan->store, plan->asset[at->asset].id, at->bar, &result->ts);
}

static pu_status add_finding(const pu__plan *plan, const finding *found, pu_audit_result *result) {
    if (found->status != PU_OK) return pu_fail(found->status, "%s", found->error);
    result->cuts += found->assets;
    result->values += found->values;
    result->leaks += found->leaks;
    return found->leaks > 0 ? name_fault(plan, &found->first, result) : PU_OK;
}

/* ---- what the store holds ---- */

/* Where value `i` of a block lies: row within the block, and column of its kind. */
static void locate(const pu__blocks *blocks, int64_t rows, int64_t i, int64_t *row, int *column) {
    const int columns = blocks->columns, horizons = columns - 1;
    const bool is_row_major = blocks->kind == PU__BLOCKS_FEATURE, is_target = i < rows * horizons;
    if (is_row_major) *row = i / columns, *column = (int)(i % columns);
    else if (is_target) *row = i / horizons, *column = (int)(i % horizons);
    else *row = i - rows * horizons, *column = horizons;
}

typedef struct block_room {
    float *data, *label;
    double *feature;
} block_room;

static pu_status compare_block(const pu__truth *truth, int asset, const pu__blocks *blocks, int64_t index,
                               const block_room *room, pu_audit_result *result) {
    const int64_t rows = pu__block_rows(blocks, index), first = blocks->first_bar + index * blocks->block_rows;
    const bool is_feature = blocks->kind == PU__BLOCKS_FEATURE;
    PU_TRY(is_feature ? pu__truth_features(truth, asset, first, rows, room->feature)
                      : pu__truth_labels(truth, asset, first, rows, room->label));
    for (int64_t i = 0; i < rows * blocks->columns; ++i) {
        int64_t row = 0;
        int column = 0;
        locate(blocks, rows, i, &row, &column);
        const int64_t at = row * blocks->columns + column;
        const float now = is_feature ? (float)room->feature[at] : room->label[at];
        result->values += 1;
        if (same((double)now, (double)room->data[i])) continue;
        const fault found = {asset, is_feature ? column : truth->features + column, first + row};
        result->stale += 1;
        PU_TRY(name_fault(truth->plan, &found, result));
    }
    return PU_OK;
}

static pu_status compare_blocks(const pu__truth *truth, int asset, const pu__blocks *blocks,
                                pu_audit_result *result) {
    const size_t values = (size_t)(blocks->block_rows * blocks->columns);
    pu__block_reader reader = {.store = truth->plan->store};
    block_room room = {pu_calloc(values, sizeof(float)), pu_calloc(values, sizeof(float)),
                       pu_calloc(values, sizeof(double))};
    pu_status status = room.data && room.label && room.feature ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK && blocks->first_bar + blocks->rows > truth->plan->asset[asset].bars)
        status = pu_fail(PU_ERR_STORE, "%s: its bars changed during the audit; run again", blocks->symbol);
    for (int64_t b = 0; b < blocks->count && status == PU_OK; ++b) {
        const int64_t count = pu__block_rows(blocks, b) * blocks->columns;
        status = pu__block_read(&reader, blocks, b, 0, count, room.data);
        if (status == PU_OK) status = pu__block_verify(blocks, b, room.data);
        if (status == PU_OK) status = compare_block(truth, asset, blocks, b, &room, result);
    }
    pu_free(room.data);
    pu_free(room.label);
    pu_free(room.feature);
    pu__block_reader_rest(&reader);
    return status;
}

static pu_status audit_stored(const pu__truth *truth, int asset, pu_audit_result *result) {
    pu__blocks features, labels;
    bool found = false;
    PU_TRY(pu__asset_blocks(truth->plan, asset, &features, &labels, &found));
    if (!found) return PU_OK;
    pu_status status = compare_blocks(truth, asset, &features, result);
    if (status == PU_OK) status = compare_blocks(truth, asset, &labels, result);
    pu__blocks_free(&features);
    pu__blocks_free(&labels);
    return status;
}

/* ---- all of it ---- */

/* The close of a bar drawn at random, of every asset in turn. */
static pu_status draw_cuts(const pu__plan *plan, int64_t cuts, uint64_t seed, finding *out) {
    for (int64_t n = 0; n < cuts; ++n) {
        const pu_asset *asset = &plan->asset[n % plan->asset_count];
        pu_random random = pu_random_at(seed, (uint64_t)n);
        const int64_t bar = (int64_t)pu_random_below(&random, (uint64_t)asset->bars);
        PU_TRY(bar_time(plan->store, asset->id, bar, &out[n].cut_ts));
    }
    return PU_OK;
}

static pu_status run_all(audit *a, pu_pool *pool, int64_t cuts, uint64_t seed, pu_audit_result *result) {
    const int threads = pu_pool_threads(pool);
    PU_TRY(draw_cuts(a->plan, cuts, seed, a->finding));
    for (int t = 0; t < threads; ++t)
        PU_TRY(pu_store_open(pu_store_path(a->plan->store), PU_STORE_READ, &a->store[t]));
    pu_parallel_for(pool, cuts, 1, run_cuts, a);
    for (int64_t n = 0; n < cuts; ++n) PU_TRY(add_finding(a->plan, &a->finding[n], result));
    for (int asset = 0; asset < a->plan->asset_count; ++asset) PU_TRY(audit_stored(a->truth, asset, result));
    return PU_OK;
}

static pu_status audit_cuts(const pu__truth *truth, pu_pool *pool, int64_t cuts, uint64_t seed,
                            pu_audit_result *result) {
    pu_progress progress;
    audit a = {.plan = truth->plan, .truth = truth, .progress = &progress};
    const int threads = pu_pool_threads(pool);
    a.store = pu_calloc((size_t)threads, sizeof(pu_store *));
    a.finding = pu_calloc((size_t)cuts, sizeof *a.finding);
    pthread_mutex_init(&a.lock, NULL);
    pu_progress_begin(&progress, "audit", "cuts", cuts);
    const pu_status status = a.store && a.finding ? run_all(&a, pool, cuts, seed, result) : PU_ERR_MEMORY;
    pu_progress_end(&progress, NULL);
    for (int t = 0; a.store && t < threads; ++t) pu_store_close(a.store[t]);
    pthread_mutex_destroy(&a.lock);
    pu_free(a.store);
    pu_free(a.finding);
    return status;
}

pu_status pu__audit_plan(const pu__plan *plan, int64_t cuts, uint64_t seed, pu_audit_result *result) {
    pu_pool *pool = NULL;
    pu__truth truth;
    PU_TRY(pu_pool_new(plan->threads, &pool));
    pu_status status = pu__truth_open(plan, pool, &truth);
    if (status == PU_OK) status = audit_cuts(&truth, pool, cuts, seed, result);
    if (status == PU_OK) result->assets += plan->asset_count;
    pu__truth_close(&truth);
    pu_pool_free(pool);
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
        status = pu__audit_plan(&plan, cuts, seed, out);
        pu__plan_close(&plan);
    }
    pu_store_close(store);
    return status;
}
