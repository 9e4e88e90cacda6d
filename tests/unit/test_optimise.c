/* The minimiser and small matrices on problems with known answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/sim/exponential.h"
#include "host/sim/matrix.h"
#include "host/sim/optimise.h"
#include "plusultra/random.h"

enum { N = 500 };

/* -log-likelihood of a normal sample: mean x[0], log deviation x[1]. */
static double normal_objective(const double *x, void *context) {
    const double *sample = context;
    double sum = 0.0;
    for (int i = 0; i < N; ++i) {
        const double z = (sample[i] - x[0]) * exp(-x[1]);
        sum += 0.5 * z * z + x[1];
    }
    return sum;
}

static void deviation_of(const double *x, double *out, void *context) {
    (void)context;
    out[0] = x[0];
    out[1] = exp(x[1]);
}

/* Maximum likelihood in closed form, its errors s / sqrt(n) and s / sqrt(2 n). Central differences at steps of about
 * 0.14 errors are wrong by their squares: 1e-3 in an error, and less in where the gradient is 0. */
static void a_normal_sample_has_its_closed_form(void **state) {
    (void)state;
    double sample[N], mean = 0.0, square = 0.0;
    pu_random random = pu_random_at(1, 0);
    for (int i = 0; i < N; ++i) {
        sample[i] = 3.0 + 0.2 * pu_random_normal(&random);
        mean += sample[i] / N;
    }
    for (int i = 0; i < N; ++i) square += (sample[i] - mean) * (sample[i] - mean) / N;
    const double start[2] = {0.0, 0.0}, scale[2] = {0.5, 0.5}, s = sqrt(square);
    pu__minimum found;
    pu__search(2, start, scale, normal_objective, sample, &found);
    pu__polish(scale, normal_objective, sample, &found);
    double value[2], error[2];
    deviation_of(found.x, value, NULL);
    pu__delta_errors(&found, deviation_of, NULL, 2, error);
    assert_true(found.converged && found.curved);
    assert_true(fabs(value[0] - mean) < 1e-3 * error[0]);
    assert_true(fabs(value[1] - s) < 1e-2 * error[1]);
    assert_true(fabs(error[0] / (s / sqrt(N)) - 1.0) < 0.01);
    assert_true(fabs(error[1] / (s / sqrt(2.0 * N)) - 1.0) < 0.01);
}

/* Rosenbrock's valley, in the units of a log-likelihood. */
static double valley(const double *x, void *context) {
    (void)context;
    const double a = x[1] - x[0] * x[0], b = 1.0 - x[0];
    return 100.0 * (100.0 * a * a + b * b);
}

static void a_bent_valley_is_followed(void **state) {
    (void)state;
    const double start[2] = {-1.2, 1.0}, scale[2] = {0.5, 0.5};
    pu__minimum found;
    pu__search(2, start, scale, valley, NULL, &found);
    pu__polish(scale, valley, NULL, &found);
    assert_true(found.converged);
    assert_true(fabs(found.x[0] - 1.0) < 2e-3 && fabs(found.x[1] - 1.0) < 4e-3);
}

static double flat(const double *x, void *context) {
    (void)context;
    return 50.0 * (x[0] + x[1] - 1.0) * (x[0] + x[1] - 1.0); /* of the sum alone */
}

static double forbidden(const double *x, void *context) {
    (void)context;
    return x[0] < 0.0 ? (double)NAN : 50.0 * (x[0] - 0.3) * (x[0] - 0.3);
}

static void what_is_not_told_apart_has_no_errors(void **state) {
    (void)state;
    const double start[2] = {0.0, 0.0}, scale[2] = {0.5, 0.5};
    pu__minimum found;
    pu__search(2, start, scale, flat, NULL, &found);
    pu__polish(scale, flat, NULL, &found);
    double error[2];
    pu__delta_errors(&found, deviation_of, NULL, 2, error);
    /* the difference of the two has no curvature but rounding's: no errors, or errors beyond all use */
    assert_true(!found.curved || error[0] > 1e3);
    assert_true(found.curved || isnan(error[0]));
    pu__search(1, start, scale, forbidden, NULL, &found);
    pu__polish(scale, forbidden, NULL, &found);
    assert_true(found.converged && fabs(found.x[0] - 0.3) < 1e-3);
}

static void inverses_are_inverses(void **state) {
    (void)state;
    enum { SIZE = 7 };
    double a[SIZE * SIZE], lower[SIZE * SIZE], inverse[SIZE * SIZE];
    for (int i = 0; i < SIZE * SIZE; ++i) {
        const int row = i / SIZE, column = i % SIZE;
        a[i] = pow(0.6, abs(row - column)) + (row == column ? 0.3 : 0.0);
    }
    assert_int_equal(pu__cholesky(a, SIZE, lower), SIZE);
    pu__cholesky_inverse(lower, SIZE, inverse);
    for (int i = 0; i < SIZE; ++i) {
        for (int j = 0; j < SIZE; ++j) {
            double sum = 0.0;
            for (int k = 0; k < SIZE; ++k) sum += a[i * SIZE + k] * inverse[k * SIZE + j];
            assert_true(fabs(sum - (i == j)) < 1e-13);
        }
    }
    for (int j = 0; j < SIZE; ++j) a[4 * SIZE + j] = a[j * SIZE + 4] = a[2 * SIZE + j]; /* row 4 is row 2 */
    a[4 * SIZE + 4] = a[2 * SIZE + 2];
    assert_int_equal(pu__cholesky(a, SIZE, lower), 4);
}

static void exponentials_and_bounds(void **state) {
    (void)state;
    for (double x = 0.0; x < 700.0; x += 0.0371) assert_true(fabs(pu__exp_minus(x) / exp(-x) - 1.0) < 2e-11);
    assert_true(pu__exp_minus(1e9) == pu__exp_minus(700.0));
    for (double x = -3.0; x < 3.0; x += 0.1)
        assert_true(fabs(pu__unbounded(pu__bounded(x, -2.0, 5.0), -2.0, 5.0) - x) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_normal_sample_has_its_closed_form),
        cmocka_unit_test(a_bent_valley_is_followed),
        cmocka_unit_test(what_is_not_told_apart_has_no_errors),
        cmocka_unit_test(inverses_are_inverses),
        cmocka_unit_test(exponentials_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
