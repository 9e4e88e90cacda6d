#include "host/eval/scores.h"

#include <math.h>
#include <string.h>

#include "host/eval/positions.h"
#include "host/eval/stats.h"
#include "plusultra/memory.h"

static double pinball(double q, double y, double v) { return fmax(q * (y - v), (q - 1.0) * (y - v)); }

static void loss_scores(int64_t n, const double *y, int quantiles, const double *quantile, const float *value,
                        const double *unconditional, pu__scores *out) {
    double model = 0.0, constant = 0.0, zero = 0.0;
    int64_t below[PU__QUANTILES_MAX] = {0};
    for (int64_t i = 0; i < n; ++i) {
        for (int k = 0; k < quantiles; ++k) {
            const double v = (double)value[i * quantiles + k];
            model += pinball(quantile[k], y[i], v);
            constant += pinball(quantile[k], y[i], unconditional[k]);
            zero += pinball(quantile[k], y[i], 0.0);
            below[k] += y[i] <= v;
        }
    }
    const double terms = (double)n * quantiles;
    out->pinball = model / terms;
    out->pinball_unconditional = constant / terms;
    out->pinball_zero = zero / terms;
    if (out->pinball_unconditional > 0.0) out->skill = 1.0 - out->pinball / out->pinball_unconditional;
    for (int k = 0; k < quantiles; ++k) out->below[k] = (double)below[k] / (double)n;
}

static void sign_scores(int64_t n, const double *y, const double *mean, pu__scores *out) {
    int64_t hits = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (y[i] == 0.0 || mean[i] == 0.0) {
            ++out->zeros;
        } else {
            hits += (y[i] > 0.0) == (mean[i] > 0.0);
        }
    }
    if (n > out->zeros) out->hit_rate = (double)hits / (double)(n - out->zeros);
}

pu_status pu__score_forecasts(int64_t n, const double *y, int quantiles, const double *quantile,
                              const float *value, const double *unconditional, int64_t horizon_bars,
                              pu__scores *out) {
    const double unknown = (double)NAN;
    *out = (pu__scores){.horizon_bars = horizon_bars,
                        .count = n,
                        .pinball = unknown,
                        .pinball_unconditional = unknown,
                        .pinball_zero = unknown,
                        .skill = unknown,
                        .ic = unknown,
                        .rank_ic = unknown,
                        .ic_error = unknown,
                        .hit_rate = unknown};
    if (quantiles < 1 || quantiles > PU__QUANTILES_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "%d forecast quantiles, at most %d can be scored", quantiles,
                       (int)PU__QUANTILES_MAX);
    }
    for (int k = 0; k < quantiles; ++k) out->below[k] = unknown;
    if (n == 0) return PU_OK;
    double *block = pu_calloc((size_t)n, 3 * sizeof *block);
    int64_t *order = pu_calloc((size_t)n, sizeof *order);
    if (!block || !order) {
        pu_free(block);
        pu_free(order);
        return PU_ERR_MEMORY;
    }
    double *mean = block, *rank_mean = block + n, *rank_y = block + 2 * n;
    for (int64_t i = 0; i < n; ++i) mean[i] = pu__forecast_mean(quantiles, quantile, value + i * quantiles);
    loss_scores(n, y, quantiles, quantile, value, unconditional, out);
    sign_scores(n, y, mean, out);
    pu__ranks(n, mean, order, rank_mean);
    pu__ranks(n, y, order, rank_y);
    out->ic = pu__correlation(n, mean, y);
    out->rank_ic = pu__correlation(n, rank_mean, rank_y);
    out->ic_error = 1.0 / sqrt((double)n / (double)horizon_bars);
    pu_free(block);
    pu_free(order);
    return PU_OK;
}
