#include "host/data/windows/calendar.h"

#include <inttypes.h>

#include "host/data/store/sql.h"
#include "plusultra/memory.h"

enum { LANE_ROWS = 256, MARKS_MAX = 4096 };

/* ---- merging: the decision times of all assets, by time, then by asset ---- */

/* What was read ahead of one asset. */
typedef struct lane {
    int64_t ts[LANE_ROWS];
    int at, count;
    bool ended; /* the store has no more */
} lane;

typedef struct merge {
    pu_dataset *dataset;
    sqlite3_stmt *query;
    lane *lane; /* [assets] */
    int *heap;  /* assets that have rows left, the earliest on top */
    int heap_count;
    bool moved; /* the top was handed out */
} merge;

static pu_status refill(merge *m, int asset, int64_t from_ts) {
    pu_dataset *dataset = m->dataset;
    lane *l = &m->lane[asset];
    l->at = l->count = 0;
    if (l->ended) return PU_OK;
    if (sqlite3_reset(m->query) != SQLITE_OK ||
        sqlite3_bind_int64(m->query, 1, dataset->plan.asset[asset].id) != SQLITE_OK ||
        sqlite3_bind_int64(m->query, 2, from_ts) != SQLITE_OK) {
        return pu__store_failure(dataset->store, "read times from");
    }
    for (bool row = true; l->count < LANE_ROWS;) {
        PU_TRY(pu__sql_step(dataset->store, m->query, &row, "read times from"));
        if (!row) break;
        l->ts[l->count++] = sqlite3_column_int64(m->query, 0);
    }
    l->ended = l->count < LANE_ROWS;
    return PU_OK;
}

static bool before(const merge *m, int a, int b) {
    const int64_t x = m->lane[a].ts[m->lane[a].at], y = m->lane[b].ts[m->lane[b].at];
    return x < y || (x == y && a < b);
}

static void sink(merge *m, int at) {
    int *heap = m->heap;
    for (;;) {
        int least = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < m->heap_count; ++child) {
            if (before(m, heap[child], heap[least])) least = child;
        }
        if (least == at) return;
        const int swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static pu_status fill_lanes(merge *m, int64_t from_ts) {
    const pu_dataset *dataset = m->dataset;
    for (int a = 0; a < dataset->plan.asset_count; ++a) {
        const int64_t first_ts = dataset->asset[a].first_ts;
        if (dataset->asset[a].rows == 0) continue;
        PU_TRY(refill(m, a, from_ts > first_ts ? from_ts : first_ts));
        if (m->lane[a].count > 0) m->heap[m->heap_count++] = a;
    }
    for (int at = m->heap_count / 2; at-- > 0;) sink(m, at);
    return PU_OK;
}

static void merge_close(merge *m) {
    if (!m) return;
    sqlite3_finalize(m->query);
    pu_free(m->heap);
    pu_free(m->lane);
    pu_free(m);
}

/* Rows decided at or after from_ts. */
static pu_status merge_open(pu_dataset *dataset, int64_t from_ts, merge **out) {
    *out = NULL;
    merge *m = pu_calloc(1, sizeof *m);
    if (!m) return PU_ERR_MEMORY;
    m->dataset = dataset;
    m->lane = pu_calloc((size_t)dataset->plan.asset_count, sizeof *m->lane);
    m->heap = pu_calloc((size_t)dataset->plan.asset_count, sizeof *m->heap);
    pu_status status = m->lane && m->heap ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK) {
        status = pu__sql_prepare(dataset->store,
                                 "SELECT ts FROM series WHERE asset_id = ?1 AND ts >= ?2 ORDER BY ts", &m->query);
    }
    if (status == PU_OK) status = fill_lanes(m, from_ts);
    if (status != PU_OK) {
        merge_close(m);
        return status;
    }
    *out = m;
    return PU_OK;
}

static pu_status advance(merge *m) {
    const int asset = m->heap[0];
    lane *l = &m->lane[asset];
    const int64_t last = l->ts[l->at];
    if (++l->at == l->count) PU_TRY(refill(m, asset, last + 1));
    if (l->count == 0) m->heap[0] = m->heap[--m->heap_count];
    sink(m, 0);
    return PU_OK;
}

