/* The feature registry: values against TA-Lib, pandas and scipy; degenerate markets; causality; scale. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plusultra/features.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/fixture.h"
#include "tests/support/process.h"

/* The columns of a fixture from `first` on; how many. */
static int check_fixture(const test_fixture *golden, int first, const pu_bars *bars) {
    double got[TEST_FIXTURE_ROWS_MAX];
    assert_int_equal(golden->rows, bars->count);
    for (int c = first; c < golden->columns; ++c) {
        const pu_feature *feature = pu_feature_find(golden->name[c]);
        if (!feature) fail_msg("no feature named %s", golden->name[c]);
        assert_int_equal(pu_feature_compute(feature, bars, got), PU_OK);
        test_check_column(feature->name, got, golden->value[c], golden->rows);
    }
    return golden->columns - first;
}

/* Those that see only bars of the asset itself; test_feature_inputs.c has the others. */
static bool is_of_bars(const pu_feature *feature) {
    return feature->input_count == 0 && feature->cross == PU_CROSS_NONE;
}

/* Every feature is in one of the fixtures; the first of them holds the bars too. */
static void values_equal_the_libraries(void **state) {
    (void)state;
    static const char *const names[] = {"talib_features.csv", "talib_core.csv", "statistics.csv"};
    pu_bars bars = {0};
    int checked = 0, of_bars = 0;
    for (int i = 0; i < 3; ++i) {
        test_fixture *golden = test_fixture_read(names[i]);
        if (i == 0) test_fixture_bars(golden, &bars);
        checked += check_fixture(golden, i == 0 ? TEST_BAR_COLUMNS : 0, &bars);
        test_fixture_free(golden);
    }
    for (int f = 0; f < pu_feature_count(); ++f) of_bars += is_of_bars(pu_feature_at(f));
    assert_int_equal(checked, of_bars);
    pu_bars_free(&bars);
}

static bool has_tag(const pu_feature *feature, const char *tag) { return strstr(feature->tags, tag) != NULL; }

static void registry_is_well_formed(void **state) {
    (void)state;
    for (int i = 0; i < pu_feature_count(); ++i) {
        const pu_feature *feature = pu_feature_at(i);
        assert_int_equal(feature->abi, PU_FEATURE_ABI);
        assert_ptr_equal(pu_feature_find(feature->name), feature);
        assert_true(feature->version >= 1 && feature->lookback_bars >= 0 && feature->state_bytes > 0);
        assert_true(strlen(feature->description) > 10 && strlen(feature->source) > 10 &&
                    strlen(feature->tags) > 2);
        for (int p = 0; p < feature->parameter_count; ++p) assert_true(strlen(feature->parameter_names[p]) > 2);
        if (i > 0) assert_true(strcmp(pu_feature_at(i - 1)->name, feature->name) < 0);
    }
    assert_true(pu_feature_count() >= 200 && pu_feature_default_count() >= 20);
    for (int i = 0; i < pu_feature_default_count(); ++i) {
        const pu_feature *feature = pu_feature_find(pu_feature_default_at(i));
        assert_non_null(feature);
        if (has_tag(feature, "level")) fail_msg("%s is a level: not for the default set", feature->name);
    }
    assert_null(pu_feature_default_at(pu_feature_default_count()));
    assert_null(pu_feature_find("rsi"));
    assert_null(pu_feature_at(-1));
    assert_null(pu_feature_at(pu_feature_count()));
}

/* Every family of features that the project promises has members, under a tag or a name. */
static void every_family_is_there(void **state) {
    (void)state;
    static const char *const tags[] = {"trend",       "momentum", "volatility", "volume",    "talib",
                                       "shape",       "spectrum", "wavelet",    "memory",    "drawdown",
                                       "calendar",    "cross",    "benchmark",  "universe",  "lead_lag",
                                       "alternative", "funding",  "sentiment",  "macro",     "onchain",
                                       "regime",      "intraday", "cycle",      "liquidity", "range"};
    for (size_t t = 0; t < sizeof tags / sizeof *tags; ++t) {
        int members = 0;
        for (int i = 0; i < pu_feature_count(); ++i) members += has_tag(pu_feature_at(i), tags[t]);
        if (members == 0) fail_msg("no feature has the tag %s", tags[t]);
    }
    static const char *const names[] = {
        "realized_volatility_20",
        "parkinson_20",
        "garman_klass_20",
        "yang_zhang_20",
        "skewness_20",
        "kurtosis_20",
        "spectral_entropy_64",
        "spectral_low_64",
        "haar_energy_1",
        "fracdiff_04",
        "autocorrelation_20",
        "hurst_rs_64",
        "drawdown_peak",
        "day_of_week_sin",
        "cross_rank_return_5",
        "cross_z_return_5",
        "beta_60",
        "volatility_regime_20",
        "benchmark_lead_20_lag_1",
        "benchmark_correlation_60",
    };
    for (size_t n = 0; n < sizeof names / sizeof *names; ++n) assert_non_null(pu_feature_find(names[n]));
}

