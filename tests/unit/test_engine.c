/* The feature engine: inputs joined as of each close, the universe, cross-sections, what a change makes anew, any
 * number of threads, failures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/audit.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/windows.h"
#include "tests/support/bars.h"
#include "tests/support/blocks.h"
#include "tests/support/world.h"

static pu_features_result build(const pu_config *config) {
    pu_features_result result;
    const pu_status status = pu_features_build(config, &result);
    if (status != PU_OK) fail_msg("%s", pu_error_message());
    return result;
}

/* ---- the same by definition ---- */

static int64_t bar_at(const pu_bars *bars, int64_t ts) {
    for (int64_t i = 0; i < bars->count; ++i) {
        if (bars->ts[i] == ts) return i;
    }
    return -1;
}

static double benchmark_by_definition(const world *w, int64_t ts) {
    double value = NAN;
    const pu_bars *bars = &w->bars[WORLD_BENCHMARK];
    for (int64_t i = 0; i < bars->count && bars->ts[i] <= ts; ++i) value = bars->adjusted[i];
    return value;
}

static double cpi_by_definition(int asset, int64_t ts, double *age_s) {
    double value = NAN;
    for (int day = 0; day < WORLD_DAYS; day += WORLD_RELEASE_DAYS) {
        const int64_t dated = TEST_FIRST_TS + (int64_t)day * TEST_DAY_S;
        const int64_t revised = dated + WORLD_REVISION_DAYS * TEST_DAY_S,
                      out = dated + WORLD_DELAY_DAYS * TEST_DAY_S;
        const bool is_revised = day % 30 == 0 && revised <= ts;
        if (out > ts) continue;
        value = day + 1000 * is_revised;
        *age_s = (double)(ts - (is_revised ? revised : out));
    }
    const int64_t own = TEST_FIRST_TS + WORLD_OWN_FROM_DAY * TEST_DAY_S;
    if (asset != 1 || ts < own) return value;
    *age_s = (double)(ts - own);
    return -7;
}

static double log_return(const world *w, int asset, int64_t bar) {
    const double *price = w->bars[asset].adjusted;
    return bar > 0 ? log(price[bar] / price[bar - 1]) : NAN;
}

static double universe_by_definition(const world *w, int64_t ts) {
    double sum = 0;
    int count = 0;
    for (int a = 0; a < WORLD_ASSETS; ++a) {
        const int64_t bar = bar_at(&w->bars[a], ts);
        if (bar <= 0) continue;
        sum += log_return(w, a, bar);
        count += 1;
    }
    return count ? sum / count : NAN;
}

/* Of `asset` among all with a finite value at that time. */
static double rank_by_definition(const double *value, int asset) {
    int count = 0, below = 0, equal = 0;
    for (int a = 0; a < WORLD_ASSETS; ++a) {
        if (isnan(value[a])) continue;
        count += 1;
        below += value[a] < value[asset];
        equal += value[a] == value[asset];
    }
    return count > 1 ? 2 * (below + 0.5 * (equal - 1)) / (count - 1) - 1 : 0;
}

static double z_by_definition(const double *value, int asset) {
    double sum = 0, squares = 0;
    int count = 0;
    for (int a = 0; a < WORLD_ASSETS; ++a) {
        if (!isnan(value[a])) sum += value[a], squares += value[a] * value[a], count += 1;
    }
    const double mean = sum / count, variance = squares / count - mean * mean;
    return count > 1 ? (value[asset] - mean) / sqrt(variance) : 0;
}

