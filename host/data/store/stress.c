#include "host/data/store/stress.h"

#include <string.h>

#include "host/data/store/checksum.h"
#include "host/data/store/records.h"
#include "host/data/store/sql.h"

#define COLUMN_NAME(name) ", " #name
#define COLUMN_PLACE(name) ", ?"
#define COLUMN_COUNT(name) +1
enum { FIGURES = PU__STRESS_FIGURES(COLUMN_COUNT), PLACES = 9 /* of the cell, before them */ };

static pu_status bind_failure(pu_store *store) { return pu__store_failure(store, "write to"); }

static pu_status seal(pu_store *store, int64_t sweep_id) {
    PU_TRY(pu__checksum_seal(store, PU__PART_SWEEP, sweep_id));
    PU_TRY(pu__checksum_seal(store, PU__PART_CELLS, sweep_id));
    return pu__checksum_seal(store, PU__PART_FANS, sweep_id);
}

/* ---- the sweep ---- */

static pu_status find(pu_store *store, int64_t run_id, const char *recipe, int64_t *sweep_id, bool *same) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *sweep_id = 0;
    *same = false;
    PU_TRY(pu__sql_prepare(store, "SELECT sweep_id, recipe = ?2 FROM stress_sweeps WHERE run_id = ?1", &query));
    const int code = sqlite3_bind_int64(query, 1, run_id) | sqlite3_bind_text(query, 2, recipe, -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_step(store, query, &row, "read a stress sweep of") : bind_failure(store);
    if (status == PU_OK && row) {
        *sweep_id = sqlite3_column_int64(query, 0);
        *same = sqlite3_column_int(query, 1) != 0;
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status has_cells(pu_store *store, int64_t sweep_id, bool *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store, "SELECT 1 FROM stress_cells WHERE sweep_id = ?1 LIMIT 1", &query));
    const pu_status status = sqlite3_bind_int64(query, 1, sweep_id) == SQLITE_OK
                                 ? pu__sql_step(store, query, out, "read a stress sweep of")
                                 : bind_failure(store);
    sqlite3_finalize(query);
    return status;
}

static pu_status drop(pu_store *store, int64_t sweep_id) {
    sqlite3_stmt *remove = NULL;
    PU_TRY(pu__sql_prepare(store, "DELETE FROM stress_sweeps WHERE sweep_id = ?1", &remove));
    const pu_status status = sqlite3_bind_int64(remove, 1, sweep_id) == SQLITE_OK
                                 ? pu__sql_run(store, remove, "replace a stress sweep in")
                                 : bind_failure(store);
    sqlite3_finalize(remove);
    PU_TRY(status);
    return seal(store, sweep_id);
}

static pu_status add(pu_store *store, int64_t run_id, const pu__stress_sweep *sweep, int64_t *sweep_id) {
    sqlite3_stmt *insert = NULL;
    bool row = false;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO stress_sweeps (run_id, recipe, config, data_hash, cells) "
                           "VALUES (?1, ?2, ?3, ?4, ?5) RETURNING sweep_id",
                           &insert));
    const char *const text[] = {sweep->recipe, sweep->config, sweep->data_hash};
    int code = sqlite3_bind_int64(insert, 1, run_id) | sqlite3_bind_int64(insert, 5, sweep->cells);
    for (int i = 0; i < 3; ++i) code |= sqlite3_bind_text(insert, 2 + i, text[i], -1, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_step(store, insert, &row, "begin a stress sweep in") : bind_failure(store);
    *sweep_id = row ? sqlite3_column_int64(insert, 0) : 0;
    sqlite3_finalize(insert);
    PU_TRY(status);
    return seal(store, *sweep_id);
}

static pu_status begin(pu_store *store, const char *run, const pu__stress_sweep *sweep, int64_t *sweep_id,
                       bool *replaced) {
    int64_t run_id = 0;
    bool same = false;
    PU_TRY(pu__run_ensure(store, run, &run_id));
    PU_TRY(find(store, run_id, sweep->recipe, sweep_id, &same));
    if (same) return PU_OK;
    if (*sweep_id != 0) {
        PU_TRY(has_cells(store, *sweep_id, replaced));
        PU_TRY(drop(store, *sweep_id));
    }
    return add(store, run_id, sweep, sweep_id);
}

pu_status pu__stress_begin(pu_store *store, const char *run, const pu__stress_sweep *sweep, int64_t *sweep_id,
                           bool *replaced) {
    bool began = false;
    *replaced = false;
    PU_TRY(pu__sql_enter(store, &began));
    return pu__sql_leave(store, began, begin(store, run, sweep, sweep_id, replaced));
}

/* ---- cells ---- */

static pu_status write_cell(pu_store *store, int64_t sweep_id, const pu__stress_cell *cell,
                            const pu__stress_figures *figures) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "INSERT INTO stress_cells (sweep_id, cell, policy, scenario, severity, cost_factor, "
                           "latency_bars, seed, paths" PU__STRESS_FIGURES(
                               COLUMN_NAME) ", worst_path) VALUES "
                                            "(?, ?, ?, ?, ?, ?, ?, ?, ?" PU__STRESS_FIGURES(COLUMN_PLACE) ", ?)",
                           &insert));
    int code = sqlite3_bind_int64(insert, 1, sweep_id) | sqlite3_bind_int64(insert, 2, cell->number) |
               sqlite3_bind_text(insert, 3, cell->policy, -1, SQLITE_STATIC) |
               sqlite3_bind_text(insert, 4, cell->scenario, -1, SQLITE_STATIC) |
               sqlite3_bind_double(insert, 5, cell->severity) | sqlite3_bind_double(insert, 6, cell->cost_factor) |
               sqlite3_bind_int64(insert, 7, cell->latency_bars) | sqlite3_bind_int64(insert, 8, cell->seed) |
               sqlite3_bind_int64(insert, PLACES, cell->paths) |
               sqlite3_bind_int64(insert, PLACES + FIGURES + 1, figures->worst_path);
    int place = PLACES;
