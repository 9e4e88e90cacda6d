/* What a mapping makes of one field. */
#include <stdlib.h>
#include <string.h>

#include "host/data/import/mapping.h"
#include "host/data/import/time_format.h"

enum { NUMBER_BYTES = 128, TIME_BYTES = 128, BAR_S_MAX = 31622400 };

int64_t pu_import_bar_length(const char *text) {
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"mo", 2592000}};
    char *end = NULL;
    const long long count = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units && count > 0 && count <= BAR_S_MAX; ++i) {
        if (end != text && strcmp(end, units[i].unit) == 0 && count * units[i].seconds <= BAR_S_MAX)
            return count * units[i].seconds;
    }
    return 0;
}

bool pu__mapping_comment(const pu__mapping *mapping, pu__text line) {
    const size_t bytes = mapping->comment ? strlen(mapping->comment) : 0;
    return bytes > 0 && line.bytes >= bytes && memcmp(line.data, mapping->comment, bytes) == 0;
}

bool pu__mapping_missing(const pu__mapping *mapping, pu__text field) {
    for (int i = 0; i < mapping->missing_count; ++i) {
        const size_t bytes = strlen(mapping->missing[i]);
        if (bytes == field.bytes && (bytes == 0 || memcmp(field.data, mapping->missing[i], bytes) == 0))
            return true;
    }
    return false;
}

bool pu__mapping_real(const pu__mapping *mapping, pu__text field, double *out) {
    char copy[NUMBER_BYTES];
    if (!mapping->decimal_comma) return pu__parse_real(field, out);
    if (field.bytes > sizeof copy || (field.bytes > 0 && memchr(field.data, '.', field.bytes))) return false;
    for (size_t i = 0; i < field.bytes; ++i) copy[i] = field.data[i] == ',' ? '.' : field.data[i];
    return pu__parse_real((pu__text){copy, field.bytes}, out);
}

bool pu__mapping_has_time(const pu__mapping *mapping) {
    return mapping->time_format || mapping->units_per_s > 0 || mapping->zone;
}

bool pu__mapping_formats_time(const pu__mapping *mapping) { return mapping->time_format != NULL; }

static const char *to_utc(const pu__mapping *mapping, int64_t local_s, int64_t *ts) {
    *ts = local_s;
    if (!mapping->zone) return NULL;
    switch (pu__zone_to_utc(mapping->zone, local_s, ts)) {
    case PU__ZONE_NEVER: return "is in the hour that the clocks of the time zone leave out";
    case PU__ZONE_TWICE: return "is twice in its time zone, when clocks are put back: export the times in UTC";
    default: return NULL;
    }
}

/* A day without a clock time stays that day in every zone. */
static const char *by_format(const pu__mapping *mapping, pu__text text, pu__moment *out) {
    pu__format_time found;
    if (!pu__time_format_read(mapping->time_format, text, &found))
        return "is not a time of the form that the mapping's time.format gives";
    out->date_only = found.date_only;
    out->ts = found.local_s - (found.has_offset ? found.offset_s : 0);
    return found.date_only || found.has_offset ? NULL : to_utc(mapping, found.local_s, &out->ts);
}

const char *pu__mapping_epoch(const pu__mapping *mapping, int64_t value, pu__moment *out) {
    const int64_t unit = mapping->units_per_s;
    *out = (pu__moment){value / unit - (value % unit < 0), false};
    return NULL;
}

/* Numbers and zones that a time itself states go before the mapping's zone. */
static const char *by_looks(const pu__mapping *mapping, pu__text date, pu__text clock, pu__moment *out) {
    static const char *const problem = "is not a time that is understood (write 2020-12-31)";
    int64_t seconds = 0;
    bool local = false;
    if (!pu__parse_moment_local(date, out, &local)) return problem;
    if (clock.bytes > 0) {
        if (!out->date_only || !pu__parse_clock(clock, &seconds)) return problem;
        out->ts += seconds;
        out->date_only = false;
        local = true;
    }
    return local ? to_utc(mapping, out->ts, &out->ts) : NULL;
}

const char *pu__mapping_time(const pu__mapping *mapping, pu__text date, pu__text clock, pu__moment *out) {
    char joined[TIME_BYTES];
    int64_t value = 0;
    if (mapping->units_per_s > 0) {
        return pu__parse_integer(date, &value) ? pu__mapping_epoch(mapping, value, out)
                                               : "is not a whole number, as the mapping's time.format wants it";
    }
    if (!mapping->time_format) return by_looks(mapping, date, clock, out);
    if (clock.bytes == 0) return by_format(mapping, date, out);
    if (date.bytes + 1 + clock.bytes > sizeof joined) return "is too long for a time";
    memcpy(joined, date.data, date.bytes);
    joined[date.bytes] = ' ';
    memcpy(joined + date.bytes + 1, clock.data, clock.bytes);
    return by_format(mapping, (pu__text){joined, date.bytes + 1 + clock.bytes}, out);
}
