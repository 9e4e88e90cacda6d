#include "tests/support/fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"

enum { FIXTURE_BYTES_MAX = 1 << 20 };

test_fixture *test_fixture_read(const char *name) {
    char path[4096];
    const char *root = getenv("PU_SOURCE");
    test_fixture *out = pu_calloc(1, sizeof *out);
    assert_non_null(out);
    snprintf(path, sizeof path, "%s/tests/golden/%s", root ? root : ".", name);
    size_t bytes = 0;
    assert_int_equal(pu__file_read(path, FIXTURE_BYTES_MAX, &out->text, &bytes), PU_OK);
    char *rest = out->text;
    char *header = strsep(&rest, "\n");
    for (char *cell; (cell = strsep(&header, ",")); out->name[out->columns++] = cell)
        assert_true(out->columns < TEST_FIXTURE_COLUMNS_MAX);
    for (char *line; (line = strsep(&rest, "\n")) && *line; ++out->rows) {
        assert_true(out->rows < TEST_FIXTURE_ROWS_MAX);
        for (int c = 0; c < out->columns; ++c) {
            const char *cell = strsep(&line, ",");
            assert_non_null(cell);
            out->value[c][out->rows] = *cell ? strtod(cell, NULL) : NAN;
        }
    }
    return out;
}

void test_fixture_free(test_fixture *fixture) {
    pu_free(fixture->text);
    pu_free(fixture);
}

const double *test_fixture_column(const test_fixture *fixture, const char *name) {
    for (int c = 0; c < fixture->columns; ++c) {
        if (strcmp(fixture->name[c], name) == 0) return fixture->value[c];
    }
    fail_msg("the fixture has no column %s", name);
    return NULL;
}

void test_fixture_bars(const test_fixture *fixture, pu_bars *out) {
    assert_true(test_bars_alloc(fixture->rows, out));
    double *columns[] = {NULL, out->open, out->high, out->low, out->close, out->adjusted, out->volume};
    for (int r = 0; r < fixture->rows; ++r) {
        out->ts[r] = (int64_t)fixture->value[0][r];
        for (int c = 1; c < TEST_BAR_COLUMNS; ++c) columns[c][r] = fixture->value[c][r];
    }
}

void test_check_column(const char *name, const double *got, const double *want, int rows) {
    double largest = 0;
    for (int r = 0; r < rows; ++r) largest = isnan(want[r]) ? largest : fmax(largest, fabs(want[r]));
    for (int r = 0; r < rows; ++r) {
        if (isnan(want[r]) != isnan(got[r])) fail_msg("%s, bar %d: %g, expected %g", name, r, got[r], want[r]);
        if (isnan(want[r])) continue;
        if (fabs(got[r] - want[r]) > 1e-9 * fabs(want[r]) + 1e-12 * largest)
            fail_msg("%s, bar %d: %.17g, expected %.17g", name, r, got[r], want[r]);
    }
}
