/* Rows per second from a CSV file into the store, beside `sqlite3 .import` of the same file, in alternating
 * rounds of the same run.
 *
 *   plusultra   pu_import_file: every field checked, the file hashed, one transaction, into the table with its
 *               primary key and checks
 *   plain       sqlite3 .import into a table without key or checks
 *   same table  sqlite3 .import into the table as the store has it (range checks, primary key), which proves
 *   what plain does not
 *   floor       the same bars from memory into the store: what SQLite takes when nothing is read or parsed
 *   gzip        the same file compressed
 *   database    the same bars from a table of another SQLite file, in order of time
 *   symbols     the same rows as 1,000 symbols, by time
 *   grown       the file again when the store holds all but its last 1 %
 *
 * At the beginning the peak of the memory of an import in a process of its own, for ROWS and for ten times as many.
 *
 * Usage: bench_import [ROWS] */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* wait4 */
#endif
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "host/data/store/write.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { ROWS = 1000000, ROUNDS = 5, FIRST_TS = 1262649600, BAR_S = 300, PATH_BYTES = 512 };

typedef enum contender {
    PLUSULTRA = 0,
    PLAIN,
    SAME_TABLE,
    FLOOR,
    COMPRESSED,
    DATABASE,
    MANY_SYMBOLS,
    GROWN,
    CONTENDERS
} contender;

static const char *const names[CONTENDERS] = {
    "plusultra import", "sqlite3 .import, plain", "sqlite3 .import, same table", "floor: from memory",
    "plusultra, gzip",  "plusultra, database",    "plusultra, 1,000 symbols",    "plusultra, grown by 1 %"};

static char folder[64];

static void path_of(const char *name, char out[PATH_BYTES]) { snprintf(out, PATH_BYTES, "%s/%s", folder, name); }

/* Timestamps are integers, so that sqlite3 has no dates to convert: it is not asked for more than it can do. */
static pu_status write_table(int64_t rows, pu__bar *bars) {
    char path[PATH_BYTES];
    path_of("TABLE.csv", path);
    FILE *file = fopen(path, "w");
    if (!file) return pu_fail(PU_ERR_IO, "cannot write %s", path);
    pu_random random = pu_random_at(1, 0);
    double close = 100;
    fprintf(file, "asset,timestamp,open,high,low,close,adjusted,volume\n");
    for (int64_t i = 0; i < rows; ++i) {
        const double open = close;
        close *= exp(0.001 * pu_random_normal(&random));
        bars[i] = (pu__bar){FIRST_TS + i * BAR_S,     open,  fmax(open, close) + 0.01,
                            fmin(open, close) - 0.01, close, close,
                            (double)(1000 + i % 977)};
        fprintf(file, "1,%" PRId64 ",%.6f,%.6f,%.6f,%.6f,%.6f,%.0f\n", bars[i].ts, bars[i].open, bars[i].high,
                bars[i].low, bars[i].close, bars[i].adjusted, bars[i].volume);
    }
    return fclose(file) == 0 ? PU_OK : pu_fail(PU_ERR_IO, "cannot write %s", path);
}

/* The same rows as 1,000 symbols that take turns, and the same bars in another database. */
static pu_status write_panel(int64_t rows, const pu__bar *bars) {
    char path[PATH_BYTES];
    path_of("PANEL.csv", path);
    FILE *file = fopen(path, "w");
    if (!file) return pu_fail(PU_ERR_IO, "cannot write %s", path);
    fprintf(file, "symbol,timestamp,open,high,low,close,adjusted,volume\n");
    for (int64_t i = 0; i < rows; ++i) {
        fprintf(file, "S%03d,%" PRId64 ",%.6f,%.6f,%.6f,%.6f,%.6f,%.0f\n", (int)(i % 1000),
                FIRST_TS + i / 1000 * BAR_S, bars[i].open, bars[i].high, bars[i].low, bars[i].close,
                bars[i].adjusted, bars[i].volume);
    }
    return fclose(file) == 0 ? PU_OK : pu_fail(PU_ERR_IO, "cannot write %s", path);
}

