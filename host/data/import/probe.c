#include "host/data/import/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/memory.h"

enum { PROBE_BYTES = 1 << 20, PROBE_ROWS = 8192, DAY_S = 86400 };

typedef struct findings {
    int64_t
        step[PROBE_ROWS]; /* distances between neighbouring rows of one symbol that can be read, without zeros */
    int steps, backward;
    int64_t across[PROBE_ROWS]; /* the same between rows of different symbols */
    int acrosses;
    int rows;
    bool date_only;
    bool several; /* symbols, or periods of one */
    int64_t period_s;
    char symbol[64];
} findings;

static void look_at_first_row(const pu__layout *layout, const pu__text *fields, const pu__moment *stamp,
                              findings *found) {
    const int period = layout->column[PU__ROLE_PERIOD], symbol = layout->column[PU__ROLE_SYMBOL];
    found->date_only = stamp->date_only;
    if (period >= 0) found->period_s = pu__row_period(fields[period]);
    if (symbol >= 0 && fields[symbol].bytes < sizeof found->symbol) {
        memcpy(found->symbol, fields[symbol].data, fields[symbol].bytes);
        found->symbol[fields[symbol].bytes] = '\0';
    }
}

static bool same_text(pu__text a, pu__text b) {
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

/* `text` holds whole lines only. *whole: all of them were looked at. */
static void look_at_rows(const pu__row_rules *rules, pu__text text, findings *found, bool *whole) {
    const pu__layout *layout = &rules->layout;
    const int column = layout->column[PU__ROLE_SYMBOL], period_column = layout->column[PU__ROLE_PERIOD];
    pu__text line, fields[PU__FIELDS_MAX + 1], symbol = {NULL, 0}, before = {NULL, 0};
    pu__text period = {NULL, 0}, period_before = {NULL, 0};
    pu__moment stamp_before = {0};
    while (found->steps < PROBE_ROWS && found->acrosses < PROBE_ROWS && pu__split_line(&text, &line)) {
        pu__moment stamp;
        if (pu__row_is_blank(rules, line) ||
            pu__split_fields(line, layout->delimiter, fields) != layout->columns ||
            pu__row_stamp(rules, fields, &stamp))
            continue;
        if (column >= 0) symbol = fields[column];
        if (period_column >= 0) period = fields[period_column];
        const bool same = same_text(symbol, before) && same_text(period, period_before);
        if (found->rows++ == 0) {
            look_at_first_row(layout, fields, &stamp, found);
        } else if (stamp.ts != stamp_before.ts && same) {
            found->backward += stamp.ts < stamp_before.ts;
            found->step[found->steps++] = pu__row_distance(&stamp_before, &stamp);
        } else if (stamp.ts != stamp_before.ts) {
            found->across[found->acrosses++] = pu__row_distance(&stamp_before, &stamp);
        }
        found->several |= found->rows > 1 && !same;
        stamp_before = stamp;
        before = symbol;
        period_before = period;
    }
    *whole = text.bytes == 0;
}

static pu_status settle_bar_length(const char *path, const pu_import_options *options, findings *found,
                                   pu__row_rules *rules) {
    int64_t *const step = found->steps > 0 ? found->step : found->across;
    const int steps = found->steps > 0 ? found->steps : found->acrosses;
    rules->bar_given = options->bar_s > 0;
    rules->period_s = found->period_s;
    if (options->bar_s > 0 || found->period_s > 0) {
        rules->bar_s = options->bar_s > 0 ? options->bar_s : found->period_s;
    } else if (steps > 0) {
        rules->bar_s = pu__bar_of_distances(step, steps, rules->layout.kind != PU_IMPORT_BINANCE);
        if (rules->bar_s == 0)
            return pu_fail(
                PU_ERR_DATA,
                "%s: a few rows that lie %.3g days apart do not tell the bar length: give it with --bar, "
                "such as --bar 1d",
                path, (double)step[(steps - 1) / 2] / DAY_S);
    } else if (found->date_only || found->rows == 0) {
        rules->bar_s = DAY_S; /* one row, or none that can be read: the rows' own errors are the better message */
        rules->bar_guessed = true;
    } else {
        return pu_fail(PU_ERR_DATA, "%s: one row does not tell the bar length: give it with --bar", path);
    }
    if (rules->bar_s > 366 * DAY_S) {
        return pu_fail(PU_ERR_DATA,
                       "%s: rows are %lld days apart, a bar is at most a year: give its length with --bar", path,
                       (long long)(rules->bar_s / DAY_S));
    }
    return PU_OK;
}

static void settle_stamp(const pu_import_options *options, const findings *found, pu__row_rules *rules,
                         bool *assumed) {
    const pu_import_layout kind = rules->layout.kind;
    rules->stamp = options->stamp != PU_IMPORT_STAMP_AUTO ? options->stamp : PU_IMPORT_STAMP_OPEN;
    *assumed = options->stamp == PU_IMPORT_STAMP_AUTO && !found->date_only && kind != PU_IMPORT_BINANCE &&
               kind != PU_IMPORT_YAHOO;
}

/* The part of `ahead` up to its last line end, or all of it when the file ends there. */
static pu__text whole_lines(const pu__lines *lines, pu__text ahead) {
    if (lines->at_end && lines->begin + ahead.bytes == lines->end) return ahead;
    while (ahead.bytes > 0 && ahead.data[ahead.bytes - 1] != '\n') --ahead.bytes;
    return ahead;
}

static pu_status probe_rows(pu__lines *lines, pu__text text, bool all, const pu_import_options *options,
                            pu__row_rules *rules, bool *stamp_assumed) {
    bool looked_at_all = false;
    findings *found = pu_calloc(1, sizeof *found);
    if (!found) return PU_ERR_MEMORY;
    look_at_rows(rules, text, found, &looked_at_all);
    rules->descending = 2 * found->backward > found->steps;
    snprintf(rules->symbol, sizeof rules->symbol, "%s", found->symbol);
    const bool column = rules->layout.column[PU__ROLE_SYMBOL] >= 0 && !options->symbol;
    rules->many = column && (found->several || !all || !looked_at_all || found->rows == 0);
    settle_stamp(options, found, rules, stamp_assumed);
    const pu_status status = settle_bar_length(lines->path, options, found, rules);
    rules->first_bar_s = found->several ? 0 : rules->bar_s;
    pu_free(found);
    return status;
}

/* Lines before the header, or the first row: as many as the mapping skips, and its comments. */
static void skip_head(pu__row_rules *rules, pu__text *text) {
    const pu__mapping *mapping = rules->mapping;
    pu__text line;
    while (mapping && text->bytes > 0) {
        pu__text rest = *text;
        if (!pu__split_line(&rest, &line)) return;
        if (rules->head_lines >= mapping->skip_lines && !pu__row_is_blank(rules, line)) return;
        *text = rest;
        ++rules->head_lines;
    }
}

pu_status pu__probe(pu__lines *lines, const pu_import_options *options, const pu__mapping *mapping,
                    pu__row_rules *rules, bool *stamp_assumed) {
    pu__text ahead, first;
    *rules = (pu__row_rules){.mapping = mapping};
    PU_TRY(pu__lines_peek(lines, PROBE_BYTES, &ahead));
    if (ahead.bytes == 0) return pu_fail(PU_ERR_DATA, "%s is empty", lines->path);
    const bool all = lines->at_end && lines->begin + ahead.bytes == lines->end;
    pu__text text = whole_lines(lines, ahead);
    skip_head(rules, &text);
    pu__text rows = text;
    if (!pu__split_line(&rows, &first) || first.bytes > PU__LINE_BYTES_MAX) {
        return pu_fail(PU_ERR_DATA, "%s:%lld: a line of more than %d bytes, or none: this is no file of bars",
                       lines->path, (long long)rules->head_lines + 1, PU__LINE_BYTES_MAX);
    }
    PU_TRY(pu__layout_detect(lines->path, first, options, mapping, &rules->layout));
    rules->head_lines += rules->layout.has_header;
    rules->adjusted = rules->layout.column[PU__ROLE_ADJUSTED] >= 0;
    return probe_rows(lines, rules->layout.has_header ? rows : text, all, options, rules, stamp_assumed);
}
