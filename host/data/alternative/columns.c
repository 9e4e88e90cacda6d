#include "host/data/alternative/columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"

const char *const pu__field_name[PU__FIELD_COUNT] = {"time",     "published", "value",       "symbol",
                                                     "series",   "event",     "actual",      "forecast",
                                                     "previous", "announced", "funding time"};

enum {
    ANY = (1 << PU_SERIES_KINDS) - 1,
    MACRO = 1 << PU_SERIES_MACRO,
    ONCHAIN = 1 << PU_SERIES_ONCHAIN,
    FUNDING = 1 << PU_SERIES_FUNDING,
    SENTIMENT = 1 << PU_SERIES_SENTIMENT,
    REGIME = 1 << PU_SERIES_REGIME
};

/* Names in lower case, with everything but letters and digits left out. */
static const struct {
    const char *name;
    pu__field field;
    int kinds;
} usual[] = {
    {"time", PU__FIELD_TIME, ANY},
    {"date", PU__FIELD_TIME, ANY},
    {"datetime", PU__FIELD_TIME, ANY},
    {"timestamp", PU__FIELD_TIME, ANY},
    {"ts", PU__FIELD_TIME, ANY},
    {"observationdate", PU__FIELD_TIME, MACRO},
    {"scheduled", PU__FIELD_TIME, MACRO},
    {"scheduledat", PU__FIELD_TIME, MACRO},
    {"scheduledtime", PU__FIELD_TIME, MACRO},
    {"from", PU__FIELD_TIME, REGIME},
    {"start", PU__FIELD_TIME, REGIME},
    {"published", PU__FIELD_PUBLISHED, ANY},
    {"publishedat", PU__FIELD_PUBLISHED, ANY},
    {"publishedts", PU__FIELD_PUBLISHED, ANY},
    {"publicationtime", PU__FIELD_PUBLISHED, ANY},
    {"publicationdate", PU__FIELD_PUBLISHED, ANY},
    {"releasedat", PU__FIELD_PUBLISHED, ANY},
    {"released", PU__FIELD_PUBLISHED, ANY},
    {"releasedate", PU__FIELD_PUBLISHED, ANY},
    {"availableat", PU__FIELD_PUBLISHED, ANY},
    {"realtimestart", PU__FIELD_PUBLISHED, MACRO},
    {"vintagedate", PU__FIELD_PUBLISHED, MACRO},
    {"value", PU__FIELD_VALUE, ANY & ~REGIME},
    {"lastfundingrate", PU__FIELD_VALUE, FUNDING},
    {"fundingrate", PU__FIELD_VALUE, FUNDING},
    {"rate", PU__FIELD_VALUE, FUNDING},
    {"score", PU__FIELD_VALUE, SENTIMENT},
    {"sentiment", PU__FIELD_VALUE, SENTIMENT},
    {"label", PU__FIELD_VALUE, REGIME},
    {"regime", PU__FIELD_VALUE, REGIME},
    {"state", PU__FIELD_VALUE, REGIME},
    {"symbol", PU__FIELD_SYMBOL, ANY & ~REGIME},
    {"ticker", PU__FIELD_SYMBOL, ANY & ~REGIME},
    {"asset", PU__FIELD_SYMBOL, ANY & ~REGIME},
    {"series", PU__FIELD_SERIES, ANY & ~REGIME},
    {"metric", PU__FIELD_SERIES, ONCHAIN},
    {"event", PU__FIELD_EVENT, MACRO},
    {"actual", PU__FIELD_ACTUAL, MACRO},
    {"forecast", PU__FIELD_FORECAST, MACRO},
    {"consensus", PU__FIELD_FORECAST, MACRO},
    {"previous", PU__FIELD_PREVIOUS, MACRO},
    {"announced", PU__FIELD_ANNOUNCED, MACRO},
    {"announcedat", PU__FIELD_ANNOUNCED, MACRO},
    {"calctime", PU__FIELD_SETTLED, FUNDING},
    {"fundingtime", PU__FIELD_SETTLED, FUNDING},
};

enum { USUAL_COUNT = sizeof usual / sizeof *usual, NAMED_FIELDS = PU__FIELD_SETTLED };

int pu__columns_find(const pu__columns *columns, const char *field) {
    if (strcmp(field, "date") == 0 || strcmp(field, "timestamp") == 0) return PU__FIELD_TIME; /* as for bars */
    if (columns->kind == PU_SERIES_REGIME && strcmp(field, "label") == 0) return PU__FIELD_VALUE;
    for (int i = 0; i < NAMED_FIELDS; ++i) {
        if (strcmp(field, pu__field_name[i]) == 0) return i;
    }
    return -1;
}

