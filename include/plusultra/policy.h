/* Policies of your own for `plusultra stress`: a shared object that decides, at every close of a simulated path, what
 * to hold. This header alone is needed to compile one, and no library to link it; docs/plugins.md has an example. */
#ifndef PLUSULTRA_POLICY_H
#define PLUSULTRA_POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PU_POLICY_ABI = 1 };

/* What a weight is before it is decided: no order, the position drifts on. */
#define PU_POLICY_NO_ORDER 1e300
/* The largest |weight| that is taken for one. */
#define PU_POLICY_WEIGHT_MAX 1000.0

/* What is known before a path begins; it stays as it is until the policy is destroyed. Assets are numbered alike
 * everywhere. */
typedef struct pu_policy_setup {
    int assets;
    int traded;                /* the first so many may be held; a benchmark behind them is there to look at */
    const char *const *symbol; /* [assets] */
    double periods_per_year;   /* bars */
    int64_t steps;
    const int64_t *ts;         /* [steps + 1] UTC seconds of the closes of bars 0 .. steps */
    int64_t history_rows;      /* at least 2 */
    const int64_t *history_ts; /* [history_rows]; the last row is bar 0 */
    const double *history;     /* [history_rows][assets] adjusted closes */
} pu_policy_setup;

/* A close, after positions were marked. Valid during the call. */
typedef struct pu_policy_view {
    int64_t bar;            /* 0 .. steps */
    const double *price;    /* [bar + 1][assets] closes so far, as multiples of those of bar 0 */
    double equity;          /* 1 at the start, above 0 */
    const double *position; /* [assets] signed value held, in units of the starting equity */
} pu_policy_view;

typedef struct pu_policy {
    int abi;                 /* PU_POLICY_ABI */
    const char *name;        /* lower_case_with_numbers */
    const char *description; /* one sentence */
    /* A policy at the start of a path, not null; on failure null, with a sentence in error[error_bytes]. */
    void *(*create)(const pu_policy_setup *setup, char *error, size_t error_bytes);
    /* Called for bar 0, 1, ... steps of the path that it was created for, while there is equity; weight[assets] comes
     * as PU_POLICY_NO_ORDER and becomes what is to be held of each asset, as a share of the equity: negative is short.
     * Orders fill as many bars later as the latency says, at the costs of the cell. What is not a number, beyond
     * PU_POLICY_WEIGHT_MAX, or an order for an asset that is not traded ends the work with an error. */
    void (*decide)(void *policy, const pu_policy_view *view, double *weight);
    void (*destroy)(void *policy);
} pu_policy;

/* A shared object with a policy exports this function under the name pu_plugin_policy. Declare it with
 * PU_POLICY_EXPORT. All functions are called from several threads at once, for different paths: each has a policy of
 * its own, and decisions may depend on nothing but setup and views, or the same seed gives other results. The code
 * runs with all rights of the process. */
typedef const pu_policy *(*pu_policy_entry)(void);
#ifdef __cplusplus
#define PU_POLICY_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define PU_POLICY_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
}
#endif
#endif
