/* Positions from forecasts: linear in the forecast, corrected for the market mode, scaled to a target volatility.
 * Causal: row t of the weights uses rows up to t only, and truncating the future changes no weight by a bit.
 *
 * For a forecast m (expected return in units of sigma sqrt(h)) the mean-variance optimum holds, in units of risk,
 * q = C^-1 m, with C the correlation of returns (Markowitz 1952). C is modelled by one number, the average
 * correlation rho (Elton and Gruber, "Estimating the dependence structure of share prices", Journal of Finance
 * 1973): one number is well estimated, its inverse is closed,
 *
 *     q = m - rho / (1 + (n - 1) rho) sum(m)        q' C q = (1 - rho) sum(q^2) + rho sum(q)^2
 *
 * up to the factor 1 / (1 - rho), which the scale takes up. Then
 *
 *     weight = scale q / sigma,      scale = target volatility per bar / sqrt(mean of q' C q)
 *
 * rho and the mean are exponentially weighted over SPAN_BARS decisions (a plain mean until there are so many), the
 * present one included. The span is long, so that the scale does not undo the signal: a forecast twice as large
 * gives a position twice as large. A model that says little all the time is scaled up as much as one that says
 * much; whether it earned its risk is for the statistics to judge.
 *
 * rho comes from returns in units of the volatility forecast before them, z, cut at +-5: the ratio of the means of
 * (sum z)^2 - sum z^2 and (n - 1) sum z^2, with 20 bars' worth of zero correlation added, limited to [0, 0.9].
 *
 * Limits, in this order: |weight| <= position_max (each by itself; a market-neutral book is scaled as a whole, to
 * stay neutral), then sum |weight| <= leverage_max by scaling. An asset without a bar keeps its last weight, which
 * counts in the limits. */
#ifndef PU_HOST_EVAL_POSITIONS_H
#define PU_HOST_EVAL_POSITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/eval/panel.h"

typedef struct pu__sizing {
    double target_vol; /* per bar: annual / sqrt(periods per year) */
    double leverage_max;
    double position_max;
    bool market_neutral; /* sum(q) = 0: each decision takes the mean of the others out */
} pu__sizing;

/* Weights of equity decided at each time, NaN where the asset has no bar. forecast, sigma: tables of the panel's
 * shape; sigma is the volatility of one bar. A bar with no forecast, or no positive sigma, is a decision to be
 * flat. From time `from` on the weights are traded, by a book that is empty there: what was decided before of an
 * asset that has no bar at `from` is not held. `limited_ratio` (may be null): share of the decisions from then on
 * that a limit made smaller. */
pu_status pu__positions(const pu__panel *panel, const double *forecast, const double *sigma,
                        const pu__sizing *sizing, double *weight, int64_t from, double *limited_ratio);

/* The same, time by time. What a sizer has learnt can be handed to another one, so that many futures of one history
 * cost their own times only. */
typedef struct pu__sizer pu__sizer;
pu_status pu__sizer_new(const pu__sizing *sizing, int64_t assets, pu__sizer **out);
void pu__sizer_free(pu__sizer *sizer);                     /* accepts null */
void pu__sizer_copy(pu__sizer *to, const pu__sizer *from); /* of as many assets */
/* One time: arrays of [assets], as the rows of pu__positions. True where a limit made a weight smaller. */
bool pu__sizer_decide(pu__sizer *sizer, const double *price, const double *forecast, const double *sigma,
                      double *weight);

/* Mean of a forecast distribution given by increasing quantiles: the trapezoidal integral of the quantile
 * function, its tails held at the outer quantiles. Steadier than the median, since it uses all of them. The value
 * itself for a point forecast. */
double pu__forecast_mean(int quantiles, const double *quantile, const float *value);

#endif
