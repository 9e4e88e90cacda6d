#include "host/data/alternative/write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/alternative/asof.h"
#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"
#include "host/data/store/values.h"
#include "plusultra/memory.h"

static const int64_t usual_limit_s[PU_SERIES_KINDS] = {100 * 86400, 3 * 86400, 86400, 3 * 86400, 0, 0};

static pu_status write_failure(pu_store *store) { return pu__store_failure(store, "write series to"); }

static bool is_regime(const pu__series_writer *writer) { return writer->options->kind == PU_SERIES_REGIME; }

static pu_status prepare(pu__series_writer *writer) {
    static const char *const series[] = {
        "SELECT value FROM alternative_values WHERE series_id = ?1 AND published_ts = ?2 AND ts = ?3",
        "INSERT INTO alternative_values (series_id, published_ts, ts, value) VALUES (?1, ?2, ?3, ?4)",
        "UPDATE alternative_values SET value = ?4 WHERE series_id = ?1 AND published_ts = ?2 AND ts = ?3"};
    static const char *const regimes[] = {
        "SELECT label FROM regimes WHERE name = ?1 AND published_ts = ?2 AND ts = ?3",
        "INSERT INTO regimes (name, published_ts, ts, label) VALUES (?1, ?2, ?3, ?4)",
        "UPDATE regimes SET label = ?4 WHERE name = ?1 AND published_ts = ?2 AND ts = ?3"};
    const char *const *sql = is_regime(writer) ? regimes : series;
    PU_TRY(pu__sql_prepare(writer->store, sql[0], &writer->select));
    PU_TRY(pu__sql_prepare(writer->store, sql[1], &writer->insert));
    PU_TRY(pu__sql_prepare(writer->store, sql[2], &writer->update));
    return pu__sql_prepare(
        writer->store, "SELECT asset_id FROM assets WHERE symbol = ?1 ORDER BY asset_id LIMIT 1", &writer->asset);
}

static pu_status release(pu__series_writer *writer, pu_status status) {
    sqlite3_finalize(writer->select);
    sqlite3_finalize(writer->insert);
    sqlite3_finalize(writer->update);
    sqlite3_finalize(writer->asset);
    pu_free(writer->series);
    *writer = (pu__series_writer){.store = writer->store};
    return status;
}

pu_status pu__series_writer_open(pu_store *store, const pu_series_options *options, pu__series_writer *writer) {
    *writer = (pu__series_writer){.store = store, .options = options};
    const pu_status status = prepare(writer);
    return status == PU_OK ? PU_OK : release(writer, status);
}

/* ---- which series ---- */

/* A symbol's asset; 0 when there is none. What it is at another bar length is the same thing. */
static pu_status find_asset(pu__series_writer *writer, const char *symbol, int64_t *asset_id) {
    if (strcmp(symbol, writer->symbol) != 0) {
        bool row = false;
        if (sqlite3_bind_text(writer->asset, 1, symbol, -1, SQLITE_TRANSIENT) != SQLITE_OK)
            return write_failure(writer->store);
        const pu_status status = pu__sql_step(writer->store, writer->asset, &row, "look up an asset in");
        writer->symbol_asset_id = row ? sqlite3_column_int64(writer->asset, 0) : 0;
        sqlite3_reset(writer->asset);
        PU_TRY(status);
        snprintf(writer->symbol, sizeof writer->symbol, "%s", symbol);
    }
    *asset_id = writer->symbol_asset_id;
    return PU_OK;
}

static int compare_series(const pu__open_series *series, const char *name, int64_t asset_id) {
    const int order = strcmp(series->name, name);
    return order != 0 ? order : (series->asset_id > asset_id) - (series->asset_id < asset_id);
}

/* The place of a series in the ordered list, and whether it is there. */
static int place_of(const pu__series_writer *writer, const char *name, int64_t asset_id, bool *found) {
    int low = 0, high = writer->count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (compare_series(&writer->series[middle], name, asset_id) < 0) low = middle + 1;
        else high = middle;
    }
    *found = low < writer->count && compare_series(&writer->series[low], name, asset_id) == 0;
    return low;
}

