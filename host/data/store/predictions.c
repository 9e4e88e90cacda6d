/* Forecasts: a set per run and asset says the horizons and quantiles, a row per decision time holds the values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/store/records.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are stored as this machine holds them: little-endian");

enum { LIST_MAX = 256, LIST_BYTES = LIST_MAX * 26 };

/* FNV-1a over a row, folded into the running sum with the row's time, so that a lost or doubled row shows. */
static uint64_t row_hash(int64_t ts, double sigma, const void *value, size_t bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    const struct {
        const void *data;
        size_t bytes;
    } part[] = {{&ts, sizeof ts}, {&sigma, sizeof sigma}, {value, bytes}};
    for (int p = 0; p < 3; ++p) {
        const unsigned char *byte = part[p].data;
        for (size_t i = 0; i < part[p].bytes; ++i) hash = (hash ^ byte[i]) * 0x100000001b3u;
    }
    return hash;
}

static pu_status check_set(const pu_prediction_set *set) {
    if (set->count < 0 || set->horizons < 1 || set->horizons > LIST_MAX || set->quantiles < 1 ||
        set->quantiles > LIST_MAX) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "predictions of asset %lld: %d horizons, %d quantiles; 1 to %d of each are accepted",
                       (long long)set->asset_id, set->horizons, set->quantiles, LIST_MAX);
    }
    const int64_t values = (int64_t)set->horizons * set->quantiles;
    for (int64_t i = 0; i < set->count; ++i) {
        if (i > 0 && set->ts[i] <= set->ts[i - 1]) {
            return pu_fail(PU_ERR_ARGUMENT, "predictions of asset %lld: times do not increase at row %lld",
                           (long long)set->asset_id, (long long)i);
        }
        bool finite = isfinite(set->sigma[i]);
        for (int64_t k = 0; k < values; ++k) finite = finite && isfinite(set->value[i * values + k]);
        if (!finite) {
            char when[32];
            pu_time_format(set->ts[i], true, when);
            return pu_fail(PU_ERR_DATA, "predictions of asset %lld: a value at %s is not finite",
                           (long long)set->asset_id, when);
        }
    }
    return PU_OK;
}

static void format_lists(const pu_prediction_set *set, char *horizons, char *quantiles) {
    int used = 0;
    for (int i = 0; i < set->horizons; ++i) {
        used += snprintf(horizons + used, LIST_BYTES - (size_t)used, "%s%lld", i ? "," : "[",
                         (long long)set->horizon_bars[i]);
    }
    snprintf(horizons + used, LIST_BYTES - (size_t)used, "]");
    used = 0;
    for (int i = 0; i < set->quantiles; ++i) {
        used += snprintf(quantiles + used, LIST_BYTES - (size_t)used, "%s%.17g", i ? "," : "[", set->quantile[i]);
    }
    snprintf(quantiles + used, LIST_BYTES - (size_t)used, "]");
}

static pu_status clear_set(pu_store *store, int64_t run_id, int64_t asset_id) {
    sqlite3_stmt *clear = NULL;
    PU_TRY(pu__sql_prepare(store, "DELETE FROM prediction_sets WHERE run_id = ?1 AND asset_id = ?2", &clear));
    pu_status status = PU_OK;
    if (sqlite3_bind_int64(clear, 1, run_id) != SQLITE_OK || sqlite3_bind_int64(clear, 2, asset_id) != SQLITE_OK) {
        status = pu__store_failure(store, "write predictions to");
    }
    if (status == PU_OK) status = pu__sql_run(store, clear, "replace predictions in");
    sqlite3_finalize(clear);
    return status;
}

static pu_status write_head(pu_store *store, int64_t run_id, const pu_prediction_set *set, uint64_t checksum) {
    sqlite3_stmt *insert = NULL;
    char horizons[LIST_BYTES], quantiles[LIST_BYTES];
    format_lists(set, horizons, quantiles);
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO prediction_sets (run_id, asset_id, row_count, value_count, checksum, "
                           "horizon_bars, quantiles) "
                           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                           &insert));
    const int64_t whole[] = {run_id, set->asset_id, set->count, (int64_t)set->horizons * set->quantiles,
                             (int64_t)checksum};
    int code = SQLITE_OK;
    for (int i = 0; i < 5; ++i) code |= sqlite3_bind_int64(insert, 1 + i, whole[i]);
    code |= sqlite3_bind_text(insert, 6, horizons, -1, SQLITE_STATIC) |
            sqlite3_bind_text(insert, 7, quantiles, -1, SQLITE_STATIC);
    const pu_status status = code == SQLITE_OK ? pu__sql_run(store, insert, "write predictions to")
                                               : pu__store_failure(store, "write predictions to");
    sqlite3_finalize(insert);
    return status;
}

