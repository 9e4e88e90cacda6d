#include "host/data/import/layout.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *const pu__role_name[PU__ROLE_COUNT] = {
    "date", "time", "open", "high", "low", "close", "adjusted close", "volume", "symbol", "period", "close time"};

/* Header names in lower case, with everything but letters and digits left out. */
static const struct {
    const char *name;
    pu__role role;
} names[] = {
    {"date", PU__ROLE_DATE},
    {"datetime", PU__ROLE_DATE},
    {"timestamp", PU__ROLE_DATE},
    {"ts", PU__ROLE_DATE},
    {"opentime", PU__ROLE_DATE},
    {"unix", PU__ROLE_DATE},
    {"time", PU__ROLE_CLOCK},
    {"open", PU__ROLE_OPEN},
    {"o", PU__ROLE_OPEN},
    {"high", PU__ROLE_HIGH},
    {"h", PU__ROLE_HIGH},
    {"low", PU__ROLE_LOW},
    {"l", PU__ROLE_LOW},
    {"close", PU__ROLE_CLOSE},
    {"c", PU__ROLE_CLOSE},
    {"last", PU__ROLE_CLOSE},
    {"adjclose", PU__ROLE_ADJUSTED},
    {"adjusted", PU__ROLE_ADJUSTED},
    {"adjustedclose", PU__ROLE_ADJUSTED},
    {"closeadj", PU__ROLE_ADJUSTED},
    {"volume", PU__ROLE_VOLUME},
    {"vol", PU__ROLE_VOLUME},
    {"v", PU__ROLE_VOLUME},
    {"symbol", PU__ROLE_SYMBOL},
    {"ticker", PU__ROLE_SYMBOL},
    {"per", PU__ROLE_PERIOD},
    {"closetime", PU__ROLE_CLOSE_TIME},
};

enum { NAME_COUNT = sizeof names / sizeof *names, BINANCE_COLUMNS = 12 };

int pu__role_of(pu__text field) {
    char plain[32];
    size_t used = 0;
    for (size_t i = 0; i < field.bytes; ++i) {
        const unsigned char c = (unsigned char)field.data[i];
        if (!isalnum(c)) continue;
        if (used + 1 == sizeof plain) return -1;
        plain[used++] = (char)tolower(c);
    }
    plain[used] = '\0';
    for (int i = 0; i < NAME_COUNT; ++i) {
        if (strcmp(plain, names[i].name) == 0) return (int)names[i].role;
    }
    return -1;
}

char pu__find_delimiter(pu__text line) {
    static const char marks[] = {',', ';', '\t', '|'};
    size_t best = 0;
    char found = ',';
    for (size_t m = 0; m < sizeof marks; ++m) {
        size_t count = 0;
        for (size_t i = 0; i < line.bytes; ++i) count += line.data[i] == marks[m];
        if (count > best) {
            best = count;
            found = marks[m];
        }
    }
    return found;
}

static pu_status map_header(const char *path, pu__text header, pu__layout *out) {
    const bool is_file = strcmp(path, "--columns") != 0;
    pu__text fields[PU__FIELDS_MAX + 1];
    const int count = pu__split_fields(header, out->delimiter, fields);
    if (count < 0 || count > PU__FIELDS_MAX) {
        return pu_fail(PU_ERR_DATA, "%s:1: a header with an open quote or more than %d columns", path,
                       PU__FIELDS_MAX);
    }
    out->columns = count;
    for (int i = 0; i < count; ++i) {
        const int role = pu__role_of(fields[i]);
        /* PER alone is a price-earnings ratio as often as a period. */
        if (role < 0 || (role == PU__ROLE_PERIOD && is_file && fields[i].data[0] != '<')) continue;
        if (out->column[role] >= 0) {
            return pu_fail(
                PU_ERR_DATA,
                "%s:1: columns %d and %d both are the %s: leave one, or name the columns with --columns", path,
                out->column[role] + 1, i + 1, pu__role_name[role]);
        }
        out->column[role] = i;
    }
    /* A lone "time" column holds the whole time. */
    if (out->column[PU__ROLE_DATE] < 0) {
        out->column[PU__ROLE_DATE] = out->column[PU__ROLE_CLOCK];
        out->column[PU__ROLE_CLOCK] = -1;
    }
    for (int role = 0; role <= PU__ROLE_CLOSE; ++role) {
        if (out->column[role] >= 0 || role == PU__ROLE_CLOCK) continue;
        return pu_fail(PU_ERR_DATA, "%s:1: no column '%s' in '%.*s'; name the columns with --columns", path,
                       pu__role_name[role], (int)(header.bytes < 200 ? header.bytes : 200), header.data);
    }
    return PU_OK;
}

