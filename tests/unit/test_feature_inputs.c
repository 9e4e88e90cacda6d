/* Features that see more than the asset's own bars: values against numpy, pandas and scipy, inputs that begin late,
 * rest or never come, cuts, units. The fixture holds the inputs as the engine hands them over. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/stream.h"
#include "plusultra/features.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/fixture.h"

enum { ROWS = TEST_FIXTURE_ROWS_MAX, CHUNK_BARS = 37 };

/* Bars, and every input by its name in the descriptors. */
enum { INPUTS = 7 };
static const struct {
    const char *input, *column, *age_column;
} columns[INPUTS] = {
    {"benchmark", "BENCHMARK", NULL},
    {"universe", "UNIVERSE", NULL},
    {"alternative:funding_rate", "FUNDING_RATE", "FUNDING_RATE_AGE"},
    {"alternative:sentiment", "SENTIMENT", "SENTIMENT_AGE"},
    {"alternative:macro_surprise", "MACRO_SURPRISE", "MACRO_SURPRISE_AGE"},
    {"alternative:active_addresses", "ACTIVE_ADDRESSES", "ACTIVE_ADDRESSES_AGE"},
    {"regime:market", "REGIME", "REGIME_AGE"},
};

typedef struct market {
    pu_bars bars;
    pu_feature_value input[INPUTS][ROWS];
} market;

static test_fixture *golden;
static market base;

static int read_fixture(void **state) {
    (void)state;
    golden = test_fixture_read("inputs.csv");
    test_fixture_bars(golden, &base.bars);
    for (int i = 0; i < INPUTS; ++i) {
        const double *value = test_fixture_column(golden, columns[i].column);
        const double *age = columns[i].age_column ? test_fixture_column(golden, columns[i].age_column) : NULL;
        for (int r = 0; r < golden->rows; ++r)
            base.input[i][r] = (pu_feature_value){value[r], age ? (int64_t)age[r] : 0};
    }
    return 0;
}

static int free_fixture(void **state) {
    (void)state;
    pu_bars_free(&base.bars);
    test_fixture_free(golden);
    return 0;
}

static int input_of(const char *name) {
    for (int i = 0; i < INPUTS; ++i) {
        if (strcmp(columns[i].input, name) == 0) return i;
    }
    fail_msg("no column for %s", name);
    return -1;
}

/* The first `count` bars in chunks, by `update` alone or as the engine does. */
static void compute(const pu_feature *feature, const market *from, int64_t count, bool one_by_one, double *out) {
    pu__columns chunk_columns;
    pu__adjust adjust = {0};
    pu__stream *stream = NULL;
    assert_int_equal(pu__columns_open(CHUNK_BARS, &chunk_columns), PU_OK);
    assert_int_equal(pu__stream_open(1, &feature, CHUNK_BARS, one_by_one, &stream), PU_OK);
    for (int64_t first = 0; first < count; first += CHUNK_BARS) {
        const pu_feature_value *inputs[PU_FEATURE_INPUTS_MAX] = {NULL};
        for (int k = 0; k < feature->input_count; ++k)
            inputs[k] = from->input[input_of(feature->inputs[k])] + first;
        const int64_t left = count - first;
        pu__columns_take(&adjust, &from->bars, first, left < CHUNK_BARS ? left : CHUNK_BARS, &chunk_columns);
        const pu_feature_chunk chunk = pu__columns_chunk(&chunk_columns);
        pu__stream_run(stream, 0, &chunk, inputs, out + first);
    }
    pu__stream_close(stream);
    pu__columns_close(&chunk_columns);
}

static bool sees_others(const pu_feature *feature) {
    return feature->input_count > 0 || feature->cross != PU_CROSS_NONE;
}

/* For a cross-sectional feature: the asset's own value, before the engine ranks it. */
static void values_equal_the_libraries(void **state) {
    (void)state;
    int checked = 0;
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (!sees_others(feature)) continue;
        double got[ROWS], single[ROWS];
        compute(feature, &base, golden->rows, false, got);
        test_check_column(feature->name, got, test_fixture_column(golden, feature->name), golden->rows);
        compute(feature, &base, golden->rows, true, single);
        for (int r = 0; r < golden->rows; ++r) {
            if (memcmp(&got[r], &single[r], sizeof *got) != 0 && !(isnan(got[r]) && isnan(single[r])))
                fail_msg("%s, bar %d: %.17g in a run, %.17g alone", feature->name, r, got[r], single[r]);
        }
        ++checked;
    }
    assert_int_equal(golden->columns - TEST_BAR_COLUMNS - 2 - 2 * (INPUTS - 2), checked);
}

