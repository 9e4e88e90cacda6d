-- Version 1 of the store. docs/schema.md explains every table.
--
-- STRICT keeps text and NaN out of REAL columns (SQLite stores NaN as NULL) but lets the infinities in, so every real number has a bound.

CREATE TABLE assets (
    asset_id INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL CHECK (length(CAST(symbol AS BLOB)) BETWEEN 1 AND 63),
    asset_class TEXT NOT NULL CHECK (asset_class IN ('equity', 'index', 'future', 'forex', 'crypto', 'synthetic')),
    bar_s INTEGER NOT NULL CHECK (bar_s BETWEEN 1 AND 31622400),
    currency TEXT NOT NULL DEFAULT '' CHECK (length(currency) <= 8),
    periods_per_year REAL NOT NULL CHECK (periods_per_year > 0 AND periods_per_year <= 31622400),
    -- Written with the bars, in the same transaction: their number, their ends, and the sum of their 64-bit hashes.
    bars INTEGER NOT NULL DEFAULT 0 CHECK (bars >= 0),
    first_ts INTEGER NOT NULL DEFAULT 0,
    last_ts INTEGER NOT NULL DEFAULT 0 CHECK (last_ts >= first_ts),
    checksum INTEGER NOT NULL DEFAULT 0,
    UNIQUE (symbol, bar_s)
) STRICT;

CREATE TABLE series (
    asset_id INTEGER NOT NULL REFERENCES assets,
    ts INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    adjusted REAL NOT NULL,
    volume REAL,
    PRIMARY KEY (asset_id, ts),
    CHECK (low > 0 AND low <= high AND high <= 1e300),
    CHECK (open >= low * 0.999999 AND open <= high * 1.000001),
    CHECK (close >= low * 0.999999 AND close <= high * 1.000001),
    CHECK (adjusted > 0 AND adjusted <= 1e300),
    CHECK (volume >= 0 AND volume <= 1e300)
) STRICT, WITHOUT ROWID;

CREATE TABLE indicators (
    asset_id INTEGER NOT NULL REFERENCES assets,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    ts INTEGER NOT NULL,
    value REAL NOT NULL CHECK (abs(value) <= 1e300),
    PRIMARY KEY (asset_id, name, ts)
) STRICT, WITHOUT ROWID;

CREATE TABLE benchmarks (
    universe TEXT PRIMARY KEY CHECK (length(universe) BETWEEN 1 AND 63),
    asset_id INTEGER NOT NULL REFERENCES assets
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (
    import_id INTEGER PRIMARY KEY,
    asset_id INTEGER NOT NULL REFERENCES assets,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    layout TEXT NOT NULL,
    stamp TEXT NOT NULL CHECK (stamp IN ('open', 'close')),
    rows_read INTEGER NOT NULL CHECK (rows_read >= 0),
    rows_added INTEGER NOT NULL CHECK (rows_added >= 0),
    rows_unchanged INTEGER NOT NULL CHECK (rows_unchanged >= 0),
    rows_replaced INTEGER NOT NULL CHECK (rows_replaced >= 0),
    rows_rejected INTEGER NOT NULL CHECK (rows_rejected >= 0),
    imported_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    CHECK (rows_read = rows_added + rows_unchanged + rows_replaced + rows_rejected)
) STRICT;

CREATE TABLE rejected_rows (
    import_id INTEGER NOT NULL REFERENCES imports ON DELETE CASCADE,
    line INTEGER NOT NULL CHECK (line >= 1),
    reason TEXT NOT NULL,
    text TEXT NOT NULL CHECK (length(CAST(text AS BLOB)) <= 200),
    PRIMARY KEY (import_id, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE feature_sets (
    set_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('feature', 'label')),
    set_hash TEXT NOT NULL CHECK (length(set_hash) = 64),
    asset_id INTEGER NOT NULL REFERENCES assets,
    source_hash TEXT NOT NULL CHECK (length(source_hash) = 64),
    columns TEXT NOT NULL,
    column_count INTEGER NOT NULL CHECK (column_count BETWEEN 1 AND 65536),
    first_bar INTEGER NOT NULL CHECK (first_bar >= 0),
    row_count INTEGER NOT NULL CHECK (row_count >= 0),
    block_rows INTEGER NOT NULL CHECK (block_rows >= 1),
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    built_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    UNIQUE (kind, set_hash, asset_id)
) STRICT;

-- block_id is the rowid that sqlite3_blob_open asks for.
CREATE TABLE feature_blocks (
    block_id INTEGER PRIMARY KEY,
    set_id INTEGER NOT NULL REFERENCES feature_sets ON DELETE CASCADE,
    first_row INTEGER NOT NULL CHECK (first_row >= 0),
    row_count INTEGER NOT NULL CHECK (row_count >= 1),
    column_count INTEGER NOT NULL CHECK (column_count >= 1),
    checksum TEXT NOT NULL CHECK (length(checksum) BETWEEN 8 AND 64),
    data BLOB NOT NULL CHECK (length(data) = 4 * row_count * column_count),
    UNIQUE (set_id, first_row)
) STRICT;

CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) >= 1),
    started_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    seed INTEGER,
    config TEXT NOT NULL DEFAULT '',
    data_hash TEXT NOT NULL DEFAULT '',
    feature_hash TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE prediction_sets (
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    asset_id INTEGER NOT NULL REFERENCES assets,
    horizon_bars TEXT NOT NULL,
    quantiles TEXT NOT NULL,
    row_count INTEGER NOT NULL CHECK (row_count >= 0),
    value_count INTEGER NOT NULL CHECK (value_count >= 1),
    checksum INTEGER NOT NULL,
    PRIMARY KEY (run_id, asset_id)
) STRICT, WITHOUT ROWID;

-- value: float32, little-endian, [horizon][quantile].
CREATE TABLE predictions (
    run_id INTEGER NOT NULL,
    asset_id INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    sigma REAL NOT NULL CHECK (sigma >= 0 AND sigma <= 3.4028234663852886e38),
    value BLOB NOT NULL CHECK (length(value) % 4 = 0),
    PRIMARY KEY (run_id, asset_id, ts),
    FOREIGN KEY (run_id, asset_id) REFERENCES prediction_sets ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE trades (
    trade_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    asset_id INTEGER NOT NULL REFERENCES assets,
    decided_ts INTEGER NOT NULL,
    filled_ts INTEGER NOT NULL CHECK (filled_ts >= decided_ts),
    price REAL NOT NULL CHECK (price > 0 AND price <= 1e300),
    weight_before REAL NOT NULL CHECK (abs(weight_before) <= 1e6),
    weight_after REAL NOT NULL CHECK (abs(weight_after) <= 1e6),
    cost_ratio REAL NOT NULL CHECK (abs(cost_ratio) <= 1e6)
) STRICT;

CREATE INDEX trades_by_run ON trades (run_id, filled_ts, asset_id);