/* *asset is -1 behind the last row. */
static pu_status merge_next(merge *m, int *asset, int64_t *ts) {
    *asset = -1;
    if (m->moved) PU_TRY(advance(m));
    m->moved = m->heap_count > 0;
    if (!m->moved) return PU_OK;
    *asset = m->heap[0];
    *ts = m->lane[*asset].ts[m->lane[*asset].at];
    return PU_OK;
}

/* ---- the calendar ---- */

/* Keeps every stride-th time; when there is no room, every other mark goes and the stride doubles. */
static void mark(pu__calendar *calendar, int64_t ts) {
    const int64_t rank = calendar->count++;
    if (rank == 0) calendar->first_ts = ts;
    calendar->last_ts = ts;
    if (rank % calendar->stride != 0) return;
    if (calendar->marks == MARKS_MAX) {
        for (int64_t i = 0; i < MARKS_MAX / 2; ++i) calendar->mark[i] = calendar->mark[2 * i];
        calendar->marks /= 2;
        calendar->stride *= 2;
    }
    calendar->mark[calendar->marks++] = ts;
}

static pu_status check_count(const pu_dataset *dataset, int index, int64_t seen) {
    const pu__dataset_asset *asset = &dataset->asset[index];
    if (seen == asset->rows && asset->features.first_bar + asset->rows == asset->labels.rows) return PU_OK;
    return pu_fail(PU_ERR_CORRUPT,
                   "%s has %" PRId64 " bars and blocks for %" PRId64
                   "; `plusultra features build` makes them again",
                   dataset->plan.asset[index].symbol, asset->features.first_bar + seen, asset->labels.rows);
}

static pu_status pass(merge *m, pu__calendar *calendar, int64_t *seen) {
    pu_dataset *dataset = calendar->dataset;
    for (;;) {
        int index = 0;
        int64_t ts = 0;
        PU_TRY(merge_next(m, &index, &ts));
        if (index < 0) break;
        pu__dataset_asset *asset = &dataset->asset[index];
        const int64_t row = seen[index]++, block = row / asset->features.block_rows;
        if (row % asset->features.block_rows == 0 && block < asset->features.count) asset->block_ts[block] = ts;
        if (calendar->count == 0 || ts != calendar->last_ts) mark(calendar, ts);
    }
    for (int a = 0; a < dataset->plan.asset_count; ++a) PU_TRY(check_count(dataset, a, seen[a]));
    return PU_OK;
}

pu_status pu__calendar_open(pu_dataset *dataset, pu__calendar *out) {
    *out = (pu__calendar){.dataset = dataset, .stride = 1};
    merge *m = NULL;
    int64_t *seen = pu_calloc((size_t)dataset->plan.asset_count, sizeof *seen);
    out->mark = pu_calloc(MARKS_MAX, sizeof *out->mark);
    pu_status status = seen && out->mark ? merge_open(dataset, INT64_MIN, &m) : PU_ERR_MEMORY;
    if (status == PU_OK) status = pass(m, out, seen);
    merge_close(m);
    pu_free(seen);
    if (status != PU_OK) pu__calendar_close(out);
    return status;
}

void pu__calendar_close(pu__calendar *calendar) {
    pu_free(calendar->mark);
    calendar->mark = NULL;
}

/* Walks the calendar from mark `at` to the first time that is not before `until`, at most `steps` times on. */
static pu_status walk(const pu__calendar *calendar, int64_t at, int64_t until, int64_t steps, int64_t *rank,
                      int64_t *ts) {
    merge *m = NULL;
    PU_TRY(merge_open(calendar->dataset, calendar->mark[at], &m));
    *rank = at * calendar->stride;
    *ts = calendar->mark[at];
    pu_status status = PU_OK;
    for (int asset = 0; status == PU_OK && *ts < until && steps > 0;) {
        int64_t next = 0;
        status = merge_next(m, &asset, &next);
        if (status != PU_OK || asset < 0) break;
        if (next == *ts) continue;
        *ts = next;
        ++*rank;
        --steps;
    }
    merge_close(m);
    return status;
}

pu_status pu__calendar_rank(const pu__calendar *calendar, int64_t ts, int64_t *rank) {
    *rank = ts <= calendar->first_ts ? 0 : calendar->count;
    if (*rank == 0 || ts > calendar->last_ts) return PU_OK;
    int64_t low = 0, high = calendar->marks; /* the last mark before ts */
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (calendar->mark[middle] < ts) {
            low = middle;
        } else {
            high = middle;
        }
    }
    int64_t found = 0;
    return walk(calendar, low, ts, INT64_MAX, rank, &found);
}

