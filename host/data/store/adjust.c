/* Back adjustment. Every ex time has the products of all factors from it on, so that a bar needs the first step that
 * is not before it. A split that the source has applied and that is known cancels exactly: the ratio of equal
 * products is 1. */
#include "host/data/store/adjust.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/store/cursor.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"

/* What one ex time does to the bars at or before it. */
typedef struct ex_step {
    int64_t ex_ts;
    double source;   /* splits the stored prices are adjusted for, from here on: raw = stored * source */
    double known;    /* splits known, from here on: adjusted = raw / known */
    double dividend; /* product of 1 - D / C over the known dividends from here on */
} ex_step;

typedef struct view_rules {
    pu_price_view view;
    int64_t known_ts; /* bars after it are not to be shown */
    int64_t count;
    ex_step *steps;       /* by ex time; owned */
    bool delivered;       /* no dividend is stored: the delivered adjusted close says what they were */
    bool delivered_raw;   /* and its ratio to the stored close holds the splits too */
    double delivered_end; /* that ratio at the last bar known; 1 with PU_KNOWN_ALL */
    char symbol[64];
} view_rules;

/* Close and adjusted close of the last bar at or before ts; *found is false when there is none. */
static pu_status last_close(pu_store *store, int64_t asset_id, int64_t ts, bool *found, double *close,
                            double *adjusted) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        store, "SELECT close, adjusted FROM series WHERE asset_id = ?1 AND ts <= ?2 ORDER BY ts DESC LIMIT 1",
        &query));
    pu_status status =
        sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK && sqlite3_bind_int64(query, 2, ts) == SQLITE_OK
            ? PU_OK
            : pu__store_failure(store, "read bars from");
    *found = false;
    if (status == PU_OK) status = pu__sql_step(store, query, found, "read bars from");
    *close = *found ? sqlite3_column_double(query, 0) : 0;
    *adjusted = *found ? sqlite3_column_double(query, 1) : 0;
    sqlite3_finalize(query);
    return status;
}

typedef struct job {
    pu_store *store;
    int64_t asset_id, last_ts, known_end_ts;
    char symbol[64];
    pu_price_basis basis;
    int64_t count;
    pu_action *actions;
} job;

static pu_status read_asset(job *j) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    PU_TRY(pu__sql_prepare(j->store, "SELECT last_ts, symbol FROM assets WHERE asset_id = ?1", &query));
    pu_status status = sqlite3_bind_int64(query, 1, j->asset_id) == SQLITE_OK
                           ? pu__sql_step(j->store, query, &row, "read")
                           : pu__store_failure(j->store, "read");
    j->last_ts = row ? sqlite3_column_int64(query, 0) : 0;
    const char *symbol = row ? (const char *)sqlite3_column_text(query, 1) : NULL;
    snprintf(j->symbol, sizeof j->symbol, "%s", symbol ? symbol : "?");
    sqlite3_finalize(query);
    return status;
}

/* 1 - D / C of a dividend, D in the shares of its day. `later`: the product of splits after that day, which the
 * source knew; `same_day`: of those on it. */
static pu_status dividend_factor(const job *j, const pu_action *action, double later, double same_day,
                                 double *factor) {
    bool found = false;
    double close = 0, adjusted = 0;
    *factor = 1;
    PU_TRY(last_close(j->store, j->asset_id, action->ex_ts, &found, &close, &adjusted));
    if (!found) return PU_OK; /* it fell before the history */
    const double paid = action->basis == PU_BASIS_RAW ? action->value : action->value * later;
    /* Stored prices that are adjusted for splits are in the last shares: C there is C in the day's over `later`. */
    const double before = j->basis == PU_BASIS_RAW ? close / same_day : close * later;
    if (paid < before) {
        *factor = 1 - paid / before;
        return PU_OK;
    }
    char when[32];
    pu_time_format(action->ex_ts, false, when);
    return pu_fail(PU_ERR_DATA,
                   "%s: the dividend of %.6g on %s is not below the close before it, %.6g: correct the "
                   "corporate action, or the price basis (`plusultra assets set --price-basis`)",
                   j->symbol, paid, when, before);
}

