#include "host/data/import/time_format.h"

#include <string.h>
#include <strings.h>

#include "host/data/store/calendar.h"

enum { YEAR_PIVOT = 69 };

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

const char *pu__time_format_check(const char *format) {
    bool year = false, month = false, day = false, hour_12 = false, half = false;
    for (const char *at = format; *at; ++at) {
        if (*at != '%') continue;
        ++at;
        if (!*at || !strchr("YymdbBHIpMSfzTF%", *at))
            return "holds a conversion that is none of %Y %y %m %d %b %B %H %I %p %M %S %f %z %T %F %%";
        year |= strchr("YyF", *at) != NULL;
        month |= strchr("mbBF", *at) != NULL;
        day |= strchr("dF", *at) != NULL;
        hour_12 |= *at == 'I';
        half |= *at == 'p';
    }
    if (!year || !month || !day) return "must hold year, month and day: %Y %m %d";
    return hour_12 == half ? NULL : "must hold %I and %p together";
}

typedef struct parts {
    int year, month, day, hour, minute, second;
    bool has_hour, afternoon, has_half, has_offset;
    int64_t offset_s;
} parts;

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool number(cursor *text, int digits_min, int digits_max, int low, int high, int *out) {
    int value = 0, digits = 0;
    for (; digits < digits_max && text->at < text->end && is_digit(*text->at); ++text->at, ++digits)
        value = value * 10 + (*text->at - '0');
    *out = value;
    return digits >= digits_min && value >= low && value <= high;
}

static bool word(cursor *text, const char *expected, size_t length) {
    if ((size_t)(text->end - text->at) < length || strncasecmp(text->at, expected, length) != 0) return false;
    text->at += length;
    return true;
}

static bool month_name(cursor *text, bool whole, int *out) {
    for (int i = 0; i < 12; ++i) {
        if (!word(text, months[i], whole ? strlen(months[i]) : 3)) continue;
        *out = i + 1;
        return true;
    }
    return false;
}

static bool zone(cursor *text, parts *out) {
    int hours = 0, minutes = 0;
    out->has_offset = true;
    if (word(text, "Z", 1)) return true;
    if (text->at == text->end || (*text->at != '+' && *text->at != '-')) return false;
    const int sign = *text->at++ == '-' ? -1 : 1;
    if (!number(text, 2, 2, 0, 14, &hours)) return false;
    if (text->at < text->end && *text->at == ':') ++text->at;
    if (!number(text, 2, 2, 0, 59, &minutes)) return false;
    out->offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool fraction(cursor *text) {
    const char *begin = text->at;
    while (text->at < text->end && is_digit(*text->at)) ++text->at;
    return text->at > begin;
}

static bool read_form(const char *format, cursor *text, parts *out);

static bool convert(char conversion, cursor *text, parts *out) {
    switch (conversion) {
    case 'Y': return number(text, 4, 4, 1, 9999, &out->year);
    case 'y':
        if (!number(text, 2, 2, 0, 99, &out->year)) return false;
        out->year += out->year < YEAR_PIVOT ? 2000 : 1900; /* POSIX.1 */
        return true;
    case 'm': return number(text, 1, 2, 1, 12, &out->month);
    case 'd': return number(text, 1, 2, 1, 31, &out->day);
    case 'b': return month_name(text, false, &out->month);
    case 'B': return month_name(text, true, &out->month);
    case 'H': out->has_hour = true; return number(text, 1, 2, 0, 23, &out->hour);
    case 'I': out->has_hour = true; return number(text, 1, 2, 1, 12, &out->hour);
    case 'M': return number(text, 2, 2, 0, 59, &out->minute);
    case 'S': return number(text, 2, 2, 0, 59, &out->second);
    case 'p':
        out->has_half = true;
        out->afternoon = word(text, "PM", 2);
        return out->afternoon || word(text, "AM", 2);
    case 'f': return fraction(text);
    case 'z': return zone(text, out);
    case 'T': return read_form("%H:%M:%S", text, out);
    case 'F': return read_form("%Y-%m-%d", text, out);
    default: return word(text, "%", 1);
    }
}

static bool read_form(const char *format, cursor *text, parts *out) {
    for (; *format; ++format) {
        if (*format == ' ') {
            while (text->at < text->end && *text->at == ' ') ++text->at;
        } else if (*format == '%') {
            if (!convert(*++format, text, out)) return false;
        } else if (text->at == text->end || *text->at++ != *format) {
            return false;
        }
    }
    return true;
}

bool pu__time_format_read(const char *format, pu__text text, pu__format_time *out) {
    parts found = {0};
    cursor at = {text.data, text.data + text.bytes};
    if (text.bytes == 0 || !read_form(format, &at, &found) || at.at != at.end) return false;
    if (!pu__date_valid(found.year, found.month, found.day)) return false;
    const int hour = found.has_half ? found.hour % 12 + (found.afternoon ? 12 : 0) : found.hour;
    *out = (pu__format_time){.local_s = pu__days_of_date(found.year, found.month, found.day) * 86400 +
                                        hour * 3600 + found.minute * 60 + found.second,
                             .date_only = !found.has_hour,
                             .has_offset = found.has_offset,
                             .offset_s = found.offset_s};
    return true;
}
