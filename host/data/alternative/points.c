#include "host/data/alternative/points.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/data/import/rows.h"

enum { DAY_S = 86400, LABEL_MAX = 1000 };

static const double value_max = 1e300; /* as in schema_2.sql */

__attribute__((format(printf, 2, 3))) static bool refuse(char *reason, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PU_IMPORT_REASON_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static int shown(pu__text field) { return field.bytes < 40 ? (int)field.bytes : 40; }

/* ---- times ---- */

/* Whether a time that was read has a fraction of a second, which its value in seconds left out. */
static bool has_fraction(pu__text text) {
    size_t from = text.bytes, digits = 0;
    while (digits < text.bytes && isdigit((unsigned char)text.data[digits])) ++digits;
    if (digits == text.bytes && digits > 11) from = digits - 3 * ((digits - 9) / 3); /* an epoch in finer units */
    const char *point = memchr(text.data, '.', text.bytes);
    if (point) from = (size_t)(point - text.data) + 1;
    while (from < text.bytes && text.data[from] == '0') ++from;
    return from < text.bytes && isdigit((unsigned char)text.data[from]);
}

static bool to_utc(const pu__zone *zone, pu__text text, pu__field field, int64_t local_s, int64_t *ts,
                   char *reason) {
    *ts = local_s;
    const pu__zone_found found = zone ? pu__zone_to_utc(zone, local_s, ts) : PU__ZONE_ONE;
    if (found == PU__ZONE_ONE) return true;
    return refuse(reason, "%s: %.*s is %s in its time zone, where the clocks change", pu__field_name[field],
                  shown(text), text.data, found == PU__ZONE_TWICE ? "twice" : "never");
}

/* A day without a clock time is named by its beginning in UTC, in every zone. */
static bool read_moment(const pu__zone *zone, pu__text text, pu__field field, pu__moment *out, char *reason) {
    bool local = false;
    if (!pu__parse_moment_local(text, out, &local))
        return refuse(reason, "%s: '%.*s' is not a time that is understood (write 2020-12-31T14:30:00Z)",
                      pu__field_name[field], shown(text), text.data);
    if (local && !to_utc(zone, text, field, out->ts, &out->ts, reason)) return false;
    if (!pu__ts_plausible(out->ts))
        return refuse(reason, "%s: %.*s is outside the years 1800 to 2200", pu__field_name[field], shown(text),
                      text.data);
    return true;
}

/* What was published at a moment is known at the first full second after it, and what bears only a date at the end
 * of that day: late, never early. */
static bool read_known(const pu__zone *zone, pu__text text, pu__field field, int64_t *out, char *reason) {
    pu__moment moment;
    if (!read_moment(zone, text, field, &moment, reason)) return false;
    *out = moment.ts + has_fraction(text);
    return !moment.date_only || to_utc(zone, text, field, moment.ts + DAY_S, out, reason);
}

typedef struct row_times {
    int64_t ts;
    bool known; /* whether published_ts is */
    int64_t published_ts;
} row_times;

static bool read_times(const pu_series_options *options, const pu__zone *zone, const pu__reader_row *row,
                       row_times *out, char *reason) {
    const bool settled = row->field[PU__FIELD_SETTLED].bytes > 0;
    const pu__field field = settled ? PU__FIELD_SETTLED : PU__FIELD_TIME;
    const pu__text time = row->field[field], published = row->field[PU__FIELD_PUBLISHED];
    pu__moment moment;
    *out = (row_times){0};
    if (time.bytes == 0) return refuse(reason, "time: empty");
    if (!read_moment(zone, time, field, &moment, reason)) return false;
    out->ts = moment.ts;
    out->known = true;
    if (settled) return read_known(zone, time, field, &out->published_ts, reason);
    if (options->has_published_lag) {
        if (!read_known(zone, time, field, &out->published_ts, reason)) return false;
        out->published_ts += options->published_lag_s;
        return true;
    }
    out->known = published.bytes > 0;
    return !out->known || read_known(zone, published, PU__FIELD_PUBLISHED, &out->published_ts, reason);
}

/* ---- values ---- */

/* What calendars write behind a number: 0.3% (of per cent), 250K, 1.2M. */
static double take_unit(pu__text *text) {
    static const struct {
        char letter;
        double factor;
    } units[] = {{'%', 1}, {'K', 1e3}, {'M', 1e6}, {'B', 1e9}, {'T', 1e12}};
    for (size_t i = 0; i < sizeof units / sizeof *units && text->bytes > 1; ++i) {
        if (text->data[text->bytes - 1] != units[i].letter) continue;
        *text = pu__trim((pu__text){text->data, text->bytes - 1});
        return units[i].factor;
    }
    return 1;
}

static bool read_value(pu_series_kind kind, const pu__reader_row *row, pu__field field, double *out,
                       char *reason) {
    const pu__text text = row->field[field];
    const char *name = kind == PU_SERIES_REGIME ? "label" : pu__field_name[field];
    pu__text number = text;
    const double factor = kind == PU_SERIES_MACRO ? take_unit(&number) : 1;
    if (text.bytes == 0) return refuse(reason, "%s: empty", name);
    if (!pu__parse_real(number, out))
        return refuse(reason, "%s: '%.*s' is not a number", name, shown(text), text.data);
    *out = *out * factor + 0.0; /* "-0" is 0 */
    if (!(fabs(*out) <= value_max)) return refuse(reason, "%s: %.*s is too large", name, shown(text), text.data);
    if (kind == PU_SERIES_REGIME && (*out != trunc(*out) || fabs(*out) > LABEL_MAX))
        return refuse(reason, "label: %.*s is no whole number from -%d to %d", shown(text), text.data, LABEL_MAX,
                      LABEL_MAX);
    return true;
}

/* ---- names ---- */

pu_status pu__series_name_check(const char *name) {
    const size_t length = name ? strlen(name) : 0;
    bool plain = length > 0 && length < 64;
    for (size_t i = 0; i < length && plain; ++i)
        plain = isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-' || name[i] == '.';
    return plain ? PU_OK
                 : pu_fail(PU_ERR_CONFIG,
                           "the series name '%.80s': 1 to 63 letters, digits, '_', '-' and '.' are accepted",
                           name ? name : "");
}

/* "CPI y/y" behind "us": "us_cpi_y_y". */
static bool extend_name(const char *base, pu__text word, const char *ending, char out[64], char *reason) {
    char name[256];
    size_t used = (size_t)snprintf(name, sizeof name, "%s", base);
    for (size_t i = 0; i < word.bytes && used + 3 < sizeof name; ++i) {
        const unsigned char c = (unsigned char)word.data[i];
        if (isalnum(c)) {
            if (i == 0 || name[used] == '_') name[used++] = '_';
            name[used++] = (char)tolower(c);
            name[used] = '\0';
        } else {
            name[used] = '_'; /* stands only when another letter follows */
        }
    }
    name[used] = '\0';
    const int length = snprintf(out, 64, "%s%s", name, ending);
    if (length < 64) return true;
    return refuse(reason, "'%.*s' makes the series name longer than 63 bytes: choose a shorter --series",
                  shown(word), word.data);
}

/* What splits the file into series. */
static pu__field splitting_field(const pu__reader_row *row) {
    return row->field[PU__FIELD_EVENT].data ? PU__FIELD_EVENT : PU__FIELD_SERIES;
}

bool pu__points_wanted(const pu_series_options *options, const pu__reader_row *row) {
    const pu__text word = row->field[splitting_field(row)];
    if (!options->only || row->error[0]) return true;
    return word.data && word.bytes == strlen(options->only) && memcmp(word.data, options->only, word.bytes) == 0;
}

static bool read_name(const pu_series_options *options, const pu__reader_row *row, char out[64], char *reason) {
    const pu__field field = splitting_field(row);
    const pu__text word = row->field[field];
    if (!word.data || options->only) return extend_name(options->name, (pu__text){0}, "", out, reason);
    for (size_t i = 0; i < word.bytes; ++i) {
        if (isalnum((unsigned char)word.data[i])) return extend_name(options->name, word, "", out, reason);
    }
    return refuse(reason, "%s: '%.*s' names no series", pu__field_name[field], shown(word), word.data);
}

/* ---- rows ---- */

static bool add_point(pu__points *points, const char *name, const char *ending, int64_t ts, int64_t published_ts,
                      double value, char *reason) {
    pu__point *point = &points->point[points->count++];
    *point = (pu__point){.ts = ts, .published_ts = published_ts, .value = value};
    if (!pu__ts_plausible(published_ts)) return refuse(reason, "published: outside the years 1800 to 2200");
    if (!(fabs(value) <= value_max)) return refuse(reason, "surprise: %g is too large", value);
    return extend_name(name, (pu__text){0}, ending, point->name, reason);
}

static bool require_known(const row_times *times, char *reason) {
    return times->known || refuse(reason, "published: empty, so nothing says when the value was known");
}

/* A calendar's entry: the actual value when it is released; forecast and previous value when the entry is announced,
 * or, where nothing says when that was, with the release. */
static bool read_macro(const pu__zone *zone, const pu__reader_row *row, const char *name, const row_times *times,
                       pu__points *out, char *reason) {
    const pu__field actual_field = row->field[PU__FIELD_ACTUAL].data ? PU__FIELD_ACTUAL : PU__FIELD_VALUE;
    const bool has_actual = row->field[actual_field].bytes > 0,
               has_forecast = row->field[PU__FIELD_FORECAST].bytes > 0;
    const pu__text announced = row->field[PU__FIELD_ANNOUNCED];
    double actual = 0, forecast = 0, previous = 0;
    int64_t announced_ts = times->published_ts;
    if (announced.bytes > 0 && !read_known(zone, announced, PU__FIELD_ANNOUNCED, &announced_ts, reason))
        return false;
    if (has_actual) {
        if (!require_known(times, reason) || !read_value(PU_SERIES_MACRO, row, actual_field, &actual, reason) ||
            !add_point(out, name, "", times->ts, times->published_ts, actual, reason))
            return false;
    } else if (announced.bytes == 0) {
        return refuse(reason, "no actual value, and nothing says when the forecast was announced");
    }
    if (has_forecast && (!read_value(PU_SERIES_MACRO, row, PU__FIELD_FORECAST, &forecast, reason) ||
                         !add_point(out, name, "_forecast", times->ts, announced_ts, forecast, reason)))
        return false;
    if (row->field[PU__FIELD_PREVIOUS].bytes > 0 &&
        (!read_value(PU_SERIES_MACRO, row, PU__FIELD_PREVIOUS, &previous, reason) ||
         !add_point(out, name, "_previous", times->ts, announced_ts, previous, reason)))
        return false;
    if (has_actual && has_forecast) {
        const int64_t both_ts = announced_ts > times->published_ts ? announced_ts : times->published_ts;
        return add_point(out, name, "_surprise", times->ts, both_ts, actual - forecast, reason);
    }
    return out->count > 0 || refuse(reason, "no value at all");
}

bool pu__points_read(const pu_series_options *options, const pu__zone *zone, const pu__reader_row *row,
                     pu__points *out, char *reason) {
    row_times times;
    char name[64];
    double value = 0;
    const pu__text symbol = row->field[PU__FIELD_SYMBOL];
    *out = (pu__points){0};
    if (row->error[0]) return refuse(reason, "%s", row->error);
    if (symbol.data && (symbol.bytes == 0 || symbol.bytes >= sizeof out->symbol))
        return refuse(reason, "symbol: '%.*s' has %zu bytes, 1 to 63 are accepted", shown(symbol), symbol.data,
                      symbol.bytes);
    if (symbol.data) memcpy(out->symbol, symbol.data, symbol.bytes);
    if (!read_name(options, row, name, reason) || !read_times(options, zone, row, &times, reason)) return false;
    if (options->kind == PU_SERIES_MACRO) return read_macro(zone, row, name, &times, out, reason);
    return require_known(&times, reason) && read_value(options->kind, row, PU__FIELD_VALUE, &value, reason) &&
           add_point(out, name, "", times.ts, times.published_ts, value, reason);
}
