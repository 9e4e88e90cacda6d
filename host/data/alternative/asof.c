/* A row comes due at max(published_ts, ts): from then on it is among those that may be the answer. Rows published at or
 * after their ts come due in the order of the primary key; those announced ahead, in the order of a partial index
 * over ts. Two ordered reads, one row of each held back, give every row when it comes due, and the answer is the
 * greatest (ts, published_ts) so far.
 *
 * Invariant: after a call with T every visible row due by T has been taken, and none later. */
#include "host/data/alternative/asof.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/store/sql.h"
#include "host/data/store/values.h"
#include "plusultra/memory.h"

enum { ON_TIME, AHEAD, STREAMS };

typedef struct row_stream {
    sqlite3_stmt *rows; /* null once it is read to its end */
    pu__vintage next;
} row_stream;

typedef struct series_source {
    row_stream stream[STREAMS];
    sqlite3_stmt *announced; /* for pu__asof_ahead, made when it is asked for */
    int64_t series_id;       /* 0: a regime */
    int64_t stale_after_s;
    bool any, own;
    pu__vintage best;
} series_source;

enum { OWN, MARKET, SOURCES };

struct pu__asof {
    pu_store *store;
    char name[64];
    int64_t known_until, last_T;
    bool present[SOURCES];
    series_source source[SOURCES];
};

static const char *const series_rows[STREAMS] = {
    "SELECT ts, published_ts, value FROM alternative_values "
    "WHERE series_id = ?1 AND published_ts <= ?2 AND ts <= published_ts ORDER BY published_ts",
    "SELECT ts, published_ts, value FROM alternative_values "
    "WHERE series_id = ?1 AND published_ts <= ?2 AND ts > published_ts ORDER BY ts"};
static const char *const regime_rows[STREAMS] = {
    "SELECT ts, published_ts, label FROM regimes "
    "WHERE name = ?1 AND published_ts <= ?2 AND ts <= published_ts ORDER BY published_ts",
    "SELECT ts, published_ts, label FROM regimes "
    "WHERE name = ?1 AND published_ts <= ?2 AND ts > published_ts ORDER BY ts"};
static const char series_announced[] =
    "SELECT ts, published_ts, value FROM alternative_values "
    "WHERE series_id = ?1 AND published_ts <= ?2 AND ts > published_ts AND ts > ?3 "
    "ORDER BY ts, published_ts DESC LIMIT 1";
static const char regime_announced[] = "SELECT ts, published_ts, label FROM regimes "
                                       "WHERE name = ?1 AND published_ts <= ?2 AND ts > published_ts AND ts > ?3 "
                                       "ORDER BY ts, published_ts DESC LIMIT 1";

static pu_status read_failure(const pu__asof *cursor) {
    return pu__store_failure(cursor->store, "read a series of");
}

static void take_row(sqlite3_stmt *rows, bool own, pu__vintage *out) {
    *out = (pu__vintage){sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1),
                         sqlite3_column_double(rows, 2), own};
}

static pu_status stream_step(const pu__asof *cursor, row_stream *stream, bool own) {
    bool row = false;
    PU_TRY(pu__sql_step(cursor->store, stream->rows, &row, "read a series of"));
    if (row) {
        take_row(stream->rows, own, &stream->next);
        return PU_OK;
    }
    sqlite3_finalize(stream->rows);
    stream->rows = NULL;
    return PU_OK;
}

static pu_status prepare(const pu__asof *cursor, const series_source *source, const char *sql,
                         sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(cursor->store, sql, out));
    const int code = source->series_id > 0 ? sqlite3_bind_int64(*out, 1, source->series_id)
                                           : sqlite3_bind_text(*out, 1, cursor->name, -1, SQLITE_STATIC);
    return code == SQLITE_OK && sqlite3_bind_int64(*out, 2, cursor->known_until) == SQLITE_OK
               ? PU_OK
               : read_failure(cursor);
}

static pu_status source_open(pu__asof *cursor, int which, int64_t series_id, int64_t stale_after_s) {
    series_source *source = &cursor->source[which];
    source->series_id = series_id;
    source->stale_after_s = stale_after_s;
    source->own = which == OWN;
    cursor->present[which] = true;
    for (int i = 0; i < STREAMS; ++i) {
        PU_TRY(prepare(cursor, source, series_id > 0 ? series_rows[i] : regime_rows[i], &source->stream[i].rows));
        PU_TRY(stream_step(cursor, &source->stream[i], source->own));
    }
    return PU_OK;
}

static pu_status source_advance(const pu__asof *cursor, series_source *source, int64_t T) {
    for (int i = 0; i < STREAMS; ++i) {
        row_stream *stream = &source->stream[i];
        while (stream->rows) {
            const pu__vintage *row = &stream->next;
            if ((i == AHEAD ? row->ts : row->published_ts) > T) break;
            const bool later = row->ts > source->best.ts ||
                               (row->ts == source->best.ts && row->published_ts > source->best.published_ts);
            if (!source->any || later) source->best = *row;
            source->any = true;
            PU_TRY(stream_step(cursor, stream, source->own));
        }
    }
    return PU_OK;
}

