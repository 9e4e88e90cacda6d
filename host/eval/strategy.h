/* One strategy of a backtest: its weights through the physics, its figures, their intervals, and what may be
 * claimed of it. */
#ifndef PU_HOST_EVAL_STRATEGY_H
#define PU_HOST_EVAL_STRATEGY_H

#include <stdbool.h>
#include <stdint.h>

#include "host/eval/bootstrap.h"
#include "host/eval/metrics.h"
#include "host/eval/simulate.h"

typedef struct pu__settings {
    double periods_per_year;
    double risk_free; /* per period */
    pu__physics_rules rules;
    int64_t rolling_bars; /* window of the rolling Sharpe ratio */
    int64_t trials;       /* models tried, see pu__metric_options */
    int64_t samples;      /* of the bootstrap */
    uint64_t seed;
    pu_pool *pool;
} pu__settings;

enum { PU__BINS_MIN = 10, PU__BINS_MAX = 80 };

/* Bins of equal width over all measured returns, as many as the rule of Freedman and Diaconis (1981) asks for. */
typedef struct pu__histogram {
    double low, high;
    int bins;
    int64_t count[PU__BINS_MAX];
} pu__histogram;

typedef struct pu__strategy {
    const char *name, *label; /* static text */
    pu__run run;
    pu__metrics metrics;
    pu__intervals intervals;
    pu__histogram histogram;
    double *drawdown, *rolling_sharpe; /* [run.times]; NaN before the window is full */
    double exposure;                   /* mean of the sum of |weight| */
    double net_exposure;               /* mean of the sum of weights */
    double turnover;                   /* sum of |traded| / equity, per year */
    double cost;                       /* costs / equity, per year */
    /* Returns less beta times the market's: what is left when the market's part is taken out. NaN without a
     * market. */
    double hedged_sharpe;
    pu__interval hedged_interval;
} pu__strategy;

pu_status pu__strategy_run(const char *name, const char *label, const pu__panel *panel, int64_t first,
                           const double *weight, const pu__physics_rules *rules, pu__strategy *out);
/* Fills in the figures. `market` is the strategy that beta, alpha and the hedged Sharpe ratio refer to; may be
 * null. */
pu_status pu__strategy_measure(pu__strategy *strategy, const pu__strategy *market, const pu__settings *settings);
void pu__strategy_free(pu__strategy *strategy); /* accepts a zeroed one */

/* One-way cost in basis points of what is traded at which the total return is zero, by bisection over simulations;
 * 0 when even free trading loses, NaN when nothing is traded or 10,000 would not be enough. */
pu_status pu__break_even_cost_bps(const pu__panel *panel, int64_t first, const double *weight,
                                  const pu__settings *settings, double *out);

/* What the evidence supports. An edge is claimed only if all of these hold, after costs, over the test segment:
 *  1. the two-sided 95 % interval of the Sharpe ratio lies above zero;
 *  2. so does that of the returns with the market's part taken out (else it is the market's return, not the
 * model's);
 *  3. the deflated Sharpe ratio is at least 97.5 %, the one-sided counterpart of the interval: luck in `trials`
 * tries does not explain it;
 *  4. there are at least PU__PERIODS_MIN periods and PU__FILLS_MIN fills. */
enum { PU__PERIODS_MIN = 60, PU__FILLS_MIN = 20 };

typedef struct pu__verdict {
    bool interval_above_zero, hedged_above_zero, survives_deflation, enough_evidence;
    bool claims_edge;
    char sentence[512];
} pu__verdict;
void pu__judge(const pu__strategy *model, int64_t trials, pu__verdict *out);

#endif
