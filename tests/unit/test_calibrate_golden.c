/* Fits beside those of arch, statsmodels and SciPy on the same returns (tests/golden/calibration.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/sim/facts.h"
#include "host/sim/regime_chain.h"
#include "plusultra/memory.h"
#include "tests/support/golden.h"
#include "tests/support/histories.h"

enum { ROWS = 900, K = PU__REGIMES_MAX };
static const double day = 1.0 / 252.0;

static json_t *golden;

static int open_golden(void **state) {
    (void)state;
    golden = golden_load("calibration.json");
    return 0;
}

static int close_golden(void **state) {
    (void)state;
    json_decref(golden);
    return 0;
}

static pu__returns series(const char *name, double x[ROWS]) {
    assert_int_equal(golden_list(json_object_get(json_object_get(golden, "series"), name), x, ROWS), ROWS);
    return test_returns(x, ROWS, day);
}

static void values(const char *part, const char *key, double *out, int64_t count) {
    assert_int_equal(golden_list(json_object_get(json_object_get(golden, part), key), out, count), count);
}

/* Two optimisers on one likelihood: apart by what each stops at, far below a standard error. */
static void near_by(const char *name, double got, double want, double error, double share) {
    if (!(fabs(got - want) <= share * error))
        fail_msg("%s: %.9g, not %.9g: %.3g standard errors", name, got, want, fabs(got - want) / error);
}

/* arch differentiates the likelihood with steps of its own: errors agree to a few parts in a hundred. */
static void garch_is_that_of_arch(void **state) {
    (void)state;
    double x[ROWS], value[5], error[5];
    const pu__returns r = series("garch", x);
    pu__fit fit;
    assert_int_equal(pu__fit_garch(&r, &fit), PU_OK);
    values("garch", "value", value, 5);
    values("garch", "error", error, 5);
    assert_true(fit.converged);
    for (int i = 0; i < 5; ++i) {
        near_by(fit.estimate[i].name, fit.estimate[i].value, value[i], error[i], 0.01);
        near_by(fit.estimate[i].name, fit.estimate[i].error, error[i], error[i], 0.03);
    }
    const double likelihood = golden_real(json_object_get(golden, "garch"), "log_likelihood");
    assert_true(fabs(fit.log_likelihood - likelihood) < 1e-4);
}

static void jumps_are_those_of_scipy(void **state) {
    (void)state;
    double x[ROWS], value[5];
    const pu__returns r = series("jumps", x);
    pu__fit fit;
    assert_int_equal(pu__fit_merton(&r, &fit), PU_OK);
    values("merton", "value", value, 5);
    assert_true(fit.converged);
    near_by("volatility", fit.estimate[1].value, value[1] / sqrt(day), fit.estimate[1].error, 0.01);
    near_by("jumps_per_year", fit.estimate[2].value, value[2] / day, fit.estimate[2].error, 0.01);
    near_by("jump_mean", fit.estimate[3].value, value[3], fit.estimate[3].error, 0.01);
    near_by("jump_deviation", fit.estimate[4].value, value[4], fit.estimate[4].error, 0.01);
    const double jump = exp(value[3] + 0.5 * value[4] * value[4]) - 1.0;
    const double growth = (value[0] + 0.5 * value[1] * value[1] + value[2] * jump) / day;
    near_by("growth", fit.estimate[0].value, growth, fit.estimate[0].error, 0.01);
    const double likelihood = golden_real(json_object_get(golden, "merton"), "log_likelihood");
    assert_true(fabs(fit.log_likelihood - likelihood) < 1e-4);
}