static pu_status write_rows(pu_store *store, int64_t run_id, const pu_prediction_set *set) {
    sqlite3_stmt *insert = NULL;
    const size_t values = (size_t)set->horizons * (size_t)set->quantiles;
    PU_TRY(pu__sql_prepare(
        store, "INSERT INTO predictions (run_id, asset_id, ts, sigma, value) VALUES (?1, ?2, ?3, ?4, ?5)",
        &insert));
    int code = sqlite3_bind_int64(insert, 1, run_id) | sqlite3_bind_int64(insert, 2, set->asset_id);
    pu_status status = PU_OK;
    for (int64_t i = 0; i < set->count && status == PU_OK; ++i) {
        code |= sqlite3_bind_int64(insert, 3, set->ts[i]) | sqlite3_bind_double(insert, 4, set->sigma[i]);
        code |= sqlite3_bind_blob(insert, 5, set->value + (size_t)i * values, (int)(values * sizeof(float)),
                                  SQLITE_STATIC);
        status = code == SQLITE_OK ? pu__sql_run(store, insert, "write predictions to")
                                   : pu__store_failure(store, "write predictions to");
    }
    sqlite3_finalize(insert);
    return status;
}

static uint64_t sum_rows(const pu_prediction_set *set) {
    uint64_t checksum = 0;
    const size_t values = (size_t)set->horizons * (size_t)set->quantiles;
    for (int64_t i = 0; i < set->count; ++i)
        checksum += row_hash(set->ts[i], set->sigma[i], set->value + (size_t)i * values, values * sizeof(float));
    return checksum;
}

static pu_status write_set(pu_store *store, const char *run, const pu_prediction_set *set) {
    int64_t run_id = 0;
    PU_TRY(pu__run_ensure(store, run, &run_id));
    PU_TRY(clear_set(store, run_id, set->asset_id));
    PU_TRY(write_head(store, run_id, set, sum_rows(set)));
    return write_rows(store, run_id, set);
}

/* Whether the stored set, if there is one, can go on with these rows. */
static pu_status check_extension(pu_store *store, int64_t run_id, const pu_prediction_set *set, bool *found) {
    sqlite3_stmt *query = NULL;
    char horizons[LIST_BYTES], quantiles[LIST_BYTES];
    format_lists(set, horizons, quantiles);
    PU_TRY(
        pu__sql_prepare(store,
                        "SELECT horizon_bars = ?3 AND quantiles = ?4, (SELECT max(ts) FROM predictions WHERE "
                        "run_id = ?1 AND asset_id = ?2) FROM prediction_sets WHERE run_id = ?1 AND asset_id = ?2",
                        &query));
    const int code = sqlite3_bind_int64(query, 1, run_id) | sqlite3_bind_int64(query, 2, set->asset_id) |
                     sqlite3_bind_text(query, 3, horizons, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(query, 4, quantiles, -1, SQLITE_STATIC);
    pu_status status = code == SQLITE_OK ? pu__sql_step(store, query, found, "read predictions from")
                                         : pu__store_failure(store, "read predictions from");
    const bool same = *found && sqlite3_column_int(query, 0) != 0;
    const bool empty = *found && sqlite3_column_type(query, 1) == SQLITE_NULL;
    const int64_t last_ts = *found ? sqlite3_column_int64(query, 1) : 0;
    if (status == PU_OK && *found && !same)
        status =
            pu_fail(PU_ERR_ARGUMENT, "predictions of asset %lld: other horizons or quantiles than those stored",
                    (long long)set->asset_id);
    if (status == PU_OK && *found && !empty && set->count > 0 && set->ts[0] <= last_ts)
        status = pu_fail(PU_ERR_ARGUMENT, "predictions of asset %lld: the first time is not after those stored",
                         (long long)set->asset_id);
    sqlite3_finalize(query);
    return status;
}

static pu_status extend_head(pu_store *store, int64_t run_id, const pu_prediction_set *set) {
    sqlite3_stmt *query = NULL, *update = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT checksum FROM prediction_sets WHERE run_id = ?1 AND asset_id = ?2",
                           &query));
    bool row = false;
    pu_status status =
        (sqlite3_bind_int64(query, 1, run_id) | sqlite3_bind_int64(query, 2, set->asset_id)) == SQLITE_OK
            ? pu__sql_step(store, query, &row, "read predictions from")
            : pu__store_failure(store, "read predictions from");
    /* The sum wraps around, which SQL's does not. */
    const uint64_t checksum = (row ? (uint64_t)sqlite3_column_int64(query, 0) : 0) + sum_rows(set);
    sqlite3_finalize(query);
    PU_TRY(status);
    PU_TRY(pu__sql_prepare(store,
                           "UPDATE prediction_sets SET row_count = row_count + ?3, checksum = ?4 "
                           "WHERE run_id = ?1 AND asset_id = ?2",
                           &update));
    const int64_t number[] = {run_id, set->asset_id, set->count, (int64_t)checksum};
    int code = SQLITE_OK;
    for (int i = 0; i < 4; ++i) code |= sqlite3_bind_int64(update, 1 + i, number[i]);
    status = code == SQLITE_OK ? pu__sql_run(store, update, "write predictions to")
                               : pu__store_failure(store, "write predictions to");
    sqlite3_finalize(update);
    return status;
}

