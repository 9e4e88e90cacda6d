#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/data/import/database_state.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"

__attribute__((format(printf, 2, 3))) static bool refuse(char *reason, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PU_IMPORT_REASON_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static pu__text text_of(sqlite3_value *value) {
    const char *data = (const char *)sqlite3_value_text(value);
    return (pu__text){data ? data : "", data ? (size_t)sqlite3_value_bytes(value) : 0};
}

/* An epoch by its magnitude, as in a text file, or in the mapping's unit. */
static bool time_of_integer(const pu__mapping *mapping, int64_t value, pu__moment *out) {
    char digits[32];
    static const int64_t first = 100000000,
                         last = 99999999999; /* 9 to 11 digits are seconds, 3 more milliseconds */
    if (mapping && mapping->units_per_s > 0) return !pu__mapping_epoch(mapping, value, out);
    if (value < 0 && value > -100000000000) { /* before 1970 only seconds are told from other units */
        *out = (pu__moment){value, false};
        return true;
    }
    if (value >= first && value <= 1000000 * last) {
        const int64_t unit = value <= last ? 1 : value <= 1000 * last + 999 ? 1000 : 1000000;
        *out = (pu__moment){value / unit, false};
        return true;
    }
    const int bytes = snprintf(digits, sizeof digits, "%lld", (long long)value);
    return pu__parse_moment((pu__text){digits, (size_t)bytes}, out);
}

static bool time_of_text(const pu__mapping *mapping, sqlite3_value *date, sqlite3_value *clock, pu__moment *out) {
    const pu__text day = pu__trim(text_of(date));
    const pu__text rest = clock ? pu__trim(text_of(clock)) : (pu__text){NULL, 0};
    if (mapping && pu__mapping_has_time(mapping)) return !pu__mapping_time(mapping, day, rest, out);
    if (!pu__parse_moment(day, out)) return false;
    int64_t seconds = 0;
    if (!clock) return true;
    if (!out->date_only || !pu__parse_clock(rest, &seconds)) return false;
    *out = (pu__moment){out->ts + seconds, false};
    return true;
}

/* As pu_import_time gives it; INT64_MIN where that gives NULL. `clock` may be null. */
static int64_t time_of(const pu__mapping *mapping, sqlite3_value *date, sqlite3_value *clock) {
    pu__moment moment = {0};
    bool good = false;
    const int type = sqlite3_value_type(date);
    if (type == SQLITE_TEXT) {
        good = time_of_text(mapping, date, clock, &moment);
    } else if (type == SQLITE_INTEGER && !clock) {
        good = time_of_integer(mapping, sqlite3_value_int64(date), &moment);
    } else if (type == SQLITE_FLOAT && !clock) {
        const double seconds = floor(sqlite3_value_double(date)); /* fractions of a second are dropped */
        good = fabs(seconds) < 9e18 && time_of_integer(mapping, (int64_t)seconds, &moment);
    }
    good = good && moment.ts > INT64_MIN / 4 && moment.ts < INT64_MAX / 4;
    return good ? 2 * moment.ts + moment.date_only : INT64_MIN;
}

static void import_time(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const int64_t time = time_of(sqlite3_user_data(context), argv[0], argc > 1 ? argv[1] : NULL);
    if (time == INT64_MIN) sqlite3_result_null(context);
    else sqlite3_result_int64(context, time);
}

/* A query without ORDER BY against what ORDER BY symbol COLLATE BINARY, time would give; NULL is least. */
pu_status pu__database_in_order(const pu__database *table, sqlite3_stmt *query, bool *in_order) {
    char before[64] = "";
    size_t before_bytes = 0;
    int64_t time_before = INT64_MIN;
    int code = SQLITE_ROW;
    *in_order = false;
    const bool has_clock = sqlite3_column_count(query) > 2;
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
        sqlite3_value *symbol = sqlite3_column_value(query, 0);
        if (sqlite3_value_type(symbol) != SQLITE_TEXT) return PU_OK;
        const pu__text name = text_of(symbol);
        const int64_t time = time_of(table->mapping, sqlite3_column_value(query, 1),
                                     has_clock ? sqlite3_column_value(query, 2) : NULL);
        if (name.bytes >= sizeof before) return PU_OK;
        const size_t least = name.bytes < before_bytes ? name.bytes : before_bytes;
        const int first = memcmp(before, name.data, least);
        const bool same = first == 0 && name.bytes == before_bytes;
        if (first > 0 || (first == 0 && name.bytes < before_bytes) || (same && time < time_before)) return PU_OK;
        if (!same) memcpy(before, name.data, name.bytes);
        before_bytes = name.bytes;
        time_before = time;
    }
    if (code != SQLITE_DONE) return pu__sql_failure(table->db, table->path, "read");
    *in_order = true;
    return PU_OK;
}

