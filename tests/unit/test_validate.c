/* Validation over a store: the shared files, references, companions of the bars, files of checks, the gate, the page.
 * test_checks plants a fault for every kind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/prices.h"
#include "plusultra/random.h"
#include "plusultra/synth.h"
#include "plusultra/validate.h"
#include "tests/support/process.h"

enum { DAY_S = 86400, BARS = 600, FIRST_DAY = 14613 /* Monday 2010-01-04 */ };

static char *folder;
static pu_store *store;

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    folder = test_folder_new();
    return pu_store_open(test_path(folder, "market.db"), PU_STORE_CREATE, &store) == PU_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    pu_store_close(store);
    test_folder_remove(folder);
    return 0;
}

/* Weekday bars of a seeded walk of one per cent. */
static void sound_bars(pu__bar *bars, int64_t bar_s, bool weekdays) {
    pu_random random = pu_random_at(11, 0);
    double close = 100;
    int64_t ts = (int64_t)(FIRST_DAY + 1) * DAY_S;
    for (int i = 0; i < BARS; ++i) {
        const double open = close;
        close *= exp(0.01 * pu_random_normal(&random));
        bars[i] = (pu__bar){ts, open, fmax(open, close) * 1.001, fmin(open, close) * 0.999, close, close, 1000};
        ts += bar_s;
        while (weekdays && (ts / DAY_S - 1 + 3) % 7 >= 5) ts += DAY_S;
    }
}

static void shift_from(pu__bar *bars, int first, int64_t seconds, double factor) {
    for (int i = first; i < BARS; ++i) {
        bars[i].ts += seconds;
        bars[i].open *= factor, bars[i].high *= factor, bars[i].low *= factor, bars[i].close *= factor,
            bars[i].adjusted *= factor;
    }
}

static pu_validation judge(const char *symbol, const char *asset_class, int64_t bar_s, const pu__bar *bars,
                           int64_t count) {
    int64_t id = 0;
    int found = 0;
    pu_asset *assets = NULL;
    pu__bar_writer writer;
    pu_validation out;
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(
        pu__asset_make(store, symbol, asset_class, bar_s, "", pu_periods_per_year(asset_class, bar_s), &id),
        PU_OK);
    assert_int_equal(pu__bar_writer_open(store, id, &writer), PU_OK);
    assert_int_equal(pu__bars_put(&writer, bars, count, false, NULL), PU_OK);
    assert_int_equal(pu__bar_writer_close(&writer, PU_OK), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    assert_int_equal(pu_store_assets(store, 1, &symbol, &found, &assets), PU_OK);
    assert_int_equal(pu_validate(store, found, assets, NULL, &out), PU_OK);
    pu_free(assets);
    return out;
}

/* The finding of that check at that time (0: anywhere); null when there is none. */
static const pu_finding *find(const pu_validation *out, const char *symbol, const char *check, int64_t ts) {
    for (int64_t i = 0; i < out->count; ++i) {
        const pu_finding *finding = &out->finding[i];
        if (strcmp(out->check[finding->check].name, check) == 0 && strcmp(finding->symbol, symbol) == 0 &&
            (ts == 0 || finding->ts == ts))
            return finding;
    }
    return NULL;
}

static void expect(const pu_validation *out, const char *symbol, const char *check, int64_t ts,
                   pu_severity severity) {
    const pu_finding *finding = find(out, symbol, check, ts);
    if (!finding)
        fail_msg("%s: no '%s' at %lld among %lld findings", symbol, check, (long long)ts, (long long)out->count);
    if (out->check[finding->check].severity != severity)
        fail_msg("%s: '%s' at level %s: %s", symbol, check, pu_severity_name(out->check[finding->check].severity),
                 finding->message);
}

static void sound_series_have_no_finding(void **state) {
    (void)state;
    static const struct {
        const char *symbol, *asset_class;
        int64_t bar_s;
        bool weekdays;
    } cases[] = {{"E", "equity", DAY_S, true},      {"F", "forex", DAY_S, true},
                 {"C", "crypto", DAY_S, false},     {"C5", "crypto", 300, false},
                 {"W", "equity", 7 * DAY_S, false}, {"S", "synthetic", DAY_S, true},
                 {"H", "synthetic", 3600, false}};
    pu__bar bars[BARS];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sound_bars(bars, cases[i].bar_s, cases[i].weekdays);
        pu_validation out = judge(cases[i].symbol, cases[i].asset_class, cases[i].bar_s, bars, BARS);
        if (out.count > 0) fail_msg("%s: %s", cases[i].symbol, out.finding[0].message);
        assert_int_equal(out.bars, BARS);
        pu_validation_free(&out);
    }
}