static pu_import_layout kind_of_header(const pu__layout *layout) {
    const int *column = layout->column;
    if (column[PU__ROLE_CLOSE_TIME] >= 0 && layout->columns >= 7) return PU_IMPORT_BINANCE;
    if (column[PU__ROLE_PERIOD] >= 0) return PU_IMPORT_STOOQ;
    bool plain = column[PU__ROLE_CLOCK] < 0 && column[PU__ROLE_SYMBOL] < 0 && column[PU__ROLE_DATE] == 0;
    for (int i = 0; i < 4; ++i) plain = plain && column[PU__ROLE_OPEN + i] == i + 1;
    if (!plain) return PU_IMPORT_GENERIC;
    if (column[PU__ROLE_ADJUSTED] >= 0 && column[PU__ROLE_VOLUME] >= 0 && layout->columns == 7)
        return PU_IMPORT_YAHOO;
    const int expected = 5 + (column[PU__ROLE_VOLUME] >= 0);
    return layout->columns == expected ? PU_IMPORT_STOOQ : PU_IMPORT_GENERIC;
}

static void set_binance(pu__layout *out) {
    static const pu__role order[] = {PU__ROLE_DATE,  PU__ROLE_OPEN,   PU__ROLE_HIGH,      PU__ROLE_LOW,
                                     PU__ROLE_CLOSE, PU__ROLE_VOLUME, PU__ROLE_CLOSE_TIME};
    for (int i = 0; i < (int)(sizeof order / sizeof *order); ++i) out->column[order[i]] = i;
    out->columns = BINANCE_COLUMNS;
    out->kind = PU_IMPORT_BINANCE;
}

/* Twelve columns of numbers of which the first and the seventh are times. */
static bool looks_like_binance(pu__text line) {
    pu__text fields[PU__FIELDS_MAX + 1];
    int64_t open_time = 0, close_time = 0;
    return pu__split_fields(line, ',', fields) == BINANCE_COLUMNS && pu__parse_integer(fields[0], &open_time) &&
           pu__parse_integer(fields[6], &close_time) && open_time > 100000000 && close_time > open_time;
}

/* The column that a mapping calls by its name in the header, or by its number from 1. */
static pu_status find_column(const char *path, const char *name, int count, const pu__text *fields, int *out) {
    const pu__text text = {name, strlen(name)};
    int64_t number = 0;
    for (int i = 0; fields && i < count; ++i) {
        if (fields[i].bytes != text.bytes || strncasecmp(fields[i].data, name, text.bytes) != 0) continue;
        *out = i;
        return PU_OK;
    }
    if (!pu__parse_integer(text, &number)) {
        return fields ? pu_fail(PU_ERR_DATA, "%s: no column is called '%.60s': see the header, or give its number",
                                path, name)
                      : pu_fail(PU_ERR_DATA, "%s: without a header columns are numbers from 1, not '%.60s'", path,
                                name);
    }
    if (number < 1 || number > count)
        return pu_fail(PU_ERR_DATA, "%s: column %.20s is asked for, there are %d", path, name, count);
    *out = (int)number - 1;
    return PU_OK;
}

