/* The store: what goes in comes out, what may not go in is refused, versions go forward. */
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

#include "host/data/store/migrate.h"
#include "host/data/store/schema_page.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum { DAY_S = 86400 };

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static pu_store *create(const char *name) {
    pu_store *store = NULL;
    if (pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store) != PU_OK)
        fail_msg("%s", pu_error_message());
    return store;
}

static pu__bar bar_at(int64_t ts, double close) {
    return (pu__bar){ts, close * 0.99, close * 1.01, close * 0.98, close, close * 0.9, 1000 + (double)(ts % 7)};
}

static int64_t put_asset(pu_store *store, const char *symbol, int64_t bar_s, int64_t count) {
    int64_t id = 0;
    pu__bar_writer writer;
    pu__bar *bars = pu_calloc((size_t)count, sizeof *bars);
    assert_non_null(bars);
    for (int64_t i = 0; i < count; ++i) {
        bars[i] = bar_at((i + 1) * bar_s, 100 + sin((double)i));
        if (i % 5 == 3) bars[i].volume = NAN;
    }
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu__asset_make(store, symbol, "equity", bar_s, "USD", 252, &id), PU_OK);
    assert_int_equal(pu__bar_writer_open(store, id, &writer), PU_OK);
    assert_int_equal(pu__bars_put(&writer, bars, count, false, NULL), PU_OK);
    assert_int_equal(pu__bar_writer_close(&writer, PU_OK), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    pu_free(bars);
    return id;
}

static int64_t number(pu_store *store, const char *sql) {
    int64_t value = 0;
    if (pu__sql_integer(store, sql, -1, &value) != PU_OK) fail_msg("%s: %s", sql, pu_error_message());
    return value;
}

