/* A validation: the suites of the classes that the assets are of, and one pass over each asset's bars. */
#include "plusultra/validate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/data/store/cursor.h"
#include "host/data/store/sql.h"
#include "host/data/validate/chart.h"
#include "host/data/validate/inspect.h"
#include "plusultra/memory.h"

enum { CLASSES_MAX = 8, NEAREST_MAX = 4096 };

typedef struct class_at_work {
    pu__suite suite;
    pu__inspector inspector;
} class_at_work;

typedef struct job {
    pu_store *store;
    const pu_validate_options *options;
    char *text; /* of the user's checks; null: built-in */
    size_t length;
    int stored; /* assets of the store */
    pu_asset *asset;
    int class_count;
    class_at_work at_work[CLASSES_MAX];
    pu__findings findings;
} job;

const char *pu_severity_name(pu_severity severity) {
    static const char *const names[] = {"note", "warning", "error"};
    return names[severity];
}

/* ---- suites ---- */

static const char *source_of(const job *j) { return j->text ? j->options->checks : "configs/checks"; }

/* A symbol that is written out has to be there: a check that looks at nothing finds nothing. */
static pu_status check_symbols(const job *j, const pu__check *check) {
    const char *names[NEAREST_MAX];
    int count = 0;
    for (; count < j->stored && count < NEAREST_MAX; ++count) names[count] = j->asset[count].symbol;
    for (int s = 0; s < check->symbol_count; ++s) {
        const char *symbol = check->symbol[s];
        if (strpbrk(symbol, "*?[")) continue;
        bool found = false;
        for (int i = 0; i < j->stored; ++i) found |= strcmp(j->asset[i].symbol, symbol) == 0;
        if (found) continue;
        const char *nearest = pu__nearest(symbol, count, names);
        return pu_fail(PU_ERR_CONFIG, "%s:%lld: %s.symbols: the store has no asset '%.63s'%s%s%s", source_of(j),
                       (long long)check->symbols_line, check->name, symbol, nearest ? "; did you mean " : "",
                       nearest ? nearest : "", nearest ? "?" : "");
    }
    return PU_OK;
}

/* The suite keeps its enabled checks of one scope, of assets or of the store as a whole, from a severity on. */
static void keep_scope(pu__suite *suite, bool of_store, pu_severity severity_min) {
    int kept = 0;
    for (int i = 0; i < suite->count; ++i) {
        const pu__check *check = &suite->check[i];
        if (check->enabled && check->severity >= severity_min && (check->kind->store != NULL) == of_store)
            suite->check[kept++] = *check;
    }
    suite->count = kept;
}

static pu_status open_class(job *j, const char *asset_class, bool of_store, class_at_work *out) {
    *out = (class_at_work){.suite = {.count = 0}};
    PU_TRY(pu__suite_load(source_of(j), j->text, j->length, asset_class, &out->suite));
    for (int i = 0; i < out->suite.count && j->text; ++i) {
        const pu_status status = check_symbols(j, &out->suite.check[i]);
        if (status == PU_OK) continue;
        pu__suite_free(&out->suite);
        return status;
    }
    keep_scope(&out->suite, of_store, j->options->severity_min);
    const pu_status status = pu__inspector_open(&out->suite, &j->findings, &out->inspector);
    if (status != PU_OK) pu__suite_free(&out->suite);
    return status;
}

static void close_class(class_at_work *at) {
    pu__inspector_close(&at->inspector);
    pu__suite_free(&at->suite);
}

static pu_status find_class(job *j, const char *asset_class, class_at_work **out) {
    for (int i = 0; i < j->class_count; ++i) {
        *out = &j->at_work[i];
        if (strcmp((*out)->suite.asset_class, asset_class) == 0) return PU_OK;
    }
    *out = &j->at_work[j->class_count];
    PU_TRY(open_class(j, asset_class, false, *out));
    ++j->class_count;
    return PU_OK;
}

/* ---- one asset ---- */

