#include "host/eval/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "host/eval/stats.h"
#include "plusultra/memory.h"

static const double euler_gamma = 0.57721566490153286061;

/* A quotient that is NaN, not infinite, over zero. */
static double ratio(double a, double b) { return b != 0.0 ? a / b : (double)NAN; }

/* Bailey and Lopez de Prado (2014), equation 1: sd is the standard deviation of the tries' Sharpe ratios. */
static double expected_maximum_sharpe(int64_t trials, double sd) {
    if (trials < 2) return 0.0;
    const double n = (double)trials;
    return sd * ((1.0 - euler_gamma) * pu__normal_quantile(1.0 - 1.0 / n) +
                 euler_gamma * pu__normal_quantile(1.0 - 1.0 / (n * M_E)));
}

/* n times the variance of the estimated Sharpe ratio (Mertens 2002). Not negative: kurtosis is at least 1 +
 * skewness squared. */
static double sharpe_variance(double sharpe, double skewness, double kurtosis) {
    return 1.0 - skewness * sharpe + 0.25 * (kurtosis - 1.0) * sharpe * sharpe;
}

/* Probability that the true Sharpe ratio exceeds `threshold`; both per period. */
static double probabilistic_sharpe(int64_t n, double sharpe, double threshold, double skewness, double kurtosis) {
    const double variance = sharpe_variance(sharpe, skewness, kurtosis);
    if (n < 2 || !(variance > 0.0)) return (double)NAN;
    return pu__normal_cdf((sharpe - threshold) * sqrt((double)(n - 1)) / sqrt(variance));
}

double pu__sharpe(int64_t n, const double *r, double risk_free) {
    const pu__moments m = pu__moments_of(n, r);
    return ratio(m.mean - risk_free, sqrt(m.variance));
}

void pu__rolling_sharpe(int64_t n, const double *r, int64_t window, double periods_per_year, double risk_free,
                        double *out) {
    for (int64_t i = 0; i < n; ++i) {
        const bool full = i + 1 >= window;
        out[i] = full ? pu__sharpe(window, r + i + 1 - window, risk_free) * sqrt(periods_per_year) : (double)NAN;
    }
}

static double grow(double equity, double r) { return equity * fmax(1.0 + r, 0.0); }

void pu__drawdowns(int64_t n, const double *r, double *out) {
    double equity = 1.0, peak = 1.0;
    for (int64_t i = 0; i < n; ++i) {
        equity = grow(equity, r[i]);
        peak = fmax(peak, equity);
        out[i] = equity / peak - 1.0;
    }
}

static void drawdown_metrics(int64_t n, const double *r, pu__metrics *out) {
    double equity = 1.0, peak = 1.0;
    int64_t peak_at = 0, under = 0, under_run = 0, under_longest = 0;
    out->max_drawdown = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        equity = grow(equity, r[i]);
        if (equity >= peak) {
            if (out->drawdown_peak == peak_at && out->drawdown_recovery < 0 && under_run > 0)
                out->drawdown_recovery = i + 1;
            peak = equity;
            peak_at = i + 1;
            under_run = 0;
            continue;
        }
        ++under;
        if (++under_run > under_longest) under_longest = under_run;
        if (equity / peak - 1.0 < out->max_drawdown) {
            out->max_drawdown = equity / peak - 1.0;
            out->drawdown_peak = peak_at;
            out->drawdown_trough = i + 1;
            out->drawdown_recovery = -1;
        }
    }
    out->under_water_periods = (double)under_longest;
    out->under_water_ratio = (double)under / (double)n;
    out->total_return = equity - 1.0;
}

static double tail_mean(int64_t n, const double *sorted, double p) {
    const int64_t count = (int64_t)((double)(n - 1) * p) + 1;
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += sorted[i];
    return sum / (double)count;
}

static void tail_metrics(int64_t n, const double *sorted, pu__metrics *out) {
    out->var_5 = pu__sorted_quantile(n, sorted, 0.05);
    out->var_1 = pu__sorted_quantile(n, sorted, 0.01);
    out->cvar_5 = tail_mean(n, sorted, 0.05);
    out->cvar_1 = tail_mean(n, sorted, 0.01);
    out->tail_ratio = ratio(fabs(pu__sorted_quantile(n, sorted, 0.95)), fabs(out->var_5));
    out->worst_period = sorted[0];
    out->best_period = sorted[n - 1];
}

