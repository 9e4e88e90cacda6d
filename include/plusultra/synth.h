/* A seeded synthetic market whose best result is known.
 *
 * For asset i and bar t, with everything drawn from pu_random streams of the seed:
 *
 *   signal       s[i,t] = phi s[i,t-1] + sqrt(1 - phi^2) g[i,t]                      unit variance, independent
 * across assets volatility   sigma[i,t+1] = base[i] m[regime[t]] sqrt(h[i,t+1])                   known at the
 * close of t h[i,t+1] = 1 - a - b + a z[i,t]^2 / (1 + edge^2) + b h[i,t]          GARCH(1,1), Bollerslev 1986
 *   return       r[i,t+1] = sigma[i,t+1] z[i,t+1]
 *                z[i,t+1] = edge s[i,t] + sqrt(rho) f[t+1] + sqrt(1 - rho) e[i,t+1]   f, e: Student t of unit
 * variance close        close[i,t+1] = close[i,t] (1 + r[i,t+1]) volume       exp(level[i] + s[i,t] + noise) the
 * signal is in the data at bar t
 *
 * where regime is a Markov chain of calm, normal and stressed bars shared by all assets. Open, high and low come
 * from a Brownian bridge between two closes with the bar's sigma. The edge is the only thing that can be forecast
 * about the direction; with edge 0 there is none.
 *
 * The truth is stored as the indicators 'truth_signal' (s at the bar's time) and 'truth_sigma' (sigma of the next
 * bar), out of reach of features. */
#ifndef PLUSULTRA_SYNTH_H
#define PLUSULTRA_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_synth_options {
    uint64_t seed;
    int64_t assets;                   /* 1 to 9999, named <prefix>01, ... */
    int64_t bars;                     /* per asset, at least 2 */
    int64_t bar_s;                    /* 86400: one bar per weekday; otherwise one every bar_s seconds */
    int64_t first_ts;                 /* close of the first bar */
    double periods_per_year;          /* 0: 252 a year for days, and by the length for shorter bars */
    double edge;                      /* standard deviations of return per unit of signal, 0 to 1 */
    double persistence;               /* phi, 0 to 0.999 */
    double correlation;               /* rho, 0 to 0.95 */
    double annual_vol;                /* of a typical asset */
    double tail_df;                   /* degrees of freedom of f and e, above 2; 0: normal */
    double garch_shock, garch_memory; /* a and b, a + b < 1 */
    double volume_noise; /* standard deviation of the noise in log volume; 0: the signal is seen exactly */
    bool regimes;
    bool index; /* also store INDEX, the equal-weight mean return, as benchmark of 'synthetic' */
    const char *prefix;
} pu_synth_options;

/* The quick start's market: 12 assets, 4,000 weekdays from 2005-01-03, edge 0.1, persistence 0.9, correlation 0.3,
 * volatility 20%, 5 degrees of freedom. */
pu_synth_options pu_synth_defaults(void);

typedef struct pu_synth_result {
    int64_t assets; /* without the index */
    int64_t rows_added, rows_unchanged;
    int64_t first_ts, last_ts;
    double periods_per_year;
    double seconds;
} pu_synth_result;

/* Makes the market in one transaction. The same options again change nothing; other bars under the same names are
 * PU_ERR_DATA. */
pu_status pu_synth(pu_store *store, const pu_synth_options *options, pu_synth_result *result);

/* Annual Sharpe ratio (mean over standard deviation of a bar's return, times the root of periods per year; no
 * costs) of the policy that knows the truth: weights s / sigma, or with market_neutral (s - mean s) / sigma, held
 * for one bar from `latency_bars` after the decision.
 *
 * With k = phi^latency, n assets and p = sum of s[i] (edge s'[i] + sqrt(rho) f + sqrt(1 - rho) e[i]), corr(s, s')
 * = k: E p = n edge k;  Var p = n (1 + edge^2 (1 + k^2)), because Var(s s') = 1 + k^2 and the factor's share rho +
 * (1 - rho) is 1; market neutral: n - 1 in the place of n, and 1 - rho in the place of 1, as the common factor
 * cancels. To first order in edge this is also the best of all policies of its kind. Noise in the volume is not
 * allowed for. */
double pu_synth_best_sharpe(const pu_synth_options *options, int64_t latency_bars, bool market_neutral);

#ifdef __cplusplus
}
#endif
#endif
