#include "host/data/import/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "host/data/import/database_state.h"
#include "host/data/import/foreign.h"
#include "host/data/store/migrate.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { TABLES_MAX = 4096 };

pu_status pu__database_magic(const char *path, bool *database) {
    static const char magic[] = "SQLite format 3"; /* with its zero byte */
    enum { APPLICATION_ID = 68, HEAD_BYTES = 72 }; /* sqlite.org/fileformat.html, 1.3 */
    unsigned char head[HEAD_BYTES];
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *database = false;
    if (file < 0)
        return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot open %s: %s", path,
                       strerror(errno));
    const int64_t got = pu__read_at(file, 0, head, sizeof head);
    const int error = errno;
    close(file);
    if (got < 0 && error == ESPIPE) return PU_OK; /* a pipe: what reads text says so */
    if (got < 0) return pu_fail(PU_ERR_IO, "cannot read %s: %s", path, strerror(error));
    *database = got == (int64_t)sizeof head && memcmp(head, magic, sizeof magic) == 0;
    if (!*database) return PU_OK;
    const unsigned char *id = head + APPLICATION_ID;
    const uint32_t application = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    /* Its bars carry the number of their asset, not a symbol, and are stamped at the close. */
    if (application == PU__STORE_APPLICATION)
        return pu_fail(
            PU_ERR_DATA,
            "%s is a store of Plus Ultra: use it with --store; one of its assets is copied by `plusultra "
            "assets prices` into a CSV file, imported with --stamp close",
            path);
    return PU_OK;
}

static pu_status failure(pu__database *table) { return pu__sql_failure(table->db, table->path, "read"); }

static pu_status prepare(pu__database *table, const char *sql, const char *name, sqlite3_stmt **out) {
    if (sqlite3_prepare_v2(table->db, sql, -1, out, NULL) != SQLITE_OK) return failure(table);
    if (!name || sqlite3_bind_text(*out, 1, name, -1, SQLITE_STATIC) == SQLITE_OK) return PU_OK;
    const pu_status status = failure(table);
    sqlite3_finalize(*out);
    *out = NULL;
    return status;
}

static void set_column(pu__database *table, int role, const char *name) {
    snprintf(table->column[role], sizeof table->column[role], "%s", name);
}

/* A column takes the roles that the mapping gives it, or else the one of its name. */
static void take_column(pu__database *table, const char *name) {
    const bool mapped = table->mapping && pu__mapping_has_columns(table->mapping);
    if (strlen(name) >= PU__DATABASE_NAME_BYTES) return;
    if (sqlite3_stricmp(name, "rowid") == 0) table->has_rowid = false;
    if (!mapped) {
        const int role = pu__role_of((pu__text){name, strlen(name)});
        if (role >= 0 && !table->column[role][0]) set_column(table, role, name);
        return;
    }
    for (int role = 0; role < PU__ROLE_COUNT; ++role) {
        const char *wanted = table->mapping->column[role];
        if (wanted && sqlite3_stricmp(wanted, name) == 0) set_column(table, role, name);
    }
}

/* "name", with quotation marks doubled; NULL where there is none. */
static void add_name(pu__buffer *sql, const char *name) {
    if (!*name) {
        pu__buffer_add(sql, "NULL", 4);
        return;
    }
    pu__buffer_add(sql, "\"", 1);
    for (; *name; ++name) pu__buffer_add(sql, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
    pu__buffer_add(sql, "\"", 1);
}

static pu_status prepare_built(pu__database *table, pu__buffer *sql, sqlite3_stmt **out) {
    char *text = pu__buffer_take(sql);
    if (!text) return PU_ERR_MEMORY;
    const pu_status status = prepare(table, text, NULL, out);
    pu_free(text);
    return status;
}

/* Sets the columns of one table; *missing: the first role that it has no column for, or null. */
static pu_status find_columns(pu__database *table, const char *name, const char **missing) {
    enum { NAME = 1, HIDDEN = 6 };
    sqlite3_stmt *query = NULL;
    pu__buffer sql = {0};
    memset(table->column, 0, sizeof table->column);
    table->has_rowid = true;
    pu__buffer_printf(&sql, "PRAGMA table_xinfo(");
    add_name(&sql, name);
    pu__buffer_printf(&sql, ")");
    PU_TRY(prepare_built(table, &sql, &query));
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(query, NAME);
        if (!column) break;
        if (sqlite3_column_int(query, HIDDEN) != 1) take_column(table, column);
    }
    const pu_status status = code == SQLITE_DONE ? PU_OK : failure(table);
    sqlite3_finalize(query);
    if (!table->column[PU__ROLE_DATE][0]) {
        set_column(table, PU__ROLE_DATE, table->column[PU__ROLE_CLOCK]);
        table->column[PU__ROLE_CLOCK][0] = '\0';
    }
    *missing = NULL;
    for (int role = PU__ROLE_CLOSE; role >= 0; --role) {
        if (role != PU__ROLE_CLOCK && !table->column[role][0]) *missing = pu__role_name[role];
    }
    const pu__mapping *mapping = table->mapping;
    for (int role = 0; mapping && role < PU__ROLE_COUNT; ++role) {
        if (mapping->column[role] && !table->column[role][0]) *missing = mapping->column[role];
    }
    return status;
}

