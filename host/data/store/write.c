#include "host/data/store/write.h"

#include <math.h>
#include <string.h>

#include "host/data/store/bulk.h"
#include "host/data/store/checksum.h"
#include "host/data/store/sql.h"

enum { RUN_BARS = 512 };

uint64_t pu__hash_mix(uint64_t value) {
    /* The finalizer of SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators",
     * with Stafford's constants. */
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t bits_of(double value) {
    uint64_t bits = 0;
    if (isnan(value)) return UINT64_MAX; /* every missing volume is the same */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t pu__bar_hash(const pu__bar *bar) {
    uint64_t hash = pu__hash_mix((uint64_t)bar->ts + 0x9e3779b97f4a7c15u);
    hash = pu__hash_mix(hash ^ bits_of(bar->open));
    hash = pu__hash_mix(hash ^ bits_of(bar->high));
    hash = pu__hash_mix(hash ^ bits_of(bar->low));
    hash = pu__hash_mix(hash ^ bits_of(bar->close));
    hash = pu__hash_mix(hash ^ bits_of(bar->adjusted));
    return pu__hash_mix(hash ^ bits_of(bar->volume));
}

bool pu__bar_valid(const pu__bar *bar) {
    static const double largest = 1e300, below = 1 - PU__BAR_TOLERANCE, above = 1 + PU__BAR_TOLERANCE;
    const bool prices = bar->low > 0 && bar->low <= bar->high && bar->high <= largest &&
                        bar->open >= bar->low * below && bar->open <= bar->high * above &&
                        bar->close >= bar->low * below && bar->close <= bar->high * above;
    const bool volume = isnan(bar->volume) || (bar->volume >= 0 && bar->volume <= largest);
    return prices && volume && bar->adjusted > 0 && bar->adjusted <= largest;
}

pu_status pu__asset_name_check(const char *symbol) {
    const size_t length = symbol ? strlen(symbol) : 0;
    if (length < 1 || length > 63) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "the symbol '%.80s' has %zu bytes, 1 to 63 are accepted: name it with --symbol",
                       symbol ? symbol : "", length);
    }
    for (size_t i = 0; i < length; ++i) {
        const unsigned char c = (unsigned char)symbol[i];
        if (c <= ' ' || c > '~' || c == '@' || c == ',' || c == '"') {
            return pu_fail(PU_ERR_ARGUMENT,
                           "the symbol '%s' has more than printable ASCII without comma, quotation mark and '@': "
                           "name it with "
                           "--symbol",
                           symbol);
        }
    }
    return PU_OK;
}

pu_status pu__asset_find(pu_store *store, const char *symbol, int64_t bar_s, int64_t *asset_id) {
    sqlite3_stmt *query = NULL;
    *asset_id = 0;
    PU_TRY(pu__sql_prepare(store, "SELECT asset_id FROM assets WHERE symbol = ?1 AND bar_s = ?2", &query));
    bool row = false;
    pu_status status = PU_OK;
    if (sqlite3_bind_text(query, 1, symbol, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(query, 2, bar_s) != SQLITE_OK) {
        status = pu__store_failure(store, "look up an asset in");
    }
    if (status == PU_OK) status = pu__sql_step(store, query, &row, "look up an asset in");
    if (row) *asset_id = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return status;
}

pu_status pu__asset_make(pu_store *store, const char *symbol, const char *asset_class, int64_t bar_s,
                         const char *currency, double periods_per_year, int64_t *asset_id) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(pu__asset_name_check(symbol));
    PU_TRY(pu__sql_prepare(
        store,
        "INSERT INTO assets (symbol, asset_class, bar_s, currency, periods_per_year) VALUES (?1, ?2, ?3, ?4, ?5)",
        &insert));
    pu_status status = PU_OK;
    if (sqlite3_bind_text(insert, 1, symbol, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(insert, 2, asset_class, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(insert, 3, bar_s) != SQLITE_OK ||
        sqlite3_bind_text(insert, 4, currency, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_double(insert, 5, periods_per_year) != SQLITE_OK) {
        status = pu__store_failure(store, "add an asset to");
    }
    if (status == PU_OK) status = pu__sql_run(store, insert, "add an asset to");
    sqlite3_finalize(insert);
    PU_TRY(status);
    *asset_id = sqlite3_last_insert_rowid(pu_store_sqlite(store));
    return pu__checksum_seal(store, PU__PART_ASSET, *asset_id);
}

static pu_status load_summary(pu__bar_writer *writer) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(writer->store,
                           "SELECT bars, first_ts, last_ts, checksum FROM assets WHERE asset_id = ?1", &query));
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, writer->asset_id) == SQLITE_OK
                           ? PU_OK
                           : pu__store_failure(writer->store, "read");
    if (status == PU_OK) status = pu__sql_step(writer->store, query, &row, "read");
    if (status == PU_OK && !row) status = pu_fail(PU_ERR_NOT_FOUND, "no asset %lld", (long long)writer->asset_id);
    if (row) {
        writer->bars = sqlite3_column_int64(query, 0);
        writer->first_ts = sqlite3_column_int64(query, 1);
        writer->last_ts = sqlite3_column_int64(query, 2);
        writer->checksum = (uint64_t)sqlite3_column_int64(query, 3);
    }
    sqlite3_finalize(query);
    return status;
}

