/* Calibrations of whole markets: correlations, the path kernel's coefficients, determinism, and requests that are
 * refused before anything runs. Seeds are fixed; limits of 4 standard errors are passed by chance once in 16,000. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/histories.h"

static const pu_process brownian = {PU_SIM_GBM, {.gbm = {0.08, 0.2}}};
static const pu_process jumping = {PU_SIM_MERTON, {.merton = {0.1, 0.15, 15.0, -0.02, 0.03}}};
static const pu_process heston = {PU_SIM_HESTON, {.heston = {0.1, 0.04, 0.04, 10.0, 0.8, -0.4, false}}};
static const pu_process clustered = {PU_SIM_GARCH, {.garch = {0.0005, 4e-6, 0.09, 0.88, 6.0, 0.0}}};
static const pu_process lively = {PU_SIM_GARCH, {.garch = {0.0005, 4e-6, 0.12, 0.83, 12.0, 0.0}}};
static const pu_process switching = {PU_SIM_REGIMES,
                                     {.regimes = {2, {{0.15, 0.10}, {-0.2, 0.35}}, {0.98, 0.02, 0.05, 0.95}}}};

enum { ASSETS = 3 };
static const double correlation[ASSETS * ASSETS] = {1.0, 0.7, -0.3, 0.7, 1.0, 0.1, -0.3, 0.1, 1.0};

static pu__market make(const pu_process *process, int64_t rows, uint64_t seed) {
    return test_simulated_market(process, ASSETS, correlation, rows, 252.0, seed);
}

static void must(pu_status status) {
    if (status != PU_OK) fail_msg("%s", pu_error_message());
}

static void correlations_are_found(const pu_process *process, int64_t rows, uint64_t seed) {
    pu__market market = make(process, rows, seed);
    pu__calibration c;
    must(pu__calibrate(&market, process->kind, NULL, NULL, &c));
    for (int a = 0; a < ASSETS; ++a) {
        assert_true(c.correlation[a * ASSETS + a] == 1.0);
        for (int b = 0; b < a; ++b) {
            const int at = a * ASSETS + b;
            print_message("%-8s %d %d: %.4f +- %.4f, truth %.2f\n", pu__process_name(process->kind), a, b,
                          c.correlation[at], c.correlation_error[at], correlation[at]);
            assert_true(c.correlation[at] == c.correlation[b * ASSETS + a]);
            assert_true(c.correlation_error[at] > 0.0 && c.correlation_error[at] < 0.1);
            assert_true(fabs(c.correlation[at] - correlation[at]) <= 4.0 * c.correlation_error[at]);
        }
    }
    assert_int_equal(c.repair.clipped, 0);
    pu__calibration_free(&c);
    pu__market_free(&market);
}

static void correlations_of_every_process_are_found(void **state) {
    (void)state;
    correlations_are_found(&brownian, 1500, 1);
    correlations_are_found(&jumping, 1500, 2);
    correlations_are_found(&clustered, 2000, 3);
    correlations_are_found(&switching, 1500, 4);
    correlations_are_found(&heston, 1000, 5);
}

/* ---- correlations of the returns ---- */

enum { HISTORIES = 100 };