/* From the last ex time to the first. */
static pu_status fill_steps(const job *j, int64_t known_ts, view_rules *out) {
    double source = 1, all = 1, known = 1, dividend = 1;
    for (int64_t i = j->count; i > 0;) {
        const int64_t ex_ts = j->actions[i - 1].ex_ts;
        int64_t first = i - 1;
        while (first > 0 && j->actions[first - 1].ex_ts == ex_ts) --first;
        const double later = all;
        double same_day = 1;
        for (int64_t k = first; k < i; ++k) { /* splits come first */
            const pu_action *action = &j->actions[k];
            const bool is_known = action->published_ts <= known_ts && ex_ts < j->known_end_ts;
            const bool applied = ex_ts < j->last_ts;
            if (action->kind == PU_ACTION_SPLIT) {
                if (applied) same_day *= action->value;
                if (applied && j->basis == PU_BASIS_SPLIT_ADJUSTED) source *= action->value;
                if (is_known) known *= action->value;
            } else if (is_known) {
                double factor = 1;
                PU_TRY(dividend_factor(j, action, later, same_day, &factor));
                dividend *= factor;
            }
        }
        all *= same_day;
        out->steps[out->count++] = (ex_step){ex_ts, source, known, dividend};
        i = first;
    }
    for (int64_t i = 0; i < out->count / 2; ++i) {
        const ex_step step = out->steps[i];
        out->steps[i] = out->steps[out->count - 1 - i];
        out->steps[out->count - 1 - i] = step;
    }
    return PU_OK;
}

static pu_status open_steps(job *j, view_rules *out) {
    PU_TRY(pu_store_get_price_basis(j->store, j->asset_id, &j->basis));
    PU_TRY(read_asset(j));
    memcpy(out->symbol, j->symbol, sizeof out->symbol);
    PU_TRY(pu_store_get_actions(j->store, j->asset_id, &j->count, &j->actions));
    j->known_end_ts = out->known_ts < j->last_ts ? out->known_ts : j->last_ts;
    out->steps = pu_calloc((size_t)j->count, sizeof *out->steps);
    if (!out->steps) return PU_ERR_MEMORY;
    out->delivered = true;
    for (int64_t i = 0; i < j->count; ++i) out->delivered &= j->actions[i].kind == PU_ACTION_SPLIT;
    out->delivered_raw = j->basis == PU_BASIS_RAW;
    PU_TRY(fill_steps(j, out->known_ts, out));
    out->delivered_end = 1;
    if (!out->delivered || out->known_ts == PU_KNOWN_ALL) return PU_OK;
    bool found = false;
    double close = 0, adjusted = 0;
    PU_TRY(last_close(j->store, j->asset_id, j->known_end_ts, &found, &close, &adjusted));
    if (found) out->delivered_end = adjusted / close;
    return PU_OK;
}

static void adjuster_close(view_rules *adjuster) {
    pu_free(adjuster->steps);
    *adjuster = (view_rules){0};
}

/* Reads the asset's actions and the closes before them; holds nothing of the store afterwards. */
static pu_status adjuster_open(pu_store *store, int64_t asset_id, pu_price_view view, int64_t known_ts,
                               view_rules *out) {
    job j = {.store = store, .asset_id = asset_id};
    *out = (view_rules){.view = view, .known_ts = known_ts};
    const pu_status status = open_steps(&j, out);
    pu_free(j.actions);
    if (status != PU_OK) adjuster_close(out);
    return status;
}

/* The first step whose ex time is not before ts; what comes after the last one is as it is. */
static ex_step step_at(const view_rules *adjuster, int64_t ts) {
    int64_t low = 0, high = adjuster->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (adjuster->steps[middle].ex_ts < ts) low = middle + 1;
        else high = middle;
    }
    return low < adjuster->count ? adjuster->steps[low] : (ex_step){ts, 1, 1, 1};
}

