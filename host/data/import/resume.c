#include "host/data/import/resume.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/data/store/digest.h"
#include "host/data/store/sql.h"

enum { RULES_BYTES = 512 };

bool pu__resume_possible(const pu__row_rules *rules, bool compressed) {
    return !compressed && !rules->many && !rules->descending && !rules->mapping;
}

/* Everything that the outcome of a row depends on, but for the row; the program's version stands for its code. */
static void write_rules(const pu__row_rules *rules, char out[RULES_BYTES]) {
    const pu__layout *layout = &rules->layout;
    int used = snprintf(out, RULES_BYTES, "%s;%s;%d;%d;%d;", PU_VERSION, pu_import_layout_name(layout->kind),
                        layout->has_header, layout->delimiter, layout->columns);
    for (int role = 0; role < PU__ROLE_COUNT; ++role)
        used += snprintf(out + used, RULES_BYTES - (size_t)used, "%d,", layout->column[role]);
    snprintf(out + used, RULES_BYTES - (size_t)used, ";%lld;%d;%lld;%lld;%s", (long long)rules->head_lines,
             (int)rules->stamp, (long long)rules->bar_s, (long long)rules->period_s, rules->symbol);
}

static pu_status prepare_of(pu_store *store, const char *sql, int64_t id, sqlite3_stmt **out) {
    PU_TRY(pu__sql_prepare(store, sql, out));
    if (sqlite3_bind_int64(*out, 1, id) == SQLITE_OK) return PU_OK;
    sqlite3_finalize(*out);
    *out = NULL;
    return pu__store_failure(store, "read the imports of");
}

static pu_status step(pu_store *store, sqlite3_stmt *query, bool *row) {
    return pu__sql_step(store, query, row, "read the imports of");
}

/* Values with their lengths, so that no two rows read the same. */
static pu_status hash_rows(pu_store *store, const char *sql, int64_t id, crypto_hash_sha256_state *hash) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_of(store, sql, id, &query));
    bool row = true;
    pu_status status = PU_OK;
    while ((status = step(store, query, &row)) == PU_OK && row) {
        for (int i = 0; i < sqlite3_column_count(query); ++i) {
            const unsigned char *text = sqlite3_column_text(query, i);
            const uint32_t bytes = (uint32_t)sqlite3_column_bytes(query, i);
            crypto_hash_sha256_update(hash, (const unsigned char *)&bytes, sizeof bytes);
            if (text) crypto_hash_sha256_update(hash, text, bytes);
        }
    }
    sqlite3_finalize(query);
    return status;
}

static pu_status seal_of(pu_store *store, int64_t import_id, char out[65]) {
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    PU_TRY(
        hash_rows(store,
                  "SELECT asset_id, sha256, bytes, rows_read, rows_rejected, lines, last_line, first_ts, last_ts, "
                  "saturday_bars, rules, bars, checksum FROM imports JOIN import_ends USING (import_id) WHERE "
                  "import_id = ?1",
                  import_id, &hash));
    PU_TRY(hash_rows(store, "SELECT line, reason, text FROM rejected_rows WHERE import_id = ?1 ORDER BY line",
                     import_id, &hash));
    pu__digest_end(&hash, out);
    return PU_OK;
}

typedef struct candidate {
    int64_t asset_id, import_id;
    char seal[65];
} candidate;

static pu_status find_candidate(pu_store *store, int64_t file_bytes, const char *rules, candidate *chosen,
                                pu__resume *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(
        prepare_of(store,
                   "SELECT import_id, seal, bytes, sha256, rows_read, rows_rejected, e.first_ts, e.last_ts, "
                   "lines, last_line, saturday_bars FROM imports AS i JOIN import_ends AS e USING (import_id) "
                   "JOIN assets AS a USING (asset_id) WHERE asset_id = ?1 AND i.bytes <= ?2 AND rules = ?3 "
                   "AND e.bars = a.bars AND e.checksum = a.checksum ORDER BY bytes DESC, import_id DESC LIMIT 1",
                   chosen->asset_id, &query));
    pu_status status = PU_OK;
    if (sqlite3_bind_int64(query, 2, file_bytes) != SQLITE_OK ||
        sqlite3_bind_text(query, 3, rules, -1, SQLITE_STATIC) != SQLITE_OK)
        status = pu__store_failure(store, "read the imports of");
    if (status == PU_OK) status = step(store, query, &out->found);
    if (status == PU_OK && out->found) {
        chosen->import_id = sqlite3_column_int64(query, 0);
        snprintf(chosen->seal, sizeof chosen->seal, "%s", (const char *)sqlite3_column_text(query, 1));
        out->bytes = sqlite3_column_int64(query, 2);
        snprintf(out->sha256, sizeof out->sha256, "%s", (const char *)sqlite3_column_text(query, 3));
        out->rows_read = sqlite3_column_int64(query, 4);
        out->rows_rejected = sqlite3_column_int64(query, 5);
        out->first_ts = sqlite3_column_int64(query, 6);
        out->last_ts = sqlite3_column_int64(query, 7);
        out->end.lines = sqlite3_column_int64(query, 8);
        out->end.state.last_line = sqlite3_column_int64(query, 9);
        out->saturday_bars = sqlite3_column_int64(query, 10);
    }
    sqlite3_finalize(query);
    return status;
}

