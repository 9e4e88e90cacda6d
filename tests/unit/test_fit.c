/* Parameters and their standard errors from simulated histories, for every process: the first history's estimates lie
 * within 4 standard errors of the truth, the mean of all within 4 of theirs and half an error of bias, and the errors
 * that a fit states are those by which estimates spread.
 *
 * The last: over R histories the squared spread over the mean squared error is chi-square of R - 1 degrees over R - 1,
 * if estimates are normal. Its limits are those of 4 deviations by Wilson and Hilferty's cube root:
 * (1 - 2 / (9 d) +- 4 sqrt(2 / (9 d)))^3. Estimates of a bounded parameter are a little skewed, which these limits
 * leave room for: they are a factor of 1.3 to 1.8 in the error. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/memory.h"
#include "tests/support/histories.h"

enum { HISTORIES_MOST = 400 };
static const double day = 1.0 / 252.0;

typedef struct trial {
    const pu_process *process;
    const double *truth; /* in the order of the estimates; NaN: not looked at */
    int64_t rows;
    int count; /* histories */
    uint64_t seed;
    double *x;
    pu__fit fit[HISTORIES_MOST];
    pu_status status[HISTORIES_MOST];
} trial;

static void fit_one(const trial *t, const pu__returns *r, pu__fit *fit, pu_status *status) {
    *status = PU_OK;
    switch (t->process->kind) {
    case PU_SIM_GBM: pu__fit_gbm(r, fit); break;
    case PU_SIM_MERTON: *status = pu__fit_merton(r, fit); break;
    case PU_SIM_HESTON: *status = pu__fit_heston(r, false, fit); break;
    case PU_SIM_GARCH: *status = pu__fit_garch(r, fit); break;
    default: {
        double correlation[2];
        pu__regime_fit out = {fit, correlation, correlation + 1, 0, 0};
        *status = pu__fit_regimes(1, r, t->process->of.regimes.count, NULL, &out);
    }
    }
}

static void fit_histories(void *context, int64_t begin, int64_t end, int worker) {
    trial *t = context;
    (void)worker;
    for (int64_t i = begin; i < end; ++i) {
        const pu__returns r = test_returns(t->x + i * t->rows, t->rows, day);
        fit_one(t, &r, &t->fit[i], &t->status[i]);
    }
}

static void check_estimate(const trial *t, int k) {
    const double n = t->count, truth = t->truth[k];
    double mean = 0.0, spread = 0.0, stated = 0.0;
    for (int i = 0; i < t->count; ++i) {
        mean += t->fit[i].estimate[k].value / n;
        stated += t->fit[i].estimate[k].error * t->fit[i].estimate[k].error / n;
    }
    for (int i = 0; i < t->count; ++i) {
        const double apart = t->fit[i].estimate[k].value - mean;
        spread += apart * apart / (n - 1.0);
    }
    const pu__estimate *first = &t->fit[0].estimate[k];
    const double d = n - 1.0, middle = 1.0 - 2.0 / (9.0 * d), reach = 4.0 * sqrt(2.0 / (9.0 * d));
    const double ratio = spread / stated, low = pow(middle - reach, 3), high = pow(middle + reach, 3);
    print_message("%-24s truth %10.5g mean %10.5g first %10.5g +- %9.3g, spread / stated error %.2f\n",
                  first->name, truth, mean, first->value, first->error, sqrt(ratio));
    assert_true(fabs(first->value - truth) <= 4.0 * first->error);
    assert_true(fabs(mean - truth) <= 4.0 * sqrt(spread / n) + 0.5 * sqrt(stated));
    assert_true(ratio > low && ratio < high);
}

static void run_trial(trial *t, int estimates) {
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(2, &pool), PU_OK);
    t->x = test_histories(t->process, day, t->rows, t->count, t->seed);
    pu_parallel_for(pool, t->count, 1, fit_histories, t);
    pu_pool_free(pool);
    int converged = 0, evaluations = 0;
    for (int i = 0; i < t->count; ++i) {
        assert_int_equal(t->status[i], PU_OK);
        assert_int_equal(t->fit[i].estimates, estimates);
        converged += t->fit[i].converged;
        evaluations += t->fit[i].evaluations;
    }
    print_message("%d fits, %d evaluations each\n", t->count, evaluations / t->count);
    assert_int_equal(converged, t->count);
    for (int k = 0; k < estimates; ++k)
        if (!isnan(t->truth[k])) check_estimate(t, k);
    pu_free(t->x);
}

static trial shared; /* large */

static void brownian_motion(void **state) {
    (void)state;
    const pu_process process = {PU_SIM_GBM, {.gbm = {0.08, 0.25}}};
    const double truth[] = {0.08, 0.25};
    shared = (trial){.process = &process, .truth = truth, .rows = 500, .count = 400, .seed = 1};
    run_trial(&shared, 2);
}

static void jumps(void **state) {
    (void)state;
    const pu_process process = {PU_SIM_MERTON, {.merton = {0.1, 0.15, 20.0, -0.02, 0.03}}};
    const double truth[] = {0.1, 0.15, 20.0, -0.02, 0.03};
    shared = (trial){.process = &process, .truth = truth, .rows = 1000, .count = 24, .seed = 2};
    run_trial(&shared, 5);
}

static void conditional_variance(void **state) {
    (void)state;
    const pu_process process = {PU_SIM_GARCH, {.garch = {0.0005, 4e-6, 0.09, 0.88, 6.0, 0.0}}};
    const double truth[] = {0.0005, 4e-6, 0.09, 0.88, 6.0, 0.97, sqrt(4e-6 / 0.03 * 252.0)};
    shared = (trial){.process = &process, .truth = truth, .rows = 2000, .count = 40, .seed = 3};
    run_trial(&shared, 7);
}

static void stochastic_variance(void **state) {
    (void)state;
    const pu_process process = {PU_SIM_HESTON,
                                {.heston = {0.1, 0.05, 0.05, 8.0, 0.9, -0.6,
                                            false}}}; /* the stationary deviation is 1.01 times the mean */
    const double truth[] = {0.1, 0.05, 8.0, 0.9, -0.6, 2.0 * 8.0 * 0.05 / 0.81};
    shared = (trial){.process = &process, .truth = truth, .rows = 1000, .count = 10, .seed = 4};
    run_trial(&shared, 6);
}

static void two_regimes(void **state) {
    (void)state;
    const pu_process process = {PU_SIM_REGIMES,
                                {.regimes = {2, {{0.15, 0.10}, {-0.2, 0.35}}, {0.98, 0.02, 0.05, 0.95}}}};
    const double truth[] = {0.15, 0.10, -0.2, 0.35, 0.98, 0.02, 0.05, 0.95};
    shared = (trial){.process = &process, .truth = truth, .rows = 1500, .count = 24, .seed = 5};
    run_trial(&shared, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brownian_motion),      cmocka_unit_test(jumps),
        cmocka_unit_test(conditional_variance), cmocka_unit_test(stochastic_variance),
        cmocka_unit_test(two_regimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
