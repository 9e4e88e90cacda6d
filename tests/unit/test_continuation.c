/* Bars that go on behind a history and are in no store get the features that they have where they are stored, bit for
 * bit: every built-in feature, and every kind of input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/base/buffer.h"
#include "host/data/features/continuation.h"
#include "plusultra/memory.h"
#include "plusultra/windows.h"
#include "tests/support/bars.h"
#include "tests/support/world.h"

/* The world's last publication is before the history's end. */
enum { HISTORY_DAYS = 330, BARS = 41, SERIES = WORLD_SERIES };

static const int64_t history_end = TEST_FIRST_TS + (HISTORY_DAYS - 1) * (int64_t)TEST_DAY_S;

/* Bars of days [from, to) of a walk that is the series' own. */
static pu_bars days(int series, int from, int to) {
    pu_bars bars;
    assert_true(test_bars_walk((uint64_t)(100 + series), to, TEST_FIRST_TS, TEST_DAY_S, &bars));
    memcpy(bars.adjusted, bars.close, (size_t)to * sizeof *bars.close);
    double *const column[] = {bars.open, bars.high, bars.low, bars.close, bars.adjusted, bars.volume};
    for (int c = 0; c < 6; ++c) memmove(column[c], column[c] + from, (size_t)(to - from) * sizeof *column[c]);
    memmove(bars.ts, bars.ts + from, (size_t)(to - from) * sizeof *bars.ts);
    bars.count = to - from;
    return bars;
}

static void go_on(const world *w, int from, int to) {
    for (int s = 0; s < SERIES; ++s) {
        pu_bars bars = days(s, from, to);
        test_market_put(&w->market, world_symbol[s], TEST_DAY_S, &bars);
        pu_bars_free(&bars);
    }
}

/* All built-in features but those of series that the world does not have, and the world's own. */
static char *all_names(void) {
    pu__buffer text = {0};
    pu__buffer_printf(
        &text, "features.names=[t_age, t_benchmark, t_cpi, t_excess_rank, t_phase, t_rank, t_universe, t_z");
    for (int i = 0; i < pu_feature_count(); ++i) {
        const pu_feature *feature = pu_feature_at(i);
        bool known = strncmp(feature->name, "t_", 2) != 0;
        for (int k = 0; k < feature->input_count; ++k) known = known && !strchr(feature->inputs[k], ':');
        if (known) pu__buffer_printf(&text, ", %s", feature->name);
    }
    pu__buffer_printf(&text, "]");
    char *names = pu__buffer_take(&text);
    assert_non_null(names);
    return names;
}

static pu_config *config_of(const world *w, const char *names) {
    return test_config(&w->market, "data.benchmark=SPX", "features.block_bars=64", "windows.window_bars=4",
                       "windows.warmup_bars=4", "split.embargo_bars=0", names, NULL);
}

typedef struct run {
    pu_store *store;
    pu__plan plan;
    pu__continuation *continuation;
    float *features, *sigma; /* of one continuation, by the plan's assets */
} run;

static pu_status open_run(const pu_config *config, int64_t until_ts, int64_t bars, const int64_t *ts, run *out) {
    static const bool all[WORLD_ASSETS] = {true, true, true};
    assert_int_equal(pu_store_open(config->data.store, PU_STORE_READ, &out->store), PU_OK);
    assert_int_equal(pu__plan_open(config, out->store, &out->plan), PU_OK);
    const pu__continuation_options options = {.until_ts = until_ts, .bars = bars, .ts = ts, .goes_on = all};
    const size_t cells = (size_t)(out->plan.asset_count * bars);
    out->features = pu_calloc(cells * (size_t)out->plan.features.count, sizeof(float));
    out->sigma = pu_calloc(cells, sizeof(float));
    return pu__continuation_open(&out->plan, out->store, &options, &out->continuation);
}

static void close_run(run *r) {
    pu_free(r->features);
    pu_free(r->sigma);
    pu__continuation_close(r->continuation);
    pu__plan_close(&r->plan);
    pu_store_close(r->store);
}

