/* Every kind of check finds exactly the fault that was planted, at its bar, and not its neighbour just within the
 * threshold; sets of checks in YAML are read strictly. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/validate/inspect.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { DAY_S = 86400, BARS = 400, FIRST_DAY = 14613 /* Monday 2010-01-04 */, AT = 200 };

static pu__bar bars[BARS];
static int64_t count;

/* Weekday bars, or evenly spaced ones, of a seeded walk of one per cent a bar. */
static void sound(int64_t bar_s, bool weekdays) {
    pu_random random = pu_random_at(23, 0);
    double close = 100;
    int64_t ts = (int64_t)(FIRST_DAY + 1) * DAY_S;
    count = BARS;
    for (int i = 0; i < BARS; ++i) {
        const double open = close;
        close *= exp(0.01 * pu_random_normal(&random));
        bars[i] = (pu__bar){ts, open, fmax(open, close) * 1.001, fmin(open, close) * 0.999, close, close, 1000};
        ts += bar_s;
        while (weekdays && (ts / DAY_S - 1 + 3) % 7 >= 5) ts += DAY_S;
    }
}

static void scale_from(int first, double factor) {
    for (int i = first; i < BARS; ++i) {
        bars[i].open *= factor, bars[i].high *= factor, bars[i].low *= factor, bars[i].close *= factor;
        bars[i].adjusted *= factor;
    }
}

static void shift_from(int first, int64_t seconds) {
    for (int i = first; i < BARS; ++i) bars[i].ts += seconds;
}

typedef struct setting {
    const char *asset_class;
    int64_t bar_s;
    const pu_asset *benchmark;
    int64_t benchmark_lacks; /* bars from the first that the benchmark has none for */
    int action_at;           /* a corporate action before this bar; 0: none */
} setting;

static const setting daily = {.asset_class = "equity", .bar_s = DAY_S};

/* Runs a set of checks, as YAML, over `bars`. */
static pu_validation judge(const char *yaml, const setting *how) {
    pu_validation out = {0};
    pu__findings findings = {.out = &out, .samples = PU_FINDINGS_DEFAULT};
    pu__suite suite;
    pu__inspector inspector;
    const pu_asset asset = {.id = 1,
                            .symbol = "PLANT",
                            .bar_s = how->bar_s,
                            .periods_per_year = pu_periods_per_year(how->asset_class, how->bar_s)};
    pu_asset named = asset;
    snprintf(named.asset_class, sizeof named.asset_class, "%s", how->asset_class);
    if (pu__suite_load("planted.yaml", yaml, strlen(yaml), how->asset_class, &suite) != PU_OK)
        fail_msg("%s", pu_error_message());
    assert_int_equal(pu__inspector_open(&suite, &findings, &inspector), PU_OK);
    pu__inspector_begin(&inspector, &named, how->benchmark);
    for (int64_t i = 0; i < count; ++i) {
        pu__inspector_bar(&inspector, &bars[i], how->action_at > 0 && i == how->action_at,
                          i >= how->benchmark_lacks);
    }
    pu__inspector_end(&inspector);
    assert_int_equal(findings.status, PU_OK);
    pu__inspector_close(&inspector);
    pu__suite_free(&suite);
    return out;
}

/* One check of a kind: `expected` findings, the first at bar `at` (-1: of the whole series, no time). */
static void expect(const char *kind, const char *parameters, const setting *how, int64_t expected, int at) {
    char yaml[512];
    snprintf(yaml, sizeof yaml, "checks: [{name: planted, kind: %s, severity: error%s%s}]", kind,
             *parameters ? ", " : "", parameters);
    pu_validation out = judge(yaml, how);
    if (out.errors != expected) {
        fail_msg("%s {%s}: %lld findings, not %lld; the first: %s", kind, parameters, (long long)out.errors,
                 (long long)expected, out.count ? out.finding[0].message : "none");
    }
    if (expected > 0 && at >= 0 && out.finding[0].ts != bars[at].ts) {
        fail_msg("%s {%s}: found at %lld, planted at %lld: %s", kind, parameters, (long long)out.finding[0].ts,
                 (long long)bars[at].ts, out.finding[0].message);
    }
    if (expected > 0 && at < 0) assert_int_equal(out.finding[0].ts, 0);
    if (expected > 0) assert_string_equal(out.finding[0].symbol, "PLANT");
    pu_validation_free(&out);
}

