/* A backtest in the making: what it reads, what it computes, what is written. Internal to host/eval. */
#ifndef PU_HOST_EVAL_BACKTEST_H
#define PU_HOST_EVAL_BACKTEST_H

#include <jansson.h>

#include "host/eval/panel.h"
#include "host/eval/positions.h"
#include "host/eval/scores.h"
#include "host/eval/strategy.h"
#include "plusultra/config.h"
#include "plusultra/windows.h"

enum { PU__STRATEGIES_MAX = 5, PU__WARNINGS_MAX = 16, PU__WARNING_BYTES = 256 };

/* One asset: its bars, the model's predictions, and the expected return read from them. */
typedef struct pu__asset_input {
    const pu_asset *asset;
    pu_bars bars;
    pu_prediction_set predictions;
    double *forecast, *sigma; /* [predictions.count], at backtest.horizon */
    double ic;                /* of forecast and target over the test segment */
} pu__asset_input;

typedef struct pu__backtest {
    const pu_config *config;
    char *config_text; /* effective, as YAML */
    pu_dataset *dataset;
    pu_store *store;
    int asset_count;
    pu__asset_input *input; /* [asset_count] */
    int horizon;            /* index of backtest.horizon among the predictions' horizons */
    int64_t test_from, test_to;
    /* From the first prediction to the end of the test segment: the time before the test teaches the sizing its
     * scale. */
    pu__panel panel;
    double *forecast, *sigma;  /* tables of the panel's shape */
    int64_t first;             /* row of the panel where the test begins */
    pu_asset benchmark;        /* symbol "" when none is configured */
    pu__panel benchmark_panel; /* one asset, the test's times */
    pu__settings settings;
    pu__sizing sizing;
    char periods_reason[160];
    pu__strategy strategy[PU__STRATEGIES_MAX]; /* the model first */
    int strategy_count;
    pu__scores *scores; /* [horizons of the predictions] */
    double break_even_bps;
    pu__verdict verdict;
    char warning[PU__WARNINGS_MAX][PU__WARNING_BYTES];
    int warning_count;
} pu__backtest;

/* Opens the dataset and the store and reads bars and predictions into the panel. */
pu_status pu__backtest_load(const pu_config *config, pu__backtest *out);
void pu__backtest_free(pu__backtest *backtest); /* accepts a zeroed one */

/* Periods per year, rules and sizing, by the configuration and the panel. */
pu_status pu__backtest_settle(pu__backtest *backtest);

/* Scores the forecasts of the test segment against the dataset's targets, per horizon and, for the information
 * coefficient, per asset. */
pu_status pu__backtest_score(pu__backtest *backtest);

/* Trains the ridge baseline on the train segment and writes its forecasts into a table of the panel's shape. */
pu_status pu__backtest_ridge(pu__backtest *backtest, double *forecast);

/* Rows [*first, *end) of an asset's decision times that lie in [from_ts, to_ts). */
void pu__rows_between(const int64_t *ts, int64_t count, int64_t from_ts, int64_t to_ts, int64_t *first,
                      int64_t *end);

void pu__backtest_warn(pu__backtest *backtest, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The document of docs/backtest-json.md; null when memory is short. */
json_t *pu__backtest_json(const pu__backtest *backtest);

#endif