/* ---- finding series ---- */

static pu_status find_by(pu_store *store, const char *sql, const char *name, int64_t asset_id, int64_t *found) {
    sqlite3_stmt *query = NULL;
    *found = 0;
    PU_TRY(pu__sql_prepare(store, sql, &query));
    bool row = false;
    pu_status status = sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
                               (asset_id == 0 || sqlite3_bind_int64(query, 2, asset_id) == SQLITE_OK)
                           ? pu__sql_step(store, query, &row, "read the series of")
                           : pu__store_failure(store, "read the series of");
    if (status == PU_OK && row) *found = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return status;
}

pu_status pu__alternative_find(pu_store *store, const char *name, int64_t asset_id, int64_t *series_id) {
    return asset_id == 0
               ? find_by(store, "SELECT series_id FROM alternative_series WHERE name = ?1 AND asset_id IS NULL",
                         name, 0, series_id)
               : find_by(store,
                         "SELECT s.series_id FROM alternative_series AS s JOIN assets AS a USING (asset_id) WHERE "
                         "s.name = ?1 AND a.symbol = (SELECT symbol FROM assets WHERE asset_id = ?2) "
                         "ORDER BY a.asset_id = ?2 DESC, a.asset_id LIMIT 1",
                         name, asset_id, series_id);
}

typedef struct series_summary {
    int64_t rows, checksum, stale_after_s;
} series_summary;

static pu_status read_summary(pu_store *store, int64_t series_id, series_summary *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store, "SELECT rows, checksum, stale_after_s FROM alternative_series WHERE series_id = ?1", &query));
    bool row = false;
    const pu_status status = sqlite3_bind_int64(query, 1, series_id) == SQLITE_OK
                                 ? pu__sql_step(store, query, &row, "read the series of")
                                 : pu__store_failure(store, "read the series of");
    if (status == PU_OK && row)
        *out = (series_summary){sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1),
                                sqlite3_column_int64(query, 2)};
    sqlite3_finalize(query);
    return status;
}

static pu_status find_both(pu_store *store, const char *name, int64_t asset_id, int64_t series_id[SOURCES]) {
    series_id[OWN] = 0;
    if (asset_id != 0) PU_TRY(pu__alternative_find(store, name, asset_id, &series_id[OWN]));
    PU_TRY(pu__alternative_find(store, name, 0, &series_id[MARKET]));
    if (series_id[OWN] != 0 || series_id[MARKET] != 0) return PU_OK;
    return pu_fail(
        PU_ERR_NOT_FOUND,
        "%s has no series '%s' of the asset or of the market: import it with `plusultra import --series "
        "%s FILE`; `plusultra series list` shows what there is",
        pu_store_path(store), name, name);
}

static pu_status regime_missing(pu_store *store, const char *name) {
    return pu_fail(PU_ERR_NOT_FOUND,
                   "%s has no regime '%s': import it with `plusultra import --regimes %s FILE`; `plusultra series "
                   "list` shows what there is",
                   pu_store_path(store), name, name);
}

/* ---- cursors ---- */

static pu_status cursor_new(pu_store *store, const char *name, int64_t known_until, pu__asof **out) {
    *out = NULL;
    if (strlen(name) >= sizeof(*out)->name)
        return pu_fail(PU_ERR_ARGUMENT, "the series name '%.70s' has more than 63 bytes", name);
    pu__asof *cursor = pu_calloc(1, sizeof *cursor);
    if (!cursor) return PU_ERR_MEMORY;
    cursor->store = store;
    cursor->known_until = known_until;
    cursor->last_T = INT64_MIN;
    snprintf(cursor->name, sizeof cursor->name, "%s", name);
    *out = cursor;
    return PU_OK;
}

static pu_status cursor_done(pu_status status, pu__asof **out) {
    if (status != PU_OK) {
        pu__asof_close(*out);
        *out = NULL;
    }
    return status;
}

static pu_status open_series(pu__asof *cursor, int64_t asset_id) {
    int64_t series_id[SOURCES];
    PU_TRY(find_both(cursor->store, cursor->name, asset_id, series_id));
    for (int i = 0; i < SOURCES; ++i) {
        series_summary summary = {0};
        if (series_id[i] == 0) continue;
        PU_TRY(read_summary(cursor->store, series_id[i], &summary));
        PU_TRY(source_open(cursor, i, series_id[i], summary.stale_after_s));
    }
    return PU_OK;
}

pu_status pu__asof_open(pu_store *store, const char *name, int64_t asset_id, int64_t known_until, pu__asof **out) {
    PU_TRY(cursor_new(store, name, known_until, out));
    return cursor_done(open_series(*out, asset_id), out);
}

pu_status pu__asof_open_regime(pu_store *store, const char *name, int64_t known_until, pu__asof **out) {
    int64_t found = 0;
    PU_TRY(cursor_new(store, name, known_until, out));
    pu_status status = find_by(store, "SELECT 1 FROM regimes WHERE name = ?1 LIMIT 1", name, 0, &found);
    if (status == PU_OK && found == 0) status = regime_missing(store, name);
    if (status == PU_OK) status = source_open(*out, MARKET, 0, INT64_MAX);
    return cursor_done(status, out);
}

