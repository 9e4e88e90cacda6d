/* The feature engine: inputs joined as of each close, the universe, cross-sections, where rows begin, what is missing,
 * what a change makes anew, any number of threads. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/buffer.h"
#include "host/data/features/audit.h"
#include "host/data/features/plugin.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/blocks.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { ASSETS = 3, BENCHMARK = 3, SERIES = 4, BARS = 260, DAY_S = TEST_DAY_S, FIRST_TS = TEST_FIRST_TS };

/* ---- features that show what they are given ---- */

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

static const pu_feature shown[] = {
    {SHOWN("t_age", age_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = cpi_input},
    {SHOWN("t_benchmark", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = benchmark_input},
    {SHOWN("t_cpi", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = cpi_input},
    {SHOWN("t_excess_rank", excess_update, PU_CROSS_RANK, 1), .input_count = 1, .inputs = universe_input},
    {SHOWN("t_phase", value_update, PU_CROSS_NONE, 0), .input_count = 1, .inputs = phase_input},
    {SHOWN("t_rank", close_update, PU_CROSS_RANK, 0)},
    {SHOWN("t_universe", value_update, PU_CROSS_NONE, 1), .input_count = 1, .inputs = universe_input},
    {SHOWN("t_z", close_update, PU_CROSS_ZSCORE, 0)},
};
enum { AGE, BENCH, CPI, EXCESS, PHASE, RANK, UNIVERSE, Z, SHOWN_COUNT };
#define NAMES "features.names=[t_age, t_benchmark, t_cpi, t_excess_rank, t_phase, t_rank, t_universe, t_z]"

static int add_features(void **state) {
    (void)state;
    const pu_feature *list[SHOWN_COUNT];
    for (int i = 0; i < SHOWN_COUNT; ++i) list[i] = &shown[i];
    pu_progress_silence(true);
    return pu__registry_add(SHOWN_COUNT, list, "none.so", "none") == PU_OK ? 0 : 1;
}

/* ---- a market with holes, late beginnings and revisions ---- */

static const char *const symbols[SERIES] = {"AAA", "BBB", "CCC", "SPX"};

/* Whether a series has a bar on a day: BBB begins late, CCC and the benchmark have holes. */
static bool trades_on(int series, int day) {
    switch (series) {
    case 1: return day >= 37;
    case 2: return day % 3 != 1;
    case BENCHMARK: return day >= 20 && day % 5 != 2;
    default: return true;
    }
}

typedef struct world {
    test_market market;
    pu_bars bars[SERIES];
} world;

/* A release dated every ten days, out five days later, and each third one revised a month after that. */
enum { RELEASE_DAYS = 10, DELAY_DAYS = 5, REVISION_DAYS = 35, OWN_FROM_DAY = 100 };

/* Both series, the market's and BBB's own, and the regime: one statement each, every one is a transaction. */
static void put_series(const test_market *market) {
    pu__buffer rows = {0};
    const int64_t own = FIRST_TS + OWN_FROM_DAY * DAY_S, phase = FIRST_TS + 60 * DAY_S;
    pu__buffer_printf(&rows, "INSERT INTO alternative_values VALUES (2, %" PRId64 ", %" PRId64 ", -7)", own,
                      own - DAY_S);
    for (int day = 0; day < BARS; day += RELEASE_DAYS) {
        const int64_t ts = FIRST_TS + (int64_t)day * DAY_S;
        for (int revision = 0; revision <= (day % 30 == 0); ++revision) {
            const int64_t published = ts + (revision ? REVISION_DAYS : DELAY_DAYS) * DAY_S;
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
                      FIRST_TS + (int64_t)0, FIRST_TS + (int64_t)0, phase + 20 * DAY_S, phase);
    char *labels = pu__buffer_take(&rows);
    test_market_sql(market, labels);
    pu_free(values);
    pu_free(labels);
}

static world world_new(void) {
    world w = {.market = test_market_new()};
    for (int s = 0; s < SERIES; ++s) {
        pu_bars *bars = &w.bars[s];
        int64_t kept = 0;
        assert_true(test_bars_walk((uint64_t)s + 1, BARS, FIRST_TS, DAY_S, bars));
        double *const columns[] = {bars->open, bars->high, bars->low, bars->close, bars->adjusted, bars->volume};
        for (int day = 0; day < BARS; ++day) {
            if (!trades_on(s, day)) continue;
            for (int c = 0; c < 6; ++c) columns[c][kept] = columns[c][day];
            bars->ts[kept++] = bars->ts[day];
        }
        bars->count = kept;
        test_market_put(&w.market, symbols[s], DAY_S, bars);
    }
    put_series(&w.market);
    return w;
}

static void world_remove(world *w) {
    for (int s = 0; s < SERIES; ++s) pu_bars_free(&w->bars[s]);
    test_market_remove(&w->market);
}

static pu_config *world_config(const world *w, const char *names, const char *other) {
    return test_config(&w->market, "data.benchmark=SPX", "features.block_bars=64", names, other, NULL);
}

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
    const pu_bars *bars = &w->bars[BENCHMARK];
    for (int64_t i = 0; i < bars->count && bars->ts[i] <= ts; ++i) value = bars->adjusted[i];
    return value;
}

static double cpi_by_definition(int asset, int64_t ts, double *age_s) {
    double value = NAN;
    for (int day = 0; day < BARS; day += RELEASE_DAYS) {
        const int64_t dated = FIRST_TS + (int64_t)day * DAY_S;
        const int64_t revised = dated + REVISION_DAYS * DAY_S, out = dated + DELAY_DAYS * DAY_S;
        const bool is_revised = day % 30 == 0 && revised <= ts;
        if (out > ts) continue;
        value = day + 1000 * is_revised;
        *age_s = (double)(ts - (is_revised ? revised : out));
    }
    const int64_t own = FIRST_TS + OWN_FROM_DAY * DAY_S;
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
    for (int a = 0; a < ASSETS; ++a) {
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
    for (int a = 0; a < ASSETS; ++a) {
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
    for (int a = 0; a < ASSETS; ++a) {
        if (!isnan(value[a])) sum += value[a], squares += value[a] * value[a], count += 1;
    }
    const double mean = sum / count, variance = squares / count - mean * mean;
    return count > 1 ? (value[asset] - mean) / sqrt(variance) : 0;
}

static void row_by_definition(const world *w, int asset, int64_t bar, double *out) {
    const int64_t ts = w->bars[asset].ts[bar];
    double price[ASSETS], excess[ASSETS];
    const double universe = universe_by_definition(w, ts);
    for (int a = 0; a < ASSETS; ++a) {
        const int64_t at = bar_at(&w->bars[a], ts);
        price[a] = at < 0 ? NAN : w->bars[a].adjusted[at];
        excess[a] = at < 0 ? NAN : log_return(w, a, at) - universe;
    }
    out[CPI] = cpi_by_definition(asset, ts, &out[AGE]);
    out[BENCH] = benchmark_by_definition(w, ts);
    out[EXCESS] = rank_by_definition(excess, asset);
    out[PHASE] = ts >= FIRST_TS + 80 * DAY_S ? 2 : 1;
    out[RANK] = rank_by_definition(price, asset);
    out[UNIVERSE] = universe;
    out[Z] = z_by_definition(price, asset);
}

static void inputs_are_as_of_the_close(void **state) {
    (void)state;
    static const int first_days[ASSETS] = {20, 38, 20}; /* the benchmark's first bar; BBB's own second */
    world w = world_new();
    pu_config *config = world_config(&w, NAMES, NULL);
    build(config);
    for (int a = 0; a < ASSETS; ++a) {
        pu__blocks blocks;
        float *got = test_blocks_read(config, a, PU__BLOCKS_FEATURE, &blocks);
        assert_int_equal(w.bars[a].ts[blocks.first_bar], FIRST_TS + (int64_t)first_days[a] * DAY_S);
        assert_int_equal(blocks.rows, w.bars[a].count - blocks.first_bar);
        for (int64_t r = 0; r < blocks.rows; ++r) {
            double want[SHOWN_COUNT];
            row_by_definition(&w, a, blocks.first_bar + r, want);
            for (int c = 0; c < SHOWN_COUNT; ++c) {
                /* float32, and for z the cancellation in the plain formula of the variance */
                const double limit = (c == Z ? 1e-6 : 1e-7) * fmax(1, fabs(want[c]));
                if (!(fabs((double)got[r * SHOWN_COUNT + c] - want[c]) <= limit))
                    fail_msg("%s row %d: %s is %.9g, expected %.9g", symbols[a], (int)r, shown[c].name,
                             (double)got[r * SHOWN_COUNT + c], want[c]);
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
    float *first[ASSETS] = {NULL};
    for (int n = 0; n < 3; ++n) {
        pu_config *config = world_config(&w, NAMES, threads[n]);
        test_market_sql(&w.market, "DELETE FROM feature_sets");
        build(config);
        for (int a = 0; a < ASSETS; ++a) {
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
    for (int a = 0; a < ASSETS; ++a) pu_free(first[a]);
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
        for (int a = 0; a < ASSETS; ++a) {
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
        assert_int_equal(build(config).blocks_written, 2 * ASSETS);
        w.bars[1].close[5] *= 1.0000001;
        test_market_put(&w.market, "BBB", DAY_S, &w.bars[1]);
        const pu_features_result again = build(config);
        assert_int_equal(again.blocks_written, i == 0 ? 2 : ASSETS + 1);
        assert_int_equal(again.blocks_current, 2 * ASSETS - again.blocks_written);
        assert_int_equal(build(config).blocks_written, 0);
        pu_config_free(config);
        world_remove(&w);
    }
}

/* ---- what is missing ---- */

typedef struct attempt {
    const pu_config *config;
    pu_status status;
    int features;
    char omitted[256], message[512];
} attempt;

static void plan_once(void *context) {
    attempt *a = context;
    pu_store *store = NULL;
    pu__plan plan;
    assert_int_equal(pu_store_open(a->config->data.store, PU_STORE_READ, &store), PU_OK);
    a->status = pu__plan_open(a->config, store, &plan);
    if (a->status == PU_OK) {
        pu__plan_announce(&plan);
        a->features = plan.features.count;
        snprintf(a->omitted, sizeof a->omitted, "%s", plan.omitted ? plan.omitted : "");
        pu__plan_close(&plan);
    } else {
        snprintf(a->message, sizeof a->message, "%s", pu_error_message());
    }
    pu_store_close(store);
}

static void build_once(void *context) {
    attempt *a = context;
    pu_features_result result;
    a->status = pu_features_build(a->config, &result);
    if (a->status != PU_OK) snprintf(a->message, sizeof a->message, "%s", pu_error_message());
}

/* The fields of the line with that event; fails the test when there is none. */
static json_t *event_of(const char *said, const char *event) {
    for (const char *line = said; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        json_t *root = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        const char *name = json_string_value(json_object_get(root, "event"));
        if (name && strcmp(name, event) == 0) return root;
        json_decref(root);
    }
    fail_msg("no event %s in: %s", event, said);
    return NULL;
}

static void expect_field(const json_t *event, const char *field, const char *value) {
    assert_string_equal(json_string_value(json_object_get(event, field)), value);
}

static char *said_as_json(void (*what)(void *), attempt *a) {
    pu_log_setup(PU_LOG_INFO, PU_LOG_JSON);
    char *said = test_capture_stderr(what, a);
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
    return said;
}

static void a_missing_input_is_named_or_skipped(void **state) {
    (void)state;
    static const struct {
        const char *harm, *names, *feature, *input, *assets;
    } cases[] = {
        {"DELETE FROM alternative_series", "features.names=[rsi_14, t_cpi]", "t_cpi", "alternative:cpi",
         "AAA, BBB, CCC"},
        {"DELETE FROM alternative_series WHERE series_id = 1", "features.names=[rsi_14, t_cpi]", "t_cpi",
         "alternative:cpi", "AAA, CCC"},
        {"DELETE FROM regimes", "features.names=[t_phase, rsi_14]", "t_phase", "regime:phase", "AAA, BBB, CCC"},
        {"UPDATE series SET volume = NULL WHERE asset_id = 2", "features.names=[rsi_14, log_volume_10]",
         "log_volume_10", "volume", "BBB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        world w = world_new();
        test_market_sql(&w.market, cases[i].harm);
        for (int skip = 0; skip < 2; ++skip) {
            pu_config *config =
                world_config(&w, cases[i].names, skip ? "features.missing=skip" : "features.missing=error");
            attempt a = {.config = config};
            char *said = said_as_json(plan_once, &a);
            json_t *event = event_of(said, "features.input_missing");
            expect_field(event, "feature", cases[i].feature);
            expect_field(event, "input", cases[i].input);
            expect_field(event, "assets", cases[i].assets);
            assert_int_equal(a.status, skip ? PU_OK : PU_ERR_CONFIG);
            const char *text = skip ? a.omitted : a.message;
            assert_non_null(strstr(text, cases[i].feature));
            assert_non_null(strstr(text, cases[i].input));
            assert_non_null(strstr(text, cases[i].assets));
            if (skip) assert_int_equal(a.features, 1);
            json_decref(event);
            free(said);
            pu_config_free(config);
        }
        world_remove(&w);
    }
}

static void without_a_benchmark_nothing_is_compared_with_it(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = test_config(&w.market, "features.names=[t_benchmark]", NULL);
    attempt a = {.config = config};
    free(said_as_json(plan_once, &a));
    assert_int_equal(a.status, PU_ERR_CONFIG);
    assert_non_null(strstr(a.message, "data.benchmark"));
    pu_config_free(config);
    config = test_config(&w.market, "features.names=[t_benchmark]", "features.missing=skip", NULL);
    a = (attempt){.config = config};
    free(said_as_json(plan_once, &a));
    assert_int_equal(a.status, PU_ERR_CONFIG);
    assert_non_null(strstr(a.message, "no feature is left"));
    pu_config_free(config);
    world_remove(&w);
}

/* An input that begins late costs bars, and says so; one that ends is an error with the place. */
static void rows_begin_with_the_inputs_and_do_not_outlive_them(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = world_config(&w, "features.names=[t_benchmark]", "data.symbols=[AAA]");
    attempt a = {.config = config};
    char *said = said_as_json(build_once, &a);
    assert_int_equal(a.status, PU_OK);
    json_t *event = event_of(said, "features.input_cost");
    expect_field(event, "asset", "AAA");
    expect_field(event, "feature", "t_benchmark");
    expect_field(event, "input", "benchmark");
    expect_field(event, "bars", "20");
    json_decref(event);
    free(said);
    pu_config_free(config);
    test_market_sql(&w.market, "UPDATE alternative_series SET stale_after_s = 86400 * 30, checksum = 9");
    config = world_config(&w, "features.names=[rsi_14, t_cpi]", "data.symbols=[BBB]");
    a = (attempt){.config = config};
    free(said_as_json(build_once, &a));
    assert_int_equal(a.status, PU_ERR_DATA);
    char when[32];
    pu_time_format(FIRST_TS + (OWN_FROM_DAY + 31) * DAY_S, true, when);
    const char *const parts[] = {"BBB", "t_cpi", "alternative:cpi", when};
    for (int i = 0; i < 4; ++i) {
        if (!strstr(a.message, parts[i])) fail_msg("no %s in: %s", parts[i], a.message);
    }
    pu_config_free(config);
    world_remove(&w);
}

static void a_short_asset_is_left_out_or_refused(void **state) {
    (void)state;
    world w = world_new();
    test_market_walk(&w.market, "TINY", 9, 14, true);
    pu_config *config = world_config(&w, "features.names=[rsi_14]", NULL);
    attempt a = {.config = config};
    char *said = said_as_json(build_once, &a);
    assert_int_equal(a.status, PU_OK);
    json_t *event = event_of(said, "features.short_asset");
    const char *message = json_string_value(json_object_get(event, "message"));
    assert_non_null(strstr(message, "TINY (14 bars)"));
    assert_non_null(strstr(message, "needs 15 bars"));
    assert_int_equal(test_market_sql(&w.market, "SELECT count(DISTINCT asset_id) FROM feature_sets"), ASSETS);
    json_decref(event);
    free(said);
    pu_config_free(config);
    config = world_config(&w, "features.names=[rsi_14]", "data.symbols=[AAA, TINY]");
    a = (attempt){.config = config};
    free(said_as_json(build_once, &a));
    assert_int_equal(a.status, PU_ERR_DATA);
    assert_non_null(strstr(a.message, "TINY has 14 bars, the feature rsi_14 needs 15"));
    pu_config_free(config);
    world_remove(&w);
}

/* ---- audit ---- */

static void inputs_and_cross_sections_pass_the_audit(void **state) {
    (void)state;
    world w = world_new();
    pu_config *config = world_config(&w, NAMES, "run.threads=2");
    pu_audit_result result;
    build(config);
    assert_int_equal(pu_features_audit(config, 18, 20261123, &result), PU_OK);
    assert_int_equal(result.leaks, 0);
    assert_int_equal(result.stale, 0);
    assert_int_equal(result.assets, ASSETS);
    assert_true(result.values > 18 * 100 * SHOWN_COUNT);
    pu_config_free(config);
    world_remove(&w);
}

/* ---- faults ---- */

/* Every allocation fails in turn, with all kinds of inputs and a cross-section: an error, and no half of an asset. */
static void failures_are_reported_and_leave_whole_assets(void **state) {
    (void)state;
    static const char torn[] =
        "SELECT count(*) FROM feature_sets AS s WHERE row_count = 0 OR row_count != (SELECT "
        "coalesce(sum(row_count), 0) FROM feature_blocks AS b WHERE b.set_id = s.set_id)";
    world w = world_new();
    pu_config *config = world_config(&w, NAMES, "run.threads=1");
    for (int is_audit = 0; is_audit < 2; ++is_audit) {
        pu_status status = PU_ERR_MEMORY;
        int failures = 0;
        for (; status != PU_OK; ++failures) {
            pu_features_result built;
            pu_audit_result audited;
            pu_memory_fail_after(failures);
            status = is_audit ? pu_features_audit(config, 2, 1, &audited) : pu_features_build(config, &built);
            pu_memory_fail_after(-1);
            if (status != PU_OK) assert_int_equal(status, PU_ERR_MEMORY);
        }
        assert_true(failures > 100);
        assert_int_equal(test_market_sql(&w.market, torn), 0);
        assert_int_equal(test_market_sql(&w.market, "SELECT count(*) FROM feature_sets"), 2 * ASSETS);
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
        cmocka_unit_test(a_missing_input_is_named_or_skipped),
        cmocka_unit_test(without_a_benchmark_nothing_is_compared_with_it),
        cmocka_unit_test(rows_begin_with_the_inputs_and_do_not_outlive_them),
        cmocka_unit_test(a_short_asset_is_left_out_or_refused),
        cmocka_unit_test(inputs_and_cross_sections_pass_the_audit),
        cmocka_unit_test(failures_are_reported_and_leave_whole_assets),
    };
    return cmocka_run_group_tests(tests, add_features, NULL);
}
