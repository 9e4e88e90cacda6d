/* `plusultra assets`: what is listed, changed and removed, and that nothing of a removed asset is left. */
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

#include "host/data/store/edit.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
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

#define MUST(expression)                                                                \
    do {                                                                                \
        if ((expression) != PU_OK) fail_msg("%s: %s", #expression, pu_error_message()); \
    } while (0)

static int64_t put(pu_store *store, const char *symbol, int64_t bar_s) {
    int64_t id = 0;
    pu__bar_writer writer;
    MUST(pu_store_begin(store));
    MUST(pu__asset_make(store, symbol, "equity", bar_s, "USD", pu_periods_per_year("equity", bar_s), &id));
    MUST(pu__bar_writer_open(store, id, &writer));
    for (int i = 1; i <= 20; ++i) {
        const pu__bar bar = {i * bar_s, 10, 11, 9, 10, 10, 5};
        MUST(pu__bars_put(&writer, &bar, 1, false, NULL));
    }
    MUST(pu__bar_writer_close(&writer, PU_OK));
    MUST(pu_store_commit(store));
    return id;
}

/* An asset with rows in every table that can have some, beside another one. */
static int64_t fill(pu_store *store) {
    const int64_t gone = put(store, "GONE", DAY_S), kept = put(store, "KEPT", DAY_S);
    const int64_t ts[] = {DAY_S, 2 * DAY_S}, horizon = 1;
    const double value[] = {1, 2}, quantile = 0.5;
    const float forecast[] = {1, 2}, sigma[] = {1, 1};
    for (int k = 0; k < 2; ++k) {
        const int64_t id = k == 0 ? gone : kept;
        const pu_action action = {DAY_S, PU_ACTION_SPLIT, 2, 0, PU_BASIS_RAW};
        const pu_prediction_set set = {id, 2, ts, 1, &horizon, 1, &quantile, forecast, sigma};
        MUST(pu_store_put_indicator(store, id, "truth", 2, ts, value));
        MUST(pu_store_put_actions(store, id, 1, &action, NULL));
        MUST(pu_store_put_predictions(store, "run", &set));
    }
    const pu_trade trades[] = {{gone, 1, 2, 10, 0, 1, 0}, {kept, 1, 2, 10, 0, 1, 0}};
    MUST(pu_store_put_trades(store, "run", 2, trades));
    MUST(pu_store_put_trades(store, "other", 1, trades));
    MUST(pu_store_put_benchmark(store, "equity", gone));
    char sql[1200];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO imports (asset_id, file, sha256, bytes, layout, stamp, rows_read, rows_added, "
        "rows_unchanged, "
        "rows_replaced, rows_rejected) VALUES (%lld, 'f', printf('%%064d', 0), 1, 'yahoo', 'open', 1, 0, 0, 0, 1);"
        "INSERT INTO rejected_rows SELECT import_id, 1, 'bad', 'x' FROM imports;"
        "INSERT INTO feature_sets (kind, set_hash, asset_id, source_hash, columns, column_count, first_bar, "
        "row_count, "
        "block_rows, first_ts, last_ts) VALUES ('feature', printf('%%064d', 0), %lld, printf('%%064d', 0), '[]', "
        "1, "
        "0, 1, 1, 0, 0);"
        "INSERT INTO feature_blocks (set_id, first_row, row_count, column_count, checksum, data) SELECT set_id, "
        "0, 1, "
        "1, '12345678', x'00000000' FROM feature_sets;"
        "INSERT INTO alternative_series (name, asset_id, kind, stale_after_s) VALUES ('own', %lld, 'other', 9)",
        (long long)gone, (long long)gone, (long long)gone);
    MUST(pu__sql_exec(store, sql, "fill"));
    return gone;
}

static int64_t number(pu_store *store, const char *sql) {
    int64_t value = 0;
    MUST(pu__sql_integer(store, sql, -1, &value));
    return value;
}

static void nothing_of_a_removed_asset_is_left(void **state) {
    (void)state;
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, "gone.db"), PU_STORE_CREATE, &store));
    const int64_t gone = fill(store);
    MUST(pu_store_check(store));
    pu__dependants rows[PU__DEPENDANTS_MAX];
    int count = 0;
    MUST(pu__asset_dependants(store, gone, &count, rows));
    assert_int_equal(count, 9); /* every table with a reference to assets */
    assert_int_equal(number(store, "SELECT count(DISTINCT t.name) FROM sqlite_schema AS t, "
                                   "pragma_foreign_key_list(t.name) AS f WHERE f.\"table\" = 'assets'"),
                     9);
    MUST(pu__asset_remove(store, gone));
    MUST(pu__asset_dependants(store, gone, &count, rows));
    assert_int_equal(count, 0);
    static const char *const empty[] = {"imports",        "rejected_rows", "feature_sets",
                                        "feature_blocks", "benchmarks",    "alternative_series"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; ++i) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", empty[i]);
        if (number(store, sql) != 0) fail_msg("%s has rows", empty[i]);
    }
    assert_int_equal(number(store, "SELECT count(*) FROM series"), 20);
    assert_int_equal(number(store, "SELECT count(*) FROM predictions"), 2);
    assert_int_equal(number(store, "SELECT count(*) FROM trades"), 1);
    assert_int_equal(number(store, "SELECT count(*) FROM assets"), 1);
    MUST(pu_store_check(store)); /* references, and every checksum of what stayed */
    pu_store_close(store);
}

