#include "host/data/import/zone.h"

#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/store/calendar.h"

enum { DAY_S = 86400, FILE_BYTES_MAX = 1 << 20, HEADER_BYTES = 44, OFFSET_MAX_S = 26 * 3600, LAST_WEEK = 5 };

/* One change of the rule for the years behind the table: by month, week and weekday (M), by day of the year without
 * 29 February (J), or by day of the year from 0. */
typedef struct zone_date {
    char kind; /* 'M', 'J' or 'n' */
    int month, week, weekday, day;
    int64_t at_s; /* local clock time */
} zone_date;

struct pu__zone {
    int64_t count; /* of changes */
    const int64_t *change;
    const int64_t *offset; /* [count], from that change on */
    int64_t first_offset;  /* before all of them */
    bool has_rule, has_summer;
    int64_t standard_s, summer_s;
    zone_date to_summer, to_standard;
};

static int64_t days_from_rule(const zone_date *date, int year) {
    const int64_t first = pu__days_of_date(year, 1, 1);
    if (date->kind == 'n') return first + date->day;
    if (date->kind == 'J') return first + date->day - 1 + (date->day >= 60 && pu__date_valid(year, 2, 29));
    const int64_t month = pu__days_of_date(year, date->month, 1);
    const int weekday = (int)((month % 7 + 7 + 4) % 7); /* 1970-01-01 was a Thursday */
    int64_t day = month + (date->weekday - weekday + 7) % 7 + 7 * (date->week - 1);
    const int next_year = date->month == 12 ? year + 1 : year, next = date->month == 12 ? 1 : date->month + 1;
    while (date->week == LAST_WEEK && day >= pu__days_of_date(next_year, next, 1)) day -= 7;
    return day;
}

static int64_t offset_by_rule(const pu__zone *zone, int64_t ts) {
    if (!zone->has_summer) return zone->standard_s;
    int year = 0, month = 0, day = 0;
    const int64_t local = ts + zone->standard_s;
    pu__date_of_days(local / DAY_S - (local % DAY_S < 0), &year, &month, &day);
    const int64_t begin = days_from_rule(&zone->to_summer, year) * DAY_S + zone->to_summer.at_s - zone->standard_s;
    const int64_t end = days_from_rule(&zone->to_standard, year) * DAY_S + zone->to_standard.at_s - zone->summer_s;
    const bool summer = begin < end ? ts >= begin && ts < end : ts >= begin || ts < end;
    return summer ? zone->summer_s : zone->standard_s;
}

static int64_t offset_at(const pu__zone *zone, int64_t ts) {
    if (zone->count == 0 || ts < zone->change[0])
        return zone->count == 0 && zone->has_rule ? offset_by_rule(zone, ts) : zone->first_offset;
    if (zone->has_rule && ts >= zone->change[zone->count - 1]) return offset_by_rule(zone, ts);
    int64_t low = 0, high = zone->count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (zone->change[middle] <= ts) low = middle;
        else high = middle;
    }
    return zone->offset[low];
}

pu__zone_found pu__zone_to_utc(const pu__zone *zone, int64_t local_s, int64_t *ts) {
    /* No zone changes twice within two days, so one of the offsets a day before and after is the right one. */
    const int64_t early = local_s - offset_at(zone, local_s - DAY_S),
                  late = local_s - offset_at(zone, local_s + DAY_S);
    const bool early_holds = early + offset_at(zone, early) == local_s,
               late_holds = late + offset_at(zone, late) == local_s;
    if (early_holds && late_holds && early != late) return PU__ZONE_TWICE;
    if (!early_holds && !late_holds) return PU__ZONE_NEVER;
    *ts = early_holds ? early : late;
    return PU__ZONE_ONE;
}

static int64_t big_endian(const unsigned char *at, int bytes) {
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | at[i];
    return (int64_t)value;
}

typedef struct text_reader {
    const char *at, *end;
} text_reader;