/* A foreign hand can write what our writer would not. */
static void impossible_prices_are_errors(void **state) {
    (void)state;
    pu__bar bars[BARS];
    sound_bars(bars, DAY_S, true);
    pu_validation out = judge("HAND", "equity", DAY_S, bars, BARS);
    assert_int_equal(out.count, 0);
    pu_validation_free(&out);
    assert_int_equal(pu__sql_exec(store,
                                  "PRAGMA ignore_check_constraints = ON;"
                                  "UPDATE series SET low = -1 WHERE asset_id = (SELECT asset_id FROM assets WHERE "
                                  "symbol = 'HAND') AND ts % 7 = 0;"
                                  "PRAGMA ignore_check_constraints = OFF",
                                  "damage"),
                     PU_OK);
    const char *symbol = "HAND";
    int count = 0;
    pu_asset *assets = NULL;
    assert_int_equal(pu_store_assets(store, 1, &symbol, &count, &assets), PU_OK);
    assert_int_equal(pu_validate(store, count, assets, NULL, &out),
                     PU_ERR_CORRUPT); /* the checksum is the first to notice */
    assert_non_null(strstr(pu_error_message(), "HAND"));
    pu_free(assets);
}

/* The folder of shared data; false where it is absent. */
static bool shared_data(char out[4096]) {
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    snprintf(out, 4096, "%s%s", shared ? shared : source ? source : ".", shared ? "" : "/../shared");
    if (access(out, R_OK) != 0) snprintf(out, 4096, "/work/shared");
    return access(out, R_OK) == 0;
}

