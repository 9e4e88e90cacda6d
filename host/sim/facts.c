#include "host/sim/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEXT_SQUARES = 5, HILL_SHARE = 20 };

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void pu__facts_sort(double *x, int64_t n) { qsort(x, (size_t)n, sizeof *x, ascending); }

double pu__facts_quantile(const double *sorted, int64_t n, double share) {
    const double place = share * (double)(n - 1);
    const int64_t below = (int64_t)place, above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

static double autocorrelation(const double *y, int64_t rows, int64_t lag) {
    double mean = 0.0, own = 0.0, shared = 0.0;
    for (int64_t t = 0; t < rows; ++t) mean += y[t] / (double)rows;
    for (int64_t t = 0; t < rows; ++t) own += (y[t] - mean) * (y[t] - mean);
    for (int64_t t = lag; t < rows; ++t) shared += (y[t] - mean) * (y[t - lag] - mean);
    return shared / own;
}

/* Correlation of x[t] - mean and the mean of square[t + 1 .. t + NEXT_SQUARES]. */
static double leverage(const double *x, double mean, const double *square, int64_t rows) {
    const int64_t n = rows - NEXT_SQUARES;
    double sx = 0.0, sy = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int64_t t = 0; t < n; ++t) {
        double later = 0.0;
        for (int64_t k = 1; k <= NEXT_SQUARES; ++k) later += square[t + k] / NEXT_SQUARES;
        const double now = x[t] - mean;
        sx += now / (double)n;
        sy += later / (double)n;
        xx += now * now / (double)n;
        yy += later * later / (double)n;
        xy += now * later / (double)n;
    }
    return (xy - sx * sy) / sqrt((xx - sx * sx) * (yy - sy * sy));
}

static double largest_drawdown(const double *x, int64_t rows) {
    double price = 0.0, peak = 0.0, worst = 0.0; /* logarithms */
    for (int64_t t = 0; t < rows; ++t) {
        price += x[t];
        peak = price > peak ? price : peak;
        worst = peak - price > worst ? peak - price : worst;
    }
    return -expm1(-worst);
}

/* `sorted`: |y|, ascending. */
static double hill_index(const double *sorted, int64_t rows) {
    const int64_t tail = rows / HILL_SHARE;
    const double from = sorted[rows - tail - 1];
    double sum = 0.0;
    for (int64_t i = rows - tail; i < rows; ++i) sum += log(sorted[i] / from);
    return (double)tail / sum;
}

void pu__facts(const double *x, int64_t rows, double *work, double out[PU__MISFIT_COUNT]) {
    const double n = (double)rows;
    double mean = 0.0, second = 0.0, third = 0.0, fourth = 0.0;
    for (int64_t t = 0; t < rows; ++t) mean += x[t] / n;
    for (int64_t t = 0; t < rows; ++t) {
        const double y = x[t] - mean, square = y * y;
        work[t] = square;
        second += square / n;
        third += square * y / n;
        fourth += square * square / n;
    }
    out[PU__MISFIT_SQUARES_1] = autocorrelation(work, rows, 1);
    out[PU__MISFIT_SQUARES_5] = autocorrelation(work, rows, 5);
    out[PU__MISFIT_SQUARES_20] = autocorrelation(work, rows, 20);
    out[PU__MISFIT_KURTOSIS] = fourth / (second * second);
    out[PU__MISFIT_SKEWNESS] = third / pow(second, 1.5);
    out[PU__MISFIT_LEVERAGE] = leverage(x, mean, work, rows);
    out[PU__MISFIT_DRAWDOWN] = largest_drawdown(x, rows);
    out[PU__MISFIT_MEAN] = mean;
    out[PU__MISFIT_CORRELATION] = (double)NAN;
    memcpy(work, x, (size_t)rows * sizeof *work);
    pu__facts_sort(work, rows);
    out[PU__MISFIT_QUANTILE_1] = pu__facts_quantile(work, rows, 0.01);
    out[PU__MISFIT_QUANTILE_99] = pu__facts_quantile(work, rows, 0.99);
    for (int64_t t = 0; t < rows; ++t) work[t] = fabs(x[t] - mean);
    pu__facts_sort(work, rows);
    out[PU__MISFIT_HILL] = hill_index(work, rows);
}

static double correlation_of(const double *a, const double *b, int64_t rows) {
    const double n = (double)rows;
    double sa = 0.0, sb = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
    for (int64_t t = 0; t < rows; ++t) {
        sa += a[t] / n;
        sb += b[t] / n;
    }
    for (int64_t t = 0; t < rows; ++t) {
        aa += (a[t] - sa) * (a[t] - sa);
        bb += (b[t] - sb) * (b[t] - sb);
        ab += (a[t] - sa) * (b[t] - sb);
    }
    return ab / sqrt(aa * bb);
}

void pu__fact_correlations(const double *x, int assets, int64_t rows, double *out) {
    for (int a = 0; a < assets; ++a) out[a] = assets > 1 ? 0.0 : (double)NAN;
    for (int a = 0; a < assets; ++a) {
        for (int b = 0; b < a; ++b) {
            const double share = correlation_of(x + a * rows, x + b * rows, rows) / (assets - 1);
            out[a] += share;
            out[b] += share;
        }
    }
}