pu_status pu__columns_name(pu__columns *columns, const char *where, const char *field, const char *column) {
    const int found = pu__columns_find(columns, field);
    if (found < 0) {
        const char *nearest = pu__nearest(field, NAMED_FIELDS, pu__field_name);
        return pu_fail(
            PU_ERR_CONFIG,
            "%s: no field '%.40s'%s%s%s; there are time, published, value, symbol, series, and for a macro "
            "calendar event, actual, forecast, previous, announced",
            where, field, nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    }
    if (!*column || strlen(column) >= sizeof columns->named[found])
        return pu_fail(PU_ERR_CONFIG, "%s: %s: a column's name has 1 to 63 bytes", where, field);
    if (columns->named[found][0])
        return pu_fail(PU_ERR_CONFIG, "%s: %s is named twice, '%s' and '%s'", where, field, columns->named[found],
                       column);
    snprintf(columns->named[found], sizeof columns->named[found], "%s", column);
    return PU_OK;
}

bool pu__columns_is_header(const char *list) { return list && !strchr(list, '='); }

pu_status pu__columns_make(pu_series_kind kind, const char *list, pu__columns *out) {
    *out = (pu__columns){.kind = kind};
    for (const char *at = pu__columns_is_header(list) ? NULL : list; at && *at;) {
        char field[32], column[128];
        const size_t length = strcspn(at, ","), split = strcspn(at, "=");
        if (split >= length || split >= sizeof field || length - split > sizeof column)
            return pu_fail(PU_ERR_CONFIG,
                           "--columns: expects FIELD=COLUMN,..., such as time=observation_date, not '%.*s'",
                           (int)(length < 60 ? length : 60), at);
        snprintf(field, sizeof field, "%.*s", (int)split, at);
        snprintf(column, sizeof column, "%.*s", (int)(length - split - 1), at + split + 1);
        PU_TRY(pu__columns_name(out, "--columns", field, column));
        at += length + (at[length] == ',');
    }
    return PU_OK;
}

static bool is_named(pu__text name, const char *column) {
    return column[0] && strlen(column) == name.bytes && memcmp(name.data, column, name.bytes) == 0;
}

int pu__columns_field(const pu__columns *columns, pu__text name) {
    char plain[32];
    size_t used = 0;
    name = pu__trim(name);
    for (int i = 0; i < NAMED_FIELDS; ++i) {
        if (is_named(name, columns->named[i])) return i;
    }
    for (size_t i = 0; i < name.bytes; ++i) {
        const unsigned char c = (unsigned char)name.data[i];
        if (!isalnum(c)) continue;
        if (used + 1 == sizeof plain) return -1;
        plain[used++] = (char)tolower(c);
    }
    plain[used] = '\0';
    /* A time or a publication that the user names takes the place of the layout's moment of settlement. */
    const bool settled = !columns->named[PU__FIELD_TIME][0] && !columns->named[PU__FIELD_PUBLISHED][0];
    for (int i = 0; i < USUAL_COUNT; ++i) {
        if ((usual[i].kinds & (1 << columns->kind)) == 0 || strcmp(plain, usual[i].name) != 0) continue;
        const pu__field field = usual[i].field;
        if (field == PU__FIELD_SETTLED) return settled ? (int)field : -1;
        return columns->named[field][0] ? -1 : (int)field;
    }
    return -1;
}

static pu_status missing(const char *path, const char *what, const char *field, pu__text seen) {
    return pu_fail(PU_ERR_DATA, "%s:1: no column for the %s in '%.*s': name it with --columns %s=COLUMN", path,
                   what, (int)(seen.bytes < 200 ? seen.bytes : 200), seen.data, field);
}

static pu_status check_publication(const pu__columns *columns, const pu_series_options *options, const char *path,
                                   unsigned has, pu__text seen) {
    const unsigned known = 1u << PU__FIELD_PUBLISHED | 1u << PU__FIELD_SETTLED;
    const bool announced = columns->kind == PU_SERIES_MACRO && (has & 1u << PU__FIELD_ANNOUNCED) != 0;
    if ((has & known) != 0 && options->has_published_lag)
        return pu_fail(PU_ERR_CONFIG,
                       "%s has publication times; --published-lag is for files without: leave it out", path);
    if ((has & known) != 0 || options->has_published_lag || announced) return PU_OK;
    return pu_fail(
        PU_ERR_DATA,
        "%s:1: no publication time in '%.*s', so a value could be seen before anyone knew it. Name its column "
        "with --columns published=COLUMN, or say how long after its time a value is known, such as "
        "--published-lag 1d",
        path, (int)(seen.bytes < 200 ? seen.bytes : 200), seen.data);
}

pu_status pu__columns_check(const pu__columns *columns, const pu_series_options *options, const char *path,
                            unsigned has, pu__text seen) {
    const bool macro = columns->kind == PU_SERIES_MACRO;
    for (int i = 0; i < NAMED_FIELDS; ++i) {
        if (columns->named[i][0] && (has & 1u << i) == 0)
            return pu_fail(PU_ERR_DATA, "%s:1: no column '%s' in '%.*s': --columns names it as the %s", path,
                           columns->named[i], (int)(seen.bytes < 200 ? seen.bytes : 200), seen.data,
                           pu__field_name[i]);
    }
    if ((has & (1u << PU__FIELD_TIME | 1u << PU__FIELD_SETTLED)) == 0) return missing(path, "time", "time", seen);
    if (options->only && (has & (1u << PU__FIELD_EVENT | 1u << PU__FIELD_SERIES)) == 0)
        return pu_fail(PU_ERR_CONFIG, "%s: no column of series or events that --only could look at: leave it out",
                       path);
    const unsigned values =
        1u << PU__FIELD_VALUE | (macro ? 1u << PU__FIELD_ACTUAL | 1u << PU__FIELD_FORECAST : 0);
    if ((has & values) == 0)
        return columns->kind == PU_SERIES_REGIME ? missing(path, "label", "label", seen)
                                                 : missing(path, "value", "value", seen);
    return check_publication(columns, options, path, has, seen);
}
