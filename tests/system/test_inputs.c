/* Features that see more than their asset, from the store to the rows that a model gets: benchmark, universe,
 * cross-section, alternative series and regime labels equal what a plain reading of the definitions gives, over assets
 * that begin at different times, with bars missing; and the audit passes them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plusultra/features.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/windows.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { ASSETS = 3, DAYS = 420, SEED = 20261123, CUTS = 25, VINTAGES_MAX = 200, STATE_BYTES_MAX = 1 << 16 };

static test_market market;
static const char *const symbols[ASSETS] = {"AAA", "BBB", "CCC"};
static pu_bars bars[ASSETS], benchmark;

/* What was published of a series: own[a] of one asset, the last of the market. */
typedef struct vintage {
    int64_t published_ts, ts;
    double value;
} vintage;
typedef struct series {
    const char *name;
    int64_t stale_after_s;
    int count[ASSETS + 1];
    vintage row[ASSETS + 1][VINTAGES_MAX];
} series;
static series sentiment = {.name = "sentiment", .stale_after_s = 12 * TEST_DAY_S};
static series funding = {.name = "funding_rate", .stale_after_s = 30 * TEST_DAY_S};
static series regime = {.name = "market", .stale_after_s = INT64_MAX};

static const char *const names[] = {
    "cross_rank_return_5",
    "cross_z_volatility_20",
    "cross_rank_volume_change_5",
    "beta_60",
    "relative_strength_20",
    "benchmark_lead_20_lag_1",
    "universe_excess_5",
    "universe_lead_20_lag_5",
    "sentiment",
    "sentiment_known",
    "sentiment_age",
    "funding_rate_z_30",
    "regime_label",
    "regime_label_known",
    "log_return_1",
};
enum { NAMES = sizeof names / sizeof names[0] };

/* ---- the market ---- */

/* A walk of which every `skip`-th bar is missing. */
static void make_bars(uint64_t seed, int first_day, int skip, const char *symbol, pu_bars *out) {
    pu_bars walk;
    assert_true(test_bars_walk(seed, DAYS - first_day, TEST_FIRST_TS + first_day * TEST_DAY_S, TEST_DAY_S, &walk));
    assert_true(test_bars_alloc(walk.count, out));
    out->count = 0;
    for (int64_t i = 0; i < walk.count; ++i) {
        if (skip && i % skip == skip - 1) continue;
        const int64_t at = out->count++;
        out->ts[at] = walk.ts[i];
        out->open[at] = walk.open[i], out->high[at] = walk.high[i], out->low[at] = walk.low[i];
        out->close[at] = walk.close[i], out->adjusted[at] = walk.adjusted[i], out->volume[at] = walk.volume[i];
    }
    pu_bars_free(&walk);
    test_market_put(&market, symbol, TEST_DAY_S, out);
}

/* Dated every `step` days from `first_day` on, published some days later, every fifth revised after that. */
static void publish(series *to, int whose, int first_day, int step, bool whole, pu_random *random) {
    for (int day = first_day; day < DAYS; day += step) {
        const int64_t ts = TEST_FIRST_TS + day * TEST_DAY_S;
        const int64_t later_s = (int64_t)pu_random_below(random, 3 * TEST_DAY_S);
        for (int revision = 0; revision < (day / step % 5 == 2 ? 2 : 1); ++revision) {
            const double drawn = pu_random_normal(random);
            to->row[whose][to->count[whose]++] =
                (vintage){ts + later_s + revision * 4 * TEST_DAY_S, ts, whole ? floor(2 * drawn) : drawn};
            assert_true(to->count[whose] < VINTAGES_MAX);
        }
    }
}