/* While a writer is open its connection leaves range checks and references to it: they are half of the time of
 * an insertion, and pu__bar_valid and the asset's row, read in the same transaction, say the same. Statements
 * are compiled anew when the switches move, so they stay as they are until the writer is closed. For every
 * other connection and program the schema's own checks are in force. */
static pu_status enforce_schema(pu_store *store, bool on) {
    int now = -1;
    if (sqlite3_db_config(pu_store_sqlite(store), SQLITE_DBCONFIG_ENABLE_FKEY, on, &now) != SQLITE_OK ||
        now != on) {
        return pu__store_failure(store, "switch the checks of");
    }
    return pu__sql_exec(store,
                        on ? "PRAGMA ignore_check_constraints = OFF" : "PRAGMA ignore_check_constraints = ON",
                        "switch the checks of");
}

static pu_status prepare_bar_statements(pu__bar_writer *writer) {
    PU_TRY(pu__sql_prepare(writer->store,
                           "INSERT INTO series (asset_id, ts, open, high, low, close, adjusted, volume) "
                           "SELECT ?1, ts, open, high, low, close, adjusted, volume FROM pu_bars_in",
                           &writer->insert));
    PU_TRY(pu__sql_prepare(writer->store,
                           "SELECT open, high, low, close, adjusted, volume, ts FROM series WHERE asset_id = ?1 "
                           "AND ts BETWEEN ?2 AND ?3 "
                           "ORDER BY ts",
                           &writer->select));
    return pu__sql_prepare(
        writer->store,
        "UPDATE series SET open = ?3, high = ?4, low = ?5, close = ?6, adjusted = ?7, volume = ?8 "
        "WHERE asset_id = ?1 AND ts = ?2",
        &writer->update);
}

static pu_status prepare_writer(pu__bar_writer *writer) {
    PU_TRY(load_summary(writer));
    PU_TRY(pu__bulk_register(writer->store, &writer->rows));
    PU_TRY(enforce_schema(writer->store, false));
    PU_TRY(prepare_bar_statements(writer));
    if (sqlite3_bind_int64(writer->insert, 1, writer->asset_id) == SQLITE_OK) return PU_OK;
    return pu__store_failure(writer->store, "write bars to");
}

/* Releases what a writer holds; the first failure is kept. */
static pu_status release(pu__bar_writer *writer, pu_status status) {
    sqlite3_finalize(writer->insert);
    sqlite3_finalize(writer->select);
    sqlite3_finalize(writer->update);
    writer->insert = writer->select = writer->update = NULL;
    const pu_status enforced = enforce_schema(writer->store, true);
    return status != PU_OK ? status : enforced;
}

pu_status pu__bar_writer_open(pu_store *store, int64_t asset_id, pu__bar_writer *writer) {
    *writer = (pu__bar_writer){.store = store, .asset_id = asset_id};
    const pu_status status = prepare_writer(writer);
    return status == PU_OK ? PU_OK : release(writer, status);
}