static void the_committed_reference_is_current(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE");
    char *committed = test_read(test_path(source ? source : ".", "docs/features.md"));
    char *current = pu_feature_reference();
    assert_non_null(committed);
    assert_non_null(current);
    if (strcmp(committed, current) != 0) print_error("docs/features.md is out of date: run `make docs`\n");
    assert_true(strcmp(committed, current) == 0);
    for (int i = 0; i < pu_feature_count(); ++i) {
        char cell[128];
        snprintf(cell, sizeof cell, "| `%s` | ", pu_feature_at(i)->name);
        if (!strstr(current, cell)) fail_msg("%s: its first tag names no group", pu_feature_at(i)->name);
    }
    free(committed);
    pu_free(current);
}

enum { DEGENERATE_BARS = 400, DEGENERATE_KINDS = 10 };

/* Markets that stand still in one way or another, or are huge or tiny, at prices whose doubles are not exact. */
static void make_degenerate(int kind, pu_bars *bars) {
    assert_true(test_bars_walk(7, DEGENERATE_BARS, 1262649600, 86400, bars));
    for (int64_t i = 0; i < bars->count; ++i) {
        if (kind == 0 || (kind == 1 && i > 100)) {
            bars->open[i] = bars->high[i] = bars->low[i] = bars->close[i] = 0.1;
            bars->adjusted[i] = kind == 0 ? 0.1 : 0.1 / 3;
        }
        if (kind <= 1 || (kind == 2 && i > 60) || (kind == 3 && i < 200)) bars->volume[i] = 0;
        if (kind == 4 && i % 7 == 3) bars->volume[i] = NAN;
        if (kind == 5) bars->volume[i] = NAN;
        if (kind == 6) bars->high[i] = bars->low[i] = bars->open[i] = bars->close[i];
        if (kind == 7)
            bars->open[i] = bars->high[i] = bars->low[i] = bars->close[i] = bars->adjusted[i] =
                1e-8 * pow(1.01, (double)i);
        if (kind >= 8) {
            const double factor = kind == 8 ? 1e12 : 1e-12;
            bars->open[i] *= factor, bars->high[i] *= factor, bars->low[i] *= factor, bars->close[i] *= factor;
            bars->adjusted[i] *= factor;
            bars->volume[i] *= factor;
        }
    }
}

/* What a feature says of a market that never moves. */
static double value_at_rest(const pu_feature *feature) {
    if (strncmp(feature->name, "aroon_", 6) == 0) return 100; /* the latest of equal bars is the highest */
    return strcmp(feature->name, "hurst_rs_64") == 0 ? 0.5 : 0;
}

static void check_degenerate(const pu_feature *feature, int kind, const double *got) {
    const bool is_level = has_tag(feature, "level");
    for (int i = 0; i < DEGENERATE_BARS; ++i) {
        if (i < feature->lookback_bars ? !isnan(got[i]) : !isfinite((float)got[i]))
            fail_msg("market %d: %s at bar %d is %g", kind, feature->name, i, got[i]);
        if (i < feature->lookback_bars || is_level) continue;
        const double largest =
            strcmp(feature->name, "natr_14") == 0 ? 1e6 : 1e4; /* percent of a price that fell */
        if (fabs(got[i]) > largest) fail_msg("market %d: %s at bar %d is %g", kind, feature->name, i, got[i]);
        const bool is_of_time = has_tag(feature, "calendar") || has_tag(feature, "cycle"); /* not of the price */
        if (kind == 0 && !is_of_time && got[i] != value_at_rest(feature))
            fail_msg("flat market: %s at bar %d is %g", feature->name, i, got[i]);
    }
}

static void degenerate_markets_give_finite_values(void **state) {
    (void)state;
    double got[DEGENERATE_BARS];
    for (int kind = 0; kind < DEGENERATE_KINDS; ++kind) {
        pu_bars bars;
        make_degenerate(kind, &bars);
        for (int f = 0; f < pu_feature_count(); ++f) {
            if (pu_feature_at(f)->input_count > 0) continue;
            assert_int_equal(pu_feature_compute(pu_feature_at(f), &bars, got), PU_OK);
            check_degenerate(pu_feature_at(f), kind, got);
        }
        pu_bars_free(&bars);
    }
}

