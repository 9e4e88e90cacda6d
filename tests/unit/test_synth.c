/* The synthetic market: what it says about itself is so. Seeds are fixed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/synth.h"
#include "tests/support/process.h"

enum { ASSETS_MAX = 16 };

typedef struct truth {
    int assets;
    int64_t bars;
    pu_bars series[ASSETS_MAX];
    double *signal[ASSETS_MAX], *sigma[ASSETS_MAX];
    int64_t *signal_ts[ASSETS_MAX], *sigma_ts[ASSETS_MAX];
} truth;

static char *folder;

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    folder = test_folder_new();
    return 0;
}

static int end(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static pu_store *open_store(const char *name) {
    pu_store *store = NULL;
    if (pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store) != PU_OK)
        fail_msg("%s", pu_error_message());
    return store;
}

static pu_store *make(const char *name, const pu_synth_options *options) {
    pu_store *store = open_store(name);
    pu_synth_result result;
    if (pu_synth(store, options, &result) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(result.rows_added, options->bars * (options->assets + options->index));
    return store;
}

static truth load(const pu_synth_options *options) {
    truth out = {.bars = options->bars};
    int count = 0;
    pu_asset *assets = NULL;
    remove(test_path(folder, "truth.db"));
    pu_store *store = make("truth.db", options);
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    for (int i = 0; i < count; ++i) {
        if (strcmp(assets[i].symbol, "INDEX") == 0) continue;
        const int k = out.assets++;
        int64_t n = 0;
        assert_int_equal(pu_store_bars(store, assets[i].id, INT64_MIN, INT64_MAX, &out.series[k]), PU_OK);
        assert_int_equal(
            pu_store_get_indicator(store, assets[i].id, "truth_signal", &n, &out.signal_ts[k], &out.signal[k]),
            PU_OK);
        assert_int_equal(n, out.bars);
        assert_int_equal(
            pu_store_get_indicator(store, assets[i].id, "truth_sigma", &n, &out.sigma_ts[k], &out.sigma[k]),
            PU_OK);
        assert_memory_equal(out.sigma_ts[k], out.series[k].ts, (size_t)n * sizeof(int64_t));
    }
    pu_free(assets);
    pu_store_close(store);
    return out;
}

static void drop(truth *market) {
    for (int i = 0; i < market->assets; ++i) {
        pu_bars_free(&market->series[i]);
        pu_free(market->signal_ts[i]);
        pu_free(market->sigma_ts[i]);
    }
}

static double return_of(const truth *market, int asset, int64_t t) {
    return market->series[asset].close[t] / market->series[asset].close[t - 1] - 1;
}

/* Sum over assets of weight times return, for the policy that knows the truth. */
static double policy_return(const truth *market, int64_t t, int64_t latency, bool neutral) {
    double mean = 0, sum = 0;
    for (int i = 0; i < market->assets && neutral; ++i) mean += market->signal[i][t] / market->assets;
    for (int i = 0; i < market->assets; ++i) {
        sum += (market->signal[i][t] - mean) / market->sigma[i][t] * return_of(market, i, t + 1 + latency);
    }
    return sum;
}

typedef struct sample {
    double sharpe, error; /* per bar, and its standard error */
} sample;

/* Standard error of a Sharpe ratio: Mertens 2002, with skewness g3 and raw kurtosis g4: (1 - g3 SR + (g4 - 1) / 4
 * SR^2) / n. */
static sample measure(const truth *market, int64_t latency, bool neutral) {
    const int64_t n = market->bars - 1 - latency;
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    for (int64_t t = 0; t < n; ++t) m1 += policy_return(market, t, latency, neutral) / (double)n;
    for (int64_t t = 0; t < n; ++t) {
        const double d = policy_return(market, t, latency, neutral) - m1;
        m2 += d * d / (double)n;
        m3 += d * d * d / (double)n;
        m4 += d * d * d * d / (double)n;
    }
    const double sharpe = m1 / sqrt(m2), g3 = m3 / pow(m2, 1.5), g4 = m4 / (m2 * m2);
    return (sample){sharpe, sqrt((1 - g3 * sharpe + (g4 - 1) / 4 * sharpe * sharpe) / (double)n)};
}