pu_status pu__calendar_time(const pu__calendar *calendar, double rank, int64_t *ts) {
    *ts = calendar->last_ts + 1;
    if (rank >= (double)calendar->count) return PU_OK;
    const int64_t wanted = (int64_t)rank;
    int64_t reached = 0;
    return walk(calendar, wanted / calendar->stride, INT64_MAX, wanted % calendar->stride, &reached, ts);
}

/* ---- times of rows ---- */

static pu_status bars_changed(const pu_dataset *dataset, int asset) {
    return pu_fail(PU_ERR_STORE, "the bars of %s were changed since the data was opened; run again",
                   dataset->plan.asset[asset].symbol);
}

static pu_status prepare_times(pu_dataset *dataset, const char *sql, int asset, int64_t from_ts, int64_t limit,
                               sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(dataset->store, sql, out));
    if (sqlite3_bind_int64(*out, 1, dataset->plan.asset[asset].id) == SQLITE_OK &&
        sqlite3_bind_int64(*out, 2, from_ts) == SQLITE_OK && sqlite3_bind_int64(*out, 3, limit) == SQLITE_OK) {
        return PU_OK;
    }
    sqlite3_finalize(*out);
    return pu__store_failure(dataset->store, "read times from");
}

/* Reads from the start of the block that holds row `first`. */
static pu_status read_from_block(pu_dataset *dataset, int index, sqlite3_stmt *query, int64_t first, int64_t count,
                                 int64_t *ts) {
    const pu__dataset_asset *asset = &dataset->asset[index];
    const int64_t block_rows = asset->features.block_rows;
    for (int64_t row = first / block_rows * block_rows; row < first + count; ++row) {
        bool found = false;
        PU_TRY(pu__sql_step(dataset->store, query, &found, "read times from"));
        const int64_t at = found ? sqlite3_column_int64(query, 0) : 0;
        if (!found || (row % block_rows == 0 && at != asset->block_ts[row / block_rows]))
            return bars_changed(dataset, index);
        if (row >= first) ts[row - first] = at;
    }
    return PU_OK;
}

pu_status pu_dataset_times(pu_dataset *dataset, int asset, int64_t first, int64_t count, int64_t *ts) {
    if (asset < 0 || asset >= dataset->plan.asset_count || first < 0 || count < 0 ||
        first > dataset->asset[asset].rows - count) {
        return pu_fail(PU_ERR_ARGUMENT, "asset %d has no rows %" PRId64 " to %" PRId64, asset, first,
                       first + count);
    }
    if (count == 0) return PU_OK;
    const int64_t block = first / dataset->asset[asset].features.block_rows;
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_times(dataset, "SELECT ts FROM series WHERE asset_id = ?1 AND ts >= ?2 ORDER BY ts LIMIT ?3",
                         asset, dataset->asset[asset].block_ts[block], INT64_MAX, &query));
    const pu_status status = read_from_block(dataset, asset, query, first, count, ts);
    sqlite3_finalize(query);
    return status;
}

pu_status pu_dataset_rows_before(pu_dataset *dataset, int asset, int64_t ts, int64_t *rows) {
    *rows = 0;
    if (asset < 0 || asset >= dataset->plan.asset_count)
        return pu_fail(PU_ERR_ARGUMENT, "there is no asset %d", asset);
    const pu__dataset_asset *source = &dataset->asset[asset];
    if (source->rows == 0 || ts <= source->block_ts[0]) return PU_OK;
    int64_t low = 0, high = source->features.count; /* the last block that begins before ts */
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (source->block_ts[middle] < ts) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const int64_t first = low * source->features.block_rows, most = pu__block_rows(&source->features, low);
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_times(dataset, "SELECT count(*) FROM series WHERE asset_id = ?1 AND ts >= ?2 AND ts < ?3",
                         asset, source->block_ts[low], ts, &query));
    bool found = false;
    const pu_status status = pu__sql_step(dataset->store, query, &found, "read times from");
    const int64_t counted = found ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    *rows = first + (counted < most ? counted : most); /* bars that came later belong to no row */
    return status;
}