static void opens_and_sets_up(void **state) {
    (void)state;
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(test_path(folder, "none.db"), PU_STORE_READ, &store), PU_ERR_NOT_FOUND);
    assert_null(store);
    assert_int_equal(pu_store_open(test_path(folder, "none.db"), PU_STORE_WRITE, &store), PU_ERR_NOT_FOUND);
    assert_int_equal(pu_store_open("", PU_STORE_CREATE, &store), PU_ERR_ARGUMENT);
    assert_int_equal(pu_store_open(folder, PU_STORE_CREATE, &store), PU_ERR_IO);
    store = create("set.db");
    assert_int_equal(number(store, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(store, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(store, "PRAGMA synchronous"), 2);
    assert_int_equal(number(store, "PRAGMA page_size"), 8192);
    assert_int_equal(number(store, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'delete'"), 1);
    assert_int_equal(number(store, "PRAGMA user_version"), 3);
    assert_int_equal(pu_store_check(store), PU_OK);
    pu_store_close(store);
    assert_int_equal(pu_store_open(test_path(folder, "set.db"), PU_STORE_READ, &store), PU_OK);
    assert_int_equal(pu_store_begin(store), PU_ERR_ARGUMENT);
    pu_store_close(store);
    pu_store_close(NULL);
}

static void transactions_do_not_nest(void **state) {
    (void)state;
    pu_store *store = create("nest.db");
    pu_store_rollback(store);
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu_store_begin(store), PU_ERR_ARGUMENT);
    pu_store_rollback(store);
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    assert_int_not_equal(pu_store_commit(store), PU_OK);
    pu_store_close(store);
}

/* Another program's SQL meets the same limits as ours. */
static void schema_refuses_impossible_values(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        bool good;
    } cases[] = {
        {"INSERT INTO series VALUES (1, 1, 10, 11, 9, 10, 10, 5)", true},
        {"INSERT INTO series VALUES (1, 2, 10, 11, 9, 10, 10, NULL)", true},
        {"INSERT INTO series VALUES (1, 3, 11.000001, 11, 9, 9, 10, 5)", true}, /* rounding */
        {"INSERT INTO series VALUES (1, 1, 10, 11, 9, 10, 10, 5)", false},      /* the time again */
        {"INSERT INTO series VALUES (1, 4, 11.1, 11, 9, 10, 10, 5)", false},    /* open above high */
        {"INSERT INTO series VALUES (1, 4, 10, 11, 9, 8.9, 10, 5)", false},     /* close below low */
        {"INSERT INTO series VALUES (1, 4, 10, 9, 11, 10, 10, 5)", false},      /* high below low */
        {"INSERT INTO series VALUES (1, 4, 0, 1, 0, 1, 1, 5)", false},
        {"INSERT INTO series VALUES (1, 4, 10, 9e999, 9, 10, 10, 5)", false},
        {"INSERT INTO series VALUES (1, 4, 10, 11, 9, 10, 9e999, 5)", false},
        {"INSERT INTO series VALUES (1, 4, 10, 11, 9, 10, -1, 5)", false},
        {"INSERT INTO series VALUES (1, 4, 10, 11, 9, 10, 10, -5)", false},
        {"INSERT INTO series VALUES (1, 4, 10, 11, 9, 10, 10, 9e999)", false},
        {"INSERT INTO series VALUES (1, 4, 'ten', 11, 9, 10, 10, 5)", false},
        {"INSERT INTO series VALUES (1, 4, NULL, 11, 9, 10, 10, 5)", false},
        {"INSERT INTO series VALUES (2, 4, 10, 11, 9, 10, 10, 5)", false}, /* no such asset */
        {"INSERT INTO indicators VALUES (1, 'x', 1, 9e999)", false},
        {"INSERT INTO indicators VALUES (1, 'x', 1, -9e999)", false},
        {"INSERT INTO indicators VALUES (1, 'x', 1, -3)", true},
        {"INSERT INTO assets (symbol, asset_class, bar_s, periods_per_year) VALUES ('A', 'equity', 86400, 252)",
         false},
        {"INSERT INTO assets (symbol, asset_class, bar_s, periods_per_year) VALUES ('A', 'equity', 300, 19656)",
         true},
        {"INSERT INTO assets (symbol, asset_class, bar_s, periods_per_year) VALUES ('B', 'bond', 86400, 252)",
         false},
        {"INSERT INTO assets (symbol, asset_class, bar_s, periods_per_year) VALUES ('B', 'equity', 0, 252)",
         false},
        {"INSERT INTO assets (symbol, asset_class, bar_s, periods_per_year) VALUES ('B', 'equity', 1, 9e999)",
         false},
        {"DELETE FROM assets WHERE symbol = 'A' AND bar_s = 86400", false}, /* its bars would be nobody's */
    };
    pu_store *store = create("limits.db");
    int64_t id = 0;
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu__asset_make(store, "A", "equity", DAY_S, "", 252, &id), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    assert_int_equal(id, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const pu_status status = pu__sql_exec(store, cases[i].sql, "write to");
        if ((status == PU_OK) != cases[i].good)
            fail_msg("%s: %s", cases[i].sql, cases[i].good ? pu_error_message() : "accepted");
    }
    pu_store_close(store);
}

static void bars_round_trip(void **state) {
    (void)state;
    pu_store *store = create("bars.db");
    enum { COUNT = 1009 };
    const int64_t id = put_asset(store, "SPY", DAY_S, COUNT);
    pu_bars bars;
    assert_int_equal(pu_store_bars(store, id, INT64_MIN, INT64_MAX, &bars), PU_OK);
    assert_int_equal(bars.count, COUNT);
    for (int64_t i = 0; i < COUNT; ++i) {
        const pu__bar want = bar_at((i + 1) * DAY_S, 100 + sin((double)i));
        assert_int_equal(bars.ts[i], want.ts);
        assert_true(bars.open[i] == want.open && bars.high[i] == want.high && bars.low[i] == want.low);
        assert_true(bars.close[i] == want.close && bars.adjusted[i] == want.adjusted);
        assert_true(i % 5 == 3 ? isnan(bars.volume[i]) : bars.volume[i] == want.volume);
    }
    pu_bars_free(&bars);
    assert_int_equal(pu_store_bars(store, id, 10 * DAY_S, 20 * DAY_S, &bars), PU_OK);
    assert_int_equal(bars.count, 10);
    assert_int_equal(bars.ts[0], 10 * DAY_S);
    pu_bars_free(&bars);
    assert_int_equal(pu_store_bars(store, id, 20, 10, &bars), PU_OK);
    assert_int_equal(bars.count, 0);
    pu_bars_free(&bars);
    assert_int_equal(pu_store_bars(store, id + 1, 0, 10, &bars), PU_ERR_NOT_FOUND);
    pu_store_close(store);
}

/* The writer says what became of each bar and keeps number, ends and checksum in step, whatever the order. */
static void writer_outcomes(void **state) {
    (void)state;
    pu_store *store = create("writer.db");
    const int64_t id = put_asset(store, "A", DAY_S, 10);
    const pu__bar bars[] = {
        bar_at(20 * DAY_S, 50), bar_at(21 * DAY_S, 51), bar_at(2 * DAY_S, 100 + sin(1)), bar_at(3 * DAY_S, 77),
        bar_at(15 * DAY_S, 60), bar_at(0, 61),          bar_at(22 * DAY_S, 52),
    };
    static const pu__bar_outcome kept[] = {PU__BAR_ADDED, PU__BAR_ADDED, PU__BAR_UNCHANGED, PU__BAR_DIFFERS,
                                           PU__BAR_ADDED, PU__BAR_ADDED, PU__BAR_ADDED};
    pu__bar_outcome outcome[7];
    pu__bar_writer writer;
    pu_asset *assets = NULL;
    int count = 0;
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu__bar_writer_open(store, id, &writer), PU_OK);
    assert_int_equal(pu__bars_put(&writer, bars, 7, false, outcome), PU_OK);
    assert_memory_equal(outcome, kept, sizeof kept);
    assert_int_equal(pu__bars_put(&writer, bars + 3, 1, true, outcome), PU_OK);
    assert_int_equal(outcome[0], PU__BAR_REPLACED);
    pu__bar bad = bar_at(30 * DAY_S, 10);
    bad.high = INFINITY;
    assert_int_equal(pu__bars_put(&writer, &bad, 1, false, NULL), PU_ERR_DATA);
    assert_int_equal(pu__bar_writer_close(&writer, PU_OK), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(assets[0].bars, 15);
    assert_int_equal(assets[0].first_ts, 0);
    assert_int_equal(assets[0].last_ts, 22 * DAY_S);
    pu_free(assets);
    assert_int_equal(pu_store_check(store), PU_OK);
    pu_store_close(store);
}

static void assets_are_found_by_name(void **state) {
    (void)state;
    pu_store *store = create("assets.db");
    int count = -1;
    pu_asset *assets = NULL;
    const char *wanted[] = {"SPY", "AAPL"}, *missing[] = {"AAPLE"}, *twice[] = {"ETH"}, *exact[] = {"ETH@300"};
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(count, 0);
    pu_free(assets);
    assert_int_equal(pu_store_assets(store, 1, missing, &count, &assets), PU_ERR_NOT_FOUND);
    put_asset(store, "SPY", DAY_S, 3);
    put_asset(store, "AAPL", DAY_S, 5);
    put_asset(store, "ETH", DAY_S, 1);
    put_asset(store, "ETH", 300, 2);
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(count, 4);
    assert_string_equal(assets[0].symbol, "AAPL");
    assert_string_equal(assets[3].symbol, "SPY");
    pu_free(assets);
    assert_int_equal(pu_store_assets(store, 2, wanted, &count, &assets), PU_OK);
    assert_string_equal(assets[0].symbol, "SPY");
    assert_int_equal(assets[1].bars, 5);
    pu_free(assets);
    assert_int_equal(pu_store_assets(store, 1, missing, &count, &assets), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "'AAPL'"));
    assert_int_equal(pu_store_assets(store, 1, twice, &count, &assets), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "ETH@300"));
    assert_int_equal(pu_store_assets(store, 1, exact, &count, &assets), PU_OK);
    assert_int_equal(assets[0].bars, 2);
    pu_free(assets);
    int64_t id = 0;
    assert_int_equal(pu__asset_make(store, "A B", "equity", DAY_S, "", 252, &id), PU_ERR_ARGUMENT);
    assert_int_equal(pu__asset_make(store, "A\xff", "equity", DAY_S, "", 252, &id), PU_ERR_ARGUMENT);
    assert_int_equal(pu__asset_make(store, "", "equity", DAY_S, "", 252, &id), PU_ERR_ARGUMENT);
    pu_store_close(store);
}