static void store_series(const series *from, const char *kind) {
    char sql[512];
    for (int whose = 0; whose <= ASSETS; ++whose) {
        if (from->count[whose] == 0) continue;
        char asset[128] = "NULL";
        if (whose < ASSETS)
            snprintf(asset, sizeof asset, "(SELECT asset_id FROM assets WHERE symbol = '%s')", symbols[whose]);
        snprintf(
            sql, sizeof sql,
            "INSERT INTO alternative_series (name, asset_id, kind, stale_after_s, rows) VALUES ('%s', %s, '%s', "
            "%lld, %d)",
            from->name, asset, kind, (long long)from->stale_after_s, from->count[whose]);
        test_market_sql(&market, sql);
        for (int i = 0; i < from->count[whose]; ++i) {
            const vintage *row = &from->row[whose][i];
            snprintf(sql, sizeof sql,
                     "INSERT INTO alternative_values (series_id, published_ts, ts, value) VALUES ((SELECT "
                     "max(series_id) FROM alternative_series), %lld, %lld, %.17g)",
                     (long long)row->published_ts, (long long)row->ts, row->value);
            test_market_sql(&market, sql);
        }
    }
}

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    make_bars(1, 0, 0, symbols[0], &bars[0]);
    make_bars(2, 0, 11, symbols[1], &bars[1]);
    make_bars(3, 70, 0, symbols[2], &bars[2]);
    make_bars(4, 20, 7, "IDX", &benchmark);
    pu_random random = pu_random_at(SEED, 0);
    print_message("seed %d\n", SEED);
    publish(&sentiment, ASSETS, 30, 9, false, &random);
    publish(&funding, ASSETS, 10, 3, false, &random);
    publish(&funding, 0, 200, 5, false, &random);
    publish(&regime, ASSETS, 50, 40, true, &random);
    store_series(&sentiment, "sentiment");
    store_series(&funding, "funding");
    for (int i = 0; i < regime.count[ASSETS]; ++i) {
        char sql[256];
        const vintage *row = &regime.row[ASSETS][i];
        snprintf(sql, sizeof sql,
                 "INSERT INTO regimes (name, published_ts, ts, label) VALUES ('market', %lld, %lld, %d)",
                 (long long)row->published_ts, (long long)row->ts, (int)row->value);
        test_market_sql(&market, sql);
    }
    return 0;
}

static int close_market(void **state) {
    (void)state;
    for (int a = 0; a < ASSETS; ++a) pu_bars_free(&bars[a]);
    pu_bars_free(&benchmark);
    test_market_remove(&market);
    return 0;
}

static pu_config *config_of(const char *features) {
    char list[1024];
    snprintf(list, sizeof list, "features.names=[%s]", features);
    return test_config(&market, "data.benchmark=IDX", "data.symbols=[AAA, BBB, CCC]", "features.block_bars=64",
                       "windows.window_bars=16", "windows.warmup_bars=24", "split.embargo_bars=5", list, NULL);
}

static pu_config *config_of_all(void) {
    char list[1024] = "";
    for (int i = 0; i < NAMES; ++i)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    return config_of(list);
}

/* ---- the definitions, read plainly ---- */

static int64_t bar_at(const pu_bars *of, int64_t ts) {
    for (int64_t i = 0; i < of->count; ++i) {
        if (of->ts[i] == ts) return i;
    }
    return -1;
}

static pu_feature_value known_at(const series *from, int asset, int64_t ts) {
    const vintage *best = NULL;
    for (int whose = asset; !best; whose = ASSETS) {
        for (int i = 0; i < from->count[whose]; ++i) {
            const vintage *row = &from->row[whose][i];
            if (row->published_ts > ts || row->ts > ts) continue;
            if (!best || row->ts > best->ts || (row->ts == best->ts && row->published_ts > best->published_ts))
                best = row;
        }
        if (whose == ASSETS) break;
    }
    if (!best || ts - best->published_ts > from->stale_after_s) return (pu_feature_value){.value = NAN};
    return (pu_feature_value){best->value, ts - best->published_ts};
}

static pu_feature_value input_at(const char *input, int asset, int64_t ts) {
    pu_feature_value out = {.value = NAN};
    if (strcmp(input, "benchmark") == 0) {
        for (int64_t i = 0; i < benchmark.count && benchmark.ts[i] <= ts; ++i) out.value = benchmark.adjusted[i];
        return out;
    }
    if (strcmp(input, "universe") == 0) {
        double sum = 0, count = 0;
        for (int a = 0; a < ASSETS; ++a) {
            const int64_t i = bar_at(&bars[a], ts);
            if (i < 1) continue;
            sum += log(bars[a].adjusted[i] / bars[a].adjusted[i - 1]);
            count += 1;
        }
        out.value = count > 0 ? sum / count : NAN;
        return out;
    }
    if (strcmp(input, "regime:market") == 0) return known_at(&regime, asset, ts);
    return known_at(strstr(input, "sentiment") ? &sentiment : &funding, asset, ts);
}

