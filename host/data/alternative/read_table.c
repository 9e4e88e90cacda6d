#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/data/alternative/reader.h"
#include "host/data/import/foreign.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

enum { NUMBER_BYTES = 40, TEXT_BYTES = 256 };

typedef struct table_reader {
    pu__reader base;
    char *path;
    sqlite3 *db;
    sqlite3_stmt *rows;
    int columns;
    int64_t row;
    int field[PU__FIELDS_MAX];
    char number[PU__FIELDS_MAX][NUMBER_BYTES];
    char text[TEXT_BYTES];
} table_reader;

static pu_status table_failure(const table_reader *reader) {
    return pu__sql_failure(reader->db, reader->path, "read the SQLite file");
}

/* A column's value as the text that a CSV file would hold. SQLite itself would round a real number to 15 digits. */
static pu__text column_text(table_reader *reader, int column) {
    char *number = reader->number[column];
    switch (sqlite3_column_type(reader->rows, column)) {
    case SQLITE_INTEGER:
        snprintf(number, NUMBER_BYTES, "%" PRId64, (int64_t)sqlite3_column_int64(reader->rows, column));
        return (pu__text){number, strlen(number)};
    case SQLITE_FLOAT:
        snprintf(number, NUMBER_BYTES, "%.17g", sqlite3_column_double(reader->rows, column));
        return (pu__text){number, strlen(number)};
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(reader->rows, column);
        return text ? pu__trim((pu__text){text, (size_t)sqlite3_column_bytes(reader->rows, column)})
                    : (pu__text){0};
    }
    default: return (pu__text){0};
    }
}

static void append_text(table_reader *reader, size_t *used, pu__text field) {
    const size_t room = sizeof reader->text - *used - 2;
    const size_t bytes = field.bytes < room ? field.bytes : room;
    if (field.data) memcpy(reader->text + *used, field.data, bytes);
    *used += bytes;
    reader->text[(*used)++] = '|';
}

static pu_status table_next(pu__reader *base, pu__reader_row *row, bool *found) {
    table_reader *reader = (table_reader *)base;
    const int code = sqlite3_step(reader->rows);
    *found = code == SQLITE_ROW;
    *row = (pu__reader_row){.line = ++reader->row};
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        const pu_status status = table_failure(reader);
        return pu_fail_within(status, "%s, row %" PRId64, reader->path, reader->row);
    }
    size_t used = 0;
    for (int i = 0; *found && i < reader->columns; ++i) {
        const pu__text text = column_text(reader, i);
        const bool blob = sqlite3_column_type(reader->rows, i) == SQLITE_BLOB;
        if (used + 2 < sizeof reader->text) append_text(reader, &used, text);
        if (reader->field[i] < 0) continue;
        if (blob)
            pu__reader_refuse(row, "%s: a BLOB, a number or a text is expected", pu__field_name[reader->field[i]]);
        row->field[reader->field[i]] = text;
    }
    row->text = (pu__text){reader->text, used > 0 ? used - 1 : 0};
    return PU_OK;
}

