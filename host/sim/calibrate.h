/* Price processes fitted to the history of a market: parameters with standard errors, and the path kernel's
 * coefficients. docs/calibration.md says which method fits which process, and whose it is. */
#ifndef PU_HOST_SIM_CALIBRATE_H
#define PU_HOST_SIM_CALIBRATE_H

#include <jansson.h>

#include "host/sim/market.h"
#include "host/sim/process.h"
#include "kernels/paths/paths.h"
#include "plusultra/pool.h"

enum { PU__ESTIMATES_MAX = 24, PU__NOTE_BYTES = 200 };

typedef struct pu__estimate {
    char name[40];
    double value, error; /* error: standard error; NaN where it was not to be had */
} pu__estimate;

typedef struct pu__fit {
    pu_process process; /* variance_start: the variance expected of the step behind the history's end */
    int estimates;
    pu__estimate estimate[PU__ESTIMATES_MAX];
    double log_likelihood, aic,
        bic; /* of log-returns; NaN for BOOTSTRAP. REGIMES: joint, the same for all assets */
    bool converged;
    int evaluations;           /* of the likelihood, or rounds of EM */
    char note[PU__NOTE_BYTES]; /* what a reader has to know; "": nothing */
} pu__fit;

typedef struct pu__calibrate_options {
    int regimes; /* 0: 2 to PU_SIM_REGIMES_MAX, by BIC */
    bool feller; /* refuse a Heston fit whose variance can reach 0 */
} pu__calibrate_options;

/* One kind of process, fitted to every asset by itself, and jointly by the correlation of its draws. */
typedef struct pu__calibration {
    pu_process_kind kind;
    int assets;
    int64_t rows;        /* log-returns */
    pu__fit *fit;        /* [assets] */
    double *correlation; /* [assets][assets] of the draws that move prices, before the repair */
    double *correlation_error;
    /* Where pu__calibration_matches_returns: [assets][assets] correlations of log-returns, in the history and in
     * simulated histories of its length; and those of the draws that the history asks for, which may lie beyond 1. */
    double *return_correlation, *return_correlation_model, *correlation_wanted;
    float *factor; /* [assets][assets], of the repaired correlations */
    pu_correlation_repair repair;
    pu__process_asset *asset;   /* [assets], ready for the path kernel, beginning at the history's end */
    pu__process_asset *settled; /* the same, beginning in the stationary state */
    float cumulative[PU_REGIMES_MAX][PU_REGIMES_MAX];
    int regime_start, regime_settled; /* most likely at the end, and in the stationary state */
    double block_bars;                /* BOOTSTRAP: mean length of a block, 1 or more */
} pu__calibration;

/* PU_ERR_DATA names the asset: a history too short for the process, with the bars needed; prices that do not move, or
 * are no numbers; a fit at a border where the process has no stationary variance (GARCH) or, where asked, reaches a
 * variance of 0 (Heston). A fit that did not converge is no error: see converged and note. The same bits whatever the
 * pool. Free with pu__calibration_free. */
pu_status pu__calibrate(const pu__market *market, pu_process_kind kind, const pu__calibrate_options *options,
                        pu_pool *pool, pu__calibration *out);
void pu__calibration_free(pu__calibration *calibration); /* accepts a zeroed one */

/* Whether the draws' correlations were chosen so that simulated returns are correlated as the history's: GARCH and
 * HESTON, of two assets and more (host/sim/joint.h). */
bool pu__calibration_matches_returns(const pu__calibration *calibration);

/* Whether that could not be done for a pair, to 0.005: the draws would have to be correlated by more than 1, or the
 * repair of the matrix took it. */
bool pu__calibration_misses(const pu__calibration *calibration, int a, int b);
/* Names such pairs with both correlations, the first few; "" where there is none. */
enum { PU__MISSED_BYTES = 512 };
void pu__calibration_missed_text(const pu__calibration *calibration, const pu__market *market, char *text,
                                 size_t capacity);

/* Sets process, assets, coefficients, factor, regimes and history of a scenario; it borrows from both. `settled`:
 * from the stationary state instead of the history's end. */
void pu__calibration_scenario(const pu__calibration *calibration, const pu__market *market, bool settled,
                              pu__path_scenario *scenario);

/* "gbm", "merton", "heston", "garch", "regimes", "bootstrap". */
const char *pu__process_name(pu_process_kind kind);
pu_status pu__process_named(const char *name, pu_process_kind *out); /* PU_ERR_CONFIG names the nearest */

/* ---- where the model does not match ---- */

/* Stylised facts of a series of log-returns. */
#define PU__MISFITS(X)                                            \
    X(SQUARES_1, "autocorrelation of squares, lag 1")             \
    X(SQUARES_5, "autocorrelation of squares, lag 5")             \
    X(SQUARES_20, "autocorrelation of squares, lag 20")           \
    X(KURTOSIS, "kurtosis")                                       \
    X(QUANTILE_1, "1 % quantile")                                 \
    X(QUANTILE_99, "99 % quantile")                               \
    X(HILL, "Hill index of the largest 5 %")                      \
    X(SKEWNESS, "skewness")                                       \
    X(LEVERAGE, "correlation of a return and the next 5 squares") \
    X(DRAWDOWN, "largest drawdown")                               \
    X(MEAN, "mean log-return of a bar")                           \
    X(CORRELATION, "mean correlation with the other assets")
typedef enum pu__misfit_kind {
#define PU__MISFIT_ENUM(upper, text) PU__MISFIT_##upper,
    PU__MISFITS(PU__MISFIT_ENUM)
#undef PU__MISFIT_ENUM
        PU__MISFIT_COUNT
} pu__misfit_kind;

typedef struct pu__misfit {
    double history;
    double low, middle, high; /* 2.5 %, 50 % and 97.5 % quantiles over the simulated samples */
    bool matches;             /* history within [low, high] */
} pu__misfit;

const char *pu__misfit_name(pu__misfit_kind kind);

/* Simulates `samples` (20 or more) histories of the market's length from the fitted process. misfit:
 * [assets][PU__MISFIT_COUNT], of the caller; NaN and matches where a figure does not exist (the correlation of one
 * asset). */
pu_status pu__calibration_misfit(const pu__calibration *calibration, const pu__market *market, int samples,
                                 uint64_t seed, pu_pool *pool, pu__misfit *misfit);

/* The object "calibration" of docs/stress-json.md; misfit may be null. Null when memory is short. */
json_t *pu__calibration_json(const pu__calibration *calibration, const pu__market *market,
                             const pu__misfit *misfit);

#endif