/* A delivered adjusted close of raw prices that only repeats the close holds no splits: ours go in. */
static double total_return(const view_rules *adjuster, const ex_step *step, const pu__bar *stored) {
    const double splits = step->source / step->known;
    if (!adjuster->delivered) return stored->close * splits * step->dividend;
    if (adjuster->delivered_raw && stored->adjusted != stored->close)
        return stored->adjusted / adjuster->delivered_end;
    return stored->adjusted * splits / adjuster->delivered_end;
}

/* The stored bar in the view's prices and shares. */
static pu__bar adjusted_bar(const view_rules *adjuster, const pu__bar *stored) {
    if (adjuster->view == PU_PRICES_STORED) return *stored;
    const ex_step step = step_at(adjuster, stored->ts);
    const double adjusted = total_return(adjuster, &step, stored);
    const double shares = adjuster->view == PU_PRICES_RAW ? step.source : step.source / step.known;
    const double price = adjuster->view == PU_PRICES_TOTAL_RETURN ? adjusted / stored->close : shares;
    return (pu__bar){.ts = stored->ts,
                     .open = stored->open * price,
                     .high = stored->high * price,
                     .low = stored->low * price,
                     .close = adjuster->view == PU_PRICES_TOTAL_RETURN ? adjusted : stored->close * price,
                     .adjusted = adjusted,
                     .volume = stored->volume / shares};
}

static pu__bar bar_at(const pu_bars *bars, int64_t i) {
    return (pu__bar){bars->ts[i],    bars->open[i],     bars->high[i],  bars->low[i],
                     bars->close[i], bars->adjusted[i], bars->volume[i]};
}

static pu_status out_of_range(const view_rules *adjuster, int64_t ts) {
    char when[32];
    pu_time_format(ts, true, when);
    return pu_fail(PU_ERR_DATA,
                   "%s: its corporate actions take the bar at %s out of the range of numbers: correct them",
                   adjuster->symbol, when);
}

pu_status pu_store_bars_view(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts, pu_price_view view,
                             int64_t known_ts, pu_bars *out) {
    *out = (pu_bars){0};
    view_rules adjuster;
    const bool alone = sqlite3_get_autocommit(pu_store_sqlite(store)) != 0;
    if (alone) PU_TRY(pu__sql_exec(store, "BEGIN", "read")); /* bars and actions of one moment */
    pu_status status = adjuster_open(store, asset_id, view, known_ts, &adjuster);
    if (status == PU_OK) {
        const int64_t end_ts = known_ts < INT64_MAX && known_ts + 1 < to_ts ? known_ts + 1 : to_ts;
        status = pu_store_bars(store, asset_id, from_ts, end_ts, out);
        for (int64_t i = 0; status == PU_OK && i < out->count; ++i) {
            const pu__bar stored = bar_at(out, i), bar = adjusted_bar(&adjuster, &stored);
            out->open[i] = bar.open, out->high[i] = bar.high, out->low[i] = bar.low, out->close[i] = bar.close;
            out->adjusted[i] = bar.adjusted, out->volume[i] = bar.volume;
            if (!pu__bar_valid(&bar)) status = out_of_range(&adjuster, bar.ts);
        }
        if (status != PU_OK) pu_bars_free(out);
        adjuster_close(&adjuster);
    }
    if (alone) pu_store_rollback(store);
    return status;
}

enum { ADJUST_BARS = 4096 };

