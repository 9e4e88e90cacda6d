#include "host/sim/matrix.h"

#include <math.h>

int64_t pu__cholesky(const double *matrix, int64_t n, double *lower) {
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j <= i; ++j) {
            double sum = matrix[i * n + j];
            for (int64_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
            if (i == j && !(sum > 0.0 && sum < (double)INFINITY)) return i;
            lower[i * n + j] = i == j ? sqrt(sum) : sum / lower[j * n + j];
        }
    }
    return n;
}

void pu__cholesky_solve(const double *lower, int64_t n, double *b) {
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = 0; k < i; ++k) b[i] -= lower[i * n + k] * b[k];
        b[i] /= lower[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; --i) {
        for (int64_t k = i + 1; k < n; ++k) b[i] -= lower[k * n + i] * b[k];
        b[i] /= lower[i * n + i];
    }
}

/* Row by row: the matrix is symmetric, so that the columns are its rows. */
void pu__cholesky_inverse(const double *lower, int64_t n, double *inverse) {
    for (int64_t i = 0; i < n; ++i) {
        double *row = inverse + i * n;
        for (int64_t k = 0; k < n; ++k) row[k] = k == i ? 1.0 : 0.0;
        pu__cholesky_solve(lower, n, row);
    }
}