/* A series of its own belongs to the symbol: at another bar length it lives on. */
static void another_bar_length_inherits(void **state) {
    (void)state;
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, "heir.db"), PU_STORE_CREATE, &store));
    const int64_t daily = put(store, "TWO", DAY_S), hourly = put(store, "TWO", 3600);
    char sql[160];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO alternative_series (name, asset_id, kind, stale_after_s) VALUES ('own', %lld, 'other', 9)",
        (long long)daily);
    MUST(pu__sql_exec(store, sql, "fill"));
    MUST(pu__asset_remove(store, daily));
    assert_int_equal(number(store, "SELECT asset_id FROM alternative_series"), hourly);
    MUST(pu_store_check(store));
    pu_store_close(store);
}

static void changes_are_kept_and_sealed(void **state) {
    (void)state;
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, "set.db"), PU_STORE_CREATE, &store));
    put(store, "A", DAY_S);
    int count = 0;
    pu_asset *assets = NULL;
    pu__asset_more more;
    const pu_price_basis raw = PU_BASIS_RAW;
    MUST(pu_store_assets(store, 0, NULL, &count, &assets));
    MUST(pu__asset_change_put(store, assets,
                              &(pu__asset_change){.asset_class = "crypto", .currency = "EUR", .basis = &raw}));
    MUST(pu__asset_read(store, assets[0].id, &more));
    assert_true(strcmp(more.currency, "EUR") == 0 && more.basis == PU_BASIS_RAW);
    pu_free(assets);
    MUST(pu_store_assets(store, 0, NULL, &count, &assets));
    assert_true(assets[0].periods_per_year == 365); /* followed the class */
    MUST(pu__asset_change_put(store, assets, &(pu__asset_change){.periods_per_year = 300}));
    pu_free(assets);
    MUST(pu_store_assets(store, 0, NULL, &count, &assets));
    MUST(pu__asset_change_put(store, assets, &(pu__asset_change){.asset_class = "equity"}));
    assert_int_equal(number(store, "SELECT periods_per_year FROM assets"), 300); /* was set by hand */
    assert_int_equal(pu__asset_change_put(store, assets, &(pu__asset_change){.asset_class = "bond"}),
                     PU_ERR_ARGUMENT);
    assert_int_equal(pu__asset_change_put(store, assets, &(pu__asset_change){.currency = "ABCDEFGHI"}),
                     PU_ERR_ARGUMENT);
    pu_free(assets);
    MUST(pu_store_check(store));
    MUST(pu__sql_exec(store, "UPDATE assets SET currency = 'GBP'", "change"));
    assert_int_equal(pu_store_check(store), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "description of asset"));
    pu_store_close(store);
}

