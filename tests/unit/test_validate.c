/* Validation: every planted fault is found at its bar, a sound market has none. */
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
    assert_int_equal(pu_validate(store, found, assets, &out), PU_OK);
    pu_free(assets);
    return out;
}

/* The fault of that code at that time (0: anywhere); null when there is none. */
static const pu_fault *find(const pu_validation *out, const char *code, int64_t ts) {
    for (int64_t i = 0; i < out->count; ++i) {
        if (strcmp(out->faults[i].code, code) == 0 && (ts == 0 || out->faults[i].ts == ts)) return &out->faults[i];
    }
    return NULL;
}

static void expect(const char *symbol, const pu_validation *out, const char *code, int64_t ts,
                   pu_fault_level level) {
    const pu_fault *fault = find(out, code, ts);
    if (!fault) fail_msg("%s: no '%s' among %lld faults", symbol, code, (long long)out->count);
    if (fault->level != level)
        fail_msg("%s: '%s' at level %s: %s", symbol, code, pu_fault_level_name(fault->level), fault->message);
}

static void sound_series_have_no_fault(void **state) {
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
        if (out.count > 0) fail_msg("%s: %s: %s", cases[i].symbol, out.faults[0].code, out.faults[0].message);
        assert_int_equal(out.bars, BARS);
        pu_validation_free(&out);
    }
}

static void gaps_follow_the_calendar(void **state) {
    (void)state;
    static const struct {
        const char *symbol;
        int64_t days;
        double factor;
        bool gap, reused;
        pu_fault_level level;
    } cases[] = {{"G7", 7, 1, false, false, PU_FAULT_INFO},      {"G14", 14, 1, true, false, PU_FAULT_WARNING},
                 {"G91", 91, 1, true, false, PU_FAULT_ERROR},    {"G91X", 91, 10, true, true, PU_FAULT_ERROR},
                 {"G14X", 14, 4, true, false, PU_FAULT_WARNING}, {"G371", 371, 1, true, true, PU_FAULT_ERROR}};
    pu__bar bars[BARS];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sound_bars(bars, DAY_S, true);
        shift_from(bars, 300, cases[i].days * DAY_S, cases[i].factor);
        pu_validation out = judge(cases[i].symbol, "equity", DAY_S, bars, BARS);
        if (cases[i].gap) expect(cases[i].symbol, &out, "gap", bars[300].ts, cases[i].level);
        else assert_null(find(&out, "gap", 0));
        if (cases[i].reused) expect(cases[i].symbol, &out, "ticker_reused", bars[300].ts, PU_FAULT_ERROR);
        else assert_null(find(&out, "ticker_reused", 0));
        pu_validation_free(&out);
    }
    sound_bars(bars, 300, false);
    shift_from(bars, 200, 600, 1);
    shift_from(bars, 400, 300, 1);
    pu_validation out = judge("M5", "crypto", 300, bars, BARS);
    expect("M5", &out, "missing", 0, PU_FAULT_WARNING);
    assert_non_null(
        strstr(find(&out, "missing", 0)->message, "3 bars (0.50 %) are missing in 2 gaps; the longest, 2 bars"));
    pu_validation_free(&out);
}

static void jumps_are_measured_against_habit(void **state) {
    (void)state;
    static const struct {
        const char *symbol;
        double factor;
        bool found;
        pu_fault_level level;
    } cases[] = {{"J1.2", 1.2, false, PU_FAULT_INFO},   {"J2", 2, true, PU_FAULT_WARNING},
                 {"J0.5", 0.5, true, PU_FAULT_WARNING}, {"J8", 8, true, PU_FAULT_ERROR},
                 {"J0.01", 0.01, true, PU_FAULT_ERROR}, {"J1100", 1100, true, PU_FAULT_ERROR}};
    pu__bar bars[BARS];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sound_bars(bars, DAY_S, true);
        shift_from(bars, 100, 0, cases[i].factor);
        pu_validation out = judge(cases[i].symbol, "equity", DAY_S, bars, BARS);
        if (cases[i].found) expect(cases[i].symbol, &out, "jump", bars[100].ts, cases[i].level);
        else assert_int_equal(out.count, 0);
        if (cases[i].factor == 2) assert_non_null(strstr(find(&out, "jump", 0)->message, "split"));
        pu_validation_free(&out);
    }
    /* An asset that doubles and halves every day is only doing what it does. */
    sound_bars(bars, DAY_S, true);
    for (int i = 0; i < BARS; i += 2) {
        bars[i].open *= 2, bars[i].high *= 2, bars[i].low *= 2, bars[i].close *= 2, bars[i].adjusted *= 2;
    }
    pu_validation out = judge("WILD", "crypto", DAY_S, bars, BARS);
    assert_int_equal(find(&out, "jump", bars[300].ts) != NULL, 0);
    pu_validation_free(&out);
}