static double return_correlation(const double *price, int64_t rows, int a, int b) {
    double sa = 0.0, sb = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
    const double n = (double)rows;
    for (int64_t t = 0; t < rows; ++t) {
        const double x = log(price[(t + 1) * ASSETS + a] / price[t * ASSETS + a]);
        const double y = log(price[(t + 1) * ASSETS + b] / price[t * ASSETS + b]);
        sa += x;
        sb += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    return (ab - sa * sb / n) / sqrt((aa - sa * sa / n) * (bb - sb * sb / n));
}

/* Of histories that the path kernel makes of a calibration: what their returns' correlations are, and how well the
 * mean is known. */
static void simulated_correlations(const pu__calibration *c, const pu__market *market, double *mean,
                                   double *error) {
    const int64_t rows = c->rows;
    double *price = pu_calloc((size_t)(HISTORIES * (rows + 1) * ASSETS), sizeof *price);
    assert_non_null(price);
    const double weight[ASSETS] = {0.0};
    pu__path_scenario scenario = {.seed = 77, .steps = (int32_t)rows, .weight = weight};
    pu__calibration_scenario(c, market, true, &scenario);
    const pu__path_batch batch = {.count = HISTORIES, .price = price};
    must(pu__paths_cpu(&scenario, &batch, NULL));
    for (int at = 0; at < ASSETS * ASSETS; ++at) {
        double sum = 0.0, square = 0.0;
        for (int h = 0; h < HISTORIES; ++h) {
            const double r = return_correlation(price + h * (rows + 1) * ASSETS, rows, at / ASSETS, at % ASSETS);
            sum += r / HISTORIES;
            square += r * r / HISTORIES;
        }
        mean[at] = sum;
        error[at] = sqrt(fmax(square - sum * sum, 0.0) / (HISTORIES - 1));
    }
    pu_free(price);
}

/* The market's own correlations are what a calibration simulates, within what 128 and 100 histories tell; and both are
 * within the stated error of `truth`. */
static void returns_are_recovered(const pu__market *market, pu_process_kind kind, const double *truth) {
    pu__calibration c;
    double mean[ASSETS * ASSETS], error[ASSETS * ASSETS];
    must(pu__calibrate(market, kind, NULL, NULL, &c));
    simulated_correlations(&c, market, mean, error);
    for (int a = 0; a < ASSETS; ++a) {
        for (int b = 0; b < a; ++b) {
            const int at = a * ASSETS + b;
            const double history = return_correlation(market->price, c.rows, a, b);
            const double stated = c.correlation_error[at]; /* of the draws: above that of returns */
            print_message("%s %d %d: returns %.4f, truth %.4f, simulated %.4f +- %.4f, draws %.4f, error %.4f\n",
                          pu__process_name(kind), a, b, history, truth[at], mean[at], error[at], c.correlation[at],
                          stated);
            assert_true(fabs(c.return_correlation[at] - history) < 1e-12);
            assert_true(fabs(c.return_correlation_model[at] - history) < 1e-3);
            assert_true(fabs(mean[at] - history) <= 4.0 * sqrt(1.0 + HISTORIES / 128.0) * error[at]);
            assert_true(fabs(mean[at] - truth[at]) <= 4.0 * fabs(stated));
        }
    }
    pu__calibration_free(&c);
}

/* Independent normals become returns with one variance for all assets, a GARCH process of the first one's squares:
 * variances that move together, which no asset by itself tells. The returns are correlated as the normals are. */
static pu__market with_common_variance(int64_t rows, uint64_t of_seed) {
    pu__market market = make(&brownian, rows, of_seed);
    double *price = pu_calloc((size_t)((rows + 1) * ASSETS), sizeof *price), variance = 1e-4;
    const double drift = (0.08 - 0.5 * 0.2 * 0.2) / 252.0, unit = 0.2 / sqrt(252.0);
    assert_non_null(price);
    for (int a = 0; a < ASSETS; ++a) price[a] = 1.0;
    for (int64_t t = 0; t < rows; ++t) {
        double first = 0.0;
        for (int a = ASSETS - 1; a >= 0; --a) {
            first = (log(market.price[(t + 1) * ASSETS + a] / market.price[t * ASSETS + a]) - drift) / unit;
            price[(t + 1) * ASSETS + a] = price[t * ASSETS + a] * exp(sqrt(variance) * first);
        }
        variance = 2e-6 + variance * (0.15 * first * first + 0.83);
    }
    memcpy(market.price, price, (size_t)((rows + 1) * ASSETS) * sizeof *price);
    pu_free(price);
    return market;
}

static void correlations_of_returns_are_recovered(void **state) {
    (void)state;
    /* of the simulator's own model: what a history 100 times as long has */
    pu__market market = make(&lively, 200000, 16);
    double truth[ASSETS * ASSETS];
    for (int at = 0; at < ASSETS * ASSETS; ++at)
        truth[at] = return_correlation(market.price, market.rows - 1, at / ASSETS, at % ASSETS);
    assert_true(truth[3] < 0.97 * correlation[3]);
    pu__market_free(&market);
    market = make(&lively, 3000, 17);
    returns_are_recovered(&market, PU_SIM_GARCH, truth);
    pu__market_free(&market);
    market = with_common_variance(3000, 18);
    returns_are_recovered(&market, PU_SIM_GARCH, correlation);
    pu__market_free(&market);
    market = with_common_variance(1200, 20);
    returns_are_recovered(&market, PU_SIM_HESTON, correlation);
    pu__market_free(&market);
}

/* Two assets of one price under Heston, whose variances are drawn apart: their draws would need more than 1. */
static void correlations_that_cannot_be_had_are_named(void **state) {
    (void)state;
    pu__market market = make(&heston, 1000, 19);
    for (int64_t t = 0; t < market.rows; ++t) market.price[t * 3 + 1] = 2.0 * market.price[t * 3];
    pu__calibration c;
    char text[PU__MISSED_BYTES];
    must(pu__calibrate(&market, PU_SIM_HESTON, NULL, NULL, &c));
    assert_true(pu__calibration_misses(&c, 0, 1) && pu__calibration_misses(&c, 1, 0));
    assert_false(pu__calibration_misses(&c, 0, 0));
    assert_true(c.correlation_wanted[1] > 1.05);
    assert_true(fabs(c.correlation[1]) <= 1.0);
    assert_true(c.return_correlation_model[1] < 0.95);
    assert_true(c.return_correlation[1] > 0.9999);
    pu__calibration_missed_text(&c, &market, text, sizeof text);
    print_message("%s\n", text);
    assert_non_null(strstr(text, "A0 and A1 1.000, simulated 0."));
    json_t *json = pu__calibration_json(&c, &market, NULL);
    const json_t *missed = json_array_get(json_object_get(json_object_get(json, "returns"), "missed"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(missed, "assets"), 1)), "A1");
    assert_true(json_real_value(json_object_get(missed, "draws_wanted")) == c.correlation_wanted[1]);
    json_decref(json);
    pu__calibration_free(&c);
    must(pu__calibrate(&market, PU_SIM_GBM, NULL, NULL, &c));
    pu__calibration_missed_text(&c, &market, text, sizeof text);
    assert_string_equal(text, "");
    json = pu__calibration_json(&c, &market, NULL);
    assert_true(json_is_null(json_object_get(json, "returns")));
    json_decref(json);
    pu__calibration_free(&c);
    pu__market_free(&market);
}