pu_status pu__database_register_time(pu__database *table) {
    void *mapping = (void *)(uintptr_t)table->mapping;
    for (int arguments = 1; arguments <= 2; ++arguments) {
        const int code = sqlite3_create_function_v2(table->db, "pu_import_time", arguments,
                                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                                    mapping, import_time, NULL, NULL, NULL);
        if (code != SQLITE_OK) return pu__sql_failure(table->db, table->path, "prepare to read");
    }
    return PU_OK;
}

static bool read_number(const pu__database *table, int column, const char *name, double *out, bool *missing,
                        char *reason) {
    const pu__mapping *mapping = table->mapping;
    sqlite3_value *value = sqlite3_column_value(table->query, column);
    const int type = sqlite3_value_type(value);
    *missing = type == SQLITE_NULL;
    *out = NAN;
    if (type == SQLITE_NULL) return true;
    if (type == SQLITE_BLOB) return refuse(reason, "%s: a blob is not a number", name);
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        *out = sqlite3_value_double(value);
        return isfinite(*out) || refuse(reason, "%s: %g is not a number", name, *out);
    }
    const pu__text text = pu__trim(text_of(value));
    *missing = text.bytes == 0 || (mapping && pu__mapping_missing(mapping, text));
    if (*missing) return true;
    if (mapping ? pu__mapping_real(mapping, text, out) : pu__parse_real(text, out)) return true;
    return refuse(reason, "%s: '%.*s' is not a number%s", name, text.bytes < 40 ? (int)text.bytes : 40, text.data,
                  pu__row_number_hint(mapping, text));
}

static bool read_values(const pu__database *table, pu__bar *bar, char *reason) {
    double *const price[] = {&bar->open, &bar->high, &bar->low, &bar->close, &bar->adjusted};
    const double scale = table->mapping ? table->mapping->price_scale : 1;
    bool missing = false;
    for (int i = 0; i < 5; ++i) {
        const char *name = pu__role_name[PU__ROLE_OPEN + i];
        if (i == 4 && !table->column[PU__ROLE_ADJUSTED][0]) {
            bar->adjusted = bar->close;
            break;
        }
        if (!read_number(table, PU__DATABASE_OPEN + i, name, price[i], &missing, reason)) return false;
        if (missing) return refuse(reason, "%s: missing", name);
        *price[i] *= scale;
    }
    if (!read_number(table, PU__DATABASE_OPEN + 5, "volume", &bar->volume, &missing, reason)) return false;
    bar->volume += 0.0; /* "-0" is 0 */
    return pu__row_check(bar, reason);
}

static int64_t time_of_row(const pu__database *table) {
    sqlite3_value *time = sqlite3_column_value(table->query, PU__DATABASE_TIME);
    if (!table->in_order) return sqlite3_value_type(time) == SQLITE_NULL ? INT64_MIN : sqlite3_value_int64(time);
    return time_of(table->mapping, sqlite3_column_value(table->query, PU__DATABASE_DATE),
                   table->column[PU__ROLE_CLOCK][0] ? time : NULL);
}

