/* The SQLite store: market data, feature blocks, predictions, runs. The schema is host/data/store/schema.sql, documented in
 * docs/schema.md.
 *
 * Settings (see docs/architecture.md): one writer at a time with BEGIN IMMEDIATE, rollback journal with synchronous=FULL, foreign keys on,
 * DEFENSIVE on, trusted_schema off, STRICT tables. Readers are separate read-only connections. */
#ifndef PLUSULTRA_STORE_H
#define PLUSULTRA_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
typedef struct pu_store pu_store;

typedef enum pu_store_mode { PU_STORE_READ = 0, PU_STORE_WRITE /* must exist */, PU_STORE_CREATE /* made if missing */ } pu_store_mode;

/* Opens and, when writing, migrates forward. PU_ERR_NOT_FOUND, PU_ERR_CORRUPT (not a database, or its quick checks fail), PU_ERR_STORE (newer
 * schema, locked). One connection per thread. */
pu_status pu_store_open(const char *path, pu_store_mode mode, pu_store **out);
void pu_store_close(pu_store *store); /* accepts null */
const char *pu_store_path(const pu_store *store);
struct sqlite3 *pu_store_sqlite(pu_store *store); /* for the library's own modules */

/* Transactions: begin takes the write lock at once (BEGIN IMMEDIATE, waiting up to ten seconds). */
pu_status pu_store_begin(pu_store *store);
pu_status pu_store_commit(pu_store *store);
void pu_store_rollback(pu_store *store); /* harmless outside a transaction */

/* One asset: a symbol at one bar length. */
typedef struct pu_asset {
    int64_t id;
    char symbol[64];
    char asset_class[16];     /* equity, forex, crypto, synthetic */
    int64_t bar_s;            /* seconds of one bar: 86400 daily, 300 five minutes */
    double periods_per_year;  /* bars per year by the market's calendar: 252 equities, 365 crypto daily, 260 forex, ... */
    int64_t bars;             /* rows in series */
    int64_t first_ts, last_ts;
} pu_asset;

/* All assets ordered by symbol, or those in `symbols` in that order (PU_ERR_NOT_FOUND names the missing one and the nearest there is).
 * Free *out with pu_free. */
pu_status pu_store_assets(pu_store *store, int symbol_count, const char *const *symbols, int *count, pu_asset **out);

/* Bars of one asset in time order, as columns of doubles. Missing volume is NaN; adjusted equals close where the source has no adjusted
 * close. ts: UTC seconds of the bar's close. */
typedef struct pu_bars {
    int64_t count;
    int64_t *ts;
    double *open, *high, *low, *close, *adjusted, *volume;
} pu_bars;
/* from_ts inclusive, to_ts exclusive. Free with pu_bars_free. */
pu_status pu_store_bars(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts, pu_bars *out);
void pu_bars_free(pu_bars *bars);

/* SHA-256 (hex, 65 bytes with the end) over all bars of the assets, in order: the identity of the data in reports. */
pu_status pu_store_data_hash(pu_store *store, int asset_count, const pu_asset *assets, char out[65]);

/* Predictions: for a run, an asset, a decision time and a horizon, the forecast quantiles of the volatility-scaled return. `quantiles` are increasing after
 * sorting. Replaces what the same run stored before for that asset. One transaction. */
typedef struct pu_prediction_set {
    int64_t asset_id;
    int64_t count;         /* decision times */
    const int64_t *ts;     /* [count] */
    int horizons;
    const int64_t *horizon_bars; /* [horizons] */
    int quantiles;
    const double *quantile;      /* [quantiles] */
    const float *value;          /* [count][horizons][quantiles], in units of sigma * sqrt(horizon) */
    const float *sigma;          /* [count], per-bar volatility at the decision */
} pu_prediction_set;
pu_status pu_store_put_predictions(pu_store *store, const char *run, const pu_prediction_set *set);
/* Reads one asset's predictions of a run back; all pointers in *out are owned by one block to be freed with pu_prediction_set_free. */
pu_status pu_store_get_predictions(pu_store *store, const char *run, int64_t asset_id, pu_prediction_set *out);
void pu_prediction_set_free(pu_prediction_set *set);

/* Times: "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SSZ" to UTC seconds and back (20 or 10 characters). */
pu_status pu_time_parse(const char *text, int64_t *ts);
void pu_time_format(int64_t ts, bool with_clock, char out[32]);

#ifdef __cplusplus
}
#endif
#endif
