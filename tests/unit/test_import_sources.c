/* Import from what is no single plain file of one symbol: gzip, many symbols, other databases; files that grew, dry
 * runs, the limit of rejected rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/sql.h"
#include "plusultra/import.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, JAN_2_2020 = 1577923200, PATH_BYTES = 600 };

static char *folder;
static pu_store *store;
static pu_import_result result;

static int begin(void **state) {
    (void)state;
    folder = test_folder_new();
    return pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store) == PU_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    pu_store_close(store);
    test_folder_remove(folder);
    return 0;
}

static int64_t ask(const char *sql) {
    int64_t value = 0;
    if (pu__sql_integer(store, sql, -1, &value) != PU_OK) fail_msg("%s", pu_error_message());
    return value;
}

static void must_import(const char *name, const pu_import_options *options) {
    if (pu_import_file(store, test_path(folder, name), options, &result) != PU_OK)
        fail_msg("%s: %s", name, pu_error_message());
}

/* Must fail with this status and these words, and leave the store as it was. */
static void must_fail(const char *name, const pu_import_options *options, pu_status status, const char *words) {
    const int64_t before =
        ask("SELECT (SELECT count(*) FROM series) + (SELECT count(*) FROM assets) + (SELECT count(*) "
            "FROM imports)");
    const pu_status got = pu_import_file(store, test_path(folder, name), options, &result);
    if (got != status || !strstr(pu_error_message(), words))
        fail_msg("%s: %s, '%s' does not say '%s'", name, pu_status_name(got), pu_error_message(), words);
    assert_int_equal(before, ask("SELECT (SELECT count(*) FROM series) + (SELECT count(*) FROM assets) + (SELECT "
                                 "count(*) FROM imports)"));
}

#define HEAD "Date,Open,High,Low,Close\n"
#define ROWS_1 "2020-01-02,10,12,9,11\n2020-01-03,11,13,10,12\n"
#define ROWS_2 "2020-01-06,11,13,10,12\n2020-01-07,11,13,10,12\n"

