#include "host/data/store/schema_page.h"

#include <sqlite3.h>
#include <string.h>

#include "host/data/store/migrate.h"
#include "host/data/store/sql.h"

typedef struct words {
    const char *table, *column; /* column null: the table itself */
    const char *text;
} words;

static const words dictionary[] = {
#define PU_TABLE(table, text) {#table, NULL, text},
#define PU_COLUMN(table, column, text) {#table, #column, text},
#include "host/data/store/schema_words.def"
#undef PU_TABLE
#undef PU_COLUMN
};

enum { WORDS = sizeof dictionary / sizeof *dictionary };

static const char *const preface =
    "<!-- Made by `make docs` from host/data/store/schema_*.sql and schema_words.def: change those. -->\n\n"
    "# The store's tables\n\n"
    "One SQLite file holds everything that is not a model: bars, what they were made from, features, forecasts, "
    "trades. Any SQLite program can read it.\n\n"
    "**Versions.** `user_version` is the schema's version, now %d; `application_id` is `PLUs`. A released step "
    "never "
    "changes: a new version is a new file `host/data/store/schema_<n>.sql`. A store of an older version is "
    "brought "
    "forward, in one transaction, when a command opens it for writing (`plusultra assets migrate` does only "
    "that); a "
    "reader says so and leaves it as it is. A newer one is refused. Tests bring a store of every released version "
    "forward.\n\n"
    "**Rules.** All tables are STRICT. Times are seconds since 1970-01-01 UTC; a bar's time is its close. Real "
    "numbers "
    "are finite: SQLite keeps NaN out, range checks keep the infinities out. What is published later than it is "
    "dated "
    "carries both times, `ts` and `published_ts`, and joins go by `published_ts`; a revision is another row.\n\n"
    "**Checksums.** Bars, predictions, alternative values and feature blocks carry a checksum beside them, the "
    "small "
    "tables in `checksums`; `import` records and refused rows have none. `plusultra validate` compares all but "
    "the "
    "feature blocks, which are checked whenever they are read.\n\n";

static pu_status sql_failure(sqlite3 *db) {
    return pu_fail(PU_ERR_STORE, "cannot describe the schema: %s", sqlite3_errmsg(db));
}

static pu_status find_words(const char *table, const char *column, const char **text) {
    for (int i = 0; i < WORDS; ++i) {
        if (strcmp(dictionary[i].table, table) != 0) continue;
        const bool same = column ? dictionary[i].column && strcmp(dictionary[i].column, column) == 0
                                 : dictionary[i].column == NULL;
        if (!same) continue;
        *text = dictionary[i].text;
        return PU_OK;
    }
    return pu_fail(PU_ERR_ARGUMENT, "schema_words.def says nothing about %s%s%s", table, column ? "." : "",
                   column ? column : "");
}

/* Runs `row` for every row of a query whose ?1, where it has one, is `table`. */
typedef pu_status row_function(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query);
static pu_status each(FILE *out, sqlite3 *db, const char *sql, const char *table, row_function *row) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) return sql_failure(db);
    pu_status status = PU_OK;
    if (table && sqlite3_bind_text(query, 1, table, -1, SQLITE_STATIC) != SQLITE_OK) status = sql_failure(db);
    int code = SQLITE_DONE;
    while (status == PU_OK && (code = sqlite3_step(query)) == SQLITE_ROW) status = row(out, db, table, query);
    if (status == PU_OK && code != SQLITE_DONE) status = sql_failure(db);
    sqlite3_finalize(query);
    return status;
}

static const char *text_at(sqlite3_stmt *query, int column) {
    const unsigned char *text = sqlite3_column_text(query, column);
    return text ? (const char *)text : "";
}

/* Tables in the order in which the steps made them. */
static const char *const every_table =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid";

/* name, type, may be null, place in the key, table and column that it refers to */
static const char *const every_column =
    "SELECT c.name, c.type, c.\"notnull\" OR c.pk, c.pk, f.\"table\", "
    "coalesce(f.\"to\", (SELECT name FROM pragma_table_info(f.\"table\") WHERE pk = f.seq + 1)) "
    "FROM pragma_table_info(?1) AS c LEFT JOIN pragma_foreign_key_list(?1) AS f ON f.\"from\" = c.name "
    "GROUP BY c.cid ORDER BY c.cid";

