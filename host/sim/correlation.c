/* Cholesky factors of correlations, and the repair of matrices that are none: eigenvalues by cyclic Jacobi rotations
 * (Golub and Van Loan, section 8.5), clipped from below, the diagonal scaled back to 1: Rebonato and Jaeckel (2000),
 * "The most general methodology to create a valid correlation matrix". */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "host/sim/matrix.h"
#include "plusultra/memory.h"
#include "plusultra/sim.h"

enum { SWEEPS_MAX = 60 };
static const double eigenvalue_least = 1e-8;

/* x, y = c x - s y, s x + c y for n pairs, `stride` apart. */
static void rotate(double *x, double *y, int64_t n, int64_t stride, double c, double s) {
    for (int64_t k = 0; k < n; ++k) {
        const double f = x[k * stride], g = y[k * stride];
        x[k * stride] = c * f - s * g;
        y[k * stride] = s * f + c * g;
    }
}

/* One sweep over the pairs of a[n][n]; v collects the rotations. Returns the squares above the diagonal before it. */
static double sweep(double *a, double *v, int64_t n) {
    double off = 0.0;
    for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
            const double apart = a[p * n + q];
            off += apart * apart;
            if (apart == 0.0) continue;
            const double theta = 0.5 * (a[q * n + q] - a[p * n + p]) / apart;
            const double t = (theta < 0.0 ? -1.0 : 1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
            const double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
            rotate(a + p, a + q, n, n, c, s);
            rotate(a + p * n, a + q * n, n, 1, c, s);
            rotate(v + p, v + q, n, n, c, s);
        }
    }
    return off;
}

static pu_status check(const double *matrix, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            const double x = matrix[i * n + j], other = matrix[j * n + i];
            if (!(fabs(x) <= 1.0) || fabs(x - other) > 1e-9 || (i == j && fabs(x - 1.0) > 1e-9))
                return pu_fail(
                    PU_ERR_ARGUMENT,
                    "correlation [%lld][%lld] is %g, %g the other way: symmetric, in [-1, 1], 1 on the diagonal",
                    (long long)i, (long long)j, x, other);
        }
    }
    return PU_OK;
}

/* valid = V max(D, least) V', scaled to a diagonal of 1. */
static void repair(const double *matrix, int64_t n, double *a, double *v, double *valid,
                   pu_correlation_repair *out) {
    memcpy(a, matrix, (size_t)(n * n) * sizeof *a);
    for (int64_t i = 0; i < n * n; ++i) v[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
    for (int k = 0; k < SWEEPS_MAX && sweep(a, v, n) > 1e-28; ++k) continue;
    out->least_eigenvalue = a[0];
    for (int64_t i = 0; i < n; ++i) {
        out->least_eigenvalue = fmin(out->least_eigenvalue, a[i * n + i]);
        out->clipped += a[i * n + i] < eigenvalue_least;
    }
    memcpy(valid, matrix, (size_t)(n * n) * sizeof *valid);
    if (out->clipped == 0) return;
    for (int64_t i = 0; i < n * n; ++i) {
        valid[i] = 0.0;
        for (int64_t k = 0; k < n; ++k)
            valid[i] += v[i / n * n + k] * v[i % n * n + k] * fmax(a[k * n + k], eigenvalue_least);
    }
    for (int64_t i = 0; i < n; ++i) v[i] = 1.0 / sqrt(valid[i * n + i]);
    for (int64_t i = 0; i < n * n; ++i) {
        valid[i] *= v[i / n] * v[i % n];
        out->largest_change = fmax(out->largest_change, fabs(valid[i] - matrix[i]));
    }
}

static pu_status cholesky(const double *matrix, int64_t n, double *lower) {
    const int64_t row = pu__cholesky(matrix, n, lower);
    if (row == n) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "row %lld of the correlations depends on those before", (long long)row);
}

pu_status pu_correlation_factor(const double *correlation, int assets, float *factor, pu_correlation_repair *out) {
    const int64_t n = assets, size = n * n;
    *out = (pu_correlation_repair){0};
    if (n < 1) return pu_fail(PU_ERR_ARGUMENT, "correlations of %d assets: 1 or more", assets);
    PU_TRY(check(correlation, n));
    double *work = pu_calloc((size_t)(4 * size), sizeof *work);
    if (!work) return PU_ERR_MEMORY;
    double *valid = work + 2 * size, *lower = work + 3 * size;
    repair(correlation, n, work, work + size, valid, out);
    const pu_status status = cholesky(valid, n, lower);
    for (int64_t i = 0; i < size && status == PU_OK; ++i) factor[i] = (float)lower[i];
    pu_free(work);
    return status;
}
