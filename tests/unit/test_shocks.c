/* Scenarios: what each kind makes of a path, by hand; severities; the library; and what is refused, with file, line and
 * the nearest name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/sim/shocks.h"
#include "tests/support/process.h"

enum { STEPS = 20, ASSETS = 2 };

static const pu_asset asset[ASSETS] = {{.symbol = "AAA"}, {.symbol = "BBB"}};
static pu__scenarios library;
static pu__path_shock shock[STEPS * ASSETS];

static void parse(const char *shocks) {
    char text[2000];
    snprintf(text, sizeof text, "scenarios:\n  - name: tested\n    shocks:\n%s", shocks);
    pu__scenarios_free(&library);
    if (pu__scenarios_parse("own.yaml", text, strlen(text), &library) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(library.count, 2);
}

static void lay(double severity) {
    if (pu__scenario_overlay(&library.scenario[1], severity, STEPS, ASSETS, asset, shock) != PU_OK)
        fail_msg("%s", pu_error_message());
}

/* Prices of AAA on a market whose every log-return is `step`, by the path kernel. */
static void walk(float step, double price[STEPS + 1]) {
    float history[STEPS * ASSETS];
    double all[(STEPS + 1) * ASSETS];
    const double weight[ASSETS] = {0};
    pu__process_asset coefficient[ASSETS] = {{.mean = step}, {.mean = step}};
    for (int i = 0; i < STEPS * ASSETS; ++i) history[i] = step;
    const pu__path_scenario s = {.process = PU_PROCESS_REPLAY,
                                 .assets = ASSETS,
                                 .steps = STEPS,
                                 .asset = coefficient,
                                 .shock = shock,
                                 .history = history,
                                 .history_rows = STEPS,
                                 .policy = PU_POLICY_BUY_HOLD,
                                 .weight = weight};
    const pu__path_batch batch = {.count = 1, .price = all};
    assert_int_equal(pu__paths_plain(&s, &batch), PU_OK);
    for (int bar = 0; bar <= STEPS; ++bar) price[bar] = all[bar * ASSETS];
}

/* Shifts are floats: a factor is right to 2^-24 of its logarithm, and so is each of at most 20 of them; expm1 of the
 * kernel is right to 2 ulp of a float (draws.h). */
static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 20 * 3 * ldexp(1.0, -24) * fabs(want))) fail_msg("%.9g, not %.9g", got, want);
}

static void a_gap_moves_the_price_by_its_size(void **state) {
    (void)state;
    double price[STEPS + 1];
    parse("      - {kind: gap, size: -0.3, at: 0.5}\n");
    lay(1.0);
    walk(0.01f, price);
    for (int bar = 0; bar <= STEPS; ++bar)
        assert_near(price[bar], exp((double)0.01f * bar) * (bar >= 11 ? 0.7 : 1.0));
    lay(2.0);
    walk(0.0f, price);
    assert_near(price[10], 1.0);
    assert_near(price[11], 0.4);
    parse("      - {kind: gap, size: 0.5, at_bar: 1}\n");
    lay(0.5);
    walk(0.0f, price);
    assert_near(price[1], 1.25);
    parse("      - {kind: gap, size: -0.3, at: 1}\n"); /* the last bar */
    lay(1.0);
    walk(0.0f, price);
    assert_near(price[STEPS - 1], 1.0);
    assert_near(price[STEPS], 0.7);
}

/* In parts of the logarithm: even, 1 : 2 : 3, 1 : 2 : 1 and 1 : e^-1.5. */
static void a_gap_in_parts_has_a_shape(void **state) {
    (void)state;
    double price[STEPS + 1];
    parse("      - {kind: gap, size: -0.3, at_bar: 4, bars: 3}\n");
    lay(1.0);
    walk(0.0f, price);
    for (int i = 0; i <= 3; ++i) assert_near(price[3 + i], pow(0.7, i / 3.0));
    assert_near(price[STEPS], 0.7);
    parse("      - {kind: gap, size: -0.3, at_bar: 4, bars: 3, shape: ramp}\n");
    lay(1.0);
    walk(0.0f, price);
    assert_near(price[4], pow(0.7, 1.0 / 6));
    assert_near(price[5], pow(0.7, 3.0 / 6));
    assert_near(price[6], 0.7);
    parse("      - {kind: gap, size: -0.3, at_bar: 4, bars: 3, shape: triangle}\n");
    lay(1.0);
    walk(0.0f, price);
    assert_near(price[4], pow(0.7, 1.0 / 4));
    assert_near(price[5], pow(0.7, 3.0 / 4));
    parse("      - {kind: gap, size: -0.3, at_bar: 4, bars: 2, shape: decay}\n");
    lay(1.0);
    walk(0.0f, price);
    assert_near(price[4], pow(0.7, 1.0 / (1.0 + exp(-1.5))));
    assert_near(price[5], 0.7);
}