static void compare(run *r, pu_dataset *stored, int64_t first_ts) {
    const int64_t columns = r->plan.features.count;
    float *features = pu_calloc((size_t)(BARS * columns), sizeof *features);
    float sigma[BARS];
    int compared = 0;
    for (int i = 0; i < pu_dataset_assets(stored); ++i) {
        int member = 0;
        int64_t row = 0;
        while (r->plan.asset[member].id != pu_dataset_asset(stored, i)->id) ++member;
        assert_int_equal(pu_dataset_rows_before(stored, i, first_ts, &row), PU_OK);
        assert_int_equal(pu_dataset_rows(stored, i), row + BARS);
        assert_int_equal(pu_dataset_read(stored, i, row, BARS, features, NULL, NULL, sigma), PU_OK);
        for (int64_t v = 0; v < BARS * columns; ++v) {
            const float got = r->features[member * BARS * columns + v];
            if (memcmp(&got, &features[v], sizeof got) == 0) continue;
            fail_msg("%s bar %lld: %s is %.9g, stored %.9g", r->plan.asset[member].symbol,
                     (long long)(v / columns), pu_dataset_feature_name(stored, (int)(v % columns)), (double)got,
                     (double)features[v]);
        }
        assert_memory_equal(sigma, r->sigma + member * BARS, sizeof sigma);
        ++compared;
    }
    assert_true(compared >= 2);
    pu_free(features);
}

static void as_in_the_store(void **state) {
    (void)state;
    char *names = all_names();
    world w = world_new();
    go_on(&w, WORLD_DAYS, HISTORY_DAYS);
    pu_config *config = config_of(&w, names);
    pu_bars ahead[SERIES];
    for (int s = 0; s < SERIES; ++s) ahead[s] = days(s, HISTORY_DAYS, HISTORY_DAYS + BARS);
    run r = {0};
    if (open_run(config, history_end, BARS, ahead[0].ts, &r) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(r.plan.member_count, WORLD_ASSETS);
    pu_bars bars[WORLD_ASSETS];
    for (int m = 0; m < WORLD_ASSETS; ++m) {
        for (int s = 0; s < WORLD_ASSETS; ++s) {
            if (strcmp(r.plan.asset[m].symbol, world_symbol[s]) == 0) bars[m] = ahead[s];
        }
    }
    pu__continuation_room *room = NULL;
    assert_int_equal(pu__continuation_room_open(r.continuation, &room), PU_OK);
    for (int again = 0; again < 2; ++again) { /* a continuation leaves nothing behind for the next */
        if (pu__continuation_run(room, bars, ahead[WORLD_BENCHMARK].close, r.features, r.sigma) != PU_OK)
            fail_msg("%s", pu_error_message());
    }
    go_on(&w, HISTORY_DAYS, HISTORY_DAYS + BARS);
    pu_dataset *stored = NULL;
    if (pu_dataset_open(config, &stored) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_dataset_features(stored), r.plan.features.count);
    compare(&r, stored, ahead[0].ts[0]);
    pu_dataset_close(stored);
    pu__continuation_room_close(room);
    close_run(&r);
    for (int s = 0; s < SERIES; ++s) pu_bars_free(&ahead[s]);
    pu_config_free(config);
    world_remove(&w);
    pu_free(names);
}

/* What goes out of date is named, and so is a member that has no bar where the continuation begins. */
static void faults_are_named(void **state) {
    (void)state;
    world w = world_new();
    go_on(&w, WORLD_DAYS, HISTORY_DAYS);
    test_market_sql(&w.market, "UPDATE alternative_series SET stale_after_s = 86400 * 100");
    pu_config *config = config_of(&w, "features.names=[t_rank, t_cpi]");
    pu_bars ahead = days(0, HISTORY_DAYS, HISTORY_DAYS + 90);
    run r = {0};
    pu__continuation_room *room = NULL;
    if (open_run(config, history_end, ahead.count, ahead.ts, &r) != PU_OK) fail_msg("%s", pu_error_message());
    const pu_bars bars[WORLD_ASSETS] = {ahead, ahead, ahead};
    assert_int_equal(pu__continuation_room_open(r.continuation, &room), PU_OK);
    assert_int_equal(pu__continuation_run(room, bars, NULL, r.features, r.sigma), PU_ERR_DATA);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "t_cpi"));
    assert_non_null(strstr(pu_error_message(), "alternative:cpi"));
    pu__continuation_room_close(room);
    close_run(&r);
    r = (run){0};
    assert_int_equal(open_run(config, history_end - 3600, ahead.count, ahead.ts, &r), PU_ERR_DATA);
    print_message("%s\n", pu_error_message());
    assert_non_null(strstr(pu_error_message(), "no bar that closes at"));
    close_run(&r);
    pu_bars_free(&ahead);
    pu_config_free(config);
    world_remove(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_in_the_store), cmocka_unit_test(faults_are_named)};
    return cmocka_run_group_tests(tests, world_features, NULL);
}