/* What stands beside the bars, read forward with them. */
typedef struct companions {
    sqlite3_stmt *actions;
    bool has_action; /* action_ts is the next that is not before the last bar */
    int64_t action_ts;
    const pu_asset *benchmark;
    pu__bar_cursor cursor;
    const pu_bars *chunk;
    int64_t at; /* in the chunk */
} companions;

static pu_status next_action(job *j, companions *c) {
    PU_TRY(pu__sql_step(j->store, c->actions, &c->has_action, "read corporate actions of"));
    if (c->has_action) c->action_ts = sqlite3_column_int64(c->actions, 0);
    return PU_OK;
}

static pu_status open_companions(job *j, const pu_asset *asset, companions *c) {
    PU_TRY(pu__sql_prepare(j->store, "SELECT ex_ts FROM corporate_actions WHERE asset_id = ?1 ORDER BY ex_ts",
                           &c->actions));
    if (sqlite3_bind_int64(c->actions, 1, asset->id) != SQLITE_OK)
        return pu__store_failure(j->store, "read corporate actions of");
    PU_TRY(next_action(j, c));
    if (!c->benchmark) return PU_OK;
    PU_TRY(pu__bar_cursor_open(j->store, c->benchmark->id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &c->cursor));
    return pu__bar_cursor_next(&c->cursor, &c->chunk);
}

static void close_companions(companions *c) {
    pu__bar_cursor_close(&c->cursor);
    sqlite3_finalize(c->actions);
}

/* Whether an action takes effect from one bar's close to the next one's. */
static pu_status action_between(job *j, companions *c, int64_t from_ts, int64_t to_ts, bool *out) {
    while (c->has_action && c->action_ts < from_ts) PU_TRY(next_action(j, c));
    *out = c->has_action && c->action_ts <= to_ts;
    return PU_OK;
}

static pu_status benchmark_at(companions *c, int64_t ts, bool *out) {
    *out = false;
    if (!c->benchmark) return PU_OK;
    while (c->chunk->count > 0) {
        while (c->at < c->chunk->count && c->chunk->ts[c->at] < ts) ++c->at;
        if (c->at < c->chunk->count) {
            *out = c->chunk->ts[c->at] == ts;
            return PU_OK;
        }
        PU_TRY(pu__bar_cursor_next(&c->cursor, &c->chunk));
        c->at = 0;
    }
    return PU_OK;
}

static bool wants_benchmark(const pu__suite *suite) {
    const pu__check_kind *kind = pu__check_kind_find("benchmark_alignment");
    for (int i = 0; i < suite->count; ++i) {
        if (suite->check[i].kind == kind) return true;
    }
    return false;
}

static pu_status find_benchmark(job *j, const pu_asset *asset, const pu_asset **out) {
    const char *named = j->options->benchmark;
    int64_t id = 0;
    *out = NULL;
    if (!named || !*named) {
        const pu_status status = pu_store_get_benchmark(j->store, asset->asset_class, &id);
        if (status == PU_ERR_NOT_FOUND) return PU_OK;
        PU_TRY(status);
    }
    for (int i = 0; i < j->stored; ++i) {
        const pu_asset *other = &j->asset[i];
        const bool chosen = named && *named ? strcmp(other->symbol, named) == 0 : other->id == id;
        if (chosen && other->bar_s == asset->bar_s && other->id != asset->id) *out = other;
    }
    return PU_OK;
}

static pu_status pass(job *j, pu__inspector *inspector, pu__bar_cursor *cursor, companions *beside,
                      pu__chart *chart) {
    int64_t last_ts = INT64_MAX; /* no action is before the first bar */
    for (const pu_bars *b = NULL;;) {
        PU_TRY(pu__bar_cursor_next(cursor, &b));
        if (b->count == 0) return PU_OK;
        for (int64_t i = 0; i < b->count; ++i) {
            const pu__bar bar = {b->ts[i],    b->open[i],     b->high[i],  b->low[i],
                                 b->close[i], b->adjusted[i], b->volume[i]};
            bool has_action = false, benchmark_has_bar = false;
            if (last_ts != INT64_MAX) PU_TRY(action_between(j, beside, last_ts, bar.ts, &has_action));
            PU_TRY(benchmark_at(beside, bar.ts, &benchmark_has_bar));
            pu__inspector_bar(inspector, &bar, has_action, benchmark_has_bar);
            if (chart) pu__chart_bar(chart, &bar);
            last_ts = bar.ts;
        }
        j->findings.out->bars += b->count;
    }
}

