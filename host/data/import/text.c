#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif
#include "host/data/import/text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/store/calendar.h"

enum { NUMBER_BYTES_MAX = 400, DIGITS_EXACT = 15, POWER_EXACT = 22 };

static const double power_of_ten[POWER_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* Correct rounding of what the fast path cannot hold; the grammar has been checked. */
static bool slow_real(pu__text text, double *out) {
    char copy[NUMBER_BYTES_MAX + 1];
    if (text.bytes > NUMBER_BYTES_MAX || pthread_once(&c_locale_once, make_locale) != 0 || !c_locale) return false;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    *out = strtod_l(copy, NULL, c_locale);
    return isfinite(*out);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* An exponent's digits; far larger than any double's is enough. */
static bool parse_exponent(const char *at, const char *end, int *exponent) {
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    if (at == end) return false;
    int value = 0;
    for (; at < end; ++at) {
        if (!is_digit(*at)) return false;
        if (value < 100000) value = value * 10 + (*at - '0');
    }
    *exponent = negative ? -value : value;
    return true;
}

bool pu__parse_real(pu__text text, double *out) {
    const char *at = text.data, *end = text.data + text.bytes;
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    uint64_t mantissa = 0;
    int digits = 0, seen = 0, scale = 0, exponent = 0;
    bool point = false;
    for (; at < end && (is_digit(*at) || (*at == '.' && !point)); ++at) {
        if (*at == '.') {
            point = true;
            continue;
        }
        ++seen;
        if (point) --scale;
        if (digits > 0 || *at != '0') ++digits;
        if (digits <= DIGITS_EXACT) mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    }
    if (seen == 0) return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        if (!parse_exponent(at + 1, end, &exponent)) return false;
    } else if (at != end) {
        return false;
    }
    /* At most 15 digits and a power of ten up to 22 are exact doubles, so one operation rounds once: Clinger 1990,
     * "How to read floating point numbers accurately". */
    const int power = scale + exponent;
    if (digits > DIGITS_EXACT || power < -POWER_EXACT || power > POWER_EXACT) return slow_real(text, out);
    const double value =
        power < 0 ? (double)mantissa / power_of_ten[-power] : (double)mantissa * power_of_ten[power];
    *out = negative ? -value : value;
    return true;
}

/* Nanoseconds of today: 19 digits that fit begin with a digit below 9. */
static bool parse_19(pu__text text, int64_t *out) {
    if (text.data[0] > '8') return false;
    int64_t value = 0;
    for (size_t i = 0; i < 19; ++i) {
        if (!is_digit(text.data[i])) return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *out = value;
    return true;
}

bool pu__parse_integer(pu__text text, int64_t *out) {
    const bool negative = text.bytes > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == text.bytes || text.bytes - i > 18) {
        return text.bytes == 19 && !negative && parse_19(text, out); /* 18 digits always fit */
    }
    int64_t value = 0;
    for (; i < text.bytes; ++i) {
        if (!is_digit(text.data[i])) return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

pu__text pu__trim(pu__text text) {
    while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) ++text.data, --text.bytes;
    while (text.bytes > 0 && (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t')) --text.bytes;
    return text;
}

/* `count` digits at `at`, or -1. */
static int digits_at(pu__text text, size_t at, size_t count) {
    if (at + count > text.bytes) return -1;
    int value = 0;
    for (size_t i = at; i < at + count; ++i) {
        if (!is_digit(text.data[i])) return -1;
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static bool all_digits(pu__text text) {
    for (size_t i = 0; i < text.bytes; ++i) {
        if (!is_digit(text.data[i])) return false;
    }
    return text.bytes > 0;
}

static bool parse_epoch(pu__text text, pu__moment *out) {
    int64_t value = 0;
    /* Nanoseconds of today have 19 digits: the last ones are cut before the conversion, they are below the second.
     */
    static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
    const size_t unit = text.bytes <= 11 ? 0 : text.bytes <= 14 ? 1 : text.bytes <= 17 ? 2 : 3;
    if (text.bytes < 9 || text.bytes > 20) return false;
    if (unit == 3) {
        text.bytes -= 3;
        if (!pu__parse_integer(text, &value)) return false;
        *out = (pu__moment){value / per_second[2], false};
        return true;
    }
    if (!pu__parse_integer(text, &value)) return false;
    *out = (pu__moment){value / per_second[unit], false};
    return true;
}

bool pu__parse_clock(pu__text text, int64_t *seconds) {
    const bool colons = text.bytes >= 5 && text.data[2] == ':';
    if (!colons && text.bytes != 6 && text.bytes != 4) return false;
    const size_t step = colons ? 3 : 2;
    const bool has_seconds = text.bytes > 5;
    const int hour = digits_at(text, 0, 2), minute = digits_at(text, step, 2),
              second = has_seconds ? digits_at(text, 2 * step, 2) : 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    if (colons && has_seconds && text.data[5] != ':') return false;
    size_t used = has_seconds ? 2 * step + 2 : step + 2;
    if (colons && has_seconds && used < text.bytes &&
        text.data[used] == '.') { /* fractions of a second are dropped */
        const size_t first = ++used;
        while (used < text.bytes && is_digit(text.data[used])) ++used;
        if (used == first) return false;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return used == text.bytes;
}

/* Z, +02:00, +0200, or nothing, at the end of a clock time: removed from it, its distance from UTC in *offset.
 * *local: there is nothing. */
static bool take_zone(pu__text *text, int64_t *offset, bool *local) {
    *offset = 0;
    *local = false;
    if (text->bytes > 0 && (text->data[text->bytes - 1] == 'Z' || text->data[text->bytes - 1] == 'z')) {
        --text->bytes;
        return true;
    }
    for (size_t i = 4; i < text->bytes; ++i) {
        const char c = text->data[i];
        if (c != '+' && c != '-') continue;
        const bool colon = i + 3 < text->bytes && text->data[i + 3] == ':';
        const int hours = digits_at(*text, i + 1, 2), minutes = digits_at(*text, i + (colon ? 4 : 3), 2);
        if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59 || i + (colon ? 6 : 5) != text->bytes)
            return false;
        *offset = (c == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        text->bytes = i;
        return true;
    }
    *local = true;
    return true;
}

/* Length of the date at the start of the text, 0 if there is none. */
static size_t parse_date(pu__text text, int64_t *days) {
    const bool compact = text.bytes >= 8 && digits_at(text, 0, 8) >= 0;
    const char mark = !compact && text.bytes >= 10 ? text.data[4] : '-';
    const size_t step = compact ? 2 : 3, first = compact ? 4 : 5;
    if (!compact && (text.bytes < 10 || (mark != '-' && mark != '/') || text.data[7] != mark)) return 0;
    const int year = digits_at(text, 0, 4), month = digits_at(text, first, 2),
              day = digits_at(text, first + step, 2);
    if (!pu__date_valid(year, month, day)) return 0;
    *days = pu__days_of_date(year, month, day);
    return compact ? 8 : 10;
}

bool pu__parse_moment(pu__text text, pu__moment *out) {
    bool local = false;
    return pu__parse_moment_local(text, out, &local);
}

bool pu__parse_moment_local(pu__text text, pu__moment *out, bool *local) {
    *local = false;
    int64_t days = 0, clock = 0, offset = 0;
    if (text.bytes > 8 && all_digits(text)) return parse_epoch(text, out);
    const size_t date_bytes = parse_date(text, &days);
    if (date_bytes == 0) return false;
    if (date_bytes == text.bytes) {
        *out = (pu__moment){days * 86400, true};
        return true;
    }
    const char separator = text.data[date_bytes];
    if (separator != 'T' && separator != 't' && separator != ' ') return false;
    pu__text rest = {text.data + date_bytes + 1, text.bytes - date_bytes - 1};
    if (!take_zone(&rest, &offset, local)) return false;
    if (!pu__parse_clock(pu__trim(rest), &clock)) return false;
    *out = (pu__moment){days * 86400 + clock - offset, false};
    return true;
}