void pu__asof_close(pu__asof *cursor) {
    if (!cursor) return;
    for (int i = 0; i < SOURCES; ++i) {
        for (int k = 0; k < STREAMS; ++k) sqlite3_finalize(cursor->source[i].stream[k].rows);
        sqlite3_finalize(cursor->source[i].announced);
    }
    pu_free(cursor);
}

static pu_status go_to(pu__asof *cursor, int64_t T, const series_source **answer) {
    *answer = NULL;
    if (T < cursor->last_T)
        return pu_fail(PU_ERR_ARGUMENT, "series %s: asked at %" PRId64 " after %" PRId64 ", a cursor goes forward",
                       cursor->name, T, cursor->last_T);
    cursor->last_T = T;
    for (int i = 0; i < SOURCES; ++i) {
        if (!cursor->present[i]) continue;
        PU_TRY(source_advance(cursor, &cursor->source[i], T));
        if (!*answer && cursor->source[i].any) *answer = &cursor->source[i];
    }
    return PU_OK;
}

pu_status pu__asof_row(pu__asof *cursor, int64_t T, pu__vintage *row, bool *found) {
    const series_source *answer = NULL;
    PU_TRY(go_to(cursor, T, &answer));
    *found = answer != NULL;
    if (answer) *row = answer->best;
    return PU_OK;
}

pu_status pu__asof_at(pu__asof *cursor, int64_t T, pu_feature_value *out) {
    const series_source *answer = NULL;
    *out = (pu_feature_value){NAN, 0};
    PU_TRY(go_to(cursor, T, &answer));
    if (!answer) return PU_OK;
    const int64_t age_s = T - answer->best.published_ts;
    if (age_s <= answer->stale_after_s) *out = (pu_feature_value){answer->best.value, age_s};
    return PU_OK;
}

static pu_status source_ahead(pu__asof *cursor, series_source *source, int64_t T, pu__vintage *row, bool *found) {
    const int64_t known = T < cursor->known_until ? T : cursor->known_until;
    if (!source->announced)
        PU_TRY(prepare(cursor, source, source->series_id > 0 ? series_announced : regime_announced,
                       &source->announced));
    if (sqlite3_bind_int64(source->announced, 2, known) != SQLITE_OK ||
        sqlite3_bind_int64(source->announced, 3, T) != SQLITE_OK)
        return read_failure(cursor);
    const pu_status status = pu__sql_step(cursor->store, source->announced, found, "read a series of");
    if (status == PU_OK && *found) take_row(source->announced, source->own, row);
    sqlite3_reset(source->announced);
    return status;
}

pu_status pu__asof_ahead(pu__asof *cursor, int64_t T, pu__vintage *row, bool *found) {
    *found = false;
    for (int i = 0; i < SOURCES && !*found; ++i) {
        if (cursor->present[i]) PU_TRY(source_ahead(cursor, &cursor->source[i], T, row, found));
    }
    return PU_OK;
}

/* ---- identity ---- */

pu_status pu__asof_identity(pu_store *store, const char *name, int64_t asset_id,
                            char out[PU__ASOF_IDENTITY_BYTES]) {
    int64_t series_id[SOURCES];
    series_summary found[SOURCES] = {{0}};
    PU_TRY(find_both(store, name, asset_id, series_id));
    for (int i = 0; i < SOURCES; ++i) {
        if (series_id[i] != 0) PU_TRY(read_summary(store, series_id[i], &found[i]));
    }
    snprintf(out, PU__ASOF_IDENTITY_BYTES,
             "alternative:%s own %" PRId64 " %016" PRIx64 " %" PRId64 " market %" PRId64 " %016" PRIx64
             " %" PRId64,
             name, found[OWN].rows, (uint64_t)found[OWN].checksum, found[OWN].stale_after_s, found[MARKET].rows,
             (uint64_t)found[MARKET].checksum, found[MARKET].stale_after_s);
    return PU_OK;
}

pu_status pu__asof_identity_regime(pu_store *store, const char *name, char out[PU__ASOF_IDENTITY_BYTES]) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT published_ts, ts, label FROM regimes WHERE name = ?1", &query));
    int64_t rows = 0;
    uint64_t checksum = 0;
    bool row = true;
    pu_status status = sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(store, "read the regimes of");
    while (status == PU_OK && row) {
        status = pu__sql_step(store, query, &row, "read the regimes of");
        if (status != PU_OK || !row) break;
        ++rows;
        checksum += pu__value_hash(sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1),
                                   sqlite3_column_double(query, 2));
    }
    sqlite3_finalize(query);
    if (status == PU_OK && rows == 0) status = regime_missing(store, name);
    if (status == PU_OK)
        snprintf(out, PU__ASOF_IDENTITY_BYTES, "regime:%s %" PRId64 " %016" PRIx64, name, rows, checksum);
    return status;
}
