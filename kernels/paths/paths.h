/* A batch of simulated paths of a market, traded by a rule, and what became of each.
 *
 * Bar 0 is the start: every price 1, equity 1. At every bar 0 .. steps, in this order: prices move (not at bar 0),
 * positions are marked, carry is paid, ruin, margin and loss limit are tested, the policy decides, what is due
 * trades (kernels/physics). Path p is a function of the scenario and p alone: the same bits for any split into
 * batches, number of threads, block size and instruction set, as long as its equity stays below 1e150: what comes of
 * infinite accounts, and of the products of two that drawdowns are compared by, is not defined.
 *
 *   pu__paths_plain  one path after the other, as the text above says it; the judge of the other two
 *   pu__paths_callback  the same over a pool, for policies that are a function of the caller's
 *   pu__paths_cpu    a lane of a vector is a path; chunks of paths over a pool
 *   pu__paths_cuda   a thread is a path; state in shared memory and registers
 *
 * Draws and log-returns are float, prices and accounts double. Memory of a run does not grow with the number of paths
 * but for what is asked for: metrics and whole paths. A summary is made of integers (fixed point), which may be added
 * in any order.
 *
 * Floor of a step and asset: a quarter of Philox and its 4 normals (about 50 operations in float) and 6 in double. */
#ifndef PU_KERNELS_PATHS_PATHS_H
#define PU_KERNELS_PATHS_PATHS_H

#include <stddef.h>

#include "kernels/common/call.h"
#include "kernels/physics/execution.h"
#include "kernels/physics/processes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu__path_policy {
    PU_POLICY_BUY_HOLD = 0,    /* weight[a] at bar 0, no order afterwards */
    PU_POLICY_WEIGHTS,         /* weight[bar][a], NaN: no order */
    PU_POLICY_PATH_WEIGHTS,    /* the batch's weight[path][bar][a], NaN: no order */
    PU_POLICY_HISTORY_WEIGHTS, /* weight[row][a] of the history's row that the bar's step drew, NaN: no order; bar 0:
                                  none. For what was decided at the close that ended the row's returns */
    PU_POLICY_CALLBACK,        /* what `decide` answers */
    PU_POLICY_CONSTANT,        /* weight[a] at every bar: rebalanced */
    PU_POLICY_MOMENTUM,        /* weight[a] times the sign of the fast average log-price less the slow one */
    PU_POLICY_MEAN_REVERSION, /* -weight[a] times (log-price - slow average) / scale, cut to [-1, 1] */
    PU_POLICY_VOLATILITY,     /* weight[a] * min(1, scale / volatility of the slow average of squares) */
    PU_POLICY_COUNT
} pu__path_policy;

/* What an overlay of shocks makes of one step of one asset (kernels/physics/shocks.h). */
typedef struct pu__path_shock {
    float shift;            /* added to the log-return */
    float volatility_scale; /* on the log-return about its mean */
    float drift_scale;      /* on the mean */
    float volume_scale, spread_scale;
    float correlation; /* share of variance that a factor common to all assets takes; that of asset 0 is read */
} pu__path_shock;

/* Decides at the close of `bar` of a path, after marks and limits. price[bar + 1][assets]: the closes so far, 1 at bar
 * 0; equity: marked; position[assets]: signed notional; weight[assets]: comes as NaN, no order, and is the answer.
 * Called from several threads at once, for different paths; the bars of a path come in order, from one thread. The
 * answer may depend on nothing but the arguments and a context that does not change, or the same seed gives other
 * paths. */
typedef void pu__path_decide(void *context, int64_t path, int32_t bar, int32_t assets, const double *price,
                             double equity, const double *position, double *weight);

/* Pointers are to memory of the device that runs. */
typedef struct pu__path_scenario {
    uint64_t seed;
    int32_t process; /* pu__process */
    int32_t assets, steps;
    const pu__process_asset *asset; /* [assets] */
    const float *factor;            /* [assets][assets] Cholesky factor, lower; null: independent */
    const double *volume; /* [assets] traded value of a bar in units of the starting equity; null: unknown */
    const pu__path_shock *shock; /* [steps][assets]; null: none */
    /* REGIME */
    float cumulative[PU_REGIMES_MAX][PU_REGIMES_MAX];
    int32_t regime_start;
    /* BOOTSTRAP and REPLAY */
    const float *history; /* [history_rows][assets] log-returns */
    int32_t history_rows;
    int32_t history_first; /* REPLAY: row of the first step */
    float restart;         /* BOOTSTRAP: 1 / mean length of a block */

    pu__execution_rules rules;
    int32_t policy;          /* pu__path_policy */
    const double *weight;    /* none with PATH_WEIGHTS and CALLBACK */
    pu__path_decide *decide; /* CALLBACK */
    void *decide_context;
    float fast_decay, slow_decay; /* of the exponential averages, per bar */
    float scale;
} pu__path_scenario;

#define PU_PATH_METRICS(X)                                                           \
    X(WEALTH, wealth)           /* equity at the last bar */                         \
    X(DRAWDOWN, drawdown)       /* largest, in [0, 1] */                             \
    X(UNDER_WATER, under_water) /* bars with equity below an earlier one */          \
    X(TURNOVER, turnover)       /* sum of |traded| / equity */                       \
    X(SPREAD, spread)           /* costs by kind, in units of the starting equity */ \
    X(SLIPPAGE, slippage)                                                            \
    X(FEE, fee)                                                                      \
    X(IMPACT, impact)                                                                \
    X(CARRY, carry)                                                                  \
    X(RUIN_BAR, ruin_bar) /* bar of ruin, margin call, loss limit; -1: never */      \
    X(MARGIN_BAR, margin_bar)                                                        \
    X(STOP_BAR, stop_bar)