static void the_command_asks_first(void **state) {
    (void)state;
    static const struct {
        const char *word[6];
        int code;
        const char *out, *err;
    } cases[] = {
        {{"list"}, 0, "KEPT", NULL},
        {{"show", "GONE"}, 0, "20, 1970-01-01 to 1970-01-20", NULL},
        {{"show", "GONR"}, 1, NULL, "did you mean 'GONE'"},
        {{"prices", "GONE", "--view", "raw"}, 0, "1970-01-02T00:00:00Z,20,22,18,20,10,2.5", NULL},
        {{"prices", "GONE", "--known", "1970-01-03"}, 0, "1970-01-03T00:00:00Z,10,11,9,10,10,5\n", NULL},
        {{"prices", "GONE", "--known", "soon"}, 2, NULL, "--known: 'soon' is no time"},
        {{"prices", "GONE", "--view", "cooked"}, 2, NULL, "total_return"},
        {{"prices", "GONE", "KEPT"}, 2, NULL, "one asset"},
        {{"show"}, 2, NULL, "show expects SYMBOL"},
        {{"lost"}, 2, NULL, "did you mean list"},
        {{"remove", "GONE"}, 2, "20 rows of series", "--yes"},
        {{"set", "GONE"}, 2, NULL, "nothing to set"},
        {{"set", "GONE", "--asset-class", "equit"}, 2, NULL, "did you mean 'equity'"},
        {{"set", "GONE", "--price-basis", "cooked"}, 2, NULL, "raw or split_adjusted"},
        {{"set", "KEPT", "--benchmark-of", "equity"}, 0, "KEPT is the benchmark of equity", NULL},
        {{"set", "GONE", "KEPT", "--benchmark-of", "equity"}, 2, NULL, "one asset"},
        {{"remove", "GONE", "NONE", "--yes"}, 1, NULL, "no asset 'NONE'"},
        {{"remove", "GONE", "--yes"}, 0, "1 assets removed", NULL},
        {{"list", "GONE"}, 1, NULL, "no asset 'GONE'"},
        {{"migrate"}, 0, "schema of this program", NULL},
    };
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store));
    fill(store);
    pu_store_close(store);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *const *w = cases[i].word;
        test_outcome run = test_plusultra(folder, "assets", w[0], w[1], w[2], w[3], w[4], NULL);
        if (run.code != cases[i].code || (cases[i].out && !strstr(run.out, cases[i].out)) ||
            (cases[i].err && !strstr(run.err, cases[i].err)))
            fail_msg("case %zu: code %d\n%s%s", i, run.code, run.out, run.err);
        test_outcome_free(&run);
    }
}

/* A wrong date is one action too many: it can be taken out, and what is left is sealed. */
static void a_wrong_action_is_removed(void **state) {
    (void)state;
    static const struct {
        const char *word[6];
        int code;
        const char *out, *err;
    } cases[] = {
        {{"ACTS", NULL}, 0, "1970-01-03   dividend", NULL},
        {{"ACTS", "--remove", "1970-01-03"}, 2, NULL, "a split and a dividend on 1970-01-03"},
        {{"ACTS", "--remove", "1970-01-03", "--kind", "merger"}, 2, NULL, "split or dividend"},
        {{"ACTS", "--remove", "soon"}, 2, NULL, "--remove: 'soon' is no time"},
        {{"ACTS", "--remove", "1970-01-09", "--yes"}, 1, NULL, "ACTS has no split or dividend on 1970-01-09"},
        {{"ACTS", "--remove", "1970-01-05"}, 2, "1970-01-05   dividend", "--yes"},
        {{"ACTS", "--remove", "1970-01-03", "--kind", "dividend", "--yes"}, 0, "with --replace", NULL},
        {{"ACTS", "--remove", "1970-01-03", "--yes"}, 0, "removed", NULL}, /* only the split is left there */
    };
    static const pu_action stored[] = {{2 * DAY_S, PU_ACTION_SPLIT, 2, 2 * DAY_S, PU_BASIS_RAW},
                                       {2 * DAY_S, PU_ACTION_DIVIDEND, 0.5, DAY_S, PU_BASIS_RAW},
                                       {4 * DAY_S, PU_ACTION_DIVIDEND, 0.25, 4 * DAY_S, PU_BASIS_RAW}};
    pu_store *store = NULL;
    MUST(pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store));
    const int64_t id = put(store, "ACTS", DAY_S);
    MUST(pu_store_put_actions(store, id, 3, stored, NULL));
    pu_store_close(store);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *const *w = cases[i].word;
        test_outcome run = test_plusultra(folder, "assets", "actions", w[0], w[1], w[2], w[3], w[4], w[5], NULL);
        if (run.code != cases[i].code || (cases[i].out && !strstr(run.out, cases[i].out)) ||
            (cases[i].err && !strstr(run.err, cases[i].err)))
            fail_msg("case %zu: code %d\n%s%s", i, run.code, run.out, run.err);
        test_outcome_free(&run);
    }
    int64_t count = 0;
    pu_action *left = NULL;
    MUST(pu_store_open(test_path(folder, "market.db"), PU_STORE_WRITE, &store));
    MUST(pu_store_get_actions(store, id, &count, &left));
    assert_true(count == 1 && left[0].ex_ts == 4 * DAY_S);
    pu_free(left);
    MUST(pu_store_check(store));
    assert_int_equal(pu_store_remove_action(store, id, 4 * DAY_S, PU_ACTION_SPLIT), PU_ERR_NOT_FOUND);
    MUST(pu_store_remove_action(store, id, 4 * DAY_S, PU_ACTION_DIVIDEND));
    MUST(pu_store_check(store));
    pu_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_removed_asset_is_left), cmocka_unit_test(another_bar_length_inherits),
        cmocka_unit_test(changes_are_kept_and_sealed),        cmocka_unit_test(the_command_asks_first),
        cmocka_unit_test(a_wrong_action_is_removed),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