#define BIND(name) code |= sqlite3_bind_double(insert, ++place, figures->name);
    PU__STRESS_FIGURES(BIND)
#undef BIND
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, insert, "write a stress cell to") : bind_failure(store);
    sqlite3_finalize(insert);
    return status;
}

static pu_status write_fan(pu_store *store, int64_t sweep_id, int64_t cell, const pu__stress_fan *fan) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__sql_prepare(
        store, "INSERT INTO stress_fans (sweep_id, cell, paths, bars, value) VALUES (?1, ?2, ?3, ?4, ?5)",
        &insert));
    const sqlite3_uint64 bytes = PU__FAN_QUANTILES * (sqlite3_uint64)fan->bars * sizeof *fan->value;
    const int code = sqlite3_bind_int64(insert, 1, sweep_id) | sqlite3_bind_int64(insert, 2, cell) |
                     sqlite3_bind_int64(insert, 3, fan->paths) | sqlite3_bind_int64(insert, 4, fan->bars) |
                     sqlite3_bind_blob64(insert, 5, fan->value, bytes, SQLITE_STATIC);
    const pu_status status =
        code == SQLITE_OK ? pu__sql_run(store, insert, "write a fan to") : bind_failure(store);
    sqlite3_finalize(insert);
    return status;
}

pu_status pu__stress_put(pu_store *store, int64_t sweep_id, const pu__stress_cell *cell,
                         const pu__stress_figures *figures, const pu__stress_fan *fan) {
    bool began = false;
    PU_TRY(pu__sql_enter(store, &began));
    pu_status status = write_cell(store, sweep_id, cell, figures);
    if (status == PU_OK) status = pu__checksum_extend(store, PU__PART_CELLS, sweep_id, cell->number);
    if (status == PU_OK && fan) status = write_fan(store, sweep_id, cell->number, fan);
    if (status == PU_OK && fan) status = pu__checksum_extend(store, PU__PART_FANS, sweep_id, cell->number);
    return pu__sql_leave(store, began, status);
}

pu_status pu__stress_get(pu_store *store, int64_t sweep_id, int64_t cells, bool *known,
                         pu__stress_figures *figures) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(store,
                           "SELECT cell, worst_path" PU__STRESS_FIGURES(COLUMN_NAME) " FROM stress_cells "
                                                                                     "WHERE sweep_id = ?1",
                           &query));
    pu_status status = sqlite3_bind_int64(query, 1, sweep_id) == SQLITE_OK ? PU_OK : bind_failure(store);
    memset(known, 0, (size_t)cells * sizeof *known);
    for (bool row = true; status == PU_OK;) {
        status = pu__sql_step(store, query, &row, "read stress cells of");
        if (status != PU_OK || !row) break;
        const int64_t cell = sqlite3_column_int64(query, 0);
        if (cell >= cells) {
            status = pu_fail(PU_ERR_CORRUPT, "%s: stress cell %lld of %lld: restore a copy", pu_store_path(store),
                             (long long)cell, (long long)cells);
            break;
        }
        known[cell] = true;
        figures[cell].worst_path = sqlite3_column_int64(query, 1);
        int column = 1;
#define READ(name) figures[cell].name = sqlite3_column_double(query, ++column);
        PU__STRESS_FIGURES(READ)
#undef READ
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status read_fan(pu_store *store, sqlite3_stmt *query, pu__stress_fan *fan) {
    bool row = false;
    PU_TRY(pu__sql_step(store, query, &row, "read a fan of"));
    if (!row) return pu_fail(PU_ERR_NOT_FOUND, "the cell has no fan");
    const size_t bytes = PU__FAN_QUANTILES * (size_t)fan->bars * sizeof *fan->value;
    const void *value = sqlite3_column_blob(query, 1);
    if ((size_t)sqlite3_column_bytes(query, 1) != bytes)
        return pu_fail(PU_ERR_CORRUPT, "%s: a fan of %d bytes, %zu are needed: restore a copy",
                       pu_store_path(store), sqlite3_column_bytes(query, 1), bytes);
    memcpy(fan->value, value, bytes);
    fan->paths = sqlite3_column_int64(query, 0);
    return PU_OK;
}

pu_status pu__stress_get_fan(pu_store *store, int64_t sweep_id, int64_t cell, pu__stress_fan *fan) {
    sqlite3_stmt *query = NULL;
    PU_TRY(
        pu__sql_prepare(store, "SELECT paths, value FROM stress_fans WHERE sweep_id = ?1 AND cell = ?2", &query));
    const int code = sqlite3_bind_int64(query, 1, sweep_id) | sqlite3_bind_int64(query, 2, cell);
    const pu_status status = code == SQLITE_OK ? read_fan(store, query, fan) : bind_failure(store);
    sqlite3_finalize(query);
    return status;
}
