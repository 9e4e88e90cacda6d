/* Datasets and segments: rows, purge, embargo, weights, sampler coverage, history too short, truncation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/windows/dataset.h"
#include "kernels/window_norm/window_norm.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/bars.h"
#include "tests/support/market.h"

enum {
    BARS = 1501,
    WARMUP = 13,
    WINDOW = 17,
    HORIZON_MAX = 5,
    LATENCY = 1,
    LABEL_BARS = LATENCY + HORIZON_MAX,
    LOOKBACK = 20,
    TAIL = 7
};

#define SMALL                                                                                                  \
    "features.names=[log_return_1, log_return_20, log_volume_10]", "windows.horizons=[1, 5]",                  \
        "windows.window_bars=17", "windows.warmup_bars=13", "windows.stride_bars=3", "features.block_bars=64", \
        "predict.stride_bars=7"

static pu_dataset *open_dataset(const pu_config *config) {
    pu_dataset *dataset = NULL;
    if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
    return dataset;
}

/* Three assets: the whole calendar, one that lists late, one with every eleventh bar missing. */
static test_market make_market(void) {
    test_market market = test_market_new();
    pu_bars bars, holes;
    test_market_walk(&market, "AAA", 1, BARS, true);
    assert_true(test_bars_walk(2, BARS - 400, TEST_FIRST_TS + 400 * TEST_DAY_S, TEST_DAY_S, &bars));
    test_market_put(&market, "LATE", TEST_DAY_S, &bars);
    pu_bars_free(&bars);
    assert_true(test_bars_walk(3, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    assert_true(test_bars_alloc(BARS, &holes));
    double *to[] = {holes.open, holes.high, holes.low, holes.close, holes.adjusted, holes.volume};
    const double *from[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted, bars.volume};
    holes.count = 0;
    for (int64_t i = 0; i < BARS; ++i) {
        if (i % 11 == 4) continue;
        holes.ts[holes.count] = bars.ts[i];
        for (int c = 0; c < 6; ++c) to[c][holes.count] = from[c][i];
        ++holes.count;
    }
    test_market_put(&market, "HOLES", TEST_DAY_S, &holes);
    pu_bars_free(&bars);
    pu_bars_free(&holes);
    return market;
}

static int segment_of(const pu_dataset *dataset, int64_t ts) {
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        int64_t from = 0, to = 0;
        pu_dataset_segment(dataset, (pu_segment)s, &from, &to);
        if (ts >= from && ts < to) return s;
    }
    return -1;
}

static void rows_are_bars_with_every_feature(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config = test_config(&market, SMALL, NULL);
    pu_dataset *dataset = open_dataset(config);
    assert_int_equal(pu_dataset_assets(dataset), 3);
    assert_int_equal(pu_dataset_features(dataset), 3);
    assert_string_equal(pu_dataset_feature_name(dataset, 1), "log_return_20");
    assert_int_equal(strlen(pu_dataset_hash(dataset)), 64);
    assert_int_equal(strlen(pu_dataset_feature_hash(dataset)), 64);
    assert_string_equal(pu_dataset_asset(dataset, 0)->symbol, "AAA");
    assert_int_equal(pu_dataset_rows(dataset, 0), BARS - LOOKBACK);
    assert_int_equal(pu_dataset_ts(dataset, 0)[0], TEST_FIRST_TS + LOOKBACK * TEST_DAY_S);
    assert_int_equal(pu_dataset_embargo_bars(dataset), LABEL_BARS + LOOKBACK);
    pu_bars bars;
    double returns[BARS];
    assert_true(test_bars_walk(1, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    assert_int_equal(pu_feature_compute(pu_feature_find("log_return_20"), &bars, returns), PU_OK);
    const int64_t first = -5, count = BARS;
    float *features = pu_calloc((size_t)count * 3, sizeof *features),
          *weights = pu_calloc((size_t)count * 2, sizeof *weights);
    for (int64_t i = 0; i < count * 3; ++i) features[i] = NAN; /* every element is to be written */
    for (int64_t i = 0; i < count * 2; ++i) weights[i] = NAN;
    assert_int_equal(pu_dataset_read(dataset, 0, first, count, features, NULL, weights, NULL), PU_OK);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t row = first + i;
        const bool exists = row >= 0 && row < BARS - LOOKBACK;
        assert_true(features[i * 3 + 1] == (exists ? (float)returns[row + LOOKBACK] : 0.0f));
        assert_true(weights[i * 2] == 0.0f || (exists && weights[i * 2] == 1.0f));
    }
    assert_int_equal(pu_dataset_read(dataset, 3, 0, 1, features, NULL, NULL, NULL), PU_ERR_ARGUMENT);
    pu_free(features);
    pu_free(weights);
    pu_bars_free(&bars);
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

/* Written from the definition, row by row, beside the implementation's ranges. */
static bool row_should_weigh(const pu_dataset *dataset, int asset, int64_t row, int64_t embargo,
                             const int64_t nominal_to[PU_SEGMENT_COUNT]) {
    const int64_t *ts = pu_dataset_ts(dataset, asset), rows = pu_dataset_rows(dataset, asset);
    const int s = segment_of(dataset, ts[row]);
    if (s < 0 || row + LABEL_BARS >= rows) return false;
    if (ts[row + LABEL_BARS] >= nominal_to[s]) return false;
    int64_t since = 0; /* own bars since the end of the segment before */
    bool any_before = false;
    for (int64_t i = 0; s > 0 && i < row; ++i) {
        if (ts[i] >= nominal_to[s - 1]) {
            ++since;
        } else {
            any_before = true;
        }
    }
    return !any_before || since >= embargo;
}

static void weights_follow_purge_and_embargo(void **state) {
    (void)state;
    static const char *const splits[] = {
        "split.embargo_bars=-1",
        "split.embargo_bars=0",
        "split.embargo_bars=50",
        "split.train=[\"2010-06-01\", \"2012-01-01\"]",
    };
    test_market market = make_market();
    for (size_t n = 0; n < sizeof splits / sizeof *splits; ++n) {
        pu_config *config = test_config(&market, SMALL, splits[n], NULL);
        pu_dataset *dataset = open_dataset(config);
        int64_t nominal_to[PU_SEGMENT_COUNT], from = 0, last_to = INT64_MIN, weighed = 0, purged = 0;
        for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
            pu_dataset_segment(dataset, (pu_segment)s, &from, &nominal_to[s]);
            assert_true(from >= last_to && nominal_to[s] > from);
            int64_t between = 0;
            for (int64_t r = 0; r < pu_dataset_rows(dataset, 0); ++r) {
                between += pu_dataset_ts(dataset, 0)[r] >= last_to && pu_dataset_ts(dataset, 0)[r] < from;
            }
            if (s > 0) assert_int_equal(between, pu_dataset_embargo_bars(dataset));
            last_to = nominal_to[s];
        }
        const int64_t embargo = pu_dataset_embargo_bars(dataset);
        for (int a = 0; a < 3; ++a) {
            const int64_t rows = pu_dataset_rows(dataset, a);
            float *weights = pu_calloc((size_t)rows * 2, sizeof *weights);
            assert_int_equal(pu_dataset_read(dataset, a, 0, rows, NULL, NULL, weights, NULL), PU_OK);
            for (int64_t r = 0; r < rows; ++r) {
                const bool settled = r + LOOKBACK >= 32; /* sigma has seen vol_bars returns */
                const bool want = settled && row_should_weigh(dataset, a, r, embargo, nominal_to);
                if ((weights[r * 2] != 0) != want || weights[r * 2] != weights[r * 2 + 1])
                    fail_msg("%s: asset %d row %d", splits[n], a, (int)r);
                weighed += want;
                purged += !want;
            }
            pu_free(weights);
        }
        assert_true(weighed > 2000 && purged > 3 * LABEL_BARS);
        pu_dataset_close(dataset);
        pu_config_free(config);
    }
    test_market_remove(&market);
}

/* No label of a row that weighs in one segment is measured on a bar of a later segment, and no row weighs in two.
 */
static void segments_never_overlap(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config = test_config(&market, SMALL, "split.embargo_bars=0", NULL);
    pu_dataset *dataset = open_dataset(config);
    for (int a = 0; a < 3; ++a) {
        const int64_t *ts = pu_dataset_ts(dataset, a), rows = pu_dataset_rows(dataset, a);
        int *seen = pu_calloc((size_t)rows, sizeof *seen);
        for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
            pu__sampler sampler;
            assert_int_equal(pu__sampler_open(dataset, (pu_segment)s, true, &sampler), PU_OK);
            for (int64_t w = 0; w < sampler.windows; ++w) {
                const pu__window window = pu__sampler_window(&sampler, w);
                if (window.asset != a) continue;
                assert_true(window.start >= WARMUP && window.start + WINDOW <= rows);
                for (int64_t r = window.start; r < window.start + WINDOW; ++r) {
                    if (r < window.weight_from || r >= window.weight_to) continue;
                    assert_int_equal(segment_of(dataset, ts[r]), s);
                    assert_int_equal(segment_of(dataset, ts[r + LABEL_BARS]), s);
                    assert_true(seen[r] == 0 || seen[r] == s + 1);
                    seen[r] = s + 1;
                }
            }
            pu__sampler_close(&sampler);
        }
        pu_free(seen);
    }
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

/* Training covers every usable row at least once, evaluation exactly once; both in windows that lie in the
 * history. */
static void samplers_cover_usable_rows(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config = test_config(&market, SMALL, NULL);
    pu_dataset *dataset = open_dataset(config);
    for (int mode = 0; mode < 2 * PU_SEGMENT_COUNT; ++mode) {
        const pu_segment segment = (pu_segment)(mode / 2);
        const bool training = mode % 2 == 0;
        pu__sampler sampler;
        assert_int_equal(pu__sampler_open(dataset, segment, training, &sampler), PU_OK);
        int *seen[3];
        for (int a = 0; a < 3; ++a) seen[a] = pu_calloc((size_t)pu_dataset_rows(dataset, a), sizeof *seen[a]);
        for (int64_t w = 0; w < sampler.windows; ++w) {
            const pu__window window = pu__sampler_window(&sampler, w);
            const int64_t rows = pu_dataset_rows(dataset, window.asset);
            assert_true(window.start >= WARMUP && window.start + WINDOW <= rows);
            int64_t weighed = 0;
            for (int64_t r = window.start; r < window.start + WINDOW; ++r) {
                const bool weighs = r >= window.weight_from && r < window.weight_to;
                seen[window.asset][r] += weighs;
                weighed += weighs;
            }
            assert_true(weighed > 0);
            if (!training) assert_int_equal(weighed, window.weight_to - window.weight_from);
            if (!training && window.start > WARMUP && window.start + WINDOW < rows)
                assert_true(window.weight_from - window.start >= WINDOW - TAIL);
        }
        for (int a = 0; a < 3; ++a) {
            const pu__span *span = &dataset->asset[a].span[segment];
            for (int64_t r = 0; r < pu_dataset_rows(dataset, a); ++r) {
                const bool usable = r >= span->first && r < span->usable && r >= WARMUP;
                if (usable ? (training ? seen[a][r] < 1 : seen[a][r] != 1) : seen[a][r] != 0)
                    fail_msg("mode %d asset %d row %d: %d", mode, a, (int)r, seen[a][r]);
            }
            pu_free(seen[a]);
        }
        pu__sampler_close(&sampler);
    }
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

static void too_little_data_is_explained(void **state) {
    (void)state;
    static const struct {
        int64_t bars;
        const char *override;
        pu_status status;
        const char *message;
    } cases[] = {
        {20 + 13 + 17 - 1, "run.seed=1", PU_ERR_DATA, "SHORT has 49 bars, one window needs 50"},
        {60, "run.seed=1", PU_ERR_DATA, "holds no decision time"},
        {300, "split.train=[2020-01-01, 2021-01-01]", PU_ERR_DATA, "split.train holds no decision time"},
        {300, "split.embargo_bars=100000", PU_ERR_DATA, "split.valid holds no decision time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        test_market market = test_market_new();
        test_market_walk(&market, "SHORT", 1, cases[i].bars, true);
        pu_config *config = test_config(&market, SMALL, cases[i].override, NULL);
        pu_dataset *dataset = NULL;
        const pu_status status = pu_dataset_open(config, &dataset);
        if (status != cases[i].status || !strstr(pu_error_message(), cases[i].message))
            fail_msg("case %d: %s", (int)i, pu_error_message());
        assert_null(dataset);
        pu_config_free(config);
        test_market_remove(&market);
    }
}

/* One normalised window, as the model sees it. */
static void normalise(const float *bars, float *out, int features) {
    int32_t start = 0;
    const pu_attributes attributes = {
        .window_norm = {.window_bars = WINDOW, .warmup_bars = WARMUP, .clip = 8, .epsilon = 1e-12f}};
    const pu__call call = {
        .op = PU_OP_WINDOW_NORM,
        .in_count = 2,
        .out_count = 1,
        .in = {{(void *)(uintptr_t)bars, {2, {WARMUP + WINDOW, features}}}, {&start, {1, {1}}}},
        .out = {{out, {3, {1, WINDOW, features}}}},
        .attributes = &attributes,
    };
    assert_int_equal(pu__window_norm_cpu(&call), PU_OK);
}

/* Windows that end at or before a cut are the same when everything after the cut never happened. */
static void truncation_changes_no_normalised_window(void **state) {
    (void)state;
    enum { CUT = 900, FEATURES_MAX = 64, CHECKS = 40 };
    test_market whole = test_market_new(), cut = test_market_new();
    pu_bars bars;
    assert_true(test_bars_walk(9, BARS, TEST_FIRST_TS, TEST_DAY_S, &bars));
    test_market_put(&whole, "AAA", TEST_DAY_S, &bars);
    const pu_bars head = test_bars_cut(&bars, CUT);
    test_market_put(&cut, "AAA", TEST_DAY_S, &head);
    pu_bars_free(&bars);
    const char *names = "windows.window_bars=17";
    pu_config *config[2] = {test_config(&whole, names, "features.block_bars=64", NULL),
                            test_config(&cut, names, "features.block_bars=64", NULL)};
    pu_dataset *dataset[2] = {open_dataset(config[0]), open_dataset(config[1])};
    const int features = pu_dataset_features(dataset[0]);
    const int64_t rows = pu_dataset_rows(dataset[1], 0);
    assert_true(features <= FEATURES_MAX && rows == pu_dataset_rows(dataset[0], 0) - (BARS - CUT));
    static float raw[2][(WARMUP + WINDOW) * FEATURES_MAX], normal[2][WINDOW * FEATURES_MAX];
    pu_random random = pu_random_at(77, 0);
    for (int n = 0; n < CHECKS; ++n) {
        const int64_t last = rows - (WARMUP + WINDOW);
        const int64_t first = n == 0 ? last : (int64_t)pu_random_below(&random, (uint64_t)last + 1);
        for (int d = 0; d < 2; ++d) {
            assert_int_equal(pu_dataset_read(dataset[d], 0, first, WARMUP + WINDOW, raw[d], NULL, NULL, NULL),
                             PU_OK);
            normalise(raw[d], normal[d], features);
        }
        assert_memory_equal(raw[0], raw[1], sizeof(float) * (size_t)(WARMUP + WINDOW) * (size_t)features);
        assert_memory_equal(normal[0], normal[1], sizeof(float) * WINDOW * (size_t)features);
    }
    for (int d = 0; d < 2; ++d) {
        pu_dataset_close(dataset[d]);
        pu_config_free(config[d]);
    }
    test_market_remove(&whole);
    test_market_remove(&cut);
}

static void reads_without_a_cache_are_the_same(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config[2] = {test_config(&market, SMALL, NULL),
                            test_config(&market, SMALL, "windows.cache_mib=0", NULL)};
    pu_dataset *dataset[2] = {open_dataset(config[0]), open_dataset(config[1])};
    pu_random random = pu_random_at(5, 0);
    static float out[2][4][BARS * 3];
    for (int n = 0; n < 50; ++n) {
        const int asset = (int)pu_random_below(&random, 3);
        const int64_t first = (int64_t)pu_random_below(&random, 1400) - 50,
                      count = (int64_t)pu_random_below(&random, 300);
        for (int d = 0; d < 2; ++d) {
            assert_int_equal(
                pu_dataset_read(dataset[d], asset, first, count, out[d][0], out[d][1], out[d][2], out[d][3]),
                PU_OK);
        }
        assert_memory_equal(out[0], out[1], sizeof out[0]);
    }
    assert_null(dataset[1]->asset[0].feature_cache.data);
    assert_non_null(dataset[0]->asset[0].feature_cache.data);
    for (int d = 0; d < 2; ++d) {
        pu_dataset_close(dataset[d]);
        pu_config_free(config[d]);
    }
    test_market_remove(&market);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_bars_with_every_feature),
        cmocka_unit_test(weights_follow_purge_and_embargo),
        cmocka_unit_test(segments_never_overlap),
        cmocka_unit_test(samplers_cover_usable_rows),
        cmocka_unit_test(too_little_data_is_explained),
        cmocka_unit_test(truncation_changes_no_normalised_window),
        cmocka_unit_test(reads_without_a_cache_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
