#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/data/alternative/asof.h"
#include "host/data/store/sql.h"
#include "plusultra/alternative.h"
#include "plusultra/memory.h"

static const char *const kind_names[PU_SERIES_KINDS] = {"macro",     "onchain", "funding",
                                                        "sentiment", "other",   "regime"};

const char *pu_series_kind_name(pu_series_kind kind) { return kind_names[kind]; }

typedef struct series_rows {
    pu_series *row;
    int count, capacity;
} series_rows;

static const char list_sql[] =
    "SELECT s.name, ifnull(s.asset_id, 0), ifnull(a.symbol, ''), s.kind, s.unit, s.stale_after_s, s.rows, "
    "s.first_published_ts, s.last_published_ts FROM alternative_series AS s LEFT JOIN assets AS a USING "
    "(asset_id) "
    "UNION ALL SELECT name, 0, '', 'regime', '', 0, count(*), min(published_ts), max(published_ts) FROM regimes "
    "GROUP BY name ORDER BY 1, 3, 4, 2";

static void copy_text(sqlite3_stmt *query, int column, size_t capacity, char *out) {
    const char *text = (const char *)sqlite3_column_text(query, column);
    snprintf(out, capacity, "%s", text ? text : "");
}

static void take_series(sqlite3_stmt *query, pu_series *out) {
    char kind[16];
    *out = (pu_series){.asset_id = sqlite3_column_int64(query, 1),
                       .stale_after_s = sqlite3_column_int64(query, 5),
                       .rows = sqlite3_column_int64(query, 6),
                       .first_published_ts = sqlite3_column_int64(query, 7),
                       .last_published_ts = sqlite3_column_int64(query, 8)};
    copy_text(query, 0, sizeof out->name, out->name);
    copy_text(query, 2, sizeof out->symbol, out->symbol);
    copy_text(query, 3, sizeof kind, kind);
    copy_text(query, 4, sizeof out->unit, out->unit);
    for (int k = 0; k < PU_SERIES_KINDS; ++k) {
        if (strcmp(kind, kind_names[k]) == 0) out->kind = (pu_series_kind)k;
    }
}