static pu_status inspect(job *j, const pu_asset *asset, pu__chart *chart) {
    class_at_work *class = NULL;
    companions beside = {.actions = NULL};
    pu__bar_cursor cursor;
    PU_TRY(find_class(j, asset->asset_class, &class));
    if (wants_benchmark(&class->suite)) PU_TRY(find_benchmark(j, asset, &beside.benchmark));
    PU_TRY(pu__bar_cursor_open(j->store, asset->id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &cursor));
    pu_status status = open_companions(j, asset, &beside);
    if (status == PU_OK) {
        if (chart) pu__chart_begin(asset, chart);
        pu__inspector_begin(&class->inspector, asset, beside.benchmark);
        status = pass(j, &class->inspector, &cursor, &beside, chart);
        if (status == PU_OK) pu__inspector_end(&class->inspector);
    }
    close_companions(&beside);
    pu__bar_cursor_close(&cursor);
    return status == PU_OK ? j->findings.status : status;
}

/* ---- all ---- */

static pu_status inspect_store(job *j, const char *asset_class) {
    class_at_work whole;
    PU_TRY(open_class(j, asset_class, true, &whole));
    const pu_status status = pu__inspector_store(&whole.inspector, j->store);
    close_class(&whole);
    return status == PU_OK ? j->findings.status : status;
}

static pu_status inspect_all(job *j, int asset_count, const pu_asset *assets) {
    pu_validation *out = j->findings.out;
    if (j->options->checks && *j->options->checks) {
        const pu_status status =
            pu__file_read(j->options->checks, PU__CHECKS_FILE_BYTES_MAX, &j->text, &j->length);
        if (status != PU_OK) return pu_fail_within(status == PU_ERR_DATA ? PU_ERR_CONFIG : status, "checks");
    }
    PU_TRY(pu_store_assets(j->store, 0, NULL, &j->stored, &j->asset));
    if (j->options->charts) {
        out->chart = pu_calloc((size_t)asset_count, sizeof *out->chart);
        if (!out->chart) return PU_ERR_MEMORY;
    }
    for (int i = 0; i < asset_count; ++i) PU_TRY(inspect(j, &assets[i], out->chart ? &out->chart[i] : NULL));
    return inspect_store(j, asset_count > 0 ? assets[0].asset_class : "equity");
}

pu_status pu_validate(pu_store *store, int asset_count, const pu_asset *assets, const pu_validate_options *options,
                      pu_validation *out) {
    static const pu_validate_options defaults = {.checks = NULL};
    *out = (pu_validation){.assets = asset_count};
    job *j = pu_calloc(1, sizeof *j);
    if (!j) return PU_ERR_MEMORY;
    j->store = store;
    j->options = options ? options : &defaults;
    const int64_t samples = j->options->samples;
    j->findings = (pu__findings){.out = out,
                                 .samples = samples <= 0                ? PU_FINDINGS_DEFAULT
                                            : samples > PU_FINDINGS_MAX ? PU_FINDINGS_MAX
                                                                        : samples,
                                 .blocks = j->options->blocks};
    const pu_status status = inspect_all(j, asset_count, assets);
    for (int i = 0; i < j->class_count; ++i) close_class(&j->at_work[i]);
    pu_free(j->asset);
    pu_free(j->text);
    pu_free(j);
    if (status != PU_OK) pu_validation_free(out);
    return status;
}

void pu_validation_free(pu_validation *validation) {
    pu_free(validation->check);
    pu_free(validation->finding);
    pu_free(validation->chart);
    *validation = (pu_validation){0};
}
