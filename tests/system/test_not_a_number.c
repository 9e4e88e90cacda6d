/* A NaN never passes: what is no finite number is put into every place where a number can enter - files of bars in each
 * layout and field, gzip aside, tables of databases, mappings, series in each format, the library's own writers,
 * configurations, overrides and sets of checks - and each refuses it, by row or as a whole. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/sql.h"
#include "host/data/validate/suite.h"
#include "plusultra/alternative.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/prices.h"
#include "plusultra/validate.h"
#include "tests/support/process.h"
#include "tests/support/series.h"

static const char *const words[] = {"nan",   "NaN",    "-nan", "NAN(7)", "inf",    "-inf", "Infinity",
                                    "1e999", "-1e999", ".nan", ".inf",   "0x7ff8", "#N/A", "null"};
enum { WORDS = sizeof words / sizeof *words, FIELDS = 6 };

static int begin(void **state) {
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    pu_progress_silence(true);
    return test_series_begin(state);
}

static pu_store *store_here(void) { return test_series_at.store; }

/* A file of three days whose second has `word` in one field; the header names them. */
static const char *bar_file(const char *name, const char *header, bool adjusted, int field, const char *word) {
    static const char *const sound[] = {"10", "12", "9", "11", "11", "100"};
    char text[1024];
    int used = snprintf(text, sizeof text, "%s\n", header);
    for (int row = 0; row < 3; ++row) {
        used += snprintf(text + used, sizeof text - (size_t)used, "2020-01-%02d", 6 + row);
        for (int f = 0; f < FIELDS; ++f) {
            if (f == 4 && !adjusted) continue;
            used +=
                snprintf(text + used, sizeof text - (size_t)used, ",%s", row == 1 && f == field ? word : sound[f]);
        }
        used += snprintf(text + used, sizeof text - (size_t)used, "\n");
    }
    return test_series_file(name, text);
}

static void import_two_of_three(const char *path, const pu_import_options *options, const char *what) {
    pu_import_result result;
    if (pu_import_file(store_here(), path, options, &result) != PU_OK)
        fail_msg("%s: %s", what, pu_error_message());
    if (result.rows_rejected != 1 || result.rows_added + result.rows_unchanged != 2)
        fail_msg("%s: %lld rows were rejected, not one", what, (long long)result.rows_rejected);
}

static void files_of_bars(void **state) {
    (void)state;
    char mapping[512];
    snprintf(mapping, sizeof mapping, "%s",
             test_series_file("mapping.yaml",
                              "columns: {date: d, open: o, high: h, low: l, close: c, adjusted: a, "
                              "volume: v}\n"));
    for (int f = 0; f < FIELDS; ++f) {
        for (int w = 0; w < WORDS; ++w) {
            char what[64];
            snprintf(what, sizeof what, "field %d, %s", f, words[w]);
            import_two_of_three(
                bar_file("YAHOO.csv", "Date,Open,High,Low,Close,Adj Close,Volume", true, f, words[w]),
                &(pu_import_options){.symbol = "YAHOO"}, what);
            import_two_of_three(bar_file("OWN.csv", "d,o,h,l,c,a,v", true, f, words[w]),
                                &(pu_import_options){.symbol = "OWN", .mapping = mapping}, what);
            if (f == 4) continue;
            import_two_of_three(bar_file("STOOQ.csv", "Date,Open,High,Low,Close,Volume", false, f, words[w]),
                                &(pu_import_options){.symbol = "STOOQ", .layout = PU_IMPORT_STOOQ}, what);
        }
    }
    assert_int_equal(test_series_number("SELECT count(*) FROM series"), 6);
}

