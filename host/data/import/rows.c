#include "host/data/import/rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
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

bool pu__bar_is_month(int64_t bar_s) { return bar_s >= 28 * DAY_S && bar_s <= 31 * DAY_S; }

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

bool pu__row_stamp(const pu__layout *layout, const pu__text *fields, pu__moment *out) {
    const pu__text date = fields[layout->column[PU__ROLE_DATE]];
    if (!pu__parse_moment(date, out)) return false;
    const int clock = layout->column[PU__ROLE_CLOCK];
    if (clock < 0) return true;
    int64_t seconds = 0;
    if (!out->date_only || !pu__parse_clock(fields[clock], &seconds)) return false;
    out->ts += seconds;
    /* Stooq writes 000000 beside the date of a daily bar: that is no clock time. */
    const int period = layout->column[PU__ROLE_PERIOD];
    out->date_only = period >= 0 && pu__row_period(fields[period]) >= DAY_S;
    return true;
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

static bool read_time(const pu__row_rules *rules, const pu__text *fields, int64_t *ts, char *reason) {
    pu__moment stamp;
    if (!pu__row_stamp(&rules->layout, fields, &stamp)) {
        const pu__text field = fields[rules->layout.column[PU__ROLE_DATE]];
        return refuse(reason, "date: '%.*s' is not a time that is understood (write 2020-12-31)", shown(field),
                      field.data);
    }
    const bool opens = rules->stamp == PU_IMPORT_STAMP_OPEN;
    if (opens && rules->layout.kind == PU_IMPORT_BINANCE && rules->layout.column[PU__ROLE_CLOSE_TIME] >= 0) {
        if (!binance_close(rules, fields, ts, reason)) return false;
    } else if (opens) {
        *ts = pu__bar_is_month(rules->bar_s) ? next_month(stamp.ts) : stamp.ts + rules->bar_s;
    } else {
        *ts = stamp.ts + (stamp.date_only ? DAY_S : 0);
    }
    if (!pu__ts_plausible(*ts)) return refuse(reason, "the time is outside the years 1800 to 2200");
    return true;
}

static bool read_price(const pu__row_rules *rules, const pu__text *fields, pu__role role, double *out,
                       char *reason) {
    const pu__text field = fields[rules->layout.column[role]];
    if (field.bytes == 0) return refuse(reason, "%s: empty", pu__role_name[role]);
    if (!pu__parse_real(field, out))
        return refuse(reason, "%s: '%.*s' is not a number", pu__role_name[role], shown(field), field.data);
    if (!(*out > 0))
        return refuse(reason, "%s: %.*s is not positive", pu__role_name[role], shown(field), field.data);
    if (*out > value_max)
        return refuse(reason, "%s: %.*s is too large", pu__role_name[role], shown(field), field.data);
    return true;
}

/* A file without the column, or a row with nothing in it, has no volume; that is not a volume of zero. */
static bool read_volume(const pu__row_rules *rules, const pu__text *fields, double *out, char *reason) {
    *out = NAN;
    const int column = rules->layout.column[PU__ROLE_VOLUME];
    if (column < 0 || fields[column].bytes == 0) return true;
    const pu__text field = fields[column];
    if (!pu__parse_real(field, out))
        return refuse(reason, "volume: '%.*s' is not a number", shown(field), field.data);
    if (*out < 0) return refuse(reason, "volume: %.*s is negative", shown(field), field.data);
    if (*out > value_max) return refuse(reason, "volume: %.*s is too large", shown(field), field.data);
    *out += 0.0; /* "-0" is 0 */
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
    if (bar->high < bar->low) return refuse(reason, "high %.10g is below low %.10g", bar->high, bar->low);
    const double low = bar->low * (1 - PU__BAR_TOLERANCE), high = bar->high * (1 + PU__BAR_TOLERANCE);
    if (bar->open < low || bar->open > high)
        return refuse(reason, "open %.10g is outside low %.10g to high %.10g", bar->open, bar->low, bar->high);
    if (bar->close < low || bar->close > high) {
        return refuse(reason, "close %.10g is outside low %.10g to high %.10g", bar->close, bar->low, bar->high);
    }
    return read_volume(rules, fields, &bar->volume, reason);
}

static bool read_fields(const pu__row_rules *rules, pu__text line, pu__bar *bar, char *reason) {
    pu__text fields[PU__FIELDS_MAX + 1];
    if (memchr(line.data, '\0', line.bytes)) return refuse(reason, "a zero byte: the file is damaged or not text");
    const int count = pu__split_fields(line, rules->layout.delimiter, fields);
    if (count < 0) return refuse(reason, "a quote is not closed");
    if (count != rules->layout.columns)
        return refuse(reason, "%d columns, %d are expected", count, rules->layout.columns);
    const int symbol = rules->layout.column[PU__ROLE_SYMBOL];
    if (symbol >= 0 && (fields[symbol].bytes != strlen(rules->symbol) ||
                        memcmp(fields[symbol].data, rules->symbol, fields[symbol].bytes) != 0)) {
        return refuse(reason, "symbol: '%.*s' among rows of '%s'; import one file per symbol",
                      shown(fields[symbol]), fields[symbol].data, rules->symbol);
    }
    return read_time(rules, fields, &bar->ts, reason) && read_values(rules, fields, bar, reason);
}

pu__row_outcome pu__row_read(const pu__row_rules *rules, pu__row_state *state, pu__text line, int64_t line_number,
                             pu__bar *bar, char *reason) {
    if (pu__trim(line).bytes == 0) return PU__ROW_BLANK;
    if (!read_fields(rules, line, bar, reason)) return PU__ROW_REJECTED;
    const bool forward = rules->descending ? bar->ts < state->last.ts : bar->ts > state->last.ts;
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
        return PU__ROW_REJECTED;
    }
    *state = (pu__row_state){true, *bar, line_number};
    return PU__ROW_BAR;
}