static void row_by_definition(const world *w, int asset, int64_t bar, double *out) {
    const int64_t ts = w->bars[asset].ts[bar];
    double price[WORLD_ASSETS], excess[WORLD_ASSETS];
    const double universe = universe_by_definition(w, ts);
    for (int a = 0; a < WORLD_ASSETS; ++a) {
        const int64_t at = bar_at(&w->bars[a], ts);
        price[a] = at < 0 ? NAN : w->bars[a].adjusted[at];
        excess[a] = at < 0 ? NAN : log_return(w, a, at) - universe;
    }
    out[CPI] = cpi_by_definition(asset, ts, &out[AGE]);
    out[BENCH] = benchmark_by_definition(w, ts);
    out[EXCESS] = rank_by_definition(excess, asset);
    out[PHASE] = ts >= TEST_FIRST_TS + 80 * TEST_DAY_S ? 2 : 1;
    out[RANK] = rank_by_definition(price, asset);
    out[UNIVERSE] = universe;
    out[Z] = z_by_definition(price, asset);
}

static void inputs_are_as_of_the_close(void **state) {
    (void)state;
    static const int first_days[WORLD_ASSETS] = {20, 38, 20}; /* the benchmark's first bar; BBB's own second */
    world w = world_new();
    pu_config *config = world_config(&w, WORLD_NAMES, NULL);
    build(config);
    for (int a = 0; a < WORLD_ASSETS; ++a) {
        pu__blocks blocks;
        float *got = test_blocks_read(config, a, PU__BLOCKS_FEATURE, &blocks);
        assert_int_equal(w.bars[a].ts[blocks.first_bar], TEST_FIRST_TS + (int64_t)first_days[a] * TEST_DAY_S);
        assert_int_equal(blocks.rows, w.bars[a].count - blocks.first_bar);
        for (int64_t r = 0; r < blocks.rows; ++r) {
            double want[WORLD_FEATURES];
            row_by_definition(&w, a, blocks.first_bar + r, want);
            for (int c = 0; c < WORLD_FEATURES; ++c) {
                /* float32, and for z the cancellation in the plain formula of the variance */
                const double limit = (c == Z ? 1e-6 : 1e-7) * fmax(1, fabs(want[c]));
                if (!(fabs((double)got[r * WORLD_FEATURES + c] - want[c]) <= limit))
                    fail_msg("%s row %d: %s is %.9g, expected %.9g", world_symbol[a], (int)r,
                             world_feature[c].name, (double)got[r * WORLD_FEATURES + c], want[c]);
            }
        }
        pu_free(got);
        pu__blocks_free(&blocks);
    }
    pu_config_free(config);
    world_remove(&w);
}

static void threads_change_no_bit(void **state) {
    (void)state;
    static const char *const threads[] = {"run.threads=1", "run.threads=2", "run.threads=5"};
    world w = world_new();
    float *first[WORLD_ASSETS] = {NULL};
    for (int n = 0; n < 3; ++n) {
        pu_config *config = world_config(&w, WORLD_NAMES, threads[n]);
        test_market_sql(&w.market, "DELETE FROM feature_sets");
        build(config);
        for (int a = 0; a < WORLD_ASSETS; ++a) {
            pu__blocks blocks;
            float *rows = test_blocks_read(config, a, PU__BLOCKS_FEATURE, &blocks);
            const size_t bytes = (size_t)(blocks.rows * blocks.columns) * sizeof *rows;
            pu__blocks_free(&blocks);
            if (n == 0) first[a] = rows;
            else assert_memory_equal(rows, first[a], bytes);
            if (n > 0) pu_free(rows);
        }
        pu_config_free(config);
    }
    for (int a = 0; a < WORLD_ASSETS; ++a) pu_free(first[a]);
    world_remove(&w);
}

/* ---- what a change makes anew ---- */

typedef struct change {
    const char *names, *sql;
    int built; /* assets whose features are made again */
} change;