static pu_status extend_set(pu_store *store, const char *run, const pu_prediction_set *set) {
    int64_t run_id = 0;
    bool found = false;
    PU_TRY(pu__run_ensure(store, run, &run_id));
    PU_TRY(check_extension(store, run_id, set, &found));
    PU_TRY(found ? extend_head(store, run_id, set) : write_head(store, run_id, set, sum_rows(set)));
    return write_rows(store, run_id, set);
}

pu_status pu_store_put_predictions(pu_store *store, const char *run, const pu_prediction_set *set) {
    bool began = false;
    PU_TRY(check_set(set));
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, write_set(store, run, set));
}

pu_status pu_store_add_predictions(pu_store *store, const char *run, const pu_prediction_set *set) {
    bool began = false;
    PU_TRY(check_set(set));
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, extend_set(store, run, set));
}

pu_status pu_store_clear_predictions(pu_store *store, const char *run) {
    sqlite3_stmt *clear = NULL;
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    pu_status status = pu__sql_prepare(
        store, "DELETE FROM prediction_sets WHERE run_id = (SELECT run_id FROM runs WHERE name = ?1)", &clear);
    if (status == PU_OK && sqlite3_bind_text(clear, 1, run, -1, SQLITE_STATIC) != SQLITE_OK)
        status = pu__store_failure(store, "write predictions to");
    if (status == PU_OK) status = pu__sql_run(store, clear, "remove predictions from");
    sqlite3_finalize(clear);
    return pu__sql_leave(store, began, status);
}

/* ---- reading ---- */

typedef struct set_head {
    int64_t run_id, asset_id, rows, values;
    uint64_t checksum;
    char horizons[LIST_BYTES], quantiles[LIST_BYTES];
} set_head;

static pu_status damaged(pu_store *store, int64_t asset_id) {
    return pu_fail(PU_ERR_CORRUPT,
                   "%s: the predictions of asset %lld do not match their checksum: the file was damaged; run "
                   "`plusultra predict` again",
                   pu_store_path(store), (long long)asset_id);
}

static int parse_list(const char *text, int capacity, double *out) {
    int count = 0;
    if (*text != '[') return 0;
    while (*text == '[' || *text == ',') {
        char *end = NULL;
        const double value = strtod(text + 1, &end);
        if (end == text + 1 || count == capacity) return 0;
        out[count++] = value;
        text = end;
    }
    return strcmp(text, "]") == 0 ? count : 0;
}

static void read_head(sqlite3_stmt *query, set_head *head) {
    head->run_id = sqlite3_column_int64(query, 0);
    head->asset_id = sqlite3_column_int64(query, 1);
    head->rows = sqlite3_column_int64(query, 2);
    head->values = sqlite3_column_int64(query, 3);
    head->checksum = (uint64_t)sqlite3_column_int64(query, 4);
    const char *horizons = (const char *)sqlite3_column_text(query, 5),
               *quantiles = (const char *)sqlite3_column_text(query, 6);
    snprintf(head->horizons, sizeof head->horizons, "%s", horizons ? horizons : "");
    snprintf(head->quantiles, sizeof head->quantiles, "%s", quantiles ? quantiles : "");
}

/* Lays the set out in one block that starts at ts. */
static pu_status allocate_set(pu_store *store, const set_head *head, pu_prediction_set *out) {
    double horizons[LIST_MAX], quantiles[LIST_MAX];
    const int h = parse_list(head->horizons, LIST_MAX, horizons),
              q = parse_list(head->quantiles, LIST_MAX, quantiles);
    if (h < 1 || q < 1 || head->values != (int64_t)h * q || head->rows < 0 ||
        head->rows > INT64_MAX / 8 / head->values) {
        return damaged(store, head->asset_id);
    }
    const size_t n = (size_t)head->rows, v = (size_t)head->values;
    const size_t doubles = n + (size_t)h + (size_t)q, floats = n * v + n;
    char *block = pu_calloc(1, doubles * 8 + floats * sizeof(float));
    if (!block) return PU_ERR_MEMORY;
    int64_t *ts = (int64_t *)(void *)block, *bars = ts + n;
    double *quantile = (double *)(void *)(bars + h);
    float *value = (float *)(void *)(quantile + q);
    for (int i = 0; i < h; ++i) bars[i] = (int64_t)horizons[i];
    memcpy(quantile, quantiles, (size_t)q * sizeof *quantile);
    *out = (pu_prediction_set){head->asset_id, 0, ts, h, bars, q, quantile, value, value + n * v};
    return PU_OK;
}