/* The formula in synth.h against the policy it describes, over seeds; four standard errors of their mean. */
static void best_sharpe_is_reached_by_the_oracle(void **state) {
    (void)state;
    enum { SEEDS = 4, CASES = 5 };
    static const struct {
        int64_t assets;
        double edge, correlation, persistence;
        int64_t latency;
        bool neutral;
    } cases[CASES] = {{12, 0.1, 0.3, 0.9, 0, false},
                      {12, 0.1, 0.3, 0.9, 1, true},
                      {3, 0.3, 0.8, 0.6, 0, true},
                      {1, 0.2, 0.0, 0.9, 2, false},
                      {12, 0.0, 0.3, 0.9, 0, false}};
    for (int c = 0; c < CASES; ++c) {
        double sum = 0, error = 0;
        pu_synth_options options = pu_synth_defaults();
        options.assets = cases[c].assets;
        options.edge = cases[c].edge;
        options.correlation = cases[c].correlation;
        options.persistence = cases[c].persistence;
        options.index = false;
        for (int seed = 0; seed < SEEDS; ++seed) {
            options.seed = 1000 + (uint64_t)seed;
            truth market = load(&options);
            const sample one = measure(&market, cases[c].latency, cases[c].neutral);
            sum += one.sharpe / SEEDS;
            error += one.error * one.error / (SEEDS * SEEDS);
            drop(&market);
        }
        const double theory = pu_synth_best_sharpe(&options, cases[c].latency, cases[c].neutral) / sqrt(252);
        print_message("case %d: oracle %.4f, theory %.4f, standard error %.4f\n", c, sum, theory, sqrt(error));
        assert_true(fabs(sum - theory) < 4 * sqrt(error));
        assert_true(cases[c].edge > 0 || theory == 0);
    }
}

static double correlation(const double *x, const double *y, int64_t n) {
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; ++i) mx += x[i] / (double)n, my += y[i] / (double)n;
    for (int64_t i = 0; i < n; ++i) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xy / sqrt(xx * yy);
}

/* Innovations have unit variance, the stated correlation and fat tails; returns are clustered; volume is the
 * signal; ranges fit sigma. */
static void market_has_the_stated_traits(void **state) {
    (void)state;
    enum { BARS = 20000 };
    pu_synth_options options = pu_synth_defaults();
    options.assets = 2;
    options.bars = BARS;
    options.seed = 5;
    options.correlation = 0.4;
    truth market = load(&options);
    double *z[2], *size[2], *volume = pu_calloc(BARS, sizeof *volume), parkinson = 0, variance = 0, fourth = 0;
    for (int i = 0; i < 2; ++i) {
        z[i] = pu_calloc(BARS, sizeof *z[i]);
        size[i] = pu_calloc(BARS, sizeof *size[i]);
        for (int64_t t = 1; t < BARS; ++t) {
            z[i][t - 1] = return_of(&market, i, t) / market.sigma[i][t - 1];
            size[i][t - 1] = fabs(return_of(&market, i, t));
        }
    }
    const pu_bars *bars = &market.series[0];
    for (int64_t t = 0; t < BARS; ++t) {
        volume[t] = log(bars->volume[t]);
        assert_true(bars->low[t] > 0 && bars->low[t] <= fmin(bars->open[t], bars->close[t]));
        assert_true(bars->high[t] >= fmax(bars->open[t], bars->close[t]));
        assert_true(((bars->ts[t] - 1) / 86400 + 3) % 7 < 5);
        if (t == 0) continue;
        const double range = log(bars->high[t] / bars->low[t]) / market.sigma[0][t - 1];
        parkinson += range * range / (4 * log(2)) / (BARS - 1);
        variance += z[0][t - 1] * z[0][t - 1] / (BARS - 1);
        fourth += pow(z[0][t - 1], 4) / (BARS - 1);
    }
    assert_true(fabs(variance - 1.01) <
                0.06); /* 1 + edge^2; its standard error at 20,000 bars of kurtosis 6 is 0.016 */
    assert_true(fourth / (variance * variance) > 3.5);
    assert_true(fabs(correlation(z[0], z[1], BARS - 1) - 0.4 / 1.01) < 0.04);
    assert_true(correlation(size[0], size[0] + 5, BARS - 6) > 0.1);
    assert_true(fabs(parkinson - 0.85 * variance) < 0.05); /* the part of the variance while the market is open */
    assert_true(correlation(volume, market.signal[0], BARS) > 0.9999);
    assert_true(fabs(correlation(market.signal[0], market.signal[0] + 1, BARS - 1) - 0.9) < 0.01);
    for (int i = 0; i < 2; ++i) {
        pu_free(z[i]);
        pu_free(size[i]);
    }
    pu_free(volume);
    drop(&market);
}