static void only_what_depends_on_it_is_built(void **state) {
    (void)state;
    static const char bump[] = "UPDATE assets SET checksum = checksum + 1 WHERE symbol = 'SPX'";
    static const char cpi[] = "UPDATE alternative_series SET checksum = checksum + 1 WHERE series_id = 1";
    static const char own[] = "UPDATE alternative_series SET checksum = checksum + 1 WHERE series_id = 2";
    static const char phase[] = "UPDATE regimes SET label = label + 1 WHERE label = 2";
    static const change changes[] = {
        {"features.names=[t_benchmark]", bump, 3}, {"features.names=[rsi_14]", bump, 0},
        {"features.names=[t_cpi]", cpi, 3},        {"features.names=[t_cpi]", own, 1},
        {"features.names=[t_phase]", phase, 3},    {"features.names=[rsi_14]", phase, 0},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        world w = world_new();
        pu_config *config = world_config(&w, changes[i].names, "data.symbols=[AAA, BBB, CCC]");
        build(config);
        test_market_sql(&w.market, changes[i].sql);
        pu__plan plan;
        pu_store *store = NULL;
        int stale = 0;
        assert_int_equal(pu_store_open(w.market.store, PU_STORE_READ, &store), PU_OK);
        assert_int_equal(pu__plan_open(config, store, &plan), PU_OK);
        for (int a = 0; a < WORLD_ASSETS; ++a) {
            pu__blocks features, labels;
            bool found = false;
            assert_int_equal(pu__asset_blocks(&plan, a, &features, &labels, &found), PU_OK);
            stale += !found;
            if (!found) continue;
            pu__blocks_free(&features);
            pu__blocks_free(&labels);
        }
        if (stale != changes[i].built) fail_msg("%s: %d assets are stale", changes[i].sql, stale);
        pu__plan_close(&plan);
        pu_store_close(store);
        pu_config_free(config);
        world_remove(&w);
    }
}

/* Another bar of one asset: of a set by itself that asset, of a cross-section all; labels of that asset alone. */
static void a_new_bar_reaches_the_cross_section(void **state) {
    (void)state;
    static const char *const names[] = {"features.names=[rsi_14]", "features.names=[t_rank]",
                                        "features.names=[t_universe]"};
    for (int i = 0; i < 3; ++i) {
        world w = world_new();
        pu_config *config = world_config(&w, names[i], "features.block_bars=4096");
        assert_int_equal(build(config).blocks_written, 2 * WORLD_ASSETS);
        w.bars[1].close[5] *= 1.0000001;
        test_market_put(&w.market, "BBB", TEST_DAY_S, &w.bars[1]);
        const pu_features_result again = build(config);
        assert_int_equal(again.blocks_written, i == 0 ? 2 : WORLD_ASSETS + 1);
        assert_int_equal(again.blocks_current, 2 * WORLD_ASSETS - again.blocks_written);
        assert_int_equal(build(config).blocks_written, 0);
        pu_config_free(config);
        world_remove(&w);
    }
}

/* A newcomer is compared with from its first bars on, as it is once it has enough of them for blocks of its own: what
 * it will grow to is not known yet. */
static void a_newcomer_counts_at_once(void **state) {
    (void)state;
    enum { FEATURES = 3, LISTED_DAY = 200, DAYS = 60, YOUNG_DAYS = 9 };
    float *before = NULL;
    pu__blocks blocks;
    for (int days = YOUNG_DAYS; days <= DAYS; days += DAYS - YOUNG_DAYS) {
        world w = world_new();
        pu_bars bars;
        assert_true(test_bars_walk(77, DAYS, TEST_FIRST_TS + LISTED_DAY * (int64_t)TEST_DAY_S, TEST_DAY_S, &bars));
        const pu_bars young = test_bars_cut(&bars, days);
        test_market_put(&w.market, "AAB", TEST_DAY_S, &young);
        pu_config *config = world_config(&w, "features.names=[t_universe, t_excess_rank, sma_30]", NULL);
        build(config);
        float *rows = test_blocks_read(config, 0, PU__BLOCKS_FEATURE, &blocks);
        const int64_t seen = LISTED_DAY + YOUNG_DAYS - blocks.first_bar;
        if (!before) before = rows;
        else assert_memory_equal(rows, before, (size_t)(seen * FEATURES) * sizeof *rows);
        if (rows != before) pu_free(rows);
        pu__blocks_free(&blocks);
        pu_bars_free(&bars);
        pu_config_free(config);
        world_remove(&w);
    }
    pu_free(before);
}