static pu_status next_stored(pu__bar_writer *writer, bool *found, pu__bar *stored) {
    enum { TS = 6 };
    PU_TRY(pu__sql_step(writer->store, writer->select, found, "read"));
    if (!*found) return PU_OK;
    double *const field[] = {&stored->open,  &stored->high,     &stored->low,
                             &stored->close, &stored->adjusted, &stored->volume};
    stored->ts = sqlite3_column_int64(writer->select, TS);
    for (int i = 0; i < 6; ++i) {
        const bool missing = sqlite3_column_type(writer->select, i) == SQLITE_NULL;
        *field[i] = missing ? NAN : sqlite3_column_double(writer->select, i);
    }
    return PU_OK;
}

/* Bars whose times are not stored. */
static pu_status add_bars(pu__bar_writer *writer, const pu__bar *bars, int64_t count) {
    writer->rows = (pu__bulk_rows){bars, count};
    PU_TRY(pu__sql_run(writer->store, writer->insert, "write bars to"));
    for (int64_t i = 0; i < count; ++i) {
        const bool first = writer->bars == 0 && i == 0;
        if (first || bars[i].ts < writer->first_ts) writer->first_ts = bars[i].ts;
        if (first || bars[i].ts > writer->last_ts) writer->last_ts = bars[i].ts;
        writer->checksum += pu__bar_hash(&bars[i]);
    }
    writer->bars += count;
    writer->changed = true;
    return PU_OK;
}

static pu_status replace_bar(pu__bar_writer *writer, const pu__bar *bar) {
    const double value[] = {bar->open, bar->high, bar->low, bar->close, bar->adjusted, bar->volume};
    int code =
        sqlite3_bind_int64(writer->update, 1, writer->asset_id) | sqlite3_bind_int64(writer->update, 2, bar->ts);
    for (int i = 0; i < 6; ++i)
        code |= sqlite3_bind_double(writer->update, 3 + i, value[i]); /* NaN binds as NULL */
    return code == SQLITE_OK ? pu__sql_run(writer->store, writer->update, "write bars to")
                             : pu__store_failure(writer->store, "write bars to");
}

/* Bars in order of time, some of which may be stored already, and what is to become of them. */
typedef struct bar_run {
    const pu__bar *bars;
    int64_t count;
    pu__bar_outcome outcome[RUN_BARS];
    uint64_t before[RUN_BARS]; /* hash of the stored bar, where there is one */
} bar_run;

/* Rounding and the noise of a source's own arithmetic stay below; a dividend of one part in ten thousand does not. */
static bool readjusted(const pu__bar *stored, const pu__bar *bar) {
    return stored->close == bar->close && fabs(bar->adjusted / stored->adjusted - 1) > 2e-5;
}

/* Walks over the run and what is stored between its ends, side by side: one query, and not one for each bar. */
static pu_status compare_run(pu__bar_writer *writer, bool replace, bar_run *run) {
    bool found = true;
    int64_t k = 0;
    pu_status status = PU_OK;
    if (sqlite3_bind_int64(writer->select, 1, writer->asset_id) != SQLITE_OK ||
        sqlite3_bind_int64(writer->select, 2, run->bars[0].ts) != SQLITE_OK ||
        sqlite3_bind_int64(writer->select, 3, run->bars[run->count - 1].ts) != SQLITE_OK) {
        return pu__store_failure(writer->store, "read");
    }
    while (status == PU_OK && found) {
        pu__bar stored = {0};
        status = next_stored(writer, &found, &stored);
        if (status != PU_OK || !found) break;
        while (k < run->count && run->bars[k].ts < stored.ts) run->outcome[k++] = PU__BAR_ADDED;
        if (k == run->count || run->bars[k].ts != stored.ts) continue;
        run->before[k] = pu__bar_hash(&stored);
        writer->readjusted += readjusted(&stored, &run->bars[k]);
        run->outcome[k] = run->before[k] == pu__bar_hash(&run->bars[k]) ? PU__BAR_UNCHANGED
                          : replace                                     ? PU__BAR_REPLACED
                                                                        : PU__BAR_DIFFERS;
        ++k;
    }
    while (k < run->count) run->outcome[k++] = PU__BAR_ADDED;
    sqlite3_reset(writer->select);
    return status;
}