static void truncation_changes_no_value(void **state) {
    (void)state;
    enum { BARS = 301 };
    pu_bars bars;
    assert_true(test_bars_walk(11, BARS, 1262649600, 300, &bars));
    double full[BARS], cut[BARS];
    for (int f = 0; f < pu_feature_count(); ++f) {
        assert_int_equal(pu_feature_compute(pu_feature_at(f), &bars, full), PU_OK);
        for (int64_t count = 0; count <= BARS; count += 43) {
            const pu_bars head = test_bars_cut(&bars, count);
            assert_int_equal(pu_feature_compute(pu_feature_at(f), &head, cut), PU_OK);
            assert_memory_equal(cut, full, (size_t)count * sizeof *cut);
        }
    }
    pu_bars_free(&bars);
}

/* What the units scale a level by: its own unit is a price, a price squared, a volume or their inverse product. */
static double level_factor(const pu_feature *feature, double price, double volume) {
    if (strcmp(feature->name, "var_5") == 0) return price * price;
    if (strcmp(feature->name, "amihud_20") == 0) return 1 / (price * volume);
    return has_tag(feature, "volume") ? volume : price;
}

/* The same value in the other units. A fractional difference shifts by its weights' sum, an angle is no linear
 * function of the price: both are put back. */
static double in_units(const pu_feature *feature, double value, double price, double volume) {
    if (!has_tag(feature, "level")) return value;
    if (strncmp(feature->name, "linearreg_angle", 15) == 0)
        return atan(price * tan(value * M_PI / 180)) * 180 / M_PI;
    if (strncmp(feature->name, "fracdiff", 8) != 0) return value * level_factor(feature, price, volume);
    double weight = 1, sum = 1;
    for (int k = 1; k < (int)feature->parameters[1]; ++k) {
        weight *= -(feature->parameters[0] - k + 1) / k;
        sum += weight;
    }
    return value + sum * log(price);
}

/* Prices in another currency, volumes in another unit: the same features, and levels in proportion. A power of two
 * scales without rounding, so the bits agree. */
static void values_do_not_depend_on_units(void **state) {
    (void)state;
    enum { BARS = 300 };
    const double price = 0x1p-20, volume = 0x1p10;
    pu_bars bars, scaled;
    assert_true(test_bars_walk(13, BARS, 1262649600, 86400, &bars));
    assert_true(test_bars_walk(13, BARS, 1262649600, 86400, &scaled));
    for (int64_t i = 0; i < BARS; ++i) {
        scaled.open[i] *= price, scaled.high[i] *= price, scaled.low[i] *= price, scaled.close[i] *= price;
        scaled.adjusted[i] *= price;
        scaled.volume[i] *= volume;
    }
    double one[BARS], other[BARS];
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (feature->input_count > 0) continue;
        assert_int_equal(pu_feature_compute(feature, &bars, one), PU_OK);
        assert_int_equal(pu_feature_compute(feature, &scaled, other), PU_OK);
        for (int64_t i = feature->lookback_bars; i < BARS; ++i) {
            /* Logs and angles are rounded, hence 1e-12 there. */
            const bool is_rounded =
                feature->needs_volume || has_tag(feature, "memory") || strstr(feature->name, "angle");
            const double want = in_units(feature, one[i], price, volume);
            if (fabs(want - other[i]) > (is_rounded ? 1e-12 * fmax(1, fabs(want)) : 0))
                fail_msg("%s at bar %d: %.17g and %.17g", feature->name, (int)i, want, other[i]);
        }
    }
    pu_bars_free(&bars);
    pu_bars_free(&scaled);
}

static void allocation_failure_is_reported(void **state) {
    (void)state;
    pu_bars bars;
    assert_true(test_bars_walk(17, 10, 1262649600, 86400, &bars));
    double out[10];
    for (int n = 0; n < 3; ++n) {
        pu_memory_fail_after(n);
        assert_int_equal(pu_feature_compute(pu_feature_at(0), &bars, out), PU_ERR_MEMORY);
    }
    pu_memory_fail_after(-1);
    pu_bars_free(&bars);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_equal_the_libraries),
        cmocka_unit_test(registry_is_well_formed),
        cmocka_unit_test(every_family_is_there),
        cmocka_unit_test(the_committed_reference_is_current),
        cmocka_unit_test(degenerate_markets_give_finite_values),
        cmocka_unit_test(truncation_changes_no_value),
        cmocka_unit_test(values_do_not_depend_on_units),
        cmocka_unit_test(allocation_failure_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