static pu_status read_rows(pu_store *store, sqlite3_stmt *query, const set_head *head, pu_prediction_set *out) {
    const size_t v = (size_t)head->values;
    int64_t *ts = (int64_t *)(uintptr_t)out->ts;
    float *value = (float *)(uintptr_t)out->value, *sigma = (float *)(uintptr_t)out->sigma;
    uint64_t checksum = 0;
    for (bool row = true;;) {
        PU_TRY(pu__sql_step(store, query, &row, "read predictions from"));
        if (!row) break;
        const int64_t i = out->count;
        const void *blob = sqlite3_column_blob(query, 2);
        if (i == head->rows || !blob || sqlite3_column_bytes(query, 2) != (int)(v * sizeof(float)))
            return damaged(store, head->asset_id);
        ts[i] = sqlite3_column_int64(query, 0);
        sigma[i] = (float)sqlite3_column_double(query, 1);
        memcpy(value + (size_t)i * v, blob, v * sizeof(float));
        checksum += row_hash(ts[i], sqlite3_column_double(query, 1), blob, v * sizeof(float));
        out->count = i + 1;
    }
    return out->count == head->rows && checksum == head->checksum ? PU_OK : damaged(store, head->asset_id);
}

static pu_status load_set(pu_store *store, const set_head *head, pu_prediction_set *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(allocate_set(store, head, out));
    pu_status status = pu__sql_prepare(
        store, "SELECT ts, sigma, value FROM predictions WHERE run_id = ?1 AND asset_id = ?2 ORDER BY ts", &query);
    if (status == PU_OK &&
        (sqlite3_bind_int64(query, 1, head->run_id) | sqlite3_bind_int64(query, 2, head->asset_id)) != SQLITE_OK) {
        status = pu__store_failure(store, "read predictions from");
    }
    if (status == PU_OK) status = read_rows(store, query, head, out);
    sqlite3_finalize(query);
    if (status != PU_OK) pu_prediction_set_free(out);
    return status;
}

#define SET_HEAD \
    "SELECT run_id, asset_id, row_count, value_count, checksum, horizon_bars, quantiles FROM prediction_sets "

static pu_status find_set(pu_store *store, const char *run, int64_t asset_id, set_head *head) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store, SET_HEAD "WHERE run_id = (SELECT run_id FROM runs WHERE name = ?1) AND asset_id = ?2", &query));
    bool row = false;
    pu_status status = PU_OK;
    if ((sqlite3_bind_text(query, 1, run, -1, SQLITE_STATIC) | sqlite3_bind_int64(query, 2, asset_id)) !=
        SQLITE_OK) {
        status = pu__store_failure(store, "read predictions from");
    }
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "read predictions from");
    if (row) read_head(query, head);
    sqlite3_finalize(query);
    PU_TRY(status);
    if (row) return PU_OK;
    return pu_fail(PU_ERR_NOT_FOUND, "run '%s' has no predictions for asset %lld in %s: run `plusultra predict`",
                   run, (long long)asset_id, pu_store_path(store));
}

pu_status pu_store_get_predictions(pu_store *store, const char *run, int64_t asset_id, pu_prediction_set *out) {
    *out = (pu_prediction_set){0};
    set_head head;
    const bool alone = sqlite3_get_autocommit(pu_store_sqlite(store)) != 0;
    if (alone) PU_TRY(pu__sql_exec(store, "BEGIN", "read"));
    pu_status status = find_set(store, run, asset_id, &head);
    if (status == PU_OK) status = load_set(store, &head, out);
    if (alone) pu_store_rollback(store);
    return status;
}

void pu_prediction_set_free(pu_prediction_set *set) {
    pu_free((void *)(uintptr_t)set->ts);
    *set = (pu_prediction_set){0};
}

pu_status pu__predictions_check(pu_store *store) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, SET_HEAD "ORDER BY run_id, asset_id", &query));
    pu_status status = PU_OK;
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read predictions from");
        if (status != PU_OK || !row) break;
        set_head head;
        pu_prediction_set set;
        read_head(query, &head);
        status = load_set(store, &head, &set);
        if (status == PU_OK) pu_prediction_set_free(&set);
    }
    sqlite3_finalize(query);
    return status;
}