/* Half of a plain correlation's errors are too small under fat tails; those stated here are not. */
static void errors_of_correlations_hold_for_fat_tails(void **state) {
    (void)state;
    enum { REPEATS = 60 };
    double mean = 0.0, spread = 0.0, stated = 0.0, found[REPEATS];
    const pu_process fat = {PU_SIM_GARCH, {.garch = {0.0, 1e-5, 0.0, 0.9, 5.0, 0.0}}};
    for (int i = 0; i < REPEATS; ++i) {
        pu__market market = make(&fat, 500, 100 + (uint64_t)i);
        pu__calibration c;
        must(pu__calibrate(&market, PU_SIM_GBM, NULL, NULL, &c));
        found[i] = c.correlation[1];
        mean += found[i] / REPEATS;
        stated += c.correlation_error[1] * c.correlation_error[1] / REPEATS;
        pu__calibration_free(&c);
        pu__market_free(&market);
    }
    for (int i = 0; i < REPEATS; ++i) spread += (found[i] - mean) * (found[i] - mean) / (REPEATS - 1);
    const double d = REPEATS - 1, middle = 1.0 - 2.0 / (9.0 * d), reach = 4.0 * sqrt(2.0 / (9.0 * d));
    print_message("spread / stated error %.2f\n", sqrt(spread / stated));
    assert_true(spread / stated > pow(middle - reach, 3) && spread / stated < pow(middle + reach, 3));
}

/* ---- what the kernel gets ---- */

