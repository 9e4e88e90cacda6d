-- Version 2 of the store: corporate actions, alternative data and regimes, each with the time it was published.
-- docs/schema.md explains every table.
--
-- What is dated at one time and known at another carries both: `ts` is the time a value is about, `published_ts` the
-- first moment anyone could know it. Joins go by `published_ts`. A revision is another row: what was known earlier stays.

ALTER TABLE assets ADD COLUMN price_basis TEXT NOT NULL DEFAULT 'split_adjusted'
    CHECK (price_basis IN ('raw', 'split_adjusted'));

CREATE TABLE corporate_actions (
    asset_id INTEGER NOT NULL REFERENCES assets,
    ex_ts INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('split', 'dividend')),
    -- split: new shares for one old; dividend: cash per share.
    value REAL NOT NULL CHECK (value > 0 AND value <= 1e9),
    published_ts INTEGER NOT NULL,
    -- The shares that a dividend is counted in: those of its day, or those after every split the source knew of.
    basis TEXT NOT NULL DEFAULT 'raw' CHECK (basis = 'raw' OR (basis = 'split_adjusted' AND kind = 'dividend')),
    PRIMARY KEY (asset_id, ex_ts, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE alternative_series (
    series_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 63),
    asset_id INTEGER REFERENCES assets, -- NULL: the whole market's
    kind TEXT NOT NULL CHECK (kind IN ('macro', 'onchain', 'funding', 'sentiment', 'other')),
    unit TEXT NOT NULL DEFAULT '' CHECK (length(unit) <= 31),
    stale_after_s INTEGER NOT NULL CHECK (stale_after_s > 0),
    rows INTEGER NOT NULL DEFAULT 0 CHECK (rows >= 0),
    first_published_ts INTEGER NOT NULL DEFAULT 0,
    last_published_ts INTEGER NOT NULL DEFAULT 0 CHECK (last_published_ts >= first_published_ts),
    checksum INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX alternative_series_by_name ON alternative_series (name, ifnull(asset_id, 0));

CREATE TABLE alternative_values (
    series_id INTEGER NOT NULL REFERENCES alternative_series ON DELETE CASCADE,
    published_ts INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    value REAL NOT NULL CHECK (abs(value) <= 1e300),
    PRIMARY KEY (series_id, published_ts, ts)
) STRICT, WITHOUT ROWID;

-- What is announced ahead, by the time it comes due.
CREATE INDEX alternative_values_ahead ON alternative_values (series_id, ts) WHERE ts > published_ts;

CREATE TABLE regimes (
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 63),
    published_ts INTEGER NOT NULL,
    ts INTEGER NOT NULL, -- the label holds from here until the next one's
    label INTEGER NOT NULL CHECK (label BETWEEN -1000 AND 1000),
    PRIMARY KEY (name, published_ts, ts)
) STRICT, WITHOUT ROWID;

CREATE INDEX regimes_ahead ON regimes (name, ts) WHERE ts > published_ts;

CREATE TABLE alternative_imports (
    import_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 63),
    kind TEXT NOT NULL CHECK (kind IN ('macro', 'onchain', 'funding', 'sentiment', 'other', 'regime')),
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    format TEXT NOT NULL CHECK (format IN ('csv', 'sqlite', 'jsonl')),
    rows_read INTEGER NOT NULL CHECK (rows_read >= 0),
    rows_added INTEGER NOT NULL CHECK (rows_added >= 0),
    rows_unchanged INTEGER NOT NULL CHECK (rows_unchanged >= 0),
    rows_replaced INTEGER NOT NULL CHECK (rows_replaced >= 0),
    rows_rejected INTEGER NOT NULL CHECK (rows_rejected >= 0),
    imported_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    CHECK (rows_read = rows_added + rows_unchanged + rows_replaced + rows_rejected)
) STRICT;

CREATE TABLE alternative_rejected_rows (
    import_id INTEGER NOT NULL REFERENCES alternative_imports ON DELETE CASCADE,
    line INTEGER NOT NULL CHECK (line >= 1),
    reason TEXT NOT NULL,
    text TEXT NOT NULL CHECK (length(CAST(text AS BLOB)) <= 200),
    PRIMARY KEY (import_id, line)
) STRICT, WITHOUT ROWID;

-- Where an import ended: a file that has grown is read on from there.
CREATE TABLE import_ends (
    import_id INTEGER PRIMARY KEY REFERENCES imports ON DELETE CASCADE,
    lines INTEGER NOT NULL CHECK (lines >= 1),
    last_line INTEGER NOT NULL CHECK (last_line BETWEEN 1 AND lines),
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL CHECK (last_ts >= first_ts),
    saturday_bars INTEGER NOT NULL CHECK (saturday_bars >= 0),
    rules TEXT NOT NULL,
    bars INTEGER NOT NULL CHECK (bars >= 1),
    checksum INTEGER NOT NULL,
    seal TEXT NOT NULL CHECK (length(seal) IN (0, 64))
) STRICT;

-- What every import asks: was this content imported, and what of this asset?
CREATE INDEX imports_by_content ON imports (sha256);
CREATE INDEX imports_by_asset ON imports (asset_id);

-- Number of rows, and sum of their 64-bit hashes, of the small tables: by asset, by run, or whole (owner 0).
CREATE TABLE checksums (
    part TEXT NOT NULL CHECK (length(part) BETWEEN 1 AND 63),
    owner_id INTEGER NOT NULL,
    rows INTEGER NOT NULL CHECK (rows >= 1),
    checksum INTEGER NOT NULL,
    PRIMARY KEY (part, owner_id)
) STRICT, WITHOUT ROWID;