static void no_number_ever_passes_as_one(void **state) {
    (void)state;
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    for (int field = 0; field < 6; ++field) {
        for (int k = 0; k < 3; ++k) {
            sound(DAY_S, true);
            double *const place[] = {&bars[AT].open,  &bars[AT].high,     &bars[AT].low,
                                     &bars[AT].close, &bars[AT].adjusted, &bars[AT].volume};
            *place[field] = odd[k];
            const bool missing_volume = field == 5 && k == 0;
            expect("finite", "", &daily, missing_volume ? 0 : 1, AT);
            expect("range", "", &daily, missing_volume ? 0 : 1, AT);
            if (field < 4) expect("ohlc_order", "", &daily, 1, AT);
            if (missing_volume) expect("partial_volume", "", &daily, 1, AT);
            /* What stands around it is judged as before: one bad bar blinds no check. */
            bars[300].high *= 3;
            const bool spike = field == k && k > 0; /* an infinite high, or a low of minus infinity */
            expect("spike", "", &daily, spike ? 2 : 1, spike ? AT : 300);
            scale_from(350, 10);
            pu_validation out =
                judge("checks: [{name: jump, kind: jump, factor_min: 5, severity: error}]", &daily);
            bool found = false;
            for (int64_t i = 0; i < out.count; ++i) found |= out.finding[i].ts == bars[350].ts;
            assert_true(found);
            pu_validation_free(&out);
        }
    }
}

static void rows_are_judged_by_themselves(void **state) {
    (void)state;
    sound(DAY_S, true);
    expect("finite", "", &daily, 0, 0);
    expect("range", "", &daily, 0, 0);
    expect("ohlc_order", "", &daily, 0, 0);
    expect("time_order", "", &daily, 0, 0);
    expect("spike", "", &daily, 0, 0);
    bars[AT] = (pu__bar){bars[AT].ts, 10, 20, 5, 10, 10, 1000};
    expect("range", "price_min: 5, price_max: 1000", &daily, 0, 0);
    expect("range", "price_min: 5.01, price_max: 1000", &daily, 1, AT);
    expect("range", "volume_max: 1000", &daily, 0, 0);
    bars[AT].volume = 1001;
    expect("range", "volume_max: 1000", &daily, 1, AT);
    bars[AT].volume = -1;
    expect("range", "", &daily, 1, AT);
    sound(DAY_S, true);
    bars[AT].high = bars[AT].low * 0.99;
    expect("ohlc_order", "", &daily, 1, AT);
    sound(DAY_S, true);
    bars[AT].open = bars[AT].high * 1.001;
    expect("ohlc_order", "tolerance_ratio: 0.0011", &daily, 0, 0);
    expect("ohlc_order", "tolerance_ratio: 0.0009", &daily, 1, AT);
    bars[AT].open = bars[AT].close;
    bars[AT].close = bars[AT].low * 0.999;
    expect("ohlc_order", "", &daily, 1, AT);
    sound(DAY_S, true);
    bars[AT].ts = bars[AT - 1].ts;
    expect("time_order", "", &daily, 1, AT);
    bars[AT].ts = bars[AT - 1].ts - 1;
    expect("time_order", "", &daily, 1, AT);
    bars[AT].ts = bars[AT - 1].ts + 1;
    expect("time_order", "", &daily, 0, 0);
    sound(DAY_S, true);
    bars[AT].high = 1.99 * fmax(bars[AT].open, bars[AT].close);
    expect("spike", "factor_min: 2", &daily, 0, 0);
    bars[AT].high = 2.01 * fmax(bars[AT].open, bars[AT].close);
    expect("spike", "factor_min: 2", &daily, 1, AT);
    sound(DAY_S, true);
    bars[AT].low = fmin(bars[AT].open, bars[AT].close) / 2.01;
    expect("spike", "factor_min: 2", &daily, 1, AT);
}

