/* Features over runs of bars: the bits do not depend on where runs begin; the kernels they are made of. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/columns.h"
#include "host/data/features/stream.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/bars.h"
#include "tests/support/fixture.h"

/* Bit for bit, from the lookback on. */
static void same_values(const pu_feature *feature, const double *got, const double *want, int64_t count) {
    for (int64_t i = feature->lookback_bars; i < count; ++i) {
        if (isnan(got[i]) && isnan(want[i])) continue;
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s at bar %d: %.17g, one by one %.17g", feature->name, (int)i, got[i], want[i]);
    }
}

static pu_feature_chunk sub_chunk(const pu_feature_chunk *of, int64_t at, int64_t count, int inputs) {
    return (pu_feature_chunk){.first = at,
                              .count = count,
                              .ts = of->ts + at,
                              .open = of->open + at,
                              .high = of->high + at,
                              .low = of->low + at,
                              .close = of->close + at,
                              .volume = of->volume + at,
                              .log_return = of->log_return + at,
                              .input = of->input ? of->input + at * inputs : NULL};
}

static double by_update(const pu_feature *feature, void *state, const pu_feature_chunk *all, int64_t t) {
    const pu_feature_bar bar = {.ts = all->ts[t],
                                .open = all->open[t],
                                .high = all->high[t],
                                .low = all->low[t],
                                .close = all->close[t],
                                .volume = all->volume[t],
                                .input = all->input ? all->input + t * feature->input_count : NULL};
    return feature->update(state, feature->parameters, &bar, t);
}

/* All bars at once, one by one, and in runs of random lengths, a third of them of one bar and half of these by
 * `update`: the same bits, which is what update_many promises. */
static void check_feature(const pu_feature *feature, const pu_feature_chunk *all, uint64_t seed, double *out) {
    double *const one = out, *const many = out + all->count, *const runs = out + 2 * all->count;
    pu_random random = pu_random_at(seed, 0);
    void *state[3];
    for (int i = 0; i < 3; ++i) assert_non_null(state[i] = pu_calloc(1, feature->state_bytes));
    for (int64_t t = 0; t < all->count; ++t) one[t] = by_update(feature, state[0], all, t);
    feature->update_many(state[1], feature->parameters, all, many);
    for (int64_t at = 0, count; at < all->count; at += count) {
        const uint64_t most[] = {1, 9, 600};
        count = 1 + (int64_t)pu_random_below(&random, most[pu_random_below(&random, 3)]);
        count = count < all->count - at ? count : all->count - at;
        const pu_feature_chunk chunk = sub_chunk(all, at, count, feature->input_count);
        if (count == 1 && pu_random_below(&random, 2)) runs[at] = by_update(feature, state[2], all, at);
        else feature->update_many(state[2], feature->parameters, &chunk, runs + at);
    }
    same_values(feature, many, one, all->count);
    same_values(feature, runs, one, all->count);
    for (int i = 0; i < 3; ++i) pu_free(state[i]);
}

/* How many features were checked. */
static int check_runs(const pu_bars *bars, uint64_t seed) {
    pu__columns columns;
    pu__adjust adjust = {0};
    assert_int_equal(pu__columns_open(bars->count, &columns), PU_OK);
    pu__columns_take(&adjust, bars, 0, bars->count, &columns);
    pu_feature_chunk all = pu__columns_chunk(&columns);
    pu_feature_value *inputs = pu_calloc((size_t)bars->count, PU_FEATURE_INPUTS_MAX * sizeof *inputs);
    double *out = pu_calloc((size_t)bars->count, 3 * sizeof *out);
    assert_true(inputs && out);
    pu_random random = pu_random_at(seed, 1);
    for (int64_t i = 0; i < bars->count * PU_FEATURE_INPUTS_MAX; ++i)
        inputs[i].value = exp(0.01 * pu_random_normal(&random));
    int checked = 0;
    for (int f = 0; f < pu_feature_count(); ++f) {
        const pu_feature *feature = pu_feature_at(f);
        if (!feature->update_many) continue;
        all.input = feature->input_count > 0 ? inputs : NULL;
        check_feature(feature, &all, seed + (uint64_t)f, out);
        checked += 1;
    }
    pu__columns_close(&columns);
    pu_free(inputs);
    pu_free(out);
    return checked;
}

/* Walks; one of them with bars without volume, without movement, and with wide jumps. */
static void make_bars(int kind, pu_bars *bars) {
    assert_true(
        test_bars_walk(19 + (uint64_t)kind, kind == 0 ? 3000 : 700, 1262649600, kind == 2 ? 300 : 86400, bars));
    for (int64_t i = 0; kind > 0 && i < bars->count; ++i) {
        if (i % 7 == 3) bars->volume[i] = kind == 1 ? NAN : 0;
        if (kind == 1 && i >= 200 && i < 350) {
            bars->open[i] = bars->high[i] = bars->low[i] = bars->close[i] = bars->adjusted[i] = 0.1;
            bars->volume[i] = 0;
        }
        if (kind == 3) bars->volume[i] = NAN;
        if (kind == 3 && i < 100)
            bars->open[i] = bars->high[i] = bars->low[i] = bars->close[i] = bars->adjusted[i] = 0.3;
    }
}

static void runs_equal_one_by_one(void **state) {
    (void)state;
    pu_bars bars;
    test_fixture *real = test_fixture_read("talib_features.csv");
    test_fixture_bars(real, &bars);
    check_runs(&bars, 7);
    pu_bars_free(&bars);
    test_fixture_free(real);
    for (int kind = 0; kind < 4; ++kind) {
        make_bars(kind, &bars);
        assert_true(check_runs(&bars, 100 * (uint64_t)kind) > 130);
        pu_bars_free(&bars);
    }
}

/* The logarithm that works on columns, beside the library's in long double. */
static void logs_are_within_an_ulp(void **state) {
    (void)state;
    pu_random random = pu_random_at(23, 0);
    double x[PU__BLOCK_BARS], got[PU__BLOCK_BARS], worst = 0;
    for (int round = 0; round < 2000; ++round) {
        const double spread = round % 4 == 0 ? 1e-9 : round % 4 == 1 ? 0.01 : round % 4 == 2 ? 1 : 300;
        for (int t = 0; t < PU__BLOCK_BARS; ++t) x[t] = exp(spread * pu_random_normal(&random));
        pu__logs(x, PU__BLOCK_BARS, got);
        for (int t = 0; t < PU__BLOCK_BARS; ++t) {
            if (!isnormal(x[t])) continue;
            const long double want = logl((long double)x[t]);
            const double ulp = nextafter(fabs((double)want), INFINITY) - fabs((double)want);
            worst = fmax(worst, (double)fabsl((long double)got[t] - want) / ulp);
        }
    }
    print_message("largest error %.3f ulp\n", worst);
    assert_true(worst < 1);
    const double odd[] = {0, -1, INFINITY, NAN, 0x1p-1060, 1};
    pu__logs(odd, 6, got);
    assert_true(got[0] == -INFINITY && isnan(got[1]) && got[2] == INFINITY && isnan(got[3]) && got[5] == 0);
    assert_true(got[4] == log(0x1p-1060));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_equal_one_by_one),
        cmocka_unit_test(logs_are_within_an_ulp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
