/* Backtest, metrics, baselines, statistics, and the report. */
#ifndef PLUSULTRA_EVAL_H
#define PLUSULTRA_EVAL_H

#include "plusultra/config.h"
#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the backtest of the configured run over the test segment: reads the predictions table, builds positions,
 * passes them through the one physics
 * (kernels/physics), compares with buy-and-hold, momentum and ridge regression on the same features, and writes
 * <run>/backtest.json (its layout:
 * docs/backtest-json.md) and the trades table. */
pu_status pu_backtest(const pu_config *config);

/* Writes <run>/report.html (self-contained) and <run>/report.md from backtest.json, train.jsonl and config.yaml.
 * PU_ERR_NOT_FOUND names the
 * missing file and the command that makes it. */
pu_status pu_report(const pu_config *config, char *html_path, int64_t html_path_capacity);

#ifdef __cplusplus
}
#endif
#endif