static pu_status check_stored(const pu__series_writer *writer, sqlite3_stmt *query, const char *name) {
    const pu_series_options *options = writer->options;
    const char *kind = (const char *)sqlite3_column_text(query, 0),
               *unit = (const char *)sqlite3_column_text(query, 1);
    const int64_t limit_s = sqlite3_column_int64(query, 2);
    if (!kind || !unit) return write_failure(writer->store);
    if (strcmp(kind, pu_series_kind_name(options->kind)) != 0)
        return pu_fail(PU_ERR_DATA,
                       "the series %s is stored as %s, not %s: choose the same --kind, or another name", name,
                       kind, pu_series_kind_name(options->kind));
    if (options->unit && strcmp(unit, options->unit) != 0)
        return pu_fail(PU_ERR_DATA,
                       "the series %s is stored in the unit '%s', not '%s': leave --unit out, or choose "
                       "another name",
                       name, unit, options->unit);
    if (options->stale_after_s > 0 && options->stale_after_s != limit_s)
        return pu_fail(PU_ERR_DATA,
                       "the series %s is stored with --stale-after %" PRId64 "s, not %" PRId64
                       "s: leave it out, or choose another name",
                       name, limit_s, options->stale_after_s);
    return PU_OK;
}

static pu_status load_series(const pu__series_writer *writer, pu__open_series *series) {
    sqlite3_stmt *query = NULL;
    PU_TRY(
        pu__sql_prepare(writer->store,
                        "SELECT kind, unit, stale_after_s, rows, first_published_ts, last_published_ts, checksum "
                        "FROM alternative_series WHERE series_id = ?1",
                        &query));
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, series->series_id) == SQLITE_OK
                           ? pu__sql_step(writer->store, query, &row, "read the series of")
                           : write_failure(writer->store);
    if (status == PU_OK && row) status = check_stored(writer, query, series->name);
    series->rows = sqlite3_column_int64(query, 3);
    series->first_published_ts = sqlite3_column_int64(query, 4);
    series->last_published_ts = sqlite3_column_int64(query, 5);
    series->checksum = (uint64_t)sqlite3_column_int64(query, 6);
    sqlite3_finalize(query);
    return status;
}

static pu_status make_series(const pu__series_writer *writer, pu__open_series *series) {
    const pu_series_options *options = writer->options;
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(writer->store,
                           "INSERT INTO alternative_series (name, asset_id, kind, unit, stale_after_s) "
                           "VALUES (?1, nullif(?2, 0), ?3, ?4, ?5)",
                           &insert));
    const int64_t limit_s = options->stale_after_s > 0 ? options->stale_after_s : usual_limit_s[options->kind];
    const int code = sqlite3_bind_text(insert, 1, series->name, -1, SQLITE_STATIC) |
                     sqlite3_bind_int64(insert, 2, series->asset_id) |
                     sqlite3_bind_text(insert, 3, pu_series_kind_name(options->kind), -1, SQLITE_STATIC) |
                     sqlite3_bind_text(insert, 4, options->unit ? options->unit : "", -1, SQLITE_STATIC) |
                     sqlite3_bind_int64(insert, 5, limit_s);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(writer->store, insert, "write series to") : write_failure(writer->store);
    sqlite3_finalize(insert);
    PU_TRY(status);
    series->series_id = sqlite3_last_insert_rowid(pu_store_sqlite(writer->store));
    series->changed = true;
    return PU_OK;
}

