#include <string.h>

#include "host/data/alternative/reader.h"
#include "host/data/import/layout.h"
#include "host/data/store/digest.h"
#include "plusultra/memory.h"

typedef struct csv_reader {
    pu__reader base;
    pu__lines lines;
    char delimiter;
    int columns;
    int field[PU__FIELDS_MAX]; /* of a column; -1 */
} csv_reader;

static pu_status csv_next(pu__reader *base, pu__reader_row *row, bool *found) {
    csv_reader *reader = (csv_reader *)base;
    pu__text line, fields[PU__FIELDS_MAX + 1];
    do {
        PU_TRY(pu__lines_next(&reader->lines, &line, found));
    } while (*found && pu__trim(line).bytes == 0);
    *row = (pu__reader_row){.line = reader->lines.line, .text = line};
    if (!*found) return PU_OK;
    if (memchr(line.data, '\0', line.bytes)) {
        pu__reader_refuse(row, "a zero byte: the file is damaged or not text");
        return PU_OK;
    }
    const int count = pu__split_fields(line, reader->delimiter, fields);
    if (count < 0) pu__reader_refuse(row, "a quote is not closed");
    else if (count != reader->columns)
        pu__reader_refuse(row, "%d columns, %d are expected", count, reader->columns);
    for (int i = 0; i < reader->columns && !row->error[0]; ++i) {
        if (reader->field[i] >= 0) row->field[reader->field[i]] = fields[i];
    }
    return PU_OK;
}

static pu_status csv_finish(pu__reader *base, int64_t *bytes, char sha256[65]) {
    csv_reader *reader = (csv_reader *)base;
    *bytes = reader->lines.bytes;
    pu__digest_end(&reader->lines.hash, sha256);
    return PU_OK;
}

static void csv_close(pu__reader *base) {
    csv_reader *reader = (csv_reader *)base;
    pu__lines_close(&reader->lines);
    pu_free(reader);
}

static pu_status map_header(csv_reader *reader, const char *where, pu__text header, char delimiter,
                            const pu__columns *columns, unsigned *has) {
    pu__text names[PU__FIELDS_MAX + 1];
    int held_by[PU__FIELD_COUNT] = {0};
    reader->columns = pu__split_fields(header, delimiter, names);
    *has = 0;
    if (reader->columns < 0 || reader->columns > PU__FIELDS_MAX)
        return pu_fail(PU_ERR_DATA, "%s:1: a header with an open quote or more than %d columns", where,
                       PU__FIELDS_MAX);
    for (int i = 0; i < reader->columns; ++i) {
        const int field = reader->field[i] = pu__columns_field(columns, names[i]);
        if (field < 0) continue;
        if (*has & 1u << field)
            return pu_fail(PU_ERR_DATA, "%s:1: columns %d and %d both are the %s: choose with --columns %s=COLUMN",
                           where, held_by[field], i + 1, pu__field_name[field], pu__field_name[field]);
        *has |= 1u << field;
        held_by[field] = i + 1;
    }
    return PU_OK;
}

static pu_status read_header(csv_reader *reader, const pu__columns *columns, const pu_series_options *options) {
    pu__text header, ahead;
    unsigned has = 0;
    bool found = false;
    if (pu__columns_is_header(options->columns)) {
        header = (pu__text){options->columns, strlen(options->columns)};
        PU_TRY(pu__lines_peek(&reader->lines, PU__LINE_BYTES_MAX, &ahead));
        pu__text first = ahead;
        reader->delimiter = pu__split_line(&ahead, &first) ? pu__find_delimiter(first) : ',';
        PU_TRY(map_header(reader, "--columns", header, ',', columns, &has));
    } else {
        PU_TRY(pu__lines_next(&reader->lines, &header, &found));
        reader->delimiter = pu__find_delimiter(header);
        PU_TRY(map_header(reader, reader->lines.path, header, reader->delimiter, columns, &has));
    }
    return pu__columns_check(columns, options, reader->lines.path, has, header);
}

pu_status pu__csv_open(pu__lines *lines, const pu__columns *columns, const pu_series_options *options,
                       pu__reader **out) {
    csv_reader *reader = pu_calloc(1, sizeof *reader);
    if (!reader) return PU_ERR_MEMORY;
    reader->base = (pu__reader){"csv", csv_next, csv_finish, csv_close};
    reader->lines = *lines;
    const pu_status status = read_header(reader, columns, options);
    if (status != PU_OK) {
        *lines = reader->lines;
        pu_free(reader);
        return status;
    }
    *out = &reader->base;
    return PU_OK;
}