static pu_validation judge_folder(const char *base, const char *name) {
    pu_store *real = NULL;
    int files = 0;
    pu_asset *assets = NULL;
    pu_validation out;
    char path[4200], db[64];
    snprintf(path, sizeof path, "%s/data/%s", base, name);
    snprintf(db, sizeof db, "%.4s.db", name);
    assert_int_equal(pu_store_open(test_path(folder, db), PU_STORE_CREATE, &real), PU_OK);
    if (pu_import_path(real, path, NULL, NULL, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(pu_store_assets(real, 0, NULL, &files, &assets), PU_OK);
    assert_int_equal(pu_validate(real, files, assets, NULL, &out), PU_OK);
    pu_free(assets);
    pu_store_close(real);
    return out;
}

static void real_files_have_no_error(void **state) {
    (void)state;
    static const char *const folders[] = {"real/equities", "real/forex", "real/crypto", "real/crypto_5m"};
    char base[4096];
    if (!shared_data(base)) skip();
    for (int i = 0; i < 4; ++i) {
        pu_validation out = judge_folder(base, folders[i]);
        assert_true(out.bars > 1000);
        for (int64_t k = 0; k < out.count; ++k) {
            if (out.check[out.finding[k].check].severity == PU_SEVERITY_ERROR)
                fail_msg("%s: %s", out.finding[k].symbol, out.finding[k].message);
        }
        assert_int_equal(out.errors, 0);
        pu_validation_free(&out);
    }
}

static int64_t close_of(const char *day) {
    int64_t ts = 0;
    assert_int_equal(pu_time_parse(day, &ts), PU_OK);
    return ts + DAY_S;
}

/* What the data's README names: in each file a ticker that another security got, gaps of months to years, jumps of 8
 * to 1,100 times; each at its day. */
static void dirty_files_are_found_out(void **state) {
    (void)state;
    static const struct {
        const char *symbol, *check, *day;
    } faults[] = {
        {"BNO", "ticker_reused", "2010-06-02"}, {"BNO", "long_gap", "2010-06-02"},
        {"BNO", "extreme_jump", "2010-06-02"},  {"EEM", "ticker_reused", "2003-04-11"},
        {"EEM", "long_gap", "2003-04-11"},      {"EEM", "extreme_jump", "2003-04-11"},
        {"QQQ", "ticker_reused", "2011-03-23"}, {"QQQ", "long_gap", "2011-03-23"},
        {"USO", "ticker_reused", "2006-04-10"}, {"USO", "long_gap", "2006-04-10"},
        {"USO", "long_gap", "1998-11-12"},      {"USO", "extreme_jump", "2006-04-10"},
        {"WM", "ticker_reused", "2009-08-05"},  {"WM", "long_gap", "2009-08-05"},
        {"WM", "extreme_jump", "2009-08-05"},   {"WM", "extreme_jump", "2008-09-26"},
    };
    enum { FAULTS = sizeof faults / sizeof *faults };
    char base[4096];
    if (!shared_data(base)) skip();
    pu_validation out = judge_folder(base, "dirty/equities");
    for (int i = 0; i < FAULTS; ++i)
        expect(&out, faults[i].symbol, faults[i].check, close_of(faults[i].day), PU_SEVERITY_ERROR);
    assert_int_equal(out.errors, FAULTS);
    /* The 3 to 2 split of May 2001 that the file is not adjusted for. */
    expect(&out, "WM", "split_suspected", close_of("2001-05-16"), PU_SEVERITY_WARNING);
    expect(&out, "QQQ", "jump", close_of("2011-03-23"), PU_SEVERITY_WARNING);
    pu_validation_free(&out);
}

static void synthetic_markets_are_sound(void **state) {
    (void)state;
    pu_store *market = NULL;
    pu_synth_options options = pu_synth_defaults();
    pu_synth_result made;
    int count = 0;
    pu_asset *assets = NULL;
    pu_validation out;
    options.bars = 1500;
    assert_int_equal(pu_store_open(test_path(folder, "synth.db"), PU_STORE_CREATE, &market), PU_OK);
    assert_int_equal(pu_synth(market, &options, &made), PU_OK);
    assert_int_equal(pu_store_assets(market, 0, NULL, &count, &assets), PU_OK);
    assert_int_equal(pu_validate(market, count, assets, NULL, &out), PU_OK);
    assert_int_equal(out.errors + out.warnings + out.notes, 0);
    pu_validation_free(&out);
    pu_free(assets);
    pu_store_close(market);
}

static void put(const char *symbol, const char *asset_class, int64_t bar_s, const pu__bar *bars, int64_t count) {
    pu_validation out = judge(symbol, asset_class, bar_s, bars, count);
    pu_validation_free(&out);
}

static int64_t scalar(const char *sql) {
    int64_t value = 0;
    assert_int_equal(pu__sql_integer(store, sql, 0, &value), PU_OK);
    return value;
}

static pu_validation judge_store(const char *const *symbols, int symbol_count,
                                 const pu_validate_options *options) {
    int found = 0;
    pu_asset *assets = NULL;
    pu_validation out;
    assert_int_equal(pu_store_assets(store, symbol_count, symbols, &found, &assets), PU_OK);
    if (pu_validate(store, found, assets, options, &out) != PU_OK) fail_msg("%s", pu_error_message());
    pu_free(assets);
    return out;
}

/* Neither NaN nor infinity gets into the store, by the library or by SQL. */
static void the_store_refuses_what_is_no_number(void **state) {
    (void)state;
    static const char *const columns[] = {"open", "high", "low", "close", "adjusted"};
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    pu__bar bars[BARS];
    for (int field = 0; field < 6; ++field) {
        for (int k = 0; k < 3; ++k) {
            sound_bars(bars, DAY_S, true);
            double *const place[] = {&bars[7].open,  &bars[7].high,     &bars[7].low,
                                     &bars[7].close, &bars[7].adjusted, &bars[7].volume};
            *place[field] = odd[k];
            assert_int_equal(pu__bar_valid(&bars[7]), field == 5 && k == 0);
        }
    }
    sound_bars(bars, DAY_S, true);
    put("NUM", "equity", DAY_S, bars, BARS);
    for (int i = 0; i < 5; ++i) {
        static const char *const values[] = {"NULL", "9e999", "-9e999", "'nan'", "0.0 / 0.0"};
        for (int k = 0; k < 5; ++k) {
            char sql[256];
            snprintf(
                sql, sizeof sql,
                "UPDATE series SET %s = %s WHERE asset_id = (SELECT asset_id FROM assets WHERE symbol = 'NUM')",
                columns[i], values[k]);
            if (pu__sql_exec(store, sql, "damage") == PU_OK) fail_msg("accepted: %s", sql);
        }
    }
    /* Wherever else a number is kept: the first value of each is accepted, the others are not. */
    static const char *const others[] = {
        "INSERT INTO indicators SELECT asset_id, 'x', %d, %s FROM assets WHERE symbol = 'NUM'",
        "INSERT INTO corporate_actions (asset_id, ex_ts, kind, value, published_ts) "
        "SELECT asset_id, %d, 'split', %s, 1 FROM assets WHERE symbol = 'NUM'",
        "INSERT INTO alternative_values SELECT series_id, 1, %d, %s FROM alternative_series WHERE name = "
        "'numbers'"};
    static const char *const values[] = {"2", "NULL", "9e999", "-9e999", "'nan'", "0.0 / 0.0"};
    assert_int_equal(pu__sql_exec(store, "BEGIN", "begin"), PU_OK);
    assert_int_equal(pu__sql_exec(store,
                                  "INSERT INTO alternative_series (name, kind, stale_after_s) VALUES ('numbers', "
                                  "'other', 1)",
                                  "add"),
                     PU_OK);
    for (int i = 0; i < 3; ++i) {
        for (int k = 0; k < 6; ++k) {
            char sql[256];
            snprintf(sql, sizeof sql, others[i], k + 1, values[k]);
            if ((pu__sql_exec(store, sql, "damage") == PU_OK) != (k == 0))
                fail_msg("%s: %s", sql, pu_error_message());
        }
    }
    pu_store_rollback(store);
}

static void what_points_nowhere_is_named(void **state) {
    (void)state;
    put("NONE", "crypto", 300, NULL, 0);
    pu_validation out = judge_store(NULL, 0, NULL);
    const int sound_checks = out.check_count;
    assert_null(find(&out, "", "orphans", 0));
    pu_validation_free(&out);
    assert_int_equal(
        pu__sql_exec(store,
                     "PRAGMA foreign_keys = OFF;"
                     "INSERT INTO series VALUES (990, 1, 1, 1, 1, 1, 1, NULL), (990, 2, 1, 1, 1, 1, 1, NULL),"
                     " (991, 1, 1, 1, 1, 1, 1, NULL);"
                     "INSERT INTO indicators VALUES (992, 'x', 1, 1);"
                     "INSERT INTO corporate_actions (asset_id, ex_ts, kind, value, published_ts) VALUES (993, 1, "
                     "'split', 2, 1);"
                     "INSERT INTO benchmarks VALUES ('planted', 994);"
                     "INSERT INTO benchmarks SELECT 'empty', asset_id FROM assets WHERE symbol = 'NONE';"
                     "INSERT INTO alternative_series (series_id, name, asset_id, kind, stale_after_s)"
                     " VALUES (995, 'lost', 996, 'other', 1), (997, 'bare', NULL, 'other', 1);"
                     "INSERT INTO alternative_values VALUES (995, 1, 1, 1), (998, 1, 1, 1);"
                     "INSERT INTO prediction_sets VALUES (999, 990, '1', '0.5', 0, 1, 0);"
                     "PRAGMA foreign_keys = ON",
                     "plant"),
        PU_OK);
    out = judge_store(NULL, 0, NULL);
    assert_int_equal(out.check_count, sound_checks);
    expect(&out, "NONE", "no_bars", 0, PU_SEVERITY_ERROR);
    static const char *const named[] = {"asset 990: has bars",
                                        "asset 991: has bars",
                                        "asset 992: has indicators",
                                        "asset 993: has corporate actions",
                                        "benchmark of planted: is no asset",
                                        "benchmark of empty, NONE: has no bars",
                                        "alternative series lost: belongs to no asset",
                                        "alternative series bare: has no values",
                                        "alternative series number 998: has values",
                                        "run 999, asset 990: has predictions"};
    int64_t orphans = 0;
    for (int64_t i = 0; i < out.count; ++i)
        orphans += strcmp(out.check[out.finding[i].check].name, "orphans") == 0;
    assert_int_equal(orphans, sizeof named / sizeof *named);
    for (size_t n = 0; n < sizeof named / sizeof *named; ++n) {
        bool found = false;
        for (int64_t i = 0; i < out.count; ++i) found |= strstr(out.finding[i].message, named[n]) != NULL;
        if (!found) fail_msg("not found: %s", named[n]);
    }
    pu_validation_free(&out);
    assert_int_equal(pu__sql_exec(store,
                                  "PRAGMA foreign_keys = OFF; DELETE FROM series WHERE asset_id >= 990;"
                                  "DELETE FROM indicators WHERE asset_id >= 990; DELETE FROM corporate_actions;"
                                  "DELETE FROM benchmarks; DELETE FROM alternative_values;"
                                  "DELETE FROM alternative_series; DELETE FROM prediction_sets WHERE run_id = 999;"
                                  "DELETE FROM assets WHERE symbol = 'NONE';"
                                  "PRAGMA foreign_keys = ON",
                                  "clean"),
                     PU_OK);
}

static void benchmarks_and_actions_are_read_beside_the_bars(void **state) {
    (void)state;
    static const char *const symbols[] = {"ALIGNED", "GAPPY"};
    pu__bar bars[BARS], fewer[BARS];
    sound_bars(bars, DAY_S, true);
    for (int i = 0; i < 300; ++i) bars[i].adjusted *= 0.5;
    put("ALIGNED", "equity", DAY_S, bars, BARS);
    sound_bars(bars, DAY_S, true);
    put("GAPPY", "equity", DAY_S, bars, BARS);
    int64_t kept = 0;
    for (int i = 0; i < BARS; ++i) {
        if (i % 10 != 3) fewer[kept++] = bars[i];
    }
    put("BENCH", "equity", DAY_S, fewer, kept);
    pu_validation out = judge_store(symbols, 2, &(pu_validate_options){.benchmark = "BENCH"});
    expect(&out, "ALIGNED", "benchmark_alignment", bars[3].ts, PU_SEVERITY_WARNING);
    expect(&out, "GAPPY", "benchmark_alignment", bars[3].ts, PU_SEVERITY_WARNING);
    expect(&out, "ALIGNED", "adjustment_jump", bars[300].ts, PU_SEVERITY_WARNING);
    pu_validation_free(&out);
    out = judge_store(symbols, 2, NULL);
    assert_null(find(&out, "GAPPY", "benchmark_alignment", 0));
    pu_validation_free(&out);
    /* The table of benchmarks says the same; an action explains the change of the factor. */
    assert_int_equal(
        pu_store_put_benchmark(store, "equity", scalar("SELECT asset_id FROM assets WHERE symbol = 'BENCH'")),
        PU_OK);
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO corporate_actions (asset_id, ex_ts, kind, value, published_ts) SELECT asset_id, %lld, "
             "'split', 2, 1 FROM assets WHERE symbol = 'ALIGNED'",
             (long long)bars[299].ts + 3600);
    assert_int_equal(pu__sql_exec(store, sql, "add"), PU_OK);
    out = judge_store(symbols, 2, NULL);
    expect(&out, "GAPPY", "benchmark_alignment", bars[3].ts, PU_SEVERITY_WARNING);
    assert_null(find(&out, "ALIGNED", "adjustment_jump", 0));
    assert_null(find(&out, "ALIGNED", "adjustment_mismatch", 0));
    pu_validation_free(&out);
    /* The delivered factor is half; a dividend of half the price makes it so, one of a tenth does not. */
    for (int i = 0; i < 2; ++i) {
        const pu_action dividend = {.ex_ts = bars[299].ts + 3600,
                                    .kind = PU_ACTION_DIVIDEND,
                                    .value = bars[299].close * (i == 0 ? 0.5 : 0.1),
                                    .published_ts = 1};
        assert_int_equal(pu__sql_exec(store, "DELETE FROM corporate_actions", "clean"), PU_OK);
        assert_int_equal(pu_store_put_actions(store,
                                              scalar("SELECT asset_id FROM assets WHERE symbol = 'ALIGNED'"), 1,
                                              &dividend, NULL),
                         PU_OK);
        out = judge_store(symbols, 2, NULL);
        if (i == 0) assert_null(find(&out, "ALIGNED", "adjustment_mismatch", 0));
        else assert_non_null(find(&out, "ALIGNED", "adjustment_mismatch", 0));
        pu_validation_free(&out);
    }
    assert_int_equal(pu__sql_exec(store, "DELETE FROM benchmarks; DELETE FROM corporate_actions", "clean"), PU_OK);
}

static void a_file_of_checks_takes_the_sets_place(void **state) {
    (void)state;
    const char *path = test_path(folder, "own.yaml");
    static const char *const symbols[] = {"GAPPY", "C"};
    int found = 0;
    pu_asset *assets = NULL;
    pu_validation out;
    test_write(path,
               "checks:\n  - {name: tiny, kind: jump, factor_min: 1.0001, deviations_min: 0, symbols: [GAPPY]}\n");
    out = judge_store(symbols, 2, &(pu_validate_options){.checks = path, .samples = 3});
    assert_int_equal(out.check_count, 2); /* one for each class */
    assert_true(out.check[0].findings > 100);
    assert_int_equal(out.count, 3);
    assert_int_equal(out.check[1].findings, 0);
    pu_validation_free(&out);
    test_write(path, "checks:\n  - {name: tiny, kind: jump,\n     symbols: [GAPY]}\n");
    assert_int_equal(pu_store_assets(store, 2, symbols, &found, &assets), PU_OK);
    assert_int_equal(pu_validate(store, found, assets, &(pu_validate_options){.checks = path}, &out),
                     PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(),
                           "own.yaml:3: tiny.symbols: the store has no asset 'GAPY'; did you mean GAPPY?"));
    assert_int_equal(pu_validate(store, found, assets, &(pu_validate_options){.checks = "missing.yaml"}, &out),
                     PU_ERR_NOT_FOUND);
    pu_free(assets);
}