/* The bar that was accepted last: the next row must follow it. */
static pu_status read_last_bar(pu_store *store, int64_t asset_id, pu__resume *out) {
    sqlite3_stmt *query = NULL;
    pu__bar *bar = &out->end.state.last;
    double *const value[] = {&bar->open, &bar->high, &bar->low, &bar->close, &bar->adjusted, &bar->volume};
    PU_TRY(prepare_of(
        store, "SELECT open, high, low, close, adjusted, volume FROM series WHERE asset_id = ?1 AND ts = ?2",
        asset_id, &query));
    pu_status status = sqlite3_bind_int64(query, 2, out->last_ts) == SQLITE_OK
                           ? step(store, query, &out->found)
                           : pu__store_failure(store, "read the imports of");
    for (int i = 0; i < 6 && status == PU_OK && out->found; ++i)
        *value[i] = sqlite3_column_type(query, i) == SQLITE_NULL ? NAN : sqlite3_column_double(query, i);
    bar->ts = out->last_ts;
    out->end.state.any = true;
    sqlite3_finalize(query);
    return status;
}

static pu_status read_rejects(pu_store *store, int64_t import_id, pu__record_list *list) {
    sqlite3_stmt *query = NULL;
    PU_TRY(prepare_of(store, "SELECT line, reason, text FROM rejected_rows WHERE import_id = ?1 ORDER BY line",
                      import_id, &query));
    bool row = true;
    pu_status status = PU_OK;
    while (status == PU_OK && (status = step(store, query, &row)) == PU_OK && row) {
        pu_import_reject reject = {.line = sqlite3_column_int64(query, 0)};
        snprintf(reject.reason, sizeof reject.reason, "%s", (const char *)sqlite3_column_text(query, 1));
        snprintf(reject.text, sizeof reject.text, "%s", (const char *)sqlite3_column_text(query, 2));
        status = pu__record_reject(list, 0, &reject);
    }
    sqlite3_finalize(query);
    return status;
}

pu_status pu__resume_find(pu_store *store, const char *symbol, const pu__row_rules *rules, int64_t file_bytes,
                          pu__resume *out) {
    candidate chosen = {0};
    char words[RULES_BYTES], seal[65];
    *out = (pu__resume){0};
    PU_TRY(pu__asset_find(store, symbol, rules->bar_s, &chosen.asset_id));
    if (chosen.asset_id == 0) return PU_OK;
    write_rules(rules, words);
    PU_TRY(find_candidate(store, file_bytes, words, &chosen, out));
    if (!out->found) return PU_OK;
    PU_TRY(seal_of(store, chosen.import_id, seal));
    out->found = strcmp(seal, chosen.seal) == 0;
    if (out->found) PU_TRY(read_last_bar(store, chosen.asset_id, out));
    return out->found ? read_rejects(store, chosen.import_id, &out->rejects) : PU_OK;
}

void pu__resume_free(pu__resume *resume) { pu__record_list_free(&resume->rejects); }

static pu_status insert_end(pu_store *store, int64_t import_id, const char *rules, const pu_import_symbol *counts,
                            int64_t saturday_bars, const pu__file_end *end) {
    sqlite3_stmt *insert = NULL;
    PU_TRY(prepare_of(
        store,
        "INSERT INTO import_ends (import_id, lines, last_line, first_ts, last_ts, saturday_bars, rules, "
        "bars, checksum, seal) SELECT i.import_id, ?2, ?3, ?4, ?5, ?6, ?7, a.bars, a.checksum, '' "
        "FROM imports AS i JOIN assets AS a USING (asset_id) WHERE i.import_id = ?1",
        import_id, &insert));
    const int64_t value[] = {end->lines, end->state.last_line, counts->first_ts, counts->last_ts, saturday_bars};
    int code = sqlite3_bind_text(insert, 7, rules, -1, SQLITE_STATIC);
    for (int i = 0; i < 5; ++i) code |= sqlite3_bind_int64(insert, 2 + i, value[i]);
    const pu_status status = code == SQLITE_OK ? pu__sql_run(store, insert, "record an import in")
                                               : pu__store_failure(store, "record an import in");
    sqlite3_finalize(insert);
    return status;
}

pu_status pu__resume_record(pu_store *store, int64_t import_id, const pu__row_rules *rules,
                            const pu_import_symbol *counts, int64_t saturday_bars, const pu__file_end *end) {
    char words[RULES_BYTES], seal[65];
    sqlite3_stmt *update = NULL;
    write_rules(rules, words);
    PU_TRY(insert_end(store, import_id, words, counts, saturday_bars, end));
    PU_TRY(seal_of(store, import_id, seal));
    PU_TRY(prepare_of(store, "UPDATE import_ends SET seal = ?2 WHERE import_id = ?1", import_id, &update));
    const pu_status status = sqlite3_bind_text(update, 2, seal, -1, SQLITE_STATIC) == SQLITE_OK
                                 ? pu__sql_run(store, update, "record an import in")
                                 : pu__store_failure(store, "record an import in");
    sqlite3_finalize(update);
    return status;
}