static pu_status apply_run(pu__bar_writer *writer, const bar_run *run) {
    for (int64_t k = 0; k < run->count;) {
        int64_t end = k;
        while (end < run->count && run->outcome[end] == PU__BAR_ADDED) ++end;
        if (end > k) PU_TRY(add_bars(writer, run->bars + k, end - k));
        if (end == k && run->outcome[k] == PU__BAR_REPLACED) {
            PU_TRY(replace_bar(writer, &run->bars[k]));
            writer->checksum += pu__bar_hash(&run->bars[k]) - run->before[k];
            writer->changed = true;
        }
        k = end > k ? end : k + 1;
    }
    return PU_OK;
}

static pu_status check_bars(const pu__bar_writer *writer, const pu__bar *bars, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        if (pu__bar_valid(&bars[i])) continue;
        return pu_fail(PU_ERR_DATA,
                       "asset %lld, bar at %lld: prices are not positive, finite and within low and high",
                       (long long)writer->asset_id, (long long)bars[i].ts);
    }
    return PU_OK;
}

pu_status pu__bars_put(pu__bar_writer *writer, const pu__bar *bars, int64_t count, bool replace,
                       pu__bar_outcome *outcome) {
    PU_TRY(check_bars(writer, bars, count));
    for (int64_t i = 0; i < count;) {
        int64_t end = i;
        int64_t last_ts = writer->bars > 0 ? writer->last_ts : INT64_MIN;
        while (end < count && bars[end].ts > last_ts) last_ts = bars[end++].ts;
        if (end > i) {
            PU_TRY(add_bars(writer, bars + i, end - i));
            for (int64_t k = i; outcome && k < end; ++k) outcome[k] = PU__BAR_ADDED;
            i = end;
            continue;
        }
        bar_run run = {.bars = bars + i};
        do ++run.count;
        while (run.count < RUN_BARS && i + run.count < count && bars[i + run.count].ts <= writer->last_ts &&
               bars[i + run.count].ts > bars[i + run.count - 1].ts);
        PU_TRY(compare_run(writer, replace, &run));
        PU_TRY(apply_run(writer, &run));
        for (int64_t k = 0; outcome && k < run.count; ++k) outcome[i + k] = run.outcome[k];
        i += run.count;
    }
    return PU_OK;
}

static pu_status store_summary(pu__bar_writer *writer) {
    sqlite3_stmt *update = NULL;
    PU_TRY(pu__sql_prepare(
        writer->store,
        "UPDATE assets SET bars = ?2, first_ts = ?3, last_ts = ?4, checksum = ?5 WHERE asset_id = ?1", &update));
    const int64_t value[] = {writer->asset_id, writer->bars, writer->first_ts, writer->last_ts,
                             (int64_t)writer->checksum};
    int code = SQLITE_OK;
    for (int i = 0; i < 5; ++i) code |= sqlite3_bind_int64(update, 1 + i, value[i]);
    const pu_status status = code == SQLITE_OK ? pu__sql_run(writer->store, update, "write to")
                                               : pu__store_failure(writer->store, "write to");
    sqlite3_finalize(update);
    return status;
}

pu_status pu__bar_writer_turn(pu__bar_writer *writer, int64_t asset_id) {
    if (asset_id == writer->asset_id) return PU_OK;
    if (writer->changed) PU_TRY(store_summary(writer));
    writer->changed = false;
    writer->asset_id = asset_id;
    PU_TRY(load_summary(writer));
    return sqlite3_bind_int64(writer->insert, 1, asset_id) == SQLITE_OK
               ? PU_OK
               : pu__store_failure(writer->store, "write bars to");
}

pu_status pu__bar_writer_close(pu__bar_writer *writer, pu_status status) {
    if (status == PU_OK && writer->changed) status = store_summary(writer);
    return release(writer, status);
}
