#include "tests/support/world.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/buffer.h"
#include "host/data/features/plugin.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"

static void must(bool held, const char *what) {
    if (held) return;
    fprintf(stderr, "test world: %s: %s\n", what, pu_error_message());
    abort();
}

static double value_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory, (void)parameters, (void)index;
    return bar->input[0].value;
}

static double age_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory, (void)parameters, (void)index;
    return isnan(bar->input[0].value) ? NAN : (double)bar->input[0].age_s;
}

static double close_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory, (void)parameters, (void)index;
    return bar->close;
}

/* Log return against the universe's. */
static double excess_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    double *last = memory;
    (void)parameters;
    const double change = index > 0 ? log(bar->close / *last) : NAN;
    *last = bar->close;
    return change - bar->input[0].value;
}

static const char *const benchmark_input[] = {"benchmark"}, *const universe_input[] = {"universe"},
                         *const cpi_input[] = {"alternative:cpi"}, *const phase_input[] = {"regime:phase"};

#define SHOWN(text, function, how, bars)                                                               \
    .abi = PU_FEATURE_ABI, .name = text, .version = 1, .description = "For tests.", .tags = "returns", \
    .source = "none", .state_bytes = sizeof(double), .update = function, .cross = how, .lookback_bars = bars

const pu_feature world_feature[WORLD_FEATURES] = {
    {SHOWN("t_age", age_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = cpi_input},
    {SHOWN("t_benchmark", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = benchmark_input},
    {SHOWN("t_cpi", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = cpi_input},
    {SHOWN("t_excess_rank", excess_update, PU_CROSS_RANK, 1), .input_count = 1, .inputs = universe_input},
    {SHOWN("t_phase", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = phase_input},
    {SHOWN("t_rank", close_update, PU_CROSS_RANK, 0)},
    {SHOWN("t_universe", value_update, PU_CROSS_NONE, 1), .input_count = 1, .inputs = universe_input},
    {SHOWN("t_z", close_update, PU_CROSS_ZSCORE, 0)},
};

int world_features(void **state) {
    (void)state;
    const pu_feature *list[WORLD_FEATURES];
    for (int i = 0; i < WORLD_FEATURES; ++i) list[i] = &world_feature[i];
    pu_progress_silence(true);
    return pu__registry_add(WORLD_FEATURES, list, "none.so", "none") == PU_OK ? 0 : 1;
}

/* ---- the market ---- */

const char *const world_symbol[WORLD_SERIES] = {"AAA", "BBB", "CCC", "SPX"};

/* Whether a series has a bar on a day: BBB begins late, CCC and the benchmark have holes. */
static bool trades_on(int series, int day) {
    switch (series) {
    case 1: return day >= 37;
    case 2: return day % 3 != 1;
    case WORLD_BENCHMARK: return day >= 20 && day % 5 != 2;
    default: return true;
    }
}

/* Both series, the market's and BBB's own, and the regime: one statement each, every one is a transaction. */
static void put_series(const test_market *market) {
    pu__buffer rows = {0};
    const int64_t own = TEST_FIRST_TS + WORLD_OWN_FROM_DAY * TEST_DAY_S, phase = TEST_FIRST_TS + 60 * TEST_DAY_S;
    pu__buffer_printf(&rows, "INSERT INTO alternative_values VALUES (2, %" PRId64 ", %" PRId64 ", -7)", own,
                      own - TEST_DAY_S);
    for (int day = 0; day < WORLD_DAYS; day += WORLD_RELEASE_DAYS) {
        const int64_t ts = TEST_FIRST_TS + (int64_t)day * TEST_DAY_S;
        for (int revision = 0; revision <= (day % 30 == 0); ++revision) {
            const int64_t published = ts + (revision ? WORLD_REVISION_DAYS : WORLD_DELAY_DAYS) * TEST_DAY_S;
            pu__buffer_printf(&rows, ", (1, %" PRId64 ", %" PRId64 ", %d)", published, ts, day + 1000 * revision);
        }
    }
    char *values = pu__buffer_take(&rows);
    test_market_sql(market, "INSERT INTO alternative_series (series_id, name, asset_id, kind, stale_after_s) "
                            "SELECT 1, 'cpi', NULL, 'macro', 86400 * 400 UNION ALL "
                            "SELECT 2, 'cpi', asset_id, 'macro', 86400 * 400 FROM assets WHERE symbol = 'BBB'");
    test_market_sql(market, values);
    pu__buffer_printf(&rows,
                      "INSERT INTO regimes VALUES ('phase', %" PRId64 ", %" PRId64 ", 1), ('phase', %" PRId64
                      ", %" PRId64 ", 2)",
                      TEST_FIRST_TS + (int64_t)0, TEST_FIRST_TS + (int64_t)0, phase + 20 * TEST_DAY_S, phase);
    char *labels = pu__buffer_take(&rows);
    test_market_sql(market, labels);
    pu_free(values);
    pu_free(labels);
}

world world_new(void) {
    world w = {.market = test_market_new()};
    for (int s = 0; s < WORLD_SERIES; ++s) {
        pu_bars *bars = &w.bars[s];
        int64_t kept = 0;
        must(test_bars_walk((uint64_t)s + 1, WORLD_DAYS, TEST_FIRST_TS, TEST_DAY_S, bars), "walk");
        double *const columns[] = {bars->open, bars->high, bars->low, bars->close, bars->adjusted, bars->volume};
        for (int day = 0; day < WORLD_DAYS; ++day) {
            if (!trades_on(s, day)) continue;
            for (int c = 0; c < 6; ++c) columns[c][kept] = columns[c][day];
            bars->ts[kept++] = bars->ts[day];
        }
        bars->count = kept;
        test_market_put(&w.market, world_symbol[s], TEST_DAY_S, bars);
    }
    put_series(&w.market);
    return w;
}

void world_remove(world *w) {
    for (int s = 0; s < WORLD_SERIES; ++s) pu_bars_free(&w->bars[s]);
    test_market_remove(&w->market);
}

pu_config *world_config(const world *w, const char *names, const char *other) {
    return test_config(&w->market, "data.benchmark=SPX", "features.block_bars=64", names, other, NULL);
}