static bool take(text_reader *text, char c) {
    if (text->at == text->end || *text->at != c) return false;
    ++text->at;
    return true;
}

static bool take_number(text_reader *text, int *out) {
    int value = 0, digits = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9' && digits < 4; ++text->at, ++digits)
        value = value * 10 + (*text->at - '0');
    *out = value;
    return digits > 0;
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(text_reader *text, int64_t *seconds) {
    int hour = 0, minute = 0, second = 0;
    const bool negative = take(text, '-');
    if (!negative) take(text, '+');
    if (!take_number(text, &hour) || hour > 167) return false;
    if (take(text, ':') && (!take_number(text, &minute) || minute > 59)) return false;
    if (take(text, ':') && (!take_number(text, &second) || second > 59)) return false;
    *seconds = (negative ? -1 : 1) * (hour * 3600 + minute * 60 + second);
    return true;
}

/* Three letters or more, or anything in angle brackets. */
static bool take_name(text_reader *text) {
    const char *begin = text->at;
    if (take(text, '<')) {
        while (text->at < text->end && *text->at != '>') ++text->at;
        return take(text, '>');
    }
    while (text->at < text->end && ((*text->at | 32) >= 'a' && (*text->at | 32) <= 'z')) ++text->at;
    return text->at - begin >= 3;
}

static bool take_date(text_reader *text, zone_date *out) {
    *out = (zone_date){.kind = 'n', .at_s = 7200};
    if (!take(text, ',')) return false;
    if (take(text, 'M')) {
        out->kind = 'M';
        if (!take_number(text, &out->month) || !take(text, '.') || !take_number(text, &out->week) ||
            !take(text, '.') || !take_number(text, &out->weekday))
            return false;
        if (out->month < 1 || out->month > 12 || out->week < 1 || out->week > LAST_WEEK || out->weekday > 6)
            return false;
    } else {
        if (take(text, 'J')) out->kind = 'J';
        if (!take_number(text, &out->day) || out->day > 365) return false;
    }
    return !take(text, '/') || take_clock(text, &out->at_s);
}

/* The rule at the file's end, such as "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX.1 TZ, where west is positive). */
static bool read_rule(text_reader text, pu__zone *zone) {
    int64_t west_s = 0;
    if (text.at == text.end) return true;
    if (!take_name(&text) || !take_clock(&text, &west_s)) return false;
    zone->has_rule = true;
    zone->standard_s = -west_s;
    if (text.at == text.end) return true;
    zone->has_summer = true;
    zone->summer_s = zone->standard_s + 3600;
    if (!take_name(&text)) return false;
    if (text.at < text.end && *text.at != ',') {
        if (!take_clock(&text, &west_s)) return false;
        zone->summer_s = -west_s;
    }
    return take_date(&text, &zone->to_summer) && take_date(&text, &zone->to_standard) && text.at == text.end;
}

typedef struct table_sizes {
    int64_t times, types, chars, leaps, standards, universals;
} table_sizes;

static bool read_header(const unsigned char *data, size_t bytes, table_sizes *out) {
    if (bytes < HEADER_BYTES || memcmp(data, "TZif", 4) != 0) return false;
    int64_t count[6];
    for (int i = 0; i < 6; ++i) {
        count[i] = big_endian(data + 20 + 4 * i, 4);
        if (count[i] < 0 || count[i] > FILE_BYTES_MAX) return false;
    }
    *out = (table_sizes){.universals = count[0],
                         .standards = count[1],
                         .leaps = count[2],
                         .times = count[3],
                         .types = count[4],
                         .chars = count[5]};
    return out->types > 0;
}

static int64_t body_bytes(const table_sizes *n, int64_t time_bytes) {
    return n->times * (time_bytes + 1) + n->types * 6 + n->chars + n->leaps * (time_bytes + 4) + n->standards +
           n->universals;
}

static bool read_changes(pu_arena *arena, const unsigned char *body, const table_sizes *n, pu__zone *zone) {
    const unsigned char *index = body + 8 * n->times, *types = index + n->times;
    int64_t *change = pu_arena_alloc(arena, (size_t)(2 * n->times + 1) * sizeof *change);
    if (!change) return false;
    int64_t *offset = change + n->times;
    for (int64_t i = 0; i < n->times; ++i) {
        if (index[i] >= n->types) return false;
        change[i] = big_endian(body + 8 * i, 8);
        offset[i] = big_endian(types + 6 * index[i], 4);
        if (offset[i] < -OFFSET_MAX_S || offset[i] > OFFSET_MAX_S) return false;
        if (i > 0 && change[i] <= change[i - 1]) return false;
    }
    zone->first_offset = big_endian(types, 4);
    zone->count = n->times;
    zone->change = change;
    zone->offset = offset;
    return zone->first_offset >= -OFFSET_MAX_S && zone->first_offset <= OFFSET_MAX_S;
}

/* Version 2 and later: the table with 64-bit times stands behind the old one, the rule behind it. */
static bool read_file(pu_arena *arena, const char *data, size_t bytes, pu__zone *zone) {
    const unsigned char *at = (const unsigned char *)data, *end = at + bytes;
    table_sizes n;
    if (!read_header(at, bytes, &n) || at[4] < '2') return false;
    if (end - at < HEADER_BYTES + body_bytes(&n, 4)) return false;
    at += HEADER_BYTES + body_bytes(&n, 4);
    if (!read_header(at, (size_t)(end - at), &n) || end - at < HEADER_BYTES + body_bytes(&n, 8)) return false;
    if (!read_changes(arena, at + HEADER_BYTES, &n, zone)) return false;
    at += HEADER_BYTES + body_bytes(&n, 8);
    if (at == end || *at != '\n') return false;
    const char *rule = (const char *)at + 1;
    const char *stop = memchr(rule, '\n', (size_t)((const char *)end - rule));
    return stop && read_rule((text_reader){rule, stop}, zone);
}

static bool fixed_offset(const char *name, int64_t *offset) {
    *offset = 0;
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0) return true;
    text_reader text = {name, name + strlen(name)};
    if (*name != '+' && *name != '-') return false;
    return take_clock(&text, offset) && text.at == text.end && *offset >= -14 * 3600 && *offset <= 14 * 3600;
}