/* A run is named by its data: those of the benchmark are among them where a feature looks at it. */
static void the_data_of_a_run_are_those_of_its_features(void **state) {
    (void)state;
    static const char *const names[] = {"features.names=[rsi_14]", "features.names=[rsi_14, t_benchmark]"};
    for (int i = 0; i < 2; ++i) {
        char before[65] = "";
        world w = world_new();
        pu_config *config = test_config(&w.market, "data.benchmark=SPX", names[i], "windows.window_bars=8",
                                        "windows.warmup_bars=8", "windows.horizons=[1]", NULL);
        for (int changed = 0; changed < 2; ++changed) {
            pu_dataset *dataset = NULL;
            if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
            if (changed) assert_int_equal(strcmp(before, pu_dataset_hash(dataset)) != 0, i == 1);
            snprintf(before, sizeof before, "%s", pu_dataset_hash(dataset));
            pu_dataset_close(dataset);
            w.bars[WORLD_BENCHMARK].close[5] *= 1.0000001;
            test_market_put(&w.market, "SPX", TEST_DAY_S, &w.bars[WORLD_BENCHMARK]);
        }
        pu_config_free(config);
        world_remove(&w);
    }
}

/* ---- audit ---- */

static void inputs_and_cross_sections_pass_the_audit(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = world_config(&w, WORLD_NAMES, "run.threads=2");
    pu_audit_result result;
    build(config);
    assert_int_equal(pu_features_audit(config, 18, 20261123, &result), PU_OK);
    assert_int_equal(result.leaks, 0);
    assert_int_equal(result.stale, 0);
    assert_int_equal(result.assets, WORLD_ASSETS);
    assert_true(result.values > 18 * 100 * WORLD_FEATURES);
    pu_config_free(config);
    world_remove(&w);
}

/* ---- faults ---- */

/* Allocations fail in turn, the first hundred one by one, with all kinds of inputs and a cross-section: an error, and
 * no half of an asset. */
static void failures_are_reported_and_leave_whole_assets(void **state) {
    (void)state;
    static const char torn[] =
        "SELECT count(*) FROM feature_sets AS s WHERE row_count = 0 OR row_count != (SELECT "
        "coalesce(sum(row_count), 0) FROM feature_blocks AS b WHERE b.set_id = s.set_id)";
    world w = world_new();
    pu_config *config = world_config(&w, WORLD_NAMES, "run.threads=1");
    for (int is_audit = 0; is_audit < 2; ++is_audit) {
        pu_status status = PU_ERR_MEMORY;
        int failures = 0;
        for (; status != PU_OK; failures += failures < 100 ? 1 : 7) {
            pu_features_result built;
            pu_audit_result audited;
            pu_memory_fail_after(failures);
            status = is_audit ? pu_features_audit(config, 2, 1, &audited) : pu_features_build(config, &built);
            pu_memory_fail_after(-1);
            if (status != PU_OK) assert_int_equal(status, PU_ERR_MEMORY);
        }
        assert_true(failures > 100);
        assert_int_equal(test_market_sql(&w.market, torn), 0);
        assert_int_equal(test_market_sql(&w.market, "SELECT count(*) FROM feature_sets"), 2 * WORLD_ASSETS);
    }
    pu_config_free(config);
    world_remove(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_as_of_the_close),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(only_what_depends_on_it_is_built),
        cmocka_unit_test(a_new_bar_reaches_the_cross_section),
        cmocka_unit_test(a_newcomer_counts_at_once),
        cmocka_unit_test(the_data_of_a_run_are_those_of_its_features),
        cmocka_unit_test(inputs_and_cross_sections_pass_the_audit),
        cmocka_unit_test(failures_are_reported_and_leave_whole_assets),
    };
    return cmocka_run_group_tests(tests, world_features, NULL);
}