static void times_follow_the_calendar(void **state) {
    (void)state;
    static const setting crypto = {.asset_class = "crypto", .bar_s = 300},
                         weekly = {.asset_class = "equity", .bar_s = 7 * DAY_S};
    sound(DAY_S, true);
    expect("gap", "days_max: 3", &daily, 0, 0); /* weekends */
    expect("missing_bars", "share_max: 0", &daily, 0, 0);
    expect("unaligned", "", &daily, 0, 0);
    const int64_t before_s = bars[AT].ts - bars[AT - 1].ts;
    shift_from(AT, 10 * DAY_S - before_s);
    expect("gap", "days_max: 10", &daily, 0, 0);
    shift_from(AT, 1);
    expect("gap", "days_max: 10", &daily, 1, AT);
    /* Bars longer than a day count in bars. */
    sound(7 * DAY_S, false);
    expect("gap", "days_max: 1.5", &weekly, 0, 0);
    shift_from(AT, 7 * DAY_S);
    expect("gap", "days_max: 1.5", &weekly, 1, AT);
    expect("missing_bars", "share_max: 0", &weekly, 1, AT);
    /* Three of 403. */
    sound(300, false);
    shift_from(AT, 600);
    shift_from(300, 300);
    expect("missing_bars", "share_max: 0.0075", &crypto, 0, 0);
    expect("missing_bars", "share_max: 0.0074", &crypto, 1, AT);
    sound(300, false);
    shift_from(AT, 7);
    expect("unaligned", "share_max: 0.5", &crypto, 0, 0);
    expect("unaligned", "share_max: 0.49", &crypto, 1, AT);
    /* Another security under the same name. */
    sound(DAY_S, true);
    shift_from(AT, 365 * DAY_S - (bars[AT].ts - bars[AT - 1].ts));
    expect("ticker_reused", "", &daily, 0, 0);
    shift_from(AT, DAY_S);
    expect("ticker_reused", "", &daily, 1, AT);
    sound(DAY_S, true);
    shift_from(AT, 91 * DAY_S);
    expect("ticker_reused", "", &daily, 0, 0);
    scale_from(AT, 3.2);
    expect("ticker_reused", "", &daily, 1, AT);
    expect("ticker_reused", "factor_max: 3.5", &daily, 0, 0);
    expect("ticker_reused", "level_days_max: 100", &daily, 0, 0);
}

static void bars_of_closed_markets_are_counted(void **state) {
    (void)state;
    static const setting crypto = {.asset_class = "crypto", .bar_s = DAY_S},
                         hourly = {.asset_class = "equity", .bar_s = 3600},
                         forex = {.asset_class = "forex", .bar_s = 3600},
                         weekly = {.asset_class = "equity", .bar_s = 7 * DAY_S};
    sound(DAY_S, true);
    expect("closed_market", "share_max: 0", &daily, 0, 0);
    bars[4].ts += DAY_S;                                        /* Friday's bar on the Saturday */
    expect("closed_market", "share_max: 0.0025", &daily, 0, 0); /* one of 400 */
    expect("closed_market", "share_max: 0.0024", &daily, 1, 4);
    sound(DAY_S, false);
    expect("closed_market", "", &daily, 1, 5);
    expect("closed_market", "share_max: 0", &crypto, 0, 0);
    sound(7 * DAY_S, false);
    shift_from(0, 5 * DAY_S);
    expect("closed_market", "share_max: 0", &weekly, 0, 0);
    /* Eight hours a day hold a session of six and a half and its closing print, nine do not. */
    for (int hours = 8; hours <= 9; ++hours) {
        sound(3600, false);
        for (int i = 0; i < BARS; ++i)
            bars[i].ts =
                (FIRST_DAY + i / hours / 5 * 7 + i / hours % 5) * (int64_t)DAY_S + (i % hours + 14) * 3600;
        expect("closed_market", "share_max: 0", &hourly, hours == 9, hours == 9 ? 8 : 0);
    }
    sound(3600, false); /* around the clock from Monday: Saturday's first bar is the 121st */
    shift_from(0, -DAY_S + 3600);
    expect("closed_market", "share_max: 0", &forex, 1, 120);
    pu_validation told = judge("checks: [{name: planted, kind: closed_market, severity: error}]", &forex);
    assert_non_null(
        strstr(told.finding[0].message, "its 6240 bars a year do not count them (`plusultra assets set`)"));
    pu_validation_free(&told);
}