static void coefficients_begin_at_the_end_or_settled(void **state) {
    (void)state;
    pu__market market = make(&clustered, 1500, 6);
    pu__calibration c;
    must(pu__calibrate(&market, PU_SIM_GARCH, NULL, NULL, &c));
    const pu_garch *p = &c.fit[1].process.of.garch;
    pu__process_asset expected;
    must(pu__process_make(&c.fit[1].process, 1.0 / 252.0, &expected));
    assert_memory_equal(&c.asset[1], &expected, sizeof expected);
    assert_true(c.asset[1].variance_start == (float)p->variance_start);
    assert_true(c.settled[1].variance_start == (float)(p->omega / (1.0 - p->alpha - p->beta)));
    /* the variance of the step behind the last, from the sample's on */
    double mean = 0.0, variance = 0.0;
    const int64_t rows = market.rows - 1;
    for (int64_t t = 0; t < rows; ++t)
        mean += log(market.price[(t + 1) * 3 + 1] / market.price[t * 3 + 1]) / (double)rows;
    for (int64_t t = 0; t < rows; ++t)
        variance += pow(log(market.price[(t + 1) * 3 + 1] / market.price[t * 3 + 1]) - mean, 2) / (double)rows;
    variance = p->omega + (p->alpha + p->beta) * variance;
    for (int64_t t = 0; t < rows; ++t) {
        const double apart = log(market.price[(t + 1) * 3 + 1] / market.price[t * 3 + 1]) - p->mean;
        variance = p->omega + p->alpha * apart * apart + p->beta * variance;
    }
    assert_true(fabs(variance / p->variance_start - 1.0) < 1e-9);
    pu__path_scenario scenario = {0};
    pu__calibration_scenario(&c, &market, false, &scenario);
    assert_int_equal(scenario.process, PU_PROCESS_GARCH);
    assert_int_equal(scenario.assets, ASSETS);
    assert_ptr_equal(scenario.asset, c.asset);
    pu__calibration_scenario(&c, &market, true, &scenario);
    assert_ptr_equal(scenario.asset, c.settled);
    assert_ptr_equal(scenario.factor, c.factor);
    pu__calibration_free(&c);
    pu__calibration_free(&c);
    pu__market_free(&market);
}

static void regimes_are_in_the_order_of_their_volatility(void **state) {
    (void)state;
    pu__market market = make(&switching, 1500, 7);
    pu__calibration c;
    must(pu__calibrate(&market, PU_SIM_REGIMES, NULL, NULL, &c));
    assert_int_equal(c.fit[0].process.of.regimes.count, 2); /* as BIC has it */
    for (int a = 0; a < ASSETS; ++a) {
        const pu_regimes *r = &c.fit[a].process.of.regimes;
        assert_true(r->regime[0].volatility < r->regime[1].volatility);
        for (int k = 0; k < 4; ++k) assert_true(r->transition[k] == c.fit[0].process.of.regimes.transition[k]);
    }
    assert_int_equal(c.regime_settled, 0); /* 5 / 7 of the time */
    assert_true(c.cumulative[0][0] == (float)c.fit[0].process.of.regimes.transition[0]);
    pu__calibration_free(&c);
    const pu__calibrate_options three = {.regimes = 3};
    must(pu__calibrate(&market, PU_SIM_REGIMES, &three, NULL, &c));
    const pu_regimes *r = &c.fit[0].process.of.regimes;
    assert_int_equal(r->count, 3);
    pu__calibration_free(&c);
    pu__market_free(&market);
}

static void blocks_are_the_mean_of_the_assets(void **state) {
    (void)state;
    pu__market market = make(&clustered, 1500, 8);
    pu__calibration c;
    must(pu__calibrate(&market, PU_SIM_BOOTSTRAP, NULL, NULL, &c));
    double mean = 0.0, drift = 0.0;
    for (int a = 0; a < ASSETS; ++a) mean += fmax(c.fit[a].estimate[0].value, c.fit[a].estimate[1].value) / ASSETS;
    for (int64_t t = 0; t < c.rows; ++t) drift += (double)market.log_return[t * ASSETS] / (double)c.rows;
    assert_true(mean > 3.0);
    assert_true(fabs(c.block_bars - mean) < 1e-9);
    assert_true(fabs((double)c.asset[0].mean - drift) < 1e-7);
    pu__path_scenario scenario = {0};
    pu__calibration_scenario(&c, &market, false, &scenario);
    assert_ptr_equal(scenario.history, market.log_return);
    assert_int_equal(scenario.history_rows, 1500);
    assert_true(scenario.restart == (float)(1.0 / mean));
    pu__calibration_free(&c);
    pu__market_free(&market);
}

