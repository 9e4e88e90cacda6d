/* Golden values: a CSV table from tests/golden, and how near a feature's values have to come to a column of it. */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include "plusultra/store.h"

enum { TEST_FIXTURE_COLUMNS_MAX = 128, TEST_FIXTURE_ROWS_MAX = 400, TEST_BAR_COLUMNS = 7 };

/* An empty cell is NaN. */
typedef struct test_fixture {
    int columns, rows;
    char *text;
    const char *name[TEST_FIXTURE_COLUMNS_MAX];
    double value[TEST_FIXTURE_COLUMNS_MAX][TEST_FIXTURE_ROWS_MAX];
} test_fixture;

/* Free with test_fixture_free. */
test_fixture *test_fixture_read(const char *name);
void test_fixture_free(test_fixture *fixture);

/* The column of a name; the test fails when there is none. */
const double *test_fixture_column(const test_fixture *fixture, const char *name);

/* The bars that the first TEST_BAR_COLUMNS columns hold; free with pu_bars_free. */
void test_fixture_bars(const test_fixture *fixture, pu_bars *out);

/* Fails where a value is missing in one of the two only, or differs by more than 1e-9 of the value as asked, and 1e-12
 * of the column's largest value: a difference of two prices near 0 keeps the rounding of the prices. */
void test_check_column(const char *name, const double *got, const double *want, int rows);

#endif