static void tables_of_bars(void **state) {
    (void)state;
    static const char *const columns[] = {"open", "high", "low", "close", "volume"};
    static const char *const values[] = {"9e999", "-9e999", "'nan'", "'inf'", "x'00'"};
    for (int c = 0; c < 5; ++c) {
        for (int v = 0; v < 5; ++v) {
            char name[32], sql[512], what[64];
            snprintf(name, sizeof name, "bars_%d_%d.db", c, v);
            snprintf(what, sizeof what, "column %s, %s", columns[c], values[v]);
            const char *path = test_path(test_series_at.folder, name);
            test_series_table(
                path, "CREATE TABLE bars (date TEXT, symbol TEXT, open, high, low, close, volume);"
                      "INSERT INTO bars VALUES ('2020-01-06', 'TABLE', 10, 12, 9, 11, 100),"
                      "('2020-01-07', 'TABLE', 10, 12, 9, 11, 100), ('2020-01-08', 'TABLE', 10, 12, 9, 11, 1)");
            snprintf(sql, sizeof sql, "UPDATE bars SET %s = %s WHERE date = '2020-01-07'", columns[c], values[v]);
            test_series_table(path, sql);
            import_two_of_three(path, &(pu_import_options){.bar_s = 86400}, what);
        }
    }
}

static void series_of_each_format(void **state) {
    (void)state;
    const pu_series_options options = {.name = "door", .kind = PU_SERIES_SENTIMENT};
    for (int w = 0; w < WORDS; ++w) {
        char text[512];
        snprintf(text, sizeof text, "time,published,value\n2024-01-01,2024-01-02,1\n2024-01-02,2024-01-03,%s\n",
                 words[w]);
        test_series_import(test_series_file("door.csv", text), &options, w == 0, w != 0, 1);
        for (int quoted = 0; quoted < 2; ++quoted) {
            const char *mark = quoted ? "\"" : "";
            snprintf(text, sizeof text,
                     "{\"time\":\"2024-01-01\",\"published\":\"2024-01-02\",\"value\":1}\n"
                     "{\"time\":\"2024-01-02\",\"published\":\"2024-01-03\",\"value\":%s%s%s}\n",
                     mark, words[w], mark);
            test_series_import(test_series_file("door.jsonl", text), &options, 0, 1, 1);
        }
    }
    static const char *const values[] = {"9e999", "-9e999", "'nan'", "NULL"};
    for (int v = 0; v < 4; ++v) {
        char name[32], sql[256];
        snprintf(name, sizeof name, "door_%d.db", v);
        snprintf(sql, sizeof sql,
                 "CREATE TABLE door (time TEXT, published TEXT, value); INSERT INTO door VALUES ('2024-01-01', "
                 "'2024-01-02', 1), ('2024-01-02', '2024-01-03', %s)",
                 values[v]);
        const char *path = test_path(test_series_at.folder, name);
        test_series_table(path, sql);
        test_series_import(path, &options, 0, 1, 1);
    }
    for (int w = 0; w < WORDS; ++w) {
        char text[256];
        snprintf(text, sizeof text, "from,published,label\n2024-01-01,2024-01-02,1\n2024-01-03,2024-01-04,%s\n",
                 words[w]);
        test_series_import(test_series_file("regime.csv", text),
                           &(pu_series_options){.name = "door_regime", .kind = PU_SERIES_REGIME}, w == 0, w != 0,
                           1);
    }
}