static void moves_are_measured_against_habit(void **state) {
    (void)state;
    const double factors[] = {1.5, 1 / 1.5, 8, 1133};
    for (int i = 0; i < 4; ++i) {
        sound(DAY_S, true);
        bars[AT].close = bars[AT].adjusted = bars[AT - 1].close; /* the move is the factor alone */
        scale_from(AT, factors[i]);
        const double size = factors[i] > 1 ? factors[i] : 1 / factors[i];
        char parameters[64];
        snprintf(parameters, sizeof parameters, "factor_min: %.6f", size * 1.0001);
        expect("jump", parameters, &daily, 0, 0);
        snprintf(parameters, sizeof parameters, "factor_min: %.6f", size * 0.9999);
        expect("jump", parameters, &daily, 1, AT);
        expect("jump", "deviations_min: 1000000", &daily, 0, 0);
    }
    /* An asset that doubles and halves every day does what it always does, once its habit is known. */
    sound(DAY_S, true);
    for (int i = 0; i < BARS; i += 2)
        bars[i].open *= 2, bars[i].high *= 2, bars[i].low *= 2, bars[i].close *= 2, bars[i].adjusted *= 2;
    pu_validation out = judge("checks: [{name: jump, kind: jump}]", &daily);
    assert_int_equal(out.warnings, PU__HABIT_BARS_MIN);
    assert_int_equal(out.finding[out.count - 1].ts, bars[PU__HABIT_BARS_MIN].ts);
    pu_validation_free(&out);
    /* The adjustment. */
    sound(DAY_S, true);
    for (int i = 0; i < AT; ++i) bars[i].adjusted *= 0.81;
    expect("adjustment_jump", "ratio_max: 0.24", &daily, 0, 0);
    expect("adjustment_jump", "ratio_max: 0.23", &daily, 1, AT);
    const setting explained = {.asset_class = "equity", .bar_s = DAY_S, .action_at = AT};
    expect("adjustment_jump", "ratio_max: 0.23", &explained, 0, 0);
}