static pu_status map_columns(const char *path, pu__text first_line, const pu__mapping *mapping, pu__layout *out) {
    pu__text fields[PU__FIELDS_MAX + 1];
    const int count = pu__split_fields(first_line, out->delimiter, fields);
    if (count < 0 || count > PU__FIELDS_MAX) {
        return pu_fail(PU_ERR_DATA, "%s: a first line with an open quote or more than %d columns", path,
                       PU__FIELDS_MAX);
    }
    out->columns = count;
    out->kind = PU_IMPORT_GENERIC;
    for (int role = 0; role < PU__ROLE_COUNT; ++role) {
        if (mapping->column[role]) {
            PU_TRY(find_column(path, mapping->column[role], count, out->has_header ? fields : NULL,
                               &out->column[role]));
        } else if (role <= PU__ROLE_CLOSE && role != PU__ROLE_CLOCK) {
            return pu_fail(PU_ERR_CONFIG, "%s: the mapping names no column for the %s", path, pu__role_name[role]);
        }
    }
    return PU_OK;
}

pu_status pu__layout_detect(const char *path, pu__text first_line, const pu_import_options *options,
                            const pu__mapping *mapping, pu__layout *out) {
    *out = (pu__layout){.has_header = true, .delimiter = pu__find_delimiter(first_line)};
    for (int i = 0; i < PU__ROLE_COUNT; ++i) out->column[i] = -1;
    if (mapping) {
        out->has_header = mapping->has_header;
        if (mapping->delimiter) out->delimiter = *mapping->delimiter;
        if (pu__mapping_has_columns(mapping)) return map_columns(path, first_line, mapping, out);
    }
    if (options->columns) {
        out->has_header = false;
        const char delimiter = out->delimiter;
        const pu__text header = {options->columns, strlen(options->columns)};
        out->delimiter = ',';
        const pu_status status = map_header("--columns", header, out);
        out->delimiter = delimiter;
        if (status != PU_OK) return status;
        out->kind = options->layout != PU_IMPORT_AUTO ? options->layout : kind_of_header(out);
        return PU_OK;
    }
    if (looks_like_binance(first_line)) {
        out->has_header = false;
        set_binance(out);
    } else {
        out->has_header = true;
        PU_TRY(map_header(path, first_line, out));
        out->kind = kind_of_header(out);
    }
    if (options->layout == PU_IMPORT_AUTO || options->layout == out->kind) return PU_OK;
    if (options->layout == PU_IMPORT_BINANCE && out->column[PU__ROLE_CLOSE_TIME] < 0) {
        return pu_fail(PU_ERR_DATA,
                       "%s:1: not the Binance layout: 12 columns of which the seventh is the close time", path);
    }
    out->kind = options->layout;
    return PU_OK;
}

static bool is_currency(const char *code) {
    static const char known[] = "USD EUR GBP JPY CHF AUD NZD CAD SEK NOK DKK PLN CZK HUF ZAR MXN SGD HKD CNH CNY "
                                "TRY INR KRW THB ILS BRL RUB XAU XAG";
    for (const char *at = known;; at += 4) {
        if (strncasecmp(code, at, 3) == 0) return true;
        if (at[3] == '\0') return false;
    }
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcasecmp(text + length - tail, end) == 0;
}

/* Pairs that are quoted in a stable coin, and the two coins that are quoted in currencies everywhere. */
static bool is_coin_pair(const char *symbol, size_t length) {
    if (ends_with(symbol, "USDT") || ends_with(symbol, "USDC")) return true;
    return length == 6 && (strncasecmp(symbol, "BTC", 3) == 0 || strncasecmp(symbol, "ETH", 3) == 0) &&
           is_currency(symbol + 3);
}

const char *pu__layout_class(const pu__layout *layout, const char *symbol) {
    const size_t length = strlen(symbol);
    if (layout->kind == PU_IMPORT_BINANCE) return "crypto";
    if (symbol[0] == '^') return "index";
    if (length > 2 && strcmp(symbol + length - 2, "=F") == 0) return "future";
    if (length > 2 && strcmp(symbol + length - 2, "=X") == 0) return "forex";
    if (length > 4 && (strcmp(symbol + length - 4, "-USD") == 0 || strcmp(symbol + length - 4, "-EUR") == 0))
        return "crypto";
    if (is_coin_pair(symbol, length)) return "crypto";
    return length == 6 && is_currency(symbol) && is_currency(symbol + 3) ? "forex" : "equity";
}