static pu_status add_row(series_rows *rows, sqlite3_stmt *query) {
    if (rows->count == rows->capacity) {
        const int capacity = rows->capacity ? 2 * rows->capacity : 16;
        pu_series *grown =
            pu_regrow(rows->row, (size_t)rows->capacity * sizeof *grown, (size_t)capacity * sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        rows->row = grown;
        rows->capacity = capacity;
    }
    take_series(query, &rows->row[rows->count++]);
    return PU_OK;
}

static pu_status read_all(pu_store *store, series_rows *rows) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, list_sql, &query));
    bool row = true;
    pu_status status = PU_OK;
    while (status == PU_OK) {
        status = pu__sql_step(store, query, &row, "list the series of");
        if (status != PU_OK || !row) break;
        status = add_row(rows, query);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status unknown_name(pu_store *store, const char *name, const series_rows *rows) {
    const char **names = pu_calloc((size_t)rows->count, sizeof *names);
    if (!names) return PU_ERR_MEMORY;
    for (int i = 0; i < rows->count; ++i) names[i] = rows->row[i].name;
    const char *nearest = pu__nearest(name, rows->count, names);
    pu_free(names);
    if (nearest)
        return pu_fail(PU_ERR_NOT_FOUND, "%s has no series '%.63s'; did you mean %s?", pu_store_path(store), name,
                       nearest);
    return pu_fail(PU_ERR_NOT_FOUND, "%s has no series '%.63s'; `plusultra series list` shows its %d",
                   pu_store_path(store), name, rows->count);
}

/* Keeps the series of that name. */
static pu_status filter(pu_store *store, const char *name, series_rows *rows) {
    int kept = 0;
    for (int i = 0; i < rows->count; ++i) kept += strcmp(rows->row[i].name, name) == 0;
    if (kept == 0) return unknown_name(store, name, rows);
    kept = 0;
    for (int i = 0; i < rows->count; ++i) {
        if (strcmp(rows->row[i].name, name) == 0) rows->row[kept++] = rows->row[i];
    }
    rows->count = kept;
    return PU_OK;
}

pu_status pu_series_list(pu_store *store, const char *name, int *count, pu_series **out) {
    series_rows rows = {.row = pu_calloc(16, sizeof *rows.row), .capacity = 16};
    *count = 0;
    *out = NULL;
    pu_status status = rows.row ? read_all(store, &rows) : PU_ERR_MEMORY;
    if (status == PU_OK && name) status = filter(store, name, &rows);
    if (status != PU_OK) {
        pu_free(rows.row);
        return status;
    }
    *count = rows.count;
    *out = rows.row;
    return PU_OK;
}

static pu_status count_vintages(pu_store *store, const pu_series *series, pu_series_point *point) {
    const bool regime = series->kind == PU_SERIES_REGIME;
    int64_t series_id = 0;
    sqlite3_stmt *query = NULL;
    if (!regime) PU_TRY(pu__alternative_find(store, series->name, series->asset_id, &series_id));
    PU_TRY(pu__sql_prepare(
        store,
        regime ? "SELECT count(*), sum(published_ts <= ?3) FROM regimes WHERE name = ?1 AND ts = ?2"
               : "SELECT count(*), sum(published_ts <= ?3) FROM alternative_values "
                 "WHERE series_id = ?1 AND ts = ?2",
        &query));
    int code = regime ? sqlite3_bind_text(query, 1, series->name, -1, SQLITE_STATIC)
                      : sqlite3_bind_int64(query, 1, series_id);
    code |= sqlite3_bind_int64(query, 2, point->ts) | sqlite3_bind_int64(query, 3, point->published_ts);
    bool row = false;
    const pu_status status = code == SQLITE_OK ? pu__sql_step(store, query, &row, "read a series of")
                                               : pu__store_failure(store, "read a series of");
    if (status == PU_OK && row) {
        point->vintages = sqlite3_column_int64(query, 0);
        point->vintage = sqlite3_column_int64(query, 1);
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status make_point(pu_store *store, const pu_series *series, const pu__vintage *row,
                            pu_series_point *out) {
    *out = (pu_series_point){.found = true, .ts = row->ts, .published_ts = row->published_ts, .value = row->value};
    return count_vintages(store, series, out);
}

static pu_status look(pu_store *store, const pu_series *series, pu__asof *cursor, int64_t T, pu_series_view *out) {
    pu__vintage row;
    bool found = false;
    pu_feature_value value;
    PU_TRY(pu__asof_row(cursor, T, &row, &found));
    if (found && (row.own || series->asset_id == 0)) {
        PU_TRY(make_point(store, series, &row, &out->known));
        PU_TRY(pu__asof_at(cursor, T, &value));
        out->age_s = T - row.published_ts;
        out->stale = isnan(value.value);
    }
    PU_TRY(pu__asof_ahead(cursor, T, &row, &found));
    return found && (row.own || series->asset_id == 0) ? make_point(store, series, &row, &out->ahead) : PU_OK;
}

pu_status pu_series_at(pu_store *store, const pu_series *series, int64_t T, pu_series_view *out) {
    pu__asof *cursor = NULL;
    const bool regime = series->kind == PU_SERIES_REGIME;
    *out = (pu_series_view){0};
    PU_TRY(regime ? pu__asof_identity_regime(store, series->name, out->identity)
                  : pu__asof_identity(store, series->name, series->asset_id, out->identity));
    PU_TRY(regime ? pu__asof_open_regime(store, series->name, INT64_MAX, &cursor)
                  : pu__asof_open(store, series->name, series->asset_id, INT64_MAX, &cursor));
    const pu_status status = look(store, series, cursor, T, out);
    pu__asof_close(cursor);
    return status;
}