static void data_hash_is_the_data(void **state) {
    (void)state;
    pu_store *store = create("hash.db"), *twin = create("twin.db");
    put_asset(store, "A", DAY_S, 101);
    put_asset(twin, "A", DAY_S, 101);
    char first[65], second[65];
    int count = 0;
    pu_asset *assets = NULL;
    assert_int_equal(pu_store_assets(store, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(pu_store_data_hash(store, count, assets, first), PU_OK);
    assert_int_equal(pu_store_data_hash(twin, count, assets, second), PU_OK);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), 64);
    const pu__bar other = bar_at(5 * DAY_S, 42);
    pu__bar_writer writer;
    assert_int_equal(pu_store_begin(twin), PU_OK);
    assert_int_equal(pu__bar_writer_open(twin, assets[0].id, &writer), PU_OK);
    assert_int_equal(pu__bars_put(&writer, &other, 1, true, NULL), PU_OK);
    assert_int_equal(pu__bar_writer_close(&writer, PU_OK), PU_OK);
    assert_int_equal(pu_store_commit(twin), PU_OK);
    assert_int_equal(pu_store_data_hash(twin, count, assets, second), PU_OK);
    assert_string_not_equal(first, second);
    pu_free(assets);
    pu_store_close(store);
    pu_store_close(twin);
}