typedef enum pu__path_metric {
#define PU_PATH_METRIC_ENUM(upper, lower) PU_PATH_##upper,
    PU_PATH_METRICS(PU_PATH_METRIC_ENUM)
#undef PU_PATH_METRIC_ENUM
        PU_PATH_METRIC_COUNT
} pu__path_metric;

enum {
    PU_WEALTH_BINS_OCTAVE = 512,
    PU_WEALTH_OCTAVES = 16, /* 2^-8 .. 2^8; what lies outside is in the first or last bin */
    PU_WEALTH_BINS = PU_WEALTH_BINS_OCTAVE * PU_WEALTH_OCTAVES,
    PU_DRAWDOWN_BINS = 4096
};

/* Sums of fixed-point values: units of 2^-30 for the value, cut to +-2^20, and of 2^-20 for its square, each split
 * into sums of low and high words. Additions of integers: no order changes a bit. */
typedef struct pu__path_sum {
    int64_t low, high, square_low, square_high;
    double least, most;
} pu__path_sum;

typedef struct pu__path_summary {
    int64_t paths, ruined, margin_called, stopped;
    pu__path_sum sum[PU_PATH_METRIC_COUNT];
    int64_t wealth_bin
        [PU_WEALTH_BINS]; /* by exponent and upper bits of the fraction: 1/512 of an octave's start wide */
    int64_t drawdown_bin[PU_DRAWDOWN_BINS];
} pu__path_summary;

/* Paths first .. first + count - 1. Outputs are host memory for the CPU, device memory for CUDA; null: not wanted. */
typedef struct pu__path_batch {
    uint64_t first;
    int64_t count;
    double *metric;            /* [PU_PATH_METRIC_COUNT][count] */
    pu__path_summary *summary; /* added to */
    double *price;             /* [count][steps + 1][assets] */
    double *trade;             /* [count][steps + 1][assets] signed notional */
    double *equity;            /* [count][steps + 1] */
    const double *weight;      /* PATH_WEIGHTS: [count][steps + 1][assets], in; else null */
} pu__path_batch;

/* PU_ERR_ARGUMENT, naming what cannot be. Every version makes the checks of the structs, those on the CPU also the
 * checks of tables and weights, whose owner makes them before they go to another device. */
pu_status pu__path_scenario_check(const pu__path_scenario *scenario);
pu_status pu__path_batch_check(const pu__path_scenario *scenario, const pu__path_batch *batch);
pu_status pu__path_tables_check(const pu__path_scenario *scenario);
pu_status pu__path_weights_check(const pu__path_scenario *scenario, const pu__path_batch *batch);
/* PU_ERR_UNSUPPORTED for the policy CALLBACK: by pu__paths_cpu and pu__paths_cuda. */
pu_status pu__path_batched_check(const pu__path_scenario *scenario);

/* pool: null for the caller's thread alone. */
pu_status pu__paths_plain(const pu__path_scenario *scenario, const pu__path_batch *batch);
pu_status pu__paths_callback(const pu__path_scenario *scenario, const pu__path_batch *batch, struct pu_pool *pool);
pu_status pu__paths_cpu(const pu__path_scenario *scenario, const pu__path_batch *batch, struct pu_pool *pool);

/* threads_most: of a block, whole warps; 0: as many as serve best. */
pu_status pu__paths_cuda(const pu__path_scenario *scenario, const pu__path_batch *batch, int threads_most,
                         pu__cuda_exec *cuda);

/* Bytes of state that a path takes in the batched versions. */
PU_HOST_DEVICE static inline size_t pu__path_state_bytes(const pu__path_scenario *s) {
    const size_t doubles = 3 + (size_t)s->rules.physics.latency_bars, floats = PU_DRAW_STEPS + 3;
    return (size_t)s->assets * (doubles * sizeof(double) + floats * sizeof(float)) +
           PU_DRAW_STEPS * sizeof(int32_t);
}

void pu__path_summary_reset(pu__path_summary *summary);
void pu__path_summary_add(pu__path_summary *to, const pu__path_summary *other);
void pu__path_summary_take(pu__path_summary *to, const double metric[PU_PATH_METRIC_COUNT]); /* one path */
double pu__path_mean(const pu__path_summary *summary, pu__path_metric metric);
double pu__path_deviation(const pu__path_summary *summary, pu__path_metric metric); /* of the sample, n - 1 */
/* Interpolated inside a bin, whose width bounds the error: 2^-9 of the value from 2^-8 to 2^8, 2^-8 below; ruin is
 * exactly 0, and nothing lies outside the least and the most. NaN without paths. */
double pu__path_wealth_quantile(const pu__path_summary *summary, double share);
/* Mean wealth of the worst `share` of the paths, share in (0, 1]: 1 less it is the conditional value at risk (CVaR).
 * Paths of a bin count as evenly spread over it, so its width bounds the error as above. NaN without paths. */
double pu__path_wealth_tail_mean(const pu__path_summary *summary, double share);
double pu__path_drawdown_quantile(const pu__path_summary *summary, double share);

#ifdef __cplusplus
}
#endif
#endif