static void gain_and_loss_metrics(int64_t n, const double *r, const pu__metric_options *options,
                                  pu__metrics *out) {
    double gains = 0.0, losses = 0.0, above = 0.0, below = 0.0, downside = 0.0, excess = 0.0;
    int64_t winners = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double e = r[i] - options->risk_free;
        if (r[i] > 0.0) gains += r[i], ++winners;
        if (r[i] < 0.0) losses -= r[i];
        if (r[i] == 0.0) ++out->zero_periods;
        if (e > 0.0) above += e;
        if (e < 0.0) below -= e, downside += e * e;
        excess += e;
    }
    const double a = options->periods_per_year;
    out->hit_rate = ratio((double)winners, (double)(n - out->zero_periods));
    out->profit_factor = ratio(gains, losses);
    out->omega = ratio(above, below);
    out->downside_deviation = sqrt(downside / (double)n) * sqrt(a);
    out->sortino = ratio(excess / (double)n * a, out->downside_deviation);
}

static void benchmark_metrics(int64_t n, const double *r, const pu__metric_options *options, double *scratch,
                              pu__metrics *out) {
    const double *b = options->benchmark;
    if (!b || n < 2) return;
    const pu__moments mr = pu__moments_of(n, r), mb = pu__moments_of(n, b);
    double covariance = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        covariance += (r[i] - mr.mean) * (b[i] - mb.mean);
        scratch[i] = r[i] - b[i];
    }
    const double f = options->risk_free, a = options->periods_per_year;
    out->beta = ratio(covariance / (double)(n - 1), mb.variance);
    out->alpha = pow(1.0 + mr.mean - f - out->beta * (mb.mean - f), a) - 1.0;
    out->information_ratio = pu__sharpe(n, scratch, 0.0) * sqrt(a);
}

static void significance_metrics(int64_t n, double sharpe, int64_t trials, pu__metrics *out) {
    /* Without the other tries' ratios at hand, their spread is taken as the sampling error of a Sharpe ratio of
     * zero. */
    const double threshold = expected_maximum_sharpe(trials, 1.0 / sqrt((double)(n - 1)));
    out->probabilistic_sharpe = probabilistic_sharpe(n, sharpe, 0.0, out->skewness, out->kurtosis);
    out->deflated_sharpe = probabilistic_sharpe(n, sharpe, threshold, out->skewness, out->kurtosis);
    if (sharpe > 0.0) {
        const double z = pu__normal_quantile(0.95) / sharpe;
        out->track_record_min = 1.0 + sharpe_variance(sharpe, out->skewness, out->kurtosis) * z * z;
    }
}

pu_status pu__metrics_compute(int64_t n, const double *r, const pu__metric_options *options, pu__metrics *out) {
    memset(out, 0, sizeof *out);
#define PU__METRIC_NAN(name) out->name = (double)NAN;
    PU__METRICS(PU__METRIC_NAN)
#undef PU__METRIC_NAN
    out->periods = n;
    out->drawdown_peak = out->drawdown_trough = out->drawdown_recovery = -1;
    out->total_return = 0.0;
    if (n <= 0) return PU_OK;

    double *scratch = pu_calloc((size_t)n, sizeof *scratch);
    if (!scratch) return PU_ERR_MEMORY;
    const double a = options->periods_per_year;
    const pu__moments m = pu__moments_of(n, r);
    const double sharpe = ratio(m.mean - options->risk_free, sqrt(m.variance));
    drawdown_metrics(n, r, out);
    out->cagr = pow(1.0 + out->total_return, a / (double)n) - 1.0;
    out->calmar = ratio(out->cagr, fabs(out->max_drawdown));
    out->volatility = sqrt(m.variance) * sqrt(a);
    out->sharpe = sharpe * sqrt(a);
    out->skewness = m.skewness;
    out->kurtosis = m.kurtosis;
    gain_and_loss_metrics(n, r, options, out);
    benchmark_metrics(n, r, options, scratch, out);
    significance_metrics(n, sharpe, options->trials, out);
    memcpy(scratch, r, (size_t)n * sizeof *scratch);
    pu__sort(n, scratch);
    tail_metrics(n, scratch, out);
    pu_free(scratch);
    return PU_OK;
}