typedef struct table_choice {
    int fitting, seen;
    bool has_series;                         /* one of those that fit is called "series" */
    char first[PU__DATABASE_NAME_BYTES];     /* that fits */
    char names[4 * PU__DATABASE_NAME_BYTES]; /* of those that fit */
} table_choice;

static pu_status look_at_table(pu__database *table, const char *name, table_choice *choice) {
    const char *missing = NULL;
    if (++choice->seen > TABLES_MAX || strlen(name) >= PU__DATABASE_NAME_BYTES) return PU_OK;
    const pu_status status = find_columns(table, name, &missing);
    const bool broken = status != PU_OK && (sqlite3_errcode(table->db) & 0xff) == SQLITE_ERROR;
    if (status != PU_OK) return broken ? PU_OK : status; /* a view that is broken fits nothing */
    if (missing) return PU_OK;
    if (choice->fitting++ == 0) snprintf(choice->first, sizeof choice->first, "%s", name);
    choice->has_series |= sqlite3_stricmp(name, "series") == 0;
    const size_t used = strlen(choice->names);
    snprintf(choice->names + used, sizeof choice->names - used, "%s%s", used ? ", " : "", name);
    return PU_OK;
}

static pu_status look_at_tables(pu__database *table, table_choice *choice) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare(
        table,
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' "
        "AND substr(sql, 1, 14) <> 'CREATE VIRTUAL' ORDER BY name",
        NULL, &query));
    int code = SQLITE_ROW;
    pu_status status = PU_OK;
    while (status == PU_OK && (code = sqlite3_step(query)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(query, 0);
        status = name ? look_at_table(table, name, choice) : failure(table);
    }
    if (status == PU_OK && code != SQLITE_DONE) status = failure(table);
    sqlite3_finalize(query);
    return status;
}

static pu_status choose_table(pu__database *table) {
    table_choice choice = {0};
    const char *missing = NULL, *wanted = table->options->table;
    if (!wanted) {
        PU_TRY(look_at_tables(table, &choice));
        if (choice.fitting == 0) {
            return pu_fail(PU_ERR_DATA,
                           "%s: no table or view has columns for date, open, high, low and close: name them with "
                           "--table and --columns date=...,open=...",
                           table->path);
        }
        if (choice.fitting > 1 && !choice.has_series) {
            return pu_fail(PU_ERR_DATA, "%s: several tables could be meant, %.400s: name one with --table",
                           table->path, choice.names);
        }
        wanted = choice.has_series ? "series" : choice.first;
    }
    if (strlen(wanted) >= PU__DATABASE_NAME_BYTES) return pu_fail(PU_ERR_ARGUMENT, "the table's name is too long");
    snprintf(table->name, sizeof table->name, "%s", wanted);
    PU_TRY(find_columns(table, table->name, &missing));
    if (!missing) return PU_OK;
    return pu_fail(
        PU_ERR_DATA,
        "%s: no table '%s', or it has no column '%s': name them with --table and --columns date=...,open=...",
        table->path, table->name, missing);
}

static void add_time(const pu__database *table, pu__buffer *sql) {
    pu__buffer_printf(sql, "pu_import_time(");
    add_name(sql, table->column[PU__ROLE_DATE]);
    if (table->column[PU__ROLE_CLOCK][0]) {
        pu__buffer_printf(sql, ", ");
        add_name(sql, table->column[PU__ROLE_CLOCK]);
    }
    pu__buffer_printf(sql, ")");
}

/* The one whole number of a query; 0 when it gives another value or none. Finalizes the query. */
static pu_status read_integer(pu__database *table, sqlite3_stmt *query, int64_t *out) {
    const int code = sqlite3_step(query);
    *out =
        code == SQLITE_ROW && sqlite3_column_type(query, 0) == SQLITE_INTEGER ? sqlite3_column_int64(query, 0) : 0;
    const pu_status status = code == SQLITE_ROW || code == SQLITE_DONE ? PU_OK : failure(table);
    sqlite3_finalize(query);
    return status;
}