static pu_config *configure(const char *accept, const char *symbols) {
    char path[512], list[256], names[256];
    snprintf(path, sizeof path, "data.store=%s", pu_store_path(store));
    snprintf(list, sizeof list, "data.accept=[%s]", accept);
    snprintf(names, sizeof names, "data.symbols=[%s]", symbols);
    const char *const overrides[] = {path, list, names};
    pu_config *config = NULL;
    if (pu_config_load(NULL, 3, overrides, &config) != PU_OK) fail_msg("%s", pu_error_message());
    return config;
}

static void gate(const char *accept, const char *symbols, pu_status expected, const char *says) {
    pu_config *config = configure(accept, symbols);
    char *accepted = NULL;
    const pu_status status = pu_validate_gate(config, &accepted);
    if (status != expected || (status != PU_OK && !strstr(pu_error_message(), says)))
        fail_msg("accept [%s]: status %s, %s", accept, pu_status_name(status), pu_error_message());
    if (status == PU_OK && !(*says ? strstr(accepted, says) != NULL : *accepted == '\0'))
        fail_msg("accept [%s]: %s", accept, accepted);
    pu_free(accepted);
    pu_config_free(config);
}

static void the_gate_opens_by_name_only(void **state) {
    (void)state;
    pu__bar bars[BARS];
    sound_bars(bars, DAY_S, true);
    shift_from(bars, 300, 100 * DAY_S, 8);
    put("FAULTY", "equity", DAY_S, bars, BARS);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    gate("", "GAPPY", PU_OK, "");
    gate("jump, spike", "GAPPY", PU_OK, "");
    gate("", "FAULTY", PU_ERR_DATA, "data.accept: [long_gap, ticker_reused, extreme_jump]");
    gate("ticker_reused", "GAPPY, FAULTY", PU_ERR_DATA, "the data fail 2 checks at error level: long_gap");
    gate("ticker_reused", "FAULTY", PU_ERR_DATA, "data.accept: [ticker_reused, long_gap, extreme_jump]");
    gate("jump, ticker_reused, long_gap", "FAULTY", PU_ERR_DATA,
         "the data fail 1 check at error level: extreme_jump");
    gate("ticker_reused, extreme_jump, long_gap", "FAULTY", PU_OK, "extreme_jump (1 finding: FAULTY 2011-");
    gate("ticker_reusd", "GAPPY", PU_ERR_CONFIG,
         "data.accept: unknown check 'ticker_reusd'; did you mean ticker_reused");
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
}

