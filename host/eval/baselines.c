#include "host/eval/baselines.h"

#include <math.h>
#include <stdbool.h>

#include "plusultra/memory.h"

void pu__buy_and_hold(const pu__panel *panel, int64_t first, double *weight) {
    for (int64_t i = 0; i < panel->assets; ++i) {
        bool bought = false;
        for (int64_t t = first; t < panel->times && !bought; ++t) {
            const int64_t cell = t * panel->assets + i;
            if (isnan(panel->price[cell])) continue;
            weight[cell] = 1.0 / (double)panel->assets;
            bought = true;
        }
    }
}

void pu__momentum(int64_t count, const double *price, double *forecast) {
    for (int64_t t = 0; t < count; ++t) {
        forecast[t] = (double)NAN;
        if (t < PU__MOMENTUM_LOOKBACK_BARS) continue;
        const double gain = price[t - PU__MOMENTUM_SKIP_BARS] - price[t - PU__MOMENTUM_LOOKBACK_BARS];
        forecast[t] = (double)((gain > 0.0) - (gain < 0.0));
    }
}

pu_status pu__ridge_make(int64_t features, double clip, pu__ridge *out) {
    const size_t n = (size_t)features, columns = n + 1;
    *out = (pu__ridge){.features = features, .clip = clip};
    out->mean = pu_calloc(n, sizeof *out->mean);
    out->sd = pu_calloc(n, sizeof *out->sd);
    out->gram = pu_calloc(columns * columns, sizeof *out->gram);
    out->beta = pu_calloc(columns, sizeof *out->beta);
    out->z = pu_calloc(columns, sizeof *out->z);
    if (out->mean && out->sd && out->gram && out->beta && out->z) return PU_OK;
    pu__ridge_free(out);
    return PU_ERR_MEMORY;
}

void pu__ridge_free(pu__ridge *ridge) {
    pu_free(ridge->mean);
    pu_free(ridge->sd);
    pu_free(ridge->gram);
    pu_free(ridge->beta);
    pu_free(ridge->z);
    *ridge = (pu__ridge){0};
}

/* Welford's update with weights (West 1979): sd holds the sum of squares until pu__ridge_end_moments. */
void pu__ridge_add_moments(pu__ridge *ridge, int64_t count, const float *x, const double *w) {
    for (int64_t r = 0; r < count; ++r) {
        if (!(w[r] > 0.0)) continue;
        ridge->weight += w[r];
        for (int64_t f = 0; f < ridge->features; ++f) {
            const double d = (double)x[r * ridge->features + f] - ridge->mean[f];
            ridge->mean[f] += d * w[r] / ridge->weight;
            ridge->sd[f] += w[r] * d * ((double)x[r * ridge->features + f] - ridge->mean[f]);
        }
    }
}

void pu__ridge_end_moments(pu__ridge *ridge) {
    for (int64_t f = 0; f < ridge->features; ++f)
        ridge->sd[f] = ridge->weight > 0.0 ? sqrt(ridge->sd[f] / ridge->weight) : 0.0;
}

static double standardised(const pu__ridge *ridge, const float *x, int64_t f) {
    if (!(ridge->sd[f] > 0.0)) return 0.0;
    return fmax(-ridge->clip, fmin(((double)x[f] - ridge->mean[f]) / ridge->sd[f], ridge->clip));
}

void pu__ridge_add_products(pu__ridge *ridge, int64_t count, const float *x, const double *y, const double *w) {
    const int64_t n = ridge->features + 1;
    double *z = ridge->z;
    for (int64_t r = 0; r < count; ++r) {
        if (!(w[r] > 0.0)) continue;
        z[0] = 1.0;
        for (int64_t f = 0; f < ridge->features; ++f) z[f + 1] = standardised(ridge, x + r * ridge->features, f);
        for (int64_t i = 0; i < n; ++i) {
            const double wz = w[r] * z[i];
            ridge->beta[i] += wz * y[r];
            for (int64_t j = 0; j <= i; ++j) ridge->gram[i * n + j] += wz * z[j];
        }
    }
}

/* Lower triangle in place; false when a pivot is not positive beyond rounding. */
static bool cholesky(int64_t n, double *a) {
    for (int64_t j = 0; j < n; ++j) {
        double pivot = a[j * n + j];
        const double scale = pivot;
        for (int64_t k = 0; k < j; ++k) pivot -= a[j * n + k] * a[j * n + k];
        if (!(pivot > 1e-13 * scale)) return false;
        a[j * n + j] = sqrt(pivot);
        for (int64_t i = j + 1; i < n; ++i) {
            double sum = a[i * n + j];
            for (int64_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = sum / a[j * n + j];
        }
    }
    return true;
}

pu_status pu__ridge_solve(pu__ridge *ridge, double lambda) {
    const int64_t n = ridge->features + 1;
    double *a = ridge->gram, *b = ridge->beta;
    if (!(ridge->weight > 0.0)) {
        return pu_fail(
            PU_ERR_DATA,
            "the ridge baseline has no training rows: the train segment is empty after purge and embargo");
    }
    for (int64_t i = 1; i < n; ++i) {
        a[i * n + i] += lambda;
        if (!(ridge->sd[i - 1] > 0.0))
            a[i * n + i] += 1.0; /* a constant feature: its row is zero, its coefficient too */
    }
    if (!cholesky(n, a)) {
        return pu_fail(PU_ERR_DATA, "the ridge baseline is singular at backtest.ridge_lambda = %g: raise it",
                       lambda);
    }
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (int64_t i = n; i-- > 0;) {
        for (int64_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
    return PU_OK;
}

double pu__ridge_predict(const pu__ridge *ridge, const float *x) {
    double sum = ridge->beta[0];
    for (int64_t f = 0; f < ridge->features; ++f) sum += ridge->beta[f + 1] * standardised(ridge, x, f);
    return sum;
}
