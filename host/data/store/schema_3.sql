-- Version 3 of the store: results of stress sweeps. docs/schema.md explains every table.

-- One sweep a run. `recipe` is the hash of all that its cells depend on: another one, and the cells are simulated anew.
CREATE TABLE stress_sweeps (
    sweep_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL UNIQUE REFERENCES runs ON DELETE CASCADE,
    recipe TEXT NOT NULL CHECK (length(recipe) = 64),
    config TEXT NOT NULL,
    data_hash TEXT NOT NULL CHECK (length(data_hash) = 64),
    cells INTEGER NOT NULL CHECK (cells >= 1),
    begun_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
) STRICT;

-- Losses and returns are shares of the starting equity over the horizon, a loss positive; costs too, the mean over the paths.
CREATE TABLE stress_cells (
    sweep_id INTEGER NOT NULL REFERENCES stress_sweeps ON DELETE CASCADE,
    cell INTEGER NOT NULL CHECK (cell >= 0),
    policy TEXT NOT NULL CHECK (length(policy) BETWEEN 1 AND 63),
    scenario TEXT NOT NULL CHECK (length(scenario) BETWEEN 1 AND 63),
    severity REAL NOT NULL CHECK (severity BETWEEN 0 AND 1000),
    cost_factor REAL NOT NULL CHECK (cost_factor BETWEEN 0 AND 1e6),
    latency_bars INTEGER NOT NULL CHECK (latency_bars BETWEEN 0 AND 1000),
    seed INTEGER NOT NULL,
    paths INTEGER NOT NULL CHECK (paths >= 1),
    mean_return REAL NOT NULL CHECK (mean_return BETWEEN -1 AND 1e300),
    mean_return_error REAL NOT NULL CHECK (mean_return_error BETWEEN 0 AND 1e300),
    median_return REAL NOT NULL CHECK (median_return BETWEEN -1 AND 1e300),
    loss_95 REAL NOT NULL CHECK (loss_95 BETWEEN -1e300 AND 1),
    loss_99 REAL NOT NULL CHECK (loss_99 BETWEEN -1e300 AND 1),
    cvar_95 REAL NOT NULL CHECK (cvar_95 BETWEEN -1e300 AND 1),
    cvar_99 REAL NOT NULL CHECK (cvar_99 BETWEEN -1e300 AND 1),
    drawdown_median REAL NOT NULL CHECK (drawdown_median BETWEEN 0 AND 1),
    drawdown_95 REAL NOT NULL CHECK (drawdown_95 BETWEEN 0 AND 1),
    ruin REAL NOT NULL CHECK (ruin BETWEEN 0 AND 1),
    ruin_error REAL NOT NULL CHECK (ruin_error BETWEEN 0 AND 1),
    margin_call REAL NOT NULL CHECK (margin_call BETWEEN 0 AND 1),
    margin_call_error REAL NOT NULL CHECK (margin_call_error BETWEEN 0 AND 1),
    stopped REAL NOT NULL CHECK (stopped BETWEEN 0 AND 1),
    turnover REAL NOT NULL CHECK (turnover BETWEEN 0 AND 1e300),
    spread REAL NOT NULL CHECK (spread BETWEEN 0 AND 1e300),
    slippage REAL NOT NULL CHECK (slippage BETWEEN 0 AND 1e300),
    fee REAL NOT NULL CHECK (fee BETWEEN 0 AND 1e300),
    impact REAL NOT NULL CHECK (impact BETWEEN 0 AND 1e300),
    carry REAL NOT NULL CHECK (carry BETWEEN 0 AND 1e300),
    under_water REAL NOT NULL CHECK (under_water BETWEEN 0 AND 1),
    worst_path INTEGER NOT NULL CHECK (worst_path >= 0),
    worst_return REAL NOT NULL CHECK (worst_return BETWEEN -1 AND 1e300),
    PRIMARY KEY (sweep_id, cell)
) STRICT, WITHOUT ROWID;

-- Quantiles of the equity by bar, of the cells that are drawn. value: float64, little-endian, [quantile][bar].
CREATE TABLE stress_fans (
    sweep_id INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    paths INTEGER NOT NULL CHECK (paths >= 1),
    bars INTEGER NOT NULL CHECK (bars >= 1),
    value BLOB NOT NULL CHECK (length(value) % (8 * bars) = 0 AND length(value) > 0),
    PRIMARY KEY (sweep_id, cell),
    FOREIGN KEY (sweep_id, cell) REFERENCES stress_cells ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