/* The values of `update` alone. */
static void own_values(const pu_feature *feature, int asset, double *out) {
    static _Alignas(64) unsigned char memory[STATE_BYTES_MAX];
    assert_true(feature->state_bytes <= sizeof memory);
    memset(memory, 0, sizeof memory);
    const pu_bars *from = &bars[asset];
    for (int64_t i = 0; i < from->count; ++i) {
        pu_feature_value input[PU_FEATURE_INPUTS_MAX];
        for (int k = 0; k < feature->input_count; ++k) input[k] = input_at(feature->inputs[k], asset, from->ts[i]);
        const double factor = from->adjusted[i] == from->close[i] ? 1 : from->adjusted[i] / from->close[i];
        const pu_feature_bar bar = {from->ts[i],
                                    from->open[i] * factor,
                                    from->high[i] * factor,
                                    from->low[i] * factor,
                                    from->adjusted[i],
                                    from->volume[i],
                                    input};
        const double value = feature->update(memory, feature->parameters, &bar, i);
        out[i] = i < feature->lookback_bars ? NAN : value;
    }
}

static double across(const pu_feature *feature, int count, const double *values, double value) {
    double below = 0, equal = 0, sum = 0, squares = 0;
    for (int i = 0; i < count; ++i) {
        below += values[i] < value;
        equal += values[i] == value;
        sum += values[i];
    }
    for (int i = 0; i < count; ++i) squares += (values[i] - sum / count) * (values[i] - sum / count);
    if (count < 2 || squares == 0) return 0;
    if (feature->cross == PU_CROSS_ZSCORE) return (value - sum / count) / sqrt(squares / count);
    return 2 * (below + (equal - 1) / 2) / (count - 1) - 1;
}

static void expected(const pu_feature *feature, double out[ASSETS][DAYS]) {
    static double own[ASSETS][DAYS];
    for (int a = 0; a < ASSETS; ++a) own_values(feature, a, own[a]);
    for (int a = 0; a < ASSETS; ++a) {
        for (int64_t i = 0; i < bars[a].count; ++i) {
            double values[ASSETS];
            int count = 0;
            for (int b = 0; b < ASSETS; ++b) {
                const int64_t at = bar_at(&bars[b], bars[a].ts[i]);
                if (at >= 0 && !isnan(own[b][at])) values[count++] = own[b][at];
            }
            const bool crossed = feature->cross != PU_CROSS_NONE && !isnan(own[a][i]);
            out[a][i] = crossed ? across(feature, count, values, own[a][i]) : own[a][i];
        }
    }
}

/* ---- tests ---- */

static void check_asset(pu_dataset *dataset, int asset, double want[NAMES][ASSETS][DAYS]) {
    const int64_t rows = pu_dataset_rows(dataset, asset);
    const int64_t first = bars[asset].count - rows;
    float *got = pu_calloc((size_t)(rows * NAMES), sizeof *got);
    int64_t *ts = pu_calloc((size_t)rows, sizeof *ts);
    assert_true(got && ts && first > 0);
    assert_int_equal(pu_dataset_read(dataset, asset, 0, rows, got, NULL, NULL, NULL), PU_OK);
    assert_int_equal(pu_dataset_times(dataset, asset, 0, rows, ts), PU_OK);
    for (int64_t r = 0; r < rows; ++r) {
        assert_int_equal(ts[r], bars[asset].ts[first + r]);
        for (int f = 0; f < NAMES; ++f) {
            const double value = (double)got[r * NAMES + f], expect = want[f][asset][first + r];
            /* Stored as float32; the universe's mean may be summed in another order. */
            if (!(fabs(value - expect) <= 2e-7 * fmax(1e-3, fabs(expect))))
                fail_msg("%s of %s at bar %d: %.9g, expected %.9g", names[f], symbols[asset], (int)(first + r),
                         value, expect);
        }
    }
    bool complete = true; /* the rows begin at the first bar at which every feature has a value */
    for (int f = 0; f < NAMES; ++f) complete = complete && isfinite(want[f][asset][first - 1]);
    assert_false(complete);
    pu_free(got);
    pu_free(ts);
}