/* Once its inputs are there, a feature has had its first value after the lookback, and has one from then on. */
static void values_begin_with_the_inputs_and_stay(void **state) {
    (void)state;
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (!sees_others(feature)) continue;
        const bool late = feature->input_count > 0 && strcmp(feature->inputs[0], "benchmark") == 0;
        const int64_t begin = feature->lookback_bars + (late ? 9 : 0); /* the benchmark's first bar */
        double got[ROWS];
        compute(feature, &base, golden->rows, false, got);
        for (int64_t i = 0; i < golden->rows; ++i) {
            if (i < begin ? !isnan(got[i]) : !isfinite(got[i]))
                fail_msg("%s at bar %d: %g", feature->name, (int)i, got[i]);
        }
    }
}

static void cuts_change_no_value(void **state) {
    (void)state;
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (!sees_others(feature)) continue;
        double whole[ROWS], cut[ROWS];
        compute(feature, &base, golden->rows, false, whole);
        for (int64_t count = 0; count <= golden->rows; count += 59) {
            compute(feature, &base, count, false, cut);
            assert_memory_equal(cut, whole, (size_t)count * sizeof *cut);
        }
    }
}

/* Nothing to relate to: a benchmark that rests, a universe that rests, an asset that rests, series that never come,
 * and that beside an asset that rests. */
static void degenerate_inputs_give_no_infinity(void **state) {
    (void)state;
    enum { KINDS = 5 };
    for (int kind = 0; kind < KINDS; ++kind) {
        market other = base;
        const bool unknown = kind >= 3, rests = kind == 2 || kind == 4;
        assert_true(test_bars_alloc(golden->rows, &other.bars));
        for (int64_t i = 0; i < golden->rows; ++i) {
            const double price = rests ? 0.1 : base.bars.adjusted[i];
            other.bars.ts[i] = base.bars.ts[i];
            other.bars.open[i] = other.bars.high[i] = other.bars.low[i] = other.bars.close[i] = price;
            other.bars.adjusted[i] = price;
            other.bars.volume[i] = rests ? 0 : unknown ? NAN : base.bars.volume[i];
            if (kind == 0) other.input[0][i].value = 0.3;
            if (kind == 1) other.input[1][i].value = 0;
            for (int k = 2; k < INPUTS && kind == 2; ++k) other.input[k][i] = (pu_feature_value){0.1, 60};
            for (int k = 0; k < INPUTS && unknown; ++k) other.input[k][i] = (pu_feature_value){NAN, 0};
        }
        for (int f = 0; f < pu_feature_count(); ++f) {
            const pu_feature *feature = pu_feature_at(f);
            if (!sees_others(feature)) continue;
            double got[ROWS];
            compute(feature, &other, golden->rows, false, got);
            const bool needs = feature->input_count > 0 && input_of(feature->inputs[0]) < 2;
            for (int64_t i = feature->lookback_bars + 9; i < golden->rows; ++i) {
                if (unknown && needs ? !isnan(got[i]) : !isfinite(got[i]) || fabs(got[i]) > 1e6)
                    fail_msg("market %d: %s at bar %d is %g", kind, feature->name, (int)i, got[i]);
                const bool twin = strstr(feature->name, "_known") != NULL;
                if (unknown && feature->input_count > 0 && !needs && got[i] != 0)
                    fail_msg("unknown: %s is %g", feature->name, got[i]);
                if (rests && (strstr(feature->name, "_z_30") || strncmp(feature->name, "cross", 5) == 0) &&
                    !twin && got[i] != 0)
                    fail_msg("at rest: %s is %g", feature->name, got[i]);
            }
        }
        pu_bars_free(&other.bars);
    }
}

/* Prices and the benchmark in other units, by powers of two: the same values. A cross-sectional volume too. */
static void values_do_not_depend_on_units(void **state) {
    (void)state;
    market other = base;
    assert_true(test_bars_alloc(golden->rows, &other.bars));
    for (int64_t i = 0; i < golden->rows; ++i) {
        other.bars.ts[i] = base.bars.ts[i];
        other.bars.open[i] = base.bars.open[i] * 0x1p-20;
        other.bars.high[i] = base.bars.high[i] * 0x1p-20;
        other.bars.low[i] = base.bars.low[i] * 0x1p-20;
        other.bars.close[i] = base.bars.close[i] * 0x1p-20;
        other.bars.adjusted[i] = base.bars.adjusted[i] * 0x1p-20;
        other.bars.volume[i] = base.bars.volume[i] * 0x1p10;
        other.input[0][i].value *= 0x1p30;
    }
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (!sees_others(feature)) continue;
        double one[ROWS], two[ROWS];
        compute(feature, &base, golden->rows, false, one);
        compute(feature, &other, golden->rows, false, two);
        assert_memory_equal(one, two, (size_t)golden->rows * sizeof *one);
    }
    pu_bars_free(&other.bars);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_equal_the_libraries),    cmocka_unit_test(values_begin_with_the_inputs_and_stay),
        cmocka_unit_test(cuts_change_no_value),          cmocka_unit_test(degenerate_inputs_give_no_infinity),
        cmocka_unit_test(values_do_not_depend_on_units),
    };
    return cmocka_run_group_tests(tests, read_fixture, free_fixture);
}
