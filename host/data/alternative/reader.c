#include "host/data/alternative/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/memory.h"

enum { PEEK_BYTES = 4096 };

void pu__reader_refuse(pu__reader_row *row, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->error, sizeof row->error, format, arguments);
    va_end(arguments);
}

static bool is_sqlite(pu__text ahead) {
    static const char magic[16] = "SQLite format 3";
    return ahead.bytes >= sizeof magic && memcmp(ahead.data, magic, sizeof magic) == 0;
}

/* The first character that is no blank. */
static char first_mark(pu__text ahead) {
    for (size_t i = 0; i < ahead.bytes; ++i) {
        if (!strchr(" \t\r\n", ahead.data[i])) return ahead.data[i];
    }
    return '\0';
}

static pu_status open_lines(pu__lines *lines, const pu__columns *columns, const pu_series_options *options,
                            pu__reader **out) {
    pu__text ahead;
    PU_TRY(pu__lines_peek(lines, PEEK_BYTES, &ahead));
    if (ahead.bytes == 0) return pu_fail(PU_ERR_DATA, "%s is empty", lines->path);
    if (is_sqlite(ahead)) return pu__table_open(lines->path, columns, options, out);
    if (options->table) return pu_fail(PU_ERR_CONFIG, "%s is no SQLite file: leave --table out", lines->path);
    const char mark = first_mark(ahead);
    if (mark == '[')
        return pu_fail(PU_ERR_DATA, "%s:1: a JSON array; write one object a line, as `jq -c '.[]'` does",
                       lines->path);
    return mark == '{' ? pu__jsonl_open(lines, columns, options, out) : pu__csv_open(lines, columns, options, out);
}

pu_status pu__reader_open(const char *path, const pu__columns *columns, const pu_series_options *options,
                          pu__reader **out) {
    pu__lines lines;
    *out = NULL;
    PU_TRY(pu__lines_open(path, &lines));
    const pu_status status = open_lines(&lines, columns, options, out);
    const bool taken = status == PU_OK && strcmp((*out)->format, "sqlite") != 0;
    if (!taken) pu__lines_close(&lines);
    return status;
}
