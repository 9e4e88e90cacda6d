/* As-of values of series: what was published by then, no more, and no less. */
#include <inttypes.h>
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

#include "host/data/alternative/asof.h"
#include "host/data/store/sql.h"
#include "host/data/store/values.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, NEVER_STALE = 1 << 30 };

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

static void run(pu_store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void run(pu_store *store, const char *format, ...) {
    char sql[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    if (pu__sql_exec(store, sql, "write to") != PU_OK) fail_msg("%s: %s", sql, pu_error_message());
}

static int64_t make_asset(pu_store *store, const char *symbol, int64_t bar_s) {
    int64_t id = 0;
    assert_int_equal(pu__asset_make(store, symbol, "crypto", bar_s, "", 365, &id), PU_OK);
    return id;
}

/* asset_id 0: the market's. */
static void make_series(pu_store *store, int64_t series_id, const char *name, int64_t asset_id,
                        int64_t stale_after_s) {
    run(store,
        "INSERT INTO alternative_series (series_id, name, asset_id, kind, stale_after_s) VALUES (%" PRId64
        ", '%s', nullif(%" PRId64 ", 0), 'other', %" PRId64 ")",
        series_id, name, asset_id, stale_after_s);
}

static void put(pu_store *store, int64_t series_id, int64_t published_ts, int64_t ts, double value) {
    run(store, "INSERT INTO alternative_values VALUES (%" PRId64 ", %" PRId64 ", %" PRId64 ", %.17g)", series_id,
        published_ts, ts, value);
}

static pu__asof *open_at(pu_store *store, const char *name, int64_t asset_id, int64_t known_until) {
    pu__asof *cursor = NULL;
    if (pu__asof_open(store, name, asset_id, known_until, &cursor) != PU_OK) fail_msg("%s", pu_error_message());
    return cursor;
}

static pu_feature_value at(pu__asof *cursor, int64_t T) {
    pu_feature_value value;
    if (pu__asof_at(cursor, T, &value) != PU_OK) fail_msg("%s", pu_error_message());
    return value;
}

static void expect(pu__asof *cursor, int64_t T, double value, int64_t age_s) {
    const pu_feature_value found = at(cursor, T);
    if (isnan(value) ? !isnan(found.value) : found.value != value)
        fail_msg("at %" PRId64 ": %.17g, expected %.17g", T, found.value, value);
    assert_int_equal(found.age_s, age_s);
}

static void a_value_is_not_seen_before_its_publication(void **state) {
    (void)state;
    pu_store *store = create("publication.db");
    make_series(store, 1, "gdp", 0, NEVER_STALE);
    put(store, 1, 1000, 500, 1.5);
    pu__asof *cursor = open_at(store, "gdp", 0, INT64_MAX);
    expect(cursor, 400, NAN, 0);
    expect(cursor, 500, NAN, 0);
    expect(cursor, 999, NAN, 0);
    expect(cursor, 1000, 1.5, 0);
    expect(cursor, 1007, 1.5, 7);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void a_late_revision_is_not_seen_early(void **state) {
    (void)state;
    pu_store *store = create("revision.db");
    make_series(store, 1, "gdp", 0, NEVER_STALE);
    put(store, 1, 1000, 500, 1.5);
    put(store, 1, 2000, 1500, 2.5);
    put(store, 1, 3000, 500, 1.75);  /* of the older value, late: the newer one stays the answer */
    put(store, 1, 4000, 1500, 2.25); /* of the newer one */
    pu__asof *cursor = open_at(store, "gdp", 0, INT64_MAX);
    expect(cursor, 1999, 1.5, 999);
    expect(cursor, 2000, 2.5, 0);
    expect(cursor, 3000, 2.5, 1000);
    expect(cursor, 3999, 2.5, 1999);
    expect(cursor, 4000, 2.25, 0);
    pu__asof_close(cursor);
    pu__vintage row;
    bool found = false;
    cursor = open_at(store, "gdp", 0, 2999);
    assert_int_equal(pu__asof_row(cursor, 9000, &row, &found), PU_OK);
    assert_true(found && row.published_ts == 2000 && row.ts == 1500 && row.value == 2.5 && !row.own);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void an_old_value_is_missing(void **state) {
    (void)state;
    pu_store *store = create("stale.db");
    make_series(store, 1, "mood", 0, 100);
    put(store, 1, 1000, 500, 1.5);
    put(store, 1, 2000, 1500, 2.5);
    put(store, 1, 2090, 500, 1.25); /* a fresh revision of an old value brings nothing back */
    pu__asof *cursor = open_at(store, "mood", 0, INT64_MAX);
    expect(cursor, 1100, 1.5, 100);
    expect(cursor, 1101, NAN, 0);
    expect(cursor, 2000, 2.5, 0);
    expect(cursor, 2100, 2.5, 100);
    expect(cursor, 2101, NAN, 0);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void what_is_announced_ahead_waits_for_its_time(void **state) {
    (void)state;
    pu_store *store = create("ahead.db");
    pu__vintage row;
    bool found = false;
    make_series(store, 1, "rate", 0, NEVER_STALE);
    put(store, 1, 100, 5000, 4.0);
    put(store, 1, 200, 6000, 5.0);
    put(store, 1, 300, 5000, 4.5);
    put(store, 1, 5500, 5200, 4.75);
    pu__asof *cursor = open_at(store, "rate", 0, INT64_MAX);
    expect(cursor, 400, NAN, 0);
    assert_int_equal(pu__asof_ahead(cursor, 99, &row, &found), PU_OK);
    assert_false(found);
    assert_int_equal(pu__asof_ahead(cursor, 250, &row, &found), PU_OK);
    assert_true(found && row.ts == 5000 && row.value == 4.0);
    assert_int_equal(pu__asof_ahead(cursor, 300, &row, &found), PU_OK);
    assert_true(found && row.ts == 5000 && row.value == 4.5);
    assert_int_equal(pu__asof_ahead(cursor, 5000, &row, &found), PU_OK);
    assert_true(found && row.ts == 6000 && row.value == 5.0);
    assert_int_equal(pu__asof_ahead(cursor, 6000, &row, &found), PU_OK);
    assert_false(found);
    expect(cursor, 4999, NAN, 0);
    expect(cursor, 5000, 4.5, 4700);
    expect(cursor, 5499, 4.5, 5199);
    expect(cursor, 5500, 4.75, 0);
    expect(cursor, 6000, 5.0, 5800);
    pu_feature_value value;
    assert_int_equal(pu__asof_at(cursor, 5999, &value), PU_ERR_ARGUMENT);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void the_assets_own_series_comes_before_the_markets(void **state) {
    (void)state;
    pu_store *store = create("own.db");
    const int64_t daily = make_asset(store, "BTCUSDT", DAY_S), minutes = make_asset(store, "BTCUSDT", 300),
                  other = make_asset(store, "ETHUSDT", DAY_S);
    pu__asof *cursor = NULL;
    make_series(store, 1, "funding", daily, 50);
    assert_int_equal(pu__asof_open(store, "funding", other, INT64_MAX, &cursor), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "funding"));
    assert_null(cursor);
    make_series(store, 2, "funding", 0, 1000);
    put(store, 1, 200, 200, 1);
    put(store, 2, 100, 100, 10);
    put(store, 2, 210, 210, 20);
    const int64_t assets[] = {daily, minutes, other};
    for (int i = 0; i < 3; ++i) {
        cursor = open_at(store, "funding", assets[i], INT64_MAX);
        expect(cursor, 99, NAN, 0);
        expect(cursor, 199, 10, 99);
        expect(cursor, 205, i < 2 ? 1 : 10, i < 2 ? 5 : 105);
        expect(cursor, 250, i < 2 ? 1 : 20, i < 2 ? 50 : 40);
        expect(cursor, 251, i < 2 ? NAN : 20, i < 2 ? 0 : 41); /* stale, and not mixed with the market's */
        pu__asof_close(cursor);
    }
    /* Before its own series is known, an audit sees what anyone saw then. */
    cursor = open_at(store, "funding", daily, 199);
    expect(cursor, 205, 10, 105);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void a_regime_holds_until_the_next(void **state) {
    (void)state;
    pu_store *store = create("regime.db");
    pu__asof *cursor = NULL;
    assert_int_equal(pu__asof_open_regime(store, "cycle", INT64_MAX, &cursor), PU_ERR_NOT_FOUND);
    run(store,
        "INSERT INTO regimes VALUES ('cycle', 100, 50, 1), ('cycle', 400, 300, -2), ('cycle', 200, 600, 3), "
        "('cycle', 450, 300, 2)");
    assert_int_equal(pu__asof_open_regime(store, "cycle", INT64_MAX, &cursor), PU_OK);
    pu__vintage row;
    bool found = false;
    assert_int_equal(pu__asof_ahead(cursor, 250, &row, &found), PU_OK);
    assert_true(found && row.ts == 600 && row.value == 3);
    expect(cursor, 99, NAN, 0);
    expect(cursor, 399, 1, 299);
    expect(cursor, 400, -2, 0);
    expect(cursor, 599, 2, 149);
    expect(cursor, 1000000000, 3, 999999800);
    pu__asof_close(cursor);
    pu_store_close(store);
}

static void identity_follows_the_content(void **state) {
    (void)state;
    pu_store *store = create("identity.db");
    char before[PU__ASOF_IDENTITY_BYTES], after[PU__ASOF_IDENTITY_BYTES];
    make_series(store, 7, "gdp", 0, 100);
    assert_int_equal(pu__asof_identity(store, "gdp", 0, before), PU_OK);
    run(store, "UPDATE alternative_series SET stale_after_s = 101");
    assert_int_equal(pu__asof_identity(store, "gdp", 0, after), PU_OK);
    assert_string_not_equal(before, after);
    run(store, "UPDATE alternative_series SET checksum = -5, rows = 3");
    assert_int_equal(pu__asof_identity(store, "gdp", 0, before), PU_OK);
    assert_string_not_equal(before, after);
    assert_int_equal(pu__asof_identity(store, "other", 0, after), PU_ERR_NOT_FOUND);
    run(store, "INSERT INTO regimes VALUES ('cycle', 100, 50, 1)");
    assert_int_equal(pu__asof_identity_regime(store, "cycle", before), PU_OK);
    run(store, "UPDATE regimes SET label = 2");
    assert_int_equal(pu__asof_identity_regime(store, "cycle", after), PU_OK);
    assert_string_not_equal(before, after);
    assert_int_equal(pu__asof_identity_regime(store, "other", after), PU_ERR_NOT_FOUND);
    pu_store_close(store);
}

static void a_check_finds_a_changed_value(void **state) {
    (void)state;
    pu_store *store = create("damage.db");
    make_series(store, 1, "gdp", 0, 100);
    put(store, 1, 1000, 500, -0.0);
    run(store, "UPDATE alternative_series SET rows = 1, checksum = %" PRId64,
        (int64_t)pu__value_hash(1000, 500, -0.0));
    assert_int_equal(pu_store_check(store), PU_OK);
    run(store, "UPDATE alternative_values SET value = 1");
    assert_int_equal(pu_store_check(store), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "gdp"));
    pu_store_close(store);
}

/* ---- against every row, every time ---- */

enum { VINTAGES = 60, TIMES = 90, SPAN = 120 };

typedef struct plain_series {
    int count;
    int64_t stale_after_s;
    pu__vintage row[VINTAGES];
} plain_series;

static void draw(pu_store *store, int64_t series_id, pu_random *random, plain_series *out) {
    const int wanted = (int)pu_random_below(random, VINTAGES + 1);
    out->count = 0;
    for (int i = 0; i < wanted; ++i) {
        const pu__vintage row = {(int64_t)pu_random_below(random, SPAN), (int64_t)pu_random_below(random, SPAN),
                                 (double)pu_random_below(random, 1000) / 8, false};
        bool taken = false;
        for (int k = 0; k < out->count; ++k)
            taken |= out->row[k].ts == row.ts && out->row[k].published_ts == row.published_ts;
        if (taken) continue;
        out->row[out->count++] = row;
        put(store, series_id, row.published_ts, row.ts, row.value);
    }
}

/* The definition, word for word: O(rows) at every time. */
static const pu__vintage *plain_row(const plain_series *series, int64_t T, int64_t known) {
    const pu__vintage *best = NULL;
    for (int i = 0; i < series->count; ++i) {
        const pu__vintage *row = &series->row[i];
        if (row->published_ts > T || row->published_ts > known || row->ts > T) continue;
        if (!best || row->ts > best->ts || (row->ts == best->ts && row->published_ts > best->published_ts))
            best = row;
    }
    return best;
}

static const pu__vintage *plain_ahead(const plain_series *series, int64_t T, int64_t known) {
    const pu__vintage *best = NULL;
    for (int i = 0; i < series->count; ++i) {
        const pu__vintage *row = &series->row[i];
        if (row->published_ts > T || row->published_ts > known || row->ts <= T) continue;
        if (!best || row->ts < best->ts || (row->ts == best->ts && row->published_ts > best->published_ts))
            best = row;
    }
    return best;
}

static void compare_cursor(pu__asof *cursor, const plain_series series[2], int64_t known, pu_random *random) {
    for (int64_t T = -3, step = 0; step < TIMES; ++step) {
        const pu__vintage *own = plain_row(&series[0], T, known),
                          *row = own ? own : plain_row(&series[1], T, known);
        const int64_t limit = series[own ? 0 : 1].stale_after_s;
        const bool missing = !row || T - row->published_ts > limit;
        expect(cursor, T, missing ? NAN : row->value, missing ? 0 : T - row->published_ts);
        const pu__vintage *next = plain_ahead(&series[0], T, known);
        if (!next) next = plain_ahead(&series[1], T, known);
        pu__vintage found;
        bool any = false;
        assert_int_equal(pu__asof_ahead(cursor, T, &found, &any), PU_OK);
        assert_int_equal(any, next != NULL);
        if (next)
            assert_true(found.ts == next->ts && found.published_ts == next->published_ts &&
                        found.value == next->value);
        T += (int64_t)pu_random_below(random, 4); /* the same time twice is asked for, too */
    }
}

static void random_vintages_join_as_the_definition_says(void **state) {
    (void)state;
    enum { ROUNDS = 150, SEED = 20261123 };
    pu_store *store = create("random.db");
    const int64_t asset = make_asset(store, "X", DAY_S);
    printf("seed %d\n", SEED);
    run(store, "BEGIN");
    for (int round = 0; round < ROUNDS; ++round) {
        pu_random random = pu_random_at(SEED, (uint64_t)round);
        plain_series series[2] = {{0}};
        for (int i = 0; i < 2; ++i) {
            series[i].stale_after_s = 1 + (int64_t)pu_random_below(&random, SPAN);
            make_series(store, 1 + i, "s", i == 0 ? asset : 0, series[i].stale_after_s);
            draw(store, 1 + i, &random, &series[i]);
        }
        const int64_t known = round % 2 ? INT64_MAX : (int64_t)pu_random_below(&random, SPAN);
        pu__asof *cursor = open_at(store, "s", asset, known);
        compare_cursor(cursor, series, known, &random);
        pu__asof_close(cursor);
        run(store, "DELETE FROM alternative_series");
    }
    run(store, "COMMIT");
    pu_store_close(store);
}

static void memory_runs_short_without_a_leak(void **state) {
    (void)state;
    pu_store *store = create("memory.db");
    pu__asof *cursor = NULL;
    make_series(store, 1, "gdp", 0, 100);
    pu_memory_fail_after(0);
    const pu_status status = pu__asof_open(store, "gdp", 0, INT64_MAX, &cursor);
    pu_memory_fail_after(-1);
    assert_int_equal(status, PU_ERR_MEMORY);
    assert_null(cursor);
    pu_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_not_seen_before_its_publication),
        cmocka_unit_test(a_late_revision_is_not_seen_early),
        cmocka_unit_test(an_old_value_is_missing),
        cmocka_unit_test(what_is_announced_ahead_waits_for_its_time),
        cmocka_unit_test(the_assets_own_series_comes_before_the_markets),
        cmocka_unit_test(a_regime_holds_until_the_next),
        cmocka_unit_test(identity_follows_the_content),
        cmocka_unit_test(a_check_finds_a_changed_value),
        cmocka_unit_test(random_vintages_join_as_the_definition_says),
        cmocka_unit_test(memory_runs_short_without_a_leak),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