static void compress_to(const char *name, const char *mode, const char *text) {
    gzFile file = gzopen(test_path(folder, name), mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static size_t read_bytes(const char *name, char *out, size_t capacity) {
    FILE *file = fopen(test_path(folder, name), "rb");
    assert_non_null(file);
    const size_t bytes = fread(out, 1, capacity, file);
    fclose(file);
    return bytes;
}

static void write_bytes(const char *name, const char *data, size_t bytes) {
    FILE *file = fopen(test_path(folder, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void compressed_files_are_read(void **state) {
    (void)state;
    compress_to("GZ.csv.gz", "wb", HEAD ROWS_1);
    must_import("GZ.csv.gz", NULL);
    assert_string_equal(result.symbol, "GZ");
    assert_true(result.compressed && result.rows_added == 2);
    compress_to("GZ.csv.gz", "ab", ROWS_2); /* a second member */
    must_import("GZ.csv.gz", NULL);
    assert_true(result.rows_added == 2 && result.rows_unchanged == 2);
    test_write(test_path(folder, "GZ.csv"), HEAD ROWS_1 ROWS_2);
    must_import("GZ.csv", NULL);
    assert_true(!result.compressed && result.rows_unchanged == 4);
    compress_to("NAMELESS.csv", "wb", HEAD ROWS_1); /* by its bytes, not its name */
    must_import("NAMELESS.csv", NULL);
    assert_true(result.compressed);
    test_write(test_path(folder, "PLAIN.csv.gz"), HEAD ROWS_1);
    must_import("PLAIN.csv.gz", NULL);
    assert_string_equal(result.symbol, "PLAIN");
}

static void damaged_compression_stores_nothing(void **state) {
    (void)state;
    char data[4096];
    compress_to("WHOLE.gz", "wb", HEAD ROWS_1 ROWS_2);
    const size_t bytes = read_bytes("WHOLE.gz", data, sizeof data - 8);
    for (size_t cut = 3; cut < bytes; ++cut) {
        write_bytes("CUT.csv.gz", data, cut);
        must_fail("CUT.csv.gz", NULL, PU_ERR_DATA, "cut short");
    }
    int harmless = 0;
    for (size_t i = 12; i < bytes; ++i) {
        char damaged[4096];
        memcpy(damaged, data, bytes);
        damaged[i] = (char)(damaged[i] ^ 0x40);
        write_bytes("BAD.csv.gz", damaged, bytes);
        /* The bits that fill the last byte of the data mean nothing. */
        if (pu_import_file(store, test_path(folder, "BAD.csv.gz"), &(pu_import_options){.dry_run = true},
                           &result) == PU_OK) {
            ++harmless;
            assert_int_equal(result.rows_added, 4);
        } else {
            must_fail("BAD.csv.gz", NULL, PU_ERR_DATA, "nothing of it was stored");
        }
    }
    assert_true(harmless <= 1);
    memcpy(data + bytes, "\0\0\0", 3);
    for (size_t tail = 1; tail <= 3; ++tail) {
        write_bytes("TAIL.csv.gz", data, bytes + tail);
        must_fail("TAIL.csv.gz", NULL, PU_ERR_DATA, "something follows the compressed data");
    }
}

/* Forty megabytes of text in less than a tenth of one: an endless line is one error, blank lines are no
 * rows; memory stays. */
static void bombs_do_not_grow(void **state) {
    (void)state;
    enum { PARTS = 40 };
    static char part[1 << 20];
    struct rusage before, after;
    gzFile line = gzopen(test_path(folder, "LINE.csv.gz"), "wb1");
    gzFile blank = gzopen(test_path(folder, "BLANK.csv.gz"), "wb1");
    assert_true(line && blank);
    assert_true(gzputs(line, HEAD) > 0 && gzputs(blank, HEAD ROWS_1) > 0);
    memset(part, '0', sizeof part);
    for (int i = 0; i < PARTS; ++i) assert_int_equal(gzwrite(line, part, sizeof part), sizeof part);
    memset(part, '\n', sizeof part);
    for (int i = 0; i < PARTS; ++i) assert_int_equal(gzwrite(blank, part, sizeof part), sizeof part);
    assert_true(gzclose(line) == Z_OK && gzclose(blank) == Z_OK);
    must_import("GZ.csv.gz", NULL);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    must_fail("LINE.csv.gz", NULL, PU_ERR_DATA, "a line of more than 65536 bytes");
    must_import("BLANK.csv.gz", NULL);
    assert_int_equal(result.rows_read, 2);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
}

typedef struct symbol_sum {
    int64_t count, added, rejected;
    pu_import_symbol last;
} symbol_sum;

static void sum_symbol(void *context, const pu_import_symbol *symbol) {
    symbol_sum *sum = context;
    ++sum->count;
    sum->added += symbol->rows_added;
    sum->rejected += symbol->rows_rejected;
    sum->last = *symbol;
}

#define BULK "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"

static void stooq_bulk_files(void **state) {
    (void)state;
    symbol_sum sum = {0};
    test_write(test_path(folder, "bulk.txt"),
               BULK "KO.US,D,20200102,000000,10,12,9,11,100,0\nPEP.US,5,20200102,153000,10,12,9,11,100,0\n"
                    "KO.US,D,20200103,000000,10,8,9,11,100,0\nKO.US,D,20200106,000000,10,12,9,11,100,0\n"
                    "PEP.US,5,20200102,153500,10,12,9,11,100,0\nKO.US,5,20200102,153000,10,12,9,11,100,0\n"
                    "BAD ONE,D,20200102,000000,10,12,9,11,100,0\nshort,line\n");
    must_import("bulk.txt", &(pu_import_options){.on_symbol = sum_symbol, .on_symbol_context = &sum});
    assert_true(result.symbol_count == 3 && sum.count == 3 && sum.added == 5 && result.rows_rejected == 3);
    assert_true(result.rows_read == 8);
    assert_int_equal(ask("SELECT bar_s FROM assets WHERE symbol = 'PEP.US'"), 300);
    assert_int_equal(ask("SELECT sum(bar_s) FROM assets WHERE symbol = 'KO.US'"), 300 + DAY_S);
    assert_int_equal(ask("SELECT first_ts FROM assets WHERE symbol = 'KO.US' AND bar_s = 86400"),
                     JAN_2_2020 + DAY_S);
    assert_int_equal(result.rejects[0].line, 4);
    assert_non_null(strstr(result.rejects[0].reason, "KO.US: high 8 is below low 9"));
    assert_non_null(strstr(result.rejects[1].reason, "symbol: 'BAD ONE' cannot name an asset"));
    assert_int_equal(result.rejects[2].line, 9);
    /* One record for each asset; its counts add up, and the rows without a symbol are the first one's. */
    assert_int_equal(ask("SELECT count(*) FROM imports WHERE file LIKE '%bulk.txt'"), 3);
    assert_int_equal(ask("SELECT sum(rows_read) FROM imports WHERE file LIKE '%bulk.txt'"), 8);
    assert_int_equal(ask("SELECT count(*) FROM rejected_rows JOIN imports USING (import_id) WHERE file LIKE "
                         "'%bulk.txt' AND rows_rejected = 3"),
                     3);
    must_import("bulk.txt", NULL);
    assert_true(result.rows_added == 0 && result.rows_unchanged == 5);
    assert_int_equal(ask("SELECT count(*) FROM imports WHERE file LIKE '%bulk.txt'"), 3);
}

enum { SYMBOLS = 1000, TIMES = 16 };

static void write_panel(const char *name, int times, bool by_time, bool backward) {
    FILE *file = fopen(test_path(folder, name), "w");
    assert_non_null(file);
    fputs("timestamp,ticker,open,high,low,close,volume\n", file);
    for (int i = 0; i < times * SYMBOLS; ++i) {
        const int symbol = by_time ? i % SYMBOLS : i / times, step = by_time ? i / SYMBOLS : i % times;
        const int time = backward ? times - 1 - step : step;
        char when[32];
        pu_time_format(JAN_2_2020 + (int64_t)time * (symbol % 2 ? 300 : 3600), true, when);
        fprintf(file, "%s,%s%04d,%d,%d,%d,%d,%d\n", when, name, symbol, 10 + time, 12 + time, 9 + time, 11 + time,
                symbol);
    }
    assert_int_equal(fclose(file), 0);
}

/* A thousand symbols of two bar lengths, by time, by symbol, and newest first: each asset has its own bars. */
static void a_thousand_symbols(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool by_time, backward;
    } cases[] = {{"A", true, false}, {"B", false, false}, {"C", true, true}, {"D", false, true}};
    for (int c = 0; c < 4; ++c) {
        char sql[256];
        write_panel(cases[c].name, TIMES, cases[c].by_time, cases[c].backward);
        must_import(cases[c].name, &(pu_import_options){.asset_class = "crypto"});
        assert_true(result.symbol_count == SYMBOLS && result.rows_added == SYMBOLS * TIMES);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM assets WHERE symbol LIKE '%s____' AND bars = %d AND bar_s = %s",
                 cases[c].name, TIMES, "CASE WHEN substr(symbol, -1) % 2 THEN 300 ELSE 3600 END");
        assert_int_equal(ask(sql), SYMBOLS);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM series JOIN assets USING (asset_id) WHERE symbol LIKE '%s____' AND (close "
                 "<> 11 + "
                 "(ts - bar_s - %d) / bar_s OR volume <> CAST(substr(symbol, 2) AS INTEGER))",
                 cases[c].name, JAN_2_2020);
        assert_int_equal(ask(sql), 0);
    }
    write_panel("A", TIMES + 1, true, false); /* it grew */
    must_import("A", &(pu_import_options){.asset_class = "crypto"});
    assert_true(result.rows_added == SYMBOLS && result.rows_unchanged == SYMBOLS * TIMES);
    assert_int_equal(pu_store_check(store), PU_OK);
}

static void make_database(const char *name, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(test_path(folder, name), &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    sqlite3_close(db);
}

#define SERIES "CREATE TABLE series(timestamp, symbol, open, high, low, close, volume);"

static void other_databases(void **state) {
    (void)state;
    make_database("prices.db",
                  SERIES "INSERT INTO series(rowid, timestamp, symbol, open, high, low, close, volume) VALUES"
                         "(9, '2020-01-02T01:00:00', 'ONE', 11, 13, 10, 12, 5),"
                         "(2, '2020-01-02 00:00:00.250', 'ONE', 10, 12, 9, 11, NULL),"
                         "(3, '2020-01-02T04:00:00+02:00', 'ONE', '11.5', 13, 10, 12, 5),"
                         "(4, '2020-01-02', 'TWO', 10, 12, 9, 11, 5),"
                         "(5, 1578009600, 'TWO', 10, 12, 9, 11, 5),"
                         "(6, '2020-01-04', 'TWO', 'ten', 12, 9, 11, 5),"
                         "(7, '2020-01-05', 'TWO', NULL, 12, 9, 11, 5),"
                         "(8, 'soon', 'TWO', 10, 12, 9, 11, 5),"
                         "(10, '2020-01-06', 'TWO', 9e999, 12, 9, 11, 5),"
                         "(11, '2020-01-07', NULL, 10, 12, 9, 11, 5),"
                         "(12, '2020-01-08', 'TWO', x'00', 12, 9, 11, 5)");
    must_import("prices.db", NULL);
    assert_true(result.layout == PU_IMPORT_SQLITE && result.rows_read == 11 && result.rows_added == 5);
    assert_int_equal(ask("SELECT first_ts FROM assets WHERE symbol = 'ONE'"), JAN_2_2020 + 3600);
    assert_int_equal(ask("SELECT bar_s FROM assets WHERE symbol = 'ONE'"), 3600);
    assert_int_equal(
        ask("SELECT sum(line) FROM rejected_rows JOIN imports USING (import_id) WHERE layout = 'sqlite'"),
        6 + 7 + 8 + 10 + 11 + 12);
    must_import("prices.db", NULL);
    assert_true(result.rows_added == 0 && result.rows_unchanged == 5);
    make_database(
        "views.db",
        "CREATE TABLE \"my \"\"table\"(t, a, b, c, d);INSERT INTO \"my \"\"table\" VALUES(1577923200, 10, "
        "12, 9, 11), (1577923500, 10, 12, 9, 11);CREATE VIEW nice AS SELECT t AS ts, a AS open, b AS "
        "high, c AS low, d AS close FROM \"my \"\"table\";");
    must_import("views.db", NULL);
    assert_string_equal(result.symbol, "views");
    assert_int_equal(result.bar_s, 300);
    must_import("views.db",
                &(pu_import_options){.table = "my \"table", .columns = "date=t,open=a,high=b,low=c,close=d"});
    assert_int_equal(result.rows_unchanged, 2);
    must_import("prices.db", &(pu_import_options){.symbol = "ONE"});
    assert_int_equal(result.rows_unchanged, 3);
}

/* Imports a database into a store of its own; the hash of its bars. */
static void import_alone(const char *name, char hash[65]) {
    pu_store *own = NULL;
    pu_asset *assets = NULL;
    int count = 0;
    char file[64];
    snprintf(file, sizeof file, "own-%s", name);
    assert_int_equal(pu_store_open(test_path(folder, file), PU_STORE_CREATE, &own), PU_OK);
    if (pu_import_file(own, test_path(folder, name), NULL, &result) != PU_OK)
        fail_msg("%s: %s", name, pu_error_message());
    assert_int_equal(pu_store_assets(own, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(count, 30);
    assert_int_equal(pu_store_data_hash(own, count, assets, hash), PU_OK);
    pu_free(assets);
    pu_store_close(own);
}

/* 30 symbols of 100 days each; times and prices of some rows cannot be read. */
#define PANEL                                                                                                     \
    "CREATE TABLE panel (symbol TEXT, date, open, high, low, close); "                                            \
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999) INSERT INTO panel "           \
    "SELECT printf('S%02d', i / 100), CASE i % 100 WHEN 0 THEN NULL ELSE date(1577836800 + 86400 * (i % 100), "   \
    "'unixepoch') END, 10 + i % 7, 12 + i % 7, CASE i % 211 WHEN 5 THEN 'x' ELSE 9 + i % 7 END, 11 + i % 7 FROM " \
    "n; "

static void the_order_of_rows_is_no_matter(void **state) {
    (void)state;
    static const char *const rest[] = {
        "", "CREATE TABLE t AS SELECT * FROM panel ORDER BY rowid * 7919 % 3001; DROP TABLE panel",
        "UPDATE panel SET rowid = 5000 WHERE rowid = 1500",
        ("CREATE TABLE t (symbol TEXT, date, open, high, low, close, n INTEGER, PRIMARY KEY (symbol, n)) WITHOUT "
         "ROWID; INSERT INTO t SELECT *, rowid FROM panel; DROP TABLE panel"),
        "CREATE INDEX by_date ON panel (date, symbol)"};
    char hash[65], first[65] = "", sha256[65] = "";
    for (size_t i = 0; i < sizeof rest / sizeof *rest; ++i) {
        char name[32], sql[1024];
        snprintf(name, sizeof name, "order-%d.db", (int)i);
        snprintf(sql, sizeof sql, "%s%s", PANEL, rest[i]);
        make_database(name, sql);
        import_alone(name, hash);
        assert_int_equal(result.rows_read, 3000);
        assert_int_equal(result.rows_rejected, 30 + 15);
        if (i == 0) {
            memcpy(first, hash, sizeof first);
            memcpy(sha256, result.sha256, sizeof sha256);
        }
        assert_string_equal(hash, first);
        assert_string_equal(result.sha256, sha256);
        assert_string_equal(result.symbol, "S00");
    }
}

static void databases_that_do_not_fit(void **state) {
    (void)state;
    make_database("empty.db", "CREATE TABLE notes(text)");
    must_fail("empty.db", NULL, PU_ERR_DATA, "no table or view has columns");
    make_database("two.db",
                  "CREATE TABLE a(ts, open, high, low, close); CREATE TABLE b(ts, open, high, low, close);");
    must_fail("two.db", NULL, PU_ERR_DATA, "several tables could be meant, a, b");
    must_fail("two.db", &(pu_import_options){.table = "a"}, PU_ERR_DATA, "holds no row");
    must_fail("two.db", &(pu_import_options){.table = "a\"; DROP TABLE b; --"}, PU_ERR_DATA,
              "no table 'a\"; DROP");
    must_fail("two.db",
              &(pu_import_options){.table = "b", .columns = "date=x,open=open,high=high,low=low,close=close"},
              PU_ERR_DATA, "no column 'x'");
    make_database("one.db", SERIES "INSERT INTO series VALUES('2020-01-02 10:00', 'LONE', 10, 12, 9, 11, 5)");
    must_fail("one.db", NULL, PU_ERR_DATA, "its times do not tell the bar length");
    must_import("one.db", &(pu_import_options){.bar_s = 60});
    char data[16384];
    const size_t bytes = read_bytes("prices.db", data, sizeof data);
    memset(data + 4096, 0x5a, bytes - 4096);
    write_bytes("damaged.db", data, bytes);
    const pu_status status = pu_import_file(store, test_path(folder, "damaged.db"), NULL, &result);
    assert_true(status == PU_ERR_CORRUPT || status == PU_ERR_DATA);
}

static void a_dry_run_stores_nothing(void **state) {
    (void)state;
    symbol_sum sum = {0};
    const pu_import_options dry = {.dry_run = true, .on_symbol = sum_symbol, .on_symbol_context = &sum};
    test_write(test_path(folder, "DRY.csv"), HEAD ROWS_1);
    const int64_t before = ask("SELECT count(*) FROM series");
    must_import("DRY.csv", &dry);
    assert_true(result.rows_added == 2 && sum.count == 1 && sum.added == 2);
    assert_int_equal(ask("SELECT count(*) FROM series"), before);
    assert_int_equal(ask("SELECT count(*) FROM assets WHERE symbol = 'DRY'"), 0);
    must_import("DRY.csv", NULL);
    must_import("DRY.csv", &dry);
    assert_int_equal(result.rows_unchanged, 2);
}

static void too_many_rejected_rows(void **state) {
    (void)state;
    char text[16384] = HEAD;
    for (int i = 0; i < 200; ++i) {
        const size_t used = strlen(text);
        char day[32];
        pu_time_format(JAN_2_2020 + (int64_t)i * DAY_S, false, day);
        snprintf(text + used, sizeof text - used, i < 179 ? "%s,10,12,9,11\n" : "%s,null,null,null,null\n", day);
    }
    static const double none = 0, tenth = 0.105, eleventh = 0.1;
    test_write(test_path(folder, "HOLES.csv"), text);
    must_fail("HOLES.csv", NULL, PU_ERR_DATA, "21 of its 200 rows are rejected, more than 10 %");
    must_fail("HOLES.csv", &(pu_import_options){.rejected_ratio_max = &eleventh}, PU_ERR_DATA, "--max-rejected");
    must_import("HOLES.csv", &(pu_import_options){.rejected_ratio_max = &tenth});
    assert_int_equal(result.rows_added, 179);
    test_write(test_path(folder, "FEW.csv"), HEAD ROWS_1 "2020-01-06,null,null,null,null\n");
    must_fail("FEW.csv", &(pu_import_options){.rejected_ratio_max = &none}, PU_ERR_DATA, "more than 0 %");
    must_import("FEW.csv", NULL); /* a third, but all of them can be looked at */
}

/* Binance's spot files change from milliseconds to microseconds with the first bar of 2025. */
static void binance_changes_its_clock(void **state) {
    (void)state;
    test_write(test_path(folder, "BTCUSDT.csv"), "1735603200000,10,12,9,11,1,1735689599999,0,0,0,0,"
                                                 "0\n1735689600000000,11,13,10,12,1,1735775999999999,0,0,0,"
                                                 "0,0\n");
    must_import("BTCUSDT.csv", NULL);
    assert_true(result.rows_added == 2 && result.bar_s == DAY_S);
    assert_true(result.first_ts == 1735689600 && result.last_ts == 1735776000);
}

/* Rows between, before and behind what is stored, and a changed one among them. */
static void runs_are_compared(void **state) {
    (void)state;
    FILE *file = fopen(test_path(folder, "RUN.csv"), "w");
    FILE *odd = fopen(test_path(folder, "odd.csv"), "w");
    assert_true(file && odd);
    fputs(HEAD, file), fputs(HEAD, odd);
    for (int i = 0; i < 3001; ++i) {
        char day[32];
        pu_time_format((int64_t)i * DAY_S, false, day);
        fprintf(file, "%s,%d,%d,%d,%d\n", day, 2 + i, 3 + i, 1 + i, 2 + i);
        if (i % 3 == 1 && i > 10)
            fprintf(odd, "%s,%d,%d,%d,%d\n", day, 2 + i, 3 + i, 1 + i, i == 1501 ? 1 + i : 2 + i);
    }
    assert_true(fclose(file) == 0 && fclose(odd) == 0);
    must_import("odd.csv", &(pu_import_options){.symbol = "RUN", .bar_s = DAY_S});
    const int64_t some = result.rows_added;
    must_import("RUN.csv", NULL);
    assert_true(result.rows_unchanged == some - 1 && result.rows_rejected == 1 &&
                result.rows_added == 3001 - some);
    must_import("RUN.csv", &(pu_import_options){.replace = true});
    assert_true(result.rows_replaced == 1 && result.rows_unchanged == 3000);
    assert_int_equal(pu_store_check(store), PU_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_files_are_read),
        cmocka_unit_test(damaged_compression_stores_nothing),
        cmocka_unit_test(bombs_do_not_grow),
        cmocka_unit_test(stooq_bulk_files),
        cmocka_unit_test(a_thousand_symbols),
        cmocka_unit_test(other_databases),
        cmocka_unit_test(the_order_of_rows_is_no_matter),
        cmocka_unit_test(databases_that_do_not_fit),
        cmocka_unit_test(a_dry_run_stores_nothing),
        cmocka_unit_test(too_many_rejected_rows),
        cmocka_unit_test(binance_changes_its_clock),
        cmocka_unit_test(runs_are_compared),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