static void the_page_and_the_reference_are_whole(void **state) {
    (void)state;
    static const char *const symbols[] = {"FAULTY", "GAPPY"};
    pu_validation out = judge_store(symbols, 2, &(pu_validate_options){.charts = true});
    const char *path = test_path(folder, "validation.html");
    assert_int_equal(pu_validation_page(&out, "a </script> title", path), PU_OK);
    pu_validation_free(&out);
    char *page = test_read(path);
    assert_non_null(page);
    static const char *const parts[] = {"<!doctype html>", "extreme_jump", "FAULTY", "\\u003c/script>", "</html>"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        if (!strstr(page, parts[i])) fail_msg("the page lacks %s", parts[i]);
    }
    assert_null(strstr(page, "a </script> title"));
    assert_null(strstr(page, "src=\"http"));
    free(page);
    char *reference = pu_validate_reference(), docs[4200];
    const char *source = getenv("PU_SOURCE");
    snprintf(docs, sizeof docs, "%s/docs/validation.md", source ? source : ".");
    char *committed = test_read(docs);
    assert_non_null(reference);
    if (!committed || strcmp(committed, reference) != 0)
        fail_msg("docs/validation.md is not current: run `make docs`");
    free(committed);
    pu_free(reference);
}

/* Every allocation of a validation and its page fails once. */
static void short_memory_is_an_error(void **state) {
    (void)state;
    static const char *const symbols[] = {"FAULTY", "GAPPY"};
    const char *path = test_path(folder, "memory.html");
    int found = 0;
    pu_asset *assets = NULL;
    assert_int_equal(pu_store_assets(store, 2, symbols, &found, &assets), PU_OK);
    pu_status status = PU_ERR_MEMORY;
    int64_t allowed = 0;
    for (; status == PU_ERR_MEMORY && allowed < 10000; ++allowed) {
        pu_validation out = {0};
        char *reference = NULL;
        pu_memory_fail_after(allowed);
        status = pu_validate(store, found, assets, &(pu_validate_options){.charts = true, .blocks = true}, &out);
        if (status == PU_OK) status = pu_validation_page(&out, "memory", path);
        if (status == PU_OK) reference = pu_validate_reference();
        if (status == PU_OK && !reference) status = PU_ERR_MEMORY;
        pu_memory_fail_after(-1);
        pu_free(reference);
        pu_validation_free(&out);
    }
    pu_free(assets);
    assert_int_equal(status, PU_OK);
    assert_true(allowed > 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_series_have_no_finding),
        cmocka_unit_test(real_files_have_no_error),
        cmocka_unit_test(dirty_files_are_found_out),
        cmocka_unit_test(synthetic_markets_are_sound),
        cmocka_unit_test(the_store_refuses_what_is_no_number),
        cmocka_unit_test(what_points_nowhere_is_named),
        cmocka_unit_test(benchmarks_and_actions_are_read_beside_the_bars),
        cmocka_unit_test(a_file_of_checks_takes_the_sets_place),
        cmocka_unit_test(the_gate_opens_by_name_only),
        cmocka_unit_test(the_page_and_the_reference_are_whole),
        cmocka_unit_test(short_memory_is_an_error),
        cmocka_unit_test(impossible_prices_are_errors),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