static void splits_stay_at_the_new_level(void **state) {
    (void)state;
    const struct {
        double factor;
        bool split;
    } cases[] = {{0.5, true},        {2, true},     {1.0 / 3, true}, {2.0 / 3, true}, {0.1, true},
                 {0.5 * 1.02, true}, {0.57, false}, {0.55, false},   {1.7, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sound(DAY_S, true);
        scale_from(AT, cases[i].factor);
        expect("split_suspected", "tolerance_ratio: 0.03", &daily, cases[i].split, AT);
        /* The same, taken back three days later. */
        scale_from(AT + 3, 1 / cases[i].factor);
        expect("split_suspected", "tolerance_ratio: 0.03, confirm_bars: 5", &daily, 0, 0);
    }
    /* A fall within the session is no split, however plain its ratio. */
    sound(DAY_S, true);
    scale_from(AT, 0.5);
    bars[AT].open = bars[AT - 1].close;
    bars[AT].high = bars[AT].open * 1.001;
    expect("split_suspected", "", &daily, 0, 0);
    /* At the end of the series nothing contradicts. */
    sound(DAY_S, true);
    scale_from(BARS - 2, 0.5);
    expect("split_suspected", "", &daily, 1, BARS - 2);
    /* After a gap a price may be anywhere. */
    sound(DAY_S, true);
    scale_from(AT, 0.5);
    shift_from(AT, 14 * DAY_S);
    expect("split_suspected", "", &daily, 0, 0);
}

static void stillness_is_counted(void **state) {
    (void)state;
    sound(DAY_S, true);
    for (int i = AT; i < AT + 20; ++i) bars[i] = (pu__bar){bars[i].ts, 90, 90, 90, 90, 90, 0};
    expect("stale", "bars_min: 20", &daily, 1, AT);
    expect("stale", "bars_min: 21", &daily, 0, 0);
    bars[AT + 10].high = 90.5; /* a range in between: two runs of ten and nine */
    expect("stale", "bars_min: 10", &daily, 1, AT);
    expect("stale", "bars_min: 9", &daily, 2, AT);
    bars[AT + 10].high = 90;
    expect("zero_volume", "share_max: 0.05", &daily, 0, 0); /* 20 of 400 */
    expect("zero_volume", "share_max: 0.0499", &daily, 1, AT);
    for (int i = BARS - 20; i < BARS; ++i) bars[i] = (pu__bar){bars[i].ts, 80, 80, 80, 80, 80, 5};
    expect("stale", "bars_min: 20", &daily, 2, AT); /* and one that the series ends in */
    sound(DAY_S, true);
    for (int i = AT; i < AT + 4; ++i) bars[i].volume = NAN;
    expect("partial_volume", "share_max: 0.01", &daily, 0, 0);
    expect("partial_volume", "share_max: 0.0099", &daily, 1, AT);
    for (int i = 0; i < BARS; ++i) bars[i].volume = NAN;
    expect("partial_volume", "", &daily, 0, 0);
}

static void assets_are_judged_as_a_whole(void **state) {
    (void)state;
    sound(DAY_S, true);
    expect("short_history", "bars_min: 400", &daily, 0, 0);
    expect("short_history", "bars_min: 401", &daily, 1, -1);
    expect("no_bars", "", &daily, 0, 0);
    count = 0;
    expect("no_bars", "", &daily, 1, -1);
    expect("short_history", "", &daily, 0, 0);
    for (int i = 0; i < pu__check_kind_count(); ++i) { /* nothing else has a word on an empty series */
        const pu__check_kind *kind = pu__check_kind_at(i);
        if (!kind->store && strcmp(kind->name, "no_bars") != 0) expect(kind->name, "", &daily, 0, 0);
    }
    sound(DAY_S, true);
    pu_asset benchmark = {.id = 2, .symbol = "BENCH", .bar_s = DAY_S, .bars = BARS};
    benchmark.first_ts = bars[0].ts;
    benchmark.last_ts = bars[BARS - 1].ts;
    setting how = {.asset_class = "equity", .bar_s = DAY_S, .benchmark = &benchmark, .benchmark_lacks = 20};
    expect("benchmark_alignment", "share_max: 0.05", &how, 0, 0);
    expect("benchmark_alignment", "share_max: 0.0499", &how, 1, 0);
    benchmark.first_ts = bars[0].ts + 30 * DAY_S;
    expect("benchmark_alignment", "days_max: 30", &how, 0, 0);
    benchmark.first_ts += DAY_S;
    expect("benchmark_alignment", "days_max: 30", &how, 1, 0);
    benchmark.first_ts = bars[0].ts;
    benchmark.last_ts = bars[BARS - 1].ts - 31 * DAY_S;
    expect("benchmark_alignment", "days_max: 30", &how, 1, BARS - 1);
    how.benchmark = NULL;
    expect("benchmark_alignment", "share_max: 0", &how, 0, 0);
}

static void the_most_severe_reports(void **state) {
    (void)state;
    static const char pair[] = "checks:\n"
                               "- {name: weak, kind: jump, factor_min: 1.2, severity: note}\n"
                               "- {name: strong, kind: jump, factor_min: 5, severity: error}\n";
    sound(DAY_S, true);
    scale_from(AT, 10);
    scale_from(300, 1.5);
    pu_validation out = judge(pair, &daily);
    assert_int_equal(out.errors, 1);
    assert_int_equal(out.notes, 1);
    assert_string_equal(out.check[0].name, "weak");
    assert_int_equal(out.check[0].findings, 1);
    assert_int_equal(out.check[1].findings, 1);
    assert_int_equal(out.check[1].checked, BARS);
    assert_int_equal(out.check[1].unexpected, 1);
    assert_int_equal(out.check[1].assets_failed, 1);
    assert_int_equal(out.finding[0].check, 1);
    assert_true(out.finding[0].has_bar);
    assert_true(out.finding[0].bar[3] == bars[AT].close);
    pu_validation_free(&out);
    /* Of many alike, twenty are listed and all are counted. */
    sound(DAY_S, true);
    for (int i = 0; i < 100; ++i) bars[3 * i].high *= 3;
    out = judge("checks: [{name: spike, kind: spike}]", &daily);
    assert_int_equal(out.warnings, 100);
    assert_int_equal(out.count, PU_FINDINGS_DEFAULT);
    assert_int_equal(out.check[0].unexpected, 100);
    pu_validation_free(&out);
    /* A filter that does not cover the asset. */
    out = judge(
        "checks: [{name: spike, kind: spike, symbols: [OTHER]}, {name: mine, kind: spike, symbols: [\"PL*\"]}]",
        &daily);
    assert_int_equal(out.check[0].findings, 0);
    assert_int_equal(out.check[0].assets, 0);
    assert_int_equal(out.check[1].findings, 100);
    pu_validation_free(&out);
}

/* ---- YAML ---- */

static const pu__check *named(const pu__suite *suite, const char *name) {
    for (int i = 0; i < suite->count; ++i) {
        if (strcmp(suite->check[i].name, name) == 0) return &suite->check[i];
    }
    fail_msg("no check %s", name);
    return NULL;
}

static void sets_extend_each_other(void **state) {
    (void)state;
    static const char text[] = "extends: asset_class\n"
                               "checks:\n"
                               "  - name: jump\n"
                               "    factor_min: 1.5\n"
                               "  - {name: spike, enabled: false}\n"
                               "  - {severity: error, name: gap}\n"
                               "  - {name: own, kind: jump, deviations_min: 3, symbols: [AAPL, \"B*\"]}\n";
    pu__suite suite, base;
    for (int i = 0; i < pu__builtin_count(); ++i) {
        assert_int_equal(pu__suite_load(NULL, NULL, 0, pu__builtin_name(i), &base), PU_OK);
        assert_true(base.count >= 20);
        assert_int_equal(pu__suite_load("own.yaml", text, strlen(text), pu__builtin_name(i), &suite), PU_OK);
        assert_int_equal(suite.count, base.count + 1);
        assert_true(named(&suite, "jump")->value[0] == 1.5);
        assert_true(named(&suite, "jump")->value[1] == named(&base, "jump")->value[1]);
        assert_false(named(&suite, "spike")->enabled);
        assert_int_equal(named(&suite, "gap")->severity, PU_SEVERITY_ERROR);
        assert_true(named(&suite, "long_gap")->value[0] == named(&base, "long_gap")->value[0]);
        const pu__check *own = named(&suite, "own");
        assert_int_equal(own->severity, PU_SEVERITY_WARNING);
        assert_true(own->value[0] == 1.35 && own->value[1] == 3);
        assert_true(pu__check_covers(own, "BNO") && pu__check_covers(own, "AAPL") &&
                    !pu__check_covers(own, "SPY"));
        pu__suite_free(&suite);
        pu__suite_free(&base);
    }
}

static void refuse(const char *text, const char *message) {
    pu__suite suite;
    const pu_status status = pu__suite_load("own.yaml", text, strlen(text), "equity", &suite);
    if (status == PU_OK) fail_msg("accepted: %s", text);
    if (status != PU_ERR_CONFIG || !strstr(pu_error_message(), message))
        fail_msg("%s\n  says: %s\n  wanted: %s", text, pu_error_message(), message);
}

static void wrong_sets_are_refused_with_their_line(void **state) {
    (void)state;
    refuse("check: []", "own.yaml:1: check: unknown key; did you mean checks");
    refuse("extends: equty", "own.yaml:1: extends: unknown set 'equty'; did you mean equity?");
    refuse("checks: []\nextends: equity\nextends: equity", "own.yaml:3: extends: duplicate key");
    refuse("checks: [{name: a, kind: jump}]\nextends: equity", "own.yaml:2: extends: has to stand before checks");
    refuse("checks:\n  - {name: a, kind: jumb}", "own.yaml:2: a.kind: unknown kind 'jumb'; did you mean jump?");
    refuse("checks:\n  - {name: a}", "own.yaml:2: a: a new check needs a kind");
    refuse("extends: equity\nchecks:\n  - {name: jmup, factor_min: 2}",
           "own.yaml:3: jmup: has no kind, and the set it extends has no check of that name; did you mean jump?");
    refuse("checks:\n  - {kind: jump}", "own.yaml:2: a check needs a name");
    refuse("checks:\n  - {name: Jump!, kind: jump}", "own.yaml:2: 'Jump!' is no name of a check");
    refuse("checks:\n  - {name: a, kind: jump, factor_mim: 2}",
           "own.yaml:2: a.factor_mim: unknown key; did you mean factor_min?");
    refuse("checks:\n  - {name: a, kind: jump, zzz: 2}",
           "own.yaml:2: a.zzz: unknown key; parameters of kind jump: factor_min, deviations_min");
    refuse("checks:\n  - name: a\n    kind: jump\n    factor_min: 0.5",
           "own.yaml:4: a.factor_min: expects a number from 1 to 1e+09, not '0.5'");
    static const char *const numbers[] = {"nan",  ".nan", "NaN", "inf", ".inf", "-.inf", "1e999",
                                          "0x10", "two",  "''",  "[1]", "{}",   "~",     "\"2\""};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        char text[128];
        snprintf(text, sizeof text, "checks:\n  - {name: a, kind: jump, factor_min: %s}", numbers[i]);
        refuse(text, "own.yaml:2: ");
    }
    refuse("checks:\n  - {name: a, kind: jump, severity: fatal}",
           "own.yaml:2: a.severity: expects one of note, warning, error, not 'fatal'");
    refuse("checks:\n  - {name: a, kind: jump, enabled: yes}",
           "own.yaml:2: a.enabled: expects true or false, not 'yes'");
    refuse("checks:\n  - {name: a, kind: jump, name: b}", "own.yaml:2: name: duplicate key");
    refuse("checks:\n  - {name: a, kind: jump}\n  - {name: a, kind: gap}", "own.yaml:3: a: duplicate check");
    refuse("checks:\n  - {name: a, kind: jump}\n  - {name: a, kind: jump}",
           "own.yaml:3: a: duplicate check, first given in line 2");
    refuse("extends: equity\nchecks: [{name: jump, kind: gap}]",
           "jump.kind: is jump in the set it extends, not gap");
    refuse("checks:\n  - {name: a, kind: jump, symbols: AAPL}", "own.yaml:2: symbols: expects a list");
    refuse("checks:\n  - {name: a, kind: jump, symbols: []}", "own.yaml:2: symbols: is empty");
    refuse("checks:\n  - {name: a, kind: orphans, symbols: [A]}",
           "own.yaml:2: a.symbols: orphans looks at the store");
    refuse("checks: 1", "own.yaml:1: checks: expects a list");
    refuse("checks: [1]", "own.yaml:1: checks: expects entries");
    refuse("[1]", "own.yaml:1: expects `extends:` and `checks:`");
    refuse("checks: []", "holds no check");
    refuse("# nothing", "holds no check");
    refuse("checks: &a [{name: a, kind: jump}]", "anchors (&a) are not accepted");
    refuse("checks: *a", "aliases (*a) are not accepted");
    refuse("extends: equity\n---\nextends: equity", "own.yaml:2: a second document begins here");
    refuse("checks: [", "not valid YAML");
    char many[16384] = "checks:\n";
    size_t used = strlen(many);
    for (int i = 0; i <= PU__CHECKS_MAX; ++i)
        used += (size_t)snprintf(many + used, sizeof many - used, "- {name: c%d, kind: jump}\n", i);
    refuse(many, "own.yaml:258: more than 256 checks");
}