static void a_flash_crash_comes_back(void **state) {
    (void)state;
    double price[STEPS + 1];
    parse("      - {kind: flash_crash, size: -0.2, at_bar: 5, bars: 2, recovery: 0.75, recovery_bars: 3}\n");
    for (int severity = 0; severity <= 2; ++severity) {
        const double low = 1 - 0.2 * severity, left = 1 - 0.25 * 0.2 * severity;
        lay(severity);
        walk(0.0f, price);
        assert_near(price[4], 1.0);
        assert_near(price[5], sqrt(low));
        assert_near(price[6], low);
        assert_near(price[7], low * pow(left / low, 1.0 / 3));
        assert_near(price[9], left);
        assert_near(price[STEPS], left);
    }
}

static void volatility_and_drift_are_scaled(void **state) {
    (void)state;
    parse("      - {kind: volatility, size: 3, at_bar: 3, bars: 4, shape: decay}\n"
          "      - {kind: reversal, size: -1, at_bar: 5, bars: 100, shape: step}\n");
    lay(0.5);
    for (int step = 0; step < STEPS; ++step) {
        const double share = step >= 2 && step < 6 ? exp(-3.0 * (step - 2) / 4) : 0.0;
        assert_near((double)shock[step * ASSETS].volatility_scale, 1 + 2 * 0.5 * share);
        assert_near((double)shock[step * ASSETS + 1].drift_scale, step >= 4 ? 0.0 : 1.0);
        assert_true(shock[step * ASSETS].shift == 0.0f);
    }
    /* A market that only drifts, turned round: up for 4 bars, down as fast for 16. */
    double price[STEPS + 1];
    lay(1.0);
    walk(0.01f, price);
    assert_near(price[4], exp(0.04));
    assert_near(price[STEPS], exp(0.04 - 0.16));
    assert_int_equal(pu__scenario_cut(&library.scenario[1], STEPS), 1);
    assert_int_equal(pu__scenario_cut(&library.scenario[1], 104), 0);
    assert_int_equal(pu__scenario_cut(&library.scenario[1], 103), 1);
}

static void correlation_and_liquidity_are_scaled(void **state) {
    (void)state;
    parse("      - {kind: correlation, size: 0.4, at_bar: 1, bars: 4, shape: triangle}\n"
          "      - {kind: correlation, size: 0.3, at_bar: 1, bars: 4}\n"
          "      - {kind: liquidity, volume: 0.01, spread: 5, at_bar: 2, bars: 2}\n"
          "      - {kind: liquidity, volume: 0.5, spread: 2, at_bar: 3, bars: 1}\n");
    lay(0.5);
    const double correlation[] = {0.15, 0.2, 0.2, 0.15, 0.0};
    for (int step = 0; step < 5; ++step) assert_near((double)shock[step * ASSETS].correlation, correlation[step]);
    assert_near((double)shock[1 * ASSETS].volume_scale, 0.1);
    assert_near((double)shock[1 * ASSETS].spread_scale, 3.0);
    assert_near((double)shock[2 * ASSETS].volume_scale, 0.1 * sqrt(0.5));
    assert_near((double)shock[2 * ASSETS].spread_scale, 3.0 * 1.5);
    assert_near((double)shock[3 * ASSETS].volume_scale, 1.0);
}

static void shocks_hit_the_assets_they_name(void **state) {
    (void)state;
    parse("      - {kind: gap, size: -0.3, at_bar: 3, assets: [BBB]}\n"
          "      - {kind: gap, size: 0.1, at_bar: 3}\n");
    lay(1.0);
    assert_near((double)shock[2 * ASSETS].shift, log(1.1));
    assert_near((double)shock[2 * ASSETS + 1].shift, log(0.7) + log(1.1));
    assert_int_equal(pu__scenario_check(&library.scenario[1], STEPS, ASSETS, asset), PU_OK);
    assert_int_equal(pu__scenario_check(&library.scenario[1], STEPS, 1, asset), PU_ERR_CONFIG);
    assert_string_equal(pu_error_message(),
                        "own.yaml:4: scenario tested, gap: there is no asset BBB among those that are "
                        "simulated");
    parse("      - {kind: gap, size: -0.3, assets: [BBBB]}\n");
    assert_int_equal(pu__scenario_check(&library.scenario[1], STEPS, ASSETS, asset), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "did you mean BBB?"));
    parse("      - {kind: gap, size: -0.3, at_bar: 21}\n");
    assert_int_equal(pu__scenario_check(&library.scenario[1], STEPS, ASSETS, asset), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "at_bar 21 lies behind the horizon of 20 bars"));
}