/* Two assets of one price: the correlations have an eigenvalue of 0, which is raised and said. */
static void impossible_correlations_are_repaired_and_reported(void **state) {
    (void)state;
    pu__market market = make(&brownian, 500, 9);
    for (int64_t t = 0; t < market.rows; ++t) market.price[t * 3 + 1] = 2.0 * market.price[t * 3];
    pu__calibration c;
    must(pu__calibrate(&market, PU_SIM_GBM, NULL, NULL, &c));
    assert_int_equal(c.repair.clipped, 1);
    assert_true(fabs(c.repair.least_eigenvalue) < 1e-7);
    assert_true(c.repair.largest_change < 1e-6);
    json_t *json = pu__calibration_json(&c, &market, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "repair"), "clipped")), 1);
    json_decref(json);
    pu__calibration_free(&c);
    pu__market_free(&market);
}

/* ---- the same bits ---- */

static void same_at_any_number_of_threads(const pu_process *process, pu_process_kind kind, int64_t rows) {
    pu__market market = make(process, rows, 10);
    pu_pool *pool[2];
    pu__calibration c[2];
    json_t *json[2];
    for (int i = 0; i < 2; ++i) {
        must(pu_pool_new(1 + i, &pool[i]));
        must(pu__calibrate(&market, kind, NULL, pool[i], &c[i]));
        pu__misfit misfit[ASSETS * PU__MISFIT_COUNT];
        must(pu__calibration_misfit(&c[i], &market, 20, 3, pool[i], misfit));
        json[i] = pu__calibration_json(&c[i], &market, misfit);
    }
    assert_memory_equal(c[0].asset, c[1].asset, ASSETS * sizeof *c[0].asset);
    assert_memory_equal(c[0].factor, c[1].factor, ASSETS * ASSETS * sizeof *c[0].factor);
    assert_true(json_equal(json[0], json[1])); /* every figure: errors, likelihoods, misfits */
    for (int i = 0; i < 2; ++i) {
        json_decref(json[i]);
        pu__calibration_free(&c[i]);
        pu_pool_free(pool[i]);
    }
    pu__market_free(&market);
}

static void threads_change_no_bit(void **state) {
    (void)state;
    same_at_any_number_of_threads(&brownian, PU_SIM_GBM, 200);
    same_at_any_number_of_threads(&jumping, PU_SIM_MERTON, 500);
    same_at_any_number_of_threads(&heston, PU_SIM_HESTON, 1000);
    same_at_any_number_of_threads(&clustered, PU_SIM_GARCH, 500);
    same_at_any_number_of_threads(&switching, PU_SIM_REGIMES, 500);
    same_at_any_number_of_threads(&brownian, PU_SIM_BOOTSTRAP, 200);
}

/* ---- what is refused, and what is said ---- */

static void refuse(pu__market *market, pu_process_kind kind, const pu__calibrate_options *options,
                   pu_status expected, const char *message) {
    pu__calibration c;
    assert_int_equal(pu__calibrate(market, kind, options, NULL, &c), expected);
    if (!strstr(pu_error_message(), message)) fail_msg("'%s' has no '%s'", pu_error_message(), message);
    assert_null(c.fit);
}

static void histories_that_cannot_be_fitted_are_refused(void **state) {
    (void)state;
    pu__market market = make(&brownian, 499, 11);
    refuse(&market, PU_SIM_GARCH, NULL, PU_ERR_DATA, "garch needs 501 bars that all assets have");
    refuse(&market, PU_SIM_HESTON, NULL, PU_ERR_DATA, "heston needs 1001 bars");
    const pu__calibrate_options five = {.regimes = 5};
    refuse(&market, PU_SIM_REGIMES, &five, PU_ERR_CONFIG, "5 regimes: 2 to 4");
    market.price[7 * 3 + 2] = (double)NAN;
    refuse(&market, PU_SIM_GBM, NULL, PU_ERR_DATA,
           "A2: the return of the bar of 2001-09-16T01:46:40Z is not a number");
    for (int64_t t = 0; t < market.rows; ++t) market.price[t * 3 + 2] = 5.0;
    refuse(&market, PU_SIM_GBM, NULL, PU_ERR_DATA, "A2: its price does not move");
    pu__market_free(&market);
}

/* A variance that grows a hundredfold and never comes back: persistence goes to 1. */
static void a_border_is_an_error(void **state) {
    (void)state;
    pu__market market = make(&brownian, 1000, 12);
    double *log_price = pu_calloc((size_t)market.rows, sizeof *log_price);
    assert_non_null(log_price);
    for (int64_t t = 1; t < market.rows; ++t) {
        const double scale = pow(100.0, (double)t / 1000.0);
        log_price[t] = log_price[t - 1] + 0.1 * scale * log(market.price[t * 3] / market.price[(t - 1) * 3]);
    }
    for (int64_t t = 0; t < market.rows; ++t) market.price[t * 3] = exp(log_price[t]);
    pu_free(log_price);
    refuse(&market, PU_SIM_GARCH, NULL, PU_ERR_DATA, "A0: alpha + beta is");
    pu__market_free(&market);
}