static pu_status box_column(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)db, (void)table;
    const bool key = sqlite3_column_int(query, 3) > 0, reference = text_at(query, 4)[0] != '\0';
    if (key || reference)
        fprintf(out, "        %s %s %s%s%s\n", text_at(query, 1), text_at(query, 0), key ? "PK" : "",
                key && reference ? "," : "", reference ? "FK" : "");
    return PU_OK;
}

static pu_status box(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)table;
    const char *name = text_at(query, 0);
    fprintf(out, "    %s {\n", name);
    PU_TRY(each(out, db, every_column, name, box_column));
    fprintf(out, "    }\n");
    return PU_OK;
}

static pu_status arrow(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)db, (void)table;
    fprintf(out, "    %s %s--o{ %s : %s\n", text_at(query, 1), sqlite3_column_int(query, 3) ? "||" : "|o",
            text_at(query, 0), text_at(query, 2));
    return PU_OK;
}

static pu_status diagram(FILE *out, sqlite3 *db) {
    fprintf(out, "```mermaid\nerDiagram\n");
    PU_TRY(each(out, db, every_table, NULL, box));
    PU_TRY(each(out, db,
                "SELECT t.name, f.\"table\", f.\"from\", c.\"notnull\" OR c.pk FROM sqlite_schema AS t, "
                "pragma_foreign_key_list(t.name) AS f, pragma_table_info(t.name) AS c "
                "WHERE t.type = 'table' AND f.seq = 0 AND c.name = f.\"from\" ORDER BY t.rowid, f.id DESC",
                NULL, arrow));
    fprintf(out, "```\n");
    return PU_OK;
}

static pu_status column_row(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)db;
    const char *name = text_at(query, 0), *meaning = NULL, *target = text_at(query, 4);
    PU_TRY(find_words(table, name, &meaning));
    fprintf(out, "| %s | %s%s | ", name, text_at(query, 1), sqlite3_column_int(query, 2) ? "" : " or NULL");
    if (sqlite3_column_int(query, 3) > 0) fprintf(out, "key%s", *target ? ", " : "");
    if (*target) fprintf(out, "[%s](#%s).%s", target, target, text_at(query, 5));
    fprintf(out, " | %s |\n", meaning);
    return PU_OK;
}

static pu_status section(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)table;
    const char *name = text_at(query, 0), *meaning = NULL;
    PU_TRY(find_words(name, NULL, &meaning));
    fprintf(out, "\n## %s\n\n%s\n\n| column | type | key, reference | meaning |\n|---|---|---|---|\n", name,
            meaning);
    return each(out, db, every_column, name, column_row);
}

static pu_status described(FILE *out, sqlite3 *db, const char *table, sqlite3_stmt *query) {
    (void)out, (void)db, (void)query;
    return pu_fail(PU_ERR_ARGUMENT, "schema_words.def describes %s, which the schema has not", table);
}

/* Words that outlived what they describe. */
static pu_status check_words(sqlite3 *db) {
    for (int i = 0; i < WORDS; ++i) {
        char sql[256], what[128];
        const words *w = &dictionary[i];
        snprintf(what, sizeof what, "%s%s%s", w->table, w->column ? "." : "", w->column ? w->column : "");
        snprintf(
            sql, sizeof sql,
            "SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM pragma_table_info('%s') WHERE name = '%s' OR '%s' = '')",
            w->table, w->column ? w->column : "", w->column ? w->column : "");
        PU_TRY(each(NULL, db, sql, what, described));
    }
    return PU_OK;
}

static pu_status write_page(FILE *out, sqlite3 *db) {
    int count = 0;
    const pu__store_step *steps = pu__store_steps(&count);
    for (int i = 0; i < count; ++i) {
        if (sqlite3_exec(db, steps[i].sql, NULL, NULL, NULL) != SQLITE_OK) return sql_failure(db);
    }
    PU_TRY(check_words(db));
    fprintf(out, preface, count);
    PU_TRY(diagram(out, db));
    return each(out, db, every_table, NULL, section);
}

pu_status pu__schema_page(FILE *out) {
    sqlite3 *db = NULL;
    pu_status status =
        sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK
            ? write_page(out, db)
            : sql_failure(db);
    sqlite3_close(db);
    return status;
}
