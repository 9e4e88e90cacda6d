/* Rows per second from a CSV file into the store, beside `sqlite3 .import` of the same file, in alternating
 * rounds of the same run.
 *
 *   plusultra   pu_import_file: every field checked, the file hashed, one transaction, into the table with its
 *               primary key and checks
 *   plain       sqlite3 .import into a table without key or checks
 *   same table  sqlite3 .import into the table as the store has it (range checks, primary key), which proves
 *   what plain does not
 *   floor       the same bars from memory into the store: what SQLite takes when nothing is read or parsed
 *
 * Usage: bench_import [ROWS] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/data/store/write.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { ROWS = 1000000, ROUNDS = 5, FIRST_TS = 1262649600, BAR_S = 300, PATH_BYTES = 512 };

typedef enum contender { PLUSULTRA = 0, PLAIN, SAME_TABLE, FLOOR, CONTENDERS } contender;

static const char *const names[CONTENDERS] = {"plusultra import", "sqlite3 .import, plain",
                                              "sqlite3 .import, same table", "floor: from memory"};

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

static pu_status run_import(const char *db) {
    char table[PATH_BYTES];
    pu_store *store = NULL;
    pu_import_result result;
    path_of("TABLE.csv", table);
    PU_TRY(pu_store_open(db, PU_STORE_CREATE, &store));
    const pu_status status = pu_import_file(
        store, table, &(pu_import_options){.asset_class = "crypto", .stamp = PU_IMPORT_STAMP_CLOSE}, &result);
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

static pu_status time_one(contender which, const pu__bar *bars, int64_t rows, double *seconds) {
    char db[PATH_BYTES];
    path_of("bench.db", db);
    unlink(db);
    sync(); /* what the round before left to write is not this one's to pay */
    const double started_s = pu_clock_s();
    const pu_status status = which == PLUSULTRA ? run_import(db)
                             : which == FLOOR   ? run_floor(db, bars, rows)
                                                : run_sqlite(db, which == SAME_TABLE);
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

static pu_status bench(int64_t rows) {
    pu__bar *bars = pu_calloc((size_t)rows, sizeof *bars);
    if (!bars) return PU_ERR_MEMORY;
    pu_status status = write_table(rows, bars);
    if (status == PU_OK) status = measure(bars, rows);
    pu_free(bars);
    return status;
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
    static const char *const files[] = {"TABLE.csv", "script.sql", "bench.db"};
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        path_of(files[i], path);
        unlink(path);
    }
    rmdir(folder);
    if (status != PU_OK) fprintf(stderr, "bench_import: %s\n", pu_error_message());
    return status == PU_OK ? 0 : 1;
}