static pu_status ask(pu__database *table, const char *before, int64_t *out) {
    pu__buffer sql = {0};
    sqlite3_stmt *query = NULL;
    pu__buffer_printf(&sql, "%s", before);
    add_name(&sql, table->name);
    PU_TRY(prepare_built(table, &sql, &query));
    return read_integer(table, query, out);
}

/* The same of a query about the table's name, ?1. */
static pu_status ask_schema(pu__database *table, const char *sql, int64_t *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare(table, sql, table->name, &query));
    return read_integer(table, query, out);
}

/* How many rows a table has and whether their numbers can be told to a person: views have row numbers of their own
 * making, and a rejected row's number must be positive. */
static pu_status count_rows(pu__database *table, bool *plain) {
    int64_t tables = 0, first = 0;
    PU_TRY(ask_schema(table, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                      &tables));
    *plain = tables != 0;
    if (*plain && table->has_rowid) {
        const pu_status status = ask(table, "SELECT min(rowid) FROM ", &first);
        if (status != PU_OK && status != PU_ERR_STORE) return status; /* a table may have none */
    }
    table->has_rowid = first >= 1;
    return *plain ? ask(table, "SELECT count(*) FROM ", &table->rows) : PU_OK;
}

/* Whether the first row has a clock time, of which nothing says what it stamps. */
static pu_status look_at_first_time(pu__database *table) {
    pu__buffer sql = {0};
    sqlite3_stmt *query = NULL;
    pu__buffer_printf(&sql, "SELECT ");
    add_time(table, &sql);
    pu__buffer_printf(&sql, " FROM ");
    add_name(&sql, table->name);
    pu__buffer_printf(&sql, " LIMIT 1");
    PU_TRY(prepare_built(table, &sql, &query));
    const int code = sqlite3_step(query);
    table->stamp_assumed = code == SQLITE_ROW && sqlite3_column_type(query, 0) == SQLITE_INTEGER &&
                           (sqlite3_column_int64(query, 0) & 1) == 0 &&
                           table->options->stamp == PU_IMPORT_STAMP_AUTO;
    const pu_status status = code == SQLITE_ROW || code == SQLITE_DONE ? PU_OK : failure(table);
    sqlite3_finalize(query);
    return status;
}

/* Holds the file's state of this moment. */
static pu_status hold_state(pu__database *table) {
    PU_TRY(prepare(table, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, &table->hold));
    const int code = sqlite3_step(table->hold);
    return code == SQLITE_ROW || code == SQLITE_DONE ? PU_OK : failure(table);
}

static bool picks_symbol(const pu__database *table) {
    return table->column[PU__ROLE_SYMBOL][0] && table->options->symbol;
}

/* The symbol's column, or what stands for it, in a query that gives the rows as they lie or in order. */
static void add_symbol(const pu__database *table, pu__buffer *sql) {
    if (table->column[PU__ROLE_SYMBOL][0]) add_name(sql, table->column[PU__ROLE_SYMBOL]);
    else pu__buffer_printf(sql, "?1");
}

static pu_status bind_symbol(pu__database *table, sqlite3_stmt *query) {
    if (sqlite3_bind_parameter_count(query) == 0 ||
        sqlite3_bind_text(query, 1, table->symbol, -1, SQLITE_STATIC) == SQLITE_OK)
        return PU_OK;
    return failure(table);
}

/* Where the rows are, and which; as they lie means that no index chooses the order. */
static void add_source(const pu__database *table, bool as_they_lie, pu__buffer *sql) {
    pu__buffer_printf(sql, " FROM ");
    add_name(sql, table->name);
    if (as_they_lie) pu__buffer_printf(sql, " NOT INDEXED");
    if (!picks_symbol(table)) return;
    pu__buffer_printf(sql, " WHERE ");
    add_name(sql, table->column[PU__ROLE_SYMBOL]);
    pu__buffer_printf(sql, " = ?1 COLLATE BINARY");
}

/* One pass over symbols and times costs a fraction of sorting whole rows. An index may find the rows of one symbol
 * without reading all others: there the rows are not read as they lie. */