static void fellers_condition_is_asked_for(void **state) {
    (void)state;
    const pu_process wild = {PU_SIM_HESTON, {.heston = {0.1, 0.04, 0.04, 4.0, 1.2, -0.4, false}}};
    pu__market market = test_simulated_market(&wild, 1, NULL, 1000, 252.0, 13);
    const pu__calibrate_options feller = {.feller = true};
    refuse(&market, PU_SIM_HESTON, &feller, PU_ERR_DATA, "A0, as fitted: 2 * reversion * variance_mean");
    pu__market_free(&market);
}

/* Independent normal returns: nothing clusters, no tail is fat. */
static void what_a_history_does_not_tell_is_said(void **state) {
    (void)state;
    pu__market market = test_simulated_market(&brownian, 1, NULL, 1500, 252.0, 14);
    pu__calibration c;
    must(pu__calibrate(&market, PU_SIM_GARCH, NULL, NULL, &c));
    print_message("GARCH: %s\n", c.fit[0].note);
    assert_true(strstr(c.fit[0].note, "dof is held") || strstr(c.fit[0].note, "alpha is at its border"));
    pu__calibration_free(&c);
    pu__market_free(&market);
}

static void names_of_processes(void **state) {
    (void)state;
    for (int k = PU_SIM_GBM; k <= PU_SIM_BOOTSTRAP; ++k) {
        pu_process_kind kind;
        must(pu__process_named(pu__process_name((pu_process_kind)k), &kind));
        assert_int_equal(kind, k);
    }
    pu_process_kind kind;
    assert_int_equal(pu__process_named("hestn", &kind), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "did you mean 'heston'"));
}

static void no_memory_is_an_error(const pu_process *process, pu_process_kind kind) {
    pu__market market = make(process, 500, 15);
    const pu__calibrate_options two = {.regimes = 2};
    int64_t faults = 0;
    for (pu_status status = PU_ERR_MEMORY; status != PU_OK; ++faults) {
        pu__calibration c;
        pu__misfit misfit[ASSETS * PU__MISFIT_COUNT];
        pu_memory_fail_after(faults);
        status = pu__calibrate(&market, kind, &two, NULL, &c);
        if (status == PU_OK) status = pu__calibration_misfit(&c, &market, 20, 1, NULL, misfit);
        pu_memory_fail_after(-1);
        assert_true(status == PU_OK || status == PU_ERR_MEMORY);
        pu__calibration_free(&c);
    }
    assert_true(faults > 8);
    pu__market_free(&market);
}

static void no_memory_leaks_nothing(void **state) {
    (void)state;
    no_memory_is_an_error(&brownian, PU_SIM_GBM);
    no_memory_is_an_error(&brownian, PU_SIM_BOOTSTRAP);
    no_memory_is_an_error(&switching, PU_SIM_REGIMES);
    no_memory_is_an_error(&clustered, PU_SIM_GARCH);
}

static int silence(void **state) {
    (void)state;
    pu_progress_silence(true);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlations_of_every_process_are_found),
        cmocka_unit_test(correlations_of_returns_are_recovered),
        cmocka_unit_test(correlations_that_cannot_be_had_are_named),
        cmocka_unit_test(errors_of_correlations_hold_for_fat_tails),
        cmocka_unit_test(coefficients_begin_at_the_end_or_settled),
        cmocka_unit_test(regimes_are_in_the_order_of_their_volatility),
        cmocka_unit_test(blocks_are_the_mean_of_the_assets),
        cmocka_unit_test(impossible_correlations_are_repaired_and_reported),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(histories_that_cannot_be_fitted_are_refused),
        cmocka_unit_test(a_border_is_an_error),
        cmocka_unit_test(fellers_condition_is_asked_for),
        cmocka_unit_test(what_a_history_does_not_tell_is_said),
        cmocka_unit_test(names_of_processes),
        cmocka_unit_test(no_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, silence, NULL);
}