/* A name, no way out of the folder. */
static bool is_zone_name(const char *name) {
    const size_t length = strlen(name);
    if (length == 0 || length > 63 || name[0] == '/' || strstr(name, "..")) return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == length;
}

pu_status pu__zone_open(pu_arena *arena, const char *name, pu__zone **out) {
    char path[128];
    char *data = NULL;
    size_t bytes = 0;
    int64_t offset = 0;
    pu__zone *zone = pu_arena_alloc(arena, sizeof *zone);
    if (!zone) return PU_ERR_MEMORY;
    *out = zone;
    if (fixed_offset(name, &offset)) {
        zone->first_offset = offset;
        return PU_OK;
    }
    if (!is_zone_name(name)) {
        return pu_fail(PU_ERR_CONFIG,
                       "'%.60s' is no time zone: write UTC, +02:00, or a name such as Europe/Berlin", name);
    }
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    const pu_status status = pu__file_read(path, FILE_BYTES_MAX, &data, &bytes);
    if (status == PU_ERR_NOT_FOUND) {
        return pu_fail(
            PU_ERR_CONFIG,
            "the time zone '%s' is not known here: install tzdata, check the spelling, or write an offset "
            "such as +02:00",
            name);
    }
    PU_TRY(status);
    const bool good = read_file(arena, data, bytes, zone);
    pu_free(data);
    return good ? PU_OK : pu_fail(PU_ERR_CORRUPT, "%s is not a time zone file of version 2 or later", path);
}