static pu_status look_at_order(pu__database *table) {
    pu__buffer sql = {0};
    sqlite3_stmt *query = NULL;
    int64_t indexes = 0;
    if (picks_symbol(table))
        PU_TRY(ask_schema(table,
                          "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE "
                          "NOCASE",
                          &indexes));
    if (indexes > 0) return PU_OK;
    pu__buffer_printf(&sql, "SELECT ");
    add_symbol(table, &sql);
    pu__buffer_printf(&sql, ", ");
    add_name(&sql, table->column[PU__ROLE_DATE]);
    if (table->column[PU__ROLE_CLOCK][0]) {
        pu__buffer_printf(&sql, ", ");
        add_name(&sql, table->column[PU__ROLE_CLOCK]);
    }
    add_source(table, true, &sql);
    PU_TRY(prepare_built(table, &sql, &query));
    pu_status status = bind_symbol(table, query);
    if (status == PU_OK) status = pu__database_in_order(table, query, &table->in_order);
    sqlite3_finalize(query);
    return status;
}

/* By symbol and time; rows of the same time in the order they lie in. */
static pu_status prepare_query(pu__database *table) {
    static const pu__role values[] = {PU__ROLE_OPEN,  PU__ROLE_HIGH,     PU__ROLE_LOW,
                                      PU__ROLE_CLOSE, PU__ROLE_ADJUSTED, PU__ROLE_VOLUME};
    pu__buffer sql = {0};
    pu__buffer_printf(&sql, "SELECT ");
    add_symbol(table, &sql);
    pu__buffer_printf(&sql, ", ");
    if (table->in_order) add_name(&sql, table->column[PU__ROLE_CLOCK]);
    else add_time(table, &sql);
    pu__buffer_printf(&sql, ", %s, ", table->has_rowid ? "rowid" : "NULL");
    add_name(&sql, table->column[PU__ROLE_DATE]);
    for (size_t i = 0; i < sizeof values / sizeof *values; ++i) {
        pu__buffer_printf(&sql, ", ");
        add_name(&sql, table->column[values[i]]);
    }
    add_source(table, table->in_order, &sql);
    if (!table->in_order)
        pu__buffer_printf(&sql, " ORDER BY 1 COLLATE BINARY, 2%s", table->has_rowid ? ", 3" : "");
    PU_TRY(prepare_built(table, &sql, &table->query));
    return bind_symbol(table, table->query);
}

static pu_status open_on(pu__database *table) {
    struct stat info;
    if (stat(table->path, &info) != 0)
        return pu_fail(PU_ERR_IO, "cannot open %s: %s", table->path, strerror(errno));
    table->bytes = info.st_size;
    PU_TRY(pu__foreign_open(table->path, &table->db));
    PU_TRY(pu__database_register_time(table));
    PU_TRY(hold_state(table));
    PU_TRY(choose_table(table));
    bool plain = false;
    PU_TRY(count_rows(table, &plain));
    PU_TRY(look_at_first_time(table));
    if (plain) PU_TRY(look_at_order(table));
    return prepare_query(table);
}

static void set_rules(const pu__database *table, pu__row_rules *rules) {
    const pu_import_options *options = table->options;
    *rules = (pu__row_rules){.mapping = table->mapping, .many = true};
    rules->layout.kind = PU_IMPORT_SQLITE;
    rules->stamp = options->stamp != PU_IMPORT_STAMP_AUTO ? options->stamp : PU_IMPORT_STAMP_OPEN;
    rules->bar_s = options->bar_s;
    rules->bar_given = options->bar_s > 0;
    rules->adjusted = table->column[PU__ROLE_ADJUSTED][0] != '\0';
}

pu_status pu__database_open(const char *path, const pu_import_options *options, const pu__mapping *mapping,
                            const char *symbol, pu__row_rules *rules, pu__database **out) {
    *out = NULL;
    pu__database *table = pu_calloc(1, sizeof *table);
    if (!table) return PU_ERR_MEMORY;
    *table = (pu__database){
        .source = {.next = pu__database_next}, .path = path, .options = options, .mapping = mapping};
    snprintf(table->symbol, sizeof table->symbol, "%s", symbol);
    crypto_hash_sha256_init(&table->hash);
    const pu_status status = open_on(table);
    if (status != PU_OK) {
        pu__database_close(table);
        return status;
    }
    set_rules(table, rules);
    *out = table;
    return PU_OK;
}

void pu__database_close(pu__database *table) {
    if (!table) return;
    sqlite3_finalize(table->query);
    sqlite3_finalize(table->hold);
    sqlite3_close_v2(table->db);
    pu_free(table);
}

pu__row_source *pu__database_source(pu__database *table) { return &table->source; }
crypto_hash_sha256_state *pu__database_hash(pu__database *table) { return &table->hash; }
const int64_t *pu__database_bytes(const pu__database *table) { return &table->bytes; }
int64_t pu__database_rows(const pu__database *table) { return table->rows; }
bool pu__database_stamp_assumed(const pu__database *table) { return table->stamp_assumed; }