static void severity_zero_is_no_shock(void **state) {
    (void)state;
    const pu__path_shock none = {
        .volatility_scale = 1, .drift_scale = 1, .volume_scale = 1, .spread_scale = 1, .correlation = 0};
    pu__scenarios_free(&library);
    assert_int_equal(pu__scenarios_read(NULL, &library), PU_OK);
    for (int i = 0; i < library.count; ++i) {
        assert_int_equal(pu__scenario_overlay(&library.scenario[i], 0.0, STEPS, ASSETS, asset, shock), PU_OK);
        for (int k = 0; k < STEPS * ASSETS; ++k) assert_memory_equal(&shock[k], &none, sizeof none);
    }
}

/* What the defaults of the section stress ask for, over the default horizon. */
static void the_library_can_be_had_at_every_default_severity(void **state) {
    (void)state;
    enum { YEAR = 252 };
    static pu__path_shock year[YEAR * ASSETS];
    static const double severities[] = {0.5, 1, 2};
    pu__scenarios_free(&library);
    assert_int_equal(pu__scenarios_read(NULL, &library), PU_OK);
    assert_true(library.count >= 19);
    assert_string_equal(library.scenario[0].name, PU__BASELINE);
    for (int i = 0; i < library.count; ++i) {
        const pu__scenario *s = &library.scenario[i];
        assert_true(strlen(s->about) > 20 && s->about[strlen(s->about) - 1] == '.');
        assert_int_equal(pu__scenario_check(s, YEAR, ASSETS, asset), PU_OK);
        assert_int_equal(pu__scenario_cut(s, YEAR), 0);
        for (int v = 0; v < 3; ++v) {
            if (pu__scenario_overlay(s, severities[v], YEAR, ASSETS, asset, year) != PU_OK)
                fail_msg("%s", pu_error_message());
        }
        for (int k = 0; k < s->shock_count; ++k) {
            char text[300];
            pu__shock_text(&s->shock[k], text, sizeof text);
            assert_true(strlen(text) > 20 && text[strlen(text) - 1] == '.');
        }
    }
}

static void impossible_severities_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *shock, *message;
        double severity;
    } cases[] = {
        {"{kind: gap, size: -0.3}", "-0.3 times severity 3.4 leaves no price: at most 3.33", 3.4},
        {"{kind: flash_crash, size: -0.5}", "leaves no price", 2},
        {"{kind: correlation, size: 0.5}", "0.5 times severity 2.1 is a correlation above 1: at most 2", 2.1},
        {"{kind: volatility, size: 0}", "makes it a multiple of -0.5: 0 to 1000", 1.5},
        {"{kind: volatility, size: 100}", "makes it a multiple of 1090: 0 to 1000", 11},
        {"{kind: liquidity, spread: 1000}", "makes it a multiple of 1999", 2},
        {"{kind: liquidity, volume: 0.001}", "leaves nothing to trade with", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char line[200];
        snprintf(line, sizeof line, "      - %s\n", cases[i].shock);
        parse(line);
        const pu_status status =
            pu__scenario_overlay(&library.scenario[1], cases[i].severity, STEPS, ASSETS, asset, shock);
        assert_int_equal(status, PU_ERR_CONFIG);
        if (!strstr(pu_error_message(), cases[i].message) ||
            !strstr(pu_error_message(), "own.yaml:4: scenario tested"))
            fail_msg("%s: %s", cases[i].shock, pu_error_message());
    }
    parse("      - {kind: volatility, size: 90}\n      - {kind: volatility, size: 90}\n");
    assert_int_equal(pu__scenario_overlay(&library.scenario[1], 1.0, STEPS, ASSETS, asset, shock), PU_ERR_CONFIG);
    assert_non_null(
        strstr(pu_error_message(), "own.yaml:2: scenario tested: its shocks together are too much at bar 11"));
}

