/* A trained model on simulated paths.
 *
 * Paths are taken in groups: bars and features of a group on all cores, a path at a time; then the windows of all its
 * paths and assets through the forward pass, batch by batch; then the weights, a path at a time. No result depends on
 * what shares a group or a batch with it. */
#ifndef PU_HOST_STRESS_POLICY_MODEL_H
#define PU_HOST_STRESS_POLICY_MODEL_H

#include "host/data/features/continuation.h"
#include "host/eval/positions.h"
#include "host/stress/policy.h"
#include "host/train/forecast.h"

/* One asset of the model. */
typedef struct pu__model_asset {
    int market;     /* its place there */
    int member;     /* of the plan */
    int64_t rows;   /* of features, up to the market's last row */
    int64_t origin; /* the first row that windows of a path look at */
    float *past;    /* [rows - origin][features] */
} pu__model_asset;

/* What a thread needs. */
typedef struct pu__policy_worker {
    pu__continuation_room *room;
    pu__sizer *sizer;
    pu_bars *market_bars;    /* [assets of the market] */
    pu_bars *member_bars;    /* [members of the plan]: the same columns */
    float *features, *sigma; /* of the plan's assets, see pu__continuation_run */
    double *row;             /* [2][assets]: price, sigma */
    double *weight;          /* [assets] */
} pu__policy_worker;

/* Which block of which path a window of the next run is. */
typedef struct pu__placed_window {
    int64_t path, block;
    int asset;
} pu__placed_window;

struct pu__policy {
    const pu_config *config;
    const pu__market *market;
    pu__forecaster forecaster;
    pu_store *store;
    pu__plan plan;
    pu__continuation *continuation;
    pu__bar_shapes shapes;
    pu_pool *pool;
    int64_t steps;
    int64_t *ts;   /* [steps] */
    int benchmark; /* place in the market; -1: none */
    int assets;
    pu__model_asset *asset; /* [assets], as the dataset has them */
    int horizon;            /* index of backtest.horizon */
    double median_quantile;
    pu__sizer *sizer;     /* after the market's last row */
    double *first_weight; /* [assets] decided there */
    int workers;
    pu__policy_worker *worker;
    int64_t group_max;
    float *features;           /* [group][assets][steps][features] */
    float *sigma;              /* [group][assets][steps] */
    double *forecast;          /* [group][steps][assets] */
    pu__placed_window *placed; /* [batch] */
    float *answer;             /* [outputs] */
};

/* The expected return of a row of answers, and the sigma that a weight is scaled by, as the backtest reads them. */
double pu__policy_expected(const pu__policy *policy, const float *answer);
double pu__policy_sigma(float sigma);

/* Forecasts of the history, and what the sizing learns from them. */
pu_status pu__policy_learn(pu__policy *policy);

/* Features [assets][steps][features] and sigma [assets][steps] of path number `index`. */
pu_status pu__policy_features(pu__policy *policy, pu__policy_worker *worker, const pu__simulated *paths,
                              int64_t index, float *features, float *sigma);

#endif
