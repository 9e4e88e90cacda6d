#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "host/data/alternative/reader.h"
#include "host/data/store/digest.h"
#include "plusultra/memory.h"

enum { NUMBER_BYTES = 40 };

typedef struct jsonl_reader {
    pu__reader base;
    pu__lines lines;
    const pu__columns *columns; /* borrowed */
    json_t *object;             /* the row's; its strings are lent out */
    char number[PU__FIELD_COUNT][NUMBER_BYTES];
} jsonl_reader;

static const char *kind_of(const json_t *value) {
    return json_is_object(value)    ? "an object"
           : json_is_array(value)   ? "an array"
           : json_is_boolean(value) ? "true or false"
                                    : "nothing that is known";
}

/* A value as the text that a CSV file would hold; 17 digits give a real number back bit for bit. */
static void take_value(jsonl_reader *reader, const char *key, const json_t *value, int field,
                       pu__reader_row *row) {
    char *number = reader->number[field];
    if (row->field[field].data) {
        pu__reader_refuse(row, "'%.60s' and another key both are the %s", key, pu__field_name[field]);
    } else if (json_is_string(value)) {
        row->field[field] = pu__trim((pu__text){json_string_value(value), json_string_length(value)});
    } else if (json_is_integer(value)) {
        snprintf(number, NUMBER_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        row->field[field] = (pu__text){number, strlen(number)};
    } else if (json_is_real(value)) {
        snprintf(number, NUMBER_BYTES, "%.17g", json_real_value(value));
        row->field[field] = (pu__text){number, strlen(number)};
    } else if (!json_is_null(value)) {
        pu__reader_refuse(row, "'%.60s' is %s; a number or a string is expected", key, kind_of(value));
    }
}

static void take_object(jsonl_reader *reader, pu__reader_row *row, unsigned *has) {
    const char *key;
    json_t *value;
    json_object_foreach(reader->object, key, value) {
        const int field = pu__columns_field(reader->columns, (pu__text){key, strlen(key)});
        if (field < 0 || row->error[0]) continue;
        *has |= 1u << field;
        take_value(reader, key, value, field, row);
    }
}

static pu_status read_line(jsonl_reader *reader, pu__text line, pu__reader_row *row, unsigned *has) {
    json_error_t error;
    json_decref(reader->object);
    reader->object = json_loadb(line.data, line.bytes, JSON_REJECT_DUPLICATES, &error);
    /* Where its scanner finds no memory jansson takes what comes next for a mistake of the line. A line with one fails
     * twice; if memory stays short, nothing can be stored either. */
    if (!reader->object) reader->object = json_loadb(line.data, line.bytes, JSON_REJECT_DUPLICATES, &error);
    if (!reader->object && (json_error_code(&error) == json_error_out_of_memory || !error.text[0]))
        return pu_fail(PU_ERR_MEMORY, "memory is short for a line of JSON");
    if (!reader->object) {
        pu__reader_refuse(row, "JSON, column %d: %.120s", error.column, error.text);
    } else if (!json_is_object(reader->object)) {
        pu__reader_refuse(row, "%s; one JSON object a line is expected",
                          json_is_array(reader->object) ? "an array" : "no object");
    } else {
        take_object(reader, row, has);
    }
    return PU_OK;
}

static pu_status jsonl_next(pu__reader *base, pu__reader_row *row, bool *found) {
    jsonl_reader *reader = (jsonl_reader *)base;
    pu__text line;
    unsigned has = 0;
    do {
        PU_TRY(pu__lines_next(&reader->lines, &line, found));
    } while (*found && pu__trim(line).bytes == 0);
    *row = (pu__reader_row){.line = reader->lines.line, .text = line};
    return *found ? read_line(reader, line, row, &has) : PU_OK;
}

static pu_status jsonl_finish(pu__reader *base, int64_t *bytes, char sha256[65]) {
    jsonl_reader *reader = (jsonl_reader *)base;
    *bytes = reader->lines.bytes;
    pu__digest_end(&reader->lines.hash, sha256);
    return PU_OK;
}

static void jsonl_close(pu__reader *base) {
    jsonl_reader *reader = (jsonl_reader *)base;
    json_decref(reader->object);
    pu__lines_close(&reader->lines);
    pu_free(reader);
}

/* The keys of the first object stand for a header: a file without publication times is refused as a whole. */
static pu_status check_first(jsonl_reader *reader, const pu_series_options *options) {
    pu__text ahead, line = {0};
    pu__reader_row row = {0};
    unsigned has = 0;
    PU_TRY(pu__lines_peek(&reader->lines, PU__LINE_BYTES_MAX + 1, &ahead));
    while (pu__split_line(&ahead, &line) && pu__trim(line).bytes == 0) continue;
    if (line.bytes > PU__LINE_BYTES_MAX)
        return pu_fail(PU_ERR_DATA, "%s:1: a line of more than %d bytes: write one JSON object a line",
                       reader->lines.path, PU__LINE_BYTES_MAX);
    PU_TRY(read_line(reader, line, &row, &has));
    if (row.error[0]) return pu_fail(PU_ERR_DATA, "%s:1: %s", reader->lines.path, row.error);
    return pu__columns_check(reader->columns, options, reader->lines.path, has, line);
}

pu_status pu__jsonl_open(pu__lines *lines, const pu__columns *columns, const pu_series_options *options,
                         pu__reader **out) {
    if (pu__columns_is_header(options->columns))
        return pu_fail(PU_ERR_CONFIG,
                       "%s holds JSON objects, which name their values: name columns with --columns FIELD=COLUMN",
                       lines->path);
    jsonl_reader *reader = pu_calloc(1, sizeof *reader);
    if (!reader) return PU_ERR_MEMORY;
    reader->base = (pu__reader){"jsonl", jsonl_next, jsonl_finish, jsonl_close};
    reader->lines = *lines;
    reader->columns = columns;
    const pu_status status = check_first(reader, options);
    if (status != PU_OK) {
        *lines = reader->lines;
        json_decref(reader->object);
        pu_free(reader);
        return status;
    }
    *out = &reader->base;
    return PU_OK;
}
