/* Small symmetric positive definite matrices, row-major [n][n]. */
#ifndef PU_HOST_SIM_MATRIX_H
#define PU_HOST_SIM_MATRIX_H

#include <stdint.h>

/* Lower Cholesky factor; what is above its diagonal is left alone. Returns n, or the first row that depends on those
 * before it, where the factor ends. */
int64_t pu__cholesky(const double *matrix, int64_t n, double *lower);

/* x = (L L')^-1 b, in place. */
void pu__cholesky_solve(const double *lower, int64_t n, double *b);

/* inverse = (L L')^-1 */
void pu__cholesky_inverse(const double *lower, int64_t n, double *inverse);

#endif
