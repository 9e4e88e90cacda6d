/* A scratch store with seeded bars, and configurations over it. Failures of the harness end the test program. */
#ifndef TESTS_SUPPORT_MARKET_H
#define TESTS_SUPPORT_MARKET_H

#include "plusultra/config.h"
#include "plusultra/store.h"
#include "plusultra/windows.h"

enum { TEST_FIRST_TS = 1262649600, TEST_DAY_S = 86400 };

typedef struct test_market {
    char *folder;
    char store[512]; /* path */
} test_market;

test_market test_market_new(void);
void test_market_remove(test_market *market);

/* Adds an asset with these bars, or puts them into the one of that name; a bar at a time that is stored is
 * replaced. */
void test_market_put(const test_market *market, const char *symbol, int64_t bar_s, const pu_bars *bars);
/* The same with a seeded walk of `count` daily bars, with volume or without. */
void test_market_walk(const test_market *market, const char *symbol, uint64_t seed, int64_t count, bool volume);

/* Defaults with data.store set and overrides "section.key=value", ended by NULL. Free with pu_config_free. */
pu_config *test_config(const test_market *market, ...) __attribute__((sentinel));

/* Runs SQL that is not the library's own: damage, counts. Returns the first column of the first row, or 0. */
int64_t test_market_sql(const test_market *market, const char *sql);

/* Decision times of all rows of an asset. Free with pu_free. */
int64_t *test_times(pu_dataset *dataset, int asset);

/* Flips one bit of a stored block. */
void test_market_flip(const test_market *market, int64_t block_id, int offset_bytes);

#endif