static pu_status table_finish(pu__reader *base, int64_t *bytes, char sha256[65]) {
    enum { CHUNK = 1 << 16 };
    const table_reader *reader = (const table_reader *)base;
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    unsigned char *chunk = pu_calloc(1, CHUNK);
    const int file = open(reader->path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 && chunk ? 1 : -1;
    *bytes = 0;
    while (got > 0) {
        got = read(file, chunk, CHUNK);
        if (got < 0 && errno == EINTR) got = 1;
        else if (got > 0) {
            pu__digest_add(&hash, chunk, (size_t)got);
            *bytes += got;
        }
    }
    const int error = errno;
    if (file >= 0) close(file);
    const bool no_memory = !chunk;
    pu_free(chunk);
    if (no_memory) return PU_ERR_MEMORY;
    if (got < 0) return pu_fail(PU_ERR_IO, "cannot read %s: %s", reader->path, strerror(error));
    pu__digest_end(&hash, sha256);
    return PU_OK;
}

static void table_close(pu__reader *base) {
    table_reader *reader = (table_reader *)base;
    sqlite3_finalize(reader->rows);
    sqlite3_close(reader->db);
    pu_free(reader->path);
    pu_free(reader);
}

/* The only table, or a failure that lists them. */
static pu_status find_table(table_reader *reader, char *name, size_t capacity) {
    sqlite3_stmt *query = NULL;
    char known[256] = "";
    int count = 0, code = sqlite3_prepare_v2(reader->db,
                                             "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND "
                                             "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
                                             -1, &query, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(query);
        if (code != SQLITE_ROW) break;
        const char *text = (const char *)sqlite3_column_text(query, 0);
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%.60s", used ? ", " : "", text ? text : "");
        if (count++ == 0) snprintf(name, capacity, "%s", text ? text : "");
    }
    const pu_status status = code == SQLITE_DONE ? PU_OK : table_failure(reader);
    sqlite3_finalize(query);
    PU_TRY(status);
    if (count == 1) return PU_OK;
    if (count == 0) return pu_fail(PU_ERR_DATA, "%s holds no table", reader->path);
    return pu_fail(PU_ERR_CONFIG, "%s holds %d tables: choose one with --table: %s", reader->path, count, known);
}

static pu_status map_columns(table_reader *reader, const char *table, const pu__columns *columns, unsigned *has,
                             char *seen, size_t capacity) {
    int held_by[PU__FIELD_COUNT] = {0};
    reader->columns = sqlite3_column_count(reader->rows);
    if (reader->columns > PU__FIELDS_MAX)
        return pu_fail(PU_ERR_DATA, "%s: the table %.60s has more than %d columns", reader->path, table,
                       PU__FIELDS_MAX);
    for (int i = 0; i < reader->columns; ++i) {
        const char *name = sqlite3_column_name(reader->rows, i);
        if (!name) return pu_fail(PU_ERR_MEMORY, "memory is short");
        const int field = reader->field[i] = pu__columns_field(columns, (pu__text){name, strlen(name)});
        const size_t used = strlen(seen);
        snprintf(seen + used, capacity - used, "%s%.60s", used ? "," : "", name);
        if (field < 0) continue;
        if (*has & 1u << field)
            return pu_fail(
                PU_ERR_DATA, "%s: columns %d and %d of %.60s both are the %s: choose with --columns %s=COLUMN",
                reader->path, held_by[field], i + 1, table, pu__field_name[field], pu__field_name[field]);
        *has |= 1u << field;
        held_by[field] = i + 1;
    }
    return PU_OK;
}

static pu_status open_table(table_reader *reader, const pu__columns *columns, const pu_series_options *options) {
    char name[256] = "", seen[512] = "";
    unsigned has = 0;
    PU_TRY(pu__foreign_open(reader->path, &reader->db));
    if (options->table) snprintf(name, sizeof name, "%s", options->table);
    else PU_TRY(find_table(reader, name, sizeof name));
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
    if (!sql) return pu_fail(PU_ERR_MEMORY, "memory is short");
    const int code = sqlite3_prepare_v2(reader->db, sql, -1, &reader->rows, NULL);
    sqlite3_free(sql);
    if (code != SQLITE_OK) return table_failure(reader);
    PU_TRY(map_columns(reader, name, columns, &has, seen, sizeof seen));
    return pu__columns_check(columns, options, reader->path, has, (pu__text){seen, strlen(seen)});
}

pu_status pu__table_open(const char *path, const pu__columns *columns, const pu_series_options *options,
                         pu__reader **out) {
    if (pu__columns_is_header(options->columns))
        return pu_fail(PU_ERR_CONFIG,
                       "%s is a SQLite file, its columns have names: name columns with --columns FIELD=COLUMN",
                       path);
    table_reader *reader = pu_calloc(1, sizeof *reader);
    if (!reader) return PU_ERR_MEMORY;
    reader->base = (pu__reader){"sqlite", table_next, table_finish, table_close};
    reader->path = pu_strdup(path);
    const pu_status status = reader->path ? open_table(reader, columns, options) : PU_ERR_MEMORY;
    if (status != PU_OK) {
        table_close(&reader->base);
        return status;
    }
    *out = &reader->base;
    return PU_OK;
}
