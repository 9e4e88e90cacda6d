/* A file that grew is read on from where its last import ended, and what comes out is what parsing all of it gives:
 * two stores take the same files, and one of them forgets before each import where the last one ended. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/import.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum { SEED = 20261123, TEXT_BYTES = 8 << 20, FIRST_TS = 1577836800, STEP_S = 300 };

typedef struct twins {
    pu_store *fast, *slow; /* the slow one never resumes */
    const char *path;
    char *text;
    size_t bytes;
    int64_t next_ts;
    const char *line_end;
    int imports, resumed;
} twins;

static char *folder;

static int begin(void **state) {
    (void)state;
    folder = test_folder_new();
    return folder ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void must(pu_status status) {
    if (status != PU_OK) fail_msg("%s", pu_error_message());
}

static void on_both(const twins *pair, const char *sql) {
    must(pu__sql_exec(pair->fast, sql, "test"));
    must(pu__sql_exec(pair->slow, sql, "test"));
}

static void add(twins *pair, const char *text) {
    const size_t bytes = strlen(text);
    assert_true(pair->bytes + bytes < TEXT_BYTES);
    memcpy(pair->text + pair->bytes, text, bytes);
    pair->bytes += bytes;
}

static void write_row(int64_t ts, unsigned cents, char out[160]) {
    char when[32];
    pu_time_format(ts, true, when);
    snprintf(out, 160, "%s,%u.25,%u.75,%u.00,%u.50,%u", when, cents, cents, cents, cents, cents % 7);
}

/* Mostly good rows; now and then a repeated, late, broken or empty one. */
static void add_rows(twins *pair, int rows, pu_random *random) {
    for (int i = 0; i < rows; ++i) {
        char row[160];
        const uint64_t kind = pu_random_below(random, 40);
        const unsigned cents = 100 + (unsigned)pu_random_below(random, 50);
        if (pair->bytes > 0 && pair->text[pair->bytes - 1] != '\n') add(pair, pair->line_end);
        write_row(pair->next_ts - (kind == 1 ? 3 * STEP_S : 0), cents, row);
        pair->next_ts += kind == 1 ? 0 : STEP_S * (kind == 2 ? 5 : 1);
        if (kind == 3) snprintf(row, sizeof row, "what is this");
        if (kind == 4) snprintf(row, sizeof row, " ");
        add(pair, row);
        if (kind == 5) {
            add(pair, pair->line_end);
            add(pair, row);
        }
        if (i + 1 < rows || pu_random_below(random, 3) > 0) add(pair, pair->line_end);
    }
}

static void write_file(const char *path, const char *text, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* FNV-1a over every value of a query. */
static uint64_t hash_of(pu_store *store, const char *sql, int64_t after) {
    sqlite3_stmt *query = NULL;
    uint64_t hash = 14695981039346656037u;
    bool row = true;
    must(pu__sql_prepare(store, sql, &query));
    if (sqlite3_bind_parameter_count(query) > 0) assert_int_equal(sqlite3_bind_int64(query, 1, after), SQLITE_OK);
    for (;;) {
        must(pu__sql_step(store, query, &row, "test"));
        if (!row) break;
        for (int i = 0; i < sqlite3_column_count(query); ++i) {
            const unsigned char *text = sqlite3_column_text(query, i);
            for (int k = 0; k <= sqlite3_column_bytes(query, i); ++k)
                hash = (hash ^ (text ? text[k] : 255u)) * 1099511628211u;
        }
    }
    sqlite3_finalize(query);
    return hash;
}

static int64_t ask(pu_store *store, const char *sql) {
    int64_t value = 0;
    must(pu__sql_integer(store, sql, -1, &value));
    return value;
}

/* Ends are compared where this import kept them; those of earlier ones the slow store has forgotten. */
static void compare_stores(const twins *pair, int64_t import_before) {
    static const char *const queries[] = {
        "SELECT * FROM assets ORDER BY asset_id", "SELECT * FROM series ORDER BY asset_id, ts",
        ("SELECT import_id, asset_id, file, sha256, bytes, layout, stamp, rows_read, rows_added, rows_unchanged, "
         "rows_replaced, rows_rejected FROM imports ORDER BY import_id"),
        "SELECT * FROM rejected_rows ORDER BY import_id, line",
        "SELECT * FROM import_ends WHERE import_id > ?1 ORDER BY import_id"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; ++i) {
        if (hash_of(pair->fast, queries[i], import_before) != hash_of(pair->slow, queries[i], import_before))
            fail_msg("import %d, seed %d: the stores differ in %s", pair->imports, SEED, queries[i]);
    }
}

static void compare_results(const twins *pair, pu_import_result *fast, pu_import_result *slow) {
    assert_int_equal(slow->bytes_known, 0);
    fast->bytes_known = 0;
    fast->seconds = slow->seconds = 0;
    assert_string_equal(fast->sha256, slow->sha256);
    assert_int_equal(fast->rows_read, slow->rows_read);
    assert_int_equal(fast->rows_unchanged, slow->rows_unchanged);
    assert_int_equal(fast->rows_rejected, slow->rows_rejected);
    assert_int_equal(fast->rejects_shown, slow->rejects_shown);
    for (int i = 0; i < fast->rejects_shown; ++i) {
        assert_int_equal(fast->rejects[i].line, slow->rejects[i].line);
        assert_string_equal(fast->rejects[i].reason, slow->rejects[i].reason);
        assert_string_equal(fast->rejects[i].text, slow->rejects[i].text);
    }
    memset(fast->rejects, 0, sizeof fast->rejects); /* compared; behind their ends lies what was there before */
    memset(slow->rejects, 0, sizeof slow->rejects);
    if (memcmp(fast, slow, sizeof *fast) != 0) fail_msg("import %d: the results differ", pair->imports);
}

/* Imports the file into both; returns how many bytes were known. */
static int64_t import_both(twins *pair, const pu_import_options *options) {
    static pu_import_result fast, slow;
    char words[2048];
    const int64_t before = ask(pair->slow, "SELECT ifnull(max(import_id), 0) FROM imports");
    write_file(pair->path, pair->text, pair->bytes);
    must(pu__sql_exec(pair->slow, "DELETE FROM import_ends", "test"));
    const pu_status one = pu_import_file(pair->fast, pair->path, options, &fast);
    snprintf(words, sizeof words, "%s", one == PU_OK ? "" : pu_error_message());
    const pu_status two = pu_import_file(pair->slow, pair->path, options, &slow);
    if (one != two) fail_msg("%s and %s, %s", pu_status_name(one), pu_status_name(two), words);
    if (one != PU_OK) assert_string_equal(words, pu_error_message());
    const int64_t known = fast.bytes_known;
    ++pair->imports;
    pair->resumed += known > 0;
    compare_results(pair, &fast, &slow);
    compare_stores(pair, before);
    return known;
}

static void open_twins(const char *name, twins *pair) {
    char file[64];
    *pair = (twins){.next_ts = FIRST_TS, .line_end = "\n"};
    snprintf(file, sizeof file, "%s-fast.db", name);
    must(pu_store_open(test_path(folder, file), PU_STORE_CREATE, &pair->fast));
    snprintf(file, sizeof file, "%s-slow.db", name);
    must(pu_store_open(test_path(folder, file), PU_STORE_CREATE, &pair->slow));
    snprintf(file, sizeof file, "%s.csv", name);
    char *path = strdup(test_path(folder, file));
    assert_non_null(path);
    pair->path = path;
    pair->text = pu_calloc(1, TEXT_BYTES);
    assert_non_null(pair->text);
}

static void close_twins(twins *pair) {
    pu_store_close(pair->fast);
    pu_store_close(pair->slow);
    pu_free(pair->text);
    free((void *)(uintptr_t)pair->path);
}

#define HEAD "timestamp,open,high,low,close,volume"

/* The summary that goes with the bars, after bars were taken out behind its back. */
static void summarize(pu_store *store) {
    sqlite3_stmt *query = NULL;
    uint64_t sum = 0;
    bool row = true;
    char sql[512];
    must(pu__sql_prepare(store, "SELECT ts, open, high, low, close, adjusted, volume FROM series", &query));
    for (;;) {
        must(pu__sql_step(store, query, &row, "test"));
        if (!row) break;
        const pu__bar bar = {sqlite3_column_int64(query, 0),  sqlite3_column_double(query, 1),
                             sqlite3_column_double(query, 2), sqlite3_column_double(query, 3),
                             sqlite3_column_double(query, 4), sqlite3_column_double(query, 5),
                             sqlite3_column_double(query, 6)};
        sum += pu__bar_hash(&bar);
    }
    sqlite3_finalize(query);
    snprintf(sql, sizeof sql,
             "UPDATE assets SET checksum = %lld, bars = (SELECT count(*) FROM series), first_ts = (SELECT min(ts) "
             "FROM series), last_ts = (SELECT max(ts) FROM series)",
             (long long)sum);
    must(pu__sql_exec(store, sql, "test"));
}

static void remove_bars(const twins *pair, pu_random *random) {
    char sql[200];
    const int at = (int)pu_random_below(random, 100);
    snprintf(sql, sizeof sql,
             "DELETE FROM series WHERE ts IN (SELECT ts FROM series ORDER BY ts LIMIT 2 OFFSET %d)", at);
    on_both(pair, sql);
    if (ask(pair->fast, "SELECT count(*) FROM assets") == 0 || ask(pair->fast, "SELECT count(*) FROM series") == 0)
        return;
    summarize(pair->fast);
    summarize(pair->slow);
}

/* Another file brings one bar of the asset with other values, or a new one beyond its end. */
static void import_other(const twins *pair, const pu_import_options *options, pu_random *random) {
    static pu_import_result result;
    char row[160], text[400];
    pu_import_options own = *options;
    const int64_t at = pair->next_ts + STEP_S * ((int64_t)pu_random_below(random, 40) - 36);
    own.replace = true;
    own.dry_run = false;
    own.bar_s = STEP_S;
    write_row(at, 120, row);
    snprintf(text, sizeof text, "%s\n%s\n", HEAD, row);
    write_file(test_path(folder, "other.csv"), text, strlen(text));
    const pu_status one = pu_import_file(pair->fast, test_path(folder, "other.csv"), &own, &result);
    const pu_status two = pu_import_file(pair->slow, test_path(folder, "other.csv"), &own, &result);
    assert_int_equal(one, two);
}

static void edit(twins *pair, pu_random *random) {
    const size_t at = strlen(HEAD) + 2 + pu_random_below(random, pair->bytes - strlen(HEAD) - 2);
    char *c = &pair->text[at];
    if (*c >= '1' && *c <= '8') ++*c;
}

static void truncate_text(twins *pair, pu_random *random) {
    const size_t cut = pu_random_below(random, 300);
    if (pair->bytes > cut + 1000) pair->bytes -= cut;
}

/* What may happen between two imports; mostly the file just grows. */
static void happen(twins *pair, pu_import_options *options, pu_random *random) {
    switch (pu_random_below(random, 24)) {
    case 0: edit(pair, random); break;
    case 1: truncate_text(pair, random); break;
    case 2: remove_bars(pair, random); break;
    case 3: import_other(pair, options, random); break;
    case 4: options->replace = !options->replace; break;
    case 5:
        options->stamp = options->stamp == PU_IMPORT_STAMP_OPEN ? PU_IMPORT_STAMP_CLOSE : PU_IMPORT_STAMP_OPEN;
        break;
    case 6: options->dry_run = !options->dry_run; break;
    case 7: options->bar_s = options->bar_s ? 0 : STEP_S; break;
    case 8:
        must(pu__sql_exec(pair->fast, "UPDATE import_ends SET last_line = max(1, last_line - 1)", "test"));
        break;
    case 9: on_both(pair, "UPDATE rejected_rows SET reason = 'damaged'"); break;
    case 10: pair->line_end = pair->line_end[0] == '\n' ? "\r\n" : "\n"; break;
    case 11: return; /* the same file again */
    default: break;
    }
    add_rows(pair, 1 + (int)pu_random_below(random, 60), random);
}

static void random_growth_gives_what_a_whole_import_gives(void **state) {
    (void)state;
    static const double everything = 1;
    int imports = 0, resumed = 0;
    print_message("seed %d\n", SEED);
    for (uint64_t sequence = 0; sequence < 12; ++sequence) {
        pu_random random = pu_random_at(SEED, sequence);
        pu_import_options options = {.symbol = "GROWN",
                                     .stamp = PU_IMPORT_STAMP_CLOSE,
                                     .asset_class = "crypto",
                                     .rejected_ratio_max = sequence % 2 ? &everything : NULL};
        twins pair;
        char name[32];
        snprintf(name, sizeof name, "random-%d", (int)sequence);
        open_twins(name, &pair);
        if (sequence % 4 == 3) add(&pair, "\xef\xbb\xbf");
        add(&pair, HEAD);
        if (sequence % 6 == 5) add_rows(&pair, 24000, &random); /* more than the reader's buffer */
        else add_rows(&pair, 20, &random);
        for (int i = 0; i < (sequence % 6 == 5 ? 7 : 36); ++i) {
            (void)import_both(&pair, &options);
            happen(&pair, &options, &random);
        }
        imports += pair.imports;
        resumed += pair.resumed;
        close_twins(&pair);
    }
    print_message("%d of %d imports went on from an earlier one\n", resumed, imports);
    assert_true(4 * resumed > imports);
    assert_true(resumed < imports - 50);
}

/* A growth of rows that are all good, and what must or must not be known then. */
static void what_is_known(void **state) {
    (void)state;
    pu_import_options options = {.symbol = "KNOWN", .stamp = PU_IMPORT_STAMP_CLOSE, .asset_class = "crypto"};
    twins pair;
    char row[160];
    open_twins("known", &pair);
    add(&pair, HEAD "\n");
    for (int i = 0; i < 30; ++i) {
        write_row(pair.next_ts += STEP_S, 100, row);
        add(&pair, row);
        if (i < 29) add(&pair, "\n");
    }
    assert_int_equal(import_both(&pair, &options), 0);
    const int64_t bytes = (int64_t)pair.bytes;
    assert_int_equal(import_both(&pair, &options), bytes); /* the same file */

    add(&pair, "5"); /* the last line had no end, and goes on */
    assert_int_equal(import_both(&pair, &options), 0);
    pair.bytes -= 1;
    add(&pair, "\n"); /* it gets one */
    assert_int_equal(import_both(&pair, &options), bytes);
    write_row(pair.next_ts += STEP_S, 100, row);
    add(&pair, row);
    add(&pair, "\r\n");
    assert_int_equal(import_both(&pair, &options), bytes + 1);
    const int64_t longer = (int64_t)pair.bytes;
    write_row(pair.next_ts += STEP_S, 100, row);
    add(&pair, row);
    add(&pair, "\n");
    assert_int_equal(import_both(&pair, &options), longer);

    options.stamp = PU_IMPORT_STAMP_OPEN; /* other rules: every bar is another one */
    assert_int_equal(import_both(&pair, &options), 0);
    close_twins(&pair);
}

/* Against libsodium's own, in pieces of any length and at any alignment. */
static void hashes_equal_libsodium(void **state) {
    (void)state;
    enum { BYTES = 5000 };
    static unsigned char data[BYTES];
    pu_random random = pu_random_at(SEED, 99);
    for (int i = 0; i < BYTES; ++i) data[i] = (unsigned char)pu_random_u32(&random);
    for (int round = 0; round < 2000; ++round) {
        const size_t bytes = pu_random_below(&random, round % 2 ? 300 : BYTES);
        unsigned char wanted[crypto_hash_sha256_BYTES];
        char got[65], hex[65];
        crypto_hash_sha256_state running;
        crypto_hash_sha256_init(&running);
        for (size_t at = 0; at < bytes;) {
            const size_t left = bytes - at, piece = 1 + pu_random_below(&random, round % 3 ? left : 70);
            const size_t taken = piece < left ? piece : left;
            pu__digest_add(&running, data + at, taken);
            at += taken;
        }
        pu__digest_end(&running, got);
        crypto_hash_sha256(wanted, data, bytes);
        sodium_bin2hex(hex, sizeof hex, wanted, sizeof wanted);
        assert_string_equal(got, hex);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_growth_gives_what_a_whole_import_gives),
        cmocka_unit_test(what_is_known),
        cmocka_unit_test(hashes_equal_libsodium),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