static void hash_of(pu_store *store, char out[65]) {
    int count = 0;
    pu_asset *assets = NULL;
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(pu_store_data_hash(store, count, assets, out), PU_OK);
    pu_free(assets);
}

static void seeds_decide_everything(void **state) {
    (void)state;
    pu_synth_options options = pu_synth_defaults();
    options.bars = 300;
    options.assets = 3;
    char a[65], b[65], c[65];
    pu_store *first = make("a.db", &options), *second = make("b.db", &options);
    hash_of(first, a);
    hash_of(second, b);
    assert_string_equal(a, b);
    options.seed = 2;
    pu_store *third = make("c.db", &options);
    hash_of(third, c);
    assert_string_not_equal(a, c);
    /* The same again, and a shorter stretch of the same, change nothing; another market is refused as a whole. */
    pu_synth_result result;
    options.bars = 200;
    assert_int_equal(pu_synth(third, &options, &result), PU_OK);
    assert_int_equal(result.rows_added, 0);
    assert_int_equal(result.rows_unchanged, 4 * 200);
    options.seed = 3;
    options.assets = 4;
    assert_int_equal(pu_synth(third, &options, &result), PU_ERR_DATA);
    hash_of(third, b);
    assert_string_equal(b, c);
    int64_t benchmark = 0, named = 0;
    assert_int_equal(pu_store_get_benchmark(third, "synthetic", &benchmark), PU_OK);
    assert_int_equal(pu__sql_integer(third, "SELECT asset_id FROM assets WHERE symbol = 'INDEX'", 0, &named),
                     PU_OK);
    assert_int_equal(benchmark, named);
    assert_int_equal(pu_store_check(third), PU_OK);
    pu_store_close(first);
    pu_store_close(second);
    pu_store_close(third);
}

static void index_is_the_mean_return(void **state) {
    (void)state;
    pu_synth_options options = pu_synth_defaults();
    options.bars = 50;
    options.assets = 3;
    pu_store *store = make("index.db", &options);
    int count = 0;
    pu_asset *assets = NULL;
    pu_bars bars[4];
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(count, 4);
    for (int i = 0; i < 4; ++i)
        assert_int_equal(pu_store_bars(store, assets[i].id, INT64_MIN, INT64_MAX, &bars[i]), PU_OK);
    for (int64_t t = 1; t < 50; ++t) {
        double mean = 0;
        for (int i = 1; i < 4; ++i) mean += (bars[i].close[t] / bars[i].close[t - 1] - 1) / 3;
        assert_true(fabs(bars[0].close[t] / bars[0].close[t - 1] - 1 - mean) < 1e-12);
    }
    for (int i = 0; i < 4; ++i) pu_bars_free(&bars[i]);
    pu_free(assets);
    pu_store_close(store);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    pu_store *store = open_store("bad.db");
    pu_synth_result result;
    pu_synth_options options[8];
    for (int i = 0; i < 8; ++i) options[i] = pu_synth_defaults();
    options[0].assets = 0;
    options[1].bars = 1;
    options[2].edge = -0.1;
    options[3].persistence = 1;
    options[4].correlation = NAN;
    options[5].tail_df = 2;
    options[6].garch_memory = 0.95;
    options[7].prefix = NULL;
    for (int i = 0; i < 8; ++i) assert_int_equal(pu_synth(store, &options[i], &result), PU_ERR_ARGUMENT);
    pu_synth_options odd = pu_synth_defaults();
    odd.prefix = "A B";
    assert_int_equal(pu_synth(store, &odd, &result), PU_ERR_ARGUMENT);
    int64_t rows = -1;
    assert_int_equal(pu__sql_integer(store, "SELECT count(*) FROM assets", -1, &rows), PU_OK);
    assert_int_equal(rows, 0);
    pu_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_sharpe_is_reached_by_the_oracle),
        cmocka_unit_test(market_has_the_stated_traits),
        cmocka_unit_test(seeds_decide_everything),
        cmocka_unit_test(index_is_the_mean_return),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
