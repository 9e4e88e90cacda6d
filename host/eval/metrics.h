/* Performance metrics of a series of simple returns. Definitions are empyrical's where it has one; golden values
 * in tests/golden/metrics.py.
 *
 * Conventions: n returns r, A periods per year, f the risk-free rate per period (also the threshold of Sortino and
 * Omega). Standard deviations have ddof 1 unless said otherwise. A figure that is not defined (too few returns, a
 * zero denominator) is NaN, which JSON shows as null; nothing is infinite. A return of -1 or less is ruin: equity
 * is 0 from there on. */
#ifndef PU_HOST_EVAL_METRICS_H
#define PU_HOST_EVAL_METRICS_H

#include <stdint.h>

#include "plusultra/status.h"

/* M(name, how it is computed): one row per figure; the struct, the JSON and the reference in docs/backtest-json.md
 * follow it. total_return           prod(1 + r) - 1; 0 for no returns cagr                   prod(1 + r)^(A/n) - 1
 *   volatility             std(r) sqrt(A)
 *   sharpe                 mean(r - f) / std(r - f) sqrt(A)
 *   downside_deviation     sqrt(mean(min(r - f, 0)^2)) sqrt(A), over all n
 *   sortino                mean(r - f) A / downside_deviation
 *   max_drawdown           least of equity / highest equity so far - 1, on the compounded curve that starts at 1;
 * never positive calmar                 cagr / |max_drawdown| var_5, var_1           5th and 1st percentile of r
 * (linear interpolation) cvar_5, cvar_1         mean of the lowest floor((n - 1) p) + 1 returns omega sum of (r -
 * f) above 0 over minus the sum below 0 tail_ratio             |95th percentile| / |5th percentile| hit_rate
 * positive returns over returns that are not zero profit_factor          sum of positive returns over minus the
 * sum of negative ones skewness, kurtosis     population; kurtosis raw (3 for a normal) best_period, worst_period
 *   under_water_periods    longest run of periods with equity below its highest so far
 *   under_water_ratio      periods below the highest so far over n
 *   beta                   cov(r, b) / var(b), b the benchmark's returns
 *   alpha                  (1 + mean(r - f - beta (b - f)))^A - 1
 *   information_ratio      mean(r - b) / std(r - b) sqrt(A)
 *   probabilistic_sharpe   P(true Sharpe > 0): Phi(s sqrt(n - 1) / sqrt(1 - g3 s + (g4 - 1)/4 s^2)), s per period,
 * g4 raw kurtosis deflated_sharpe        the same against the expected maximum of `trials` tries without skill,
 * see pu__expected_maximum_sharpe track_record_min       1 + (1 - g3 s + (g4 - 1)/4 s^2) (z(0.95) / s)^2 periods
 * that make s significant; NaN unless s > 0 The last three: Bailey and Lopez de Prado, "The Sharpe ratio efficient
 * frontier" (2012) and "The deflated Sharpe ratio" (2014). */
// clang-format off
#define PU__METRICS(M)                                                                                            \
    M(total_return) M(cagr) M(volatility) M(sharpe) M(downside_deviation) M(sortino) M(max_drawdown) M(calmar)    \
    M(var_5) M(cvar_5) M(var_1) M(cvar_1) M(omega) M(tail_ratio) M(hit_rate) M(profit_factor) M(skewness)         \
    M(kurtosis) M(best_period) M(worst_period) M(under_water_periods) M(under_water_ratio) M(beta) M(alpha)       \
    M(information_ratio) M(probabilistic_sharpe) M(deflated_sharpe) M(track_record_min)
// clang-format on

typedef struct pu__metrics {
    int64_t periods;
    int64_t zero_periods; /* left out of hit_rate */
    /* Of the deepest drawdown, as counts of returns passed: equity is highest after `peak` returns, lowest after
     * `trough`, back at its high after `recovery`; -1 when it never recovers or there is no drawdown. */
    int64_t drawdown_peak, drawdown_trough, drawdown_recovery;
#define PU__METRIC_FIELD(name) double name;
    PU__METRICS(PU__METRIC_FIELD)
#undef PU__METRIC_FIELD
} pu__metrics;

typedef struct pu__metric_options {
    double periods_per_year;
    double risk_free;        /* per period */
    const double *benchmark; /* [n] returns over the same periods; null: beta, alpha, information ratio are NaN */
    int64_t trials;          /* models tried before this one was chosen, itself included; at least 1 */
} pu__metric_options;

pu_status pu__metrics_compute(int64_t n, const double *r, const pu__metric_options *options, pu__metrics *out);

/* Sharpe ratio per period of r - f; NaN when it is not defined. */
double pu__sharpe(int64_t n, const double *r, double risk_free);

/* out[i]: annualised Sharpe ratio of the `window` returns that end with i; NaN before there are so many. */
void pu__rolling_sharpe(int64_t n, const double *r, int64_t window, double periods_per_year, double risk_free,
                        double *out);

/* out[i]: equity after return i over its highest so far (1 at the start included) - 1. */
void pu__drawdowns(int64_t n, const double *r, double *out);

#endif