static void rows_equal_the_definitions(void **state) {
    (void)state;
    static double want[NAMES][ASSETS][DAYS];
    for (int f = 0; f < NAMES; ++f) {
        const pu_feature *feature = pu_feature_find(names[f]);
        assert_non_null(feature);
        expected(feature, want[f]);
    }
    pu_config *config = config_of_all();
    pu_dataset *dataset = NULL;
    if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_dataset_features(dataset), NAMES);
    for (int a = 0; a < ASSETS; ++a) check_asset(dataset, a, want);
    pu_dataset_close(dataset);
    pu_config_free(config);
}

static void the_audit_passes_them(void **state) {
    (void)state;
    pu_config *config = config_of_all();
    pu_audit_result result;
    if (pu_features_audit(config, CUTS, SEED, &result) != PU_OK) fail_msg("%s", pu_error_message());
    if (result.leaks + result.stale > 0) fail_msg("%s of %s", result.feature, result.symbol);
    assert_true(result.values > (int64_t)CUTS * ASSETS * NAMES * 10);
    pu_config_free(config);
}

/* New data rebuild what depends on them and nothing else: a revision of a series the features with that series, a bar
 * of the benchmark those that see it. */
static void only_what_depends_is_made_again(void **state) {
    (void)state;
    pu_config *own = config_of("log_return_1"), *known = config_of("sentiment, sentiment_known");
    pu_config *related = config_of("beta_60");
    pu_features_result result;
    pu_config *const all[] = {own, known, related};
    for (int i = 0; i < 3; ++i) assert_int_equal(pu_features_build(all[i], &result), PU_OK);
    test_market_sql(&market, "UPDATE alternative_series SET rows = rows + 1, checksum = checksum + 1 WHERE name = "
                             "'sentiment'");
    assert_int_equal(pu_features_build(own, &result), PU_OK);
    assert_int_equal(result.blocks_written, 0);
    assert_int_equal(pu_features_build(related, &result), PU_OK);
    assert_int_equal(result.blocks_written, 0);
    assert_int_equal(pu_features_build(known, &result), PU_OK);
    assert_true(result.blocks_written > 0);
    pu_bars one = test_bars_cut(&benchmark, 1);
    one.adjusted[0] *= 1.01;
    test_market_put(&market, "IDX", TEST_DAY_S, &one);
    assert_int_equal(pu_features_build(own, &result), PU_OK);
    assert_int_equal(result.blocks_written, 0);
    assert_int_equal(pu_features_build(related, &result), PU_OK);
    assert_true(result.blocks_written > 0);
    for (int i = 0; i < 3; ++i) pu_config_free(all[i]);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    pu_config *config = test_config(&market, "features.names=[beta_60, rsi_14]", NULL);
    pu_features_result result;
    assert_int_equal(pu_features_build(config, &result), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "beta_60"));
    assert_non_null(strstr(pu_error_message(), "benchmark"));
    pu_config_free(config);
    config = config_of("active_addresses_z_30, rsi_14");
    assert_int_equal(pu_features_build(config, &result), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "active_addresses_z_30"));
    assert_non_null(strstr(pu_error_message(), "alternative:active_addresses"));
    assert_non_null(strstr(pu_error_message(), "AAA, BBB, CCC"));
    pu_config_free(config);
    config = test_config(&market, "features.names=[beta_60, active_addresses_z_30, rsi_14]",
                         "features.missing=skip", NULL);
    assert_int_equal(pu_features_build(config, &result), PU_OK);
    assert_true(result.rows > 0);
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_equal_the_definitions),
        cmocka_unit_test(the_audit_passes_them),
        cmocka_unit_test(only_what_depends_is_made_again),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