static void predictions_round_trip(void **state) {
    (void)state;
    pu_store *store = create("predictions.db");
    const int64_t id = put_asset(store, "A", DAY_S, 5);
    const int64_t ts[] = {10, 20, 30}, horizons[] = {1, 5};
    const double quantiles[] = {0.1, 0.5, 0.9};
    float value[18], sigma[] = {0.01f, 0.02f, 0.03f};
    for (int i = 0; i < 18; ++i) value[i] = (float)i * 0.1f;
    pu_prediction_set set = {id, 3, ts, 2, horizons, 3, quantiles, value, sigma}, back;
    assert_int_equal(pu_store_get_predictions(store, "run", id, &back), PU_ERR_NOT_FOUND);
    assert_int_equal(pu_store_put_predictions(store, "run", &set), PU_OK);
    assert_int_equal(pu_store_get_predictions(store, "run", id, &back), PU_OK);
    assert_int_equal(back.count, 3);
    assert_memory_equal(back.ts, ts, sizeof ts);
    assert_memory_equal(back.horizon_bars, horizons, sizeof horizons);
    assert_memory_equal(back.quantile, quantiles, sizeof quantiles);
    assert_memory_equal(back.value, value, sizeof value);
    assert_memory_equal(back.sigma, sigma, sizeof sigma);
    pu_prediction_set_free(&back);
    set.count = 2;
    assert_int_equal(pu_store_put_predictions(store, "run", &set), PU_OK);
    assert_int_equal(number(store, "SELECT count(*) FROM predictions"), 2);
    value[4] = NAN;
    assert_int_equal(pu_store_put_predictions(store, "run", &set), PU_ERR_DATA);
    value[4] = 0.4f;
    set.asset_id = 99;
    assert_int_not_equal(pu_store_put_predictions(store, "run", &set), PU_OK);
    set.asset_id = id;
    set.horizons = 0;
    assert_int_equal(pu_store_put_predictions(store, "run", &set), PU_ERR_ARGUMENT);
    assert_int_equal(pu_store_check(store), PU_OK);
    assert_int_equal(pu__sql_exec(store, "UPDATE predictions SET sigma = 0.5 WHERE ts = 20", "change"), PU_OK);
    assert_int_equal(pu_store_get_predictions(store, "run", id, &back), PU_ERR_CORRUPT);
    assert_int_equal(pu_store_check(store), PU_ERR_CORRUPT);
    pu_store_close(store);
}

