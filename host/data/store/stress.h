/* Cells of a stress sweep in the store: written one at a time, each in a transaction of its own with its fan, so
 * that a sweep that ends at any point holds whole cells and goes on behind them. */
#ifndef PU_HOST_DATA_STORE_STRESS_H
#define PU_HOST_DATA_STORE_STRESS_H

#include "plusultra/store.h"

/* The columns of stress_cells that a simulation fills; docs/schema.md says what they are. */
#define PU__STRESS_FIGURES(X) \
    X(mean_return)            \
    X(mean_return_error)      \
    X(median_return)          \
    X(loss_95)                \
    X(loss_99)                \
    X(cvar_95)                \
    X(cvar_99)                \
    X(drawdown_median)        \
    X(drawdown_95)            \
    X(ruin)                   \
    X(ruin_error)             \
    X(margin_call)            \
    X(margin_call_error)      \
    X(stopped)                \
    X(turnover)               \
    X(spread)                 \
    X(slippage)               \
    X(fee)                    \
    X(impact)                 \
    X(carry)                  \
    X(under_water)            \
    X(worst_return)

typedef struct pu__stress_figures {
#define PU__STRESS_FIELD(name) double name;
    PU__STRESS_FIGURES(PU__STRESS_FIELD)
#undef PU__STRESS_FIELD
    int64_t worst_path;
} pu__stress_figures;

/* Where a cell stands in the grid. */
typedef struct pu__stress_cell {
    int64_t number;
    const char *policy, *scenario;
    double severity, cost_factor;
    int64_t latency_bars, seed, paths;
} pu__stress_cell;

enum { PU__FAN_QUANTILES = 5 };
typedef struct pu__stress_fan {
    int64_t paths, bars;
    double *value; /* [PU__FAN_QUANTILES][bars] */
} pu__stress_fan;

typedef struct pu__stress_sweep {
    const char *recipe, *config, *data_hash;
    int64_t cells;
} pu__stress_sweep;

/* The run's sweep, in one transaction: the stored one where its recipe is the same, else a new one in its place.
 * *replaced: cells of another recipe were there and are gone. */
pu_status pu__stress_begin(pu_store *store, const char *run, const pu__stress_sweep *sweep, int64_t *sweep_id,
                           bool *replaced);

/* One cell; `fan` may be null. PU_ERR_STORE where the cell is there already. */
pu_status pu__stress_put(pu_store *store, int64_t sweep_id, const pu__stress_cell *cell,
                         const pu__stress_figures *figures, const pu__stress_fan *fan);

/* What is stored: known[cells], figures[cells] where known. */
pu_status pu__stress_get(pu_store *store, int64_t sweep_id, int64_t cells, bool *known,
                         pu__stress_figures *figures);

/* fan->bars says how many values there have to be. PU_ERR_NOT_FOUND without a fan; PU_ERR_CORRUPT: of another
 * length. */
pu_status pu__stress_get_fan(pu_store *store, int64_t sweep_id, int64_t cell, pu__stress_fan *fan);

#endif