/* The next bars after *after_ts with their adjusted close made anew. */
static pu_status adjust_chunk(pu_store *store, const view_rules *adjuster, pu__bar_writer *writer, pu__bar *bars,
                              int64_t *after_ts, int64_t *count, int64_t *changed) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(store, writer->asset_id, *after_ts, INT64_MAX, ADJUST_BARS, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    *count = 0;
    for (int64_t i = 0; status == PU_OK && i < chunk->count; ++i) {
        const pu__bar stored = bar_at(chunk, i);
        const double adjusted = adjusted_bar(adjuster, &stored).adjusted;
        *after_ts = stored.ts + 1;
        bars[i] = stored;
        bars[i].adjusted = adjusted;
        *changed += adjusted != stored.adjusted;
        *count = i + 1;
        if (!pu__bar_valid(&bars[i])) status = out_of_range(adjuster, stored.ts);
    }
    pu__bar_cursor_close(&cursor);
    return status == PU_OK && *count > 0 ? pu__bars_put(writer, bars, *count, true, NULL) : status;
}

static pu_status adjust_all(pu_store *store, int64_t asset_id, int64_t *changed) {
    view_rules adjuster;
    pu__bar_writer writer;
    pu__bar *bars = pu_calloc(ADJUST_BARS, sizeof *bars);
    if (!bars) return PU_ERR_MEMORY;
    int64_t after_ts = INT64_MIN, count = 1;
    pu_status status = adjuster_open(store, asset_id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, &adjuster);
    if (status == PU_OK) {
        /* Without a dividend, what was delivered for split-adjusted prices stays; raw ones get their splits. */
        if (adjuster.delivered && !adjuster.delivered_raw) count = 0;
        adjuster.delivered = false;
        status = pu__bar_writer_open(store, asset_id, &writer);
        if (status == PU_OK) {
            while (status == PU_OK && count > 0)
                status = adjust_chunk(store, &adjuster, &writer, bars, &after_ts, &count, changed);
            status = pu__bar_writer_close(&writer, status);
        }
        adjuster_close(&adjuster);
    }
    pu_free(bars);
    return status;
}

pu_status pu_store_adjust(pu_store *store, int64_t asset_id, int64_t *changed) {
    bool began = false;
    int64_t moved = 0;
    PU_TRY(pu__sql_enter(store, &began));
    const pu_status status = pu__sql_leave(store, began, adjust_all(store, asset_id, &moved));
    if (changed) *changed = moved;
    return status;
}

static void compare_chunk(const view_rules *adjuster, const pu_bars *chunk, double scale,
                          pu__adjust_difference *out) {
    for (int64_t i = 0; i < chunk->count; ++i) {
        const pu__bar stored = bar_at(chunk, i);
        const double ratio = fabs(stored.adjusted * scale / adjusted_bar(adjuster, &stored).adjusted - 1);
        out->delivered |= stored.adjusted != stored.close;
        if (ratio <= out->ratio) continue;
        out->ratio = ratio;
        out->ts = stored.ts;
    }
}

static pu_status compare_all(pu_store *store, int64_t asset_id, const view_rules *adjuster,
                             pu__adjust_difference *out) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    bool found = false;
    double close = 0, adjusted = 0;
    PU_TRY(last_close(store, asset_id, INT64_MAX, &found, &close, &adjusted));
    if (!found) return PU_OK;
    PU_TRY(pu__bar_cursor_open(store, asset_id, INT64_MIN, INT64_MAX, ADJUST_BARS, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0) {
        compare_chunk(adjuster, chunk, close / adjusted, out);
        status = pu__bar_cursor_next(&cursor, &chunk);
    }
    pu__bar_cursor_close(&cursor);
    return status;
}

pu_status pu__adjust_check(pu_store *store, int64_t asset_id) {
    view_rules adjuster;
    PU_TRY(adjuster_open(store, asset_id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, &adjuster));
    adjuster_close(&adjuster);
    return PU_OK;
}

pu_status pu__adjust_compare(pu_store *store, int64_t asset_id, pu__adjust_difference *out) {
    view_rules adjuster;
    *out = (pu__adjust_difference){0};
    PU_TRY(adjuster_open(store, asset_id, PU_PRICES_TOTAL_RETURN, PU_KNOWN_ALL, &adjuster));
    const pu_status status = adjuster.delivered ? PU_OK : compare_all(store, asset_id, &adjuster, out);
    adjuster_close(&adjuster);
    return status;
}