static void records_round_trip(void **state) {
    (void)state;
    pu_store *store = create("records.db");
    const int64_t id = put_asset(store, "A", DAY_S, 5);
    int64_t ts[] = {1, 2, 3}, *times = NULL, count = 0, benchmark = 0;
    double value[] = {0.5, -1, 2}, *values = NULL;
    assert_int_equal(pu_store_get_indicator(store, id, "truth", &count, &times, &values), PU_ERR_NOT_FOUND);
    assert_int_equal(pu_store_put_indicator(store, id, "truth", 3, ts, value), PU_OK);
    value[1] = 7;
    assert_int_equal(pu_store_put_indicator(store, id, "truth", 2, ts, value), PU_OK);
    assert_int_equal(pu_store_get_indicator(store, id, "truth", &count, &times, &values), PU_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(times, ts, sizeof ts);
    assert_memory_equal(values, value, sizeof value);
    pu_free(times);
    value[0] = INFINITY;
    assert_int_equal(pu_store_put_indicator(store, id, "truth", 1, ts, value), PU_ERR_DATA);
    assert_int_equal(pu_store_get_benchmark(store, "equity", &benchmark), PU_ERR_NOT_FOUND);
    assert_int_equal(pu_store_put_benchmark(store, "equity", id), PU_OK);
    assert_int_equal(pu_store_get_benchmark(store, "equity", &benchmark), PU_OK);
    assert_int_equal(benchmark, id);
    assert_int_not_equal(pu_store_put_benchmark(store, "equity", id + 5), PU_OK);
    assert_int_equal(pu_store_put_run(store, "run", &(pu_run_record){.seed = 3, .config = "a: 1\n"}), PU_OK);
    assert_int_equal(pu_store_put_run(store, "run", &(pu_run_record){.seed = 3, .result = "{}"}), PU_OK);
    assert_int_equal(
        number(store, "SELECT count(*) FROM runs WHERE seed = 3 AND config = 'a: 1\n' AND result = '{}'"), 1);
    assert_int_equal(pu_store_put_run(store, "", &(pu_run_record){0}), PU_ERR_ARGUMENT);
    pu_run_record run;
    assert_int_equal(pu_store_get_run(store, "run", &run), PU_OK);
    assert_int_equal(run.seed, 3);
    assert_string_equal(run.config, "a: 1\n");
    assert_string_equal(run.result, "{}");
    assert_string_equal(run.data_hash, "");
    pu_run_record_free(&run);
    assert_int_equal(pu_store_get_run(store, "nosuch", &run), PU_ERR_NOT_FOUND);
    const pu_trade trades[] = {{id, 10, 20, 100, 0, 0.5, 1e-4}, {id, 20, 30, 101, 0.5, -0.5, 2e-4}};
    assert_int_equal(pu_store_put_trades(store, "run", 2, trades), PU_OK);
    assert_int_equal(pu_store_put_trades(store, "run", 1, trades + 1), PU_OK);
    assert_int_equal(number(store, "SELECT count(*) FROM trades WHERE weight_after = -0.5"), 1);
    assert_int_equal(number(store, "SELECT count(*) FROM trades"), 1);
    assert_int_equal(pu_store_check(store), PU_OK);
    pu_store_close(store);
}

static void set_version(pu_store *store, const char *sql) {
    assert_int_equal(pu__sql_exec(store, sql, "change"), PU_OK);
}

/* A later program with one more step brings today's store forward and keeps its bars; a step that fails leaves it
 * as it was. */
static void migrations_go_forward(void **state) {
    (void)state;
    int known = 0;
    const pu__store_step *product = pu__store_steps(&known);
    const pu__store_step steps[] = {
        product[0], product[1], product[2], {"ALTER TABLE assets ADD COLUMN sector TEXT NOT NULL DEFAULT ''"}};
    const pu__store_step broken[] = {
        product[0], product[1], product[2], {"CREATE TABLE extra (x INTEGER); SELECT no_such_function()"}};
    assert_int_equal(known, 3);
    pu_store *store = create("old.db");
    put_asset(store, "A", DAY_S, 7);
    assert_int_not_equal(pu__store_migrate(store, broken, 4), PU_OK);
    assert_int_equal(number(store, "PRAGMA user_version"), 3);
    assert_int_equal(number(store, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
    assert_int_equal(pu__store_migrate(store, steps, 4), PU_OK);
    assert_int_equal(pu__store_migrate(store, steps, 4), PU_OK);
    assert_int_equal(number(store, "PRAGMA user_version"), 4);
    assert_int_equal(number(store, "SELECT count(*) FROM series JOIN assets USING (asset_id) WHERE sector = ''"),
                     7);
    pu_store_close(store);
    assert_int_equal(pu_store_open(test_path(folder, "old.db"), PU_STORE_READ, &store),
                     PU_ERR_STORE); /* newer than this program */
    assert_non_null(strstr(pu_error_message(), "version 4"));
}

static void wrong_databases_are_refused(void **state) {
    (void)state;
    pu_store *store = create("version0.db"), *other = NULL;
    set_version(store, "PRAGMA user_version = 0");
    assert_int_equal(pu_store_open(test_path(folder, "version0.db"), PU_STORE_READ, &other), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "brings it forward"));
    set_version(store, "PRAGMA application_id = 17; PRAGMA user_version = 1");
    assert_int_equal(pu_store_open(test_path(folder, "version0.db"), PU_STORE_WRITE, &other), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "another program"));
    pu_store_close(store);
    test_write(test_path(folder, "text.db"),
               "Date,Open,High,Low,Close\n2020-01-02,1,1,1,1\n padding padding padding padding padding padding\n");
    assert_int_equal(pu_store_open(test_path(folder, "text.db"), PU_STORE_WRITE, &other), PU_ERR_CORRUPT);
}

static void times_and_calendars(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ts;
    } good[] = {{"1970-01-01", 0},
                {"2020-02-29", 1582934400},
                {"2026-11-23T01:02:03Z", 1795395723},
                {"1969-12-31T23:59:59Z", -1},
                {"0001-01-01", -62135596800},
                {"9999-12-31T23:59:59Z", 253402300799},
                {"2000-03-01", 951868800}};
    static const char *const bad[] = {"",
                                      "2020-2-3",
                                      "2021-02-29",
                                      "1900-02-29",
                                      "2020-13-01",
                                      "2020-00-10",
                                      "2020-01-00",
                                      "2020/01/02",
                                      "20200102",
                                      "2020-01-02T24:00:00Z",
                                      "2020-01-02T00:60:00Z",
                                      "2020-01-02 00:00:00Z",
                                      "2020-01-02T00:00:00",
                                      "+020-01-02",
                                      "0000-01-01",
                                      "2020-01-02x"};
    char text[32];
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        int64_t ts = 0;
        assert_int_equal(pu_time_parse(good[i].text, &ts), PU_OK);
        assert_int_equal(ts, good[i].ts);
        pu_time_format(ts, strlen(good[i].text) == 20, text);
        assert_string_equal(text, good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        int64_t ts = 0;
        assert_int_equal(pu_time_parse(bad[i], &ts), PU_ERR_DATA);
    }
    for (int64_t day = -719162; day < 2932896; day += 97) {
        int64_t ts = 0;
        pu_time_format(day * DAY_S, false, text);
        assert_int_equal(pu_time_parse(text, &ts), PU_OK);
        assert_int_equal(ts, day * DAY_S);
    }
    assert_true(pu_periods_per_year("equity", DAY_S) == 252 && pu_periods_per_year("forex", DAY_S) == 260);
    assert_true(pu_periods_per_year("crypto", DAY_S) == 365 && pu_periods_per_year("crypto", 300) == 105120);
    assert_true(pu_periods_per_year("equity", 300) == 252 * 78 && pu_periods_per_year("future", 3600) == 252 * 23);
    assert_true(pu_periods_per_year("equity", 7 * DAY_S) == 52 && pu_periods_per_year("forex", 30 * DAY_S) == 12);
    assert_true(pu_periods_per_year("crypto", 2 * DAY_S) == 182.5 && pu_periods_per_year("forex", 3600) == 6240);
}

