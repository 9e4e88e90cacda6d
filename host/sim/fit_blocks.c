/* The length of a bootstrap's blocks. */
#include <math.h>

#include "host/sim/fit.h"
#include "plusultra/memory.h"

/* out[lag]: of lags 0 .. most, by rows. size[lag]: the correlation's absolute value, of the values that the lag pairs
 * and, as arch has it, without the first and the last of them. */
static void autocovariances(const double *x, int64_t rows, int64_t most, double *out, double *size) {
    double mean = 0.0, head = 0.0, tail = 0.0;
    for (int64_t t = 0; t < rows; ++t) mean += x[t] / (double)rows;
    for (int64_t t = 0; t < rows; ++t) head += (x[t] - mean) * (x[t] - mean);
    tail = head;
    for (int64_t lag = 0; lag <= most; ++lag) {
        const double first = x[lag] - mean, last = x[rows - 1 - lag] - mean;
        double sum = 0.0;
        for (int64_t t = lag; t < rows; ++t) sum += (x[t] - mean) * (x[t - lag] - mean);
        tail -= first * first; /* of rows lag + 1 and on */
        head -= last * last;   /* of rows before rows - 1 - lag */
        out[lag] = sum / (double)rows;
        size[lag] = fabs(sum) / sqrt(head * tail);
    }
}

/* The first of `needed` lags in a row whose correlations are not told from 0: |r| < 2 sqrt(log10(n) / n), the rule of
 * Politis and White's footnote c. The run's first lag, as Patton's own program has it and those made after it (arch in
 * Python, np in R); the text would take the lag before. `most` where there is no such run. */
static int64_t quiet_from(const double *size, int64_t rows, int64_t most, int64_t needed) {
    const double limit = 2.0 * sqrt(log10((double)rows) / (double)rows);
    int64_t quiet = 0;
    for (int64_t lag = 1; lag < most; ++lag) {
        quiet = size[lag] < limit ? quiet + 1 : 0;
        if (quiet == needed) return lag - needed + 1;
    }
    return most;
}

/* Politis and White (2004), section 3.2, with D of Patton et al. (2009): b = (2 G^2 / D)^(1/3) n^(1/3), D = 2 g(0)^2,
 * a flat-top window of twice the lag from
 * which correlations are quiet, b at most ceil(min(3 sqrt(n), n / 3)). */
pu_status pu__block_bars(const double *x, int64_t rows, double *out) {
    enum { QUIET = 5 };
    const double n = (double)rows;
    const int64_t most = (int64_t)ceil(sqrt(n)) + QUIET, lags = most < rows - 1 ? most : rows - 1;
    double *covariance = pu_calloc(2 * (size_t)(lags + 1), sizeof *covariance);
    if (!covariance) return PU_ERR_MEMORY;
    double *size = covariance + lags + 1;
    autocovariances(x, rows, lags, covariance, size);
    const int64_t twice = 2 * quiet_from(size, rows, lags, QUIET), window = twice < lags ? twice : lags;
    double slope = 0.0, level = covariance[0];
    for (int64_t lag = 1; lag <= window; ++lag) {
        const double share = (double)lag / (double)window, weight = share <= 0.5 ? 1.0 : 2.0 * (1.0 - share);
        slope += 2.0 * weight * (double)lag * covariance[lag];
        level += 2.0 * weight * covariance[lag];
    }
    pu_free(covariance);
    const double longest = ceil(fmin(3.0 * sqrt(n), n / 3.0));
    const double bars = cbrt(slope * slope / (level * level) * n);
    *out = bars > longest ? longest : bars > 1.0 ? bars : 1.0;
    return PU_OK;
}