/* At given parameters the filter and the smoother are arithmetic: the same but for rounding. */
static void filter_and_smoother_are_those_of_statsmodels(void **state) {
    (void)state;
    double x[ROWS], at[6], smoothed[ROWS / 90], pairs[K][K], work[2];
    const pu__returns r = series("regimes", x);
    values("regimes", "at", at, 6);
    values("regimes", "smoothed_at", smoothed, ROWS / 90);
    for (int t = 0; t < ROWS; ++t) x[t] = (x[t] - r.mean) / r.deviation;
    pu__chain chain;
    assert_int_equal(pu__chain_new(2, 1, &chain), PU_OK);
    chain.correlation[0] = 1.0;
    for (int k = 0; k < 2; ++k) {
        chain.transition[k][0] = at[k];
        chain.transition[k][1] = 1.0 - at[k];
        chain.mean[k] = at[2 + k];
        chain.deviation[k] = sqrt(at[4 + k]);
    }
    pu__chain_stationary(&chain, chain.start);
    assert_true(fabs(chain.start[0] - at[1] / (1.0 - at[0] + at[1])) < 1e-11);
    assert_true(pu__chain_prepare(&chain));
    double *filtered = pu_calloc(ROWS * K, sizeof *filtered), *gain = pu_calloc(ROWS, sizeof *gain), sum = 0.0;
    assert_true(filtered && gain);
    const double likelihood = pu__chain_filter(&chain, x, ROWS, filtered, gain, work);
    assert_true(fabs(likelihood - golden_real(json_object_get(golden, "regimes"), "log_likelihood_at")) < 1e-8);
    for (int t = 0; t < ROWS; ++t) sum += gain[t];
    assert_true(fabs(sum - likelihood) < 1e-9);
    pu__chain_smooth(&chain, ROWS, filtered, pairs);
    for (int i = 0; i < ROWS / 90; ++i) assert_true(fabs(filtered[90 * i * K + 1] - smoothed[i]) < 1e-8);
    assert_true(fabs(pairs[0][0] + pairs[0][1] + pairs[1][0] + pairs[1][1] - (ROWS - 1)) < 1e-8);
    pu_free(filtered);
    pu_free(gain);
    pu__chain_free(&chain);
}

/* SciPy's optimum, of a recursion that equals statsmodels's. EM ends where a round adds less than 1e-9. */
static void regimes_are_those_of_scipy(void **state) {
    (void)state;
    double x[ROWS], value[6], correlation[2];
    const pu__returns r = series("regimes", x);
    values("regimes", "value", value, 6);
    pu__fit fit;
    pu__regime_fit out = {&fit, correlation, correlation + 1, 0, 0};
    assert_int_equal(pu__fit_regimes(1, &r, 2, NULL, &out), PU_OK);
    assert_true(fit.converged);
    for (int k = 0; k < 2; ++k) {
        const double mean = r.mean + value[2 + k] * r.deviation, square = value[4 + k] * r.deviation * r.deviation;
        const pu__estimate *growth = &fit.estimate[2 * k], *volatility = &fit.estimate[2 * k + 1];
        near_by(growth->name, growth->value, (mean + 0.5 * square) / day, growth->error, 0.02);
        near_by(volatility->name, volatility->value, sqrt(square / day), volatility->error, 0.02);
        const pu__estimate *transition = &fit.estimate[4 + 2 * k];
        near_by(transition->name, transition->value, value[k], transition->error, 0.02);
    }
    const double likelihood =
        golden_real(json_object_get(golden, "regimes"), "log_likelihood") - ROWS * log(r.deviation);
    assert_true(fabs(fit.log_likelihood - likelihood) < 1e-6);
}

static void facts_are_those_of_numpy(void **state) {
    (void)state;
    static const char *const names[] = {"garch", "regimes", "jumps"};
    for (int i = 0; i < 3; ++i) {
        double x[ROWS], work[ROWS], want[PU__MISFIT_COUNT - 1], got[PU__MISFIT_COUNT];
        series(names[i], x);
        values("facts", names[i], want, PU__MISFIT_COUNT - 1);
        pu__facts(x, ROWS, work, got);
        for (int k = 0; k < PU__MISFIT_COUNT - 1; ++k) {
            if (!golden_near(got[k], want[k], 1e-10))
                fail_msg("%s: %s is %.12g, not %.12g", names[i], pu__misfit_name((pu__misfit_kind)k), got[k],
                         want[k]);
        }
        assert_true(isnan(got[PU__MISFIT_CORRELATION]));
    }
}

/* Ours are 1 at the least. */
static void blocks_are_those_of_arch(void **state) {
    (void)state;
    static const char *const names[] = {"garch", "regimes", "jumps"};
    for (int i = 0; i < 3; ++i) {
        double x[ROWS], square[ROWS], want[2], got[2];
        const pu__returns r = series(names[i], x);
        values("blocks", names[i], want, 2);
        for (int t = 0; t < ROWS; ++t) square[t] = (x[t] - r.mean) * (x[t] - r.mean);
        assert_int_equal(pu__block_bars(x, ROWS, &got[0]), PU_OK);
        assert_int_equal(pu__block_bars(square, ROWS, &got[1]), PU_OK);
        for (int k = 0; k < 2; ++k) assert_true(golden_near(got[k], fmax(1.0, want[k]), 1e-9));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garch_is_that_of_arch),
        cmocka_unit_test(jumps_are_those_of_scipy),
        cmocka_unit_test(filter_and_smoother_are_those_of_statsmodels),
        cmocka_unit_test(regimes_are_those_of_scipy),
        cmocka_unit_test(facts_are_those_of_numpy),
        cmocka_unit_test(blocks_are_those_of_arch),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