/* docs/schema.md is what the generator prints; the generator itself refuses tables and columns without words. */
static void documentation_is_current(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/docs/schema.md", source ? source : ".");
    char *page = test_read(path), *made = NULL;
    size_t bytes = 0;
    assert_non_null(page);
    FILE *out = open_memstream(&made, &bytes);
    assert_non_null(out);
    if (pu__schema_page(out) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(fclose(out), 0);
    assert_true(bytes > 5000);
    if (strcmp(page, made) != 0) fail_msg("docs/schema.md is not what `plusultra schema` prints: run `make docs`");
    free(made);
    free(page);
}

/* One table for all: what it says is what docs/data.md says, and what bars per year and gaps are counted by. */
static void calendars_are_documented_and_used(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE");
    char path[4096], line[512];
    snprintf(path, sizeof path, "%s/docs/data.md", source ? source : ".");
    char *page = test_read(path);
    assert_non_null(page);
    for (int i = 0; i < pu_calendar_count(); ++i) {
        const pu_calendar *c = pu_calendar_at(i);
        snprintf(line, sizeof line, "\n| %s | %g | %g | %s | %s |\n", c->asset_class, c->days_per_year,
                 c->session_s / 3600, c->weekend ? "Saturday, Sunday" : "none", c->note);
        if (!strstr(page, line)) fail_msg("docs/data.md lacks:%s", line);
        assert_ptr_equal(pu_calendar_of(c->asset_class), c);
        assert_true(pu_periods_per_year(c->asset_class, DAY_S) == c->days_per_year);
        assert_true(pu_periods_per_year(c->asset_class, 60) == c->days_per_year * c->session_s / 60);
        assert_true(pu_calendar_trades(c, DAY_S, 0)); /* a Thursday */
        assert_int_equal(pu_calendar_trades(c, DAY_S, 3), c->weekend == 0);
    }
    free(page);
    assert_null(pu_calendar_of("bond"));
    assert_null(pu_calendar_at(-1));
    assert_null(pu_calendar_at(pu_calendar_count()));
    const pu_calendar *equity = pu_calendar_of("equity"), *crypto = pu_calendar_of("crypto");
    const pu_calendar *forex = pu_calendar_of("forex"), *synthetic = pu_calendar_of("synthetic");
    /* Day 1 is a Friday: a daily bar of it closes at 2 days, Monday's at 5. */
    assert_int_equal(pu_calendar_bars_between(equity, DAY_S, 2 * DAY_S, 5 * DAY_S), 0);
    assert_int_equal(pu_calendar_bars_between(crypto, DAY_S, 2 * DAY_S, 5 * DAY_S), 2);
    assert_int_equal(pu_calendar_bars_between(equity, DAY_S, 2 * DAY_S, (2 + 7) * DAY_S), 4);
    assert_int_equal(pu_calendar_bars_between(equity, DAY_S, 2 * DAY_S, (2 + 70) * DAY_S), 49);
    assert_int_equal(pu_calendar_bars_between(equity, 300, 2 * DAY_S - 3600, 6 * DAY_S - 3600), 78); /* Monday's */
    assert_int_equal(pu_calendar_bars_between(crypto, 300, 3000, 6000), 9);
    assert_int_equal(pu_calendar_bars_between(synthetic, 300, 3000, 6000), 9);
    assert_int_equal(pu_calendar_bars_between(crypto, 300, 6000, 3000), 0);
    assert_int_equal(pu_calendar_bars_between(equity, 7 * DAY_S, 9 * DAY_S, 30 * DAY_S), 2);
    assert_true(pu_calendar_trades(forex, 300, 3) && !pu_calendar_trades(forex, 300, 2)); /* Sunday evening */
    assert_true(!pu_calendar_trades(equity, 300, 3) && pu_calendar_trades(synthetic, 300, 3));
}

static void allocation_failures_are_reported(void **state) {
    (void)state;
    pu_store *store = create("memory.db");
    put_asset(store, "A", DAY_S, 5);
    pu_store_close(store);
    bool done = false;
    for (int64_t fail = 0; !done; ++fail) {
        pu_asset *assets = NULL;
        pu_bars bars = {0};
        int count = 0;
        store = NULL;
        pu_memory_fail_after(fail);
        pu_status status = pu_store_open(test_path(folder, "memory.db"), PU_STORE_READ, &store);
        if (status == PU_OK) status = pu_store_assets(store, 0, NULL, &count, &assets);
        if (status == PU_OK) status = pu_store_bars(store, assets[0].id, 0, INT64_MAX, &bars);
        pu_memory_fail_after(-1);
        done = status == PU_OK;
        if (!done) assert_int_equal(status, PU_ERR_MEMORY);
        if (status == PU_OK) pu_bars_free(&bars);
        pu_free(assets);
        pu_store_close(store);
        assert_true(fail < 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_sets_up),
        cmocka_unit_test(transactions_do_not_nest),
        cmocka_unit_test(schema_refuses_impossible_values),
        cmocka_unit_test(bars_round_trip),
        cmocka_unit_test(writer_outcomes),
        cmocka_unit_test(assets_are_found_by_name),
        cmocka_unit_test(data_hash_is_the_data),
        cmocka_unit_test(predictions_round_trip),
        cmocka_unit_test(records_round_trip),
        cmocka_unit_test(migrations_go_forward),
        cmocka_unit_test(wrong_databases_are_refused),
        cmocka_unit_test(times_and_calendars),
        cmocka_unit_test(documentation_is_current),
        cmocka_unit_test(calendars_are_documented_and_used),
        cmocka_unit_test(allocation_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