/* One allocation after another fails. */
static void short_memory_is_an_error(void **state) {
    (void)state;
    static const char text[] = "extends: crypto\nchecks: [{name: own, kind: jump, symbols: [A, B]}]";
    pu_status status = PU_ERR_MEMORY;
    int64_t allowed = 0;
    for (; status == PU_ERR_MEMORY && allowed < 1000; ++allowed) {
        pu__suite suite;
        pu_memory_fail_after(allowed);
        status = pu__suite_load("own.yaml", text, strlen(text), "equity", &suite);
        pu_memory_fail_after(-1);
        if (status == PU_OK) pu__suite_free(&suite);
    }
    assert_int_equal(status, PU_OK);
    assert_true(allowed > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_number_ever_passes_as_one),
        cmocka_unit_test(rows_are_judged_by_themselves),
        cmocka_unit_test(times_follow_the_calendar),
        cmocka_unit_test(bars_of_closed_markets_are_counted),
        cmocka_unit_test(moves_are_measured_against_habit),
        cmocka_unit_test(splits_stay_at_the_new_level),
        cmocka_unit_test(stillness_is_counted),
        cmocka_unit_test(assets_are_judged_as_a_whole),
        cmocka_unit_test(the_most_severe_reports),
        cmocka_unit_test(sets_extend_each_other),
        cmocka_unit_test(wrong_sets_are_refused_with_their_line),
        cmocka_unit_test(short_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