/* What an embedding program can hand over. */
static void writers_of_the_library(void **state) {
    (void)state;
    static const double odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    const int64_t asset = test_series_number("SELECT min(asset_id) FROM assets"), ts = 86400;
    for (int i = 0; i < 4; ++i) {
        const pu_action action = {.ex_ts = 1, .kind = PU_ACTION_SPLIT, .value = odd[i], .published_ts = 1};
        const pu_trade trade = {asset, 1, 2, 1, 0, 1, 0};
        assert_int_not_equal(pu_store_put_indicator(store_here(), asset, "x", 1, &ts, &odd[i]), PU_OK);
        assert_int_not_equal(pu_store_put_actions(store_here(), asset, 1, &action, NULL), PU_OK);
        for (int f = 0; f < 4; ++f) {
            pu_trade bad = trade;
            double *const place[] = {&bad.price, &bad.weight_before, &bad.weight_after, &bad.cost_ratio};
            *place[f] = odd[i];
            if (pu_store_put_trades(store_here(), "run", 1, &bad) == PU_OK)
                fail_msg("a trade, field %d, %g", f, odd[i]);
        }
        for (int f = 0; f < 2; ++f) {
            const int64_t horizon = 1;
            const double quantile = 0.5;
            const float value = f == 0 ? (float)odd[i] : 1, sigma = f == 1 ? (float)odd[i] : 1;
            const pu_prediction_set set = {asset, 1, &ts, 1, &horizon, 1, &quantile, &value, &sigma};
            if (pu_store_put_predictions(store_here(), "run", &set) == PU_OK)
                fail_msg("a prediction, field %d, %g", f, odd[i]);
        }
    }
    assert_int_equal(test_series_number("SELECT count(*) FROM indicators") +
                         test_series_number("SELECT count(*) FROM corporate_actions") +
                         test_series_number("SELECT count(*) FROM trades") +
                         test_series_number("SELECT count(*) FROM predictions"),
                     0);
    /* The same with numbers is taken: it was the number that was refused. */
    const double two = 2, quantile = 0.5;
    const float one = 1;
    const int64_t horizon = 1;
    const pu_action action = {.ex_ts = 1, .kind = PU_ACTION_SPLIT, .value = 2, .published_ts = 1};
    const pu_trade trade = {asset, 1, 2, 1, 0, 1, 0};
    const pu_prediction_set set = {asset, 1, &ts, 1, &horizon, 1, &quantile, &one, &one};
    assert_int_equal(pu_store_put_indicator(store_here(), asset, "x", 1, &ts, &two), PU_OK);
    assert_int_equal(pu_store_put_actions(store_here(), asset, 1, &action, NULL), PU_OK);
    assert_int_equal(pu_store_put_trades(store_here(), "run", 1, &trade), PU_OK);
    assert_int_equal(pu_store_put_predictions(store_here(), "run", &set), PU_OK);
}

static void configurations_mappings_and_checks(void **state) {
    (void)state;
    static const char *const keys[] = {"train.lr", "split.train_ratio", "backtest.target_vol",
                                       "objective.quantiles"};
    for (int w = 0; w < WORDS; ++w) {
        char text[256];
        for (int k = 0; k < 4; ++k) {
            const char *form = k == 3 ? "%s=[0.5, %s]" : "%s=%s";
            snprintf(text, sizeof text, form, keys[k], words[w]);
            const char *override = text;
            pu_config *config = NULL;
            if (pu_config_load(NULL, 1, &override, &config) != PU_ERR_CONFIG) fail_msg("--set %s", text);
        }
        snprintf(text, sizeof text, "train: {lr: %s}", words[w]);
        pu_config *config = NULL;
        assert_int_equal(pu_config_parse(text, (int64_t)strlen(text), "a.yaml", 0, NULL, &config), PU_ERR_CONFIG);
        for (int i = 0; i < pu__check_kind_count(); ++i) {
            const pu__check_kind *kind = pu__check_kind_at(i);
            for (int p = 0; p < kind->parameter_count; ++p) {
                pu__suite suite;
                snprintf(text, sizeof text, "checks: [{name: a, kind: %s, %s: %s}]", kind->name,
                         kind->parameter[p].name, words[w]);
                if (pu__suite_load("a.yaml", text, strlen(text), "equity", &suite) != PU_ERR_CONFIG)
                    fail_msg("%s", text);
            }
        }
        pu_import_result result;
        const char *bars = bar_file("YAHOO.csv", "Date,Open,High,Low,Close,Adj Close,Volume", true, 0, "10");
        snprintf(text, sizeof text, "asset: {price_scale: %s}\n", words[w]);
        const char *mapping = test_series_file("scale.yaml", text);
        if (pu_import_file(store_here(), bars, &(pu_import_options){.mapping = mapping}, &result) != PU_ERR_CONFIG)
            fail_msg("%s was taken by a mapping", text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_bars),
        cmocka_unit_test(tables_of_bars),
        cmocka_unit_test(series_of_each_format),
        cmocka_unit_test(writers_of_the_library),
        cmocka_unit_test(configurations_mappings_and_checks),
    };
    return cmocka_run_group_tests(tests, begin, test_series_end);
}