static void faulty_files_name_line_and_key(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "own.yaml: holds no scenario"},
        {"scenarios: []", "holds no scenario"},
        {"scenario: []", "own.yaml:1: unknown key 'scenario'; did you mean scenarios?"},
        {"- a", "own.yaml:1: expects `scenarios:`"},
        {"scenarios:\n  - {shocks: [{kind: gap, size: 1}]}", "own.yaml:2: a scenario needs a name"},
        {"scenarios:\n  - {name: a}", "own.yaml:2: a: a scenario needs shocks"},
        {"scenarios:\n  - {name: A b, shocks: []}", "'A b' is no name of a scenario"},
        {"scenarios:\n  - {name: baseline}", "baseline is the market without a shock"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1}]}\n  - {name: a}",
         "own.yaml:3: a: duplicate scenario, first given in line 2"},
        {"scenarios:\n  - {name: a, name: b}", "name: duplicate key"},
        {"scenarios:\n  - {name: a, abuot: x}", "unknown key of a scenario 'abuot'; did you mean about?"},
        {"scenarios:\n  - {name: a, shocks: [{size: 1}]}", "a: a shock needs a kind"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gaap, size: 1}]}",
         "unknown kind of shock 'gaap'; did you mean gap?"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap}]}", "a: a shock of kind gap needs size"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, sise: 1}]}",
         "unknown key of a shock of kind gap 'sise'; did you mean size?"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: -1}]}",
         "gap.size: expects a number from -0.999 to 10, not '-1'"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: x}]}", "gap.size: expects a number"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: .nan}]}", "gap.size: expects a number"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, bars: 0}]}", "gap.bars: expects a whole number"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, at: 1.5}]}",
         "gap.at: expects a number from 0 to 1"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, at: 0, at_bar: 2}]}",
         "at and at_bar exclude each other"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, shape: round}]}",
         "gap.shape: expects one of step, decay"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, size: 2}]}", "a: size: duplicate key"},
        {"scenarios:\n  - {name: a, shocks: [{kind: flash_crash, size: 1, shape: ramp}]}",
         "unknown key of a shock of kind flash_crash 'shape'"},
        {"scenarios:\n  - {name: a, shocks: [{kind: volatility, size: -1}]}",
         "volatility.size: expects a number from 0 to 100"},
        {"scenarios:\n  - {name: a, shocks: [{kind: correlation, size: 1.5}]}",
         "correlation.size: expects a number from 0 to 1"},
        {"scenarios:\n  - {name: a, shocks: [{kind: correlation, size: 0.5, assets: [A]}]}",
         "a correlation is of all assets"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, assets: []}]}", "assets is empty"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1, assets: A}]}", "assets expects a list"},
        {"scenarios:\n  - {name: a, shocks: [gap]}", "shocks expects entries"},
        {"scenarios:\n  - {name: a, shocks: gap}", "shocks expects a list"},
        {"scenarios:\n  - &x {name: a}", "anchors (&x) are not accepted"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1}]}\nmore: 1",
         "own.yaml:3: a file of scenarios holds"},
        {"scenarios:\n  - {name: a, shocks: [{kind: gap, size: 1}]}\n---\na: 1", "a second document"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        pu__scenarios faulty;
        const pu_status status = pu__scenarios_parse("own.yaml", cases[i].text, strlen(cases[i].text), &faulty);
        pu__scenarios_free(&faulty);
        if (status != PU_ERR_CONFIG || !strstr(pu_error_message(), cases[i].message))
            fail_msg("%s\ngave %s: %s", cases[i].text, pu_status_name(status),
                     status == PU_OK ? "" : pu_error_message());
    }
    pu__scenarios none;
    assert_int_equal(pu__scenarios_read("/no/such/file.yaml", &none), PU_ERR_NOT_FOUND);
}

static void unknown_scenarios_have_a_nearest(void **state) {
    (void)state;
    int index = -1;
    pu__scenarios_free(&library);
    assert_int_equal(pu__scenarios_read(NULL, &library), PU_OK);
    assert_int_equal(pu__scenarios_find(&library, "pandemic_2020", &index), PU_OK);
    assert_string_equal(library.scenario[index].name, "pandemic_2020");
    assert_int_equal(pu__scenarios_find(&library, "pandemic_2002", &index), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "did you mean pandemic_2020?"));
    assert_int_equal(pu__scenarios_find(&library, "qqqqqqqq", &index), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "--list"));
}

static int drop_library(void **state) {
    (void)state;
    pu__scenarios_free(&library);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_moves_the_price_by_its_size),
        cmocka_unit_test(a_gap_in_parts_has_a_shape),
        cmocka_unit_test(a_flash_crash_comes_back),
        cmocka_unit_test(volatility_and_drift_are_scaled),
        cmocka_unit_test(correlation_and_liquidity_are_scaled),
        cmocka_unit_test(shocks_hit_the_assets_they_name),
        cmocka_unit_test(severity_zero_is_no_shock),
        cmocka_unit_test(the_library_can_be_had_at_every_default_severity),
        cmocka_unit_test(impossible_severities_are_refused),
        cmocka_unit_test(faulty_files_name_line_and_key),
        cmocka_unit_test(unknown_scenarios_have_a_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, drop_library);
}
