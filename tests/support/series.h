/* A scratch store with two assets, and imports of alternative series into it. Failures of the harness end the test. */
#ifndef TESTS_SUPPORT_SERIES_H
#define TESTS_SUPPORT_SERIES_H

#include "plusultra/alternative.h"

typedef struct test_series {
    char *folder;
    pu_store *store;         /* with BTCUSDT and ETHUSDT, without bars */
    pu_series_result result; /* of the last import */
} test_series;
extern test_series test_series_at;

/* Set-up and tear-down of a group. */
int test_series_begin(void **state);
int test_series_end(void **state);

/* Writes a file into the folder; its path, as test_path. */
const char *test_series_file(const char *name, const char *text);
/* Runs SQL on a SQLite file, made if it is missing. */
void test_series_table(const char *path, const char *sql);

/* Imports a file, and fails unless so many rows were added, unchanged and rejected. */
void test_series_import(const char *path, const pu_series_options *options, int64_t added, int64_t unchanged,
                        int64_t rejected);
/* The import has to fail with this status and a message that holds these words. */
void test_series_refused(const char *path, const pu_series_options *options, pu_status status, const char *words);

/* The first number of a query. */
int64_t test_series_number(const char *sql);
int64_t test_series_ts(const char *text);
/* Fails unless the market's series has this value at that time; NAN: missing. */
void test_series_known(const char *name, const char *when, double expected);

#endif
