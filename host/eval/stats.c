#define _GNU_SOURCE /* qsort_r */
#include "host/eval/stats.h"

#include <math.h>
#include <stdlib.h>

pu__moments pu__moments_of(int64_t n, const double *x) {
    pu__moments out = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    if (n <= 0) return out;
    double sum = 0.0, low = x[0], high = x[0];
    for (int64_t i = 0; i < n; ++i) {
        sum += x[i];
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    out.mean = low == high ? low : sum / (double)n;
    double m2 = 0.0, m3 = 0.0, m4 = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        const double d = x[i] - out.mean, d2 = d * d;
        m2 += d2;
        m3 += d2 * d;
        m4 += d2 * d2;
    }
    if (n > 1) out.variance = m2 / (double)(n - 1);
    m2 /= (double)n;
    if (m2 > 0.0) {
        out.skewness = m3 / (double)n / (m2 * sqrt(m2));
        out.kurtosis = m4 / (double)n / (m2 * m2);
    }
    return out;
}

double pu__normal_cdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }

/* Start: Abramowitz and Stegun 26.2.23 (error below 4.5e-4); then Halley's method on the distribution function,
 * which triples the digits each time. The lower half is solved, where erfc keeps its relative precision, and
 * mirrored. */
double pu__normal_quantile(double p) {
    if (!(p >= 0.0 && p <= 1.0)) return (double)NAN;
    const double tail = fmin(p, 1.0 - p);
    if (tail == 0.0) return p < 0.5 ? -INFINITY : INFINITY;
    const double t = sqrt(-2.0 * log(tail));
    double x =
        (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int i = 0; i < 3; ++i) {
        const double density = exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
        const double newton = (pu__normal_cdf(x) - tail) / density;
        x -= newton / (1.0 + 0.5 * x * newton);
    }
    return p < 0.5 ? x : -x;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void pu__sort(int64_t n, double *x) {
    if (n > 1) qsort(x, (size_t)n, sizeof *x, ascending);
}

double pu__sorted_quantile(int64_t n, const double *sorted, double p) {
    if (n <= 0) return (double)NAN;
    const double place = p * (double)(n - 1);
    const int64_t below = (int64_t)place;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

static int by_value(const void *a, const void *b, void *context) {
    const double *x = context;
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (x[i] != x[j]) return x[i] < x[j] ? -1 : 1;
    return (i > j) - (i < j);
}

void pu__ranks(int64_t n, const double *x, int64_t *order, double *rank) {
    for (int64_t i = 0; i < n; ++i) order[i] = i;
    if (n > 1) qsort_r(order, (size_t)n, sizeof *order, by_value, (void *)(uintptr_t)x);
    for (int64_t i = 0; i < n;) {
        int64_t end = i + 1;
        while (end < n && x[order[end]] == x[order[i]]) ++end;
        for (int64_t k = i; k < end; ++k) rank[order[k]] = 0.5 * (double)(i + end - 1) + 1.0;
        i = end;
    }
}

double pu__correlation(int64_t n, const double *x, const double *y) {
    if (n < 2) return (double)NAN;
    const pu__moments mx = pu__moments_of(n, x), my = pu__moments_of(n, y);
    double sxy = 0.0;
    for (int64_t i = 0; i < n; ++i) sxy += (x[i] - mx.mean) * (y[i] - my.mean);
    const double scale = sqrt(mx.variance) * sqrt(my.variance) * (double)(n - 1);
    return scale > 0.0 ? sxy / scale : (double)NAN;
}
