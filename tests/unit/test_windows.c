/* Datasets and segments: rows, purge, embargo, weights, sampler coverage, history too short, truncation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/windows/calendar.h"
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
    int64_t first_ts = 0;
    assert_int_equal(pu_dataset_times(dataset, 0, 0, 1, &first_ts), PU_OK);
    assert_int_equal(first_ts, TEST_FIRST_TS + LOOKBACK * TEST_DAY_S);
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
static bool row_should_weigh(const pu_dataset *dataset, const int64_t *ts, int64_t rows, int64_t row,
                             int64_t embargo, const int64_t nominal_to[PU_SEGMENT_COUNT]) {
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
        int64_t *first_ts = test_times(dataset, 0);
        for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
            pu_dataset_segment(dataset, (pu_segment)s, &from, &nominal_to[s]);
            assert_true(from >= last_to && nominal_to[s] > from);
            int64_t between = 0;
            for (int64_t r = 0; r < pu_dataset_rows(dataset, 0); ++r) {
                between += first_ts[r] >= last_to && first_ts[r] < from;
            }
            if (s > 0) assert_int_equal(between, pu_dataset_embargo_bars(dataset));
            last_to = nominal_to[s];
        }
        pu_free(first_ts);
        const int64_t embargo = pu_dataset_embargo_bars(dataset);
        for (int a = 0; a < 3; ++a) {
            const int64_t rows = pu_dataset_rows(dataset, a);
            int64_t *ts = test_times(dataset, a);
            float *weights = pu_calloc((size_t)rows * 2, sizeof *weights);
            assert_int_equal(pu_dataset_read(dataset, a, 0, rows, NULL, NULL, weights, NULL), PU_OK);
            for (int64_t r = 0; r < rows; ++r) {
                const bool settled = r + LOOKBACK >= 32; /* sigma has seen vol_bars returns */
                const bool want = settled && row_should_weigh(dataset, ts, rows, r, embargo, nominal_to);
                if ((weights[r * 2] != 0) != want || weights[r * 2] != weights[r * 2 + 1])
                    fail_msg("%s: asset %d row %d", splits[n], a, (int)r);
                weighed += want;
                purged += !want;
            }
            pu_free(ts);
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
        int64_t *ts = test_times(dataset, a), rows = pu_dataset_rows(dataset, a);
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
        pu_free(ts);
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
    assert_int_equal(dataset[1]->asset[0].feature_cache.kept, 0);
    assert_int_equal(dataset[0]->asset[0].feature_cache.kept, dataset[0]->asset[0].features.count);
    for (int d = 0; d < 2; ++d) {
        pu_dataset_close(dataset[d]);
        pu_config_free(config[d]);
    }
    test_market_remove(&market);
}

