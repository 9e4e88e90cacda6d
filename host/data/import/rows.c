#include "host/data/import/rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/store/calendar.h"

enum { DAY_S = 86400 };

static const double value_max = 1e300; /* as in schema_1.sql */

__attribute__((format(printf, 2, 3))) static bool refuse(char *reason, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PU_IMPORT_REASON_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static int shown(pu__text field) { return field.bytes < 40 ? (int)field.bytes : 40; }

bool pu__ts_plausible(int64_t ts) {
    static const int64_t first = -5364662400, last = 7258118400; /* 1800-01-01 and 2200-01-01 */
    return ts >= first && ts <= last;
}

/* Bars of a month are as long as their month. */
static bool is_month(int64_t bar_s) { return bar_s >= 28 * DAY_S && bar_s <= 31 * DAY_S; }

int64_t pu__row_distance(const pu__moment *a, const pu__moment *b) {
    const int64_t from = a->ts < b->ts ? a->ts : b->ts, seconds = llabs(b->ts - a->ts);
    if (!a->date_only || !b->date_only || seconds > 3 * DAY_S) return seconds;
    int64_t days = seconds / DAY_S;
    for (int64_t day = from / DAY_S + 1; day < (from + seconds) / DAY_S; ++day) {
        const int64_t weekday = (day % 7 + 11) % 7; /* 1970-01-01 was a Thursday; 0: Sunday */
        days -= weekday == 0 || weekday == 6;
    }
    return days * DAY_S;
}

static int compare_distances(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Of two middle ones the lower: rows can be missing between two bars, but none are closer than a bar. */
int64_t pu__bar_of_distances(int64_t *distance, int count, bool usual_only) {
    enum { ENOUGH = 8 };
    if (count == 0) return 0;
    qsort(distance, (size_t)count, sizeof *distance, compare_distances);
    const int64_t median = distance[(count - 1) / 2];
    if (is_month(median)) return 30 * DAY_S;
    const bool unusual = median > DAY_S && median < 28 * DAY_S && median != 7 * DAY_S;
    return usual_only && count < ENOUGH && unusual ? 0 : median;
}

int64_t pu__row_period(pu__text period) {
    int64_t minutes = 0;
    if (period.bytes == 1) {
        switch (period.data[0]) {
        case 'D': return DAY_S;
        case 'W': return 7 * DAY_S;
        case 'M': return 30 * DAY_S;
        default: break;
        }
    }
    return pu__parse_integer(period, &minutes) && minutes > 0 && minutes < 10000 ? 60 * minutes : 0;
}

/* Units per second of an epoch by its magnitude. */
static int64_t epoch_unit(int64_t value) {
    return value >= 100000000000000000 ? 1000000000
           : value >= 100000000000000  ? 1000000
           : value >= 100000000000     ? 1000
                                       : 1;
}

const char *pu__row_stamp(const pu__row_rules *rules, const pu__text *fields, pu__moment *out) {
    static const char *const problem = "is not a time that is understood (write 2020-12-31)";
    const pu__layout *layout = &rules->layout;
    const pu__text date = fields[layout->column[PU__ROLE_DATE]];
    const int clock = layout->column[PU__ROLE_CLOCK];
    if (rules->mapping && pu__mapping_has_time(rules->mapping)) {
        const pu__text none = {NULL, 0};
        return pu__mapping_time(rules->mapping, date, clock < 0 ? none : fields[clock], out);
    }
    if (!pu__parse_moment(date, out)) return problem;
    if (clock < 0) return NULL;
    int64_t seconds = 0;
    if (!out->date_only || !pu__parse_clock(fields[clock], &seconds)) return problem;
    out->ts += seconds;
    /* Stooq writes 000000 beside the date of a daily bar: that is no clock time. */
    const int period = layout->column[PU__ROLE_PERIOD];
    out->date_only = period >= 0 && pu__row_period(fields[period]) >= DAY_S;
    return NULL;
}

static int64_t next_month(int64_t ts) {
    int year = 0, month = 0, day = 0;
    pu__date_of_days(ts / DAY_S - (ts % DAY_S < 0), &year, &month, &day);
    return pu__days_of_date(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) * DAY_S;
}

/* Binance gives the last millisecond (or microsecond) of the bar: the bar closes one unit later. */
static bool binance_close(const pu__row_rules *rules, const pu__text *fields, int64_t *ts, char *reason) {
    const pu__text field = fields[rules->layout.column[PU__ROLE_CLOSE_TIME]];
    int64_t last = 0, first = 0;
    if (!pu__parse_integer(field, &last))
        return refuse(reason, "close time: '%.*s' is not a number", shown(field), field.data);
    if (!pu__parse_integer(fields[rules->layout.column[PU__ROLE_DATE]], &first) || last <= first) {
        return refuse(reason, "close time %lld is not after the open time", (long long)last);
    }
    const int64_t unit = epoch_unit(last);
    *ts = unit == 1 ? last : (last + 1 + unit / 2) / unit;
    return true;
}

/* Blames the field that is wrong, both where each is right alone. */
static bool refuse_time(const pu__row_rules *rules, const pu__text *fields, const char *problem, char *reason) {
    const pu__text date = fields[rules->layout.column[PU__ROLE_DATE]];
    const int column = rules->layout.column[PU__ROLE_CLOCK];
    const pu__text clock = column < 0 ? (pu__text){"", 0} : fields[column];
    pu__moment day;
    int64_t seconds = 0;
    if (clock.bytes == 0) return refuse(reason, "date: '%.*s' %s", shown(date), date.data, problem);
    if (rules->mapping && pu__mapping_formats_time(rules->mapping))
        return refuse(reason, "date and time: '%.*s %.*s' %s", shown(date), date.data, shown(clock), clock.data,
                      problem);
    if (!pu__parse_moment(date, &day) || !day.date_only)
        return refuse(reason, "date: '%.*s' %s", shown(date), date.data, problem);
    if (!pu__parse_clock(clock, &seconds))
        return refuse(reason,
                      "time: '%.*s' is no clock time from 00:00 to 23:59:59 (a day ends at 00:00 of the next)",
                      shown(clock), clock.data);
    return refuse(reason, "date and time: '%.*s %.*s' %s", shown(date), date.data, shown(clock), clock.data,
                  problem);
}

static bool read_time(const pu__row_rules *rules, const pu__text *fields, pu__raw_row *row, char *reason) {
    const pu__layout *layout = &rules->layout;
    row->close_ts = INT64_MIN;
    const char *problem = pu__row_stamp(rules, fields, &row->stamp);
    if (problem) return refuse_time(rules, fields, problem, reason);
    if (rules->stamp == PU_IMPORT_STAMP_OPEN && layout->kind == PU_IMPORT_BINANCE &&
        layout->column[PU__ROLE_CLOSE_TIME] >= 0) {
        return binance_close(rules, fields, &row->close_ts, reason);
    }
    return true;
}

bool pu__row_close(const pu__row_rules *rules, int64_t bar_s, const pu__moment *stamp, int64_t close_ts,
                   int64_t *ts, char *reason) {
    if (close_ts != INT64_MIN) {
        *ts = close_ts;
    } else if (!pu__ts_plausible(stamp->ts)) {
        return refuse(reason, "the time is outside the years 1800 to 2200");
    } else if (rules->stamp == PU_IMPORT_STAMP_OPEN) {
        *ts = is_month(bar_s) ? next_month(stamp->ts) : stamp->ts + bar_s;
    } else {
        *ts = stamp->ts + (stamp->date_only ? DAY_S : 0);
    }
    if (!pu__ts_plausible(*ts)) return refuse(reason, "the time is outside the years 1800 to 2200");
    return true;
}

/* What the mapping calls missing: no number, but not a mistake either. */
static bool is_missing(const pu__row_rules *rules, pu__text field) {
    return field.bytes == 0 || (rules->mapping && pu__mapping_missing(rules->mapping, field));
}

static bool read_number(const pu__row_rules *rules, pu__text field, double *out) {
    return rules->mapping ? pu__mapping_real(rules->mapping, field, out) : pu__parse_real(field, out);
}

const char *pu__row_number_hint(const pu__mapping *mapping, pu__text field) {
    static const pu__mapping comma = {.decimal_comma = true};
    double value = 0;
    const bool other = !mapping || !mapping->decimal_comma;
    return other && field.bytes > 0 && pu__mapping_real(&comma, field, &value)
               ? ": a decimal comma needs a mapping with file.decimal_comma: true"
               : "";
}

static bool read_price(const pu__row_rules *rules, const pu__text *fields, pu__role role, double *out,
                       char *reason) {
    const pu__text field = fields[rules->layout.column[role]];
    if (field.bytes == 0) return refuse(reason, "%s: empty", pu__role_name[role]);
    if (is_missing(rules, field))
        return refuse(reason, "%s: missing ('%.*s')", pu__role_name[role], shown(field), field.data);
    if (!read_number(rules, field, out))
        return refuse(reason, "%s: '%.*s' is not a number%s", pu__role_name[role], shown(field), field.data,
                      pu__row_number_hint(rules->mapping, field));
    if (rules->mapping) *out *= rules->mapping->price_scale;
    return true;
}

static bool read_values(const pu__row_rules *rules, const pu__text *fields, pu__bar *bar, char *reason) {
    double *const price[] = {&bar->open, &bar->high, &bar->low, &bar->close};
    for (int i = 0; i < 4; ++i) {
        if (!read_price(rules, fields, (pu__role)(PU__ROLE_OPEN + i), price[i], reason)) return false;
    }
    bar->adjusted = bar->close;
    if (rules->layout.column[PU__ROLE_ADJUSTED] >= 0 &&
        !read_price(rules, fields, PU__ROLE_ADJUSTED, &bar->adjusted, reason))
        return false;
    /* A file without the column, or a row with nothing in it, has no volume; that is not a volume of zero. */
    const int volume = rules->layout.column[PU__ROLE_VOLUME];
    bar->volume = NAN;
    if (volume >= 0 && !is_missing(rules, fields[volume]) && !read_number(rules, fields[volume], &bar->volume))
        return refuse(reason, "volume: '%.*s' is not a number%s", shown(fields[volume]), fields[volume].data,
                      pu__row_number_hint(rules->mapping, fields[volume]));
    bar->volume += 0.0; /* "-0" is 0 */
    return pu__row_check(bar, reason);
}

bool pu__row_check(const pu__bar *bar, char *reason) {
    const double price[] = {bar->open, bar->high, bar->low, bar->close, bar->adjusted};
    for (int i = 0; i < 5; ++i) {
        const char *name = pu__role_name[PU__ROLE_OPEN + i];
        if (!(price[i] > 0)) return refuse(reason, "%s: %.10g is not positive", name, price[i]);
        if (price[i] > value_max) return refuse(reason, "%s: %.10g is too large", name, price[i]);
    }
    if (bar->high < bar->low) return refuse(reason, "high %.10g is below low %.10g", bar->high, bar->low);
    const double low = bar->low * (1 - PU__BAR_TOLERANCE), high = bar->high * (1 + PU__BAR_TOLERANCE);
    if (bar->open < low || bar->open > high)
        return refuse(reason, "open %.10g is outside low %.10g to high %.10g", bar->open, bar->low, bar->high);
    if (bar->close < low || bar->close > high) {
        return refuse(reason, "close %.10g is outside low %.10g to high %.10g", bar->close, bar->low, bar->high);
    }
    if (bar->volume < 0) return refuse(reason, "volume: %.10g is negative", bar->volume);
    if (bar->volume > value_max) return refuse(reason, "volume: %.10g is too large", bar->volume);
    return true;
}

/* Whose row it is; a period is part of that, for bars of two lengths are two assets. */
static bool read_symbol(const pu__row_rules *rules, const pu__text *fields, pu__raw_row *row, char *reason) {
    const int column = rules->layout.column[PU__ROLE_SYMBOL], period = rules->layout.column[PU__ROLE_PERIOD];
    if (column >= 0) row->symbol = fields[column];
    if (period >= 0) {
        row->period_s = pu__row_period(fields[period]);
        if (row->period_s == 0)
            return refuse(reason, "period: '%.*s' is not D, W, M or minutes", shown(fields[period]),
                          fields[period].data);
        if (!rules->many && row->period_s != rules->period_s)
            return refuse(reason, "period: '%.*s' among rows of %lld s, and the file is one asset",
                          shown(fields[period]), fields[period].data, (long long)rules->period_s);
    }
    if (column < 0) return true;
    const pu__text symbol = fields[column];
    if (rules->many ||
        (symbol.bytes == strlen(rules->symbol) && memcmp(symbol.data, rules->symbol, symbol.bytes) == 0))
        return true;
    return refuse(reason, "symbol: '%.*s' among rows of '%s', and --symbol names one asset", shown(symbol),
                  symbol.data, rules->symbol);
}

static bool read_row(const pu__row_rules *rules, pu__text line, pu__raw_row *row, char *reason) {
    pu__text fields[PU__FIELDS_MAX + 1];
    if (memchr(line.data, '\0', line.bytes)) return refuse(reason, "a zero byte: the file is damaged or not text");
    const int count = pu__split_fields(line, rules->layout.delimiter, fields);
    if (count < 0) return refuse(reason, "a quote is not closed");
    if (count != rules->layout.columns)
        return refuse(reason, "%d columns, %d are expected", count, rules->layout.columns);
    return read_symbol(rules, fields, row, reason) && read_time(rules, fields, row, reason) &&
           read_values(rules, fields, &row->bar, reason);
}

bool pu__row_is_blank(const pu__row_rules *rules, pu__text line) {
    if (pu__trim(line).bytes == 0) return true;
    return rules->mapping && pu__mapping_comment(rules->mapping, line);
}

static pu_status next_line(pu__row_source *base, pu__raw_row *row, char *reason, pu__row_outcome *outcome) {
    pu__text_source *source = (pu__text_source *)(void *)base;
    bool found = false;
    PU_TRY(pu__lines_next(source->lines, &row->text, &found));
    base->done = source->lines->bytes;
    row->line = source->lines->line;
    row->symbol = (pu__text){NULL, 0};
    row->period_s = 0;
    *outcome = !found                                            ? PU__ROW_END
               : pu__row_is_blank(source->rules, row->text)      ? PU__ROW_BLANK
               : read_row(source->rules, row->text, row, reason) ? PU__ROW_READ
                                                                 : PU__ROW_REJECTED;
    return PU_OK;
}

pu__text_source pu__text_rows(pu__lines *lines, const pu__row_rules *rules) {
    return (pu__text_source){.base = {.next = next_line}, .lines = lines, .rules = rules};
}

pu__row_place pu__row_follow(bool descending, pu__row_state *state, const pu__bar *bar, int64_t line,
                             char *reason) {
    const bool forward = descending ? bar->ts < state->last.ts : bar->ts > state->last.ts;
    if (state->any && !forward) {
        char now[32], before[32];
        if (bar->ts == state->last.ts && pu__bar_hash(bar) == pu__bar_hash(&state->last)) return PU__ROW_REPEATED;
        pu_time_format(bar->ts, true, now);
        pu_time_format(state->last.ts, true, before);
        if (bar->ts == state->last.ts) {
            refuse(reason, "the bar that closes %s again, with other values than on line %lld", now,
                   (long long)state->last_line);
        } else {
            refuse(reason, "out of order: closes %s, line %lld closes %s", now, (long long)state->last_line,
                   before);
        }
        return PU__ROW_MISPLACED;
    }
    *state = (pu__row_state){true, *bar, line};
    return PU__ROW_FOLLOWS;
}