static bool read_row(pu__database *table, pu__raw_row *row, char *reason) {
    sqlite3_value *symbol = sqlite3_column_value(table->query, PU__DATABASE_SYMBOL);
    const int type = sqlite3_value_type(symbol);
    if (type != SQLITE_TEXT && type != SQLITE_INTEGER) return refuse(reason, "symbol: missing, or no text");
    row->symbol = pu__trim(text_of(symbol));
    const int64_t coded = time_of_row(table);
    if (coded == INT64_MIN) {
        const pu__text date = text_of(sqlite3_column_value(table->query, PU__DATABASE_DATE));
        return refuse(reason, "date: '%.*s' is not a time that is understood",
                      date.bytes < 40 ? (int)date.bytes : 40, date.data);
    }
    row->stamp = (pu__moment){coded >> 1, (coded & 1) != 0};
    return read_values(table, &row->bar, reason);
}

/* The row as it would stand in a text file, for the list of the rejected. */
static void write_text(pu__database *table, pu__raw_row *row) {
    size_t used = 0;
    for (int i = PU__DATABASE_DATE; i < PU__DATABASE_COLUMNS && used < sizeof table->text - 1; ++i) {
        const pu__text value = text_of(sqlite3_column_value(table->query, i));
        const int wrote =
            snprintf(table->text + used, sizeof table->text - used, "%s%.*s", i > PU__DATABASE_DATE ? "|" : "",
                     value.bytes < 60 ? (int)value.bytes : 60, value.data);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    row->text = (pu__text){table->text, strlen(table->text)};
}

static void hash_gathered(pu__database *table) {
    pu__digest_add(&table->hash, table->unhashed, table->unhashed_bytes);
    table->unhashed_bytes = 0;
}

static void hash_bytes(pu__database *table, const void *data, size_t bytes) {
    if (table->unhashed_bytes + bytes > sizeof table->unhashed) hash_gathered(table);
    if (bytes > sizeof table->unhashed) {
        pu__digest_add(&table->hash, data, bytes);
        return;
    }
    memcpy(table->unhashed + table->unhashed_bytes, data, bytes);
    table->unhashed_bytes += bytes;
}

/* What was read, whatever the file's pages look like. */
static void add_to_hash(pu__database *table, const pu__raw_row *row) {
    const double value[] = {row->bar.open,  row->bar.high,     row->bar.low,
                            row->bar.close, row->bar.adjusted, row->bar.volume};
    unsigned char bytes[sizeof row->stamp.ts + sizeof value + 1];
    memcpy(bytes, &row->stamp.ts, sizeof row->stamp.ts);
    memcpy(bytes + sizeof row->stamp.ts, value, sizeof value);
    bytes[sizeof bytes - 1] = row->stamp.date_only;
    hash_bytes(table, row->symbol.data, row->symbol.bytes);
    hash_bytes(table, bytes, sizeof bytes);
}

pu_status pu__database_next(pu__row_source *source, pu__raw_row *row, char *reason, pu__row_outcome *outcome) {
    pu__database *table = (pu__database *)(void *)source;
    const int code = sqlite3_step(table->query);
    *outcome = PU__ROW_END;
    if (code == SQLITE_DONE) {
        hash_gathered(table);
        return PU_OK;
    }
    if (code != SQLITE_ROW) {
        const pu_status status = pu__sql_failure(table->db, table->path, "read");
        return pu_fail_within(status, "nothing was stored");
    }
    ++source->done;
    *row = (pu__raw_row){.line = source->done, .close_ts = INT64_MIN};
    if (table->has_rowid) row->line = sqlite3_column_int64(table->query, PU__DATABASE_ROWID);
    if (row->line < 1) { /* the smallest is not, as was asked before */
        return pu_fail(PU_ERR_CORRUPT, "%s: a row has the number %lld: the file is damaged, restore a copy",
                       table->path, (long long)row->line);
    }
    *outcome = read_row(table, row, reason) ? PU__ROW_READ : PU__ROW_REJECTED;
    if (*outcome == PU__ROW_READ) {
        add_to_hash(table, row);
    } else {
        write_text(table, row);
        hash_bytes(table, row->text.data, row->text.bytes);
    }
    return PU_OK;
}