static void series_are_looked_through(void **state) {
    (void)state;
    pu__bar bars[BARS];
    sound_bars(bars, DAY_S, true);
    for (int i = 50; i < 80; ++i) bars[i] = (pu__bar){bars[i].ts, 90, 90, 90, 90, 90, 1000};
    for (int i = 200; i < 600; ++i) bars[i] = (pu__bar){bars[i].ts, 100, 100, 100, 100, 100, i % 2 ? 0 : 5};
    bars[20].high *= 3;
    bars[30].low /= 3;
    bars[40].volume = NAN;
    pu_validation out = judge("ODD", "equity", DAY_S, bars, BARS);
    expect("ODD", &out, "spike", bars[20].ts, PU_FAULT_WARNING);
    expect("ODD", &out, "spike", bars[30].ts, PU_FAULT_WARNING);
    expect("ODD", &out, "stale", bars[50].ts, PU_FAULT_WARNING);
    expect("ODD", &out, "stale", bars[200].ts, PU_FAULT_ERROR);
    expect("ODD", &out, "zero_volume", 0, PU_FAULT_WARNING);
    expect("ODD", &out, "partial_volume", 0, PU_FAULT_WARNING);
    assert_int_equal(out.errors, 1);
    for (int64_t i = 1; i < out.count; ++i) assert_true(out.faults[i - 1].ts <= out.faults[i].ts);
    pu_validation_free(&out);
    sound_bars(bars, 300, false);
    shift_from(bars, 100, 7, 1);
    out = judge("OFF", "crypto", 300, bars, 120);
    expect("OFF", &out, "unaligned", bars[100].ts, PU_FAULT_WARNING);
    expect("OFF", &out, "short", 0, PU_FAULT_WARNING);
    pu_validation_free(&out);
    out = judge("NONE", "crypto", 300, bars, 0);
    expect("NONE", &out, "no_bars", 0, PU_FAULT_ERROR);
    pu_validation_free(&out);
    /* Of many alike, twenty are listed and all are counted. */
    sound_bars(bars, DAY_S, true);
    for (int i = 0; i < 100; ++i) bars[5 * i].high *= 3;
    out = judge("MANY", "equity", DAY_S, bars, BARS);
    assert_int_equal(out.warnings, 100);
    assert_int_equal(out.count, 20);
    pu_validation_free(&out);
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
    assert_int_equal(pu_validate(store, count, assets, &out),
                     PU_ERR_CORRUPT); /* the checksum is the first to notice */
    assert_non_null(strstr(pu_error_message(), "HAND"));
    pu_free(assets);
}

static void real_files_are_sound_and_dirty_ones_are_not(void **state) {
    (void)state;
    static const char *const folders[] = {"real/equities", "real/forex", "real/crypto", "real/crypto_5m",
                                          "dirty/equities"};
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    char base[4096], path[4200];
    snprintf(base, sizeof base, "%s%s", shared ? shared : source ? source : ".", shared ? "" : "/../shared");
    if (access(base, R_OK) != 0) snprintf(base, sizeof base, "/work/shared");
    if (access(base, R_OK) != 0) skip();
    for (int i = 0; i < 5; ++i) {
        pu_store *real = NULL;
        int count = 0;
        pu_asset *assets = NULL;
        pu_validation out;
        snprintf(path, sizeof path, "%s/data/%s", base, folders[i]);
        assert_int_equal(pu_store_open(test_path(folder, i == 4 ? "dirty.db" : "real.db"), PU_STORE_CREATE, &real),
                         PU_OK);
        if (pu_import_path(real, path, NULL, NULL, NULL) != PU_OK) fail_msg("%s", pu_error_message());
        assert_int_equal(pu_store_assets(real, 0, NULL, &count, &assets), PU_OK);
        assert_int_equal(pu_validate(real, count, assets, &out), PU_OK);
        int64_t reused[5] = {0};
        for (int64_t k = 0; k < out.count; ++k) {
            const pu_fault *fault = &out.faults[k];
            if (i < 4 && fault->level == PU_FAULT_ERROR)
                fail_msg("%s: %s: %s", fault->symbol, fault->code, fault->message);
            for (int a = 0; i == 4 && a < count; ++a) {
                reused[a] += fault->asset_id == assets[a].id && strcmp(fault->code, "ticker_reused") == 0;
            }
        }
        for (int a = 0; i == 4 && a < count; ++a) assert_int_equal(reused[a], 1);
        if (i == 4) {
            expect("USO", &out, "jump", 1144713600, PU_FAULT_ERROR); /* 2006-04-10, 1,133 times */
            expect("EEM", &out, "gap", 1050105600, PU_FAULT_ERROR);  /* 2003-04-11, 127 days */
            expect("QQQ", &out, "gap", 1300924800, PU_FAULT_ERROR);  /* 2011-03-23, six years */
            expect("WM", &out, "jump", 1249516800, PU_FAULT_ERROR);  /* 2009-08-05, 179 times */
        }
        pu_validation_free(&out);
        pu_free(assets);
        pu_store_close(real);
    }
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
    assert_int_equal(pu_validate(market, count, assets, &out), PU_OK);
    assert_int_equal(out.errors + out.warnings, 0);
    pu_validation_free(&out);
    pu_free(assets);
    pu_store_close(market);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_series_have_no_fault),
        cmocka_unit_test(gaps_follow_the_calendar),
        cmocka_unit_test(jumps_are_measured_against_habit),
        cmocka_unit_test(series_are_looked_through),
        cmocka_unit_test(impossible_prices_are_errors),
        cmocka_unit_test(real_files_are_sound_and_dirty_ones_are_not),
        cmocka_unit_test(synthetic_markets_are_sound),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