/* Rows by time and times by row, against all times at once; over block ends, and outside. */
static void times_are_read_on_demand(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config = test_config(&market, SMALL, NULL);
    pu_dataset *dataset = open_dataset(config);
    pu_random random = pu_random_at(11, 0);
    for (int a = 0; a < 3; ++a) {
        const int64_t rows = pu_dataset_rows(dataset, a);
        int64_t *all = test_times(dataset, a);
        for (int64_t r = 1; r < rows; ++r) assert_true(all[r] > all[r - 1]);
        for (int n = 0; n < 100; ++n) {
            static int64_t some[BARS];
            const int64_t first = n < 3 ? 63 + n : (int64_t)pu_random_below(&random, (uint64_t)rows);
            const int64_t count =
                n == 3 ? rows - first : (int64_t)pu_random_below(&random, (uint64_t)(rows - first) + 1);
            assert_int_equal(pu_dataset_times(dataset, a, first, count, some), PU_OK);
            assert_memory_equal(some, all + first, (size_t)count * sizeof *some);
            const int64_t around[] = {all[first] - 1, all[first], all[first] + 1};
            for (int64_t i = 0; i < 3; ++i) {
                int64_t before = -1;
                assert_int_equal(pu_dataset_rows_before(dataset, a, around[i], &before), PU_OK);
                assert_int_equal(before, first + i / 2);
            }
        }
        int64_t before = -1;
        assert_int_equal(pu_dataset_rows_before(dataset, a, INT64_MIN, &before), PU_OK);
        assert_int_equal(before, 0);
        assert_int_equal(pu_dataset_rows_before(dataset, a, INT64_MAX, &before), PU_OK);
        assert_int_equal(before, rows);
        assert_int_equal(pu_dataset_times(dataset, a, rows, 1, &before), PU_ERR_ARGUMENT);
        assert_int_equal(pu_dataset_times(dataset, a, -1, 1, &before), PU_ERR_ARGUMENT);
        pu_free(all);
    }
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

/* Bars that are replaced or removed while a dataset is open would give its rows other times. */
static void changed_bars_are_reported(void **state) {
    (void)state;
    test_market market = make_market();
    pu_config *config = test_config(&market, SMALL, NULL);
    pu_dataset *dataset = open_dataset(config);
    int64_t ts[65];
    test_market_sql(&market, "DELETE FROM series WHERE asset_id = 1 AND ts = (SELECT ts FROM series WHERE "
                             "asset_id = 1 ORDER BY ts LIMIT 1 OFFSET 100)");
    assert_int_equal(pu_dataset_times(dataset, 0, 64, 65, ts), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "run again"));
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

static int ascending(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* More times than the calendar has marks, on calendars that overlap in part: ranks and times against a sorted
 * list. */
static void the_calendar_is_the_union(void **state) {
    (void)state;
    enum { LONG = 9001, SHIFT_S = 3600, QUERIES = 60 };
    test_market market = test_market_new();
    for (int a = 0; a < 3; ++a) {
        pu_bars bars;
        assert_true(test_bars_walk((uint64_t)a + 1, LONG - 100 * a, TEST_FIRST_TS + (a == 2 ? SHIFT_S : 0),
                                   TEST_DAY_S, &bars));
        test_market_put(&market, a == 0 ? "AAA" : a == 1 ? "BBB" : "CCC", TEST_DAY_S, &bars);
        pu_bars_free(&bars);
    }
    pu_config *config = test_config(&market, SMALL, NULL);
    pu_dataset *dataset = open_dataset(config);
    int64_t *all = pu_calloc(3 * LONG, sizeof *all), total = 0, count = 0;
    for (int a = 0; a < 3; ++a) {
        int64_t *ts = test_times(dataset, a);
        for (int64_t r = 0; r < pu_dataset_rows(dataset, a); ++r) all[total++] = ts[r];
        pu_free(ts);
    }
    qsort(all, (size_t)total, sizeof *all, ascending);
    for (int64_t i = 0; i < total; ++i) {
        if (count == 0 || all[i] != all[count - 1]) all[count++] = all[i];
    }
    pu__calendar calendar;
    assert_int_equal(pu__calendar_open(dataset, &calendar), PU_OK);
    assert_int_equal(calendar.count, count);
    assert_true(calendar.first_ts == all[0] && calendar.last_ts == all[count - 1] && calendar.stride > 1);
    pu_random random = pu_random_at(13, 0);
    for (int n = 0; n < QUERIES; ++n) {
        const int64_t rank = n == 0 ? 0 : n == 1 ? count - 1 : (int64_t)pu_random_below(&random, (uint64_t)count);
        int64_t ts = 0, found = 0;
        assert_int_equal(pu__calendar_time(&calendar, (double)rank + 0.5, &ts), PU_OK);
        assert_int_equal(ts, all[rank]);
        for (int64_t i = -1; i <= 1; ++i) {
            assert_int_equal(pu__calendar_rank(&calendar, ts + i, &found), PU_OK);
            assert_int_equal(found, rank + (i > 0));
        }
    }
    int64_t behind = 0;
    assert_int_equal(pu__calendar_time(&calendar, (double)count, &behind), PU_OK);
    assert_int_equal(behind, all[count - 1] + 1);
    pu__calendar_close(&calendar);
    pu_free(all);
    pu_dataset_close(dataset);
    pu_config_free(config);
    test_market_remove(&market);
}

/* A budget that holds a part of the blocks: the labels, and the first blocks of features. */
static void a_small_budget_keeps_a_part(void **state) {
    (void)state;
    enum { LONG = 20001, ROWS = 200 };
    test_market market = test_market_new();
    test_market_walk(&market, "AAA", 1, LONG, true);
    const char *const budget[] = {"windows.cache_mib=1024", "windows.cache_mib=1", "windows.cache_mib=0"};
    pu_config *config[3];
    pu_dataset *dataset[3];
    for (int d = 0; d < 3; ++d) {
        config[d] = test_config(&market, "features.block_bars=128", budget[d], NULL);
        dataset[d] = open_dataset(config[d]);
    }
    const pu__dataset_asset *part = &dataset[1]->asset[0];
    assert_int_equal(part->label_cache.kept, part->labels.count);
    assert_true(part->feature_cache.kept > 0 && part->feature_cache.kept < part->features.count);
    assert_true(pu_dataset_cache_bytes(dataset[1]) <= 1 << 20 && pu_dataset_cache_bytes(dataset[2]) == 0);
    const int features = pu_dataset_features(dataset[0]);
    float *out[3];
    for (int d = 0; d < 3; ++d) out[d] = pu_calloc((size_t)(ROWS * features), sizeof *out[d]);
    pu_random random = pu_random_at(17, 0);
    for (int n = 0; n < 200; ++n) {
        const int64_t first = (int64_t)pu_random_below(&random, LONG) - ROWS / 2;
        for (int d = 0; d < 3; ++d) {
            assert_int_equal(pu_dataset_read(dataset[d], 0, first, ROWS, out[d], NULL, NULL, NULL), PU_OK);
            assert_memory_equal(out[d], out[0], (size_t)(ROWS * features) * sizeof *out[d]);
        }
    }
    for (int d = 0; d < 3; ++d) {
        pu_free(out[d]);
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
        cmocka_unit_test(times_are_read_on_demand),
        cmocka_unit_test(changed_bars_are_reported),
        cmocka_unit_test(the_calendar_is_the_union),
        cmocka_unit_test(a_small_budget_keeps_a_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