static pu_status write_database(int64_t rows, const pu__bar *bars) {
    char path[PATH_BYTES];
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    path_of("other.db", path);
    int code = sqlite3_open(path, &db);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db,
                            "CREATE TABLE prices (symbol TEXT, timestamp INTEGER, open REAL, high REAL, low REAL, "
                            "close REAL, adjusted REAL, volume REAL); BEGIN",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(db, "INSERT INTO prices VALUES ('TABLE', ?1, ?2, ?3, ?4, ?5, ?6, ?7)", -1,
                                  &insert, NULL);
    for (int64_t i = 0; i < rows && code == SQLITE_OK; ++i) {
        const double value[] = {bars[i].open,  bars[i].high,     bars[i].low,
                                bars[i].close, bars[i].adjusted, bars[i].volume};
        code = sqlite3_bind_int64(insert, 1, bars[i].ts);
        for (int k = 0; k < 6 && code == SQLITE_OK; ++k) code = sqlite3_bind_double(insert, 2 + k, value[k]);
        if (code == SQLITE_OK && sqlite3_step(insert) != SQLITE_DONE) code = SQLITE_ERROR;
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    if (code == SQLITE_OK) code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    return code == SQLITE_OK ? PU_OK : pu_fail(PU_ERR_STORE, "cannot write %s", path);
}

/* TABLE.csv compressed, and all but its last hundredth as a file of its own. */
static pu_status write_variants(int64_t rows) {
    char path[PATH_BYTES], line[512];
    path_of("TABLE.csv", path);
    FILE *in = fopen(path, "r");
    path_of("TABLE.csv.gz", path);
    gzFile packed = gzopen(path, "wb6");
    path_of("SHORT.csv", path);
    FILE *shorter = fopen(path, "w");
    bool good = in && packed && shorter;
    for (int64_t i = 0; good && fgets(line, sizeof line, in); ++i) {
        good = gzputs(packed, line) > 0;
        if (i <= rows - rows / 100) good = good && fputs(line, shorter) >= 0;
    }
    if (in) fclose(in);
    if (packed) good = gzclose(packed) == Z_OK && good;
    if (shorter) good = fclose(shorter) == 0 && good;
    return good ? PU_OK : pu_fail(PU_ERR_IO, "cannot write the variants of TABLE.csv in %s", folder);
}

static pu_status run_import(const char *db, const char *name) {
    char table[PATH_BYTES];
    pu_store *store = NULL;
    pu_import_result result;
    path_of(name, table);
    PU_TRY(pu_store_open(db, PU_STORE_CREATE, &store));
    const bool one = strcmp(name, "PANEL.csv") != 0;
    const pu_import_options options = {
        .asset_class = "crypto", .stamp = PU_IMPORT_STAMP_CLOSE, .symbol = one ? "TABLE" : NULL};
    const pu_status status = pu_import_file(store, table, &options, &result);
    pu_store_close(store);
    return status;
}

static pu_status run_floor(const char *db, const pu__bar *bars, int64_t rows) {
    pu_store *store = NULL;
    int64_t id = 0;
    pu__bar_writer writer;
    PU_TRY(pu_store_open(db, PU_STORE_CREATE, &store));
    pu_status status = pu_store_begin(store);
    if (status == PU_OK) status = pu__asset_make(store, "TABLE", "crypto", BAR_S, "", 105120, &id);
    if (status == PU_OK) status = pu__bar_writer_open(store, id, &writer);
    if (status == PU_OK) status = pu__bar_writer_close(&writer, pu__bars_put(&writer, bars, rows, false, NULL));
    if (status == PU_OK) status = pu_store_commit(store);
    pu_store_close(store);
    return status;
}

#define COLUMNS                                                                                                \
    "open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, adjusted REAL NOT NULL, " \
    "volume REAL"

static pu_status run_sqlite(const char *db, bool same_table) {
    char script[PATH_BYTES], command[3 * PATH_BYTES];
    path_of("script.sql", script);
    FILE *file = fopen(script, "w");
    if (!file) return pu_fail(PU_ERR_IO, "cannot write %s", script);
    if (same_table) {
        fprintf(file, "CREATE TABLE series (asset_id INTEGER NOT NULL, ts INTEGER NOT NULL, " COLUMNS
                      ", PRIMARY KEY (asset_id, ts),"
                      "CHECK (low > 0 AND low <= high AND high <= 1e300),"
                      "CHECK (open >= low * 0.999999 AND open <= high * 1.000001),"
                      "CHECK (close >= low * 0.999999 AND close <= high * 1.000001),"
                      "CHECK (adjusted > 0 AND adjusted <= 1e300), CHECK (volume >= 0 AND volume <= 1e300)) "
                      "STRICT, WITHOUT ROWID;\n");
    } else {
        fprintf(file, "CREATE TABLE series (asset_id INTEGER, ts INTEGER, " COLUMNS ");\n");
    }
    fprintf(file, ".import --csv --skip 1 %s/TABLE.csv series\n", folder);
    if (fclose(file) != 0) return pu_fail(PU_ERR_IO, "cannot write %s", script);
    snprintf(command, sizeof command, "sqlite3 '%s' < '%s'", db, script);
    return system(command) == 0 ? PU_OK : pu_fail(PU_ERR_NOT_FOUND, "`%s` failed", command);
}

static pu_status run_one(contender which, const char *db, const pu__bar *bars, int64_t rows) {
    switch (which) {
    case PLUSULTRA: return run_import(db, "TABLE.csv");
    case GROWN: return run_import(db, "TABLE.csv");
    case COMPRESSED: return run_import(db, "TABLE.csv.gz");
    case DATABASE: return run_import(db, "other.db");
    case MANY_SYMBOLS: return run_import(db, "PANEL.csv");
    case FLOOR: return run_floor(db, bars, rows);
    default: return run_sqlite(db, which == SAME_TABLE);
    }
}

static pu_status time_one(contender which, const pu__bar *bars, int64_t rows, double *seconds) {
    char db[PATH_BYTES];
    path_of("bench.db", db);
    unlink(db);
    if (which == GROWN) PU_TRY(run_import(db, "SHORT.csv"));
    sync(); /* what the round before left to write is not this one's to pay */
    const double started_s = pu_clock_s();
    const pu_status status = run_one(which, db, bars, rows);
    *seconds = pu_clock_s() - started_s;
    return status;
}

static int by_value(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static pu_status measure(const pu__bar *bars, int64_t rows) {
    double seconds[CONTENDERS][ROUNDS], median[CONTENDERS];
    const bool has_sqlite = system("sqlite3 --version > /dev/null 2>&1") == 0;
    for (int round = 0; round < ROUNDS; ++round) {
        for (int c = 0; c < CONTENDERS; ++c) {
            if (!has_sqlite && (c == PLAIN || c == SAME_TABLE)) continue;
            PU_TRY(time_one((contender)c, bars, rows, &seconds[c][round]));
        }
    }
    printf("import of %" PRId64 " rows, 8 columns, median of %d alternating rounds\n", rows, ROUNDS);
    for (int c = 0; c < CONTENDERS; ++c) {
        if (!has_sqlite && (c == PLAIN || c == SAME_TABLE)) {
            printf("  %-28s not measured: sqlite3 is not installed\n", names[c]);
            continue;
        }
        qsort(seconds[c], ROUNDS, sizeof(double), by_value);
        median[c] = seconds[c][ROUNDS / 2];
        printf("  %-28s %9.0f rows/s  %.3f s  (%.3f to %.3f)\n", names[c], (double)rows / median[c], median[c],
               seconds[c][0], seconds[c][ROUNDS - 1]);
    }
    if (has_sqlite) {
        printf("  plusultra over sqlite3: %.2f plain, %.2f same table; over the floor %.2f\n",
               median[PLAIN] / median[PLUSULTRA], median[SAME_TABLE] / median[PLUSULTRA],
               median[FLOOR] / median[PLUSULTRA]);
    }
    return PU_OK;
}

/* Rows made on the way, so that nothing but the import is in the memory. */
static pu_status write_long_table(int64_t rows) {
    char path[PATH_BYTES];
    path_of("LONG.csv", path);
    FILE *file = fopen(path, "w");
    if (!file) return pu_fail(PU_ERR_IO, "cannot write %s", path);
    fprintf(file, "timestamp,open,high,low,close,volume\n");
    for (int64_t i = 0; i < rows; ++i)
        fprintf(file, "%" PRId64 ",%d.5,%d.75,%d.25,%d.5,%d\n", FIRST_TS + i * BAR_S, 100 + (int)(i % 97),
                100 + (int)(i % 97), 100 + (int)(i % 97), 100 + (int)(i % 97), 1000 + (int)(i % 977));
    return fclose(file) == 0 ? PU_OK : pu_fail(PU_ERR_IO, "cannot write %s", path);
}

static pu_status measure_memory(int64_t rows) {
    for (int64_t times = 1; times <= 10; times *= 10) {
        char db[PATH_BYTES];
        struct rusage use;
        int code = 0;
        PU_TRY(write_long_table(times * rows));
        path_of("bench.db", db);
        unlink(db);
        const double started_s = pu_clock_s();
        const pid_t child = fork();
        if (child < 0) return pu_fail(PU_ERR_IO, "cannot start a process");
        if (child == 0) _exit(run_import(db, "LONG.csv") == PU_OK ? 0 : 1);
        if (wait4(child, &code, 0, &use) != child || code != 0) return pu_fail(PU_ERR_IO, "the import failed");
        printf("  memory at its peak, %" PRId64 " rows: %.1f MiB, %.2f s\n", times * rows,
               (double)use.ru_maxrss / 1024, pu_clock_s() - started_s);
    }
    return PU_OK;
}

static pu_status measure_speed(int64_t rows) {
    pu__bar *bars = pu_calloc((size_t)rows, sizeof *bars);
    if (!bars) return PU_ERR_MEMORY;
    pu_status status = write_table(rows, bars);
    if (status == PU_OK) status = write_panel(rows, bars);
    if (status == PU_OK) status = write_database(rows, bars);
    if (status == PU_OK) status = write_variants(rows);
    if (status == PU_OK) status = measure(bars, rows);
    pu_free(bars);
    return status;
}

static pu_status bench(int64_t rows) {
    PU_TRY(measure_memory(rows)); /* first: a child's peak begins with its parent's */
    return measure_speed(rows);
}

int main(int argc, char **argv) {
    const int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : ROWS;
    char path[PATH_BYTES];
    snprintf(folder, sizeof folder, "/tmp/plusultra-bench-XXXXXX");
    if (rows < 2 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: bench_import [ROWS]\n");
        return 2;
    }
    pu_progress_silence(true);
    const pu_status status = bench(rows);
    static const char *const files[] = {"TABLE.csv", "script.sql", "bench.db", "TABLE.csv.gz",
                                        "SHORT.csv", "PANEL.csv",  "other.db", "LONG.csv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        path_of(files[i], path);
        unlink(path);
    }
    rmdir(folder);
    if (status != PU_OK) fprintf(stderr, "bench_import: %s\n", pu_error_message());
    return status == PU_OK ? 0 : 1;
}