/* Index of the series of that name; it is read from the store when the file names it first. */
static pu_status open_series(pu__series_writer *writer, const char *name, int64_t asset_id, int *index) {
    bool found = false;
    *index = place_of(writer, name, asset_id, &found);
    if (found) return PU_OK;
    if (writer->count == writer->capacity) {
        const int capacity = writer->capacity ? 2 * writer->capacity : 16;
        pu__open_series *grown = writer->series
                                     ? pu_regrow(writer->series, (size_t)writer->capacity * sizeof *grown,
                                                 (size_t)capacity * sizeof *grown)
                                     : pu_calloc((size_t)capacity, sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        writer->series = grown;
        writer->capacity = capacity;
    }
    pu__open_series series = {.asset_id = asset_id};
    snprintf(series.name, sizeof series.name, "%s", name);
    if (!is_regime(writer)) {
        PU_TRY(pu__alternative_find(writer->store, name, asset_id, &series.series_id));
        if (series.series_id > 0) PU_TRY(load_series(writer, &series));
    }
    pu__open_series *at = &writer->series[*index];
    memmove(at + 1, at, (size_t)(writer->count - *index) * sizeof *at);
    *at = series;
    ++writer->count;
    return PU_OK;
}

/* ---- values ---- */

static pu_status bind_times(pu__series_writer *writer, sqlite3_stmt *statement, const pu__open_series *series,
                            const pu__point *point) {
    const int code = (is_regime(writer) ? sqlite3_bind_text(statement, 1, point->name, -1, SQLITE_STATIC)
                                        : sqlite3_bind_int64(statement, 1, series->series_id)) |
                     sqlite3_bind_int64(statement, 2, point->published_ts) |
                     sqlite3_bind_int64(statement, 3, point->ts);
    return code == SQLITE_OK ? PU_OK : write_failure(writer->store);
}

static pu_status read_stored(pu__series_writer *writer, const pu__open_series *series, const pu__point *point,
                             bool *found, double *value) {
    *found = false;
    if (!is_regime(writer) && series->series_id == 0) return PU_OK;
    PU_TRY(bind_times(writer, writer->select, series, point));
    const pu_status status = pu__sql_step(writer->store, writer->select, found, "read a series of");
    if (*found) *value = sqlite3_column_double(writer->select, 0);
    sqlite3_reset(writer->select);
    return status;
}

static pu_status store_point(pu__series_writer *writer, pu__open_series *series, const pu__point *point,
                             bool found, double stored) {
    if (!is_regime(writer) && series->series_id == 0) PU_TRY(make_series(writer, series));
    sqlite3_stmt *statement = found ? writer->update : writer->insert;
    PU_TRY(bind_times(writer, statement, series, point));
    const int code = is_regime(writer) ? sqlite3_bind_int64(statement, 4, (int64_t)point->value)
                                       : sqlite3_bind_double(statement, 4, point->value);
    if (code != SQLITE_OK) return write_failure(writer->store);
    PU_TRY(pu__sql_run(writer->store, statement, "write series to"));
    if (found) series->checksum -= pu__value_hash(point->published_ts, point->ts, stored);
    series->checksum += pu__value_hash(point->published_ts, point->ts, point->value);
    if (series->rows == 0 || point->published_ts < series->first_published_ts)
        series->first_published_ts = point->published_ts;
    if (series->rows == 0 || point->published_ts > series->last_published_ts)
        series->last_published_ts = point->published_ts;
    series->rows += !found;
    series->changed = true;
    return PU_OK;
}

static void refuse_other_value(const pu__point *point, double stored, char *reason) {
    char about[32], published[32];
    pu_time_format(point->ts, true, about);
    pu_time_format(point->published_ts, true, published);
    snprintf(reason, PU_IMPORT_REASON_BYTES,
             "%.10g for %s, published %s; %.10g is stored, --replace takes this one", point->value, about,
             published, stored);
}

typedef struct row_state {
    int index[PU__POINTS_MAX];
    bool found[PU__POINTS_MAX];
    double stored[PU__POINTS_MAX];
} row_state;

/* Looks up what is stored for the points of a row, before anything of it is written. */
static pu_status look_up(pu__series_writer *writer, const pu__points *points, int64_t asset_id, row_state *state,
                         pu__points_outcome *outcome, char *reason) {
    int index = 0;
    *outcome = PU__POINTS_UNCHANGED;
    for (int i = 0; i < points->count; ++i) PU_TRY(open_series(writer, points->point[i].name, asset_id, &index));
    for (int i = 0; i < points->count; ++i) {
        const pu__point *point = &points->point[i];
        PU_TRY(open_series(writer, point->name, asset_id, &state->index[i]));
        PU_TRY(read_stored(writer, &writer->series[state->index[i]], point, &state->found[i], &state->stored[i]));
        if (!state->found[i]) {
            if (*outcome == PU__POINTS_UNCHANGED) *outcome = PU__POINTS_ADDED;
        } else if (state->stored[i] != point->value) {
            *outcome = PU__POINTS_REPLACED;
            if (writer->options->replace) continue;
            *outcome = PU__POINTS_REJECTED;
            refuse_other_value(point, state->stored[i], reason);
            return PU_OK;
        }
    }
    return PU_OK;
}

static void note_time(pu__series_writer *writer, int64_t published_ts) {
    if (!writer->any || published_ts < writer->first_published_ts) writer->first_published_ts = published_ts;
    if (!writer->any || published_ts > writer->last_published_ts) writer->last_published_ts = published_ts;
    writer->any = true;
}

/* The asset of a row: --symbol, else what its column says, else none. */
static pu_status settle_asset(pu__series_writer *writer, const pu__points *points, int64_t *asset_id,
                              char *reason) {
    const char *symbol = writer->options->symbol ? writer->options->symbol : points->symbol;
    *asset_id = 0;
    reason[0] = '\0';
    if (is_regime(writer) || !symbol[0]) return PU_OK;
    PU_TRY(find_asset(writer, symbol, asset_id));
    if (*asset_id == 0)
        snprintf(reason, PU_IMPORT_REASON_BYTES, "symbol: the store has no asset '%.63s'; import its bars first",
                 symbol);
    return PU_OK;
}

pu_status pu__points_put(pu__series_writer *writer, const pu__points *points, pu__points_outcome *outcome,
                         char *reason) {
    int64_t asset_id = 0;
    row_state state;
    *outcome = PU__POINTS_REJECTED;
    PU_TRY(settle_asset(writer, points, &asset_id, reason));
    if (reason[0]) return PU_OK;
    PU_TRY(look_up(writer, points, asset_id, &state, outcome, reason));
    if (*outcome == PU__POINTS_REJECTED) return PU_OK;
    for (int i = 0; i < points->count; ++i) {
        const pu__point *point = &points->point[i];
        note_time(writer, point->published_ts);
        writer->series[state.index[i]].used = true;
        if (state.found[i] && state.stored[i] == point->value) continue;
        PU_TRY(store_point(writer, &writer->series[state.index[i]], point, state.found[i], state.stored[i]));
    }
    return PU_OK;
}

/* ---- the end ---- */

static pu_status store_summary(pu__series_writer *writer, sqlite3_stmt *update, const pu__open_series *series) {
    const int64_t value[] = {series->series_id, series->rows, series->first_published_ts,
                             series->last_published_ts, (int64_t)series->checksum};
    int code = SQLITE_OK;
    for (int i = 0; i < 5; ++i) code |= sqlite3_bind_int64(update, 1 + i, value[i]);
    return code == SQLITE_OK ? pu__sql_run(writer->store, update, "write series to")
                             : write_failure(writer->store);
}

static pu_status store_summaries(pu__series_writer *writer) {
    sqlite3_stmt *update = NULL;
    bool changed = false;
    PU_TRY(pu__sql_prepare(
        writer->store,
        "UPDATE alternative_series SET rows = ?2, first_published_ts = ?3, last_published_ts = ?4, "
        "checksum = ?5 WHERE series_id = ?1",
        &update));
    pu_status status = PU_OK;
    for (int i = 0; i < writer->count && status == PU_OK; ++i) {
        changed |= writer->series[i].changed;
        if (writer->series[i].changed && !is_regime(writer))
            status = store_summary(writer, update, &writer->series[i]);
    }
    sqlite3_finalize(update);
    PU_TRY(status);
    return changed
               ? pu__checksum_seal(writer->store, is_regime(writer) ? PU__PART_REGIMES : PU__PART_ALTERNATIVE, 0)
               : PU_OK;
}

pu_status pu__series_writer_close(pu__series_writer *writer, pu_status status) {
    if (status == PU_OK) status = store_summaries(writer);
    return release(writer, status);
}
